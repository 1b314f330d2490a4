//! One pool of any kind.

use crate::{QuoteError, V2Pool, V3Pool, curve::Curve, stable::StablePool, weighted::WeightedPool};
use alloy_primitives::{Address, U256};

/// The state of a pool, as read in one block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pool {
    V2(V2Pool),
    V3(V3Pool),
    Stable(StablePool),
    Weighted(WeightedPool),
}

impl Pool {
    pub fn tokens(&self) -> &[Address] {
        match self {
            Self::V2(pool) => &pool.tokens,
            Self::V3(pool) => &pool.tokens,
            Self::Stable(pool) => &pool.tokens,
            Self::Weighted(pool) => &pool.tokens,
        }
    }

    /// What a swap of exactly `amount` pays on this state, in smallest units: to the unit what the chain pays.
    ///
    /// # Errors
    /// When the pool has not these tokens, or would revert.
    pub fn amount_out(&self, sell: Address, buy: Address, amount: U256) -> Result<U256, QuoteError> {
        let (from, to) = self.places(sell, buy)?;
        self.output(from, to, amount)
    }

    /// What a swap for exactly `amount` asks on this state, in smallest units: to the unit what the chain asks.
    /// StableSwap has no such swap on chain; there it is the least input that pays at least `amount`.
    ///
    /// # Errors
    /// As for [`Self::amount_out`].
    pub fn amount_in(&self, sell: Address, buy: Address, amount: U256) -> Result<U256, QuoteError> {
        let (from, to) = self.places(sell, buy)?;
        self.input(from, to, amount)
    }

    /// Swaps exactly `amount`: what it pays, as [`Self::amount_out`] says, and the state behind it.
    ///
    /// # Errors
    /// As for [`Self::amount_out`]; the state is what it was then.
    pub fn swap(&mut self, sell: Address, buy: Address, amount: U256) -> Result<U256, QuoteError> {
        let (from, to) = self.places(sell, buy)?;
        if amount.is_zero() {
            return Err(QuoteError::ZeroAmount);
        }
        match self {
            Self::V2(pool) => {
                let output = pool.amount_out(from, to, amount)?;
                pool.reserves[from] += amount;
                pool.reserves[to] -= output;
                Ok(output)
            }
            Self::V3(pool) => pool.sell(from, amount),
            Self::Stable(pool) => pool.sell(from, to, amount),
            Self::Weighted(pool) => {
                let output = pool.amount_out(from, to, amount)?;
                pool.balances[from] += amount;
                pool.balances[to] -= output;
                Ok(output)
            }
        }
    }

    fn places(&self, sell: Address, buy: Address) -> Result<(usize, usize), QuoteError> {
        let place = |token| self.tokens().iter().position(|t| *t == token).ok_or(QuoteError::UnknownToken);
        let (from, to) = (place(sell)?, place(buy)?);
        if from == to { Err(QuoteError::UnknownToken) } else { Ok((from, to)) }
    }

    pub(crate) fn output(&self, from: usize, to: usize, amount: U256) -> Result<U256, QuoteError> {
        if amount.is_zero() {
            return Err(QuoteError::ZeroAmount);
        }
        match self {
            Self::V2(pool) => pool.amount_out(from, to, amount),
            Self::V3(pool) => pool.amount_out(from, amount),
            Self::Stable(pool) => pool.amount_out(from, to, amount),
            Self::Weighted(pool) => pool.amount_out(from, to, amount),
        }
    }

    fn input(&self, from: usize, to: usize, amount: U256) -> Result<U256, QuoteError> {
        if amount.is_zero() {
            return Err(QuoteError::ZeroAmount);
        }
        match self {
            Self::V2(pool) => pool.amount_in(from, to, amount),
            Self::V3(pool) => pool.amount_in(from, amount),
            Self::Stable(pool) => pool.amount_in(from, to, amount),
            Self::Weighted(pool) => pool.amount_in(from, to, amount),
        }
    }

    /// An input that pays at least `amount` when swapped as an exact input. Of a weighted pool that can be more than
    /// [`Self::amount_in`], whose powers have errors of their own each way.
    pub(crate) fn input_for(&self, from: usize, to: usize, amount: U256) -> Result<U256, QuoteError> {
        let input = self.input(from, to, amount)?;
        if self.output(from, to, input)? >= amount {
            return Ok(input);
        }
        least_input(input, amount, |input| self.output(from, to, input))
    }

    pub(crate) fn curve(&self, from: usize, to: usize) -> Option<Curve> {
        match self {
            Self::V2(pool) => pool.curve(from, to),
            Self::V3(pool) => pool.curve(from),
            Self::Stable(pool) => pool.curve(from, to),
            Self::Weighted(pool) => pool.curve(from, to),
        }
    }
}

/// The least input for which `quote` says at least `amount`; `near` is where to begin.
pub(crate) fn least_input(
    near: U256,
    amount: U256,
    quote: impl Fn(U256) -> Result<U256, QuoteError>,
) -> Result<U256, QuoteError> {
    let enough = |input: U256| -> Result<bool, QuoteError> { Ok(quote(input)? >= amount) };
    let (mut low, mut high, mut step) = (near, near, U256::ONE);
    while !enough(high)? {
        (low, high) = (high, high.checked_add(step).ok_or(QuoteError::TooLarge)?);
        step <<= 1;
    }
    if low == high {
        step = U256::ONE;
        while !low.is_zero() && enough(low)? {
            (high, low) = (low, low.saturating_sub(step));
            step <<= 1;
        }
    }
    // Not enough at `low`, enough at `high`.
    while high - low > U256::ONE {
        let middle = low + ((high - low) >> 1);
        if enough(middle)? {
            high = middle;
        } else {
            low = middle;
        }
    }
    Ok(high)
}
