//! Ordinary reads: the best endpoint, the next when it fails or is slow.

use super::{ChainError, Endpoint, Pool};
use alloy::{
    rpc::json_rpc::{RequestPacket, ResponsePacket},
    transports::{TransportError, TransportErrorKind, TransportFut},
};
use futures::{StreamExt, stream::FuturesUnordered};
use std::{
    sync::Arc,
    task::{Context, Poll},
};
use tokio::time::sleep;
use tower::Service;

/// A transport over the pool. For reads alone: a request may be sent to several endpoints.
#[derive(Clone, Debug)]
pub(super) struct Failover(pub Arc<Pool>);

impl Failover {
    /// An error in an answer makes the next endpoint be asked too, because nodes also answer so when they lag, prune or
    /// do not know a key any more. When all do, it is the answer.
    async fn ask(self, request: RequestPacket) -> Result<ResponsePacket, TransportError> {
        let ask = |endpoint: Arc<Endpoint>| endpoint.transport.clone().call(request.clone());
        let mut waiting = self.0.ranked().into_iter();
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
                () = sleep(self.0.hedge_after), if waiting.len() > 0 => {
                    asked.extend(waiting.next().map(ask));
                }
            }
        }
        match (refused, failed) {
            (Some(packet), _) => Ok(packet),
            (None, Some(error)) => Err(error),
            (None, None) => {
                let methods: Vec<_> = request.method_names().collect();
                let error: ChainError = self.0.undecided(&methods.join(", "), Vec::new());
                Err(TransportErrorKind::custom_str(&error.to_string()))
            }
        }
    }
}

impl Service<RequestPacket> for Failover {
    type Response = ResponsePacket;
    type Error = TransportError;
    type Future = TransportFut<'static>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: RequestPacket) -> Self::Future {
        Box::pin(self.clone().ask(request))
    }
}
