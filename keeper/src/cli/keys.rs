//! `spillway keys`.

use super::{
    args::{CreateKeyArgs, KeysCommand, RotateKeyArgs},
    exit::Exit,
    open_store, output,
};
use crate::{
    api::view,
    clock::now_ms,
    config::Config,
    deployment::Deployment,
    domain::access::{ApiKey, Secret},
    store::Store,
};
use eyre::{ContextCompat, ensure};
use serde_json::json;
use std::time::Duration;

pub(super) async fn run(
    command: &KeysCommand,
    config: &Config,
    deployment: &Deployment,
) -> eyre::Result<Exit> {
    let store = open_store(config, deployment).await?;
    match command {
        KeysCommand::Create(args) => create(&store, args).await?,
        KeysCommand::List(args) => list(&store, args.json).await?,
        KeysCommand::Rotate(args) => rotate(&store, args).await?,
        KeysCommand::Revoke(args) => {
            let revoked = store.expire_api_key(&args.id, now_ms()).await?;
            ensure!(revoked, "no key that still counts has the id '{}'; see `spillway keys list`", args.id);
            if args.json {
                output::json(&json!({ "revoked": args.id }))?;
            } else {
                output::line(format!("{} is revoked; a running keeper refuses it after a second", args.id));
            }
        }
    }
    store.close().await;
    Ok(Exit::Done)
}

async fn create(store: &Store, args: &CreateKeyArgs) -> eyre::Result<()> {
    let mut scopes = args.scope.clone();
    scopes.sort_unstable();
    scopes.dedup();
    let (secret, now) = (Secret::new(), now_ms());
    let key = ApiKey {
        id: secret.id.clone(),
        name: args.name.clone(),
        hash: secret.hash(),
        scopes,
        per_minute: args.per_minute,
        created_at: now,
        expires_at: args.expires.map(|time| now.saturating_add(millis(*time))),
    };
    store.add_api_key(&key, None).await?;
    show(&key, &secret, args.json)
}

async fn rotate(store: &Store, args: &RotateKeyArgs) -> eyre::Result<()> {
    let now = now_ms();
    let old = store.api_keys().await?.into_iter().find(|key| key.id == args.id && !key.is_expired(now));
    let old = old.wrap_err_with(|| {
        format!("no key that still counts has the id '{}'; see `spillway keys list`", args.id)
    })?;
    let secret = Secret::new();
    // It counts for as long as the old one did from its start.
    let expires_at = old.expires_at.map(|at| now.saturating_add(at - old.created_at));
    let key =
        ApiKey { id: secret.id.clone(), hash: secret.hash(), created_at: now, expires_at, ..old.clone() };
    let until = now.saturating_add(millis(*args.overlap));
    store.add_api_key(&key, Some((&old.id, until))).await?;
    if !args.json {
        output::note(format!(
            "{} counts until {}",
            old.id,
            view::time(old.expires_at.unwrap_or(until).min(until))
        ));
    }
    show(&key, &secret, args.json)
}

fn show(key: &ApiKey, secret: &Secret, as_json: bool) -> eyre::Result<()> {
    if as_json {
        let mut document = serde_json::to_value(key)?;
        document["key"] = secret.reveal().into();
        return output::json(&document);
    }
    output::note(format!("the key of {} is shown this once; only its hash is stored", key.name));
    output::line(secret.reveal());
    Ok(())
}

async fn list(store: &Store, as_json: bool) -> eyre::Result<()> {
    let keys = store.api_keys().await?;
    if as_json {
        return output::json(&keys);
    }
    let now = now_ms();
    let mut table = output::table(["id", "name", "scopes", "per minute", "made", "counts until"]);
    for key in &keys {
        let scopes: Vec<_> = key.scopes.iter().map(|scope| scope.as_str()).collect();
        let until = match key.expires_at {
            Some(_) if key.is_expired(now) => "ended".to_owned(),
            Some(at) => view::time(at),
            None => String::new(),
        };
        let rate = if key.per_minute == 0 { String::new() } else { key.per_minute.to_string() };
        table.add_row([
            key.id.clone(),
            key.name.clone(),
            scopes.join(" "),
            rate,
            view::time(key.created_at),
            until,
        ]);
    }
    output::line(table);
    Ok(())
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}
