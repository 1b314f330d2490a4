//! A lane's ledger slot: the next sequence number and the head.

use alloy::primitives::{Address, B256, FixedBytes, U256, keccak256};
use alloy::sol_types::SolValue;

/// The last 24 bytes that a lane's hash chain keeps: `bytes24(keccak256(calldata))` of its last settlement.
pub type Head = FixedBytes<24>;

/// Where a lane stands: the number that its next batch starts with, and its head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LanePosition {
    pub next: u64,
    pub head: Head,
}

impl LanePosition {
    /// A lane that never settled: number 1, head `bytes24(keccak256(abi.encode(chainid, vault, lane)))`.
    pub fn genesis(chain_id: u64, vault: Address, lane: Address) -> Self {
        Self { next: 1, head: truncate((U256::from(chain_id), vault, lane).abi_encode()) }
    }

    /// The storage word of the lane when it is enabled: head (24 bytes), next (7 bytes), 1. What a batch expects.
    pub fn word(self) -> B256 {
        let head = U256::from_be_slice(self.head.as_slice()) << 64;
        B256::from(head | U256::from(self.next) << 8 | U256::ONE)
    }

    /// The position that `word` is of.
    pub fn of_word(word: B256) -> Self {
        let next = U256::from_be_slice(&word[24..31]).to();
        Self { next, head: Head::from_slice(&word[..24]) }
    }

    /// Where the lane stands once `calldata`, which covers `count` numbers, has been settled. The calldata holds
    /// the head before, so the heads form a chain over everything that the lane ever settled.
    pub fn after(self, count: u64, calldata: &[u8]) -> Self {
        Self { next: self.next + count, head: truncate(calldata) }
    }
}

fn truncate(bytes: impl AsRef<[u8]>) -> Head {
    Head::from_slice(&keccak256(bytes)[..24])
}
