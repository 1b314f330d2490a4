//! Which record is which payout's.

use crate::{
    books::difference::Class,
    chain::calldata::{Payout, Settled},
    domain::withdrawal::Reference,
    stages::StageError,
    store::{
        compare::{BatchRecord, Moment, Record},
        progress::FoundPayout,
    },
};
use std::collections::{BTreeMap, HashMap, HashSet};

/// What these books have for the payouts of one settlement.
pub(super) struct Records {
    by_reference: HashMap<Reference, Record>,
    found: BTreeMap<u64, (FoundPayout, Option<i64>)>,
    /// Of the batch alone: records that no payout took are left.
    of_batch: HashSet<i64>,
}

pub(super) enum Known {
    Record(Record),
    /// Found on chain before, and kept with the same terms.
    Found,
    FoundOtherwise(Class, String),
    Nowhere,
}

impl Records {
    pub(super) async fn load(
        moment: &mut Moment,
        batch: Option<&BatchRecord>,
        event: Settled,
        payouts: &[Payout],
    ) -> Result<Self, StageError> {
        let records = match batch {
            Some(batch) => moment.records_of(batch.row).await?,
            None => Vec::new(),
        };
        let of_batch = records.iter().map(|r| r.row).collect();
        let mut by_reference: HashMap<_, _> = records.into_iter().map(|r| (r.reference, r)).collect();
        let others: Vec<_> = payouts
            .iter()
            .filter(|p| !p.amount.is_zero() && !by_reference.contains_key(&p.reference))
            .map(|p| p.reference)
            .collect();
        let mut found = BTreeMap::new();
        if batch.is_none() {
            found = moment.found(event.lane, event.first, event.count).await?;
        }
        if !others.is_empty() {
            let more = moment.records_by_reference(&others).await?;
            // One that another batch pays is not this payout's.
            by_reference.extend(more.into_iter().filter(|(_, r)| batch.is_none() || r.batch.is_none()));
        }
        Ok(Self { by_reference, found, of_batch })
    }

    pub(super) fn take(&mut self, payout: &Payout, number: u64) -> Known {
        let record = self.by_reference.remove(&payout.reference);
        if let Some((found, withdrawal)) = self.found.remove(&number) {
            let differs = if found.amount != payout.amount {
                Some((
                    Class::Amount,
                    format!("the chain has {}, the books found {}", payout.amount, found.amount),
                ))
            } else if found.recipient != payout.recipient {
                let what = format!("the chain has {}, the books found {}", payout.recipient, found.recipient);
                Some((Class::Recipient, what))
            } else if found.reference != payout.reference {
                Some((
                    Class::State,
                    format!("the chain has {}, the books found {}", payout.reference, found.reference),
                ))
            } else {
                None
            };
            if let Some((class, what)) = differs {
                return Known::FoundOtherwise(class, what);
            }
            // Paid twice by mistake of a person: the record stands for another payment.
            return match record.filter(|r| Some(r.row) == withdrawal) {
                Some(record) => Known::Record(record),
                None => Known::Found,
            };
        }
        match record {
            Some(record) => {
                self.of_batch.remove(&record.row);
                Known::Record(record)
            }
            None => Known::Nowhere,
        }
    }

    /// Records of the batch that none of its payouts is.
    pub(super) fn left(self) -> Vec<Record> {
        let of_batch = self.of_batch;
        let mut left: Vec<_> =
            self.by_reference.into_values().filter(|r| of_batch.contains(&r.row)).collect();
        left.sort_by_key(|r| r.row);
        left
    }
}
