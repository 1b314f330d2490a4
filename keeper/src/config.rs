//! The configuration: one TOML file, environment variables over it, and every value checked at start.
//!
//! A variable overrides the key of its name: `SPILLWAY_CHAIN__RPC_URLS` is `chain.rpc_urls`. `spillway.example.toml`
//! documents each key. Relative paths are relative to the working directory.
//!
//! - [`source`]: reading file and environment
//! - [`check`]: what each key may be, and errors that name key, value and what would be right
//! - [`secrets`]: what no log may show
//! - [`signers`]: loading the keys of the lanes
//! - [`swap`]: the pools that swaps go through
//! - [`traces`]: where the ways of withdrawals are sent
//! - [`webhooks`]: the endpoints that are told, and loading their secrets

pub mod check;
mod secrets;
pub mod signers;
pub mod source;
pub mod swap;
mod traces;
pub mod webhooks;

use crate::domain::{fees::FeePolicy, webhook::Secret};
use alloy::{primitives::Address, signers::local::PrivateKeySigner};
use oracle_guard::AssetConfig;
use serde::Deserialize;
use std::{
    collections::{BTreeMap, HashSet},
    fmt,
    net::SocketAddr,
    path::PathBuf,
    time::Duration,
};
use subtle::ConstantTimeEq;

pub use check::{ConfigError, Problem};
pub use secrets::longest_first;
pub use signers::SignerError;
pub use swap::{PoolConfig, PoolKind, SwapConfig};
pub use traces::TracesConfig;
pub use webhooks::{WebhookConfig, WebhookError};

/// The checked configuration. Its `Debug` output shows no secret.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The file that `script/Deploy.s.sol` wrote.
    pub deployment: PathBuf,
    pub chain: ChainConfig,
    #[serde(default)]
    pub store: StoreConfig,
    #[serde(default)]
    pub api: ApiConfig,
    /// The signing accounts that pay, at least one.
    pub lanes: Vec<LaneConfig>,
    #[serde(default)]
    pub policy: PolicyConfig,
    #[serde(default)]
    pub batch: BatchConfig,
    #[serde(default)]
    pub fees: FeesConfig,
    #[serde(default)]
    pub review: ReviewConfig,
    /// How prices are judged, by the asset's symbol; an asset without entry has none.
    #[serde(default)]
    pub oracle: BTreeMap<String, AssetConfig>,
    /// Who is told what became of withdrawals.
    #[serde(default)]
    pub webhooks: Vec<WebhookConfig>,
    #[serde(default)]
    pub traces: TracesConfig,
    #[serde(default)]
    pub export: ExportConfig,
    #[serde(default)]
    pub margin: MarginConfig,
    #[serde(default)]
    pub swap: SwapConfig,
    #[serde(default)]
    pub log: LogConfig,
}

impl Config {
    /// The parts of addresses that no log may show, and the token: see [`secrets`].
    pub fn secrets(&self) -> Vec<String> {
        secrets::of(self)
    }

    /// Loads the keys of the lanes, in the order of the entries. Errors name the entry, never a secret.
    pub fn signers(&self) -> Result<Vec<PrivateKeySigner>, SignerError> {
        signers::load(&self.lanes, |name| std::env::var(name).ok())
    }

    /// The lanes that pay reviewed batches alone.
    pub fn reviewed_lanes(&self) -> Result<HashSet<Address>, SignerError> {
        let lanes = self.signers()?.into_iter().zip(&self.lanes);
        Ok(lanes.filter(|(_, of)| of.reviewed).map(|(signer, _)| signer.address()).collect())
    }

    /// Loads the secrets of the webhooks, in the order of the entries. Errors name the entry, never a secret.
    pub fn webhook_secrets(&self) -> Result<Vec<Vec<Secret>>, WebhookError> {
        webhooks::load(&self.webhooks, |name| std::env::var(name).ok())
    }

    /// Loads the key of `swap.signer`; none when nothing is to be swapped.
    pub fn swap_signer(&self) -> Result<Option<PrivateKeySigner>, SignerError> {
        signers::load_beside(self, signers::SWAP, self.swap.signer.as_ref(), |name| std::env::var(name).ok())
    }

