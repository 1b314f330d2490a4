//! From submission to mined when there is little to do: an order waits for the batch window, and for the next block.

use crate::rig::{BLOCK_TIME, Rig, percentile};
use alloy::providers::{Provider, ProviderBuilder, WsConnect};
use eyre::WrapErr;
use futures::future::try_join_all;
use spillway_e2e::{bench::Figures, chain_audit::Expected, keeper::Database, orders::decimal};
use std::time::{Duration, Instant};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

const ORDERS: usize = 200;
const WINDOW_MS: u32 = 200;
/// No multiple of it is a block's time, so that orders come at all times between two blocks.
const BETWEEN: Duration = Duration::from_millis(237);
/// No order takes so long.
const LIMIT: Duration = Duration::from_secs(60);

pub async fn run(figures: &mut Figures) -> eyre::Result<()> {
    let rig = Rig::start(Database::Sqlite, &format!("[batch]\nwindow = \"{WINDOW_MS}ms\"\n")).await?;
    let orders = rig.orders("latency", ORDERS);
    let node = ProviderBuilder::new()
        .connect_ws(WsConnect::new(rig.world.anvil.url().replace("http", "ws")))
        .await?;
    let mut blocks = node.subscribe_blocks().await?;
    // The chain tells of a block when it is there: to ask for it would take time of the keeper's, and be late.
    let (seen, heads) = watch::channel((0, Instant::now()));
    let watching = tokio::spawn(async move {
        while let Ok(head) = blocks.recv().await {
            seen.send_replace((head.number, Instant::now()));
        }
    });
    let (rig_ref, heads) = (&rig, &heads);
    let times = orders.iter().enumerate().map(|(i, order)| async move {
        sleep(BETWEEN * u32::try_from(i)?).await;
        submit_to_mined(rig_ref, heads.clone(), order).await
    });
    let mut times = try_join_all(times).await?;
    figures.add("latency_block_time_ms", BLOCK_TIME * 1e3, "ms");
    figures.add("latency_window_ms", f64::from(WINDOW_MS), "ms");
    figures.add("latency_p50_ms", percentile(&mut times, 50), "ms");
    figures.add("latency_p99_ms", percentile(&mut times, 99), "ms");
    watching.abort();
    rig.check(&orders).await?;
    rig.keeper.stop()
}

async fn submit_to_mined(
    rig: &Rig,
    mut heads: watch::Receiver<(u64, Instant)>,
    order: &Expected,
) -> eyre::Result<f64> {
    let amount = decimal(&rig.world, order);
    let body =
        serde_json::json!({ "asset": "TDAI", "recipient": order.recipient, "amount": amount }).to_string();
    let start = Instant::now();
    rig.post("/v1/withdrawals", Some(&order.key), body).await?;
    heads.mark_unchanged();
    let mined = async {
        loop {
            heads.changed().await?;
            let (block, at) = *heads.borrow_and_update();
            if !rig.world.balance_at(order.asset, order.recipient, block).await?.is_zero() {
                return Ok::<_, eyre::Report>(at);
            }
        }
    };
    let at = timeout(LIMIT, mined).await.wrap_err_with(|| format!("{} is not paid", order.key))??;
    Ok((at - start).as_secs_f64() * 1e3)
}
