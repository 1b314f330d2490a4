//! Noticing that the store went back in time.
//!
//! Each keeper counts its generations: one more at each start, and before each first send of an attempt. The count is
//! in the keeper's row, and in a file of its own outside the database, which names the keeper too. The database is
//! advanced first, then the file, then the attempt is sent. So a row that is behind its file was restored from before
//! a send that it does not know; one that is level or ahead was merely left by a crash.
//!
//! A keeper's file speaks for that keeper alone. Of what the others sent it knows nothing: after a restore, the file of
//! a keeper that was idle agrees with the older database as well. So before it pays, a keeper must have the word of
//! the others too:
//!
//! - One that runs (its signs of life advance while one looks; in a restored copy they stand still) speaks for all:
//!   whatever was done since its own start it has seen, because its counters may never go back, and at its own start
//!   it had the word of the others in the same way.
//! - Where none runs, each that ever sent must come to its start and find its own file in agreement. So when a whole
//!   group is restarted, its keepers wait for each other.
//! - One that stays away leaves the past unknown: all lanes are fenced. The fence covers whatever it may have sent, so
//!   nobody waits for its word again until it is back (`retired`).
//!
//! The files cannot tell of a keeper that joined after the backup, whose row is gone with it and whose machine never
//! comes back. Against this stands the server's own identity, which is kept in the database: a dump loaded elsewhere,
//! a point-in-time recovery and a promoted standby all change it, and so does `spillway db restore`. What is left is a
//! copy of the server's files put back in place; the operator's guide asks to delete a generation file then, which
//! fences as well.
//!
//! A keeper that runs looks at all this with each sign of life, and before each send.

use super::{
    Engine, Store, StoreError, Unit,
    leases::{Peer, Tenure},
    sql::{self, Columns},
};
use alloy::primitives::Address;
use sqlx::AssertSqlSafe;
use std::{
    collections::HashMap,
    fs,
    io::Write,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// What the comparison of database, file and the other keepers says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum History {
    /// The database is where it was, or new: nothing was sent that it does not know.
    Continuous,
    /// The database was restored from an older copy.
    WentBack { stored: u64, seen: u64 },
    /// The database is on another server than it was, or was restored.
    OtherServer { stored: String, now: String },
    /// The file is gone: it cannot be told.
    Unknown { stored: u64 },
    /// These keepers sent, and are not here to say whether the database knows all of it.
    Unvouched { absent: Vec<String> },
}

/// The file that keeps a keeper's name and count outside the database. Cheap to clone.
#[derive(Clone, Debug)]
pub struct GenerationFile(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    keeper: String,
    /// The highest generation known; none when there was no file.
    known: Mutex<Option<u64>>,
}

impl GenerationFile {
    /// Reads the file. Where there is none, the keeper gets a new name.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let path = path.into();
        let error = |source| StoreError::File { path: path.display().to_string(), source };
        let (known, keeper) = match fs::read_to_string(&path) {
            Ok(text) => {
                let mut lines = text.lines().map(str::trim);
                let known = lines.next().and_then(|line| line.parse().ok());
                // A file without a name counts as none.
                let keeper = lines.next().filter(|line| !line.is_empty()).map(str::to_owned);
                (known.filter(|_| keeper.is_some()), keeper)
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => (None, None),
            Err(e) => return Err(error(e)),
        };
        let keeper = keeper.unwrap_or_else(|| format!("{:016x}", rand::random::<u64>()));
        Ok(Self(Arc::new(Inner { path, keeper, known: Mutex::new(known) })))
    }

    /// The keeper's name.
    pub fn keeper(&self) -> &str {
        &self.0.keeper
    }

