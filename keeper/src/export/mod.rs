//! Analytics: the facts of the ledger as Parquet files, one folder per dataset and day, each row exactly once.
//!
//! ```text
//! DIR/progress.json                                     the last change that is in the files, and its hash
//! DIR/assets.parquet                                    symbols and decimals
//! DIR/postings/day=2026-11-26/part-000000000001-000000000417.parquet
//! DIR/transitions/..., withdrawals/..., payouts/..., batches/...
//! ```
//!
//! A part holds the rows of the changes that its name says, of one day (UTC). It is written beside its place, made durable
//! and renamed; when all parts of a span are there, the progress follows in the same way. What a kill left without its
//! progress is removed at the next start and written again, so no row is there twice and none is missing.
//!
//! When the store went back in time (a restored backup), the hash in the progress is not the store's any more: the parts of
//! the past that is lost are set aside in `superseded/`, and the export goes on from the last change that both have.

mod parts;
mod table;

use crate::{
    config::ExportConfig,
    deployment::Deployment,
    store::{
        Store, StoreError,
        facts::{DATASETS, Span},
        holder::Holder,
    },
};
use alloy::primitives::{Address, B256};
use parts::Parts;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use table::Table;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// About how many transitions the parts of one span hold: what is in memory at a time.
const ROWS: i64 = 100_000;
/// The form of the folder.
const FORMAT: u32 = 1;

/// Why the files were not written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{path}: {source}")]
    File { path: String, source: std::io::Error },
    #[error("{path}: {source}")]
    Parquet { path: String, source: parquet::errors::ParquetError },
    #[error("{path} is no progress of an export: {problem}; name another folder")]
    Progress { path: String, problem: String },
    #[error(
        "{dir} holds the export of vault {exported} on chain {exported_chain}, this is vault {vault} on chain {chain}; name another folder"
    )]
    OtherVault { dir: String, exported: Address, exported_chain: u64, vault: Address, chain: u64 },
    #[error("{dir} is written by {holder}; stop it, or name another folder")]
    Busy { dir: String, holder: String },
    #[error("the task that writes files died: {0}")]
    Died(#[from] tokio::task::JoinError),
}

/// How far an export has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Progress {
    spillway_export: u32,
    chain_id: u64,
    vault: Address,
    /// The last change whose facts are in the files; 0 before the first.
    change: i64,
    /// The hash of the audit chain there; zero before the first.
    hash: B256,
}

/// What one step wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    pub rows: u64,
    pub files: u64,
    /// The last change that is in the files.
    pub change: i64,
}

/// An export under way. No other process writes to its folder meanwhile.
#[derive(Debug)]
pub struct Exporter {
    parts: Parts,
    progress: Progress,
    _held: Holder,
}

impl Exporter {
    /// Goes on where the files in `dir` end, or begins there.
    pub async fn open(store: &Store, dir: &Path, deployment: &Deployment) -> Result<Self, ExportError> {
        // Without a slash at the end the lock lies beside the folder, not in it.
        let dir: PathBuf = dir.components().collect();
        let shown = dir.display().to_string();
        std::fs::create_dir_all(&dir).map_err(|source| ExportError::File { path: shown.clone(), source })?;
        let held = match Holder::of(&dir) {
            Err(StoreError::Held { holder, .. }) => return Err(ExportError::Busy { dir: shown, holder }),
            held => held?,
        };
        let start = Progress {
            spillway_export: FORMAT,
            chain_id: deployment.chain_id,
            vault: deployment.vault,
            change: 0,
            hash: B256::ZERO,
        };
        let parts = Parts::new(dir);
        let progress = match parts.progress()? {
            Some(progress) => progress,
            None => {
                parts.begin(&start)?;
                start.clone()
            }
        };
        if (progress.chain_id, progress.vault) != (start.chain_id, start.vault) {
            return Err(ExportError::OtherVault {
                dir: shown,
                exported: progress.vault,
                exported_chain: progress.chain_id,
                vault: start.vault,
                chain: start.chain_id,
            });
        }
        parts.remove_unfinished(progress.change)?;
        parts.describe_assets(&deployment.assets)?;
        let mut exporter = Self { parts, progress, _held: held };
        exporter.follow_the_store(store).await?;
        Ok(exporter)
    }

