//! What cold is asked for.

use super::{
    Store, StoreError, Unit,
    sql::{self, Columns},
};
use crate::domain::amount::Amount;
use alloy::primitives::Address;

/// A refill that cold is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefillRequest {
    pub asset: Address,
    /// Units.
    pub amount: Amount,
    /// Unix milliseconds.
    pub requested_at: i64,
}

impl Unit {
    /// Asks for so much of an asset: anew, or in place of what was asked before.
    pub async fn request_refill(&mut self, asset: Address, amount: Amount) -> Result<(), StoreError> {
        let at = self.at();
        sqlx::query(
            "INSERT INTO refill_requests (asset, amount, requested_at) VALUES ($1, $2, $3) \
             ON CONFLICT (asset) WHERE ended_at IS NULL DO UPDATE SET amount = excluded.amount",
        )
        .bind(sql::address(asset))
        .bind(amount.to_hex())
        .bind(at)
        .execute(self.connection())
        .await?;
        self.note();
        Ok(())
    }

    /// It is not needed any more.
    pub async fn end_refill_request(&mut self, asset: Address) -> Result<(), StoreError> {
        let at = self.at();
        sqlx::query("UPDATE refill_requests SET ended_at = $1 WHERE asset = $2 AND ended_at IS NULL")
            .bind(at)
            .bind(sql::address(asset))
            .execute(self.connection())
            .await?;
        self.note();
        Ok(())
    }
}

impl Store {
    /// The requests that are open.
    pub async fn refill_requests(&self) -> Result<Vec<RefillRequest>, StoreError> {
        let rows = sqlx::query(
            "SELECT asset, amount, requested_at FROM refill_requests WHERE ended_at IS NULL ORDER BY asset",
        )
        .fetch_all(&self.reader)
        .await?;
        let read = rows.iter().map(|row| {
            Ok(RefillRequest {
                asset: row.address("asset")?,
                amount: row.amount("amount")?,
                requested_at: row.int("requested_at")?,
            })
        });
        read.collect()
    }
}
