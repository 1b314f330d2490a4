// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {PlainToken} from "tests/contracts/mocks/Tokens.sol";

/// @notice An honest ERC-20 until a test changes one thing about it, and honest again after {reform}.
contract OddToken is PlainToken {
    /// @notice What `balanceOf` says.
    enum Says {
        Truth,
        Plus, // the truth, and `plus`
        Nothing,
        Everything, // the largest number
        LessAfterTransfer, // the truth, until something was transferred: then nothing
        Refuses,
        Megabyte, // of zeros
        Endless // burns all gas
    }

    struct Oddity {
        bool paused;
        bool still; // says what it says, and moves nothing
        bool answers; // with `answer` instead of true
        bytes answer;
        uint256 bomb; // so many bytes are the answer: true if it moved
        uint256 extraGas; // burnt by a transfer
        uint256 senderFee; // in percent, taken on top of the amount
        uint256 most; // that one transfer may move; 0 is any
        bool strict; // refuses zero, the sender and itself
        Says says;
        uint256 plus;
    }

    Oddity private odd;
    bool private transferred;

    constructor(uint8 decimals_) PlainToken("Odd", "ODD", decimals_) {}

    function set(Oddity calldata odd_) external {
        odd = odd_;
        transferred = false;
    }

    function reform() external {
        delete odd;
    }

    function balanceOf(address account) public view override returns (uint256 balance) {
        balance = super.balanceOf(account);
        if (odd.says == Says.Plus) return balance + odd.plus;
        if (odd.says == Says.Nothing) return 0;
        if (odd.says == Says.Everything) return type(uint256).max;
        if (odd.says == Says.LessAfterTransfer && transferred) return 0;
        require(odd.says != Says.Refuses, "no balance");
        if (odd.says == Says.Megabyte) {
            assembly {
                return(0x80, 1000000)
            }
        }
        if (odd.says == Says.Endless) while (true) {}
    }

    function transfer(address to, uint256 amount) public override returns (bool) {
        return _odd(msg.sender, to, amount);
    }

    function transferFrom(address from, address to, uint256 amount) public override returns (bool) {
        _spendAllowance(from, msg.sender, amount);
        return _odd(from, to, amount);
    }

    function _odd(address from, address to, uint256 amount) private returns (bool) {
        require(!odd.paused, "paused");
        require(odd.most == 0 || amount <= odd.most, "too much");
        require(!odd.strict || (amount != 0 && from != to && to != address(this)), "strict");
        uint256 until = gasleft();
        while (until - gasleft() < odd.extraGas) {}
        if (!odd.still) {
            _transfer(from, to, amount);
            uint256 fee = amount * odd.senderFee / 100;
            if (fee != 0) _burn(from, fee);
            if (odd.says == Says.LessAfterTransfer) transferred = true;
        }
        uint256 bomb = odd.bomb;
        if (bomb != 0) {
            bool moved = !odd.still;
            assembly {
                mstore(0, moved)
                return(0, bomb)
            }
        }
        if (odd.answers) {
            bytes memory answer = odd.answer;
            assembly {
                return(add(answer, 0x20), mload(answer))
            }
        }
        return true;
    }
}

/// @notice A rebasing token: holders have shares, balances follow the pool. A transfer moves shares rounded down (as
/// stETH does), or rounded up: then the sender may lose a unit more than he sends (as some aTokens do).
contract ShareToken {
    uint8 public constant decimals = 18;
    uint256 public totalSupply;
    uint256 public totalShares;
    bool public immutable ROUNDS_UP;
    mapping(address => uint256) public sharesOf;
    mapping(address => mapping(address => uint256)) public allowance;

    constructor(bool roundsUp) {
        ROUNDS_UP = roundsUp;
    }

    function balanceOf(address account) public view returns (uint256) {
        return totalShares == 0 ? 0 : Math.mulDiv(sharesOf[account], totalSupply, totalShares);
    }

    function mint(address to, uint256 amount) external {
        uint256 shares = totalShares == 0 ? amount : Math.mulDiv(amount, totalShares, totalSupply);
        (totalSupply, totalShares) = (totalSupply + amount, totalShares + shares);
        sharesOf[to] += shares;
    }

    /// @notice Every balance becomes `numerator / denominator` of what it was.
    function rebase(uint256 numerator, uint256 denominator) external {
        totalSupply = totalSupply * numerator / denominator;
    }

    function approve(address spender, uint256 amount) external returns (bool) {
        allowance[msg.sender][spender] = amount;
        return true;
    }

    function transfer(address to, uint256 amount) external returns (bool) {
        _move(msg.sender, to, amount);
        return true;
    }

    function transferFrom(address from, address to, uint256 amount) external returns (bool) {
        allowance[from][msg.sender] -= amount;
        _move(from, to, amount);
        return true;
    }

    function _move(address from, address to, uint256 amount) private {
        uint256 shares = Math.mulDiv(
            amount, totalShares, totalSupply, ROUNDS_UP ? Math.Rounding.Ceil : Math.Rounding.Floor
        );
        sharesOf[from] -= shares;
        sharesOf[to] += shares;
    }
}

