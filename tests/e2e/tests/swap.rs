//! Swaps over the protocols' own pools on a real chain.

use alloy::{
    primitives::{Address, B256, Bytes, U256, aliases::U24, aliases::U160},
    providers::Provider,
};
use eyre::{OptionExt, ensure};
use protocols::{Balancer, Chain, Stable, Token, V2, V3};
use serde_json::Value;
use spillway::{chain::abi::IVault, domain::asset::NATIVE};
use spillway_e2e::{
    cases::{books_hold, check_paid, orders_of, reconfigure, submit},
    chain_audit::Expected,
    eventually,
    keeper::{Keeper, Setup},
    market::{Local, Market, Place, SWAPPER},
    world::World,
};
use sqlx::{Connection, Row, SqliteConnection};
use std::{path::Path, time::Duration};

const PROGRAM: &str = env!("CARGO_BIN_EXE_spillway-under-test");
const LIMIT: Duration = Duration::from_secs(60);

fn units(value: &Value) -> eyre::Result<U256> {
    Ok(value.as_str().ok_or_eyre("an amount is text")?.parse()?)
}

fn address(value: &Value) -> eyre::Result<Address> {
    Ok(value.as_str().ok_or_eyre("an address is text")?.parse()?)
}

/// Swaps a hop as anybody would, by the protocol's own router; what arrived.
fn swap(chain: &mut Local, market: &Market, hop: &Value) -> eyre::Result<U256> {
    let (sell, buy, amount) = (address(&hop["sell"])?, address(&hop["buy"])?, units(&hop["amount_in"])?);
    let (pool, protocols, to, deadline) =
        (address(&hop["pool"])?, market.protocols, chain.owner(), U256::MAX);
    let before = chain.held(buy);
    match hop["kind"].as_str().unwrap_or_default() {
        "uniswap_v2" => {
            let path = vec![sell, buy];
            let call =
                V2::swapExactTokensForTokensCall { amountIn: amount, min: U256::ZERO, path, to, deadline };
            chain.call(protocols.router2, &call);
        }
        "uniswap_v3" => {
            let fee: U24 = chain.call(pool, &V3::feeCall {});
            let (min, limit) = (U256::ZERO, U160::ZERO);
            let params =
                V3::In { tokenIn: sell, tokenOut: buy, fee, to, deadline, amountIn: amount, min, limit };
            chain.call(protocols.router3, &V3::exactInputSingleCall { params });
        }
        "stable_swap" => {
            let first = chain.call(pool, &Stable::coinsCall { k: U256::ZERO });
            let (i, j) = if first == sell { (U256::ZERO, U256::ONE) } else { (U256::ONE, U256::ZERO) };
            chain.call(pool, &Stable::exchangeCall { i, j, amount });
        }
        "balancer_weighted" => {
            let id: B256 = chain.call(pool, &Balancer::getPoolIdCall {});
            let single = Balancer::Single {
                poolId: id,
                kind: 0,
                tokenIn: sell,
                tokenOut: buy,
                amount,
                userData: Bytes::new(),
            };
            let funds = Balancer::Funds { sender: to, fromInternal: false, to, toInternal: false };
            chain.call(protocols.vault, &Balancer::swapCall { single, funds, limit: U256::ZERO, deadline });
        }
        other => eyre::bail!("no kind {other}"),
    }
    Ok(chain.held(buy) - before)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quote_is_what_the_pools_pay_to_the_unit() -> eyre::Result<()> {
    let world = World::start(3_600.0).await?;
    let market = Market::open(&world)?;
    // A pool that is not there, and one with other tokens, are no reason not to quote the others.
    let tokens = &market.pools[0].tokens;
    let odd = |kind: &str, address| {
        Place { kind: kind.to_owned(), address, tokens: tokens.clone(), adapter: None }.config()
    };
    let odd = odd("uniswap_v3", Address::repeat_byte(0x99)) + &odd("uniswap_v2", world.vault());
    let setup = Setup::new(&world, Path::new(PROGRAM), 1, &(market.config() + &odd))?;
    let chain = &mut Local::new(&world);
    let stable = market.pools.iter().find(|p| p.kind == "stable_swap").ok_or_eyre("a StableSwap pool")?;
    for token in &stable.tokens {
        chain.call(*token, &Token::approveCall { spender: stable.address, amount: U256::MAX });
    }
    let mut kinds = std::collections::BTreeSet::new();
    for args in [
        ["TUSD", "TDAI", "900000"].as_slice(),
        &["TDAI", "TUSD", "123456.789"],
        &["TDAI", "TUSD", "1500000"],
        &["TUSD", "TDAI", "3"],
        &["TDAI", "TUSD", "250000", "--exact-out"],
        &["TUSD", "TDAI", "400000.5", "--exact-out"],
    ] {
        let quote = setup.json(&[&["swap", "quote"], args].concat())?;
        let split = &quote["split"];
        let mut received = U256::ZERO;
        for route in split["routes"].as_array().ok_or_eyre("routes")? {
            for hop in route["hops"].as_array().ok_or_eyre("hops")? {
                let paid = swap(chain, &market, hop)?;
                assert_eq!(paid, units(&hop["amount_out"])?, "{args:?}: {hop}");
                kinds.insert(hop["kind"].as_str().unwrap_or_default().to_owned());
            }
            received += units(&route["amount_out"])?;
        }
        assert_eq!(received, units(&split["amount_out"])?, "{quote}");
        let (single, gap) = (&quote["single"], quote["gap"].as_f64().ok_or_eyre("a gap")?);
        ensure!(gap < 1e-4, "the split is {gap} from the optimum: {quote}");
        if args.len() == 3 {
            ensure!(received >= units(&single["amount_out"])?, "a route alone is better: {quote}");
        } else {
            ensure!(units(&split["amount_in"])? <= units(&single["amount_in"])?, "{quote}");
        }
        let why: Vec<_> =
            quote["left_out"].as_array().ok_or_eyre("left out")?.iter().map(|p| &p["why"]).collect();
        assert_eq!(why, ["there is no code at its address", "token0 reverts"], "{quote}");
    }
    assert_eq!(kinds.len(), 4, "every kind of pool was swapped with: {kinds:?}");

    let output = setup.run(&["swap", "quote", "TUSD", "TDAI", "900000"])?;
    let table = String::from_utf8_lossy(&output.stdout);
    for words in ["marginal price", "the best alone", "the split gains", "left out: uniswap_v3"] {
        assert!(table.contains(words), "{words} is missing in {table}");
    }
    let beyond = setup.run(&["swap", "quote", "TUSD", "TDAI", "100000000", "--exact-out"])?;
    assert_eq!(beyond.status.code(), Some(1), "{}", String::from_utf8_lossy(&beyond.stderr));
    Ok(())
}

/// Twelve orders of 100,000 TDAI: 200,000 more than the vault holds.
fn wave(world: &World) -> Vec<Expected> {
    let amount = protocols::units(100_000, 18);
    orders_of(world, "TDAI", "wave", 12).into_iter().map(|order| Expected { amount, ..order }).collect()
}

/// A vault that may swap, and a keeper of it that is not started.
fn governed(world: &World) -> eyre::Result<(Market, Setup)> {
    let mut market = Market::open(world)?;
    market.govern(world)?;
    let config = format!("[batch]\nwindow = \"100ms\"\n{}", market.config());
    let setup = Setup::new(world, Path::new(PROGRAM), 1, &config)?;
    Ok((market, setup))
}

/// What the store has of a swap; amounts as it writes them.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stored {
    state: String,
    quoted: String,
    spent: Option<String>,
    received: Option<String>,
    routes: usize,
}

