//! Observations as people write them: prices as `"1.05"`, ages in seconds. Vectors and incidents are files of these.

use crate::{
    AssetConfig, Contradiction, Input, Judgement, Kind, LegConfig, LegInput, Memory, Outcome, Price, Reason,
    Reasons, SequencerInput, Verdict, number::digits,
};
use alloy_primitives::{I256, U160, U256, keccak256};
use serde::Deserialize;
use serde_json::Value;

/// One leg as it was seen. What is not written: read just now, in the configured decimals, of round 1, alone.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Seen {
    pub outcome: Outcome,
    /// The answer as a price; or [`Self::answer`].
    pub price: Option<String>,
    /// In the feed's decimals.
    #[serde(deserialize_with = "crate::text::option::deserialize")]
    pub answer: Option<I256>,
    pub decimals: Option<u8>,
    #[serde(deserialize_with = "crate::text::option::deserialize")]
    pub round: Option<u128>,
    #[serde(deserialize_with = "crate::text::option::deserialize")]
    pub answered_in: Option<u128>,
    /// Seconds; negative is in the future.
    pub age: i64,
    /// Unix seconds, instead of [`Self::age`].
    #[serde(deserialize_with = "crate::text::option::deserialize")]
    pub updated_at: Option<u64>,
    /// As a price; or [`Self::conf_units`].
    pub conf: Option<String>,
    #[serde(deserialize_with = "crate::text::option::deserialize")]
    pub conf_units: Option<U256>,
    /// Of a pool; or [`Self::tick_delta`].
    pub mean_tick: i64,
    #[serde(deserialize_with = "crate::text::option::deserialize")]
    pub tick_delta: Option<i64>,
    /// By default the mean.
    pub spot_tick: Option<i32>,
    /// Harmonic mean; or [`Self::liquidity_delta`]. By default plenty.
    #[serde(deserialize_with = "crate::text::option::deserialize")]
    pub liquidity: Option<u128>,
    #[serde(deserialize_with = "crate::text::option::deserialize")]
    pub liquidity_delta: Option<U160>,
    /// By default long enough.
    pub oldest: Option<u64>,
    pub description: Option<String>,
    #[serde(deserialize_with = "crate::text::option::deserialize")]
    pub feed_min: Option<I256>,
    #[serde(deserialize_with = "crate::text::option::deserialize")]
    pub feed_max: Option<I256>,
}

/// Why a file says nothing that can be judged.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    #[error(transparent)]
    Shape(#[from] serde_json::Error),
    #[error("{0:?} has no place in the base; the pointer must name what is there, or one key of it")]
    Pointer(String),
    #[error("{text:?} is no price with {decimals} decimals")]
    Price { text: String, decimals: u8 },
    #[error("{said} {what} are described, and {configured} configured; describe no more than there are")]
    TooMany { what: &'static str, said: usize, configured: usize },
    #[error("at = {0}: a step comes after the one before it, within 64 bits of seconds from the start")]
    Time(u64),
    #[error("config: {0}")]
    Contradiction(Contradiction),
}

impl Seen {
    fn leg(&self, config: &LegConfig, now: u64) -> Result<LegInput, ScenarioError> {
        let decimals = config.decimals;
        let units = |text: &str| {
            digits(text, decimals)
                .and_then(|units| I256::try_from(units).ok())
                .ok_or_else(|| ScenarioError::Price { text: text.to_owned(), decimals })
        };
        let answer = match (&self.price, self.answer) {
            (Some(price), _) => units(price)?,
            (None, answer) => answer.unwrap_or_default(),
        };
        let conf = match (&self.conf, self.conf_units) {
            (Some(conf), _) => units(conf)?.into_raw(),
            (None, units) => units.unwrap_or_default(),
        };
        let at = i128::from(now) - i128::from(self.age);
        let at = self.updated_at.unwrap_or_else(|| u64::try_from(at.max(0)).unwrap_or(u64::MAX));
        let chainlink = config.kind == Kind::Chainlink;
        let round_id = self.round.unwrap_or(chainlink.into());
        let window = u64::from(config.window);
        let liquidity = U256::from(self.liquidity.unwrap_or(u128::MAX >> 8).max(1));
        let delta: U256 = (U256::from(window) << 128) / liquidity;
        let delta = delta.max(U256::from(window.min(1)));
        let twap = config.kind == Kind::UniswapV3Twap;
        let spot = self.spot_tick.unwrap_or_else(|| self.mean_tick.try_into().unwrap_or_default());
        Ok(LegInput {
            outcome: self.outcome,
            answer,
            decimals: self.decimals.unwrap_or(decimals),
            round_id,
            answered_in_round: self.answered_in.unwrap_or(round_id),
            updated_at: if config.kind.has_clock() { at } else { now },
            conf,
            tick_delta: self.tick_delta.unwrap_or(self.mean_tick.saturating_mul(config.window.into())),
            liquidity_delta: match self.liquidity_delta {
                Some(delta) => delta,
                None if twap => delta.saturating_to(),
                None => U160::ZERO,
            },
            spot_tick: spot,
            oldest: self.oldest.unwrap_or(if twap { window } else { 0 }),
            description: self.description.as_deref().map(keccak256).unwrap_or_default(),
            feed_min: self.feed_min.unwrap_or_default(),
            feed_max: self.feed_max.unwrap_or_default(),
        })
    }
}

/// The uptime feed as it was seen: up since long ago, if nothing is written.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SeenSequencer {
    pub outcome: Outcome,
    #[serde(with = "crate::text")]
    pub answer: I256,
    /// Seconds since the answer changed.
    pub since: i64,
    pub started_at: Option<u64>,
}

