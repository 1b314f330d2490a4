//! The demo: a thousand withdrawals through three doors, good and bad, a keeper that is killed midway, and an audit of
//! the chain at the end that does not ask the keeper.
//!
//! `DEMO_HEADLESS=1` ends by itself, with exit code 0 only if all is well; its last line is one JSON object.
//! `FORK_URL` runs the same on a fork of that chain.

mod clients;
mod plan;
mod refill;
mod report;

use clients::{Answers, Clients};
use eyre::{OptionExt, ensure};
use plan::Plan;
use spillway_e2e::{
    chain_audit::Ledger,
    eventually,
    keeper::{Keeper, Setup},
    world::World,
};
use std::{
    env,
    process::ExitCode,
    time::{Duration, Instant},
};

const BLOCK_TIME: f64 = 1.0;
const LANES: usize = 2;
const CONFIG: &str = "[batch]\nwindow = \"500ms\"\n[policy]\nhold_timeout = \"10s\"\n";

fn main() -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// True when all is well.
async fn run() -> eyre::Result<bool> {
    let headless = env::var("DEMO_HEADLESS").is_ok_and(|v| !v.is_empty() && v != "0");
    let fork = env::var("FORK_URL").ok().filter(|url| !url.is_empty());
    let program = env::current_exe()?.parent().ok_or_eyre("no folder")?.join("spillway");
    ensure!(program.is_file(), "{} is missing: run `make demo`", program.display());

    tell("starting anvil and deploying the vault");
    let world = match &fork {
        Some(url) => World::fork(url, BLOCK_TIME).await?,
        None => World::start(BLOCK_TIME).await?,
    };
    let setup = Setup::new(&world, &program, LANES, CONFIG)?;
    let plan = Plan::new(&world);
    tell(&format!("vault {} on {}", world.vault(), world.anvil.url()));
    let keeper = Keeper::start_ready(&setup).await?;
    tell(&format!("keeper at {}", setup.api("/")));

    let start = Instant::now();
    tell("sending withdrawals: a CSV file, HTTP clients, requests on chain by many accounts");
    let clients = Clients::new(&world, &setup, &plan);
    let (answers, keeper) = tokio::join!(clients.run(), kill_midway(&world, &setup, keeper));
    let (mut answers, keeper) = (answers?, keeper?);
    tell("everything is sent; waiting until each withdrawal has ended");
    setup.settled(Duration::from_secs(300)).await?;
    let seconds = start.elapsed().as_secs();
    clients.read_rejections(&mut answers)?;

    let result = audit(&world, &setup, &plan, &answers, seconds).await?;
    report::print(&result, &answers);
    tell("a wave of withdrawals in an asset that the vault lacks");
    let (keeper, refill) = refill::act(&world, &setup, keeper).await?;
    refill::print(&refill);
    if !headless {
        tell(&format!("the keeper still runs at {}; Ctrl-C ends it", setup.api("/")));
        tokio::signal::ctrl_c().await?;
    }
    drop(keeper);
    let mut document = serde_json::to_value(&result)?;
    document["refill"] = serde_json::to_value(&refill)?;
    println!("{document}");
    Ok(result.all_is_well() && refill.is_well())
}

/// SIGKILL after the first settlements are on chain, while clients are sending and batches are on the way; then a new
/// keeper over the same files.
async fn kill_midway(world: &World, setup: &Setup, keeper: Keeper) -> eyre::Result<Keeper> {
    eventually("a first settlement", Duration::from_secs(120), || async {
        Ok((Ledger::read(world).await?.batches >= 2).then_some(()))
    })
    .await?;
    let open = setup.open()?;
    keeper.kill()?;
    tell(&format!("SIGKILL: the keeper is dead, with {open} withdrawals open"));
    tokio::time::sleep(Duration::from_secs(2)).await;
    let keeper = Keeper::start_ready(setup).await?;
    tell("the keeper is back, over the same files");
    Ok(keeper)
}

/// The outcome: what was paid comes from the chain; the keeper is asked only what is open and what its own
/// reconciliation says.
async fn audit(
    world: &World,
    setup: &Setup,
    plan: &Plan,
    answers: &Answers,
    seconds: u64,
) -> eyre::Result<report::Outcome> {
    let ledger = Ledger::read(world).await?;
    let mut outcome = ledger.compare(&plan.orders());
    let requests = ledger.compare_requests(&plan.requests);
    outcome.paid += requests.paid;
    outcome.claims += requests.claims;
    outcome.missing.extend(requests.missing);
    outcome.paid_twice.extend(requests.paid_twice);
    outcome.wrong.extend(requests.wrong);
    let held = ledger.holdings(world, &plan.good()).await?;
    let verdict = setup.json(&["reconcile"])?;
    let payouts: u64 = ledger.orders.values().chain(ledger.requests.values()).map(|p| p.len() as u64).sum();
    let excess = payouts.saturating_sub(plan.good().len() as u64);
    Ok(report::Outcome {
        withdrawals: plan.count(),
        paid: outcome.paid,
        claims: outcome.claims,
        rejected: answers.rejected(),
        pending: setup.open()?,
        double_paid: excess.max(outcome.paid_twice.len() as u64).max(held.over),
        lost: (outcome.missing.len() as u64 + outcome.wrong.len() as u64).max(held.short),
        batches: ledger.batches,
        gas_per_payout: ledger.gas.checked_div(payouts).unwrap_or_default(),
        seconds,
        reconciled: verdict["ok"] == true,
        repeated: answers.repeated,
    })
}

fn tell(line: &str) {
    eprintln!("  {line}");
}
