//! The L2's sequencer, and the chain's own time.
//!
//! While the sequencer is down nobody can answer a price, and just after it came up the first to arrive has an
//! advantage: Chainlink's uptime feed says since when, and its documentation shows a grace of an hour. Arbitrum stood
//! for 78 minutes on 15 December 2023. The grace never keeps anybody from repaying (Sentiment v2, Sherlock #324).
//!
//! All ages are judged in the chain's time; a node that lags makes every feed look fresh. So off chain the newest block
//! is held against the machine's clock.

use crate::{
    AssetConfig, Input, Reason,
    finding::{Notes, Number, Sink},
    input::Outcome,
};
use alloy_primitives::I256;

pub(crate) fn judge<S: Sink>(config: &AssetConfig, input: &Input, notes: &mut Notes<'_, S>) {
    if config.chain_lag != 0 && input.wall != 0 {
        let behind = input.wall.saturating_sub(input.now);
        if behind > u64::from(config.chain_lag) {
            let bound = Number::Seconds(config.chain_lag.into());
            notes.note(Reason::ChainBehind, Number::Seconds(behind), bound);
        }
    }
    if config.sequencer_grace == 0 {
        return;
    }
    let seen = &input.sequencer;
    let ahead = seen.started_at.saturating_sub(input.now) > u64::from(config.skew);
    let known = seen.outcome == Outcome::Read && seen.started_at != 0 && !ahead;
    let up_for = input.now.saturating_sub(seen.started_at);
    if known && seen.answer == I256::ZERO {
        if up_for <= u64::from(config.sequencer_grace) {
            let bound = Number::Seconds(config.sequencer_grace.into());
            notes.note(Reason::SequencerGrace, Number::Seconds(up_for), bound);
        }
    } else if known && seen.answer == I256::ONE {
        notes.note(Reason::SequencerDown, Number::Seconds(up_for), Number::None);
    } else {
        notes.note(Reason::SequencerUnknown, Number::Answer(seen.answer), Number::None);
    }
}
