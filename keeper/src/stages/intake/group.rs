//! The group committer: a durable commit costs one wait for the disk, so all who wait share it.
//!
//! Callers put their withdrawals into a bounded queue; one task takes what has arrived, stores it in one change and
//! answers each. A caller hears "accepted" only after the commit. A full queue is refused at once, so that nobody
//! waits for a store that cannot keep up.

use super::accept::{Answer, Rule, accept, accept_in, open};
use crate::store::{Store, StoreError, withdrawals::NewWithdrawal};
use std::sync::Arc;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// Withdrawals in one change: beyond a thousand the wait for the disk is a small part of the work.
const GROUP: usize = 1_000;
/// Who changes the store here.
const ACTOR: &str = "api";

/// Why a submission was not taken. Nothing of it is stored.
#[derive(Clone, Debug, thiserror::Error)]
pub enum IntakeError {
    #[error("more withdrawals wait to be stored than the store can take; send it again in a second")]
    Busy,
    #[error("the keeper is stopping; send it again when it is back")]
    Stopping,
    #[error(transparent)]
    Store(Arc<StoreError>),
}

/// The way into the queue. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Intake {
    queue: mpsc::Sender<Job>,
    /// One permit per withdrawal in the queue.
    room: Arc<Semaphore>,
}

/// One caller's submission.
#[derive(Debug)]
struct Job {
    withdrawals: Vec<NewWithdrawal>,
    rule: Rule,
    reply: oneshot::Sender<Result<Vec<Answer>, IntakeError>>,
    _room: OwnedSemaphorePermit,
}

impl Job {
    /// Whether its rule forbids these answers to be stored.
    fn refuses(&self, answers: &[Answer]) -> bool {
        self.rule == Rule::AllOrNothing && answers.iter().any(|a| a.refusal().is_some())
    }

    fn answer(self, answers: Result<Vec<Answer>, IntakeError>) {
        // A caller who went away repeats with the same key.
        let _ = self.reply.send(answers);
    }
}

impl Intake {
    /// Starts the task; so many withdrawals may wait in its queue. After each commit it calls `wake`. When `stop` is cancelled it refuses new submissions, and
    /// ends once those in the queue are answered.
    pub fn spawn(store: Store, most: usize, wake: Arc<Notify>, stop: CancellationToken) -> Self {
        let (queue, jobs) = mpsc::channel(most);
        tokio::spawn(work(store, jobs, wake, stop));
        Self { queue, room: Arc::new(Semaphore::new(most)) }
    }

    /// Stores a submission durably. The answers are in the order of `withdrawals`. Under [`Rule::AllOrNothing`] one
    /// refusal means that nothing of it was stored.
    pub async fn submit(
        &self,
        withdrawals: Vec<NewWithdrawal>,
        rule: Rule,
    ) -> Result<Vec<Answer>, IntakeError> {
        let permits = u32::try_from(withdrawals.len().max(1)).map_err(|_| IntakeError::Busy)?;
        let room = self.room.clone().try_acquire_many_owned(permits).map_err(|_| IntakeError::Busy)?;
        let (reply, answers) = oneshot::channel();
        let job = Job { withdrawals, rule, reply, _room: room };
        self.queue.try_send(job).map_err(|e| match e {
            mpsc::error::TrySendError::Full(_) => IntakeError::Busy,
            mpsc::error::TrySendError::Closed(_) => IntakeError::Stopping,
        })?;
        answers.await.map_err(|_| IntakeError::Stopping)?
    }
}

async fn work(store: Store, mut jobs: mpsc::Receiver<Job>, wake: Arc<Notify>, stop: CancellationToken) {
    let mut closed = false;
    loop {
        let first = tokio::select! {
            job = jobs.recv() => job,
            () = stop.cancelled(), if !closed => {
                closed = true;
                jobs.close();
                continue;
            }
        };
        let Some(first) = first else { return };
        let mut rows = first.withdrawals.len();
        let mut group = vec![first];
        while rows < GROUP
            && let Ok(job) = jobs.try_recv()
        {
            rows += job.withdrawals.len();
            group.push(job);
        }
        store_group(&store, group).await;
        wake.notify_one();
    }
}

