//! How far the books follow the chain, what was found there, and what the comparisons said.

use super::{
    Store, StoreError, Unit,
    sql::{self, Columns, pieces, placeholders},
};
use crate::{
    books::{
        balances::{self, Sum, Sums},
        difference::Difference,
    },
    domain::{
        amount::Amount,
        ledger::{Account, Sides},
        tier::Tier,
        withdrawal::{Reference, WithdrawalState},
    },
};
use alloy::primitives::{Address, B256};
use futures::TryStreamExt;
use sqlx::{AssertSqlSafe, any::AnyRow};
use std::collections::HashMap;

/// A block that is in the books.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct BlockMark {
    pub number: u64,
    pub hash: B256,
}

/// A payout that the chain shows and no batch here made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundPayout {
    pub lane: Address,
    pub number: u64,
    pub reference: Reference,
    pub asset: Address,
    pub recipient: Address,
    pub amount: Amount,
    /// `Paid` or `Claimable`.
    pub outcome: WithdrawalState,
    pub tx: B256,
    pub block: u64,
    /// None where its calldata names none, and for what was found before it was noted.
    pub tier: Option<Tier>,
}

/// What a comparison of chain and books found.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Verdict {
    pub block: u64,
    /// Unix milliseconds.
    pub at: i64,
    pub ok: bool,
    pub differences: Vec<Difference>,
}

/// A posting without what it belongs to.
#[derive(Clone, Copy, Debug)]
pub struct Posting {
    pub asset: Address,
    pub debit: Account,
    pub credit: Account,
    pub amount: Amount,
}

pub(super) const POSTINGS: &str = "SELECT row_id, asset, debit, credit, amount FROM postings \
     WHERE row_id > $1 AND row_id <= $2 ORDER BY row_id";

pub(super) fn read_posting(row: &AnyRow) -> Result<Posting, StoreError> {
    Ok(Posting {
        asset: row.address("asset")?,
        debit: row.parsed("debit", Account::parse)?,
        credit: row.parsed("credit", Account::parse)?,
        amount: row.amount("amount")?,
    })
}

/// The mark of the last final block that is in the books.
pub(super) const FINAL: &str = "final";

pub(super) async fn mark(
    executor: impl sqlx::Executor<'_, Database = sqlx::Any>,
    name: &str,
) -> Result<Option<BlockMark>, StoreError> {
    sqlx::query("SELECT block, hash FROM scan_cursor WHERE name = $1")
        .bind(name)
        .fetch_optional(executor)
        .await?
        .map(|r| Ok(BlockMark { number: r.uint("block")?, hash: r.fixed("hash")? }))
        .transpose()
}

pub(super) async fn put_mark(
    executor: impl sqlx::Executor<'_, Database = sqlx::Any>,
    name: &str,
    mark: BlockMark,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO scan_cursor (name, block, hash) VALUES ($1, $2, $3) \
         ON CONFLICT (name) DO UPDATE SET block = excluded.block, hash = excluded.hash",
    )
    .bind(name)
    .bind(sql::int(mark.number))
    .bind(sql::hex(mark.hash))
    .execute(executor)
    .await?;
    Ok(())
}

/// See [`Store::kept_balances`].
pub(super) async fn kept_balances(
    executor: impl sqlx::Executor<'_, Database = sqlx::Any>,
) -> Result<(Sums, i64), StoreError> {
    let rows = sqlx::query("SELECT asset, account, debits, credits, up_to FROM balances")
        .fetch_all(executor)
        .await?;
    let (mut sums, mut up_to) = (Sums::default(), 0);
    for row in &rows {
        let sum = Sum { debits: row.amount("debits")?, credits: row.amount("credits")? };
        sums.insert((row.address("asset")?, row.parsed("account", Account::parse)?), sum);
        up_to = row.int("up_to")?;
    }
    Ok((sums, up_to))
}

/// What the transactions cost that ended a batch, since that is booked.
pub(super) async fn gas_booked(
    executor: impl sqlx::Executor<'_, Database = sqlx::Any>,
) -> Result<Amount, StoreError> {
    let rows = sqlx::query(
        "SELECT a.fee AS amount FROM attempts a WHERE a.state = 'mined' AND a.fee IS NOT NULL AND EXISTS \
         (SELECT 1 FROM transitions t WHERE t.batch = a.batch AND t.to_state = 'final' AND t.audit > \
         (SELECT CAST(value AS BIGINT) FROM meta WHERE name = 'gas_booked_since'))",
    )
    .fetch_all(executor)
    .await?;
    let mut sum = Amount::ZERO;
    for row in &rows {
        sum = sum + row.amount("amount")?;
    }
    Ok(sum)
}

