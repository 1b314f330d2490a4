//! Margin pools: what the keeper does for them, apart from all withdrawals.
//!
//! Another account signs, with its own nonces and its own money for gas; its connections to the chain are its own; and
//! what fails here is logged and tried again here. docs/margin.md says what it does and what it never does.
//!
//! - [`pools`]: a pool as it stands at a block, each book valued to the unit
//! - [`stress`]: who would fall, what it would cost, whether the fund covers it
//! - [`duties`]: what is to be done
//! - [`figures`]: what a check says of a pool, for alerts
//! - [`run`]: the loop; the account signs by [`crate::purse`]

pub mod duties;
pub mod figures;
pub mod pools;
pub mod run;
pub mod stress;

#[cfg(test)]
mod testing;
