//! Withdrawals: accepted once, found by what their askers know.

use super::{
    Store, StoreError, Unit,
    sql::{self, Columns, pieces, placeholders, tuples},
    unit::Subject,
};
use crate::domain::{
    amount::Amount,
    ledger::Sides,
    reason::Code,
    withdrawal::{Door, Order, Reference, RequestTerms, Withdrawal, WithdrawalId, WithdrawalState},
};
use alloy::primitives::Address;
use sqlx::{AssertSqlSafe, any::AnyRow};
use std::{collections::HashMap, ops::RangeInclusive};

/// A withdrawal to be stored.
#[derive(Clone, Debug)]
pub struct NewWithdrawal {
    pub order: Order,
    pub trace_id: String,
    /// The caller's span in that trace, where the caller named one.
    pub trace_parent: Option<String>,
    /// Where the request stands on chain; none for an order.
    pub request: Option<RequestTerms>,
    /// The name of the API key that handed it in, where one did.
    pub submitter: Option<String>,
}

impl NewWithdrawal {
    pub fn id(&self) -> WithdrawalId {
        WithdrawalId::from_key(&self.order.idempotency_key)
    }

    fn door(&self) -> Door {
        if self.request.is_some() { Door::Request } else { Door::Order }
    }
}

/// What became of a withdrawal that was handed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// Stored now.
    New(Withdrawal),
    /// The same key with the same content was stored before.
    Repeated(Withdrawal),
    /// The key was used before for something else.
    Conflict(Withdrawal),
    /// The 8-byte reference is another withdrawal's: one in 2^64, answered by asking for another key.
    ReferenceTaken,
}

/// Every column of a withdrawal.
pub(super) const COLUMNS: &str = "row_id, id, door, idempotency_key, asset, recipient, amount, state, reason, batch, \
     request_id, request_owner, request_created_at, deadline, trace_id, received_at";

impl Unit {
    /// Stores withdrawals as `received`, each with the posting that sets its money aside. The answers are in the
    /// order of `new`. The same key twice in one call: the second is the repeat.
    pub async fn accept_withdrawals(&mut self, new: &[NewWithdrawal]) -> Result<Vec<Accepted>, StoreError> {
        let new: Vec<(WithdrawalId, &NewWithdrawal)> = new.iter().map(|w| (w.id(), w)).collect();
        let mut inserted: HashMap<String, i64> = HashMap::with_capacity(new.len());
        for piece in pieces(&new) {
            let statement = format!(
                "INSERT INTO withdrawals (id, reference, door, idempotency_key, asset, recipient, amount, state, \
                 request_id, request_owner, request_created_at, deadline, trace_id, trace_parent, submitter, received_at, updated_at) \
                 VALUES {} ON CONFLICT DO NOTHING RETURNING row_id, id",
                tuples(self.engine, piece.len(), 17)
            );
            let mut query = sqlx::query(AssertSqlSafe(statement));
            for (id, w) in piece {
                query = query
                    .bind(id.to_string())
                    .bind(sql::hex(id.reference()))
                    .bind(w.door().as_str())
                    .bind(&w.order.idempotency_key)
                    .bind(sql::address(w.order.asset))
                    .bind(sql::address(w.order.recipient))
                    .bind(w.order.amount.to_hex())
                    .bind(WithdrawalState::Received.as_str())
                    .bind(w.request.map(|r| sql::int(r.id)))
                    .bind(w.request.map(|r| sql::address(r.owner)))
                    .bind(w.request.map(|r| sql::int(r.created_at)))
                    .bind(w.order.deadline)
                    .bind(&w.trace_id)
                    .bind(&w.trace_parent)
                    .bind(&w.submitter)
                    .bind(self.at())
                    .bind(self.at());
            }
            for row in query.fetch_all(self.connection()).await? {
                inserted.insert(row.text("id")?, row.int("row_id")?);
            }
        }

        let known: Vec<Reference> = new
            .iter()
            .filter(|(id, _)| !inserted.contains_key(id.as_str()))
            .map(|(id, _)| id.reference())
            .collect();
        // One whose reference another id has is not found by its own id.
        let mut before: HashMap<String, Withdrawal> = self
            .withdrawals_by_reference(&known)
            .await?
            .into_values()
            .map(|w| (w.id.to_string(), w))
            .collect();

        let mut answers = Vec::with_capacity(new.len());
        let mut stored: Vec<Withdrawal> = Vec::with_capacity(inserted.len());
        for (id, w) in new {
            // The first of a key is the one that was stored; a second one finds it in `before`.
            if let Some(row) = inserted.remove(id.as_str()) {
                let withdrawal = self.received(w, id, row);
                before.insert(withdrawal.id.to_string(), withdrawal.clone());
                stored.push(withdrawal.clone());
                answers.push(Accepted::New(withdrawal));
            } else {
                answers.push(match before.get(id.as_str()) {
                    Some(old) if same_content(old, &w.order) => Accepted::Repeated(old.clone()),
                    Some(old) => Accepted::Conflict(old.clone()),
                    None => Accepted::ReferenceTaken,
                });
            }
        }

        stored.sort_by_key(|w| w.row);
        self.cover(&stored);
        self.post_for(&stored, Sides::received, WithdrawalState::Received).await?;
        let rows: Vec<i64> = stored.iter().map(|w| w.row).collect();
        self.record(Subject::Withdrawal, &rows, None, WithdrawalState::Received.as_str(), None).await?;
        Ok(answers)
    }