    /// The last change that is in the files.
    pub fn change(&self) -> i64 {
        self.progress.change
    }

    /// Sets aside what the store does not say any more.
    async fn follow_the_store(&mut self, store: &Store) -> Result<(), ExportError> {
        if self.is_of(store, self.progress.change, self.progress.hash).await? {
            return Ok(());
        }
        let (mut change, mut hash) = (0, B256::ZERO);
        for (last, path) in self.parts.newest_first()? {
            let found = self.parts.hash_of(&path)?;
            if let Some(found) = found
                && self.is_of(store, last, found).await?
            {
                (change, hash) = (last, found);
                break;
            }
        }
        let aside = self.parts.set_aside(change, &self.progress)?;
        tracing::warn!(
            from = self.progress.change, to = change, aside = %aside.display(),
            "export: the store went back in time; parts of the past that it lost are set aside"
        );
        let back = Progress { change, hash, ..self.progress.clone() };
        self.parts.record(&back)?;
        self.progress = back;
        Ok(())
    }

    async fn is_of(&self, store: &Store, change: i64, hash: B256) -> Result<bool, StoreError> {
        Ok(change == 0 || store.change_hash(change).await? == Some(hash))
    }

    /// Writes the facts of the next changes of one day; none when the files have everything.
    pub async fn step(&mut self, store: &Store) -> Result<Option<Written>, ExportError> {
        let Some(span) = store.next_span(self.progress.change, ROWS).await? else { return Ok(None) };
        let mut tables = Vec::new();
        for dataset in &DATASETS {
            let mut table = Table::new(dataset);
            store.facts(dataset, &span, |row| table.push(row)).await?;
            if table.rows() > 0 {
                tables.push(table);
            }
        }
        let written = Written {
            rows: tables.iter().map(Table::rows).sum(),
            files: tables.len() as u64,
            change: span.last,
        };
        let Span { last: change, hash, .. } = span;
        let next = Progress { change, hash, ..self.progress.clone() };
        let (parts, recorded) = (self.parts.clone(), next.clone());
        tokio::task::spawn_blocking(move || {
            crate::crash::point("export.begun");
            for table in &tables {
                parts.write(table, &span)?;
            }
            parts.record(&recorded)?;
            crate::crash::point("export.recorded");
            Ok::<_, ExportError>(())
        })
        .await??;
        self.progress = next;
        Ok(Some(written))
    }
}

/// Exports at each interval, until it is told to stop. Payments do not depend on it: what fails is told, and tried again.
pub async fn keep(store: Store, config: ExportConfig, deployment: Deployment, stop: CancellationToken) {
    let Some(dir) = config.directory else { return };
    while !stop.is_cancelled() {
        match follow(&store, &dir, &deployment, &stop).await {
            Ok(Written { files: 0, .. }) => {}
            Ok(Written { rows, files, change }) => tracing::info!(rows, files, change, "exported"),
            Err(error) => tracing::warn!(%error, "the export failed; tried again at the next interval"),
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = sleep(config.interval) => {}
        }
    }
}

async fn follow(
    store: &Store,
    dir: &Path,
    deployment: &Deployment,
    stop: &CancellationToken,
) -> Result<Written, ExportError> {
    let mut exporter = Exporter::open(store, dir, deployment).await?;
    let mut all = Written { rows: 0, files: 0, change: exporter.change() };
    while !stop.is_cancelled()
        && let Some(Written { rows, files, change }) = exporter.step(store).await?
    {
        all = Written { rows: all.rows + rows, files: all.files + files, change };
    }
    Ok(all)
}
