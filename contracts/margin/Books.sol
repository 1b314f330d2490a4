// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";

import {IMarginPool} from "../interfaces/IMarginPool.sol";
import {IOracleGuard} from "../interfaces/IOracleGuard.sol";
import {MarginModel} from "./MarginModel.sol";
import {MarginStorage} from "./MarginStorage.sol";

/// @notice What books hold, what they need, and how they change: for trades, liquidations and settlement.
abstract contract Books is MarginStorage {
    using SafeCast for uint256;

    uint256 internal constant BPS = 10_000;
    uint256 internal constant WAD = 1e18;
    /// @dev Of one book: its valuation must fit into a transaction many times over.
    uint256 internal constant MAX_LEGS = 24;
    uint256 private constant YEAR = 365 days;

    /// @dev A book before and while it changes.
    struct Side {
        address account;
        uint40 expiry;
        IMarginPool.Leg[] before;
        uint256 marginBefore;
        bool reduces; // its leg became smaller, and nothing else
    }

    function _book(address account, uint40 expiry) internal view returns (IMarginPool.Book storage) {
        return _pool().expiries[expiry].books[account];
    }

    function _requireBeforeExpiry(uint40 expiry) internal view {
        if (block.timestamp >= expiry) revert IMarginPool.Expired(expiry);
    }

    // --------------------------------------------------------------------------------------------- balances

    function _take(address account, uint256 amount) internal {
        uint256 balance = _pool().free[account];
        if (amount > balance) revert IMarginPool.InsufficientBalance(account, amount, balance);
        _pool().free[account] = balance - amount;
    }

    // --------------------------------------------------------------------------------------------- valuation

    /// @dev The price of the underlying in collateral, as an interval; reverts when one of the two is not fit for `action`.
    function _prices(IOracleGuard.Action action) internal view returns (uint256 lo, uint256 hi) {
        Layout storage $ = _pool();
        (uint256 lo1, uint256 hi1) = $.guard.read($.underlying, action);
        (uint256 lo2, uint256 hi2) = $.guard.read($.collateral, action);
        uint256 scale = 10 ** (18 + uint256($.underlyingDecimals));
        uint256 unit = 10 ** uint256($.collateralDecimals);
        if (lo1 == 0 || lo2 == 0 || lo1 > hi1 || lo2 > hi2 || hi2 > type(uint192).max) {
            revert IMarginPool.NoPrice(0, 0);
        }
        lo = Math.mulDiv(lo1, scale, hi2 * unit);
        hi = Math.mulDiv(hi1, scale, lo2 * unit, Math.Rounding.Ceil);
        if (lo == 0 || hi > type(uint112).max) revert IMarginPool.NoPrice(lo, hi);
    }

    function _market(uint40 expiry, IOracleGuard.Action action)
        internal
        view
        returns (IMarginPool.Market memory m)
    {
        Layout storage $ = _pool();
        (m.lo, m.hi) = _prices(action);
        uint256 root = FixedPointMathLib.sqrt((expiry - block.timestamp) * 1e36 / YEAR);
        uint256 sigma = $.volatility;
        uint256 buffered = sigma + Math.ceilDiv(sigma * $.rules.bufferBps, BPS);
        m.vMark = Math.ceilDiv(sigma * root, WAD);
        m.vMaintenance = Math.ceilDiv(buffered * root, WAD);
        // Silence asks more of who opens; it does not liquidate who is there.
        bool stale = block.timestamp > uint256($.volatilityAt) + $.rules.volLife;
        m.vInitial = stale && $.rules.maxVol > buffered
            ? Math.ceilDiv(uint256($.rules.maxVol) * root, WAD)
            : m.vMaintenance;
    }

    function _requirement(IMarginPool.Leg[] memory legs, IMarginPool.Market memory market)
        internal
        view
        returns (uint256 initial, uint256 maintenance)
    {
        IMarginPool.Rules storage r = _pool().rules;
        (initial, maintenance) = MarginModel.requirement(
            legs,
            market,
            MarginModel.Shares(r.maxSpotBps, r.minSpotBps, r.maintenanceBps, r.putMarkBps, r.unpairedBps)
        );
        (initial, maintenance) = (_unitsUp(initial), _unitsUp(maintenance));
    }

    function _liability(IMarginPool.Leg[] memory legs, IMarginPool.Market memory market)
        internal
        view
        returns (uint256)
    {
        return _unitsUp(MarginModel.liability(legs, market));
    }

    /// @dev From price times size (36 decimals) to units.
    function _unitsUp(uint256 value) internal view returns (uint256) {
        return Math.ceilDiv(value, _perUnit());
    }

    function _unitsDown(uint256 value) internal view returns (uint256) {
        return value / _perUnit();
    }

    function _perUnit() private view returns (uint256) {
        return 10 ** (36 - uint256(_pool().collateralDecimals));
    }

    // ---------------------------------------------------------------------------------------------- changes

    function _open(address account, uint40 expiry) internal view returns (Side memory side) {
        IMarginPool.Book storage book = _book(account, expiry);
        (side.account, side.expiry) = (account, expiry);
        (side.before, side.marginBefore) = (book.legs, book.margin);
    }

    function _sizeOf(IMarginPool.Leg[] memory legs, uint96 strike, bool isCall)
        internal
        pure
        returns (int256 size, uint256 at)
    {
        for (at = 0; at < legs.length; ++at) {
            if (legs[at].strike == strike && legs[at].isCall == isCall) return (legs[at].size, at);
        }
    }

    /// @dev Adds `delta` to one leg. What the calls are short beyond the longs is counted by the caller: {_countNaked}.
    function _add(address account, uint40 expiry, uint96 strike, bool isCall, int256 delta) internal {
        IMarginPool.Leg[] storage legs = _book(account, expiry).legs;
        (int256 size, uint256 at) = _sizeOf(legs, strike, isCall);
        int112 sum = SafeCast.toInt112(size + delta);
        if (sum == 0) {
            if (at == legs.length) return;
            legs[at] = legs[legs.length - 1];
            legs.pop();
        } else if (at < legs.length) {
            legs[at].size = sum;
        } else {
            if (at == MAX_LEGS) revert IMarginPool.TooManyLegs(account, expiry);
            legs.push(IMarginPool.Leg(strike, isCall, sum));
        }
        _list(account, expiry);
    }

    function _list(address account, uint40 expiry) private {
        IMarginPool.Book storage book = _book(account, expiry);
        if (book.listed) return;
        book.listed = true;
        Expiry storage e = _pool().expiries[expiry];
        e.accounts.push(account);
        e.settlement.accounts = e.accounts.length.toUint32();
    }

    /// @return more Whether there are more than before.
    function _countNaked(IMarginPool.Leg[] memory before, IMarginPool.Leg[] memory then_)
        internal
        returns (bool more)
    {
        (uint256 was, uint256 are) = (MarginModel.nakedCalls(before), MarginModel.nakedCalls(then_));
        if (was != are) _pool().nakedCalls = (_pool().nakedCalls + are - was).toUint128();
        return are > was;
    }

    /// @dev A book that changed: takes what it lacks from the free balance, and refuses what it still lacks; gives the
    /// margin of an empty book back.
    function _settle(Side memory side, IMarginPool.Market memory market) internal {
        IMarginPool.Book storage book = _book(side.account, side.expiry);
        IMarginPool.Leg[] memory legs = book.legs;
        uint256 margin = book.margin;
        if (legs.length == 0) return _release(side.account, side.expiry);
        (uint256 initial, uint256 maintenance) = _requirement(legs, market);
        if (margin < initial) {
            uint256 more = Math.min(initial - margin, _pool().free[side.account]);
            if (more != 0) {
                _take(side.account, more);
                margin += more;
                book.margin = margin.toUint128();
                emit IMarginPool.MarginLocked(side.account, side.expiry, more);
            }
        }
        if (margin >= initial || (side.reduces && _isNoWorse(side, market, margin, initial, maintenance))) {
            return;
        }
        revert IMarginPool.BelowInitialMargin(side.account, side.expiry, margin, initial);
    }

    /// @dev Whether the margin covers as large a part of what is required as before.
    function _isNoWorse(
        Side memory side,
        IMarginPool.Market memory market,
        uint256 margin,
        uint256 initial,
        uint256 maintenance
    ) private view returns (bool) {
        (uint256 initialBefore, uint256 maintenanceBefore) = _requirement(side.before, market);
        return margin * initialBefore >= side.marginBefore * initial
            && margin * maintenanceBefore >= side.marginBefore * maintenance;
    }

    /// @dev The margin of a book without legs is free, and its auction over.
    function _release(address account, uint40 expiry) internal {
        Layout storage $ = _pool();
        IMarginPool.Book storage book = _book(account, expiry);
        uint256 margin = book.margin;
        if ($.expiries[expiry].auctions[account].open) {
            delete $.expiries[expiry].auctions[account];
            emit IMarginPool.LiquidationEnded(account, expiry, margin);
        }
        if (margin == 0) return;
        book.margin = 0;
        $.free[account] += margin;
        emit IMarginPool.MarginUnlocked(account, expiry, margin);
    }
}
