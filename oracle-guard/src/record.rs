//! What is remembered of a judgement, and the way back to healthy.
//!
//! Bad news counts at once, good news slowly: after a price was insane, or stood only on held sources, it takes several
//! good observations, apart in time, until nothing is `recovering` any more.

use crate::{
    AssetConfig, Input, Judgement, LegMemory, Memory, Reason, Verdict,
    config::{MAX_LEGS, MAX_SOURCES},
};

/// The memory after `judgement`, which was made of the same configuration, input and memory.
pub fn record(config: &AssetConfig, input: &Input, memory: &Memory, judgement: &Judgement) -> Memory {
    let mut after = memory.clone();
    let bad = judgement.verdict == Verdict::Insane || judgement.reasons.has(Reason::HeldUsed);
    // One transaction can move a pool's spot price, and must not cost an asset its swaps for longer than that. Of bad news
    // that it may have brought about nothing is kept, not the price either: it would be confirmed without a way back.
    if bad && judgement.reasons.has(Reason::SpotOffMean) {
        return after;
    }
    let now = input.now;
    let spaced = |since: u64| u128::from(now) >= u128::from(since) + u128::from(config.recover_spacing);
    if bad {
        (after.recovering, after.good, after.good_at) = (true, 0, now);
    } else if memory.recovering && spaced(memory.good_at) {
        let good = memory.good.saturating_add(1);
        let well = u16::from(memory.good) + 1 >= u16::from(config.recover_count);
        (after.recovering, after.good, after.good_at) = (!well, if well { 0 } else { good }, now);
    }
    if let Some(price) = judgement.price
        && (memory.last_at == 0 || spaced(memory.last_at))
    {
        (after.last, after.last_at) = (price.mid, now);
    }
    remember_rounds(config, input, judgement, &mut after);
    after
}

fn remember_rounds(config: &AssetConfig, input: &Input, judgement: &Judgement, after: &mut Memory) {
    // The configuration's shape, whatever was remembered under another.
    after.sources.resize(config.sources.len(), Vec::new());
    for (i, source) in config.sources.iter().enumerate().take(MAX_SOURCES) {
        after.sources[i].resize(source.legs.len(), LegMemory::default());
        for (j, leg) in source.legs.iter().enumerate().take(MAX_LEGS) {
            let sound = judgement.sound_legs & (1 << (i * MAX_LEGS + j)) != 0;
            let seen = input.sources.get(i).and_then(|legs| legs.get(j));
            if let Some(seen) = seen.filter(|_| sound && leg.kind.has_clock()) {
                after.sources[i][j] = LegMemory { round: seen.round_id, updated_at: seen.updated_at };
            }
        }
    }
}
