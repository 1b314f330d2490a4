//! A seeded random schedule of everything that goes wrong at once: kills, restored backups, reorganisations, fee
//! spikes, lost mempools, endpoints that are late, broken, lagging or lying. When it is over, each withdrawal was paid
//! exactly once, or released because its deadline passed, and none was both.
//!
//! `SPILLWAY_CHAOS_SEED=7` replays one seed, `SPILLWAY_CHAOS_SEEDS=200` runs 1 to 200. A seed fixes what is done and
//! which faults are drawn; when the keeper meets them depends on the machine.

use alloy::{
    eips::BlockNumberOrTag,
    primitives::{Address, B256, U256, keccak256},
    providers::{Provider, ext::AnvilApi},
    rpc::types::Filter,
    sol_types::SolEvent,
};
use eyre::{OptionExt, WrapErr, ensure};
use futures::{StreamExt, stream};
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use serde_json::Value;
use spillway::{books::audit::export, chain::abi::IVault};
use spillway_e2e::{
    anvil::Options,
    cases::{books_hold, hand_in},
    chain_audit::{BrokenChain, Expected, Holdings, Ledger, state_is_of_events},
    eventually,
    keeper::{Database, Keeper, Setup},
    orders::write_csv_with_deadlines,
    proxy::{Fault, Proxy, Rule},
    scratch,
    tampering::{AuditFile, Tampered, Verifier},
    world::World,
};
use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    path::Path,
    time::{Duration, Instant, SystemTime},
};
use tokio::time::sleep;

const PROGRAM: &str = env!("CARGO_BIN_EXE_spillway-under-test");
const CONFIG: &str = "[batch]\nwindow = \"200ms\"\n[fees]\nbump_after = \"2s\"\n";
/// Seconds between blocks.
const BLOCK_TIME: f64 = 0.5;
/// The final block is then 8 behind the newest.
const SLOTS: u64 = 4;
/// How long things go wrong, in milliseconds.
const LENGTH: u64 = 20_000;
/// How often the chain is asked to go back before an event is passed over.
const TRIES: usize = 8;
/// How long the keeper may take to settle everything after that.
const PATIENCE: Duration = Duration::from_secs(150);
/// So often an export of the audit is tampered with.
const TAMPERS: usize = 20;
/// Runs beside each other.
const AT_ONCE: usize = 5;

/// What is done at a time.
#[derive(Clone, Debug, PartialEq)]
enum Event {
    /// So many orders are handed in.
    Orders(usize),
    /// A depositor asks on chain.
    Request,
    /// The endpoint misbehaves by these rules.
    Faults(Vec<Rule>),
    Heal,
    /// SIGKILL, and a start after so many milliseconds.
    Kill(u64),
    /// SIGKILL, a backup of the store, and a start.
    BackUp,
    /// SIGKILL, the newest backup in the store's place, and a start; clients repeat their orders.
    Restore,
    /// So many blocks are replaced by empty ones.
    Reorg(u64),
    /// So many blocks are gone.
    Rollback(u64),
    /// The next block asks for so many gwei per gas.
    FeeSpike(u64),
    /// The node forgets what it has not mined.
    Evict,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Faults(rules) => {
                write!(f, "Faults")?;
                rules.iter().try_for_each(|rule| write!(f, " {rule}"))
            }
            other => write!(f, "{other:?}"),
        }
    }
}

/// The events of a seed, with their times in milliseconds.
struct Schedule(Vec<(u64, Event)>);

impl Schedule {
    fn of(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut events = vec![(0, Event::Orders(12))];
        let mut at = 0;
        while at < LENGTH {
            at += rng.random_range(200..900);
            events.push((at, event(&mut rng)));
        }
        // A restore needs something to restore.
        if let Some(first) = events.iter().position(|(_, e)| *e == Event::Restore) {
            let (at, _) = events[first];
            events.insert(first.saturating_sub(3).max(1), (at.saturating_sub(1_500), Event::BackUp));
            events.sort_by_key(|(at, _)| *at);
        }
        Self(events)
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(at, event)| writeln!(f, "{at:>6} ms  {event}"))
    }
}

