//! The vault's state, and what a withdrawal would cost and take.

use super::{
    ApiState,
    list::asset,
    params::Params,
    problem::Problem,
    view::{self, AssetView, EstimateView, FeeView, NextView},
};
use crate::{
    chain::state::{AssetState, Bucket, SCOPES, VaultState},
    clock::now_ms,
    domain::{
        amount::Amount,
        asset::Asset,
        reason::Next,
        tier::{Tier, Tiers},
    },
    store::refills::RefillRequest,
};
use alloy::primitives::Address;
use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};
use utoipa::{IntoParams, ToSchema};

/// So long the chain is not asked again whether it has a newer block: a pause is to be seen within two seconds of its own.
const FRESH: Duration = Duration::from_millis(500);

/// The last state that was read.
#[derive(Debug, Default)]
pub struct Kept(tokio::sync::Mutex<Option<(Instant, VaultState)>>);

impl ApiState {
    /// The vault's state at the block that was the newest at most [`FRESH`] ago. It is read once for each block.
    pub(super) async fn vault(&self) -> Result<VaultState, Problem> {
        let mut kept = self.vault.0.lock().await;
        if let Some((_, state)) = kept.as_ref().filter(|(at, _)| at.elapsed() < FRESH) {
            return Ok(state.clone());
        }
        let tip = self.chain.tip().await?;
        let state = match kept.as_ref().filter(|(_, state)| state.block == tip) {
            Some((_, state)) => state.clone(),
            None => {
                let assets: Vec<_> = self.deployment.assets.iter().map(|a| a.address).collect();
                self.chain.vault_state(tip, &assets).await?
            }
        };
        *kept = Some((Instant::now(), state.clone()));
        Ok(state)
    }
}

