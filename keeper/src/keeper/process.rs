//! The keeper as a process: what its signals do.
//!
//! SIGINT and SIGTERM end it in order. SIGHUP has it read its configuration again: one that is faulty changes nothing; under
//! one that is sound the tasks end as at a stop and begin again, as after a crash, within the same process and on the same
//! port. Callers wait meanwhile, and none is refused.

use super::keep;
use crate::{config::Config, deployment::Deployment};
use eyre::{WrapErr, ensure};
use std::{net, pin::pin};
use tokio::{net::TcpListener, sync::mpsc};
use tokio_util::sync::CancellationToken;

/// What a configuration is for: the deployment that it names belongs to it.
type Setup = (Config, Deployment);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Stop,
    Reload,
}

/// Runs until it is told to stop. `read` reads and checks the configuration again.
pub async fn run(
    config: Config,
    deployment: Deployment,
    read: impl Fn() -> eyre::Result<Setup>,
) -> eyre::Result<()> {
    let mut told = signals();
    let mut door = open(&config)?;
    let mut setup = (config, deployment);
    // What it ran under before, until the new configuration has shown that it can.
    let mut before: Option<Setup> = None;
    loop {
        let stop = CancellationToken::new();
        let listener = TcpListener::from_std(door.try_clone()?)?;
        let ended = {
            let mut keeping = pin!(keep(&setup.0, &setup.1, listener, stop.clone()));
            let next = loop {
                tokio::select! {
                    ended = &mut keeping => break Err(ended),
                    told = told.recv() => match told {
                        Some(Told::Reload) => match again(&setup, &read) {
                            Ok(next) => break Ok(Some(next)),
                            Err(error) => tracing::error!(
                                error = format!("{error:#}"),
                                "the configuration is not taken; the keeper goes on under the one before"
                            ),
                        },
                        Some(Told::Stop) | None => break Ok(None),
                    },
                }
            };
            match next {
                Err(ended) => Err(ended),
                Ok(next) => {
                    stop.cancel();
                    keeping.await?;
                    Ok(next)
                }
            }
        };
        match ended {
            Ok(None) | Err(Ok(())) => return Ok(()),
            Ok(Some((next, new_door))) => {
                tracing::info!("the configuration was read again; the keeper goes on under it");
                if let Some(new_door) = new_door {
                    door = new_door;
                }
                before = Some(std::mem::replace(&mut setup, next));
            }
            Err(Err(error)) => {
                let Some(last) = before.take() else { return Err(error) };
                tracing::error!(
                    error = format!("{error:#}"),
                    "the keeper cannot run under the new configuration; back to the one before"
                );
                if last.0.api.listen != setup.0.api.listen {
                    door = open(&last.0)?;
                }
                setup = last;
            }
        }
    }
}

/// The configuration as it is written now, and its port where that is another; an error where the keeper cannot go on under
/// it.
fn again(
    (config, deployment): &Setup,
    read: &impl Fn() -> eyre::Result<Setup>,
) -> eyre::Result<(Setup, Option<net::TcpListener>)> {
    let (new, new_deployment) = read()?;
    let fixed = [
        ("the deployment's vault", deployment.vault == new_deployment.vault),
        ("chain.chain_id", config.chain.chain_id == new.chain.chain_id),
        ("store.url", config.store.url == new.store.url),
        ("store.generation_file", config.store.generation_file == new.store.generation_file),
    ];
    for (key, is_same) in fixed {
        ensure!(is_same, "{key} cannot change while the keeper runs; stop it and start it again");
    }
    let door = if config.api.listen == new.api.listen { None } else { Some(open(&new)?) };
    Ok(((new, new_deployment), door))
}

/// What callers come to; they wait while nobody answers.
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
