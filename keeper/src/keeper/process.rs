//! The keeper as a process: what its signals do.
//!
//! SIGINT and SIGTERM end it in order. SIGHUP has it read its configuration again: one that is faulty changes nothing; under
//! one that is sound the tasks end as at a stop and begin again, as after a crash, within the same process and on the same
//! port, where callers wait meanwhile. When it cannot begin under the new one, it goes back to the one before.

use super::keep;
use crate::{config::Config, deployment::Deployment};
use eyre::{WrapErr, ensure};
use std::{mem, net, pin::pin};
use tokio::{net::TcpListener, sync::mpsc};
use tokio_util::sync::CancellationToken;

/// What the keeper runs under.
struct Setup {
    config: Config,
    deployment: Deployment,
    /// What callers come to; they wait while nobody answers.
    door: net::TcpListener,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Stop,
    Reload,
}

/// Runs until it is told to stop. `read` reads and checks the configuration again; `taken` hears of each that the keeper goes
/// on under.
pub async fn run(
    config: Config,
    deployment: Deployment,
    read: impl Fn() -> eyre::Result<(Config, Deployment)>,
    taken: impl Fn(&Config),
) -> eyre::Result<()> {
    let mut told = signals();
    let door = open(&config)?;
    let mut setup = Setup { config, deployment, door };
    // The last under which it began, until it has begun under another.
    let mut before: Option<Setup> = None;
    loop {
        let (stop, began) = (CancellationToken::new(), CancellationToken::new());
        let (ended, next) = {
            let listener = TcpListener::from_std(setup.door.try_clone()?)?;
            let mut keeping = pin!(keep(&setup.config, &setup.deployment, listener, stop.clone(), &began));
            loop {
                tokio::select! {
                    ended = &mut keeping => break (ended, None),
                    () = began.cancelled(), if before.is_some() => before = None,
                    told = told.recv() => match told {
                        Some(Told::Reload) => match again(&setup, &read) {
                            Ok(next) => {
                                stop.cancel();
                                break (keeping.await, Some(next));
                            }
                            Err(error) => tracing::error!(
                                error = format!("{error:#}"),
                                "the configuration is not taken; the keeper goes on under the one before"
                            ),
                        },
                        Some(Told::Stop) | None => {
                            stop.cancel();
                            return keeping.await;
                        }
                    },
                }
            }
        };
        match (ended, next) {
            (ended, Some(next)) => {
                if let Err(error) = ended {
                    tracing::warn!(
                        error = format!("{error:#}"),
                        "under the configuration before it could not run"
                    );
                }
                taken(&next.config);
                tracing::info!("the configuration was read again; the keeper goes on under it");
                let last = mem::replace(&mut setup, next);
                before.get_or_insert(last);
            }
            (Err(error), None) => {
                let Some(last) = before.take() else { return Err(error) };
                taken(&last.config);
                tracing::error!(
                    error = format!("{error:#}"),
                    "the keeper cannot run under the new configuration; back to the one before"
                );
                setup = last;
            }
            (Ok(()), None) => return Ok(()),
        }
    }
}

/// What the configuration says now; an error where the keeper cannot go on under it.
fn again(setup: &Setup, read: &impl Fn() -> eyre::Result<(Config, Deployment)>) -> eyre::Result<Setup> {
    let (config, deployment) = read()?;
    let (old, new) = (&setup.config, &config);
    let fixed = [
        ("the deployment's vault", setup.deployment.vault == deployment.vault),
        ("chain.chain_id", old.chain.chain_id == new.chain.chain_id),
        ("store.url", old.store.url == new.store.url),
        ("store.generation_file", old.store.generation_file == new.store.generation_file),
        ("log.format", old.log.format == new.log.format),
    ];
    for (key, is_same) in fixed {
        ensure!(is_same, "{key} cannot change while the keeper runs; stop it and start it again");
    }
    let door = if old.api.listen == new.api.listen { setup.door.try_clone()? } else { open(new)? };
    Ok(Setup { config, deployment, door })
}

fn open(config: &Config) -> eyre::Result<net::TcpListener> {
    let bound = net::TcpListener::bind(config.api.listen).and_then(|door| {
        door.set_nonblocking(true)?;
        Ok(door)
    });
    bound.wrap_err_with(|| {
        format!("api.listen = {}: cannot be opened; choose another port", config.api.listen)
    })
}

/// Hears signals for as long as the process lives.
fn signals() -> mpsc::Receiver<Told> {
    let (sender, receiver) = mpsc::channel(1);
    #[cfg(unix)]
    for (kind, told) in [
        (tokio::signal::unix::SignalKind::terminate(), Told::Stop),
        (tokio::signal::unix::SignalKind::hangup(), Told::Reload),
    ] {
        let sender = sender.clone();
        if let Ok(mut signal) = tokio::signal::unix::signal(kind) {
            tokio::spawn(
                async move { while signal.recv().await.is_some() && sender.send(told).await.is_ok() {} },
            );
        }
    }
    tokio::spawn(async move {
        while tokio::signal::ctrl_c().await.is_ok() && sender.send(Told::Stop).await.is_ok() {}
    });
    receiver
}
