//! Lanes: a signing account's next nonce, and the ledger position that its funded batches lead to.

use super::{
    Store, StoreError, Unit,
    sql::{self, Columns},
};
use crate::domain::lane::LanePosition;
use alloy::primitives::Address;
use sqlx::any::AnyRow;

/// A lane as the store has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lane {
    pub address: Address,
    /// The nonce of its next transaction.
    pub nonce: u64,
    /// Where it stands once all its funded batches are settled.
    pub position: LanePosition,
    /// No new numbers until a void that was planned since then (unix milliseconds) is final.
    pub fencing_since: Option<i64>,
}

impl Store {
    pub async fn lanes(&self) -> Result<Vec<Lane>, StoreError> {
        let rows =
            sqlx::query("SELECT address, nonce, next, head, fencing_since FROM lanes ORDER BY address")
                .fetch_all(&self.reader)
                .await?;
        rows.iter().map(read).collect()
    }

    pub async fn lane(&self, address: Address) -> Result<Option<Lane>, StoreError> {
        Ok(self.lanes().await?.into_iter().find(|l| l.address == address))
    }
}

fn read(row: &AnyRow) -> Result<Lane, StoreError> {
    Ok(Lane {
        address: row.address("address")?,
        nonce: row.uint("nonce")?,
        position: LanePosition { next: row.uint("next")?, head: row.fixed("head")? },
        fencing_since: row.int_opt("fencing_since")?,
    })
}

impl Unit {
    /// A lane as this change sees it.
    pub async fn lane(&mut self, address: Address) -> Result<Option<Lane>, StoreError> {
        let found =
            sqlx::query("SELECT address, nonce, next, head, fencing_since FROM lanes WHERE address = $1")
                .bind(sql::address(address))
                .fetch_optional(self.connection())
                .await?;
        found.as_ref().map(read).transpose()
    }

    /// Stores a lane that is new here.
    pub async fn add_lane(&mut self, lane: &Lane) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO lanes (address, nonce, next, head, fencing_since) VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(sql::address(lane.address))
        .bind(sql::int(lane.nonce))
        .bind(sql::int(lane.position.next))
        .bind(sql::hex(lane.position.head))
        .bind(lane.fencing_since)
        .execute(self.connection())
        .await?;
        self.note();
        Ok(())
    }

    /// Moves the position that funded batches lead to, from where `lane` has it.
    pub async fn move_lane_position(&mut self, lane: &Lane, to: LanePosition) -> Result<(), StoreError> {
        let moved = sqlx::query(
            "UPDATE lanes SET next = $1, head = $2 WHERE address = $3 AND next = $4 AND head = $5",
        )
        .bind(sql::int(to.next))
        .bind(sql::hex(to.head))
        .bind(sql::address(lane.address))
        .bind(sql::int(lane.position.next))
        .bind(sql::hex(lane.position.head))
        .execute(self.connection())
        .await?;
        self.moved(moved.rows_affected(), lane.address)
    }

    /// Moves the nonce, from where `lane` has it.
    pub async fn move_lane_nonce(&mut self, lane: &Lane, to: u64) -> Result<(), StoreError> {
        let moved = sqlx::query("UPDATE lanes SET nonce = $1 WHERE address = $2 AND nonce = $3")
            .bind(sql::int(to))
            .bind(sql::address(lane.address))
            .bind(sql::int(lane.nonce))
            .execute(self.connection())
            .await?;
        self.moved(moved.rows_affected(), lane.address)
    }

    /// From now on the lane gives out no new numbers; or, with none, it does again.
    pub async fn set_lane_fencing(&mut self, lane: Address, since: Option<i64>) -> Result<(), StoreError> {
        let set = sqlx::query("UPDATE lanes SET fencing_since = $1 WHERE address = $2")
            .bind(since)
            .bind(sql::address(lane))
            .execute(self.connection())
            .await?;
        self.moved(set.rows_affected(), lane)
    }

    /// Whether a void of `lane` that was planned since then is final.
    pub async fn void_is_final(&mut self, lane: Address, since: i64) -> Result<bool, StoreError> {
        let row = sqlx::query(
            "SELECT count(*) AS n FROM batches WHERE lane = $1 AND kind = 'void' AND state = 'final' AND created_at >= $2",
        )
        .bind(sql::address(lane))
        .bind(since)
        .fetch_one(self.connection())
        .await?;
        Ok(row.uint("n")? > 0)
    }

    fn moved(&mut self, rows: u64, lane: Address) -> Result<(), StoreError> {
        self.note();
        if rows == 1 { Ok(()) } else { Err(StoreError::stale(format!("lane {lane}"))) }
    }
}
