//! Swaps between assets of the vault, split over pools.
//!
//! They run beside the stages, with connections of their own and an account of their own: a swap that fails or hangs
//! delays the withdrawals that wait for its asset, and nothing else.
//!
//! - [`pools`]: the configured pools as they stand at a block
//! - [`state`]: what a pool of each kind is asked
//! - [`quote`](mod@quote): the routes of a swap, to the unit
//! - [`price`]: what gas costs in an asset
//! - [`order`]: the same as the vault is told it
//! - [`forecast`]: how much orders will ask for soon
//! - [`refill`]: what is bought, how much of it, and from what
//! - [`run`]: the loop

mod forecast;
pub mod order;
pub mod pools;
pub mod price;
pub mod quote;
mod refill;
pub mod run;
mod state;
