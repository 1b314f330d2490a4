//! What a split promises, on random pools.

mod instance;

use alloy_primitives::{Address, U256};
use instance::{BETWEEN, BUY, Kinds, SELL, bound_from_quotes, direct, network, wei};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use router::{Amount, Plan, Pool, RouteError, Router, V2Pool, V3Pool};
use std::collections::{HashMap, HashSet};

const KINDS: [Kinds; 3] = [Kinds::V2, Kinds::V2V3, Kinds::Mixed];

fn router<'a>(pools: &'a [Pool], between: &[Address]) -> Router<'a> {
    Router::new(pools, SELL, BUY, between).expect("there is a route")
}

fn plan(pools: &[Pool], between: &[Address], amount: Amount) -> Plan {
    router(pools, between).plan(amount, &[]).expect("the pools can trade that")
}

/// Every leg an exact quote, every pool once, nothing spent that has not come in.
fn holds(pools: &[Pool], plan: &Plan, amount: Amount) {
    let mut held: HashMap<Address, U256> = HashMap::from([(SELL, plan.amount_in)]);
    let mut used = HashSet::new();
    for leg in &plan.legs {
        assert!(used.insert(leg.pool), "a pool used twice: {plan:?}");
        assert_eq!(pools[leg.pool].amount_out(leg.sell, leg.buy, leg.amount_in), Ok(leg.amount_out));
        let left = held.get(&leg.sell).copied().unwrap_or_default().checked_sub(leg.amount_in);
        held.insert(leg.sell, left.unwrap_or_else(|| panic!("spent before it came in: {plan:?}")));
        *held.entry(leg.buy).or_default() += leg.amount_out;
    }
    assert_eq!(held.get(&SELL), Some(&U256::ZERO));
    assert_eq!(held.get(&BUY), Some(&plan.amount_out));
    match amount {
        Amount::In(amount) => assert_eq!(plan.amount_in, amount),
        Amount::Out(amount) => assert!(plan.amount_out >= amount),
    }
}

/// All routes of one pool per hop, by trying each: the most that one pays, or the least that one takes.
fn best_single(pools: &[Pool], between: &[Address], amount: Amount) -> Option<U256> {
    let mut paths = vec![vec![SELL, BUY]];
    for a in between {
        paths.push(vec![SELL, *a, BUY]);
        paths.extend(between.iter().filter(|b| *b != a).map(|b| vec![SELL, *a, *b, BUY]));
    }
    let mut found = Vec::new();
    for mut path in paths {
        let start = match amount {
            Amount::In(amount) => amount,
            Amount::Out(amount) => {
                path.reverse();
                amount
            }
        };
        let mut reached = vec![(start, Vec::new())];
        for hop in path.windows(2) {
            let mut next = Vec::new();
            for (at, used) in &reached {
                for (n, pool) in pools.iter().enumerate().filter(|(n, _)| !used.contains(n)) {
                    let quote = match amount {
                        Amount::In(_) => pool.amount_out(hop[0], hop[1], *at),
                        // A weighted pool's errors grow as amounts shrink: what it asks for an output can pay less.
                        Amount::Out(_) => pool
                            .amount_in(hop[1], hop[0], *at)
                            .and_then(|q| pool.amount_out(hop[1], hop[0], q).map(|paid| (q, paid)))
                            .map(|(q, paid)| if paid >= *at { q } else { U256::ZERO }),
                    };
                    next.extend(quote.ok().filter(|q| !q.is_zero()).map(|q| (q, [&used[..], &[n]].concat())));
                }
            }
            reached = next;
        }
        found.extend(reached.into_iter().map(|(amount, _)| amount));
    }
    match amount {
        Amount::In(_) => found.into_iter().max(),
        Amount::Out(_) => found.into_iter().min(),
    }
}

#[test]
fn a_continuous_split_is_optimal_by_its_own_certificate() {
    let mut random = StdRng::seed_from_u64(2);
    for n in 0..600 {
        let count = random.random_range(1..40);
        let (pools, amount) = direct(&mut random, KINDS[n % 3], count);
        for amount in [Amount::In(amount), Amount::Out(amount >> 1)] {
            let Ok(split) = router(&pools, &[]).split(amount) else { continue };
            let gap = match amount {
                Amount::In(_) => split.certificate.bound / split.output - 1.0,
                Amount::Out(_) => 1.0 - split.certificate.bound / split.input,
            };
            assert!(gap.abs() <= 1e-9, "{n}: {gap:e} {amount:?} {:?}", KINDS[n % 3]);
        }
    }
}

