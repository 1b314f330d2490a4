//! The store: everything that matters, durable before it has an effect outside.
//!
//! One schema over two engines, SQLite (embedded) and PostgreSQL, reached through `sqlx::Any` with the same SQL.
//! All changes go through a [`Unit`]: one database transaction that also appends who did what to the
//! audit chain, the transitions it made and the postings that go with them.
//!
//! - [`unit`]: the unit of change, the audit chain, moves of withdrawals and batches
//! - [`withdrawals`], [`batches`], [`lanes`], [`slots`], [`estimates`], [`progress`]: the questions that the stages ask
//! - [`listing`], [`changes`], [`cancel`], [`api_keys`]: what the API asks for beside those
//! - [`leases`]: which of several keepers does what
//! - [`generation`]: noticing that the store went back in time
//! - [`holder`]: one keeper per SQLite file, and per generation file
//! - [`history`]: the audit chain, read back; [`compare`]: what a comparison with the chain asks
//! - [`facts`], [`statement`]: what the analytics export and the statement of a day read
//! - [`margin`]: what the keeper knows of margin pools
//! - [`reviews`], [`announcements`]: what approvers are asked, sign and refuse
//! - [`duties`]: what accounts beside the lanes signed
//! - [`swaps`]: swaps of the vault's float
//! - [`pauses`]: assets that are not settled
//! - [`webhooks`]: what is still to be told; [`traces`]: how far ways were sent as spans
//! - [`schema`], [`integrity`], [`backup`], [`grants`]: what `spillway db` does

pub mod announcements;
pub mod api_keys;
pub mod backup;
pub mod batches;
pub mod cancel;
pub mod changes;
pub mod compare;
pub mod demand;
mod differences;
pub mod duties;
pub mod estimates;
pub mod facts;
pub mod generation;
pub mod grants;
mod history;
pub mod holder;
pub mod integrity;
mod known;
pub mod lanes;
pub mod leases;
pub mod listing;
pub mod margin;
pub mod oracle;
pub mod overview;
pub mod pauses;
pub mod progress;
pub mod refills;
pub mod reviews;
pub mod schema;
pub mod slots;
mod sql;
pub mod statement;
pub mod swaps;
mod traces;
pub mod unit;
pub mod webhooks;
pub mod withdrawals;

pub use unit::{Context, Unit};

use alloy::primitives::Address;
use generation::GenerationFile;
use leases::Tenure;
use sqlx::{Any, AnyConnection, AnyPool, Connection, Transaction, any::AnyPoolOptions};
use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::time::{sleep, timeout};

/// Why the store did not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("database: {0}")]
    Database(sqlx::Error),
    #[error(
        "the database's files are damaged: {0}; stop the keeper, look with `spillway db check`, and put back a backup with `spillway db restore`"
    )]
    Damaged(sqlx::Error),
    #[error(
        "store.url: the database refuses this keeper: {0}; correct the address, or give its user the database and the rights on it"
    )]
    Denied(sqlx::Error),
    #[error("database migration: {0}; a newer keeper may have written this store")]
    Migrate(sqlx::migrate::MigrateError),
    #[error("column {column} holds '{value}', which this keeper cannot read; restore a backup or report it")]
    Corrupt { column: String, value: String },
    #[error("{what} changed under this step; it is read again")]
    Stale { what: String },
    #[error("another keeper holds the lease of {lease}; what was begun here is left to it")]
    LeaseLost { lease: String },
    #[error("the database went back in time under this keeper; everything is fenced before anything is paid")]
    WentBack,
    #[error("{what} may not go from {from} to {to}")]
    BadTransition { what: String, from: String, to: String },
    #[error(
        "the store belongs to vault {stored_vault} on chain {stored_chain}, the configuration names vault {vault} on chain {chain}; use another store.url or the right deployment"
    )]
    OtherVault { stored_chain: String, stored_vault: String, chain: u64, vault: Address },
    #[error("store.url '{0}': expected sqlite://FILE or postgres://USER@HOST/DATABASE")]
    BadUrl(String),
    #[error("{path} is no whole backup: {problem}; nothing was changed")]
    BadBackup { path: String, problem: String },
    #[error("the store holds {0}; name an empty one as store.url, or say --force to replace what it holds")]
    NotEmpty(String),
    #[error("keeper {0} runs on this store; stop it first")]
    InUse(String),
    #[error(
        "SQLite has no roles; whoever may write its file may write all of it, and its triggers refuse what changes history"
    )]
    NoRoles,
    #[error("{path}: {source}")]
    File { path: String, source: std::io::Error },
    #[error(
        "{path} is held by {holder}; stop that keeper first, or give this one its own store.url (on PostgreSQL: its own store.generation_file)"
    )]
    Held { path: String, holder: String },
}

