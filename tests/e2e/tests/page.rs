//! The web page in a real Chromium, over a real keeper and chain. Each case is a script in `page/cases.mjs`; what it needs of
//! keeper and chain is done here.

use alloy::{
    eips::BlockNumberOrTag,
    primitives::{TxHash, U256, address},
    providers::{Provider, ext::AnvilApi},
    rpc::types::Filter,
    signers::SignerSync,
    sol_types::{SolCall, SolEvent},
};
use eyre::{OptionExt, WrapErr, ensure};
use protocols::units;
use serde_json::{Value, json};
use spillway::chain::abi::IVault::{self, Scope};
use spillway_e2e::{
    cases::{by_hand, orders_of, submit, until_open},
    chain_audit::Expected,
    eventually,
    feeds::Feeds,
    keeper::{Keeper, Setup},
    market::Market,
    pool::Pool,
    root, scratch, tiers,
    world::{GUARDIAN, LANES, World, amount_of_ether, send},
};
use std::{
    env,
    path::Path,
    process::Stdio,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::{sleep, timeout},
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_spillway-under-test");
const LIMIT: Duration = Duration::from_secs(180);
const RECIPIENT: &str = "0x00000000000000000000000000000000000a11ce";

/// A keeper with keys for its API.
struct Site {
    setup: Setup,
    keeper: Keeper,
    /// May read, and nothing else.
    read: String,
    submit: String,
}

impl Site {
    async fn start(world: &World, more: &str) -> eyre::Result<Self> {
        Self::over(world, 1, more).await
    }

    /// With so many lanes; `more` goes on with the last one's entry.
    async fn over(world: &World, lanes: usize, more: &str) -> eyre::Result<Self> {
        let setup = Setup::new(world, Path::new(PROGRAM), lanes, more)?;
        let keeper = Keeper::start_ready(&setup).await?;
        let key = |scope: &str| -> eyre::Result<String> {
            let made = setup.json(&["keys", "create", "page", "--scope", scope])?;
            Ok(made["key"].as_str().ok_or_eyre("no key")?.to_owned())
        };
        let (read, submit) = (key("read")?, key("submit")?);
        let site = Self { setup, keeper, read, submit };
        // The first key closes what was open to everybody.
        eventually("the keys count", Duration::from_secs(10), || async {
            let anybody = reqwest::get(site.setup.api("/v1/vault")).await?;
            Ok((anybody.status().as_u16() == 401).then_some(()))
        })
        .await?;
        Ok(site)
    }

    /// Hands in an order of TUSD and returns its receipt.
    async fn order(&self, key: &str, amount: &str, deadline: Option<Duration>) -> eyre::Result<Value> {
        let mut body = json!({ "asset": "TUSD", "recipient": RECIPIENT, "amount": amount });
        if let Some(within) = deadline {
            body["deadline"] =
                humantime::format_rfc3339_seconds(SystemTime::now() + within).to_string().into();
        }
        let request =
            reqwest::Client::new().post(self.setup.api("/v1/withdrawals")).bearer_auth(&self.submit);
        let answer = request.header("idempotency-key", key).json(&body).send().await?;
        ensure!(answer.status().is_success(), "{}", answer.text().await?);
        Ok(answer.json().await?)
    }

    async fn read(&self, path: &str) -> eyre::Result<Value> {
        let request = reqwest::Client::new().get(self.setup.api(path)).bearer_auth(&self.read);
        Ok(request.send().await?.json().await?)
    }

    /// Waits until a withdrawal has a reason.
    async fn until(&self, receipt: &Value, code: &str) -> eyre::Result<Value> {
        let path = format!("/v1/withdrawals/{}", text(receipt, "id")?);
        let view = eventually(code, Duration::from_secs(60), || async {
            let view = self.read(&path).await?;
            Ok((view["reason"]["code"] == code).then_some(view))
        });
        view.await.wrap_err_with(|| self.setup.log_tail())
    }
}

fn text<'a>(of: &'a Value, name: &str) -> eyre::Result<&'a str> {
    of[name].as_str().ok_or_else(|| eyre::eyre!("no {name} in {of}"))
}

