//! The crate against the contract's judge, compiled, in an EVM, on random scenarios: bit for bit.
//!
//! `forge build` first. `SPILLWAY_ORACLE_EVM_CASES=100000` and `SPILLWAY_ORACLE_SEED=n` choose how many and which.

mod contract;

use alloy_primitives::Bytes;
use alloy_sol_types::{SolCall, sol};
use contract::Contract;
use oracle_guard::{
    AssetConfig, Input, Judgement, LegMemory, Memory, abi, judge, record, replay::Incident, scenario::Moment,
    testing::Scenarios,
};

sol! {
    function run(bytes calldata data) external pure returns (bytes memory);
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().expect("a number"))
}

/// Judges and remembers as the crate does, or panics; the crate's judgement and memory.
fn agrees(
    contract: &mut Contract,
    case: &str,
    config: &AssetConfig,
    input: &Input,
    memory: &Memory,
) -> (Judgement, Memory) {
    let judged = judge(config, input, memory);
    let after = record(config, input, memory, &judged);
    let expected = abi::encode_answer(&judged, &after);
    let question = runCall { data: abi::encode_question(config, input, memory).into() };
    let said = contract.call(question.abi_encode());
    let said = said.map(|output| runCall::abi_decode_returns(&output).expect("the harness returns bytes"));
    assert!(
        said.as_ref().is_ok_and(|said| *said == expected),
        "{case}\ncontract: {said:?}\ncrate:    {}\n{judged:?} {after:?}\n{config:#?}\n{input:#?}\n{memory:?}",
        Bytes::from(expected)
    );
    (judged, after)
}

fn compare(seed: u64, cases: u64) {
    let mut contract = Contract::new();
    for (n, (config, input, memory)) in Scenarios::new(seed).take(cases as usize).enumerate() {
        agrees(&mut contract, &format!("case {n} of seed {seed}"), &config, &input, &memory);
    }
}

#[test]
fn crate_and_contract_judge_alike() {
    let cases = number("SPILLWAY_ORACLE_EVM_CASES", 4_000);
    let first = number("SPILLWAY_ORACLE_SEED", 1);
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get() as u64).min(cases.max(1));
    std::thread::scope(|scope| {
        let work = |thread: u64| {
            scope.spawn(move || {
                compare(first.wrapping_mul(1_000).wrapping_add(thread), cases.div_ceil(threads))
            })
        };
        let running: Vec<_> = (0..threads).map(work).collect();
        for thread in running {
            thread.join().expect("no disagreement");
        }
    });
    println!("oracle_evm_differential_cases {cases} cases (seed {first})");
}

/// Incidents, calm periods and fast markets, each step with the memory that the step before left.
#[test]
fn each_step_of_each_incident_is_judged_alike() {
    let mut contract = Contract::new();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/incidents");
    let (mut files, mut steps) = (0, 0);
    for entry in std::fs::read_dir(folder).expect("the folder of incidents") {
        let path = entry.expect("an entry").path();
        let text = std::fs::read_to_string(&path).expect("a readable file");
        let incident = Incident::parse(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let config = &incident.config;
        let mut memory =
            incident.anchor.map_or_else(Memory::default, |price| Memory::anchored(price, incident.start));
        // On chain a memory has the shape of its configuration from the first.
        memory.sources = config.sources.iter().map(|s| vec![LegMemory::default(); s.legs.len()]).collect();
        for step in &incident.steps {
            let now = incident.start + step.at;
            let moment = Moment { now, wall: 0, sequencer: step.sequencer, sources: step.sources.clone() };
            let mut input = moment.input(config).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            // What no contract reads.
            for leg in input.sources.iter_mut().flatten() {
                (leg.description, leg.feed_min, leg.feed_max) = Default::default();
            }
            let case = format!("{} at {} s", path.display(), step.at);
            memory = agrees(&mut contract, &case, config, &input, &memory).1;
            steps += 1;
        }
        files += 1;
    }
    println!("oracle_evm_incident_steps {steps} of {files} files");
    assert!(files >= 30 && steps > 300, "{files} files, {steps} steps");
}
