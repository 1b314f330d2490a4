//! What is still to be told to the operator's endpoints, and what they would not hear.
//!
//! Messages are made from the transitions, which are there whatever becomes of a process: each endpoint has a cursor over
//! them, and a row for each message until it is an old one.

use super::{
    Context, Store, StoreError,
    changes::Change,
    sql::{self, Columns},
};
use crate::domain::withdrawal::Withdrawal;
use serde::Serialize;
use sqlx::{AssertSqlSafe, any::AnyRow};

/// A message that is to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    pub row: i64,
    /// What it tells of.
    pub transition: i64,
    /// How often it was tried.
    pub attempts: u32,
}

/// What came of sending one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sent {
    Delivered,
    /// Tried again at this time, in unix milliseconds; with what the endpoint answered.
    Again(i64, String),
    /// Given up; with what the endpoint answered.
    Dead(String),
}

/// A message that an endpoint would not hear.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeadLetter {
    pub id: i64,
    pub endpoint: String,
    pub withdrawal: String,
    pub to: String,
    pub attempts: u32,
    /// What the endpoint answered last.
    pub answer: String,
    /// Unix milliseconds.
    pub at: i64,
}

impl Store {
    /// How far the changes were turned into messages for an endpoint. A new endpoint hears of what comes from now on.
    pub async fn webhook_cursor(&self, endpoint: &str) -> Result<i64, StoreError> {
        let kept = "SELECT transition FROM webhook_cursors WHERE endpoint = $1";
        // Asked for all the time: only a new endpoint needs the connection that payments write through.
        if let Some(row) = sqlx::query(kept).bind(endpoint).fetch_optional(&self.reader).await? {
            return row.int("transition");
        }
        sqlx::query(
            "INSERT INTO webhook_cursors (endpoint, transition) \
             SELECT $1, coalesce(max(row_id), 0) FROM transitions WHERE true ON CONFLICT (endpoint) DO NOTHING",
        )
        .bind(endpoint)
        .execute(&self.writer)
        .await?;
        sqlx::query(kept).bind(endpoint).fetch_one(&self.writer).await?.int("transition")
    }

    /// Keeps a message for each of `changes`, and that an endpoint's cursor went from `from` to `to`. Nothing when another
    /// keeper moved it first.
    pub async fn queue_webhooks(
        &self,
        endpoint: &str,
        (from, to): (i64, i64),
        changes: &[&Change],
    ) -> Result<(), StoreError> {
        let mut tx = self.writer.begin().await?;
        let moved =
            sqlx::query("UPDATE webhook_cursors SET transition = $1 WHERE endpoint = $2 AND transition = $3")
                .bind(to)
                .bind(endpoint)
                .bind(from)
                .execute(&mut *tx)
                .await?;
        if moved.rows_affected() == 1 && !changes.is_empty() {
            let values = sql::tuples(self.engine, changes.len(), 4);
            let statement = format!(
                "INSERT INTO webhook_deliveries (endpoint, transition, state, next_at) VALUES {values}"
            );
            let mut query = sqlx::query(AssertSqlSafe(statement));
            for change in changes {
                query = query.bind(endpoint).bind(change.row).bind("pending").bind(change.at);
            }
            query.execute(&mut *tx).await?;
        }
        Ok(tx.commit().await?)
    }

