//! A withdrawal: one payment owed. Its identity, its states, and the moves between them.

use super::{amount::Amount, reason::Code};
use alloy::primitives::{Address, FixedBytes, keccak256};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The public id. It derives from the caller's idempotency key, so that the same key always names the same
/// withdrawal, whatever became of the database in between.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WithdrawalId(String);

/// What a payout carries in calldata: the first 8 bytes of the hash of the public id. From the chain alone it
/// tells which withdrawals were paid.
pub type Reference = FixedBytes<8>;

impl WithdrawalId {
    /// `wd_` and 32 hexadecimal digits of the hash of the key.
    pub fn from_key(idempotency_key: &str) -> Self {
        let hash = keccak256([b"spillway/withdrawal/", idempotency_key.as_bytes()].concat());
        Self(format!("wd_{}", alloy::hex::encode(&hash[..16])))
    }

    /// Reads an id as a person typed it.
    pub fn parse(text: &str) -> Option<Self> {
        let hex = text.trim().strip_prefix("wd_")?;
        let lower_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        (hex.len() == 32 && hex.bytes().all(lower_hex)).then(|| Self(text.trim().to_owned()))
    }

    pub fn reference(&self) -> Reference {
        Reference::from_slice(&keccak256(self.0.as_bytes())[..8])
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for WithdrawalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How a withdrawal came in, and so whose money pays it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Door {
    /// The operator accepted it off chain; paid from the float.
    Order,
    /// A depositor asked for it on chain; paid from the depositor's own balance.
    Request,
}

impl Door {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Order => "order",
            Self::Request => "request",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Order, Self::Request].into_iter().find(|d| d.as_str() == text)
    }
}

/// Where a withdrawal stands. While it is `batched`, its batch tells the rest of the way:
/// [`BatchState`](super::batch::BatchState).
///
/// ```text
///              ┌────────> held ───────┐
///              │           │ ^        ├──> rejected
/// received ────┼───────────│─│────────┘
///              │           v │
///              └────────> ready ──> batched ──> paid
///                           ^          │   └──> claimable
///                           └──────────┘
///                    (number void, or batch dissolved)
/// ```
///
/// A request can also end as `cancelled`, from wherever it stands, because its owner can take it back on chain; an order
/// as long as it is in no batch, by its caller.
/// Books that are behind the chain go straight to `paid` or `claimable` when the chain shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WithdrawalState {
    /// Accepted and durable.
    Received,
    /// Policy or funding said: not now.
    Held,
    /// Released by policy; waits for a batch.
    Ready,
    /// In a batch.
    Batched,
    /// Final: the recipient has the money.
    Paid,
    /// Final: the push failed, the recipient can pull.
    Claimable,
    /// Refused; nothing was paid, nothing will be.
    Rejected,
    /// Taken back by its owner.
    Cancelled,
}

impl WithdrawalState {
    pub const ALL: [Self; 8] = [
        Self::Received,
        Self::Held,
        Self::Ready,
        Self::Batched,
        Self::Paid,
        Self::Claimable,
        Self::Rejected,
        Self::Cancelled,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Held => "held",
            Self::Ready => "ready",
            Self::Batched => "batched",
            Self::Paid => "paid",
            Self::Claimable => "claimable",
            Self::Rejected => "rejected",
            Self::Cancelled => "cancelled",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == text)
    }

    /// Nothing follows.
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Paid | Self::Claimable | Self::Rejected | Self::Cancelled)
    }

    /// Whether the move is one of the drawing above.
    pub fn may_become(self, to: Self) -> bool {
        use WithdrawalState::*;
        match (self, to) {
            (Received, Held | Ready | Rejected) => true,
            (Held, Ready | Rejected) => true,
            (Ready, Held | Batched | Rejected) => true,
            (Batched, Ready | Held) => true,
            (from, Paid | Claimable | Cancelled) => !from.is_terminal(),
            _ => false,
        }
    }
}

impl fmt::Display for WithdrawalState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a caller asks for, checked, before it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    pub idempotency_key: String,
    pub asset: Address,
    pub recipient: Address,
    pub amount: Amount,
    /// Unix milliseconds: past this it is released instead of paid.
    pub deadline: Option<i64>,
}

/// What the chain says of a request: all that its commitment covers, beside asset, recipient and amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestTerms {
    pub id: u64,
    pub owner: Address,
    /// Unix seconds of the block that made it.
    pub created_at: u64,
}

/// A withdrawal as the store has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withdrawal {
    /// The store's own number of it.
    pub row: i64,
    pub id: WithdrawalId,
    pub door: Door,
    pub idempotency_key: String,
    pub asset: Address,
    pub recipient: Address,
    pub amount: Amount,
    pub state: WithdrawalState,
    pub reason: Option<Code>,
    pub batch: Option<i64>,
    pub request: Option<RequestTerms>,
    /// Unix milliseconds: past this it is released instead of paid. The caller's own; see
    /// [`Withdrawal::is_overdue`].
    pub deadline: Option<i64>,
    pub trace_id: String,
    /// Unix milliseconds.
    pub received_at: i64,
}

impl Withdrawal {
    /// Whether it is to be released instead of paid: an order past its own deadline, or, without one, older than
    /// `longest` milliseconds (0: no bound). The chain owns what a depositor requested, so a request never is.
    pub fn is_overdue(&self, now: i64, longest: i64) -> bool {
        let by_age = (longest > 0).then(|| self.received_at.saturating_add(longest));
        self.door == Door::Order && self.deadline.or(by_age).is_some_and(|deadline| deadline <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_key_names_the_same_withdrawal() {
        let id = WithdrawalId::from_key("invoice-7");
        assert_eq!(id, WithdrawalId::from_key("invoice-7"));
        assert_ne!(id, WithdrawalId::from_key("invoice-8"));
        assert_eq!(WithdrawalId::parse(id.as_str()), Some(id.clone()));
        assert_eq!(id.reference(), WithdrawalId::from_key("invoice-7").reference());
        assert_eq!(WithdrawalId::parse("wd_XYZ"), None);
    }

    #[test]
    fn nothing_leaves_a_terminal_state() {
        for from in WithdrawalState::ALL.into_iter().filter(|s| s.is_terminal()) {
            for to in WithdrawalState::ALL {
                assert!(!from.may_become(to), "{from} -> {to}");
            }
        }
    }

    #[test]
    fn names_round_trip() {
        for state in WithdrawalState::ALL {
            assert_eq!(WithdrawalState::parse(state.as_str()), Some(state));
        }
        for code in Code::ALL {
            assert_eq!(Code::parse(code.as_str()), Some(*code));
        }
    }
}
