//! From SIGKILL to the first new payout, with 100,000 withdrawals open.

use crate::rig::{Rig, runs};
use alloy::providers::ext::AnvilApi;
use spillway_e2e::{
    bench::{Figures, median},
    eventually,
    keeper::{Database, Keeper},
};
use sqlx::{Connection, SqliteConnection};
use std::time::{Duration, Instant};

const OPEN: usize = 100_000;
const CONFIG: &str = "[batch]\nwindow = \"300ms\"\n";

pub async fn run(figures: &mut Figures) -> eyre::Result<()> {
    let mut times = Vec::new();
    for _ in 0..runs()? {
        times.push(recovery().await?);
    }
    figures.add("recovery_seconds", median(times), "s");
    Ok(())
}

async fn recovery() -> eyre::Result<f64> {
    let mut rig = Rig::start(Database::Sqlite, CONFIG).await?;
    // No blocks, so that none is paid before the kill.
    rig.world.provider().anvil_set_interval_mining(0).await?;
    let orders = rig.orders("open", OPEN);
    rig.submit(rig.bulks(&orders), 8).await?;

    let start = Instant::now();
    rig.keeper.kill()?;
    // What has its number already is on its way whatever the keeper does: new is what gets one after the restart.
    let mut db =
        SqliteConnection::connect(&format!("sqlite://{}/spillway.db", rig.setup.dir.display())).await?;
    let given: i64 = sqlx::query_scalar("SELECT sum(next - 1) FROM lanes").fetch_one(&mut db).await?;
    db.close().await?;
    rig.world.provider().anvil_set_interval_mining(1).await?;
    rig.keeper = Keeper::start(&rig.setup)?;
    eventually("a new payout", Duration::from_secs(120), || async {
        Ok((rig.settled().await? > u64::try_from(given)?).then_some(()))
    })
    .await?;
    let seconds = start.elapsed().as_secs_f64();
    eprintln!("first new payout {seconds:.2} s after SIGKILL, with {OPEN} open");
    rig.mined(OPEN).await?;
    rig.check(&orders).await?;
    rig.keeper.stop()?;
    Ok(seconds)
}
