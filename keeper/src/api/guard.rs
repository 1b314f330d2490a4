//! What stands before each handler: the log, the time limit, and who may come in.

use super::{keys::Keys, problem::Problem};
use crate::{domain::access::Scope, trace};
use axum::{
    extract::{Request, State},
    http::HeaderMap,
    middleware::Next,
    response::{IntoResponse, Response},
};
use std::time::{Duration, Instant};
use tracing::Instrument;

/// Longer than any commit takes, shorter than a caller's patience.
const TIME_LIMIT: Duration = Duration::from_secs(30);

/// The trace that a request belongs to: its caller's, or a new one.
#[derive(Clone, Debug)]
pub struct Trace {
    pub id: String,
    /// The caller's span in it; none when it is new.
    pub parent: Option<String>,
}

/// Paths whose end opens a status page.
const TOKENS: [&str; 2] = ["/w/", "/v1/status/"];

/// The path as it may be logged: without a token.
fn shown(path: &str) -> String {
    let prefix = TOKENS.into_iter().find(|prefix| path.starts_with(prefix));
    prefix.map_or_else(|| path.to_owned(), |prefix| format!("{prefix}..."))
}

/// Logs a request by method, path, status and time. No headers, no query, no body: they may hold secrets.
pub async fn log(mut request: Request, next: Next) -> Response {
    let trace = trace_of(request.headers());
    let (method, path) = (request.method().clone(), shown(request.uri().path()));
    let span = tracing::info_span!("request", trace_id = %trace.id);
    request.extensions_mut().insert(trace);
    let start = Instant::now();
    let response = next.run(request).instrument(span.clone()).await;
    let (status, ms) = (response.status().as_u16(), start.elapsed().as_millis());
    span.in_scope(|| {
        if response.status().is_server_error() {
            tracing::warn!(%method, path, status, ms, "request");
        } else {
            tracing::debug!(%method, path, status, ms, "request");
        }
    });
    response
}

fn trace_of(headers: &HeaderMap) -> Trace {
    let named = headers.get("traceparent").and_then(|v| v.to_str().ok()).and_then(trace::from_traceparent);
    match named {
        Some(trace::Parent { trace_id, span_id }) => Trace { id: trace_id, parent: Some(span_id) },
        None => Trace { id: trace::new_id(), parent: None },
    }
}

/// Nobody waits for ever, and no slow caller holds a handler for ever.
pub async fn limit_time(request: Request, next: Next) -> Response {
    tokio::time::timeout(TIME_LIMIT, next.run(request))
        .await
        .unwrap_or_else(|_| Problem::timeout(TIME_LIMIT.as_secs()).into_response())
}

/// Lets callers pass whose key has the scope.
pub async fn require(
    State((keys, scope)): State<(Keys, Scope)>,
    mut request: Request,
    next: Next,
) -> Response {
    match keys.allow(scope, request.headers()).await {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_token_is_logged() {
        assert_eq!(shown("/w/0123"), "/w/...");
        assert_eq!(shown("/v1/status/0123"), "/v1/status/...");
        assert_eq!(shown("/v1/withdrawals"), "/v1/withdrawals");
    }
}
