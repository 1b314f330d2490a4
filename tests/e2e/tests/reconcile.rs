//! Reconciliation: what differs between intake, ledger and chain is found and called what it is, and nothing else is.
//!
//! `SPILLWAY_CORRUPTIONS=5000` makes more than 500; `SPILLWAY_CORRUPTION_SEED=7` replays a run.

// All of this file is a test, its helpers too.
#![allow(clippy::unwrap_used)]

mod corruption;

use alloy::{
    primitives::{Address, Bytes, U256, keccak256, uint},
    providers::{Provider, ext::AnvilApi},
    sol_types::{SolCall, SolValue},
};
use corruption::{Corruption, Found, Ground};
use eyre::{OptionExt, ensure};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use spillway::{
    books::difference::Class,
    chain::abi::IVault,
    config::Config,
    deployment::Deployment,
    domain::asset::NATIVE,
    keeper::{self, Scope},
    stages::reconcile::Report,
};
use spillway_e2e::{
    anvil::Options,
    cases::{orders_of, submit},
    chain_audit::Expected,
    eventually,
    keeper::{Database, Keeper, Setup},
    world::{DEPLOYER, LANES, TestToken, World, send, transfer},
};
use std::{collections::BTreeSet, path::Path, sync::Arc, time::Duration};
use tokio::{runtime::Handle, task::JoinSet};

const PROGRAM: &str = env!("CARGO_BIN_EXE_spillway-under-test");
/// Corrupted copies that are compared at a time.
const AT_ONCE: usize = 2;
const FAST: &str = "[batch]\nwindow = \"200ms\"\n";

/// Orders of all assets, some to recipients that take no money, some that can never be paid, and requests; two lanes.
async fn filled() -> eyre::Result<(World, Setup)> {
    // Every block keeps its state: the books are compared at an older one.
    let world = World::start_with(Options { block_time: Some(0.5), ..Options::default() }).await?;
    let setup = Setup::over(Database::Sqlite, &world, Path::new(PROGRAM), 2, FAST)?;
    to_cold_and_back(&world, LANES[0].0).await?;
    let keeper = Keeper::start_ready(&setup).await?;
    for round in 0..4 {
        let mut orders = Vec::new();
        for asset in ["ETH", "TUSD", "TDAI"] {
            orders.extend(orders_of(&world, asset, &format!("{asset}-{round}"), 9));
            let recipient = world.recipients[if asset == "TUSD" { "blocked" } else { "reverter" }];
            orders.push(Expected {
                key: format!("hostile-{asset}-{round}"),
                asset: world.asset(asset).address,
                recipient: if asset == "TDAI" { Address::repeat_byte(0x77) } else { recipient },
                amount: U256::from(5_000_000 + round),
            });
        }
        submit(&world, &setup, &orders)?;
        let tusd = world.asset("TUSD").address;
        let depositor = Address::from_slice(&keccak256(format!("depositor {round}"))[..20]);
        let recipient = Address::from_slice(&keccak256(format!("for depositor {round}"))[..20]);
        world.request(tusd, depositor, recipient, U256::from(20_000_000 + round)).await?;
        if round == 3 {
            corruption::copy(&setup.dir.join("spillway.db"), &setup.dir.join("older.db")).await?;
        }
        setup.settled(Duration::from_secs(60)).await?;
    }
    keeper.stop()?;
    Ok((world, setup))
}

/// Surplus goes to cold, more than that comes back, and some goes again.
async fn to_cold_and_back(world: &World, lane: Address) -> eyre::Result<()> {
    let (chain, vault, tusd) = (world.provider(), world.vault(), world.asset("TUSD").address);
    let (owner, refilled) = (Address::repeat_byte(0x51), U256::from(9_000_000_000_000_u64));
    chain.anvil_set_balance(owner, U256::from(10).pow(U256::from(18))).await?;
    let surplus = U256::from(20_000_000_000_000_u64);
    let sweep = |amount: u64| IVault::sweepCall { asset: tusd, amount: U256::from(amount) }.abi_encode();
    for (from, to, call) in [
        (DEPLOYER, tusd, TestToken::mintCall { to: vault, amount: surplus }.abi_encode()),
        (DEPLOYER, tusd, TestToken::mintCall { to: owner, amount: refilled }.abi_encode()),
        (owner, tusd, TestToken::approveCall { spender: vault, amount: refilled }.abi_encode()),
        (lane, vault, sweep(7_000_000_000_000)),
        (owner, vault, IVault::refillCall { asset: tusd, amount: refilled }.abi_encode()),
        (lane, vault, sweep(3_000_000_000_000)),
    ] {
        let sent = send(chain, from, to, U256::ZERO, call.into()).await?;
        ensure!(sent.get_receipt().await?.status(), "{from} was refused by {to}");
    }
    Ok(())
}

