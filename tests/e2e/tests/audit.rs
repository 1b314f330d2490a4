//! The audit chain: nobody changes it in the database, and whoever does so elsewhere is found at the first change.

// All of this file is a test, its helpers too.
#![allow(clippy::unwrap_used)]

use alloy::{
    network::TransactionResponse,
    primitives::{Address, B256},
    providers::Provider,
};
use eyre::ensure;
use serde_json::{Value, json};
use spillway::books::audit::export;
use spillway_e2e::{
    cases::{orders_of, submit, verify_audit},
    keeper::{Database, Keeper, Setup},
    tampering::AuditFile,
    world::{LANES, World},
};
use sqlx::{AnyConnection, AssertSqlSafe, Connection};
use std::{path::Path, process::Command, time::Duration};

const PROGRAM: &str = env!("CARGO_BIN_EXE_spillway-under-test");
const FAST: &str = "[batch]\nwindow = \"200ms\"\n";

/// A keeper that paid eight orders and showed them to somebody, and stopped.
async fn paid(database: Database, world: &World) -> eyre::Result<Setup> {
    let setup = Setup::over(database, world, Path::new(PROGRAM), 2, FAST)?;
    let keeper = Keeper::start_ready(&setup).await?;
    pay(world, &setup, "first").await?;
    let shown: Value = reqwest::get(setup.api("/v1/withdrawals")).await?.json().await?;
    assert_eq!(shown["withdrawals"].as_array().map(Vec::len), Some(8));
    keeper.stop()?;
    Ok(setup)
}

async fn pay(world: &World, setup: &Setup, name: &str) -> eyre::Result<()> {
    let orders: Vec<_> = ["ETH", "TUSD"].iter().flat_map(|asset| orders_of(world, asset, name, 4)).collect();
    // Keys are of the name and the number.
    let orders: Vec<_> = orders
        .into_iter()
        .enumerate()
        .map(|(i, order)| spillway_e2e::chain_audit::Expected { key: format!("{name}-{i}"), ..order })
        .collect();
    submit(world, setup, &orders)?;
    setup.settled(Duration::from_secs(60)).await
}

/// What a person without configuration and store is told of a file, with `more` arguments.
fn verify_with(file: &Path, world: &World, more: &[&str]) -> eyre::Result<Value> {
    let elsewhere = tempfile::tempdir()?;
    let output = Command::new(PROGRAM)
        .current_dir(elsewhere.path())
        .args(["audit", "verify", "--json", "--rpc", &world.anvil.url(), "--export"])
        .arg(file)
        .args(more)
        .output()?;
    let said = serde_json::from_slice(&output.stdout);
    let said: Value = said.map_err(|_| eyre::eyre!("{}", String::from_utf8_lossy(&output.stderr)))?;
    ensure!(output.status.code() == Some(if said["ok"] == true { 0 } else { 4 }), "{said}");
    Ok(said)
}

fn verify(file: &Path, world: &World) -> eyre::Result<Value> {
    verify_with(file, world, &[])
}

