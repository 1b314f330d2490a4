// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IVault} from "contracts/interfaces/IVault.sol";
import {Action} from "script/govern/Action.sol";

/// @title Pauses. Guardians pause, governance prolongs and ends.
/// @notice Scopes: everything, deposits, orders, requests, swaps. An asset: its symbol in the deployment file, or its
/// address. See {Action} for modes and delays.
///
///     forge script script/govern/Pause.s.sol --rpc-url URL --sender GUARDIAN \
///       --sig pause orders 86400
///     ... --sig pauseAsset USDC 86400
///     forge script script/govern/Pause.s.sol --rpc-url URL --sender GOVERNANCE --sig unpause orders
///     ... --sig unpauseAsset USDC
///     ... --sig extend orders 1900000000      # unix seconds
///     ... --sig extendAsset USDC 1900000000
contract Pause is Action {
    string[5] private SCOPES = ["everything", "deposits", "orders", "requests", "swaps"];

    function pause(string calldata scope, uint32 duration_) external ready {
        IVault.Scope s = _scope(scope);
        _requireDuration(duration_, vault.pausedUntil(s));
        _act(
            "pause",
            address(vault),
            abi.encodeCall(IVault.pause, (s, duration_)),
            string.concat("pause ", scope, " for ", duration(duration_))
        );
    }

    function pauseAsset(string calldata asset, uint32 duration_) external ready {
        address a = _knownAsset(asset);
        _requireDuration(duration_, vault.assetPausedUntil(a));
        _act(
            "pause",
            address(vault),
            abi.encodeCall(IVault.pauseAsset, (a, duration_)),
            string.concat("pause ", asset, " for ", duration(duration_))
        );
    }

    function extend(string calldata scope, uint48 until) external ready {
        _requireUntil(until);
        _act(
            "extend-pause",
            address(vault),
            abi.encodeCall(IVault.extendPause, (_scope(scope), until)),
            string.concat("pause ", scope, " until unix time ", _number(until))
        );
    }

    function extendAsset(string calldata asset, uint48 until) external ready {
        _requireUntil(until);
        _act(
            "extend-pause",
            address(vault),
            abi.encodeCall(IVault.extendAssetPause, (_knownAsset(asset), until)),
            string.concat("pause ", asset, " until unix time ", _number(until))
        );
    }

    function unpause(string calldata scope) external ready {
        IVault.Scope s = _scope(scope);
        _requirePaused(scope, vault.pausedUntil(s));
        _act(
            "unpause",
            address(vault),
            abi.encodeCall(IVault.unpause, (s)),
            string.concat("end the pause of ", scope)
        );
    }

    function unpauseAsset(string calldata asset) external ready {
        address a = _knownAsset(asset);
        _requirePaused(asset, vault.assetPausedUntil(a));
        _act(
            "unpause",
            address(vault),
            abi.encodeCall(IVault.unpauseAsset, (a)),
            string.concat("end the pause of ", asset)
        );
    }

    function _scope(string memory word) private view returns (IVault.Scope) {
        for (uint256 i = 0; i < SCOPES.length; ++i) {
            if (keccak256(bytes(SCOPES[i])) == keccak256(bytes(word))) return IVault.Scope(i);
        }
        revert BadInput(
            "scope", string.concat(word, " is none of everything, deposits, orders, requests, swaps")
        );
    }

    function _requireDuration(uint32 duration_, uint256 pausedUntil) private view {
        if (duration_ == 0) revert BadInput("duration", "is zero: give seconds");
        if (duration_ > vault.maxPause()) {
            revert BadInput(
                "duration",
                string.concat("is above what a guardian may pause: ", _number(vault.maxPause()), " s")
            );
        }
        if (block.timestamp + duration_ <= pausedUntil) {
            revert BadInput(
                "duration", string.concat("ends before the present pause, at ", _number(pausedUntil))
            );
        }
    }

    function _requireUntil(uint48 until) private view {
        if (until <= block.timestamp) revert BadInput("until", "is past: give unix seconds");
        if (until > type(uint32).max) revert BadInput("until", "is beyond 2106: give unix seconds");
    }

    function _requirePaused(string memory what, uint256 until) private view {
        if (until <= block.timestamp) revert BadInput(what, "is not paused: there is nothing to do");
    }
}
