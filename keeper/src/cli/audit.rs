//! `spillway audit verify|export`.

use super::{
    args::{AuditExportArgs, AuditVerifyArgs},
    db::existing,
    exit::Exit,
    output,
};
use crate::{
    books::audit::{
        anchors::{self, Anchor, Confirmed, Heads},
        change::{Broken, Change, Follower},
        export::{self, Header, Writer},
    },
    chain::Chain,
    config::{ChainConfig, Config},
    deployment::Deployment,
    store::Context,
};
use serde_json::json;
use std::path::Path;

/// Of a file with an endpoint that is named: nothing else is needed.
pub(super) async fn verify_alone(
    args: &AuditVerifyArgs,
    file: &Path,
    rpc: &reqwest::Url,
) -> eyre::Result<Exit> {
    let header = export::header(file)?;
    let chain = Chain::connect(&ChainConfig::of(rpc.clone(), header.chain_id), header.vault)?;
    verify_file(args, file, &header, &chain).await
}

pub(super) async fn verify(
    args: &AuditVerifyArgs,
    config: &Config,
    deployment: &Deployment,
) -> eyre::Result<Exit> {
    let mut asked = config.chain.clone();
    if let Some(rpc) = &args.rpc {
        asked = ChainConfig::of(rpc.clone(), deployment.chain_id);
    }
    let chain = Chain::connect(&asked, deployment.vault)?;
    if let Some(file) = &args.export {
        return verify_file(args, file, &export::header(file)?, &chain).await;
    }
    let store = existing(config).await?;
    let cursor = store.cursor().await?.map(|c| c.number);
    let header = Header::new(deployment.chain_id, deployment.vault, deployment.block, cursor);
    let read = anchors_of(&chain, &header).await?;
    let mut heads = Heads::wanted(&read);
    let bar = output::bar("changes verified");
    let followed =
        store.follow_audit(|done, of| output::advance(&bar, done, of), |change| heads.see(change)).await?;
    bar.finish_and_clear();
    store.close().await;
    tell(args.json, &header, followed, &heads, &read)
}

async fn verify_file(
    args: &AuditVerifyArgs,
    file: &Path,
    header: &Header,
    chain: &Chain,
) -> eyre::Result<Exit> {
    let read = anchors_of(chain, header).await?;
    let mut heads = Heads::wanted(&read);
    let bar = output::bar("changes verified");
    let (header, followed) = export::follow(file, |change: &Change| {
        heads.see(change);
        bar.inc(1);
    })?;
    bar.finish_and_clear();
    tell(args.json, &header, followed, &heads, &read)
}

/// The heads that the chain holds, up to its newest block.
async fn anchors_of(chain: &Chain, header: &Header) -> eyre::Result<Vec<Anchor>> {
    if let Err(wrong) = chain.verify(header.chain_id).await? {
        return Err(wrong.into());
    }
    let tip = chain.tip().await?.number;
    let bar = output::bar("blocks read");
    let read =
        anchors::read(chain, header.deployed_at, tip, |done, of| output::advance(&bar, done, of)).await;
    bar.finish_and_clear();
    Ok(read?)
}

fn tell(
    as_json: bool,
    header: &Header,
    followed: Result<Follower, Broken>,
    heads: &Heads,
    anchors: &[Anchor],
) -> eyre::Result<Exit> {
    let checked = followed.and_then(|whole| Ok((whole, heads.check(anchors, header.final_block)?)));
    match checked {
        Ok((whole, confirmed)) => {
            let Follower { head, changes } = whole;
            if as_json {
                output::json(&json!({
                    "ok": true, "vault": header.vault, "chain_id": header.chain_id,
                    "changes": changes, "head": head, "chain": confirmed,
                }))?;
            } else {
                output::line(format!(
                    "the audit of vault {} on chain {} is whole: {changes} changes, head {head}",
                    header.vault, header.chain_id
                ));
                output::line(told(&confirmed, changes));
            }
            Ok(Exit::Done)
        }
        Err(broken) => {
            if as_json {
                output::json(&json!({ "ok": false, "broken": broken }))?;
            } else {
                output::line(format!("the audit is BROKEN: {broken}"));
            }
            Ok(Exit::Differs)
        }
    }
}

fn told(confirmed: &Confirmed, changes: i64) -> String {
    let Confirmed { settlements, up_to_change, forgotten, later } = confirmed;
    let mut text = format!(
        "{settlements} settlements on chain carry its heads: nothing up to change {up_to_change} of {changes} was \
         changed since"
    );
    if *forgotten > 0 {
        text += &format!("; {forgotten} are of a past that a restore lost, as the audit says itself");
    }
    if *later > 0 {
        text += &format!("; {later} are in later blocks than it knows");
    }
    text
}

pub(super) async fn export(
    args: &AuditExportArgs,
    config: &Config,
    deployment: &Deployment,
) -> eyre::Result<Exit> {
    let store = existing(config).await?;
    let cursor = store.cursor().await?.map(|c| c.number);
    let header = Header::new(deployment.chain_id, deployment.vault, deployment.block, cursor);
    let writer = Writer::create(&args.file, &header)?;
    let detail = json!({ "file": args.file, "user": super::user() });
    let mut seen = store.unit(Context::new("cli", "audit.exported", detail)).await?;
    seen.note();
    seen.commit().await?;
    let bar = output::bar("changes written");
    let done = store.export_audit(writer, |done, of| output::advance(&bar, done, of)).await;
    bar.finish_and_clear();
    store.close().await;
    let changes = match done.map_err(eyre::Report::from).and_then(|done| Ok(done?)) {
        Ok(changes) => changes,
        Err(error) => {
            // No half of it is left that could be taken for the whole.
            let _ = std::fs::remove_file(&args.file);
            return Err(error);
        }
    };
    if args.json {
        output::json(&json!({ "file": args.file, "changes": changes }))?;
    } else {
        output::line(format!("{changes} changes are in {}", args.file.display()));
    }
    Ok(Exit::Done)
}
