//! Traces: the way of each withdrawal that ended, sent to an OpenTelemetry collector over OTLP/HTTP.
//!
//! The spans are made from the transitions, which survive whatever becomes of a process: one trace from intake to the end,
//! across restarts and keepers. They are sent once the withdrawal has ended; until the collector took them they are sent again,
//! under the same ids.
//!
//! - [`spans`]: the spans of one withdrawal

pub mod spans;

use crate::{
    config::TracesConfig,
    stages::{Line, StageError, Worked},
    store::changes::Change,
};
use opentelemetry_proto::tonic::{
    collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse},
    common::v1::InstrumentationScope,
    resource::v1::Resource,
    trace::v1::{ResourceSpans, ScopeSpans, Span},
};
use prost::Message;
use reqwest::{
    Client, StatusCode, Url,
    header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER},
    redirect::Policy,
};
use std::{sync::Arc, time::Duration};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// How often the store is asked when there was nothing to send.
const LOOK: Duration = Duration::from_secs(1);
const AFTER_FAILURE: Duration = Duration::from_secs(5);
const AFTER_FAILURE_MAX: Duration = Duration::from_secs(120);
/// Changes that are looked at together: their spans stay well below the four megabytes that collectors take.
const PAGE: usize = 500;

/// Why headers are no headers.
#[derive(Debug, thiserror::Error)]
#[error("{variable}, which traces.headers_env names, {problem}; it holds name=value,name=value")]
pub struct HeadersError {
    variable: String,
    problem: &'static str,
}

/// Sends what ended.
#[derive(Debug)]
pub struct Exporter {
    line: Arc<Line>,
    endpoint: Url,
    one_in: u64,
    client: Client,
}

/// What became of a request.
enum Sent {
    Taken,
    /// Later, or the collector's own wish.
    Again(Option<Duration>),
}

