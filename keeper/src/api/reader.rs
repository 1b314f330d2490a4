//! Reads a withdrawal as its readers see it: with its reason, what comes next and when.

use super::view::{self, EstimateView, NextView, ReasonView, TransactionView, WithdrawalView};
use crate::{
    clock::now_ms,
    config::{BatchConfig, FeesConfig, PolicyConfig},
    domain::{
        asset::Assets,
        batch::{Batch, BatchState},
        forecast::{Durations, percentile},
        reason::{Code, Next},
        status_token::StatusSecret,
        tier::Tier,
        withdrawal::{Withdrawal, WithdrawalState},
    },
    explain,
    store::{Store, StoreError},
};
use alloy::primitives::Address;
use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::{Mutex, OnceCell};

/// So long it is not looked again how long withdrawals took.
const DURATIONS: Duration = Duration::from_secs(10);

/// How long the keeper is set to wait, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    pub window: i64,
    pub hold_timeout: i64,
    pub fee_hold: i64,
    pub bump_after: i64,
}

impl Terms {
    pub fn new(batch: &BatchConfig, policy: &PolicyConfig, fees: &FeesConfig) -> Self {
        Self {
            window: batch.window_ms(),
            hold_timeout: policy.hold_timeout_ms(),
            fee_hold: fees.hold_ms(),
            bump_after: fees.bump_after_ms(),
        }
    }
}

type Known = HashMap<(Address, Tier), (Instant, Arc<Durations>)>;
/// When it was read, and what half of the last batches took at most from block to final.
type ToFinal = (Instant, Option<i64>);

/// Reads withdrawals. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Reader {
    store: Store,
    assets: Assets,
    terms: Terms,
    durations: Arc<Mutex<Known>>,
    to_final: Arc<Mutex<Option<ToFinal>>>,
    secret: Arc<OnceCell<StatusSecret>>,
}

impl Reader {
    pub fn new(store: Store, assets: Assets, terms: Terms) -> Self {
        Self {
            store,
            assets,
            terms,
            durations: Arc::default(),
            to_final: Arc::default(),
            secret: Arc::default(),
        }
    }

    pub fn terms(&self) -> Terms {
        self.terms
    }

    /// What opens status pages.
    pub async fn status_secret(&self) -> Result<StatusSecret, StoreError> {
        self.secret.get_or_try_init(|| self.store.status_secret()).await.copied()
    }

    /// How long withdrawals of an asset and tier took lately.
    pub async fn durations(&self, asset: Address, tier: Tier) -> Result<Arc<Durations>, StoreError> {
        let mut known = self.durations.lock().await;
        let key = (asset, tier);
        if let Some((_, durations)) = known.get(&key).filter(|(at, _)| at.elapsed() < DURATIONS) {
            return Ok(durations.clone());
        }
        let durations = Arc::new(Durations::new(self.store.durations(asset, tier).await?));
        known.insert(key, (Instant::now(), durations.clone()));
        Ok(durations)
    }

    /// How many milliseconds half of the last batches took at most from their block until it was final.
    async fn to_final(&self) -> Result<Option<i64>, StoreError> {
        let mut known = self.to_final.lock().await;
        if let Some((_, half)) = known.filter(|(at, _)| at.elapsed() < DURATIONS) {
            return Ok(half);
        }
        let mut took = self.store.times_to_final().await?;
        took.sort_unstable();
        let half = percentile(&took, 50);
        *known = Some((Instant::now(), half));
        Ok(half)
    }

    /// When a withdrawal that was received at `received_at`, and that nothing lets pass before `from`, will be paid.
    pub async fn estimate(
        &self,
        asset: Address,
        tier: Tier,
        received_at: i64,
        from: Option<i64>,
    ) -> Result<Option<EstimateView>, StoreError> {
        let durations = self.durations(asset, tier).await?;
        Ok(durations.expected(now_ms(), received_at, from).map(|(p50, p90)| EstimateView {
            p50: view::time(p50),
            p90: view::time(p90),
            based_on: durations.count(),
        }))
    }

