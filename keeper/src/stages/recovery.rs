//! Recovery: what a start finds on the way, in one block of the log and in the audit.

use super::{Line, StageError};
use crate::{
    chain::Block,
    domain::{batch::BatchState, withdrawal::WithdrawalState},
};
use serde::Serialize;
use std::fmt::Write;

/// What is on the way when the keeper starts.
#[derive(Clone, Debug, Serialize)]
pub struct Found {
    /// Withdrawals that have not ended, by state.
    pub withdrawals: Vec<(WithdrawalState, u64)>,
    /// Open batches, by state.
    pub batches: Vec<(&'static str, usize)>,
    /// Attempts that are sent again.
    pub to_send: usize,
    pub lanes: Vec<FoundLane>,
    /// The last final block in the books, and the newest block of the chain.
    pub books_at: Option<u64>,
    pub chain_at: u64,
}

/// A lane of this keeper.
#[derive(Clone, Debug, Serialize)]
pub struct FoundLane {
    pub lane: alloy::primitives::Address,
    pub next_number: u64,
    /// The next nonce here and on chain: attempts between them are on their way.
    pub nonce: u64,
    pub mined_nonce: u64,
    /// Nonces between them that no attempt holds: filled as soon as the lane runs.
    pub gaps: usize,
    pub fenced: bool,
    pub short_of_gas_money: bool,
}

/// Looks at rows and chain; changes nothing.
pub async fn look(line: &Line, tip: Block) -> Result<Found, StageError> {
    let open: Vec<_> = BatchState::ALL
        .into_iter()
        .filter(|s| !matches!(s, BatchState::Final | BatchState::Dissolved))
        .collect();
    let batches = line.store.batches_in(&open).await?;
    let count = |state: BatchState| (state.as_str(), batches.iter().filter(|b| b.state == state).count());
    let slots = line.store.slots().await?;
    let mut lanes = Vec::new();
    for lane in line.store.lanes().await? {
        if !line.signers.lanes().any(|signer| signer == lane.address) {
            continue;
        }
        let mined_nonce = line.chain.nonce(lane.address, tip.number).await?;
        let held = |nonce: u64| slots.iter().any(|s| (s.lane, s.nonce) == (lane.address, nonce));
        lanes.push(FoundLane {
            lane: lane.address,
            next_number: lane.position.next,
            nonce: lane.nonce,
            mined_nonce,
            gaps: (mined_nonce..lane.nonce).filter(|nonce| !held(*nonce)).count(),
            fenced: lane.fencing_since.is_some(),
            short_of_gas_money: lane.gas_needed.is_some(),
        });
    }
    Ok(Found {
        withdrawals: line
            .store
            .counts()
            .await?
            .into_iter()
            .filter(|(state, n)| !state.is_terminal() && *n > 0)
            .collect(),
        batches: open.into_iter().map(count).filter(|(_, n)| *n > 0).collect(),
        to_send: slots.iter().filter(|s| s.is_waiting()).count(),
        lanes,
        books_at: line.store.cursor().await?.map(|c| c.number),
        chain_at: tip.number,
    })
}

impl Found {
    /// The report, in lines.
    pub fn text(&self) -> String {
        let list = |pairs: Vec<String>| if pairs.is_empty() { "none".to_owned() } else { pairs.join(", ") };
        let withdrawals = list(self.withdrawals.iter().map(|(state, n)| format!("{n} {state}")).collect());
        let batches = list(self.batches.iter().map(|(state, n)| format!("{n} {state}")).collect());
        let books = self.books_at.map_or("nowhere yet".to_owned(), |block| format!("block {block}"));
        let mut text = format!(
            "books at {books}, chain at block {}; open withdrawals: {withdrawals}; open batches: {batches}; \
             {} attempts are sent again",
            self.chain_at, self.to_send
        );
        for lane in &self.lanes {
            // Writing to a string cannot fail.
            let _ = write!(
                text,
                "; lane {}: next number {}, nonce {} (chain {}), {} gaps",
                lane.lane, lane.next_number, lane.nonce, lane.mined_nonce, lane.gaps
            );
            let states = [(lane.fenced, "fenced"), (lane.short_of_gas_money, "short of money for gas")];
            for (_, state) in states.iter().filter(|(is, _)| *is) {
                let _ = write!(text, ", {state}");
            }
        }
        text
    }
}
