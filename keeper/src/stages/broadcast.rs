//! Broadcast: signed attempts are sent, sent again while they are not mined, and replaced when they are stuck.

use super::{Line, StageError, Worked, sign};
use crate::{
    chain::refusal::SendError,
    clock::now_ms,
    domain::batch::{Attempt, AttemptState, Batch, BatchKind, BatchState},
};
use alloy::primitives::Address;
use std::collections::HashSet;

/// A node may forget a transaction: it is sent again after so long.
const REBROADCAST_MS: i64 = 10_000;

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
    let mut worked = false;
    for batch in line.store.batches_in(&[BatchState::Signed, BatchState::Broadcast]).await? {
        let fenced = batch.content.as_ref().is_some_and(|c| fencing.contains(&c.lane));
        if fenced && batch.kind != BatchKind::Void {
            continue;
        }
        let attempts = line.store.attempts(batch.row).await?;
        let Some(newest) = attempts.last().filter(|a| a.state != AttemptState::Dead) else { continue };
        worked |= tend(line, &batch, newest).await?;
    }
    Ok(worked.into())
}

async fn tend(line: &Line, batch: &Batch, newest: &Attempt) -> Result<bool, StageError> {
    let now = now_ms();
    if newest.state == AttemptState::Signed {
        return send(line, batch, newest).await;
    }
    if now - newest.signed_at > line.fees.bump_after_ms()
        && let Some(replacement) = sign::replace(line, batch, newest).await?
    {
        return send(line, batch, &replacement).await;
    }
    if now - newest.sent_at > REBROADCAST_MS {
        send(line, batch, newest).await?;
    }
    Ok(false)
}

/// Sends one attempt and records that a node has it. True when it went out.
async fn send(line: &Line, batch: &Batch, attempt: &Attempt) -> Result<bool, StageError> {
    match line.chain.send(&attempt.raw).await {
        Ok(()) => {
            crate::crash::point("attempt.sent");
        }
        // It, or another with its nonce, is in a block: confirm finds out which.
        Err(SendError::NonceTooLow) => {}
        Err(SendError::Underpriced(why)) => {
            tracing::info!(batch = batch.row, tx = %attempt.hash, %why, "replacing an underpriced attempt");
            // At the ceiling there is none: then it waits.
            return Ok(sign::replace(line, batch, attempt).await?.is_some());
        }
        Err(error) => {
            tracing::warn!(batch = batch.row, tx = %attempt.hash, lane = %attempt.lane, %error, "not sent; tried again");
            return Ok(false);
        }
    }
    line.store.attempt_sent(attempt.hash, now_ms()).await?;
    if batch.state == BatchState::Signed {
        let detail = serde_json::json!({ "batch": batch.row, "tx": attempt.hash });
        let mut unit = line.unit("broadcast", "batch.broadcast", detail).await?;
        unit.move_batch(batch, BatchState::Broadcast, None).await?;
        unit.commit().await?;
    }
    crate::crash::point("broadcast.recorded");
    Ok(true)
}