/// Stores a group in one change. A submission that must be stored whole and cannot be is taken out and judged
/// alone, so that its refusal touches nobody else's.
async fn store_group(store: &Store, mut group: Vec<Job>) {
    let mut alone = Vec::new();
    while !group.is_empty() {
        let (unit, answers) = match attempt(store, &group).await {
            Ok(done) => done,
            Err(error) => return fail(group.into_iter().chain(alone), error),
        };
        if group.iter().zip(&answers).any(|(job, answers)| job.refuses(answers)) {
            drop(unit);
            let judged = group.into_iter().zip(answers);
            let (out, rest): (Vec<_>, Vec<_>) = judged.partition(|(job, answers)| job.refuses(answers));
            alone.extend(out.into_iter().map(|(job, _)| job));
            group = rest.into_iter().map(|(job, _)| job).collect();
            continue;
        }
        if let Err(error) = unit.commit().await {
            return fail(group.into_iter().chain(alone), error);
        }
        group.drain(..).zip(answers).for_each(|(job, answers)| job.answer(Ok(answers)));
    }
    for job in alone {
        let answers = accept(store, &job.withdrawals, ACTOR, job.rule).await;
        job.answer(answers.map_err(|e| IntakeError::Store(Arc::new(e))));
    }
}

/// The answers of each job of a group, in a change that is not committed yet.
async fn attempt(store: &Store, group: &[Job]) -> Result<(crate::store::Unit, Vec<Vec<Answer>>), StoreError> {
    let all: Vec<NewWithdrawal> = group.iter().flat_map(|job| job.withdrawals.iter().cloned()).collect();
    let mut unit = open(store, ACTOR).await?;
    let mut answers = accept_in(&mut unit, &all).await?.into_iter();
    let by_job = group.iter().map(|job| answers.by_ref().take(job.withdrawals.len()).collect()).collect();
    Ok((unit, by_job))
}

fn fail(jobs: impl Iterator<Item = Job>, error: StoreError) {
    tracing::warn!(%error, "withdrawals could not be stored; their callers were told");
    let error = IntakeError::Store(Arc::new(error));
    jobs.for_each(|job| job.answer(Err(error.clone())));
}

#[cfg(test)]
mod tests {
    use super::{
        super::{check, testing},
        *,
    };

    fn new(key: &str, amount: &str) -> NewWithdrawal {
        let order = check(&testing::raw(key, "TUSD", amount), &testing::deployment()).unwrap();
        NewWithdrawal { order, trace_id: "0".repeat(32), trace_parent: None, request: None, submitter: None }
    }

    const QUEUE: usize = 50_000;

    fn start(store: &Store) -> (Intake, CancellationToken) {
        let stop = CancellationToken::new();
        (Intake::spawn(store.clone(), QUEUE, Arc::new(Notify::new()), stop.clone()), stop)
    }

    #[tokio::test]
    async fn many_callers_share_commits_and_each_gets_its_answer() {
        let t = testing::store().await;
        let (intake, _stop) = start(&t.store);
        // 40 keys, 5 callers each: one is new, four repeat it.
        let calls =
            (0..200).map(|i| {
                let intake = intake.clone();
                async move {
                    intake.submit(vec![new(&format!("k{}", i % 40), "1")], Rule::EachAlone).await.unwrap()
                }
            });
        let answers = futures::future::join_all(calls).await;
        let new = answers.iter().filter(|a| matches!(a[0], Answer::New(_))).count();
        assert_eq!((new, answers.len()), (40, 200));
    }

    #[tokio::test]
    async fn a_refused_bulk_leaves_the_others_of_its_group_alone() {
        let t = testing::store().await;
        let (intake, _stop) = start(&t.store);
        intake.submit(vec![new("old", "1")], Rule::EachAlone).await.unwrap();
        let (good, bad, also_good) = tokio::join!(
            intake.submit(vec![new("a", "1"), new("b", "1")], Rule::AllOrNothing),
            intake.submit(vec![new("c", "1"), new("old", "2")], Rule::AllOrNothing),
            intake.submit(vec![new("d", "1"), new("old", "2")], Rule::EachAlone),
        );
        assert!(good.unwrap().iter().all(|a| matches!(a, Answer::New(_))));
        assert_eq!(bad.unwrap()[1].refusal().unwrap().code, "idempotency_conflict");
        assert!(matches!(also_good.unwrap()[0], Answer::New(_)));
        let stored: u64 = t.store.counts().await.unwrap().into_iter().map(|(_, n)| n).sum();
        assert_eq!(stored, 4, "old, a, b and d");
    }

    #[tokio::test]
    async fn a_full_queue_says_so_and_a_stopping_keeper_too() {
        let t = testing::store().await;
        let (intake, stop) = start(&t.store);
        let all = intake.room.clone().try_acquire_many_owned(QUEUE.try_into().unwrap()).unwrap();
        let refused = intake.submit(vec![new("a", "1")], Rule::EachAlone).await;
        assert!(matches!(refused, Err(IntakeError::Busy)));
        drop(all);
        stop.cancel();
        tokio::time::timeout(std::time::Duration::from_secs(5), intake.queue.closed()).await.unwrap();
        let refused = intake.submit(vec![new("a", "1")], Rule::EachAlone).await;
        assert!(matches!(refused, Err(IntakeError::Stopping)));
    }
}
