//! What the last settlements confirm, from the store alone.

use super::*;
use crate::{
    chain::calldata::settle,
    clock::now_ms,
    domain::{
        batch::{Attempt, AttemptState, BatchKind, BatchState, Content},
        lane::{Head, LanePosition},
        tier::Tier,
        withdrawal::WithdrawalState,
    },
    stages::intake::{Rule, accept, check, testing},
    store::{Context, Unit, batches::Inclusion, lanes::Lane, leases::of_lane, withdrawals::NewWithdrawal},
};

const LANE: Address = Address::repeat_byte(7);

async fn unit(store: &Store) -> Unit {
    store.unit(Context::new("test", "test", serde_json::json!({}))).await.unwrap()
}

/// A lane that this keeper pays from.
async fn with_lane(store: &Store) {
    let mut adding = unit(store).await;
    let lane = Lane {
        address: LANE,
        nonce: 0,
        position: LanePosition { next: 1, head: Head::ZERO },
        fencing_since: None,
        gas_needed: None,
        reviewed: false,
    };
    adding.add_lane(&lane).await.unwrap();
    adding.commit().await.unwrap();
    store.hold_lease(store.take_lease(&of_lane(LANE)).await.unwrap().unwrap());
}

/// An order that the chain settles as number `first` in a final block, with `head` in its calldata.
async fn settled(store: &Store, first: u64, head: B256) {
    let order = NewWithdrawal {
        order: check(&testing::raw(&format!("order {first}"), "TUSD", "1"), &testing::deployment()).unwrap(),
        trace_id: "0".repeat(32),
        request: None,
        submitter: None,
        trace_parent: None,
    };
    accept(store, &[order], "test", Rule::AllOrNothing).await.unwrap();
    let received = store.waiting(WithdrawalState::Received, 10).await.unwrap();
    let mut moving = unit(store).await;
    moving.move_withdrawals(&received, WithdrawalState::Ready, None).await.unwrap();
    moving.commit().await.unwrap();
    let ready = store.waiting(WithdrawalState::Ready, 10).await.unwrap();
    let mut planning = unit(store).await;
    let row = planning.plan_batch(BatchKind::Orders, Tier::Instant, &ready).await.unwrap().unwrap();
    let planned = planning.batch(row).await.unwrap();
    planning.move_batch(&planned, BatchState::Priced, None).await.unwrap();
    planning.commit().await.unwrap();

    let at = LanePosition { next: first, head: Head::ZERO };
    let calldata = settle(testing::TUSD, at, head, &store.withdrawals_of(row).await.unwrap());
    let hash = B256::left_padding_from(&first.to_be_bytes());
    let attempt = Attempt {
        row: 0,
        batch: row,
        lane: LANE,
        nonce: first,
        hash,
        raw: calldata.clone(),
        max_fee: 1,
        priority_fee: 1,
        state: AttemptState::Signed,
        signed_at: now_ms(),
        sent_at: 0,
    };
    let content = Content { lane: LANE, first, head_after: Head::with_last_byte(first as u8), gas_limit: 1 };
    let mut funding = unit(store).await;
    let priced = funding.batch(row).await.unwrap();
    funding.fund_batch(&priced, &content, &calldata, None).await.unwrap();
    funding.commit().await.unwrap();
    let mut ending = unit(store).await;
    ending.add_attempt(&attempt).await.unwrap();
    let at = Inclusion { block: 100 + first, gas_used: 1, fee: None };
    ending.close_attempts(row, hash, at).await.unwrap();
    let funded = ending.batch(row).await.unwrap();
    ending.move_batch(&funded, BatchState::Final, None).await.unwrap();
    ending.commit().await.unwrap();
}

#[tokio::test]
async fn the_newest_hash_on_chain_is_found_and_one_that_the_books_lack_is_told() {
    let test = testing::store().await;
    let store = &test.store;
    assert_eq!(last(store).await.unwrap(), Last { newest: None, ok: true }, "nothing was settled yet");
    with_lane(store).await;

    let anchored = store.newest_audit().await.unwrap();
    let head = store.audit_head().await.unwrap();
    settled(store, 1, head).await;
    let seen = Last { newest: Some((anchored, 101)), ok: true };
    assert_eq!(last(store).await.unwrap(), seen);
    assert!(store.newest_audit().await.unwrap() > anchored, "what came since is not on chain yet");

    // An older hash than the one before takes nothing back.
    settled(store, 2, store.change_hash(1).await.unwrap().unwrap()).await;
    assert_eq!(last(store).await.unwrap(), seen);

    // As after a history that somebody wrote anew: the chain has a hash that no change here has.
    settled(store, 3, B256::repeat_byte(9)).await;
    assert_eq!(last(store).await.unwrap(), Last { ok: false, ..seen });
}
