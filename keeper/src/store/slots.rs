//! Slots: the nonces that open batches hold by their attempts.

use super::{
    Store, StoreError,
    sql::{self, Columns},
};
use crate::domain::{
    batch::{BatchKind, BatchState},
    fees::Fees,
};
use alloy::primitives::Address;

/// The newest attempt of an open batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    pub lane: Address,
    pub nonce: u64,
    pub batch: i64,
    pub kind: BatchKind,
    pub state: BatchState,
    /// The batch's first number; 0 where it has none.
    pub first: u64,
    pub gas_limit: u64,
    pub fees: Fees,
    /// Unix milliseconds.
    pub signed_at: i64,
    /// When a node took it last, in unix milliseconds; none before, and when the node forgot it.
    pub sent_at: Option<i64>,
}

impl Slot {
    /// Whether it may still change what becomes of its nonce: it is signed, and not seen in a block.
    pub fn is_waiting(&self) -> bool {
        self.state != BatchState::Mined
    }
}

impl Store {
    /// The slots of all lanes, by lane, nonce and age.
    pub async fn slots(&self) -> Result<Vec<Slot>, StoreError> {
        let rows = sqlx::query(
            "SELECT a.lane, a.nonce, a.batch, b.kind, b.state, b.first, b.gas_limit, a.max_fee, a.priority_fee, \
             a.signed_at, CASE WHEN a.state = 'signed' THEN NULL ELSE a.sent_at END AS sent_at FROM batches b JOIN attempts a ON a.batch = b.row_id \
             WHERE b.state IN ('signed', 'broadcast', 'mined') AND a.state <> 'dead' \
             AND a.row_id = (SELECT max(n.row_id) FROM attempts n WHERE n.batch = b.row_id AND n.state <> 'dead') \
             ORDER BY a.lane, a.nonce, a.row_id",
        )
        .fetch_all(&self.reader)
        .await?;
        rows.iter()
            .map(|r| {
                Ok(Slot {
                    lane: r.address("lane")?,
                    nonce: r.uint("nonce")?,
                    batch: r.int("batch")?,
                    kind: r.parsed("kind", BatchKind::parse)?,
                    state: r.parsed("state", BatchState::parse)?,
                    first: r.uint("first")?,
                    gas_limit: r.uint("gas_limit")?,
                    fees: Fees {
                        max_fee: r.uint("max_fee")?.into(),
                        priority_fee: r.uint("priority_fee")?.into(),
                    },
                    signed_at: r.int("signed_at")?,
                    sent_at: r.int_opt("sent_at")?,
                })
            })
            .collect()
    }

    /// A node does not hold what was sent of a lane from a nonce on: it counts as not sent. Says how many that are.
    pub async fn forgotten_from(&self, lane: Address, nonce: u64) -> Result<u64, StoreError> {
        let forgotten = sqlx::query(
            "UPDATE attempts SET state = 'signed' WHERE lane = $1 AND nonce >= $2 AND state = 'sent' AND batch IN \
             (SELECT row_id FROM batches WHERE state = 'broadcast')",
        )
        .bind(sql::address(lane))
        .bind(sql::int(nonce))
        .execute(&self.writer)
        .await?;
        Ok(forgotten.rows_affected())
    }

    /// The highest fees that any attempt of these books offered for a nonce, dead or alive; none when there is none.
    pub async fn fees_offered(&self, lane: Address, nonce: u64) -> Result<Option<Fees>, StoreError> {
        let row = sqlx::query(
            "SELECT max(max_fee) AS max_fee, max(priority_fee) AS priority_fee FROM attempts \
             WHERE lane = $1 AND nonce = $2",
        )
        .bind(sql::address(lane))
        .bind(sql::int(nonce))
        .fetch_one(&self.reader)
        .await?;
        let fee = |wei: Option<i64>| wei.and_then(|wei| u128::try_from(wei).ok());
        let (max_fee, priority_fee) = (fee(row.int_opt("max_fee")?), fee(row.int_opt("priority_fee")?));
        Ok(max_fee.zip(priority_fee).map(|(max_fee, priority_fee)| Fees { max_fee, priority_fee }))
    }
}
