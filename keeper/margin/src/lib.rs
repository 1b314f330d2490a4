//! Margin, as `contracts/margin` computes it: the same whole numbers, to the unit.
//!
//! - [`black76`]: what an option is worth
//! - [`model`]: what a book needs and owes
//! - [`watch`]: all books of a pool, valued at once and ordered by how near they are to liquidation
//! - [`indicative`]: marks and deltas in floating point, to be looked at; they decide nothing

pub mod black76;
mod fixed;
pub mod indicative;
pub mod model;
pub mod watch;

pub use model::{Leg, Market, Marks, Shape, Shares, Valuation};

use alloy_primitives::{U256, uint};

const WAD: U256 = uint!(1_000_000_000_000_000_000_U256);
const BPS: U256 = uint!(10_000_U256);
