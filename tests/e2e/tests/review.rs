//! Orders above the instant tier: reviewed and signed, or announced; paid once, or rejected with a reason.

// All of this file is a test, its helpers too.
#![allow(clippy::unwrap_used)]

use alloy::{
    primitives::{B256, U256},
    providers::ext::AnvilApi,
    signers::{SignerSync, local::PrivateKeySigner},
    sol_types::SolCall,
};
use eyre::{OptionExt, ensure};
use serde_json::{Value, json};
use spillway::{
    chain::abi::IVault,
    domain::withdrawal::{Reference, WithdrawalId},
};
use spillway_e2e::{
    cases::{check_paid, orders_of, submit},
    chain_audit::Expected,
    eventually,
    keeper::{Database, Keeper, Setup},
    orders::{decimal, symbol},
    tiers::{self, APPROVED, INSTANT, account, api_key, key_of},
    world::{GUARDIAN, World},
};
use std::{path::Path, time::Duration};

const PROGRAM: &str = env!("CARGO_BIN_EXE_spillway-under-test");
/// Returns the value by which ERC-1271 says yes; and reverts.
const SIGNS_ALL: [u8; 15] =
    [0x63, 0x16, 0x26, 0xba, 0x7e, 0x60, 0xe0, 0x1b, 0x5f, 0x52, 0x60, 0x20, 0x5f, 0xf3, 0x00];
const SIGNS_NONE: [u8; 3] = [0x5f, 0x5f, 0xfd];
const SOON: Duration = Duration::from_secs(30);

/// Two lanes, of which the second pays what was reviewed.
fn set_up(database: Database, world: &World) -> eyre::Result<Setup> {
    let more = "reviewed = true\n[batch]\nwindow = \"300ms\"\n";
    let setup = Setup::over(database, world, Path::new(PROGRAM), 2, more)?;
    Ok((0..2).fold(setup, |setup, n| setup.with_env(&format!("APPROVER_{n}"), &key_of(&account(n)))))
}

/// Orders of more than `above` units.
fn large(world: &World, name: &str, n: usize, above: u64) -> Vec<Expected> {
    let mut orders = orders_of(world, "TUSD", name, n);
    orders.iter_mut().for_each(|order| order.amount += U256::from(above));
    orders
}

/// Hands orders in through the API, with a key.
async fn hand_in(world: &World, setup: &Setup, key: &str, orders: &[Expected]) -> eyre::Result<()> {
    let rows: Vec<Value> = orders
        .iter()
        .map(|order| {
            json!({
                "idempotency_key": order.key, "asset": symbol(world, order),
                "recipient": order.recipient, "amount": decimal(world, order),
            })
        })
        .collect();
    let answer = post(setup, key, "/v1/withdrawals/bulk", &json!({ "withdrawals": rows })).await?;
    ensure!(answer.0 == 200, "{answer:?}");
    Ok(())
}

async fn post(setup: &Setup, key: &str, path: &str, body: &Value) -> eyre::Result<(u16, Value)> {
    let answer = reqwest::Client::new().post(setup.api(path)).bearer_auth(key).json(body).send().await?;
    Ok((answer.status().as_u16(), answer.json().await?))
}

/// Hands the signature of `signer` in as that of `approver`. Says the status and the code of the answer.
async fn approve(
    setup: &Setup,
    key: &str,
    review: &Value,
    (approver, signer): (&PrivateKeySigner, &PrivateKeySigner),
) -> eyre::Result<(u16, String)> {
    let digest: B256 = review["digest"].as_str().ok_or_eyre("no digest")?.parse()?;
    let signature = signer.sign_hash_sync(&digest)?;
    let body = json!({
        "approver": approver.address(), "signature": format!("0x{}", alloy::hex::encode(signature.as_bytes())),
    });
    let (status, body) = post(setup, key, &format!("/v1/reviews/{}/approvals", review["id"]), &body).await?;
    Ok((status, body["code"].as_str().unwrap_or_default().to_owned()))
}