/// Each transaction on chain that a lane's key signed.
async fn sent_by_lanes(world: &World) -> eyre::Result<Vec<(Address, B256)>> {
    let chain = world.provider();
    let mut sent = Vec::new();
    for number in 0..=chain.get_block_number().await? {
        let block = chain.get_block_by_number(number.into()).full().await?;
        let made = block.map(|b| b.transactions.into_transactions_vec()).unwrap_or_default();
        sent.extend(made.iter().map(|tx| (tx.from(), tx.tx_hash())));
    }
    sent.retain(|(from, _)| LANES.iter().any(|(lane, _)| lane == from));
    Ok(sent)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_verified_with_nothing_but_an_endpoint() -> eyre::Result<()> {
    let world = World::start(0.5).await?;
    let setup = paid(Database::Sqlite, &world).await?;
    let file = setup.dir.join("audit.jsonl");
    setup.json(&["explain", "first-0"])?;
    let exported = setup.json(&["audit", "export", &file.to_string_lossy()])?;
    let whole = verify(&file, &world)?;
    assert_eq!((&whole["ok"], &whole["changes"]), (&Value::Bool(true), &exported["changes"]), "{whole}");
    assert!(whole["chain"]["settlements"].as_u64().unwrap() >= 2, "{whole}");
    let confirmed = usize::try_from(whole["chain"]["up_to_change"].as_u64().unwrap())?;
    assert!(confirmed > 2, "{whole}");
    assert_eq!(setup.json(&["audit", "verify"])?["ok"], true);

    let made = AuditFile::read(&file)?;
    let changes = (1..=made.len()).map(|n| made.change(n)).collect::<eyre::Result<Vec<_>>>()?;
    for (action, of) in [("withdrawals.viewed", "\"shown\":8"), ("withdrawal.viewed", "\"user\"")] {
        let noted: Vec<_> = changes.iter().filter(|c| c["action"] == action).collect();
        assert_eq!(noted.len(), 1, "{action}");
        assert!(noted[0]["detail"].as_str().unwrap().contains(of), "{}", noted[0]);
    }
    let signed = changes.iter().filter_map(|c| {
        let detail: Value = serde_json::from_str(c["detail"].as_str()?).ok()?;
        detail["signed"].as_array().cloned()
    });
    let signed: Vec<(Address, B256)> = signed
        .flatten()
        .map(|one| {
            Ok((serde_json::from_value(one["key"].clone())?, serde_json::from_value(one["tx"].clone())?))
        })
        .collect::<eyre::Result<_>>()?;
    let sent = sent_by_lanes(&world).await?;
    assert!(sent.len() >= 2 && sent.iter().all(|tx| signed.contains(tx)), "{sent:?} of {signed:?}");
    let tampered = setup.dir.join("tampered.jsonl");
    let told = |changed: &AuditFile| {
        changed.write(&tampered)?;
        verify(&tampered, &world)
    };
    for at in 1..=made.len() {
        let mut changed = made.clone();
        changed.change_time(at)?;
        let mut fewer = made.clone();
        fewer.remove(at);
        for file in [changed, fewer] {
            file.write(&tampered)?;
            let (_, followed) = export::follow(&tampered, |_| {})?;
            assert_eq!(followed.unwrap_err().change, Some(i64::try_from(at)?));
        }
    }
    let mut changed = made.clone();
    changed.change_time(2)?;
    assert_eq!(told(&changed)?["broken"]["change"], 2);
    let mut half = made.clone();
    half.break_off();
    assert!(told(&half)?["broken"]["what"].as_str().unwrap().contains("cut off"));

    // Whoever writes all of history anew cannot write the chain anew, whatever the first line says.
    let mut forged = made.clone();
    forged.change_time(confirmed)?;
    forged.forge_from(confirmed)?;
    for last in [whole["ends"]["block"].clone(), Value::Null] {
        forged.say("final_block", last)?;
        let said = told(&forged)?;
        assert!(said["broken"]["what"].as_str().unwrap().contains("written anew"), "{said}");
        assert!(said["broken"]["change"].as_u64().unwrap() <= confirmed as u64, "{said}");
    }
    // Nor may it leave out what came first.
    let mut later = made.clone();
    later.say("deployed_at", whole["ends"]["block"].clone())?;
    assert_eq!(told(&later)?["ok"], false);

    // A tail that is cut off cannot be proved to be missing: it is told where the file ends, and what it does not cover.
    let mut bookings = (1..=made.len()).filter(|n| made.change(*n).unwrap()["action"] == "blocks.final");
    let last = bookings.next_back().unwrap();
    let mut cut = made.clone();
    cut.cut_after(last - 1)?;
    assert_eq!(told(&cut)?["broken"]["change"], last, "the first line has the books go on");
    cut.say("final_block", Value::Null)?;
    let said = told(&cut)?;
    assert_eq!((&said["ok"], &said["ends"]["change"]), (&Value::Bool(true), &json!(last - 1)), "{said}");
    assert_eq!(
        (&whole["chain"]["later"], &whole["ends"]["change"]),
        (&json!(0), &whole["changes"]),
        "{whole}"
    );
    assert!(said["ends"]["block"].as_u64() < whole["ends"]["block"].as_u64(), "{said}");

    // That the file is of the vault that is meant is for the person to say.
    assert!(whole["unchecked"][0].as_str().unwrap().contains("the vault"), "{whole}");
    let named = |vault: String| verify_with(&file, &world, &["--vault", &vault]);
    assert!(!named(world.vault().to_string())?["unchecked"].to_string().contains("the vault is"));
    assert_eq!(named(Address::repeat_byte(7).to_string())?["ok"], false);
    let mut other = made.clone();
    other.say("vault", json!(Address::repeat_byte(7)))?;
    other.write(&tampered)?;
    let said = setup.json(&["audit", "verify", "--export", &tampered.to_string_lossy()])?;
    assert!(said["broken"]["what"].as_str().unwrap().contains("the deployment"), "{said}");
    Ok(())
}

async fn a_past_that_a_restore_lost_is_told_apart(database: Database) -> eyre::Result<()> {
    let world = World::start(0.5).await?;
    let setup = paid(database, &world).await?;
    setup.back_up().await?;
    let keeper = Keeper::start_ready(&setup).await?;
    pay(&world, &setup, "second").await?;
    keeper.stop()?;
    setup.restore().await?;
    let keeper = Keeper::start_ready(&setup).await?;
    pay(&world, &setup, "third").await?;
    let overview: Value = reqwest::get(setup.api("/v1/overview")).await?.json().await?;
    keeper.stop()?;
    // As it stands it could be written anew: whoever knows of the restore says so.
    let said = setup.json(&["audit", "verify"])?;
    assert_eq!(
        (&said["ok"], &said["broken"]["change"]),
        (&false.into(), &said["lost"][0]["change"]),
        "{said}"
    );
    assert_eq!(said["lost"][0]["accepted"], false, "{said}");
    let said = verify_audit(&setup, &[])?;
    assert_eq!((&said["ok"], &said["lost"][0]["accepted"]), (&true.into(), &true.into()), "{said}");
    // What the operators' page shows, from the store alone, is what the chain says.
    let audit = &overview["books"]["audit"];
    let anchored = (&audit["ok"], &audit["anchored"]["change"]);
    assert_eq!(anchored, (&true.into(), &said["chain"]["up_to_change"]), "{audit}");
    assert!(said["chain"]["forgotten"].as_u64().unwrap() >= 1, "{said}");
    Ok(())
}

/// Whoever has the database tries; each statement must fail or change nothing.
async fn tried(url: &str, statements: &[&str]) -> eyre::Result<()> {
    sqlx::any::install_default_drivers();
    for statement in statements {
        let mut connection = AnyConnection::connect(url).await?;
        let count = "SELECT (SELECT count(*) FROM audit) + (SELECT count(*) FROM transitions) * 1000 + \
                     (SELECT count(*) FROM postings) * 1000000 + (SELECT count(*) FROM withdrawals) * 1000000000";
        let before: i64 = sqlx::query_scalar(count).fetch_one(&mut connection).await?;
        let refused = sqlx::raw_sql(AssertSqlSafe(*statement)).execute(&mut connection).await;
        let after: i64 = sqlx::query_scalar(count).fetch_one(&mut connection).await?;
        let changed = refused.as_ref().map_or(0, |done| done.rows_affected());
        assert!(refused.is_err() || changed == 0, "{statement}: done");
        assert_eq!(before, after, "{statement}");
    }
    Ok(())
}

const REWRITES: [&str; 15] = [
    "UPDATE audit SET actor = 'me'",
    "UPDATE audit SET hash = '0x00' WHERE seq = 2",
    "DELETE FROM audit WHERE seq = (SELECT max(seq) FROM audit)",
    "INSERT INTO audit SELECT seq + 2, at, actor, action, detail, digest, hash FROM audit WHERE seq = \
     (SELECT max(seq) FROM audit)",
    "INSERT INTO audit SELECT -1, at, actor, action, detail, digest, hash FROM audit WHERE seq = 1",
    "UPDATE transitions SET reason = 'x'",
    "DELETE FROM transitions",
    "UPDATE postings SET amount = replace(amount, '0', '1')",
    "DELETE FROM postings WHERE row_id = 1",
    "DELETE FROM withdrawals",
    "UPDATE withdrawals SET amount = replace(amount, '0', '1')",
    "UPDATE withdrawals SET recipient = '0x0000000000000000000000000000000000000001'",
    "UPDATE withdrawals SET id = 'wd_00000000000000000000000000000000' WHERE row_id = 1",
    "UPDATE withdrawals SET idempotency_key = 'other'",
    "UPDATE withdrawals SET state = 'received' WHERE state = 'paid' AND row_id = 999999",
];

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_refuses_to_change_history() -> eyre::Result<()> {
    let world = World::start(0.5).await?;
    let setup = paid(Database::Sqlite, &world).await?;
    let url = format!("sqlite://{}/spillway.db", setup.dir.display());
    tried(&url, &REWRITES).await?;
    let replacing = [
        "REPLACE INTO audit SELECT seq, at, 'me', action, detail, digest, hash FROM audit WHERE seq = 2",
        "INSERT OR REPLACE INTO postings SELECT row_id, audit, withdrawal, to_state, asset, debit, credit, \
         replace(amount, '0', '1'), at FROM postings WHERE row_id = 1",
        "REPLACE INTO transitions SELECT row_id, audit, withdrawal, batch, from_state, 'paid', reason, at \
         FROM transitions WHERE row_id = 1",
        "UPDATE OR REPLACE withdrawals SET id = (SELECT id FROM withdrawals WHERE row_id = 2) WHERE row_id = 1",
    ];
    tried(&url, &replacing).await?;
    // It is skipped, not refused: an order that is handed in again looks the same.
    let again = "REPLACE INTO withdrawals (row_id, id, reference, door, idempotency_key, asset, recipient, amount, \
                 state, trace_id, received_at, updated_at) SELECT row_id + 1000, id, reference, door, \
                 idempotency_key, asset, recipient, amount, 'received', trace_id, 1, 1 FROM withdrawals";
    tried(&url, &[again]).await?;
    assert_eq!(setup.json(&["db", "check"])?["ok"], true);
    Ok(())
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod over_postgres {
    use super::*;
    use spillway_e2e::{cases::reconfigure, postgres::Postgres};
    use std::sync::Arc;

    #[tokio::test(flavor = "multi_thread")]
    async fn postgres_refuses_to_change_history_and_the_keepers_role_cannot_take_the_refusal_away()
    -> eyre::Result<()> {
        let world = World::start(0.5).await?;
        let server = Arc::new(Postgres::start().await?);
        let setup = paid(Database::Postgres(server.clone()), &world).await?;
        let emptying = [
            "TRUNCATE audit",
            "TRUNCATE postings",
            "TRUNCATE transitions",
            "TRUNCATE withdrawals CASCADE",
            "TRUNCATE batches CASCADE",
        ];
        tried(&server.url("keeper"), &REWRITES).await?;
        tried(&server.url("keeper"), &emptying).await?;

        // A role of its own pays as before, and can do none of this, nor take away what refuses it.
        server.execute("CREATE ROLE payer LOGIN").await?;
        assert_eq!(setup.json(&["db", "grant", "payer"])?["role"], "payer");
        let own = server.url("keeper").replace("spillway@", "payer@");
        reconfigure(&setup, &server.url("keeper"), &own)?;
        let keeper = Keeper::start_ready(&setup).await?;
        pay(&world, &setup, "by its own role").await?;
        keeper.stop()?;
        tried(&own, &REWRITES).await?;
        tried(&own, &emptying).await?;
        // What a keeper writes anew as a whole it may empty.
        let mut payer = sqlx::PgConnection::connect(&own).await?;
        for table in ["balances", "differences", "asset_pauses", "webhook_deliveries", "refill_troubles"] {
            let statement = sqlx::AssertSqlSafe(format!("DELETE FROM {table} WHERE false"));
            sqlx::query(statement).execute(&mut payer).await?;
        }
        payer.close().await?;
        let taking_away = [
            "ALTER TABLE audit DISABLE TRIGGER ALL",
            "DROP TRIGGER audit_append_only ON audit",
            "DROP TABLE postings CASCADE",
            "SET session_replication_role = replica",
            "CREATE OR REPLACE FUNCTION append_only() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN OLD; END $$",
            "UPDATE withdrawals SET received_at = 1",
        ];
        tried(&own, &taking_away).await?;
        assert_eq!(setup.json(&["db", "check"])?["ok"], true);
        assert_eq!(setup.json(&["audit", "verify"])?["ok"], true);
        assert_eq!(setup.json(&["reconcile"])?["ok"], true);
        Ok(())
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_past_that_a_restore_lost_is_told_apart() -> eyre::Result<()> {
        super::a_past_that_a_restore_lost_is_told_apart(Database::Postgres(Arc::new(
            Postgres::start().await?,
        )))
        .await
    }
}

mod over_sqlite {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_past_that_a_restore_lost_is_told_apart() -> eyre::Result<()> {
        super::a_past_that_a_restore_lost_is_told_apart(Database::Sqlite).await
    }
}
