//! What the vault says that it sent, against what its tokens say: transfers that nobody ordered, and fees.

use crate::{
    books::difference::{Class, Difference, Side},
    chain::Transfer,
    domain::{amount::Amount, asset::Asset},
};
use alloy::primitives::{Address, B256, U256};
use std::collections::{BTreeMap, HashMap};

/// What should leave.
#[derive(Debug, Default)]
pub struct Outflows {
    /// By asset and transaction, to whom.
    expected: HashMap<Address, HashMap<B256, BTreeMap<Address, U256>>>,
    /// By asset and transaction, to anybody: what a swap may send, of which some comes back.
    lent: HashMap<(Address, B256), U256>,
}

/// What the transfers of an asset tell.
#[derive(Debug, Default)]
pub struct Told {
    pub differences: Vec<Difference>,
    /// What nobody ordered: the subject of its difference, and how much.
    pub unordered: Vec<(String, U256)>,
}

impl Outflows {
    pub fn expect(&mut self, asset: Address, tx: B256, to: Address, amount: U256) {
        let sum = self.expected.entry(asset).or_default().entry(tx).or_default().entry(to).or_default();
        *sum = sum.saturating_add(amount);
    }

    /// A swap may send so much to its splitter; what it says of what stayed away is in the books.
    pub fn lend(&mut self, asset: Address, tx: B256, amount: U256) {
        let sum = self.lent.entry((asset, tx)).or_default();
        *sum = sum.saturating_add(amount);
    }

    /// Holds a token's transfers out of the vault against what was expected of it.
    pub fn compare(&mut self, asset: &Asset, transfers: &[Transfer]) -> Told {
        // In the order of the chain: what is written off first left first.
        let mut seen: Vec<(B256, BTreeMap<Address, U256>)> = Vec::new();
        for transfer in transfers {
            if seen.last().is_none_or(|(tx, _)| *tx != transfer.tx) {
                seen.push((transfer.tx, BTreeMap::new()));
            }
            if let Some((_, sent)) = seen.last_mut() {
                let sum = sent.entry(transfer.to).or_default();
                *sum = sum.saturating_add(transfer.amount);
            }
        }
        let mut expected = self.expected.remove(&asset.address).unwrap_or_default();
        let mut told = Told::default();
        for (tx, sent) in seen {
            let ordered = expected.remove(&tx).unwrap_or_default();
            let (sum_sent, sum_ordered) = (sum(&sent), sum(&ordered));
            let lent = self.lent.remove(&(asset.address, tx)).unwrap_or_default();
            let more = sum_sent.saturating_sub(sum_ordered).saturating_sub(lent);
            if !more.is_zero() {
                let to: Vec<_> =
                    sent.keys().filter(|to| !ordered.contains_key(*to)).map(ToString::to_string).collect();
                let what = format!(
                    "{} left the vault to {} by no settlement, claim, sweep or swap",
                    asset.show(Amount(more)),
                    to.join(", ")
                );
                // One transaction can take of several assets: each is a difference of its own.
                let subject = format!("{} in transaction {tx}", asset.symbol);
                told.unordered.push((subject.clone(), more));
                told.differences.push(Difference::outflow(asset, Amount(more), subject, what));
            }
            for (to, ordered) in ordered {
                let got = sent.get(&to).copied().unwrap_or_default();
                if got < ordered {
                    let what = format!(
                        "{to} got {} of {} in transaction {tx}",
                        asset.show(Amount(got)),
                        asset.show(Amount(ordered))
                    );
                    let subject = format!("recipient {to} in {tx}");
                    let difference = Difference::new(Class::FeeOnTransfer, Side::Chain, subject, what);
                    told.differences.push(difference.of(asset));
                }
            }
        }
        // A token that tells of no transfer in a transaction tells nothing of it; the vault's balance does.
        told
    }
}

fn sum(amounts: &BTreeMap<Address, U256>) -> U256 {
    amounts.values().fold(U256::ZERO, |sum, amount| sum.saturating_add(*amount))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asset() -> Asset {
        Asset { symbol: "T".to_owned(), address: Address::repeat_byte(1), decimals: 0, payout_gas: 0 }
    }

    fn told(expected: &[(u8, u8, u64)], transfers: &[(u8, u8, u64)]) -> (Vec<Class>, U256) {
        let mut outflows = Outflows::default();
        for (tx, to, amount) in expected {
            let (tx, to) = (B256::repeat_byte(*tx), Address::repeat_byte(*to));
            outflows.expect(asset().address, tx, to, U256::from(*amount));
        }
        let transfers: Vec<_> = transfers
            .iter()
            .map(|(tx, to, amount)| Transfer {
                tx: B256::repeat_byte(*tx),
                to: Address::repeat_byte(*to),
                amount: U256::from(*amount),
            })
            .collect();
        let told = outflows.compare(&asset(), &transfers);
        let unordered = told.unordered.iter().map(|(_, amount)| *amount).sum();
        (told.differences.iter().map(|d| d.class).collect(), unordered)
    }

    #[test]
    fn a_fee_is_no_theft_and_a_theft_is_no_fee() {
        let ordered = [(1, 10, 60), (1, 11, 40), (2, 10, 5)];
        assert_eq!(told(&ordered, &ordered), (vec![], U256::ZERO));
        let in_parts = [(1, 10, 30), (1, 10, 30), (1, 11, 40), (2, 10, 5)];
        assert_eq!(told(&ordered, &in_parts), (vec![], U256::ZERO));
        let fee = [(1, 10, 60), (1, 11, 39), (1, 99, 1), (2, 10, 5)];
        assert_eq!(told(&ordered, &fee), (vec![Class::FeeOnTransfer], U256::ZERO));
        let burnt = [(1, 10, 60), (1, 11, 39), (2, 10, 5)];
        assert_eq!(told(&ordered, &burnt), (vec![Class::FeeOnTransfer], U256::ZERO));
        let stolen = [(1, 10, 60), (1, 11, 40), (2, 10, 5), (3, 66, 7)];
        assert_eq!(told(&ordered, &stolen), (vec![Class::UnknownOutflow], U256::from(7)));
        let within = [(1, 10, 60), (1, 11, 40), (1, 66, 7), (2, 10, 5)];
        assert_eq!(told(&ordered, &within), (vec![Class::UnknownOutflow], U256::from(7)));
        assert_eq!(told(&ordered, &[]), (vec![], U256::ZERO), "a silent token");
    }
}
