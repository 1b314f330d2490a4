//! Random pools and orders, and a referee that needs only quotes.

#![allow(dead_code, reason = "each test uses a part")]
#![expect(clippy::float_arithmetic, reason = "random shapes, and bounds that are compared with a tolerance")]

use alloy_primitives::{Address, U256};
use rand::{RngExt, rngs::StdRng};
use router::{Amount, Certificate, Pool, StablePool, V2Pool, V3Pool, WeightedPool};

pub const SELL: Address = Address::repeat_byte(0xa1);
pub const BUY: Address = Address::repeat_byte(0xb2);
pub const BETWEEN: [Address; 3] =
    [Address::repeat_byte(0xc3), Address::repeat_byte(0xd4), Address::repeat_byte(0xe5)];

/// Which kinds an instance mixes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kinds {
    V2,
    V2V3,
    Mixed,
}

/// Tokens have 18 decimals here; prices are near one within `spread`.
pub fn pool(random: &mut StdRng, kinds: Kinds, tokens: [Address; 2], spread: f64) -> Pool {
    let kind = match kinds {
        Kinds::V2 => 0,
        Kinds::V2V3 => random.random_range(0..2),
        Kinds::Mixed => random.random_range(0..4),
    };
    // Of each token, 1e4 to 1e8, evenly by magnitude.
    let depth = 10_f64.powf(random.random_range(4.0..8.0));
    let price = 1.0 + random.random_range(-spread..=spread);
    match kind {
        0 => {
            let reserves = [wei(depth), wei(depth * price)];
            let (keep, of) = [(997, 1_000), (9_975, 10_000), (998, 1_000)][random.random_range(0..3)];
            Pool::V2(V2Pool { tokens, reserves, keep, of })
        }
        1 => Pool::V3(concentrated(random, tokens, depth, price)),
        2 => Pool::Stable(StablePool {
            tokens: tokens.to_vec(),
            balances: vec![wei(depth), wei(depth * random.random_range(0.6..1.6))],
            rates: vec![wei(1.0); 2],
            amplification: U256::from(random.random_range(50..2_000_u64)),
            amplification_precision: U256::ONE,
            fee: U256::from(random.random_range(1_000_000..10_000_000_u64)),
            admin_fee: U256::ZERO,
        }),
        _ => {
            let weight = random.random_range(2..=8) as f64 / 10.0;
            Pool::Weighted(WeightedPool {
                tokens: tokens.to_vec(),
                balances: vec![wei(depth * weight), wei(depth * price * (1.0 - weight))],
                weights: vec![wei(weight), wei(1.0) - wei(weight)],
                scales: vec![U256::ONE; 2],
                fee: wei(random.random_range(0.0005..0.005)),
            })
        }
    }
}

fn concentrated(random: &mut StdRng, tokens: [Address; 2], depth: f64, price: f64) -> V3Pool {
    let (fee, tick_spacing) = [(500, 10), (3_000, 60)][random.random_range(0..2)];
    // token0 is the one with the lower address; all tokens here are ordered as they are sold.
    let tick = (price.ln() / 1.0001_f64.ln()).floor() as i32;
    let root = 1.0001_f64.powf((f64::from(tick) + 0.5) / 2.0);
    let mut nets = std::collections::BTreeMap::<i32, i128>::new();
    let mut liquidity = 0;
    for position in 0..random.random_range(2..8) {
        let center = tick.div_euclid(tick_spacing) + random.random_range(-20..20);
        let half = if position == 0 { 5_000 } else { random.random_range(1..60) };
        let (low, high) = ((center - half) * tick_spacing, (center + half) * tick_spacing);
        let amount = (depth * 1e18 * random.random_range(0.3..4.0)) as u128;
        *nets.entry(low).or_default() += amount.cast_signed();
        *nets.entry(high).or_default() -= amount.cast_signed();
        if low <= tick && tick < high {
            liquidity += amount;
        }
    }
    let sqrt_price = U256::try_from(root * 2_f64.powi(96)).expect("a price");
    let ticks = nets.into_iter().filter(|(_, net)| *net != 0).collect();
    V3Pool { tokens, fee, tick_spacing, sqrt_price, tick, liquidity, ticks }
}