#[test]
fn a_split_over_tokens_between_is_optimal_by_its_own_certificate() {
    let mut random = StdRng::seed_from_u64(3);
    let (mut gaps, mut missed) = (Vec::new(), Vec::new());
    for n in 0..300 {
        let count = random.random_range(6..40);
        let (pools, amount) = network(&mut random, count);
        for amount in [Amount::In(amount), Amount::Out(amount >> 1)] {
            let Ok(mut router) = Router::new(&pools, SELL, BUY, &BETWEEN) else { continue };
            let Ok(split) = router.split(amount) else {
                if router.plan(amount, &[]).is_ok() {
                    missed.push((n, matches!(amount, Amount::In(_))));
                }
                continue;
            };
            let gap = match amount {
                Amount::In(_) => split.certificate.bound / split.output - 1.0,
                Amount::Out(_) => 1.0 - split.certificate.bound / split.input,
            };
            gaps.push((gap.abs(), n, matches!(amount, Amount::In(_))));
        }
    }
    gaps.sort_by(|a, b| b.0.total_cmp(&a.0));
    assert!(gaps[0].0 <= 1e-9, "{:?}", &gaps[..20]);
    assert!(missed.is_empty(), "no split of what one route can trade: {missed:?}");
    assert!(gaps.len() > 400, "only {} instances had a split", gaps.len());
}

#[test]
fn a_plan_holds_to_the_unit_and_beats_every_single_route() {
    let mut random = StdRng::seed_from_u64(4);
    for n in 0..150 {
        let (pools, between, amount) = if n % 2 == 0 {
            let count = random.random_range(1..12);
            let (pools, amount) = direct(&mut random, Kinds::Mixed, count);
            (pools, &[][..], amount)
        } else {
            let count = random.random_range(4..14);
            let (pools, amount) = network(&mut random, count);
            (pools, &BETWEEN[..], amount)
        };
        // From a handful of units upward.
        let amount = amount >> random.random_range(0..amount.bit_len() - 2);
        for amount in [Amount::In(amount), Amount::Out(amount)] {
            let best = best_single(&pools, between, amount);
            let plan = match Router::new(&pools, SELL, BUY, between).and_then(|mut r| r.plan(amount, &[])) {
                Ok(plan) => plan,
                Err(RouteError::InsufficientLiquidity | RouteError::NoRoute) if best.is_none() => continue,
                Err(error) => panic!("{n}: {error}, though one route gives {best:?}"),
            };
            holds(&pools, &plan, amount);
            match (amount, best) {
                (Amount::In(_), Some(best)) => assert!(plan.amount_out >= best, "{n}: {plan:?} below {best}"),
                (Amount::Out(_), Some(best)) => assert!(plan.amount_in <= best, "{n}: {plan:?} above {best}"),
                (_, None) => {}
            }
        }
    }
}

#[test]
fn no_split_exceeds_the_bound_that_quotes_give() {
    let mut random = StdRng::seed_from_u64(5);
    let mut checked = 0;
    for n in 0..60 {
        let count = random.random_range(1..12);
        let (pools, amount) = direct(&mut random, KINDS[n % 3], count);
        let amount = Amount::In(amount);
        let plan = match router(&pools, &[]).plan(amount, &[]) {
            Ok(plan) => plan,
            // All pools end before the amount does.
            Err(RouteError::InsufficientLiquidity) => continue,
            Err(error) => panic!("{n}: {error}"),
        };
        checked += 1;
        let bound = bound_from_quotes(&pools, amount, &plan.certificate);
        let out = f64::from(plan.amount_out);
        assert!(out <= bound * (1.0 + 1e-9), "{n}: {out} above {bound}");
        assert!((bound - out) / out <= 1e-6, "{n}: {out} far below {bound}");
    }
    assert!(checked > 50, "only {checked} instances could be traded");
}

#[test]
fn no_shift_between_two_legs_gains() {
    let mut random = StdRng::seed_from_u64(6);
    for n in 0..60 {
        let count = random.random_range(2..10);
        let (pools, amount) = direct(&mut random, KINDS[n % 3], count);
        let plan = plan(&pools, &[], Amount::In(amount));
        let shift = amount / U256::from(10_000);
        let quote = |pool: &Pool, amount: U256| pool.amount_out(SELL, BUY, amount).unwrap_or_default();
        for from in plan.legs.iter().filter(|leg| leg.amount_in > shift) {
            for (to, pool) in pools.iter().enumerate().filter(|(to, _)| *to != from.pool) {
                let there = plan.legs.iter().find(|leg| leg.pool == to);
                let (input, output) =
                    there.map_or_else(Default::default, |leg| (leg.amount_in, leg.amount_out));
                let after = quote(&pools[from.pool], from.amount_in - shift) + quote(pool, input + shift);
                assert!(after <= from.amount_out + output + U256::from(2), "{n}: {} to {to}", from.pool);
            }
        }
    }
}

