//! A JSON-RPC endpoint between keeper and anvil that misbehaves when told to: late, broken, lagging, lying.
//!
//! Rules say which fault a method meets, and with what chance; a seeded generator decides, so a seed names the
//! decisions of a run. Every fault that was dealt is kept for the failure message.

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use eyre::{OptionExt, WrapErr};
use futures::stream;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    fmt, io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio::{net::TcpListener, task::JoinHandle, time::sleep};

/// How a call goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Answered after so many milliseconds.
    Latency(u64),
    /// The call is carried out; the connection breaks in the middle of the answer.
    Cut,
    /// Nothing is carried out; the connection breaks.
    Down,
    /// The answer is no JSON.
    Garbage,
    /// HTTP 429, to be tried again after a second.
    RateLimited,
    /// HTTP 503.
    Unavailable,
    /// A node that is so many blocks behind: it knows nothing of what came after.
    Lag(u64),
    /// Another chain's id.
    WrongChain,
    /// The call is carried out, and answered with an internal error.
    ErrorAfter,
    /// The call is carried out, and answered with "nonce too low".
    NonceTooLow,
    /// The call is not carried out: "replacement transaction underpriced".
    Underpriced,
    /// Null, whatever the node says.
    Null,
}

/// Calls of `method` (all, when none) meet `fault` in `percent` of a hundred cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    pub method: Option<&'static str>,
    pub fault: Fault,
    pub percent: u8,
}

impl Rule {
    pub fn all(fault: Fault, percent: u8) -> Self {
        Self { method: None, fault, percent }
    }

    pub fn of(method: &'static str, fault: Fault, percent: u8) -> Self {
        Self { method: Some(method), fault, percent }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}/{}%", self.fault, self.percent)?;
        self.method.map_or(Ok(()), |method| write!(f, "@{method}"))
    }
}

/// A running proxy; ended when dropped.
#[derive(Debug)]
pub struct Proxy {
    shared: Arc<Shared>,
    port: u16,
    server: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    upstream: String,
    client: reqwest::Client,
    began: Instant,
    seed: u64,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    rng: StdRng,
    rules: Vec<Rule>,
    dealt: Vec<String>,
    calls: HashMap<String, u64>,
}

