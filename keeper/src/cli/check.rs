//! `spillway config check`.

use super::{exit::Exit, output};
use crate::{config::Config, deployment::Deployment, otlp, stages::price::guard::Guard, swap};
use serde_json::json;
use std::path::Path;

/// What loading the configuration leaves open: what it says of the environment, and of the deployment's assets.
pub(super) fn beside_the_file(config: &Config, deployment: &Deployment) -> eyre::Result<()> {
    config.signers()?;
    config.margin_signer()?;
    config.swap_signer()?;
    config.webhook_secrets()?;
    otlp::headers_of(&config.traces, |name| std::env::var(name).ok())?;
    Guard::new(&config.oracle, &deployment.assets)?;
    swap::run::sources(config, &deployment.assets)?;
    Ok(())
}

/// Configuration and deployment are loaded and so checked already.
pub(super) fn run(
    as_json: bool,
    file: &Path,
    config: &Config,
    deployment: &Deployment,
) -> eyre::Result<Exit> {
    beside_the_file(config, deployment)?;
    let lanes: Vec<_> = config.signers()?.iter().map(|s| s.address()).collect();
    let margin = config.margin_signer()?.map(|signer| signer.address());
    let unknown: Vec<_> = lanes.iter().filter(|lane| !deployment.lanes.contains(lane)).collect();
    if as_json {
        output::json(&json!({
            "config": file,
            "chain_id": config.chain.chain_id,
            "vault": deployment.vault,
            "assets": deployment.assets.iter().map(|a| a.symbol.as_str()).collect::<Vec<_>>(),
            "prices": config.oracle.keys().collect::<Vec<_>>(),
            "webhooks": config.webhooks.iter().map(|w| w.name.as_str()).collect::<Vec<_>>(),
            "lanes": lanes,
            "margin": margin,
            "lanes_not_in_deployment": unknown,
        }))?;
        return Ok(Exit::Done);
    }
    output::line(format!("{} is valid", file.display()));
    output::line(format!("vault  {} on chain {}", deployment.vault, deployment.chain_id));
    output::line(format!("assets {}", deployment.assets.symbols()));
    for symbol in config.oracle.keys() {
        output::line(format!(
            "price  of {symbol} is judged; `spillway oracle check {symbol}` reads its sources"
        ));
    }
    for endpoint in &config.webhooks {
        output::line(format!("webhook {}", endpoint.name));
    }
    for lane in &lanes {
        output::line(format!("lane   {lane}"));
    }
    if let Some(account) = margin {
        output::line(format!("margin {account}"));
    }
    for lane in unknown {
        output::note(format!(
            "note: {lane} had no lane when the vault was deployed; governance must enable it"
        ));
    }
    Ok(Exit::Done)
}
