//! Notify: endpoints of the operator hear what became of withdrawals.
//!
//! Each endpoint has a task of its own, so that a slow one delays nobody: neither the others, nor a payment. A message is in
//! the store before it is sent, and sent until it is answered with 2xx; who was killed in between sends it again under the
//! same id. Messages may overtake each other: each says where it stands in the order of changes.

use super::{Line, StageError, Worked};
use crate::{
    clock::{now_ms, rfc3339},
    config::WebhookConfig,
    domain::{
        reason::Code,
        webhook::{Data, LONGEST, Message, Secret, pause_after, signatures},
    },
    store::{
        changes::Change,
        webhooks::{Delivery, Sent},
    },
};
use futures::{StreamExt, TryStreamExt, stream};
use rand::RngExt;
use reqwest::{Client, header::RETRY_AFTER, redirect::Policy};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// How often the store is asked when there was nothing to do.
const LOOK: Duration = Duration::from_millis(500);
const AFTER_FAILURE: Duration = Duration::from_secs(2);
/// Changes that are turned into messages at a time.
const PAGE: usize = 500;
/// Messages to one endpoint that are on the way at a time.
const AT_ONCE: usize = 16;
/// Messages that are read at a time: what came of them is stored together.
const ROUND: usize = 4 * AT_ONCE;
/// How often what was heard long ago is forgotten.
const TIDY: Duration = Duration::from_secs(3_600);
/// How long it is remembered that a message was heard.
const KEEP_MS: i64 = 7 * 24 * 3_600 * 1_000;
/// Bytes of an endpoint's answer that are kept.
const ANSWER: usize = 200;

/// An endpoint that is told.
#[derive(Debug)]
pub struct Notifier {
    line: Arc<Line>,
    config: WebhookConfig,
    secrets: Vec<Secret>,
    client: Client,
}

impl Notifier {
    pub fn new(line: Arc<Line>, config: WebhookConfig, secrets: Vec<Secret>) -> reqwest::Result<Self> {
        let client = Client::builder()
            .timeout(config.timeout)
            // An answer that leads elsewhere could lead anywhere.
            .redirect(Policy::none())
            .user_agent(concat!("spillway/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { line, config, secrets, client })
    }

    /// Until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let mut tidied: Option<Instant> = None;
        while !stop.is_cancelled() {
            if tidied.is_none_or(|at| at.elapsed() > TIDY) {
                tidied = Some(Instant::now());
                if let Err(error) = self.line.store.forget_delivered_webhooks(now_ms() - KEEP_MS).await {
                    tracing::warn!(endpoint = %self.config.name, %error, "old messages are kept for now");
                }
            }
            let pause = match self.step().await {
                Ok(Worked::Yes) => continue,
                Ok(Worked::Idle) => LOOK,
                Err(error) => {
                    tracing::warn!(endpoint = %self.config.name, %error, "webhooks wait; tried again");
                    AFTER_FAILURE
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = sleep(pause) => {}
            }
        }
    }

    async fn step(&self) -> Result<Worked, StageError> {
        // One keeper tells.
        if !self.line.leads() {
            return Ok(Worked::Idle);
        }
        let queued = self.queue().await?;
        let sent = self.send().await?;
        Ok((queued || sent).into())
    }

    /// Turns changes into messages. True when there may be more.
    async fn queue(&self) -> Result<bool, StageError> {
        let store = &self.line.store;
        let from = store.webhook_cursor(&self.config.name).await?;
        let changes = store.changes_after(from, PAGE).await?;
        let Some(newest) = changes.last() else { return Ok(false) };
        let told: Vec<_> = changes.iter().filter(|change| self.is_told(change)).collect();
        store.queue_webhooks(&self.config.name, (from, newest.row), &told).await?;
        Ok(changes.len() == PAGE)
    }

    fn is_told(&self, change: &Change) -> bool {
        change.withdrawal.is_some() && self.config.states.iter().any(|state| state.as_str() == change.to)
    }

    /// Sends what is due. True when there may be more.
    async fn send(&self) -> Result<bool, StageError> {
        let store = &self.line.store;
        let due = store.due_webhooks(&self.config.name, now_ms(), ROUND).await?;
        if due.is_empty() {
            return Ok(false);
        }
        let full = due.len() == ROUND;
        let sent: Vec<_> = stream::iter(due)
            .map(|delivery| async move { Ok::<_, StageError>((delivery.row, self.tell(&delivery).await?)) })
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        store.put_sent_webhooks(&sent, now_ms()).await?;
        Ok(full)
    }

    async fn tell(&self, delivery: &Delivery) -> Result<Sent, StageError> {
        let body = self.body(delivery.transition).await?;
        let id = format!("msg_{}_{}", self.config.name, delivery.transition);
        let timestamp = now_ms() / 1_000;
        let answer = self
            .client
            .post(self.config.url.clone())
            .header("content-type", "application/json")
            .header("webhook-id", &id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signatures(&self.secrets, &id, timestamp, &body))
            .body(body)
            .send()
            .await;
        let (said, after) = match answer {
            Ok(answer) if answer.status().is_success() => return Ok(Sent::Delivered),
            Ok(answer) => {
                let after = answer.headers().get(RETRY_AFTER).and_then(|v| v.to_str().ok()?.parse().ok());
                (format!("HTTP {}", answer.status()), after.map(Duration::from_secs))
            }
            // The address may hold a key.
            Err(error) => (format!("{:#}", eyre::Report::new(error.without_url())), None),
        };
        let said: String = said.chars().take(ANSWER).collect();
        let failed = delivery.attempts + 1;
        if failed >= self.config.max_attempts {
            tracing::warn!(
                endpoint = %self.config.name, message = %id, %said,
                "a message is given up; `spillway webhooks replay` sends it again"
            );
            return Ok(Sent::Dead(said));
        }
        let pause = pause_after(failed, self.config.retry_after);
        let pause = after.map_or(pause, |after| pause.max(after.min(LONGEST)));
        // Not all at the same instant when the endpoint is back.
        let pause = i64::try_from(pause.as_millis()).unwrap_or(i64::MAX);
        let pause = pause.saturating_add(rand::rng().random_range(0..=pause / 10));
        Ok(Sent::Again(now_ms().saturating_add(pause), said))
    }

    async fn body(&self, transition: i64) -> Result<String, StageError> {
        let (change, withdrawal) = self.line.store.told(transition).await?;
        let (asset, decimals) = match self.line.assets.get(withdrawal.asset) {
            Some(asset) => (asset.symbol.clone(), asset.decimals),
            None => (withdrawal.asset.to_string(), 0),
        };
        let reason = change.reason.as_deref();
        let code = reason.and_then(Code::of_reason);
        let detail = match code.filter(|code| code.is_by_a_person()) {
            Some(_) => self.line.store.objection(withdrawal.row).await?,
            None => None,
        };
        let data = Data {
            sequence: change.row,
            id: withdrawal.id.as_str(),
            idempotency_key: &withdrawal.idempotency_key,
            asset,
            amount: withdrawal.amount.to_decimal(decimals),
            recipient: withdrawal.recipient.to_string(),
            from: change.from.as_deref(),
            to: &change.to,
            code,
            reason,
            detail,
        };
        let kind = format!("withdrawal.{}", change.to);
        let message = Message { kind, timestamp: rfc3339(change.at), data };
        Ok(serde_json::to_string(&message).expect("a message is plain text and numbers"))
    }
}
