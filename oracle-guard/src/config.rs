//! What is configured, and what contradicts itself.

use crate::{
    Price,
    number::{BPS, ONE, scale},
};
use alloy_primitives::{Address, B256, Bytes, U256};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Sources of one asset, at most.
pub const MAX_SOURCES: usize = 5;
/// Legs of one source, at most.
pub const MAX_LEGS: usize = 3;

/// What answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Kind {
    /// An aggregator with `latestRoundData`.
    Chainlink = 0,
    /// `getPriceUnsafe` of a Pyth contract.
    Pyth = 1,
    /// The mean price of a pool over a window.
    UniswapV3Twap = 2,
    /// A view function of a token: how much of the next leg it is worth.
    Rate = 3,
}

impl Kind {
    pub(crate) fn has_clock(self) -> bool {
        matches!(self, Self::Chainlink | Self::Pyth)
    }
}

/// What a source is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Role {
    /// Counts for quorum and interval.
    #[default]
    Price = 0,
    /// Only checks.
    Reference = 1,
}

/// Where a leg is read. No part of judging it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct At {
    /// The aggregator, the Pyth contract, the pool, or the token with the rate.
    pub address: Address,
    /// Pyth's price id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub feed: Option<B256>,
    /// A rate's call: four bytes of selector, and an argument where it takes one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call: Option<Bytes>,
    /// What `description()` must be. None: not judged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// One factor of a source's price.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LegConfig {
    pub kind: Kind,
    /// Pinned.
    pub decimals: u8,
    #[serde(default)]
    pub at: At,
    /// Seconds within which the feed promises an update.
    #[serde(default)]
    pub heartbeat: u32,
    /// The feed's deviation threshold: the true price may be so far from the answer.
    #[serde(default)]
    pub width_bps: u16,
    /// The widest confidence, in shares of the answer.
    #[serde(default)]
    pub conf_bps: u16,
    /// How many confidences the interval spans.
    #[serde(default)]
    pub conf_multiple: u8,
    /// Judge `answeredInRound`.
    #[serde(default)]
    pub carried: bool,
    /// The lowest and highest price that this leg can have.
    #[serde(default = "lowest")]
    pub floor: Price,
    #[serde(default = "highest")]
    pub ceiling: Price,
    /// Where the aggregator clamps, in its own decimals; 0: it does not.
    #[serde(default, with = "crate::text")]
    pub clamp_min: U256,
    #[serde(default, with = "crate::text")]
    pub clamp_max: U256,
    /// So near is at it.
    #[serde(default)]
    pub clamp_bps: u16,
    /// Seconds of the mean.
    #[serde(default)]
    pub window: u32,
    /// The least harmonic mean liquidity.
    #[serde(default, with = "crate::text")]
    pub min_liquidity: u128,
    /// How far the pool's tick may be from its mean; one is a ten-thousandth.
    #[serde(default)]
    pub max_ticks: u16,
    #[serde(default)]
    pub base_decimals: u8,
    #[serde(default)]
    pub quote_decimals: u8,
    #[serde(default)]
    pub base_is_token1: bool,
    /// A rate that was known at `rate_at`; 0: growth is not judged.
    #[serde(default)]
    pub rate: Price,
    /// Unix seconds.
    #[serde(default)]
    pub rate_at: u64,
    /// Growth per year of 365 days, at most.
    #[serde(default)]
    pub growth_bps: u32,
    /// Loss against `rate`, at most.
    #[serde(default)]
    pub slash_bps: u16,
}

fn lowest() -> Price {
    Price(1)
}

fn highest() -> Price {
    Price::MAX
}

impl LegConfig {
    /// A leg of `kind` that bounds nothing yet.
    pub fn new(kind: Kind, decimals: u8) -> Self {
        Self {
            kind,
            decimals,
            at: At::default(),
            heartbeat: 0,
            width_bps: 0,
            conf_bps: 0,
            conf_multiple: 0,
            carried: false,
            floor: lowest(),
            ceiling: highest(),
            clamp_min: U256::ZERO,
            clamp_max: U256::ZERO,
            clamp_bps: 0,
            window: 0,
            min_liquidity: 0,
            max_ticks: 0,
            base_decimals: 0,
            quote_decimals: 0,
            base_is_token1: false,
            rate: Price(0),
            rate_at: 0,
            growth_bps: 0,
            slash_bps: 0,
        }
    }
}

