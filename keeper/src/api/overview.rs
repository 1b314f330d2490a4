//! What an operator sees at a glance: where withdrawals stand, which are stuck, and how what pays them does.

use super::{
    ApiState,
    problem::Problem,
    reader,
    view::{self, AssetView, FeeView, ReasonView},
    viewed::Viewer,
};
use crate::{
    books::audit::anchors,
    chain::{ChainError, EndpointHealth},
    clock::now_ms,
    domain::{
        batch::{Batch, BatchState},
        tier::Tier,
        withdrawal::{Withdrawal, WithdrawalState},
    },
    store::lanes::Lane,
};
use alloy::primitives::{Address, B256};
use axum::{Json, extract::State};
use futures::future::try_join_all;
use serde::Serialize;
use std::{
    collections::HashMap,
    time::{Duration, Instant},
};
use tokio::{sync::Mutex, time::timeout};
use utoipa::ToSchema;

/// Of the stuck ones, so many of the oldest are listed.
const STUCK: usize = 50;
const HOURS: i64 = 24;
/// What is asked of the chain beside the store may take so long: the rest is told without it.
const CHAIN: Duration = Duration::from_millis(500);
/// So long the store is not asked again, however many look.
const FRESH: Duration = Duration::from_secs(1);

/// The last overview.
#[derive(Debug, Default)]
pub struct Kept(Mutex<Option<(Instant, Overview)>>);

/// The line as it stands now.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Overview {
    at: String,
    /// Whether withdrawals are being paid.
    ready: bool,
    /// Why not; empty when ready.
    causes: Vec<String>,
    /// In the order of the line.
    stages: Vec<StageView>,
    /// Those that wait for nobody and are held, whose batch says why it waits, or that wait longer than nine of ten did: the oldest first, at
    /// most 50.
    stuck: Vec<StuckView>,
    lanes: Vec<LaneView>,
    endpoints: Vec<EndpointHealth>,
    fees: Vec<AssetFeeView>,
    /// What was settled in the last 24 hours, the oldest first; hours without any are left out.
    settled: Vec<SettledView>,
    books: BooksView,
}

/// How many withdrawals stand at a stage.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct StageView {
    /// `received`, `held`, `ready`, or the state of their batch.
    stage: &'static str,
    withdrawals: u64,
    /// When the oldest of them was received.
    since: Option<String>,
}

/// A withdrawal that does not go on as it should.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct StuckView {
    id: String,
    idempotency_key: String,
    stage: &'static str,
    reason: Option<ReasonView>,
    asset: AssetView,
    #[schema(value_type = String)]
    recipient: Address,
    /// Decimal, in whole tokens.
    amount: String,
    received_at: String,
}

/// A signing account that pays.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LaneView {
    #[schema(value_type = String)]
    address: Address,
    /// Whether the vault takes settlements from it; none when the chain does not answer.
    enabled: Option<bool>,
    /// Of its next transaction.
    nonce: u64,
    /// The sequence number of its next payout.
    next: u64,
    /// Since when it gives no numbers, because its past is not known yet.
    fenced_since: Option<String>,
    /// While it holds less than this for gas, in whole coins of the chain, it is set aside; none when it has enough.
    gas_needed: Option<String>,
    /// Open batches of it that are signed for or sent.
    in_flight: usize,
}

/// What a payout of an asset costs now.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AssetFeeView {
    asset: AssetView,
    fee: FeeView,
}

/// What batches of one asset settled, by the hour in which they were gathered.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SettledView {
    /// Its begin.
    hour: String,
    symbol: String,
    payouts: u64,
    /// Decimal, in whole tokens.
    amount: String,
}

/// How the books do.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct BooksView {
    /// The last final block in them.
    block: Option<u64>,
    /// The last comparison with the chain; none before the first.
    reconciliation: Option<ReconciliationView>,
    /// Payouts on chain of withdrawals that the books do not know.
    unmatched: u64,
    /// Assets that are not settled, because money left the vault for no reason that the books know.
    stopped: Vec<StoppedView>,
    audit: AuditView,
}

/// The audit chain, and how much of it the blockchain confirms.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AuditView {
    /// So many changes it has.
    changes: u64,
    /// The hash of the newest one.
    #[schema(value_type = String)]
    head: B256,
    /// The newest change whose hash is on chain: up to it nothing can be written anew unseen. None before the first settlement
    /// in a final block.
    anchored: Option<AnchoredView>,
    /// Changes after that one; the next settlement takes their hash on chain.
    unanchored: u64,
    /// Whether the last settlements carry hashes that the audit chain has; `spillway audit verify` checks all of both.
    ok: bool,
}

