//! Swaps between assets of the vault, split over pools.
//!
//! - [`pools`]: the configured pools as they stand at a block
//! - [`state`]: what a pool of each kind is asked
//! - [`quote`](mod@quote): the routes of a swap, to the unit
//! - [`price`]: what gas costs in an asset

pub mod pools;
pub mod price;
pub mod quote;
mod state;
