//! Batches and their attempts.

use super::{
    Store, StoreError, Unit,
    sql::{self, Columns},
    unit::{Link, Subject},
    withdrawals,
};
use crate::domain::{
    amount::Amount,
    asset::NATIVE,
    batch::{Attempt, AttemptState, Batch, BatchKind, BatchState, Content},
    lane::Head,
    ledger::Sides,
    reason::Code,
    tier::Tier,
    withdrawal::{Withdrawal, WithdrawalState},
};
use alloy::primitives::{Address, B256, Bytes};
use sqlx::{AssertSqlSafe, any::AnyRow};
use std::collections::BTreeMap;

/// Every column but the calldata.
const COLUMNS: &str = "row_id, kind, tier, state, asset, count, total, lane, first, head_after, gas_limit, reason, \
     retry_at, created_at";
const CALLDATA: &str = "SELECT calldata FROM batches WHERE row_id = $1";
const ATTEMPT_COLUMNS: &str =
    "row_id, batch, lane, nonce, hash, raw, max_fee, priority_fee, state, signed_at, sent_at";

/// What a block says of a mined attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inclusion {
    pub block: u64,
    pub gas_used: u64,
    /// What its lane paid for gas, in wei; none where no receipt was read.
    pub fee: Option<Amount>,
}

impl Unit {
    /// Puts ready withdrawals of one asset, door and tier into a new batch.
    pub async fn plan_batch(
        &mut self,
        kind: BatchKind,
        tier: Tier,
        withdrawals: &[Withdrawal],
    ) -> Result<Option<i64>, StoreError> {
        let Some(first) = withdrawals.first() else {
            return Ok(None);
        };
        let total = withdrawals.iter().map(|w| w.amount).sum();
        let batch = self.insert_batch(kind, tier, first.asset, withdrawals.len() as u64, total).await?;
        self.move_linked(withdrawals, WithdrawalState::Batched, None, Link::Into(batch)).await?;
        self.record(Subject::Batch, &[batch], None, BatchState::Planned.as_str(), None).await?;
        Ok(Some(batch))
    }

    /// Stores a void of the lane's next number, funded at once: it pays nothing.
    pub async fn plan_void(
        &mut self,
        content: &Content,
        calldata: &Bytes,
        reason: &str,
    ) -> Result<i64, StoreError> {
        let row = self.insert_batch(BatchKind::Void, Tier::Instant, Address::ZERO, 1, Amount::ZERO).await?;
        // One that is planned within a fence counts for it.
        sqlx::query(
            "UPDATE batches SET created_at = (SELECT fencing_since FROM lanes WHERE address = $2) \
             WHERE row_id = $1 AND created_at < (SELECT fencing_since FROM lanes WHERE address = $2)",
        )
        .bind(row)
        .bind(sql::address(content.lane))
        .execute(self.connection())
        .await?;
        self.record(Subject::Batch, &[row], None, BatchState::Planned.as_str(), Some(reason)).await?;
        let batch = self.batch(row).await?;
        self.move_batch(&batch, BatchState::Priced, Some(reason)).await?;
        let priced = Batch { state: BatchState::Priced, ..batch };
        self.fund_batch(&priced, content, calldata, Some(reason)).await?;
        Ok(row)
    }

    /// Stores a cancel of a nonce of `lane`, together with its first attempt, so that it takes no nonce of its own.
    pub async fn plan_cancel(&mut self, content: &Content, reason: Code) -> Result<Batch, StoreError> {
        let row = self.insert_batch(BatchKind::Cancel, Tier::Instant, Address::ZERO, 0, Amount::ZERO).await?;
        let why = reason.as_str();
        self.record(Subject::Batch, &[row], None, BatchState::Planned.as_str(), Some(why)).await?;
        let batch = self.batch(row).await?;
        self.move_batch(&batch, BatchState::Priced, Some(why)).await?;
        let priced = Batch { state: BatchState::Priced, ..batch };
        self.fund_batch(&priced, content, &Bytes::new(), Some(why)).await?;
        self.batch(row).await
    }

    async fn insert_batch(
        &mut self,
        kind: BatchKind,
        tier: Tier,
        asset: Address,
        count: u64,
        total: Amount,
    ) -> Result<i64, StoreError> {
        let at = self.at();
        let row = sqlx::query(
            "INSERT INTO batches (kind, tier, state, asset, count, total, created_at) \
             VALUES ($1, $2, 'planned', $3, $4, $5, $6) RETURNING row_id",
        )
        .bind(kind.as_str())
        .bind(tier.as_str())
        .bind(sql::address(asset))
        .bind(sql::int(count))
        .bind(total.to_hex())
        .bind(at)
        .fetch_one(self.connection())
        .await?;
        row.int("row_id")
    }