async fn counted(setup: &Setup, state: &str, n: u64) -> eyre::Result<()> {
    eventually(&format!("{n} are {state}"), SOON, || async { Ok((setup.count(state)? == n).then_some(())) })
        .await
        .map_err(|error| error.wrap_err(setup.log_tail()))
}

async fn dies(keeper: &mut Keeper) -> eyre::Result<()> {
    eventually("its death", SOON, || {
        let ended = keeper.ended();
        async move { Ok(ended?.then_some(())) }
    })
    .await
}

async fn two_approve_and_one_is_rejected(database: Database) -> eyre::Result<()> {
    let world = World::start(0.5).await?;
    tiers::lower_tiers(&world).await?;
    tiers::set_approvers(&world, &[0, 1, 2].map(|n| account(n).address()), 2).await?;
    let setup = set_up(database, &world)?;
    let shop = api_key(&setup, "shop", &["submit", "review", "read"])?;
    let alice = api_key(&setup, "alice", &["review"])?;
    let keeper = Keeper::start_ready(&setup).await?;
    let (small, big) = (orders_of(&world, "TUSD", "small", 2), large(&world, "big", 3, INSTANT));
    hand_in(&world, &setup, &shop, &[small.clone(), big.clone()].concat()).await?;

    // What the keeper pays alone does not wait for a reviewer.
    counted(&setup, "paid", 2).await?;
    let review = tiers::review(&setup, &alice, 3).await?;
    let explained = setup.json(&["explain", "big-0"])?;
    assert_eq!(explained["cause"]["code"], "awaits_review", "{explained}");
    assert!(explained["cause"]["found"].as_str().unwrap().contains("0 of 2"), "{explained}");

    let [first, second, third, nobody] = [0, 1, 2, 9].map(account);
    let said = approve(&setup, &alice, &review, (&first, &second)).await?;
    assert_eq!(said, (422, "bad_signature".to_owned()), "somebody else's signature");
    let said = approve(&setup, &alice, &review, (&nobody, &nobody)).await?;
    assert_eq!(said, (422, "not_an_approver".to_owned()));
    let said = approve(&setup, &shop, &review, (&first, &first)).await?;
    assert_eq!(said, (403, "own_withdrawal".to_owned()), "who handed it in does not approve it");
    assert_eq!(approve(&setup, &alice, &review, (&third, &third)).await?.0, 201);
    let said = approve(&setup, &alice, &review, (&third, &third)).await?;
    assert_eq!(said, (409, "already_approved".to_owned()), "each counts once");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(setup.count("paid")?, 2, "one approval is not enough");

    // One is refused: the others are another batch, and signatures for the first do not count for it.
    let refused = setup.json(&["status", "big-1"])?["id"].as_str().ok_or_eyre("no id")?.to_owned();
    let url = setup.api("");
    let id = review["id"].to_string();
    let reject = ["review", "reject", &id, "--url", &url, "--withdrawal", &refused, "--reason", "not ours"];
    let rejected = setup.clone().with_env("SPILLWAY_KEY", &alice).json(&reject)?;
    assert_eq!(rejected["rejected"], json!([refused]), "{rejected}");
    let view = setup.json(&["status", "big-1"])?;
    assert_eq!((&view["state"], &view["reason"]["code"]), (&"rejected".into(), &"rejected_in_review".into()));
    assert_eq!(view["reason"]["detail"], "not ours", "{view}");
    // Whoever waits for it is told as much.
    let token = view["status_page"].as_str().ok_or_eyre("no page")?.trim_start_matches("/w/");
    let shown: Value = reqwest::get(setup.api(&format!("/v1/status/{token}"))).await?.json().await?;
    assert_eq!(shown["reason"], view["reason"], "{shown}");
    let said = approve(&setup, &alice, &review, (&first, &first)).await?;
    assert_eq!(said, (409, "review_closed".to_owned()));

    let next = tiers::review(&setup, &alice, 2).await?;
    let id = next["id"].to_string();
    assert_eq!(next["approvals"], json!([]), "{next}");
    // An approver may be a contract, which says by itself what it has signed, and may change its mind.
    let set_code = |code: &'static [u8]| world.provider().anvil_set_code(third.address(), code.into());
    set_code(&SIGNS_ALL).await?;
    assert_eq!(approve(&setup, &alice, &next, (&third, &nobody)).await?.0, 201);
    set_code(&SIGNS_NONE).await?;
    for (variable, is_first) in [("APPROVER_0", true), ("APPROVER_1", false)] {
        let signs = ["review", "approve", &id, "--url", &url, "--private-key-env", variable];
        let signed = setup.clone().with_env("SPILLWAY_KEY", &alice).json(&signs)?;
        assert_eq!(signed["id"], next["id"], "{signed}");
        if is_first {
            eventually("the contract's approval is dropped", SOON, || async {
                let now = tiers::review(&setup, &alice, 2).await?;
                Ok((now["approvals"].as_array().map(Vec::len) == Some(1)).then_some(()))
            })
            .await?;
            assert_eq!(setup.count("paid")?, 2);
        }
    }
    setup.settled(SOON).await?;
    keeper.stop()?;
    let paid = [small, vec![big[0].clone(), big[2].clone()]].concat();
    check_paid(&world, &setup, &paid, &big[1..2]).await?;
    spillway_e2e::cases::books_hold(&world, &setup)
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_between_the_threshold_and_the_payment_it_pays_once() -> eyre::Result<()> {
    let world = World::start(0.5).await?;
    tiers::lower_tiers(&world).await?;
    tiers::set_approvers(&world, &[0, 1].map(|n| account(n).address()), 2).await?;
    let setup = set_up(Database::Sqlite, &world)?;
    let alice = api_key(&setup, "alice", &["review"])?;
    let big = large(&world, "big", 1, INSTANT);
    submit(&world, &setup, &big)?;
    let mut keeper = Keeper::start_with_crash_at(&setup, "approval.committed")?;
    keeper.ready(&setup).await?;
    let review = tiers::review(&setup, &alice, 1).await?;
    let [first, second] = [0, 1].map(account);
    assert!(approve(&setup, &alice, &review, (&first, &first)).await.is_err(), "it dies before it answers");
    for step in ["approval.committed", "batch.committed", "attempt.committed", "attempt.sent"] {
        dies(&mut keeper).await?;
        keeper = Keeper::start_with_crash_at(&setup, step)?;
        if step == "approval.committed" {
            keeper.ready(&setup).await?;
            let open = tiers::review(&setup, &alice, 1).await?;
            assert_eq!(open["approvals"].as_array().map(Vec::len), Some(1), "the first is durable: {open}");
            assert!(approve(&setup, &alice, &open, (&second, &second)).await.is_err());
        }
    }
    dies(&mut keeper).await?;
    let keeper = Keeper::start_ready(&setup).await?;
    setup.settled(SOON).await?;
    keeper.stop()?;
    check_paid(&world, &setup, &big, &[]).await
}

/// The announcements on chain: id and reference, oldest first.
async fn announced(world: &World) -> eyre::Result<Vec<(B256, Reference)>> {
    let vault = IVault::new(world.vault(), world.provider().clone());
    let found = vault.Announced_filter().from_block(0).query().await?;
    Ok(found.into_iter().map(|(event, _)| (event.id, event.r#ref)).collect())
}

async fn until_announced(world: &World, n: usize) -> eyre::Result<Vec<(B256, Reference)>> {
    eventually(&format!("{n} announcements"), SOON, || async {
        let announced = announced(world).await?;
        Ok((announced.len() == n).then_some(announced))
    })
    .await
}

async fn until_waits(setup: &Setup, name: &str, code: &str) -> eyre::Result<Value> {
    eventually(&format!("{name} waits for {code}"), SOON, || async {
        let explained = setup.json(&["explain", name])?;
        Ok((explained["cause"]["code"] == code).then_some(explained))
    })
    .await
    .map_err(|error| error.wrap_err(setup.log_tail()))
}

async fn later(world: &World, days: u64) -> eyre::Result<()> {
    world.provider().anvil_increase_time(days * 86_400 + 60).await?;
    world.provider().evm_mine(None).await?;
    Ok(())
}

async fn announced_and_paid_vetoed_and_rejected(database: Database) -> eyre::Result<()> {
    let world = World::start(0.5).await?;
    tiers::lower_tiers(&world).await?;
    let setup = Setup::over(database, &world, Path::new(PROGRAM), 1, "[batch]\nwindow = \"300ms\"\n")?;
    let keeper = Keeper::start_ready(&setup).await?;
    let (small, huge) = (orders_of(&world, "TUSD", "small", 1), large(&world, "huge", 2, APPROVED));
    submit(&world, &setup, &[small.clone(), huge.clone()].concat())?;
    let ids = until_announced(&world, 2).await?;
    counted(&setup, "paid", 1).await?;
    let waits = until_waits(&setup, "huge-0", "awaits_announcement").await?;
    assert!(waits["cause"]["found"].as_str().unwrap().contains("payable from"), "{waits}");
    let quote = setup.api("/v1/estimate?asset=TUSD&amount=60000");
    let quote: Value = reqwest::get(quote).await?.json().await?;
    assert_eq!(quote["tier"], "delayed", "{quote}");
    assert!(quote["payable_from"].is_string(), "{quote}");

    let vetoed = WithdrawalId::from_key(&huge[1].key).reference();
    let (id, _) = ids.iter().find(|(_, of)| *of == vetoed).ok_or_eyre("not announced")?;
    let veto = IVault::vetoCall { id: *id }.abi_encode();
    tiers::call(&world, GUARDIAN, world.vault(), veto).await?;
    counted(&setup, "rejected", 1).await?;
    let view = setup.json(&["status", "huge-1"])?;
    assert_eq!(view["reason"]["code"], "vetoed", "{view}");
    assert!(view["reason"]["detail"].as_str().unwrap().contains(&GUARDIAN.to_string()), "{view}");
    assert_eq!(setup.count("paid")?, 1, "the delay is not over");

    // The vault forgets what nobody paid for 7 days: it is announced again.
    keeper.stop()?;
    later(&world, 9).await?;
    let keeper = Keeper::start_ready(&setup).await?;
    until_announced(&world, 3).await?;
    until_waits(&setup, "huge-0", "awaits_announcement").await?;
    assert_eq!(setup.count("paid")?, 1);
    later(&world, 1).await?;
    setup.settled(SOON).await?;
    keeper.stop()?;
    check_paid(&world, &setup, &[small, huge[..1].to_vec()].concat(), &huge[1..]).await?;
    spillway_e2e::cases::books_hold(&world, &setup)
}

mod over_sqlite {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn two_approve_and_one_is_rejected() -> eyre::Result<()> {
        super::two_approve_and_one_is_rejected(Database::Sqlite).await
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn announced_and_paid_vetoed_and_rejected() -> eyre::Result<()> {
        super::announced_and_paid_vetoed_and_rejected(Database::Sqlite).await
    }
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod over_postgres {
    use super::*;
    use spillway_e2e::postgres::Postgres;
    use std::sync::Arc;

    #[tokio::test(flavor = "multi_thread")]
    async fn two_approve_and_one_is_rejected() -> eyre::Result<()> {
        let server = Database::Postgres(Arc::new(Postgres::start().await?));
        super::two_approve_and_one_is_rejected(server).await
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn announced_and_paid_vetoed_and_rejected() -> eyre::Result<()> {
        let server = Database::Postgres(Arc::new(Postgres::start().await?));
        super::announced_and_paid_vetoed_and_rejected(server).await
    }
}
