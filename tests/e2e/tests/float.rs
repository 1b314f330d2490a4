//! The float goes away under batches that have their numbers already.

use alloy::{
    primitives::{Address, U256},
    providers::{Provider, ext::AnvilApi},
    sol_types::SolCall,
};
use spillway_e2e::{
    cases::{by_hand, check_paid, orders_of, submit, until_open},
    chain_audit::Ledger,
    eventually,
    keeper::{Database, Keeper, Setup},
    world::{DEPLOYER, TestToken, World, send},
};
use std::{path::Path, time::Duration};

const PROGRAM: &str = env!("CARGO_BIN_EXE_spillway-under-test");
const CONFIG: &str = "[batch]\nwindow = \"100ms\"\n[fees]\nbump_after = \"3s\"\n";

/// Moves all of a token from `from` to `to`, mined with the next block.
async fn move_all(world: &World, token: Address, from: Address, to: Address) -> eyre::Result<()> {
    let amount = world.balance(token, from).await?;
    let call = TestToken::transferCall { to, amount }.abi_encode();
    send(world.provider(), from, token, U256::ZERO, call.into()).await.map(drop)
}

/// The vault as the payer of that transfer: its coin is put back afterwards.
async fn drain(world: &World, token: Address, to: Address) -> eyre::Result<()> {
    let coin = world.provider().get_balance(world.vault()).await?;
    move_all(world, token, world.vault(), to).await?;
    world.provider().evm_mine(None).await?;
    Ok(world.provider().anvil_set_balance(world.vault(), coin).await?)
}

/// The float of one asset leaves the vault while a batch of it waits for its block: the batch can only revert.
async fn the_float_goes_away(database: Database) -> eyre::Result<()> {
    let world = by_hand().await?;
    let setup = Setup::over(database, &world, Path::new(PROGRAM), 1, CONFIG)?;
    let keeper = Keeper::start_ready(&setup).await?;
    let short = orders_of(&world, "TUSD", "short", 3);
    submit(&world, &setup, &short)?;
    until_open(&setup, "orders", "broadcast", 1).await?;
    let token = world.asset("TUSD").address;
    // What the keeper sent is not in this block.
    world.provider().anvil_drop_all_transactions().await?;
    drain(&world, token, DEPLOYER).await?;

    world.provider().anvil_set_interval_mining(1).await?;
    let others = [orders_of(&world, "TDAI", "dai", 3), orders_of(&world, "ETH", "coin", 3)].concat();
    submit(&world, &setup, &others)?;
    eventually("the others are paid", Duration::from_secs(60), || async {
        Ok((setup.count("paid")? == 6 && setup.open()? == 3).then_some(()))
    })
    .await
    .map_err(|e| e.wrap_err(setup.log_tail()))?;

    // Nothing explains where it went: the asset is stopped until somebody books the loss.
    keeper.stop()?;
    setup.json(&["reconcile", "--write-off", "TUSD", "--reason", "a test took it"])?;
    let keeper = Keeper::start_ready(&setup).await?;
    eventually("these are held", Duration::from_secs(60), || async {
        Ok((setup.count("held")? == 3).then_some(()))
    })
    .await
    .map_err(|e| e.wrap_err(setup.log_tail()))?;
    let view = setup.json(&["status", "short-0"])?;
    assert_eq!(view["reason"]["code"], "float_insufficient", "{view}");
    let history = view["history"].to_string();
    assert!(history.contains("given up without a payment"), "the transition is recorded: {history}");
    assert_eq!(Ledger::read(&world).await?.voids, 1);

    move_all(&world, token, DEPLOYER, world.vault()).await?;
    setup.settled(Duration::from_secs(60)).await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    keeper.stop()?;
    check_paid(&world, &setup, &[short, others].concat(), &[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_funded_batch_that_the_float_no_longer_covers_goes_back_and_frees_its_lane() -> eyre::Result<()> {
    the_float_goes_away(Database::Sqlite).await
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[tokio::test(flavor = "multi_thread")]
async fn a_funded_batch_that_the_float_no_longer_covers_goes_back_on_postgres() -> eyre::Result<()> {
    use spillway_e2e::postgres::Postgres;
    the_float_goes_away(Database::Postgres(std::sync::Arc::new(Postgres::start().await?))).await
}
