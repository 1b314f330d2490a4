//! What a comparison with the chain asks: all at one moment, beside a running keeper.

use super::{
    Engine, Store, StoreError, history,
    lanes::Lane,
    margin::{self, PoolHeld},
    progress::{self, BlockMark, FoundPayout},
    sql::{self, Columns, pieces, placeholders},
};
use crate::{
    books::audit::change::Change,
    chain::calldata,
    domain::{
        amount::Amount,
        lane::LanePosition,
        ledger::Account,
        withdrawal::{Door, Reference, WithdrawalState},
    },
};
use alloy::primitives::{Address, FixedBytes};
use futures::TryStreamExt;
use sqlx::{Any, AnyConnection, AssertSqlSafe, Transaction, any::AnyRow};
use std::collections::{BTreeMap, HashMap};

/// The store at one moment.
pub struct Moment {
    engine: Engine,
    tx: Transaction<'static, Any>,
}

/// What intake and stages know of a withdrawal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub row: i64,
    pub id: String,
    pub reference: Reference,
    pub door: Door,
    pub asset: Address,
    pub recipient: Address,
    pub amount: Amount,
    pub state: WithdrawalState,
    pub batch: Option<i64>,
    pub request: Option<u64>,
}

const RECORD: &str =
    "w.row_id, w.id, w.reference, w.door, w.asset, w.recipient, w.amount, w.state, w.batch, w.request_id";

fn read_record(row: &AnyRow) -> Result<Record, StoreError> {
    Ok(Record {
        row: row.int("row_id")?,
        id: row.text("id")?,
        reference: row.fixed("reference")?,
        door: row.parsed("door", Door::parse)?,
        asset: row.address("asset")?,
        recipient: row.address("recipient")?,
        amount: row.amount("amount")?,
        state: row.parsed("state", WithdrawalState::parse)?,
        batch: row.int_opt("batch")?,
        request: row.int_opt("request_id")?.and_then(|id| u64::try_from(id).ok()),
    })
}

/// What the store knows of a batch that was settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchRecord {
    pub row: i64,
    pub state: String,
    pub asset: Address,
    pub first: u64,
    pub count: u64,
    pub total: Amount,
    pub head_after: FixedBytes<24>,
}

/// A batch that was given numbers and is not final.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenOrders {
    pub lane: Address,
    /// Where it expects its lane; none when its calldata cannot be read.
    pub before: Option<LanePosition>,
    pub after: LanePosition,
}

/// A posting of a withdrawal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordPosting {
    pub to_state: String,
    pub asset: String,
    pub debit: String,
    pub credit: String,
    pub amount: String,
}

/// Withdrawals whose postings or transitions say something else than their record. `t` is the last transition.
const AT_ODDS: &str = "\
SELECT row_id FROM (SELECT w.row_id, w.state, w.amount, w.asset, \
    CASE w.door WHEN 'order' THEN 'float' ELSE 'depositors' END AS owner, \
    CASE w.door WHEN 'order' THEN 'orders' ELSE 'requests' END AS owed, \
    CASE WHEN w.state IN ('paid', 'claimable', 'rejected', 'cancelled') THEN 1 ELSE 0 END AS ended \
    FROM withdrawals w) w \
WHERE (SELECT count(*) FROM postings p WHERE p.withdrawal = w.row_id) <> 1 + w.ended \
OR NOT EXISTS (SELECT 1 FROM postings p WHERE p.withdrawal = w.row_id AND p.to_state = 'received' \
    AND p.amount = w.amount AND p.asset = w.asset AND p.debit = w.owner AND p.credit = w.owed) \
OR (w.ended = 1 AND NOT EXISTS (SELECT 1 FROM postings p WHERE p.withdrawal = w.row_id AND p.to_state = w.state \
    AND p.amount = w.amount AND p.asset = w.asset AND p.debit = w.owed AND p.credit = \
    CASE w.state WHEN 'paid' THEN 'cash' WHEN 'claimable' THEN 'claims' ELSE w.owner END)) \
OR w.state <> coalesce((SELECT t.to_state FROM transitions t WHERE t.withdrawal = w.row_id \
    ORDER BY t.row_id DESC LIMIT 1), '') \
ORDER BY row_id";

