//! What the keeper knows of margin pools, and what it signed for them.
//!
//! Apart from batches and lanes: another account signs, and nothing here moves a withdrawal.

use super::{
    Store, StoreError, Unit,
    sql::{self, Columns},
};
use crate::domain::fees::Fees;
use ::margin::watch::BookId;
use alloy::primitives::{Address, B256, Bytes};
use sqlx::any::AnyRow;
use std::collections::BTreeSet;

/// What became of a signed transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SentState {
    Signed,
    Sent,
    /// In a final block.
    Done,
    /// In a final block, and reverted.
    Failed,
    /// Another transaction has its nonce.
    Dead,
}

impl SentState {
    const ALL: [Self; 5] = [Self::Signed, Self::Sent, Self::Done, Self::Failed, Self::Dead];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Signed => "signed",
            Self::Sent => "sent",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Dead => "dead",
        }
    }
}

/// A transaction of the margin account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarginTransaction {
    pub sender: Address,
    pub nonce: u64,
    pub pool: Address,
    /// What it is for: see [`Duty::key`](crate::margin::duties::Duty::key).
    pub duty: String,
    pub calldata: Bytes,
    pub gas_limit: u64,
    pub fees: Fees,
    pub hash: B256,
    /// The bytes that are sent.
    pub raw: Bytes,
    pub state: SentState,
    /// Unix milliseconds.
    pub signed_at: i64,
    /// Unix milliseconds; 0 before it was sent.
    pub sent_at: i64,
}

/// How far a pool was followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Followed {
    /// All events up to this final block are known.
    pub cursor: u64,
    /// The books that held an option when they were last read.
    pub open: BTreeSet<BookId>,
}

impl Unit {
    /// Stores a signed transaction. The leader's.
    pub async fn add_margin_transaction(&mut self, tx: &MarginTransaction) -> Result<(), StoreError> {
        self.require_line().await?;
        let fee = |wei: u128| i64::try_from(wei).unwrap_or(i64::MAX);
        sqlx::query(
            "INSERT INTO margin_transactions (sender, nonce, pool, duty, calldata, gas_limit, max_fee, \
             priority_fee, hash, raw, state, signed_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'signed', $11)",
        )
        .bind(sql::address(tx.sender))
        .bind(sql::int(tx.nonce))
        .bind(sql::address(tx.pool))
        .bind(&tx.duty)
        .bind(tx.calldata.to_vec())
        .bind(sql::int(tx.gas_limit))
        .bind(fee(tx.fees.max_fee))
        .bind(fee(tx.fees.priority_fee))
        .bind(sql::hex(tx.hash))
        .bind(tx.raw.to_vec())
        .bind(tx.signed_at)
        .execute(self.connection())
        .await?;
        self.note();
        Ok(())
    }

    /// What became of a transaction, for good.
    pub async fn end_margin_transaction(&mut self, hash: B256, state: SentState) -> Result<(), StoreError> {
        self.require_line().await?;
        sqlx::query(
            "UPDATE margin_transactions SET state = $1 WHERE hash = $2 AND state IN ('signed', 'sent')",
        )
        .bind(state.as_str())
        .bind(sql::hex(hash))
        .execute(self.connection())
        .await?;
        self.note();
        Ok(())
    }
}

