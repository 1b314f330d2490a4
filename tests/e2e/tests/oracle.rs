//! Prices: the keeper asks the oracle guard over real feeds, says what it thinks, and pays in kind whatever that is.

use alloy::{
    primitives::{Address, Bytes, U256, keccak256},
    providers::ext::AnvilApi,
};
use eyre::{OptionExt, WrapErr};
use serde_json::Value;
use spillway_e2e::{
    cases::{check_paid, orders_of, submit},
    chain_audit::Expected,
    eventually,
    feeds::Feeds,
    keeper::{Keeper, Setup},
    root,
    world::World,
};
use std::{path::Path, process::Command, time::Duration};

const PROGRAM: &str = env!("CARGO_BIN_EXE_spillway-under-test");
const LIMIT: Duration = Duration::from_secs(60);
const FAST: &str = "[batch]\nwindow = \"100ms\"\n";

/// The command's exit code, and its document.
fn check(setup: &Setup, more: &[&str]) -> eyre::Result<(i32, Value)> {
    let args: Vec<&str> = ["oracle", "check", "TUSD", "--json"].iter().chain(more).copied().collect();
    let output = setup.run(&args)?;
    let text = String::from_utf8_lossy(&output.stdout);
    let document: Value = serde_json::from_str(&text)
        .wrap_err_with(|| format!("{text} {}", String::from_utf8_lossy(&output.stderr)))?;
    Ok((output.status.code().ok_or_eyre("killed")?, document["assets"][0].clone()))
}

