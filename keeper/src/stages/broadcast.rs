//! Broadcast: signed attempts are sent, sent again while they are not mined, and replaced when they are stuck.
//!
//! A replacement offers more for the same nonce and content. After `fees.max_bumps` of them the nonce is given up: a
//! cancel takes it, and the batch is signed again at a later nonce, with the same numbers, when that is final.

use super::{Line, StageError, Worked, sign};
use crate::{
    chain::refusal::SendError,
    clock::now_ms,
    domain::{
        batch::{Attempt, AttemptState, Batch, BatchKind, BatchState},
        reason::Code,
    },
    store::slots::Slot,
};
use alloy::primitives::Address;
use std::{collections::HashSet, time::Duration};

/// A node may forget a transaction: it is sent again after so long.
const REBROADCAST_MS: i64 = 10_000;
/// What a node refuses is offered again after as long as it has waited already, within these.
const RETRY_MS: i64 = 1_000;
const RETRY_MAX_MS: i64 = 60_000;
/// A node that does not answer is asked again at least so often.
const UNREACHABLE_MAX_MS: i64 = 5_000;

/// Sends what is due, in the order of the lanes' nonces.
pub async fn step(line: &Line) -> Result<Worked, StageError> {
    let fencing: HashSet<Address> = line
        .store
        .lanes()
        .await?
        .into_iter()
        .filter(|l| l.fencing_since.is_some())
        .map(|l| l.address)
        .collect();
    let slots = line.store.slots().await?;
    let batches = line.held_batches(&[BatchState::Signed, BatchState::Broadcast]).await?;
    let mut worked = false;
    // A node takes no nonce before those below it.
    for slot in slots.iter().filter(|s| s.is_waiting() && !is_contested(s, &slots)) {
        if fencing.contains(&slot.lane) && slot.kind != BatchKind::Void {
            continue;
        }
        if !is_due(line, slot) {
            continue;
        }
        let Some(batch) = batches.iter().find(|b| b.row == slot.batch) else { continue };
        let attempts = line.store.attempts(batch.row).await?;
        worked |= tend(line, batch, &attempts, &slots).await?;
    }
    Ok(worked.into())
}

/// Whether the attempt is to be sent, sent again or replaced. Most are merely waited for.
fn is_due(line: &Line, slot: &Slot) -> bool {
    let now = now_ms();
    slot.sent_at.is_none_or(|at| now - at > REBROADCAST_MS)
        || now - slot.signed_at > line.fees.bump_after_ms()
}

/// Whether a void or a cancel is taking this slot's nonce: the two must not outbid each other.
fn is_contested(slot: &Slot, slots: &[Slot]) -> bool {
    slots.iter().any(|other| {
        matches!(other.kind, BatchKind::Void | BatchKind::Cancel)
            && (other.lane, other.nonce) == (slot.lane, slot.nonce)
            && other.batch > slot.batch
    })
}

async fn tend(line: &Line, batch: &Batch, attempts: &[Attempt], slots: &[Slot]) -> Result<bool, StageError> {
    let now = now_ms();
    let Some(newest) = attempts.iter().rev().find(|a| a.state != AttemptState::Dead) else {
        return Ok(false);
    };
    if batch.retry_at > now {
        return Ok(false);
    }
    if newest.state == AttemptState::Signed {
        return send(line, batch, newest, attempts, slots).await;
    }
    if now - newest.signed_at > line.fees.bump_after_ms() {
        return escalate(line, batch, newest, attempts, slots).await;
    }
    if now - newest.sent_at > REBROADCAST_MS {
        send(line, batch, newest, attempts, slots).await?;
    }
    Ok(false)
}

/// An attempt is stuck: it is replaced, or its nonce given up. The replacement is sent by the next step.
async fn escalate(
    line: &Line,
    batch: &Batch,
    stuck: &Attempt,
    attempts: &[Attempt],
    slots: &[Slot],
) -> Result<bool, StageError> {
    let pays = batch.kind.carries();
    let bumps = bumps(attempts, stuck.nonce);
    let done = if pays && bumps >= line.fees.max_bumps as usize {
        give_up(line, batch, stuck, slots).await?
    } else {
        sign::replace(line, batch, stuck).await?.is_some()
    };
    if done {
        return Ok(true);
    }
    let reason = format!(
        "fee_ceiling: offers {} gwei per gas, and fees.max_fee_gwei = {} allows no replacement: it waits for the fee to fall",
        stuck.max_fee / 1_000_000_000,
        line.fees.max_fee_gwei
    );
    wait(line, batch, stuck, &reason, RETRY_MAX_MS).await?;
    // Nodes forget what does not move.
    if now_ms() - stuck.sent_at > REBROADCAST_MS
        && line.chain.send(&stuck.raw, age(stuck, attempts)).await.is_ok()
    {
        line.store.attempt_sent(stuck.hash, now_ms()).await?;
    }
    Ok(false)
}

