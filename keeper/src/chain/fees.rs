//! What recent blocks took for gas.

use super::{Chain, ChainError};
use crate::domain::fees::{FeeHistory, PERCENTILES};
use alloy::{eips::BlockNumberOrTag, providers::Provider};

/// How many blocks are looked at: a few minutes on Ethereum.
const BLOCKS: u64 = 20;

impl Chain {
    /// The base fee of the next block, and the tips of the last ones.
    pub async fn fee_history(&self) -> Result<FeeHistory, ChainError> {
        let percentiles = PERCENTILES.map(f64::from);
        let history = self.provider.get_fee_history(BLOCKS, BlockNumberOrTag::Latest, &percentiles).await?;
        let next_base_fee = history
            .base_fee_per_gas
            .last()
            .copied()
            .ok_or_else(|| ChainError::Missing("fee history".to_owned()))?;
        let tips = history.reward.unwrap_or_default();
        let tips = tips
            .into_iter()
            .map(|block| {
                let tip = |i: usize| block.get(i).copied().unwrap_or_default();
                [tip(0), tip(1)]
            })
            .collect();
        Ok(FeeHistory { next_base_fee, tips })
    }
}
