//! Margin pools, seen to by the keeper on a real chain with the real contracts.

use alloy::{
    primitives::{Address, U256, aliases::U40},
    providers::{Provider, ext::AnvilApi},
};
use eyre::ensure;
use serde_json::Value;
use spillway::chain::margin::IMarginPool;
use spillway_e2e::{
    cases::{check_paid, orders_of, submit},
    eventually,
    keeper::{Keeper, Setup},
    pool::{MARGIN, Pool, TestPool},
    root,
    world::{World, transfer},
};
use sqlx::{Connection, Row, SqliteConnection};
use std::{collections::BTreeSet, path::Path, time::Duration};

const PROGRAM: &str = env!("CARGO_BIN_EXE_spillway-under-test");
const LIMIT: Duration = Duration::from_secs(90);

/// Alice holds two calls that Bob wrote, with just the margin that he needs.
struct Market<'a> {
    pool: Pool<'a>,
    bob: Address,
    setup: Setup,
}

impl<'a> Market<'a> {
    async fn open(world: &'a World, max_bid: u64) -> eyre::Result<Self> {
        let (pool, bob) = Pool::with_a_writer(world).await?;
        pool.fund(MARGIN.0, 20_000).await?;
        let config = format!(
            "[batch]\nwindow = \"100ms\"\n[margin]\nfactory = \"{}\"\nsigner = {{ private_key_env = \"MARGIN_KEY\" }}\n\
             max_bid = {max_bid}\nmax_held = {max_bid}\npremium_bps = 50\n",
            pool.factory
        );
        let setup = Setup::new(world, Path::new(PROGRAM), 1, &config)?;
        Ok(Self { pool, bob, setup })
    }

    /// How many options of the expiry an account has short; 18 decimals.
    async fn short(&self, world: &World, account: Address) -> eyre::Result<u128> {
        let pool = IMarginPool::new(self.pool.address, world.provider());
        let book = pool.bookOf(account, U40::from(self.pool.expiry)).call().await?;
        let sizes = book.legs.iter().map(|leg| Ok(i128::try_from(leg.size)?));
        let sizes = sizes.collect::<eyre::Result<Vec<_>>>()?;
        Ok(sizes.into_iter().filter(|size| *size < 0).map(i128::unsigned_abs).sum())
    }

    async fn until<E: alloy::sol_types::SolEvent>(&self, what: &str, n: usize) -> eyre::Result<Vec<E>> {
        eventually(what, LIMIT, || async {
            let seen = self.pool.events::<E>().await?;
            Ok((seen.len() >= n).then(|| seen.into_iter().map(|(event, _)| event).collect()))
        })
        .await
        .map_err(|e| e.wrap_err(self.setup.log_tail()))
    }
}

