//! Random scenarios from a seed: near what is allowed, at the bounds and one beside them, and sometimes absurd. Most are
//! calm, with a few odd values each: in the others so much is wrong that little is left to agree.

use crate::{
    AssetConfig, Input, Kind, LegConfig, LegInput, LegMemory, Memory, Outcome, Price, Role, SequencerInput,
    SourceConfig, number::ONE,
};
use alloy_primitives::{I256, U160, U256};

/// An endless row of them. The same seed gives the same row.
#[derive(Clone, Debug)]
pub struct Scenarios {
    state: u64,
    calm: bool,
}

impl Scenarios {
    pub fn new(seed: u64) -> Self {
        Self { state: seed, calm: false }
    }

    /// splitmix64.
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to `end - 1`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// Something odd: one in `n`, and less often where it is calm.
    fn odd(&mut self, n: u64) -> bool {
        self.one_in(if self.calm { 20 * n } else { n })
    }

    /// One of `n` ways, of which `n - 1` is the usual one.
    fn way(&mut self, n: u64) -> u64 {
        if self.calm && !self.one_in(25) { n - 1 } else { self.below(n) }
    }

    /// One of them.
    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }

    fn wide(&mut self) -> u128 {
        u128::from(self.next()) << 64 | u128::from(self.next())
    }

    /// `value`, or up to `reach` beside it, most often by one.
    fn beside(&mut self, value: u128, reach: u128) -> u128 {
        let by = match self.below(4) {
            0 => 0,
            1 | 2 => 1,
            _ => self.wide() % (reach + 1),
        };
        if self.one_in(2) { value.saturating_add(by) } else { value.saturating_sub(by) }
    }

    /// `value` moved by `bps` or one beside it.
    fn moved(&mut self, value: u128, bps: u64) -> u128 {
        let rest = value % 10_000 * u128::from(bps) / 10_000;
        let by = (value / 10_000).saturating_mul(bps.into()).saturating_add(rest);
        let by = self.beside(by, by / 10);
        if self.one_in(2) { value.saturating_add(by) } else { value.saturating_sub(by) }
    }

    fn leg_config(&mut self, now: u64, price: u128) -> LegConfig {
        let kind =
            self.pick(&[Kind::Chainlink, Kind::Chainlink, Kind::Pyth, Kind::UniswapV3Twap, Kind::Rate]);
        let decimals = match kind {
            Kind::UniswapV3Twap => 18,
            _ if self.odd(8) => self.below(37) as u8,
            _ => self.pick(&[8, 8, 18, 6]),
        };
        let mut leg = LegConfig::new(kind, decimals);
        leg.width_bps = self.pick(&[0, 0, 50, 1_000]);
        if kind.has_clock() {
            leg.heartbeat = self.pick(&[60, 3_600, 86_400, 259_200]);
        }
        if kind == Kind::Pyth {
            leg.conf_bps = self.pick(&[1, 100, 5_000]);
            leg.conf_multiple = self.between(1, 10) as u8;
        }
        leg.carried = kind == Kind::Chainlink && self.one_in(3);
        if self.one_in(3) {
            let (low, high) = if self.calm { (price / 2, price.saturating_mul(2)) } else { (price, price) };
            leg.floor = Price(self.moved(low, 2_000).clamp(1, u128::MAX - 1));
            leg.ceiling = Price(self.moved(high, 3_000).max(leg.floor.0 + 1));
        }
        if kind == Kind::UniswapV3Twap {
            leg.window = self.pick(&[300, 1_800, 86_400]);
            leg.min_liquidity = self.pick(&[1, 1_000_000, 1 << 100, u128::MAX]);
            leg.max_ticks = self.pick(&[1, 100, 10_000]);
            (leg.base_decimals, leg.quote_decimals) = (self.pick(&[18, 6, 0]), self.pick(&[18, 6, 0]));
            leg.base_is_token1 = self.one_in(2);
            return leg;
        }
        if self.one_in(3) {
            let answer = unscale(price, decimals);
            leg.clamp_bps = self.pick(&[0, 0, 100, 5_000]);
            let near = !self.calm;
            leg.clamp_min =
                answer * U256::from(if near { self.pick(&[1u64, 9, 10]) } else { 1 }) / U256::from(10);
            leg.clamp_max = answer * U256::from(if near { self.pick(&[10u64, 11, 100]) } else { 100 })
                / U256::from(10)
                + U256::ONE;
        }
        if self.one_in(3) {
            leg.rate = Price(self.moved(price, if self.calm { 50 } else { 500 }).max(1));
            leg.rate_at = self.pick(&[0, now, now.saturating_sub(31_536_000), now.saturating_sub(100)]);
            leg.growth_bps = self.pick(&[0, 500, 100_000]);
            leg.slash_bps = self.pick(&[0, 100, 10_000]);
            if self.calm {
                (leg.rate_at, leg.slash_bps) = (now.saturating_sub(31_536_000), 1_000);
                leg.growth_bps = leg.growth_bps.max(500);
            }
        }
        leg
    }

    fn leg_input(&mut self, leg: &LegConfig, now: u64, skew: u64, price: u128, tolerance: u64) -> LegInput {
        let mid = match self.way(10) {
            0 => self.moved(price, tolerance),
            1 => self.moved(price, 2 * tolerance),
            2 => {
                let bound = self.pick(&[leg.floor.0, leg.ceiling.0, leg.rate.0]);
                self.beside(bound, 2)
            }
            3 => self.moved(price, 5_000),
            _ => self.moved(price, tolerance / 3),
        };
        let mut answer = I256::try_from(unscale(mid, leg.decimals)).unwrap_or(I256::MAX);
        if self.odd(12) {
            let clamp =
                self.pick(&[leg.clamp_min, leg.clamp_max]) * U256::from(10_000 + u64::from(leg.clamp_bps));
            answer = I256::try_from(clamp / U256::from(10_000)).unwrap_or(I256::MAX);
            answer = answer.saturating_add(self.pick(&[I256::ZERO, I256::ONE, I256::MINUS_ONE]));
        }
        if self.odd(30) {
            let edge = I256::try_from(U256::ONE << 192).unwrap_or(I256::MAX);
            answer = self.pick(&[I256::MIN, I256::MAX, I256::ZERO, I256::MINUS_ONE, edge, edge - I256::ONE]);
        }
        let heartbeat = u64::from(leg.heartbeat);
        let age = match self.way(8) {
            0 => self.beside(heartbeat.into(), 2) as u64,
            1 => self.beside(u128::from(heartbeat) * 2, 2) as u64,
            _ => self.below(heartbeat.max(1)),
        };
        let updated_at = match self.way(20) {
            0 => now.saturating_add(self.beside(skew.into(), 2) as u64),
            1 => self.pick(&[0, 1, u64::MAX]),
            _ => now.saturating_sub(age),
        };
        let chainlink = leg.kind == Kind::Chainlink;
        let round_id = if chainlink { (1 << 64 | 5) + u128::from(self.below(3)) } else { 0 };
        let round_id =
            if chainlink && self.odd(20) { self.pick(&[0, 2 << 64 | 1, (1 << 80) - 1]) } else { round_id };
        let widest = unscale(price, leg.decimals) * U256::from(leg.conf_bps) / U256::from(10_000);
        let conf = match self.way(8) {
            0 => widest,
            1 => widest + U256::ONE,
            2 if self.one_in(4) => self.pick(&[U256::MAX, U256::ONE << 192, (U256::ONE << 192) - U256::ONE]),
            _ => widest / U256::from(self.between(2, 100)),
        };
        let twap = leg.kind == Kind::UniswapV3Twap;
        LegInput {
            outcome: if self.odd(25) {
                self.pick(&[Outcome::Reverted, Outcome::NoCode, Outcome::OutOfGas, Outcome::Malformed])
            } else {
                Outcome::Read
            },
            answer,
            decimals: if self.odd(40) { self.pick(&[0, 8, 255]) } else { leg.decimals },
            round_id,
            answered_in_round: round_id.saturating_sub(u128::from(self.odd(10))),
            updated_at: if leg.kind.has_clock() { updated_at } else { now },
            conf: if leg.kind == Kind::Pyth { conf } else { U256::ZERO },
            ..if twap { self.pool(leg) } else { LegInput::default() }
        }
    }

    fn pool(&mut self, leg: &LegConfig) -> LegInput {
        let window = i64::from(leg.window);
        // So that half of the pools say about 1 and are judged against others.
        let same = i64::from(leg.base_decimals) - i64::from(leg.quote_decimals);
        let near = same * -23_027 * if leg.base_is_token1 { -1 } else { 1 };
        let mean = match self.way(10) {
            0 => self.pick(&[-887_272, 887_272, -887_273, 887_273, 0]),
            1 | 2 => self.below(1_774_545) as i64 - 887_272,
            _ => near + self.below(401) as i64 - 200,
        };
        let off = i64::from(leg.max_ticks) + self.pick(&[-1, 0, 1]);
        let spot = match self.way(6) {
            0 => mean + off,
            1 => mean - off,
            2 if self.one_in(10) => self.pick(&[i64::from(i32::MIN), i64::from(i32::MAX), 887_273]),
            _ => mean,
        };
        let full = (U256::from(leg.window) * U256::from(U160::MAX)) >> 32;
        let exact = full / U256::from(leg.min_liquidity);
        let delta = match self.way(6) {
            0 => U256::ZERO,
            1 => exact + U256::ONE,
            2 => exact,
            _ => exact / U256::from(self.between(2, 9)) + U256::ONE,
        };
        LegInput {
            tick_delta: if self.odd(200) {
                self.pick(&[i64::MIN, i64::MAX])
            } else {
                mean * window + self.below(leg.window.into()) as i64
            },
            spot_tick: spot.clamp(i32::MIN.into(), i32::MAX.into()) as i32,
            liquidity_delta: delta.saturating_to(),
            oldest: if self.odd(10) {
                self.beside(leg.window.into(), 2) as u64
            } else {
                u64::from(leg.window) * 3
            },
            ..LegInput::default()
        }
    }

    fn asset(&mut self, now: u64, price: u128) -> AssetConfig {
        let count = self.pick(&[1, 2, 2, 3, 3, 3, 4, 5]);
        let sources: Vec<_> = (0..count)
            .map(|i| {
                let legs = if self.one_in(5) { self.between(2, 3) } else { 1 };
                let reference = i > 0 && self.one_in(6);
                SourceConfig {
                    role: if reference { Role::Reference } else { Role::Price },
                    tolerance_bps: if reference { self.pick(&[1, 300, 5_000]) } else { 0 },
                    legs: (0..legs)
                        .map(|j| {
                            let price = if j == 0 { price } else { ONE };
                            self.leg_config(now, price)
                        })
                        .collect(),
                }
            })
            .collect();
        let prices = sources.iter().filter(|s| s.role == Role::Price).count() as u64;
        let pegged = self.one_in(3);
        let band = |some: u64, odds: u64| if pegged && odds == 0 { some as u16 } else { 0 };
        AssetConfig {
            quorum: self.between(prices / 2 + 1, prices.max(1)) as u8,
            tolerance_bps: self.pick(&[1, 50, 200, 2_000]),
            skew: self.pick(&[0, 60, 300]),
            jump_bps: self.pick(&[10, 500, 10_000]),
            vol_bps: self.pick(&[0, 1_000, 10_000]),
            leap_multiple: self.pick(&[2, 5, 20]),
            peg: if pegged { Price(self.moved(price, 100).max(1)) } else { Price(0) },
            soft_below_bps: band(100, 0),
            soft_above_bps: band(50, self.below(2)),
            hard_below_bps: band(500, self.below(2)),
            hard_above_bps: band(1_000, self.below(2)),
            sequencer_grace: if self.one_in(3) { self.pick(&[60, 3_600, 86_400]) } else { 0 },
            sequencer: None,
            recover_count: self.pick(&[1, 3, 100]),
            recover_spacing: self.pick(&[1, 60, 3_600]),
            chain_lag: 0,
            sources,
        }
    }

    fn memory(&mut self, config: &AssetConfig, now: u64, price: u128) -> Memory {
        let last_at = match self.way(4) {
            0 => now.saturating_sub(self.beside(config.recover_spacing.into(), 2) as u64),
            1 => self.pick(&[0, now, u64::MAX, now.saturating_add(5)]),
            _ => now.saturating_sub(self.below(5_000_000)),
        };
        let elapsed = now.saturating_sub(last_at).min(2_592_000);
        let vol = u64::from(config.vol_bps);
        let allowed = u64::from(config.jump_bps) + (vol * vol * elapsed / 3_600).isqrt();
        let last = match self.way(6) {
            0 => 0,
            1 => self.moved(price, allowed),
            2 => self.moved(price, allowed * u64::from(config.leap_multiple)),
            _ => self.moved(price, 100),
        };
        let leg = |of: &mut Self| match of.below(3) {
            0 => LegMemory::default(),
            _ if of.odd(1) => LegMemory {
                round: (1 << 64 | 5) + u128::from(of.below(2)),
                updated_at: now.saturating_sub(of.below(40_000)),
            },
            _ => LegMemory { round: 1 << 64 | 5, updated_at: now.saturating_sub(600_000) },
        };
        let sources = config.sources.iter().map(|s| s.legs.iter().map(|_| leg(self)).collect()).collect();
        Memory {
            last: Price(last),
            last_at,
            recovering: self.odd(4),
            good: self.pick(&[0, 1, config.recover_count.saturating_sub(1), 255]),
            good_at: now.saturating_sub(self.beside(config.recover_spacing.into(), 2) as u64),
            sources,
        }
    }
}

