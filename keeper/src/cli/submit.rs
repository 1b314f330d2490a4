//! `spillway submit FILE.csv`.

use super::{args::SubmitArgs, exit::Exit, open_store, output};
use crate::{
    config::Config,
    deployment::Deployment,
    stages::intake::{
        Rule,
        csv::submit::{Progress, Report, submit},
    },
};
use eyre::WrapErr;
use indicatif::{ProgressBar, ProgressStyle};
use std::fs::File;

pub(super) async fn run(args: &SubmitArgs, config: &Config, deployment: &Deployment) -> eyre::Result<Exit> {
    let shown = || args.file.display().to_string();
    let mut file = File::open(&args.file).wrap_err_with(shown)?;
    let bar = progress_bar(file.metadata().wrap_err_with(shown)?.len())?;
    let store = open_store(config, deployment).await?;
    let rule = if args.skip_invalid { Rule::EachAlone } else { Rule::AllOrNothing };
    let report = submit(&store, deployment, &mut file, rule, |progress| show(&bar, progress)).await;
    bar.finish_and_clear();
    store.close().await;

    let report = report.wrap_err_with(shown)?;
    if args.json {
        output::json(&report)?;
    } else {
        tell(&report);
    }
    Ok(match (report.rejected, report.stored) {
        (0, _) => Exit::Done,
        (_, true) => Exit::PartlyRejected,
        (_, false) => Exit::Failed,
    })
}

/// Drawn on standard error, and only on a terminal.
fn progress_bar(bytes: u64) -> eyre::Result<ProgressBar> {
    let style = ProgressStyle::with_template("{msg:8} {wide_bar} {bytes}/{total_bytes}, {eta} left")?;
    Ok(ProgressBar::new(bytes).with_style(style))
}

fn show(bar: &ProgressBar, progress: Progress) {
    let (what, bytes) = match progress {
        Progress::Checking { bytes } => ("checking", bytes),
        Progress::Storing { bytes } => ("storing", bytes),
    };
    bar.set_message(what);
    bar.set_position(bytes);
}

fn tell(report: &Report) {
    for row in &report.errors {
        output::note(format!(
            "line {}, {}: {} [{}]",
            row.line, row.error.field, row.error.message, row.error.code
        ));
    }
    let listed = report.errors.last().map_or(0, |last| last.line);
    let beyond = report.errors.len() >= crate::stages::intake::csv::submit::MAX_ERRORS;
    if beyond {
        output::note(format!("more errors after line {listed} are not listed"));
    }
    let Report { rows, new, repeated, rejected, .. } = report;
    output::line(format!("{rows} rows: {new} new, {repeated} repeated, {rejected} rejected"));
    if !report.stored {
        output::line("nothing was stored; correct the rows, or store the good ones with --skip-invalid");
    }
}
