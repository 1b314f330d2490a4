//! The doors: a file, HTTP clients that try again when the keeper does not answer, and accounts on chain.

use crate::plan::{DEPOSITORS, Plan, fresh};
use eyre::{OptionExt, WrapErr, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use reqwest::StatusCode;
use serde_json::{Value, json};
use spillway_e2e::{
    chain_audit::Expected,
    keeper::Setup,
    orders::{decimal, symbol},
    world::World,
};
use std::{
    collections::BTreeMap,
    fs,
    time::{Duration, Instant},
};

/// HTTP requests on the way at a time.
const CONCURRENCY: usize = 16;
/// Orders that one bulk holds.
const BULK: usize = 20;
/// A client sends one in so many again, with the same key.
const REPEAT_EVERY: usize = 8;
/// How long a client goes on trying while the keeper is away.
const PATIENCE: Duration = Duration::from_secs(90);

/// What clients were told.
#[derive(Debug, Default)]
pub struct Answers {
    /// Codes of refusals, and how often.
    pub refused: BTreeMap<String, u64>,
    /// Answered with the withdrawal of an earlier order of the same key.
    pub repeated: u64,
}

impl Answers {
    pub fn rejected(&self) -> u64 {
        self.refused.values().sum()
    }

    fn refuse(&mut self, code: &str) {
        *self.refused.entry(code.to_owned()).or_default() += 1;
    }

    fn add(&mut self, other: Self) {
        self.repeated += other.repeated;
        for (code, n) in other.refused {
            *self.refused.entry(code).or_default() += n;
        }
    }
}

pub struct Clients<'a> {
    world: &'a World,
    setup: &'a Setup,
    plan: &'a Plan,
    http: reqwest::Client,
}

impl<'a> Clients<'a> {
    pub fn new(world: &'a World, setup: &'a Setup, plan: &'a Plan) -> Self {
        Self { world, setup, plan, http: reqwest::Client::new() }
    }

    /// Sends everything.
    pub async fn run(&self) -> eyre::Result<Answers> {
        let (singles, bulks) = self.plan.http.split_at(self.plan.http.len() / 2);
        let (file, single, bulk, bad, requests) = tokio::join!(
            self.submit_file(),
            self.send_singles(singles),
            self.send_bulks(bulks),
            self.send_bad(),
            self.request_on_chain(),
        );
        requests?;
        let mut answers = file?;
        answers.add(single?);
        answers.add(bulk?);
        answers.add(bad?);
        Ok(answers)
    }

    /// What was accepted and rejected later: asked for one by one, as their senders would.
    pub fn read_rejections(&self, answers: &mut Answers) -> eyre::Result<()> {
        for order in &self.plan.above_float {
            let status = self.setup.json(&["status", &order.key])?;
            if status["state"] == "rejected" {
                answers.refuse(status["reason"]["code"].as_str().ok_or_eyre("rejected without a reason")?);
            }
        }
        Ok(())
    }

    async fn submit_file(&self) -> eyre::Result<Answers> {
        let path = self.setup.dir.join("payouts.csv");
        fs::write(&path, self.plan.csv_lines(self.world))?;
        let setup = self.setup.clone();
        let submit = move || {
            let path = path.to_string_lossy().into_owned();
            setup.json(&["submit", &path, "--skip-invalid"])
        };
        let report = tokio::task::spawn_blocking(submit).await??;
        let mut answers = Answers::default();
        // A row may have several errors; it is one withdrawal.
        let mut lines = BTreeMap::new();
        for error in report["errors"].as_array().ok_or_eyre("a report without errors")? {
            let code = error["code"].as_str().unwrap_or("unknown").to_owned();
            lines.entry(error["line"].as_u64()).or_insert(code);
        }
        lines.into_values().for_each(|code| answers.refuse(&code));
        ensure!(report["rejected"] == answers.rejected(), "the report does not add up: {report}");
        Ok(answers)
    }

    async fn send_singles(&self, orders: &[Expected]) -> eyre::Result<Answers> {
        let all = orders.iter().chain(&self.plan.above_float);
        let sent = stream::iter(all.enumerate().map(|(i, order)| self.send(order, i % REPEAT_EVERY == 0)));
        let repeated: Vec<u64> = sent.buffer_unordered(CONCURRENCY).try_collect().await?;
        Ok(Answers { repeated: repeated.iter().sum(), ..Answers::default() })
    }

