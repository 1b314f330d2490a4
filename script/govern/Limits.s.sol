// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IVault} from "contracts/interfaces/IVault.sol";
import {Action} from "script/govern/Action.sol";

/// @title The breaker's limits. Governance sets, guardians lower.
/// @notice An asset's limits in the order of {IVault-AssetLimits}: capacity (units), window (seconds), unpricedShare
/// (percent), instantPerPayout, instantPerDay, approvedPerPayout (units). See {Action} for modes and delays.
///
///     forge script script/govern/Limits.s.sol --rpc-url URL --sender GOVERNANCE \
///       --sig set USDC '(1000000000000,86400,25,10000000000,300000000000,100000000000)'
///     ... --sig setUsd 5000000 86400 2   # whole USD, seconds, hard multiple
///     forge script script/govern/Limits.s.sol --rpc-url URL --sender GUARDIAN \
///       --sig lower USDC '(...)'
///     ... --sig lowerTo USDC 10               # every amount to 10 percent of what it is
///     ... --sig lowerUsd 500000 86400
contract Limits is Action {
    function set(string calldata asset, IVault.AssetLimits memory limits) external ready {
        address a = _checked(asset, limits);
        if (keccak256(abi.encode(limits)) == keccak256(abi.encode(vault.assetLimits(a)))) {
            revert BadInput("limits", "are what they are already: there is nothing to do");
        }
        _act(
            "limits",
            address(vault),
            abi.encodeCall(IVault.setLimits, (a, limits)),
            _words("set", asset, limits)
        );
    }

    function lower(string calldata asset, IVault.AssetLimits memory limits) public ready {
        address a = _checked(asset, limits);
        IVault.AssetLimits memory old = vault.assetLimits(a);
        _requireAtMost("capacity", limits.capacity, old.capacity);
        _requireAtMost("unpricedShare", limits.unpricedShare, old.unpricedShare);
        _requireAtMost("instantPerPayout", limits.instantPerPayout, old.instantPerPayout);
        _requireAtMost("instantPerDay", limits.instantPerDay, old.instantPerDay);
        _requireAtMost("approvedPerPayout", limits.approvedPerPayout, old.approvedPerPayout);
        if (limits.window < old.window) _tooShort(old.window);
        _act(
            "lower-limits",
            address(vault),
            abi.encodeCall(IVault.lowerLimits, (a, limits)),
            _words("lower", asset, limits)
        );
    }

    /// @param percent Of every amount; window and unpricedShare stay.
    function lowerTo(string calldata asset, uint256 percent) external ready {
        if (percent >= 100) revert BadInput("percent", "is not below 100");
        IVault.AssetLimits memory limits = vault.assetLimits(_knownAsset(asset));
        limits.capacity = limits.capacity * percent / 100;
        limits.instantPerPayout = limits.instantPerPayout * percent / 100;
        limits.instantPerDay = limits.instantPerDay * percent / 100;
        limits.approvedPerPayout = uint128(limits.approvedPerPayout * percent / 100);
        lower(asset, limits);
    }

    function setUsd(uint32 capacity, uint32 window, uint8 hardMultiple) external ready {
        _requireWindow(window);
        if (hardMultiple == 0 || hardMultiple > 100) {
            revert BadInput("hardMultiple", "is not within 1 and 100");
        }
        _act(
            "usd-limit",
            address(vault),
            abi.encodeCall(IVault.setUsdLimit, (capacity, window, hardMultiple)),
            string.concat(
                "set the limit over all assets to ",
                _usd(capacity, window),
                ", hard multiple ",
                _number(hardMultiple)
            )
        );
    }

    function lowerUsd(uint32 capacity, uint32 window) external ready {
        _requireWindow(window);
        (uint32 oldCapacity, uint32 oldWindow,) = vault.usdLimit();
        _requireAtMost("capacity", capacity, oldCapacity);
        if (window < oldWindow) _tooShort(oldWindow);
        _act(
            "lower-usd-limit",
            address(vault),
            abi.encodeCall(IVault.lowerUsdLimit, (capacity, window)),
            string.concat("lower the limit over all assets to ", _usd(capacity, window))
        );
    }

    function _checked(string memory asset, IVault.AssetLimits memory limits)
        private
        view
        returns (address a)
    {
        a = _knownAsset(asset);
        _requireWindow(limits.window);
        if (limits.unpricedShare == 0 || limits.unpricedShare > 100) {
            revert BadInput("unpricedShare", "is not within 1 and 100 percent");
        }
        if (limits.approvedPerPayout < limits.instantPerPayout) {
            revert BadInput("approvedPerPayout", "is below instantPerPayout: make it at least that");
        }
        (uint256 x, uint256 y, uint256 z) = (limits.capacity, limits.instantPerPayout, limits.instantPerDay);
        // As the vault keeps them: multiples of one power of ten, of 40 bits each.
        for (uint256 i = 0; i < 38 && x % 10 == 0 && y % 10 == 0 && z % 10 == 0; ++i) {
            (x, y, z) = (x / 10, y / 10, z / 10);
        }
        if (x > type(uint40).max) _tooPrecise("capacity");
        if (y > type(uint40).max) _tooPrecise("instantPerPayout");
        if (z > type(uint40).max) _tooPrecise("instantPerDay");
    }

    function _tooPrecise(string memory input) private pure {
        revert BadInput(
            input,
            "is too high beside the smallest of capacity, instantPerPayout, instantPerDay, or has too many digits: they share 12 significant digits, so round them"
        );
    }

    function _requireWindow(uint32 window) private pure {
        if (window < 1 hours || window > 30 days || window % 1 minutes != 0) {
            revert BadInput("window", "is not within 3600 and 2592000 seconds in whole minutes");
        }
    }

    function _requireAtMost(string memory input, uint256 value, uint256 most) private pure {
        if (value > most) {
            revert BadInput(
                input,
                string.concat("is above the present ", _number(most), ": only governance may raise it (set)")
            );
        }
    }

    function _tooShort(uint256 least) private pure {
        revert BadInput(
            "window",
            string.concat("is below the present ", _number(least), ": only governance may shorten it (set)")
        );
    }

    function _usd(uint256 capacity, uint256 window) private pure returns (string memory) {
        return string.concat(_number(capacity), " USD per ", duration(window));
    }

    function _words(string memory verb, string memory asset, IVault.AssetLimits memory l)
        private
        pure
        returns (string memory)
    {
        string memory s =
            string.concat(verb, " the limits of ", asset, " to ", _number(l.capacity), " units per ");
        s = string.concat(
            s, duration(l.window), ", ", _number(l.unpricedShare), "% of that without a price; instant "
        );
        s = string.concat(
            s, _number(l.instantPerPayout), " per payout and ", _number(l.instantPerDay), " per day; "
        );
        return string.concat(s, "approved ", _number(l.approvedPerPayout), " per payout");
    }
}
