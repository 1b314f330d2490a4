//! Reconcile: intake, ledger and chain say the same, to the unit.
//!
//! With each final block the sums are compared ([`compare`]), and behind that each payout ([`step`]). From time to time a
//! person compares everything from the first block on ([`walked`]). Each difference is classified and says whose it is;
//! where the chain alone decides, the books follow it by themselves. An outflow that nothing explains stops the asset, until
//! it is written off or a full comparison does not find it any more: that the sums agree again explains nothing.

mod bucket;
mod heal;
mod lanes;
mod limits;
mod outflows;
mod pools;
mod totals;
mod walk;

use super::{Line, StageError, Worked, finalize};
use crate::{
    books::{
        balances::Balances,
        difference::{Class, Difference, Side},
    },
    chain::{Block, ChainError},
    clock::now_ms,
    domain::{amount::Amount, asset::Asset, ledger::Sides},
    store::progress::{BlockMark, Verdict},
};
use alloy::primitives::Address;
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};
use walk::Walk;

/// What a comparison found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// No difference that is not booked.
    pub ok: bool,
    /// The first block and the last that were compared.
    pub from: u64,
    pub block: u64,
    /// How many payouts were compared; none when only the sums were.
    pub payouts: Option<u64>,
    pub differences: Vec<Difference>,
}

impl Report {
    /// Of the sums, with what was found payout by payout.
    pub fn of(verdict: Verdict, mut differences: Vec<Difference>) -> Self {
        for difference in verdict.differences {
            let same = |d: &Difference| (d.class, &d.subject) == (difference.class, &difference.subject);
            if !differences.iter().any(same) {
                differences.push(difference);
            }
        }
        let ok = differences.iter().all(|d| d.healed);
        Self { ok, from: verdict.block, block: verdict.block, payouts: None, differences }
    }
}

/// Compares the sums, keeps the verdict, and stops assets whose money left. To be called when the books are at `block`
/// and the float was received.
pub async fn compare(line: &Line, balances: &mut Balances, block: Block) -> Result<Verdict, StageError> {
    balances.catch_up(&line.store).await?;
    let mut differences = sums(line, balances, block).await?;
    if !differences.is_empty() && balances.is_from_copy() {
        // The kept sums are a shortcut: before anything is concluded from them, the postings themselves are asked.
        *balances = Balances::counted(&line.store).await?;
        differences = sums(line, balances, block).await?;
    }
    // Somebody can give what another took: then the sums agree, and it was stolen all the same.
    let open = line.store.open_differences().await?;
    for asset in line.assets.iter() {
        match differences.iter().chain(&open).find(|d| d.is_outflow_of(&asset.symbol)) {
            Some(difference) => stop(line, asset, difference).await?,
            None => resume(line, asset).await?,
        }
    }
    differences
        .extend(open.into_iter().filter(|d| line.assets.iter().any(|asset| d.is_outflow_of(&asset.symbol))));
    let verdict = Verdict { block: block.number, at: now_ms(), ok: differences.is_empty(), differences };
    for difference in &verdict.differences {
        tracing::error!(block = block.number, %difference, "chain and books differ");
    }
    line.store.put_verdict(&verdict).await?;
    Ok(verdict)
}

async fn sums(line: &Line, balances: &Balances, block: Block) -> Result<Vec<Difference>, StageError> {
    let mut differences = Vec::new();
    for asset in line.assets.iter() {
        let sides = [
            (
                "balance",
                Class::UnknownOutflow,
                line.chain.vault_balance(asset.address, block.number).await?,
                balances.cash(asset.address),
            ),
            (
                "liabilities",
                Class::Amount,
                line.chain.liabilities(asset.address, block.number).await?,
                balances.liabilities(asset.address),
            ),
        ];
        for (of, class, chain, books) in sides {
            if chain == books {
                continue;
            }
            let class = if chain > books && of == "balance" { Class::Donation } else { class };
            let what =
                format!("{of}: the chain has {}, the books have {}", asset.show(chain), asset.show(books));
            let subject = format!("{of} of {}", asset.symbol);
            differences.push(Difference::new(class, Side::Chain, subject, what).of(asset));
        }
    }
    Ok(differences)
}

