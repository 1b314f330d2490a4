//! The judge's harness, as forge compiled it, in an EVM of this process.

use alloy_primitives::{Address, Bytes, U256, address};
use revm::{
    Context, ExecuteEvm, MainBuilder, MainContext, MainnetEvm,
    context::{TxEnv, result::ExecutionResult},
    database::InMemoryDB,
    handler::MainnetContext,
    primitives::TxKind,
    state::{AccountInfo, Bytecode},
};

const HARNESS: Address = address!("0x00000000000000000000000000000000000000aa");
const CALLER: Address = address!("0x00000000000000000000000000000000000000bb");
const GAS: u64 = 16_000_000;

/// The contract's judge.
pub struct Contract(MainnetEvm<MainnetContext<InMemoryDB>>);

impl Contract {
    pub fn new() -> Self {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../out/JudgeHarness.sol/JudgeHarness.json");
        let json =
            std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{path}: {e}; run `forge build` first"));
        let json: serde_json::Value = serde_json::from_str(&json).expect("forge writes JSON");
        let code = json["deployedBytecode"]["object"].as_str().expect("an artifact has code");
        let code = Bytecode::new_raw(code.parse::<Bytes>().expect("code is hexadecimal"));
        let mut db = InMemoryDB::default();
        db.insert_account_info(HARNESS, AccountInfo::default().with_code(code));
        db.insert_account_info(CALLER, AccountInfo::from_balance(U256::from(1)));
        Self(Context::mainnet().with_db(db).build_mainnet())
    }

    /// What comes back, or how it ended.
    pub fn call(&mut self, data: Vec<u8>) -> Result<Bytes, ExecutionResult> {
        let call = TxEnv::builder()
            .caller(CALLER)
            .kind(TxKind::Call(HARNESS))
            .gas_limit(GAS)
            .data(data.into())
            .build_fill();
        match self.0.transact(call).expect("the call is well-formed").result {
            ExecutionResult::Success { output, .. } => Ok(output.into_data()),
            failed => Err(failed),
        }
    }
}