    /// Collects what the store knows of a withdrawal.
    pub async fn load(&self, withdrawal: Withdrawal) -> Result<WithdrawalView, StoreError> {
        let batch = match withdrawal.batch.filter(|_| withdrawal.state == WithdrawalState::Batched) {
            Some(batch) => self.store.batch(batch).await?,
            None => None,
        };
        let is_final = withdrawal.state.is_terminal();
        let waits_for = batch.as_ref().and_then(|b| b.reason.as_deref());
        let fee = match self.store.estimate(withdrawal.asset).await? {
            Some(kept) if !is_final => Some(view::fee(&kept, waits_for)),
            _ => None,
        };
        let next = self.next(&withdrawal, batch.as_ref()).await?;
        let from = next.filter(|(_, next)| next.is_earliest()).map(|(at, _)| at);
        let estimate = match is_final {
            true => None,
            false => {
                let tier = tier(&withdrawal, batch.as_ref());
                self.estimate(withdrawal.asset, tier, withdrawal.received_at, from).await?
            }
        };
        let history = self.store.history(&withdrawal).await?;
        let token = self.status_secret().await?.token(&withdrawal.id);
        let transaction = self.store.payout_of(&withdrawal).await?;
        let ended = history.iter().rev().find(|m| m.batch.is_none()).filter(|_| is_final).map(|m| m.at);
        let elapsed = ended.unwrap_or_else(now_ms) - withdrawal.received_at;
        let asset = view::asset(&self.assets, withdrawal.asset);
        Ok(WithdrawalView {
            reason: self.reason_of(&withdrawal, batch.as_ref()).await?,
            next: next.map(|(at, next)| NextView::new(at, next)),
            estimate,
            links: explain::links(&withdrawal, batch.as_ref(), &history),
            status_page: view::status_page(&token),
            id: withdrawal.id.to_string(),
            idempotency_key: withdrawal.idempotency_key,
            door: withdrawal.door,
            state: withdrawal.state,
            stage: batch.map(|b| b.state.to_string()),
            is_final,
            amount: asset.decimal(withdrawal.amount),
            asset,
            recipient: withdrawal.recipient,
            units: withdrawal.amount.to_string(),
            transaction: transaction.map(|(hash, block)| TransactionView { hash, block }),
            fee,
            deadline: withdrawal.deadline.map(view::time),
            trace_id: withdrawal.trace_id,
            received_at: view::time(withdrawal.received_at),
            seconds: u64::try_from(elapsed).unwrap_or(0) / 1_000,
            history: history.into_iter().map(Into::into).collect(),
        })
    }

    /// [`reason`], with what the person said who refused it.
    async fn reason_of(
        &self,
        withdrawal: &Withdrawal,
        batch: Option<&Batch>,
    ) -> Result<Option<ReasonView>, StoreError> {
        let mut reason = reason(withdrawal, batch);
        if let Some(said) = reason.as_mut().filter(|said| said.code.is_by_a_person()) {
            said.detail = self.store.objection(withdrawal.row).await?;
        }
        Ok(reason)
    }

    async fn next(
        &self,
        withdrawal: &Withdrawal,
        batch: Option<&Batch>,
    ) -> Result<Option<(i64, Next)>, StoreError> {
        let now = now_ms();
        let since = withdrawal.received_at;
        let (at, next) = match (withdrawal.state, batch) {
            (WithdrawalState::Received, _) => (now, Next::IsChecked),
            (WithdrawalState::Held, _) if withdrawal.reason == Some(Code::FeeAboveShare) => {
                (since + self.terms.fee_hold, Next::PaidOrReleased)
            }
            (WithdrawalState::Held, _) => (since + self.terms.hold_timeout, Next::IsRejected),
            (WithdrawalState::Ready, _) if withdrawal.reason == Some(Code::AwaitsAnnouncement) => {
                let of = self.store.announcements(std::slice::from_ref(withdrawal)).await?;
                match of.last() {
                    Some(last) => (view::from_seconds(last.payable_from), Next::Payable),
                    None => (now, Next::IsAnnounced),
                }
            }
            (WithdrawalState::Ready, _) => (since + self.terms.window, Next::BatchCloses),
            (WithdrawalState::Batched, Some(batch)) => match self.next_of(batch).await? {
                Some(next) => next,
                None => return Ok(None),
            },
            _ => return Ok(None),
        };
        Ok(Some((at.max(now), next)))
    }