impl Exporter {
    /// None without an endpoint. `variable` reads the environment.
    pub fn new(
        line: Arc<Line>,
        config: &TracesConfig,
        variable: impl Fn(&str) -> Option<String>,
    ) -> eyre::Result<Option<Self>> {
        let Some(endpoint) = config.endpoint.clone() else { return Ok(None) };
        let headers = headers_of(config, variable)?;
        let client = Client::builder()
            .timeout(config.timeout)
            .redirect(Policy::none())
            .default_headers(headers)
            .user_agent(concat!("spillway/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Some(Self { line, endpoint, one_in: u64::from(config.one_in), client }))
    }

    /// Until `stop`. A collector that is down delays nothing but the traces.
    pub async fn run(self, stop: CancellationToken) {
        let mut failed = AFTER_FAILURE;
        while !stop.is_cancelled() {
            let pause = match self.step().await {
                Ok((Worked::Yes, _)) => {
                    failed = AFTER_FAILURE;
                    continue;
                }
                Ok((Worked::Idle, None)) => LOOK,
                Ok((Worked::Idle, Some(wish))) => wish.clamp(LOOK, AFTER_FAILURE_MAX),
                Err(error) => {
                    tracing::warn!(%error, again = ?failed, "traces wait; nothing else does");
                    let pause = failed;
                    failed = (failed * 2).min(AFTER_FAILURE_MAX);
                    pause
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = sleep(pause) => {}
            }
        }
    }

    /// Sends what ended since the cursor; with the collector's wish when it wants to be left alone for a time.
    async fn step(&self) -> Result<(Worked, Option<Duration>), StageError> {
        let store = &self.line.store;
        // One keeper sends.
        if !self.line.leads() {
            return Ok((Worked::Idle, None));
        }
        let from = store.trace_cursor().await?;
        let changes = store.changes_after(from, PAGE).await?;
        let Some(newest) = changes.last() else { return Ok((Worked::Idle, None)) };
        let mut spans = Vec::new();
        for change in &changes {
            spans.extend(self.spans(change).await?);
        }
        if !spans.is_empty()
            && let Sent::Again(wish) = self.send(spans).await
        {
            return Ok((Worked::Idle, Some(wish.unwrap_or(AFTER_FAILURE))));
        }
        store.move_trace_cursor(from, newest.row).await?;
        Ok((Worked::Yes, None))
    }

    /// None unless the change ended a withdrawal whose turn it is.
    async fn spans(&self, change: &Change) -> Result<Vec<Span>, StageError> {
        let Some(id) = change.withdrawal.as_ref().filter(|_| spans::is_end(&change.to)) else {
            return Ok(Vec::new());
        };
        let store = &self.line.store;
        let Some(withdrawal) = store.withdrawal(id).await?.filter(|w| self.is_chosen(&w.trace_id)) else {
            return Ok(Vec::new());
        };
        let asset = self.line.assets.get(withdrawal.asset);
        let asset = asset.map_or_else(|| withdrawal.asset.to_string(), |asset| asset.symbol.clone());
        let parent = store.trace_parent(&withdrawal).await?;
        Ok(spans::of(&withdrawal, parent.as_deref(), &store.history(&withdrawal).await?, &asset))
    }

    /// By the half of the id that is random (W3C Trace Context, level 2), so that other services may choose the same.
    fn is_chosen(&self, trace_id: &str) -> bool {
        let low = trace_id.get(16..).and_then(|half| u64::from_str_radix(half, 16).ok());
        low.is_some_and(|low| low.is_multiple_of(self.one_in))
    }

    async fn send(&self, spans: Vec<Span>) -> Sent {
        let count = spans.len();
        let answer = self
            .client
            .post(self.endpoint.clone())
            .header(CONTENT_TYPE, "application/x-protobuf")
            .body(request(spans).encode_to_vec())
            .send()
            .await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                // The address may hold a key.
                let error = eyre::Report::new(error.without_url());
                tracing::warn!(
                    error = format!("{error:#}"),
                    "the collector of traces does not answer; sent again"
                );
                return Sent::Again(None);
            }
        };
        let status = answer.status();
        if status.is_success() {
            let said =
                answer.bytes().await.ok().and_then(|body| ExportTraceServiceResponse::decode(body).ok());
            if let Some(part) = said.and_then(|s| s.partial_success).filter(|p| p.rejected_spans > 0) {
                let (rejected, why) = (part.rejected_spans, part.error_message);
                tracing::warn!(rejected, of = count, %why, "the collector did not take all spans");
            }
            return Sent::Taken;
        }
        // These are worth another try, by the protocol's specification (OTLP 1.9, failures).
        let passes = [
            StatusCode::TOO_MANY_REQUESTS,
            StatusCode::BAD_GATEWAY,
            StatusCode::SERVICE_UNAVAILABLE,
            StatusCode::GATEWAY_TIMEOUT,
        ];
        if passes.contains(&status) {
            let wish = answer.headers().get(RETRY_AFTER).and_then(|v| v.to_str().ok()?.parse().ok());
            tracing::warn!(%status, "the collector of traces is busy; sent again");
            return Sent::Again(wish.map(Duration::from_secs));
        }
        tracing::warn!(%status, spans = count, "the collector refuses these spans; they are left out");
        Sent::Taken
    }
}

fn request(spans: Vec<Span>) -> ExportTraceServiceRequest {
    let version = env!("CARGO_PKG_VERSION");
    let attributes = vec![spans::text("service.name", "spillway"), spans::text("service.version", version)];
    let scope = InstrumentationScope {
        name: "spillway".to_owned(),
        version: version.to_owned(),
        ..InstrumentationScope::default()
    };
    let scope_spans = vec![ScopeSpans { scope: Some(scope), spans, ..ScopeSpans::default() }];
    let resource = Some(Resource { attributes, ..Resource::default() });
    let all = ResourceSpans { resource, scope_spans, ..ResourceSpans::default() };
    ExportTraceServiceRequest { resource_spans: vec![all] }
}

/// What is sent along to the collector. `variable` reads the environment.
pub fn headers_of(
    config: &TracesConfig,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<HeaderMap, HeadersError> {
    let Some(name) = &config.headers_env else { return Ok(HeaderMap::new()) };
    headers(name, variable(name))
}

/// `name=value,name=value`, as `OTEL_EXPORTER_OTLP_HEADERS` has them.
fn headers(variable: &str, value: Option<String>) -> Result<HeaderMap, HeadersError> {
    let wrong = |problem| HeadersError { variable: variable.to_owned(), problem };
    let value = value.ok_or_else(|| wrong("is not set"))?;
    let mut all = HeaderMap::new();
    for pair in value.split(',').filter(|pair| !pair.trim().is_empty()) {
        let (name, value) = pair.split_once('=').ok_or_else(|| wrong("has an entry without ="))?;
        let name: HeaderName = name.trim().parse().map_err(|_| wrong("has a name that is none"))?;
        let mut value: HeaderValue = value.trim().parse().map_err(|_| wrong("has a value that is none"))?;
        value.set_sensitive(true);
        all.append(name, value);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_pairs_and_are_not_shown() {
        let all = headers("OTLP", Some("authorization=Basic YTpi, x-scope = ops".to_owned())).unwrap();
        assert_eq!(all.get("authorization").unwrap(), "Basic YTpi");
        assert_eq!(all.get("x-scope").unwrap(), "ops");
        assert!(!format!("{all:?}").contains("YTpi"));
        for wrong in ["authorization", "bad name=1", "a=x\u{7}y"] {
            let error = headers("OTLP", Some(wrong.to_owned())).unwrap_err().to_string();
            assert!(error.contains("OTLP") && !error.contains(wrong), "{error}");
        }
        assert!(headers("OTLP", None).is_err());
    }
}
