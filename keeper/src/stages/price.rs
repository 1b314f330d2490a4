//! Price: a payment that needs a price gets one from the oracle guard.
//!
//! A payout in kind needs none: the recipient gets the asset that was asked for. So every batch passes, and says so.

use super::{Line, StageError, Worked};
use crate::domain::batch::BatchState;

/// Lets planned batches pass.
pub async fn step(line: &Line) -> Result<Worked, StageError> {
    let planned = line.store.batches_in(&[BatchState::Planned]).await?;
    for batch in &planned {
        let detail = serde_json::json!({ "batch": batch.row });
        let mut unit = line.unit("price", "batch.priced", detail).await?;
        unit.move_batch(batch, BatchState::Priced, Some("paid in kind: no price needed")).await?;
        unit.commit().await?;
    }
    Ok((!planned.is_empty()).into())
}
