//! A quote as the vault is told it.

use super::{
    pools::{Known, Pools},
    quote::{Hop, Route, Routes},
};
use crate::chain::abi::{ISwapSplitter, IVault};
use alloy::{
    primitives::{Address, Bytes, U256, U512, aliases::U24},
    sol_types::SolValue,
};
use router::Pool;

/// A swap that is not in a block within this is void, in seconds.
pub const LIFE: u64 = 600;
const BPS: u32 = 10_000;

/// What a swap is bounded by, beside the vault's own bound.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// The vault's assets: its own name of the chain's coin, where legs see WETH.
    pub sell: Address,
    pub buy: Address,
    /// How much less than quoted may come, in ten-thousandths; a single leg may bring twice as much less.
    pub slippage_bps: u32,
    /// Unix seconds.
    pub deadline: u64,
}

/// What a hop may take beyond that, where it is the first to move its tokens.
const COLD_GAS: u64 = 120_000;

/// The order; none when one of its pools has no adapter.
pub fn order(pools: &Pools, routes: &Routes, terms: Terms) -> Option<IVault::SwapOrder> {
    let legs = routes.routes.iter().map(|route| leg(pools, route, terms)).collect::<Option<_>>()?;
    Some(IVault::SwapOrder {
        sell: terms.sell,
        buy: terms.buy,
        amount: routes.amount_in,
        minReceived: less(routes.amount_out, terms.slippage_bps),
        deadline: terms.deadline,
        legs,
    })
}

fn leg(pools: &Pools, route: &Route, terms: Terms) -> Option<ISwapSplitter::Leg> {
    let hops = route.hops.iter().map(|hop| {
        let known = pools.known.get(hop.pool)?;
        Some(ISwapSplitter::Hop { adapter: known.config.adapter?, buy: hop.buy, data: data(known, hop)? })
    });
    let out = less(route.amount_out, 2 * terms.slippage_bps);
    let rate = U512::from(out) * U512::from(10).pow(U512::from(36)) / U512::from(route.amount_in);
    Some(ISwapSplitter::Leg {
        amount: route.amount_in,
        minRate: U256::saturating_from(rate).max(U256::ONE),
        // Twice what it takes: a V3 pool may cross more ticks than now.
        gas: u32::try_from(2 * route.gas + COLD_GAS * route.hops.len() as u64).ok()?,
        passOn: true,
        hops: hops.collect::<Option<_>>()?,
    })
}

/// As `ISwapAdapter` says for each kind.
fn data(known: &Known, hop: &Hop) -> Option<Bytes> {
    Some(match &known.pool {
        Pool::V2(_) => Bytes::new(),
        Pool::V3(pool) => U24::from(pool.fee).abi_encode().into(),
        Pool::Stable(pool) => {
            let place =
                |token| pool.tokens.iter().position(|t| *t == token).and_then(|k| i128::try_from(k).ok());
            (known.config.address, place(hop.sell)?, place(hop.buy)?).abi_encode_params().into()
        }
        Pool::Weighted(_) => known.id?.abi_encode().into(),
    })
}

/// Rounded down, and at least one unit.
fn less(amount: U256, bps: u32) -> U256 {
    let part = U512::from(amount) * U512::from(BPS.saturating_sub(bps)) / U512::from(BPS);
    U256::saturating_from(part).max(U256::ONE)
}
