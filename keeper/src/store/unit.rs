//! The unit of change: what is in one unit is stored together or not at all.
//!
//! Every unit appends one entry to the audit chain. Taking the chain's head also orders the units: on SQLite by the
//! write lock, on PostgreSQL by the lock on the head's row.

use super::{
    Engine, Store, StoreError,
    leases::Tenure,
    sql::{self, Columns, pieces, placeholders, tuples},
};
use crate::{
    books::audit::{Digest, Entry},
    clock::now_ms,
    domain::{
        amount::Amount,
        batch::{Batch, BatchState},
        ledger::{Posting, Sides},
        reason::Code,
        withdrawal::{Withdrawal, WithdrawalState},
    },
};
use alloy::primitives::{Address, B256};
use sqlx::{Any, AssertSqlSafe, Transaction};
use std::sync::Arc;

/// Who makes a change, and what it is.
#[derive(Clone, Debug)]
pub struct Context {
    /// `keeper/<stage>`, `api`, `cli`, `chain`.
    pub actor: String,
    /// `withdrawals.received`, `batch.funded`, ...
    pub action: String,
    /// What a reader of the audit wants to know beside the transitions, as JSON.
    pub detail: serde_json::Value,
}

impl Context {
    pub fn new(actor: &str, action: &str, detail: serde_json::Value) -> Self {
        Self { actor: actor.to_owned(), action: action.to_owned(), detail }
    }
}

/// An open change. Dropped without [`Unit::commit`], nothing of it happened.
pub struct Unit {
    pub(super) engine: Engine,
    tx: Transaction<'static, Any>,
    context: Context,
    seq: i64,
    prev: B256,
    at: i64,
    digest: Digest,
    /// Set by changes that make no transition or posting but belong in the audit all the same.
    noted: bool,
    pub(super) tenure: Option<Arc<Tenure>>,
    /// The leases that this change was found to have.
    pub(super) proven: Vec<String>,
}

impl Store {
    /// Opens a change.
    pub async fn unit(&self, context: Context) -> Result<Unit, StoreError> {
        let mut tx = match self.engine {
            // Takes the write lock now: a lock taken later could find that its snapshot is old.
            Engine::Sqlite => self.writer.begin_with("BEGIN IMMEDIATE").await?,
            Engine::Postgres => self.writer.begin().await?,
        };
        let head = sqlx::query("UPDATE audit_head SET seq = seq + 1 WHERE id = 1 RETURNING seq, hash")
            .fetch_one(&mut *tx)
            .await?;
        Ok(Unit {
            engine: self.engine,
            seq: head.int("seq")?,
            prev: head.fixed("hash")?,
            tx,
            context,
            at: now_ms(),
            digest: Digest::default(),
            noted: false,
            tenure: self.tenure.clone(),
            proven: Vec::new(),
        })
    }

    /// The hash of the newest committed change.
    pub async fn audit_head(&self) -> Result<B256, StoreError> {
        sqlx::query("SELECT hash FROM audit_head WHERE id = 1").fetch_one(&self.reader).await?.fixed("hash")
    }
}

impl Unit {
    /// The connection, for statements that change no state of a withdrawal or batch.
    pub(super) fn connection(&mut self) -> &mut sqlx::AnyConnection {
        &mut self.tx
    }

    /// Unix milliseconds of this change.
    pub fn at(&self) -> i64 {
        self.at
    }

    /// The hash that the audit chain had before this change.
    pub fn audit_head_before(&self) -> B256 {
        self.prev
    }

    /// Keeps the audit entry even when nothing moved.
    pub fn note(&mut self) {
        self.noted = true;
    }

    /// Adds to the detail of the audit entry.
    pub fn describe(&mut self, key: &str, value: serde_json::Value) {
        if let Some(detail) = self.context.detail.as_object_mut() {
            detail.insert(key.to_owned(), value);
        }
    }

