//! Reading bodies: within the limit, of the right type, and every member judged.

use super::{
    ApiState,
    problem::{Problem, unread},
};
use crate::stages::intake::{FieldError, RawOrder};
use axum::{
    body::to_bytes,
    extract::{FromRequest, Request},
    http::{HeaderMap, StatusCode, header},
};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, MapAccess, Visitor},
};
use serde_json::Value;
use std::fmt;

/// KiB of the bodies that are read at the same time: what comes beyond it is not read into memory.
pub(super) const ROOM_KIB: u32 = 256 << 10;
const BODIES_BUSY: &str = "more is being sent than the keeper reads at once; send it again in a second";

/// A JSON body, or the problem with it.
#[derive(Clone, Copy, Debug)]
pub struct JsonBody<T>(pub T);

impl<T: DeserializeOwned> FromRequest<ApiState> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &ApiState) -> Result<Self, Problem> {
        check_content_type(request.headers())?;
        // What announces itself as too large is not read at all.
        let length = announced_length(request.headers()).unwrap_or(state.max_body as u64);
        if length > state.max_body as u64 {
            return Err(Problem::body_too_large(state.max_body));
        }
        let kib = u32::try_from(length / 1_024 + 1).map_or(ROOM_KIB, |kib| kib.min(ROOM_KIB));
        let _room = state.bodies.try_acquire_many(kib).map_err(|_| Problem::busy(BODIES_BUSY))?;
        let bytes = to_bytes(request.into_body(), state.max_body).await.map_err(|error| {
            if is_length_limit(&error) { Problem::body_too_large(state.max_body) } else { broken_off() }
        })?;
        let text = std::str::from_utf8(&bytes).map_err(|e| {
            bad_json(format!("the body is no UTF-8 text: byte {} is wrong", e.valid_up_to() + 1))
        })?;
        serde_json::from_str(text).map(Self).map_err(|e| not_as_expected::<T>(text, &e))
    }
}

/// Text that is JSON, but says something else, is read once more for the member at which it does.
fn not_as_expected<T: DeserializeOwned>(text: &str, error: &serde_json::Error) -> Problem {
    let problem = bad_json(format!("the body is not as expected: {error}"));
    if !error.is_data() {
        return problem;
    }
    let again = serde_path_to_error::deserialize::<_, T>(&mut serde_json::Deserializer::from_str(text));
    match again.err().as_ref().and_then(unread) {
        Some(member) => problem.of(member),
        None => problem,
    }
}

fn check_content_type(headers: &HeaderMap) -> Result<(), Problem> {
    let value = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let mut parts = value.split(';').map(str::trim);
    let json = parts.next().is_some_and(|t| t.eq_ignore_ascii_case("application/json"));
    let utf8 = parts.all(|p| {
        let charset = p.split_once('=').filter(|(name, _)| name.trim().eq_ignore_ascii_case("charset"));
        charset.is_none_or(|(_, value)| value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8"))
    });
    if json && utf8 {
        return Ok(());
    }
    let shown: String = value.chars().take(80).collect();
    Err(Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported_media_type",
        "The body has another type than expected",
        format!("the content type is '{}', expected application/json", shown.escape_debug()),
        "Send JSON with the header `Content-Type: application/json`.",
    ))
}

fn announced_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn is_length_limit(error: &axum::Error) -> bool {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    std::iter::from_fn(|| {
        let this = cause?;
        cause = this.source();
        Some(this)
    })
    .any(|e| e.to_string().contains("length limit exceeded"))
}

fn bad_json(detail: String) -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        "bad_json",
        "The body cannot be read",
        detail,
        "Correct the body at the place named in `detail`; nothing was stored.",
    )
}

fn broken_off() -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        "body_incomplete",
        "The body cannot be read",
        "the body ended before it was complete",
        "Send it again; nothing was stored.",
    )
}

/// A JSON object as it was written: repeated members are kept, so that they can be refused rather than guessed.
#[derive(Clone, Debug, Default)]
pub struct Members(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ToMembers;
        impl<'de> Visitor<'de> for ToMembers {
            type Value = Members;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object that describes a withdrawal")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::with_capacity(4);
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(ToMembers)
    }
}

/// A member that may be left out.
const OPTIONAL: &str = "deadline";

impl Members {
    /// Reads an order. Without `key` the body names its own, as a row of a bulk does.
    pub fn into_order(self, key: Option<String>) -> Result<RawOrder, Vec<FieldError>> {
        let mut order = RawOrder { idempotency_key: key.clone().unwrap_or_default(), ..RawOrder::default() };
        let mut wanted = vec![
            ("asset", &mut order.asset),
            ("recipient", &mut order.recipient),
            ("amount", &mut order.amount),
            (OPTIONAL, &mut order.deadline),
        ];
        if key.is_none() {
            wanted.push(("idempotency_key", &mut order.idempotency_key));
        }
        let names = wanted.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        let mut errors = Vec::new();
        for (name, value) in self.0 {
            let Some(at) = wanted.iter().position(|(n, _)| *n == name) else {
                errors.push(not_wanted(&name, &names));
                continue;
            };
            // Each is taken out once found: what is left at the end is missing.
            let (field, place) = wanted.swap_remove(at);
            match value {
                Value::String(text) => *place = text,
                _ => errors.push(no_string(field)),
            }
        }
        errors.extend(wanted.iter().filter(|(field, _)| *field != OPTIONAL).map(|(field, _)| {
            FieldError::new(
                *field,
                "missing_field",
                format!("the field {field} is missing; add it as a string"),
            )
        }));
        if errors.is_empty() { Ok(order) } else { Err(errors) }
    }
}

fn no_string(field: &'static str) -> FieldError {
    let message = format!(
        "the field {field} is no string; put it in quotes, such as \"12.5\" for an amount (JSON numbers lose digits)"
    );
    FieldError::new(field, "not_a_string", message)
}

fn not_wanted(name: &str, names: &str) -> FieldError {
    let short: String = name.chars().take(48).collect();
    let short = short.escape_debug();
    let message =
        format!("there is no field '{short}' here, or it is there twice; send each of {names} once");
    FieldError::new("body", "unknown_field", message)
}
