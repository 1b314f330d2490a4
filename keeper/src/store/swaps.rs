//! Swaps of the vault's float, and why an asset that is owed cannot be bought.

use super::{
    Store, StoreError, Unit,
    sql::{self, Columns},
};
use crate::domain::{amount::Amount, ledger::Sides, reason::Code, withdrawal::WithdrawalState};
use alloy::primitives::{Address, B256, Bytes, U256};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::any::AnyRow;

/// Where a swap stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SwapState {
    /// Planned; what was signed for it, if anything, has not ended.
    Open,
    /// In a final block.
    Done,
    /// It was not done, and will not be.
    Failed,
}

impl SwapState {
    const ALL: [Self; 3] = [Self::Open, Self::Done, Self::Failed];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// A route of a swap and its share, as they were planned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// Units of what the swap sells, and of what it buys.
    pub amount_in: U256,
    pub amount_out: U256,
    pub hops: Vec<Through>,
}

/// A pool on a route, and the tokens that it takes and gives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Through {
    pub kind: String,
    pub pool: Address,
    pub sell: Address,
    pub buy: Address,
}

/// A swap as it is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSwap {
    pub sell: Address,
    pub buy: Address,
    /// Units of `sell` that may be sold.
    pub amount: Amount,
    /// Units of `buy` that the pools would pay, and that must come at least.
    pub quoted: Amount,
    pub least: Amount,
    pub routes: Vec<Share>,
    pub calldata: Bytes,
    /// Unix seconds: the last in which the vault takes it.
    pub deadline: u64,
    /// It is one slice of what is needed.
    pub is_slice: bool,
}

/// What left the vault by a swap: an asset, and its units.
#[derive(Clone, Copy, Debug)]
pub struct Sold(pub Address, pub Amount);

/// What a swap brought: an asset, and its units.
#[derive(Clone, Copy, Debug)]
pub struct Bought(pub Address, pub Amount);

/// A swap as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Swap {
    pub row: i64,
    pub plan: NewSwap,
    pub state: SwapState,
    pub reason: Option<String>,
    /// What the final block says.
    pub spent: Option<Amount>,
    pub received: Option<Amount>,
    pub tx: Option<B256>,
    /// Unix milliseconds.
    pub created_at: i64,
    pub ended_at: Option<i64>,
}

impl Swap {
    /// Names what is signed for it.
    pub fn duty(&self) -> String {
        Self::duty_of(self.row)
    }

    /// [`Swap::duty`] of the swap in a row.
    pub fn duty_of(row: i64) -> String {
        format!("swap {row}")
    }
}

const COLUMNS: &str = "row_id, sell, buy, amount, quoted, least, routes, calldata, deadline, slice, state, reason, spent, \
     received, tx, created_at, ended_at";

impl Unit {
    /// Plans a swap and sets aside what it may sell; its row. The leader's.
    pub async fn add_swap(&mut self, swap: &NewSwap) -> Result<i64, StoreError> {
        self.require_line().await?;
        let at = self.at();
        let row = sqlx::query(
            "INSERT INTO swaps (sell, buy, amount, quoted, least, routes, calldata, deadline, slice, state, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'open', $10) RETURNING row_id",
        )
        .bind(sql::address(swap.sell))
        .bind(sql::address(swap.buy))
        .bind(swap.amount.to_hex())
        .bind(swap.quoted.to_hex())
        .bind(swap.least.to_hex())
        .bind(json!(swap.routes).to_string())
        .bind(swap.calldata.to_vec())
        .bind(sql::int(swap.deadline))
        .bind(i64::from(swap.is_slice))
        .bind(at)
        .fetch_one(self.connection())
        .await?;
        let row = row.int("row_id")?;
        let open = SwapState::Open.as_str();
        self.post_of(Some((row, open)), swap.sell, Sides::SWAP_PLANNED, swap.amount).await?;
        Ok(row)
    }

