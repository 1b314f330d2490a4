//! Work on the books that a person starts: with the line's lease where no keeper runs, and as a reader beside one.

use super::{generation_path, line};
use crate::{
    books::{balances::Balances, difference::Difference},
    chain::{Block, ChainError, signer::Signers},
    config::Config,
    deployment::Deployment,
    domain::amount::Amount,
    margin::pools,
    stages::{
        Line, StageError, Worked, fence, finalize,
        reconcile::{self, Report, Walked},
    },
    store::{Store, StoreError, holder::Holder, leases::LINE},
};
use eyre::bail;
use serde::Serialize;
use std::time::Duration;
use tokio::time::sleep;

/// What `spillway reconcile` is to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// Payout by payout, from the vault's first block.
    pub deep: bool,
    /// Payout by payout, from this block.
    pub from: Option<u64>,
}

/// Brings the books up to the last final block, if no keeper runs on this store, and compares them with the chain.
pub async fn reconcile_once(
    config: &Config,
    deployment: &Deployment,
    scope: Scope,
    progress: impl Fn(u64, u64),
) -> eyre::Result<Report> {
    alone(config, deployment, async |line, free| {
        let mut balances = Balances::default();
        if scope.deep || scope.from.is_some() {
            let advanced = if free { advance(line).await.map(Some) } else { Ok(None) };
            let at = match advanced {
                Ok(at) => at,
                // The books stay where they are: payout by payout it can be said what is gone.
                Err(StageError::Chain(ChainError::Forked { .. } | ChainError::Missing(_))) => None,
                Err(error) => return Err(error.into()),
            };
            let pools = pools::configured(&config.margin, &line.chain).await?;
            let mut report =
                reconcile::walked(line, &pools, scope.from, at.is_some(), progress).await?.report;
            if let Some(at) = at {
                reconcile::receive_donations(line, &mut balances, at, &mut report).await?;
                reconcile::compare(line, &mut balances, at).await?;
            }
            return Ok(report);
        }
        let (mut differences, mut verdict) = (Vec::new(), None);
        if free {
            let (at, came) = catch_up(line, &mut balances).await?;
            differences = came;
            verdict = Some(reconcile::compare(line, &mut balances, at).await?);
        }
        // Where a keeper runs it brings the books up and compares, this only tells what it said last.
        let verdict = match verdict {
            Some(verdict) => Some(verdict),
            None => line.store.last_verdict().await?,
        };
        let Some(verdict) = verdict else { bail!("the running keeper has not compared yet; try again soon") };
        differences.extend(line.store.open_differences().await?);
        Ok(Report::of(verdict, differences))
    })
    .await
}

/// Books a loss: what the vault has less of an asset than the books say, at the last final block.
pub async fn write_off(
    config: &Config,
    deployment: &Deployment,
    symbol: &str,
    who: &str,
    why: &str,
) -> eyre::Result<Amount> {
    let Some(asset) = deployment.assets.find(symbol) else {
        bail!("no asset {symbol}; this vault has {}", deployment.assets.symbols());
    };
    alone(config, deployment, async |line, free| {
        eyre::ensure!(free, "a keeper runs on this store; stop it first, so that the loss is booked once");
        let mut balances = Balances::default();
        let (last_final, _) = catch_up(line, &mut balances).await?;
        reconcile::write_off(line, &mut balances, asset, last_final, who, why).await
    })
    .await
}

/// What a rebuilt store holds.
#[derive(Clone, Debug, Serialize)]
pub struct Recovered {
    /// The last block that is in its books.
    pub block: u64,
    /// Payouts of orders that the chain shows, and whose orders only the lost database knew.
    pub payouts: u64,
    pub requests: u64,
    /// What the comparison with the chain says of it.
    pub report: Report,
    /// Lines that the rebuilt store and another have, when another was named.
    pub compared: Option<Compared>,
}

/// Two stores, held against each other in what the chain knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Compared {
    pub same: u64,
    /// At most [`SHOWN`] each.
    pub only_rebuilt: Vec<String>,
    pub only_other: Vec<String>,
}

/// How many lines of a difference between two stores are shown.
pub const SHOWN: usize = 20;

