//! What a check says of a pool: for `/metrics`, the API and its page, the log and alerts.

use super::{pools::Pool, stress};
use crate::{clock::rfc3339, config::MarginConfig, domain::amount::Amount};
use ::margin::watch::Book;
use alloy::primitives::{Address, U256, uint};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use utoipa::ToSchema;

const BPS: U256 = uint!(10_000_U256);
/// The largest share that is told.
const MOST: u64 = 10_000_000;
/// So many of the books nearest to a liquidation are told of.
const NEAREST: usize = 10;
/// The moves of the price that are tried, in ten-thousandths, each with [`VOLATILITY`].
const SHOCKS: [i64; 11] = [-5_000, -4_000, -3_000, -2_000, -1_000, 0, 1_000, 2_000, 3_000, 4_000, 5_000];
const VOLATILITY: i64 = 5_000;

/// Amounts are decimal numbers of whole collateral.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Figures {
    pub name: String,
    pub block: u64,
    /// Books that hold options, those of them below maintenance, and those in liquidation.
    pub books: usize,
    pub below: usize,
    pub liquidations: usize,
    /// Expiries before their end that have no price fit for a liquidation.
    pub unpriced: usize,
    pub insurance: String,
    /// The sum of all maintenance margins.
    pub maintenance: String,
    /// The fund, in ten-thousandths of that sum; at most 10,000,000.
    pub insurance_bps: u64,
    /// The account that needs most, and its part of that sum in ten-thousandths.
    #[schema(value_type = Option<String>)]
    pub largest: Option<Address>,
    pub largest_bps: u64,
    /// Of what the rules allow, in ten-thousandths.
    pub naked_calls_bps: u64,
    /// The ten books nearest to a liquidation, the nearest first.
    #[serde(default)]
    pub nearest: Vec<Near>,
    /// What a move of the price would do, from the deepest fall to the steepest rise; looked at each minute.
    #[serde(default)]
    pub stress: Vec<Shock>,
}

/// A book and how near it is to a liquidation. Amounts are decimal numbers of whole collateral.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Near {
    #[schema(value_type = String)]
    pub account: Address,
    pub expiry: String,
    pub margin: String,
    pub maintenance: String,
    /// Its margin in millionths of its maintenance margin, rounded down; none when it needs none.
    pub cover_ppm: Option<u64>,
    /// `expired`, `no price`, `in liquidation`, `below maintenance`, or nothing.
    pub state: String,
}

/// What a move of price and volatility would do. Amounts are decimal numbers of whole collateral.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Shock {
    pub price_bps: i64,
    pub volatility_bps: i64,
    /// Books that would be below maintenance.
    pub falls: usize,
    /// What they would owe beyond their margins.
    pub shortfall: String,
    /// What the fund would be asked for.
    pub rescue: String,
    /// Whether it would give all of that.
    pub covered: bool,
}

/// What a person is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alert {
    /// The insurance fund is small beside what it stands for.
    Insurance,
    /// One account needs much of all margin.
    Concentration,
}

impl Figures {
    pub fn of(pool: &Pool) -> Self {
        let books = pool.watch.ranked();
        let mut by_account: HashMap<Address, U256> = HashMap::new();
        for book in &books {
            *by_account.entry(book.id.0).or_default() += book.valuation.maintenance;
        }
        let total: U256 = by_account.values().copied().sum();
        let largest = by_account.iter().max_by_key(|(account, needed)| (**needed, **account));
        let shown = |units| Amount(units).to_decimal(pool.collateral.decimals);
        let now = pool.block.timestamp;
        Self {
            name: pool.name.clone(),
            block: pool.block.number,
            books: books.len(),
            below: books.iter().filter(|b| pool.priced.contains(&b.id.1) && b.is_below_maintenance()).count(),
            liquidations: pool.auctions.len(),
            unpriced: pool.expiries.iter().filter(|e| **e > now && !pool.priced.contains(e)).count(),
            insurance: shown(pool.facts.insurance),
            maintenance: shown(total),
            insurance_bps: if total.is_zero() { MOST } else { share(pool.facts.insurance, total) },
            largest: largest.map(|(account, _)| *account),
            largest_bps: largest.map_or(0, |(_, needed)| share(*needed, total)),
            naked_calls_bps: share(pool.facts.naked_calls, U256::from(pool.facts.rules.maxNakedCalls)),
            nearest: books.iter().take(NEAREST).map(|book| near(pool, book)).collect(),
            stress: Vec::new(),
        }
    }

    /// What shocks would do to the pool. Each values all books again.
    pub fn stress(pool: &Pool) -> Vec<Shock> {
        let shown = |units| Amount(units).to_decimal(pool.collateral.decimals);
        let try_one = |price_bps| {
            let outcome = stress::stress(pool, price_bps, VOLATILITY);
            Shock {
                price_bps,
                volatility_bps: VOLATILITY,
                falls: outcome.falls.len(),
                shortfall: shown(outcome.shortfall()),
                rescue: shown(outcome.rescue()),
                covered: outcome.is_covered(),
            }
        };
        SHOCKS.into_iter().map(try_one).collect()
    }

    /// What a person should look at, with its words.
    pub fn alerts(&self, config: &MarginConfig) -> Vec<(Alert, String)> {
        let mut alerts = Vec::new();
        let percent = |bps: u64| format!("{}.{:02} %", bps / 100, bps % 100);
        if self.insurance_bps < config.insurance_floor_bps.into() {
            let words = format!(
                "the insurance fund of {} is {} of all maintenance margins, below margin.insurance_floor_bps",
                self.name,
                percent(self.insurance_bps)
            );
            alerts.push((Alert::Insurance, words));
        }
        if let Some(largest) = self.largest.filter(|_| self.largest_bps > config.concentration_bps.into()) {
            let words = format!(
                "{largest} needs {} of all maintenance margins of {}, above margin.concentration_bps",
                percent(self.largest_bps),
                self.name
            );
            alerts.push((Alert::Concentration, words));
        }
        alerts
    }
}

fn near(pool: &Pool, book: &Book) -> Near {
    let shown = |units| Amount(units).to_decimal(pool.collateral.decimals);
    Near {
        account: book.id.0,
        expiry: rfc3339(i64::try_from(book.id.1).unwrap_or(i64::MAX).saturating_mul(1_000)),
        margin: shown(U256::from(book.margin)),
        maintenance: shown(book.valuation.maintenance),
        cover_ppm: (book.cover != u64::MAX).then_some(book.cover),
        state: pool.state_of(book).to_owned(),
    }
}

/// `part` in ten-thousandths of `whole`, rounded down.
fn share(part: U256, whole: U256) -> u64 {
    if whole.is_zero() {
        return if part.is_zero() { 0 } else { MOST };
    }
    (part.saturating_mul(BPS) / whole).try_into().unwrap_or(MOST).min(MOST)
}

#[cfg(test)]
mod tests;
