//! Figures in Prometheus' text format, read from the store when they are asked for. docs/metrics.md describes each.

use super::{ApiState, problem::Problem};
use crate::{
    clock::now_ms,
    domain::{amount::Amount, batch::BatchState, reason::Code, tier::Tier},
    margin::figures::Figures,
};
use axum::{extract::State, http::header, response::IntoResponse};
use std::fmt::{Display, Write};

/// The figures of the keeper, in Prometheus' text format.
#[utoipa::path(
    get, path = "/metrics", tag = "health", responses((status = 200, body = String, content_type = "text/plain"))
)]
pub async fn read(State(state): State<ApiState>) -> Result<impl IntoResponse, Problem> {
    let mut text = Text::default();
    withdrawals(&state, &mut text).await?;
    batches(&state, &mut text).await?;
    books(&state, &mut text).await?;
    endpoints(&state, &mut text);
    vault(&state, &mut text).await;
    refills(&state, &mut text).await?;
    oracle(&state, &mut text).await?;
    webhooks(&state, &mut text).await?;
    margin(&state, &mut text).await?;
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text.text))
}

/// A gauge that holds the estimates against what came: its name, its words, and which of both shares it is.
type HitRatio = (&'static str, &'static str, fn((u64, u64)) -> u64);

const HIT_RATIOS: [HitRatio; 2] = [
    (
        "spillway_estimate_p50_hit_ratio",
        "share of the withdrawals paid last that took no longer than the p50 of those before: 0.5 is right",
        |(p50, _)| p50,
    ),
    (
        "spillway_estimate_p90_hit_ratio",
        "share of the withdrawals paid last that took no longer than the p90 of those before: 0.9 is right",
        |(_, p90)| p90,
    ),
];

async fn withdrawals(state: &ApiState, text: &mut Text) -> Result<(), Problem> {
    let waiting = state.store.waiting_counts().await?;
    text.family("spillway_withdrawals_open", "gauge", "withdrawals that are not final, by state");
    for of in &waiting {
        text.sample(&[("state", &of.state)], of.withdrawals);
    }
    text.family(
        "spillway_withdrawal_oldest_age_seconds",
        "gauge",
        "age of the oldest withdrawal of a state that waits for no person; 0 when none",
    );
    let age = |since: Option<i64>| since.map_or(0, |since| (now_ms() - since).max(0) / 1_000);
    for of in &waiting {
        text.sample(&[("state", &of.state)], age(of.unasked_since));
    }
    let (reviewed, since) = state.store.waiting_for_approvers().await?;
    text.family("spillway_review_withdrawals", "gauge", "withdrawals that wait for approvers");
    text.sample(&[], reviewed);
    text.family("spillway_review_oldest_age_seconds", "gauge", "age of the oldest of them; 0 when none");
    text.sample(&[], age(since));
    let assets = &state.deployment.assets;
    text.family(
        "spillway_withdrawal_duration_seconds",
        "summary",
        "from receipt to final, of the last 500 paid, by quantile",
    );
    let mut known = Vec::new();
    for asset in assets.iter() {
        for tier in Tier::ALL {
            known.push((&asset.symbol, tier, state.reader.durations(asset.address, tier).await?));
        }
    }
    for (asset, tier, durations) in &known {
        if let Some((p50, p90)) = durations.for_age(-1) {
            for (quantile, ms) in [("0.5", p50), ("0.9", p90)] {
                text.sample(&[("asset", asset), ("tier", tier), ("quantile", &quantile)], thousandths(ms));
            }
        }
    }
    for (name, help, share) in HIT_RATIOS {
        text.family(name, "gauge", help);
        for (asset, tier, durations) in &known {
            if let Some(hits) = durations.hits_per_mille() {
                text.sample(&[("asset", asset), ("tier", tier)], thousandths(share(hits)));
            }
        }
    }
    Ok(())
}

async fn batches(state: &ApiState, text: &mut Text) -> Result<(), Problem> {
    let batches = state.store.batches_in(&BatchState::OPEN).await?;
    text.family("spillway_batches_open", "gauge", "batches that are not final, by state");
    for at in BatchState::OPEN {
        text.sample(&[("state", &at)], batches.iter().filter(|b| b.state == at).count());
    }
    text.family("spillway_batches_waiting", "gauge", "open batches that say why they wait, by code");
    let mut codes: Vec<_> = batches
        .iter()
        .filter_map(|b| Code::of_reason(b.reason.as_deref()?))
        .map(|code| code.as_str())
        .collect();
    codes.sort_unstable();
    for same in codes.chunk_by(|a, b| a == b) {
        text.sample(&[("code", &same[0])], same.len());
    }
    let (settled, payouts, gas) = state.store.final_batches().await?;
    text.family("spillway_batches_final_total", "counter", "batches in final blocks");
    text.sample(&[], settled);
    text.family("spillway_payouts_final_total", "counter", "payouts in final blocks");
    text.sample(&[], payouts);
    text.family("spillway_gas_used_total", "counter", "gas of batches in final blocks");
    text.sample(&[], gas);
    let lanes = state.store.lanes().await?;
    text.family(
        "spillway_lane_fenced",
        "gauge",
        "1 while a lane gives no numbers because its past is not known yet",
    );
    for lane in &lanes {
        text.sample(&[("lane", &lane.address)], u8::from(lane.fencing_since.is_some()));
    }
    text.family(
        "spillway_lane_short_of_gas",
        "gauge",
        "1 while a lane is set aside because it cannot pay for gas",
    );
    for lane in &lanes {
        text.sample(&[("lane", &lane.address)], u8::from(lane.gas_needed.is_some()));
    }
    Ok(())
}

