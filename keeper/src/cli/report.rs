//! `spillway report`.

use super::{args::ReportArgs, exit::Exit, open_store, output, status::require_store};
use crate::{config::Config, deployment::Deployment, report};
use eyre::WrapErr;
use std::path::PathBuf;

pub(super) async fn run(args: &ReportArgs, config: &Config, deployment: &Deployment) -> eyre::Result<Exit> {
    require_store(&config.store.url)?;
    let store = open_store(config, deployment).await?;
    let bar = output::bar("changes followed");
    let statement =
        report::of(&store, deployment, args.day, |done, of| output::advance(&bar, done, of)).await;
    bar.finish_and_clear();
    store.close().await;
    let statement = statement?;
    let default = || (!args.json).then(|| PathBuf::from(format!("statement-{}.html", args.day)));
    let out = args.out.clone().or_else(default);
    if let Some(file) = &out {
        std::fs::write(file, statement.html()).wrap_err_with(|| file.display().to_string())?;
    }
    match out {
        _ if args.json => output::json(&statement)?,
        Some(file) => output::line(format!("the statement of {} is in {}", args.day, file.display())),
        None => {}
    }
    Ok(Exit::Done)
}
