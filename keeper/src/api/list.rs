//! Withdrawals page by page, and one taken back.

use super::{
    ApiState,
    params::{Params, Segment},
    problem::Problem,
    view::{self, AssetView, ReasonView, WithdrawalView},
    viewed::Viewer,
    withdrawals::{no_withdrawal, parse_id},
};
use crate::{
    domain::withdrawal::{Door, Withdrawal, WithdrawalState},
    store::{cancel::Cancelled, listing::Filter},
};
use alloy::primitives::Address;
use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use std::time::UNIX_EPOCH;
use utoipa::{IntoParams, ToSchema};

/// Which withdrawals are wanted; all are narrowed by each that is given.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Wanted {
    #[param(inline)]
    state: Option<WithdrawalState>,
    #[param(inline)]
    door: Option<Door>,
    /// Symbol or address.
    asset: Option<String>,
    /// An address.
    #[param(pattern = "^0x[0-9a-fA-F]{40}$")]
    recipient: Option<String>,
    /// RFC 3339: not received earlier.
    #[param(format = DateTime)]
    received_from: Option<String>,
    /// RFC 3339: received earlier than this.
    #[param(format = DateTime)]
    received_before: Option<String>,
    /// `next_cursor` of the page before.
    #[param(minimum = 1)]
    cursor: Option<i64>,
    /// Withdrawals of one page, 50 when left out.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
}

const LIMIT: usize = 50;
const MAX_LIMIT: usize = 500;

/// A page, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct ListView {
    withdrawals: Vec<ListedView>,
    /// Send it as `cursor` for the next page; none at the end. A page looks at a bounded number of withdrawals, so it may
    /// hold few, or none, and still name a next one.
    next_cursor: Option<i64>,
}

/// A withdrawal in a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct ListedView {
    id: String,
    idempotency_key: String,
    door: Door,
    state: WithdrawalState,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<ReasonView>,
    asset: AssetView,
    #[schema(value_type = String)]
    recipient: Address,
    /// Decimal, in whole tokens.
    amount: String,
    /// The asset's smallest units.
    units: String,
    trace_id: String,
    received_at: String,
}

/// List withdrawals, newest first, page by page.
#[utoipa::path(get, path = "/v1/withdrawals", tag = "withdrawals", params(Wanted), responses((status = 200, body = ListView)))]
pub async fn list(
    State(state): State<ApiState>,
    viewer: Viewer,
    Params(wanted): Params<Wanted>,
) -> Result<Json<ListView>, Problem> {
    let limit = wanted.limit.unwrap_or(LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        let detail = format!("limit is {limit}; it may be 1 to {MAX_LIMIT}");
        return Err(Problem::bad_parameter(detail).of("limit"));
    }
    if wanted.cursor.is_some_and(|cursor| cursor < 1) {
        let detail = "cursor is below 1; send the next_cursor of the page before";
        return Err(Problem::bad_parameter(detail).of("cursor"));
    }
    let filter = filter(&state, &wanted)?;
    let page = state.store.list(&filter, wanted.cursor, limit).await?;
    viewer.saw(page.withdrawals.iter().map(|w| w.id.as_str()));
    let withdrawals = page.withdrawals.into_iter().map(|w| listed(&state, w)).collect();
    Ok(Json(ListView { withdrawals, next_cursor: page.next }))
}

fn filter(state: &ApiState, wanted: &Wanted) -> Result<Filter, Problem> {
    let asset = match wanted.asset.as_deref() {
        Some(name) => Some(asset(state, name)?),
        None => None,
    };
    let recipient = match wanted.recipient.as_deref() {
        Some(text) => Some(text.parse().map_err(|_| {
            Problem::bad_parameter("recipient is no address: 0x and 40 hexadecimal digits are expected")
                .of("recipient")
        })?),
        None => None,
    };
    Ok(Filter {
        state: wanted.state,
        door: wanted.door,
        asset,
        recipient,
        received_from: moment("received_from", wanted.received_from.as_deref())?,
        received_before: moment("received_before", wanted.received_before.as_deref())?,
    })
}

/// The address of an asset that the vault lists.
pub(super) fn asset(state: &ApiState, name: &str) -> Result<Address, Problem> {
    let known = &state.deployment.assets;
    known.find(name).map(|asset| asset.address).ok_or_else(|| {
        Problem::bad_parameter(format!("asset is none of the vault's; it has {}", known.symbols()))
            .of("asset")
    })
}

fn moment(name: &'static str, text: Option<&str>) -> Result<Option<i64>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let since = humantime::parse_rfc3339(text).ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    since.and_then(|since| i64::try_from(since.as_millis()).ok()).map(Some).ok_or_else(|| {
        Problem::bad_parameter(format!(
            "{name} is no moment in UTC; write RFC 3339, such as 2030-01-31T12:00:00Z"
        ))
        .of(name)
    })
}

fn listed(state: &ApiState, withdrawal: Withdrawal) -> ListedView {
    let asset = view::asset(&state.deployment.assets, withdrawal.asset);
    ListedView {
        id: withdrawal.id.to_string(),
        door: withdrawal.door,
        state: withdrawal.state,
        reason: withdrawal.reason.map(|code| ReasonView::new(code, None)),
        amount: asset.decimal(withdrawal.amount),
        asset,
        recipient: withdrawal.recipient,
        units: withdrawal.amount.to_string(),
        received_at: view::time(withdrawal.received_at),
        idempotency_key: withdrawal.idempotency_key,
        trace_id: withdrawal.trace_id,
    }
}

/// Take an order back that is in no batch yet. A repeat gets the same answer.
#[utoipa::path(
    post, path = "/v1/withdrawals/{id}/cancel", tag = "withdrawals",
    params(("id" = String, Path, description = "The id of the receipt.")),
    responses((status = 200, body = WithdrawalView))
)]
pub async fn cancel(
    State(state): State<ApiState>,
    Segment(id): Segment,
) -> Result<Json<WithdrawalView>, Problem> {
    let id = parse_id(&id, "id")?;
    let cancelled = loop {
        match state.store.cancel(&id).await {
            // It moved meanwhile: it is looked at again.
            Err(error)
                if error.is_stale() && !matches!(error, crate::store::StoreError::LeaseLost { .. }) => {}
            Err(crate::store::StoreError::LeaseLost { .. }) => return Err(not_now()),
            cancelled => break cancelled?,
        }
    };
    match cancelled {
        Cancelled::Done(withdrawal) => Ok(Json(state.reader.load(withdrawal).await?)),
        Cancelled::Unknown => Err(no_withdrawal(&id)),
        Cancelled::Fenced => Err(not_now()),
        Cancelled::TooLate(withdrawal) => Err(Problem::new(
            StatusCode::CONFLICT,
            "too_late",
            "It is too late to take it back",
            format!("the withdrawal is {}", withdrawal.state),
            "Nothing was changed. A withdrawal in a batch is paid; one that ended stays as it is.",
        )),
        Cancelled::OnChain(_) => Err(Problem::new(
            StatusCode::CONFLICT,
            "request_on_chain",
            "The chain owns a request",
            "it was requested on chain, so only its owner can take it back, there",
            "The owner calls cancel(request) of the vault. Nothing was changed here.",
        )),
    }
}

fn not_now() -> Problem {
    Problem::unavailable(
        "cannot_cancel_now",
        "Nothing can be taken back now",
        "this keeper does not know yet what was sent before, or holds no lease; so it might be paid already",
    )
}
