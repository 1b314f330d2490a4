//! Withdrawals page by page, what waits, and how long the last ones took. None costs more the more of them there are.

use super::{
    Store, StoreError,
    sql::{self, Columns},
    withdrawals::{COLUMNS, read},
};
use crate::domain::{
    tier::Tier,
    withdrawal::{Door, Withdrawal, WithdrawalState},
};
use alloy::primitives::Address;
use sqlx::{AssertSqlSafe, any::AnyRow};

/// Rows that one page looks at, at most.
const SCAN: i64 = 100_000;
/// How many of the newest rows are looked at for those that were paid, and how many of those are enough.
const RECENT_ROWS: i64 = 20_000;
const RECENT_PAID: i64 = 500;
/// The same of batches.
const RECENT_BATCHES: i64 = 100;

/// Which withdrawals are wanted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Filter {
    pub state: Option<WithdrawalState>,
    pub door: Option<Door>,
    pub asset: Option<Address>,
    pub recipient: Option<Address>,
    /// Unix milliseconds: not received earlier.
    pub received_from: Option<i64>,
    /// Unix milliseconds: received earlier.
    pub received_before: Option<i64>,
}

/// Some withdrawals, newest first, and the row before which to go on; none at the end.
#[derive(Clone, Debug)]
pub struct Page {
    pub withdrawals: Vec<Withdrawal>,
    pub next: Option<i64>,
}

/// The withdrawals of a state that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    pub state: WithdrawalState,
    pub withdrawals: u64,
    /// When the oldest was received, in unix milliseconds.
    pub since: Option<i64>,
    /// The same without those that wait for people: for approvers, or for the end of an announcement's delay.
    pub unasked_since: Option<i64>,
}

fn waiting(state: WithdrawalState, row: &AnyRow) -> Result<Waiting, StoreError> {
    let (since, unasked_since) = (row.int_opt("since")?, row.int_opt("unasked")?);
    Ok(Waiting { state, withdrawals: row.uint("n")?, since, unasked_since })
}

impl Store {
    /// At most `limit` withdrawals whose rows are before `before`. A page may hold fewer, or none, and go on all the same:
    /// it looks at a bounded number of rows.
    pub async fn list(&self, filter: &Filter, before: Option<i64>, limit: usize) -> Result<Page, StoreError> {
        let newest = sqlx::query("SELECT coalesce(max(row_id), 0) AS newest FROM withdrawals")
            .fetch_one(&self.reader)
            .await?
            .int("newest")?;
        let before = before.unwrap_or(i64::MAX).min(newest + 1);
        let from = (before - SCAN).max(1);
        // Text of our own only: states, doors and addresses as they are written everywhere in the store.
        let mut conditions = String::new();
        let mut add = |condition: String| conditions += &format!(" AND {condition}");
        filter.state.into_iter().for_each(|state| add(format!("state = '{state}'")));
        filter.door.into_iter().for_each(|door| add(format!("door = '{}'", door.as_str())));
        filter.asset.into_iter().for_each(|asset| add(format!("asset = '{}'", sql::address(asset))));
        filter.recipient.into_iter().for_each(|to| add(format!("recipient = '{}'", sql::address(to))));
        filter.received_from.into_iter().for_each(|at| add(format!("received_at >= {at}")));
        filter.received_before.into_iter().for_each(|at| add(format!("received_at < {at}")));
        let statement = format!(
            "SELECT {COLUMNS} FROM withdrawals WHERE row_id < $1 AND row_id >= $2{conditions} \
             ORDER BY row_id DESC LIMIT $3"
        );
        let rows = sqlx::query(AssertSqlSafe(statement))
            .bind(before)
            .bind(from)
            .bind(sql::int(limit as u64))
            .fetch_all(&self.reader)
            .await?;
        let withdrawals: Vec<Withdrawal> = rows.iter().map(read).collect::<Result<_, _>>()?;
        let reached = match withdrawals.last() {
            Some(last) if withdrawals.len() == limit => last.row,
            _ => from,
        };
        Ok(Page { withdrawals, next: (reached > 1).then_some(reached) })
    }

