//! The chain as the keeper sees it: one RPC endpoint and the vault behind it.
//!
//! - [`abi`]: the contracts' interfaces
//! - [`calldata`]: what a batch says, and what a settlement said
//! - [`signer`]: the lanes' keys
//! - [`refusal`]: why the vault or a node says no

pub mod abi;
pub mod calldata;
pub mod refusal;
pub mod signer;

use crate::{
    config::{ChainConfig, Finality},
    domain::{amount::Amount, asset::NATIVE, lane::LanePosition},
    store::progress::BlockMark,
};
use abi::{IERC20, IVault};
use alloy::{
    eips::{BlockId, BlockNumberOrTag},
    network::TransactionResponse,
    primitives::{Address, B256, Bytes, U256, b256, keccak256},
    providers::{DynProvider, Provider, ProviderBuilder},
    rpc::client::BatchRequest,
    rpc::types::{
        Filter, Log, TransactionRequest,
        state::{AccountOverride, StateOverride},
    },
    sol_types::{SolEvent, SolEventInterface, SolValue},
    transports::{RpcError, TransportErrorKind},
};
use refusal::{Refusal, SendError};
use std::time::Duration;

/// Where the vault keeps its lanes: the first field of `erc7201:spillway.storage.Vault`.
const LANES_SLOT: B256 = b256!("95e2cca9ad2449ce3d9a8dcf9e6c5c2f28dd677809853e6aef4668ad09818800");

/// The most gas that one transaction may use (EIP-7825).
pub const TRANSACTION_GAS_CAP: u64 = 16_777_216;

/// Why the chain did not answer.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    #[error("RPC: {0}")]
    Rpc(#[from] RpcError<TransportErrorKind>),
    #[error("contract call: {0}")]
    Contract(#[from] alloy::contract::Error),
    #[error("the RPC endpoint has no {0}; it may lag or prune, and is asked again")]
    Missing(String),
    #[error(
        "log {index} of transaction {tx} is no event of the vault's interface; is the deployment file the right one?"
    )]
    UnknownEvent { tx: B256, index: u64 },
    #[error(
        "block {number} was final as {booked} and is {now} at this endpoint: it is on another fork, or chain.finality is set too low; nothing more is booked until the blocks agree"
    )]
    Forked { number: u64, booked: B256, now: B256 },
    #[error("{0}")]
    Refused(#[from] Refusal),
}

/// The RPC endpoint serves something else than the configuration says: nothing may run on it.
#[derive(Debug, thiserror::Error)]
pub enum WrongChain {
    #[error(
        "chain.chain_id is {configured}, the endpoint chain.rpc_url serves chain {served}; use the endpoint of chain {configured}"
    )]
    ChainId { configured: u64, served: u64 },
    #[error(
        "the deployment file is for chain {deployed}, chain.chain_id is {configured}; use the file of this chain"
    )]
    Deployment { configured: u64, deployed: u64 },
    #[error(
        "there is no vault at {0}: the address has no code or does not answer as a vault; check the deployment file"
    )]
    NoVault(Address),
}

/// A block that exists now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    pub number: u64,
    pub hash: B256,
    /// Unix seconds.
    pub timestamp: u64,
}

impl Block {
    pub fn mark(self) -> BlockMark {
        BlockMark { number: self.number, hash: self.hash }
    }
}

/// Wei per gas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fees {
    pub max_fee: u128,
    pub priority_fee: u128,
}

/// What the chain says of a transaction that is in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    pub block: u64,
    pub succeeded: bool,
    pub gas_used: u64,
}

/// An event of the vault, with where it stands.
#[derive(Clone, Debug)]
pub struct VaultLog {
    pub block: u64,
    pub tx: B256,
    pub event: IVault::IVaultEvents,
}

/// A lane's slot on chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneOnChain {
    pub enabled: bool,
    pub position: LanePosition,
}

/// The vault behind one RPC endpoint. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Chain {
    provider: DynProvider,
    pub vault: Address,
    pub chain_id: u64,
    finality: Finality,
    max_log_range: u64,
}

