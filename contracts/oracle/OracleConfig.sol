// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {OracleLeg} from "./OracleLeg.sol";
import {AssetConfig, Kind, LegConfig, LegTarget, Setup, SourceConfig} from "./Types.sol";

/// @notice Refuses a configuration that is out of its bounds or contradicts itself: section 2 of docs/oracle.md. The judge's
/// arithmetic relies on these bounds.
library OracleConfig {
    uint256 internal constant NONE = type(uint256).max;
    uint256 private constant MOST_SOURCES = 5;
    uint256 private constant MOST_LEGS = 3;
    uint256 private constant BPS = 10_000;
    /// @dev A rate is written per whole token; what is below was written per smallest unit.
    uint256 private constant LEAST_RATE = 1e12;

    /// @notice `key` of that leg of that source is out of bounds, or contradicts another. {NONE} for the leg: of the
    /// source; for both: of the asset.
    error BadConfig(uint256 source, uint256 leg, string key);
    /// @notice `key` would be looser than it is: only governance may do that.
    error Looser(uint256 source, uint256 leg, string key);

    /// @param now_ Unix seconds.
    function check(Setup memory setup, uint256 now_) internal pure {
        AssetConfig memory c = setup.config;
        uint256 count = c.sources.length;
        _asset(count != 0 && count <= MOST_SOURCES && setup.targets.length == count, "sources");
        uint256 prices = 0;
        for (uint256 s = 0; s < count; ++s) {
            _checkSource(c.sources[s], setup.targets[s], s, now_);
            if (c.sources[s].role == 0) ++prices;
            for (uint256 t = 0; t < s; ++t) {
                // One feed is one source, however often it is named.
                if (c.sources[s].role == 0 && c.sources[t].role == 0) {
                    _source(!_same(setup, s, t), s, "target");
                }
            }
        }
        // Two halves could both reach it.
        _asset(c.quorum <= prices && 2 * uint256(c.quorum) > prices, "quorum");
        _asset(_within(c.toleranceBps, 1, 2000), "toleranceBps");
        _asset(c.skew <= 300, "skew");
        _asset(_within(c.jumpBps, 10, BPS), "jumpBps");
        _asset(c.volBps <= BPS, "volBps");
        _asset(_within(c.leapMultiple, 2, 20), "leapMultiple");
        _checkPeg(c);
        _asset(
            c.hasSequencer ? _within(c.sequencerGrace, 60, 1 days) : c.sequencerGrace == 0, "sequencerGrace"
        );
        _asset(c.hasSequencer == (setup.sequencer != address(0)), "sequencer");
        _asset(_within(c.recoverCount, 1, 100), "recoverCount");
        _asset(_within(c.recoverSpacing, 1, 1 hours), "recoverSpacing");
        _asset(setup.tokenDecimals <= 36, "tokenDecimals");
    }

    /// @param anchor The price that whoever configures states. @param bps How far from it the sources may be.
    function checkAnchor(uint256 anchor, uint256 bps) internal pure {
        _asset(anchor != 0, "anchor");
        _asset(_within(bps, 1, 2000), "anchorBps");
    }

    function _checkPeg(AssetConfig memory c) private pure {
        _asset(_isBand(c.softBelowBps, c.hardBelowBps), "hardBelowBps");
        _asset(_isBand(c.softAboveBps, c.hardAboveBps), "hardAboveBps");
        uint256 bands = uint256(c.softBelowBps) + c.softAboveBps + c.hardBelowBps + c.hardAboveBps;
        _asset((c.peg != 0) == (bands != 0), "peg");
    }

    function _isBand(uint256 soft, uint256 hard) private pure returns (bool) {
        return soft <= BPS && hard <= BPS && (soft == 0 || hard == 0 || hard > soft);
    }

    function _checkSource(SourceConfig memory c, LegTarget[] memory targets, uint256 s, uint256 now_)
        private
        pure
    {
        _source(c.role <= 1, s, "role");
        _source(c.role == 0 ? c.toleranceBps == 0 : _within(c.toleranceBps, 1, 5000), s, "toleranceBps");
        uint256 count = c.legs.length;
        _source(count != 0 && count <= MOST_LEGS && targets.length == count, s, "legs");
        for (uint256 l = 0; l < count; ++l) {
            _checkLeg(c.legs[l], s, l, now_);
            _leg(targets[l].target != address(0), s, l, "target");
        }
    }

    function _checkLeg(LegConfig memory c, uint256 s, uint256 l, uint256 now_) private pure {
        bool pyth = c.kind == Kind.PYTH;
        bool timed = c.kind == Kind.CHAINLINK || pyth;
        bool pool = c.kind == Kind.UNISWAP_V3_TWAP;
        _leg(c.kind <= Kind.RATE, s, l, "kind");
        _leg(pool ? c.decimals == 18 : c.decimals <= 36, s, l, "decimals");
        _leg(timed ? _within(c.heartbeat, 1, 3 days) : c.heartbeat == 0, s, l, "heartbeat");
        _leg(c.widthBps <= 1000, s, l, "widthBps");
        _leg(pyth ? _within(c.confBps, 1, 5000) : c.confBps == 0, s, l, "confBps");
        _leg(pyth ? _within(c.confMultiple, 1, 10) : c.confMultiple == 0, s, l, "confMultiple");
        _leg(c.kind == Kind.CHAINLINK || !c.carried, s, l, "carried");
        _leg(c.floor != 0 && c.floor < c.ceiling, s, l, "floor");
        _leg(c.clampMax == 0 || c.clampMin < c.clampMax, s, l, "clampMin");
        _leg(c.clampBps <= 5000, s, l, "clampBps");
        _leg(!pool || (c.clampMin == 0 && c.clampMax == 0 && c.clampBps == 0), s, l, "clampMax");
        _leg(pool ? _within(c.window, 300, 1 days) : c.window == 0, s, l, "window");
        _leg(pool == (c.minLiquidity != 0), s, l, "minLiquidity");
        _leg(pool ? _within(c.maxTicks, 1, 10_000) : c.maxTicks == 0, s, l, "maxTicks");
        _leg(c.baseDecimals <= (pool ? 18 : 0), s, l, "baseDecimals");
        _leg(c.quoteDecimals <= (pool ? 18 : 0), s, l, "quoteDecimals");
        _leg(pool || !c.baseIsToken1, s, l, "baseIsToken1");
        _leg(c.rate == 0 || (!pool && c.rate >= LEAST_RATE && _isReached(c)), s, l, "rate");
        _leg(c.rate != 0 ? c.rateAt <= now_ : c.rateAt == 0, s, l, "rateAt");
        _leg(c.growthBps <= (c.rate != 0 ? 100_000 : 0), s, l, "growthBps");
        _leg(c.slashBps <= (c.rate != 0 ? BPS : 0), s, l, "slashBps");
        _checkReach(c, s, l);
    }

    /// @dev That the rate, or what it becomes within a year, is in range.
    function _isReached(LegConfig memory c) private pure returns (bool) {
        return c.rate <= c.ceiling && uint256(c.rate) * (BPS + c.growthBps) / BPS >= c.floor;
    }

    /// @dev That some answer is neither clamped nor out of range: otherwise there never is a price.
    function _checkReach(LegConfig memory c, uint256 s, uint256 l) private pure {
        uint256 least = c.clampMin * (BPS + c.clampBps) / BPS + 1;
        (uint256 price,) = OracleLeg.scaled(least, c.decimals);
        _leg(price <= c.ceiling, s, l, "ceiling");
        if (c.clampMax == 0) return;
        uint256 most = Math.ceilDiv(c.clampMax * (BPS - c.clampBps), BPS) - 1;
        (price,) = OracleLeg.scaled(most, c.decimals);
        _leg(price >= c.floor && most >= least, s, l, "floor");
    }

    /// @notice Refuses `c` where it is looser than `old` in anything, or another shape.
    function requireTighter(AssetConfig memory c, AssetConfig memory old) internal pure {
        _tighter(c.sources.length == old.sources.length, NONE, NONE, "sources");
        _tighter(c.quorum >= old.quorum, NONE, NONE, "quorum");
        _tighter(c.toleranceBps <= old.toleranceBps, NONE, NONE, "toleranceBps");
        _tighter(c.skew <= old.skew, NONE, NONE, "skew");
        _tighter(c.jumpBps <= old.jumpBps, NONE, NONE, "jumpBps");
        _tighter(c.volBps <= old.volBps, NONE, NONE, "volBps");
        _tighter(c.leapMultiple <= old.leapMultiple, NONE, NONE, "leapMultiple");
        _tighter(c.peg == old.peg, NONE, NONE, "peg");
        _tighter(_isNarrower(c.softBelowBps, old.softBelowBps), NONE, NONE, "softBelowBps");
        _tighter(_isNarrower(c.softAboveBps, old.softAboveBps), NONE, NONE, "softAboveBps");
        _tighter(_isNarrower(c.hardBelowBps, old.hardBelowBps), NONE, NONE, "hardBelowBps");
        _tighter(_isNarrower(c.hardAboveBps, old.hardAboveBps), NONE, NONE, "hardAboveBps");
        _tighter(c.hasSequencer == old.hasSequencer, NONE, NONE, "hasSequencer");
        _tighter(c.sequencerGrace >= old.sequencerGrace, NONE, NONE, "sequencerGrace");
        _tighter(c.recoverCount >= old.recoverCount, NONE, NONE, "recoverCount");
        _tighter(c.recoverSpacing >= old.recoverSpacing, NONE, NONE, "recoverSpacing");
        for (uint256 s = 0; s < c.sources.length; ++s) {
            (SourceConfig memory source, SourceConfig memory oldSource) = (c.sources[s], old.sources[s]);
            _tighter(source.role == oldSource.role, s, NONE, "role");
            _tighter(source.toleranceBps <= oldSource.toleranceBps, s, NONE, "toleranceBps");
            _tighter(source.legs.length == oldSource.legs.length, s, NONE, "legs");
            for (uint256 l = 0; l < source.legs.length; ++l) {
                _requireTighterLeg(source.legs[l], oldSource.legs[l], s, l);
            }
        }
    }

    /// @dev A band that is 0 is not judged.
    function _isNarrower(uint256 bps, uint256 old) private pure returns (bool) {
        return old == 0 || (bps != 0 && bps <= old);
    }

    function _requireTighterLeg(LegConfig memory c, LegConfig memory old, uint256 s, uint256 l) private pure {
        _tighter(c.heartbeat <= old.heartbeat, s, l, "heartbeat");
        _tighter(c.confBps <= old.confBps, s, l, "confBps");
        _tighter(c.confMultiple >= old.confMultiple, s, l, "confMultiple");
        _tighter(c.widthBps >= old.widthBps, s, l, "widthBps");
        _tighter(c.carried || !old.carried, s, l, "carried");
        _tighter(c.floor >= old.floor, s, l, "floor");
        _tighter(c.ceiling <= old.ceiling, s, l, "ceiling");
        _tighter(c.clampBps >= old.clampBps, s, l, "clampBps");
        _tighter(c.minLiquidity >= old.minLiquidity, s, l, "minLiquidity");
        _tighter(c.maxTicks <= old.maxTicks, s, l, "maxTicks");
        _tighter(c.growthBps <= old.growthBps, s, l, "growthBps");
        _tighter(c.slashBps <= old.slashBps, s, l, "slashBps");
        // The rest says what is read, and is neither tight nor loose.
        (old.heartbeat, old.confBps, old.confMultiple) = (c.heartbeat, c.confBps, c.confMultiple);
        (old.widthBps, old.carried, old.clampBps) = (c.widthBps, c.carried, c.clampBps);
        (old.floor, old.ceiling) = (c.floor, c.ceiling);
        (old.minLiquidity, old.maxTicks) = (c.minLiquidity, c.maxTicks);
        (old.growthBps, old.slashBps) = (c.growthBps, c.slashBps);
        _tighter(keccak256(abi.encode(c)) == keccak256(abi.encode(old)), s, l, "kind");
    }

    /// @dev Whether two sources begin with the same feed. Of one contract only Pyth's has several.
    function _same(Setup memory setup, uint256 s, uint256 t) private pure returns (bool) {
        (LegTarget memory a, LegTarget memory b) = (setup.targets[s][0], setup.targets[t][0]);
        SourceConfig[] memory sources = setup.config.sources;
        bool pyth = sources[s].legs[0].kind == Kind.PYTH && sources[t].legs[0].kind == Kind.PYTH;
        return a.target == b.target && !(pyth && a.argument != b.argument);
    }

    function _within(uint256 value, uint256 min, uint256 max) private pure returns (bool) {
        return value >= min && value <= max;
    }

    function _asset(bool ok, string memory key) private pure {
        _leg(ok, NONE, NONE, key);
    }

    function _source(bool ok, uint256 s, string memory key) private pure {
        _leg(ok, s, NONE, key);
    }

    function _leg(bool ok, uint256 s, uint256 l, string memory key) private pure {
        if (!ok) revert BadConfig(s, l, key);
    }

    function _tighter(bool ok, uint256 s, uint256 l, string memory key) private pure {
        if (!ok) revert Looser(s, l, key);
    }
}
