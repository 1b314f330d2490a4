//! Endpoints of the operator hear of withdrawals: signed, again until they answer, and never at a payment's cost.

use axum::{Router, body::Bytes, extract::State, http::HeaderMap, http::StatusCode, routing::post};
use eyre::OptionExt;
use serde_json::Value;
use spillway::domain::webhook::{Secret, signatures};
use spillway_e2e::{
    cases::{check_paid, orders_of, submit, submit_until},
    chain_audit::Expected,
    eventually,
    keeper::{Database, Keeper, Setup},
    world::World,
};
use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::{net::TcpListener, sync::watch};

const PROGRAM: &str = env!("CARGO_BIN_EXE_spillway-under-test");
/// The test starts the keeper with it in its environment.
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const PATIENCE: Duration = Duration::from_secs(60);

/// How an endpoint behaves.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mood {
    Hears,
    Refuses,
    /// Takes the message and does not answer.
    Hangs,
}

#[derive(Clone, Debug)]
struct Heard {
    id: String,
    body: Value,
}

/// An endpoint, served by the test. Messages with a wrong signature are kept apart.
#[derive(Clone)]
struct Endpoint {
    url: String,
    mood: Arc<watch::Sender<Mood>>,
    heard: Arc<Mutex<Vec<Heard>>>,
    /// Each time that a message came, whatever was answered.
    came: Arc<Mutex<Vec<Heard>>>,
}

impl Endpoint {
    async fn start(mood: Mood) -> eyre::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/hook", listener.local_addr()?);
        let mood = Arc::new(watch::Sender::new(mood));
        let endpoint = Self { url, mood, heard: Arc::default(), came: Arc::default() };
        let router = Router::new().route("/hook", post(take)).with_state(endpoint.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(endpoint)
    }

    fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn came(&self) -> Vec<Heard> {
        self.came.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn entry(&self, name: &str, more: &str) -> String {
        format!(
            "[[webhooks]]\nname = {name:?}\nurl = {:?}\nsecret_env = [\"SHOP_SECRET\"]\n{more}\n",
            self.url
        )
    }

    /// Waits until it heard of `n`, each once.
    async fn hears(&self, n: usize) -> eyre::Result<Vec<Heard>> {
        eventually(&format!("{n} messages are heard"), PATIENCE, || async {
            Ok((self.heard().len() >= n).then_some(()))
        })
        .await?;
        let heard = self.heard();
        let mut ids: Vec<_> = heard.iter().map(|h| h.id.as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!((ids.len(), heard.len()), (n, n), "each once");
        Ok(heard)
    }
}

async fn take(State(endpoint): State<Endpoint>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let Some(heard) = checked(&headers, &body) else { return StatusCode::UNAUTHORIZED };
    endpoint.came.lock().unwrap_or_else(PoisonError::into_inner).push(heard.clone());
    let mood = *endpoint.mood.borrow();
    match mood {
        Mood::Hears => {
            endpoint.heard.lock().unwrap_or_else(PoisonError::into_inner).push(heard);
            StatusCode::NO_CONTENT
        }
        Mood::Refuses => StatusCode::INTERNAL_SERVER_ERROR,
        Mood::Hangs => {
            tokio::time::sleep(Duration::from_secs(3_600)).await;
            StatusCode::NO_CONTENT
        }
    }
}

/// None when the signature is not that of the secret, or too old.
fn checked(headers: &HeaderMap, body: &Bytes) -> Option<Heard> {
    let header = |name| headers.get(name)?.to_str().ok().map(str::to_owned);
    let (id, timestamp) = (header("webhook-id")?, header("webhook-timestamp")?.parse::<i64>().ok()?);
    let text = std::str::from_utf8(body).ok()?;
    let right = signatures(&[Secret::parse(SECRET)?], &id, timestamp, text);
    let now = i64::try_from(std::time::UNIX_EPOCH.elapsed().ok()?.as_secs()).ok()?;
    let fresh = (now - timestamp).abs() < 300;
    (fresh && header("webhook-signature")? == right)
        .then(|| Some(Heard { id, body: serde_json::from_str(text).ok()? }))?
}

fn keys(heard: &[Heard]) -> eyre::Result<Vec<(String, String)>> {
    let of = |h: &Heard| {
        let key = h.body["data"]["idempotency_key"].as_str()?;
        Some((key.to_owned(), h.body["type"].as_str()?.to_owned()))
    };
    let mut keys: Vec<_> =
        heard.iter().map(of).collect::<Option<_>>().ok_or_eyre("a message lacks a part")?;
    keys.sort();
    Ok(keys)
}

fn paid(orders: &[Expected]) -> Vec<(String, String)> {
    let mut paid: Vec<_> = orders.iter().map(|o| (o.key.clone(), "withdrawal.paid".to_owned())).collect();
    paid.sort();
    paid
}

async fn start(database: Database, config: &str) -> eyre::Result<(World, Setup)> {
    let world = World::start(0.5).await?;
    let setup = Setup::over(database, &world, Path::new(PROGRAM), 1, config)?.with_env("SHOP_SECRET", SECRET);
    Ok((world, setup))
}

async fn an_endpoint_is_told_until_it_hears(database: Database) -> eyre::Result<()> {
    let endpoint = Endpoint::start(Mood::Refuses).await?;
    let config = endpoint.entry("shop", "retry_after = \"200ms\"\nmax_attempts = 50");
    let (world, setup) = start(database, &format!("[batch]\nwindow = \"200ms\"\n{config}")).await?;
    let keeper = Keeper::start_ready(&setup).await?;
    let orders = orders_of(&world, "TUSD", "told", 5);
    submit(&world, &setup, &orders)?;
    setup.settled(PATIENCE).await?;
    eventually("it was tried twice", PATIENCE, || async { Ok((endpoint.came().len() > 10).then_some(())) })
        .await?;
    assert!(endpoint.heard().is_empty());

    // What is not heard yet outlives the keeper.
    keeper.kill()?;
    endpoint.mood.send_replace(Mood::Hears);
    let keeper = Keeper::start_ready(&setup).await?;
    let heard = endpoint.hears(5).await?;
    assert_eq!(keys(&heard)?, paid(&orders));
    let first = &heard[0].body["data"];
    let order = orders.iter().find(|o| first["idempotency_key"] == o.key).ok_or_eyre("another's")?;
    assert_eq!(first["asset"], "TUSD");
    assert_eq!(first["amount"], spillway_e2e::orders::decimal(&world, order));
    assert_eq!(first["recipient"], order.recipient.to_string());
    // Under the id under which it came before.
    assert!(heard.iter().all(|h| endpoint.came().iter().filter(|c| c.id == h.id).count() > 1));
    keeper.stop()?;
    check_paid(&world, &setup, &orders, &[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_refuses_is_told_again_until_it_hears() -> eyre::Result<()> {
    an_endpoint_is_told_until_it_hears(Database::Sqlite).await
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_refuses_is_told_again_from_postgres() -> eyre::Result<()> {
    use spillway_e2e::postgres::Postgres;
    let server = Arc::new(Postgres::start().await?);
    an_endpoint_is_told_until_it_hears(Database::Postgres(server)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_given_up_is_listed_and_can_be_replayed() -> eyre::Result<()> {
    let endpoint = Endpoint::start(Mood::Refuses).await?;
    let config = endpoint.entry("shop", "retry_after = \"100ms\"\nmax_attempts = 2");
    let (world, setup) = start(Database::Sqlite, &config).await?;
    let keeper = Keeper::start_ready(&setup).await?;
    submit(&world, &setup, &orders_of(&world, "TDAI", "dead", 3))?;
    let dead = || async {
        let list = setup.json(&["webhooks", "list"])?;
        let dead = list["dead"].as_array().cloned().unwrap_or_default();
        Ok((dead.len() == 3).then_some(dead))
    };
    let dead = eventually("three are given up", PATIENCE, dead).await?;
    assert!(dead.iter().all(|d| d["answer"] == "HTTP 500 Internal Server Error" && d["attempts"] == 2));
    assert_eq!(endpoint.came().len(), 6);
    let unknown = setup.run(&["webhooks", "replay", "--endpoint", "nobody"])?;
    assert_eq!(unknown.status.code(), Some(1));

    endpoint.mood.send_replace(Mood::Hears);
    let one = dead[0]["id"].to_string();
    assert_eq!(setup.json(&["webhooks", "replay", "--id", &one])?["replayed"], 1);
    endpoint.hears(1).await?;
    assert_eq!(setup.json(&["webhooks", "replay", "--all"])?["replayed"], 2);
    endpoint.hears(3).await?;
    let metrics = reqwest::get(setup.api("/metrics")).await?.text().await?;
    let delivered = "spillway_webhook_messages{endpoint=\"shop\",state=\"delivered\"} 3";
    assert!(metrics.contains(delivered), "{metrics}");
    keeper.stop()?;
    assert_eq!(setup.json(&["audit", "verify"])?["ok"], true);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_is_overdue_is_told_as_rejected_with_its_code() -> eyre::Result<()> {
    let endpoint = Endpoint::start(Mood::Hears).await?;
    // The window keeps all of them from a batch.
    let config = format!("[batch]\nwindow = \"10s\"\n{}", endpoint.entry("shop", ""));
    let (world, setup) = start(Database::Sqlite, &config).await?;
    let keeper = Keeper::start_ready(&setup).await?;
    let late = orders_of(&world, "TUSD", "late", 2);
    submit_until(&world, &setup, &late, Duration::from_secs(1))?;
    let heard = endpoint.hears(2).await?;
    let rejected = |order: &Expected| (order.key.clone(), "withdrawal.rejected".to_owned());
    assert_eq!(keys(&heard)?, late.iter().map(rejected).collect::<Vec<_>>());
    for Heard { body, .. } in &heard {
        assert_eq!(
            (&body["data"]["to"], &body["data"]["code"]),
            (&"rejected".into(), &"deadline_passed".into())
        );
    }
    keeper.stop()?;
    check_paid(&world, &setup, &[], &late).await
}

/// One that takes messages and never answers delays neither payments nor others.
#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_hangs_delays_nobody() -> eyre::Result<()> {
    let (hangs, hears) = (Endpoint::start(Mood::Hangs).await?, Endpoint::start(Mood::Hears).await?);
    let config = format!("{}{}", hangs.entry("hangs", "timeout = \"1m\""), hears.entry("hears", ""));
    let (world, setup) = start(Database::Sqlite, &format!("[batch]\nwindow = \"200ms\"\n{config}")).await?;
    let keeper = Keeper::start_ready(&setup).await?;
    let first = orders_of(&world, "TUSD", "first", 40);
    submit(&world, &setup, &first)?;
    setup.settled(PATIENCE).await?;
    hears.hears(40).await?;
    eventually("the other is asked", PATIENCE, || async { Ok((!hangs.came().is_empty()).then_some(())) })
        .await?;

    let begun = Instant::now();
    let second = orders_of(&world, "TUSD", "second", 40);
    submit(&world, &setup, &second)?;
    setup.settled(PATIENCE).await?;
    hears.hears(80).await?;
    assert!(begun.elapsed() < Duration::from_secs(50), "less than the other's time to answer");
    assert!(hangs.heard().is_empty());
    // Nor does it hold up the end.
    keeper.stop()?;
    check_paid(&world, &setup, &[first, second].concat(), &[]).await
}
