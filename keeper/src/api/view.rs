//! A withdrawal as readers see it: in JSON, and in words.

use crate::{
    clock::now_ms,
    domain::{
        amount::Amount,
        asset::Assets,
        batch::BatchState,
        fees::FeeEstimate,
        reason::Code,
        withdrawal::{Door, Withdrawal, WithdrawalState},
    },
    store::{Store, StoreError, estimates::KeptEstimate, withdrawals::Move},
};
use alloy::primitives::{Address, B256};
use serde::Serialize;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// All that is known of a withdrawal.
#[derive(Clone, Debug, Serialize)]
pub struct WithdrawalView {
    pub id: String,
    pub idempotency_key: String,
    pub door: Door,
    pub state: WithdrawalState,
    /// How far its batch is, while it is `batched`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// Nothing follows.
    pub is_final: bool,
    /// Why it waits or ended so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<ReasonView>,
    pub asset: AssetView,
    pub recipient: Address,
    /// Decimal, in whole tokens.
    pub amount: String,
    /// The asset's smallest units.
    pub units: String,
    /// Where it was paid, from the first block that held it on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transaction: Option<TransactionView>,
    /// What the network takes for it, until it is final.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fee: Option<FeeView>,
    /// Past this it is released instead of paid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline: Option<String>,
    pub trace_id: String,
    pub received_at: String,
    /// From its receipt to its end, or to now.
    pub seconds: u64,
    /// Oldest first.
    pub history: Vec<MoveView>,
}

/// A code for machines, a sentence for people.
#[derive(Clone, Debug, Serialize)]
pub struct ReasonView {
    pub code: Code,
    pub message: &'static str,
}

/// What a payout is estimated to cost. The operator pays it, not the recipient.
#[derive(Clone, Debug, Serialize)]
pub struct FeeView {
    /// Gas of one payout, its share of the batch included.
    pub gas: u64,
    /// Wei per gas: what the next block takes.
    pub base_fee: String,
    /// Wei per gas: the most that is offered.
    pub max_fee: String,
    /// The most that it can cost, in whole coins of the chain.
    pub cost: String,
    pub policy: &'static str,
    pub estimated_at: String,
    /// Where the figures come from and, while it waits, what its batch waits for.
    pub reason: String,
}

/// What is paid.
#[derive(Clone, Debug, Serialize)]
pub struct AssetView {
    pub symbol: String,
    pub address: Address,
    #[serde(skip)]
    decimals: u8,
}

impl AssetView {
    /// An amount in whole tokens.
    pub fn decimal(&self, amount: Amount) -> String {
        amount.to_decimal(self.decimals)
    }
}

/// The transaction that paid.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct TransactionView {
    pub hash: B256,
    pub block: u64,
}

/// One step of its way.
#[derive(Clone, Debug, Serialize)]
pub struct MoveView {
    pub at: String,
    /// The batch that moved; none when the withdrawal itself did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch: Option<i64>,
    pub from: Option<String>,
    pub to: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The step in words.
    pub words: String,
}

/// Collects what the store knows of a withdrawal.
pub async fn load(
    store: &Store,
    assets: &Assets,
    withdrawal: Withdrawal,
) -> Result<WithdrawalView, StoreError> {
    let batch = match withdrawal.batch.filter(|_| withdrawal.state == WithdrawalState::Batched) {
        Some(batch) => store.batch(batch).await?,
        None => None,
    };
    let stage = batch.as_ref().map(|b| b.state.to_string());
    let fee = match store.estimate(withdrawal.asset).await? {
        Some(kept) if !withdrawal.state.is_terminal() => Some(fee(&kept, batch.and_then(|b| b.reason))),
        _ => None,
    };
    let history = store.history(&withdrawal).await?;
    let transaction = store.payout_of(&withdrawal).await?;
    let is_final = withdrawal.state.is_terminal();
    let ended = history.iter().rev().find(|m| m.batch.is_none()).filter(|_| is_final).map(|m| m.at);
    let elapsed = ended.unwrap_or_else(now_ms) - withdrawal.received_at;
    let asset = asset(assets, &withdrawal);
    Ok(WithdrawalView {
        id: withdrawal.id.to_string(),
        idempotency_key: withdrawal.idempotency_key,
        door: withdrawal.door,
        state: withdrawal.state,
        stage,
        is_final,
        reason: withdrawal.reason.map(|code| ReasonView { code, message: code.sentence() }),
        amount: asset.decimal(withdrawal.amount),
        asset,
        recipient: withdrawal.recipient,
        units: withdrawal.amount.to_string(),
        transaction: transaction.map(|(hash, block)| TransactionView { hash, block }),
        fee,
        deadline: withdrawal.deadline.map(time),
        trace_id: withdrawal.trace_id,
        received_at: time(withdrawal.received_at),
        seconds: u64::try_from(elapsed).unwrap_or(0) / 1_000,
        history: history.into_iter().map(MoveView::from).collect(),
    })
}