impl Store {
    /// The last final block that is in the books; none in a new store.
    pub async fn cursor(&self) -> Result<Option<BlockMark>, StoreError> {
        mark(&self.reader, FINAL).await
    }

    pub async fn last_verdict(&self) -> Result<Option<Verdict>, StoreError> {
        let row = sqlx::query(
            "SELECT block, at, ok, differences FROM reconciliations ORDER BY row_id DESC LIMIT 1",
        )
        .fetch_optional(&self.reader)
        .await?;
        row.map(|r| {
            Ok(Verdict {
                block: r.uint("block")?,
                at: r.int("at")?,
                ok: r.int("ok")? != 0,
                // Older keepers wrote sentences.
                differences: r.parsed("differences", |s| serde_json::from_str(s).ok()).unwrap_or_default(),
            })
        })
        .transpose()
    }

    /// Keeps a verdict, unless it repeats the one before.
    pub async fn put_verdict(&self, verdict: &Verdict) -> Result<(), StoreError> {
        let differences = serde_json::to_string(&verdict.differences).expect("a list of strings is JSON");
        if let Some(last) = self.last_verdict().await?
            && last.ok == verdict.ok
            && last.differences == verdict.differences
        {
            sqlx::query("UPDATE reconciliations SET block = $1, at = $2 WHERE row_id = (SELECT max(row_id) FROM reconciliations)")
                .bind(sql::int(verdict.block))
                .bind(verdict.at)
                .execute(&self.writer)
                .await?;
            return Ok(());
        }
        sqlx::query("INSERT INTO reconciliations (block, at, ok, differences) VALUES ($1, $2, $3, $4)")
            .bind(sql::int(verdict.block))
            .bind(verdict.at)
            .bind(i64::from(verdict.ok))
            .bind(differences)
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    /// Hands the postings after row `since`, up to row `to`, to `add`, and returns the last row. The balance of an
    /// account is what it was debited less what it was credited; debits and credits are kept apart, so that no sign is
    /// needed.
    pub async fn sum_postings(
        &self,
        since: i64,
        to: i64,
        mut add: impl FnMut(Posting),
    ) -> Result<i64, StoreError> {
        let mut last = since;
        let mut rows = sqlx::query(POSTINGS).bind(since).bind(to).fetch(&self.reader);
        while let Some(row) = rows.try_next().await? {
            last = row.int("row_id")?;
            add(read_posting(&row)?);
        }
        Ok(last)
    }

    /// The kept copy of the balances, and the last posting that is in it; 0 where none was kept.
    pub async fn kept_balances(&self) -> Result<(Sums, i64), StoreError> {
        kept_balances(&self.reader).await
    }

    /// Payouts that were found on chain and that no withdrawal here has claimed yet.
    pub async fn unmatched_payouts(&self) -> Result<u64, StoreError> {
        sqlx::query("SELECT count(*) AS n FROM found_payouts WHERE withdrawal IS NULL")
            .fetch_one(&self.reader)
            .await?
            .uint("n")
    }
}

impl Unit {
    /// Only the line's keeper may.
    pub async fn set_cursor(&mut self, mark: BlockMark) -> Result<(), StoreError> {
        self.require_line().await?;
        put_mark(self.connection(), FINAL, mark).await?;
        self.note();
        Ok(())
    }

    /// Keeps a copy of the balances, with all postings up to a row, in the place of the one before. Only the line's
    /// keeper may.
    pub async fn keep_balances(&mut self, sums: &Sums, up_to: i64) -> Result<(), StoreError> {
        self.require_line().await?;
        sqlx::query("DELETE FROM balances").execute(self.connection()).await?;
        for ((asset, account), sum) in sums {
            sqlx::query(
                "INSERT INTO balances (asset, account, debits, credits, up_to) VALUES ($1, $2, $3, $4, $5)",
            )
            .bind(sql::address(*asset))
            .bind(account.as_str())
            .bind(sum.debits.to_hex())
            .bind(sum.credits.to_hex())
            .bind(up_to)
            .execute(self.connection())
            .await?;
        }
        self.note();
        Ok(())
    }

    /// What was swept to cold and not refilled since.
    pub async fn at_cold(&mut self, asset: Address) -> Result<Amount, StoreError> {
        let rows = sqlx::query(
            "SELECT row_id, asset, debit, credit, amount FROM postings \
             WHERE asset = $1 AND (debit = 'cold' OR credit = 'cold')",
        )
        .bind(sql::address(asset))
        .fetch_all(self.connection())
        .await?;
        let mut sums = Sums::default();
        for row in &rows {
            balances::add(&mut sums, read_posting(row)?);
        }
        let cold = sums.get(&(asset, Account::Cold)).copied().unwrap_or_default();
        Ok(cold.debits.saturating_sub(cold.credits))
    }

