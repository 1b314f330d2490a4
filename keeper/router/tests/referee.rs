//! Splits against an independent optimiser in Python, which shares no code with the crate.
//!
//! `SPILLWAY_ROUTER_PYTHON` names a Python with `script/router/requirements.txt`; `make test-all` makes one.

mod instance;

use alloy_primitives::U256;
use instance::{BUY, Kinds, SELL, direct};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use router::{Amount, Pool, Router};
use serde_json::{Value, json};
use std::{
    io::Write,
    process::{Command, Stdio},
};

const INSTANCES: usize = 2_000;

fn text(values: &[U256]) -> Vec<String> {
    values.iter().map(U256::to_string).collect()
}

fn described(pool: &Pool) -> Value {
    match pool {
        Pool::V2(pool) => {
            json!({ "kind": "v2", "reserves": text(&pool.reserves), "keep": pool.keep, "of": pool.of })
        }
        Pool::V3(pool) => json!({
            "kind": "v3", "fee": pool.fee, "sqrt_price": pool.sqrt_price.to_string(), "tick": pool.tick,
            "liquidity": pool.liquidity.to_string(),
            "ticks": pool.ticks.iter().map(|(at, net)| (at, net.to_string())).collect::<Vec<_>>(),
        }),
        Pool::Stable(pool) => json!({
            "kind": "stable", "balances": text(&pool.balances), "fee": pool.fee.to_string(),
            "amplification": pool.amplification.to_string(),
            "precision": pool.amplification_precision.to_string(),
        }),
        Pool::Weighted(pool) => json!({
            "kind": "weighted", "balances": text(&pool.balances), "weights": text(&pool.weights),
            "fee": pool.fee.to_string(),
        }),
    }
}

#[test]
#[ignore = "needs Python with scipy: make test-all"]
fn an_independent_optimiser_finds_nothing_better() {
    let python = std::env::var("SPILLWAY_ROUTER_PYTHON").unwrap_or_else(|_| "python3".into());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../script/router/referee.py");
    let mut random = StdRng::seed_from_u64(12);
    let mut lines = String::new();
    let mut written = 0;
    while written < INSTANCES {
        let count = random.random_range(1..10);
        let (pools, amount) = direct(&mut random, Kinds::Mixed, count);
        let mut router = Router::new(&pools, SELL, BUY, &[]).expect("a route");
        let Ok(split) = router.split(Amount::In(amount)) else { continue };
        let plan = router.plan(Amount::In(amount), &[]).expect("what can be split can be planned");
        let instance = json!({
            "pools": pools.iter().map(described).collect::<Vec<_>>(),
            "amount": amount.to_string(),
            "shares": split.shares.iter().map(|share| (share.pool, share.input)).collect::<Vec<_>>(),
            "output": split.output,
            "planned": plan.amount_out.to_string(),
        });
        lines += &format!("{instance}\n");
        written += 1;
    }
    let mut referee = Command::new(&python)
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("{python}: {e}; see script/router/requirements.txt"));
    // The referee reads all before it answers.
    referee.stdin.take().expect("a pipe").write_all(lines.as_bytes()).expect("the referee reads");
    let output = referee.wait_with_output().expect("the referee ends");
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}");
    assert!(output.status.success(), "the referee failed");
    let figure = |name: &str| -> f64 {
        let line = said.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|rest| rest.split_whitespace().next()?.parse().ok())
            .unwrap_or_else(|| panic!("the referee said no {name}"))
    };
    assert!(figure("route_referee_instances ") >= INSTANCES as f64);
    assert!(figure("route_referee_gap_max ") <= 1e-9);
    assert!(figure("route_referee_gap_integers_max ") <= 1e-6);
    // What the crate says that its own shares bring, the referee's formulas say too.
    assert!(figure("route_referee_disagreement_max ") <= 1e-9);
}
