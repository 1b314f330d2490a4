//! Whether the store is whole: the engine's own check, the audit chain computed again from its first entry, and
//! whether states, transitions and postings tell the same story. All at one moment, beside a running keeper.

use super::{
    Engine, Store, StoreError, history, progress,
    sql::{self, Columns},
};
use crate::{
    books::balances::{self, Sums},
    domain::{amount::Amount, ledger::Account},
};
use sqlx::{AnyConnection, AssertSqlSafe};
use std::collections::BTreeMap;

/// What the check found.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Integrity {
    pub ok: bool,
    pub schema: i64,
    /// Changes whose hashes were computed again.
    pub changes: u64,
    /// The first thing that is wrong of each kind.
    pub broken: Vec<String>,
}

impl Integrity {
    /// A page cannot be read, and nothing else is known.
    pub fn damaged(page: &sqlx::Error) -> Self {
        Self { ok: false, schema: 0, changes: 0, broken: vec![format!("a page cannot be read: {page}")] }
    }
}

/// Questions whose every answer is a contradiction: what it means, and the question for one such row.
const CONTRADICTIONS: [(&str, &str); 6] = [
    (
        "withdrawal {} stands elsewhere than its last transition says",
        "SELECT w.id AS what FROM withdrawals w WHERE w.state <> coalesce((SELECT t.to_state FROM transitions t \
         WHERE t.withdrawal = w.row_id ORDER BY t.row_id DESC LIMIT 1), '') LIMIT 1",
    ),
    (
        "batch {} stands elsewhere than its last transition says",
        "SELECT CAST(b.row_id AS TEXT) AS what FROM batches b WHERE b.state <> coalesce((SELECT t.to_state FROM \
         transitions t WHERE t.batch = b.row_id ORDER BY t.row_id DESC LIMIT 1), '') LIMIT 1",
    ),
    (
        "withdrawal {} has no posting that set its money aside, or a wrong one",
        "SELECT w.id AS what FROM withdrawals w WHERE (SELECT count(*) FROM postings p WHERE p.withdrawal = w.row_id \
         AND p.to_state = 'received' AND p.amount = w.amount AND p.asset = w.asset) <> 1 LIMIT 1",
    ),
    (
        "withdrawal {} ended without its posting, or with a wrong one",
        "SELECT w.id AS what FROM withdrawals w WHERE w.state IN ('paid', 'claimable', 'rejected', 'cancelled') AND \
         (SELECT count(*) FROM postings p WHERE p.withdrawal = w.row_id AND p.to_state = w.state \
         AND p.amount = w.amount AND p.asset = w.asset) <> 1 LIMIT 1",
    ),
    (
        "withdrawal {} ended in the postings, and is open",
        "SELECT w.id AS what FROM withdrawals w JOIN postings p ON p.withdrawal = w.row_id \
         AND p.to_state <> 'received' AND p.to_state <> w.state LIMIT 1",
    ),
    (
        "batch {} does not hold as many withdrawals as it counts",
        "SELECT CAST(b.row_id AS TEXT) AS what FROM batches b WHERE b.kind <> 'void' AND b.state <> 'dissolved' AND \
         b.count <> (SELECT count(*) FROM withdrawals w WHERE w.batch = b.row_id) LIMIT 1",
    ),
];

impl Store {
    /// Checks everything. `progress` hears how many changes of how many are done.
    pub async fn check(&self, progress: impl Fn(u64, u64)) -> Result<Integrity, StoreError> {
        let schema = self.schema().await?.unwrap_or(0);
        let mut found = Integrity { ok: false, schema, changes: 0, broken: Vec::new() };
        let newest = self.engine.newest_schema();
        if schema != newest {
            let remedy =
                if schema < newest { "run `spillway db migrate`" } else { "use the keeper that wrote it" };
            found.broken.push(format!("the schema is {schema}, this keeper's is {newest}; {remedy}"));
            return Ok(found);
        }
        let mut tx = self.snapshot().await?;
        match check_all(self.engine, &mut tx, &mut found, progress).await {
            Ok(()) => {}
            Err(StoreError::Damaged(page)) => found.broken.extend(Integrity::damaged(&page).broken),
            Err(error @ StoreError::Corrupt { .. }) => found.broken.push(error.to_string()),
            Err(error) => return Err(error),
        }
        found.ok = found.broken.is_empty();
        Ok(found)
    }
}

