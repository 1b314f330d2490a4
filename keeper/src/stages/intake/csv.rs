//! A file of orders: `idempotency_key,asset,recipient,amount` and, if wanted, `deadline`, in any order, one order per
//! line.
//!
//! It is read line by line in bounded memory, so a file may have millions of rows, and a bad line (a megabyte long,
//! an unclosed quote, bytes that are no text) spoils no other. What is no line of an order is an error with the line's
//! number and the field.
//!
//! - [`submit`]: stores a file, all of it or nothing

pub mod lines;
pub mod submit;

use super::{FieldError, RawOrder, check::quoted};
use csv::{ByteRecord, Position, Reader, ReaderBuilder};
use lines::{Line, Lines};
use serde::Serialize;
use std::io::{BufRead, Cursor, SeekFrom};

/// The columns, each of which a file must have once.
pub const COLUMNS: [&str; 4] = ["idempotency_key", "asset", "recipient", "amount"];
/// A column that a file may have.
pub const DEADLINE: &str = "deadline";

/// Why a file cannot be read as orders at all. Nothing of it is stored.
#[derive(Debug, thiserror::Error)]
pub enum CsvError {
    #[error("cannot read the file: {0}")]
    Read(#[from] std::io::Error),
    #[error("the file is empty; write the header {} and one order per line", COLUMNS.join(","))]
    Empty,
    #[error("line {line}, header: {message}")]
    Header { line: u64, code: &'static str, message: String },
    #[error(transparent)]
    Store(#[from] crate::store::StoreError),
}

/// What is wrong with one line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RowError {
    /// Counted from 1, the header included, as editors do.
    pub line: u64,
    #[serde(flatten)]
    pub error: FieldError,
}

/// One line of the file.
#[derive(Debug)]
pub struct Row {
    pub line: u64,
    /// Bytes of the file up to its end.
    pub bytes: u64,
    pub order: Result<RawOrder, FieldError>,
}

/// The orders of a file, in its order.
#[derive(Debug)]
pub struct Orders<R> {
    lines: Lines<R>,
    places: Places,
    fields: Fields,
}

impl<R: BufRead> Orders<R> {
    /// Reads the header.
    pub fn open(reader: R) -> Result<Self, CsvError> {
        let mut lines = Lines::new(reader);
        let mut fields = Fields::new();
        let Some(line) = lines.next(fields.text())? else {
            return Err(CsvError::Empty);
        };
        let fail = |(code, message)| CsvError::Header { line: line.number, code, message };
        if line.too_long {
            return Err(fail(("row_too_long", too_long())));
        }
        fields.split()?;
        let places = read_header(&fields.record).map_err(fail)?;
        Ok(Self { lines, places, fields })
    }

    fn read(&mut self, line: Line) -> Result<RawOrder, FieldError> {
        if line.too_long {
            return Err(FieldError::new("row", "row_too_long", too_long()));
        }
        // Reading from memory, so this does not fail; a row that does is a bad row.
        self.fields
            .split()
            .map_err(|e| FieldError::new("row", "bad_row", format!("{e}; write {}", COLUMNS.join(","))))?;
        if self.fields.record.len() != self.places.columns {
            let message = format!(
                "the row has {} fields, the header has {}; put quotes around a field that contains a comma",
                self.fields.record.len(),
                self.places.columns
            );
            return Err(FieldError::new("row", "wrong_field_count", message));
        }
        let [idempotency_key, asset, recipient, amount] = COLUMNS;
        Ok(RawOrder {
            idempotency_key: self.field(idempotency_key)?,
            asset: self.field(asset)?,
            recipient: self.field(recipient)?,
            amount: self.field(amount)?,
            deadline: self.field(DEADLINE)?,
        })
    }

    fn field(&self, name: &'static str) -> Result<String, FieldError> {
        let mut wanted = COLUMNS.iter().zip(self.places.wanted);
        let place = wanted.find(|(column, _)| **column == name).map(|(_, place)| place);
        let place = place.or(self.places.deadline.filter(|_| name == DEADLINE));
        let bytes = place.and_then(|p| self.fields.record.get(p)).unwrap_or_default();
        std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| {
            let message = "the field holds bytes that are no UTF-8 text; save the file as UTF-8";
            FieldError::new(name, "invalid_utf8", message)
        })
    }
}

impl<R: BufRead> Iterator for Orders<R> {
    type Item = std::io::Result<Row>;

    fn next(&mut self) -> Option<Self::Item> {
        let line = match self.lines.next(self.fields.text()) {
            Ok(line) => line?,
            Err(error) => return Some(Err(error)),
        };
        Some(Ok(Row { line: line.number, bytes: line.bytes, order: self.read(line) }))
    }
}

fn too_long() -> String {
    format!(
        "the row is longer than {} bytes, more than any order needs; look for a missing line break or quote",
        lines::MAX_ROW
    )
}

/// Cuts a line into fields. The reader is kept, because making one costs more than a line.
#[derive(Debug)]
struct Fields {
    reader: Reader<Cursor<Vec<u8>>>,
    record: ByteRecord,
}

impl Fields {
    fn new() -> Self {
        let reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .buffer_capacity(512)
            .from_reader(Cursor::default());
        Self { reader, record: ByteRecord::new() }
    }

    /// The line to be cut.
    fn text(&mut self) -> &mut Vec<u8> {
        self.reader.get_mut().get_mut()
    }

    fn split(&mut self) -> csv::Result<()> {
        self.record.clear();
        self.reader.seek_raw(SeekFrom::Start(0), Position::new())?;
        self.reader.read_byte_record(&mut self.record).map(drop)
    }
}

impl From<csv::Error> for CsvError {
    fn from(error: csv::Error) -> Self {
        Self::Read(error.into())
    }
}

/// Where the columns of a file are.
#[derive(Clone, Copy, Debug)]
struct Places {
    /// The place of each of [`COLUMNS`].
    wanted: [usize; 4],
    deadline: Option<usize>,
    /// How many fields each row has.
    columns: usize,
}

/// Where the columns are, or a code and what is wrong.
fn read_header(record: &ByteRecord) -> Result<Places, (&'static str, String)> {
    let wanted = COLUMNS.join(",");
    let Ok(names) = record.iter().map(std::str::from_utf8).collect::<Result<Vec<_>, _>>() else {
        return Err(("invalid_utf8", "the file is no UTF-8 text; save it as UTF-8".to_owned()));
    };
    let names: Vec<String> = names.iter().map(|n| n.trim().to_ascii_lowercase()).collect();
    if let Some(unknown) = names.iter().find(|n| !COLUMNS.contains(&n.as_str()) && *n != DEADLINE) {
        let message = format!("there is no column {}; the header is {wanted}", quoted(unknown));
        return Err(("unknown_column", message));
    }
    let place_of = |column: &str| {
        let mut found = names.iter().enumerate().filter(|(_, n)| *n == column).map(|(i, _)| i);
        let place = found.next();
        match found.next() {
            None => Ok(place),
            Some(_) => Err(("duplicate_column", format!("the column {column} is there twice; keep one"))),
        }
    };
    let mut places = [0; 4];
    for (column, place) in COLUMNS.iter().zip(&mut places) {
        *place = place_of(column)?.ok_or_else(|| {
            ("missing_column", format!("the column {column} is missing; the header is {wanted}"))
        })?;
    }
    Ok(Places { wanted: places, deadline: place_of(DEADLINE)?, columns: names.len() })
}

#[cfg(test)]
mod tests;
