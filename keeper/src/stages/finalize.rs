//! Finalize: what the chain's final blocks say goes into the books.
//!
//! The vault's events are the one source: the keeper's own settlements, those of a past that the store forgot,
//! deposits, requests and claims are all read from them, in order, block range by block range. A range and the
//! cursor behind it are one change, so the books are always exactly at a block; a range with much in it is cut, so that
//! no change holds the one writer for longer than a lease lasts.

mod orders;
mod requests;
#[cfg(test)]
mod tests;

use super::{Line, StageError, Worked};
use crate::{
    books::{
        audit::heads::FORGOTTEN,
        balances::Balances,
        difference::{Class, Difference, Side},
    },
    chain::{
        Block, ChainError, LaneOnChain, VaultLog,
        abi::IVault::IVaultEvents,
        calldata::{self, Settled},
    },
    domain::{
        amount::Amount,
        batch::{Batch, BatchKind, BatchState},
        lane::{Head, LanePosition},
        ledger::Sides,
        reason::Code,
        withdrawal::WithdrawalState,
    },
    store::{
        Unit,
        batches::Inclusion,
        swaps::{Bought, Sold},
    },
};
use alloy::primitives::{Address, B256, Bytes};
use std::collections::{HashMap, HashSet};

/// Brings the books up to `last_final`, one range of blocks per call. Idle when they are there.
pub async fn step(line: &Line, last_final: Block) -> Result<Worked, StageError> {
    let cursor = line.store.cursor().await?;
    let from = cursor.map_or(line.deployed_at, |c| c.number + 1);
    if from > last_final.number {
        return Ok(Worked::Idle);
    }
    if let Some(cursor) = cursor {
        let now = line.chain.block(cursor.number).await?;
        if now.hash != cursor.hash {
            return Err(
                ChainError::Forked { number: cursor.number, booked: cursor.hash, now: now.hash }.into()
            );
        }
    }
    let to = last_final.number.min(from + line.chain.max_log_range() - 1);
    let (logs, to) = shorten(line.chain.vault_logs(from, to).await?, to);
    let caught_up = to == last_final.number;
    let end = if caught_up { last_final } else { line.chain.block(to).await? };
    let range = Range::read(line, logs).await?;
    let lanes = if caught_up { read_lanes(line, last_final).await? } else { Vec::new() };

    let detail = serde_json::json!({ "from": from, "to": to, "events": range.logs.len() });
    let mut unit = line.unit("finalize", "blocks.final", detail).await?;
    range.apply(line, &mut unit).await?;
    for lane in &lanes {
        settle_lane(&mut unit, lane).await?;
    }
    unit.set_cursor(end.mark()).await?;
    crate::crash::point("final.applied");
    unit.commit().await?;
    crate::crash::point("final.recorded");
    Ok(Worked::Yes)
}

/// Whether the books are at `block`: not when the endpoint's last final block went back.
pub async fn is_at(line: &Line, block: Block) -> Result<bool, StageError> {
    Ok(line.store.cursor().await? == Some(block.mark()))
}

/// Money that came in without an event: a plain transfer to the vault tops up the float. To be called when the books
/// are at `block`; what is missing instead is for [`reconcile`](super::reconcile) to report.
/// Says what came.
pub async fn receive_float(
    line: &Line,
    balances: &mut Balances,
    block: Block,
) -> Result<Vec<Difference>, StageError> {
    let mut came = Vec::new();
    balances.catch_up(&line.store).await?;
    for asset in line.assets.iter() {
        let held = line.chain.vault_balance(asset.address, block.number).await?;
        let more = balances.beyond(asset.address, held);
        if more.is_zero() {
            continue;
        }
        let owed = line.chain.liabilities(asset.address, block.number).await?;
        if owed != balances.liabilities(asset.address) {
            tracing::error!(asset = %asset.symbol, amount = %asset.show(more), "the vault has more, and owes more or less than the books say: it is not taken for a gift");
            continue;
        }
        let detail =
            serde_json::json!({ "asset": asset.symbol, "amount": more.to_string(), "block": block.number });
        let mut unit = line.unit("finalize", "float.received", detail).await?;
        unit.post(asset.address, Sides::FLOAT_RECEIVED, more).await?;
        unit.commit().await?;
        tracing::info!(amount = %asset.show(more), block = block.number, "float received");
        let what = format!("{} came in by block {}, and is float now", asset.show(more), block.number);
        let subject = format!("asset {}", asset.symbol);
        came.push(Difference::new(Class::Donation, Side::Chain, subject, what).of(asset).healed());
    }
    balances.catch_up(&line.store).await?;
    Ok(came)
}

