//! Balancer V2 weighted pools, rounded as `WeightedMath` and `BasePool` round: always for the pool.

use crate::{
    QuoteError,
    curve::Curve,
    log_exp::pow,
    math::{mul_div, mul_div_up},
};
use alloy_primitives::{Address, U256, uint};

const ONE: U256 = uint!(1_000_000_000_000_000_000_U256);
/// Of a balance, what one swap may bring or take, 18 decimals.
const MAX_RATIO: U256 = uint!(300_000_000_000_000_000_U256);
/// Relative error that `pow` is assumed to have at most, 18 decimals.
const POW_ERROR: U256 = uint!(10_000_U256);

/// A pool of two to eight tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightedPool {
    pub tokens: Vec<Address>,
    /// In smallest units, as the Vault says.
    pub balances: Vec<U256>,
    /// 18 decimals; they sum to one.
    pub weights: Vec<U256>,
    /// 10^(18 - decimals) of each token.
    pub scales: Vec<U256>,
    /// 18 decimals, of the input.
    pub fee: U256,
}

impl WeightedPool {
    /// Output of an exact input, in smallest units, as the Vault pays it.
    pub(crate) fn amount_out(&self, from: usize, to: usize, amount: U256) -> Result<U256, QuoteError> {
        let kept = amount - mul_up(amount, self.fee)?;
        let kept = self.scaled(kept, from)?;
        let (balance_in, balance_out) =
            (self.scaled(self.balances[from], from)?, self.scaled(self.balances[to], to)?);
        if kept > mul_down(balance_in, MAX_RATIO)? {
            return Err(QuoteError::TooLarge);
        }
        let base = div_up(balance_in, balance_in + kept)?;
        let exponent = mul_div(self.weights[from], ONE, self.weights[to]).ok_or(QuoteError::TooLarge)?;
        let power = pow_up(base, exponent)?;
        Ok(mul_down(balance_out, ONE.saturating_sub(power))? / self.scales[to])
    }

    /// Input of an exact output, in smallest units, as the Vault asks for it.
    pub(crate) fn amount_in(&self, from: usize, to: usize, amount: U256) -> Result<U256, QuoteError> {
        let amount = self.scaled(amount, to)?;
        let (balance_in, balance_out) =
            (self.scaled(self.balances[from], from)?, self.scaled(self.balances[to], to)?);
        if amount > mul_down(balance_out, MAX_RATIO)? {
            return Err(QuoteError::TooLarge);
        }
        let base = div_up(balance_out, balance_out - amount)?;
        let power = pow_up(base, div_up(self.weights[to], self.weights[from])?)?;
        let net = mul_up(balance_in, power - ONE)?.div_ceil(self.scales[from]);
        div_up(net, ONE - self.fee)
    }

    fn scaled(&self, amount: U256, token: usize) -> Result<U256, QuoteError> {
        amount.checked_mul(self.scales[token]).ok_or(QuoteError::TooLarge)
    }

    pub(crate) fn curve(&self, from: usize, to: usize) -> Option<Curve> {
        #![expect(clippy::float_arithmetic, reason = "a curve proposes; what is promised is integers")]
        let ratio = f64::from(self.weights[from]) / f64::from(self.weights[to]);
        let keep = 1.0 - f64::from(self.fee) / f64::from(ONE);
        // A little below the limit, so that no rounding passes it; the output has the same limit.
        let limit = f64::from(MAX_RATIO) / f64::from(ONE) * (1.0 - 1e-9);
        let by_output = (1.0 - limit).powf(-1.0 / ratio) - 1.0;
        let (x, y) = (f64::from(self.balances[from]), f64::from(self.balances[to]));
        Curve::weighted(x, y, ratio, keep, limit.min(by_output))
    }
}

fn mul_down(a: U256, b: U256) -> Result<U256, QuoteError> {
    mul_div(a, b, ONE).ok_or(QuoteError::TooLarge)
}

fn mul_up(a: U256, b: U256) -> Result<U256, QuoteError> {
    mul_div_up(a, b, ONE).ok_or(QuoteError::TooLarge)
}

fn div_up(a: U256, b: U256) -> Result<U256, QuoteError> {
    mul_div_up(a, ONE, b).ok_or(QuoteError::InsufficientLiquidity)
}

/// `FixedPoint.powUp`: exponents of one, two and four are multiplied out.
fn pow_up(base: U256, exponent: U256) -> Result<U256, QuoteError> {
    if exponent == ONE {
        return Ok(base);
    }
    if exponent == ONE * U256::from(2) {
        return mul_up(base, base);
    }
    if exponent == ONE * U256::from(4) {
        let square = mul_up(base, base)?;
        return mul_up(square, square);
    }
    let power = pow(base, exponent)?;
    Ok(power + mul_up(power, POW_ERROR)? + U256::ONE)
}
