//! Prices: the keeper asks the oracle guard over real feeds, says what it thinks, and pays in kind whatever that is.

#![expect(clippy::too_many_arguments, reason = "the generated bindings have the arguments of the contracts")]

use alloy::{
    primitives::{Address, B256, Bytes, I256, U256, address, keccak256},
    providers::{Provider, ext::AnvilApi},
    sol,
    sol_types::{SolCall, SolValue},
};
use eyre::{OptionExt, WrapErr, ensure};
use serde_json::Value;
use spillway_e2e::{
    cases::{check_paid, orders_of, submit},
    chain_audit::Expected,
    eventually,
    keeper::{Keeper, Setup},
    root,
    world::{DEPLOYER, World},
};
use std::{path::Path, process::Command, time::Duration};

const PROGRAM: &str = env!("CARGO_BIN_EXE_spillway-under-test");
const LIMIT: Duration = Duration::from_secs(60);
/// The account that answers the Chainlink feeds.
const REPORTER: Address = address!("00000000000000000000000000000000000fEED0");
const PYTH_ID: B256 = B256::repeat_byte(0x5a);

sol! {
    /// Chainlink's FluxAggregator, as published.
    function changeOracles(
        address[] removed, address[] added, address[] admins, uint32 min, uint32 max, uint32 delay
    ) external;
    function submit(uint256 round, int256 submission) external;

    /// Pyth's own double of its contract.
    #[sol(rpc)]
    interface IMockPyth {
        function createPriceFeedUpdateData(
            bytes32 id, int64 price, uint64 conf, int32 expo, int64 emaPrice, uint64 emaConf, uint64 time, uint64 before
        ) external pure returns (bytes memory);
        function updatePriceFeeds(bytes[] calldata updates) external payable;
    }
}

/// Two Chainlink feeds and a Pyth contract on the chain.
struct Feeds<'a> {
    world: &'a World,
    chainlink: [Address; 2],
    rounds: [u64; 2],
    pyth: Address,
}

impl<'a> Feeds<'a> {
    async fn deploy(world: &'a World) -> eyre::Result<Self> {
        let chainlink = [aggregator(world, "TUSD / USD").await?, aggregator(world, "TUSD / USD").await?];
        let arguments = (U256::from(60), U256::ZERO).abi_encode();
        let pyth =
            create(world, "out/MockPyth.sol/MockPyth.json", &["bytecode", "object"], arguments).await?;
        let mut feeds = Self { world, chainlink, rounds: [0; 2], pyth };
        feeds.report(0, 100_000_000).await?;
        feeds.report(1, 100_010_000).await?;
        feeds.publish(99_990_000, 20_000).await?;
        Ok(feeds)
    }

    async fn report(&mut self, feed: usize, answer: i64) -> eyre::Result<()> {
        self.rounds[feed] += 1;
        let call = submitCall { round: U256::from(self.rounds[feed]), submission: I256::try_from(answer)? };
        send(self.world, REPORTER, self.chainlink[feed], call.abi_encode()).await
    }

    async fn publish(&self, price: i64, conf: u64) -> eyre::Result<()> {
        let pyth = IMockPyth::new(self.pyth, self.world.provider());
        let block = self.world.provider().get_block(Default::default()).await?.ok_or_eyre("no block")?;
        let time = block.header.timestamp;
        let update = pyth
            .createPriceFeedUpdateData(PYTH_ID, price, conf, -8, price, conf, time, time - 1)
            .call()
            .await?;
        let call = IMockPyth::updatePriceFeedsCall { updates: vec![update] };
        send(self.world, DEPLOYER, self.pyth, call.abi_encode()).await
    }