fn fee(kept: &KeptEstimate, waits_for: Option<String>) -> FeeView {
    let FeeEstimate { fees, base_fee, policy } = kept.estimate;
    let basis = format!("the {} tip of the last blocks over their base fee", policy.as_str());
    let waits_for = waits_for.map(|why| match Code::parse(&why) {
        Some(code) => code.sentence().to_owned(),
        None => format!("waits: {why}"),
    });
    FeeView {
        gas: kept.gas,
        base_fee: base_fee.to_string(),
        max_fee: fees.max_fee.to_string(),
        cost: fees.cost(kept.gas).to_decimal(18),
        policy: policy.as_str(),
        estimated_at: time(kept.at),
        reason: waits_for.map_or(basis.clone(), |why| format!("{basis}; {why}")),
    }
}

/// The asset by name; one that is no longer listed by its address, with units as its amounts.
pub fn asset(assets: &Assets, withdrawal: &Withdrawal) -> AssetView {
    let address = withdrawal.asset;
    assets.get(address).map_or_else(
        || AssetView { symbol: address.to_string(), address, decimals: 0 },
        |a| AssetView { symbol: a.symbol.clone(), address, decimals: a.decimals },
    )
}

/// RFC 3339 from unix milliseconds.
pub fn time(at: i64) -> String {
    let since: SystemTime = UNIX_EPOCH + Duration::from_millis(u64::try_from(at).unwrap_or(0));
    humantime::format_rfc3339_millis(since).to_string()
}

impl From<Move> for MoveView {
    fn from(step: Move) -> Self {
        let mut words = match (step.batch, step.from.as_deref()) {
            (Some(batch), _) => format!("batch {batch}: {}", batch_words(&step.to)),
            (None, from) => withdrawal_words(from, &step.to).to_owned(),
        };
        if let Some(reason) = step.reason.as_deref() {
            words = match Code::parse(reason) {
                Some(code) => format!("{words}. {}", code.sentence()),
                None => format!("{words}. {reason}"),
            };
        }
        Self {
            at: time(step.at),
            batch: step.batch,
            from: step.from,
            to: step.to,
            reason: step.reason,
            words,
        }
    }
}

fn withdrawal_words(from: Option<&str>, to: &str) -> &'static str {
    use WithdrawalState::*;
    match WithdrawalState::parse(to) {
        Some(Received) => "accepted and stored",
        Some(Held) => "put on hold",
        Some(Ready) if from == Some(Batched.as_str()) => "taken out of its batch, waits for another one",
        Some(Ready) => "released, waits for a batch",
        Some(Batched) => "put into a batch",
        Some(Paid) => "paid, final",
        Some(Claimable) => "could not be delivered, can be claimed",
        Some(Rejected) => "rejected",
        Some(Cancelled) => "taken back by its owner",
        None => "moved",
    }
}

fn batch_words(to: &str) -> &'static str {
    match BatchState::parse(to) {
        Some(BatchState::Planned) => "gathered",
        Some(BatchState::Priced) => "passed the price check",
        Some(BatchState::Funded) => "covered by the vault, numbers given",
        Some(BatchState::Signed) => "signed",
        Some(BatchState::Broadcast) => "sent to the chain",
        Some(BatchState::Mined) => "seen in a block",
        Some(BatchState::Final) => "in a final block",
        Some(BatchState::Dissolved) => "given up without a payment",
        None => "moved",
    }
}
