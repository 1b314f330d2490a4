//! The chain as the keeper sees it: RPC endpoints and the vault behind them.
//!
//! - [`abi`]: the contracts' interfaces
//! - [`approvals`]: who approves, and what is signed
//! - [`calldata`]: what a batch says, and what a settlement said
//! - [`cold`]: where surplus goes and refills come from
//! - [`fees`]: what recent blocks took for gas
//! - [`governance`]: what governance and guardians do
//! - [`many`]: many view calls in one request
//! - [`margin`]: margin pools
//! - [`pool`]: several endpoints asked as one
//! - [`signer`]: the lanes' keys
//! - [`state`]: the vault for readers
//! - [`swap`]: its swap door
//! - [`refusal`]: why the vault or a node says no

pub mod abi;
pub mod approvals;
pub mod calldata;
mod cold;
mod fees;
pub mod governance;
pub mod many;
pub mod margin;
mod pausers;
mod pool;
pub mod refusal;
pub mod signer;
pub mod state;
pub mod swap;

use crate::{
    config::{ChainConfig, Finality},
    domain::{amount::Amount, asset::NATIVE, lane::LanePosition},
    store::progress::BlockMark,
};
use abi::{IERC20, IVault};
use alloy::{
    eips::{BlockId, BlockNumberOrTag},
    primitives::{Address, B256, Bytes, U64, U256, b256, keccak256},
    providers::{DynProvider, Provider},
    rpc::types::{
        Filter, Log, TransactionRequest,
        state::{AccountOverride, StateOverride},
    },
    sol_types::{SolEvent, SolEventInterface, SolValue},
    transports::{RpcError, TransportErrorKind},
};
use oracle_guard::{AssetConfig, Input, readers};
use pool::{Endpoint, Pool};
use refusal::{Refusal, SendError};
use serde::Deserialize;
use std::{sync::Arc, time::Duration};
use tokio::{sync::Notify, task::JoinSet};
use tokio_util::sync::CancellationToken;

pub use crate::domain::fees::Fees;
pub use pool::health::{Disagreement, EndpointHealth, SetAside};

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
    /// Nodes that contradict, lag or do not answer: what they were asked for is not known, so nothing may be concluded
    /// from it.
    #[error(
        "no {quorum} endpoints of chain.rpc_urls agree on {what}, it is asked again: {}",
        answers.join("; ")
    )]
    NoQuorum { what: String, quorum: usize, answers: Vec<String> },
}

/// The RPC endpoints serve something else than the configuration says: nothing may run on it.
#[derive(Debug, thiserror::Error)]
pub enum WrongChain {
    #[error(
        "chain.chain_id is {configured}, the endpoint {endpoint} of chain.rpc_urls serves chain {served}; use the endpoint of chain {configured}"
    )]
    ChainId { configured: u64, served: u64, endpoint: String },
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

/// What the chain says of a transaction that is in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    pub block: u64,
    pub succeeded: bool,
    pub gas_used: u64,
    /// What the sender paid for gas, in wei: with what an L2 takes for its data on L1, where its receipts name it. None
    /// where no price is named, or the endpoints name several.
    pub fee: Option<Amount>,
}

/// What is read of a receipt. A batch's holds a log of the token for each payout: most of a full receipt would be read
/// for nothing.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawReceipt {
    block_number: Option<U64>,
    block_hash: Option<B256>,
    status: U64,
    gas_used: U64,
    effective_gas_price: Option<U256>,
    l1_fee: Option<U256>,
    logs: Vec<RawLog>,
}

impl RawReceipt {
    /// Gas used at the effective price. A sum beyond 256 bits is no fee that anybody paid: it stays at the largest.
    fn fee(&self) -> Option<Amount> {
        let execution = self.effective_gas_price?.saturating_mul(U256::from(self.gas_used));
        Some(Amount(execution.saturating_add(self.l1_fee.unwrap_or_default())))
    }
}

#[derive(Debug, Deserialize)]
struct RawLog {
    address: Address,
    topics: Vec<B256>,
}

