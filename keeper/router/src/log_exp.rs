//! `x^y` with 18 decimals to the last digit of Balancer's `LogExpMath`: the same tables, series and truncations.

use crate::QuoteError;
use alloy_primitives::{I256, U256, uint};

const fn int(value: U256) -> I256 {
    I256::from_raw(value)
}

const ONE_18: I256 = int(uint!(1_000_000_000_000_000_000_U256));
const ONE_20: I256 = int(uint!(100_000_000_000_000_000_000_U256));
const ONE_36: I256 = int(uint!(1_000_000_000_000_000_000_000_000_000_000_000_000_U256));
const HUNDRED: I256 = int(uint!(100_U256));

/// `e^power` beside `power`, both with 20 decimals, from 2^5 down to 2^-4. The two larger entries of the original are
/// left out: what a swap may move keeps |y ln x| below 36, since x is at most 1 / 0.7 and y at most 99.
const POWERS: [(I256, I256); 10] = [
    (int(uint!(3200000000000000000000_U256)), int(uint!(7896296018268069516100000000000000_U256))),
    (int(uint!(1600000000000000000000_U256)), int(uint!(888611052050787263676000000_U256))),
    (int(uint!(800000000000000000000_U256)), int(uint!(298095798704172827474000_U256))),
    (int(uint!(400000000000000000000_U256)), int(uint!(5459815003314423907810_U256))),
    (int(uint!(200000000000000000000_U256)), int(uint!(738905609893065022723_U256))),
    (int(uint!(100000000000000000000_U256)), int(uint!(271828182845904523536_U256))),
    (int(uint!(50000000000000000000_U256)), int(uint!(164872127070012814685_U256))),
    (int(uint!(25000000000000000000_U256)), int(uint!(128402541668774148407_U256))),
    (int(uint!(12500000000000000000_U256)), int(uint!(113314845306682631683_U256))),
    (int(uint!(6250000000000000000_U256)), int(uint!(106449445891785942956_U256))),
];
/// Those of them that `exp` takes out before its series.
const EXP_POWERS: usize = 8;
/// Beyond 2^6 the tables above do not reach.
const LIMIT: I256 = int(uint!(64_000_000_000_000_000_000_U256));
/// Between these `ln` is taken with 36 decimals.
const NEAR_ONE: (I256, I256) =
    (int(uint!(900_000_000_000_000_000_U256)), int(uint!(1_100_000_000_000_000_000_U256)));

/// `base^exponent`, all with 18 decimals.
pub(crate) fn pow(base: U256, exponent: U256) -> Result<U256, QuoteError> {
    if exponent.is_zero() {
        return Ok(ONE_18.into_raw());
    }
    if base.is_zero() {
        return Ok(U256::ZERO);
    }
    // Both far below what the products here could overflow with.
    if base.bit_len() > 100 || exponent.bit_len() > 100 {
        return Err(QuoteError::TooLarge);
    }
    let (base, exponent) = (int(base), int(exponent));
    let log = if NEAR_ONE.0 < base && base < NEAR_ONE.1 {
        let log = ln_36(base);
        (log / ONE_18) * exponent + ((log % ONE_18) * exponent) / ONE_18
    } else {
        ln(base) * exponent
    };
    let log = log / ONE_18;
    if log.abs() >= LIMIT {
        return Err(QuoteError::TooLarge);
    }
    Ok(exp(log).into_raw())
}

fn exp(x: I256) -> I256 {
    if x.is_negative() {
        return (ONE_18 * ONE_18) / exp(-x);
    }
    let mut rest = x * HUNDRED;
    let mut product = ONE_20;
    for (power, value) in &POWERS[..EXP_POWERS] {
        if rest >= *power {
            rest -= *power;
            product = (product * *value) / ONE_20;
        }
    }
    let mut term = rest;
    let mut sum = ONE_20 + term;
    for n in 2..=12 {
        term = ((term * rest) / ONE_20) / small(n);
        sum += term;
    }
    ((product * sum) / ONE_20) / HUNDRED
}

/// 18 decimals in and out.
fn ln(a: I256) -> I256 {
    if a < ONE_18 {
        return -ln((ONE_18 * ONE_18) / a);
    }
    let mut rest = a * HUNDRED;
    let mut sum = I256::ZERO;
    for (power, value) in &POWERS {
        if rest >= *value {
            rest = (rest * ONE_20) / *value;
            sum += *power;
        }
    }
    (sum + series(rest, ONE_20, 11)) / HUNDRED
}

/// 18 decimals in, 36 out.
fn ln_36(a: I256) -> I256 {
    series(a * ONE_18, ONE_36, 15)
}

/// `ln(a)` for an `a` near one, as twice the sum of z^n / n over odd n, z = (a - 1) / (a + 1).
fn series(a: I256, one: I256, last: i64) -> I256 {
    let z = ((a - one) * one) / (a + one);
    let square = (z * z) / one;
    let mut power = z;
    let mut sum = z;
    for n in (3..=last).step_by(2) {
        power = (power * square) / one;
        sum += power / small(n);
    }
    sum * small(2)
}

fn small(n: i64) -> I256 {
    I256::unchecked_from(n)
}
