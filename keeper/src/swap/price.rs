//! What gas costs in an asset, by the oracle's prices.

use crate::{
    chain::{Chain, ChainError},
    config::FeesConfig,
    domain::asset::{Asset, NATIVE},
    stages::price::guard::{self, Guard},
};
use alloy::primitives::{Address, U256, U512};
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
        of_gas(self.wei * U256::from(gas), &self.asset, self.coin, self.price)
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

/// Wei of gas in units of an asset: by the high end of the coin's price and the low end of the asset's, rounded up.
/// Zero without both prices: then gas is not weighed.
fn of_gas(wei: U256, asset: &Asset, coin: Option<Interval>, price: Option<Interval>) -> U256 {
    if asset.is_native() {
        return wei;
    }
    let (Some(coin), Some(price)) = (coin, price.filter(|price| price.lo.0 > 0)) else { return U256::ZERO };
    let unit = U512::from(10).pow(U512::from(asset.decimals));
    let whole = U512::from(10).pow(U512::from(18)) * U512::from(price.lo.0);
    (U512::from(wei) * U512::from(coin.hi.0) * unit).div_ceil(whole).saturating_to()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::primitives::Address;
    use oracle_guard::Price;

    fn flat(price: u128) -> Option<Interval> {
        let price = Price(price * 1_000_000_000_000_000_000);
        Some(Interval { lo: price, mid: price, hi: price })
    }

    #[test]
    fn gas_is_weighed_in_the_units_of_the_asset() {
        let usd = Asset { symbol: "T".into(), address: Address::repeat_byte(1), decimals: 6, payout_gas: 0 };
        // A thousandth of a coin at 3,000 USD is 3 USD.
        let wei = U256::from(1_000_000_000_000_000_u64);
        assert_eq!(of_gas(wei, &usd, flat(3_000), flat(1)), U256::from(3_000_000));
        assert_eq!(of_gas(U256::ONE, &usd, flat(3_000), flat(1)), U256::ONE, "rounded up");
        assert_eq!(of_gas(wei, &usd, None, flat(1)), U256::ZERO);
        assert_eq!(of_gas(wei, &usd, flat(3_000), flat(0)), U256::ZERO);
    }
}
