//! A chain with everything on it: tokens, hostile recipients, the vault, its float.
//!
//! `script/Deploy.s.sol` puts it there, as for any chain. Deploying takes seconds, so it is done once per state of
//! the contracts; each test loads the chain as it was then.

use crate::{
    anvil::{Anvil, Options},
    root, scratch,
};
use alloy::{
    eips::BlockId,
    network::TransactionBuilder,
    primitives::{Address, Bytes, U256, address, keccak256},
    providers::{DynProvider, Provider, ext::AnvilApi},
    rpc::types::TransactionRequest,
    sol,
    sol_types::SolCall,
};
use eyre::{WrapErr, ensure};
use serde::Deserialize;
use serde_json::Value;
use spillway::{
    chain::abi::IVault,
    deployment::Deployment,
    domain::asset::{Asset, NATIVE},
};
use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
};
use tempfile::TempDir;

sol! {
    /// The test tokens, beyond ERC-20.
    #[sol(rpc)]
    interface TestToken {
        function mint(address to, uint256 amount) external;
        function approve(address spender, uint256 amount) external;
        function transfer(address to, uint256 amount) external;
        function balanceOf(address account) external view returns (uint256);
        event Transfer(address indexed from, address indexed to, uint256 value);
    }
}

/// anvil's own accounts, from its published mnemonic: 0 deploys and funds, 1 to 3 are lanes.
pub const DEPLOYER: Address = address!("f39Fd6e51aad88F6F4ce6aB8827279cffFb92266");
pub const DEPLOYER_KEY: &str = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
pub const GOVERNANCE: Address = address!("23618e81E3f5cdF7f54C3d65f7FBc0aBf5B21E8f");
pub const GUARDIAN: Address = address!("a0Ee7A142d267C1f36714E4a8F75612F20a79720");
pub const LANES: [(Address, &str); 3] = [
    (
        address!("70997970C51812dc3A010C7d01b50e0d17dc79C8"),
        "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
    ),
    (
        address!("3C44CdDdB6a900fa2b585dd299e03d12FA4293BC"),
        "0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
    ),
    (
        address!("90F79bf6EB2c4f870365E785982E1f101E93b906"),
        "0x7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6",
    ),
];

/// A chain with the vault on it, its float filled.
#[derive(Debug)]
pub struct World {
    pub anvil: Anvil,
    pub deployment: Deployment,
    pub deployment_file: PathBuf,
    /// Recipients that take no money, by name: reverter, gasBurner, returnBomb, blocked.
    pub recipients: BTreeMap<String, Address>,
    /// For the keeper's files.
    pub dir: TempDir,
}

/// What a fresh vault holds of each asset, in whole coins.
pub const FLOAT: u64 = 1_000_000;

#[derive(Deserialize)]
struct Params {
    recipients: BTreeMap<String, Address>,
}

impl World {
    /// Loads a chain that produces a block every `block_time` seconds.
    pub async fn start(block_time: f64) -> eyre::Result<Self> {
        Self::start_with(Options { block_time: Some(block_time), ..Options::default() }).await
    }

    /// Loads a chain that behaves as `options` say.
    pub async fn start_with(options: Options) -> eyre::Result<Self> {
        let snapshot = Snapshot::prepare().await?;
        let options = Options { load_state: Some(snapshot.state.clone()), ..options };
        let anvil = Anvil::start(&options).await?;
        Self::new(anvil, &snapshot.deployment, &snapshot.params)
    }

    /// Makes so many blocks. A loaded chain has no state of those that it was loaded with, which finality would ask for.
    pub async fn past_the_loaded(&self, blocks: u64) -> eyre::Result<()> {
        Ok(self.provider().anvil_mine(Some(blocks), None).await?)
    }

    /// Deploys on a fork of the chain at `url`.
    pub async fn fork(url: &str, block_time: f64) -> eyre::Result<Self> {
        Self::fork_with(url, block_time, "fork", |_| {}).await
    }

    /// The same, as test `name`, with other parameters than the test assets'.
    pub async fn fork_with(
        url: &str,
        block_time: f64,
        name: &str,
        edit: impl FnOnce(&mut Value),
    ) -> eyre::Result<Self> {
        let options =
            Options { block_time: Some(block_time), fork_url: Some(url.to_owned()), ..Options::default() };
        let anvil = Anvil::start(&options).await?;
        let files = Files::new(name);
        deploy(&anvil, &files, edit).await?;
        Self::new(anvil, &files.deployment, &files.params)
    }

    fn new(anvil: Anvil, deployment_file: &Path, params: &Path) -> eyre::Result<Self> {
        let params: Params = serde_json::from_str(&fs::read_to_string(params)?)?;
        Ok(Self {
            anvil,
            deployment: Deployment::load(deployment_file)?,
            deployment_file: deployment_file.to_owned(),
            recipients: params.recipients,
            dir: TempDir::new_in(scratch("runs"))?,
        })
    }

