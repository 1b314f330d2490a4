//! Fees: a spike is outbid, what stays stuck is given up and signed again, what costs more than it is worth waits.

use alloy::{
    primitives::U256,
    providers::{Provider, ext::AnvilApi},
};
use spillway_e2e::{
    cases::{by_hand, check_paid, open_batches, orders_of, submit, until_open},
    chain_audit::{Expected, Ledger},
    eventually,
    keeper::{Database, Keeper, Setup},
    world::{LANES, World},
};
use std::{path::Path, time::Duration};

const PROGRAM: &str = env!("CARGO_BIN_EXE_spillway-under-test");
const GWEI: u128 = 1_000_000_000;

/// A block at a base fee.
async fn block_at(world: &World, base_fee: u128) -> eyre::Result<()> {
    world.provider().anvil_set_next_block_base_fee_per_gas(base_fee).await?;
    world.provider().evm_mine(None).await?;
    Ok(())
}

/// A keeper with `fees` whose batch of `n` orders is sent and not mined.
async fn sent(
    world: &World,
    fees: &str,
    name: &str,
    n: usize,
) -> eyre::Result<(Setup, Keeper, Vec<Expected>)> {
    let more = format!("[batch]\nwindow = \"100ms\"\n[fees]\nbump_after = \"1s\"\n{fees}\n");
    let setup = Setup::new(world, Path::new(PROGRAM), 1, &more)?;
    let keeper = Keeper::start_ready(&setup).await?;
    let orders = orders_of(world, "TUSD", name, n);
    submit(world, &setup, &orders)?;
    until_open(&setup, "orders", "broadcast", 1).await?;
    Ok((setup, keeper, orders))
}

