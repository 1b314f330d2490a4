//! What a person types.
//!
//! Results go to standard output, logs and progress to standard error. With `--json` a result is one JSON document.
//!
//! - [`args`] holds the commands, their help and examples
//! - [`submit`], [`status`], [`explain`], [`reconcile`], [`recover`], [`export`], [`report`], [`check`], [`oracle`], [`audit`],
//!   [`keys`], [`review`], [`govern`], [`margin`], [`swap`], [`refill`], [`webhooks`], [`manual`], [`top`] and [`db`]
//!   are a command each; `run` is [`crate::keeper`]
//! - [`client`] asks a running keeper
//! - [`send`] does what is said with transactions that a command prepares
//! - [`exit`] holds the exit codes
//! - [`output`] prints

pub mod args;
mod audit;
mod check;
mod client;
mod db;
mod exit;
mod explain;
mod export;
mod govern;
mod keys;
mod manual;
mod margin;
mod oracle;
mod output;
mod reconcile;
mod recover;
mod refill;
mod report;
mod review;
mod send;
mod status;
mod submit;
mod swap;
mod top;
mod webhooks;

use crate::{
    config::{ApiConfig, Config},
    deployment::Deployment,
    keeper,
    observe::Logs,
    store::{Context, Store, StoreError},
};
use args::{AuditCommand, Cli, Command, ConfigCommand, OracleCommand};
use clap::Parser;
use exit::Exit;
use std::process::ExitCode;

/// The whole program.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let done = runtime.map_err(eyre::Report::from).and_then(|runtime| runtime.block_on(act(cli)));
    match done {
        Ok(exit) => exit.into(),
        Err(error) => {
            output::error(&error);
            Exit::of(&error).into()
        }
    }
}

async fn act(cli: Cli) -> eyre::Result<Exit> {
    // What needs no configuration.
    match &cli.command {
        Command::Oracle { command: OracleCommand::Replay(args) } => return oracle::replay(args),
        Command::Openapi => return manual::openapi(),
        Command::Completions(args) => return manual::completions(args.shell),
        Command::Man => return manual::man(),
        _ => {}
    }
    if let Command::Audit { command: AuditCommand::Verify(args) } = &cli.command
        && let (Some(file), Some(rpc)) = (&args.export, &args.rpc)
    {
        let at_hand = Config::load(&cli.config).ok().and_then(|c| Deployment::load(&c.deployment).ok());
        return audit::verify_alone(args, file, rpc, at_hand.as_ref()).await;
    }
    // Whoever approves elsewhere has no configuration.
    if let Command::Review { command } = &cli.command
        && command.keeper().url.is_some()
    {
        return review::run(command, &ApiConfig::default()).await;
    }
    let config = Config::load(&cli.config)?;
    let logs = Logs::start(&config);
    let deployment = Deployment::load(&config.deployment)?;
    let governance = govern::Governance::new;
    match cli.command {
        Command::Run => {
            let read = || {
                let config = Config::load(&cli.config)?;
                logs.hide(&config);
                let deployment = Deployment::load(&config.deployment)?;
                check::beside_the_file(&config, &deployment)?;
                Ok((config, deployment))
            };
            keeper::run(config, deployment, read, |config| logs.follow(config)).await.map(|()| Exit::Done)
        }
        Command::Submit(args) => submit::run(&args, &config, &deployment).await,
        Command::Explain(args) => explain::run(&args, &config, &deployment).await,
        Command::Status(args) => status::run(&args, &config, &deployment).await,
        Command::Reconcile(args) => reconcile::run(&args, &config, &deployment).await,
        Command::Oracle { command: OracleCommand::Check(args) } => {
            oracle::check(&args, &config, &deployment).await
        }
        Command::Export(args) => export::run(&args, &config, &deployment).await,
        Command::Report(args) => report::run(&args, &config, &deployment).await,
        Command::Recover(args) => recover::run(&args, &config, &deployment).await,
        Command::Audit { command: AuditCommand::Verify(args) } => {
            audit::verify(&args, &config, &deployment).await
        }
        Command::Audit { command: AuditCommand::Export(args) } => {
            audit::export(&args, &config, &deployment).await
        }
        Command::Pause(args) => governance(&config, &deployment).await?.pause(&args).await,
        Command::Unpause(args) => governance(&config, &deployment).await?.unpause(&args).await,
        Command::Limits { command } => governance(&config, &deployment).await?.limits(&command).await,
        Command::Upgrade { command } => governance(&config, &deployment).await?.upgrade(&command).await,
        Command::Rollback(args) => governance(&config, &deployment).await?.rollback(&args).await,
        Command::Review { command } => review::run(&command, &config.api).await,
        Command::Top(args) => top::run(&args, &config).await,
        Command::Margin { command } => margin::run(&command, &config, &deployment).await,
        Command::Swap { command } => swap::run(&command, &config, &deployment).await,
        Command::Refill(args) => refill::run(&args, &config, &deployment).await,
        Command::Keys { command } => keys::run(&command, &config, &deployment).await,
        Command::Webhooks { command } => webhooks::run(&command, &config, &deployment).await,
        // Done above.
        Command::Oracle { command: OracleCommand::Replay(_) }
        | Command::Openapi
        | Command::Completions(_)
        | Command::Man => Ok(Exit::Done),
        Command::Db { command } => db::run(&command, &config, &deployment).await,
        Command::Config { command: ConfigCommand::Check(args) } => {
            check::run(args.json, &cli.config, &config, &deployment)
        }
    }
}

/// Who types, as the audit names him.
fn user() -> String {
    let name = |variable| std::env::var(variable).ok().filter(|name| !name.is_empty());
    name("SUDO_USER").or_else(|| name("USER")).unwrap_or_else(|| "unknown".to_owned())
}

/// Has the audit say who types, and what he is shown: `detail` is an object.
async fn note(store: &Store, action: &str, mut detail: serde_json::Value) -> Result<(), StoreError> {
    detail["user"] = user().into();
    let mut unit = store.unit(Context::new("cli", action, detail)).await?;
    unit.note();
    unit.commit().await
}

/// Opens the store of this vault, beside a running keeper or without one.
async fn open_store(config: &Config, deployment: &Deployment) -> eyre::Result<Store> {
    let store = Store::open(&config.store.url).await?;
    store.bind_to_vault(deployment.chain_id, deployment.vault).await?;
    Ok(store)
}
