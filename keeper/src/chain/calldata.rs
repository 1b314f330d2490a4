//! What a batch says to the vault, and what a settlement on chain said.

use super::abi::IVault::{self, Batch, Payout as WidePayout, Request};
use crate::domain::{
    amount::Amount,
    asset::NATIVE,
    lane::LanePosition,
    review::Approval,
    tier::Tier,
    withdrawal::{Reference, Withdrawal},
};
use alloy::{
    eips::eip2930::{AccessList, AccessListItem},
    primitives::{Address, B256, Bytes, U256},
    sol_types::SolCall,
};
use std::collections::BTreeSet;

/// One payout of a settlement as its calldata has it. An amount of zero settles the number as void.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payout {
    pub asset: Address,
    pub recipient: Address,
    pub amount: Amount,
    pub reference: Reference,
}

/// The batch that the event of a settlement names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settled {
    pub lane: Address,
    pub first: u64,
    pub count: u64,
}

impl From<&IVault::Settled> for Settled {
    fn from(event: &IVault::Settled) -> Self {
        let number = |bytes: &[u8]| U256::from_be_slice(bytes).to();
        let (lane, numbers) = event.batch.split_at(20);
        let (first, count) = numbers.split_at(7);
        Self { lane: Address::from_slice(lane), first: number(first), count: number(count) }
    }
}

/// The calldata that settles `withdrawals`, in this order, from `position` on. The packed form where all amounts and
/// their sum fit 96 bits, the wide form where one does not.
pub fn settle(asset: Address, position: LanePosition, audit_head: B256, withdrawals: &[Withdrawal]) -> Bytes {
    let total: Amount = withdrawals.iter().map(|w| w.amount).sum();
    if total.is_narrow() {
        let (total, position) = (total.0.to_be_bytes::<32>(), position.word());
        let mut batch = IVault::settleCall::SELECTOR.to_vec();
        batch.extend([asset.as_slice(), &total[20..], position.as_slice(), audit_head.as_slice()].concat());
        batch.extend(withdrawals.iter().flat_map(pack));
        batch.into()
    } else {
        IVault::settleWideCall { b: whole(asset, position, audit_head, withdrawals) }.abi_encode().into()
    }
}

/// A batch in the wide form.
pub(super) fn whole(
    asset: Address,
    position: LanePosition,
    audit_head: B256,
    withdrawals: &[Withdrawal],
) -> Batch {
    let LanePosition { next: first, head } = position;
    let total: Amount = withdrawals.iter().map(|w| w.amount).sum();
    Batch {
        asset,
        first,
        head,
        total: total.0,
        auditHead: audit_head,
        payouts: withdrawals
            .iter()
            .map(|w| WidePayout { recipient: w.recipient, amount: w.amount.0 })
            .collect(),
        refs: withdrawals.iter().flat_map(|w| w.id.reference()).collect(),
    }
}

/// The calldata that settles what approvers have signed, the approvals in ascending order of their accounts.
pub fn settle_approved(
    asset: Address,
    position: LanePosition,
    audit_head: B256,
    withdrawals: &[Withdrawal],
    deadline: u64,
    approvals: &[Approval],
) -> Bytes {
    let mut approvals: Vec<_> = approvals
        .iter()
        .map(|a| IVault::Approval { approver: a.approver, signature: a.signature.clone() })
        .collect();
    approvals.sort_by_key(|a| a.approver);
    let b = whole(asset, position, audit_head, withdrawals);
    IVault::settleApprovedCall { b, deadline, approvals }.abi_encode().into()
}

/// The calldata that settles announced orders.
pub fn settle_announced(
    asset: Address,
    position: LanePosition,
    audit_head: B256,
    withdrawals: &[Withdrawal],
) -> Bytes {
    IVault::settleAnnouncedCall { b: whole(asset, position, audit_head, withdrawals) }.abi_encode().into()
}

