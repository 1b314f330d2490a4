//! What the API, the commands, a day's statement, the webhooks and the traces ask and change.

use super::{LANE, attempt, order, unit};
use alloy::primitives::{Address, B256};
use oracle_guard::{Interval, Memory, Price, Reason, Reasons, Verdict};
use spillway::{
    domain::{
        access::{ApiKey, Scope},
        amount::Amount,
        asset::NATIVE,
        batch::{BatchKind, BatchState, Content},
        day::Day,
        fees::Fees,
        lane::Head,
        reason::Code,
        tier::Tier,
        withdrawal::{Door, Withdrawal, WithdrawalId, WithdrawalState},
    },
    stages::price::guard::Opinion,
    store::{
        Store,
        batches::Inclusion,
        cancel::Cancelled,
        listing::Filter,
        oracle::Kept,
        overview::Standing,
        statement::{DatedBatch, DatedMove, DatedPosting, Reader},
        webhooks::{DeadLetter, Sent},
        withdrawals::{Accepted, NewWithdrawal},
    },
};

/// All of it, after [`fill`](super::fill): a and b are paid, c is held, d rejected, and r a request that is ready.
pub(super) async fn all(store: &Store) -> eyre::Result<()> {
    overdue(store).await?;
    taken_back(store).await?;
    pages(store).await?;
    figures(store).await?;
    keys_of_the_api(store).await?;
    opinions(store).await?;
    cancel_of_a_nonce(store).await?;
    statement(store).await?;
    told_to_endpoints(store).await?;
    demand(store).await?;
    sent_as_traces(store).await
}

/// Stores orders.
async fn accepted(store: &Store, new: &[NewWithdrawal]) -> eyre::Result<Vec<Withdrawal>> {
    let mut change = unit(store).await?;
    let answers = change.accept_withdrawals(new).await?;
    change.commit().await?;
    let new = |answer| match answer {
        Accepted::New(withdrawal) => Ok(withdrawal),
        other => Err(eyre::eyre!("{other:?}")),
    };
    answers.into_iter().map(new).collect()
}

fn keys(withdrawals: &[Withdrawal]) -> Vec<&str> {
    withdrawals.iter().map(|w| w.idempotency_key.as_str()).collect()
}

async fn overdue(store: &Store) -> eyre::Result<()> {
    use WithdrawalState::{Ready, Received, Rejected};
    let due = |key: &str, at| {
        let mut new = order(key, None);
        new.order.deadline = Some(at);
        new
    };
    assert_eq!(store.earliest_deadline().await?, None);
    accepted(store, &[due("later", 2_000), due("late", 1_000)]).await?;
    assert_eq!(store.earliest_deadline().await?, Some(1_000));
    for (state, now, limit, expected) in [
        (Received, 2_000, 10, &["late", "later"][..]),
        (Received, 2_000, 1, &["late"]),
        (Received, 1_000, 10, &["late"]),
        (Received, 999, 10, &[]),
        (Ready, 2_000, 10, &[]),
    ] {
        let past = store.past_deadline(state, now, limit).await?;
        assert_eq!(keys(&past), expected, "{state} at {now}, at most {limit}");
    }
    let late = store.past_deadline(Received, 1_000, 10).await?;
    let mut change = unit(store).await?;
    change.move_withdrawals(&late, Rejected, Some(Code::DeadlinePassed)).await?;
    change.commit().await?;
    assert_eq!(store.earliest_deadline().await?, Some(2_000), "what has ended has none");
    Ok(())
}

async fn taken_back(store: &Store) -> eyre::Result<()> {
    let id = WithdrawalId::from_key("back");
    assert_eq!(store.cancel(&id).await?, Cancelled::Unknown);
    accepted(store, &[order("back", None)]).await?;
    let mut change = unit(store).await?;
    change.fence_lane(LANE).await?;
    change.commit().await?;
    assert_eq!(store.cancel(&id).await?, Cancelled::Fenced);
    let mut change = unit(store).await?;
    change.end_fence(LANE).await?;
    change.commit().await?;
    let Cancelled::Done(back) = store.cancel(&id).await? else { eyre::bail!("it is in no batch") };
    assert_eq!((back.state, back.reason), (WithdrawalState::Cancelled, Some(Code::CancelledByCaller)));
    assert_eq!(store.withdrawal(&id).await?.as_ref(), Some(&back));
    assert_eq!(store.cancel(&id).await?, Cancelled::Done(back), "as often as it is asked");
    let paid = store.cancel(&WithdrawalId::from_key("a")).await?;
    assert!(matches!(&paid, Cancelled::TooLate(w) if w.state == WithdrawalState::Paid), "{paid:?}");
    let request = store.cancel(&WithdrawalId::from_key("r")).await?;
    assert!(matches!(&request, Cancelled::OnChain(w) if w.state == WithdrawalState::Ready), "{request:?}");
    Ok(())
}