    /// The messages of an endpoint whose time has come, oldest first.
    pub async fn due_webhooks(
        &self,
        endpoint: &str,
        now: i64,
        limit: usize,
    ) -> Result<Vec<Delivery>, StoreError> {
        let rows = sqlx::query(
            "SELECT row_id, transition, attempts FROM webhook_deliveries \
             WHERE endpoint = $1 AND state = 'pending' AND next_at <= $2 ORDER BY row_id LIMIT $3",
        )
        .bind(endpoint)
        .bind(now)
        .bind(sql::int(limit as u64))
        .fetch_all(&self.reader)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(Delivery {
                    row: row.int("row_id")?,
                    transition: row.int("transition")?,
                    attempts: attempts(row)?,
                })
            })
            .collect()
    }

    /// What a message tells of: the change, and its withdrawal.
    pub async fn told(&self, transition: i64) -> Result<(Change, Withdrawal), StoreError> {
        let gone = || StoreError::corrupt("webhook_deliveries.transition", &transition.to_string());
        let change = self.changes_after(transition - 1, 1).await?.pop();
        let change = change.filter(|change| change.row == transition).ok_or_else(gone)?;
        let id = change.withdrawal.clone().ok_or_else(gone)?;
        Ok((change, self.withdrawal(&id).await?.ok_or_else(gone)?))
    }

    /// Keeps what came of sending. No audit entry: nothing is decided by it.
    pub async fn put_sent_webhooks(&self, sent: &[(i64, Sent)], now: i64) -> Result<(), StoreError> {
        let mut tx = self.writer.begin().await?;
        for (row, sent) in sent {
            let (state, at, answer) = match sent {
                Sent::Delivered => ("delivered", now, ""),
                Sent::Again(at, answer) => ("pending", *at, answer.as_str()),
                Sent::Dead(answer) => ("dead", now, answer.as_str()),
            };
            sqlx::query(
                "UPDATE webhook_deliveries SET state = $1, next_at = $2, answer = $3, attempts = attempts + 1 \
                 WHERE row_id = $4 AND state = 'pending'",
            )
            .bind(state)
            .bind(at)
            .bind(answer)
            .bind(*row)
            .execute(&mut *tx)
            .await?;
        }
        Ok(tx.commit().await?)
    }

    /// Forgets what was delivered before `at`.
    pub async fn forget_delivered_webhooks(&self, at: i64) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM webhook_deliveries WHERE state = 'delivered' AND next_at < $1")
            .bind(at)
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    /// How many messages stand at each state, by endpoint.
    pub async fn webhook_counts(&self) -> Result<Vec<(String, String, u64)>, StoreError> {
        let rows = sqlx::query(
            "SELECT endpoint, state, count(*) AS n FROM webhook_deliveries GROUP BY endpoint, state \
             ORDER BY endpoint, state",
        )
        .fetch_all(&self.reader)
        .await?;
        rows.iter().map(|row| Ok((row.text("endpoint")?, row.text("state")?, row.uint("n")?))).collect()
    }

    /// What was given up, newest first.
    pub async fn dead_letters(&self, limit: usize) -> Result<Vec<DeadLetter>, StoreError> {
        let rows = sqlx::query(
            "SELECT d.row_id, d.endpoint, w.id, t.to_state, d.attempts, d.answer, d.next_at \
             FROM webhook_deliveries d JOIN transitions t ON t.row_id = d.transition \
             JOIN withdrawals w ON w.row_id = t.withdrawal \
             WHERE d.state = 'dead' ORDER BY d.row_id DESC LIMIT $1",
        )
        .bind(sql::int(limit as u64))
        .fetch_all(&self.reader)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(DeadLetter {
                    id: row.int("row_id")?,
                    endpoint: row.text("endpoint")?,
                    withdrawal: row.text("id")?,
                    to: row.text("to_state")?,
                    attempts: attempts(row)?,
                    answer: row.text("answer")?,
                    at: row.int("next_at")?,
                })
            })
            .collect()
    }

    /// Puts what was given up back to be sent: one, or all of an endpoint, or all. Says how many.
    pub async fn replay_dead_letters(
        &self,
        id: Option<i64>,
        endpoint: Option<&str>,
        who: &str,
    ) -> Result<u64, StoreError> {
        let detail = serde_json::json!({ "id": id, "endpoint": endpoint, "who": who });
        let mut unit = self.unit(Context::new("cli", "webhooks.replayed", detail)).await?;
        let at = unit.at();
        let replayed = sqlx::query(
            "UPDATE webhook_deliveries SET state = 'pending', attempts = 0, next_at = $1 \
             WHERE state = 'dead' AND ($2 = 0 OR row_id = $2) AND ($3 = '' OR endpoint = $3)",
        )
        .bind(at)
        .bind(id.unwrap_or(0))
        .bind(endpoint.unwrap_or_default())
        .execute(unit.connection())
        .await?
        .rows_affected();
        unit.describe("replayed", replayed.into());
        unit.note();
        unit.commit().await?;
        Ok(replayed)
    }
}

fn attempts(row: &AnyRow) -> Result<u32, StoreError> {
    Ok(u32::try_from(row.uint("attempts")?).unwrap_or(u32::MAX))
}
