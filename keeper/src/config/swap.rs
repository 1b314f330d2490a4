//! `[swap]`: through which pools assets are swapped.

use super::LaneConfig;
use alloy::primitives::Address;
use serde::Deserialize;
use std::{ops::RangeInclusive, time::Duration};

/// Without a pool it is off.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SwapConfig {
    pub pools: Vec<PoolConfig>,
    /// Tokens that a route may go through. Each swap is exposed to all of them.
    pub connectors: Vec<Address>,
    /// How much less than the oracle's price a swap may bring, in ten-thousandths; the vault's own limit is beside it.
    pub slippage_bps: u32,
    /// The account that swaps: an enabled lane of the vault that pays no batches. None only quotes.
    pub signer: Option<LaneConfig>,
    /// Symbols of the assets of which surplus may be sold, the first first.
    pub sources: Vec<String>,
    /// How far ahead the float is bought: what orders will ask for within this time, by what they asked for in the last
    /// one and at this time of yesterday. Zero buys what is due alone.
    #[serde(with = "humantime_serde")]
    pub horizon: Duration,
    /// A swap that would move the price further, in ten-thousandths, is cut into slices.
    pub max_impact_bps: u32,
    /// The time between slices.
    #[serde(with = "humantime_serde")]
    pub slice_interval: Duration,
}

impl Default for SwapConfig {
    fn default() -> Self {
        Self {
            pools: Vec::new(),
            connectors: Vec::new(),
            slippage_bps: 50,
            signer: None,
            sources: Vec::new(),
            horizon: Duration::from_secs(3_600),
            max_impact_bps: 200,
            slice_interval: Duration::from_secs(60),
        }
    }
}

impl SwapConfig {
    /// Whether any pool is configured.
    pub fn is_on(&self) -> bool {
        !self.pools.is_empty()
    }
}

/// One pool. What it is said to hold is held against what it says itself.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PoolConfig {
    pub kind: PoolKind,
    pub address: Address,
    /// In any order.
    pub tokens: Vec<Address>,
    /// What a `uniswap_v2` pool keeps of an input, in ten-thousandths: it has no function that says so.
    #[serde(default = "fee_bps")]
    pub fee_bps: u32,
    /// The splitter's adapter for it; without one it is quoted, and nothing is swapped there.
    pub adapter: Option<Address>,
}

fn fee_bps() -> u32 {
    30
}

/// Which protocol a pool is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PoolKind {
    /// Uniswap V2 and its forks.
    UniswapV2,
    UniswapV3,
    /// Curve's pools of plain tokens.
    StableSwap,
    /// Weighted pools of Balancer V2.
    BalancerWeighted,
}

impl PoolKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UniswapV2 => "uniswap_v2",
            Self::UniswapV3 => "uniswap_v3",
            Self::StableSwap => "stable_swap",
            Self::BalancerWeighted => "balancer_weighted",
        }
    }

    /// Gas of one swap in a pool of this kind, with what a leg more costs vault and splitter: as `make bench-route` measures
    /// it on the protocols' bytecode (`gas_leg_...`), rounded up.
    pub fn gas(self) -> u64 {
        match self {
            Self::UniswapV2 => 85_000,
            Self::UniswapV3 => 110_000,
            Self::StableSwap => 160_000,
            Self::BalancerWeighted => 140_000,
        }
    }

    /// How many tokens a pool can have.
    pub(super) fn sizes(self) -> RangeInclusive<usize> {
        match self {
            Self::UniswapV2 | Self::UniswapV3 => 2..=2,
            Self::StableSwap | Self::BalancerWeighted => 2..=8,
        }
    }
}
