//! Age against the feed's own heartbeat, in the chain's time.
//!
//! A heartbeat per feed, not one for all (Sherlock, JOJO #449): feeds of one asset differ by chain from a minute to a
//! day. Up to twice the heartbeat an answer is held: used when nothing better is left, never for a swap. In May 2022
//! Venus and Blizz went on with an answer that was hours old.

use crate::{
    LegConfig, LegInput, Reason,
    finding::{Notes, Number, Sink},
};

pub(crate) fn judge<S: Sink>(
    leg: &LegConfig,
    seen: &LegInput,
    now: u64,
    skew: u16,
    notes: &mut Notes<'_, S>,
) {
    let ahead = seen.updated_at.saturating_sub(now);
    if ahead > u64::from(skew) {
        notes.note(Reason::FromTheFuture, Number::Seconds(ahead), Number::Seconds(skew.into()));
        return;
    }
    if !leg.kind.has_clock() {
        return;
    }
    let (age, heartbeat) = (now.saturating_sub(seen.updated_at), u64::from(leg.heartbeat));
    if age > 2 * heartbeat {
        notes.note(Reason::Stale, Number::Seconds(age), Number::Seconds(2 * heartbeat));
    } else if age > heartbeat {
        notes.note(Reason::Late, Number::Seconds(age), Number::Seconds(heartbeat));
    }
}
