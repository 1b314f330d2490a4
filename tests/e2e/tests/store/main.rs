//! The store over both engines: every question and every change that it knows is run on each, so that SQL which only
//! one of them understands is found here.
//!
//! - [`asked`]: what is asked beside the stages
//! - [`compared`]: what is asked to compare it with the chain
//! - [`migrate`]: the schema is made

// All of this file is a test, its helpers too.
#![allow(clippy::unwrap_used)]

mod asked;
mod compared;
mod migrate;

use alloy::primitives::{Address, B256, Bytes, U256, address};
use spillway::{
    books::balances::{self, Balances, Sum, Sums},
    domain::{
        amount::Amount,
        asset::NATIVE,
        batch::{Attempt, AttemptState, Batch, BatchKind, BatchState, Content},
        fees::Fees,
        lane::{Head, LanePosition},
        ledger::{Account, Sides},
        reason::Code,
        tier::Tier,
        withdrawal::{Door, Order, RequestTerms, Withdrawal, WithdrawalState},
    },
    store::{
        Context, Engine, Store, StoreError, Unit,
        batches::Inclusion,
        compare::OpenOrders,
        duties::{SentState, SignedDuty},
        generation::{GenerationFile, History},
        lanes::Lane,
        leases::{LINE, of_lane},
        margin::{Followed, PoolHeld},
        progress::{BlockMark, FoundPayout, Verdict},
        swaps::{Bought, NewSwap, Share, Sold, Swap, SwapState, Through},
        withdrawals::{Accepted, NewWithdrawal},
    },
};
use spillway_e2e::postgres::Postgres;
use std::{
    ops::RangeInclusive,
    time::{Duration, Instant},
};
use tempfile::TempDir;

const LANE: Address = address!("70997970C51812dc3A010C7d01b50e0d17dc79C8");
const OTHER_LANE: Address = address!("3C44CdDdB6a900fa2b585dd299e03d12FA4293BC");
const ANY: RangeInclusive<Amount> = Amount::ZERO..=Amount(U256::MAX);
const LEASE: Duration = Duration::from_millis(1_500);
/// After so long the server ends a transaction of a keeper that does not go on.
const IDLE: Duration = Duration::from_secs(5);

/// A database and a folder for keepers' files, gone with the test.
struct Place {
    url: String,
    folder: TempDir,
    server: Option<Postgres>,
}

impl Place {
    async fn new(engine: Engine) -> eyre::Result<Self> {
        let folder = tempfile::tempdir()?;
        Ok(match engine {
            Engine::Sqlite => {
                Self { url: format!("sqlite://{}/store.db", folder.path().display()), folder, server: None }
            }
            Engine::Postgres => {
                let server = Postgres::start().await?;
                Self { url: server.url("keeper"), folder, server: Some(server) }
            }
        })
    }

    /// A keeper of this name on the store.
    async fn keeper(&self, name: &str) -> eyre::Result<Store> {
        let generation = GenerationFile::open(self.folder.path().join(name))?;
        Ok(Store::open(&self.url).await?.for_keeper(generation, LEASE))
    }

    /// A keeper that has started, with the lane's lease and the line's.
    async fn started(&self, name: &str) -> eyre::Result<Store> {
        let store = self.keeper(name).await?;
        assert_eq!(store.judge_history(&[LANE]).await?, History::Continuous);
        let server = store.server().await?;
        let mut unit = unit(&store).await?;
        unit.add_lane(&lane(1, 0)).await?;
        let generation = unit.start_generation(0, &server).await?;
        unit.commit().await?;
        store.tenure().unwrap().generation.write(generation)?;
        for name in [LINE.to_owned(), of_lane(LANE)] {
            let taken = store.take_lease(&name).await?.unwrap();
            store.hold_lease(taken);
        }
        Ok(store)
    }
}

fn lane(next: u64, nonce: u64) -> Lane {
    Lane {
        address: LANE,
        nonce,
        position: LanePosition { next, head: Head::repeat_byte(7) },
        fencing_since: None,
        reviewed: false,
        gas_needed: None,
    }
}

async fn unit(store: &Store) -> eyre::Result<Unit> {
    Ok(store.unit(Context::new("test", "test", serde_json::json!({}))).await?)
}

fn order(key: &str, request: Option<RequestTerms>) -> NewWithdrawal {
    let order = Order {
        idempotency_key: key.to_owned(),
        asset: NATIVE,
        recipient: Address::repeat_byte(9),
        amount: Amount::from_hex(&format!("{:064x}", 1_000)).unwrap(),
        deadline: None,
    };
    NewWithdrawal { order, trace_id: "0".repeat(32), trace_parent: None, request, submitter: None }
}

const CALLDATA: Bytes = Bytes::from_static(b"calldata");

fn content(first: u64) -> Content {
    Content {
        lane: LANE,
        first,
        head_after: Head::repeat_byte(u8::try_from(first).unwrap()),
        gas_limit: 100_000,
    }
}

fn attempt(batch: i64, nonce: u64) -> Attempt {
    Attempt {
        row: 0,
        batch,
        lane: LANE,
        nonce,
        hash: B256::repeat_byte(u8::try_from(nonce + 1).unwrap()),
        raw: Bytes::from_static(b"signed"),
        max_fee: 2,
        priority_fee: 1,
        state: AttemptState::Signed,
        signed_at: 1,
        sent_at: 0,
    }
}

