//! A swap as it would be done: routes with their shares, each amount the exact quote of what goes in.
//!
//! The router's plan is a graph of pools; the splitter executes routes one after the other. So the plan is taken apart
//! into routes, and these are gone through in their order on copies of the pools: what comes out is what the chain
//! pays on the same state, to the unit, also where two routes use one pool.

#[cfg(test)]
mod tests;

use super::pools::{Known, Pools};
use alloy::primitives::{Address, U256, U512};
use router::{Amount, Leg, Plan, Pool, RouteError, Router};
use std::collections::HashMap;

/// Routes of one swap, as the splitter takes them at most.
pub const MAX_ROUTES: usize = 8;

/// One swap on a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hop {
    /// Which of [`Pools::known`].
    pub pool: usize,
    pub sell: Address,
    pub buy: Address,
    /// Units of `sell` and of `buy`.
    pub amount_in: U256,
    pub amount_out: U256,
}

/// A route with its share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    pub hops: Vec<Hop>,
    pub amount_in: U256,
    pub amount_out: U256,
    pub gas: u64,
    /// What one more unit sold would bring behind all routes, times 1e36; rounded down.
    pub marginal: U256,
}

/// Routes that are gone together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Routes {
    pub routes: Vec<Route>,
    pub amount_in: U256,
    pub amount_out: U256,
    pub gas: u64,
    /// Of the gas, in units of what is bought when the input is given, of what is sold otherwise.
    pub cost: U256,
}

/// A swap, beside the best route alone.
#[derive(Clone, Debug, PartialEq)]
pub struct Quote {
    pub split: Routes,
    pub single: Routes,
    /// What no split over these pools exceeds: of the output, or, when that is given, of the input below. Without gas.
    pub bound: f64,
}

/// What is asked. The tokens are those of pools: WETH for the chain's own coin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    pub sell: Address,
    pub buy: Address,
    pub amount: Amount,
}

/// Quotes `ask` over the pools; `cost` says what so much gas costs in the units of [`Routes::cost`].
///
/// # Errors
/// When no pools lead there, or they cannot trade that much.
pub fn quote(
    pools: &Pools,
    connectors: &[Address],
    ask: Ask,
    cost: &impl Fn(u64) -> U256,
) -> Result<Quote, RouteError> {
    let states: Vec<Pool> = pools.known.iter().map(|known| known.pool.clone()).collect();
    let costs: Vec<U256> = pools.known.iter().map(|known| cost(known.config.kind.gas())).collect();
    let between: Vec<Address> =
        connectors.iter().copied().filter(|token| ![ask.sell, ask.buy].contains(token)).collect();
    let mut router = Router::new(&states, ask.sell, ask.buy, &between)?;
    let go =
        |plan: &Plan| go(&pools.known, taken_apart(plan, ask), cost).ok_or(RouteError::InsufficientLiquidity);
    let single = go(&router.single(ask.amount, &costs)?)?;
    let plan = router.plan(ask.amount, &costs)?;
    let split =
        go(&plan).ok().filter(|split| is_better(ask, split, &single)).unwrap_or_else(|| single.clone());
    Ok(Quote { split, single, bound: plan.certificate.bound })
}

/// Whether `a` is as good as `b`, gas counted. One that brings less than was asked for is not.
fn is_better(ask: Ask, a: &Routes, b: &Routes) -> bool {
    match ask.amount {
        Amount::In(_) => a.amount_out.saturating_add(b.cost) >= b.amount_out.saturating_add(a.cost),
        Amount::Out(wanted) => {
            a.amount_out >= wanted && a.amount_in.saturating_add(a.cost) <= b.amount_in.saturating_add(b.cost)
        }
    }
}

