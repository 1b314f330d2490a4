//! Fence: when the store may have gone back in time, nothing new is released until its past can no longer happen.
//!
//! A restored store does not know what was sent after the backup. So each lane voids its next number first. Whatever
//! was in flight there then builds on a head that is gone, and reverts. When the voids are final the chain has been
//! read too, and the line goes on. A normal restart, after `kill -9` too, needs no fence, and neither does a lane that
//! another keeper left: what was sent there is in the rows.

use super::{Line, StageError, Worked, recovery, void};
use crate::{
    chain::Block,
    domain::{
        batch::{AttemptState, Batch, BatchKind, BatchState, Content},
        reason::Code,
    },
    store::{generation::History, lanes::Lane},
};
use alloy::primitives::{Address, Bytes};

/// Takes the lanes that settled before into books that were built anew, whoever has their keys: what else was sent there is
/// unknown, so they are fenced. To be called when the books are at `block`.
pub async fn take_in(line: &Line, lanes: Vec<Address>, block: Block) -> Result<(), StageError> {
    let known = line.store.lanes().await?;
    let mut settled = Vec::new();
    for address in lanes {
        let position = line.chain.lane(address, block.number).await?.position;
        if position.next > 1 && known.iter().all(|lane| lane.address != address) {
            // What may be in flight above it is counted when the fence ends.
            settled.push((address, position, line.chain.nonce(address, block.number).await?));
        }
    }
    let named: Vec<Address> = settled.iter().map(|(address, ..)| *address).collect();
    let mut unit = line.unit("fence", "lanes.taken_in", serde_json::json!({ "lanes": named })).await?;
    let fencing_since = Some(unit.at());
    for (address, position, nonce) in settled {
        let lane = Lane { address, nonce, position, fencing_since, gas_needed: None, reviewed: false };
        unit.add_lane(&lane).await?;
    }
    Ok(unit.commit().await?)
}

/// What the start found, in words.
pub type Findings = Vec<String>;

/// At the start, and again whenever the store went back: takes in the lanes that are new, tells whether the past is
/// known, and fences every lane when it is not.
pub async fn start(line: &Line) -> Result<Findings, StageError> {
    let Some(tenure) = line.store.tenure() else { return Ok(Findings::new()) };
    let tip = line.chain.tip().await?;
    let own: Vec<Address> = line.signers.lanes().collect();
    let history = line.store.judge_history(&own).await?;
    let mut findings: Findings = told(&history).into_iter().collect();
    let fenced = !findings.is_empty();
    let known = line.store.lanes().await?;
    let server = line.store.server().await?;
    let found = recovery::look(line, tip).await?;
    let mut unit = line
        .unit("fence", "keeper.started", serde_json::json!({ "keeper": tenure.id(), "fenced": fenced }))
        .await?;
    let now = unit.at();
    for address in own {
        let reviewed = line.reviewed.contains(&address);
        if let Some(lane) = known.iter().find(|l| l.address == address) {
            if lane.reviewed != reviewed {
                unit.set_lane_reviewed(address, reviewed).await?;
            }
            continue;
        }
        let chain = line.chain.lane(address, tip.number).await?;
        let nonce = line.chain.pending_nonce(address).await?;
        // These books are new; that the lane settled before means that there were others.
        let used = chain.position.next > 1;
        if used {
            findings.push(format!("lane {address} settled before, these books do not know what"));
        }
        let fencing_since = (used || fenced).then_some(now);
        let lane =
            Lane { address, nonce, position: chain.position, fencing_since, gas_needed: None, reviewed };
        unit.add_lane(&lane).await?;
    }
    if fenced {
        // Anew where a fence is under way: the past that is lost may have ended it, and paid on.
        for lane in &known {
            unit.fence_lane(lane.address).await?;
        }
        unit.retire_others().await?;
    }
    let seen = match history {
        History::WentBack { seen, .. } => seen,
        _ => 0,
    };
    let generation = unit.start_generation(seen, &server).await?;
    unit.describe("findings", serde_json::json!(findings));
    unit.describe("found", serde_json::json!(found));
    unit.commit().await?;
    line.generation.write(generation)?;
    tenure.trust();
    tracing::info!("start: {}", found.text());
    Ok(findings)
}

/// What is wrong with the past, if anything is.
fn told(history: &History) -> Option<String> {
    match history {
        History::Continuous => None,
        History::WentBack { stored, seen } => {
            Some(format!("the database went back in time (generation {stored}, {seen} was reached)"))
        }
        History::OtherServer { stored, now } => Some(format!(
            "the database was restored, recovered or moved (it was {stored}, it is {now}): the past is unknown"
        )),
        History::Unknown { stored } => {
            Some(format!("the generation file is missing (database at {stored}): the past is unknown"))
        }
        History::Unvouched { absent } => Some(format!(
            "no keeper runs here, and keeper {} did not come: what it sent last is unknown",
            absent.join(", ")
        )),
    }
}

