//! Why a withdrawal waits or ended: a code for machines, a sentence for people.

use serde::{Deserialize, Serialize};

/// A machine code. Each names its cause; [`Code::sentence`] says it in words, with what happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The float of the asset is below the amount.
    FloatInsufficient,
    /// It was held for longer than the operator allows.
    HoldExpired,
    /// The deployment no longer lists the asset.
    AssetNotListed,
    /// The recipient is the vault, the asset or zero.
    BadRecipient,
    /// The recipient did not take the money: it waits as a claim.
    PushFailed,
    /// The chain gave up the number without a payment; the withdrawal gets a new one.
    NumberVoided,
    /// The requester took the request back, on chain.
    CancelledByOwner,
    /// The requester paid himself after the exit delay.
    ForcedByOwner,
    /// The books were behind: the chain shows that this was paid before.
    HealedFromChain,
    /// A reorganisation took the transaction out of the chain.
    Reorged,
    /// The transaction was mined and reverted.
    Reverted,
    /// The account's nonce was used by another transaction.
    NonceTaken,
    /// Paying it would cost more than the operator's share of the amount: it waits for a cheaper moment.
    FeeAboveShare,
    /// The fee stayed too high for as long as the operator waits.
    FeeHoldExpired,
    /// Its deadline passed before it was paid.
    DeadlinePassed,
    /// It was replaced as often as allowed: its nonce is given up, and it is signed again.
    Stuck,
    /// A nonce of the lane was held by nothing, and what waits above it could not be mined.
    NonceGap,
}

impl Code {
    pub const ALL: [Self; 17] = [
        Self::FloatInsufficient,
        Self::HoldExpired,
        Self::AssetNotListed,
        Self::BadRecipient,
        Self::PushFailed,
        Self::NumberVoided,
        Self::CancelledByOwner,
        Self::ForcedByOwner,
        Self::HealedFromChain,
        Self::Reorged,
        Self::Reverted,
        Self::NonceTaken,
        Self::FeeAboveShare,
        Self::FeeHoldExpired,
        Self::DeadlinePassed,
        Self::Stuck,
        Self::NonceGap,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::FloatInsufficient => "float_insufficient",
            Self::HoldExpired => "hold_expired",
            Self::AssetNotListed => "asset_not_listed",
            Self::BadRecipient => "bad_recipient",
            Self::PushFailed => "push_failed",
            Self::NumberVoided => "number_voided",
            Self::CancelledByOwner => "cancelled_by_owner",
            Self::ForcedByOwner => "forced_by_owner",
            Self::HealedFromChain => "healed_from_chain",
            Self::Reorged => "reorged",
            Self::Reverted => "reverted",
            Self::NonceTaken => "nonce_taken",
            Self::FeeAboveShare => "fee_above_share",
            Self::FeeHoldExpired => "fee_hold_expired",
            Self::DeadlinePassed => "deadline_passed",
            Self::Stuck => "stuck",
            Self::NonceGap => "nonce_gap",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|c| c.as_str() == text)
    }

    /// What happened, and what happens next or what the reader can do.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::FloatInsufficient => {
                "The vault holds less of this asset than the amount. It is paid as soon as the float is topped up."
            }
            Self::HoldExpired => {
                "The vault did not hold enough of this asset in time. Nothing was paid: submit again with a new idempotency key once the float is topped up."
            }
            Self::AssetNotListed => "The vault does not list this asset. Nothing was paid.",
            Self::BadRecipient => {
                "The recipient is the vault, the token or the zero address. Nothing was paid: submit again with the right recipient."
            }
            Self::PushFailed => {
                "The recipient did not accept the transfer. The vault keeps the money for it: the recipient calls claim(asset, to)."
            }
            Self::NumberVoided => {
                "Its place in the queue was given up without a payment. It is queued again by itself."
            }
            Self::CancelledByOwner => "The requester took it back into the balance on chain.",
            Self::ForcedByOwner => "The requester paid it out on chain without the keeper.",
            Self::HealedFromChain => "The chain shows that it was paid before. Nothing is paid again.",
            Self::Reorged => {
                "The chain dropped the block that held the payment. The same payment is sent again."
            }
            Self::Reverted => {
                "The payment transaction was refused by the chain. It is sent again when a simulation passes."
            }
            Self::NonceTaken => {
                "Another transaction of the signing account took the payment's place. It is sent again."
            }
            Self::FeeAboveShare => {
                "The network fee is too high for this amount now. It is paid when the fee falls, or as the operator decides for those that waited long."
            }
            Self::FeeHoldExpired => {
                "The network fee stayed too high for this amount. Nothing was paid: submit again with a new idempotency key, or a larger amount."
            }
            Self::DeadlinePassed => {
                "Its deadline passed before it was paid. Nothing was paid and nothing will be: submit again with a new idempotency key if it is still wanted."
            }
            Self::NonceGap => {
                "A transaction of the signing account is missing on chain. An empty one takes its place."
            }
            Self::Stuck => {
                "The payment transaction was not mined at any fee offered. It is withdrawn and sent again."
            }
        }
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
