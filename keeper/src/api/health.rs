//! Is it alive, and is it ready?

use super::ApiState;
use crate::chain::EndpointHealth;
use axum::{Json, extract::State, http::StatusCode, response::IntoResponse};
use serde::Serialize;
use utoipa::ToSchema;

/// Whether withdrawals are being paid, and if not, why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Readiness {
    pub ready: bool,
    /// Empty when ready.
    pub causes: Vec<String>,
    /// How each RPC endpoint does.
    pub endpoints: Vec<EndpointHealth>,
}

impl Readiness {
    pub fn ready(endpoints: Vec<EndpointHealth>) -> Self {
        Self { ready: true, causes: Vec::new(), endpoints }
    }

    pub fn not_yet(cause: &str) -> Self {
        Self { ready: false, causes: vec![cause.to_owned()], endpoints: Vec::new() }
    }

    /// Takes on `other`; false when it was so before.
    pub fn set(&mut self, other: Self) -> bool {
        let changed = *self != other;
        *self = other;
        changed
    }
}

/// That the process answers.
#[derive(Debug, Serialize, ToSchema)]
pub struct Live {
    live: bool,
}

/// Whether the process answers.
#[utoipa::path(get, path = "/v1/health/live", tag = "health", responses((status = 200, body = Live)))]
pub async fn live() -> Json<Live> {
    Json(Live { live: true })
}

/// Whether withdrawals are being paid; 503 with the causes when not.
#[utoipa::path(
    get, path = "/v1/health/ready", tag = "health",
    responses((status = 200, body = Readiness), (status = 503, body = Readiness, description = "Not ready."))
)]
pub async fn ready(State(state): State<ApiState>) -> impl IntoResponse {
    let readiness = state.readiness.borrow().clone();
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(readiness))
}
