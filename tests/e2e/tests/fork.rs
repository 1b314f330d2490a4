//! On a fork of mainnet, from a file: the protocols at their own addresses.

use alloy::primitives::{Address, U256};
use eyre::{OptionExt, ensure};
use protocols::mainnet::{
    V2_DAI_WETH, V2_USDC_WETH, V2_WETH_USDT, V3_DAI_USDC, V3_DAI_WETH, V3_USDC_WETH, V3_USDC_WETH_3000,
};
use serde_json::Value;
use spillway_e2e::{
    cases::{books_hold, check_paid, orders_of, submit},
    chain_audit::Expected,
    eventually,
    keeper::{Keeper, Setup},
    market::mainnet::Mainnet,
    world::World,
};
use std::{collections::BTreeSet, path::Path, time::Duration};

const PROGRAM: &str = env!("CARGO_BIN_EXE_spillway-under-test");
const LIMIT: Duration = Duration::from_secs(60);

/// Two million DAI, of which the vault has one.
fn wave(world: &World) -> Vec<Expected> {
    let amount = protocols::units(100_000, 18);
    orders_of(world, "DAI", "wave", 20).into_iter().map(|order| Expected { amount, ..order }).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_vault_lacks_is_bought_where_mainnet_has_it() -> eyre::Result<()> {
    let mainnet = Mainnet::prepare().await?;
    let known = BTreeSet::from([
        V2_DAI_WETH,
        V2_USDC_WETH,
        V2_WETH_USDT,
        V3_DAI_USDC,
        V3_DAI_WETH,
        V3_USDC_WETH,
        V3_USDC_WETH_3000,
    ]);
    let pools: BTreeSet<Address> = mainnet.pools()?.iter().map(|pool| pool.address).collect();
    assert!(known.is_subset(&pools), "the published code makes the pools where mainnet has them: {pools:?}");

    let anvil = mainnet.start(None).await?;
    let world = World::fork_with(&anvil.url(), 0.5, "mainnet-fork", Mainnet::parameters).await?;
    let market = mainnet.market(&world)?;
    let setup = Setup::new(&world, Path::new(PROGRAM), 1, &market.config())?;

    let quote = setup.json(&["swap", "quote", "USDC", "DAI", "20000000"])?;
    let units = |value: &Value| -> eyre::Result<U256> { Ok(value.as_str().ok_or_eyre("units")?.parse()?) };
    let (split, single) = (&quote["split"]["amount_out"], &quote["single"]["amount_out"]);
    ensure!(units(split)? > units(single)?, "no route alone is as good: {quote}");
    assert_eq!(quote["left_out"], serde_json::json!([]), "{quote}");

    let keeper = Keeper::start_ready(&setup).await?;
    let wave = wave(&world);
    submit(&world, &setup, &wave)?;
    setup.settled(LIMIT).await?;
    check_paid(&world, &setup, &wave, &[]).await?;
    let swaps = eventually("the swaps are in the books", LIMIT, || async {
        let swaps = market.swaps(&world).await?;
        let booked = setup.json(&["reconcile", "--deep"])?["ok"] == true;
        Ok((booked && !swaps.is_empty()).then_some(swaps))
    })
    .await
    .map_err(|e| e.wrap_err(setup.log_tail()))?;
    let bought: U256 = swaps.iter().map(|(swap, _)| swap.received).sum();
    ensure!(bought >= protocols::units(1_000_000, 18), "what was missing: {bought}");
    keeper.stop()?;
    books_hold(&world, &setup)
}