/// An event of the vault, with where it stands.
#[derive(Clone, Debug)]
pub struct VaultLog {
    pub block: u64,
    /// Of its block, in unix seconds; none where the endpoint does not say it.
    pub timestamp: Option<u64>,
    pub tx: B256,
    pub event: IVault::IVaultEvents,
}

/// A transfer out of the vault, as a token tells of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfer {
    pub tx: B256,
    pub to: Address,
    pub amount: U256,
}

/// What is read of a token's log: a batch makes one for each payout, and most of a full log would be read for nothing.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawTransfer {
    block_hash: B256,
    transaction_hash: B256,
    topics: Vec<B256>,
    data: Bytes,
}

/// A lane's slot on chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneOnChain {
    pub enabled: bool,
    pub position: LanePosition,
}

/// The vault behind the RPC endpoints. Cheap to clone.
///
/// What the books or a second payment could follow from (positions, nonces, receipts, balances, logs, final blocks) is
/// a decisive read: a quorum of the endpoints must agree on it, or the answer is [`ChainError::NoQuorum`].
#[derive(Clone, Debug)]
pub struct Chain {
    /// For ordinary reads: the best endpoint, and the next when it fails or is slow.
    provider: DynProvider,
    pool: Arc<Pool>,
    pub vault: Address,
    pub chain_id: u64,
    finality: Finality,
    max_log_range: u64,
    ws_urls: Vec<reqwest::Url>,
    request_timeout: Duration,
}

impl Chain {
    /// Makes the connections; nothing is asked yet.
    pub fn connect(config: &ChainConfig, vault: Address) -> eyre::Result<Self> {
        let pool = Arc::new(Pool::new(config)?);
        Ok(Self {
            provider: pool.provider(),
            pool,
            vault,
            chain_id: config.chain_id,
            finality: config.finality,
            max_log_range: config.max_log_range,
            ws_urls: config.ws_urls.clone(),
            request_timeout: config.request_timeout,
        })
    }

    fn contract(&self, endpoint: &Endpoint) -> IVault::IVaultInstance<DynProvider> {
        IVault::new(self.vault, endpoint.provider.clone())
    }

    /// How each endpoint does.
    pub fn endpoints(&self) -> Vec<EndpointHealth> {
        self.pool.health()
    }

    /// Follows the heads at `chain.ws_urls` until `stop`, in tasks of `tasks`, and notifies `new_head` of each.
    pub fn follow_heads(&self, new_head: &Arc<Notify>, tasks: &mut JoinSet<()>, stop: &CancellationToken) {
        for url in &self.ws_urls {
            tasks.spawn(pool::heads::follow(
                url.clone(),
                self.request_timeout,
                new_head.clone(),
                stop.clone(),
            ));
        }
    }

    /// Whether the endpoints serve the configured chain with the vault on it. One that serves another is set aside as
    /// long as others do not. The outer error is worth another try, the inner one is not.
    pub async fn verify(&self, deployed_on: u64) -> Result<Result<(), WrongChain>, ChainError> {
        let served = self.pool.verify().await?;
        if deployed_on != self.chain_id {
            return Ok(Err(WrongChain::Deployment { configured: self.chain_id, deployed: deployed_on }));
        }
        if served.is_err() {
            return Ok(served);
        }
        let is_vault = self.pool.agree("the vault's code", 0, |endpoint| async move {
            if endpoint.provider.get_code_at(self.vault).await?.is_empty() {
                return Ok(false);
            }
            match self.contract(&endpoint).exitDelay().call().await {
                Ok(_) => Ok(true),
                Err(alloy::contract::Error::TransportError(e)) if e.as_error_resp().is_none() => {
                    Err(e.into())
                }
                Err(_) => Ok(false),
            }
        });
        Ok(if is_vault.await? { Ok(()) } else { Err(WrongChain::NoVault(self.vault)) })
    }

    /// Whether the vault had code at block `at`. An error where the endpoints do not keep that state.
    pub async fn had_vault(&self, at: u64) -> Result<bool, ChainError> {
        let ask = |endpoint: Arc<Endpoint>| async move {
            Ok(!endpoint.provider.get_code_at(self.vault).block_id(BlockId::number(at)).await?.is_empty())
        };
        self.pool.agree(&format!("the vault's code at block {at}"), at, ask).await
    }

