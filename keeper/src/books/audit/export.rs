//! The audit chain in a file, for whoever checks it elsewhere: one JSON value per line.
//!
//! ```text
//! {"spillway_audit":1,"chain_id":1,"vault":"0x...","deployed_at":19000000,"final_block":19500000}
//! {"seq":1,"at":1700000000000,"actor":"keeper/fence","action":"keeper.started","detail":"{...}","digest":"0x...","hash":"0x..."}
//! ...
//! {"changes":4711,"head":"0x..."}
//! ```
//!
//! The file needs no hash of its own: each change is bound by the next, and the last line by the chain.

use super::change::{Broken, Change, Follower};
use alloy::primitives::{Address, B256};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    fs::File,
    io::{BufRead, BufReader, BufWriter, Lines, Write},
    path::{Path, PathBuf},
};

/// The form of the file.
const FORMAT: u32 = 1;

/// The first line: whose books these are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    spillway_audit: u32,
    pub chain_id: u64,
    pub vault: Address,
    /// No event of the vault is older.
    pub deployed_at: u64,
    /// The last block that was in the books; none when none was.
    pub final_block: Option<u64>,
}

impl Header {
    pub fn new(chain_id: u64, vault: Address, deployed_at: u64, final_block: Option<u64>) -> Self {
        Self { spillway_audit: FORMAT, chain_id, vault, deployed_at, final_block }
    }
}

#[derive(Serialize, Deserialize)]
struct End {
    changes: i64,
    head: B256,
}

/// Why a file is not read or written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error("{path}: {source}")]
    File { path: String, source: std::io::Error },
    #[error("{path}, line {line}: {problem}; it is no file of `spillway audit export`")]
    Form { path: String, line: u64, problem: String },
}

/// Writes a file. Until [`Writer::finish`] its last line is missing, so that a half of it is not taken for the whole.
pub struct Writer {
    out: BufWriter<File>,
    path: PathBuf,
}

impl Writer {
    pub fn create(path: &Path, header: &Header) -> Result<Self, ExportError> {
        let file = File::create_new(path).map_err(|source| failed(path, source))?;
        let mut writer = Self { out: BufWriter::new(file), path: path.to_owned() };
        writer.line(header)?;
        Ok(writer)
    }

    pub fn change(&mut self, change: &Change) -> Result<(), ExportError> {
        self.line(change)
    }

    pub fn finish(mut self, changes: i64, head: B256) -> Result<(), ExportError> {
        self.line(&End { changes, head })?;
        let file = self.out.into_inner().map_err(|e| failed(&self.path, e.into_error()))?;
        file.sync_all().map_err(|source| failed(&self.path, source))
    }

    fn line(&mut self, value: &impl Serialize) -> Result<(), ExportError> {
        serde_json::to_writer(&mut self.out, value)
            .map_err(std::io::Error::from)
            .and_then(|()| self.out.write_all(b"\n"))
            .map_err(|source| failed(&self.path, source))
    }
}

/// Follows a file from its first change to its last. `seen` hears each change that holds. The outer error is of the
/// file, the inner one of what it says.
pub fn follow(
    path: &Path,
    mut seen: impl FnMut(&Change),
) -> Result<(Header, Result<Follower, Broken>), ExportError> {
    let mut reader = Reader::open(path)?;
    let header: Header = reader.value()?.ok_or_else(|| reader.form("it is empty"))?;
    if header.spillway_audit != FORMAT {
        return Err(reader.form("this program does not know the form"));
    }
    let mut follower = Follower::default();
    let mut end: Option<End> = None;
    while let Some(line) = reader.line()? {
        if end.is_some() {
            return Err(reader.form("there is something behind the end"));
        }
        if line.starts_with("{\"changes\"") {
            end = Some(reader.parse(&line)?);
            continue;
        }
        let change = reader.parse(&line)?;
        if let Err(broken) = follower.follow(&change) {
            return Ok((header, Err(broken)));
        }
        seen(&change);
    }
    let Some(End { changes, head }) = end else {
        let next = follower.changes + 1;
        return Ok((header, Err(Broken::at(next, format!("the file is cut off before change {next}")))));
    };
    let ended = follower.end(changes, head);
    Ok((header, ended.map(|()| follower)))
}

/// A file's first line.
pub fn header(path: &Path) -> Result<Header, ExportError> {
    let mut reader = Reader::open(path)?;
    reader.value()?.ok_or_else(|| reader.form("it is empty"))
}

struct Reader<'a> {
    lines: Lines<BufReader<File>>,
    path: &'a Path,
    at: u64,
}

impl<'a> Reader<'a> {
    fn open(path: &'a Path) -> Result<Self, ExportError> {
        let file = File::open(path).map_err(|source| failed(path, source))?;
        Ok(Self { lines: BufReader::new(file).lines(), path, at: 0 })
    }

    fn line(&mut self) -> Result<Option<String>, ExportError> {
        self.at += 1;
        self.lines.next().transpose().map_err(|source| failed(self.path, source))
    }

    fn value<T: DeserializeOwned>(&mut self) -> Result<Option<T>, ExportError> {
        self.line()?.map(|line| self.parse(&line)).transpose()
    }

    fn parse<T: DeserializeOwned>(&self, line: &str) -> Result<T, ExportError> {
        serde_json::from_str(line).map_err(|e| self.form(&e.to_string()))
    }

    fn form(&self, problem: &str) -> ExportError {
        let path = self.path.display().to_string();
        ExportError::Form { path, line: self.at, problem: problem.to_owned() }
    }
}

fn failed(path: &Path, source: std::io::Error) -> ExportError {
    ExportError::File { path: path.display().to_string(), source }
}
