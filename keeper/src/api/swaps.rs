//! Swaps of the float, with how they are split.

use super::{
    ApiState,
    problem::Problem,
    view::{self, AssetView},
};
use crate::{
    domain::{amount::Amount, asset::Assets},
    store::swaps::{Share, Swap, SwapState},
};
use alloy::primitives::{Address, B256, U256};
use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;

/// So many of the newest are shown.
const NEWEST: usize = 20;
const BPS: U256 = U256::from_limbs([10_000, 0, 0, 0]);

/// What the vault sold to refill its float.
#[derive(Debug, Serialize, ToSchema)]
pub struct Swaps {
    /// The newest 20, newest first.
    swaps: Vec<SwapView>,
    /// Assets that users are owed and that cannot be bought now.
    troubles: Vec<TroubleView>,
}

/// A swap. Amounts are decimal, in whole tokens.
#[derive(Debug, Serialize, ToSchema)]
pub struct SwapView {
    number: i64,
    /// `open`, `done` or `failed`.
    state: &'static str,
    /// Why it failed.
    reason: Option<String>,
    sell: AssetView,
    buy: AssetView,
    /// What may be sold, what the pools would pay for it, and what must come at least.
    amount: String,
    quoted: String,
    least: String,
    /// What was sold and what came, as the final block says.
    spent: Option<String>,
    received: Option<String>,
    /// One part of what is needed: the next one comes after a time.
    is_slice: bool,
    routes: Vec<RouteView>,
    #[schema(value_type = Option<String>)]
    transaction: Option<B256>,
    planned_at: String,
    ended_at: Option<String>,
}

/// A route with its share.
#[derive(Debug, Serialize, ToSchema)]
pub struct RouteView {
    /// Of what is sold, in ten-thousandths, rounded down.
    share_bps: u64,
    amount_in: String,
    amount_out: String,
    hops: Vec<HopView>,
}

/// A pool on a route.
#[derive(Debug, Serialize, ToSchema)]
pub struct HopView {
    /// `uniswap_v2`, `uniswap_v3`, `stable_swap` or `balancer_weighted`.
    kind: String,
    #[schema(value_type = String)]
    pool: Address,
    /// Symbols; addresses of tokens that the vault does not list.
    sell: String,
    buy: String,
}

/// Why an asset cannot be bought now.
#[derive(Debug, Serialize, ToSchema)]
pub struct TroubleView {
    asset: AssetView,
    reason: String,
    since: String,
}

/// The newest swaps of the float with their split, and the assets that cannot be bought now.
#[utoipa::path(get, path = "/v1/swaps", tag = "vault", responses((status = 200, body = Swaps)))]
pub async fn read(State(state): State<ApiState>) -> Result<Json<Swaps>, Problem> {
    let assets = &state.deployment.assets;
    let swaps = state.store.last_swaps(NEWEST).await?.into_iter();
    let troubles = state.store.refill_troubles().await?.into_iter();
    Ok(Json(Swaps {
        swaps: swaps.map(|swap| swap_view(assets, swap)).collect(),
        troubles: troubles
            .map(|(asset, reason, at)| TroubleView {
                asset: view::asset(assets, asset),
                reason,
                since: view::time(at),
            })
            .collect(),
    }))
}

fn swap_view(assets: &Assets, swap: Swap) -> SwapView {
    let Swap { row, plan, state, reason, spent, received, tx, created_at, ended_at } = swap;
    let (sell, buy) = (view::asset(assets, plan.sell), view::asset(assets, plan.buy));
    let routes = plan.routes.iter().map(|share| RouteView {
        share_bps: share_bps(share, plan.amount),
        amount_in: sell.decimal(Amount(share.amount_in)),
        amount_out: buy.decimal(Amount(share.amount_out)),
        hops: share
            .hops
            .iter()
            .map(|hop| HopView {
                kind: hop.kind.clone(),
                pool: hop.pool,
                sell: view::asset(assets, hop.sell).symbol,
                buy: view::asset(assets, hop.buy).symbol,
            })
            .collect(),
    });
    SwapView {
        number: row,
        state: state.as_str(),
        reason: reason.filter(|_| state == SwapState::Failed),
        amount: sell.decimal(plan.amount),
        quoted: buy.decimal(plan.quoted),
        least: buy.decimal(plan.least),
        spent: spent.map(|spent| sell.decimal(spent)),
        received: received.map(|received| buy.decimal(received)),
        is_slice: plan.is_slice,
        routes: routes.collect(),
        transaction: tx,
        planned_at: view::time(created_at),
        ended_at: ended_at.map(view::time),
        sell,
        buy,
    }
}

fn share_bps(share: &Share, amount: Amount) -> u64 {
    share.amount_in.saturating_mul(BPS).checked_div(amount.0).and_then(|bps| bps.try_into().ok()).unwrap_or(0)
}