/// The calldata that announces an order.
pub fn announce(withdrawal: &Withdrawal) -> Bytes {
    let Withdrawal { asset, recipient, amount, .. } = *withdrawal;
    let r#ref = withdrawal.id.reference();
    IVault::announceCall { asset, recipient, amount: amount.0, r#ref }.abi_encode().into()
}

/// The calldata that pays requests.
pub fn settle_requests(asset: Address, audit_head: B256, withdrawals: &[Withdrawal]) -> Bytes {
    let requests = withdrawals
        .iter()
        .filter_map(|w| {
            let terms = w.request?;
            Some(Request {
                id: terms.id,
                owner: terms.owner,
                asset: w.asset,
                recipient: w.recipient,
                amount: w.amount.0,
                createdAt: terms.created_at,
            })
        })
        .collect();
    IVault::settleRequestsCall { asset, auditHead: audit_head, requests }.abi_encode().into()
}

/// The calldata that gives up the next number of `lane`.
pub fn void_next(lane: Address, position: LanePosition) -> Bytes {
    IVault::voidNumbersCall { lane, first: position.next, head: position.head, count: 1 }.abi_encode().into()
}

/// Where a settlement of orders expects its lane; none for other calldata.
pub fn position_before(calldata: &[u8]) -> Option<LanePosition> {
    if let Some(packed) = Packed::read(calldata) {
        return Some(packed.position);
    }
    let batch = wide(calldata)?;
    Some(LanePosition { next: batch.first, head: batch.head })
}

/// A batch in the packed form.
struct Packed<'a> {
    asset: Address,
    position: LanePosition,
    audit_head: B256,
    payouts: &'a [u8],
}

impl<'a> Packed<'a> {
    fn read(calldata: &'a [u8]) -> Option<Self> {
        let batch = calldata.strip_prefix(&IVault::settleCall::SELECTOR)?;
        let (funds, batch) = batch.split_at_checked(32)?;
        let (position, batch) = batch.split_at_checked(32)?;
        let (audit_head, payouts) = batch.split_at_checked(32)?;
        let position = LanePosition::of_word(B256::from_slice(position));
        let whole = payouts.len().is_multiple_of(PAYOUT);
        let (asset, audit_head) = (Address::from_slice(&funds[..20]), B256::from_slice(audit_head));
        whole.then_some(Self { asset, position, audit_head, payouts })
    }

    fn payouts(&self) -> impl Iterator<Item = Payout> {
        self.payouts.chunks_exact(PAYOUT).map(|payout| Payout {
            asset: self.asset,
            recipient: Address::from_slice(&payout[..20]),
            amount: Amount(U256::from_be_slice(&payout[20..32])),
            reference: Reference::from_slice(&payout[32..]),
        })
    }
}

/// The audit head that a settlement of orders or requests carries; none for other calldata.
pub fn audit_head(calldata: &[u8]) -> Option<B256> {
    if let Some(batch) = Packed::read(calldata) {
        return Some(batch.audit_head);
    }
    if let Ok(call) = IVault::settleRequestsCall::abi_decode(calldata) {
        return Some(call.auditHead);
    }
    wide(calldata).map(|batch| batch.auditHead)
}

/// A batch in the wide form, whichever tier settled it.
fn wide(calldata: &[u8]) -> Option<Batch> {
    IVault::settleWideCall::abi_decode(calldata)
        .map(|call| call.b)
        .or_else(|_| IVault::settleApprovedCall::abi_decode(calldata).map(|call| call.b))
        .or_else(|_| IVault::settleAnnouncedCall::abi_decode(calldata).map(|call| call.b))
        .ok()
}

/// The tier of a settlement of orders, by the function that it calls; none for other calldata.
pub fn tier(calldata: &[u8]) -> Option<Tier> {
    match calldata.first_chunk::<4>()? {
        &IVault::settleCall::SELECTOR | &IVault::settleWideCall::SELECTOR => Some(Tier::Instant),
        &IVault::settleApprovedCall::SELECTOR => Some(Tier::Approved),
        &IVault::settleAnnouncedCall::SELECTOR => Some(Tier::Delayed),
        _ => None,
    }
}

/// The payouts of a settlement of orders, in order; none when the calldata is no such call.
pub fn payouts(calldata: &[u8]) -> Option<Vec<Payout>> {
    if let Some(packed) = Packed::read(calldata) {
        return Some(packed.payouts().collect());
    }
    let Batch { asset, payouts, refs, .. } = wide(calldata)?;
    if refs.len() != payouts.len() * 8 {
        return None;
    }
    let references = refs.chunks_exact(8).map(Reference::from_slice);
    let payout = |(p, reference): (IVault::Payout, _)| Payout {
        asset,
        recipient: p.recipient,
        amount: Amount(p.amount),
        reference,
    };
    Some(payouts.into_iter().zip(references).map(payout).collect())
}

/// What a transaction with this calldata declares to touch (EIP-2930): the recipients of a packed batch of ETH. An
/// account that is called costs 2,600 gas, one that is declared 2,500.
pub fn access_list(calldata: &[u8]) -> AccessList {
    let Some(packed) = Packed::read(calldata).filter(|packed| packed.asset == NATIVE) else {
        return AccessList::default();
    };
    let paid: BTreeSet<_> = packed.payouts().filter(|p| !p.amount.is_zero()).map(|p| p.recipient).collect();
    paid.into_iter()
        .map(|address| AccessListItem { address, storage_keys: Vec::new() })
        .collect::<Vec<_>>()
        .into()
}