    /// The withdrawals that these references name.
    pub async fn withdrawals_by_reference(
        &mut self,
        references: &[Reference],
    ) -> Result<HashMap<Reference, Withdrawal>, StoreError> {
        let mut found = HashMap::new();
        for piece in pieces(references) {
            let statement = format!(
                "SELECT {COLUMNS} FROM withdrawals WHERE reference IN ({})",
                placeholders(self.engine, piece.len())
            );
            let mut query = sqlx::query(AssertSqlSafe(statement));
            for reference in piece {
                query = query.bind(sql::hex(*reference));
            }
            for row in query.fetch_all(self.connection()).await? {
                let withdrawal = read(&row)?;
                found.insert(withdrawal.id.reference(), withdrawal);
            }
        }
        Ok(found)
    }

    /// The withdrawals that came from these requests on chain.
    pub async fn withdrawals_by_request(
        &mut self,
        ids: &[u64],
    ) -> Result<HashMap<u64, Withdrawal>, StoreError> {
        let mut found = HashMap::new();
        for piece in pieces(ids) {
            let statement = format!(
                "SELECT {COLUMNS} FROM withdrawals WHERE request_id IN ({})",
                placeholders(self.engine, piece.len())
            );
            let mut query = sqlx::query(AssertSqlSafe(statement));
            for id in piece {
                query = query.bind(sql::int(*id));
            }
            for row in query.fetch_all(self.connection()).await? {
                let withdrawal = read(&row)?;
                if let Some(terms) = withdrawal.request {
                    found.insert(terms.id, withdrawal);
                }
            }
        }
        Ok(found)
    }

    fn received(&self, new: &NewWithdrawal, id: WithdrawalId, row: i64) -> Withdrawal {
        Withdrawal {
            row,
            id,
            door: new.door(),
            idempotency_key: new.order.idempotency_key.clone(),
            asset: new.order.asset,
            recipient: new.order.recipient,
            amount: new.order.amount,
            state: WithdrawalState::Received,
            reason: None,
            batch: None,
            request: new.request,
            deadline: new.order.deadline,
            trace_id: new.trace_id.clone(),
            received_at: self.at(),
        }
    }
}

/// Whether a repeat asks for the same payment.
fn same_content(stored: &Withdrawal, order: &Order) -> bool {
    stored.idempotency_key == order.idempotency_key
        && stored.asset == order.asset
        && stored.recipient == order.recipient
        && stored.amount == order.amount
        && stored.deadline == order.deadline
}

impl Store {
    pub async fn withdrawal(&self, id: &WithdrawalId) -> Result<Option<Withdrawal>, StoreError> {
        by_id(&self.reader, id).await
    }

    /// The rows of those of these withdrawals that are in the store.
    pub async fn rows_of(&self, ids: &[WithdrawalId]) -> Result<HashMap<WithdrawalId, i64>, StoreError> {
        let mut found = HashMap::new();
        for piece in pieces(ids) {
            let list = placeholders(self.engine, piece.len());
            let statement = format!("SELECT row_id, id FROM withdrawals WHERE reference IN ({list})");
            let mut query = sqlx::query(AssertSqlSafe(statement));
            for id in piece {
                query = query.bind(sql::hex(id.reference()));
            }
            for row in query.fetch_all(&self.reader).await? {
                found.insert(row.parsed("id", WithdrawalId::parse)?, row.int("row_id")?);
            }
        }
        Ok(found)
    }