impl Store {
    /// Everything as it is now.
    pub async fn moment(&self) -> Result<Moment, StoreError> {
        Ok(Moment { engine: self.engine, tx: self.snapshot().await? })
    }

    /// How far a comparison of this name has come.
    pub async fn mark(&self, name: &str) -> Result<Option<BlockMark>, StoreError> {
        progress::mark(&self.reader, name).await
    }

    /// Keeps how far a comparison has come. The line's keeper alone writes them, and to lose one costs only time.
    pub async fn put_mark(&self, name: &str, mark: BlockMark) -> Result<(), StoreError> {
        progress::put_mark(&self.writer, name, mark).await
    }

    /// Keeps the state of a comparison that may be interrupted; none forgets it.
    pub async fn keep_walk(&self, state: Option<&str>) -> Result<(), StoreError> {
        let statement = match state {
            Some(_) => {
                "INSERT INTO meta (name, value) VALUES ('reconcile', $1) \
                 ON CONFLICT (name) DO UPDATE SET value = excluded.value"
            }
            None => "UPDATE meta SET value = '' WHERE name = 'reconcile' AND value <> $1",
        };
        sqlx::query(statement).bind(state.unwrap_or_default()).execute(&self.writer).await?;
        Ok(())
    }

    /// What [`Store::keep_walk`] kept.
    pub async fn kept_walk(&self) -> Result<Option<String>, StoreError> {
        Ok(self.meta("reconcile").await?.filter(|state| !state.is_empty()))
    }
}

impl Moment {
    fn connection(&mut self) -> &mut AnyConnection {
        &mut self.tx
    }

    pub async fn cursor(&mut self) -> Result<Option<BlockMark>, StoreError> {
        progress::mark(self.connection(), progress::FINAL).await
    }

    /// The batch that a settlement of `lane` was: the one that leads to `head`, or the final one that begins at `first`.
    pub async fn settled_batch(
        &mut self,
        lane: Address,
        first: u64,
        head: FixedBytes<24>,
    ) -> Result<Option<BatchRecord>, StoreError> {
        let row = sqlx::query(
            "SELECT row_id, state, asset, first, count, total, head_after FROM batches WHERE lane = $1 \
             AND kind = 'orders' AND state <> 'dissolved' AND (head_after = $2 OR (first = $3 AND state = 'final')) \
             ORDER BY CASE WHEN head_after = $2 THEN 0 ELSE 1 END LIMIT 1",
        )
        .bind(sql::address(lane))
        .bind(sql::hex(head))
        .bind(sql::int(first))
        .fetch_optional(self.connection())
        .await?;
        row.map(|r| {
            Ok(BatchRecord {
                row: r.int("row_id")?,
                state: r.text("state")?,
                asset: r.address("asset")?,
                first: r.uint("first")?,
                count: r.uint("count")?,
                total: r.amount("total")?,
                head_after: r.fixed("head_after")?,
            })
        })
        .transpose()
    }

    /// Final batches of orders: row, lane, first.
    pub async fn final_batches(&mut self) -> Result<Vec<(i64, Address, u64)>, StoreError> {
        let rows = sqlx::query(
            "SELECT row_id, lane, first FROM batches WHERE kind = 'orders' AND state = 'final' ORDER BY row_id",
        )
        .fetch_all(self.connection())
        .await?;
        rows.iter().map(|r| Ok((r.int("row_id")?, r.address("lane")?, r.uint("first")?))).collect()
    }

