//! The ledger as Parquet files: each row exactly once, whatever kills the export; what DuckDB makes of it; and the statement of
//! a day. Everything is held against the store, by questions of its own.

// All of this file is a test, its helpers too.
#![allow(clippy::unwrap_used)]

mod ledger_files;

use alloy::{
    primitives::{Address, TxHash, U256, U512, keccak256},
    providers::Provider,
};
use eyre::{WrapErr, ensure};
use ledger_files::{Files, Ledger};
use rand::RngExt;
use serde_json::Value;
use spillway::domain::amount::Amount;
use spillway_e2e::{
    cases::{orders_of, submit},
    chain_audit::Expected,
    eventually,
    keeper::{Database, Keeper, Setup},
    root,
    world::World,
};
use std::{collections::BTreeMap, env, path::Path, process::Command, time::Duration};

const PROGRAM: &str = env!("CARGO_BIN_EXE_spillway-under-test");
const EXPORTING: &str = "[batch]\nwindow = \"200ms\"\n[policy]\nhold_timeout = \"2s\"\n[export]\ndirectory = \"EXPORT\"\ninterval = \"1s\"\n";

/// A keeper's configuration that exports into `export` beside its other files.
fn exporting(database: Database, world: &World) -> eyre::Result<Setup> {
    let folder = world.dir.path().join("export");
    let config = EXPORTING.replace("EXPORT", &folder.display().to_string());
    Setup::over(database, world, Path::new(PROGRAM), 2, &config)
}

/// Orders of all assets, one in nine to somebody who takes no money, and a request.
async fn pay(world: &World, setup: &Setup, round: u64) -> eyre::Result<()> {
    let mut orders = Vec::new();
    for asset in ["ETH", "TUSD", "TDAI"] {
        orders.extend(orders_of(world, asset, &format!("{asset}-{round}"), 8));
        let hostile = world.recipients[if asset == "TUSD" { "blocked" } else { "reverter" }];
        orders.push(Expected {
            key: format!("hostile-{asset}-{round}"),
            asset: world.asset(asset).address,
            recipient: hostile,
            amount: U256::from(5_000_000 + round),
        });
    }
    submit(world, setup, &orders)?;
    let depositor = Address::from_slice(&keccak256(format!("depositor {round}"))[..20]);
    let tusd = world.asset("TUSD").address;
    world.request(tusd, depositor, Address::repeat_byte(9), U256::from(20_000_000 + round)).await
}

/// Orders of more than the vault has, which are rejected when they were held for long enough.
async fn reject(world: &World, setup: &Setup) -> eyre::Result<()> {
    let vast = ["ETH", "TUSD", "TDAI"].map(|asset| Expected {
        key: format!("vast-{asset}"),
        asset: world.asset(asset).address,
        recipient: Address::repeat_byte(7),
        amount: U256::from(10).pow(U256::from(27)),
    });
    submit(world, setup, &vast)?;
    setup.settled(Duration::from_secs(60)).await
}

