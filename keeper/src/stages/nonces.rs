//! Nonces: each lane's nonces are seen to, and so is the money for its gas.
//!
//! A nonce that somebody else used is passed over, a gap under attempts is filled by a cancel, what the node forgot is
//! sent again. A lane that cannot pay for its gas gets no new batches until it can; the others go on.

use super::{Line, StageError, Worked, sign};
use crate::{
    chain::Block,
    clock::now_ms,
    domain::{
        amount::Amount,
        asset::NATIVE,
        batch::{Batch, BatchState},
        fees::{FeePolicy, Fees},
        nonces::{NonceCare, care},
        reason::Code,
    },
    store::{lanes::Lane, slots::Slot},
};
use std::collections::BTreeSet;

/// The gas that a lane must be able to pay beside what is on its way, or it is set aside: a small batch's.
const RESERVE_GAS: u64 = 1_000_000;

/// Sees to every lane of ours, as of the block `tip`.
pub async fn step(line: &Line, tip: Block) -> Result<Worked, StageError> {
    let lanes = line.store.lanes().await?;
    let slots = line.store.slots().await?;
    let funded = line.store.batches_in(&[BatchState::Funded]).await?;
    let mut worked = false;
    for lane in lanes {
        if !line.holds(lane.address) {
            continue;
        }
        let of_lane: Vec<_> = slots.iter().copied().filter(|s| s.lane == lane.address).collect();
        worked |= see_to_gas_money(line, &lane, &of_lane, &funded, tip).await?;
        // The fence has its own way with nonces.
        if lane.fencing_since.is_none() {
            worked |= see_to_nonces(line, &lane, &of_lane, tip).await?;
        }
    }
    Ok(worked.into())
}

async fn see_to_nonces(line: &Line, lane: &Lane, slots: &[Slot], tip: Block) -> Result<bool, StageError> {
    let mined = line.chain.nonce(lane.address, tip.number).await?;
    let pending = line.chain.pending_nonce(lane.address).await?.max(mined);
    let waiting = || slots.iter().filter(|s| s.is_waiting() && s.nonce >= mined);
    if waiting().any(|s| s.nonce >= pending) && line.store.forgotten_from(lane.address, pending).await? > 0 {
        tracing::warn!(lane = %lane.address, from = pending, "the node forgot what was sent; sent again");
    }

    let held: BTreeSet<u64> = slots.iter().map(|s| s.nonce).collect();
    let stuck = waiting().any(|s| now_ms() - s.signed_at > 2 * line.fees.bump_after_ms());
    match care(mined, lane.nonce, pending, &held, stuck) {
        NonceCare::Fine => Ok(false),
        NonceCare::Set(next) => {
            tracing::warn!(
                lane = %lane.address, from = lane.nonce, to = next,
                "next nonce corrected: another transaction of this account used it, or one was given up"
            );
            let detail = serde_json::json!({ "lane": lane.address, "from": lane.nonce, "to": next });
            let mut unit = line.unit("nonces", "nonce.corrected", detail).await?;
            unit.move_lane_nonce(lane, next).await?;
            unit.commit().await?;
            Ok(true)
        }
        NonceCare::Fill(gaps) => {
            for nonce in gaps {
                let fees = match line.store.fees_offered(lane.address, nonce).await? {
                    None => line.fees_now(FeePolicy::Urgent).await?.fees,
                    Some(before) => match sign::raised(line, before).await? {
                        Some(fees) => fees,
                        None => continue,
                    },
                };
                sign::cancel(line, lane.address, nonce, fees, Code::NonceGap, None).await?;
            }
            Ok(true)
        }
    }
}

/// Sets the lane aside when it cannot pay for what is on its way and a little more; takes it back when it can.
async fn see_to_gas_money(
    line: &Line,
    lane: &Lane,
    slots: &[Slot],
    funded: &[Batch],
    tip: Block,
) -> Result<bool, StageError> {
    let balance = line.chain.balance(NATIVE, lane.address, tip.number).await?;
    let fees = line.fees_now(line.fees.policy).await?.fees;
    let committed = committed(lane, slots, funded, fees);
    let needed = match lane.gas_needed {
        // No batch needs more than the largest, at the fees of now.
        Some(needed) => needed.min(committed + fees.cost(line.batch.max_gas)),
        None => committed + fees.cost(RESERVE_GAS),
    };
    match (lane.gas_needed, balance < needed) {
        (None, true) => set_aside(line, lane, balance, needed).await,
        (Some(_), false) => {
            tracing::info!(lane = %lane.address, "the lane can pay for its gas again and takes batches");
            let detail = serde_json::json!({ "lane": lane.address, "balance": balance.to_string() });
            let mut unit = line.unit("nonces", "lane.taken_back", detail).await?;
            unit.set_lane_gas_needed(lane.address, None).await?;
            unit.commit().await?;
            Ok(true)
        }
        (None, false) | (Some(_), true) => Ok(false),
    }
}

/// The most that what is on the lane's way can cost, in wei.
fn committed(lane: &Lane, slots: &[Slot], funded: &[Batch], fees: Fees) -> Amount {
    let signed = slots.iter().filter(|s| s.is_waiting()).map(|s| s.fees.cost(s.gas_limit));
    let contents = funded.iter().filter_map(|b| b.content.as_ref()).filter(|c| c.lane == lane.address);
    signed.chain(contents.map(|c| fees.cost(c.gas_limit))).sum()
}

/// Whether a lane can pay `gas` beside what is on its way; where not, it is set aside.
pub(super) async fn can_pay(line: &Line, lane: &Lane, gas: u64, tip: Block) -> Result<bool, StageError> {
    let slots: Vec<_> = line.store.slots().await?.into_iter().filter(|s| s.lane == lane.address).collect();
    let funded = line.store.batches_in(&[BatchState::Funded]).await?;
    let fees = line.fees_now(line.fees.policy).await?.fees;
    let needed = committed(lane, &slots, &funded, fees) + fees.cost(gas);
    let balance = line.chain.balance(NATIVE, lane.address, tip.number).await?;
    if balance < needed {
        set_aside(line, lane, balance, needed).await?;
    }
    Ok(balance >= needed)
}

async fn set_aside(line: &Line, lane: &Lane, balance: Amount, needed: Amount) -> Result<bool, StageError> {
    tracing::warn!(
        lane = %lane.address, holds = %balance.to_decimal(18), needs = %needed.to_decimal(18),
        "the lane cannot pay for its gas and is set aside; send it the chain's coin"
    );
    let detail = serde_json::json!({
        "lane": lane.address, "balance": balance.to_string(), "needed": needed.to_string(),
    });
    let mut unit = line.unit("nonces", "lane.set_aside", detail).await?;
    unit.set_lane_gas_needed(lane.address, Some(needed)).await?;
    unit.commit().await?;
    Ok(true)
}
