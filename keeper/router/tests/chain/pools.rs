//! Pools of all four kinds with random parameters, read and swapped on.

use super::{Chain, OWNER};
use alloy_primitives::{
    Address, B256, Bytes, U256,
    aliases::{I24, U24, U160},
};
use alloy_sol_types::{SolValue, sol};
use rand::{RngExt, rngs::StdRng};
use router::{Pool, StablePool, V2Pool, V3Pool, WeightedPool};

const UNISWAP: &str = "node_modules/@uniswap/";
const BALANCER: &str = "node_modules/@balancer-labs/v2-deployments/dist/tasks/";

sol! {
    interface V2 {
        function addLiquidity(address a, address b, uint256 wantA, uint256 wantB, uint256 minA, uint256 minB, address to, uint256 deadline) external returns (uint256, uint256, uint256);
        function getPair(address a, address b) external view returns (address);
        function getReserves() external view returns (uint112 reserve0, uint112 reserve1, uint32 timestamp);
        function swapExactTokensForTokens(uint256 amountIn, uint256 min, address[] path, address to, uint256 deadline) external returns (uint256[] amounts);
        function swapTokensForExactTokens(uint256 amountOut, uint256 max, address[] path, address to, uint256 deadline) external returns (uint256[] amounts);
    }
    interface V3 {
        struct Mint { address token0; address token1; uint24 fee; int24 low; int24 high; uint256 want0; uint256 want1; uint256 min0; uint256 min1; address to; uint256 deadline; }
        struct In { address tokenIn; address tokenOut; uint24 fee; address to; uint256 deadline; uint256 amountIn; uint256 min; uint160 limit; }
        struct Out { address tokenIn; address tokenOut; uint24 fee; address to; uint256 deadline; uint256 amountOut; uint256 max; uint160 limit; }
        function createPool(address a, address b, uint24 fee) external returns (address);
        function initialize(uint160 sqrtPrice) external;
        function mint(Mint params) external returns (uint256, uint128, uint256, uint256);
        function slot0() external view returns (uint160 sqrtPrice, int24 tick, uint16, uint16, uint16, uint8, bool);
        function liquidity() external view returns (uint128);
        function ticks(int24 tick) external view returns (uint128 gross, int128 net, uint256, uint256, int56, uint160, uint32, bool);
        function exactInputSingle(In params) external returns (uint256);
        function exactOutputSingle(Out params) external returns (uint256);
    }
    interface Balancer {
        struct Join { address[] assets; uint256[] most; bytes userData; bool internalBalance; }
        struct Single { bytes32 poolId; uint8 kind; address tokenIn; address tokenOut; uint256 amount; bytes userData; }
        struct Funds { address sender; bool fromInternal; address to; bool toInternal; }
        function create(string name, string symbol, address[] tokens, uint256[] weights, address[] rateProviders, uint256 fee, address owner) external returns (address);
        function getPoolId() external view returns (bytes32);
        function joinPool(bytes32 poolId, address sender, address to, Join request) external;
        function getPoolTokens(bytes32 poolId) external view returns (address[] tokens, uint256[] balances, uint256 block);
        function swap(Single single, Funds funds, uint256 limit, uint256 deadline) external returns (uint256);
    }
    interface Stable {
        function donate(uint256[] amounts) external;
        function balances(uint256 k) external view returns (uint256);
        function exchange(uint256 i, uint256 j, uint256 amount) external returns (uint256);
    }
}

/// What stands behind a pool of the router.
enum Place {
    V2(Address),
    V3(Address),
    Stable(Address),
    Weighted(B256),
}

/// The protocols, their pools, and what was last read of each.
pub struct World {
    chain: Chain,
    router2: Address,
    router3: Address,
    vault: Address,
    pools: Vec<(Pool, Place)>,
}

