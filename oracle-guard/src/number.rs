//! Prices, and the arithmetic that both implementations share.

use alloy_primitives::{I256, U256, Uint};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::{fmt, str::FromStr};

/// The fixed point of a price: 18 decimals.
pub const ONE: u128 = 1_000_000_000_000_000_000;

/// Ten-thousandths in one.
pub const BPS: u64 = 10_000;

/// USD per whole token (of a rate: units of the next leg) times 1e18. Written `"1.05"`, exactly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Price(pub u128);

impl Price {
    pub const MAX: Self = Self(u128::MAX);
}

impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / ONE, self.0 % ONE);
        let digits = format!("{rest:018}");
        match digits.trim_end_matches('0') {
            "" => write!(f, "{whole}"),
            digits => write!(f, "{whole}.{digits}"),
        }
    }
}

/// Not a price.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no price; write digits with at most 18 after the point, such as \"1.05\"")]
pub struct NoPrice(String);

impl FromStr for Price {
    type Err = NoPrice;

    fn from_str(text: &str) -> Result<Self, NoPrice> {
        let scaled = digits(text, 18).and_then(|units| u128::try_from(units).ok());
        scaled.map(Self).ok_or_else(|| NoPrice(text.chars().take(80).collect()))
    }
}

/// `text`, a decimal number without sign, times ten to `decimals`. None when it is none, or has more digits.
pub fn digits(text: &str, decimals: u8) -> Option<U256> {
    let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
    let sound = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !sound(whole) || !sound(rest) || rest.len() > usize::from(decimals) {
        return None;
    }
    format!("{whole}{rest:0<width$}", width = usize::from(decimals)).parse().ok()
}

impl Serialize for Price {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Price {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

/// `value * factor` in 192 bits, high part first, so that it compares.
fn times(value: u128, factor: u64) -> (u64, u128) {
    let factor = u128::from(factor);
    let low = (value & u128::from(u64::MAX)) * factor;
    let high = (value >> 64) * factor + (low >> 64);
    ((high >> 64) as u64, (high << 64) | (low & u128::from(u64::MAX)))
}

/// Whether two prices differ by more than `bps` of the lower one.
pub fn apart(a: u128, b: u128, bps: u64) -> bool {
    times(a.abs_diff(b), BPS) > times(a.min(b), bps)
}

/// How far two prices differ, in bps of the lower one, rounded up: what is said where [`apart`] is true.
pub fn distance(a: u128, b: u128) -> u64 {
    let low = U256::from(a.min(b).max(1));
    let parts = (U256::from(a.abs_diff(b)) * U256::from(BPS)).div_ceil(low);
    parts.saturating_to()
}

/// Whether `value` is further from `peg` than `bps` of the peg.
pub fn beyond(value: u128, peg: u128, bps: u64) -> bool {
    times(value.abs_diff(peg), BPS) > times(peg, bps)
}

/// `a * b / 1e18`, rounded down. None above 128 bits.
pub fn product_down(a: u128, b: u128) -> Option<u128> {
    if let Some(small) = a.checked_mul(b) {
        return Some(small / ONE);
    }
    (U256::from(a) * U256::from(b) / U256::from(ONE)).try_into().ok()
}

/// `a * b / 1e18`, rounded up. None above 128 bits.
pub fn product_up(a: u128, b: u128) -> Option<u128> {
    if let Some(small) = a.checked_mul(b) {
        return Some(small.div_ceil(ONE));
    }
    (U256::from(a) * U256::from(b)).div_ceil(U256::from(ONE)).try_into().ok()
}

/// `value` with `decimals` as a price, rounded down and up.
pub fn scale(value: U256, decimals: u8) -> (U256, U256) {
    if decimals <= 18 {
        let scaled = value * U256::from(10u64.pow(u32::from(18 - decimals)));
        return (scaled, scaled);
    }
    let unit = U256::from(10u64).pow(U256::from(decimals - 18));
    (value / unit, value.div_ceil(unit))
}

/// `part * value / 10_000`, rounded up.
pub fn share_up(value: u128, bps: u16) -> U256 {
    if bps == 0 {
        return U256::ZERO;
    }
    (U256::from(value) * U256::from(bps)).div_ceil(U256::from(BPS))
}

/// What the vault counts: USD per smallest unit times 1e36, of a price and a token's decimals (up to 36), rounded up.
pub fn per_unit(price: Price, token_decimals: u8) -> U256 {
    let scaled = U256::from(price.0) * U256::from(ONE);
    scaled.div_ceil(U256::from(10u64).pow(U256::from(token_decimals.min(36))))
}

pub(crate) type U512 = Uint<512, 8>;

/// The non-negative part of an answer.
pub(crate) fn magnitude(answer: I256) -> Option<U256> {
    (answer > I256::ZERO).then(|| answer.into_raw())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_read_and_written_exactly() {
        for text in ["1", "1.05", "0.000000000000000001", "340282366920938463463.374607431768211455"] {
            assert_eq!(text.parse::<Price>().unwrap().to_string(), text);
        }
        for text in
            ["", ".5", "-1", "1.0000000000000000001", "1e3", "340282366920938463463.374607431768211456"]
        {
            assert!(text.parse::<Price>().is_err(), "{text}");
        }
    }

    #[test]
    fn exactly_the_tolerance_is_not_apart() {
        assert!(!apart(10_000, 10_100, 100));
        assert!(apart(10_000, 10_101, 100));
        assert!(apart(10_101, 10_000, 100));
        assert!(!apart(u128::MAX, u128::MAX, 0));
        assert!(apart(u128::MAX, 1, u64::from(u32::MAX)));
        assert_eq!(distance(10_000, 10_101), 101);
    }

    #[test]
    fn what_the_vault_counts_is_rounded_up() {
        assert_eq!(per_unit(Price(ONE), 18), U256::from(ONE));
        assert_eq!(per_unit(Price(1), 36), U256::from(1));
        assert_eq!(per_unit(Price(ONE), 6), U256::from(10u64).pow(U256::from(30)));
    }
}
