//! Cold: what the float lacks and no swap brings is asked for there. Whoever holds the cold address sees it at the API and
//! in `spillway refill`, and sends it; the request ends when nothing is missing any more.

use super::{Line, StageError, fund};
use crate::{
    chain::{Block, Chain},
    domain::{amount::Amount, asset::Asset, withdrawal::WithdrawalState},
    store::Store,
};

/// Withdrawals that are looked at.
const PAGE: usize = 1_000;

/// Asks for what is missing now, asset by asset. While swaps see to an asset, nothing is asked anew.
pub async fn ask(line: &Line, tip: Block) -> Result<(), StageError> {
    let open = line.store.refill_requests().await?;
    for asset in line.assets.iter() {
        let asked = open.iter().find(|request| request.asset == asset.address).map(|request| request.amount);
        let swapped = line.swaps && line.store.refill_trouble(asset.address).await?.is_none();
        if asked.is_none() && swapped {
            continue;
        }
        let needed = needed(&line.store, &line.chain, asset, tip).await?;
        if needed == asked.unwrap_or_default() {
            continue;
        }
        let action = match asked {
            None => "refill.requested",
            Some(_) if needed.is_zero() => "refill.ended",
            Some(_) => "refill.changed",
        };
        let shown = asset.show(needed);
        let detail = serde_json::json!({ "asset": asset.symbol, "amount": needed.to_string() });
        let mut unit = line.unit("cold", action, detail).await?;
        if needed.is_zero() {
            unit.end_refill_request(asset.address).await?;
            tracing::info!(asset = asset.symbol, "no refill from cold is needed any more");
        } else {
            unit.request_refill(asset.address, needed).await?;
            tracing::warn!(amount = %shown, "the float is short: cold is asked for a refill; see `spillway refill`");
        }
        unit.commit().await?;
    }
    Ok(())
}

/// What cold should send of an asset: what its mark and the orders that wait for it lack, as far as cold has it. An order that
/// cold could not cover either, or that no limit would let pass, is not counted: the rest would be sent for nothing.
pub async fn needed(store: &Store, chain: &Chain, asset: &Asset, tip: Block) -> Result<Amount, StageError> {
    let Some(marks) = chain.marks(asset.address, tip).await? else { return Ok(Amount::ZERO) };
    // Before the orders: one that is funded meanwhile is counted in neither.
    let available = fund::available(store, chain, asset.address, tip).await?;
    let held = store.waiting(WithdrawalState::Held, PAGE).await?;
    let most = (available + marks.at_cold).saturating_sub(marks.min_float);
    let mut due = Amount::ZERO;
    for order in fund::due(asset.address, &held).filter(|order| order.amount <= marks.capacity) {
        if due + order.amount <= most {
            due = due + order.amount;
        }
    }
    Ok((due + marks.min_float).saturating_sub(available).min(marks.at_cold))
}