async fn books(state: &ApiState, text: &mut Text) -> Result<(), Problem> {
    if let Some(cursor) = state.store.cursor().await? {
        text.family("spillway_books_block", "gauge", "the last final block in the books");
        text.sample(&[], cursor.number);
    }
    if let Some(verdict) = state.store.last_verdict().await? {
        text.family(
            "spillway_reconciliation_ok",
            "gauge",
            "1 when chain and books agreed at the last comparison",
        );
        text.sample(&[], u8::from(verdict.ok));
        text.family("spillway_reconciliation_block", "gauge", "the block of the last comparison");
        text.sample(&[], verdict.block);
    }
    let unmatched = state.store.unmatched_payouts().await?;
    text.family(
        "spillway_payouts_unmatched",
        "gauge",
        "payouts on chain of withdrawals that the books do not know",
    );
    text.sample(&[], unmatched);
    Ok(())
}

fn endpoints(state: &ApiState, text: &mut Text) {
    let readiness = state.readiness.borrow().clone();
    text.family("spillway_ready", "gauge", "1 while withdrawals are being paid");
    text.sample(&[], u8::from(readiness.ready));
    text.family("spillway_rpc_requests_total", "counter", "requests to an endpoint since the start");
    for endpoint in &readiness.endpoints {
        text.sample(&[("host", &endpoint.host)], endpoint.requests);
    }
    text.family("spillway_rpc_errors_total", "counter", "requests to an endpoint that failed");
    for endpoint in &readiness.endpoints {
        text.sample(&[("host", &endpoint.host)], endpoint.errors);
    }
    text.family(
        "spillway_rpc_disagreements_total",
        "counter",
        "answers of an endpoint that the quorum did not share",
    );
    for endpoint in &readiness.endpoints {
        text.sample(&[("host", &endpoint.host)], endpoint.disagreements);
    }
    text.family("spillway_rpc_latency_seconds", "gauge", "moving average of an endpoint's answers");
    for endpoint in &readiness.endpoints {
        text.sample(&[("host", &endpoint.host)], thousandths(endpoint.latency_ms));
    }
    text.family("spillway_rpc_blocks_behind", "gauge", "blocks behind what the quorum has reached");
    for endpoint in &readiness.endpoints {
        text.sample(&[("host", &endpoint.host)], endpoint.behind);
    }
    text.family("spillway_rpc_set_aside", "gauge", "1 while an endpoint is not asked");
    for endpoint in &readiness.endpoints {
        text.sample(&[("host", &endpoint.host)], u8::from(endpoint.set_aside.is_some()));
    }
}

/// Without the chain these are left out, and `spillway_vault_up` is 0.
async fn vault(state: &ApiState, text: &mut Text) {
    let vault = state.vault().await.ok();
    text.family("spillway_vault_up", "gauge", "1 when the vault's state could be read");
    text.sample(&[], u8::from(vault.is_some()));
    let Some(vault) = vault else { return };
    let now = vault.block.timestamp;
    text.family(
        "spillway_pause_seconds_left",
        "gauge",
        "until a pause ends by itself, by scope or asset; only while paused",
    );
    for (scope, until) in super::vault::pauses(state, &vault) {
        text.sample(&[("scope", &scope)], until - now);
    }
    let assets = &state.deployment.assets;
    let known = || vault.assets.iter().filter_map(|of| Some((assets.get(of.asset)?, of)));
    text.family("spillway_float_tokens", "gauge", "what orders can be paid from, in whole tokens");
    for (asset, of) in known() {
        text.sample(&[("asset", &asset.symbol)], of.float.to_decimal(asset.decimals));
    }
    text.family("spillway_bucket_left_tokens", "gauge", "what may leave now, in whole tokens, by bucket");
    for (asset, of) in known() {
        for (bucket, state) in [("asset", of.bucket), ("instant", of.instant)] {
            text.sample(
                &[("asset", &asset.symbol), ("bucket", &bucket)],
                state.left.to_decimal(asset.decimals),
            );
        }
    }
    text.family(
        "spillway_bucket_capacity_tokens",
        "gauge",
        "what may leave at most at once, in whole tokens, by bucket",
    );
    for (asset, of) in known() {
        for (bucket, state) in [("asset", of.bucket), ("instant", of.instant)] {
            let capacity = state.capacity.to_decimal(asset.decimals);
            text.sample(&[("asset", &asset.symbol), ("bucket", &bucket)], capacity);
        }
    }
}

