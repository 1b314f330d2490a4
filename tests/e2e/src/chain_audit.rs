//! What the chain says was paid: from the vault's events, the calldata of its settlements and token balances. The
//! keeper and its store are not asked.

use crate::world::{TestToken, World};
use alloy::{
    consensus::Transaction,
    primitives::{Address, B256, U256},
    providers::Provider,
    rpc::types::Filter,
    sol_types::{SolCall, SolEvent, SolEventInterface},
};
use eyre::{OptionExt, ensure};
use serde_json::json;
use spillway::{
    chain::{
        abi::IVault::{self, IVaultEvents},
        calldata,
    },
    domain::{
        asset::NATIVE,
        withdrawal::{Reference, WithdrawalId},
    },
};
use std::collections::{BTreeMap, HashMap};

/// The chain is none: what was seen of it proves nothing of who worked on it. anvil, made to go back while it makes a
/// block, has kept blocks whose state it had taken back, and has stopped making blocks.
#[derive(Debug)]
pub struct BrokenChain(pub String);

impl std::fmt::Display for BrokenChain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the chain itself is broken: {}", self.0)
    }
}

impl std::error::Error for BrokenChain {}

/// Whether each lane is, in the state of the newest block, where the events up to that block lead: they are of the same
/// transactions.
///
/// # Errors
/// [`BrokenChain`] where it is not.
pub async fn state_is_of_events(world: &World) -> eyre::Result<()> {
    let provider = world.provider();
    let newest = provider.get_block_number().await?;
    let filter = Filter::new().address(world.vault()).from_block(world.deployment.block).to_block(newest);
    let mut lanes: BTreeMap<Address, u64> = BTreeMap::new();
    for log in provider.get_logs(&filter).await? {
        let Ok(event) = IVaultEvents::decode_log(&log.inner) else { continue };
        let (lane, next) = match event.data {
            IVaultEvents::LaneEnabled(e) => (e.lane, e.next),
            IVaultEvents::Voided(e) => (e.lane, e.first + e.count),
            IVaultEvents::Settled(e) => {
                let batch = calldata::Settled::from(&e);
                (batch.lane, batch.first + batch.count)
            }
            _ => continue,
        };
        let known = lanes.entry(lane).or_default();
        *known = next.max(*known);
    }
    for (lane, next) in lanes {
        let vault = IVault::new(world.vault(), provider);
        let state = vault.laneOf(lane).block(newest.into()).call().await?.next;
        if state != next {
            let what = format!("in block {newest} lane {lane} is at {state}, its events lead to {next}");
            return Err(BrokenChain(what).into());
        }
    }
    Ok(())
}

/// What a client asked to be paid.
#[derive(Clone, Debug)]
pub struct Expected {
    pub key: String,
    pub asset: Address,
    pub recipient: Address,
    pub amount: U256,
}

/// One payout on chain.
#[derive(Clone, Debug)]
pub struct OnChain {
    pub asset: Address,
    pub recipient: Address,
    pub amount: U256,
    /// The push failed: the vault keeps it for the recipient.
    pub claim: bool,
    /// The settlement.
    pub tx: B256,
}

/// Everything that the vault ever settled.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// Orders, by reference: more than one is a double payment.
    pub orders: HashMap<Reference, Vec<OnChain>>,
    /// Requests, by number.
    pub requests: BTreeMap<u64, Vec<OnChain>>,
    pub batches: u64,
    /// Gas of all settlements.
    pub gas: u64,
    /// Numbers that were given up.
    pub voids: u64,
}

/// The outcome for a list of expected orders.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    pub paid: u64,
    pub claims: u64,
    pub missing: Vec<String>,
    pub paid_twice: Vec<String>,
    /// Paid, but not what was asked for.
    pub wrong: Vec<String>,
}

