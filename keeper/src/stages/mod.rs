//! The path of a withdrawal, in order. A stage takes rows from the store, does one thing, and records it; what to do
//! is always read from the rows, so a stage that died halfway simply starts over.
//!
//! 1. [`intake`]: orders come in, once per idempotency key
//! 2. [`policy`]: released, or refused with a reason
//! 3. [`batch`]: gathered by asset
//! 4. [`price`]: the oracle guard is asked; a payout in kind needs no price
//! 5. [`fund`]: covered by the float, given its lane and numbers
//! 6. [`sign`]: signed and durable
//! 7. [`broadcast`]: sent, and sent again
//! 8. [`confirm`]: seen in a block, or not any more
//! 9. [`finalize`]: in a final block, and so in the books
//! 10. [`reconcile`]: chain and books compared
//! 11. [`notify`]: the operator's endpoints hear of it
//!
//! Above the instant tier, [`review`] asks approvers and [`announce`] tells the chain before a batch is funded. [`cold`] is
//! asked for what the float lacks. [`nonces`] keeps the lanes' nonces without gaps, [`deadline`] releases what was not paid
//! in time, [`void`] gives numbers up, and [`recovery`] says what a start found. [`fence`] stands before them when the store
//! may have gone back in time.

mod announce;
pub mod batch;
pub mod broadcast;
pub mod cold;
pub mod confirm;
pub mod deadline;
pub mod fence;
pub mod finalize;
pub mod fund;
pub mod intake;
mod log;
pub mod nonces;
pub mod notify;
pub mod policy;
pub mod price;
pub mod reconcile;
pub mod recovery;
pub mod review;
pub mod sign;
mod void;

use crate::{
    chain::{Block, Chain, ChainError, approvals::Approvers, signer::Signers},
    clock::now_ms,
    config::{BatchConfig, FeesConfig, PolicyConfig, ReviewConfig},
    domain::{
        asset::Assets,
        batch::{Batch, BatchKind, BatchState},
        fees::{FeeEstimate, FeeHistory, FeePolicy},
        tier::Tiers,
    },
    store::{
        Context, Store, StoreError, Unit,
        generation::GenerationFile,
        leases::{LINE, of_lane},
    },
};
use alloy::primitives::Address;
use price::guard::Guard;
use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// What the stages share.
#[derive(Debug)]
pub struct Line {
    pub store: Store,
    pub chain: Chain,
    pub assets: Assets,
    pub signers: Signers,
    pub generation: GenerationFile,
    pub policy: PolicyConfig,
    pub batch: BatchConfig,
    pub fees: FeesConfig,
    pub review: ReviewConfig,
    /// The lanes of this keeper that pay reviewed batches alone.
    pub reviewed: HashSet<Address>,
    /// Whether what the float lacks is bought where that can be.
    pub swaps: bool,
    pub rules: Rules,
    pub oracle: Guard,
    pub gas: GasModel,
    pub fee_gauge: FeeGauge,
    pub lead: Lead,
    /// The block of the deployment: no event of the vault is older.
    pub deployed_at: u64,
}

/// The stages that decide for all lanes.
const LED: [&str; 8] = ["deadline", "policy", "batch", "price", "fund", "cold", "finalize", "reconcile"];

/// Whether a step found something to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worked {
    Yes,
    Idle,
}

impl From<bool> for Worked {
    fn from(did: bool) -> Self {
        if did { Self::Yes } else { Self::Idle }
    }
}

/// Why a step could not be done now. All are tried again.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Chain(#[from] ChainError),
    #[error("signing for lane {lane}: {source}")]
    Sign { lane: Address, source: alloy::signers::Error },
}

impl StageError {
    /// Somebody else changed the rows first: no failure, the step reads them again.
    pub fn is_stale(&self) -> bool {
        matches!(self, Self::Store(e) if e.is_stale())
    }
}

impl Line {
    /// Opens a change by a stage. One of [`LED`] needs the line's lease.
    async fn unit(&self, stage: &str, action: &str, detail: serde_json::Value) -> Result<Unit, StoreError> {
        let mut unit = self.store.unit(Context::new(&format!("keeper/{stage}"), action, detail)).await?;
        if LED.contains(&stage) {
            unit.require_line().await?;
        }
        Ok(unit)
    }

    /// Whether this keeper does what is done in one place: see [`leases`](crate::store::leases).
    pub fn leads(&self) -> bool {
        self.store.tenure().is_some_and(|tenure| tenure.holds(LINE))
    }

    /// Whether this keeper works for a lane now.
    pub fn holds(&self, lane: Address) -> bool {
        self.store.tenure().is_some_and(|tenure| tenure.holds(&of_lane(lane)))
    }

    /// The lanes that this keeper works for now.
    pub fn held_lanes(&self) -> impl Iterator<Item = Address> {
        self.signers.lanes().filter(|lane| self.holds(*lane))
    }

