//! Deadline: an order that was not paid in time is released to its owner instead.
//!
//! Without a number it is released at once. With one, the chain could still pay it: a void takes the place of its batch's
//! transaction, under the same nonce, so that only one of the two can be mined. When the void is final the batch
//! dissolves, and what is overdue is released; the others get new numbers. When the payment was first, it stands.

use super::{Line, StageError, Worked, void};
use crate::{
    clock::now_ms,
    domain::{
        batch::{Batch, BatchKind, BatchState},
        reason::Code,
        withdrawal::{Withdrawal, WithdrawalState},
    },
    store::lanes::Lane,
};

/// How many withdrawals one change covers.
const PAGE: usize = 1_000;

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
        let Withdrawal { id, trace_id, .. } = withdrawal;
        tracing::warn!(withdrawal = %id, %trace_id, "deadline passed: released, never paid");
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
    let voided = void::in_place_of(line, lane, front, Code::DeadlinePassed).await?;
    if voided {
        crate::crash::point("deadline.void.committed");
    }
    Ok(voided)
}