/// Reads what the command would print. The store of `setup` is compared, or another in its place.
/// Of the keeper's own store, or of another; with a file of generations that no other comparison uses meanwhile.
async fn reconcile(setup: &Setup, store: Option<(&str, usize)>, deep: bool) -> eyre::Result<Report> {
    let mut config = Config::load(&setup.config)?;
    if let Some((url, slot)) = store {
        config.store.url = url.to_owned();
        config.store.generation_file = Some(setup.dir.join(format!("other-{slot}.generation")));
    }
    let deployment = Deployment::load(&config.deployment)?;
    keeper::reconcile_once(&config, &deployment, Scope { deep, from: None }, |_, _| {}).await
}

fn number(name: &str, otherwise: u64) -> eyre::Result<u64> {
    Ok(std::env::var(name).ok().map_or(Ok(otherwise), |n| n.parse::<u64>())?)
}

#[tokio::test(flavor = "multi_thread")]
async fn random_corruptions_of_the_database_are_each_found_and_called_what_they_are() -> eyre::Result<()> {
    let wanted = number("SPILLWAY_CORRUPTIONS", 500)?;
    let seed = number("SPILLWAY_CORRUPTION_SEED", 1)?;
    println!("SPILLWAY_CORRUPTION_SEED={seed}");
    let (world, setup) = filled().await?;
    // No block comes any more: the same chain is compared each time. A final block that the books do not have yet would
    // put a lane's number right before it is looked at.
    world.provider().anvil_set_interval_mining(0).await?;
    let clean = reconcile(&setup, None, true).await?;
    ensure!(clean.ok && clean.differences.is_empty(), "not clean to begin with: {clean:?}");
    ensure!(clean.payouts.is_some_and(|n| n > 120), "{clean:?}");
    let ground = Arc::new(Ground::of(&setup).await?);
    let mut rng = StdRng::seed_from_u64(seed);
    let mut by_kind = std::collections::BTreeMap::<String, u64>::new();
    let (mut running, mut free) = (JoinSet::new(), (0..AT_ONCE).collect::<Vec<_>>());
    for n in 0..wanted {
        let corruption = Corruption::draw(&ground, &mut rng).await?;
        *by_kind.entry(corruption.kind().to_owned()).or_default() += 1;
        if free.is_empty()
            && let Some(done) = running.join_next().await
        {
            free.push(done??);
        }
        let slot = free.pop().ok_or_eyre("no slot")?;
        let (ground, setup) = (ground.clone(), setup.clone());
        let runtime = Handle::current();
        running.spawn_blocking(move || {
            runtime.block_on(async {
                let copy = ground.corrupted(&corruption).await?;
                let report = reconcile(&setup, Some((&copy.url, slot)), true).await?;
                let found = Found { report, audit: copy.audit().await? };
                let checked = corruption.check(&found);
                checked.map_err(|error| eyre::eyre!("seed {seed}, corruption {n}: {error:#}"))?;
                eyre::Ok(slot)
            })
        });
    }
    while let Some(done) = running.join_next().await {
        done??;
    }
    println!("{wanted} corruptions, each found and rightly classified, none else reported: {by_kind:?}");
    Ok(())
}