#[test]
fn another_pool_never_lowers_the_output() {
    let mut random = StdRng::seed_from_u64(7);
    for n in 0..60 {
        let count = random.random_range(2..12);
        let (pools, amount) = direct(&mut random, KINDS[n % 3], count);
        let fewer = plan(&pools[1..], &[], Amount::In(amount)).amount_out;
        let more = plan(&pools, &[], Amount::In(amount)).amount_out;
        // Each leg's quote is rounded down, and proportions are floats.
        let noise = U256::from(count + 1) + fewer / U256::from(10_u64.pow(11));
        assert!(more + noise >= fewer, "{n}: {more} below {fewer}");
    }
}

#[test]
fn a_pool_in_slices_pays_as_the_whole() {
    let mut random = StdRng::seed_from_u64(8);
    for _ in 0..40 {
        let slices = random.random_range(2..9_u64);
        let part = wei(random.random_range(1e3..1e6));
        let pool = |reserve: U256| {
            Pool::V2(V2Pool {
                tokens: [SELL, BUY],
                reserves: [reserve, reserve * U256::from(3)],
                keep: 997,
                of: 1000,
            })
        };
        let amount = Amount::In(part / U256::from(random.random_range(2..50_u64)));
        let whole = plan(&[pool(part * U256::from(slices))], &[], amount).amount_out;
        let sliced = plan(&vec![pool(part); slices as usize], &[], amount).amount_out;
        let difference = whole.abs_diff(sliced);
        assert!(difference <= U256::from(slices) + whole / U256::from(10_u64.pow(15)), "{whole} {sliced}");
    }
}

#[test]
fn everything_scaled_scales_the_output() {
    let mut random = StdRng::seed_from_u64(9);
    for _ in 0..40 {
        let (pools, amount) = direct(&mut random, Kinds::V2, 6);
        let factor = U256::from(random.random_range(2..1_000_u64));
        let scaled: Vec<Pool> = pools
            .iter()
            .map(|pool| match pool {
                Pool::V2(pool) => {
                    Pool::V2(V2Pool { reserves: pool.reserves.map(|r| r * factor), ..pool.clone() })
                }
                other => other.clone(),
            })
            .collect();
        let small = f64::from(plan(&pools, &[], Amount::In(amount)).amount_out) * f64::from(factor);
        let large = f64::from(plan(&scaled, &[], Amount::In(amount * factor)).amount_out);
        assert!((large / small - 1.0).abs() < 1e-12, "{small} {large}");
    }
}

#[test]
fn one_full_range_of_v3_is_v2() {
    let reserve = U256::from(10).pow(U256::from(24));
    let end = 887_272 / 60 * 60;
    let liquidity: i128 = 1_000_000_000_000_000_000_000_000;
    let ticks = vec![(-end, liquidity), (end, -liquidity)];
    let v3 = Pool::V3(V3Pool {
        tokens: [SELL, BUY],
        fee: 3_000,
        tick_spacing: 60,
        sqrt_price: U256::ONE << 96,
        tick: 0,
        liquidity: liquidity.unsigned_abs(),
        ticks,
    });
    let v2 = Pool::V2(V2Pool { tokens: [SELL, BUY], reserves: [reserve; 2], keep: 997, of: 1_000 });
    for bits in 20..80 {
        let amount = U256::ONE << bits;
        for (from, to) in [(SELL, BUY), (BUY, SELL)] {
            let (a, b) = (v3.amount_out(from, to, amount), v2.amount_out(from, to, amount));
            let (a, b) = (a.expect("a quote"), b.expect("a quote"));
            assert!(a.abs_diff(b) <= U256::from(100) + b / U256::from(10_u64.pow(12)), "{amount}: {a} {b}");
        }
    }
}