fn event(rng: &mut StdRng) -> Event {
    match rng.random_range(0..100) {
        0..30 => Event::Orders(rng.random_range(1..=120)),
        30..36 => Event::Request,
        36..54 => Event::Faults((0..rng.random_range(1..=4)).map(|_| rule(rng)).collect()),
        54..64 => Event::Heal,
        64..74 => Event::Kill(rng.random_range(0..1_000)),
        74..77 => Event::BackUp,
        77..80 => Event::Restore,
        80..86 => Event::Reorg(rng.random_range(1..=6)),
        86..90 => Event::Rollback(rng.random_range(1..=6)),
        90..95 => Event::FeeSpike(rng.random_range(5..=60)),
        _ => Event::Evict,
    }
}

fn rule(rng: &mut StdRng) -> Rule {
    let percent = rng.random_range(5..=60);
    let lag = Fault::Lag(rng.random_range(1..=12));
    let rules = [
        Rule::all(Fault::Latency(rng.random_range(10..=800)), percent),
        Rule::all(Fault::Cut, percent / 2),
        Rule::all(Fault::Down, percent / 2),
        // Nothing is reached for a while.
        Rule::all(Fault::Down, 100),
        Rule::all(Fault::Garbage, percent / 2),
        Rule::all(Fault::RateLimited, percent),
        Rule::all(Fault::Unavailable, percent),
        Rule::all(lag, percent),
        Rule::all(lag, 100),
        Rule::of("eth_chainId", Fault::WrongChain, percent),
        Rule::of("eth_sendRawTransaction", Fault::ErrorAfter, percent),
        Rule::of("eth_sendRawTransaction", Fault::NonceTooLow, percent),
        Rule::of("eth_sendRawTransaction", Fault::Underpriced, percent),
        Rule::of("eth_sendRawTransaction", Fault::Down, 100),
        Rule::of("eth_getTransactionReceipt", Fault::Null, percent),
        Rule::of("eth_getTransactionReceipt", Fault::Null, 100),
        Rule::of("eth_getTransactionByHash", Fault::Null, percent),
        Rule::of("eth_getLogs", lag, percent),
        Rule::of("eth_getTransactionCount", lag, percent),
    ];
    *rules.choose(rng).expect("there are rules")
}

/// A run under way.
struct Run {
    world: World,
    proxy: Proxy,
    setup: Setup,
    keeper: Keeper,
    orders: Vec<Expected>,
    /// By when an order is to be paid, by its key, where that is said.
    deadlines: HashMap<String, SystemTime>,
    requests: u64,
    backed_up: bool,
    /// The highest block that was ever final.
    last_final: u64,
    /// Draws what is done to the audit at the end.
    rng: StdRng,
    /// How often the chain was to go back, and how often it did.
    asked_back: u64,
    went_back: u64,
}

impl Run {
    async fn start(seed: u64, database: Database) -> eyre::Result<Self> {
        let options = Options { block_time: Some(BLOCK_TIME), slots: Some(SLOTS), ..Options::default() };
        let world = World::start_with(options).await?;
        let proxy = Proxy::start(&world.anvil.url(), seed).await?;
        let setup =
            Setup::over(database, &world, Path::new(PROGRAM), 2, CONFIG)?.through(&world, &proxy.url())?;
        let keeper = Keeper::start_ready(&setup).await?;
        Ok(Self {
            world,
            proxy,
            setup,
            keeper,
            orders: Vec::new(),
            deadlines: HashMap::new(),
            requests: 0,
            backed_up: false,
            last_final: 0,
            rng: StdRng::seed_from_u64(seed),
            asked_back: 0,
            went_back: 0,
        })
    }

    async fn follow(&mut self, schedule: &Schedule) -> eyre::Result<()> {
        let began = Instant::now();
        for (at, event) in &schedule.0 {
            sleep(Duration::from_millis(*at).saturating_sub(began.elapsed())).await;
            self.keep_running()?;
            self.carry_out(event).await.wrap_err_with(|| format!("{at} ms {event}"))?;
        }
        Ok(())
    }

