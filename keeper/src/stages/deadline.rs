//! Deadline: an order that was not paid in time is released to its owner instead.
//!
//! Without a number it is released at once. With one, the chain could still pay it: a void takes the place of its batch's
//! transaction, under the same nonce, so that only one of the two can be mined. When the void is final the batch
//! dissolves, and what is overdue is released; the others get new numbers. When the payment was first, it stands.

use super::{Line, StageError, Worked, sign};
use crate::{
    chain::calldata,
    clock::now_ms,
    domain::{
        batch::{Batch, BatchKind, BatchState, Content},
        fees::FeePolicy,
        reason::Code,
        withdrawal::{Withdrawal, WithdrawalState},
    },
    store::{Unit, lanes::Lane},
};
use alloy::primitives::Address;

/// How many withdrawals one change covers.
const PAGE: usize = 1_000;
/// More than a void ever needs.
pub(super) const VOID_GAS: u64 = 150_000;

/// Releases what is overdue and has no number, and sees that voids are on their way for what has one.
pub async fn step(line: &Line) -> Result<Worked, StageError> {
    let now = now_ms();
    let by_age = line.policy.deadline_ms() > 0;
    if !by_age && line.store.earliest_deadline().await?.is_none_or(|at| at > now) {
        return Ok(Worked::Idle);
    }
    // What the books do not know yet may have been paid.
    if line.fenced().await? {
        return Ok(Worked::Idle);
    }
    let mut worked = line.leads() && release_overdue(line, now).await?;
    for lane in line.store.lanes().await? {
        if lane.fencing_since.is_none() && line.holds(lane.address) {
            worked |= void_overdue(line, &lane, now).await?;
        }
    }
    Ok(worked.into())
}

/// What is overdue and has no number. One keeper decides: see [`leases`](crate::store::leases).
async fn release_overdue(line: &Line, now: i64) -> Result<bool, StageError> {
    let by_age = line.policy.deadline_ms() > 0;
    let mut worked = false;
    for state in [WithdrawalState::Received, WithdrawalState::Held, WithdrawalState::Ready] {
        let mut overdue = line.store.past_deadline(state, now, PAGE).await?;
        if by_age && overdue.is_empty() {
            overdue = line.store.waiting(state, PAGE).await?;
        }
        overdue.retain(|w| w.is_overdue(now, line.policy.deadline_ms()));
        worked |= release(line, &overdue).await?;
    }
    for batch in line.store.batches_in(&[BatchState::Planned, BatchState::Priced]).await? {
        let withdrawals = line.store.withdrawals_of(batch.row).await?;
        worked |= release_from(line, &batch, &withdrawals).await?;
    }
    Ok(worked)
}

/// Withdrawals of one state that have no number.
async fn release(line: &Line, overdue: &[Withdrawal]) -> Result<bool, StageError> {
    if overdue.is_empty() {
        return Ok(false);
    }
    let detail = serde_json::json!({ "released": overdue.len() });
    let mut unit = line.unit("deadline", "withdrawals.released", detail).await?;
    unit.move_withdrawals(overdue, WithdrawalState::Rejected, Some(Code::DeadlinePassed)).await?;
    unit.commit().await?;
    crate::crash::point("deadline.released");
    tell(overdue);
    Ok(true)
}

/// Takes what is overdue out of a batch that has no numbers yet, and releases it.
pub(super) async fn release_from(
    line: &Line,
    batch: &Batch,
    withdrawals: &[Withdrawal],
) -> Result<bool, StageError> {
    let now = now_ms();
    let mut overdue: Vec<_> =
        withdrawals.iter().filter(|w| w.is_overdue(now, line.policy.deadline_ms())).cloned().collect();
    if overdue.is_empty() {
        return Ok(false);
    }
    let detail = serde_json::json!({ "batch": batch.row, "released": overdue.len() });
    let mut unit = line.unit("deadline", "withdrawals.released", detail).await?;
    let why = Some(Code::DeadlinePassed);
    unit.take_out_of_batch(batch, &overdue, WithdrawalState::Ready, why).await?;
    for withdrawal in &mut overdue {
        withdrawal.state = WithdrawalState::Ready;
    }
    unit.move_withdrawals(&overdue, WithdrawalState::Rejected, why).await?;
    unit.commit().await?;
    crate::crash::point("deadline.released");
    tell(&overdue);
    Ok(true)
}

fn tell(released: &[Withdrawal]) {
    for withdrawal in released {
        tracing::warn!(id = %withdrawal.id, trace = %withdrawal.trace_id, "deadline passed: released, never paid");
    }
}