/// A change whose hash a settlement carries.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct AnchoredView {
    change: u64,
    /// Of the settlement.
    block: u64,
}

/// What a comparison of chain and books found.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ReconciliationView {
    block: u64,
    at: String,
    ok: bool,
    /// In words; `spillway reconcile` says more.
    differences: Vec<String>,
}

/// An asset that is not settled.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct StoppedView {
    symbol: String,
    since: String,
    reason: String,
}

/// Where withdrawals stand, which are stuck and why, and how lanes, endpoints, fees and books do.
#[utoipa::path(get, path = "/v1/overview", tag = "vault", responses((status = 200, body = Overview)))]
pub async fn read(State(state): State<ApiState>, viewer: Viewer) -> Result<Json<Overview>, Problem> {
    let mut kept = state.overview.0.lock().await;
    let overview = match kept.as_ref().filter(|(at, _)| at.elapsed() < FRESH) {
        Some((_, overview)) => overview.clone(),
        None => {
            let overview = overview(&state).await?;
            kept.insert((Instant::now(), overview)).1.clone()
        }
    };
    viewer.saw(overview.stuck.iter().map(|withdrawal| withdrawal.id.as_str()));
    Ok(Json(overview))
}

async fn overview(state: &ApiState) -> Result<Overview, Problem> {
    let readiness = state.readiness.borrow().clone();
    let batches = state.store.batches_in(&BatchState::OPEN).await?;
    Ok(Overview {
        at: view::time(now_ms()),
        ready: readiness.ready,
        causes: readiness.causes,
        stages: stages(state).await?,
        stuck: stuck(state, &batches).await?,
        lanes: lanes(state, &batches).await?,
        endpoints: readiness.endpoints,
        fees: fees(state).await?,
        settled: settled(state).await?,
        books: books(state).await?,
    })
}

async fn stages(state: &ApiState) -> Result<Vec<StageView>, Problem> {
    let waiting = state.store.waiting_counts().await?;
    let alone = waiting.into_iter().filter(|w| w.state != WithdrawalState::Batched);
    let mut stages: Vec<_> = alone
        .map(|of| StageView {
            stage: of.state.as_str(),
            withdrawals: of.withdrawals,
            since: of.since.map(view::time),
        })
        .collect();
    let standing = state.store.standing_in_batches().await?;
    stages.extend(BatchState::OPEN.into_iter().map(|at| {
        let here = standing.iter().find(|s| s.state == at);
        let since = here.and_then(|s| s.since).map(view::time);
        StageView { stage: at.as_str(), withdrawals: here.map_or(0, |s| s.withdrawals), since }
    }));
    Ok(stages)
}

async fn stuck(state: &ApiState, batches: &[Batch]) -> Result<Vec<StuckView>, Problem> {
    let mut found: Vec<(Withdrawal, Option<&Batch>)> = Vec::new();
    for at in [WithdrawalState::Held, WithdrawalState::Received, WithdrawalState::Ready] {
        found.extend(state.store.waiting(at, STUCK).await?.into_iter().map(|w| (w, None)));
    }
    // The oldest batches first: once there are enough, a younger one has none that are older.
    for batch in batches.iter().filter(|b| b.count > 0) {
        let rows = state.store.withdrawals_of(batch.row).await?;
        found.extend(rows.into_iter().take(STUCK).map(|w| (w, Some(batch))));
        if found.len() > 4 * STUCK {
            break;
        }
    }
    let mut longest = HashMap::new();
    for asset in state.deployment.assets.iter() {
        let p90 = state.reader.durations(asset.address, Tier::Instant).await?.for_age(-1).map(|(_, p90)| p90);
        longest.insert(asset.address, p90);
    }
    let now = now_ms();
    found.retain(|(withdrawal, batch)| {
        if reader::reason(withdrawal, *batch).is_some_and(|r| r.code.is_for_people()) {
            return false;
        }
        let says_why = batch.is_some_and(|b| b.reason.is_some());
        let p90 = longest.get(&withdrawal.asset).copied().flatten();
        let late = p90.is_some_and(|p90| now - withdrawal.received_at > p90);
        withdrawal.state == WithdrawalState::Held || says_why || late
    });
    found.sort_by_key(|(withdrawal, _)| (withdrawal.received_at, withdrawal.row));
    found.truncate(STUCK);
    Ok(found.into_iter().map(|(withdrawal, batch)| stuck_one(state, withdrawal, batch)).collect())
}

