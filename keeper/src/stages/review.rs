//! Review: a batch of the approved tier is offered to the approvers, and gets its numbers when enough have signed.
//!
//! What is signed fixes the place in the lane: its next number and its head. So reviewed batches have lanes of their own,
//! that pay nothing else, and an offer holds its lane: one at a time, because the head after it depends on the signatures.
//! Instant payouts never wait for a reviewer. Until enough have signed, nothing has a number and nothing can be on its way:
//! an offer that ran out, was refused in part or lost its place is simply dropped, and what is left is offered again. From
//! then on the batch goes the usual way, with the usual voids.

use super::{
    Line, StageError,
    fund::{available, beyond, commit, delay, gas_of, halve_or, hold, wait},
    nonces,
};
use crate::{
    chain::{
        Block, ChainError,
        approvals::{Approvers, Offer},
        calldata,
        refusal::Refusal,
    },
    clock::now_ms,
    domain::{
        batch::{Batch, BatchKind, BatchState},
        reason::Code,
        review::{Approval, Review, ReviewState},
        tier::Tier,
        withdrawal::{Withdrawal, WithdrawalState},
    },
    store::lanes::Lane,
};
use std::collections::HashMap;

/// So many seconds before the deadline an offer has run out: the batch must still come into a block.
pub const LAST_CALL: u64 = 60;

/// Funds what is signed, drops offers that do not stand any more, and makes new ones.
pub(super) async fn step(line: &Line, tip: Block) -> Result<bool, StageError> {
    let open = line.store.open_reviews().await?;
    let mut priced = line.store.batches_in(&[BatchState::Priced]).await?;
    priced.retain(|b| b.tier == Tier::Approved);
    if open.is_empty() && priced.is_empty() {
        return Ok(false);
    }
    let approvers = line.approvers(tip).await?;
    let mut worked = false;
    for review in &open {
        let batch = priced.iter().find(|b| b.row == review.batch);
        worked |= see_to(line, review, batch, &approvers, tip).await?;
    }
    if worked {
        return Ok(true);
    }
    priced.retain(|b| open.iter().all(|r| r.batch != b.row));
    offer_next(line, priced, &open, &approvers, tip).await
}

/// An open offer: it is dropped when it is no longer what would be signed now, and funded when enough have signed.
async fn see_to(
    line: &Line,
    review: &Review,
    batch: Option<&Batch>,
    approvers: &Approvers,
    tip: Block,
) -> Result<bool, StageError> {
    let lane = line.store.lane(review.lane).await?;
    let (Some(batch), Some(lane)) = (batch, lane.filter(|lane| lane.reviewed)) else {
        return close(line, review, ReviewState::Withdrawn, batch).await;
    };
    let withdrawals = line.store.withdrawals_of(batch.row).await?;
    let parties = (line.chain.chain_id, line.chain.vault, approvers.contract);
    let now = Offer::new(parties, (lane.address, lane.position), &withdrawals, review.deadline);
    if now.digest() != review.digest {
        return close(line, review, ReviewState::Withdrawn, Some(batch)).await;
    }
    if tip.timestamp + LAST_CALL >= review.deadline {
        return close(line, review, ReviewState::Expired, Some(batch)).await;
    }
    let mut signed = line.store.approvals(review.row).await?;
    signed.retain(|a| approvers.members.contains(&a.approver) && a.approver != lane.address);
    let needed = usize::try_from(approvers.threshold).unwrap_or(usize::MAX);
    if needed == 0 || signed.len() < needed || batch.retry_at > now_ms() {
        return Ok(false);
    }
    signed.truncate(needed);
    fund(line, review, batch, &lane, (&withdrawals, &signed), tip).await
}

async fn close(
    line: &Line,
    review: &Review,
    state: ReviewState,
    batch: Option<&Batch>,
) -> Result<bool, StageError> {
    let detail = serde_json::json!({ "review": review.row, "batch": review.batch, "state": state });
    let mut unit = line.unit("fund", "review.closed", detail).await?;
    unit.close_review(review.row, state).await?;
    if let Some(batch) = batch {
        unit.delay_batch(batch.row, 0, Code::AboveTier.as_str()).await?;
    }
    unit.commit().await?;
    tracing::warn!(review = review.row, batch = review.batch, state = state.as_str(), "an offer ended");
    Ok(true)
}

