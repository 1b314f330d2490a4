//! The specification of price sanity: it judges what feeds say, it does not predict, and it never repairs.
//!
//! [`judge`] takes what was observed of an asset ([`Input`]), how it is judged ([`AssetConfig`]) and what was seen before
//! ([`Memory`]), and gives a [`Judgement`]: a [`Verdict`], every [`Reason`] by name, and an interval in which the price
//! lies, when sources agree on one. [`explain`] does the same and tells the numbers that caused each reason, [`record`](record()) says
//! what is remembered, [`Action`] what may be done. `docs/oracle.md` is the specification, to the bit; the contract
//! `OracleGuard` implements the same, and `vectors/` holds both together.
//!
//! Everything here is integer arithmetic without input or output, and knows no clock: the caller says when now is.
//!
//! - [`checks`]: the checks, by group, each with its source and the incident that it would have stopped
//! - [`reason`], [`finding`], [`policy`]: what is said, with which numbers, and what follows from it
//! - [`config`], [`input`], [`record`](mod@record): what goes in and what is kept
//! - [`number`], [`tick`]: prices, and a pool's prices
//! - [`scenario`], [`replay`]: vectors and incidents as files for people
//! - [`abi`]: the same as Solidity's structs
//! - `readers` (feature `readers`): Chainlink, Pyth, Uniswap V3, rates and the sequencer, from a chain

pub mod abi;
pub mod checks;
pub mod config;
pub mod finding;
pub mod input;
mod judge;
pub mod number;
pub mod policy;
#[cfg(feature = "readers")]
pub mod readers;
pub mod reason;
pub mod record;
pub mod replay;
pub mod scenario;
#[cfg(feature = "testing")]
pub mod testing;
mod text;
pub mod tick;

pub use config::{AssetConfig, At, Contradiction, Kind, LegConfig, Role, SourceConfig};
pub use finding::Finding;
pub use input::{Input, LegInput, LegMemory, Memory, Outcome, SequencerInput};
pub use judge::{Interval, Judgement, explain, judge};
pub use number::Price;
pub use policy::Action;
pub use reason::{Reason, Reasons, Verdict};
pub use record::record;
