//! Pools beside the vault, of all four kinds, in the protocols' own bytecode: what a swap between the test assets goes
//! through. One ETH is 3,000 TUSD, one TDAI is one TUSD.

pub mod mainnet;

use crate::world::{DEPLOYER, GOVERNANCE, LANES, TestToken, World, amount_of_ether};
use alloy::{
    primitives::{Address, B256, Bytes, TxKind, U256, keccak256},
    providers::{DynProvider, Provider, ext::AnvilApi},
    rpc::types::{Filter, TransactionReceipt, TransactionRequest},
    sol,
    sol_types::{SolCall, SolEvent, SolValue},
};
use eyre::OptionExt;
use protocols::{Chain, Placing, Protocols, V3, units};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use spillway::chain::abi::IVault;
use tokio::{runtime::Handle, task::block_in_place};

sol! {
    interface Weth {
        function deposit() external payable;
    }
    /// What governance does with splitter and adapters.
    interface Governed {
        function addAdapter(address adapter, bytes32 codehash) external;
        function addConnector(address token) external;
        function addPool(address pool) external;
        /// Of the double of the oracle guard.
        function set(address asset, uint256 lo, uint256 hi) external;
        function refuse(address asset, uint8 refused) external;
    }
}

/// The account that swaps: a lane that pays no batches.
pub const SWAPPER: (Address, &str) = LANES[2];

const GAS: u64 = 16_000_000;
/// All that a vault may be told to refuse, a bit per action: swaps.
const SWAPS: u8 = 1 << 1;

/// A local chain as the protocols are deployed on it: each transaction is in a block when it returns. Only in a runtime of
/// several threads.
#[derive(Debug)]
pub struct Local {
    provider: DynProvider,
    owner: Address,
}

impl Local {
    pub fn new(world: &World) -> Self {
        Self::of(world, DEPLOYER)
    }

    /// As `owner`, whose key nobody needs.
    pub fn of(world: &World, owner: Address) -> Self {
        Self::at(world.provider(), owner)
    }

    pub fn at(provider: &DynProvider, owner: Address) -> Self {
        Self { provider: provider.clone(), owner }
    }

    fn wait<T>(&self, what: impl Future<Output = eyre::Result<T>>) -> eyre::Result<T> {
        block_in_place(|| Handle::current().block_on(what))
    }

    /// Gives the owner a million WETH, and ETH for all else.
    fn wrap_ether(&mut self, weth: Address) -> eyre::Result<()> {
        let balance = amount_of_ether(10_000_000);
        self.wait(async { Ok(self.provider.anvil_set_balance(self.owner, balance).await?) })?;
        self.pay(weth, amount_of_ether(1_000_000), Weth::depositCall {}.abi_encode())
            .map_err(|why| eyre::eyre!("no WETH: {why}"))?;
        Ok(())
    }

    async fn mined(&self, request: TransactionRequest) -> eyre::Result<TransactionReceipt> {
        let hash = *self.provider.send_transaction(request).await?.tx_hash();
        if self.provider.get_transaction_receipt(hash).await?.is_none() {
            self.provider.anvil_mine(Some(1), None).await?;
        }
        self.provider.get_transaction_receipt(hash).await?.ok_or_eyre("a transaction is not in the block")
    }

    /// Sends a call with some of the chain's coin.
    pub fn pay(&mut self, to: Address, value: U256, data: Vec<u8>) -> Result<Bytes, String> {
        let request = TransactionRequest { gas: Some(GAS), value: Some(value), ..Default::default() };
        let request = request.from(self.owner()).to(to).input(Bytes::from(data).into());
        let done = self.wait(async {
            let answer = self.provider.call(request.clone()).await?;
            let receipt = self.mined(request).await?;
            eyre::ensure!(receipt.status(), "it reverted in its block");
            Ok(answer)
        });
        done.map_err(|error| format!("{error:#}"))
    }
}

impl Chain for Local {
    fn owner(&self) -> Address {
        self.owner
    }

    fn create(&mut self, code: Vec<u8>) -> Address {
        let request = TransactionRequest { gas: Some(GAS), to: Some(TxKind::Create), ..Default::default() };
        let request = request.from(self.owner()).input(Bytes::from(code).into());
        let receipt = self.wait(self.mined(request)).expect("a deployment is mined");
        receipt.contract_address.filter(|_| receipt.status()).expect("something was deployed")
    }

    fn send(&mut self, to: Address, data: Vec<u8>) -> Result<Bytes, String> {
        self.pay(to, U256::ZERO, data)
    }
}

impl Placing for Local {
    fn set_code(&mut self, at: Address, code: Bytes) {
        self.wait(async {
            // A contract begins with 1, and what it made itself counts.
            if self.provider.get_transaction_count(at).await? == 0 {
                self.provider.anvil_set_nonce(at, 1).await?;
            }
            Ok(self.provider.anvil_set_code(at, code).await?)
        })
        .expect("code can be put anywhere");
    }
}