/// Withdrawals from intake to the end, each question asked on the way.
async fn fill(store: &Store) -> eyre::Result<()> {
    store.bind_to_vault(31337, Address::repeat_byte(5)).await?;
    store.bind_to_vault(31337, Address::repeat_byte(5)).await?;
    let other = store.bind_to_vault(1, Address::repeat_byte(5)).await.unwrap_err();
    assert!(matches!(other, StoreError::OtherVault { .. }), "{other}");

    let terms = RequestTerms { id: 4, owner: Address::repeat_byte(8), created_at: 3 };
    let mut change = unit(store).await?;
    let new =
        [order("a", None), order("b", None), order("c", None), order("r", Some(terms)), order("d", None)];
    let answers = change.accept_withdrawals(&new).await?;
    assert!(answers.iter().all(|a| matches!(a, Accepted::New(_))));
    let again = change.accept_withdrawals(&[order("a", None)]).await?;
    assert!(matches!(again[0], Accepted::Repeated(_)));
    change.post(NATIVE, Sides::FLOAT_RECEIVED, new[0].order.amount).await?;
    assert_eq!(change.withdrawals_by_reference(&[new[0].id().reference()]).await?.len(), 1);
    assert_eq!(change.withdrawals_by_request(&[4]).await?.len(), 1);
    change.commit().await?;

    let received = store.waiting(WithdrawalState::Received, 10).await?;
    let mut change = unit(store).await?;
    change.move_withdrawals(&received[..4], WithdrawalState::Ready, None).await?;
    change.move_withdrawals(&received[4..], WithdrawalState::Rejected, Some(Code::BadRecipient)).await?;
    change.commit().await?;
    assert_eq!(
        store.ready_since(NATIVE, Door::Order, &ANY, 2).await?.map(|(n, _)| n),
        Some(2),
        "counted to the limit"
    );
    assert_eq!(store.ready_since(LANE, Door::Order, &ANY, 2).await?, None);
    let ready = store.ready(NATIVE, Door::Order, &ANY, 10).await?;
    let since = store.ready_since(NATIVE, Door::Order, &ANY, 10).await?;
    assert_eq!(since, Some((ready.len(), ready[0].received_at)));
    assert_eq!(ready.len(), 3);

    let mut change = unit(store).await?;
    let row = change.plan_batch(BatchKind::Orders, Tier::Instant, &ready).await?.unwrap();
    change.commit().await?;
    let planned = store.batch(row).await?.unwrap();
    let batched = store.withdrawals_of(row).await?;
    let mut change = unit(store).await?;
    change
        .take_out_of_batch(&planned, &batched[2..], WithdrawalState::Held, Some(Code::FloatInsufficient))
        .await?;
    change.move_batch(&planned, BatchState::Priced, None).await?;
    change.delay_batch(row, 5, "later").await?;
    change.commit().await?;
    let priced = store.batch(row).await?.unwrap();
    assert_eq!((priced.count, priced.retry_at), (2, 5));

    let mut change = unit(store).await?;
    change.fund_batch(&priced, &content(1), &CALLDATA, None).await?;
    change.move_lane_position(&lane(1, 0), LanePosition { next: 3, head: Head::repeat_byte(1) }).await?;
    change.commit().await?;
    let funded = store.batch(row).await?.unwrap();
    let mut change = unit(store).await?;
    change.add_attempt(&attempt(row, 0)).await?;
    change.set_gas_limit(row, 120_000).await?;
    change.move_lane_nonce(&store.lane(LANE).await?.unwrap(), 1).await?;
    change.move_batch(&funded, BatchState::Signed, None).await?;
    let generation = change.advance_generation().await?;
    change.commit().await?;
    store.tenure().unwrap().generation.write(generation)?;
    store.attempt_sent(B256::repeat_byte(1), 9).await?;
    assert_eq!(store.attempts(row).await?[0].state, AttemptState::Sent);

    let signed = store.batch(row).await?.unwrap();
    let after = LanePosition { next: 3, head: Head::repeat_byte(1) };
    let open = store.moment().await?.open_orders().await?;
    assert_eq!(open, [OpenOrders { lane: LANE, before: None, after }], "its calldata is none");
    let mut change = unit(store).await?;
    assert_eq!(change.batch_by_head(LANE, Head::repeat_byte(1)).await?.map(|b| b.row), Some(row));
    assert_eq!(change.batch_by_attempt(B256::repeat_byte(1)).await?.map(|b| b.row), Some(row));
    assert_eq!(change.open_numbered(LANE).await?.len(), 1);
    let paid = change.withdrawals_of(row).await?;
    change.end_withdrawals(&paid, WithdrawalState::Paid, None).await?;
    change
        .close_attempts(row, B256::repeat_byte(1), Inclusion { block: 8, gas_used: 50_000, fee: None })
        .await?;
    change.move_batch(&signed, BatchState::Final, None).await?;
    change.set_cursor(BlockMark { number: 8, hash: B256::repeat_byte(8) }).await?;
    change.commit().await?;
    let paid = store.withdrawal(&paid[0].id).await?.unwrap();
    assert_eq!(store.payout_of(&paid).await?, Some((B256::repeat_byte(1), 8)));
    assert!(store.history(&paid).await?.len() > 4);
    assert_eq!(store.final_batches().await?, (1, 2, 50_000));
    assert_eq!(store.cursor().await?.map(|c| c.number), Some(8));

    void_and_dissolve(store).await?;
    found(store).await?;
    for ok in [true, true, false] {
        let verdict = Verdict { block: 8, at: 1, ok, differences: Vec::new() };
        store.put_verdict(&verdict).await?;
        assert_eq!(store.last_verdict().await?.map(|v| v.ok), Some(ok));
    }
    let mut postings = 0;
    let up_to = store.sum_postings(0, i64::MAX, |_| postings += 1).await?;
    assert!(up_to > 0);
    let mut sums = Sums::default();
    store.sum_postings(0, up_to, |posting| balances::add(&mut sums, posting)).await?;
    assert_eq!(store.kept_balances().await?, (Sums::default(), 0));
    for _ in 0..2 {
        let mut change = unit(store).await?;
        change.keep_balances(&sums, up_to).await?;
        change.commit().await?;
        assert_eq!(store.kept_balances().await?, (sums.clone(), up_to));
    }
    assert!(postings > 5);
    assert!(store.counts().await?.iter().any(|(s, n)| (*s, *n) == (WithdrawalState::Paid, 2)));
    Ok(())
}

