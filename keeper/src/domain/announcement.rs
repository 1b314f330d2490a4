//! An announcement: the chain was told that one order will be paid.

use alloy::primitives::{Address, B256};

/// How long an announced order is payable, in seconds, as the vault has it.
const LIFE: u64 = 7 * 86_400;
/// It is announced again so many seconds before that ends: a payment must still come into a block.
const MARGIN: u64 = 600;

/// An announcement as the store has it, by final blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// What names it on chain.
    pub id: B256,
    /// The store's number of its withdrawal.
    pub withdrawal: i64,
    /// The lane that announced it, and alone may pay it.
    pub lane: Address,
    /// Unix seconds.
    pub payable_from: u64,
    pub vetoed_by: Option<Address>,
    /// The vault does not hold it any more.
    pub lapsed: bool,
}

impl Announcement {
    /// Whether it can still be paid at `now` (unix seconds) or later.
    pub fn stands(&self, now: u64) -> bool {
        !self.lapsed && self.vetoed_by.is_none() && now + MARGIN < self.payable_from + LIFE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stands_until_shortly_before_the_vault_forgets_it() {
        let of = Announcement {
            id: B256::ZERO,
            withdrawal: 1,
            lane: Address::ZERO,
            payable_from: 1_000,
            vetoed_by: None,
            lapsed: false,
        };
        let end = 1_000 + LIFE - MARGIN;
        assert!(of.stands(0) && of.stands(end - 1) && !of.stands(end));
        assert!(!Announcement { lapsed: true, ..of.clone() }.stands(0));
        assert!(!Announcement { vetoed_by: Some(Address::ZERO), ..of }.stands(0));
    }
}
