//! What it costs payments that people look: the rate beside hundreds of live watchers and a steady load of reads, and without.

use crate::{
    rig::{Rig, runs},
    throughput::{CONFIG, payouts},
};
use eyre::ensure;
use spillway::domain::withdrawal::WithdrawalId;
use spillway_e2e::{
    bench::{Figures, median},
    chain_audit::Expected,
    keeper::Database,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep},
};

const ORDERS: usize = 30_000;
const WATCHERS: usize = 500;
const READS_PER_SECOND: u32 = 200;

pub async fn run(figures: &mut Figures) -> eyre::Result<()> {
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    for _ in 0..runs()? {
        alone.push(payouts(Database::Sqlite, CONFIG, ORDERS, async |_, _| Ok(())).await?.rate);
        let seen = Arc::new(Seen::default());
        let there = async |rig: &Rig, orders: &[Expected]| Readers::start(rig, orders, seen.clone()).await;
        beside.push(payouts(Database::Sqlite, CONFIG, ORDERS, there).await?.rate);
        let (events, reads) = (seen.events.load(Ordering::SeqCst), seen.reads.load(Ordering::SeqCst));
        eprintln!("beside it: {events} events to {WATCHERS} watchers, {reads} reads");
        ensure!(events >= WATCHERS && reads > 0, "the readers did not read");
    }
    let (alone, beside) = (median(alone), median(beside));
    figures.add("payouts_per_second_alone", alone, "1/s");
    figures.add("payouts_per_second_under_readers", beside, "1/s");
    figures.add("payment_ratio_under_readers", beside / alone, "");
    Ok(())
}

#[derive(Debug, Default)]
struct Seen {
    events: AtomicUsize,
    reads: AtomicUsize,
}

/// People who look; gone when dropped.
struct Readers(#[expect(dead_code, reason = "held while they look")] JoinSet<()>);

impl Readers {
    /// Each watcher follows one of the orders; the reads go round all of them.
    async fn start(rig: &Rig, orders: &[Expected], seen: Arc<Seen>) -> eyre::Result<Self> {
        let mut tasks = JoinSet::new();
        let ids: Vec<_> = orders.iter().map(|o| WithdrawalId::from_key(&o.key).to_string()).collect();
        for id in ids.iter().step_by(orders.len() / WATCHERS).take(WATCHERS) {
            let url = rig.setup.api(&format!("/v1/events?withdrawal={id}"));
            let mut answer = rig.client.get(url).send().await?.error_for_status()?;
            let seen = seen.clone();
            tasks.spawn(async move {
                while let Ok(Some(chunk)) = answer.chunk().await {
                    let events = chunk.windows(7).filter(|part| part == b"event: ").count();
                    seen.events.fetch_add(events, Ordering::SeqCst);
                }
            });
        }
        let (client, base) = (rig.client.clone(), rig.setup.api("/v1/withdrawals/"));
        tasks.spawn(async move {
            let mut clock = interval(Duration::from_secs(1) / READS_PER_SECOND);
            clock.set_missed_tick_behavior(MissedTickBehavior::Burst);
            for id in ids.iter().cycle() {
                clock.tick().await;
                let (request, seen) = (client.get(format!("{base}{id}")), seen.clone());
                tokio::spawn(async move {
                    // Not handed in yet is an answer too.
                    if request.send().await.is_ok() {
                        seen.reads.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
        });
        sleep(Duration::from_secs(1)).await;
        Ok(Self(tasks))
    }
}
