//! A verdict never gets better when an input gets worse: for each check alone, and for random scenarios as a whole.

use alloy_primitives::{I256, U160, U256, keccak256};
use oracle_guard::{
    Action, AssetConfig, Input, Kind, LegConfig, LegInput, Memory, Outcome, Price, Reason, Reasons, Role,
    SourceConfig, Verdict, judge, number::ONE, testing::Scenarios,
};
use proptest::prelude::*;

const NOW: u64 = 1_700_000_000;

/// `count` Chainlink feeds of 18 decimals that must all but one agree, and what they say.
fn feeds(mids: &[u128]) -> (AssetConfig, Input, Memory) {
    let source = || SourceConfig {
        legs: vec![LegConfig { heartbeat: 3_600, ..LegConfig::new(Kind::Chainlink, 18) }],
        ..SourceConfig::default()
    };
    let sources = mids.iter().map(|_| source()).collect();
    let quorum = (mids.len() / 2 + 1) as u8;
    let config = AssetConfig { quorum, sources, ..AssetConfig::default() };
    let seen = |mid: &u128| {
        vec![LegInput {
            answer: I256::try_from(*mid).expect("an int256"),
            decimals: 18,
            round_id: 7,
            answered_in_round: 7,
            updated_at: NOW - 10,
            ..LegInput::default()
        }]
    };
    let input = Input { now: NOW, sources: mids.iter().map(seen).collect(), ..Input::default() };
    (config, input, Memory::default())
}

fn verdict(scenario: &(AssetConfig, Input, Memory)) -> Verdict {
    judge(&scenario.0, &scenario.1, &scenario.2).verdict
}

type Worsen = fn(&LegConfig, &mut LegInput, u64, u64);

