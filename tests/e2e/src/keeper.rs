//! The keeper as a process of its own, that can be killed and started again over the same files.

use crate::{
    eventually,
    market::SWAPPER,
    pool::MARGIN,
    postgres::Postgres,
    world::{LANES, World},
};
use eyre::{WrapErr, ensure};
use serde_json::Value;
use sqlx::{Connection, SqliteConnection};
use std::{
    fs::{File, OpenOptions},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::Arc,
    time::Duration,
};

/// The engine under the keeper's store.
#[derive(Clone, Debug)]
pub enum Database {
    Sqlite,
    Postgres(Arc<Postgres>),
}

/// The keeper's database on PostgreSQL.
const DATABASE: &str = "keeper";

/// How a keeper is set up.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The binary.
    pub program: PathBuf,
    pub dir: PathBuf,
    pub config: PathBuf,
    pub port: u16,
    lanes: usize,
    database: Database,
    log: String,
    env: Vec<(String, String)>,
}

impl Setup {
    /// [`Setup::over`] SQLite.
    pub fn new(world: &World, program: &Path, lanes: usize, more: &str) -> eyre::Result<Self> {
        Self::over(Database::Sqlite, world, program, lanes, more)
    }

    /// Writes a configuration for `world` in its folder; `more` is TOML that is added to it.
    pub fn over(
        database: Database,
        world: &World,
        program: &Path,
        lanes: usize,
        more: &str,
    ) -> eyre::Result<Self> {
        let dir = world.dir.path().to_owned();
        let port = crate::anvil::free_port()?;
        let config = dir.join("spillway.toml");
        let mut text = format!(
            "deployment = {deployment:?}\n\
             [chain]\nrpc_urls = [{rpc:?}]\nchain_id = {chain}\npoll_interval = \"100ms\"\n\
             [store]\nurl = \"{store}\"\ngeneration_file = \"{dir}/spillway.generation\"\n\
             [api]\nlisten = \"127.0.0.1:{port}\"\n",
            deployment = world.deployment_file,
            rpc = world.anvil.url(),
            chain = world.deployment.chain_id,
            dir = dir.display(),
            store = match &database {
                Database::Sqlite => format!("sqlite://{}/spillway.db", dir.display()),
                Database::Postgres(server) => server.url(DATABASE),
            },
        );
        for lane in 0..lanes {
            text += &format!("[[lanes]]\nprivate_key_env = \"LANE_{lane}\"\n");
        }
        text += more;
        std::fs::write(&config, text)?;
        let log = "keeper.log".to_owned();
        Ok(Self { program: program.to_owned(), dir, config, port, lanes, database, log, env: Vec::new() })
    }

    /// Another keeper on the same store, with files and a port of its own. Each `(old, new)` is replaced in its
    /// configuration.
    pub fn another(&self, name: &str, changes: &[(String, String)]) -> eyre::Result<Self> {
        let port = crate::anvil::free_port()?;
        let mut text = std::fs::read_to_string(&self.config)?
            .replace("spillway.generation", &format!("{name}.generation"))
            .replace(&format!("127.0.0.1:{}", self.port), &format!("127.0.0.1:{port}"));
        for (old, new) in changes {
            text = text.replace(old, new);
        }
        let config = self.dir.join(format!("{name}.toml"));
        std::fs::write(&config, text)?;
        Ok(Self { config, port, log: format!("{name}.log"), ..self.clone() })
    }

    /// What its keeper logged.
    pub fn logged(&self) -> String {
        std::fs::read_to_string(self.dir.join(&self.log)).unwrap_or_default()
    }

    /// Sends the keeper's calls to `url` instead of the chain's own endpoint.
    pub fn through(self, world: &World, url: &str) -> eyre::Result<Self> {
        let text = std::fs::read_to_string(&self.config)?.replace(&world.anvil.url(), url);
        std::fs::write(&self.config, text)?;
        Ok(self)
    }

