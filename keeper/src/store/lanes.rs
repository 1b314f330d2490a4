//! Lanes: a signing account's next nonce, and the ledger position that its funded batches lead to.

use super::{
    Store, StoreError, Unit, leases,
    sql::{self, Columns},
};
use crate::domain::{amount::Amount, lane::LanePosition};
use alloy::primitives::Address;
use sqlx::{AssertSqlSafe, any::AnyRow};

const COLUMNS: &str = "address, nonce, next, head, fencing_since, gas_needed, reviewed";

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
    /// While it holds less than this for gas, in wei, it gets no new batches.
    pub gas_needed: Option<Amount>,
    /// It pays what approvers signed, and nothing else.
    pub reviewed: bool,
}

impl Store {
    pub async fn lanes(&self) -> Result<Vec<Lane>, StoreError> {
        all(&self.reader).await
    }

    pub async fn lane(&self, address: Address) -> Result<Option<Lane>, StoreError> {
        Ok(self.lanes().await?.into_iter().find(|l| l.address == address))
    }
}

/// See [`Store::lanes`].
pub(super) async fn all(
    executor: impl sqlx::Executor<'_, Database = sqlx::Any>,
) -> Result<Vec<Lane>, StoreError> {
    let rows = sqlx::query(AssertSqlSafe(format!("SELECT {COLUMNS} FROM lanes ORDER BY address")))
        .fetch_all(executor)
        .await?;
    rows.iter().map(read).collect()
}

fn read(row: &AnyRow) -> Result<Lane, StoreError> {
    Ok(Lane {
        address: row.address("address")?,
        nonce: row.uint("nonce")?,
        position: LanePosition { next: row.uint("next")?, head: row.fixed("head")? },
        fencing_since: row.int_opt("fencing_since")?,
        gas_needed: row.text_opt("gas_needed")?.as_deref().and_then(Amount::from_hex),
        reviewed: row.int("reviewed")? != 0,
    })
}

impl Unit {
    /// A lane as this change sees it.
    pub async fn lane(&mut self, address: Address) -> Result<Option<Lane>, StoreError> {
        let found = sqlx::query(AssertSqlSafe(format!("SELECT {COLUMNS} FROM lanes WHERE address = $1")))
            .bind(sql::address(address))
            .fetch_optional(self.connection())
            .await?;
        found.as_ref().map(read).transpose()
    }

    /// Stores a lane that is new here, with its lease. Another keeper may have done so first.
    pub async fn add_lane(&mut self, lane: &Lane) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO lanes (address, nonce, next, head, fencing_since, reviewed) VALUES ($1, $2, $3, $4, $5, $6) \
             ON CONFLICT DO NOTHING",
        )
        .bind(sql::address(lane.address))
        .bind(sql::int(lane.nonce))
        .bind(sql::int(lane.position.next))
        .bind(sql::hex(lane.position.head))
        .bind(lane.fencing_since)
        .bind(i64::from(lane.reviewed))
        .execute(self.connection())
        .await?;
        sqlx::query(
            "INSERT INTO leases (name, holder, token, expires_at) VALUES ($1, NULL, 0, 0) ON CONFLICT DO NOTHING",
        )
        .bind(leases::of_lane(lane.address))
        .execute(self.connection())
        .await?;
        self.note();
        Ok(())
    }

    /// Moves the position that funded batches lead to, from where `lane` has it.
    pub async fn move_lane_position(&mut self, lane: &Lane, to: LanePosition) -> Result<(), StoreError> {
        self.require_lane_or_line(lane.address).await?;
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
        self.require_lane_or_line(lane.address).await?;
        let moved = sqlx::query("UPDATE lanes SET nonce = $1 WHERE address = $2 AND nonce = $3")
            .bind(sql::int(to))
            .bind(sql::address(lane.address))
            .bind(sql::int(lane.nonce))
            .execute(self.connection())
            .await?;
        self.moved(moved.rows_affected(), lane.address)
    }

    /// The lane gives out no new numbers until a void that is planned from now on is final: not one that is there, be its time
    /// later than now because the clock was set back.
    pub async fn fence_lane(&mut self, lane: Address) -> Result<(), StoreError> {
        let set = sqlx::query(
            "UPDATE lanes SET fencing_since = (SELECT CASE WHEN max(created_at) >= $1 THEN max(created_at) + 1 ELSE $1 END \
             FROM batches WHERE lane = $2 AND kind = 'void') WHERE address = $2",
        )
        .bind(self.at())
        .bind(sql::address(lane))
        .execute(self.connection())
        .await?;
        self.moved(set.rows_affected(), lane)
    }

    /// It gives out numbers again.
    pub async fn end_fence(&mut self, lane: Address) -> Result<(), StoreError> {
        let set = sqlx::query("UPDATE lanes SET fencing_since = NULL WHERE address = $1")
            .bind(sql::address(lane))
            .execute(self.connection())
            .await?;
        self.moved(set.rows_affected(), lane)
    }

    /// The lane is set aside until it holds so much for gas; or, with none, it pays again: what waited is due at once.
    pub async fn set_lane_gas_needed(
        &mut self,
        lane: Address,
        needed: Option<Amount>,
    ) -> Result<(), StoreError> {
        let set = sqlx::query("UPDATE lanes SET gas_needed = $1 WHERE address = $2")
            .bind(needed.map(Amount::to_hex))
            .bind(sql::address(lane))
            .execute(self.connection())
            .await?;
        if needed.is_none() {
            sqlx::query(
                "UPDATE batches SET retry_at = 0, reason = NULL WHERE lane = $1 AND state IN ('funded', 'signed', 'broadcast')",
            )
            .bind(sql::address(lane))
            .execute(self.connection())
            .await?;
        }
        self.moved(set.rows_affected(), lane)
    }

    /// Whether the lane pays reviewed batches alone.
    pub async fn set_lane_reviewed(&mut self, lane: Address, reviewed: bool) -> Result<(), StoreError> {
        let set = sqlx::query("UPDATE lanes SET reviewed = $1 WHERE address = $2")
            .bind(i64::from(reviewed))
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
