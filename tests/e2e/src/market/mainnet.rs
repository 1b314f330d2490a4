//! Mainnet in a file, as far as swaps need it, with about the liquidity that there is. What forks mainnet forks this, and needs
//! no network.
//!
//! In their published code and at their addresses there: WETH, Uniswap's factories, routers, pairs and pools, Balancer's vault
//! and factory. At the addresses there, in other code: test tokens for stablecoins, of which anybody makes more, Uniswap's
//! factory for SushiSwap's, and for Curve's pool of three the pool of our own with the published arithmetic. ETH is 3,000
//! dollars.

use super::{Local, Market, Place};
use crate::{
    anvil::{Anvil, Options},
    scratch,
    world::{DEPLOYER, TestToken, World, made_once},
};
use alloy::{
    hex,
    primitives::{U256, aliases::I24, aliases::U24, keccak256},
    sol,
    sol_types::SolValue,
};
use eyre::OptionExt;
use protocols::{
    Chain, Placing, Protocols, STABLE, creation_code,
    mainnet::{DAI, SUSHI_FACTORY, SUSHI_ROUTER, THREE_POOL, USDC, USDT},
    stable_arguments, units,
};
use serde_json::{Value, json};
use std::{fs, path::PathBuf};

sol! {
    interface Factories {
        /// Of Uniswap V3, for its owner.
        function enableFeeAmount(uint24 fee, int24 spacing) external;
        /// Of pools and pairs: who made them.
        function factory() external view returns (address);
    }
}

/// Mainnet's number.
const CHAIN_ID: u64 = 1;

/// The chain in a file, with the pools on it.
#[derive(Debug)]
pub struct Mainnet {
    /// What `anvil --load-state` takes.
    pub state: PathBuf,
    pools: PathBuf,
}

impl Mainnet {
    /// The file, made by whoever comes first.
    pub async fn prepare() -> eyre::Result<Self> {
        let folder = scratch("snapshots");
        let key = key()?;
        let mainnet = Self {
            state: folder.join(format!("mainnet-{key}.json")),
            pools: folder.join(format!("mainnet-{key}.pools.json")),
        };
        let options = Options { chain_id: Some(CHAIN_ID), ..Options::default() };
        made_once([&mainnet.state, &mainnet.pools], options, async |anvil| {
            let pools = fill(&mut Local::at(&anvil.provider, DEPLOYER))?;
            Ok(fs::write(&mainnet.pools, serde_json::to_vec_pretty(&pools)?)?)
        })
        .await?;
        Ok(mainnet)
    }

    /// Serves it.
    pub async fn start(&self, port: Option<u16>) -> eyre::Result<Anvil> {
        let (load_state, chain_id) = (Some(self.state.clone()), Some(CHAIN_ID));
        Anvil::start(&Options { load_state, chain_id, port, ..Options::default() }).await
    }

    pub fn pools(&self) -> eyre::Result<Vec<Place>> {
        Ok(serde_json::from_slice(&fs::read(&self.pools)?)?)
    }

    /// What a vault is deployed with on a fork: ETH, USDC and DAI, and swaps over all of the protocols, as the example of
    /// the parameters names them.
    pub fn parameters(parameters: &mut Value) {
        let example = include_str!("../../../../script/params/example.json");
        let example: Value = serde_json::from_str(example).expect("the example is JSON");
        parameters["swaps"] = example["swaps"].clone();
        let Some(assets) = parameters["assets"].as_array_mut() else { return };
        for asset in assets {
            match asset["symbol"].as_str() {
                Some("TUSD") => (asset["symbol"], asset["address"]) = (json!("USDC"), json!(USDC)),
                Some("TDAI") => (asset["symbol"], asset["address"]) = (json!("DAI"), json!(DAI)),
                _ => {}
            }
            asset["swapCapacity"] = asset["capacity"].clone();
            asset["swapWindow"] = json!(86_400);
            asset["swapSlippageBps"] = json!(100);
        }
    }

    /// The pools beside the vault of a fork, each with the adapter that was deployed for its protocol.
    pub fn market(&self, world: &World) -> eyre::Result<Market> {
        let deployment: Value = serde_json::from_str(&fs::read_to_string(&world.deployment_file)?)?;
        let adapters = deployment["swapAdapters"].as_array().ok_or_eyre("no adapters were deployed")?;
        let chain = &mut Local::new(world);
        let mut market = Market::empty(Protocols::on_mainnet(), ["USDC", "ETH"]);
        for mut pool in self.pools()? {
            let (kind, protocol) = match pool.kind.as_str() {
                "uniswap_v2" => ("uniswapV2", Some(chain.call(pool.address, &Factories::factoryCall {}))),
                "uniswap_v3" => ("uniswapV3", None),
                "balancer_weighted" => ("balancerWeighted", None),
                _ => ("stableSwap", None),
            };
            let is_its = |adapter: &&Value| {
                let of = |key: &str| adapter[key].as_str().unwrap_or_default();
                of("kind") == kind && protocol.is_none_or(|p| of("protocol").parse() == Ok(p))
            };
            let adapter = adapters.iter().find(is_its).ok_or_eyre("an adapter for each pool")?;
            pool.adapter = Some(adapter["address"].as_str().ok_or_eyre("an address")?.parse()?);
            market.pools.push(pool);
        }
        market.trust(world)?;
        Ok(market)
    }
}

