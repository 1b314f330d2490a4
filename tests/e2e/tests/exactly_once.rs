//! Each withdrawal is paid exactly once: killed at any instant, at each named step, and with a store that went back.

use alloy::primitives::{Address, U256, keccak256};
use rand::RngExt;
use spillway_e2e::{
    cases::books_hold,
    chain_audit::{Expected, Ledger},
    keeper::{Database, Keeper, Setup},
    orders::write_csv,
    world::World,
};
use std::{path::Path, time::Duration};

const PROGRAM: &str = env!("CARGO_BIN_EXE_spillway-under-test");
const FAST: &str = "[batch]\nwindow = \"200ms\"\n[policy]\nhold_timeout = \"20s\"\n";

/// Orders over all assets, with some recipients that take no money.
fn orders(world: &World, from: usize, n: usize) -> Vec<Expected> {
    (from..from + n)
        .map(|i| {
            let asset = world.asset(["ETH", "TUSD", "TDAI"][i % 3]);
            let hostile = i % 33 == 0;
            let recipient = if hostile {
                world.recipients["reverter"]
            } else {
                Address::from_slice(&keccak256(i.to_be_bytes())[..20])
            };
            Expected {
                key: format!("order-{i}"),
                asset: asset.address,
                recipient,
                amount: U256::from(1_000_000 + i),
            }
        })
        .collect()
}

fn submit(world: &World, setup: &Setup, orders: &[Expected]) -> eyre::Result<()> {
    let file = setup.dir.join("orders.csv");
    write_csv(world, &file, orders)?;
    let output = setup.run(&["submit", &file.to_string_lossy()])?;
    eyre::ensure!(output.status.success(), "submit: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

async fn check(world: &World, setup: &Setup, orders: &[Expected]) -> eyre::Result<()> {
    let outcome = Ledger::read(world).await?.compare(orders);
    assert_eq!(outcome.missing, Vec::<String>::new(), "lost");
    assert_eq!(outcome.paid_twice, Vec::<String>::new(), "paid twice");
    assert_eq!(outcome.wrong, Vec::<String>::new(), "paid wrongly");
    assert_eq!(outcome.paid + outcome.claims, orders.len() as u64);
    books_hold(world, setup)
}

async fn killed_at_random_instants(database: Database) -> eyre::Result<()> {
    let kills: usize = std::env::var("SPILLWAY_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(50);
    let world = World::start(0.5).await?;
    let setup = Setup::over(database, &world, Path::new(PROGRAM), 2, FAST)?;
    let mut all = Vec::new();
    for round in 0..kills {
        let more = orders(&world, round * 12, 12);
        submit(&world, &setup, &more)?;
        all.extend(more);
        let keeper = Keeper::start(&setup)?;
        let pause = rand::rng().random_range(50..1_500);
        tokio::time::sleep(Duration::from_millis(pause)).await;
        keeper.kill()?;
    }
    let keeper = Keeper::start_ready(&setup).await?;
    setup.settled(Duration::from_secs(90)).await?;
    keeper.stop()?;
    check(&world, &setup, &all).await
}

/// How many attempts a start said that it sends again.
fn found_at_the_start(log: &str) -> eyre::Result<u64> {
    let report = log.lines().find(|line| line.contains("start: books at"));
    let report = report.ok_or_else(|| eyre::eyre!("the start does not say what it found:\n{log}"))?;
    let before = report.split_once(" attempts are sent again").map(|(before, _)| before);
    let count = before.and_then(|before| before.rsplit(' ').next()).and_then(|count| count.parse().ok());
    count.ok_or_else(|| eyre::eyre!("it names no count of attempts: {report}"))
}

async fn killed_at_each_named_step(database: Database) -> eyre::Result<()> {
    let world = World::start(0.5).await?;
    let setup = Setup::over(database, &world, Path::new(PROGRAM), 1, FAST)?;
    let (mut all, mut unsent) = (Vec::new(), false);
    for (round, step) in spillway::crash::POINTS.iter().enumerate() {
        let more = orders(&world, round * 9, 9);
        submit(&world, &setup, &more)?;
        all.extend(more);
        let logged = setup.logged().len();
        let mut keeper = Keeper::start_with_crash_at(&setup, step)?;
        spillway_e2e::eventually(&format!("death at {step}"), Duration::from_secs(30), || {
            let ended = keeper.ended();
            async move { Ok(ended?.then_some(())) }
        })
        .await?;
        let found = found_at_the_start(&setup.logged()[logged..])?;
        assert!(!unsent || found > 0, "an attempt was signed and not sent, the start found {found}");
        unsent = *step == "attempt.committed";
    }
    let keeper = Keeper::start_ready(&setup).await?;
    setup.settled(Duration::from_secs(60)).await?;
    keeper.stop()?;
    check(&world, &setup, &all).await
}

async fn a_restored_older_database_pays_nothing_twice(database: Database) -> eyre::Result<()> {
    let world = World::start(0.5).await?;
    let setup = Setup::over(database, &world, Path::new(PROGRAM), 2, FAST)?;
    let before = orders(&world, 0, 30);
    submit(&world, &setup, &before)?;
    let keeper = Keeper::start_ready(&setup).await?;
    setup.settled(Duration::from_secs(60)).await?;
    keeper.stop()?;
    setup.back_up().await?;

    let after = orders(&world, 30, 30);
    submit(&world, &setup, &after)?;
    let keeper = Keeper::start_ready(&setup).await?;
    setup.settled(Duration::from_secs(60)).await?;
    keeper.kill()?;
    setup.restore().await?;

    let mut all = before;
    all.extend(after);
    let new = orders(&world, 60, 15);
    all.extend(new);
    submit(&world, &setup, &all)?;
    let keeper = Keeper::start_ready(&setup).await?;
    setup.settled(Duration::from_secs(90)).await?;
    keeper.stop()?;
    assert!(Ledger::read(&world).await?.voids > 0, "the store went back, so the lanes are fenced");
    check(&world, &setup, &all).await
}

/// Each test over each engine.
macro_rules! over_both {
    ($($test:ident),*) => {
        mod over_sqlite {
            use super::*;
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() -> eyre::Result<()> {
                super::$test(Database::Sqlite).await
            })*
        }

        // Where the pinned binaries are made for.
        #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
        mod over_postgres {
            use super::*;
            use spillway_e2e::postgres::Postgres;
            use std::sync::Arc;
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() -> eyre::Result<()> {
                super::$test(Database::Postgres(Arc::new(Postgres::start().await?))).await
            })*
        }
    };
}

over_both!(
    killed_at_random_instants,
    killed_at_each_named_step,
    a_restored_older_database_pays_nothing_twice
);
