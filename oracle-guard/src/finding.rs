//! Reasons with the numbers that caused them.

use crate::{Price, Reason, Reasons};
use alloy_primitives::{I256, U256};
use serde::{Serialize, Serializer};
use std::fmt;

/// A number with its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Number {
    None,
    Seconds(u64),
    Bps(u64),
    Ticks(i64),
    Count(u64),
    Price(Price),
    /// In the feed's own decimals.
    Answer(I256),
    Units(U256),
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("nothing"),
            Self::Seconds(n) => write!(f, "{n} s"),
            Self::Bps(n) => write!(f, "{n} bps"),
            Self::Ticks(n) => write!(f, "{n} ticks"),
            Self::Count(n) => write!(f, "{n}"),
            Self::Price(price) => write!(f, "{price}"),
            Self::Answer(n) => write!(f, "{n}"),
            Self::Units(n) => write!(f, "{n}"),
        }
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// Where: an asset, one of its sources, or one of the source's legs. Counted from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Place {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leg: Option<usize>,
}

/// A reason, where it arose, what was seen and what would have been fine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    #[serde(flatten)]
    pub place: Place,
    pub reason: Reason,
    pub seen: Number,
    pub bound: Number,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.place.source, self.place.leg) {
            (Some(source), Some(leg)) => write!(f, "source {source} leg {leg}: ")?,
            (Some(source), None) => write!(f, "source {source}: ")?,
            _ => {}
        }
        write!(f, "{}: {}", self.reason, self.reason.text())?;
        match (self.seen, self.bound) {
            (Number::None, Number::None) => Ok(()),
            (seen, Number::None) => write!(f, " ({seen})"),
            (seen, bound) => write!(f, " ({seen}; bound {bound})"),
        }
    }
}

/// Where findings go. `()` drops them, and costs nothing.
pub(crate) trait Sink {
    fn add(&mut self, finding: Finding);
}

impl Sink for () {
    fn add(&mut self, _: Finding) {}
}

impl Sink for Vec<Finding> {
    fn add(&mut self, finding: Finding) {
        self.push(finding);
    }
}

/// The reasons of one place while it is judged.
pub(crate) struct Notes<'a, S> {
    pub reasons: Reasons,
    pub place: Place,
    pub sink: &'a mut S,
}

impl<'a, S: Sink> Notes<'a, S> {
    pub fn new(place: Place, sink: &'a mut S) -> Self {
        Self { reasons: Reasons::NONE, place, sink }
    }

    pub fn note(&mut self, reason: Reason, seen: Number, bound: Number) {
        self.reasons.insert(reason);
        self.sink.add(Finding { place: self.place, reason, seen, bound });
    }
}
