//! What the chain shows outside a batch takes its withdrawals out of it: they must not be paid again.

use super::{AT_ONCE, shorten};
use crate::{
    chain::{
        VaultLog,
        abi::IVault::{IVaultEvents, RequestCancelled, Settled},
    },
    domain::{
        batch::{Batch, BatchKind, BatchState, Content},
        lane::Head,
        reason::Code,
        tier::Tier,
        withdrawal::{Withdrawal, WithdrawalState},
    },
    stages::intake::{RawOrder, Rule, accept, check, testing},
    store::{Context, Store, StoreError, withdrawals::NewWithdrawal},
};
use alloy::primitives::{Address, B256, Bytes};

fn order(key: &str) -> NewWithdrawal {
    let raw: RawOrder = testing::raw(key, "TUSD", "1");
    NewWithdrawal {
        order: check(&raw, &testing::deployment()).unwrap(),
        trace_id: "0".repeat(32),
        request: None,
        trace_parent: None,
        submitter: None,
    }
}

/// A settlement of so many payouts; a request that was cancelled where there is none.
fn log(block: u64, payouts: u64) -> VaultLog {
    let mut batch = B256::ZERO;
    batch[27..].copy_from_slice(&payouts.to_be_bytes()[3..]);
    let event = match payouts {
        0 => IVaultEvents::RequestCancelled(RequestCancelled { id: block }),
        _ => IVaultEvents::Settled(Settled { batch }),
    };
    VaultLog { block, timestamp: None, tx: B256::ZERO, event }
}

#[test]
fn a_range_is_cut_between_blocks_where_it_has_too_much() {
    let cut = |logs: &[(u64, u64)]| {
        let logs = logs.iter().map(|(block, payouts)| log(*block, *payouts)).collect();
        let (left, to) = shorten(logs, 90);
        (left.iter().map(|log| log.block).collect::<Vec<_>>(), to)
    };
    assert_eq!(cut(&[]), (vec![], 90));
    assert_eq!(cut(&[(1, AT_ONCE - 1), (5, 0)]), (vec![1, 5], 90), "all that fits");
    assert_eq!(cut(&[(1, AT_ONCE - 1), (5, 0), (7, 0)]), (vec![1, 5], 6), "one too many");
    assert_eq!(cut(&[(1, 10), (5, 0), (5, AT_ONCE), (5, 0)]), (vec![1], 4), "no block is torn apart");
    assert_eq!(cut(&[(3, 2 * AT_ONCE), (3, 0), (4, 0)]), (vec![3, 3], 3), "one block at least");
    assert_eq!(cut(&[(90, 2 * AT_ONCE)]), (vec![90], 90));
}

/// Three withdrawals in a priced batch, about to be funded.
async fn priced(store: &Store) -> (Batch, Vec<Withdrawal>) {
    let orders: Vec<_> = ["a", "b", "c"].into_iter().map(order).collect();
    accept(store, &orders, "test", Rule::AllOrNothing).await.unwrap();
    let received = store.waiting(WithdrawalState::Received, 10).await.unwrap();
    let context = || Context::new("test", "test", serde_json::json!({}));
    let mut unit = store.unit(context()).await.unwrap();
    unit.move_withdrawals(&received, WithdrawalState::Ready, None).await.unwrap();
    unit.commit().await.unwrap();
    let ready = store.waiting(WithdrawalState::Ready, 10).await.unwrap();
    let mut unit = store.unit(context()).await.unwrap();
    let row = unit.plan_batch(BatchKind::Orders, Tier::Instant, &ready).await.unwrap().unwrap();
    unit.commit().await.unwrap();
    let planned = store.batch(row).await.unwrap().unwrap();
    let mut unit = store.unit(context()).await.unwrap();
    unit.move_batch(&planned, BatchState::Priced, None).await.unwrap();
    unit.commit().await.unwrap();
    (store.batch(row).await.unwrap().unwrap(), store.withdrawals_of(row).await.unwrap())
}

async fn heal(store: &Store, paid: &[Withdrawal]) {
    let mut unit = store.unit(Context::new("test", "heal", serde_json::json!({}))).await.unwrap();
    unit.end_withdrawals(paid, WithdrawalState::Paid, Some(Code::HealedFromChain)).await.unwrap();
    unit.commit().await.unwrap();
}

async fn fund(store: &Store, batch: &Batch) -> Result<(), StoreError> {
    let content =
        Content { lane: Address::repeat_byte(1), first: 1, head_after: Head::repeat_byte(2), gas_limit: 1 };
    let mut unit = store.unit(Context::new("test", "fund", serde_json::json!({}))).await.unwrap();
    unit.fund_batch(batch, &content, &Bytes::from_static(b"calldata"), None).await?;
    unit.commit().await
}

#[tokio::test]
async fn what_the_chain_paid_leaves_a_batch_that_is_not_funded() {
    let t = testing::store().await;
    let (before, withdrawals) = priced(&t.store).await;
    heal(&t.store, &withdrawals[1..2]).await;
    let left = t.store.withdrawals_of(before.row).await.unwrap();
    assert_eq!(left.iter().map(|w| &w.id).collect::<Vec<_>>(), [&withdrawals[0].id, &withdrawals[2].id]);
    // Whoever read the batch before must not fund it with what it had then.
    assert!(fund(&t.store, &before).await.unwrap_err().is_stale());
    let after = t.store.batch(before.row).await.unwrap().unwrap();
    assert_eq!((after.count, after.total), (2, left.iter().map(|w| w.amount).sum()));
    fund(&t.store, &after).await.unwrap();
}

#[tokio::test]
async fn a_batch_that_the_chain_paid_whole_dissolves() {
    let t = testing::store().await;
    let (batch, withdrawals) = priced(&t.store).await;
    heal(&t.store, &withdrawals).await;
    assert_eq!(t.store.batch(batch.row).await.unwrap().unwrap().state, BatchState::Dissolved);
    assert!(fund(&t.store, &batch).await.unwrap_err().is_stale());
}

#[tokio::test]
async fn a_funded_batch_keeps_its_payouts_in_their_places() {
    let t = testing::store().await;
    let (batch, withdrawals) = priced(&t.store).await;
    fund(&t.store, &batch).await.unwrap();
    heal(&t.store, &withdrawals[..1]).await;
    assert_eq!(t.store.withdrawals_of(batch.row).await.unwrap().len(), 3);
}
