//! Whether a withdrawal costs more processor time when a million others are in the store than when a thousand are.

use crate::rig::{Rig, runs};
use eyre::ensure;
use spillway_e2e::{
    bench::{Figures, median},
    eventually,
    keeper::{Database, Keeper},
};
use sqlx::{Connection, SqliteConnection};
use std::{
    path::Path,
    time::{Duration, Instant},
};
use tokio::time::sleep;

const ORDERS: usize = 10_000;
const FEW: u32 = 1_000;
const MANY: u32 = 1_000_000;
const CONFIG: &str = "[batch]\nwindow = \"300ms\"\nmax_in_flight = 8\n";

pub async fn run(figures: &mut Figures) -> eyre::Result<()> {
    let (mut few, mut many) = (Vec::new(), Vec::new());
    for _ in 0..runs()? {
        few.push(cost(FEW).await?);
        many.push(cost(MANY).await?);
    }
    let (few, many) = (median(few), median(many));
    figures.add("cost_per_withdrawal_1k", few, "us");
    figures.add("cost_per_withdrawal_1m", many, "us");
    figures.add("cost_ratio_1m_1k", many / few, "");
    Ok(())
}

/// Microseconds of the keeper's processor time per withdrawal over a store of `rows`.
async fn cost(rows: u32) -> eyre::Result<f64> {
    let mut rig = Rig::start(Database::Sqlite, CONFIG).await?;
    rig.keeper.stop()?;
    let file = rig.setup.dir.join("spillway.db");
    fill(&file, rows).await?;
    let before = compared_at(&file).await?;
    rig.keeper = Keeper::start_ready(&rig.setup).await?;
    added_up(&file, before).await?;

    let orders = rig.orders("cost", ORDERS);
    let bulks = rig.bulks(&orders);
    let before = rig.keeper_cpu()?;
    rig.submit(bulks, 4).await?;
    rig.mined(ORDERS).await?;
    booked(&rig).await?;
    let cost = (rig.keeper_cpu()? - before) * 1e6 / ORDERS as f64;
    eprintln!("over {rows} rows: {cost:.0} us");
    rig.check(&orders).await?;
    rig.keeper.stop()?;
    Ok(cost)
}

/// Waits until nothing is open. `spillway status` would count all rows each time, beside the keeper on the same cores; this
/// looks at what is open alone.
async fn booked(rig: &Rig) -> eyre::Result<()> {
    let mut db = connect(&rig.setup.dir.join("spillway.db")).await?;
    let open = "SELECT EXISTS (SELECT 1 FROM batches WHERE state NOT IN ('final', 'dissolved')) \
                OR EXISTS (SELECT 1 FROM withdrawals WHERE state IN ('received', 'held', 'ready'))";
    let start = Instant::now();
    while sqlx::query_scalar::<_, i64>(open).fetch_one(&mut db).await? != 0 {
        ensure!(start.elapsed() < Duration::from_secs(120), "the books are not closed");
        sleep(Duration::from_millis(100)).await;
    }
    Ok(db.close().await?)
}

async fn connect(file: &Path) -> eyre::Result<SqliteConnection> {
    Ok(SqliteConnection::connect(&format!("sqlite://{}", file.display())).await?)
}

/// When the keeper last compared books and chain, in unix milliseconds. Zero before it ever did.
async fn compared_at(file: &Path) -> eyre::Result<i64> {
    let mut db = connect(file).await?;
    let at =
        sqlx::query_scalar("SELECT coalesce(max(at), 0) FROM reconciliations").fetch_one(&mut db).await?;
    db.close().await?;
    Ok(at)
}

/// Waits until the keeper has added up the postings that appeared while it was stopped, which it does once and no
/// withdrawal pays for: its own it adds up as they come. It does so with its first comparison, which may be over before it
/// is ready. One that finds what the last found is no new row.
async fn added_up(file: &Path, before: i64) -> eyre::Result<()> {
    eventually("books and chain are compared again", Duration::from_secs(120), || async {
        Ok((compared_at(file).await? > before).then_some(()))
    })
    .await
}

/// Withdrawals that were rejected, with transitions and postings, spread over the key space as real ones are.
async fn fill(file: &Path, rows: u32) -> eyre::Result<()> {
    let mut db = connect(file).await?;
    let series = format!("WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})");
    let hex = |expression: &str| format!("lower(hex({expression}))");
    let (id, reference, to) = (hex("randomblob(16)"), hex("randomblob(8)"), hex("randomblob(20)"));
    let asset = "0x00000000000000000000000000000000000000aa";
    let statements = [
        "BEGIN".to_owned(),
        format!(
            "{series} INSERT INTO withdrawals (id, reference, door, idempotency_key, asset, recipient, amount, state, \
             reason, trace_id, received_at, updated_at) SELECT 'wd_' || {id}, '0x' || {reference}, 'order', \
             'old-' || i, '{asset}', '0x' || {to}, printf('%064x', i), 'received', 'asset_not_listed', \
             printf('%032x', i), 1, 1 FROM n"
        ),
        "INSERT INTO transitions (audit, withdrawal, from_state, to_state, at) \
         SELECT 0, row_id, NULL, 'received', 1 FROM withdrawals"
            .to_owned(),
        "INSERT INTO transitions (audit, withdrawal, from_state, to_state, at) \
         SELECT 0, row_id, 'received', 'rejected', 1 FROM withdrawals"
            .to_owned(),
        "INSERT INTO postings (audit, withdrawal, to_state, asset, debit, credit, amount, at) \
         SELECT 0, row_id, 'received', asset, 'float', 'orders', amount, 1 FROM withdrawals"
            .to_owned(),
        "INSERT INTO postings (audit, withdrawal, to_state, asset, debit, credit, amount, at) \
         SELECT 0, row_id, 'rejected', asset, 'orders', 'float', amount, 1 FROM withdrawals"
            .to_owned(),
        "UPDATE withdrawals SET state = 'rejected' WHERE state = 'received'".to_owned(),
        "COMMIT".to_owned(),
    ];
    for statement in statements {
        sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&mut db).await?;
    }
    Ok(db.close().await?)
}
