//! A lane's ledger slot: the next sequence number and the head.

use alloy::primitives::{Address, FixedBytes, U256, keccak256};
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

    /// Where the lane stands once `calldata`, which covers `count` numbers, has been settled. The calldata holds
    /// the head before, so the heads form a chain over everything that the lane ever settled.
    pub fn after(self, count: u64, calldata: &[u8]) -> Self {
        Self { next: self.next + count, head: truncate(calldata) }
    }
}

fn truncate(bytes: impl AsRef<[u8]>) -> Head {
    Head::from_slice(&keccak256(bytes)[..24])
}
