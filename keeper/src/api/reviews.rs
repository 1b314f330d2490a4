//! The review queue: what waits for approvers, their signatures, and what reviewers refuse.

use super::{
    ApiState,
    body::JsonBody,
    keys::Caller,
    params::Segment,
    problem::Problem,
    view::{self, AssetView},
    viewed::Viewer,
};
use crate::{
    chain::approvals::{Offer, canonical},
    domain::{
        review::{Approval, Review, ReviewState},
        withdrawal::{Withdrawal, WithdrawalId},
    },
    stages::review::LAST_CALL,
    store::reviews::{Approved, Objection, Refused},
};
use alloy::primitives::{Address, B256, Bytes};
use axum::{Extension, Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Bytes of a signature: a contract's may hold those of all its owners.
const MAX_SIGNATURE: usize = 8_192;
/// Characters of a reason.
const MAX_REASON: usize = 500;

/// A batch that was offered to the approvers.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReviewView {
    id: i64,
    state: ReviewState,
    batch: i64,
    asset: AssetView,
    /// Decimal, in whole tokens.
    total: String,
    /// How many must sign.
    threshold: u64,
    approvals: Vec<ApprovalView>,
    /// The account that pays; it cannot approve.
    #[schema(value_type = String)]
    lane: Address,
    /// The contract that knows the approvers.
    #[schema(value_type = String)]
    approvers: Address,
    offered_at: String,
    /// By then enough must have signed; otherwise it is offered again.
    deadline: String,
    withdrawals: Vec<ReviewedView>,
    /// What is signed.
    #[schema(value_type = String)]
    digest: B256,
    /// The same as `eth_signTypedData_v4` takes it; none when it is not open any more.
    #[schema(value_type = Option<Object>)]
    typed_data: Option<serde_json::Value>,
}

impl ReviewView {
    fn shows(&self) -> impl Iterator<Item = &str> {
        self.withdrawals.iter().map(|w| w.id.as_str())
    }
}

#[derive(Debug, Serialize, ToSchema)]
struct ApprovalView {
    #[schema(value_type = String)]
    approver: Address,
    at: String,
    /// The name of the API key that brought it.
    key: Option<String>,
}

/// A withdrawal of a review.
#[derive(Debug, Serialize, ToSchema)]
struct ReviewedView {
    id: String,
    idempotency_key: String,
    #[schema(value_type = String)]
    recipient: Address,
    /// Decimal, in whole tokens.
    amount: String,
    /// The asset's smallest units.
    units: String,
    received_at: String,
}

/// What takes signatures now, oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReviewsView {
    reviews: Vec<ReviewView>,
}

/// An approver's signature.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApprovalBody {
    /// The account that approves.
    #[schema(pattern = "^0x([0-9a-f]{40}|[0-9a-fA-F]{40})$")]
    approver: String,
    /// Its signature over the typed data: 65 bytes, or what the account as a contract accepts (ERC-1271).
    #[schema(pattern = "^0x([0-9a-fA-F]{2})+$")]
    signature: String,
}

/// What a reviewer refuses, and why.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RejectionBody {
    /// Ids of withdrawals of the review; all of it when left out.
    #[schema(required = false, nullable = false, min_items = 1)]
    withdrawals: Option<Vec<String>>,
    /// In words, for whoever handed it in and whoever has the link to its status page: 1 to 500 characters.
    #[schema(min_length = 1, max_length = 500)]
    reason: String,
}

/// What ended as rejected. What is left of the batch is offered again.
#[derive(Debug, Serialize, ToSchema)]
pub struct RejectedView {
    rejected: Vec<String>,
}

/// What waits for approvers.
#[utoipa::path(get, path = "/v1/reviews", tag = "reviews", responses((status = 200, body = ReviewsView)))]
pub async fn list(State(state): State<ApiState>, viewer: Viewer) -> Result<Json<ReviewsView>, Problem> {
    let mut reviews = Vec::new();
    for review in state.store.open_reviews().await? {
        reviews.push(state.show(&review).await?);
    }
    viewer.saw(reviews.iter().flat_map(ReviewView::shows));
    Ok(Json(ReviewsView { reviews }))
}

