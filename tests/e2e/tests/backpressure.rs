//! A store that cannot keep up: the door says so at once, what is queued is stored, and what was refused can come again.

use alloy::primitives::{Address, keccak256};
use eyre::OptionExt;
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};
use spillway_e2e::{
    eventually,
    keeper::{Database, Keeper, Setup},
    world::World,
};
use sqlx::{Connection, SqliteConnection};
use std::{path::Path, time::Duration};
use tokio::{task::JoinHandle, time::timeout};

const PROGRAM: &str = env!("CARGO_BIN_EXE_spillway-under-test");
/// Less than a full batch waits. The queue is the smallest that there is.
const CONFIG: &str = "[batch]\nwindow = \"1h\"\n";
const SMALL: &str = "[api]\nqueue = 10000\n";
const ROWS: usize = 2_000;
/// Longer than it takes to read a bulk on a machine that is busy, and so many of them are within the time of a request.
const TO_READ: Duration = Duration::from_secs(3);
/// What the queue holds, in bulks.
const QUEUE: usize = 5;

fn bulk(n: usize) -> Value {
    let row = |i: usize| {
        let key = format!("bulk-{n}-{i}");
        let recipient = Address::from_slice(&keccak256(&key)[..20]);
        json!({ "idempotency_key": key, "asset": "TUSD", "recipient": recipient.to_string(), "amount": "0.001" })
    };
    json!({ "withdrawals": (0..ROWS).map(row).collect::<Vec<_>>() })
}

fn send(client: &Client, setup: &Setup, n: usize) -> JoinHandle<reqwest::Result<Response>> {
    let request = client.post(setup.api("/v1/withdrawals/bulk")).json(&bulk(n));
    tokio::spawn(request.send())
}

/// How many are stored, whatever became of them since.
fn count(setup: &Setup) -> eyre::Result<u64> {
    let status = setup.json(&["status"])?;
    let states = status["withdrawals"].as_object().ok_or_eyre("no withdrawals in the status")?;
    Ok(states.values().filter_map(Value::as_u64).sum())
}

/// With the store held by somebody else: the queue fills, and then the answer is 429.
async fn a_full_queue(setup: &Setup) -> eyre::Result<Vec<JoinHandle<reqwest::Result<Response>>>> {
    let client = Client::new();
    let mut queued = Vec::new();
    // A bulk that is taken waits for the store. None is sent before the one before it is read.
    let refused = loop {
        let mut sent = send(&client, setup, queued.len());
        match timeout(TO_READ, &mut sent).await {
            Ok(answer) => break answer??,
            Err(_) => queued.push(sent),
        }
    };
    assert_eq!(queued.len(), QUEUE, "{refused:?}");
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.headers()["retry-after"], "1");
    let problem: Value = refused.json().await?;
    assert_eq!(problem["code"], "busy", "{problem}");
    let single = json!({ "asset": "TUSD", "recipient": Address::repeat_byte(7).to_string(), "amount": "1" });
    let single = client.post(setup.api("/v1/withdrawals")).header("idempotency-key", "single").json(&single);
    assert_eq!(single.send().await?.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(client.get(setup.api("/v1/health/live")).send().await?.status(), StatusCode::OK);
    Ok(queued)
}

/// The store is free again: the queue is stored, and what was refused is taken when it comes again.
async fn all_is_taken_in_the_end(
    setup: &Setup,
    queued: Vec<JoinHandle<reqwest::Result<Response>>>,
) -> eyre::Result<()> {
    let stored = |bulks: usize| {
        eventually("what was queued is stored", Duration::from_secs(240), move || async move {
            Ok((count(setup)? >= (bulks * ROWS) as u64).then_some(()))
        })
    };
    stored(QUEUE).await?;
    for answer in queued {
        let answer = answer.await??;
        // On a slow machine the time limit of a request may come before its answer.
        if answer.status() != StatusCode::SERVICE_UNAVAILABLE {
            assert_eq!(answer.error_for_status()?.json::<Value>().await?["new"], ROWS);
        }
    }
    assert_eq!(count(setup)?, (QUEUE * ROWS) as u64, "nothing of what was refused");
    let again = send(&Client::new(), setup, QUEUE).await??;
    let status = again.status();
    assert!(
        status == StatusCode::OK || status == StatusCode::SERVICE_UNAVAILABLE,
        "{status}: {}",
        again.text().await?
    );
    stored(QUEUE + 1).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_sqlite_cannot_keep_up_with_is_answered_429_and_taken_later() -> eyre::Result<()> {
    let world = World::start(1.0).await?;
    let setup = Setup::new(&world, Path::new(PROGRAM), 1, CONFIG)?;
    let text = std::fs::read_to_string(&setup.config)?;
    std::fs::write(&setup.config, text.replace("[api]\n", SMALL))?;
    let keeper = Keeper::start_ready(&setup).await?;
    let url = format!("sqlite://{}", setup.dir.join("spillway.db").display());
    let mut other = SqliteConnection::connect(&url).await?;
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut other).await?;
    let queued = a_full_queue(&setup).await?;
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await?;
    all_is_taken_in_the_end(&setup, queued).await?;
    keeper.stop()
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[tokio::test(flavor = "multi_thread")]
async fn what_postgres_cannot_keep_up_with_is_answered_429_and_taken_later() -> eyre::Result<()> {
    use spillway_e2e::postgres::Postgres;
    let world = World::start(1.0).await?;
    let server = std::sync::Arc::new(Postgres::start().await?);
    let setup = Setup::over(Database::Postgres(server.clone()), &world, Path::new(PROGRAM), 1, CONFIG)?;
    let text = std::fs::read_to_string(&setup.config)?;
    std::fs::write(&setup.config, text.replace("[api]\n", SMALL))?;
    let keeper = Keeper::start_ready(&setup).await?;
    let mut other = sqlx::PgConnection::connect(&server.url("keeper")).await?;
    sqlx::raw_sql("BEGIN; SELECT * FROM audit_head FOR UPDATE").execute(&mut other).await?;
    let queued = a_full_queue(&setup).await?;
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await?;
    all_is_taken_in_the_end(&setup, queued).await?;
    keeper.stop()
}
