//! Orders above the instant tier: limits of the chain, approvers, and keys for the API.

use crate::{
    eventually,
    keeper::Setup,
    world::{GOVERNANCE, GUARDIAN, World, send},
};
use alloy::{
    primitives::{Address, U256, keccak256},
    signers::local::PrivateKeySigner,
    sol,
    sol_types::SolCall,
};
use eyre::{OptionExt, ensure};
use serde_json::Value;
use spillway::chain::abi::IVault;
use std::time::Duration;

sol! {
    function setApprovers(address[] calldata approvers, uint256 threshold) external;
}

/// Above it a payout of the test assets with 6 decimals is reviewed.
pub const INSTANT: u64 = 500_000_000;
/// Above it, it is announced.
pub const APPROVED: u64 = 50_000_000_000;

/// Sends a call and fails unless it succeeds.
pub async fn call(world: &World, from: Address, to: Address, input: Vec<u8>) -> eyre::Result<()> {
    let receipt = send(world.provider(), from, to, U256::ZERO, input.into()).await?.get_receipt().await?;
    ensure!(receipt.status(), "a call of {from} to {to} reverted");
    Ok(())
}

/// Lowers the tiers of TUSD to [`INSTANT`] and [`APPROVED`].
pub async fn lower_tiers(world: &World) -> eyre::Result<()> {
    let asset = world.asset("TUSD").address;
    let mut limits = IVault::new(world.vault(), world.provider().clone()).assetLimits(asset).call().await?;
    (limits.instantPerPayout, limits.approvedPerPayout) = (U256::from(INSTANT), u128::from(APPROVED));
    call(world, GUARDIAN, world.vault(), IVault::lowerLimitsCall { asset, limits }.abi_encode()).await
}

/// The account of the `n`-th approver, or of somebody who is none.
pub fn account(n: usize) -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&keccak256(format!("approver {n}"))).expect("a hash is a key")
}

/// Its key, as it stands in an environment.
pub fn key_of(account: &PrivateKeySigner) -> String {
    account.to_bytes().to_string()
}

/// Makes accounts approvers, of whom `threshold` must sign.
pub async fn set_approvers(world: &World, accounts: &[Address], threshold: u64) -> eyre::Result<()> {
    let mut approvers = accounts.to_vec();
    approvers.sort_unstable();
    let contract = IVault::new(world.vault(), world.provider().clone()).approvals().call().await?.approvers_;
    let set = setApproversCall { approvers, threshold: U256::from(threshold) };
    call(world, GOVERNANCE, contract, set.abi_encode()).await
}

/// Makes a key for the API.
pub fn api_key(setup: &Setup, name: &str, scopes: &[&str]) -> eyre::Result<String> {
    let mut args = vec!["keys", "create", name];
    scopes.iter().for_each(|scope| args.extend(["--scope", scope]));
    Ok(setup.json(&args)?["key"].as_str().ok_or_eyre("no key")?.to_owned())
}

/// The only open review, once it has so many withdrawals.
pub async fn review(setup: &Setup, key: &str, withdrawals: usize) -> eyre::Result<Value> {
    let what = format!("a review of {withdrawals} withdrawals");
    eventually(&what, Duration::from_secs(30), || async {
        let listed: Value = reqwest::Client::new()
            .get(setup.api("/v1/reviews"))
            .bearer_auth(key)
            .send()
            .await?
            .json()
            .await?;
        let reviews = listed["reviews"].as_array().cloned().unwrap_or_default();
        let fits = |r: &&Value| r["withdrawals"].as_array().is_some_and(|w| w.len() == withdrawals);
        Ok((reviews.len() == 1).then(|| reviews.iter().find(fits).cloned()).flatten())
    })
    .await
}