/// How many payouts and other events are taken at once, unless one block has more.
const AT_ONCE: u64 = 20_000;

/// Cuts the events of blocks up to `to` between two blocks, so that there are no more than [`AT_ONCE`]. Says the last
/// block that they are all of.
pub(super) fn shorten(mut logs: Vec<VaultLog>, to: u64) -> (Vec<VaultLog>, u64) {
    let weight = |log: &VaultLog| match &log.event {
        IVaultEvents::Settled(e) => Settled::from(e).count,
        IVaultEvents::RequestsSettled(e) => e.count,
        _ => 1,
    };
    let Some(first) = logs.first().map(|log| log.block) else { return (logs, to) };
    let mut sum = 0;
    let over = logs.iter().find(|log| {
        sum += weight(log);
        sum > AT_ONCE && log.block > first
    });
    let Some(next) = over.map(|log| log.block) else { return (logs, to) };
    logs.retain(|log| log.block < next);
    (logs, next - 1)
}

/// A settlement's transaction.
struct Settlement {
    /// None where the books know the batch: they know its payouts.
    calldata: Option<Bytes>,
    /// The head of its lane after it: the hash of its calldata.
    head: Head,
    gas_used: u64,
    /// In wei; none where no receipt was read.
    fee: Option<Amount>,
}

/// The events of a range of blocks, with what else must be asked of the chain before the change is opened.
struct Range {
    logs: Vec<VaultLog>,
    settlements: HashMap<B256, Settlement>,
}

impl Range {
    async fn read(line: &Line, logs: Vec<VaultLog>) -> Result<Self, StageError> {
        let mut settlements = HashMap::new();
        for log in &logs {
            let known = match &log.event {
                IVaultEvents::Settled(_) => line.store.settled_head(log.tx).await?,
                IVaultEvents::Voided(e) => Some(e.head),
                IVaultEvents::RequestsSettled(_) => None,
                IVaultEvents::Announced(_) => Some(Head::ZERO),
                _ => continue,
            };
            if settlements.contains_key(&log.tx) {
                continue;
            }
            let (calldata, head) = match known {
                Some(head) => (None, head),
                None => {
                    let calldata = line.chain.calldata(log.tx).await?;
                    let start = LanePosition { next: 0, head: Head::ZERO };
                    (Some(calldata.clone()), start.after(0, &calldata).head)
                }
            };
            let (gas_used, fee) = match line.store.gas_spent(log.tx).await? {
                Some((gas, fee)) => (gas, Some(fee)),
                None => line.chain.receipt(log.tx).await?.map_or((0, None), |r| (r.gas_used, r.fee)),
            };
            settlements.insert(log.tx, Settlement { calldata, head, gas_used, fee });
        }
        Ok(Self { logs, settlements })
    }

    /// What a settlement said.
    fn calldata(&self, tx: B256) -> Result<&Bytes, StageError> {
        let calldata = self.settlements.get(&tx).and_then(|s| s.calldata.as_ref());
        calldata.ok_or_else(|| ChainError::Missing(format!("calldata of transaction {tx}")).into())
    }

    /// A settlement of a past that these books lost carries a head of their audit that they do not know any more. The
    /// audit says so itself, so that whoever checks it knows why.
    fn forgotten(&self, unit: &mut Unit, tx: B256) -> Result<(), StageError> {
        if let Some(head) = calldata::audit_head(self.calldata(tx)?) {
            unit.list(FORGOTTEN, serde_json::json!(head));
        }
        Ok(())
    }

    async fn apply(&self, line: &Line, unit: &mut Unit) -> Result<(), StageError> {
        let mut requested = Vec::new();
        for log in &self.logs {
            if let IVaultEvents::Requested(event) = &log.event {
                requested.push(requests::read(&line.chain, event));
                continue;
            }
            requests::accept(unit, &std::mem::take(&mut requested)).await?;
            self.apply_one(unit, log).await?;
        }
        requests::accept(unit, &requested).await
    }

