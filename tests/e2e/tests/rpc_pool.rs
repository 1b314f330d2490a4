//! Several RPC endpoints, of which one is dead, late, lying, limited or of another chain: payments go on, once each.

use alloy::primitives::{Address, U256, keccak256};
use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::post,
};
use serde_json::{Value, json};
use spillway_e2e::{
    anvil::{Options, free_port},
    cases::submit,
    chain_audit::{Expected, Ledger},
    eventually,
    keeper::{Keeper, Setup},
    proxy::{Fault, Proxy, Rule},
    world::World,
};
use sqlx::{Connection, SqliteConnection};
use std::{
    fs,
    path::Path,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};
use tokio::time::sleep;

const PROGRAM: &str = env!("CARGO_BIN_EXE_spillway-under-test");
const FAST: &str = "[batch]\nwindow = \"200ms\"\n";
const LIMIT: Duration = Duration::from_secs(90);

/// What a node does with a request.
enum Act {
    /// What the real node says.
    Pass,
    /// The real node is asked this instead.
    Ask(Value),
    /// What the real node says, with something changed.
    Change(fn(&mut Value)),
    Say(Value),
    Fail(&'static str),
    Limit,
    /// No answer ever.
    Hang,
}

type Behaviour = Arc<dyn Fn(&Value) -> Act + Send + Sync>;

/// A node in front of the real one.
#[derive(Clone)]
struct Node {
    real: String,
    url: String,
    behaviour: Behaviour,
    http: reqwest::Client,
    requests: Arc<AtomicU64>,
}

impl Node {
    async fn start(
        world: &World,
        behaviour: impl Fn(&Value) -> Act + Send + Sync + 'static,
    ) -> eyre::Result<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let node = Self {
            real: world.anvil.url(),
            url: format!("http://{}", listener.local_addr()?),
            behaviour: Arc::new(behaviour),
            http: reqwest::Client::new(),
            requests: Arc::default(),
        };
        let router = Router::new().route("/", post(answer)).with_state(node.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(node)
    }

    fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// The answer to one call, or what is said instead of any answer.
    async fn answer_one(&self, request: Value) -> Result<Value, Response> {
        let id = request["id"].clone();
        let (asked, change): (Value, fn(&mut Value)) = match (self.behaviour)(&request) {
            Act::Pass => (request, |_| {}),
            Act::Ask(other) => (other, |_| {}),
            Act::Change(change) => (request, change),
            Act::Say(result) => return Ok(json!({"jsonrpc": "2.0", "id": id, "result": result})),
            Act::Fail(message) => {
                let error = json!({"code": -32000, "message": message});
                return Ok(json!({"jsonrpc": "2.0", "id": id, "error": error}));
            }
            Act::Limit => {
                let refused = (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "5")], "slow down");
                return Err(refused.into_response());
            }
            Act::Hang => return std::future::pending().await,
        };
        let real = async { self.http.post(&self.real).json(&asked).send().await?.json::<Value>().await };
        let mut answer = real.await.map_err(|_| StatusCode::BAD_GATEWAY.into_response())?;
        answer.get_mut("result").into_iter().for_each(change);
        Ok(answer)
    }
}

async fn answer(State(node): State<Node>, Json(request): Json<Value>) -> Response {
    node.requests.fetch_add(1, Ordering::Relaxed);
    let Some(batch) = request.as_array() else {
        return node.answer_one(request).await.map_or_else(|refused| refused, |a| Json(a).into_response());
    };
    let mut answers = Vec::new();
    for one in batch {
        match node.answer_one(one.clone()).await {
            Ok(answer) => answers.push(answer),
            Err(refused) => return refused,
        }
    }
    Json(answers).into_response()
}

fn is(request: &Value, method: &str) -> bool {
    request["method"] == method
}

