//! Pyth's contract: the price as it stands there, however old. Its age is judged, not asked away.

use super::{Caller, Seen, seen};
use crate::{LegConfig, LegInput, input::Outcome};
use alloy::{providers::Provider, sol, sol_types::SolCall};
use alloy_primitives::{I256, U256};

sol! {
    function getPriceUnsafe(bytes32 id) external view returns (int64, uint64, int32, uint256);
}

pub(super) async fn read<P: Provider>(caller: &Caller<'_, P>, config: &LegConfig) -> Seen<LegInput> {
    let call = getPriceUnsafeCall { id: config.at.feed.unwrap_or_default() };
    let [price, conf, exponent, published]: [U256; 4] =
        seen!(caller.words(config.at.address, call.abi_encode()).await);
    let (price, exponent) = (I256::from_raw(price), I256::from_raw(exponent));
    let (Ok(_), Ok(exponent)) = (i64::try_from(price), i32::try_from(exponent)) else {
        return Ok(Err(Outcome::Malformed));
    };
    if conf.bit_len() > 64 {
        return Ok(Err(Outcome::Malformed));
    }
    let decimals = if (-36..=0).contains(&exponent) { exponent.unsigned_abs() as u8 } else { u8::MAX };
    Ok(Ok(LegInput {
        answer: price,
        decimals,
        conf,
        updated_at: published.saturating_to(),
        ..LegInput::default()
    }))
}
