// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {IOracleGuard} from "../interfaces/IOracleGuard.sol";
import {IVault} from "../interfaces/IVault.sol";
import {Push} from "../libraries/Push.sol";
import {Breaker} from "./Breaker.sol";
import {PauseControl} from "./PauseControl.sol";

/// @notice Who sets the limits, where prices come from, and when an amount will fit. See {IVault}.
abstract contract LimitControl is Breaker, PauseControl {
    /// @dev That the guard may use.
    uint256 private constant GUARD_GAS = 1_000_000;

    /// @notice See {IVault-setLimits}.
    function setLimits(address asset, IVault.AssetLimits calldata limits) external restricted {
        _setLimits(asset, limits);
    }

    /// @notice See {IVault-lowerLimits}.
    function lowerLimits(address asset, IVault.AssetLimits calldata limits) external restricted {
        IVault.AssetLimits memory old = assetLimits(asset);
        if (
            limits.capacity > old.capacity || limits.window < old.window
                || limits.unpricedShare > old.unpricedShare || limits.instantPerPayout > old.instantPerPayout
                || limits.instantPerDay > old.instantPerDay
                || limits.approvedPerPayout > old.approvedPerPayout
        ) revert IVault.NotLower();
        _setLimits(asset, limits);
    }

    function _setLimits(address asset, IVault.AssetLimits calldata limits) private {
        _requireWithin(limits.unpricedShare, 1, 100);
        // What the USD bucket counts has 128 bits.
        _requireWithin(limits.capacity, 0, type(uint128).max);
        _requireWithin(limits.approvedPerPayout, limits.instantPerPayout, type(uint128).max);
        Limits storage l = _vault().assets[asset].limits;
        uint256[3] memory kept = [limits.capacity, limits.instantPerPayout, limits.instantPerDay];
        uint8 exponent;
        while (exponent < 38 && kept[0] % 10 == 0 && kept[1] % 10 == 0 && kept[2] % 10 == 0) {
            (kept[0], kept[1], kept[2]) = (kept[0] / 10, kept[1] / 10, kept[2] / 10);
            ++exponent;
        }
        for (uint256 i = 0; i < 3; ++i) {
            if (kept[i] > type(uint40).max) revert IVault.LimitTooPrecise(asset, kept[i]);
        }
        l.exponent = exponent;
        (l.capacity, l.instantPerPayout, l.instantPerDay) =
        (uint40(kept[0]), uint40(kept[1]), uint40(kept[2]));
        (l.window, l.unpricedShare) = (_minutes(limits.window), limits.unpricedShare);
        _vault().assets[asset].approvedPerPayout = limits.approvedPerPayout;
        emit IVault.LimitsSet(asset, limits, msg.sender);
    }

    /// @notice See {IVault-setUsdLimit}.
    function setUsdLimit(uint32 capacity, uint32 window, uint8 hardMultiple) external restricted {
        _requireWithin(hardMultiple, 1, 100);
        _setUsdLimit(capacity, window, hardMultiple);
    }

    /// @notice See {IVault-lowerUsdLimit}.
    function lowerUsdLimit(uint32 capacity, uint32 window) external restricted {
        Layout storage $ = _vault();
        if (capacity > $.gates.usdCapacity || window < $.gates.usdWindow * MINUTE) revert IVault.NotLower();
        _setUsdLimit(capacity, window, $.hardMultiple);
    }

    function _setUsdLimit(uint32 capacity, uint32 window, uint8 hardMultiple) private {
        Layout storage $ = _vault();
        ($.gates.usdCapacity, $.gates.usdWindow, $.hardMultiple) = (capacity, _minutes(window), hardMultiple);
        emit IVault.UsdLimitSet(capacity, window, hardMultiple, msg.sender);
    }

    function _minutes(uint32 window) private pure returns (uint16) {
        _requireWithin(window, 1 hours, 30 days);
        if (window % MINUTE != 0) revert IVault.NotWholeMinutes(window);
        return uint16(window / MINUTE);
    }

    /// @notice See {IVault-setOracle}.
    function setOracle(address guard, uint32 priceLife) external restricted {
        _requireWithin(priceLife, 1 minutes, 1 days);
        (_vault().oracleGuard, _vault().priceLife) = (guard, priceLife);
        emit IVault.OracleSet(guard, priceLife);
    }

    /// @notice See {IVault-poke}.
    function poke(address asset) external returns (bool sane) {
        Layout storage $ = _vault();
        Limits storage limits = $.assets[asset].limits;
        uint256 price = limits.listed ? _ask($.oracleGuard, asset) : 0;
        uint8 decimals = 36;
        while (price > type(uint32).max && decimals != 0) {
            price = Math.ceilDiv(price, 10);
            --decimals;
        }
        sane = price != 0 && price <= type(uint32).max;
        if (sane) (limits.price, limits.priceDecimals) = (uint32(price), decimals);
        limits.priceUntil = sane ? uint32(block.timestamp) + $.priceLife : 0;
        emit IVault.Poked(asset, sane, price, decimals, limits.priceUntil);
    }

    /// @dev The guard's price, 0 when there is none that is sane. The guard is governed, not trusted to be well:
    /// whatever goes wrong in it means no price, but want of gas, which the caller could bring about.
    function _ask(address guard, address asset) private view returns (uint256) {
        if (guard.code.length == 0) return 0;
        bytes memory question = abi.encodeCall(IOracleGuard.peek, (asset));
        bool ok;
        uint256 verdict;
        uint256 price;
        assembly ("memory-safe") {
            ok := staticcall(GUARD_GAS, guard, add(question, 0x20), mload(question), 0x00, 0x40)
            ok := and(ok, gt(returndatasize(), 0x3f))
            verdict := mload(0x00)
            price := mload(0x20)
        }
        if (!ok && gasleft() < Push.gasNeeded(GUARD_GAS)) revert IVault.InsufficientGas();
        return ok && verdict < uint256(IOracleGuard.Verdict.Insane) ? price : 0;
    }

    /// @notice See {IVault-limitState}.
    function limitState(address asset, IVault.Limit limit) external view returns (IVault.LimitState memory) {
        return _limitState(asset, limit);
    }

    /// @notice See {IVault-retryAt}.
    function retryAt(address asset, uint256 amount, bool instant) external view returns (uint256 at) {
        at = Math.max(_fitsAt(asset, amount, IVault.Limit.Asset), _fitsAt(asset, amount, IVault.Limit.Usd));
        if (instant) at = Math.max(at, _fitsAt(asset, amount, IVault.Limit.Instant));
    }

    /// @notice See {IVault-assetLimits}.
    function assetLimits(address asset) public view returns (IVault.AssetLimits memory) {
        Limits storage l = _vault().assets[asset].limits;
        uint256 unit = 10 ** l.exponent;
        return IVault.AssetLimits({
            capacity: l.capacity * unit,
            window: uint32(l.window * MINUTE),
            unpricedShare: l.unpricedShare,
            instantPerPayout: l.instantPerPayout * unit,
            instantPerDay: l.instantPerDay * unit,
            approvedPerPayout: _vault().assets[asset].approvedPerPayout
        });
    }

    /// @notice See {IVault-usdLimit}.
    function usdLimit() external view returns (uint32 capacity, uint32 window, uint8 hardMultiple) {
        Layout storage $ = _vault();
        return ($.gates.usdCapacity, uint32($.gates.usdWindow * MINUTE), $.hardMultiple);
    }

    /// @notice See {IVault-priceOf}.
    function priceOf(address asset) external view returns (uint256 price, uint256 until) {
        Limits storage l = _vault().assets[asset].limits;
        return (Math.mulDiv(l.price, 1e36, 10 ** l.priceDecimals), l.priceUntil);
    }
}
