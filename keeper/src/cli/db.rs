//! `spillway db migrate|check|backup|restore|grant`.

use super::{
    args::{DbCommand, GrantArgs, JsonArg, RestoreArgs},
    exit::Exit,
    output,
    status::require_store,
};
use crate::{
    config::Config,
    deployment::Deployment,
    store::{Store, StoreError, backup, integrity::Integrity},
};
use eyre::{WrapErr, bail, ensure};
use serde_json::json;
use std::path::Path;

pub(super) async fn run(command: &DbCommand, config: &Config, deployment: &Deployment) -> eyre::Result<Exit> {
    match command {
        DbCommand::Migrate(args) => migrate(*args, config).await,
        DbCommand::Check(args) => check(*args, config).await,
        DbCommand::Backup(args) => back_up(&args.file, args.json, config).await,
        DbCommand::Restore(args) => restore(args, config, deployment).await,
        DbCommand::Grant(args) => grant(args, config).await,
    }
}

async fn grant(args: &GrantArgs, config: &Config) -> eyre::Result<Exit> {
    let store = existing(config).await?;
    store.grant(&args.role).await?;
    store.close().await;
    if args.json {
        output::json(&json!({ "role": args.role }))?;
    } else {
        output::line(format!("{} may append to history, and change none of it", args.role));
    }
    Ok(Exit::Done)
}

async fn migrate(args: JsonArg, config: &Config) -> eyre::Result<Exit> {
    let store = Store::connect(&config.store.url).await?;
    let before = store.schema().await?.unwrap_or(0);
    store.migrate().await?;
    let after = store.schema().await?.unwrap_or(0);
    store.close().await;
    if args.json {
        output::json(&json!({ "from": before, "to": after }))?;
    } else if before == after {
        output::line(format!("the schema is {after} already"));
    } else {
        output::line(format!("schema {before} -> {after}"));
    }
    Ok(Exit::Done)
}

async fn check(args: JsonArg, config: &Config) -> eyre::Result<Exit> {
    let bar = output::bar("changes checked");
    let looked = async {
        let store = existing(config).await?;
        let found = store.check(|done, of| output::advance(&bar, done, of)).await;
        store.close().await;
        Ok::<_, eyre::Report>(found?)
    };
    // It may be damaged where it says what it is.
    let found = looked.await.or_else(|error| match error.downcast_ref() {
        Some(StoreError::Damaged(page)) => Ok(Integrity::damaged(page)),
        _ => Err(error),
    })?;
    bar.finish_and_clear();
    if args.json {
        output::json(&found)?;
    } else if found.ok {
        output::line(format!("the store is whole: {} changes, schema {}", found.changes, found.schema));
    } else {
        output::line("the store is BROKEN:");
        found.broken.iter().for_each(|what| output::line(format!("  {what}")));
    }
    Ok(if found.ok { Exit::Done } else { Exit::Differs })
}

async fn back_up(file: &Path, as_json: bool, config: &Config) -> eyre::Result<Exit> {
    ensure!(!file.exists(), "{} exists already; name a new file", file.display());
    let store = existing(config).await?;
    super::note(&store, "store.backed_up", json!({ "file": file })).await?;
    let bar = output::bar("rows written");
    let done = store.back_up(file, |rows| bar.set_position(rows)).await;
    bar.finish_and_clear();
    store.close().await;
    let rows = match done {
        Ok(rows) => rows,
        Err(error) => {
            // No half of a backup is left that could be taken for one.
            let _ = std::fs::remove_file(file);
            let _ = std::fs::remove_file(file.with_added_extension("partial"));
            return Err(error.into());
        }
    };
    if as_json {
        output::json(&json!({ "file": file, "rows": rows }))?;
    } else {
        output::line(format!("{rows} rows are in {}", file.display()));
    }
    Ok(Exit::Done)
}

async fn restore(args: &RestoreArgs, config: &Config, deployment: &Deployment) -> eyre::Result<Exit> {
    let (header, _) = backup::verify(&args.file)?;
    if let (Some(chain), Some(vault)) = (&header.chain_id, &header.vault) {
        let ours = *chain == deployment.chain_id.to_string()
            && vault.parse().is_ok_and(|v: alloy::primitives::Address| v == deployment.vault);
        if !ours {
            bail!(
                "the backup is of vault {vault} on chain {chain}, the deployment file names vault {} on chain {}",
                deployment.vault,
                deployment.chain_id
            );
        }
    }
    let store = Store::connect(&config.store.url).await.wrap_err("the store to restore into")?;
    let _held = store.hold()?;
    let bar = output::bar("rows restored");
    let rows = store.restore(&args.file, args.force, |rows| bar.set_position(rows)).await?;
    bar.finish_and_clear();
    store.close().await;
    if args.json {
        output::json(&json!({ "file": args.file, "rows": rows, "from": header.engine }))?;
    } else {
        output::line(format!("{rows} rows are restored; the next start fences every lane before it pays"));
    }
    Ok(Exit::Done)
}

/// A store that is there; asking must not make one where the path is mistyped.
pub(super) async fn existing(config: &Config) -> eyre::Result<Store> {
    require_store(&config.store.url)?;
    let store = Store::connect(&config.store.url).await?;
    ensure!(
        store.schema().await?.is_some(),
        "the database has no store in it; start the keeper, or `spillway db migrate`"
    );
    Ok(store)
}
