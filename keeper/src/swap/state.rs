//! What a pool of each kind is asked, and what its answers make.

use crate::{
    chain::many::View,
    config::{PoolConfig, PoolKind},
};
use alloy::{
    primitives::{Address, B256, Bytes, U256, aliases::I24},
    sol,
    sol_types::SolCall,
};
use router::{Pool, StablePool, V2Pool, V3Pool, WeightedPool};
use std::collections::BTreeMap;

sol! {
    interface IToken {
        function decimals() external view returns (uint8);
    }
    interface IV2 {
        function token0() external view returns (address);
        function token1() external view returns (address);
        function getReserves() external view returns (uint112 reserve0, uint112 reserve1, uint32 timestamp);
    }
    interface IV3 {
        function fee() external view returns (uint24);
        function tickSpacing() external view returns (int24);
        function slot0() external view returns (uint160 sqrtPrice, int24 tick, uint16 index, uint16 length, uint16 next, uint8 protocolFee, bool unlocked);
        function liquidity() external view returns (uint128);
        function tickBitmap(int16 word) external view returns (uint256);
        function ticks(int24 tick) external view returns (uint128 gross, int128 net, uint256 outside0, uint256 outside1, int56 ticksOutside, uint160 secondsPerLiquidity, uint32 secondsOutside, bool initialized);
    }
    interface IStable {
        function coins(uint256 k) external view returns (address);
        function balances(uint256 k) external view returns (uint256);
        function A() external view returns (uint256);
        function A_precise() external view returns (uint256);
        function fee() external view returns (uint256);
        function admin_fee() external view returns (uint256);
    }
    interface IWeighted {
        function getVault() external view returns (address);
        function getPoolId() external view returns (bytes32);
        function getNormalizedWeights() external view returns (uint256[] memory);
        function getSwapFeePercentage() external view returns (uint256);
        function getPausedState() external view returns (bool paused, uint256 windowEnd, uint256 bufferEnd);
        function getPoolTokens(bytes32 id) external view returns (address[] memory tokens, uint256[] memory balances, uint256 block);
    }
}

/// Prices of a V3 pool are read this far each way, in ticks: to half and to double. A swap that goes further is refused.
const REACH: i32 = 6_932;
const MAX_TICK: i32 = 887_272;
/// Ticks of a pool that are read at most; one with more is left out.
const MOST_TICKS: usize = 4_000;

/// A token's decimals, once they are known.
#[derive(Debug)]
pub(super) struct Token {
    address: Address,
    decimals: Option<u8>,
    asked: bool,
}

impl Token {
    pub(super) fn new(address: Address) -> Self {
        Self { address, decimals: None, asked: false }
    }

    pub(super) fn views(&self) -> Vec<View> {
        if self.asked { Vec::new() } else { vec![view(self.address, &IToken::decimalsCall {})] }
    }

    pub(super) fn answer(&mut self, answers: &[Option<Bytes>]) {
        if let [answer] = answers {
            self.decimals = decoded::<IToken::decimalsCall>(answer.as_ref());
            // One that has none now may be deployed later.
            self.asked = self.decimals.is_some();
        }
    }
}

/// A pool, as far as it was read.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) config: PoolConfig,
    /// The answer to each view of this block.
    answers: BTreeMap<Vec<u8>, Option<Bytes>>,
    /// What the last block's ticks were, to ask for them at once.
    ticks: Vec<i32>,
    words: Vec<i16>,
    /// The vault of a Balancer pool, and the pool's name there.
    place: Option<(Address, B256)>,
}

impl Reading {
    pub(super) fn new(config: PoolConfig) -> Self {
        Self { config, answers: BTreeMap::new(), ticks: Vec::new(), words: Vec::new(), place: None }
    }

    /// A new block: nothing is known of it.
    pub(super) fn begin(&mut self) {
        self.answers.clear();
    }

    /// What is still to be asked.
    pub(super) fn views(&self) -> Vec<View> {
        let wanted = self.wanted();
        wanted.into_iter().filter(|view| !self.answers.contains_key(&view.data)).collect()
    }

    pub(super) fn answer(&mut self, answers: &[Option<Bytes>]) {
        let views = self.views();
        self.answers.extend(views.into_iter().map(|view| view.data).zip(answers.iter().cloned()));
        match self.config.kind {
            PoolKind::UniswapV3 => self.look_for_ticks(),
            PoolKind::BalancerWeighted => {
                let vault = self.get(&IWeighted::getVaultCall {}).ok();
                self.place = vault.zip(self.get(&IWeighted::getPoolIdCall {}).ok());
            }
            PoolKind::UniswapV2 | PoolKind::StableSwap => {}
        }
    }

