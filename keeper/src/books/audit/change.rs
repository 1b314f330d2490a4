//! A change with all that its hash covers: what a reader needs to compute it again, and nothing else.

use super::{Digest, Entry};
use crate::domain::withdrawal::Withdrawal;
use alloy::primitives::{Address, B256};
use serde::{Deserialize, Serialize};
use std::fmt;

/// One entry of the audit chain with the rows that it made, in their order. The texts are those of the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    pub seq: i64,
    /// Unix milliseconds.
    pub at: i64,
    pub actor: String,
    pub action: String,
    /// JSON, as the text that was hashed.
    pub detail: String,
    pub digest: B256,
    pub hash: B256,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transitions: Vec<Transition>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub postings: Vec<Posting>,
    /// Of the withdrawals that it accepted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub terms: Vec<Terms>,
}

/// A move of a withdrawal or of a batch: one of the two is named, by its row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transition {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub withdrawal: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch: Option<i64>,
    pub from: Option<String>,
    pub to: String,
    pub reason: Option<String>,
}

impl Transition {
    /// Whether its line says all of it: of two subjects it names one, and an empty text looks like none.
    fn is_one(&self) -> bool {
        let empty = |text: &Option<String>| text.as_ref().is_some_and(String::is_empty);
        self.withdrawal.is_some() != self.batch.is_some() && !empty(&self.from) && !empty(&self.reason)
    }
}

/// Amounts are 64 hexadecimal digits, in the asset's smallest unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Posting {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub withdrawal: Option<i64>,
    pub asset: String,
    pub debit: String,
    pub credit: String,
    pub amount: String,
}

/// What a withdrawal asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    pub withdrawal: i64,
    pub id: String,
    pub door: String,
    pub asset: String,
    pub recipient: String,
    pub amount: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<Request>,
    /// Unix milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    pub id: i64,
    pub owner: String,
    /// Unix seconds.
    pub created_at: i64,
}

impl Terms {
    pub(super) fn of(w: &Withdrawal) -> Self {
        let address = |a: Address| format!("{a:#x}");
        Self {
            withdrawal: w.row,
            id: w.id.to_string(),
            door: w.door.as_str().to_owned(),
            asset: address(w.asset),
            recipient: address(w.recipient),
            amount: w.amount.to_hex(),
            request: w.request.map(|r| Request {
                id: i64::try_from(r.id).unwrap_or(i64::MAX),
                owner: address(r.owner),
                created_at: i64::try_from(r.created_at).unwrap_or(i64::MAX),
            }),
            deadline: w.deadline,
        }
    }

    pub(super) fn line(&self) -> String {
        let Self { withdrawal, id, door, asset, recipient, amount, request, deadline } = self;
        let request = request.as_ref().map(|r| format!("{},{},{}", r.id, r.owner, r.created_at));
        let deadline = deadline.map(|at| at.to_string());
        format!(
            "{withdrawal}|{id}|{door}|{asset}|{recipient}|{amount}|{}|{}\n",
            request.unwrap_or_default(),
            deadline.unwrap_or_default()
        )
    }
}

impl Change {
    /// Whether its rows are those that were made, as far as its digest says.
    pub fn holds(&self) -> bool {
        self.transitions.iter().all(Transition::is_one) && self.made().is(self.digest)
    }

    fn made(&self) -> Digest {
        let mut digest = Digest::default();
        for t in &self.transitions {
            let (subject, row) = match (t.withdrawal, t.batch) {
                (Some(row), _) => ("withdrawal", row),
                (None, row) => ("batch", row.unwrap_or_default()),
            };
            digest.transition(subject, row, t.from.as_deref(), &t.to, t.reason.as_deref());
        }
        for p in &self.postings {
            digest.posting(p.withdrawal, &p.asset, &p.debit, &p.credit, &p.amount);
        }
        self.terms.iter().for_each(|terms| digest.terms(terms));
        digest
    }

    fn entry(&self) -> Entry<'_> {
        let Self { seq, at, actor, action, detail, digest, .. } = self;
        Entry { seq: *seq, at: *at, actor, action, detail, digest: *digest }
    }
}

/// The first link that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Broken {
    /// The change, where one can be named.
    pub change: Option<i64>,
    pub what: String,
}

