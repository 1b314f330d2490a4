//! Deadlines: what is not paid in time is released, and never both.

use alloy::providers::ext::AnvilApi;
use spillway_e2e::{
    cases::{by_hand, check_paid, orders_of, submit, submit_until, until_open},
    chain_audit::Ledger,
    eventually,
    keeper::{Database, Keeper, Setup},
    world::World,
};
use std::{path::Path, time::Duration};

const PROGRAM: &str = env!("CARGO_BIN_EXE_spillway-under-test");

async fn rejected(setup: &Setup, n: u64, limit: Duration) -> eyre::Result<()> {
    eventually(&format!("{n} released"), limit, || async {
        Ok((setup.count("rejected")? == n).then_some(()))
    })
    .await
}

async fn mine(world: &World, blocks: u64) -> eyre::Result<()> {
    for _ in 0..blocks {
        world.provider().evm_mine(None).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_number_it_is_released_at_once() -> eyre::Result<()> {
    let world = World::start(0.5).await?;
    // The window keeps all of them from a batch.
    let setup = Setup::new(&world, Path::new(PROGRAM), 1, "[batch]\nwindow = \"10s\"\n")?;
    let keeper = Keeper::start_ready(&setup).await?;
    let late = orders_of(&world, "TUSD", "late", 5);
    let other = orders_of(&world, "TUSD", "other", 5);
    submit_until(&world, &setup, &late, Duration::from_secs(1))?;
    submit(&world, &setup, &other)?;
    rejected(&setup, 5, Duration::from_secs(8)).await?;
    let view = setup.json(&["status", "late-0"])?;
    assert_eq!(view["reason"]["code"], "deadline_passed", "{view}");
    setup.settled(Duration::from_secs(40)).await?;
    keeper.stop()?;
    check_paid(&world, &setup, &other, &late).await
}

async fn it_is_released_when_the_void_is_final(database: Database) -> eyre::Result<()> {
    let world = by_hand().await?;
    let more = "[batch]\nwindow = \"200ms\"\n[fees]\nbump_after = \"1h\"\n";
    let setup = Setup::over(database, &world, Path::new(PROGRAM), 1, more)?;
    let keeper = Keeper::start_ready(&setup).await?;
    let late = orders_of(&world, "TUSD", "late", 3);
    let other = orders_of(&world, "TUSD", "other", 3);
    // The batch of the others builds on the numbers that are voided.
    submit_until(&world, &setup, &late, Duration::from_secs(10))?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    submit(&world, &setup, &other)?;
    until_open(&setup, "orders", "broadcast", 1).await?;
    until_open(&setup, "void", "broadcast", 1).await?;
    assert_eq!(setup.count("rejected")?, 0, "not before the void is final");
    mine(&world, 1).await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(setup.count("rejected")?, 0, "mined is not final");
    world.provider().anvil_set_interval_mining(1).await?;
    setup.settled(Duration::from_secs(60)).await?;
    assert_eq!(setup.count("rejected")?, 3);
    keeper.stop()?;
    assert_eq!(Ledger::read(&world).await?.voids, 1, "one number is enough");
    check_paid(&world, &setup, &other, &late).await
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_number_it_is_released_when_the_void_is_final_and_never_paid() -> eyre::Result<()> {
    it_is_released_when_the_void_is_final(Database::Sqlite).await
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[tokio::test(flavor = "multi_thread")]
async fn with_a_number_it_is_released_when_the_void_is_final_from_postgres() -> eyre::Result<()> {
    use spillway_e2e::postgres::Postgres;
    it_is_released_when_the_void_is_final(Database::Postgres(std::sync::Arc::new(Postgres::start().await?)))
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_payment_is_first_it_stands() -> eyre::Result<()> {
    let world = by_hand().await?;
    let more = "[batch]\nwindow = \"200ms\"\n[fees]\nbump_after = \"1h\"\n";
    let setup = Setup::new(&world, Path::new(PROGRAM), 1, more)?;
    let keeper = Keeper::start_ready(&setup).await?;
    let late = orders_of(&world, "TUSD", "late", 3);
    submit_until(&world, &setup, &late, Duration::from_secs(10))?;
    until_open(&setup, "orders", "broadcast", 1).await?;
    // The payment is mined, but not final, when the deadline passes.
    mine(&world, 1).await?;
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert_eq!(setup.count("rejected")?, 0);
    world.provider().anvil_set_interval_mining(1).await?;
    setup.settled(Duration::from_secs(40)).await?;
    keeper.stop()?;
    assert_eq!(Ledger::read(&world).await?.voids, 0);
    check_paid(&world, &setup, &late, &[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operators_own_deadline_counts_from_the_receipt() -> eyre::Result<()> {
    let world = by_hand().await?;
    let more = "[batch]\nwindow = \"200ms\"\n[policy]\ndeadline = \"8s\"\n[fees]\nbump_after = \"1h\"\n";
    let setup = Setup::new(&world, Path::new(PROGRAM), 2, more)?;
    let keeper = Keeper::start_ready(&setup).await?;
    let late = [orders_of(&world, "TUSD", "late", 3), orders_of(&world, "ETH", "late-eth", 3)].concat();
    submit(&world, &setup, &late)?;
    until_open(&setup, "void", "broadcast", 2).await?;
    world.provider().anvil_set_interval_mining(1).await?;
    rejected(&setup, 6, Duration::from_secs(40)).await?;
    keeper.stop()?;
    check_paid(&world, &setup, &[], &late).await
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_each_step_of_a_release_it_is_released_once() -> eyre::Result<()> {
    let world = by_hand().await?;
    let more = "[batch]\nwindow = \"200ms\"\n[policy]\ndeadline = \"8s\"\n[fees]\nbump_after = \"1h\"\n";
    let setup = Setup::new(&world, Path::new(PROGRAM), 1, more)?;
    let late = orders_of(&world, "TUSD", "late", 3);
    submit(&world, &setup, &late)?;
    for step in spillway::crash::DEADLINE_POINTS {
        let mut keeper = Keeper::start_with_crash_at(&setup, step)?;
        eventually(&format!("death at {step}"), Duration::from_secs(60), || {
            let ended = keeper.ended();
            async move { Ok(ended?.then_some(())) }
        })
        .await?;
        world.provider().anvil_set_interval_mining(1).await?;
    }
    let keeper = Keeper::start_ready(&setup).await?;
    rejected(&setup, 3, Duration::from_secs(40)).await?;
    keeper.stop()?;
    check_paid(&world, &setup, &[], &late).await
}
