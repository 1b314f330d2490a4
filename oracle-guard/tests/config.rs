//! What contradicts itself is refused, by key.

use alloy_primitives::{Address, U256};
use oracle_guard::{AssetConfig, Kind, LegConfig, Price, Role, SourceConfig, number::ONE};

const NOW: u64 = 1_700_000_000;

fn sound() -> AssetConfig {
    let chainlink = LegConfig { heartbeat: 3_600, ..LegConfig::new(Kind::Chainlink, 8) };
    let pyth = LegConfig { heartbeat: 60, conf_bps: 100, conf_multiple: 2, ..LegConfig::new(Kind::Pyth, 8) };
    let pool = LegConfig {
        window: 1_800,
        min_liquidity: 1,
        max_ticks: 100,
        base_decimals: 18,
        quote_decimals: 6,
        ..LegConfig::new(Kind::UniswapV3Twap, 18)
    };
    let rate = LegConfig {
        rate: Price(ONE),
        rate_at: NOW - 5,
        growth_bps: 500,
        slash_bps: 100,
        ..LegConfig::new(Kind::Rate, 18)
    };
    let source = |legs: Vec<LegConfig>| SourceConfig { legs, ..SourceConfig::default() };
    let reference = SourceConfig { role: Role::Reference, tolerance_bps: 500, legs: vec![pool] };
    AssetConfig {
        sources: vec![
            source(vec![rate, chainlink.clone()]),
            source(vec![pyth]),
            source(vec![chainlink]),
            reference,
        ],
        ..AssetConfig::default()
    }
}

type Spoil = fn(&mut AssetConfig);

#[test]
fn each_contradiction_is_named_by_its_key() {
    let cases: &[(&str, Spoil)] = &[
        ("quorum", |c| c.quorum = 1),
        ("quorum", |c| c.quorum = 4),
        ("quorum", |c| c.sources.truncate(0)),
        ("sources", |c| c.sources = vec![c.sources[2].clone(); 6]),
        ("tolerance_bps", |c| c.tolerance_bps = 0),
        ("tolerance_bps", |c| c.tolerance_bps = 2_001),
        ("skew", |c| c.skew = 301),
        ("jump_bps", |c| c.jump_bps = 9),
        ("vol_bps", |c| c.vol_bps = 10_001),
        ("leap_multiple", |c| c.leap_multiple = 1),
        ("recover_count", |c| c.recover_count = 0),
        ("recover_spacing", |c| c.recover_spacing = 0),
        ("sequencer_grace", |c| c.sequencer_grace = 59),
        ("sequencer_grace", |c| c.sequencer = Some(Address::repeat_byte(1))),
        ("chain_lag", |c| c.chain_lag = 9),
        ("peg", |c| c.peg = Price(ONE)),
        ("peg", |c| c.soft_below_bps = 10),
        ("hard_below_bps", |c| (c.peg, c.soft_below_bps, c.hard_below_bps) = (Price(ONE), 10, 10)),
        ("hard_above_bps", |c| (c.peg, c.hard_above_bps) = (Price(ONE), 10_001)),
        ("sources.0.tolerance_bps", |c| c.sources[0].tolerance_bps = 1),
        ("sources.3.tolerance_bps", |c| c.sources[3].tolerance_bps = 0),
        ("sources.1.legs", |c| c.sources[1].legs.clear()),
        ("sources.1.legs.0.heartbeat", |c| c.sources[1].legs[0].heartbeat = 0),
        ("sources.1.legs.0.heartbeat", |c| c.sources[1].legs[0].heartbeat = 259_201),
        ("sources.3.legs.0.heartbeat", |c| c.sources[3].legs[0].heartbeat = 1),
        ("sources.1.legs.0.decimals", |c| c.sources[1].legs[0].decimals = 37),
        ("sources.3.legs.0.decimals", |c| c.sources[3].legs[0].decimals = 8),
        ("sources.1.legs.0.width_bps", |c| c.sources[1].legs[0].width_bps = 1_001),
        ("sources.1.legs.0.conf_bps", |c| c.sources[1].legs[0].conf_bps = 0),
        ("sources.2.legs.0.conf_bps", |c| c.sources[2].legs[0].conf_bps = 1),
        ("sources.1.legs.0.conf_multiple", |c| c.sources[1].legs[0].conf_multiple = 0),
        ("sources.1.legs.0.carried", |c| c.sources[1].legs[0].carried = true),
        ("sources.2.legs.0.clamp_bps", |c| c.sources[2].legs[0].clamp_bps = 5_001),
        ("sources.2.legs.0.clamp_min", |c| {
            (c.sources[2].legs[0].clamp_min, c.sources[2].legs[0].clamp_max) = (U256::from(5), U256::from(5));
        }),
        ("sources.2.legs.0.clamp_max", |c| c.sources[2].legs[0].clamp_max = U256::MAX),
        ("sources.3.legs.0.clamp_min", |c| c.sources[3].legs[0].clamp_min = U256::from(1)),
        ("sources.2.legs.0.clamp_max", |c| {
            (c.sources[2].legs[0].clamp_max, c.sources[2].legs[0].floor) =
                (U256::from(100_000_000), Price(ONE));
        }),
        ("sources.2.legs.0.clamp_min", |c| {
            (c.sources[2].legs[0].clamp_min, c.sources[2].legs[0].ceiling) =
                (U256::from(100_000_000), Price(ONE));
        }),
        ("sources.2.legs.0.floor", |c| c.sources[2].legs[0].floor = Price(0)),
        ("sources.2.legs.0.floor", |c| c.sources[2].legs[0].ceiling = Price(1)),
        ("sources.3.legs.0.window", |c| c.sources[3].legs[0].window = 299),
        ("sources.3.legs.0.min_liquidity", |c| c.sources[3].legs[0].min_liquidity = 0),
        ("sources.3.legs.0.max_ticks", |c| c.sources[3].legs[0].max_ticks = 0),
        ("sources.3.legs.0.base_decimals", |c| c.sources[3].legs[0].base_decimals = 19),
        ("sources.2.legs.0.base_is_token1", |c| c.sources[2].legs[0].base_is_token1 = true),
        ("sources.0.legs.0.rate_at", |c| c.sources[0].legs[0].rate_at = NOW + 1),
        ("sources.0.legs.0.growth_bps", |c| c.sources[0].legs[0].growth_bps = 100_001),
        ("sources.0.legs.0.rate", |c| c.sources[0].legs[0].ceiling = Price(ONE - 1)),
        ("sources.0.legs.0.growth_bps", |c| c.sources[0].legs[0].rate = Price(0)),
        ("sources", |c| {
            c.sources[1].legs[0].at.address = Address::repeat_byte(7);
            c.sources[2].legs[0].at.address = Address::repeat_byte(7);
        }),
    ];
    assert_eq!(sound().contradictions(NOW), []);
    for (key, spoil) in cases {
        let mut config = sound();
        spoil(&mut config);
        let found = config.contradictions(NOW);
        assert!(found.iter().any(|c| c.key == *key), "{key}: {found:?}");
        assert!(found.iter().all(|c| !c.problem.is_empty() && !c.value.is_empty()));
    }
}

#[test]
fn a_configuration_that_was_written_is_read_back() {
    let mut config = sound();
    config.sources[2].legs[0].clamp_max = U256::from(1) << 191;
    let text = serde_json::to_string(&config).unwrap();
    assert_eq!(serde_json::from_str::<AssetConfig>(&text).unwrap(), config);
    let unknown = text.replacen("\"quorum\"", "\"quorom\"", 1);
    assert!(serde_json::from_str::<AssetConfig>(&unknown).is_err());
}
