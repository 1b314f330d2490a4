//! A Uniswap V3 pool's cumulatives over the window.

use super::{Caller, Seen, seen};
use crate::{LegConfig, LegInput, input::Outcome};
use alloy::{
    providers::Provider,
    sol,
    sol_types::{SolCall, SolValue},
};
use alloy_primitives::{I256, U160, U256, aliases::I56};

sol! {
    function slot0() external view returns (uint160, int24, uint16, uint16, uint16, uint8, bool);
    function observations(uint256 index) external view returns (uint32, int56, uint160, bool);
    function observe(uint32[] secondsAgos) external view returns (int56[], uint160[]);
}

pub(super) async fn read<P: Provider>(
    caller: &Caller<'_, P>,
    config: &LegConfig,
    now: u64,
) -> Seen<LegInput> {
    let pool = config.at.address;
    let [_, tick, index, cardinality]: [U256; 4] = seen!(caller.words(pool, slot0Call {}.abi_encode()).await);
    let (Ok(spot_tick), Ok(index), Ok(cardinality)) =
        (i32::try_from(I256::from_raw(tick)), u16::try_from(index), u16::try_from(cardinality))
    else {
        return Ok(Err(Outcome::Malformed));
    };
    // The oldest is the next that will be written over, or the first while none was.
    let next = if cardinality == 0 { 0 } else { (u32::from(index) + 1) % u32::from(cardinality) };
    let mut first = seen!(observation(caller, pool, next).await);
    if !first.1 {
        first = seen!(observation(caller, pool, 0).await);
    }
    let seen = LegInput {
        decimals: 18,
        updated_at: now,
        spot_tick,
        // The pool counts in 32 bits.
        oldest: u64::from((now as u32).wrapping_sub(first.0)),
        ..LegInput::default()
    };
    if seen.oldest < u64::from(config.window) {
        // It cannot be asked about the window: what is said is that it is too short, at the spot price.
        let tick_delta = i64::from(spot_tick).saturating_mul(config.window.into());
        return Ok(Ok(LegInput { tick_delta, ..seen }));
    }
    let call = observeCall { secondsAgos: vec![config.window, 0] };
    let bytes = seen!(caller.bytes(pool, call.abi_encode()).await);
    let Ok((ticks, liquidities)) = <(Vec<I56>, Vec<U160>)>::abi_decode_params(&bytes) else {
        return Ok(Err(Outcome::Malformed));
    };
    let ([then, now], [thin_then, thin_now]) = (ticks.as_slice(), liquidities.as_slice()) else {
        return Ok(Err(Outcome::Malformed));
    };
    let tick_delta = now.wrapping_sub(*then).as_i64();
    Ok(Ok(LegInput { tick_delta, liquidity_delta: thin_now.wrapping_sub(*thin_then), ..seen }))
}

/// When it was made, and whether it was.
async fn observation<P: Provider>(
    caller: &Caller<'_, P>,
    pool: alloy_primitives::Address,
    index: u32,
) -> Seen<(u32, bool)> {
    let call = observationsCall { index: U256::from(index) };
    let [at, _, _, made]: [U256; 4] = seen!(caller.words(pool, call.abi_encode()).await);
    Ok(u32::try_from(at).map(|at| (at, !made.is_zero())).map_err(|_| Outcome::Malformed))
}