    async fn carry_out(&mut self, event: &Event) -> eyre::Result<()> {
        let chain = self.world.provider();
        match event {
            Event::Orders(n) => {
                let from = self.orders.len();
                let new: Vec<_> = (from..from + n).map(|i| order(&self.world, i)).collect();
                for (i, order) in (from..).zip(&new) {
                    let deadline = time_to_pay(i).map(|time| SystemTime::now() + time);
                    self.deadlines.extend(deadline.map(|at| (order.key.clone(), at)));
                }
                self.submit(&new)?;
                self.orders.extend(new);
            }
            Event::Request => {
                let n = self.requests;
                self.requests += 1;
                let depositor = Address::from_slice(&keccak256(format!("depositor {n}"))[..20]);
                let recipient = Address::from_slice(&keccak256(format!("for depositor {n}"))[..20]);
                let asset = self.world.asset("TUSD").address;
                self.world.request(asset, depositor, recipient, U256::from(20_000_000 + n)).await?;
            }
            Event::Faults(rules) => self.proxy.set(rules),
            Event::Heal => self.proxy.heal(),
            Event::Kill(pause) => {
                self.keeper.kill_now()?;
                sleep(Duration::from_millis(*pause)).await;
                self.keeper = Keeper::start(&self.setup)?;
            }
            Event::BackUp => {
                self.keeper.kill_now()?;
                self.setup.back_up().await?;
                self.backed_up = true;
                self.keeper = Keeper::start(&self.setup)?;
            }
            Event::Restore if self.backed_up => {
                self.keeper.kill_now()?;
                self.setup.restore().await?;
                self.submit(&self.orders)?;
                self.keeper = Keeper::start(&self.setup)?;
            }
            Event::Restore => {}
            Event::Reorg(depth) => self.take_back(*depth, true).await?,
            Event::Rollback(depth) => self.take_back(*depth, false).await?,
            Event::FeeSpike(gwei) => {
                let wei = u128::from(*gwei) * 1_000_000_000;
                chain.anvil_set_next_block_base_fee_per_gas(wei).await?;
            }
            Event::Evict => chain.anvil_drop_all_transactions().await?,
        }
        Ok(())
    }

    /// Takes blocks back. anvil does not keep the state of every block: then, a block later, there may be another to go
    /// back to; and while every block is final there is none.
    async fn take_back(&mut self, depth: u64, replaced: bool) -> eyre::Result<()> {
        self.asked_back += 1;
        for _ in 0..TRIES {
            let depth = self.within_finality(depth).await?;
            let anvil = &self.world.anvil;
            if depth > 0 && if replaced { anvil.reorg(depth).await? } else { anvil.rollback(depth).await? } {
                self.went_back += 1;
                break;
            }
            sleep(Duration::from_secs_f64(BLOCK_TIME)).await;
        }
        Ok(())
    }

    /// As much of `depth` as leaves every block in place that was ever final.
    async fn within_finality(&mut self, depth: u64) -> eyre::Result<u64> {
        let chain = self.world.provider();
        let newest = chain.get_block_number().await?;
        let last_final = chain.get_block_by_number(BlockNumberOrTag::Finalized).await?;
        self.last_final = self.last_final.max(last_final.map_or(0, |b| b.header.number));
        Ok(depth.min(newest.saturating_sub(self.last_final)))
    }

    /// Whether the chain is still one: it makes a block in the time of twenty, has no transaction in two of them, and its
    /// state is what its events tell.
    async fn is_a_chain(&self) -> eyre::Result<()> {
        let newest = || async { self.world.provider().get_block_number().await.ok() };
        let before = newest().await;
        sleep(20 * Duration::from_secs_f64(BLOCK_TIME)).await;
        if newest().await == before {
            return Err(BrokenChain("it makes no more blocks".to_owned()).into());
        }
        Ledger::read(&self.world).await?;
        state_is_of_events(&self.world).await
    }

