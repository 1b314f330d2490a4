//! Void: a lane's next number is given up, so that whatever was signed for it can never be settled. It can only refuse.

use super::{Line, StageError, sign};
use crate::{
    chain::{Block, calldata},
    domain::{
        batch::{AttemptState, Batch, Content},
        fees::{FeePolicy, Fees},
        lane::LanePosition,
        reason::Code,
    },
    store::lanes::Lane,
};
use alloy::primitives::{Address, Bytes};

/// More than a void ever needs.
const VOID_GAS: u64 = 150_000;

/// What gives up the next number of `lane`, which stands at `position`. Its limit of gas differs each time: all else of its
/// transaction can be as a past that is lost sent it, and that one in a block would end a fence that it knows nothing of.
pub(super) fn content(lane: Address, position: LanePosition) -> (Content, Bytes) {
    let calldata = calldata::void_next(lane, position);
    let head_after = position.after(1, &calldata).head;
    let gas_limit = VOID_GAS + u64::from(rand::random::<u16>());
    (Content { lane, first: position.next, head_after, gas_limit }, calldata)
}

/// Voids the next number of `lane`, which `front` holds, in the place of its transaction: only one of the two can be
/// mined. False when it cannot be done now.
pub(super) async fn in_place_of(
    line: &Line,
    lane: &Lane,
    front: &Batch,
    why: Code,
) -> Result<bool, StageError> {
    let tip = line.chain.tip().await?;
    let chain = line.chain.lane(lane.address, tip.number).await?;
    let first = front.content.as_ref().map(|c| c.first);
    if !chain.enabled || first != Some(chain.position.next) {
        // Mined, or another batch is before it on chain: the next block tells more.
        return Ok(false);
    }
    let (content, calldata) = content(lane.address, chain.position);
    let place = place_of(line, front, lane.address).await?;
    let detail = serde_json::json!({
        "lane": lane.address, "number": content.first, "batch": front.row, "reason": why,
    });
    let mut unit = line.unit("void", "number.voided", detail).await?;
    if unit.batch(front.row).await?.state != front.state {
        return Ok(false);
    }
    let row = unit.plan_void(&content, &calldata, why.as_str()).await?;
    match place {
        // Never signed: no transaction of it can be on its way, and the void goes the usual way.
        Place::Free => unit.commit().await?,
        Place::AtCeiling => {
            tracing::warn!(lane = %lane.address, reason = %why, "a void waits: fees.max_fee_gwei allows none");
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
    tracing::warn!(lane = %lane.address, number = content.first, batch = front.row, reason = %why, "voiding the number");
    Ok(true)
}

/// Where a void can stop a batch.
enum Place {
    /// Nothing of the batch was signed, or all that was is dead.
    Free,
    /// In the place of its newest attempt, with fees that replace all offered there.
    Nonce(u64, Fees),
    AtCeiling,
}

async fn place_of(line: &Line, front: &Batch, lane: Address) -> Result<Place, StageError> {
    let attempts = line.store.attempts(front.row).await?;
    let Some(newest) = attempts.iter().rev().find(|a| a.state != AttemptState::Dead) else {
        return Ok(Place::Free);
    };
    let now = line.fees_now(FeePolicy::Urgent).await?.fees;
    let offered = line.store.fees_offered(lane, newest.nonce).await?.unwrap_or(newest.fees());
    let fees = offered.replacement(now, line.fees.max_fee_wei());
    Ok(fees.map_or(Place::AtCeiling, |fees| Place::Nonce(newest.nonce, fees)))
}

/// The account that sends a void of `lane`: its own, where its key is here and the chain lets it, otherwise another lane
/// that this keeper works for and that is not fenced itself. The vault takes a void from every enabled lane.
pub(super) async fn sender(line: &Line, lane: Address, tip: Block) -> Result<Option<Lane>, StageError> {
    let mut lanes = line.store.lanes().await?;
    lanes.retain(|l| line.holds(l.address) && (l.address == lane || l.fencing_since.is_none()));
    lanes.sort_by_key(|l| l.address != lane);
    for candidate in lanes {
        if line.chain.lane(candidate.address, tip.number).await?.enabled {
            return Ok(Some(candidate));
        }
    }
    Ok(None)
}
