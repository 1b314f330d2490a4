//! `make bench-keeper`: how many payouts a second the keeper brings on chain, from `spillway submit` to mined, over
//! SQLite, on a chain with a block each second.

#![expect(clippy::float_arithmetic, reason = "figures for people; nothing is paid by them")]

use alloy::primitives::{Address, U256, keccak256};
use eyre::{OptionExt, ensure};
use spillway::chain::abi::IVault;
use spillway_e2e::{
    bench::{Figures, median},
    chain_audit::{Expected, Ledger},
    eventually,
    keeper::{Keeper, Setup},
    orders::write_csv,
    world::{LANES, World},
};
use std::{
    env,
    time::{Duration, Instant},
};

const ORDERS: usize = 10_000;
const LANES_USED: usize = 3;
const RUNS: usize = 3;

#[tokio::main]
async fn main() -> eyre::Result<()> {
    let mut figures = Figures::default();
    let mut rates = Vec::new();
    for _ in 0..RUNS {
        rates.push(payouts_per_second().await?);
    }
    figures.add("payouts_per_second_sqlite", median(rates), "1/s");
    let path = figures.write("keeper")?;
    eprintln!("written to {}", path.display());
    Ok(())
}

async fn payouts_per_second() -> eyre::Result<f64> {
    let program = env::current_exe()?.parent().ok_or_eyre("no folder")?.join("spillway");
    ensure!(program.is_file(), "{} is missing: run `make bench-keeper`", program.display());
    let world = World::start(1.0).await?;
    let setup = Setup::new(&world, &program, LANES_USED, "[batch]\nwindow = \"300ms\"\n")?;
    let dai = world.asset("TDAI").address;
    let orders: Vec<Expected> = (0..ORDERS)
        .map(|i| Expected {
            key: format!("bench-{i}"),
            asset: dai,
            recipient: Address::from_slice(&keccak256(i.to_be_bytes())[..20]),
            amount: U256::from(1_000_000 + i),
        })
        .collect();
    let file = setup.dir.join("orders.csv");
    write_csv(&world, &file, &orders)?;
    let keeper = Keeper::start_ready(&setup).await?;

    let start = Instant::now();
    let output = setup.run(&["submit", &file.to_string_lossy()])?;
    ensure!(output.status.success(), "submit: {}", String::from_utf8_lossy(&output.stderr));
    let submitted = start.elapsed();
    let vault = IVault::new(world.vault(), world.provider());
    eventually("all are mined", Duration::from_secs(300), || async {
        let mut settled = 0;
        for (lane, _) in &LANES[..LANES_USED] {
            settled += vault.laneOf(*lane).call().await?.next - 1;
        }
        Ok((settled >= ORDERS as u64).then_some(()))
    })
    .await?;
    let seconds = start.elapsed().as_secs_f64();
    eprintln!("{ORDERS} orders: submitted in {:.2} s, mined in {seconds:.2} s", submitted.as_secs_f64());

    let outcome = Ledger::read(&world).await?.compare(&orders);
    ensure!(outcome.paid == ORDERS as u64, "not all are paid: {outcome:?}");
    keeper.stop()?;
    Ok(ORDERS as f64 / seconds)
}
