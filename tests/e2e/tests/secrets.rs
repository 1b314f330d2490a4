//! No secret is in a log, whatever the level.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use spillway_e2e::{
    cases::{orders_of, reconfigure, submit},
    keeper::{Database, Keeper, Setup},
    postgres::Postgres,
    proxy::Proxy,
    world::{LANES, World},
};
use std::{path::Path, sync::Arc, time::Duration};

const PROGRAM: &str = env!("CARGO_BIN_EXE_spillway-under-test");
const IN_PATH: &str = "pathkey-0123456789abcdef";
const IN_QUERY: &str = "querykey-0123456789abcdef";
const IN_USER: &str = "userpass-0123456789abcdef";
const OF_WEBSOCKET: &str = "socketkey-0123456789abcdef";
const OF_RELAY: &str = "relaykey-0123456789abcdef";
const OF_DATABASE: &str = "database-0123456789abcdef";
const TOKEN: &str = "apitoken-0123456789abcdef";

async fn nothing_secret_is_logged(format: &str) -> eyre::Result<()> {
    let world = World::start(0.5).await?;
    let database = Database::Postgres(Arc::new(Postgres::start().await?));
    let more = format!("[batch]\nwindow = \"100ms\"\n[log]\nlevel = \"trace\"\nformat = \"{format}\"\n");
    let setup = Setup::over(database, &world, Path::new(PROGRAM), 1, &more)?;
    let proxy = Proxy::start(&world.anvil.url(), 1).await?;
    let port = proxy.url().rsplit_once(':').map(|(_, port)| port.to_owned()).unwrap_or_default();
    let anvil = world.anvil.port;
    reconfigure(
        &setup,
        &format!("rpc_urls = [\"http://127.0.0.1:{anvil}\"]"),
        &format!(
            "rpc_urls = [\"http://127.0.0.1:{port}/v2/{IN_PATH}\", \"http://127.0.0.1:{port}/?apikey={IN_QUERY}\", \
             \"http://user:{IN_USER}@127.0.0.1:{port}/\"]\n\
             ws_urls = [\"ws://127.0.0.1:{anvil}/ws/{OF_WEBSOCKET}\"]\n\
             private_relay = \"http://127.0.0.1:{port}/{OF_RELAY}\""
        ),
    )?;
    reconfigure(&setup, "postgres://spillway@", &format!("postgres://spillway:{OF_DATABASE}@"))?;
    reconfigure(&setup, "[api]\n", &format!("[api]\ntoken = \"{TOKEN}\"\n"))?;
    let keeper = Keeper::start_ready(&setup).await?;
    submit(&world, &setup, &orders_of(&world, "TUSD", "secret", 3))?;
    let asked = reqwest::Client::new().get(setup.api("/v1/withdrawals/wd_0")).bearer_auth(TOKEN);
    assert_eq!(asked.send().await?.status().as_u16(), 404);
    setup.settled(Duration::from_secs(60)).await?;
    keeper.stop()?;

    let log = setup.logged();
    assert!(log.contains("TRACE"), "it logs at that level");
    assert!(log.contains("eth_getTransactionReceipt"), "and what goes to the endpoints");
    let key = LANES[0].1.trim_start_matches("0x");
    for secret in [IN_PATH, IN_QUERY, IN_USER, OF_WEBSOCKET, OF_RELAY, OF_DATABASE, TOKEN, key] {
        let line = log.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_in_the_log_at_any_level() -> eyre::Result<()> {
    nothing_secret_is_logged("text").await
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_in_the_log_of_machines() -> eyre::Result<()> {
    nothing_secret_is_logged("json").await
}
