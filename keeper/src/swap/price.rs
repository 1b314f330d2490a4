//! What gas costs in an asset, by the oracle's prices.

use crate::{
    chain::{Chain, ChainError},
    config::FeesConfig,
    domain::asset::{Asset, NATIVE},
    stages::price::{
        gas,
        guard::{self, Guard},
    },
};
use alloy::primitives::{Address, U256};
use oracle_guard::{Interval, Memory, explain};

/// What gas costs now in the units of an asset.
#[derive(Clone, Debug)]
pub struct GasPrice {
    wei: U256,
    asset: Asset,
    coin: Option<Interval>,
    price: Option<Interval>,
}

impl GasPrice {
    pub async fn now(
        chain: &Chain,
        guard: &Guard,
        fees: &FeesConfig,
        asset: &Asset,
    ) -> Result<Self, ChainError> {
        let estimate = chain.fee_history().await?.estimate(fees.policy, fees.max_fee_wei());
        let wei = U256::from(estimate.base_fee.saturating_add(estimate.fees.priority_fee));
        let coin = price_of(chain, guard, NATIVE).await?;
        let price = price_of(chain, guard, asset.address).await?;
        Ok(Self { wei, asset: asset.clone(), coin, price })
    }

    /// Units of the asset, rounded up; see [`Self::counts`].
    pub fn of(&self, gas: u64) -> U256 {
        gas::in_units(self.wei * U256::from(gas), &self.asset, self.coin, self.price).unwrap_or_default()
    }

    /// Whether there are prices for it: without, gas is taken to cost nothing.
    pub fn counts(&self) -> bool {
        self.asset.is_native() || (self.coin.is_some() && self.price.is_some())
    }
}

/// None where none is configured, or the guard has none now.
async fn price_of(chain: &Chain, guard: &Guard, asset: Address) -> Result<Option<Interval>, ChainError> {
    let Some(judged) = guard.of(asset) else { return Ok(None) };
    let input = guard::at_clock(chain.observe(judged, chain.tip().await?, false).await?);
    Ok(explain(judged, &input, &Memory::default()).0.price)
}
