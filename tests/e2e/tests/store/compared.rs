//! What the comparisons with the chain ask, and the rebuilding of a store from it, after [`fill`](super::fill).

use super::{LANE, unit};
use alloy::primitives::{Address, B256, U256};
use spillway::{
    books::difference::{Class, Difference, Side},
    domain::{
        amount::Amount,
        asset::Asset,
        lane::Head,
        withdrawal::{WithdrawalId, WithdrawalState},
    },
    store::{Store, StoreError, progress::BlockMark},
};

pub(super) async fn with_the_chain(store: &Store) -> eyre::Result<()> {
    let mut moment = store.moment().await?;
    assert_eq!(moment.cursor().await?.map(|c| c.number), Some(8));
    let settled = moment.settled_batch(LANE, 1, Head::repeat_byte(1)).await?.unwrap();
    assert_eq!((settled.first, settled.count, settled.state.as_str()), (1, 2, "final"));
    assert_eq!(moment.settled_batch(LANE, 9, Head::repeat_byte(9)).await?, None);
    assert_eq!(moment.final_batches().await?, [(settled.row, LANE, 1)]);
    let records = moment.records_of(settled.row).await?;
    assert_eq!(
        records.iter().map(|r| (r.amount, r.state)).collect::<Vec<_>>(),
        [(Amount::from(1_000), WithdrawalState::Paid), (Amount::from(1_000), WithdrawalState::Paid)]
    );
    let reference = WithdrawalId::from_key("c").reference();
    assert_eq!(moment.records_by_reference(&[reference]).await?[&reference].state, WithdrawalState::Held);
    assert_eq!(moment.records_by_request(&[4, 5]).await?.keys().collect::<Vec<_>>(), [&4]);
    assert_eq!(moment.found(LANE, 77, 1).await?.keys().collect::<Vec<_>>(), [&77]);
    assert!(moment.found(LANE, 78, 9).await?.is_empty());
    assert!(moment.unmatched_sums(|_, _| true).await?.is_empty(), "it was matched");
    assert!(moment.paid_by_nothing().await?.is_empty());
    assert!(moment.at_odds().await?.is_empty());
    assert!(moment.without_record().await?.is_empty());
    for (key, ended) in [("a", true), ("c", false)] {
        let row = store.withdrawal(&WithdrawalId::from_key(key)).await?.unwrap().row;
        assert_eq!(moment.ended_in_ledger(row).await?, ended, "{key}");
    }
    let mut requests = Vec::new();
    moment.requests(|record| requests.extend(record.request)).await?;
    assert_eq!(requests, [4]);
    let lanes = moment.lanes().await?;
    assert_eq!(lanes, store.lanes().await?);
    assert_eq!(lanes.iter().map(|l| (l.address, l.position.next)).collect::<Vec<_>>(), [(LANE, 3)]);
    assert!(moment.open_orders().await?.is_empty());
    drop(moment);

    let mark = |number| BlockMark { number, hash: B256::repeat_byte(3) };
    assert_eq!(store.mark("walked").await?, None);
    for number in [7, 6] {
        store.put_mark("walked", mark(number)).await?;
        assert_eq!(store.mark("walked").await?, Some(mark(number)));
    }
    assert_eq!(store.kept_walk().await?, None);
    for state in [Some("here"), Some("there"), None] {
        store.keep_walk(state).await?;
        assert_eq!(store.kept_walk().await?.as_deref(), state);
    }
    let tusd =
        Asset { symbol: "TUSD".to_owned(), address: Address::repeat_byte(2), decimals: 6, payout_gas: 0 };
    let lost = Difference::outflow(&tusd, Amount(U256::MAX), "asset TUSD", "all of it left");
    let late = Difference::new(Class::Late, Side::Records, "withdrawal wd_1", "paid");
    assert_eq!(store.put_differences(8, 1, &[lost.clone(), late.clone()]).await?, [true, true]);
    assert_eq!(store.put_differences(9, 2, std::slice::from_ref(&lost)).await?, [false], "known");
    assert_eq!(store.open_differences().await?, [lost.clone(), late.clone()]);
    let mut change = unit(store).await?;
    assert!(!change.has_open_outflow("TDAI").await? && change.has_open_outflow("TUSD").await?);
    assert_eq!(change.close_outflows("TDAI").await?, Amount::ZERO);
    assert_eq!(change.close_outflows("TUSD").await?, Amount(U256::MAX));
    assert!(!change.has_open_outflow("TUSD").await?);
    change.note();
    change.commit().await?;
    assert_eq!(store.open_differences().await?, [late]);
    store.replace_differences(9, 3, std::slice::from_ref(&lost)).await?;
    assert_eq!(store.open_differences().await?, [lost]);
    store.replace_differences(10, 4, &[]).await?;
    Ok(())
}

/// What `spillway recover` asks of the store that it rebuilds, and of the one that it compares it with.
pub(super) async fn rebuilt(store: &Store) -> eyre::Result<()> {
    let known = store.what_the_chain_knows().await?;
    let payouts: Vec<_> = known.iter().filter(|line| line.starts_with("payout ")).collect();
    for (number, key) in [(1, "a"), (2, "b"), (77, "unknown")] {
        let number = format!("/{number} {}", WithdrawalId::from_key(key).reference());
        assert!(payouts.iter().any(|line| line.contains(&number)), "{number} is not in {payouts:?}");
    }
    let requests: Vec<_> = known.iter().filter(|line| line.starts_with("request 4 ")).collect();
    assert!(matches!(requests[..], [one] if one.ends_with(" open")), "{requests:?}");
    let lanes: Vec<_> = known.iter().filter(|line| line.starts_with("lane ")).collect();
    assert!(matches!(lanes[..], [one] if one.contains(&format!("{LANE:#x} "))), "{lanes:?}");
    let balances: Vec<_> = known.iter().filter(|line| line.starts_with("balance ")).collect();
    for account in ["cash", "requests"] {
        assert!(
            balances.iter().any(|line| line.contains(&format!(" {account} "))),
            "{account}: {balances:?}"
        );
    }
    assert_eq!(known.len(), payouts.len() + requests.len() + lanes.len() + balances.len(), "{known:?}");

    store.renew_leases().await?;
    let runs = store.holds().await;
    assert!(matches!(runs, Err(StoreError::InUse(_))), "{runs:?}");
    store.sign_off().await?;
    let holds = store.holds().await?.unwrap_or_default();
    let withdrawals: u64 = store.counts().await?.into_iter().map(|(_, n)| n).sum();
    assert!(holds.starts_with(&format!("{withdrawals} withdrawals and ")), "{holds}");
    Ok(())
}
