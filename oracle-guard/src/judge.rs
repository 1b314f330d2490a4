//! From observations to a verdict: legs to sources, sources to an asset.

use crate::{
    AssetConfig, Input, Kind, LegConfig, LegInput, Memory, Price, Reason, Reasons, Role, Verdict,
    checks::{age, agreement, answer, confidence, movement, peg, rate, round, sequencer, twap},
    config::{MAX_LEGS, MAX_SOURCES},
    finding::{Finding, Notes, Number, Place, Sink},
    input::Outcome,
    number::{apart, distance, product_down, product_up, share_up},
};
use alloy_primitives::U256;
use serde::{Deserialize, Serialize};

/// Where the price lies. `mid` is for people; what is paid or owed is valued at an end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interval {
    pub lo: Price,
    pub mid: Price,
    pub hi: Price,
}

/// What is thought of an asset's price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judgement {
    pub verdict: Verdict,
    /// The asset's reasons, and those of all sources.
    pub reasons: Reasons,
    /// None when insane.
    pub price: Option<Interval>,
    sources: [Reasons; MAX_SOURCES],
    prices: [Option<Interval>; MAX_SOURCES],
    count: usize,
    /// The legs whose rounds may be remembered, a bit each.
    pub(crate) sound_legs: u16,
}

impl Judgement {
    /// What is thought of each source, in the order of the configuration.
    pub fn sources(&self) -> &[Reasons] {
        &self.sources[..self.count]
    }

    /// What each source says by itself, whatever is thought of it.
    pub fn prices(&self) -> &[Option<Interval>] {
        &self.prices[..self.count]
    }
}

/// Judges what was observed. Never panics, whatever it is given.
pub fn judge(config: &AssetConfig, input: &Input, memory: &Memory) -> Judgement {
    judge_into(config, input, memory, &mut ())
}

/// [`judge`], with each reason's numbers.
pub fn explain(config: &AssetConfig, input: &Input, memory: &Memory) -> (Judgement, Vec<Finding>) {
    let mut findings = Vec::new();
    let judgement = judge_into(config, input, memory, &mut findings);
    (judgement, findings)
}

fn judge_into<S: Sink>(config: &AssetConfig, input: &Input, memory: &Memory, sink: &mut S) -> Judgement {
    let mut judged = Judgement {
        verdict: Verdict::Insane,
        reasons: Reasons::NONE,
        price: None,
        sources: [Reasons::NONE; MAX_SOURCES],
        prices: [None; MAX_SOURCES],
        count: config.sources.len().min(MAX_SOURCES),
        sound_legs: 0,
    };
    let mut notes = Notes::new(Place::default(), sink);
    if config.sources.is_empty() {
        notes.note(Reason::NotConfigured, Number::None, Number::None);
        judged.reasons = notes.reasons;
        return judged;
    }
    sequencer::judge(config, input, &mut notes);
    let mut reasons = notes.reasons;

    let allowed = movement::allowed(config, memory, input.now);
    for i in 0..judged.count {
        let (of_source, price, sound_legs) = source(config, i, input, memory, allowed, sink);
        (judged.sources[i], judged.prices[i]) = (of_source, price);
        judged.sound_legs |= sound_legs << (i * MAX_LEGS);
    }

    let agreed = agree(config, &mut judged, &mut reasons, sink);
    let mut notes = Notes::new(Place::default(), sink);
    if let Some(price) = agreed {
        against_references(config, &judged, price.mid.0, &mut notes);
        peg::soft(config, price.mid.0, &mut notes);
    }
    own_bounds(config, &judged, &mut notes);
    if memory.recovering {
        notes.note(
            Reason::Recovering,
            Number::Count(memory.good.into()),
            Number::Count(config.recover_count.into()),
        );
    }
    reasons = reasons.union(notes.reasons);
    judged.reasons = judged.sources().iter().fold(reasons, |all, of_source| all.union(*of_source));
    judged.verdict = judged.reasons.verdict();
    judged.price = agreed.filter(|_| judged.verdict != Verdict::Insane);
    judged
}

