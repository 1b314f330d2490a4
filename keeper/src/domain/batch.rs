//! A batch: withdrawals of one asset that one transaction settles.

use super::{amount::Amount, fees::Fees, lane::Head, tier::Tier};
use alloy::primitives::{Address, B256, Bytes};
use std::fmt;

/// What a batch's transaction does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BatchKind {
    /// Settles orders over the lane's numbers.
    Orders,
    /// Pays requests by their commitments; uses no numbers.
    Requests,
    /// Gives up the lane's next number, so that whatever was signed for it can never be settled.
    Void,
    /// Gives up a nonce of the lane, by a transfer of nothing to itself; uses no numbers.
    Cancel,
    /// Says on chain that one order will be paid; pays nothing and uses no numbers.
    Announce,
}

impl BatchKind {
    const ALL: [Self; 5] = [Self::Orders, Self::Requests, Self::Void, Self::Cancel, Self::Announce];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Orders => "orders",
            Self::Requests => "requests",
            Self::Void => "void",
            Self::Cancel => "cancel",
            Self::Announce => "announce",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|k| k.as_str() == text)
    }

    /// Whether it is about withdrawals: its nonce may be given up when it is stuck, and it is simulated before it is signed
    /// again.
    pub fn carries(self) -> bool {
        matches!(self, Self::Orders | Self::Requests | Self::Announce)
    }

    /// Whether it takes sequence numbers of its lane.
    pub fn is_numbered(self) -> bool {
        matches!(self, Self::Orders | Self::Void)
    }
}

/// Where a batch stands.
///
/// ```text
/// planned ──> priced ──> funded ──> signed ──> broadcast ──> mined ──> final
///    │           │         │ ^                    │  ^         │
///    └───────────┴──> dissolved   (reverted, nonce taken)      │
///                          ^ └────────────────────┘  └─────────┘ (reorg)
///                          └── a funded batch dissolves only when its numbers are final as void or foreign
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BatchState {
    /// Its withdrawals are chosen.
    Planned,
    /// The price stage let it pass.
    Priced,
    /// The float covers it; lane, numbers and calldata are fixed.
    Funded,
    /// An attempt is signed and durable.
    Signed,
    /// An attempt was sent.
    Broadcast,
    /// Seen in a block.
    Mined,
    /// In a final block.
    Final,
    /// Given up without a payment; its withdrawals went back.
    Dissolved,
}

impl BatchState {
    pub const ALL: [Self; 8] = [
        Self::Planned,
        Self::Priced,
        Self::Funded,
        Self::Signed,
        Self::Broadcast,
        Self::Mined,
        Self::Final,
        Self::Dissolved,
    ];

    /// Those after which something follows.
    pub const OPEN: [Self; 6] =
        [Self::Planned, Self::Priced, Self::Funded, Self::Signed, Self::Broadcast, Self::Mined];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Priced => "priced",
            Self::Funded => "funded",
            Self::Signed => "signed",
            Self::Broadcast => "broadcast",
            Self::Mined => "mined",
            Self::Final => "final",
            Self::Dissolved => "dissolved",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == text)
    }

    /// Whether the move is one of the drawing above.
    pub fn may_become(self, to: Self) -> bool {
        use BatchState::*;
        match (self, to) {
            (Planned, Priced) | (Priced, Funded) | (Funded, Signed) | (Signed, Broadcast) => true,
            (Signed | Broadcast, Mined | Funded) | (Mined, Broadcast) => true,
            // The chain's final word, whatever these books knew of it.
            (from, Final | Dissolved) => !matches!(from, Final | Dissolved),
            _ => false,
        }
    }
}

impl fmt::Display for BatchState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A batch as the store has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    pub row: i64,
    pub kind: BatchKind,
    /// Of orders; instant for all else.
    pub tier: Tier,
    pub state: BatchState,
    /// Zero for a void and a cancel.
    pub asset: Address,
    /// How many payouts, or numbers of a void; 0 for a cancel.
    pub count: u64,
    pub total: Amount,
    /// From `funded` on.
    pub content: Option<Content>,
    pub reason: Option<String>,
    /// Unix milliseconds: not before this is it tried again.
    pub retry_at: i64,
    pub created_at: i64,
}

/// What is fixed when a batch is funded, together with its calldata, and never changes after. The calldata has a
/// question of its own, because it is large and few ask for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Content {
    pub lane: Address,
    /// The first number; 0 where it uses none.
    pub first: u64,
    /// The lane's head after the batch; zero where it uses no numbers.
    pub head_after: Head,
    pub gas_limit: u64,
}

impl Batch {
    /// The number after the last.
    pub fn end(&self) -> Option<u64> {
        self.content.as_ref().map(|c| c.first + self.count)
    }
}

/// Where an attempt stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AttemptState {
    /// Signed and durable; may or may not have reached a node.
    Signed,
    /// A node took it.
    Sent,
    /// Its nonce was used and it did not settle its batch: it never will.
    Dead,
    /// It settled its batch.
    Mined,
}

impl AttemptState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Signed => "signed",
            Self::Sent => "sent",
            Self::Dead => "dead",
            Self::Mined => "mined",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Signed, Self::Sent, Self::Dead, Self::Mined].into_iter().find(|s| s.as_str() == text)
    }
}

/// One signed transaction for a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    pub row: i64,
    pub batch: i64,
    pub lane: Address,
    pub nonce: u64,
    pub hash: B256,
    /// The signed bytes, as they are sent.
    pub raw: Bytes,
    /// Wei per gas.
    pub max_fee: u128,
    /// Wei per gas.
    pub priority_fee: u128,
    pub state: AttemptState,
    /// Unix milliseconds.
    pub signed_at: i64,
    /// Unix milliseconds of the last time that it was sent; 0 before.
    pub sent_at: i64,
}

impl Attempt {
    pub fn fees(&self) -> Fees {
        Fees { max_fee: self.max_fee, priority_fee: self.priority_fee }
    }
}