    pub async fn records_of(&mut self, batch: i64) -> Result<Vec<Record>, StoreError> {
        let statement = format!("SELECT {RECORD} FROM withdrawals w WHERE w.batch = $1 ORDER BY w.row_id");
        let rows = sqlx::query(AssertSqlSafe(statement)).bind(batch).fetch_all(self.connection()).await?;
        rows.iter().map(read_record).collect()
    }

    pub async fn records_by_reference(
        &mut self,
        references: &[Reference],
    ) -> Result<HashMap<Reference, Record>, StoreError> {
        let engine = self.engine;
        let mut found = HashMap::new();
        for piece in pieces(references) {
            let statement = format!(
                "SELECT {RECORD} FROM withdrawals w WHERE w.reference IN ({})",
                placeholders(engine, piece.len())
            );
            let mut query = sqlx::query(AssertSqlSafe(statement));
            for reference in piece {
                query = query.bind(sql::hex(*reference));
            }
            for row in query.fetch_all(self.connection()).await? {
                let record = read_record(&row)?;
                found.insert(record.reference, record);
            }
        }
        Ok(found)
    }

    pub async fn records_by_request(&mut self, ids: &[u64]) -> Result<HashMap<u64, Record>, StoreError> {
        let engine = self.engine;
        let mut found = HashMap::new();
        for piece in pieces(ids) {
            let statement = format!(
                "SELECT {RECORD} FROM withdrawals w WHERE w.request_id IN ({})",
                placeholders(engine, piece.len())
            );
            let mut query = sqlx::query(AssertSqlSafe(statement));
            for id in piece {
                query = query.bind(sql::int(*id));
            }
            for row in query.fetch_all(self.connection()).await? {
                let record = read_record(&row)?;
                found.extend(record.request.map(|id| (id, record)));
            }
        }
        Ok(found)
    }

    /// Found payouts of a lane's numbers, each with the withdrawal that it was.
    pub async fn found(
        &mut self,
        lane: Address,
        first: u64,
        count: u64,
    ) -> Result<BTreeMap<u64, (FoundPayout, Option<i64>)>, StoreError> {
        let rows = sqlx::query(
            "SELECT lane, number, reference, asset, recipient, amount, outcome, tx, block, tier, withdrawal \
             FROM found_payouts WHERE lane = $1 AND number >= $2 AND number < $3",
        )
        .bind(sql::address(lane))
        .bind(sql::int(first))
        .bind(sql::int(first + count))
        .fetch_all(self.connection())
        .await?;
        rows.iter()
            .map(|r| {
                let payout = progress::read_found(r)?;
                Ok((payout.number, (payout, r.int_opt("withdrawal")?)))
            })
            .collect()
    }

    /// What the unmatched found payouts add up to, of those that `is_settled` says the chain has.
    pub async fn unmatched_sums(
        &mut self,
        mut is_settled: impl FnMut(Address, u64) -> bool,
    ) -> Result<HashMap<(Address, WithdrawalState), Amount>, StoreError> {
        let mut unmatched: HashMap<(Address, WithdrawalState), Amount> = HashMap::new();
        let mut rows =
            sqlx::query("SELECT lane, number, asset, amount, outcome, withdrawal FROM found_payouts")
                .fetch(&mut *self.tx);
        while let Some(row) = rows.try_next().await? {
            if is_settled(row.address("lane")?, row.uint("number")?) && row.int_opt("withdrawal")?.is_none() {
                let outcome = row.parsed("outcome", WithdrawalState::parse)?;
                let sum = unmatched.entry((row.address("asset")?, outcome)).or_default();
                *sum = *sum + row.amount("amount")?;
            }
        }
        Ok(unmatched)
    }