    /// Loads the key of `margin.signer`; none when nothing is to be sent to margin pools.
    pub fn margin_signer(&self) -> Result<Option<PrivateKeySigner>, SignerError> {
        signers::load_beside(self, signers::MARGIN, self.margin.signer.as_ref(), |name| {
            std::env::var(name).ok()
        })
    }
}

/// `[chain]`: where the chain is read and written.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChainConfig {
    /// At least one. May carry a provider's key in the path: never logged.
    #[serde(deserialize_with = "source::urls")]
    pub rpc_urls: Vec<reqwest::Url>,
    /// Where new blocks are told; none is polling alone.
    #[serde(default, deserialize_with = "source::urls")]
    pub ws_urls: Vec<reqwest::Url>,
    /// How many endpoints must agree on what decides; none is more than half.
    pub quorum: Option<usize>,
    /// An ordinary read that takes longer is sent to the next endpoint too.
    #[serde(default = "hedge_after", with = "humantime_serde")]
    pub hedge_after: Duration,
    /// What an endpoint does not answer within this is given up.
    #[serde(default = "request_timeout", with = "humantime_serde")]
    pub request_timeout: Duration,
    /// To each endpoint; zero is no limit.
    #[serde(default)]
    pub max_requests_per_second: u32,
    /// Gets transactions first, alone.
    #[serde(default, deserialize_with = "source::url")]
    pub private_relay: Option<reqwest::Url>,
    /// After so long the endpoints get what the private relay did not bring into a block.
    #[serde(default = "private_timeout", with = "humantime_serde")]
    pub private_timeout: Duration,
    pub chain_id: u64,
    #[serde(default)]
    pub finality: Finality,
    /// How often the newest block is asked for.
    #[serde(default = "poll_interval", with = "humantime_serde")]
    pub poll_interval: Duration,
    /// Blocks that one log query may cover.
    #[serde(default = "max_log_range")]
    pub max_log_range: u64,
}

impl ChainConfig {
    /// One endpoint of a chain, and all else as it is when nothing is said.
    pub fn of(rpc: reqwest::Url, chain_id: u64) -> Self {
        Self {
            rpc_urls: vec![rpc],
            ws_urls: Vec::new(),
            quorum: None,
            hedge_after: hedge_after(),
            request_timeout: request_timeout(),
            max_requests_per_second: 0,
            private_relay: None,
            private_timeout: private_timeout(),
            chain_id,
            finality: Finality::default(),
            poll_interval: poll_interval(),
            max_log_range: max_log_range(),
        }
    }

    /// [`ChainConfig::quorum`], or its default.
    pub fn quorum(&self) -> usize {
        self.quorum.unwrap_or(self.rpc_urls.len() / 2 + 1)
    }
}

fn hedge_after() -> Duration {
    Duration::from_millis(500)
}

fn request_timeout() -> Duration {
    Duration::from_secs(10)
}

fn private_timeout() -> Duration {
    Duration::from_secs(60)
}

fn poll_interval() -> Duration {
    Duration::from_millis(500)
}

fn max_log_range() -> u64 {
    2_000
}

impl fmt::Debug for ChainConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |url: &reqwest::Url| check::without_secrets(url.as_str());
        f.debug_struct("ChainConfig")
            .field("rpc_urls", &self.rpc_urls.iter().map(shown).collect::<Vec<_>>())
            .field("ws_urls", &self.ws_urls.iter().map(shown).collect::<Vec<_>>())
            .field("quorum", &self.quorum())
            .field("hedge_after", &self.hedge_after)
            .field("request_timeout", &self.request_timeout)
            .field("max_requests_per_second", &self.max_requests_per_second)
            .field("private_relay", &self.private_relay.as_ref().map(shown))
            .field("private_timeout", &self.private_timeout)
            .field("chain_id", &self.chain_id)
            .field("finality", &self.finality)
            .field("poll_interval", &self.poll_interval)
            .field("max_log_range", &self.max_log_range)
            .finish()
    }
}

/// From when on a block counts as final.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finality {
    /// The chain's own finalized block.
    #[default]
    Finalized,
    /// So many blocks below the newest, for chains without a finalized block.
    Confirmations(u64),
}

