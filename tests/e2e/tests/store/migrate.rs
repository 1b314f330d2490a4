//! `spillway db migrate`, over both engines.

use spillway::store::Engine;
use spillway_e2e::{
    keeper::{Database, Keeper, Setup},
    postgres::Postgres,
    world::World,
};
use std::{path::Path, sync::Arc};

const PROGRAM: &str = env!("CARGO_BIN_EXE_spillway-under-test");

/// The first time it makes the schema, the second time there is nothing to do; a keeper starts on what it made.
pub(super) async fn it_says_from_where_to_where(engine: Engine) -> eyre::Result<()> {
    let world = World::start(0.5).await?;
    let database = match engine {
        Engine::Sqlite => Database::Sqlite,
        Engine::Postgres => Database::Postgres(Arc::new(Postgres::start().await?)),
    };
    let setup = Setup::over(database, &world, Path::new(PROGRAM), 1, "")?;
    let newest = engine.newest_schema();
    let none = setup.run(&["db", "check"])?;
    assert!(!none.status.success(), "there is no store yet");
    for (from, said) in [(0, format!("schema 0 -> {newest}")), (newest, format!("{newest} already"))] {
        // In words where JSON is not asked for: the first time of one, the second of the other engine.
        let in_words = (from == 0) == (engine == Engine::Sqlite);
        if in_words {
            let output = setup.run(&["db", "migrate"])?;
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(output.status.success() && text.contains(&said), "{text}");
        } else {
            let document = setup.json(&["db", "migrate"])?;
            assert_eq!(document, serde_json::json!({ "from": from, "to": newest }));
        }
    }
    let checked = setup.json(&["db", "check"])?;
    assert_eq!((&checked["ok"], &checked["schema"]), (&true.into(), &newest.into()), "{checked}");
    Keeper::start_ready(&setup).await?.stop()
}
