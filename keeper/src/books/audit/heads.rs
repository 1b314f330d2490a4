//! Holds the audit chain against the hashes that the blockchain holds: [`anchors`](super::anchors) reads those.
//!
//! Up to which block the books go, and which settlements they do not know, is taken from the changes alone: their
//! hashes bind it. What the first line of a file says of it is only compared.

use super::{
    anchors::Anchor,
    change::{Broken, Change},
    export::Header,
};
use alloy::primitives::B256;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// Who books final blocks, and as what. No other change may say how far the books go, or list heads.
const BOOKING: (&str, &str) = ("keeper/finalize", "blocks.final");

/// The key in the detail of such a change that lists the heads that a restored store met on chain and does not know.
pub const FORGOTTEN: &str = "forgotten_heads";

/// The detail of a change that books final blocks.
#[derive(Deserialize)]
struct Booking {
    from: u64,
    to: u64,
    #[serde(default)]
    forgotten_heads: Vec<B256>,
}

/// What the chain confirms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Confirmed {
    pub settlements: u64,
    /// The newest change whose hash is on chain: nothing up to it was changed since. Later ones the chain does not
    /// know yet.
    pub up_to_change: i64,
    /// Settlements of a past that a restore lost, as whoever checks says.
    pub forgotten: u64,
    /// Settlements in later blocks than the books know: nothing here covers them.
    pub later: u64,
}

/// Where the books end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Ends {
    pub change: i64,
    /// Unix milliseconds.
    pub at: i64,
    /// The last block that is in them; none when none is.
    pub block: Option<u64>,
}

/// A change that lists heads which the books do not have. They went back in time before it, or somebody wrote them
/// anew: from here both look the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Lost {
    pub change: i64,
    /// Of the change, and so of all before it.
    pub hash: B256,
    /// Unix milliseconds.
    pub at: i64,
    /// The blocks that it booked, the last included.
    pub from_block: u64,
    pub to_block: u64,
    /// How many settlements in them carry such a head.
    pub settlements: u64,
    /// Whether whoever checks knows of a restore there.
    pub accepted: bool,
}

/// What comes of holding the one against the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Findings {
    pub confirmed: Confirmed,
    pub ends: Ends,
    pub lost: Vec<Lost>,
    /// The first link that does not hold.
    pub broken: Option<Broken>,
}

/// The heads that a change lists, and whether a settlement in its blocks carries them.
#[derive(Debug)]
struct Listing {
    lost: Lost,
    heads: HashMap<B256, bool>,
}

/// Where each hash of the chain stands, gathered while it is followed.
#[derive(Debug, Default)]
pub struct Heads {
    wanted: HashSet<B256>,
    found: HashMap<B256, i64>,
    /// By the first block that the change booked.
    listings: BTreeMap<u64, Listing>,
    ends: Ends,
    /// The block that the books must go on with.
    next_block: u64,
    /// The last block in the books, as the header has it: while no change ended there.
    named: Option<u64>,
    broken: Option<Broken>,
}

impl Heads {
    /// Looks for the heads of `anchors` in books that say of themselves what `header` says.
    pub fn wanted(anchors: &[Anchor], header: &Header) -> Self {
        let wanted: HashSet<B256> = anchors.iter().map(|a| a.head).collect();
        let found = wanted.get(&B256::ZERO).map(|zero| (*zero, 0)).into_iter().collect();
        Self { wanted, found, next_block: header.deployed_at, named: header.final_block, ..Self::default() }
    }

    /// The next change that holds.
    pub fn see(&mut self, change: &Change) {
        if self.wanted.contains(&change.hash) {
            self.found.insert(change.hash, change.seq);
        }
        (self.ends.change, self.ends.at) = (change.seq, change.at);
        let booking = (change.actor.as_str(), change.action.as_str()) == BOOKING;
        if booking && let Err(what) = self.book(change) {
            self.broken.get_or_insert_with(|| Broken::at(change.seq, what));
        }
    }

    fn book(&mut self, change: &Change) -> Result<(), String> {
        let Change { seq, at, hash, .. } = *change;
        let Ok(booking) = serde_json::from_str::<Booking>(&change.detail) else {
            return Err(format!("change {seq} does not say which blocks it booked"));
        };
        let Booking { from, to, forgotten_heads } = booking;
        if from != self.next_block || to < from {
            let next = self.next_block;
            return Err(format!(
                "change {seq} booked blocks {from} to {to}, where block {next} was the next: the books leave blocks \
                 out, or took some twice"
            ));
        }
        (self.ends.block, self.next_block) = (Some(to), to.saturating_add(1));
        self.named.take_if(|named| *named == to);
        if !forgotten_heads.is_empty() {
            let lost = Lost {
                change: seq,
                hash,
                at,
                from_block: from,
                to_block: to,
                settlements: 0,
                accepted: false,
            };
            let heads = forgotten_heads.into_iter().map(|head| (head, false)).collect();
            self.listings.insert(from, Listing { lost, heads });
        }
        Ok(())
    }