    /// Fixes a priced batch's content, for good. Stale when the batch is not what `batch` says: a withdrawal that was
    /// paid meanwhile has left it, and must not be in the content.
    pub async fn fund_batch(
        &mut self,
        batch: &Batch,
        content: &Content,
        calldata: &Bytes,
        reason: Option<&str>,
    ) -> Result<(), StoreError> {
        self.require_lane_or_line(content.lane).await?;
        let funded = sqlx::query(
            "UPDATE batches SET lane = $1, first = $2, head_after = $3, calldata = $4, gas_limit = $5 \
             WHERE row_id = $6 AND count = $7 AND total = $8 AND (kind IN ('void', 'cancel') OR count = \
             (SELECT count(*) FROM withdrawals w WHERE w.batch = batches.row_id AND w.state = 'batched'))",
        )
        .bind(sql::address(content.lane))
        .bind(sql::int(content.first))
        .bind(sql::hex(content.head_after))
        .bind(calldata.to_vec())
        .bind(sql::int(content.gas_limit))
        .bind(batch.row)
        .bind(sql::int(batch.count))
        .bind(batch.total.to_hex())
        .execute(self.connection())
        .await?;
        if funded.rows_affected() != 1 {
            return Err(StoreError::stale(format!("batch {}", batch.row)));
        }
        self.move_batch(batch, BatchState::Funded, reason).await
    }

    /// Gives a batch up. Its withdrawals that have not ended are ready again.
    pub async fn dissolve_batch(&mut self, batch: &Batch, reason: Code) -> Result<(), StoreError> {
        let mut open = withdrawals::of_batch(self.connection(), batch.row).await?;
        open.retain(|w| w.state == WithdrawalState::Batched);
        self.move_linked(&open, WithdrawalState::Ready, Some(reason), Link::OutOf(batch.row)).await?;
        self.move_batch(batch, BatchState::Dissolved, Some(reason.as_str())).await
    }

    /// Ends withdrawals of one state by what the chain shows outside their batch. While the batch has no content they
    /// leave it, so that it cannot pay them again; with content its numbers are given, and the chain decides.
    pub async fn end_withdrawals(
        &mut self,
        ended: &[Withdrawal],
        to: WithdrawalState,
        reason: Option<Code>,
    ) -> Result<(), StoreError> {
        let mut by_batch: BTreeMap<Option<i64>, Vec<Withdrawal>> = BTreeMap::new();
        for withdrawal in ended {
            let batch = withdrawal.batch.filter(|_| withdrawal.state == WithdrawalState::Batched);
            by_batch.entry(batch).or_default().push(withdrawal.clone());
        }
        for (batch, withdrawals) in by_batch {
            let batch = match batch {
                Some(row) => Some(self.batch(row).await?),
                None => None,
            };
            match batch.filter(|b| b.content.is_none()) {
                Some(batch) => self.take_out_of_batch(&batch, &withdrawals, to, reason).await?,
                None => self.move_withdrawals(&withdrawals, to, reason).await?,
            }
        }
        Ok(())
    }

    /// The calldata of a batch that is funded.
    pub async fn calldata(&mut self, batch: i64) -> Result<Bytes, StoreError> {
        let row = sqlx::query(CALLDATA).bind(batch).fetch_one(self.connection()).await?;
        Ok(row.bytes_opt("calldata")?.unwrap_or_default().into())
    }

    pub async fn batch(&mut self, row: i64) -> Result<Batch, StoreError> {
        let statement = format!("SELECT {COLUMNS} FROM batches WHERE row_id = $1");
        read(&sqlx::query(AssertSqlSafe(statement)).bind(row).fetch_one(self.connection()).await?)
    }

    /// Takes withdrawals out of a batch that is not funded yet; the rest stays in it. An empty batch dissolves. Stale when it
    /// is funded by now, or a withdrawal is in another: what has a number is paid by the chain alone.
    pub async fn take_out_of_batch(
        &mut self,
        batch: &Batch,
        out: &[Withdrawal],
        to: WithdrawalState,
        reason: Option<Code>,
    ) -> Result<(), StoreError> {
        self.move_linked(out, to, reason, Link::OutOf(batch.row)).await?;
        let left = withdrawals::of_batch(self.connection(), batch.row).await?;
        if left.is_empty() {
            return self.move_batch(batch, BatchState::Dissolved, reason.map(Code::as_str)).await;
        }
        let total: Amount = left.iter().map(|w| w.amount).sum();
        let taken =
            sqlx::query("UPDATE batches SET count = $1, total = $2 WHERE row_id = $3 AND lane IS NULL")
                .bind(sql::int(left.len() as u64))
                .bind(total.to_hex())
                .bind(batch.row)
                .execute(self.connection())
                .await?;
        match taken.rows_affected() {
            1 => Ok(()),
            _ => Err(StoreError::stale(format!("batch {}", batch.row))),
        }
    }

