//! Reviews: what was offered to the approvers, what they signed, and what reviewers refused.

use super::{
    Context, Store, StoreError, Unit,
    sql::{self, Columns},
};
use crate::domain::{
    batch::BatchState,
    lane::LanePosition,
    reason::Code,
    review::{Approval, Review, ReviewState},
    withdrawal::{Withdrawal, WithdrawalId, WithdrawalState},
};
use alloy::primitives::{Address, Bytes};
use sqlx::{AssertSqlSafe, any::AnyRow};
use std::collections::HashMap;

const COLUMNS: &str =
    "row_id, batch, state, lane, first, head, approvers, threshold, deadline, digest, created_at";

/// What became of an approver's signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Approved {
    /// Stored; so many good ones there are now.
    Stored(u64),
    /// The approver signed before.
    Repeated,
    Closed(ReviewState),
}

/// What became of the wish to refuse withdrawals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// These ended as rejected.
    Done(Vec<Withdrawal>),
    Closed(ReviewState),
    NotInReview(WithdrawalId),
    /// What was sent before is not known yet: it may be paid.
    Fenced,
}

/// Who says why.
#[derive(Clone, Copy, Debug)]
pub struct Objection<'a> {
    pub reason: &'a str,
    /// The name of the API key, or the guardian's address.
    pub by: Option<&'a str>,
}

impl Store {
    /// What takes signatures now, oldest first.
    pub async fn open_reviews(&self) -> Result<Vec<Review>, StoreError> {
        let statement = format!("SELECT {COLUMNS} FROM reviews WHERE state = 'open' ORDER BY row_id");
        let rows = sqlx::query(AssertSqlSafe(statement)).fetch_all(&self.reader).await?;
        rows.iter().map(read).collect()
    }

    pub async fn review(&self, row: i64) -> Result<Option<Review>, StoreError> {
        let statement = format!("SELECT {COLUMNS} FROM reviews WHERE row_id = $1");
        let found = sqlx::query(AssertSqlSafe(statement)).bind(row).fetch_optional(&self.reader).await?;
        found.as_ref().map(read).transpose()
    }

    /// The good signatures of a review, in the order in which they came.
    pub async fn approvals(&self, review: i64) -> Result<Vec<Approval>, StoreError> {
        let rows = sqlx::query(
            "SELECT approver, signature, brought_by, at FROM approvals WHERE review = $1 AND valid = 1 ORDER BY at, approver",
        )
        .bind(review)
        .fetch_all(&self.reader)
        .await?;
        rows.iter()
            .map(|r| {
                Ok(Approval {
                    approver: r.address("approver")?,
                    signature: Bytes::from(r.bytes_opt("signature")?.unwrap_or_default()),
                    brought_by: r.text_opt("brought_by")?,
                    at: r.int("at")?,
                })
            })
            .collect()
    }

    /// The names of the API keys that handed in the withdrawals of a batch.
    pub async fn submitters(&self, batch: i64) -> Result<Vec<String>, StoreError> {
        let rows = sqlx::query(
            "SELECT DISTINCT submitter FROM withdrawals WHERE batch = $1 AND submitter IS NOT NULL ORDER BY submitter",
        )
        .bind(batch)
        .fetch_all(&self.reader)
        .await?;
        rows.iter().map(|r| r.text("submitter")).collect()
    }

    /// When batches that are open now were offered last, in unix milliseconds.
    pub async fn last_offers(&self) -> Result<HashMap<i64, i64>, StoreError> {
        let rows = sqlx::query(
            "SELECT r.batch, max(r.created_at) AS at FROM reviews r JOIN batches b ON b.row_id = r.batch \
             WHERE b.state NOT IN ('final', 'dissolved') GROUP BY r.batch",
        )
        .fetch_all(&self.reader)
        .await?;
        rows.iter().map(|r| Ok((r.int("batch")?, r.int("at")?))).collect()
    }

    /// Why a person refused a withdrawal, in that person's words.
    pub async fn objection(&self, withdrawal: i64) -> Result<Option<String>, StoreError> {
        let row = sqlx::query("SELECT reason FROM rejections WHERE withdrawal = $1")
            .bind(withdrawal)
            .fetch_optional(&self.reader)
            .await?;
        row.map(|r| r.text("reason")).transpose()
    }

    /// Stores a signature that was found good.
    pub async fn approve(&self, review: &Review, approval: &Approval) -> Result<Approved, StoreError> {
        let detail = serde_json::json!({
            "review": review.row, "batch": review.batch, "digest": review.digest,
            "approver": approval.approver, "key": approval.brought_by,
        });
        let mut unit = self.unit(Context::new("api", "review.approved", detail)).await?;
        let review = unit.review(review.row).await?;
        if review.state != ReviewState::Open {
            return Ok(Approved::Closed(review.state));
        }
        let at = unit.at();
        let stored = sqlx::query(
            "INSERT INTO approvals (review, approver, signature, brought_by, at) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (review, approver) DO UPDATE SET signature = excluded.signature, valid = 1, \
             brought_by = excluded.brought_by, at = excluded.at WHERE approvals.valid = 0",
        )
        .bind(review.row)
        .bind(sql::address(approval.approver))
        .bind(approval.signature.to_vec())
        .bind(approval.brought_by.as_deref())
        .bind(at)
        .execute(unit.connection())
        .await?;
        if stored.rows_affected() != 1 {
            return Ok(Approved::Repeated);
        }
        let good = unit.count_approvals(review.row).await?;
        let batch = unit.batch(review.batch).await?;
        if batch.state == BatchState::Priced {
            unit.delay_batch(batch.row, batch.retry_at, &review.words(good)).await?;
        }
        unit.commit().await?;
        Ok(Approved::Stored(good))
    }

