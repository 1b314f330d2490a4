//! The crate against the specification, written out a second time (`reference`), on random scenarios.
//!
//! `SPILLWAY_ORACLE_CASES=10000000` and `SPILLWAY_ORACLE_SEED=n` choose how many and which.

mod reference;

use oracle_guard::{judge, record, testing::Scenarios};
use std::collections::BTreeMap;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().expect("a number"))
}

#[test]
fn crate_and_specification_judge_alike() {
    let cases = number("SPILLWAY_ORACLE_CASES", 50_000);
    let first = number("SPILLWAY_ORACLE_SEED", 1);
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get() as u64).min(cases.max(1));
    let mut seen: BTreeMap<String, u64> = BTreeMap::new();
    std::thread::scope(|scope| {
        let work = |thread| {
            scope.spawn(move || {
                compare(first.wrapping_mul(1_000).wrapping_add(thread), cases.div_ceil(threads))
            })
        };
        let running: Vec<_> = (0..threads).map(work).collect();
        for thread in running {
            for (name, count) in thread.join().expect("no disagreement") {
                *seen.entry(name).or_default() += count;
            }
        }
    });
    println!("oracle_differential_cases {cases} cases (seed {first})");
    for (name, count) in &seen {
        println!("  {name} {count}");
    }
    // A fuzz that never reaches a reason compares nothing there.
    let reached = oracle_guard::Reason::ALL.iter().filter(|r| seen.contains_key(&r.to_string())).count();
    let unreachable = 4; // two of a description, the chain's lag, and an asset without sources
    assert_eq!(reached, oracle_guard::Reason::ALL.len() - unreachable, "{seen:?}");
}

fn compare(seed: u64, cases: u64) -> BTreeMap<String, u64> {
    let mut seen = BTreeMap::new();
    let mut counts = [0u64; 64];
    let mut verdicts = [0u64; 3];
    for (n, (config, input, memory)) in Scenarios::new(seed).take(cases as usize).enumerate() {
        let judged = judge(&config, &input, &memory);
        let after = record(&config, &input, &memory, &judged);
        let said = reference::judge(&config, &input, &memory);
        let price = judged.price.unwrap_or_default();
        let same = judged.verdict as u8 == said.verdict
            && judged.reasons.0 == said.reasons
            && judged.sources().iter().map(|r| r.0).eq(said.sources.iter().copied())
            && [price.mid.0, price.lo.0, price.hi.0].map(num_bigint::BigInt::from) == said.price
            && after == said.after;
        assert!(
            same,
            "case {n} of seed {seed}: {judged:?} {after:?}\nspecification: {} {:#x} {:x?} {:?} {:?}\n{config:#?}\n{input:#?}\n{memory:?}",
            said.verdict, said.reasons, said.sources, said.price, said.after
        );
        verdicts[judged.verdict as usize] += 1;
        for reason in judged.reasons.iter() {
            counts[reason as usize] += 1;
        }
    }
    for reason in oracle_guard::Reason::ALL {
        if counts[*reason as usize] != 0 {
            seen.insert(reason.to_string(), counts[*reason as usize]);
        }
    }
    for (name, count) in ["(healthy)", "(degraded)", "(insane)"].into_iter().zip(verdicts) {
        seen.insert(name.to_owned(), count);
    }
    seen
}
