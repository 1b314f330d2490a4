//! Submit one withdrawal, submit many, read one.

use super::{
    ApiState,
    body::{JsonBody, Members},
    guard::Trace,
    keys::Caller,
    params::Segment,
    problem::{Problem, RowError},
    view::{self, WithdrawalView},
    viewed::Viewer,
};
use crate::{
    domain::{
        status_token::StatusSecret,
        withdrawal::{Order, Withdrawal, WithdrawalId},
    },
    explain::{Explainer, Explanation},
    stages::intake::{Answer, FieldError, Rule, check},
    store::withdrawals::NewWithdrawal,
    trace,
};
use axum::{
    Extension, Json,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        Ref, RefOr,
        schema::{AdditionalProperties, ArrayBuilder, ObjectBuilder, OneOfBuilder, Schema, SchemaType, Type},
    },
};

/// Rows of one bulk. A commit of so many takes well under the time limit.
const MAX_ROWS: usize = 10_000;

/// What was accepted. It does not change while the withdrawal goes its way, so that a repeat gets the same answer.
#[derive(Serialize, ToSchema)]
pub struct Receipt {
    id: String,
    idempotency_key: String,
    asset: String,
    recipient: String,
    /// Decimal, in whole tokens.
    amount: String,
    /// The asset's smallest units.
    units: String,
    trace_id: String,
    received_at: String,
    /// Where its state can be read.
    status_url: String,
    /// The path of its status page, which shows it to whoever has it, without a key.
    status_page: String,
}

/// A withdrawal to be paid.
#[derive(ToSchema)]
#[schema(as = Order)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "describes what `Members` reads member by member")]
pub struct OrderBody {
    /// Symbol or address of an asset of the vault.
    asset: String,
    /// Where it is paid to: an address, with its checksum or in one case.
    #[schema(pattern = "^0x([0-9a-f]{40}|[0-9a-fA-F]{40})$")]
    recipient: String,
    /// A decimal number such as `12.5`, in whole tokens: more than zero, with at most the asset's decimals.
    #[schema(pattern = "^[0-9]{1,60}([.][0-9]{1,18})?$")]
    amount: String,
    /// Past this it is released instead of paid.
    #[schema(required = false, nullable = false, format = DateTime)]
    deadline: Option<String>,
}

/// Hand in one withdrawal: 201 when it is new, 200 with the same answer when it is repeated, 409 when the key stands for
/// something else.
#[utoipa::path(
    post, path = "/v1/withdrawals", tag = "withdrawals",
    params(("Idempotency-Key" = String, Header, min_length = 1, max_length = 128, pattern = "^[!-~]([ -~]*[!-~])?$",
        description = "One of the caller's own for each withdrawal; the same again on a retry.")),
    request_body = OrderBody,
    responses(
        (status = 201, body = Receipt, description = "It is stored.", headers(("Location" = String))),
        (status = 200, body = Receipt, description = "It was stored before."),
    )
)]
pub async fn submit(
    State(state): State<ApiState>,
    Extension(trace): Extension<Trace>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<Members>,
) -> Result<Response, Problem> {
    let key = idempotency_key(&headers).map_err(|e| Problem::invalid(vec![e]))?;
    let order = body.into_order(Some(key)).and_then(|raw| check(&raw, &state.deployment));
    let order = order.map_err(Problem::invalid)?;
    let secret = state.reader.status_secret().await?;
    let new = NewWithdrawal {
        order,
        trace_id: trace.id,
        trace_parent: trace.parent,
        request: None,
        submitter: caller.0,
    };
    let answer = state.intake.submit(vec![new], Rule::EachAlone).await?.into_iter().next();

    match answer {
        Some(Answer::New(withdrawal)) => {
            Ok(receipt_response(&state, &secret, StatusCode::CREATED, &withdrawal))
        }
        Some(Answer::Repeated(withdrawal)) => {
            Ok(receipt_response(&state, &secret, StatusCode::OK, &withdrawal))
        }
        Some(refused) => Err(refused.refusal().map_or_else(Problem::store, Problem::conflict)),
        // The intake answers each withdrawal; if one day it did not, the caller may repeat.
        None => Err(Problem::store()),
    }
}

