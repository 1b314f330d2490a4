// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {ISwapAdapter} from "contracts/interfaces/ISwapAdapter.sol";
import {PlainToken} from "tests/contracts/mocks/Tokens.sol";

/// @notice An adapter that governance should not have taken: it does what its data says. What it pays it mints.
contract HostileAdapter is ISwapAdapter {
    using SafeERC20 for IERC20;

    enum Mood {
        Honest,
        GivesNothing, // and takes all
        TakesNothing, // and gives
        TakesHalf, // and gives for all
        TakesMore, // than it was given
        Reverts,
        BurnsGas,
        RevertsWithMegabyte,
        ReturnsMegabyte, // and is honest
        Lies, // returns that it gave much, and gives nothing
        StealsBought, // tries to take what other legs bought
        Reenters // calls what {setReentry} says, and is honest
    }

    address private target;
    bytes private data;
    /// How many calls from inside a swap went through, and how many were made.
    uint256 public reentered;
    uint256 public reentries;

    function setReentry(address target_, bytes calldata data_) external {
        (target, data) = (target_, data_);
    }

    function swap(address sell, address buy, uint256 amount, bytes calldata how) external {
        (Mood mood, uint256 rate) = abi.decode(how, (Mood, uint256));
        if (mood == Mood.Reverts) revert("not today");
        if (mood == Mood.BurnsGas) while (true) {}
        if (mood == Mood.RevertsWithMegabyte) {
            assembly {
                revert(0, 1000000)
            }
        }
        if (mood == Mood.StealsBought) IERC20(buy).safeTransferFrom(msg.sender, address(this), 1);
        if (mood == Mood.Reenters) {
            (bool ok,) = target.call(data);
            ++reentries;
            if (ok) ++reentered;
        }
        uint256 taken = amount;
        if (mood == Mood.TakesNothing) taken = 0;
        if (mood == Mood.TakesHalf) taken = amount / 2;
        if (mood == Mood.TakesMore) taken = amount + 1;
        IERC20(sell).safeTransferFrom(msg.sender, address(this), taken);
        if (mood == Mood.Lies) {
            assembly {
                mstore(0, not(0))
                return(0, 32)
            }
        }
        if (mood == Mood.GivesNothing) return;
        PlainToken(buy).mint(msg.sender, Math.mulDiv(amount, rate, 1e36));
        if (mood == Mood.ReturnsMegabyte) {
            assembly {
                return(0x80, 1000000)
            }
        }
    }
}

/// @notice A token that turns against whoever is approved, or holds it.
contract HostileToken is PlainToken {
    enum Mood {
        Honest,
        TakesDouble, // from the sender
        KeepsApproval, // does not count down
        TakesFee, // from what arrives
        Reenters,
        Megabyte // is what transferFrom reverts with
    }

    Mood public mood;
    address private target;
    bytes private data;
    uint256 public reentered;
    uint256 public reentries;

    constructor() PlainToken("Hostile", "HOST", 18) {}

    function setMood(Mood mood_) external {
        mood = mood_;
    }

    function setReentry(address target_, bytes calldata data_) external {
        (target, data) = (target_, data_);
    }

    function transfer(address to, uint256 amount) public override returns (bool) {
        _odd(msg.sender, to, amount);
        return true;
    }

    function transferFrom(address from, address to, uint256 amount) public override returns (bool) {
        if (mood == Mood.Megabyte) {
            assembly {
                revert(0, 1000000)
            }
        }
        if (mood != Mood.KeepsApproval) _spendAllowance(from, msg.sender, amount);
        _odd(from, to, amount);
        return true;
    }

    function _odd(address from, address to, uint256 amount) private {
        if (mood == Mood.Reenters) {
            (bool ok,) = target.call(data);
            ++reentries;
            if (ok) ++reentered;
        }
        _transfer(from, to, amount);
        if (mood == Mood.TakesDouble) _burn(from, amount);
        if (mood == Mood.TakesFee) _burn(to, amount / 100);
    }
}
