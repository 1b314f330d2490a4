//! The checks, one group each. They are pure: what they find are [`Reason`](crate::Reason)s and their numbers.
//!
//! - [`round`]: round completeness and monotonicity
//! - [`age`]: staleness, and answers from the future
//! - [`answer`]: sign, range, decimals, the aggregator's clamps, what kind of feed it is
//! - [`confidence`]: how wide the publishers' interval is
//! - [`twap`]: a pool's mean: window, liquidity, a spot price that was moved
//! - [`rate`]: growth and loss of an exchange rate
//! - [`movement`]: jumps against volatility
//! - [`peg`]: distance from a peg
//! - [`sequencer`]: the L2's uptime, and a node that lags
//! - [`agreement`]: sources against each other

pub mod age;
pub mod agreement;
pub mod answer;
pub mod confidence;
pub mod movement;
pub mod peg;
pub mod rate;
pub mod round;
pub mod sequencer;
pub mod twap;
