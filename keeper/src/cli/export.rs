//! `spillway export`.

use super::{args::ExportArgs, exit::Exit, open_store, output, status::require_store};
use crate::{config::Config, deployment::Deployment, export::Exporter};
use eyre::OptionExt;
use serde_json::json;

pub(super) async fn run(args: &ExportArgs, config: &Config, deployment: &Deployment) -> eyre::Result<Exit> {
    let dir = args.dir.as_ref().or(config.export.directory.as_ref());
    let dir = dir.ok_or_eyre("no folder to write to: say --dir DIR, or set export.directory")?;
    require_store(&config.store.url)?;
    let store = open_store(config, deployment).await?;
    let mut exporter = Exporter::open(&store, dir, deployment).await?;
    // It names recipients and amounts: the audit says who took it out.
    super::note(&store, "ledger.exported", json!({ "directory": dir })).await?;
    let (from, to) = (exporter.change(), store.newest_audit().await?);
    let bar = output::bar("changes exported");
    let of = u64::try_from(to - from).unwrap_or(0);
    let (mut rows, mut files) = (0, 0);
    // Up to where it was at the start: a running keeper goes on making changes.
    while exporter.change() < to
        && let Some(written) = exporter.step(&store).await?
    {
        rows += written.rows;
        files += written.files;
        output::advance(&bar, u64::try_from(written.change - from).unwrap_or(0).min(of), of);
    }
    bar.finish_and_clear();
    store.close().await;
    let change = exporter.change();
    if args.json {
        output::json(&json!({ "directory": dir, "rows": rows, "files": files, "change": change }))?;
    } else {
        output::line(format!(
            "{rows} rows in {files} new files; {} has everything up to change {change}",
            dir.display()
        ));
    }
    Ok(Exit::Done)
}
