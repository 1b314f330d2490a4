//! Batch: ready withdrawals of one asset and door are gathered, up to what one transaction can hold.

use super::{Line, StageError, Worked};
use crate::{
    clock::now_ms,
    domain::{
        batch::{Batch, BatchKind, BatchState},
        withdrawal::Door,
    },
};
use alloy::primitives::Address;
use std::time::Duration;

/// A batch that is planned leaves room below the gas limit, for the estimate to differ from the guess.
const FILL_PERCENT: u64 = 90;
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
    let delayed = waiting(&on_the_way);
    let on_the_way = on_the_way.len() - delayed.len();
    let mut room = (line.live_lanes().await?.len() * line.batch.max_in_flight).saturating_sub(on_the_way);
    let mut planned = false;
    let mut due = LOOK_AHEAD_MS;
    for asset in line.assets.iter() {
        for (door, kind) in [(Door::Order, BatchKind::Orders), (Door::Request, BatchKind::Requests)] {
            if room == 0 {
                return Ok(planned.into());
            }
            if delayed.contains(&(asset.address, kind)) {
                continue;
            }
            let limit = line.gas.payouts_in(asset.address, line.batch.max_gas / 100 * FILL_PERCENT);
            let limit = limit.min(line.batch.max_payouts);
            let Some((count, since)) = line.store.ready_since(asset.address, door, limit).await? else {
                continue;
            };
            let window = line.batch.window_ms();
            let left = since + window - line.lead.ms().min(window / 2) - now_ms();
            if count < limit && left > 0 {
                due = due.min(left);
                continue;
            }
            let mut ready = line.store.ready(asset.address, door, limit).await?;
            // The deadline stage releases them.
            ready.retain(|w| !w.is_overdue(now_ms(), line.policy.deadline_ms()));
            if ready.is_empty() {
                continue;
            }
            let detail = serde_json::json!({ "asset": asset.symbol, "door": door, "count": ready.len() });
            let mut unit = line.unit("batch", "batch.planned", detail).await?;
            unit.plan_batch(kind, &ready).await?;
            unit.commit().await?;
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

/// Asset and kind of the batches that have no numbers yet and wait for what passes by itself: a pause, a limit.
fn waiting(batches: &[Batch]) -> Vec<(Address, BatchKind)> {
    let now = now_ms();
    let unnumbered = |b: &&Batch| matches!(b.state, BatchState::Planned | BatchState::Priced);
    batches.iter().filter(unnumbered).filter(|b| b.retry_at > now).map(|b| (b.asset, b.kind)).collect()
}
