//! A difference between intake, ledger and chain: what it is, whose it is, and what to do.

use crate::domain::{amount::Amount, asset::Asset};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What kind of difference. The chain decides what was paid; the others must say the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// The chain, or the other half of the database, has it; this half does not.
    MissingInDatabase,
    /// The database says that it was paid or moved; the chain does not.
    MissingOnChain,
    /// Another amount.
    Amount,
    /// Another recipient.
    Recipient,
    /// Another asset.
    Asset,
    /// It ended otherwise, or stands where nothing led it.
    State,
    /// The token gave the recipient less than the vault sent.
    FeeOnTransfer,
    /// The vault has less than every event explains: money left by a way that there should not be.
    UnknownOutflow,
    /// The vault has more: somebody sent it money.
    Donation,
    /// Blocks that were final are gone.
    Reorged,
    /// The chain paid it in a block that the books have passed, and they still hold it as open.
    Late,
    /// Rows are not those that the audit chain covers.
    History,
}

/// Which of the three disagrees with the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Withdrawals, batches, lanes: what was taken in and what became of it.
    Records,
    /// Postings.
    Ledger,
    Chain,
}

/// Who acts on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Owner {
    /// Who runs keeper and database.
    Operator,
    /// Who answers for keys and contracts: somebody may be stealing.
    Security,
    /// Who answers for the float.
    Treasury,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    pub class: Class,
    pub side: Side,
    /// `withdrawal wd_...`, `payout LANE/NUMBER`, `batch 7`, `change 12`, `asset TUSD`, `TUSD in transaction 0x...`, ...
    pub subject: String,
    /// Its symbol, where the difference is about one asset's balance.
    pub asset: Option<String>,
    /// How much left, of an unknown outflow: units of the asset.
    #[serde(default, with = "units", skip_serializing_if = "Option::is_none")]
    pub amount: Option<Amount>,
    /// What each side says.
    pub what: String,
    pub owner: Owner,
    pub next_step: String,
    /// The chain decided, and the books follow it already.
    pub healed: bool,
}

impl Difference {
    pub fn new(class: Class, side: Side, subject: impl Into<String>, what: impl Into<String>) -> Self {
        let (owner, next_step) = class.duty(side);
        Self {
            class,
            side,
            subject: subject.into(),
            asset: None,
            amount: None,
            what: what.into(),
            owner,
            next_step: next_step.to_owned(),
            healed: false,
        }
    }

    pub fn of(self, asset: &Asset) -> Self {
        Self { asset: Some(asset.symbol.clone()), ..self }
    }

    /// So much of an asset left the vault, and nothing that is known says why.
    pub fn outflow(
        asset: &Asset,
        amount: Amount,
        subject: impl Into<String>,
        what: impl Into<String>,
    ) -> Self {
        let outflow = Self::new(Class::UnknownOutflow, Side::Chain, subject, what).of(asset);
        Self { amount: Some(amount), ..outflow }
    }

    /// Whether money of the asset of this symbol left the vault for no known reason.
    pub fn is_outflow_of(&self, symbol: &str) -> bool {
        self.class == Class::UnknownOutflow && self.asset.as_deref() == Some(symbol)
    }

    pub fn healed(self) -> Self {
        Self { healed: true, ..self }
    }
}

/// Units as decimal digits: a JSON number would lose some.
mod units {
    use super::Amount;
    use alloy::primitives::U256;
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub fn serialize<S: Serializer>(amount: &Option<Amount>, to: S) -> Result<S::Ok, S::Error> {
        match amount {
            Some(amount) => to.collect_str(amount),
            None => to.serialize_none(),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Amount>, D::Error> {
        let Some(digits) = Option::<String>::deserialize(from)? else { return Ok(None) };
        U256::from_str_radix(&digits, 10).map(|units| Some(Amount(units))).map_err(de::Error::custom)
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { class, subject, what, owner, next_step, healed, .. } = self;
        if *healed {
            return write!(f, "{class} ({subject}): {what}; booked");
        }
        write!(f, "{class} ({subject}): {what}; {owner}: {next_step}")
    }
}

impl Class {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MissingInDatabase => "missing_in_database",
            Self::MissingOnChain => "missing_on_chain",
            Self::Amount => "amount",
            Self::Recipient => "recipient",
            Self::Asset => "asset",
            Self::State => "state",
            Self::FeeOnTransfer => "fee_on_transfer",
            Self::UnknownOutflow => "unknown_outflow",
            Self::Donation => "donation",
            Self::Reorged => "reorged",
            Self::Late => "late",
            Self::History => "history",
        }
    }

    fn duty(self, side: Side) -> (Owner, &'static str) {
        match self {
            Self::UnknownOutflow => (
                Owner::Security,
                "a guardian pauses the asset on chain now; find who could send it; book the loss with \
                 `spillway reconcile --write-off` when it is known to be final",
            ),
            Self::FeeOnTransfer => {
                (Owner::Treasury, "pay the recipient the rest, and unlist the asset: its token charges fees")
            }
            Self::Donation => (Owner::Treasury, "none: the running keeper adds it to the float"),
            Self::Reorged => (
                Owner::Operator,
                "set chain.finality deeper; then rebuild the store with `spillway recover --from-chain`",
            ),
            Self::Late => (
                Owner::Operator,
                "`spillway reconcile --deep` books it while no keeper runs; find what kept it open",
            ),
            Self::History => (
                Owner::Security,
                "`spillway audit verify`: somebody changed rows; restore a backup from before",
            ),
            Self::State if side == Side::Chain => (
                Owner::Security,
                "ask another endpoint: one leaves events out, or answers wrongly; when all say the same, the vault does \
                 what its code does not say, and a guardian pauses it",
            ),
            Self::MissingOnChain if side != Side::Ledger => (
                Owner::Security,
                "nobody was paid what the database says was paid: find who wrote it; restore a backup from before",
            ),
            _ => (
                Owner::Security,
                "the database was changed from outside: `spillway audit verify` names the change; restore a backup \
                 from before, the chain heals what came after it",
            ),
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Operator => "operator",
            Self::Security => "security",
            Self::Treasury => "treasury",
        })
    }
}