    /// The newest block that a quorum has reached.
    pub async fn tip(&self) -> Result<Block, ChainError> {
        self.pool.tip().await
    }

    /// The newest block that a quorum calls final: the chain's finalized tag, or so many confirmations below the tip.
    pub async fn final_block(&self, tip: Block) -> Result<Option<Block>, ChainError> {
        match self.finality {
            Finality::Finalized => self.pool.finalized().await.map(Some),
            Finality::Confirmations(n) => match tip.number.checked_sub(n) {
                Some(number) => self.block(number).await.map(Some),
                None => Ok(None),
            },
        }
    }

    /// The block at a height.
    pub async fn block(&self, number: u64) -> Result<Block, ChainError> {
        let ask =
            |endpoint: Arc<Endpoint>| async move { endpoint.block(BlockNumberOrTag::Number(number)).await };
        self.pool.agree(&format!("block {number}"), number, ask).await
    }

    pub async fn lane(&self, lane: Address, at: u64) -> Result<LaneOnChain, ChainError> {
        let ask = |endpoint: Arc<Endpoint>| async move {
            let slot = self.contract(&endpoint).laneOf(lane).block(BlockId::number(at)).call().await?;
            let position = LanePosition { next: slot.next, head: slot.head };
            Ok(LaneOnChain { enabled: slot.enabled, position })
        };
        self.pool.agree(&format!("the position of lane {lane} at block {at}"), at, ask).await
    }

    /// How many transactions of `account` are in blocks up to `at`: its next nonce there.
    pub async fn nonce(&self, account: Address, at: u64) -> Result<u64, ChainError> {
        let ask = |endpoint: Arc<Endpoint>| async move {
            Ok(endpoint.provider.get_transaction_count(account).block_id(BlockId::number(at)).await?)
        };
        self.pool.agree(&format!("the nonce of {account} at block {at}"), at, ask).await
    }

    /// The next nonce after all that nodes know of, mined or not: the highest that a quorum has reached, because what
    /// is not mined yet need not be everywhere.
    pub async fn pending_nonce(&self, account: Address) -> Result<u64, ChainError> {
        let ask = |endpoint: Arc<Endpoint>| async move {
            Ok(endpoint.provider.get_transaction_count(account).pending().await?)
        };
        self.pool.reached(&format!("the pending nonce of {account}"), ask).await
    }

    /// What orders can be paid from.
    pub async fn float(&self, asset: Address, at: u64) -> Result<Amount, ChainError> {
        let ask = |endpoint: Arc<Endpoint>| async move {
            Ok(Amount(self.contract(&endpoint).floatOf(asset).block(BlockId::number(at)).call().await?))
        };
        self.pool.agree(&format!("the float of {asset} at block {at}"), at, ask).await
    }

    /// Depositor balances, unpaid requests and claims.
    pub async fn liabilities(&self, asset: Address, at: u64) -> Result<Amount, ChainError> {
        let ask = |endpoint: Arc<Endpoint>| async move {
            Ok(Amount(self.contract(&endpoint).liabilitiesOf(asset).block(BlockId::number(at)).call().await?))
        };
        self.pool.agree(&format!("the liabilities of {asset} at block {at}"), at, ask).await
    }

    /// What the vault holds.
    pub async fn vault_balance(&self, asset: Address, at: u64) -> Result<Amount, ChainError> {
        self.balance(asset, self.vault, at).await
    }

    pub async fn balance(&self, asset: Address, holder: Address, at: u64) -> Result<Amount, ChainError> {
        let ask = |endpoint: Arc<Endpoint>| async move {
            let units = if asset == NATIVE {
                endpoint.provider.get_balance(holder).block_id(BlockId::number(at)).await?
            } else {
                let token = IERC20::new(asset, endpoint.provider.clone());
                token.balanceOf(holder).block(BlockId::number(at)).call().await?
            };
            Ok(Amount(units))
        };
        self.pool.agree(&format!("the balance of {holder} in {asset} at block {at}"), at, ask).await
    }

