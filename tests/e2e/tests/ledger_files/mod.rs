//! An export's files and the store behind them, both as lines that can be compared; and figures of the store's own.

use alloy::primitives::{Address, U256};
use eyre::ensure;
use parquet::{
    file::reader::{FileReader, SerializedFileReader},
    record::Field,
};
use spillway::{config::Config, domain::day::Day};
use spillway_e2e::keeper::Setup;
use sqlx::{AnyConnection, Connection, Row, any::AnyRow};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    path::{Path, PathBuf},
};

/// Each dataset, what its columns are (n: number, t: text, a: amount), and what the store says of it.
const DATASETS: [(&str, &str, &str); 5] = [
    (
        "postings",
        "nnnntttta",
        "SELECT row_id, audit, at, withdrawal, to_state, asset, debit, credit, amount FROM postings",
    ),
    (
        "transitions",
        "nnnnnttt",
        "SELECT row_id, audit, at, withdrawal, batch, from_state, to_state, reason FROM transitions",
    ),
    (
        "withdrawals",
        "nnnttttannt",
        "SELECT w.row_id, t.audit, w.received_at, w.id, w.door, w.asset, w.recipient, w.amount, w.deadline, \
         w.request_id, w.request_owner FROM withdrawals w \
         JOIN transitions t ON t.withdrawal = w.row_id AND t.to_state = 'received'",
    ),
    (
        "payouts",
        "nnnnntttttan",
        "SELECT t.row_id, t.audit, w.updated_at, w.row_id, w.received_at, w.state, w.door, \
         CASE WHEN w.door = 'order' THEN 'instant' END, w.asset, w.recipient, w.amount, \
         CASE WHEN (SELECT count(*) FROM found_payouts f WHERE f.withdrawal = w.row_id) = 0 THEN w.batch END \
         FROM withdrawals w JOIN transitions t ON t.withdrawal = w.row_id AND t.to_state = w.state \
         WHERE w.state = 'paid' OR w.state = 'claimable'",
    ),
    (
        "batches",
        "nnnnttttnatnntnna",
        "SELECT b.row_id, t.audit, t.at, b.created_at, b.kind, b.state, t.reason, b.asset, b.count, b.total, b.lane, \
         b.first, (SELECT count(*) FROM attempts n WHERE n.batch = b.row_id), \
         (SELECT hash FROM attempts n WHERE n.batch = b.row_id AND n.state = 'mined'), \
         (SELECT block FROM attempts n WHERE n.batch = b.row_id AND n.state = 'mined'), \
         (SELECT gas_used FROM attempts n WHERE n.batch = b.row_id AND n.state = 'mined'), \
         (SELECT fee FROM attempts n WHERE n.batch = b.row_id AND n.state = 'mined') \
         FROM batches b JOIN transitions t ON t.batch = b.row_id AND t.to_state = b.state \
         WHERE b.state = 'final' OR b.state = 'dissolved'",
    ),
];

/// Rows as lines, sorted, by dataset.
type Lines = BTreeMap<&'static str, Vec<String>>;

/// What lies in the folder of an export.
pub struct Files {
    lines: Lines,
    contents: BTreeMap<PathBuf, Vec<u8>>,
    misplaced: Vec<String>,
}

impl Files {
    pub fn read(folder: &Path) -> eyre::Result<Self> {
        let mut files = Self { lines: Lines::new(), contents: BTreeMap::new(), misplaced: Vec::new() };
        for (dataset, ..) in DATASETS {
            let lines = files.lines.entry(dataset).or_default();
            for day in listed(&folder.join(dataset))? {
                let name = day.file_name().unwrap().to_string_lossy().into_owned();
                for path in
                    listed(&day)?.into_iter().filter(|p| p.extension().is_some_and(|e| e == "parquet"))
                {
                    for row in SerializedFileReader::new(File::open(&path)?)?.get_row_iter(None)? {
                        let row = row?;
                        let mut values = Vec::new();
                        for (column, field) in row.get_column_iter() {
                            if let (Field::TimestampMillis(at), "at") = (field, column.as_str())
                                && format!("day={}", Day::of(*at)) != name
                            {
                                files.misplaced.push(format!("{} {row}", path.display()));
                            }
                            values.push(shown(field)?);
                        }
                        lines.push(values.join("|"));
                    }
                    files.contents.insert(path.clone(), std::fs::read(&path)?);
                }
            }
            lines.sort();
        }
        Ok(files)
    }

    pub fn rows(&self, dataset: &str) -> Vec<String> {
        self.lines[dataset].clone()
    }

