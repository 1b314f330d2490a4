//! Printing. A reader that went away (`spillway status | head -1`) is no error.

use comfy_table::{Table, presets};
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
