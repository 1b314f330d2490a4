//! Governance and guardians from the command line, on a chain with the real AccessManager.

use alloy::{
    network::TransactionBuilder,
    primitives::{Address, U256, b256},
    providers::{Provider, ext::AnvilApi},
    rpc::types::TransactionRequest,
    sol,
    sol_types::SolCall,
};
use eyre::{OptionExt, ensure};
use serde_json::{Value, json};
use spillway::chain::{
    abi::IVault::{self, Scope},
    governance::IVersionRegistry::{self, Status},
};
use spillway_e2e::{
    keeper::Setup,
    tiers,
    world::{DEPLOYER, GOVERNANCE, GUARDIAN, World, amount_of_ether},
};
use std::path::Path;

sol! {
    function grantRole(uint64 roleId, address account, uint32 executionDelay) external;
}

const PROGRAM: &str = env!("CARGO_BIN_EXE_spillway-under-test");
/// anvil's own accounts 8 and 9.
const KEYS: [(&str, &str); 2] = [
    ("GOVERNANCE_KEY", "0xdbda1821b80551c9d65939329250298aa3472ba22feea921c0cf5d620ea67b97"),
    ("GUARDIAN_KEY", "0x2a871d0798f97d79848a013d4936a73bf4cc922c825d33c1cf7073dff6d409c6"),
];

const SEND: [&str; 2] = ["--send", "--private-key-env"];

/// Sends what a command does, with the key of that name.
fn sends(setup: &Setup, command: &[&str], key: &str) -> eyre::Result<Value> {
    setup.json(&[command, &SEND[..], &[key]].concat())
}

async fn pass(world: &World, seconds: u64) -> eyre::Result<()> {
    world.provider().anvil_increase_time(seconds).await?;
    world.provider().evm_mine(None).await?;
    Ok(())
}

