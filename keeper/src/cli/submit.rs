//! `spillway submit`.

use super::{Submit, print};
use crate::{
    config::Config,
    deployment::Deployment,
    stages::intake::{
        Rule,
        csv::submit::{Progress, submit},
    },
    store::Store,
};
use eyre::WrapErr;
use indicatif::{ProgressBar, ProgressStyle};
use std::{fs::File, io::BufReader};

pub(super) async fn run(args: &Submit, config: &Config, deployment: &Deployment) -> eyre::Result<u8> {
    let file = File::open(&args.file).wrap_err_with(|| args.file.display().to_string())?;
    let length = file.metadata()?.len();
    let store = Store::open(&config.store.url).await?;
    store.bind_to_vault(deployment.chain_id, deployment.vault).await?;
    let bar = ProgressBar::new(length).with_style(
        ProgressStyle::with_template("{msg:9} {wide_bar} {bytes}/{total_bytes} {eta}")?,
    );
    let rule = if args.skip_invalid { Rule::EachAlone } else { Rule::AllOrNothing };
    let report = submit(&store, deployment, &mut BufReader::new(file), rule, |progress| match progress {
        Progress::Checking { bytes } => {
            bar.set_message("checking");
            bar.set_position(bytes);
        }
        Progress::Storing { bytes } => {
            bar.set_message("storing");
            bar.set_position(bytes);
        }
    })
    .await?;
    bar.finish_and_clear();
    store.close().await;
    if args.json {
        print(&serde_json::to_string(&report)?);
    } else {
        for row in &report.errors {
            print(&format!("line {}: {}: {}", row.line, row.error.field, row.error.message));
        }
        print(&format!(
            "{} rows: {} new, {} repeated, {} refused{}",
            report.rows,
            report.new,
            report.repeated,
            report.rejected,
            if report.stored { "" } else { "; nothing was stored" }
        ));
    }
    Ok(if report.rejected == 0 { 0 } else { 3 })
}