async fn oracle(state: &ApiState, text: &mut Text) -> Result<(), Problem> {
    let kept = state.store.opinions().await?;
    let symbol =
        |asset| state.deployment.assets.get(asset).map_or_else(|| format!("{asset}"), |a| a.symbol.clone());
    text.family("spillway_oracle_verdict", "gauge", "0 healthy, 1 degraded, 2 insane");
    for (asset, kept) in &kept {
        text.sample(&[("asset", &symbol(*asset))], kept.opinion.verdict as u8);
    }
    text.family("spillway_oracle_reason", "gauge", "1 for each reason of the last judgement");
    for (asset, kept) in &kept {
        for reason in kept.opinion.reasons.iter() {
            text.sample(&[("asset", &symbol(*asset)), ("reason", &reason)], 1);
        }
    }
    text.family("spillway_oracle_judged_at_seconds", "gauge", "when it was judged, in unix seconds");
    for (asset, kept) in &kept {
        text.sample(&[("asset", &symbol(*asset))], kept.at / 1_000);
    }
    Ok(())
}

async fn refills(state: &ApiState, text: &mut Text) -> Result<(), Problem> {
    let open = state.store.refill_requests().await?;
    text.family("spillway_refill_requested_tokens", "gauge", "what cold is asked for, in whole tokens");
    for asset in state.deployment.assets.iter() {
        let asked = open.iter().find(|request| request.asset == asset.address);
        let amount = asked.map_or(Amount::ZERO, |request| request.amount);
        text.sample(&[("asset", &asset.symbol)], amount.to_decimal(asset.decimals));
    }
    Ok(())
}

async fn webhooks(state: &ApiState, text: &mut Text) -> Result<(), Problem> {
    text.family("spillway_webhook_messages", "gauge", "messages to an endpoint, by state");
    for (endpoint, at, n) in state.store.webhook_counts().await? {
        text.sample(&[("endpoint", &endpoint), ("state", &at)], n);
    }
    Ok(())
}

/// Only where margin pools are configured, and were checked once.
async fn margin(state: &ApiState, text: &mut Text) -> Result<(), Problem> {
    let kept = state.store.margin_figures().await?;
    let read = |(_, figures, at): &(_, String, i64)| Some((serde_json::from_str(figures).ok()?, *at));
    let pools: Vec<(Figures, i64)> = kept.iter().filter_map(read).collect();
    let mut family = |name: &str, help: &str, value: fn(&(Figures, i64)) -> String| {
        text.family(name, "gauge", help);
        for pool in &pools {
            text.sample(&[("pool", &pool.0.name)], value(pool));
        }
    };
    family("spillway_margin_books", "books that hold options", |(f, _)| f.books.to_string());
    family("spillway_margin_books_below", "books below maintenance", |(f, _)| f.below.to_string());
    family("spillway_margin_liquidations", "liquidations that are open", |(f, _)| f.liquidations.to_string());
    family(
        "spillway_margin_expiries_unpriced",
        "expiries without a price fit for a liquidation",
        |(f, _)| f.unpriced.to_string(),
    );
    family("spillway_margin_insurance_tokens", "the insurance fund, in whole collateral", |(f, _)| {
        f.insurance.clone()
    });
    family("spillway_margin_maintenance_tokens", "all maintenance margins, in whole collateral", |(f, _)| {
        f.maintenance.clone()
    });
    family(
        "spillway_margin_largest_bps",
        "what the account that needs most needs of all maintenance margins, in ten-thousandths",
        |(f, _)| f.largest_bps.to_string(),
    );
    family(
        "spillway_margin_naked_calls_bps",
        "calls short beyond those long, of what the rules allow, in ten-thousandths",
        |(f, _)| f.naked_calls_bps.to_string(),
    );
    family("spillway_margin_checked_at_seconds", "when it was checked, in unix seconds", |(_, at)| {
        (at / 1_000).to_string()
    });
    Ok(())
}

/// A number of thousandths, exactly.
fn thousandths(n: impl TryInto<u64>) -> String {
    let n = n.try_into().unwrap_or(0);
    format!("{}.{:03}", n / 1_000, n % 1_000)
}

/// The text format: a family, then its samples.
#[derive(Debug, Default)]
struct Text {
    text: String,
    /// Of the family that is being written.
    name: String,
}

impl Text {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        self.name = name.to_owned();
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, labels: &[(&str, &dyn Display)], value: impl Display) {
        let escaped = |value: &dyn Display| {
            value.to_string().replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n")
        };
        let labels: Vec<_> =
            labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(self.text, "{}{labels} {value}", self.name);
    }
}