/// The requests of a settlement of requests.
pub fn requests(calldata: &[u8]) -> Option<Vec<Request>> {
    IVault::settleRequestsCall::abi_decode(calldata).ok().map(|call| call.requests)
}

/// Units that a swap may sell.
pub fn swap_amount(calldata: &[u8]) -> Option<U256> {
    IVault::swapCall::abi_decode(calldata).ok().map(|call| call.o.amount)
}

/// Bytes of a packed payout: recipient (20), amount (12), reference (8).
const PAYOUT: usize = 40;

fn pack(withdrawal: &Withdrawal) -> Vec<u8> {
    let amount = withdrawal.amount.0.to_be_bytes::<32>();
    [withdrawal.recipient.as_slice(), &amount[20..], withdrawal.id.reference().as_slice()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        lane::Head,
        withdrawal::{Door, WithdrawalId, WithdrawalState},
    };
    use proptest::prelude::*;

    fn withdrawal(key: u64, recipient: [u8; 20], units: U256) -> Withdrawal {
        let idempotency_key = key.to_string();
        Withdrawal {
            row: 1,
            id: WithdrawalId::from_key(&idempotency_key),
            door: Door::Order,
            idempotency_key,
            asset: Address::ZERO,
            recipient: recipient.into(),
            amount: Amount(units),
            state: WithdrawalState::Batched,
            reason: None,
            batch: None,
            request: None,
            deadline: None,
            trace_id: String::new(),
            received_at: 0,
        }
    }

    proptest! {
        #[test]
        fn what_is_said_is_what_is_read(
            rows in prop::collection::vec((any::<u64>(), any::<[u8; 20]>(), any::<u128>()), 1..40),
            wide: bool,
            next in 1u64..u64::from(u32::MAX),
        ) {
            let shift = if wide { 64 } else { 0 };
            let list: Vec<_> = rows
                .into_iter()
                .map(|(key, to, units)| {
                    let units = if wide { units } else { units >> 32 };
                    withdrawal(key, to, U256::from(units) << shift)
                })
                .collect();
            let position = LanePosition { next, head: Head::repeat_byte(7) };
            let asset = Address::repeat_byte(3);
            let calldata = settle(asset, position, B256::repeat_byte(3), &list);
            prop_assert_eq!(position_before(&calldata), Some(position));
            prop_assert_eq!(audit_head(&calldata), Some(B256::repeat_byte(3)));
            // What the export and the report take for granted of the keeper's own batches.
            prop_assert_eq!(tier(&calldata), Some(Tier::Instant));
            let read = payouts(&calldata).expect("own calldata is readable");
            prop_assert_eq!(read.len(), list.len());
            for (payout, w) in read.iter().zip(&list) {
                prop_assert_eq!(payout.asset, asset);
                prop_assert_eq!(payout.recipient, w.recipient);
                prop_assert_eq!(payout.amount, w.amount);
                prop_assert_eq!(payout.reference, w.id.reference());
            }
        }

        #[test]
        fn a_packed_batch_of_eth_declares_each_recipient_once(
            rows in prop::collection::vec((any::<u64>(), 0u8..5, 0u64..3), 1..20),
        ) {
            let list: Vec<_> =
                rows.iter().map(|(key, to, units)| withdrawal(*key, [*to; 20], U256::from(*units))).collect();
            let position = LanePosition { next: 1, head: Head::repeat_byte(7) };
            let paid: BTreeSet<_> =
                list.iter().filter(|w| !w.amount.is_zero()).map(|w| w.recipient).collect();
            let declared = access_list(&settle(NATIVE, position, B256::ZERO, &list));
            prop_assert!(declared.iter().map(|item| item.address).eq(paid));
            prop_assert!(declared.iter().all(|item| item.storage_keys.is_empty()));
            prop_assert!(access_list(&settle(Address::ZERO, position, B256::ZERO, &list)).is_empty());
        }

        #[test]
        fn a_settled_batch_is_read_as_the_vault_writes_it(
            lane: [u8; 20], first in 0u64..1 << 56, count in 0u64..1 << 40,
        ) {
            let numbers = (U256::from(first) << 40) | U256::from(count);
            let batch = B256::from((U256::from_be_slice(&lane) << 96) | numbers);
            let settled = Settled { lane: lane.into(), first, count };
            prop_assert_eq!(Settled::from(&IVault::Settled { batch }), settled);
        }

        #[test]
        fn foreign_calldata_is_no_settlement(bytes: Vec<u8>) {
            prop_assert!(payouts(&bytes).is_none() || bytes.len() > 4);
        }
    }
}