async fn check_all(
    engine: Engine,
    tx: &mut AnyConnection,
    found: &mut Integrity,
    progress: impl Fn(u64, u64),
) -> Result<(), StoreError> {
    if engine == Engine::Sqlite {
        let said = sqlx::query("PRAGMA integrity_check(1)").fetch_one(&mut *tx).await?;
        let said = said.text("integrity_check")?;
        if said != "ok" {
            found.broken.push(format!("SQLite says: {said}"));
            return Ok(());
        }
        let orphan = sqlx::query("SELECT \"table\" AS what FROM pragma_foreign_key_check LIMIT 1")
            .fetch_optional(&mut *tx)
            .await?;
        if let Some(row) = orphan {
            found.broken.push(format!("a row of {} refers to one that is not there", row.text("what")?));
        }
    }
    check_chain(tx, found, progress).await?;
    for (meaning, question) in CONTRADICTIONS {
        if let Some(row) = sqlx::query(question).fetch_optional(&mut *tx).await? {
            found.broken.push(meaning.replace("{}", &row.text("what")?));
        }
    }
    check_balances(tx, found).await?;
    check_money(tx, found).await
}

/// Adds up again what the kept copy of the balances says.
async fn check_balances(tx: &mut AnyConnection, found: &mut Integrity) -> Result<(), StoreError> {
    use futures::TryStreamExt;
    let (kept, up_to) = progress::kept_balances(&mut *tx).await?;
    let mut sums = Sums::default();
    let mut rows = sqlx::query(progress::POSTINGS).bind(0_i64).bind(up_to).fetch(&mut *tx);
    while let Some(row) = rows.try_next().await? {
        balances::add(&mut sums, progress::read_posting(&row)?);
    }
    if sums != kept {
        found.broken.push(format!(
            "the kept balances are not the sums of the postings up to {up_to}; with no keeper running, empty the \
             table balances: it is filled again from the postings"
        ));
    }
    Ok(())
}

/// Computes every hash of the audit chain again.
async fn check_chain(
    tx: &mut AnyConnection,
    found: &mut Integrity,
    progress: impl Fn(u64, u64),
) -> Result<(), StoreError> {
    let followed = history::follow(tx, progress, |_| found.changes += 1).await?;
    found.broken.extend(followed.err().map(|broken| broken.to_string()));
    Ok(())
}

/// What the postings say is owed to open withdrawals is what the open withdrawals add up to, for each asset.
async fn check_money(tx: &mut AnyConnection, found: &mut Integrity) -> Result<(), StoreError> {
    for (account, door) in [(Account::Orders, "order"), (Account::Requests, "request")] {
        let mut sums: BTreeMap<String, [Amount; 3]> = BTreeMap::new();
        for (i, question) in [
            format!("SELECT asset, amount FROM postings WHERE credit = '{}'", account.as_str()),
            format!("SELECT asset, amount FROM postings WHERE debit = '{}'", account.as_str()),
            format!(
                "SELECT asset, amount FROM withdrawals WHERE door = '{door}' AND state IN \
                 ('received', 'held', 'ready', 'batched')"
            ),
        ]
        .into_iter()
        .enumerate()
        {
            use futures::TryStreamExt;
            let mut rows = sqlx::query(AssertSqlSafe(question)).fetch(&mut *tx);
            while let Some(row) = rows.try_next().await? {
                let sums = sums.entry(row.text("asset")?).or_default();
                sums[i] = sums[i] + row.amount("amount")?;
            }
        }
        for (asset, [credits, debits, open]) in sums {
            if credits != debits + open {
                found.broken.push(format!(
                    "asset {asset}: the postings owe {} to open {door}s, these add up to {open}",
                    credits.saturating_sub(debits)
                ));
            }
        }
    }
    let gas = progress::gas_booked(&mut *tx).await?;
    let mut booked = Amount::ZERO;
    for row in sqlx::query("SELECT amount FROM postings WHERE debit = 'gas'").fetch_all(&mut *tx).await? {
        booked = booked + row.amount("amount")?;
    }
    if gas != booked {
        found.broken.push(format!("the postings have {booked} wei of gas, the transactions cost {gas}"));
    }
    let unbalanced =
        sqlx::query("SELECT row_id FROM postings WHERE debit = credit LIMIT 1").fetch_optional(&mut *tx);
    if let Some(row) = unbalanced.await? {
        found.broken.push(format!("posting {} has one side only", sql::int(row.uint("row_id")?)));
    }
    Ok(())
}