/// Money and blocks that come and go on chain, at random.
#[tokio::test(flavor = "multi_thread")]
async fn random_corruptions_of_the_chain_are_each_found_and_called_what_they_are() -> eyre::Result<()> {
    let seed = number("SPILLWAY_CORRUPTION_SEED", 1)?;
    println!("seed {seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let (world, setup) = filled().await?;
    let chain = world.provider();
    let vault = world.vault();
    chain.anvil_set_interval_mining(0).await?;
    for n in 0..24 {
        let asset = world.asset(["ETH", "TUSD", "TDAI"][rng.random_range(0..3)]).clone();
        let amount = U256::from(rng.random_range(1..1_000_000_u64));
        let stranger = Address::from_slice(&keccak256(format!("{seed} {n}"))[..20]);
        let outflow = rng.random();
        let (from, to) = if outflow { (vault, stranger) } else { (stranger, vault) };
        let gas = U256::from(10).pow(U256::from(18));
        if !outflow {
            chain.anvil_set_balance(stranger, gas).await?;
        }
        let before = reconcile(&setup, None, true).await?;
        ensure!(before.ok, "seed {seed}, {n}: {before:?}");
        let native = asset.is_native();
        if !native && !outflow {
            let mint = TestToken::mintCall { to: stranger, amount }.abi_encode();
            let minted = send(chain, DEPLOYER, asset.address, U256::ZERO, mint.into()).await?;
            chain.anvil_mine(Some(1), None).await?;
            ensure!(minted.get_receipt().await?.status(), "nothing was minted");
        }
        // What a stolen key of a broken vault could do.
        if native && outflow {
            let left = world.balance(asset.address, vault).await? - amount;
            chain.anvil_set_balance(vault, left).await?;
        } else if native {
            let sent = send(chain, from, to, amount, Bytes::new()).await?;
            chain.anvil_mine(Some(1), None).await?;
            ensure!(sent.get_receipt().await?.status(), "the transfer reverted");
        } else {
            let sent = transfer(chain, asset.address, from, to, amount).await?;
            chain.anvil_mine(Some(1), None).await?;
            ensure!(sent.get_receipt().await?.status(), "the transfer reverted");
        }
        chain.anvil_mine(Some(8), None).await?;
        let report = reconcile(&setup, None, true).await?;
        let found: Vec<_> = report.differences.iter().map(|d| (d.class, d.asset.clone(), d.healed)).collect();
        let symbol = Some(asset.symbol.clone());
        if !outflow {
            ensure!(found == [(Class::Donation, symbol, true)], "seed {seed}, {n}: {report:?}");
            continue;
        }
        ensure!(!report.ok, "seed {seed}, {n}: {report:?}");
        ensure!(found == [(Class::UnknownOutflow, symbol, false)], "seed {seed}, {n}: {report:?}");
        let booked =
            setup.json(&["reconcile", "--write-off", &asset.symbol, "--reason", "a test took it"])?;
        ensure!(booked["lost"] == amount.to_string(), "seed {seed}, {n}: {booked}");
    }
    // What no event says: a lane that stands elsewhere, and buckets that were filled.
    let lane = LANES[0].0;
    let hot =
        |symbol| keccak256((world.asset(symbol).address, VAULT_STORAGE + U256::ONE).abi_encode()).into();
    flip(&world, keccak256((lane, VAULT_STORAGE).abi_encode()).into(), 200).await?;
    flip(&world, hot("TUSD"), 128 + 24).await?;
    flip(&world, hot("TDAI"), 176 + 24).await?;
    flip(&world, VAULT_STORAGE + U256::from(6), 160 + 24).await?;
    let swapping = (NATIVE, VAULT_STORAGE + U256::from(15)).abi_encode();
    flip(&world, keccak256(swapping).into(), 128 + 24).await?;
    chain.anvil_mine(Some(8), None).await?;
    let report = reconcile(&setup, None, true).await?;
    let found: BTreeSet<_> = report.differences.iter().map(|d| (d.class, d.subject.clone())).collect();
    let mut odd: BTreeSet<_> = ["limit in USD", "limit of TDAI", "limit of TUSD", "limit of swaps from ETH"]
        .map(|s| (Class::State, s.to_owned()))
        .into();
    odd.insert((Class::State, format!("lane {lane} on chain")));
    ensure!(found == odd, "{report:?}");
    Ok(())
}

/// `VaultStorage.STORAGE`: the lanes by address; in the next slot the assets, each beginning with its `Hot`; in the sixth
/// after it the `Gates`, in the fifteenth the rules of swaps by asset.
const VAULT_STORAGE: U256 = uint!(0x95e2cca9ad2449ce3d9a8dcf9e6c5c2f28dd677809853e6aef4668ad09818800_U256);

/// Changes a bit of a slot of the vault.
async fn flip(world: &World, slot: U256, bit: usize) -> eyre::Result<()> {
    let chain = world.provider();
    let word = chain.get_storage_at(world.vault(), slot).await? ^ (U256::ONE << bit);
    ensure!(chain.anvil_set_storage_at(world.vault(), slot, word.into()).await?, "it was not set");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outflow_that_nothing_explains_stops_the_asset_alone() -> eyre::Result<()> {
    let (world, setup) = filled().await?;
    let keeper = Keeper::start_ready(&setup).await?;
    let eth = world.balance(NATIVE, world.vault()).await?;
    world.provider().anvil_set_balance(world.vault(), eth - U256::from(7)).await?;
    eventually("the asset is stopped", Duration::from_secs(30), || async {
        Ok(setup.logged().contains("the asset is not settled any more").then_some(()))
    })
    .await?;
    // What was taken of another comes in again in the same block: no sum ever differs.
    let (chain, tdai) = (world.provider(), world.asset("TDAI").address);
    chain.anvil_set_interval_mining(0).await?;
    let thief = Address::repeat_byte(0x66);
    let taken = transfer(chain, tdai, world.vault(), thief, U256::from(11)).await?;
    let mint = TestToken::mintCall { to: world.vault(), amount: U256::from(11) }.abi_encode();
    let given = send(chain, DEPLOYER, tdai, U256::ZERO, mint.into()).await?;
    chain.anvil_mine(Some(1), None).await?;
    let (taken, given) = (taken.get_receipt().await?, given.get_receipt().await?);
    ensure!(taken.status() && given.status() && taken.block_number == given.block_number);
    chain.anvil_set_interval_mining(1).await?;
    eventually("the other is stopped too", Duration::from_secs(30), || async {
        Ok((setup.logged().matches("the asset is not settled any more").count() == 2).then_some(()))
    })
    .await?;
    submit(&world, &setup, &orders_of(&world, "ETH", "stopped", 3))?;
    submit(&world, &setup, &orders_of(&world, "TDAI", "stopped too", 3))?;
    submit(&world, &setup, &orders_of(&world, "TUSD", "goes on", 3))?;
    eventually("the third asset is paid", Duration::from_secs(30), || async {
        Ok((setup.open()? == 6).then_some(()))
    })
    .await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(setup.open()?, 6, "the stopped assets wait");
    assert!(!setup.logged().contains("chain and books agree again"), "a sum explains nothing");
    keeper.stop()?;
    let output = setup.run(&["reconcile"])?;
    assert_eq!(output.status.code(), Some(4));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("unknown_outflow") && said.contains("security:"), "{said}");
    assert!(said.contains(&format!("TDAI in transaction {}", taken.transaction_hash)), "{said}");

    for (asset, lost) in [("ETH", "7"), ("TDAI", "11")] {
        let booked = setup.json(&["reconcile", "--write-off", asset, "--reason", "known"])?;
        assert_eq!(booked["lost"], lost);
    }
    let keeper = Keeper::start_ready(&setup).await?;
    setup.settled(Duration::from_secs(60)).await?;
    keeper.stop()?;
    assert_eq!(setup.json(&["reconcile", "--deep"])?["ok"], true);
    assert_eq!(setup.json(&["audit", "verify"])?["ok"], true);
    Ok(())
}

/// A token that begins to keep a part of each transfer: the vault sent all of it, the recipients got less.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_begins_to_take_a_fee_is_named_for_each_recipient() -> eyre::Result<()> {
    let (world, setup) = filled().await?;
    let artifact = std::fs::read_to_string(spillway_e2e::root().join("out/Tokens.sol/FeeToken.json"))?;
    let artifact: serde_json::Value = serde_json::from_str(&artifact)?;
    let code: Bytes = artifact["deployedBytecode"]["object"].as_str().unwrap().parse()?;
    world.provider().anvil_set_code(world.asset("TDAI").address, code).await?;
    let orders = orders_of(&world, "TDAI", "short", 3);
    submit(&world, &setup, &orders)?;
    let keeper = Keeper::start_ready(&setup).await?;
    setup.settled(Duration::from_secs(60)).await?;
    keeper.stop()?;
    let report = reconcile(&setup, None, true).await?;
    ensure!(!report.ok && report.differences.len() == orders.len(), "{report:?}");
    for order in &orders {
        let named = |d: &&spillway::books::difference::Difference| {
            d.subject.contains(&order.recipient.to_string()) && d.asset.as_deref() == Some("TDAI")
        };
        let found: Vec<_> = report.differences.iter().filter(named).collect();
        ensure!(found.len() == 1 && found[0].class == Class::FeeOnTransfer, "{order:?}: {report:?}");
    }
    Ok(())
}

