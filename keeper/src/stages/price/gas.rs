//! What gas costs in the units of an asset, by the oracle's prices.

use crate::domain::asset::Asset;
use alloy::primitives::{U256, U512};
use oracle_guard::Interval;

/// Wei of gas in units of an asset: by the high end of the coin's price and the low end of the asset's, rounded up. None
/// without both prices; the coin itself needs none.
pub fn in_units(wei: U256, asset: &Asset, coin: Option<Interval>, price: Option<Interval>) -> Option<U256> {
    if asset.is_native() {
        return Some(wei);
    }
    let (coin, price) = (coin?, price.filter(|price| price.lo.0 > 0)?);
    let unit = U512::from(10).pow(U512::from(asset.decimals));
    let whole = U512::from(10).pow(U512::from(18)) * U512::from(price.lo.0);
    Some((U512::from(wei) * U512::from(coin.hi.0) * unit).div_ceil(whole).saturating_to())
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
        assert_eq!(in_units(wei, &usd, flat(3_000), flat(1)), Some(U256::from(3_000_000)));
        assert_eq!(in_units(U256::ONE, &usd, flat(3_000), flat(1)), Some(U256::ONE), "rounded up");
        assert_eq!(in_units(wei, &usd, None, flat(1)), None);
        assert_eq!(in_units(wei, &usd, flat(3_000), flat(0)), None);
    }
}
