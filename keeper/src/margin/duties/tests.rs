use super::*;
use crate::{
    chain::margin::IMarginPool::Terms,
    margin::testing::{EXPIRY as BOOKS_EXPIRY, account, pool},
};

const EXPIRY: u64 = 1_000_000;

fn settlement(price: u128, closed: bool) -> Settlement {
    let terms =
        Terms { window: 1_800, observations: 20, toleranceBps: 300, patience: 86_400, challenge: 86_400 };
    Settlement {
        terms,
        source: 0,
        price,
        proposed: 0,
        proposedAt: U40::ZERO,
        lastSeen: 0,
        accounts: 5,
        collected: 3,
        closed,
        owed: U256::ZERO,
        pot: 0,
    }
}

fn keys(settlement: &Settlement, now: u64) -> Vec<String> {
    settling(EXPIRY, settlement, now).iter().map(Duty::key).collect()
}

#[test]
fn a_window_is_observed_part_by_part_and_then_the_price_is_fixed() {
    let open = settlement(0, false);
    assert_eq!(keys(&open, EXPIRY - 1_801), Vec::<String>::new(), "before its window");
    assert_eq!(keys(&open, EXPIRY - 1_800), ["observe 1000000 0 0"]);
    assert_eq!(keys(&open, EXPIRY - 1_741), ["observe 1000000 0 0"], "one part, one key");
    assert_eq!(keys(&open, EXPIRY - 1_740), ["observe 1000000 0 1"]);
    assert_eq!(keys(&open, EXPIRY - 1), ["observe 1000000 0 29"]);
    assert_eq!(keys(&open, EXPIRY), ["fix 1000000", "observe 1000000 1 0"]);
    assert_eq!(keys(&open, EXPIRY + 86_399), ["fix 1000000", "observe 1000000 48 29"]);
    assert_eq!(keys(&open, EXPIRY + 86_400), ["fix 1000000"], "its patience is over");
}

#[test]
fn a_price_leads_to_collecting_until_all_is_in() {
    assert_eq!(keys(&settlement(7, false), EXPIRY + 1), ["collect 1000000 3"]);
    assert_eq!(keys(&settlement(7, true), EXPIRY + 1), Vec::<String>::new());
    let unknown =
        Settlement { terms: Terms { window: 0, ..settlement(0, false).terms }, ..settlement(0, false) };
    assert_eq!(keys(&unknown, EXPIRY), Vec::<String>::new(), "never traded");
}

fn dollars(n: u64) -> U256 {
    U256::from(n * 1_000_000)
}

fn limit(bid: u64, left: u64, free: u64) -> Limit {
    let (bid, left, free) = (dollars(bid), dollars(left), dollars(free));
    Limit { bid, left, free, premium_bps: U256::from(200), me: account(9) }
}

/// Two calls 3000 short at 3350: they owe 700.000001, need 1202.5 for maintenance and 1705 for the initial margin.
fn fallen() -> Pool {
    pool(0, 3_350, &[(1, 2, 1_004_000_000), (9, 2, 1_004_000_000)])
}

fn bid(limit: &mut Limit, by: u8, offer: u64) -> Option<(U256, U256)> {
    let offer = Offer { from_margin: U256::from(offer), rescue: U256::ZERO };
    match limit.bid(&fallen(), (account(by), BOOKS_EXPIRY), offer)? {
        Duty::Bid { share, least, margin: 1_004_000_000, .. } => Some((share, least)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_bid_asks_for_its_premium_and_takes_what_the_pool_gives() {
    let wide = || limit(10_000, 10_000, 10_000);
    assert_eq!(bid(&mut wide(), 1, 714_000_001), None, "2 % above the mark is 714.000002");
    let (share, least) = bid(&mut wide(), 1, 714_000_002).unwrap();
    // (1453.75 - 1004) / (1453.75 - 714): what leads the book half way from maintenance to initial margin.
    assert_eq!(share / U256::from(10u64.pow(14)), U256::from(6_079));
    assert_eq!(least, U256::from(714_000_002) * share / WAD);
    assert_eq!(bid(&mut wide(), 9, 900_000_000), None, "its own book");
}

#[test]
fn a_bid_stays_within_each_limit() {
    let (share, _) = bid(&mut limit(500, 10_000, 10_000), 1, 800_000_000).unwrap();
    assert_eq!(share / U256::from(10u64.pow(14)), U256::from(2_932), "500 of 1705");
    let (share, _) = bid(&mut limit(10_000, 341, 10_000), 1, 800_000_000).unwrap();
    assert_eq!(share / U256::from(10u64.pow(14)), U256::from(1_999), "341 of 1705");
    let (share, _) = bid(&mut limit(10_000, 10_000, 90), 1, 800_000_000).unwrap();
    assert_eq!(share / U256::from(10u64.pow(14)), U256::from(994), "90 of the 905 that are not paid with it");
    for mut none in [limit(0, 10_000, 10_000), limit(10_000, 0, 10_000), limit(10_000, 10_000, 0)] {
        assert_eq!(bid(&mut none, 1, 800_000_000), None);
    }
    let mut twice = limit(10_000, 1_000, 10_000);
    assert!(bid(&mut twice, 1, 800_000_000).is_some());
    assert!(twice.left < dollars(1), "what is bid for counts at once: {}", twice.left);
}