    /// Moves withdrawals that all stand at the same state. Ending ones get their postings here, so that no caller
    /// can forget them. Those that wait again leave their batch. Rows that moved meanwhile make the unit stale.
    pub async fn move_withdrawals(
        &mut self,
        withdrawals: &[Withdrawal],
        to: WithdrawalState,
        reason: Option<Code>,
    ) -> Result<(), StoreError> {
        let link = match to {
            WithdrawalState::Ready | WithdrawalState::Held => Link::Out,
            _ => Link::Keep,
        };
        self.move_linked(withdrawals, to, reason, link).await
    }

    /// [`Unit::move_withdrawals`], with what becomes of their batch.
    pub(super) async fn move_linked(
        &mut self,
        withdrawals: &[Withdrawal],
        to: WithdrawalState,
        reason: Option<Code>,
        link: Link,
    ) -> Result<(), StoreError> {
        use WithdrawalState::*;
        let Some(first) = withdrawals.first() else {
            return Ok(());
        };
        let from = first.state;
        if !from.may_become(to) {
            return Err(bad_transition(first.id.as_str(), from.as_str(), to.as_str()));
        }
        if let Some(other) = withdrawals.iter().find(|w| w.state != from) {
            return Err(StoreError::stale(format!("withdrawal {}", other.id)));
        }
        let ended: Vec<_> = withdrawals
            .iter()
            .filter_map(|w| {
                let sides = match to {
                    Paid => Sides::paid(w.door),
                    Claimable => Sides::claimable(w.door),
                    Rejected | Cancelled => Sides::released(w.door),
                    Received | Held | Ready | Batched => return None,
                };
                Some((Some(w.row), posting(w.asset, sides, w.amount)))
            })
            .collect();
        self.post_for(&ended, Some(to)).await?;

        let rows: Vec<i64> = withdrawals.iter().map(|w| w.row).collect();
        for piece in pieces(&rows) {
            let n = piece.len();
            // Set only where it changes: its index is left alone otherwise.
            let batch = match link {
                Link::Keep => String::new(),
                Link::Out => ", batch = NULL".to_owned(),
                Link::Into(_) => format!(", batch = ${}", n + 5),
            };
            let statement = format!(
                "UPDATE withdrawals SET state = ${}, reason = ${}, updated_at = ${}{batch} \
                 WHERE state = ${} AND row_id IN ({})",
                n + 1,
                n + 2,
                n + 3,
                n + 4,
                placeholders(self.engine, n),
            );
            let mut query = sqlx::query(AssertSqlSafe(statement));
            for row in piece {
                query = query.bind(*row);
            }
            query = query.bind(to.as_str()).bind(reason.map(Code::as_str)).bind(self.at).bind(from.as_str());
            if let Link::Into(batch) = link {
                query = query.bind(batch);
            }
            if query.execute(&mut *self.tx).await?.rows_affected() != piece.len() as u64 {
                return Err(StoreError::stale("a withdrawal"));
            }
        }
        self.record(Subject::Withdrawal, &rows, Some(from.as_str()), to.as_str(), reason.map(Code::as_str))
            .await
    }

    /// Moves a batch. The row must still stand where `batch` says. One that has its lane is moved by who works there.
    pub async fn move_batch(
        &mut self,
        batch: &Batch,
        to: BatchState,
        reason: Option<&str>,
    ) -> Result<(), StoreError> {
        if !batch.state.may_become(to) {
            return Err(bad_transition(&format!("batch {}", batch.row), batch.state.as_str(), to.as_str()));
        }
        if let Some(content) = &batch.content {
            self.require_lane_or_line(content.lane).await?;
        }
        let moved =
            sqlx::query("UPDATE batches SET state = $1, reason = $2 WHERE row_id = $3 AND state = $4")
                .bind(to.as_str())
                .bind(reason)
                .bind(batch.row)
                .bind(batch.state.as_str())
                .execute(&mut *self.tx)
                .await?;
        if moved.rows_affected() != 1 {
            return Err(StoreError::stale(format!("batch {}", batch.row)));
        }
        self.record(Subject::Batch, &[batch.row], Some(batch.state.as_str()), to.as_str(), reason).await
    }

    /// Books a move of money that is no withdrawal's.
    pub async fn post(&mut self, asset: Address, sides: Sides, amount: Amount) -> Result<(), StoreError> {
        if amount.is_zero() {
            return Ok(());
        }
        self.post_for(&[(None, posting(asset, sides, amount))], None).await
    }

