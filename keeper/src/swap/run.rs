//! The loop: swaps that were planned are seen to their end, and what withdrawals wait for is bought.
//!
//! A swap is durable before it is signed, and what is signed before it is sent; a restart goes on with both and plans
//! nothing anew. One swap per asset that is bought is open at a time.

use super::{forecast::Forecast, pools::Reader};
use crate::{
    chain::{Block, Chain, ChainError, signer::Signers},
    clock::now_ms,
    config::{Config, ConfigError, FeesConfig, Problem, SwapConfig},
    deployment::Deployment,
    domain::asset::{Asset, Assets},
    purse::{Purse, PurseError, Task},
    stages::{StageError, price::guard::Guard},
    step::{bounded, rest},
    store::{
        Context, Store, StoreError,
        duties::SentState,
        leases::LINE,
        swaps::{NewSwap, Swap},
    },
};
use alloy::primitives::{Address, B256};
use std::{collections::HashMap, time::Duration};
use tokio_util::sync::CancellationToken;

/// A round that takes longer waits for what never answers.
const ROUND: Duration = Duration::from_secs(120);
/// What failed is tried again after so long.
const AFTER_FAILURE: Duration = Duration::from_secs(1);
/// An asset that cannot be bought is looked at again after so long.
const AFTER_TROUBLE_MS: i64 = 10_000;

