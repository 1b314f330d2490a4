//! Price feeds of TUSD as they are published: what an oracle guard of the keeper asks.

#![expect(clippy::too_many_arguments, reason = "the generated bindings have the arguments of the contracts")]

use crate::{
    root,
    world::{self, DEPLOYER, World},
};
use alloy::{
    primitives::{Address, B256, Bytes, I256, U256, address},
    providers::{Provider, ext::AnvilApi},
    sol,
    sol_types::{SolCall, SolValue},
};
use eyre::{OptionExt, WrapErr, ensure};
use serde_json::Value;

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
#[derive(Debug)]
pub struct Feeds<'a> {
    world: &'a World,
    pub chainlink: [Address; 2],
    rounds: [u64; 2],
    pyth: Address,
}

impl<'a> Feeds<'a> {
    /// All say that a TUSD is a dollar, within some hundredths of a percent.
    pub async fn deploy(world: &'a World) -> eyre::Result<Self> {
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

    /// A Chainlink feed's next answer, with 8 decimals.
    pub async fn report(&mut self, feed: usize, answer: i64) -> eyre::Result<()> {
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

    /// The sections of the keeper's configuration that name them as TUSD's sources.
    pub fn section(&self) -> String {
        let [first, second] = self.chainlink;
        let pyth = self.pyth;
        format!(
            "[oracle.TUSD]\nquorum = 2\ntolerance_bps = 100\n\
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
    let receipt = world::send(provider, from, to, U256::ZERO, input.into()).await?.get_receipt().await?;
    ensure!(receipt.status(), "a call of {to} reverted");
    Ok(())
}