/// @notice Is called by a {HookToken} before it sends and after it receives, as by ERC-777.
interface IHook {
    function tokensToSend(address to, uint256 amount) external;
    function tokensReceived(address from, uint256 amount) external;
}

/// @notice Calls sender and recipient, when they are contracts, with all the gas that there is.
contract HookToken is PlainToken {
    constructor() PlainToken("Hook", "HOOK", 18) {}

    /// @notice Whom it calls: not every contract has hooks.
    mapping(address => bool) public hooked;

    function setHooked(address account) external {
        hooked[account] = true;
    }

    function _update(address from, address to, uint256 amount) internal override {
        if (hooked[from]) IHook(from).tokensToSend(to, amount);
        super._update(from, to, amount);
        if (hooked[to]) IHook(to).tokensReceived(from, amount);
    }
}

/// @notice Has hooks, and does in them what a test says. It never fails because of what it does there.
contract HookHolder is IHook {
    struct Act {
        address target;
        bytes data;
    }

    Act[] private onSend;
    Act[] private onReceive;
    bool private refuses;
    /// How many of the calls from inside a hook succeeded, and how many there were.
    uint256 public succeeded;
    uint256 public calls;
    /// How many of them failed with an error.
    mapping(bytes4 error => uint256) public refusals;

    function setOnSend(Act[] calldata acts) external {
        _set(onSend, acts);
    }

    function setOnReceive(Act[] calldata acts) external {
        _set(onReceive, acts);
    }

    function setRefuses(bool refuses_) external {
        refuses = refuses_;
    }

    function act(address target, bytes calldata data) external returns (bytes memory said) {
        bool ok;
        (ok, said) = target.call(data);
        require(ok, "act failed");
    }

    function tokensToSend(address, uint256) external {
        _run(onSend);
    }

    function tokensReceived(address, uint256) external {
        require(!refuses, "not for me");
        _run(onReceive);
    }

    function _set(Act[] storage list, Act[] calldata acts) private {
        while (list.length != 0) list.pop();
        for (uint256 i = 0; i < acts.length; ++i) {
            list.push(acts[i]);
        }
    }

    function _run(Act[] storage list) private {
        for (uint256 i = 0; i < list.length; ++i) {
            (bool ok, bytes memory said) = list[i].target.call(list[i].data);
            ++calls;
            if (ok) ++succeeded;
            else ++refusals[bytes4(said)];
        }
    }
}

/// @notice A second address of a token: what it says and moves are the balances of the first.
contract SecondFace {
    FirstFace private immutable FIRST;

    constructor(FirstFace first) {
        FIRST = first;
    }

    function balanceOf(address account) external view returns (uint256) {
        return FIRST.balanceOf(account);
    }

    function transfer(address to, uint256 amount) external returns (bool) {
        FIRST.moveFor(msg.sender, to, amount);
        return true;
    }
}

/// @notice A token that has a {SecondFace}.
contract FirstFace is PlainToken {
    constructor() PlainToken("Faces", "FACES", 18) {}

    /// @dev For the second face only, in earnest.
    function moveFor(address from, address to, uint256 amount) external {
        _transfer(from, to, amount);
    }
}

/// @notice The largest number means the whole balance, as in Compound III.
contract AllToken is PlainToken {
    constructor() PlainToken("All", "ALL", 18) {}

    function transfer(address to, uint256 amount) public override returns (bool) {
        return super.transfer(to, amount == type(uint256).max ? balanceOf(msg.sender) : amount);
    }

    function transferFrom(address from, address to, uint256 amount) public override returns (bool) {
        return super.transferFrom(from, to, amount == type(uint256).max ? balanceOf(from) : amount);
    }
}
