//! The approved tier: who approves, what is signed, and whether a signature is good.

use super::{
    Chain, ChainError,
    abi::{
        IApprovers::{self, IApproversErrors},
        IERC1271,
        IVault::Payout,
        Settlement,
    },
    calldata, or_refusal,
    pool::Endpoint,
};
use crate::domain::{
    amount::Amount,
    lane::LanePosition,
    tier::Tiers,
    withdrawal::{Reference, Withdrawal},
};
use alloy::{
    eips::BlockId,
    network::TransactionBuilder,
    primitives::{Address, B256, Bytes, Signature, U256, keccak256},
    providers::Provider,
    rpc::types::TransactionRequest,
    sol_types::{Eip712Domain, SolCall, SolStruct, SolValue, eip712_domain},
};
use serde_json::{Value, json};
use std::sync::Arc;

/// Who approves, as the chain has it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Approvers {
    pub contract: Address,
    /// How many must sign; 0: nothing is approved.
    pub threshold: u64,
    pub members: Vec<Address>,
}

/// A batch of the approved tier at its place: what its approvers sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    pub settlement: Settlement,
    domain: Eip712Domain,
}

impl Offer {
    /// What is paid, from where the lane stands. `deadline`: unix seconds.
    pub fn new(
        (chain_id, vault, contract): (u64, Address, Address),
        (lane, position): (Address, LanePosition),
        withdrawals: &[Withdrawal],
        deadline: u64,
    ) -> Self {
        let asset = withdrawals.first().map(|w| w.asset).unwrap_or_default();
        let batch = calldata::whole(asset, position, B256::ZERO, withdrawals);
        let settlement = Settlement {
            vault,
            lane,
            asset: batch.asset,
            first: batch.first,
            head: batch.head,
            total: batch.total,
            payouts: hash_of_payouts(withdrawals.iter().map(|w| (w.recipient, w.amount.0))),
            refs: hash_of_references(withdrawals.iter().map(|w| w.id.reference())),
            deadline,
        };
        Self { settlement, domain: domain(chain_id, contract) }
    }

    /// What is signed (EIP-712).
    pub fn digest(&self) -> B256 {
        self.settlement.eip712_signing_hash(&self.domain)
    }

    /// What [`Offer::typed_data`] wrote; none when it is something else.
    pub fn from_typed_data(data: &Value) -> Option<Self> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let message = |name: &str| text(&data["message"][name]);
        let settlement = Settlement {
            vault: message("vault")?.parse().ok()?,
            lane: message("lane")?.parse().ok()?,
            asset: message("asset")?.parse().ok()?,
            first: message("first")?.parse().ok()?,
            head: message("head")?.parse().ok()?,
            total: message("total")?.parse().ok()?,
            payouts: message("payouts")?.parse().ok()?,
            refs: message("refs")?.parse().ok()?,
            deadline: message("deadline")?.parse().ok()?,
        };
        let chain_id = text(&data["domain"]["chainId"])?.parse().ok()?;
        let contract = text(&data["domain"]["verifyingContract"])?.parse().ok()?;
        Some(Self { settlement, domain: domain(chain_id, contract) })
    }

    /// The same as a wallet takes it: the parameter of `eth_signTypedData_v4`.
    pub fn typed_data(&self) -> Value {
        let field = |(name, kind): (&str, &str)| json!({ "name": name, "type": kind });
        let domain = [
            ("name", "string"),
            ("version", "string"),
            ("chainId", "uint256"),
            ("verifyingContract", "address"),
        ];
        let fields = [
            ("vault", "address"),
            ("lane", "address"),
            ("asset", "address"),
            ("first", "uint64"),
            ("head", "bytes24"),
            ("total", "uint256"),
            ("payouts", "bytes32"),
            ("refs", "bytes32"),
            ("deadline", "uint64"),
        ];
        let s = &self.settlement;
        json!({
            "types": { "EIP712Domain": domain.map(field), "Settlement": fields.map(field) },
            "primaryType": "Settlement",
            "domain": {
                "name": self.domain.name,
                "version": self.domain.version,
                "chainId": self.domain.chain_id.map(|id| id.to_string()),
                "verifyingContract": self.domain.verifying_contract,
            },
            "message": {
                "vault": s.vault,
                "lane": s.lane,
                "asset": s.asset,
                "first": s.first.to_string(),
                "head": s.head,
                "total": s.total.to_string(),
                "payouts": s.payouts,
                "refs": s.refs,
                "deadline": s.deadline.to_string(),
            },
        })
    }
}

