//! How far the ways of withdrawals were sent as traces, and under which of their callers' spans they stand.

use super::{Store, StoreError, sql::Columns};
use crate::domain::withdrawal::Withdrawal;

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

    /// The caller's span, 16 hexadecimal digits. Asked for apart: nothing but a trace needs it.
    pub async fn trace_parent(&self, withdrawal: &Withdrawal) -> Result<Option<String>, StoreError> {
        sqlx::query("SELECT trace_parent FROM withdrawals WHERE row_id = $1")
            .bind(withdrawal.row)
            .fetch_one(&self.reader)
            .await?
            .text_opt("trace_parent")
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
