//! Fund: a batch is covered by the float, and gets its lane, its numbers and its calldata, for good.
//!
//! What the float does not cover is held, without holding up the rest, and is refused when it has been held for too
//! long. [`crate::swap`] buys what is missing, beside all this, and [`cold`](super::cold) is asked for the rest.

use super::{BATCH_OVERHEAD, Line, StageError, Worked, announce, deadline, log, nonces, policy, review};
use crate::{
    chain::{Block, Chain, ChainError, calldata, refusal::Refusal},
    clock::now_ms,
    config::AfterHold,
    domain::{
        amount::Amount,
        batch::{Batch, BatchKind, BatchState, Content},
        lane::{Head, LanePosition},
        reason::Code,
        review::ReviewState,
        tier::Tier,
        withdrawal::{Door, Withdrawal, WithdrawalState},
    },
    store::{Store, estimates::KeptEstimate, lanes::Lane},
};
use alloy::primitives::{Address, Bytes};
use std::collections::HashMap;

/// How long a batch waits before it is tried again, when the vault refuses it for a reason that passes by itself.
const RETRY_MS: i64 = 2_000;
/// How many held withdrawals are looked at in one step.
const PAGE: usize = 1_000;

/// Funds the oldest priced batch that can be, and reviews what is held.
pub async fn step(line: &Line) -> Result<Worked, StageError> {
    if line.fenced().await? {
        return Ok(Worked::Idle);
    }
    let tip = line.chain.tip().await?;
    let mut worked = review_held(line, tip).await?;
    worked |= review::step(line, tip).await? | announce::step(line, tip).await?;
    let paused = line.store.asset_pauses().await?;
    for batch in line.store.batches_in(&[BatchState::Priced]).await? {
        if batch.retry_at > now_ms() || batch.tier == Tier::Approved {
            continue;
        }
        if let Some(pause) = paused.iter().find(|p| p.asset == batch.asset) {
            wait(line, &batch, &format!("its asset is not settled: {}", pause.reason)).await?;
            continue;
        }
        if batch.kind == BatchKind::Orders && batch.tier == Tier::Delayed {
            worked |= fund_announced(line, &batch, tip).await?;
            continue;
        }
        let Some(lane) = pick_lane(line, tip, None).await? else {
            tell_why_no_lane(line, &batch).await?;
            break;
        };
        worked |= fund(line, &batch, &lane, tip).await?;
    }
    Ok(worked.into())
}

/// Only the lane that announced it may pay it.
async fn fund_announced(line: &Line, batch: &Batch, tip: Block) -> Result<bool, StageError> {
    let Some(address) = announce::lane_of(line, batch, tip).await? else { return Ok(true) };
    match pick_lane(line, tip, Some(address)).await? {
        Some(lane) => fund(line, batch, &lane, tip).await,
        None => {
            wait(line, batch, &format!("{}: lane {address} has no room yet", Code::AwaitsFunding)).await?;
            Ok(false)
        }
    }
}

/// The enabled lane that a keeper works for with the fewest batches on the way, if one has room; or this one.
async fn pick_lane(line: &Line, tip: Block, only: Option<Address>) -> Result<Option<Lane>, StageError> {
    let open =
        line.store.batches_in(&[BatchState::Funded, BatchState::Signed, BatchState::Broadcast]).await?;
    let mut open_voids = line.store.batches_in(&[BatchState::Mined]).await?;
    open_voids.extend(open.iter().cloned());
    open_voids.retain(|b| b.kind == BatchKind::Void);
    let load =
        |lane: Address| open.iter().filter(|b| b.content.as_ref().is_some_and(|c| c.lane == lane)).count();
    let voiding =
        |lane: Address| open_voids.iter().any(|b| b.content.as_ref().is_some_and(|c| c.lane == lane));
    let live = line.live_lanes().await?;
    let offered = line.store.open_reviews().await?;
    let mut lanes: Vec<_> = line
        .store
        .lanes()
        .await?
        .into_iter()
        .filter(|l| live.contains(&l.address) && !l.reviewed && only.is_none_or(|only| l.address == only))
        .filter(|l| offered.iter().all(|r| r.lane != l.address))
        // Numbers after a void that is not final would build on a head that is about to go.
        .filter(|l| l.gas_needed.is_none() && !voiding(l.address))
        .collect();
    lanes.sort_by_key(|l| load(l.address));
    for lane in lanes {
        if load(lane.address) >= line.batch.max_in_flight {
            return Ok(None);
        }
        if line.chain.lane(lane.address, tip.number).await?.enabled {
            return Ok(Some(lane));
        }
        tracing::warn!(lane = %lane.address, "lane is disabled on chain and set aside; governance enables it");
    }
    Ok(None)
}

