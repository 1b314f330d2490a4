//! Failures that other relayers had in the field, each as a test that this keeper does not have it.
//!
//! The issues are those of OpenZeppelin/openzeppelin-relayer, BoltzExchange/boltz-backend, alchemyplatform/rundler and
//! joshstevens19/rrelayer. The cancel that strands later transactions (rrelayer #99) is among the tests of `fees`.

use alloy::{
    network::TransactionBuilder,
    primitives::{Address, U256},
    providers::{Provider, ext::AnvilApi},
    rpc::types::TransactionRequest,
};
use spillway_e2e::{
    anvil::Options,
    cases::{check_paid, orders_of, submit},
    chain_audit::{Expected, Ledger},
    eventually,
    keeper::{Keeper, Setup},
    proxy::{Fault, Proxy, Rule},
    world::{DEPLOYER, LANES, World},
};
use std::{path::Path, time::Duration};
use tokio::time::sleep;

const PROGRAM: &str = env!("CARGO_BIN_EXE_spillway-under-test");
const SEND: &str = "eth_sendRawTransaction";
const RECEIPT: &str = "eth_getTransactionReceipt";
const PATIENCE: Duration = Duration::from_secs(90);

/// A chain, an endpoint before it that can misbehave, and a keeper behind that.
struct Scene {
    world: World,
    proxy: Proxy,
    setup: Setup,
    keeper: Keeper,
    orders: Vec<Expected>,
}

impl Scene {
    async fn open(more: &str) -> eyre::Result<Self> {
        let options = Options { block_time: Some(0.5), slots: Some(2), ..Options::default() };
        Self::on(World::start_with(options).await?, more).await
    }

    async fn on(world: World, more: &str) -> eyre::Result<Self> {
        let proxy = Proxy::start(&world.anvil.url(), 1).await?;
        let config = format!("[batch]\nwindow = \"200ms\"\n{more}");
        let setup = Setup::new(&world, Path::new(PROGRAM), 1, &config)?.through(&world, &proxy.url())?;
        let keeper = Keeper::start_ready(&setup).await?;
        Ok(Self { world, proxy, setup, keeper, orders: Vec::new() })
    }

    /// Hands in `n` more orders of one asset, which go into one batch.
    fn submit(&mut self, n: usize) -> eyre::Result<()> {
        let new = orders_of(&self.world, "TUSD", &format!("order-{}", self.orders.len()), n);
        submit(&self.world, &self.setup, &new)?;
        self.orders.extend(new);
        Ok(())
    }

    /// Waits until the chain has paid every order, final or not.
    async fn paid_on_chain(&self) -> eyre::Result<()> {
        eventually("every order is paid on chain", PATIENCE, || async {
            let outcome = Ledger::read(&self.world).await?.compare(&self.orders);
            Ok(outcome.missing.is_empty().then_some(()))
        })
        .await
    }

    /// Everything is settled, once, and the books say so.
    async fn end(self) -> eyre::Result<()> {
        self.setup.settled(PATIENCE).await?;
        self.keeper.stop()?;
        check_paid(&self.world, &self.setup, &self.orders, &[]).await
    }

    /// Sends something from the lane's account that the keeper does not know of.
    async fn outside_transaction(&self) -> eyre::Result<()> {
        let request =
            TransactionRequest::default().with_from(LANES[0].0).with_to(DEPLOYER).with_value(U256::from(1));
        self.world.provider().send_transaction(request).await?.get_receipt().await?;
        Ok(())
    }

    async fn reorg(&self, depth: u64) -> eyre::Result<()> {
        // A block later there may be another state to go back to.
        for _ in 0..10 {
            if self.world.anvil.reorg(depth).await? {
                return Ok(());
            }
            sleep(Duration::from_secs(1)).await;
        }
        eyre::bail!("anvil takes no reorganisation of {depth} blocks")
    }
}

/// OpenZeppelin Relayer #817: a transaction that succeeded was recorded as failed, because its receipt came late.
#[tokio::test(flavor = "multi_thread")]
async fn a_success_is_not_recorded_as_a_failure() -> eyre::Result<()> {
    let mut scene = Scene::open("").await?;
    scene.proxy.set(&[Rule::of(RECEIPT, Fault::Null, 100)]);
    scene.submit(5)?;
    scene.paid_on_chain().await?;
    sleep(Duration::from_secs(3)).await;
    assert_eq!(scene.setup.count("rejected")?, 0);
    scene.proxy.heal();
    let ledger = Ledger::read(&scene.world).await?;
    assert_eq!(ledger.batches, 1, "settled once, and not sent again under another nonce");
    scene.end().await
}

