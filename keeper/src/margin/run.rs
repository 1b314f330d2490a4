//! The loop: every block, every pool is brought up to date, valued and seen to. A pool that fails stops no other; the loop
//! stops nothing else.

use super::{
    duties,
    figures::{Alert, Figures, Shock},
    pools::{Pool, PoolError, configured},
};
use crate::{
    chain::{Block, Chain, margin::PoolOwes, signer::Signers},
    clock::now_ms,
    config::{Config, MarginConfig},
    deployment::Deployment,
    purse::{Purse, Task},
    step::{bounded, rest},
    store::{Store, leases::LINE, margin::PoolHeld},
};
use alloy::primitives::{Address, B256};
use std::{
    collections::{BTreeMap, btree_map::Entry},
    time::{Duration, Instant},
};

use tokio_util::sync::CancellationToken;

/// A round that takes longer waits for what never answers.
const ROUND: Duration = Duration::from_secs(120);
/// What failed is tried again after so long.
const AFTER_FAILURE: Duration = Duration::from_secs(1);
/// It is looked again what shocks would do after so long.
const STRESSED: Duration = Duration::from_secs(60);

/// What the loop works with. The connections are its own.
#[derive(Debug)]
pub struct Keeper {
    config: MarginConfig,
    deployment: Deployment,
    chain: Chain,
    store: Store,
    /// None: it only looks.
    purse: Option<Purse>,
    poll_interval: Duration,
}

impl Keeper {
    /// None when no pool is configured.
    pub fn new(config: &Config, deployment: &Deployment, store: Store) -> eyre::Result<Option<Self>> {
        if !config.margin.is_on() {
            return Ok(None);
        }
        let chain = Chain::connect(&config.chain, deployment.vault)?;
        let purse = config.margin_signer()?.map(|signer| {
            let account = signer.address();
            let signers = Signers::new([signer]);
            Purse::new("margin", store.clone(), chain.clone(), config.fees.clone(), signers, account)
        });
        Ok(Some(Self {
            config: config.margin.clone(),
            deployment: deployment.clone(),
            chain,
            store,
            purse,
            poll_interval: config.chain.poll_interval,
        }))
    }

    /// Until `stop`. What fails is logged and tried again; so is what panics.
    pub async fn run(self, stop: CancellationToken) {
        let mut pools = BTreeMap::new();
        let mut seen = None;
        while !stop.is_cancelled() {
            let pause = match bounded("margin", ROUND, self.round(&mut pools, &mut seen)).await {
                Some(Ok(())) => self.poll_interval,
                Some(Err(error)) => {
                    tracing::warn!(%error, "margin: tried again; withdrawals go on");
                    AFTER_FAILURE
                }
                None => {
                    // What was read of them may be half of a block.
                    pools.clear();
                    AFTER_FAILURE
                }
            };
            rest(pause, &stop).await;
        }
    }

    async fn round(
        &self,
        pools: &mut BTreeMap<Address, Watched>,
        seen: &mut Option<B256>,
    ) -> Result<(), PoolError> {
        // Two keepers would take the same nonces.
        if !self.store.tenure().is_some_and(|tenure| tenure.holds(LINE)) {
            pools.clear();
            return Ok(());
        }
        let tip = self.chain.tip().await?;
        let Some(last_final) = self.chain.final_block(tip).await? else { return Ok(()) };
        if let Some(purse) = &self.purse {
            purse.tend(tip, last_final).await?;
        }
        if *seen == Some(tip.hash) {
            return Ok(());
        }
        for address in configured(&self.config, &self.chain).await? {
            if let Err(error) = self.see_to(address, pools, tip, last_final).await {
                tracing::warn!(pool = %address, %error, "margin: this pool is tried again; the others go on");
                // What was read of it may be half of a block.
                pools.remove(&address);
            }
        }
        *seen = Some(tip.hash);
        Ok(())
    }

    async fn see_to(
        &self,
        address: Address,
        pools: &mut BTreeMap<Address, Watched>,
        tip: Block,
        last_final: Block,
    ) -> Result<(), PoolError> {
        let (chain, store) = (&self.chain, &self.store);
        let watched = match pools.entry(address) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                let known = store.margin_followed(address).await?;
                let (assets, deployed_at) = (&self.deployment.assets, self.deployment.block);
                let pool = Pool::open(chain, assets, address, known, deployed_at, tip).await?;
                tracing::info!(pool = %address, name = pool.name, "margin: watching");
                new.insert(Watched::new(pool))
            }
        };
        let changed = watched.pool.update(chain, tip).await?;
        watched.pool.settle(store, last_final, &changed).await?;
        if watched.booked != Some(last_final.hash) {
            let block = last_final.number;
            if let Some(PoolOwes { collateral, held }) = chain.margin_held(address, block).await? {
                store.book_pool(PoolHeld { pool: address, collateral, held, block }).await?;
            }
            watched.booked = Some(last_final.hash);
        }
        let mut figures = Figures::of(&watched.pool);
        figures.stress = watched.stress();
        for alert in watched.news(figures.alerts(&self.config)) {
            tracing::warn!(%alert, "margin");
        }
        let text = serde_json::to_string(&figures).unwrap_or_default();
        store.put_margin_figures(address, &text, now_ms()).await?;
        let Some(purse) = &self.purse else { return Ok(()) };
        for duty in duties::of(&watched.pool, chain, &self.config, purse.account).await? {
            let (key, calldata) = (duty.key(), duty.calldata());
            purse.perform(Task { target: address, key, calldata }).await?;
        }
        Ok(())
    }
}

/// A pool, and what was told of it.
#[derive(Debug)]
struct Watched {
    pool: Pool,
    told: Vec<Alert>,
    /// The final block whose holdings are in the books.
    booked: Option<B256>,
    /// What shocks would do, and when that was looked at.
    stressed: Option<(Instant, Vec<Shock>)>,
}

impl Watched {
    fn new(pool: Pool) -> Self {
        Self { pool, told: Vec::new(), booked: None, stressed: None }
    }

    /// What shocks would do, at most [`STRESSED`] ago: each of them values all books again.
    fn stress(&mut self) -> Vec<Shock> {
        match &self.stressed {
            Some((at, shocks)) if at.elapsed() < STRESSED => shocks.clone(),
            _ => {
                let shocks = tokio::task::block_in_place(|| Figures::stress(&self.pool));
                self.stressed.insert((Instant::now(), shocks)).1.clone()
            }
        }
    }

    /// What was not so at the last check; figures in it change with each block, and are not told again.
    fn news(&mut self, alerts: Vec<(Alert, String)>) -> Vec<String> {
        let before = std::mem::replace(&mut self.told, alerts.iter().map(|(alert, _)| *alert).collect());
        alerts.into_iter().filter(|(alert, _)| !before.contains(alert)).map(|(_, words)| words).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::margin::testing::pool;

    #[test]
    fn an_alert_is_told_when_it_begins_whatever_else_ends() {
        let mut watched = Watched::new(pool(0, 3_000, &[]));
        let (fund, account) =
            ((Alert::Insurance, "fund".to_owned()), (Alert::Concentration, "account".to_owned()));
        assert_eq!(watched.news(vec![fund.clone()]), ["fund"]);
        assert!(watched.news(vec![fund.clone()]).is_empty(), "it was told");
        assert_eq!(watched.news(vec![account.clone()]), ["account"], "one ends as another begins");
        assert_eq!(watched.news(vec![fund, account]), ["fund"], "it begins again");
        assert!(watched.news(Vec::new()).is_empty());
    }
}
