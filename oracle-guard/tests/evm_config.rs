//! What the crate and the contract refuse to judge by, on random configurations: the same.
//!
//! `forge build` first. `SPILLWAY_ORACLE_EVM_CASES=100000` and `SPILLWAY_ORACLE_SEED=n` choose how many and which.

mod contract;

use alloy_primitives::{Address, B256, FixedBytes, U256};
use alloy_sol_types::{SolCall, SolError, SolValue, sol};
use contract::Contract;
use oracle_guard::{AssetConfig, Kind, LegConfig, Price, Role, abi, number::ONE, testing::Scenarios};

sol! {
    struct LegTarget { address target; bytes4 selector; bytes32 argument; bytes32 description; }
    function check(bytes calldata data) external pure returns (bytes memory);
    error BadConfig(uint256 source, uint256 leg, string key);
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().expect("a number"))
}

/// One field at, or beside, a bound; now and then far beyond.
fn spoil(random: &mut Scenarios, config: &mut AssetConfig, now: u64) {
    let edge = random.pick(&[
        0,
        1,
        2,
        3,
        8,
        9,
        10,
        18,
        19,
        20,
        21,
        36,
        37,
        59,
        60,
        100,
        101,
        299,
        300,
        301,
        1_000,
        1_001,
        2_000,
        2_001,
        3_600,
        3_601,
        5_000,
        5_001,
        10_000,
        10_001,
        86_400,
        86_401,
        100_000,
        100_001,
        259_200,
        259_201,
        u64::MAX,
    ]);
    let (small, byte, short) = (edge as u16, edge as u8, edge as u32);
    let price =
        Price(random.pick(&[0, 1, ONE / 1_000_000 - 1, ONE / 1_000_000, ONE, ONE + 1, ONE * 2, u128::MAX]));
    let clamp = U256::from(random.pick(&[0, 1, 99_999_999, 100_000_000, 100_000_001, ONE, u128::MAX]));
    let clamp = if random.below(8) == 0 { U256::ONE << 191 } else { clamp };
    let asset = random.below(3) == 0;
    if asset {
        match random.below(16) {
            0 => config.quorum = byte,
            1 => config.tolerance_bps = small,
            2 => config.skew = small,
            3 => config.jump_bps = small,
            4 => config.vol_bps = small,
            5 => config.leap_multiple = byte,
            6 => config.peg = price,
            7 => config.soft_below_bps = small,
            8 => config.soft_above_bps = small,
            9 => config.hard_below_bps = small,
            10 => config.hard_above_bps = small,
            11 => config.sequencer_grace = short,
            12 => config.recover_count = byte,
            13 => config.recover_spacing = small,
            14 => config.sources.clear(),
            _ => config.sources.extend(config.sources.clone()),
        }
        return;
    }
    let at = random.below(config.sources.len() as u64) as usize;
    let Some(source) = config.sources.get_mut(at) else { return };
    match random.below(30) {
        0 => source.role = if source.role == Role::Price { Role::Reference } else { Role::Price },
        1 => source.tolerance_bps = small,
        2 => source.legs.clear(),
        3 => source.legs.extend(source.legs.clone()),
        field => {
            let at = random.below(source.legs.len() as u64) as usize;
            if let Some(leg) = source.legs.get_mut(at) {
                spoil_leg(leg, field, (edge, price, clamp, now));
            }
        }
    }
}

fn spoil_leg(leg: &mut LegConfig, field: u64, (edge, price, clamp, now): (u64, Price, U256, u64)) {
    let (small, byte, short) = (edge as u16, edge as u8, edge as u32);
    match field {
        4 => leg.kind = [Kind::Chainlink, Kind::Pyth, Kind::UniswapV3Twap, Kind::Rate][edge as usize % 4],
        5 => leg.decimals = byte,
        6 => leg.heartbeat = short,
        7 => leg.width_bps = small,
        8 => leg.conf_bps = small,
        9 => leg.conf_multiple = byte,
        10 => leg.carried = !leg.carried,
        11 => leg.floor = price,
        12 => leg.ceiling = price,
        13 => leg.clamp_min = clamp,
        14 => leg.clamp_max = clamp,
        15 => leg.clamp_bps = small,
        16 => leg.window = short,
        17 => leg.min_liquidity = edge.into(),
        18 => leg.max_ticks = small,
        19 => leg.base_decimals = byte,
        20 => leg.quote_decimals = byte,
        21 => leg.base_is_token1 = !leg.base_is_token1,
        22 => leg.rate = price,
        23 => leg.rate_at = [0, now, now.saturating_add(1)][edge as usize % 3],
        24 => leg.growth_bps = short,
        25 => leg.slash_bps = small,
        26 => (leg.clamp_min, leg.clamp_bps) = (clamp, small),
        27 => (leg.clamp_min, leg.clamp_max) = (clamp, clamp + U256::ONE),
        28 => (leg.floor, leg.rate) = (price, Price(ONE)),
        _ => (leg.ceiling, leg.rate) = (price, Price(ONE)),
    }
}

/// Few contracts and feeds, so that some are read twice.
fn place(random: &mut Scenarios, config: &mut AssetConfig) -> Vec<Vec<LegTarget>> {
    let mut targets = Vec::new();
    for (i, source) in config.sources.iter_mut().enumerate() {
        let mut of_source = Vec::new();
        for leg in &mut source.legs {
            let near = random.below(4) == 0;
            leg.at.address = Address::with_last_byte(if near { 1 } else { 2 + i as u8 });
            let id = B256::with_last_byte(random.below(2) as u8);
            leg.at.feed = (leg.kind == Kind::Pyth).then_some(id);
            let selector = FixedBytes::with_last_byte(random.below(2) as u8);
            of_source.push(LegTarget {
                target: leg.at.address,
                selector,
                argument: id,
                description: B256::ZERO,
            });
        }
        targets.push(of_source);
    }
    targets
}

#[test]
fn crate_and_contract_refuse_alike() {
    let cases = number("SPILLWAY_ORACLE_EVM_CASES", 4_000);
    let seed = number("SPILLWAY_ORACLE_SEED", 1);
    let mut contract = Contract::new();
    let mut random = Scenarios::new(seed.wrapping_add(1));
    let mut refused = 0;
    for (n, (mut config, input, _)) in Scenarios::new(seed).take(cases as usize).enumerate() {
        for _ in 0..random.below(3) {
            spoil(&mut random, &mut config, input.now);
        }
        let targets = place(&mut random, &mut config);
        // On chain the address and the grace are given together.
        config.sequencer = (config.sequencer_grace != 0).then(|| Address::with_last_byte(9));
        let found = config.contradictions(input.now);
        let question = (abi::AssetConfig::from(&config), targets, input.now).abi_encode_params();
        let said = contract.call(checkCall { data: question.into() }.abi_encode());
        let same = match &said {
            Ok(_) => found.is_empty(),
            // Not by a panic: an error that names its key.
            Err(ended) => {
                refused += 1;
                !found.is_empty()
                    && ended.output().is_some_and(|output| BadConfig::abi_decode(output).is_ok())
            }
        };
        assert!(same, "case {n} of seed {seed}: contract {said:?}\ncrate {found:#?}\n{config:#?}");
    }
    println!("oracle_config_cases {cases} cases ({refused} refused, seed {seed})");
    assert!(refused > cases / 4 && refused < cases * 3 / 4, "{refused} of {cases} refused");
}
