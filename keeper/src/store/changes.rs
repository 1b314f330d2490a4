//! What changed, in the order in which it was committed.

use super::{
    Store, StoreError,
    sql::{self, Columns},
};
use crate::domain::withdrawal::WithdrawalId;
use sqlx::{AssertSqlSafe, any::AnyRow};

/// One transition of a withdrawal or of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Grows with each change. Changes are committed one after the other, so none appears below one that was read.
    pub row: i64,
    /// Whose it is; none when a batch moved.
    pub withdrawal: Option<WithdrawalId>,
    /// The batch that moved, or that the withdrawal is in.
    pub batch: Option<i64>,
    pub from: Option<String>,
    pub to: String,
    pub reason: Option<String>,
    /// Unix milliseconds.
    pub at: i64,
}

const CHANGES: &str = "SELECT t.row_id, w.id, coalesce(t.batch, w.batch) AS batch, t.from_state, t.to_state, t.reason, t.at \
     FROM transitions t LEFT JOIN withdrawals w ON w.row_id = t.withdrawal";

impl Store {
    /// The newest change; 0 when there is none.
    pub async fn newest_change(&self) -> Result<i64, StoreError> {
        sqlx::query("SELECT coalesce(max(row_id), 0) AS newest FROM transitions")
            .fetch_one(&self.reader)
            .await?
            .int("newest")
    }

    /// The changes after one, oldest first, at most `limit`.
    pub async fn changes_after(&self, row: i64, limit: usize) -> Result<Vec<Change>, StoreError> {
        let statement = format!("{CHANGES} WHERE t.row_id > $1 ORDER BY t.row_id LIMIT $2");
        let query = sqlx::query(AssertSqlSafe(statement)).bind(row).bind(sql::int(limit as u64));
        query.fetch_all(&self.reader).await?.iter().map(read).collect()
    }

    /// The changes of these withdrawals, by their rows, and of all batches, after one change and up to another, oldest
    /// first, at most `limit`. What else changed meanwhile costs little.
    pub async fn changes_of(
        &self,
        withdrawals: &[i64],
        (after, to): (i64, i64),
        limit: usize,
    ) -> Result<Vec<Change>, StoreError> {
        // The signs keep both engines from the indices of withdrawals: few rows are new, and most are old.
        let statement = format!(
            "{CHANGES} WHERE t.row_id > $1 AND t.row_id <= $2 AND (+t.withdrawal IS NULL OR {}) ORDER BY t.row_id LIMIT $4",
            sql::is_listed(self.engine, "+t.withdrawal", "$3")
        );
        let rows = sqlx::query(AssertSqlSafe(statement))
            .bind(after)
            .bind(to)
            .bind(sql::list(self.engine, withdrawals))
            .bind(sql::int(limit as u64))
            .fetch_all(&self.reader)
            .await?;
        rows.iter().map(read).collect()
    }
}

fn read(row: &AnyRow) -> Result<Change, StoreError> {
    Ok(Change {
        row: row.int("row_id")?,
        withdrawal: row.text_opt("id")?.as_deref().and_then(WithdrawalId::parse),
        batch: row.int_opt("batch")?,
        from: row.text_opt("from_state")?,
        to: row.text("to_state")?,
        reason: row.text_opt("reason")?,
        at: row.int("at")?,
    })
}