async fn void_and_dissolve(store: &Store) -> eyre::Result<()> {
    let mut change = unit(store).await?;
    change.fence_lane(LANE).await?;
    let void = change.plan_void(&content(3), &CALLDATA, "fence").await?;
    assert!(!change.void_is_final(LANE, 1).await?);
    change.commit().await?;
    let open: Vec<Batch> = store.batches_in(&[BatchState::Funded, BatchState::Signed]).await?;
    assert_eq!(open.iter().map(|b| b.row).collect::<Vec<_>>(), [void]);
    let mut change = unit(store).await?;
    change.dissolve_batch(&open[0], Code::NumberVoided).await?;
    change.end_fence(LANE).await?;
    Ok(change.commit().await?)
}

async fn found(store: &Store) -> eyre::Result<()> {
    let order = order("unknown", None);
    let payout = FoundPayout {
        lane: LANE,
        number: 77,
        reference: order.id().reference(),
        asset: NATIVE,
        recipient: order.order.recipient,
        amount: order.order.amount,
        outcome: WithdrawalState::Paid,
        tx: B256::repeat_byte(6),
        block: 7,
        tier: None,
    };
    let mut change = unit(store).await?;
    assert!(change.put_found_payout(&payout, None).await?);
    assert!(!change.put_found_payout(&payout, None).await?, "kept once");
    assert_eq!(change.unmatched_by_reference(&[payout.reference]).await?.len(), 1);
    change.note();
    change.commit().await?;
    assert_eq!(store.unmatched_payouts().await?, 1);
    let held = store.waiting(WithdrawalState::Held, 1).await?;
    let mut change = unit(store).await?;
    change.match_found_payout(&payout, held[0].row).await?;
    change.note();
    change.commit().await?;
    assert_eq!(store.unmatched_payouts().await?, 0);
    Ok(())
}

/// Cold is asked, for more, and no more; then anew.
async fn ask_cold(store: &Store) -> eyre::Result<()> {
    let asked = async || -> eyre::Result<Vec<(Address, Amount)>> {
        Ok(store.refill_requests().await?.iter().map(|r| (r.asset, r.amount)).collect())
    };
    for amount in [Amount::from(5), Amount::from(9)] {
        let mut change = unit(store).await?;
        change.request_refill(NATIVE, amount).await?;
        change.commit().await?;
        assert_eq!(asked().await?, [(NATIVE, amount)]);
    }
    let mut change = unit(store).await?;
    change.end_refill_request(NATIVE).await?;
    change.commit().await?;
    assert_eq!(asked().await?, []);
    let mut change = unit(store).await?;
    change.request_refill(NATIVE, Amount::from(2)).await?;
    change.commit().await?;
    assert_eq!(asked().await?, [(NATIVE, Amount::from(2))]);
    Ok(())
}

/// A margin pool is followed, a duty signed, replaced, sent and done.
async fn see_to_margin(store: &Store) -> eyre::Result<()> {
    let (pool, [first, second]) =
        (Address::repeat_byte(7), [(LANE, 1_900_000_000), (OTHER_LANE, 1_900_000_000)]);
    assert_eq!(store.margin_followed(pool).await?, None);
    store.follow_margin(pool, 5, &[(first, true), (second, true)]).await?;
    store.follow_margin(pool, 9, &[(second, false)]).await?;
    assert_eq!(store.margin_followed(pool).await?, Some(Followed { cursor: 9, open: [first].into() }));
    assert!(store.margin_figures().await?.is_empty());
    store.put_margin_figures(pool, "{}", 3).await?;
    assert_eq!(store.margin_figures().await?, [(pool, "{}".to_owned(), 3)]);

    let owes = |held: u128, block| PoolHeld { pool, collateral: NATIVE, held: Amount::from(held), block };
    store.book_pool(PoolHeld { pool: LANE, ..owes(1, 5) }).await?;
    // A block later it owes less; what comes late changes nothing.
    for (held, block) in [(700, 5), (700, 6), (400, 9), (900, 8)] {
        store.book_pool(owes(held, block)).await?;
    }
    assert_eq!(store.moment().await?.pools_held().await?, [owes(400, 9)]);
    let books = Balances::counted(store).await?;
    for account in [Account::Pools, Account::Margin] {
        assert_eq!(books.balance(NATIVE, account), Amount::from(400));
    }

    let signed = |hash| SignedDuty {
        sender: LANE,
        nonce: 4,
        target: pool,
        duty: "fix 1900000000".to_owned(),
        calldata: Bytes::from_static(&[1, 2]),
        gas_limit: 100_000,
        fees: Fees { max_fee: 7, priority_fee: 1 },
        hash,
        raw: Bytes::from_static(&[2, 3]),
        state: SentState::Signed,
        signed_at: 11,
        sent_at: 0,
    };
    let (stuck, replacement) = (signed(B256::repeat_byte(1)), signed(B256::repeat_byte(2)));
    for tx in [&stuck, &replacement] {
        let mut change = unit(store).await?;
        change.add_duty(tx).await?;
        change.commit().await?;
    }
    store.duty_sent(stuck.hash, 12).await?;
    let sent = SignedDuty { state: SentState::Sent, sent_at: 12, ..stuck.clone() };
    assert_eq!(store.open_duties(LANE).await?, [sent, replacement.clone()]);
    assert!(store.open_duties(OTHER_LANE).await?.is_empty());
    let mut change = unit(store).await?;
    change.end_duty(stuck.hash, SentState::Dead).await?;
    change.end_duty(replacement.hash, SentState::Done).await?;
    change.commit().await?;
    store.duty_sent(stuck.hash, 13).await?;
    assert!(store.open_duties(LANE).await?.is_empty(), "what has ended stays so");
    let mut again = unit(store).await?;
    assert!(again.add_duty(&stuck).await.is_err(), "no transaction is stored twice");
    Ok(())
}

