//! Figures, alert rules and dashboard, as a real Prometheus and Grafana's own schemas read them.

use alloy::{primitives::U256, providers::ext::AnvilApi, sol_types::SolCall};
use eyre::{OptionExt, WrapErr, ensure};
use serde_json::Value;
use spillway::chain::abi::IVault::{self, Scope};
use spillway_e2e::{
    cases::{orders_of, submit},
    eventually,
    keeper::{Keeper, Setup},
    pool::Pool,
    root,
    world::{GUARDIAN, World, amount_of_ether, send},
};
use std::{
    collections::BTreeSet,
    env,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};
use tokio::task::block_in_place;

const PROGRAM: &str = env!("CARGO_BIN_EXE_spillway-under-test");
const LIMIT: Duration = Duration::from_secs(60);
/// Told only where prices are judged, or webhooks configured.
const ELSEWHERE: [&str; 2] = ["spillway_oracle_verdict", "spillway_webhook_messages"];

/// A program of Debian's package prometheus.
fn program(name: &str) -> PathBuf {
    env::var("SPILLWAY_PROMETHEUS").map_or_else(|_| "/usr/bin".into(), PathBuf::from).join(name)
}

/// A server that reads the keeper's figures each second; killed when dropped.
struct Prometheus {
    child: Child,
    url: String,
}

impl Prometheus {
    fn start(setup: &Setup) -> eyre::Result<Self> {
        let port = spillway_e2e::anvil::free_port()?;
        let config = setup.dir.join("prometheus.yml");
        let target = setup.api("").trim_start_matches("http://").to_owned();
        let rules = root().join("ops/alerts.yml");
        std::fs::write(
            &config,
            format!(
                "global: {{ scrape_interval: 1s, evaluation_interval: 1s }}\nrule_files: [ {rules:?} ]\n\
                 scrape_configs:\n  - job_name: spillway\n    static_configs: [ {{ targets: [ {target:?} ] }} ]\n"
            ),
        )?;
        let child = Command::new(program("prometheus"))
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", setup.dir.join("prometheus").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .wrap_err("prometheus does not start; make test-all installs it")?;
        Ok(Self { child, url: format!("http://127.0.0.1:{port}") })
    }

    async fn read(&self, path: &str, query: &[(&str, &str)]) -> eyre::Result<Value> {
        let url = reqwest::Url::parse_with_params(&format!("{}{path}", self.url), query)?;
        let answer: Value = reqwest::get(url).await?.json().await?;
        ensure!(answer["status"] == "success", "{query:?}: {answer}");
        Ok(answer["data"].clone())
    }

