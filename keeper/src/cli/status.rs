//! `spillway status`.

use super::print;
use crate::{
    api::view,
    config::Config,
    deployment::Deployment,
    domain::{batch::BatchState, withdrawal::WithdrawalId},
    store::Store,
};
use comfy_table::Table;
use serde_json::{Map, Value, json};

pub(super) async fn run(
    id: Option<&str>,
    as_json: bool,
    config: &Config,
    deployment: &Deployment,
) -> eyre::Result<u8> {
    let store = Store::open(&config.store.url).await?;
    let code = match id {
        Some(id) => one(&store, id, as_json, deployment).await?,
        None => all(&store, as_json).await?,
    };
    store.close().await;
    Ok(code)
}

async fn one(store: &Store, id: &str, as_json: bool, deployment: &Deployment) -> eyre::Result<u8> {
    let wanted = WithdrawalId::parse(id).unwrap_or_else(|| WithdrawalId::from_key(id));
    let Some(withdrawal) = store.withdrawal(&wanted).await? else {
        eyre::bail!("no withdrawal has the id or idempotency key '{id}'");
    };
    let view = view::load(store, &deployment.assets, withdrawal).await?;
    let value = serde_json::to_value(&view)?;
    if as_json {
        print(&value.to_string());
        return Ok(0);
    }
    let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
    print(&format!("{}  {}", text("id"), text("state")));
    print(&format!("{} {} to {}", view.amount, view.asset.symbol, text("recipient")));
    for step in &view.history {
        print(&format!("  {}  {}", step.at, step.words));
    }
    Ok(0)
}

async fn all(store: &Store, as_json: bool) -> eyre::Result<u8> {
    let counts = store.counts().await?;
    let open = [
        BatchState::Planned,
        BatchState::Priced,
        BatchState::Funded,
        BatchState::Signed,
        BatchState::Broadcast,
        BatchState::Mined,
    ];
    let open = store.batches_in(&open).await?;
    let (batches, payouts, gas) = store.final_batches().await?;
    let (cursor, verdict) = (store.cursor().await?, store.last_verdict().await?);
    let unmatched = store.unmatched_payouts().await?;
    if as_json {
        let withdrawals: Map<String, Value> =
            counts.iter().map(|(state, n)| (state.to_string(), json!(n))).collect();
        let lanes: Vec<Value> = store
            .lanes()
            .await?
            .iter()
            .map(|l| json!({ "address": l.address, "next": l.position.next, "nonce": l.nonce, "fencing": l.fencing_since.is_some() }))
            .collect();
        let document = json!({
            "withdrawals": withdrawals,
            "batches": { "open": open.len(), "final": batches, "payouts": payouts, "gas": gas },
            "lanes": lanes,
            "final_block": cursor.map(|c| c.number),
            "unmatched_payouts": unmatched,
            "reconciliation": verdict,
        });
        print(&document.to_string());
        return Ok(0);
    }
    let mut table = Table::new();
    table.set_header(["withdrawals", "count"]);
    for (state, n) in &counts {
        table.add_row([state.to_string(), n.to_string()]);
    }
    print(&table.to_string());
    for batch in &open {
        let reason = batch.reason.as_deref().unwrap_or_default();
        print(&format!("batch {}: {} payouts, {} {reason}", batch.row, batch.count, batch.state));
    }
    print(&format!("{batches} final batches with {payouts} payouts, {gas} gas"));
    if let Some(verdict) = verdict {
        let said = if verdict.ok { "agree" } else { "DIFFER: see spillway reconcile" };
        print(&format!("block {}: chain and books {said}", verdict.block));
    }
    Ok(0)
}