async fn demand(store: &Store) -> eyre::Result<()> {
    let asked = store.demand_after(0, 100).await?;
    let mut listed =
        store.list(&Filter { door: Some(Door::Order), ..Filter::default() }, None, 100).await?.withdrawals;
    listed.retain(|w| !matches!(w.state, WithdrawalState::Rejected | WithdrawalState::Cancelled));
    listed.reverse();
    let listed: Vec<_> = listed.iter().map(|w| (w.asset, w.amount, w.received_at)).collect();
    assert!(listed.len() > 3);
    assert_eq!(asked.iter().map(|d| (d.asset, d.amount, d.received_at)).collect::<Vec<_>>(), listed);
    assert_eq!(store.demand_after(0, 2).await?, asked[..2]);
    assert_eq!(store.demand_after(asked[1].row, 100).await?, asked[2..]);
    // Every time of receipt, one millisecond before the first, and one behind the last.
    let (first, last) = (asked[0].received_at, asked[asked.len() - 1].received_at);
    for at in asked.iter().map(|d| d.received_at).chain([first - 1, last + 1]) {
        let behind = store.demand_after(store.last_row_before(at).await?, 100).await?;
        let expected: Vec<_> = asked.iter().filter(|d| d.received_at >= at).copied().collect();
        assert_eq!(behind, expected, "from {at} on");
    }
    Ok(())
}

async fn pages(store: &Store) -> eyre::Result<()> {
    use WithdrawalState::{Batched, Held, Paid, Ready, Received, Rejected};
    let every = ["back", "late", "later", "d", "r", "c", "b", "a"];
    let first = store.list(&Filter::default(), None, 3).await?;
    assert_eq!(keys(&first.withdrawals), every[..3]);
    let second = store.list(&Filter::default(), first.next, 100).await?;
    assert_eq!((keys(&second.withdrawals), second.next), (every[3..].to_vec(), None));

    let received = |w: Option<&Withdrawal>| w.map(|w| w.received_at);
    let (newest, oldest) = (received(first.withdrawals.first()), received(second.withdrawals.last()));
    let after = newest.map(|at| at + 1);
    let none = Filter::default();
    for (filter, expected) in [
        (Filter { state: Some(Paid), ..none }, &["b", "a"][..]),
        (Filter { state: Some(Rejected), asset: Some(NATIVE), ..none }, &["late", "d"]),
        (Filter { asset: Some(LANE), ..none }, &[]),
        (Filter { door: Some(Door::Request), ..none }, &["r"]),
        (Filter { recipient: Some(Address::repeat_byte(9)), state: Some(Held), ..none }, &["c"]),
        (Filter { recipient: Some(LANE), ..none }, &[]),
        (Filter { received_from: oldest, received_before: after, ..none }, &every),
        (Filter { received_from: after, ..none }, &[]),
        (Filter { received_before: oldest, ..none }, &[]),
    ] {
        let page = store.list(&filter, None, 100).await?;
        assert_eq!((keys(&page.withdrawals), page.next), (expected.to_vec(), None), "{filter:?}");
    }

    let counts = store.waiting_counts().await?;
    let counts: Vec<_> = counts.iter().map(|w| (w.state, w.withdrawals, w.since.is_some())).collect();
    assert_eq!(counts, [(Received, 1, true), (Held, 1, true), (Ready, 1, true), (Batched, 0, false)]);
    assert_eq!(store.waiting_for_approvers().await?, (0, None));
    let durations = store.durations(NATIVE, Tier::Instant).await?;
    assert!(durations.len() == 2 && durations.iter().all(|ms| *ms >= 0), "{durations:?}");
    assert!(store.durations(LANE, Tier::Instant).await?.is_empty());
    assert!(store.durations(NATIVE, Tier::Delayed).await?.is_empty(), "both were paid in the first tier");
    Ok(())
}

