// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {TickMath} from "@uniswap/v4-core/src/libraries/TickMath.sol";

import {Reasons} from "./Reasons.sol";
import {Kind, LegConfig, LegInput, LegMemory} from "./Types.sol";

/// @notice USD per whole token times 1e18, as an interval; a `mid` of 0: there is none.
struct Price {
    uint256 mid; // down
    uint256 lo; // down
    uint256 hi; // up
}

/// @notice Judges one leg: section 4 of docs/oracle.md, in its order. Whatever a leg says, nothing here reverts or wraps as
/// long as the configuration keeps its bounds: what the products can reach is said where they are made.
library OracleLeg {
    uint256 internal constant BPS = 10_000;
    uint256 private constant YEAR = 31_536_000;
    uint256 private constant PRICE_END = 1 << 128;
    uint256 private constant ANSWER_END = 1 << 192;

    /// @param now_ Unix seconds. @param skew Seconds that a feed's clock may be ahead.
    /// @return bits The leg's reasons. @return price Without meaning for payments when there are bits.
    function judge(LegConfig memory c, LegInput memory i, LegMemory memory m, uint256 now_, uint256 skew)
        internal
        pure
        returns (uint64 bits, Price memory price)
    {
        if (i.outcome != 0) return (Reasons.ofOutcome(i.outcome), price);
        int256 answer = i.answer;
        if (c.kind == Kind.UNISWAP_V3_TWAP) {
            bool ok;
            (ok, bits, answer) = _mean(c, i);
            if (!ok) return (bits, price);
        }
        if (i.decimals != c.decimals) bits |= Reasons.DECIMALS_CHANGED;
        bits |= _time(c, i, m, now_, skew);
        if (answer <= 0) return (bits | Reasons.NOT_POSITIVE, price);
        if (uint256(answer) >= ANSWER_END) return (bits | Reasons.OUT_OF_RANGE, price);
        return _price(c, uint256(answer), i.conf, bits, now_);
    }

    /// @dev The price of the mean tick, with 18 decimals. The pool's observations say where the pool stood, second by
    /// second, so one block moves it little; its liquidity says what moving it costs.
    function _mean(LegConfig memory c, LegInput memory i)
        private
        pure
        returns (bool ok, uint64 bits, int256 answer)
    {
        unchecked {
            if (i.oldest < c.window) bits = Reasons.SHORT_WINDOW;
            int256 window = int256(uint256(c.window));
            int256 tick = i.tickDelta / window;
            if (i.tickDelta < 0 && i.tickDelta % window != 0) --tick;
            if (!_isTick(tick) || !_isTick(i.spotTick)) return (false, bits | Reasons.ofOutcome(4), 0);
            // Of a 32-bit window and 192 bits: no product overflows.
            uint256 liquidity = i.liquidityDelta == 0
                ? 0
                : uint256(c.window) * type(uint160).max / (uint256(i.liquidityDelta) << 32);
            if (liquidity < c.minLiquidity) bits |= Reasons.THIN_LIQUIDITY;
            int256 off = i.spotTick - tick;
            if ((off < 0 ? -off : off) > int256(uint256(c.maxTicks))) bits |= Reasons.SPOT_OFF_MEAN;
            return (true, bits, int256(_atTick(c, int24(tick))));
        }
    }

    function _isTick(int256 tick) private pure returns (bool) {
        return tick >= TickMath.MIN_TICK && tick <= TickMath.MAX_TICK;
    }

    /// @dev What a whole base token is worth in whole quote tokens, times 1e18: at most 2^248, as a ratio of the pool is
    /// between 2^-128 and 2^128, and the scale below 2^120.
    function _atTick(LegConfig memory c, int24 tick) private pure returns (uint256) {
        uint256 s = TickMath.getSqrtPriceAtTick(tick);
        uint256 scale = 10 ** (18 + uint256(c.baseDecimals) - c.quoteDecimals);
        (uint256 ratio, uint256 one) =
            s < PRICE_END ? (s * s, 1 << 192) : (Math.mulDiv(s, s, 1 << 64), 1 << 128);
        return c.baseIsToken1 ? Math.mulDiv(one, scale, ratio) : Math.mulDiv(ratio, scale, one);
    }

    function _time(LegConfig memory c, LegInput memory i, LegMemory memory m, uint256 now_, uint256 skew)
        private
        pure
        returns (uint64 bits)
    {
        if (c.kind > Kind.PYTH) return i.updatedAt == 0 ? Reasons.INCOMPLETE_ROUND : _ahead(i, now_, skew);
        bool chainlink = c.kind == Kind.CHAINLINK;
        if (i.updatedAt == 0 || (chainlink && i.roundId == 0)) {
            bits = Reasons.INCOMPLETE_ROUND;
        } else {
            bits = _ahead(i, now_, skew);
            uint256 age = now_ > i.updatedAt ? now_ - i.updatedAt : 0;
            if (age > 2 * uint256(c.heartbeat)) bits |= Reasons.STALE;
            else if (age > c.heartbeat) bits |= Reasons.LATE;
            if (i.updatedAt < m.updatedAt) bits |= Reasons.ROUND_WENT_BACK;
        }
        if (c.carried && i.answeredInRound < i.roundId) bits |= Reasons.CARRIED_ROUND;
        if (chainlink && m.round != 0) {
            if (i.roundId < m.round) bits |= Reasons.ROUND_WENT_BACK;
            else if (i.roundId >> 64 != m.round >> 64) bits |= Reasons.PHASE_CHANGED;
        }
    }

    function _ahead(LegInput memory i, uint256 now_, uint256 skew) private pure returns (uint64) {
        return i.updatedAt > now_ + skew ? Reasons.FROM_THE_FUTURE : 0;
    }

    /// @dev `answer` is below 2^192.
    function _price(LegConfig memory c, uint256 answer, uint256 conf, uint64 bits, uint256 now_)
        private
        pure
        returns (uint64, Price memory price)
    {
        unchecked {
            // Below 2^208: 192 bits and 16.
            if (
                (c.clampMin != 0 && answer * BPS <= c.clampMin * (BPS + c.clampBps))
                    || (c.clampMax != 0 && answer * BPS >= c.clampMax * (BPS - c.clampBps))
            ) bits |= Reasons.CLAMPED;
            uint256 spread = 0;
            if (c.kind == Kind.PYTH) {
                if (conf >= ANSWER_END || conf * BPS > c.confBps * answer) bits |= Reasons.WIDE_CONFIDENCE;
                else spread = conf * c.confMultiple;
            }
            // Below 2^256: 192 bits, 4 of the multiple, 60 of the scale.
            (uint256 mid, uint256 up) = scaled(answer, c.decimals);
            if (mid == 0 || up >= PRICE_END) return (bits | Reasons.OUT_OF_RANGE, price);
            (, uint256 half) = scaled(spread, c.decimals);
            half = Math.max(half, Math.ceilDiv(mid * c.widthBps, BPS));
            if (up + half >= PRICE_END) return (bits | Reasons.OUT_OF_RANGE, price);
            (price.mid, price.lo, price.hi) = (mid, mid > half ? mid - half : 0, up + half);
            if (mid < c.floor || mid > c.ceiling) bits |= Reasons.OUT_OF_RANGE;
            if (c.rate != 0) bits |= _growth(c, mid, now_);
            return (bits, price);
        }
    }

    /// @return down `value` with 18 decimals, rounded down. @return up Rounded up.
    function scaled(uint256 value, uint256 decimals) internal pure returns (uint256 down, uint256 up) {
        unchecked {
            if (decimals <= 18) {
                down = value * 10 ** (18 - decimals);
                return (down, down);
            }
            uint256 divisor = 10 ** (decimals - 18);
            return (value / divisor, Math.ceilDiv(value, divisor));
        }
    }

    /// @dev A rate grows by what its protocol earns: far above that somebody inflates it, below it was slashed.
    function _growth(LegConfig memory c, uint256 mid, uint256 now_) private pure returns (uint64) {
        unchecked {
            uint256 t = Math.min(now_ > c.rateAt ? now_ - c.rateAt : 0, type(uint40).max);
            uint256 year = BPS * YEAR;
            // Below 2^187: 128 bits, 17 of the growth, 40 of the time.
            if (mid * year > c.rate * (year + c.growthBps * t)) return Reasons.RATE_ABOVE_CAP;
            return mid * BPS < c.rate * (BPS - c.slashBps) ? Reasons.RATE_BELOW_FLOOR : 0;
        }
    }
}
