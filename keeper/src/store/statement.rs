//! What a day's statement asks: the money, the withdrawals and the batches of the day, all at one moment.

use super::{Store, StoreError, progress, sql::Columns};
use crate::domain::{
    amount::Amount, batch::BatchKind, day::Day, ledger::Account, reason::Code, withdrawal::WithdrawalState,
};
use alloy::primitives::Address;
use futures::TryStreamExt;
use sqlx::{AnyConnection, any::AnyRow};

/// A posting, with when it was made.
#[derive(Clone, Copy, Debug)]
pub struct DatedPosting {
    /// Unix milliseconds.
    pub at: i64,
    pub asset: Address,
    pub debit: Account,
    pub credit: Account,
    pub amount: Amount,
}

/// A withdrawal that was received or ended on the day.
#[derive(Clone, Copy, Debug)]
pub struct DatedMove {
    /// `Received`, or how it ended.
    pub to: WithdrawalState,
    pub asset: Address,
    pub amount: Amount,
    pub reason: Option<Code>,
    /// From its receipt until this, in milliseconds.
    pub took_ms: i64,
}

/// A batch that became final on the day.
#[derive(Clone, Copy, Debug)]
pub struct DatedBatch {
    pub kind: BatchKind,
    pub asset: Address,
    pub payouts: u64,
    pub gas_used: u64,
    /// In wei; none where no receipt was read.
    pub fee: Option<Amount>,
}

/// Hears what a day holds.
pub trait Reader {
    /// Every posting up to the end of the day, those of the days before too.
    fn posting(&mut self, posting: DatedPosting);
    fn moved(&mut self, moved: DatedMove);
    fn batch(&mut self, batch: DatedBatch);
    /// A batch was held up or given up for a reason on the day.
    fn trouble(&mut self, reason: &str);
}

impl Store {
    /// Reads a day.
    pub async fn day(&self, day: Day, reader: &mut impl Reader) -> Result<(), StoreError> {
        let mut tx = self.snapshot().await?;
        let (from, to) = day.bounds();
        postings(&mut tx, to, reader).await?;
        moves(&mut tx, (from, to), reader).await?;
        batches(&mut tx, (from, to), reader).await
    }
}

async fn postings(tx: &mut AnyConnection, to: i64, reader: &mut impl Reader) -> Result<(), StoreError> {
    let mut rows =
        sqlx::query("SELECT at, asset, debit, credit, amount FROM postings WHERE at < $1 ORDER BY row_id")
            .bind(to)
            .fetch(tx);
    while let Some(row) = rows.try_next().await? {
        let progress::Posting { asset, debit, credit, amount } = progress::read_posting(&row)?;
        reader.posting(DatedPosting { at: row.int("at")?, asset, debit, credit, amount });
    }
    Ok(())
}

async fn moves(
    tx: &mut AnyConnection,
    (from, to): (i64, i64),
    reader: &mut impl Reader,
) -> Result<(), StoreError> {
    let mut rows = sqlx::query(
        "SELECT t.to_state, t.reason, t.at - w.received_at AS took, w.asset, w.amount FROM transitions t \
         JOIN withdrawals w ON w.row_id = t.withdrawal WHERE t.at >= $1 AND t.at < $2 \
         AND (t.from_state IS NULL OR t.to_state IN ('paid', 'claimable', 'rejected', 'cancelled')) ORDER BY t.row_id",
    )
    .bind(from)
    .bind(to)
    .fetch(tx);
    while let Some(row) = rows.try_next().await? {
        reader.moved(DatedMove {
            to: row.parsed("to_state", WithdrawalState::parse)?,
            asset: row.address("asset")?,
            amount: row.amount("amount")?,
            reason: row.text_opt("reason")?.as_deref().and_then(Code::of_reason),
            took_ms: row.int("took")?,
        });
    }
    Ok(())
}

async fn batches(
    tx: &mut AnyConnection,
    (from, to): (i64, i64),
    reader: &mut impl Reader,
) -> Result<(), StoreError> {
    let rows = sqlx::query(
        "SELECT b.kind, b.asset, b.count, a.gas_used, a.fee FROM transitions t JOIN batches b ON b.row_id = t.batch \
         LEFT JOIN attempts a ON a.batch = b.row_id AND a.state = 'mined' \
         WHERE t.at >= $1 AND t.at < $2 AND t.to_state = 'final' ORDER BY t.row_id",
    )
    .bind(from)
    .bind(to)
    .fetch_all(&mut *tx)
    .await?;
    for row in &rows {
        reader.batch(read_batch(row)?);
    }
    let rows = sqlx::query(
        "SELECT reason FROM transitions WHERE batch IS NOT NULL AND at >= $1 AND at < $2 \
         AND to_state IN ('dissolved', 'funded', 'broadcast') AND reason IS NOT NULL ORDER BY row_id",
    )
    .bind(from)
    .bind(to)
    .fetch_all(tx)
    .await?;
    for row in &rows {
        reader.trouble(&row.text("reason")?);
    }
    Ok(())
}

fn read_batch(row: &AnyRow) -> Result<DatedBatch, StoreError> {
    let fee = row.text_opt("fee")?;
    let fee = fee.map(|text| Amount::from_hex(&text).ok_or_else(|| StoreError::corrupt("fee", &text)));
    Ok(DatedBatch {
        kind: row.parsed("kind", BatchKind::parse)?,
        asset: row.address("asset")?,
        payouts: row.uint("count")?,
        gas_used: row.int_opt("gas_used")?.and_then(|gas| u64::try_from(gas).ok()).unwrap_or(0),
        fee: fee.transpose()?,
    })
}
