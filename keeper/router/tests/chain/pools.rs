//! Pools of all four kinds with random parameters, read and swapped on.

use super::Evm;
use alloy_primitives::{
    Address, B256, Bytes, U256,
    aliases::{U24, U160},
};
use protocols::{Balancer, Chain, Protocols, Stable, V2, V3, tick24, units};
use rand::{RngExt, rngs::StdRng};
use router::{Pool, StablePool, V2Pool, V3Pool, WeightedPool};

/// What stands behind a pool of the router.
enum Place {
    V2(Address),
    V3(Address),
    Stable(Address),
    Weighted(B256),
}

/// The protocols, their pools, and what was last read of each.
pub struct World {
    chain: Evm,
    protocols: Protocols,
    pools: Vec<(Pool, Place)>,
}

impl World {
    /// Pools of every kind, three shapes of each.
    pub fn new(random: &mut StdRng) -> Self {
        let mut chain = Evm::new();
        let protocols = Protocols::deploy(&mut chain);
        let mut world = Self { chain, protocols, pools: Vec::new() };
        for decimals in [[18, 18], [18, 6], [6, 8]] {
            world.add_v2(decimals, random);
        }
        for (fee, spacing) in [(500, 10), (3_000, 60), (10_000, 200)] {
            world.add_v3(fee, spacing, random);
        }
        for (decimals, amplification, precision) in
            [(&[18, 18][..], 100, 1), (&[18, 6, 6], 2_000 * 100, 100), (&[6, 8, 18, 18], 50 * 100, 100)]
        {
            world.add_stable(decimals, amplification, precision, random);
        }
        for weights in [&[50, 50][..], &[80, 20], &[33, 33, 34], &[10, 20, 30, 40]] {
            world.add_weighted(weights, random);
        }
        world
    }

    fn pool(&self, n: usize) -> &Pool {
        &self.pools[n].0
    }

    /// Tokens with these decimals, which the protocols may take.
    fn tokens<const N: usize>(&mut self, decimals: [u8; N]) -> [(Address, u8); N] {
        decimals.map(|decimals| {
            let token = self.chain.token(decimals);
            self.protocols.approve(&mut self.chain, token);
            (token, decimals)
        })
    }

    fn add_v2(&mut self, decimals: [u8; 2], random: &mut StdRng) {
        let mut tokens = self.tokens(decimals);
        tokens.sort();
        let filled =
            tokens.map(|(token, decimals)| (token, units(random.random_range(10_000..10_000_000), decimals)));
        let pair = self.protocols.v2(&mut self.chain, filled);
        let tokens = tokens.map(|(token, _)| token);
        let pool = V2Pool { tokens, reserves: [U256::ZERO; 2], keep: 997, of: 1000 };
        self.pools.push((Pool::V2(pool), Place::V2(pair)));
    }

