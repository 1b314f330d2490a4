//! Goes through the chain's final blocks and holds each payout against the records.
//!
//! What must be remembered from block to block is kept by batch and by asset, not by payout, so that the memory stays
//! what it is however long the chain becomes. It is JSON, so that an interrupted walk goes on where it was.

mod range;
mod records;

use super::{
    lanes::Stand,
    limits::{Limits, Way},
    outflows::Outflows,
};
use crate::{
    books::difference::{Class, Difference, Side},
    chain::{
        Chain, VaultLog,
        abi::IVault::{IVaultEvents, Requested},
        calldata::{self, Payout, Settled},
    },
    domain::{
        amount::Amount,
        asset::Assets,
        lane::{Head, LanePosition},
        tier::Tier,
        withdrawal::WithdrawalState,
    },
    stages::{
        StageError,
        finalize::{outcome, shorten},
    },
    store::compare::{BatchRecord, Moment, Record},
};
use alloy::primitives::{Address, U256};
use range::Range;
use records::{Known, Records};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What moved of one asset, by the vault's events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flow {
    pub deposited: U256,
    pub refilled: U256,
    pub swept: U256,
    /// By swaps, into and out of the float.
    #[serde(default)]
    pub bought: U256,
    #[serde(default)]
    pub sold: U256,
    pub claimed: U256,
    /// By orders and by requests; without what became claims.
    pub paid_orders: U256,
    pub paid_requests: U256,
    /// Orders whose push failed: the float owes them no more, the vault does.
    pub kept_orders: U256,
}

/// A run of a lane's numbers that the chain settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    pub count: u64,
    /// The batch here that it was; none when these books do not know it.
    pub batch: Option<i64>,
}

/// A walk under way.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Walk {
    pub payouts: u64,
    pub flows: BTreeMap<Address, Flow>,
    pub runs: BTreeMap<Address, BTreeMap<u64, Run>>,
    pub lanes: BTreeMap<Address, Stand>,
    /// Requests that the chain saw the end of.
    pub ended: BTreeSet<u64>,
    /// Unclaimed, by asset and recipient.
    pub claims: BTreeMap<Address, BTreeMap<Address, U256>>,
    /// Records that a difference is about already.
    pub odd: BTreeSet<i64>,
    /// Transfers out of the vault that nobody ordered, by asset, in their order: the subject of their difference, and
    /// how much left.
    pub unordered: BTreeMap<Address, Vec<(String, U256)>>,
    /// None when the walk did not begin with the vault: then nobody knows where its buckets were.
    pub limits: Option<Limits>,
    pub differences: Vec<Difference>,
    /// How records ended that are still open here, by the subject of their difference.
    pub late: BTreeMap<String, WithdrawalState>,
}

/// What the chain says that a record must say.
struct Said {
    asset: Address,
    recipient: Address,
    amount: Amount,
    state: WithdrawalState,
}

impl Walk {
    /// One that begins with the vault.
    pub fn whole() -> Self {
        Self { limits: Some(Limits::default()), ..Self::default() }
    }

    /// Reads the blocks from `from` on and compares, up to `to` or as far as is taken at once. Says the last one.
    pub async fn range(
        &mut self,
        chain: &Chain,
        assets: &Assets,
        moment: &mut Moment,
        from: u64,
        to: u64,
    ) -> Result<u64, StageError> {
        let (logs, to) = shorten(chain.vault_logs(from, to).await?, to);
        let range = Range::read(chain, moment, logs).await?;
        let mut outflows = Outflows::default();
        for log in &range.logs {
            self.take(&range, moment, &mut outflows, log).await?;
        }
        for asset in assets.iter().filter(|a| !a.is_native()) {
            let transfers = chain.transfers_from_vault(asset.address, from, to).await?;
            let found = outflows.compare(asset, &transfers);
            self.unordered.entry(asset.address).or_default().extend(found.unordered);
            self.differences.extend(found.differences);
        }
        Ok(to)
    }