/// A name for what is made here: of the sources that make it, the packages, the pool of our own and the tokens.
fn key() -> eyre::Result<String> {
    let mut text = include_bytes!("mainnet.rs").to_vec();
    text.extend(include_bytes!("../market.rs"));
    text.extend(include_bytes!("../../../protocols/src/lib.rs"));
    text.extend(include_bytes!("../../../protocols/src/mainnet.rs"));
    text.extend(include_bytes!("../../../../package-lock.json"));
    text.extend(creation_code(STABLE));
    for token in ["PlainToken", "NoReturnToken"] {
        text.extend(creation_code(&artifact(token)));
    }
    Ok(hex::encode(&keccak256(text)[..8]))
}

fn artifact(token: &str) -> String {
    format!("out/Tokens.sol/{token}.json")
}

/// Puts everything there. Amounts are those of an ordinary day, rounded.
fn fill(chain: &mut Local) -> eyre::Result<Vec<Place>> {
    let protocols = Protocols::deploy_as_on_mainnet(chain);
    let weth = protocols.weth;
    chain.wrap_ether(weth)?;
    for (at, name, symbol, decimals, kind) in [
        (USDC, "USD Coin", "USDC", 6_u64, "PlainToken"),
        // Says nothing when it is transferred.
        (USDT, "Tether USD", "USDT", 6, "NoReturnToken"),
        (DAI, "Dai Stablecoin", "DAI", 18, "PlainToken"),
    ] {
        let arguments = (name.to_owned(), symbol.to_owned(), U256::from(decimals)).abi_encode_params();
        chain.deploy_at(at, &artifact(kind), arguments);
        let amount = units(10_000_000_000, if decimals == 6 { 6 } else { 18 });
        chain.call(at, &TestToken::mintCall { to: DEPLOYER, amount });
    }
    let sushi = protocols.with_fork_of_v2(chain, [SUSHI_FACTORY, SUSHI_ROUTER]);
    for token in [USDC, USDT, DAI, weth] {
        protocols.approve(chain, token);
        sushi.approve(chain, token);
    }
    let (usdc, usdt, dai, eth) = (
        |whole: u64| (USDC, units(whole, 6)),
        |whole: u64| (USDT, units(whole, 6)),
        |whole: u64| (DAI, units(whole, 18)),
        |whole: u64| (weth, units(whole, 18)),
    );
    let mut market = Market::empty(protocols, ["USDC", "ETH"]);
    market.add_v2(chain, [usdc(45_000_000), eth(15_000)]);
    market.add_v2(chain, [dai(12_000_000), eth(4_000)]);
    market.add_v2(chain, [usdt(36_000_000), eth(12_000)]);
    market.protocols = sushi;
    market.add_v2(chain, [usdc(6_000_000), eth(2_000)]);
    market.protocols = protocols;
    let (fee, spacing) = (U24::from(100), I24::ONE);
    chain.call(protocols.factory3, &Factories::enableFeeAmountCall { fee, spacing });
    market.add_v3(chain, 100, 1, [dai(25_000_000), usdc(25_000_000)]);
    market.add_v3(chain, 500, 10, [usdc(75_000_000), eth(25_000)]);
    market.add_v3(chain, 3_000, 60, [usdc(40_000_000), eth(13_000)]);
    market.add_v3(chain, 3_000, 60, [dai(6_000_000), eth(2_000)]);

    let three =
        [(DAI, 18, units(60_000_000, 18)), (USDC, 6, units(62_000_000, 6)), (USDT, 6, units(55_000_000, 6))];
    // 0.01 percent.
    let arguments = stable_arguments(&three, U256::from(2_000), U256::ONE, U256::from(1_000_000));
    chain.deploy_at(THREE_POOL, STABLE, arguments);
    protocols.fill_stable(chain, THREE_POOL, &three);
    market.add("stable_swap", THREE_POOL, three.map(|(token, ..)| token).to_vec());

    let weighted = [(DAI, 40, units(2_400_000, 18)), (weth, 60, units(1_200, 18))];
    // 0.05 percent.
    let (pool, _) = protocols.weighted(chain, &weighted, units(5, 14));
    market.add("balancer_weighted", pool, weighted.map(|(token, ..)| token).to_vec());
    Ok(market.pools)
}
