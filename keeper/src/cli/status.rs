//! `spillway status [ID]`.

use super::{args::StatusArgs, exit::Exit, open_store, output};
use crate::{
    api::{
        reader::{Reader, Terms},
        view::WithdrawalView,
    },
    config::Config,
    deployment::Deployment,
    domain::{
        asset::Assets,
        batch::{Batch, BatchKind, BatchState},
        withdrawal::{Withdrawal, WithdrawalId, WithdrawalState},
    },
    store::{
        Store,
        lanes::Lane,
        progress::{BlockMark, Verdict},
    },
};
use eyre::{bail, ensure};
use serde_json::{Value, json};
use std::path::Path;

pub(super) async fn run(args: &StatusArgs, config: &Config, deployment: &Deployment) -> eyre::Result<Exit> {
    require_store(&config.store.url)?;
    let store = open_store(config, deployment).await?;
    match &args.id {
        Some(id) => {
            let terms = Terms::new(&config.batch, &config.policy, &config.fees);
            let reader = Reader::new(store.clone(), deployment.assets.clone(), terms);
            one(&store, &reader, id, args.json).await?;
        }
        None => all(&store, args.json, deployment).await?,
    }
    store.close().await;
    Ok(Exit::Done)
}

/// Asking must not make an empty store where the path is mistyped.
pub(super) fn require_store(url: &str) -> eyre::Result<()> {
    if let Some(file) = url.strip_prefix("sqlite:") {
        let file = file.trim_start_matches("//").split('?').next().unwrap_or_default();
        ensure!(
            Path::new(file).exists(),
            "there is no store at {file} yet; start the keeper or submit a file first"
        );
    }
    Ok(())
}

/// The withdrawal that a person names.
async fn find(store: &Store, id_or_key: &str) -> eyre::Result<Withdrawal> {
    let wanted = WithdrawalId::parse(id_or_key).unwrap_or_else(|| WithdrawalId::from_key(id_or_key));
    match store.withdrawal(&wanted).await? {
        Some(withdrawal) => Ok(withdrawal),
        None => bail!("no withdrawal has the id or idempotency key '{id_or_key}'"),
    }
}

/// [`find`] for somebody who looks at it. Whose payment it is is personal: the audit says who looked.
pub(super) async fn look_at(store: &Store, id_or_key: &str) -> eyre::Result<Withdrawal> {
    let withdrawal = find(store, id_or_key).await?;
    super::note(store, "withdrawal.viewed", json!({ "id": withdrawal.id })).await?;
    Ok(withdrawal)
}

async fn one(store: &Store, reader: &Reader, id: &str, as_json: bool) -> eyre::Result<()> {
    let withdrawal = look_at(store, id).await?;
    let view = reader.load(withdrawal).await?;
    if as_json {
        return output::json(&view);
    }
    tell_one(&view);
    Ok(())
}

fn tell_one(view: &WithdrawalView) {
    let stage = view.stage.as_ref().map(|stage| format!(", its batch is {stage}")).unwrap_or_default();
    output::line(format!("{} is {}{stage}", view.id, view.state));
    if let Some(reason) = &view.reason {
        output::line(reason.message);
    }
    output::line(format!("{} {} to {}", view.amount, view.asset.symbol, view.recipient));
    output::line(format!("idempotency key {}, received {}", view.idempotency_key, view.received_at));
    if let Some(deadline) = &view.deadline {
        output::line(format!("to be paid by {deadline}, or released"));
    }
    if let Some(fee) = &view.fee {
        output::line(format!("network fee at most {} for {} gas: {}", fee.cost, fee.gas, fee.reason));
    }
    if let Some(next) = &view.next {
        output::line(format!("next, at {}: {}", next.at, next.what));
    }
    if let Some(estimate) = &view.estimate {
        output::line(format!("paid by {} as a rule, by {} nine times of ten", estimate.p50, estimate.p90));
    }
    if let Some(paid) = &view.transaction {
        output::line(format!("transaction {} in block {}", paid.hash, paid.block));
    }
    output::line("");
    for step in &view.history {
        output::line(format!("{}  {}", step.at, step.words));
    }
}

/// What stands where.
struct Overview {
    counts: Vec<(WithdrawalState, u64)>,
    open: Vec<Batch>,
    /// Final batches, their payouts, their gas.
    settled: (u64, u64, u64),
    lanes: Vec<Lane>,
    cursor: Option<BlockMark>,
    unmatched: u64,
    verdict: Option<Verdict>,
}

