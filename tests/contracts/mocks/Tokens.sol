// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @notice A plain ERC-20 that anyone may mint.
contract PlainToken is ERC20 {
    uint8 private immutable DECIMALS;

    constructor(string memory name_, string memory symbol_, uint8 decimals_) ERC20(name_, symbol_) {
        DECIMALS = decimals_;
    }

    function decimals() public view override returns (uint8) {
        return DECIMALS;
    }

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function burn(uint256 amount) external {
        _burn(msg.sender, amount);
    }
}

/// @notice In the manner of USDT: transfers return nothing, and addresses can be blocked.
contract NoReturnToken {
    string public name;
    string public symbol;
    uint8 public immutable decimals;
    uint256 public totalSupply;
    mapping(address => uint256) public balanceOf;
    mapping(address => mapping(address => uint256)) public allowance;
    mapping(address => bool) public isBlocked;

    event Transfer(address indexed from, address indexed to, uint256 value);
    event Approval(address indexed owner, address indexed spender, uint256 value);

    constructor(string memory name_, string memory symbol_, uint8 decimals_) {
        (name, symbol, decimals) = (name_, symbol_, decimals_);
    }

    function mint(address to, uint256 amount) external {
        totalSupply += amount;
        balanceOf[to] += amount;
        emit Transfer(address(0), to, amount);
    }

    function burn(uint256 amount) external {
        totalSupply -= amount;
        balanceOf[msg.sender] -= amount;
        emit Transfer(msg.sender, address(0), amount);
    }

    function setBlocked(address account, bool blocked) external {
        isBlocked[account] = blocked;
    }

    function approve(address spender, uint256 amount) external {
        allowance[msg.sender][spender] = amount;
        emit Approval(msg.sender, spender, amount);
    }

    function transfer(address to, uint256 amount) external {
        _move(msg.sender, to, amount);
    }

    function transferFrom(address from, address to, uint256 amount) external {
        allowance[from][msg.sender] -= amount;
        _move(from, to, amount);
    }

    function _move(address from, address to, uint256 amount) private {
        require(!isBlocked[from] && !isBlocked[to], "blocked");
        balanceOf[from] -= amount;
        balanceOf[to] += amount;
        emit Transfer(from, to, amount);
    }
}

/// @notice An ERC-20 whose transfers fail in the way that was last chosen.
contract MoodyToken is PlainToken {
    enum Mood {
        Honest,
        ReturnsFalse, // and moves nothing
        Reverts,
        BurnsGas,
        ReturnsMegabyte, // and moves nothing
        ReturnsTwo, // no boolean
        MovesAndReverts, // in a frame whose effects are undone
        TakesDouble, // from the sender
        Reenters
    }

    Mood public mood;
    address private target;
    bytes private data;

    constructor() PlainToken("Moody", "MOODY", 18) {}

    function setMood(Mood mood_) external {
        mood = mood_;
    }

    /// @notice What `Reenters` calls from inside a transfer; it must fail.
    function setReentry(address target_, bytes calldata data_) external {
        (target, data) = (target_, data_);
    }

    function transfer(address to, uint256 amount) public override returns (bool) {
        if (mood == Mood.ReturnsFalse) return false;
        if (mood == Mood.Reverts) revert("not today");
        if (mood == Mood.BurnsGas) while (true) {}
        if (mood == Mood.ReturnsMegabyte) {
            assembly {
                return(0, 1000000)
            }
        }
        if (mood == Mood.ReturnsTwo) {
            assembly {
                mstore(0, 2)
                return(0, 32)
            }
        }
        _transfer(msg.sender, to, amount);
        if (mood == Mood.MovesAndReverts) revert("moved, and taken back");
        if (mood == Mood.TakesDouble) _burn(msg.sender, amount);
        if (mood == Mood.Reenters) {
            (bool ok,) = target.call(data);
            require(!ok, "reentered");
        }
        return true;
    }
}

/// @notice An ERC-20 that keeps a hundredth of each transfer, from what arrives.
contract FeeToken is PlainToken {
    constructor() PlainToken("Fee", "FEE", 18) {}

    function _update(address from, address to, uint256 amount) internal override {
        if (from == address(0) || to == address(0)) return super._update(from, to, amount);
        super._update(from, to, amount - amount / 100);
        super._update(from, address(0), amount / 100);
    }
}