    /// Every part with its bytes.
    pub fn contents(&self) -> &BTreeMap<PathBuf, Vec<u8>> {
        &self.contents
    }

    /// Rows that lie in the folder of another day than theirs.
    pub fn misplaced(&self) -> &[String] {
        &self.misplaced
    }
}

fn listed(folder: &Path) -> eyre::Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let entries = std::fs::read_dir(folder)?;
    Ok(entries.map(|entry| entry.map(|e| e.path())).collect::<Result<_, _>>()?)
}

fn shown(field: &Field) -> eyre::Result<String> {
    Ok(match field {
        Field::Null => String::new(),
        Field::Long(number) | Field::TimestampMillis(number) => number.to_string(),
        Field::Str(text) => text.clone(),
        other => eyre::bail!("a field of another kind: {other}"),
    })
}

/// What an asset did on a day.
pub struct AssetDay {
    /// How many and how much, by what became of them.
    pub ended: BTreeMap<&'static str, (u64, U256)>,
    /// What each account was debited and credited up to the day's end.
    pub closing: BTreeMap<String, (U256, U256)>,
    /// From receipt until final, in milliseconds, the shortest first.
    pub took: Vec<i64>,
    /// What left the vault.
    pub outflow: U256,
}

struct Withdrawal {
    asset: Address,
    recipient: String,
    amount: U256,
    door: String,
    state: String,
    reason: Option<String>,
    received_at: i64,
    updated_at: i64,
}

struct Posting {
    at: i64,
    asset: Address,
    debit: String,
    credit: String,
    amount: U256,
}

/// What the store says.
pub struct Ledger {
    lines: Lines,
    withdrawals: Vec<Withdrawal>,
    postings: Vec<Posting>,
    /// Hashes and fees of the transactions of final batches.
    transactions: Vec<(String, U256)>,
}

impl Ledger {
    pub async fn read(setup: &Setup) -> eyre::Result<Self> {
        sqlx::any::install_default_drivers();
        let mut db = AnyConnection::connect(&Config::load(&setup.config)?.store.url).await?;
        let mut lines = Lines::new();
        for (dataset, kinds, question) in DATASETS {
            let rows = sqlx::query(question).fetch_all(&mut db).await?;
            let mut of: Vec<_> = rows.iter().map(|row| line(row, kinds)).collect::<Result<_, _>>()?;
            of.sort();
            lines.insert(dataset, of);
        }
        let rows = sqlx::query(
            "SELECT asset, recipient, amount, door, state, reason, received_at, updated_at FROM withdrawals",
        )
        .fetch_all(&mut db)
        .await?;
        let withdrawals = rows
            .iter()
            .map(|r| Withdrawal {
                asset: address(r),
                recipient: r.get("recipient"),
                amount: amount(r.get("amount")),
                door: r.get("door"),
                state: r.get("state"),
                reason: r.get("reason"),
                received_at: r.get("received_at"),
                updated_at: r.get("updated_at"),
            })
            .collect();
        let rows =
            sqlx::query("SELECT at, asset, debit, credit, amount FROM postings").fetch_all(&mut db).await?;
        let postings = rows
            .iter()
            .map(|r| Posting {
                at: r.get("at"),
                asset: address(r),
                debit: r.get("debit"),
                credit: r.get("credit"),
                amount: amount(r.get("amount")),
            })
            .collect();
        let rows = sqlx::query(
            "SELECT a.hash, a.fee FROM attempts a JOIN batches b ON b.row_id = a.batch \
             WHERE a.state = 'mined' AND b.state = 'final'",
        )
        .fetch_all(&mut db)
        .await?;
        let transactions = rows.iter().map(|r| (r.get("hash"), amount(r.get("fee")))).collect();
        db.close().await?;
        Ok(Self { lines, withdrawals, postings, transactions })
    }

    pub fn rows(&self, dataset: &str) -> Vec<String> {
        self.lines[dataset].clone()
    }

    /// Whether the files have each row of the store once, and no other.
    pub fn same_as(&self, files: &Files) -> eyre::Result<()> {
        for (dataset, lines) in &self.lines {
            let exported = &files.lines[dataset];
            let distinct: BTreeSet<_> = exported.iter().collect();
            ensure!(distinct.len() == exported.len(), "{dataset}: a row is there twice");
            let expected: BTreeSet<_> = lines.iter().collect();
            let missing: Vec<_> = expected.difference(&distinct).take(5).collect();
            let more: Vec<_> = distinct.difference(&expected).take(5).collect();
            ensure!(
                missing.is_empty() && more.is_empty(),
                "{dataset}: missing {missing:#?}, too much {more:#?}"
            );
        }
        Ok(())
    }

