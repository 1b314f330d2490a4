use super::*;
use crate::margin::testing::{account, pool};

#[test]
fn figures_and_alerts_are_of_all_books() {
    // At 3000 a call 3000 needs 225 for maintenance.
    let config = MarginConfig::default();
    let sound = Figures::of(&pool(100_000_000, 3_000, &[(1, 1, 500_000_000), (2, 1, 500_000_000)]));
    assert_eq!((sound.books, sound.below, sound.unpriced), (2, 0, 0));
    assert_eq!(sound.maintenance, "450.000002");
    assert_eq!((sound.insurance.as_str(), sound.insurance_bps), ("100", 2_222));
    assert_eq!((sound.largest_bps, sound.naked_calls_bps), (5_000, 2_000));
    assert!(sound.alerts(&config).is_empty());

    let bad = Figures::of(&pool(10_000_000, 3_000, &[(1, 3, 500_000_000), (2, 1, 500_000_000)]));
    assert_eq!((bad.below, bad.largest), (1, Some(account(1))));
    let alerts = bad.alerts(&config);
    assert_eq!(alerts.len(), 2, "{alerts:?}");
    assert!(alerts[0].1.contains("1.11 %") && alerts[1].1.contains("74.99 %"), "{alerts:?}");

    let empty = Figures::of(&pool(0, 3_000, &[]));
    assert!(empty.alerts(&config).is_empty(), "nothing is at risk");
}
