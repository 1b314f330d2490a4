//! What the end-to-end tests, the demo and the benchmarks share: a real anvil with the real contracts on it, the
//! real keeper as a process of its own, and an audit of the chain that does not ask the keeper.
//!
//! - [`anvil`]: a local chain per test
//! - [`world`]: the contracts, test assets and money on it
//! - [`keeper`]: the keeper as a process that can be killed
//! - [`feeds`]: price feeds beside the vault
//! - [`link`]: a connection that can be cut
//! - [`orders`]: files of orders
//! - [`pool`]: a margin pool beside the vault
//! - [`market`]: pools of Uniswap, Balancer and StableSwap beside the vault
//! - [`proxy`]: an endpoint before it that misbehaves when told to
//! - [`tampering`]: what is done to an exported audit, and where that must be found
//! - [`tiers`]: limits, approvers and keys for orders above the instant tier
//! - [`chain_audit`]: what the chain says was paid
//! - [`cases`]: what tests of the keeper have in common
//! - [`bench`][]: figures

pub mod anvil;
pub mod bench;
pub mod cases;
pub mod chain_audit;
pub mod feeds;
pub mod keeper;
pub mod link;
pub mod market;
pub mod orders;
pub mod pool;
pub mod postgres;
pub mod proxy;
pub mod tampering;
pub mod tiers;
pub mod world;

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// The repository's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .expect("the crate lies in the repository")
}

/// The folder for what runs leave behind.
pub fn scratch(name: &str) -> PathBuf {
    let folder = root().join("target/e2e").join(name);
    std::fs::create_dir_all(&folder).expect("the target folder can be written");
    folder
}

/// Asks until the answer is some, or fails with `what` after `limit`.
pub async fn eventually<T, F>(what: &str, limit: Duration, mut ask: impl FnMut() -> F) -> eyre::Result<T>
where
    F: Future<Output = eyre::Result<Option<T>>>,
{
    let start = Instant::now();
    loop {
        if let Some(answer) = ask().await? {
            return Ok(answer);
        }
        eyre::ensure!(start.elapsed() < limit, "not within {limit:?}: {what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
