//! The running keeper: start-up checks, the stages as tasks, and an orderly end.

use crate::{
    api::{self, ApiState, Readiness},
    books::balances::Balances,
    chain::{Chain, signer::Signers},
    config::Config,
    deployment::Deployment,
    stages::{
        FeeGauge, GasModel, Line, StageError, Worked, batch, broadcast, confirm, deadline, fence, finalize,
        fund, intake::Intake, nonces, policy, price, reconcile, sign,
    },
    store::{Store, generation::GenerationFile, holder::Holder, progress::Verdict},
};
use alloy::primitives::B256;
use eyre::{WrapErr, bail};
use std::{future::Future, sync::Arc, time::Duration};
use tokio::{
    net::TcpListener,
    sync::{Notify, watch},
    task::JoinSet,
    time::sleep,
};
use tokio_util::sync::CancellationToken;

/// A stage looks at its rows at least so often, whether or not it was woken.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// A stage that failed waits so long before it tries again.
const AFTER_FAILURE: Duration = Duration::from_secs(1);
/// After a signal to stop, the tasks get so long to come to the end of their step.
const GRACE: Duration = Duration::from_secs(10);

/// Runs until it is told to stop (SIGINT or SIGTERM).
pub async fn run(config: Config, deployment: Deployment) -> eyre::Result<()> {
    let stop = CancellationToken::new();
    let (line, _holder) = open(&config, &deployment).await?;
    let line = Arc::new(line);
    let (readiness, ready) = watch::channel(Readiness::not_yet("starting"));

    let wake = Arc::new(Notify::new());
    let mut tasks = JoinSet::new();
    let listener = TcpListener::bind(config.api.listen).await.wrap_err_with(|| {
        format!("api.listen = {}: cannot be opened; choose another port", config.api.listen)
    })?;
    let intake = Intake::spawn(line.store.clone(), wake.clone(), stop.clone());
    let state = ApiState::new(line.store.clone(), deployment.clone(), intake, ready, &config.api);
    tracing::info!(listen = %listener.local_addr()?, vault = %deployment.vault, chain = deployment.chain_id, "keeper starts");
    tasks.spawn(api::serve(state, listener, stop.clone()));
    tasks.spawn(stop_on_signal(stop.clone()));

    if wait_for_chain(&line, &deployment, &readiness, &stop).await? {
        spawn_stages(&line, &mut tasks, &wake, &stop);
        tasks.spawn(watch_chain(line.clone(), readiness, config.chain.poll_interval, stop.clone()));
    }
    stop.cancelled().await;
    tracing::info!("stopping: what is durable is taken up again at the next start");
    let end = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(GRACE, end).await.is_err() {
        tracing::warn!("a task did not end in time and is dropped; nothing is lost");
    }
    // A task that still held a connection would keep the store open.
    tasks.shutdown().await;
    if tokio::time::timeout(GRACE, line.store.clone().close()).await.is_err() {
        tracing::warn!("the store did not close in time; what is committed is durable");
    }
    tracing::info!("stopped");
    Ok(())
}

/// Brings the books up to the last final block, if no keeper runs on this store, and compares them with the chain.
pub async fn reconcile_once(config: &Config, deployment: &Deployment) -> eyre::Result<Verdict> {
    let store = Store::open(&config.store.url).await?;
    let holder = store.hold();
    let line = line(config, deployment, store, Signers::default())?;
    if let Err(wrong) = line.chain.verify(deployment.chain_id).await? {
        return Err(wrong.into());
    }
    let mut balances = Balances::default();
    match holder {
        Ok(_holder) => {
            let last_final = catch_up(&line, &mut balances).await?;
            Ok(reconcile::compare(&line, &balances, last_final).await?)
        }
        // A keeper runs here: it brings the books up and compares, this only tells what it said last.
        Err(held) => {
            match line.store.last_verdict().await? {
                Some(verdict) => Ok(verdict),
                None => Err(eyre::Report::new(held)
                    .wrap_err("the running keeper has not compared yet; try again soon")),
            }
        }
    }
}

async fn open(config: &Config, deployment: &Deployment) -> eyre::Result<(Line, Option<Holder>)> {
    let store = Store::open(&config.store.url).await?;
    let holder = store.hold()?;
    store.bind_to_vault(deployment.chain_id, deployment.vault).await?;
    Ok((line(config, deployment, store, Signers::new(config.signers()?))?, holder))
}

fn line(config: &Config, deployment: &Deployment, store: Store, signers: Signers) -> eyre::Result<Line> {
    let generation_file =
        config.store.generation_file.clone().unwrap_or_else(|| store.default_generation_path());
    Ok(Line {
        chain: Chain::connect(&config.chain, deployment.vault)?,
        assets: deployment.assets.clone(),
        signers,
        generation: GenerationFile::new(generation_file),
        policy: config.policy.clone(),
        batch: config.batch.clone(),
        fees: config.fees.clone(),
        gas: GasModel::default(),
        fee_gauge: FeeGauge::default(),
        deployed_at: deployment.block,
        store,
    })
}

