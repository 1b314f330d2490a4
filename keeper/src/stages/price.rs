//! Price: the oracle guard is asked about the asset of each batch, and what it says is stored and shown.
//!
//! A payout in kind needs no price: the recipient gets the asset that was asked for. So every batch passes, with what the
//! guard said as its reason, and a sick oracle, or none, never holds a withdrawal. What needs a price asks
//! [`Opinion::allows`].

pub mod gas;
pub mod guard;

use super::{Line, StageError, Worked};
use crate::domain::batch::BatchState;
use alloy::primitives::Address;
use guard::Opinion;
use oracle_guard::Action;
use std::{
    collections::{HashMap, hash_map::Entry},
    time::Duration,
};
use tokio::time::timeout;

/// The guard may take so long; then the batch goes on without it.
const PATIENCE: Duration = Duration::from_secs(10);

/// Lets planned batches pass.
pub async fn step(line: &Line) -> Result<Worked, StageError> {
    let planned = line.store.batches_in(&[BatchState::Planned]).await?;
    // Once per asset, however many batches it has: an oracle that does not answer may take its time once.
    let mut reasons = HashMap::new();
    for batch in &planned {
        let reason = match reasons.entry(batch.asset) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(judged(line, batch.asset).await),
        };
        let detail = serde_json::json!({ "batch": batch.row });
        let mut unit = line.unit("price", "batch.priced", detail).await?;
        unit.move_batch(batch, BatchState::Priced, Some(reason)).await?;
        unit.commit().await?;
    }
    Ok((!planned.is_empty()).into())
}

async fn judged(line: &Line, asset: Address) -> String {
    match timeout(PATIENCE, guard::ask(line, asset)).await {
        Ok(Ok(None)) => "paid in kind: no price needed".to_owned(),
        Ok(Ok(Some(opinion))) => {
            debug_assert!(opinion.allows(Action::Payout));
            format!("paid in kind: {}", opinion.words())
        }
        Ok(Err(error)) => {
            tracing::warn!(%asset, %error, "the oracle guard could not be asked; paid in kind all the same");
            "paid in kind: the oracle guard could not be asked".to_owned()
        }
        Err(_) => "paid in kind: the oracle guard did not answer in time".to_owned(),
    }
}

impl Opinion {
    /// `price healthy at 1.0002`, or why not.
    fn words(&self) -> String {
        match self.price {
            Some(price) if self.reasons.is_empty() => format!("price {} at {}", self.verdict, price.mid),
            Some(price) => format!("price {} at {} ({})", self.verdict, price.mid, self.reasons),
            None => format!("price {} ({})", self.verdict, self.reasons),
        }
    }
}
