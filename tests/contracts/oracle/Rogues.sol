// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {OracleGuard} from "contracts/OracleGuard.sol";

/// @notice A source that misbehaves, whatever it is asked.
contract Rogue {
    enum Mode {
        Reverts,
        Burns, // all the gas that it is given
        Empty, // returns nothing
        Short, // one byte less than a word
        Ones, // every word the largest number
        Megabyte, // as much as its gas allows, up to 1 MB, of zeros
        Panics,
        Reenters
    }

    Mode private immutable MODE;
    address private immutable TARGET;

    constructor(Mode mode, address target) {
        (MODE, TARGET) = (mode, target);
    }

    fallback() external {
        Mode mode = MODE;
        address target = TARGET;
        if (mode == Mode.Reverts) revert("no");
        if (mode == Mode.Panics) assert(false);
        if (mode == Mode.Burns) while (true) {}
        if (mode == Mode.Reenters) OracleGuard(target).record(target);
        assembly {
            if eq(mode, 2) { return(0, 0) }
            if eq(mode, 3) { return(0, 31) }
            if eq(mode, 4) {
                for { let i := 0 } lt(i, 0x200) { i := add(i, 0x20) } { mstore(i, not(0)) }
                return(0, 0x200)
            }
            // Memory costs what a call may not have: then it fails, as it would.
            return(0, 1000000)
        }
    }
}

/// @notice A feed that catches what fails within: starved, it answers another price instead of failing.
contract StarvedFeed {
    uint8 public constant decimals = 8;
    string public constant description = "ETH / USD";

    function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80) {
        return (1, gasleft() > 90_000 ? int256(2000e8) : int256(2500e8), 0, block.timestamp, 1);
    }
}

/// @notice A feed that says what a test tells it to: rounds, times and decimals that no honest aggregator has.
contract ScriptedFeed {
    uint256 public decimals;
    string public description = "ETH / USD";
    uint256[5] private round;

    function set(uint256 id, int256 answer, uint256 startedAt, uint256 updatedAt, uint256 answeredIn)
        external
    {
        round = [id, uint256(answer), startedAt, updatedAt, answeredIn];
    }

    function setDecimals(uint256 decimals_) external {
        decimals = decimals_;
    }

    function latestRoundData() external view returns (uint256, uint256, uint256, uint256, uint256) {
        return (round[0], round[1], round[2], round[3], round[4]);
    }
}

/// @notice A token whose shares are worth more and more: `convertToAssets`.
contract RateToken {
    uint256 public rate;

    function set(uint256 rate_) external {
        rate = rate_;
    }

    function convertToAssets(uint256 shares) external view returns (uint256) {
        return shares * rate / 1e18;
    }
}

/// @notice A pool that says what a test tells it to: nothing that an honest one says.
contract ScriptedPool {
    uint256[7] public slot;
    uint256[4] public seen;
    uint256[8] public observed;

    function setSlot(uint256[7] calldata words) external {
        slot = words;
    }

    function setSeen(uint256[4] calldata words) external {
        seen = words;
    }

    function setObserved(uint256[8] calldata words) external {
        observed = words;
    }

    function slot0() external view returns (uint256[7] memory) {
        return slot;
    }

    function observations(uint256) external view returns (uint256[4] memory) {
        return seen;
    }

    fallback() external {
        uint256[8] memory words = observed;
        assembly {
            return(words, 0x100)
        }
    }
}