    /// With a variable more in the keeper's environment.
    pub fn with_env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Copies the database as it is. No keeper may run.
    pub async fn back_up(&self) -> eyre::Result<()> {
        match &self.database {
            Database::Sqlite => {
                // Not the file alone: what a killed keeper committed is still in the log beside it.
                let backup = self.dir.join("backup.db");
                let _ = std::fs::remove_file(&backup);
                let url = format!("sqlite://{}", self.dir.join("spillway.db").display());
                let mut connection = SqliteConnection::connect(&url).await?;
                let statement = format!("VACUUM INTO '{}'", backup.display());
                sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut connection).await?;
                Ok(connection.close().await?)
            }
            Database::Postgres(server) => server.copy(DATABASE, "backup").await,
        }
    }

    /// The database does not know all of its past any more, and the test knows why.
    pub fn past_is_lost(&self) -> eyre::Result<()> {
        Ok(std::fs::write(self.dir.join("restored"), "")?)
    }

    /// Whether that ever was so.
    pub fn was_restored(&self) -> bool {
        self.dir.join("restored").exists()
    }

    /// Puts the copy in the database's place.
    pub async fn restore(&self) -> eyre::Result<()> {
        self.past_is_lost()?;
        match &self.database {
            Database::Sqlite => {
                for file in ["spillway.db", "spillway.db-wal", "spillway.db-shm"] {
                    let _ = std::fs::remove_file(self.dir.join(file));
                }
                std::fs::copy(self.dir.join("backup.db"), self.dir.join("spillway.db"))?;
                Ok(())
            }
            Database::Postgres(server) => server.copy("backup", DATABASE).await,
        }
    }

    pub fn api(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// A command of the keeper's binary with this configuration.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("--config").arg(&self.config).stdin(Stdio::null());
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        for (lane, (_, key)) in LANES.iter().enumerate().take(self.lanes) {
            command.env(format!("LANE_{lane}"), key);
        }
        command.env("MARGIN_KEY", MARGIN.1);
        command.env("SWAP_KEY", SWAPPER.1);
        command
    }

    /// Runs a subcommand to its end.
    pub fn run(&self, args: &[&str]) -> eyre::Result<Output> {
        Ok(waiting(|| self.command().args(args).output())?)
    }

    /// Runs a subcommand with `--json` and reads its answer.
    pub fn json(&self, args: &[&str]) -> eyre::Result<Value> {
        let output = waiting(|| self.command().args(args).arg("--json").output())?;
        serde_json::from_slice(&output.stdout).wrap_err_with(|| {
            format!("spillway {args:?} answered no JSON: {}", String::from_utf8_lossy(&output.stderr))
        })
    }

    /// How many withdrawals stand at `state`.
    pub fn count(&self, state: &str) -> eyre::Result<u64> {
        let status = self.json(&["status"])?;
        status["withdrawals"][state].as_u64().ok_or_else(|| eyre::eyre!("no count of {state} in {status}"))
    }

    /// How many withdrawals have not ended: of one reading, or one that moves on between two would count twice.
    pub fn open(&self) -> eyre::Result<u64> {
        let status = self.json(&["status"])?;
        let count = |state: &&str| status["withdrawals"][state].as_u64();
        let counts: Option<Vec<_>> = ["received", "held", "ready", "batched"].iter().map(count).collect();
        Ok(counts.ok_or_else(|| eyre::eyre!("a count is not in {status}"))?.into_iter().sum())
    }

    /// Waits until no withdrawal is open.
    pub async fn settled(&self, limit: Duration) -> eyre::Result<()> {
        eventually("no withdrawal open", limit, || async { Ok((self.open()? == 0).then_some(())) })
            .await
            .wrap_err_with(|| {
                let status = self.json(&["status"]).unwrap_or_default();
                format!("status: {status}\nthe end of its log:\n{}", self.log_tail())
            })
    }

    /// The swaps in its SQLite: what is sold, what is bought, and the routes as JSON.
    pub async fn swaps(&self) -> eyre::Result<Vec<(String, String, String)>> {
        let url = format!("sqlite://{}", self.dir.join("spillway.db").display());
        let mut connection = SqliteConnection::connect(&url).await?;
        let rows = sqlx::query_as("SELECT sell, buy, routes FROM swaps ORDER BY row_id");
        let rows = rows.fetch_all(&mut connection).await?;
        connection.close().await?;
        Ok(rows)
    }

    /// The last lines that the keepers logged.
    pub fn log_tail(&self) -> String {
        let log = self.logged();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }
}

