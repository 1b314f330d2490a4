//! The facts of the ledger, for whoever analyses them elsewhere: rows that never change once they are committed, by the
//! change of the audit chain that made them.
//!
//! Postings and transitions are append-only. Of the tables that move on, only what has come to its end is told, at the
//! change that ended it: the terms of a withdrawal at its acceptance, a payout when it is final, a batch when it is final or
//! dissolved. So the facts of a range of changes are the same whenever it is read.

use super::{Store, StoreError, sql::Columns};
use crate::domain::{amount::Amount, day::Day};
use alloy::primitives::B256;
use futures::TryStreamExt;
use sqlx::any::AnyRow;

/// A kind of fact.
#[derive(Debug)]
pub struct Dataset {
    pub name: &'static str,
    pub columns: &'static [Column],
    /// Of the changes after the first parameter, up to the second; in the order of the rows that made them.
    question: &'static str,
}

impl Dataset {
    /// One that no question fills.
    pub const fn of(name: &'static str, columns: &'static [Column]) -> Self {
        Self { name, columns, question: "" }
    }
}

/// What a fact says.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    pub name: &'static str,
    pub kind: Kind,
    /// Whether every row has it.
    pub required: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Int,
    Text,
    /// Units of 256 bits, as decimal digits.
    Amount,
    /// Unix milliseconds.
    Time,
}

/// One value of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Int(i64),
    Text(String),
    None,
}

/// Changes that follow each other and are of one day (UTC).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The change before the first.
    pub after: i64,
    pub last: i64,
    /// The hash of the audit chain at the last.
    pub hash: B256,
    /// Unix milliseconds of the first.
    pub at: i64,
}

const fn column(name: &'static str, kind: Kind) -> Column {
    Column { name, kind, required: true }
}

const fn optional(name: &'static str, kind: Kind) -> Column {
    Column { name, kind, required: false }
}

/// Every kind of fact.
pub static DATASETS: [Dataset; 5] = [
    Dataset {
        name: "postings",
        columns: &[
            column("posting", Kind::Int),
            column("change", Kind::Int),
            column("at", Kind::Time),
            optional("withdrawal", Kind::Int),
            optional("to_state", Kind::Text),
            column("asset", Kind::Text),
            column("debit", Kind::Text),
            column("credit", Kind::Text),
            column("amount", Kind::Amount),
        ],
        question: "SELECT row_id AS posting, audit AS change, at, withdrawal, to_state, asset, debit, credit, amount \
             FROM postings WHERE audit > $1 AND audit <= $2 ORDER BY row_id",
    },
    Dataset {
        name: "transitions",
        columns: &[
            column("transition", Kind::Int),
            column("change", Kind::Int),
            column("at", Kind::Time),
            optional("withdrawal", Kind::Int),
            optional("batch", Kind::Int),
            optional("from_state", Kind::Text),
            column("to_state", Kind::Text),
            optional("reason", Kind::Text),
        ],
        question: "SELECT row_id AS transition, audit AS change, at, withdrawal, batch, from_state, to_state, reason \
             FROM transitions WHERE audit > $1 AND audit <= $2 ORDER BY row_id",
    },
    Dataset {
        name: "withdrawals",
        columns: &[
            column("withdrawal", Kind::Int),
            column("change", Kind::Int),
            column("at", Kind::Time),
            column("id", Kind::Text),
            column("door", Kind::Text),
            column("asset", Kind::Text),
            column("recipient", Kind::Text),
            column("amount", Kind::Amount),
            optional("deadline", Kind::Time),
            optional("request_id", Kind::Int),
            optional("request_owner", Kind::Text),
        ],
        question: "SELECT w.row_id AS withdrawal, t.audit AS change, t.at, w.id, w.door, w.asset, w.recipient, w.amount, \
             w.deadline, w.request_id, w.request_owner FROM transitions t JOIN withdrawals w ON w.row_id = t.withdrawal \
             WHERE t.audit > $1 AND t.audit <= $2 AND t.from_state IS NULL ORDER BY t.row_id",
    },
    Dataset {
        name: "payouts",
        columns: &[
            column("transition", Kind::Int),
            column("change", Kind::Int),
            column("at", Kind::Time),
            column("withdrawal", Kind::Int),
            column("received_at", Kind::Time),
            column("outcome", Kind::Text),
            column("door", Kind::Text),
            optional("tier", Kind::Text),
            column("asset", Kind::Text),
            column("recipient", Kind::Text),
            column("amount", Kind::Amount),
            optional("batch", Kind::Int),
        ],
        question: "SELECT t.row_id AS transition, t.audit AS change, t.at, t.withdrawal, w.received_at, \
             t.to_state AS outcome, w.door, \
             CASE WHEN f.lane IS NOT NULL THEN f.tier WHEN w.door = 'order' THEN coalesce(b.tier, 'instant') END AS tier, \
             w.asset, w.recipient, w.amount, \
             CASE WHEN f.lane IS NULL AND coalesce(t.reason, 'push_failed') = 'push_failed' THEN w.batch END AS batch \
             FROM transitions t JOIN withdrawals w ON w.row_id = t.withdrawal \
             LEFT JOIN found_payouts f ON f.withdrawal = w.row_id LEFT JOIN batches b ON b.row_id = w.batch \
             WHERE t.audit > $1 AND t.audit <= $2 AND t.to_state IN ('paid', 'claimable') ORDER BY t.row_id",
    },
    Dataset {
        name: "batches",
        columns: &[
            column("batch", Kind::Int),
            column("change", Kind::Int),
            column("at", Kind::Time),
            column("created_at", Kind::Time),
            column("kind", Kind::Text),
            column("state", Kind::Text),
            optional("reason", Kind::Text),
            column("asset", Kind::Text),
            column("payouts", Kind::Int),
            column("total", Kind::Amount),
            optional("lane", Kind::Text),
            optional("first", Kind::Int),
            column("attempts", Kind::Int),
            optional("tx", Kind::Text),
            optional("block", Kind::Int),
            optional("gas_used", Kind::Int),
            optional("fee", Kind::Amount),
        ],
        question: "SELECT b.row_id AS batch, t.audit AS change, t.at, b.created_at, b.kind, t.to_state AS state, t.reason, \
             b.asset, b.count AS payouts, b.total, b.lane, b.first, \
             (SELECT count(*) FROM attempts n WHERE n.batch = b.row_id) AS attempts, \
             a.hash AS tx, a.block, a.gas_used, a.fee \
             FROM transitions t JOIN batches b ON b.row_id = t.batch \
             LEFT JOIN attempts a ON a.batch = b.row_id AND a.state = 'mined' AND t.to_state = 'final' \
             WHERE t.audit > $1 AND t.audit <= $2 AND t.to_state IN ('final', 'dissolved') ORDER BY t.row_id",
    },
];

