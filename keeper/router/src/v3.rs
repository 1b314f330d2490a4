//! Uniswap V3: a swap through ticks, rounded as v3-core rounds (`SwapMath`, `SqrtPriceMath`, `TickBitmap`).

use crate::{
    QuoteError,
    curve::{Curve, Range},
    math::{Q96, mul_div, mul_div_up},
    tick::{MAX_SQRT_PRICE, MAX_TICK, MIN_SQRT_PRICE, sqrt_price_at, to_float},
};
use alloy_primitives::{Address, U256};

/// Parts of one in a fee.
const PIPS: u32 = 1_000_000;

/// The state that a swap reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct V3Pool {
    /// token0 and token1.
    pub tokens: [Address; 2],
    /// Parts of a million of the input.
    pub fee: u32,
    pub tick_spacing: i32,
    /// Square root of token1 per token0, Q64.96.
    pub sqrt_price: U256,
    pub tick: i32,
    /// In range now.
    pub liquidity: u128,
    /// Initialized ticks with their net liquidity, from low to high.
    pub ticks: Vec<(i32, i128)>,
}

/// Where a swap is.
struct Walk {
    sqrt_price: U256,
    tick: i32,
    liquidity: u128,
    /// Of the amount that was given.
    remaining: U256,
    /// Of the other token.
    calculated: U256,
}

impl Walk {
    /// As `TickMath.getTickAtSqrtRatio`, except at a tick that was just crossed downwards, which is above.
    fn tick_of_price(&self) -> i32 {
        if self.tick < MAX_TICK && sqrt_price_at(self.tick + 1) == self.sqrt_price {
            return self.tick;
        }
        let (mut low, mut high) = (-MAX_TICK, MAX_TICK);
        while low < high {
            let middle = low + (high - low + 1) / 2;
            if sqrt_price_at(middle) <= self.sqrt_price {
                low = middle;
            } else {
                high = middle - 1;
            }
        }
        low
    }
}

/// What one step within a range moves.
struct Step {
    sqrt_price: U256,
    amount_in: U256,
    amount_out: U256,
    fee: U256,
}

impl V3Pool {
    /// Output of an exact input, in smallest units, as `swap` pays it.
    pub(crate) fn amount_out(&self, from: usize, amount: U256) -> Result<U256, QuoteError> {
        Ok(self.swap(from == 0, true, amount)?.calculated)
    }

    /// Output of an exact input, and the price behind it.
    pub(crate) fn sell(&mut self, from: usize, amount: U256) -> Result<U256, QuoteError> {
        let end = self.swap(from == 0, true, amount)?;
        (self.sqrt_price, self.tick, self.liquidity) = (end.sqrt_price, end.tick_of_price(), end.liquidity);
        Ok(end.calculated)
    }

    /// Input of an exact output, in smallest units, as `swap` asks for it.
    pub(crate) fn amount_in(&self, from: usize, amount: U256) -> Result<U256, QuoteError> {
        Ok(self.swap(from == 0, false, amount)?.calculated)
    }

    fn swap(&self, down: bool, exact_in: bool, amount: U256) -> Result<Walk, QuoteError> {
        // v3-core takes amounts as int256.
        if amount.bit(255) {
            return Err(QuoteError::TooLarge);
        }
        let mut at = Walk {
            sqrt_price: self.sqrt_price,
            tick: self.tick,
            liquidity: self.liquidity,
            remaining: amount,
            calculated: U256::ZERO,
        };
        while !at.remaining.is_zero() {
            let (next, crossed) = self.next_tick(at.tick, down);
            if at.liquidity == 0 && crossed.is_none() && !self.more_ticks(at.tick, down) {
                return Err(QuoteError::InsufficientLiquidity);
            }
            let next_price = sqrt_price_at(next);
            let limit = if down { MIN_SQRT_PRICE + U256::ONE } else { MAX_SQRT_PRICE - U256::ONE };
            let target = if down { next_price.max(limit) } else { next_price.min(limit) };
            let step = step(at.sqrt_price, target, at.liquidity, at.remaining, self.fee, exact_in)
                .ok_or(QuoteError::InsufficientLiquidity)?;
            let paid = step.amount_in + step.fee;
            let (used, gained) = if exact_in { (paid, step.amount_out) } else { (step.amount_out, paid) };
            at.remaining -= used;
            at.calculated = at.calculated.checked_add(gained).ok_or(QuoteError::TooLarge)?;
            at.sqrt_price = step.sqrt_price;
            if at.sqrt_price == next_price {
                if let Some(net) = crossed {
                    let net = if down { net.checked_neg() } else { Some(net) };
                    at.liquidity = net
                        .and_then(|net| at.liquidity.checked_add_signed(net))
                        .ok_or(QuoteError::InsufficientLiquidity)?;
                }
                at.tick = if down { next - 1 } else { next };
            }
            if at.sqrt_price == limit && !at.remaining.is_zero() {
                return Err(QuoteError::InsufficientLiquidity);
            }
        }
        Ok(at)
    }