/// A batch that waits for a lane says so, where that is not the usual wait behind others.
async fn tell_why_no_lane(line: &Line, batch: &Batch) -> Result<(), StageError> {
    if line.store.lanes().await?.iter().any(|l| l.gas_needed.is_some()) {
        wait(
            line,
            batch,
            "lane_out_of_gas: every lane with room is short of money for gas; send it the chain's coin",
        )
        .await?;
    }
    Ok(())
}

/// A batch waits, and says why.
pub(super) async fn wait(line: &Line, batch: &Batch, reason: &str) -> Result<(), StageError> {
    if batch.reason.as_deref() != Some(reason) {
        let detail = serde_json::json!({ "batch": batch.row, "reason": reason });
        let mut unit = line.unit("fund", "batch.delayed", detail).await?;
        unit.delay_batch(batch.row, 0, reason).await?;
        unit.commit().await?;
    }
    Ok(())
}

async fn fund(line: &Line, batch: &Batch, lane: &Lane, tip: Block) -> Result<bool, StageError> {
    let withdrawals = line.store.withdrawals_of(batch.row).await?;
    // The last moment: once it has a number, only a void gives it back.
    if deadline::release_from(line, batch, &withdrawals).await? {
        return Ok(true);
    }
    // Nor is announced what there is no money for.
    if matches!(batch.kind, BatchKind::Orders | BatchKind::Announce) {
        let available = available(&line.store, &line.chain, batch.asset, tip).await?;
        let short = beyond(&withdrawals, available);
        if !short.is_empty() {
            hold(line, batch, &short, available).await?;
            return Ok(true);
        }
    }

    // A batch far beyond its limit would not be refused: it would trip the breaker.
    let instant = batch.kind == BatchKind::Orders && batch.tier == Tier::Instant;
    let fits_at = line.chain.fits_at(batch.asset, batch.total, instant, tip).await?;
    // What is announced need not fit before its delay is over.
    let in_time = |at| batch.kind == BatchKind::Announce || at <= tip.timestamp;
    if !fits_at.is_some_and(in_time) {
        let refusal = Refusal::AboveLimit { retry_at: fits_at };
        return halve_or(line, batch, &withdrawals, &refusal).await;
    }

    let audit_head = line.store.audit_head().await?;
    let position = lane.position;
    let numbered = batch.kind.is_numbered();
    let calldata = match (batch.kind, batch.tier, withdrawals.first()) {
        (BatchKind::Announce, _, Some(order)) => calldata::announce(order),
        (BatchKind::Orders, Tier::Delayed, _) => {
            calldata::settle_announced(batch.asset, position, audit_head, &withdrawals)
        }
        (BatchKind::Orders, ..) => calldata::settle(batch.asset, position, audit_head, &withdrawals),
        _ => calldata::settle_requests(batch.asset, audit_head, &withdrawals),
    };
    let at = numbered.then_some(position);
    let (gas, gas_limit) = match gas_of(line, batch, lane.address, &calldata, at).await {
        Ok(gas) => gas,
        // The limit was lowered since it was gathered: its withdrawals are gathered again, each in its tier.
        Err(ChainError::Refused(Refusal::AboveTier { .. })) => {
            line.forget_tiers().await;
            let detail = serde_json::json!({ "batch": batch.row });
            let mut unit = line.unit("fund", "tier.changed", detail).await?;
            unit.take_out_of_batch(batch, &withdrawals, WithdrawalState::Ready, None).await?;
            unit.commit().await?;
            return Ok(true);
        }
        Err(ChainError::Refused(Refusal::Lapsed(_))) if batch.tier == Tier::Delayed => {
            announce::take_out(line, batch, &withdrawals, true).await?;
            return Ok(true);
        }
        Err(ChainError::Refused(refusal)) if refusal.is_smaller_better() => {
            return halve_or(line, batch, &withdrawals, &refusal).await;
        }
        Err(ChainError::Refused(refusal)) => return delay(line, batch, &refusal).await,
        Err(error) => return Err(error.into()),
    };
    if !nonces::can_pay(line, lane, gas_limit, tip).await? {
        return Ok(true);
    }
    commit(line, batch, lane, &calldata, (gas, gas_limit), None).await?;
    Ok(true)
}

