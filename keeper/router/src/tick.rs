//! Prices of ticks, as v3-core's `TickMath`.

use crate::math::Q96;
use alloy_primitives::{U256, uint};

pub(crate) const MAX_TICK: i32 = 887_272;
/// Below and above these a swap may not move the price, Q64.96.
pub(crate) const MIN_SQRT_PRICE: U256 = uint!(4295128739_U256);
pub(crate) const MAX_SQRT_PRICE: U256 = uint!(1461446703485210103287273052203988822378723970342_U256);

/// `2^128 / sqrt(1.0001)^(2^n)` for n = 0.., the factors of `TickMath.getSqrtRatioAtTick`.
const FACTORS: [u128; 20] = [
    0xfffcb933bd6fad37aa2d162d1a594001,
    0xfff97272373d413259a46990580e213a,
    0xfff2e50f5f656932ef12357cf3c7fdcc,
    0xffe5caca7e10e4e61c3624eaa0941cd0,
    0xffcb9843d60f6159c9db58835c926644,
    0xff973b41fa98c081472e6896dfb254c0,
    0xff2ea16466c96a3843ec78b326b52861,
    0xfe5dee046a99a2a811c461f1969c3053,
    0xfcbe86c7900a88aedcffc83b479aa3a4,
    0xf987a7253ac413176f2b074cf7815e54,
    0xf3392b0822b70005940c7a398e4b70f3,
    0xe7159475a2c29b7443b29c7fa6e889d9,
    0xd097f3bdfd2022b8845ad8f792aa5825,
    0xa9f746462d870fdf8a65dc1f90e061e5,
    0x70d869a156d2a1b890bb3df62baf32f7,
    0x31be135f97d08fd981231505542fcfa6,
    0x09aa508b5b7a84e1c677de54f3e99bc9,
    0x005d6af8dedb81196699c329225ee604,
    0x00002216e584f5fa1ea926041bedfe98,
    0x0000000048a170391f7dc42444e8fa2,
];

/// Square root of the price at a tick of at most [`MAX_TICK`] either way, Q64.96, rounded as on chain.
pub(crate) fn sqrt_price_at(tick: i32) -> U256 {
    let distance = tick.unsigned_abs();
    let mut ratio: U256 = U256::ONE << 128;
    for (n, factor) in FACTORS.iter().enumerate() {
        if distance >> n & 1 == 1 {
            ratio = (ratio * U256::from(*factor)) >> 128;
        }
    }
    if tick > 0 {
        ratio = U256::MAX / ratio;
    }
    // From Q128.128 to Q64.96, up.
    ratio.div_ceil(U256::from(1_u64 << 32))
}

/// A Q64.96 number as a float.
pub(crate) fn to_float(price: U256) -> f64 {
    #![expect(clippy::float_arithmetic, reason = "a power of two: no rounding")]
    f64::from(price) / f64::from(Q96)
}