/// Enough have signed: the batch gets its numbers, with the signatures in its calldata.
async fn fund(
    line: &Line,
    review: &Review,
    batch: &Batch,
    lane: &Lane,
    (withdrawals, signed): (&[Withdrawal], &[Approval]),
    tip: Block,
) -> Result<bool, StageError> {
    if let Some(pause) = line.store.asset_pauses().await?.iter().find(|p| p.asset == batch.asset) {
        wait(line, batch, &format!("its asset is not settled: {}", pause.reason)).await?;
        return Ok(false);
    }
    let float = available(&line.store, &line.chain, batch.asset, tip).await?;
    if float < batch.total {
        let refusal = Refusal::FloatInsufficient { asked: batch.total, available: float };
        return delay(line, batch, &refusal).await;
    }
    let fits_at = line.chain.fits_at(batch.asset, batch.total, false, tip).await?;
    if fits_at.is_none_or(|at| at > tip.timestamp) {
        return delay(line, batch, &Refusal::AboveLimit { retry_at: fits_at }).await;
    }
    let audit_head = line.store.audit_head().await?;
    let position = review.position;
    let calldata =
        calldata::settle_approved(batch.asset, position, audit_head, withdrawals, review.deadline, signed);
    let (gas, gas_limit) = match gas_of(line, batch, lane.address, &calldata, Some(position)).await {
        Ok(gas) => gas,
        Err(ChainError::Refused(refusal)) => return refused(line, review, batch, &refusal).await,
        Err(error) => return Err(error.into()),
    };
    if !nonces::can_pay(line, lane, gas_limit, tip).await? {
        return Ok(true);
    }
    let closes = Some(review.row);
    commit(line, batch, lane, &calldata, (gas, gas_limit), closes).await?;
    tracing::info!(review = review.row, batch = batch.row, "enough approvers signed: funded");
    Ok(true)
}

/// The vault would not take it. A signature that does not count any more, as of a contract that changed its mind, is
/// dropped: another may take its place.
async fn refused(line: &Line, review: &Review, batch: &Batch, refusal: &Refusal) -> Result<bool, StageError> {
    let Refusal::NotApproved { approver } = refusal else { return delay(line, batch, refusal).await };
    let detail = serde_json::json!({ "review": review.row, "approver": approver });
    let mut unit = line.unit("fund", "approval.dropped", detail).await?;
    unit.drop_approval(review.row, *approver).await?;
    unit.commit().await?;
    tracing::warn!(review = review.row, %approver, "a signature does not count any more: dropped");
    Ok(true)
}

/// Offers a batch on each reviewed lane that is free: first those that were not offered for longest.
async fn offer_next(
    line: &Line,
    mut waiting: Vec<Batch>,
    open: &[Review],
    approvers: &Approvers,
    tip: Block,
) -> Result<bool, StageError> {
    waiting.retain(|b| b.retry_at <= now_ms());
    if waiting.is_empty() {
        return Ok(false);
    }
    let last: HashMap<i64, i64> = line.store.last_offers().await?;
    waiting.sort_by_key(|b| (last.get(&b.row).copied().unwrap_or(0), b.row));
    let lanes = line.store.lanes().await?;
    if approvers.threshold == 0 || lanes.iter().all(|l| !l.reviewed) {
        let why = match approvers.threshold {
            0 => "no approvers are set on chain; governance sets them",
            _ => "no lane pays reviewed batches; write reviewed = true for one in [[lanes]]",
        };
        for batch in &waiting {
            wait(line, batch, &format!("{}: {why}", Code::AboveTier)).await?;
        }
        return Ok(false);
    }
    let mut worked = false;
    let mut waiting = waiting.into_iter();
    for lane in lanes {
        if !lane.reviewed || open.iter().any(|r| r.lane == lane.address) || !is_free(line, &lane, tip).await?
        {
            continue;
        }
        let Some(batch) = waiting.next() else { break };
        worked |= offer(line, &batch, &lane, approvers, tip).await?;
    }
    for batch in waiting {
        let why = format!("{}: the reviewed lanes are taken by what was offered before", Code::AboveTier);
        wait(line, &batch, &why).await?;
    }
    Ok(worked)
}