/// How one leg's observation gets worse. The last two numbers are the block's time and how much.
const WORSE: &[(&str, Worsen)] = &[
    ("older", |_, seen, now, by| {
        // 0 is no time at all, which is worse than any.
        if (1..=now).contains(&seen.updated_at) {
            seen.updated_at = seen.updated_at.saturating_sub(by).max(1);
        }
    }),
    ("further ahead", |_, seen, now, by| {
        if seen.updated_at >= now.max(1) {
            seen.updated_at = seen.updated_at.saturating_add(by);
        }
    }),
    ("incomplete", |leg, seen, _, _| {
        if matches!(leg.kind, Kind::Chainlink | Kind::Pyth) {
            seen.updated_at = 0;
        }
    }),
    ("an earlier round, or one of an earlier aggregator", |leg, seen, _, by| {
        if leg.kind == Kind::Chainlink {
            let back = if by.is_multiple_of(2) { u128::from(by) } else { u128::from(by % 5) };
            let earlier = seen.round_id.saturating_sub(back << if by.is_multiple_of(4) { 60 } else { 0 });
            // Rounds that are remembered are of phase 1: back in it from a later one, nothing has changed its aggregator.
            if earlier >> 64 == seen.round_id >> 64 || earlier >> 64 != 1 {
                seen.round_id = earlier;
                seen.answered_in_round = seen.answered_in_round.min(earlier.saturating_sub(1));
            }
        }
    }),
    ("another aggregator", |leg, seen, _, by| {
        // Rounds that are remembered are of phase 1: below it this would not be worse.
        if leg.kind == Kind::Chainlink && seen.round_id >= 1 << 65 {
            seen.round_id = seen.round_id.saturating_add(u128::from(by % 3) << 64).min((1 << 80) - 1);
        } else if leg.kind == Kind::Chainlink && seen.round_id >= 1 << 64 | 6 {
            seen.round_id += 1 << 64;
            seen.answered_in_round += 1 << 64;
        }
    }),
    ("reverts", |_, seen, _, _| seen.outcome = Outcome::Reverted),
    ("no code", |_, seen, _, _| seen.outcome = Outcome::NoCode),
    ("out of gas", |_, seen, _, _| seen.outcome = Outcome::OutOfGas),
    ("malformed", |_, seen, _, _| seen.outcome = Outcome::Malformed),
    ("other decimals", |leg, seen, _, _| seen.decimals = leg.decimals.wrapping_add(1)),
    ("not positive", |leg, seen, _, by| {
        if leg.kind != Kind::UniswapV3Twap {
            seen.answer = -I256::try_from(by).expect("an int256");
        }
    }),
    ("less sure", |_, seen, _, by| {
        seen.conf = seen.conf.saturating_add(U256::from(by)).saturating_mul(U256::from(2))
    }),
    ("thinner", |_, seen, _, by| {
        if !seen.liquidity_delta.is_zero() {
            seen.liquidity_delta = seen.liquidity_delta.saturating_add(U160::from(by));
        }
    }),
    ("a shorter memory", |_, seen, _, by| seen.oldest = seen.oldest.saturating_sub(by)),
    ("a spot price further off", |leg, seen, _, by| {
        if leg.kind == Kind::UniswapV3Twap {
            let mean = seen.tick_delta.div_euclid(i64::from(leg.window));
            let by = i64::try_from(by).unwrap_or(i64::MAX / 4);
            let spot = i64::from(seen.spot_tick);
            let far = if spot >= mean { spot.saturating_add(by) } else { spot.saturating_sub(by) };
            seen.spot_tick = far.clamp(i32::MIN.into(), i32::MAX.into()) as i32;
        }
    }),
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// The whole, on random scenarios: one leg, or all legs of one source, get worse in one way.
    #[test]
    fn a_worse_observation_is_never_judged_better(
        seed: u64, way in 0..WORSE.len(), at: usize, leg: usize, by in prop_oneof![1u64..4, 1u64..100_000, any::<u64>()],
    ) {
        let before = Scenarios::new(seed).next().unwrap();
        let mut after = before.clone();
        let i = at % before.0.sources.len();
        let j = leg % before.0.sources[i].legs.len();
        (WORSE[way].1)(&before.0.sources[i].legs[j], &mut after.1.sources[i][j], before.1.now, by);
        prop_assert!(verdict(&after) >= verdict(&before), "{}", WORSE[way].0);
        // Nor is anything allowed that was not, unless only what the source itself said stood against it: a price in the
        // middle that was off its peg or apart from a reference.
        let reasons = |of: &(AssetConfig, Input, Memory)| judge(&of.0, &of.1, &of.2).reasons;
        let (was, is) = (reasons(&before), reasons(&after));
        let said = Reasons::of(&[Reason::OffPeg, Reason::ReferenceApart]);
        for action in Action::ALL.into_iter().filter(|action| action.allowed(is)) {
            prop_assert!(action.allowed(was.without(said)), "{} {action:?}: {was:?}, then {is:?}", WORSE[way].0);
        }
    }

    /// The sequencer, the way back and the chain's lag, on random scenarios.
    #[test]
    fn a_worse_chain_is_never_judged_better(seed: u64, way in 0..6usize, by in 0u64..100_000) {
        let mut before = Scenarios::new(seed).next().unwrap();
        before.0.chain_lag = 60;
        before.1.wall = before.1.now.saturating_add(by % 120).max(1);
        let mut after = before.clone();
        let sequencer = &mut after.1.sequencer;
        match way {
            0 => sequencer.outcome = Outcome::NoCode,
            1 if sequencer.answer == I256::ZERO => sequencer.answer = I256::ONE,
            2 if sequencer.started_at <= before.1.now && sequencer.started_at != 0 => {
                sequencer.started_at = sequencer.started_at.saturating_add(by).min(before.1.now);
            }
            3 => sequencer.started_at = 0,
            4 => after.1.wall = after.1.wall.saturating_add(by),
            5 => after.2.recovering = true,
            _ => {}
        }
        prop_assert!(verdict(&after) >= verdict(&before));
    }

    /// What only the keeper sees: a feed of another description, one that clamps elsewhere, or nothing at all.
    #[test]
    fn another_feed_is_never_judged_better(count in 1..4usize, at: usize, low in 1u64..9, high in 11u64..99, way in 0..4usize) {
        let mut before = feeds(&vec![ONE; count]);
        for source in &mut before.0.sources {
            let leg = &mut source.legs[0];
            leg.at.description = Some("ETH / USD".to_owned());
            (leg.clamp_min, leg.clamp_max) = (U256::from(ONE / 10), U256::from(ONE * 10));
        }
        let seen = |by: u64| I256::try_from(ONE * u128::from(by) / 10).expect("an int256");
        for source in &mut before.1.sources {
            (source[0].description, source[0].feed_min, source[0].feed_max) = (keccak256("ETH / USD"), seen(1), seen(100));
        }
        prop_assert!(judge(&before.0, &before.1, &before.2).reasons.without(Reasons::of(&[Reason::SingleSource])).is_empty());
        let mut after = before.clone();
        let source = &mut after.1.sources[at % count];
        let (reason, leg) = match way {
            0 => (Reason::DescriptionChanged, LegInput { description: keccak256("BTC / USD"), ..source[0] }),
            1 => (Reason::BoundsChanged, LegInput { feed_min: seen(low + 1), ..source[0] }),
            2 => (Reason::BoundsChanged, LegInput { feed_max: seen(high), ..source[0] }),
            _ => (Reason::Malformed, source[0]),
        };
        if way == 3 { source.clear() } else { source[0] = leg }
        let judged = judge(&after.0, &after.1, &after.2);
        prop_assert!(judged.verdict > Verdict::Healthy && judged.verdict >= verdict(&before));
        prop_assert!(judged.reasons.has(reason), "{:?}", judged.reasons);
    }

    /// Deviation: the further one source is from the others, the worse.
    #[test]
    fn further_apart_is_never_better(
        count in 1..4usize, by in 0u64..3_000, more in 0u64..3_000, up: bool,
    ) {
        let moved = |bps: u64| {
            let by = ONE / 10_000 * u128::from(bps);
            let mut mids = vec![ONE; count];
            mids.push(if up { ONE + by } else { ONE - by });
            feeds(&mids)
        };
        prop_assert!(verdict(&moved(by + more)) >= verdict(&moved(by)));
    }

    /// Jump and leap: the further from the last price, and the shorter the time, the worse.
    #[test]
    fn a_further_move_is_never_better(
        by in 0u64..100_000, more in 0u64..100_000, elapsed in 0u64..10_000, less in 0u64..10_000, up: bool,
    ) {
        let moved = |bps: u64, elapsed: u64| {
            let far = ONE + ONE / 10_000 * u128::from(bps);
            let (mut scenario, last) = if up { (feeds(&[far; 3]), ONE) } else { (feeds(&[ONE; 3]), far) };
            (scenario.2.last, scenario.2.last_at) = (Price(last), NOW - elapsed);
            scenario
        };
        prop_assert!(verdict(&moved(by + more, elapsed)) >= verdict(&moved(by, elapsed)));
        prop_assert!(verdict(&moved(by, elapsed.saturating_sub(less))) >= verdict(&moved(by, elapsed)));
    }

    /// The peg: the further off, the worse.
    #[test]
    fn further_off_the_peg_is_never_better(by in 0u64..5_000, more in 0u64..5_000, up: bool) {
        let off = |bps: u64| {
            let by = ONE / 10_000 * u128::from(bps);
            let mut scenario = feeds(&[if up { ONE + by } else { ONE - by }; 3]);
            scenario.0.peg = Price(ONE);
            (scenario.0.soft_below_bps, scenario.0.hard_below_bps) = (100, 2_000);
            (scenario.0.soft_above_bps, scenario.0.hard_above_bps) = (50, 1_000);
            scenario
        };
        prop_assert!(verdict(&off(by + more)) >= verdict(&off(by)));
    }

    /// Clamps and range: the nearer to the end or the further beyond it, the worse.
    #[test]
    fn nearer_to_a_bound_is_never_better(by in 0u64..9_000, more in 0u64..9_000, up: bool, ranged: bool) {
        let at = |bps: u64| {
            let by = ONE / 10_000 * u128::from(bps.min(9_999));
            let mut scenario = feeds(&[if up { ONE + by } else { ONE - by }; 3]);
            for source in &mut scenario.0.sources {
                let leg = &mut source.legs[0];
                if ranged {
                    (leg.floor, leg.ceiling) = (Price(ONE / 2), Price(ONE * 3 / 2));
                } else {
                    (leg.clamp_min, leg.clamp_max) = (U256::from(ONE / 2), U256::from(ONE * 3 / 2));
                    leg.clamp_bps = 100;
                }
            }
            scenario
        };
        prop_assert!(verdict(&at(by + more)) >= verdict(&at(by)));
    }

    /// Rates: the higher above the cap, or the lower below the floor, the worse.
    #[test]
    fn a_rate_further_out_is_never_better(by in 0u64..5_000, more in 0u64..5_000, up: bool) {
        let at = |bps: u64| {
            let by = ONE / 10_000 * u128::from(bps);
            let mut scenario = feeds(&[if up { ONE + by } else { ONE - by }; 3]);
            for source in &mut scenario.0.sources {
                let leg = &mut source.legs[0];
                (leg.rate, leg.rate_at, leg.growth_bps, leg.slash_bps) = (Price(ONE), NOW - 31_536_000, 500, 300);
            }
            scenario
        };
        prop_assert!(verdict(&at(by + more)) >= verdict(&at(by)));
    }

    /// A reference: the further from it, the worse, and without it no better.
    #[test]
    fn further_from_a_reference_is_never_better(by in 0u64..5_000, more in 0u64..5_000) {
        let at = |bps: u64| {
            let mut scenario = feeds(&[ONE, ONE, ONE + ONE / 10_000 * u128::from(bps)]);
            scenario.0.sources[2].role = Role::Reference;
            scenario.0.sources[2].tolerance_bps = 500;
            scenario
        };
        prop_assert!(verdict(&at(by + more)) >= verdict(&at(by)));
        let mut gone = at(by);
        gone.1.sources[2][0].outcome = Outcome::Reverted;
        prop_assert!(verdict(&gone) >= verdict(&at(by)));
    }

    /// Whatever is given: no panic, no price where it is insane, lo to hi around mid, and only what is named.
    #[test]
    fn what_is_said_holds_together(seed: u64) {
        let (config, input, memory) = Scenarios::new(seed).next().unwrap();
        let judged = judge(&config, &input, &memory);
        let (explained, findings) = oracle_guard::explain(&config, &input, &memory);
        prop_assert_eq!(judged, explained);
        prop_assert_eq!(judged.price.is_none(), judged.verdict == Verdict::Insane);
        if let Some(price) = judged.price {
            prop_assert!(price.lo <= price.mid && price.mid <= price.hi && price.mid.0 > 0);
        }
        // Every reason comes with its numbers, and nothing is told that is no reason.
        let told: Reasons = findings.iter().map(|f| f.reason).collect();
        prop_assert_eq!(told, judged.reasons);
        if judged.verdict == Verdict::Healthy {
            prop_assert!(!judged.reasons.has(Reason::Dropped));
        }
    }

    /// A configuration that nobody checked, beyond every bound: no panic, and a price only where there is a verdict.
    #[test]
    fn no_configuration_panics(seed: u64, bytes in prop::collection::vec(any::<u8>(), 96), wide: [[u8; 32]; 2]) {
        let (mut config, input, memory) = Scenarios::new(seed).next().unwrap();
        let mut bytes = bytes.into_iter().cycle();
        let mut byte = || bytes.next().expect("a cycle has no end");
        let odd = |of: u8| if of.is_multiple_of(3) { u64::MAX } else { u64::from(of) << (of % 57) };
        (config.quorum, config.leap_multiple, config.recover_count) = (byte() % 8, byte(), byte());
        (config.tolerance_bps, config.skew, config.jump_bps) = (odd(byte()) as u16, odd(byte()) as u16, odd(byte()) as u16);
        (config.vol_bps, config.recover_spacing) = (odd(byte()) as u16, odd(byte()) as u16);
        (config.sequencer_grace, config.hard_above_bps) = (odd(byte()) as u32, odd(byte()) as u16);
        for leg in config.sources.iter_mut().flat_map(|source| &mut source.legs) {
            (leg.decimals, leg.base_decimals, leg.quote_decimals) = (byte(), byte(), byte());
            (leg.heartbeat, leg.window, leg.growth_bps) = (odd(byte()) as u32, odd(byte()) as u32, odd(byte()) as u32);
            (leg.width_bps, leg.conf_bps, leg.conf_multiple) = (odd(byte()) as u16, odd(byte()) as u16, byte());
            (leg.slash_bps, leg.clamp_bps) = (odd(byte()) as u16, odd(byte()) as u16);
            (leg.floor, leg.ceiling) = (Price(u128::from(odd(byte()))), Price(u128::from(odd(byte()))));
            (leg.clamp_min, leg.clamp_max) = (U256::from_be_bytes(wide[0]), U256::from_be_bytes(wide[1]));
        }
        let judged = judge(&config, &input, &memory);
        oracle_guard::record(&config, &input, &memory, &judged);
        prop_assert_eq!(judged.price.is_none(), judged.verdict == Verdict::Insane);
        config.contradictions(NOW);
    }

    /// Garbage of the right types: no panic.
    #[test]
    fn nothing_panics(
        seed: u64, at: usize, answer: [u8; 32], conf: [u8; 32], liquidity: [u8; 20], now: u64,
        updated_at: u64, tick_delta: i64, spot_tick: i32, oldest: u64, round_id: u128, decimals: u8,
    ) {
        let (mut config, mut input, mut memory) = Scenarios::new(seed).next().unwrap();
        let i = at % config.sources.len();
        let seen = &mut input.sources[i][0];
        (seen.answer, seen.conf) = (I256::from_be_bytes(answer), U256::from_be_bytes(conf));
        (seen.liquidity_delta, seen.updated_at) = (U160::from_be_bytes(liquidity), updated_at);
        (seen.tick_delta, seen.spot_tick, seen.oldest) = (tick_delta, spot_tick, oldest);
        (seen.round_id, seen.decimals) = (round_id, decimals);
        let judged = judge(&config, &input, &memory);
        oracle_guard::record(&config, &input, &memory, &judged);
        // Nor when less was read or remembered than is configured, or more is configured than may be.
        input.now = now;
        input.sources.truncate(i);
        memory.sources.clear();
        config.sources.extend(config.sources.clone());
        config.sources.extend(config.sources.clone());
        let judged = judge(&config, &input, &memory);
        oracle_guard::record(&config, &input, &memory, &judged);
    }
}
