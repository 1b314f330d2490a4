//! How one endpoint is asked: within its rate, timed, its failures counted, no address in an error.

use super::health::Health;
use alloy::{
    rpc::json_rpc::{ErrorPayload, RequestPacket, ResponsePacket},
    transports::{Transport, TransportError, TransportErrorKind, TransportFut, http::Http},
};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tower::{Service, service_fn};

/// Methods whose error is an answer: the vault refuses a call, a node refuses a transaction.
const ERROR_IS_ANSWER: [&str; 3] = ["eth_call", "eth_estimateGas", "eth_sendRawTransaction"];

/// The transport to one endpoint.
#[derive(Clone, Debug)]
pub(super) struct Measured {
    inner: Http<reqwest::Client>,
    health: Arc<Health>,
    pace: Arc<Pace>,
}

impl Measured {
    /// `per_second` requests at most; zero is no limit.
    pub fn new(inner: Http<reqwest::Client>, health: Arc<Health>, per_second: u32) -> Self {
        let gap = Duration::from_secs(1).checked_div(per_second).unwrap_or_default();
        Self { inner, health, pace: Arc::new(Pace { gap, next: Mutex::new(Instant::now()) }) }
    }

    /// As alloy's providers take it.
    pub fn transport(self) -> impl Transport + Clone {
        service_fn(move |request| -> TransportFut<'static> { Box::pin(self.clone().ask(request)) })
    }

    pub async fn ask(mut self, request: RequestPacket) -> Result<ResponsePacket, TransportError> {
        if let Some(left) = self.health.pause() {
            let host = &self.health.host;
            return Err(TransportErrorKind::custom_str(&format!(
                "{host} asked for a pause; {left:.1?} of it are left"
            )));
        }
        self.pace.wait().await;
        let error_is_answer = request.method_names().all(|method| ERROR_IS_ANSWER.contains(&method));
        let timing = Timing { health: &self.health, start: Instant::now(), over: false };
        let answer = self.inner.call(request).await.map_err(without_address);
        timing.end(&answer, error_is_answer);
        answer
    }
}

/// Spreads requests evenly, so that a provider's limit is not reached.
#[derive(Debug)]
struct Pace {
    gap: Duration,
    next: Mutex<Instant>,
}

impl Pace {
    async fn wait(&self) {
        if self.gap.is_zero() {
            return;
        }
        let at = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let at = (*next).max(Instant::now());
            *next = at + self.gap;
            at
        };
        tokio::time::sleep_until(at.into()).await;
    }
}

/// A request under way. Dropped before its end, it still says that the endpoint was slower than others.
struct Timing<'a> {
    health: &'a Health,
    start: Instant,
    over: bool,
}

impl Timing<'_> {
    fn end(mut self, answer: &Result<ResponsePacket, TransportError>, error_is_answer: bool) {
        self.over = true;
        let took = self.start.elapsed();
        match answer {
            Ok(packet) => match packet.as_error() {
                None => self.health.answered(took),
                Some(payload) if is_rate_limit(payload) => self.health.rate_limited(None),
                Some(_) if error_is_answer => self.health.answered(took),
                Some(payload) => self.health.failed(&payload.message, took),
            },
            Err(error) => match limited_for(error) {
                Some(pause) => self.health.rate_limited(pause),
                None => self.health.failed(&error.to_string(), took),
            },
        }
    }
}

impl Drop for Timing<'_> {
    fn drop(&mut self) {
        if !self.over {
            self.health.abandoned(self.start.elapsed());
        }
    }
}

/// Whether the server asks for a pause, and for how long when it says so.
fn limited_for(error: &TransportError) -> Option<Option<Duration>> {
    let kind = error.as_transport_err()?;
    let http = kind.as_http_error()?;
    http.is_rate_limit_err().then(|| kind.retry_after())
}

/// Whether an error in an answer means that too much was asked. Limits on the range of logs share a code with it.
pub(in crate::chain) fn is_rate_limit(payload: &ErrorPayload) -> bool {
    payload.is_retry_err() && payload.message != "header not found" && !is_range_limit(&payload.message)
}

/// Whether a node refuses a query of logs because it covers too much. Nodes differ in words.
pub(super) fn is_range_limit(message: &str) -> bool {
    let text = message.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|w| text.contains(w));
    says(&[
        "block range",
        "blocks range",
        "range is too",
        "range too",
        "too many blocks",
        "response size",
        "too large",
    ]) || (says(&["more than", "exceed", "limit", "up to a"]) && says(&["results", "logs", "range"]))
}

/// Providers put their keys into the path: an error must not repeat it.
fn without_address(error: TransportError) -> TransportError {
    match error {
        TransportError::Transport(TransportErrorKind::Custom(cause)) => {
            match cause.downcast::<reqwest::Error>() {
                Ok(cause) => TransportErrorKind::custom(Plain::from(cause.without_url())),
                Err(cause) => TransportError::Transport(TransportErrorKind::Custom(cause)),
            }
        }
        other => other,
    }
}

/// An error of HTTP in words, with its cause, which its own words leave out.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Plain(String);

impl From<reqwest::Error> for Plain {
    fn from(error: reqwest::Error) -> Self {
        let mut text = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(next) = cause {
            text = format!("{text}: {next}");
            cause = next.source();
        }
        Self(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(code: i64, message: &'static str) -> ErrorPayload {
        ErrorPayload { code, message: message.into(), data: None }
    }

    #[test]
    fn a_limit_on_the_range_is_no_limit_on_the_rate() {
        for message in [
            "query returned more than 10000 results",
            "exceed maximum block range: 5000",
            "block range is too wide",
            "Log response size exceeded.",
            "You can make eth_getLogs requests with up to a 10 block range.",
            "requested too many blocks from 1 to 9000, maximum is set to 2048",
        ] {
            assert!(is_range_limit(message), "{message}");
            assert!(!is_rate_limit(&payload(-32005, message)), "{message}");
        }
        assert!(is_rate_limit(&payload(-32005, "project ID request rate exceeded")));
        assert!(is_rate_limit(&payload(429, "Too many requests")));
        assert!(!is_rate_limit(&payload(-32000, "nonce too low")));
    }

    #[tokio::test]
    async fn errors_do_not_repeat_the_address() {
        let url = "http://127.0.0.1:1/v2/hunter2".parse().unwrap();
        let health = Arc::new(Health::new("127.0.0.1:1".to_owned()));
        let transport = Measured::new(Http::with_client(reqwest::Client::new(), url), health.clone(), 0);
        let client = alloy::rpc::client::ClientBuilder::default().transport(transport.transport(), true);
        for _ in 0..3 {
            let error = client.request_noparams::<String>("eth_chainId").await.unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
        }
        let shown = health.shown();
        assert_eq!((shown.errors, shown.set_aside.is_some()), (3, true));
        assert!(!format!("{shown:?}").contains("hunter2"));
    }
}
