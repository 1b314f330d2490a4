//! Exact amounts: an unsigned 256-bit integer of an asset's smallest unit.

use alloy::primitives::U256;
use std::{fmt, iter::Sum, ops::Add};

/// An amount in the smallest unit of its asset (wei for ETH). Never a float.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(pub U256);

/// Why a written amount is no amount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    #[error("the amount is empty; write a decimal number such as 12.5")]
    Empty,
    #[error("the amount is negative; a withdrawal pays out, so write a number above zero")]
    Negative,
    #[error("the amount is zero; write a number above zero")]
    Zero,
    #[error("'{0}' is not a decimal number; write digits with at most one point, such as 12.5")]
    NotANumber(String),
    #[error("the amount has {got} decimals, the asset has {max}; drop the digits beyond them")]
    TooManyDecimals { got: usize, max: u8 },
    /// See [`Amount::parse`].
    #[error("the amount is above 2^128 - 1 units, more than any limit of the vault lets pass")]
    TooLarge,
}

impl Amount {
    pub const ZERO: Self = Self(U256::ZERO);

    /// Reads a plain decimal number (`"12.5"`) as units of an asset with `decimals` decimals. Exact: a number
    /// that needs more decimals than the asset has is an error, never rounded. Zero is an error, and so is more than
    /// 2^128 - 1 units: the vault's limits have 128 bits, and so any sum of what was asked for fits 256.
    pub fn parse(text: &str, decimals: u8) -> Result<Self, AmountError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(AmountError::Empty);
        }
        if let Some(rest) = text.strip_prefix('-') {
            let number = rest.starts_with(|c: char| c.is_ascii_digit() || c == '.');
            return Err(if number { AmountError::Negative } else { not_a_number(text) });
        }
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        if (whole.is_empty() && fraction.is_empty()) || !digits(whole) || !digits(fraction) {
            return Err(not_a_number(text));
        }
        let fraction = fraction.trim_end_matches('0');
        if fraction.len() > usize::from(decimals) {
            return Err(AmountError::TooManyDecimals { got: fraction.len(), max: decimals });
        }
        let units = format!("{whole}{fraction:0<width$}", width = usize::from(decimals));
        let units = units.trim_start_matches('0');
        if units.is_empty() {
            return Err(AmountError::Zero);
        }
        units.parse::<u128>().map(Self::from).map_err(|_| AmountError::TooLarge)
    }

    /// The decimal number that [`Amount::parse`] reads back, without trailing zeros.
    pub fn to_decimal(self, decimals: u8) -> String {
        let decimals = usize::from(decimals);
        let digits = format!("{:0>width$}", self.0.to_string(), width = decimals + 1);
        let (whole, fraction) = digits.split_at(digits.len() - decimals);
        let fraction = fraction.trim_end_matches('0');
        if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") }
    }

    /// 64 hexadecimal digits: exact, and sorted as text in the order of the numbers. The form in the store.
    pub fn to_hex(self) -> String {
        format!("{:064x}", self.0)
    }

    /// Reads [`Amount::to_hex`] back.
    pub fn from_hex(text: &str) -> Option<Self> {
        U256::from_str_radix(text, 16).ok().map(Self)
    }

    pub fn is_zero(self) -> bool {
        self.0.is_zero()
    }

    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    pub fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// Whether it fits the 96 bits of a packed payout.
    pub fn is_narrow(self) -> bool {
        self.0.bit_len() <= 96
    }
}

fn not_a_number(text: &str) -> AmountError {
    AmountError::NotANumber(text.chars().take(40).collect())
}

/// Panics on overflow: amounts that are added up are held by one vault, so their sum fits.
impl Add for Amount {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.checked_add(other.0).expect("a sum of held amounts fits 256 bits"))
    }
}

impl Sum for Amount {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::ZERO, Add::add)
    }
}

/// Prints units, without decimals.
impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<u128> for Amount {
    fn from(units: u128) -> Self {
        Self(U256::from(units))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn refuses_what_is_no_amount() {
        let parse = |s: &str| Amount::parse(s, 6).unwrap_err();
        assert_eq!(parse(""), AmountError::Empty);
        assert_eq!(parse("-1"), AmountError::Negative);
        assert_eq!(parse("0.000"), AmountError::Zero);
        assert_eq!(parse("1.0000001"), AmountError::TooManyDecimals { got: 7, max: 6 });
        for text in ["1e6", "1,5", "0x10", "--1", ".", "1.2.3", "∞", "1 000", "+1"] {
            assert!(matches!(parse(text), AmountError::NotANumber(_)), "{text}");
        }
        assert_eq!(Amount::parse(&u128::MAX.to_string(), 0).unwrap(), Amount::from(u128::MAX));
        let two_pow_128 = "340282366920938463463374607431768211456";
        assert_eq!(Amount::parse(two_pow_128, 0).unwrap_err(), AmountError::TooLarge);
        assert_eq!(Amount::parse(&"9".repeat(2000), 6).unwrap_err(), AmountError::TooLarge);
    }

    #[test]
    fn reads_decimals_exactly() {
        assert_eq!(Amount::parse("1.5", 6).unwrap(), Amount::from(1_500_000));
        assert_eq!(Amount::parse(".5", 1).unwrap(), Amount::from(5));
        assert_eq!(Amount::parse("007.10000000", 2).unwrap(), Amount::from(710));
        assert_eq!(Amount::from(1_500_000).to_decimal(6), "1.5");
        assert_eq!(Amount::from(5).to_decimal(0), "5");
        assert_eq!(Amount::from(1).to_decimal(18), "0.000000000000000001");
    }

    proptest! {
        #[test]
        fn decimal_and_hex_round_trip(limbs: [u64; 4], units in 1u128.., decimals in 0u8..=77) {
            let amount = Amount::from(units);
            prop_assert_eq!(Amount::parse(&amount.to_decimal(decimals), decimals).unwrap(), amount);
            let amount = Amount(U256::from_limbs(limbs));
            prop_assert_eq!(Amount::from_hex(&amount.to_hex()).unwrap(), amount);
        }

        #[test]
        fn hex_sorts_as_numbers(a: u128, b: u128) {
            let (x, y) = (Amount::from(a), Amount::from(b));
            prop_assert_eq!(x.cmp(&y), x.to_hex().cmp(&y.to_hex()));
        }

        #[test]
        fn no_text_panics(text: String, decimals: u8) {
            let _ = Amount::parse(&text, decimals);
        }
    }
}
