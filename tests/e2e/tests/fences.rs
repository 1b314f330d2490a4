//! Fences: voids that must become final before anything is paid, whatever becomes of the chain and of a lane's key.

use alloy::{
    primitives::U256,
    providers::{Provider, ext::AnvilApi},
    sol_types::SolCall,
};
use spillway::chain::abi::IVault;
use spillway_e2e::{
    cases::{by_hand, check_paid, log, orders_of, reconfigure, submit, until_open},
    chain_audit::Ledger,
    eventually,
    keeper::{Database, Keeper, Setup},
    proxy::{Fault, Proxy, Rule},
    world::{GUARDIAN, LANES, World, send},
};
use std::{path::Path, time::Duration};
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
use {spillway_e2e::postgres::Postgres, std::sync::Arc};

const PROGRAM: &str = env!("CARGO_BIN_EXE_spillway-under-test");
const FAST: &str = "[batch]\nwindow = \"100ms\"\n[fees]\nbump_after = \"2s\"\n";

fn set_up(database: Database, world: &World, lanes: usize) -> eyre::Result<Setup> {
    let setup = Setup::over(database, world, Path::new(PROGRAM), lanes, FAST)?;
    reconfigure(&setup, "[store]\n", "[store]\nlease = \"1s\"\n")?;
    Ok(setup)
}

