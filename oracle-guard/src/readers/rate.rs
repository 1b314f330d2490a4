//! A view function of a token that says what one of it is worth: `stEthPerToken()`, `convertToAssets(1e18)`, `getRate()`.

use super::{Caller, Seen, seen};
use crate::{LegConfig, LegInput};
use alloy::providers::Provider;
use alloy_primitives::{I256, U256};

pub(super) async fn read<P: Provider>(
    caller: &Caller<'_, P>,
    config: &LegConfig,
    now: u64,
) -> Seen<LegInput> {
    let mut call = config.at.call.clone().unwrap_or_default().to_vec();
    // A function without argument does not look at one.
    call.resize(call.len().max(36), 0);
    let [rate]: [U256; 1] = seen!(caller.words(config.at.address, call).await);
    let answer = I256::try_from(rate).unwrap_or(I256::MAX);
    Ok(Ok(LegInput { answer, decimals: config.decimals, updated_at: now, ..LegInput::default() }))
}
