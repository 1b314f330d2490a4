//! The hashes of the audit chain that the blockchain holds: each settlement carries the newest one of its time in its
//! calldata, where nobody can change it afterwards.

use crate::{
    chain::{
        Chain, ChainError,
        abi::IVault::IVaultEvents,
        calldata::{self, Settled},
    },
    store::{Store, StoreError},
};
use alloy::primitives::{Address, B256};
use std::collections::BTreeMap;

/// A settlement on chain and the hash that it carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anchor {
    pub head: B256,
    pub tx: B256,
    pub block: u64,
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

/// Looks at the store alone, and at little of it: [`read`] and [`Heads`](super::heads::Heads) check all against the chain.
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
