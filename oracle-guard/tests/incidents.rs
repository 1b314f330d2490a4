//! Known incidents, calm periods and fast but honest markets, step by step.

use oracle_guard::{
    Action, Reason, Verdict,
    replay::{Incident, Sort},
};
use std::path::PathBuf;

fn incidents() -> Vec<(String, Incident)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("incidents");
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .expect("the folder of incidents")
        .map(|e| e.expect("an entry").path())
        .collect();
    paths.sort();
    let read = |path: &PathBuf| {
        let text = std::fs::read_to_string(path).expect("a readable file");
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        (name, Incident::parse(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display())))
    };
    paths.iter().map(read).collect()
}

#[test]
fn no_known_incident_passes_as_healthy() {
    let (mut wrong, mut count, mut damage) = (Vec::new(), 0, 0);
    for (name, incident) in incidents().into_iter().filter(|(_, i)| i.sort == Sort::Incident) {
        count += 1;
        assert!(incident.steps.iter().any(|step| step.wrong), "{name} shows nothing wrong");
        let replay = incident.replay().unwrap_or_else(|e| panic!("{name}: {e}"));
        wrong.extend(replay.passed.iter().map(|why| format!("{name}: {why}")));
        for said in replay.steps.iter().filter(|said| said.wrong) {
            if said.verdict == Verdict::Healthy {
                wrong.push(format!("{name} at {} s is healthy", said.at));
            }
        }
        damage += replay.damage_refused_usd;
    }
    println!("oracle_incidents {count} incidents\noracle_damage_refused {damage} USD");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count >= 20, "{count} incidents");
}

#[test]
fn each_step_is_judged_as_its_file_says() {
    let mut wrong = Vec::new();
    for (name, incident) in incidents() {
        let replay = incident.replay().unwrap_or_else(|e| panic!("{name}: {e}"));
        for (step, said) in incident.steps.iter().zip(&replay.steps) {
            let missing = step.because.without(said.reasons);
            if said.verdict != step.says || !missing.is_empty() {
                wrong.push(format!(
                    "{name} at {} s: {} {}, not {} {}",
                    step.at, said.verdict, said.reasons, step.says, step.because
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A pool's mean lags in a fast market. That nobody remembers the price meanwhile would make a jump of what was a way.
#[test]
fn a_lagging_pool_makes_no_jump_of_a_fall() {
    let (_, incident) = incidents().into_iter().find(|(name, _)| name == "fast-2025-10-10-eth-pool").unwrap();
    let replay = incident.replay().unwrap();
    let off = replay.steps.iter().filter(|said| said.reasons.has(Reason::SpotOffMean)).count();
    assert!(off > 10, "{off} steps with a pool that moves");
    for said in &replay.steps {
        assert!(!said.reasons.has(Reason::Jump), "at {} s: {}", said.at, said.reasons);
    }
    assert_eq!(replay.steps.last().unwrap().verdict, Verdict::Healthy);
}

/// A file of somebody's own that cannot be: an error that says what, not a panic and not a guess.
#[test]
fn what_cannot_be_replayed_is_refused() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/incidents/2023-12-arbitrum-sequencer.json");
    let sound: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let more = sound["steps"][0]["sources"][0].clone();
    let cases = [
        ("/start", u64::MAX.into(), "at = 240"),
        ("/steps/0/at", 4_000.into(), "at = 240"),
        ("/config/quorum", 1.into(), "config: quorum = 1: expected 2 to 2"),
        (
            "/steps/0/sources/0",
            serde_json::json!([more[0], more[0]]),
            "2 legs are described, and 1 configured",
        ),
        (
            "/steps/0/sources",
            serde_json::json!([more, more, more]),
            "3 sources are described, and 2 configured",
        ),
        ("/steps/0/sources/0/0/price", "1.123456789".into(), "\"1.123456789\" is no price with 8 decimals"),
        ("/steps/0/sources/0/0/cost", 1.into(), "unknown field `cost`"),
    ];
    for (pointer, value, says) in cases {
        let mut broken = sound.clone();
        match broken.pointer_mut(pointer) {
            Some(place) => *place = value,
            None => broken["steps"][0]["sources"][0][0]["cost"] = value,
        }
        let refused = Incident::parse(&broken.to_string()).and_then(|incident| incident.replay());
        let error = refused.expect_err(pointer).to_string();
        assert!(error.contains(says), "{pointer}: {error}");
    }
}

#[test]
fn calm_and_fast_but_honest_markets_are_never_insane() {
    let mut totals = [(Sort::Calm, 0, 0), (Sort::Fast, 0, 0)];
    let mut insane = Vec::new();
    for (name, incident) in incidents() {
        let Some(total) = totals.iter_mut().find(|t| t.0 == incident.sort) else { continue };
        let replay = incident.replay().unwrap_or_else(|e| panic!("{name}: {e}"));
        for said in &replay.steps {
            if said.verdict == Verdict::Insane {
                insane.push(format!("{name} at {} s: {}", said.at, said.reasons));
            }
            assert!(!said.refused.contains(&Action::Repayment) && !said.refused.contains(&Action::Payout));
            total.1 += 1;
            if said.verdict != Verdict::Healthy {
                total.2 += 1;
                println!("{name} at {} s: {} {}", said.at, said.verdict, said.reasons);
            }
            let (Some(price), Some(market)) = (said.price, said.market) else { continue };
            let off = oracle_guard::number::distance(price.mid.0, market.0);
            assert!(off <= 200, "{name} at {} s: {} for {market}", said.at, price.mid);
        }
    }
    for (sort, steps, alarms) in totals {
        let name = format!("{sort:?}").to_lowercase();
        println!("oracle_false_alarms_{name} {alarms} alarms of {steps} judgements");
        println!("oracle_false_alarm_rate_{name} {} bps", alarms * 10_000 / steps);
        assert!(steps > 50);
    }
    println!("oracle_false_insane {} judgements", insane.len());
    assert!(insane.is_empty(), "{}", insane.join("\n"));
    // A calm market has no alarm at all; a fast one is held after each jump.
    assert_eq!(totals[0].2, 0);
}