/// One review, with what is to be signed.
#[utoipa::path(
    get, path = "/v1/reviews/{id}", tag = "reviews",
    params(("id" = String, Path, description = "The number of the review.")),
    responses((status = 200, body = ReviewView))
)]
pub async fn read(
    State(state): State<ApiState>,
    viewer: Viewer,
    Segment(id): Segment,
) -> Result<Json<ReviewView>, Problem> {
    let review = state.known(&id).await?;
    let review = state.show(&review).await?;
    viewer.saw(review.shows());
    Ok(Json(review))
}

/// Approve: hand in the signature of one approver. The key that handed in one of the withdrawals may not.
#[utoipa::path(
    post, path = "/v1/reviews/{id}/approvals", tag = "reviews", request_body = ApprovalBody,
    params(("id" = String, Path, description = "The number of the review.")),
    responses((status = 201, body = ReviewView, description = "It is stored."))
)]
pub async fn approve(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Segment(id): Segment,
    JsonBody(body): JsonBody<ApprovalBody>,
) -> Result<(StatusCode, Json<ReviewView>), Problem> {
    let review = state.known(&id).await?;
    if review.state != ReviewState::Open {
        return Err(closed(review.state));
    }
    if let Some(name) = &caller.0
        && state.store.submitters(review.batch).await?.contains(name)
    {
        return Err(own_withdrawal(name));
    }
    let approver: Address = body.approver.parse().map_err(|_| {
        wrong("approver", "bad_approver", "approver is no address: 0x and 40 hexadecimal digits are expected")
    })?;
    let signature: Bytes = body.signature.parse().map_err(|_| {
        wrong(
            "signature",
            "bad_signature",
            "signature is not hexadecimal: 0x and pairs of digits are expected",
        )
    })?;
    if signature.is_empty() || signature.len() > MAX_SIGNATURE {
        let detail = format!("signature has {} bytes; 1 to {MAX_SIGNATURE} are expected", signature.len());
        return Err(wrong("signature", "bad_signature", detail));
    }
    let signature = canonical(signature);
    let tip = state.chain.tip().await?;
    if tip.timestamp + LAST_CALL >= review.deadline {
        return Err(closed(ReviewState::Expired));
    }
    let approvers = state.chain.approvers(tip.number).await?;
    if !approvers.members.contains(&approver) || approver == review.lane {
        let detail = format!("{approver} is none of the {} approvers on chain", approvers.members.len());
        return Err(wrong("approver", "not_an_approver", detail));
    }
    if !state.chain.has_signed(approver, review.digest, &signature, tip.number).await? {
        let detail = format!("the signature is not {approver}'s for review {}", review.row);
        return Err(wrong("signature", "bad_signature", detail));
    }
    let approval = Approval { approver, signature, brought_by: caller.0, at: 0 };
    match state.store.approve(&review, &approval).await? {
        Approved::Stored(_) => {
            crate::crash::point("approval.committed");
            let review = state.known(&id).await?;
            Ok((StatusCode::CREATED, Json(state.show(&review).await?)))
        }
        Approved::Repeated => Err(Problem::new(
            StatusCode::CONFLICT,
            "already_approved",
            "The approver has signed already",
            format!("{approver} has signed this review; each approver counts once"),
            "Another approver signs.",
        )),
        Approved::Closed(now) => Err(closed(now)),
    }
}

/// Reject withdrawals of a review: they end, with the reason; the rest is offered again.
#[utoipa::path(
    post, path = "/v1/reviews/{id}/rejections", tag = "reviews", request_body = RejectionBody,
    params(("id" = String, Path, description = "The number of the review.")),
    responses((status = 200, body = RejectedView))
)]
pub async fn reject(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Segment(id): Segment,
    JsonBody(body): JsonBody<RejectionBody>,
) -> Result<Json<RejectedView>, Problem> {
    let review = state.known(&id).await?;
    let reason = body.reason.trim();
    let length = reason.chars().count();
    if !(1..=MAX_REASON).contains(&length) || reason.chars().any(char::is_control) {
        let detail = format!("reason has {length} characters; 1 to {MAX_REASON} on one line are expected");
        return Err(wrong("reason", "bad_reason", detail));
    }
    let named = body.withdrawals.map(|ids| {
        let parse = |id: &String| {
            WithdrawalId::parse(id).ok_or_else(|| {
                wrong("withdrawals", "not_in_review", format!("{id:.80} is no id of a withdrawal"))
            })
        };
        ids.iter().map(parse).collect::<Result<Vec<_>, _>>()
    });
    let named = named.transpose()?;
    if named.as_ref().is_some_and(Vec::is_empty) {
        return Err(wrong(
            "withdrawals",
            "not_in_review",
            "withdrawals names none; leave it out to reject all",
        ));
    }
    let why = Objection { reason, by: caller.0.as_deref() };
    let refused = loop {
        match state.store.refuse(review.row, named.as_deref(), why).await {
            Err(crate::store::StoreError::LeaseLost { .. }) => return Err(not_now()),
            // It moved meanwhile: it is looked at again.
            Err(error) if error.is_stale() => {}
            refused => break refused?,
        }
    };
    match refused {
        Refused::Done(withdrawals) => {
            Ok(Json(RejectedView { rejected: withdrawals.iter().map(|w| w.id.to_string()).collect() }))
        }
        Refused::Closed(now) => Err(closed(now)),
        Refused::NotInReview(id) => Err(wrong(
            "withdrawals",
            "not_in_review",
            format!("{id} is no withdrawal of review {}", review.row),
        )),
        Refused::Fenced => Err(not_now()),
    }
}

