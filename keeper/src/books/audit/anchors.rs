//! The hashes of the audit chain that the blockchain holds: each settlement carries the newest one of its time in its
//! calldata, where nobody can change it afterwards.

use super::change::{Broken, Change};
use crate::{
    chain::{
        Chain, ChainError,
        abi::IVault::IVaultEvents,
        calldata::{self, Settled},
    },
    store::{Store, StoreError},
};
use alloy::primitives::{Address, B256};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap, HashSet};

/// The key in an entry's detail that lists the heads that a restored store met on chain and does not know.
pub const FORGOTTEN: &str = "forgotten_heads";

/// A settlement on chain and the hash that it carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anchor {
    pub head: B256,
    pub tx: B256,
    pub block: u64,
}

/// What the chain confirms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Confirmed {
    pub settlements: u64,
    /// The newest change whose hash is on chain: nothing up to it was changed since. Later ones the chain does not
    /// know yet.
    pub up_to_change: i64,
    /// Settlements of a past that a restore lost; the books say so themselves.
    pub forgotten: u64,
    /// Settlements in later blocks than the books know.
    pub later: u64,
}

/// Where each hash of the chain stands, gathered while it is followed.
#[derive(Debug, Default)]
pub struct Heads {
    wanted: HashSet<B256>,
    found: HashMap<B256, i64>,
    forgotten: HashSet<B256>,
}

impl Heads {
    /// Looks for the heads of `anchors`.
    pub fn wanted(anchors: &[Anchor]) -> Self {
        let wanted: HashSet<B256> = anchors.iter().map(|a| a.head).collect();
        let found = wanted.get(&B256::ZERO).map(|zero| (*zero, 0)).into_iter().collect();
        Self { wanted, found, forgotten: HashSet::new() }
    }

    pub fn see(&mut self, change: &Change) {
        if self.wanted.contains(&change.hash) {
            self.found.insert(change.hash, change.seq);
        }
        if change.detail.contains(FORGOTTEN)
            && let Ok(detail) = serde_json::from_str::<serde_json::Value>(&change.detail)
            && let Some(heads) = detail[FORGOTTEN].as_array()
        {
            let heads = heads.iter().filter_map(|head| head.as_str()?.parse::<B256>().ok());
            self.forgotten.extend(heads);
        }
    }

    /// Holds the anchors up to block `to` against what was seen.
    pub fn check(&self, anchors: &[Anchor], to: Option<u64>) -> Result<Confirmed, Broken> {
        let mut confirmed = Confirmed::default();
        for anchor in anchors {
            if to.is_none_or(|to| anchor.block > to) {
                confirmed.later += 1;
            } else if let Some(seq) = self.found.get(&anchor.head) {
                confirmed.settlements += 1;
                confirmed.up_to_change = confirmed.up_to_change.max(*seq);
            } else if self.forgotten.contains(&anchor.head) {
                confirmed.forgotten += 1;
            } else {
                let Anchor { head, tx, block } = anchor;
                let whole = confirmed.up_to_change;
                let what = format!(
                    "the settlement in transaction {tx} of block {block} carries the head {head}, which no change here \
                     has: what follows change {whole}, the last that the chain confirms before it, was written anew"
                );
                return Err(Broken::at(whole + 1, what));
            }
        }
        Ok(confirmed)
    }
}

/// What a reading of the chain found wrong with the reading itself.
#[derive(Debug, thiserror::Error)]
pub enum AnchorError {
    #[error(transparent)]
    Chain(#[from] ChainError),
    #[error(
        "lane {lane} stands at number {next} on chain, the settlements from block {from} on lead to {seen}: the books \
         name a later block as the vault's first, or the RPC endpoint leaves events out"
    )]
    Incomplete { lane: Address, next: u64, seen: u64, from: u64 },
}

/// Reads the anchors in blocks `from..=to`, in their order. That none is missing follows from the lanes' numbers: they
/// are contiguous, and each lane stands where its last settlement left it.
pub async fn read(
    chain: &Chain,
    from: u64,
    to: u64,
    progress: impl Fn(u64, u64),
) -> Result<Vec<Anchor>, AnchorError> {
    let mut anchors = Vec::new();
    let mut next: BTreeMap<Address, u64> = BTreeMap::new();
    let mut at = from;
    while at <= to {
        let end = to.min(at + chain.max_log_range() - 1);
        for log in chain.vault_logs(at, end).await? {
            match &log.event {
                IVaultEvents::LaneEnabled(e) => {
                    next.entry(e.lane).or_insert(e.next);
                }
                IVaultEvents::Voided(e) => move_on(&mut next, e.lane, e.first, e.count, from)?,
                IVaultEvents::Settled(e) => {
                    let batch = Settled::from(e);
                    move_on(&mut next, batch.lane, batch.first, batch.count, from)?;
                    anchors.extend(anchor(chain, log.tx, log.block).await?);
                }
                IVaultEvents::RequestsSettled(e) => {
                    anchors.push(Anchor { head: e.auditHead, tx: log.tx, block: log.block });
                }
                _ => {}
            }
        }
        progress(end - from + 1, to - from + 1);
        at = end + 1;
    }
    for (lane, seen) in next {
        let at = chain.lane(lane, to).await?.position.next;
        if at != seen {
            return Err(AnchorError::Incomplete { lane, next: at, seen, from });
        }
    }
    Ok(anchors)
}

async fn anchor(chain: &Chain, tx: B256, block: u64) -> Result<Option<Anchor>, ChainError> {
    let head = calldata::audit_head(&chain.calldata(tx).await?);
    Ok(head.map(|head| Anchor { head, tx, block }))
}

fn move_on(
    next: &mut BTreeMap<Address, u64>,
    lane: Address,
    first: u64,
    count: u64,
    from: u64,
) -> Result<(), AnchorError> {
    // A lane that was enabled when the vault was made begins at 1.
    let seen = next.entry(lane).or_insert(1);
    if *seen != first {
        return Err(AnchorError::Incomplete { lane, next: first, seen: *seen, from });
    }
    *seen = first + count;
    Ok(())
}

/// So many of the newest settlements are looked at for what the chain holds by now.
const LAST: i64 = 4;

/// What the newest settlements in final blocks confirm of a store's audit chain, as far as the store tells by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Last {
    /// The newest change whose hash one of them carries, and that settlement's block; none before the first.
    pub newest: Option<(i64, u64)>,
    /// Whether each of them carries a hash that the audit chain has where it must be.
    pub ok: bool,
}

/// Looks at the store alone, and at little of it: [`read`] and [`Heads`] check all against the chain.
pub async fn last(store: &Store) -> Result<Last, StoreError> {
    let mut last = Last { newest: None, ok: true };
    for settlement in store.last_settlements(LAST).await? {
        let Some(head) = calldata::audit_head(&settlement.calldata) else { continue };
        match store.change_before(settlement.funded, head).await? {
            Some(change) => last.newest = last.newest.max(Some((change, settlement.block))),
            None => last.ok = false,
        }
    }
    Ok(last)
}

#[cfg(test)]
mod tests;
