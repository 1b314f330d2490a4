//! Durable acceptances per second over HTTP on SQLite, and how long a caller waits at half that load. The chain
//! stands still meanwhile: what is measured is the door, not the line behind it.

use crate::rig::{BULK, Rig, percentile, runs};
use alloy::providers::ext::AnvilApi;
use futures::{StreamExt, TryStreamExt, stream};
use spillway_e2e::{
    bench::{Figures, median},
    chain_audit::Expected,
    keeper::Database,
    orders::decimal,
};
use std::time::{Duration, Instant};
use tokio::time::{MissedTickBehavior, interval};

const SINGLES: usize = 20_000;
const BULKED: usize = 50_000;
/// Callers that send one after the other, each on its own connection: so many that the next group is there when one is
/// stored.
const CALLERS: usize = 256;
/// How long half the load is kept up.
const STEADY: Duration = Duration::from_secs(5);
/// Longer than the run: nothing is gathered or paid while the door is measured.
const CONFIG: &str = "[batch]\nwindow = \"1h\"\n";

pub async fn run(figures: &mut Figures) -> eyre::Result<()> {
    let (mut singles, mut bulks) = (Vec::new(), Vec::new());
    let rig = Rig::start(Database::Sqlite, CONFIG).await?;
    rig.world.provider().anvil_set_interval_mining(0).await?;
    for run in 0..runs()? {
        let requests = single_bodies(&rig, &rig.orders(&format!("single-{run}"), SINGLES));
        let start = Instant::now();
        send(&rig, requests).await?;
        singles.push(SINGLES as f64 / start.elapsed().as_secs_f64());

        let bodies = rig.bulks(&rig.orders(&format!("bulk-{run}"), BULKED));
        let start = Instant::now();
        rig.submit(bodies, 8).await?;
        bulks.push(BULKED as f64 / start.elapsed().as_secs_f64());
    }
    let (single, bulk) = (median(singles), median(bulks));
    figures.add("intake_single_per_second", single, "1/s");
    figures.add("intake_bulk_per_second", bulk, "1/s");

    let count = (single / 2.0 * STEADY.as_secs_f64()) as usize;
    let requests = single_bodies(&rig, &rig.orders("steady", count));
    report(figures, "intake_single", steady(&rig, "/v1/withdrawals", requests, single / 2.0).await?);
    let count = (bulk / 2.0 * STEADY.as_secs_f64()) as usize / BULK * BULK;
    let requests =
        rig.bulks(&rig.orders("steady-bulk", count)).into_iter().map(|body| (None, body)).collect();
    let rate = bulk / 2.0 / BULK as f64;
    report(figures, "intake_bulk", steady(&rig, "/v1/withdrawals/bulk", requests, rate).await?);
    rig.keeper.stop()
}

/// An idempotency key, if the body holds none, and a body.
type Request = (Option<String>, String);

fn single_bodies(rig: &Rig, orders: &[Expected]) -> Vec<Request> {
    orders
        .iter()
        .map(|order| {
            let amount = decimal(&rig.world, order);
            let body = serde_json::json!({ "asset": "TDAI", "recipient": order.recipient, "amount": amount });
            (Some(order.key.clone()), body.to_string())
        })
        .collect()
}

/// As fast as the callers get their answers.
async fn send(rig: &Rig, requests: Vec<Request>) -> eyre::Result<()> {
    stream::iter(requests)
        .map(|(key, body)| async move { rig.post("/v1/withdrawals", key.as_deref(), body).await })
        .buffer_unordered(CALLERS)
        .try_for_each(|_| async { Ok(()) })
        .await
}

/// At `rate` requests per second, whether or not those before are answered. The times in milliseconds.
async fn steady(rig: &Rig, path: &str, requests: Vec<Request>, rate: f64) -> eyre::Result<Vec<f64>> {
    let mut clock = interval(Duration::from_secs_f64(1.0 / rate));
    clock.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let times: Vec<Duration> = stream::unfold((clock, requests.into_iter()), |(mut clock, mut rest)| async {
        let next = rest.next()?;
        clock.tick().await;
        Some((next, (clock, rest)))
    })
    .map(|(key, body)| async move { rig.post(path, key.as_deref(), body).await })
    .buffer_unordered(CALLERS * 8)
    .try_collect()
    .await?;
    Ok(times.into_iter().map(|time| time.as_secs_f64() * 1e3).collect())
}

fn report(figures: &mut Figures, name: &str, mut times: Vec<f64>) {
    for percent in [50, 99] {
        figures.add(format!("{name}_p{percent}_ms"), percentile(&mut times, percent), "ms");
    }
}