/// The header, once, as text. What it may hold is the business of [`check`].
fn idempotency_key(headers: &HeaderMap) -> Result<String, FieldError> {
    let mut values = headers.get_all("idempotency-key").iter();
    let first = values.next().map(|v| String::from_utf8_lossy(v.as_bytes()).into_owned());
    if values.next().is_some() {
        let message = "the header Idempotency-Key is there more than once; send it once";
        return Err(FieldError::new("idempotency_key", "bad_idempotency_key", message));
    }
    Ok(first.unwrap_or_default())
}

fn receipt_response(
    state: &ApiState,
    secret: &StatusSecret,
    status: StatusCode,
    withdrawal: &Withdrawal,
) -> Response {
    let receipt = receipt(state, secret, withdrawal);
    let location = receipt.status_url.clone();
    (status, [(header::LOCATION, location)], Json(receipt)).into_response()
}

fn receipt(state: &ApiState, secret: &StatusSecret, withdrawal: &Withdrawal) -> Receipt {
    let asset = view::asset(&state.deployment.assets, withdrawal.asset);
    Receipt {
        id: withdrawal.id.to_string(),
        idempotency_key: withdrawal.idempotency_key.clone(),
        amount: asset.decimal(withdrawal.amount),
        asset: asset.symbol,
        recipient: withdrawal.recipient.to_string(),
        units: withdrawal.amount.to_string(),
        trace_id: withdrawal.trace_id.clone(),
        received_at: view::time(withdrawal.received_at),
        status_url: format!("/v1/withdrawals/{}", withdrawal.id),
        status_page: view::status_page(&secret.token(&withdrawal.id)),
    }
}

/// A row of a bulk: a withdrawal with its idempotency key.
#[derive(ToSchema)]
#[schema(as = BulkRow)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "describes what `Members` reads member by member")]
pub struct RowBody {
    /// One of the caller's own for each withdrawal.
    #[schema(min_length = 1, max_length = 128)]
    idempotency_key: String,
    /// Symbol or address of an asset of the vault.
    asset: String,
    /// Where it is paid to: an address, with its checksum or in one case.
    #[schema(pattern = "^0x([0-9a-f]{40}|[0-9a-fA-F]{40})$")]
    recipient: String,
    /// A decimal number such as `12.5`, in whole tokens: more than zero, with at most the asset's decimals.
    #[schema(pattern = "^[0-9]{1,60}([.][0-9]{1,18})?$")]
    amount: String,
    /// Past this it is released instead of paid.
    #[schema(required = false, nullable = false, format = DateTime)]
    deadline: Option<String>,
}

/// The body of a bulk.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bulk {
    withdrawals: Vec<Members>,
    /// Store the good rows although others are bad.
    #[serde(default)]
    skip_invalid: bool,
}

/// One form for all or nothing; one in which a row may be anything, because what is wrong with it is its answer.
impl PartialSchema for Bulk {
    fn schema() -> RefOr<Schema> {
        let of = |rows: RefOr<Schema>, skips: bool, what: &str| {
            let rows = ArrayBuilder::new().items(rows).min_items(Some(1)).max_items(Some(MAX_ROWS));
            let skip =
                ObjectBuilder::new().schema_type(SchemaType::Type(Type::Boolean)).enum_values(Some([skips]));
            let body = ObjectBuilder::new()
                .description(Some(what))
                .property("withdrawals", rows)
                .required("withdrawals")
                .property("skip_invalid", skip)
                .additional_properties(Some(AdditionalProperties::FreeForm(false)));
            if skips { body.required("skip_invalid") } else { body }.build()
        };
        let row = Ref::from_schema_name("BulkRow").into();
        let any = ObjectBuilder::new().build().into();
        OneOfBuilder::new()
            .item(of(row, false, "All rows are stored, or none."))
            .item(of(any, true, "The good rows are stored although others are bad."))
            .into()
    }
}