/// Fixes a batch's content at the lane's place, for good; with the review that it was, where it was one.
pub(super) async fn commit(
    line: &Line,
    batch: &Batch,
    lane: &Lane,
    calldata: &Bytes,
    (gas, gas_limit): (u64, u64),
    review: Option<i64>,
) -> Result<(), StageError> {
    let (position, numbered) = (lane.position, batch.kind.is_numbered());
    let estimate = line.fees_now(line.fees.policy).await?;
    let kept = KeptEstimate { gas: gas.div_ceil(batch.count.max(1)), estimate, at: now_ms() };

    let after = position.after(batch.count, calldata);
    let content = Content {
        lane: lane.address,
        first: if numbered { position.next } else { 0 },
        head_after: if numbered { after.head } else { Head::ZERO },
        gas_limit,
    };
    let detail = serde_json::json!({
        "batch": batch.row, "lane": lane.address, "first": content.first, "count": batch.count, "gas": gas,
    });
    let mut unit = line.unit("fund", "batch.funded", detail).await?;
    if let Some(review) = review {
        unit.close_review(review, ReviewState::Approved).await?;
    }
    unit.fund_batch(batch, &content, calldata, None).await?;
    if batch.tier == Tier::Instant {
        unit.put_estimate(batch.asset, &kept).await?;
    }
    if numbered {
        unit.move_lane_position(lane, after).await?;
    }
    unit.commit().await?;
    crate::crash::point("batch.committed");
    tracing::info!(batch = batch.row, lane = %content.lane, first = content.first, "batch funded");
    Ok(())
}

/// The gas that a batch takes, and its limit. One simulation under the limit is enough while the asset's payouts are
/// known; when they are not, or the limit is too low for it, the chain estimates.
pub(super) async fn gas_of(
    line: &Line,
    batch: &Batch,
    lane: Address,
    calldata: &Bytes,
    position: Option<LanePosition>,
) -> Result<(u64, u64), ChainError> {
    let max_gas = line.batch.max_gas;
    // What is learned is of the packed form, which the instant tier alone has.
    let learns = batch.tier == Tier::Instant && batch.kind != BatchKind::Announce;
    if learns && let Some(expected) = line.gas.expected(batch.asset, batch.count) {
        let limit = with_margin(expected + BATCH_OVERHEAD, max_gas);
        match line.chain.simulate(lane, calldata, position, limit).await {
            // Gas that ends behind the proxy is a revert without a word. The estimate tells the two apart.
            Err(ChainError::Refused(Refusal::TooMuchGas | Refusal::Other(_))) => {}
            simulated => return simulated.map(|()| (expected.min(limit), limit)),
        }
    }
    let gas = line.chain.estimate(lane, calldata, position).await?;
    if gas > max_gas {
        return Err(Refusal::TooMuchGas.into());
    }
    if learns {
        line.gas.learn(batch.asset, batch.count, gas);
    }
    Ok((gas, with_margin(gas, max_gas)))
}

/// A tenth and a little above the estimate: recipients and the chain's state may change before it is mined.
pub(super) fn with_margin(gas: u64, max_gas: u64) -> u64 {
    (gas + gas / 10 + 50_000).min(max_gas)
}

/// The float, less what batches on the way will take from it.
pub async fn available(
    store: &Store,
    chain: &Chain,
    asset: Address,
    tip: Block,
) -> Result<Amount, StageError> {
    let float = chain.float(asset, tip.number).await?;
    let taken: Amount = store
        .batches_in(&[BatchState::Funded, BatchState::Signed, BatchState::Broadcast])
        .await?
        .iter()
        .filter(|b| b.asset == asset && b.kind == BatchKind::Orders)
        .map(|b| b.total)
        .sum();
    Ok(float.saturating_sub(taken))
}

/// The held orders that wait for an asset.
pub fn due(asset: Address, held: &[Withdrawal]) -> impl Iterator<Item = &Withdrawal> {
    held.iter().filter(move |w| {
        let short = matches!(w.reason, Some(Code::FloatInsufficient | Code::RefillFailed));
        w.asset == asset && w.door == Door::Order && short
    })
}

/// The withdrawals that `available` does not cover, taking the others in order.
pub(super) fn beyond(withdrawals: &[Withdrawal], available: Amount) -> Vec<Withdrawal> {
    let mut left = available;
    let mut short = Vec::new();
    for withdrawal in withdrawals {
        if withdrawal.amount <= left {
            left = left.saturating_sub(withdrawal.amount);
        } else {
            short.push(withdrawal.clone());
        }
    }
    short
}

