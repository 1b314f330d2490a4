//! Problem documents (RFC 9457): what went wrong, under which stable code, and what to do.

use crate::{
    chain::ChainError,
    domain::access::Scope,
    stages::intake::{FieldError, IntakeError},
    store::StoreError,
};
use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use std::{any::Any, borrow::Cow, fmt::Display, time::Duration};

/// An answer that is no success.
#[derive(Clone, Debug)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    title: &'static str,
    detail: String,
    next_step: &'static str,
    errors: Vec<RowError>,
    /// Seconds after which trying again makes sense.
    retry_after: Option<u64>,
}

/// One error of a body: of a field, and in a bulk of a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct RowError {
    /// Counted from 1; only in a bulk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row: Option<usize>,
    #[serde(flatten)]
    pub error: FieldError,
}

/// Every answer that is no success (RFC 9457).
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = Problem)]
pub(super) struct Document<'a> {
    /// `urn:spillway:problem:` and the code.
    r#type: String,
    title: &'a str,
    status: u16,
    /// For machines; does not change.
    code: &'a str,
    /// What was wrong this time.
    detail: &'a str,
    /// What to do about it.
    next_step: &'a str,
    /// The first row that is wrong, counted from 1; only of a bulk.
    #[serde(skip_serializing_if = "Option::is_none")]
    row: Option<usize>,
    /// The first field that is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [RowError],
}

impl Problem {
    pub fn new(
        status: StatusCode,
        code: &'static str,
        title: &'static str,
        detail: impl Into<String>,
        next_step: &'static str,
    ) -> Self {
        Self { status, code, title, detail: detail.into(), next_step, errors: Vec::new(), retry_after: None }
    }

    fn retry_after(self, seconds: u64) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }

    /// What is wrong is this field: a member of the body, a parameter of the address, or a header.
    pub fn of(self, field: impl Into<Cow<'static, str>>) -> Self {
        let error = FieldError::new(field, self.code, self.detail.clone());
        Self { errors: vec![RowError { row: None, error }], ..self }
    }

    /// One withdrawal that is none: the document speaks of its first error, and lists all.
    pub fn invalid(errors: Vec<FieldError>) -> Self {
        let errors: Vec<_> = errors.into_iter().map(|error| RowError { row: None, error }).collect();
        let (code, detail) = errors
            .first()
            .map_or(("invalid", String::new()), |first| (first.error.code, first.error.message.clone()));
        let title = "The withdrawal is not valid";
        let next_step = "Correct the fields in `errors` and send it again; nothing was stored.";
        Self { errors, ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, title, detail, next_step) }
    }

    /// A bulk with bad rows, of which nothing was stored.
    pub fn invalid_rows(errors: Vec<RowError>, rows: usize) -> Self {
        let mut bad: Vec<_> = errors.iter().filter_map(|e| e.row).collect();
        bad.dedup();
        let detail = format!("{} of {rows} rows cannot be accepted; nothing was stored", bad.len());
        let title = "The bulk has rows that are not valid";
        let next_step = "Correct the rows in `errors` and send all again, or send `skip_invalid: true` to store the good rows.";
        Self {
            errors,
            ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_rows", title, detail, next_step)
        }
    }

    /// The idempotency key stands for something else.
    pub fn conflict(refusal: FieldError) -> Self {
        let (code, detail) = (refusal.code, refusal.message.clone());
        let title = "The idempotency key was used for another withdrawal";
        let next_step =
            "Send the first content to repeat it, or a new key for a new withdrawal; nothing was stored.";
        let errors = vec![RowError { row: None, error: refusal }];
        Self { errors, ..Self::new(StatusCode::CONFLICT, code, title, detail, next_step) }
    }

    pub fn body_too_large(limit: usize) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body_too_large",
            "The body is too large",
            format!("a body may have at most {limit} bytes (api.max_body)"),
            "Send fewer withdrawals at a time, or submit a file with `spillway submit FILE.csv`; nothing was stored.",
        )
    }

    pub fn timeout(seconds: u64) -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "timeout",
            "The answer took too long",
            format!("there was no answer within {seconds} seconds; whether it was stored is not known here"),
            "Send it again with the same idempotency key: nothing is paid twice.",
        )
        .retry_after(1)
    }

    pub fn unauthorized(detail: &str) -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "The caller is not known",
            detail,
            "Send the header `Authorization: Bearer KEY`, with a key that `spillway keys create` showed, or the token of api.token.",
        )
    }

    pub fn forbidden(wanted: Scope, has: &[Scope]) -> Self {
        let has: Vec<_> = has.iter().map(|scope| scope.as_str()).collect();
        Self::new(
            StatusCode::FORBIDDEN,
            "forbidden",
            "The key is not for this",
            format!("this needs the scope {wanted}; the key has {}", has.join(", ")),
            "Use a key with that scope; `spillway keys create` makes one.",
        )
    }

    pub fn rate_limited(per_minute: u32, wait: Duration) -> Self {
        Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "rate_limited",
            "The key asks too often",
            format!("this key may ask {per_minute} times a minute"),
            "Ask again after the time in Retry-After; nothing was done.",
        )
        .retry_after(wait.as_secs() + 1)
    }

    /// A parameter of the address that cannot be read.
    pub fn bad_parameter(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "bad_parameter",
            "A parameter of the address cannot be read",
            detail,
            "Correct the parameter that `field` names; /v1/openapi.json says what each may be.",
        )
    }

    pub fn not_found(detail: impl Into<String>, next_step: &'static str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "There is nothing here", detail, next_step)
    }

    pub fn code(&self) -> &'static str {
        self.code
    }
}

