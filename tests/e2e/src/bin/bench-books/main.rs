//! What it costs to prove the books: `make bench-books`.
//!
//! A vault on a real anvil pays `SPILLWAY_BENCH_PAYOUTS` orders (a million, without) of one token to five hundred
//! recipients, in batches as large as a block takes; the store is filled by the keeper's own units and brought up to the
//! chain by its own finalize stage. Then the keeper's commands are run and timed as processes of their own, from a cold
//! start. A tenth of the payouts comes first, for the ratio.

// Figures of time and memory; no money is counted in them.
#![allow(clippy::float_arithmetic, clippy::cast_precision_loss)]

mod ledger;

use alloy::{
    network::TransactionBuilder,
    primitives::{Address, B256, Bytes, U256},
    providers::{Provider, ext::AnvilApi},
    rpc::types::TransactionRequest,
};
use eyre::{OptionExt, ensure};
use spillway::{
    chain::calldata,
    config::Config,
    deployment::Deployment,
    domain::{
        amount::Amount,
        batch::{Attempt, AttemptState, BatchKind, BatchState, Content},
        lane::LanePosition,
        tier::Tier,
        withdrawal::{Door, Order, WithdrawalState},
    },
    keeper::{self, Scope},
    store::{
        Context, Store, Unit,
        generation::GenerationFile,
        lanes::Lane,
        leases::{LINE, of_lane},
        withdrawals::NewWithdrawal,
    },
};
use spillway_e2e::{
    anvil::Options,
    bench::Figures,
    keeper::{Database, Setup},
    world::{LANES, World},
};
use std::{
    fs,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

/// Payouts of one batch: some 12,000 gas each, in a transaction without the cap of EIP-7825.
const BATCH: u64 = 2_000;
const RECIPIENTS: u64 = 500;
const LANE: Address = LANES[0].0;

#[tokio::main]
async fn main() -> eyre::Result<()> {
    let payouts = std::env::var("SPILLWAY_BENCH_PAYOUTS").ok().map_or(Ok(1_000_000), |n| n.parse::<u64>())?;
    ensure!(payouts >= 10 * BATCH, "SPILLWAY_BENCH_PAYOUTS must be at least {}", 10 * BATCH);
    // Built with the same profile, beside this one.
    let program = std::env::current_exe()?.with_file_name("spillway");
    let world = World::start_with(Options { uncapped: true, ..Options::default() }).await?;
    let setup = Setup::over(Database::Sqlite, &world, &program, 0, &lane())?;
    let mut filler = Filler::new(&world, &setup).await?;
    let mut figures = Figures::default();

    filler.fill(payouts / 10).await?;
    let tenth = reconcile(&setup).await?;
    filler.fill(payouts - payouts / 10).await?;
    let whole = reconcile(&setup).await?;
    ensure!(whole.payouts >= payouts, "only {} of {payouts} payouts were compared", whole.payouts);
    figures.add("reconcile_payouts", count(whole.payouts), "payouts");
    figures.add("reconcile_events_per_second", count(whole.payouts) / whole.took.as_secs_f64(), "payouts/s");
    figures.add("reconcile_peak_rss_mb", count(whole.peak_kb) / 1024.0, "MB");
    figures.add("reconcile_peak_rss_mb_of_a_tenth", count(tenth.peak_kb) / 1024.0, "MB");
    figures.add("reconcile_ratio_1m_100k", whole.took.as_secs_f64() / tenth.took.as_secs_f64(), "times");

    let (audit, verified) = run(&setup, &["audit", "verify"]).await?;
    let changes = audit["changes"].as_u64().ok_or_eyre("no count of changes")?;
    let rows = rows(&setup).await?;
    figures.add("audit_entries_per_second", count(changes + rows) / verified.took.as_secs_f64(), "entries/s");
    figures.add("audit_peak_rss_mb", count(verified.peak_kb) / 1024.0, "MB");
    let file = setup.dir.join("audit.jsonl");
    let (_, exported) = run(&setup, &["audit", "export", &file.to_string_lossy()]).await?;
    figures.add("audit_export_rows_per_second", count(rows) / exported.took.as_secs_f64(), "rows/s");
    figures.add("audit_export_mb", count(fs::metadata(&file)?.len()) / 1e6, "MB");

    let folder = setup.dir.join("parquet");
    let (parquet, exported) = run(&setup, &["export", "--dir", &folder.to_string_lossy()]).await?;
    let rows = parquet["rows"].as_u64().ok_or_eyre("no count of rows")?;
    ensure!(rows >= 7 * payouts, "only {rows} rows of {payouts} payouts were exported");
    figures.add("export_rows_per_second", count(rows) / exported.took.as_secs_f64(), "rows/s");
    figures.add("export_peak_rss_mb", count(exported.peak_kb) / 1024.0, "MB");
    drop(filler);
    drop(world);
    ledger::run(&mut figures, &program).await?;
    println!("{}", figures.write("books")?.display());
    Ok(())
}

/// As a figure; counts here stay far below 2^53.
fn count(n: u64) -> f64 {
    n as f64
}

/// The commands need a lane in the configuration, and never its key.
fn lane() -> String {
    "[[lanes]]\nprivate_key_env = \"LANE_0\"\n".to_owned()
}

/// Rows that the audit covers: transitions, postings, terms.
async fn rows(setup: &Setup) -> eyre::Result<u64> {
    let store = Store::connect(&Config::load(&setup.config)?.store.url).await?;
    let mut rows = 0;
    let followed = store
        .follow_audit(
            |_, _| {},
            |change| {
                rows += (change.transitions.len() + change.postings.len() + change.terms.len()) as u64;
            },
        )
        .await?;
    store.close().await;
    followed.map_err(|broken| eyre::eyre!("{broken}"))?;
    Ok(rows)
}

struct Reconciled {
    payouts: u64,
    took: Duration,
    peak_kb: u64,
}

struct Ran {
    took: Duration,
    peak_kb: u64,
}

async fn reconcile(setup: &Setup) -> eyre::Result<Reconciled> {
    // What is in the chain comes into the books first: that is the finalize stage, and not what is measured.
    let config = Config::load(&setup.config)?;
    let deployment = Deployment::load(&config.deployment)?;
    let books = keeper::reconcile_once(&config, &deployment, Scope::default(), |_, _| {}).await?;
    ensure!(books.ok, "{books:?}");
    let (report, ran) = run(setup, &["reconcile", "--deep"]).await?;
    ensure!(report["ok"] == true, "{report}");
    let payouts = report["payouts"].as_u64().ok_or_eyre("no count of payouts")?;
    Ok(Reconciled { payouts, took: ran.took, peak_kb: ran.peak_kb })
}

/// Runs a command to its end, and watches how much memory it takes.
async fn run(setup: &Setup, args: &[&str]) -> eyre::Result<(serde_json::Value, Ran)> {
    let answer = setup.dir.join("answer.json");
    let start = Instant::now();
    let mut child = setup
        .command()
        .args(args)
        .arg("--json")
        .stdout(fs::File::create(&answer)?)
        .stderr(Stdio::inherit())
        .spawn()?;
    let status = format!("/proc/{}/status", child.id());
    let mut peak_kb = 0;
    while child.try_wait()?.is_none() {
        peak_kb = peak(Path::new(&status)).unwrap_or(0).max(peak_kb);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let took = start.elapsed();
    let text = fs::read_to_string(&answer)?;
    ensure!(child.wait()?.success(), "spillway {args:?} failed: {text}");
    Ok((serde_json::from_str(&text)?, Ran { took, peak_kb }))
}

fn peak(status: &Path) -> Option<u64> {
    let text = fs::read_to_string(status).ok()?;
    text.lines().find_map(|l| l.strip_prefix("VmHWM:"))?.trim().trim_end_matches(" kB").parse().ok()
}

/// Pays on chain, and keeps the store as far as a keeper had it that saw nothing of it yet.
struct Filler<'a> {
    world: &'a World,
    config: Config,
    position: LanePosition,
    done: u64,
}

impl<'a> Filler<'a> {
    async fn new(world: &'a World, setup: &Setup) -> eyre::Result<Self> {
        let deployment = Deployment::load(&world.deployment_file)?;
        let position = LanePosition::genesis(deployment.chain_id, deployment.vault, LANE);
        world.provider().anvil_set_balance(LANE, U256::from(10).pow(U256::from(24))).await?;
        Ok(Self { world, config: Config::load(&setup.config)?, position, done: 0 })
    }

    async fn fill(&mut self, payouts: u64) -> eyre::Result<()> {
        let file = self.world.dir.path().join("filler.generation");
        let generation = GenerationFile::open(&file)?;
        let store = Store::open(&self.config.store.url)
            .await?
            .for_keeper(generation.clone(), Duration::from_secs(3_600));
        store.bind_to_vault(self.world.deployment.chain_id, self.world.vault()).await?;
        if store.lane(LANE).await?.is_none() {
            store.judge_history(&[LANE]).await?;
            let server = store.server().await?;
            let mut start = unit(&store).await?;
            start
                .add_lane(&Lane {
                    address: LANE,
                    nonce: 0,
                    position: self.position,
                    fencing_since: None,
                    reviewed: false,
                    gas_needed: None,
                })
                .await?;
            let started = start.start_generation(0, &server).await?;
            start.commit().await?;
            generation.write(started)?;
        }
        for name in [LINE.to_owned(), of_lane(LANE)] {
            let taken = store.take_lease(&name).await?.ok_or_eyre("a lease is held")?;
            store.hold_lease(taken);
        }
        let end = self.done + payouts;
        while self.done < end {
            let n = BATCH.min(end - self.done);
            self.batch(&store, n).await?;
            self.done += n;
            eprint!("\r{} of {end} paid", self.done);
        }
        eprintln!();
        // Final, and two blocks more for the lag of the tag.
        self.world.provider().anvil_mine(Some(8), None).await?;
        for name in [LINE.to_owned(), of_lane(LANE)] {
            store.release_lease(&name).await?;
        }
        store.sign_off().await?;
        store.close().await;
        Ok(())
    }

    async fn batch(&mut self, store: &Store, n: u64) -> eyre::Result<()> {
        let asset = self.world.asset("TUSD").address;
        let orders: Vec<_> = (self.done..self.done + n)
            .map(|i| NewWithdrawal {
                order: Order {
                    idempotency_key: format!("bench-{i}"),
                    asset,
                    recipient: Address::left_padding_from(&(0x5000_0000 + i % RECIPIENTS).to_be_bytes()),
                    amount: Amount(U256::from(1 + i % 97)),
                    deadline: None,
                },
                trace_id: "0".repeat(32),
                request: None,
                trace_parent: None,
                submitter: None,
            })
            .collect();
        let limit = usize::try_from(BATCH)?;
        let mut change = unit(store).await?;
        change.accept_withdrawals(&orders).await?;
        change.commit().await?;
        let received = store.waiting(WithdrawalState::Received, limit).await?;
        let mut change = unit(store).await?;
        change.move_withdrawals(&received, WithdrawalState::Ready, None).await?;
        change.commit().await?;
        let all = Amount::ZERO..=Amount(U256::MAX);
        let ready = store.ready(asset, Door::Order, &all, limit).await?;
        let mut change = unit(store).await?;
        let row = change
            .plan_batch(BatchKind::Orders, Tier::Instant, &ready)
            .await?
            .ok_or_eyre("nothing to pay")?;
        let planned = change.batch(row).await?;
        change.move_batch(&planned, BatchState::Priced, None).await?;
        let priced = change.batch(row).await?;
        let audit_head = change.audit_head_before();
        let bytes = calldata::settle(asset, self.position, audit_head, &ready);
        let after = self.position.after(n, &bytes);
        let content = Content { lane: LANE, first: self.position.next, head_after: after.head, gas_limit: 1 };
        change.fund_batch(&priced, &content, &bytes, None).await?;
        let lane = change.lane(LANE).await?.ok_or_eyre("no lane")?;
        change.move_lane_position(&lane, after).await?;
        change.commit().await?;

        let hash = self.send(bytes).await?;
        let nonce = (self.position.next - 1) / BATCH;
        let attempt = Attempt {
            row: 0,
            batch: row,
            lane: LANE,
            nonce,
            hash,
            raw: Bytes::new(),
            max_fee: 1,
            priority_fee: 1,
            state: AttemptState::Signed,
            signed_at: 0,
            sent_at: 0,
        };
        let mut change = unit(store).await?;
        let funded = change.batch(row).await?;
        change.add_attempt(&attempt).await?;
        change.move_batch(&funded, BatchState::Signed, None).await?;
        change.commit().await?;
        self.position = after;
        Ok(())
    }

    async fn send(&self, calldata: Bytes) -> eyre::Result<B256> {
        let request = TransactionRequest::default()
            .with_from(LANE)
            .with_to(self.world.vault())
            .with_input(calldata)
            .with_gas_limit(200_000_000);
        let receipt = self.world.provider().send_transaction(request).await?.get_receipt().await?;
        ensure!(receipt.status(), "a batch reverted");
        Ok(receipt.transaction_hash)
    }
}

async fn unit(store: &Store) -> eyre::Result<Unit> {
    Ok(store.unit(Context::new("bench", "bench", serde_json::json!({}))).await?)
}
