//! The HTTP door: orders in, and where each of them stands.
//!
//! Every answer that is no success is a problem document (RFC 9457) with a stable code and the next step.
//!
//! - [`withdrawals`], [`list`]: submit one, submit many, read one, list, take back
//! - [`events`]: what changes, as it changes; `feed` reads it once for all who watch
//! - [`vault`]: the vault's state, and an estimate before submitting
//! - [`reviews`]: what waits for approvers, and what they say
//! - [`oracle`]: what is thought of prices
//! - [`swaps`], [`margin`]: how the float is refilled, and how margin pools do
//! - [`overview`]: the whole line at a glance
//! - `pausers`: who paused what, for [`vault`]
//! - [`status`], [`page`]: one withdrawal for whoever has its link, and the web page
//! - [`health`], [`metrics`]: alive, ready with causes, and figures
//! - [`reader`], [`view`]: a withdrawal as readers see it, in JSON here and in the command line
//! - [`openapi`]: the description of all this, made from the handlers
//! - [`keys`], [`guard`]: who may do what, and what stands before each handler
//! - [`viewed`]: who read whose withdrawals, for the audit
//! - [`problem`], [`body`], [`params`]: errors, and reading bodies and addresses within limits

pub mod body;
pub mod events;
mod feed;
pub mod guard;
pub mod health;
pub mod keys;
pub mod list;
pub mod margin;
pub mod metrics;
pub mod openapi;
pub mod oracle;
pub mod overview;
pub mod page;
pub mod params;
mod pausers;
pub mod problem;
pub mod reader;
pub mod reviews;
pub mod status;
pub mod swaps;
pub mod vault;
pub mod view;
pub mod viewed;
pub mod withdrawals;

use crate::{
    chain::Chain,
    config::{ApiConfig, BatchConfig, FeesConfig, PolicyConfig},
    deployment::Deployment,
    domain::access::Scope,
    stages::intake::Intake,
    store::{Store, StoreError},
};
use axum::{Router, middleware, serve::ListenerExt};
use feed::Feed;
use keys::Keys;
use pausers::Pausers;
use reader::{Reader, Terms};
use std::sync::Arc;
use tokio::{
    net::TcpListener,
    sync::{Semaphore, watch},
};
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa_axum::{router::OpenApiRouter, routes};
use viewed::Viewed;

pub use health::Readiness;

/// What the handlers share. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ApiState {
    store: Store,
    deployment: Arc<Deployment>,
    intake: Intake,
    readiness: watch::Receiver<Readiness>,
    chain: Chain,
    vault: Arc<vault::Kept>,
    overview: Arc<overview::Kept>,
    pausers: Pausers,
    reader: Reader,
    fees: FeesConfig,
    events: Feed,
    keys: Keys,
    viewed: Viewed,
    /// Bytes.
    max_body: usize,
    /// Room for bodies that are being read.
    bodies: Arc<Semaphore>,
}

/// What [`ApiState`] is made of.
#[derive(Debug)]
pub struct Parts<'a> {
    pub store: Store,
    pub deployment: Deployment,
    pub intake: Intake,
    pub readiness: watch::Receiver<Readiness>,
    pub chain: Chain,
    pub batch: &'a BatchConfig,
    pub policy: &'a PolicyConfig,
    pub fees: &'a FeesConfig,
    pub config: &'a ApiConfig,
    /// Ends what has no end of its own.
    pub stop: CancellationToken,
}

impl ApiState {
    /// Reads what answers need of the store while it answers: later it may be busy when the first caller comes.
    pub async fn prepare(&self) -> Result<(), StoreError> {
        self.reader.status_secret().await.map(drop)
    }

    /// What it shows to whom, for the audit.
    pub fn viewed(&self) -> Viewed {
        self.viewed.clone()
    }
}

impl From<Parts<'_>> for ApiState {
    fn from(parts: Parts<'_>) -> Self {
        let Parts { store, deployment, intake, readiness, chain, batch, policy, fees, config, stop } = parts;
        let terms = Terms::new(batch, policy, fees);
        Self {
            vault: Arc::default(),
            overview: Arc::default(),
            pausers: Pausers::default(),
            reader: Reader::new(store.clone(), deployment.assets.clone(), terms),
            keys: Keys::new(store.clone(), config.token.clone(), config.require_key),
            viewed: Viewed::default(),
            fees: fees.clone(),
            events: Feed::spawn(store.clone(), stop),
            max_body: config.max_body,
            bodies: Arc::new(Semaphore::new(body::ROOM_KIB as usize)),
            deployment: Arc::new(deployment),
            store,
            intake,
            readiness,
            chain,
        }
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

/// All routes by the scope that they need; none is for everybody. A route belongs here, so that it is described and guarded.
fn groups() -> [(Option<Scope>, OpenApiRouter<ApiState>); 5] {
    let new = OpenApiRouter::new;
    [
        (
            Some(Scope::Submit),
            new()
                .routes(routes!(withdrawals::submit))
                .routes(routes!(withdrawals::submit_bulk))
                .routes(routes!(list::cancel))
                .routes(routes!(vault::estimate)),
        ),
        (
            Some(Scope::Read),
            new()
                .routes(routes!(list::list))
                .routes(routes!(withdrawals::read))
                .routes(routes!(withdrawals::explain))
                .routes(routes!(events::read))
                .routes(routes!(vault::read))
                .routes(routes!(overview::read))
                .routes(routes!(oracle::judgements))
                .routes(routes!(swaps::read))
                .routes(routes!(margin::read)),
        ),
        (
            Some(Scope::Review),
            new()
                .routes(routes!(reviews::list))
                .routes(routes!(reviews::read))
                .routes(routes!(reviews::approve))
                .routes(routes!(reviews::reject)),
        ),
        (Some(Scope::Operate), new().routes(routes!(metrics::read))),
        (
            None,
            new()
                .routes(routes!(health::live))
                .routes(routes!(health::ready))
                .routes(routes!(openapi::read))
                .routes(routes!(status::read)),
        ),
    ]
}

/// All routes, and what stands before them: the outermost is the last one added.
pub fn router(state: ApiState) -> Router {
    let mut routes = openapi::page().merge(page::routes());
    for (scope, group) in groups() {
        let group = Router::from(group);
        routes = routes.merge(match scope {
            Some(scope) => {
                let keys = (state.keys.clone(), scope);
                group.route_layer(middleware::from_fn_with_state(keys, guard::require))
            }
            None => group,
        });
    }
    routes
        .method_not_allowed_fallback(problem::method_not_allowed)
        .fallback(problem::no_such_route)
        .layer(middleware::from_fn(guard::limit_time))
        .layer(CatchPanicLayer::custom(problem::from_panic))
        .layer(middleware::from_fn(guard::log))
        .with_state(state)
}

#[cfg(test)]
mod tests;
