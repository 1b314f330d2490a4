//! What accounts beside the lanes signed: the margin account, and the one that swaps.
//!
//! Apart from batches: nothing here moves a withdrawal.

use super::{
    Store, StoreError, Unit,
    sql::{self, Columns},
};
use crate::domain::fees::Fees;
use alloy::primitives::{Address, B256, Bytes};
use sqlx::any::AnyRow;

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

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

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

/// A signed transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedDuty {
    pub sender: Address,
    pub nonce: u64,
    pub target: Address,
    /// What it is for. No two that are open have the same.
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

impl Unit {
    /// Stores a signed transaction. The leader's.
    pub async fn add_duty(&mut self, tx: &SignedDuty) -> Result<(), StoreError> {
        self.require_line().await?;
        let fee = |wei: u128| i64::try_from(wei).unwrap_or(i64::MAX);
        sqlx::query(
            "INSERT INTO duties (sender, nonce, target, duty, calldata, gas_limit, max_fee, \
             priority_fee, hash, raw, state, signed_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'signed', $11)",
        )
        .bind(sql::address(tx.sender))
        .bind(sql::int(tx.nonce))
        .bind(sql::address(tx.target))
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
        self.signed(tx.sender, tx.nonce, tx.hash);
        Ok(())
    }

    /// What became of a transaction, for good.
    pub async fn end_duty(&mut self, hash: B256, state: SentState) -> Result<(), StoreError> {
        self.require_line().await?;
        sqlx::query("UPDATE duties SET state = $1 WHERE hash = $2 AND state IN ('signed', 'sent')")
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
    pub async fn duty_sent(&self, hash: B256, at: i64) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE duties SET state = 'sent', sent_at = $1 \
             WHERE hash = $2 AND state IN ('signed', 'sent')",
        )
        .bind(at)
        .bind(sql::hex(hash))
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    /// How all that was signed for a duty stands, in its order.
    pub async fn states_of_duty(&self, sender: Address, duty: &str) -> Result<Vec<SentState>, StoreError> {
        let rows = sqlx::query("SELECT state FROM duties WHERE sender = $1 AND duty = $2 ORDER BY row_id")
            .bind(sql::address(sender))
            .bind(duty)
            .fetch_all(&self.writer)
            .await?;
        rows.iter().map(|row| row.parsed("state", SentState::parse)).collect()
    }

    /// What an account signed and what has not ended, in the order of nonces and attempts.
    pub async fn open_duties(&self, sender: Address) -> Result<Vec<SignedDuty>, StoreError> {
        let rows = sqlx::query(
            "SELECT sender, nonce, target, duty, calldata, gas_limit, max_fee, priority_fee, hash, raw, state, \
             signed_at, sent_at FROM duties \
             WHERE sender = $1 AND state IN ('signed', 'sent') ORDER BY nonce, row_id",
        )
        .bind(sql::address(sender))
        .fetch_all(&self.writer)
        .await?;
        rows.iter().map(read).collect()
    }
}

fn read(row: &AnyRow) -> Result<SignedDuty, StoreError> {
    let bytes = |column| -> Result<Bytes, StoreError> {
        Ok(row.bytes_opt(column)?.ok_or_else(|| StoreError::corrupt(column, ""))?.into())
    };
    Ok(SignedDuty {
        sender: row.address("sender")?,
        nonce: row.uint("nonce")?,
        target: row.address("target")?,
        duty: row.text("duty")?,
        calldata: bytes("calldata")?,
        gas_limit: row.uint("gas_limit")?,
        fees: Fees { max_fee: row.uint("max_fee")?.into(), priority_fee: row.uint("priority_fee")?.into() },
        hash: row.fixed("hash")?,
        raw: bytes("raw")?,
        state: row.parsed("state", SentState::parse)?,
        signed_at: row.int("signed_at")?,
        sent_at: row.int("sent_at")?,
    })
}