/// Blocks that were final are gone: chain.finality was too low for this chain.
#[tokio::test(flavor = "multi_thread")]
async fn final_blocks_that_are_gone_are_called_reorged() -> eyre::Result<()> {
    let (world, setup) = filled().await?;
    let tip = world.provider().get_block_number().await?;
    let settled = alloy::rpc::types::Filter::new()
        .address(world.vault())
        .event_signature(<IVault::Settled as alloy::sol_types::SolEvent>::SIGNATURE_HASH)
        .from_block(world.deployment.block);
    let last = world.provider().get_logs(&settled).await?.pop().unwrap();
    let depth = tip + 1 - last.block_number.unwrap();
    let gone = eventually("the chain goes back", Duration::from_secs(20), || async {
        Ok(world.anvil.reorg(depth + 1).await?.then_some(()))
    });
    gone.await?;
    let report = reconcile(&setup, None, true).await?;
    ensure!(!report.ok && report.differences.len() > 1, "{report:?}");
    ensure!(report.differences.iter().all(|d| d.class == Class::Reorged), "{report:?}");
    // Without a walk there is nothing to say but that the books cannot follow.
    let error = format!("{:#}", reconcile(&setup, None, false).await.unwrap_err());
    ensure!(error.contains("final"), "{error}");
    Ok(())
}