/// SQLite: malformed, not a database. PostgreSQL: data or index corrupted.
const DAMAGED: [&str; 4] = ["11", "26", "XX001", "XX002"];

/// PostgreSQL: no such database, no right to it.
const DENIED: [&str; 2] = ["3D000", "42501"];
/// PostgreSQL: the classes of a failed login.
const LOGIN: &str = "28";
/// PostgreSQL: the classes of connections, of resources, and of an operator's intervention (it starts, it stops). SQLite:
/// busy, locked. And a server that takes no change now: a standby, or one that is set so.
const PASSING: [&str; 7] = ["08", "53", "57P", "25006", LOCK_NOT_AVAILABLE, SQLITE_BUSY, "6"];
/// SQLite: another process has the file locked.
const SQLITE_BUSY: &str = "5";
/// PostgreSQL: a lock was waited for longer than [`LOCK_TIMEOUT`].
const LOCK_NOT_AVAILABLE: &str = "55P03";

/// SQLite refused to write. A connection that it opened while the file could only be read stays so for good, so that the
/// writer's is tried before it is used again.
static READ_ONLY: AtomicBool = AtomicBool::new(false);
/// SQLite: only to be read. The low eight bits of what it says.
const READ_ONLY_CODE: u32 = 8;

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let code = error.as_database_error().and_then(|e| e.code()).unwrap_or_default().into_owned();
        if code.parse().is_ok_and(|code: u32| code & 0xff == READ_ONLY_CODE) {
            READ_ONLY.store(true, Ordering::Relaxed);
        }
        if DAMAGED.contains(&code.as_str()) {
            Self::Damaged(error)
        } else if DENIED.contains(&code.as_str())
            || code.starts_with(LOGIN)
            || matches!(error, sqlx::Error::Configuration(_))
        {
            Self::Denied(error)
        } else {
            Self::Database(error)
        }
    }
}

impl From<sqlx::migrate::MigrateError> for StoreError {
    fn from(error: sqlx::migrate::MigrateError) -> Self {
        match error {
            sqlx::migrate::MigrateError::Execute(cause) => cause.into(),
            other => Self::Migrate(other),
        }
    }
}

impl StoreError {
    fn corrupt(column: &str, value: &str) -> Self {
        Self::Corrupt { column: column.to_owned(), value: value.chars().take(80).collect() }
    }

    fn stale(what: impl Into<String>) -> Self {
        Self::Stale { what: what.into() }
    }

    /// The database does not answer, or cannot serve now: waiting may mend it, at the start too.
    pub fn may_pass(&self) -> bool {
        let Self::Database(error) = self else { return false };
        match error {
            sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::WorkerCrashed => true,
            sqlx::Error::Database(e) => e.code().is_some_and(|code| {
                PASSING.iter().any(|class| *class == code || class.len() > 1 && code.starts_with(class))
            }),
            _ => false,
        }
    }

    fn is_lock_timeout(&self) -> bool {
        self.has_code(&[LOCK_NOT_AVAILABLE])
    }

    fn has_code(&self, codes: &[&str]) -> bool {
        let Self::Database(sqlx::Error::Database(e)) = self else { return false };
        e.code().is_some_and(|code| codes.contains(&code.as_ref()))
    }

    /// Somebody else changed the rows first, or the database asks to repeat (a deadlock, a serialization conflict, a lock
    /// that another holds for too long): nothing was stored, and the step is simply done again.
    pub fn is_stale(&self) -> bool {
        matches!(self, Self::Stale { .. } | Self::LeaseLost { .. })
            || self.has_code(&["40001", "40P01", LOCK_NOT_AVAILABLE])
    }
}