    /// The lanes that some keeper works for now.
    pub async fn live_lanes(&self) -> Result<HashSet<Address>, StoreError> {
        let leases = self.store.leases().await?;
        Ok(leases.iter().filter(|l| l.holder.is_some()).filter_map(|l| l.name.parse().ok()).collect())
    }

    /// The batches in these states on lanes that this keeper works for, oldest first. Voids of lanes that nobody has the
    /// key of are the leader's.
    pub async fn held_batches(&self, states: &[BatchState]) -> Result<Vec<Batch>, StoreError> {
        let mut held = Vec::new();
        for batch in self.store.batches_in(states).await? {
            let Some(lane) = batch.content.as_ref().map(|content| content.lane) else { continue };
            if self.holds(lane)
                || batch.kind == BatchKind::Void && self.leads() && !self.is_key_here(lane).await?
            {
                held.push(batch);
            }
        }
        Ok(held)
    }

    /// Whether a running keeper has the key of a lane.
    async fn is_key_here(&self, lane: Address) -> Result<bool, StoreError> {
        if self.signers.lanes().any(|own| own == lane) {
            return Ok(true);
        }
        let name = of_lane(lane);
        Ok(self.store.peers().await?.iter().any(|p| p.live && p.running && p.lanes.contains(&name)))
    }

    /// What to offer for gas now. The chain is asked at most once in [`FEES_MS`].
    async fn fees_now(&self, policy: FeePolicy) -> Result<FeeEstimate, ChainError> {
        let mut known = self.fee_gauge.0.lock().await;
        let fresh = known.as_ref().filter(|(at, _)| now_ms() - at < FEES_MS);
        let history = match fresh {
            Some((_, history)) => history.clone(),
            None => {
                let history = self.chain.fee_history().await?;
                *known = Some((now_ms(), history.clone()));
                history
            }
        };
        Ok(history.estimate(policy, self.fees.max_fee_wei()))
    }

    /// Whether the past is not known yet: see [`fence`]. Nothing is judged, gathered or funded until it is, because it
    /// may be paid already.
    async fn fenced(&self) -> Result<bool, StoreError> {
        Ok(self.store.lanes().await?.iter().any(|lane| lane.fencing_since.is_some()))
    }
}

/// How long the chain's tiers and approvers are used before they are read again.
const RULES_MS: i64 = 5_000;

/// What the chain says of tiers and approvers, with when it was read in unix milliseconds. Only where to put a batch: the
/// vault decides.
#[derive(Debug, Default)]
pub struct Rules(tokio::sync::Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    tiers: HashMap<Address, (i64, Tiers)>,
    approvers: Option<(i64, Approvers)>,
}

impl Line {
    /// Which amounts of an asset are of which tier, at `tip` where one is given. While the chain does not answer, what it
    /// said last.
    async fn tiers(&self, asset: Address, tip: Option<Block>) -> Result<Tiers, ChainError> {
        let mut known = self.rules.0.lock().await;
        let before = known.tiers.get(&asset).copied();
        if let Some((_, tiers)) = before.filter(|(at, _)| now_ms() - at < RULES_MS) {
            return Ok(tiers);
        }
        let read = async {
            let tip = match tip {
                Some(tip) => tip,
                None => self.chain.tip().await?,
            };
            self.chain.tiers(asset, tip.number).await
        };
        match (read.await, before) {
            // A chain that does not answer is not asked again at once: each question takes its time.
            (Ok(tiers), _) | (Err(_), Some((_, tiers))) => {
                known.tiers.insert(asset, (now_ms(), tiers));
                Ok(tiers)
            }
            (Err(error), None) => Err(error),
        }
    }

    async fn forget_tiers(&self) {
        self.rules.0.lock().await.tiers.clear();
    }

    /// Who approves.
    async fn approvers(&self, tip: Block) -> Result<Approvers, ChainError> {
        let mut known = self.rules.0.lock().await;
        if let Some((_, approvers)) = known.approvers.as_ref().filter(|(at, _)| now_ms() - at < RULES_MS) {
            return Ok(approvers.clone());
        }
        let approvers = self.chain.approvers(tip.number).await?;
        known.approvers = Some((now_ms(), approvers.clone()));
        Ok(approvers)
    }
}

/// How long a fee history is used.
const FEES_MS: i64 = 1_000;

/// The last fee history, with when it was read in unix milliseconds.
#[derive(Debug, Default)]
pub struct FeeGauge(tokio::sync::Mutex<Option<(i64, FeeHistory)>>);

/// How long the way of a batch from planned to sent takes, as it was lately. So much before the end of its window a batch is
/// planned: the window says how long an order may wait until it is sent. A limit that all but outliers keep, of the mean and
/// four times the deviation, as TCP has it of round trips (RFC 6298).
#[derive(Debug, Default)]
pub struct Lead(Mutex<Option<Way>>);

/// In microseconds.
#[derive(Clone, Copy, Debug)]
struct Way {
    mean: i64,
    deviation: i64,
}

