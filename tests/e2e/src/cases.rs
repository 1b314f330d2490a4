//! What tests of the keeper have in common: orders, handing them in, and the check at the end.

use crate::{
    anvil::Options,
    chain_audit::{Expected, Ledger},
    eventually,
    keeper::Setup,
    orders::{write_csv, write_csv_with_deadlines},
    world::World,
};
use alloy::{
    primitives::{Address, U256, keccak256},
    providers::ext::AnvilApi,
};
use eyre::{WrapErr, ensure};
use serde_json::Value;
use std::{
    path::Path,
    time::{Duration, SystemTime},
};

/// A world whose blocks are made by hand.
pub async fn by_hand() -> eyre::Result<World> {
    let world = World::start_with(Options::default()).await?;
    world.provider().anvil_set_auto_mine(false).await?;
    world.past_the_loaded(20).await?;
    Ok(world)
}

/// `n` orders in one asset, each to a recipient of its own. The amounts are in units, from a million on.
pub fn orders_of(world: &World, symbol: &str, name: &str, n: usize) -> Vec<Expected> {
    (0..n)
        .map(|i| {
            let key = format!("{name}-{i}");
            Expected {
                asset: world.asset(symbol).address,
                recipient: Address::from_slice(&keccak256(&key)[..20]),
                amount: U256::from(1_000_000 + i),
                key,
            }
        })
        .collect()
}

/// Hands orders in as a file.
pub fn submit(world: &World, setup: &Setup, orders: &[Expected]) -> eyre::Result<()> {
    let file = setup.dir.join("orders.csv");
    write_csv(world, &file, orders)?;
    hand_in(setup, &file)
}

/// Hands orders in that are to be paid within `time`.
pub fn submit_until(world: &World, setup: &Setup, orders: &[Expected], time: Duration) -> eyre::Result<()> {
    let (file, deadline) = (setup.dir.join("deadline.csv"), SystemTime::now() + time);
    write_csv_with_deadlines(world, &file, orders.iter().map(|order| (order, Some(deadline))))?;
    hand_in(setup, &file)
}

/// Hands a file of orders in.
pub fn hand_in(setup: &Setup, file: &Path) -> eyre::Result<()> {
    let output = setup.run(&["submit", &file.to_string_lossy()])?;
    ensure!(output.status.success(), "submit: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// Each of `orders` was paid exactly once, none of `released` ever was, and chain and books agree.
pub async fn check_paid(
    world: &World,
    setup: &Setup,
    orders: &[Expected],
    released: &[Expected],
) -> eyre::Result<()> {
    let ledger = Ledger::read(world).await?;
    let outcome = ledger.compare(orders);
    assert_eq!(outcome.missing, Vec::<String>::new(), "lost");
    assert_eq!(outcome.paid_twice, Vec::<String>::new(), "paid twice");
    assert_eq!(outcome.wrong, Vec::<String>::new(), "paid wrongly");
    assert_eq!(outcome.paid + outcome.claims, orders.len() as u64);
    let outcome = ledger.compare(released);
    assert_eq!(outcome.missing.len(), released.len(), "released and paid: {outcome:?}");
    let verdict = setup.json(&["reconcile"])?;
    assert_eq!(verdict["ok"], true, "{verdict}");
    let audit = verify_audit(setup, &[])?;
    assert_eq!(audit["ok"], true, "{audit}");
    Ok(())
}

/// What `spillway audit verify` says with `more` arguments. Where the test put an older database back, what that lost is
/// accepted by the hashes that the first answer names, as an auditor does who knows of it.
pub fn verify_audit(setup: &Setup, more: &[&str]) -> eyre::Result<Value> {
    let args = [["audit", "verify"].as_slice(), more].concat();
    let said = setup.json(&args)?;
    if said["ok"] == true || !setup.was_restored() {
        return Ok(said);
    }
    let lost = said["lost"].as_array().into_iter().flatten();
    let hashes: Vec<_> = lost.filter_map(|l| l["hash"].as_str()).collect();
    ensure!(!hashes.is_empty(), "{said}");
    setup.json(&[&args, ["--restored", &hashes.join(",")].as_slice()].concat())
}

/// The books prove themselves: every payout since the first block, and the audit chain against the heads on chain. No keeper
/// may run.
pub fn books_hold(world: &World, setup: &Setup) -> eyre::Result<()> {
    let output = setup.run(&["reconcile", "--deep"])?;
    let (said, failed) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "reconcile --deep ended with {}:\n{said}{failed}", output.status);
    let audit = verify_audit(setup, &["--rpc", &world.anvil.url()])?;
    ensure!(audit["ok"] == true, "audit verify: {audit}");
    Ok(())
}

/// How many open batches are of `kind` and stand at `state`.
pub fn open_batches(setup: &Setup, kind: &str, state: &str) -> eyre::Result<usize> {
    let status = setup.json(&["status"])?;
    let open = status["open_batches"].as_array().cloned().unwrap_or_default();
    Ok(open.iter().filter(|b| b["kind"] == kind && b["state"] == state).count())
}

/// Waits until `n` open batches of `kind` stand at `state`.
pub async fn until_open(setup: &Setup, kind: &str, state: &str, n: usize) -> eyre::Result<()> {
    eventually(&format!("{n} of kind {kind} are {state}"), Duration::from_secs(30), || async {
        Ok((open_batches(setup, kind, state)? >= n).then_some(()))
    })
    .await
    .wrap_err_with(|| setup.log_tail())
}

/// Replaces what must be in the keeper's configuration.
pub fn reconfigure(setup: &Setup, old: &str, new: &str) -> eyre::Result<()> {
    let text = std::fs::read_to_string(&setup.config)?;
    ensure!(text.contains(old), "the configuration has no {old:?}");
    Ok(std::fs::write(&setup.config, text.replace(old, new))?)
}

/// What the keeper has logged so far.
pub fn log(setup: &Setup) -> String {
    std::fs::read_to_string(setup.dir.join("keeper.log")).unwrap_or_default()
}
