//! What a batch says to the vault, and what a settlement on chain said.

use super::abi::IVault::{self, Batch, Request};
use crate::domain::{
    amount::Amount,
    asset::NATIVE,
    lane::LanePosition,
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
    pub recipient: Address,
    pub amount: Amount,
    pub reference: Reference,
}

/// The calldata that settles `withdrawals`, in this order, from `position` on. The packed form where all amounts
/// fit 96 bits, the wide form where one does not.
pub fn settle(asset: Address, position: LanePosition, audit_head: B256, withdrawals: &[Withdrawal]) -> Bytes {
    let total: Amount = withdrawals.iter().map(|w| w.amount).sum();
    if withdrawals.iter().all(|w| w.amount.is_narrow()) {
        let payouts: Vec<u8> = withdrawals.iter().flat_map(pack).collect();
        let (position, payouts) = (position.word(), payouts.into());
        IVault::settleCall { asset, position, total: total.0, auditHead: audit_head, payouts }
            .abi_encode()
            .into()
    } else {
        let refs: Bytes = withdrawals.iter().flat_map(|w| w.id.reference()).collect();
        let LanePosition { next: first, head } = position;
        let payouts = withdrawals
            .iter()
            .map(|w| IVault::Payout { recipient: w.recipient, amount: w.amount.0 })
            .collect();
        let batch = Batch { asset, first, head, total: total.0, auditHead: audit_head, payouts, refs };
        IVault::settleWideCall { b: batch }.abi_encode().into()
    }
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
    if let Ok(call) = IVault::settleCall::abi_decode(calldata) {
        return Some(LanePosition::of_word(call.position));
    }
    let batch = wide(calldata)?;
    Some(LanePosition { next: batch.first, head: batch.head })
}

/// The audit head that a settlement of orders or requests carries; none for other calldata.
pub fn audit_head(calldata: &[u8]) -> Option<B256> {
    if let Ok(call) = IVault::settleCall::abi_decode(calldata) {
        return Some(call.auditHead);
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

/// The payouts of a settlement of orders, in order; none when the calldata is no such call.
pub fn payouts(calldata: &[u8]) -> Option<Vec<Payout>> {
    if let Ok(call) = IVault::settleCall::abi_decode(calldata) {
        let payouts = call.payouts.chunks_exact(PAYOUT);
        return payouts.remainder().is_empty().then(|| payouts.map(unpack).collect());
    }
    let batch = wide(calldata)?;
    with_references(batch.payouts.into_iter().map(|p| (p.recipient, Amount(p.amount))), &batch.refs)
}

/// What a transaction with this calldata declares to touch (EIP-2930): the recipients of a packed batch of ETH. An
/// account that is called costs 2,600 gas, one that is declared 2,500.
pub fn access_list(calldata: &[u8]) -> AccessList {
    let Some(call) = IVault::settleCall::abi_decode(calldata).ok().filter(|call| call.asset == NATIVE) else {
        return AccessList::default();
    };
    let payouts = call.payouts.chunks_exact(PAYOUT).map(unpack);
    let paid: BTreeSet<_> = payouts.filter(|p| !p.amount.is_zero()).map(|p| p.recipient).collect();
    paid.into_iter()
        .map(|address| AccessListItem { address, storage_keys: Vec::new() })
        .collect::<Vec<_>>()
        .into()
}

/// The requests of a settlement of requests.
pub fn requests(calldata: &[u8]) -> Option<Vec<Request>> {
    IVault::settleRequestsCall::abi_decode(calldata).ok().map(|call| call.requests)
}

fn with_references(
    payouts: impl ExactSizeIterator<Item = (Address, Amount)>,
    refs: &[u8],
) -> Option<Vec<Payout>> {
    if refs.len() != payouts.len() * 8 {
        return None;
    }
    let payouts = payouts
        .zip(refs.chunks_exact(8))
        .map(|((recipient, amount), reference)| Payout {
            recipient,
            amount,
            reference: Reference::from_slice(reference),
        })
        .collect();
    Some(payouts)
}

/// Bytes of a packed payout: recipient (20), amount (12), reference (8).
const PAYOUT: usize = 40;

fn pack(withdrawal: &Withdrawal) -> Vec<u8> {
    let amount = withdrawal.amount.0.to_be_bytes::<32>();
    [withdrawal.recipient.as_slice(), &amount[20..], withdrawal.id.reference().as_slice()].concat()
}

fn unpack(payout: &[u8]) -> Payout {
    Payout {
        recipient: Address::from_slice(&payout[..20]),
        amount: Amount(U256::from_be_slice(&payout[20..32])),
        reference: Reference::from_slice(&payout[32..]),
    }
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
            let calldata = settle(Address::ZERO, position, B256::repeat_byte(3), &list);
            prop_assert_eq!(position_before(&calldata), Some(position));
            prop_assert_eq!(audit_head(&calldata), Some(B256::repeat_byte(3)));
            let read = payouts(&calldata).expect("own calldata is readable");
            prop_assert_eq!(read.len(), list.len());
            for (payout, w) in read.iter().zip(&list) {
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
        fn foreign_calldata_is_no_settlement(bytes: Vec<u8>) {
            prop_assert!(payouts(&bytes).is_none() || bytes.len() > 4);
        }
    }
}
