//! How far a price moved since it was last accepted, against what its volatility allows in that time.
//!
//! A jump is held until rounds confirm it; a leap, many times the allowed, is not believed. Mango's MNGO (October 2022)
//! went from 0.038 to 0.91 USD within half an hour, on honest feeds of a market that was bought; bitcoin on 12 March
//! 2020 fell by a quarter within an hour, honestly.

use crate::{
    AssetConfig, Memory, Reason,
    finding::{Notes, Number, Sink},
    number::{apart, distance},
};

/// Beyond 30 days nothing more is allowed.
const LONGEST: u64 = 2_592_000;

/// The allowed move in bps. None before anything was accepted.
pub(crate) fn allowed(config: &AssetConfig, memory: &Memory, now: u64) -> Option<u64> {
    if memory.last.0 == 0 {
        return None;
    }
    let elapsed = now.saturating_sub(memory.last_at).min(LONGEST);
    let volatility = u64::from(config.vol_bps);
    Some(u64::from(config.jump_bps) + (volatility * volatility * elapsed / 3_600).isqrt())
}

pub(crate) fn judge<S: Sink>(
    mid: u128,
    last: u128,
    allowed: u64,
    leap_multiple: u8,
    notes: &mut Notes<'_, S>,
) {
    let leap = allowed * u64::from(leap_multiple);
    if apart(mid, last, leap) {
        notes.note(Reason::Leap, Number::Bps(distance(mid, last)), Number::Bps(leap));
    } else if apart(mid, last, allowed) {
        notes.note(Reason::Jump, Number::Bps(distance(mid, last)), Number::Bps(allowed));
    }
}