    /// Not before `at` is the batch tried again, because of `reason`.
    pub async fn delay_batch(&mut self, batch: i64, at: i64, reason: &str) -> Result<(), StoreError> {
        sqlx::query("UPDATE batches SET retry_at = $1, reason = $2 WHERE row_id = $3")
            .bind(at)
            .bind(reason)
            .bind(batch)
            .execute(self.connection())
            .await?;
        self.note();
        Ok(())
    }

    /// Says why a batch waits, unless it says something else by now than `before`.
    pub async fn explain_batch(
        &mut self,
        batch: i64,
        before: Option<&str>,
        reason: Option<&str>,
    ) -> Result<(), StoreError> {
        sqlx::query("UPDATE batches SET reason = $1 WHERE row_id = $2 AND coalesce(reason, '') = $3")
            .bind(reason)
            .bind(batch)
            .bind(before.unwrap_or_default())
            .execute(self.connection())
            .await?;
        self.note();
        Ok(())
    }

    /// A new gas limit for the attempts to come; the content stays.
    pub async fn set_gas_limit(&mut self, batch: i64, gas_limit: u64) -> Result<(), StoreError> {
        sqlx::query("UPDATE batches SET gas_limit = $1 WHERE row_id = $2")
            .bind(sql::int(gas_limit))
            .bind(batch)
            .execute(self.connection())
            .await?;
        self.note();
        Ok(())
    }

    /// Makes an attempt's signed bytes durable. To be committed before they are sent. Only the lane's keeper may.
    pub async fn add_attempt(&mut self, attempt: &Attempt) -> Result<(), StoreError> {
        self.require_lane(attempt.lane).await?;
        let fee = |wei: u128| i64::try_from(wei).unwrap_or(i64::MAX);
        sqlx::query(
            "INSERT INTO attempts (batch, lane, nonce, hash, raw, max_fee, priority_fee, state, signed_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, 'signed', $8)",
        )
        .bind(attempt.batch)
        .bind(sql::address(attempt.lane))
        .bind(sql::int(attempt.nonce))
        .bind(sql::hex(attempt.hash))
        .bind(attempt.raw.to_vec())
        .bind(fee(attempt.max_fee))
        .bind(fee(attempt.priority_fee))
        .bind(attempt.signed_at)
        .execute(self.connection())
        .await?;
        self.signed(attempt.lane, attempt.nonce, attempt.hash);
        Ok(())
    }

    /// A node took the attempt for the first time.
    pub async fn attempt_sent(&mut self, hash: B256, at: i64) -> Result<(), StoreError> {
        sent(self.connection(), hash, at).await
    }

    /// What became of an attempt; with its block when it was mined. Says whether the batch has one with this hash.
    pub async fn settle_attempt(
        &mut self,
        batch: i64,
        hash: B256,
        state: AttemptState,
        inclusion: Option<Inclusion>,
    ) -> Result<bool, StoreError> {
        let statement = "UPDATE attempts SET state = $1, block = $2, gas_used = $3, fee = $4 \
                         WHERE hash = $5 AND batch = $6";
        let settled = sqlx::query(statement)
            .bind(state.as_str())
            .bind(inclusion.map(|i| sql::int(i.block)))
            .bind(inclusion.map(|i| sql::int(i.gas_used)))
            .bind(inclusion.and_then(|i| i.fee).map(Amount::to_hex))
            .bind(sql::hex(hash))
            .bind(batch)
            .execute(self.connection())
            .await?;
        self.note();
        Ok(settled.rows_affected() > 0)
    }

    /// The batch was settled by `tx` in a final block: its other attempts never will. What it cost is booked, unless it is
    /// no attempt of this batch: then a past that these books lost has sent it, and of such transactions they never say
    /// what they cost.
    pub async fn close_attempts(&mut self, batch: i64, tx: B256, at: Inclusion) -> Result<(), StoreError> {
        sqlx::query("UPDATE attempts SET state = 'dead' WHERE batch = $1 AND hash <> $2")
            .bind(batch)
            .bind(sql::hex(tx))
            .execute(self.connection())
            .await?;
        if self.settle_attempt(batch, tx, AttemptState::Mined, Some(at)).await? {
            self.post(NATIVE, Sides::GAS, at.fee.unwrap_or_default()).await?;
        }
        Ok(())
    }
}

