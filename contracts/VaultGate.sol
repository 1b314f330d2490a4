// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";

import {IUpgradeGate} from "./interfaces/IUpgradeGate.sol";
import {IVault} from "./interfaces/IVault.sol";
import {Assets} from "./libraries/Assets.sol";

/// @title VaultGate
/// @notice What an upgrade of the vault must not change: who governs it, its money, its debts, its limits and its
/// pauses. An upgrade that forgets to set something, or reads it from another place, does not pass.
contract VaultGate is IUpgradeGate {
    /// @inheritdoc IUpgradeGate
    function state(address proxy) external view returns (bytes memory) {
        IVault vault = IVault(proxy);
        address[] memory assets = vault.assets();
        bytes memory all = abi.encode(
            IAccessManaged(proxy).authority(),
            assets,
            vault.lastRequestId(),
            vault.exitDelay(),
            vault.maxPause(),
            vault.pauseCooldown(),
            vault.cold()
        );
        (address approvers, uint32 announceDelay) = vault.approvals();
        (uint32 capacity, uint32 window, uint8 hardMultiple) = vault.usdLimit();
        all = abi.encode(all, approvers, announceDelay, capacity, window, hardMultiple);
        all = abi.encode(all, vault.splitter());
        for (uint256 i = 0; i <= uint256(type(IVault.Scope).max); ++i) {
            all = abi.encode(all, vault.pausedUntil(IVault.Scope(i)));
        }
        for (uint256 i = 0; i < assets.length; ++i) {
            address asset = assets[i];
            all = abi.encode(
                all, Assets.balanceOf(asset, proxy), vault.liabilitiesOf(asset), vault.assetPausedUntil(asset)
            );
            all = abi.encode(all, vault.assetConfig(asset), vault.assetLimits(asset), vault.treasuryOf(asset));
            all = abi.encode(all, vault.swapRules(asset), vault.swapLimitState(asset));
            for (uint256 k = 0; k <= uint256(type(IVault.Limit).max); ++k) {
                all = abi.encode(all, vault.limitState(asset, IVault.Limit(k)));
            }
        }
        return all;
    }
}