impl Chain {
    /// Makes the connection; nothing is asked yet.
    pub fn connect(config: &ChainConfig, vault: Address) -> eyre::Result<Self> {
        let client = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(5))
            .timeout(Duration::from_secs(30))
            .build()?;
        let provider = ProviderBuilder::new()
            .disable_recommended_fillers()
            .connect_reqwest(client, config.rpc_url.clone())
            .erased();
        Ok(Self {
            provider,
            vault,
            chain_id: config.chain_id,
            finality: config.finality,
            max_log_range: config.max_log_range,
        })
    }

    fn contract(&self) -> IVault::IVaultInstance<DynProvider> {
        IVault::new(self.vault, self.provider.clone())
    }

    /// Whether the endpoint serves the configured chain with the vault on it. The outer error is worth another
    /// try, the inner one is not.
    pub async fn verify(&self, deployed_on: u64) -> Result<Result<(), WrongChain>, ChainError> {
        let served = self.provider.get_chain_id().await?;
        if deployed_on != self.chain_id {
            return Ok(Err(WrongChain::Deployment { configured: self.chain_id, deployed: deployed_on }));
        }
        if served != self.chain_id {
            return Ok(Err(WrongChain::ChainId { configured: self.chain_id, served }));
        }
        if self.provider.get_code_at(self.vault).await?.is_empty() {
            return Ok(Err(WrongChain::NoVault(self.vault)));
        }
        match self.contract().exitDelay().call().await {
            Ok(_) => Ok(Ok(())),
            Err(alloy::contract::Error::TransportError(e)) if e.as_error_resp().is_none() => Err(e.into()),
            Err(_) => Ok(Err(WrongChain::NoVault(self.vault))),
        }
    }

    /// The newest block.
    pub async fn tip(&self) -> Result<Block, ChainError> {
        self.block(BlockNumberOrTag::Latest).await
    }

    /// The newest final block: the chain's finalized tag, or so many confirmations below the tip.
    pub async fn final_block(&self, tip: Block) -> Result<Option<Block>, ChainError> {
        let tag = match self.finality {
            Finality::Finalized => BlockNumberOrTag::Finalized,
            Finality::Confirmations(n) => match tip.number.checked_sub(n) {
                Some(number) => BlockNumberOrTag::Number(number),
                None => return Ok(None),
            },
        };
        self.block(tag).await.map(Some)
    }

    pub async fn block(&self, tag: BlockNumberOrTag) -> Result<Block, ChainError> {
        let block = self.provider.get_block_by_number(tag).await?;
        let header = block.ok_or_else(|| ChainError::Missing(format!("block {tag}")))?.header;
        Ok(Block { number: header.number, hash: header.hash, timestamp: header.timestamp })
    }

    pub async fn lane(&self, lane: Address, at: u64) -> Result<LaneOnChain, ChainError> {
        let slot = self.contract().laneOf(lane).block(BlockId::number(at)).call().await?;
        Ok(LaneOnChain { enabled: slot.enabled, position: LanePosition { next: slot.next, head: slot.head } })
    }

    /// How many transactions of `account` are in blocks up to `at`: its next nonce there.
    pub async fn nonce(&self, account: Address, at: u64) -> Result<u64, ChainError> {
        Ok(self.provider.get_transaction_count(account).block_id(BlockId::number(at)).await?)
    }

    /// The next nonce after all that the node knows of, mined or not.
    pub async fn pending_nonce(&self, account: Address) -> Result<u64, ChainError> {
        Ok(self.provider.get_transaction_count(account).pending().await?)
    }

    /// What orders can be paid from.
    pub async fn float(&self, asset: Address, at: u64) -> Result<Amount, ChainError> {
        Ok(Amount(self.contract().floatOf(asset).block(BlockId::number(at)).call().await?))
    }

    /// Depositor balances, unpaid requests and claims.
    pub async fn liabilities(&self, asset: Address, at: u64) -> Result<Amount, ChainError> {
        Ok(Amount(self.contract().liabilitiesOf(asset).block(BlockId::number(at)).call().await?))
    }

    /// What the vault holds.
    pub async fn vault_balance(&self, asset: Address, at: u64) -> Result<Amount, ChainError> {
        self.balance(asset, self.vault, at).await
    }

    pub async fn balance(&self, asset: Address, holder: Address, at: u64) -> Result<Amount, ChainError> {
        let units = if asset == NATIVE {
            self.provider.get_balance(holder).block_id(BlockId::number(at)).await?
        } else {
            let token = IERC20::new(asset, self.provider.clone());
            token.balanceOf(holder).block(BlockId::number(at)).call().await?
        };
        Ok(Amount(units))
    }

    /// How many blocks one [`Chain::vault_logs`] may span.
    pub fn max_log_range(&self) -> u64 {
        self.max_log_range
    }

    /// The vault's events in blocks `from..=to`, in order.
    pub async fn vault_logs(&self, from: u64, to: u64) -> Result<Vec<VaultLog>, ChainError> {
        let filter = Filter::new().address(self.vault).from_block(from).to_block(to);
        // In one message, so that one node answers both: a node that lags leaves out the logs of blocks that it does
        // not have, without a word.
        let client = self.provider.client();
        let mut both = BatchRequest::new(client);
        let logs = both.add_call::<_, Vec<Log>>("eth_getLogs", &(filter,))?;
        let last = BlockNumberOrTag::Number(to);
        let known = both.add_call::<_, Option<serde_json::Value>>("eth_getBlockByNumber", &(last, false))?;
        both.send().await?;
        let mut logs = logs.await?;
        known
            .await?
            .ok_or_else(|| ChainError::Missing(format!("block {to}, so its logs are not complete")))?;
        logs.sort_by_key(|log| (log.block_number, log.log_index));
        logs.into_iter()
            .filter_map(|log| {
                let tx = log.transaction_hash.unwrap_or_default();
                let block = log.block_number.unwrap_or_default();
                let index = log.log_index.unwrap_or_default();
                match IVault::IVaultEvents::decode_log(&log.inner) {
                    Ok(event) => Some(Ok(VaultLog { block, tx, event: event.data })),
                    Err(_) if is_administrative(log.topic0()) => None,
                    Err(_) => Some(Err(ChainError::UnknownEvent { tx, index })),
                }
            })
            .collect()
    }

    /// A mined transaction's calldata.
    pub async fn calldata(&self, tx: B256) -> Result<Bytes, ChainError> {
        let found = self.provider.get_transaction_by_hash(tx).await?;
        let found = found.ok_or_else(|| ChainError::Missing(format!("transaction {tx}")))?;
        debug_assert_eq!(found.tx_hash(), tx);
        Ok(alloy::consensus::Transaction::input(&found).clone())
    }

    /// From when on `amount` fits the breaker's buckets: at once when not after `tip`, never when none.
    pub async fn fits_at(
        &self,
        asset: Address,
        amount: Amount,
        instant: bool,
        tip: Block,
    ) -> Result<Option<u64>, ChainError> {
        let at = self
            .contract()
            .retryAt(asset, amount.0, instant)
            .block(BlockId::number(tip.number))
            .call()
            .await?;
        Ok(at.try_into().ok())
    }

    /// The receipt of a transaction, when it is in a block. One that tripped the breaker settled nothing: it counts
    /// as failed.
    pub async fn receipt(&self, tx: B256) -> Result<Option<Receipt>, ChainError> {
        let receipt = self.provider.get_transaction_receipt(tx).await?;
        Ok(receipt.and_then(|r| {
            let tripped = |log: &Log| {
                log.address() == self.vault && log.topic0() == Some(&IVault::Tripped::SIGNATURE_HASH)
            };
            let succeeded = r.status() && !r.logs().iter().any(tripped);
            Some(Receipt { block: r.block_number?, succeeded, gas_used: r.gas_used })
        }))
    }

    /// Hands signed bytes to the node. That it knows them already is as good.
    pub async fn send(&self, raw: &[u8]) -> Result<(), SendError> {
        match self.provider.send_raw_transaction(raw).await {
            Ok(_) => Ok(()),
            Err(error) => SendError::classify(error).map_or(Ok(()), Err),
        }
    }

    /// What a transaction should offer now: twice the base fee, and the tip that recent blocks took.
    pub async fn fees(&self) -> Result<Fees, ChainError> {
        let estimate = self.provider.estimate_eip1559_fees().await?;
        Ok(Fees { max_fee: estimate.max_fee_per_gas, priority_fee: estimate.max_priority_fee_per_gas })
    }

    /// The gas that `calldata` from `lane` needs, or why the vault refuses it. The lane is taken to stand at
    /// `position` already, as it will once the batches before are settled.
    pub async fn estimate(
        &self,
        lane: Address,
        calldata: &Bytes,
        position: Option<LanePosition>,
    ) -> Result<u64, ChainError> {
        let request = TransactionRequest::default()
            .from(lane)
            .to(self.vault)
            .input(calldata.clone().into())
            .gas_limit(TRANSACTION_GAS_CAP);
        let mut call = self.provider.estimate_gas(request).block(BlockId::latest());
        if let Some(position) = position {
            call = call.overrides(self.lane_override(lane, position));
        }
        call.await.map_err(|error| match error.as_error_resp() {
            Some(payload) => ChainError::Refused(Refusal::read(payload)),
            None => error.into(),
        })
    }

    fn lane_override(&self, lane: Address, position: LanePosition) -> StateOverride {
        let slot = keccak256((lane, LANES_SLOT).abi_encode());
        let account = AccountOverride {
            state_diff: Some([(slot, lane_word(position))].into_iter().collect()),
            ..Default::default()
        };
        [(self.vault, account)].into_iter().collect()
    }
}

/// The lane's storage word when it stands at `position`: head in the upper 24 bytes, next in 7, enabled in the last.
fn lane_word(position: LanePosition) -> B256 {
    let head = U256::from_be_slice(position.head.as_slice()) << 64;
    B256::from(head | U256::from(position.next) << 8 | U256::ONE)
}

/// Events of the proxy and of access management: no money moves with them.
fn is_administrative(topic: Option<&B256>) -> bool {
    const NAMES: [&str; 4] = [
        "Upgraded(address)",
        "AdminChanged(address,address)",
        "Initialized(uint64)",
        "AuthorityUpdated(address)",
    ];
    topic.is_some_and(|t| NAMES.iter().any(|name| keccak256(name) == *t))
}
