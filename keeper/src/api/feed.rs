//! Reads changes once for everybody who watches.
//!
//! Only what is watched is read, and it is handed out by pages in which each watcher finds its own.

use crate::{
    domain::withdrawal::WithdrawalId,
    store::{Store, StoreError, changes::Change},
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, broadcast, watch},
    time::sleep,
};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// How often the store is asked for changes, for all watchers together.
const LOOK: Duration = Duration::from_millis(200);
/// Changes that are read at a time.
pub(super) const PAGE: usize = 500;
/// Pages that a slow watcher may be behind before it is led back to the store.
const BEHIND: usize = 16;
const WATCHERS: usize = 2_000;

/// The changes of one store, for any number of watchers.
#[derive(Clone, Debug)]
pub struct Feed {
    sender: broadcast::Sender<Arc<Page>>,
    audience: Arc<Mutex<Audience>>,
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
        let feed = Self { sender, audience: Arc::default(), room, started, stop };
        tokio::spawn(feed.clone().follow(store));
        feed
    }

    /// A place for who watches a withdrawal, or all, and what is read from now on; none when all places are taken.
    pub(super) async fn join(
        &self,
        of: Option<WithdrawalId>,
    ) -> Option<(Seat, broadcast::Receiver<Arc<Page>>)> {
        let room = self.room.clone().try_acquire_owned().ok()?;
        // It is started by the keeper, and stays so.
        drop(self.started.subscribe().wait_for(|started| *started).await);
        let receiver = self.sender.subscribe();
        let mut audience = audience(&self.audience);
        match &of {
            None => audience.of_all += 1,
            Some(id) => audience.of_one.entry(id.clone()).or_default().0 += 1,
        }
        drop(audience);
        Some((Seat { audience: self.audience.clone(), of, _room: room }, receiver))
    }

    /// Done when the keeper stops.
    pub(super) fn ended(&self) -> WaitForCancellationFutureOwned {
        self.stop.clone().cancelled_owned()
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
        // In this order: who takes a seat after the question is asked reads at least as far as its answer.
        let newest = store.newest_change().await?;
        let wanted = audience(&self.audience).wanted();
        let Some(from) = last.filter(|_| !matches!(wanted, Wanted::Nothing)) else {
            *last = Some(newest);
            self.started.send_replace(true);
            return Ok(false);
        };
        if newest == from {
            return Ok(false);
        }
        let changes = match wanted {
            Wanted::Of { mut rows, unknown } => {
                // A withdrawal with a change up to the newest is in the store by now.
                let found = store.rows_of(&unknown).await?;
                rows.extend(found.values());
                audience(&self.audience).learn(found);
                store.changes_of(&rows, (from, newest), PAGE).await?
            }
            Wanted::Nothing | Wanted::All => store.changes_after(from, PAGE).await?,
        };
        let full = changes.len() == PAGE;
        *last = Some(match changes.last() {
            Some(change) if full || change.row > newest => change.row,
            _ => newest,
        });
        if !changes.is_empty() {
            // Nobody listens any more: that is no error.
            drop(self.sender.send(Arc::new(Page::new(changes))));
        }
        Ok(full)
    }
}

/// Who watches what: only that is read.
#[derive(Debug, Default)]
struct Audience {
    of_all: usize,
    /// How many watch a withdrawal, and its row once it is known.
    of_one: HashMap<WithdrawalId, (usize, Option<i64>)>,
}

enum Wanted {
    Nothing,
    All,
    Of { rows: Vec<i64>, unknown: Vec<WithdrawalId> },
}

impl Audience {
    fn wanted(&self) -> Wanted {
        if self.of_all > 0 {
            return Wanted::All;
        }
        if self.of_one.is_empty() {
            return Wanted::Nothing;
        }
        let unknown = self.of_one.iter().filter(|(_, (_, row))| row.is_none());
        Wanted::Of {
            rows: self.of_one.values().filter_map(|(_, row)| *row).collect(),
            unknown: unknown.map(|(id, _)| id.clone()).collect(),
        }
    }

    fn learn(&mut self, rows: HashMap<WithdrawalId, i64>) {
        for (id, row) in rows {
            if let Some((_, known)) = self.of_one.get_mut(&id) {
                *known = Some(row);
            }
        }
    }
}

fn audience(of: &Mutex<Audience>) -> MutexGuard<'_, Audience> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A watcher's place in the audience, until it is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    audience: Arc<Mutex<Audience>>,
    of: Option<WithdrawalId>,
    _room: OwnedSemaphorePermit,
}

impl Seat {
    /// What is watched; none: all.
    pub(super) fn of(&self) -> Option<&WithdrawalId> {
        self.of.as_ref()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut audience = audience(&self.audience);
        let Some(id) = &self.of else {
            audience.of_all -= 1;
            return;
        };
        if let Some((watchers, _)) = audience.of_one.get_mut(id) {
            *watchers -= 1;
            if *watchers == 0 {
                audience.of_one.remove(id);
            }
        }
    }
}

/// Changes that were read together, oldest first, and whose they are.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) changes: Vec<Arc<Change>>,
    of_withdrawal: HashMap<WithdrawalId, Vec<usize>>,
    of_batch: HashMap<i64, Vec<usize>>,
}

impl Page {
    pub(super) fn new(changes: Vec<Change>) -> Self {
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
    pub(super) fn about(&self, id: &WithdrawalId, batch: Option<i64>) -> Vec<usize> {
        let mut all = self.of_withdrawal.get(id).cloned().unwrap_or_default();
        let mut batches: Vec<_> = all.iter().filter_map(|i| self.changes[*i].batch).chain(batch).collect();
        batches.sort_unstable();
        batches.dedup();
        all.extend(batches.iter().filter_map(|batch| self.of_batch.get(batch)).flatten());
        all.sort_unstable();
        all
    }
}
