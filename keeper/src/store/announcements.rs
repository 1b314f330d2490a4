//! Announcements: which orders the chain holds announced, by final blocks.

use super::{
    Store, StoreError, Unit,
    sql::{self, Columns},
    withdrawals,
};
use crate::domain::{
    announcement::Announcement,
    batch::BatchKind,
    reason::Code,
    withdrawal::{Withdrawal, WithdrawalState},
};
use alloy::primitives::{Address, B256};
use sqlx::{AssertSqlSafe, any::AnyRow};

const COLUMNS: &str = "id, withdrawal, lane, payable_from, vetoed_by, lapsed";

impl Store {
    /// What was announced of these withdrawals, those that are payable first before the others.
    pub async fn announcements(&self, withdrawals: &[Withdrawal]) -> Result<Vec<Announcement>, StoreError> {
        let rows: Vec<i64> = withdrawals.iter().map(|w| w.row).collect();
        let statement = format!(
            "SELECT {COLUMNS} FROM announcements WHERE {} ORDER BY payable_from, id",
            sql::is_listed(self.engine, "withdrawal", "$1")
        );
        let rows = sqlx::query(AssertSqlSafe(statement))
            .bind(sql::list(self.engine, &rows))
            .fetch_all(&self.reader)
            .await?;
        rows.iter().map(read).collect()
    }
}

impl Unit {
    /// The chain holds an order announced: it leaves the batch that said so and waits, ready.
    pub async fn announced(
        &mut self,
        withdrawal: &Withdrawal,
        announcement: &Announcement,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO announcements (id, withdrawal, lane, payable_from) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (id) DO UPDATE SET payable_from = excluded.payable_from, lapsed = 0",
        )
        .bind(sql::hex(announcement.id))
        .bind(announcement.withdrawal)
        .bind(sql::address(announcement.lane))
        .bind(sql::int(announcement.payable_from))
        .execute(self.connection())
        .await?;
        self.note();
        let batch = match withdrawal.batch.filter(|_| withdrawal.state == WithdrawalState::Batched) {
            Some(row) => self.batch(row).await?,
            None => return Ok(()),
        };
        if batch.kind != BatchKind::Announce {
            return Ok(());
        }
        let waits = Some(Code::AwaitsAnnouncement);
        let announced = std::slice::from_ref(withdrawal);
        match batch.content {
            None => self.take_out_of_batch(&batch, announced, WithdrawalState::Ready, waits).await,
            Some(_) => self.move_withdrawals(announced, WithdrawalState::Ready, waits).await,
        }
    }

    /// A guardian vetoed an announcement. An order in a batch without numbers leaves it, to be refused.
    pub async fn vetoed(&mut self, id: B256, by: Address) -> Result<(), StoreError> {
        let row = sqlx::query("UPDATE announcements SET vetoed_by = $1 WHERE id = $2 RETURNING withdrawal")
            .bind(sql::address(by))
            .bind(sql::hex(id))
            .fetch_optional(self.connection())
            .await?;
        self.note();
        let Some(row) = row else { return Ok(()) };
        let statement = format!("SELECT {} FROM withdrawals WHERE row_id = $1", withdrawals::COLUMNS);
        let withdrawal = sqlx::query(AssertSqlSafe(statement))
            .bind(row.int("withdrawal")?)
            .fetch_one(self.connection())
            .await?;
        let withdrawal = withdrawals::read(&withdrawal)?;
        let Some(batch) = withdrawal.batch.filter(|_| withdrawal.state == WithdrawalState::Batched) else {
            return Ok(());
        };
        let batch = self.batch(batch).await?;
        if batch.content.is_some() {
            return Ok(());
        }
        self.take_out_of_batch(&batch, &[withdrawal], WithdrawalState::Ready, Some(Code::Vetoed)).await
    }

    /// The vault does not hold the announcements of these orders any more.
    pub async fn lapse(&mut self, orders: &[Withdrawal]) -> Result<(), StoreError> {
        let rows: Vec<i64> = orders.iter().map(|w| w.row).collect();
        let statement = format!(
            "UPDATE announcements SET lapsed = 1 WHERE {}",
            sql::is_listed(self.engine, "withdrawal", "$1")
        );
        let list = sql::list(self.engine, &rows);
        sqlx::query(AssertSqlSafe(statement)).bind(list).execute(self.connection()).await?;
        self.note();
        Ok(())
    }
}

fn read(row: &AnyRow) -> Result<Announcement, StoreError> {
    Ok(Announcement {
        id: row.fixed("id")?,
        withdrawal: row.int("withdrawal")?,
        lane: row.address("lane")?,
        payable_from: row.uint("payable_from")?,
        vetoed_by: match row.text_opt("vetoed_by")? {
            Some(_) => Some(row.address("vetoed_by")?),
            None => None,
        },
        lapsed: row.int("lapsed")? != 0,
    })
}
