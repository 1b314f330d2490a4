//! Configuration, input, memory and judgement as Solidity's structs (section 9 of `docs/oracle.md`).

use crate as rust;
use alloy_primitives::{U256, Uint};
use alloy_sol_types::{SolValue, sol};

sol! {
    struct LegConfig {
        uint8 kind; uint8 decimals; uint32 heartbeat; uint16 widthBps;
        uint16 confBps; uint8 confMultiple; bool carried;
        uint128 floor; uint128 ceiling;
        uint192 clampMin; uint192 clampMax; uint16 clampBps;
        uint32 window; uint128 minLiquidity; uint16 maxTicks;
        uint8 baseDecimals; uint8 quoteDecimals; bool baseIsToken1;
        uint128 rate; uint64 rateAt; uint32 growthBps; uint16 slashBps;
    }
    struct SourceConfig { uint8 role; uint16 toleranceBps; LegConfig[] legs; }
    struct AssetConfig {
        uint8 quorum; uint16 toleranceBps; uint16 skew;
        uint16 jumpBps; uint16 volBps; uint8 leapMultiple;
        uint128 peg; uint16 softBelowBps; uint16 softAboveBps; uint16 hardBelowBps; uint16 hardAboveBps;
        bool hasSequencer; uint32 sequencerGrace;
        uint8 recoverCount; uint16 recoverSpacing;
        SourceConfig[] sources;
    }
    struct LegInput {
        uint8 outcome; int256 answer; uint8 decimals; uint80 roundId; uint80 answeredInRound;
        uint64 updatedAt; uint256 conf;
        int64 tickDelta; uint160 liquidityDelta; int32 spotTick; uint64 oldest;
    }
    struct Input {
        uint64 now; uint8 sequencerOutcome; int256 sequencerAnswer; uint64 sequencerStartedAt;
        LegInput[][] sources;
    }
    struct LegMemory { uint80 round; uint64 updatedAt; }
    struct Memory {
        uint128 last; uint64 lastAt; bool recovering; uint8 good; uint64 goodAt;
        LegMemory[][] sources;
    }
    struct Judgement {
        uint8 verdict; uint64 reasons; uint256 mid; uint256 lo; uint256 hi;
        uint64[] sourceReasons;
    }
}

fn uint80(value: u128) -> Uint<80, 2> {
    Uint::saturating_from(value)
}

impl From<&rust::LegConfig> for LegConfig {
    fn from(c: &rust::LegConfig) -> Self {
        Self {
            kind: c.kind as u8,
            decimals: c.decimals,
            heartbeat: c.heartbeat,
            widthBps: c.width_bps,
            confBps: c.conf_bps,
            confMultiple: c.conf_multiple,
            carried: c.carried,
            floor: c.floor.0,
            ceiling: c.ceiling.0,
            clampMin: Uint::saturating_from(c.clamp_min),
            clampMax: Uint::saturating_from(c.clamp_max),
            clampBps: c.clamp_bps,
            window: c.window,
            minLiquidity: c.min_liquidity,
            maxTicks: c.max_ticks,
            baseDecimals: c.base_decimals,
            quoteDecimals: c.quote_decimals,
            baseIsToken1: c.base_is_token1,
            rate: c.rate.0,
            rateAt: c.rate_at,
            growthBps: c.growth_bps,
            slashBps: c.slash_bps,
        }
    }
}

impl From<&rust::SourceConfig> for SourceConfig {
    fn from(c: &rust::SourceConfig) -> Self {
        let legs = c.legs.iter().map(Into::into).collect();
        Self { role: c.role as u8, toleranceBps: c.tolerance_bps, legs }
    }
}

impl From<&rust::AssetConfig> for AssetConfig {
    fn from(c: &rust::AssetConfig) -> Self {
        Self {
            quorum: c.quorum,
            toleranceBps: c.tolerance_bps,
            skew: c.skew,
            jumpBps: c.jump_bps,
            volBps: c.vol_bps,
            leapMultiple: c.leap_multiple,
            peg: c.peg.0,
            softBelowBps: c.soft_below_bps,
            softAboveBps: c.soft_above_bps,
            hardBelowBps: c.hard_below_bps,
            hardAboveBps: c.hard_above_bps,
            hasSequencer: c.sequencer_grace != 0,
            sequencerGrace: c.sequencer_grace,
            recoverCount: c.recover_count,
            recoverSpacing: c.recover_spacing,
            sources: c.sources.iter().map(Into::into).collect(),
        }
    }
}

impl From<&rust::LegInput> for LegInput {
    fn from(i: &rust::LegInput) -> Self {
        Self {
            outcome: i.outcome as u8,
            answer: i.answer,
            decimals: i.decimals,
            roundId: uint80(i.round_id),
            answeredInRound: uint80(i.answered_in_round),
            updatedAt: i.updated_at,
            conf: i.conf,
            tickDelta: i.tick_delta,
            liquidityDelta: i.liquidity_delta,
            spotTick: i.spot_tick,
            oldest: i.oldest,
        }
    }
}

impl From<&rust::Input> for Input {
    fn from(i: &rust::Input) -> Self {
        Self {
            now: i.now,
            sequencerOutcome: i.sequencer.outcome as u8,
            sequencerAnswer: i.sequencer.answer,
            sequencerStartedAt: i.sequencer.started_at,
            sources: i.sources.iter().map(|legs| legs.iter().map(Into::into).collect()).collect(),
        }
    }
}

impl From<&rust::Memory> for Memory {
    fn from(m: &rust::Memory) -> Self {
        let leg = |leg: &rust::LegMemory| LegMemory { round: uint80(leg.round), updatedAt: leg.updated_at };
        Self {
            last: m.last.0,
            lastAt: m.last_at,
            recovering: m.recovering,
            good: m.good,
            goodAt: m.good_at,
            sources: m.sources.iter().map(|legs| legs.iter().map(leg).collect()).collect(),
        }
    }
}

impl From<&rust::Judgement> for Judgement {
    fn from(j: &rust::Judgement) -> Self {
        let price = j.price.unwrap_or_default();
        Self {
            verdict: j.verdict as u8,
            reasons: j.reasons.0,
            mid: U256::from(price.mid.0),
            lo: U256::from(price.lo.0),
            hi: U256::from(price.hi.0),
            sourceReasons: j.sources().iter().map(|reasons| reasons.0).collect(),
        }
    }
}

/// `abi.encode(AssetConfig, Input, Memory)`.
pub fn encode_question(config: &rust::AssetConfig, input: &rust::Input, memory: &rust::Memory) -> Vec<u8> {
    (AssetConfig::from(config), Input::from(input), Memory::from(memory)).abi_encode_params()
}

/// `abi.encode(Judgement, Memory)`: the judgement, and the memory after [`record`](crate::record()).
pub fn encode_answer(judgement: &rust::Judgement, after: &rust::Memory) -> Vec<u8> {
    (Judgement::from(judgement), Memory::from(after)).abi_encode_params()
}