impl World {
    /// Pools of every kind, three shapes of each.
    pub fn new(random: &mut StdRng) -> Self {
        let mut chain = Chain::new();
        let nobody = Address::repeat_byte(0x77);
        let factory2 =
            chain.deploy(&format!("{UNISWAP}v2-core/build/UniswapV2Factory.json"), OWNER.abi_encode());
        let router2 = chain.deploy(
            &format!("{UNISWAP}v2-periphery/build/UniswapV2Router02.json"),
            (factory2, nobody).abi_encode_params(),
        );
        let core3 =
            format!("{UNISWAP}v3-core/artifacts/contracts/UniswapV3Factory.sol/UniswapV3Factory.json");
        let factory3 = chain.deploy(&core3, Vec::new());
        let periphery =
            |name: &str| format!("{UNISWAP}v3-periphery/artifacts/contracts/{name}.sol/{name}.json");
        let router3 = chain.deploy(&periphery("SwapRouter"), (factory3, nobody).abi_encode_params());
        let positions = chain
            .deploy(&periphery("NonfungiblePositionManager"), (factory3, nobody, nobody).abi_encode_params());
        let authorizer = chain
            .deploy(&format!("{BALANCER}20210418-authorizer/artifact/Authorizer.json"), OWNER.abi_encode());
        let vault = chain.deploy(
            &format!("{BALANCER}20210418-vault/artifact/Vault.json"),
            (authorizer, nobody, U256::ZERO, U256::ZERO).abi_encode_params(),
        );
        let fees = chain.deploy(
            &format!(
                "{BALANCER}20220725-protocol-fee-percentages-provider/artifact/ProtocolFeePercentagesProvider.json"
            ),
            (vault, U256::from(10).pow(U256::from(17)), U256::from(10).pow(U256::from(17))).abi_encode_params(),
        );
        let weighted = chain.deploy(
            &format!("{BALANCER}20220908-weighted-pool-v2/bytecode/WeightedPoolFactory.json"),
            (vault, fees).abi_encode_params(),
        );
        let spenders = [router2, router3, positions, vault];
        let mut world = Self { chain, router2, router3, vault, pools: Vec::new() };
        for decimals in [[18, 18], [18, 6], [6, 8]] {
            let tokens = decimals.map(|d| world.chain.token(d, &spenders));
            world.add_v2(factory2, tokens, decimals, random);
        }
        for (fee, spacing) in [(500, 10), (3_000, 60), (10_000, 200)] {
            let tokens = [18, 18].map(|d| world.chain.token(d, &spenders));
            world.add_v3(factory3, positions, tokens, fee, spacing, random);
        }
        for (decimals, amplification, precision) in
            [(&[18, 18][..], 100, 1), (&[18, 6, 6], 2_000 * 100, 100), (&[6, 8, 18, 18], 50 * 100, 100)]
        {
            world.add_stable(decimals, amplification, precision, random);
        }
        for weights in [&[50, 50][..], &[80, 20], &[33, 33, 34], &[10, 20, 30, 40]] {
            world.add_weighted(weighted, weights, &spenders, random);
        }
        world
    }

    fn pool(&self, n: usize) -> &Pool {
        &self.pools[n].0
    }

    fn add_v2(&mut self, factory: Address, tokens: [Address; 2], decimals: [u8; 2], random: &mut StdRng) {
        let mut order = [(tokens[0], decimals[0]), (tokens[1], decimals[1])];
        order.sort();
        let [a, b] =
            order.map(|(token, decimals)| (token, units(random.random_range(10_000..10_000_000), decimals)));
        let deadline = U256::MAX;
        let add = V2::addLiquidityCall {
            a: a.0,
            b: b.0,
            wantA: a.1,
            wantB: b.1,
            minA: U256::ZERO,
            minB: U256::ZERO,
            to: OWNER,
            deadline,
        };
        self.chain.call(self.router2, &add);
        let pair = self.chain.call(factory, &V2::getPairCall { a: a.0, b: b.0 });
        let pool = V2Pool { tokens: [a.0, b.0], reserves: [U256::ZERO; 2], keep: 997, of: 1000 };
        self.pools.push((Pool::V2(pool), Place::V2(pair)));
    }