    /// As a supervisor would: a keeper that ended (a wrong chain at its start) is started again.
    fn keep_running(&mut self) -> eyre::Result<()> {
        if self.keeper.ended()? {
            self.keeper = Keeper::start(&self.setup)?;
        }
        Ok(())
    }

    fn submit(&self, orders: &[Expected]) -> eyre::Result<()> {
        let file = self.setup.dir.join("orders.csv");
        let with_deadlines = orders.iter().map(|order| (order, self.deadlines.get(&order.key).copied()));
        write_csv_with_deadlines(&self.world, &file, with_deadlines)?;
        hand_in(&self.setup, &file)
    }

    /// The keys of what the books released. Nothing is released but for its deadline.
    async fn released(&self) -> eyre::Result<BTreeSet<String>> {
        let (mut released, mut cursor) = (BTreeSet::new(), String::new());
        loop {
            let url = self.setup.api(&format!("/v1/withdrawals?state=rejected&limit=500{cursor}"));
            let page: Value = reqwest::get(url).await?.json().await?;
            let withdrawals = page["withdrawals"].as_array().ok_or_eyre("the API lists no withdrawals")?;
            for withdrawal in withdrawals {
                let key = withdrawal["idempotency_key"].as_str().unwrap_or_default();
                let overdue = withdrawal["reason"]["code"] == "deadline_passed";
                ensure!(overdue && self.deadlines.contains_key(key), "rejected: {withdrawal}");
                released.insert(key.to_owned());
            }
            match page["next_cursor"].as_i64() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return Ok(released),
            }
        }
    }

    /// Nothing goes wrong any more: the keeper settles everything, and the chain says how often.
    async fn end(&mut self) -> eyre::Result<()> {
        self.proxy.heal();
        self.keep_running()?;
        self.keeper.ready(&self.setup).await?;
        self.submit(&self.orders)?;
        self.setup.settled(PATIENCE).await?;
        let requests = eventually("every request is paid", PATIENCE, || self.unpaid_requests()).await?;
        self.setup.settled(PATIENCE).await?;
        let released = self.released().await?;
        self.keeper.stop_now()?;

        ensure!(
            self.went_back > 0 || self.asked_back == 0,
            "the chain never went back, of {} times that the schedule says: this seed tests nothing of it",
            self.asked_back
        );
        state_is_of_events(&self.world).await?;
        let ledger = Ledger::read(&self.world).await?;
        let outcome = ledger.compare(&self.orders);
        ensure!(outcome.paid_twice.is_empty(), "paid twice: {:?}", outcome.paid_twice);
        let missing: BTreeSet<_> = outcome.missing.iter().cloned().collect();
        let (lost, both) = (&missing - &released, &released - &missing);
        ensure!(lost.is_empty(), "lost: {lost:?}");
        ensure!(both.is_empty(), "released and paid: {both:?}");
        ensure!(outcome.wrong.is_empty(), "paid wrongly: {:?}", outcome.wrong);
        let mut owed = self.orders.clone();
        owed.iter_mut().filter(|o| released.contains(&o.key)).for_each(|o| o.amount = U256::ZERO);
        let held = ledger.holdings(&self.world, &owed).await?;
        ensure!(held == Holdings::default(), "recipients do not hold what they were paid: {held:?}");
        // An endpoint that just healed may not answer at once.
        let mut refused = eyre::Report::msg("not asked");
        let verdict = eventually("reconcile answers", PATIENCE, || {
            let answer = self.setup.json(&["reconcile"]).map_err(|error| refused = error).ok();
            async { Ok(answer) }
        });
        let verdict = verdict.await;
        let verdict = verdict.wrap_err_with(|| format!("{refused:#}"))?;
        ensure!(verdict["ok"] == true, "chain and books differ: {verdict}");
        books_hold(&self.world, &self.setup)?;
        self.tampers_are_found().await?;
        println!(
            "{} paid, {} claims, {} of {} with a deadline released, {requests} requests, went back {} of {} times, \
             {} calls to send",
            outcome.paid,
            outcome.claims,
            released.len(),
            self.deadlines.len(),
            self.went_back,
            self.asked_back,
            self.proxy.calls("eth_sendRawTransaction")
        );
        Ok(())
    }

    /// Whatever is done to an export of the audit is found at the change where it was done.
    async fn tampers_are_found(&mut self) -> eyre::Result<()> {
        let (file, tampered) = (self.setup.dir.join("audit.jsonl"), self.setup.dir.join("tampered.jsonl"));
        self.setup.json(&["audit", "export", &file.to_string_lossy()])?;
        let made = AuditFile::read(&file)?;
        for _ in 0..TAMPERS {
            let Tampered { what, file, found_at } = made.tamper(&mut self.rng)?;
            file.write(&tampered)?;
            let (_, followed) = export::follow(&tampered, |_| {})?;
            let found = followed.err().and_then(|broken| broken.change);
            ensure!(found == i64::try_from(found_at).ok(), "{what}: found at {found:?}, not at {found_at}");
        }
        // With all hashes computed again the chain alone tells, of what it has confirmed.
        let verifier = Verifier::of(&file, &self.world).await?;
        let verify = |file: &Path, accepted: &BTreeSet<B256>| {
            verifier.verify(file, accepted)?.map_err(|broken| eyre::eyre!("its hashes do not hold: {broken}"))
        };
        let lost: BTreeSet<_> = verify(&file, &BTreeSet::new())?.lost.iter().map(|l| l.hash).collect();
        ensure!(lost.is_empty() || self.setup.was_restored(), "no restore, and {lost:?} say so");
        let whole = verify(&file, &lost)?;
        ensure!(whole.broken.is_none(), "the export: {:?}", whole.broken);
        if whole.confirmed.up_to_change == 0 {
            return Ok(());
        }
        let n = self.rng.random_range(1..=whole.confirmed.up_to_change);
        let mut anew = made.clone();
        anew.change_time(usize::try_from(n)?)?;
        anew.forge_from(usize::try_from(n)?)?;
        anew.write(&tampered)?;
        let told = verify(&tampered, &lost)?;
        // Where a change that lists heads comes after it, that one is another than was accepted, and may be the first.
        let found = told.broken.as_ref().and_then(|broken| broken.change);
        let lists = told.lost.iter().any(|l| Some(l.change) == found && !l.accepted);
        let in_place = lists || found.is_some_and(|change| change <= n);
        ensure!(in_place, "written anew from change {n} on: {:?}", told.broken);
        Ok(())
    }

    /// How many requests there are, once each that is on chain was paid there; fails when one was paid twice.
    async fn unpaid_requests(&self) -> eyre::Result<Option<usize>> {
        let asked = Filter::new()
            .address(self.world.vault())
            .event_signature(IVault::Requested::SIGNATURE_HASH)
            .from_block(self.world.deployment.block);
        let asked = self.world.provider().get_logs(&asked).await?;
        let ledger = Ledger::read(&self.world).await?;
        for log in &asked {
            let request = IVault::Requested::decode_log(&log.inner)?;
            let paid = ledger.requests.get(&request.id).map(Vec::as_slice).unwrap_or_default();
            ensure!(paid.len() < 2, "request {} was paid twice", request.id);
            let Some(paid) = paid.first() else { return Ok(None) };
            ensure!(
                paid.recipient == request.recipient && paid.amount == request.amount,
                "request {} was paid wrongly",
                request.id
            );
        }
        Ok(Some(asked.len()))
    }
}

