//! `exp` and `ln` of solady's FixedPointMathLib (vectorized/solady, MIT; by Remco Bloemen), step by step: what the contracts
//! compute is rounded where these round. Arguments and results have 18 decimals.

use alloy_primitives::{I256, U256, uint};

/// A whole number as the contracts write it.
pub(crate) const fn int(value: U256) -> I256 {
    I256::from_raw(value)
}

/// The same below zero.
const fn minus(value: U256) -> I256 {
    I256::from_raw(U256::ZERO.wrapping_sub(value))
}

/// Divides towards zero, as the EVM does.
pub(crate) fn quotient(a: I256, b: I256) -> I256 {
    a.wrapping_div(b)
}

/// Below it, `exp` is less than half of its last decimal.
const EXP_ZERO: I256 = minus(uint!(41446531673892822313_U256));
const LN2: I256 = int(uint!(54916777467707473351141471128_U256));
const FIVE_18: I256 = int(uint!(3814697265625_U256));

/// A step of Horner's scheme in base 2^96: `p * x + c`.
fn step(p: I256, x: I256, c: I256) -> I256 {
    p.wrapping_mul(x).asr(96).wrapping_add(c)
}

/// `e^x` for `x` up to 0; nothing here asks for more.
pub(crate) fn exp_of_negative(x: I256) -> U256 {
    debug_assert!(!x.is_positive(), "{x}");
    if x <= EXP_ZERO {
        return U256::ZERO;
    }
    let x = quotient(x << 78, FIVE_18);
    let half = int(U256::ONE << 95);
    let k = quotient(x << 96, LN2).wrapping_add(half).asr(96);
    let x = x.wrapping_sub(k.wrapping_mul(LN2));

    const P: [I256; 4] = [
        int(uint!(1346386616545796478920950773328_U256)),
        int(uint!(57155421227552351082224309758442_U256)),
        int(uint!(94201549194550492254356042504812_U256)),
        int(uint!(28719021644029726153956944680412240_U256)),
    ];
    let last = int(uint!(4385272521454847904659076985693276_U256) << 96);
    let y = step(x.wrapping_add(P[0]), x, P[1]);
    let p = step(y.wrapping_add(x).wrapping_sub(P[2]), y, P[3]);
    let p = p.wrapping_mul(x).wrapping_add(last);

    const Q: [I256; 6] = [
        minus(uint!(2855989394907223263936484059900_U256)),
        int(uint!(50020603652535783019961831881945_U256)),
        minus(uint!(533845033583426703283633433725380_U256)),
        int(uint!(3604857256930695427073651918091429_U256)),
        minus(uint!(14423608567350463180887372962807573_U256)),
        int(uint!(26449188498355588339934803723976023_U256)),
    ];
    let q = Q[1..].iter().fold(x.wrapping_add(Q[0]), |q, c| step(q, x, *c));
    let r = quotient(p, q).into_raw();
    let scale = uint!(3822833074963236453042738258902158003155416615667_U256);
    let shift = int(U256::from(195)).wrapping_sub(k).into_raw();
    r.wrapping_mul(scale) >> shift.to::<usize>()
}

/// `ln(x)`, for `x` from 1 to 2^255 - 1 in its last decimal.
pub(crate) fn ln(x: U256) -> I256 {
    // x is 2^log2 and something: it is brought between 1 and 2 in base 2^96.
    let log2 = x.bit_len() - 1;
    let k = i64::try_from(log2).unwrap_or_default() - 96;
    let x = int((x << (255 - log2)) >> 159);

    const P: [I256; 6] = [
        int(uint!(3273285459638523848632254066296_U256)),
        int(uint!(24828157081833163892658089445524_U256)),
        int(uint!(43456485725739037958740375743393_U256)),
        minus(uint!(11111509109440967052023855526967_U256)),
        minus(uint!(45023709667254063763336534515857_U256)),
        minus(uint!(14706773417378608786704636184526_U256)),
    ];
    let last = int(uint!(795164235651350426258249787498_U256) << 96);
    let p = P[1..].iter().fold(x.wrapping_add(P[0]), |p, c| step(p, x, *c));
    let p = p.wrapping_mul(x).wrapping_sub(last);

    const Q: [I256; 7] = [
        int(uint!(5573035233440673466300451813936_U256)),
        int(uint!(71694874799317883764090561454958_U256)),
        int(uint!(283447036172924575727196451306956_U256)),
        int(uint!(401686690394027663651624208769553_U256)),
        int(uint!(204048457590392012362485061816622_U256)),
        int(uint!(31853899698501571402653359427138_U256)),
        int(uint!(909429971244387300277376558375_U256)),
    ];
    let q = Q[1..].iter().fold(x.wrapping_add(Q[0]), |q, c| step(q, x, *c));
    const SCALE: I256 = int(uint!(1677202110996718588342820967067443963516166_U256));
    const LN2_192: I256 =
        int(uint!(16597577552685614221487285958193947469193820559219878177908093499208371_U256));
    const BASE: I256 =
        int(uint!(600920179829731861736702779321621459595472258049074101567377883020018308_U256));
    let r = SCALE.wrapping_mul(quotient(p, q));
    let twos = I256::try_from(k).unwrap_or_default();
    r.wrapping_add(LN2_192.wrapping_mul(twos)).wrapping_add(BASE).asr(174)
}
