//! Leases: which keeper does what only one may do at a time.
//!
//! Several keepers work on one PostgreSQL. Each lane is held by one of them, which signs, sends and confirms there.
//! What must be decided in one place is done by the holder of the lease [`LINE`]: policy, batches, funding (the
//! float is shared, so two who fund at once would spend it twice), and following the final blocks. So a lane's
//! numbers are given by one keeper and its nonces by one keeper, and no row needs to be claimed one by one. Intake
//! runs everywhere. On SQLite one keeper holds all leases, by the same code.
//!
//! A lease expires by the database's clock, so keepers need not agree on the time. Its token grows with each holder.
//! A change that needs a lease reads the lease's row in its own transaction, and keeps it locked until the commit: a
//! keeper that was paused, or cut off, while another took over commits nothing. What it may still do is to send
//! attempts that are durable already, which harms nobody.

use super::{
    Engine, Store, StoreError, Unit,
    generation::GenerationFile,
    sql::{self, Columns},
};
use alloy::primitives::Address;
use sqlx::AssertSqlSafe;
use std::{
    collections::{BTreeMap, HashSet},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

/// The lease of what is done in one place.
pub const LINE: &str = "line";

/// The name of a lane's lease.
pub fn of_lane(lane: Address) -> String {
    sql::address(lane)
}

/// What this process holds, as far as it knows.
#[derive(Debug)]
pub struct Tenure {
    pub generation: GenerationFile,
    /// How long a lease lasts without being renewed.
    pub lease: Duration,
    held: Mutex<BTreeMap<String, Grant>>,
    /// The last sign of life that the database is known to have.
    beat: AtomicI64,
    /// The database went back in time, and no fence stands yet.
    suspect: AtomicBool,
}

/// A lease as its holder knows it.
#[derive(Clone, Copy, Debug)]
struct Grant {
    token: i64,
    /// Counted from before the database was asked: never later than what the database says.
    until: Instant,
}

impl Tenure {
    pub(super) fn new(generation: GenerationFile, lease: Duration) -> Self {
        Self {
            generation,
            lease,
            held: Mutex::default(),
            beat: AtomicI64::new(0),
            suspect: AtomicBool::new(false),
        }
    }

    /// This keeper's name.
    pub fn id(&self) -> &str {
        self.generation.keeper()
    }

    /// Whether this keeper holds a lease now. Only a change in the database can tell for sure.
    pub fn holds(&self, name: &str) -> bool {
        self.held().get(name).is_some_and(|grant| Instant::now() < grant.until)
    }

    /// The leases of which this keeper has not heard that it lost them, whether or not they have run out.
    pub fn names(&self) -> Vec<String> {
        self.held().keys().cloned().collect()
    }

    /// Notes a sign of life. False when the database had a later one before.
    pub(super) fn beat_is_new(&self, beat: i64) -> bool {
        self.beat.swap(beat, Ordering::Relaxed) < beat
    }

    /// The database is not the one that this keeper left: it does nothing until the past is fenced off.
    pub(super) fn suspect(&self) {
        self.suspect.store(true, Ordering::Relaxed);
        self.held().clear();
    }

    pub fn is_suspect(&self) -> bool {
        self.suspect.load(Ordering::Relaxed)
    }

    /// The past is fenced off.
    pub fn trust(&self) {
        self.suspect.store(false, Ordering::Relaxed);
    }

    fn token(&self, name: &str) -> Option<i64> {
        self.held().get(name).map(|grant| grant.token)
    }

    fn lose(&self, name: &str) {
        self.held().remove(name);
    }

    fn held(&self) -> MutexGuard<'_, BTreeMap<String, Grant>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lease_ms(&self) -> i64 {
        i64::try_from(self.lease.as_millis()).unwrap_or(i64::MAX)
    }
}

/// A lease that was taken and is not used yet: see [`Store::hold_lease`].
#[derive(Debug)]
pub struct Taken {
    name: String,
    grant: Grant,
}

/// A keeper as the store knows it.
#[derive(Clone, Debug)]
pub struct Peer {
    pub id: String,
    pub generation: u64,
    pub beat: i64,
    /// Whether it gave a sign of life within the time of a lease.
    pub live: bool,
    pub running: bool,
    pub retired: bool,
    pub lanes: HashSet<String>,
}