/// Questions that a change asks, so that it sees what it has written itself.
impl Unit {
    /// The batch of orders here that a settlement of `lane` ending with `head` is.
    pub async fn batch_by_head(&mut self, lane: Address, head: Head) -> Result<Option<Batch>, StoreError> {
        let statement = format!(
            "SELECT {COLUMNS} FROM batches WHERE lane = $1 AND head_after = $2 AND kind = 'orders' \
             ORDER BY CASE WHEN state = 'dissolved' THEN 1 ELSE 0 END LIMIT 1"
        );
        let found = sqlx::query(AssertSqlSafe(statement))
            .bind(sql::address(lane))
            .bind(sql::hex(head))
            .fetch_optional(self.connection())
            .await?;
        found.as_ref().map(read).transpose()
    }

    /// The batch that the transaction `hash` is an attempt of.
    pub async fn batch_by_attempt(&mut self, hash: B256) -> Result<Option<Batch>, StoreError> {
        let statement = format!(
            "SELECT {COLUMNS} FROM batches WHERE row_id = (SELECT batch FROM attempts WHERE hash = $1)"
        );
        let found = sqlx::query(AssertSqlSafe(statement))
            .bind(sql::hex(hash))
            .fetch_optional(self.connection())
            .await?;
        found.as_ref().map(read).transpose()
    }

    /// A lane's batches that hold numbers and are neither final nor dissolved, in the order of their numbers.
    pub async fn open_numbered(&mut self, lane: Address) -> Result<Vec<Batch>, StoreError> {
        let statement = format!(
            "SELECT {COLUMNS} FROM batches WHERE lane = $1 AND kind IN ('orders', 'void') \
             AND state NOT IN ('final', 'dissolved') ORDER BY first, row_id"
        );
        let rows = sqlx::query(AssertSqlSafe(statement))
            .bind(sql::address(lane))
            .fetch_all(self.connection())
            .await?;
        rows.iter().map(read).collect()
    }

    /// A batch's withdrawals in the order of its payouts.
    pub async fn withdrawals_of(&mut self, batch: i64) -> Result<Vec<Withdrawal>, StoreError> {
        withdrawals::of_batch(self.connection(), batch).await
    }
}

impl Store {
    /// The batches in these states, oldest first.
    pub async fn batches_in(&self, states: &[BatchState]) -> Result<Vec<Batch>, StoreError> {
        let list: Vec<String> = states.iter().map(|state| format!("'{state}'")).collect();
        // Said again as the index says it: only so does SQLite see that it holds them all.
        let open = !states.iter().any(|s| matches!(s, BatchState::Final | BatchState::Dissolved));
        let statement = format!(
            "SELECT {COLUMNS} FROM batches WHERE state IN ({}){} ORDER BY row_id",
            list.join(", "),
            if open { " AND state NOT IN ('final', 'dissolved')" } else { "" },
        );
        let rows = sqlx::query(AssertSqlSafe(statement)).fetch_all(&self.reader).await?;
        rows.iter().map(read).collect()
    }

    pub async fn batch(&self, row: i64) -> Result<Option<Batch>, StoreError> {
        let statement = format!("SELECT {COLUMNS} FROM batches WHERE row_id = $1");
        let found = sqlx::query(AssertSqlSafe(statement)).bind(row).fetch_optional(&self.reader).await?;
        found.as_ref().map(read).transpose()
    }

    /// The head that a lane has after the batch of orders here that the transaction `hash` is an attempt of, unless that
    /// batch was given up. The hash covers the calldata: it settled this batch, to the bit.
    pub async fn settled_head(&self, hash: B256) -> Result<Option<Head>, StoreError> {
        let row = sqlx::query(
            "SELECT b.head_after FROM attempts a JOIN batches b ON b.row_id = a.batch \
             WHERE a.hash = $1 AND b.kind = 'orders' AND b.state <> 'dissolved'",
        )
        .bind(sql::hex(hash))
        .fetch_optional(&self.reader)
        .await?;
        row.map(|r| r.fixed("head_after")).transpose()
    }

    /// The gas that an attempt used and what was paid for it in wei, when its receipt was read.
    pub async fn gas_spent(&self, hash: B256) -> Result<Option<(u64, Amount)>, StoreError> {
        let row = sqlx::query(
            "SELECT gas_used, fee FROM attempts WHERE hash = $1 AND gas_used IS NOT NULL AND fee IS NOT NULL",
        )
        .bind(sql::hex(hash))
        .fetch_optional(&self.reader)
        .await?;
        row.map(|r| Ok((r.uint("gas_used")?, r.amount("fee")?))).transpose()
    }

