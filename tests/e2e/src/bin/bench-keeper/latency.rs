//! From submission to mined when there is little to do: an order waits for the batch window, and for the next block.

use crate::rig::{BLOCK_TIME, Rig, percentile};
use eyre::ensure;
use futures::future::try_join_all;
use spillway_e2e::{bench::Figures, chain_audit::Expected, keeper::Database, orders::decimal};
use std::time::{Duration, Instant};
use tokio::time::sleep;

const ORDERS: usize = 200;
const WINDOW_MS: u32 = 200;
/// No multiple of it is a block's time, so that orders come at all times between two blocks.
const BETWEEN: Duration = Duration::from_millis(237);
/// How often the recipient's balance is asked for.
const LOOK: Duration = Duration::from_millis(10);

pub async fn run(figures: &mut Figures) -> eyre::Result<()> {
    let rig = Rig::start(Database::Sqlite, &format!("[batch]\nwindow = \"{WINDOW_MS}ms\"\n")).await?;
    let orders = rig.orders("latency", ORDERS);
    let rig_ref = &rig;
    let times = orders.iter().enumerate().map(|(i, order)| async move {
        sleep(BETWEEN * u32::try_from(i)?).await;
        submit_to_mined(rig_ref, order).await
    });
    let mut times = try_join_all(times).await?;
    figures.add("latency_block_time_ms", BLOCK_TIME * 1e3, "ms");
    figures.add("latency_window_ms", f64::from(WINDOW_MS), "ms");
    figures.add("latency_p50_ms", percentile(&mut times, 50), "ms");
    figures.add("latency_p99_ms", percentile(&mut times, 99), "ms");
    rig.check(&orders).await?;
    rig.keeper.stop()
}

async fn submit_to_mined(rig: &Rig, order: &Expected) -> eyre::Result<f64> {
    let amount = decimal(&rig.world, order);
    let body =
        serde_json::json!({ "asset": "TDAI", "recipient": order.recipient, "amount": amount }).to_string();
    let start = Instant::now();
    rig.post("/v1/withdrawals", Some(&order.key), body).await?;
    while rig.world.balance(order.asset, order.recipient).await?.is_zero() {
        ensure!(start.elapsed() < Duration::from_secs(60), "{} is not paid", order.key);
        sleep(LOOK).await;
    }
    Ok(start.elapsed().as_secs_f64() * 1e3)
}