/// The routes of a plan: how much of what is sold each begins with, and its pools. Their amounts add up to the plan's.
fn taken_apart(plan: &Plan, ask: Ask) -> Vec<(U256, Vec<Leg>)> {
    let mut weights = weigh(plan, ask);
    let mut routes: Vec<(U256, Vec<Leg>)> = Vec::new();
    loop {
        let (mut at, mut path) = (ask.sell, Vec::new());
        while at != ask.buy {
            let from_here =
                (0..plan.legs.len()).filter(|n| plan.legs[*n].sell == at && !weights[*n].is_zero());
            let Some(widest) = from_here.max_by_key(|n| weights[*n]) else { break };
            path.push(widest);
            at = plan.legs[widest].buy;
        }
        if path.is_empty() || at != ask.buy {
            break;
        }
        let share = path.iter().map(|n| weights[*n]).min().unwrap_or_default();
        path.iter().for_each(|n| weights[*n] -= share);
        routes.push((share, path.into_iter().map(|n| plan.legs[n]).collect()));
    }
    routes.sort_by_key(|route| std::cmp::Reverse(route.0));
    routes.truncate(MAX_ROUTES);
    let sum: U256 = routes.iter().map(|(amount, _)| amount).sum();
    if let Some((largest, _)) = routes.first_mut() {
        *largest += plan.amount_in - sum;
    }
    routes
}

/// How much of what is sold goes through each leg, in units of it. What comes in of a token goes out in the proportions of
/// the plan, to the last unit.
fn weigh(plan: &Plan, ask: Ask) -> Vec<U256> {
    let mut held: HashMap<Address, U256> = [(ask.sell, plan.amount_in)].into();
    let mut left: HashMap<Address, U256> = HashMap::new();
    for leg in &plan.legs {
        *left.entry(leg.sell).or_default() += leg.amount_in;
    }
    let mut weights = Vec::with_capacity(plan.legs.len());
    for leg in &plan.legs {
        let (held_here, left_here) = (held.entry(leg.sell).or_default(), left.entry(leg.sell).or_default());
        let weight = part(*held_here, leg.amount_in, *left_here);
        *held_here -= weight;
        *left_here -= leg.amount_in;
        *held.entry(leg.buy).or_default() += weight;
        weights.push(weight);
    }
    weights
}

/// `whole * share / of`, rounded down.
fn part(whole: U256, share: U256, of: U256) -> U256 {
    if of.is_zero() {
        return U256::ZERO;
    }
    (U512::from(whole) * U512::from(share) / U512::from(of)).saturating_to()
}

/// Goes through the routes in their order. None when a pool refuses its part.
fn go(known: &[Known], routes: Vec<(U256, Vec<Leg>)>, cost: &impl Fn(u64) -> U256) -> Option<Routes> {
    let mut pools: Vec<Pool> = known.iter().map(|known| known.pool.clone()).collect();
    let mut gone = Vec::with_capacity(routes.len());
    for (amount_in, legs) in routes {
        let mut amount = amount_in;
        let mut hops = Vec::with_capacity(legs.len());
        for leg in &legs {
            let amount_out =
                pools[leg.pool].swap(leg.sell, leg.buy, amount).ok().filter(|out| !out.is_zero())?;
            let (pool, sell, buy) = (leg.pool, leg.sell, leg.buy);
            hops.push(Hop { pool, sell, buy, amount_in: amount, amount_out });
            amount = amount_out;
        }
        let gas = hops.iter().map(|hop| known[hop.pool].config.kind.gas()).sum();
        gone.push(Route { hops, amount_in, amount_out: amount, gas, marginal: U256::ZERO });
    }
    for route in &mut gone {
        route.marginal = marginal(&pools, route);
    }
    let sum = |of: fn(&Route) -> U256| gone.iter().map(of).fold(U256::ZERO, U256::saturating_add);
    let gas = gone.iter().map(|route| route.gas).sum();
    let (amount_in, amount_out) = (sum(|route| route.amount_in), sum(|route| route.amount_out));
    Some(Routes { routes: gone, amount_in, amount_out, gas, cost: cost(gas) })
}

/// By a thousandth more of the route's amount, so that what integers round away does not count.
fn marginal(pools: &[Pool], route: &Route) -> U256 {
    let more = route.amount_in / U256::from(1_000) + U256::ONE;
    let out = route
        .hops
        .iter()
        .try_fold(more, |amount, hop| pools[hop.pool].amount_out(hop.sell, hop.buy, amount))
        .unwrap_or_default();
    part(out, U256::from(10).pow(U256::from(36)), more)
}
