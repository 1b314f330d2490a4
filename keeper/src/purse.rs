//! An account beside the lanes, such as the one for margin pools: what it signs is durable before it is sent, under
//! nonces of its own.
//!
//! A duty has one nonce at a time. Until that is used in a final block, the same bytes, or a replacement with the same
//! content at a higher fee, are sent again; a restart goes on with what is stored and decides nothing anew.

use crate::{
    chain::{
        Block, Chain, ChainError, Fees,
        refusal::SendError,
        signer::{Message, Signed, Signers},
    },
    clock::now_ms,
    config::FeesConfig,
    domain::fees::FeePolicy,
    store::{
        Context, Store, StoreError,
        duties::{SentState, SignedDuty},
    },
};
use alloy::primitives::{Address, Bytes};
use std::time::Duration;

/// A node may forget a transaction, or not have taken it: it is sent again after so long.
const SEND_AGAIN_MS: i64 = 10_000;
/// So many nonces may be on the way.
const MOST_OPEN: usize = 16;
/// A call may take more than was estimated a block before.
const fn with_reserve(gas: u64) -> u64 {
    gas + gas / 4 + 20_000
}

/// Why nothing was signed or sent. All is tried again.
#[derive(Debug, thiserror::Error)]
pub enum PurseError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Chain(#[from] ChainError),
    #[error("signing for the account: {0}")]
    Sign(#[from] alloy::signers::Error),
}

/// One call that the account is to make.
#[derive(Clone, Debug)]
pub struct Task {
    pub target: Address,
    /// What names it: it is signed once while it is open.
    pub key: String,
    pub calldata: Bytes,
}

/// The account, and what it signs through.
#[derive(Debug)]
pub struct Purse {
    /// Such as `margin`: in the log, in the audit and in the names of crash points.
    what: &'static str,
    pub store: Store,
    pub chain: Chain,
    pub fees: FeesConfig,
    signers: Signers,
    pub account: Address,
}

impl Purse {
    /// `signers` holds the key of `account`.
    pub fn new(
        what: &'static str,
        store: Store,
        chain: Chain,
        fees: FeesConfig,
        signers: Signers,
        account: Address,
    ) -> Self {
        Self { what, store, chain, fees, signers, account }
    }

    /// Signs, stores and sends a task, unless it is open already or the target refuses it. True when it was signed.
    pub async fn perform(&self, task: Task) -> Result<bool, PurseError> {
        let Task { target, key, calldata } = task;
        let open = self.store.open_duties(self.account).await?;
        if open.iter().any(|tx| tx.target == target && tx.duty == key) || open.len() >= MOST_OPEN {
            return Ok(false);
        }
        let gas = match self.chain.estimate_call(self.account, target, &calldata).await? {
            Ok(gas) => with_reserve(gas).min(crate::chain::TRANSACTION_GAS_CAP),
            Err(why) => {
                tracing::debug!(%target, duty = key, %why, "the target does not take it now");
                return Ok(false);
            }
        };
        let fees = self.fees_now(self.fees.policy).await?;
        let next = open.last().map_or(0, |tx| tx.nonce + 1);
        let nonce = self.chain.pending_nonce(self.account).await?.max(next);
        let tx = self.sign(target, key, calldata, gas, nonce, fees)?;
        self.store_signed(&tx, "signed").await?;
        crate::crash::point(&format!("{}.committed", self.what));
        tracing::info!(of = self.what, %target, duty = tx.duty, nonce, tx = %tx.hash, "duty signed");
        self.send(&tx).await?;
        crate::crash::point(&format!("{}.sent", self.what));
        Ok(true)
    }

    /// Sees to all that is open, as of the block `tip`: what a final block has is ended, the rest is sent again, and
    /// replaced when it is stuck.
    pub async fn tend(&self, tip: Block, last_final: Block) -> Result<(), PurseError> {
        let open = self.store.open_duties(self.account).await?;
        if open.is_empty() {
            return Ok(());
        }
        let mined = self.chain.nonce(self.account, tip.number).await?;
        let settled = self.chain.nonce(self.account, last_final.number).await?;
        for attempts in open.chunk_by(|a, b| a.nonce == b.nonce) {
            let nonce = attempts[0].nonce;
            if nonce < settled {
                self.end(attempts, last_final).await?;
            } else if nonce >= mined {
                self.press(attempts).await?;
            }
        }
        Ok(())
    }

    /// A final block has this nonce: which attempt was it?
    async fn end(&self, attempts: &[SignedDuty], last_final: Block) -> Result<(), PurseError> {
        let mut ends = Vec::with_capacity(attempts.len());
        for tx in attempts {
            let receipt = self.chain.receipt(tx.hash).await?.filter(|r| r.block <= last_final.number);
            ends.push((
                tx.hash,
                match receipt {
                    Some(receipt) if receipt.succeeded => SentState::Done,
                    Some(_) => SentState::Failed,
                    None => SentState::Dead,
                },
            ));
        }
        let (tx, state) = (&attempts[0], ends.iter().map(|(_, s)| *s).find(|s| *s != SentState::Dead));
        let state = state.unwrap_or(SentState::Dead);
        if state != SentState::Done {
            tracing::warn!(of = self.what, target = %tx.target, duty = tx.duty, nonce = tx.nonce, state = state.as_str(), "duty not done; looked at again");
        }
        let detail = serde_json::json!({ "target": tx.target, "duty": tx.duty, "nonce": tx.nonce, "state": state.as_str() });
        let mut unit = self.store.unit(self.context("ended", detail)).await?;
        for (hash, state) in ends {
            unit.end_duty(hash, state).await?;
        }
        Ok(unit.commit().await?)
    }

    /// Sends the newest attempt again when that is due, or a replacement.
    async fn press(&self, attempts: &[SignedDuty]) -> Result<(), PurseError> {
        let Some(newest) = attempts.last() else { return Ok(()) };
        let now = now_ms();
        if newest.state == SentState::Sent && now - newest.signed_at > self.fees.bump_after_ms() {
            return self.replace(newest).await;
        }
        if newest.state == SentState::Signed || now - newest.sent_at > SEND_AGAIN_MS {
            self.send(newest).await?;
        }
        Ok(())
    }

    /// Offers more for the same content. None above the ceiling: then it waits, and is sent again.
    async fn replace(&self, stuck: &SignedDuty) -> Result<(), PurseError> {
        let now = self.fees_now(FeePolicy::Urgent).await?;
        let Some(fees) = stuck.fees.replacement(now, self.fees.max_fee_wei()) else {
            if now_ms() - stuck.sent_at > SEND_AGAIN_MS {
                self.send(stuck).await?;
            }
            return Ok(());
        };
        let (duty, calldata) = (stuck.duty.clone(), stuck.calldata.clone());
        let tx = self.sign(stuck.target, duty, calldata, stuck.gas_limit, stuck.nonce, fees)?;
        self.store_signed(&tx, "replaced").await?;
        self.send(&tx).await
    }

    async fn fees_now(&self, policy: FeePolicy) -> Result<Fees, ChainError> {
        Ok(self.chain.fee_history().await?.estimate(policy, self.fees.max_fee_wei()).fees)
    }

    fn sign(
        &self,
        target: Address,
        duty: String,
        calldata: Bytes,
        gas_limit: u64,
        nonce: u64,
        fees: Fees,
    ) -> Result<SignedDuty, PurseError> {
        let message = Message {
            chain_id: self.chain.chain_id,
            to: target,
            nonce,
            gas_limit,
            fees,
            calldata: &calldata,
        };
        let signed = self.signers.sign(self.account, &message);
        let no_key = || alloy::signers::Error::other("its key is not here");
        let Signed { hash, raw } = signed.ok_or_else(no_key)??;
        let (sender, state, signed_at, sent_at) = (self.account, SentState::Signed, now_ms(), 0);
        Ok(SignedDuty {
            sender,
            nonce,
            target,
            duty,
            calldata,
            gas_limit,
            fees,
            hash,
            raw,
            state,
            signed_at,
            sent_at,
        })
    }

    async fn store_signed(&self, tx: &SignedDuty, action: &str) -> Result<(), PurseError> {
        let detail = serde_json::json!({ "target": tx.target, "duty": tx.duty });
        let mut unit = self.store.unit(self.context(action, detail)).await?;
        unit.add_duty(tx).await?;
        Ok(unit.commit().await?)
    }

    fn context(&self, action: &str, detail: serde_json::Value) -> Context {
        let (actor, action) = (format!("keeper/{}", self.what), format!("{}.{action}", self.what));
        Context::new(&actor, &action, detail)
    }

    /// Hands it to the nodes. What they refuse stays stored, and is sent again.
    async fn send(&self, tx: &SignedDuty) -> Result<(), PurseError> {
        let age = Duration::from_millis(u64::try_from(now_ms() - tx.signed_at).unwrap_or(0));
        match self.chain.send(&tx.raw, age).await {
            // In a block already: a final one will tell.
            Ok(()) | Err(SendError::NonceTooLow) => {}
            Err(error) => {
                tracing::warn!(account = %self.account, nonce = tx.nonce, tx = %tx.hash, %error, "transaction not sent; tried again");
            }
        }
        Ok(self.store.duty_sent(tx.hash, now_ms()).await?)
    }
}
