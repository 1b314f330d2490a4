//! What is bought, how much of it, and from what.

use super::{
    order::{LIFE, Terms, order},
    pools::Pools,
    price::GasPrice,
    quote::{Ask, Routes, quote},
    run::{Keeper, SwapError},
};
use crate::{
    chain::{Block, refusal::Refusal, swap::SwapRoom},
    clock::now_ms,
    domain::{
        amount::Amount,
        asset::Asset,
        withdrawal::{Withdrawal, WithdrawalState},
    },
    stages::fund,
    store::swaps::{NewSwap, Share, Swap, Through},
};
use alloy::{primitives::U256, sol_types::SolCall};
use router::Amount as Given;

/// Withdrawals that are looked at.
const PAGE: usize = 1_000;
const BPS: u64 = 10_000;
/// A swap is halved so often, to move the price less: the whole surplus may be a million times what the pools bear.
const HALVINGS: usize = 40;
/// And so often when the vault finds its price too low. Then not the size is the cause.
const REFUSALS: usize = 4;

impl Keeper {
    /// What is to be bought of an asset; zero while its float is enough.
    pub(super) async fn missing(
        &self,
        asset: &Asset,
        held: &[Withdrawal],
        tip: Block,
    ) -> Result<Amount, SwapError> {
        let due: Amount = fund::due(asset.address, held).map(|w| w.amount).sum();
        let room = self.chain.swap_room(asset.address, tip).await?;
        let available = fund::available(&self.store, &self.chain, asset.address, tip).await?;
        let expected = self.forecast.expected(asset.address, now_ms());
        Ok(to_buy(available, due, room, expected))
    }

    /// The orders that wait for the float.
    pub(super) async fn held(&self) -> Result<Vec<Withdrawal>, SwapError> {
        Ok(self.store.waiting(WithdrawalState::Held, PAGE).await?)
    }

    /// A swap that brings `missing` of `buy`, or what can be had of it, from the first source that can: the vault
    /// takes it on the pending state. Otherwise, why there is none.
    pub(super) async fn plan(
        &mut self,
        buy: &Asset,
        missing: Amount,
        held: &[Withdrawal],
        open: &[Swap],
        tip: Block,
    ) -> Result<Result<NewSwap, String>, SwapError> {
        let mut pools = self.reader.read(&self.chain, tip).await?;
        for pool in &pools.left_out {
            tracing::warn!(pool = %pool.address, kind = pool.kind, why = pool.why, "a pool is left out of swaps");
        }
        pools.known.retain(|known| known.config.adapter.is_some());
        let mut why = "no source is configured: swap.sources".to_owned();
        for sell in self.sources.clone().iter().filter(|sell| sell.address != buy.address) {
            match self.from(sell, buy, missing, held, open, &pools, tip).await? {
                Ok(swap) => return Ok(Ok(swap)),
                Err(because) => why = format!("{} for {}: {because}", sell.symbol, buy.symbol),
            }
        }
        Ok(Err(why))
    }

    #[allow(clippy::too_many_arguments)]
    async fn from(
        &self,
        sell: &Asset,
        buy: &Asset,
        missing: Amount,
        held: &[Withdrawal],
        open: &[Swap],
        pools: &Pools,
        tip: Block,
    ) -> Result<Result<NewSwap, String>, SwapError> {
        let surplus = self.surplus(sell, held, open, tip).await?;
        if surplus.is_zero() {
            return Ok(Err("there is no surplus, or no more may be sold now".to_owned()));
        }
        let Some((ask_sell, ask_buy)) = self.tokens(sell, buy, tip).await? else {
            return Ok(Err("the vault has no splitter, which would wrap the chain's coin".to_owned()));
        };
        // A little more, so that what may slip away is not missing again.
        let wanted = missing.0 + missing.0 * U256::from(self.config.slippage_bps) / U256::from(BPS);
        let gas_in = GasPrice::now(&self.chain, &self.guard, &self.fees, sell).await?;
        let gas_out = GasPrice::now(&self.chain, &self.guard, &self.fees, buy).await?;
        let routes = |amount: Given| {
            let ask = Ask { sell: ask_sell, buy: ask_buy, amount };
            let cost = |gas: u64| match amount {
                Given::In(_) => gas_out.of(gas),
                Given::Out(_) => gas_in.of(gas),
            };
            quote(pools, &self.config.connectors, ask, &cost).map(|quote| quote.split)
        };
        let whole = routes(Given::Out(wanted)).ok().filter(|routes| routes.amount_in <= surplus.0);
        let mut found = match whole.map_or_else(|| routes(Given::In(surplus.0)), Ok) {
            Ok(found) => found,
            Err(why) => return Ok(Err(why.to_string())),
        };
        let (mut is_slice, mut refusals) = (false, 0);
        for _ in 0..HALVINGS {
            if !self.moves_too_much(&found, &routes) {
                match self.promised(sell, buy, pools, &found, is_slice, tip).await? {
                    Err(refusal) if refusal.is_smaller_better() && refusals < REFUSALS => refusals += 1,
                    said => return Ok(said.map_err(|refusal| refusal.to_string())),
                }
            }
            match routes(Given::In(found.amount_in / U256::from(2))) {
                Ok(half) => (found, is_slice) = (half, true),
                Err(why) => return Ok(Err(why.to_string())),
            }
        }
        Ok(Err("the least that could be sold moves the price too far".to_owned()))
    }