/// An order; two in thirty-three go to somebody who takes no money.
fn order(world: &World, i: usize) -> Expected {
    let asset = world.asset(["ETH", "TUSD", "TDAI"][i % 3]);
    let recipient = match i % 33 {
        6 => world.recipients["reverter"],
        7 => world.recipients["blocked"],
        _ => Address::from_slice(&keccak256(i.to_be_bytes())[..20]),
    };
    Expected { key: format!("order-{i}"), asset: asset.address, recipient, amount: U256::from(1_000_000 + i) }
}

/// In what time an order is to be paid: one in five, some sooner than can be done while things go wrong.
fn time_to_pay(i: usize) -> Option<Duration> {
    (i % 5 == 2).then(|| Duration::from_secs(4 + 5 * (i as u64 % 7)))
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
async fn database(seed: u64) -> eyre::Result<Database> {
    use spillway_e2e::postgres::Postgres;
    Ok(match seed % 2 {
        0 => Database::Postgres(std::sync::Arc::new(Postgres::start().await?)),
        _ => Database::Sqlite,
    })
}

/// Where the pinned PostgreSQL is not made for.
#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
async fn database(_seed: u64) -> eyre::Result<Database> {
    Ok(Database::Sqlite)
}

/// A seed whose chain broke is run again on another, twice at most: it said nothing of the keeper.
async fn run(seed: u64) -> eyre::Result<()> {
    for _ in 0..2 {
        match run_once(seed).await {
            Err(error) if error.downcast_ref::<BrokenChain>().is_some() => {
                println!("{error:?}\nseed {seed} again");
            }
            result => return result,
        }
    }
    run_once(seed).await
}

async fn run_once(seed: u64) -> eyre::Result<()> {
    let schedule = Schedule::of(seed);
    let mut run = Run::start(seed, database(seed).await?).await?;
    let (setup, log) = (run.setup.clone(), run.proxy.record());
    let mut result = match run.follow(&schedule).await {
        Ok(()) => run.end().await,
        Err(error) => Err(error),
    };
    if result.is_err() {
        match run.is_a_chain().await {
            Err(broken) if broken.downcast_ref::<BrokenChain>().is_some() => result = Err(broken),
            // What failed first is what is told.
            Ok(()) | Err(_) => {}
        }
    }
    result.map_err(|error| {
        let (faults, tail, kept) = (log.last(20), setup.log_tail(), keep(seed, &setup));
        error.wrap_err(format!(
            "SPILLWAY_CHAOS_SEED={seed}\n{schedule}{faults}\nits files are in {kept}\nthe end of keeper.log:\n{tail}"
        ))
    })
}

/// Puts what a run left where it stays, and says where.
fn keep(seed: u64, setup: &Setup) -> String {
    let kept = scratch("failed").join(format!("seed-{seed}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&kept);
    match std::fs::rename(&setup.dir, &kept) {
        Ok(()) => kept.display().to_string(),
        Err(error) => format!("none: {error}"),
    }
}

fn seeds() -> eyre::Result<Vec<u64>> {
    let number = |name: &str| match std::env::var(name) {
        Ok(text) => text.parse().map(Some).wrap_err_with(|| format!("{name}={text} is no number")),
        Err(_) => Ok(None),
    };
    Ok(match number("SPILLWAY_CHAOS_SEED")? {
        Some(seed) => vec![seed],
        None => (1..=number("SPILLWAY_CHAOS_SEEDS")?.unwrap_or(5)).collect(),
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 16)]
async fn a_random_schedule_of_everything_pays_each_withdrawal_exactly_once() -> eyre::Result<()> {
    let runs = stream::iter(seeds()?).map(|seed| async move {
        println!("seed {seed}");
        let result = tokio::spawn(run(seed)).await;
        result.unwrap_or_else(|panicked| Err(eyre::eyre!("SPILLWAY_CHAOS_SEED={seed} {panicked}")))
    });
    let mut failed = Vec::new();
    let mut runs = runs.buffer_unordered(AT_ONCE);
    while let Some(result) = runs.next().await {
        if let Err(error) = result {
            println!("{error:?}");
            failed.push(error);
        }
    }
    ensure!(failed.is_empty(), "{} seeds failed, see above", failed.len());
    Ok(())
}

#[test]
fn a_seed_names_one_schedule() {
    assert_eq!(Schedule::of(7).to_string(), Schedule::of(7).to_string());
    assert_ne!(Schedule::of(7).to_string(), Schedule::of(8).to_string());
}