    /// What an expression is now: none when nothing has it.
    async fn ask(&self, expression: &str) -> eyre::Result<Vec<Value>> {
        let data = self.read("/api/v1/query", &[("query", expression)]).await?;
        data["result"].as_array().cloned().ok_or_eyre("no result")
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The figures that a text names.
fn named(text: &str) -> BTreeSet<&str> {
    let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    text.split(|c| !is_name(c)).filter(|word| word.starts_with("spillway_")).collect()
}

/// The anchor that a heading of Markdown has on a page.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().to_lowercase();
    let kept = kept.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn each_alert_leads_to_its_section_of_the_operators_guide() -> eyre::Result<()> {
    let rules = std::fs::read_to_string(root().join("ops/alerts.yml"))?;
    let alerts: Vec<_> = rules.split("- alert: ").skip(1).collect();
    ensure!(alerts.len() > 20, "few alerts: {}", alerts.len());
    for alert in alerts {
        let name = alert.lines().next().unwrap_or_default();
        let link = alert.lines().find_map(|line| line.trim().strip_prefix("runbook_url: "));
        let (page, at) =
            link.and_then(|link| link.split_once('#')).ok_or_eyre(format!("{name} has no link"))?;
        assert_eq!(page, "docs/operations.md", "{name}");
        let page = std::fs::read_to_string(root().join(page))?;
        let mut headings =
            page.lines().filter(|l| l.starts_with('#')).map(|l| anchor(l.trim_start_matches('#')));
        assert!(headings.any(|heading| heading == at), "{name}: #{at} leads nowhere");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Prometheus and Grafana's schemas: make test-all"]
async fn prometheus_reads_figures_and_rules_and_grafanas_schemas_the_dashboard() -> eyre::Result<()> {
    let world = World::start(0.5).await?;
    let (pool, _) = Pool::with_a_writer(&world).await?;
    let config = format!("[batch]\nwindow = \"100ms\"\n[margin]\nfactory = \"{}\"\n", pool.factory);
    let setup = Setup::new(&world, Path::new(PROGRAM), 1, &config)?;
    let keeper = Keeper::start_ready(&setup).await?;
    submit(&world, &setup, &orders_of(&world, "TUSD", "paid", 20))?;
    setup.settled(LIMIT).await?;
    world.provider().anvil_set_balance(GUARDIAN, amount_of_ether(10)).await?;
    let input = IVault::pauseCall { scope: Scope::Orders, duration: 600 }.abi_encode();
    let sent = send(world.provider(), GUARDIAN, world.vault(), U256::ZERO, input.into()).await?;
    ensure!(sent.get_receipt().await?.status(), "the vault refused the pause");
    submit(&world, &setup, &orders_of(&world, "TUSD", "waits", 1))?;

    let rules = std::fs::read_to_string(root().join("ops/alerts.yml"))?;
    let board = std::fs::read_to_string(root().join("ops/dashboard.json"))?;
    let told = eventually("all figures that rules and dashboard name are told", LIMIT, || async {
        let text = reqwest::get(setup.api("/metrics")).await?.text().await?;
        let mut missing: BTreeSet<_> = &named(&rules) | &named(&board);
        missing.retain(|name| !ELSEWHERE.contains(name) && !named(&text).contains(name));
        let waits = text.contains("spillway_batches_waiting{");
        Ok((missing.is_empty() && waits).then_some(text))
    })
    .await?;
    let documented = std::fs::read_to_string(root().join("docs/metrics.md"))?;
    let undocumented: Vec<_> = named(&told).difference(&named(&documented)).copied().collect();
    assert!(undocumented.is_empty(), "not in docs/metrics.md: {undocumented:?}");
    std::fs::write(setup.dir.join("metrics"), &told)?;
    for (what, arguments, input) in [
        (
            "rules",
            vec!["check".to_owned(), "rules".to_owned(), root().join("ops/alerts.yml").display().to_string()],
            None,
        ),
        ("figures", vec!["check".to_owned(), "metrics".to_owned()], Some(setup.dir.join("metrics"))),
    ] {
        let mut check = Command::new(program("promtool"));
        if let Some(input) = input {
            check.stdin(std::fs::File::open(input)?);
        }
        let said = block_in_place(|| check.args(arguments).output())?;
        ensure!(said.status.success(), "{what}: {}", String::from_utf8_lossy(&said.stderr));
    }
    let python = env::var("SPILLWAY_GRAFANA_PYTHON").wrap_err("SPILLWAY_GRAFANA_PYTHON names Python")?;
    let script = root().join("script/ops/dashboard.py");
    let read =
        block_in_place(|| Command::new(python).arg(script).arg(root().join("ops/dashboard.json")).output())?;
    ensure!(read.status.success(), "dashboard: {}", String::from_utf8_lossy(&read.stderr));

    let prometheus = Prometheus::start(&setup)?;
    eventually("Prometheus has read the figures", LIMIT, || async {
        let ready = prometheus.ask("spillway_ready").await.unwrap_or_default();
        Ok(ready.first().is_some_and(|sample| sample["value"][1] == "1").then_some(()))
    })
    .await?;
    let board: Value = serde_json::from_str(&board)?;
    let panels = board["panels"].as_array().ok_or_eyre("no panels")?;
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    let questions: Vec<_> = targets.filter_map(|target| target["expr"].as_str()).collect();
    ensure!(questions.len() > 15, "few questions: {questions:?}");
    for question in questions {
        let answer = prometheus.ask(question).await?;
        let is_elsewhere = ELSEWHERE.iter().any(|name| question.contains(name));
        // A rate needs more than one reading.
        assert!(is_elsewhere || question.contains('[') || !answer.is_empty(), "{question} shows nothing");
    }
    let groups = prometheus.read("/api/v1/rules", &[]).await?;
    let all = groups["groups"][0]["rules"].as_array().cloned().unwrap_or_default();
    assert_eq!(all.len(), rules.matches("- alert: ").count());
    assert!(all.iter().all(|rule| rule["health"] != "err"), "{all:#?}");
    eventually("the pause raises its alert", LIMIT, || async {
        let alerts = prometheus.read("/api/v1/alerts", &[]).await?;
        let raised = alerts["alerts"].as_array().cloned().unwrap_or_default();
        Ok(raised.iter().any(|alert| alert["labels"]["alertname"] == "SpillwayPaused").then_some(()))
    })
    .await?;
    drop(prometheus);
    keeper.stop()
}
