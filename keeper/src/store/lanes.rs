//! Lanes: a signing account's next nonce, and the ledger position that its funded batches lead to.

use super::{
    Store, StoreError, Unit,
    sql::{self, Columns},
};
use crate::domain::lane::LanePosition;
use alloy::primitives::Address;

/// A lane as the store has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lane {
    pub address: Address,
    /// The nonce of its next transaction.
    pub nonce: u64,
    /// Where it stands once all its funded batches are settled.
    pub position: LanePosition,
    /// No new numbers until a void is final.
    pub fencing: bool,
}

impl Store {
    pub async fn lanes(&self) -> Result<Vec<Lane>, StoreError> {
        let rows = sqlx::query("SELECT address, nonce, next, head, fencing FROM lanes ORDER BY address")
            .fetch_all(&self.reader)
            .await?;
        rows.iter()
            .map(|r| {
                Ok(Lane {
                    address: r.address("address")?,
                    nonce: r.uint("nonce")?,
                    position: LanePosition { next: r.uint("next")?, head: r.fixed("head")? },
                    fencing: r.int("fencing")? != 0,
                })
            })
            .collect()
    }

    pub async fn lane(&self, address: Address) -> Result<Option<Lane>, StoreError> {
        Ok(self.lanes().await?.into_iter().find(|l| l.address == address))
    }
}

impl Unit {
    /// Stores the lane as it is now.
    pub async fn put_lane(&mut self, lane: &Lane) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO lanes (address, nonce, next, head, fencing) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (address) DO UPDATE SET nonce = excluded.nonce, next = excluded.next, \
             head = excluded.head, fencing = excluded.fencing",
        )
        .bind(sql::address(lane.address))
        .bind(sql::int(lane.nonce))
        .bind(sql::int(lane.position.next))
        .bind(sql::hex(lane.position.head))
        .bind(i64::from(lane.fencing))
        .execute(self.connection())
        .await?;
        self.note();
        Ok(())
    }
}