    /// A final block has a swap: what it spent and received is booked. The swap whose transaction this is ends; one that
    /// these books do not know stays unknown.
    pub async fn finish_swap(&mut self, tx: B256, spent: Sold, received: Bought) -> Result<(), StoreError> {
        let (Sold(sell, spent), Bought(buy, received)) = (spent, received);
        let swap = sqlx::query(
            "SELECT row_id FROM swaps WHERE row_id = \
             (SELECT CAST(substr(duty, 6) AS BIGINT) FROM duties WHERE hash = $1 AND duty LIKE 'swap %')",
        )
        .bind(sql::hex(tx))
        .fetch_optional(self.connection())
        .await?;
        let row = swap.map(|row| row.int("row_id")).transpose()?;
        let done = SwapState::Done.as_str();
        let of = row.map(|row| (row, done));
        let aside = match row {
            Some(row) => self.set_aside(row).await?,
            None => Amount::ZERO,
        };
        let planned = spent.min(aside);
        self.post_of(of, sell, Sides::SOLD, planned).await?;
        self.post_of(of, sell, Sides::UNPLANNED_SOLD, spent.saturating_sub(planned)).await?;
        self.post_of(of, sell, Sides::NOT_SOLD, aside.saturating_sub(planned)).await?;
        self.post_of(of, buy, Sides::BOUGHT, received).await?;
        let Some(row) = row else { return Ok(()) };
        let at = self.at();
        sqlx::query(
            "UPDATE swaps SET state = $1, reason = NULL, spent = $2, received = $3, tx = $4, ended_at = $5 \
             WHERE row_id = $6",
        )
        .bind(done)
        .bind(spent.to_hex())
        .bind(received.to_hex())
        .bind(sql::hex(tx))
        .bind(at)
        .bind(row)
        .execute(self.connection())
        .await?;
        self.note();
        Ok(())
    }

    /// A swap was not done, and will not be: what was set aside for it is float again.
    pub async fn fail_swap(&mut self, swap: &Swap, reason: &str) -> Result<(), StoreError> {
        self.require_line().await?;
        let at = self.at();
        let failed = SwapState::Failed.as_str();
        let aside = self.set_aside(swap.row).await?;
        self.post_of(Some((swap.row, failed)), swap.plan.sell, Sides::NOT_SOLD, aside).await?;
        sqlx::query(
            "UPDATE swaps SET state = $1, reason = $2, ended_at = $3 WHERE row_id = $4 AND state = 'open'",
        )
        .bind(failed)
        .bind(reason)
        .bind(at)
        .bind(swap.row)
        .execute(self.connection())
        .await?;
        self.note();
        Ok(())
    }

    /// What is set aside for a swap and stays so until it ends. Nothing for one that was planned before anything was.
    async fn set_aside(&mut self, row: i64) -> Result<Amount, StoreError> {
        let open = sqlx::query(
            "SELECT p.amount FROM postings p JOIN swaps s ON s.row_id = p.swap AND s.state = 'open' \
             WHERE p.swap = $1 AND p.to_state = 'open'",
        )
        .bind(row)
        .fetch_optional(self.connection())
        .await?;
        open.map_or(Ok(Amount::ZERO), |row| row.amount("amount"))
    }

    /// Says why an asset cannot be bought now, or that nothing stands against it, also of the withdrawals that wait for
    /// it.
    pub async fn tell_of_refill(&mut self, asset: Address, trouble: Option<&str>) -> Result<(), StoreError> {
        self.require_line().await?;
        let (name, at) = (sql::address(asset), self.at());
        let (from, to) = match trouble {
            Some(reason) => {
                sqlx::query(
                    "INSERT INTO refill_troubles (asset, reason, at) VALUES ($1, $2, $3) \
                     ON CONFLICT (asset) DO UPDATE SET reason = excluded.reason, at = excluded.at",
                )
                .bind(&name)
                .bind(reason)
                .bind(at)
                .execute(self.connection())
                .await?;
                (Code::FloatInsufficient, Code::RefillFailed)
            }
            None => {
                sqlx::query("DELETE FROM refill_troubles WHERE asset = $1")
                    .bind(&name)
                    .execute(self.connection())
                    .await?;
                (Code::RefillFailed, Code::FloatInsufficient)
            }
        };
        sqlx::query("UPDATE withdrawals SET reason = $1 WHERE state = $2 AND asset = $3 AND reason = $4")
            .bind(to.as_str())
            .bind(WithdrawalState::Held.as_str())
            .bind(&name)
            .bind(from.as_str())
            .execute(self.connection())
            .await?;
        self.note();
        Ok(())
    }
}

