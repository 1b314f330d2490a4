//! The audit chain: each committed change is hashed over the one before.
//!
//! A change's digest covers its transitions, its postings and the terms of the withdrawals that it accepted, one line
//! each in the order of the rows. Its hash covers the hash before, the number, the time, who did it, what it was, and
//! the digest. The newest hash goes on chain with each settlement, so history cannot be rewritten unseen.
//!
//! - [`change`]: a change with all that its hash covers, and the check that one follows the other
//! - [`export`]: all changes in a file
//! - [`anchors`]: the hashes that the chain holds
//! - [`heads`]: the one held against the other

pub mod anchors;
pub mod change;
pub mod export;
pub mod heads;

use crate::domain::withdrawal::Withdrawal;
use alloy::primitives::{B256, Keccak256, keccak256};
use change::Terms;

/// Collects the lines of one change, in the order in which their rows are stored.
#[derive(Clone, Default)]
pub struct Digest {
    transitions: Keccak256,
    postings: Keccak256,
    /// None while no withdrawal was accepted.
    terms: Option<Keccak256>,
    lines: usize,
}

impl Digest {
    pub fn transition(
        &mut self,
        subject: &str,
        row: i64,
        from: Option<&str>,
        to: &str,
        reason: Option<&str>,
    ) {
        let line = format!("{subject}|{row}|{}|{to}|{}\n", from.unwrap_or(""), reason.unwrap_or(""));
        self.transitions.update(line);
        self.lines += 1;
    }

    pub fn posting(
        &mut self,
        withdrawal: Option<i64>,
        asset: &str,
        debit: &str,
        credit: &str,
        amount_hex: &str,
    ) {
        let withdrawal = withdrawal.map(|w| w.to_string()).unwrap_or_default();
        self.postings.update(format!("{withdrawal}|{asset}|{debit}|{credit}|{amount_hex}\n"));
        self.lines += 1;
    }

    /// What an accepted withdrawal asks for.
    pub fn accepted(&mut self, withdrawal: &Withdrawal) {
        self.terms(&Terms::of(withdrawal));
    }

    fn terms(&mut self, terms: &Terms) {
        self.terms.get_or_insert_default().update(terms.line());
        self.lines += 1;
    }

    pub fn is_empty(&self) -> bool {
        self.lines == 0
    }

    pub fn finish(self) -> B256 {
        let moves = [self.transitions.finalize(), self.postings.finalize()];
        match self.terms {
            None => keccak256(moves.concat()),
            Some(terms) => keccak256([moves.concat(), terms.finalize().to_vec()].concat()),
        }
    }

    /// Whether `digest` is of these lines. Changes that were made before terms were covered leave them out; no digest
    /// can be both.
    fn is(self, digest: B256) -> bool {
        self.clone().finish() == digest || Self { terms: None, ..self }.finish() == digest
    }
}

/// One entry of the chain, without its own hash.
pub struct Entry<'a> {
    pub seq: i64,
    pub at: i64,
    pub actor: &'a str,
    pub action: &'a str,
    pub detail: &'a str,
    pub digest: B256,
}

impl Entry<'_> {
    /// The entry's hash over the hash before. Texts go in by their own hashes, so that no two entries share an
    /// encoding.
    pub fn hash(&self, prev: B256) -> B256 {
        keccak256(
            [
                prev,
                keccak256(self.seq.to_be_bytes()),
                keccak256(self.at.to_be_bytes()),
                keccak256(self.actor),
                keccak256(self.action),
                keccak256(self.detail),
                self.digest,
            ]
            .concat(),
        )
    }
}