/// No new batch of the asset is funded until a person has looked.
async fn stop(line: &Line, asset: &Asset, difference: &Difference) -> Result<(), StageError> {
    let detail = serde_json::json!({ "asset": asset.symbol, "difference": difference.what });
    let mut unit = line.unit("reconcile", "asset.stopped", detail).await?;
    if unit.pause_asset(asset.address, &difference.what).await? {
        tracing::error!(asset = %asset.symbol, %difference, "money left the vault and nothing says why: the asset is not settled any more");
    }
    Ok(unit.commit().await?)
}

/// Chain and books agree on the asset again, and no outflow of it is open.
async fn resume(line: &Line, asset: &Asset) -> Result<(), StageError> {
    if !line.store.asset_pauses().await?.iter().any(|p| p.asset == asset.address) {
        return Ok(());
    }
    let detail = serde_json::json!({ "asset": asset.symbol });
    let mut unit = line.unit("reconcile", "asset.resumed", detail).await?;
    // The comparison payout by payout runs beside this one.
    if unit.has_open_outflow(&asset.symbol).await? {
        return Ok(());
    }
    if unit.resume_asset(asset.address).await? {
        tracing::warn!(asset = %asset.symbol, "chain and books agree again: the asset is settled");
    }
    Ok(unit.commit().await?)
}

/// Books what is missing of an asset as lost, and what left and somebody gave back: the float bears it, and a gift in its
/// place is float too. Says how much.
pub async fn write_off(
    line: &Line,
    balances: &mut Balances,
    asset: &Asset,
    block: Block,
    who: &str,
    why: &str,
) -> eyre::Result<Amount> {
    // What is named only later would stay open.
    while matches!(step(line).await?, Worked::Yes) {}
    let held = line.chain.vault_balance(asset.address, block.number).await?;
    let missing = balances.cash(asset.address).saturating_sub(held);
    let detail =
        serde_json::json!({ "asset": asset.symbol, "block": block.number, "user": who, "reason": why });
    let mut unit = line.unit("reconcile", "loss.written_off", detail).await?;
    let lost = unit.close_outflows(&asset.symbol).await?.max(missing);
    unit.describe("amount", serde_json::json!(lost.to_string()));
    unit.post(asset.address, Sides::LOST, lost).await?;
    unit.post(asset.address, Sides::WRITTEN_OFF, lost).await?;
    unit.resume_asset(asset.address).await?;
    unit.commit().await?;
    balances.catch_up(&line.store).await?;
    Ok(lost)
}

/// How far each payout was compared.
const MARK: &str = "reconciled";

/// Compares the payouts of the next blocks that are in the books.
pub async fn step(line: &Line) -> Result<Worked, StageError> {
    let Some(cursor) = line.store.cursor().await? else { return Ok(Worked::Idle) };
    let mark = line.store.mark(MARK).await?;
    // A mark above the cursor is of a past that a restore took back.
    let from = mark.filter(|m| m.number <= cursor.number).map_or(line.deployed_at, |m| m.number + 1);
    if from > cursor.number {
        return Ok(Worked::Idle);
    }
    let to = cursor.number.min(from + line.chain.max_log_range() - 1);
    let mut moment = line.store.moment().await?;
    let mut walk = Walk::default();
    let to = walk.range(&line.chain, &line.assets, &mut moment, from, to).await?;
    drop(moment);
    let new = line.store.put_differences(to, now_ms(), &walk.differences).await?;
    for (difference, _) in walk.differences.iter().zip(new).filter(|(_, new)| *new) {
        tracing::error!(block = to, %difference, "chain and records differ");
        if let Some(asset) = line.assets.iter().find(|asset| difference.is_outflow_of(&asset.symbol)) {
            stop(line, asset, difference).await?;
        }
    }
    let hash = if to == cursor.number { cursor.hash } else { line.chain.block(to).await?.hash };
    line.store.put_mark(MARK, BlockMark { number: to, hash }).await?;
    Ok(Worked::Yes)
}

/// What [`walked`] saw.
#[derive(Clone, Debug)]
pub struct Walked {
    pub report: Report,
    /// The lanes that the chain ever enabled.
    pub lanes: Vec<Address>,
}

/// A walk that was interrupted.
#[derive(Serialize, Deserialize)]
struct Kept {
    deployed_at: u64,
    next: u64,
    hash: alloy::primitives::B256,
    walk: Walk,
}

/// So often an interrupted walk is kept.
const KEEP_EVERY: Duration = Duration::from_secs(5);

