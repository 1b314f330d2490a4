//! What a person types.
//!
//! Results go to standard output, logs and progress to standard error. Exit codes: 0 done, 1 failed, 2 wrong usage or
//! configuration, 3 part of the input was refused, 4 chain and books differ.

mod status;
mod submit;

use crate::{
    config::{Config, LogFormat},
    deployment::Deployment,
    keeper,
};
use clap::{Args, Parser, Subcommand};
use std::{path::PathBuf, process::ExitCode};
use tracing_subscriber::EnvFilter;

const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 part of the input refused, \
     4 chain and books differ.";

/// A withdrawal vault's keeper: it pays every withdrawal exactly once, in batches, and can prove it.
#[derive(Debug, Parser)]
#[command(name = "spillway", version, after_help = EXIT_CODES)]
struct Cli {
    /// The configuration file; SPILLWAY_* variables override its keys.
    #[arg(long, global = true, default_value = "spillway.toml", value_name = "FILE")]
    config: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the keeper until SIGINT or SIGTERM.
    #[command(after_help = "Example:\n  spillway --config spillway.toml run")]
    Run,
    /// Submit the orders of a CSV file: idempotency_key,asset,recipient,amount.
    #[command(after_help = "Examples:\n  spillway submit payouts.csv\n  spillway submit payouts.csv --skip-invalid --json")]
    Submit(Submit),
    /// Show where withdrawals stand, or the history of one.
    #[command(after_help = "Examples:\n  spillway status\n  spillway status wd_0123456789abcdef0123456789abcdef --json")]
    Status {
        /// A withdrawal's id or its idempotency key.
        id: Option<String>,
        /// Print one JSON document.
        #[arg(long)]
        json: bool,
    },
    /// Compare chain and books at the last final block.
    #[command(after_help = "Examples:\n  spillway reconcile\n  spillway reconcile --json")]
    Reconcile {
        /// Print one JSON document.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
struct Submit {
    /// The file, with a header line.
    file: PathBuf,
    /// Submit the good rows although others are wrong.
    #[arg(long)]
    skip_invalid: bool,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// The whole program.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let (config, deployment) = match load(&cli.config) {
        Ok(loaded) => loaded,
        Err(error) => {
            eprintln!("error: {error:#}");
            return ExitCode::from(2);
        }
    };
    log(&config);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(act(cli.command, config, deployment)) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn load(path: &std::path::Path) -> eyre::Result<(Config, Deployment)> {
    let config = Config::load(path)?;
    let deployment = Deployment::load(&config.deployment)?;
    Ok((config, deployment))
}

fn log(config: &Config) {
    let filter = EnvFilter::try_new(&config.log.level).unwrap_or_else(|_| EnvFilter::new("info"));
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match config.log.format {
        LogFormat::Text => logs.init(),
        LogFormat::Json => logs.json().init(),
    }
}

async fn act(command: Command, config: Config, deployment: Deployment) -> eyre::Result<u8> {
    match command {
        Command::Run => keeper::run(config, deployment).await.map(|()| 0),
        Command::Submit(args) => submit::run(&args, &config, &deployment).await,
        Command::Status { id, json } => status::run(id.as_deref(), json, &config, &deployment).await,
        Command::Reconcile { json } => {
            let verdict = keeper::reconcile_once(&config, &deployment).await?;
            if json {
                print(&serde_json::to_string(&verdict)?);
            } else if verdict.ok {
                print(&format!("chain and books agree at block {}", verdict.block));
            } else {
                print(&format!("chain and books differ at block {}:", verdict.block));
                verdict.differences.iter().for_each(|d| print(&format!("  {d}")));
            }
            Ok(if verdict.ok { 0 } else { 4 })
        }
    }
}

/// Prints a line; a reader that went away is no error.
fn print(line: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stdout(), "{line}");
}
