//! Sign: a funded batch gets a signed transaction, durable before anybody sees it.

use super::{Line, StageError, Worked, fund::with_margin, void};
use crate::{
    chain::{ChainError, calldata, refusal::Refusal, signer::Message},
    clock::now_ms,
    domain::{
        batch::{Attempt, AttemptState, Batch, BatchKind, BatchState, Content},
        fees::{FeePolicy, Fees},
        lane::Head,
        reason::Code,
        tier::Tier,
    },
    store::{Unit, lanes::Lane, slots::Slot},
};
use alloy::primitives::{Address, Bytes};
use std::cmp::max;

/// How long a batch that the vault would refuse waits before it is simulated again.
const RETRY_MS: i64 = 2_000;
/// A transfer of nothing to oneself takes 21,000; an account with code of its own a little more.
const CANCEL_GAS: u64 = 50_000;

/// Signs what is funded, lane by lane in the order of the numbers.
pub async fn step(line: &Line) -> Result<Worked, StageError> {
    let funded = line.held_batches(&[BatchState::Funded]).await?;
    if funded.is_empty() {
        return Ok(Worked::Idle);
    }
    let fees = line.fees_now(line.fees.policy).await?.fees;
    let slots = line.store.slots().await?;
    let (foreign, mut worked) = stand_in(line, &funded, fees).await?;
    for lane in line.store.lanes().await? {
        let mut of_lane: Vec<_> = funded
            .iter()
            .filter(|b| !foreign.contains(&b.row))
            .filter_map(|b| Some((b, b.content.as_ref()?)))
            .filter(|(_, c)| c.lane == lane.address)
            .collect();
        of_lane.sort_by_key(|(batch, content)| (content.first, batch.row));
        let orders_wait = orders_wait(&lane, of_lane.iter().map(|(b, _)| *b), &slots);
        let mut nonce = lane.nonce;
        for (batch, content) in of_lane {
            // While the lane is fenced only the void may go out.
            if lane.fencing_since.is_some() && batch.kind != BatchKind::Void {
                continue;
            }
            if batch.kind == BatchKind::Orders && orders_wait {
                continue;
            }
            if batch.retry_at > now_ms() {
                // A later number cannot be settled before this one.
                if batch.kind.is_numbered() { break } else { continue }
            }
            let Some(gas_limit) = ready_gas(line, &lane, batch, content).await? else { break };
            sign(line, batch, content, Lane { nonce, ..lane }, gas_limit, fees).await?;
            nonce += 1;
            worked = true;
        }
    }
    Ok(worked.into())
}

/// Signs the voids of lanes that cannot send them, by another lane. Says which batches these are, and whether one of
/// them was signed.
async fn stand_in(line: &Line, funded: &[Batch], fees: Fees) -> Result<(Vec<i64>, bool), StageError> {
    let (mut foreign, mut worked) = (Vec::new(), false);
    for batch in funded.iter().filter(|b| b.kind == BatchKind::Void) {
        let Some(content) = &batch.content else { continue };
        let tip = line.chain.tip().await?;
        let sender = void::sender(line, content.lane, tip).await?;
        if sender.is_some_and(|sender| sender.address == content.lane) {
            continue;
        }
        foreign.push(batch.row);
        if let Some(sender) = sender {
            sign(line, batch, content, sender, content.gas_limit, fees).await?;
            worked = true;
        }
    }
    Ok((foreign, worked))
}

/// Whether orders of the lane would only revert: a void is about to take the number that they build on, or a cancel
/// the nonce of an earlier one.
fn orders_wait<'a>(lane: &Lane, mut funded: impl Iterator<Item = &'a Batch>, slots: &[Slot]) -> bool {
    let of_lane = || slots.iter().filter(|s| s.lane == lane.address);
    let orders_at =
        |nonce| of_lane().any(|s| s.nonce == nonce && s.kind == BatchKind::Orders && s.is_waiting());
    funded.any(|b| b.kind == BatchKind::Void)
        || of_lane().any(|s| s.kind == BatchKind::Void || (s.kind == BatchKind::Cancel && orders_at(s.nonce)))
}