/// A product of legs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceConfig {
    #[serde(default)]
    pub role: Role,
    /// Of a reference: how far the price may be from it.
    #[serde(default)]
    pub tolerance_bps: u16,
    pub legs: Vec<LegConfig>,
}

/// How an asset is judged. What is not written is as in [`AssetConfig::default`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AssetConfig {
    /// Price sources that must agree.
    pub quorum: u8,
    /// How far price sources may differ.
    pub tolerance_bps: u16,
    /// Seconds that a feed's clock may be ahead.
    pub skew: u16,
    /// A move that is always allowed.
    pub jump_bps: u16,
    /// What is allowed beside it, per square root of an hour.
    pub vol_bps: u16,
    /// So many times the allowed move is no move.
    pub leap_multiple: u8,
    /// 0: none.
    pub peg: Price,
    /// Distances from the peg; 0: not judged.
    pub soft_below_bps: u16,
    pub soft_above_bps: u16,
    pub hard_below_bps: u16,
    pub hard_above_bps: u16,
    /// Seconds after the sequencer came up; 0: there is no sequencer.
    pub sequencer_grace: u32,
    /// Where its uptime is read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequencer: Option<Address>,
    /// Good observations on the way back, and seconds between two that count.
    pub recover_count: u8,
    pub recover_spacing: u16,
    /// Seconds that the newest block may be behind the clock; 0: not judged.
    pub chain_lag: u32,
    pub sources: Vec<SourceConfig>,
}

impl Default for AssetConfig {
    fn default() -> Self {
        Self {
            quorum: 2,
            tolerance_bps: 200,
            skew: 60,
            jump_bps: 500,
            vol_bps: 1_000,
            leap_multiple: 5,
            peg: Price(0),
            soft_below_bps: 0,
            soft_above_bps: 0,
            hard_below_bps: 0,
            hard_above_bps: 0,
            sequencer_grace: 0,
            sequencer: None,
            recover_count: 3,
            recover_spacing: 60,
            chain_lag: 0,
            sources: Vec::new(),
        }
    }
}

/// A key that cannot be what it is, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Contradiction {
    /// Such as `sources.0.legs.1.heartbeat`.
    pub key: String,
    pub value: String,
    pub problem: String,
}

impl fmt::Display for Contradiction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {}: {}", self.key, self.value, self.problem)
    }
}

#[derive(Default)]
struct Found {
    list: Vec<Contradiction>,
    under: String,
}

impl Found {
    fn unless(&mut self, right: bool, key: &str, value: impl fmt::Display, problem: impl fmt::Display) {
        if !right {
            let (value, problem) = (value.to_string(), problem.to_string());
            self.list.push(Contradiction { key: format!("{}{key}", self.under), value, problem });
        }
    }

    fn within(&mut self, value: impl Into<u128>, low: u128, high: u128, key: &str) {
        let value = value.into();
        self.unless((low..=high).contains(&value), key, value, format!("expected {low} to {high}"));
    }
}

impl AssetConfig {
    /// All that contradicts itself at `now` (unix seconds); empty when it can be used.
    pub fn contradictions(&self, now: u64) -> Vec<Contradiction> {
        let mut found = Found::default();
        self.check_asset(&mut found);
        self.check_sources(&mut found);
        for (i, source) in self.sources.iter().enumerate() {
            found.under = format!("sources.{i}.");
            let reference = source.role == Role::Reference;
            let (low, high) = if reference { (1, 5_000) } else { (0, 0) };
            found.within(source.tolerance_bps, low, high, "tolerance_bps");
            found.within(source.legs.len() as u64, 1, MAX_LEGS as u128, "legs");
            for (j, leg) in source.legs.iter().enumerate() {
                found.under = format!("sources.{i}.legs.{j}.");
                leg.check(now, &mut found);
            }
        }
        found.list
    }