/// Builds a store from the chain alone: the configured database must be empty. `other`: a store to compare it with.
pub async fn recover(
    config: &Config,
    deployment: &Deployment,
    other: Option<&str>,
    progress: impl Fn(u64, u64),
) -> eyre::Result<Recovered> {
    let store = Store::open(&config.store.url).await?;
    if let Some(what) = store.holds().await? {
        return Err(StoreError::NotEmpty(what).into());
    }
    store.bind_to_vault(deployment.chain_id, deployment.vault).await?;
    store.close().await;
    alone(config, deployment, async |line, free| {
        eyre::ensure!(free, "a keeper runs on this store; stop it first");
        let tip = line.chain.tip().await?;
        let last_final = line.chain.final_block(tip).await?.unwrap_or(tip);
        while finalize::step(line, last_final).await? == Worked::Yes {
            let at = line.store.cursor().await?.map_or(0, |c| c.number);
            progress(at.saturating_sub(line.deployed_at), last_final.number.saturating_sub(line.deployed_at));
        }
        let mut balances = Balances::default();
        finalize::receive_float(line, &mut balances, last_final).await?;
        reconcile::compare(line, &mut balances, last_final).await?;
        let pools = pools::configured(&config.margin, &line.chain).await?;
        let Walked { report, lanes } = reconcile::walked(line, &pools, None, true, progress).await?;
        fence::take_in(line, lanes, last_final).await?;
        let rebuilt = line.store.what_the_chain_knows().await?;
        let compared = match other {
            Some(url) => Some(compare(&rebuilt, &Store::connect(url).await?.what_the_chain_knows().await?)),
            None => None,
        };
        let count = |of: &str| rebuilt.iter().filter(|line| line.starts_with(of)).count() as u64;
        let (payouts, requests) = (count("payout "), count("request "));
        Ok(Recovered { block: last_final.number, payouts, requests, report, compared })
    })
    .await
}

/// Both sorted.
fn compare(rebuilt: &[String], other: &[String]) -> Compared {
    let only = |these: &[String], those: &[String]| -> Vec<String> {
        these.iter().filter(|line| those.binary_search(line).is_err()).cloned().collect()
    };
    let (mut only_rebuilt, mut only_other) = (only(rebuilt, other), only(other, rebuilt));
    let same = (rebuilt.len() - only_rebuilt.len()) as u64;
    only_rebuilt.truncate(SHOWN);
    only_other.truncate(SHOWN);
    Compared { same, only_rebuilt, only_other }
}

/// Runs `act` on the store; with the line's lease, and so the right to book, when no keeper runs there.
async fn alone<T>(
    config: &Config,
    deployment: &Deployment,
    act: impl AsyncFnOnce(&Line, bool) -> eyre::Result<T>,
) -> eyre::Result<T> {
    let store = Store::open(&config.store.url).await?;
    let path = generation_path(config, &store);
    let holders = store.hold().and_then(|file| Ok((file, Holder::of(&path)?)));
    let line = line(config, deployment, store, Signers::default())?;
    if let Err(wrong) = line.chain.verify(deployment.chain_id).await? {
        return Err(wrong.into());
    }
    let taken = match holders {
        Ok(_) => line.store.take_lease(LINE).await?,
        Err(_) => None,
    };
    let Some(taken) = taken else { return act(&line, false).await };
    line.store.hold_lease(taken);
    let done = tokio::select! {
        done = act(&line, true) => done,
        error = keep_renewing(&line.store, config.store.lease) => Err(error.into()),
    };
    line.store.release_lease(LINE).await?;
    done
}

/// Ends only when it cannot.
async fn keep_renewing(store: &Store, lease: Duration) -> StoreError {
    loop {
        sleep(lease / 4).await;
        if let Err(error) = store.renew_leases().await {
            return error;
        }
    }
}

/// Brings the books to the last final block.
async fn advance(line: &Line) -> Result<Block, StageError> {
    let tip = line.chain.tip().await?;
    let last_final = line.chain.final_block(tip).await?.unwrap_or(tip);
    while finalize::step(line, last_final).await? == Worked::Yes {}
    if !finalize::is_at(line, last_final).await? {
        let missing = format!("final block as new as these books; its last is {}", last_final.number);
        return Err(ChainError::Missing(missing).into());
    }
    Ok(last_final)
}

/// [`advance`], and what came in without an event.
async fn catch_up(line: &Line, balances: &mut Balances) -> Result<(Block, Vec<Difference>), StageError> {
    let last_final = advance(line).await?;
    let came = finalize::receive_float(line, balances, last_final).await?;
    Ok((last_final, came))
}