/// A source's reasons, what it says, and which of its legs are sound or held by themselves.
fn source<S: Sink>(
    config: &AssetConfig,
    index: usize,
    input: &Input,
    memory: &Memory,
    allowed: Option<u64>,
    sink: &mut S,
) -> (Reasons, Option<Interval>, u16) {
    let source = &config.sources[index];
    let (mut reasons, mut sound_legs) = (Reasons::NONE, 0);
    let (mut product, mut priced) = (None, true);
    for (j, leg_config) in source.legs.iter().take(MAX_LEGS).enumerate() {
        let place = Place { source: Some(index), leg: Some(j) };
        let mut notes = Notes::new(place, &mut *sink);
        let seen = input.sources.get(index).and_then(|legs| legs.get(j));
        let price = leg(leg_config, seen, memory.leg(index, j), input.now, config.skew, &mut notes);
        reasons = reasons.union(notes.reasons);
        sound_legs |= u16::from(notes.reasons.usable()) << j;
        match (price, product, priced) {
            (Some(price), None, true) => product = Some(price),
            (Some(price), Some(before), true) => {
                product = times(before, price);
                if product.is_none() {
                    priced = false;
                    notes.note(Reason::OutOfRange, Number::Price(price.mid), Number::None);
                    reasons.insert(Reason::OutOfRange);
                }
            }
            _ => (product, priced) = (None, false),
        }
    }
    let mut notes = Notes::new(Place { source: Some(index), leg: None }, sink);
    if let Some(price) = product {
        if let Some(allowed) = allowed {
            movement::judge(price.mid.0, memory.last.0, allowed, config.leap_multiple, &mut notes);
        }
        peg::hard(config, price.mid.0, &mut notes);
    }
    if source.legs.is_empty() {
        notes.note(Reason::Malformed, Number::None, Number::None);
    }
    (reasons.union(notes.reasons), product, sound_legs)
}

fn times(a: Interval, b: Interval) -> Option<Interval> {
    let mid = product_down(a.mid.0, b.mid.0).filter(|mid| *mid != 0)?;
    let (lo, hi) = (product_down(a.lo.0, b.lo.0)?, product_up(a.hi.0, b.hi.0)?);
    Some(Interval { lo: Price(lo), mid: Price(mid), hi: Price(hi) })
}

fn leg<S: Sink>(
    config: &LegConfig,
    seen: Option<&LegInput>,
    memory: crate::LegMemory,
    now: u64,
    skew: u16,
    notes: &mut Notes<'_, S>,
) -> Option<Interval> {
    let failed = match seen.map(|seen| seen.outcome) {
        Some(Outcome::Read) => None,
        Some(Outcome::Reverted) => Some(Reason::Reverted),
        Some(Outcome::NoCode) => Some(Reason::NoCode),
        Some(Outcome::OutOfGas) => Some(Reason::OutOfGas),
        Some(Outcome::Malformed) | None => Some(Reason::Malformed),
    };
    if let Some(reason) = failed {
        notes.note(reason, Number::None, Number::None);
        return None;
    }
    let seen = seen?;
    let answer = match config.kind {
        Kind::UniswapV3Twap => twap::answer(config, seen, notes)?,
        _ => seen.answer,
    };
    answer::identity(config, seen, notes);
    let complete = round::complete(config, seen, notes);
    if complete {
        age::judge(config, seen, now, skew, notes);
    }
    round::monotonic(config, seen, memory, complete, notes);

    let value = answer::positive(answer, notes)?;
    answer::clamps(config, value, notes);
    let half = match config.kind {
        Kind::Pyth => confidence::half_width(config, seen, value, notes),
        _ => U256::ZERO,
    };
    let (mid, up) = answer::price(config, value, notes)?;
    let half = half.max(share_up(mid, config.width_bps));
    let lo = mid.saturating_sub(half.saturating_to());
    let Ok(hi) = u128::try_from(U256::from(up) + half) else {
        notes.note(Reason::OutOfRange, Number::Units(value), Number::Price(config.ceiling));
        return None;
    };
    answer::range(config, mid, notes);
    rate::judge(config, mid, now, notes);
    Some(Interval { lo: Price(lo), mid: Price(mid), hi: Price(hi) })
}

