//! What changes, as it changes: server-sent events.
//!
//! One task reads the changes for all watchers and hands them out by pages, in which each finds its own: hundreds who watch one
//! withdrawal each cost payments nothing. A watcher that was away names the last event that it saw, and one that is too slow is
//! led back to the store: nobody misses a change, and nobody waits for another.

use super::{ApiState, list::Params, problem::Problem, view, withdrawals::parse_id};
use crate::{
    domain::{reason::Code, withdrawal::WithdrawalId},
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
use std::{
    collections::{HashMap, VecDeque},
    convert::Infallible,
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, broadcast, broadcast::error::RecvError, watch},
    time::sleep,
};
use tokio_util::sync::CancellationToken;
use utoipa::{IntoParams, ToSchema};

/// How often the store is asked for changes, for all watchers together.
const LOOK: Duration = Duration::from_millis(200);
/// Changes that are read at a time.
const PAGE: usize = 500;
/// Pages that a slow watcher may be behind before it is led back to the store.
const BEHIND: usize = 16;
const WATCHERS: usize = 2_000;

/// The changes of one store, for any number of watchers.
#[derive(Clone, Debug)]
pub struct Feed {
    sender: broadcast::Sender<Arc<Page>>,
    room: Arc<Semaphore>,
    /// From then on no change is passed over.
    started: Arc<watch::Sender<bool>>,
    stop: CancellationToken,
}

impl Feed {
    /// Reads changes until `stop`.
    pub fn spawn(store: Store, stop: CancellationToken) -> Self {
        let sender = broadcast::Sender::new(BEHIND);
        let (room, started) = (Arc::new(Semaphore::new(WATCHERS)), Arc::new(watch::Sender::new(false)));
        let feed = Self { sender, room, started, stop };
        tokio::spawn(feed.clone().follow(store));
        feed
    }

    async fn follow(self, store: Store) {
        let mut last = None;
        while !self.stop.is_cancelled() {
            match self.step(&store, &mut last).await {
                Ok(full) if full => continue,
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "changes cannot be read; tried again"),
            }
            tokio::select! {
                () = self.stop.cancelled() => {}
                () = sleep(LOOK) => {}
            }
        }
    }

    /// Sends what is new. True when there is more.
    async fn step(&self, store: &Store, last: &mut Option<i64>) -> Result<bool, StoreError> {
        // In this order: who begins to listen after the question is asked reads at least as far as its answer.
        let newest = store.newest_change().await?;
        let Some(from) = last.filter(|_| self.sender.receiver_count() > 0) else {
            *last = Some(newest);
            self.started.send_replace(true);
            return Ok(false);
        };
        let changes = store.changes_after(from, PAGE).await?;
        let full = changes.len() == PAGE;
        if let Some(newest) = changes.last() {
            *last = Some(newest.row);
            // Nobody listens any more: that is no error.
            drop(self.sender.send(Arc::new(Page::new(changes))));
        }
        Ok(full)
    }
}

/// Changes that were read together, oldest first, and whose they are.
#[derive(Debug)]
struct Page {
    changes: Vec<Arc<Change>>,
    of_withdrawal: HashMap<WithdrawalId, Vec<usize>>,
    of_batch: HashMap<i64, Vec<usize>>,
}

impl Page {
    fn new(changes: Vec<Change>) -> Self {
        let (mut of_withdrawal, mut of_batch) = (HashMap::<_, Vec<_>>::new(), HashMap::<_, Vec<_>>::new());
        for (i, change) in changes.iter().enumerate() {
            match (&change.withdrawal, change.batch) {
                (Some(id), _) => of_withdrawal.entry(id.clone()).or_default().push(i),
                (None, Some(batch)) => of_batch.entry(batch).or_default().push(i),
                (None, None) => {}
            }
        }
        Self { changes: changes.into_iter().map(Arc::new).collect(), of_withdrawal, of_batch }
    }

    /// What may concern a withdrawal that is in `batch`, oldest first: its moves, those of that batch and of any that it comes
    /// into here.
    fn about(&self, id: &WithdrawalId, batch: Option<i64>) -> Vec<usize> {
        let mut all = self.of_withdrawal.get(id).cloned().unwrap_or_default();
        let mut batches: Vec<_> = all.iter().filter_map(|i| self.changes[*i].batch).chain(batch).collect();
        batches.sort_unstable();
        batches.dedup();
        all.extend(batches.iter().filter_map(|batch| self.of_batch.get(batch)).flatten());
        all.sort_unstable();
        all
    }
}

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
    let of = watched.withdrawal.as_deref().map(parse_id).transpose()?;
    let after = last_seen(&headers)?;
    let feed = state.events.clone();
    let room = feed
        .room
        .clone()
        .try_acquire_owned()
        .map_err(|_| Problem::busy("more watch than the keeper serves"))?;
    // It is started by the keeper, and stays so.
    drop(feed.started.subscribe().wait_for(|started| *started).await);
    // Listening begins before the store is asked, so that no change falls between.
    let receiver = feed.sender.subscribe();
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
        of,
        batch,
        _room: room,
    };
    let events = watcher.events().take_until(feed.stop.clone().cancelled_owned());
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))))
}

fn last_seen(headers: &HeaderMap) -> Result<Option<i64>, Problem> {
    let Some(value) = headers.get("last-event-id") else { return Ok(None) };
    let number = value.to_str().ok().and_then(|text| text.trim().parse().ok()).filter(|n: &i64| *n >= 0);
    number
        .map(Some)
        .ok_or_else(|| Problem::bad_parameter("Last-Event-ID is no id of an event: a number from 0 on"))
}

struct Watcher {
    store: Store,
    receiver: broadcast::Receiver<Arc<Page>>,
    /// The last change that was looked at.
    last: i64,
    ready: VecDeque<Arc<Change>>,
    /// The store has more that was not sent live.
    behind: bool,
    of: Option<WithdrawalId>,
    batch: Option<i64>,
    _room: OwnedSemaphorePermit,
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
                let changes = self.store.changes_after(self.last, PAGE).await.ok()?;
                self.behind = changes.len() == PAGE;
                self.take(&Page::new(changes));
                continue;
            }
            match self.receiver.recv().await {
                Ok(page) => self.take(&page),
                Err(RecvError::Lagged(_)) => self.behind = true,
                Err(RecvError::Closed) => return None,
            }
        }
    }

    /// What of a page is new and may be watched is ready next.
    fn take(&mut self, page: &Page) {
        let Some(newest) = page.changes.last().map(|change| change.row) else { return };
        let is_new = |change: &&Arc<Change>| change.row > self.last;
        match &self.of {
            Some(id) => {
                let about = page.about(id, self.batch);
                self.ready.extend(about.iter().map(|i| &page.changes[*i]).filter(is_new).cloned());
            }
            None => self.ready.extend(page.changes.iter().filter(is_new).cloned()),
        }
        self.last = self.last.max(newest);
    }

    fn is_watched(&mut self, change: &Change) -> bool {
        let Some(of) = &self.of else { return true };
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