/// A store that is built from the chain alone has all that the chain knows, and pays on.
#[tokio::test(flavor = "multi_thread")]
async fn a_store_rebuilt_from_the_chain_is_the_original_in_all_that_the_chain_knows() -> eyre::Result<()> {
    let (world, setup) = filled().await?;
    reconcile(&setup, None, false).await?;
    let other = format!("sqlite://{}/lost.db", setup.dir.display());
    let full = setup.run(&["recover", "--from-chain"])?;
    assert!(!full.status.success(), "a store that holds something is left alone");
    for file in ["spillway.db", "spillway.db-wal", "spillway.db-shm"] {
        let _ = std::fs::rename(setup.dir.join(file), setup.dir.join(file.replace("spillway", "lost")));
    }
    setup.past_is_lost()?;
    let said = setup.json(&["recover", "--from-chain", "--compare", &other])?;
    println!("{said}");
    assert_eq!(said["ok"], true, "{said}");
    let compared = &said["recovered"]["compared"];
    // 120 payouts and 4 requests, both lanes, what the vault holds of three assets, claims of two, and what is at cold.
    assert_eq!(compared["same"], 124 + 2 + 3 + 2 + 1, "{said}");
    assert_eq!(
        (&compared["only_rebuilt"], &compared["only_other"]),
        (&serde_json::json!([]), &serde_json::json!([]))
    );
    assert_eq!(said["recovered"]["requests"], 4);

    // Clients repeat their keys: nothing is paid twice, and what is new is paid.
    let orders = orders_of(&world, "TUSD", "TUSD-0", 9);
    submit(&world, &setup, &orders)?;
    let new = orders_of(&world, "TUSD", "new", 5);
    submit(&world, &setup, &new)?;
    let keeper = Keeper::start_ready(&setup).await?;
    setup.settled(Duration::from_secs(60)).await?;
    keeper.stop()?;
    let all: Vec<_> = orders.into_iter().chain(new).collect();
    spillway_e2e::cases::check_paid(&world, &setup, &all, &[]).await?;
    assert_eq!(setup.json(&["reconcile", "--deep"])?["ok"], true);
    Ok(())
}
