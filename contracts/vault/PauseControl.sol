// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {
    AccessManagedUpgradeable
} from "@openzeppelin/contracts-upgradeable/access/manager/AccessManagedUpgradeable.sol";

import {IVault} from "../interfaces/IVault.sol";
import {Pauses} from "./Pauses.sol";

/// @notice Who pauses, and who ends it. See {IVault}.
abstract contract PauseControl is Pauses, AccessManagedUpgradeable {
    /// @notice See {IVault-pause}.
    function pause(IVault.Scope scope, uint32 duration) external restricted {
        _pause(scope, duration);
    }

    /// @notice See {IVault-pauseSwaps}.
    function pauseSwaps(uint32 duration) external restricted {
        _pause(IVault.Scope.Swaps, duration);
    }

    function _pause(IVault.Scope scope, uint32 duration) private {
        uint48 until = _guardianPause(duration);
        if (until > pausedUntil(scope)) _setPause(scope, until);
        emit IVault.Paused(scope, pausedUntil(scope), msg.sender);
    }

    /// @notice See {IVault-pauseAsset}.
    function pauseAsset(address asset, uint32 duration) external restricted {
        uint48 until = _guardianPause(duration);
        Hot storage hot = _vault().assets[asset].hot;
        if (until > hot.pausedUntil) _setAssetPause(asset, until);
        emit IVault.AssetPaused(asset, hot.pausedUntil, msg.sender);
    }

    function _guardianPause(uint32 duration) private returns (uint48 until) {
        if (duration == 0) revert IVault.ZeroAmount();
        (bool open, uint48 windowEnd) = _openWindow(msg.sender);
        if (!open) revert IVault.GuardianCoolingDown(msg.sender, windowEnd + _vault().pauseCooldown);
        until = uint48(block.timestamp) + duration;
        if (until > windowEnd) revert IVault.PauseTooLong(until, windowEnd);
    }

    /// @notice See {IVault-extendPause}.
    function extendPause(IVault.Scope scope, uint48 until) external restricted {
        _setPause(scope, until);
        emit IVault.Paused(scope, until, msg.sender);
    }

    /// @notice See {IVault-extendAssetPause}.
    function extendAssetPause(address asset, uint48 until) external restricted {
        _setAssetPause(asset, until);
        emit IVault.AssetPaused(asset, until, msg.sender);
    }

    /// @notice See {IVault-unpause}.
    function unpause(IVault.Scope scope) external restricted {
        _setPause(scope, uint48(block.timestamp));
        emit IVault.Unpaused(scope, msg.sender);
    }

    /// @notice See {IVault-unpauseAsset}.
    function unpauseAsset(address asset) external restricted {
        _setAssetPause(asset, uint48(block.timestamp));
        emit IVault.AssetUnpaused(asset, msg.sender);
    }

    /// @notice See {IVault-pausedUntil}.
    function pausedUntil(IVault.Scope scope) public view returns (uint48) {
        Gates storage gates = _vault().gates;
        if (scope == IVault.Scope.Everything) return gates.everything;
        if (scope == IVault.Scope.Deposits) return gates.deposits;
        if (scope == IVault.Scope.Orders) return gates.orders;
        if (scope == IVault.Scope.Requests) return gates.requests;
        return gates.swaps;
    }

    /// @notice See {IVault-assetPausedUntil}.
    function assetPausedUntil(address asset) external view returns (uint48) {
        return _vault().assets[asset].hot.pausedUntil;
    }

    /// @notice See {IVault-maxPause}.
    function maxPause() external view returns (uint32) {
        return _vault().maxPause;
    }

    /// @notice See {IVault-pauseCooldown}.
    function pauseCooldown() external view returns (uint32) {
        return _vault().pauseCooldown;
    }
}