/// A pool, as the keeper's configuration names it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Place {
    pub kind: String,
    pub address: Address,
    pub tokens: Vec<Address>,
    pub adapter: Option<Address>,
}

impl Place {
    /// Its entry.
    pub fn config(&self) -> String {
        let Self { kind, address, tokens, adapter } = self;
        let tokens: Vec<String> = tokens.iter().map(Address::to_string).collect();
        let adapter = adapter.map(|adapter| format!("adapter = \"{adapter}\"\n")).unwrap_or_default();
        format!("[[swap.pools]]\nkind = {kind:?}\naddress = \"{address}\"\ntokens = {tokens:?}\n{adapter}")
    }
}

/// The pools.
#[derive(Debug)]
pub struct Market {
    pub protocols: Protocols,
    pub pools: Vec<Place>,
    /// Wrapped ETH.
    pub weth: Address,
    guard: Option<Address>,
    /// What the keeper may sell.
    sources: [&'static str; 2],
}

impl Market {
    fn empty(protocols: Protocols, sources: [&'static str; 2]) -> Self {
        Self { protocols, pools: Vec::new(), weth: protocols.weth, guard: None, sources }
    }

    /// Between TUSD and TDAI a StableSwap pool of 2 million each, a V3 pool, a V2 pair and a weighted pool; between each
    /// of them and ETH a V3 pool or a pair, so that there are ways around.
    pub fn open(world: &World) -> eyre::Result<Self> {
        let chain = &mut Local::new(world);
        let (tusd, tdai) = (world.asset("TUSD").address, world.asset("TDAI").address);
        let protocols = Protocols::deploy(chain);
        let weth = protocols.weth;
        chain.wrap_ether(weth)?;
        for (token, amount) in [(tusd, units(100_000_000, 6)), (tdai, units(100_000_000, 18))] {
            chain.call(token, &TestToken::mintCall { to: DEPLOYER, amount });
        }
        for token in [tusd, tdai, weth] {
            protocols.approve(chain, token);
        }
        let mut market = Self::empty(protocols, ["TUSD", "ETH"]);
        let (usd, dai, eth) = (
            |whole: u64| (tusd, units(whole, 6)),
            |whole: u64| (tdai, units(whole, 18)),
            |whole: u64| (weth, units(whole, 18)),
        );
        market.add_v2(chain, [usd(400_000), dai(400_000)]);
        market.add_v2(chain, [dai(600_000), eth(200)]);
        market.add_v3(chain, 500, 10, [usd(700_000), dai(700_000)]);
        market.add_v3(chain, 3_000, 60, [usd(3_000_000), eth(1_000)]);
        let amounts = [(tusd, 6, units(2_000_000, 6)), (tdai, 18, units(2_000_000, 18))];
        let (amplification, precision) = (U256::from(200 * 100), U256::from(100));
        let stable = protocols.stable(chain, &amounts, amplification, precision, U256::from(4_000_000));
        market.add("stable_swap", stable, vec![tusd, tdai]);
        let mut weighted = [(tusd, 40, units(400_000, 6)), (tdai, 60, units(600_000, 18))];
        weighted.sort();
        // 0.1 percent.
        let (pool, _) = protocols.weighted(chain, &weighted, units(1, 15));
        market.add("balancer_weighted", pool, vec![tusd, tdai]);
        Ok(market)
    }

    /// Deploys splitter and adapters, and lets the vault swap, as governance does: with prices from a double of the guard,
    /// at most 1 percent below them, 2 million whole coins a day of each asset.
    pub fn govern(&mut self, world: &World) -> eyre::Result<()> {
        let deployment: Value = serde_json::from_str(&std::fs::read_to_string(&world.deployment_file)?)?;
        let manager: Address =
            deployment["accessManager"].as_str().ok_or_eyre("no access manager")?.parse()?;
        let chain = &mut Local::new(world);
        let of = |name: &str| format!("out/{name}.sol/{name}.json");
        let (vault, protocols) = (world.vault(), self.protocols);
        let splitter = chain.deploy(&of("SwapSplitter"), (manager, vault, self.weth).abi_encode_params());
        let v2 = (protocols.factory2, U256::from(997), U256::from(1_000)).abi_encode_params();
        let adapters = [
            ("uniswap_v2", chain.deploy(&of("UniswapV2Adapter"), v2)),
            ("uniswap_v3", chain.deploy(&of("UniswapV3Adapter"), protocols.factory3.abi_encode())),
            ("stable_swap", chain.deploy(&of("StableSwapAdapter"), manager.abi_encode())),
            (
                "balancer_weighted",
                chain.deploy(
                    &of("BalancerAdapter"),
                    (protocols.vault, protocols.weighted).abi_encode_params(),
                ),
            ),
        ];
        let governance = &mut Local::of(world, GOVERNANCE);
        for (kind, adapter) in adapters {
            let code = chain.wait(async { Ok(world.provider().get_code_at(adapter).await?) })?;
            let codehash: B256 = keccak256(code);
            governance.call(splitter, &Governed::addAdapterCall { adapter, codehash });
            for place in self.pools.iter_mut().filter(|place| place.kind == kind) {
                place.adapter = Some(adapter);
                if kind == "stable_swap" {
                    governance.call(adapter, &Governed::addPoolCall { pool: place.address });
                }
            }
        }
        governance.call(splitter, &Governed::addConnectorCall { token: self.weth });
        governance.call(vault, &IVault::setSplitterCall { splitter_: splitter });
        self.trust(world)?;
        for asset in world.deployment.assets.iter() {
            let capacity = units(2_000_000, asset.decimals).to();
            let rules = IVault::SwapRules { capacity, window: 86_400, slippageBps: 100 };
            governance.call(vault, &IVault::setSwapRulesCall { asset: asset.address, rules });
        }
        Ok(())
    }

    /// Has the vault take its prices from a double of the guard, as governance does.
    fn trust(&mut self, world: &World) -> eyre::Result<()> {
        let guard = Local::new(world).deploy("out/FixedGuard.sol/FixedGuard.json", Vec::new());
        self.guard = Some(guard);
        self.set_prices(world, false)?;
        let set = IVault::setOracleCall { guard, priceLife: 3_600 };
        Local::of(world, GOVERNANCE).call(world.vault(), &set);
        Ok(())
    }

    /// What the guard says: the prices of this market, and whether it refuses them for swaps.
    pub fn set_prices(&self, world: &World, refused: bool) -> eyre::Result<()> {
        let guard = self.guard.ok_or_eyre("the vault has no guard yet")?;
        let chain = &mut Local::new(world);
        for asset in world.deployment.assets.iter() {
            // USD per smallest unit, times 1e36.
            let price = U256::from(if asset.is_native() { 3_000 } else { 1 });
            let price = price * U256::from(10).pow(U256::from(36 - asset.decimals));
            chain.call(guard, &Governed::setCall { asset: asset.address, lo: price, hi: price });
            let refused = if refused { SWAPS } else { 0 };
            chain.call(guard, &Governed::refuseCall { asset: asset.address, refused });
        }
        Ok(())
    }

    /// How often the vault swapped, and by which transactions.
    pub async fn swaps(&self, world: &World) -> eyre::Result<Vec<(IVault::Swapped, B256)>> {
        let filter = Filter::new()
            .address(world.vault())
            .event_signature(IVault::Swapped::SIGNATURE_HASH)
            .from_block(0);
        let logs = world.provider().get_logs(&filter).await?;
        logs.iter()
            .map(|log| {
                let tx = log.transaction_hash.ok_or_eyre("a log is in a block")?;
                Ok((IVault::Swapped::decode_log(&log.inner)?.data, tx))
            })
            .collect()
    }

    fn add(&mut self, kind: &str, address: Address, tokens: Vec<Address>) {
        self.pools.push(Place { kind: kind.to_owned(), address, tokens, adapter: None });
    }

    fn add_v2(&mut self, chain: &mut Local, amounts: [(Address, U256); 2]) {
        let pair = self.protocols.v2(chain, amounts);
        self.add("uniswap_v2", pair, amounts.map(|(token, _)| token).to_vec());
    }

    /// At the price of the amounts, with three positions around it that hold about so much together.
    fn add_v3(&mut self, chain: &mut Local, fee: u32, spacing: i32, mut amounts: [(Address, U256); 2]) {
        amounts.sort();
        let tokens = amounts.map(|(token, _)| token);
        let [want0, want1] = amounts.map(|(_, amount)| amount);
        let price: U256 = (want1 << 128) / want0;
        let root = price.root(2) << 32;
        let pool = self.protocols.v3(chain, tokens, fee, root);
        let tick = chain.call(pool, &V3::slot0Call {}).tick.as_i32() / spacing * spacing;
        for (part, width) in [(2, 4), (3, 40), (5, 400)] {
            let want = [want0, want1].map(|amount| amount * U256::from(part) / U256::from(10));
            let ticks = [tick - width * spacing, tick + width * spacing];
            self.protocols.position(chain, tokens, fee, ticks, want);
        }
        self.add("uniswap_v3", pool, tokens.to_vec());
    }

    /// The keys of `[swap]` that name the pools; what is due is bought alone.
    pub fn config(&self) -> String {
        let signer = match self.guard {
            Some(_) => {
                format!("signer = {{ private_key_env = \"SWAP_KEY\" }}\nsources = {:?}\n", self.sources)
            }
            None => String::new(),
        };
        let mut text = format!("[swap]\nhorizon = \"0s\"\nconnectors = [\"{}\"]\n{signer}", self.weth);
        self.pools.iter().for_each(|pool| text += &pool.config());
        text
    }
}