impl ToSchema for Bulk {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push(("BulkRow".to_owned(), RowBody::schema()));
    }
}

/// What became of a bulk, row by row in its order.
#[derive(Serialize, ToSchema)]
pub struct BulkAnswer {
    new: usize,
    repeated: usize,
    rejected: usize,
    results: Vec<RowAnswer>,
}

#[derive(Serialize, ToSchema)]
struct RowAnswer {
    /// Counted from 1.
    row: usize,
    #[serde(flatten)]
    outcome: Outcome,
}

#[derive(Serialize, ToSchema)]
#[serde(tag = "result", rename_all = "snake_case")]
enum Outcome {
    New(Receipt),
    Repeated(Receipt),
    Rejected { errors: Vec<FieldError> },
}

/// Hand in many withdrawals: all or nothing, unless `skip_invalid` lets the good rows through.
#[utoipa::path(
    post, path = "/v1/withdrawals/bulk", tag = "withdrawals", request_body = Bulk,
    responses((status = 200, body = BulkAnswer))
)]
pub async fn submit_bulk(
    State(state): State<ApiState>,
    Extension(trace): Extension<Trace>,
    Extension(caller): Extension<Caller>,
    JsonBody(bulk): JsonBody<Bulk>,
) -> Result<Response, Problem> {
    let count = bulk.withdrawals.len();
    if count == 0 || count > MAX_ROWS {
        return Err(wrong_row_count(count));
    }
    let checked: Vec<Result<Order, Vec<FieldError>>> = bulk
        .withdrawals
        .into_iter()
        .map(|row| row.into_order(None).and_then(|raw| check(&raw, &state.deployment)))
        .collect();
    if !bulk.skip_invalid && checked.iter().any(Result::is_err) {
        return Err(Problem::invalid_rows(row_errors(checked.iter().map(|c| c.as_ref().err())), count));
    }

    let secret = state.reader.status_secret().await?;
    let good = checked.iter().filter_map(|c| c.as_ref().ok());
    let good: Vec<_> = good.map(|order| new_withdrawal(order.clone(), &trace, &caller)).collect();
    let rule = if bulk.skip_invalid { Rule::EachAlone } else { Rule::AllOrNothing };
    let answers = state.intake.submit(good, rule).await?;
    let refusals: Vec<_> = answers.iter().map(|a| a.refusal().map(|e| vec![e])).collect();
    if !bulk.skip_invalid && refusals.iter().any(Option::is_some) {
        return Err(Problem::invalid_rows(row_errors(refusals.iter().map(Option::as_ref)), count));
    }
    Ok(Json(bulk_answer(&state, &secret, checked, answers)).into_response())
}

/// All rows of a caller's trace share it; otherwise each gets its own.
fn new_withdrawal(order: Order, trace: &Trace, caller: &Caller) -> NewWithdrawal {
    let trace_id = if trace.parent.is_some() { trace.id.clone() } else { trace::new_id() };
    let trace_parent = trace.parent.clone();
    NewWithdrawal { order, trace_id, trace_parent, request: None, submitter: caller.0.clone() }
}

fn row_errors<'a>(rows: impl Iterator<Item = Option<&'a Vec<FieldError>>>) -> Vec<RowError> {
    rows.enumerate()
        .flat_map(|(i, errors)| errors.into_iter().flatten().map(move |error| (i, error)))
        .map(|(i, error)| RowError { row: Some(i + 1), error: error.clone() })
        .collect()
}