    fn wanted(&self) -> Vec<View> {
        let pool = self.config.address;
        let of = |data: Vec<u8>| View { to: pool, data };
        match self.config.kind {
            PoolKind::UniswapV2 => {
                vec![
                    of(IV2::token0Call {}.abi_encode()),
                    of(IV2::token1Call {}.abi_encode()),
                    of(IV2::getReservesCall {}.abi_encode()),
                ]
            }
            PoolKind::UniswapV3 => {
                let mut views = vec![
                    of(IV2::token0Call {}.abi_encode()),
                    of(IV2::token1Call {}.abi_encode()),
                    of(IV3::feeCall {}.abi_encode()),
                    of(IV3::tickSpacingCall {}.abi_encode()),
                    of(IV3::slot0Call {}.abi_encode()),
                    of(IV3::liquidityCall {}.abi_encode()),
                ];
                views.extend(
                    self.words.iter().map(|word| of(IV3::tickBitmapCall { word: *word }.abi_encode())),
                );
                views.extend(self.ticks.iter().map(|tick| of(tick_call(*tick).abi_encode())));
                views
            }
            PoolKind::StableSwap => {
                let mut views = vec![
                    of(IStable::A_preciseCall {}.abi_encode()),
                    of(IStable::ACall {}.abi_encode()),
                    of(IStable::feeCall {}.abi_encode()),
                    of(IStable::admin_feeCall {}.abi_encode()),
                ];
                // One more coin than there should be, to see that there is none.
                for k in 0..=self.config.tokens.len() {
                    views.push(of(IStable::coinsCall { k: U256::from(k) }.abi_encode()));
                    views.push(of(IStable::balancesCall { k: U256::from(k) }.abi_encode()));
                }
                views
            }
            PoolKind::BalancerWeighted => {
                let mut views = vec![
                    of(IWeighted::getVaultCall {}.abi_encode()),
                    of(IWeighted::getPoolIdCall {}.abi_encode()),
                    of(IWeighted::getNormalizedWeightsCall {}.abi_encode()),
                    of(IWeighted::getSwapFeePercentageCall {}.abi_encode()),
                    of(IWeighted::getPausedStateCall {}.abi_encode()),
                ];
                views.extend(self.place.map(|(vault, id)| view(vault, &IWeighted::getPoolTokensCall { id })));
                views
            }
        }
    }

    /// Which words and ticks are to be read, by what is known of price and words now.
    fn look_for_ticks(&mut self) {
        let (Ok(slot), Ok(spacing)) = (self.get(&IV3::slot0Call {}), self.get(&IV3::tickSpacingCall {}))
        else {
            return;
        };
        let (tick, spacing) = (slot.tick.as_i32(), spacing.as_i32());
        if spacing <= 0 || tick.abs() > MAX_TICK {
            return;
        }
        let word = |tick: i32| i16::try_from(tick.clamp(-MAX_TICK, MAX_TICK).div_euclid(spacing) >> 8);
        let (Ok(low), Ok(high)) = (word(tick - REACH), word(tick + REACH)) else { return };
        self.words = (low..=high).collect();
        let mut ticks = Vec::new();
        for word in &self.words {
            let Ok(bits) = self.get(&IV3::tickBitmapCall { word: *word }) else { continue };
            let set = (0..256).filter(|bit| bits.bit(*bit));
            ticks.extend(set.map(|bit| ((i32::from(*word) << 8) + bit as i32) * spacing));
        }
        if ticks.len() <= MOST_TICKS {
            self.ticks = ticks;
        }
    }

    fn get<C: SolCall>(&self, call: &C) -> Result<C::Return, String> {
        let answer = self.answers.get(&call.abi_encode()).ok_or("it was not read to the end")?;
        let name = C::SIGNATURE.split('(').next().unwrap_or_default();
        match answer {
            Some(bytes) if bytes.is_empty() => Err("there is no code at its address".to_owned()),
            Some(bytes) => C::abi_decode_returns(bytes).map_err(|_| format!("{name} answers something else")),
            None => Err(format!("{name} reverts")),
        }
    }

