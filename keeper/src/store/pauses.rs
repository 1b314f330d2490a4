//! Assets whose money left the vault for no reason that the books know: no new batch of theirs is funded.

use super::{
    Store, StoreError, Unit,
    sql::{self, Columns},
};
use alloy::primitives::Address;

/// Why an asset is not settled.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct AssetPause {
    pub asset: Address,
    /// Unix milliseconds.
    pub since: i64,
    pub reason: String,
}

impl Store {
    pub async fn asset_pauses(&self) -> Result<Vec<AssetPause>, StoreError> {
        let rows = sqlx::query("SELECT asset, since, reason FROM asset_pauses ORDER BY asset")
            .fetch_all(&self.reader)
            .await?;
        rows.iter()
            .map(|r| {
                Ok(AssetPause {
                    asset: r.address("asset")?,
                    since: r.int("since")?,
                    reason: r.text("reason")?,
                })
            })
            .collect()
    }
}

impl Unit {
    /// Stops the settlement of an asset. False when it was stopped before.
    pub async fn pause_asset(&mut self, asset: Address, reason: &str) -> Result<bool, StoreError> {
        let at = self.at();
        let put = sqlx::query(
            "INSERT INTO asset_pauses (asset, since, reason) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        )
        .bind(sql::address(asset))
        .bind(at)
        .bind(reason)
        .execute(self.connection())
        .await?;
        let new = put.rows_affected() == 1;
        if new {
            self.note();
        }
        Ok(new)
    }

    /// Lets an asset be settled again. False when it was not stopped.
    pub async fn resume_asset(&mut self, asset: Address) -> Result<bool, StoreError> {
        let removed = sqlx::query("DELETE FROM asset_pauses WHERE asset = $1")
            .bind(sql::address(asset))
            .execute(self.connection())
            .await?;
        let was = removed.rows_affected() == 1;
        if was {
            self.note();
        }
        Ok(was)
    }
}