async fn each_row_is_there_exactly_once_whatever_kills_the_export(database: Database) -> eyre::Result<()> {
    let world = World::start(0.5).await?;
    let setup = exporting(database, &world)?;
    let folder = setup.dir.join("export");
    for round in 0..4 {
        let keeper = Keeper::start_ready(&setup).await?;
        pay(&world, &setup, round).await?;
        tokio::time::sleep(Duration::from_millis(rand::rng().random_range(500..4_000))).await;
        keeper.kill()?;
    }
    let keeper = Keeper::start_ready(&setup).await?;
    setup.settled(Duration::from_secs(60)).await?;
    let ledger = Ledger::read(&setup).await?;
    // The keeper's own stage brings it up, without being asked.
    eventually("everything is exported", Duration::from_secs(20), || async {
        Ok((Files::read(&folder)?.rows("postings") == ledger.rows("postings")).then_some(()))
    })
    .await?;
    let busy = setup.run(&["export"])?;
    let said = String::from_utf8_lossy(&busy.stderr).into_owned();
    // Between two of its intervals the keeper holds nothing.
    ensure!(busy.status.success() || said.contains("is written by"), "{said}");
    keeper.stop()?;

    // By hand, killed at each named step: in a new folder, and in one that has something already.
    let by_hand = setup.dir.join("by hand");
    let by_hand_name = by_hand.to_string_lossy().into_owned();
    for round in 0..2 {
        for step in spillway::crash::EXPORT_POINTS {
            if round == 1 {
                // Something new, so that there is something to write.
                submit(&world, &setup, &orders_of(&world, "TUSD", step, 2))?;
            }
            let mut command = setup.command();
            let killed = command.env("SPILLWAY_CRASH_AT", step).args(["export", "--dir", &by_hand_name]);
            let status = tokio::task::block_in_place(|| killed.status())?;
            ensure!(!status.success(), "{step}: it was not killed");
        }
    }
    // And at any instant.
    for _ in 0..10 {
        let mut child = setup.command().args(["export", "--dir", &by_hand_name, "--json"]).spawn()?;
        tokio::time::sleep(Duration::from_millis(rand::rng().random_range(1..150))).await;
        child.kill()?;
        child.wait()?;
    }
    setup.json(&["export", "--dir", &by_hand_name])?;
    let (files, ledger) = (Files::read(&by_hand)?, Ledger::read(&setup).await?);
    ledger.same_as(&files)?;
    ensure!(files.rows("payouts").len() > 100, "{} payouts", files.rows("payouts").len());
    ensure!(files.misplaced().is_empty(), "{:?}", files.misplaced());

    // Once more changes nothing: the note that somebody exported has no rows.
    let again = setup.json(&["export", "--dir", &by_hand_name])?;
    assert_eq!((&again["rows"], &again["files"]), (&Value::from(0), &Value::from(0)), "{again}");
    assert_eq!(Files::read(&by_hand)?.contents(), files.contents());
    // Another folder has the same rows, whatever parts they came in.
    setup.json(&["export", "--dir", &setup.dir.join("anew").to_string_lossy()])?;
    ledger.same_as(&Files::read(&setup.dir.join("anew"))?)?;
    setup.json(&["export"])?;
    ledger.same_as(&Files::read(&folder)?)
}