/// How often the attempt at this nonce was replaced.
fn bumps(attempts: &[Attempt], nonce: u64) -> usize {
    attempts.iter().filter(|a| a.nonce == nonce).count().saturating_sub(1)
}

/// Takes the nonce by a cancel. Orders that build on this batch's numbers could only revert, so their nonces go too. True
/// when a cancel is signed.
async fn give_up(line: &Line, batch: &Batch, stuck: &Attempt, slots: &[Slot]) -> Result<bool, StageError> {
    let Some(fees) = sign::raised(line, stuck.fees()).await? else { return Ok(false) };
    let lane = stuck.lane;
    if !sign::cancel(line, lane, stuck.nonce, fees, Code::Stuck, Some(batch.row)).await? {
        return Ok(false);
    }
    let builds_on = |s: &&Slot| {
        batch.kind == BatchKind::Orders
            && s.kind == BatchKind::Orders
            && s.lane == lane
            && s.nonce > stuck.nonce
            && s.is_waiting()
            && !is_contested(s, slots)
    };
    for slot in slots.iter().filter(builds_on) {
        if let Some(fees) = sign::raised(line, slot.fees).await? {
            sign::cancel(line, lane, slot.nonce, fees, Code::Stuck, Some(slot.batch)).await?;
        }
    }
    Ok(true)
}

/// Sends one attempt and records that a node has it. True when it went out.
async fn send(
    line: &Line,
    batch: &Batch,
    attempt: &Attempt,
    attempts: &[Attempt],
    slots: &[Slot],
) -> Result<bool, StageError> {
    match line.chain.send(&attempt.raw, age(attempt, attempts)).await {
        Ok(()) => {
            crate::crash::point("attempt.sent");
        }
        // It, or another with its nonce, is in a block: confirm finds out which.
        Err(SendError::NonceTooLow) => {}
        Err(SendError::Underpriced(why)) => {
            tracing::info!(batch = batch.row, tx = %attempt.hash, %why, "replacing an underpriced attempt");
            let replaced = escalate(line, batch, attempt, attempts, slots).await?;
            if replaced {
                // Each refusal waits twice as long: no loop against a node that never takes it.
                let exponent = bumps(attempts, attempt.nonce).min(6);
                delay(line, batch, now_ms() + (RETRY_MS << exponent), &why).await?;
            }
            return Ok(replaced);
        }
        Err(error) => {
            tracing::warn!(batch = batch.row, tx = %attempt.hash, lane = %attempt.lane, %error, "not sent; tried again");
            let longest = match error {
                SendError::Unreachable(_) => UNREACHABLE_MAX_MS,
                _ => RETRY_MAX_MS,
            };
            wait(line, batch, attempt, &error.to_string(), longest).await?;
            return Ok(false);
        }
    }
    if batch.state == BatchState::Signed {
        let detail = serde_json::json!({ "batch": batch.row, "tx": attempt.hash });
        let mut unit = line.unit("broadcast", "batch.broadcast", detail).await?;
        unit.attempt_sent(attempt.hash, now_ms()).await?;
        unit.move_batch(batch, BatchState::Broadcast, None).await?;
        unit.commit().await?;
        line.lead.learn(now_ms() - batch.created_at);
        tracing::info!(batch = batch.row, tx = %attempt.hash, "batch sent");
    } else {
        line.store.attempt_sent(attempt.hash, now_ms()).await?;
    }
    crate::crash::point("broadcast.recorded");
    Ok(true)
}

/// How long ago the first attempt with this nonce was signed.
fn age(attempt: &Attempt, attempts: &[Attempt]) -> Duration {
    let first = attempts.iter().filter(|a| a.nonce == attempt.nonce).map(|a| a.signed_at).min();
    let age = now_ms() - first.unwrap_or(attempt.signed_at);
    Duration::from_millis(u64::try_from(age).unwrap_or(0))
}

/// Waits as long again as the attempt has waited already.
async fn wait(
    line: &Line,
    batch: &Batch,
    attempt: &Attempt,
    reason: &str,
    longest: i64,
) -> Result<(), StageError> {
    let now = now_ms();
    let pause = (now - attempt.signed_at).clamp(RETRY_MS, longest);
    delay(line, batch, now + pause, reason).await
}

async fn delay(line: &Line, batch: &Batch, at: i64, reason: &str) -> Result<(), StageError> {
    let detail = serde_json::json!({ "batch": batch.row, "reason": reason });
    let mut unit = line.unit("broadcast", "batch.delayed", detail).await?;
    unit.delay_batch(batch.row, at, reason).await?;
    unit.commit().await?;
    Ok(())
}