async fn all(store: &Store, as_json: bool, deployment: &Deployment) -> eyre::Result<()> {
    let overview = Overview {
        counts: store.counts().await?,
        open: store.batches_in(&BatchState::OPEN).await?,
        settled: store.final_batches().await?,
        lanes: store.lanes().await?,
        cursor: store.cursor().await?,
        unmatched: store.unmatched_payouts().await?,
        verdict: store.last_verdict().await?,
    };
    if as_json {
        return output::json(&document(&overview, &deployment.assets));
    }
    tell_all(&overview, &deployment.assets);
    Ok(())
}

fn document(overview: &Overview, assets: &Assets) -> Value {
    let (batches, payouts, gas) = overview.settled;
    let withdrawals: serde_json::Map<_, _> =
        overview.counts.iter().map(|(state, n)| (state.to_string(), json!(n))).collect();
    let open: Vec<_> = overview
        .open
        .iter()
        .map(|b| {
            json!({
                "batch": b.row, "kind": b.kind.as_str(), "state": b.state.as_str(), "payouts": b.count,
                "asset": assets.get(b.asset).map(|a| a.symbol.as_str()), "units": b.total.to_string(),
                "lane": b.content.as_ref().map(|c| c.lane), "reason": b.reason,
            })
        })
        .collect();
    let lanes: Vec<_> = overview
        .lanes
        .iter()
        .map(|l| {
            json!({
                "address": l.address, "next": l.position.next, "nonce": l.nonce, "fencing": l.fencing_since.is_some(),
                "gas_needed": l.gas_needed.map(|wei| wei.to_string()),
            })
        })
        .collect();
    json!({
        "withdrawals": withdrawals,
        "batches": { "open": open.len(), "final": batches, "payouts": payouts, "gas": gas },
        "open_batches": open,
        "lanes": lanes,
        "final_block": overview.cursor.map(|c| c.number),
        "unmatched_payouts": overview.unmatched,
        "reconciliation": overview.verdict,
    })
}

fn tell_all(overview: &Overview, assets: &Assets) {
    let mut table = output::table(["withdrawals", ""]);
    for (state, n) in &overview.counts {
        table.add_row([state.to_string(), n.to_string()]);
    }
    output::line(table);

    if !overview.open.is_empty() {
        let mut table = output::table(["batch", "kind", "state", "payouts", "total", "waits for"]);
        for batch in &overview.open {
            let total = match batch.kind {
                BatchKind::Void | BatchKind::Cancel => String::new(),
                _ => assets.show(batch.asset, batch.total),
            };
            table.add_row([
                batch.row.to_string(),
                batch.kind.as_str().to_owned(),
                batch.state.to_string(),
                batch.count.to_string(),
                total,
                batch.reason.clone().unwrap_or_default(),
            ]);
        }
        output::line(table);
    }

    if !overview.lanes.is_empty() {
        let mut table = output::table(["lane", "next number", "next nonce", ""]);
        for lane in &overview.lanes {
            let state = match (lane.fencing_since, lane.gas_needed) {
                (Some(_), _) => "fencing: gives no new numbers".to_owned(),
                (None, Some(wei)) => format!("set aside: needs {} for gas; send it", wei.to_decimal(18)),
                (None, None) => String::new(),
            };
            table.add_row([
                lane.address.to_string(),
                lane.position.next.to_string(),
                lane.nonce.to_string(),
                state,
            ]);
        }
        output::line(table);
    }

    let (batches, payouts, gas) = overview.settled;
    let each = gas.checked_div(payouts).map(|each| format!(", {each} gas each")).unwrap_or_default();
    output::line(format!("{batches} final batches with {payouts} payouts{each}"));
    match overview.cursor {
        Some(block) => output::line(format!("books follow the chain to block {}", block.number)),
        None => output::line("books do not follow the chain yet; start the keeper"),
    }
    if overview.unmatched > 0 {
        output::line(format!(
            "{} payouts on chain belong to withdrawals that this store forgot; their senders repeat them",
            overview.unmatched
        ));
    }
    match &overview.verdict {
        Some(verdict) if verdict.ok => {
            output::line(format!("chain and books agree at block {}", verdict.block));
        }
        Some(verdict) => {
            output::line(format!(
                "chain and books DIFFER at block {}: see spillway reconcile",
                verdict.block
            ));
        }
        None => output::line("chain and books were not compared yet"),
    }
}