    /// Holds the `anchors` in all blocks up to `read_to` against what was seen. `accepted`: the hashes of changes that may
    /// list heads which the books do not have, because whoever checks knows of a restore. A hash binds all before it: a
    /// number would stand for whatever somebody puts in its place.
    pub fn check(mut self, anchors: &[Anchor], read_to: u64, accepted: &BTreeSet<B256>) -> Findings {
        let mut confirmed = Confirmed::default();
        let mut broken: Vec<Broken> = self.broken.take().into_iter().collect();
        let mut anew = None;
        for anchor in anchors {
            let listing = self.listings.range_mut(..=anchor.block).next_back().map(|(_, listing)| listing);
            let listing = listing.filter(|l| anchor.block <= l.lost.to_block);
            let listed = listing.and_then(|l| {
                *l.heads.get_mut(&anchor.head)? = true;
                Some(&mut l.lost)
            });
            let found = self.found.get(&anchor.head);
            confirmed.up_to_change = confirmed.up_to_change.max(found.copied().unwrap_or(0));
            if self.ends.block.is_none_or(|last| anchor.block > last) {
                confirmed.later += 1;
            } else if found.is_some() {
                confirmed.settlements += 1;
            } else if let Some(lost) = listed {
                lost.settlements += 1;
            } else {
                anew.get_or_insert_with(|| written_anew(anchor, confirmed.up_to_change));
            }
        }
        broken.extend(anew);
        let mut lost = Vec::new();
        for listing in self.listings.into_values() {
            let Listing { lost: mut here, heads } = listing;
            if let Some((head, _)) = heads.iter().find(|(_, carried)| !**carried)
                && here.to_block <= read_to
            {
                broken.push(here.unfounded(*head));
            }
            // Where the books have all that is listed, nothing of them is lost.
            if here.settlements > 0 {
                here.accepted = accepted.contains(&here.hash);
                if here.accepted {
                    confirmed.forgotten += here.settlements;
                } else {
                    broken.push(here.unaccepted());
                }
                lost.push(here);
            }
        }
        if let Some(named) = self.named {
            broken.push(self.ends.contradict(named));
        }
        let broken = broken.into_iter().min_by_key(|b| b.change.unwrap_or(i64::MAX));
        Findings { confirmed, ends: self.ends, lost, broken }
    }
}

fn written_anew(anchor: &Anchor, whole: i64) -> Broken {
    let Anchor { head, tx, block } = anchor;
    let what = format!(
        "the settlement in transaction {tx} of block {block} carries the head {head}, which no change here has: what \
         follows change {whole}, the last that the chain confirms before it, was written anew"
    );
    Broken::at(whole + 1, what)
}

impl Lost {
    fn unfounded(&self, head: B256) -> Broken {
        let Self { change, from_block, to_block, .. } = self;
        let what = format!(
            "change {change} lists the head {head} as one that it met on chain, and no settlement in its blocks \
             {from_block} to {to_block} carries it"
        );
        Broken::at(*change, what)
    }

    fn unaccepted(&self) -> Broken {
        let Self { change, hash, from_block, to_block, settlements, .. } = self;
        let what = format!(
            "change {change} says that the books do not know {settlements} settlements in blocks {from_block} to \
             {to_block}: a store was restored or rebuilt before it, or somebody wrote the books anew. Whoever knows of \
             the restore accepts it with --restored {hash}"
        );
        Broken::at(*change, what)
    }
}

impl Ends {
    /// The header has the books end at block `named`, where no change here ends.
    fn contradict(&self, named: u64) -> Broken {
        let Self { change, block, .. } = self;
        if block.is_none_or(|last| last < named) {
            let next = change + 1;
            let what = format!(
                "the books are said to go up to block {named}, and no change up to {change} has booked it: what came \
                 from change {next} on is missing"
            );
            return Broken::at(next, what);
        }
        Broken {
            change: None,
            what: format!("the books are said to end at block {named}, and no change ended there"),
        }
    }
}

#[cfg(test)]
mod tests;