    /// The section of the keeper's configuration.
    fn section(&self) -> String {
        let [first, second] = self.chainlink;
        let pyth = self.pyth;
        format!(
            "[batch]\nwindow = \"100ms\"\n[oracle.TUSD]\nquorum = 2\ntolerance_bps = 100\n\
             [[oracle.TUSD.sources]]\nlegs = [{{ kind = \"chainlink\", decimals = 8, heartbeat = 3600, \
             clamp_min = 10000000, clamp_max = 1000000000, \
             at = {{ address = \"{first}\", description = \"TUSD / USD\" }} }}]\n\
             [[oracle.TUSD.sources]]\nlegs = [{{ kind = \"chainlink\", decimals = 8, heartbeat = 3600, \
             at = {{ address = \"{second}\" }} }}]\n\
             [[oracle.TUSD.sources]]\nlegs = [{{ kind = \"pyth\", decimals = 8, heartbeat = 3600, conf_bps = 100, \
             conf_multiple = 2, at = {{ address = \"{pyth}\", feed = \"{PYTH_ID}\" }} }}]\n"
        )
    }
}

async fn aggregator(world: &World, description: &str) -> eyre::Result<Address> {
    let link = world.asset("TDAI").address;
    let (min, max) = (I256::try_from(10_000_000)?, I256::try_from(1_000_000_000)?);
    let arguments =
        (link, U256::ZERO, U256::from(300), Address::ZERO, min, max, U256::from(8), description.to_owned());
    let file = "node_modules/@chainlink/contracts/abi/v0.6/FluxAggregator.json";
    let path = ["compilerOutput", "evm", "bytecode", "object"];
    let feed = create(world, file, &path, arguments.abi_encode_params()).await?;
    let reporters = vec![REPORTER];
    let call = changeOraclesCall {
        removed: vec![],
        added: reporters.clone(),
        admins: reporters,
        min: 1,
        max: 1,
        delay: 0,
    };
    send(world, DEPLOYER, feed, call.abi_encode()).await?;
    Ok(feed)
}

/// Puts published code on the chain.
async fn create(world: &World, file: &str, path: &[&str], arguments: Vec<u8>) -> eyre::Result<Address> {
    let file = root().join(file);
    let text = std::fs::read_to_string(&file)
        .wrap_err_with(|| format!("{} is missing: run `make setup` and `forge build`", file.display()))?;
    let artifact: Value = serde_json::from_str(&text)?;
    let code = path.iter().fold(&artifact, |value, key| &value[*key]).as_str().ok_or_eyre("no bytecode")?;
    let mut code = code.trim_start_matches("0x").parse::<Bytes>()?.to_vec();
    code.extend(arguments);
    let request = alloy::rpc::types::TransactionRequest::default().from(DEPLOYER).input(code.into());
    let request = alloy::rpc::types::TransactionRequest {
        to: Some(alloy::primitives::TxKind::Create),
        gas: Some(12_000_000),
        ..request
    };
    let receipt = world.provider().send_transaction(request).await?.get_receipt().await?;
    receipt.contract_address.ok_or_eyre("nothing was deployed")
}

async fn send(world: &World, from: Address, to: Address, input: Vec<u8>) -> eyre::Result<()> {
    let provider = world.provider();
    if from == REPORTER {
        provider.anvil_impersonate_account(from).await?;
        provider.anvil_set_balance(from, U256::from(10).pow(U256::from(20))).await?;
    }
    let receipt =
        spillway_e2e::world::send(provider, from, to, U256::ZERO, input.into()).await?.get_receipt().await?;
    ensure!(receipt.status(), "a call of {to} reverted");
    Ok(())
}

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
    let setup = Setup::new(&world, Path::new(PROGRAM), 1, &feeds.section())?;

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
    let setup = Setup::new(&world, Path::new(PROGRAM), 1, &feeds.section())?;
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
    let both = format!(
        "{section}{}",
        section[section.find("[oracle").unwrap_or(0)..]
            .replace("TUSD]", "ETH]")
            .replace("TUSD.sources", "ETH.sources")
    );
    let more = format!("{both}[fees]\nmax_share_bps = 10000\nhold = \"1h\"\n");
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
