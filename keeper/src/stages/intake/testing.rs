//! What the tests of intake and API share. Tests that touch the store take it from [`store`], the one place that
//! names an engine.

use super::RawOrder;
use crate::{
    deployment::Deployment,
    domain::{
        amount::Amount,
        asset::{Asset, Assets, NATIVE},
        withdrawal::{Door, Withdrawal, WithdrawalId, WithdrawalState},
    },
    store::{Store, generation::GenerationFile, leases::LINE},
    trace,
};
use alloy::primitives::{Address, address};
use std::time::Duration;

pub const TUSD: Address = address!("Dc64a140Aa3E981100a9becA4E685f962f0cF6C9");
pub const RECIPIENT: Address = address!("70997970C51812dc3A010C7d01b50e0d17dc79C8");

pub fn deployment() -> Deployment {
    let asset = |symbol: &str, address, decimals| Asset {
        symbol: symbol.to_owned(),
        address,
        decimals,
        payout_gas: 100_000,
    };
    Deployment {
        chain_id: 31337,
        block: 1,
        access_manager: Address::repeat_byte(1),
        vault: address!("e7f1725E7734CE288F8367e1Bb143E90bb3F0512"),
        vault_implementation: Address::repeat_byte(2),
        proxy_admin: Address::repeat_byte(3),
        version_registry: None,
        vault_gate: None,
        exit_delay: Duration::from_secs(86_400),
        assets: Assets::new(vec![asset("TUSD", TUSD, 6), asset("ETH", NATIVE, 18)]),
        min_requests: Default::default(),
        lanes: Vec::new(),
    }
}

/// An order to [`RECIPIENT`].
pub fn raw(key: &str, asset: &str, amount: &str) -> RawOrder {
    RawOrder {
        idempotency_key: key.to_owned(),
        asset: asset.to_owned(),
        recipient: RECIPIENT.to_string(),
        amount: amount.to_owned(),
        deadline: String::new(),
    }
}

/// A withdrawal to [`RECIPIENT`], ready, as the store would have it.
pub fn withdrawal(key: &str) -> Withdrawal {
    Withdrawal {
        row: 1,
        id: WithdrawalId::from_key(key),
        door: Door::Order,
        idempotency_key: key.to_owned(),
        asset: TUSD,
        recipient: RECIPIENT,
        amount: Amount::from(5),
        state: WithdrawalState::Ready,
        reason: None,
        batch: None,
        request: None,
        deadline: None,
        trace_id: trace::new_id(),
        received_at: 1_000,
    }
}

/// A store of its own for one test, gone with it. Its keeper leads the line.
pub struct TestStore {
    pub store: Store,
    _folder: tempfile::TempDir,
}

pub async fn store() -> TestStore {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("test.db").display());
    let generation = GenerationFile::open(folder.path().join("generation")).unwrap();
    let store = Store::open(&url).await.unwrap().for_keeper(generation, Duration::from_secs(60));
    let line = store.take_lease(LINE).await.unwrap().unwrap();
    store.hold_lease(line);
    TestStore { store, _folder: folder }
}