impl Ledger {
    /// Reads the chain.
    pub async fn read(world: &World) -> eyre::Result<Self> {
        let provider = world.provider();
        let filter = Filter::new().address(world.vault()).from_block(world.deployment.block);
        let mut by_tx: BTreeMap<(u64, B256), Vec<IVaultEvents>> = BTreeMap::new();
        for log in provider.get_logs(&filter).await? {
            let tx = log.transaction_hash.ok_or_eyre("a log without a transaction")?;
            if let Ok(event) = IVaultEvents::decode_log(&log.inner) {
                by_tx.entry((log.block_number.unwrap_or_default(), tx)).or_default().push(event.data);
            }
        }
        let mut ledger = Self::default();
        let mut blocks = HashMap::new();
        for ((block, tx), events) in by_tx {
            if let Some(before) = blocks.insert(tx, block) {
                return Err(BrokenChain(format!("{tx} is in block {before} and in block {block}")).into());
            }
            ledger.add(provider, tx, &events).await?;
        }
        Ok(ledger)
    }

    async fn add(&mut self, provider: &impl Provider, tx: B256, events: &[IVaultEvents]) -> eyre::Result<()> {
        let failed: Vec<(Address, u64)> = events
            .iter()
            .filter_map(|e| match e {
                IVaultEvents::PayoutFailed(e) => Some((e.lane, e.number)),
                _ => None,
            })
            .collect();
        let skipped: Vec<u64> = events
            .iter()
            .filter_map(|e| match e {
                IVaultEvents::RequestSkipped(e) => Some(e.id),
                _ => None,
            })
            .collect();
        for event in events {
            match event {
                IVaultEvents::Voided(e) => self.voids += e.count,
                IVaultEvents::Settled(e) => {
                    let batch = calldata::Settled::from(e);
                    let input = self.settlement(provider, tx).await?;
                    let payouts = calldata::payouts(&input).ok_or_eyre("not the calldata of a settlement")?;
                    ensure!(payouts.len() as u64 == batch.count, "not as many payouts as the event says");
                    for (payout, number) in payouts.into_iter().zip(batch.first..) {
                        let on_chain = OnChain {
                            asset: payout.asset,
                            recipient: payout.recipient,
                            amount: payout.amount.0,
                            claim: failed.contains(&(batch.lane, number)),
                            tx,
                        };
                        self.orders.entry(payout.reference).or_default().push(on_chain);
                    }
                }
                IVaultEvents::RequestsSettled(e) => {
                    let input = self.settlement(provider, tx).await?;
                    let call = IVault::settleRequestsCall::abi_decode(&input)?;
                    for request in call.requests.iter().filter(|r| !skipped.contains(&r.id)) {
                        let payout = OnChain {
                            asset: e.asset,
                            recipient: request.recipient,
                            amount: request.amount,
                            claim: failed.contains(&(Address::ZERO, request.id)),
                            tx,
                        };
                        self.requests.entry(request.id).or_default().push(payout);
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    async fn settlement(
        &mut self,
        provider: &impl Provider,
        tx: B256,
    ) -> eyre::Result<alloy::primitives::Bytes> {
        let found =
            provider.get_transaction_by_hash(tx).await?.ok_or_eyre("a settlement without transaction")?;
        let receipt =
            provider.get_transaction_receipt(tx).await?.ok_or_eyre("a settlement without receipt")?;
        self.batches += 1;
        self.gas += receipt.gas_used;
        Ok(found.input().clone())
    }

    /// Compares with what was asked.
    pub fn compare(&self, expected: &[Expected]) -> Outcome {
        let mut outcome = Outcome::default();
        for order in expected {
            let reference = WithdrawalId::from_key(&order.key).reference();
            let found = self.orders.get(&reference).map(Vec::as_slice).unwrap_or_default();
            match found {
                [] => outcome.missing.push(order.key.clone()),
                [one] => {
                    let same = one.asset == order.asset
                        && one.recipient == order.recipient
                        && one.amount == order.amount;
                    if !same {
                        outcome.wrong.push(order.key.clone());
                    } else if one.claim {
                        outcome.claims += 1;
                    } else {
                        outcome.paid += 1;
                    }
                }
                _ => outcome.paid_twice.push(order.key.clone()),
            }
        }
        outcome
    }

    /// Compares requests, each of which had a recipient of its own, with what was asked.
    pub fn compare_requests(&self, expected: &[Expected]) -> Outcome {
        let mut outcome = Outcome::default();
        for request in expected {
            let to = |p: &&OnChain| p.recipient == request.recipient && p.asset == request.asset;
            let found: Vec<_> = self.requests.values().flatten().filter(to).collect();
            match found[..] {
                [] => outcome.missing.push(request.key.clone()),
                [one] if one.amount != request.amount => outcome.wrong.push(request.key.clone()),
                [one] if one.claim => outcome.claims += 1,
                [_] => outcome.paid += 1,
                _ => outcome.paid_twice.push(request.key.clone()),
            }
        }
        outcome
    }
}

/// What recipients hold, and may claim from the vault, against what they were owed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holdings {
    /// Recipients with less.
    pub short: u64,
    /// Recipients with more.
    pub over: u64,
}

impl Ledger {
    /// Asks each token, and the vault, about each recipient. They held nothing before.
    pub async fn holdings(&self, world: &World, expected: &[Expected]) -> eyre::Result<Holdings> {
        let mut owed: HashMap<(Address, Address), U256> = HashMap::new();
        for one in expected {
            *owed.entry((one.asset, one.recipient)).or_default() += one.amount;
        }
        let vault = IVault::new(world.vault(), world.provider());
        let mut holdings = Holdings::default();
        for ((asset, recipient), owed) in owed {
            let claim = vault.claimOf(asset, recipient).call().await?;
            let has = world.balance(asset, recipient).await? + claim;
            if has < owed && claim.is_zero() {
                let payouts = self.orders.values().chain(self.requests.values()).flatten();
                let payouts = payouts.filter(|p| p.asset == asset && p.recipient == recipient);
                for payout in payouts.cloned().collect::<Vec<_>>() {
                    payout.check_that_it_arrived(world).await?;
                }
            }
            holdings.short += u64::from(has < owed);
            holdings.over += u64::from(has > owed);
        }
        Ok(holdings)
    }
}

impl OnChain {
    /// Whether the node contradicts itself: by its own record of the execution the recipient was sent the money, and by
    /// its own state of the same block the recipient does not have it. Nobody has a recipient's key, so nothing else
    /// explains that.
    async fn check_that_it_arrived(&self, world: &World) -> eyre::Result<()> {
        let provider = world.provider();
        let receipt =
            provider.get_transaction_receipt(self.tx).await?.ok_or_eyre("a payout without receipt")?;
        let block = receipt.block_number.ok_or_eyre("a receipt without block")?;
        let sent = if self.asset == NATIVE {
            let trace: serde_json::Value = provider
                .raw_request("debug_traceTransaction".into(), (self.tx, json!({ "tracer": "callTracer" })))
                .await?;
            sends(&trace, self.recipient, self.amount)
        } else {
            let transfers = receipt.inner.logs().iter().filter(|log| log.address() == self.asset);
            let transfers = transfers.filter_map(|log| TestToken::Transfer::decode_log(&log.inner).ok());
            transfers.into_iter().any(|t| t.to == self.recipient && t.value == self.amount)
        };
        let held = world.balance_at(self.asset, self.recipient, block).await?;
        if sent && held < self.amount {
            let Self { recipient, amount, tx, .. } = self;
            return Err(BrokenChain(format!(
                "block {block} has {tx}, which sent {amount} to {recipient}, who has {held} in the state of that block"
            ))
            .into());
        }
        Ok(())
    }
}

/// Whether a call in a trace, that did not fail, sent `amount` of the chain's coin to `recipient`.
fn sends(call: &serde_json::Value, recipient: Address, amount: U256) -> bool {
    let is = |field: &str, wanted: &str| call[field].as_str().is_some_and(|v| v.eq_ignore_ascii_case(wanted));
    let fine = call["error"].is_null();
    let here = is("to", &recipient.to_string()) && is("value", &format!("{amount:#x}"));
    let inside =
        call["calls"].as_array().is_some_and(|calls| calls.iter().any(|c| sends(c, recipient, amount)));
    fine && (here || inside)
}
