//! `spillway reconcile`.

use super::{args::ReconcileArgs, exit::Exit, output};
use crate::{
    config::Config,
    deployment::Deployment,
    keeper::{self, Scope},
};
use serde_json::json;

pub(super) async fn run(
    args: &ReconcileArgs,
    config: &Config,
    deployment: &Deployment,
) -> eyre::Result<Exit> {
    if let Some(asset) = &args.write_off {
        return write_off(args, asset, config, deployment).await;
    }
    let bar = output::bar("blocks compared");
    let scope = Scope { deep: args.deep, from: args.from };
    let report =
        keeper::reconcile_once(config, deployment, scope, |done, of| output::advance(&bar, done, of)).await;
    bar.finish_and_clear();
    let report = report?;
    if args.json {
        output::json(&report)?;
    } else {
        let of = match report.payouts {
            Some(payouts) => format!(", {payouts} payouts from block {} on", report.from),
            None => String::new(),
        };
        if report.ok {
            output::line(format!("intake, ledger and chain agree at block {}{of}", report.block));
        } else {
            output::line(format!("intake, ledger and chain DIFFER at block {}{of}:", report.block));
        }
        report.differences.iter().for_each(|difference| output::line(format!("  {difference}")));
    }
    Ok(if report.ok { Exit::Done } else { Exit::Differs })
}

async fn write_off(
    args: &ReconcileArgs,
    asset: &str,
    config: &Config,
    deployment: &Deployment,
) -> eyre::Result<Exit> {
    let why = args.reason.as_deref().unwrap_or_default();
    let lost = keeper::write_off(config, deployment, asset, &super::user(), why).await?;
    if args.json {
        output::json(&json!({ "asset": asset, "lost": lost.to_string() }))?;
    } else if lost.is_zero() {
        output::line(format!("nothing of {asset} is missing: nothing was booked"));
    } else {
        output::line(format!("{lost} units of {asset} are booked as lost; the float bears it"));
    }
    Ok(Exit::Done)
}
