//! The crate against the contract's judge, compiled, in an EVM, on random scenarios: bit for bit.
//!
//! `forge build` first. `SPILLWAY_ORACLE_EVM_CASES=100000` and `SPILLWAY_ORACLE_SEED=n` choose how many and which.

use alloy_primitives::{Address, Bytes, U256, address};
use alloy_sol_types::{SolCall, sol};
use oracle_guard::{
    AssetConfig, Input, Judgement, LegMemory, Memory, abi, judge, record, replay::Incident, scenario::Moment,
    testing::Scenarios,
};
use revm::{
    Context, ExecuteEvm, MainBuilder, MainContext, MainnetEvm,
    context::{TxEnv, result::ExecutionResult},
    database::InMemoryDB,
    handler::MainnetContext,
    primitives::TxKind,
    state::{AccountInfo, Bytecode},
};

sol! {
    function run(bytes calldata data) external pure returns (bytes memory);
}

const HARNESS: Address = address!("0x00000000000000000000000000000000000000aa");
const CALLER: Address = address!("0x00000000000000000000000000000000000000bb");
const GAS: u64 = 16_000_000;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().expect("a number"))
}

/// The code of the judge's harness, as forge compiled it.
fn harness() -> Bytecode {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../out/JudgeHarness.sol/JudgeHarness.json");
    let json =
        std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{path}: {e}; run `forge build` first"));
    let json: serde_json::Value = serde_json::from_str(&json).expect("forge writes JSON");
    let code = json["deployedBytecode"]["object"].as_str().expect("an artifact has code");
    Bytecode::new_raw(code.parse::<Bytes>().expect("code is hexadecimal"))
}

/// The contract's judge.
struct Contract(MainnetEvm<MainnetContext<InMemoryDB>>);

impl Contract {
    fn new(code: Bytecode) -> Self {
        let mut db = InMemoryDB::default();
        db.insert_account_info(HARNESS, AccountInfo::default().with_code(code));
        db.insert_account_info(CALLER, AccountInfo::from_balance(U256::from(1)));
        Self(Context::mainnet().with_db(db).build_mainnet())
    }

    fn answer(&mut self, question: Vec<u8>) -> Result<Bytes, ExecutionResult> {
        let call = TxEnv::builder()
            .caller(CALLER)
            .kind(TxKind::Call(HARNESS))
            .gas_limit(GAS)
            .data(runCall { data: question.into() }.abi_encode().into())
            .build_fill();
        match self.0.transact(call).expect("the call is well-formed").result {
            ExecutionResult::Success { output, .. } => {
                Ok(runCall::abi_decode_returns(output.data()).expect("the harness returns bytes"))
            }
            failed => Err(failed),
        }
    }

    /// Judges and remembers as the crate does, or panics; the crate's judgement and memory.
    fn agrees(
        &mut self,
        case: &str,
        config: &AssetConfig,
        input: &Input,
        memory: &Memory,
    ) -> (Judgement, Memory) {
        let judged = judge(config, input, memory);
        let after = record(config, input, memory, &judged);
        let expected = abi::encode_answer(&judged, &after);
        let said = self.answer(abi::encode_question(config, input, memory));
        assert!(
            said.as_ref().is_ok_and(|said| *said == expected),
            "{case}\ncontract: {said:?}\ncrate:    {}\n{judged:?} {after:?}\n{config:#?}\n{input:#?}\n{memory:?}",
            Bytes::from(expected)
        );
        (judged, after)
    }
}

fn compare(code: Bytecode, seed: u64, cases: u64) {
    let mut contract = Contract::new(code);
    for (n, (config, input, memory)) in Scenarios::new(seed).take(cases as usize).enumerate() {
        contract.agrees(&format!("case {n} of seed {seed}"), &config, &input, &memory);
    }
}

#[test]
fn crate_and_contract_judge_alike() {
    let cases = number("SPILLWAY_ORACLE_EVM_CASES", 4_000);
    let first = number("SPILLWAY_ORACLE_SEED", 1);
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get() as u64).min(cases.max(1));
    let code = harness();
    std::thread::scope(|scope| {
        let work = |thread: u64| {
            let code = code.clone();
            scope.spawn(move || {
                compare(code, first.wrapping_mul(1_000).wrapping_add(thread), cases.div_ceil(threads))
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
    let mut contract = Contract::new(harness());
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
            memory = contract.agrees(&case, config, &input, &memory).1;
            steps += 1;
        }
        files += 1;
    }
    println!("oracle_evm_incident_steps {steps} of {files} files");
    assert!(files >= 30 && steps > 300, "{files} files, {steps} steps");
}
