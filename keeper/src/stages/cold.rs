//! Cold: what the float lacks and no swap brings is asked for there. Whoever holds the cold address sees it at the API and
//! in `spillway refill`, and sends it; the request ends when nothing is missing any more.

use super::{Line, StageError, fund};
use crate::{
    chain::Block,
    domain::{amount::Amount, asset::Asset, withdrawal::WithdrawalState},
};

/// Withdrawals that are looked at.
const PAGE: usize = 1_000;

/// Asks for what is missing now, asset by asset.
pub async fn ask(line: &Line, tip: Block) -> Result<(), StageError> {
    let held = line.store.waiting(WithdrawalState::Held, PAGE).await?;
    let open = line.store.refill_requests().await?;
    for asset in line.assets.iter() {
        let asked = open.iter().find(|request| request.asset == asset.address).map(|request| request.amount);
        let due = fund::due(asset.address, &held).map(|w| w.amount).sum();
        let needed = needed(line, asset, due, tip).await?;
        let (action, amount) = match asked {
            None if needed.is_zero() => continue,
            None => ("refill.requested", needed),
            Some(asked) if needed.is_zero() => ("refill.ended", asked),
            Some(asked) if needed > asked => ("refill.raised", needed),
            Some(_) => continue,
        };
        let detail = serde_json::json!({ "asset": asset.symbol, "amount": amount.to_string() });
        let mut unit = line.unit("cold", action, detail).await?;
        let shown = asset.show(amount);
        if needed.is_zero() {
            unit.end_refill_request(asset.address).await?;
            tracing::info!(amount = %shown, "no refill from cold is needed any more");
        } else {
            unit.request_refill(asset.address, amount).await?;
            tracing::warn!(amount = %shown, "the float is short: cold is asked for a refill; see `spillway refill`");
        }
        unit.commit().await?;
    }
    Ok(())
}

/// What cold should send: what orders wait for and the mark asks for, as far as cold has it. Nothing while swaps see to it.
async fn needed(line: &Line, asset: &Asset, due: Amount, tip: Block) -> Result<Amount, StageError> {
    if line.swaps && line.store.refill_trouble(asset.address).await?.is_none() {
        return Ok(Amount::ZERO);
    }
    let marks = line.chain.marks(asset.address, tip).await?;
    if marks.at_cold.is_zero() {
        return Ok(Amount::ZERO);
    }
    let available = fund::available(&line.store, &line.chain, asset.address, tip).await?;
    Ok((due + marks.min_float).saturating_sub(available).min(marks.at_cold))
}