fn swap() -> NewSwap {
    let hop = Through {
        kind: "uniswap_v2".to_owned(),
        pool: Address::repeat_byte(6),
        sell: Address::repeat_byte(7),
        buy: Address::repeat_byte(8),
    };
    NewSwap {
        sell: Address::repeat_byte(7),
        buy: Address::repeat_byte(8),
        amount: Amount::from(500),
        quoted: Amount::from(490),
        least: Amount::from(480),
        routes: vec![Share { amount_in: U256::from(500), amount_out: U256::from(490), hops: vec![hop] }],
        calldata: Bytes::from_static(&[1, 2]),
        deadline: 1_900_000_000,
        is_slice: true,
    }
}

/// Two swaps are planned; one is signed and done, one fails, and what waits for its asset is told.
async fn swap_twice(store: &Store) -> eyre::Result<()> {
    let plan = swap();
    let mut change = unit(store).await?;
    let rows = [change.add_swap(&plan).await?, change.add_swap(&plan).await?];
    change.commit().await?;
    let open = store.open_swaps().await?;
    assert_eq!(open.iter().map(|swap| swap.row).collect::<Vec<_>>(), rows);
    assert_eq!(open[0].plan, plan);

    let duty = Swap::duty_of(rows[1]);
    assert!(store.states_of_duty(LANE, &duty).await?.is_empty());
    let tx = SignedDuty {
        sender: LANE,
        nonce: 9,
        target: Address::repeat_byte(9),
        duty: duty.clone(),
        calldata: plan.calldata.clone(),
        gas_limit: 100_000,
        fees: Fees { max_fee: 7, priority_fee: 1 },
        hash: B256::repeat_byte(5),
        raw: Bytes::from_static(&[2, 3]),
        state: SentState::Signed,
        signed_at: 11,
        sent_at: 0,
    };
    let mut change = unit(store).await?;
    change.add_duty(&tx).await?;
    change.commit().await?;
    assert_eq!(store.states_of_duty(LANE, &duty).await?, [SentState::Signed]);
    assert_eq!(store.refill_trouble(plan.buy).await?, None);
    let mut change = unit(store).await?;
    let sold = |amount: u128| Sold(plan.sell, Amount::from(amount));
    let bought = |amount: u128| Bought(plan.buy, Amount::from(amount));
    change.finish_swap(B256::repeat_byte(6), sold(1), bought(1)).await?;
    change.finish_swap(tx.hash, sold(499), bought(489)).await?;
    change.fail_swap(&open[0], "reverted").await?;
    change.tell_of_refill(plan.buy, Some("no pool")).await?;
    change.tell_of_refill(plan.buy, Some("no price")).await?;
    change.commit().await?;
    assert!(store.open_swaps().await?.is_empty());
    let [done, failed] = &store.last_swaps(5).await?[..] else { eyre::bail!("there are two swaps") };
    assert_eq!(
        (done.state, done.spent, done.received),
        (SwapState::Done, Some(499.into()), Some(489.into()))
    );
    assert_eq!((done.tx, failed.state), (Some(tx.hash), SwapState::Failed));
    // What was set aside is sold, or float again; the swap that nobody planned was sold from the float.
    let mut sums = Sums::default();
    store.sum_postings(0, i64::MAX, |posting| balances::add(&mut sums, posting)).await?;
    let sums = [
        (plan.sell, Account::Swaps, 499 + 1 + 500, 500 + 500),
        (plan.sell, Account::Float, 1 + 500 + 500, 1 + 500),
        (plan.sell, Account::Cash, 0, 1 + 499),
        (plan.buy, Account::Cash, 1 + 489, 0),
        (plan.buy, Account::Float, 0, 1 + 489),
    ]
    .map(|(asset, account, debits, credits)| {
        (sums[&(asset, account)], Sum { debits: Amount::from(debits), credits: Amount::from(credits) })
    });
    for (found, expected) in sums {
        assert_eq!(found, expected);
    }
    assert_eq!(failed.reason.as_deref(), Some("reverted"));
    assert_eq!(store.refill_trouble(plan.buy).await?.as_deref(), Some("no price"));
    let [(asset, why, _)] = &store.refill_troubles().await?[..] else {
        eyre::bail!("one asset has a trouble")
    };
    assert_eq!((*asset, why.as_str()), (plan.buy, "no price"));
    assert!(store.last_slice(plan.buy).await?.is_some());
    assert_eq!(store.last_slice(plan.sell).await?, None);
    let mut change = unit(store).await?;
    change.tell_of_refill(plan.buy, None).await?;
    change.commit().await?;
    assert_eq!(store.refill_trouble(plan.buy).await?, None);
    Ok(())
}

async fn every_question_and_change(engine: Engine) -> eyre::Result<()> {
    let place = Place::new(engine).await?;
    let store = place.started("a").await?;
    fill(&store).await?;
    see_to_margin(&store).await?;
    ask_cold(&store).await?;
    swap_twice(&store).await?;
    asked::all(&store).await?;
    compared::with_the_chain(&store).await?;
    compared::rebuilt(&store).await?;
    let checked = store.check(|_, _| {}).await?;
    assert!(checked.ok, "{checked:?}");
    assert!(checked.changes > 8);
    Ok(())
}