/// The gas limit of the next attempt. A batch whose attempt died, or whose tier depends on what may lapse, is simulated
/// first: no gas is burnt on a payment that the vault refuses now. What it will never take gives its numbers back. Orders that the float has not covered for some time give their numbers back, because the
/// lane could settle none after them.
async fn ready_gas(
    line: &Line,
    lane: &Lane,
    batch: &Batch,
    content: &Content,
) -> Result<Option<u64>, StageError> {
    let pays = batch.kind.carries();
    let attempts = line.store.attempts(batch.row).await?;
    let last = attempts.last();
    if !pays || last.is_none() && batch.tier == Tier::Instant {
        return Ok(Some(content.gas_limit));
    }
    let calldata = line.store.calldata(batch.row).await?;
    let position = calldata::position_before(&calldata);
    match line.chain.estimate(content.lane, &calldata, position).await {
        Ok(gas) => Ok(Some(max(content.gas_limit, with_margin(gas, line.batch.max_gas)))),
        Err(ChainError::Refused(refusal)) => {
            let is_short =
                batch.kind == BatchKind::Orders && matches!(refusal, Refusal::FloatInsufficient { .. });
            let since = last.map_or(batch.created_at, |attempt| attempt.signed_at);
            let too_long = now_ms() - since > line.fees.bump_after_ms();
            let given_up = match batch.kind {
                BatchKind::Orders if refusal.is_for_good() => Some(Code::AboveTier),
                _ => (is_short && too_long).then_some(Code::FloatInsufficient),
            };
            if let Some(why) = given_up
                && void::in_place_of(line, lane, batch, why).await?
            {
                return Ok(None);
            }
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
    sender: Lane,
    gas_limit: u64,
    fees: Fees,
) -> Result<(), StageError> {
    let content = Content { gas_limit, ..*content };
    let calldata = line.store.calldata(batch.row).await?;
    let account = (sender.address, sender.nonce);
    let Some(attempt) = attempt(line, batch, &content, &calldata, account, fees)? else { return Ok(()) };
    let detail = serde_json::json!({ "batch": batch.row });
    let mut unit = line.unit("sign", "attempt.signed", detail).await?;
    unit.add_attempt(&attempt).await?;
    unit.set_gas_limit(batch.row, gas_limit).await?;
    unit.move_lane_nonce(&sender, sender.nonce + 1).await?;
    unit.move_batch(batch, BatchState::Signed, None).await?;
    commit_before_sending(line, unit).await?;
    tracing::info!(batch = batch.row, tx = %attempt.hash, lane = %attempt.lane, nonce = attempt.nonce, "batch signed");
    Ok(())
}

/// Replaces an attempt that is stuck: same nonce and content, higher fees. None when the ceiling does not allow it.
pub(super) async fn replace(
    line: &Line,
    batch: &Batch,
    stuck: &Attempt,
) -> Result<Option<Attempt>, StageError> {
    let Some(content) = &batch.content else { return Ok(None) };
    let Some(fees) = raised(line, stuck.fees()).await? else { return Ok(None) };
    let calldata = line.store.calldata(batch.row).await?;
    let account = (stuck.lane, stuck.nonce);
    let Some(attempt) = attempt(line, batch, content, &calldata, account, fees)? else { return Ok(None) };
    let detail = serde_json::json!({ "batch": batch.row, "replaces": stuck.hash });
    let mut unit = line.unit("broadcast", "attempt.replaced", detail).await?;
    unit.add_attempt(&attempt).await?;
    commit_before_sending(line, unit).await?;
    tracing::info!(batch = batch.row, tx = %attempt.hash, replaces = %stuck.hash, nonce = attempt.nonce, "batch signed anew");
    Ok(Some(attempt))
}

/// Fees that take the place of `stuck`; none when the ceiling does not allow it.
pub(super) async fn raised(line: &Line, stuck: Fees) -> Result<Option<Fees>, StageError> {
    let now = line.fees_now(FeePolicy::Urgent).await?.fees;
    Ok(stuck.replacement(now, line.fees.max_fee_wei()))
}

/// Gives a nonce of a lane up: a cancel takes it. It is signed in the same change, because its nonce is not the lane's
/// next one. `given_up` is the batch that holds the nonce, where one does: it is signed again when the cancel is final.
pub(super) async fn cancel(
    line: &Line,
    lane: Address,
    nonce: u64,
    fees: Fees,
    why: Code,
    given_up: Option<i64>,
) -> Result<bool, StageError> {
    let content = Content { lane, first: 0, head_after: Head::ZERO, gas_limit: CANCEL_GAS };
    let detail = serde_json::json!({ "lane": lane, "nonce": nonce, "reason": why, "batch": given_up });
    let mut unit = line.unit("broadcast", "nonce.cancelled", detail).await?;
    let batch = unit.plan_cancel(&content, why).await?;
    if let Some(row) = given_up {
        unit.delay_batch(row, 0, why.as_str()).await?;
    }
    let signed = sign_here(line, &mut unit, &batch, nonce, fees).await?;
    if signed {
        commit_before_sending(line, unit).await?;
        tracing::warn!(%lane, nonce, batch = given_up, reason = %why, "giving the nonce up by a cancel");
    }
    Ok(signed)
}

/// Signs a batch that was planned in `unit`, at a nonce that is not the lane's next one. False without the lane's key:
/// then the change is not to be committed.
pub(super) async fn sign_here(
    line: &Line,
    unit: &mut Unit,
    batch: &Batch,
    nonce: u64,
    fees: Fees,
) -> Result<bool, StageError> {
    let Some(content) = &batch.content else { return Ok(false) };
    let calldata = unit.calldata(batch.row).await?;
    let account = (content.lane, nonce);
    let Some(attempt) = attempt(line, batch, content, &calldata, account, fees)? else { return Ok(false) };
    unit.add_attempt(&attempt).await?;
    unit.move_batch(batch, BatchState::Signed, batch.reason.as_deref()).await?;
    Ok(true)
}

fn attempt(
    line: &Line,
    batch: &Batch,
    content: &Content,
    calldata: &Bytes,
    (lane, nonce): (Address, u64),
    fees: Fees,
) -> Result<Option<Attempt>, StageError> {
    let message = Message {
        chain_id: line.chain.chain_id,
        to: if batch.kind == BatchKind::Cancel { lane } else { line.chain.vault },
        nonce,
        gas_limit: content.gas_limit,
        fees,
        calldata,
    };
    let Some(signed) = line.signers.sign(lane, &message) else {
        tracing::warn!(%lane, batch = batch.row, "no key for this lane is configured; its batch waits");
        return Ok(None);
    };
    let signed = signed.map_err(|source| StageError::Sign { lane, source })?;
    Ok(Some(Attempt {
        row: 0,
        batch: batch.row,
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
pub(super) async fn commit_before_sending(line: &Line, mut unit: Unit) -> Result<(), StageError> {
    let generation = unit.advance_generation().await?;
    unit.commit().await?;
    crate::crash::point("attempt.committed");
    line.generation.write(generation)?;
    crate::crash::point("generation.written");
    Ok(())
}
