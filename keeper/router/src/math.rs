//! Products of 512 bits, rounded as Solidity's libraries round them.

use alloy_primitives::{U256, U512};

/// Parts of 2^96 in a Q64.96 number.
pub(crate) const Q96: U256 = U256::from_limbs([0, 1 << 32, 0, 0]);

/// `a * b / d` rounded down; none when `d` is zero or the result exceeds 256 bits.
pub(crate) fn mul_div(a: U256, b: U256, d: U256) -> Option<U256> {
    if d.is_zero() {
        return None;
    }
    match a.checked_mul(b) {
        Some(product) => Some(product / d),
        None => narrow((wide(a) * wide(b)) / wide(d)),
    }
}

/// `a * b / d` rounded up; none when `d` is zero or the result exceeds 256 bits.
pub(crate) fn mul_div_up(a: U256, b: U256, d: U256) -> Option<U256> {
    if d.is_zero() {
        return None;
    }
    match a.checked_mul(b) {
        Some(product) => Some(product.div_ceil(d)),
        None => narrow((wide(a) * wide(b)).div_ceil(wide(d))),
    }
}

fn wide(a: U256) -> U512 {
    U512::from(a)
}

fn narrow(a: U512) -> Option<U256> {
    U256::checked_from_limbs_slice(a.as_limbs())
}