/// OpenZeppelin Relayer #818, #843; boltz-backend #1201: the account's nonce was used outside, and the lane jammed.
#[tokio::test(flavor = "multi_thread")]
async fn nonce_drift_heals_within_seconds() -> eyre::Result<()> {
    let mut scene = Scene::open("").await?;
    scene.submit(2)?;
    scene.paid_on_chain().await?;
    scene.outside_transaction().await?;
    scene.outside_transaction().await?;
    scene.submit(2)?;
    tokio::time::timeout(Duration::from_secs(30), scene.paid_on_chain()).await??;
    scene.end().await
}

/// OpenZeppelin Relayer #844: the lane's head transaction was orphaned, because its queue job had died. Here work is
/// derived from rows: whatever step a keeper died at, the next one finds the row.
#[tokio::test(flavor = "multi_thread")]
async fn the_head_of_a_lane_is_not_orphaned_by_a_dead_process() -> eyre::Result<()> {
    let mut scene = Scene::open("").await?;
    scene.keeper.kill_now()?;
    scene.submit(2)?;
    let mut dying = Keeper::start_with_crash_at(&scene.setup, "attempt.committed")?;
    eventually("death before the send", PATIENCE, || {
        let ended = dying.ended();
        async move { Ok(ended?.then_some(())) }
    })
    .await?;
    scene.submit(2)?;
    scene.keeper = Keeper::start_ready(&scene.setup).await?;
    tokio::time::timeout(Duration::from_secs(20), scene.paid_on_chain()).await??;
    scene.end().await
}

/// OpenZeppelin Relayer #539, #681: an endpoint that was dead for a while, or that answered with what looked permanent,
/// stopped everything until a person came.
#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_was_dead_or_strange_for_a_while_stops_nothing_for_good() -> eyre::Result<()> {
    let mut scene = Scene::open("").await?;
    for fault in [Fault::Down, Fault::RateLimited, Fault::Garbage, Fault::Unavailable] {
        scene.proxy.set(&[Rule::all(fault, 100)]);
        scene.submit(2)?;
        sleep(Duration::from_secs(3)).await;
        scene.proxy.heal();
        tokio::time::timeout(Duration::from_secs(20), scene.paid_on_chain()).await??;
    }
    assert!(!scene.keeper.ended()?, "it waited");
    scene.end().await
}

/// The double payment: "nonce too low" is taken for a failure, another node has no receipt, and the same payment goes
/// out under a fresh nonce. Here a fresh nonce can pay nothing: the lane's number and head are used.
#[tokio::test(flavor = "multi_thread")]
async fn nonce_too_low_and_then_no_receipt_pays_once() -> eyre::Result<()> {
    let mut scene = Scene::open("[fees]\nbump_after = \"1s\"\n").await?;
    scene.proxy.set(&[
        Rule::of(SEND, Fault::NonceTooLow, 100),
        Rule::of(RECEIPT, Fault::Null, 100),
        // And the nodes that are asked about the lane are of different ages.
        Rule::of("eth_call", Fault::Lag(3), 40),
        Rule::of("eth_getTransactionCount", Fault::Lag(3), 40),
    ]);
    scene.submit(5)?;
    scene.paid_on_chain().await?;
    sleep(Duration::from_secs(5)).await;
    scene.proxy.heal();
    scene.end().await
}

/// Confirmations that are counted by elapsed time: a chain that stands still confirms nothing.
#[tokio::test(flavor = "multi_thread")]
async fn time_alone_makes_nothing_final() -> eyre::Result<()> {
    // Mines a block with each transaction and no others.
    let world = World::start_with(Options { slots: Some(2), ..Options::default() }).await?;
    // The state that it began with has no blocks to be asked about.
    world.provider().anvil_mine(Some(8), None).await?;
    let mut scene = Scene::on(world, "").await?;
    scene.submit(2)?;
    scene.paid_on_chain().await?;
    sleep(Duration::from_secs(8)).await;
    assert_eq!(scene.setup.count("paid")?, 0, "mined, and no block on top");
    assert_eq!(scene.setup.count("batched")?, 2);
    scene.world.provider().anvil_mine(Some(8), None).await?;
    scene.end().await
}

/// rundler #221, #550: "replacement transaction underpriced" was answered by another replacement at once, without end.
#[tokio::test(flavor = "multi_thread")]
async fn underpriced_replacements_do_not_loop() -> eyre::Result<()> {
    let mut scene = Scene::open("[fees]\nmax_fee_gwei = 20\n").await?;
    scene.proxy.set(&[Rule::of(SEND, Fault::Underpriced, 100)]);
    scene.submit(2)?;
    let seconds = 10;
    sleep(Duration::from_secs(seconds)).await;
    let sends = scene.proxy.calls(SEND);
    eprintln!("{sends} sends in {seconds} seconds");
    // Each waits twice as long as the one before: after 0, 1, 3 and 7 seconds. Without the wait the fee would climb to the
    // ceiling at once, in some twenty steps of an eighth, and go on there.
    assert!((2..=12).contains(&sends), "{sends} sends in {seconds} seconds");
    scene.proxy.heal();
    scene.end().await
}

