//! The protocols' published bytecode, deployed and filled on the chain of a test.
//!
//! `npm ci` brings Uniswap and Balancer, `forge build` the StableSwap pool and the tokens. What goes wrong is a mistake of
//! the test, and panics.

mod interfaces;
pub mod mainnet;

use alloy_primitives::{
    Address, B256, Bytes, U256,
    aliases::{I24, U24, U160},
};
use alloy_sol_types::{SolCall, SolValue};
use std::{fs, path::Path};

pub use interfaces::{Balancer, Stable, Token, V2, V3};

const UNISWAP: &str = "node_modules/@uniswap/";
const BALANCER: &str = "node_modules/@balancer-labs/v2-deployments/dist/tasks/";

/// The pool of our own with the published arithmetic.
pub const STABLE: &str = "out/StableSwapPool.sol/StableSwapPool.json";

/// A chain on which one account does everything.
pub trait Chain {
    fn owner(&self) -> Address;

    /// Deploys.
    fn create(&mut self, code: Vec<u8>) -> Address;

    /// Sends a call, and has it in a block. Its answer, or why it reverts.
    fn send(&mut self, to: Address, data: Vec<u8>) -> Result<Bytes, String>;

    /// Deploys an artifact with constructor arguments.
    fn deploy(&mut self, artifact: &str, arguments: Vec<u8>) -> Address {
        let mut code = creation_code(artifact).to_vec();
        code.extend(arguments);
        self.create(code)
    }

    /// The answer, or none when the call reverts.
    fn attempt<C: SolCall>(&mut self, to: Address, call: &C) -> Option<C::Return> {
        let answer = self.send(to, call.abi_encode()).ok()?;
        Some(C::abi_decode_returns(&answer).expect("an answer of the declared type"))
    }

    fn call<C: SolCall>(&mut self, to: Address, call: &C) -> C::Return {
        match self.send(to, call.abi_encode()) {
            Ok(answer) => C::abi_decode_returns(&answer).expect("an answer of the declared type"),
            Err(why) => panic!("{}: {why}", C::SIGNATURE),
        }
    }

    /// A token, of which the owner has more than any test needs.
    fn token(&mut self, decimals: u8) -> Address {
        let arguments = ("Token".to_owned(), "TKN".to_owned(), U256::from(decimals)).abi_encode_params();
        let token = self.deploy("out/Tokens.sol/PlainToken.json", arguments);
        let to = self.owner();
        self.call(token, &Token::mintCall { to, amount: U256::ONE << 200 });
        token
    }

    fn held(&mut self, token: Address) -> U256 {
        let account = self.owner();
        self.call(token, &Token::balanceOfCall { account })
    }
}

/// A chain on which code can be put anywhere.
pub trait Placing: Chain {
    fn set_code(&mut self, at: Address, code: Bytes);

    /// Deploys an artifact to an address of one's choice: its constructor runs there, in place of the contract, so that what
    /// it stores and what it makes of its own address are right.
    fn deploy_at(&mut self, at: Address, artifact: &str, arguments: Vec<u8>) -> Address {
        let mut code = creation_code(artifact).to_vec();
        code.extend(arguments);
        self.set_code(at, code.into());
        match self.send(at, Vec::new()) {
            Ok(code) => self.set_code(at, code),
            Err(why) => panic!("{artifact}: {why}"),
        }
        at
    }
}

/// The protocols on one chain.
#[derive(Clone, Copy, Debug)]
pub struct Protocols {
    pub weth: Address,
    pub factory2: Address,
    pub router2: Address,
    pub factory3: Address,
    pub router3: Address,
    positions: Address,
    /// Of Balancer.
    pub vault: Address,
    /// Of weighted pools.
    pub weighted: Address,
}

impl Protocols {
    /// Wherever they come to be.
    pub fn deploy(chain: &mut impl Chain) -> Self {
        Self::put(chain, |chain, _, artifact, arguments| chain.deploy(artifact, arguments))
    }

    /// Where they are on mainnet.
    pub fn on_mainnet() -> Self {
        Self {
            weth: mainnet::WETH,
            factory2: mainnet::V2_FACTORY,
            router2: mainnet::V2_ROUTER,
            factory3: mainnet::V3_FACTORY,
            router3: mainnet::V3_ROUTER,
            positions: mainnet::V3_POSITIONS,
            vault: mainnet::BALANCER_VAULT,
            weighted: mainnet::BALANCER_WEIGHTED,
        }
    }

    /// The same, on a chain that has none of them yet.
    pub fn deploy_as_on_mainnet(chain: &mut impl Placing) -> Self {
        Self::put(chain, |chain, at, artifact, arguments| chain.deploy_at(at, artifact, arguments))
    }