    async fn take(
        &mut self,
        range: &Range,
        moment: &mut Moment,
        outflows: &mut Outflows,
        log: &VaultLog,
    ) -> Result<(), StageError> {
        match &log.event {
            IVaultEvents::Deposited(e) => add(&mut self.flow(e.asset).deposited, e.amount),
            IVaultEvents::Refilled(e) => add(&mut self.flow(e.asset).refilled, e.amount),
            IVaultEvents::Swept(e) => {
                add(&mut self.flow(e.asset).swept, e.amount);
                outflows.expect(e.asset, log.tx, e.cold, e.amount);
            }
            IVaultEvents::Swapped(e) => {
                add(&mut self.flow(e.sell).sold, e.spent);
                add(&mut self.flow(e.buy).bought, e.received);
                // One that cannot be read was no lane's own transaction: then only what it spent is explained.
                let amount = calldata::swap_amount(range.calldata(log.tx)?).unwrap_or(e.spent);
                outflows.lend(e.sell, log.tx, amount);
                self.swapped(log, e.sell, e.spent);
            }
            IVaultEvents::Claimed(e) => {
                add(&mut self.flow(e.asset).claimed, e.amount);
                outflows.expect(e.asset, log.tx, e.to, e.amount);
                let claim = self.claims.entry(e.asset).or_default().entry(e.recipient).or_default();
                *claim = claim.saturating_sub(e.amount);
            }
            IVaultEvents::PayoutFailed(e) => {
                add(self.claims.entry(e.asset).or_default().entry(e.recipient).or_default(), e.amount);
            }
            IVaultEvents::LaneEnabled(e) => {
                self.lanes.entry(e.lane).or_insert(Stand { next: e.next, head: Some(e.head) });
            }
            IVaultEvents::Voided(e) => {
                self.lanes.insert(e.lane, Stand { next: e.first + e.count, head: Some(e.head) });
            }
            IVaultEvents::Settled(e) => self.settled(range, moment, outflows, log, e.into()).await?,
            IVaultEvents::Requested(e) => self.requested(range, e),
            IVaultEvents::RequestCancelled(e) => {
                self.request_ended(range, e.id, WithdrawalState::Cancelled);
            }
            IVaultEvents::RequestForced(e) => {
                let failed = range.failed(log.tx, Address::ZERO);
                let outcome = outcome(failed.contains(&e.id));
                let recipient = range.requests.get(&e.id).map(|r| r.recipient);
                self.request_paid(outflows, log, e.asset, recipient, e.amount, outcome);
                self.let_out(log, e.asset, e.amount, Way::Forced);
                self.request_ended(range, e.id, outcome);
            }
            IVaultEvents::LimitsSet(e) => self.limits_set(e),
            IVaultEvents::SwapRulesSet(e) => self.swap_rules_set(e),
            IVaultEvents::UsdLimitSet(e) => self.usd_limit_set(e),
            IVaultEvents::Poked(e) => self.poked(log.tx, e),
            IVaultEvents::RequestsSettled(e) => {
                self.let_out(log, e.asset, e.total, Way::Other);
                let named = calldata::requests(range.calldata(log.tx)?).unwrap_or_default();
                let (failed, skipped) = (range.failed(log.tx, Address::ZERO), range.skipped(log.tx));
                for request in named.iter().filter(|r| !skipped.contains(&r.id)) {
                    let outcome = outcome(failed.contains(&request.id));
                    let recipient = Some(request.recipient);
                    self.request_paid(outflows, log, e.asset, recipient, request.amount, outcome);
                    self.request_ended(range, request.id, outcome);
                }
            }
            _ => {}
        }
        Ok(())
    }

    async fn settled(
        &mut self,
        range: &Range,
        moment: &mut Moment,
        outflows: &mut Outflows,
        log: &VaultLog,
        event: Settled,
    ) -> Result<(), StageError> {
        let bytes = range.calldata(log.tx)?;
        let payouts = calldata::payouts(bytes).unwrap_or_default();
        let mut after = Stand { next: event.first + event.count, head: None };
        let Some(asset) = payouts.first().map(|payout| payout.asset) else {
            self.lanes.insert(event.lane, after);
            // Whose bucket it took from is not known.
            self.limits = None;
            let what = "a settlement that cannot be read: no keeper sent it";
            self.say(Class::UnknownOutflow, Side::Chain, format!("transaction {}", log.tx), what);
            return Ok(());
        };
        let head = LanePosition { next: event.first, head: Head::ZERO }.after(0, bytes).head;
        let batch = moment.settled_batch(event.lane, event.first, head).await?;
        let run = Run { count: event.count, batch: batch.as_ref().map(|b| b.row) };
        self.runs.entry(event.lane).or_default().insert(event.first, run);
        after.head = Some(head);
        self.lanes.insert(event.lane, after);
        let total = payouts.iter().fold(U256::ZERO, |sum, payout| sum.saturating_add(payout.amount.0));
        let instant = calldata::tier(bytes) == Some(Tier::Instant);
        self.let_out(log, asset, total, if instant { Way::Instant } else { Way::Other });
        let failed = range.failed(log.tx, event.lane);
        let mut records = Records::load(moment, batch.as_ref(), event, &payouts).await?;
        let odd_before = self.differences.len();
        for (payout, number) in payouts.iter().zip(event.first..).filter(|(p, _)| !p.amount.is_zero()) {
            self.payouts += 1;
            let outcome = outcome(failed.contains(&number));
            let flow = self.flow(asset);
            if outcome == WithdrawalState::Paid {
                add(&mut flow.paid_orders, payout.amount.0);
                outflows.expect(asset, log.tx, payout.recipient, payout.amount.0);
            } else {
                add(&mut flow.kept_orders, payout.amount.0);
            }
            let said = Said { asset, recipient: payout.recipient, amount: payout.amount, state: outcome };
            match records.take(payout, number) {
                Known::Record(record) => self.hold(&record, &said),
                Known::Found => {}
                Known::FoundOtherwise(class, what) => {
                    self.say(class, Side::Records, place(event.lane, number), what);
                }
                Known::Nowhere => {
                    let what = format!(
                        "the chain paid {} of {} to {} in transaction {}, and no record has the reference {}",
                        payout.amount, asset, payout.recipient, log.tx, payout.reference
                    );
                    self.say(Class::MissingInDatabase, Side::Records, place(event.lane, number), what);
                }
            }
        }
        for record in records.left() {
            self.not_on_chain(&record);
        }
        if let Some(batch) = batch.filter(|_| self.differences.len() == odd_before) {
            self.hold_batch(&batch, event, head, asset, &payouts);
        }
        Ok(())
    }