    /// [`Unit::calldata`].
    pub async fn calldata(&self, batch: i64) -> Result<Bytes, StoreError> {
        let row = sqlx::query(CALLDATA).bind(batch).fetch_one(&self.reader).await?;
        Ok(row.bytes_opt("calldata")?.unwrap_or_default().into())
    }

    /// A batch's attempts, oldest first.
    pub async fn attempts(&self, batch: i64) -> Result<Vec<Attempt>, StoreError> {
        let statement = format!("SELECT {ATTEMPT_COLUMNS} FROM attempts WHERE batch = $1 ORDER BY row_id");
        let rows = sqlx::query(AssertSqlSafe(statement)).bind(batch).fetch_all(&self.reader).await?;
        rows.iter().map(read_attempt).collect()
    }

    /// A node took the attempt. No audit entry: sending again changes nothing that matters.
    pub async fn attempt_sent(&self, hash: B256, at: i64) -> Result<(), StoreError> {
        sent(&self.writer, hash, at).await
    }

    /// The transaction that paid a withdrawal, with its block: from its batch, or found on chain.
    pub async fn payout_of(&self, withdrawal: &Withdrawal) -> Result<Option<(B256, u64)>, StoreError> {
        let row = sqlx::query(
            "SELECT a.hash AS tx, a.block FROM attempts a JOIN batches b ON b.row_id = a.batch \
             WHERE a.batch = $1 AND a.state = 'mined' AND b.kind <> 'announce' \
             UNION ALL SELECT tx, block FROM found_payouts WHERE withdrawal = $2",
        )
        .bind(withdrawal.batch.unwrap_or(0))
        .bind(withdrawal.row)
        .fetch_optional(&self.reader)
        .await?;
        row.map(|r| Ok((r.fixed("tx")?, r.uint("block")?))).transpose()
    }

    /// Batches, payouts in them and gas that the final ones used: `(batches, payouts, gas)` of orders and requests.
    pub async fn final_batches(&self) -> Result<(u64, u64, u64), StoreError> {
        let row = sqlx::query(
            "SELECT count(*) AS batches, CAST(coalesce(sum(b.count), 0) AS BIGINT) AS payouts, \
             CAST(coalesce(sum(a.gas_used), 0) AS BIGINT) AS gas FROM batches b \
             LEFT JOIN attempts a ON a.batch = b.row_id AND a.state = 'mined' \
             WHERE b.state = 'final' AND b.kind IN ('orders', 'requests')",
        )
        .fetch_one(&self.reader)
        .await?;
        Ok((row.uint("batches")?, row.uint("payouts")?, row.uint("gas")?))
    }
}

async fn sent(
    executor: impl sqlx::Executor<'_, Database = sqlx::Any>,
    hash: B256,
    at: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE attempts SET state = 'sent', sent_at = $1 WHERE hash = $2 AND state IN ('signed', 'sent')",
    )
    .bind(at)
    .bind(sql::hex(hash))
    .execute(executor)
    .await?;
    Ok(())
}

fn read(row: &AnyRow) -> Result<Batch, StoreError> {
    let content = match row.text_opt("lane")? {
        None => None,
        Some(_) => Some(Content {
            lane: row.address("lane")?,
            first: row.uint("first")?,
            head_after: row.fixed("head_after")?,
            gas_limit: row.uint("gas_limit")?,
        }),
    };
    Ok(Batch {
        row: row.int("row_id")?,
        kind: row.parsed("kind", BatchKind::parse)?,
        tier: row.parsed("tier", Tier::parse)?,
        state: row.parsed("state", BatchState::parse)?,
        asset: row.address("asset")?,
        count: row.uint("count")?,
        total: row.amount("total")?,
        content,
        reason: row.text_opt("reason")?,
        retry_at: row.int("retry_at")?,
        created_at: row.int("created_at")?,
    })
}

fn read_attempt(row: &AnyRow) -> Result<Attempt, StoreError> {
    Ok(Attempt {
        row: row.int("row_id")?,
        batch: row.int("batch")?,
        lane: row.address("lane")?,
        nonce: row.uint("nonce")?,
        hash: row.fixed("hash")?,
        raw: row.bytes_opt("raw")?.unwrap_or_default().into(),
        max_fee: row.uint("max_fee")?.into(),
        priority_fee: row.uint("priority_fee")?.into(),
        state: row.parsed("state", AttemptState::parse)?,
        signed_at: row.int("signed_at")?,
        sent_at: row.int("sent_at")?,
    })
}
