//! The commonest causes of a withdrawal that waits, each brought about for real: `spillway explain` names the link, the
//! cause and what would free it.

use alloy::{
    primitives::{Address, Bytes, U256},
    providers::ext::AnvilApi,
    sol_types::SolCall,
};
use serde_json::Value;
use spillway::chain::abi::IVault::{self, AssetLimits, Scope};
use spillway_e2e::{
    cases::{by_hand, check_paid, orders_of, submit, until_open},
    eventually,
    keeper::{Keeper, Setup},
    world::{GUARDIAN, LANES, World, amount_of_ether, send},
};
use std::{path::Path, process::Command, time::Duration};

const PROGRAM: &str = env!("CARGO_BIN_EXE_spillway-under-test");
const FAST: &str = "[batch]\nwindow = \"100ms\"\n";
const GWEI: u128 = 1_000_000_000;
const LIMIT: Duration = Duration::from_secs(10);

/// Waits until it is said that `key` hangs at `link` for the reason `code`.
async fn hangs(setup: &Setup, key: &str, link: &str, code: &str) -> eyre::Result<Value> {
    let mut last = Value::Null;
    let found = eventually(&format!("{key} hangs at {link} for {code}"), Duration::from_secs(30), || {
        let now = setup.json(&["explain", key]);
        let matches = now.as_ref().is_ok_and(|now| now["hangs_at"] == link && now["cause"]["code"] == code);
        last = now.as_ref().map_or(Value::Null, Clone::clone);
        async move { Ok(if matches { Some(now?) } else { None }) }
    })
    .await;
    let found = found.map_err(|e| e.wrap_err(format!("last: {last}\n{}", setup.log_tail())))?;
    for said in ["found", "frees", "message", "message_zh"] {
        assert!(!found["cause"][said].as_str().unwrap_or_default().is_empty(), "{found}");
    }
    Ok(found)
}

/// A call of the vault by somebody whose key nobody needs here.
async fn call(world: &World, from: Address, input: Vec<u8>) -> eyre::Result<()> {
    world.provider().anvil_set_balance(from, amount_of_ether(10)).await?;
    let sent = send(world.provider(), from, world.vault(), U256::ZERO, Bytes::from(input)).await?;
    eyre::ensure!(sent.get_receipt().await?.status(), "the vault refused it");
    Ok(())
}

/// Lower limits of TUSD, as a guardian may set them.
async fn lower(world: &World, change: impl FnOnce(&mut AssetLimits)) -> eyre::Result<()> {
    let asset = world.asset("TUSD").address;
    let vault = IVault::new(world.vault(), world.provider().clone());
    let mut limits = vault.assetLimits(asset).call().await?;
    change(&mut limits);
    call(world, GUARDIAN, IVault::lowerLimitsCall { asset, limits }.abi_encode()).await
}

fn signal(name: &str, process: u32) -> eyre::Result<()> {
    let status = Command::new("kill").arg(name).arg(process.to_string()).status()?;
    eyre::ensure!(status.success(), "kill {name} failed");
    Ok(())
}

