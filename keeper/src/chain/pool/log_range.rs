//! How many blocks one query of logs may cover at an endpoint: learned from its refusals, and tried again wider later,
//! because providers refuse for a moment's load too, and plans change.

use std::sync::{Mutex, PoisonError};

/// A wider range is tried after so many answers in a row to the widest; after each refusal of a try, twice as many.
const PATIENCE: u32 = 16;
const PATIENCE_MAX: u32 = 1_024;

/// Unlimited until the first refusal.
#[derive(Debug)]
pub(super) struct LogRange(Mutex<Learned>);

#[derive(Debug)]
struct Learned {
    widest: u64,
    /// Whether `widest` is a try.
    tried: bool,
    answers: u32,
    patience: u32,
}

impl Default for LogRange {
    fn default() -> Self {
        Self(Mutex::new(Learned { widest: u64::MAX, tried: false, answers: 0, patience: PATIENCE }))
    }
}

impl LogRange {
    /// The most blocks to ask for now.
    pub fn widest(&self) -> u64 {
        self.with(|learned| learned.widest)
    }

    /// A query of `range` blocks was answered.
    pub fn answered(&self, range: u64) {
        self.with(|learned| {
            // A smaller one says nothing about the limit.
            if range < learned.widest {
                return;
            }
            if std::mem::take(&mut learned.tried) {
                learned.patience = PATIENCE;
            }
            learned.answers += 1;
            if learned.answers >= learned.patience {
                (learned.answers, learned.tried) = (0, true);
                learned.widest = learned.widest.saturating_mul(2);
            }
        });
    }

    /// A query of `range` blocks was refused for its range.
    pub fn refused(&self, range: u64) {
        self.with(|learned| {
            if std::mem::take(&mut learned.tried) {
                learned.patience = (learned.patience * 2).min(PATIENCE_MAX);
            }
            (learned.widest, learned.answers) = ((range / 2).max(1), 0);
        });
    }

    fn with<T>(&self, change: impl FnOnce(&mut Learned) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks for the widest until `n` were answered by an endpoint that allows `limit`; says how many it refused.
    fn ask(range: &LogRange, n: u32, limit: u64) -> u32 {
        let (mut answered, mut refused) = (0, 0);
        while answered < n {
            let asked = range.widest().min(4_096);
            if asked <= limit {
                range.answered(asked);
                answered += 1;
            } else {
                range.refused(asked);
                refused += 1;
            }
        }
        refused
    }

    #[test]
    fn a_limit_that_is_gone_is_forgotten() {
        let range = LogRange::default();
        ask(&range, 1, 16);
        assert_eq!(range.widest(), 16);
        let refused = ask(&range, 10 * PATIENCE, 4_096);
        assert_eq!(refused, 0);
        assert!(range.widest() >= 4_096, "{range:?}");
    }

    #[test]
    fn a_limit_that_stays_is_tried_seldom() {
        let range = LogRange::default();
        ask(&range, 1, 16);
        let refused = ask(&range, 10_000, 16);
        assert!((5..20).contains(&refused), "{refused} of 10,000");
        assert!(range.widest() <= 32);
    }

    #[test]
    fn small_queries_say_nothing() {
        let range = LogRange::default();
        range.refused(32);
        (0..1_000).for_each(|_| range.answered(1));
        assert_eq!(range.widest(), 16);
    }
}
