//! `make bench-route`: how long a split takes, how far it is from the optimum, whether quotes are what swaps pay.

#![expect(clippy::float_arithmetic, reason = "figures for people; nothing is paid by them")]

// Of what it has, only the figures are used here.
#[allow(dead_code)]
#[path = "../../../tests/e2e/src/bench.rs"]
mod figures;

#[path = "../tests/chain/mod.rs"]
mod chain;
#[path = "../tests/instance/mod.rs"]
mod instance;

use alloy_primitives::U256;
use chain::World;
use figures::{Figures, median};
use instance::{BETWEEN, BUY, Kinds, SELL, bound_from_quotes, direct, network, wei};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use router::{Amount, Plan, Pool, Router, Split};
use std::{hint::black_box, path::PathBuf, time::Instant};

const SEED: u64 = 20;
/// Instances behind `route_gap_*`, and those of them whose bound is found from quotes alone.
const INSTANCES: usize = 2_000;
const QUOTED: usize = 200;
const SWAPS: u32 = 10_000;

fn main() -> eyre::Result<()> {
    let mut figures = Figures::default();
    speed(&mut figures);
    gaps(&mut figures);
    costs(&mut figures);
    execution(&mut figures);
    let path = figures.write("route")?;
    eprintln!("written to {}", path.display());
    Ok(())
}

/// Where figures go: beside those of the other benches.
fn scratch(name: &str) -> PathBuf {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/e2e")).join(name);
    std::fs::create_dir_all(&path).expect("a folder for figures");
    path
}

/// Middle times of a split, on one thread, from the amount to each leg's input. Every leg is active.
fn speed(figures: &mut Figures) {
    for (name, kinds) in [("v2", Kinds::V2), ("v2v3", Kinds::V2V3), ("mixed", Kinds::Mixed)] {
        for count in [10_u32, 100, 1_000] {
            let mut random = StdRng::seed_from_u64(SEED);
            let pools: Vec<Pool> =
                (0..count).map(|_| instance::pool(&mut random, kinds, [SELL, BUY], 0.002)).collect();
            let mut router = Router::new(&pools, SELL, BUY, &[]).expect("a route");
            let all: f64 = pools.iter().map(deep).sum();
            let amounts: Vec<Amount> =
                (0..101).map(|_| Amount::In(wei(random.random_range(0.9..1.1) * all / 1e18))).collect();
            let mut split = Split::default();
            let rounds = 20_000 / count as usize;
            // Each amount differs from the one before, from whose solution a split starts.
            let mut next = amounts.iter().cycle();
            let times = (0..amounts.len()).map(|_| {
                let start = Instant::now();
                for amount in next.by_ref().take(rounds) {
                    router.split_into(black_box(*amount), &mut split).expect("the pools can trade that");
                    black_box(&split);
                }
                start.elapsed().as_secs_f64() * 1e6 / rounds as f64
            });
            figures.add(format!("route_us_{name}_{count}"), median(times.collect()), "us");
            let active = split.shares.len() as f64 / f64::from(count);
            assert!(active > 0.9, "only {active} of the legs are active");
        }
    }
}

/// An input that lowers a pool's price by some percent, so that no fee keeps another pool out.
fn deep(pool: &Pool) -> f64 {
    match pool {
        Pool::V2(pool) => 0.03 * f64::from(pool.reserves[0]),
        Pool::V3(pool) => 0.03 * pool.liquidity as f64,
        Pool::Stable(pool) => 0.95 * f64::from(pool.balances[1]),
        Pool::Weighted(pool) => 0.03 * f64::from(pool.balances[0]),
    }
}

/// How far splits are from what weak duality allows: before integers, after them, and as quotes alone see it.
fn gaps(figures: &mut Figures) {
    let mut random = StdRng::seed_from_u64(SEED);
    let (mut before, mut after, mut quoted) = (Vec::new(), Vec::new(), Vec::new());
    while before.len() < INSTANCES {
        let over = before.len() % 4 == 3;
        let count = random.random_range(3..12);
        let (pools, amount) =
            if over { network(&mut random, 2 * count) } else { direct(&mut random, Kinds::Mixed, count) };
        let between = if over { &BETWEEN[..] } else { &[] };
        let amount = Amount::In(amount);
        let Ok(mut router) = Router::new(&pools, SELL, BUY, between) else { continue };
        let (Ok(split), Ok(plan)) = (router.split(amount), router.plan(amount, &[])) else { continue };
        let out = f64::from(plan.amount_out);
        before.push((split.certificate.bound / split.output - 1.0).max(0.0));
        after.push((plan.certificate.bound / out - 1.0).max(0.0));
        if !over && quoted.len() < QUOTED {
            quoted.push((bound_from_quotes(&pools, amount, &plan.certificate) / out - 1.0).max(0.0));
        }
    }
    let most = |values: &[f64]| values.iter().copied().fold(0.0, f64::max);
    figures.add("route_gap_instances", before.len() as f64, "instances");
    for (name, values) in [
        ("route_gap_max", most(&before)),
        ("route_gap_p50", median(before.clone())),
        ("route_gap_integers_max", most(&after)),
        ("route_gap_integers_p50", median(after.clone())),
        ("route_gap_quotes_max", most(&quoted)),
    ] {
        // Relative, in units that a line can show.
        figures.add(name, values * 1e12, "1e-12");
    }
}

/// Plans with costs of legs against all sets of legs.
fn costs(figures: &mut Figures) {
    let mut random = StdRng::seed_from_u64(SEED);
    let (mut checked, mut wrong) = (0_u32, 0_u32);
    for _ in 0..40 {
        let count: usize = random.random_range(2..=10);
        let (pools, amount) = direct(&mut random, Kinds::Mixed, count);
        let costs: Vec<U256> =
            (0..count).map(|_| amount / U256::from(random.random_range(100..20_000_u64))).collect();
        let solve = |pools: &[Pool], costs: &[U256]| -> Option<Plan> {
            Router::new(pools, SELL, BUY, &[]).ok()?.plan(Amount::In(amount), costs).ok()
        };
        let net = |plan: &Plan, cost: U256| f64::from(plan.amount_out) - f64::from(cost);
        let Some(chosen) = solve(&pools, &costs) else { continue };
        let best = (1..1_usize << count).filter_map(|set| {
            let members: Vec<usize> = (0..count).filter(|k| set >> k & 1 == 1).collect();
            let some: Vec<Pool> = members.iter().map(|k| pools[*k].clone()).collect();
            let plan = solve(&some, &[])?;
            Some(net(&plan, plan.legs.iter().map(|leg| costs[members[leg.pool]]).sum()))
        });
        let best = best.fold(f64::NEG_INFINITY, f64::max);
        checked += 1;
        wrong += u32::from(net(&chosen, chosen.cost) < best - 1e-12 * best.abs());
    }
    figures.add("route_gas_sets", f64::from(checked), "instances");
    figures.add("route_gas_sets_wrong", f64::from(wrong), "instances");
}

/// Random swaps on the protocols' bytecode.
fn execution(figures: &mut Figures) {
    let mut random = StdRng::seed_from_u64(SEED);
    let mut world = World::new(&mut random);
    let wrong: Vec<String> = (0..SWAPS).filter_map(|_| world.random_swap(&mut random).err()).collect();
    figures.add("route_quotes", f64::from(SWAPS), "swaps");
    figures.add("route_quote_mismatches", wrong.len() as f64, "swaps");
    if let Some(first) = wrong.first() {
        eprintln!("{first}");
    }
}