    async fn apply_one(&self, unit: &mut Unit, log: &VaultLog) -> Result<(), StageError> {
        match &log.event {
            IVaultEvents::Deposited(e) => unit.post(e.asset, Sides::DEPOSITED, Amount(e.amount)).await?,
            IVaultEvents::Swept(e) => {
                unit.post(e.asset, Sides::SWEPT, Amount(e.amount)).await?;
                unit.post(e.asset, Sides::RESERVED, Amount(e.amount)).await?;
            }
            IVaultEvents::Swapped(e) => {
                let (sold, bought) = (Sold(e.sell, Amount(e.spent)), Bought(e.buy, Amount(e.received)));
                unit.finish_swap(log.tx, sold, bought).await?;
            }
            IVaultEvents::Refilled(e) => {
                // As the vault counts it: a refill brings back what was swept first.
                let back = unit.at_cold(e.asset).await?.min(Amount(e.amount));
                unit.post(e.asset, Sides::REFILLED, back).await?;
                unit.post(e.asset, Sides::RESERVE_BACK, back).await?;
                unit.post(e.asset, Sides::FLOAT_RECEIVED, Amount(e.amount).saturating_sub(back)).await?;
            }
            IVaultEvents::Tripped(e) => {
                tracing::error!(asset = %e.asset, asked = %e.asked, left = %e.left, until = %e.until, by = %e.by,
                    "the breaker tripped: nothing was settled, and this pays nothing until then; governance can reset it");
            }
            IVaultEvents::Claimed(e) => unit.post(e.asset, Sides::CLAIMED, Amount(e.amount)).await?,
            IVaultEvents::RequestCancelled(e) => {
                let ended = [(e.id, WithdrawalState::Cancelled)];
                requests::end(unit, &ended, Some(Code::CancelledByOwner)).await?;
            }
            IVaultEvents::RequestForced(e) => {
                let outcome = outcome(self.failed(log.tx, Address::ZERO).contains(&e.id));
                requests::end(unit, &[(e.id, outcome)], Some(Code::ForcedByOwner)).await?;
            }
            IVaultEvents::RequestsSettled(_) => {
                requests::settled(self, unit, log).await?;
                match unit.batch_by_attempt(log.tx).await? {
                    Some(batch) => self.close(unit, &batch, log).await?,
                    None => self.forgotten(unit, log.tx)?,
                }
            }
            IVaultEvents::Settled(e) => {
                let batch = Settled::from(e);
                let after = self.position_after(log, batch);
                orders::settled(self, unit, log, batch, after.head).await?;
                lane_moved(unit, batch.lane, after).await?;
            }
            IVaultEvents::Voided(e) => {
                // Not by its head: a past that is lost can have sent the same void, and paid on. One of ours that this
                // makes impossible is dissolved with the lane's move.
                if let Some(batch) =
                    unit.batch_by_attempt(log.tx).await?.filter(|b| b.kind == BatchKind::Void)
                {
                    self.close(unit, &batch, log).await?;
                }
                lane_moved(unit, e.lane, LanePosition { next: e.first + e.count, head: e.head }).await?;
            }
            // Taken in batches before, or read together with the settlement that they belong to.
            IVaultEvents::Requested(_) | IVaultEvents::PayoutFailed(_) | IVaultEvents::RequestSkipped(_) => {}
            IVaultEvents::Announced(e) => orders::announced(self, unit, log, e).await?,
            IVaultEvents::AnnouncementVetoed(e) => unit.vetoed(e.id, e.by).await?,
            // Nobody's money moves with these.
            IVaultEvents::Paused(_)
            | IVaultEvents::Unpaused(_)
            | IVaultEvents::AssetPaused(_)
            | IVaultEvents::AssetUnpaused(_)
            | IVaultEvents::AssetConfigured(_)
            | IVaultEvents::LaneEnabled(_)
            | IVaultEvents::LaneDisabled(_)
            | IVaultEvents::LimitsSet(_)
            | IVaultEvents::UsdLimitSet(_)
            | IVaultEvents::OracleSet(_)
            | IVaultEvents::Poked(_)
            | IVaultEvents::ApprovalsSet(_)
            | IVaultEvents::ColdSet(_)
            | IVaultEvents::MarksSet(_)
            | IVaultEvents::SplitterSet(_)
            | IVaultEvents::SwapRulesSet(_) => {}
        }
        Ok(())
    }

    /// Where a settlement left its lane.
    fn position_after(&self, log: &VaultLog, settled: Settled) -> LanePosition {
        let head = self.settlements.get(&log.tx).map_or(Head::ZERO, |s| s.head);
        LanePosition { next: settled.first + settled.count, head }
    }

    /// The numbers of failed pushes in a transaction: of a lane's orders, or of requests (lane zero).
    fn failed(&self, tx: B256, lane: Address) -> HashSet<u64> {
        let failed = |log: &VaultLog| match &log.event {
            IVaultEvents::PayoutFailed(e) if log.tx == tx && e.lane == lane => Some(e.number),
            _ => None,
        };
        self.logs.iter().filter_map(failed).collect()
    }