    fn add_v3(&mut self, fee: u32, spacing: i32, random: &mut StdRng) {
        let mut tokens = self.tokens([18, 18]).map(|(token, _)| token);
        tokens.sort();
        // Between a quarter and four.
        let root = (U256::from(random.random_range(500_u64..2_000)) << 96) / U256::from(1_000);
        let mut bounds = vec![(-887_200 / spacing * spacing, 887_200 / spacing * spacing)];
        for _ in 0..12 {
            let middle = random.random_range(-14_000 / spacing..14_000 / spacing);
            let half = random.random_range(1..=4_000 / spacing);
            bounds.push(((middle - half) * spacing, (middle + half) * spacing));
        }
        let created = self.protocols.v3(&mut self.chain, tokens, fee, root);
        for (low, high) in &bounds {
            let want = U256::from(random.random_range(1_000_000..1_000_000_000_u64)) << 70;
            self.protocols.position(&mut self.chain, tokens, fee, [*low, *high], [want, want]);
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
        let filled: Vec<(Address, u8, U256)> = decimals
            .iter()
            .map(|d| (self.chain.token(*d), *d, units(random.random_range(1_000_000..9_000_000), *d)))
            .collect();
        let fee = U256::from(random.random_range(1_000_000..40_000_000_u64));
        let (amplification, amplification_precision) = (U256::from(amplification), U256::from(precision));
        let address =
            self.protocols.stable(&mut self.chain, &filled, amplification, amplification_precision, fee);
        let tokens: Vec<Address> = filled.iter().map(|(token, ..)| *token).collect();
        let balances = vec![U256::ZERO; tokens.len()];
        let rates = decimals.iter().map(|d| units(1, 36 - d)).collect();
        let admin_fee = self.chain.call(address, &Stable::admin_feeCall {});
        let pool =
            StablePool { tokens, balances, rates, amplification, amplification_precision, fee, admin_fee };
        self.pools.push((Pool::Stable(pool), Place::Stable(address)));
    }

    fn add_weighted(&mut self, percent: &[u64], random: &mut StdRng) {
        let choice = [6_u8, 8, 18];
        let mut tokens: Vec<(Address, u8)> = percent
            .iter()
            .flat_map(|_| self.tokens([choice[random.random_range(0..choice.len())]]))
            .collect();
        tokens.sort();
        // Between 0.01 and 1 percent.
        let fee = U256::from(random.random_range(100_000_000_000_000..10_000_000_000_000_000_u64));
        let filled: Vec<(Address, u64, U256)> = tokens
            .iter()
            .zip(percent)
            .map(|((token, d), percent)| {
                (*token, *percent, units(random.random_range(10_000..10_000_000), *d))
            })
            .collect();
        let (_, id) = self.protocols.weighted(&mut self.chain, &filled, fee);
        let weights: Vec<U256> = percent.iter().map(|p| units(*p, 16)).collect();
        let scales = tokens.iter().map(|(_, d)| units(1, 18 - d)).collect();
        let tokens: Vec<Address> = tokens.into_iter().map(|(token, _)| token).collect();
        let balances = vec![U256::ZERO; tokens.len()];
        let pool = WeightedPool { tokens, balances, weights, scales, fee };
        self.pools.push((Pool::Weighted(pool), Place::Weighted(id)));
    }

    /// Reads the state of the n-th pool.
    fn read(&mut self, n: usize) {
        let Self { chain, pools, protocols } = self;
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
                pool.balances =
                    chain.call(protocols.vault, &Balancer::getPoolTokensCall { poolId: *id }).balances;
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
                    to: self.chain.owner(),
                    deadline,
                };
                self.chain.attempt(self.protocols.router2, &call).map(drop)
            }
            (Pool::V3(pool), _) => {
                let params = V3::In {
                    tokenIn: sell,
                    tokenOut: buy,
                    fee: U24::from(pool.fee),
                    to: self.chain.owner(),
                    deadline,
                    amountIn: amount,
                    min: U256::ZERO,
                    limit: U160::ZERO,
                };
                self.chain.attempt(self.protocols.router3, &V3::exactInputSingleCall { params }).map(drop)
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
                    to: self.chain.owner(),
                    deadline,
                };
                self.chain.attempt(self.protocols.router2, &call).map(drop)
            }
            (Pool::V3(pool), _) => {
                let params = V3::Out {
                    tokenIn: sell,
                    tokenOut: buy,
                    fee: U24::from(pool.fee),
                    to: self.chain.owner(),
                    deadline,
                    amountOut: amount,
                    max: most,
                    limit: U160::ZERO,
                };
                self.chain.attempt(self.protocols.router3, &V3::exactOutputSingleCall { params }).map(drop)
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
        let funds = Balancer::Funds {
            sender: self.chain.owner(),
            fromInternal: false,
            to: self.chain.owner(),
            toInternal: false,
        };
        let call = Balancer::swapCall { single, funds, limit, deadline: U256::MAX };
        self.chain.attempt(self.protocols.vault, &call).map(drop)
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
            (Ok(quoted), Some(happened)) if quoted == happened && exact_in => {
                let mut after = pool;
                after.swap(sell, buy, amount).expect("it was quoted");
                self.read(n);
                let found = self.pool(n);
                if *found == after { Ok(()) } else { Err(format!("is {found:?}, should be {after:?}")) }
            }
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
