//! `spillway audit verify|export`.

use super::{
    args::{AuditExportArgs, AuditVerifyArgs},
    db::existing,
    exit::Exit,
    output,
};
use crate::{
    books::audit::{
        anchors::{self, Anchor},
        change::{Broken, Change, Follower},
        export::{self, Header, Writer},
        heads::{Confirmed, Ends, Findings, Heads, Lost},
    },
    chain::Chain,
    clock::rfc3339,
    config::{ChainConfig, Config},
    deployment::Deployment,
};
use alloy::primitives::Address;
use serde_json::json;
use std::{collections::BTreeSet, path::Path};

/// Of a file with an endpoint that is named: nothing else is needed. `at_hand`: a deployment whose file it should be,
/// where there is one.
pub(super) async fn verify_alone(
    args: &AuditVerifyArgs,
    file: &Path,
    rpc: &reqwest::Url,
    at_hand: Option<&Deployment>,
) -> eyre::Result<Exit> {
    let header = export::header(file)?;
    let chain = ChainConfig::of(rpc.clone(), header.chain_id);
    verify_file(args, file, &header, &chain, at_hand).await
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
    if let Some(file) = &args.export {
        return verify_file(args, file, &export::header(file)?, &asked, Some(deployment)).await;
    }
    let chain = Chain::connect(&asked, deployment.vault)?;
    let whose = Whose { vault_known: true, first_known: true };
    let store = existing(config).await?;
    let cursor = store.cursor().await?.map(|c| c.number);
    let header = Header::new(deployment.chain_id, deployment.vault, deployment.block, cursor);
    let read = OnChain::read(&chain, &header, whose).await?;
    let mut heads = Heads::wanted(&read.anchors, &header);
    let bar = output::bar("changes verified");
    let followed =
        store.follow_audit(|done, of| output::advance(&bar, done, of), |change| heads.see(change)).await?;
    bar.finish_and_clear();
    store.close().await;
    tell(args, &header, followed, heads, &read).await
}

/// `at_hand`: the deployment that the person has.
async fn verify_file(
    args: &AuditVerifyArgs,
    file: &Path,
    header: &Header,
    chain: &ChainConfig,
    at_hand: Option<&Deployment>,
) -> eyre::Result<Exit> {
    // One that is named stands before the one at hand, and may be another.
    let at_hand = at_hand.filter(|d| args.vault.is_none_or(|named| named == d.vault));
    if let Some(broken) = of_another(header, args.vault, at_hand) {
        return refuse(args.json, &broken, &[]);
    }
    let whose =
        Whose { vault_known: args.vault.is_some() || at_hand.is_some(), first_known: at_hand.is_some() };
    let chain = Chain::connect(chain, header.vault)?;
    let read = OnChain::read(&chain, header, whose).await?;
    let mut heads = Heads::wanted(&read.anchors, header);
    let bar = output::bar("changes verified");
    let (header, followed) = export::follow(file, |change: &Change| {
        heads.see(change);
        bar.inc(1);
    })?;
    bar.finish_and_clear();
    tell(args, &header, followed, heads, &read).await
}

/// A file whose first line says something else than the person: than --vault, or than the deployment at hand.
fn of_another(header: &Header, named: Option<Address>, at_hand: Option<&Deployment>) -> Option<Broken> {
    let Header { chain_id, vault, deployed_at, .. } = header;
    let what = match (named, at_hand) {
        (Some(named), _) if *vault != named => format!("the file is of vault {vault}, --vault is {named}"),
        (_, Some(d)) if (*vault, *chain_id, *deployed_at) != (d.vault, d.chain_id, d.block) => format!(
            "the file is of vault {vault} on chain {chain_id} from block {deployed_at} on, the deployment of vault {} on \
             chain {} from block {} on; --vault has another vault checked",
            d.vault, d.chain_id, d.block
        ),
        _ => return None,
    };
    Some(Broken { change: None, what })
}

/// What of the first line need not be believed, because the person knows it.
#[derive(Clone, Copy)]
struct Whose {
    vault_known: bool,
    /// The block before which the vault was not there.
    first_known: bool,
}

/// What the chain says.
struct OnChain<'a> {
    chain: &'a Chain,
    /// In the blocks up to `to`.
    anchors: Vec<Anchor>,
    to: u64,
    whose: Whose,
    /// Whether the vault was there before the books begin: then nothing else was read. None where nobody can say.
    older: Option<bool>,
}

