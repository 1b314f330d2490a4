//! The crate against the contract's library, as pools run it, in an EVM on random books and markets: to the unit.
//!
//! `FOUNDRY_PROFILE=margin forge build contracts/margin` first.

use alloy_primitives::{Address, Bytes, U256, address, aliases::I112, hex};
use alloy_sol_types::{SolCall, sol};
use margin::{Leg, Market, Marks, Shape, Shares, model::value};
use proptest::{
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use revm::{
    Context, ExecuteEvm, MainBuilder, MainContext, MainnetEvm,
    context::{TxEnv, result::ExecutionResult},
    database::InMemoryDB,
    handler::MainnetContext,
    primitives::TxKind,
    state::{AccountInfo, Bytecode},
};
use std::cell::RefCell;

sol! {
    struct SolLeg { uint96 strike; bool isCall; int112 size; }
    struct SolMarket { uint256 lo; uint256 hi; uint256 vInitial; uint256 vMaintenance; uint256 vMark; }
    struct SolShares { uint256 maxSpot; uint256 minSpot; uint256 maintenance; uint256 putMark; uint256 unpaired; }
    function requirement(SolLeg[] legs, SolMarket market, SolShares shares)
        returns (uint256 initial, uint256 maintenance);
    function liability(SolLeg[] legs, SolMarket market) returns (uint256 owed);
}

const LIBRARY: Address = address!("0x00000000000000000000000000000000000000aa");
const CALLER: Address = address!("0x00000000000000000000000000000000000000bb");
const WAD: u128 = 1_000_000_000_000_000_000;

struct Contract {
    evm: MainnetEvm<MainnetContext<InMemoryDB>>,
    selectors: serde_json::Value,
}

impl Contract {
    fn new() -> Self {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../out-margin/MarginModel.sol/MarginModel.json");
        let text = std::fs::read_to_string(path).unwrap_or_else(|e| {
            panic!("{path}: {e}; run `FOUNDRY_PROFILE=margin forge build contracts/margin` first")
        });
        let json: serde_json::Value = serde_json::from_str(&text).expect("forge writes JSON");
        let code = json["deployedBytecode"]["object"].as_str().expect("an artifact has code");
        let code = Bytecode::new_raw(code.parse::<Bytes>().expect("code is hexadecimal"));
        let mut db = InMemoryDB::default();
        db.insert_account_info(LIBRARY, AccountInfo::default().with_code(code));
        db.insert_account_info(CALLER, AccountInfo::from_balance(U256::from(1)));
        let evm = Context::mainnet().with_db(db).build_mainnet();
        Self { evm, selectors: json["methodIdentifiers"].clone() }
    }

    /// A library's selectors are made of the structs' names, not of what is in them.
    fn call<C: SolCall>(&mut self, name: &str, call: &C) -> C::Return {
        let known = self.selectors.as_object().expect("an artifact has selectors");
        let (_, selector) = known.iter().find(|(k, _)| k.starts_with(name)).expect("the library has it");
        let mut data = call.abi_encode();
        let selector = hex::decode(selector.as_str().expect("text")).expect("hexadecimal");
        data[..4].copy_from_slice(&selector);
        let tx = TxEnv::builder()
            .caller(CALLER)
            .kind(TxKind::Call(LIBRARY))
            .gas_limit(16_000_000)
            .data(data.into())
            .build_fill();
        match self.evm.transact(tx).expect("the call is well-formed").result {
            ExecutionResult::Success { output, .. } => {
                C::abi_decode_returns(&output.into_data()).expect("the library returns what it says")
            }
            failed => panic!("{name}: {failed:?}"),
        }
    }
}

fn agrees(contract: &mut Contract, legs: &[Leg], market: &Market, shares: &Shares) {
    let sol_legs: Vec<_> = legs
        .iter()
        .map(|leg| SolLeg {
            strike: leg.strike.try_into().expect("96 bits"),
            isCall: leg.is_call,
            size: I112::try_from(leg.size).expect("112 bits"),
        })
        .collect();
    let sol_market = SolMarket {
        lo: market.lo,
        hi: market.hi,
        vInitial: market.v_initial,
        vMaintenance: market.v_maintenance,
        vMark: market.v_mark,
    };
    let sol_shares = SolShares {
        maxSpot: U256::from(shares.max_spot_bps),
        minSpot: U256::from(shares.min_spot_bps),
        maintenance: U256::from(shares.maintenance_bps),
        putMark: U256::from(shares.put_mark_bps),
        unpaired: U256::from(shares.unpaired_bps),
    };
    let required = requirementCall { legs: sol_legs.clone(), market: sol_market.clone(), shares: sol_shares };
    let required = contract.call("requirement(", &required);
    let owed = contract.call("liability(", &liabilityCall { legs: sol_legs, market: sol_market });

    let marks: Vec<_> = legs.iter().map(|l| Marks::of(l.strike, l.is_call, market, shares)).collect();
    let held = legs.iter().zip(&marks).map(|(leg, marks)| (leg.size, marks));
    let ours = value(held, &Shape::of(legs), market.hi, shares, U256::ONE);
    assert_eq!(
        (ours.initial, ours.maintenance, ours.liability),
        (required.initial, required.maintenance, owed),
        "{legs:?} {market:?} {shares:?}"
    );
}

fn leg() -> impl Strategy<Value = Leg> {
    let strike = prop_oneof![1..u128::from(u64::MAX), WAD..10_000 * WAD, WAD..(1 << 95)];
    let size = prop_oneof![-5 * WAD as i128..5 * WAD as i128, -(1i128 << 110)..(1i128 << 110)];
    (strike, any::<bool>(), size).prop_map(|(strike, is_call, size)| Leg { strike, is_call, size })
}

fn market() -> impl Strategy<Value = Market> {
    let price = prop_oneof![WAD..10_000 * WAD, 1..(1u128 << 111)];
    let v = || prop_oneof![Just(0u128), 1..WAD, WAD..8 * WAD];
    (price, 0..1_000u128, v(), v(), v()).prop_map(|(lo, wide, v_initial, v_maintenance, v_mark)| Market {
        lo: U256::from(lo),
        hi: U256::from(lo + lo / 1_000_000 * wide),
        v_initial: U256::from(v_initial),
        v_maintenance: U256::from(v_maintenance),
        v_mark: U256::from(v_mark),
    })
}

fn shares() -> impl Strategy<Value = Shares> {
    (100..5_000u16, 0..5_000u16, 0..5_000u16, 0..10_000u16, 10_000..30_000u16).prop_map(
        |(maintenance_bps, min, max, put_mark_bps, unpaired_bps)| {
            let min_spot_bps = maintenance_bps.saturating_add(min).min(5_000);
            let max_spot_bps = min_spot_bps.saturating_add(max).min(5_000);
            Shares { max_spot_bps, min_spot_bps, maintenance_bps, put_mark_bps, unpaired_bps }
        },
    )
}

#[test]
fn crate_and_contract_require_the_same() {
    let contract = RefCell::new(Contract::new());
    let config = Config { cases: 4_000, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let cases = (proptest::collection::vec(leg(), 1..6), market(), shares());
    runner
        .run(&cases, |(legs, market, shares)| {
            agrees(&mut contract.borrow_mut(), &legs, &market, &shares);
            Ok(())
        })
        .expect("crate and contract agree");
}

/// Where forward and strike are near, what is far apart for the formula depends on how small `v` is.
#[test]
fn crate_and_contract_agree_near_and_far_from_the_money() {
    let mut contract = Contract::new();
    let shares = Shares {
        max_spot_bps: 1_500,
        min_spot_bps: 1_000,
        maintenance_bps: 750,
        put_mark_bps: 750,
        unpaired_bps: 12_000,
    };
    let mut cases = 0;
    for v in [1, 1_000, 1_000_000_000_000, 3_000_000_000_000_000, 70_000_000_000_000_000, WAD / 2, 4 * WAD] {
        let v = U256::from(v);
        for percent in [1, 50, 90, 99, 100, 101, 110, 150, 400, 10_000u128] {
            for is_call in [true, false] {
                let leg = Leg { strike: 30 * WAD * percent, is_call, size: -(WAD as i128) };
                let price = U256::from(3_000 * WAD);
                let market = Market { lo: price, hi: price, v_initial: v, v_maintenance: v, v_mark: v };
                agrees(&mut contract, &[leg], &market, &shares);
                cases += 1;
            }
        }
    }
    assert_eq!(cases, 140);
}