    pub fn provider(&self) -> &DynProvider {
        &self.anvil.provider
    }

    /// The newest block's time, in unix seconds.
    pub async fn now(&self) -> eyre::Result<u64> {
        let block = self.provider().get_block(Default::default()).await?;
        Ok(block.ok_or_else(|| eyre::eyre!("the chain has no block"))?.header.timestamp)
    }

    pub fn vault(&self) -> Address {
        self.deployment.vault
    }

    pub fn asset(&self, symbol: &str) -> &Asset {
        self.deployment.assets.find(symbol).expect("the test assets are deployed")
    }

    /// What `holder` has of an asset, in units.
    pub async fn balance(&self, asset: Address, holder: Address) -> eyre::Result<U256> {
        self.balance_at(asset, holder, BlockId::latest()).await
    }

    /// [`World::balance`] in the state of a block.
    pub async fn balance_at(
        &self,
        asset: Address,
        holder: Address,
        block: impl Into<BlockId>,
    ) -> eyre::Result<U256> {
        let block = block.into();
        Ok(if asset == NATIVE {
            self.provider().get_balance(holder).block_id(block).await?
        } else {
            TestToken::new(asset, self.provider()).balanceOf(holder).block(block).call().await?
        })
    }

    /// Deposits and requests on chain as `depositor`, who gets what it takes. Returns when both are mined.
    pub async fn request(
        &self,
        asset: Address,
        depositor: Address,
        recipient: Address,
        amount: U256,
    ) -> eyre::Result<()> {
        let (provider, vault) = (self.provider(), self.vault());
        provider.anvil_set_balance(depositor, amount_of_ether(10) + amount).await?;
        let value = if asset == NATIVE { amount } else { U256::ZERO };
        let mut calls = Vec::new();
        if asset != NATIVE {
            calls.push((asset, U256::ZERO, TestToken::mintCall { to: depositor, amount }.abi_encode()));
            calls.push((asset, U256::ZERO, TestToken::approveCall { spender: vault, amount }.abi_encode()));
        }
        calls.push((vault, value, IVault::depositCall { asset, amount, account: depositor }.abi_encode()));
        calls.push((vault, U256::ZERO, IVault::requestCall { asset, amount, recipient }.abi_encode()));
        let mut last = None;
        for (to, value, input) in calls {
            last = Some(send(provider, depositor, to, value, input.into()).await?);
        }
        let receipt = last.ok_or_else(|| eyre::eyre!("nothing was sent"))?.get_receipt().await?;
        ensure!(receipt.status(), "the request of {depositor} reverted");
        Ok(())
    }
}

/// The file of the state that each chain begins with.
pub async fn snapshot_state() -> eyre::Result<PathBuf> {
    Ok(Snapshot::prepare().await?.state)
}

pub type Pending = alloy::providers::PendingTransactionBuilder<alloy::network::Ethereum>;

/// Sends a call as `from`, whose key nobody needs on a local chain.
pub async fn send(
    provider: &DynProvider,
    from: Address,
    to: Address,
    value: U256,
    input: Bytes,
) -> eyre::Result<Pending> {
    let request = TransactionRequest::default()
        .with_from(from)
        .with_to(to)
        .with_value(value)
        .with_input(input)
        .with_gas_limit(1_000_000);
    Ok(provider.send_transaction(request).await?)
}

/// Sends a token from any account; the next block asks nobody for a fee, because contracts pay none.
pub async fn transfer(
    provider: &DynProvider,
    token: Address,
    from: Address,
    to: Address,
    amount: U256,
) -> eyre::Result<Pending> {
    provider.anvil_set_next_block_base_fee_per_gas(0).await?;
    let transfer = TestToken::transferCall { to, amount }.abi_encode();
    let request = TransactionRequest::default()
        .with_from(from)
        .with_to(token)
        .with_input(transfer)
        .with_gas_limit(200_000)
        .with_max_fee_per_gas(0)
        .with_max_priority_fee_per_gas(0);
    Ok(provider.send_transaction(request).await?)
}

pub fn amount_of_ether(whole: u64) -> U256 {
    U256::from(whole) * U256::from(10).pow(U256::from(18))
}

/// Where a deployment's files are.
struct Files {
    params: PathBuf,
    deployment: PathBuf,
}

impl Files {
    fn new(name: &str) -> Self {
        let folder = root().join("deployments");
        Self {
            params: folder.join(format!("test-{name}.params.json")),
            deployment: folder.join(format!("test-{name}.json")),
        }
    }
}

