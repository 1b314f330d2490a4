//! What the keeper does with a world that is not as it should be: it says so, and nothing is lost.

use alloy::primitives::{Address, U256, keccak256};
use spillway_e2e::{
    anvil::{Anvil, Options, free_port},
    chain_audit::{Expected, Ledger},
    eventually,
    keeper::{Keeper, Setup},
    orders::{HEADER, write_csv},
    world::World,
};
use std::{fs, path::Path, process::Output, time::Duration};

const PROGRAM: &str = env!("CARGO_BIN_EXE_spillway-under-test");
const RECIPIENT: &str = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Runs the keeper with one setting changed, and expects that it refuses.
fn refused(setup: &Setup, key: &str, value: &str) -> eyre::Result<String> {
    let output = setup.command().arg("run").env(key, value).output()?;
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    Ok(said(&output))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_chain_or_vault_is_refused() -> eyre::Result<()> {
    let world = World::start(0.5).await?;
    let setup = Setup::new(&world, Path::new(PROGRAM), 1, "")?;

    let chain = refused(&setup, "SPILLWAY_CHAIN__CHAIN_ID", "1")?;
    assert!(chain.contains("the deployment file is for chain 31337, chain.chain_id is 1"), "{chain}");

    let empty = Anvil::start(&Options::default()).await?;
    let vault = refused(&setup, "SPILLWAY_CHAIN__RPC_URLS", &empty.url())?;
    assert!(vault.contains(&format!("there is no vault at {}", world.vault())), "{vault}");

    let other = fs::read_to_string(&world.deployment_file)?.replace("31337", "5");
    let path = world.dir.path().join("other.json");
    fs::write(&path, other)?;
    let elsewhere = |store: &str| {
        let mut command = setup.command();
        command.arg("run").env("SPILLWAY_DEPLOYMENT", &path).env("SPILLWAY_CHAIN__CHAIN_ID", "5");
        command.env("SPILLWAY_STORE__URL", format!("sqlite://{}/{store}", setup.dir.display())).output()
    };
    for (store, cause) in [
        ("spillway.db", "the store belongs to vault"),
        ("new.db", "serves chain 31337; use the endpoint of chain 5"),
    ] {
        let output = elsewhere(store)?;
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        assert!(said(&output).contains(cause), "{}", said(&output));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_that_is_down_at_start_is_waited_for() -> eyre::Result<()> {
    let world = World::start(0.5).await?;
    let setup = Setup::new(&world, Path::new(PROGRAM), 1, "[batch]\nwindow = \"200ms\"\n")?;
    let state = world.dir.path().join("state.json");
    let snapshot = spillway_e2e::world::snapshot_state().await?;
    fs::copy(snapshot, &state)?;
    let port = free_port()?;
    let config = fs::read_to_string(&setup.config)?;
    fs::write(&setup.config, config.replace(&world.anvil.url(), &format!("http://127.0.0.1:{port}")))?;

    let mut keeper = Keeper::start(&setup)?;
    let not_ready = eventually("the keeper says why it waits", Duration::from_secs(20), || async {
        let Ok(answer) = reqwest::get(setup.api("/v1/health/ready")).await else { return Ok(None) };
        Ok((answer.status() == 503).then_some(answer.text().await?))
    })
    .await?;
    assert!(not_ready.contains("causes"), "{not_ready}");

    // Intake is open meanwhile.
    let order = Expected {
        key: "while-down".into(),
        asset: world.asset("TUSD").address,
        recipient: Address::from_slice(&keccak256("while down")[..20]),
        amount: U256::from(1_500_000),
    };
    let file = setup.dir.join("orders.csv");
    write_csv(&world, &file, std::slice::from_ref(&order))?;
    assert!(setup.run(&["submit", &file.to_string_lossy()])?.status.success());
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(!keeper.ended()?, "it waits");

    let options =
        Options { block_time: Some(0.5), load_state: Some(state), port: Some(port), ..Options::default() };
    let anvil = Anvil::start(&options).await?;
    keeper.ready(&setup).await?;
    setup.settled(Duration::from_secs(30)).await?;
    keeper.stop()?;
    let world = World { anvil, ..world };
    assert_eq!(Ledger::read(&world).await?.compare(&[order]).paid, 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_keeper_on_one_file_hears_who_holds_it() -> eyre::Result<()> {
    let world = World::start(0.5).await?;
    let setup = Setup::new(&world, Path::new(PROGRAM), 1, "")?;
    let keeper = Keeper::start_ready(&setup).await?;
    let second = setup
        .command()
        .arg("run")
        .env("SPILLWAY_API__LISTEN", format!("127.0.0.1:{}", free_port()?))
        .output()?;
    assert_eq!(second.status.code(), Some(1));
    let text = said(&second);
    assert!(text.contains("spillway.db") && text.contains(&format!("process {}", keeper.id())), "{text}");
    keeper.stop()
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_rows_of_a_file_are_named_and_the_good_ones_go_through_when_asked() -> eyre::Result<()> {
    let world = World::start(0.5).await?;
    let setup = Setup::new(&world, Path::new(PROGRAM), 1, "")?;
    let file = setup.dir.join("orders.csv");
    let path = file.to_string_lossy().into_owned();

    fs::write(&file, "")?;
    let output = setup.run(&["submit", &path])?;
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("the file is empty"), "{}", said(&output));

    let mut bytes = format!("\u{feff}{HEADER}\r\ngood,TUSD,{RECIPIENT},1.5\r\n").into_bytes();
    bytes.extend(format!("unknown,DOGE,{RECIPIENT},1\r\n").bytes());
    bytes.extend(format!("fine,TUSD,{RECIPIENT},1.0000001\r\n").bytes());
    bytes.extend([b"long,TUSD,".as_slice(), &vec![b'x'; 1 << 20], b",1\r\n"].concat());
    bytes.extend(b"text,TUSD,\xff\xfe,1\r\n");
    bytes.extend(format!("last,ETH,{RECIPIENT},0.25\r\n").bytes());
    fs::write(&file, bytes)?;

    let whole = setup.run(&["submit", &path])?;
    assert_eq!(whole.status.code(), Some(1));
    for (line, code) in
        [(3, "unknown_asset"), (4, "amount_too_many_decimals"), (5, "row_too_long"), (6, "invalid_utf8")]
    {
        let text = said(&whole) + &String::from_utf8_lossy(&whole.stdout);
        assert!(
            text.lines().any(|l| l.contains(&line.to_string()) && l.contains(code)),
            "{line} {code}\n{text}"
        );
    }
    assert_eq!(setup.open()?, 0, "nothing is half-accepted");

    let report = setup.json(&["submit", &path, "--skip-invalid"])?;
    assert_eq!((report["new"].as_u64(), report["rejected"].as_u64()), (Some(2), Some(4)), "{report}");
    assert_eq!(setup.open()?, 2);
    Ok(())
}