    /// The oldest withdrawals in a waiting state, at most `limit`. The state is in the statement's text, because only
    /// so does SQLite see that its index holds them all.
    pub async fn waiting(&self, state: WithdrawalState, limit: usize) -> Result<Vec<Withdrawal>, StoreError> {
        let statement =
            format!("SELECT {COLUMNS} FROM withdrawals WHERE state = '{state}' ORDER BY row_id LIMIT $1");
        let rows = sqlx::query(AssertSqlSafe(statement))
            .bind(sql::int(limit as u64))
            .fetch_all(&self.reader)
            .await?;
        rows.iter().map(read).collect()
    }

    /// How many withdrawals of one asset, door and range of amounts are ready, counted to `limit`, and when the oldest of
    /// them was received, in unix milliseconds. None when none are.
    pub async fn ready_since(
        &self,
        asset: Address,
        door: Door,
        amounts: &RangeInclusive<Amount>,
        limit: usize,
    ) -> Result<Option<(usize, i64)>, StoreError> {
        let row = sqlx::query(
            "SELECT count(*) AS n, min(received_at) AS at FROM (SELECT received_at FROM withdrawals \
             WHERE state = 'ready' AND asset = $1 AND door = $2 AND amount >= $3 AND amount <= $4 \
             ORDER BY row_id LIMIT $5) oldest",
        )
        .bind(sql::address(asset))
        .bind(door.as_str())
        .bind(amounts.start().to_hex())
        .bind(amounts.end().to_hex())
        .bind(sql::int(limit as u64))
        .fetch_one(&self.reader)
        .await?;
        let Some(since) = row.int_opt("at")? else { return Ok(None) };
        Ok(Some((usize::try_from(row.uint("n")?).unwrap_or(limit), since)))
    }

    /// The oldest ready withdrawals of one asset, door and range of amounts, at most `limit`.
    pub async fn ready(
        &self,
        asset: Address,
        door: Door,
        amounts: &RangeInclusive<Amount>,
        limit: usize,
    ) -> Result<Vec<Withdrawal>, StoreError> {
        let statement = format!(
            "SELECT {COLUMNS} FROM withdrawals WHERE state = 'ready' AND asset = $1 AND door = $2 \
             AND amount >= $3 AND amount <= $4 ORDER BY row_id LIMIT $5"
        );
        let rows = sqlx::query(AssertSqlSafe(statement))
            .bind(sql::address(asset))
            .bind(door.as_str())
            .bind(amounts.start().to_hex())
            .bind(amounts.end().to_hex())
            .bind(sql::int(limit as u64))
            .fetch_all(&self.reader)
            .await?;
        rows.iter().map(read).collect()
    }

    /// The earliest deadline of an open withdrawal, in unix milliseconds.
    pub async fn earliest_deadline(&self) -> Result<Option<i64>, StoreError> {
        sqlx::query(
            "SELECT min(deadline) AS at FROM withdrawals WHERE deadline IS NOT NULL \
             AND state IN ('received', 'held', 'ready', 'batched')",
        )
        .fetch_one(&self.reader)
        .await?
        .int_opt("at")
    }

    /// Open withdrawals of one state whose own deadline is not after `now`, at most `limit`.
    pub async fn past_deadline(
        &self,
        state: WithdrawalState,
        now: i64,
        limit: usize,
    ) -> Result<Vec<Withdrawal>, StoreError> {
        let statement = format!(
            "SELECT {COLUMNS} FROM withdrawals WHERE deadline IS NOT NULL AND deadline <= $1 \
             AND state IN ('received', 'held', 'ready', 'batched') AND state = $2 ORDER BY deadline LIMIT $3"
        );
        let rows = sqlx::query(AssertSqlSafe(statement))
            .bind(now)
            .bind(state.as_str())
            .bind(sql::int(limit as u64))
            .fetch_all(&self.reader)
            .await?;
        rows.iter().map(read).collect()
    }

    /// A batch's withdrawals in the order of its payouts: that of their rows.
    pub async fn withdrawals_of(&self, batch: i64) -> Result<Vec<Withdrawal>, StoreError> {
        of_batch(&self.reader, batch).await
    }