    /// Whether the last of it would be sold too far below the first.
    fn moves_too_much(
        &self,
        found: &Routes,
        routes: &impl Fn(Given) -> Result<Routes, router::RouteError>,
    ) -> bool {
        let first = found.amount_in / U256::from(1_000);
        let Ok(little) = routes(Given::In(first)) else { return false };
        // out / in < (1 - impact) * little out / little in
        let here = found.amount_out.saturating_mul(little.amount_in).saturating_mul(U256::from(BPS));
        let there = little.amount_out.saturating_mul(found.amount_in);
        here < there.saturating_mul(U256::from(BPS - u64::from(self.config.max_impact_bps)))
    }

    /// What the vault makes of it now; to be sold at a price that is not its own bound it refuses.
    async fn promised(
        &self,
        sell: &Asset,
        buy: &Asset,
        pools: &Pools,
        found: &Routes,
        is_slice: bool,
        tip: Block,
    ) -> Result<Result<NewSwap, Refusal>, SwapError> {
        let terms = Terms {
            sell: sell.address,
            buy: buy.address,
            slippage_bps: self.config.slippage_bps,
            deadline: tip.timestamp + LIFE,
        };
        let Some(order) = order(pools, found, terms) else {
            return Ok(Err(Refusal::Other("a pool has no adapter".to_owned())));
        };
        let (amount, least) = (Amount(order.amount), Amount(order.minReceived));
        let calldata = crate::chain::abi::IVault::swapCall { o: order }.abi_encode().into();
        match self.chain.simulate_swap(self.purse.account, &calldata).await? {
            Err(refusal) => return Ok(Err(refusal)),
            Ok(said) if said.received < least => {
                return Ok(Err(Refusal::Other("some of its legs would fail now".to_owned())));
            }
            Ok(_) => {}
        }
        let routes = found.routes.iter().map(|route| {
            let hops = route.hops.iter().map(|hop| {
                let config = &pools.known[hop.pool].config;
                let (kind, pool) = (config.kind.as_str().to_owned(), config.address);
                Through { kind, pool, sell: hop.sell, buy: hop.buy }
            });
            Share { amount_in: route.amount_in, amount_out: route.amount_out, hops: hops.collect() }
        });
        let (deadline, quoted) = (terms.deadline, Amount(found.amount_out));
        Ok(Ok(NewSwap {
            sell: sell.address,
            buy: buy.address,
            amount,
            quoted,
            least,
            routes: routes.collect(),
            calldata,
            deadline,
            is_slice,
        }))
    }

    /// What may be sold of an asset: neither what its own withdrawals and mark need or are expected to, nor what open swaps
    /// sell already.
    async fn surplus(
        &self,
        asset: &Asset,
        held: &[Withdrawal],
        open: &[Swap],
        tip: Block,
    ) -> Result<Amount, SwapError> {
        let room = self.chain.swap_room(asset.address, tip).await?;
        let due: Amount = fund::due(asset.address, held).map(|w| w.amount).sum();
        let expected = self.forecast.expected(asset.address, now_ms());
        let kept = Amount((due + room.min_float).0.saturating_add(expected.0));
        let selling: Amount =
            open.iter().filter(|s| s.plan.sell == asset.address).map(|s| s.plan.amount).sum();
        let available = fund::available(&self.store, &self.chain, asset.address, tip).await?;
        Ok(available.saturating_sub(kept).saturating_sub(selling).min(room.left))
    }
}

/// What is to be bought: nothing while what is due and the mark are covered, and half of what is expected too (low
/// water); otherwise so much that all of it is (high water), but no surplus that would be swept again.
fn to_buy(available: Amount, due: Amount, room: SwapRoom, expected: Amount) -> Amount {
    let least = due + room.min_float;
    let with = |more: U256| Amount(least.0.saturating_add(more));
    if available >= with(expected.0 / U256::from(2)) {
        return Amount::ZERO;
    }
    let swept_above = if room.high_water.is_zero() { Amount(U256::MAX) } else { due + room.high_water };
    with(expected.0).min(swept_above.max(least)).saturating_sub(available)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amount(units: u64) -> Amount {
        Amount(U256::from(units))
    }

    fn bought(available: u64, due: u64, expected: u64, (min_float, high_water): (u64, u64)) -> u64 {
        let room =
            SwapRoom { min_float: amount(min_float), high_water: amount(high_water), left: Amount::ZERO };
        to_buy(amount(available), amount(due), room, amount(expected)).0.to()
    }

    #[test]
    fn what_is_due_and_the_mark_are_bought_to_the_unit_where_nothing_is_expected() {
        assert_eq!(bought(100, 70, 0, (30, 0)), 0);
        assert_eq!(bought(99, 70, 0, (30, 0)), 1);
    }

    #[test]
    fn below_half_of_what_is_expected_all_of_it_is_bought() {
        assert_eq!(bought(50, 0, 100, (0, 0)), 0, "low water");
        assert_eq!(bought(49, 0, 100, (0, 0)), 51, "up to high water");
        assert_eq!(bought(149, 70, 100, (30, 0)), 51);
    }

    #[test]
    fn nothing_is_bought_that_would_be_swept_but_what_is_due_is() {
        assert_eq!(bought(49, 0, 100, (0, 80)), 31);
        assert_eq!(bought(49, 0, 100, (0, 40)), 0, "the float is above it already");
        assert_eq!(bought(0, 70, u64::MAX, (30, 10)), 100, "a mark above high water counts");
    }
}
