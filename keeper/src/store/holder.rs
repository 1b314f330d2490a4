//! One keeper per SQLite file, and one per generation file: a lock that the operating system releases when its holder dies.

use super::{Store, StoreError};
use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{Read, Seek, Write},
    path::{Path, PathBuf},
};

/// Holds the store for one keeper until it is dropped.
#[derive(Debug)]
pub struct Holder {
    _lock: File,
}

impl Store {
    /// Takes the SQLite file for this process, or says who holds it. PostgreSQL serves several keepers.
    pub fn hold(&self) -> Result<Option<Holder>, StoreError> {
        self.file.as_deref().map(Holder::of).transpose()
    }

    /// The file of [`GenerationFile`](super::generation::GenerationFile): beside the database where that is a file.
    pub fn default_generation_path(&self) -> PathBuf {
        match &self.file {
            Some(database) => beside(database, "generation"),
            None => PathBuf::from("spillway.generation"),
        }
    }
}

impl Holder {
    /// Takes what lies at `held` for this process, or says who has it.
    pub fn of(held: &Path) -> Result<Self, StoreError> {
        let path = beside(held, "lock");
        let error = |source| StoreError::File { path: path.display().to_string(), source };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(error)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                file.read_to_string(&mut holder).map_err(error)?;
                let holder = if holder.trim().is_empty() { "another keeper" } else { holder.trim() };
                return Err(StoreError::Held { path: held.display().to_string(), holder: holder.to_owned() });
            }
            Err(TryLockError::Error(e)) => return Err(error(e)),
        }
        file.set_len(0).and_then(|()| file.rewind()).map_err(error)?;
        let host = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
        writeln!(file, "process {} on {}", std::process::id(), host.trim()).map_err(error)?;
        Ok(Self { _lock: file })
    }
}

fn beside(database: &Path, extension: &str) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    PathBuf::from(name)
}