    /// What is missing to read the sources from a chain; empty when nothing is.
    pub fn unreadable(&self) -> Vec<Contradiction> {
        let mut found = Found::default();
        if self.sequencer_grace != 0 {
            let problem = "write the address of the L2's uptime feed";
            found.unless(self.sequencer.is_some(), "sequencer", "nothing", problem);
        }
        for (i, source) in self.sources.iter().enumerate() {
            for (j, leg) in source.legs.iter().enumerate() {
                found.under = format!("sources.{i}.legs.{j}.at.");
                let (at, problem) = (&leg.at, "write the address of what is read");
                found.unless(at.address != Address::ZERO, "address", "nothing", problem);
                let right = (leg.kind == Kind::Pyth) == at.feed.is_some();
                found.unless(
                    right,
                    "feed",
                    format!("{:?}", at.feed),
                    "Pyth has a price id, nothing else has",
                );
                let right = match &at.call {
                    Some(call) => leg.kind == Kind::Rate && matches!(call.len(), 4 | 36),
                    None => leg.kind != Kind::Rate,
                };
                let problem = "a rate has a call of 4 bytes, or 36 with its argument; nothing else has";
                found.unless(right, "call", format!("{:?}", at.call), problem);
                let right = match &at.description {
                    Some(text) => leg.kind == Kind::Chainlink && !text.is_empty(),
                    None => true,
                };
                let problem = "what a Chainlink feed answers, such as ETH / USD; nothing else has one";
                found.unless(right, "description", format!("{:?}", at.description), problem);
            }
        }
        found.list
    }

    fn check_asset(&self, found: &mut Found) {
        found.within(self.tolerance_bps, 1, 2_000, "tolerance_bps");
        found.within(self.skew, 0, 300, "skew");
        found.within(self.jump_bps, 10, 10_000, "jump_bps");
        found.within(self.vol_bps, 0, 10_000, "vol_bps");
        found.within(self.leap_multiple, 2, 20, "leap_multiple");
        found.within(self.recover_count, 1, 100, "recover_count");
        found.within(self.recover_spacing, 1, 3_600, "recover_spacing");
        if self.sequencer_grace != 0 || self.sequencer.is_some() {
            found.within(self.sequencer_grace, 60, 86_400, "sequencer_grace");
        }
        if self.chain_lag != 0 {
            found.within(self.chain_lag, 10, 3_600, "chain_lag");
        }
        let soft = [("soft_below_bps", self.soft_below_bps), ("soft_above_bps", self.soft_above_bps)];
        let hard = [("hard_below_bps", self.hard_below_bps), ("hard_above_bps", self.hard_above_bps)];
        for ((_, soft), (key, hard)) in soft.into_iter().zip(hard) {
            let right = soft == 0 || hard == 0 || hard > soft;
            found.unless(right, key, hard, format!("must be above the soft band of {soft}, or 0"));
        }
        let banded = soft.iter().chain(&hard).any(|(_, bps)| *bps != 0);
        for (key, bps) in soft.into_iter().chain(hard) {
            found.within(bps, 0, 10_000, key);
        }
        let right = (self.peg.0 != 0) == banded;
        found.unless(right, "peg", self.peg, "a peg needs a band, and a band a peg");
    }

    fn check_sources(&self, found: &mut Found) {
        found.within(self.sources.len() as u64, 1, MAX_SOURCES as u128, "sources");
        let prices = || self.sources.iter().filter(|s| s.role == Role::Price);
        let count = prices().count();
        let majority = count / 2 + 1;
        let right = (majority..=count).contains(&usize::from(self.quorum));
        let problem = match count {
            0 => "there is no source with the role price".to_owned(),
            _ => format!(
                "expected {majority} to {count}: more than half of the {count} price sources, or two groups could both agree"
            ),
        };
        found.unless(right, "quorum", self.quorum, problem);
        let mut seen = Vec::new();
        for source in prices() {
            let Some(leg) = source.legs.first().filter(|leg| leg.at.address != Address::ZERO) else {
                continue;
            };
            // Of one contract only Pyth's has several feeds.
            let same = |other: &&LegConfig| {
                let pyth = leg.kind == Kind::Pyth && other.kind == Kind::Pyth;
                leg.at.address == other.at.address && !(pyth && leg.at.feed != other.at.feed)
            };
            let problem = "two price sources read it; they are one, and their agreement says nothing";
            found.unless(!seen.iter().any(same), "sources", leg.at.address, problem);
            seen.push(leg);
        }
    }
}

