//! What the ledger costs: its rows written again alone, beside all that the keeper does for a payout.

use alloy::primitives::{Address, U256, keccak256};
use spillway::{config::Config, store::Store};
use spillway_e2e::{
    bench::{Figures, cpu},
    cases::submit,
    chain_audit::Expected,
    keeper::{Keeper, Setup},
    world::World,
};
use sqlx::{Connection, Row, SqliteConnection};
use std::{path::Path, time::Duration};

const ORDERS: usize = 10_000;
const CONFIG: &str = "[batch]\nwindow = \"1s\"\n";

/// A keeper pays from submission to final blocks; then what it wrote of postings and audit is written again to a store that
/// has everything else, change by change, and every hash of it is computed again. That reads back what the keeper has in hand
/// when it hashes, so the ledger's share is at most what is told.
pub async fn run(figures: &mut Figures, program: &Path) -> eyre::Result<()> {
    let world = World::start(1.0).await?;
    let setup = Setup::new(&world, program, 1, CONFIG)?;
    let keeper = Keeper::start_ready(&setup).await?;
    let before = cpu(keeper.id())?;
    submit(&world, &setup, &orders(&world))?;
    setup.settled(Duration::from_secs(300)).await?;
    let whole = cpu(keeper.id())? - before;
    keeper.stop()?;

    let own = std::process::id();
    let mut copy = without_ledger(&setup.dir).await?;
    let before = cpu(own)?;
    write_again(&mut copy).await?;
    let written = cpu(own)? - before;
    copy.close().await?;
    let store = Store::connect(&Config::load(&setup.config)?.store.url).await?;
    let before = cpu(own)?;
    let followed = store.follow_audit(|_, _| {}, |_| {}).await?;
    let hashed = cpu(own)? - before;
    store.close().await;
    followed.map_err(|broken| eyre::eyre!("{broken}"))?;

    let each = |seconds: f64| seconds * 1e6 / ORDERS as f64;
    figures.add("keeper_cpu_per_payout", each(whole), "us");
    figures.add("ledger_cpu_per_payout", each(written + hashed), "us");
    figures.add("ledger_share_of_cpu", 100.0 * (written + hashed) / whole, "%");
    Ok(())
}

fn orders(world: &World) -> Vec<Expected> {
    let asset = world.asset("TDAI").address;
    let order = |i: usize| {
        let key = format!("ledger-{i}");
        let recipient = Address::from_slice(&keccak256(&key)[..20]);
        Expected { key, asset, recipient, amount: U256::from(1_000_000_000 + i) }
    };
    (0..ORDERS).map(order).collect()
}

/// A copy of the keeper's store without its postings and audit, with the original attached as `original`.
async fn without_ledger(dir: &Path) -> eyre::Result<SqliteConnection> {
    let (original, copy) = (dir.join("spillway.db"), dir.join("copy.db"));
    let mut db = SqliteConnection::connect(&format!("sqlite://{}", original.display())).await?;
    execute(&mut db, format!("VACUUM INTO '{}'", copy.display())).await?;
    db.close().await?;
    let mut db = SqliteConnection::connect(&format!("sqlite://{}", copy.display())).await?;
    execute(&mut db, format!("ATTACH '{}' AS original", original.display())).await?;
    for statement in [
        "PRAGMA journal_mode = WAL",
        "PRAGMA synchronous = FULL",
        "PRAGMA cache_size = -65536",
        "DROP TRIGGER audit_no_delete",
        "DROP TRIGGER postings_no_delete",
        "DELETE FROM audit",
        "DELETE FROM postings",
        "PRAGMA wal_checkpoint(TRUNCATE)",
    ] {
        execute(&mut db, statement.to_owned()).await?;
    }
    Ok(db)
}

async fn write_again(db: &mut SqliteConnection) -> eyre::Result<()> {
    let changes = sqlx::query("SELECT seq FROM original.audit ORDER BY seq").fetch_all(&mut *db).await?;
    for change in changes {
        let change: i64 = change.get("seq");
        execute(db, "BEGIN IMMEDIATE".to_owned()).await?;
        for table in ["postings WHERE audit", "audit WHERE seq"] {
            let name = table.split(' ').next().unwrap_or_default();
            execute(db, format!("INSERT INTO {name} SELECT * FROM original.{table} = {change}")).await?;
        }
        execute(db, "COMMIT".to_owned()).await?;
    }
    Ok(())
}

async fn execute(db: &mut SqliteConnection, statement: String) -> eyre::Result<()> {
    sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(db).await?;
    Ok(())
}