/// Why a round ended early. All is tried again.
#[derive(Debug, thiserror::Error)]
pub enum SwapError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Chain(#[from] ChainError),
    #[error(transparent)]
    Purse(#[from] PurseError),
    #[error(transparent)]
    Stage(#[from] StageError),
}

/// What the loop works with. The connections are its own.
#[derive(Debug)]
pub struct Keeper {
    pub(super) config: SwapConfig,
    pub(super) fees: FeesConfig,
    pub(super) guard: Guard,
    pub(super) sources: Vec<Asset>,
    pub(super) chain: Chain,
    pub(super) store: Store,
    pub(super) purse: Purse,
    pub(super) reader: Reader,
    pub(super) forecast: Forecast,
    assets: Assets,
    poll_interval: Duration,
    /// From when on an asset is looked at again, in unix milliseconds.
    retry_at: HashMap<Address, i64>,
}

impl Keeper {
    /// None when nothing is to be swapped: without pools, or without an account.
    pub fn new(config: &Config, deployment: &Deployment, store: Store) -> eyre::Result<Option<Self>> {
        let sources = sources(config, &deployment.assets)?;
        let Some(signer) = config.swap_signer()?.filter(|_| config.swap.is_on()) else { return Ok(None) };
        let chain = Chain::connect(&config.chain, deployment.vault)?;
        let account = signer.address();
        let (fees, signers) = (config.fees.clone(), Signers::new([signer]));
        Ok(Some(Self {
            purse: Purse::new("swap", store.clone(), chain.clone(), fees.clone(), signers, account),
            config: config.swap.clone(),
            guard: Guard::new(&config.oracle, &deployment.assets)?,
            reader: Reader::new(&config.swap),
            forecast: Forecast::new(config.swap.horizon),
            assets: deployment.assets.clone(),
            poll_interval: config.chain.poll_interval,
            retry_at: HashMap::new(),
            fees,
            sources,
            chain,
            store,
        }))
    }

    /// Until `stop`. What fails is logged and tried again; so is what panics.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut seen = None;
        while !stop.is_cancelled() {
            // All that it decides is in the store: nothing in memory can be left half done.
            let pause = match bounded("swap", ROUND, self.round(&mut seen)).await {
                Some(Ok(())) => self.poll_interval,
                Some(Err(error)) => {
                    tracing::warn!(%error, "swap: tried again; withdrawals of other assets go on");
                    AFTER_FAILURE
                }
                None => AFTER_FAILURE,
            };
            rest(pause, &stop).await;
        }
    }

    async fn round(&mut self, seen: &mut Option<B256>) -> Result<(), SwapError> {
        // Two keepers would take the same nonces.
        if !self.store.tenure().is_some_and(|tenure| tenure.holds(LINE)) {
            return Ok(());
        }
        let tip = self.chain.tip().await?;
        let Some(last_final) = self.chain.final_block(tip).await? else { return Ok(()) };
        self.purse.tend(tip, last_final).await?;
        for swap in self.store.open_swaps().await? {
            self.see_to(&swap, tip).await?;
        }
        if *seen == Some(tip.hash) {
            return Ok(());
        }
        self.refill(tip).await?;
        *seen = Some(tip.hash);
        Ok(())
    }

    /// An open swap: signed, if a crash came before, and ended when its transaction did.
    async fn see_to(&self, swap: &Swap, tip: Block) -> Result<(), SwapError> {
        let states = self.store.states_of_duty(self.purse.account, &swap.duty()).await?;
        let failed = match states.as_slice() {
            [] if tip.timestamp > swap.plan.deadline => "it was not signed before its deadline",
            [] => return self.sign(swap.duty(), &swap.plan).await,
            // The books say so when they are at its block.
            states if states.contains(&SentState::Done) => return Ok(()),
            states if states.iter().any(|s| matches!(s, SentState::Signed | SentState::Sent)) => {
                return Ok(());
            }
            states if states.contains(&SentState::Failed) => {
                "its transaction reverted: prices moved, or it came too late"
            }
            _ => "another transaction of its account took its nonce",
        };
        tracing::warn!(swap = swap.row, why = failed, "swap failed; planned anew when it is still needed");
        let detail = serde_json::json!({ "swap": swap.row, "reason": failed });
        let mut unit = self.store.unit(Context::new("keeper/swap", "swap.failed", detail)).await?;
        unit.fail_swap(swap, failed).await?;
        unit.tell_of_refill(swap.plan.buy, Some(failed)).await?;
        Ok(unit.commit().await?)
    }

    async fn sign(&self, key: String, plan: &NewSwap) -> Result<(), SwapError> {
        let task = Task { target: self.chain.vault, key, calldata: plan.calldata.clone() };
        self.purse.perform(task).await?;
        Ok(())
    }

    /// Buys what is missing, asset by asset. One that cannot be had holds up no other.
    async fn refill(&mut self, tip: Block) -> Result<(), SwapError> {
        self.forecast.read(&self.store, now_ms()).await?;
        let held = self.held().await?;
        let assets: Vec<Asset> = self.assets.iter().cloned().collect();
        for asset in assets {
            let open = self.store.open_swaps().await?;
            if open.iter().any(|swap| swap.plan.buy == asset.address)
                || self.retry_at.get(&asset.address).is_some_and(|at| *at > now_ms())
            {
                continue;
            }
            let interval = i64::try_from(self.config.slice_interval.as_millis()).unwrap_or(i64::MAX);
            let last_slice = self.store.last_slice(asset.address).await?;
            // One from the future is a clock's that went back.
            let now = now_ms();
            if last_slice.is_some_and(|at| at <= now && at.saturating_add(interval) > now) {
                continue;
            }
            let missing = self.missing(&asset, &held, tip).await?;
            if missing.is_zero() {
                self.tell(&asset, None).await?;
                continue;
            }
            match self.plan(&asset, missing, &held, &open, tip).await {
                Ok(Ok(swap)) => self.begin(&asset, &swap).await?,
                Ok(Err(why)) => {
                    self.retry_at.insert(asset.address, now_ms() + AFTER_TROUBLE_MS);
                    self.tell(&asset, Some(&why)).await?;
                }
                Err(error) => {
                    self.retry_at.insert(asset.address, now_ms() + AFTER_TROUBLE_MS);
                    self.tell(&asset, Some(&error.to_string())).await?;
                }
            }
        }
        Ok(())
    }

    async fn begin(&self, asset: &Asset, swap: &NewSwap) -> Result<(), SwapError> {
        let detail = serde_json::json!({
            "sell": swap.sell, "buy": swap.buy, "amount": swap.amount.to_string(), "least": swap.least.to_string(),
        });
        let mut unit = self.store.unit(Context::new("keeper/swap", "swap.planned", detail)).await?;
        let row = unit.add_swap(swap).await?;
        unit.tell_of_refill(asset.address, None).await?;
        unit.commit().await?;
        crate::crash::point("swap.planned");
        tracing::info!(swap = row, amount = %self.assets.show(swap.sell, swap.amount), quoted = %asset.show(swap.quoted), slice = swap.is_slice, "swap planned");
        self.sign(Swap::duty_of(row), swap).await
    }

    /// Says once what stands against a refill, or that nothing does any more.
    async fn tell(&self, asset: &Asset, trouble: Option<&str>) -> Result<(), SwapError> {
        if self.store.refill_trouble(asset.address).await?.as_deref() == trouble {
            return Ok(());
        }
        if let Some(why) = trouble {
            tracing::warn!(
                asset = asset.symbol,
                why,
                "swap: the asset cannot be bought now; its withdrawals wait"
            );
        }
        let detail = serde_json::json!({ "asset": asset.symbol, "reason": trouble });
        let mut unit = self.store.unit(Context::new("keeper/swap", "refill.told", detail)).await?;
        unit.tell_of_refill(asset.address, trouble).await?;
        Ok(unit.commit().await?)
    }

    /// The tokens of a swap in the pools' words. None while there is no splitter, and so no wrapped coin.
    pub(super) async fn tokens(
        &self,
        sell: &Asset,
        buy: &Asset,
        tip: Block,
    ) -> Result<Option<(Address, Address)>, SwapError> {
        if !sell.is_native() && !buy.is_native() {
            return Ok(Some((sell.address, buy.address)));
        }
        let wrapped = self.chain.wrapped_native(tip).await?;
        let token = |asset: &Asset| if asset.is_native() { wrapped } else { Some(asset.address) };
        Ok(token(sell).zip(token(buy)))
    }
}

/// The assets of which surplus may be sold; an error names those that the deployment does not have.
pub fn sources(config: &Config, assets: &Assets) -> Result<Vec<Asset>, ConfigError> {
    let (mut found, mut problems) = (Vec::new(), Vec::new());
    for symbol in &config.swap.sources {
        match assets.find(symbol) {
            Some(asset) => found.push(asset.clone()),
            None => problems.push(Problem {
                key: "swap.sources".to_owned(),
                value: Some(symbol.clone()),
                message: format!("the deployment has no such asset; it has {}", assets.symbols()),
            }),
        }
    }
    match problems.is_empty() {
        true => Ok(found),
        false => Err(ConfigError::Invalid { path: "the configuration".to_owned(), problems }),
    }
}