/// Compares each payout, balance, claim, lane and limit from the vault's first block to the last that is in the books, and
/// the margin pools there; each payout only, when it begins later. `free`: no keeper runs here, so what the chain decides
/// may be booked.
pub async fn walked(
    line: &Line,
    margin_pools: &[Address],
    from: Option<u64>,
    free: bool,
    progress: impl Fn(u64, u64),
) -> eyre::Result<Walked> {
    let mut moment = line.store.moment().await?;
    let Some(cursor) = moment.cursor().await? else {
        eyre::bail!("no block is in the books yet; start the keeper, or wait for the first final block");
    };
    let tip = line.chain.tip().await?.number;
    let to = cursor.number.min(tip);
    let first = from.unwrap_or(line.deployed_at);
    let (mut at, mut walk) = (first, if from.is_none() { Walk::whole() } else { Walk::default() });
    if from.is_none()
        && let Some(kept) = kept(line, to).await?
    {
        (at, walk) = (kept.next, kept.walk);
        tracing::info!(block = at, "an interrupted comparison goes on");
    }
    let mut kept_at = Instant::now();
    while at <= to {
        let end = to.min(at + line.chain.max_log_range() - 1);
        let end = walk.range(&line.chain, &line.assets, &mut moment, at, end).await?;
        progress(end + 1 - first, to + 1 - first);
        at = end + 1;
        if from.is_none() && kept_at.elapsed() > KEEP_EVERY {
            let hash = line.chain.block(end).await?.hash;
            let kept = Kept { deployed_at: line.deployed_at, next: at, hash, walk: walk.clone() };
            line.store.keep_walk(Some(&serde_json::to_string(&kept)?)).await?;
            kept_at = Instant::now();
        }
    }
    if from.is_none() {
        walk.finish(&line.chain, &line.assets, &mut moment, to).await?;
        walk.differences.extend(pools::compare(&line.chain, &line.assets, margin_pools, to).await?);
        let booked = moment.pools_held().await?;
        walk.differences.extend(pools::compare_books(&line.chain, &line.assets, &booked).await);
    }
    drop(moment);
    if free && from.is_none() {
        heal::late(line, &mut walk).await?;
        line.store.keep_walk(None).await?;
        let open: Vec<_> = walk.differences.iter().filter(|d| !d.healed).cloned().collect();
        line.store.replace_differences(to, now_ms(), &open).await?;
    }
    let ok = walk.differences.iter().all(|d| d.healed);
    let lanes = walk.lanes.into_keys().collect();
    let report =
        Report { ok, from: first, block: to, payouts: Some(walk.payouts), differences: walk.differences };
    Ok(Walked { report, lanes })
}

/// Money that came in without an event is float, where nothing else differs: then it is not a posting that is missing.
pub async fn receive_donations(
    line: &Line,
    balances: &mut Balances,
    block: Block,
    report: &mut Report,
) -> Result<(), StageError> {
    if report.differences.is_empty()
        || report.differences.iter().any(|d| d.class != Class::Donation && !d.healed)
    {
        return Ok(());
    }
    let came = finalize::receive_float(line, balances, block).await?;
    let booked = |d: &Difference| came.iter().any(|c| c.class == d.class && c.asset == d.asset);
    report.differences.retain(|d| !booked(d));
    report.differences.extend(came);
    report.ok = report.differences.iter().all(|d| d.healed);
    let open: Vec<_> = report.differences.iter().filter(|d| !d.healed).cloned().collect();
    Ok(line.store.replace_differences(report.block, now_ms(), &open).await?)
}

/// An interrupted walk over the same chain, if it is not beyond `to`. What the store was then it need not be now: a
/// difference that it saw may be gone, so one that saw any begins again.
async fn kept(line: &Line, to: u64) -> Result<Option<Kept>, StageError> {
    let Some(text) = line.store.kept_walk().await? else { return Ok(None) };
    let Ok(kept) = serde_json::from_str::<Kept>(&text) else { return Ok(None) };
    let whole = kept.walk.differences.is_empty() && kept.deployed_at == line.deployed_at;
    if !whole || kept.next == 0 || kept.next - 1 > to {
        return Ok(None);
    }
    match line.chain.block(kept.next - 1).await {
        Ok(block) if block.hash == kept.hash => Ok(Some(kept)),
        Ok(_) | Err(ChainError::Missing(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
