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

    /// @dev Takes `amount` from every bucket that bounds it, or reverts; false when it tripped the breaker instead.
    function _take(address asset, uint256 amount, bool instant, IVault.Scope scope) internal returns (bool) {
        if (amount == 0) return true;
        Asset storage a = _vault().assets[asset];
        (Words.Gates gates, Words.Hot hot, Words.Limits limits) = _slots(a);
        uint256 fullAt = Bucket.take(hot.fullAt(), amount, _capacity(limits), limits.window());
        if (fullAt == 0) return _exceeded(asset, amount, scope, IVault.Limit.Asset);
        hot = hot.withFullAt(fullAt);
        if (instant) {
            fullAt = Bucket.take(hot.instantFullAt(), amount, limits.instantPerDay(), INSTANT_WINDOW);
            if (fullAt == 0) _refuse(asset, amount, IVault.Limit.Instant);
            hot = hot.withInstantFullAt(fullAt);
        }
        if (_isPriced(limits)) {
            fullAt = Bucket.take(
                gates.usdFullAt(), _value(limits, amount), _usdCapacity(gates, limits), gates.usdWindow()
            );
            if (fullAt == 0) return _exceeded(asset, amount, scope, IVault.Limit.Usd);
            _storeGates(gates.withUsdFullAt(fullAt));
        }
        _storeHot(a, hot);
        return true;
    }

    /// @dev Takes `amount`, or what is left: counted, and never refused.
    function _drain(address asset, uint256 amount) internal {
        Asset storage a = _vault().assets[asset];
        (Words.Gates gates, Words.Hot hot, Words.Limits limits) = _slots(a);
        uint256 fullAt = Bucket.drain(hot.fullAt(), amount, _capacity(limits), limits.window());
        _storeHot(a, hot.withFullAt(fullAt));
        if (!_isPriced(limits)) return;
        fullAt = Bucket.drain(
            gates.usdFullAt(), _value(limits, amount), _usdCapacity(gates, limits), gates.usdWindow()
        );
        _storeGates(gates.withUsdFullAt(fullAt));
    }

    function _isPriced(Words.Limits limits) private view returns (bool) {
        return block.timestamp < limits.priceUntil();
    }

    /// @dev Of the asset's bucket now, in units. No product overflows: 40 bits times at most 10^38.
    function _capacity(Words.Limits limits) private view returns (uint256 capacity) {
        unchecked {
            capacity = limits.capacity();
            if (!_isPriced(limits)) capacity = capacity * limits.unpricedShare() / 100;
        }
    }

    /// @dev In USD times 10^priceDecimals. An amount beyond 128 bits costs more than the asset's bucket holds.
    function _value(Words.Limits limits, uint256 amount) private pure returns (uint256) {
        unchecked {
            return uint128(amount) * limits.price();
        }
    }

    /// @dev In USD times 10^priceDecimals, which are at most 36.
    function _usdCapacity(Words.Gates gates, Words.Limits limits) private pure returns (uint256) {
        unchecked {
            return gates.usdCapacity() * 10 ** limits.priceDecimals();
        }
    }

    /// @dev Trips when `amount` is beyond the hard multiple of the limit; otherwise, or when the breaker has frozen
    /// long enough lately, reverts.
    function _exceeded(address asset, uint256 amount, IVault.Scope scope, IVault.Limit limit)
        private
        returns (bool)
    {
        IVault.LimitState memory state = _limitState(asset, limit);
        uint256 asked = limit == IVault.Limit.Usd ? _usd(asset, amount) : amount;
        if (asked <= state.capacity * _vault().hardMultiple) _refuse(asset, amount, limit);
        (bool open, uint48 until) = _openWindow(address(this));
        if (!open) _refuse(asset, amount, limit);
        if (limit == IVault.Limit.Usd) _setPause(scope, until);
        else _setAssetPause(asset, until);
        emit IVault.Tripped(limit, asset, scope, asked, state.left, until, msg.sender);
        return false;
    }

    function _refuse(address asset, uint256 amount, IVault.Limit limit) private view {
        uint256 asked = limit == IVault.Limit.Usd ? _usd(asset, amount) : amount;
        revert IVault.AboveLimit(
            limit, asset, asked, _limitState(asset, limit).left, _fitsAt(asset, amount, limit)
        );
    }

    function _fitsAt(address asset, uint256 amount, IVault.Limit limit) internal view returns (uint256) {
        (Words.Gates gates, Words.Hot hot, Words.Limits limits) = _slots(_vault().assets[asset]);
        if (limit == IVault.Limit.Asset) {
            return Bucket.fitsAt(hot.fullAt(), amount, _capacity(limits), limits.window());
        }
        if (limit == IVault.Limit.Instant) {
            return Bucket.fitsAt(hot.instantFullAt(), amount, limits.instantPerDay(), INSTANT_WINDOW);
        }
        // Without a sane price nothing is taken from it.
        uint256 value = _isPriced(limits) ? _value(limits, amount) : 0;
        return Bucket.fitsAt(gates.usdFullAt(), value, _usdCapacity(gates, limits), gates.usdWindow());
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
