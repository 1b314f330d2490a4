//! Margin pools as the keeper last saw them.

use super::{ApiState, problem::Problem, view};
use crate::{clock::now_ms, margin::figures::Figures};
use alloy::primitives::Address;
use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;

/// What was not checked for so long is watched no more, in milliseconds.
const FORGOTTEN: i64 = 24 * 3_600_000;

/// The margin pools that were checked in the last 24 hours.
#[derive(Debug, Serialize, ToSchema)]
pub struct MarginPools {
    pools: Vec<MarginPoolView>,
}

/// One pool, and what a shock would do to it.
#[derive(Debug, Serialize, ToSchema)]
pub struct MarginPoolView {
    #[schema(value_type = String)]
    pool: Address,
    checked_at: String,
    #[serde(flatten)]
    figures: Figures,
}

/// Each margin pool: its books, the nearest to a liquidation, its insurance fund, and who would fall in a shock.
#[utoipa::path(get, path = "/v1/margin", tag = "vault", responses((status = 200, body = MarginPools)))]
pub async fn read(State(state): State<ApiState>) -> Result<Json<MarginPools>, Problem> {
    let oldest = now_ms() - FORGOTTEN;
    let kept = state.store.margin_figures().await?.into_iter().filter(|(_, _, at)| *at > oldest);
    let pools = kept.filter_map(|(pool, figures, at)| {
        let figures = serde_json::from_str(&figures).ok()?;
        Some(MarginPoolView { pool, checked_at: view::time(at), figures })
    });
    Ok(Json(MarginPools { pools: pools.collect() }))
}
