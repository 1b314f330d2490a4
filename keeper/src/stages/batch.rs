//! Batch: ready withdrawals of one asset and door are gathered, up to what one transaction can hold.

use super::{Line, StageError, Worked, log};
use crate::{
    clock::now_ms,
    domain::{
        amount::Amount,
        batch::{Batch, BatchKind, BatchState},
        review::Review,
        tier::Tier,
        withdrawal::{Door, Withdrawal},
    },
};
use alloy::primitives::{Address, U256};
use std::time::Duration;

/// A batch that is planned leaves room below the gas limit, for the estimate to differ from the guess.
const FILL_PERCENT: u64 = 90;
/// Payouts that people are asked to look through at once.
pub(super) const ASKED_PAYOUTS: usize = 50;
/// A window that ends within so many milliseconds is waited for.
const LOOK_AHEAD_MS: i64 = 250;

/// Plans one batch for each asset and door that has enough, or whose oldest has waited for the window. While the
/// lanes are full nothing is planned: what waits meanwhile makes the next batch larger.
pub async fn step(line: &Line) -> Result<Worked, StageError> {
    if line.fenced().await? {
        return Ok(Worked::Idle);
    }
    let on_the_way = line
        .store
        .batches_in(&[
            BatchState::Planned,
            BatchState::Priced,
            BatchState::Funded,
            BatchState::Signed,
            BatchState::Broadcast,
        ])
        .await?;
    // What waits by itself takes no room from other assets, and more of the same would only wait beside it.
    let delayed = waiting(&on_the_way, &line.store.open_reviews().await?);
    let on_the_way = on_the_way.iter().filter(|b| !waits(b)).count();
    let mut room = (line.live_lanes().await?.len() * line.batch.max_in_flight).saturating_sub(on_the_way);
    let mut planned = false;
    let mut due = LOOK_AHEAD_MS;
    for asset in line.assets.iter() {
        for (door, kind, tier) in QUEUES {
            if room == 0 {
                return Ok(planned.into());
            }
            if delayed.contains(&(asset.address, kind, tier)) {
                continue;
            }
            let amounts = match door {
                Door::Order => line.tiers(asset.address, None).await?.amounts(tier),
                Door::Request => Some(Amount::ZERO..=Amount(U256::MAX)),
            };
            let Some(amounts) = amounts else { continue };
            let limit = line.gas.payouts_in(asset.address, line.batch.max_gas / 100 * FILL_PERCENT);
            let limit = limit.min(line.batch.max_payouts);
            let limit = if tier == Tier::Instant { limit } else { limit.min(ASKED_PAYOUTS) };
            let Some((count, since)) = line.store.ready_since(asset.address, door, &amounts, limit).await?
            else {
                continue;
            };
            let window = line.batch.window_ms();
            let left = since + window - line.lead.ms().min(window / 2) - now_ms();
            if count < limit && left > 0 {
                due = due.min(left);
                continue;
            }
            let mut ready = line.store.ready(asset.address, door, &amounts, limit).await?;
            // The deadline stage releases them.
            ready.retain(|w| !w.is_overdue(now_ms(), line.policy.deadline_ms()));
            if ready.is_empty() {
                continue;
            }
            let detail = serde_json::json!({ "asset": asset.symbol, "door": door, "tier": tier.as_str(), "count": ready.len() });
            plan(line, "batch", detail, (kind, tier), &ready).await?;
            room -= 1;
            planned = true;
        }
    }
    if planned || due == LOOK_AHEAD_MS {
        return Ok(planned.into());
    }
    // To the millisecond, or the window would be longer than it says.
    tokio::time::sleep(Duration::from_millis(due.unsigned_abs())).await;
    Ok(Worked::Yes)
}

/// Makes a batch of withdrawals.
pub(super) async fn plan(
    line: &Line,
    stage: &'static str,
    detail: serde_json::Value,
    (kind, tier): (BatchKind, Tier),
    withdrawals: &[Withdrawal],
) -> Result<(), StageError> {
    let mut unit = line.unit(stage, "batch.planned", detail).await?;
    let planned = unit.plan_batch(kind, tier, withdrawals).await?;
    unit.commit().await?;
    if let Some(batch) = planned {
        log::tell(batch, withdrawals, "batch planned");
    }
    Ok(())
}

/// What is gathered by itself.
type Queue = (Door, BatchKind, Tier);

const QUEUES: [Queue; 3] = [
    (Door::Order, BatchKind::Orders, Tier::Instant),
    (Door::Order, BatchKind::Orders, Tier::Approved),
    (Door::Request, BatchKind::Requests, Tier::Instant),
];

/// Whether a batch has no numbers yet and waits for what passes by itself, a pause or a limit, or for people.
fn waits(batch: &Batch) -> bool {
    let unnumbered = matches!(batch.state, BatchState::Planned | BatchState::Priced);
    unnumbered && (batch.retry_at > now_ms() || batch.tier == Tier::Approved)
}

/// Asset, kind and tier of the batches that wait. More for the approvers is gathered once they were asked for what there is.
fn waiting(batches: &[Batch], offered: &[Review]) -> Vec<(Address, BatchKind, Tier)> {
    let is_offered = |b: &&Batch| offered.iter().any(|r| r.batch == b.row);
    batches.iter().filter(|b| waits(b) && !is_offered(b)).map(|b| (b.asset, b.kind, b.tier)).collect()
}
