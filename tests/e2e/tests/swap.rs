//! Swaps over the protocols' own pools on a real chain.

use alloy::primitives::{Address, B256, Bytes, U256, aliases::U24, aliases::U160};
use eyre::{OptionExt, ensure};
use protocols::{Balancer, Chain, Stable, Token, V2, V3};
use serde_json::Value;
use spillway_e2e::{
    keeper::Setup,
    market::{Local, Market, Place},
    world::World,
};
use std::path::Path;

const PROGRAM: &str = env!("CARGO_BIN_EXE_spillway-under-test");

fn units(value: &Value) -> eyre::Result<U256> {
    Ok(value.as_str().ok_or_eyre("an amount is text")?.parse()?)
}

fn address(value: &Value) -> eyre::Result<Address> {
    Ok(value.as_str().ok_or_eyre("an address is text")?.parse()?)
}

/// Swaps a hop as anybody would, by the protocol's own router; what arrived.
fn swap(chain: &mut Local, market: &Market, hop: &Value) -> eyre::Result<U256> {
    let (sell, buy, amount) = (address(&hop["sell"])?, address(&hop["buy"])?, units(&hop["amount_in"])?);
    let (pool, protocols, to, deadline) =
        (address(&hop["pool"])?, market.protocols, chain.owner(), U256::MAX);
    let before = chain.held(buy);
    match hop["kind"].as_str().unwrap_or_default() {
        "uniswap_v2" => {
            let path = vec![sell, buy];
            let call =
                V2::swapExactTokensForTokensCall { amountIn: amount, min: U256::ZERO, path, to, deadline };
            chain.call(protocols.router2, &call);
        }
        "uniswap_v3" => {
            let fee: U24 = chain.call(pool, &V3::feeCall {});
            let (min, limit) = (U256::ZERO, U160::ZERO);
            let params =
                V3::In { tokenIn: sell, tokenOut: buy, fee, to, deadline, amountIn: amount, min, limit };
            chain.call(protocols.router3, &V3::exactInputSingleCall { params });
        }
        "stable_swap" => {
            let first = chain.call(pool, &Stable::coinsCall { k: U256::ZERO });
            let (i, j) = if first == sell { (U256::ZERO, U256::ONE) } else { (U256::ONE, U256::ZERO) };
            chain.call(pool, &Stable::exchangeCall { i, j, amount });
        }
        "balancer_weighted" => {
            let id: B256 = chain.call(pool, &Balancer::getPoolIdCall {});
            let single = Balancer::Single {
                poolId: id,
                kind: 0,
                tokenIn: sell,
                tokenOut: buy,
                amount,
                userData: Bytes::new(),
            };
            let funds = Balancer::Funds { sender: to, fromInternal: false, to, toInternal: false };
            chain.call(protocols.vault, &Balancer::swapCall { single, funds, limit: U256::ZERO, deadline });
        }
        other => eyre::bail!("no kind {other}"),
    }
    Ok(chain.held(buy) - before)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quote_is_what_the_pools_pay_to_the_unit() -> eyre::Result<()> {
    let world = World::start(3_600.0).await?;
    let market = Market::open(&world)?;
    // A pool that is not there, and one with other tokens, are no reason not to quote the others.
    let tokens = &market.pools[0].tokens;
    let odd = |kind, address| Place { kind, address, tokens: tokens.clone() }.config();
    let odd = odd("uniswap_v3", Address::repeat_byte(0x99)) + &odd("uniswap_v2", world.vault());
    let setup = Setup::new(&world, Path::new(PROGRAM), 1, &(market.config() + &odd))?;
    let chain = &mut Local::new(&world);
    let stable = market.pools.iter().find(|p| p.kind == "stable_swap").ok_or_eyre("a StableSwap pool")?;
    for token in &stable.tokens {
        chain.call(*token, &Token::approveCall { spender: stable.address, amount: U256::MAX });
    }
    let mut kinds = std::collections::BTreeSet::new();
    for args in [
        ["TUSD", "TDAI", "900000"].as_slice(),
        &["TDAI", "TUSD", "123456.789"],
        &["TDAI", "TUSD", "1500000"],
        &["TUSD", "TDAI", "3"],
        &["TDAI", "TUSD", "250000", "--exact-out"],
        &["TUSD", "TDAI", "400000.5", "--exact-out"],
    ] {
        let quote = setup.json(&[&["swap", "quote"], args].concat())?;
        let split = &quote["split"];
        let mut received = U256::ZERO;
        for route in split["routes"].as_array().ok_or_eyre("routes")? {
            for hop in route["hops"].as_array().ok_or_eyre("hops")? {
                let paid = swap(chain, &market, hop)?;
                assert_eq!(paid, units(&hop["amount_out"])?, "{args:?}: {hop}");
                kinds.insert(hop["kind"].as_str().unwrap_or_default().to_owned());
            }
            received += units(&route["amount_out"])?;
        }
        assert_eq!(received, units(&split["amount_out"])?, "{quote}");
        let (single, gap) = (&quote["single"], quote["gap"].as_f64().ok_or_eyre("a gap")?);
        ensure!(gap < 1e-4, "the split is {gap} from the optimum: {quote}");
        if args.len() == 3 {
            ensure!(received >= units(&single["amount_out"])?, "a route alone is better: {quote}");
        } else {
            ensure!(units(&split["amount_in"])? <= units(&single["amount_in"])?, "{quote}");
        }
        let why: Vec<_> =
            quote["left_out"].as_array().ok_or_eyre("left out")?.iter().map(|p| &p["why"]).collect();
        assert_eq!(why, ["there is no code at its address", "token0 reverts"], "{quote}");
    }
    assert_eq!(kinds.len(), 4, "every kind of pool was swapped with: {kinds:?}");

    let output = setup.run(&["swap", "quote", "TUSD", "TDAI", "900000"])?;
    let table = String::from_utf8_lossy(&output.stdout);
    for words in ["marginal price", "the best alone", "the split gains", "left out: uniswap_v3"] {
        assert!(table.contains(words), "{words} is missing in {table}");
    }
    let beyond = setup.run(&["swap", "quote", "TUSD", "TDAI", "100000000", "--exact-out"])?;
    assert_eq!(beyond.status.code(), Some(1), "{}", String::from_utf8_lossy(&beyond.stderr));
    Ok(())
}