/// A running keeper; killed when dropped.
#[derive(Debug)]
pub struct Keeper {
    child: Child,
}

impl Keeper {
    /// Starts one. What it logs is added to `keeper.log` in its folder.
    pub fn start(setup: &Setup) -> eyre::Result<Self> {
        Self::start_with(setup, &[])
    }

    /// Starts one that kills itself at a named step.
    pub fn start_with_crash_at(setup: &Setup, step: &str) -> eyre::Result<Self> {
        Self::start_with(setup, &[("SPILLWAY_CRASH_AT", step)])
    }

    fn start_with(setup: &Setup, env: &[(&str, &str)]) -> eyre::Result<Self> {
        let log: File = OpenOptions::new().create(true).append(true).open(setup.dir.join(&setup.log))?;
        let child = setup
            .command()
            .arg("run")
            .envs(env.iter().copied())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .wrap_err_with(|| format!("{} does not start", setup.program.display()))?;
        Ok(Self { child })
    }

    /// Starts one and waits until it takes withdrawals and follows the chain.
    pub async fn start_ready(setup: &Setup) -> eyre::Result<Self> {
        let mut keeper = Self::start(setup)?;
        keeper.ready(setup).await?;
        Ok(keeper)
    }

    pub async fn ready(&mut self, setup: &Setup) -> eyre::Result<()> {
        let url = setup.api("/v1/health/ready");
        for _ in 0..300 {
            if let Some(status) = self.child.try_wait()? {
                let log = setup.logged();
                eyre::bail!("the keeper ended with {status}:\n{log}");
            }
            if reqwest::get(&url).await.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let log = setup.logged();
        eyre::bail!("the keeper is not ready:\n{log}")
    }

    /// SIGKILL: no destructor, no farewell.
    pub fn kill(mut self) -> eyre::Result<()> {
        self.kill_now()
    }

    /// [`Keeper::kill`], for one that is replaced afterwards.
    pub fn kill_now(&mut self) -> eyre::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// The process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it ended by itself.
    pub fn ended(&mut self) -> eyre::Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// SIGSTOP: it stands still where it is.
    pub fn pause(&self) -> eyre::Result<()> {
        signal("-STOP", self.child.id())
    }

    /// SIGCONT.
    pub fn resume(&self) -> eyre::Result<()> {
        signal("-CONT", self.child.id())
    }

    /// SIGHUP: it reads its configuration again.
    pub fn reload(&self) -> eyre::Result<()> {
        signal("-HUP", self.child.id())
    }

    /// SIGTERM, and waits for the end.
    pub fn stop(mut self) -> eyre::Result<()> {
        self.stop_now()
    }

    /// [`Keeper::stop`], for one whose files are still needed.
    pub fn stop_now(&mut self) -> eyre::Result<()> {
        Command::new("kill").arg(self.child.id().to_string()).status()?;
        let status = waiting(|| self.child.wait())?;
        ensure!(status.success(), "the keeper ended with {status}");
        Ok(())
    }
}

fn signal(name: &str, process: u32) -> eyre::Result<()> {
    ensure!(
        Command::new("kill").arg(name).arg(process.to_string()).status()?.success(),
        "kill {name} failed"
    );
    Ok(())
}

impl Drop for Keeper {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for a process. It may ask a server that runs in this runtime, whose tasks must not be stuck behind the wait.
fn waiting<T>(wait: impl FnOnce() -> T) -> T {
    tokio::task::block_in_place(wait)
}
