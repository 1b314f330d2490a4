//! Whose withdrawals were shown to whom: reads show recipients and amounts, and the audit says who asked for them.
//!
//! There may be hundreds of reads each second, so they are gathered, and noted together: one change per key and minute.
//! No read waits for the store or fails with it. While it takes no change what is gathered stays in memory, which it
//! does not fill: there are as many entries as keys and routes, with so many ids each, and counts beyond. A keeper that
//! is killed loses what it gathered since it last noted.

use super::{ApiState, keys::Caller};
use crate::{
    clock::{now_ms, rfc3339},
    store::{Context, Store, StoreError},
};
use axum::{
    extract::{FromRequestParts, MatchedPath},
    http::request::Parts,
};
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

const EVERY: Duration = Duration::from_secs(60);
/// The store gets so long for what is gathered when the keeper stops.
const FAREWELL: Duration = Duration::from_secs(3);
/// So many ids are named, of one key and route in one change.
const IDS: usize = 100;

/// What was shown since it was last noted. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Viewed(Arc<Mutex<BTreeMap<Option<String>, Views>>>);

/// By one key.
#[derive(Debug)]
struct Views {
    /// Unix milliseconds of the first.
    since: i64,
    routes: BTreeMap<String, View>,
}

/// On one route.
#[derive(Debug, Default, Serialize)]
struct View {
    reads: u64,
    /// How many withdrawals they showed; one that was shown twice counts twice.
    shown: u64,
    /// The first [`IDS`] of them, each once.
    ids: BTreeSet<String>,
}

impl View {
    fn add(&mut self, reads: u64, shown: u64, ids: impl IntoIterator<Item = String>) {
        self.reads += reads;
        self.shown += shown;
        for id in ids {
            if self.ids.len() == IDS {
                break;
            }
            self.ids.insert(id);
        }
    }
}

impl Viewed {
    fn add(&self, key: Option<String>, since: i64, route: &str, view: View) {
        let mut gathered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let views = gathered.entry(key).or_insert_with(|| Views { since, routes: BTreeMap::new() });
        views.since = views.since.min(since);
        let View { reads, shown, ids } = view;
        match views.routes.get_mut(route) {
            Some(kept) => kept.add(reads, shown, ids),
            None => drop(views.routes.insert(route.to_owned(), View { reads, shown, ids })),
        }
    }

    /// Notes what is gathered, until `end` and once more then.
    pub async fn keep(self, store: Store, end: CancellationToken) {
        loop {
            tokio::select! {
                () = sleep(EVERY) => {}
                () = end.cancelled() => {
                    if !matches!(timeout(FAREWELL, self.note(&store)).await, Ok(Ok(()))) {
                        tracing::warn!("who looked at withdrawals since the last minute did not get into the audit");
                    }
                    return;
                }
            }
            if let Err(error) = self.note(&store).await {
                tracing::warn!(%error, "who looked at withdrawals is not in the audit yet; it is tried again");
            }
        }
    }

    /// Appends a change per key. What is not appended stays.
    pub(super) async fn note(&self, store: &Store) -> Result<(), StoreError> {
        let gathered = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let mut failed = None;
        for (key, views) in gathered {
            if failed.is_none() {
                match append(store, key.as_deref(), &views).await {
                    Ok(()) => continue,
                    Err(error) => failed = Some(error),
                }
            }
            for (route, view) in views.routes {
                self.add(key.clone(), views.since, &route, view);
            }
        }
        failed.map_or(Ok(()), Err)
    }
}

async fn append(store: &Store, key: Option<&str>, views: &Views) -> Result<(), StoreError> {
    let actor = key.map_or_else(|| "api".to_owned(), |key| format!("api/{key}"));
    let detail = serde_json::json!({ "since": rfc3339(views.since), "key": key, "routes": &views.routes });
    let mut unit = store.unit(Context::new(&actor, "withdrawals.viewed", detail)).await?;
    unit.note();
    unit.commit().await
}

/// Who reads, by which route: a handler that shows withdrawals says which.
pub struct Viewer {
    viewed: Viewed,
    key: Option<String>,
    route: String,
}

impl Viewer {
    /// One answer shows these.
    pub fn saw<'a>(self, ids: impl IntoIterator<Item = &'a str>) {
        let mut view = View { reads: 1, ..View::default() };
        for id in ids {
            view.add(0, 1, [id.to_owned()]);
        }
        if view.shown > 0 {
            self.viewed.add(self.key, now_ms(), &self.route, view);
        }
    }
}

impl FromRequestParts<ApiState> for Viewer {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Infallible> {
        let caller = parts.extensions.get::<Caller>();
        let route = parts.extensions.get::<MatchedPath>();
        Ok(Self {
            viewed: state.viewed(),
            key: caller.and_then(|caller| caller.0.clone()),
            route: route.map_or_else(String::new, |route| route.as_str().to_owned()),
        })
    }
}