fn domain(chain_id: u64, contract: Address) -> Eip712Domain {
    eip712_domain! {
        name: "Spillway Approvers",
        version: "1",
        chain_id: chain_id,
        verifying_contract: contract,
    }
}

/// What `Settlement.payouts` is: of recipients and units, in order.
pub fn hash_of_payouts(payouts: impl IntoIterator<Item = (Address, U256)>) -> B256 {
    let payout = |(recipient, amount)| Payout { recipient, amount };
    keccak256(payouts.into_iter().map(payout).collect::<Vec<_>>().abi_encode())
}

/// What `Settlement.refs` is: of the withdrawals' references, in order.
pub fn hash_of_references(references: impl IntoIterator<Item = Reference>) -> B256 {
    keccak256(references.into_iter().flatten().collect::<Vec<u8>>())
}

impl Chain {
    /// Who approves.
    pub async fn approvers(&self, at: u64) -> Result<Approvers, ChainError> {
        let ask = |endpoint: Arc<Endpoint>| async move {
            let block = BlockId::number(at);
            let contract = self.contract(&endpoint).approvals().block(block).call().await?.approvers_;
            let mut approvers = Approvers { contract, threshold: 0, members: Vec::new() };
            if contract != Address::ZERO {
                let set = IApprovers::new(contract, endpoint.provider.clone());
                approvers.threshold = set.threshold().block(block).call().await?.saturating_to();
                approvers.members = set.approvers().block(block).call().await?;
            }
            Ok(approvers)
        };
        self.pool.agree(&format!("who approves at block {at}"), at, ask).await
    }

    /// What the chain takes for signed when `offer` is.
    pub async fn digest_of(&self, offer: &Offer, at: u64) -> Result<B256, ChainError> {
        let contract = offer.domain.verifying_contract.unwrap_or_default();
        let ask = |endpoint: Arc<Endpoint>| async move {
            let set = IApprovers::new(contract, endpoint.provider.clone());
            Ok(set.digest(offer.settlement.clone()).block(BlockId::number(at)).call().await?)
        };
        self.pool.agree(&format!("the digest of a review at block {at}"), at, ask).await
    }

    /// Whether `signature` is the approver's for `digest`, as OpenZeppelin's `SignatureChecker` judges it: an account with
    /// code is asked (ERC-1271), of any other the key must have signed.
    pub async fn has_signed(
        &self,
        approver: Address,
        digest: B256,
        signature: &Bytes,
        at: u64,
    ) -> Result<bool, ChainError> {
        let ask = |endpoint: Arc<Endpoint>| async move {
            let block = BlockId::number(at);
            if endpoint.provider.get_code_at(approver).block_id(block).await?.is_empty() {
                return Ok(signer_of(digest, signature) == Some(approver));
            }
            let call = IERC1271::isValidSignatureCall { hash: digest, signature: signature.clone() };
            let request = TransactionRequest::default().with_to(approver).with_input(call.abi_encode());
            // A refusal is a no, whatever its words.
            let answer = or_refusal(endpoint.provider.call(request).block(block).await)?;
            let yes = IERC1271::isValidSignatureCall::SELECTOR;
            Ok(answer.is_ok_and(|answer| answer.len() >= 32 && answer[..4] == yes && is_zero(&answer[4..32])))
        };
        self.pool.agree(&format!("whether {approver} signed, at block {at}"), at, ask).await
    }

