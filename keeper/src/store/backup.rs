//! Backups: all rows at one moment, in a form that either engine can read.
//!
//! A backup is text, one JSON value per line, so that it can be looked at, compressed and moved to the other engine:
//!
//! ```text
//! {"spillway_backup":1,"schema":2,"engine":"sqlite","chain_id":"1","vault":"0x..."}
//! {"table":"batches","columns":[["row_id","int"],["kind","text"],["calldata","bytes"]]}
//! [1,"orders","0x1234"]
//! ...
//! {"end":true,"rows":123,"keccak256":"0x..."}
//! ```
//!
//! The rows of a table follow its line, parents before their children. The last line holds the hash of all bytes
//! before it, so that a file that was cut off or damaged is refused before anything is changed. A restored store
//! says so in the place of its server's identity: whichever keeper starts on it fences first.

use super::{
    Engine, Store, StoreError,
    generation::SERVER,
    schema::MIGRATIONS,
    sql::{self, Columns},
};
use alloy::primitives::{B256, Keccak256};
use futures::TryStreamExt;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::{AnyConnection, AssertSqlSafe, any::AnyRow};
use std::{
    fs::File,
    io::{BufRead, BufReader, BufWriter, Write},
    path::Path,
};

/// The form of the file.
const FORMAT: u32 = 1;
/// Rows of one statement, at most.
const PIECE: usize = 200;

/// The first line: what the file is of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    pub spillway_backup: u32,
    pub schema: i64,
    pub engine: String,
    pub chain_id: Option<String>,
    pub vault: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct TableLine {
    table: String,
    columns: Vec<(String, Kind)>,
}

#[derive(Serialize, Deserialize)]
struct EndLine {
    end: bool,
    rows: u64,
    keccak256: B256,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Int,
    Text,
    Bytes,
}

impl Engine {
    fn as_str(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        }
    }
}

