//! Curve StableSwap with two and more coins: its integer iterations, its fee on the output.
//!
//! As `exchange` of the pools of 2020 and after computes; `get_dy` of some rounds the fee differently, and is what a
//! page shows, not what a swap pays.

use crate::{QuoteError, curve::Curve};
use alloy_primitives::{Address, U256, uint};

const ONE: U256 = uint!(1_000_000_000_000_000_000_U256);
const FEE_PARTS: U256 = uint!(10_000_000_000_U256);
const ITERATIONS: usize = 255;
/// Of a balance with 18 decimals; products of what is below do not overflow where they are not checked.
const MAX_BITS: usize = 112;

/// A pool of n coins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StablePool {
    pub tokens: Vec<Address>,
    /// In smallest units, as `balances(i)` says.
    pub balances: Vec<U256>,
    /// 1e18 times what brings a coin to 18 decimals (1e18 for 18 decimals, 1e30 for 6).
    pub rates: Vec<U256>,
    /// As `A()` times `amplification_precision`.
    pub amplification: U256,
    /// 1 in the first pools, 100 in later ones.
    pub amplification_precision: U256,
    /// Parts of 1e10 of the output.
    pub fee: U256,
    /// Parts of 1e10 of the fee that leave the pool.
    pub admin_fee: U256,
}

impl StablePool {
    /// Output of an exact input, in smallest units, as `exchange` pays it.
    pub(crate) fn amount_out(&self, from: usize, to: usize, amount: U256) -> Result<U256, QuoteError> {
        let scaled = self.scaled().ok_or(QuoteError::TooLarge)?;
        let invariant = self.invariant(&scaled)?;
        self.output(&scaled, invariant, from, to, amount)
    }

    fn output(
        &self,
        scaled: &[U256],
        invariant: U256,
        from: usize,
        to: usize,
        amount: U256,
    ) -> Result<U256, QuoteError> {
        let (gross, fee) = self.exchange(scaled, invariant, from, to, amount)?;
        Ok((gross - fee) * ONE / self.rates[to])
    }

    /// What comes out with 18 decimals, and the fee in it.
    fn exchange(
        &self,
        scaled: &[U256],
        invariant: U256,
        from: usize,
        to: usize,
        amount: U256,
    ) -> Result<(U256, U256), QuoteError> {
        let added = amount.checked_mul(self.rates[from]).ok_or(QuoteError::TooLarge)? / ONE;
        let x = scaled[from].checked_add(added).filter(|x| x.bit_len() <= MAX_BITS);
        let y = self.balance_after(scaled, invariant, from, to, x.ok_or(QuoteError::TooLarge)?)?;
        let gross = scaled[to]
            .checked_sub(y)
            .and_then(|gross| gross.checked_sub(U256::ONE))
            .ok_or(QuoteError::InsufficientLiquidity)?;
        Ok((gross, gross * self.fee / FEE_PARTS))
    }

    /// Output of an exact input, and the balances behind it.
    pub(crate) fn sell(&mut self, from: usize, to: usize, amount: U256) -> Result<U256, QuoteError> {
        let scaled = self.scaled().ok_or(QuoteError::TooLarge)?;
        let (gross, fee) = self.exchange(&scaled, self.invariant(&scaled)?, from, to, amount)?;
        let unscaled = |amount: U256| amount * ONE / self.rates[to];
        let output = unscaled(gross - fee);
        let leaves = output + unscaled(fee * self.admin_fee / FEE_PARTS);
        let left = self.balances[to].checked_sub(leaves).ok_or(QuoteError::InsufficientLiquidity)?;
        self.balances[from] += amount;
        self.balances[to] = left;
        Ok(output)
    }

    /// The least input that pays at least `amount`, in smallest units. `exchange` has no other direction: this is
    /// the inverse of [`Self::amount_out`].
    pub(crate) fn amount_in(&self, from: usize, to: usize, amount: U256) -> Result<U256, QuoteError> {
        let scaled = self.scaled().ok_or(QuoteError::TooLarge)?;
        let invariant = self.invariant(&scaled)?;
        let net = amount.checked_mul(self.rates[to]).ok_or(QuoteError::TooLarge)?.div_ceil(ONE);
        let gross = net.checked_mul(FEE_PARTS).ok_or(QuoteError::TooLarge)?.div_ceil(FEE_PARTS - self.fee);
        let y = scaled[to]
            .checked_sub(gross)
            .and_then(|y| y.checked_sub(U256::ONE))
            .filter(|y| !y.is_zero())
            .ok_or(QuoteError::InsufficientLiquidity)?;
        let x = self.balance_after(&scaled, invariant, to, from, y)?;
        let near = x.saturating_sub(scaled[from]).saturating_mul(ONE) / self.rates[from];
        crate::least_input(near, amount, |input| self.output(&scaled, invariant, from, to, input))
    }