/// The vault at one block.
#[derive(Debug, Serialize, ToSchema)]
pub struct VaultView {
    block: u64,
    /// Of that block.
    at: String,
    /// What is paused now; each ends by itself.
    pauses: Vec<PauseView>,
    /// What may leave of all assets, in USD; none when the vault has no such limit.
    usd: Option<BucketView>,
    assets: Vec<VaultAssetView>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct PauseView {
    /// `everything`, `deposits`, `orders`, `requests`, `swaps`, or an asset's symbol.
    scope: String,
    until: String,
    /// Who paused it: a guardian or governance, or the vault itself where a limit tripped. None while it is looked for.
    #[schema(value_type = Option<String>)]
    by: Option<Address>,
}

/// What may leave. Decimal, in whole tokens or USD.
#[derive(Debug, Serialize, ToSchema)]
pub struct BucketView {
    capacity: String,
    left: String,
    /// When it is full again, if nothing leaves; none when it is.
    full_at: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct RefillView {
    amount: String,
    since: String,
}

/// Amounts are decimal, in whole tokens.
#[derive(Debug, Serialize, ToSchema)]
pub struct VaultAssetView {
    asset: AssetView,
    /// What orders are paid from.
    float: String,
    /// Depositors' balances, unpaid requests and claims.
    liabilities: String,
    cold: String,
    /// What a refill should bring.
    shortfall: String,
    /// What the keeper asks cold for, because orders or the float's mark lack it and no swap brings it.
    refill_requested: Option<RefillView>,
    bucket: BucketView,
    /// Of what the keeper pays alone.
    instant: BucketView,
    /// A larger payout needs approval.
    instant_per_payout: String,
    /// A larger one is announced.
    approved_per_payout: String,
}

/// What the vault holds, what may leave and when that refills, what is paused and until when.
#[utoipa::path(get, path = "/v1/vault", tag = "vault", responses((status = 200, body = VaultView)))]
pub async fn read(State(state): State<ApiState>) -> Result<Json<VaultView>, Problem> {
    let vault = state.vault().await?;
    let refills = state.store.refill_requests().await?;
    let now = vault.block.timestamp;
    let pauses = pauses(&state, &vault).into_iter();
    let known = |of: &AssetState| state.deployment.assets.get(of.asset).cloned();
    let assets: Vec<(Asset, &AssetState)> =
        vault.assets.iter().filter_map(|of| Some((known(of)?, of))).collect();
    Ok(Json(VaultView {
        block: vault.block.number,
        at: seconds(now),
        pauses: pauses
            .map(|(scope, until)| {
                let asset = state.deployment.assets.find(&scope).map(|asset| asset.address);
                let by = state.pausers.of(&state.chain, (&scope, until), asset, vault.block);
                PauseView { scope, until: seconds(until), by }
            })
            .collect(),
        usd: (!vault.usd.capacity.is_zero()).then(|| bucket(vault.usd, 18, now)),
        assets: assets.iter().map(|(asset, of)| of_asset(asset, of, &refills, now)).collect(),
    }))
}

/// What is paused now, and until when in unix seconds.
pub(super) fn pauses(state: &ApiState, vault: &VaultState) -> Vec<(String, u64)> {
    let scopes = vault.paused.iter().filter_map(|(scope, until)| {
        let (_, name) = SCOPES.iter().find(|(known, _)| known == scope)?;
        Some(((*name).to_owned(), *until))
    });
    let assets = vault.assets.iter().filter_map(|of| {
        let asset = state.deployment.assets.get(of.asset)?;
        Some((asset.symbol.clone(), of.paused_until))
    });
    scopes.chain(assets).filter(|(_, until)| *until > vault.block.timestamp).collect()
}

fn of_asset(asset: &Asset, of: &AssetState, refills: &[RefillRequest], now: u64) -> VaultAssetView {
    let decimal = |amount: Amount| amount.to_decimal(asset.decimals);
    VaultAssetView {
        asset: AssetView::from(asset),
        float: decimal(of.float),
        liabilities: decimal(of.liabilities),
        cold: decimal(of.cold),
        shortfall: decimal(of.shortfall),
        refill_requested: refills.iter().find(|request| request.asset == of.asset).map(|request| {
            RefillView { amount: decimal(request.amount), since: view::time(request.requested_at) }
        }),
        bucket: bucket(of.bucket, asset.decimals, now),
        instant: bucket(of.instant, asset.decimals, now),
        instant_per_payout: decimal(of.instant_per_payout),
        approved_per_payout: decimal(of.approved_per_payout),
    }
}

fn bucket(of: Bucket, decimals: u8, now: u64) -> BucketView {
    BucketView {
        capacity: of.capacity.to_decimal(decimals),
        left: of.left.to_decimal(decimals),
        full_at: (of.full_at > now).then(|| seconds(of.full_at)),
    }
}

/// RFC 3339 from unix seconds.
fn seconds(at: u64) -> String {
    view::time(view::from_seconds(at))
}

/// What is asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Asked {
    /// Symbol or address.
    asset: String,
    /// A decimal number such as `12.5`, in whole tokens.
    #[param(pattern = "^[0-9]{1,12}([.][0-9]{1,6})?$")]
    amount: String,
}

/// What a withdrawal would cost and take, if it were handed in now. Nothing is promised and nothing stored.
#[derive(Debug, Serialize, ToSchema)]
pub struct QuoteView {
    asset: AssetView,
    /// Decimal, in whole tokens.
    amount: String,
    /// `instant`: the keeper pays it alone. `approved`: approvers sign it. `delayed`: it is announced, and
    /// a guardian may veto it.
    tier: &'static str,
    /// When it would be payable, of the delayed tier: so long a guardian may veto it.
    payable_from: Option<String>,
    /// Whether the float covers it now.
    float_covers: bool,
    /// When the limits of what may leave let it pass, if nothing else is paid; none when they never do.
    fits_at: Option<String>,
    /// None when no payout of the asset was estimated yet.
    fee: Option<FeeView>,
    /// When its batch would close.
    next: NextView,
    /// None when too few were paid to tell.
    estimate: Option<EstimateView>,
}

/// Estimate the fee and the time of a withdrawal before it is handed in.
#[utoipa::path(get, path = "/v1/estimate", tag = "withdrawals", params(Asked), responses((status = 200, body = QuoteView)))]
pub async fn estimate(
    State(state): State<ApiState>,
    Params(asked): Params<Asked>,
) -> Result<Json<QuoteView>, Problem> {
    let address = asset(&state, &asked.asset)?;
    let Some(asset) = state.deployment.assets.get(address) else {
        return Err(Problem::bad_parameter("asset is none of the vault's").of("asset"));
    };
    let amount = Amount::parse(&asked.amount, asset.decimals)
        .map_err(|error| Problem::bad_parameter(format!("amount: {error}")).of("amount"))?;
    let vault = state.vault().await?;
    let Some(of) = vault.assets.iter().find(|of| of.asset == address) else {
        return Err(Problem::store());
    };
    let tiers = Tiers { instant: of.instant_per_payout, approved: of.approved_per_payout };
    let tier = tiers.of(amount);
    let fits_at = state.chain.fits_at(address, amount, tier == Tier::Instant, vault.block).await?;
    let payable_from = vault.block.timestamp + vault.announce_delay;
    let now = now_ms();
    let payable = (tier == Tier::Delayed).then_some(payable_from);
    let from = payable.max(fits_at).map(view::from_seconds);
    Ok(Json(QuoteView {
        asset: AssetView::from(asset),
        amount: amount.to_decimal(asset.decimals),
        tier: tier.as_str(),
        payable_from: payable.map(seconds),
        float_covers: amount <= of.float,
        fits_at: fits_at.map(|at| seconds(at.max(vault.block.timestamp))),
        fee: state.store.estimate(address).await?.map(|kept| view::fee(&kept, None)),
        next: NextView::new(now + state.reader.terms().window, Next::BatchCloses),
        estimate: state.reader.estimate(address, tier, now, from).await?,
    }))
}
