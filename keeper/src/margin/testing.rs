//! A pool for tests, at a price without volatility: an option's mark is what it would pay, and a unit for the error bound.

use super::pools::Pool;
use crate::{
    chain::{
        Block,
        margin::{
            IMarginPool::{Rules, Terms},
            PoolFacts,
        },
    },
    domain::asset::{Asset, NATIVE},
};
use ::margin::{Leg, Market, watch::Watch};
use alloy::primitives::{Address, B256, U256, aliases::U96};
use std::collections::{BTreeMap, BTreeSet};

pub const EXPIRY: u64 = 2_000_000_000;
const WAD: u128 = 1_000_000_000_000_000_000;

/// The account of a number.
pub fn account(n: u8) -> Address {
    Address::repeat_byte(n)
}

/// Options on ETH at `price`, in a dollar of 6 decimals. Each book: its account, calls 3000 that it has short, and its margin
/// in units. Amounts of the fund are in units, too.
pub fn pool(fund: u64, price: u128, books: &[(u8, i128, u128)]) -> Pool {
    let terms =
        Terms { window: 1_800, observations: 20, toleranceBps: 300, patience: 86_400, challenge: 86_400 };
    let rules = Rules {
        maxSpotBps: 1_500,
        minSpotBps: 1_000,
        maintenanceBps: 750,
        putMarkBps: 750,
        unpairedBps: 12_000,
        bufferBps: 1_000,
        volStepBps: 1_000,
        volLife: 21_600,
        minVol: 1,
        maxVol: 1,
        feeBps: 3,
        feeCapBps: 1_250,
        targetBps: 5_000,
        premiumBps: 100,
        incentiveBps: 500,
        insuranceBps: 5_000,
        auctionTime: 900,
        rescueTime: 1_800,
        strikeStep: U96::from(WAD),
        maxTenor: 34_560_000,
        minSize: 1,
        maxNakedCalls: 10 * WAD,
        terms,
    };
    let naked: i128 = books.iter().map(|(_, calls, _)| calls).sum();
    let facts = PoolFacts {
        underlying: NATIVE,
        collateral: account(0xcc),
        rules,
        insurance: U256::from(fund),
        naked_calls: U256::from(naked.unsigned_abs() * WAD),
    };
    let mut watch = Watch::new(facts.shares(), 6);
    let price = U256::from(price * WAD);
    watch.set_market(EXPIRY, Market { lo: price, hi: price, ..Market::default() });
    for (n, calls, margin) in books {
        let leg = Leg { strike: 3_000 * WAD, is_call: true, size: -calls * WAD as i128 };
        watch.set_book((account(*n), EXPIRY), &[leg], *margin);
    }
    watch.recheck();
    let block = Block { number: 1, hash: B256::ZERO, timestamp: EXPIRY - 86_400 };
    Pool {
        address: account(0xaa),
        collateral: Asset {
            symbol: "TUSD".to_owned(),
            address: facts.collateral,
            decimals: 6,
            payout_gas: 100_000,
        },
        facts,
        name: "ETH/TUSD".to_owned(),
        watch,
        auctions: BTreeMap::new(),
        expiries: BTreeSet::from([EXPIRY]),
        priced: BTreeSet::from([EXPIRY]),
        block,
        open: BTreeSet::new(),
        known_to: 1,
        unsettled: BTreeSet::new(),
    }
}