impl Default for SeenSequencer {
    fn default() -> Self {
        Self { outcome: Outcome::Read, answer: I256::ZERO, since: 1_000_000, started_at: None }
    }
}

/// All of one moment.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Moment {
    pub now: u64,
    pub wall: u64,
    pub sequencer: SeenSequencer,
    pub sources: Vec<Vec<Seen>>,
}

impl Moment {
    /// What a reader would have given.
    pub fn input(&self, config: &AssetConfig) -> Result<Input, ScenarioError> {
        let mut sources = Vec::new();
        let fits = |what, said, configured| match said > configured {
            true => Err(ScenarioError::TooMany { what, said, configured }),
            false => Ok(()),
        };
        fits("sources", self.sources.len(), config.sources.len())?;
        for (source, seen) in config.sources.iter().zip(&self.sources) {
            fits("legs", seen.len(), source.legs.len())?;
            let legs = source.legs.iter().zip(seen).map(|(leg, seen)| seen.leg(leg, self.now));
            sources.push(legs.collect::<Result<_, _>>()?);
        }
        let since = i128::from(self.now) - i128::from(self.sequencer.since);
        let started_at =
            self.sequencer.started_at.unwrap_or_else(|| u64::try_from(since.max(0)).unwrap_or(u64::MAX));
        let sequencer =
            SequencerInput { outcome: self.sequencer.outcome, answer: self.sequencer.answer, started_at };
        Ok(Input { now: self.now, wall: self.wall, sequencer, sources })
    }
}

/// A file of vectors: each case says what differs from the base.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VectorFile {
    pub about: String,
    /// A [`Moment`] with `config` and `memory`.
    pub base: Value,
    pub cases: Vec<Case>,
}

/// One case of a [`VectorFile`].
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    pub name: String,
    /// Where the rule or the numbers come from.
    pub source: String,
    /// What differs, by JSON pointer.
    #[serde(default)]
    pub set: serde_json::Map<String, Value>,
    pub expect: Expect,
}

/// What must come out.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    pub verdict: Verdict,
    /// The asset's.
    #[serde(default)]
    pub reasons: Reasons,
    /// Each source's; none at all, if not written.
    #[serde(default)]
    pub sources: Vec<Reasons>,
    pub lo: Option<Price>,
    pub mid: Option<Price>,
    pub hi: Option<Price>,
    /// The memory after it, where that matters.
    pub memory: Option<Memory>,
}

impl Expect {
    /// What is otherwise; None when all is as expected.
    pub fn differs(&self, judgement: &Judgement, after: &Memory) -> Option<String> {
        let of_asset: Reasons = judgement.reasons.iter().filter(|r| *r as u8 >= 32).collect();
        if judgement.verdict != self.verdict || of_asset != self.reasons {
            return Some(format!("{} {of_asset:?}, sources {:?}", judgement.verdict, judgement.sources()));
        }
        let none = vec![Reasons::NONE; judgement.sources().len()];
        let sources = if self.sources.is_empty() { &none } else { &self.sources };
        if judgement.sources() != sources {
            return Some(format!("sources {:?}", judgement.sources()));
        }
        let price = judgement.price.unwrap_or_default();
        let ends = [(self.lo, price.lo), (self.mid, price.mid), (self.hi, price.hi)];
        if ends.iter().any(|(expected, is)| expected.is_some_and(|expected| expected != *is)) {
            return Some(format!("lo {}, mid {}, hi {}", price.lo, price.mid, price.hi));
        }
        match &self.memory {
            Some(memory) if memory != after => Some(format!("memory {after:?}")),
            _ => None,
        }
    }

    /// Whether it has a reason that only the keeper can see.
    pub fn off_chain(&self) -> bool {
        let all = self.sources.iter().fold(self.reasons, |all, reasons| all.union(*reasons));
        all.intersects(Reasons::OFF_CHAIN) || all.has(Reason::ChainBehind)
    }
}

impl VectorFile {
    /// The base with the case's changes.
    pub fn question(&self, case: &Case) -> Result<(AssetConfig, Input, Memory), ScenarioError> {
        let mut value = self.base.clone();
        for (pointer, new) in &case.set {
            set(&mut value, pointer, new).ok_or_else(|| ScenarioError::Pointer(pointer.clone()))?;
        }
        let mut part = |key| value.as_object_mut().and_then(|map| map.remove(key)).unwrap_or_default();
        let config: AssetConfig = serde_json::from_value(part("config"))?;
        let memory: Option<Memory> = serde_json::from_value(part("memory"))?;
        let moment: Moment = serde_json::from_value(value)?;
        let input = moment.input(&config)?;
        Ok((config, input, memory.unwrap_or_default()))
    }
}

fn set(value: &mut Value, pointer: &str, new: &Value) -> Option<()> {
    let (parent, key) = pointer.rsplit_once('/')?;
    match value.pointer_mut(parent)? {
        Value::Object(map) => drop(map.insert(key.to_owned(), new.clone())),
        Value::Array(list) => {
            let at: usize = key.parse().ok()?;
            if at == list.len() {
                list.push(new.clone());
            }
            *list.get_mut(at)? = new.clone();
        }
        _ => return None,
    }
    Some(())
}
