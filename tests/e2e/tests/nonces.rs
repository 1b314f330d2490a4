//! Nonces that others use, nonces that nothing holds, a node that forgets, a lane without money for gas.

use alloy::{
    network::TransactionBuilder,
    primitives::U256,
    providers::{Provider, ext::AnvilApi},
    rpc::types::TransactionRequest,
};
use spillway_e2e::{
    anvil::Options,
    cases::{by_hand, check_paid, log, orders_of, submit, until_open},
    eventually,
    keeper::{Keeper, Setup},
    world::{LANES, World, amount_of_ether},
};
use sqlx::{Connection, SqliteConnection};
use std::{path::Path, time::Duration};

const PROGRAM: &str = env!("CARGO_BIN_EXE_spillway-under-test");
const FAST: &str = "[batch]\nwindow = \"200ms\"\n[fees]\nbump_after = \"3s\"\n";

/// A transaction of the lane's account that the keeper knows nothing of, at the next nonce that is not mined: it takes the
/// place of what the keeper sent there.
async fn outside(world: &World, lane: usize) -> eyre::Result<()> {
    let (lane, provider) = (LANES[lane].0, world.provider());
    eventually("an outside transaction is mined", Duration::from_secs(20), || async {
        let nonce = provider.get_transaction_count(lane).await?;
        let request = TransactionRequest::default()
            .with_from(lane)
            .with_to(lane)
            .with_nonce(nonce)
            .with_value(U256::ZERO)
            .with_gas_limit(21_000)
            .with_max_fee_per_gas(100_000_000_000)
            .with_max_priority_fee_per_gas(50_000_000_000);
        // Refused when the nonce was mined meanwhile: then the next one.
        let Ok(sent) = provider.send_transaction(request).await else { return Ok(None) };
        let hash = *sent.tx_hash();
        tokio::time::sleep(Duration::from_millis(800)).await;
        Ok(provider.get_transaction_receipt(hash).await?.map(drop))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn nonces_used_by_an_outside_transaction_are_survived() -> eyre::Result<()> {
    let world = World::start(0.5).await?;
    let setup = Setup::new(&world, Path::new(PROGRAM), 1, FAST)?;
    let keeper = Keeper::start_ready(&setup).await?;
    let mut all = Vec::new();
    for round in 0..4 {
        for symbol in ["ETH", "TUSD", "TDAI"] {
            let more = orders_of(&world, symbol, &format!("{symbol}-{round}"), 4);
            submit(&world, &setup, &more)?;
            all.extend(more);
        }
        // Between and under those that are on their way.
        outside(&world, 0).await?;
        outside(&world, 0).await?;
    }
    setup.settled(Duration::from_secs(90)).await?;
    keeper.stop()?;
    check_paid(&world, &setup, &all, &[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_mempool_evicts_is_sent_again_within_seconds() -> eyre::Result<()> {
    let world = World::start_with(Options { block_time: Some(1.0), ..Options::default() }).await?;
    let more = "[batch]\nwindow = \"100ms\"\n[fees]\nbump_after = \"1h\"\n";
    let setup = Setup::new(&world, Path::new(PROGRAM), 2, more)?;
    let keeper = Keeper::start_ready(&setup).await?;
    // Nothing is mined at this base fee, and the attempts offer far less than a spike.
    let mut all = Vec::new();
    for round in 0..6 {
        let more = orders_of(&world, ["TUSD", "TDAI", "ETH"][round % 3], &format!("evicted-{round}"), 5);
        submit(&world, &setup, &more)?;
        all.extend(more);
        tokio::time::sleep(Duration::from_millis(350)).await;
        world.provider().anvil_drop_all_transactions().await?;
    }
    setup.settled(Duration::from_secs(20)).await?;
    keeper.stop()?;
    check_paid(&world, &setup, &all, &[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn nonces_that_the_books_skip_are_given_out_again_or_filled_within_seconds() -> eyre::Result<()> {
    let world = World::start(0.5).await?;
    let setup = Setup::new(&world, Path::new(PROGRAM), 1, FAST)?;
    let first = orders_of(&world, "TUSD", "before", 3);
    submit(&world, &setup, &first)?;
    let keeper = Keeper::start_ready(&setup).await?;
    setup.settled(Duration::from_secs(30)).await?;
    keeper.stop()?;

    // As when transactions that the books gave up were forgotten by every node.
    let nonce = world.provider().get_transaction_count(LANES[0].0).await?;
    let url = format!("sqlite://{}/spillway.db", setup.dir.display());
    let pool = sqlx::any::AnyPoolOptions::new();
    sqlx::any::install_default_drivers();
    let pool = pool.max_connections(1).connect(&url).await?;
    let skipped = i64::try_from(nonce + 2)?;
    sqlx::query("UPDATE lanes SET nonce = $1").bind(skipped).execute(&pool).await?;
    pool.close().await;

    let second = orders_of(&world, "TUSD", "after", 3);
    submit(&world, &setup, &second)?;
    let keeper = Keeper::start_ready(&setup).await?;
    setup.settled(Duration::from_secs(20)).await?;
    keeper.stop()?;
    // Seen in time, they go to the payment; seen when it is signed above them, to cancels.
    let (payment, mut cancels) = (nonces_of(&setup, "orders").await?, nonces_of(&setup, "cancel").await?);
    cancels.sort_unstable();
    let next = i64::try_from(nonce)?;
    let filled = payment.contains(&(next + 2)) && cancels == [next, next + 1];
    let again = payment.contains(&next) && cancels.is_empty();
    assert!(filled || again, "{payment:?}, {cancels:?} from {next}");
    let used = 1 + cancels.len() as u64;
    assert_eq!(world.provider().get_transaction_count(LANES[0].0).await?, nonce + used);
    check_paid(&world, &setup, &[first, second].concat(), &[]).await
}

/// A transaction of the account that the nodes held is forgotten by them, while a payment waits above its nonce.
#[tokio::test(flavor = "multi_thread")]
async fn a_gap_under_a_live_attempt_is_filled_by_a_cancel() -> eyre::Result<()> {
    let world = by_hand().await?;
    let (lane, provider) = (LANES[0].0, world.provider());
    let first = provider.get_transaction_count(lane).await?;
    let outside = TransactionRequest::default().with_from(lane).with_to(lane).with_nonce(first);
    let _pending = provider.send_transaction(outside.with_gas_limit(21_000)).await?;
    let setup = Setup::new(&world, Path::new(PROGRAM), 1, FAST)?;
    let keeper = Keeper::start_ready(&setup).await?;
    let orders = orders_of(&world, "TUSD", "above", 3);
    submit(&world, &setup, &orders)?;
    until_open(&setup, "orders", "broadcast", 1).await?;
    let signed = format!("{:?}", nonces_of(&setup, "orders").await?);
    assert_eq!(signed, format!("[{}]", first + 1), "it is numbered past the outside one");

    provider.anvil_drop_all_transactions().await?;
    provider.anvil_set_interval_mining(1).await?;
    setup.settled(Duration::from_secs(30)).await?;
    keeper.stop()?;
    assert_eq!(nonces_of(&setup, "cancel").await?, [i64::try_from(first)?], "one cancel, in the gap");
    assert_eq!(provider.get_transaction_count(lane).await?, first + 2);
    check_paid(&world, &setup, &orders, &[]).await
}

/// The nonces at which batches of a kind were ever signed.
async fn nonces_of(setup: &Setup, kind: &str) -> eyre::Result<Vec<i64>> {
    let url = format!("sqlite://{}", setup.dir.join("spillway.db").display());
    let mut connection = SqliteConnection::connect(&url).await?;
    let nonces = sqlx::query_scalar(
        "SELECT DISTINCT a.nonce FROM attempts a JOIN batches b ON b.row_id = a.batch WHERE b.kind = $1",
    );
    let nonces = nonces.bind(kind).fetch_all(&mut connection).await?;
    connection.close().await?;
    Ok(nonces)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_out_of_gas_money_is_set_aside_while_the_other_pays() -> eyre::Result<()> {
    let world = World::start(0.5).await?;
    let setup = Setup::new(&world, Path::new(PROGRAM), 2, FAST)?;
    let (poor, provider) = (LANES[0].0, world.provider());
    provider.anvil_set_balance(poor, U256::from(1_000)).await?;
    let keeper = Keeper::start_ready(&setup).await?;
    let lane_needs = |lane: String| {
        let setup = setup.clone();
        async move {
            let status = setup.json(&["status"])?;
            let lanes = status["lanes"].as_array().cloned().unwrap_or_default();
            let found =
                lanes.iter().find(|l| l["address"].as_str().is_some_and(|a| a.eq_ignore_ascii_case(&lane)));
            eyre::Ok(found.and_then(|l| l["gas_needed"].as_str().map(str::to_owned)))
        }
    };
    eventually("the lane is set aside", Duration::from_secs(20), || lane_needs(poor.to_string())).await?;
    assert!(log(&setup).contains("cannot pay for its gas and is set aside"));

    let first = orders_of(&world, "TUSD", "poor", 20);
    submit(&world, &setup, &first)?;
    setup.settled(Duration::from_secs(30)).await?;
    let nonce = provider.get_transaction_count(poor).await?;
    assert_eq!(nonce, 0, "the poor lane sent nothing");

    provider.anvil_set_balance(poor, amount_of_ether(100)).await?;
    eventually("the lane comes back", Duration::from_secs(20), || async {
        Ok(lane_needs(poor.to_string()).await?.is_none().then_some(()))
    })
    .await?;
    let mut all = first;
    for symbol in ["TUSD", "TDAI", "ETH"] {
        let more = orders_of(&world, symbol, &format!("rich-{symbol}"), 5);
        submit(&world, &setup, &more)?;
        all.extend(more);
    }
    setup.settled(Duration::from_secs(30)).await?;
    keeper.stop()?;
    check_paid(&world, &setup, &all, &[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_funded_batch_of_a_lane_that_runs_out_waits_with_a_reason_and_is_paid_when_it_is_topped_up()
-> eyre::Result<()> {
    let world = World::start(0.5).await?;
    let setup = Setup::new(&world, Path::new(PROGRAM), 1, FAST)?;
    let order = orders_of(&world, "TUSD", "strands", 3);
    submit(&world, &setup, &order)?;
    let mut keeper = Keeper::start_with_crash_at(&setup, "attempt.committed")?;
    eventually("death with a signed attempt", Duration::from_secs(30), || {
        let ended = keeper.ended();
        async move { Ok(ended?.then_some(())) }
    })
    .await?;
    world.provider().anvil_set_balance(LANES[0].0, U256::ZERO).await?;
    let keeper = Keeper::start_ready(&setup).await?;
    eventually("the batch says what it waits for", Duration::from_secs(20), || async {
        let status = setup.json(&["status"])?;
        let reason = status["open_batches"][0]["reason"].as_str().unwrap_or_default().to_owned();
        Ok(reason.contains("cannot pay for its gas").then_some(()))
    })
    .await?;
    world.provider().anvil_set_balance(LANES[0].0, amount_of_ether(100)).await?;
    setup.settled(Duration::from_secs(20)).await?;
    keeper.stop()?;
    check_paid(&world, &setup, &order, &[]).await
}