/// Blocks at a base fee until no withdrawal is open.
async fn settled_at(world: &World, setup: &Setup, base_fee: u128) -> eyre::Result<()> {
    eventually("it is paid at that fee", Duration::from_secs(90), || async {
        block_at(world, base_fee).await?;
        tokio::time::sleep(Duration::from_millis(400)).await;
        Ok((setup.open()? == 0).then_some(()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stuck_attempt_is_replaced_under_a_fee_spike() -> eyre::Result<()> {
    let world = by_hand().await?;
    let (setup, keeper, orders) = sent(&world, "max_bumps = 100", "spike", 5).await?;
    // Thirty times what was offered, block after block.
    settled_at(&world, &setup, 60 * GWEI).await?;
    keeper.stop()?;
    check_paid(&world, &setup, &orders, &[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_ceiling_it_waits_with_a_reason_and_without_churn() -> eyre::Result<()> {
    let world = by_hand().await?;
    let (setup, keeper, orders) = sent(&world, "max_fee_gwei = 3", "ceiling", 3).await?;
    eventually("it says that the ceiling holds it", Duration::from_secs(30), || async {
        block_at(&world, 50 * GWEI).await?;
        let view = setup.json(&["status", "ceiling-0"])?;
        let reason = view["fee"]["reason"].as_str().unwrap_or_default().to_owned();
        Ok(reason.contains("fees.max_fee_gwei").then_some(()))
    })
    .await?;
    assert_eq!(open_batches(&setup, "cancel", "broadcast")?, 0, "a cancel could not be mined either");
    settled_at(&world, &setup, GWEI / 2).await?;
    keeper.stop()?;
    check_paid(&world, &setup, &orders, &[]).await
}

/// rrelayer #99: the cancel of one transaction stranded those behind it.
async fn a_cancel_strands_nothing_behind_it(database: Database) -> eyre::Result<()> {
    let world = by_hand().await?;
    let before = world.provider().get_transaction_count(LANES[0].0).await?;
    let more = "[batch]\nwindow = \"100ms\"\n[fees]\nbump_after = \"1s\"\nmax_bumps = 2\n";
    let setup = Setup::over(database, &world, Path::new(PROGRAM), 1, more)?;
    // Three batches in a row: what builds on the first goes back with it.
    let mut all = Vec::new();
    for symbol in ["TUSD", "TDAI", "ETH"] {
        all.extend(orders_of(&world, symbol, &format!("cap-{symbol}"), 4));
    }
    submit(&world, &setup, &all)?;
    let keeper = Keeper::start_ready(&setup).await?;
    until_open(&setup, "cancel", "broadcast", 1).await?;
    world.provider().anvil_set_interval_mining(1).await?;
    setup.settled(Duration::from_secs(90)).await?;
    keeper.stop()?;
    let used = world.provider().get_transaction_count(LANES[0].0).await? - before;
    let settlements = Ledger::read(&world).await?.batches;
    assert!(
        settlements >= 3 && used > settlements,
        "{used} nonces for {settlements} batches: none was cancelled"
    );
    check_paid(&world, &setup, &all, &[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_cap_the_nonce_is_cancelled_and_the_batch_paid_once_at_a_later_one() -> eyre::Result<()> {
    a_cancel_strands_nothing_behind_it(Database::Sqlite).await
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[tokio::test(flavor = "multi_thread")]
async fn after_the_cap_the_nonce_is_cancelled_and_the_batch_paid_once_from_postgres() -> eyre::Result<()> {
    use spillway_e2e::postgres::Postgres;
    a_cancel_strands_nothing_behind_it(Database::Postgres(std::sync::Arc::new(Postgres::start().await?)))
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_takes_far_more_gas_than_the_one_before_waits_for_nothing() -> eyre::Result<()> {
    let world = World::start(0.5).await?;
    let setup = Setup::new(&world, Path::new(PROGRAM), 1, "[batch]\nwindow = \"300ms\"\n")?;
    let keeper = Keeper::start_ready(&setup).await?;
    // Whoever has coin already costs a quarter of a new recipient.
    let known = orders_of(&world, "ETH", "known", 9);
    for order in &known {
        world.provider().anvil_set_balance(order.recipient, U256::ONE).await?;
    }
    submit(&world, &setup, &known)?;
    setup.settled(Duration::from_secs(30)).await?;
    let new = orders_of(&world, "ETH", "new", 18);
    submit(&world, &setup, &new)?;
    // Within the minute for which an estimate is taken to hold.
    setup.settled(Duration::from_secs(30)).await?;
    keeper.stop()?;
    let outcome = Ledger::read(&world).await?.compare(&new);
    assert_eq!((outcome.paid, outcome.missing), (18, Vec::new()));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_costs_more_than_its_share_waits_for_a_cheaper_moment() -> eyre::Result<()> {
    let world = World::start(0.5).await?;
    let more = "[batch]\nwindow = \"100ms\"\n[fees]\nmax_share_bps = 10000\nhold = \"1h\"\n";
    let setup = Setup::new(&world, Path::new(PROGRAM), 1, more)?;
    let keeper = Keeper::start_ready(&setup).await?;
    // A million wei, less than its gas, and a token whose price nobody knows.
    let mut dust = orders_of(&world, "ETH", "dust", 3);
    let token = orders_of(&world, "TUSD", "token", 3);
    submit(&world, &setup, &[dust.clone(), token.clone()].concat())?;
    eventually("the dust is held, the token paid", Duration::from_secs(30), || async {
        Ok((setup.count("held")? == 3 && setup.count("paid")? == 3).then_some(()))
    })
    .await?;
    let view = setup.json(&["status", "dust-0"])?;
    assert_eq!(view["reason"]["code"], "fee_above_share", "{view}");
    assert!(view["fee"]["gas"].as_u64().is_some_and(|gas| gas > 20_000), "{view}");
    keeper.stop()?;

    // Past the hold it is paid all the same, because fees.after_hold says so.
    let config = std::fs::read_to_string(&setup.config)?;
    std::fs::write(&setup.config, config.replace("hold = \"1h\"", "hold = \"1s\""))?;
    let keeper = Keeper::start_ready(&setup).await?;
    setup.settled(Duration::from_secs(30)).await?;
    keeper.stop()?;

    // Or released, when it says that.
    let config = std::fs::read_to_string(&setup.config)?;
    std::fs::write(&setup.config, config.replace("hold = \"1s\"", "hold = \"1s\"\nafter_hold = \"reject\""))?;
    let keeper = Keeper::start_ready(&setup).await?;
    let released = orders_of(&world, "ETH", "released", 2);
    let worth_it = {
        let mut orders = orders_of(&world, "ETH", "worth", 2);
        orders.iter_mut().for_each(|o| o.amount = U256::from(10).pow(U256::from(18)));
        orders
    };
    submit(&world, &setup, &[released.clone(), worth_it.clone()].concat())?;
    setup.settled(Duration::from_secs(30)).await?;
    keeper.stop()?;
    dust.extend(token);
    dust.extend(worth_it);
    check_paid(&world, &setup, &dust, &released).await
}
