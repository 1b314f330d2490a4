//! What is known of one endpoint: how fast, how often wrong, how far behind, and whether it is set aside.

use crate::clock::now_ms;
use serde::Serialize;
use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// So many failures one after the other set an endpoint aside.
const FAILURES: u32 = 3;
/// The first time aside; doubled with each failure after it.
const ASIDE: Duration = Duration::from_secs(1);
/// The longest time aside, and the longest that a server may ask for by `Retry-After`.
const ASIDE_MAX: Duration = Duration::from_secs(60);
/// An endpoint of another chain is asked again so seldom.
const WRONG_CHAIN_ASIDE: Duration = Duration::from_secs(60);
/// The chain id is asked again after so long: what stands behind an address may change.
const VERIFIED_FOR: Duration = Duration::from_secs(60);
/// From so many blocks behind the others on, an endpoint is called lagging in the log.
const LAGGING: u64 = 5;

/// An endpoint as the health document shows it. Of its address only the host, because keys are in the path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct EndpointHealth {
    pub host: String,
    /// Microseconds, with what errors, lag and disagreements add to it; the lowest is asked first.
    pub score: u64,
    /// Moving average.
    pub latency_ms: u64,
    /// Since the start.
    pub requests: u64,
    pub errors: u64,
    pub disagreements: u64,
    /// The newest block that it told.
    pub head: Option<u64>,
    /// Blocks behind what the quorum has reached.
    pub behind: u64,
    pub set_aside: Option<SetAside>,
    pub last_disagreement: Option<Disagreement>,
}

/// Why an endpoint is not asked now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct SetAside {
    pub cause: String,
    /// Until it is tried again.
    pub for_ms: u64,
}

/// An answer that the quorum did not share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Disagreement {
    pub what: String,
    pub answer: String,
    pub agreed: String,
    /// Unix milliseconds.
    pub at: i64,
}

/// How an endpoint stands when somebody is to be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    Fit,
    /// It failed lately: asked only when the fit ones are not enough.
    Failing,
    /// Of another chain, not known to be of this one, or it asked for a pause.
    Barred,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Failing,
    RateLimited,
    WrongChain,
}

#[derive(Clone, Debug)]
struct Aside {
    kind: Kind,
    cause: String,
    until: Instant,
}

#[derive(Debug, Default)]
struct State {
    latency_us: u64,
    /// Moving averages per mille: of requests that failed, and of decisive answers that others did not share.
    error_permille: u64,
    disagreement_permille: u64,
    requests: u64,
    errors: u64,
    disagreements: u64,
    failures: u32,
    rate_limits: u32,
    head: Option<u64>,
    behind: u64,
    aside: Option<Aside>,
    verified: Option<Instant>,
    last_disagreement: Option<Disagreement>,
}

/// The health of one endpoint, kept by whoever asks it.
#[derive(Debug)]
pub(super) struct Health {
    pub host: String,
    state: Mutex<State>,
}

