//! How much of each asset orders will ask for soon.

use crate::{
    domain::amount::Amount,
    store::{Store, StoreError, demand::Demand},
};
use alloy::primitives::Address;
use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

/// Orders that are read at once.
const PAGE: usize = 10_000;
const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 86_400_000;

/// What orders asked for, minute by minute, for a day. Read again from the store by each process.
#[derive(Debug)]
pub(super) struct Forecast {
    horizon_ms: i64,
    /// The last row that was counted.
    row: Option<i64>,
    /// Units by the minute's number since 1970.
    minutes: HashMap<Address, BTreeMap<i64, Amount>>,
}

impl Forecast {
    /// Looks `horizon` ahead, a day at most; zero expects nothing.
    pub(super) fn new(horizon: Duration) -> Self {
        let horizon_ms = i64::try_from(horizon.as_millis()).map_or(DAY_MS, |ms| ms.min(DAY_MS));
        Self { horizon_ms, row: None, minutes: HashMap::new() }
    }

    /// Counts what came since the last time. `now` is in unix milliseconds.
    pub(super) async fn read(&mut self, store: &Store, now: i64) -> Result<(), StoreError> {
        if self.horizon_ms == 0 {
            return Ok(());
        }
        let mut row = match self.row {
            Some(row) => row,
            None => store.last_row_before(now - DAY_MS).await?,
        };
        loop {
            let page = store.demand_after(row, PAGE).await?;
            page.iter().for_each(|demand| self.count(demand));
            row = page.last().map_or(row, |last| last.row);
            self.row = Some(row);
            if page.len() < PAGE {
                break;
            }
        }
        self.forget(now);
        Ok(())
    }

    fn count(&mut self, demand: &Demand) {
        let minute = demand.received_at.div_euclid(MINUTE_MS);
        let sum = self.minutes.entry(demand.asset).or_default().entry(minute).or_default();
        *sum = saturating(*sum, demand.amount);
    }

    fn forget(&mut self, now: i64) {
        let oldest = (now - DAY_MS).div_euclid(MINUTE_MS);
        for minutes in self.minutes.values_mut() {
            *minutes = minutes.split_off(&oldest);
        }
    }

    /// Units that orders will ask for within the horizon: as much as within the last one, or as within the same time
    /// of yesterday, whichever is more. Minutes that are only partly within count whole.
    pub(super) fn expected(&self, asset: Address, now: i64) -> Amount {
        let Some(minutes) = self.minutes.get(&asset).filter(|_| self.horizon_ms > 0) else {
            return Amount::ZERO;
        };
        let within = |from: i64, to: i64| -> Amount {
            minutes
                .range(from.div_euclid(MINUTE_MS)..=to.div_euclid(MINUTE_MS))
                .fold(Amount::ZERO, |sum, (_, amount)| saturating(sum, *amount))
        };
        let yesterday = now - DAY_MS;
        within(now - self.horizon_ms, now).max(within(yesterday, yesterday + self.horizon_ms))
    }
}

/// Anybody may ask for any amount, so a sum of what was asked for need not fit.
fn saturating(sum: Amount, more: Amount) -> Amount {
    Amount(sum.0.saturating_add(more.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::primitives::U256;

    const ASSET: Address = Address::repeat_byte(1);
    const HOUR_MS: i64 = 3_600_000;
    const NOW: i64 = 100 * DAY_MS;

    fn forecast(orders: &[(i64, u64)]) -> Forecast {
        let mut forecast = Forecast::new(Duration::from_secs(3_600));
        for (at, amount) in orders {
            forecast.count(&Demand {
                row: 1,
                asset: ASSET,
                amount: Amount(U256::from(*amount)),
                received_at: *at,
            });
        }
        forecast
    }

    fn expected(orders: &[(i64, u64)]) -> u64 {
        forecast(orders).expected(ASSET, NOW).0.to()
    }

    #[test]
    fn as_much_as_in_the_last_hour_is_expected_or_as_in_this_hour_of_yesterday() {
        let last = [(NOW - HOUR_MS / 2, 5), (NOW - MINUTE_MS, 7)];
        assert_eq!(expected(&last), 12);
        let yesterday = [(NOW - DAY_MS + HOUR_MS / 2, 20), (NOW - DAY_MS + 2 * HOUR_MS, 1_000)];
        assert_eq!(expected(&yesterday), 20);
        assert_eq!(expected(&[last, yesterday].concat()), 20);
        assert_eq!(expected(&[(NOW - 2 * HOUR_MS, 9)]), 0, "neither");
    }

    #[test]
    fn another_asset_and_no_horizon_expect_nothing() {
        assert_eq!(forecast(&[(NOW, 5)]).expected(Address::repeat_byte(2), NOW), Amount::ZERO);
        let mut none = Forecast::new(Duration::ZERO);
        none.count(&Demand { row: 1, asset: ASSET, amount: Amount(U256::ONE), received_at: NOW });
        assert_eq!(none.expected(ASSET, NOW), Amount::ZERO);
    }

    #[test]
    fn what_is_older_than_a_day_is_forgotten_and_no_sum_overflows() {
        let mut forecast = forecast(&[(NOW - 2 * DAY_MS, 5), (NOW, 6)]);
        forecast.forget(NOW);
        assert_eq!(forecast.minutes[&ASSET].len(), 1);
        for _ in 0..2 {
            forecast.count(&Demand { row: 1, asset: ASSET, amount: Amount(U256::MAX), received_at: NOW });
        }
        assert_eq!(forecast.expected(ASSET, NOW).0, U256::MAX);
    }
}
