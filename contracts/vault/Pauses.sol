// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IVault} from "../interfaces/IVault.sol";
import {VaultStorage} from "./VaultStorage.sol";

/// @notice Pauses that end by themselves.
abstract contract Pauses is VaultStorage {
    /// @dev A pause is over in the second of its end.
    function _requireActive(
        uint256 everything,
        uint256 scopeEnd,
        IVault.Scope scope,
        address asset,
        uint256 assetEnd
    ) internal view {
        if (block.timestamp < everything) {
            revert IVault.IsPaused(IVault.Scope.Everything, uint48(everything));
        }
        if (block.timestamp < scopeEnd) revert IVault.IsPaused(scope, uint48(scopeEnd));
        if (block.timestamp < assetEnd) revert IVault.AssetIsPaused(asset, uint48(assetEnd));
    }

    /// @dev All pauses of one guardian lie in one window: otherwise he could freeze for good by taking the scopes
    /// in turns. The breaker has a window of its own, for the same reason.
    /// @return open Whether one is open now. @return windowEnd The end of the newest one.
    function _openWindow(address by) internal returns (bool open, uint48 windowEnd) {
        Layout storage $ = _vault();
        windowEnd = $.windowEnds[by];
        if (windowEnd == 0 || block.timestamp >= windowEnd + $.pauseCooldown) {
            windowEnd = uint48(block.timestamp) + $.maxPause;
            $.windowEnds[by] = windowEnd;
        }
        open = block.timestamp < windowEnd;
    }

    function _setPause(IVault.Scope scope, uint48 until) internal {
        Gates storage gates = _vault().gates;
        uint32 end = _end32(until);
        if (scope == IVault.Scope.Everything) gates.everything = end;
        else if (scope == IVault.Scope.Deposits) gates.deposits = end;
        else if (scope == IVault.Scope.Orders) gates.orders = end;
        else if (scope == IVault.Scope.Requests) gates.requests = end;
        else gates.swaps = end;
    }

    function _setAssetPause(address asset, uint48 until) internal {
        _vault().assets[asset].hot.pausedUntil = _end32(until);
    }

    function _end32(uint48 until) private pure returns (uint32) {
        if (until > type(uint32).max) revert IVault.OutOfRange(until, 0, type(uint32).max);
        return uint32(until);
    }

    function _requireWithin(uint256 value, uint256 min, uint256 max) internal pure {
        if (value < min || value > max) revert IVault.OutOfRange(value, min, max);
    }
}
