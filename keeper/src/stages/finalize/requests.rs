//! Requests: asked for, taken back, forced or paid on chain.

use super::{Range, outcome};
use crate::{
    chain::{
        Chain, VaultLog,
        abi::IVault::{IVaultEvents, Requested},
        calldata,
    },
    domain::{
        amount::Amount,
        reason::Code,
        withdrawal::{Order, RequestTerms, Withdrawal, WithdrawalState},
    },
    stages::StageError,
    store::{Unit, withdrawals::NewWithdrawal},
};
use alloy::primitives::{Address, keccak256};
use std::collections::{BTreeMap, HashSet};

/// Keys of requests begin with this; orders may not use it.
pub const KEY_PREFIX: &str = "request/";

/// A request as the withdrawal that it becomes. Its key names chain, vault and number.
pub(super) fn read(chain: &Chain, event: &Requested) -> NewWithdrawal {
    let key = format!("{KEY_PREFIX}{}/{:#x}/{}", chain.chain_id, chain.vault, event.id);
    NewWithdrawal {
        trace_id: alloy::hex::encode(&keccak256(&key)[..16]),
        order: Order {
            idempotency_key: key,
            asset: event.asset,
            recipient: event.recipient,
            amount: Amount(event.amount),
            deadline: None,
        },
        request: Some(RequestTerms { id: event.id, owner: event.owner, created_at: event.createdAt }),
        trace_parent: None,
        submitter: None,
    }
}

pub(super) async fn accept(unit: &mut Unit, requested: &[NewWithdrawal]) -> Result<(), StageError> {
    if !requested.is_empty() {
        unit.accept_withdrawals(requested).await?;
    }
    Ok(())
}

/// A settlement of requests: all that it names and did not skip are paid or claimable.
pub(super) async fn settled(range: &Range, unit: &mut Unit, log: &VaultLog) -> Result<(), StageError> {
    let Some(named) = calldata::requests(range.calldata(log.tx)?) else {
        tracing::error!(tx = %log.tx, "a settlement of requests that cannot be read: not sent by a keeper");
        return Ok(());
    };
    let failed = range.failed(log.tx, Address::ZERO);
    let skipped: HashSet<u64> = range
        .logs
        .iter()
        .filter(|l| l.tx == log.tx)
        .filter_map(|l| match &l.event {
            IVaultEvents::RequestSkipped(e) => Some(e.id),
            _ => None,
        })
        .collect();
    let ended: Vec<_> = named
        .iter()
        .filter(|r| !skipped.contains(&r.id))
        .map(|r| (r.id, outcome(failed.contains(&r.id))))
        .collect();
    end(unit, &ended, None).await
}

/// Requests came to their end on chain.
pub(super) async fn end(
    unit: &mut Unit,
    ended: &[(u64, WithdrawalState)],
    reason: Option<Code>,
) -> Result<(), StageError> {
    let ids: Vec<u64> = ended.iter().map(|(id, _)| *id).collect();
    let known = unit.withdrawals_by_request(&ids).await?;
    let mut moves: BTreeMap<(&str, &str), (WithdrawalState, Vec<Withdrawal>)> = BTreeMap::new();
    for (id, to) in ended {
        match known.get(id) {
            Some(w) if !w.state.is_terminal() => {
                let group = moves.entry((w.state.as_str(), to.as_str()));
                group.or_insert_with(|| (*to, Vec::new())).1.push(w.clone());
            }
            Some(w) => tracing::error!(request = id, state = %w.state, "a request ended twice"),
            None => tracing::error!(request = id, "a request ended that never began in these books"),
        }
    }
    for (to, withdrawals) in moves.values() {
        let why = reason.or((*to == WithdrawalState::Claimable).then_some(Code::PushFailed));
        unit.end_withdrawals(withdrawals, *to, why).await?;
    }
    Ok(())
}
