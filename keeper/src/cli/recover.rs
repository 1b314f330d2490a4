//! `spillway recover`.

use super::{args::RecoverArgs, exit::Exit, output};
use crate::{config::Config, deployment::Deployment, keeper};

/// What no chain tells.
const UNKNOWN: [&str; 4] = [
    "the idempotency keys, trace ids, deadlines and times of these payouts: a client that repeats its key is recognised",
    "orders that were accepted and not settled: their clients must hand them in again, none is paid twice",
    "orders that were refused, and why",
    "the audit before this entry: the settlements carry its heads, and an export of it can still be verified",
];

pub(super) async fn run(args: &RecoverArgs, config: &Config, deployment: &Deployment) -> eyre::Result<Exit> {
    let bar = output::bar("blocks read");
    let recovered = keeper::recover(config, deployment, args.compare.as_deref(), |done, of| {
        output::advance(&bar, done, of);
    })
    .await;
    bar.finish_and_clear();
    let recovered = recovered?;
    let same =
        recovered.compared.as_ref().is_none_or(|c| c.only_rebuilt.is_empty() && c.only_other.is_empty());
    let ok = same && recovered.report.ok;
    if args.json {
        output::json(&serde_json::json!({ "ok": ok, "recovered": recovered, "unknown": UNKNOWN }))?;
    } else {
        output::line(format!(
            "the store is rebuilt up to block {}: {} payouts of orders, {} requests",
            recovered.block, recovered.payouts, recovered.requests
        ));
        recovered.report.differences.iter().for_each(|difference| output::line(format!("  {difference}")));
        if let Some(compared) = &recovered.compared {
            output::line(format!("compared with the other store: {} lines are the same", compared.same));
            compared.only_rebuilt.iter().for_each(|line| output::line(format!("  only rebuilt: {line}")));
            compared.only_other.iter().for_each(|line| output::line(format!("  only there:   {line}")));
        }
        output::line("unknown, because only the database knew:");
        UNKNOWN.iter().for_each(|what| output::line(format!("  {what}")));
    }
    Ok(if ok { Exit::Done } else { Exit::Differs })
}
