//! `spillway explain ID`.

use super::{args::ExplainArgs, exit::Exit, open_store, output, status::look_at};
use crate::{
    chain::Chain,
    config::Config,
    deployment::Deployment,
    domain::reason::Language,
    explain::{Explainer, Explanation, LinkState},
};

pub(super) async fn run(args: &ExplainArgs, config: &Config, deployment: &Deployment) -> eyre::Result<Exit> {
    super::status::require_store(&config.store.url)?;
    let store = open_store(config, deployment).await?;
    let withdrawal = look_at(&store, &args.id).await?;
    let explainer = Explainer {
        store: store.clone(),
        chain: Chain::connect(&config.chain, deployment.vault)?,
        assets: deployment.assets.clone(),
        fees: config.fees.clone(),
    };
    let explanation = explainer.explain(&withdrawal).await?;
    store.close().await;
    match args.json {
        true => output::json(&explanation)?,
        false => tell(&explanation, args.language),
    }
    Ok(Exit::Done)
}

fn tell(explanation: &Explanation, language: Language) {
    output::line(format!("{} is {}", explanation.id, explanation.state));
    for link in &explanation.links {
        let mark = match link.state {
            LinkState::Passed => "passed",
            LinkState::Here => "HERE",
            LinkState::Ahead => "",
        };
        output::line(format!(
            "  {:<10} {mark:<7} {}",
            link.link.as_str(),
            link.at.as_deref().unwrap_or_default()
        ));
    }
    let Some(cause) = &explanation.cause else { return };
    let message = match language {
        Language::En => cause.message,
        Language::Zh => cause.message_zh,
    };
    output::line(format!("why    {} ({})", message, cause.code));
    output::line(format!("found  {}", cause.found));
    output::line(format!("frees  {}", cause.frees));
}
