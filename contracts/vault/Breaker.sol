// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {IVault} from "../interfaces/IVault.sol";
import {Bucket} from "../libraries/Bucket.sol";
import {Words} from "../libraries/Words.sol";
import {Pauses} from "./Pauses.sol";

/// @notice Bounds what leaves in a time: per asset in units, over all assets in USD. See {IVault}.
abstract contract Breaker is Pauses {
    using Words for Words.Gates;
    using Words for Words.Hot;
    using Words for Words.Limits;

    uint256 internal constant MINUTE = 1 minutes;
    /// @dev The instant tier's bucket fills in a day.
    uint256 private constant INSTANT_WINDOW = 1 days;

    /// @dev What an outflow costs each bucket, in ticks.
    struct Costs {
        uint256 asset;
        uint256 usd; // 0 without a sane price
        uint256 instant;
    }

    /// @dev Takes `amount` from every bucket that bounds it, or reverts; false when it tripped the breaker instead.
    /// @param s What the asset's slots hold now.
    function _take(address asset, Slots memory s, uint256 amount, bool instant, IVault.Scope scope)
        internal
        returns (bool)
    {
        Costs memory costs = _costs(s, amount, instant);
        (bool fits, uint256 fullAt) = Bucket.spend(s.hot.fullAt(), costs.asset, s.limits.window());
        if (!fits) return _exceeded(asset, amount, scope, IVault.Limit.Asset, costs);
        uint256 instantFullAt = s.hot.instantFullAt();
        if (instant) {
            (fits, instantFullAt) = Bucket.spend(instantFullAt, costs.instant, INSTANT_WINDOW);
            if (!fits) _refuse(asset, amount, IVault.Limit.Instant, costs);
        }
        Words.Hot hot = s.hot.withFullAt(fullAt, instantFullAt);
        if (costs.usd != 0) {
            (fits, fullAt) = Bucket.spend(s.gates.usdFullAt(), costs.usd, s.gates.usdWindow());
            if (!fits) return _exceeded(asset, amount, scope, IVault.Limit.Usd, costs);
            _storeGates(s.gates.withUsdFullAt(fullAt));
        }
        _storeHot(_vault().assets[asset], hot);
        return true;
    }

    /// @dev Takes `amount`, or what is left: counted, and never refused.
    function _drain(address asset, uint256 amount) internal {
        Asset storage a = _vault().assets[asset];
        Slots memory s = _slots(a);
        Costs memory costs = _costs(s, amount, false);
        uint256 fullAt = Bucket.drain(s.hot.fullAt(), costs.asset, s.limits.window());
        _storeHot(a, s.hot.withFullAt(fullAt, s.hot.instantFullAt()));
        fullAt = Bucket.drain(s.gates.usdFullAt(), costs.usd, s.gates.usdWindow());
        _storeGates(s.gates.withUsdFullAt(fullAt));
    }

    function _costs(Slots memory s, uint256 amount, bool instant) internal view returns (Costs memory costs) {
        (Words.Gates gates, Words.Limits limits) = (s.gates, s.limits);
        unchecked {
            // No product overflows: 40 bits times at most 10^38, and a price has at most 36 decimals.
            uint256 quantum = limits.quantum();
            uint256 capacity = limits.capacity() * quantum;
            if (block.timestamp < limits.priceUntil()) {
                // An amount beyond 128 bits costs more than any bucket holds already below.
                uint256 value = uint128(amount) * limits.price();
                costs.usd =
                    Bucket.cost(value, gates.usdCapacity() * 10 ** limits.priceDecimals(), gates.usdWindow());
            } else {
                capacity = capacity * limits.unpricedShare() / 100;
            }
            costs.asset = Bucket.cost(amount, capacity, limits.window());
            if (instant) {
                costs.instant = Bucket.cost(amount, limits.instantPerDay() * quantum, INSTANT_WINDOW);
            }
        }
    }

    /// @dev Trips when `amount` is beyond the hard multiple of the limit; otherwise, or when the breaker has frozen
    /// long enough lately, reverts.
    function _exceeded(
        address asset,
        uint256 amount,
        IVault.Scope scope,
        IVault.Limit limit,
        Costs memory costs
    ) private returns (bool) {
        IVault.LimitState memory state = _limitState(asset, limit);
        uint256 asked = limit == IVault.Limit.Usd ? _usd(asset, amount) : amount;
        if (asked <= state.capacity * _vault().hardMultiple) _refuse(asset, amount, limit, costs);
        (bool open, uint48 until) = _openWindow(address(this));
        if (!open) _refuse(asset, amount, limit, costs);
        if (limit == IVault.Limit.Usd) _setPause(scope, until);
        else _setAssetPause(asset, until);
        emit IVault.Tripped(limit, asset, scope, asked, state.left, until, msg.sender);
        return false;
    }

    function _refuse(address asset, uint256 amount, IVault.Limit limit, Costs memory costs) private view {
        uint256 asked = limit == IVault.Limit.Usd ? _usd(asset, amount) : amount;
        revert IVault.AboveLimit(
            limit, asset, asked, _limitState(asset, limit).left, _fitsAt(asset, limit, costs)
        );
    }

    function _fitsAt(address asset, IVault.Limit limit, Costs memory costs) internal view returns (uint256) {
        Layout storage $ = _vault();
        Asset storage a = $.assets[asset];
        if (limit == IVault.Limit.Usd) {
            return Bucket.fitsAt($.gates.usdFullAt, costs.usd, uint256($.gates.usdWindow) * MINUTE);
        }
        if (limit == IVault.Limit.Asset) {
            return Bucket.fitsAt(a.hot.fullAt, costs.asset, a.limits.window * MINUTE);
        }
        return Bucket.fitsAt(a.hot.instantFullAt, costs.instant, INSTANT_WINDOW);
    }

    /// @dev In USD with 18 decimals, rounded up.
    function _usd(address asset, uint256 amount) private view returns (uint256) {
        Limits storage limits = _vault().assets[asset].limits;
        return
            Math.mulDiv(amount, uint256(limits.price) * 1e18, 10 ** limits.priceDecimals, Math.Rounding.Ceil);
    }

    /// @dev A bucket now.
    function _limitState(address asset, IVault.Limit limit)
        internal
        view
        returns (IVault.LimitState memory state)
    {
        Layout storage $ = _vault();
        Limits storage limits = $.assets[asset].limits;
        Hot storage hot = $.assets[asset].hot;
        uint256 unit = 10 ** limits.exponent;
        uint256 fullAt;
        if (limit == IVault.Limit.Usd) {
            (state.capacity, state.window) =
            (uint256($.gates.usdCapacity) * 1e18, uint256($.gates.usdWindow) * MINUTE);
            fullAt = $.gates.usdFullAt;
        } else if (limit == IVault.Limit.Asset) {
            (state.capacity, state.window) = (limits.capacity * unit, limits.window * MINUTE);
            if (block.timestamp >= limits.priceUntil) {
                state.capacity = state.capacity * limits.unpricedShare / 100;
            }
            fullAt = hot.fullAt;
        } else {
            (state.capacity, state.window) = (limits.instantPerDay * unit, INSTANT_WINDOW);
            fullAt = hot.instantFullAt;
        }
        state.left = Bucket.left(fullAt, state.capacity, state.window);
        state.fullAt = Math.ceilDiv(fullAt, Bucket.TICKS);
    }
}
