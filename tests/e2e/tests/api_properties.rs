//! Calls generated from the API's description, all checks on, against a running keeper on a real chain.

use eyre::{OptionExt, WrapErr};
use serde_json::Value;
use spillway_e2e::{
    keeper::{Keeper, Setup},
    root,
    world::World,
};
use std::{env, path::Path, process::Command};

const PROGRAM: &str = env!("CARGO_BIN_EXE_spillway-under-test");

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs schemathesis: make test-all"]
async fn no_generated_call_finds_a_mistake() -> eyre::Result<()> {
    let tool = env::var("SPILLWAY_SCHEMATHESIS").wrap_err("SPILLWAY_SCHEMATHESIS names the program st")?;
    let examples = env::var("SPILLWAY_API_EXAMPLES").unwrap_or_else(|_| "100".to_owned());
    let least: u64 = env::var("SPILLWAY_API_MIN_CALLS").map_or(Ok(0), |calls| calls.parse())?;
    let world = World::start(0.5).await?;
    let setup = Setup::new(&world, Path::new(PROGRAM), 1, "[batch]\nwindow = \"500ms\"\n")?;
    let keeper = Keeper::start_ready(&setup).await?;
    let mut create = vec!["keys", "create", "generated"];
    for scope in ["submit", "read", "review", "operate"] {
        create.extend(["--scope", scope]);
    }
    let key = setup.json(&create)?;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    let header = format!("Authorization: Bearer {}", key["key"].as_str().unwrap_or_default());
    let report = setup.dir.join("calls.json");
    let status = tokio::task::block_in_place(|| {
        Command::new(&tool)
            .current_dir(&setup.dir)
            .arg("--config-file")
            .arg(root().join("script/api/schemathesis.toml"))
            .args(["run", &setup.api("/v1/openapi.json"), "--header", &header, "--checks", "all"])
            .args(["--phases", "coverage,fuzzing,stateful", "--max-examples", &examples])
            // Its answer has no end.
            .args(["--exclude-path", "/v1/events", "--request-timeout", "30", "--continue-on-failure"])
            .arg("--report-json-path")
            .arg(&report)
            .status()
    })?;
    eyre::ensure!(
        status.success(),
        "schemathesis found something; the end of the log:\n{}",
        setup.log_tail()
    );
    let report: Value = serde_json::from_str(&std::fs::read_to_string(report)?)?;
    let calls = report["test_cases"]["generated"].as_u64().ok_or_eyre("the report counts no calls")?;
    println!("{calls} generated calls");
    eyre::ensure!(calls >= least, "{calls} calls were generated, SPILLWAY_API_MIN_CALLS wants {least}");
    keeper.stop()
}
