//! What the oracle guard last thought of each asset, and what it remembers.

use super::{
    Store, StoreError,
    sql::{self, Columns},
};
use crate::stages::price::guard::Opinion;
use alloy::primitives::Address;
use oracle_guard::Memory;

/// The last judgement of an asset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    pub opinion: Opinion,
    pub memory: Memory,
    /// The hash of the configuration that it was judged by.
    pub config: String,
    /// Unix milliseconds.
    pub at: i64,
}

impl Store {
    /// Keeps a judgement over the one before. Changes of mind have their audit entries beside it.
    pub async fn put_opinion(&self, asset: Address, kept: &Kept) -> Result<(), StoreError> {
        let text = |value: serde_json::Result<String>| value.unwrap_or_default();
        sqlx::query(
            "INSERT INTO oracle_opinions (asset, config, opinion, memory, at) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (asset) DO UPDATE SET config = excluded.config, opinion = excluded.opinion, \
             memory = excluded.memory, at = excluded.at",
        )
        .bind(sql::address(asset))
        .bind(&kept.config)
        .bind(text(serde_json::to_string(&kept.opinion)))
        .bind(text(serde_json::to_string(&kept.memory)))
        .bind(kept.at)
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    /// The last judgement of an asset; none when it was never judged.
    pub async fn opinion(&self, asset: Address) -> Result<Option<Kept>, StoreError> {
        let mut all = self.opinions_of(Some(asset)).await?;
        Ok(all.pop().map(|(_, kept)| kept))
    }

    /// The last judgement of each asset.
    pub async fn opinions(&self) -> Result<Vec<(Address, Kept)>, StoreError> {
        self.opinions_of(None).await
    }

    async fn opinions_of(&self, asset: Option<Address>) -> Result<Vec<(Address, Kept)>, StoreError> {
        let wanted = asset.map(sql::address);
        let rows = sqlx::query(
            "SELECT asset, config, opinion, memory, at FROM oracle_opinions \
             WHERE asset = $1 OR $2 = 1 ORDER BY asset",
        )
        .bind(wanted.clone().unwrap_or_default())
        .bind(i64::from(wanted.is_none()))
        .fetch_all(&self.reader)
        .await?;
        rows.iter()
            .map(|r| {
                let kept = Kept {
                    opinion: r.parsed("opinion", |text| serde_json::from_str(text).ok())?,
                    memory: r.parsed("memory", |text| serde_json::from_str(text).ok())?,
                    config: r.text("config")?,
                    at: r.int("at")?,
                };
                Ok((r.address("asset")?, kept))
            })
            .collect()
    }
}
