//! Confirm: what the newest block says of the attempts. Provisional: only a final block moves the books.

use super::{Line, StageError, Worked};
use crate::{
    chain::{Block, ChainError, LaneOnChain, Receipt},
    clock::now_ms,
    domain::{
        batch::{Attempt, AttemptState, Batch, BatchKind, BatchState},
        reason::Code,
    },
    store::{batches::Inclusion, slots::Slot},
};
use alloy::primitives::Address;
use std::collections::{HashMap, HashSet, hash_map::Entry};

/// An attempt that died is followed by another after so long, doubled each time.
const RETRY_MS: i64 = 1_000;
const RETRY_MAX_MS: i64 = 60_000;

/// What a block says of a lane, all read at that block.
struct LaneView {
    chain: LaneOnChain,
    /// The nonce of the account that sends.
    nonce: u64,
    /// The same at the newest final block.
    final_nonce: u64,
}

/// Compares every batch that is on its way with the block `tip`.
pub async fn step(line: &Line, tip: Block, last_final: Block) -> Result<Worked, StageError> {
    let batches = line.held_batches(&[BatchState::Signed, BatchState::Broadcast, BatchState::Mined]).await?;
    let slots = line.store.slots().await?;
    let mut views: HashMap<(Address, Address), LaneView> = HashMap::new();
    let mut worked = false;
    for batch in batches {
        let Some(lane) = batch.content.as_ref().map(|c| c.lane) else { continue };
        // Another lane may have sent a void of this one.
        let sender = slots.iter().find(|s| s.batch == batch.row).map_or(lane, |s| s.lane);
        let view = match views.entry((lane, sender)) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => unknown.insert(view(line, lane, sender, tip, last_final).await?),
        };
        // What is not known for sure of one batch leaves it as it is, and the others go on.
        match check(line, &batch, view, &slots).await {
            Ok(changed) => worked |= changed,
            Err(StageError::Chain(error)) => {
                uncertain(line, &batch, Some(&error)).await?;
                continue;
            }
            Err(error) => return Err(error),
        }
        uncertain(line, &batch, None).await?;
    }
    Ok(worked.into())
}

async fn view(
    line: &Line,
    lane: Address,
    sender: Address,
    tip: Block,
    last_final: Block,
) -> Result<LaneView, StageError> {
    Ok(LaneView {
        chain: line.chain.lane(lane, tip.number).await?,
        nonce: line.chain.nonce(sender, tip.number).await?,
        final_nonce: line.chain.nonce(sender, last_final.number).await?,
    })
}

async fn check(line: &Line, batch: &Batch, view: &LaneView, slots: &[Slot]) -> Result<bool, StageError> {
    let passed = batch.kind.is_numbered() && batch.end().is_some_and(|end| end <= view.chain.position.next);
    if batch.state == BatchState::Mined && passed {
        return Ok(false);
    }
    // Neither its numbers nor its nonce is used: it is waited for.
    let waits = |s: &Slot| s.batch == batch.row && s.is_waiting() && s.nonce >= view.nonce;
    if batch.kind == BatchKind::Orders && !passed && slots.iter().any(waits) {
        return Ok(false);
    }
    let attempts = line.store.attempts(batch.row).await?;
    if batch.kind == BatchKind::Cancel {
        return check_cancel(line, batch, &attempts, view).await;
    }
    if batch.state == BatchState::Mined {
        // Requests have no number that would tell: their receipt must still be there.
        let still = !batch.kind.is_numbered() && included(line, &attempts).await?.is_some();
        return if still { Ok(false) } else { reorged(line, batch).await };
    }
    let newest_nonce = attempts.last().map(|a| a.nonce);
    let consumed = newest_nonce.is_some_and(|nonce| nonce < view.nonce);
    if !passed && !consumed {
        return Ok(false);
    }
    if let Some((attempt, receipt)) = included(line, &attempts).await? {
        return mined(line, batch, attempt, receipt).await;
    }
    if passed {
        // Its numbers are settled, by what no receipt tells yet: a final block will.
        return Ok(false);
    }
    // A cancel of ours took the nonce: the batch goes back when that is final.
    let cancelled = |a: &Attempt| {
        let at = |s: &&Slot| s.kind == BatchKind::Cancel && (s.lane, s.nonce) == (a.lane, a.nonce);
        slots.iter().any(|s| at(&s))
    };
    if attempts.last().is_some_and(|a| cancelled(a) && a.nonce >= view.final_nonce) {
        return Ok(false);
    }
    let reverted = reverted(line, &attempts).await?;
    let certain = batch.kind.is_numbered() || newest_nonce.is_some_and(|nonce| nonce < view.final_nonce);
    match (reverted, certain) {
        (true, _) => died(line, batch, &attempts, Code::Reverted).await,
        (false, true) => died(line, batch, &attempts, Code::NonceTaken).await,
        // A receipt can still be missing just after the nonce moved.
        (false, false) => Ok(false),
    }
}

/// What the reason of a batch begins with while the nodes do not say what became of it.
const UNCERTAIN: &str = "uncertain: ";

/// Says on the batch that its state is not known, or no longer so. Nothing is signed again on missing evidence.
async fn uncertain(line: &Line, batch: &Batch, why: Option<&ChainError>) -> Result<(), StageError> {
    let shown = batch.reason.as_ref().is_some_and(|r| r.starts_with(UNCERTAIN));
    if shown == why.is_some() {
        return Ok(());
    }
    let reason = why.map(|error| format!("{UNCERTAIN}{error}"));
    if let Some(reason) = &reason {
        tracing::warn!(batch = batch.row, %reason, "nothing is done to the batch until the nodes agree");
    }
    let detail = serde_json::json!({ "batch": batch.row, "reason": reason });
    let mut unit = line.unit("confirm", "batch.uncertain", detail).await?;
    unit.explain_batch(batch.row, batch.reason.as_deref(), reason.as_deref()).await?;
    Ok(unit.commit().await?)
}