    fn known(&self) -> Option<u64> {
        *self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces the file, durably. It never goes back: of two that are written at once, the higher stays.
    pub fn write(&self, generation: u64) -> Result<(), StoreError> {
        let mut known = self.0.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.is_some_and(|known| known >= generation) {
            return Ok(());
        }
        let path = &self.0.path;
        let next = path.with_extension("generation.next");
        let replace = || -> std::io::Result<()> {
            let mut file = fs::File::create(&next)?;
            writeln!(file, "{generation}\n{}", self.0.keeper)?;
            file.sync_all()?;
            fs::rename(&next, path)?;
            let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
            fs::File::open(folder)?.sync_all()
        };
        replace().map_err(|source| StoreError::File { path: path.display().to_string(), source })?;
        *known = Some(generation);
        Ok(())
    }
}

/// How often a keeper that starts looks for the others.
const LOOK: Duration = Duration::from_millis(200);

impl Store {
    /// Enters this keeper into the store, and tells whether the past is known. It may wait for the other keepers,
    /// for three times the time of a lease.
    pub async fn judge_history(&self, lanes: &[Address]) -> Result<History, StoreError> {
        let Some(tenure) = self.tenure() else { return Ok(History::Continuous) };
        let file = &tenure.generation;
        let peers = self.peers().await?;
        let own = peers.iter().find(|p| p.id == tenure.id()).map_or(0, |p| p.generation);
        self.enter(lanes).await?;
        let (stored, now) = (self.stored_server().await?, self.server().await?);
        if let Some(stored) = stored.filter(|stored| *stored != now) {
            return Ok(History::OtherServer { stored, now });
        }
        match file.known() {
            Some(seen) if own < seen || tenure.is_suspect() => Ok(History::WentBack { stored: own, seen }),
            Some(_) => self.wait_for_word(peers, tenure.lease * 3).await,
            None => {
                let sent = peers.iter().map(|p| p.generation).max().unwrap_or(0);
                // A keeper that joins has no file yet: one that runs can speak for the past.
                if sent == 0 || self.wait_for_running(peers, tenure.lease * 2).await? {
                    Ok(History::Continuous)
                } else {
                    Ok(History::Unknown { stored: sent })
                }
            }
        }
    }