/// A case that runs in a browser of its own.
struct Case {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Case {
    fn start(site: &Site, name: &str, given: &[&str]) -> eyre::Result<Self> {
        let chromium = env::var("SPILLWAY_CHROMIUM").unwrap_or_else(|_| "/usr/bin/chromium".to_owned());
        let mut child = Command::new("node")
            .arg(root().join("tests/e2e/page/cases.mjs"))
            .arg(name)
            .args(given)
            .env("SPILLWAY_URL", site.setup.api(""))
            .env("SPILLWAY_CHROMIUM", chromium)
            .env("SPILLWAY_SCREENSHOTS", scratch("screenshots"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .wrap_err("node does not start; see CONTRIBUTING.md")?;
        let stdout = child.stdout.take().ok_or_eyre("no standard output")?;
        Ok(Self { child, lines: BufReader::new(stdout).lines() })
    }

    /// The next line that it writes.
    async fn line(&mut self) -> eyre::Result<String> {
        let line = timeout(LIMIT, self.lines.next_line()).await.wrap_err("the case stands still")??;
        line.ok_or_eyre("the case ended early; what was wrong is above")
    }

    async fn passes(mut self) -> eyre::Result<()> {
        let status = timeout(LIMIT, self.child.wait()).await.wrap_err("the case does not end")??;
        ensure!(status.success(), "the case failed; what was wrong is above");
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: make test-all"]
async fn a_withdrawal_is_followed_to_its_end_without_a_reload() -> eyre::Result<()> {
    let world = by_hand().await?;
    let site = Site::start(&world, "[batch]\nwindow = \"100ms\"\n").await?;
    let receipt = site.order("followed", "12.5", None).await?;
    let again = site.order("followed", "12.5", None).await?;
    assert_eq!(receipt["status_page"], again["status_page"], "a repeat names the same page");
    until_open(&site.setup, "orders", "broadcast", 1).await?;
    let mut case = Case::start(&site, "follow", &[text(&receipt, "status_page")?])?;
    assert_eq!(case.line().await?, "on its way");
    world.provider().anvil_mine(Some(10), None).await?;
    assert_eq!(case.line().await?, "paid");
    case.passes().await?;
    site.keeper.stop()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: make test-all"]
async fn one_that_waits_and_one_that_failed_say_why_and_what_next_in_both_languages() -> eyre::Result<()> {
    let world = World::start(0.5).await?;
    let site = Site::start(&world, "[batch]\nwindow = \"100ms\"\n").await?;
    let held = site.order("held", "2000000", None).await?;
    let failed = site.order("failed", "2000000", Some(Duration::from_secs(3))).await?;
    let said = json!({
        "held": site.until(&held, "float_insufficient").await?["reason"],
        "failed": site.until(&failed, "deadline_passed").await?["reason"],
    });
    let links = [text(&held, "status_page")?, text(&failed, "status_page")?];
    Case::start(&site, "reasons", &[links[0], links[1], &said.to_string()])?.passes().await?;
    let given = [links[0], text(&held, "id")?, "failed"];
    Case::start(&site, "links", &given)?.passes().await?;
    let token = links[0].rsplit('/').next().unwrap_or_default();
    assert!(!site.setup.logged().contains(token), "no token is logged");
    site.keeper.stop()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: make test-all"]
async fn a_pause_is_seen_within_two_seconds_of_its_block() -> eyre::Result<()> {
    let world = World::start(0.5).await?;
    let site = Site::start(&world, "[batch]\nwindow = \"100ms\"\n").await?;
    Case::start(&site, "sign_in", &[&site.read])?.passes().await?;
    let stuck = site.order("stuck", "2000000", None).await?;
    site.until(&stuck, "float_insufficient").await?;
    let mut case = Case::start(&site, "pause", &[&site.read, text(&stuck, "id")?])?;
    assert_eq!(case.line().await?, "watching");

    world.provider().anvil_set_balance(GUARDIAN, amount_of_ether(10)).await?;
    let input = IVault::pauseCall { scope: Scope::Orders, duration: 20 }.abi_encode();
    let sent = send(world.provider(), GUARDIAN, world.vault(), U256::ZERO, input.into()).await?;
    let block = first_seen(&world, *sent.tx_hash()).await?;
    let took = case.line().await?.parse::<i64>()? - block;
    println!("page_pause_seen_from_block_ms={took}");
    assert!((0..=2_000).contains(&took), "{took} ms from the block to the page");
    case.passes().await?;
    site.keeper.stop()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: make test-all"]
async fn what_keeper_and_chain_know_by_keyboard_on_a_phone_dark_and_light() -> eyre::Result<()> {
    let world = World::start(0.5).await?;
    let mut feeds = Feeds::deploy(&world).await?;
    // Five percent above the others: left out, and told.
    feeds.report(0, 105_000_000).await?;
    let batch = "[batch]\nwindow = \"500ms\"\nmax_payouts = 10\n";
    let site = Site::start(&world, &format!("{batch}{}", feeds.section())).await?;
    let paid = [orders_of(&world, "TUSD", "paid", 30), orders_of(&world, "ETH", "coin", 12)].concat();
    submit(&world, &site.setup, &paid)?;
    site.setup.settled(Duration::from_secs(60)).await?;
    let held = site.order("held", "2000000", None).await?;
    let more = site.order("more", "1750000.25", None).await?;
    site.until(&held, "float_insufficient").await?;
    site.until(&more, "float_insufficient").await?;
    let id = text(&held, "id")?;
    Case::start(&site, "panels", &[&facts(&world, &site).await?.to_string()])?.passes().await?;
    Case::start(&site, "keyboard", &[&site.read, id])?.passes().await?;
    Case::start(&site, "looks", &[&site.read, id, text(&more, "status_page")?])?.passes().await?;
    site.keeper.stop()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: make test-all"]
async fn two_operators_review_what_is_large() -> eyre::Result<()> {
    let world = World::start(0.5).await?;
    tiers::lower_tiers(&world).await?;
    // One of anvil's accounts: its node signs as a wallet in the browser does.
    let in_browser = address!("15d34AAf54267DB7D7c367839AAf71A00a2C6A65");
    let elsewhere = tiers::account(0);
    tiers::set_approvers(&world, &[in_browser, elsewhere.address()], 2).await?;
    let site = Site::over(&world, 2, "reviewed = true\n[batch]\nwindow = \"500ms\"\n").await?;
    let (good, bad) = (site.order("good", "700", None).await?, site.order("bad", "800", None).await?);
    let alice = tiers::api_key(&site.setup, "alice", &["read", "review"])?;
    let bob = tiers::api_key(&site.setup, "bob", &["read", "review"])?;
    tiers::review(&site.setup, &alice, 2).await?;
    let given = [&*alice, &site.read, text(&bad, "id")?, "the recipient is not ours"];
    Case::start(&site, "reject", &given)?.passes().await?;
    let view = site.until(&bad, "rejected_in_review").await?;
    assert_eq!(view["reason"]["detail"], "the recipient is not ours", "{view}");
    let given = [text(&bad, "status_page")?, &view["reason"].to_string()];
    Case::start(&site, "refused", &given)?.passes().await?;

    let review = tiers::review(&site.setup, &alice, 1).await?;
    let signature = elsewhere.sign_hash_sync(&text(&review, "digest")?.parse()?)?.as_bytes();
    let signature = format!("0x{}", alloy::hex::encode(signature));
    let (url, wallet, approver) =
        (world.anvil.url(), in_browser.to_string(), elsewhere.address().to_string());
    let given = [&*alice, &bob, &url, &wallet, &approver, &signature];
    Case::start(&site, "approve", &given)?.passes().await?;
    site.setup.settled(Duration::from_secs(60)).await?;
    let view = site.read(&format!("/v1/withdrawals/{}", text(&good, "id")?)).await?;
    assert_eq!(view["state"], "paid", "{view}");
    site.keeper.stop()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: make test-all"]
async fn a_swap_is_shown_with_its_split() -> eyre::Result<()> {
    let world = World::start(0.5).await?;
    let mut market = Market::open(&world)?;
    market.govern(&world)?;
    let site = Site::start(&world, &format!("[batch]\nwindow = \"100ms\"\n{}", market.config())).await?;
    // More than the float has of it.
    let amount = units(100_000, 18);
    let wave = orders_of(&world, "TDAI", "wave", 12).into_iter().map(|order| Expected { amount, ..order });
    submit(&world, &site.setup, &wave.collect::<Vec<_>>())?;
    site.setup.settled(Duration::from_secs(60)).await?;
    let done = eventually("the swap is in the books", Duration::from_secs(60), || async {
        let swap = site.read("/v1/swaps").await?["swaps"][0].clone();
        Ok((swap["state"] == "done").then_some(swap))
    });
    let done = done.await.wrap_err_with(|| site.setup.log_tail())?;
    // As the page groups it.
    let thousands = text(&done, "received")?.split('.').next().unwrap_or_default();
    let grouped = format!("{},", &thousands[..thousands.len().saturating_sub(3)]);
    Case::start(&site, "swaps", &[&site.read, &grouped])?.passes().await?;
    site.keeper.stop()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: make test-all"]
async fn a_margin_pool_is_shown_with_what_shocks_would_do() -> eyre::Result<()> {
    let world = World::start(0.5).await?;
    let (pool, writer) = Pool::with_a_writer(&world).await?;
    let config = format!("[batch]\nwindow = \"100ms\"\n[margin]\nfactory = \"{}\"\n", pool.factory);
    let site = Site::start(&world, &config).await?;
    Case::start(&site, "margin", &[&site.read, &writer.to_string()])?.passes().await?;
    site.keeper.stop()
}

/// When a transaction that must succeed came into its block: the last look at which it was in none, in unix milliseconds.
async fn first_seen(world: &World, transaction: TxHash) -> eyre::Result<i64> {
    let mut before = now_ms();
    let mined = async {
        loop {
            let look = now_ms();
            if let Some(receipt) = world.provider().get_transaction_receipt(transaction).await? {
                ensure!(receipt.status(), "the vault refused it");
                return Ok(before);
            }
            before = look;
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(LIMIT, mined).await.wrap_err("it comes into no block")?
}

/// What chain, market and audit say, for the page's panels to be held against.
async fn facts(world: &World, site: &Site) -> eyre::Result<Value> {
    let settled = Filter::new()
        .address(world.vault())
        .event_signature(IVault::Settled::SIGNATURE_HASH)
        .from_block(BlockNumberOrTag::Earliest);
    let logs = world.provider().get_logs(&settled).await?;
    let lane = LANES[0].0;
    let verified = site.setup.json(&["audit", "verify"])?;
    ensure!(verified["ok"] == true, "{verified}");
    Ok(json!({
        "host": world.anvil.url().trim_start_matches("http://"),
        "lane": lane,
        "nonce": world.provider().get_transaction_count(lane).await?,
        "block": logs.iter().filter_map(|log| log.block_number).max(),
        "change": verified["chain"]["up_to_change"],
        "key": site.read,
    }))
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
