//! The schema: which one the database has, and bringing it up to date.

use super::{Engine, Store, StoreError};
use sqlx::{Row, migrate::Migrator};

static SQLITE: Migrator = sqlx::migrate!("migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("migrations/postgres");

impl Engine {
    fn migrations(self) -> &'static Migrator {
        match self {
            Self::Sqlite => &SQLITE,
            Self::Postgres => &POSTGRES,
        }
    }

    /// The newest schema that this keeper knows.
    pub fn newest_schema(self) -> i64 {
        self.migrations().iter().map(|m| m.version).max().unwrap_or(0)
    }
}

impl Engine {
    /// What the migrations create of a kind (`TABLE`, `FUNCTION`), in their order, by the newest name. Other programs' tables
    /// may lie in the same database: nothing here touches those.
    pub(super) fn created(self, kind: &str) -> Vec<String> {
        let (start, rename) = (format!("CREATE {kind} "), format!("ALTER {kind} "));
        let mut migrations: Vec<_> = self.migrations().iter().collect();
        migrations.sort_by_key(|m| m.version);
        let mut names = Vec::new();
        for line in migrations.iter().flat_map(|m| m.sql.as_str().lines()) {
            let name = line.strip_prefix(&start).and_then(|rest| rest.split([' ', '(']).next());
            names.extend(name.filter(|n| !n.is_empty()).map(str::to_owned));
            let rename = line.strip_prefix(&rename).and_then(|rest| rest.split_once(" RENAME TO "));
            if let Some((old, new)) = rename
                && let Some(name) = names.iter_mut().find(|name| *name == old)
            {
                *name = new.trim_end_matches(';').to_owned();
            }
        }
        names
    }
}

impl Store {
    /// Brings the schema up to date. Several keepers may do it at once: one does, the others wait.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        self.migrate_to(self.engine.newest_schema()).await
    }

    /// Brings the schema to a version, never back. Another process may be doing the same: on SQLite both try each step, and
    /// the one that comes second to it goes on from there.
    pub(super) async fn migrate_to(&self, version: i64) -> Result<(), StoreError> {
        loop {
            let schema = self.schema().await?;
            // Even to find nothing to do takes the right to create tables, which a keeper need not have.
            if schema == Some(version) {
                return Ok(());
            }
            match self.run_migrations_to(version).await {
                Err(_) if self.schema().await? != schema => {}
                migrated => return migrated,
            }
        }
    }

    async fn run_migrations_to(&self, version: i64) -> Result<(), StoreError> {
        let mut connection = self.writer.acquire().await?;
        if self.engine == Engine::Postgres {
            // Building an index may take its time, and the others wait for it.
            super::set(&mut connection, &["SET statement_timeout = 0", "SET lock_timeout = 0"]).await?;
        }
        self.engine.migrations().run_to(version, &mut *connection).await?;
        if self.engine == Engine::Postgres {
            super::set(&mut connection, &super::SETTINGS).await?;
        }
        Ok(())
    }

    /// The schema that the database has; none when it has no table of ours.
    pub async fn schema(&self) -> Result<Option<i64>, StoreError> {
        if !self.tables().await?.iter().any(|t| t == MIGRATIONS) {
            return Ok(None);
        }
        let row = sqlx::query("SELECT max(version) AS version FROM _sqlx_migrations WHERE success")
            .fetch_one(&self.reader)
            .await?;
        Ok(row.try_get("version")?)
    }

    /// All tables of the database, by name.
    pub(super) async fn tables(&self) -> Result<Vec<String>, StoreError> {
        let statement = match self.engine {
            Engine::Sqlite => {
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
            }
            Engine::Postgres => {
                "SELECT CAST(table_name AS TEXT) AS name FROM information_schema.tables \
                 WHERE table_schema = current_schema() AND table_type = 'BASE TABLE' ORDER BY 1"
            }
        };
        let rows = sqlx::query(statement).fetch_all(&self.reader).await?;
        rows.iter().map(|r| Ok(r.try_get("name")?)).collect()
    }
}

/// The table in which sqlx keeps which migrations were made.
pub(super) const MIGRATIONS: &str = "_sqlx_migrations";
