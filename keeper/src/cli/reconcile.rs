//! `spillway reconcile`.

use super::{exit::Exit, output};
use crate::{config::Config, deployment::Deployment, keeper};

pub(super) async fn run(as_json: bool, config: &Config, deployment: &Deployment) -> eyre::Result<Exit> {
    let verdict = keeper::reconcile_once(config, deployment).await?;
    if as_json {
        output::json(&verdict)?;
    } else if verdict.ok {
        output::line(format!("chain and books agree at block {}", verdict.block));
    } else {
        output::line(format!("chain and books DIFFER at block {}:", verdict.block));
        verdict.differences.iter().for_each(|difference| output::line(format!("  {difference}")));
    }
    Ok(if verdict.ok { Exit::Done } else { Exit::Differs })
}