/// How long a change waits for its turn, as on SQLite.
const QUEUE_PATIENCE: Duration = SQLITE_PATIENCE;
/// How long a statement waits for a connection.
const SQLITE_PATIENCE: Duration = Duration::from_secs(30);
const POSTGRES_PATIENCE: Duration = Duration::from_secs(5);

/// The engine behind the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
}

/// An open store. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    /// Changes: one connection on SQLite, so that writers queue here rather than in the database.
    writer: AnyPool,
    /// Questions: SQLite's write-ahead log lets them run beside a writer.
    reader: AnyPool,
    engine: Engine,
    /// The SQLite file, where there is one.
    file: Option<PathBuf>,
    tenure: Option<Arc<Tenure>>,
}

impl Store {
    /// Opens the store at `url` (`sqlite://FILE`, created when absent, or `postgres://...`) and brings its schema
    /// up to date.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        let store = Self::connect(url).await?;
        store.migrate().await?;
        Ok(store)
    }

    /// Opens the store at `url` with its schema as it is.
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        sqlx::any::install_default_drivers();
        let engine = if url.starts_with("sqlite:") {
            Engine::Sqlite
        } else if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            Engine::Postgres
        } else {
            return Err(StoreError::BadUrl(url.to_owned()));
        };
        let (writer, reader, file) = match engine {
            Engine::Sqlite => {
                let path = url.trim_start_matches("sqlite:").trim_start_matches("//");
                let path = PathBuf::from(path.split('?').next().unwrap_or(path));
                if path.as_os_str().is_empty() {
                    return Err(StoreError::BadUrl(url.to_owned()));
                }
                let url = format!("sqlite://{}?mode=rwc", path.display());
                probe_file(&url).await?;
                (sqlite_pool(1, &url).await?, sqlite_pool(4, &url).await?, Some(path))
            }
            Engine::Postgres => {
                probe(url, &SETTINGS, POSTGRES_PATIENCE).await?;
                let pool = postgres_pool(url).await?;
                (pool.clone(), pool, None)
            }
        };
        Ok(Self { writer, reader, engine, file, tenure: None })
    }

    /// The store as the keeper that `generation` names uses it: with leases that last for `lease`.
    pub fn for_keeper(self, generation: GenerationFile, lease: Duration) -> Self {
        Self { tenure: Some(Arc::new(Tenure::new(generation, lease))), ..self }
    }

    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// Ties the store to one vault on one chain, or refuses when it is tied to another.
    pub async fn bind_to_vault(&self, chain_id: u64, vault: Address) -> Result<(), StoreError> {
        let chain = self.meta_or_insert("chain_id", &chain_id.to_string()).await?;
        let stored_vault = self.meta_or_insert("vault", &sql::address(vault)).await?;
        if chain != chain_id.to_string() || stored_vault != sql::address(vault) {
            return Err(StoreError::OtherVault { stored_chain: chain, stored_vault, chain: chain_id, vault });
        }
        Ok(())
    }

    async fn meta_or_insert(&self, name: &str, value: &str) -> Result<String, StoreError> {
        sqlx::query("INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING")
            .bind(name)
            .bind(value)
            .execute(&self.writer)
            .await?;
        Ok(sqlx::query_scalar("SELECT value FROM meta WHERE name = $1")
            .bind(name)
            .fetch_one(&self.writer)
            .await?)
    }

    /// What is kept under a name.
    pub async fn meta(&self, name: &str) -> Result<Option<String>, StoreError> {
        let found = sqlx::query_scalar("SELECT value FROM meta WHERE name = $1").bind(name);
        Ok(found.fetch_optional(&self.writer).await?)
    }

    /// A reader's transaction that sees one moment, however long it takes.
    async fn snapshot(&self) -> Result<Transaction<'static, Any>, StoreError> {
        if self.engine == Engine::Sqlite {
            return Ok(self.reader.begin().await?);
        }
        let mut tx = self.reader.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
        for setting in
            ["SET LOCAL statement_timeout = 0", "SET LOCAL idle_in_transaction_session_timeout = 0"]
        {
            sqlx::query(setting).execute(&mut *tx).await?;
        }
        Ok(tx)
    }

    /// Waits for running statements and closes. On SQLite the write-ahead log is folded into the file.
    pub async fn close(self) {
        self.reader.close().await;
        self.writer.close().await;
    }
}

