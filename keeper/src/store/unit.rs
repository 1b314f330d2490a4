//! The unit of change: what is in one unit is stored together or not at all.
//!
//! Every unit appends one entry to the audit chain. Taking the chain's head also orders the units: on SQLite by the
//! write lock, on PostgreSQL by the lock on the head's row.

use super::{
    Engine, QUEUE_PATIENCE, Store, StoreError,
    leases::Tenure,
    sql::{self, Columns},
};
use crate::{
    books::audit::{Digest, Entry},
    clock::now_ms,
    domain::{
        amount::Amount,
        batch::{Batch, BatchState},
        ledger::Sides,
        reason::Code,
        withdrawal::{Door, Withdrawal, WithdrawalState},
    },
};
use alloy::primitives::{Address, B256};
use sqlx::{Any, AssertSqlSafe, Transaction, any::AnyRow};
use std::{sync::Arc, time::Instant};

/// Who makes a change, and what it is.
#[derive(Clone, Debug)]
pub struct Context {
    /// `keeper/<stage>`, `api` or `api/<name of the key>`, `cli`, `chain`.
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
        let start = Instant::now();
        let (tx, head) = loop {
            match self.begin().await {
                // The server sent it away from the queue. It asks again, which one that was paused does not.
                Err(error) if error.is_lock_timeout() && start.elapsed() < QUEUE_PATIENCE => {}
                begun => break begun?,
            }
        };
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

    /// A transaction that has the audit chain's head, and so is the only one that changes anything.
    async fn begin(&self) -> Result<(Transaction<'static, Any>, AnyRow), StoreError> {
        let mut tx = match self.engine {
            // Takes the write lock now: a lock taken later could find that its snapshot is old.
            Engine::Sqlite => self.writer.begin_with("BEGIN IMMEDIATE").await?,
            Engine::Postgres => self.writer.begin().await?,
        };
        let head = sqlx::query("UPDATE audit_head SET seq = seq + 1 WHERE id = 1 RETURNING seq, hash")
            .fetch_one(&mut *tx)
            .await?;
        Ok((tx, head))
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

    /// Adds to a list in the detail of the audit entry.
    pub fn list(&mut self, key: &str, value: serde_json::Value) {
        if let Some(detail) = self.context.detail.as_object_mut()
            && let Some(list) = detail.entry(key).or_insert_with(|| serde_json::json!([])).as_array_mut()
        {
            list.push(value);
        }
    }

    /// Adds to the detail of the audit entry.
    pub fn describe(&mut self, key: &str, value: serde_json::Value) {
        if let Some(detail) = self.context.detail.as_object_mut() {
            detail.insert(key.to_owned(), value);
        }
    }

    /// Says in the audit entry which key signed which transaction, so that no use of a key is stored without it.
    pub(super) fn signed(&mut self, key: Address, nonce: u64, tx: B256) {
        self.list("signed", serde_json::json!({ "key": key, "nonce": nonce, "tx": tx }));
        self.note();
    }

    /// Keeps a value under a name.
    pub async fn set_meta(&mut self, name: &str, value: &str) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        )
        .bind(name)
        .bind(value)
        .execute(&mut *self.tx)
        .await?;
        self.note();
        Ok(())
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
        match to {
            Paid => self.post_for(withdrawals, Sides::paid, to).await?,
            Claimable => self.post_for(withdrawals, Sides::claimable, to).await?,
            Rejected | Cancelled => self.post_for(withdrawals, Sides::released, to).await?,
            Received | Held | Ready | Batched => {}
        }

        let rows: Vec<i64> = withdrawals.iter().map(|w| w.row).collect();
        // Set only where it changes: its index is left alone otherwise.
        let batch = match link {
            Link::Keep => "",
            Link::Out | Link::OutOf(_) => ", batch = NULL",
            Link::Into(_) => ", batch = $6",
        };
        // It may have left that batch meanwhile, and have a number in another.
        let still = if let Link::OutOf(_) = link { " AND batch = $6" } else { "" };
        let statement = format!(
            "UPDATE withdrawals SET state = $1, reason = $2, updated_at = $3{batch} \
             WHERE state = $4{still} AND {}",
            sql::is_listed(self.engine, "row_id", "$5")
        );
        let mut query = sqlx::query(AssertSqlSafe(statement))
            .bind(to.as_str())
            .bind(reason.map(Code::as_str))
            .bind(self.at)
            .bind(from.as_str())
            .bind(sql::list(self.engine, &rows));
        if let Link::Into(batch) | Link::OutOf(batch) = link {
            query = query.bind(batch);
        }
        if query.execute(&mut *self.tx).await?.rows_affected() != rows.len() as u64 {
            return Err(StoreError::stale("a withdrawal"));
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
        self.post_of(None, asset, sides, amount).await
    }