fn stuck_one(state: &ApiState, withdrawal: Withdrawal, batch: Option<&Batch>) -> StuckView {
    let asset = view::asset(&state.deployment.assets, withdrawal.asset);
    StuckView {
        reason: reader::reason(&withdrawal, batch),
        stage: batch.map_or(withdrawal.state.as_str(), |b| b.state.as_str()),
        id: withdrawal.id.to_string(),
        amount: asset.decimal(withdrawal.amount),
        asset,
        recipient: withdrawal.recipient,
        received_at: view::time(withdrawal.received_at),
        idempotency_key: withdrawal.idempotency_key,
    }
}

async fn lanes(state: &ApiState, batches: &[Batch]) -> Result<Vec<LaneView>, Problem> {
    let of =
        |lane: Address| batches.iter().filter(move |b| b.content.as_ref().is_some_and(|c| c.lane == lane));
    let lanes = state.store.lanes().await?;
    let enabled = timeout(CHAIN, enabled(state, &lanes)).await.ok().flatten().unwrap_or_default();
    Ok(lanes
        .into_iter()
        .map(|lane| LaneView {
            address: lane.address,
            enabled: enabled.get(&lane.address).copied(),
            nonce: lane.nonce,
            next: lane.position.next,
            fenced_since: lane.fencing_since.map(view::time),
            gas_needed: lane.gas_needed.map(|wei| wei.to_decimal(18)),
            in_flight: of(lane.address).count(),
        })
        .collect())
}

/// Which of the lanes the vault takes settlements from; none when the chain does not say.
async fn enabled(state: &ApiState, lanes: &[Lane]) -> Option<HashMap<Address, bool>> {
    let tip = state.chain.tip().await.ok()?.number;
    let ask = |lane: &Lane| {
        let lane = lane.address;
        async move { Ok::<_, ChainError>((lane, state.chain.lane(lane, tip).await?.enabled)) }
    };
    Some(try_join_all(lanes.iter().map(ask)).await.ok()?.into_iter().collect())
}

async fn fees(state: &ApiState) -> Result<Vec<AssetFeeView>, Problem> {
    let mut fees = Vec::new();
    for asset in state.deployment.assets.iter() {
        if let Some(kept) = state.store.estimate(asset.address).await? {
            fees.push(AssetFeeView { asset: asset.into(), fee: view::fee(&kept, None) });
        }
    }
    Ok(fees)
}

async fn settled(state: &ApiState) -> Result<Vec<SettledView>, Problem> {
    let assets = &state.deployment.assets;
    let settled = state.store.settled_by_hour(HOURS).await?.into_iter();
    Ok(settled
        .filter_map(|s| {
            let asset = assets.get(s.asset)?;
            Some(SettledView {
                hour: view::time(s.hour),
                symbol: asset.symbol.clone(),
                payouts: s.payouts,
                amount: s.amount.to_decimal(asset.decimals),
            })
        })
        .collect())
}

async fn books(state: &ApiState) -> Result<BooksView, Problem> {
    let verdict = state.store.last_verdict().await?;
    let symbol = |asset: Address| {
        state.deployment.assets.get(asset).map_or_else(|| asset.to_string(), |known| known.symbol.clone())
    };
    let stopped = state.store.asset_pauses().await?.into_iter();
    Ok(BooksView {
        block: state.store.cursor().await?.map(|mark| mark.number),
        reconciliation: verdict.map(|v| ReconciliationView {
            block: v.block,
            at: view::time(v.at),
            ok: v.ok,
            differences: v.differences.iter().map(ToString::to_string).collect(),
        }),
        unmatched: state.store.unmatched_payouts().await?,
        stopped: stopped
            .map(|pause| StoppedView {
                symbol: symbol(pause.asset),
                since: view::time(pause.since),
                reason: pause.reason,
            })
            .collect(),
        audit: audit(state).await?,
    })
}

async fn audit(state: &ApiState) -> Result<AuditView, Problem> {
    let last = anchors::last(&state.store).await?;
    let changes = state.store.newest_audit().await?;
    let number = |change: i64| u64::try_from(change).unwrap_or(0);
    Ok(AuditView {
        changes: number(changes),
        // Of that very change, whatever was added meanwhile.
        head: state.store.change_hash(changes).await?.unwrap_or_default(),
        anchored: last.newest.map(|(change, block)| AnchoredView { change: number(change), block }),
        unanchored: number(changes - last.newest.map_or(0, |(change, _)| change)),
        ok: last.ok,
    })
}
