//! Uniswap V2 and its forks: constant product, fee on the input.

use crate::{QuoteError, curve::Curve};
use alloy_primitives::{Address, U256};

/// A pair; `keep` of `of` parts of an input remain after the fee (997 of 1,000 at Uniswap).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct V2Pool {
    pub tokens: [Address; 2],
    /// In the tokens' smallest units; below 2^112.
    pub reserves: [U256; 2],
    pub keep: u32,
    pub of: u32,
}

impl V2Pool {
    /// As `UniswapV2Library.getAmountOut`, in smallest units, rounded down.
    pub(crate) fn amount_out(&self, from: usize, to: usize, amount: U256) -> Result<U256, QuoteError> {
        let (reserve_in, reserve_out) = (self.reserves[from], self.reserves[to]);
        if reserve_in.is_zero() || reserve_out.is_zero() {
            return Err(QuoteError::InsufficientLiquidity);
        }
        fits(reserve_in, amount)?;
        let kept = amount * U256::from(self.keep);
        Ok(kept * reserve_out / (reserve_in * U256::from(self.of) + kept))
    }

    /// As `UniswapV2Library.getAmountIn`, in smallest units, rounded up.
    pub(crate) fn amount_in(&self, from: usize, to: usize, amount: U256) -> Result<U256, QuoteError> {
        let (reserve_in, reserve_out) = (self.reserves[from], self.reserves[to]);
        if reserve_in.is_zero() || amount >= reserve_out {
            return Err(QuoteError::InsufficientLiquidity);
        }
        let above = reserve_in * amount * U256::from(self.of);
        let needed = above / ((reserve_out - amount) * U256::from(self.keep)) + U256::ONE;
        fits(reserve_in, needed)?;
        Ok(needed)
    }

    pub(crate) fn curve(&self, from: usize, to: usize) -> Option<Curve> {
        #![expect(clippy::float_arithmetic, reason = "a curve proposes; what is promised is integers")]
        let keep = f64::from(self.keep) / f64::from(self.of);
        Curve::product(f64::from(self.reserves[from]), f64::from(self.reserves[to]), keep)
    }
}

/// A pair reverts once a reserve exceeds 112 bits.
fn fits(reserve: U256, amount: U256) -> Result<(), QuoteError> {
    match reserve.checked_add(amount) {
        Some(sum) if sum.bit_len() <= 112 => Ok(()),
        _ => Err(QuoteError::TooLarge),
    }
}
