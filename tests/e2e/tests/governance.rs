//! Governance and guardians from the command line, on a chain with the real AccessManager.

use alloy::{providers::ext::AnvilApi, sol, sol_types::SolCall};
use eyre::{OptionExt, ensure};
use serde_json::{Value, json};
use spillway::chain::abi::IVault::{self, Scope};
use spillway_e2e::{
    keeper::Setup,
    tiers,
    world::{GOVERNANCE, GUARDIAN, World, amount_of_ether},
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
    refused(&setup, &["pause", "orders", "2h", "--from", &governance], "takes the role GUARDIAN")?;
    refused(&setup, &["pause", "orders", "30days", "--from", &guardian], "it would fail")?;
    refused(&setup, &["pause", "nonsense", "2h", "--from", &guardian], "no asset of the vault")?;

    let send = ["--send", "--private-key-env"];
    let sent = setup.json(&[&["pause", "orders", "2h"], &send[..], &["GUARDIAN_KEY"]].concat())?;
    assert_eq!(sent["sent"][0]["succeeded"], true, "{sent}");
    let (now, until) = (world.now().await?, paused().await?);
    assert!(until > now + 7_000 && until <= now + 7_200, "paused until {until}, it is {now}");

    let lower = ["limits", "lower", "TUSD", "--instant-per-payout", "1000.5"];
    setup.json(&[&lower[..], &send[..], &["GUARDIAN_KEY"]].concat())?;
    let asset = world.asset("TUSD").address;
    let limits = vault.assetLimits(asset).call().await?;
    assert_eq!(limits.instantPerPayout.to_string(), "1000500000");
    assert_eq!(limits.capacity.to_string(), "10000000000000", "what is left out stays");
    setup.json(&[&["limits", "lower-to", "TUSD", "10"], &send[..], &["GUARDIAN_KEY"]].concat())?;
    assert_eq!(vault.assetLimits(asset).call().await?.instantPerPayout.to_string(), "100050000");
    let higher = ["limits", "lower", "TUSD", "--instant-per-payout", "2000", "--from", &guardian];
    refused(&setup, &higher, "it would fail")?;

    // Governance ends it; with a delay it is scheduled first, and the same command executes it.
    let unpause = [&["unpause", "orders"], &send[..], &["GOVERNANCE_KEY"]].concat();
    let ended = setup.json(&unpause)?;
    ensure!(ended["plan"]["delay"] == 0, "the test deployment governs without a delay: {ended}");
    assert_eq!(ended["plan"]["role"], "GOVERNANCE", "{ended}");
    assert!(paused().await? <= world.now().await?, "{ended}");
    // Another holder of the role, with a delay.
    let slow = tiers::account(7);
    let grant = grantRoleCall { roleId: 1, account: slow.address(), executionDelay: 3_600 }.abi_encode();
    tiers::call(&world, GOVERNANCE, world.deployment.access_manager, grant).await?;
    world.provider().anvil_set_balance(slow.address(), amount_of_ether(1)).await?;
    let setup = setup.with_env("SLOW_KEY", &tiers::key_of(&slow));
    setup.json(&[&["pause", "orders", "2h"], &send[..], &["GUARDIAN_KEY"]].concat())?;
    let unpause = [&["unpause", "orders"], &send[..], &["SLOW_KEY"]].concat();
    let scheduled = setup.json(&unpause)?;
    assert_eq!(scheduled["plan"]["delay"], 3_600, "{scheduled}");
    assert!(scheduled["plan"]["now"][0]["meaning"].as_str().unwrap().starts_with("schedule"), "{scheduled}");
    let waits = setup.json(&unpause)?;
    assert_eq!((&waits["plan"]["now"], &waits["sent"]), (&json!([]), &json!([])), "not ready yet: {waits}");
    assert!(paused().await? > world.now().await?);
    world.provider().anvil_increase_time(3_700).await?;
    world.provider().evm_mine(None).await?;
    setup.json(&unpause)?;
    assert!(paused().await? <= world.now().await?, "executed");

    let status = setup.json(&["upgrade", "status"])?;
    assert_eq!((&status["running"]["number"], &status["proposed"]), (&1.into(), &Value::Null), "{status}");
    refused(&setup, &["rollback", "--from", &guardian], "it would fail")?;
    Ok(())
}