    /// What a batch says of itself, where all its records are right.
    fn hold_batch(
        &mut self,
        batch: &BatchRecord,
        event: Settled,
        head: Head,
        asset: Address,
        payouts: &[Payout],
    ) {
        let total: Amount = payouts.iter().map(|p| p.amount).sum();
        let subject = format!("batch {}", batch.row);
        let differs = |chain: &dyn std::fmt::Display, here: &dyn std::fmt::Display| {
            format!("the chain has {chain}, the batch {here}")
        };
        let (class, what) = if batch.asset != asset {
            (Class::Asset, differs(&asset, &batch.asset))
        } else if batch.total != total {
            (Class::Amount, differs(&total, &batch.total))
        } else if batch.count != event.count {
            (Class::Amount, differs(&event.count, &batch.count))
        } else if batch.first != event.first {
            (Class::State, differs(&event.first, &batch.first))
        } else if batch.head_after != head {
            (Class::State, differs(&head, &batch.head_after))
        } else if batch.state != "final" {
            (Class::Late, differs(&"it as settled", &batch.state))
        } else {
            return;
        };
        self.say(class, Side::Records, subject, what);
    }

    fn requested(&mut self, range: &Range, event: &Requested) {
        let Some(record) = range.requests.get(&event.id) else {
            let what =
                format!("the chain has it: {} of {} to {}", event.amount, event.asset, event.recipient);
            self.say(Class::MissingInDatabase, Side::Records, format!("request {}", event.id), what);
            return;
        };
        let said = Said {
            asset: event.asset,
            recipient: event.recipient,
            amount: Amount(event.amount),
            state: record.state,
        };
        self.hold(record, &said);
    }

    fn request_paid(
        &mut self,
        outflows: &mut Outflows,
        log: &VaultLog,
        asset: Address,
        recipient: Option<Address>,
        amount: U256,
        outcome: WithdrawalState,
    ) {
        self.payouts += 1;
        if outcome == WithdrawalState::Paid {
            add(&mut self.flow(asset).paid_requests, amount);
            if let Some(recipient) = recipient {
                outflows.expect(asset, log.tx, recipient, amount);
            }
        }
    }

    fn request_ended(&mut self, range: &Range, id: u64, state: WithdrawalState) {
        self.ended.insert(id);
        if let Some(record) = range.requests.get(&id) {
            let said =
                Said { asset: record.asset, recipient: record.recipient, amount: record.amount, state };
            self.hold(record, &said);
        }
    }

    /// Holds a record against what the chain says of it. One difference is enough: it names the record.
    fn hold(&mut self, record: &Record, said: &Said) {
        if self.odd.contains(&record.row) {
            return;
        }
        let (class, what) = if record.asset != said.asset {
            (Class::Asset, format!("the chain has {}, the record {}", said.asset, record.asset))
        } else if record.recipient != said.recipient {
            (Class::Recipient, format!("the chain has {}, the record {}", said.recipient, record.recipient))
        } else if record.amount != said.amount {
            (Class::Amount, format!("the chain has {}, the record {}", said.amount, record.amount))
        } else if record.state == said.state {
            return;
        } else {
            let class = if record.state.is_terminal() { Class::State } else { Class::Late };
            (class, format!("the chain has it {}, the record {}", said.state, record.state))
        };
        self.odd.insert(record.row);
        let subject = format!("withdrawal {}", record.id);
        if class == Class::Late {
            self.late.insert(subject.clone(), said.state);
        }
        self.say(class, Side::Records, subject, what);
    }

    /// The database says that a record was paid, and the chain does not.
    pub(super) fn not_on_chain(&mut self, record: &Record) {
        if !self.odd.insert(record.row) {
            return;
        }
        let what = format!(
            "the record is {}, no settlement pays {} to {}",
            record.state, record.amount, record.recipient
        );
        self.say(Class::MissingOnChain, Side::Records, format!("withdrawal {}", record.id), what);
    }

    pub(super) fn say(&mut self, class: Class, side: Side, subject: String, what: impl Into<String>) {
        self.differences.push(Difference::new(class, side, subject, what));
    }

    fn flow(&mut self, asset: Address) -> &mut Flow {
        self.flows.entry(asset).or_default()
    }
}

fn place(lane: Address, number: u64) -> String {
    format!("payout {lane}/{number}")
}

/// Amounts that one vault held fit 256 bits together; a lying node's need not.
fn add(sum: &mut U256, amount: U256) {
    *sum = sum.saturating_add(amount);
}