/// Whether a batch can be offered at the lane's place: nothing is on its way there that would move it.
async fn is_free(line: &Line, lane: &Lane, tip: Block) -> Result<bool, StageError> {
    if lane.fencing_since.is_some()
        || lane.gas_needed.is_some()
        || !line.live_lanes().await?.contains(&lane.address)
    {
        return Ok(false);
    }
    let on_the_way = [BatchState::Funded, BatchState::Signed, BatchState::Broadcast, BatchState::Mined];
    let moves = |b: &Batch| {
        b.content.as_ref().is_some_and(|c| c.lane == lane.address)
            && (b.state != BatchState::Mined || b.kind == BatchKind::Void)
    };
    if line.store.batches_in(&on_the_way).await?.iter().any(moves) {
        return Ok(false);
    }
    let chain = line.chain.lane(lane.address, tip.number).await?;
    Ok(chain.enabled && chain.position == lane.position)
}

async fn offer(
    line: &Line,
    batch: &Batch,
    lane: &Lane,
    approvers: &Approvers,
    tip: Block,
) -> Result<bool, StageError> {
    let withdrawals = line.store.withdrawals_of(batch.row).await?;
    // Nobody is asked to sign what could not be paid.
    let float = available(&line.store, &line.chain, batch.asset, tip).await?;
    let short = beyond(&withdrawals, float);
    if !short.is_empty() {
        hold(line, batch, &short, float).await?;
        return Ok(true);
    }
    // A limit that was raised made it instant: it is gathered again.
    let tiers = line.tiers(batch.asset, Some(tip)).await?;
    let other: Vec<_> = withdrawals.iter().filter(|w| tiers.of(w.amount) != batch.tier).cloned().collect();
    if !other.is_empty() {
        let detail = serde_json::json!({ "batch": batch.row, "out": other.len() });
        let mut unit = line.unit("fund", "tier.changed", detail).await?;
        unit.take_out_of_batch(batch, &other, WithdrawalState::Ready, None).await?;
        unit.commit().await?;
        return Ok(true);
    }
    if line.chain.fits_at(batch.asset, batch.total, false, tip).await?.is_none() {
        return halve_or(line, batch, &withdrawals, &Refusal::AboveLimit { retry_at: None }).await;
    }
    let deadline = tip.timestamp + line.review.deadline.as_secs();
    let parties = (line.chain.chain_id, line.chain.vault, approvers.contract);
    let offer = Offer::new(parties, (lane.address, lane.position), &withdrawals, deadline);
    let digest = offer.digest();
    if line.chain.digest_of(&offer, tip.number).await? != digest {
        let why = format!("{}: the approvers' contract signs another form", Code::AboveTier);
        wait(line, batch, &why).await?;
        return Ok(false);
    }
    let review = Review {
        row: 0,
        batch: batch.row,
        state: ReviewState::Open,
        lane: lane.address,
        position: lane.position,
        approvers: approvers.contract,
        threshold: approvers.threshold,
        deadline,
        digest,
        created_at: 0,
    };
    let detail = serde_json::json!({
        "batch": batch.row, "lane": lane.address, "first": lane.position.next, "digest": digest, "deadline": deadline,
    });
    let mut unit = line.unit("fund", "review.offered", detail).await?;
    // What left the batch meanwhile is not in what is signed.
    if unit.batch(batch.row).await? != *batch {
        return Ok(true);
    }
    let review = unit.open_review(&review).await?;
    unit.delay_batch(batch.row, 0, &review.words(0)).await?;
    unit.commit().await?;
    tracing::info!(review = review.row, batch = batch.row, lane = %lane.address, "offered to the approvers");
    Ok(true)
}
