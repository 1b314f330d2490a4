//! Swaps between assets of the vault, split over pools.
//!
//! - [`pools`]: the configured pools as they stand at a block
//! - [`state`]: what a pool of each kind is asked

pub mod pools;
mod state;