/// Who takes withdrawals out of a batch by what was read before it was funded comes too late: what is signed pays them.
async fn a_batch_that_was_funded_meanwhile_loses_no_withdrawal(engine: Engine) -> eyre::Result<()> {
    let place = Place::new(engine).await?;
    let store = place.started("a").await?;
    let mut change = unit(&store).await?;
    change.accept_withdrawals(&[order("a", None), order("b", None)]).await?;
    change.commit().await?;
    let received = store.waiting(WithdrawalState::Received, 10).await?;
    let mut change = unit(&store).await?;
    change.move_withdrawals(&received, WithdrawalState::Ready, None).await?;
    change.commit().await?;
    let ready = store.ready(NATIVE, Door::Order, &ANY, 10).await?;
    let mut change = unit(&store).await?;
    let row = change.plan_batch(BatchKind::Orders, Tier::Instant, &ready).await?.unwrap();
    let planned = change.batch(row).await?;
    change.move_batch(&planned, BatchState::Priced, None).await?;
    change.commit().await?;

    let (priced, batched) = (store.batch(row).await?.unwrap(), store.withdrawals_of(row).await?);
    let mut change = unit(&store).await?;
    change.take_out_of_batch(&priced, &batched[..1], WithdrawalState::Ready, None).await?;
    change.commit().await?;
    let ready = store.ready(NATIVE, Door::Order, &ANY, 10).await?;
    let mut change = unit(&store).await?;
    let other = change.plan_batch(BatchKind::Orders, Tier::Instant, &ready).await?.unwrap();
    let planned = change.batch(other).await?;
    change.move_batch(&planned, BatchState::Priced, None).await?;
    change.commit().await?;
    fund(&store, other, 1).await?;
    is_late(&store, &priced, &batched[..1], "it is in another batch, which has its numbers").await?;

    let (priced, left) = (store.batch(row).await?.unwrap(), store.withdrawals_of(row).await?);
    fund(&store, row, 2).await?;
    is_late(&store, &priced, &left, "its batch has its numbers").await?;
    assert_eq!(store.withdrawals_of(row).await?, left);
    assert_eq!(store.withdrawals_of(other).await?.len(), 1);
    Ok(())
}

async fn fund(store: &Store, batch: i64, number: u64) -> eyre::Result<()> {
    let priced = store.batch(batch).await?.unwrap();
    let mut change = unit(store).await?;
    change.fund_batch(&priced, &content(number), &CALLDATA, None).await?;
    Ok(change.commit().await?)
}

async fn is_late(store: &Store, batch: &Batch, out: &[Withdrawal], what: &str) -> eyre::Result<()> {
    let mut change = unit(store).await?;
    let why = Some(Code::DeadlinePassed);
    let late = change.take_out_of_batch(batch, out, WithdrawalState::Ready, why).await;
    assert!(late.as_ref().is_err_and(StoreError::is_stale), "{what}: {late:?}");
    Ok(())
}

async fn migrate_says_from_where_to_where(engine: Engine) -> eyre::Result<()> {
    migrate::it_says_from_where_to_where(engine).await
}

/// The same leases, whoever asks, and none is held twice.
async fn a_lease_that_was_lost_commits_nothing(engine: Engine) -> eyre::Result<()> {
    let place = Place::new(engine).await?;
    let a = place.started("a").await?;
    assert!(a.tenure().unwrap().holds(LINE));
    let b = place.keeper("b").await?;
    assert!(b.take_lease(LINE).await?.is_none(), "held by a");
    let refused = unit(&b).await?.set_cursor(BlockMark { number: 1, hash: B256::ZERO }).await.unwrap_err();
    assert!(matches!(refused, StoreError::LeaseLost { .. }) && refused.is_stale(), "{refused}");

    // a stands still; b takes over; a comes back.
    tokio::time::sleep(LEASE + Duration::from_millis(300)).await;
    assert!(!a.tenure().unwrap().holds(LINE));
    for name in [LINE.to_owned(), of_lane(LANE)] {
        let taken = b.take_lease(&name).await?.expect("it has run out");
        b.hold_lease(taken);
    }
    let cursor = unit(&a).await?.set_cursor(BlockMark { number: 1, hash: B256::ZERO }).await.unwrap_err();
    assert!(matches!(cursor, StoreError::LeaseLost { .. }), "{cursor}");
    let nonce = unit(&a).await?.move_lane_nonce(&lane(1, 0), 1).await.unwrap_err();
    assert!(matches!(nonce, StoreError::LeaseLost { .. }), "{nonce}");
    let signed = unit(&a).await?.add_attempt(&attempt(1, 0)).await.unwrap_err();
    assert!(matches!(signed, StoreError::LeaseLost { .. }), "{signed}");
    a.renew_leases().await?;
    assert!(a.tenure().unwrap().names().is_empty(), "a knows");

    // Given up, it is free at once.
    b.renew_leases().await?;
    assert!(b.tenure().unwrap().holds(LINE));
    b.sign_off().await?;
    assert!(a.take_lease(LINE).await?.is_some());
    assert!(b.take_lease(&of_lane(OTHER_LANE)).await?.is_none(), "there is no such lane");
    Ok(())
}

