//! The way of each withdrawal reaches an OpenTelemetry collector: one trace from intake to the end, across a kill.

use axum::{Router, body::Bytes, extract::State, http::StatusCode, routing::post};
use eyre::{OptionExt, WrapErr};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    trace::v1::{Span, status},
};
use prost::Message;
use serde_json::{Value, json};
use spillway::domain::withdrawal::WithdrawalId;
use spillway_e2e::{
    anvil::free_port,
    cases::{check_paid, orders_of},
    chain_audit::Expected,
    eventually,
    keeper::{Database, Keeper, Setup},
    orders::decimal,
    world::World,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::net::TcpListener;

const PROGRAM: &str = env!("CARGO_BIN_EXE_spillway-under-test");
const PATIENCE: Duration = Duration::from_secs(60);
const CALLERS: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLERS_SPAN: &str = "b7ad6b7169203331";

/// Takes OTLP over HTTP, served by the test; busy until it is told otherwise.
#[derive(Clone, Default)]
struct Collector {
    works: Arc<AtomicBool>,
    asked: Arc<AtomicBool>,
    spans: Arc<Mutex<Vec<Span>>>,
}

impl Collector {
    async fn start() -> eyre::Result<(Self, String)> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/v1/traces", listener.local_addr()?);
        let collector = Self::default();
        let router = Router::new().route("/v1/traces", post(take)).with_state(collector.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok((collector, url))
    }

    fn spans(&self) -> Vec<Span> {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn take(State(collector): State<Collector>, body: Bytes) -> StatusCode {
    collector.asked.store(true, Ordering::SeqCst);
    if !collector.works.load(Ordering::SeqCst) {
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    let Ok(request) = ExportTraceServiceRequest::decode(body) else { return StatusCode::BAD_REQUEST };
    let spans = request.resource_spans.into_iter().flat_map(|r| r.scope_spans).flat_map(|s| s.spans);
    collector.spans.lock().unwrap_or_else(PoisonError::into_inner).extend(spans);
    StatusCode::OK
}

fn config(endpoint: &str) -> String {
    format!("[batch]\nwindow = \"200ms\"\n[traces]\nendpoint = {endpoint:?}\n")
}

/// Hands in one by one, the first in the caller's own trace. The receipts.
async fn submit(world: &World, setup: &Setup, orders: &[Expected]) -> eyre::Result<Vec<Value>> {
    let client = reqwest::Client::new();
    let mut receipts = Vec::new();
    for (i, order) in orders.iter().enumerate() {
        let body = json!({ "asset": "TUSD", "recipient": order.recipient, "amount": decimal(world, order) });
        let mut request =
            client.post(setup.api("/v1/withdrawals")).header("idempotency-key", &order.key).json(&body);
        if i == 0 {
            request = request.header("traceparent", format!("00-{CALLERS}-{CALLERS_SPAN}-01"));
        }
        receipts.push(request.send().await?.error_for_status()?.json().await?);
    }
    Ok(receipts)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_withdrawal_is_one_trace_across_a_kill_and_a_collector_that_was_down() -> eyre::Result<()> {
    let (collector, url) = Collector::start().await?;
    let world = World::start(0.5).await?;
    let setup = Setup::over(Database::Sqlite, &world, Path::new(PROGRAM), 1, &config(&url))?;
    let keeper = Keeper::start_ready(&setup).await?;
    let orders = orders_of(&world, "TUSD", "traced", 6);
    let receipts = submit(&world, &setup, &orders).await?;
    setup.settled(PATIENCE).await?;
    eventually("the collector was asked", PATIENCE, || async {
        Ok(collector.asked.load(Ordering::SeqCst).then_some(()))
    })
    .await?;
    assert_eq!(collector.spans(), []);
    keeper.kill()?;
    collector.works.store(true, Ordering::SeqCst);
    let keeper = Keeper::start_ready(&setup).await?;
    eventually("all ways are there", PATIENCE, || async {
        let whole = collector.spans().iter().filter(|s| s.name == "withdrawal").count();
        Ok((whole >= orders.len()).then_some(()))
    })
    .await?;

    let mut by_trace: BTreeMap<String, Vec<Span>> = BTreeMap::new();
    for span in collector.spans() {
        by_trace.entry(alloy::hex::encode(&span.trace_id)).or_default().push(span);
    }
    let told: BTreeSet<_> = receipts.iter().filter_map(|r| r["trace_id"].as_str()).collect();
    assert_eq!(by_trace.keys().map(String::as_str).collect::<BTreeSet<_>>(), told);
    assert!(told.contains(CALLERS));
    for (trace, spans) in &by_trace {
        let root = spans.iter().find(|s| s.name == "withdrawal").ok_or_eyre("no span of the whole")?;
        assert_eq!(root.status.as_ref().map(|s| s.code), Some(status::StatusCode::Ok.into()));
        let above = if trace == CALLERS { CALLERS_SPAN } else { "" };
        assert_eq!(alloy::hex::encode(&root.parent_span_id), above, "below the caller's span");
        let names: Vec<_> = spans.iter().map(|s| s.name.as_str()).collect();
        for state in ["received", "ready", "planned", "priced", "funded", "signed", "broadcast", "mined"] {
            assert!(names.contains(&state), "{state} is not in {names:?}");
        }
        let parts = spans.iter().filter(|s| s.name != "withdrawal");
        assert!(parts.clone().all(|s| s.parent_span_id == root.span_id));
        assert!(parts.clone().all(|s| {
            s.start_time_unix_nano >= root.start_time_unix_nano
                && s.end_time_unix_nano <= root.end_time_unix_nano
        }));
        let ids: BTreeSet<_> = spans.iter().map(|s| &s.span_id).collect();
        assert_eq!(ids.len(), spans.len(), "each span once");
    }
    let shown = format!("{:?}", collector.spans()).to_lowercase();
    for order in &orders {
        assert!(!shown.contains(&order.recipient.to_string().to_lowercase()));
        assert!(shown.contains(WithdrawalId::from_key(&order.key).as_str()));
    }
    keeper.stop()?;
    logged(&setup, &orders, &receipts)?;
    check_paid(&world, &setup, &orders, &[]).await
}

/// Each withdrawal, and each trace, leads through the log to all that became of its batch.
fn logged(setup: &Setup, orders: &[Expected], receipts: &[Value]) -> eyre::Result<()> {
    let log = setup.logged();
    for (order, receipt) in orders.iter().zip(receipts) {
        let (id, trace) = (receipt["id"].as_str(), receipt["trace_id"].as_str());
        let named = format!("{}:{}", id.ok_or_eyre("no id")?, trace.ok_or_eyre("no trace")?);
        let line =
            log.lines().find(|line| line.contains(&named)).ok_or_eyre("a batch names its withdrawals")?;
        let at = line.split("batch=").nth(1).and_then(|rest| rest.split(' ').next());
        let batch = format!(" batch={} ", at.ok_or_eyre("no batch")?);
        for said in ["batch planned", "batch funded", "batch signed", "batch sent", "batch in a final block"]
        {
            let about = log.lines().any(|line| line.contains(said) && line.contains(&batch));
            assert!(about, "no line '{said}' with '{batch}'");
        }
        assert!(!line.to_lowercase().contains(&order.recipient.to_string().to_lowercase()));
    }
    Ok(())
}

/// Killed when dropped.
struct Agent(Child);

impl Drop for Agent {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Rotel: make test-all"]
async fn a_real_collector_takes_the_spans() -> eyre::Result<()> {
    let program = std::env::var("SPILLWAY_ROTEL").wrap_err("SPILLWAY_ROTEL: the path of rotel-agent")?;
    let folder = tempfile::tempdir()?;
    let (file, port) = (folder.path().join("spans.log"), free_port()?);
    let said = std::fs::File::create(&file)?;
    let agent = Command::new(program)
        .args([
            "start",
            "--exporter",
            "blackhole",
            "--debug-log",
            "traces",
            "--debug-log-verbosity",
            "detailed",
        ])
        .args(["--otlp-http-endpoint", &format!("127.0.0.1:{port}")])
        .args(["--otlp-grpc-endpoint", &format!("127.0.0.1:{}", free_port()?)])
        .stdout(said.try_clone()?)
        .stderr(said)
        .stdin(Stdio::null())
        .spawn()?;
    let _agent = Agent(agent);
    let world = World::start(0.5).await?;
    let url = format!("http://127.0.0.1:{port}/v1/traces");
    let setup = Setup::over(Database::Sqlite, &world, Path::new(PROGRAM), 1, &config(&url))?;
    let keeper = Keeper::start_ready(&setup).await?;
    let orders = orders_of(&world, "TUSD", "collected", 3);
    submit(&world, &setup, &orders).await?;
    eventually("the collector shows them", PATIENCE, || async {
        let said = std::fs::read_to_string(&file)?;
        let all = orders.iter().all(|o| said.contains(WithdrawalId::from_key(&o.key).as_str()));
        Ok((all && said.contains(CALLERS)).then_some(()))
    })
    .await
    .wrap_err_with(|| std::fs::read_to_string(&file).unwrap_or_default())?;
    keeper.stop()?;
    check_paid(&world, &setup, &orders, &[]).await
}
