//! A local chain: the anvil that `package.json` pins, on a port of its own, ended when dropped.

use crate::root;
use alloy::{
    providers::{DynProvider, Provider, ProviderBuilder, ext::AnvilApi},
    rpc::types::anvil::ReorgOptions,
    transports::TransportResult,
};
use eyre::{WrapErr, bail};
use rand::RngExt;
use std::{
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// How the chain behaves.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Seconds between blocks; a block per transaction when none.
    pub block_time: Option<f64>,
    /// A state to begin with.
    pub load_state: Option<PathBuf>,
    /// Where the state is written at the end.
    pub dump_state: Option<PathBuf>,
    /// The chain to fork.
    pub fork_url: Option<String>,
    /// A fixed port, to come back on.
    pub port: Option<u16>,
    /// Lets a transaction use more than the 16,777,216 gas of EIP-7825.
    pub uncapped: bool,
    /// 31337 when none.
    pub chain_id: Option<u64>,
    /// Slots in an epoch: the final block is two epochs behind the newest. 1 when none.
    pub slots: Option<u64>,
}

/// A running anvil.
#[derive(Debug)]
pub struct Anvil {
    child: Child,
    pub port: u16,
    pub provider: DynProvider,
}

impl Anvil {
    /// Starts one and waits until it answers.
    pub async fn start(options: &Options) -> eyre::Result<Self> {
        let port = match options.port {
            Some(port) => port,
            None => free_port()?,
        };
        let mut command = Command::new(root().join("script/bin/anvil"));
        command.args(["--silent", "--auto-impersonate"]);
        command.arg("--slots-in-an-epoch").arg(options.slots.unwrap_or(1).to_string());
        command.args(["--gas-limit", "300000000", "--port"]).arg(port.to_string());
        if !options.uncapped {
            command.arg("--enable-tx-gas-limit");
        }
        if let Some(seconds) = options.block_time {
            command.arg("--block-time").arg(seconds.to_string());
        }
        for (flag, path) in [("--load-state", &options.load_state), ("--dump-state", &options.dump_state)] {
            if let Some(path) = path {
                command.arg(flag).arg(path);
            }
        }
        if let Some(url) = &options.fork_url {
            command.arg("--fork-url").arg(url);
        } else {
            command.arg("--chain-id").arg(options.chain_id.unwrap_or(31_337).to_string());
        }
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .wrap_err("anvil does not start; run `make setup`")?;
        let provider = ProviderBuilder::new()
            .disable_recommended_fillers()
            .connect_http(format!("http://127.0.0.1:{port}").parse()?)
            .erased();
        let mut anvil = Self { child, port, provider };
        anvil.wait().await?;
        Ok(anvil)
    }

    async fn wait(&mut self) -> eyre::Result<()> {
        let start = Instant::now();
        while self.provider.get_block_number().await.is_err() {
            if let Some(status) = self.child.try_wait()? {
                bail!("anvil ended at once: {status}");
            }
            eyre::ensure!(start.elapsed() < Duration::from_secs(60), "anvil does not answer");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// Replaces the newest blocks by empty ones. False when anvil has no state to go back to: it does not keep that of
    /// every block.
    pub async fn reorg(&self, depth: u64) -> eyre::Result<bool> {
        went_back(self.provider.anvil_reorg(ReorgOptions { depth, tx_block_pairs: Vec::new() }).await)
    }

    /// Removes the newest blocks. False as for [`Anvil::reorg`].
    pub async fn rollback(&self, depth: u64) -> eyre::Result<bool> {
        went_back(self.provider.anvil_rollback(Some(depth)).await)
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it in order, so that it writes its state.
    pub fn stop(mut self) -> eyre::Result<()> {
        let pid = self.child.id().to_string();
        Command::new("kill").args(["-INT", &pid]).status()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Anvil {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn went_back<T>(answer: TransportResult<T>) -> eyre::Result<bool> {
    match answer {
        Ok(_) => Ok(true),
        Err(error) if error.to_string().contains("Required data unavailable") => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// A port that was free a moment ago. Not one of those that the system gives to connections: while a program that is to come
/// back is down, one of them could have it.
pub fn free_port() -> eyre::Result<u16> {
    for _ in 0..1_000 {
        let port = rand::rng().random_range(10_000..32_768);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no port is free")
}
