use super::*;
use crate::margin::testing::{EXPIRY, account, pool};

/// At 3300 a call 3000 owes 300, and a bidder gets 15 more.
const RALLY: i64 = 1_000;

#[test]
fn who_falls_and_what_the_fund_gives() {
    let books = [(1, 1, 700_000_000), (2, 1, 200_000_000), (3, 1, 100_000_000)];
    let calm = stress(&pool(0, 3_000, &books[..1]), 0, 0);
    assert_eq!((calm.books, calm.falls.len(), calm.is_covered()), (1, 0, true));

    let outcome = stress(&pool(500_000_000, 3_000, &books), RALLY, 0);
    let ids: Vec<_> = outcome.falls.iter().map(|fall| fall.id).collect();
    assert_eq!(ids, [(account(3), EXPIRY), (account(2), EXPIRY)], "the worst first");
    let second = outcome.falls[1];
    assert_eq!(second.maintenance, U256::from(547_500_001));
    assert_eq!(second.liability, U256::from(300_000_001));
    assert_eq!(second.rescue, U256::from(115_000_001));
    assert_eq!(outcome.rescue(), U256::from(330_000_002));
    assert_eq!(outcome.shortfall(), U256::from(300_000_002));
    assert!(outcome.is_covered(), "half of 500, then half of 285");

    let short = stress(&pool(400_000_000, 3_000, &books), RALLY, 0);
    assert_eq!(short.falls[0].paid, U256::from(200_000_000), "half of the fund at most");
    assert_eq!(short.falls[1].paid, U256::from(100_000_000), "half of what is left");
    assert!(!short.is_covered());
}

#[test]
fn nobody_falls_by_a_price_that_there_is_not() {
    let mut unpriced = pool(0, 3_000, &[(1, 1, 1)]);
    unpriced.priced.clear();
    let outcome = stress(&unpriced, RALLY, 0);
    assert_eq!((outcome.books, outcome.falls.len()), (0, 0));
}
