//! The specification of price sanity: it judges what a feed says, it does not predict.
//!
//! [`judge`] looks at one [`Observation`] under one feed's [`Limits`] and returns a [`Verdict`] with every reason
//! named and the numbers that caused it. It does no input or output, and knows no clock: the caller says when now is.
//! Prices are integers with the feed's own decimals.
//!
//! The checks here are those that one source alone allows: completeness, sign, clamp and age. Agreement between
//! sources, time-weighted prices and rates build on the same verdict.

use alloy::primitives::I256;
use serde::{Deserialize, Serialize};

/// What a feed said, in the terms of Chainlink's `latestRoundData`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation {
    pub round: u128,
    /// The price, with the feed's decimals.
    pub answer: I256,
    /// Unix seconds; 0 while the round is not complete.
    pub updated_at: u64,
}

/// What a feed may say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Seconds within which the feed promises an update.
    pub heartbeat: u64,
    /// Seconds that a feed's clock may be ahead.
    pub skew: u64,
    /// The price at which the feed or its aggregator clamps from below: at or under it, the true price is unknown.
    pub floor: I256,
    /// The same from above.
    pub ceiling: I256,
}

/// Why limits contradict themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LimitsError {
    #[error("heartbeat is 0; write the seconds within which the feed promises an update")]
    NoHeartbeat,
    #[error("floor {floor} is negative; a price is above zero")]
    NegativeFloor { floor: I256 },
    #[error("floor {floor} is not below ceiling {ceiling}")]
    EmptyRange { floor: I256, ceiling: I256 },
}

/// A named reason, with the numbers that caused it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum Reason {
    /// The round has no time: the feed has not answered it yet.
    IncompleteRound { round: u128 },
    /// Zero or below. A price of zero has passed as a price before; it never is one.
    NotPositive { answer: I256 },
    /// At the feed's own bound: LUNA, May 2022, read 0.107 while it traded at 0.01.
    Clamped { answer: I256, bound: I256 },
    /// From further in the future than clocks differ.
    FromTheFuture { ahead: u64, skew: u64 },
    /// Older than the heartbeat.
    Stale { age: u64, heartbeat: u64 },
}

/// What may be done with a price. A worse input never gives a better verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", content = "reasons", rename_all = "snake_case")]
pub enum Verdict {
    /// Use it.
    Healthy,
    /// It was right not long ago. Nothing that depends on the price of this moment may use it.
    Degraded(Vec<Reason>),
    /// Do not use it.
    Insane(Vec<Reason>),
}

impl Limits {
    /// Refuses limits that contradict themselves.
    pub fn check(&self) -> Result<(), LimitsError> {
        if self.heartbeat == 0 {
            return Err(LimitsError::NoHeartbeat);
        }
        if self.floor.is_negative() {
            return Err(LimitsError::NegativeFloor { floor: self.floor });
        }
        if self.floor >= self.ceiling {
            return Err(LimitsError::EmptyRange { floor: self.floor, ceiling: self.ceiling });
        }
        Ok(())
    }
}

/// Judges one observation at `now` (unix seconds). An age of up to twice the heartbeat is degraded, beyond it insane.
pub fn judge(seen: &Observation, limits: &Limits, now: u64) -> Verdict {
    let mut insane = Vec::new();
    if seen.updated_at == 0 {
        insane.push(Reason::IncompleteRound { round: seen.round });
    }
    if seen.answer <= I256::ZERO {
        insane.push(Reason::NotPositive { answer: seen.answer });
    } else if seen.answer <= limits.floor {
        insane.push(Reason::Clamped { answer: seen.answer, bound: limits.floor });
    } else if seen.answer >= limits.ceiling {
        insane.push(Reason::Clamped { answer: seen.answer, bound: limits.ceiling });
    }
    let ahead = seen.updated_at.saturating_sub(now);
    if ahead > limits.skew {
        insane.push(Reason::FromTheFuture { ahead, skew: limits.skew });
    }
    let age = now.saturating_sub(seen.updated_at);
    let stale = Reason::Stale { age, heartbeat: limits.heartbeat };
    let late = seen.updated_at != 0 && age > limits.heartbeat;
    if late && age > limits.heartbeat.saturating_mul(2) {
        insane.push(stale);
    }
    match (insane.is_empty(), late) {
        (false, _) => Verdict::Insane(insane),
        (true, true) => Verdict::Degraded(vec![stale]),
        (true, false) => Verdict::Healthy,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn price(n: i64) -> I256 {
        I256::try_from(n).expect("an i64 fits")
    }

    fn limits() -> Limits {
        Limits { heartbeat: 3_600, skew: 60, floor: price(10_000_000), ceiling: price(1_000_000_000_000) }
    }

    fn seen(answer: i64, updated_at: u64) -> Observation {
        Observation { round: 7, answer: price(answer), updated_at }
    }

    const NOW: u64 = 1_700_000_000;

    #[test]
    fn names_each_reason() {
        let cases = [
            (seen(100_000_000, 0), "incomplete_round"),
            (seen(0, NOW), "not_positive"),
            (seen(-5, NOW), "not_positive"),
            (seen(10_000_000, NOW), "clamped"),
            (seen(1_000_000_000_000, NOW), "clamped"),
            (seen(100_000_000, NOW + 61), "from_the_future"),
            (seen(100_000_000, NOW - 7_201), "stale"),
        ];
        for (observation, reason) in cases {
            let Verdict::Insane(reasons) = judge(&observation, &limits(), NOW) else {
                panic!("{observation:?} passed");
            };
            let json = serde_json::to_value(&reasons).expect("reasons are JSON");
            assert_eq!(json[0]["reason"], reason);
        }
        assert_eq!(judge(&seen(100_000_000, NOW - 3_600), &limits(), NOW), Verdict::Healthy);
        assert_eq!(judge(&seen(100_000_000, NOW + 60), &limits(), NOW), Verdict::Healthy);
        assert!(matches!(judge(&seen(100_000_000, NOW - 3_601), &limits(), NOW), Verdict::Degraded(_)));
    }

    #[test]
    fn refuses_limits_that_contradict_themselves() {
        assert!(limits().check().is_ok());
        assert_eq!(Limits { heartbeat: 0, ..limits() }.check(), Err(LimitsError::NoHeartbeat));
        let upside_down = Limits { floor: price(5), ceiling: price(5), ..limits() };
        assert!(matches!(upside_down.check(), Err(LimitsError::EmptyRange { .. })));
    }

    fn rank(verdict: &Verdict) -> u8 {
        match verdict {
            Verdict::Healthy => 0,
            Verdict::Degraded(_) => 1,
            Verdict::Insane(_) => 2,
        }
    }

    proptest! {
        #[test]
        fn an_older_answer_is_never_judged_better(answer: i64, age in 0u64..20_000, more in 0u64..20_000) {
            let young = judge(&seen(answer, NOW - age), &limits(), NOW);
            let old = judge(&seen(answer, NOW - age - more), &limits(), NOW);
            prop_assert!(rank(&old) >= rank(&young));
        }

        #[test]
        fn no_input_panics(round: u128, bytes: [u8; 32], updated_at: u64, now: u64, heartbeat: u64, skew: u64) {
            let observation = Observation { round, answer: I256::from_be_bytes(bytes), updated_at };
            let _ = judge(&observation, &Limits { heartbeat, skew, ..limits() }, now);
        }
    }
}