/// What took longer counts as so long: a keeper that was stopped on the way, a clock that was set.
const LONGEST_WAY_MS: i64 = 60_000;

impl Lead {
    /// In milliseconds, rounded up. Zero before the first batch.
    pub fn ms(&self) -> i64 {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.map_or(0, |way| (way.mean + 4 * way.deviation + 999) / 1_000)
    }

    /// A batch took so many milliseconds: less than none where the clock was set back.
    pub fn learn(&self, took: i64) {
        let took = took.clamp(0, LONGEST_WAY_MS) * 1_000;
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *known = Some(match *known {
            None => Way { mean: took, deviation: took / 2 },
            Some(Way { mean, deviation }) => Way {
                mean: mean + (took - mean) / 8,
                deviation: deviation + ((took - mean).abs() - deviation) / 4,
            },
        });
    }
}

/// How much gas a payout of an asset takes, learned from the estimates of its batches. Only a guess of how many fit
/// and of what a batch takes: its own simulation decides.
#[derive(Debug, Default)]
pub struct GasModel(Mutex<HashMap<Address, Learned>>);

#[derive(Clone, Copy, Debug)]
struct Learned {
    /// Gas of one payout, with its share of the batch.
    each: u64,
    /// The payouts of the batch that was estimated last.
    count: u64,
    at: Instant,
}

/// So long an estimate tells what batches take, of up to so many times its payouts.
const FRESH: Duration = Duration::from_secs(60);
const SCALE: u64 = 2;

/// Before anything is known: above a fresh recipient of a common token, and of ETH.
const FIRST_GUESS: u64 = 45_000;
/// What a batch costs beside its payouts, generously.
const BATCH_OVERHEAD: u64 = 200_000;
/// What any transaction costs.
const TRANSACTION_GAS: u64 = 21_000;

impl GasModel {
    /// How much gas a payout of `asset` takes.
    pub fn of_payout(&self, asset: Address) -> u64 {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&asset).map_or(FIRST_GUESS, |learned| learned.each)
    }

    /// How many payouts of `asset` fit into `gas`. At least one.
    pub fn payouts_in(&self, asset: Address, gas: u64) -> usize {
        let n = gas.saturating_sub(BATCH_OVERHEAD) / self.of_payout(asset).max(1);
        usize::try_from(n).unwrap_or(usize::MAX).max(1)
    }

    /// What a batch of `count` would be estimated at; none when the last estimate is old, or that of a batch far
    /// smaller.
    pub fn expected(&self, asset: Address, count: u64) -> Option<u64> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let learned = known.get(&asset).filter(|l| l.at.elapsed() < FRESH && count <= SCALE * l.count)?;
        Some(TRANSACTION_GAS + learned.each * count)
    }

    /// A batch of `count` was estimated at `gas`. Goes up at once and down slowly, so that guesses err on the safe
    /// side; a larger batch than the one before knows better, because the share of the batch itself is smaller.
    pub fn learn(&self, asset: Address, count: u64, gas: u64) {
        let seen = gas.saturating_sub(TRANSACTION_GAS) / count.max(1);
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let each = match known.get(&asset) {
            Some(before) if seen < before.each && count <= before.count => {
                before.each - (before.each - seen) / 8
            }
            _ => seen,
        };
        known.insert(asset, Learned { each, count, at: Instant::now() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lead_follows_what_batches_take() {
        let lead = Lead::default();
        assert_eq!(lead.ms(), 0, "nothing is known yet");
        lead.learn(40);
        assert_eq!(lead.ms(), 120, "one says little");
        (0..40).for_each(|_| lead.learn(40));
        assert_eq!(lead.ms(), 41);
        (0..80).for_each(|n| lead.learn(if n % 2 == 0 { 30 } else { 50 }));
        assert!((75..90).contains(&lead.ms()), "twice the spread above the largest is left: {}", lead.ms());
        lead.learn(3_000);
        (0..40).for_each(|_| lead.learn(40));
        assert!(lead.ms() < 60, "an outlier is forgotten: {}", lead.ms());
    }

    #[test]
    fn an_estimate_tells_of_batches_of_its_size() {
        let (gas, asset) = (GasModel::default(), Address::ZERO);
        assert_eq!(gas.expected(asset, 1), None, "nothing is known yet");
        gas.learn(asset, 1, 101_000);
        assert_eq!(gas.of_payout(asset), 80_000);
        assert_eq!(gas.expected(asset, 2), Some(181_000));
        assert_eq!(gas.expected(asset, 3), None, "the share of the batch itself is not known");
        gas.learn(asset, 100, 3_021_000);
        assert_eq!(gas.of_payout(asset), 30_000, "a larger batch knows better");
        gas.learn(asset, 100, 2_221_000);
        assert_eq!(gas.of_payout(asset), 29_000, "down slowly");
        gas.learn(asset, 10, 421_000);
        assert_eq!(gas.of_payout(asset), 40_000, "up at once");
    }
}