    /// Sends one order, some at the same time once more. How often it was answered as a repetition.
    async fn send(&self, order: &Expected, again: bool) -> eyre::Result<u64> {
        let body = self.body(order);
        let post = || self.post("/v1/withdrawals", Some(&order.key), &body);
        let mut answers = vec![post().await?];
        if again {
            let (one, two) = tokio::join!(post(), post());
            answers.extend([one?, two?]);
        }
        let mut ids = Vec::new();
        let mut repeated = 0;
        for (status, answer) in answers {
            ensure!(status.is_success(), "{} was refused: {answer}", order.key);
            repeated += u64::from(status == StatusCode::OK);
            ids.push(answer["id"].clone());
        }
        ids.dedup();
        ensure!(ids.len() == 1, "one key, several withdrawals: {ids:?}");
        Ok(repeated)
    }

    async fn send_bulks(&self, orders: &[Expected]) -> eyre::Result<Answers> {
        let mut answers = Answers::default();
        for chunk in orders.chunks(BULK) {
            let rows: Vec<Value> = chunk
                .iter()
                .map(|order| {
                    let mut row = self.body(order);
                    row["idempotency_key"] = json!(order.key);
                    row
                })
                .collect();
            let body = json!({ "withdrawals": rows });
            let (status, answer) = self.post("/v1/withdrawals/bulk", None, &body).await?;
            ensure!(status.is_success(), "a bulk was refused: {answer}");
            answers.repeated += answer["repeated"].as_u64().unwrap_or_default();
            tokio::time::sleep(Duration::from_millis(700)).await;
        }
        Ok(answers)
    }

    async fn send_bad(&self) -> eyre::Result<Answers> {
        let mut answers = Answers::default();
        for (i, body) in self.plan.bad_bodies.iter().enumerate() {
            let key = format!("bad-body-{i}");
            let (status, answer) = self.post("/v1/withdrawals", Some(&key), body).await?;
            ensure!(status.is_client_error(), "{body} was taken: {answer}");
            answers.refuse(answer["code"].as_str().ok_or_eyre("a refusal without a code")?);
        }
        Ok(answers)
    }

    async fn request_on_chain(&self) -> eyre::Result<()> {
        let requests = self.plan.requests.iter().enumerate();
        // An account makes its requests one after the other: its nonces.
        let mut by_account: BTreeMap<usize, Vec<&Expected>> = BTreeMap::new();
        requests.for_each(|(i, request)| by_account.entry(i % DEPOSITORS).or_default().push(request));
        let accounts = stream::iter(by_account.into_iter().map(|(account, requests)| async move {
            let depositor = fresh("depositor", account);
            for r in requests {
                self.world.request(r.asset, depositor, r.recipient, r.amount).await?;
            }
            eyre::Ok(())
        }));
        accounts.buffer_unordered(DEPOSITORS).try_collect::<Vec<()>>().await.map(|_| ())
    }

    fn body(&self, order: &Expected) -> Value {
        json!({
            "asset": symbol(self.world, order),
            "recipient": order.recipient,
            "amount": decimal(self.world, order),
        })
    }

    /// Tries until the keeper answers: what a client does whose connection broke. The key makes it safe.
    async fn post(&self, path: &str, key: Option<&str>, body: &Value) -> eyre::Result<(StatusCode, Value)> {
        let start = Instant::now();
        loop {
            match self.try_post(path, key, body).await {
                Ok((status, answer)) if status != StatusCode::SERVICE_UNAVAILABLE => {
                    return Ok((status, answer));
                }
                Err(error) if start.elapsed() > PATIENCE => return Err(error).wrap_err("no answer"),
                _ => tokio::time::sleep(Duration::from_millis(200)).await,
            }
        }
    }

    async fn try_post(
        &self,
        path: &str,
        key: Option<&str>,
        body: &Value,
    ) -> eyre::Result<(StatusCode, Value)> {
        let mut request = self.http.post(self.setup.api(path)).timeout(Duration::from_secs(10)).json(body);
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let response = request.send().await?;
        Ok((response.status(), response.json().await?))
    }
}