    /// A batch of ours is settled in a final block.
    async fn close(&self, unit: &mut Unit, batch: &Batch, log: &VaultLog) -> Result<(), StageError> {
        if matches!(batch.state, BatchState::Final | BatchState::Dissolved) {
            return Ok(());
        }
        let (gas_used, fee) = self.settlements.get(&log.tx).map_or((0, None), |s| (s.gas_used, s.fee));
        unit.close_attempts(batch.row, log.tx, Inclusion { block: log.block, gas_used, fee }).await?;
        unit.move_batch(batch, BatchState::Final, None).await?;
        tracing::info!(batch = batch.row, tx = %log.tx, block = log.block, "batch in a final block");
        Ok(())
    }
}

/// What a payout became.
pub(super) fn outcome(failed: bool) -> WithdrawalState {
    if failed { WithdrawalState::Claimable } else { WithdrawalState::Paid }
}

/// A lane at the last final block.
struct FinalLane {
    address: Address,
    chain: LaneOnChain,
    /// The next nonce after all that the node knows of.
    pending_nonce: u64,
}

async fn read_lanes(line: &Line, last_final: Block) -> Result<Vec<FinalLane>, StageError> {
    let mut lanes = Vec::new();
    for lane in line.store.lanes().await? {
        lanes.push(FinalLane {
            chain: line.chain.lane(lane.address, last_final.number).await?,
            pending_nonce: line.chain.pending_nonce(lane.address).await?,
            address: lane.address,
        });
    }
    Ok(lanes)
}

/// An event moved `lane` to `at`. What holds numbers here and does not build on that never will be settled: only now
/// may its withdrawals get new numbers.
async fn lane_moved(unit: &mut Unit, lane: Address, at: LanePosition) -> Result<(), StageError> {
    let mut builds_on = at;
    for batch in unit.open_numbered(lane).await? {
        let Some(content) = &batch.content else { continue };
        let stands = match batch.kind {
            BatchKind::Orders => {
                content.first == builds_on.next
                    && calldata::position_before(&unit.calldata(batch.row).await?) == Some(builds_on)
            }
            // The fence sees to one that does not build on this.
            _ => content.first >= at.next,
        };
        if !stands {
            tracing::warn!(batch = batch.row, %lane, "its numbers went without it: dissolved");
            unit.dissolve_batch(&batch, Code::NumberVoided).await?;
        } else if batch.kind == BatchKind::Orders {
            builds_on = LanePosition { next: content.first + batch.count, head: content.head_after };
        }
    }
    if let Some(lane) = unit.lane(lane).await?
        && lane.position != builds_on
    {
        unit.move_lane_position(&lane, builds_on).await?;
    }
    Ok(())
}

/// Holds the events against a lane's final position, and ends its fence. A lane that is further than the events say
/// means that a node left some out: then nothing of the range is booked, because a batch without its event would look
/// as if it had not been paid.
async fn settle_lane(unit: &mut Unit, seen: &FinalLane) -> Result<(), StageError> {
    let FinalLane { address, chain, pending_nonce } = seen;
    let Some(lane) = unit.lane(*address).await? else { return Ok(()) };
    let mut open = unit.open_numbered(lane.address).await?;
    let first_open = open.iter().filter(|b| b.kind == BatchKind::Orders).find_map(|b| b.content.as_ref());
    let by_events = first_open.map_or(lane.position.next, |content| content.first);
    // 0: it was not enabled yet when it was taken in.
    if by_events > 0 && chain.position.next > by_events {
        let missing = format!(
            "event that took lane {} from number {by_events} to {}",
            lane.address, chain.position.next
        );
        return Err(ChainError::Missing(missing).into());
    }
    // Planned on the view of a node that lagged: the events that it waits for were booked before.
    let passed = |b: &Batch| {
        b.kind == BatchKind::Void && b.content.as_ref().is_some_and(|c| c.first < chain.position.next)
    };
    for void in open.extract_if(.., |b| passed(b)) {
        unit.dissolve_batch(&void, Code::NumberVoided).await?;
    }
    if open.is_empty() && lane.position != chain.position {
        unit.move_lane_position(&lane, chain.position).await?;
    }
    if let Some(since) = lane.fencing_since
        && unit.void_is_final(lane.address, since).await?
    {
        unit.end_fence(lane.address).await?;
        if *pending_nonce > lane.nonce {
            unit.move_lane_nonce(&lane, *pending_nonce).await?;
        }
        tracing::info!(lane = %lane.address, next = chain.position.next, "fence is final: the lane pays again");
    }
    Ok(())
}
