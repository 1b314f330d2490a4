//! What is judged: observations, and what is remembered between them.

use alloy_primitives::{B256, I256, U160, U256};

/// How a read ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Outcome {
    #[default]
    Read = 0,
    Reverted = 1,
    NoCode = 2,
    OutOfGas = 3,
    Malformed = 4,
}

/// One observation of one leg. Fields that its kind does not have are 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LegInput {
    pub outcome: Outcome,
    /// In the feed's decimals. A pool has none: it is computed.
    pub answer: I256,
    /// As read now. Pyth: minus the exponent, 255 when that is not within 0 to 36.
    pub decimals: u8,
    /// 80 bits: the upper 16 are the phase.
    pub round_id: u128,
    pub answered_in_round: u128,
    /// Unix seconds.
    pub updated_at: u64,
    /// Half the width of the confidence interval, in the answer's units.
    pub conf: U256,
    /// Of the cumulative tick over the window.
    pub tick_delta: i64,
    /// Of the cumulative seconds per liquidity over the window, Q128.
    pub liquidity_delta: U160,
    pub spot_tick: i32,
    /// Seconds since the pool's oldest observation.
    pub oldest: u64,
    /// keccak256 of the feed's description; 0: not read.
    pub description: B256,
    /// The aggregator's minimum and maximum answer; 0 and 0: not read.
    pub feed_min: I256,
    pub feed_max: I256,
}

/// The L2's uptime feed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SequencerInput {
    pub outcome: Outcome,
    /// 0: up, 1: down.
    pub answer: I256,
    /// Since when, unix seconds.
    pub started_at: u64,
}

/// All that was observed for one asset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Input {
    /// The block's time, unix seconds.
    pub now: u64,
    /// The machine's clock, unix seconds; 0: not judged.
    pub wall: u64,
    pub sequencer: SequencerInput,
    /// In the order of the configuration. What is missing counts as malformed.
    pub sources: Vec<Vec<LegInput>>,
}

/// What was last seen of a feed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LegMemory {
    #[serde(with = "crate::text")]
    pub round: u128,
    pub updated_at: u64,
}

/// What is kept between judgements. Written only by [`record`](crate::record()).
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Memory {
    /// The price that was last accepted; 0: none.
    pub last: crate::Price,
    /// When, unix seconds.
    pub last_at: u64,
    /// On the way back.
    pub recovering: bool,
    /// Good observations on the way back so far.
    pub good: u8,
    /// When the last one counted, unix seconds.
    pub good_at: u64,
    pub sources: Vec<Vec<LegMemory>>,
}

impl Memory {
    /// That of an asset that was just configured: the stated price counts as the last one.
    pub fn anchored(price: crate::Price, now: u64) -> Self {
        Self { last: price, last_at: now, ..Self::default() }
    }

    pub(crate) fn leg(&self, source: usize, leg: usize) -> LegMemory {
        self.sources.get(source).and_then(|legs| legs.get(leg)).copied().unwrap_or_default()
    }
}
