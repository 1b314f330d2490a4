//! The events of a range of blocks.

use crate::{
    chain::{Chain, ChainError, VaultLog, abi::IVault::IVaultEvents, calldata},
    domain::withdrawal::Door,
    stages::StageError,
    store::compare::{Moment, Record},
};
use alloy::primitives::{Address, B256, Bytes};
use futures::{StreamExt, TryStreamExt, stream};
use std::collections::{BTreeSet, HashMap, HashSet};

/// How many settlements' calldata are asked for at once.
const AT_ONCE: usize = 8;

/// A range's events, with what belongs to them.
pub(super) struct Range {
    pub(super) logs: Vec<VaultLog>,
    calldata: HashMap<B256, Bytes>,
    /// The requests that they name, as far as they are here.
    pub(super) requests: HashMap<u64, Record>,
}

impl Range {
    pub(super) async fn read(
        chain: &Chain,
        moment: &mut Moment,
        logs: Vec<VaultLog>,
    ) -> Result<Self, StageError> {
        let settlements: BTreeSet<B256> = logs
            .iter()
            .filter(|l| {
                use IVaultEvents::{RequestsSettled, Settled, Swapped};
                matches!(l.event, Settled(_) | RequestsSettled(_) | Swapped(_))
            })
            .map(|l| l.tx)
            .collect();
        let calldata: HashMap<B256, Bytes> = stream::iter(settlements)
            .map(|tx| async move { Ok::<_, ChainError>((tx, chain.calldata(tx).await?)) })
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        let mut ids = BTreeSet::new();
        for log in &logs {
            match &log.event {
                IVaultEvents::Requested(e) => drop(ids.insert(e.id)),
                IVaultEvents::RequestCancelled(e) => drop(ids.insert(e.id)),
                IVaultEvents::RequestForced(e) => drop(ids.insert(e.id)),
                IVaultEvents::RequestsSettled(_) => {
                    let bytes = calldata.get(&log.tx).map(|b| b.as_ref()).unwrap_or_default();
                    ids.extend(calldata::requests(bytes).unwrap_or_default().iter().map(|r| r.id));
                }
                _ => {}
            }
        }
        let ids: Vec<u64> = ids.into_iter().collect();
        let mut requests = moment.records_by_request(&ids).await?;
        requests.retain(|_, record| record.door == Door::Request);
        Ok(Self { logs, calldata, requests })
    }

    pub(super) fn calldata(&self, tx: B256) -> Result<&Bytes, StageError> {
        let calldata = self.calldata.get(&tx);
        calldata.ok_or_else(|| ChainError::Missing(format!("calldata of transaction {tx}")).into())
    }

    /// The numbers of failed pushes in a transaction: of a lane's orders, or of requests (lane zero).
    pub(super) fn failed(&self, tx: B256, lane: Address) -> HashSet<u64> {
        let failed = |log: &VaultLog| match &log.event {
            IVaultEvents::PayoutFailed(e) if log.tx == tx && e.lane == lane => Some(e.number),
            _ => None,
        };
        self.logs.iter().filter_map(failed).collect()
    }

    pub(super) fn skipped(&self, tx: B256) -> HashSet<u64> {
        let skipped = |log: &VaultLog| match &log.event {
            IVaultEvents::RequestSkipped(e) if log.tx == tx => Some(e.id),
            _ => None,
        };
        self.logs.iter().filter_map(skipped).collect()
    }
}
