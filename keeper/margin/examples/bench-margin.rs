//! `cargo run --release -p margin --example bench-margin`: how fast a whole pool is re-checked.
//!
//! 100,000 accounts with 4 positions each, in 200 series over 4 expiries. Each round moves the price, so that every mark and
//! every book is computed again and all are put in order.
#![allow(clippy::float_arithmetic)]

use alloy_primitives::{Address, U256};
use margin::{Leg, Market, Shares, watch::Watch};
use std::time::{Duration, Instant};

const ACCOUNTS: usize = 100_000;
const LEGS: usize = 4;
const EXPIRIES: [u64; 4] = [7, 30, 90, 180];
const STRIKES: usize = 25;
const ROUNDS: u32 = 15;
const WAD: u128 = 1_000_000_000_000_000_000;

fn main() {
    let shares = Shares {
        max_spot_bps: 1_500,
        min_spot_bps: 1_000,
        maintenance_bps: 750,
        put_mark_bps: 750,
        unpaired_bps: 12_000,
    };
    let mut watch = Watch::new(shares, 6);
    for n in 0..ACCOUNTS {
        let leg = |i: usize| Leg {
            strike: (1_800 + 100 * ((n * 13 + i * 6) % STRIKES) as u128) * WAD,
            is_call: (n + i).is_multiple_of(2),
            size: ((n * 7 + i * 5) % 21) as i128 * WAD as i128 / 10 - WAD as i128,
        };
        let legs: Vec<_> = (0..LEGS).map(leg).collect();
        let account = Address::left_padding_from(&n.to_be_bytes());
        watch.set_book((account, EXPIRIES[n % EXPIRIES.len()]), &legs, (n as u128 * 7_919 % 900) * 1_000_000);
    }
    let mut times: Vec<Duration> =
        (0..ROUNDS).map(|round| recheck(&mut watch, 3_000 + u128::from(round))).collect();
    times.sort_unstable();
    let median = times[times.len() / 2];
    println!(
        "margin_recheck_accounts_per_second {:.0} accounts/s ({ACCOUNTS} accounts, {LEGS} positions each, {median:?} for all, median of {ROUNDS})",
        ACCOUNTS as f64 / median.as_secs_f64()
    );
}

/// One price move, until the books are in order.
fn recheck(watch: &mut Watch, price: u128) -> Duration {
    let start = Instant::now();
    for days in EXPIRIES {
        let price = U256::from(price * WAD);
        let v = U256::from(WAD * u128::from(days) / 300);
        let market = Market { lo: price, hi: price, v_initial: v, v_maintenance: v, v_mark: v };
        watch.set_market(days, market);
    }
    assert_eq!(watch.recheck(), ACCOUNTS, "every book is valued again");
    let order = watch.ranked();
    assert!(order[0].is_below_maintenance() && !order[ACCOUNTS - 1].is_below_maintenance());
    start.elapsed()
}
