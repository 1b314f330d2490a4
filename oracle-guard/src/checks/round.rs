//! Rounds: complete, of their own, and never older than one that was seen.
//!
//! Chainlink's `latestRoundData` gives `updatedAt = 0` for a round that is not answered, and the proxy puts the
//! aggregator's phase into the upper 16 of a round's 80 bits, which only ever grows. A lagging node, or another feed behind
//! the address, shows as a round that went back; a new aggregator as a new phase, which is held until it was seen once.
//! Exactly's audit (Sherlock #794) is about a price that was read without its round; in December 2023 Arbitrum's feeds
//! answered their last round for as long as the sequencer stood.

use crate::{
    Kind, LegConfig, LegInput, LegMemory, Reason,
    finding::{Notes, Number, Sink},
};
use alloy_primitives::U256;

fn number(n: u128) -> Number {
    Number::Units(U256::from(n))
}

/// Whether the round is complete; only then its age means anything.
pub(crate) fn complete<S: Sink>(leg: &LegConfig, seen: &LegInput, notes: &mut Notes<'_, S>) -> bool {
    let complete = seen.updated_at != 0 && (leg.kind != Kind::Chainlink || seen.round_id != 0);
    if !complete {
        notes.note(Reason::IncompleteRound, number(seen.round_id), Number::None);
    }
    complete
}

/// Of its own round, and not older than what was seen.
pub(crate) fn monotonic<S: Sink>(
    leg: &LegConfig,
    seen: &LegInput,
    memory: LegMemory,
    complete: bool,
    notes: &mut Notes<'_, S>,
) {
    if leg.carried && seen.answered_in_round < seen.round_id {
        notes.note(Reason::CarriedRound, number(seen.answered_in_round), number(seen.round_id));
    }
    if !leg.kind.has_clock() {
        return;
    }
    if complete && seen.updated_at < memory.updated_at {
        let (seen, bound) = (Number::Seconds(seen.updated_at), Number::Seconds(memory.updated_at));
        notes.note(Reason::RoundWentBack, seen, bound);
    }
    if leg.kind == Kind::Chainlink && memory.round != 0 {
        if seen.round_id < memory.round {
            notes.note(Reason::RoundWentBack, number(seen.round_id), number(memory.round));
        } else if seen.round_id >> 64 != memory.round >> 64 {
            let (seen, bound) = (number(seen.round_id >> 64), number(memory.round >> 64));
            notes.note(Reason::PhaseChanged, seen, bound);
        }
    }
}