    /// The tick where the next step ends: the next initialized one, with its net liquidity, or the end of the word
    /// of 256 spacings (a step on chain ends there too, and rounds).
    fn next_tick(&self, tick: i32, down: bool) -> (i32, Option<i128>) {
        let compressed = tick.div_euclid(self.tick_spacing);
        if down {
            let end = (compressed >> 8 << 8) * self.tick_spacing;
            let after = self.ticks.partition_point(|(at, _)| *at <= tick);
            match after.checked_sub(1).map(|n| self.ticks[n]) {
                Some((at, net)) if at >= end => (at, Some(net)),
                _ => (end.max(-MAX_TICK), None),
            }
        } else {
            let end = ((compressed + 1) | 255) * self.tick_spacing;
            match self.ticks.get(self.ticks.partition_point(|(at, _)| *at <= tick)) {
                Some((at, net)) if *at <= end => (*at, Some(*net)),
                _ => (end.min(MAX_TICK), None),
            }
        }
    }

    fn more_ticks(&self, tick: i32, down: bool) -> bool {
        let edge = if down { self.ticks.first() } else { self.ticks.last() };
        edge.is_some_and(|(at, _)| if down { *at <= tick } else { *at > tick })
    }

    pub(crate) fn curve(&self, from: usize) -> Option<Curve> {
        #![expect(clippy::float_arithmetic, reason = "a curve proposes; what is promised is integers")]
        let down = from == 0;
        let keep = f64::from(PIPS - self.fee) / f64::from(PIPS);
        // Roots of the price of the input, which rise as a swap goes on.
        let root = |price: U256| if down { to_float(price).recip() } else { to_float(price) };
        let split = self.ticks.partition_point(|(at, _)| *at <= self.tick);
        let mut ahead = self.ticks[split..].iter();
        let mut behind = self.ticks[..split].iter().rev();
        let mut liquidity = self.liquidity;
        let mut start = root(self.sqrt_price);
        let mut ranges = Vec::with_capacity(self.ticks.len() + 1);
        loop {
            let next = if down { behind.next() } else { ahead.next() };
            let price = match next {
                Some((at, _)) => sqrt_price_at(*at),
                None if down => MIN_SQRT_PRICE,
                None => MAX_SQRT_PRICE,
            };
            let end = root(price);
            if end > start {
                ranges.push(Range { start, end, liquidity: liquidity as f64 });
                start = end;
            }
            let Some((_, net)) = next else { break };
            let net = if down { net.checked_neg()? } else { *net };
            liquidity = liquidity.checked_add_signed(net)?;
        }
        Curve::ranges(&ranges, keep)
    }
}

/// `SwapMath.computeSwapStep`.
fn step(
    current: U256,
    target: U256,
    liquidity: u128,
    remaining: U256,
    fee: u32,
    exact_in: bool,
) -> Option<Step> {
    let down = current >= target;
    let (pips, fee) = (U256::from(PIPS), U256::from(fee));
    let amount_in_to = |end, up| {
        if down { amount0(end, current, liquidity, up) } else { amount1(current, end, liquidity, up) }
    };
    let amount_out_to = |end| {
        if down { amount1(end, current, liquidity, false) } else { amount0(current, end, liquidity, false) }
    };
    let sqrt_price = if exact_in {
        let kept = mul_div(remaining, pips - fee, pips)?;
        if kept >= amount_in_to(target, true)? {
            target
        } else {
            after_input(current, liquidity, kept, down)?
        }
    } else if remaining >= amount_out_to(target)? {
        target
    } else {
        after_output(current, liquidity, remaining, down)?
    };
    let amount_in = amount_in_to(sqrt_price, true)?;
    let mut amount_out = amount_out_to(sqrt_price)?;
    if !exact_in {
        amount_out = amount_out.min(remaining);
    }
    let fee = if exact_in && sqrt_price != target {
        remaining - amount_in
    } else {
        mul_div_up(amount_in, fee, pips - fee)?
    };
    Some(Step { sqrt_price, amount_in, amount_out, fee })
}

/// token0 between two prices, `low` first.
fn amount0(low: U256, high: U256, liquidity: u128, up: bool) -> Option<U256> {
    let (scaled, distance): (U256, U256) = (U256::from(liquidity) << 96, high - low);
    if up {
        Some(mul_div_up(scaled, distance, high)?.div_ceil(low))
    } else {
        Some(mul_div(scaled, distance, high)? / low)
    }
}

/// token1 between two prices, `low` first.
fn amount1(low: U256, high: U256, liquidity: u128, up: bool) -> Option<U256> {
    let (liquidity, distance) = (U256::from(liquidity), high - low);
    if up { mul_div_up(liquidity, distance, Q96) } else { mul_div(liquidity, distance, Q96) }
}

fn after_input(price: U256, liquidity: u128, amount: U256, down: bool) -> Option<U256> {
    if !down {
        return price.checked_add(mul_div(amount, Q96, U256::from(liquidity))?).filter(fits);
    }
    if amount.is_zero() {
        return Some(price);
    }
    let scaled: U256 = U256::from(liquidity) << 96;
    match amount.checked_mul(price).and_then(|product| scaled.checked_add(product)) {
        Some(below) => mul_div_up(scaled, price, below),
        None => Some(scaled.div_ceil((scaled / price).checked_add(amount)?)),
    }
}

fn after_output(price: U256, liquidity: u128, amount: U256, down: bool) -> Option<U256> {
    if down {
        return price
            .checked_sub(mul_div_up(amount, Q96, U256::from(liquidity))?)
            .filter(|price| !price.is_zero());
    }
    if amount.is_zero() {
        return Some(price);
    }
    let scaled: U256 = U256::from(liquidity) << 96;
    let below = scaled.checked_sub(amount.checked_mul(price)?).filter(|below| !below.is_zero())?;
    mul_div_up(scaled, price, below).filter(fits)
}

fn fits(price: &U256) -> bool {
    price.bit_len() <= 160
}