impl Store {
    /// The swaps that have not ended.
    pub async fn open_swaps(&self) -> Result<Vec<Swap>, StoreError> {
        let statement = format!("SELECT {COLUMNS} FROM swaps WHERE state = 'open' ORDER BY row_id");
        let rows = sqlx::query(sqlx::AssertSqlSafe(statement)).fetch_all(&self.writer).await?;
        rows.iter().map(read).collect()
    }

    /// The newest swaps, newest first.
    pub async fn last_swaps(&self, limit: usize) -> Result<Vec<Swap>, StoreError> {
        let statement = format!("SELECT {COLUMNS} FROM swaps ORDER BY row_id DESC LIMIT $1");
        let query = sqlx::query(sqlx::AssertSqlSafe(statement)).bind(sql::int(limit as u64));
        query.fetch_all(&self.reader).await?.iter().map(read).collect()
    }

    /// When the last slice of a swap into an asset was planned, in unix milliseconds.
    pub async fn last_slice(&self, buy: Address) -> Result<Option<i64>, StoreError> {
        sqlx::query("SELECT max(created_at) AS at FROM swaps WHERE buy = $1 AND slice = 1")
            .bind(sql::address(buy))
            .fetch_one(&self.reader)
            .await?
            .int_opt("at")
    }

    /// What stands against the refill of each asset that cannot be bought now, and since when, in unix milliseconds.
    pub async fn refill_troubles(&self) -> Result<Vec<(Address, String, i64)>, StoreError> {
        let rows = sqlx::query("SELECT asset, reason, at FROM refill_troubles ORDER BY asset")
            .fetch_all(&self.reader)
            .await?;
        rows.iter().map(|row| Ok((row.address("asset")?, row.text("reason")?, row.int("at")?))).collect()
    }

    /// Why an asset cannot be bought now; none where nothing is known to stand against it.
    pub async fn refill_trouble(&self, asset: Address) -> Result<Option<String>, StoreError> {
        let row = sqlx::query("SELECT reason FROM refill_troubles WHERE asset = $1")
            .bind(sql::address(asset))
            .fetch_optional(&self.reader)
            .await?;
        row.map(|row| row.text("reason")).transpose()
    }
}

fn read(row: &AnyRow) -> Result<Swap, StoreError> {
    let calldata = row.bytes_opt("calldata")?.ok_or_else(|| StoreError::corrupt("calldata", ""))?;
    let amount = |column| -> Result<Option<Amount>, StoreError> {
        let text = row.text_opt(column)?;
        text.map(|text| Amount::from_hex(&text).ok_or_else(|| StoreError::corrupt(column, &text))).transpose()
    };
    let tx = row.text_opt("tx")?;
    Ok(Swap {
        row: row.int("row_id")?,
        plan: NewSwap {
            sell: row.address("sell")?,
            buy: row.address("buy")?,
            amount: row.amount("amount")?,
            quoted: row.amount("quoted")?,
            least: row.amount("least")?,
            routes: row.parsed("routes", |text| serde_json::from_str(text).ok())?,
            calldata: calldata.into(),
            deadline: row.uint("deadline")?,
            is_slice: row.int("slice")? == 1,
        },
        state: row.parsed("state", SwapState::parse)?,
        reason: row.text_opt("reason")?,
        spent: amount("spent")?,
        received: amount("received")?,
        tx: tx.map(|text| text.parse().map_err(|_| StoreError::corrupt("tx", &text))).transpose()?,
        created_at: row.int("created_at")?,
        ended_at: row.int_opt("ended_at")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_read_as_it_is_written_and_as_it_was() {
        let share = Share { amount_in: U256::from(500), amount_out: U256::from(490), hops: Vec::new() };
        let written = json!(share).to_string();
        let before = r#"{"amount_in":"500","amount_out":"490","hops":[]}"#;
        for text in [&*written, before] {
            assert_eq!(serde_json::from_str::<Share>(text).unwrap(), share);
        }
    }
}