async fn running(world: &World, more: &str) -> eyre::Result<(Setup, Keeper)> {
    let setup = Setup::new(world, Path::new(PROGRAM), 1, more)?;
    let keeper = Keeper::start_ready(&setup).await?;
    Ok((setup, keeper))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_a_limit_and_a_tier() -> eyre::Result<()> {
    let world = World::start(0.5).await?;
    let (setup, keeper) = running(&world, FAST).await?;
    // As many as an estimate takes.
    let before = orders_of(&world, "TUSD", "before", 10);
    submit(&world, &setup, &before)?;
    setup.settled(Duration::from_secs(60)).await?;
    call(&world, GUARDIAN, IVault::pauseCall { scope: Scope::Orders, duration: 25 }.abi_encode()).await?;
    let orders = orders_of(&world, "TUSD", "paused", 1);
    submit(&world, &setup, &orders)?;
    let paused = hangs(&setup, "paused-0", "batch", "paused").await?;
    assert!(paused["cause"]["found"].as_str().unwrap().contains("orders is paused"), "{paused}");
    // The API says the same, with when it ends, and nothing is expected before that.
    eventually("the API says so", Duration::from_secs(10), || async {
        let id = paused["id"].as_str().unwrap_or_default();
        let view: Value = reqwest::get(setup.api(&format!("/v1/withdrawals/{id}"))).await?.json().await?;
        let [ends, paid] = [&view["next"]["at"], &view["estimate"]["p50"]].map(Value::as_str);
        Ok((view["reason"]["code"] == "paused" && ends.is_some() && paid > ends).then_some(()))
    })
    .await?;
    eventually("who paused is told", Duration::from_secs(10), || async {
        let vault: Value = reqwest::get(setup.api("/v1/vault")).await?.json().await?;
        assert_eq!(vault["pauses"][0]["scope"], "orders", "{vault}");
        let by = vault["pauses"][0]["by"].as_str().map(str::parse::<Address>).transpose()?;
        Ok((by == Some(GUARDIAN)).then_some(()))
    })
    .await?;
    setup.settled(Duration::from_secs(60)).await?;
    let explained = setup.json(&["explain", "paused-0"])?;
    assert_eq!((&explained["hangs_at"], &explained["cause"]), (&Value::Null, &Value::Null), "{explained}");
    let passed = explained["links"].as_array().unwrap().iter().all(|link| link["state"] == "passed");
    assert!(passed, "{explained}");

    // The orders are of a million units and more.
    lower(&world, |limits| limits.instantPerPayout = U256::from(500_000)).await?;
    let above = orders_of(&world, "TUSD", "tier", 1);
    submit(&world, &setup, &above)?;
    hangs(&setup, "tier-0", "batch", "above_tier").await?;
    let quote = setup.api("/v1/estimate?asset=TUSD&amount=1");
    let quote: Value = reqwest::get(quote).await?.json().await?;
    assert_eq!((&quote["tier"], &quote["float_covers"]), (&"approved".into(), &true.into()), "{quote}");
    keeper.stop()?;
    check_paid(&world, &setup, &[before, orders].concat(), &above).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_leave_in_a_day() -> eyre::Result<()> {
    let world = World::start(0.5).await?;
    let (setup, keeper) = running(&world, FAST).await?;
    lower(&world, |limits| {
        limits.instantPerPayout = U256::from(1_500_000);
        limits.instantPerDay = U256::from(1_500_000);
    })
    .await?;
    let orders = orders_of(&world, "TUSD", "limit", 2);
    let (first, second) = (&orders[..1], &orders[1..]);
    // One after the other: two batches at once could both be given numbers before the first is in a block.
    submit(&world, &setup, first)?;
    eventually("one is paid", Duration::from_secs(30), || async {
        Ok((setup.count("paid")? == 1).then_some(()))
    })
    .await?;
    submit(&world, &setup, second)?;
    let full = hangs(&setup, "limit-1", "batch", "above_limit").await?;
    assert!(full["cause"]["frees"].as_str().unwrap().contains("it fits in"), "{full}");
    keeper.stop()?;
    check_paid(&world, &setup, first, second).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_float_that_is_short_and_a_fee_that_is_too_high() -> eyre::Result<()> {
    let world = World::start(0.5).await?;
    let more = format!("{FAST}[fees]\nmax_share_bps = 100\n");
    let (setup, keeper) = running(&world, &more).await?;
    let mut short = orders_of(&world, "TUSD", "short", 1);
    short[0].amount = U256::from(2_000_000u64) * U256::from(1_000_000u64);
    submit(&world, &setup, &short)?;
    let found = hangs(&setup, "short-0", "policy", "float_insufficient").await?;
    assert!(found["cause"]["frees"].as_str().unwrap().starts_with("1000000 TUSD more"), "{found}");
    // A million wei: any fee is more than a hundredth of it.
    submit(&world, &setup, &orders_of(&world, "ETH", "dear", 1))?;
    hangs(&setup, "dear-0", "policy", "fee_above_share").await?;
    keeper.stop()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_that_is_disabled_or_poor() -> eyre::Result<()> {
    let world = World::start(0.5).await?;
    let (setup, keeper) = running(&world, FAST).await?;
    let lane = LANES[0].0;
    world.provider().anvil_set_balance(lane, U256::ZERO).await?;
    let orders = orders_of(&world, "TUSD", "poor", 1);
    submit(&world, &setup, &orders)?;
    let poor = hangs(&setup, "poor-0", "batch", "lane_out_of_gas").await?;
    assert!(poor["cause"]["frees"].as_str().unwrap().contains(&lane.to_string()), "{poor}");
    world.provider().anvil_set_balance(lane, amount_of_ether(100)).await?;
    setup.settled(Duration::from_secs(30)).await?;

    let enabled = |so: bool| {
        let overview = setup.api("/v1/overview");
        eventually("the API says whether the vault takes settlements of the lane", LIMIT, move || {
            let asked = reqwest::get(overview.clone());
            async move {
                let told: Value = asked.await?.json().await?;
                Ok((told["lanes"][0]["enabled"] == so).then_some(()))
            }
        })
    };
    enabled(true).await?;
    call(&world, GUARDIAN, IVault::disableLaneCall { lane }.abi_encode()).await?;
    enabled(false).await?;
    let never = orders_of(&world, "TUSD", "disabled", 1);
    submit(&world, &setup, &never)?;
    hangs(&setup, "disabled-0", "batch", "lane_disabled").await?;
    keeper.stop()?;
    check_paid(&world, &setup, &orders, &never).await
}

#[tokio::test(flavor = "multi_thread")]
async fn no_block_then_a_fee_above_the_ceiling_then_no_final_block() -> eyre::Result<()> {
    let world = by_hand().await?;
    let (setup, keeper) =
        running(&world, &format!("{FAST}[fees]\nmax_fee_gwei = 3\nbump_after = \"1h\"\n")).await?;
    // One that is final, so that it is known how long it takes from block to final.
    let first = orders_of(&world, "TUSD", "first", 1);
    submit(&world, &setup, &first)?;
    until_open(&setup, "orders", "broadcast", 1).await?;
    world.provider().anvil_mine(Some(10), None).await?;
    setup.settled(Duration::from_secs(30)).await?;

    let orders = orders_of(&world, "TUSD", "chain", 1);
    submit(&world, &setup, &orders)?;
    until_open(&setup, "orders", "broadcast", 1).await?;
    hangs(&setup, "chain-0", "chain", "awaits_block").await?;

    world.provider().anvil_set_next_block_base_fee_per_gas(50 * GWEI).await?;
    world.provider().evm_mine(None).await?;
    let dear = hangs(&setup, "chain-0", "chain", "fee_ceiling").await?;
    assert!(dear["cause"]["frees"].as_str().unwrap().contains("fees.max_fee_gwei = 3"), "{dear}");

    let mined = eventually("a cheap block holds it", Duration::from_secs(30), || async {
        let now = setup.json(&["explain", "chain-0"])?;
        if now["cause"]["code"] == "awaits_finality" {
            return Ok(Some(now));
        }
        world.provider().anvil_set_next_block_base_fee_per_gas(GWEI / 2).await?;
        world.provider().evm_mine(None).await?;
        tokio::time::sleep(Duration::from_millis(500)).await;
        Ok(None)
    })
    .await?;
    assert!(mined["cause"]["found"].as_str().unwrap().contains("it is in block"), "{mined}");
    let id = mined["id"].as_str().unwrap_or_default();
    let view: Value = reqwest::get(setup.api(&format!("/v1/withdrawals/{id}"))).await?.json().await?;
    assert_eq!(view["next"]["what"], "its block is final, as the last ones were", "{view}");
    world.provider().anvil_mine(Some(10), None).await?;
    setup.settled(Duration::from_secs(30)).await?;
    keeper.stop()?;
    check_paid(&world, &setup, &[first, orders].concat(), &[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nonce_that_somebody_else_sits_before() -> eyre::Result<()> {
    let world = by_hand().await?;
    let (setup, keeper) = running(&world, &format!("{FAST}[fees]\nbump_after = \"1h\"\n")).await?;
    let orders = [orders_of(&world, "TUSD", "first", 1), orders_of(&world, "TDAI", "second", 1)].concat();
    submit(&world, &setup, &orders[..1])?;
    until_open(&setup, "orders", "broadcast", 1).await?;
    submit(&world, &setup, &orders[1..])?;
    until_open(&setup, "orders", "broadcast", 2).await?;
    let behind = hangs(&setup, "second-0", "chain", "awaits_block").await?;
    assert!(behind["cause"]["found"].as_str().unwrap().contains("whose next one in a block is"), "{behind}");
    world.provider().anvil_mine(Some(10), None).await?;
    setup.settled(Duration::from_secs(30)).await?;
    keeper.stop()?;
    check_paid(&world, &setup, &orders, &[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keeper_that_is_gone_and_a_chain_that_is() -> eyre::Result<()> {
    let world = World::start(0.5).await?;
    world.past_the_loaded(3).await?;
    let (setup, keeper) = running(&world, "[batch]\nwindow = \"1h\"\n").await?;
    let orders = orders_of(&world, "TUSD", "gone", 1);
    submit(&world, &setup, &orders)?;
    let waits = hangs(&setup, "gone-0", "batch", "awaits_batch").await?;
    assert!(waits["cause"]["frees"].as_str().unwrap().contains("batch.window"), "{waits}");
    signal("-STOP", world.anvil.id())?;
    hangs(&setup, "gone-0", "batch", "chain_unreachable").await?;
    signal("-CONT", world.anvil.id())?;
    keeper.stop()?;
    let gone = hangs(&setup, "gone-0", "batch", "keeper_down").await?;
    assert!(gone["cause"]["frees"].as_str().unwrap().contains("spillway run"), "{gone}");
    let zh = setup.run(&["explain", "gone-0", "--language", "zh"])?;
    assert!(String::from_utf8(zh.stdout)?.contains("目前没有"), "in Chinese too");

    let taken = setup.json(&["explain", "never handed in"]);
    assert!(taken.is_err(), "what is not known is an error");
    // Taken back through a keeper that runs again, it hangs nowhere.
    let keeper = Keeper::start_ready(&setup).await?;
    let id = gone["id"].as_str().unwrap_or_default();
    let cancel = setup.api(&format!("/v1/withdrawals/{id}/cancel"));
    eventually("it is taken back", Duration::from_secs(20), || async {
        let answer = reqwest::Client::new().post(&cancel).send().await?;
        Ok(answer.status().is_success().then_some(()))
    })
    .await?;
    let ended = setup.json(&["explain", "gone-0"])?;
    assert_eq!((&ended["hangs_at"], &ended["cause"]["code"]), (&Value::Null, &"cancelled_by_caller".into()));
    keeper.stop()?;
    check_paid(&world, &setup, &[], &orders).await
}
