use super::*;
use crate::{
    chain::Block,
    config::{PoolConfig, PoolKind},
};
use router::V2Pool;

fn token(n: u8) -> Address {
    Address::repeat_byte(n)
}

fn pools(of: &[(u8, u64, u8, u64)]) -> Pools {
    let known = of.iter().map(|(a, depth_a, b, depth_b)| {
        let tokens = [token(*a), token(*b)];
        let reserves = [*depth_a, *depth_b].map(|depth| U256::from(depth) * U256::from(1_000_000));
        let config = PoolConfig {
            kind: PoolKind::UniswapV2,
            address: Address::ZERO,
            tokens: tokens.to_vec(),
            fee_bps: 30,
            adapter: None,
        };
        Known { config, pool: Pool::V2(V2Pool { tokens, reserves, keep: 9_970, of: 10_000 }), id: None }
    });
    let block = Block { number: 1, hash: Default::default(), timestamp: 0 };
    Pools { block, known: known.collect(), left_out: Vec::new() }
}

fn ask(amount: Amount) -> Ask {
    Ask { sell: token(1), buy: token(2), amount }
}

fn free(_: u64) -> U256 {
    U256::ZERO
}

#[test]
fn routes_that_share_a_pool_are_quoted_one_behind_the_other() {
    // Two ways from 1 to 3, one from 3 to 2, and none beside.
    let pools = pools(&[(1, 100, 3, 100), (1, 50, 3, 50), (3, 900, 2, 900)]);
    let amount = U256::from(20_000_000);
    let found = quote(&pools, &[token(3)], ask(Amount::In(amount)), &free).unwrap();
    assert_eq!(found.split.routes.len(), 2);
    assert_eq!(found.split.amount_in, amount);
    let mut states: Vec<_> = pools.known.iter().map(|known| known.pool.clone()).collect();
    let mut paid = U256::ZERO;
    for route in &found.split.routes {
        assert_eq!(route.hops.len(), 2);
        let between = states[route.hops[0].pool].swap(token(1), token(3), route.amount_in).unwrap();
        paid += states[2].swap(token(3), token(2), between).unwrap();
    }
    assert_eq!(found.split.amount_out, paid);
    assert!(found.split.amount_out > found.single.amount_out);
    let off = (found.bound - f64::from(paid)).abs();
    assert!(off < 1e-4 * found.bound, "the plan is the router's: {off}");
}

#[test]
fn an_exact_output_is_reached_for_less_than_the_best_route_alone() {
    let pools = pools(&[(1, 100, 2, 100), (1, 100, 2, 100), (1, 80, 3, 80), (3, 80, 2, 80)]);
    let wanted = U256::from(30_000_000);
    let found = quote(&pools, &[token(3)], ask(Amount::Out(wanted)), &free).unwrap();
    assert!(found.split.amount_out >= wanted && found.single.amount_out >= wanted);
    assert!(found.split.amount_in < found.single.amount_in);
    assert_eq!(found.split.routes.len(), 3);
}

#[test]
fn gas_that_costs_more_than_a_split_gains_leaves_one_route() {
    let pools = pools(&[(1, 100, 2, 100), (1, 100, 2, 100)]);
    let amount = Amount::In(U256::from(1_000_000));
    assert_eq!(quote(&pools, &[], ask(amount), &free).unwrap().split.routes.len(), 2);
    let dear = quote(&pools, &[], ask(amount), &|gas| U256::from(gas)).unwrap();
    assert_eq!(dear.split.routes.len(), 1);
    assert_eq!(dear.split.amount_out, dear.single.amount_out);
}

#[test]
fn where_no_pool_leads_there_is_no_quote() {
    let pools = pools(&[(1, 100, 3, 100)]);
    let found = quote(&pools, &[token(3)], ask(Amount::In(U256::from(5))), &free);
    assert_eq!(found, Err(RouteError::NoRoute));
}
