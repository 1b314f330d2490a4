//! `make bench-oracle`: what a verdict takes, whether all vectors hold, what `read` costs on chain.

#![expect(clippy::float_arithmetic, reason = "figures for people; nothing is paid by them")]

use eyre::{OptionExt, WrapErr, ensure};
use oracle_guard::{AssetConfig, Input, Memory, judge, record, scenario::VectorFile};
use spillway_e2e::{
    bench::{Figures, median},
    root,
};
use std::{hint::black_box, process::Command, time::Instant};

/// Verdicts of one measurement.
const ROUND: u32 = 200_000;
const ROUNDS: usize = 15;
/// Of the differential fuzz here; `make test-long` runs ten times as many.
const CASES: u64 = 1_000_000;

type Question = (AssetConfig, Input, Memory);

fn main() -> eyre::Result<()> {
    let mut figures = Figures::default();
    let vectors = vectors()?;
    for (name, file, case) in [
        ("oracle_verdict_ns", "feeds", "a complete round of its own"),
        ("oracle_verdict_pool_ns", "twap", "a pool at one to one"),
        ("oracle_verdict_product_ns", "products", "a rate times a price"),
    ] {
        let (_, file) = vectors.iter().find(|(n, _)| n == file).ok_or_eyre("a file of vectors is gone")?;
        let case = file.cases.iter().find(|c| c.name == case).ok_or_eyre("a vector is gone")?;
        figures.add(name, nanoseconds(&file.question(case)?), "ns");
    }
    let (count, failed) = judged_otherwise(&vectors)?;
    figures.add("oracle_vectors", f64::from(count), "vectors");
    figures.add("oracle_vectors_failed", f64::from(failed), "vectors");
    told(
        &mut figures,
        Command::new("cargo")
            .args([
                "test",
                "--quiet",
                "--release",
                "-p",
                "oracle-guard",
                "--test",
                "differential",
                "--test",
                "incidents",
            ])
            .args(["--", "--nocapture"])
            .env("SPILLWAY_ORACLE_CASES", CASES.to_string()),
    )?;
    told(&mut figures, Command::new("forge").args(["test", "--mc", "OracleGasTest", "-vv"]))?;
    let path = figures.write("oracle")?;
    eprintln!("written to {}", path.display());
    Ok(())
}

/// Per verdict, the middle of several measurements.
fn nanoseconds((config, input, memory): &Question) -> f64 {
    let measure = |_| {
        let start = Instant::now();
        for _ in 0..ROUND {
            black_box(judge(black_box(config), black_box(input), black_box(memory)));
        }
        start.elapsed().as_nanos() as f64 / f64::from(ROUND)
    };
    median((0..ROUNDS).map(measure).collect())
}

fn vectors() -> eyre::Result<Vec<(String, VectorFile)>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(root().join("oracle-guard/vectors"))? {
        let path = entry?.path();
        let name = path.file_stem().ok_or_eyre("a file without name")?.to_string_lossy().into_owned();
        if name != "evm" {
            let text = std::fs::read_to_string(&path)?;
            files.push((name, serde_json::from_str(&text).wrap_err_with(|| path.display().to_string())?));
        }
    }
    Ok(files)
}

fn judged_otherwise(files: &[(String, VectorFile)]) -> eyre::Result<(u32, u32)> {
    let (mut count, mut failed) = (0, 0);
    for (_, file) in files {
        for case in &file.cases {
            let (config, input, memory) = file.question(case)?;
            let judgement = judge(&config, &input, &memory);
            let after = record(&config, &input, &memory, &judgement);
            count += 1;
            failed += u32::from(case.expect.differs(&judgement, &after).is_some());
        }
    }
    Ok((count, failed))
}

/// Figures that another program prints, as `oracle_name value unit`.
fn told(figures: &mut Figures, command: &mut Command) -> eyre::Result<()> {
    let output = command.current_dir(root()).output().wrap_err_with(|| format!("{command:?}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(
        output.status.success(),
        "{command:?} failed:\n{text}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    for line in text.lines().map(str::trim).filter(|line| line.starts_with("oracle_")) {
        let mut words = line.split(' ');
        if let (Some(name), Some(Ok(value)), Some(unit)) =
            (words.next(), words.next().map(str::parse), words.next())
        {
            let unit = ["gas", "percent", "bps", "cases", "USD", "incidents", "alarms", "judgements"]
                .into_iter()
                .find(|u| *u == unit);
            figures.add(name, value, unit.unwrap_or(""));
        }
    }
    Ok(())
}