    fn paid(&self, asset: Address) -> impl Iterator<Item = &Withdrawal> {
        self.withdrawals
            .iter()
            .filter(move |w| w.asset == asset && ["paid", "claimable"].contains(&w.state.as_str()))
    }

    /// The days on which withdrawals became final.
    pub fn days(&self) -> BTreeSet<String> {
        let is_final = |w: &&Withdrawal| ["paid", "claimable"].contains(&w.state.as_str());
        self.withdrawals.iter().filter(is_final).map(|w| Day::of(w.updated_at).to_string()).collect()
    }

    pub fn of_asset(&self, asset: Address, day: &str) -> AssetDay {
        let within = |at: i64| Day::of(at).to_string() == day;
        let mut ended = BTreeMap::from([("claimed", (0, U256::ZERO))]);
        for what in ["received", "paid", "claimable", "rejected", "cancelled"] {
            let is_of = |w: &&Withdrawal| {
                let (ends, at) = (w.state == what, w.updated_at);
                w.asset == asset
                    && if what == "received" { within(w.received_at) } else { ends && within(at) }
            };
            let of: Vec<_> = self.withdrawals.iter().filter(is_of).collect();
            ended.insert(what, (of.len() as u64, of.iter().map(|w| w.amount).sum()));
        }
        let mut closing = BTreeMap::<String, (U256, U256)>::new();
        let until: Vec<_> = self
            .postings
            .iter()
            .filter(|p| p.asset == asset && Day::of(p.at).to_string().as_str() <= day)
            .collect();
        for posting in &until {
            closing.entry(posting.debit.clone()).or_default().0 += posting.amount;
            closing.entry(posting.credit.clone()).or_default().1 += posting.amount;
        }
        let left = until.iter().filter(|p| p.credit == "cash" && within(p.at)).map(|p| p.amount).sum();
        let mut took: Vec<_> =
            self.paid(asset).filter(|w| within(w.updated_at)).map(|w| w.updated_at - w.received_at).collect();
        took.sort_unstable();
        AssetDay { ended, closing, took, outflow: left }
    }

    pub fn requests(&self) -> usize {
        self.withdrawals.iter().filter(|w| w.door == "request").count()
    }

    /// Orders that were paid, claims not among them.
    pub fn paid_orders(&self, asset: Address) -> u64 {
        self.paid(asset).filter(|w| w.state == "paid" && w.door == "order").count() as u64
    }

    /// Who got how much, most first.
    pub fn recipients(&self, asset: Address) -> Vec<(String, U256)> {
        let mut sums = BTreeMap::<String, U256>::new();
        for w in self.paid(asset) {
            *sums.entry(w.recipient.clone()).or_default() += w.amount;
        }
        let mut sums: Vec<_> = sums.into_iter().collect();
        sums.sort_by_key(|(_, sum)| std::cmp::Reverse(*sum));
        sums
    }

    /// How many failed, by what became of them and why.
    pub fn failed(&self, asset: Address) -> BTreeMap<(String, String), u64> {
        let mut counts = BTreeMap::new();
        let failed = |w: &&Withdrawal| ["claimable", "rejected", "cancelled"].contains(&w.state.as_str());
        for w in self.withdrawals.iter().filter(|w| w.asset == asset).filter(failed) {
            let code = w.reason.clone().unwrap_or_else(|| "none".to_owned());
            *counts.entry((w.state.clone(), code)).or_default() += 1;
        }
        counts
    }

    pub fn transactions(&self) -> impl Iterator<Item = &str> {
        self.transactions.iter().map(|(hash, _)| hash.as_str())
    }

    /// What those took, in wei.
    pub fn fees(&self) -> U256 {
        self.transactions.iter().map(|(_, fee)| *fee).sum()
    }
}

fn address(row: &AnyRow) -> Address {
    row.get::<String, _>("asset").parse().unwrap()
}

fn amount(hex: String) -> U256 {
    U256::from_str_radix(&hex, 16).unwrap()
}

fn line(row: &AnyRow, kinds: &str) -> eyre::Result<String> {
    let mut values = Vec::new();
    for (i, kind) in kinds.chars().enumerate() {
        values.push(match kind {
            'n' => row.try_get::<Option<i64>, _>(i)?.map(|number| number.to_string()),
            'a' => row.try_get::<Option<String>, _>(i)?.map(|hex| amount(hex).to_string()),
            _ => row.try_get::<Option<String>, _>(i)?,
        });
    }
    ensure!(values.len() == row.len(), "{} columns, {kinds}", row.len());
    Ok(values.into_iter().map(Option::unwrap_or_default).collect::<Vec<_>>().join("|"))
}