    fn add_v3(
        &mut self,
        factory: Address,
        positions: Address,
        mut tokens: [Address; 2],
        fee: u32,
        spacing: i32,
        random: &mut StdRng,
    ) {
        tokens.sort();
        let wide_fee = U24::from(fee);
        let created =
            self.chain.call(factory, &V3::createPoolCall { a: tokens[0], b: tokens[1], fee: wide_fee });
        // Between a quarter and four.
        let root = (U256::from(random.random_range(500_u64..2_000)) << 96) / U256::from(1_000);
        self.chain.call(created, &V3::initializeCall { sqrtPrice: U160::from(root) });
        let mut bounds = vec![(-887_200 / spacing * spacing, 887_200 / spacing * spacing)];
        for _ in 0..12 {
            let middle = random.random_range(-14_000 / spacing..14_000 / spacing);
            let half = random.random_range(1..=4_000 / spacing);
            bounds.push(((middle - half) * spacing, (middle + half) * spacing));
        }
        for (low, high) in &bounds {
            let want = U256::from(random.random_range(1_000_000..1_000_000_000_u64)) << 70;
            let mint = V3::Mint {
                token0: tokens[0],
                token1: tokens[1],
                fee: wide_fee,
                low: tick24(*low),
                high: tick24(*high),
                want0: want,
                want1: want,
                min0: U256::ZERO,
                min1: U256::ZERO,
                to: OWNER,
                deadline: U256::MAX,
            };
            self.chain.call(positions, &V3::mintCall { params: mint });
        }
        let mut at: Vec<i32> = bounds.iter().flat_map(|(low, high)| [*low, *high]).collect();
        at.sort_unstable();
        at.dedup();
        let ticks = at.into_iter().filter_map(|tick| {
            let read = self.chain.call(created, &V3::ticksCall { tick: tick24(tick) });
            (read.gross > 0).then_some((tick, read.net))
        });
        let ticks = ticks.collect();
        let pool = V3Pool {
            tokens,
            fee,
            tick_spacing: spacing,
            sqrt_price: U256::ZERO,
            tick: 0,
            liquidity: 0,
            ticks,
        };
        self.pools.push((Pool::V3(pool), Place::V3(created)));
    }

    fn add_stable(&mut self, decimals: &[u8], amplification: u64, precision: u64, random: &mut StdRng) {
        let tokens: Vec<Address> = decimals.iter().map(|d| self.chain.token(*d, &[])).collect();
        let ten = U256::from(10);
        let rates: Vec<U256> = decimals.iter().map(|d| ten.pow(U256::from(36 - d))).collect();
        let fee = U256::from(random.random_range(1_000_000..40_000_000_u64));
        let (amplification, amplification_precision) = (U256::from(amplification), U256::from(precision));
        let arguments =
            (tokens.clone(), rates.clone(), amplification, amplification_precision, fee).abi_encode_params();
        let address = self.chain.deploy("out/StableSwapPool.sol/StableSwapPool.json", arguments);
        for token in &tokens {
            self.chain.allow(*token, address);
        }
        let amounts = decimals.iter().map(|d| units(random.random_range(1_000_000..9_000_000), *d)).collect();
        self.chain.call(address, &Stable::donateCall { amounts });
        let balances = vec![U256::ZERO; tokens.len()];
        let pool = StablePool { tokens, balances, rates, amplification, amplification_precision, fee };
        self.pools.push((Pool::Stable(pool), Place::Stable(address)));
    }

