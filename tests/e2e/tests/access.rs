//! Keys of the API from the command line, against a running keeper.

use eyre::OptionExt;
use serde_json::Value;
use spillway_e2e::{
    eventually,
    keeper::{Keeper, Setup},
    world::{LANES, World},
};
use std::{path::Path, time::Duration};

const PROGRAM: &str = env!("CARGO_BIN_EXE_spillway-under-test");

/// The answer's status for a list of withdrawals.
async fn list(setup: &Setup, key: &str) -> eyre::Result<u16> {
    let answer = reqwest::Client::new().get(setup.api("/v1/withdrawals")).bearer_auth(key).send().await?;
    Ok(answer.status().as_u16())
}

async fn until(setup: &Setup, key: &str, status: u16) -> eyre::Result<()> {
    eventually(&format!("the key gets {status}"), Duration::from_secs(5), || async {
        Ok((list(setup, key).await? == status).then_some(()))
    })
    .await
}

fn text(of: &Value, name: &str) -> eyre::Result<String> {
    Ok(of[name].as_str().ok_or_eyre("a member is missing")?.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_made_rotated_and_revoked_beside_a_running_keeper() -> eyre::Result<()> {
    let world = World::start(0.5).await?;
    let setup = Setup::new(&world, Path::new(PROGRAM), 1, "")?;
    let keeper = Keeper::start_ready(&setup).await?;
    let made = setup.json(&["keys", "create", "shop", "--scope", "read", "--scope", "submit"])?;
    let (id, key) = (text(&made, "id")?, text(&made, "key")?);
    until(&setup, "spk_wrong", 401).await?;
    until(&setup, &key, 200).await?;

    // What needs no key holds nothing of a withdrawal.
    for path in ["/", "/w/0123", "/page/page.css", "/docs/", "/v1/openapi.json", "/v1/health/live"] {
        assert_eq!(reqwest::get(setup.api(path)).await?.status().as_u16(), 200, "{path}");
    }

    let next = setup.json(&["keys", "rotate", &id, "--overlap", "3s"])?;
    let new = text(&next, "key")?;
    assert_eq!((&next["name"], &next["scopes"]), (&made["name"], &made["scopes"]));
    until(&setup, &new, 200).await?;
    assert_eq!(list(&setup, &key).await?, 200, "both count in the overlap");
    until(&setup, &key, 401).await?;
    assert_eq!(list(&setup, &new).await?, 200);

    assert!(setup.run(&["keys", "revoke", &text(&next, "id")?])?.status.success());
    until(&setup, &new, 401).await?;
    assert!(!setup.run(&["keys", "revoke", &id])?.status.success(), "it ended before");
    assert!(
        !setup.run(&["keys", "create", "none"])?.status.success(),
        "a key without a scope is for nothing"
    );
    let listed = setup.json(&["keys", "list"])?;
    assert_eq!(listed.as_array().map(Vec::len), Some(2));
    for secret in [&key, &new] {
        let hidden = secret.rsplit('_').next().ok_or_eyre("a key has parts")?;
        assert!(!listed.to_string().contains(hidden) && !setup.logged().contains(hidden));
    }
    keeper.stop()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_does_not_hold_up_the_end_of_a_keeper() -> eyre::Result<()> {
    let world = World::start(0.5).await?;
    let setup = Setup::new(&world, Path::new(PROGRAM), 1, "")?;
    let keeper = Keeper::start_ready(&setup).await?;
    let watching = reqwest::get(setup.api("/v1/events")).await?;
    assert_eq!(watching.status().as_u16(), 200);
    let start = std::time::Instant::now();
    keeper.stop()?;
    assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_live_view_asks_a_running_keeper_with_a_key_that_may_read() -> eyre::Result<()> {
    let world = World::start(0.5).await?;
    let setup = Setup::new(&world, Path::new(PROGRAM), 1, "")?;
    let keeper = Keeper::start_ready(&setup).await?;
    let open = setup.run(&["top", "--once"])?;
    let frame = String::from_utf8(open.stdout)?;
    let lane = LANES[0].0.to_string();
    for said in
        ["paying", "received", "mined", "TUSD alone", "1000000", "127.0.0.1", &lane.to_lowercase()[..12]]
    {
        assert!(frame.to_lowercase().contains(&said.to_lowercase()), "{said} is not in:\n{frame}");
    }
    let key = |scope: &str| text(&setup.json(&["keys", "create", "eyes", "--scope", scope])?, "key");
    let (read, submit) = (key("read")?, key("submit")?);
    // The first key closes what was open to everybody.
    until(&setup, "spk_wrong", 401).await?;
    until(&setup, &read, 200).await?;
    let with = |key: &str| setup.command().args(["top", "--json"]).env("SPILLWAY_KEY", key).output();
    for (key, why) in [("spk_wrong", "spillway keys create"), (&*submit, "the scope read")] {
        let refused = with(key)?;
        assert!(!refused.status.success(), "{key}");
        assert!(String::from_utf8(refused.stderr)?.contains(why), "it says what to do");
    }
    let seen: Value = serde_json::from_slice(&with(&read)?.stdout)?;
    assert_eq!(seen["overview"]["ready"], true, "{seen}");
    assert!(seen["vault"]["assets"].is_array(), "{seen}");
    keeper.stop()?;
    let gone = String::from_utf8(with(&read)?.stderr)?;
    assert!(gone.contains("no keeper answers"), "{gone}");
    Ok(())
}

#[test]
fn the_description_needs_no_configuration() -> eyre::Result<()> {
    let output = std::process::Command::new(PROGRAM).arg("openapi").current_dir("/").output()?;
    let described: Value = serde_json::from_slice(&output.stdout)?;
    assert_eq!(described["openapi"], "3.1.0");
    Ok(())
}
