//! A withdrawal as readers see it: in JSON, and in words.

pub use crate::clock::rfc3339 as time;
use crate::{
    domain::{
        amount::Amount,
        asset::{Asset, Assets},
        batch::BatchState,
        fees::FeeEstimate,
        reason::{Code, Language, Next},
        withdrawal::{Door, WithdrawalState},
    },
    explain::Link,
    store::{estimates::KeptEstimate, withdrawals::Move},
};
use alloy::primitives::{Address, B256};
use serde::Serialize;
use utoipa::ToSchema;

/// All that is known of a withdrawal.
#[derive(Clone, Debug, Serialize, ToSchema)]
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
    /// Why it waits or ended so; none once it is paid as usual.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<ReasonView>,
    /// What happens next and when, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<NextView>,
    /// When it will be paid, as others lately were; none when too few were, or none took so long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub estimate: Option<EstimateView>,
    pub asset: AssetView,
    #[schema(value_type = String)]
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
    /// The path of its status page, which shows it to whoever has it, without a key.
    pub status_page: String,
    pub received_at: String,
    /// From its receipt to its end, or to now.
    pub seconds: u64,
    /// The links of its way, from request to books.
    pub links: Vec<Link>,
    /// Oldest first.
    pub history: Vec<MoveView>,
}

/// A code for machines, a sentence for people in each language.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ReasonView {
    pub code: Code,
    pub message: &'static str,
    pub message_zh: &'static str,
    /// The cause with its numbers, where there is more to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl ReasonView {
    pub fn new(code: Code, detail: Option<String>) -> Self {
        let (message, message_zh) = (code.sentence(Language::En), code.sentence(Language::Zh));
        Self { code, message, message_zh, detail }
    }
}

/// What happens next.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct NextView {
    pub at: String,
    pub what: &'static str,
    pub what_zh: &'static str,
}

impl NextView {
    /// At unix milliseconds.
    pub fn new(at: i64, next: Next) -> Self {
        Self { at: time(at), what: next.words(Language::En), what_zh: next.words(Language::Zh) }
    }
}

/// When half, and when nine of ten, of such withdrawals were paid.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct EstimateView {
    pub p50: String,
    pub p90: String,
    /// So many withdrawals of the asset it is judged by.
    pub based_on: usize,
}

/// What a payout is estimated to cost. The operator pays it, not the recipient.
#[derive(Clone, Debug, Serialize, ToSchema)]
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
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AssetView {
    pub symbol: String,
    #[schema(value_type = String)]
    pub address: Address,
    #[serde(skip)]
    decimals: u8,
}

impl From<&Asset> for AssetView {
    fn from(asset: &Asset) -> Self {
        Self { symbol: asset.symbol.clone(), address: asset.address, decimals: asset.decimals }
    }
}

impl AssetView {
    /// An amount in whole tokens.
    pub fn decimal(&self, amount: Amount) -> String {
        amount.to_decimal(self.decimals)
    }
}

/// The transaction that paid.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct TransactionView {
    #[schema(value_type = String)]
    pub hash: B256,
    pub block: u64,
}

/// One step of its way.
#[derive(Clone, Debug, Serialize, ToSchema)]
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

/// What the network takes for it.
pub fn fee(kept: &KeptEstimate, waits_for: Option<&str>) -> FeeView {
    let FeeEstimate { fees, base_fee, policy } = kept.estimate;
    let basis = format!("the {} tip of the last blocks over their base fee", policy.as_str());
    FeeView {
        gas: kept.gas,
        base_fee: base_fee.to_string(),
        max_fee: fees.max_fee.to_string(),
        cost: fees.cost(kept.gas).to_decimal(18),
        policy: policy.as_str(),
        estimated_at: time(kept.at),
        reason: waits_for.map_or(basis.clone(), |why| format!("{basis}; {}", in_words(why))),
    }
}

/// A stored reason: a code alone is its sentence, anything else speaks for itself.
fn in_words(reason: &str) -> String {
    Code::parse(reason).map_or_else(|| reason.to_owned(), |code| code.sentence(Language::En).to_owned())
}

/// The asset by name; one that is no longer listed by its address, with units as its amounts.
pub fn asset(assets: &Assets, address: Address) -> AssetView {
    assets
        .get(address)
        .map_or_else(|| AssetView { symbol: address.to_string(), address, decimals: 0 }, AssetView::from)
}

/// Unix milliseconds of unix seconds.
pub fn from_seconds(at: u64) -> i64 {
    i64::try_from(at).unwrap_or(i64::MAX).saturating_mul(1_000)
}

/// The path of the status page of a token.
pub fn status_page(token: &str) -> String {
    format!("/w/{token}")
}

impl From<Move> for MoveView {
    fn from(step: Move) -> Self {
        let mut words = match (step.batch, step.from.as_deref()) {
            (Some(batch), _) => format!("batch {batch}: {}", batch_words(&step.to)),
            (None, from) => withdrawal_words(from, &step.to).to_owned(),
        };
        if let Some(reason) = step.reason.as_deref() {
            words = format!("{words}. {}", in_words(reason));
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