async fn a_past_that_nobody_vouches_for_is_unknown(engine: Engine) -> eyre::Result<()> {
    let place = Place::new(engine).await?;
    let a = place.started("a").await?;
    let backup = place.folder.path().join("backup.jsonl");
    a.beat().await?;
    a.sign_off().await?;
    a.back_up(&backup, |_| {}).await?;

    // The same keeper again: nothing to fence. Another, with none that runs: the past is unknown to it.
    let again = place.keeper("a").await?;
    assert_eq!(again.judge_history(&[LANE]).await?, History::Continuous);
    let joining = place.keeper("b").await?;
    assert!(matches!(joining.judge_history(&[]).await?, History::Unknown { .. }));

    // With one that runs, it is known.
    let server = again.server().await?;
    let mut change = unit(&again).await?;
    let generation = change.start_generation(0, &server).await?;
    change.commit().await?;
    again.tenure().unwrap().generation.write(generation)?;
    again.beat().await?;
    let (running, judged) = tokio::join!(
        async {
            for _ in 0..10 {
                tokio::time::sleep(Duration::from_millis(100)).await;
                again.beat().await?;
            }
            eyre::Ok(())
        },
        joining.judge_history(&[])
    );
    running?;
    assert_eq!(judged?, History::Continuous);

    // Put back: noticed by whoever looks, while it runs and at a start.
    again.sign_off().await?;
    again.restore(&backup, true, |_| {}).await?;
    assert!(matches!(again.beat().await.unwrap_err(), StoreError::WentBack));
    assert!(!again.tenure().unwrap().holds(LINE));
    for name in ["a", "b"] {
        let store = place.keeper(name).await?;
        assert!(matches!(store.judge_history(&[]).await?, History::OtherServer { .. }), "{name}");
    }
    drop(place.server);
    Ok(())
}

async fn a_keeper_waits_for_the_word_of_one_that_sent(engine: Engine) -> eyre::Result<()> {
    let place = Place::new(engine).await?;
    let a = place.started("a").await?;
    a.beat().await?;
    // b joins while a runs, and both stop.
    let b = place.keeper("b").await?;
    b.judge_history(&[]).await?;
    let server = b.server().await?;
    let mut change = unit(&b).await?;
    let generation = change.start_generation(0, &server).await?;
    change.commit().await?;
    b.tenure().unwrap().generation.write(generation)?;
    a.sign_off().await?;
    b.sign_off().await?;

    // Alone, b cannot tell what a sent last. Together they can.
    let alone = place.keeper("b").await?.judge_history(&[]).await?;
    assert!(matches!(alone, History::Unvouched { .. }), "{alone:?}");
    let (a, b) = (place.keeper("a").await?, place.keeper("b").await?);
    let (of_a, of_b) = tokio::join!(a.judge_history(&[]), async {
        let judged = b.judge_history(&[]).await;
        // It goes on giving signs of life while the other still looks.
        for _ in 0..5 {
            b.beat().await?;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        judged
    });
    assert_eq!((of_a?, of_b?), (History::Continuous, History::Continuous));
    Ok(())
}

async fn a_backup_holds_everything(engine: Engine) -> eyre::Result<()> {
    let place = Place::new(engine).await?;
    let store = place.started("a").await?;
    fill(&store).await?;
    see_to_margin(&store).await?;
    swap_twice(&store).await?;
    store.sign_off().await?;
    let (first, second) = (place.folder.path().join("first.jsonl"), place.folder.path().join("second.jsonl"));
    let rows = store.back_up(&first, |_| {}).await?;

    // Into the same engine, and into the other.
    let other = if engine == Engine::Sqlite { Engine::Postgres } else { Engine::Sqlite };
    for into in [engine, other] {
        let elsewhere = Place::new(into).await?;
        let target = Store::connect(&elsewhere.url).await?;
        assert_eq!(target.restore(&first, false, |_| {}).await?, rows);
        let checked = target.check(|_, _| {}).await?;
        assert!(checked.ok, "{checked:?}");
        let full = target.restore(&first, false, |_| {}).await.unwrap_err();
        assert!(matches!(full, StoreError::NotEmpty(_)), "{full}");
        target.restore(&first, true, |_| {}).await?;
        let _ = std::fs::remove_file(&second);
        target.back_up(&second, |_| {}).await?;
        let rows_of = |path| -> eyre::Result<Vec<String>> {
            let text = std::fs::read_to_string(path)?;
            let kept = |line: &&str| line.starts_with('[') && !line.contains("\"server\"");
            Ok(text.lines().filter(kept).map(str::to_owned).collect())
        };
        assert_eq!(rows_of(&first)?, rows_of(&second)?);
        // What the database refuses it refuses again.
        let mut connection = <sqlx::AnyConnection as sqlx::Connection>::connect(&elsewhere.url).await?;
        for statement in
            ["UPDATE postings SET at = 2", "UPDATE withdrawals SET amount = asset", "DELETE FROM audit"]
        {
            assert!(sqlx::raw_sql(statement).execute(&mut connection).await.is_err(), "{statement}");
        }
        // New rows come after the restored ones.
        let mut change = unit(&target).await?;
        let new = change.accept_withdrawals(&[order("after", None)]).await?;
        assert!(matches!(new[0], Accepted::New(_)));
        change.commit().await?;
    }

    let text = std::fs::read_to_string(&first)?;
    let target = Place::new(Engine::Sqlite).await?;
    let target = Store::connect(&target.url).await?;
    for (damaged, why) in [
        (text[..text.len() - 200].to_owned(), "cut off"),
        (text.replacen("\"paid\"", "\"held\"", 1), "changed or damaged"),
        (String::new(), "empty"),
        ("{}\n".to_owned(), "first line"),
    ] {
        std::fs::write(&second, damaged)?;
        let refused = target.restore(&second, true, |_| {}).await.unwrap_err().to_string();
        assert!(refused.contains(why) && refused.contains("nothing was changed"), "{refused}");
    }
    Ok(())
}

async fn the_database_itself_refuses_what_has_no_posting_or_withdrawal(engine: Engine) -> eyre::Result<()> {
    let place = Place::new(engine).await?;
    let store = place.started("a").await?;
    fill(&store).await?;
    let mut connection = <sqlx::AnyConnection as sqlx::Connection>::connect(&place.url).await?;
    let on = match engine {
        Engine::Sqlite => "PRAGMA foreign_keys = ON",
        Engine::Postgres => "SELECT 1",
    };
    sqlx::raw_sql(sqlx::AssertSqlSafe(on)).execute(&mut connection).await?;
    let pool = PoolHeld { pool: OTHER_LANE, collateral: NATIVE, held: Amount::from(1), block: 1 };
    store.follow_margin(pool.pool, 1, &[]).await?;
    store.book_pool(pool).await?;
    let mut change = unit(&store).await?;
    change.add_swap(&swap()).await?;
    change.commit().await?;
    let posting = "INSERT INTO postings (audit, withdrawal, to_state, asset, debit, credit, amount, at) SELECT 1, row_id";
    let more = [
        ("'paid', asset, 'orders', 'cash', replace(amount, '3e8', '3e9')", "another amount"),
        ("'paid', recipient, 'orders', 'cash', amount", "another asset"),
        ("'paid', asset, 'orders', 'claims', amount", "another account"),
        ("'cancelled', asset, 'float', 'orders', amount", "turned round"),
        ("'received', asset, 'float', 'orders', amount", "received twice"),
        ("'swept', asset, 'orders', 'cash', amount", "no state of a withdrawal"),
    ];
    for (values, what) in more {
        let statement =
            format!("{posting}, {values}, 1 FROM withdrawals WHERE state = 'held' AND door = 'order'");
        let refused = sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut connection).await;
        let why = refused.unwrap_err().to_string();
        let twice = why.contains("UNIQUE") || why.contains("duplicate key");
        assert!(why.contains("as its state says") || (twice && what == "received twice"), "{what}: {why}");
    }
    for (statement, rule) in [
        ("UPDATE margin_pools SET held = replace(held, '1', '2')", "only with its posting"),
        ("INSERT INTO margin_pools (pool, cursor, held) VALUES ('0x', 1, '1')", "from nothing on"),
        (
            "INSERT INTO withdrawals (id, reference, door, idempotency_key, asset, recipient, amount, state, trace_id, \
             received_at, updated_at) SELECT 'wd_1', '0x01', door, 'forged', asset, recipient, amount, 'paid', trace_id, \
             1, 1 FROM withdrawals LIMIT 1",
            "begins as received",
        ),
        (
            "INSERT INTO postings (audit, asset, debit, credit, amount, at) SELECT 1, asset, 'mine', 'cash', amount, 1 \
             FROM withdrawals",
            "account",
        ),
        ("UPDATE swaps SET state = 'done'", "with its posting"),
        ("UPDATE swaps SET state = 'failed'", "with its posting"),
        (
            "INSERT INTO found_payouts (lane, number, reference, asset, recipient, amount, outcome, tx, block) \
             SELECT '0x', 1, reference, asset, recipient, amount, 'paid', '0x', 1 FROM withdrawals LIMIT 1",
            "with its posting",
        ),
        ("UPDATE found_payouts SET withdrawal = NULL", "with its posting"),
        ("UPDATE withdrawals SET state = 'paid' WHERE state = 'held'", "with its posting"),
        ("UPDATE withdrawals SET state = 'cancelled'", "with its posting"),
        ("INSERT INTO transitions (audit, withdrawal, to_state, at) VALUES (1, 999999, 'paid', 1)", ""),
        (
            "INSERT INTO postings (audit, withdrawal, to_state, asset, debit, credit, amount, at) SELECT audit, 999999, \
             to_state, asset, debit, credit, amount, at FROM postings WHERE to_state = 'received'",
            "",
        ),
        ("DELETE FROM withdrawals", "withdrawal"),
        ("UPDATE postings SET at = 2", "append-only"),
    ] {
        let refused = sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut connection).await;
        let why = refused.unwrap_err().to_string();
        assert!(why.to_lowercase().contains(rule), "{statement}: {why}");
    }
    Ok(())
}