    fn put<C: Chain>(chain: &mut C, create: impl Fn(&mut C, Address, &str, Vec<u8>) -> Address) -> Self {
        let (there, owner, tenth) = (Self::on_mainnet(), chain.owner(), units(1, 17));
        let uniswap = |path: &str| format!("{UNISWAP}{path}.json");
        let periphery = |name: &str| uniswap(&format!("v3-periphery/artifacts/contracts/{name}.sol/{name}"));
        let balancer = |path: &str| format!("{BALANCER}{path}.json");
        let weth = create(chain, there.weth, &uniswap("v2-periphery/build/WETH9"), Vec::new());
        let [factory2, router2] = put_v2(chain, &create, weth, [there.factory2, there.router2]);
        let factory3 = create(
            chain,
            there.factory3,
            &uniswap("v3-core/artifacts/contracts/UniswapV3Factory.sol/UniswapV3Factory"),
            Vec::new(),
        );
        let router3 =
            create(chain, there.router3, &periphery("SwapRouter"), (factory3, weth).abi_encode_params());
        let positions = create(
            chain,
            there.positions,
            &periphery("NonfungiblePositionManager"),
            (factory3, weth, weth).abi_encode_params(),
        );
        let authorizer = create(
            chain,
            mainnet::BALANCER_AUTHORIZER,
            &balancer("20210418-authorizer/artifact/Authorizer"),
            owner.abi_encode(),
        );
        let vault = create(
            chain,
            there.vault,
            &balancer("20210418-vault/artifact/Vault"),
            (authorizer, weth, U256::ZERO, U256::ZERO).abi_encode_params(),
        );
        let fees = create(
            chain,
            mainnet::BALANCER_FEES,
            &balancer("20220725-protocol-fee-percentages-provider/artifact/ProtocolFeePercentagesProvider"),
            (vault, tenth, tenth).abi_encode_params(),
        );
        let weighted = create(
            chain,
            there.weighted,
            &balancer("20220908-weighted-pool-v2/bytecode/WeightedPoolFactory"),
            (vault, fees).abi_encode_params(),
        );
        Self { weth, factory2, router2, factory3, router3, positions, vault, weighted }
    }

    /// The same with a fork of Uniswap V2 in its place, whose factory and router are where one says.
    pub fn with_fork_of_v2(mut self, chain: &mut impl Placing, places: [Address; 2]) -> Self {
        let deploy =
            |chain: &mut _, at, artifact: &str, arguments| Placing::deploy_at(chain, at, artifact, arguments);
        [self.factory2, self.router2] = put_v2(chain, &deploy, self.weth, places);
        self
    }

    /// Lets the protocols take what they need of a token.
    pub fn approve(&self, chain: &mut impl Chain, token: Address) {
        for spender in [self.router2, self.router3, self.positions, self.vault] {
            chain.call(token, &Token::approveCall { spender, amount: U256::MAX });
        }
    }

    /// A pair with so much of each token.
    pub fn v2(&self, chain: &mut impl Chain, [a, b]: [(Address, U256); 2]) -> Address {
        let add = V2::addLiquidityCall {
            a: a.0,
            b: b.0,
            wantA: a.1,
            wantB: b.1,
            minA: U256::ZERO,
            minB: U256::ZERO,
            to: chain.owner(),
            deadline: U256::MAX,
        };
        chain.call(self.router2, &add);
        chain.call(self.factory2, &V2::getPairCall { a: a.0, b: b.0 })
    }

    /// A pool of sorted tokens at a price, empty.
    pub fn v3(&self, chain: &mut impl Chain, tokens: [Address; 2], fee: u32, sqrt_price: U256) -> Address {
        let fee = U24::from(fee);
        let pool = chain.call(self.factory3, &V3::createPoolCall { a: tokens[0], b: tokens[1], fee });
        chain.call(pool, &V3::initializeCall { sqrtPrice: U160::from(sqrt_price) });
        pool
    }

    /// A position in such a pool: from lower to upper tick, of at most so much of each token.
    pub fn position(
        &self,
        chain: &mut impl Chain,
        tokens: [Address; 2],
        fee: u32,
        ticks: [i32; 2],
        want: [U256; 2],
    ) {
        let params = V3::Mint {
            token0: tokens[0],
            token1: tokens[1],
            fee: U24::from(fee),
            low: tick24(ticks[0]),
            high: tick24(ticks[1]),
            want0: want[0],
            want1: want[1],
            min0: U256::ZERO,
            min1: U256::ZERO,
            to: chain.owner(),
            deadline: U256::MAX,
        };
        chain.call(self.positions, &V3::mintCall { params });
    }