impl Broken {
    pub(super) fn at(change: i64, what: impl Into<String>) -> Self {
        Self { change: Some(change), what: what.into() }
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

/// Follows the chain from its first change on.
#[derive(Clone, Debug, Default)]
pub struct Follower {
    /// The hash of the last change that was followed, and how many were.
    pub head: B256,
    pub changes: i64,
}

impl Follower {
    /// Takes the next change, or says why it is not the one that was made.
    pub fn follow(&mut self, change: &Change) -> Result<(), Broken> {
        let expected = self.changes + 1;
        if change.seq != expected {
            let what = if change.seq > expected {
                format!("change {expected} is missing in the audit")
            } else {
                format!("after change {} comes change {} again: it was inserted", self.changes, change.seq)
            };
            return Err(Broken::at(expected, what));
        }
        if change.entry().hash(self.head) != change.hash {
            let what = format!("change {expected} is not the one that was made: its hash differs");
            return Err(Broken::at(expected, what));
        }
        if !change.holds() {
            let what = format!(
                "the transitions, postings or terms of change {expected} are not those that were made"
            );
            return Err(Broken::at(expected, what));
        }
        self.head = change.hash;
        self.changes = expected;
        Ok(())
    }

    /// The chain ended here: `head` is the hash that it is said to have, after `changes`.
    pub fn end(&self, changes: i64, head: B256) -> Result<(), Broken> {
        if self.changes < changes {
            let next = self.changes + 1;
            return Err(Broken::at(
                next,
                format!("change {next} is missing in the audit: {changes} were made"),
            ));
        }
        if self.changes > changes {
            let what = format!("change {} was inserted: only {changes} were made", changes + 1);
            return Err(Broken::at(changes + 1, what));
        }
        if self.head != head {
            let what = "the audit's head is not the hash of its last change";
            return Err(Broken::at(self.changes, what));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A chain of `n` changes that moved and posted something.
    fn chain(n: i64) -> Vec<Change> {
        let mut prev = B256::ZERO;
        (1..=n)
            .map(|seq| {
                let mut change = Change {
                    seq,
                    at: 1_000 + seq,
                    actor: "test".to_owned(),
                    action: "moved".to_owned(),
                    detail: "{}".to_owned(),
                    digest: B256::ZERO,
                    hash: B256::ZERO,
                    transitions: vec![Transition {
                        withdrawal: Some(seq),
                        batch: None,
                        from: None,
                        to: "received".to_owned(),
                        reason: None,
                    }],
                    postings: vec![Posting {
                        withdrawal: Some(seq),
                        asset: "0xaa".to_owned(),
                        debit: "float".to_owned(),
                        credit: "orders".to_owned(),
                        amount: format!("{seq:064x}"),
                    }],
                    terms: vec![Terms {
                        withdrawal: seq,
                        id: format!("wd_{seq}"),
                        door: "order".to_owned(),
                        asset: "0xaa".to_owned(),
                        recipient: "0xbb".to_owned(),
                        amount: format!("{seq:064x}"),
                        request: None,
                        deadline: None,
                    }],
                };
                change.digest = change.made().finish();
                change.hash = change.entry().hash(prev);
                prev = change.hash;
                change
            })
            .collect()
    }

    /// The first change that does not hold.
    fn broken(changes: &[Change], made: &[Change]) -> Option<i64> {
        let mut follower = Follower::default();
        let followed = changes.iter().try_for_each(|c| follower.follow(c));
        let last = made.last().unwrap();
        followed.and_then(|()| follower.end(last.seq, last.hash)).err().map(|b| b.change.unwrap())
    }

    #[test]
    fn every_tampering_is_found_at_its_change() {
        let made = chain(6);
        assert_eq!(broken(&made, &made), None);
        type Tamper = (&'static str, fn(&mut Change));
        let tampers: [Tamper; 13] = [
            ("time", |c| c.at += 1),
            ("actor", |c| c.actor = "other".to_owned()),
            ("action", |c| c.action = "other".to_owned()),
            ("detail", |c| c.detail = "{ }".to_owned()),
            ("digest", |c| c.digest = B256::repeat_byte(1)),
            ("hash", |c| c.hash = B256::repeat_byte(1)),
            ("a transition less", |c| c.transitions.clear()),
            ("a subject more", |c| c.transitions[0].batch = Some(1)),
            ("an empty state for none", |c| c.transitions[0].from = Some(String::new())),
            ("a posting more", |c| c.postings.push(c.postings[0].clone())),
            ("an amount", |c| c.postings[0].amount.replace_range(63.., "0")),
            ("a recipient", |c| c.terms[0].recipient = "0xcc".to_owned()),
            ("no terms", |c| c.terms[0].withdrawal = 99),
        ];
        for seq in 1..=6_i64 {
            let at = usize::try_from(seq - 1).unwrap();
            for (what, tamper) in tampers {
                let mut changed = made.clone();
                tamper(&mut changed[at]);
                assert_eq!(broken(&changed, &made), Some(seq), "{what}");
            }
            let mut fewer = made.clone();
            fewer.remove(at);
            assert_eq!(broken(&fewer, &made), Some(seq), "removed");
            let mut more = made.clone();
            more.insert(at, made[at].clone());
            assert_eq!(broken(&more, &made), Some(seq + 1), "inserted");
        }
        let mut swapped = made.clone();
        swapped.swap(2, 4);
        assert_eq!(broken(&swapped, &made), Some(3));
    }

    #[test]
    fn a_change_from_before_terms_were_covered_still_holds() {
        let mut change = chain(1).remove(0);
        change.digest = Digest { terms: None, ..change.made() }.finish();
        change.hash = change.entry().hash(B256::ZERO);
        Follower::default().follow(&change).unwrap();
    }
}