/// The void builds on a payment that is mined, and a reorganisation takes that away: the void can never be settled, and
/// nothing fills the nonces below it.
async fn a_reorg_under_a_void(database: Database) -> eyre::Result<()> {
    let world = by_hand().await?;
    let setup = set_up(database, &world, 1)?;
    reconfigure(&setup, "[chain]\n", "[chain]\nfinality = { confirmations = 8 }\n")?;
    let keeper = Keeper::start_ready(&setup).await?;
    let orders = orders_of(&world, "TUSD", "reorged", 3);
    submit(&world, &setup, &orders)?;
    until_open(&setup, "orders", "broadcast", 1).await?;
    world.provider().evm_mine(None).await?;
    until_open(&setup, "orders", "mined", 1).await?;
    keeper.stop()?;

    std::fs::remove_file(setup.dir.join("spillway.generation"))?;
    let keeper = Keeper::start_ready(&setup).await?;
    until_open(&setup, "void", "broadcast", 1).await?;
    let waits = orders_of(&world, "TUSD", "fenced", 1);
    submit(&world, &setup, &waits)?;
    eventually("`explain` says that it waits for the fence", Duration::from_secs(20), || async {
        let said = setup.json(&["explain", "fenced-0"])?;
        Ok((said["cause"]["code"] == "fenced").then_some(()))
    })
    .await?;
    assert!(world.anvil.reorg(1).await?);
    world.provider().anvil_drop_all_transactions().await?;
    world.provider().anvil_set_interval_mining(1).await?;
    setup.settled(Duration::from_secs(90)).await?;
    keeper.stop()?;
    assert!(
        log(&setup).contains("fence: a void that cannot be mined any more is given up"),
        "it was noticed"
    );
    check_paid(&world, &setup, &[orders, waits].concat(), &[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_void_on_blocks_that_a_reorg_took_back_is_given_up_for_another() -> eyre::Result<()> {
    a_reorg_under_a_void(Database::Sqlite).await
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[tokio::test(flavor = "multi_thread")]
async fn a_void_on_blocks_that_a_reorg_took_back_is_given_up_on_postgres() -> eyre::Result<()> {
    a_reorg_under_a_void(Database::Postgres(Arc::new(Postgres::start().await?))).await
}

/// One lane, whose keeper reaches its node through a proxy.
async fn through_a_proxy() -> eyre::Result<(World, Proxy, Setup)> {
    let world = World::start(0.5).await?;
    world.past_the_loaded(20).await?;
    let proxy = Proxy::start(&world.anvil.url(), 1).await?;
    let setup = set_up(Database::Sqlite, &world, 1)?.through(&world, &proxy.url())?;
    Ok((world, proxy, setup))
}

/// The node was behind when the fence was planned: the number that its void gives up was settled long ago.
#[tokio::test(flavor = "multi_thread")]
async fn a_void_on_the_view_of_a_node_that_lags_is_given_up_for_another() -> eyre::Result<()> {
    let (world, proxy, setup) = through_a_proxy().await?;
    let before = world.provider().get_block_number().await?;
    let first = orders_of(&world, "TUSD", "first", 3);
    submit(&world, &setup, &first)?;
    let keeper = Keeper::start_ready(&setup).await?;
    setup.settled(Duration::from_secs(40)).await?;
    keeper.stop()?;

    std::fs::remove_file(setup.dir.join("spillway.generation"))?;
    let behind = world.provider().get_block_number().await? - before;
    proxy.set(&[Rule::all(Fault::Lag(behind + 10), 100)]);
    let mut keeper = Keeper::start(&setup)?;
    until_open(&setup, "void", "broadcast", 1).await?;
    proxy.heal();
    keeper.ready(&setup).await?;
    let second = orders_of(&world, "TUSD", "second", 3);
    submit(&world, &setup, &second)?;
    setup.settled(Duration::from_secs(60)).await?;
    keeper.stop()?;
    check_paid(&world, &setup, &[first, second].concat(), &[]).await
}

/// The past that is lost fenced the lane at the same number, and paid on. A node that is behind shows the lane where it was
/// then: the void that is planned on that is the same as the old one, whose event proves nothing of what was sent since.
#[tokio::test(flavor = "multi_thread")]
async fn a_void_that_a_lost_past_sent_too_ends_no_fence() -> eyre::Result<()> {
    let (world, proxy, setup) = through_a_proxy().await?;
    let first = orders_of(&world, "TUSD", "first", 3);
    submit(&world, &setup, &first)?;
    let keeper = Keeper::start_ready(&setup).await?;
    setup.settled(Duration::from_secs(40)).await?;
    keeper.stop()?;
    setup.back_up().await?;
    let then = world.provider().get_block_number().await?;

    std::fs::remove_file(setup.dir.join("spillway.generation"))?;
    let keeper = Keeper::start_ready(&setup).await?;
    let second = orders_of(&world, "TUSD", "second", 3);
    submit(&world, &setup, &second)?;
    setup.settled(Duration::from_secs(40)).await?;
    keeper.stop()?;
    assert_eq!(Ledger::read(&world).await?.voids, 1);

    setup.restore().await?;
    let behind = world.provider().get_block_number().await? - then;
    proxy.set(&[Rule::all(Fault::Lag(behind), 100)]);
    let mut keeper = Keeper::start(&setup)?;
    until_open(&setup, "void", "broadcast", 1).await?;
    proxy.heal();
    keeper.ready(&setup).await?;
    let third = orders_of(&world, "TUSD", "third", 3);
    submit(&world, &setup, &[second.clone(), third.clone()].concat())?;
    setup.settled(Duration::from_secs(60)).await?;
    keeper.stop()?;
    assert_eq!(Ledger::read(&world).await?.voids, 2, "the fence had a void of its own");
    check_paid(&world, &setup, &[first, second, third].concat(), &[]).await
}

/// The backup is of a store whose lane was fenced, and whose void was mined. In the past that is lost the fence ended, and
/// the lane paid: that the old void is final says nothing of it.
async fn a_backup_within_a_fence(database: Database) -> eyre::Result<()> {
    let world = by_hand().await?;
    let setup = set_up(database, &world, 1)?;
    reconfigure(&setup, "[chain]\n", "[chain]\nfinality = { confirmations = 8 }\n")?;
    let chain = world.provider();
    let first = orders_of(&world, "TUSD", "first", 3);
    submit(&world, &setup, &first)?;
    let keeper = Keeper::start_ready(&setup).await?;
    until_open(&setup, "orders", "broadcast", 1).await?;
    chain.anvil_mine(Some(12), None).await?;
    setup.settled(Duration::from_secs(60)).await?;
    keeper.stop()?;

    std::fs::remove_file(setup.dir.join("spillway.generation"))?;
    setup.past_is_lost()?;
    let keeper = Keeper::start_ready(&setup).await?;
    until_open(&setup, "void", "broadcast", 1).await?;
    chain.evm_mine(None).await?;
    until_open(&setup, "void", "mined", 1).await?;
    keeper.kill()?;
    setup.back_up().await?;

    let keeper = Keeper::start_ready(&setup).await?;
    chain.anvil_mine(Some(12), None).await?;
    let second = orders_of(&world, "TUSD", "second", 3);
    submit(&world, &setup, &second)?;
    until_open(&setup, "orders", "broadcast", 1).await?;
    chain.evm_mine(None).await?;
    until_open(&setup, "orders", "mined", 1).await?;
    keeper.kill()?;

    setup.restore().await?;
    submit(&world, &setup, &second)?;
    let keeper = Keeper::start_ready(&setup).await?;
    until_open(&setup, "void", "broadcast", 1).await?;
    assert_eq!(Ledger::read(&world).await?.voids, 1, "it is another one");
    chain.anvil_set_interval_mining(1).await?;
    setup.settled(Duration::from_secs(90)).await?;
    keeper.stop()?;
    check_paid(&world, &setup, &[first, second].concat(), &[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_was_backed_up_within_a_fence_is_fenced_anew() -> eyre::Result<()> {
    a_backup_within_a_fence(Database::Sqlite).await
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_was_backed_up_within_a_fence_is_fenced_anew_on_postgres() -> eyre::Result<()> {
    a_backup_within_a_fence(Database::Postgres(Arc::new(Postgres::start().await?))).await
}

/// The store went back to before both lanes paid. The payments are not mined, and one lane's key is gone.
async fn an_old_store_without_a_key(database: Database) -> eyre::Result<()> {
    let world = by_hand().await?;
    let setup = set_up(database, &world, 2)?;
    let keeper = Keeper::start_ready(&setup).await?;
    keeper.stop()?;
    setup.back_up().await?;
    let keeper = Keeper::start_ready(&setup).await?;
    let orders = [orders_of(&world, "TUSD", "token", 3), orders_of(&world, "ETH", "coin", 3)].concat();
    submit(&world, &setup, &orders)?;
    until_open(&setup, "orders", "broadcast", 2).await?;
    keeper.kill()?;

    setup.restore().await?;
    reconfigure(&setup, "[[lanes]]\nprivate_key_env = \"LANE_1\"\n", "")?;
    submit(&world, &setup, &orders)?;
    let keeper = Keeper::start_ready(&setup).await?;
    until_open(&setup, "void", "broadcast", 1).await?;
    world.provider().anvil_set_interval_mining(1).await?;
    setup.settled(Duration::from_secs(90)).await?;
    keeper.stop()?;
    let vault = IVault::new(world.vault(), world.provider());
    assert!(vault.laneOf(LANES[1].0).call().await?.next > 1, "the lane without a key was fenced too");
    check_paid(&world, &setup, &orders, &[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fenced_lane_whose_key_is_gone_is_voided_by_another_and_stops_nobody() -> eyre::Result<()> {
    an_old_store_without_a_key(Database::Sqlite).await
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[tokio::test(flavor = "multi_thread")]
async fn a_fenced_lane_whose_key_is_gone_stops_nobody_on_postgres() -> eyre::Result<()> {
    an_old_store_without_a_key(Database::Postgres(Arc::new(Postgres::start().await?))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fenced_lane_that_is_disabled_on_chain_stops_nobody() -> eyre::Result<()> {
    let world = World::start(0.5).await?;
    let setup = set_up(Database::Sqlite, &world, 2)?;
    let first = orders_of(&world, "TUSD", "first", 3);
    submit(&world, &setup, &first)?;
    let keeper = Keeper::start_ready(&setup).await?;
    setup.settled(Duration::from_secs(40)).await?;
    keeper.stop()?;
    world.provider().anvil_set_balance(GUARDIAN, U256::from(10).pow(U256::from(18))).await?;
    let call = IVault::disableLaneCall { lane: LANES[1].0 }.abi_encode();
    let disabled = send(world.provider(), GUARDIAN, world.vault(), U256::ZERO, call.into()).await?;
    assert!(disabled.get_receipt().await?.status());

    std::fs::remove_file(setup.dir.join("spillway.generation"))?;
    let second = orders_of(&world, "TUSD", "second", 3);
    submit(&world, &setup, &second)?;
    let keeper = Keeper::start_ready(&setup).await?;
    setup.settled(Duration::from_secs(60)).await?;
    keeper.stop()?;
    assert_eq!(Ledger::read(&world).await?.voids, 2);
    check_paid(&world, &setup, &[first, second].concat(), &[]).await
}