/// `[store]`: where everything is kept.
#[derive(Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StoreConfig {
    /// `sqlite://FILE` or `postgres://...`. May carry a password: never logged.
    pub url: String,
    /// A copy of the store's generation outside of it; none is beside the database.
    pub generation_file: Option<PathBuf>,
    /// How long a lane that a dead keeper held stays with it, at most.
    #[serde(with = "humantime_serde")]
    pub lease: Duration,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self { url: "sqlite://spillway.db".to_owned(), generation_file: None, lease: Duration::from_secs(10) }
    }
}

impl fmt::Debug for StoreConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreConfig")
            .field("url", &check::without_secrets(&self.url))
            .field("generation_file", &self.generation_file)
            .field("lease", &self.lease)
            .finish()
    }
}

/// `[api]`: the HTTP door.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ApiConfig {
    pub listen: SocketAddr,
    /// What callers send as `Authorization: Bearer ...`; none asks for nothing, on a loopback address only.
    pub token: Option<Token>,
    /// Nobody comes in without a key, even before the first one is made.
    pub require_key: bool,
    /// Bytes that a request's body may have.
    pub max_body: usize,
    /// Withdrawals that may wait to be stored.
    pub queue: usize,
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            token: None,
            require_key: false,
            max_body: 16 << 20,
            queue: 50_000,
        }
    }
}

/// A shared secret. Shown nowhere, compared in constant time.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct Token(String);

impl Token {
    fn secret(&self) -> &str {
        &self.0
    }

    /// Whether it is the secret. The time taken tells nothing of either.
    pub fn matches(&self, presented: &str) -> bool {
        let digest = |text: &str| alloy::primitives::keccak256(text).0;
        digest(&self.0).ct_eq(&digest(presented)).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}

impl From<&str> for Token {
    fn from(secret: &str) -> Self {
        Self(secret.to_owned())
    }
}

/// `[[lanes]]`: one signing account, by a key in the environment or by an encrypted keystore file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LaneConfig {
    /// The name of the environment variable that holds the private key as hexadecimal digits.
    pub private_key_env: Option<String>,
    /// An encrypted key file (Web3 Secret Storage, as cast and geth write it).
    pub keystore: Option<PathBuf>,
    /// The file that holds the keystore's password, in its first line.
    pub password_file: Option<PathBuf>,
    /// It pays batches that approvers signed, and nothing else.
    pub reviewed: bool,
}

/// `[policy]`: what may be paid, and when.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PolicyConfig {
    /// How long a withdrawal may wait for the float before it is rejected.
    #[serde(with = "humantime_serde")]
    pub hold_timeout: Duration,
    /// An order without a deadline of its own is released when it was not paid so long after its receipt; zero: never.
    #[serde(with = "humantime_serde")]
    pub deadline: Duration,
}

impl Default for PolicyConfig {
    fn default() -> Self {
        Self { hold_timeout: Duration::from_secs(3_600), deadline: Duration::ZERO }
    }
}

impl PolicyConfig {
    /// [`PolicyConfig::hold_timeout`] in milliseconds.
    pub fn hold_timeout_ms(&self) -> i64 {
        millis(self.hold_timeout)
    }

    /// [`PolicyConfig::deadline`] in milliseconds; 0: none.
    pub fn deadline_ms(&self) -> i64 {
        millis(self.deadline)
    }
}

/// `[batch]`: how withdrawals are gathered.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BatchConfig {
    /// How long the oldest withdrawal of a batch waits for more to join it.
    #[serde(with = "humantime_serde")]
    pub window: Duration,
    /// Gas that one batch may use.
    pub max_gas: u64,
    /// Payouts that one batch may have, where its gas would allow more.
    pub max_payouts: usize,
    /// Batches of one lane that may be on the way at a time.
    pub max_in_flight: usize,
}

/// What one transaction may use at most (EIP-7825).
pub const MAX_TRANSACTION_GAS: u64 = 16_777_216;

impl Default for BatchConfig {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(2),
            max_gas: MAX_TRANSACTION_GAS,
            max_payouts: 10_000,
            max_in_flight: 4,
        }
    }
}

impl BatchConfig {
    /// [`BatchConfig::window`] in milliseconds.
    pub fn window_ms(&self) -> i64 {
        millis(self.window)
    }
}

