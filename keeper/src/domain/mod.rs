//! The words and rules of the business, without I/O: nothing here touches a chain, a database or a clock.
//!
//! - [`amount`]: exact integers with an asset's decimals, parsed and printed without a float
//! - [`asset`]: what the vault can pay
//! - [`withdrawal`]: the unit of everything, its identity, its states and the moves between them
//! - [`announcement`], [`review`]: what is asked of people before a large order is paid
//! - [`batch`]: withdrawals that one transaction settles, and a batch's own states
//! - [`lane`]: a lane's number and head, and how a settlement moves them
//! - [`access`]: who may do what by the API
//! - [`forecast`]: when something will happen
//! - [`day`]: days of UTC
//! - [`fees`]: what a transaction offers, and what a withdrawal may cost
//! - [`ledger`]: the accounts, and the two sides of every move of money
//! - [`nonces`]: which nonces of a lane are spoken for
//! - [`tier`]: the risk class under which the vault paid an order
//! - [`reason`]: why something waits or failed, and what happens next
//! - [`status_token`]: who may see one withdrawal's status page
//! - [`webhook`]: what endpoints of the operator are told, and how it is signed

pub mod access;
pub mod amount;
pub mod announcement;
pub mod asset;
pub mod batch;
pub mod day;
pub mod fees;
pub mod forecast;
pub mod lane;
pub mod ledger;
pub mod nonces;
pub mod reason;
pub mod review;
pub mod status_token;
pub mod tier;
pub mod webhook;
pub mod withdrawal;
