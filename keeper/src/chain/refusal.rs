//! Why the vault refuses a call, and why a node refuses a transaction.

use super::{
    abi::{IApprovers::IApproversErrors, IVault::IVaultErrors},
    approvals::refused_approver,
    pool::is_rate_limit,
};
use crate::domain::{
    amount::Amount,
    lane::{Head, LanePosition},
};
use alloy::{
    primitives::Address,
    rpc::json_rpc::ErrorPayload,
    transports::{RpcError, TransportErrorKind},
};

/// What the vault said to a call that it would revert. The text begins with a [`Code`](crate::domain::reason::Code).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("float_insufficient: the float holds {available} units, the batch asks for {asked}")]
    FloatInsufficient { asked: Amount, available: Amount },
    #[error("paused: until {until} (unix seconds)")]
    Paused { until: u64 },
    #[error("above_limit: {} {}", above_limit(.retry_at), "the breaker's buckets refill by themselves; a guardian or governance sets them")]
    AboveLimit { retry_at: Option<u64> },
    #[error(
        "above_tier: a payout is above the {most} units that the keeper pays alone; approvers or governance decide"
    )]
    AboveTier { most: Amount },
    #[error("above_tier: approver {approver} is none any more, or its signature does not count any more")]
    NotApproved { approver: Address },
    #[error("above_tier: what was signed or announced does not count any more: {0}")]
    Lapsed(String),
    #[error("vetoed: a guardian vetoed what was announced")]
    Vetoed,
    #[error("lane_disabled: the lane is disabled on chain; governance enables it")]
    LaneDisabled,
    #[error("lane_mismatch: the chain has the lane at number {next} with head {head}")]
    LaneMismatch { next: u64, head: Head },
    #[error("too_much_gas: the batch needs more gas than a transaction may use")]
    TooMuchGas,
    #[error("refused: the pools would give {received} units, and the vault takes no less than {required}")]
    ReceivedTooLittle { received: Amount, required: Amount },
    #[error("refused: {0}")]
    Other(String),
}

impl Refusal {
    /// Reads the answer to a simulated call.
    pub(super) fn read(payload: &ErrorPayload) -> Self {
        if let Some(error) = payload.as_decoded_interface_error::<IApproversErrors>() {
            return match refused_approver(&error) {
                Some(approver) => Self::NotApproved { approver },
                None => Self::Lapsed(format!("{error:?}")),
            };
        }
        let Some(error) = payload.as_decoded_interface_error::<IVaultErrors>() else {
            let text = payload.message.to_lowercase();
            let gas = ["out of gas", "gas required exceeds", "outofgas"].iter().any(|s| text.contains(s));
            return if gas { Self::TooMuchGas } else { Self::Other(payload.message.to_string()) };
        };
        match error {
            IVaultErrors::InsufficientFloat(e) => {
                Self::FloatInsufficient { asked: Amount(e.asked), available: Amount(e.available) }
            }
            IVaultErrors::IsPaused(e) => Self::Paused { until: e.until.to() },
            IVaultErrors::AssetIsPaused(e) => Self::Paused { until: e.until.to() },
            IVaultErrors::AboveLimit(e) => Self::AboveLimit { retry_at: e.retryAt.try_into().ok() },
            IVaultErrors::AboveTier(e) => Self::AboveTier { most: Amount(e.most) },
            IVaultErrors::NotALane(_) => Self::LaneDisabled,
            IVaultErrors::LaneMismatch(e) => Self::LaneMismatch { next: e.next, head: e.head },
            IVaultErrors::InsufficientGas(_) => Self::TooMuchGas,
            IVaultErrors::Vetoed(_) => Self::Vetoed,
            IVaultErrors::ReceivedTooLittle(e) => {
                Self::ReceivedTooLittle { received: Amount(e.received), required: Amount(e.required) }
            }
            lapsed @ (IVaultErrors::ApprovalExpired(_) | IVaultErrors::NotAnnounced(_)) => {
                Self::Lapsed(format!("{lapsed:?}"))
            }
            other => Self::Other(format!("{other:?}")),
        }
    }

