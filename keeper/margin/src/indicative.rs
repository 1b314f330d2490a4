//! Marks and deltas in floating point, for people and charts. What pays or liquidates is [`black76`](crate::black76).

// Nothing here decides an amount.
#![allow(clippy::float_arithmetic)]

use std::f64::consts::{FRAC_1_SQRT_2, PI};

/// The value of one option on a forward without interest (Black 1976). `v` is the volatility times the square root of
/// the years left. As `contracts/margin/Black76.sol`, as a difference of nearly equal numbers would lose digits far out of
/// the money: the lesser of forward and strike times `phi(a) * (R(a) - R(b))`, with R Mills' ratio.
pub fn price(forward: f64, strike: f64, v: f64, is_call: bool) -> f64 {
    let (lo, hi) = (forward.min(strike), forward.max(strike));
    let intrinsic = if is_call == (forward > strike) { hi - lo } else { 0.0 };
    if v <= 0.0 {
        return intrinsic;
    }
    let middle = ((hi - lo) / lo).ln_1p() / v;
    let (a, b) = (middle - v / 2.0, middle + v / 2.0);
    let time = if a > 0.0 {
        let density = (-a * a / 2.0).exp() / (2.0 * PI).sqrt();
        density * (mills(a) - mills(b))
    } else {
        tail(a) - hi / lo * tail(b)
    };
    intrinsic + lo * time.max(0.0)
}

/// By how much the value moves when the forward moves by one.
pub fn delta(forward: f64, strike: f64, v: f64, is_call: bool) -> f64 {
    let call = if v > 0.0 {
        tail(-((forward / strike).ln() / v + v / 2.0))
    } else if forward > strike {
        1.0
    } else {
        0.0
    };
    if is_call { call } else { call - 1.0 }
}

/// The normal distribution's upper tail.
fn tail(x: f64) -> f64 {
    libm::erfc(x * FRAC_1_SQRT_2) / 2.0
}

/// The upper tail over the density, for `x` above 0.
fn mills(x: f64) -> f64 {
    // Laplace's continued fraction; from here on so many terms are exact.
    const FAR: f64 = 4.0;
    const TERMS: i32 = 80;
    if x < FAR {
        return tail(x) * (x * x / 2.0).exp() * (2.0 * PI).sqrt();
    }
    1.0 / (1..=TERMS).rev().fold(x, |below, n| x + f64::from(n) / below)
}
