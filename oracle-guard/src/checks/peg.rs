//! Distance from a peg, in both directions and two steps.
//!
//! Beyond the soft band the price is believed and the peg is not: USDC traded at 0.88 on 11 March 2023, and what assumed
//! 1.00 was wrong. Beyond the hard band the price is not believed: Compound's feed said 1.30 for DAI on 26 November
//! 2020, from one venue. Where a deep depeg must stay usable, the hard band is left out.

use crate::{
    AssetConfig, Price, Reason,
    finding::{Notes, Number, Sink},
    number::beyond,
};

fn off(mid: u128, peg: u128, below_bps: u16, above_bps: u16) -> bool {
    let bps = if mid < peg { below_bps } else { above_bps };
    bps != 0 && beyond(mid, peg, bps.into())
}

/// Of a source: not to be believed.
pub(crate) fn hard<S: Sink>(config: &AssetConfig, mid: u128, notes: &mut Notes<'_, S>) {
    let peg = config.peg.0;
    if peg != 0 && off(mid, peg, config.hard_below_bps, config.hard_above_bps) {
        notes.note(Reason::BrokenPeg, Number::Price(Price(mid)), Number::Price(config.peg));
    }
}

/// Of the asset: believed, and off its peg.
pub(crate) fn soft<S: Sink>(config: &AssetConfig, mid: u128, notes: &mut Notes<'_, S>) {
    let peg = config.peg.0;
    if peg != 0 && off(mid, peg, config.soft_below_bps, config.soft_above_bps) {
        notes.note(Reason::OffPeg, Number::Price(Price(mid)), Number::Price(config.peg));
    }
}
