use super::*;
use crate::chain::margin::IMarginPool::Terms;

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
