//! The keys of the lanes, and the transactions that they sign.

use super::calldata;
use crate::domain::fees::Fees;
use alloy::{
    consensus::{SignableTransaction, TxEip1559},
    eips::eip2718::Encodable2718,
    network::TxSignerSync,
    primitives::{Address, B256, Bytes, TxKind, U256},
    signers::local::PrivateKeySigner,
};
use std::collections::BTreeMap;

/// A signed transaction: its hash, and the bytes that are sent.
#[derive(Clone, Debug)]
pub struct Signed {
    pub hash: B256,
    pub raw: Bytes,
}

/// What a lane's transaction says.
#[derive(Clone, Debug)]
pub struct Message<'a> {
    pub chain_id: u64,
    /// The vault, or the lane itself for a cancel.
    pub to: Address,
    pub nonce: u64,
    pub gas_limit: u64,
    pub fees: Fees,
    pub calldata: &'a Bytes,
}

/// The lanes' keys, by address.
#[derive(Clone, Debug, Default)]
pub struct Signers(BTreeMap<Address, PrivateKeySigner>);

impl Signers {
    pub fn new(signers: impl IntoIterator<Item = PrivateKeySigner>) -> Self {
        Self(signers.into_iter().map(|s| (s.address(), s)).collect())
    }

    /// The lanes that this keeper can sign for.
    pub fn lanes(&self) -> impl Iterator<Item = Address> {
        self.0.keys().copied()
    }

    /// Signs an EIP-1559 transaction of `lane`; none when its key is not here.
    pub fn sign(&self, lane: Address, message: &Message<'_>) -> Option<alloy::signers::Result<Signed>> {
        let signer = self.0.get(&lane)?;
        let mut tx = TxEip1559 {
            chain_id: message.chain_id,
            nonce: message.nonce,
            gas_limit: message.gas_limit,
            max_fee_per_gas: message.fees.max_fee,
            max_priority_fee_per_gas: message.fees.priority_fee,
            to: TxKind::Call(message.to),
            value: U256::ZERO,
            access_list: calldata::access_list(message.calldata),
            input: message.calldata.clone(),
        };
        Some(signer.sign_transaction_sync(&mut tx).map(|signature| {
            let signed = tx.into_signed(signature);
            Signed { hash: *signed.hash(), raw: signed.encoded_2718().into() }
        }))
    }
}