impl Proxy {
    /// Starts one before the node at `upstream`, without a fault.
    pub async fn start(upstream: &str, seed: u64) -> eyre::Result<Self> {
        let shared = Arc::new(Shared {
            upstream: upstream.to_owned(),
            client: reqwest::Client::new(),
            began: Instant::now(),
            seed,
            inner: Mutex::new(Inner {
                rng: StdRng::seed_from_u64(seed),
                rules: Vec::new(),
                dealt: Vec::new(),
                calls: HashMap::new(),
            }),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.wrap_err("no port for the proxy")?;
        let port = listener.local_addr()?.port();
        let app = Router::new().fallback(post(handle)).with_state(shared.clone());
        let server = tokio::spawn(async move {
            let _ = axum::serve(listener, app).await;
        });
        Ok(Self { shared, port, server })
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// These rules from now on, and no others.
    pub fn set(&self, rules: &[Rule]) {
        self.shared.inner().rules = rules.to_vec();
    }

    /// No faults any more.
    pub fn heal(&self) {
        self.set(&[]);
    }

    /// How often a method was called.
    pub fn calls(&self, method: &str) -> u64 {
        self.shared.inner().calls.get(method).copied().unwrap_or_default()
    }

    /// How many calls there were.
    pub fn all_calls(&self) -> u64 {
        self.shared.inner().calls.values().sum()
    }

    /// What was dealt, to be read when the proxy is gone too.
    pub fn record(&self) -> Record {
        Record(self.shared.clone())
    }
}

/// The faults that were dealt.
#[derive(Debug)]
pub struct Record(Arc<Shared>);

impl Record {
    /// The last `n`, with the seed.
    pub fn last(&self, n: usize) -> String {
        let inner = self.0.inner();
        let skipped = inner.dealt.len().saturating_sub(n);
        let last = inner.dealt[skipped..].join("\n");
        format!("proxy seed {}: {} faults, the last of them:\n{last}", self.0.seed, inner.dealt.len())
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// What a call is answered with.
enum Answer {
    Value(Value),
    Cut(Value),
    Down,
    Garbage,
    Status(StatusCode),
}

async fn handle(State(shared): State<Arc<Shared>>, body: String) -> Response {
    let Ok(call) = serde_json::from_str::<Value>(&body) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let answer = match call {
        Value::Array(calls) => {
            let mut values = Vec::new();
            let mut whole = None;
            // One node answers all of it: it lags for all or for none.
            let faults: Vec<_> = calls.iter().map(|call| shared.draw(method(call))).collect();
            let lag = faults.iter().flatten().find(|f| matches!(f, Fault::Lag(_))).copied();
            for (call, mut faults) in calls.into_iter().zip(faults) {
                faults.extend(lag);
                match shared.answer(call, faults).await {
                    Answer::Value(value) => values.push(value),
                    other => whole = Some(other),
                }
            }
            whole.unwrap_or(Answer::Value(Value::Array(values)))
        }
        call => {
            let faults = shared.draw(method(&call));
            shared.answer(call, faults).await
        }
    };
    match answer {
        Answer::Value(value) => json_response(value.to_string()),
        Answer::Garbage => json_response("<html>Bad gateway</html>".to_owned()),
        Answer::Status(status) => (status, [(header::RETRY_AFTER, "1")], "come again later").into_response(),
        Answer::Cut(value) => {
            let text = value.to_string();
            broken(text[..text.len() / 2].to_owned())
        }
        Answer::Down => broken(String::new()),
    }
}

fn json_response(text: String) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}

/// Sends `start`, and then the connection is gone.
fn broken(start: String) -> Response {
    let gone = io::Error::from(io::ErrorKind::ConnectionReset);
    let body = Body::from_stream(stream::iter([Ok(start), Err(gone)]));
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

impl Shared {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Draws the faults that a call of `method` meets, in the order of the rules.
    fn draw(&self, method: &str) -> Vec<Fault> {
        let at = self.began.elapsed().as_millis();
        let mut inner = self.inner();
        *inner.calls.entry(method.to_owned()).or_default() += 1;
        let rules = inner.rules.clone();
        let mut faults = Vec::new();
        for rule in rules.iter().filter(|r| r.method.is_none_or(|m| m == method)) {
            if inner.rng.random_range(0..100) < rule.percent {
                faults.push(rule.fault);
                inner.dealt.push(format!("{at} ms {method} {:?}", rule.fault));
            }
        }
        faults
    }

    async fn answer(&self, call: Value, faults: Vec<Fault>) -> Answer {
        let method = method(&call);
        for fault in &faults {
            match fault {
                Fault::Latency(ms) => sleep(Duration::from_millis(*ms)).await,
                Fault::Down => return Answer::Down,
                Fault::RateLimited => return Answer::Status(StatusCode::TOO_MANY_REQUESTS),
                Fault::Unavailable => return Answer::Status(StatusCode::SERVICE_UNAVAILABLE),
                Fault::Underpriced => {
                    return Answer::Value(error(&call, "replacement transaction underpriced"));
                }
                _ => {}
            }
        }
        let lag = faults.iter().find_map(|f| if let Fault::Lag(blocks) = f { Some(*blocks) } else { None });
        let done = match lag {
            Some(blocks) => self.lagging(&call, method, blocks).await,
            None => self.forward(&call).await,
        };
        let Ok(mut value) = done else { return Answer::Status(StatusCode::BAD_GATEWAY) };
        for fault in faults {
            match fault {
                Fault::Cut => return Answer::Cut(value),
                Fault::Garbage => return Answer::Garbage,
                Fault::WrongChain if method == "eth_chainId" => value["result"] = json!("0x1"),
                Fault::ErrorAfter => value = error(&call, "internal error"),
                Fault::NonceTooLow => value = error(&call, "nonce too low"),
                Fault::Null => value = result(&call, Value::Null),
                _ => {}
            }
        }
        Answer::Value(value)
    }

    async fn forward(&self, call: &Value) -> eyre::Result<Value> {
        Ok(self.client.post(&self.upstream).json(call).send().await?.json().await?)
    }

    async fn ask(&self, method: &str, params: Value) -> eyre::Result<Value> {
        let call = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        Ok(self.forward(&call).await?["result"].take())
    }

    /// What a node would answer whose newest block is `blocks` behind.
    async fn lagging(&self, call: &Value, method: &str, blocks: u64) -> eyre::Result<Value> {
        let head = number(&self.ask("eth_blockNumber", json!([])).await?).ok_or_eyre("no head")?;
        let newest = head.saturating_sub(blocks);
        let mut call = call.clone();
        let tag_at = match method {
            "eth_blockNumber" => return Ok(result(&call, hex(newest))),
            "eth_getTransactionReceipt" | "eth_getTransactionByHash" => {
                let mut value = self.forward(&call).await?;
                if number(&value["result"]["blockNumber"]).is_some_and(|at| at > newest) {
                    value["result"] = Value::Null;
                }
                return Ok(value);
            }
            "eth_getLogs" => {
                let mut value = self.forward(&call).await?;
                if let Some(logs) = value["result"].as_array_mut() {
                    logs.retain(|log| number(&log["blockNumber"]).is_none_or(|at| at <= newest));
                }
                return Ok(value);
            }
            "eth_getBlockByNumber" => 0,
            "eth_getTransactionCount"
            | "eth_call"
            | "eth_getBalance"
            | "eth_getCode"
            | "eth_estimateGas"
            | "eth_feeHistory" => 1,
            _ => return self.forward(&call).await,
        };
        let tag = call["params"][tag_at].clone();
        match tag.as_str() {
            Some("finalized" | "safe") => {
                let block = self.ask("eth_getBlockByNumber", json!([tag, false])).await?;
                let then = number(&block["number"]).ok_or_eyre("no final block")?.saturating_sub(blocks);
                call["params"][tag_at] = hex(then);
            }
            Some("earliest") => {}
            Some(text) if text.starts_with("0x") && number(&tag).is_some_and(|at| at > newest) => {
                return Ok(match method {
                    "eth_getBlockByNumber" => result(&call, Value::Null),
                    _ => error(&call, "header not found"),
                });
            }
            Some(text) if text.starts_with("0x") => {}
            _ => call["params"][tag_at] = hex(newest),
        }
        self.forward(&call).await
    }
}

fn method(call: &Value) -> &str {
    call["method"].as_str().unwrap_or_default()
}

fn result(call: &Value, value: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": call["id"], "result": value })
}

fn error(call: &Value, message: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": call["id"], "error": { "code": -32000, "message": message } })
}

fn hex(number: u64) -> Value {
    json!(format!("{number:#x}"))
}

fn number(value: &Value) -> Option<u64> {
    u64::from_str_radix(value.as_str()?.strip_prefix("0x")?, 16).ok()
}