    /// Ends withdrawals of a review as rejected: all, or those that are named. What is left of the batch is offered again.
    /// Only for a keeper that works for a lane or leads, as [`Store::cancel`].
    pub async fn refuse(
        &self,
        review: i64,
        named: Option<&[WithdrawalId]>,
        why: Objection<'_>,
    ) -> Result<Refused, StoreError> {
        let detail = serde_json::json!({
            "review": review, "withdrawals": named, "reason": why.reason, "key": why.by,
        });
        let mut unit = self.unit(Context::new("api", "review.rejected", detail)).await?;
        let review = unit.review(review).await?;
        let batch = unit.batch(review.batch).await?;
        if review.state != ReviewState::Open || batch.state != BatchState::Priced {
            return Ok(Refused::Closed(review.state));
        }
        unit.require_any().await?;
        if unit.is_fenced().await? {
            return Ok(Refused::Fenced);
        }
        let mut refused = unit.withdrawals_of(batch.row).await?;
        refused.retain(|w| w.state == WithdrawalState::Batched);
        if let Some(named) = named {
            if let Some(other) = named.iter().find(|id| refused.iter().all(|w| w.id != **id)) {
                return Ok(Refused::NotInReview(other.clone()));
            }
            refused.retain(|w| named.contains(&w.id));
        }
        let code = Code::RejectedInReview;
        unit.take_out_of_batch(&batch, &refused, WithdrawalState::Ready, Some(code)).await?;
        for withdrawal in &mut refused {
            withdrawal.state = WithdrawalState::Ready;
            withdrawal.batch = None;
        }
        unit.reject(&mut refused, code, why).await?;
        unit.close_review(review.row, ReviewState::Withdrawn).await?;
        unit.commit().await?;
        Ok(Refused::Done(refused))
    }
}

impl Unit {
    /// Ends withdrawals that have no number as rejected, with what a person says to it.
    pub async fn reject(
        &mut self,
        withdrawals: &mut [Withdrawal],
        code: Code,
        why: Objection<'_>,
    ) -> Result<(), StoreError> {
        let at = self.at();
        self.move_withdrawals(withdrawals, WithdrawalState::Rejected, Some(code)).await?;
        for withdrawal in withdrawals {
            sqlx::query(
                "INSERT INTO rejections (withdrawal, reason, rejected_by, at) VALUES ($1, $2, $3, $4)",
            )
            .bind(withdrawal.row)
            .bind(why.reason)
            .bind(why.by)
            .bind(at)
            .execute(self.connection())
            .await?;
            (withdrawal.state, withdrawal.reason) = (WithdrawalState::Rejected, Some(code));
        }
        Ok(())
    }

    async fn review(&mut self, row: i64) -> Result<Review, StoreError> {
        let statement = format!("SELECT {COLUMNS} FROM reviews WHERE row_id = $1");
        read(&sqlx::query(AssertSqlSafe(statement)).bind(row).fetch_one(self.connection()).await?)
    }

    async fn count_approvals(&mut self, review: i64) -> Result<u64, StoreError> {
        sqlx::query("SELECT count(*) AS n FROM approvals WHERE review = $1 AND valid = 1")
            .bind(review)
            .fetch_one(self.connection())
            .await?
            .uint("n")
    }

    /// Stores an offer. Its row and state are the store's.
    pub async fn open_review(&mut self, offer: &Review) -> Result<Review, StoreError> {
        let at = self.at();
        let row = sqlx::query(
            "INSERT INTO reviews (batch, state, lane, first, head, approvers, threshold, deadline, digest, created_at) \
             VALUES ($1, 'open', $2, $3, $4, $5, $6, $7, $8, $9) RETURNING row_id",
        )
        .bind(offer.batch)
        .bind(sql::address(offer.lane))
        .bind(sql::int(offer.position.next))
        .bind(sql::hex(offer.position.head))
        .bind(sql::address(offer.approvers))
        .bind(sql::int(offer.threshold))
        .bind(sql::int(offer.deadline))
        .bind(sql::hex(offer.digest))
        .bind(at)
        .fetch_one(self.connection())
        .await?
        .int("row_id")?;
        self.note();
        Ok(Review { row, state: ReviewState::Open, created_at: at, ..offer.clone() })
    }

    /// Ends an offer. Stale when it is not open any more.
    pub async fn close_review(&mut self, review: i64, state: ReviewState) -> Result<(), StoreError> {
        let at = self.at();
        let closed =
            sqlx::query("UPDATE reviews SET state = $1, closed_at = $2 WHERE row_id = $3 AND state = 'open'")
                .bind(state.as_str())
                .bind(at)
                .bind(review)
                .execute(self.connection())
                .await?;
        self.note();
        if closed.rows_affected() == 1 { Ok(()) } else { Err(StoreError::stale(format!("review {review}"))) }
    }

    /// The vault would not take a signature any more: it does not count, and the approver may sign again.
    pub async fn drop_approval(&mut self, review: i64, approver: Address) -> Result<(), StoreError> {
        sqlx::query("UPDATE approvals SET valid = 0 WHERE review = $1 AND approver = $2")
            .bind(review)
            .bind(sql::address(approver))
            .execute(self.connection())
            .await?;
        self.note();
        Ok(())
    }
}

fn read(row: &AnyRow) -> Result<Review, StoreError> {
    Ok(Review {
        row: row.int("row_id")?,
        batch: row.int("batch")?,
        state: row.parsed("state", ReviewState::parse)?,
        lane: row.address("lane")?,
        position: LanePosition { next: row.uint("first")?, head: row.fixed("head")? },
        approvers: row.address("approvers")?,
        threshold: row.uint("threshold")?,
        deadline: row.uint("deadline")?,
        digest: row.fixed("digest")?,
        created_at: row.int("created_at")?,
    })
}
