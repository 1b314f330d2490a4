//! The audit chain as the store has it: every change with the rows that it made.

use super::{Store, StoreError, sql::Columns};
use crate::books::audit::{
    change::{Broken, Change, Follower, Posting, Request, Terms, Transition},
    export::{ExportError, Writer},
};
use alloy::primitives::B256;
use sqlx::{AnyConnection, any::AnyRow};
use std::collections::BTreeMap;

/// How many changes are read at a time, and how many of their transitions or postings, unless one change has more.
const PAGE: i64 = 500;
const ROWS: i64 = 20_000;

/// Rows whose change is not in the audit: what they are, and the question for one of them.
const STRAYS: [(&str, &str); 2] = [
    (
        "a transition",
        "SELECT t.audit AS seq FROM transitions t LEFT JOIN audit a ON a.seq = t.audit WHERE a.seq IS NULL LIMIT 1",
    ),
    (
        "a posting",
        "SELECT p.audit AS seq FROM postings p LEFT JOIN audit a ON a.seq = p.audit WHERE a.seq IS NULL LIMIT 1",
    ),
];

impl Store {
    /// Follows the audit chain from its first change to its last, at one moment, beside a running keeper. `progress`
    /// hears how many changes of how many are done, `seen` each that holds.
    pub async fn follow_audit(
        &self,
        progress: impl Fn(u64, u64),
        seen: impl FnMut(&Change),
    ) -> Result<Result<Follower, Broken>, StoreError> {
        follow(&mut *self.snapshot().await?, progress, seen).await
    }

    /// Writes the chain to a file as it is at one moment, whole or not. Says how many changes.
    pub async fn export_audit(
        &self,
        mut writer: Writer,
        progress: impl Fn(u64, u64),
    ) -> Result<Result<i64, ExportError>, StoreError> {
        let mut tx = self.snapshot().await?;
        let (last, head) = head(&mut tx).await?;
        let mut from = 1;
        while from <= last {
            let to = page_end(&mut tx, from, last).await?;
            for change in changes(&mut tx, from, to).await? {
                if let Err(error) = writer.change(&change) {
                    return Ok(Err(error));
                }
            }
            progress(count(to), count(last));
            from = to + 1;
        }
        Ok(writer.finish(last, head).map(|()| last))
    }
}

/// See [`Store::follow_audit`].
pub(super) async fn follow(
    tx: &mut AnyConnection,
    progress: impl Fn(u64, u64),
    mut seen: impl FnMut(&Change),
) -> Result<Result<Follower, Broken>, StoreError> {
    let (last, head) = head(tx).await?;
    let mut follower = Follower::default();
    let mut from = 1;
    while from <= last {
        let to = page_end(tx, from, last).await?;
        for change in changes(tx, from, to).await? {
            if let Err(broken) = follower.follow(&change) {
                return Ok(Err(broken));
            }
            seen(&change);
        }
        progress(count(to), count(last));
        from = to + 1;
    }
    if let Err(broken) = follower.end(last, head) {
        return Ok(Err(broken));
    }
    let more = sqlx::query("SELECT seq FROM audit WHERE seq > $1 OR seq < 1 ORDER BY seq LIMIT 1")
        .bind(last)
        .fetch_optional(&mut *tx)
        .await?;
    if let Some(row) = more {
        let seq = row.int("seq")?;
        let what = format!("change {seq} was inserted: {last} were made");
        return Ok(Err(Broken { change: Some(seq), what }));
    }
    for (what, question) in STRAYS {
        if let Some(row) = sqlx::query(question).fetch_optional(&mut *tx).await? {
            let seq = row.int("seq")?;
            let what = format!("{what} names change {seq}, which is not in the audit");
            return Ok(Err(Broken { change: Some(seq), what }));
        }
    }
    Ok(Ok(follower))
}

fn count(n: i64) -> u64 {
    u64::try_from(n).unwrap_or(0)
}

/// The number and hash of the newest change.
async fn head(tx: &mut AnyConnection) -> Result<(i64, B256), StoreError> {
    let row = sqlx::query("SELECT seq, hash FROM audit_head WHERE id = 1").fetch_one(tx).await?;
    Ok((row.int("seq")?, row.fixed("hash")?))
}