impl Store {
    /// Writes all rows to a new file, beside a running keeper. Says how many. `progress` hears it on the way.
    pub async fn back_up(&self, path: &Path, progress: impl Fn(u64)) -> Result<u64, StoreError> {
        let failed = |source| StoreError::File { path: path.display().to_string(), source };
        let partial = path.with_added_extension("partial");
        let file = File::create_new(path).and_then(|_| File::create(&partial)).map_err(failed)?;
        let mut out = Hashed { out: BufWriter::new(file), hash: Keccak256::new() };
        let schema = self.schema().await?.unwrap_or(0);
        let present = self.tables().await?;
        let mut tx = self.snapshot().await?;
        let meta = |row: Option<AnyRow>| row.map(|r| r.text("value")).transpose();
        let ask = "SELECT value FROM meta WHERE name = $1";
        let chain_id = meta(sqlx::query(ask).bind("chain_id").fetch_optional(&mut *tx).await?)?;
        let vault = meta(sqlx::query(ask).bind("vault").fetch_optional(&mut *tx).await?)?;
        let header = Header {
            spillway_backup: FORMAT,
            schema,
            engine: self.engine.as_str().to_owned(),
            chain_id,
            vault,
        };
        out.line(&header).map_err(failed)?;
        let mut count = 0;
        for table in parents_first(self.engine).into_iter().filter(|t| present.contains(t)) {
            let columns = columns(self.engine, &mut tx, &table).await?;
            let names = columns.iter().map(|(name, _)| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
            let statement = format!("SELECT {names} FROM {table} ORDER BY 1, 2");
            out.line(&TableLine { table, columns: columns.clone() }).map_err(failed)?;
            let mut rows = sqlx::query(AssertSqlSafe(statement)).fetch(&mut *tx);
            while let Some(row) = rows.try_next().await? {
                let values = columns
                    .iter()
                    .map(|(name, kind)| kind.read(&row, name))
                    .collect::<Result<Vec<_>, _>>()?;
                out.line(&values).map_err(failed)?;
                count += 1;
                if count % 1_000 == 0 {
                    progress(count);
                }
            }
        }
        let end = EndLine { end: true, rows: count, keccak256: out.hash.clone().finalize() };
        out.line(&end).map_err(failed)?;
        let file = out.out.into_inner().map_err(|e| failed(e.into_error()))?;
        file.sync_all().and_then(|()| std::fs::rename(&partial, path)).map_err(failed)?;
        Ok(count)
    }

    /// Puts a backup's rows into the store, in place of what it holds when `force` says so. Says how many. The schema
    /// becomes the newest. No keeper may run.
    pub async fn restore(&self, path: &Path, force: bool, progress: impl Fn(u64)) -> Result<u64, StoreError> {
        let (header, rows) = verify(path)?;
        let bad = |problem: String| StoreError::BadBackup { path: path.display().to_string(), problem };
        if header.schema > self.engine.newest_schema() {
            return Err(bad(format!("its schema {} is of a newer keeper", header.schema)));
        }
        let holds = self.holds().await?;
        if let Some(what) = holds.filter(|_| !force) {
            return Err(StoreError::NotEmpty(what));
        }
        self.wipe().await?;
        self.migrate_to(header.schema).await?;
        let mut tx = self.writer.begin().await?;
        // A history that was made under these rules is taken as it is; `check` holds its rows against each other.
        let rules = Rules::of(self.engine, &mut tx).await?;
        rules.lift(&mut tx).await?;
        for table in parents_first(self.engine).iter().rev() {
            // What the migrations put there.
            if self.tables().await?.contains(table) {
                sqlx::query(AssertSqlSafe(format!("DELETE FROM {table}"))).execute(&mut *tx).await?;
            }
        }
        let mut target: Option<Target> = None;
        let mut done = 0;
        for line in lines(path)? {
            let line = line?;
            match serde_json::from_str(&line).map_err(|e| bad(e.to_string()))? {
                Value::Array(values) => {
                    let target = target.as_mut().ok_or_else(|| bad("a row without a table".to_owned()))?;
                    target.rows.push(values);
                    done += 1;
                    if target.rows.len() == PIECE {
                        target.flush(self.engine, &mut tx).await?;
                        progress(done);
                    }
                }
                head => {
                    if let Some(mut finished) = target.take() {
                        finished.flush(self.engine, &mut tx).await?;
                    }
                    target = serde_json::from_value(head).ok().map(|of| Target { of, rows: Vec::new() });
                }
            }
        }
        if self.engine == Engine::Postgres {
            continue_numbers(&mut tx).await?;
        }
        sqlx::query(
            "INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        )
        .bind(SERVER)
        .bind(format!("a backup of {}", header.engine))
        .execute(&mut *tx)
        .await?;
        rules.set(&mut tx).await?;
        tx.commit().await?;
        self.migrate().await?;
        Ok(rows)
    }

    /// What the store holds that a restore would replace; none when it is as good as new.
    pub async fn holds(&self) -> Result<Option<String>, StoreError> {
        if self.schema().await?.is_none() {
            return Ok(None);
        }
        if self.tables().await?.iter().any(|t| t == "leases")
            && let Some(lease) = self.leases().await?.into_iter().find(|l| l.holder.is_some())
        {
            return Err(StoreError::InUse(lease.holder.unwrap_or_default()));
        }
        let row = sqlx::query(
            "SELECT (SELECT count(*) FROM withdrawals) AS withdrawals, (SELECT count(*) FROM audit) AS changes",
        )
        .fetch_one(&self.reader)
        .await?;
        let (withdrawals, changes) = (row.uint("withdrawals")?, row.uint("changes")?);
        Ok((changes > 0).then(|| format!("{withdrawals} withdrawals and {changes} changes")))
    }

    /// Removes everything that the migrations made.
    async fn wipe(&self) -> Result<(), StoreError> {
        let present = self.tables().await?;
        let mut connection = self.writer.acquire().await?;
        let cascade = match self.engine {
            Engine::Sqlite => {
                sqlx::query("PRAGMA foreign_keys = OFF").execute(&mut *connection).await?;
                ""
            }
            Engine::Postgres => " CASCADE",
        };
        let tables = parents_first(self.engine).into_iter().chain([MIGRATIONS.to_owned()]);
        for table in tables.filter(|t| present.contains(t)) {
            sqlx::query(AssertSqlSafe(format!("DROP TABLE {table}{cascade}")))
                .execute(&mut *connection)
                .await?;
        }
        for function in self.engine.created("FUNCTION") {
            let statement = format!("DROP FUNCTION IF EXISTS {function}");
            sqlx::query(AssertSqlSafe(statement)).execute(&mut *connection).await?;
        }
        if self.engine == Engine::Sqlite {
            sqlx::query("PRAGMA foreign_keys = ON").execute(&mut *connection).await?;
        }
        Ok(())
    }
}

/// The triggers, which refuse rows that are not made by one change after the other.
struct Rules {
    lift: Vec<String>,
    set: Vec<String>,
}

impl Rules {
    async fn of(engine: Engine, tx: &mut AnyConnection) -> Result<Self, StoreError> {
        let question = match engine {
            Engine::Sqlite => {
                "SELECT 'DROP TRIGGER ' || name AS lift, sql AS put FROM sqlite_master WHERE type = 'trigger'"
            }
            Engine::Postgres => {
                "SELECT DISTINCT 'ALTER TABLE ' || quote_ident(c.relname) || ' DISABLE TRIGGER USER' AS lift, \
                 'ALTER TABLE ' || quote_ident(c.relname) || ' ENABLE TRIGGER USER' AS put \
                 FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
                 WHERE NOT t.tgisinternal AND n.nspname = current_schema()"
            }
        };
        let rows = sqlx::query(question).fetch_all(tx).await?;
        let all =
            |column| -> Result<Vec<String>, StoreError> { rows.iter().map(|row| row.text(column)).collect() };
        Ok(Self { lift: all("lift")?, set: all("put")? })
    }

    async fn lift(&self, tx: &mut AnyConnection) -> Result<(), StoreError> {
        Self::run(&self.lift, tx).await
    }

    async fn set(&self, tx: &mut AnyConnection) -> Result<(), StoreError> {
        Self::run(&self.set, tx).await
    }

    async fn run(statements: &[String], tx: &mut AnyConnection) -> Result<(), StoreError> {
        for statement in statements {
            sqlx::query(AssertSqlSafe(statement.clone())).execute(&mut *tx).await?;
        }
        Ok(())
    }
}

/// Every table, in an order in which no row comes before one that it refers to.
fn parents_first(engine: Engine) -> Vec<String> {
    let mut tables = engine.created("TABLE");
    tables.sort_by_key(|table| table != "batches" && table != "swaps");
    tables.dedup();
    tables
}

async fn columns(
    engine: Engine,
    tx: &mut AnyConnection,
    table: &str,
) -> Result<Vec<(String, Kind)>, StoreError> {
    let statement = match engine {
        Engine::Sqlite => "SELECT name, lower(type) AS type FROM pragma_table_info($1) ORDER BY cid",
        Engine::Postgres => {
            "SELECT CAST(column_name AS TEXT) AS name, CAST(data_type AS TEXT) AS type \
             FROM information_schema.columns WHERE table_schema = current_schema() AND table_name = $1 \
             ORDER BY ordinal_position"
        }
    };
    let rows = sqlx::query(statement).bind(table).fetch_all(tx).await?;
    rows.iter()
        .map(|r| {
            let kind = match r.text("type")?.as_str() {
                "text" => Kind::Text,
                "blob" | "bytea" => Kind::Bytes,
                _ => Kind::Int,
            };
            Ok((r.text("name")?, kind))
        })
        .collect()
}

impl Kind {
    fn read(self, row: &AnyRow, column: &str) -> Result<Value, StoreError> {
        Ok(match self {
            Self::Int => row.int_opt(column)?.into(),
            Self::Text => row.text_opt(column)?.into(),
            Self::Bytes => row.bytes_opt(column)?.map(alloy::hex::encode_prefixed).into(),
        })
    }
}

/// A writer that hashes what passes.
struct Hashed<W> {
    out: W,
    hash: Keccak256,
}

impl<W: Write> Hashed<W> {
    fn line(&mut self, value: &impl Serialize) -> std::io::Result<()> {
        let mut line = serde_json::to_vec(value)?;
        line.push(b'\n');
        self.hash.update(&line);
        self.out.write_all(&line)
    }
}

fn lines(path: &Path) -> Result<impl Iterator<Item = Result<String, StoreError>>, StoreError> {
    let name = path.display().to_string();
    let file = File::open(path).map_err(|source| StoreError::File { path: name.clone(), source })?;
    let failed = move |source| StoreError::File { path: name.clone(), source };
    Ok(BufReader::new(file).lines().map(move |line| line.map_err(&failed)))
}

/// Reads the file to its end: what it is of, and how many rows it has.
pub fn verify(path: &Path) -> Result<(Header, u64), StoreError> {
    let bad = |problem: &str| StoreError::BadBackup {
        path: path.display().to_string(),
        problem: problem.to_owned(),
    };
    let mut lines = lines(path)?;
    let first = lines.next().ok_or_else(|| bad("it is empty"))??;
    let header: Header =
        serde_json::from_str(&first).map_err(|_| bad("its first line is not that of a backup"))?;
    if header.spillway_backup != FORMAT {
        return Err(bad("it is of a form that this keeper does not know"));
    }
    let (mut hash, mut last, mut rows) = (Keccak256::new(), first, 0);
    for line in lines {
        hash.update(&last);
        hash.update(b"\n");
        last = line?;
        rows += u64::from(last.starts_with('['));
    }
    let end: EndLine = serde_json::from_str(&last).map_err(|_| bad("its end is missing: it was cut off"))?;
    if end.rows != rows || end.keccak256 != hash.finalize() {
        return Err(bad("its content is not what was written: it was changed or damaged"));
    }
    Ok((header, rows))
}

/// The table that rows are put into.
struct Target {
    of: TableLine,
    rows: Vec<Vec<Value>>,
}

impl Target {
    async fn flush(&mut self, engine: Engine, tx: &mut AnyConnection) -> Result<(), StoreError> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let columns = &self.of.columns;
        let names = columns.iter().map(|(name, _)| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
        let statement = format!(
            "INSERT INTO {} ({names}) VALUES {}",
            self.of.table,
            sql::tuples(engine, self.rows.len(), columns.len())
        );
        let mut query = sqlx::query(AssertSqlSafe(statement));
        for row in self.rows.drain(..) {
            for ((name, kind), value) in columns.iter().zip(row) {
                query = match kind {
                    Kind::Int => query.bind(value.as_i64()),
                    Kind::Text => query.bind(value.as_str().map(str::to_owned)),
                    Kind::Bytes => {
                        let bytes = value.as_str().map(alloy::hex::decode).transpose();
                        query.bind(bytes.map_err(|_| StoreError::corrupt(name, &value.to_string()))?)
                    }
                };
            }
        }
        query.execute(tx).await?;
        Ok(())
    }
}

/// New rows get numbers above the restored ones.
async fn continue_numbers(tx: &mut AnyConnection) -> Result<(), StoreError> {
    let counted = sqlx::query(
        "SELECT CAST(table_name AS TEXT) AS name FROM information_schema.columns \
         WHERE table_schema = current_schema() AND column_name = 'row_id' AND is_identity = 'YES'",
    )
    .fetch_all(&mut *tx)
    .await?;
    for row in counted {
        let table = row.text("name")?;
        let statement = format!(
            "SELECT setval(pg_get_serial_sequence('{table}', 'row_id'), (SELECT coalesce(max(row_id), 0) + 1 FROM {table}), false)"
        );
        sqlx::query(AssertSqlSafe(statement)).execute(&mut *tx).await?;
    }
    Ok(())
}
