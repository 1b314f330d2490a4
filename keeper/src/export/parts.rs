//! The files of an export: names, durable writing, and what a kill or a restore leaves.

use super::{
    ExportError, FORMAT, Progress,
    table::{self, Table},
};
use crate::{
    domain::{asset::Assets, day::Day},
    store::facts::{Column, DATASETS, Dataset, Kind, Span, Value},
};
use alloy::primitives::B256;
use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
};

/// The folder of an export. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Parts {
    dir: PathBuf,
}

/// A part that is in its place.
struct Part {
    path: PathBuf,
    first: i64,
    last: i64,
}

const PROGRESS: &str = "progress.json";
/// What is being written ends so.
const PARTIAL: &str = "partial";

/// Not a dataset of facts: it is written anew when the deployment changes.
static ASSETS: Dataset = Dataset::of(
    "assets",
    &[
        Column { name: "asset", kind: Kind::Text, required: true },
        Column { name: "symbol", kind: Kind::Text, required: true },
        Column { name: "decimals", kind: Kind::Int, required: true },
    ],
);

impl Parts {
    pub fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// Empty parts of each dataset, so that a question finds its schema before the first row; and the first progress.
    pub fn begin(&self, progress: &Progress) -> Result<(), ExportError> {
        for dataset in &DATASETS {
            let span = Span { after: -1, last: 0, hash: B256::ZERO, at: 0 };
            self.write(&Table::new(dataset), &span)?;
        }
        self.record(progress)
    }