    /// What `recipient` can claim.
    pub async fn claim(&self, asset: Address, recipient: Address, at: u64) -> Result<Amount, ChainError> {
        let ask = |endpoint: Arc<Endpoint>| async move {
            let claim =
                self.contract(&endpoint).claimOf(asset, recipient).block(BlockId::number(at)).call().await?;
            Ok(Amount(claim))
        };
        self.pool.agree(&format!("the claim of {recipient} in {asset} at block {at}"), at, ask).await
    }

    /// The transfers of a token out of the vault in blocks `from..=to`, as the token tells of them.
    pub async fn transfers_from_vault(
        &self,
        token: Address,
        from: u64,
        to: u64,
    ) -> Result<Vec<Transfer>, ChainError> {
        let filter = &serde_json::json!([{
            "address": token,
            "fromBlock": format!("{from:#x}"),
            "toBlock": format!("{to:#x}"),
            "topics": [IERC20::Transfer::SIGNATURE_HASH, self.vault.into_word()],
        }]);
        let ask = |endpoint: Arc<Endpoint>| async move {
            endpoint.reaches(to).await?;
            let logs: Vec<RawTransfer> = endpoint.provider.raw_request("eth_getLogs".into(), filter).await?;
            Ok(logs)
        };
        let what = format!("the transfers of {token} out of the vault in blocks {from} to {to}");
        let logs = self.pool.agree(&what, to, ask).await?;
        let read = |log: RawTransfer| {
            let amount = log.data.get(..32).map(U256::from_be_slice).unwrap_or_default();
            let to = log.topics.get(2).map(|to| Address::from_word(*to)).unwrap_or_default();
            Transfer { tx: log.transaction_hash, to, amount }
        };
        Ok(logs.into_iter().map(read).collect())
    }

    /// How many blocks one [`Chain::vault_logs`] may span.
    pub fn max_log_range(&self) -> u64 {
        self.max_log_range
    }

    /// The vault's events in blocks `from..=to`, in order.
    pub async fn vault_logs(&self, from: u64, to: u64) -> Result<Vec<VaultLog>, ChainError> {
        let filter = &Filter::new().address(self.vault);
        let ask = |endpoint: Arc<Endpoint>| async move {
            let mut logs = endpoint.logs(filter, from, to).await?;
            logs.retain(|log| !log.removed && log.address() == self.vault);
            logs.sort_by_key(|log| (log.block_number, log.log_index));
            Ok(logs)
        };
        let what = format!("the vault's events in blocks {from} to {to}");
        let logs = self
            .pool
            .decide(&what, to, |logs: &Vec<Log>| (logs.len(), digest(logs)), ask)
            .await?
            .swap_remove(0);
        logs.into_iter()
            .filter_map(|log| {
                let tx = log.transaction_hash.unwrap_or_default();
                let block = log.block_number.unwrap_or_default();
                let index = log.log_index.unwrap_or_default();
                let timestamp = log.block_timestamp;
                match IVault::IVaultEvents::decode_log(&log.inner) {
                    Ok(event) => Some(Ok(VaultLog { block, timestamp, tx, event: event.data })),
                    Err(_) if is_administrative(log.topic0()) => None,
                    Err(_) => Some(Err(ChainError::UnknownEvent { tx, index })),
                }
            })
            .collect()
    }

    /// What the sources of a price say at a block. `identity`: also what only changes when one is replaced.
    pub async fn observe(
        &self,
        config: &AssetConfig,
        block: Block,
        identity: bool,
    ) -> Result<Input, ChainError> {
        let at = readers::At { block: BlockId::number(block.number), time: block.timestamp };
        let ask = |endpoint: Arc<Endpoint>| async move {
            readers::read(&endpoint.provider, config, at, identity).await.map_err(|e| e.source.into())
        };
        let what = format!("the sources of a price at block {}", block.number);
        self.pool.agree(&what, block.number, ask).await
    }