impl Store {
    /// A node has the transaction.
    pub async fn margin_sent(&self, hash: B256, at: i64) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE margin_transactions SET state = 'sent', sent_at = $1 \
             WHERE hash = $2 AND state IN ('signed', 'sent')",
        )
        .bind(at)
        .bind(sql::hex(hash))
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    /// What an account signed and what has not ended, in the order of nonces and attempts.
    pub async fn margin_open(&self, sender: Address) -> Result<Vec<MarginTransaction>, StoreError> {
        let rows = sqlx::query(
            "SELECT sender, nonce, pool, duty, calldata, gas_limit, max_fee, priority_fee, hash, raw, state, \
             signed_at, sent_at FROM margin_transactions \
             WHERE sender = $1 AND state IN ('signed', 'sent') ORDER BY nonce, row_id",
        )
        .bind(sql::address(sender))
        .fetch_all(&self.writer)
        .await?;
        rows.iter().map(read).collect()
    }

    /// What is known of a pool; none when it was never followed.
    pub async fn margin_followed(&self, pool: Address) -> Result<Option<Followed>, StoreError> {
        let name = sql::address(pool);
        let cursor = sqlx::query("SELECT cursor FROM margin_pools WHERE pool = $1")
            .bind(&name)
            .fetch_optional(&self.reader)
            .await?;
        let Some(cursor) = cursor else { return Ok(None) };
        let rows = sqlx::query("SELECT account, expiry FROM margin_books WHERE pool = $1 AND open = 1")
            .bind(&name)
            .fetch_all(&self.reader)
            .await?;
        let open = rows.iter().map(|r| Ok((r.address("account")?, r.uint("expiry")?)));
        Ok(Some(Followed { cursor: cursor.uint("cursor")?, open: open.collect::<Result<_, StoreError>>()? }))
    }

    /// A pool was followed to `cursor`; each book that changed, with whether it holds an option.
    pub async fn follow_margin(
        &self,
        pool: Address,
        cursor: u64,
        changed: &[(BookId, bool)],
    ) -> Result<(), StoreError> {
        let name = sql::address(pool);
        let mut tx = self.writer.begin().await?;
        sqlx::query(
            "INSERT INTO margin_pools (pool, cursor) VALUES ($1, $2) \
             ON CONFLICT (pool) DO UPDATE SET cursor = excluded.cursor",
        )
        .bind(&name)
        .bind(sql::int(cursor))
        .execute(&mut *tx)
        .await?;
        for ((account, expiry), open) in changed {
            sqlx::query(
                "INSERT INTO margin_books (pool, account, expiry, open) VALUES ($1, $2, $3, $4) \
                 ON CONFLICT (pool, account, expiry) DO UPDATE SET open = excluded.open",
            )
            .bind(&name)
            .bind(sql::address(*account))
            .bind(sql::int(*expiry))
            .bind(i64::from(*open))
            .execute(&mut *tx)
            .await?;
        }
        Ok(tx.commit().await?)
    }

    /// Keeps what the last check of a pool said over what was said before.
    pub async fn put_margin_figures(&self, pool: Address, figures: &str, at: i64) -> Result<(), StoreError> {
        sqlx::query("UPDATE margin_pools SET figures = $1, at = $2 WHERE pool = $3")
            .bind(figures)
            .bind(at)
            .bind(sql::address(pool))
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    /// What the last check of each pool said, and when, in unix milliseconds.
    pub async fn margin_figures(&self) -> Result<Vec<(Address, String, i64)>, StoreError> {
        let rows =
            sqlx::query("SELECT pool, figures, at FROM margin_pools WHERE figures IS NOT NULL ORDER BY pool")
                .fetch_all(&self.reader)
                .await?;
        rows.iter().map(|r| Ok((r.address("pool")?, r.text("figures")?, r.int("at")?))).collect()
    }
}

fn read(row: &AnyRow) -> Result<MarginTransaction, StoreError> {
    let bytes = |column| -> Result<Bytes, StoreError> {
        Ok(row.bytes_opt(column)?.ok_or_else(|| StoreError::corrupt(column, ""))?.into())
    };
    let parse = |text: &str| SentState::ALL.into_iter().find(|state| state.as_str() == text);
    Ok(MarginTransaction {
        sender: row.address("sender")?,
        nonce: row.uint("nonce")?,
        pool: row.address("pool")?,
        duty: row.text("duty")?,
        calldata: bytes("calldata")?,
        gas_limit: row.uint("gas_limit")?,
        fees: Fees { max_fee: row.uint("max_fee")?.into(), priority_fee: row.uint("priority_fee")?.into() },
        hash: row.fixed("hash")?,
        raw: bytes("raw")?,
        state: row.parsed("state", parse)?,
        signed_at: row.int("signed_at")?,
        sent_at: row.int("sent_at")?,
    })
}