    pub fn progress(&self) -> Result<Option<Progress>, ExportError> {
        let path = self.dir.join(PROGRESS);
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            text => text.map_err(|e| file_error(&path, e))?,
        };
        let wrong = |problem: String| ExportError::Progress { path: path.display().to_string(), problem };
        let progress: Progress = serde_json::from_str(&text).map_err(|e| wrong(e.to_string()))?;
        if progress.spillway_export != FORMAT {
            return Err(wrong(format!("its form is {}", progress.spillway_export)));
        }
        Ok(Some(progress))
    }

    /// The parts up to its change are the export, from now on.
    pub fn record(&self, progress: &Progress) -> Result<(), ExportError> {
        let text = serde_json::to_string(progress).expect("numbers and texts are JSON");
        self.replace(&self.dir.join(PROGRESS), |mut file| {
            writeln!(file, "{text}")?;
            Ok(file.sync_all()?)
        })
    }

    /// Writes the part of a span.
    pub fn write(&self, table: &Table, span: &Span) -> Result<(), ExportError> {
        let folder = self.dir.join(table.name()).join(format!("day={}", Day::of(span.at)));
        let name = format!("part-{:012}-{:012}.parquet", span.after + 1, span.last);
        fs::create_dir_all(&folder).map_err(|e| file_error(&folder, e))?;
        self.replace(&folder.join(name), |file| {
            table.write(file, span.hash)?;
            crate::crash::point("export.written");
            Ok(())
        })?;
        // The folders themselves must outlive a power cut too.
        sync(&self.dir.join(table.name()))?;
        sync(&self.dir)?;
        crate::crash::point("export.renamed");
        Ok(())
    }

    /// Symbols and decimals of the assets, for whoever shows amounts.
    pub fn describe_assets(&self, assets: &Assets) -> Result<(), ExportError> {
        let mut table = Table::new(&ASSETS);
        for asset in assets.iter() {
            table.push(&[
                Value::Text(format!("{:#x}", asset.address)),
                Value::Text(asset.symbol.clone()),
                Value::Int(asset.decimals.into()),
            ]);
        }
        self.replace(&self.dir.join("assets.parquet"), |file| table.write(file, B256::ZERO))
    }

    /// Removes what a kill left: half files, and parts after `change`, which no progress names. They are written again.
    pub fn remove_unfinished(&self, change: i64) -> Result<(), ExportError> {
        let mut unfinished = self.files(|name| name.ends_with(PARTIAL))?;
        unfinished.extend(self.parts()?.into_iter().filter(|p| p.first > change).map(|p| p.path));
        for path in unfinished {
            fs::remove_file(&path).map_err(|e| file_error(&path, e))?;
        }
        Ok(())
    }

    /// The last changes of the parts with rows, each with one of its parts, newest first.
    pub fn newest_first(&self) -> Result<Vec<(i64, PathBuf)>, ExportError> {
        let mut found: Vec<_> =
            self.parts()?.into_iter().filter(|p| p.last > 0).map(|p| (p.last, p.path)).collect();
        found.sort();
        found.dedup_by_key(|(last, _)| *last);
        found.reverse();
        Ok(found)
    }

    /// The hash of the audit chain at the last change of a part.
    pub fn hash_of(&self, path: &Path) -> Result<Option<B256>, ExportError> {
        let file = File::open(path).map_err(|e| file_error(path, e))?;
        table::hash_of(file).map_err(|e| parquet_error(path, e))
    }

    /// Moves the parts after `change` out of the way, and says where they are. The export was at `before`.
    pub fn set_aside(&self, change: i64, before: &Progress) -> Result<PathBuf, ExportError> {
        let name = format!("{}-{}", before.change, &before.hash.to_string()[2..10]);
        let aside = self.dir.join("superseded").join(name);
        for part in self.parts()?.into_iter().filter(|p| p.first > change) {
            let inside = part.path.strip_prefix(&self.dir).unwrap_or(&part.path);
            let to = aside.join(inside);
            if let Some(folder) = to.parent() {
                fs::create_dir_all(folder).map_err(|e| file_error(folder, e))?;
            }
            fs::rename(&part.path, &to).map_err(|e| file_error(&part.path, e))?;
        }
        Ok(aside)
    }

    fn parts(&self) -> Result<Vec<Part>, ExportError> {
        let files = self.files(|name| name.ends_with(".parquet"))?;
        let part = |path: PathBuf| {
            let name = path.file_stem()?.to_str()?.strip_prefix("part-")?;
            let (first, last) = name.split_once('-')?;
            let (first, last) = (first.parse().ok()?, last.parse().ok()?);
            Some(Part { path, first, last })
        };
        Ok(files.into_iter().filter_map(part).collect())
    }

    /// The files of all days of the datasets.
    fn files(&self, wanted: impl Fn(&str) -> bool) -> Result<Vec<PathBuf>, ExportError> {
        let mut found = Vec::new();
        for dataset in &DATASETS {
            for day in entries(&self.dir.join(dataset.name))? {
                let files = entries(&day)?;
                found.extend(files.into_iter().filter(|f| wanted(&f.to_string_lossy())));
            }
        }
        Ok(found)
    }

    /// Writes a file beside its place and renames it there: it is whole or not there, whatever happens.
    fn replace(
        &self,
        path: &Path,
        write: impl FnOnce(File) -> parquet::errors::Result<()>,
    ) -> Result<(), ExportError> {
        let partial = path.with_added_extension(PARTIAL);
        let file = File::create(&partial).map_err(|e| file_error(&partial, e))?;
        write(file).map_err(|e| parquet_error(&partial, e))?;
        fs::rename(&partial, path).map_err(|e| file_error(path, e))?;
        sync(path.parent().unwrap_or(&self.dir))
    }
}

/// What is in a folder; nothing where there is none.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, ExportError> {
    let read = match fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        read => read.map_err(|e| file_error(folder, e))?,
    };
    read.map(|entry| Ok(entry.map_err(|e| file_error(folder, e))?.path())).collect()
}

/// Makes the names in a folder durable.
fn sync(folder: &Path) -> Result<(), ExportError> {
    File::open(folder).and_then(|f| f.sync_all()).map_err(|e| file_error(folder, e))
}

fn file_error(path: &Path, source: std::io::Error) -> ExportError {
    ExportError::File { path: path.display().to_string(), source }
}

fn parquet_error(path: &Path, source: parquet::errors::ParquetError) -> ExportError {
    ExportError::Parquet { path: path.display().to_string(), source }
}