/// What was sent first is lost by the node, while later ones of the lane wait for its nonce.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_transaction_strands_nothing_behind_it() -> eyre::Result<()> {
    let mut scene = Scene::open("").await?;
    scene.world.provider().anvil_set_interval_mining(3_600).await?;
    scene.submit(2)?;
    sleep(Duration::from_secs(2)).await;
    scene.world.provider().anvil_drop_all_transactions().await?;
    scene.submit(2)?;
    sleep(Duration::from_secs(2)).await;
    scene.world.provider().anvil_set_interval_mining(1).await?;
    tokio::time::timeout(Duration::from_secs(40), scene.paid_on_chain()).await??;
    scene.end().await
}

/// rrelayer #107: a check before sending failed and had used up a nonce, so that everything after it waited for ever.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_is_refused_before_it_is_sent_uses_no_nonce() -> eyre::Result<()> {
    let mut scene = Scene::open("").await?;
    scene.proxy.set(&[Rule::of("eth_estimateGas", Fault::ErrorAfter, 100)]);
    scene.submit(2)?;
    sleep(Duration::from_secs(4)).await;
    let lane = LANES[0].0;
    assert_eq!(scene.proxy.calls(SEND), 0);
    let nonce = scene.world.provider().get_transaction_count(lane).await?;
    scene.proxy.heal();
    scene.paid_on_chain().await?;
    assert_eq!(scene.world.provider().get_transaction_count(lane).await?, nonce + 1);
    scene.end().await
}

/// rundler #296: a reorganisation took a bundle's block, and its operations were lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_reorganisation_loses_no_work() -> eyre::Result<()> {
    let mut scene = Scene::open("").await?;
    for _ in 0..3 {
        scene.submit(3)?;
        scene.paid_on_chain().await?;
        scene.reorg(3).await?;
    }
    scene.end().await
}

/// rundler #813: nodes behind one address that are of different ages; what one shows, the next does not.
#[tokio::test(flavor = "multi_thread")]
async fn nodes_of_different_ages_lose_no_work_and_pay_nothing_twice() -> eyre::Result<()> {
    let mut scene = Scene::open("[fees]\nbump_after = \"2s\"\n").await?;
    scene.proxy.set(&[Rule::all(Fault::Lag(6), 40)]);
    for _ in 0..6 {
        scene.submit(3)?;
        sleep(Duration::from_secs(2)).await;
    }
    scene.proxy.heal();
    scene.end().await
}

/// A node that is asked for the logs of blocks that it does not have yet answers with none. What is missing there is
/// no proof that a batch was not settled.
#[tokio::test(flavor = "multi_thread")]
async fn logs_that_a_lagging_node_leaves_out_release_no_payment() -> eyre::Result<()> {
    let mut scene = Scene::open("").await?;
    scene.proxy.set(&[Rule::of("eth_getLogs", Fault::Lag(1_000), 100)]);
    scene.submit(5)?;
    scene.paid_on_chain().await?;
    sleep(Duration::from_secs(6)).await;
    scene.proxy.heal();
    scene.end().await
}

/// The same for what no number would miss: a deposit, a request.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_whose_event_a_lagging_node_left_out_is_paid() -> eyre::Result<()> {
    let scene = Scene::open("").await?;
    scene.proxy.set(&[Rule::of("eth_getLogs", Fault::Lag(1_000), 100)]);
    let (depositor, recipient) = (Address::repeat_byte(0xd1), Address::repeat_byte(0xd2));
    let asset = scene.world.asset("TUSD").address;
    scene.world.request(asset, depositor, recipient, U256::from(20_000_000)).await?;
    sleep(Duration::from_secs(6)).await;
    scene.proxy.heal();
    eventually("the request is paid", PATIENCE, || async {
        let ledger = Ledger::read(&scene.world).await?;
        Ok((ledger.requests.values().flatten().count() == 1).then_some(()))
    })
    .await?;
    scene.end().await
}

/// The endpoint's newest block goes back: what the books know already comes in a second time as nothing new.
#[tokio::test(flavor = "multi_thread")]
async fn a_final_block_that_goes_back_leaves_the_books_as_they_are() -> eyre::Result<()> {
    let mut scene = Scene::open("").await?;
    scene.submit(5)?;
    scene.setup.settled(PATIENCE).await?;
    scene.proxy.set(&[Rule::all(Fault::Lag(12), 100)]);
    sleep(Duration::from_secs(3)).await;
    scene.proxy.heal();
    scene.submit(2)?;
    scene.end().await
}
