//! What the keeper knows of margin pools.

use super::{
    Context, Store, StoreError,
    sql::{self, Columns},
};
use crate::domain::{amount::Amount, ledger::Sides};
use ::margin::watch::BookId;
use alloy::primitives::Address;
use serde_json::json;
use sqlx::AnyConnection;
use std::collections::BTreeSet;

/// How far a pool was followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Followed {
    /// All events up to this final block are known.
    pub cursor: u64,
    /// The books that held an option when they were last read.
    pub open: BTreeSet<BookId>,
}

/// What a pool owed at a final block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolHeld {
    pub pool: Address,
    pub collateral: Address,
    pub held: Amount,
    pub block: u64,
}

/// What is booked of each pool.
pub(super) async fn pools_held(tx: &mut AnyConnection) -> Result<Vec<PoolHeld>, StoreError> {
    let rows = sqlx::query(
        "SELECT pool, collateral, held, held_at FROM margin_pools WHERE collateral IS NOT NULL ORDER BY pool",
    )
    .fetch_all(tx)
    .await?;
    let held = rows.iter().map(|row| {
        Ok(PoolHeld {
            pool: row.address("pool")?,
            collateral: row.address("collateral")?,
            held: row.amount("held")?,
            block: row.uint("held_at")?,
        })
    });
    held.collect()
}

impl Store {
    /// Books what came into a pool that is followed, or left it, since it was booked last. The leader's.
    pub async fn book_pool(&self, now: PoolHeld) -> Result<(), StoreError> {
        let PoolHeld { pool, collateral, held, block } = now;
        let name = sql::address(pool);
        let question = "SELECT held, held_at FROM margin_pools WHERE pool = $1";
        let known = sqlx::query(question).bind(&name).fetch_optional(&self.reader).await?;
        let Some(known) = known else { return Ok(()) };
        if known.uint("held_at")? >= block {
            return Ok(());
        }
        if known.amount("held")? == held {
            // It stands there still: whoever compares asks for no state that is older.
            sqlx::query(
                "UPDATE margin_pools SET held_at = $1 WHERE pool = $2 AND held = $3 AND held_at < $1",
            )
            .bind(sql::int(block))
            .bind(&name)
            .bind(held.to_hex())
            .execute(&self.writer)
            .await?;
            return Ok(());
        }
        let detail = json!({ "pool": pool, "block": block, "held": held.to_string() });
        let mut unit = self.unit(Context::new("keeper/margin", "pool.booked", detail)).await?;
        unit.require_line().await?;
        // As it is now that nobody else changes it.
        let before = sqlx::query(question).bind(&name).fetch_one(unit.connection()).await?;
        let (before, at) = (before.amount("held")?, before.uint("held_at")?);
        let (more, less) = (held.saturating_sub(before), before.saturating_sub(held));
        let (sides, moved) =
            if less.is_zero() { (Sides::POOL_RECEIVED, more) } else { (Sides::POOL_PAID, less) };
        if moved.is_zero() || at >= block {
            return Ok(());
        }
        unit.post(collateral, sides, moved).await?;
        sqlx::query("UPDATE margin_pools SET collateral = $1, held = $2, held_at = $3 WHERE pool = $4")
            .bind(sql::address(collateral))
            .bind(held.to_hex())
            .bind(sql::int(block))
            .bind(&name)
            .execute(unit.connection())
            .await?;
        unit.commit().await
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