async fn figures(store: &Store) -> eyre::Result<()> {
    let settled = store.settled_by_hour(24).await?;
    let settled: Vec<_> = settled.iter().map(|s| (s.asset, s.payouts, s.amount)).collect();
    assert_eq!(settled, [(NATIVE, 2, Amount::from(2_000))]);
    assert!(store.settled_by_hour(0).await?.is_empty());

    assert!(store.standing_in_batches().await?.is_empty());
    let mut new = accepted(store, &[order("stands", None)]).await?;
    let mut change = unit(store).await?;
    change.move_withdrawals(&new, WithdrawalState::Ready, None).await?;
    new[0].state = WithdrawalState::Ready;
    let row = change.plan_batch(BatchKind::Orders, Tier::Instant, &new).await?.unwrap();
    change.commit().await?;
    let standing = Standing { state: BatchState::Planned, withdrawals: 1, since: Some(new[0].received_at) };
    assert_eq!(store.standing_in_batches().await?, [standing]);
    let late = store.cancel(&new[0].id).await?;
    assert!(matches!(&late, Cancelled::TooLate(w) if w.batch == Some(row)), "{late:?}");
    Ok(())
}

async fn keys_of_the_api(store: &Store) -> eyre::Result<()> {
    let key = |n: u8, scopes: &[Scope]| ApiKey {
        id: format!("{n:016}"),
        name: "shop".to_owned(),
        hash: B256::repeat_byte(n),
        scopes: scopes.to_vec(),
        per_minute: u32::from(n) * 60,
        created_at: i64::from(n),
        expires_at: None,
    };
    let (mut first, second) = (key(1, &[Scope::Submit, Scope::Read]), key(2, &[Scope::Review]));
    store.add_api_key(&first, None).await?;
    assert_eq!(store.api_keys().await?, [first.clone()]);
    store.add_api_key(&second, Some((&first.id, 50))).await?;
    first.expires_at = Some(50);
    assert_eq!(store.api_keys().await?, [first.clone(), second.clone()]);
    assert!(!store.expire_api_key(&first.id, 60).await?, "never later");
    assert!(store.expire_api_key(&first.id, 40).await?);
    first.expires_at = Some(40);
    assert!(!store.expire_api_key("unknown", 40).await?);
    assert_eq!(store.api_keys().await?, [first, second]);
    Ok(())
}

async fn opinions(store: &Store) -> eyre::Result<()> {
    let kept = |block, price| Kept {
        opinion: Opinion {
            block,
            verdict: Verdict::Degraded,
            reasons: Reasons::of(&[Reason::Late]),
            price: Some(Interval { lo: Price(price), mid: Price(price + 1), hi: Price(price + 2) }),
            because: vec!["late by 3 s".to_owned()],
        },
        memory: Memory { last: Price(price), last_at: block, good: 2, ..Memory::default() },
        config: "digest".to_owned(),
        at: 7,
    };
    assert_eq!(store.opinion(NATIVE).await?, None);
    // More than 64 bits of a price are kept.
    let newest = kept(9, u128::MAX - 2);
    for (asset, kept) in [(NATIVE, kept(8, 5)), (NATIVE, newest.clone()), (LANE, kept(3, 4))] {
        store.put_opinion(asset, &kept).await?;
    }
    assert_eq!(store.opinion(NATIVE).await?.as_ref(), Some(&newest), "the newest alone");
    assert_eq!(store.opinion(Address::repeat_byte(1)).await?, None);
    let mut expected = [(NATIVE, newest), (LANE, kept(3, 4))];
    expected.sort_by_key(|(asset, _)| format!("{asset:x}"));
    assert_eq!(store.opinions().await?, expected);
    Ok(())
}

