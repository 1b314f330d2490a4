//! One endpoint of the pool.

use super::{
    health::Health,
    log_range::LogRange,
    transport::{Measured, is_range_limit},
};
use crate::chain::{Block, ChainError};
use alloy::{
    eips::BlockNumberOrTag,
    providers::{DynProvider, Provider, ProviderBuilder},
    rpc::{
        client::{BatchRequest, ClientBuilder},
        types::{Filter, Log},
    },
    transports::{TransportError, http::Http},
};
use std::sync::Arc;

/// A provider with what is known of it.
#[derive(Debug)]
pub(in crate::chain) struct Endpoint {
    pub(super) health: Arc<Health>,
    pub(super) transport: Measured,
    pub provider: DynProvider,
    log_range: LogRange,
}

impl Endpoint {
    pub fn new(client: reqwest::Client, url: reqwest::Url, host: String, per_second: u32) -> Self {
        let health = Arc::new(Health::new(host));
        let transport = Measured::new(Http::with_client(client, url), health.clone(), per_second);
        let provider = ProviderBuilder::new()
            .disable_recommended_fillers()
            .connect_client(ClientBuilder::default().transport(transport.clone().transport(), false))
            .erased();
        Self { health, transport, provider, log_range: LogRange::default() }
    }

    pub fn host(&self) -> &str {
        &self.health.host
    }

    pub async fn block(&self, tag: BlockNumberOrTag) -> Result<Block, ChainError> {
        let block = self.provider.get_block_by_number(tag).await?;
        let header = block.ok_or_else(|| ChainError::Missing(format!("block {tag}")))?.header;
        Ok(Block { number: header.number, hash: header.hash, timestamp: header.timestamp })
    }

    /// Fails unless it has block `number`: before that its answers would be of an older time.
    pub async fn reaches(&self, number: u64) -> Result<(), ChainError> {
        if self.health.head().is_some_and(|head| head >= number) {
            return Ok(());
        }
        let head = self.provider.get_block_number().await?;
        self.health.told_head(head);
        if head >= number {
            return Ok(());
        }
        Err(ChainError::Missing(format!("block {number} yet, its newest is {head}")))
    }

    /// Asks for the chain id when that was long ago. None when it is right, otherwise the other chain's.
    pub async fn verify(&self, chain_id: u64) -> Result<Option<u64>, TransportError> {
        if !self.health.is_to_be_verified() {
            return Ok(None);
        }
        let served = self.provider.get_chain_id().await?;
        if served == chain_id {
            self.health.verified();
            return Ok(None);
        }
        self.health.wrong_chain(chain_id, served);
        Ok(Some(served))
    }

    /// The logs of blocks `from..=to`, in as many queries as this endpoint's limit asks for.
    pub async fn logs(&self, filter: &Filter, from: u64, to: u64) -> Result<Vec<Log>, ChainError> {
        let mut logs = Vec::new();
        let mut next = from;
        while next <= to {
            let range = self.log_range.widest().min(to - next + 1);
            let last = next + range - 1;
            match self.complete_logs(filter.clone().from_block(next).to_block(last), last).await {
                Ok(Some(more)) => {
                    self.log_range.answered(range);
                    logs.extend(more);
                    next = last + 1;
                }
                Ok(None) => {
                    return Err(ChainError::Missing(format!("block {last}, so its logs are not complete")));
                }
                Err(error) if range > 1 && refuses_range(&error) => {
                    self.log_range.refused(range);
                    tracing::info!(endpoint = %self.host(), blocks = range / 2, "RPC endpoint limits queries of logs: smaller ones for a while");
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(logs)
    }

    /// The logs up to block `last`, when that is there. Asked for in one message, so that one node behind the endpoint
    /// answers both: a node that lags leaves out the logs of blocks that it does not have, without a word.
    async fn complete_logs(&self, filter: Filter, last: u64) -> Result<Option<Vec<Log>>, TransportError> {
        let client = self.provider.client();
        let mut both = BatchRequest::new(client);
        let logs = both.add_call::<_, Vec<Log>>("eth_getLogs", &(filter,))?;
        let block = (BlockNumberOrTag::Number(last), false);
        let known = both.add_call::<_, Option<serde_json::Value>>("eth_getBlockByNumber", &block)?;
        both.send().await?;
        let logs = logs.await?;
        Ok(known.await?.map(|_| logs))
    }
}

fn refuses_range(error: &TransportError) -> bool {
    if let Some(payload) = error.as_error_resp() {
        return is_range_limit(&payload.message);
    }
    let http = error.as_transport_err().and_then(|kind| kind.as_http_error());
    http.is_some_and(|http| http.status == 413 || is_range_limit(&http.body))
}
