//! Marks against QuantLib and py_vollib: `make test-all` installs them.
#![allow(clippy::float_arithmetic)]

use margin::indicative;
use serde_json::Value;
use std::process::Command;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

#[test]
#[ignore = "needs QuantLib and py_vollib: make test-all"]
fn marks_are_those_of_other_libraries() {
    let python = std::env::var("SPILLWAY_REFEREES").expect("SPILLWAY_REFEREES names a Python that has them");
    let output = Command::new(python)
        .arg(format!("{ROOT}/script/margin/referees.py"))
        .output()
        .expect("Python starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let text = std::fs::read_to_string(format!("{ROOT}/tests/vectors/margin/black76.json")).expect("vectors");
    let asked: Value = serde_json::from_str(&text).expect("JSON");
    let number = |name: &str, i: usize| -> f64 {
        asked[name][i].as_str().expect("numbers are text").parse().expect("a number")
    };
    // Far out of the money QuantLib subtracts what is nearly equal: its own error is 4e-9 where the value is a billionth of
    // the forward.
    for (library, least) in [("vollib", 1e-9), ("quantlib", 1e-6)] {
        let values = said[library].as_array().expect("a column");
        let (mut worst, mut counted) = (0f64, 0);
        for (i, theirs) in values.iter().enumerate() {
            let (forward, strike) = (number("forward", i) / 1e18, number("strike", i) / 1e18);
            let v = number("volatility", i) / 1e18 * (number("seconds", i) / 31_536_000.0).sqrt();
            let is_call = asked["isCall"][i].as_bool().expect("a truth value");
            let theirs = theirs.as_f64().expect("a number");
            if theirs < least * forward {
                continue;
            }
            let ours = indicative::price(forward, strike, v, is_call);
            worst = worst.max((ours - theirs).abs() / theirs);
            counted += 1;
        }
        println!("black_scholes_rel_err_rust_{library} {worst:.3e} relative ({counted} options)");
        assert!(worst <= 1e-9, "{library}: {worst:e}");
        assert!(counted > 1_000, "{library}: {counted}");
    }
}
