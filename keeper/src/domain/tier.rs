//! The tier in which an order is paid: by its amount the keeper alone, with approvals, or after an announcement.

use super::amount::Amount;
use alloy::primitives::U256;
use std::{fmt, ops::RangeInclusive};

/// A risk class. Of a payout it is told by the function that the settlement called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tier {
    Instant,
    Approved,
    Delayed,
}

impl Tier {
    pub const ALL: [Self; 3] = [Self::Instant, Self::Approved, Self::Delayed];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Instant => "instant",
            Self::Approved => "approved",
            Self::Delayed => "delayed",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|t| t.as_str() == text)
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Up to which amount a payout of an asset is of a tier, in units, as the chain has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tiers {
    pub instant: Amount,
    pub approved: Amount,
}

impl Tiers {
    /// The tier of an amount. Of an asset without limits everything is instant: nothing of it is paid, and the vault says so.
    pub fn of(self, amount: Amount) -> Tier {
        match amount {
            amount if amount <= self.instant || self.approved.is_zero() => Tier::Instant,
            amount if amount <= self.approved => Tier::Approved,
            _ => Tier::Delayed,
        }
    }

    /// The amounts of a tier; none when it has none.
    pub fn amounts(self, tier: Tier) -> Option<RangeInclusive<Amount>> {
        let above = |amount: Amount| amount.0.checked_add(U256::ONE).map(Amount);
        let most = Amount(U256::MAX);
        let range = match tier {
            Tier::Instant if self.approved.is_zero() => Amount::ZERO..=most,
            Tier::Instant => Amount::ZERO..=self.instant,
            Tier::Approved | Tier::Delayed if self.approved.is_zero() => return None,
            Tier::Approved => above(self.instant)?..=self.approved,
            Tier::Delayed => above(self.approved)?..=most,
        };
        (!range.is_empty()).then_some(range)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn units(n: u8) -> Amount {
        Amount(U256::from(n))
    }

    proptest! {
        #[test]
        fn each_amount_is_of_one_tier(instant: u8, more: u8, amount in 1u8..) {
            let tiers = Tiers { instant: units(instant), approved: units(instant.saturating_add(more)) };
            let amount = units(amount);
            for tier in Tier::ALL {
                let within = tiers.amounts(tier).is_some_and(|range| range.contains(&amount));
                prop_assert_eq!(within, tiers.of(amount) == tier);
            }
        }
    }

    #[test]
    fn the_limits_themselves_are_of_the_lower_tier() {
        let tiers = Tiers { instant: units(10), approved: units(20) };
        let of = [10, 11, 20, 21].map(|n| tiers.of(units(n)));
        assert_eq!(of, [Tier::Instant, Tier::Approved, Tier::Approved, Tier::Delayed]);
        assert_eq!(Tiers { instant: units(0), approved: units(0) }.of(units(1)), Tier::Instant);
    }
}
