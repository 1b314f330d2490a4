//! Against `tests/vectors/margin`, which whole numbers of 90 decimals made.
#![allow(clippy::float_arithmetic)]

use alloy_primitives::U256;
use margin::{Leg, Market, Marks, Shape, Shares, black76, indicative, model::value};
use serde_json::Value;

fn read(name: &str) -> Value {
    let path = format!("{}/../../tests/vectors/margin/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    serde_json::from_str(&text).expect("the vectors are JSON")
}

fn number(value: &Value) -> U256 {
    value.as_str().expect("numbers are text").parse().expect("a whole number")
}

/// The square root of the years, with 18 decimals, as a pool takes it.
fn root(seconds: U256) -> U256 {
    (seconds * U256::from(10).pow(U256::from(36)) / U256::from(31_536_000)).root(2)
}

#[test]
fn values_are_those_of_the_reference() {
    let (json, wad) = (read("black76.json"), U256::from(10).pow(U256::from(18)));
    let column = |name: &str| json[name].as_array().expect("a column").clone();
    let (forward, strike, volatility) = (column("forward"), column("strike"), column("volatility"));
    let (seconds, is_call, value36) = (column("seconds"), column("isCall"), column("value36"));
    let (mut worst, mut counted) = (0f64, 0);
    for i in 0..forward.len() {
        let (f, k, sigma) = (number(&forward[i]), number(&strike[i]), number(&volatility[i]));
        let call = is_call[i].as_bool().expect("a truth value");
        let (v, exact) = (sigma * root(number(&seconds[i])) / wad, number(&value36[i]));
        let apart = (black76::price(f, k, v, call) * wad).abs_diff(exact);
        assert!(apart <= (black76::error_of(f, k) + f / U256::from(10).pow(U256::from(16))) * wad, "{i}");
        assert!(black76::price_up(f, k, v + U256::ONE, call) * wad >= exact, "up {i}");
        assert!(black76::price_down(f, k, v, call) * wad <= exact, "down {i}");
        // Below a billionth of the price is below a thousandth of a cent.
        if exact < f * U256::from(10).pow(U256::from(9)) {
            continue;
        }
        let years = f64::from(number(&seconds[i])) / 31_536_000.0;
        let v = f64::from(sigma) / 1e18 * years.sqrt();
        let ours = indicative::price(f64::from(f) / 1e18, f64::from(k) / 1e18, v, call);
        let exact = f64::from(exact) / 1e36;
        worst = worst.max((ours - exact).abs() / exact);
        counted += 1;
    }
    println!("black_scholes_rel_err_rust {worst:.3e} relative");
    assert!(worst <= 1e-9, "{worst:e}");
    assert!(counted > 1_000, "{counted}");
}

#[test]
fn needs_are_those_of_the_reference() {
    let json = read("margin.json");
    let bps = |name: &str| u16::try_from(json["shares"][name].as_u64().expect("a number")).expect("16 bits");
    let shares = Shares {
        max_spot_bps: bps("maxSpotBps"),
        min_spot_bps: bps("minSpotBps"),
        maintenance_bps: bps("maintenanceBps"),
        put_mark_bps: bps("putMarkBps"),
        unpaired_bps: bps("unpairedBps"),
    };
    let wad = U256::from(10).pow(U256::from(18));
    let cases = json["cases"].as_array().expect("cases");
    assert!(cases.len() >= 80);
    for case in cases {
        let list = |name: &str| case[name].as_array().expect("a list").clone();
        let sizes = list("sizes");
        let size = |i: usize| sizes[i].as_str().expect("text").parse::<i128>().expect("a size");
        let legs: Vec<_> = list("strikes")
            .iter()
            .zip(list("calls"))
            .enumerate()
            .map(|(i, (strike, call))| Leg {
                strike: number(strike).to(),
                is_call: call.as_bool().expect("a truth value"),
                size: size(i),
            })
            .collect();
        let v = |name: &str| number(&case[name]) * root(number(&case["seconds"])) / wad + U256::ONE;
        let market = Market {
            lo: number(&case["lo"]),
            hi: number(&case["hi"]),
            v_initial: v("initialVolatility"),
            v_maintenance: v("maintenanceVolatility"),
            v_mark: U256::ZERO,
        };
        let marks: Vec<_> = legs.iter().map(|l| Marks::of(l.strike, l.is_call, &market, &shares)).collect();
        let held = legs.iter().zip(&marks).map(|(leg, marks)| (leg.size, marks));
        let ours = value(held, &Shape::of(&legs), market.hi, &shares, U256::ONE);
        // Never below, and above by no more than the marks' error bounds.
        let contracts: u128 = legs.iter().map(|leg| leg.size.unsigned_abs()).sum();
        let slack = U256::from(1_000_000)
            + U256::from(contracts) * market.hi / wad / U256::from(1_000_000_000_000u64);
        for (ours, exact) in [(ours.initial, "initial"), (ours.maintenance, "maintenance")] {
            let (name, exact) = (format!("{} {exact}", case["name"]), number(&case[exact]));
            let ours = ours.div_ceil(wad);
            assert!(ours >= exact && ours <= exact + slack, "{name}: {ours} for {exact}");
        }
    }
}

#[test]
fn deltas_are_the_slope_of_the_value() {
    for (forward, strike, v) in [(3_000.0, 3_000.0, 0.2), (3_000.0, 4_000.0, 0.3), (0.5, 0.4, 1.2)] {
        for is_call in [true, false] {
            let step = forward * 1e-4;
            let at = |f: f64| indicative::price(f, strike, v, is_call);
            let slope = (at(forward + step) - at(forward - step)) / (2.0 * step);
            let delta = indicative::delta(forward, strike, v, is_call);
            assert!((slope - delta).abs() < 1e-6, "{forward} {strike} {v} {is_call}: {slope} {delta}");
        }
    }
    assert_eq!(indicative::delta(3.0, 2.0, 0.0, true), 1.0);
    assert_eq!(indicative::delta(3.0, 2.0, 0.0, false), 0.0);
}