    /// Whether a part of the batch or swap may pass where the whole does not.
    pub fn is_smaller_better(&self) -> bool {
        matches!(self, Self::TooMuchGas | Self::AboveLimit { .. } | Self::ReceivedTooLittle { .. })
    }

    /// Whether the batch can never be settled as it is: its numbers must be given up.
    pub fn is_for_good(&self) -> bool {
        matches!(self, Self::NotApproved { .. } | Self::Lapsed(_) | Self::Vetoed)
    }

    /// Where the chain has the lane, when that is what it refused.
    pub fn position(&self) -> Option<LanePosition> {
        match self {
            Self::LaneMismatch { next, head } => Some(LanePosition { next: *next, head: *head }),
            _ => None,
        }
    }
}

fn above_limit(retry_at: &Option<u64>) -> String {
    match retry_at {
        Some(at) => {
            format!("above what may leave now; fits from {at} (unix seconds) on if nothing else is paid;")
        }
        None => "above what may ever leave at once;".to_owned(),
    }
}

/// Why a node did not take a signed transaction. What makes it wait begins with a
/// [`Code`](crate::domain::reason::Code).
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    #[error("its nonce was used already")]
    NonceTooLow,
    #[error("another transaction with its nonce offers as much, or the block asks for more: {0}")]
    Underpriced(String),
    #[error("lane_out_of_gas: the lane's account cannot pay for its gas: {0}; send it ETH")]
    OutOfGasMoney(String),
    #[error("refused: the node says {0}")]
    Refused(String),
    #[error("chain_unreachable: {0}")]
    Unreachable(RpcError<TransportErrorKind>),
    #[error("chain_unreachable: {0}")]
    Nobody(String),
}

impl SendError {
    /// None when the node has the transaction already. Nodes differ in words, so the message decides.
    pub(super) fn classify(error: RpcError<TransportErrorKind>) -> Option<Self> {
        let payload = error.as_error_resp().filter(|payload| !is_rate_limit(payload));
        let Some(payload) = payload else { return Some(Self::Unreachable(error)) };
        let message = payload.message.to_string();
        let text = message.to_lowercase();
        let says = |words: &[&str]| words.iter().any(|w| text.contains(w));
        if says(&["already known", "already imported", "known transaction", "already in mempool"]) {
            None
        } else if says(&["nonce too low", "nonce is too low", "oldnonce"]) {
            Some(Self::NonceTooLow)
        } else if says(&["underpriced", "less than block base fee", "fee too low", "feetoolow"]) {
            Some(Self::Underpriced(message))
        } else if says(&["insufficient funds", "insufficient balance"]) {
            Some(Self::OutOfGasMoney(message))
        } else {
            Some(Self::Refused(message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(message: &str) -> Option<SendError> {
        let payload = ErrorPayload { code: -32000, message: message.to_owned().into(), data: None };
        SendError::classify(RpcError::ErrorResp(payload))
    }

    #[test]
    fn nodes_say_the_same_in_many_words() {
        assert!(refused("already known").is_none());
        assert!(refused("transaction already imported").is_none());
        assert!(matches!(refused("nonce too low: next nonce 7"), Some(SendError::NonceTooLow)));
        assert!(matches!(refused("replacement transaction underpriced"), Some(SendError::Underpriced(_))));
        assert!(matches!(
            refused("max fee per gas less than block base fee"),
            Some(SendError::Underpriced(_))
        ));
        assert!(matches!(
            refused("insufficient funds for gas * price + value"),
            Some(SendError::OutOfGasMoney(_))
        ));
        assert!(matches!(refused("exceeds block gas limit"), Some(SendError::Refused(_))));
        assert!(matches!(refused("too many requests"), Some(SendError::Unreachable(_))));
    }
}