    /// The pool, with its name at Balancer's vault; or why it is left out.
    pub(super) fn pool(&self, tokens: &[Token]) -> Result<(Pool, Option<B256>), String> {
        let pool = match self.config.kind {
            PoolKind::UniswapV2 => self.v2()?,
            PoolKind::UniswapV3 => self.v3()?,
            PoolKind::StableSwap => self.stable(tokens)?,
            PoolKind::BalancerWeighted => {
                let id = self.get(&IWeighted::getPoolIdCall {})?;
                return Ok((self.weighted(tokens)?, Some(id)));
            }
        };
        Ok((pool, None))
    }

    fn v2(&self) -> Result<Pool, String> {
        let tokens = [self.get(&IV2::token0Call {})?, self.get(&IV2::token1Call {})?];
        self.same_tokens(&tokens)?;
        let read = self.get(&IV2::getReservesCall {})?;
        let reserves = [U256::from(read.reserve0), U256::from(read.reserve1)];
        filled(&reserves)?;
        Ok(Pool::V2(V2Pool { tokens, reserves, keep: 10_000 - self.config.fee_bps, of: 10_000 }))
    }

    fn v3(&self) -> Result<Pool, String> {
        let tokens = [self.get(&IV2::token0Call {})?, self.get(&IV2::token1Call {})?];
        self.same_tokens(&tokens)?;
        let slot = self.get(&IV3::slot0Call {})?;
        let (tick, sqrt_price) = (slot.tick.as_i32(), U256::from(slot.sqrtPrice));
        let tick_spacing = self.get(&IV3::tickSpacingCall {})?.as_i32();
        let fee: u32 = self.get(&IV3::feeCall {})?.to();
        if sqrt_price.is_zero() || tick_spacing <= 0 || fee >= 1_000_000 || tick.abs() > MAX_TICK {
            return Err("it has no price yet".to_owned());
        }
        let liquidity = self.get(&IV3::liquidityCall {})?;
        for word in &self.words {
            self.get(&IV3::tickBitmapCall { word: *word })?;
        }
        let mut ticks = Vec::with_capacity(self.ticks.len() + 2);
        for at in &self.ticks {
            ticks.push((*at, self.get(&tick_call(*at))?.net));
        }
        let (Some(first), Some(last)) = (self.words.first(), self.words.last()) else {
            return Err("its ticks were not read".to_owned());
        };
        let edges =
            (((i32::from(*first) << 8) - 1) * tick_spacing, ((i32::from(*last) + 1) << 8) * tick_spacing);
        let ticks =
            bounded(ticks, tick, liquidity, edges).ok_or("its ticks do not add up to its liquidity")?;
        if liquidity == 0 && ticks.is_empty() {
            return Err("it is empty".to_owned());
        }
        Ok(Pool::V3(V3Pool { tokens, fee, tick_spacing, sqrt_price, tick, liquidity, ticks }))
    }

    fn stable(&self, known: &[Token]) -> Result<Pool, String> {
        let n = self.config.tokens.len();
        let (mut tokens, mut balances, mut rates) = (Vec::new(), Vec::new(), Vec::new());
        for k in (0..n).map(U256::from) {
            tokens.push(self.get(&IStable::coinsCall { k })?);
            balances.push(self.get(&IStable::balancesCall { k })?);
        }
        if self.get(&IStable::coinsCall { k: U256::from(n) }).is_ok_and(|coin| !coin.is_zero()) {
            return Err("it has more tokens than the configuration says".to_owned());
        }
        self.same_tokens(&tokens)?;
        filled(&balances)?;
        for token in &tokens {
            rates.push(scale(known, *token)? * U256::from(10).pow(U256::from(18)));
        }
        // The first pools have no amplification with decimals.
        let (amplification, amplification_precision) = match self.get(&IStable::A_preciseCall {}) {
            Ok(precise) => (precise, U256::from(100)),
            Err(_) => (self.get(&IStable::ACall {})?, U256::ONE),
        };
        let (fee, admin_fee) = (self.get(&IStable::feeCall {})?, self.get(&IStable::admin_feeCall {})?);
        let parts = U256::from(10_000_000_000_u64);
        if amplification.is_zero() || amplification.bit_len() > 64 || fee >= parts || admin_fee > parts {
            return Err("its amplification or fee is none of StableSwap's".to_owned());
        }
        Ok(Pool::Stable(StablePool {
            tokens,
            balances,
            rates,
            amplification,
            amplification_precision,
            fee,
            admin_fee,
        }))
    }