impl LegConfig {
    fn check(&self, now: u64, found: &mut Found) {
        let (clock, pyth, twap) =
            (self.kind.has_clock(), self.kind == Kind::Pyth, self.kind == Kind::UniswapV3Twap);
        let only = |applies: bool, low: u128, high: u128| if applies { (low, high) } else { (0, 0) };
        let mut ranged =
            |value: u128, (low, high): (u128, u128), key: &str| found.within(value, low, high, key);
        ranged(self.decimals.into(), if twap { (18, 18) } else { (0, 36) }, "decimals");
        ranged(self.heartbeat.into(), only(clock, 1, 259_200), "heartbeat");
        ranged(self.width_bps.into(), (0, 1_000), "width_bps");
        ranged(self.conf_bps.into(), only(pyth, 1, 5_000), "conf_bps");
        ranged(self.conf_multiple.into(), only(pyth, 1, 10), "conf_multiple");
        ranged(self.carried.into(), only(self.kind == Kind::Chainlink, 0, 1), "carried");
        ranged(self.clamp_bps.into(), only(!twap, 0, 5_000), "clamp_bps");
        ranged(self.window.into(), only(twap, 300, 86_400), "window");
        ranged(self.min_liquidity, only(twap, 1, u128::MAX), "min_liquidity");
        ranged(self.max_ticks.into(), only(twap, 1, 10_000), "max_ticks");
        ranged(self.base_decimals.into(), only(twap, 0, 18), "base_decimals");
        ranged(self.quote_decimals.into(), only(twap, 0, 18), "quote_decimals");
        ranged(self.base_is_token1.into(), only(twap, 0, 1), "base_is_token1");
        found.unless(self.floor.0 > 0, "floor", self.floor, "a price is above 0");
        let right = self.floor < self.ceiling;
        found.unless(right, "floor", self.floor, format!("must be below the ceiling of {}", self.ceiling));
        self.check_clamps(twap, found);
        self.check_rate(twap, now, found);
    }

    fn check_clamps(&self, twap: bool, found: &mut Found) {
        let (min, max) = (self.clamp_min, self.clamp_max);
        for (key, bound) in [("clamp_min", min), ("clamp_max", max)] {
            let right = bound.is_zero() || !twap && bound.bit_len() <= 192;
            found.unless(right, key, bound, "expected 0, or of an aggregator an answer below 2^192");
        }
        let right = max.is_zero() || min < max;
        found.unless(right, "clamp_min", min, format!("must be below clamp_max, {max}"));
        if twap || min.bit_len() > 192 || max.bit_len() > 192 || self.decimals > 36 {
            return;
        }
        // The least and the most that is not clamped must leave a price between floor and ceiling.
        let (one, margin) = (U256::from(BPS), U256::from(self.clamp_bps.min(5_000)));
        let least = min * (one + margin) / one + U256::ONE;
        let possible = scale(least, self.decimals).0 <= U256::from(self.ceiling.0);
        let problem = "everything below the ceiling is clamped: is it in the feed's decimals?";
        found.unless(possible, "clamp_min", min, problem);
        if max.is_zero() {
            return;
        }
        let most = (max * (one - margin)).div_ceil(one) - U256::ONE;
        let possible = most >= least && scale(most, self.decimals).0 >= U256::from(self.floor.0);
        let problem = "everything above the floor is clamped: is it in the feed's decimals?";
        found.unless(possible, "clamp_max", max, problem);
    }

    fn check_rate(&self, twap: bool, now: u64, found: &mut Found) {
        if self.rate.0 == 0 {
            found.unless(self.rate_at == 0, "rate_at", self.rate_at, "there is no rate");
            found.within(self.growth_bps, 0, 0, "growth_bps");
            found.within(self.slash_bps, 0, 0, "slash_bps");
            return;
        }
        found.unless(!twap, "rate", self.rate, "a pool's mean is a price, not a rate that grows");
        found.unless(self.rate_at <= now, "rate_at", self.rate_at, format!("is in the future; now is {now}"));
        found.within(self.growth_bps, 0, 100_000, "growth_bps");
        found.within(self.slash_bps, 0, BPS.into(), "slash_bps");
        let cap = U256::from(self.rate.0) * U256::from(BPS + u64::from(self.growth_bps)) / U256::from(BPS);
        let right = cap >= U256::from(self.floor.0) && self.rate <= self.ceiling;
        let problem = format!("lies outside of floor {} to ceiling {}", self.floor, self.ceiling);
        found.unless(right, "rate", self.rate, problem);
        found.unless(self.rate.0 >= ONE / 1_000_000, "rate", self.rate, "a rate is written per whole token");
    }
}
