//! How figures are shown and kept: a line `name value unit` each, and all of a run as JSON.

use crate::scratch;
use eyre::OptionExt;
use serde::Serialize;
use std::{fs, path::PathBuf};

/// The figures of one run.
#[derive(Debug, Default)]
pub struct Figures(Vec<Figure>);

#[derive(Debug, Serialize)]
struct Figure {
    name: String,
    value: f64,
    unit: &'static str,
}

impl Figures {
    /// Adds one and prints it.
    pub fn add(&mut self, name: impl Into<String>, value: f64, unit: &'static str) {
        let figure = Figure { name: name.into(), value, unit };
        println!("{} {} {}", figure.name, shown(value), unit);
        self.0.push(figure);
    }

    /// Writes all to `target/e2e/bench/NAME.json`.
    pub fn write(&self, name: &str) -> eyre::Result<PathBuf> {
        let path = scratch("bench").join(format!("{name}.json"));
        fs::write(&path, serde_json::to_string_pretty(&self.0)? + "\n")?;
        Ok(path)
    }
}

/// Clock ticks per second in `/proc`, as Linux has told programs since 1992.
const TICKS: f64 = 100.0;

/// Seconds of processor time that a process took so far.
#[allow(clippy::float_arithmetic)]
pub fn cpu(process: u32) -> eyre::Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // After the name in parentheses: state is field 3, user and system time are 14 and 15.
    let (_, fields) = stat.rsplit_once(") ").ok_or_eyre("/proc/PID/stat")?;
    let mut times = fields.split(' ').skip(11).map(str::parse::<f64>);
    let (user, system) = (times.next().ok_or_eyre("utime")??, times.next().ok_or_eyre("stime")??);
    Ok((user + system) / TICKS)
}

fn shown(value: f64) -> String {
    if value >= 100.0 { format!("{value:.0}") } else { format!("{value:.3}") }
}

/// The middle one.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