    fn weighted(&self, known: &[Token]) -> Result<Pool, String> {
        let (_, id) = self.place.ok_or("it names no vault")?;
        let read = self.get(&IWeighted::getPoolTokensCall { id })?;
        let (tokens, balances) = (read.tokens, read.balances);
        self.same_tokens(&tokens)?;
        let weights = self.get(&IWeighted::getNormalizedWeightsCall {})?;
        let fee = self.get(&IWeighted::getSwapFeePercentageCall {})?;
        let one = U256::from(10).pow(U256::from(18));
        let sum = weights.iter().fold(U256::ZERO, |sum, weight| sum.saturating_add(*weight));
        if weights.len() != tokens.len() || balances.len() != tokens.len() || sum != one || fee >= one {
            return Err("its weights or its fee are none of a weighted pool".to_owned());
        }
        filled(&weights)?;
        filled(&balances)?;
        if self.get(&IWeighted::getPausedStateCall {})?.paused {
            return Err("it is paused".to_owned());
        }
        let scales = tokens.iter().map(|token| scale(known, *token)).collect::<Result<_, _>>()?;
        Ok(Pool::Weighted(WeightedPool { tokens, balances, weights, scales, fee }))
    }

    fn same_tokens(&self, found: &[Address]) -> Result<(), String> {
        let sorted = |tokens: &[Address]| {
            let mut tokens = tokens.to_vec();
            tokens.sort_unstable();
            tokens
        };
        if sorted(found) == sorted(&self.config.tokens) {
            return Ok(());
        }
        let found: Vec<String> = found.iter().map(Address::to_string).collect();
        Err(format!("its tokens are {}, not those of the configuration", found.join(" and ")))
    }
}

/// The ticks that were read, and at each edge one that takes all liquidity away: what is beyond is not known, so nothing
/// is swapped there. None when the liquidity does not add up.
fn bounded(
    mut ticks: Vec<(i32, i128)>,
    tick: i32,
    liquidity: u128,
    (low, high): (i32, i32),
) -> Option<Vec<(i32, i128)>> {
    let (mut above, mut below) = (liquidity, liquidity);
    for (_, net) in ticks.iter().filter(|(at, _)| *at > tick) {
        above = above.checked_add_signed(*net)?;
    }
    for (_, net) in ticks.iter().rev().filter(|(at, _)| *at <= tick) {
        below = below.checked_add_signed(net.checked_neg()?)?;
    }
    if above > 0 && high <= MAX_TICK {
        ticks.push((high, -i128::try_from(above).ok()?));
    }
    if below > 0 && low >= -MAX_TICK {
        ticks.insert(0, (low, i128::try_from(below).ok()?));
    }
    Some(ticks)
}

fn filled(amounts: &[U256]) -> Result<(), String> {
    if amounts.iter().any(U256::is_zero) { Err("it is empty".to_owned()) } else { Ok(()) }
}

/// What brings a token to 18 decimals.
fn scale(known: &[Token], token: Address) -> Result<U256, String> {
    let decimals = known.iter().find(|known| known.address == token).and_then(|token| token.decimals);
    let missing = decimals.and_then(|decimals| 18_u8.checked_sub(decimals));
    missing
        .map(|digits| U256::from(10).pow(U256::from(digits)))
        .ok_or_else(|| format!("its token {token} says no decimals from 0 to 18"))
}

fn tick_call(tick: i32) -> IV3::ticksCall {
    IV3::ticksCall { tick: I24::try_from(tick).unwrap_or_default() }
}

fn view(to: Address, call: &impl SolCall) -> View {
    View { to, data: call.abi_encode() }
}

fn decoded<C: SolCall>(answer: Option<&Bytes>) -> Option<C::Return> {
    answer.and_then(|bytes| C::abi_decode_returns(bytes).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn liquidity_ends_where_ticks_were_not_read() {
        // 5 from below the edge on; 10 more from -60 to 120; 3 more from 60 to above the edge.
        let ticks = vec![(-60, 10), (60, 3), (120, -10)];
        let bounded = bounded(ticks, 0, 15, (-600, 600)).unwrap();
        assert_eq!(bounded, [(-600, 5), (-60, 10), (60, 3), (120, -10), (600, -8)]);
        assert_eq!(bounded.iter().map(|(_, net)| net).sum::<i128>(), 0);
    }

    #[test]
    fn ticks_that_do_not_add_up_are_no_pool() {
        assert_eq!(bounded(vec![(60, -16)], 0, 15, (-600, 600)), None);
        assert_eq!(bounded(vec![(-60, 16)], 0, 15, (-600, 600)), None);
    }
}
