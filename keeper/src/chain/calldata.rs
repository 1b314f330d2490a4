//! What a batch says to the vault, and what a settlement on chain said.

use super::abi::IVault::{self, Batch, Request};
use crate::domain::{
    amount::Amount,
    lane::LanePosition,
    withdrawal::{Reference, Withdrawal},
};
use alloy::{
    primitives::{Address, B256, Bytes, U256},
    sol_types::SolCall,
};

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
    let refs: Bytes = withdrawals.iter().flat_map(|w| w.id.reference()).collect();
    let LanePosition { next: first, head } = position;
    if withdrawals.iter().all(|w| w.amount.is_narrow()) {
        let payouts = withdrawals.iter().map(|w| pack(w.recipient, w.amount)).collect();
        IVault::settleCall { asset, first, head, total: total.0, auditHead: audit_head, payouts, refs }
            .abi_encode()
            .into()
    } else {
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
        return Some(LanePosition { next: call.first, head: call.head });
    }
    let batch = wide(calldata)?;
    Some(LanePosition { next: batch.first, head: batch.head })
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
        return with_references(call.payouts.into_iter().map(unpack), &call.refs);
    }
    let batch = wide(calldata)?;
    with_references(batch.payouts.into_iter().map(|p| (p.recipient, Amount(p.amount))), &batch.refs)
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

/// Recipient in the upper 160 bits, amount in the lower 96.
fn pack(recipient: Address, amount: Amount) -> B256 {
    let recipient = U256::from_be_slice(recipient.as_slice()) << 96;
    B256::from(recipient | amount.0)
}

fn unpack(word: B256) -> (Address, Amount) {
    (Address::from_slice(&word[..20]), Amount(U256::from_be_slice(&word[20..])))
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
            let calldata = settle(Address::ZERO, position, B256::ZERO, &list);
            let read = payouts(&calldata).expect("own calldata is readable");
            prop_assert_eq!(read.len(), list.len());
            for (payout, w) in read.iter().zip(&list) {
                prop_assert_eq!(payout.recipient, w.recipient);
                prop_assert_eq!(payout.amount, w.amount);
                prop_assert_eq!(payout.reference, w.id.reference());
            }
        }

        #[test]
        fn foreign_calldata_is_no_settlement(bytes: Vec<u8>) {
            prop_assert!(payouts(&bytes).is_none() || bytes.len() > 4);
        }
    }
}
