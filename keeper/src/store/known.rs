//! What a store has of what the chain knows too.

use super::{Store, StoreError, sql::Columns};
use crate::{
    books::balances::Balances,
    domain::{amount::Amount, ledger::Account},
};
use alloy::primitives::Address;
use futures::TryStreamExt;

/// For a person with a database client too.
const PAYOUTS_AND_REQUESTS: &str = include_str!("../../queries/what_the_chain_knows.sql");

/// Whose balances the chain decides: what the vault holds and has at cold, and to whom it owes.
const DECIDED: [Account; 5] =
    [Account::Cash, Account::Cold, Account::Depositors, Account::Requests, Account::Claims];

impl Store {
    /// Everything here that the chain knows too, in lines: payouts of orders by lane and number, requests, where each lane
    /// that settled is, and the balances that the chain decides. Two stores of one vault at one block have the same.
    pub async fn what_the_chain_knows(&self) -> Result<Vec<String>, StoreError> {
        let mut lines = Vec::new();
        let mut rows = sqlx::query(PAYOUTS_AND_REQUESTS).fetch(&self.reader);
        while let Some(row) = rows.try_next().await? {
            lines.push(row.text("line")?);
        }
        drop(rows);
        lines.extend(self.lanes_on_chain().await?);
        lines.extend(self.balances_on_chain().await?);
        lines.sort_unstable();
        Ok(lines)
    }

    /// Where a lane is without the batches that are not settled yet.
    async fn lanes_on_chain(&self) -> Result<Vec<String>, StoreError> {
        let mut moment = self.moment().await?;
        let open = moment.open_orders().await?;
        let lanes = moment.lanes().await?.into_iter().map(|lane| {
            let first = open.iter().find(|batch| batch.lane == lane.address);
            (lane.address, first.and_then(|batch| batch.before).unwrap_or(lane.position))
        });
        // A store knows of one that never settled only when a keeper there has its key.
        let settled = lanes.filter(|(_, at)| at.next > 1);
        Ok(settled.map(|(lane, at)| format!("lane {lane:#x} {} {}", at.next, at.head)).collect())
    }

    async fn balances_on_chain(&self) -> Result<Vec<String>, StoreError> {
        let balances = Balances::counted(self).await?;
        let of = |asset| DECIDED.map(|account| (asset, account, balances.balance(asset, account)));
        let held = balances.assets().into_iter().flat_map(of).filter(|(_, _, amount)| !amount.is_zero());
        let line = |(asset, account, amount): (Address, Account, Amount)| {
            format!("balance {asset:#x} {} {amount}", account.as_str())
        };
        Ok(held.map(line).collect())
    }
}
