//! What books need and owe: `contracts/margin/MarginModel.sol` and the valuation of `Books.sol`, to the unit.
//!
//! Prices and strikes have 18 decimals, sizes too; what is required has 36, until it is rounded up to units of the
//! collateral. All rounding is against the account.

use crate::{BPS, black76};
use alloy_primitives::{I256, U256};

/// One option of a book: `size` is positive for long, negative for short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Leg {
    pub strike: u128,
    pub is_call: bool,
    pub size: i128,
}

/// What a valuation is made with: the interval in which the price is, and volatilities times the square root of the years
/// left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Market {
    pub lo: U256,
    pub hi: U256,
    /// With the buffer; with the highest volatility when the last one is too old.
    pub v_initial: U256,
    /// With the buffer.
    pub v_maintenance: U256,
    /// As it was set.
    pub v_mark: U256,
}

impl Market {
    /// The same with the price and the volatility moved by so many ten-thousandths, at most to 0; rounded down.
    pub fn shocked(&self, price_bps: i64, volatility_bps: i64) -> Self {
        let moved = |value: U256, bps: i64| {
            let left = u64::try_from(10_000_i64.saturating_add(bps)).unwrap_or(0);
            value * U256::from(left) / BPS
        };
        Self {
            lo: moved(self.lo, price_bps).max(U256::ONE),
            hi: moved(self.hi, price_bps).max(U256::ONE),
            v_initial: moved(self.v_initial, volatility_bps),
            v_maintenance: moved(self.v_maintenance, volatility_bps),
            v_mark: moved(self.v_mark, volatility_bps),
        }
    }
}

/// What shares of the price and the mark are required, in ten-thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shares {
    pub max_spot_bps: u16,
    pub min_spot_bps: u16,
    pub maintenance_bps: u16,
    pub put_mark_bps: u16,
    pub unpaired_bps: u16,
}

/// What one contract of a series needs and is worth in a market: all that a book's valuation asks of the formula.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// Of a short.
    pub initial: U256,
    /// Of a short.
    pub maintenance: U256,
    /// A short owes so much.
    pub owes: U256,
    /// A long is worth so much.
    pub owns: U256,
}

impl Marks {
    pub fn of(strike: u128, is_call: bool, market: &Market, shares: &Shares) -> Self {
        let strike = U256::from(strike);
        // A call's mark rises with the price, a put's falls.
        let (dear, cheap) = if is_call { (market.hi, market.lo) } else { (market.lo, market.hi) };
        let otm = if is_call { strike.saturating_sub(dear) } else { dear.saturating_sub(strike) };
        let of_spot = |bps| part(market.hi, bps);
        let mark = black76::price_up(dear, strike, market.v_maintenance, is_call);
        let mut maintenance = of_spot(shares.maintenance_bps);
        if !is_call {
            maintenance = maintenance.max(part(mark, shares.put_mark_bps));
        }
        maintenance += mark;
        let opening = if market.v_initial == market.v_maintenance {
            mark
        } else {
            black76::price_up(dear, strike, market.v_initial, is_call)
        };
        let initial = of_spot(shares.max_spot_bps).saturating_sub(otm).max(of_spot(shares.min_spot_bps));
        Self {
            initial: (initial + opening).max(maintenance),
            maintenance,
            owes: black76::price_up(dear, strike, market.v_mark, is_call),
            owns: black76::price_down(cheap, strike, market.v_mark, is_call),
        }
    }
}

/// What a book's legs alone say, whatever the market: worked out once, when they change. 36 decimals, and 18.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// The most that the legs lose at settlement at 0 or any of the strikes.
    pub worst_loss: U256,
    /// Calls that are short beyond those that are long.
    pub naked_calls: U256,
}

impl Shape {
    pub fn of(legs: &[Leg]) -> Self {
        let at_strikes = legs.iter().map(|leg| value_at(legs, leg.strike)).min().unwrap_or_default();
        let least = at_strikes.min(value_at(legs, 0));
        let calls: i128 = legs.iter().filter(|leg| leg.is_call).map(|leg| leg.size).sum();
        Self {
            worst_loss: if least.is_negative() { least.unsigned_abs() } else { U256::ZERO },
            naked_calls: U256::from(calls.min(0).unsigned_abs()),
        }
    }
}

/// What the legs pay at a settlement at `price`; negative: owe. Exact, with 36 decimals.
pub fn value_at(legs: &[Leg], price: u128) -> I256 {
    legs.iter()
        .filter(|leg| leg.is_call == (price > leg.strike))
        .map(|leg| signed(leg.size).wrapping_mul(I256::from_raw(U256::from(price.abs_diff(leg.strike)))))
        .fold(I256::ZERO, I256::wrapping_add)
}

/// What a book needs and owes, in units of the collateral.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Valuation {
    /// What must be there after whatever the account does by itself.
    pub initial: U256,
    /// Below it, the book may be liquidated. At most `initial`.
    pub maintenance: U256,
    /// What the legs owe at the mark without buffer, longs against shorts.
    pub liability: U256,
}

/// Values a book of one expiry. `legs`: each size with the marks of its series. `hi` is the upper end of the price.
pub fn value<'a>(
    legs: impl Iterator<Item = (i128, &'a Marks)>,
    shape: &Shape,
    hi: U256,
    shares: &Shares,
    per_unit: U256,
) -> Valuation {
    let [mut initial, mut maintenance, mut owes, mut owns] = [U256::ZERO; 4];
    for (size, marks) in legs {
        let count = U256::from(size.unsigned_abs());
        if size < 0 {
            initial += count * marks.initial;
            maintenance += count * marks.maintenance;
            owes += count * marks.owes;
        } else {
            owns += count * marks.owns;
        }
    }
    if !initial.is_zero() {
        let mut worst = shape.worst_loss;
        if !shape.naked_calls.is_zero() {
            worst += shape.naked_calls * part(hi, shares.unpaired_bps);
        }
        (initial, maintenance) = (initial.min(worst), maintenance.min(worst));
    }
    let up = |amount: U256| amount.div_ceil(per_unit);
    Valuation { initial: up(initial), maintenance: up(maintenance), liability: up(owes.saturating_sub(owns)) }
}

/// By how much a number of 36 decimals is divided to be in units of a collateral of `decimals`, at most 36.
pub fn per_unit(decimals: u8) -> U256 {
    U256::from(10).pow(U256::from(36 - decimals))
}

fn part(amount: U256, bps: u16) -> U256 {
    (amount * U256::from(bps)).div_ceil(BPS)
}

fn signed(value: i128) -> I256 {
    let size = I256::from_raw(U256::from(value.unsigned_abs()));
    if value < 0 { size.wrapping_neg() } else { size }
}
