//! The answer itself: is it a price at all, in the decimals that were configured, off the aggregator's own bounds?
//!
//! Chainlink's aggregators may hold an answer at `minAnswer` or `maxAnswer`: in May 2022 LUNA was answered as 0.107 USD
//! while it traded at 0.01, and Venus and Blizz lent against it. Chainlink documents that most feeds do not use the
//! bounds any more, so they are configured, and compared with the live ones off chain. Wrong decimals and wrong pairs are
//! seen by no other check of a single source.

use crate::{
    LegConfig, LegInput, Price, Reason,
    finding::{Notes, Number, Sink},
    number::{BPS, magnitude, scale},
};
use alloy_primitives::{I256, U256, keccak256};

/// That the feed is the one that was configured.
pub(crate) fn identity<S: Sink>(leg: &LegConfig, seen: &LegInput, notes: &mut Notes<'_, S>) {
    if seen.decimals != leg.decimals {
        let (seen, pinned) = (Number::Count(seen.decimals.into()), Number::Count(leg.decimals.into()));
        notes.note(Reason::DecimalsChanged, seen, pinned);
    }
    if let Some(pinned) = &leg.at.description
        && !seen.description.is_zero()
        && seen.description != keccak256(pinned)
    {
        let seen = Number::Units(seen.description.into());
        notes.note(Reason::DescriptionChanged, seen, Number::Units(keccak256(pinned).into()));
    }
    if seen.feed_min.is_zero() && seen.feed_max.is_zero() {
        return;
    }
    for (seen, pinned) in [(seen.feed_min, leg.clamp_min), (seen.feed_max, leg.clamp_max)] {
        if seen.into_raw() != pinned {
            notes.note(Reason::BoundsChanged, Number::Answer(seen), Number::Units(pinned));
        }
    }
}

/// The answer as a positive number below 2^192, which is what an aggregator can hold.
pub(crate) fn positive<S: Sink>(answer: I256, notes: &mut Notes<'_, S>) -> Option<U256> {
    let Some(value) = magnitude(answer) else {
        notes.note(Reason::NotPositive, Number::Answer(answer), Number::Answer(I256::ZERO));
        return None;
    };
    if value.bit_len() > 192 {
        notes.note(Reason::OutOfRange, Number::Units(value), Number::None);
        return None;
    }
    Some(value)
}

/// At, or within the margin of, the aggregator's own bounds.
pub(crate) fn clamps<S: Sink>(leg: &LegConfig, value: U256, notes: &mut Notes<'_, S>) {
    let (one, margin) = (BPS, u64::from(leg.clamp_bps));
    let scaled = value * U256::from(one);
    if !leg.clamp_min.is_zero() && scaled <= leg.clamp_min * U256::from(one + margin) {
        notes.note(Reason::Clamped, Number::Units(value), Number::Units(leg.clamp_min));
    } else if !leg.clamp_max.is_zero() && scaled >= leg.clamp_max * U256::from(one.saturating_sub(margin)) {
        notes.note(Reason::Clamped, Number::Units(value), Number::Units(leg.clamp_max));
    }
}

/// The answer as a price, down and up. None when it is none.
pub(crate) fn price<S: Sink>(leg: &LegConfig, value: U256, notes: &mut Notes<'_, S>) -> Option<(u128, u128)> {
    let (down, up) = scale(value, leg.decimals);
    let (Ok(down), Ok(up)) = (u128::try_from(down), u128::try_from(up)) else {
        notes.note(Reason::OutOfRange, Number::Units(value), Number::Price(leg.ceiling));
        return None;
    };
    if down == 0 {
        notes.note(Reason::OutOfRange, Number::Units(value), Number::Price(leg.floor));
        return None;
    }
    Some((down, up))
}

/// Within what was configured as possible. Moonwell's wrsETH, November 2025, was answered as 1.7 million ETH.
pub(crate) fn range<S: Sink>(leg: &LegConfig, mid: u128, notes: &mut Notes<'_, S>) {
    let mid = Price(mid);
    if mid < leg.floor {
        notes.note(Reason::OutOfRange, Number::Price(mid), Number::Price(leg.floor));
    } else if mid > leg.ceiling {
        notes.note(Reason::OutOfRange, Number::Price(mid), Number::Price(leg.ceiling));
    }
}
