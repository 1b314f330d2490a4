//! Announce: an order of the delayed tier is said on chain, waits, and is paid by the lane that announced it.
//!
//! An announcement is a batch of its own, durable before it is sent like every other. Once it is in a final block the order
//! waits, ready, for its delay; then it is gathered like others, and gets its number as late as they do, so that nothing in
//! its lane waits for it. A veto in a final block rejects it. What was not paid before the vault forgets it is announced
//! again.

use super::{
    Line, StageError, Worked,
    batch::{ASKED_PAYOUTS, plan},
};
use crate::{
    chain::Block,
    clock::now_ms,
    domain::{
        announcement::Announcement,
        asset::Asset,
        batch::{Batch, BatchKind},
        reason::Code,
        tier::Tier,
        withdrawal::{Door, Withdrawal, WithdrawalState},
    },
    store::reviews::Objection,
};
use alloy::primitives::Address;
use std::collections::{BTreeMap, HashMap, HashSet};

/// How many orders of an asset are looked at in one step.
const PAGE: usize = 500;
/// How many of them are announced in one step.
const AT_ONCE: usize = 16;

/// Rejects what was vetoed, gathers what is payable, and announces the rest.
pub(super) async fn step(line: &Line, tip: Block) -> Result<bool, StageError> {
    let mut worked = Worked::Idle;
    for asset in line.assets.iter() {
        let tiers = line.tiers(asset.address, Some(tip)).await?;
        let Some(amounts) = tiers.amounts(Tier::Delayed) else { continue };
        let mut ready = line.store.ready(asset.address, Door::Order, &amounts, PAGE).await?;
        // The deadline stage releases them.
        ready.retain(|w| !w.is_overdue(now_ms(), line.policy.deadline_ms()));
        if !ready.is_empty() && see_to(line, asset, ready, tip).await? {
            worked = Worked::Yes;
        }
    }
    Ok(worked == Worked::Yes)
}

async fn see_to(line: &Line, asset: &Asset, ready: Vec<Withdrawal>, tip: Block) -> Result<bool, StageError> {
    let live = line.live_lanes().await?;
    let mut known: HashMap<i64, Vec<Announcement>> = HashMap::new();
    for announcement in line.store.announcements(&ready).await? {
        known.entry(announcement.withdrawal).or_default().push(announcement);
    }
    let mut payable: BTreeMap<Address, Vec<Withdrawal>> = BTreeMap::new();
    let (mut unannounced, mut worked) = (Vec::new(), false);
    for order in ready {
        let of = known.remove(&order.row).unwrap_or_default();
        if let Some(guardian) = of.iter().find_map(|a| a.vetoed_by) {
            reject(line, order, guardian).await?;
            worked = true;
            continue;
        }
        match of.iter().find(|a| a.stands(tip.timestamp) && live.contains(&a.lane)) {
            Some(a) if a.payable_from <= tip.timestamp => payable.entry(a.lane).or_default().push(order),
            Some(_) => {}
            None => unannounced.push(order),
        }
    }
    unannounced.truncate(AT_ONCE);
    let payments = payable.values().flat_map(|orders| orders.chunks(ASKED_PAYOUTS));
    let payments = payments.map(|orders| (BatchKind::Orders, orders));
    let announcements = unannounced.chunks(1).map(|order| (BatchKind::Announce, order));
    for (kind, orders) in payments.chain(announcements) {
        let detail = serde_json::json!({
            "asset": asset.symbol, "kind": kind.as_str(), "tier": Tier::Delayed.as_str(), "count": orders.len(),
        });
        plan(line, "fund", detail, (kind, Tier::Delayed), orders).await?;
        worked = true;
    }
    Ok(worked)
}

async fn reject(line: &Line, order: Withdrawal, guardian: Address) -> Result<(), StageError> {
    let (by, reason) = (guardian.to_string(), format!("vetoed on chain by guardian {guardian}"));
    let detail = serde_json::json!({ "withdrawal": order.id, "guardian": guardian });
    let mut unit = line.unit("fund", "withdrawal.vetoed", detail).await?;
    tracing::warn!(withdrawal = %order.id, trace_id = %order.trace_id, %guardian, "vetoed: rejected, never paid");
    unit.reject(&mut [order], Code::Vetoed, Objection { reason: &reason, by: Some(&by) }).await?;
    Ok(unit.commit().await?)
}

/// The lane that announced all orders of a batch and may still pay them. What it may not is taken out of the batch: none,
/// and the batch is another now.
pub(super) async fn lane_of(line: &Line, batch: &Batch, tip: Block) -> Result<Option<Address>, StageError> {
    let orders = line.store.withdrawals_of(batch.row).await?;
    let announcements = line.store.announcements(&orders).await?;
    let standing = |order: &Withdrawal| -> HashSet<Address> {
        let of = announcements.iter().filter(|a| a.withdrawal == order.row);
        let vetoed = of.clone().any(|a| a.vetoed_by.is_some());
        of.filter(|a| !vetoed && a.stands(tip.timestamp)).map(|a| a.lane).collect()
    };
    let lane = orders.first().and_then(|first| standing(first).into_iter().min());
    let out: Vec<_> =
        orders.into_iter().filter(|o| lane.is_none_or(|lane| !standing(o).contains(&lane))).collect();
    if out.is_empty() {
        return Ok(lane);
    }
    take_out(line, batch, &out, false).await?;
    Ok(None)
}

/// Orders of a batch without numbers go back, because what was announced of them does not count (`lapsed`), or not here.
pub(super) async fn take_out(
    line: &Line,
    batch: &Batch,
    out: &[Withdrawal],
    lapsed: bool,
) -> Result<(), StageError> {
    let detail = serde_json::json!({ "batch": batch.row, "out": out.len(), "lapsed": lapsed });
    let mut unit = line.unit("fund", "announcement.lapsed", detail).await?;
    if lapsed {
        unit.lapse(out).await?;
    }
    unit.take_out_of_batch(batch, out, WithdrawalState::Ready, Some(Code::AwaitsAnnouncement)).await?;
    Ok(unit.commit().await?)
}
