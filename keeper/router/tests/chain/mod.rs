//! The protocols' published bytecode in an EVM of this process: deployed, filled, swapped on.

mod pools;

use alloy_primitives::{Address, Bytes, U256, address};
use protocols::Chain;
use revm::{
    Context, ExecuteCommitEvm, MainBuilder, MainContext, MainnetEvm,
    context::{
        TxEnv,
        result::{ExecutionResult, Output},
    },
    database::InMemoryDB,
    handler::MainnetContext,
    primitives::TxKind,
    state::AccountInfo,
};

pub use pools::World;

const OWNER: Address = address!("0x00000000000000000000000000000000000000bb");
const GAS: u64 = 16_000_000;

/// An EVM whose every call is committed.
pub struct Evm {
    evm: MainnetEvm<MainnetContext<InMemoryDB>>,
    nonce: u64,
}

impl Evm {
    pub fn new() -> Self {
        let mut db = InMemoryDB::default();
        db.insert_account_info(OWNER, AccountInfo::from_balance(U256::from(1)));
        Self { evm: Context::mainnet().with_db(db).build_mainnet(), nonce: 0 }
    }

    fn transact(&mut self, kind: TxKind, data: Vec<u8>) -> Result<Output, ExecutionResult> {
        let tx = TxEnv::builder()
            .caller(OWNER)
            .kind(kind)
            .gas_limit(GAS)
            .nonce(self.nonce)
            .data(data.into())
            .build_fill();
        let result = self.evm.transact_commit(tx).expect("the transaction is well-formed");
        self.nonce += 1;
        match result {
            ExecutionResult::Success { output, .. } => Ok(output),
            failed => Err(failed),
        }
    }
}

impl Chain for Evm {
    fn owner(&self) -> Address {
        OWNER
    }

    fn create(&mut self, code: Vec<u8>) -> Address {
        match self.transact(TxKind::Create, code) {
            Ok(Output::Create(_, Some(address))) => address,
            other => panic!("nothing was deployed: {other:?}"),
        }
    }

    fn send(&mut self, to: Address, data: Vec<u8>) -> Result<Bytes, String> {
        self.transact(TxKind::Call(to), data).map(Output::into_data).map_err(|failed| format!("{failed:?}"))
    }
}
