//! Rows of one dataset, as the columns of a Parquet file.

use crate::store::facts::{Column, Dataset, Kind, Value};
use alloy::primitives::B256;
use parquet::{
    basic::Compression,
    data_type::{ByteArray, ByteArrayType, Int64Type},
    errors::{ParquetError, Result},
    file::{
        metadata::KeyValue,
        properties::WriterProperties,
        reader::{FileReader, SerializedFileReader},
        writer::SerializedFileWriter,
    },
    schema::{parser::parse_message_type, types::Type},
};
use std::{collections::HashMap, fs::File, sync::Arc};

/// The rows that one file gets.
pub(super) struct Table {
    dataset: &'static Dataset,
    columns: Vec<Filled>,
    rows: u64,
    /// States, accounts and assets come again and again: their bytes are kept once.
    known: HashMap<String, ByteArray>,
}

/// The values of a column; a level for each row says whether it has one.
struct Filled {
    values: Values,
    levels: Vec<i16>,
}

enum Values {
    Ints(Vec<i64>),
    Texts(Vec<ByteArray>),
}

/// Longer texts hardly come twice.
const SHARED: usize = 42;
/// Texts that are kept.
const KNOWN: usize = 4_096;
/// The key of a file's metadata that holds the hash of the audit chain at its last change.
const HASH: &str = "spillway.audit";

impl Table {
    pub fn new(dataset: &'static Dataset) -> Self {
        let filled = |column: &Column| Filled {
            values: match column.kind {
                Kind::Int | Kind::Time => Values::Ints(Vec::new()),
                Kind::Text | Kind::Amount => Values::Texts(Vec::new()),
            },
            levels: Vec::new(),
        };
        Self {
            dataset,
            columns: dataset.columns.iter().map(filled).collect(),
            rows: 0,
            known: HashMap::new(),
        }
    }

    pub fn name(&self) -> &'static str {
        self.dataset.name
    }

    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Adds a row, in the order of the dataset's columns.
    pub fn push(&mut self, row: &[Value]) {
        for (filled, value) in self.columns.iter_mut().zip(row) {
            filled.levels.push(i16::from(*value != Value::None));
            match (&mut filled.values, value) {
                (Values::Ints(ints), Value::Int(int)) => ints.push(*int),
                (Values::Texts(texts), Value::Text(text)) => texts.push(shared(&mut self.known, text)),
                _ => {}
            }
        }
        self.rows += 1;
    }

    /// Writes all rows as one row group, and makes them durable. Without rows the file has the schema alone.
    pub fn write(&self, file: File, hash: B256) -> Result<()> {
        let metadata = vec![KeyValue::new(HASH.to_owned(), hash.to_string())];
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_key_value_metadata(Some(metadata))
            .build();
        let mut writer = SerializedFileWriter::new(file, schema(self.dataset)?, Arc::new(properties))?;
        if self.rows == 0 {
            return Ok(writer.into_inner()?.sync_all()?);
        }
        let mut group = writer.next_row_group()?;
        for (column, filled) in self.dataset.columns.iter().zip(&self.columns) {
            let Some(mut out) = group.next_column()? else {
                return Err(ParquetError::General(format!("no column {}", column.name)));
            };
            let levels = (!column.required).then_some(filled.levels.as_slice());
            match &filled.values {
                Values::Ints(ints) => out.typed::<Int64Type>().write_batch(ints, levels, None)?,
                Values::Texts(texts) => out.typed::<ByteArrayType>().write_batch(texts, levels, None)?,
            };
            out.close()?;
        }
        group.close()?;
        writer.into_inner()?.sync_all()?;
        Ok(())
    }
}

fn shared(known: &mut HashMap<String, ByteArray>, text: &str) -> ByteArray {
    if let Some(bytes) = known.get(text) {
        return bytes.clone();
    }
    let bytes = ByteArray::from(text.as_bytes().to_vec());
    if text.len() <= SHARED && known.len() < KNOWN {
        known.insert(text.to_owned(), bytes.clone());
    }
    bytes
}

/// The schema of a dataset's files. Times are UTC, without a zone, so that an hour is the same hour for every reader.
fn schema(dataset: &Dataset) -> Result<Arc<Type>> {
    let mut text = format!("message {} {{", dataset.name);
    for Column { name, kind, required } in dataset.columns {
        let repetition = if *required { "required" } else { "optional" };
        text += &match kind {
            Kind::Int => format!(" {repetition} int64 {name};"),
            Kind::Time => format!(" {repetition} int64 {name} (TIMESTAMP(MILLIS,false));"),
            Kind::Text | Kind::Amount => format!(" {repetition} binary {name} (STRING);"),
        };
    }
    Ok(Arc::new(parse_message_type(&(text + " }"))?))
}

/// The hash of the audit chain at the last change of a file.
pub(super) fn hash_of(file: File) -> Result<Option<B256>> {
    let reader = SerializedFileReader::new(file)?;
    let pairs = reader.metadata().file_metadata().key_value_metadata();
    let value = pairs.and_then(|pairs| pairs.iter().find(|pair| pair.key == HASH)?.value.as_ref());
    Ok(value.and_then(|text| text.parse().ok()))
}
