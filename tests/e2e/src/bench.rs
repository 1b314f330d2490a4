//! How figures are shown and kept: a line `name value unit` each, and all of a run as JSON.

use crate::scratch;
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

fn shown(value: f64) -> String {
    if value >= 100.0 { format!("{value:.0}") } else { format!("{value:.3}") }
}

/// The middle one.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
