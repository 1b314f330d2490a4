//! Printing. A reader that went away (`spillway status | head -1`) is no error.

use comfy_table::{Table, presets};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use std::{
    fmt::Display,
    io::{Write, stderr, stdout},
};

/// A line of the result.
pub(super) fn line(text: impl Display) {
    let _ = writeln!(stdout(), "{text}");
}

/// The result as one JSON document.
pub(super) fn json(document: &impl Serialize) -> eyre::Result<()> {
    line(serde_json::to_string(document)?);
    Ok(())
}

/// A line beside the result.
pub(super) fn note(text: impl Display) {
    let _ = writeln!(stderr(), "{text}");
}

/// An error with its causes.
pub(super) fn error(error: &eyre::Report) {
    note(format!("error: {error:#}"));
}

/// A table for people.
pub(super) fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY).set_header(header);
    table
}

/// How far a long command is; shown on a terminal only. With a length, it tells the time left too.
pub(super) fn bar(what: &'static str) -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {pos} {msg} ({elapsed})") {
        bar.set_style(style);
    }
    bar.set_message(what);
    bar
}

/// So much is done, of so much.
pub(super) fn advance(bar: &ProgressBar, done: u64, of: u64) {
    if bar.length() != Some(of) {
        if let Ok(style) = ProgressStyle::with_template("{wide_bar} {pos} of {len} {msg}, {eta} left") {
            bar.set_style(style);
        }
        bar.set_length(of);
    }
    bar.set_position(done);
}
