//! Balances are sums over postings, never set.

use crate::{
    domain::{amount::Amount, ledger::Account},
    store::{Context, Store, StoreError, progress::Posting},
};
use alloy::primitives::Address;
use std::collections::{BTreeSet, HashMap};

/// The sums of all postings up to a row. Adding the newer ones is cheap, and the store keeps a copy from time to time,
/// so that a start adds few; nothing is lost by starting over.
#[derive(Clone, Debug, Default)]
pub struct Balances {
    sums: Sums,
    last_row: i64,
    /// The last row of the copy in the store.
    kept_to: i64,
}

/// By asset and account.
pub type Sums = HashMap<(Address, Account), Sum>;

/// What an account was debited and credited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    pub debits: Amount,
    pub credits: Amount,
}

/// How many postings a start adds up at most, about.
const KEEP_AFTER: i64 = 20_000;

impl Balances {
    /// Adds what was posted since the last call.
    pub async fn catch_up(&mut self, store: &Store) -> Result<(), StoreError> {
        if self.last_row == 0 {
            (self.sums, self.last_row) = store.kept_balances().await?;
            self.kept_to = self.last_row;
        }
        let sums = &mut self.sums;
        self.last_row = store.sum_postings(self.last_row, i64::MAX, |posting| add(sums, posting)).await?;
        Ok(())
    }

    /// Whether they began with the copy in the store.
    pub fn is_from_copy(&self) -> bool {
        self.kept_to > 0
    }

    /// Adds up every posting again, without the copy in the store.
    pub async fn counted(store: &Store) -> Result<Self, StoreError> {
        let mut sums = Sums::default();
        let last_row = store.sum_postings(0, i64::MAX, |posting| add(&mut sums, posting)).await?;
        Ok(Self { sums, last_row, kept_to: 0 })
    }

    /// Keeps a copy in the store when many postings came since the last. Only the line's keeper may.
    pub async fn keep(&mut self, store: &Store) -> Result<(), StoreError> {
        if self.last_row - self.kept_to < KEEP_AFTER {
            return Ok(());
        }
        let detail = serde_json::json!({ "up_to": self.last_row });
        let mut unit = store.unit(Context::new("keeper/finalize", "balances.kept", detail)).await?;
        unit.keep_balances(&self.sums, self.last_row).await?;
        unit.commit().await?;
        self.kept_to = self.last_row;
        Ok(())
    }

    /// All assets that anything was posted of.
    pub fn assets(&self) -> BTreeSet<Address> {
        self.sums.keys().map(|(asset, _)| *asset).collect()
    }

    /// What the vault holds: the balance of `Cash`.
    pub fn cash(&self, asset: Address) -> Amount {
        self.balance(asset, Account::Cash)
    }

    /// The balance of an account on its own side: debits less credits where it says where money is, and the other way round
    /// where it says whose it is. Zero where it stands on the other side.
    pub fn balance(&self, asset: Address, account: Account) -> Amount {
        let Sum { debits, credits } = self.sum(asset, account);
        if account.is_debit() { debits.saturating_sub(credits) } else { credits.saturating_sub(debits) }
    }

    /// What the vault holds beyond what these books know of, when it holds `held`. Books that are rebuilt know payouts
    /// before they know of the float that they were paid from.
    pub fn beyond(&self, asset: Address, held: Amount) -> Amount {
        let sum = self.sum(asset, Account::Cash);
        (held + sum.credits).saturating_sub(sum.debits)
    }

    /// What the chain counts as liabilities: depositors, requests and claims.
    pub fn liabilities(&self, asset: Address) -> Amount {
        [Account::Depositors, Account::Requests, Account::Claims]
            .into_iter()
            .map(|account| self.balance(asset, account))
            .sum()
    }

    fn sum(&self, asset: Address, account: Account) -> Sum {
        self.sums.get(&(asset, account)).copied().unwrap_or_default()
    }
}

/// Adds a posting to both of its accounts.
pub fn add(sums: &mut Sums, posting: Posting) {
    let Posting { asset, debit, credit, amount } = posting;
    let debited = sums.entry((asset, debit)).or_default();
    debited.debits = debited.debits + amount;
    let credited = sums.entry((asset, credit)).or_default();
    credited.credits = credited.credits + amount;
}
