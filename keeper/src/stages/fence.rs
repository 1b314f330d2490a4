//! Fence: when the store may have gone back in time, nothing new is released until its past can no longer happen.
//!
//! A restored store does not know what was sent after the backup. So each lane voids its next number first. Whatever
//! was in flight there then builds on a head that is gone, and reverts. When the voids are final the chain has been
//! read too, and the line goes on. A normal restart, after `kill -9` too, needs no fence.

use super::{Line, StageError, Worked, deadline::VOID_GAS, recovery};
use crate::{
    chain::{Block, calldata},
    clock::now_ms,
    domain::batch::{BatchKind, BatchState, Content},
    store::{generation::History, lanes::Lane},
};
use alloy::primitives::Address;

/// What the start found, in words.
pub type Findings = Vec<String>;

/// At the start: takes in the lanes that are new, tells whether the past is known, and fences what is not.
pub async fn start(line: &Line) -> Result<Findings, StageError> {
    let tip = line.chain.tip().await?;
    let history = line.store.history_against(&line.generation).await?;
    let mut findings = Findings::new();
    let everything = match history {
        History::Continuous => false,
        History::WentBack { stored, seen } => {
            findings
                .push(format!("the database went back in time (generation {stored}, {seen} was reached)"));
            true
        }
        History::Unknown { stored } => {
            findings
                .push(format!("the generation file is missing (database at {stored}): the past is unknown"));
            true
        }
    };
    let known = line.store.lanes().await?;
    let found = recovery::look(line, tip).await?;
    let mut unit = line.unit("fence", "keeper.started", serde_json::json!({})).await?;
    let now = unit.at();
    for address in line.signers.lanes() {
        let chain = line.chain.lane(address, tip.number).await?;
        let pending_nonce = line.chain.pending_nonce(address).await?;
        match known.iter().find(|l| l.address == address) {
            None => {
                // These books are new; that the lane settled before means that there were others.
                let used = chain.position.next > 1;
                if used {
                    findings.push(format!("lane {address} settled before, these books do not know what"));
                }
                let fencing_since = (used || everything).then_some(now);
                let lane = Lane {
                    address,
                    nonce: pending_nonce,
                    position: chain.position,
                    fencing_since,
                    gas_needed: None,
                };
                unit.add_lane(&lane).await?;
            }
            Some(lane) => {
                let unknown_number = chain.position.next > lane.position.next;
                let unknown_nonce = pending_nonce > lane.nonce;
                if unknown_number || unknown_nonce {
                    findings.push(format!(
                        "lane {address} is further on chain (number {}, nonce {pending_nonce}) than in these books \
                         (number {}, nonce {})",
                        chain.position.next, lane.position.next, lane.nonce
                    ));
                }
                if (everything || unknown_number || unknown_nonce) && lane.fencing_since.is_none() {
                    unit.set_lane_fencing(address, Some(now)).await?;
                }
            }
        }
    }
    let seen = match history {
        History::WentBack { seen, .. } => seen,
        _ => 0,
    };
    unit.raise_generation(seen).await?;
    let generation = unit.advance_generation().await?;
    unit.describe("findings", serde_json::json!(findings));
    unit.describe("found", serde_json::json!(found));
    unit.commit().await?;
    line.generation.write(generation)?;
    tracing::info!("start: {}", found.text());
    Ok(findings)
}

/// Sees that every fenced lane has a void on its way.
pub async fn step(line: &Line, tip: Block) -> Result<Worked, StageError> {
    let mut worked = false;
    for lane in line.store.lanes().await? {
        let Some(since) = lane.fencing_since else { continue };
        if !line.signers.lanes().any(|signer| signer == lane.address) {
            continue;
        }
        worked |= plan_void(line, &lane, since, tip).await?;
    }
    Ok(worked.into())
}

async fn plan_void(line: &Line, lane: &Lane, since: i64, tip: Block) -> Result<bool, StageError> {
    let under_way = [BatchState::Funded, BatchState::Signed, BatchState::Broadcast, BatchState::Mined];
    if line.store.batches_in(&under_way).await?.iter().any(|b| is_void_of(b, lane.address)) {
        return Ok(false);
    }
    let chain = line.chain.lane(lane.address, tip.number).await?;
    if !chain.enabled {
        tracing::warn!(lane = %lane.address, "fenced lane is disabled on chain: nothing of it can be settled");
        return Ok(false);
    }
    let nonce = line.chain.nonce(lane.address, tip.number).await?;
    let calldata = calldata::void_next(lane.address, chain.position);
    let content = Content {
        lane: lane.address,
        first: chain.position.next,
        head_after: chain.position.after(1, &calldata).head,
        calldata,
        gas_limit: VOID_GAS,
    };
    let detail = serde_json::json!({ "lane": lane.address, "number": content.first, "nonce": nonce });
    let mut unit = line.unit("fence", "lane.fenced", detail).await?;
    if unit.void_is_final(lane.address, since).await? {
        return Ok(false);
    }
    unit.plan_void(&content, "fence").await?;
    // The lowest free nonce: it takes the place of what may be in flight.
    unit.move_lane_nonce(lane, nonce).await?;
    unit.commit().await?;
    tracing::warn!(lane = %lane.address, number = content.first, at = now_ms(), "fence: voiding the next number");
    Ok(true)
}

fn is_void_of(batch: &crate::domain::batch::Batch, lane: Address) -> bool {
    batch.kind == BatchKind::Void && batch.content.as_ref().is_some_and(|c| c.lane == lane)
}