    fn add_weighted(&mut self, factory: Address, percent: &[u64], spenders: &[Address], random: &mut StdRng) {
        let choice = [6_u8, 8, 18];
        let mut tokens: Vec<(Address, u8)> = percent
            .iter()
            .map(|_| choice[random.random_range(0..choice.len())])
            .map(|decimals| (self.chain.token(decimals, spenders), decimals))
            .collect();
        tokens.sort();
        let (tokens, decimals): (Vec<Address>, Vec<u8>) = tokens.into_iter().unzip();
        let weights: Vec<U256> = percent.iter().map(|p| units(*p, 16)).collect();
        // Between 0.01 and 1 percent.
        let fee = U256::from(random.random_range(100_000_000_000_000..10_000_000_000_000_000_u64));
        let create = Balancer::createCall {
            name: "Pool".into(),
            symbol: "P".into(),
            tokens: tokens.clone(),
            weights: weights.clone(),
            rateProviders: vec![Address::ZERO; tokens.len()],
            fee,
            owner: OWNER,
        };
        let address = self.chain.call(factory, &create);
        let id = self.chain.call(address, &Balancer::getPoolIdCall {});
        let amounts: Vec<U256> =
            decimals.iter().map(|d| units(random.random_range(10_000..10_000_000), *d)).collect();
        let request = Balancer::Join {
            assets: tokens.clone(),
            most: amounts.clone(),
            // Kind 0: the first join.
            userData: (U256::ZERO, amounts).abi_encode_params().into(),
            internalBalance: false,
        };
        let join = Balancer::joinPoolCall { poolId: id, sender: OWNER, to: OWNER, request };
        self.chain.call(self.vault, &join);
        let scales = decimals.iter().map(|d| units(1, 18 - d)).collect();
        let balances = vec![U256::ZERO; tokens.len()];
        let pool = WeightedPool { tokens, balances, weights, scales, fee };
        self.pools.push((Pool::Weighted(pool), Place::Weighted(id)));
    }

    /// Reads the state of the n-th pool.
    fn read(&mut self, n: usize) {
        let Self { chain, pools, vault, .. } = self;
        match &mut pools[n] {
            (Pool::V2(pool), Place::V2(pair)) => {
                let read = chain.call(*pair, &V2::getReservesCall {});
                pool.reserves = [U256::from(read.reserve0), U256::from(read.reserve1)];
            }
            (Pool::V3(pool), Place::V3(address)) => {
                let slot = chain.call(*address, &V3::slot0Call {});
                (pool.sqrt_price, pool.tick) = (U256::from(slot.sqrtPrice), slot.tick.as_i32());
                pool.liquidity = chain.call(*address, &V3::liquidityCall {});
            }
            (Pool::Stable(pool), Place::Stable(address)) => {
                for (k, balance) in pool.balances.iter_mut().enumerate() {
                    *balance = chain.call(*address, &Stable::balancesCall { k: U256::from(k) });
                }
            }
            (Pool::Weighted(pool), Place::Weighted(id)) => {
                pool.balances = chain.call(*vault, &Balancer::getPoolTokensCall { poolId: *id }).balances;
            }
            _ => unreachable!("a pool stands in its own protocol"),
        }
    }

    /// Swaps exactly `amount` in; what arrived, or none when the chain refuses.
    fn sell(&mut self, n: usize, sell: Address, buy: Address, amount: U256) -> Option<U256> {
        let before = self.chain.held(buy);
        let deadline = U256::MAX;
        match (&self.pools[n].0, &self.pools[n].1) {
            (Pool::V2(_), _) => {
                let path = vec![sell, buy];
                let call = V2::swapExactTokensForTokensCall {
                    amountIn: amount,
                    min: U256::ZERO,
                    path,
                    to: OWNER,
                    deadline,
                };
                self.chain.attempt(self.router2, &call).map(drop)
            }
            (Pool::V3(pool), _) => {
                let params = V3::In {
                    tokenIn: sell,
                    tokenOut: buy,
                    fee: U24::from(pool.fee),
                    to: OWNER,
                    deadline,
                    amountIn: amount,
                    min: U256::ZERO,
                    limit: U160::ZERO,
                };
                self.chain.attempt(self.router3, &V3::exactInputSingleCall { params }).map(drop)
            }
            (Pool::Stable(pool), Place::Stable(address)) => {
                let place =
                    |token| U256::from(pool.tokens.iter().position(|t| *t == token).expect("its token"));
                let call = Stable::exchangeCall { i: place(sell), j: place(buy), amount };
                self.chain.attempt(*address, &call).map(drop)
            }
            (_, Place::Weighted(id)) => self.weighted(*id, 0, sell, buy, amount, U256::ZERO),
            _ => unreachable!("a pool stands in its own protocol"),
        }?;
        Some(self.chain.held(buy) - before)
    }

