//! What the oracle guard thinks of the prices.

use super::{ApiState, problem::Problem};
use axum::{Json, extract::State, http::header, response::IntoResponse};
use oracle_guard::Action;
use std::fmt::Write;

/// `GET /v1/oracle`: the last judgement of each asset, with why, and what it allows.
pub async fn judgements(State(state): State<ApiState>) -> Result<impl IntoResponse, Problem> {
    let mut assets = Vec::new();
    for (asset, kept) in state.store.opinions().await? {
        let symbol = state.deployment.assets.get(asset).map(|a| a.symbol.clone());
        let allows: Vec<_> = Action::ALL.into_iter().filter(|action| kept.opinion.allows(*action)).collect();
        assets.push(serde_json::json!({
            "asset": asset, "symbol": symbol, "at": kept.at, "opinion": kept.opinion, "allows": allows,
        }));
    }
    Ok(Json(serde_json::json!({ "assets": assets })))
}

/// `GET /metrics`: the same as gauges, in Prometheus' text format.
pub async fn metrics(State(state): State<ApiState>) -> Result<impl IntoResponse, Problem> {
    let mut text = String::from(
        "# HELP spillway_oracle_verdict 0 healthy, 1 degraded, 2 insane\n# TYPE spillway_oracle_verdict gauge\n",
    );
    let kept = state.store.opinions().await?;
    let symbol =
        |asset| state.deployment.assets.get(asset).map_or_else(|| format!("{asset}"), |a| a.symbol.clone());
    for (asset, kept) in &kept {
        let verdict = kept.opinion.verdict as u8;
        let _ = writeln!(text, "spillway_oracle_verdict{{asset=\"{}\"}} {verdict}", symbol(*asset));
    }
    text.push_str("# HELP spillway_oracle_reason 1 for each reason of the last judgement\n# TYPE spillway_oracle_reason gauge\n");
    for (asset, kept) in &kept {
        for reason in kept.opinion.reasons.iter() {
            let _ = writeln!(
                text,
                "spillway_oracle_reason{{asset=\"{}\",reason=\"{reason}\"}} 1",
                symbol(*asset)
            );
        }
    }
    text.push_str("# HELP spillway_oracle_judged_at_seconds when it was judged\n# TYPE spillway_oracle_judged_at_seconds gauge\n");
    for (asset, kept) in &kept {
        let _ = writeln!(
            text,
            "spillway_oracle_judged_at_seconds{{asset=\"{}\"}} {}",
            symbol(*asset),
            kept.at / 1_000
        );
    }
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text))
}
