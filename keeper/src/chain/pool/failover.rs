//! Ordinary reads: the best endpoint, the next when it fails or is slow.

use super::{ChainError, Endpoint, Pool};
use alloy::{
    rpc::json_rpc::{RequestPacket, ResponsePacket},
    transports::{Transport, TransportError, TransportErrorKind, TransportFut},
};
use futures::{StreamExt, stream::FuturesUnordered};
use std::sync::Arc;
use tokio::time::sleep;
use tower::service_fn;

/// A transport over the pool. For reads alone: a request may be sent to several endpoints.
pub(super) fn transport(pool: Arc<Pool>) -> impl Transport + Clone {
    service_fn(move |request| -> TransportFut<'static> { Box::pin(pool.clone().failover(request)) })
}

impl Pool {
    /// An error in an answer makes the next endpoint be asked too, because nodes also answer so when they lag, prune or
    /// do not know a key any more. When all do, it is the answer.
    async fn failover(self: Arc<Self>, request: RequestPacket) -> Result<ResponsePacket, TransportError> {
        let ask = |endpoint: Arc<Endpoint>| endpoint.transport.clone().ask(request.clone());
        let mut waiting = self.ranked().into_iter();
        let mut asked = FuturesUnordered::new();
        let mut refused = None;
        let mut failed = None;
        loop {
            if asked.is_empty() {
                let Some(next) = waiting.next() else { break };
                asked.push(ask(next));
            }
            tokio::select! {
                Some(answer) = asked.next() => match answer {
                    Ok(packet) if !packet.is_error() => return Ok(packet),
                    Ok(packet) => drop(refused.get_or_insert(packet)),
                    Err(error) => failed = Some(error),
                },
                () = sleep(self.hedge_after), if waiting.len() > 0 => {
                    asked.extend(waiting.next().map(ask));
                }
            }
        }
        match (refused, failed) {
            (Some(packet), _) => Ok(packet),
            (None, Some(error)) => Err(error),
            (None, None) => {
                let methods: Vec<_> = request.method_names().collect();
                let error: ChainError = self.undecided(&methods.join(", "), Vec::new());
                Err(TransportErrorKind::custom_str(&error.to_string()))
            }
        }
    }
}