/// Pools of one pair, and an amount of up to a third of what is there.
pub fn direct(random: &mut StdRng, kinds: Kinds, count: usize) -> (Vec<Pool>, U256) {
    let pools = (0..count).map(|_| pool(random, kinds, [SELL, BUY], 0.02)).collect();
    let amount = wei(10_f64.powf(random.random_range(2.0..4.5)) * count as f64);
    (pools, amount)
}

/// Pools over three tokens between, some of them of three coins.
pub fn network(random: &mut StdRng, count: usize) -> (Vec<Pool>, U256) {
    let ends = [SELL, BUY];
    let mut pools = Vec::new();
    for _ in 0..count {
        let tokens = match random.random_range(0..4) {
            0 => ends,
            1 => [SELL, BETWEEN[random.random_range(0..3)]],
            2 => [BUY, BETWEEN[random.random_range(0..3)]],
            _ => {
                let first = random.random_range(0..3);
                [BETWEEN[first], BETWEEN[(first + 1) % 3]]
            }
        };
        pools.push(pool(random, Kinds::Mixed, sorted(tokens), 0.01));
    }
    pools.push(Pool::Stable(StablePool {
        tokens: vec![SELL, BETWEEN[0], BUY],
        balances: (0..3).map(|_| wei(random.random_range(1e5..1e6))).collect(),
        rates: vec![wei(1.0); 3],
        amplification: U256::from(200 * 100),
        amplification_precision: U256::from(100),
        fee: U256::from(4_000_000),
        admin_fee: U256::ZERO,
    }));
    (pools, wei(10_f64.powf(random.random_range(2.0..5.0))))
}

fn sorted(mut tokens: [Address; 2]) -> [Address; 2] {
    tokens.sort();
    tokens
}

pub fn wei(amount: f64) -> U256 {
    U256::try_from((amount * 1e18).floor()).expect("an amount")
}

/// Weak duality from quotes alone: what no split can exceed, or undercut. Each pool counts in its best direction.
pub fn bound_from_quotes(pools: &[Pool], amount: Amount, certificate: &Certificate) -> f64 {
    let prices = &certificate.prices;
    let gain = |pool: &Pool| {
        let known: Vec<_> = prices.iter().filter(|(token, _)| pool.tokens().contains(token)).collect();
        let pairs = known.iter().flat_map(|from| known.iter().map(move |to| (from, to)));
        let routed = pairs.filter(|(from, to)| from.0 != to.0 && from.0 != BUY && to.0 != SELL);
        let best = routed.map(|(from, to)| {
            let profit = |input: f64| {
                let input = U256::try_from(input.floor()).unwrap_or_default();
                let output = pool.amount_out(from.0, to.0, input).unwrap_or_default();
                to.1 * f64::from(output) - from.1 * f64::from(input)
            };
            most(profit, f64::from(pool_depth(pool)))
        });
        best.fold(0.0, f64::max)
    };
    let gains: f64 = pools.iter().map(gain).sum();
    match amount {
        Amount::In(amount) => prices[0].1 * f64::from(amount) + gains,
        Amount::Out(amount) => prices[1].1 * f64::from(amount) - gains,
    }
}

fn pool_depth(pool: &Pool) -> U256 {
    match pool {
        Pool::V2(pool) => pool.reserves[0].max(pool.reserves[1]),
        Pool::V3(pool) => U256::from(pool.liquidity),
        Pool::Stable(pool) => pool.balances.iter().sum(),
        Pool::Weighted(pool) => pool.balances.iter().min().copied().unwrap_or_default() / U256::from(4),
    }
}

/// The largest value of a concave function on [0, end], by golden section.
fn most(value: impl Fn(f64) -> f64, end: f64) -> f64 {
    let ratio = 0.5 * (5_f64.sqrt() - 1.0);
    let (mut low, mut high) = (0.0, end);
    let (mut left, mut right) = (high - ratio * (high - low), low + ratio * (high - low));
    let (mut at_left, mut at_right) = (value(left), value(right));
    for _ in 0..70 {
        if at_left < at_right {
            (low, left, at_left) = (left, right, at_right);
            right = low + ratio * (high - low);
            at_right = value(right);
        } else {
            (high, right, at_right) = (right, left, at_left);
            left = high - ratio * (high - low);
            at_left = value(left);
        }
    }
    at_left.max(at_right).max(0.0)
}
