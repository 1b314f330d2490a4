//! The end of a keeper comes in a bounded time, whatever hangs, and loses nothing.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use spillway_e2e::{
    cases::{books_hold, check_paid, orders_of, submit},
    eventually,
    keeper::{Database, Keeper, Setup},
    link::Link,
    postgres::Postgres,
    world::World,
};
use std::{
    path::Path,
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_spillway-under-test");
const MORE: &str = "[batch]\nwindow = \"200ms\"\n";
/// Callers, steps, leases and the store get 3, 10, 3 and 10 seconds; one more for a loaded machine.
const BOUND: Duration = Duration::from_secs(27);

/// SIGTERM, and the time until the end.
async fn stop(keeper: &mut Keeper, setup: &Setup) -> eyre::Result<Duration> {
    Command::new("kill").arg(keeper.id().to_string()).status()?;
    let start = Instant::now();
    eventually("the keeper ends", 2 * BOUND, || {
        let ended = keeper.ended();
        async move { Ok(ended?.then_some(())) }
    })
    .await
    .map_err(|e| e.wrap_err(setup.log_tail()))?;
    Ok(start.elapsed())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_hangs_holds_up_neither_the_end_of_a_start_nor_that_of_a_run() -> eyre::Result<()> {
    let world = World::start(0.5).await?;
    let link = Link::open(world.anvil.port).await?;
    let url = format!("http://127.0.0.1:{}", link.port());
    let setup = Setup::new(&world, Path::new(PROGRAM), 2, MORE)?.through(&world, &url)?;

    link.cut();
    let mut keeper = Keeper::start(&setup)?;
    eventually("it opens for callers", Duration::from_secs(30), || async {
        Ok(setup.logged().contains("keeper starts").then_some(()))
    })
    .await?;
    let starting = stop(&mut keeper, &setup).await?;

    link.heal();
    let mut keeper = Keeper::start_ready(&setup).await?;
    let orders = orders_of(&world, "TUSD", "order", 40);
    submit(&world, &setup, &orders)?;
    link.cut();
    let running = stop(&mut keeper, &setup).await?;
    println!("stopped after {starting:?} while starting, {running:?} while running");
    assert!(starting < BOUND && running < BOUND, "{starting:?} {running:?}");

    link.heal();
    let keeper = Keeper::start_ready(&setup).await?;
    setup.settled(Duration::from_secs(60)).await?;
    keeper.stop()?;
    check_paid(&world, &setup, &orders, &[]).await?;
    books_hold(&world, &setup)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_hangs_does_not_hold_up_the_end() -> eyre::Result<()> {
    let world = World::start(0.5).await?;
    let server = Arc::new(Postgres::start().await?);
    let link = Link::open(server.port()).await?;
    let client = Setup::over(Database::Postgres(server.clone()), &world, Path::new(PROGRAM), 2, MORE)?;
    let through = (format!(":{}/keeper", server.port()), format!(":{}/keeper", link.port()));
    let setup = client.another("through", &[through])?;
    let mut keeper = Keeper::start_ready(&setup).await?;
    let orders = orders_of(&world, "TUSD", "order", 40);
    submit(&world, &client, &orders)?;
    link.cut();
    let running = stop(&mut keeper, &setup).await?;
    println!("stopped after {running:?}");
    assert!(running < BOUND, "{running:?}");

    link.heal();
    let keeper = Keeper::start_ready(&setup).await?;
    client.settled(Duration::from_secs(60)).await?;
    keeper.stop()?;
    check_paid(&world, &client, &orders, &[]).await
}