/// Characters that are repeated of a name that a caller made up.
const MAX_NAME: usize = 80;

/// The member that was not understood. Of one that is missing or there twice, which has no place, serde's words have the name.
pub(super) fn unread<E: Display>(error: &serde_path_to_error::Error<E>) -> Option<String> {
    let name = if error.path().iter().len() > 0 {
        error.path().to_string()
    } else {
        let said = error.inner().to_string();
        let of = |start| said.strip_prefix(start).and_then(|rest: &str| rest.split_once('`'));
        of("missing field `").or_else(|| of("duplicate field `"))?.0.to_owned()
    };
    Some(name.chars().take(MAX_NAME).collect())
}

const NOTHING_STORED: &str =
    "Send it again with the same idempotency keys after the time in Retry-After; nothing was stored.";

impl From<IntakeError> for Problem {
    fn from(error: IntakeError) -> Self {
        let detail = error.to_string();
        match error {
            IntakeError::Busy => Self::busy(detail),
            IntakeError::Stopping => {
                let title = "The keeper is stopping";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "stopping", title, detail, NOTHING_STORED)
                    .retry_after(5)
            }
            IntakeError::Store(_) => Self::store(),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        tracing::warn!(%error, "the store did not answer a reader");
        Self::store()
    }
}

impl From<ChainError> for Problem {
    /// The cause is in the log: it may name hosts.
    fn from(error: ChainError) -> Self {
        tracing::warn!(%error, "the chain did not answer a reader");
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "chain_unavailable",
            "The chain does not answer",
            "no endpoint of the chain answers now; the operator's log has the cause",
            "Ask again after the time in Retry-After.",
        )
        .retry_after(2)
    }
}

impl Problem {
    /// More comes in than can be taken.
    pub(super) fn busy(detail: impl Into<String>) -> Self {
        let title = "Too many withdrawals at once";
        Self::new(StatusCode::TOO_MANY_REQUESTS, "busy", title, detail, NOTHING_STORED).retry_after(1)
    }

    /// It can be done later.
    pub(super) fn unavailable(code: &'static str, title: &'static str, detail: &'static str) -> Self {
        let next_step = "Ask again after the time in Retry-After; nothing was changed.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, title, detail, next_step).retry_after(5)
    }

    /// The cause is in the log: a caller has no use for it, and it may name hosts.
    pub(super) fn store() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "store_unavailable",
            "The store does not answer",
            "the store could not do it now; the operator's log has the cause",
            "Send it again with the same idempotency keys after the time in Retry-After: nothing is paid twice.",
        )
        .retry_after(2)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let first = self.errors.first();
        let document = Document {
            r#type: format!("urn:spillway:problem:{}", self.code),
            title: self.title,
            status: self.status.as_u16(),
            code: self.code,
            detail: &self.detail,
            next_step: self.next_step,
            row: first.and_then(|e| e.row),
            field: first.map(|e| &*e.error.field),
            errors: &self.errors,
        };
        let body = serde_json::to_vec(&document).unwrap_or_default();
        let mut response = (self.status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// No route has this path.
pub async fn no_such_route(uri: Uri) -> Problem {
    let path: String = uri.path().chars().take(80).collect();
    Problem::not_found(
        format!("there is no {path}"),
        "/v1/openapi.json lists what there is, /docs/ shows it.",
    )
}

/// The route has other methods; the header `Allow` lists them.
pub async fn method_not_allowed() -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        "The method is not allowed here",
        "this path does not have this method",
        "Use a method of the header Allow.",
    )
}

/// A handler panicked: the caller hears that it is our fault, the log has the rest.
pub fn from_panic(panic: Box<dyn Any + Send>) -> Response<Body> {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
    tracing::error!(panic = text, "a handler panicked; please report it");
    Problem::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "internal",
        "The keeper made a mistake",
        "an internal error; the operator's log has the cause",
        "Send it again with the same idempotency key: nothing is paid twice. Report it if it happens again.",
    )
    .into_response()
}