    async fn next_of(&self, batch: &Batch) -> Result<Option<(i64, Next)>, StoreError> {
        // What the vault itself said: later than the next try, which would be refused again.
        if let Some(at) = batch.reason.as_deref().and_then(moment) {
            let next = match batch.reason.as_deref().and_then(Code::of_reason) {
                Some(Code::AwaitsReview) => Next::OfferedAgain,
                _ => Next::VaultLetsPass,
            };
            return Ok(Some((at * 1_000, next)));
        }
        if batch.retry_at > now_ms() {
            return Ok(Some((batch.retry_at, Next::TriedAgain)));
        }
        match batch.state {
            BatchState::Planned | BatchState::Priced | BatchState::Funded | BatchState::Signed => {
                Ok(Some((now_ms(), Next::IsSigned)))
            }
            BatchState::Broadcast => {
                let attempts = self.store.attempts(batch.row).await?;
                let newest = attempts.last().map(|a| a.signed_at + self.terms.bump_after);
                Ok(newest.map(|at| (at, Next::FeeRises)))
            }
            BatchState::Mined => {
                let half = self.to_final().await?;
                let mined = self.store.mined_at(batch.row).await?;
                Ok(mined.zip(half).map(|(at, took)| (at + took, Next::BecomesFinal)))
            }
            BatchState::Final | BatchState::Dissolved => Ok(None),
        }
    }
}

/// The tier in which it is paid, as far as it is known: what waits in none yet is taken for the first.
fn tier(withdrawal: &Withdrawal, batch: Option<&Batch>) -> Tier {
    match (batch, withdrawal.reason) {
        (Some(batch), _) => batch.tier,
        (None, Some(Code::AwaitsAnnouncement)) => Tier::Delayed,
        (None, _) => Tier::Instant,
    }
}

/// The moment in a reason that the vault gave: see [`Refusal`](crate::chain::refusal::Refusal).
fn moment(reason: &str) -> Option<i64> {
    let (before, _) = reason.split_once(" (unix seconds)")?;
    before.rsplit(' ').next()?.parse().ok()
}

/// Why it waits or ended so. What goes its usual way says where it is.
pub fn reason(withdrawal: &Withdrawal, batch: Option<&Batch>) -> Option<ReasonView> {
    if let Some(code) = withdrawal.reason {
        return Some(ReasonView::new(code, None));
    }
    if let Some(text) = batch.and_then(|b| b.reason.as_deref())
        && let Some(code) = Code::of_reason(text)
    {
        return Some(ReasonView::new(code, text.split_once(": ").map(|(_, detail)| detail.to_owned())));
    }
    let code = match (withdrawal.state, batch.map(|b| b.state)) {
        (WithdrawalState::Received, _) => Code::AwaitsPolicy,
        (WithdrawalState::Ready, _) => Code::AwaitsBatch,
        (WithdrawalState::Batched, Some(BatchState::Planned | BatchState::Priced) | None) => {
            Code::AwaitsFunding
        }
        (WithdrawalState::Batched, Some(BatchState::Funded | BatchState::Signed)) => Code::AwaitsSigning,
        (WithdrawalState::Batched, Some(BatchState::Broadcast)) => Code::AwaitsBlock,
        (WithdrawalState::Batched, Some(_)) => Code::AwaitsFinality,
        _ => return None,
    };
    Some(ReasonView::new(code, None))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::refusal::Refusal;

    #[test]
    fn the_vaults_refusals_name_their_code_and_their_moment() {
        let paused = Refusal::Paused { until: 1_700_000_000 }.to_string();
        assert_eq!((Code::of_reason(&paused), moment(&paused)), (Some(Code::Paused), Some(1_700_000_000)));
        let full = Refusal::AboveLimit { retry_at: Some(1_700_000_001) }.to_string();
        assert_eq!((Code::of_reason(&full), moment(&full)), (Some(Code::AboveLimit), Some(1_700_000_001)));
        let never = Refusal::AboveLimit { retry_at: None }.to_string();
        assert_eq!((Code::of_reason(&never), moment(&never)), (Some(Code::AboveLimit), None));
        for refusal in [Refusal::LaneDisabled, Refusal::TooMuchGas, Refusal::Other("odd: very".to_owned())] {
            assert!(Code::of_reason(&refusal.to_string()).is_some(), "{refusal}");
        }
    }
}