    /// Keeps a payout that no batch here made, matched to a withdrawal or not: the float bears one that is not. False when
    /// it was kept before.
    pub async fn put_found_payout(
        &mut self,
        payout: &FoundPayout,
        withdrawal: Option<i64>,
    ) -> Result<bool, StoreError> {
        let before = sqlx::query("SELECT 1 FROM found_payouts WHERE lane = $1 AND number = $2")
            .bind(sql::address(payout.lane))
            .bind(sql::int(payout.number))
            .fetch_optional(self.connection())
            .await?;
        if before.is_some() {
            return Ok(false);
        }
        if withdrawal.is_none() {
            let sides = match payout.outcome {
                WithdrawalState::Claimable => Sides::UNMATCHED_CLAIMABLE,
                _ => Sides::UNMATCHED_PAID,
            };
            self.post(payout.asset, sides, payout.amount).await?;
        }
        sqlx::query(
            "INSERT INTO found_payouts (lane, number, reference, asset, recipient, amount, outcome, tx, block, withdrawal, \
             tier) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        )
        .bind(sql::address(payout.lane))
        .bind(sql::int(payout.number))
        .bind(sql::hex(payout.reference))
        .bind(sql::address(payout.asset))
        .bind(sql::address(payout.recipient))
        .bind(payout.amount.to_hex())
        .bind(payout.outcome.as_str())
        .bind(sql::hex(payout.tx))
        .bind(sql::int(payout.block))
        .bind(withdrawal)
        .bind(payout.tier.map(Tier::as_str))
        .execute(self.connection())
        .await?;
        Ok(true)
    }

    /// The unmatched found payouts with these references.
    pub async fn unmatched_by_reference(
        &mut self,
        references: &[Reference],
    ) -> Result<HashMap<Reference, FoundPayout>, StoreError> {
        let mut found = HashMap::new();
        let any = sqlx::query("SELECT 1 FROM found_payouts WHERE withdrawal IS NULL LIMIT 1")
            .fetch_optional(self.connection())
            .await?;
        if any.is_none() {
            return Ok(found);
        }
        for piece in pieces(references) {
            let statement = format!(
                "SELECT lane, number, reference, asset, recipient, amount, outcome, tx, block, tier FROM found_payouts \
                 WHERE withdrawal IS NULL AND reference IN ({})",
                placeholders(self.engine, piece.len())
            );
            let mut query = sqlx::query(AssertSqlSafe(statement));
            for reference in piece {
                query = query.bind(sql::hex(*reference));
            }
            for row in query.fetch_all(self.connection()).await? {
                let payout = read_found(&row)?;
                found.insert(payout.reference, payout);
            }
        }
        Ok(found)
    }

    /// The withdrawal that a found payout paid has turned up: the float gets back what the payout took from it, and the
    /// withdrawal's own postings take it instead.
    pub async fn match_found_payout(
        &mut self,
        payout: &FoundPayout,
        withdrawal: i64,
    ) -> Result<(), StoreError> {
        let sides = match payout.outcome {
            WithdrawalState::Claimable => Sides::MATCHED_CLAIMABLE,
            _ => Sides::MATCHED_PAID,
        };
        self.post(payout.asset, sides, payout.amount).await?;
        let matched = sqlx::query(
            "UPDATE found_payouts SET withdrawal = $1 WHERE lane = $2 AND number = $3 AND withdrawal IS NULL",
        )
        .bind(withdrawal)
        .bind(sql::address(payout.lane))
        .bind(sql::int(payout.number))
        .execute(self.connection())
        .await?;
        if matched.rows_affected() == 1 { Ok(()) } else { Err(StoreError::stale("a found payout")) }
    }
}

pub(super) fn read_found(row: &AnyRow) -> Result<FoundPayout, StoreError> {
    Ok(FoundPayout {
        lane: row.address("lane")?,
        number: row.uint("number")?,
        reference: row.fixed("reference")?,
        asset: row.address("asset")?,
        recipient: row.address("recipient")?,
        amount: row.amount("amount")?,
        outcome: row.parsed("outcome", WithdrawalState::parse)?,
        tx: row.fixed("tx")?,
        block: row.uint("block")?,
        tier: row.text_opt("tier")?.as_deref().and_then(Tier::parse),
    })
}
