//! The vault's state for readers: what it holds, what may leave, what is paused.

use super::{
    Block, Chain, ChainError, Endpoint,
    abi::IVault::{self, Limit, Scope},
};
use crate::domain::amount::Amount;
use alloy::{
    eips::BlockId,
    primitives::{Address, U256},
};
use futures::future::{try_join_all, try_join3};
use std::sync::Arc;

/// The vault at one block.
#[derive(Clone, Debug)]
pub struct VaultState {
    pub block: Block,
    /// Until when each scope is paused, in unix seconds; in the past or 0 when it is not.
    pub paused: Vec<(Scope, u64)>,
    /// In USD with 18 decimals; a capacity of 0 is none.
    pub usd: Bucket,
    /// Seconds between an announcement and its payment.
    pub announce_delay: u64,
    pub assets: Vec<AssetState>,
}

/// One asset of the vault. Amounts in its units.
#[derive(Clone, Copy, Debug)]
pub struct AssetState {
    pub asset: Address,
    pub float: Amount,
    pub liabilities: Amount,
    pub cold: Amount,
    /// What a refill should bring.
    pub shortfall: Amount,
    /// Unix seconds.
    pub paused_until: u64,
    pub bucket: Bucket,
    /// Of what the keeper pays alone.
    pub instant: Bucket,
    /// A larger payout needs approval.
    pub instant_per_payout: Amount,
    /// A larger one is announced.
    pub approved_per_payout: Amount,
}

/// How much may leave.
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    pub capacity: Amount,
    pub left: Amount,
    /// Unix seconds; in the past when it is full.
    pub full_at: u64,
}

impl From<IVault::LimitState> for Bucket {
    fn from(state: IVault::LimitState) -> Self {
        let full_at = state.fullAt.try_into().unwrap_or(u64::MAX);
        Self { capacity: Amount(state.capacity), left: Amount(state.left), full_at }
    }
}

/// An asset's limits, and when the bucket of its units is full, that of the instant tier and that of what is sold, in unix
/// seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitsOnChain {
    pub set: IVault::AssetLimits,
    pub full_at: U256,
    pub instant_full_at: U256,
    pub swaps: IVault::SwapRules,
    pub swaps_full_at: U256,
}

/// The limit over all assets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsdLimit {
    /// Whole USD.
    pub capacity: u32,
    /// Seconds.
    pub window: u32,
    pub hard_multiple: u8,
    /// When its bucket is full, in unix seconds.
    pub full_at: U256,
}

/// All scopes, in the order of the contract.
pub const SCOPES: [(Scope, &str); 5] = [
    (Scope::Everything, "everything"),
    (Scope::Deposits, "deposits"),
    (Scope::Orders, "orders"),
    (Scope::Requests, "requests"),
    (Scope::Swaps, "swaps"),
];

impl Chain {
    /// An asset's limits as they are set now.
    pub async fn asset_limits(&self, asset: Address) -> Result<IVault::AssetLimits, ChainError> {
        Ok(IVault::new(self.vault, self.provider.clone()).assetLimits(asset).call().await?)
    }

    /// An asset's limits at a block: a decisive read.
    pub async fn limits(&self, asset: Address, at: u64) -> Result<LimitsOnChain, ChainError> {
        let ask = |endpoint: Arc<Endpoint>| async move {
            let (vault, block) = (self.contract(&endpoint), BlockId::number(at));
            let set = vault.assetLimits(asset).block(block).call().await?;
            let full_at = vault.limitState(asset, Limit::Asset).block(block).call().await?.fullAt;
            let instant_full_at = vault.limitState(asset, Limit::Instant).block(block).call().await?.fullAt;
            let swaps = vault.swapRules(asset).block(block).call().await?;
            let swaps_full_at = vault.swapLimitState(asset).block(block).call().await?.fullAt;
            Ok(LimitsOnChain { set, full_at, instant_full_at, swaps, swaps_full_at })
        };
        self.pool.agree(&format!("the limits of {asset} at block {at}"), at, ask).await
    }

    /// The limit over all assets at a block: a decisive read.
    pub async fn usd_limit(&self, at: u64) -> Result<UsdLimit, ChainError> {
        let ask = |endpoint: Arc<Endpoint>| async move {
            let (vault, block) = (self.contract(&endpoint), BlockId::number(at));
            let set = vault.usdLimit().block(block).call().await?;
            let full_at = vault.limitState(Address::ZERO, Limit::Usd).block(block).call().await?.fullAt;
            let IVault::usdLimitReturn { capacity, window, hardMultiple: hard_multiple } = set;
            Ok(UsdLimit { capacity, window, hard_multiple, full_at })
        };
        self.pool.agree(&format!("the limit in USD at block {at}"), at, ask).await
    }

    /// The vault's state at `block`, of the assets given. Ordinary reads: nothing is decided by them.
    pub async fn vault_state(&self, block: Block, assets: &[Address]) -> Result<VaultState, ChainError> {
        let vault = IVault::new(self.vault, self.provider.clone());
        let at = BlockId::number(block.number);
        let paused = SCOPES.map(|(scope, _)| {
            let call = vault.pausedUntil(scope).block(at);
            async move { Ok::<_, ChainError>((scope, call.call().await?.to::<u64>())) }
        });
        let usd = async { Ok(vault.limitState(Address::ZERO, Limit::Usd).block(at).call().await?.into()) };
        let assets = assets.iter().map(|asset| self.asset_state(*asset, at));
        let (paused, usd, assets) = try_join3(try_join_all(paused), usd, try_join_all(assets)).await?;
        let announce_delay = vault.approvals().block(at).call().await?.announceDelay_.into();
        Ok(VaultState { block, paused, usd, announce_delay, assets })
    }

    async fn asset_state(&self, asset: Address, at: BlockId) -> Result<AssetState, ChainError> {
        let vault = IVault::new(self.vault, self.provider.clone());
        let treasury = vault.treasuryOf(asset).block(at).call().await?;
        let limits = vault.assetLimits(asset).block(at).call().await?;
        Ok(AssetState {
            asset,
            float: Amount(vault.floatOf(asset).block(at).call().await?),
            liabilities: Amount(vault.liabilitiesOf(asset).block(at).call().await?),
            cold: Amount(treasury.coldBalance),
            shortfall: Amount(treasury.shortfall),
            paused_until: vault.assetPausedUntil(asset).block(at).call().await?.to(),
            bucket: vault.limitState(asset, Limit::Asset).block(at).call().await?.into(),
            instant: vault.limitState(asset, Limit::Instant).block(at).call().await?.into(),
            instant_per_payout: Amount(limits.instantPerPayout),
            approved_per_payout: Amount::from(limits.approvedPerPayout),
        })
    }
}