/// A lease as the store has it.
#[derive(Clone, Debug)]
pub struct LeaseRow {
    pub name: String,
    /// None when it is free or has run out.
    pub holder: Option<String>,
    /// Milliseconds since it ran out; 0 while it is held.
    pub free_for: i64,
}

impl Engine {
    /// The database's clock in unix milliseconds.
    pub(super) fn now_ms(self) -> &'static str {
        match self {
            Self::Sqlite => "CAST(unixepoch('subsec') * 1000 AS INTEGER)",
            Self::Postgres => "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)",
        }
    }

    /// Keeps the rows that were read as they are until the end of the transaction. SQLite has one writer anyway.
    fn for_share(self) -> &'static str {
        match self {
            Self::Sqlite => "",
            Self::Postgres => " FOR SHARE",
        }
    }
}

impl Store {
    /// The tenure of this process. Commands beside a keeper have none.
    pub fn tenure(&self) -> Option<&Tenure> {
        self.tenure.as_deref()
    }

    /// Every keeper that started on this store, by name.
    pub async fn peers(&self) -> Result<Vec<Peer>, StoreError> {
        let statement = format!(
            "SELECT id, generation, beat, lanes, running, retired, \
             CAST(CASE WHEN seen_at + $1 > {} THEN 1 ELSE 0 END AS BIGINT) AS live FROM keepers ORDER BY id",
            self.engine.now_ms()
        );
        let lease = self.tenure().map_or(0, Tenure::lease_ms);
        let rows = sqlx::query(AssertSqlSafe(statement)).bind(lease).fetch_all(&self.writer).await?;
        rows.iter()
            .map(|r| {
                Ok(Peer {
                    id: r.text("id")?,
                    generation: r.uint("generation")?,
                    beat: r.int("beat")?,
                    live: r.int("live")? != 0,
                    running: r.int("running")? != 0,
                    retired: r.int("retired")? != 0,
                    lanes: r.text("lanes")?.split_whitespace().map(str::to_owned).collect(),
                })
            })
            .collect()
    }

    /// Every lease, by name.
    pub async fn leases(&self) -> Result<Vec<LeaseRow>, StoreError> {
        let statement = format!(
            "SELECT name, holder, {} - expires_at AS free_for FROM leases ORDER BY name",
            self.engine.now_ms()
        );
        let rows = sqlx::query(AssertSqlSafe(statement)).fetch_all(&self.reader).await?;
        rows.iter()
            .map(|r| {
                let free_for = r.int("free_for")?;
                let holder = r.text_opt("holder")?.filter(|_| free_for < 0);
                Ok(LeaseRow { name: r.text("name")?, holder, free_for: free_for.max(0) })
            })
            .collect()
    }

    /// Takes a lease that is free, has run out, or is this keeper's from before a restart. None when another has it.
    pub async fn take_lease(&self, name: &str) -> Result<Option<Taken>, StoreError> {
        let Some(tenure) = self.tenure() else { return Ok(None) };
        let asked = Instant::now();
        let detail = serde_json::json!({ "lease": name, "keeper": tenure.id() });
        let mut unit = self.unit(super::Context::new("keeper/lease", "lease.taken", detail)).await?;
        let now = self.engine.now_ms();
        let statement = format!(
            "UPDATE leases SET holder = $1, token = token + 1, expires_at = {now} + $2 \
             WHERE name = $3 AND (holder IS NULL OR holder = $1 OR expires_at <= {now}) RETURNING token"
        );
        let taken = sqlx::query(AssertSqlSafe(statement))
            .bind(tenure.id())
            .bind(tenure.lease_ms())
            .bind(name)
            .fetch_optional(unit.connection())
            .await?;
        let Some(row) = taken else { return Ok(None) };
        unit.note();
        unit.commit().await?;
        let grant = Grant { token: row.int("token")?, until: asked + tenure.lease };
        Ok(Some(Taken { name: name.to_owned(), grant }))
    }

    /// From now on this keeper does the work of a lease that it took.
    pub fn hold_lease(&self, taken: Taken) {
        if let Some(tenure) = self.tenure() {
            tenure.held().insert(taken.name, taken.grant);
        }
    }

