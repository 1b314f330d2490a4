//! Small helpers over sqlx: placeholders for lists, and columns as domain types.

use super::{Engine, StoreError};
use crate::domain::amount::Amount;
use alloy::primitives::{Address, FixedBytes};
use sqlx::{Row, any::AnyRow};

/// The placeholders of the first `n` values of a statement, as a list: it is bound before all other values. SQLite finds
/// a numbered parameter by going through the names of all, which for thousands takes longer than their rows; so the
/// parameters of a list have no names there.
pub fn placeholders(engine: Engine, n: usize) -> String {
    numbered(engine, 1, n)
}

/// [`placeholders`] in `rows` tuples of `columns`.
pub fn tuples(engine: Engine, rows: usize, columns: usize) -> String {
    let tuple = |row| format!("({})", numbered(engine, row * columns + 1, columns));
    (0..rows).map(tuple).collect::<Vec<_>>().join(", ")
}

/// The rows of [`list`], as `listed.value`, where `parameter` of a statement is such a list.
pub fn listed(engine: Engine, parameter: &str) -> String {
    match engine {
        Engine::Sqlite => format!("json_each({parameter}) AS listed"),
        Engine::Postgres => format!("unnest(CAST({parameter} AS BIGINT[])) AS listed (value)"),
    }
}

/// Whether `column` is in a [`list`]. PostgreSQL takes the index for it whatever size it believes the table to have.
pub fn is_listed(engine: Engine, column: &str, parameter: &str) -> String {
    match engine {
        Engine::Sqlite => format!("{column} IN (SELECT listed.value FROM {})", listed(engine, parameter)),
        Engine::Postgres => format!("{column} = ANY(CAST({parameter} AS BIGINT[]))"),
    }
}

/// Row numbers as one parameter: one statement serves any number of them, and nothing is bound for each.
pub fn list(engine: Engine, rows: &[i64]) -> String {
    let rows = rows.iter().map(i64::to_string).collect::<Vec<_>>().join(",");
    match engine {
        Engine::Sqlite => format!("[{rows}]"),
        Engine::Postgres => format!("{{{rows}}}"),
    }
}

fn numbered(engine: Engine, start: usize, n: usize) -> String {
    match engine {
        Engine::Sqlite => vec!["?"; n].join(", "),
        Engine::Postgres => (start..start + n).map(|i| format!("${i}")).collect::<Vec<_>>().join(", "),
    }
}

/// Cuts a list into pieces of few distinct sizes, so that the statements made for them are few and stay prepared.
pub fn pieces<T>(mut list: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let size = [512, 64, 8, 1].into_iter().find(|size| *size <= list.len())?;
        let (piece, rest) = list.split_at(size);
        list = rest;
        Some(piece)
    })
}

/// A row's columns as domain types; a value that does not parse names its column.
pub trait Columns {
    fn text(&self, column: &str) -> Result<String, StoreError>;
    fn text_opt(&self, column: &str) -> Result<Option<String>, StoreError>;
    fn int(&self, column: &str) -> Result<i64, StoreError>;
    fn int_opt(&self, column: &str) -> Result<Option<i64>, StoreError>;
    fn bytes_opt(&self, column: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// The column read by `read`.
    fn parsed<T>(&self, column: &str, read: impl FnOnce(&str) -> Option<T>) -> Result<T, StoreError> {
        let text = self.text(column)?;
        read(&text).ok_or_else(|| StoreError::corrupt(column, &text))
    }

    /// A number that is never negative.
    fn uint(&self, column: &str) -> Result<u64, StoreError> {
        let value = self.int(column)?;
        u64::try_from(value).map_err(|_| StoreError::corrupt(column, &value.to_string()))
    }

    fn address(&self, column: &str) -> Result<Address, StoreError> {
        self.parsed(column, |s| s.parse().ok())
    }

    fn fixed<const N: usize>(&self, column: &str) -> Result<FixedBytes<N>, StoreError> {
        self.parsed(column, |s| s.parse().ok())
    }

    fn amount(&self, column: &str) -> Result<Amount, StoreError> {
        self.parsed(column, Amount::from_hex)
    }
}

impl Columns for AnyRow {
    fn text(&self, column: &str) -> Result<String, StoreError> {
        Ok(self.try_get(column)?)
    }
    fn text_opt(&self, column: &str) -> Result<Option<String>, StoreError> {
        Ok(self.try_get(column)?)
    }
    fn int(&self, column: &str) -> Result<i64, StoreError> {
        Ok(self.try_get(column)?)
    }
    fn int_opt(&self, column: &str) -> Result<Option<i64>, StoreError> {
        Ok(self.try_get(column)?)
    }
    fn bytes_opt(&self, column: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.try_get(column)?)
    }
}

/// Lower-case hexadecimal with 0x, the form of addresses and hashes in the store.
pub fn hex<const N: usize>(bytes: impl Into<FixedBytes<N>>) -> String {
    format!("{:#x}", bytes.into())
}

/// An address in the store's form.
pub fn address(address: Address) -> String {
    format!("{address:#x}")
}

/// A number in the store's form.
pub fn int(value: u64) -> i64 {
    i64::try_from(value).expect("numbers, blocks and gas stay below 2^63")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_cover_the_list_in_order() {
        for n in [0usize, 1, 7, 8, 9, 63, 64, 65, 600, 1100] {
            let list: Vec<usize> = (0..n).collect();
            assert_eq!(pieces(&list).flatten().copied().collect::<Vec<_>>(), list);
        }
        assert_eq!(tuples(Engine::Postgres, 2, 2), "($1, $2), ($3, $4)");
        assert_eq!(tuples(Engine::Sqlite, 2, 2), "(?, ?), (?, ?)");
    }
}