#[test]
fn with_costs_a_plan_is_the_best_over_all_sets_of_legs() {
    let mut random = StdRng::seed_from_u64(10);
    let mut fewer = 0;
    for n in 0..40 {
        let count = random.random_range(2..9);
        let (pools, amount) = direct(&mut random, KINDS[n % 3], count);
        let cost = amount / U256::from(random.random_range(100..20_000_u64));
        let costs: Vec<U256> = (0..count)
            .map(|_| cost * U256::from(random.random_range(50..150_u64)) / U256::from(100))
            .collect();
        for amount in [Amount::In(amount), Amount::Out(amount)] {
            let net = |plan: &Plan| match amount {
                Amount::In(_) => f64::from(plan.amount_out) - f64::from(plan.cost),
                Amount::Out(_) => -f64::from(plan.amount_in) - f64::from(plan.cost),
            };
            let Ok(chosen) = router(&pools, &[]).plan(amount, &costs) else { continue };
            holds(&pools, &chosen, amount);
            fewer += usize::from(chosen.legs.len() < count);
            let best = (1..1_usize << count)
                .filter_map(|set| {
                    let members: Vec<usize> = (0..count).filter(|k| set >> k & 1 == 1).collect();
                    let some: Vec<Pool> = members.iter().map(|k| pools[*k].clone()).collect();
                    let plan = router(&some, &[]).plan(amount, &[]).ok()?;
                    let cost = plan.legs.iter().map(|leg| costs[members[leg.pool]]).sum();
                    Some(net(&Plan { cost, ..plan }))
                })
                .fold(f64::NEG_INFINITY, f64::max);
            let scale = f64::from(chosen.amount_out);
            assert!(net(&chosen) >= best - 1e-12 * scale, "{n}: {} below {best}, {chosen:?}", net(&chosen));
        }
    }
    assert!(fewer > 20, "costs mattered in {fewer} instances only");
}

#[test]
fn over_tokens_between_costs_only_thin_a_plan_where_that_pays() {
    let mut random = StdRng::seed_from_u64(13);
    let mut thinner = 0;
    for n in 0..40 {
        let count = random.random_range(4..20);
        let (pools, amount) = network(&mut random, count);
        let Ok(mut router) = Router::new(&pools, SELL, BUY, &BETWEEN) else { continue };
        let costs = vec![amount / U256::from(random.random_range(500..5_000_u64)); pools.len()];
        let (Ok(free), Ok(chosen)) =
            (router.plan(Amount::In(amount), &[]), router.plan(Amount::In(amount), &costs))
        else {
            continue;
        };
        holds(&pools, &chosen, Amount::In(amount));
        let cost = costs[0] * U256::from(free.legs.len());
        // Within what legs lose by rounding.
        let (least, net) = (free.amount_out + chosen.cost, chosen.amount_out + cost + U256::from(100));
        assert!(net >= least, "{n}: {chosen:?} is worse than {free:?}");
        thinner += usize::from(chosen.legs.len() < free.legs.len());
    }
    assert!(thinner > 10, "costs mattered in {thinner} instances only");
}

#[test]
fn an_exact_output_is_bought_for_the_input_that_sells_for_it() {
    let mut random = StdRng::seed_from_u64(11);
    for n in 0..60 {
        let count = random.random_range(1..10);
        let (pools, amount) = direct(&mut random, KINDS[n % 3], count);
        let sold = plan(&pools, &[], Amount::In(amount));
        let bought = plan(&pools, &[], Amount::Out(sold.amount_out));
        let difference = f64::from(bought.amount_in) / f64::from(amount) - 1.0;
        assert!(difference.abs() <= 1e-9, "{n}: {difference:e}");
    }
}

#[test]
fn what_cannot_be_traded_is_said() {
    let pools = [Pool::V2(V2Pool { tokens: [SELL, BUY], reserves: [wei(1.0); 2], keep: 997, of: 1_000 })];
    assert_eq!(Router::new(&pools, SELL, SELL, &[]).err(), Some(RouteError::SameToken));
    assert_eq!(Router::new(&[], SELL, BUY, &BETWEEN).err(), Some(RouteError::NoRoute));
    let many: Vec<Address> = (0..9).map(Address::repeat_byte).collect();
    assert_eq!(Router::new(&pools, SELL, BUY, &many).err(), Some(RouteError::TooManyConnectors));
    let mut router = router(&pools, &[]);
    assert_eq!(router.plan(Amount::Out(wei(1.0)), &[]), Err(RouteError::InsufficientLiquidity));
    assert_eq!(router.plan(Amount::In(wei(1.0)), &[U256::ONE; 2]), Err(RouteError::Costs(2, 1)));
}