    /// A mined transaction's calldata.
    pub async fn calldata(&self, tx: B256) -> Result<Bytes, ChainError> {
        let ask = |endpoint: Arc<Endpoint>| async move {
            let found = endpoint.provider.get_transaction_by_hash(tx).await?;
            let found = found.ok_or_else(|| ChainError::Missing(format!("transaction {tx}")))?;
            Ok(alloy::consensus::Transaction::input(&found).clone())
        };
        self.pool.agree(&format!("the calldata of transaction {tx}"), 0, ask).await
    }

    /// From when on `amount` fits the breaker's buckets: at once when not after `tip`, never when none.
    pub async fn fits_at(
        &self,
        asset: Address,
        amount: Amount,
        instant: bool,
        tip: Block,
    ) -> Result<Option<u64>, ChainError> {
        let ask = |endpoint: Arc<Endpoint>| async move {
            let vault = self.contract(&endpoint);
            let call = vault.retryAt(asset, amount.0, instant).block(BlockId::number(tip.number));
            let at = call.call().await?;
            Ok(at.try_into().ok())
        };
        self.pool.agree(&format!("what may leave of {asset} at block {}", tip.number), tip.number, ask).await
    }

    /// The receipt of a transaction, when it is in a block. One that tripped the breaker settled nothing: it counts
    /// as failed.
    ///
    /// That there is none is an answer too, and the dangerous one: a payment whose nonce is used and that has no receipt
    /// is signed again. So only endpoints have a vote that have the block at which the nonce was seen to be used (the tip
    /// that was agreed on last, which is where the stages read nonces); a null from one that is behind is true of an
    /// older block and says nothing. A receipt counts together with the hash of its block, so nodes on two sides of a
    /// reorganisation do not add up. When no quorum says the same, it is [`ChainError::NoQuorum`]: the payment is uncertain,
    /// and stays as it is until they agree.
    pub async fn receipt(&self, tx: B256) -> Result<Option<Receipt>, ChainError> {
        let ask = |endpoint: Arc<Endpoint>| async move {
            let method = "eth_getTransactionReceipt".into();
            let receipt: Option<RawReceipt> = endpoint.provider.raw_request(method, (tx,)).await?;
            Ok(receipt.and_then(|r| {
                let tripped = |log: &RawLog| {
                    log.address == self.vault && log.topics.first() == Some(&IVault::Tripped::SIGNATURE_HASH)
                };
                let receipt = Receipt {
                    block: r.block_number?.to(),
                    succeeded: !r.status.is_zero() && !r.logs.iter().any(tripped),
                    gas_used: r.gas_used.to(),
                    fee: r.fee(),
                };
                Some((receipt, r.block_hash?))
            }))
        };
        let what = format!("the receipt of transaction {tx}");
        // What it cost decides nothing: a node that leaves it out contradicts nobody.
        let key = |answer: &Option<(Receipt, B256)>| {
            answer.map(|(receipt, block)| (Receipt { fee: None, ..receipt }, block))
        };
        let answers = self.pool.decide(&what, self.pool.tip_number(), key, ask).await?;
        let fee_of = |answer: &Option<(Receipt, B256)>| answer.and_then(|(receipt, _)| receipt.fee);
        let fee =
            answers.first().and_then(fee_of).filter(|fee| answers.iter().all(|a| fee_of(a) == Some(*fee)));
        Ok(answers.first().copied().flatten().map(|(receipt, _)| Receipt { fee, ..receipt }))
    }

    /// Hands signed bytes to the nodes, of which one must take them; that it knows them already is as good. `age` is how
    /// long ago the first transaction with this nonce was signed: with a private relay configured, only the relay gets
    /// it until that is `chain.private_timeout`.
    pub async fn send(&self, raw: &[u8], age: Duration) -> Result<(), SendError> {
        self.pool.broadcast(raw, age).await
    }