async fn stored(setup: &Setup) -> eyre::Result<Vec<Stored>> {
    let url = format!("sqlite://{}", setup.dir.join("spillway.db").display());
    let mut connection = SqliteConnection::connect(&url).await?;
    let rows = sqlx::query("SELECT state, quoted, spent, received, routes FROM swaps ORDER BY row_id")
        .fetch_all(&mut connection)
        .await?;
    connection.close().await?;
    let read = |row: &sqlx::sqlite::SqliteRow| {
        let routes: Vec<Value> = serde_json::from_str(row.get(4))?;
        let (spent, received, routes) = (row.get(2), row.get(3), routes.len());
        Ok(Stored { state: row.get(0), quoted: row.get(1), spent, received, routes })
    };
    rows.iter().map(read).collect()
}

async fn until_booked(setup: &Setup) -> eyre::Result<()> {
    eventually("the swap is in the books", LIMIT, || async {
        let swaps = stored(setup).await?;
        Ok((!swaps.is_empty() && swaps.iter().all(|swap| swap.state == "done")).then_some(()))
    })
    .await
    .map_err(|e| e.wrap_err(setup.log_tail()))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_vault_lacks_is_bought_in_parts_and_a_refill_that_fails_delays_its_asset_alone()
-> eyre::Result<()> {
    let world = World::start(0.5).await?;
    let (market, setup) = governed(&world)?;
    market.set_prices(&world, true)?;
    let keeper = Keeper::start_ready(&setup).await?;
    let (wave, others) = (wave(&world), orders_of(&world, "TUSD", "other", 10));
    submit(&world, &setup, &[wave.clone(), others].concat())?;
    eventually("two wait, and are told why", LIMIT, || async {
        let why = setup.json(&["explain", "wave-11"])?;
        let paid = setup.count("paid")?;
        Ok((why["cause"]["code"] == "refill_failed" && paid == 20).then_some(()))
    })
    .await
    .map_err(|e| e.wrap_err(setup.log_tail()))?;
    assert!(market.swaps(&world).await?.is_empty(), "without a price nothing is swapped");

    let refused = setup.run(&["swap", "simulate", "TUSD", "TDAI", "200000"])?;
    assert_eq!(refused.status.code(), Some(4), "{}", String::from_utf8_lossy(&refused.stdout));
    market.set_prices(&world, false)?;
    setup.settled(LIMIT).await?;
    until_booked(&setup).await?;
    let swaps = market.swaps(&world).await?;
    assert_eq!(swaps.len(), 1, "{swaps:?}");
    let (event, _) = &swaps[0];
    assert_eq!((event.lane, event.buy), (SWAPPER.0, wave[0].asset));
    ensure!(event.received >= protocols::units(200_000, 18), "too little: {event:?}");
    let amount = |units: U256| Some(format!("{units:064x}"));
    let swaps = stored(&setup).await?;
    let done = Stored {
        state: "done".to_owned(),
        spent: amount(event.spent),
        received: amount(event.received),
        ..swaps[0].clone()
    };
    assert_eq!(swaps, [done]);
    // Nobody else swapped: what was quoted is what came, to the unit.
    assert_eq!(Some(&swaps[0].quoted), swaps[0].received.as_ref());
    assert!(swaps[0].routes >= 3, "split: {swaps:?}");

    let simulated = setup.json(&["swap", "simulate", "TUSD", "TDAI", "150000"])?;
    assert_eq!(
        (&simulated["received"], &simulated["refused"]),
        (&simulated["quoted"], &Value::Null),
        "{simulated}"
    );

    // From here on payments count in USD too.
    for asset in world.deployment.assets.iter() {
        Local::new(&world).call(world.vault(), &IVault::pokeCall { asset: asset.address });
    }
    // Some 50,000 TUSD more than are left: only ETH can be sold for them.
    let amount = protocols::units(95_000, 6);
    let second: Vec<_> = orders_of(&world, "TUSD", "second", 9)
        .into_iter()
        .map(|order| Expected { amount, ..order })
        .collect();
    submit(&world, &setup, &second)?;
    setup.settled(LIMIT).await?;
    until_booked(&setup).await?;
    keeper.stop()?;
    let vault = IVault::new(world.vault(), world.provider());
    let usd = vault.limitState(Address::ZERO, IVault::Limit::Usd).call().await?;
    ensure!(!usd.fullAt.is_zero(), "nothing was taken of the limit in USD");
    let swaps = market.swaps(&world).await?;
    assert_eq!((swaps.len(), swaps[1].0.sell), (2, NATIVE), "{swaps:?}");
    // No order waits, but as much as in the last hour is expected.
    let text = std::fs::read_to_string(&setup.config)?;
    std::fs::write(&setup.config, text.replace("horizon = \"0s\"", "horizon = \"1h\""))?;
    let keeper = Keeper::start_ready(&setup).await?;
    let ahead = eventually("the float is filled ahead of orders", LIMIT, || async {
        Ok(market.swaps(&world).await?.into_iter().skip(2).find(|(swap, _)| swap.buy == wave[0].asset))
    })
    .await
    .map_err(|e| e.wrap_err(setup.log_tail()))?;
    assert_eq!(ahead.0.sell, NATIVE, "TUSD will be asked for too");
    until_booked(&setup).await?;
    keeper.stop()?;
    let others = orders_of(&world, "TUSD", "other", 10);
    check_paid(&world, &setup, &[wave, others, second].concat(), &[]).await?;
    books_hold(&world, &setup)
}

async fn killed_at(step: &str) -> eyre::Result<()> {
    let world = World::start(0.5).await?;
    let (market, setup) = governed(&world)?;
    let mut keeper = Keeper::start_with_crash_at(&setup, step)?;
    keeper.ready(&setup).await?;
    let wave = wave(&world);
    submit(&world, &setup, &wave)?;
    eventually("the keeper kills itself", LIMIT, || {
        let ended = keeper.ended();
        async move { Ok(ended?.then_some(())) }
    })
    .await
    .map_err(|e| e.wrap_err(setup.log_tail()))?;
    assert_eq!(stored(&setup).await?.len(), 1);

    let keeper = Keeper::start_ready(&setup).await?;
    setup.settled(LIMIT).await?;
    until_booked(&setup).await?;
    keeper.stop()?;
    assert_eq!(market.swaps(&world).await?.len(), 1, "one swap, not two");
    assert_eq!(stored(&setup).await?.len(), 1, "nothing was planned anew");
    assert_eq!(world.provider().get_transaction_count(SWAPPER.0).await?, 1, "and nothing else was sent");
    check_paid(&world, &setup, &wave, &[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_between_plan_and_signature_it_swaps_once() -> eyre::Result<()> {
    killed_at("swap.planned").await
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_between_commit_and_send_it_swaps_once() -> eyre::Result<()> {
    killed_at("swap.committed").await
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_after_sending_it_swaps_once() -> eyre::Result<()> {
    killed_at("swap.sent").await
}

/// When each swap was planned, in unix milliseconds, and whether it is one slice of more.
async fn planned(setup: &Setup) -> eyre::Result<Vec<(i64, bool)>> {
    let url = format!("sqlite://{}", setup.dir.join("spillway.db").display());
    let mut connection = SqliteConnection::connect(&url).await?;
    let rows =
        sqlx::query("SELECT created_at, slice FROM swaps ORDER BY row_id").fetch_all(&mut connection).await?;
    connection.close().await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get::<i64, _>(1) == 1)).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_move_the_price_too_far_is_swapped_in_slices_with_time_between_them_across_a_kill()
-> eyre::Result<()> {
    const INTERVAL: i64 = 4_000;
    let world = World::start(0.5).await?;
    let (market, setup) = governed(&world)?;
    reconfigure(&setup, "[swap]\n", "[swap]\nmax_impact_bps = 2\nslice_interval = \"4s\"\n")?;
    let keeper = Keeper::start_ready(&setup).await?;
    let wave = wave(&world);
    submit(&world, &setup, &wave)?;
    eventually("the first slice is planned", LIMIT, || async {
        Ok((!planned(&setup).await?.is_empty()).then_some(()))
    })
    .await?;
    keeper.kill()?;
    let keeper = Keeper::start_ready(&setup).await?;
    setup.settled(LIMIT).await?;
    until_booked(&setup).await?;
    keeper.stop()?;

    let planned = planned(&setup).await?;
    println!("{planned:?}");
    ensure!(planned.len() > 1 && planned[0].1, "it was not cut: {planned:?}");
    for pair in planned.windows(2) {
        let [(first, is_slice), (second, _)] = [pair[0], pair[1]];
        assert!(!is_slice || second - first >= INTERVAL, "a slice came too early: {planned:?}");
    }
    let swaps = market.swaps(&world).await?;
    assert_eq!(swaps.len(), planned.len(), "{swaps:?}");
    let bought: U256 = swaps.iter().map(|(event, _)| event.received).sum();
    ensure!(bought >= protocols::units(200_000, 18), "too little: {swaps:?}");
    check_paid(&world, &setup, &wave, &[]).await
}