    /// Renews what this keeper holds, and drops what another took meanwhile.
    pub async fn renew_leases(&self) -> Result<(), StoreError> {
        let Some(tenure) = self.tenure() else { return Ok(()) };
        for name in tenure.names() {
            let Some(token) = tenure.token(&name) else { continue };
            let asked = Instant::now();
            let statement = format!(
                "UPDATE leases SET expires_at = {} + $1 WHERE name = $2 AND holder = $3 AND token = $4",
                self.engine.now_ms()
            );
            let renewed = sqlx::query(AssertSqlSafe(statement))
                .bind(tenure.lease_ms())
                .bind(&name)
                .bind(tenure.id())
                .bind(token)
                .execute(&self.writer)
                .await?;
            if renewed.rows_affected() == 1 {
                tenure.held().insert(name, Grant { token, until: asked + tenure.lease });
            } else {
                tenure.lose(&name);
                tracing::warn!(lease = %name, "another keeper took this lease over");
            }
        }
        Ok(())
    }

    /// Gives a lease up, for another keeper to take at once.
    pub async fn release_lease(&self, name: &str) -> Result<(), StoreError> {
        let Some(tenure) = self.tenure() else { return Ok(()) };
        let Some(token) = tenure.token(name) else { return Ok(()) };
        tenure.lose(name);
        self.free(name, tenure.id(), token).await
    }

    /// Gives back a lease that was taken and never used.
    pub async fn return_lease(&self, taken: Taken) -> Result<(), StoreError> {
        let Some(tenure) = self.tenure() else { return Ok(()) };
        self.free(&taken.name, tenure.id(), taken.grant.token).await
    }

    async fn free(&self, name: &str, holder: &str, token: i64) -> Result<(), StoreError> {
        let statement = format!(
            "UPDATE leases SET holder = NULL, expires_at = {} WHERE name = $1 AND holder = $2 AND token = $3",
            self.engine.now_ms()
        );
        sqlx::query(AssertSqlSafe(statement))
            .bind(name)
            .bind(holder)
            .bind(token)
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    /// Gives everything up and says so: the others need not wait for the leases to run out.
    pub async fn sign_off(&self) -> Result<(), StoreError> {
        let Some(tenure) = self.tenure() else { return Ok(()) };
        for name in tenure.names() {
            self.release_lease(&name).await?;
        }
        sqlx::query("UPDATE keepers SET seen_at = 0, running = 0 WHERE id = $1")
            .bind(tenure.id())
            .execute(&self.writer)
            .await?;
        Ok(())
    }
}

impl Unit {
    /// Refuses the change unless this keeper holds the lane's lease.
    pub(super) async fn require_lane(&mut self, lane: Address) -> Result<(), StoreError> {
        self.require(&[&of_lane(lane)]).await
    }

    /// Refuses the change unless this keeper holds the lane's lease or the line's.
    pub(super) async fn require_lane_or_line(&mut self, lane: Address) -> Result<(), StoreError> {
        self.require(&[LINE, &of_lane(lane)]).await
    }

    /// Refuses the change unless this keeper holds the line's lease.
    pub async fn require_line(&mut self) -> Result<(), StoreError> {
        self.require(&[LINE]).await
    }

    /// Refuses the change unless this keeper holds some lease.
    pub(super) async fn require_any(&mut self) -> Result<(), StoreError> {
        let names = self.tenure.as_ref().map(|tenure| tenure.names()).unwrap_or_default();
        let names: Vec<&str> = names.iter().map(String::as_str).chain([LINE]).collect();
        self.require(&names).await
    }

    async fn require(&mut self, any_of: &[&str]) -> Result<(), StoreError> {
        if any_of.iter().any(|name| self.proven.iter().any(|p| p == name)) {
            return Ok(());
        }
        let lost = || StoreError::LeaseLost { lease: any_of[any_of.len() - 1].to_owned() };
        let Some(tenure) = self.tenure.clone() else { return Err(lost()) };
        for name in any_of {
            let Some(token) = tenure.token(name) else { continue };
            let statement = format!(
                "SELECT token FROM leases WHERE name = $1 AND holder = $2 AND token = $3{}",
                self.engine.for_share()
            );
            let still = sqlx::query(AssertSqlSafe(statement))
                .bind(*name)
                .bind(tenure.id())
                .bind(token)
                .fetch_optional(self.connection())
                .await?;
            if still.is_some() {
                self.proven.push((*name).to_owned());
                return Ok(());
            }
            tenure.lose(name);
        }
        Err(lost())
    }
}
