//! The protocols' published bytecode in an EVM of this process: deployed, filled, swapped on.
//!
//! `npm ci` brings Uniswap and Balancer, `forge build` the StableSwap pool and the tokens.

mod pools;

use alloy_primitives::{Address, Bytes, U256, address};
use alloy_sol_types::{SolCall, SolValue, sol};
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
use std::{fs, path::Path};

pub use pools::World;

const OWNER: Address = address!("0x00000000000000000000000000000000000000bb");
const GAS: u64 = 16_000_000;

sol! {
    function mint(address to, uint256 amount) external;
    function approve(address spender, uint256 amount) external returns (bool);
    function balanceOf(address account) external view returns (uint256);
}

/// An EVM whose every call is committed.
pub struct Chain {
    evm: MainnetEvm<MainnetContext<InMemoryDB>>,
    nonce: u64,
}

impl Chain {
    pub fn new() -> Self {
        let mut db = InMemoryDB::default();
        db.insert_account_info(OWNER, AccountInfo::from_balance(U256::from(1)));
        Self { evm: Context::mainnet().with_db(db).build_mainnet(), nonce: 0 }
    }

    fn send(&mut self, kind: TxKind, data: Vec<u8>) -> Result<Output, ExecutionResult> {
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

    /// Deploys an artifact with constructor arguments.
    fn deploy(&mut self, artifact: &str, arguments: Vec<u8>) -> Address {
        let mut code = creation_code(artifact).to_vec();
        code.extend(arguments);
        match self.send(TxKind::Create, code) {
            Ok(Output::Create(_, Some(address))) => address,
            other => panic!("{artifact}: {other:?}"),
        }
    }

    /// The answer, or none when the call reverts.
    fn attempt<C: SolCall>(&mut self, to: Address, call: &C) -> Option<C::Return> {
        let output = self.send(TxKind::Call(to), call.abi_encode()).ok()?;
        Some(C::abi_decode_returns(&output.into_data()).expect("an answer of the declared type"))
    }

    fn call<C: SolCall>(&mut self, to: Address, call: &C) -> C::Return {
        match self.send(TxKind::Call(to), call.abi_encode()) {
            Ok(output) => C::abi_decode_returns(&output.into_data()).expect("an answer of the declared type"),
            Err(failed) => panic!("{}: {failed:?}", C::SIGNATURE),
        }
    }

    /// A token, of which the owner has more than any test needs, approved to `spenders`.
    fn token(&mut self, decimals: u8, spenders: &[Address]) -> Address {
        let arguments = ("Token".to_owned(), "TKN".to_owned(), U256::from(decimals)).abi_encode_params();
        let token = self.deploy("out/Tokens.sol/PlainToken.json", arguments);
        self.call(token, &mintCall { to: OWNER, amount: U256::ONE << 200 });
        for spender in spenders {
            self.allow(token, *spender);
        }
        token
    }

    fn allow(&mut self, token: Address, spender: Address) {
        self.call(token, &approveCall { spender, amount: U256::MAX });
    }

    fn held(&mut self, token: Address) -> U256 {
        self.call(token, &balanceOfCall { account: OWNER })
    }
}

/// Creation code in the forms of forge, hardhat, truffle and Balancer.
fn creation_code(artifact: &str) -> Bytes {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let path = root.join(artifact);
    let text = fs::read_to_string(&path)
        .unwrap_or_else(|e| panic!("{}: {e}; run `npm ci` and `forge build` first", path.display()));
    let json: serde_json::Value = serde_json::from_str(&text).expect("an artifact is JSON");
    let forms = [&json["bytecode"]["object"], &json["bytecode"], &json["creationCode"]];
    let code = forms.into_iter().find_map(serde_json::Value::as_str).expect("an artifact has code");
    code.parse().expect("code is hexadecimal")
}