fn refused(setup: &Setup, args: &[&str], why: &str) -> eyre::Result<()> {
    let output = setup.run(args)?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(!output.status.success() && said.contains(why), "{args:?} said {said}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guardian_pauses_and_lowers_and_governance_ends_the_pause() -> eyre::Result<()> {
    let world = World::start(0.5).await?;
    let setup = Setup::new(&world, Path::new(PROGRAM), 1, "")?;
    let setup = KEYS.iter().fold(setup, |setup, (name, key)| setup.with_env(name, key));
    let vault = IVault::new(world.vault(), world.provider().clone());
    let paused = async || -> eyre::Result<u64> { Ok(vault.pausedUntil(Scope::Orders).call().await?.to()) };
    let (guardian, governance) = (GUARDIAN.to_string(), GOVERNANCE.to_string());

    // Prepared, for whoever signs elsewhere: nothing changes.
    let folder = setup.dir.to_string_lossy().into_owned();
    let prepared = setup.json(&["pause", "orders", "2h", "--from", &guardian, "--safe", &folder])?;
    assert_eq!(prepared["plan"]["role"], "GUARDIAN", "{prepared}");
    let file = prepared["files"][0].as_str().ok_or_eyre("no file")?;
    let safe: Value = serde_json::from_str(&std::fs::read_to_string(file)?)?;
    assert_eq!(safe["transactions"][0]["data"], prepared["plan"]["now"][0]["calldata"], "{safe}");
    assert_eq!(safe["chainId"], "31337", "{safe}");
    assert_eq!(paused().await?, 0);
    assert_eq!(setup.run(&["pause", "orders", "2h"])?.status.code(), Some(2), "nobody acts: wrong usage");
    refused(&setup, &["pause", "orders", "2h", "--from", &governance], "takes the role GUARDIAN")?;
    refused(&setup, &["pause", "orders", "30days", "--from", &guardian], "it would fail")?;
    refused(&setup, &["pause", "nonsense", "2h", "--from", &guardian], "no asset of the vault")?;

    let sent = sends(&setup, &["pause", "orders", "2h"], "GUARDIAN_KEY")?;
    assert_eq!(sent["sent"][0]["succeeded"], true, "{sent}");
    let (now, until) = (world.now().await?, paused().await?);
    assert!(until > now + 7_000 && until <= now + 7_200, "paused until {until}, it is {now}");

    let lower = ["limits", "lower", "TUSD", "--instant-per-payout", "1000.5"];
    sends(&setup, &lower, "GUARDIAN_KEY")?;
    let asset = world.asset("TUSD").address;
    let limits = vault.assetLimits(asset).call().await?;
    assert_eq!(limits.instantPerPayout.to_string(), "1000500000");
    assert_eq!(limits.capacity.to_string(), "10000000000000", "what is left out stays");
    sends(&setup, &["limits", "lower-to", "TUSD", "10"], "GUARDIAN_KEY")?;
    assert_eq!(vault.assetLimits(asset).call().await?.instantPerPayout.to_string(), "100050000");
    let higher = ["limits", "lower", "TUSD", "--instant-per-payout", "2000", "--from", &guardian];
    refused(&setup, &higher, "it would fail")?;

    // Governance ends it; with a delay it is scheduled first, and the same command executes it.
    let ended = sends(&setup, &["unpause", "orders"], "GOVERNANCE_KEY")?;
    ensure!(ended["plan"]["delay"] == 0, "the test deployment governs without a delay: {ended}");
    assert_eq!(ended["plan"]["role"], "GOVERNANCE", "{ended}");
    assert!(paused().await? <= world.now().await?, "{ended}");
    // Another holder of the role, with a delay.
    let slow = tiers::account(7);
    let grant = grantRoleCall { roleId: 1, account: slow.address(), executionDelay: 3_600 }.abi_encode();
    tiers::call(&world, GOVERNANCE, world.deployment.access_manager, grant).await?;
    world.provider().anvil_set_balance(slow.address(), amount_of_ether(1)).await?;
    let setup = setup.with_env("SLOW_KEY", &tiers::key_of(&slow));
    sends(&setup, &["pause", "orders", "2h"], "GUARDIAN_KEY")?;
    let unpause = || sends(&setup, &["unpause", "orders"], "SLOW_KEY");
    let scheduled = unpause()?;
    assert_eq!(scheduled["plan"]["delay"], 3_600, "{scheduled}");
    assert!(scheduled["plan"]["now"][0]["meaning"].as_str().unwrap().starts_with("schedule"), "{scheduled}");
    let waits = unpause()?;
    assert_eq!((&waits["plan"]["now"], &waits["sent"]), (&json!([]), &json!([])), "not ready yet: {waits}");
    assert!(paused().await? > world.now().await?);
    pass(&world, 3_700).await?;
    unpause()?;
    assert!(paused().await? <= world.now().await?, "executed");

    let status = setup.json(&["upgrade", "status"])?;
    assert_eq!((&status["running"]["number"], &status["proposed"]), (&1.into(), &Value::Null), "{status}");
    refused(&setup, &["rollback", "--from", &guardian], "it would fail")?;
    limits_are_raised_after_a_delay(&world, &setup).await?;
    a_version_comes_and_goes(&world, &setup).await
}

/// By governance alone; a guardian's key only lowers.
async fn limits_are_raised_after_a_delay(world: &World, setup: &Setup) -> eyre::Result<()> {
    let vault = IVault::new(world.vault(), world.provider().clone());
    let asset = world.asset("TUSD").address;
    let before = vault.assetLimits(asset).call().await?;
    let set = ["limits", "set", "TUSD", "--capacity", "2000000", "--instant-per-payout", "150"];
    refused(setup, &[&set[..], &["--from", &GUARDIAN.to_string()]].concat(), "takes the role GOVERNANCE")?;
    sends(setup, &set, "SLOW_KEY")?;
    assert_eq!(vault.assetLimits(asset).call().await?, before, "scheduled changes nothing");
    pass(world, 3_700).await?;
    sends(setup, &set, "SLOW_KEY")?;
    let after = vault.assetLimits(asset).call().await?;
    assert_eq!(
        (after.capacity, after.instantPerPayout),
        (U256::from(2_000_000_000_000u64), U256::from(150_000_000))
    );
    assert_eq!(
        (after.window, after.instantPerDay),
        (before.window, before.instantPerDay),
        "what is left out stays"
    );

    let usd = vault.usdLimit().call().await?;
    assert_ne!(usd.capacity, 500_000);
    let window = format!("{}s", usd.window);
    sends(setup, &["limits", "lower-usd", "500000", &window], "GUARDIAN_KEY")?;
    let lower = vault.usdLimit().call().await?;
    assert_eq!((lower.capacity, lower.window, lower.hardMultiple), (500_000, usd.window, usd.hardMultiple));
    Ok(())
}

/// Proposed by governance, activated after the delay, rolled back by a guardian: the proxy runs what the registry says.
async fn a_version_comes_and_goes(world: &World, setup: &Setup) -> eyre::Result<()> {
    let registry = world.deployment.version_registry.ok_or_eyre("no registry")?;
    let registry = IVersionRegistry::new(registry, world.provider().clone());
    let vault = IVault::new(world.vault(), world.provider().clone());
    let old = world.deployment.vault_implementation;
    assert_eq!(runs(world).await?, old);
    let books = vault.assetLimits(world.asset("TUSD").address).call().await?;
    let new = deploy_again(world, old).await?;

    sends(setup, &["upgrade", "propose", &new.to_string(), "2"], "GOVERNANCE_KEY")?;
    let status = setup.json(&["upgrade", "status"])?;
    assert_eq!(
        (&status["proposed"]["number"], &status["running"]["number"]),
        (&2.into(), &1.into()),
        "{status}"
    );
    assert_eq!(runs(world).await?, old, "a proposal changes nothing");
    refused(setup, &["upgrade", "activate", "--from", &GOVERNANCE.to_string()], "it would fail")?;
    let delay: u64 = registry.DELAY().call().await?.to();
    pass(world, delay + 1).await?;
    sends(setup, &["upgrade", "activate"], "GOVERNANCE_KEY")?;
    assert_eq!(runs(world).await?, new);
    assert_eq!(registry.current(world.vault()).call().await?.version.number, 2);

    sends(setup, &["rollback"], "GUARDIAN_KEY")?;
    assert_eq!(runs(world).await?, old);
    let history = registry.history(world.vault()).call().await?;
    let became: Vec<_> = history.iter().map(|version| (version.number, version.status)).collect();
    assert_eq!(became, [(1, Status::Active), (2, Status::RolledBack)]);
    assert_eq!(
        vault.assetLimits(world.asset("TUSD").address).call().await?,
        books,
        "its storage is what it was"
    );
    refused(setup, &["rollback", "--from", &GUARDIAN.to_string()], "it would fail")
}

/// The code behind the vault's proxy (ERC-1967).
async fn runs(world: &World) -> eyre::Result<Address> {
    let slot = b256!("360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc");
    let word = world.provider().get_storage_at(world.vault(), slot.into()).await?;
    Ok(Address::from_word(word.into()))
}

/// The same code at another address: what is created returns what follows its first ten bytes.
async fn deploy_again(world: &World, of: Address) -> eyre::Result<Address> {
    let code = world.provider().get_code_at(of).await?;
    let [high, low] = u16::try_from(code.len())?.to_be_bytes();
    // PUSH2 length, DUP1, PUSH1 10, PUSH0, CODECOPY, PUSH0, RETURN
    let mut create = vec![0x61, high, low, 0x80, 0x60, 10, 0x5f, 0x39, 0x5f, 0xf3];
    create.extend_from_slice(&code);
    let request =
        TransactionRequest::default().with_from(DEPLOYER).with_deploy_code(create).with_gas_limit(10_000_000);
    let receipt = world.provider().send_transaction(request).await?.get_receipt().await?;
    let created = receipt.contract_address.ok_or_eyre("nothing was created")?;
    ensure!(world.provider().get_code_at(created).await? == code, "other code was created");
    Ok(created)
}