/// WAL lets readers run beside the writer; `synchronous = FULL` makes a commit survive a power cut. The log is folded into the
/// file every 16 MiB, not every four: among many rows each commit touches hundreds of pages, most of them again soon.
const PRAGMAS: [&str; 7] = [
    "PRAGMA busy_timeout = 30000",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA cache_size = -65536",
    "PRAGMA wal_autocheckpoint = 4096",
];

async fn set(connection: &mut AnyConnection, settings: &[&'static str]) -> Result<(), sqlx::Error> {
    for setting in settings {
        sqlx::query(*setting).execute(&mut *connection).await?;
    }
    Ok(())
}

/// Connects once. A pool tries again until its time is over, and then it has no cause to tell.
async fn probe(url: &str, settings: &[&'static str], limit: Duration) -> Result<(), StoreError> {
    let once = async {
        let mut connection = AnyConnection::connect(url).await?;
        set(&mut connection, settings).await?;
        connection.close().await
    };
    Ok(timeout(limit, once).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))?)
}

/// Where two open a file that has no write-ahead log yet, each reads it and waits for the other to end: SQLite answers
/// "locked" to one of them at once, whatever its timeout is. That one tries again.
async fn probe_file(url: &str) -> Result<(), StoreError> {
    let start = Instant::now();
    loop {
        match probe(url, &PRAGMAS, SQLITE_PATIENCE).await {
            Err(error) if error.has_code(&[SQLITE_BUSY]) && start.elapsed() < SQLITE_PATIENCE => {
                sleep(Duration::from_millis(20)).await;
            }
            probed => return probed,
        }
    }
}

async fn sqlite_pool(connections: u32, url: &str) -> Result<AnyPool, StoreError> {
    let pool = AnyPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(SQLITE_PATIENCE)
        .idle_timeout(None)
        .max_lifetime(None)
        // On a full disk SQLite takes a transaction back by itself, and sqlx waits for its end for ever: such a
        // connection is of no use any more.
        .before_acquire(move |connection, _| {
            Box::pin(async move {
                if connection.is_in_transaction() {
                    return Ok(false);
                }
                // The writer is one.
                if connections == 1
                    && READ_ONLY.swap(false, Ordering::Relaxed)
                    && let Err(error) = set(connection, &["BEGIN IMMEDIATE", "ROLLBACK"]).await
                {
                    READ_ONLY.store(true, Ordering::Relaxed);
                    return Err(error);
                }
                Ok(true)
            })
        })
        .after_connect(|connection, _| Box::pin(set(connection, &PRAGMAS)))
        .connect(url)
        .await?;
    Ok(pool)
}

/// A session of a keeper that was paused or cut off inside a transaction holds locks that all others need: the server
/// ends it after so long. No change here waits for anything but the database.
const IDLE_IN_TRANSACTION: &str = "SET idle_in_transaction_session_timeout = '5s'";
/// Changes queue for [`Store::unit`]'s lock. Without a limit each of a paused keeper's would come to its turn, and stand idle
/// there in turn. A row's lock takes two waits, in the queue and for its holder: both are over before that.
const LOCK_TIMEOUT: &str = "SET lock_timeout = '2s'";
const STATEMENT_TIMEOUT: &str = "SET statement_timeout = '60s'";
const SETTINGS: [&str; 3] = [IDLE_IN_TRANSACTION, LOCK_TIMEOUT, STATEMENT_TIMEOUT];

/// A connection that broke is replaced by the next that is asked for.
async fn postgres_pool(url: &str) -> Result<AnyPool, StoreError> {
    let pool = AnyPoolOptions::new()
        .max_connections(8)
        .acquire_timeout(POSTGRES_PATIENCE)
        .after_connect(|connection, _| Box::pin(set(connection, &SETTINGS)))
        .connect(url)
        .await?;
    Ok(pool)
}
