// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {IVault} from "../interfaces/IVault.sol";
import {Assets} from "../libraries/Assets.sol";
import {Push} from "../libraries/Push.sol";
import {Breaker} from "./Breaker.sol";

/// @notice The one way in which money is paid to people: pushed, or kept as a claim.
abstract contract Payments is Breaker, ReentrancyGuardTransient {
    /// @dev What a payment carries from payout to payout.
    struct Payment {
        address asset;
        address lane; // zero for requests
        uint256 most; // that one payout may be
        uint256 allowance; // gas of one push
        uint256 balance; // before the first push
        uint256 paid;
        uint256 failed;
    }

    function _begin(address asset, uint256 allowance) internal view returns (Payment memory p) {
        (p.asset, p.allowance, p.balance) = (asset, allowance, _balanceBefore(asset));
    }

    function _balanceBefore(address asset) internal view returns (uint256) {
        if (asset == Assets.NATIVE) return address(this).balance;
        // A call to an address without code succeeds and pays nothing.
        if (asset.code.length == 0) revert IVault.AssetNotListed(asset);
        return IERC20(asset).balanceOf(address(this));
    }

    /// @dev Pushes `amount` to `recipient`, or keeps it as the recipient's claim.
    function _pay(Payment memory p, address recipient, uint256 amount, uint64 number) internal {
        (bool ok, bytes32 reason) = Push.send(p.asset, recipient, amount, p.allowance);
        if (ok) {
            p.paid += amount;
        } else {
            _keep(p.asset, recipient, amount, p.allowance, p.lane, number, reason);
            p.failed += amount;
        }
    }

    function _keep(
        address asset,
        address recipient,
        uint256 amount,
        uint256 allowance,
        address lane,
        uint64 number,
        bytes32 reason
    ) internal {
        // A keeper that is short of gas must not be able to turn a payment into a claim.
        if (gasleft() < Push.gasNeeded(allowance)) revert IVault.InsufficientGas();
        _vault().claims[asset][recipient] += amount;
        emit IVault.PayoutFailed(asset, recipient, amount, lane, number, reason);
    }

    /// @dev Takes `amount` from the caller. What arrived counts, not what was said: a token may keep a fee.
    function _receive(address asset, uint256 amount) internal returns (uint256 arrived) {
        if (asset == Assets.NATIVE) {
            if (msg.value != amount) revert IVault.WrongValue(msg.value, amount);
            arrived = amount;
        } else {
            if (msg.value != 0) revert IVault.WrongValue(msg.value, 0);
            uint256 before = IERC20(asset).balanceOf(address(this));
            SafeERC20.safeTransferFrom(IERC20(asset), msg.sender, address(this), amount);
            arrived = IERC20(asset).balanceOf(address(this)) - before;
        }
        if (arrived == 0) revert IVault.ZeroAmount();
    }

    function _end(Payment memory p) internal {
        _end(p.asset, p.balance, p.paid, p.failed);
    }

    /// @dev Books the claims, and checks that a token took no more than was paid.
    function _end(address asset, uint256 before, uint256 paid, uint256 failed) internal {
        if (failed != 0) _addLiabilities(asset, failed);
        if (asset == Assets.NATIVE) return;
        uint256 balance = IERC20(asset).balanceOf(address(this));
        if (balance + paid < before) revert IVault.TokenTookMore(asset, paid, before - balance);
    }

    function _addLiabilities(address asset, uint256 amount) internal {
        Hot storage hot = _vault().assets[asset].hot;
        uint256 liabilities = hot.liabilities + amount;
        if (liabilities > type(uint128).max) revert IVault.OutOfRange(liabilities, 0, type(uint128).max);
        hot.liabilities = uint128(liabilities);
    }

    /// @dev `amount` is part of them.
    function _subLiabilities(address asset, uint256 amount) internal {
        _vault().assets[asset].hot.liabilities -= uint128(amount);
    }

    /// @dev What `balance` leaves over when everybody else is served.
    function _available(uint256 balance, uint256 liabilities) internal pure returns (uint256) {
        return balance > liabilities ? balance - liabilities : 0;
    }

    function _floatOf(address asset) internal view returns (uint256) {
        return _available(Assets.balanceOf(asset, address(this)), _vault().assets[asset].hot.liabilities);
    }

    function _requireListed(address asset) internal view {
        if (!_vault().assets[asset].limits.listed) revert IVault.AssetNotListed(asset);
    }

    function _requireRecipient(address asset, address recipient) internal view {
        if (recipient == address(0) || recipient == address(this) || recipient == asset) {
            revert IVault.BadRecipient(recipient);
        }
    }
}