/// Waits until the endpoint answers; refuses when it serves something else. False when told to stop meanwhile.
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
        match started.await {
            Ok(Ok(findings)) => {
                if findings.is_empty() {
                    tracing::info!("start: the books continue where they were");
                }
                for finding in findings {
                    tracing::warn!(%finding, "start: fencing before anything is paid");
                }
                return Ok(true);
            }
            Ok(Err(wrong)) => {
                stop.cancel();
                bail!(wrong);
            }
            Err(error) => {
                tracing::warn!(%error, "the chain does not answer at chain.rpc_url; intake is open, payments wait");
                readiness.send_replace(Readiness::not_yet(&format!("chain: {error}")));
            }
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(false),
            () = sleep(AFTER_FAILURE) => {}
        }
    }
}

fn spawn_stages(line: &Arc<Line>, tasks: &mut JoinSet<()>, wake: &Arc<Notify>, stop: &CancellationToken) {
    macro_rules! stage {
        ($name:literal, $module:ident, $wake:expr, $next:expr) => {
            tasks.spawn(run_stage($name, line.clone(), $wake, $next, stop.clone(), |line| async move {
                $module::step(&line).await
            }))
        };
    }
    let notify = || Arc::new(Notify::new());
    let (to_batch, to_price, to_fund, to_sign, to_broadcast) =
        (notify(), notify(), notify(), notify(), notify());
    let end = notify();
    stage!("deadline", deadline, notify(), to_batch.clone());
    stage!("policy", policy, wake.clone(), to_batch.clone());
    stage!("batch", batch, to_batch, to_price.clone());
    stage!("price", price, to_price, to_fund.clone());
    stage!("fund", fund, to_fund, to_sign.clone());
    stage!("sign", sign, to_sign, to_broadcast.clone());
    stage!("broadcast", broadcast, to_broadcast, end);
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
        let pause = match step(line.clone()).await {
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

/// Follows the chain: fences, confirms, finalizes and reconciles with each new block.
async fn watch_chain(
    line: Arc<Line>,
    readiness: watch::Sender<Readiness>,
    poll_interval: Duration,
    stop: CancellationToken,
) {
    let mut balances = Balances::default();
    let (mut compared, mut seen) = (None, None);
    while !stop.is_cancelled() {
        match follow(&line, &mut balances, &mut compared, &mut seen).await {
            Ok(()) => {
                readiness.send_if_modified(|now| now.set(Readiness::ready()));
            }
            Err(error) if error.is_stale() => {}
            Err(error) => {
                tracing::warn!(%error, "following the chain failed; tried again");
                readiness.send_if_modified(|now| now.set(Readiness::not_yet(&format!("chain: {error}"))));
            }
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = sleep(poll_interval) => {}
        }
    }
}

async fn follow(
    line: &Line,
    balances: &mut Balances,
    compared: &mut Option<u64>,
    seen: &mut Option<B256>,
) -> Result<(), StageError> {
    let tip = line.chain.tip().await?;
    let Some(last_final) = line.chain.final_block(tip).await? else { return Ok(()) };
    fence::step(line, tip).await?;
    confirm::step(line, tip, last_final).await?;
    if *seen != Some(tip.hash) {
        nonces::step(line, tip).await?;
        *seen = Some(tip.hash);
    }
    while finalize::step(line, last_final).await? == Worked::Yes {}
    // The final block can be one that the books have passed, when the node lags or the chain became shorter: its balances
    // are not those of the books.
    let books_at = line.store.cursor().await?.map(|c| c.number);
    if *compared != Some(last_final.number) && books_at == Some(last_final.number) {
        finalize::receive_float(line, balances, last_final).await?;
        reconcile::compare(line, balances, last_final).await?;
        *compared = Some(last_final.number);
    }
    Ok(())
}

/// Brings the books to the last final block.
async fn catch_up(line: &Line, balances: &mut Balances) -> Result<crate::chain::Block, StageError> {
    let tip = line.chain.tip().await?;
    let last_final = line.chain.final_block(tip).await?.unwrap_or(tip);
    while finalize::step(line, last_final).await? == Worked::Yes {}
    finalize::receive_float(line, balances, last_final).await?;
    Ok(last_final)
}

async fn stop_on_signal(stop: CancellationToken) {
    let interrupted = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        let terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate());
        if let Ok(mut terminate) = terminate {
            tokio::select! {
                _ = interrupted => {}
                _ = terminate.recv() => {}
                () = stop.cancelled() => {}
            }
            stop.cancel();
            return;
        }
    }
    tokio::select! {
        _ = interrupted => {}
        () = stop.cancelled() => {}
    }
    stop.cancel();
}
