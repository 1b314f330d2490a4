//! Websockets that tell of new blocks, so that nobody waits for the next poll.
//!
//! A head is only a reason to look: what is in the block, and in those between, is read from where the books are. So a
//! dropped connection loses nothing, and a lying one can do no more than make the keeper look.

use super::host;
use alloy::{
    providers::{Provider, ProviderBuilder, WsConnect},
    transports::{TransportError, TransportErrorKind},
};
use std::{future::IntoFuture, sync::Arc, time::Duration};
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

/// The first wait before a lost connection is made again; doubled up to the longest.
const AGAIN: Duration = Duration::from_millis(500);
const AGAIN_MAX: Duration = Duration::from_secs(30);
/// A connection that is silent for so long is taken for dead.
const SILENCE: Duration = Duration::from_secs(60);

/// Follows the heads at `url` until `stop`, and notifies `new_head` of each. What is not answered within `limit` counts as
/// a lost connection.
pub async fn follow(url: reqwest::Url, limit: Duration, new_head: Arc<Notify>, stop: CancellationToken) {
    let mut wait = AGAIN;
    loop {
        let mut heads: u64 = 0;
        let ended = tokio::select! {
            () = stop.cancelled() => return,
            ended = subscription(&url, limit, &new_head, &mut heads) => ended,
        };
        wait = if heads > 0 { AGAIN } else { AGAIN_MAX.min(wait * 2) };
        let cause = ended.err().map_or("the connection ended".to_owned(), |e| e.to_string());
        tracing::warn!(endpoint = %host(&url), %cause, again = ?wait, "websocket lost: connected again; polling goes on");
        // What came in between is not waited for.
        new_head.notify_one();
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(wait) => {}
        }
    }
}

async fn subscription(
    url: &reqwest::Url,
    limit: Duration,
    new_head: &Notify,
    heads: &mut u64,
) -> Result<(), TransportError> {
    // The client tries once more by itself; after that it is done here, where it is told.
    let connect = WsConnect::new(url.as_str()).with_max_retries(0);
    let silent = |_| TransportErrorKind::custom_str(&format!("no answer within {limit:?}"));
    let connect = ProviderBuilder::new().disable_recommended_fillers().connect_ws(connect);
    let provider = timeout(limit, connect).await.map_err(silent)??;
    let mut subscription =
        timeout(limit, provider.subscribe_blocks().into_future()).await.map_err(silent)??;
    tracing::info!(endpoint = %host(url), "websocket tells of new blocks");
    while let Ok(Ok(_)) = timeout(SILENCE, subscription.recv()).await {
        *heads += 1;
        new_head.notify_one();
    }
    Ok(())
}
