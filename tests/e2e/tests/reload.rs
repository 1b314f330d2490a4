//! The configuration is read again while the keeper works.

use eyre::{WrapErr, ensure};
use serde_json::json;
use spillway::domain::amount::Amount;
use spillway_e2e::{
    anvil::{Anvil, Options, free_port},
    cases::{check_paid, log, orders_of, reconfigure, submit},
    chain_audit::Expected,
    eventually,
    keeper::{Keeper, Setup},
    world::World,
};
use std::{path::Path, time::Duration};
use tokio::time::{Instant, sleep};

const PROGRAM: &str = env!("CARGO_BIN_EXE_spillway-under-test");
const LIMIT: Duration = Duration::from_secs(60);
/// How long an accepted order may take on its way in, also while the keeper begins again.
const PATIENCE: Duration = Duration::from_secs(20);

/// Hands one order in of a token of 18 decimals, as a caller who takes an error for an answer, and a connection that is cut off
/// for none: then the same key comes again.
async fn hand_in(setup: &Setup, order: &Expected) -> eyre::Result<()> {
    let amount = Amount(order.amount).to_decimal(18);
    let body = json!({ "asset": order.asset.to_string(), "recipient": order.recipient.to_string(), "amount": amount });
    let answer = loop {
        let request = reqwest::Client::new().post(setup.api("/v1/withdrawals")).timeout(PATIENCE);
        match request.header("idempotency-key", &order.key).json(&body).send().await {
            Ok(answer) => break answer,
            Err(error) if error.is_timeout() => return Err(error.into()),
            Err(_) => sleep(Duration::from_millis(50)).await,
        }
    };
    ensure!(answer.status().is_success(), "{}: {}", answer.status(), answer.text().await?);
    Ok(())
}

async fn until_logged(setup: &Setup, words: &str, times: usize) -> eyre::Result<()> {
    eventually(words, LIMIT, || async { Ok((log(setup).matches(words).count() >= times).then_some(())) })
        .await
        .wrap_err_with(|| setup.log_tail())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sound_configuration_is_taken_without_refusing_anybody_and_a_faulty_one_changes_nothing()
-> eyre::Result<()> {
    let world = World::start(0.5).await?;
    let config = "[batch]\nwindow = \"50m\"\n[log]\nlevel = \"info\"\n";
    let setup = Setup::new(&world, Path::new(PROGRAM), 1, config)?;
    let mut keeper = Keeper::start_ready(&setup).await?;
    let waiting = orders_of(&world, "TUSD", "waiting", 20);
    submit(&world, &setup, &waiting)?;

    // A caller each 20 ms, before, while and after the configuration is read.
    reconfigure(&setup, "window = \"50m\"", "window = \"100ms\"")?;
    let callers = orders_of(&world, "TDAI", "caller", 150);
    let to = &setup;
    let calls = async {
        let begin = Instant::now();
        let each = callers.iter().enumerate().map(|(i, order)| async move {
            sleep(Duration::from_millis(20) * u32::try_from(i)?).await;
            hand_in(to, order).await
        });
        futures::future::try_join_all(each).await?;
        eyre::Ok(begin.elapsed())
    };
    let reload = async {
        sleep(Duration::from_secs(1)).await;
        keeper.reload()
    };
    let (took, ()) = tokio::try_join!(calls, reload)?;
    println!("150 callers within {took:?}");
    until_logged(&setup, "goes on under it", 1).await?;
    setup.settled(LIMIT).await?;

    let faults = [
        ("window = \"100ms\"", "window = \"2h\"", "batch.window"),
        ("private_key_env = \"LANE_0\"", "private_key_env = \"NO_SUCH_LANE\"", "NO_SUCH_LANE"),
        ("spillway.db", "another.db", "store.url cannot change"),
    ];
    for (i, (sound, faulty, named)) in faults.into_iter().enumerate() {
        reconfigure(&setup, sound, faulty)?;
        keeper.reload()?;
        until_logged(&setup, "the configuration is not taken", i + 1).await?;
        assert!(log(&setup).contains(named), "{named} is not named:\n{}", setup.log_tail());
        reconfigure(&setup, faulty, sound)?;
    }
    let later = orders_of(&world, "ETH", "later", 5);
    submit(&world, &setup, &later)?;
    setup.settled(LIMIT).await?;
    ensure!(!keeper.ended()?, "it is the same process");

    // The log follows what is taken, and nothing else.
    assert!(!log(&setup).contains("DEBUG"));
    reconfigure(&setup, "level = \"info\"", "level = \"debug\"")?;
    keeper.reload()?;
    until_logged(&setup, "goes on under it", 2).await?;
    until_logged(&setup, "DEBUG", 1).await?;
    keeper.stop()?;
    check_paid(&world, &setup, &[waiting, callers, later].concat(), &[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_under_which_it_cannot_run_is_taken_back_and_another_port_is_opened()
-> eyre::Result<()> {
    let world = World::start(0.5).await?;
    let mut setup = Setup::new(&world, Path::new(PROGRAM), 1, "[batch]\nwindow = \"100ms\"\n")?;
    let mut keeper = Keeper::start_ready(&setup).await?;
    let first = orders_of(&world, "TDAI", "first", 3);
    submit(&world, &setup, &first)?;

    let other = Anvil::start(&Options { chain_id: Some(31_338), ..Options::default() }).await?;
    reconfigure(&setup, &world.anvil.url(), &other.url())?;
    keeper.reload()?;
    until_logged(&setup, "back to the one before", 1).await?;
    // Nobody answers there: it waits, and the next configuration is taken all the same.
    reconfigure(&setup, &other.url(), "http://127.0.0.1:1")?;
    keeper.reload()?;
    until_logged(&setup, "goes on under it", 2).await?;
    until_logged(&setup, "the chain does not answer", 1).await?;
    reconfigure(&setup, "http://127.0.0.1:1", &world.anvil.url())?;
    let (old, new) = (setup.api(""), free_port()?);
    reconfigure(&setup, old.trim_start_matches("http://"), &format!("127.0.0.1:{new}"))?;
    keeper.reload()?;
    until_logged(&setup, "goes on under it", 3).await?;
    setup.port = new;
    keeper.ready(&setup).await?;
    let second = orders_of(&world, "TDAI", "second", 3);
    for order in &second {
        hand_in(&setup, order).await?;
    }
    setup.settled(LIMIT).await?;
    assert!(reqwest::get(format!("{old}/v1/health/live")).await.is_err(), "the old port is closed");
    keeper.stop()?;
    check_paid(&world, &setup, &[first, second].concat(), &[]).await
}
