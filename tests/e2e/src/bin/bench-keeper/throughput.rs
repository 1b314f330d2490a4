//! Payouts per second, from the first order handed in to the last one in a block.

use crate::rig::{Rig, runs};
use spillway_e2e::{
    bench::{Figures, median},
    chain_audit::Expected,
    keeper::Database,
    postgres::Postgres,
};
use std::{sync::Arc, time::Instant};

const ORDERS: usize = 50_000;
/// One transaction per payout takes that much longer.
const UNBATCHED_ORDERS: usize = 2_000;
pub const CONFIG: &str = "[batch]\nwindow = \"300ms\"\nmax_in_flight = 8\n";
const UNBATCHED: &str = "[batch]\nwindow = \"0s\"\nmax_payouts = 1\nmax_in_flight = 64\n";
/// Requests of the client that are under way at a time.
const AT_ONCE: usize = 8;

pub async fn sqlite(figures: &mut Figures) -> eyre::Result<()> {
    let mut memory = Vec::new();
    let mut rates = Vec::new();
    for _ in 0..runs()? {
        let run = payouts(Database::Sqlite, CONFIG, ORDERS, nobody).await?;
        rates.push(run.rate);
        memory.push((run.half_way_mib, run.peak_mib));
    }
    figures.add("payouts_per_second_sqlite", median(rates), "1/s");
    figures.add("keeper_peak_rss_half_way_mb", median(memory.iter().map(|m| m.0).collect()), "MiB");
    figures.add("keeper_peak_rss_mb", median(memory.iter().map(|m| m.1).collect()), "MiB");
    Ok(())
}

pub async fn postgres(figures: &mut Figures) -> eyre::Result<()> {
    let mut rates = Vec::new();
    for _ in 0..runs()? {
        let server = Arc::new(Postgres::start().await?);
        rates.push(payouts(Database::Postgres(server), CONFIG, ORDERS, nobody).await?.rate);
    }
    figures.add("payouts_per_second_postgres", median(rates), "1/s");
    Ok(())
}

pub async fn unbatched(figures: &mut Figures) -> eyre::Result<()> {
    let unbatched = payouts(Database::Sqlite, UNBATCHED, UNBATCHED_ORDERS, nobody).await?;
    figures.add("payouts_per_second_unbatched", unbatched.rate, "1/s");
    Ok(())
}

pub struct Run {
    pub rate: f64,
    half_way_mib: f64,
    peak_mib: f64,
}

/// Nothing goes on beside the payments.
async fn nobody(_: &Rig, _: &[Expected]) -> eyre::Result<()> {
    Ok(())
}

/// What `beside` returns is held until all are mined.
pub async fn payouts<Held>(
    database: Database,
    config: &str,
    count: usize,
    beside: impl AsyncFn(&Rig, &[Expected]) -> eyre::Result<Held>,
) -> eyre::Result<Run> {
    let rig = Rig::start(database, config).await?;
    let orders = rig.orders("bench", count);
    let bulks = rig.bulks(&orders);
    let held = beside(&rig, &orders).await?;
    let before = (rig.keeper_cpu()?, rig.anvil_cpu()?);

    let start = Instant::now();
    let submitted = async {
        rig.submit(bulks, AT_ONCE).await?;
        eyre::Ok(start.elapsed())
    };
    let half_way = async {
        rig.mined(count / 2).await?;
        rig.keeper_peak_mib()
    };
    let (submitted, half_way_mib) = tokio::try_join!(submitted, half_way)?;
    rig.mined(count).await?;
    let seconds = start.elapsed().as_secs_f64();
    drop(held);

    let each = |cpu: f64| cpu * 1e6 / count as f64;
    let (keeper, anvil) = (each(rig.keeper_cpu()? - before.0), each(rig.anvil_cpu()? - before.1));
    let submitted = submitted.as_secs_f64();
    eprintln!(
        "{count} orders: submitted in {submitted:.2} s, mined in {seconds:.2} s; processor time of each: \
         {keeper:.0} us of the keeper, {anvil:.0} us of anvil"
    );
    let peak_mib = rig.keeper_peak_mib()?;
    rig.check(&orders).await?;
    rig.keeper.stop()?;
    Ok(Run { rate: count as f64 / seconds, half_way_mib, peak_mib })
}
