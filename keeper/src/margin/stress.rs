//! Who would fall if the price and the volatility moved at once, what it would cost, and whether the fund covers it.

use super::pools::Pool;
use ::margin::watch::BookId;
use alloy::primitives::{U256, uint};

const BPS: U256 = uint!(10_000_U256);

/// A book that would be below maintenance. Amounts in units of the collateral.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fall {
    pub id: BookId,
    pub margin: U256,
    pub maintenance: U256,
    /// What its options would owe at the mark.
    pub liability: U256,
    /// What the fund would be asked for: until the bidder has the liability and the incentive.
    pub rescue: U256,
    /// What the fund would give, by its rule.
    pub paid: U256,
}

/// What a shock does to a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The books that were looked at: those whose expiry has a price.
    pub books: usize,
    /// The worst first.
    pub falls: Vec<Fall>,
    pub fund: U256,
}

impl Outcome {
    pub fn rescue(&self) -> U256 {
        self.falls.iter().map(|fall| fall.rescue).sum()
    }

    /// What liabilities are above margins: lost by whoever is owed, if nobody rescues.
    pub fn shortfall(&self) -> U256 {
        self.falls.iter().map(|fall| fall.liability.saturating_sub(fall.margin)).sum()
    }

    /// Whether the fund would give all that it would be asked for.
    pub fn is_covered(&self) -> bool {
        self.falls.iter().all(|fall| fall.paid == fall.rescue)
    }
}

/// Moves the price and the volatility by so many ten-thousandths. Each liquidation may take `insuranceBps` of what the
/// ones before left in the fund; the largest need comes first.
pub fn stress(pool: &Pool, price_bps: i64, volatility_bps: i64) -> Outcome {
    let mut watch = pool.watch.clone();
    for (expiry, market) in pool.markets() {
        watch.set_market(expiry, market.shocked(price_bps, volatility_bps));
    }
    watch.recheck();
    let rules = &pool.facts.rules;
    let looked_at: Vec<_> = watch.ranked().into_iter().filter(|b| pool.priced.contains(&b.id.1)).collect();
    let mut falls: Vec<_> = looked_at
        .iter()
        .filter(|book| book.is_below_maintenance())
        .map(|book| {
            let (margin, valuation) = (U256::from(book.margin), book.valuation);
            let most = valuation.liability + valuation.liability * U256::from(rules.incentiveBps) / BPS;
            Fall {
                id: book.id,
                margin,
                maintenance: valuation.maintenance,
                liability: valuation.liability,
                rescue: most.saturating_sub(margin),
                paid: U256::ZERO,
            }
        })
        .collect();
    falls.sort_by_key(|fall| std::cmp::Reverse(fall.rescue));
    let mut left = pool.facts.insurance;
    for fall in &mut falls {
        fall.paid = fall.rescue.min(left * U256::from(rules.insuranceBps) / BPS);
        left -= fall.paid;
    }
    Outcome { books: looked_at.len(), falls, fund: pool.facts.insurance }
}

#[cfg(test)]
mod tests;