/// Stands still at block `at`.
fn stale(at: u64) -> impl Fn(&Value) -> Act + Send + Sync {
    let hex = format!("{at:#x}");
    move |request| {
        if is(request, "eth_blockNumber") {
            return Act::Say(json!(hex));
        }
        if is(request, "eth_getTransactionReceipt") {
            return Act::Say(Value::Null);
        }
        let mut other = request.clone();
        let mut newer = false;
        for param in other["params"].as_array_mut().into_iter().flatten() {
            match param.as_str() {
                Some("latest" | "pending" | "finalized") => *param = json!(hex),
                Some(text) if text.len() <= 18 => {
                    let number = text.strip_prefix("0x").and_then(|t| u64::from_str_radix(t, 16).ok());
                    newer |= number.is_some_and(|n| n > at);
                }
                _ => {}
            }
        }
        if newer { Act::Fail("header not found") } else { Act::Ask(other) }
    }
}

fn orders(world: &World, n: u64) -> Vec<Expected> {
    (0..n)
        .map(|i| Expected {
            key: format!("order-{i}"),
            asset: world.asset(["ETH", "TUSD"][i as usize % 2]).address,
            recipient: Address::from_slice(&keccak256(i.to_be_bytes())[..20]),
            amount: U256::from(1_000_000 + i),
        })
        .collect()
}

/// A keeper that asks `urls`; `chain` is more of that section.
fn set_up(world: &World, urls: &[&str], chain: &str) -> eyre::Result<Setup> {
    let setup = Setup::new(world, Path::new(PROGRAM), 1, FAST)?;
    let text = fs::read_to_string(&setup.config)?;
    let own = format!("rpc_urls = [{:?}]\n", world.anvil.url());
    eyre::ensure!(text.contains(&own), "the setup names the chain otherwise");
    fs::write(&setup.config, text.replace(&own, &format!("rpc_urls = {urls:?}\n{chain}\n")))?;
    Ok(setup)
}

/// What was seen of a run: the last health document, and the log.
struct Seen {
    endpoints: Vec<Value>,
    log: String,
}

impl Seen {
    fn of(&self, node: &Node) -> &Value {
        let host = node.url.trim_start_matches("http://");
        self.endpoints.iter().find(|e| e["host"] == host).expect("the endpoint is shown")
    }
}