async fn cancel_of_a_nonce(store: &Store) -> eyre::Result<()> {
    let content = Content { lane: LANE, first: 0, head_after: Head::ZERO, gas_limit: 50_000 };
    let mut change = unit(store).await?;
    let planned = change.plan_cancel(&content, Code::Stuck).await?;
    assert_eq!((planned.kind, planned.state), (BatchKind::Cancel, BatchState::Funded));
    assert_eq!((planned.content, planned.count), (Some(content), 0));
    assert!(change.calldata(planned.row).await?.is_empty(), "it pays nothing");
    let tx = attempt(planned.row, 5);
    change.add_attempt(&tx).await?;
    change.move_batch(&planned, BatchState::Signed, planned.reason.as_deref()).await?;
    change.commit().await?;

    let slot = async || {
        let slots = store.slots().await?;
        let [slot] = slots[..] else { eyre::bail!("{slots:?}") };
        Ok((slot.kind, slot.nonce, slot.is_waiting(), slot.sent_at))
    };
    assert_eq!(slot().await?, (BatchKind::Cancel, 5, true, None));
    let offered = Fees { max_fee: tx.max_fee, priority_fee: tx.priority_fee };
    assert_eq!(store.fees_offered(LANE, 5).await?, Some(offered));
    assert_eq!(store.fees_offered(LANE, 6).await?, None);

    let signed = store.batch(planned.row).await?.unwrap();
    assert_eq!(signed.reason.as_deref(), Some("stuck"));
    let mut change = unit(store).await?;
    change.attempt_sent(tx.hash, 9).await?;
    change.move_batch(&signed, BatchState::Broadcast, None).await?;
    change.commit().await?;
    assert_eq!(slot().await?, (BatchKind::Cancel, 5, true, Some(9)));
    assert_eq!(store.forgotten_from(LANE, 6).await?, 0);
    assert_eq!(store.forgotten_from(LANE, 5).await?, 1);
    assert_eq!(slot().await?, (BatchKind::Cancel, 5, true, None), "to be sent again");

    let broadcast = store.batch(planned.row).await?.unwrap();
    let mut change = unit(store).await?;
    let at = Inclusion { block: 9, gas_used: 21_000, fee: Some(Amount::from(42_000)) };
    change.close_attempts(planned.row, tx.hash, at).await?;
    change.move_batch(&broadcast, BatchState::Final, None).await?;
    change.commit().await?;
    assert!(store.slots().await?.is_empty());
    assert_eq!(store.gas_spent(tx.hash).await?, Some((21_000, Amount::from(42_000))));
    assert_eq!(store.gas_spent(B256::repeat_byte(1)).await?, None, "no receipt said what it cost");
    assert_eq!(store.settled_head(tx.hash).await?, None, "it settled nothing");
    assert_eq!(store.settled_head(B256::repeat_byte(1)).await?, Some(Head::repeat_byte(1)));
    Ok(())
}

/// What a day's statement hears.
#[derive(Default)]
struct Heard {
    postings: Vec<DatedPosting>,
    moves: Vec<(WithdrawalState, Option<Code>)>,
    batches: Vec<(BatchKind, u64, u64)>,
    troubles: Vec<String>,
}

impl Reader for Heard {
    fn posting(&mut self, posting: DatedPosting) {
        self.postings.push(posting);
    }

    fn moved(&mut self, moved: DatedMove) {
        assert!(moved.took_ms >= 0, "{moved:?}");
        self.moves.push((moved.to, moved.reason));
    }

    fn batch(&mut self, batch: DatedBatch) {
        self.batches.push((batch.kind, batch.payouts, batch.gas_used));
    }

    fn trouble(&mut self, reason: &str) {
        self.troubles.push(reason.to_owned());
    }
}

/// A statement is held against the changes of its day.
async fn statement(store: &Store) -> eyre::Result<()> {
    let changes = store.changes_after(0, 1_000).await?;
    let settled = changes.iter().find(|c| c.withdrawal.is_none() && c.to == "final").unwrap();
    let day = Day::of(settled.at);
    let mut heard = Heard::default();
    store.day(day, &mut heard).await?;
    let (mut moves, mut finals, mut troubles) = (Vec::new(), 0, Vec::new());
    for change in changes.iter().filter(|c| Day::of(c.at) == day) {
        if change.withdrawal.is_some() {
            let to = WithdrawalState::ALL.into_iter().find(|s| s.as_str() == change.to).unwrap();
            let code = change.reason.as_deref().and_then(Code::of_reason);
            moves.extend((change.from.is_none() || to.is_terminal()).then_some((to, code)));
        } else {
            finals += usize::from(change.to == "final");
            let is_told = ["dissolved", "funded", "broadcast"].contains(&change.to.as_str());
            troubles.extend(change.reason.clone().filter(|_| is_told));
        }
    }
    assert!(moves.len() > 8 && !troubles.is_empty(), "{moves:?}, {troubles:?}");
    assert_eq!((heard.moves, heard.troubles), (moves, troubles));
    assert_eq!(heard.batches.len(), finals);
    assert!(heard.batches.contains(&(BatchKind::Orders, 2, 50_000)), "{:?}", heard.batches);
    let (_, end) = day.bounds();
    assert!(heard.postings.len() > 8 && heard.postings.iter().all(|p| p.at < end && !p.amount.is_zero()));
    // The day before knows nothing of it.
    let mut before = Heard::default();
    store.day(Day::of(day.bounds().0 - 1), &mut before).await?;
    assert!(before.batches.is_empty());
    Ok(())
}