/// The interval of the sources that agree. Notes on those that do not.
fn agree<S: Sink>(
    config: &AssetConfig,
    judged: &mut Judgement,
    reasons: &mut Reasons,
    sink: &mut S,
) -> Option<Interval> {
    let is_price = |i: usize| config.sources[i].role == Role::Price;
    let asked = |held: bool, judged: &Judgement| {
        let mut mids = [None; MAX_SOURCES];
        for (i, mid) in mids.iter_mut().enumerate().take(judged.count) {
            let of_source = judged.sources[i];
            let takes_part = if held { of_source.usable() } else { of_source.is_empty() };
            if is_price(i) && takes_part {
                *mid = judged.prices[i].map(|price| price.mid.0);
            }
        }
        mids
    };
    let mut notes = Notes::new(Place::default(), sink);
    let quorum = u32::from(config.quorum.max(1));
    let mut mids = asked(false, judged);
    let mut members = agreement::best(&mids, config.tolerance_bps);
    if members.count_ones() < quorum {
        mids = asked(true, judged);
        members = agreement::best(&mids, config.tolerance_bps);
        if members.count_ones() < quorum {
            let usable = mids.iter().flatten().count();
            let reason = if usable < quorum as usize { Reason::NoQuorum } else { Reason::Disagreement };
            let seen = if reason == Reason::NoQuorum { usable as u64 } else { members.count_ones().into() };
            notes.note(reason, Number::Count(seen), Number::Count(quorum.into()));
            *reasons = reasons.union(notes.reasons);
            return None;
        }
        notes.note(
            Reason::HeldUsed,
            Number::Count(members.count_ones().into()),
            Number::Count(quorum.into()),
        );
    }
    let mid = Price(agreement::lower_median(&mids, members));
    let (mut lo, mut hi) = (Price::MAX, Price(0));
    let mut dropped = 0;
    for i in (0..judged.count).filter(|i| is_price(*i)) {
        match judged.prices[i] {
            Some(price) if members & (1 << i) != 0 => (lo, hi) = (lo.min(price.lo), hi.max(price.hi)),
            _ => dropped += 1,
        }
    }
    if members.count_ones() == 1 {
        notes.note(Reason::SingleSource, Number::Count(1), Number::Count(2));
    }
    if dropped > 0 {
        notes.note(Reason::Dropped, Number::Count(dropped), Number::Count(0));
    }
    *reasons = reasons.union(notes.reasons);
    for (i, asked) in mids.iter().enumerate().take(judged.count) {
        if let Some(other) = asked
            && members & (1 << i) == 0
        {
            let mut notes = Notes::new(Place { source: Some(i), leg: None }, &mut *sink);
            let far = Number::Bps(distance(*other, mid.0));
            notes.note(Reason::Outlier, far, Number::Bps(config.tolerance_bps.into()));
            judged.sources[i].insert(Reason::Outlier);
        }
    }
    Some(Interval { lo, mid, hi })
}

fn against_references<S: Sink>(
    config: &AssetConfig,
    judged: &Judgement,
    mid: u128,
    notes: &mut Notes<'_, S>,
) {
    for (i, source) in config.sources.iter().enumerate().take(judged.count) {
        if source.role != Role::Reference {
            continue;
        }
        notes.place.source = Some(i);
        let usable = judged.prices[i].filter(|_| judged.sources[i].usable());
        match usable {
            None => notes.note(Reason::ReferenceMissing, Number::None, Number::None),
            Some(price) if apart(mid, price.mid.0, source.tolerance_bps.into()) => {
                let far = Number::Bps(distance(mid, price.mid.0));
                notes.note(Reason::ReferenceApart, far, Number::Bps(source.tolerance_bps.into()));
            }
            Some(_) => {}
        }
        notes.place.source = None;
    }
}

/// A source that only our own bounds refuse, and that a sound one confirms.
fn own_bounds<S: Sink>(config: &AssetConfig, judged: &Judgement, notes: &mut Notes<'_, S>) {
    let aside = Reasons::of(&[Reason::Outlier]);
    for i in 0..judged.count {
        let of_source = judged.sources[i];
        if of_source.is_empty() || !of_source.without(Reasons::OWN_BOUNDS).is_empty() {
            continue;
        }
        let Some(refused) = judged.prices[i] else { continue };
        let confirmed = (0..judged.count).any(|j| {
            j != i
                && judged.sources[j].without(aside).is_empty()
                && judged.prices[j]
                    .is_some_and(|other| !apart(other.mid.0, refused.mid.0, config.tolerance_bps.into()))
        });
        if confirmed {
            notes.place.source = Some(i);
            notes.note(Reason::OwnBound, Number::Price(refused.mid), Number::None);
            notes.place.source = None;
        }
    }
}