async fn what_was_tampered_with_is_named(engine: Engine) -> eyre::Result<()> {
    let place = Place::new(engine).await?;
    let store = place.started("a").await?;
    fill(&store).await?;
    let (off, on) = match engine {
        Engine::Sqlite => (
            "DROP TRIGGER transitions_no_update; DROP TRIGGER audit_no_update; DROP TRIGGER postings_no_update; \
             DROP TRIGGER withdrawals_terms_stay",
            "SELECT 1",
        ),
        Engine::Postgres => {
            ("SET session_replication_role = replica", "SET session_replication_role = origin")
        }
    };
    sqlx::any::install_default_drivers();
    let mut connection = <sqlx::AnyConnection as sqlx::Connection>::connect(&place.url).await?;
    sqlx::raw_sql(sqlx::AssertSqlSafe(off)).execute(&mut connection).await?;
    for (change, back, named) in [
        (
            "UPDATE transitions SET reason = 'x' WHERE row_id = 3",
            "UPDATE transitions SET reason = NULL WHERE row_id = 3",
            "not those that were made",
        ),
        (
            "UPDATE audit SET actor = 'me' WHERE seq = 4",
            "UPDATE audit SET actor = 'test' WHERE seq = 4",
            "change 4 is not the one that was made",
        ),
        (
            "UPDATE batches SET count = 9 WHERE row_id = 1",
            "UPDATE batches SET count = 2 WHERE row_id = 1",
            "does not hold as many",
        ),
        (
            "UPDATE withdrawals SET amount = replace(amount, '3e8', '3e9') WHERE state = 'held'",
            "UPDATE withdrawals SET amount = replace(amount, '3e9', '3e8') WHERE state = 'held'",
            "no posting that set its money aside",
        ),
        (
            "UPDATE balances SET debits = replace(debits, '000', '001')",
            "UPDATE balances SET debits = replace(debits, '001', '000')",
            "kept balances are not the sums",
        ),
    ] {
        sqlx::raw_sql(sqlx::AssertSqlSafe(change)).execute(&mut connection).await?;
        let checked = store.check(|_, _| {}).await?;
        assert!(!checked.ok && checked.broken.iter().any(|what| what.contains(named)), "{checked:?}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(back)).execute(&mut connection).await?;
        let checked = store.check(|_, _| {}).await?;
        assert!(checked.ok, "{checked:?}");
    }
    sqlx::raw_sql(sqlx::AssertSqlSafe(on)).execute(&mut connection).await?;
    Ok(())
}

/// Neither a void that is final, nor one that seems to be of later because the clock was set back.
async fn only_a_void_of_its_own_ends_a_fence(engine: Engine) -> eyre::Result<()> {
    let place = Place::new(engine).await?;
    let store = place.started("a").await?;
    fill(&store).await?;
    let plan = async |first: u64| -> eyre::Result<i64> {
        let mut change = unit(&store).await?;
        let void = change.plan_void(&content(first), &CALLDATA, "fence").await?;
        let planned = change.batch(void).await?;
        change.move_batch(&planned, BatchState::Final, None).await?;
        change.commit().await?;
        Ok(void)
    };
    let ended = async || -> eyre::Result<bool> {
        let since = store.lane(LANE).await?.and_then(|lane| lane.fencing_since).unwrap();
        let mut change = unit(&store).await?;
        let ended = change.void_is_final(LANE, since).await?;
        change.commit().await?;
        Ok(ended)
    };
    let old = plan(3).await?;
    let mut connection = <sqlx::AnyConnection as sqlx::Connection>::connect(&place.url).await?;
    let late = format!("UPDATE batches SET created_at = 4102444800000 WHERE row_id = {old}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(late)).execute(&mut connection).await?;
    let mut change = unit(&store).await?;
    change.fence_lane(LANE).await?;
    change.commit().await?;
    assert!(!ended().await?, "the void was there before");
    plan(4).await?;
    assert!(ended().await?);
    Ok(())
}

/// What a batch ends with can be an attempt at the one before it, or be sent before a backup was put in the store's place.
async fn gas_is_booked_of_a_batchs_own_attempts(engine: Engine) -> eyre::Result<()> {
    let place = Place::new(engine).await?;
    let store = place.started("a").await?;
    fill(&store).await?;
    let fee = |wei: u64| Some(Amount(U256::from(wei)));
    // Of the second void, of the first, of none.
    for (nonce, tx, costs) in [(1, 3, 500), (3, 4, 700), (5, 99, 900)] {
        let mut change = unit(&store).await?;
        let before = change.plan_void(&content(3), &CALLDATA, "fence").await?;
        change.add_attempt(&attempt(before, nonce)).await?;
        let planned = change.batch(before).await?;
        change.dissolve_batch(&planned, Code::NumberVoided).await?;
        let again = change.plan_void(&content(3), &CALLDATA, "fence").await?;
        change.add_attempt(&attempt(again, nonce + 1)).await?;
        let planned = change.batch(again).await?;
        let at = Inclusion { block: 9, gas_used: 50_000, fee: fee(costs) };
        change.close_attempts(again, B256::repeat_byte(tx), at).await?;
        change.move_batch(&planned, BatchState::Final, None).await?;
        change.commit().await?;
        assert_eq!(Some(store.moment().await?.gas_booked().await?), fee(500));
        let checked = store.check(|_, _| {}).await?;
        assert!(checked.ok, "{checked:?}");
    }
    Ok(())
}

/// Changes queue behind each other in the database. Those of a keeper that was paused end together, not each in its turn.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[tokio::test(flavor = "multi_thread")]
async fn a_paused_keeper_with_changes_in_a_queue_holds_the_others_up_only_once() -> eyre::Result<()> {
    let place = Place::new(Engine::Postgres).await?;
    let (paused, other) = (place.keeper("a").await?, place.keeper("b").await?);
    // Begun, and never again looked at, as in a process that was stopped.
    let mut queue: Vec<_> = (0..4).map(|_| Box::pin(unit(&paused))).collect();
    let first = queue.remove(0).await?;
    for begun in &mut queue {
        assert!(tokio::time::timeout(Duration::from_millis(300), begun).await.is_err(), "it waits its turn");
    }
    let start = Instant::now();
    unit(&other).await?;
    let took = start.elapsed();
    assert!(took < 2 * IDLE, "{took:?}");
    drop((first, queue));
    Ok(())
}

/// A file that is new, or a copy by `VACUUM INTO`, has no write-ahead log yet. Where two open it at one moment, each reads it and
/// waits for the other to end: SQLite answers "locked" to one of them at once, whatever its timeout is. And both bring its
/// schema up to date.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_file_is_opened_by_several_at_one_moment() -> eyre::Result<()> {
    let folder = tempfile::tempdir()?;
    for round in 0..20 {
        let url = format!("sqlite://{}/{round}.db", folder.path().display());
        for opened in futures::future::join_all((0..4).map(|_| Store::open(&url))).await {
            opened?.close().await;
        }
    }
    Ok(())
}

/// Each test over each engine.
macro_rules! over_both {
    ($($test:ident),*) => {
        // Both need the pinned binaries: a backup goes from one engine to the other.
        #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
        mod over_sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() -> eyre::Result<()> {
                super::$test(super::Engine::Sqlite).await
            })*
        }
        #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
        mod over_postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() -> eyre::Result<()> {
                super::$test(super::Engine::Postgres).await
            })*
        }
    };
}

over_both!(
    every_question_and_change,
    a_batch_that_was_funded_meanwhile_loses_no_withdrawal,
    migrate_says_from_where_to_where,
    a_lease_that_was_lost_commits_nothing,
    a_past_that_nobody_vouches_for_is_unknown,
    a_keeper_waits_for_the_word_of_one_that_sent,
    a_backup_holds_everything,
    what_was_tampered_with_is_named,
    gas_is_booked_of_a_batchs_own_attempts,
    only_a_void_of_its_own_ends_a_fence,
    the_database_itself_refuses_what_has_no_posting_or_withdrawal
);
