//! Sources against each other.
//!
//! Enough of them must lie within a tolerance of one; the price is the interval that these span, and of their prices the
//! lower median is shown. Two that disagree are never averaged: on 24 June 2019 one of Synthetix' few sources of the
//! Korean won was wrong by a thousand times, and was averaged in.

use crate::{config::MAX_SOURCES, number::apart};

/// What can agree: a source's price, if it takes part.
pub(crate) type Mids = [Option<u128>; MAX_SOURCES];

/// The sources that agree with the best pivot, as bits.
///
/// The best pivot, not the median of all: so losing a source can never bring an agreement about.
pub(crate) fn best(mids: &Mids, tolerance_bps: u16) -> u8 {
    let (mut best, mut best_mid, mut best_count) = (0u8, 0, 0);
    for pivot in mids.iter().flatten() {
        let mut agreeing = 0u8;
        for (i, other) in mids.iter().enumerate() {
            if other.is_some_and(|mid| !apart(mid, *pivot, tolerance_bps.into())) {
                agreeing |= 1 << i;
            }
        }
        let count = agreeing.count_ones();
        if count > best_count || count == best_count && *pivot < best_mid {
            (best, best_mid, best_count) = (agreeing, *pivot, count);
        }
    }
    best
}

/// The lower median of those in `members`, which are not none.
pub(crate) fn lower_median(mids: &Mids, members: u8) -> u128 {
    let (mut sorted, mut count) = ([0; MAX_SOURCES], 0);
    for (i, mid) in mids.iter().enumerate() {
        if members & (1 << i) != 0 {
            sorted[count] = mid.unwrap_or_default();
            count += 1;
        }
    }
    sorted[..count].sort_unstable();
    sorted[count.saturating_sub(1) / 2]
}
