//! The HTTP door: orders in, and where each of them stands.
//!
//! Every answer that is no success is a problem document (RFC 9457) with a stable code and the next step.
//!
//! - [`withdrawals`]: submit one, submit many, read one
//! - [`health`]: alive, and ready with causes
//! - [`oracle`]: what is thought of prices, also as metrics
//! - [`view`]: a withdrawal as readers see it, in JSON here and in the command line
//! - [`problem`], [`body`], [`guard`]: errors, reading bodies within limits, and what stands before each handler

pub mod body;
pub mod guard;
pub mod health;
pub mod oracle;
pub mod problem;
pub mod view;
pub mod withdrawals;

use crate::{
    config::{ApiConfig, Token},
    deployment::Deployment,
    stages::intake::Intake,
    store::Store,
};
use axum::{
    Router, middleware,
    routing::{get, post},
    serve::ListenerExt,
};
use std::sync::Arc;
use tokio::{
    net::TcpListener,
    sync::{Semaphore, watch},
};
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;

pub use health::Readiness;

/// What the handlers share. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ApiState {
    store: Store,
    deployment: Arc<Deployment>,
    intake: Intake,
    readiness: watch::Receiver<Readiness>,
    token: Option<Token>,
    /// Bytes.
    max_body: usize,
    /// Room for bodies that are being read.
    bodies: Arc<Semaphore>,
}

impl ApiState {
    pub fn new(
        store: Store,
        deployment: Deployment,
        intake: Intake,
        readiness: watch::Receiver<Readiness>,
        config: &ApiConfig,
    ) -> Self {
        let (token, max_body) = (config.token.clone(), config.max_body);
        let bodies = Arc::new(Semaphore::new(body::ROOM_KIB as usize));
        Self { store, deployment: Arc::new(deployment), intake, readiness, token, max_body, bodies }
    }
}

/// Serves until `stop`, then answers what is open and ends.
pub async fn serve(state: ApiState, listener: TcpListener, stop: CancellationToken) {
    // An answer is one small write: waiting to fill a packet would only delay it.
    let listener = listener.tap_io(|connection| drop(connection.set_nodelay(true)));
    let served = axum::serve(listener, router(state)).with_graceful_shutdown(stop.cancelled_owned()).await;
    if let Err(error) = served {
        tracing::error!(%error, "the API stopped");
    }
}

/// All routes, and what stands before them: the outermost is the last one added.
pub fn router(state: ApiState) -> Router {
    let withdrawals = Router::new()
        .route("/v1/withdrawals", post(withdrawals::submit))
        .route("/v1/withdrawals/bulk", post(withdrawals::submit_bulk))
        .route("/v1/withdrawals/{id}", get(withdrawals::read))
        .route_layer(middleware::from_fn_with_state(state.clone(), guard::authorize));
    Router::new()
        .merge(withdrawals)
        .route("/v1/health/live", get(health::live))
        .route("/v1/health/ready", get(health::ready))
        .route("/v1/oracle", get(oracle::judgements))
        .route("/metrics", get(oracle::metrics))
        .method_not_allowed_fallback(problem::method_not_allowed)
        .fallback(problem::no_such_route)
        .layer(middleware::from_fn(guard::limit_time))
        .layer(CatchPanicLayer::custom(problem::from_panic))
        .layer(middleware::from_fn(guard::log))
        .with_state(state)
}

#[cfg(test)]
mod tests;
