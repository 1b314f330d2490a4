// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {OracleLeg, Price} from "./OracleLeg.sol";
import {Reasons} from "./Reasons.sol";
import {
    AssetConfig,
    Input,
    Judgement,
    Kind,
    LegConfig,
    LegInput,
    LegMemory,
    Memory,
    SourceConfig
} from "./Types.sol";

/// @notice Judges the price of an asset: sections 5 and 6 of docs/oracle.md, in their order. Pure: who reads the sources and
/// keeps the memory is {OracleGuard}. The configuration keeps its bounds; with them nothing here reverts or wraps.
library OracleJudge {
    uint256 private constant BPS = 10_000;
    uint256 private constant PRICE_END = 1 << 128;
    uint256 private constant LONGEST_JUMP = 30 days;
    uint8 private constant PRICE_ROLE = 0;

    /// @notice What to think of the price now, with the memory as it is.
    function judge(AssetConfig memory c, Input memory i, Memory memory m)
        internal
        pure
        returns (Judgement memory j)
    {
        uint256 count = c.sources.length;
        if (count == 0) {
            (j.verdict, j.reasons) = (2, Reasons.NOT_CONFIGURED);
            return j;
        }
        j.sourceReasons = new uint64[](count);
        Price[] memory prices = new Price[](count);
        j.reasons = _sequencer(c, i);
        for (uint256 s = 0; s < count; ++s) {
            (j.sourceReasons[s], prices[s]) = _source(c, c.sources[s], i, i.sources[s], m, m.sources[s]);
        }
        if (_agree(c, j, prices)) _hold(c, j, prices);
        if (_isOwnBound(c, j, prices)) j.reasons |= Reasons.OWN_BOUND;
        if (m.recovering) j.reasons |= Reasons.RECOVERING;

        if (j.reasons & Reasons.INSANE != 0) (j.verdict, j.mid, j.lo, j.hi) = (2, 0, 0, 0);
        else if (j.reasons != 0) j.verdict = 1;
        for (uint256 s = 0; s < count; ++s) {
            j.reasons |= j.sourceReasons[s];
        }
    }

    /// @notice The memory after a judgement that was made with `m`. Bad news counts at once, good news slowly.
    /// @return The same `m`, changed.
    function remember(AssetConfig memory c, Input memory i, Memory memory m, Judgement memory j)
        internal
        pure
        returns (Memory memory)
    {
        bool bad = j.verdict == 2 || j.reasons & Reasons.HELD_USED != 0;
        // One transaction can bring it about, by a swap there and back: whoever calls could keep an asset recovering.
        if (bad && j.reasons & Reasons.SPOT_OFF_MEAN != 0) return m;
        uint256 spacing = c.recoverSpacing;
        if (bad) {
            (m.recovering, m.good, m.goodAt) = (true, 0, i.now);
        } else if (m.recovering && i.now >= m.goodAt + spacing) {
            if (uint256(m.good) + 1 < c.recoverCount) (m.good, m.goodAt) = (m.good + 1, i.now);
            else (m.recovering, m.good, m.goodAt) = (false, 0, i.now);
        }
        // With the spacing: many calls in one block would walk the price away in steps that are each allowed.
        if (j.verdict != 2 && (m.lastAt == 0 || i.now >= m.lastAt + spacing)) {
            (m.last, m.lastAt) = (uint128(j.mid), i.now);
        }
        for (uint256 s = 0; s < c.sources.length; ++s) {
            for (uint256 l = 0; l < c.sources[s].legs.length; ++l) {
                if (!isRemembered(c.sources[s].legs[l])) continue;
                LegInput memory leg = i.sources[s][l];
                (uint64 bits,) = OracleLeg.judge(c.sources[s].legs[l], leg, m.sources[s][l], i.now, c.skew);
                if (bits & ~Reasons.HELD == 0) m.sources[s][l] = LegMemory(leg.roundId, leg.updatedAt);
            }
        }
        return m;
    }

    /// @notice Whether the memory of a leg is ever judged by: only feeds have rounds or times of their own.
    function isRemembered(LegConfig memory c) internal pure returns (bool) {
        return c.kind <= Kind.PYTH;
    }

    /// @notice Whether two prices differ by more than `bps` of the lower one.
    /// @dev Of prices below 2^128 and bps below 2^24.
    function apart(uint256 a, uint256 b, uint256 bps) internal pure returns (bool) {
        unchecked {
            (uint256 low, uint256 high) = a < b ? (a, b) : (b, a);
            return (high - low) * BPS > bps * low;
        }
    }

    /// @dev An L2 whose sequencer stands still shows old prices as new, and is behind for a while after.
    function _sequencer(AssetConfig memory c, Input memory i) private pure returns (uint64) {
        if (!c.hasSequencer) return 0;
        uint256 started = i.sequencerStartedAt;
        if (
            i.sequencerOutcome != 0 || started == 0 || started > uint256(i.now) + c.skew
                || i.sequencerAnswer < 0 || i.sequencerAnswer > 1
        ) return Reasons.SEQUENCER_UNKNOWN;
        if (i.sequencerAnswer == 1) return Reasons.SEQUENCER_DOWN;
        return _since(i.now, started) <= c.sequencerGrace ? Reasons.SEQUENCER_GRACE : 0;
    }

    function _since(uint256 now_, uint256 then) private pure returns (uint256) {
        unchecked {
            return now_ > then ? now_ - then : 0;
        }
    }

    /// @dev The product of a source's legs.
    function _source(
        AssetConfig memory c,
        SourceConfig memory source,
        Input memory i,
        LegInput[] memory legs,
        Memory memory m,
        LegMemory[] memory seen
    ) private pure returns (uint64 bits, Price memory price) {
        (bits, price) = OracleLeg.judge(source.legs[0], legs[0], seen[0], i.now, c.skew);
        for (uint256 l = 1; l < legs.length; ++l) {
            (uint64 more, Price memory leg) = OracleLeg.judge(source.legs[l], legs[l], seen[l], i.now, c.skew);
            bits |= more;
            if (price.mid == 0) continue;
            unchecked {
                // Of two prices below 2^128.
                price.mid = price.mid * leg.mid / 1e18;
                price.lo = price.lo * leg.lo / 1e18;
                price.hi = Math.ceilDiv(price.hi * leg.hi, 1e18);
            }
            if (leg.mid == 0) {
                price.mid = 0;
            } else if (price.mid == 0 || price.hi >= PRICE_END) {
                (bits, price.mid) = (bits | Reasons.OUT_OF_RANGE, 0);
            }
        }
        if (price.mid == 0) return (bits, price);
        if (m.last != 0) bits |= _move(c, price.mid, m.last, _since(i.now, m.lastAt));
        if (c.peg != 0 && _isOffPeg(price.mid, c.peg, c.hardBelowBps, c.hardAboveBps)) {
            bits |= Reasons.BROKEN_PEG;
        }
    }

    /// @dev A price moves with the square root of time.
    function _move(AssetConfig memory c, uint256 mid, uint256 last, uint256 time)
        private
        pure
        returns (uint64)
    {
        unchecked {
            uint256 vol = c.volBps;
            uint256 allowed = c.jumpBps + Math.sqrt(vol * vol * Math.min(time, LONGEST_JUMP) / 1 hours);
            if (!apart(mid, last, allowed)) return 0;
            return apart(mid, last, allowed * c.leapMultiple) ? Reasons.LEAP : Reasons.JUMP;
        }
    }

    function _isOffPeg(uint256 mid, uint256 peg, uint256 belowBps, uint256 aboveBps)
        private
        pure
        returns (bool)
    {
        unchecked {
            if (mid < peg) return belowBps != 0 && (peg - mid) * BPS > belowBps * peg;
            return aboveBps != 0 && (mid - peg) * BPS > aboveBps * peg;
        }
    }

    function _mayAgree(AssetConfig memory c, Judgement memory j, uint256 s, uint64 besides)
        private
        pure
        returns (bool)
    {
        return c.sources[s].role == PRICE_ROLE && j.sourceReasons[s] & ~besides == 0;
    }

    /// @dev The price that a quorum agrees on, into `j`; false when there is none. The best pivot rather than the median of
    /// all: then losing a source can never bring an agreement about.
    function _agree(AssetConfig memory c, Judgement memory j, Price[] memory prices)
        private
        pure
        returns (bool)
    {
        uint64 besides = 0;
        (uint256 best, uint256 pivot,) = _pivot(c, j, prices, besides);
        if (best < c.quorum) {
            besides = Reasons.HELD;
            uint256 asked;
            (best, pivot, asked) = _pivot(c, j, prices, besides);
            if (best < c.quorum) {
                j.reasons |= asked < c.quorum ? Reasons.NO_QUORUM : Reasons.DISAGREEMENT;
                return false;
            }
            j.reasons |= Reasons.HELD_USED;
        }
        if (best == 1) j.reasons |= Reasons.SINGLE_SOURCE;
        _take(c, j, prices, besides, prices[pivot].mid, best);
        return true;
    }

    /// @return best How many agree with the pivot. @return pivot Which source it is. @return asked How many were asked.
    function _pivot(AssetConfig memory c, Judgement memory j, Price[] memory prices, uint64 besides)
        private
        pure
        returns (uint256 best, uint256 pivot, uint256 asked)
    {
        for (uint256 s = 0; s < prices.length; ++s) {
            if (!_mayAgree(c, j, s, besides)) continue;
            ++asked;
            uint256 mid = prices[s].mid;
            uint256 agree = 0;
            for (uint256 t = 0; t < prices.length; ++t) {
                if (_mayAgree(c, j, t, besides) && !apart(prices[t].mid, mid, c.toleranceBps)) ++agree;
            }
            if (agree > best || (agree == best && mid < prices[pivot].mid)) (best, pivot) = (agree, s);
        }
    }

    /// @dev Lower median, lowest and highest of the `count` that agree with `pivot`; names the others.
    function _take(
        AssetConfig memory c,
        Judgement memory j,
        Price[] memory prices,
        uint64 besides,
        uint256 pivot,
        uint256 count
    ) private pure {
        uint256[] memory mids = new uint256[](count);
        uint256 found = 0;
        j.lo = type(uint256).max;
        for (uint256 s = 0; s < prices.length; ++s) {
            if (c.sources[s].role != PRICE_ROLE) continue;
            Price memory price = prices[s];
            bool asked = _mayAgree(c, j, s, besides);
            if (!asked || apart(price.mid, pivot, c.toleranceBps)) {
                j.reasons |= Reasons.DROPPED;
                if (asked) j.sourceReasons[s] |= Reasons.OUTLIER;
                continue;
            }
            (j.lo, j.hi) = (Math.min(j.lo, price.lo), Math.max(j.hi, price.hi));
            uint256 at = found++;
            for (; at != 0 && mids[at - 1] > price.mid; --at) {
                mids[at] = mids[at - 1];
            }
            mids[at] = price.mid;
        }
        j.mid = mids[(count - 1) / 2];
    }

    /// @dev Holds the agreed price against what only checks it.
    function _hold(AssetConfig memory c, Judgement memory j, Price[] memory prices) private pure {
        for (uint256 s = 0; s < prices.length; ++s) {
            if (c.sources[s].role == PRICE_ROLE) continue;
            if (j.sourceReasons[s] & ~Reasons.HELD != 0) {
                j.reasons |= Reasons.REFERENCE_MISSING;
            } else if (apart(j.mid, prices[s].mid, c.sources[s].toleranceBps)) {
                j.reasons |= Reasons.REFERENCE_APART;
            }
        }
        if (c.peg != 0 && _isOffPeg(j.mid, c.peg, c.softBelowBps, c.softAboveBps)) {
            j.reasons |= Reasons.OFF_PEG;
        }
    }

    /// @dev A bound of ours that refuses what another source confirms is probably the one that is wrong.
    function _isOwnBound(AssetConfig memory c, Judgement memory j, Price[] memory prices)
        private
        pure
        returns (bool)
    {
        for (uint256 s = 0; s < prices.length; ++s) {
            uint64 bits = j.sourceReasons[s];
            if (bits == 0 || bits & ~Reasons.OWN != 0 || prices[s].mid == 0) continue;
            for (uint256 t = 0; t < prices.length; ++t) {
                if (
                    j.sourceReasons[t] & ~Reasons.OUTLIER == 0
                        && !apart(prices[s].mid, prices[t].mid, c.toleranceBps)
                ) return true;
            }
        }
        return false;
    }
}