    /// Swaps for exactly `amount`; what it took, or none when the chain refuses. StableSwap has no such swap.
    fn buy(&mut self, n: usize, sell: Address, buy: Address, amount: U256) -> Option<U256> {
        let before = self.chain.held(sell);
        let (deadline, most) = (U256::MAX, U256::MAX);
        match (&self.pools[n].0, &self.pools[n].1) {
            (Pool::V2(_), _) => {
                let path = vec![sell, buy];
                let call = V2::swapTokensForExactTokensCall {
                    amountOut: amount,
                    max: most,
                    path,
                    to: OWNER,
                    deadline,
                };
                self.chain.attempt(self.router2, &call).map(drop)
            }
            (Pool::V3(pool), _) => {
                let params = V3::Out {
                    tokenIn: sell,
                    tokenOut: buy,
                    fee: U24::from(pool.fee),
                    to: OWNER,
                    deadline,
                    amountOut: amount,
                    max: most,
                    limit: U160::ZERO,
                };
                self.chain.attempt(self.router3, &V3::exactOutputSingleCall { params }).map(drop)
            }
            (_, Place::Weighted(id)) => self.weighted(*id, 1, sell, buy, amount, most),
            _ => None,
        }?;
        Some(before - self.chain.held(sell))
    }

    fn weighted(
        &mut self,
        id: B256,
        kind: u8,
        sell: Address,
        buy: Address,
        amount: U256,
        limit: U256,
    ) -> Option<()> {
        let single = Balancer::Single {
            poolId: id,
            kind,
            tokenIn: sell,
            tokenOut: buy,
            amount,
            userData: Bytes::new(),
        };
        let funds = Balancer::Funds { sender: OWNER, fromInternal: false, to: OWNER, toInternal: false };
        let call = Balancer::swapCall { single, funds, limit, deadline: U256::MAX };
        self.chain.attempt(self.vault, &call).map(drop)
    }

    /// One random swap on a random pool: whether quote and chain agree, to the unit, or both refuse.
    pub fn random_swap(&mut self, random: &mut StdRng) -> Result<(), String> {
        let n = random.random_range(0..self.pools.len());
        self.read(n);
        let pool = self.pool(n).clone();
        let tokens = pool.tokens();
        let i = random.random_range(0..tokens.len());
        let j = (i + random.random_range(1..tokens.len())) % tokens.len();
        let (sell, buy) = (tokens[i], tokens[j]);
        let exact_in = random.random_bool(0.6) || matches!(pool, Pool::Stable(_));
        // From a unit to a good part of what is there, evenly by magnitude.
        let there = self.depth(n, if exact_in { i } else { j });
        let bits = random.random_range(0..=there.bit_len().saturating_sub(1));
        let amount = (U256::from(random.random::<u128>()) << 120 | U256::ONE << 247) >> (247 - bits);
        let (quoted, happened) = if exact_in {
            (pool.amount_out(sell, buy, amount), self.sell(n, sell, buy, amount))
        } else {
            (pool.amount_in(sell, buy, amount), self.buy(n, sell, buy, amount))
        };
        match (quoted, happened) {
            (Ok(quoted), Some(happened)) if quoted == happened => Ok(()),
            (Err(_), None) => Ok(()),
            // V2's router refuses what pays nothing; a quote of zero says the same.
            (Ok(quoted), None) if quoted.is_zero() => Ok(()),
            (quoted, happened) => Err(format!(
                "in {exact_in} {amount} of {i} to {j}: quoted {quoted:?}, got {happened:?}; {pool:?}"
            )),
        }
    }

    fn depth(&self, n: usize, place: usize) -> U256 {
        match self.pool(n) {
            Pool::V2(pool) => pool.reserves[place],
            Pool::V3(pool) => U256::from(pool.liquidity),
            Pool::Stable(pool) => pool.balances[place],
            Pool::Weighted(pool) => pool.balances[place] / U256::from(2),
        }
    }
}

fn tick24(tick: i32) -> I24 {
    I24::try_from(tick).expect("a tick has 24 bits")
}

fn units(amount: u64, decimals: u8) -> U256 {
    U256::from(amount) * U256::from(10).pow(U256::from(decimals))
}