/// Changes that are looked at for one span.
const CHANGES: i64 = 20_000;

impl Store {
    /// The changes after `after` that are of one day, and have made about `rows` transitions at most; none when there is no
    /// newer change.
    pub async fn next_span(&self, after: i64, rows: i64) -> Result<Option<Span>, StoreError> {
        let changes = sqlx::query("SELECT seq, at FROM audit WHERE seq > $1 ORDER BY seq LIMIT $2")
            .bind(after)
            .bind(CHANGES)
            .fetch_all(&self.reader)
            .await?;
        let Some(first) = changes.first() else { return Ok(None) };
        let at = first.int("at")?;
        let mut last = first.int("seq")?;
        for change in &changes[1..] {
            if Day::of(change.int("at")?) != Day::of(at) {
                break;
            }
            last = change.int("seq")?;
        }
        let full = sqlx::query(
            "SELECT audit FROM transitions WHERE audit > $1 AND audit <= $2 ORDER BY audit LIMIT 1 OFFSET $3",
        )
        .bind(after)
        .bind(last)
        .bind(rows)
        .fetch_optional(&self.reader)
        .await?;
        if let Some(row) = full {
            // The change that would exceed it is left to the next span, unless it is the first.
            last = (row.int("audit")? - 1).max(first.int("seq")?);
        }
        let hash = self.change_hash(last).await?.ok_or_else(|| StoreError::stale("the audit chain"))?;
        Ok(Some(Span { after, last, hash, at }))
    }

    /// The number of the newest change.
    pub async fn newest_audit(&self) -> Result<i64, StoreError> {
        sqlx::query("SELECT seq FROM audit_head WHERE id = 1").fetch_one(&self.reader).await?.int("seq")
    }

    /// The hash of the audit chain at a change, when there is such a change.
    pub async fn change_hash(&self, change: i64) -> Result<Option<B256>, StoreError> {
        let row = sqlx::query("SELECT hash FROM audit WHERE seq = $1").bind(change);
        row.fetch_optional(&self.reader).await?.map(|r| r.fixed("hash")).transpose()
    }

