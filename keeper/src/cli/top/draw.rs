//! One frame of `spillway top`.

use super::Seen;
use crate::domain::amount::Amount;
use alloy::primitives::U256;
use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Color, Style, Stylize},
    text::Line,
    widgets::{Block, Paragraph, Row, Table},
};
use serde_json::Value;
use std::time::{Duration, UNIX_EPOCH};

/// Cells of a bar.
const BAR: u64 = 20;

pub(super) fn frame(frame: &mut Frame<'_>, seen: &Seen) {
    let lanes = 3 + rows(&seen.overview, "lanes").len().min(8) as u16;
    let endpoints = 3 + rows(&seen.overview, "endpoints").len().min(8) as u16;
    let areas = [
        Constraint::Length(2),
        Constraint::Length(12),
        Constraint::Min(4),
        Constraint::Length(lanes.max(endpoints)),
    ];
    let [head, top, middle, bottom] = Layout::vertical(areas).areas(frame.area());
    let halves = Layout::horizontal([Constraint::Percentage(50); 2]);
    let [stages_at, vault_at] = halves.areas(top);
    let [lanes_at, endpoints_at] = halves.areas(bottom);
    title(frame, head, seen);
    stages(frame, stages_at, seen);
    vault(frame, vault_at, seen);
    stuck(frame, middle, seen);
    self::lanes(frame, lanes_at, seen);
    self::endpoints(frame, endpoints_at, seen);
}

fn title(frame: &mut Frame<'_>, area: Rect, seen: &Seen) {
    let ready = seen.overview["ready"] == true;
    let block =
        seen.vault.as_ref().map_or_else(|| "no chain".to_owned(), |v| format!("block {}", text(v, "block")));
    let state = if ready { "paying".green() } else { "not paying".red() };
    let first = Line::from(vec![
        "spillway  ".bold(),
        state,
        format!("  {block}  {}", text(&seen.overview, "at")).into(),
    ]);
    let causes = rows(&seen.overview, "causes").iter().filter_map(Value::as_str);
    let trouble: Vec<_> = seen.trouble.as_deref().into_iter().chain(causes).collect();
    frame.render_widget(Paragraph::new(vec![first, Line::from(trouble.join("; ")).red()]), area);
}

fn stages(frame: &mut Frame<'_>, area: Rect, seen: &Seen) {
    let stages = rows(&seen.overview, "stages");
    let most = stages.iter().filter_map(|s| s["withdrawals"].as_u64()).max().unwrap_or(0);
    let lines = stages.iter().map(|stage| {
        let n = stage["withdrawals"].as_u64().unwrap_or(0);
        let since = if n > 0 { away(seen, &text(stage, "since")) } else { String::new() };
        Row::new([text(stage, "stage"), bar(U256::from(n), U256::from(most)), n.to_string(), since])
    });
    let widths =
        [Constraint::Length(10), Constraint::Length(BAR as u16), Constraint::Length(9), Constraint::Min(8)];
    table(frame, area, "Line", ["stage", "", "waiting", "oldest"], widths, lines);
}

fn vault(frame: &mut Frame<'_>, area: Rect, seen: &Seen) {
    let Some(vault) = &seen.vault else {
        let nothing = Paragraph::new("the chain does not answer").block(Block::bordered().title("Limits"));
        return frame.render_widget(nothing, area);
    };
    let pauses = rows(vault, "pauses").iter().map(|pause| {
        let by = pause["by"].as_str().map(|by| format!(", by {by}")).unwrap_or_default();
        let ends = format!("ends in {}{by}", away(seen, &text(pause, "until")));
        Row::new([text(pause, "scope"), "paused".to_owned(), ends]).style(Style::new().fg(Color::Red))
    });
    let usd = vault["usd"].is_object().then(|| bucket("USD", &vault["usd"])).into_iter();
    let assets = rows(vault, "assets").iter().flat_map(|asset| {
        let symbol = text(&asset["asset"], "symbol");
        [bucket(&symbol, &asset["bucket"]), bucket(&format!("{symbol} alone"), &asset["instant"])]
    });
    let widths = [Constraint::Length(14), Constraint::Length(BAR as u16), Constraint::Min(12)];
    table(frame, area, "Limits", ["", "left", ""], widths, pauses.chain(usd).chain(assets));
}

