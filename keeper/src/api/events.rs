//! What changes, as it changes: server-sent events.
//!
//! A watcher that was away names the last event that it saw, and one that is too slow is led back to the store: nobody misses a
//! change, and nobody waits for another.

use super::{
    ApiState,
    feed::{PAGE, Page, Seat},
    params::Params,
    problem::Problem,
    view,
    withdrawals::parse_id,
};
use crate::{
    domain::reason::Code,
    store::{Store, StoreError, changes::Change},
};
use axum::{
    extract::State,
    http::HeaderMap,
    response::{
        IntoResponse, Sse,
        sse::{Event, KeepAlive},
    },
};
use futures::{Stream, StreamExt, stream};
use serde::{Deserialize, Serialize};
use std::{collections::VecDeque, convert::Infallible, slice, sync::Arc, time::Duration};
use tokio::sync::broadcast::{self, error::RecvError};
use utoipa::{IntoParams, ToSchema};

/// Changes that one question looks at, of one withdrawal's watcher who was away.
const SPAN: i64 = 100_000;

/// What is watched.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Watched {
    /// One withdrawal and the batches that it is in; all, when left out.
    withdrawal: Option<String>,
}

/// A change. The event's id grows: send the last one as `Last-Event-ID` to go on after it.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChangeView {
    at: String,
    /// None when a batch moved.
    withdrawal: Option<String>,
    /// The batch that moved, or that the withdrawal is in.
    batch: Option<i64>,
    from: Option<String>,
    to: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<Code>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl From<&Change> for ChangeView {
    fn from(change: &Change) -> Self {
        Self {
            at: view::time(change.at),
            withdrawal: change.withdrawal.as_ref().map(ToString::to_string),
            batch: change.batch,
            from: change.from.clone(),
            to: change.to.clone(),
            code: change.reason.as_deref().and_then(Code::of_reason),
            reason: change.reason.clone(),
        }
    }
}

/// Changes of withdrawals and batches as they happen, as server-sent events with the name `change`.
#[utoipa::path(
    get, path = "/v1/events", tag = "withdrawals",
    params(Watched, ("Last-Event-ID" = Option<i64>, Header, minimum = 0, description = "The last event that was seen.")),
    responses((status = 200, body = ChangeView, content_type = "text/event-stream"))
)]
pub async fn read(
    State(state): State<ApiState>,
    headers: HeaderMap,
    Params(watched): Params<Watched>,
) -> Result<impl IntoResponse, Problem> {
    let of = watched.withdrawal.as_deref().map(|id| parse_id(id, "withdrawal")).transpose()?;
    let after = last_seen(&headers)?;
    let feed = state.events.clone();
    // Listening begins before the store is asked, so that no change falls between.
    let joined = feed.join(of.clone()).await;
    let (seat, receiver) = joined.ok_or_else(|| Problem::busy("more watch than the keeper serves"))?;
    let after = match after {
        Some(after) => after,
        None => state.store.newest_change().await?,
    };
    // A withdrawal that is in a batch already is watched with it.
    let batch = match &of {
        Some(id) => state.store.withdrawal(id).await?.and_then(|w| w.batch),
        None => None,
    };
    let watcher = Watcher {
        store: state.store.clone(),
        receiver,
        last: after,
        ready: VecDeque::new(),
        behind: true,
        seat,
        batch,
    };
    let events = watcher.events().take_until(feed.ended());
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))))
}

fn last_seen(headers: &HeaderMap) -> Result<Option<i64>, Problem> {
    let Some(value) = headers.get("last-event-id") else { return Ok(None) };
    let number = value.to_str().ok().and_then(|text| text.trim().parse().ok()).filter(|n: &i64| *n >= 0);
    number.map(Some).ok_or_else(|| {
        Problem::bad_parameter("Last-Event-ID is no id of an event: a number from 0 on").of("Last-Event-ID")
    })
}

struct Watcher {
    store: Store,
    receiver: broadcast::Receiver<Arc<Page>>,
    /// The last change that was looked at.
    last: i64,
    ready: VecDeque<Arc<Change>>,
    /// The store has more that was not sent live.
    behind: bool,
    /// And what it watches.
    seat: Seat,
    batch: Option<i64>,
}

impl Watcher {
    fn events(self) -> impl Stream<Item = Result<Event, Infallible>> {
        stream::unfold(self, async |mut watcher| {
            let change = watcher.next().await?;
            let event = Event::default().id(change.row.to_string()).event("change");
            // A change is plain text and numbers: it always has a JSON form.
            let event = event.json_data(ChangeView::from(&*change)).unwrap_or_default();
            Some((Ok(event), watcher))
        })
    }

    /// The next change that is watched; none when the feed or the store ended: the watcher comes again.
    async fn next(&mut self) -> Option<Arc<Change>> {
        loop {
            while let Some(change) = self.ready.pop_front() {
                if self.is_watched(&change) {
                    return Some(change);
                }
            }
            if self.behind {
                self.catch_up().await.ok()?;
                continue;
            }
            match self.receiver.recv().await {
                Ok(page) => self.take(&page),
                Err(RecvError::Lagged(_)) => self.behind = true,
                Err(RecvError::Closed) => return None,
            }
        }
    }

    /// Reads a page of what the store has more.
    async fn catch_up(&mut self) -> Result<(), StoreError> {
        let newest = self.store.newest_change().await?;
        let to = newest.min(self.last.saturating_add(SPAN));
        let changes = match self.seat.of() {
            Some(id) => {
                let rows: Vec<_> = self.store.rows_of(slice::from_ref(id)).await?.into_values().collect();
                self.store.changes_of(&rows, (self.last, to), PAGE).await?
            }
            None => self.store.changes_after(self.last, PAGE).await?,
        };
        let is_full = changes.len() == PAGE;
        self.take(&Page::new(changes));
        if !is_full {
            self.last = self.last.max(to);
        }
        self.behind = is_full || to < newest;
        Ok(())
    }

    /// What of a page is new and may be watched is ready next.
    fn take(&mut self, page: &Page) {
        let Some(newest) = page.changes.last().map(|change| change.row) else { return };
        let is_new = |change: &&Arc<Change>| change.row > self.last;
        match self.seat.of() {
            Some(id) => {
                let about = page.about(id, self.batch);
                self.ready.extend(about.iter().map(|i| &page.changes[*i]).filter(is_new).cloned());
            }
            None => self.ready.extend(page.changes.iter().filter(is_new).cloned()),
        }
        self.last = self.last.max(newest);
    }

    fn is_watched(&mut self, change: &Change) -> bool {
        let Some(of) = self.seat.of() else { return true };
        match &change.withdrawal {
            Some(id) if id == of => {
                self.batch = change.batch;
                true
            }
            Some(_) => false,
            None => change.batch.is_some() && change.batch == self.batch,
        }
    }
}