    /// How many withdrawals stand at each state: one pass over all rows, without sorting them.
    pub async fn counts(&self) -> Result<Vec<(WithdrawalState, u64)>, StoreError> {
        let each = WithdrawalState::ALL.map(|s| format!("count(*) FILTER (WHERE state = '{s}') AS {s}"));
        let statement = format!("SELECT {} FROM withdrawals", each.join(", "));
        let row = sqlx::query(AssertSqlSafe(statement)).fetch_one(&self.reader).await?;
        WithdrawalState::ALL.into_iter().map(|s| Ok((s, row.uint(s.as_str())?))).collect()
    }

    /// Every move of a withdrawal, and of its batches while it was in them, oldest first.
    pub async fn history(&self, withdrawal: &Withdrawal) -> Result<Vec<Move>, StoreError> {
        // The change that put it into a batch also planned that batch.
        let rows = sqlx::query(
            "SELECT row_id, batch, from_state, to_state, reason, at FROM transitions \
             WHERE withdrawal = $1 OR batch IN (SELECT planned.batch FROM transitions mine \
                JOIN transitions planned ON planned.audit = mine.audit AND planned.batch IS NOT NULL \
                WHERE mine.withdrawal = $1 AND mine.to_state = 'batched' AND planned.to_state = 'planned') \
             ORDER BY row_id",
        )
        .bind(withdrawal.row)
        .fetch_all(&self.reader)
        .await?;
        let mut moves = Vec::with_capacity(rows.len());
        let (mut is_in, mut current) = (false, None);
        for row in rows {
            let step = Move {
                batch: row.int_opt("batch")?,
                from: row.text_opt("from_state")?,
                to: row.text("to_state")?,
                reason: row.text_opt("reason")?,
                at: row.int("at")?,
            };
            match step.batch {
                None => is_in = step.to == WithdrawalState::Batched.as_str(),
                Some(batch) if is_in && step.to == "planned" => current = Some(batch),
                Some(_) => {}
            }
            // Its batch ends with it: that last move comes after its own.
            if step.batch.is_none() || step.batch == current && (is_in || withdrawal.batch == current) {
                moves.push(step);
            }
        }
        Ok(moves)
    }
}

/// One recorded transition.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Move {
    /// The batch that moved; none when the withdrawal itself did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch: Option<i64>,
    pub from: Option<String>,
    pub to: String,
    pub reason: Option<String>,
    /// Unix milliseconds.
    pub at: i64,
}

/// See [`Store::withdrawals_of`].
pub(super) async fn of_batch(
    executor: impl sqlx::Executor<'_, Database = sqlx::Any>,
    batch: i64,
) -> Result<Vec<Withdrawal>, StoreError> {
    let statement = format!("SELECT {COLUMNS} FROM withdrawals WHERE batch = $1 ORDER BY row_id");
    let rows = sqlx::query(AssertSqlSafe(statement)).bind(batch).fetch_all(executor).await?;
    rows.iter().map(read).collect()
}

/// By the unique index of its reference.
pub(super) async fn by_id(
    executor: impl sqlx::Executor<'_, Database = sqlx::Any>,
    id: &WithdrawalId,
) -> Result<Option<Withdrawal>, StoreError> {
    let statement = format!("SELECT {COLUMNS} FROM withdrawals WHERE reference = $1 AND id = $2");
    let row = sqlx::query(AssertSqlSafe(statement))
        .bind(sql::hex(id.reference()))
        .bind(id.as_str())
        .fetch_optional(executor)
        .await?;
    row.as_ref().map(read).transpose()
}

pub(super) fn read(row: &AnyRow) -> Result<Withdrawal, StoreError> {
    let request = match row.int_opt("request_id")? {
        None => None,
        Some(_) => Some(RequestTerms {
            id: row.uint("request_id")?,
            owner: row.address("request_owner")?,
            created_at: row.uint("request_created_at")?,
        }),
    };
    let reason = row.text_opt("reason")?;
    Ok(Withdrawal {
        row: row.int("row_id")?,
        id: row.parsed("id", WithdrawalId::parse)?,
        door: row.parsed("door", Door::parse)?,
        idempotency_key: row.text("idempotency_key")?,
        asset: row.address("asset")?,
        recipient: row.address("recipient")?,
        amount: row.amount("amount")?,
        state: row.parsed("state", WithdrawalState::parse)?,
        reason: reason.as_deref().and_then(Code::parse),
        batch: row.int_opt("batch")?,
        request,
        deadline: row.int_opt("deadline")?,
        trace_id: row.text("trace_id")?,
        received_at: row.int("received_at")?,
    })
}
