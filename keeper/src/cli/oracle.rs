//! `spillway oracle`.

use super::{
    args::{OracleCheckArgs, OracleReplayArgs},
    exit::Exit,
    output,
    status::require_store,
};
use crate::{
    chain::{Block, Chain},
    config::Config,
    deployment::Deployment,
    domain::asset::Asset,
    stages::price::guard::{self, Guard},
};
use eyre::{WrapErr, bail, ensure};
use oracle_guard::{
    Action, AssetConfig, Input, Judgement, Kind, LegInput, Outcome, Role, Verdict, explain,
    number::apart,
    replay::{Incident, Replay},
};
use serde_json::json;

/// `spillway oracle check`.
pub(super) async fn check(
    args: &OracleCheckArgs,
    config: &Config,
    deployment: &Deployment,
) -> eyre::Result<Exit> {
    let guard = Guard::new(&config.oracle, &deployment.assets)?;
    let asked: Vec<&Asset> = match &args.asset {
        Some(name) => match deployment.assets.find(name) {
            Some(asset) => vec![asset],
            None => bail!("the deployment has no asset {name}; it has {}", deployment.assets.symbols()),
        },
        None => deployment.assets.iter().filter(|a| guard.of(a.address).is_some()).collect(),
    };
    ensure!(
        !asked.is_empty(),
        "no price is configured; add a section such as [oracle.ETH], see docs/oracle.md"
    );
    let chain = Chain::connect(&config.chain, deployment.vault)?;
    chain.verify(deployment.chain_id).await??;
    let tip = chain.tip().await?;
    let store = match require_store(&config.store.url) {
        Ok(()) => Some(super::open_store(config, deployment).await?),
        Err(_) => None,
    };
    let (mut bad, mut documents) = (false, Vec::new());
    for asset in asked {
        let Some(judged) = guard.of(asset.address) else {
            bail!("no price of {} is configured; add a section [oracle.{}]", asset.symbol, asset.symbol);
        };
        // What the running keeper remembers; nothing when there is none.
        let kept = match &store {
            Some(store) => store.opinion(asset.address).await?,
            None => None,
        };
        let memory = guard::remembered(judged, kept.as_ref());
        let input = guard::at_clock(chain.observe(judged, tip, true).await?);
        let (judgement, findings) = explain(judged, &input, &memory);
        let off = args.anchor.is_some_and(|anchor| {
            judgement.price.is_none_or(|price| apart(price.mid.0, anchor.0, args.anchor_bps.into()))
        });
        bad |= judgement.verdict == Verdict::Insane || off;
        let allows: Vec<_> = Action::ALL.into_iter().filter(|a| a.allowed(judgement.reasons)).collect();
        if args.json {
            documents.push(json!({
                "asset": asset.symbol, "block": tip.number, "verdict": judgement.verdict, "price": judgement.price,
                "reasons": judgement.reasons, "findings": findings, "allows": allows, "off_anchor": off,
                "sources": judgement.sources().iter().zip(judgement.prices()).map(|(reasons, price)| {
                    json!({ "reasons": reasons, "price": price })
                }).collect::<Vec<_>>(),
            }));
            continue;
        }
        tell(asset, tip, judged, &input, &judgement);
        findings.iter().for_each(|why| output::line(format!("  {why}")));
        output::line(format!("allows {}", names(&allows)));
        if let Some(anchor) = args.anchor.filter(|_| off) {
            output::line(format!(
                "too far from the anchor of {anchor}: look at decimals, pair, and a rate that is not multiplied in"
            ));
        }
        output::line("");
    }
    if args.json {
        output::json(&json!({ "assets": documents }))?;
    }
    if let Some(store) = store {
        store.close().await;
    }
    Ok(if bad { Exit::Differs } else { Exit::Done })
}

fn names(actions: &[Action]) -> String {
    let name = |action: &Action| format!("{action:?}").to_lowercase();
    actions.iter().map(name).collect::<Vec<_>>().join(", ")
}

fn tell(asset: &Asset, tip: Block, config: &AssetConfig, input: &Input, judgement: &Judgement) {
    let price = judgement.price.map(|p| format!(" at {} ({} to {})", p.mid, p.lo, p.hi)).unwrap_or_default();
    output::line(format!("{} is {}{price}, block {}", asset.symbol, judgement.verdict, tip.number));
    let mut table = output::table(["source", "read", "age", "price", "thought of it"]);
    for (i, source) in config.sources.iter().enumerate() {
        let read = source.legs.iter().map(|leg| format!("{} {}", name(leg.kind), leg.at.address));
        let seen = input.sources.get(i).into_iter().flatten();
        let ages = seen.map(|seen| age(input.now, seen));
        let said = judgement.prices().get(i).copied().flatten();
        let thought = judgement.sources().get(i).copied().unwrap_or_default();
        let thought = if thought.is_empty() { "sound".to_owned() } else { thought.to_string() };
        table.add_row([
            match source.role {
                Role::Price => i.to_string(),
                Role::Reference => format!("{i}, reference"),
            },
            read.collect::<Vec<_>>().join("\n"),
            ages.collect::<Vec<_>>().join("\n"),
            said.map(|price| price.mid.to_string()).unwrap_or_default(),
            thought,
        ]);
    }
    output::line(table);
}

fn age(now: u64, seen: &LegInput) -> String {
    match seen.outcome {
        Outcome::Read if seen.updated_at > now => format!("in {} s", seen.updated_at - now),
        Outcome::Read if seen.updated_at != 0 => format!("{} s", now - seen.updated_at),
        _ => "-".to_owned(),
    }
}

fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Chainlink => "Chainlink",
        Kind::Pyth => "Pyth",
        Kind::UniswapV3Twap => "Uniswap V3",
        Kind::Rate => "rate",
    }
}

/// `spillway oracle replay`.
pub(super) fn replay(args: &OracleReplayArgs) -> eyre::Result<Exit> {
    let file = args.file.display();
    let text = std::fs::read_to_string(&args.file).wrap_err_with(|| format!("{file} cannot be read"))?;
    let incident = Incident::parse(&text).wrap_err_with(|| format!("{file} is no incident"))?;
    let replay = incident.replay().wrap_err_with(|| format!("{file} cannot be judged"))?;
    if args.json {
        output::json(&replay)?;
    } else {
        show(&incident, &replay);
    }
    Ok(if replay.passed.is_empty() { Exit::Done } else { Exit::Differs })
}

fn show(incident: &Incident, replay: &Replay) {
    output::line(&incident.title);
    output::line(format!("source: {}", incident.source));
    output::line(format!("uncertain: {}", incident.uncertain));
    let mut table = output::table(["at", "market", "sources", "verdict", "why", "refused"]);
    for said in &replay.steps {
        let sources = said.sources.iter().map(|p| p.map_or_else(|| "-".to_owned(), |p| p.to_string()));
        table.add_row([
            format!("{} s", said.at),
            said.market.map(|price| price.to_string()).unwrap_or_default(),
            sources.collect::<Vec<_>>().join("\n"),
            said.verdict.to_string(),
            said.reasons.to_string().replace(' ', "\n"),
            names(&said.refused).replace(", ", "\n"),
        ]);
    }
    output::line(table);
    output::line(format!("the guard: {}", incident.verdict));
    output::line(format!("lost then: {} USD ({})", incident.damage_usd, incident.damage));
    if replay.passed.is_empty() {
        output::line(format!("refused here: {} USD", replay.damage_refused_usd));
    }
    replay.passed.iter().for_each(|why| output::line(format!("PASSED: {why}")));
}
