//! What an operator sees at a glance: what stands at which stage, and what was settled hour by hour.

use super::{
    Store, StoreError,
    sql::{self, Columns},
};
use crate::{
    clock::now_ms,
    domain::{amount::Amount, batch::BatchState, status_token::StatusSecret},
};
use alloy::primitives::{Address, B256, Bytes};
use std::collections::BTreeMap;

const STATUS_SECRET: &str = "status_secret";
const HOUR: i64 = 3_600_000;
/// How many of the newest batches are looked at.
const RECENT_BATCHES: i64 = 20_000;
/// A batch is funded with the newest hash of the audit chain: so many changes may come between reading it and the batch's own.
const MEANWHILE: i64 = 100_000;

/// What waits in batches of one state: how many withdrawals, and when the oldest was received, in unix milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    pub state: BatchState,
    pub withdrawals: u64,
    pub since: Option<i64>,
}

/// What batches of one asset settled, by the hour in which they were gathered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settled {
    /// Its begin, in unix milliseconds.
    pub hour: i64,
    pub asset: Address,
    pub payouts: u64,
    pub amount: Amount,
}

/// A batch that a final block settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastSettlement {
    pub calldata: Bytes,
    pub block: u64,
    /// The change that fixed its content.
    pub funded: i64,
}

impl Store {
    /// The secret behind the tokens of status pages: made by whoever asks first, the same for all keepers of the store.
    pub async fn status_secret(&self) -> Result<StatusSecret, StoreError> {
        let kept = self.meta_or_insert(STATUS_SECRET, &StatusSecret::new().reveal()).await?;
        StatusSecret::parse(&kept).ok_or_else(|| StoreError::corrupt(STATUS_SECRET, "(hidden)"))
    }

    /// How the withdrawals in open batches stand, by the state of their batch.
    pub async fn standing_in_batches(&self) -> Result<Vec<Standing>, StoreError> {
        let rows = sqlx::query(
            "SELECT b.state, count(*) AS n, min(w.received_at) AS since FROM withdrawals w \
             JOIN batches b ON b.row_id = w.batch \
             WHERE b.state NOT IN ('final', 'dissolved') AND w.state = 'batched' GROUP BY b.state",
        )
        .fetch_all(&self.reader)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(Standing {
                    state: row.parsed("state", BatchState::parse)?,
                    withdrawals: row.uint("n")?,
                    since: row.int_opt("since")?,
                })
            })
            .collect()
    }

    /// What the newest batches settled in the last `hours`, oldest first. Bounded, however many batches there are.
    pub async fn settled_by_hour(&self, hours: i64) -> Result<Vec<Settled>, StoreError> {
        let from = (now_ms() / HOUR + 1 - hours) * HOUR;
        let rows = sqlx::query(
            "SELECT asset, count, total, created_at FROM batches \
             WHERE row_id > (SELECT coalesce(max(row_id), 0) FROM batches) - $1 \
             AND state = 'final' AND kind IN ('orders', 'requests') AND created_at >= $2",
        )
        .bind(RECENT_BATCHES)
        .bind(from)
        .fetch_all(&self.reader)
        .await?;
        let mut sums: BTreeMap<(i64, Address), (u64, Amount)> = BTreeMap::new();
        for row in &rows {
            let key = (row.int("created_at")? / HOUR * HOUR, row.address("asset")?);
            let (payouts, amount) = sums.entry(key).or_default();
            *payouts += row.uint("count")?;
            amount.0 = amount.0.saturating_add(row.amount("total")?.0);
        }
        let settled = sums.into_iter();
        Ok(settled
            .map(|((hour, asset), (payouts, amount))| Settled { hour, asset, payouts, amount })
            .collect())
    }
    /// The newest batches of withdrawals that final blocks settled, the newest first.
    pub async fn last_settlements(&self, most: i64) -> Result<Vec<LastSettlement>, StoreError> {
        let rows = sqlx::query(
            "SELECT b.calldata, a.block, \
             (SELECT min(t.audit) FROM transitions t WHERE t.batch = b.row_id AND t.to_state = 'funded') AS funded \
             FROM batches b JOIN attempts a ON a.batch = b.row_id AND a.state = 'mined' \
             WHERE b.row_id > (SELECT coalesce(max(row_id), 0) FROM batches) - $1 \
             AND b.state = 'final' AND b.kind IN ('orders', 'requests') ORDER BY b.row_id DESC LIMIT $2",
        )
        .bind(RECENT_BATCHES)
        .bind(most)
        .fetch_all(&self.reader)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(LastSettlement {
                    calldata: row.bytes_opt("calldata")?.unwrap_or_default().into(),
                    block: row.uint("block")?,
                    funded: row.int("funded")?,
                })
            })
            .collect()
    }

    /// The last change before `change` with this hash; 0 for the hash that the chain begins with.
    pub async fn change_before(&self, change: i64, hash: B256) -> Result<Option<i64>, StoreError> {
        if hash == B256::ZERO {
            return Ok(Some(0));
        }
        let found = sqlx::query(
            "SELECT seq FROM audit WHERE seq < $1 AND seq >= $2 AND hash = $3 ORDER BY seq DESC LIMIT 1",
        )
        .bind(change)
        .bind(change - MEANWHILE)
        .bind(sql::hex(hash))
        .fetch_optional(&self.reader)
        .await?;
        found.map(|row| row.int("seq")).transpose()
    }
}