    /// Hands the facts of a span to `each`, a row at a time, in the order of the dataset's columns.
    pub async fn facts(
        &self,
        dataset: &Dataset,
        span: &Span,
        mut each: impl FnMut(&[Value]),
    ) -> Result<(), StoreError> {
        let mut values = Vec::with_capacity(dataset.columns.len());
        let mut rows = sqlx::query(dataset.question).bind(span.after).bind(span.last).fetch(&self.reader);
        while let Some(row) = rows.try_next().await? {
            values.clear();
            for column in dataset.columns {
                values.push(read(&row, column)?);
            }
            each(&values);
        }
        Ok(())
    }
}

fn read(row: &AnyRow, column: &Column) -> Result<Value, StoreError> {
    let value = match column.kind {
        Kind::Int | Kind::Time => row.int_opt(column.name)?.map(Value::Int),
        Kind::Text => row.text_opt(column.name)?.map(Value::Text),
        Kind::Amount => match row.text_opt(column.name)? {
            Some(text) => {
                let amount = Amount::from_hex(&text);
                Some(Value::Text(amount.ok_or_else(|| StoreError::corrupt(column.name, &text))?.to_string()))
            }
            None => None,
        },
    };
    match value {
        None if column.required => Err(StoreError::corrupt(column.name, "nothing")),
        value => Ok(value.unwrap_or(Value::None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: i64 = 1_764_158_400_000;

    /// A store with a change for each of `made`: when, and how many transitions it made.
    async fn store(dir: &tempfile::TempDir, made: &[(i64, usize)]) -> Store {
        let store = Store::open(&format!("sqlite://{}/store.db", dir.path().display())).await.unwrap();
        let mut db = store.writer.acquire().await.unwrap();
        sqlx::query("PRAGMA foreign_keys = OFF").execute(&mut *db).await.unwrap();
        for (seq, (at, transitions)) in (1_i64..).zip(made) {
            sqlx::query("INSERT INTO audit VALUES ($1, $2, 'test', 'test', '{}', '0x', $3)")
                .bind(seq)
                .bind(at)
                .bind(B256::with_last_byte(seq.try_into().unwrap()).to_string())
                .execute(&mut *db)
                .await
                .unwrap();
            for _ in 0..*transitions {
                sqlx::query(
                    "INSERT INTO transitions (audit, batch, to_state, at) VALUES ($1, 1, 'planned', $2)",
                )
                .bind(seq)
                .bind(at)
                .execute(&mut *db)
                .await
                .unwrap();
            }
        }
        drop(db);
        store
    }

    async fn spans(store: &Store, rows: i64) -> Vec<(i64, i64)> {
        let mut spans = Vec::new();
        let mut after = 0;
        while let Some(span) = store.next_span(after, rows).await.unwrap() {
            assert_eq!(span.hash, B256::with_last_byte(span.last.try_into().unwrap()));
            assert_eq!(span.after, after);
            spans.push((span.after + 1, span.last));
            after = span.last;
        }
        spans
    }

    #[tokio::test]
    async fn a_span_is_of_one_day_even_when_the_clock_goes_back() {
        let dir = tempfile::tempdir().unwrap();
        let (day, hour) = (86_400_000, 3_600_000);
        let at = [0, hour, 13 * hour, 14 * hour, 11 * hour, day, day + hour].map(|later| (NOON + later, 1));
        let store = store(&dir, &at).await;
        assert_eq!(spans(&store, 1_000).await, [(1, 2), (3, 4), (5, 5), (6, 7)]);
    }

    #[tokio::test]
    async fn a_span_ends_before_it_holds_too_much_and_a_large_change_is_one_alone() {
        let dir = tempfile::tempdir().unwrap();
        let made = [2, 2, 9, 0, 3, 3, 1].map(|transitions| (NOON, transitions));
        let store = store(&dir, &made).await;
        assert_eq!(spans(&store, 4).await, [(1, 2), (3, 3), (4, 5), (6, 7)]);
        assert_eq!(spans(&store, 1_000).await, [(1, 7)]);
    }

    #[test]
    fn the_docs_describe_each_column() {
        let docs = include_str!("../../../docs/analytics.md");
        for dataset in &DATASETS {
            let section = docs.split_once(&format!("| `{}` | |", dataset.name)).unwrap().1;
            let section = section.split("\n\n").next().unwrap();
            for column in dataset.columns {
                let name = format!("`{}`", column.name);
                assert!(section.contains(&name), "{} of {} is not described", name, dataset.name);
            }
        }
    }
}