impl<'a> OnChain<'a> {
    /// The heads that the chain holds, up to its newest block.
    async fn read(chain: &'a Chain, header: &Header, whose: Whose) -> eyre::Result<Self> {
        if let Err(wrong) = chain.verify(header.chain_id).await? {
            return Err(wrong.into());
        }
        let older = match header.deployed_at.checked_sub(1) {
            Some(before) if !whose.first_known => chain.had_vault(before).await.ok(),
            _ => Some(false),
        };
        let to = chain.tip().await?.number;
        if older == Some(true) {
            return Ok(Self { chain, anchors: Vec::new(), to, whose, older });
        }
        let bar = output::bar("blocks read");
        let read =
            anchors::read(chain, header.deployed_at, to, |done, of| output::advance(&bar, done, of)).await;
        bar.finish_and_clear();
        Ok(Self { chain, anchors: read?, to, whose, older })
    }

    /// No books are ahead of their chain. A keeper may have gone on since the anchors were read.
    async fn reaches(&self, block: u64) -> eyre::Result<()> {
        if block > self.to {
            let tip = self.chain.tip().await?.number;
            eyre::ensure!(
                block <= tip,
                "the books go up to block {block}, and the endpoint only to block {tip}: it lags, or the block never was"
            );
        }
        Ok(())
    }
}

async fn tell(
    args: &AuditVerifyArgs,
    header: &Header,
    followed: Result<Follower, Broken>,
    heads: Heads,
    read: &OnChain<'_>,
) -> eyre::Result<Exit> {
    if read.older == Some(true) {
        let Header { vault, deployed_at, .. } = header;
        let what = format!("vault {vault} was on chain before block {deployed_at}, where these books begin");
        return refuse(args.json, &Broken { change: Some(1), what }, &[]);
    }
    let Follower { head, changes } = match followed {
        Ok(whole) => whole,
        Err(broken) => return refuse(args.json, &broken, &[]),
    };
    let accepted: BTreeSet<_> = args.restored.iter().copied().collect();
    let Findings { confirmed, ends, lost, broken } = heads.check(&read.anchors, read.to, &accepted);
    if let Some(broken) = broken {
        return refuse(args.json, &broken, &lost);
    }
    if let Some(block) = ends.block {
        read.reaches(block).await?;
    }
    if args.json {
        output::json(&json!({
            "ok": true, "vault": header.vault, "chain_id": header.chain_id,
            "changes": changes, "head": head, "chain": confirmed, "ends": ends, "lost": lost,
            "unchecked": unchecked(header, read),
        }))?;
    } else {
        output::line(format!(
            "the audit of vault {} on chain {} is whole: {changes} changes, head {head}",
            header.vault, header.chain_id
        ));
        told(&confirmed, &ends, &lost).into_iter().for_each(output::line);
        unchecked(header, read).into_iter().for_each(output::line);
    }
    Ok(Exit::Done)
}

fn refuse(as_json: bool, broken: &Broken, lost: &[Lost]) -> eyre::Result<Exit> {
    if as_json {
        output::json(&json!({ "ok": false, "broken": broken, "lost": lost }))?;
    } else {
        output::line(format!("the audit is BROKEN: {broken}"));
        lost.iter().for_each(|lost| output::line(past(lost)));
    }
    Ok(Exit::Differs)
}

fn told(confirmed: &Confirmed, ends: &Ends, lost: &[Lost]) -> Vec<String> {
    let Confirmed { settlements, up_to_change, later, .. } = confirmed;
    let Ends { change, at, block } = ends;
    let mut lines = vec![format!(
        "{settlements} settlements on chain carry its heads: nothing up to change {up_to_change} of {change} was \
         changed since"
    )];
    let block = block.map_or("before the first final block".to_owned(), |b| format!("at block {b}"));
    lines.push(format!(
        "it ends {block} on {}; {later} settlements in later blocks are not covered by it",
        rfc3339(*at)
    ));
    lines.extend(lost.iter().map(past));
    lines
}

fn past(lost: &Lost) -> String {
    let Lost { change, hash, at, from_block, to_block, settlements, accepted } = lost;
    let accepted = if *accepted { "accepted" } else { "not accepted" };
    format!(
        "{settlements} settlements in blocks {from_block} to {to_block} are not in these books, says change {change} of {}; \
         {accepted} by its hash {hash}",
        rfc3339(*at)
    )
}

/// What is the word of the file alone.
fn unchecked(header: &Header, read: &OnChain<'_>) -> Vec<String> {
    let mut unchecked = Vec::new();
    if !read.whose.vault_known {
        unchecked.push(format!(
            "that the vault is {} says the file alone: compare it, or name it with --vault",
            header.vault
        ));
    }
    if read.older.is_none() {
        unchecked.push(format!(
            "that the vault begins at block {} says the file alone: the endpoint does not keep the state before it",
            header.deployed_at
        ));
    }
    unchecked
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
    super::note(&store, "audit.exported", json!({ "file": args.file })).await?;
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