    /// Writes this keeper's row, not running yet.
    async fn enter(&self, lanes: &[Address]) -> Result<(), StoreError> {
        let Some(tenure) = self.tenure() else { return Ok(()) };
        let lanes = lanes.iter().map(|lane| sql::address(*lane)).collect::<Vec<_>>().join(" ");
        sqlx::query(
            "INSERT INTO keepers (id, generation, beat, seen_at, lanes, running, retired) \
             VALUES ($1, 0, 0, 0, $2, 0, 0) \
             ON CONFLICT (id) DO UPDATE SET running = 0, lanes = excluded.lanes",
        )
        .bind(tenure.id())
        .bind(lanes)
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    /// Waits until a keeper that runs shows itself, or every other one that ever sent.
    async fn wait_for_word(&self, before: Vec<Peer>, limit: Duration) -> Result<History, StoreError> {
        let me = self.tenure().map_or("", Tenure::id);
        let others: HashMap<String, i64> = before
            .into_iter()
            .filter(|p| p.id != me && p.generation > 0 && !p.retired)
            .map(|p| (p.id, p.beat))
            .collect();
        let start = Instant::now();
        while !others.is_empty() {
            self.beat().await?;
            let now = self.peers().await?;
            let here = |p: &Peer| others.get(&p.id).is_some_and(|before| p.beat > *before);
            if now.iter().any(|p| p.running && here(p)) {
                break;
            }
            let absent = now.iter().filter(|p| others.contains_key(&p.id) && !here(p));
            let absent: Vec<String> = absent.map(|p| p.id.clone()).collect();
            if absent.is_empty() {
                break;
            }
            if start.elapsed() > limit {
                return Ok(History::Unvouched { absent });
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(History::Continuous)
    }

    /// Waits for a sign of life of a keeper that runs, if one seems to.
    async fn wait_for_running(&self, before: Vec<Peer>, limit: Duration) -> Result<bool, StoreError> {
        if !before.iter().any(|p| p.running && p.live) {
            return Ok(false);
        }
        let beats: HashMap<String, i64> = before.into_iter().map(|p| (p.id, p.beat)).collect();
        let start = Instant::now();
        while start.elapsed() < limit {
            tokio::time::sleep(LOOK).await;
            let now = self.peers().await?;
            if now.iter().any(|p| p.running && beats.get(&p.id).is_some_and(|before| p.beat > *before)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Gives a sign of life. [`StoreError::WentBack`] when the database is not the one that this keeper left.
    pub async fn beat(&self) -> Result<(), StoreError> {
        let Some(tenure) = self.tenure() else { return Ok(()) };
        let statement = format!(
            "UPDATE keepers SET beat = beat + 1, retired = 0, seen_at = {} WHERE id = $1 RETURNING beat, generation",
            self.engine.now_ms()
        );
        let row =
            sqlx::query(AssertSqlSafe(statement)).bind(tenure.id()).fetch_optional(&self.writer).await?;
        let (beat, generation) = match &row {
            Some(row) => (row.int("beat")?, row.uint("generation")?),
            None => (0, 0),
        };
        // An answer that was lost leaves the count further on than this keeper knows: only back is wrong.
        let back =
            !tenure.beat_is_new(beat) || tenure.generation.known().is_some_and(|known| generation < known);
        let stored = self.stored_server().await?;
        let moved = match stored {
            Some(stored) => stored != self.server().await?,
            None => false,
        };
        if back || moved {
            tenure.suspect();
            return Err(StoreError::WentBack);
        }
        Ok(())
    }

    /// The server's identity as it was when it was last known to be the right one.
    async fn stored_server(&self) -> Result<Option<String>, StoreError> {
        self.meta(SERVER).await
    }

    /// What tells the database apart from its copies, as far as the server says: the cluster's identifier, its
    /// timeline (it changes with each recovery and promotion) and the database's own number. A SQLite file has nothing
    /// like it.
    pub async fn server(&self) -> Result<String, StoreError> {
        if self.engine == Engine::Sqlite {
            return Ok("sqlite".to_owned());
        }
        let mut parts = vec!["postgres".to_owned()];
        for question in [
            "SELECT CAST(system_identifier AS TEXT) AS value FROM pg_control_system()",
            "SELECT CAST(substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8) AS TEXT) AS value",
            "SELECT CAST(oid AS TEXT) AS value FROM pg_database WHERE datname = current_database()",
        ] {
            parts.push(match sqlx::query(question).fetch_one(&self.writer).await {
                Ok(row) => row.text("value")?,
                Err(sqlx::Error::Database(e))
                    if e.code().is_some_and(|c| NOT_THERE.contains(&c.as_ref())) =>
                {
                    "unknown".to_owned()
                }
                Err(error) => return Err(error.into()),
            });
        }
        Ok(parts.join("/"))
    }
}

/// The name of the server's identity in `meta`.
pub(super) const SERVER: &str = "server";
/// No such function or table, not for this user, or not in this product (CockroachDB).
const NOT_THERE: [&str; 5] = ["42883", "42P01", "42501", "0A000", "42704"];

impl Unit {
    /// The past is known, or fenced off: from now on this keeper runs. Its generation goes above both the database's
    /// and `at_least`. After the commit the file must follow before anything is sent.
    pub async fn start_generation(&mut self, at_least: u64, server: &str) -> Result<u64, StoreError> {
        self.set_meta(SERVER, server).await?;
        let tenure = self.tenure.clone().ok_or(StoreError::WentBack)?;
        let row = sqlx::query(
            "UPDATE keepers SET running = 1, retired = 0, \
             generation = 1 + CASE WHEN generation < $1 THEN $1 ELSE generation END \
             WHERE id = $2 RETURNING generation",
        )
        .bind(sql::int(at_least))
        .bind(tenure.id())
        .fetch_optional(self.connection())
        .await?
        .ok_or(StoreError::WentBack)?;
        self.note();
        row.uint("generation")
    }

    /// A fence covers whatever the other keepers may have sent. Those that run take it back with their next sign of
    /// life.
    pub async fn retire_others(&mut self) -> Result<(), StoreError> {
        let me = self.tenure.as_ref().map_or(String::new(), |t| t.id().to_owned());
        sqlx::query("UPDATE keepers SET retired = 1 WHERE id <> $1")
            .bind(me)
            .execute(self.connection())
            .await?;
        self.note();
        Ok(())
    }

    /// Advances this keeper's generation. After the commit the file must follow before anything is sent.
    pub async fn advance_generation(&mut self) -> Result<u64, StoreError> {
        let tenure = self.tenure.clone().ok_or(StoreError::WentBack)?;
        let row =
            sqlx::query("UPDATE keepers SET generation = generation + 1 WHERE id = $1 RETURNING generation")
                .bind(tenure.id())
                .fetch_optional(self.connection())
                .await?;
        let generation = row.map_or(Ok(0), |row| row.uint("generation"))?;
        if tenure.generation.known().is_some_and(|known| generation <= known) {
            tenure.suspect();
            return Err(StoreError::WentBack);
        }
        self.note();
        Ok(generation)
    }
}