    /// Books a move of money; with a swap, its row and the state that it moved to.
    pub(super) async fn post_of(
        &mut self,
        swap: Option<(i64, &'static str)>,
        asset: Address,
        sides: Sides,
        amount: Amount,
    ) -> Result<(), StoreError> {
        if amount.is_zero() {
            return Ok(());
        }
        let (asset, amount) = (sql::address(asset), amount.to_hex());
        let (debit, credit) = (sides.debit.as_str(), sides.credit.as_str());
        self.digest.posting(None, &asset, debit, credit, &amount);
        sqlx::query(
            "INSERT INTO postings (audit, swap, to_state, asset, debit, credit, amount, at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(self.seq)
        .bind(swap.map(|(row, _)| row))
        .bind(swap.map(|(_, state)| state))
        .bind(asset)
        .bind(debit)
        .bind(credit)
        .bind(amount)
        .bind(self.at)
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }

    /// Books the moves of money that come with the transition of withdrawals to `to`.
    pub(super) async fn post_for(
        &mut self,
        withdrawals: &[Withdrawal],
        sides: fn(Door) -> Sides,
        to: WithdrawalState,
    ) -> Result<(), StoreError> {
        for door in [Door::Order, Door::Request] {
            let mut of_door: Vec<&Withdrawal> = withdrawals.iter().filter(|w| w.door == door).collect();
            if of_door.is_empty() {
                continue;
            }
            // The digest follows the rows.
            of_door.sort_by_key(|w| w.row);
            let sides = sides(door);
            let (debit, credit) = (sides.debit.as_str(), sides.credit.as_str());
            for w in &of_door {
                let (asset, amount) = (sql::address(w.asset), w.amount.to_hex());
                self.digest.posting(Some(w.row), &asset, debit, credit, &amount);
            }
            let rows: Vec<i64> = of_door.iter().map(|w| w.row).collect();
            let statement = format!(
                "INSERT INTO postings (audit, withdrawal, to_state, asset, debit, credit, amount, at) \
                 SELECT CAST($1 AS BIGINT), row_id, CAST($2 AS TEXT), asset, CAST($3 AS TEXT), CAST($4 AS TEXT), \
                 amount, CAST($5 AS BIGINT) FROM withdrawals WHERE {} ORDER BY row_id",
                sql::is_listed(self.engine, "row_id", "$6")
            );
            sqlx::query(AssertSqlSafe(statement))
                .bind(self.seq)
                .bind(to.as_str())
                .bind(debit)
                .bind(credit)
                .bind(self.at)
                .bind(sql::list(self.engine, &rows))
                .execute(&mut *self.tx)
                .await?;
        }
        Ok(())
    }

    /// Puts the terms of withdrawals that were accepted, in the order of their rows, into what the change's hash covers.
    pub(super) fn cover(&mut self, accepted: &[Withdrawal]) {
        accepted.iter().for_each(|w| self.digest.accepted(w));
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
        if rows.is_empty() {
            return Ok(());
        }
        for row in rows {
            self.digest.transition(subject.as_str(), *row, from, to, reason);
        }
        let statement = format!(
            "INSERT INTO transitions (audit, {}, from_state, to_state, reason, at) \
             SELECT CAST($1 AS BIGINT), listed.value, CAST($2 AS TEXT), CAST($3 AS TEXT), CAST($4 AS TEXT), \
             CAST($5 AS BIGINT) FROM {}",
            subject.as_str(),
            sql::listed(self.engine, "$6")
        );
        sqlx::query(AssertSqlSafe(statement))
            .bind(self.seq)
            .bind(from)
            .bind(to)
            .bind(reason)
            .bind(self.at)
            .bind(sql::list(self.engine, rows))
            .execute(&mut *self.tx)
            .await?;
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
    /// Stale unless it is in that one.
    OutOf(i64),
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

fn bad_transition(what: &str, from: &str, to: &str) -> StoreError {
    StoreError::BadTransition { what: what.to_owned(), from: from.to_owned(), to: to.to_owned() }
}