    /// A StableSwap pool with so much of each token.
    pub fn stable(
        &self,
        chain: &mut impl Chain,
        tokens: &[(Address, u8, U256)],
        amplification: U256,
        precision: U256,
        fee: U256,
    ) -> Address {
        let arguments = stable_arguments(tokens, amplification, precision, fee);
        let pool = chain.deploy(STABLE, arguments);
        self.fill_stable(chain, pool, tokens);
        pool
    }

    /// Brings such a pool so much of each token.
    pub fn fill_stable(&self, chain: &mut impl Chain, pool: Address, tokens: &[(Address, u8, U256)]) {
        for (token, ..) in tokens {
            chain.call(*token, &Token::approveCall { spender: pool, amount: U256::MAX });
        }
        let amounts = tokens.iter().map(|(.., amount)| *amount).collect();
        chain.call(pool, &Stable::donateCall { amounts });
    }

    /// A weighted pool of sorted tokens with their percentages and so much of each; the fee has 18 decimals. Its address,
    /// and its name at the vault.
    pub fn weighted(
        &self,
        chain: &mut impl Chain,
        tokens: &[(Address, u64, U256)],
        fee: U256,
    ) -> (Address, B256) {
        let owner = chain.owner();
        let assets: Vec<Address> = tokens.iter().map(|(token, ..)| *token).collect();
        let amounts: Vec<U256> = tokens.iter().map(|(.., amount)| *amount).collect();
        let create = Balancer::createCall {
            name: "Pool".into(),
            symbol: "P".into(),
            tokens: assets.clone(),
            weights: tokens.iter().map(|(_, percent, _)| units(*percent, 16)).collect(),
            rateProviders: vec![Address::ZERO; assets.len()],
            fee,
            owner,
        };
        let pool = chain.call(self.weighted, &create);
        let id = chain.call(pool, &Balancer::getPoolIdCall {});
        let request = Balancer::Join {
            assets,
            most: amounts.clone(),
            // Kind 0: the first join.
            userData: (U256::ZERO, amounts).abi_encode_params().into(),
            internalBalance: false,
        };
        let join = Balancer::joinPoolCall { poolId: id, sender: owner, to: owner, request };
        chain.call(self.vault, &join);
        (pool, id)
    }
}

/// Uniswap V2's factory and router.
fn put_v2<C: Chain>(
    chain: &mut C,
    create: &impl Fn(&mut C, Address, &str, Vec<u8>) -> Address,
    weth: Address,
    places: [Address; 2],
) -> [Address; 2] {
    let (artifact, owner) = (|path: &str| format!("{UNISWAP}{path}.json"), chain.owner().abi_encode());
    let factory = create(chain, places[0], &artifact("v2-core/build/UniswapV2Factory"), owner);
    let arguments = (factory, weth).abi_encode_params();
    [factory, create(chain, places[1], &artifact("v2-periphery/build/UniswapV2Router02"), arguments)]
}

/// What a StableSwap pool is made with; `amplification` is times `precision`, the fee in parts of 1e10.
pub fn stable_arguments(
    tokens: &[(Address, u8, U256)],
    amplification: U256,
    precision: U256,
    fee: U256,
) -> Vec<u8> {
    let coins: Vec<Address> = tokens.iter().map(|(token, ..)| *token).collect();
    let rates: Vec<U256> = tokens.iter().map(|(_, decimals, _)| units(1, 36 - decimals)).collect();
    (coins, rates, amplification, precision, fee).abi_encode_params()
}

/// Creation code in the forms of forge, hardhat, truffle and Balancer.
pub fn creation_code(artifact: &str) -> Bytes {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let path = root.join(artifact);
    let text = fs::read_to_string(&path)
        .unwrap_or_else(|e| panic!("{}: {e}; run `npm ci` and `forge build` first", path.display()));
    let json: serde_json::Value = serde_json::from_str(&text).expect("an artifact is JSON");
    let forms = [&json["bytecode"]["object"], &json["bytecode"], &json["creationCode"]];
    let code = forms.into_iter().find_map(serde_json::Value::as_str).expect("an artifact has code");
    code.parse().expect("code is hexadecimal")
}

pub fn tick24(tick: i32) -> I24 {
    I24::try_from(tick).expect("a tick has 24 bits")
}

/// `amount` whole tokens in units.
pub fn units(amount: u64, decimals: u8) -> U256 {
    U256::from(amount) * U256::from(10).pow(U256::from(decimals))
}
