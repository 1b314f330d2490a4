//! What the comparisons of intake, ledger and chain found, until a full one no longer does.

use super::{
    Store, StoreError, Unit,
    sql::{self, Columns},
};
use crate::{
    books::difference::{Class, Difference},
    domain::amount::Amount,
};
use sqlx::AnyConnection;

impl Store {
    /// The differences that were found and not seen to be gone.
    pub async fn open_differences(&self) -> Result<Vec<Difference>, StoreError> {
        let rows =
            sqlx::query("SELECT document FROM differences ORDER BY row_id").fetch_all(&self.reader).await?;
        rows.iter().map(|r| r.parsed("document", |s| serde_json::from_str(s).ok())).collect()
    }

    /// Keeps differences found at a block. True for each that is new.
    pub async fn put_differences(
        &self,
        block: u64,
        at: i64,
        found: &[Difference],
    ) -> Result<Vec<bool>, StoreError> {
        let mut tx = self.writer.begin().await?;
        let new = put(&mut tx, block, at, found).await?;
        tx.commit().await?;
        Ok(new)
    }

    /// A full comparison found these and no others.
    pub async fn replace_differences(
        &self,
        block: u64,
        at: i64,
        found: &[Difference],
    ) -> Result<(), StoreError> {
        let mut tx = self.writer.begin().await?;
        sqlx::query("DELETE FROM differences").execute(&mut *tx).await?;
        put(&mut tx, block, at, found).await?;
        Ok(tx.commit().await?)
    }
}

async fn put(
    tx: &mut AnyConnection,
    block: u64,
    at: i64,
    found: &[Difference],
) -> Result<Vec<bool>, StoreError> {
    let mut new = Vec::with_capacity(found.len());
    for difference in found {
        let document = serde_json::to_string(difference).expect("texts are JSON");
        let put = sqlx::query(
            "INSERT INTO differences (found_at, block, class, subject, document) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (class, subject) DO NOTHING",
        )
        .bind(at)
        .bind(sql::int(block))
        .bind(difference.class.as_str())
        .bind(&difference.subject)
        .bind(document)
        .execute(&mut *tx)
        .await?;
        new.push(put.rows_affected() == 1);
    }
    Ok(new)
}

impl Unit {
    /// The outflows of an asset that were named and not explained, by their rows.
    async fn open_outflows(&mut self, symbol: &str) -> Result<Vec<(i64, Difference)>, StoreError> {
        let rows = sqlx::query("SELECT row_id, document FROM differences WHERE class = $1 ORDER BY row_id")
            .bind(Class::UnknownOutflow.as_str())
            .fetch_all(&mut *self.connection())
            .await?;
        let mut open = Vec::with_capacity(rows.len());
        for row in rows {
            let difference: Difference = row.parsed("document", |s| serde_json::from_str(s).ok())?;
            if difference.is_outflow_of(symbol) {
                open.push((row.int("row_id")?, difference));
            }
        }
        Ok(open)
    }

    /// Whether an outflow of an asset is not explained.
    pub async fn has_open_outflow(&mut self, symbol: &str) -> Result<bool, StoreError> {
        Ok(!self.open_outflows(symbol).await?.is_empty())
    }

    /// Outflows of an asset that were named are explained now: somebody books them as lost. How much they were.
    pub async fn close_outflows(&mut self, symbol: &str) -> Result<Amount, StoreError> {
        let mut sum = Amount::ZERO;
        for (row, difference) in self.open_outflows(symbol).await? {
            sqlx::query("DELETE FROM differences WHERE row_id = $1")
                .bind(row)
                .execute(&mut *self.connection())
                .await?;
            sum = sum + difference.amount.unwrap_or_default();
        }
        Ok(sum)
    }
}