pub(super) async fn hold(
    line: &Line,
    batch: &Batch,
    short: &[Withdrawal],
    available: Amount,
) -> Result<(), StageError> {
    let detail = serde_json::json!({
        "batch": batch.row, "held": short.len(), "available": available.to_string(),
    });
    let code = match line.store.refill_trouble(batch.asset).await? {
        Some(_) => Code::RefillFailed,
        None => Code::FloatInsufficient,
    };
    let mut unit = line.unit("fund", "withdrawals.held", detail).await?;
    unit.take_out_of_batch(batch, short, WithdrawalState::Held, Some(code)).await?;
    unit.commit().await?;
    tracing::warn!(batch = batch.row, held = short.len(), "float insufficient: withdrawals held");
    log::tell(batch.row, short, "out of the batch: held");
    Ok(())
}

/// The batch does not fit: its later half waits for another. A single withdrawal waits as it is, with the reason.
pub(super) async fn halve_or(
    line: &Line,
    batch: &Batch,
    withdrawals: &[Withdrawal],
    refusal: &Refusal,
) -> Result<bool, StageError> {
    if withdrawals.len() < 2 {
        return delay(line, batch, refusal).await;
    }
    let later = &withdrawals[withdrawals.len().div_ceil(2)..];
    let detail = serde_json::json!({ "batch": batch.row, "out": later.len() });
    let mut unit = line.unit("fund", "batch.halved", detail).await?;
    unit.take_out_of_batch(batch, later, WithdrawalState::Ready, None).await?;
    unit.commit().await?;
    log::tell(batch.row, later, "out of the batch: for another");
    Ok(true)
}

pub(super) async fn delay(line: &Line, batch: &Batch, refusal: &Refusal) -> Result<bool, StageError> {
    let reason = refusal.to_string();
    tracing::warn!(batch = batch.row, %reason, "batch waits");
    let mut unit = line
        .unit("fund", "batch.delayed", serde_json::json!({ "batch": batch.row, "reason": reason }))
        .await?;
    unit.delay_batch(batch.row, now_ms() + RETRY_MS, &reason).await?;
    unit.commit().await?;
    Ok(false)
}

/// Held withdrawals that the float covers now are ready again; those held for too long are refused.
async fn review_held(line: &Line, tip: Block) -> Result<bool, StageError> {
    let held = line.store.waiting(WithdrawalState::Held, PAGE).await?;
    let mut left: HashMap<Address, Amount> = HashMap::new();
    let (mut covered, mut expired) = (Vec::new(), Vec::new());
    let (mut dear, held): (Vec<_>, Vec<_>) =
        held.into_iter().partition(|w| w.reason == Some(Code::FeeAboveShare));
    let mut given_up = Vec::new();
    if !dear.is_empty() {
        let fees = policy::fees_of_payouts(line, &dear).await?;
        let waited = |w: &Withdrawal| now_ms() - w.received_at > line.fees.hold_ms();
        dear.retain(|w| waited(w) || !fees.as_ref().is_some_and(|f| f.is_too_dear(w)));
        if line.fees.after_hold == AfterHold::Reject {
            let still = |w: &Withdrawal| fees.as_ref().is_some_and(|f| f.is_too_dear(w));
            (given_up, dear) = dear.into_iter().partition(|w| still(w));
        }
    }
    for withdrawal in held {
        let available = match left.get(&withdrawal.asset) {
            Some(amount) => *amount,
            None => available(&line.store, &line.chain, withdrawal.asset, tip).await?,
        };
        let fits = withdrawal.amount <= available;
        let taken = if fits { withdrawal.amount } else { Amount::ZERO };
        left.insert(withdrawal.asset, available.saturating_sub(taken));
        if fits {
            covered.push(withdrawal);
        } else if now_ms() - withdrawal.received_at > line.policy.hold_timeout_ms() {
            expired.push(withdrawal);
        }
    }
    covered.append(&mut dear);
    if covered.is_empty() && expired.is_empty() && given_up.is_empty() {
        return Ok(false);
    }
    let detail = serde_json::json!({ "covered": covered.len(), "expired": expired.len() + given_up.len() });
    let mut unit = line.unit("fund", "held.reviewed", detail).await?;
    unit.move_withdrawals(&covered, WithdrawalState::Ready, None).await?;
    unit.move_withdrawals(&expired, WithdrawalState::Rejected, Some(Code::HoldExpired)).await?;
    unit.move_withdrawals(&given_up, WithdrawalState::Rejected, Some(Code::FeeHoldExpired)).await?;
    unit.commit().await?;
    Ok(true)
}