fn has(list: &Value, reason: &str) -> bool {
    list.as_array().is_some_and(|list| list.iter().any(|r| r == reason))
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_are_judged_side_by_side() -> eyre::Result<()> {
    let world = World::start(0.2).await?;
    let mut feeds = Feeds::deploy(&world).await?;
    let setup = Setup::new(&world, Path::new(PROGRAM), 1, &format!("{FAST}{}", feeds.section()))?;

    let (code, asset) = check(&setup, &[])?;
    assert_eq!((code, &asset["verdict"]), (0, &"healthy".into()), "{asset:#}");
    assert_eq!(asset["price"]["mid"], "1");
    assert_eq!((&asset["price"]["lo"], &asset["price"]["hi"]), (&"0.9995".into(), &"1.0003".into()));
    let (code, asset) = check(&setup, &["--anchor", "1.06"])?;
    assert_eq!((code, &asset["off_anchor"]), (4, &true.into()));

    // Of another pair than was configured.
    let pinned = ("description = \"TUSD / USD\"".to_owned(), "description = \"TUSD / EUR\"".to_owned());
    let (_, asset) = check(&setup.another("other-pair", &[pinned])?, &[])?;
    assert!(has(&asset["sources"][0]["reasons"], "description_changed"), "{asset:#}");

    // One is off: left out, and the rest goes on.
    feeds.report(0, 105_000_000).await?;
    let (code, asset) = check(&setup, &[])?;
    assert_eq!((code, &asset["verdict"]), (0, &"degraded".into()));
    assert!(
        has(&asset["reasons"], "dropped") && has(&asset["sources"][0]["reasons"], "outlier"),
        "{asset:#}"
    );
    assert!(has(&asset["allows"], "swap") && !has(&asset["allows"], "margin"));

    // At the aggregator's own minimum, as LUNA was, and another is gone: no price.
    feeds.report(0, 10_000_000).await?;
    world.provider().anvil_set_code(feeds.chainlink[1], Bytes::new()).await?;
    let (code, asset) = check(&setup, &[])?;
    assert_eq!((code, &asset["verdict"]), (4, &"insane".into()));
    assert!(
        has(&asset["sources"][0]["reasons"], "clamped") && has(&asset["sources"][1]["reasons"], "no_code"),
        "{asset:#}"
    );
    assert!(
        has(&asset["allows"], "payout")
            && has(&asset["allows"], "repayment")
            && !has(&asset["allows"], "swap")
    );

    // For people: the sources side by side, and each reason with its numbers.
    let told = setup.run(&["oracle", "check"])?;
    let text = String::from_utf8_lossy(&told.stdout);
    for part in [
        "TUSD is insane, block ",
        "source 0 leg 0: clamped: at the bound where the aggregator clamps (10000000; bound 10000000)",
        "source 1 leg 0: no_code: there is no contract at the address",
        "no_quorum: too few sources can be used (1; bound 2)",
        "allows payout, repayment",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let gone = text.lines().find(|line| line.contains(&feeds.chainlink[1].to_string()));
    assert!(gone.is_some_and(|line| line.contains(" - ")), "what was not read has no age: {text}");

    // A source that reverts, one that burns all gas, those that answer a megabyte and a quarter of one, and one that
    // answers too little.
    for (code, reason) in [
        ("60006000fd", "reverted"),
        ("5b600056", "out_of_gas"),
        ("621000006000f3", "out_of_gas"),
        ("620400006000f3", "incomplete_round"),
        ("60206000f3", "malformed"),
    ] {
        world.provider().anvil_set_code(feeds.chainlink[1], code.parse()?).await?;
        let (_, asset) = check(&setup, &[])?;
        assert!(has(&asset["sources"][1]["reasons"], reason), "{reason}: {asset:#}");
    }
    // One whose description was pinned, and which has none any more.
    world.provider().anvil_set_code(feeds.chainlink[0], "620400006000f3".parse()?).await?;
    let (_, asset) = check(&setup, &[])?;
    assert!(has(&asset["sources"][0]["reasons"], "description_changed"), "{asset:#}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sick_oracle_holds_no_withdrawal_and_is_told() -> eyre::Result<()> {
    let world = World::start(0.2).await?;
    let mut feeds = Feeds::deploy(&world).await?;
    let setup = Setup::new(&world, Path::new(PROGRAM), 1, &format!("{FAST}{}", feeds.section()))?;
    let keeper = Keeper::start_ready(&setup).await?;
    let first = orders_of(&world, "TUSD", "healthy", 3);
    submit(&world, &setup, &first)?;
    setup.settled(LIMIT).await?;
    let client = reqwest::Client::new();
    let opinion = || async {
        let told: Value = client.get(setup.api("/v1/oracle")).send().await?.json().await?;
        eyre::Ok(told["assets"][0]["opinion"].clone())
    };
    assert_eq!(opinion().await?["verdict"], "healthy");

    feeds.report(0, 150_000_000).await?;
    feeds.report(1, 60_000_000).await?;
    let second = orders_of(&world, "TUSD", "sick", 3);
    submit(&world, &setup, &second)?;
    setup.settled(LIMIT).await?;
    let sick = opinion().await?;
    assert_eq!(sick["verdict"], "insane", "{sick:#}");
    assert!(!sick["because"].as_array().ok_or_eyre("no reasons")?.is_empty());
    let metrics = client.get(setup.api("/metrics")).send().await?.text().await?;
    assert!(metrics.contains("spillway_oracle_verdict{asset=\"TUSD\"} 2"), "{metrics}");
    assert!(metrics.contains("spillway_oracle_reason{asset=\"TUSD\",reason=\"no_quorum\"} 1"), "{metrics}");
    keeper.stop()?;

    // After a restart it is still on the way back, although the feeds agree again.
    feeds.report(0, 100_000_000).await?;
    feeds.report(1, 100_000_000).await?;
    let (code, asset) = check(&setup, &[])?;
    assert_eq!(code, 0);
    assert!(has(&asset["reasons"], "recovering"), "{asset:#}");
    // What was remembered under another configuration is not looked at.
    let wider = ("tolerance_bps = 100".to_owned(), "tolerance_bps = 110".to_owned());
    let (_, asset) = check(&setup.another("wider", &[wider])?, &[])?;
    assert_eq!(asset["verdict"], "healthy", "{asset:#}");
    let keeper = Keeper::start_ready(&setup).await?;
    let third = orders_of(&world, "TUSD", "well", 3);
    submit(&world, &setup, &third)?;
    setup.settled(LIMIT).await?;
    let well = opinion().await?;
    assert_eq!(well["verdict"], "degraded");
    assert!(has(&well["reasons"], "recovering"), "{well:#}");
    keeper.stop()?;

    let all: Vec<_> = [first, second, third].concat();
    check_paid(&world, &setup, &all, &[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_worth_less_than_its_fee_is_held_while_both_prices_are_known() -> eyre::Result<()> {
    let world = World::start(0.2).await?;
    let mut feeds = Feeds::deploy(&world).await?;
    // The coin costs a dollar here too, so 60,000 gas at some gwei are some ten thousandths of one.
    let section = feeds.section();
    let coin = section.replace("TUSD]", "ETH]").replace("TUSD.sources", "ETH.sources");
    let more = format!("{FAST}{section}{coin}[fees]\nmax_share_bps = 10000\nhold = \"1h\"\n");
    let setup = Setup::new(&world, Path::new(PROGRAM), 1, &more)?;
    let keeper = Keeper::start_ready(&setup).await?;
    let amount = |units: u64, orders: Vec<Expected>| -> Vec<Expected> {
        orders.into_iter().map(|order| Expected { amount: U256::from(units), ..order }).collect()
    };
    let dust = amount(1, orders_of(&world, "TUSD", "dust", 3));
    let worth_it = amount(1_000_000, orders_of(&world, "TUSD", "worth", 3));
    let unpriced = amount(1, orders_of(&world, "TDAI", "unpriced", 3));
    submit(&world, &setup, &[dust.clone(), worth_it.clone(), unpriced.clone()].concat())?;
    eventually("the dust is held, the others are paid", LIMIT, || async {
        Ok((setup.count("held")? == 3 && setup.count("paid")? == 6).then_some(()))
    })
    .await
    .map_err(|e| e.wrap_err(setup.log_tail()))?;
    let explained = setup.json(&["explain", "dust-0"])?;
    assert_eq!(explained["cause"]["code"], "fee_above_share", "{explained}");

    // Nobody knows what it is worth any more: a sick oracle holds no withdrawal.
    feeds.report(0, 150_000_000).await?;
    feeds.report(1, 60_000_000).await?;
    setup.settled(LIMIT).await.map_err(|e| e.wrap_err(setup.log_tail()))?;
    keeper.stop()?;
    check_paid(&world, &setup, &[dust, worth_it, unpriced].concat(), &[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contradiction_is_refused_at_start() -> eyre::Result<()> {
    let world = World::start(0.2).await?;
    let feed = Address::from_slice(&keccak256("feed")[..20]);
    let leg = format!(
        "legs = [{{ kind = \"chainlink\", decimals = 8, heartbeat = 3600, at = {{ address = \"{feed}\" }} }}]"
    );
    let cases = [
        (format!("[oracle.TUSD]\nquorum = 2\n[[oracle.TUSD.sources]]\n{leg}\n"), "oracle.TUSD.quorum = 2"),
        (format!("[oracle.TUSD]\nquorum = 1\nquorom = 1\n[[oracle.TUSD.sources]]\n{leg}\n"), "quorom"),
        (format!("[oracle.NONE]\nquorum = 1\n[[oracle.NONE.sources]]\n{leg}\n"), "oracle.NONE: the deployment has no such asset"),
        (
            "[oracle.TUSD]\nquorum = 1\n[[oracle.TUSD.sources]]\nlegs = [{ kind = \"pyth\", decimals = 8 }]\n".to_owned(),
            "oracle.TUSD.sources.0.legs.0.at.address",
        ),
        (
            format!("[oracle.TUSD]\nquorum = 1\n[[oracle.TUSD.sources]]\nlegs = [{{ kind = \"rate\", decimals = 18, at = \
                {{ address = \"{feed}\", call = \"0x035faf82\", description = \"TUSD / USD\" }} }}]\n"),
            "oracle.TUSD.sources.0.legs.0.at.description",
        ),
    ];
    for (section, said) in cases {
        let setup = Setup::new(&world, Path::new(PROGRAM), 1, &section)?;
        let output = setup.run(&["run"])?;
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(said), "{said}: {error}");
    }
    Ok(())
}

#[test]
fn an_incident_is_replayed_without_a_chain() -> eyre::Result<()> {
    let file = root().join("oracle-guard/incidents/2022-05-luna.json");
    let replay =
        |more: &[&str]| Command::new(PROGRAM).args(["oracle", "replay"]).arg(&file).args(more).output();
    let output = replay(&[])?;
    assert!(output.status.success());
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("clamped") && text.contains("refused here: 19500000 USD"), "{text}");
    let document: Value = serde_json::from_slice(&replay(&["--json"])?.stdout)?;
    assert_eq!(document["steps"][6]["verdict"], "insane");
    Ok(())
}