fn bulk_answer(
    state: &ApiState,
    secret: &StatusSecret,
    checked: Vec<Result<Order, Vec<FieldError>>>,
    answers: Vec<Answer>,
) -> BulkAnswer {
    let mut answers = answers.into_iter();
    let mut outcome = |row: Result<Order, Vec<FieldError>>| match row.map(|_| answers.next()) {
        Ok(Some(Answer::New(w))) => Outcome::New(receipt(state, secret, &w)),
        Ok(Some(Answer::Repeated(w))) => Outcome::Repeated(receipt(state, secret, &w)),
        Ok(refused) => Outcome::Rejected { errors: refused.and_then(|a| a.refusal()).into_iter().collect() },
        Err(errors) => Outcome::Rejected { errors },
    };
    let results: Vec<_> = checked
        .into_iter()
        .enumerate()
        .map(|(i, row)| RowAnswer { row: i + 1, outcome: outcome(row) })
        .collect();
    let count = |is: fn(&Outcome) -> bool| results.iter().filter(|r| is(&r.outcome)).count();
    BulkAnswer {
        new: count(|o| matches!(o, Outcome::New(_))),
        repeated: count(|o| matches!(o, Outcome::Repeated(_))),
        rejected: count(|o| matches!(o, Outcome::Rejected { .. })),
        results,
    }
}

fn wrong_row_count(count: usize) -> Problem {
    Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "wrong_row_count",
        "The bulk has too few or too many rows",
        format!("the bulk has {count} rows; it may have 1 to {MAX_ROWS}"),
        "Send it in parts, or submit a file with `spillway submit FILE.csv`; nothing was stored.",
    )
    .of("withdrawals")
}

/// Where a withdrawal stands, why, what comes next, and how it came there.
#[utoipa::path(
    get, path = "/v1/withdrawals/{id}", tag = "withdrawals",
    params(("id" = String, Path, description = "The id of the receipt.")),
    responses((status = 200, body = WithdrawalView))
)]
pub async fn read(
    State(state): State<ApiState>,
    viewer: Viewer,
    Segment(id): Segment,
) -> Result<Json<WithdrawalView>, Problem> {
    let id = parse_id(&id, "id")?;
    let withdrawal = state.store.withdrawal(&id).await?.ok_or_else(|| no_withdrawal(&id))?;
    viewer.saw([id.as_str()]);
    Ok(Json(state.reader.load(withdrawal).await?))
}

/// Where a withdrawal hangs, why, and what would free it: asked of store and chain now.
#[utoipa::path(
    get, path = "/v1/withdrawals/{id}/explain", tag = "withdrawals",
    params(("id" = String, Path, description = "The id of the receipt.")),
    responses((status = 200, body = Explanation))
)]
pub async fn explain(
    State(state): State<ApiState>,
    viewer: Viewer,
    Segment(id): Segment,
) -> Result<Json<Explanation>, Problem> {
    let id = parse_id(&id, "id")?;
    let withdrawal = state.store.withdrawal(&id).await?.ok_or_else(|| no_withdrawal(&id))?;
    viewer.saw([id.as_str()]);
    let explainer = Explainer {
        store: state.store.clone(),
        chain: state.chain.clone(),
        assets: state.deployment.assets.clone(),
        fees: state.fees.clone(),
    };
    Ok(Json(explainer.explain(&withdrawal).await?))
}

/// An id as it stands in an address, under the name of its parameter.
pub(super) fn parse_id(text: &str, name: &'static str) -> Result<WithdrawalId, Problem> {
    WithdrawalId::parse(text).ok_or_else(|| {
        let next_step = "Use the id of the receipt: wd_ and 32 hexadecimal digits.";
        Problem::not_found("this is no id of a withdrawal", next_step).of(name)
    })
}

pub(super) fn no_withdrawal(id: &WithdrawalId) -> Problem {
    let next_step =
        "Check the id. If the receipt is lost, send the withdrawal again with the same idempotency key.";
    Problem::not_found(format!("there is no withdrawal {id}"), next_step).of("id")
}
