use super::{
    super::{check, testing},
    *,
};
use crate::{
    books::balances::Balances,
    domain::{
        amount::Amount,
        ledger::{Account, Sides},
        withdrawal::{WithdrawalId, WithdrawalState},
    },
};
use alloy::primitives::{Address, B256};

fn new(key: &str, amount: &str) -> NewWithdrawal {
    let order = check(&testing::raw(key, "TUSD", amount), &testing::deployment()).unwrap();
    NewWithdrawal { order, trace_id: "0".repeat(32), trace_parent: None, request: None, submitter: None }
}

async fn stored(store: &Store) -> u64 {
    store.counts().await.unwrap().into_iter().map(|(_, n)| n).sum()
}

/// A payout that the chain shows and the database forgot.
async fn found(store: &Store, key: &str, units: u128, outcome: WithdrawalState) -> FoundPayout {
    let payout = FoundPayout {
        lane: Address::repeat_byte(9),
        number: 1,
        reference: WithdrawalId::from_key(key).reference(),
        asset: testing::TUSD,
        recipient: testing::RECIPIENT,
        amount: Amount::from(units),
        outcome,
        tx: B256::repeat_byte(7),
        block: 12,
        tier: None,
    };
    let mut unit = store.unit(Context::new("chain", "payout.found", serde_json::json!({}))).await.unwrap();
    unit.put_found_payout(&payout, None).await.unwrap();
    unit.post(testing::TUSD, Sides::FLOAT_RECEIVED, Amount::from(100_000_000)).await.unwrap();
    unit.commit().await.unwrap();
    payout
}

#[tokio::test]
async fn a_repeat_is_recognised_and_a_conflict_is_refused() {
    let t = testing::store().await;
    let first = accept(&t.store, &[new("a", "1")], "api", Rule::AllOrNothing).await.unwrap();
    let Answer::New(withdrawal) = &first[0] else { panic!("{first:?}") };
    let again = accept(&t.store, &[new("a", "1.000")], "api", Rule::AllOrNothing).await.unwrap();
    assert_eq!(again[0].withdrawal().unwrap().id, withdrawal.id);
    assert!(matches!(again[0], Answer::Repeated(_)));
    let other = accept(&t.store, &[new("a", "2")], "api", Rule::AllOrNothing).await.unwrap();
    assert_eq!(other[0].refusal().unwrap().code, "idempotency_conflict");
    assert_eq!(stored(&t.store).await, 1);
}

#[tokio::test]
async fn all_or_nothing_stores_nothing_beside_a_conflict() {
    let t = testing::store().await;
    accept(&t.store, &[new("a", "1")], "api", Rule::AllOrNothing).await.unwrap();
    let rows = [new("b", "1"), new("a", "2"), new("c", "1")];
    let answers = accept(&t.store, &rows, "api", Rule::AllOrNothing).await.unwrap();
    assert!(answers[1].refusal().is_some());
    assert_eq!(stored(&t.store).await, 1);
    accept(&t.store, &rows, "api", Rule::EachAlone).await.unwrap();
    assert_eq!(stored(&t.store).await, 3);
}

#[tokio::test]
async fn what_the_chain_already_paid_is_not_paid_again() {
    for (outcome, held) in [(WithdrawalState::Paid, 95_000_000), (WithdrawalState::Claimable, 100_000_000)] {
        let t = testing::store().await;
        found(&t.store, "a", 5_000_000, outcome).await;
        let answers =
            accept(&t.store, &[new("b", "1"), new("a", "5")], "api", Rule::AllOrNothing).await.unwrap();
        let healed = answers[1].withdrawal().unwrap();
        assert_eq!((healed.state, healed.reason), (outcome, Some(Code::HealedFromChain)));
        assert_eq!(t.store.withdrawal(&healed.id).await.unwrap().unwrap().state, outcome);
        assert_eq!(t.store.unmatched_payouts().await.unwrap(), 0);
        let paid_by = t.store.payout_of(healed).await.unwrap();
        assert_eq!(paid_by, Some((B256::repeat_byte(7), 12)));

        let mut balances = Balances::default();
        balances.catch_up(&t.store).await.unwrap();
        assert_eq!(balances.cash(testing::TUSD), Amount::from(held));
        // Five were paid before, one is owed now.
        assert_eq!(balances.balance(testing::TUSD, Account::Orders), Amount::from(1_000_000));
        assert_eq!(balances.balance(testing::TUSD, Account::Float), Amount::from(94_000_000));

        let again = accept(&t.store, &[new("a", "5")], "api", Rule::AllOrNothing).await.unwrap();
        assert!(matches!(again[0], Answer::Repeated(_)));
    }
}

#[tokio::test]
async fn a_key_that_the_chain_paid_with_other_content_is_refused() {
    let t = testing::store().await;
    let payout = found(&t.store, "a", 5_000_000, WithdrawalState::Paid).await;
    let rows = [new("a", "6"), new("b", "1")];
    let answers = accept(&t.store, &rows, "api", Rule::EachAlone).await.unwrap();
    assert_eq!(answers[0], Answer::PaidOtherwise(Box::new(payout)));
    assert_eq!(answers[0].refusal().unwrap().code, "paid_with_other_content");
    assert!(matches!(answers[1], Answer::New(_)));
    assert_eq!(stored(&t.store).await, 1);
    assert_eq!(t.store.unmatched_payouts().await.unwrap(), 1);
}