/// `[fees]`: what may be paid for gas.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FeesConfig {
    /// How much is offered.
    pub policy: FeePolicy,
    /// The ceiling of the fee per gas, in gwei.
    pub max_fee_gwei: u64,
    /// An attempt that is not mined after so long is replaced at a higher fee.
    #[serde(with = "humantime_serde")]
    pub bump_after: Duration,
    /// So often an attempt is replaced before its nonce is given up and the batch signed again.
    pub max_bumps: u32,
    /// Payouts of the chain's own coin are held while one costs more than so many ten-thousandths of its amount; 0: never.
    pub max_share_bps: u64,
    /// How long they are held.
    #[serde(with = "humantime_serde")]
    pub hold: Duration,
    /// What becomes of them then.
    pub after_hold: AfterHold,
}

/// What becomes of a withdrawal that was held for its fee for too long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AfterHold {
    /// It is paid at whatever it costs, up to the ceiling.
    #[default]
    Pay,
    /// It is released.
    Reject,
}

impl Default for FeesConfig {
    fn default() -> Self {
        Self {
            policy: FeePolicy::Normal,
            max_fee_gwei: 200,
            bump_after: Duration::from_secs(30),
            max_bumps: 10,
            max_share_bps: 0,
            hold: Duration::from_secs(6 * 3_600),
            after_hold: AfterHold::Pay,
        }
    }
}

impl FeesConfig {
    /// [`FeesConfig::max_fee_gwei`] in wei.
    pub fn max_fee_wei(&self) -> u128 {
        u128::from(self.max_fee_gwei) * 1_000_000_000
    }

    /// [`FeesConfig::bump_after`] in milliseconds.
    pub fn bump_after_ms(&self) -> i64 {
        millis(self.bump_after)
    }

    /// [`FeesConfig::hold`] in milliseconds.
    pub fn hold_ms(&self) -> i64 {
        millis(self.hold)
    }
}

/// `[review]`: batches above the instant tier.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReviewConfig {
    /// How long approvals count. What was not signed by enough until then is offered again.
    #[serde(with = "humantime_serde")]
    pub deadline: Duration,
}

impl Default for ReviewConfig {
    fn default() -> Self {
        Self { deadline: Duration::from_secs(24 * 3_600) }
    }
}

/// `[export]`: the ledger as Parquet files.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExportConfig {
    /// The folder of the files; none writes none.
    pub directory: Option<PathBuf>,
    /// How often what is new is written.
    #[serde(with = "humantime_serde")]
    pub interval: Duration,
}

impl Default for ExportConfig {
    fn default() -> Self {
        Self { directory: None, interval: Duration::from_secs(600) }
    }
}

/// `[margin]`: which margin pools are seen to, and what may be risked for them. Without a pool it is off.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MarginConfig {
    /// All pools that this factory made.
    pub factory: Option<Address>,
    pub pools: Vec<Address>,
    /// The account that liquidates and settles, no lane's; none only looks.
    pub signer: Option<LaneConfig>,
    /// The initial margin that what one bid takes may need, in whole collateral; 0 never bids.
    pub max_bid: u64,
    /// The initial margin that all books of the account may need in one pool, in whole collateral.
    pub max_held: u64,
    /// A bid asks for so much above the mark of what it takes over, in ten-thousandths.
    pub premium_bps: u16,
    /// Told when the insurance fund is below so many ten-thousandths of all maintenance margins; 0: never.
    pub insurance_floor_bps: u32,
    /// Told when one account needs more than so many ten-thousandths of all maintenance margins.
    pub concentration_bps: u16,
}

impl Default for MarginConfig {
    fn default() -> Self {
        Self {
            factory: None,
            pools: Vec::new(),
            signer: None,
            max_bid: 0,
            max_held: 0,
            premium_bps: 200,
            insurance_floor_bps: 500,
            concentration_bps: 5_000,
        }
    }
}

impl MarginConfig {
    /// Whether any pool is configured.
    pub fn is_on(&self) -> bool {
        self.factory.is_some() || !self.pools.is_empty()
    }
}

/// `[log]`: what is told on stderr.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    pub format: LogFormat,
    /// A level, or directives such as `info,spillway::stages=debug`.
    pub level: String,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { format: LogFormat::Text, level: "info".to_owned() }
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    Text,
    Json,
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