/// A deployed chain in a file.
struct Snapshot {
    state: PathBuf,
    params: PathBuf,
    deployment: PathBuf,
}

impl Snapshot {
    /// The snapshot of the contracts as they are now, made by whoever comes first.
    async fn prepare() -> eyre::Result<Self> {
        let folder = scratch("snapshots");
        let key = contracts_key()?;
        let files = Files::new(&key);
        let snapshot = Self {
            state: folder.join(format!("{key}.json")),
            params: files.params.clone(),
            deployment: files.deployment.clone(),
        };
        let made = [&*snapshot.state, &*snapshot.deployment];
        made_once(made, Options::default(), async |anvil| deploy(anvil, &files, |_| {}).await).await?;
        Ok(snapshot)
    }
}

/// Has a chain in a file, and what belongs to it in another, made by whoever comes first: tests run in several processes,
/// and the others wait.
pub(crate) async fn made_once(
    [state, beside]: [&Path; 2],
    options: Options,
    make: impl AsyncFnOnce(&Anvil) -> eyre::Result<()>,
) -> eyre::Result<()> {
    let lock = fs::File::create(state.with_extension("lock"))?;
    let _held = tokio::task::spawn_blocking(move || lock.lock().map(|()| lock)).await??;
    if state.is_file() && beside.is_file() {
        return Ok(());
    }
    let partial = state.with_extension("partial");
    let anvil = Anvil::start(&Options { dump_state: Some(partial.clone()), ..options }).await?;
    make(&anvil).await?;
    anvil.stop()?;
    fs::rename(partial, state).wrap_err("anvil wrote no state")
}

/// A name for the contracts as they are in the sources now.
fn contracts_key() -> eyre::Result<String> {
    let root = root();
    let mut sources: Vec<PathBuf> = Vec::new();
    let mut folders: Vec<PathBuf> =
        ["contracts", "script", "tests/contracts/mocks", "tests/contracts/script"]
            .iter()
            .map(|folder| root.join(folder))
            .collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "sol") {
                sources.push(path);
            }
        }
    }
    sources.push(root.join("foundry.toml"));
    sources.push(root.join("tests/e2e/src/world.rs"));
    sources.sort();
    let mut text = Vec::new();
    for source in sources {
        text.extend(fs::read(source)?);
    }
    Ok(alloy::hex::encode(&keccak256(text)[..8]))
}

/// Test assets, the vault, and its float.
async fn deploy(anvil: &Anvil, files: &Files, edit: impl FnOnce(&mut Value)) -> eyre::Result<()> {
    let lanes = LANES.map(|(lane, _)| lane.to_string()).join(",");
    let env = [
        ("SPILLWAY_PARAMS", files.params.as_ref()),
        ("SPILLWAY_DEPLOYMENT", files.deployment.as_ref()),
        ("SPILLWAY_LANES", lanes.as_ref()),
    ];
    forge_script(&anvil.url(), "tests/contracts/script/TestAssets.s.sol", &env)?;
    let mut parameters = serde_json::from_slice(&fs::read(&files.params)?)?;
    edit(&mut parameters);
    fs::write(&files.params, serde_json::to_vec_pretty(&parameters)?)?;
    forge_script(&anvil.url(), "script/Deploy.s.sol", &env)?;
    let deployment = Deployment::load(&files.deployment)?;
    let provider = &anvil.provider;
    let mut last = None;
    for asset in deployment.assets.iter() {
        let amount = U256::from(FLOAT) * U256::from(10).pow(U256::from(asset.decimals));
        let pending = if asset.is_native() {
            provider.anvil_set_balance(DEPLOYER, amount * U256::from(2)).await?;
            send(provider, DEPLOYER, deployment.vault, amount, Bytes::new()).await?
        } else {
            let mint = TestToken::mintCall { to: deployment.vault, amount }.abi_encode();
            send(provider, DEPLOYER, asset.address, U256::ZERO, mint.into()).await?
        };
        last = Some(pending);
    }
    if let Some(pending) = last {
        ensure!(pending.get_receipt().await?.status(), "the vault cannot be funded");
    }
    Ok(())
}

/// Runs a script of Foundry as the deployer. One transaction at a time: of many at once anvil now and then leaves one lying
/// that is next, and the script would wait for ever.
pub(crate) fn forge_script(url: &str, script: &str, env: &[(&str, &OsStr)]) -> eyre::Result<()> {
    let output = Command::new(root().join("script/bin/forge"))
        .current_dir(root())
        .args(["script", script, "--rpc-url", url, "--broadcast", "--slow", "--private-key", DEPLOYER_KEY])
        .envs(env.iter().copied())
        .output()
        .wrap_err("forge does not start; run `make setup`")?;
    ensure!(
        output.status.success(),
        "{script} failed:\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}