impl Health {
    pub fn new(host: String) -> Self {
        Self { host, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request was answered.
    pub fn answered(&self, took: Duration) {
        let mut state = self.state();
        state.requests += 1;
        state.failures = 0;
        state.rate_limits = 0;
        state.error_permille = averaged(state.error_permille, 0);
        state.latency_us = averaged(state.latency_us, micros(took));
        if state.aside.as_ref().is_some_and(|a| a.kind != Kind::WrongChain) {
            state.aside = None;
            tracing::info!(endpoint = %self.host, "RPC endpoint answers again");
        }
    }

    /// Somebody else was faster, or enough had answered: it took at least so long.
    pub fn abandoned(&self, after: Duration) {
        let mut state = self.state();
        let after = micros(after);
        if after > state.latency_us {
            state.latency_us = averaged(state.latency_us, after);
        }
    }

    /// A request failed: no connection, no JSON, or an error for an answer.
    pub fn failed(&self, cause: &str, took: Duration) {
        let mut state = self.state();
        state.requests += 1;
        state.errors += 1;
        state.failures += 1;
        state.error_permille = averaged(state.error_permille, 1_000);
        state.latency_us = averaged(state.latency_us, micros(took));
        if state.failures < FAILURES {
            return;
        }
        let time = ASIDE_MAX.min(ASIDE * (1 << (state.failures - FAILURES).min(6)));
        let first = state.aside.is_none();
        let cause = cause.to_owned();
        if first {
            tracing::warn!(endpoint = %self.host, %cause, "RPC endpoint fails: set aside, and tried again by itself");
        }
        state.aside = Some(Aside { kind: Kind::Failing, cause, until: Instant::now() + time });
    }

    /// The server asked for a pause, of a stated length or not.
    pub fn rate_limited(&self, pause: Option<Duration>) {
        let mut state = self.state();
        state.requests += 1;
        state.errors += 1;
        let time = pause.unwrap_or(ASIDE * (1 << state.rate_limits.min(6))).min(ASIDE_MAX);
        if state.rate_limits == 0 {
            tracing::warn!(endpoint = %self.host, pause = ?time, "RPC endpoint limits the rate: not asked until then");
        }
        state.rate_limits += 1;
        let cause = "it limits the rate (HTTP 429)".to_owned();
        state.aside = Some(Aside { kind: Kind::RateLimited, cause, until: Instant::now() + time });
    }

    /// How much of the pause that the server asked for is left.
    pub fn pause(&self) -> Option<Duration> {
        let state = self.state();
        let aside = state.aside.as_ref().filter(|a| a.kind == Kind::RateLimited)?;
        aside.until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
    }

    /// It serves chain `served` instead.
    pub fn wrong_chain(&self, configured: u64, served: u64) {
        let mut state = self.state();
        if state.aside.as_ref().is_none_or(|a| a.kind != Kind::WrongChain) {
            tracing::warn!(
                endpoint = %self.host, configured, served,
                "RPC endpoint serves another chain: set aside; correct or remove it in chain.rpc_urls"
            );
        }
        state.verified = None;
        let cause = format!("it serves chain {served}, not {configured}");
        let until = Instant::now() + WRONG_CHAIN_ASIDE;
        state.aside = Some(Aside { kind: Kind::WrongChain, cause, until });
    }

    /// It serves the configured chain.
    pub fn verified(&self) {
        let mut state = self.state();
        state.verified = Some(Instant::now());
        state.aside = None;
    }

    /// Whether the chain id is to be asked before anything else.
    pub fn is_to_be_verified(&self) -> bool {
        self.state().verified.is_none_or(|at| at.elapsed() > VERIFIED_FOR)
    }

    /// It told its newest block.
    pub fn told_head(&self, number: u64) {
        self.state().head = Some(number);
    }

    pub fn head(&self) -> Option<u64> {
        self.state().head
    }

    pub fn latency(&self) -> Duration {
        Duration::from_micros(self.state().latency_us)
    }

    /// The quorum has reached block `tip`.
    pub fn compare_head(&self, tip: u64) {
        let mut state = self.state();
        let behind = state.head.map_or(0, |head| tip.saturating_sub(head));
        if state.behind < LAGGING && behind >= LAGGING {
            tracing::warn!(endpoint = %self.host, behind, "RPC endpoint lags behind the others");
        }
        state.behind = behind;
    }

    /// In a decisive read its answer was the quorum's.
    pub fn agreed(&self) {
        let mut state = self.state();
        state.disagreement_permille = averaged(state.disagreement_permille, 0);
    }

    /// In a decisive read the quorum outvoted its answer.
    pub fn outvoted(&self, what: &str, answer: String, agreed: String) {
        tracing::warn!(
            endpoint = %self.host, what, %answer, %agreed,
            "RPC endpoint contradicts the quorum and is outvoted"
        );
        let mut state = self.state();
        state.disagreements += 1;
        state.disagreement_permille = averaged(state.disagreement_permille, 1_000);
        state.last_disagreement = Some(Disagreement { what: what.to_owned(), answer, agreed, at: now_ms() });
    }

    pub fn standing(&self) -> Standing {
        let state = self.state();
        let now = Instant::now();
        match &state.aside {
            _ if state.verified.is_none() => Standing::Barred,
            Some(aside) if aside.kind == Kind::WrongChain => Standing::Barred,
            Some(aside) if aside.kind == Kind::RateLimited && aside.until > now => Standing::Barred,
            Some(aside) if aside.kind == Kind::Failing => Standing::Failing,
            _ => Standing::Fit,
        }
    }

    /// Whether its head is to be asked for now. One that was set aside is tried once each time its pause is over.
    pub fn is_due(&self) -> bool {
        let mut state = self.state();
        let now = Instant::now();
        match &mut state.aside {
            Some(aside) if aside.until > now => false,
            Some(aside) if aside.kind == Kind::RateLimited => true,
            Some(aside) => {
                aside.until = now + ASIDE_MAX.min(ASIDE * 10);
                true
            }
            None => true,
        }
    }

    /// Microseconds: the latency, and what makes an answer late or worthless.
    pub fn score(&self) -> u64 {
        self.state().score()
    }

    pub fn shown(&self) -> EndpointHealth {
        let state = self.state();
        let now = Instant::now();
        let set_aside = state.aside.as_ref().map(|aside| SetAside {
            cause: aside.cause.clone(),
            for_ms: micros(aside.until.saturating_duration_since(now)) / 1_000,
        });
        EndpointHealth {
            host: self.host.clone(),
            score: state.score(),
            latency_ms: state.latency_us / 1_000,
            requests: state.requests,
            errors: state.errors,
            disagreements: state.disagreements,
            head: state.head,
            behind: state.behind,
            set_aside,
            last_disagreement: state.last_disagreement.clone(),
        }
    }
}

impl State {
    /// An endpoint that always fails counts as 2 s slower, a block of lag as half a second, one that always
    /// contradicts as 10 s.
    fn score(&self) -> u64 {
        self.latency_us
            + self.error_permille * 2_000
            + self.behind.min(60) * 500_000
            + self.disagreement_permille * 10_000
    }
}

/// An exponentially weighted moving average: the newest sample weighs a quarter.
fn averaged(average: u64, sample: u64) -> u64 {
    (average * 3 + sample) / 4
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health() -> Health {
        let health = Health::new("rpc.example".to_owned());
        health.verified();
        health
    }

    #[test]
    fn failures_in_a_row_set_aside_and_an_answer_brings_back() {
        let health = health();
        for _ in 0..FAILURES - 1 {
            health.failed("no connection", Duration::ZERO);
        }
        assert_eq!(health.standing(), Standing::Fit);
        health.failed("no connection", Duration::ZERO);
        assert_eq!(health.standing(), Standing::Failing);
        assert!(!health.is_due(), "not before its pause is over");
        let shown = health.shown().set_aside.unwrap();
        assert!(shown.cause.contains("no connection") && shown.for_ms <= 1_000);
        health.answered(Duration::ZERO);
        assert_eq!(health.standing(), Standing::Fit);
    }

    #[test]
    fn a_pause_that_the_server_asks_for_is_kept_and_bounded() {
        let health = health();
        health.rate_limited(Some(Duration::from_secs(9_999)));
        assert_eq!(health.standing(), Standing::Barred);
        let left = health.pause().unwrap();
        assert!(left > Duration::from_secs(50) && left <= ASIDE_MAX, "{left:?}");
        health.rate_limited(Some(Duration::ZERO));
        assert_eq!((health.pause(), health.standing()), (None, Standing::Fit));
    }

    #[test]
    fn another_chain_is_barred_until_its_id_is_right() {
        let health = health();
        health.wrong_chain(1, 5);
        health.answered(Duration::ZERO);
        assert_eq!(health.standing(), Standing::Barred);
        assert!(health.is_to_be_verified());
        health.verified();
        assert_eq!(health.standing(), Standing::Fit);
    }

    #[test]
    fn latency_errors_lag_and_lies_each_cost_places() {
        let (good, slow, failing, behind, liar) = (health(), health(), health(), health(), health());
        for one in [&good, &failing, &behind, &liar] {
            one.answered(Duration::from_millis(20));
        }
        slow.answered(Duration::from_millis(400));
        failing.failed("x", Duration::from_millis(20));
        behind.told_head(7);
        behind.compare_head(10);
        liar.outvoted("nonce", "5".to_owned(), "4".to_owned());
        for worse in [slow, failing, behind, liar] {
            assert!(worse.score() > good.score(), "{:?}", worse.shown());
        }
    }
}
