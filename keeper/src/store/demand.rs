//! What was asked of the float, in the order in which it came.

use super::{
    Store, StoreError,
    sql::{self, Columns},
};
use crate::domain::amount::Amount;
use alloy::primitives::Address;

/// An order that was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Demand {
    pub row: i64,
    pub asset: Address,
    pub amount: Amount,
    /// Unix milliseconds.
    pub received_at: i64,
}

impl Store {
    /// At most `limit` orders behind a row, the oldest first; without those that were rejected or cancelled by now.
    pub async fn demand_after(&self, row: i64, limit: usize) -> Result<Vec<Demand>, StoreError> {
        let rows = sqlx::query(
            "SELECT row_id, asset, amount, received_at FROM withdrawals WHERE row_id > $1 AND door = 'order' \
             AND state NOT IN ('rejected', 'cancelled') ORDER BY row_id LIMIT $2",
        )
        .bind(row)
        .bind(sql::int(limit as u64))
        .fetch_all(&self.reader)
        .await?;
        let read = rows.iter().map(|row| {
            Ok(Demand {
                row: row.int("row_id")?,
                asset: row.address("asset")?,
                amount: row.amount("amount")?,
                received_at: row.int("received_at")?,
            })
        });
        read.collect()
    }

    /// The last row that was received before a time (unix milliseconds); 0 when there is none. Rows come in the order of
    /// their times, so some twenty of a million are looked at.
    pub async fn last_row_before(&self, at: i64) -> Result<i64, StoreError> {
        let newest = sqlx::query("SELECT coalesce(max(row_id), 0) AS newest FROM withdrawals")
            .fetch_one(&self.reader)
            .await?
            .int("newest")?;
        // Everything up to `before` is older, everything behind `after` is not.
        let (mut before, mut after) = (0, newest);
        while before < after {
            let middle = before + (after - before + 1) / 2;
            let found = sqlx::query(
                "SELECT received_at FROM withdrawals WHERE row_id <= $1 ORDER BY row_id DESC LIMIT 1",
            )
            .bind(middle)
            .fetch_optional(&self.reader)
            .await?;
            match found.map(|row| row.int("received_at")).transpose()? {
                Some(received) if received >= at => after = middle - 1,
                _ => before = middle,
            }
        }
        Ok(before)
    }
}
