//! The outcome, for people and for machines.

use crate::clients::Answers;
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

/// What became of all withdrawals.
#[derive(Debug, Serialize)]
pub struct Outcome {
    pub withdrawals: u64,
    pub paid: u64,
    pub claims: u64,
    pub rejected: u64,
    pub pending: u64,
    /// From chain logs and token balances.
    pub double_paid: u64,
    /// From chain logs and token balances: accepted, and neither paid nor claimable in full.
    pub lost: u64,
    pub batches: u64,
    pub gas_per_payout: u64,
    pub seconds: u64,
    pub reconciled: bool,
    pub repeated: u64,
}

impl Outcome {
    pub fn all_is_well(&self) -> bool {
        let ended = self.paid + self.claims + self.rejected;
        ended == self.withdrawals
            && self.claims > 0
            && self.rejected > 0
            && self.repeated > 0
            && self.pending == 0
            && self.double_paid == 0
            && self.lost == 0
            && self.reconciled
    }
}

pub fn print(outcome: &Outcome, answers: &Answers) {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_header(["", "", "how it is known"]);
    let mut row = |what: &str, value: String, how: &str| {
        table.add_row([what.to_owned(), value, how.to_owned()]);
    };
    row("withdrawals", outcome.withdrawals.to_string(), "file, HTTP, requests on chain");
    row("paid", outcome.paid.to_string(), "events and calldata of the vault, token balances");
    row("turned into claims", outcome.claims.to_string(), "recipients that revert, burn gas or are blocked");
    row("rejected", outcome.rejected.to_string(), "told to the client, with a reason");
    for (code, n) in &answers.refused {
        row(&format!("  {code}"), n.to_string(), "");
    }
    row("pending", outcome.pending.to_string(), "the keeper's books");
    row("paid twice", outcome.double_paid.to_string(), "events and calldata of the vault, token balances");
    row("lost", outcome.lost.to_string(), "events and calldata of the vault, token balances");
    row("repeated keys", outcome.repeated.to_string(), "answered with the first withdrawal");
    row("batches", outcome.batches.to_string(), "settlements on chain");
    row("gas per payout", outcome.gas_per_payout.to_string(), "receipts");
    row("seconds", outcome.seconds.to_string(), "from the first one sent to the last one final");
    let verdict = if outcome.reconciled { "chain and books agree" } else { "chain and books DIFFER" };
    row("reconciliation", verdict.to_owned(), "spillway reconcile");
    if let Some(column) = table.column_mut(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    println!("{table}");
}
