//! `spillway webhooks`.

use super::{
    args::{Replayed, WebhooksCommand},
    exit::Exit,
    open_store, output, user,
};
use crate::{clock::rfc3339, config::Config, deployment::Deployment, store::Store};
use eyre::ensure;
use serde_json::json;

/// How many of those that were given up are shown.
const SHOWN: usize = 100;

pub(super) async fn run(
    command: &WebhooksCommand,
    config: &Config,
    deployment: &Deployment,
) -> eyre::Result<Exit> {
    let store = open_store(config, deployment).await?;
    match command {
        WebhooksCommand::List(args) => list(&store, args.json).await?,
        WebhooksCommand::Replay(args) => {
            let replayed = replay(&store, &args.which).await?;
            if args.json {
                output::json(&json!({ "replayed": replayed }))?;
            } else {
                output::line(format!("{replayed} are sent again"));
            }
        }
    }
    store.close().await;
    Ok(Exit::Done)
}

async fn replay(store: &Store, which: &Replayed) -> eyre::Result<u64> {
    let replayed = store.replay_dead_letters(which.id, which.endpoint.as_deref(), &user()).await?;
    ensure!(
        replayed > 0 || which.all,
        "none that was given up is called so; `spillway webhooks list` shows them"
    );
    Ok(replayed)
}

async fn list(store: &Store, as_json: bool) -> eyre::Result<()> {
    let (counts, dead) = (store.webhook_counts().await?, store.dead_letters(SHOWN).await?);
    if as_json {
        let counts: Vec<_> = counts
            .iter()
            .map(|(endpoint, state, n)| json!({ "endpoint": endpoint, "state": state, "messages": n }))
            .collect();
        return output::json(&json!({ "counts": counts, "dead": dead }));
    }
    let mut table = output::table(["endpoint", "state", "messages"]);
    for (endpoint, state, n) in counts {
        table.add_row([endpoint, state, n.to_string()]);
    }
    output::line(table);
    if !dead.is_empty() {
        let mut table =
            output::table(["id", "endpoint", "withdrawal", "became", "attempts", "last answer", "at"]);
        for letter in dead {
            table.add_row([
                letter.id.to_string(),
                letter.endpoint,
                letter.withdrawal,
                letter.to,
                letter.attempts.to_string(),
                letter.answer,
                rfc3339(letter.at),
            ]);
        }
        output::line("Given up:");
        output::line(table);
    }
    Ok(())
}