/// Voids the lane's next number when the batch that holds it is overdue, or holds up one that is.
async fn void_overdue(line: &Line, lane: &Lane, now: i64) -> Result<bool, StageError> {
    let waiting = [BatchState::Funded, BatchState::Signed, BatchState::Broadcast];
    let open = line.store.batches_in(&[&waiting[..], &[BatchState::Mined]].concat()).await?;
    let of_lane = |b: &&Batch| b.content.as_ref().is_some_and(|c| c.lane == lane.address);
    if open.iter().filter(of_lane).any(|b| b.kind == BatchKind::Void) {
        return Ok(false);
    }
    let mut orders: Vec<&Batch> = open
        .iter()
        .filter(of_lane)
        .filter(|b| b.kind == BatchKind::Orders && waiting.contains(&b.state))
        .collect();
    orders.sort_by_key(|b| b.end());
    let mut overdue = None;
    for (at, batch) in orders.iter().enumerate() {
        let withdrawals = line.store.withdrawals_of(batch.row).await?;
        if withdrawals.iter().any(|w| w.is_overdue(now, line.policy.deadline_ms())) {
            overdue = Some(at);
            break;
        }
    }
    let (Some(at), Some(front)) = (overdue, orders.first()) else { return Ok(false) };
    // What is before it is let through, unless it is stuck itself.
    if at > 0 && now - front.created_at < line.fees.bump_after_ms() {
        return Ok(false);
    }
    plan_void(line, lane, front).await
}

async fn plan_void(line: &Line, lane: &Lane, front: &Batch) -> Result<bool, StageError> {
    let tip = line.chain.tip().await?;
    let chain = line.chain.lane(lane.address, tip.number).await?;
    let first = front.content.as_ref().map(|c| c.first);
    if !chain.enabled || first != Some(chain.position.next) {
        // Mined, or another batch is before it on chain: the next block tells more.
        return Ok(false);
    }
    let calldata = calldata::void_next(lane.address, chain.position);
    let content = Content {
        lane: lane.address,
        first: chain.position.next,
        head_after: chain.position.after(1, &calldata).head,
        gas_limit: VOID_GAS,
    };
    let place = place_of(line, front, lane.address).await?;
    let detail = serde_json::json!({ "lane": lane.address, "number": content.first, "batch": front.row });
    let mut unit = line.unit("void", "number.voided", detail).await?;
    if !still_waits(&mut unit, front).await? {
        return Ok(false);
    }
    let row = unit.plan_void(&content, &calldata, Code::DeadlinePassed.as_str()).await?;
    match place {
        // Never signed: no transaction of it can be on its way, and the void goes the usual way.
        Place::Free => unit.commit().await?,
        Place::AtCeiling => {
            tracing::warn!(lane = %lane.address, "a void for a passed deadline waits: fees.max_fee_gwei allows none");
            return Ok(false);
        }
        Place::Nonce(nonce, fees) => {
            let void = unit.batch(row).await?;
            if !sign::sign_here(line, &mut unit, &void, nonce, fees).await? {
                return Ok(false);
            }
            sign::commit_before_sending(line, unit).await?;
        }
    }
    crate::crash::point("deadline.void.committed");
    tracing::warn!(lane = %lane.address, number = content.first, batch = front.row, "deadline passed: voiding the number");
    Ok(true)
}

async fn still_waits(unit: &mut Unit, front: &Batch) -> Result<bool, StageError> {
    Ok(unit.batch(front.row).await?.state == front.state)
}

/// Where a void can stop a batch.
enum Place {
    /// Nothing of the batch was signed, or all that was is dead.
    Free,
    /// In the place of its newest attempt, with fees that replace all offered there.
    Nonce(u64, crate::domain::fees::Fees),
    AtCeiling,
}

async fn place_of(line: &Line, front: &Batch, lane: Address) -> Result<Place, StageError> {
    use crate::domain::batch::AttemptState;
    let attempts = line.store.attempts(front.row).await?;
    let Some(newest) = attempts.iter().rev().find(|a| a.state != AttemptState::Dead) else {
        return Ok(Place::Free);
    };
    let now = line.fees_now(FeePolicy::Urgent).await?.fees;
    let offered = line.store.fees_offered(lane, newest.nonce).await?.unwrap_or(newest.fees());
    let fees = offered.replacement(now, line.fees.max_fee_wei());
    Ok(fees.map_or(Place::AtCeiling, |fees| Place::Nonce(newest.nonce, fees)))
}