/// A cancel pays nothing and leaves no event: its nonce alone tells what became of it.
async fn check_cancel(
    line: &Line,
    batch: &Batch,
    attempts: &[Attempt],
    view: &LaneView,
) -> Result<bool, StageError> {
    let Some(nonce) = attempts.last().map(|a| a.nonce) else { return Ok(false) };
    if nonce >= view.nonce {
        return if batch.state == BatchState::Mined { reorged(line, batch).await } else { Ok(false) };
    }
    let found = included(line, attempts).await?;
    if nonce < view.final_nonce {
        let mut unit = line.unit("confirm", "nonce.final", serde_json::json!({ "batch": batch.row })).await?;
        match found {
            Some((attempt, receipt)) => {
                let at = inclusion(receipt);
                unit.close_attempts(batch.row, attempt.hash, at).await?;
                unit.move_batch(batch, BatchState::Final, None).await?;
            }
            // The payment, or another transaction, was first.
            None => unit.move_batch(batch, BatchState::Dissolved, Some(Code::NonceTaken.as_str())).await?,
        }
        unit.commit().await?;
        return Ok(true);
    }
    match found {
        Some((attempt, receipt)) if batch.state != BatchState::Mined => {
            mined(line, batch, attempt, receipt).await
        }
        _ => Ok(false),
    }
}

/// The attempt that is in a block and succeeded.
async fn included<'a>(
    line: &Line,
    attempts: &'a [Attempt],
) -> Result<Option<(&'a Attempt, Receipt)>, StageError> {
    for attempt in attempts.iter().rev() {
        if let Some(receipt) = line.chain.receipt(attempt.hash).await?
            && receipt.succeeded
        {
            return Ok(Some((attempt, receipt)));
        }
    }
    Ok(None)
}

/// Whether an attempt that could still count is in a block and failed.
async fn reverted(line: &Line, attempts: &[Attempt]) -> Result<bool, StageError> {
    for attempt in attempts.iter().filter(|a| a.state != AttemptState::Dead) {
        if line.chain.receipt(attempt.hash).await?.is_some_and(|r| !r.succeeded) {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn mined(line: &Line, batch: &Batch, attempt: &Attempt, receipt: Receipt) -> Result<bool, StageError> {
    crate::crash::point("mined.seen");
    let detail = serde_json::json!({ "batch": batch.row, "tx": attempt.hash, "block": receipt.block });
    let mut unit = line.unit("confirm", "batch.mined", detail).await?;
    unit.move_batch(batch, BatchState::Mined, None).await?;
    unit.settle_attempt(batch.row, attempt.hash, AttemptState::Mined, Some(inclusion(receipt))).await?;
    unit.commit().await?;
    crate::crash::point("mined.recorded");
    tracing::info!(batch = batch.row, tx = %attempt.hash, block = receipt.block, "batch in a block");
    Ok(true)
}

fn inclusion(receipt: Receipt) -> Inclusion {
    Inclusion { block: receipt.block, gas_used: receipt.gas_used, fee: receipt.fee }
}

/// The block is gone: the same attempts are sent again.
async fn reorged(line: &Line, batch: &Batch) -> Result<bool, StageError> {
    tracing::warn!(batch = batch.row, "reorganised out of the chain; sent again");
    let mut unit = line.unit("confirm", "batch.reorged", serde_json::json!({ "batch": batch.row })).await?;
    unit.move_batch(batch, BatchState::Broadcast, Some(Code::Reorged.as_str())).await?;
    for attempt in line.store.attempts(batch.row).await? {
        if attempt.state == AttemptState::Mined {
            unit.settle_attempt(batch.row, attempt.hash, AttemptState::Signed, None).await?;
        }
    }
    unit.commit().await?;
    Ok(true)
}

/// Its nonce is used and it is not settled. The content is signed again under the next nonce: should an attempt
/// before be mined after all, the lane's head lets only one of them pass.
async fn died(line: &Line, batch: &Batch, attempts: &[Attempt], why: Code) -> Result<bool, StageError> {
    tracing::warn!(batch = batch.row, reason = %why, "attempt died; signed again");
    let detail = serde_json::json!({ "batch": batch.row, "reason": why });
    let mut unit = line.unit("confirm", "attempt.died", detail).await?;
    for attempt in attempts.iter().filter(|a| a.state != AttemptState::Dead) {
        unit.settle_attempt(batch.row, attempt.hash, AttemptState::Dead, None).await?;
    }
    if batch.kind == BatchKind::Void {
        // The lane moved under it: the fence makes a new one for where the lane is now.
        unit.move_batch(batch, BatchState::Dissolved, Some(why.as_str())).await?;
    } else {
        unit.move_batch(batch, BatchState::Funded, Some(why.as_str())).await?;
        let tries: HashSet<u64> = attempts.iter().map(|a| a.nonce).collect();
        let wait = RETRY_MAX_MS.min(RETRY_MS << tries.len().min(6));
        unit.delay_batch(batch.row, now_ms() + wait, why.as_str()).await?;
    }
    unit.commit().await?;
    Ok(true)
}