async fn told_to_endpoints(store: &Store) -> eyre::Result<()> {
    const NEVER: i64 = i64::MAX;
    let start = store.webhook_cursor("shop").await?;
    assert_eq!(start, store.newest_change().await?, "a new endpoint hears of what comes from now on");
    accepted(store, &["told", "again", "dead"].map(|key| order(key, None))).await?;
    assert_eq!(store.webhook_cursor("shop").await?, start);
    let changes = store.changes_after(start, 10).await?;
    let [first, second, third] = &changes[..] else { eyre::bail!("{changes:?}") };
    let all = [first, second, third];
    store.queue_webhooks("shop", (start - 1, third.row), &all).await?;
    assert!(store.due_webhooks("shop", NEVER, 10).await?.is_empty(), "another keeper moved the cursor first");
    store.queue_webhooks("shop", (start, third.row), &all).await?;
    assert_eq!(store.webhook_cursor("shop").await?, third.row);

    assert!(store.due_webhooks("shop", first.at - 1, 10).await?.is_empty());
    assert!(store.due_webhooks("other", NEVER, 10).await?.is_empty());
    assert_eq!(store.due_webhooks("shop", NEVER, 2).await?.len(), 2);
    let due = store.due_webhooks("shop", NEVER, 10).await?;
    let told: Vec<_> = due.iter().map(|d| (d.transition, d.attempts)).collect();
    assert_eq!(told, all.map(|change| (change.row, 0)));
    let (change, withdrawal) = store.told(first.row).await?;
    assert_eq!((&change, withdrawal.idempotency_key.as_str()), (first, "told"));
    assert!(store.told(third.row + 1).await.is_err());

    let sent = [
        (due[0].row, Sent::Delivered),
        (due[1].row, Sent::Again(NEVER, "HTTP 500".to_owned())),
        (due[2].row, Sent::Dead("HTTP 410".to_owned())),
    ];
    store.put_sent_webhooks(&sent, 100).await?;
    let counts = async || {
        let counts = store.webhook_counts().await?;
        eyre::Ok(counts.into_iter().map(|(of, state, n)| format!("{of} {state} {n}")).collect::<Vec<_>>())
    };
    assert_eq!(counts().await?, ["shop dead 1", "shop delivered 1", "shop pending 1"]);
    assert!(store.due_webhooks("shop", NEVER - 1, 10).await?.is_empty());
    let dead = DeadLetter {
        id: due[2].row,
        endpoint: "shop".to_owned(),
        withdrawal: WithdrawalId::from_key("dead").to_string(),
        to: "received".to_owned(),
        attempts: 1,
        answer: "HTTP 410".to_owned(),
        at: 100,
    };
    let [letter] = &store.dead_letters(10).await?[..] else { eyre::bail!("one is given up") };
    assert_eq!(*letter, dead);
    assert!(store.dead_letters(0).await?.is_empty());

    assert_eq!(store.replay_dead_letters(Some(dead.id - 1), None, "me").await?, 0, "that one waits");
    assert_eq!(store.replay_dead_letters(None, Some("other"), "me").await?, 0);
    assert_eq!(store.replay_dead_letters(Some(dead.id), Some("shop"), "me").await?, 1);
    assert!(store.dead_letters(10).await?.is_empty());
    let due = store.due_webhooks("shop", NEVER - 1, 10).await?;
    assert_eq!(due.iter().map(|d| (d.row, d.attempts)).collect::<Vec<_>>(), [(dead.id, 0)]);
    store.put_sent_webhooks(&[(dead.id, Sent::Dead(String::new()))], 200).await?;
    assert_eq!(store.replay_dead_letters(None, None, "me").await?, 1);
    store.forget_delivered_webhooks(100).await?;
    assert_eq!(counts().await?, ["shop delivered 1", "shop pending 2"]);
    store.forget_delivered_webhooks(101).await?;
    assert_eq!(counts().await?, ["shop pending 2"]);
    Ok(())
}

async fn sent_as_traces(store: &Store) -> eyre::Result<()> {
    let at = store.trace_cursor().await?;
    assert_eq!(at, store.newest_change().await?, "what comes from now on");
    store.move_trace_cursor(at - 1, at + 7).await?;
    assert_eq!(store.trace_cursor().await?, at, "another keeper moved it first");
    store.move_trace_cursor(at, at + 3).await?;
    assert_eq!(store.trace_cursor().await?, at + 3);
    Ok(())
}
