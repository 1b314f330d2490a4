//! Noticing that the store went back in time.
//!
//! The store counts its generations: one more at each start, and before each first send of an attempt. The count is
//! also kept in a file beside the database. The database is advanced first, then the file, then the attempt is sent.
//! So a database that is behind the file was restored from before a send that it does not know; a database that is
//! level or ahead was merely killed.

use super::{
    Store, StoreError, Unit,
    sql::{self, Columns},
};
use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

/// What the comparison of database and file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum History {
    /// The database is where it was, or new: nothing was sent that it does not know.
    Continuous,
    /// The database was restored from an older copy.
    WentBack { stored: u64, seen: u64 },
    /// The file is gone: it cannot be told.
    Unknown { stored: u64 },
}

/// The file that keeps the count outside the database.
#[derive(Clone, Debug)]
pub struct GenerationFile(PathBuf);

impl GenerationFile {
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    fn read(&self) -> Result<Option<u64>, StoreError> {
        match fs::read_to_string(&self.0) {
            Ok(text) => Ok(text.trim().parse().ok()),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(self.error(e)),
        }
    }

    /// Replaces the file, durably.
    pub fn write(&self, generation: u64) -> Result<(), StoreError> {
        let next = self.0.with_extension("generation.next");
        let replace = || -> std::io::Result<()> {
            let mut file = fs::File::create(&next)?;
            writeln!(file, "{generation}")?;
            file.sync_all()?;
            fs::rename(&next, &self.0)?;
            let folder = self.0.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
            fs::File::open(folder)?.sync_all()
        };
        replace().map_err(|e| self.error(e))
    }

    fn error(&self, source: std::io::Error) -> StoreError {
        StoreError::File { path: self.0.display().to_string(), source }
    }
}

impl Store {
    /// Compares the database's generation with the file's.
    pub async fn history_against(&self, file: &GenerationFile) -> Result<History, StoreError> {
        let stored = sqlx::query("SELECT value FROM generation WHERE id = 1")
            .fetch_one(&self.writer)
            .await?
            .uint("value")?;
        Ok(match file.read()? {
            Some(seen) if stored < seen => History::WentBack { stored, seen },
            None if stored > 0 => History::Unknown { stored },
            _ => History::Continuous,
        })
    }
}

impl Unit {
    /// Advances the database's generation. After the commit the file must follow before anything is sent.
    pub async fn advance_generation(&mut self) -> Result<u64, StoreError> {
        let row = sqlx::query("UPDATE generation SET value = value + 1 WHERE id = 1 RETURNING value")
            .fetch_one(self.connection())
            .await?;
        self.note();
        row.uint("value")
    }

    /// Sets the generation above both the database's and the file's, once the past was fenced off.
    pub async fn raise_generation(&mut self, at_least: u64) -> Result<(), StoreError> {
        sqlx::query("UPDATE generation SET value = $1 WHERE id = 1 AND value < $1")
            .bind(sql::int(at_least))
            .execute(self.connection())
            .await?;
        self.note();
        Ok(())
    }
}