fn bucket(name: &str, of: &Value) -> Row<'static> {
    let units = |name: &str| Amount::parse(&text(of, name), 18).map_or(U256::ZERO, |amount| amount.0);
    let (left, capacity) = (units("left"), units("capacity"));
    let words = format!("{} of {}", text(of, "left"), text(of, "capacity"));
    let low = left < capacity / U256::from(10);
    Row::new([name.to_owned(), bar(left, capacity), words]).style(if low {
        Style::new().fg(Color::Red)
    } else {
        Style::new()
    })
}

fn stuck(frame: &mut Frame<'_>, area: Rect, seen: &Seen) {
    let lines = rows(&seen.overview, "stuck").iter().map(|one| {
        let amount = format!("{} {}", text(one, "amount"), text(&one["asset"], "symbol"));
        let why = text(&one["reason"], "code");
        Row::new([text(one, "id"), amount, text(one, "stage"), away(seen, &text(one, "received_at")), why])
    });
    let widths = [
        Constraint::Length(35),
        Constraint::Length(24),
        Constraint::Length(10),
        Constraint::Length(10),
        Constraint::Min(20),
    ];
    table(
        frame,
        area,
        "Stuck, the oldest first",
        ["withdrawal", "amount", "stage", "age", "cause"],
        widths,
        lines,
    );
}

fn lanes(frame: &mut Frame<'_>, area: Rect, seen: &Seen) {
    let lines = rows(&seen.overview, "lanes").iter().map(|lane| {
        let state = match (lane["fenced_since"].as_str(), lane["gas_needed"].as_str()) {
            (Some(since), _) => format!("fenced for {}", away(seen, since)),
            _ if lane["enabled"] == false => "disabled on chain".to_owned(),
            (None, Some(wei)) => format!("needs {wei} for gas"),
            (None, None) => "pays".to_owned(),
        };
        let address: String = text(lane, "address").chars().take(12).collect();
        Row::new([address, text(lane, "nonce"), text(lane, "in_flight"), state])
    });
    let widths = [Constraint::Length(13), Constraint::Length(8), Constraint::Length(9), Constraint::Min(16)];
    table(frame, area, "Lanes", ["lane", "nonce", "in flight", "state"], widths, lines);
}

fn endpoints(frame: &mut Frame<'_>, area: Rect, seen: &Seen) {
    let lines = rows(&seen.overview, "endpoints").iter().map(|one| {
        let state = one["set_aside"]["cause"].as_str().unwrap_or("asked").to_owned();
        let errors = format!("{}/{}", text(one, "errors"), text(one, "requests"));
        Row::new([
            text(one, "host"),
            format!("{} ms", text(one, "latency_ms")),
            errors,
            text(one, "behind"),
            state,
        ])
    });
    let widths = [
        Constraint::Min(12),
        Constraint::Length(8),
        Constraint::Length(10),
        Constraint::Length(6),
        Constraint::Min(10),
    ];
    table(frame, area, "RPC endpoints", ["host", "latency", "errors", "behind", "state"], widths, lines);
}

fn table<const N: usize>(
    frame: &mut Frame<'_>,
    area: Rect,
    title: &'static str,
    header: [&'static str; N],
    widths: [Constraint; N],
    lines: impl Iterator<Item = Row<'static>>,
) {
    let table =
        Table::new(lines, widths).header(Row::new(header).dim()).block(Block::bordered().title(title));
    frame.render_widget(table, area);
}

/// The members of a list; none when it is no list.
fn rows<'a>(of: &'a Value, name: &str) -> &'a [Value] {
    of[name].as_array().map_or(&[], Vec::as_slice)
}

/// A member as it reads; empty when it is not there.
fn text(of: &Value, name: &str) -> String {
    match &of[name] {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn bar(n: U256, of: U256) -> String {
    let filled = if of.is_zero() { U256::ZERO } else { (n * U256::from(BAR) / of).min(U256::from(BAR)) };
    let filled = filled.to::<usize>();
    format!("{}{}", "█".repeat(filled), "░".repeat(BAR as usize - filled))
}

/// How far a moment is from when the keeper said so, to the minute from the second minute on.
fn away(seen: &Seen, moment: &str) -> String {
    let read = |text: &str| humantime::parse_rfc3339(text).ok()?.duration_since(UNIX_EPOCH).ok();
    let Some((now, at)) = read(&text(&seen.overview, "at")).zip(read(moment)) else { return String::new() };
    let seconds = now.abs_diff(at).as_secs();
    let coarse = if seconds < 120 { seconds } else { seconds / 60 * 60 };
    humantime::format_duration(Duration::from_secs(coarse)).to_string()
}