    /// Orders that are paid or claimable by the database, although neither a final batch nor a found payout says so.
    pub async fn paid_by_nothing(&mut self) -> Result<Vec<Record>, StoreError> {
        let statement = format!(
            "SELECT {RECORD} FROM withdrawals w LEFT JOIN batches b ON b.row_id = w.batch \
             WHERE w.door = 'order' AND w.state IN ('paid', 'claimable') AND (b.row_id IS NULL OR b.state <> 'final') \
             AND NOT EXISTS (SELECT 1 FROM found_payouts f WHERE f.withdrawal = w.row_id) ORDER BY w.row_id"
        );
        let rows = sqlx::query(AssertSqlSafe(statement)).fetch_all(self.connection()).await?;
        rows.iter().map(read_record).collect()
    }

    /// Every request here.
    pub async fn requests(&mut self, mut each: impl FnMut(Record)) -> Result<(), StoreError> {
        let statement =
            format!("SELECT {RECORD} FROM withdrawals w WHERE w.door = 'request' ORDER BY w.row_id");
        let mut rows = sqlx::query(AssertSqlSafe(statement)).fetch(&mut *self.tx);
        while let Some(row) = rows.try_next().await? {
            each(read_record(&row)?);
        }
        Ok(())
    }

    /// Records whose postings or transitions say something else, with their postings.
    pub async fn at_odds(&mut self) -> Result<Vec<(Record, Vec<RecordPosting>)>, StoreError> {
        let rows = sqlx::query(AT_ODDS).fetch_all(self.connection()).await?;
        let mut odd = Vec::with_capacity(rows.len());
        for row in rows {
            let row = row.int("row_id")?;
            let statement = format!("SELECT {RECORD} FROM withdrawals w WHERE w.row_id = $1");
            let record = sqlx::query(AssertSqlSafe(statement)).bind(row).fetch_one(self.connection()).await?;
            odd.push((read_record(&record)?, self.postings_of(row).await?));
        }
        Ok(odd)
    }

    async fn postings_of(&mut self, withdrawal: i64) -> Result<Vec<RecordPosting>, StoreError> {
        let rows = sqlx::query(
            "SELECT to_state, asset, debit, credit, amount FROM postings WHERE withdrawal = $1 ORDER BY row_id",
        )
        .bind(withdrawal)
        .fetch_all(self.connection())
        .await?;
        rows.iter()
            .map(|r| {
                Ok(RecordPosting {
                    to_state: r.text_opt("to_state")?.unwrap_or_default(),
                    asset: r.text("asset")?,
                    debit: r.text("debit")?,
                    credit: r.text("credit")?,
                    amount: r.text("amount")?,
                })
            })
            .collect()
    }

    /// Whether a posting says that a withdrawal ended.
    pub async fn ended_in_ledger(&mut self, withdrawal: i64) -> Result<bool, StoreError> {
        let row =
            sqlx::query("SELECT 1 FROM postings WHERE withdrawal = $1 AND to_state <> 'received' LIMIT 1")
                .bind(withdrawal)
                .fetch_optional(self.connection())
                .await?;
        Ok(row.is_some())
    }

    /// Withdrawals that have transitions and no record: their row, and where they stood last.
    pub async fn without_record(&mut self) -> Result<Vec<(i64, String)>, StoreError> {
        let rows = sqlx::query(
            "SELECT t.withdrawal, t.to_state FROM transitions t LEFT JOIN withdrawals w ON w.row_id = t.withdrawal \
             WHERE t.withdrawal IS NOT NULL AND w.row_id IS NULL ORDER BY t.row_id",
        )
        .fetch_all(self.connection())
        .await?;
        let mut last = BTreeMap::new();
        for row in rows {
            last.insert(row.int("withdrawal")?, row.text("to_state")?);
        }
        Ok(last.into_iter().collect())
    }