    /// Which amounts of an asset are of which tier.
    pub async fn tiers(&self, asset: Address, at: u64) -> Result<Tiers, ChainError> {
        let ask = |endpoint: Arc<Endpoint>| async move {
            let limits =
                self.contract(&endpoint).assetLimits(asset).block(BlockId::number(at)).call().await?;
            let (instant, approved) = (Amount(limits.instantPerPayout), limits.approvedPerPayout.into());
            Ok((instant, approved))
        };
        let what = format!("the tiers of {asset} at block {at}");
        let (instant, approved) = self.pool.agree(&what, at, ask).await?;
        Ok(Tiers { instant, approved })
    }
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

/// The account whose key signed: 65 bytes, `s` in the lower half, `v` 27 or 28, as the contract takes it.
fn signer_of(digest: B256, signature: &[u8]) -> Option<Address> {
    if signature.len() != 65 || ![27, 28].contains(&signature[64]) {
        return None;
    }
    let signature = Signature::from_raw(signature).ok()?;
    if signature.normalize_s().is_some() {
        return None;
    }
    signature.recover_address_from_prehash(&digest).ok()
}

/// A signature as wallets write it, brought to the form that the contract takes: some write `v` as 0 or 1.
pub fn canonical(signature: Bytes) -> Bytes {
    match signature.as_ref() {
        [rs @ .., v @ (0 | 1)] if rs.len() == 64 => [rs, &[v + 27]].concat().into(),
        _ => signature,
    }
}

/// The approver whose signature a settlement was refused for.
pub(super) fn refused_approver(error: &IApproversErrors) -> Option<Address> {
    match error {
        IApproversErrors::NotAnApprover(e) => Some(e.account),
        IApproversErrors::BadSignature(e) => Some(e.approver),
        IApproversErrors::TooFewApprovals(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::signers::{SignerSync, local::PrivateKeySigner};

    fn offer() -> Offer {
        let settlement = Settlement {
            vault: Address::repeat_byte(1),
            lane: Address::repeat_byte(2),
            asset: Address::repeat_byte(3),
            first: 7,
            head: alloy::primitives::FixedBytes::repeat_byte(4),
            total: U256::from(5),
            payouts: hash_of_payouts([(Address::repeat_byte(6), U256::from(5))]),
            refs: hash_of_references([Reference::repeat_byte(8)]),
            deadline: 1_900_000_000,
        };
        Offer { settlement, domain: domain(31_337, Address::repeat_byte(9)) }
    }

    #[test]
    fn what_a_wallet_reads_is_what_the_contract_checks() {
        let offer = offer();
        let typed = offer.typed_data();
        assert_eq!(Offer::from_typed_data(&typed), Some(offer.clone()));
        let read: alloy::dyn_abi::TypedData = serde_json::from_value(typed).unwrap();
        assert_eq!(
            read.eip712_signing_hash().unwrap(),
            offer.digest(),
            "an implementation of its own agrees"
        );
        assert_eq!(Offer::from_typed_data(&Value::Null), None);
    }

    #[test]
    fn only_the_form_that_the_contract_takes_counts() {
        let signer = PrivateKeySigner::random();
        let digest = offer().digest();
        let signature = signer.sign_hash_sync(&digest).unwrap();
        let good = signature.as_bytes().to_vec();
        assert_eq!(signer_of(digest, &good), Some(signer.address()));
        assert_ne!(signer_of(B256::ZERO, &good), Some(signer.address()));
        assert_eq!(signer_of(digest, &good[..64]), None);
        let mut low_v = good.clone();
        low_v[64] -= 27;
        assert_eq!(signer_of(digest, &low_v), None);
        assert_eq!(canonical(low_v.into()), Bytes::from(good.clone()));
        assert_eq!(canonical(good.clone().into()), Bytes::from(good));
        let order =
            U256::from_str_radix("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141", 16);
        let mirrored = Signature::new(signature.r(), order.unwrap() - signature.s(), !signature.v());
        assert_eq!(signer_of(digest, &mirrored.as_bytes()), None, "s in the upper half");
    }
}
