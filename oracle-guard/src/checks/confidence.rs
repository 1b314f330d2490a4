//! The width of a Pyth price's confidence interval.
//!
//! On 20 September 2021 two of Pyth's publishers answered BTC near zero: the aggregate fell to 5,402 USD with a
//! confidence of thousands. Pyth's guidance is to use price and confidence together: a wide one is refused here, and a
//! narrow one widens the interval.

use crate::{
    LegConfig, LegInput, Reason,
    finding::{Notes, Number, Sink},
    number::{BPS, scale},
};
use alloy_primitives::U256;

/// Half the interval's width as a price, rounded up; 0 for a confidence that is too wide, which nobody uses.
pub(crate) fn half_width<S: Sink>(
    leg: &LegConfig,
    seen: &LegInput,
    value: U256,
    notes: &mut Notes<'_, S>,
) -> U256 {
    let widest = U256::from(leg.conf_bps) * value;
    if seen.conf.bit_len() > 192 || seen.conf * U256::from(BPS) > widest {
        notes.note(Reason::WideConfidence, Number::Units(seen.conf), Number::Units(widest / U256::from(BPS)));
        return U256::ZERO;
    }
    scale(seen.conf * U256::from(leg.conf_multiple), leg.decimals).1
}