    /// Books moves of money, each for its withdrawal's transition to `to`.
    pub(super) async fn post_for(
        &mut self,
        postings: &[(Option<i64>, Posting)],
        to: Option<WithdrawalState>,
    ) -> Result<(), StoreError> {
        for piece in pieces(postings) {
            let statement = format!(
                "INSERT INTO postings (audit, withdrawal, to_state, asset, debit, credit, amount, at) VALUES {}",
                tuples(self.engine, piece.len(), 8)
            );
            let mut query = sqlx::query(AssertSqlSafe(statement));
            for (withdrawal, posting) in piece {
                let asset = sql::address(posting.asset);
                let (debit, credit) = (posting.sides.debit.as_str(), posting.sides.credit.as_str());
                let amount = posting.amount.to_hex();
                self.digest.posting(*withdrawal, &asset, debit, credit, &amount);
                query = query
                    .bind(self.seq)
                    .bind(*withdrawal)
                    .bind(to.map(WithdrawalState::as_str))
                    .bind(asset)
                    .bind(debit)
                    .bind(credit)
                    .bind(amount)
                    .bind(self.at);
            }
            query.execute(&mut *self.tx).await?;
        }
        Ok(())
    }

    /// Appends the transitions of `rows`.
    pub(super) async fn record(
        &mut self,
        subject: Subject,
        rows: &[i64],
        from: Option<&str>,
        to: &str,
        reason: Option<&str>,
    ) -> Result<(), StoreError> {
        for piece in pieces(rows) {
            let statement = format!(
                "INSERT INTO transitions (audit, {}, from_state, to_state, reason, at) VALUES {}",
                subject.as_str(),
                tuples(self.engine, piece.len(), 6)
            );
            let mut query = sqlx::query(AssertSqlSafe(statement));
            for row in piece {
                self.digest.transition(subject.as_str(), *row, from, to, reason);
                query = query.bind(self.seq).bind(*row).bind(from).bind(to).bind(reason).bind(self.at);
            }
            query.execute(&mut *self.tx).await?;
        }
        Ok(())
    }

    /// Makes it durable. A unit in which nothing happened leaves no trace.
    pub async fn commit(mut self) -> Result<(), StoreError> {
        if self.digest.is_empty() && !self.noted {
            return Ok(self.tx.rollback().await?);
        }
        let detail = self.context.detail.to_string();
        let digest = self.digest.finish();
        let entry = Entry {
            seq: self.seq,
            at: self.at,
            actor: &self.context.actor,
            action: &self.context.action,
            detail: &detail,
            digest,
        };
        let hash = sql::hex(entry.hash(self.prev));
        sqlx::query(
            "INSERT INTO audit (seq, at, actor, action, detail, digest, hash) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(self.seq)
        .bind(self.at)
        .bind(&self.context.actor)
        .bind(&self.context.action)
        .bind(&detail)
        .bind(sql::hex(digest))
        .bind(&hash)
        .execute(&mut *self.tx)
        .await?;
        sqlx::query("UPDATE audit_head SET hash = $1 WHERE id = 1")
            .bind(&hash)
            .execute(&mut *self.tx)
            .await?;
        Ok(self.tx.commit().await?)
    }
}

/// What a move makes of a withdrawal's batch.
#[derive(Clone, Copy, Debug)]
pub(super) enum Link {
    Keep,
    Into(i64),
    Out,
}

/// Whose transition it is: the column that names it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Subject {
    Withdrawal,
    Batch,
}

impl Subject {
    fn as_str(self) -> &'static str {
        match self {
            Self::Withdrawal => "withdrawal",
            Self::Batch => "batch",
        }
    }
}

pub(super) fn posting(asset: Address, sides: Sides, amount: Amount) -> Posting {
    Posting { asset, sides, amount }
}

fn bad_transition(what: &str, from: &str, to: &str) -> StoreError {
    StoreError::BadTransition { what: what.to_owned(), from: from.to_owned(), to: to.to_owned() }
}