impl ApiState {
    async fn known(&self, id: &str) -> Result<Review, Problem> {
        let found = match id.parse() {
            Ok(row) => self.store.review(row).await?,
            Err(_) => None,
        };
        found.ok_or_else(|| {
            Problem::not_found("there is no such review", "/v1/reviews lists what waits for approvers.")
                .of("id")
        })
    }

    async fn show(&self, review: &Review) -> Result<ReviewView, Problem> {
        let withdrawals = self.store.withdrawals_of(review.batch).await?;
        let parties = (self.deployment.chain_id, self.deployment.vault, review.approvers);
        let offer = Offer::new(parties, (review.lane, review.position), &withdrawals, review.deadline);
        let is_it = review.state == ReviewState::Open && offer.digest() == review.digest;
        let asset = match withdrawals.first() {
            Some(withdrawal) => view::asset(&self.deployment.assets, withdrawal.asset),
            None => {
                return Err(Problem::not_found("nothing is left of it", "/v1/reviews lists what waits."));
            }
        };
        let approval =
            |a: Approval| ApprovalView { approver: a.approver, at: view::time(a.at), key: a.brought_by };
        let reviewed = |w: &Withdrawal| ReviewedView {
            id: w.id.to_string(),
            idempotency_key: w.idempotency_key.clone(),
            recipient: w.recipient,
            amount: asset.decimal(w.amount),
            units: w.amount.to_string(),
            received_at: view::time(w.received_at),
        };
        Ok(ReviewView {
            id: review.row,
            state: review.state,
            batch: review.batch,
            total: asset.decimal(withdrawals.iter().map(|w| w.amount).sum()),
            threshold: review.threshold,
            approvals: self.store.approvals(review.row).await?.into_iter().map(approval).collect(),
            lane: review.lane,
            approvers: review.approvers,
            offered_at: view::time(review.created_at),
            deadline: view::time(view::from_seconds(review.deadline)),
            withdrawals: withdrawals.iter().map(reviewed).collect(),
            digest: review.digest,
            typed_data: is_it.then(|| offer.typed_data()),
            asset,
        })
    }
}

fn wrong(field: &'static str, code: &'static str, detail: impl Into<String>) -> Problem {
    Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        code,
        "The review does not take this",
        detail,
        "Correct it and send it again; nothing was stored.",
    )
    .of(field)
}

fn own_withdrawal(name: &str) -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "own_withdrawal",
        "Four eyes are asked for",
        format!("the key {name} handed in a withdrawal of this review, so it may not approve it"),
        "Somebody else approves, with another key.",
    )
}

fn closed(state: ReviewState) -> Problem {
    let now = match state {
        ReviewState::Open => "its batch is being changed",
        ReviewState::Approved => "enough approvers have signed it",
        ReviewState::Expired => "its deadline has come",
        ReviewState::Withdrawn => "its batch, or its place, is another now",
    };
    Problem::new(
        StatusCode::CONFLICT,
        "review_closed",
        "The review is not open",
        now,
        "Nothing was changed. /v1/reviews lists what is offered now.",
    )
}

fn not_now() -> Problem {
    Problem::unavailable(
        "cannot_reject_now",
        "Nothing can be rejected now",
        "this keeper does not know yet what was sent before, or holds no lease; so it might be paid already",
    )
}
