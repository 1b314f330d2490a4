//! One withdrawal for whoever has the link to its status page: without a key, and without what is the operator's.

use super::{
    ApiState,
    params::Segment,
    problem::Problem,
    view::{AssetView, EstimateView, NextView, ReasonView, TransactionView, WithdrawalView},
};
use crate::{domain::withdrawal::WithdrawalState, explain::Link};
use alloy::primitives::Address;
use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;

/// Where a withdrawal is, for its recipient.
#[derive(Debug, Serialize, ToSchema)]
pub struct StatusView {
    id: String,
    state: WithdrawalState,
    /// Nothing follows.
    is_final: bool,
    /// Why it waits or ended so; none once it is paid as usual.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<ReasonView>,
    /// What happens next and when, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<NextView>,
    /// When it will be paid, as others lately were.
    #[serde(skip_serializing_if = "Option::is_none")]
    estimate: Option<EstimateView>,
    asset: AssetView,
    #[schema(value_type = String)]
    recipient: Address,
    /// Decimal, in whole tokens.
    amount: String,
    /// Where it was paid.
    #[serde(skip_serializing_if = "Option::is_none")]
    transaction: Option<TransactionView>,
    /// The most that the network takes for it, in whole coins of the chain, until it is final. The operator pays it.
    #[serde(skip_serializing_if = "Option::is_none")]
    fee: Option<String>,
    /// Past this it is released instead of paid.
    #[serde(skip_serializing_if = "Option::is_none")]
    deadline: Option<String>,
    received_at: String,
    /// From its receipt to its end, or to now.
    seconds: u64,
    /// The links of its way, from request to books.
    links: Vec<Link>,
}

impl From<WithdrawalView> for StatusView {
    fn from(view: WithdrawalView) -> Self {
        Self {
            id: view.id,
            state: view.state,
            is_final: view.is_final,
            // What a reviewer wrote is meant to be read here; any other detail may name what only concerns the operator.
            reason: view.reason.map(|reason| ReasonView {
                detail: reason.detail.filter(|_| reason.code.is_by_a_person()),
                ..reason
            }),
            next: view.next,
            estimate: view.estimate,
            asset: view.asset,
            recipient: view.recipient,
            amount: view.amount,
            transaction: view.transaction,
            fee: view.fee.map(|fee| fee.cost),
            deadline: view.deadline,
            received_at: view.received_at,
            seconds: view.seconds,
            links: view.links,
        }
    }
}

/// What the status page shows: the one withdrawal whose token it is.
#[utoipa::path(
    get, path = "/v1/status/{token}", tag = "withdrawals",
    params(("token" = String, Path, description = "The end of the receipt's `status_page`.")),
    responses((status = 200, body = StatusView))
)]
pub async fn read(
    State(state): State<ApiState>,
    Segment(token): Segment,
) -> Result<Json<StatusView>, Problem> {
    let unknown = || {
        Problem::not_found(
            "no withdrawal has this link",
            "Check that the link is complete, or ask for it again.",
        )
        .of("token")
    };
    let id = state.reader.status_secret().await?.open(&token).ok_or_else(unknown)?;
    let withdrawal = state.store.withdrawal(&id).await?.ok_or_else(unknown)?;
    Ok(Json(state.reader.load(withdrawal).await?.into()))
}