    /// What the postings that are no withdrawal's add up to, by asset, debit and credit.
    pub async fn other_postings(
        &mut self,
    ) -> Result<BTreeMap<(Address, Account, Account), Amount>, StoreError> {
        let mut sums: BTreeMap<(Address, Account, Account), Amount> = BTreeMap::new();
        let mut rows =
            sqlx::query("SELECT row_id, asset, debit, credit, amount FROM postings WHERE withdrawal IS NULL")
                .fetch(&mut *self.tx);
        while let Some(row) = rows.try_next().await? {
            let posting = progress::read_posting(&row)?;
            let sum = sums.entry((posting.asset, posting.debit, posting.credit)).or_default();
            *sum = *sum + posting.amount;
        }
        Ok(sums)
    }

    /// What is set aside for swaps that have not ended.
    pub async fn set_aside(&mut self) -> Result<HashMap<Address, Amount>, StoreError> {
        let rows = sqlx::query(
            "SELECT s.sell, s.amount FROM swaps s WHERE s.state = 'open' AND EXISTS \
             (SELECT 1 FROM postings p WHERE p.swap = s.row_id AND p.to_state = 'open')",
        )
        .fetch_all(self.connection())
        .await?;
        let mut sums: HashMap<Address, Amount> = HashMap::new();
        for row in rows {
            let sum = sums.entry(row.address("sell")?).or_default();
            *sum = *sum + row.amount("amount")?;
        }
        Ok(sums)
    }

    /// What is booked of each margin pool.
    pub async fn pools_held(&mut self) -> Result<Vec<PoolHeld>, StoreError> {
        margin::pools_held(self.connection()).await
    }

    /// What the transactions cost that ended a batch, since that is booked.
    pub async fn gas_booked(&mut self) -> Result<Amount, StoreError> {
        progress::gas_booked(self.connection()).await
    }

    /// Changes whose rows are not those that were made, with the withdrawals that they are about. Only those are looked at
    /// that nothing else vouches for: they moved money that is no withdrawal's, or accepted withdrawals that are open.
    pub async fn changed_changes(&mut self) -> Result<Vec<(i64, Vec<i64>)>, StoreError> {
        let rows = sqlx::query(
            "SELECT audit AS seq FROM postings WHERE withdrawal IS NULL \
             UNION SELECT seq FROM audit WHERE action = 'float.received' \
             UNION SELECT t.audit AS seq FROM withdrawals w JOIN transitions t ON t.withdrawal = w.row_id \
             AND t.from_state IS NULL WHERE w.state IN ('received', 'held', 'ready', 'batched') ORDER BY 1",
        )
        .fetch_all(self.connection())
        .await?;
        let mut changed = Vec::new();
        for row in rows {
            let seq = row.int("seq")?;
            let made = history::changes(self.connection(), seq, seq).await?.pop();
            if !made.as_ref().is_some_and(Change::holds) {
                let about = made.iter().flat_map(|change| {
                    let moved = change.transitions.iter().filter_map(|t| t.withdrawal);
                    moved.chain(change.postings.iter().filter_map(|p| p.withdrawal))
                });
                changed.push((seq, about.collect()));
            }
        }
        Ok(changed)
    }

    pub async fn lanes(&mut self) -> Result<Vec<Lane>, StoreError> {
        super::lanes::all(self.connection()).await
    }

    /// The open batches of orders that hold numbers, in the order of these.
    pub async fn open_orders(&mut self) -> Result<Vec<OpenOrders>, StoreError> {
        let rows = sqlx::query(
            "SELECT lane, first, count, head_after, calldata FROM batches WHERE kind = 'orders' AND lane IS NOT NULL \
             AND state NOT IN ('final', 'dissolved') ORDER BY lane, first, row_id",
        )
        .fetch_all(self.connection())
        .await?;
        rows.iter()
            .map(|r| {
                let next = r.uint("first")? + r.uint("count")?;
                Ok(OpenOrders {
                    lane: r.address("lane")?,
                    before: calldata::position_before(&r.bytes_opt("calldata")?.unwrap_or_default()),
                    after: LanePosition { next, head: r.fixed("head_after")? },
                })
            })
            .collect()
    }
}
