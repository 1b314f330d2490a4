//! What the oracle guard thinks of the prices.

use super::{ApiState, problem::Problem};
use crate::stages::price::guard::Opinion;
use alloy::primitives::Address;
use axum::{Json, extract::State};
use oracle_guard::Action;
use serde::Serialize;
use utoipa::ToSchema;

/// The last judgement of each asset.
#[derive(Debug, Serialize, ToSchema)]
pub struct Judgements {
    assets: Vec<Judgement>,
}

/// What is thought of one asset's price; docs/oracle.md describes `opinion`.
#[derive(Debug, Serialize, ToSchema)]
pub struct Judgement {
    #[schema(value_type = String)]
    asset: Address,
    symbol: Option<String>,
    /// Unix milliseconds.
    at: i64,
    #[schema(value_type = Object)]
    opinion: Opinion,
    /// What the price may be used for.
    #[schema(value_type = Vec<String>)]
    allows: Vec<Action>,
}

/// What the oracle guard last thought of each asset's price, with why, and what it allows.
#[utoipa::path(get, path = "/v1/oracle", tag = "vault", responses((status = 200, body = Judgements)))]
pub async fn judgements(State(state): State<ApiState>) -> Result<Json<Judgements>, Problem> {
    let mut assets = Vec::new();
    for (asset, kept) in state.store.opinions().await? {
        let symbol = state.deployment.assets.get(asset).map(|a| a.symbol.clone());
        let allows: Vec<_> = Action::ALL.into_iter().filter(|action| kept.opinion.allows(*action)).collect();
        assets.push(Judgement { asset, symbol, at: kept.at, opinion: kept.opinion, allows });
    }
    Ok(Json(Judgements { assets }))
}
