//! The keys as the API asks for them: in memory, read again each second, each with its rate.

use super::problem::Problem;
use crate::{
    clock::now_ms,
    config::Token,
    domain::access::{ApiKey, Scope, Secret},
    store::{Store, StoreError},
};
use axum::http::{HeaderMap, header};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter, clock::Clock};
use std::{
    collections::HashMap,
    num::NonZeroU32,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::Mutex;

/// A key that was made or revoked counts after so long, in every keeper.
const REFRESH: Duration = Duration::from_secs(1);

/// Who asks: the name of the key, which both keys of a rotation have. None where no key is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller(pub Option<String>);

/// What the holder of `api.token` is called.
const TOKEN: &str = "api.token";

/// Lets callers in.
#[derive(Clone, Debug)]
pub struct Keys(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    /// The shared secret of the configuration: all scopes, no limit.
    token: Option<Token>,
    /// Nobody comes in without a key, even when there is none.
    required: bool,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    read_at: Option<Instant>,
    keys: HashMap<String, Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    key: Arc<ApiKey>,
    limiter: Option<Arc<DefaultDirectRateLimiter>>,
}

impl Entry {
    fn new(key: ApiKey) -> Self {
        let quota = NonZeroU32::new(key.per_minute).map(Quota::per_minute);
        Self { key: Arc::new(key), limiter: quota.map(|quota| Arc::new(RateLimiter::direct(quota))) }
    }
}

impl Keys {
    pub fn new(store: Store, token: Option<Token>, required: bool) -> Self {
        Self(Arc::new(Inner { store, token, required, known: Mutex::default() }))
    }

    /// Who asks with these headers, when that may do what needs `scope`.
    pub async fn allow(&self, scope: Scope, headers: &HeaderMap) -> Result<Caller, Problem> {
        let presented = bearer(headers);
        if let (Some(token), Some(presented)) = (&self.0.token, presented)
            && token.matches(presented)
        {
            return Ok(Caller(Some(TOKEN.to_owned())));
        }
        let mut known = self.0.known.lock().await;
        known.refresh(&self.0.store).await?;
        if !self.0.required && self.0.token.is_none() && known.keys.is_empty() {
            return Ok(Caller(None));
        }
        let Some(presented) = presented else {
            return Err(Problem::unauthorized("the request has no bearer token"));
        };
        let wrong = || Problem::unauthorized("the key is not known here, or not the right one");
        let secret = Secret::parse(presented).ok_or_else(wrong)?;
        let entry = known.keys.get(&secret.id).cloned().ok_or_else(wrong)?;
        drop(known);

        if !entry.key.matches(&secret) {
            return Err(wrong());
        }
        if entry.key.is_expired(now_ms()) {
            return Err(Problem::unauthorized("the key has expired, or was revoked"));
        }
        if !entry.key.scopes.contains(&scope) {
            return Err(Problem::forbidden(scope, &entry.key.scopes));
        }
        let caller = Caller(Some(entry.key.name.clone()));
        let Some(limiter) = entry.limiter else { return Ok(caller) };
        limiter.check().map(|()| caller).map_err(|until| {
            let wait = until.wait_time_from(governor::clock::DefaultClock::default().now());
            Problem::rate_limited(entry.key.per_minute, wait)
        })
    }
}

impl Known {
    /// A key that did not change keeps its limiter.
    async fn refresh(&mut self, store: &Store) -> Result<(), StoreError> {
        if self.read_at.is_some_and(|at| at.elapsed() < REFRESH) {
            return Ok(());
        }
        let mut before = std::mem::take(&mut self.keys);
        let stored = match store.api_keys().await {
            Ok(stored) => stored,
            Err(error) => {
                self.keys = before;
                return Err(error);
            }
        };
        self.keys = stored
            .into_iter()
            .map(|key| {
                let same = before.remove(&key.id).filter(|entry| *entry.key == key);
                (key.id.clone(), same.unwrap_or_else(|| Entry::new(key)))
            })
            .collect();
        self.read_at = Some(Instant::now());
        Ok(())
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
