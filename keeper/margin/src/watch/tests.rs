use super::*;

const WAD: u128 = 1_000_000_000_000_000_000;

fn shares() -> Shares {
    Shares {
        max_spot_bps: 1_500,
        min_spot_bps: 1_000,
        maintenance_bps: 750,
        put_mark_bps: 750,
        unpaired_bps: 12_000,
    }
}

fn market(price: u128) -> Market {
    let price = U256::from(price * WAD);
    let v = U256::from(WAD / 5);
    Market { lo: price, hi: price, v_initial: v, v_maintenance: v, v_mark: v }
}

fn account(n: usize) -> Address {
    Address::left_padding_from(&n.to_be_bytes())
}

/// Two expiries, a few strikes, books of four legs.
fn full(books: usize, threads: usize) -> Watch {
    let mut watch = Watch { threads, ..Watch::new(shares(), 6) };
    watch.set_market(1, market(3_000));
    watch.set_market(2, market(3_000));
    for n in 0..books {
        let leg = |i: usize| {
            let size = ((n * 7 + i * 3) % 11) as i128 - 6;
            let strike = (2_500 + 100 * ((n + 3 * i) % 10) as u128) * WAD;
            Leg { strike, is_call: (n + i).is_multiple_of(2), size: size * WAD as i128 / 10 }
        };
        let legs: Vec<_> = (0..4).map(leg).collect();
        watch.set_book((account(n), 1 + n as u64 % 2), &legs, (n as u128 % 700) * 1_000_000);
    }
    watch
}

fn seen(watch: &Watch) -> Vec<(BookId, Valuation, u64)> {
    watch.ranked().into_iter().map(|b| (b.id, b.valuation, b.cover)).collect()
}

#[test]
fn only_what_changed_is_valued_again_and_the_result_is_that_of_all() {
    let mut watch = full(5_000, 2);
    assert_eq!(watch.recheck(), 5_000);
    assert_eq!(watch.recheck(), 0, "nothing changed");
    watch.set_market(1, market(3_000));
    assert_eq!(watch.recheck(), 0, "the same market");
    watch.set_market(1, market(3_300));
    assert_eq!(watch.recheck(), 2_500, "the books of one expiry");
    let leg = Leg { strike: 7 * WAD, is_call: false, size: -(WAD as i128) };
    watch.set_book((account(3), 2), &[leg], 1);
    watch.set_book((account(4), 1), &[], 1);
    assert_eq!(watch.recheck(), 1);
    assert_eq!(watch.len(), 4_999);
    assert!(watch.get(&(account(4), 1)).is_none());

    let mut afresh = full(5_000, 1);
    afresh.set_market(1, market(3_300));
    afresh.set_book((account(4), 1), &[], 1);
    afresh.set_book((account(3), 2), &[leg], 1);
    afresh.recheck();
    assert_eq!(seen(&watch), seen(&afresh), "whatever the order and the threads");
}

#[test]
fn the_nearest_to_liquidation_come_first() {
    let mut watch = full(1_000, 1);
    watch.recheck();
    let ranked = watch.ranked();
    assert!(ranked.windows(2).all(|w| w[0].cover <= w[1].cover));
    let below = ranked.iter().filter(|b| b.is_below_maintenance()).count();
    assert!((100..900).contains(&below), "{below}: the case has both kinds");
    let first_sound = ranked.iter().position(|b| !b.is_below_maintenance());
    assert_eq!(first_sound, Some(below), "no sound book before one that is not");
    for book in ranked {
        let (margin, needed) = (U256::from(book.margin), book.valuation.maintenance);
        assert_eq!(book.is_below_maintenance(), margin < needed);
        assert_eq!(book.cover < ENOUGH, margin < needed, "{book:?}");
    }
}

#[test]
fn other_rules_change_what_all_need() {
    let mut watch = full(10, 1);
    watch.recheck();
    let before = seen(&watch);
    watch.set_shares(Shares { maintenance_bps: 1_000, ..shares() });
    assert_eq!(watch.recheck(), 10);
    assert_ne!(before, seen(&watch));
    watch.set_shares(Shares { maintenance_bps: 1_000, ..shares() });
    assert_eq!(watch.recheck(), 0);
}
