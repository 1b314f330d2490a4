//! The mean price of a Uniswap V3 pool.
//!
//! The mean tick and the harmonic mean liquidity are those of v3-periphery's `OracleLibrary`, the bounds of the window
//! those of Euler's adapter (5 minutes or more). A floor of liquidity makes moving the mean expensive, and a spot price far
//! from the mean says that somebody is moving it now: Inverse (April 2022) had a window of seconds, Rari's VUSD pool
//! (November 2021) no liquidity, Harvest (October 2020) was skewed within one block, by less than its tolerance.

use crate::{
    LegConfig, LegInput, Reason,
    finding::{Notes, Number, Sink},
    tick::{MAX_TICK, price},
};
use alloy_primitives::{I256, U160, U256};

/// The pool's price, times 1e18.
pub(crate) fn answer<S: Sink>(leg: &LegConfig, seen: &LegInput, notes: &mut Notes<'_, S>) -> Option<I256> {
    let window = u64::from(leg.window.max(1));
    if seen.oldest < window {
        notes.note(Reason::ShortWindow, Number::Seconds(seen.oldest), Number::Seconds(window));
    }
    let tick = seen.tick_delta.div_euclid(i64::from(leg.window.max(1)));
    let spot = i64::from(seen.spot_tick);
    let possible = -MAX_TICK..=MAX_TICK;
    if !possible.contains(&tick) || !possible.contains(&spot) {
        notes.note(Reason::Malformed, Number::Ticks(tick), Number::Ticks(MAX_TICK));
        return None;
    }
    let liquidity = liquidity(window, seen.liquidity_delta);
    if liquidity < U256::from(leg.min_liquidity) {
        notes.note(
            Reason::ThinLiquidity,
            Number::Units(liquidity),
            Number::Units(U256::from(leg.min_liquidity)),
        );
    }
    let off = spot.abs_diff(tick);
    if off > u64::from(leg.max_ticks) {
        notes.note(Reason::SpotOffMean, Number::Ticks(spot - tick), Number::Ticks(leg.max_ticks.into()));
    }
    let answer = price(tick, leg.base_decimals, leg.quote_decimals, leg.base_is_token1);
    // Beyond 255 bits it is out of every range.
    Some(I256::try_from(answer).unwrap_or(I256::MAX))
}

/// The harmonic mean, rounded down.
fn liquidity(window: u64, delta: U160) -> U256 {
    if delta.is_zero() {
        return U256::ZERO;
    }
    let all = U256::from(window) * U256::from(U160::MAX);
    all / (U256::from(delta) << 32)
}
