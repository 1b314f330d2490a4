//! The running keeper: start-up checks, the stages as tasks, and an orderly end.
//!
//! [`process`] holds its signals, and how it goes on under another configuration; [`readiness`] says why nothing is paid;
//! [`alone`] is what a person starts beside it or without it.

mod alone;
mod process;
mod readiness;

use crate::{
    api::{self, ApiState, Readiness},
    books::balances::Balances,
    chain::{Chain, signer::Signers},
    config::Config,
    deployment::Deployment,
    export, margin,
    otlp::Exporter,
    stages::{
        FeeGauge, GasModel, Lead, Line, Rules, StageError, Worked, batch, broadcast, cold, confirm, deadline,
        fence, finalize, fund,
        intake::Intake,
        nonces,
        notify::Notifier,
        policy,
        price::{self, guard::Guard},
        reconcile, sign,
    },
    step::{bounded, rest},
    store::{Context, Store, StoreError, generation::GenerationFile, holder::Holder},
    swap,
    tenure::{self, ChainPulse},
};
use alloy::primitives::{B256, keccak256};
use eyre::bail;
use std::{collections::HashSet, future::Future, path::PathBuf, sync::Arc, time::Duration};
use tokio::{
    net::TcpListener,
    sync::{Notify, watch},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

pub use alone::{Compared, Recovered, Scope, reconcile_once, recover, write_off};
pub use process::run;
use readiness::not_ready;

/// A stage looks at its rows at least so often, whether or not it was woken.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// A stage that failed waits so long before it tries again.
const AFTER_FAILURE: Duration = Duration::from_secs(1);
/// The longest wait before a database that did not answer at the start is tried again.
const AFTER_FAILURE_MAX: Duration = Duration::from_secs(30);
/// A step that takes longer waits for what never answers.
const STEP: Duration = Duration::from_secs(120);
/// What giving up the leases may take at the end.
const FAREWELL: Duration = Duration::from_secs(3);
/// After a signal to stop, the tasks get so long to come to the end of their step.
const GRACE: Duration = Duration::from_secs(10);
/// Before that, callers get so long for the rest of their answer.
const LAST_CALLERS: Duration = Duration::from_secs(3);

/// What goes on while the keeper runs.
struct Running {
    callers: JoinSet<()>,
    tasks: JoinSet<()>,
    /// The keeper is told to stop: nobody new is answered.
    stop: CancellationToken,
    /// Nobody asks any more: the line stops too.
    end: CancellationToken,
}

/// Keeps until `stop`, or until it cannot begin; `began` says that it could. However it ends, nothing of it goes on.
async fn keep(
    config: &Config,
    deployment: &Deployment,
    listener: TcpListener,
    stop: CancellationToken,
    began: &CancellationToken,
) -> eyre::Result<()> {
    let (line, _holders) = tokio::select! {
        opened = open_when_it_answers(config, deployment) => opened?,
        () = stop.cancelled() => return Ok(()),
    };
    let line = Arc::new(line);
    let (callers, tasks) = (JoinSet::new(), JoinSet::new());
    let mut running = Running { callers, tasks, stop: stop.clone(), end: CancellationToken::new() };
    let begun = begin(config, deployment, &line, listener, &mut running).await;
    if let Ok(true) = begun {
        began.cancel();
    }
    if begun.is_ok() {
        stop.cancelled().await;
    }
    tracing::info!("stopping: what is durable is taken up again at the next start");
    stop.cancel();
    drain(&mut running.callers, LAST_CALLERS).await;
    running.end.cancel();
    drain(&mut running.tasks, GRACE).await;
    if let Ok(Err(error)) = timeout(FAREWELL, line.store.sign_off()).await {
        tracing::warn!(%error, "the leases were not given up; they run out by themselves");
    }
    if timeout(GRACE, line.store.clone().close()).await.is_err() {
        tracing::warn!("the store did not close in time; what is committed is durable");
    }
    tracing::info!("stopped");
    begun.map(drop)
}

/// Waits for tasks that were told to end. One that still held a connection would keep the store open.
async fn drain(tasks: &mut JoinSet<()>, limit: Duration) {
    let end = async { while tasks.join_next().await.is_some() {} };
    if timeout(limit, end).await.is_err() {
        tracing::warn!("a task did not end in time and is dropped; nothing is lost");
    }
    tasks.shutdown().await;
}

/// Opens for callers, waits for the chain, and starts the line. False when told to stop meanwhile.
async fn begin(
    config: &Config,
    deployment: &Deployment,
    line: &Arc<Line>,
    listener: TcpListener,
    running: &mut Running,
) -> eyre::Result<bool> {
    let Running { callers, tasks, stop, end } = running;
    let pulse = Arc::new(ChainPulse::default());
    let notifiers = notifiers(config, line)?;
    let traces = Exporter::new(line.clone(), &config.traces, |name| std::env::var(name).ok())?;
    let margin = margin::run::Keeper::new(config, deployment, line.store.clone())?;
    let swaps = swap::run::Keeper::new(config, deployment, line.store.clone())?;
    let (readiness, ready) = watch::channel(Readiness::not_yet("starting"));

    let wake = Arc::new(Notify::new());
    let intake = Intake::spawn(line.store.clone(), config.api.queue, wake.clone(), end.clone());
    let state = ApiState::from(api::Parts {
        store: line.store.clone(),
        deployment: deployment.clone(),
        intake,
        readiness: ready,
        chain: line.chain.clone(),
        batch: &config.batch,
        policy: &config.policy,
        fees: &config.fees,
        config: &config.api,
        stop: stop.clone(),
    });
    state.prepare().await?;
    tracing::info!(listen = %listener.local_addr()?, vault = %deployment.vault, chain = deployment.chain_id, "keeper starts");
    tasks.spawn(state.viewed().keep(line.store.clone(), end.clone()));
    callers.spawn(api::serve(state, listener, stop.clone()));
    tasks.spawn(export::keep(line.store.clone(), config.export.clone(), deployment.clone(), end.clone()));

    if !wait_for_chain(line, deployment, &readiness, stop).await? {
        return Ok(false);
    }
    pulse.seen();
    spawn_stages(line, tasks, &wake, end);
    for notifier in notifiers {
        tasks.spawn(notifier.run(end.clone()));
    }
    if let Some(traces) = traces {
        tasks.spawn(traces.run(end.clone()));
    }
    let new_head = Arc::new(Notify::new());
    line.chain.follow_heads(&new_head, tasks, end);
    if let Some(margin) = margin {
        tasks.spawn(margin.run(end.clone()));
    }
    if let Some(swaps) = swaps {
        tasks.spawn(swaps.run(end.clone()));
    }
    let (l, p, s) = (line.clone(), pulse.clone(), end.clone());
    tasks.spawn(async move { tenure::keep(&l, &p, &s).await });
    let poll_interval = config.chain.poll_interval;
    tasks.spawn(watch_chain(line.clone(), readiness, pulse, poll_interval, new_head, end.clone()));
    Ok(true)
}

fn notifiers(config: &Config, line: &Arc<Line>) -> eyre::Result<Vec<Notifier>> {
    let endpoints = config.webhooks.iter().zip(config.webhook_secrets()?);
    endpoints.map(|(of, secrets)| Ok(Notifier::new(line.clone(), of.clone(), secrets)?)).collect()
}

type Holders = (Option<Holder>, Holder);

/// Waits for a database that does not answer: it may be starting beside this keeper. Fails when waiting does not help.
async fn open_when_it_answers(config: &Config, deployment: &Deployment) -> eyre::Result<(Line, Holders)> {
    let mut pause = AFTER_FAILURE;
    loop {
        match open(config, deployment).await {
            Err(error) if error.downcast_ref().is_some_and(StoreError::may_pass) => {
                tracing::warn!(
                    %error, again = ?pause,
                    "the database does not answer at store.url; nothing is taken or paid until it does"
                );
            }
            opened => return opened,
        }
        sleep(pause).await;
        pause = (pause * 2).min(AFTER_FAILURE_MAX);
    }
}

async fn open(config: &Config, deployment: &Deployment) -> eyre::Result<(Line, Holders)> {
    let store = Store::open(&config.store.url).await?;
    let holders = (store.hold()?, Holder::of(&generation_path(config, &store))?);
    store.bind_to_vault(deployment.chain_id, deployment.vault).await?;
    let mut line = line(config, deployment, store, Signers::new(config.signers()?))?;
    line.reviewed = config.reviewed_lanes()?;
    config.margin_signer()?;
    line.swaps = config.swap_signer()?.is_some() && config.swap.is_on();
    note_configuration(&line, config).await?;
    Ok((line, holders))
}

/// The audit tells when a keeper began to run under another configuration, and what that is. It shows no secret.
async fn note_configuration(line: &Line, config: &Config) -> Result<(), StoreError> {
    let (shown, name) = (format!("{config:?}"), format!("configuration/{}", line.generation.keeper()));
    let hash = keccak256(&shown).to_string();
    if line.store.meta(&name).await?.as_ref() == Some(&hash) {
        return Ok(());
    }
    let detail = serde_json::json!({ "keeper": line.generation.keeper(), "configuration": shown });
    let mut unit = line.store.unit(Context::new("keeper/start", "configuration.changed", detail)).await?;
    unit.set_meta(&name, &hash).await?;
    unit.commit().await
}

fn generation_path(config: &Config, store: &Store) -> PathBuf {
    config.store.generation_file.clone().unwrap_or_else(|| store.default_generation_path())
}

fn line(config: &Config, deployment: &Deployment, store: Store, signers: Signers) -> eyre::Result<Line> {
    let generation = GenerationFile::open(generation_path(config, &store))?;
    Ok(Line {
        chain: Chain::connect(&config.chain, deployment.vault)?,
        assets: deployment.assets.clone(),
        signers,
        generation: generation.clone(),
        policy: config.policy.clone(),
        batch: config.batch.clone(),
        fees: config.fees.clone(),
        review: config.review.clone(),
        reviewed: HashSet::new(),
        swaps: false,
        rules: Rules::default(),
        oracle: Guard::new(&config.oracle, &deployment.assets)?,
        gas: GasModel::default(),
        fee_gauge: FeeGauge::default(),
        lead: Lead::default(),
        deployed_at: deployment.block,
        store: store.for_keeper(generation, config.store.lease),
    })
}

/// Waits until the endpoints answer; refuses when they serve something else. False when told to stop meanwhile.
async fn wait_for_chain(
    line: &Line,
    deployment: &Deployment,
    readiness: &watch::Sender<Readiness>,
    stop: &CancellationToken,
) -> eyre::Result<bool> {
    loop {
        let started = async {
            match line.chain.verify(deployment.chain_id).await.map_err(StageError::from)? {
                Ok(()) => fence::start(line).await.map(Ok),
                Err(wrong) => Ok(Err(wrong)),
            }
        };
        // A start that is dropped half-way is as one that a crash ended.
        let started = tokio::select! {
            started = started => started,
            () = stop.cancelled() => return Ok(false),
        };
        match started {
            Ok(Ok(findings)) => {
                if findings.is_empty() {
                    tracing::info!("start: the books continue where they were");
                }
                for finding in findings {
                    tracing::warn!(%finding, "start: fencing before anything is paid");
                }
                return Ok(true);
            }
            Ok(Err(wrong)) => bail!(wrong),
            Err(error) => {
                tracing::warn!(%error, "the chain does not answer at chain.rpc_urls; intake is open, payments wait");
                readiness.send_replace(not_ready(&line.store, &line.chain, Some(&error)).await);
            }
        }
        rest(AFTER_FAILURE, stop).await;
        if stop.is_cancelled() {
            return Ok(false);
        }
    }
}

fn spawn_stages(line: &Arc<Line>, tasks: &mut JoinSet<()>, wake: &Arc<Notify>, stop: &CancellationToken) {
    macro_rules! stage {
        ($name:literal, $module:ident, $wake:expr, $next:expr) => {
            stage!($name, $module, |_: &Line| true, $wake, $next)
        };
        ($name:literal, $module:ident, $when:expr, $wake:expr, $next:expr) => {
            tasks.spawn(run_stage($name, line.clone(), $wake, $next, stop.clone(), |line| async move {
                if $when(&line) { $module::step(&line).await } else { Ok(Worked::Idle) }
            }))
        };
    }
    let notify = || Arc::new(Notify::new());
    let (to_batch, to_price, to_fund, to_sign, to_broadcast) =
        (notify(), notify(), notify(), notify(), notify());
    let end = notify();
    stage!("deadline", deadline, notify(), to_batch.clone());
    stage!("policy", policy, Line::leads, wake.clone(), to_batch.clone());
    stage!("batch", batch, Line::leads, to_batch, to_price.clone());
    stage!("price", price, Line::leads, to_price, to_fund.clone());
    stage!("fund", fund, Line::leads, to_fund, to_sign.clone());
    stage!("sign", sign, to_sign, to_broadcast.clone());
    stage!("broadcast", broadcast, to_broadcast, end.clone());
    stage!("reconcile", reconcile, Line::leads, notify(), end);
}

/// Repeats a stage's step: at once while there is work, otherwise when woken or after a while.
async fn run_stage<F, Fut>(
    name: &'static str,
    line: Arc<Line>,
    wake: Arc<Notify>,
    next: Arc<Notify>,
    stop: CancellationToken,
    step: F,
) where
    F: Fn(Arc<Line>) -> Fut,
    Fut: Future<Output = Result<Worked, StageError>>,
{
    while !stop.is_cancelled() {
        let stepped = match bounded(name, STEP, step(line.clone())).await {
            Some(stepped) => stepped,
            None => {
                rest(AFTER_FAILURE, &stop).await;
                continue;
            }
        };
        let pause = match stepped {
            Ok(Worked::Yes) => {
                next.notify_one();
                continue;
            }
            Ok(Worked::Idle) => LOOK_AGAIN,
            Err(error) if error.is_stale() => continue,
            Err(error) => {
                tracing::warn!(stage = name, %error, "stage failed; tried again");
                AFTER_FAILURE
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = wake.notified() => {}
            () = sleep(pause) => {}
        }
    }
}

/// Follows the chain: fences, confirms, finalizes and reconciles with each new block that is told or polled.
async fn watch_chain(
    line: Arc<Line>,
    readiness: watch::Sender<Readiness>,
    pulse: Arc<ChainPulse>,
    poll_interval: Duration,
    new_head: Arc<Notify>,
    stop: CancellationToken,
) {
    let mut balances = Balances::default();
    let (mut compared, mut seen) = (None, None);
    while !stop.is_cancelled() {
        let followed = follow(&line, &pulse, &mut balances, &mut compared, &mut seen);
        let Some(followed) = bounded("chain", STEP, followed).await else {
            let now = not_ready(&line.store, &line.chain, None).await;
            readiness.send_if_modified(|before| before.set(now));
            rest(AFTER_FAILURE, &stop).await;
            continue;
        };
        let now = match followed {
            Ok(()) => Some(Readiness::ready(line.chain.endpoints())),
            Err(error) if error.is_stale() => None,
            Err(error) => {
                tracing::warn!(%error, "following the chain failed; tried again");
                Some(not_ready(&line.store, &line.chain, Some(&error)).await)
            }
        };
        if let Some(now) = now {
            readiness.send_if_modified(|before| before.set(now));
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = new_head.notified() => {}
            () = sleep(poll_interval) => {}
        }
    }
}

async fn follow(
    line: &Line,
    pulse: &ChainPulse,
    balances: &mut Balances,
    compared: &mut Option<u64>,
    seen: &mut Option<B256>,
) -> Result<(), StageError> {
    let tip = line.chain.tip().await?;
    pulse.seen();
    let Some(last_final) = line.chain.final_block(tip).await? else { return Ok(()) };
    fence::step(line, tip).await?;
    confirm::step(line, tip, last_final).await?;
    if *seen != Some(tip.hash) {
        nonces::step(line, tip).await?;
        *seen = Some(tip.hash);
    }
    if !line.leads() {
        return Ok(());
    }
    while finalize::step(line, last_final).await? == Worked::Yes {
        pulse.seen();
    }
    if *compared != Some(last_final.number) && finalize::is_at(line, last_final).await? {
        finalize::receive_float(line, balances, last_final).await?;
        reconcile::compare(line, balances, last_final).await?;
        balances.keep(&line.store).await?;
        cold::ask(line, tip).await?;
        *compared = Some(last_final.number);
    }
    Ok(())
}