/// The last of the changes from `from` on that are read together.
async fn page_end(tx: &mut AnyConnection, from: i64, last: i64) -> Result<i64, StoreError> {
    let mut to = last.min(from + PAGE - 1);
    for question in [
        "SELECT audit FROM transitions WHERE audit >= $1 AND audit <= $2 ORDER BY audit LIMIT 1 OFFSET $3",
        "SELECT audit FROM postings WHERE audit >= $1 AND audit <= $2 ORDER BY audit LIMIT 1 OFFSET $3",
    ] {
        let over = sqlx::query(question).bind(from).bind(to).bind(ROWS).fetch_optional(&mut *tx).await?;
        if let Some(row) = over {
            to = from.max(row.int("audit")? - 1);
        }
    }
    Ok(to)
}

/// The changes of a range, each with what it made.
pub(super) async fn changes(tx: &mut AnyConnection, from: i64, to: i64) -> Result<Vec<Change>, StoreError> {
    let mut transitions = by_change(
        tx,
        "SELECT audit, withdrawal, batch, from_state, to_state, reason FROM transitions \
         WHERE audit >= $1 AND audit <= $2 ORDER BY row_id",
        (from, to),
        read_transition,
    )
    .await?;
    let mut postings = by_change(
        tx,
        "SELECT audit, withdrawal, asset, debit, credit, amount FROM postings \
         WHERE audit >= $1 AND audit <= $2 ORDER BY row_id",
        (from, to),
        read_posting,
    )
    .await?;
    let mut terms = by_change(
        tx,
        "SELECT t.audit, w.row_id, w.id, w.door, w.asset, w.recipient, w.amount, w.request_id, w.request_owner, \
         w.request_created_at, w.deadline FROM transitions t JOIN withdrawals w ON w.row_id = t.withdrawal \
         WHERE t.audit >= $1 AND t.audit <= $2 AND t.from_state IS NULL ORDER BY t.row_id",
        (from, to),
        read_terms,
    )
    .await?;
    let entries = sqlx::query(
        "SELECT seq, at, actor, action, detail, digest, hash FROM audit WHERE seq >= $1 AND seq <= $2 ORDER BY seq",
    )
    .bind(from)
    .bind(to)
    .fetch_all(&mut *tx)
    .await?;
    entries
        .iter()
        .map(|row| {
            let seq = row.int("seq")?;
            Ok(Change {
                seq,
                at: row.int("at")?,
                actor: row.text("actor")?,
                action: row.text("action")?,
                detail: row.text("detail")?,
                digest: readable(row, "digest")?,
                hash: readable(row, "hash")?,
                transitions: transitions.remove(&seq).unwrap_or_default(),
                postings: postings.remove(&seq).unwrap_or_default(),
                terms: terms.remove(&seq).unwrap_or_default(),
            })
        })
        .collect()
}

/// A hash; zero where what is stored is none, so that the check names its change.
fn readable(row: &AnyRow, column: &str) -> Result<B256, StoreError> {
    Ok(row.text(column)?.parse().unwrap_or_default())
}

/// Rows of the changes of a range, by their change.
async fn by_change<T>(
    tx: &mut AnyConnection,
    question: &'static str,
    (from, to): (i64, i64),
    read: impl Fn(&AnyRow) -> Result<T, StoreError>,
) -> Result<BTreeMap<i64, Vec<T>>, StoreError> {
    let mut found: BTreeMap<i64, Vec<T>> = BTreeMap::new();
    for row in sqlx::query(question).bind(from).bind(to).fetch_all(tx).await? {
        found.entry(row.int("audit")?).or_default().push(read(&row)?);
    }
    Ok(found)
}

fn read_transition(row: &AnyRow) -> Result<Transition, StoreError> {
    Ok(Transition {
        withdrawal: row.int_opt("withdrawal")?,
        batch: row.int_opt("batch")?,
        from: row.text_opt("from_state")?,
        to: row.text("to_state")?,
        reason: row.text_opt("reason")?,
    })
}

fn read_posting(row: &AnyRow) -> Result<Posting, StoreError> {
    Ok(Posting {
        withdrawal: row.int_opt("withdrawal")?,
        asset: row.text("asset")?,
        debit: row.text("debit")?,
        credit: row.text("credit")?,
        amount: row.text("amount")?,
    })
}

fn read_terms(row: &AnyRow) -> Result<Terms, StoreError> {
    let request = match row.int_opt("request_id")? {
        None => None,
        Some(id) => Some(Request {
            id,
            owner: row.text_opt("request_owner")?.unwrap_or_default(),
            created_at: row.int_opt("request_created_at")?.unwrap_or_default(),
        }),
    };
    Ok(Terms {
        withdrawal: row.int("row_id")?,
        id: row.text("id")?,
        door: row.text("door")?,
        asset: row.text("asset")?,
        recipient: row.text("recipient")?,
        amount: row.text("amount")?,
        request,
        deadline: row.int_opt("deadline")?,
    })
}