    /// How many milliseconds the last withdrawals of an asset in a tier took from receipt until they were final, newest
    /// first. What was only found to be paid is no measure.
    pub async fn durations(&self, asset: Address, tier: Tier) -> Result<Vec<i64>, StoreError> {
        let rows = sqlx::query(
            "SELECT w.updated_at - w.received_at AS ms FROM withdrawals w JOIN batches b ON b.row_id = w.batch \
             WHERE w.row_id > (SELECT coalesce(max(row_id), 0) FROM withdrawals) - $1 \
             AND w.state = 'paid' AND w.reason IS NULL AND w.asset = $2 AND b.tier = $3 \
             ORDER BY w.row_id DESC LIMIT $4",
        )
        .bind(RECENT_ROWS)
        .bind(sql::address(asset))
        .bind(tier.as_str())
        .bind(RECENT_PAID)
        .fetch_all(&self.reader)
        .await?;
        rows.iter().map(|row| row.int("ms")).collect()
    }

    /// How many milliseconds the last batches took from their block until it was final, newest first.
    pub async fn times_to_final(&self) -> Result<Vec<i64>, StoreError> {
        let rows = sqlx::query(
            "SELECT max(f.at) - max(m.at) AS ms FROM transitions f JOIN transitions m ON m.batch = f.batch \
             WHERE f.batch > (SELECT coalesce(max(row_id), 0) FROM batches) - $1 \
             AND f.to_state = 'final' AND m.to_state = 'mined' GROUP BY f.batch ORDER BY f.batch DESC",
        )
        .bind(RECENT_BATCHES)
        .fetch_all(&self.reader)
        .await?;
        rows.iter().map(|row| row.int("ms")).collect()
    }

    /// When a batch came into its block, in unix milliseconds.
    pub async fn mined_at(&self, batch: i64) -> Result<Option<i64>, StoreError> {
        sqlx::query("SELECT max(at) AS at FROM transitions WHERE batch = $1 AND to_state = 'mined'")
            .bind(batch)
            .fetch_one(&self.reader)
            .await?
            .int_opt("at")
    }

    /// How many withdrawals are at each state that waits.
    pub async fn waiting_counts(&self) -> Result<Vec<Waiting>, StoreError> {
        let mut counts = Vec::new();
        for state in [WithdrawalState::Received, WithdrawalState::Held, WithdrawalState::Ready] {
            // Only as text does the state let SQLite use its index.
            let statement = format!(
                "SELECT count(*) AS n, min(received_at) AS since, \
                 min(CASE WHEN reason = 'awaits_announcement' THEN NULL ELSE received_at END) AS unasked \
                 FROM withdrawals WHERE state = '{state}'"
            );
            let row = sqlx::query(AssertSqlSafe(statement)).fetch_one(&self.reader).await?;
            counts.push(waiting(state, &row)?);
        }
        let row = sqlx::query(
            "SELECT count(*) AS n, min(w.received_at) AS since, \
             min(CASE WHEN b.tier = 'approved' AND b.state IN ('planned', 'priced') THEN NULL ELSE w.received_at END) \
             AS unasked FROM withdrawals w JOIN batches b ON b.row_id = w.batch \
             WHERE b.state NOT IN ('final', 'dissolved') AND w.state = 'batched'",
        )
        .fetch_one(&self.reader)
        .await?;
        counts.push(waiting(WithdrawalState::Batched, &row)?);
        Ok(counts)
    }

    /// How many withdrawals wait for approvers, and when the oldest of them was received, in unix milliseconds.
    pub async fn waiting_for_approvers(&self) -> Result<(u64, Option<i64>), StoreError> {
        let row = sqlx::query(
            "SELECT count(*) AS n, min(w.received_at) AS since FROM withdrawals w JOIN batches b ON b.row_id = w.batch \
             WHERE b.state NOT IN ('final', 'dissolved') AND b.state IN ('planned', 'priced') \
             AND b.tier = 'approved' AND w.state = 'batched'",
        )
        .fetch_one(&self.reader)
        .await?;
        Ok((row.uint("n")?, row.int_opt("since")?))
    }
}
