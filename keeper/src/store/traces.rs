//! How far the ways of withdrawals were sent as traces.

use super::{Store, StoreError};

const CURSOR: &str = "traces/transition";

impl Store {
    /// The last change that was looked at. The first time, what comes from now on counts.
    pub async fn trace_cursor(&self) -> Result<i64, StoreError> {
        // Asked for all the time: only the first time needs the connection that payments write through.
        let found = sqlx::query_scalar("SELECT value FROM meta WHERE name = $1").bind(CURSOR);
        let kept: String = match found.fetch_optional(&self.reader).await? {
            Some(kept) => kept,
            None => self.meta_or_insert(CURSOR, &self.newest_change().await?.to_string()).await?,
        };
        kept.parse().map_err(|_| StoreError::corrupt(CURSOR, &kept))
    }

    /// Nothing when another keeper moved it first. No audit entry: nothing is decided by it.
    pub async fn move_trace_cursor(&self, from: i64, to: i64) -> Result<(), StoreError> {
        sqlx::query("UPDATE meta SET value = $1 WHERE name = $2 AND value = $3")
            .bind(to.to_string())
            .bind(CURSOR)
            .bind(from.to_string())
            .execute(&self.writer)
            .await?;
        Ok(())
    }
}