    /// The gas that `calldata` from `lane` needs, or why the vault refuses it. The lane is taken to stand at
    /// `position` already, as it will once the batches before are settled. A quorum must refuse or estimate; of its
    /// estimates the highest counts.
    pub async fn estimate(
        &self,
        lane: Address,
        calldata: &Bytes,
        position: Option<LanePosition>,
    ) -> Result<u64, ChainError> {
        let request = &self.settlement(lane, calldata, TRANSACTION_GAS_CAP);
        let ask = |endpoint: Arc<Endpoint>| async move {
            let mut call = endpoint.provider.estimate_gas(request.clone()).block(BlockId::latest());
            if let Some(position) = position {
                call = call.overrides(self.lane_override(lane, position));
            }
            or_refusal(call.await)
        };
        let estimates = self.taken(lane, ask).await?;
        Ok(estimates.into_iter().max().unwrap_or(TRANSACTION_GAS_CAP))
    }

    /// Whether the vault takes `calldata` from `lane` within `gas`, or why it refuses it; as [`Chain::estimate`]. A node
    /// runs the call once for this, and some twenty times to estimate it.
    pub async fn simulate(
        &self,
        lane: Address,
        calldata: &Bytes,
        position: Option<LanePosition>,
        gas: u64,
    ) -> Result<(), ChainError> {
        let request = &self.settlement(lane, calldata, gas);
        let ask = |endpoint: Arc<Endpoint>| async move {
            let mut call = endpoint.provider.call(request.clone()).block(BlockId::latest());
            if let Some(position) = position {
                call = call.overrides(self.lane_override(lane, position));
            }
            or_refusal(call.await)
        };
        self.taken(lane, ask).await.map(drop)
    }

    /// The gas that a call of `from` would take, or why `to` refuses it. An ordinary read.
    pub async fn estimate_call(
        &self,
        from: Address,
        to: Address,
        calldata: &Bytes,
    ) -> Result<Result<u64, Refusal>, ChainError> {
        let request = TransactionRequest::default().from(from).to(to).input(calldata.clone().into());
        or_refusal(self.provider.estimate_gas(request).await)
    }

    fn settlement(&self, lane: Address, calldata: &Bytes, gas: u64) -> TransactionRequest {
        TransactionRequest::default()
            .from(lane)
            .to(self.vault)
            .input(calldata.clone().into())
            .access_list(calldata::access_list(calldata))
            .gas_limit(gas)
    }

    /// What a quorum answers to a simulated settlement, or why it refuses it.
    async fn taken<T, F>(&self, lane: Address, ask: impl Fn(Arc<Endpoint>) -> F) -> Result<Vec<T>, ChainError>
    where
        F: Future<Output = Result<Result<T, Refusal>, ChainError>>,
    {
        let what = format!("whether the vault takes a batch of lane {lane}");
        let refused = |answer: &Result<T, Refusal>| answer.is_err();
        let answers = self.pool.decide(&what, self.pool.tip_number(), refused, ask).await?;
        Ok(answers.into_iter().collect::<Result<_, Refusal>>()?)
    }

    fn lane_override(&self, lane: Address, position: LanePosition) -> StateOverride {
        let slot = keccak256((lane, LANES_SLOT).abi_encode());
        let account = AccountOverride {
            state_diff: Some([(slot, position.word())].into_iter().collect()),
            ..Default::default()
        };
        [(self.vault, account)].into_iter().collect()
    }
}

/// A node's answer to a simulated call: its error is the vault's, unless it is about the rate or the connection.
fn or_refusal<T>(answer: Result<T, RpcError<TransportErrorKind>>) -> Result<Result<T, Refusal>, ChainError> {
    match answer {
        Ok(answer) => Ok(Ok(answer)),
        Err(error) => match error.as_error_resp() {
            Some(payload) if !pool::is_rate_limit(payload) => Ok(Err(Refusal::read(payload))),
            _ => Err(error.into()),
        },
    }
}

/// What two endpoints must have the same: where each log stands and what it says.
fn digest(logs: &[Log]) -> B256 {
    let each = |log: &Log| {
        let place = (log.block_hash.unwrap_or_default(), log.transaction_hash.unwrap_or_default());
        let index = log.log_index.unwrap_or_default();
        (place.0, place.1, U256::from(index), log.topics().to_vec(), log.data().data.clone()).abi_encode()
    };
    keccak256(logs.iter().flat_map(each).collect::<Vec<u8>>())
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