/// A lane is this keeper's from now on. Its rows hold all that was sent there, by whomever; when the chain is further
/// on than they are, that is not so, and the lane is fenced. To be called before the lane is worked for, so that nobody
/// moves it meanwhile.
pub async fn adopt(line: &Line, address: Address) -> Result<(), StageError> {
    let Some(lane) = line.store.lane(address).await? else { return Ok(()) };
    let tip = line.chain.tip().await?;
    let chain = line.chain.lane(address, tip.number).await?;
    let nonce = line.chain.pending_nonce(address).await?;
    if chain.position.next <= lane.position.next && nonce <= lane.nonce || lane.fencing_since.is_some() {
        return Ok(());
    }
    let finding = format!(
        "lane {address} is further on chain (number {}, nonce {nonce}) than in these books (number {}, nonce {})",
        chain.position.next, lane.position.next, lane.nonce
    );
    tracing::warn!(%finding, "fencing the lane before anything is paid there");
    let mut unit = line.unit("fence", "lane.adopted", serde_json::json!({ "finding": finding })).await?;
    unit.fence_lane(address).await?;
    unit.commit().await?;
    Ok(())
}

/// Sees that every fenced lane has a void on its way. One whose key no running keeper has is the leader's: another lane
/// sends its void.
pub async fn step(line: &Line, tip: Block) -> Result<Worked, StageError> {
    let mut worked = false;
    for lane in line.store.lanes().await? {
        let Some(since) = lane.fencing_since else { continue };
        if line.holds(lane.address) || line.leads() && !line.is_key_here(lane.address).await? {
            worked |= see_to(line, &lane, since, tip).await?;
        }
    }
    Ok(worked.into())
}

async fn see_to(line: &Line, lane: &Lane, since: i64, tip: Block) -> Result<bool, StageError> {
    let chain = line.chain.lane(lane.address, tip.number).await?;
    let (content, calldata) = void::content(lane.address, chain.position);
    let under_way = [BatchState::Funded, BatchState::Signed, BatchState::Broadcast, BatchState::Mined];
    let open = line.store.batches_in(&under_way).await?;
    if let Some(void) = open.iter().find(|b| is_void_of(b, lane.address)) {
        if !is_lost(line, void, &content, tip).await? {
            return Ok(false);
        }
        give_up(line, void, lane.address).await?;
    }
    let Some(sender) = void::sender(line, lane.address, tip).await? else {
        tracing::warn!(
            lane = %lane.address,
            "fenced lane is disabled on chain or its key is gone, and no other lane here can void its number: nothing is paid until one can"
        );
        return Ok(false);
    };
    plan_void(line, lane, &sender, (&content, &calldata), since, tip).await
}

/// Whether a void can never be mined: a reorganisation took back what it builds on, or the nonce below its own, which
/// nothing fills while the lane is fenced; or another lane sends it, and that one is not this keeper's any more. Should
/// it be mined all the same, it refuses one number more.
async fn is_lost(line: &Line, void: &Batch, now: &Content, tip: Block) -> Result<bool, StageError> {
    let Some(content) = &void.content else { return Ok(false) };
    if void.state == BatchState::Mined || now.first > content.first {
        return Ok(false);
    }
    if content.head_after != now.head_after {
        return Ok(true);
    }
    let attempts = line.store.attempts(void.row).await?;
    let Some(newest) = attempts.iter().rev().find(|a| a.state != AttemptState::Dead) else {
        return Ok(false);
    };
    if newest.lane != content.lane {
        return Ok(!line.holds(newest.lane));
    }
    Ok(line.chain.nonce(newest.lane, tip.number).await? < newest.nonce)
}

async fn give_up(line: &Line, void: &Batch, lane: Address) -> Result<(), StageError> {
    let detail = serde_json::json!({ "lane": lane, "batch": void.row });
    let mut unit = line.unit("fence", "void.given_up", detail).await?;
    unit.move_batch(void, BatchState::Dissolved, Some(Code::Reorged.as_str())).await?;
    unit.commit().await?;
    tracing::warn!(%lane, batch = void.row, "fence: a void that cannot be mined any more is given up for another");
    Ok(())
}

async fn plan_void(
    line: &Line,
    lane: &Lane,
    sender: &Lane,
    (content, calldata): (&Content, &Bytes),
    since: i64,
    tip: Block,
) -> Result<bool, StageError> {
    let detail =
        serde_json::json!({ "lane": lane.address, "number": content.first, "sender": sender.address });
    let nonce = line.chain.nonce(lane.address, tip.number).await?;
    let mut unit = line.unit("fence", "lane.fenced", detail).await?;
    if unit.void_is_final(lane.address, since).await? {
        return Ok(false);
    }
    unit.plan_void(content, calldata, "fence").await?;
    if sender.address == lane.address {
        // The lowest free nonce: it takes the place of what may be in flight.
        unit.move_lane_nonce(lane, nonce).await?;
    }
    unit.commit().await?;
    tracing::warn!(
        lane = %lane.address, number = content.first, sender = %sender.address, "fence: voiding the next number"
    );
    Ok(true)
}

fn is_void_of(batch: &Batch, lane: Address) -> bool {
    batch.kind == BatchKind::Void && batch.content.as_ref().is_some_and(|c| c.lane == lane)
}
