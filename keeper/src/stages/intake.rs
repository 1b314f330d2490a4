//! Intake: the one way in for orders, whether they come by HTTP or in a file.
//!
//! - [`check`]: what a caller wrote becomes an order, or errors that name field, code and next step
//! - [`accept`]: orders become withdrawals, once per idempotency key; one that the chain already paid is recognised
//! - [`group`]: many callers share one durable commit; a full queue says so at once
//! - [`csv`]: a file of orders, all or nothing

pub mod accept;
pub mod check;
pub mod csv;
pub mod group;
#[cfg(test)]
pub(crate) mod testing;

pub use accept::{Answer, Rule, accept};
pub use check::{FieldError, RawOrder, check};
pub use group::{Intake, IntakeError};
