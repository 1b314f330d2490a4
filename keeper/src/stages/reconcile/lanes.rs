//! Lanes: where events left each, against where the chain says that it stands, and against where the books do.

use super::walk::Walk;
use crate::{
    books::difference::{Class, Side},
    chain::Chain,
    domain::lane::{Head, LanePosition},
    stages::StageError,
    store::compare::{Moment, OpenOrders},
};
use alloy::primitives::Address;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Where the events left a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stand {
    pub next: u64,
    /// None after a settlement that cannot be read.
    pub head: Option<Head>,
}

impl Stand {
    pub fn at(position: LanePosition) -> Self {
        Self { next: position.next, head: Some(position.head) }
    }

    fn is(self, position: LanePosition) -> bool {
        self.next == position.next && self.head.is_none_or(|head| head == position.head)
    }

    /// Where the open batches that build on it lead.
    fn followed_by(self, open: &[OpenOrders]) -> Self {
        open.iter().fold(self, |at, batch| match batch.before {
            Some(before) if at.is(before) => Self::at(batch.after),
            _ => at,
        })
    }
}

impl std::fmt::Display for Stand {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.head {
            Some(head) => write!(f, "number {} with head {head}", self.next),
            None => write!(f, "number {}", self.next),
        }
    }
}

impl Walk {
    /// Compares at block `at`, where the walk ended and the books are.
    pub(super) async fn compare_lanes(
        &mut self,
        chain: &Chain,
        moment: &mut Moment,
        at: u64,
    ) -> Result<(), StageError> {
        let books = moment.lanes().await?;
        let mut open: BTreeMap<Address, Vec<OpenOrders>> = BTreeMap::new();
        for batch in moment.open_orders().await? {
            open.entry(batch.lane).or_default().push(batch);
        }
        let all: BTreeSet<Address> =
            self.lanes.keys().copied().chain(books.iter().map(|l| l.address)).collect();
        let mut odd = BTreeSet::new();
        for lane in all {
            let told = self.lanes.get(&lane).copied();
            let says = chain.lane(lane, at).await?.position;
            // One that was never enabled stands nowhere, and no event tells of it.
            let agree = told.map_or(says.next == 0, |stand| stand.is(says));
            if !agree {
                let told = told.map_or_else(|| "nowhere".to_owned(), |stand| stand.to_string());
                let what = format!("the chain has it at {}, its events lead to {told}", Stand::at(says));
                self.say(Class::State, Side::Chain, format!("lane {lane} on chain"), what);
                odd.insert(lane);
            }
        }
        for lane in books {
            // What is fenced gives out no numbers, and is put where the chain is when its void is final. At 0 it was not
            // enabled yet when it was taken in. The books follow the chain, where that is odd.
            let is_placed = lane.fencing_since.is_none() && lane.position.next != 0;
            if !is_placed || odd.contains(&lane.address) {
                continue;
            }
            let genesis = LanePosition::genesis(chain.chain_id, chain.vault, lane.address);
            let settled = self.lanes.get(&lane.address).copied().unwrap_or(Stand::at(genesis));
            let open = open.get(&lane.address).map_or(&[][..], Vec::as_slice);
            let leads = settled.followed_by(open);
            if !leads.is(lane.position) {
                let what = format!(
                    "the chain is at number {}, its open batches lead to {leads}, the books have it at {}",
                    settled.next,
                    Stand::at(lane.position)
                );
                self.say(Class::State, Side::Records, format!("lane {}", lane.address), what);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(next: u64, head: u8) -> LanePosition {
        LanePosition { next, head: Head::repeat_byte(head) }
    }

    fn batch(before: LanePosition, after: LanePosition) -> OpenOrders {
        OpenOrders { lane: Address::ZERO, before: Some(before), after }
    }

    #[test]
    fn only_open_batches_that_build_on_the_chain_lead_further() {
        let settled = Stand::at(position(5, 1));
        let (second, third) = (position(8, 2), position(9, 3));
        let chain = [batch(position(5, 1), second), batch(second, third)];
        assert_eq!(settled.followed_by(&[]), settled);
        assert_eq!(settled.followed_by(&chain), Stand::at(third));
        assert_eq!(settled.followed_by(&chain[1..]), settled, "its front is missing");
        let other = [batch(position(5, 9), second), batch(second, third)];
        assert_eq!(settled.followed_by(&other), settled, "another head");
        let unread = [OpenOrders { lane: Address::ZERO, before: None, after: second }];
        assert_eq!(settled.followed_by(&unread), settled);
        let unknown = Stand { next: 5, head: None };
        assert_eq!(unknown.followed_by(&chain), Stand::at(third));
        assert!(unknown.is(position(5, 7)) && !unknown.is(position(6, 7)) && !settled.is(position(5, 2)));
    }
}