/// A restored store says something else than what was exported of the past that it lost.
async fn a_past_that_a_restore_lost_is_set_aside(database: Database) -> eyre::Result<()> {
    let world = World::start(0.5).await?;
    let setup = Setup::over(database, &world, Path::new(PROGRAM), 2, "[batch]\nwindow = \"200ms\"\n")?;
    let folder = setup.dir.join("export");
    let name = folder.to_string_lossy().into_owned();
    let round = async |n| -> eyre::Result<()> {
        let keeper = Keeper::start_ready(&setup).await?;
        pay(&world, &setup, n).await?;
        setup.settled(Duration::from_secs(60)).await?;
        keeper.stop()
    };
    round(0).await?;
    setup.json(&["export", "--dir", &name])?;
    setup.back_up().await?;
    round(1).await?;
    setup.json(&["export", "--dir", &name])?;
    let lost = Files::read(&folder)?;
    setup.restore().await?;
    round(2).await?;
    let said = setup.json(&["export", "--dir", &name])?;
    ensure!(said["rows"].as_u64() > Some(0), "{said}");
    let files = Files::read(&folder)?;
    Ledger::read(&setup).await?.same_as(&files)?;
    let aside: Vec<_> = std::fs::read_dir(folder.join("superseded"))?.collect::<Result<_, _>>()?;
    ensure!(aside.len() == 1, "{aside:?}");
    let aside = Files::read(&aside[0].path())?;
    let kept = files.rows("postings");
    let missing: Vec<_> = lost.rows("postings").into_iter().filter(|row| !kept.contains(row)).collect();
    ensure!(!missing.is_empty(), "nothing was lost");
    ensure!(missing.iter().all(|row| aside.rows("postings").contains(row)), "something is nowhere");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_of_another_vault_is_left_alone() -> eyre::Result<()> {
    let world = World::start(0.5).await?;
    let setup = exporting(Database::Sqlite, &world)?;
    let keeper = Keeper::start_ready(&setup).await?;
    keeper.stop()?;
    let folder = setup.dir.join("other");
    let name = folder.to_string_lossy().into_owned();
    setup.json(&["export", "--dir", &name])?;
    let progress = folder.join("progress.json");
    let text = std::fs::read_to_string(&progress)?.replace("\"chain_id\":31337", "\"chain_id\":1");
    std::fs::write(&progress, &text)?;
    let refused = setup.run(&["export", "--dir", &name])?;
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    ensure!(refused.status.code() == Some(1) && said.contains("name another folder"), "{said}");
    assert_eq!(std::fs::read_to_string(&progress)?, text);
    Ok(())
}

/// Waits until the keeper has taken in so many requests: they come in with final blocks.
async fn until_requested(setup: &Setup, n: usize) -> eyre::Result<()> {
    eventually("the requests are known", Duration::from_secs(60), || async {
        let ledger = Ledger::read(setup).await?;
        Ok((ledger.requests() >= n).then_some(()))
    })
    .await
}

/// The text of the element with an id.
fn figure(page: &str, id: &str) -> eyre::Result<String> {
    let start = page.split_once(&format!(" id=\"{id}\">")).ok_or_else(|| eyre::eyre!("no figure {id}"))?;
    Ok(start.1.split('<').next().unwrap_or_default().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_statement_of_a_day_has_the_stores_figures() -> eyre::Result<()> {
    let world = World::start(0.5).await?;
    let setup = exporting(Database::Sqlite, &world)?;
    let keeper = Keeper::start_ready(&setup).await?;
    pay(&world, &setup, 0).await?;
    until_requested(&setup, 1).await?;
    setup.settled(Duration::from_secs(60)).await?;
    reject(&world, &setup).await?;
    keeper.stop()?;
    let ledger = Ledger::read(&setup).await?;
    let day = ledger.days().pop_last().unwrap();
    let file = setup.dir.join("statement.html");
    let statement = setup.json(&["report", "--day", &day, "--out", &file.to_string_lossy()])?;
    let page = std::fs::read_to_string(&file)?;
    for outside in ["http:", "https:", "//", "<script", "@import", "url("] {
        ensure!(!page.contains(outside), "the page has {outside}");
    }
    for asset in world.deployment.assets.iter() {
        let symbol = &asset.symbol;
        let shown = |units: U256| Amount(units).to_decimal(asset.decimals);
        let mine = ledger.of_asset(asset.address, &day);
        for (what, ended) in &mine.ended {
            assert_eq!(
                figure(&page, &format!("{symbol}-{what}-count"))?,
                ended.0.to_string(),
                "{symbol} {what}"
            );
            assert_eq!(figure(&page, &format!("{symbol}-{what}-amount"))?, shown(ended.1), "{symbol} {what}");
        }
        ensure!(mine.ended["paid"].0 >= 8 && mine.ended["rejected"].0 >= 1, "{symbol}: {:?}", mine.ended);
        for (account, (debits, credits)) in &mine.closing {
            let (plus, minus) = if ["cash", "cold", "gas", "lost"].contains(&account.as_str()) {
                (debits, credits)
            } else {
                (credits, debits)
            };
            let expected =
                if plus < minus { format!("-{}", shown(minus - plus)) } else { shown(plus - minus) };
            assert_eq!(
                figure(&page, &format!("{symbol}-{account}-closing"))?,
                expected,
                "{symbol} {account}"
            );
        }
        let held = world.balance(asset.address, world.vault()).await?;
        assert_eq!(figure(&page, &format!("{symbol}-cash-closing"))?, shown(held), "what the vault holds");
        for (what, percent) in [("p50", 50), ("p90", 90), ("p99", 99)] {
            let rank = (mine.took.len() * percent).div_ceil(100);
            let expected = mine.took[rank - 1].to_string();
            assert_eq!(figure(&page, &format!("{symbol}-final-{what}"))?, expected, "{symbol}");
        }
        let of_json =
            statement["assets"].as_array().unwrap().iter().find(|a| a["symbol"] == *symbol).unwrap();
        let units = |text: &Value| Amount::parse(text.as_str().unwrap(), asset.decimals).unwrap().0;
        // Zero is no amount that anybody pays, so it is none that can be read.
        let hours = of_json["outflow"].as_array().unwrap().iter().filter(|hour| **hour != "0");
        let outflow: U256 = hours.map(units).sum();
        assert_eq!(outflow, mine.outflow, "{symbol}");
    }
    // What the chain itself took.
    let mut taken = U256::ZERO;
    for tx in ledger.transactions() {
        let receipt = world.provider().get_transaction_receipt(tx.parse::<TxHash>()?).await?.unwrap();
        taken += U256::from(receipt.gas_used) * U256::from(receipt.effective_gas_price);
    }
    ensure!(!taken.is_zero(), "nothing was paid for gas");
    assert_eq!(figure(&page, "all-fees-fee")?, Amount(taken).to_decimal(18));
    assert_eq!(figure(&page, "all-fees-unknown")?, "0");
    ensure!(page.contains("Intake, ledger and chain agree at block"), "{page}");
    ensure!(page.contains("The audit chain is whole"), "{page}");
    // A day on which nothing happened.
    let before = setup.json(&["report", "--day", "2001-01-01"])?;
    assert_eq!(before["assets"][0]["paid"]["count"], 0, "{before}");
    assert!(before["assets"][0]["time_to_final"].is_null(), "{before}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs DuckDB: make test-all"]
async fn the_questions_of_a_risk_desk_are_answered_as_the_store_would() -> eyre::Result<()> {
    let python = env::var("SPILLWAY_DUCKDB").wrap_err("SPILLWAY_DUCKDB names a Python that has duckdb")?;
    let world = World::start(0.5).await?;
    let setup = exporting(Database::Sqlite, &world)?;
    let keeper = Keeper::start_ready(&setup).await?;
    for round in 0..3 {
        pay(&world, &setup, round).await?;
    }
    until_requested(&setup, 3).await?;
    setup.settled(Duration::from_secs(60)).await?;
    reject(&world, &setup).await?;
    keeper.stop()?;
    setup.json(&["export"])?;
    let ledger = Ledger::read(&setup).await?;
    let answers = ask(&python, &setup)?;
    let rows = |question: &str| answers[question].as_array().unwrap().clone();
    let units = |row: &Value, column: &str| row[column].as_str().unwrap().parse::<U256>().unwrap();
    let number = |row: &Value, column: &str| row[column].as_u64().unwrap();
    for asset in world.deployment.assets.iter() {
        let of_asset = |question: &str| -> Vec<Value> {
            rows(question).into_iter().filter(|row| row["asset"] == asset.symbol).collect()
        };
        let days: Vec<_> = ledger.days().iter().map(|day| ledger.of_asset(asset.address, day)).collect();
        let outflow = of_asset("outflow_by_hour_and_tier");
        let sum: U256 = outflow.iter().map(|row| units(row, "units")).sum();
        assert_eq!(sum, days.iter().map(|d| d.outflow).sum::<U256>(), "{}", asset.symbol);
        let instant: u64 =
            outflow.iter().filter(|r| r["tier"] == "instant").map(|r| number(r, "payments")).sum();
        assert_eq!(instant, ledger.paid_orders(asset.address), "{}", asset.symbol);
        for row in &outflow {
            let coins = Amount(units(row, "units"));
            let shown = row["coins"].as_str().unwrap();
            assert_eq!(Amount::parse(shown, asset.decimals).unwrap(), coins);
        }
        let times = of_asset("time_to_final");
        assert_eq!(times.len(), ledger.days().len());
        for row in &times {
            let took = ledger.of_asset(asset.address, row["day"].as_str().unwrap()).took;
            assert_eq!(number(row, "payouts"), took.len() as u64);
            for (column, percent) in [("p50", 50), ("p90", 90), ("p99", 99)] {
                let rank = (took.len() * percent).div_ceil(100);
                assert_eq!(row[column].as_i64(), Some(took[rank - 1]), "{column} {}", asset.symbol);
            }
        }
        for row in of_asset("balances") {
            let account = row["account"].as_str().unwrap();
            let (debits, credits) = days.last().unwrap().closing[account];
            assert_eq!((units(&row, "debits"), units(&row, "credits")), (debits, credits), "{account}");
        }
        let top = of_asset("top_recipients");
        let expected = ledger.recipients(asset.address);
        assert_eq!(top.len(), expected.len().min(20));
        for (row, (recipient, amount)) in top.iter().zip(&expected) {
            assert_eq!((row["recipient"].as_str(), units(row, "units")), (Some(recipient.as_str()), *amount));
        }
        let mut failed = BTreeMap::<(String, String), u64>::new();
        for row in of_asset("failure_causes") {
            let text = |column: &str| row[column].as_str().unwrap().to_owned();
            *failed.entry((text("what"), text("code"))).or_default() += number(&row, "count");
        }
        assert_eq!(failed, ledger.failed(asset.address), "{}", asset.symbol);
    }
    let fees: U256 = rows("fee_share").iter().map(|row| units(row, "fee_wei")).sum();
    assert_eq!(fees, ledger.fees());
    let coin = rows("fee_share").into_iter().find(|r| r["asset"] == "ETH" && r["kind"] == "orders").unwrap();
    ensure!(coin["percent_of_amount"].as_f64() > Some(0.0), "{coin}");

    // Sums of the largest amounts there are.
    let amounts: Vec<U256> =
        (0..1_000).map(|_| U256::from_be_bytes(rand::rng().random::<[u8; 32]>())).collect();
    let values: Vec<_> = amounts.iter().map(|amount| format!("('{amount}')")).collect();
    let question = setup.dir.join("sum.sql");
    let sum = format!(
        "SELECT CAST(sum(CAST(x AS BIGNUM)) AS VARCHAR) AS units FROM (VALUES {}) t (x)",
        values.join(", ")
    );
    std::fs::write(&question, sum)?;
    let answer = ask_these(&python, &setup, &[question])?;
    let expected: U512 = amounts.iter().map(|amount| U512::from(*amount)).sum();
    assert_eq!(answer["sum"][0]["units"], expected.to_string());
    Ok(())
}

/// The answers to all questions that come with the keeper.
fn ask(python: &str, setup: &Setup) -> eyre::Result<Value> {
    let folder = root().join("keeper/queries/analytics");
    let mut questions = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.file_stem().is_some_and(|name| name != "views") {
            questions.push(path);
        }
    }
    ensure!(questions.len() >= 6, "{questions:?}");
    ask_these(python, setup, &questions)
}

fn ask_these(python: &str, setup: &Setup, questions: &[std::path::PathBuf]) -> eyre::Result<Value> {
    let output = Command::new(python)
        .arg(root().join("script/analytics/ask.py"))
        .arg(setup.dir.join("export"))
        .arg(root().join("keeper/queries/analytics/views.sql"))
        .args(questions)
        .output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

mod over_sqlite {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn each_row_is_there_exactly_once_whatever_kills_the_export() -> eyre::Result<()> {
        super::each_row_is_there_exactly_once_whatever_kills_the_export(Database::Sqlite).await
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_past_that_a_restore_lost_is_set_aside() -> eyre::Result<()> {
        super::a_past_that_a_restore_lost_is_set_aside(Database::Sqlite).await
    }
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod over_postgres {
    use super::*;
    use spillway_e2e::postgres::Postgres;
    use std::sync::Arc;

    #[tokio::test(flavor = "multi_thread")]
    async fn each_row_is_there_exactly_once_whatever_kills_the_export() -> eyre::Result<()> {
        let server = Database::Postgres(Arc::new(Postgres::start().await?));
        super::each_row_is_there_exactly_once_whatever_kills_the_export(server).await
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_past_that_a_restore_lost_is_set_aside() -> eyre::Result<()> {
        let server = Database::Postgres(Arc::new(Postgres::start().await?));
        super::a_past_that_a_restore_lost_is_set_aside(server).await
    }
}
