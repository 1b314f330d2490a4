//! How far an exchange rate can have grown or fallen since it was known.
//!
//! The idea of Aave's capped adapters, with one difference: they clamp, and on 10 March 2026 the cap itself was stale, so
//! that a right rate was clamped and positions were liquidated. Here a rate above its cap is refused; and when
//! another source confirms it, [`Reason::OwnBound`] says to look at the bound.

use crate::{
    LegConfig, Price, Reason,
    finding::{Notes, Number, Sink},
    number::BPS,
};
use alloy_primitives::U256;

/// 365 days.
const YEAR: u64 = 31_536_000;

pub(crate) fn judge<S: Sink>(leg: &LegConfig, mid: u128, now: u64, notes: &mut Notes<'_, S>) {
    if leg.rate.0 == 0 {
        return;
    }
    let (mid, rate) = (U256::from(mid), U256::from(leg.rate.0));
    let elapsed = now.saturating_sub(leg.rate_at).min((1 << 40) - 1);
    let one = U256::from(BPS * YEAR);
    let grown = rate * (one + U256::from(leg.growth_bps) * U256::from(elapsed));
    if mid * one > grown {
        let cap = (grown / one).saturating_to();
        notes.note(Reason::RateAboveCap, Number::Price(Price(mid.to())), Number::Price(Price(cap)));
    }
    let kept = rate * U256::from(BPS.saturating_sub(leg.slash_bps.into()));
    if mid * U256::from(BPS) < kept {
        let floor = kept.div_ceil(U256::from(BPS)).to();
        notes.note(Reason::RateBelowFloor, Number::Price(Price(mid.to())), Number::Price(Price(floor)));
    }
}
