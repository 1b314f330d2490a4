//! Balances are sums over postings, never set.

use crate::{
    domain::{amount::Amount, ledger::Account},
    store::{Store, StoreError},
};
use alloy::primitives::Address;
use std::collections::HashMap;

/// The sums of all postings up to a row. Adding the newer ones is cheap; nothing is lost by starting over.
#[derive(Clone, Debug, Default)]
pub struct Balances {
    sums: HashMap<(Address, Account), Sum>,
    last_row: i64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    debits: Amount,
    credits: Amount,
}

impl Balances {
    /// Adds what was posted since the last call.
    pub async fn catch_up(&mut self, store: &Store) -> Result<(), StoreError> {
        let sums = &mut self.sums;
        self.last_row = store
            .sum_postings(self.last_row, |asset, debit, credit, amount| {
                let debited = sums.entry((asset, debit)).or_default();
                debited.debits = debited.debits + amount;
                let credited = sums.entry((asset, credit)).or_default();
                credited.credits = credited.credits + amount;
            })
            .await?;
        Ok(())
    }

    /// What the vault holds: the balance of `Cash`.
    pub fn cash(&self, asset: Address) -> Amount {
        let sum = self.sum(asset, Account::Cash);
        sum.debits.saturating_sub(sum.credits)
    }

    /// What is owed on an account: credits less debits.
    pub fn owed(&self, asset: Address, account: Account) -> Amount {
        let sum = self.sum(asset, account);
        sum.credits.saturating_sub(sum.debits)
    }

    /// What the chain counts as liabilities: depositors, requests and claims.
    pub fn liabilities(&self, asset: Address) -> Amount {
        [Account::Depositors, Account::Requests, Account::Claims]
            .into_iter()
            .map(|account| self.owed(asset, account))
            .sum()
    }

    fn sum(&self, asset: Address, account: Account) -> Sum {
        self.sums.get(&(asset, account)).copied().unwrap_or_default()
    }
}
