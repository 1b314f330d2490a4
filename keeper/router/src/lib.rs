//! Splits a swap over pools: the most output for an exact input, or the least input for an exact output.
//!
//! A [`Pool`] is simulated in integers, equal to the chain to the last unit. A [`Router`] over pools proposes a split
//! in floats, as the optimum of a concave problem, and turns it into a [`Plan`] of integers: every amount that a plan
//! names is an exact quote, its output is never below that of the best single route, and its [`Certificate`] lets
//! anybody check with quotes alone how far any split could have come.

mod book;
mod curve;
mod exact;
mod gas;
mod log_exp;
mod math;
mod network;
mod pool;
mod restrict;
mod router;
mod stable;
mod tick;
mod v2;
mod v3;
mod weighted;

pub use pool::Pool;
pub use router::{Amount, Certificate, Leg, MAX_CONNECTORS, Plan, RouteError, Router, Share, Split};
pub use stable::StablePool;
pub use v2::V2Pool;
pub use v3::V3Pool;
pub use weighted::WeightedPool;

use pool::least_input;

/// Why a pool has no quote: on chain the swap would revert, or pay nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuoteError {
    #[error("the pool does not trade this pair")]
    UnknownToken,
    #[error("the amount is zero")]
    ZeroAmount,
    #[error("the pool has not enough liquidity; ask for less")]
    InsufficientLiquidity,
    #[error("the amount exceeds what the pool accepts in one swap; ask for less")]
    TooLarge,
    #[error("the pool's own iteration does not converge on this state")]
    NoConvergence,
}