/// A price in a feed's decimals, rounded down.
fn unscale(price: u128, decimals: u8) -> U256 {
    U256::from(price) * U256::from(10u64).pow(U256::from(decimals)) / U256::from(ONE)
}

impl Iterator for Scenarios {
    type Item = (AssetConfig, Input, Memory);

    fn next(&mut self) -> Option<Self::Item> {
        self.calm = self.below(5) != 0;
        let now = match self.way(6) {
            0 => self.pick(&[0, 1_000_000, u64::MAX, u64::MAX - 30]),
            _ => 1_700_000_000,
        };
        let price = match self.way(8) {
            0 => self.wide() >> self.below(127),
            1 | 2 => ONE * 2_000,
            _ => ONE,
        };
        let config = self.asset(now, price.max(1));
        let memory = self.memory(&config, now, price);
        let (skew, tolerance) = (config.skew.into(), config.tolerance_bps.into());
        let sources = config
            .sources
            .iter()
            .map(|source| {
                let leg = |(j, leg): (usize, &LegConfig)| {
                    self.leg_input(leg, now, skew, if j == 0 { price } else { ONE }, tolerance)
                };
                source.legs.iter().enumerate().map(leg).collect()
            })
            .collect();
        let ago = match self.way(3) {
            0 => self.beside(config.sequencer_grace.into(), 2) as u64,
            _ => u64::from(config.sequencer_grace) + self.below(200_000),
        };
        let sequencer = SequencerInput {
            outcome: if self.odd(20) { Outcome::Reverted } else { Outcome::Read },
            answer: if self.odd(3) { self.pick(&[I256::ONE, I256::MINUS_ONE]) } else { I256::ZERO },
            started_at: match self.way(4) {
                0 => now.saturating_add(skew + self.below(2)),
                1 => 0,
                _ => now.saturating_sub(ago),
            },
        };
        Some((config, Input { now, wall: 0, sequencer, sources }, memory))
    }
}
