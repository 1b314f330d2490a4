//! A review: a batch of the approved tier that was offered to the approvers, and what they said.

use super::{lane::LanePosition, reason::Code};
use alloy::primitives::{Address, B256, Bytes};

/// What became of an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReviewState {
    /// It takes signatures.
    Open,
    /// Enough have signed: the batch has its numbers.
    Approved,
    /// Its deadline came first. The batch is offered again.
    Expired,
    /// The batch, or its place in the lane, is another now. What is left of it is offered again.
    Withdrawn,
}

impl ReviewState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Approved => "approved",
            Self::Expired => "expired",
            Self::Withdrawn => "withdrawn",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Open, Self::Approved, Self::Expired, Self::Withdrawn].into_iter().find(|s| s.as_str() == text)
    }
}

/// An offer as the store has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Review {
    pub row: i64,
    pub batch: i64,
    pub state: ReviewState,
    pub lane: Address,
    /// Where the lane stands, and where what is signed begins.
    pub position: LanePosition,
    /// The contract that checks the signatures.
    pub approvers: Address,
    /// How many it asked for when the batch was offered.
    pub threshold: u64,
    /// Unix seconds, by the chain's clock.
    pub deadline: u64,
    /// What is signed.
    pub digest: B256,
    /// Unix milliseconds.
    pub created_at: i64,
}

/// One approver's signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    pub approver: Address,
    pub signature: Bytes,
    /// The name of the API key that brought it.
    pub brought_by: Option<String>,
    /// Unix milliseconds.
    pub at: i64,
}

impl Review {
    /// What its batch waits for, when it has so many signatures.
    pub fn words(&self, signed: u64) -> String {
        format!(
            "{}: review {}, {signed} of {} approvals; they count until {} (unix seconds)",
            Code::AwaitsReview,
            self.row,
            self.threshold,
            self.deadline
        )
    }
}
