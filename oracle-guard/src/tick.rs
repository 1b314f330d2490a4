//! Uniswap V3's prices from ticks, to the bit: `TickMath.getSqrtRatioAtTick` and `OracleLibrary.getQuoteAtTick` of
//! v3-core and v3-periphery.

use crate::number::U512;
use alloy_primitives::{U256, uint};

/// The lowest and, negated, the highest tick.
pub const MAX_TICK: i64 = 887_272;

/// sqrt(1.0001^-(2^i)) as Q128.128, from `TickMath`.
const FACTORS: [u128; 20] = [
    0xfffc_b933_bd6f_ad37_aa2d_162d_1a59_4001,
    0xfff9_7272_373d_4132_59a4_6990_580e_213a,
    0xfff2_e50f_5f65_6932_ef12_357c_f3c7_fdcc,
    0xffe5_caca_7e10_e4e6_1c36_24ea_a094_1cd0,
    0xffcb_9843_d60f_6159_c9db_5883_5c92_6644,
    0xff97_3b41_fa98_c081_472e_6896_dfb2_54c0,
    0xff2e_a164_66c9_6a38_43ec_78b3_26b5_2861,
    0xfe5d_ee04_6a99_a2a8_11c4_61f1_969c_3053,
    0xfcbe_86c7_900a_88ae_dcff_c83b_479a_a3a4,
    0xf987_a725_3ac4_1317_6f2b_074c_f781_5e54,
    0xf339_2b08_22b7_0005_940c_7a39_8e4b_70f3,
    0xe715_9475_a2c2_9b74_43b2_9c7f_a6e8_89d9,
    0xd097_f3bd_fd20_22b8_845a_d8f7_92aa_5825,
    0xa9f7_4646_2d87_0fdf_8a65_dc1f_90e0_61e5,
    0x70d8_69a1_56d2_a1b8_90bb_3df6_2baf_32f7,
    0x31be_135f_97d0_8fd9_8123_1505_542f_cfa6,
    0x09aa_508b_5b7a_84e1_c677_de54_f3e9_9bc9,
    0x005d_6af8_dedb_8119_6699_c329_225e_e604,
    0x0000_2216_e584_f5fa_1ea9_2604_1bed_fe98,
    0x0000_0000_048a_1703_91f7_dc42_444e_8fa2,
];

/// sqrt(1.0001^tick) as Q64.96, rounded up. `tick` is within [`MAX_TICK`].
pub fn sqrt_ratio(tick: i64) -> U256 {
    let steps = tick.unsigned_abs();
    let mut ratio = U256::ONE << 128;
    for (i, factor) in FACTORS.iter().enumerate() {
        if steps & (1 << i) != 0 {
            ratio = (ratio * U256::from(*factor)) >> 128;
        }
    }
    if tick > 0 {
        ratio = U256::MAX / ratio;
    }
    (ratio + uint!(0xffff_ffff_U256)) >> 32
}

/// What whole tokens of the base cost in whole tokens of the quote at `tick`, times 1e18, rounded down.
pub fn price(tick: i64, base_decimals: u8, quote_decimals: u8, base_is_token1: bool) -> U256 {
    let root = sqrt_ratio(tick);
    let exponent = (18 + u16::from(base_decimals)).saturating_sub(quote_decimals.into());
    let base = U256::from(10u64).saturating_pow(U256::from(exponent));
    // The square has up to 320 bits: from 2^128 on it is kept with 64 bits less.
    let (ratio, bits) = if root.bit_len() <= 128 { (root * root, 192) } else { (wide(root, root, 64), 128) };
    if base_is_token1 {
        let numerator: U512 = U512::from(base) << bits;
        return (numerator / U512::from(ratio)).saturating_to();
    }
    wide(ratio, base, bits)
}

/// `a * b / 2^bits` over 512 bits.
fn wide(a: U256, b: U256, bits: usize) -> U256 {
    let product: U512 = a.widening_mul::<256, 4, 512, 8>(b) >> bits;
    product.saturating_to()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_are_those_of_tick_math() {
        assert_eq!(sqrt_ratio(-MAX_TICK), U256::from(4_295_128_739u64));
        let max = "1461446703485210103287273052203988822378723970342";
        assert_eq!(sqrt_ratio(MAX_TICK).to_string(), max);
        assert_eq!(sqrt_ratio(0), U256::ONE << 96);
    }

    #[test]
    fn prices_are_those_of_the_pool() {
        // Tick 0 is one smallest unit for one.
        assert_eq!(price(0, 18, 18, false).to_string(), "1000000000000000000");
        assert_eq!(price(0, 6, 18, false).to_string(), "1000000");
        // USDC/WETH, USDC is token0: tick 200000 is about 2062 USD per ETH.
        let eth = price(200_000, 18, 6, true).to_string();
        assert_eq!(eth.len(), 22);
        assert!(eth.starts_with("206"), "{eth}");
        // The ends do not overflow.
        for tick in [-MAX_TICK, MAX_TICK] {
            for (base, quote) in [(0, 18), (18, 0), (18, 18)] {
                price(tick, base, quote, false);
                price(tick, base, quote, true);
            }
        }
    }
}
