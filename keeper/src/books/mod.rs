//! The books: what the keeper believes of the money, in a form that anyone can check.
//!
//! - [`audit`]: the hash chain over every committed change, its file, and its hashes on chain
//! - [`balances`]: sums over the postings
//! - [`difference`]: where intake, ledger and chain disagree, and what to do about it

pub mod audit;
pub mod balances;
pub mod difference;