/// Every figure of `spillway margin accounts` is the pool's own, to the unit, at the block that it names.
async fn assert_values_are_the_pools(world: &World, market: &Market<'_>) -> eyre::Result<Value> {
    let said = market.setup.json(&["margin", "accounts"])?;
    let of_pool = &said["pools"][0];
    let block = of_pool["block"].as_u64().ok_or_else(|| eyre::eyre!("no block in {said}"))?;
    let pool = IMarginPool::new(market.pool.address, world.provider());
    let books = of_pool["books"].as_array().cloned().unwrap_or_default();
    ensure!(books.len() >= 2, "books are missing: {said}");
    for book in &books {
        let account: Address = serde_json::from_value(book["account"].clone())?;
        let expiry = U40::from(market.pool.expiry);
        let value = pool.valuationOf(account, expiry, 3).block(block.into()).call().await?;
        let on_chain = pool.bookOf(account, expiry).block(block.into()).call().await?;
        assert_eq!(book["initial"], value.initial.to_string(), "{book}");
        assert_eq!(book["maintenance"], value.maintenance.to_string(), "{book}");
        assert_eq!(book["liability"], value.liability.to_string(), "{book}");
        assert_eq!(book["margin"], on_chain.margin.to_string(), "{book}");
    }
    Ok(said)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_book_that_falls_is_liquidated_and_its_expiry_settled_while_withdrawals_go_on() -> eyre::Result<()>
{
    let world = World::start(0.5).await?;
    let market = Market::open(&world, 10_000).await?;
    let said = assert_values_are_the_pools(&world, &market).await?;
    assert_eq!(said["pools"][0]["books"][0]["state"], "", "nobody is below maintenance yet: {said}");
    let calm = market.setup.json(&["margin", "stress", "--shock", "-40%", "--vol", "+50%"])?;
    assert_eq!(calm["pools"][0]["falls"].as_array().map(Vec::len), Some(0), "calls do not fall then: {calm}");
    let rally = market.setup.json(&["margin", "stress", "--shock", "+40%"])?;
    assert_eq!(rally["pools"][0]["covered"], false, "{rally}");
    assert_eq!(rally["pools"][0]["falls"][0]["account"], serde_json::to_value(market.bob)?, "{rally}");

    let keeper = Keeper::start_ready(&market.setup).await?;
    let first = orders_of(&world, "TUSD", "first", 20);
    submit(&world, &market.setup, &first)?;
    market.pool.set_price(3_350).await?;
    market.until::<IMarginPool::LiquidationStarted>("the liquidation starts", 1).await?;
    let bids = market.until::<IMarginPool::Liquidated>("the keeper bids", 1).await?;
    assert_eq!((bids[0].account, bids[0].bidder), (market.bob, MARGIN.0));
    assert!(bids[0].paid > bids[0].liability * bids[0].share / U256::from(10).pow(U256::from(18)));
    market.until::<IMarginPool::LiquidationEnded>("the book is sound again", 1).await?;
    assert_eq!(
        market.short(&world, market.bob).await? + market.short(&world, MARGIN.0).await?,
        2 * 10u128.pow(18)
    );
    assert_values_are_the_pools(&world, &market).await?;
    eventually("the figures tell of three books", LIMIT, || async {
        let metrics = reqwest::get(market.setup.api("/metrics")).await?.text().await?;
        Ok(metrics.contains("spillway_margin_books{pool=\"ETH/TUSD\"} 3").then_some(()))
    })
    .await?;

    // Every part of the window before expiry, as its minute comes.
    let second = orders_of(&world, "TUSD", "second", 20);
    for part in 0..30u64 {
        let time = market.pool.expiry - 1_800 + 60 * part;
        world.provider().anvil_set_next_block_timestamp(time).await?;
        market.until::<TestPool::Observed>("a part is observed", part as usize + 1).await?;
        if part == 10 {
            submit(&world, &market.setup, &second)?;
        }
    }
    world.provider().anvil_set_next_block_timestamp(market.pool.expiry).await?;
    let fixed = market.until::<TestPool::PriceFixed>("the price is fixed", 1).await?;
    assert_eq!(fixed[0].price, U256::from(3_350) * U256::from(10).pow(U256::from(18)));
    let closed = market.until::<TestPool::Closed>("all books are settled", 1).await?;
    assert_eq!(closed[0].owed, U256::from(700_000_000), "two calls, 350 above their strike");
    assert_eq!(closed[0].pot, closed[0].owed, "margins cover it");

    market.setup.settled(LIMIT).await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    keeper.stop()?;
    check_paid(&world, &market.setup, &[first, second].concat(), &[]).await?;

    // What the pool owes is booked, to the unit.
    let owes = IMarginPool::new(market.pool.address, world.provider()).held().call().await?;
    assert_eq!(booked(&market.setup).await?, (owes, owes));
    // A pool that holds less than it owes is named, whatever the vault holds.
    assert_eq!(market.setup.json(&["reconcile", "--deep"])?["differences"], serde_json::json!([]));
    let (chain, tusd) = (world.provider(), world.asset("TUSD").address);
    let taken = transfer(chain, tusd, market.pool.address, Address::repeat_byte(0x66), U256::from(5)).await?;
    ensure!(taken.get_receipt().await?.status(), "nothing was taken");
    eventually("the pool is named", LIMIT, || async {
        let said = market.setup.json(&["reconcile", "--deep"])?;
        let differences = said["differences"].as_array().cloned().unwrap_or_default();
        ensure!(differences.len() <= 1, "{said}");
        let pool = format!("pool {}", market.pool.address);
        Ok(differences.iter().any(|d| d["subject"] == pool && d["owner"] == "security").then_some(()))
    })
    .await
}

/// What the postings have margin pools hold, and what is booked of them beside that.
async fn booked(setup: &Setup) -> eyre::Result<(U256, U256)> {
    let url = format!("sqlite://{}", setup.dir.join("spillway.db").display());
    let mut connection = SqliteConnection::connect(&url).await?;
    let hex = |text: String| U256::from_str_radix(&text, 16);
    let mut sum = U256::ZERO;
    for row in
        sqlx::query("SELECT debit, amount FROM postings WHERE 'pools' IN (debit, credit) ORDER BY row_id")
            .fetch_all(&mut connection)
            .await?
    {
        let (debit, amount): (String, _) = (row.get(0), hex(row.get(1))?);
        sum = if debit == "pools" { sum + amount } else { sum - amount };
    }
    let held: String = sqlx::query_scalar("SELECT held FROM margin_pools").fetch_one(&mut connection).await?;
    connection.close().await?;
    Ok((sum, hex(held)?))
}

/// What the store has of the margin account: hash, nonce, duty, state.
async fn stored(setup: &Setup) -> eyre::Result<Vec<(String, i64, String, String)>> {
    let url = format!("sqlite://{}", setup.dir.join("spillway.db").display());
    let mut connection = SqliteConnection::connect(&url).await?;
    let rows = sqlx::query("SELECT hash, nonce, duty, state FROM duties ORDER BY row_id")
        .fetch_all(&mut connection)
        .await?;
    connection.close().await?;
    Ok(rows.iter().map(|r| (r.get(0), r.get(1), r.get(2), r.get(3))).collect())
}

async fn killed_at(step: &str) -> eyre::Result<()> {
    let world = World::start(0.5).await?;
    // It never bids, so that the only duties are the start and ticks.
    let market = Market::open(&world, 0).await?;
    market.pool.set_price(3_350).await?;
    let mut keeper = Keeper::start_with_crash_at(&market.setup, step)?;
    eventually("the keeper kills itself", LIMIT, || {
        let ended = keeper.ended();
        async move { Ok(ended?.then_some(())) }
    })
    .await
    .map_err(|e| e.wrap_err(market.setup.log_tail()))?;
    let before = stored(&market.setup).await?;
    assert_eq!(before.len(), 1, "{before:?}");
    let is_sent = step == "margin.sent";
    let pending = world.provider().get_transaction_count(MARGIN.0).pending().await?;
    assert_eq!(pending - 3, u64::from(is_sent), "three were its deposit");

    let keeper = Keeper::start_ready(&market.setup).await?;
    market.until::<IMarginPool::LiquidationStarted>("the liquidation starts", 1).await?;
    let orders = orders_of(&world, "TUSD", "order", 5);
    submit(&world, &market.setup, &orders)?;
    market.setup.settled(LIMIT).await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    keeper.stop()?;

    let started = market.pool.events::<IMarginPool::LiquidationStarted>().await?;
    assert_eq!(started.len(), 1);
    assert_eq!(started[0].1.to_string(), before[0].0, "what was durable is what was sent");
    let after = stored(&market.setup).await?;
    let nonces: BTreeSet<_> = after.iter().map(|(_, nonce, ..)| nonce).collect();
    let duties: BTreeSet<_> = after.iter().map(|(.., duty, _)| duty).collect();
    assert_eq!((nonces.len(), duties.len()), (after.len(), after.len()), "nothing twice: {after:?}");
    let sent = world.provider().get_transaction_count(MARGIN.0).await?;
    assert_eq!(sent - 3, after.len() as u64, "no transaction that the store does not know: {after:?}");
    assert_eq!(after[0].3, "done", "{after:?}");
    check_paid(&world, &market.setup, &orders, &[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_between_commit_and_send_it_sends_what_was_durable_once() -> eyre::Result<()> {
    killed_at("margin.committed").await
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_after_sending_it_sends_nothing_twice() -> eyre::Result<()> {
    killed_at("margin.sent").await
}

/// A margin account without coin for gas, and pools that do not answer, are no concern of withdrawals.
#[tokio::test(flavor = "multi_thread")]
async fn a_margin_loop_that_cannot_work_stops_no_withdrawal() -> eyre::Result<()> {
    let world = World::start(0.5).await?;
    let market = Market::open(&world, 10_000).await?;
    market.pool.set_price(3_350).await?;
    world.provider().anvil_set_balance(MARGIN.0, U256::ZERO).await?;
    let config = std::fs::read_to_string(&market.setup.config)?;
    let broken = format!("pools = [\"{}\"]\nfactory", Address::repeat_byte(0x66));
    std::fs::write(&market.setup.config, config.replace("\nfactory", &format!("\n{broken}")))?;
    let keeper = Keeper::start_ready(&market.setup).await?;
    let orders = orders_of(&world, "TUSD", "order", 20);
    submit(&world, &market.setup, &orders)?;
    market.setup.settled(LIMIT).await?;
    eventually("the loop says what is wrong", LIMIT, || async {
        let log = market.setup.logged();
        Ok((log.contains("this pool is tried again") && log.contains("margin: watching")).then_some(()))
    })
    .await?;
    assert!(market.pool.events::<IMarginPool::LiquidationStarted>().await?.is_empty(), "it has no coin");
    // With coin it goes on by itself.
    world.provider().anvil_set_balance(MARGIN.0, U256::from(10).pow(U256::from(20))).await?;
    market.until::<IMarginPool::LiquidationStarted>("the liquidation starts", 1).await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    keeper.stop()?;
    check_paid(&world, &market.setup, &orders, &[]).await
}

/// The interface that the keeper is compiled with is that of the contract.
#[test]
fn the_keepers_interface_is_the_contracts() -> eyre::Result<()> {
    use alloy::sol_types::SolInterface;
    let file = root().join("out/IMarginPool.sol/IMarginPool.json");
    let artifact: Value = serde_json::from_str(&std::fs::read_to_string(file)?)?;
    let known = artifact["methodIdentifiers"].as_object().cloned().unwrap_or_default();
    let known: BTreeSet<String> = known.values().filter_map(|v| v.as_str().map(str::to_owned)).collect();
    for selector in IMarginPool::IMarginPoolCalls::selectors() {
        let name = IMarginPool::IMarginPoolCalls::name_by_selector(selector).unwrap_or("?");
        assert!(known.contains(&alloy::hex::encode(selector)), "{name} is no function of the contract");
    }
    let abi: alloy::json_abi::JsonAbi = serde_json::from_value(artifact["abi"].clone())?;
    let events: BTreeSet<_> = abi.events().map(|event| event.selector()).collect();
    for event in IMarginPool::IMarginPoolEvents::SELECTORS {
        assert!(events.contains(&alloy::primitives::B256::from(*event)), "an event is not the contract's");
    }
    Ok(())
}
