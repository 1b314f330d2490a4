//! Reorgs of several depths: books follow the chain back and forth, and each payment is made once.

use alloy::{providers::ext::AnvilApi, rpc::types::anvil::ReorgOptions};
use spillway::chain::abi::IVault;
use spillway_e2e::{
    cases::{by_hand, check_paid, log, orders_of, submit},
    chain_audit::{Expected, Ledger},
    eventually,
    keeper::{Database, Keeper, Setup},
    world::{LANES, World},
};
use std::{path::Path, time::Duration};

const PROGRAM: &str = env!("CARGO_BIN_EXE_spillway-under-test");
/// Final so late that every reorg here is above it.
const LATE: u64 = 12;

struct Scene {
    world: World,
    setup: Setup,
    keeper: Keeper,
    orders: Vec<Expected>,
}

/// Orders over all assets, in blocks that are not final yet. Blocks are made by hand from here on.
async fn mined_but_not_final(database: Database, name: &str) -> eyre::Result<Scene> {
    let world = by_hand().await?;
    let more = "[batch]\nwindow = \"100ms\"\n[fees]\nbump_after = \"2s\"\n";
    let setup = Setup::over(database, &world, Path::new(PROGRAM), LANES.len(), more)?;
    let config = std::fs::read_to_string(&setup.config)?;
    let finality = format!("[chain]\nfinality = {{ confirmations = {LATE} }}\n");
    std::fs::write(&setup.config, config.replace("[chain]\n", &finality))?;
    let keeper = Keeper::start_ready(&setup).await?;
    let mut orders = Vec::new();
    for (i, symbol) in ["TUSD", "TDAI", "ETH", "TUSD", "TDAI"].into_iter().enumerate() {
        let more = orders_of(&world, symbol, &format!("{name}-{i}"), 5);
        submit(&world, &setup, &more)?;
        orders.extend(more);
        mine_until(&world, &setup, "mined", i + 1).await?;
    }
    Ok(Scene { world, setup, keeper, orders })
}

async fn mine_until(world: &World, setup: &Setup, state: &str, n: usize) -> eyre::Result<()> {
    eventually(&format!("{n} batches {state}"), Duration::from_secs(40), || async {
        world.provider().evm_mine(None).await?;
        tokio::time::sleep(Duration::from_millis(300)).await;
        let status = setup.json(&["status"])?;
        let open = status["open_batches"].as_array().cloned().unwrap_or_default();
        let there = open.iter().filter(|b| b["state"] == state).count();
        let settled = status["batches"]["final"].as_u64().unwrap_or_default();
        Ok((there + settled as usize >= n).then_some(()))
    })
    .await
}

impl Scene {
    async fn ends_well(self) -> eyre::Result<()> {
        self.world.provider().anvil_set_interval_mining(1).await?;
        self.setup.settled(Duration::from_secs(120)).await?;
        self.keeper.stop()?;
        assert!(log(&self.setup).contains("reorganised out of the chain"), "the reorg was noticed");
        // What vanished came again under the number that it had: none was given up, and none was given out beyond.
        assert_eq!(Ledger::read(&self.world).await?.voids, 0);
        let vault = IVault::new(self.world.vault(), self.world.provider());
        let mut next = 0;
        for (lane, _) in LANES {
            next += vault.laneOf(lane).call().await?.next;
        }
        assert_eq!(next, (self.orders.len() + LANES.len()) as u64, "each lane begins with number 1");
        check_paid(&self.world, &self.setup, &self.orders, &[]).await
    }
}

async fn reorged(database: Database, name: &str, depth: u64) -> eyre::Result<()> {
    let scene = mined_but_not_final(database, name).await?;
    // The new blocks hold none of the old ones' transactions.
    let provider = scene.world.provider();
    provider.anvil_reorg(ReorgOptions { depth, tx_block_pairs: Vec::new() }).await?;
    provider.anvil_drop_all_transactions().await?;
    scene.ends_well().await
}

#[tokio::test(flavor = "multi_thread")]
async fn three_blocks_are_replaced_and_the_mempool_is_empty() -> eyre::Result<()> {
    reorged(Database::Sqlite, "three", 3).await
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[tokio::test(flavor = "multi_thread")]
async fn three_blocks_are_replaced_under_postgres() -> eyre::Result<()> {
    use spillway_e2e::postgres::Postgres;
    let server = std::sync::Arc::new(Postgres::start().await?);
    reorged(Database::Postgres(server), "three", 3).await
}

#[tokio::test(flavor = "multi_thread")]
async fn all_blocks_above_the_last_final_one_are_replaced() -> eyre::Result<()> {
    reorged(Database::Sqlite, "deep", LATE - 1).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_chain_becomes_shorter_again_and_again() -> eyre::Result<()> {
    let scene = mined_but_not_final(Database::Sqlite, "shorter").await?;
    for depth in [2, 1, 4] {
        scene.world.provider().anvil_rollback(Some(depth)).await?;
        tokio::time::sleep(Duration::from_secs(1)).await;
        for _ in 0..2 {
            scene.world.provider().evm_mine(None).await?;
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }
    scene.ends_well().await
}