/// Pays twenty orders, and checks on the chain that each was paid once.
async fn pay(world: &World, setup: &Setup) -> eyre::Result<Seen> {
    let orders = orders(world, 20);
    submit(world, setup, &orders)?;
    let keeper = Keeper::start_ready(setup).await?;
    setup.settled(LIMIT).await?;
    let health: Value = reqwest::get(setup.api("/v1/health/ready")).await?.json().await?;
    keeper.stop()?;
    let outcome = Ledger::read(world).await?.compare(&orders);
    assert_eq!((outcome.missing, outcome.paid_twice), (Vec::new(), Vec::new()));
    assert_eq!(outcome.paid, 20);
    let endpoints = health["endpoints"].as_array().cloned().unwrap_or_default();
    let log = fs::read_to_string(setup.dir.join("keeper.log"))?;
    assert!(!log.contains("attempt died"), "nothing is signed a second time:\n{log}");
    Ok(Seen { endpoints, log })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_endpoint_of_three_stops_nothing() -> eyre::Result<()> {
    let world = World::start(0.5).await?;
    let good = [Node::start(&world, |_| Act::Pass).await?, Node::start(&world, |_| Act::Pass).await?];
    let dead = format!("http://127.0.0.1:{}", free_port()?);
    let seen = pay(&world, &set_up(&world, &[&dead, &good[0].url, &good[1].url], "")?).await?;
    assert!(seen.log.contains("RPC endpoint fails: set aside"), "{}", seen.log);
    let host = dead.trim_start_matches("http://");
    let shown = seen.endpoints.iter().find(|e| e["host"] == host).expect("it is shown");
    assert!(shown["set_aside"]["cause"].as_str().is_some_and(|c| c.contains("refused")), "{shown}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_stands_still_stops_nothing_and_is_no_liar() -> eyre::Result<()> {
    let world = World::start(0.5).await?;
    let late = Node::start(&world, stale(1)).await?;
    let good = [Node::start(&world, |_| Act::Pass).await?, Node::start(&world, |_| Act::Pass).await?];
    let seen = pay(&world, &set_up(&world, &[&late.url, &good[0].url, &good[1].url], "")?).await?;
    let shown = seen.of(&late);
    assert!(shown["behind"].as_u64().is_some_and(|blocks| blocks > 0), "{shown}");
    assert_eq!(shown["disagreements"], 0, "{shown}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_lies_is_outvoted_and_named() -> eyre::Result<()> {
    let world = World::start(0.5).await?;
    let liar = Node::start(&world, |request| match request["method"].as_str() {
        Some("eth_getTransactionReceipt") => Act::Say(Value::Null),
        Some("eth_getTransactionCount") => Act::Say(json!("0xff")),
        Some("eth_getLogs") => Act::Say(json!([])),
        _ => Act::Pass,
    });
    let liar = liar.await?;
    // The others are slow, so that the liar is asked first as long as nothing is known of it.
    let slow = |request: &Value| {
        std::thread::sleep(Duration::from_millis(if is(request, "eth_getLogs") { 20 } else { 3 }));
        Act::Pass
    };
    let good = [Node::start(&world, slow).await?, Node::start(&world, slow).await?];
    let seen = pay(&world, &set_up(&world, &[&liar.url, &good[0].url, &good[1].url], "")?).await?;
    let shown = seen.of(&liar);
    assert!(shown["disagreements"].as_u64().is_some_and(|n| n > 0), "{shown}");
    assert!(shown["last_disagreement"]["what"].is_string(), "{shown}");
    assert!(seen.log.contains("contradicts the quorum and is outvoted"), "{}", seen.log);
    for honest in &good {
        assert_eq!(seen.of(honest)["disagreements"], 0, "{}", seen.of(honest));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_429_is_respected_and_stops_nothing() -> eyre::Result<()> {
    let world = World::start(0.5).await?;
    let limited = Node::start(&world, |r| if is(r, "eth_chainId") { Act::Pass } else { Act::Limit }).await?;
    let good = [Node::start(&world, |_| Act::Pass).await?, Node::start(&world, |_| Act::Pass).await?];
    let start = Instant::now();
    let seen = pay(&world, &set_up(&world, &[&limited.url, &good[0].url, &good[1].url], "")?).await?;
    assert!(seen.log.contains("limits the rate"), "{}", seen.log);
    // Several are under way when the first is refused; after that it is one burst each 5 s.
    let bursts = start.elapsed().as_secs() / 5 + 2;
    assert!(limited.requests() <= bursts * 10, "{} in {:?}", limited.requests(), start.elapsed());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_of_another_chain_is_set_aside_alone() -> eyre::Result<()> {
    let world = World::start(0.5).await?;
    let other =
        Node::start(&world, |r| if is(r, "eth_chainId") { Act::Say(json!("0x5")) } else { Act::Pass });
    let other = other.await?;
    let good = [Node::start(&world, |_| Act::Pass).await?, Node::start(&world, |_| Act::Pass).await?];
    let seen = pay(&world, &set_up(&world, &[&other.url, &good[0].url, &good[1].url], "")?).await?;
    assert!(seen.log.contains("RPC endpoint serves another chain"), "{}", seen.log);
    assert_eq!(seen.of(&other)["set_aside"]["cause"], "it serves chain 5, not 31337");
    assert!(other.requests() <= 3, "{}", other.requests());
    Ok(())
}

/// As one node behind a load balancer may, in the moment of a start.
#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_chain_id_from_one_of_several_at_the_start_ends_nothing() -> eyre::Result<()> {
    let world = World::start(0.5).await?;
    let asked = Arc::new(AtomicU64::new(0));
    let wrong_once = Node::start(&world, {
        let asked = asked.clone();
        move |r| match is(r, "eth_chainId") && asked.fetch_add(1, Ordering::Relaxed) == 0 {
            true => Act::Say(json!("0x5")),
            false => Act::Pass,
        }
    });
    let wrong_once = wrong_once.await?;
    // The others are late: at first there is only the wrong answer.
    let late = || {
        let asked = AtomicU64::new(0);
        move |_: &Value| match asked.fetch_add(1, Ordering::Relaxed) {
            0 => Act::Fail("starting"),
            _ => Act::Pass,
        }
    };
    let good = [Node::start(&world, late()).await?, Node::start(&world, late()).await?];
    let seen = pay(&world, &set_up(&world, &[&wrong_once.url, &good[0].url, &good[1].url], "")?).await?;
    let host = wrong_once.url.trim_start_matches("http://");
    let named = format!(
        "RPC endpoint serves another chain: set aside; correct or remove it in chain.rpc_urls endpoint={host}"
    );
    assert!(seen.log.contains(&named), "{}", seen.log);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn when_all_endpoints_serve_another_chain_the_keeper_refuses_to_run() -> eyre::Result<()> {
    let world = World::start(0.5).await?;
    let other = |r: &Value| if is(r, "eth_chainId") { Act::Say(json!("0x5")) } else { Act::Pass };
    let nodes = [Node::start(&world, other).await?, Node::start(&world, other).await?];
    let output = set_up(&world, &[&nodes[0].url, &nodes[1].url], "")?.run(&["run"])?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("serves chain 5"), "{said}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_of_three_that_never_answers_holds_nothing_up() -> eyre::Result<()> {
    let world = World::start(0.5).await?;
    let silent = Node::start(&world, |r| if is(r, "eth_chainId") { Act::Pass } else { Act::Hang }).await?;
    let good = [Node::start(&world, |_| Act::Pass).await?, Node::start(&world, |_| Act::Pass).await?];
    let start = Instant::now();
    let seen = pay(&world, &set_up(&world, &[&silent.url, &good[0].url, &good[1].url], "")?).await?;
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
    assert!(seen.of(&silent)["latency_ms"].as_u64().is_some_and(|ms| ms > 100), "{}", seen.of(&silent));
    Ok(())
}

/// One endpoint, whose answers are lost for a while: a request is given up after `chain.request_timeout` and made again.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_never_answered_is_given_up_in_the_configured_time() -> eyre::Result<()> {
    let world = World::start(0.5).await?;
    let silent = Arc::new(AtomicBool::new(false));
    let node = Node::start(&world, {
        let silent = silent.clone();
        move |_| if silent.load(Ordering::Relaxed) { Act::Hang } else { Act::Pass }
    });
    let node = node.await?;
    let setup = set_up(&world, &[&node.url], "request_timeout = \"1s\"")?;
    let keeper = Keeper::start_ready(&setup).await?;
    let all = orders(&world, 10);
    submit(&world, &setup, &all)?;
    for _ in 0..3 {
        silent.store(true, Ordering::Relaxed);
        sleep(Duration::from_millis(700)).await;
        silent.store(false, Ordering::Relaxed);
        sleep(Duration::from_millis(200)).await;
    }
    setup.settled(Duration::from_secs(7)).await?;
    keeper.stop()?;
    assert_eq!(Ledger::read(&world).await?.compare(&all).paid, 10);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_that_never_answers_is_given_up_and_connected_again() -> eyre::Result<()> {
    let world = World::start(0.5).await?;
    let door = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let ws = format!("ws://{}", door.local_addr()?);
    let connections = Arc::new(AtomicU64::new(0));
    let count = connections.clone();
    tokio::spawn(async move {
        let mut silent = Vec::new();
        while let Ok((client, _)) = door.accept().await {
            count.fetch_add(1, Ordering::Relaxed);
            silent.push(client);
        }
    });
    let chain = format!("ws_urls = [{ws:?}]\nrequest_timeout = \"1s\"");
    let setup = set_up(&world, &[&world.anvil.url()], &chain)?;
    let keeper = Keeper::start_ready(&setup).await?;
    eventually("it is connected again", Duration::from_secs(10), || async {
        Ok((connections.load(Ordering::Relaxed) > 1).then_some(()))
    })
    .await?;
    keeper.stop()?;
    let log = setup.logged();
    assert!(log.contains("websocket lost") && log.contains("no answer within 1s"), "{log}");
    Ok(())
}

/// How many calls come to these proxies in so many seconds.
async fn calls_in(proxies: &[&Proxy], seconds: u64) -> u64 {
    let count = || proxies.iter().map(|proxy| proxy.all_calls()).sum::<u64>();
    let before = count();
    sleep(Duration::from_secs(seconds)).await;
    count() - before
}

/// HTTP 429 from one endpoint and then from all: the rate falls, work goes on where it can, and resumes.
#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_429_slows_the_keeper_down_and_it_resumes() -> eyre::Result<()> {
    let world = World::start(0.5).await?;
    let upstream = world.anvil.url();
    let [a, b, c] = [1, 2, 3].map(|seed| Proxy::start(&upstream, seed));
    let (a, b, c) = (a.await?, b.await?, c.await?);
    let setup = set_up(&world, &[&a.url(), &b.url(), &c.url()], "")?;
    let keeper = Keeper::start_ready(&setup).await?;
    let all = orders(&world, 60);
    let (first, more) = all.split_at(20);
    let (second, third) = more.split_at(20);
    submit(&world, &setup, first)?;
    setup.settled(LIMIT).await?;
    let storm = [Rule::all(Fault::RateLimited, 100)];

    // One of them: the others pay, and it is left alone but for a try after each pause of a second.
    let usual = calls_in(&[&a], 5).await;
    a.set(&storm);
    sleep(Duration::from_secs(1)).await;
    submit(&world, &setup, second)?;
    let limited = calls_in(&[&a], 5).await;
    setup.settled(Duration::from_secs(30)).await?;
    eprintln!("one endpoint: {limited} calls in a storm, {usual} without");
    assert!(limited * 4 < usual, "{limited} calls in a storm, {usual} without");

    // All of them: nothing is paid, nothing is hammered.
    let usual = calls_in(&[&a, &b, &c], 5).await;
    [&b, &c].into_iter().for_each(|proxy| proxy.set(&storm));
    sleep(Duration::from_secs(1)).await;
    submit(&world, &setup, third)?;
    let limited = calls_in(&[&a, &b, &c], 10).await / 2;
    eprintln!("all endpoints: {limited} calls in a storm, {usual} without");
    assert!(limited * 4 < usual, "{limited} calls in a storm of all, {usual} without");
    assert_eq!(setup.count("paid")?, 40);

    [&a, &b, &c].into_iter().for_each(Proxy::heal);
    setup.settled(Duration::from_secs(20)).await?;
    keeper.stop()?;
    assert!(setup.logged().contains("limits the rate"), "it says so");
    let outcome = Ledger::read(&world).await?.compare(&all);
    assert_eq!((outcome.paid, outcome.paid_twice), (60, Vec::new()));
    Ok(())
}

/// A node says that the nonce is used, another that there is no receipt: others sent the payment again under a fresh
/// nonce then.
#[tokio::test(flavor = "multi_thread")]
async fn nonce_too_low_then_a_null_receipt_signs_no_second_payment() -> eyre::Result<()> {
    let world = World::start(0.5).await?;
    let low =
        |r: &Value| if is(r, "eth_sendRawTransaction") { Act::Fail("nonce too low") } else { Act::Pass };
    let null = |r: &Value| if is(r, "eth_getTransactionReceipt") { Act::Say(Value::Null) } else { Act::Pass };
    let low = Node::start(&world, low).await?;
    let null = Node::start(&world, null).await?;
    let good = Node::start(&world, |_| Act::Pass).await?;
    pay(&world, &set_up(&world, &[&low.url, &null.url, &good.url], "")?).await?;
    Ok(())
}

/// Two nodes, of which one says something else of receipts, and nobody to outvote either: the payment is uncertain, shown so,
/// and held until they agree.
async fn is_uncertain_while_receipts_differ(differ: fn() -> Act) -> eyre::Result<()> {
    // Final so late that no final block tells meanwhile.
    let options = Options { block_time: Some(0.5), slots: Some(12), ..Options::default() };
    let world = World::start_with(options).await?;
    let differs = Arc::new(AtomicBool::new(true));
    let odd = Node::start(&world, {
        let differs = differs.clone();
        move |r| match is(r, "eth_getTransactionReceipt") && differs.load(Ordering::Relaxed) {
            true => differ(),
            false => Act::Pass,
        }
    });
    let odd = odd.await?;
    let good = Node::start(&world, |_| Act::Pass).await?;
    let setup = set_up(&world, &[&odd.url, &good.url], "")?;
    let all = orders(&world, 20);
    submit(&world, &setup, &all)?;
    let keeper = Keeper::start_ready(&setup).await?;
    for (command, code) in [("explain", "/cause/code"), ("status", "/reason/code")] {
        eventually(&format!("`{command}` says that it is uncertain"), Duration::from_secs(20), || async {
            let said = setup.json(&[command, "order-0"])?;
            Ok((said.pointer(code) == Some(&json!("uncertain"))).then_some(()))
        })
        .await?;
    }
    assert_eq!(setup.count("batched")?, 20, "all are held where they are");

    differs.store(false, Ordering::Relaxed);
    setup.settled(LIMIT).await?;
    keeper.stop()?;
    let log = setup.logged();
    assert!(log.contains("reason=uncertain: no 2 endpoints"), "{log}");
    assert!(!log.contains("attempt died"), "nothing is signed a second time:\n{log}");
    let outcome = Ledger::read(&world).await?.compare(&all);
    assert_eq!((outcome.paid, outcome.paid_twice), (20, Vec::new()));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_quorum_a_payment_is_held_and_not_signed_again() -> eyre::Result<()> {
    is_uncertain_while_receipts_differ(|| Act::Say(Value::Null)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_success_that_another_node_calls_a_failure_is_held_and_not_signed_again() -> eyre::Result<()> {
    is_uncertain_while_receipts_differ(|| {
        Act::Change(|receipt| {
            if receipt.is_object() {
                (receipt["status"], receipt["logs"]) = (json!("0x0"), json!([]));
            }
        })
    })
    .await
}

/// When the oldest attempt was signed, in unix milliseconds.
async fn first_signed(setup: &Setup) -> eyre::Result<u64> {
    let url = format!("sqlite://{}", setup.dir.join("spillway.db").display());
    let mut connection = SqliteConnection::connect(&url).await?;
    let at: i64 =
        sqlx::query_scalar("SELECT min(signed_at) FROM attempts").fetch_one(&mut connection).await?;
    connection.close().await?;
    Ok(at.try_into()?)
}

/// The time counts from the signature.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_private_relay_does_not_include_goes_to_all() -> eyre::Result<()> {
    const PRIVATE: Duration = Duration::from_secs(2);
    let world = World::start(0.5).await?;
    // When each was sent a transaction first.
    let (to_relay, to_public) = (Arc::new(OnceLock::new()), Arc::new(OnceLock::new()));
    let note = |first: &Arc<OnceLock<SystemTime>>| {
        let first = first.clone();
        move |r: &Value| {
            if is(r, "eth_sendRawTransaction") {
                first.get_or_init(SystemTime::now);
            }
        }
    };
    let (noted, passed) = (note(&to_relay), note(&to_public));
    let relay = Node::start(&world, move |r| {
        noted(r);
        Act::Say(json!(keccak256("taken, and never seen again")))
    });
    let relay = relay.await?;
    let public = Node::start(&world, move |r| {
        passed(r);
        Act::Pass
    });
    let public = public.await?;
    let chain = format!("private_relay = {:?}\nprivate_timeout = \"{}s\"", relay.url, PRIVATE.as_secs());
    let setup = set_up(&world, &[&public.url], &chain)?;
    pay(&world, &setup).await?;
    let (Some(relay), Some(public)) = (to_relay.get(), to_public.get()) else {
        eyre::bail!("sent to the relay {to_relay:?}, to the public endpoint {to_public:?}")
    };
    assert!(relay < public, "the relay has it first: {relay:?}, {public:?}");
    let signed = SystemTime::UNIX_EPOCH + Duration::from_millis(first_signed(&setup).await?);
    let private = public.duration_since(signed)?;
    assert!(private >= PRIVATE, "the relay had it alone for {private:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_on_the_range_of_logs_is_learned() -> eyre::Result<()> {
    let world = World::start(0.5).await?;
    let narrow = Node::start(&world, |request| {
        let number = |key: &str| {
            let text = request["params"][0][key].as_str().unwrap_or_default();
            u64::from_str_radix(text.trim_start_matches("0x"), 16).unwrap_or_default()
        };
        let wide = is(request, "eth_getLogs") && number("toBlock") - number("fromBlock") > 1;
        if wide { Act::Fail("block range is too wide, maximum is 2") } else { Act::Pass }
    });
    let narrow = narrow.await?;
    let seen = pay(&world, &set_up(&world, &[&narrow.url], "")?).await?;
    assert!(seen.log.contains("limits queries of logs"), "{}", seen.log);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_wakes_the_keeper_and_is_connected_again() -> eyre::Result<()> {
    let world = World::start(0.5).await?;
    let door = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let ws = format!("ws://{}", door.local_addr()?);
    let (drop_all, _) = tokio::sync::broadcast::channel::<()>(1);
    let (port, dropped, connections) = (world.anvil.port, drop_all.clone(), Arc::new(AtomicU64::new(0)));
    let count = connections.clone();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = door.accept().await {
            // The client's own second try fails.
            if count.fetch_add(1, Ordering::Relaxed) == 1 {
                continue;
            }
            let mut dropped = dropped.subscribe();
            tokio::spawn(async move {
                let mut node = tokio::net::TcpStream::connect(("127.0.0.1", port)).await?;
                tokio::select! {
                    copied = tokio::io::copy_bidirectional(&mut client, &mut node) => copied.map(drop),
                    _ = dropped.recv() => Ok(()),
                }
            });
        }
    });
    let setup = set_up(&world, &[&world.anvil.url()], &format!("ws_urls = [{ws:?}]"))?;
    // Polling alone would take a minute for each step.
    let text = fs::read_to_string(&setup.config)?;
    fs::write(&setup.config, text.replace("poll_interval = \"100ms\"", "poll_interval = \"1m\""))?;
    let all = orders(&world, 20);
    let keeper = Keeper::start_ready(&setup).await?;
    submit(&world, &setup, &all[..10])?;
    setup.settled(Duration::from_secs(40)).await?;
    drop_all.send(())?;
    submit(&world, &setup, &all[10..])?;
    setup.settled(Duration::from_secs(40)).await?;
    keeper.stop()?;
    assert!(connections.load(Ordering::Relaxed) >= 3, "it is connected again");
    let log = fs::read_to_string(setup.dir.join("keeper.log"))?;
    assert!(log.contains("websocket lost: connected again"), "{log}");
    assert_eq!(Ledger::read(&world).await?.compare(&all).paid, 20);
    Ok(())
}
