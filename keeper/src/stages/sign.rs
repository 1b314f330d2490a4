//! Sign: a funded batch gets a signed transaction, durable before anybody sees it.

use super::{Line, StageError, Worked, fund::with_margin};
use crate::{
    chain::{ChainError, Fees, calldata, signer::Message},
    clock::now_ms,
    domain::batch::{Attempt, AttemptState, Batch, BatchKind, BatchState, Content},
    store::{Unit, lanes::Lane},
};
use std::cmp::max;

/// How long a batch that the vault would refuse waits before it is simulated again.
const RETRY_MS: i64 = 2_000;

/// Signs what is funded, lane by lane in the order of the numbers.
pub async fn step(line: &Line) -> Result<Worked, StageError> {
    let funded = line.held_batches(&[BatchState::Funded]).await?;
    if funded.is_empty() {
        return Ok(Worked::Idle);
    }
    let fees = capped(line, line.chain.fees().await?);
    let mut worked = false;
    for lane in line.store.lanes().await? {
        let mut of_lane: Vec<_> = funded
            .iter()
            .filter_map(|b| Some((b, b.content.as_ref()?)))
            .filter(|(_, c)| c.lane == lane.address)
            .collect();
        of_lane.sort_by_key(|(batch, content)| (content.first, batch.row));
        let mut nonce = lane.nonce;
        for (batch, content) in of_lane {
            // While the lane is fenced only the void may go out.
            if lane.fencing_since.is_some() && batch.kind != BatchKind::Void {
                continue;
            }
            if batch.retry_at > now_ms() {
                // A later number cannot be settled before this one.
                if batch.kind.is_numbered() { break } else { continue }
            }
            let Some(gas_limit) = ready_gas(line, batch, content).await? else { break };
            sign(line, batch, content, Lane { nonce, ..lane }, gas_limit, fees).await?;
            nonce += 1;
            worked = true;
        }
    }
    Ok(worked.into())
}

/// The gas limit of the next attempt. A batch whose attempt died is simulated first: no gas is burnt on a payment
/// that the vault refuses now.
async fn ready_gas(line: &Line, batch: &Batch, content: &Content) -> Result<Option<u64>, StageError> {
    if batch.kind == BatchKind::Void || line.store.attempts(batch.row).await?.is_empty() {
        return Ok(Some(content.gas_limit));
    }
    let position = calldata::position_before(&content.calldata);
    match line.chain.estimate(content.lane, &content.calldata, position).await {
        Ok(gas) => Ok(Some(max(content.gas_limit, with_margin(gas, line.batch.max_gas)))),
        Err(ChainError::Refused(refusal)) => {
            let reason = refusal.to_string();
            tracing::warn!(batch = batch.row, %reason, "batch waits");
            let detail = serde_json::json!({ "batch": batch.row, "reason": reason });
            let mut unit = line.unit("sign", "batch.delayed", detail).await?;
            unit.delay_batch(batch.row, now_ms() + RETRY_MS, &reason).await?;
            unit.commit().await?;
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

async fn sign(
    line: &Line,
    batch: &Batch,
    content: &Content,
    lane: Lane,
    gas_limit: u64,
    fees: Fees,
) -> Result<(), StageError> {
    let content = Content { gas_limit, ..content.clone() };
    let Some(attempt) = attempt(line, batch.row, &content, lane.nonce, fees)? else { return Ok(()) };
    let detail = serde_json::json!({ "batch": batch.row, "tx": attempt.hash, "nonce": lane.nonce });
    let mut unit = line.unit("sign", "attempt.signed", detail).await?;
    unit.add_attempt(&attempt).await?;
    unit.set_gas_limit(batch.row, gas_limit).await?;
    unit.move_lane_nonce(&lane, lane.nonce + 1).await?;
    unit.move_batch(batch, BatchState::Signed, None).await?;
    commit_before_sending(line, unit).await
}

/// Replaces an attempt that is stuck: same nonce and content, higher fees. None when the ceiling is reached.
pub(super) async fn replace(
    line: &Line,
    batch: &Batch,
    stuck: &Attempt,
) -> Result<Option<Attempt>, StageError> {
    let Some(content) = &batch.content else { return Ok(None) };
    let now = line.chain.fees().await?;
    // Clients take a replacement from 10 % more on; an eighth leaves room for their rounding.
    let raised = |fee: u128| fee + fee / 8 + 1;
    let fees = capped(
        line,
        Fees {
            max_fee: max(raised(stuck.max_fee), now.max_fee),
            priority_fee: max(raised(stuck.priority_fee), now.priority_fee),
        },
    );
    if fees.max_fee < raised(stuck.max_fee) || fees.priority_fee < raised(stuck.priority_fee) {
        tracing::warn!(batch = batch.row, tx = %stuck.hash, "stuck at the fee ceiling fees.max_fee_gwei");
        return Ok(None);
    }
    let Some(attempt) = attempt(line, batch.row, content, stuck.nonce, fees)? else { return Ok(None) };
    let detail = serde_json::json!({ "batch": batch.row, "tx": attempt.hash, "replaces": stuck.hash });
    let mut unit = line.unit("broadcast", "attempt.replaced", detail).await?;
    unit.add_attempt(&attempt).await?;
    commit_before_sending(line, unit).await?;
    Ok(Some(attempt))
}

fn attempt(
    line: &Line,
    batch: i64,
    content: &Content,
    nonce: u64,
    fees: Fees,
) -> Result<Option<Attempt>, StageError> {
    let message = Message {
        chain_id: line.chain.chain_id,
        vault: line.chain.vault,
        nonce,
        gas_limit: content.gas_limit,
        fees,
        calldata: &content.calldata,
    };
    let lane = content.lane;
    let Some(signed) = line.signers.sign(lane, &message) else {
        tracing::warn!(%lane, batch, "no key for this lane is configured; its batch waits");
        return Ok(None);
    };
    let signed = signed.map_err(|source| StageError::Sign { lane, source })?;
    Ok(Some(Attempt {
        row: 0,
        batch,
        lane,
        nonce,
        hash: signed.hash,
        raw: signed.raw,
        max_fee: fees.max_fee,
        priority_fee: fees.priority_fee,
        state: AttemptState::Signed,
        signed_at: now_ms(),
        sent_at: 0,
    }))
}

/// Database first, then the file beside it: only now may the attempt be sent.
async fn commit_before_sending(line: &Line, mut unit: Unit) -> Result<(), StageError> {
    let generation = unit.advance_generation().await?;
    unit.commit().await?;
    crate::crash::point("attempt.committed");
    line.generation.write(generation)?;
    crate::crash::point("generation.written");
    Ok(())
}

fn capped(line: &Line, fees: Fees) -> Fees {
    let ceiling = line.fees.max_fee_wei();
    let max_fee = fees.max_fee.min(ceiling);
    Fees { max_fee, priority_fee: fees.priority_fee.min(max_fee) }
}