    /// Balances with 18 decimals.
    fn scaled(&self) -> Option<Vec<U256>> {
        let pairs = self.balances.iter().zip(&self.rates);
        let scaled = pairs.map(|(balance, rate)| Some(balance.checked_mul(*rate)? / ONE));
        scaled.map(|x| x.filter(|x| x.bit_len() <= MAX_BITS)).collect()
    }

    /// `A * n`, with the amplification's precision in it.
    fn leverage(&self) -> U256 {
        self.amplification * U256::from(self.tokens.len())
    }

    /// `get_D`.
    fn invariant(&self, scaled: &[U256]) -> Result<U256, QuoteError> {
        let n = U256::from(scaled.len());
        let sum: U256 = scaled.iter().sum();
        if scaled.iter().any(U256::is_zero) {
            return Err(QuoteError::InsufficientLiquidity);
        }
        let (leverage, precision) = (self.leverage(), self.amplification_precision);
        let pulled = leverage.checked_mul(sum).ok_or(QuoteError::TooLarge)? / precision;
        let mut d = sum;
        for _ in 0..ITERATIONS {
            let mut product = d;
            for x in scaled {
                product = product.checked_mul(d).ok_or(QuoteError::TooLarge)? / (*x * n);
            }
            let before = d;
            let above = (pulled + product * n).checked_mul(d).ok_or(QuoteError::TooLarge)?;
            d = above / ((leverage - precision) * d / precision + (n + U256::ONE) * product);
            if d.abs_diff(before) <= U256::ONE {
                return Ok(d);
            }
        }
        Err(QuoteError::NoConvergence)
    }

    /// `get_y`: the balance of `to` when that of `from` is `x`.
    fn balance_after(
        &self,
        scaled: &[U256],
        d: U256,
        from: usize,
        to: usize,
        x: U256,
    ) -> Result<U256, QuoteError> {
        let n = U256::from(scaled.len());
        let (leverage, precision) = (self.leverage(), self.amplification_precision);
        let mut c = d;
        let mut sum = U256::ZERO;
        for (k, balance) in scaled.iter().enumerate().filter(|(k, _)| *k != to) {
            let balance = if k == from { x } else { *balance };
            sum = sum.checked_add(balance).ok_or(QuoteError::TooLarge)?;
            c = c.checked_mul(d).ok_or(QuoteError::TooLarge)? / (balance * n);
        }
        c = c.checked_mul(d * precision).ok_or(QuoteError::TooLarge)? / (leverage * n);
        let b = sum + d * precision / leverage;
        let mut y = d;
        for _ in 0..ITERATIONS {
            let before = y;
            let above =
                y.checked_mul(y).and_then(|square| square.checked_add(c)).ok_or(QuoteError::TooLarge)?;
            let below = (U256::from(2) * y + b).checked_sub(d).filter(|below| !below.is_zero());
            y = above / below.ok_or(QuoteError::NoConvergence)?;
            if y.abs_diff(before) <= U256::ONE {
                return Ok(y);
            }
        }
        Err(QuoteError::NoConvergence)
    }

    pub(crate) fn curve(&self, from: usize, to: usize) -> Option<Curve> {
        #![expect(clippy::float_arithmetic, reason = "a curve proposes; what is promised is integers")]
        let scaled = self.scaled()?;
        let d = f64::from(self.invariant(&scaled).ok()?);
        let n = scaled.len() as f64;
        let leverage = f64::from(self.leverage()) / f64::from(self.amplification_precision);
        let others = scaled.iter().enumerate().filter(|(k, _)| *k != from && *k != to);
        let (mut rest, mut constant) = (0.0, 1.0 / (n * n * leverage));
        for (_, balance) in others {
            let share = f64::from(*balance) / d;
            rest += share;
            constant /= share * n;
        }
        Curve::stable(crate::curve::StableShape {
            x: f64::from(scaled[from]) / d,
            // b - D without x, and c times x, with D = 1.
            offset: rest + 1.0 / leverage - 1.0,
            constant,
            unit_in: d * f64::from(ONE) / f64::from(self.rates[from]),
            unit_out: d * f64::from(ONE) / f64::from(self.rates[to]),
            keep: 1.0 - f64::from(self.fee) / f64::from(FEE_PARTS),
        })
    }
}
