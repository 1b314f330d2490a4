//! Stores a file of orders.
//!
//! All or nothing takes two passes: the first judges every row (its fields, a key used twice in the file, what the
//! store already has) and stores nothing; the second stores. A second process that uses one of the file's keys between
//! the passes is the one way to a refusal in the second, and is reported by row like any other.

use super::{
    super::{
        Rule,
        accept::{Answer, accept, accept_in, open},
        check,
    },
    CsvError, Orders, RowError,
};
use crate::{
    deployment::Deployment,
    domain::withdrawal::Order,
    stages::intake::FieldError,
    store::{Store, StoreError, withdrawals::NewWithdrawal},
    trace,
};
use alloy::primitives::keccak256;
use std::{
    collections::{HashMap, hash_map::Entry},
    io::{BufReader, Read, Seek},
};

/// Rows that are stored in one change.
const CHUNK: usize = 1_000;
/// Errors that are kept with their rows; beyond them they are only counted.
pub const MAX_ERRORS: usize = 10_000;
/// Who changes the store here.
const ACTOR: &str = "cli";

/// How far it is. Bytes of the file that are done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    Checking { bytes: u64 },
    Storing { bytes: u64 },
}

/// What became of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Report {
    /// Orders in the file, good and bad.
    pub rows: u64,
    /// Stored now.
    pub new: u64,
    /// Stored before, by the same key with the same content.
    pub repeated: u64,
    /// Rows with errors.
    pub rejected: u64,
    /// Whether the good rows are in the store.
    pub stored: bool,
    /// At most [`MAX_ERRORS`].
    pub errors: Vec<RowError>,
}

impl Report {
    fn reject(&mut self, line: u64, errors: impl IntoIterator<Item = FieldError>) {
        self.rejected += 1;
        let room = MAX_ERRORS.saturating_sub(self.errors.len());
        self.errors.extend(errors.into_iter().take(room).map(|error| RowError { line, error }));
    }

    fn count(&mut self, line: u64, answer: &Answer) {
        match answer {
            Answer::New(_) => self.new += 1,
            Answer::Repeated(_) => self.repeated += 1,
            refused => self.reject(line, refused.refusal()),
        }
    }
}

/// Stores the orders of `file`. Under [`Rule::AllOrNothing`] nothing is stored when any row is bad.
pub async fn submit(
    store: &Store,
    deployment: &Deployment,
    file: &mut (impl Read + Seek),
    rule: Rule,
    mut progress: impl FnMut(Progress),
) -> Result<Report, CsvError> {
    if rule == Rule::AllOrNothing {
        let report =
            examine(store, deployment, &mut *file, |bytes| progress(Progress::Checking { bytes })).await?;
        if report.rejected > 0 {
            return Ok(report);
        }
        file.rewind()?;
    }
    store_rows(store, deployment, file, |bytes| progress(Progress::Storing { bytes })).await
}

/// The first pass: judges every row, stores nothing.
async fn examine(
    store: &Store,
    deployment: &Deployment,
    file: impl Read,
    mut progress: impl FnMut(u64),
) -> Result<Report, CsvError> {
    let mut report = Report::default();
    let mut seen = SeenKeys::default();
    let mut chunk = Chunk::default();
    for row in Orders::open(BufReader::new(file))? {
        let row = row?;
        report.rows += 1;
        let order = row.order.map_err(|e| vec![e]).and_then(|raw| check(&raw, deployment));
        match order
            .and_then(|order| seen.first_or_same(row.line, &order).map(|()| order).map_err(|e| vec![e]))
        {
            Ok(order) => chunk.push(row.line, order),
            Err(errors) => report.reject(row.line, errors),
        }
        if chunk.new.len() == CHUNK {
            chunk.judge(store, &mut report).await?;
            progress(row.bytes);
        }
    }
    chunk.judge(store, &mut report).await?;
    report.errors.sort_by_key(|e| e.line);
    Ok(report)
}

/// The pass that stores, in chunks. Bad rows are passed over and reported.
async fn store_rows(
    store: &Store,
    deployment: &Deployment,
    file: impl Read,
    mut progress: impl FnMut(u64),
) -> Result<Report, CsvError> {
    let mut report = Report { stored: true, ..Report::default() };
    let mut chunk = Chunk::default();
    for row in Orders::open(BufReader::new(file))? {
        let row = row?;
        report.rows += 1;
        match row.order.map_err(|e| vec![e]).and_then(|raw| check(&raw, deployment)) {
            Ok(order) => chunk.push(row.line, order),
            Err(errors) => report.reject(row.line, errors),
        }
        if chunk.new.len() == CHUNK {
            chunk.store(store, &mut report).await?;
            progress(row.bytes);
        }
    }
    chunk.store(store, &mut report).await?;
    report.errors.sort_by_key(|e| e.line);
    Ok(report)
}

/// Good rows on their way to the store.
#[derive(Default)]
struct Chunk {
    lines: Vec<u64>,
    new: Vec<NewWithdrawal>,
}

impl Chunk {
    fn push(&mut self, line: u64, order: Order) {
        self.lines.push(line);
        self.new.push(NewWithdrawal {
            order,
            trace_id: trace::new_id(),
            trace_parent: None,
            request: None,
            submitter: None,
        });
    }

    async fn store(&mut self, store: &Store, report: &mut Report) -> Result<(), StoreError> {
        if !self.new.is_empty() {
            let answers = accept(store, &self.new, ACTOR, Rule::EachAlone).await?;
            self.lines.iter().zip(&answers).for_each(|(line, answer)| report.count(*line, answer));
        }
        self.clear();
        Ok(())
    }

    /// What the store would answer, found by doing it in a change that is not committed.
    async fn judge(&mut self, store: &Store, report: &mut Report) -> Result<(), StoreError> {
        if !self.new.is_empty() {
            let mut unit = open(store, ACTOR).await?;
            let answers = accept_in(&mut unit, &self.new).await?;
            drop(unit);
            for (line, answer) in self.lines.iter().zip(&answers) {
                if let Some(refusal) = answer.refusal() {
                    report.reject(*line, [refusal]);
                }
            }
        }
        self.clear();
        Ok(())
    }

    fn clear(&mut self) {
        self.lines.clear();
        self.new.clear();
    }
}

/// The keys of a file with a digest of their content: 40 bytes or so per row.
#[derive(Default)]
struct SeenKeys(HashMap<[u8; 16], ([u8; 8], u64)>);

impl SeenKeys {
    /// A key may come again with the same content; with another it is an error that names the first line.
    fn first_or_same(&mut self, line: u64, order: &Order) -> Result<(), FieldError> {
        let deadline = order.deadline.unwrap_or_default().to_be_bytes();
        let amount = order.amount.0.to_be_bytes::<32>();
        let content: [&[u8]; 4] = [order.asset.as_slice(), order.recipient.as_slice(), &amount, &deadline];
        let content = first_bytes(&content.concat());
        match self.0.entry(first_bytes(order.idempotency_key.as_bytes())) {
            Entry::Vacant(entry) => {
                entry.insert((content, line));
                Ok(())
            }
            Entry::Occupied(entry) if entry.get().0 == content => Ok(()),
            Entry::Occupied(entry) => {
                let message = format!(
                    "line {} has the same idempotency key with another asset, recipient or amount; give each withdrawal a key of its own",
                    entry.get().1
                );
                Err(FieldError::new("idempotency_key", "conflict_in_file", message))
            }
        }
    }
}

fn first_bytes<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let hash = keccak256(bytes);
    std::array::from_fn(|i| hash[i])
}
