//! What a transaction should offer.

use super::{Chain, ChainError};
use alloy::providers::Provider;

/// Wei per gas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fees {
    pub max_fee: u128,
    pub priority_fee: u128,
}

impl Chain {
    /// What a transaction should offer now: twice the base fee, and the tip that recent blocks took.
    pub async fn fees(&self) -> Result<Fees, ChainError> {
        let estimate = self.provider.estimate_eip1559_fees().await?;
        Ok(Fees { max_fee: estimate.max_fee_per_gas, priority_fee: estimate.max_priority_fee_per_gas })
    }
}
