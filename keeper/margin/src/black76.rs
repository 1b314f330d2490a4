//! European options on a forward without interest (F. Black, "The pricing of commodity contracts", 1976), in the steps of
//! `contracts/margin/Black76.sol`, which has the formulas. All numbers have 18 decimals.

use crate::{
    WAD,
    fixed::{exp_of_negative, int, ln, quotient},
};
use alloy_primitives::{I256, U256, uint};

const ONE: I256 = int(WAD);
/// From here on the time value is below 1e-17 of the lesser of forward and strike.
const FAR: I256 = int(uint!(8_500_000_000_000_000_000_U256));
/// From here on the continued fraction is used.
const RATIONAL: I256 = int(uint!(7_071_067_811_865_470_000_U256));

/// The value of one option; at most [`error_of`] from the true one. `v` is the volatility times the square root of the
/// years left, below 8.
///
/// `forward` and `strike` are from 1 to 2^112 - 1.
pub fn price(forward: U256, strike: U256, v: U256, is_call: bool) -> U256 {
    let (lo, hi) = if forward < strike { (forward, strike) } else { (strike, forward) };
    let intrinsic = if is_call == (forward > strike) { hi - lo } else { U256::ZERO };
    if v.is_zero() { intrinsic } else { intrinsic + time_value(lo, hi, int(v)) }
}

/// [`price`], not below the true value.
pub fn price_up(forward: U256, strike: U256, v: U256, is_call: bool) -> U256 {
    price(forward, strike, v, is_call) + error_of(forward, strike)
}

/// [`price`], not above the true value.
pub fn price_down(forward: U256, strike: U256, v: U256, is_call: bool) -> U256 {
    price(forward, strike, v, is_call).saturating_sub(error_of(forward, strike))
}

/// No [`price`] is further from the true value than this: 1e-14 of the lesser of forward and strike.
pub fn error_of(forward: U256, strike: U256) -> U256 {
    forward.min(strike) / uint!(100_000_000_000_000_U256) + uint!(2_U256)
}

fn time_value(lo: U256, hi: U256, v: I256) -> U256 {
    let half = quotient(v, int(uint!(2_U256)));
    let middle = quotient(ln(hi * WAD / lo).wrapping_mul(ONE), v);
    let a = middle.wrapping_sub(half);
    if a >= FAR {
        return U256::ZERO;
    }
    let b = middle.wrapping_add(half);
    let square = a.wrapping_mul(a).wrapping_neg();
    let density = exp_of_negative(quotient(square, int(uint!(2_000_000_000_000_000_000_U256))));
    if a.is_negative() {
        let out = density * (mills(a.wrapping_neg()) + mills(b)) / WAD;
        return if out < WAD { lo * (WAD - out) / WAD } else { U256::ZERO };
    }
    lo * density / WAD * mills(a).wrapping_sub(mills(b)) / WAD
}

/// The upper tail of the normal distribution over its density, without the density's factor 1 / sqrt(2 pi): for `x` from 0
/// on. Hart's rational approximation, as G. West gives it.
fn mills(x: I256) -> U256 {
    if x >= RATIONAL {
        let under = |n: U256, k: I256| x.wrapping_add(quotient(int(n), k));
        let k = x.wrapping_add(int(uint!(650_000_000_000_000_000_U256)));
        let k = under(uint!(4_000_000_000_000_000_000_000_000_000_000_000_000_U256), k);
        let k = under(uint!(3_000_000_000_000_000_000_000_000_000_000_000_000_U256), k);
        let k = under(uint!(2_000_000_000_000_000_000_000_000_000_000_000_000_U256), k);
        let k = under(uint!(1_000_000_000_000_000_000_000_000_000_000_000_000_U256), k);
        let root_2pi = int(uint!(2_506_628_274_631_000_502_U256));
        let below = quotient(k.wrapping_mul(root_2pi), ONE);
        let one_54 = uint!(1_000_000_000_000_000_000_000_000_000_000_000_000_000_000_000_000_000_000_U256);
        return quotient(int(one_54), below).into_raw() / WAD;
    }
    const P: [I256; 7] = [
        int(uint!(35_262_496_599_891_100_U256)),
        int(uint!(700_383_064_443_688_000_U256)),
        int(uint!(6_373_962_203_531_650_000_U256)),
        int(uint!(33_912_866_078_383_000_000_U256)),
        int(uint!(112_079_291_497_871_000_000_U256)),
        int(uint!(221_213_596_169_931_000_000_U256)),
        int(uint!(220_206_867_912_376_000_000_U256)),
    ];
    const Q: [I256; 8] = [
        int(uint!(88_388_347_648_318_400_U256)),
        int(uint!(1_755_667_163_182_640_000_U256)),
        int(uint!(16_064_177_579_207_000_000_U256)),
        int(uint!(86_780_732_202_946_100_000_U256)),
        int(uint!(296_564_248_779_674_000_000_U256)),
        int(uint!(637_333_633_378_831_000_000_U256)),
        int(uint!(793_826_512_519_948_000_000_U256)),
        int(uint!(440_413_735_824_752_000_000_U256)),
    ];
    let horner = |all: &[I256]| {
        all[1..].iter().fold(all[0], |sum, c| quotient(sum.wrapping_mul(x), ONE).wrapping_add(*c))
    };
    quotient(horner(&P).wrapping_mul(ONE), horner(&Q)).into_raw()
}
