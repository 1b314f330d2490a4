//! The keys of the API.

use super::{
    Context, Store, StoreError,
    sql::{self, Columns},
};
use crate::domain::access::{ApiKey, Scope};
use serde_json::json;
use sqlx::any::AnyRow;

impl Store {
    /// All keys, oldest first, with those that have expired.
    pub async fn api_keys(&self) -> Result<Vec<ApiKey>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, name, hash, scopes, per_minute, created_at, expires_at FROM api_keys ORDER BY created_at, id",
        )
        .fetch_all(&self.reader)
        .await?;
        rows.iter().map(read).collect()
    }

    /// Stores a new key. `replaces` names one that it takes the place of, and from when on (unix milliseconds) that one no
    /// longer counts: until then both do.
    pub async fn add_api_key(&self, key: &ApiKey, replaces: Option<(&str, i64)>) -> Result<(), StoreError> {
        let detail = json!({
            "id": key.id, "name": key.name, "scopes": key.scopes, "replaces": replaces.map(|(id, _)| id),
        });
        let mut unit = self.unit(Context::new("cli", "api_key.created", detail)).await?;
        let scopes: Vec<_> = key.scopes.iter().map(|s| s.as_str()).collect();
        sqlx::query(
            "INSERT INTO api_keys (id, name, hash, scopes, per_minute, created_at, expires_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(&key.id)
        .bind(&key.name)
        .bind(sql::hex(key.hash))
        .bind(scopes.join(" "))
        .bind(i64::from(key.per_minute))
        .bind(key.created_at)
        .bind(key.expires_at)
        .execute(unit.connection())
        .await?;
        if let Some((id, at)) = replaces {
            expire(unit.connection(), id, at).await?;
        }
        unit.note();
        unit.commit().await
    }

    /// From `at` (unix milliseconds) on a key no longer counts. False when there is none that still would.
    pub async fn expire_api_key(&self, id: &str, at: i64) -> Result<bool, StoreError> {
        let mut unit = self.unit(Context::new("cli", "api_key.revoked", json!({ "id": id }))).await?;
        if !expire(unit.connection(), id, at).await? {
            return Ok(false);
        }
        unit.note();
        unit.commit().await?;
        Ok(true)
    }
}

/// Never later than it would have expired anyway.
async fn expire(connection: &mut sqlx::AnyConnection, id: &str, at: i64) -> Result<bool, StoreError> {
    let expired = sqlx::query(
        "UPDATE api_keys SET expires_at = $1 WHERE id = $2 AND (expires_at IS NULL OR expires_at > $1)",
    )
    .bind(at)
    .bind(id)
    .execute(connection)
    .await?;
    Ok(expired.rows_affected() == 1)
}

fn read(row: &AnyRow) -> Result<ApiKey, StoreError> {
    Ok(ApiKey {
        id: row.text("id")?,
        name: row.text("name")?,
        hash: row.fixed("hash")?,
        scopes: row.parsed("scopes", |text| text.split_whitespace().map(Scope::parse).collect())?,
        per_minute: u32::try_from(row.uint("per_minute")?).unwrap_or(u32::MAX),
        created_at: row.int("created_at")?,
        expires_at: row.int_opt("expires_at")?,
    })
}
