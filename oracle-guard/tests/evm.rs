//! The crate against the contract's judge, compiled, in an EVM, on random scenarios: bit for bit.
//!
//! `forge build` first. `SPILLWAY_ORACLE_EVM_CASES=100000` and `SPILLWAY_ORACLE_SEED=n` choose how many and which.

use alloy_primitives::{Address, Bytes, U256, address};
use alloy_sol_types::{SolCall, sol};
use oracle_guard::{abi, judge, record, testing::Scenarios};
use revm::{
    Context, ExecuteEvm, MainBuilder, MainContext,
    context::{TxEnv, result::ExecutionResult},
    database::InMemoryDB,
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

fn compare(code: Bytecode, seed: u64, cases: u64) {
    let mut db = InMemoryDB::default();
    db.insert_account_info(HARNESS, AccountInfo::default().with_code(code));
    db.insert_account_info(CALLER, AccountInfo::from_balance(U256::from(1)));
    let mut evm = Context::mainnet().with_db(db).build_mainnet();
    for (n, (config, input, memory)) in Scenarios::new(seed).take(cases as usize).enumerate() {
        let judged = judge(&config, &input, &memory);
        let after = record(&config, &input, &memory, &judged);
        let question = abi::encode_question(&config, &input, &memory);
        let call = TxEnv::builder()
            .caller(CALLER)
            .kind(TxKind::Call(HARNESS))
            .gas_limit(GAS)
            .data(runCall { data: question.into() }.abi_encode().into())
            .build_fill();
        let done = evm.transact(call).expect("the call is well-formed").result;
        let ExecutionResult::Success { output, .. } = &done else {
            panic!(
                "case {n} of seed {seed}: the judge must not revert: {done:?}\n{config:#?}\n{input:#?}\n{memory:?}"
            );
        };
        let said = runCall::abi_decode_returns(output.data()).expect("the harness returns bytes");
        let expected = abi::encode_answer(&judged, &after);
        assert!(
            said == expected,
            "case {n} of seed {seed}\ncontract: {said}\ncrate:    {}\n{judged:?} {after:?}\n{config:#?}\n{input:#?}\n{memory:?}",
            Bytes::from(expected)
        );
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
