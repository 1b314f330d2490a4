//! What every part needs: a chain, a keeper on it, orders, and a client that hands them in.

use alloy::primitives::{Address, U256, keccak256};
use eyre::{OptionExt, WrapErr, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use spillway::chain::abi::IVault;
use spillway_e2e::{
    bench::cpu,
    chain_audit::{Expected, Ledger},
    eventually,
    keeper::{Database, Keeper, Setup},
    orders::decimal,
    world::{LANES, World},
};
use std::{
    env, fs,
    path::PathBuf,
    time::{Duration, Instant},
};

pub const LANES_USED: usize = 3;
/// Rows of one bulk.
pub const BULK: usize = 100;
/// Seconds between blocks.
pub const BLOCK_TIME: f64 = 1.0;

/// A keeper on a chain of its own.
pub struct Rig {
    pub world: World,
    pub setup: Setup,
    pub keeper: Keeper,
    pub client: reqwest::Client,
}

impl Rig {
    /// Starts chain and keeper; `more` is TOML that is added to the configuration.
    pub async fn start(database: Database, more: &str) -> eyre::Result<Self> {
        let world = World::start(BLOCK_TIME).await?;
        let setup = Setup::over(database, &world, &program()?, LANES_USED, more)?;
        let keeper = Keeper::start_ready(&setup).await?;
        Ok(Self { world, setup, keeper, client: reqwest::Client::new() })
    }

    /// `count` orders to as many new recipients. `series` keeps the keys of several calls apart.
    pub fn orders(&self, series: &str, count: usize) -> Vec<Expected> {
        orders(&self.world, series, count)
    }

    /// The bodies of bulks that hand in `orders`.
    pub fn bulks(&self, orders: &[Expected]) -> Vec<String> {
        orders
            .chunks(BULK)
            .map(|chunk| {
                let rows: Vec<_> = chunk
                    .iter()
                    .map(|order| {
                        serde_json::json!({
                            "idempotency_key": order.key, "asset": "TDAI",
                            "recipient": order.recipient, "amount": decimal(&self.world, order),
                        })
                    })
                    .collect();
                serde_json::json!({ "withdrawals": rows }).to_string()
            })
            .collect()
    }

    /// Hands in all bulks, `at_once` at a time. Each is accepted when this returns.
    pub async fn submit(&self, bulks: Vec<String>, at_once: usize) -> eyre::Result<()> {
        stream::iter(bulks)
            .map(|body| self.post("/v1/withdrawals/bulk", None, body))
            .buffer_unordered(at_once)
            .try_for_each(|_| async { Ok(()) })
            .await
    }

    /// One POST; the time until it was answered. Anything but success is an error.
    pub async fn post(&self, path: &str, key: Option<&str>, body: String) -> eyre::Result<Duration> {
        let start = Instant::now();
        let mut request =
            self.client.post(self.setup.api(path)).header("content-type", "application/json").body(body);
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let answer = request.send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        ensure!(status.is_success(), "{path}: {status} {text}");
        Ok(start.elapsed())
    }

    /// How many numbers the lanes have settled on chain.
    pub async fn settled(&self) -> eyre::Result<u64> {
        settled(&self.world).await
    }

    /// Waits until `count` payouts are in blocks.
    pub async fn mined(&self, count: usize) -> eyre::Result<()> {
        eventually("all are mined", Duration::from_secs(600), || async {
            Ok((self.settled().await? >= count as u64).then_some(()))
        })
        .await
    }

    /// Each order is paid exactly once.
    pub async fn check(&self, orders: &[Expected]) -> eyre::Result<()> {
        let outcome = Ledger::read(&self.world).await?.compare(orders);
        ensure!(outcome.paid == orders.len() as u64, "not all are paid once: {outcome:?}");
        Ok(())
    }

    /// Seconds of processor time that the keeper took so far.
    pub fn keeper_cpu(&self) -> eyre::Result<f64> {
        cpu(self.keeper.id())
    }

    /// Seconds of processor time that the chain took so far.
    pub fn anvil_cpu(&self) -> eyre::Result<f64> {
        cpu(self.world.anvil.id())
    }

    /// The most memory that the keeper held so far, in MiB.
    pub fn keeper_peak_mib(&self) -> eyre::Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.keeper.id()))?;
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).ok_or_eyre("VmHWM")?;
        let kib = line.split_whitespace().nth(1).ok_or_eyre("VmHWM")?;
        Ok(kib.parse::<f64>()? / 1024.0)
    }
}

/// See [`Rig::orders`].
pub fn orders(world: &World, series: &str, count: usize) -> Vec<Expected> {
    let asset = world.asset("TDAI").address;
    (0..count)
        .map(|i| {
            let key = format!("{series}-{i}");
            let recipient = Address::from_slice(&keccak256(&key)[..20]);
            Expected { key, asset, recipient, amount: U256::from(1_000_000_000 + i) }
        })
        .collect()
}

/// See [`Rig::settled`].
pub async fn settled(world: &World) -> eyre::Result<u64> {
    let vault = IVault::new(world.vault(), world.provider());
    let mut settled = 0;
    for (lane, _) in &LANES[..LANES_USED] {
        settled += vault.laneOf(*lane).call().await?.next - 1;
    }
    Ok(settled)
}

/// How often a figure is measured.
pub fn runs() -> eyre::Result<usize> {
    match env::var("SPILLWAY_BENCH_RUNS") {
        Ok(runs) => runs.parse().wrap_err("SPILLWAY_BENCH_RUNS is no number"),
        Err(_) => Ok(3),
    }
}

/// The keeper's binary, as it is released.
fn program() -> eyre::Result<PathBuf> {
    let program = env::current_exe()?.parent().ok_or_eyre("no folder")?.join("spillway");
    ensure!(program.is_file(), "{} is missing: run `make bench-keeper`", program.display());
    Ok(program)
}

/// The value below which `percent` of 100 are.
pub fn percentile(values: &mut [f64], percent: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    values
        .get((values.len() * percent / 100).min(values.len().saturating_sub(1)))
        .copied()
        .unwrap_or(f64::NAN)
}
