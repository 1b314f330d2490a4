//! `spillway top`: what a running keeper's API says, drawn again and again.

mod draw;

use super::{args::TopArgs, client::Client, exit::Exit, output};
use crate::config::Config;
use eyre::WrapErr;
use ratatui::{
    Terminal,
    backend::TestBackend,
    crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers},
};
use serde_json::Value;
use std::time::{Duration, Instant};
use tokio::task::block_in_place;

/// How large a frame is that is printed instead of drawn.
const PRINTED: (u16, u16) = (120, 40);
/// How soon a key is heard.
const LOOK: Duration = Duration::from_millis(100);

/// What the keeper said.
#[derive(Clone, Debug, Default)]
struct Seen {
    overview: Value,
    /// None while the chain does not answer.
    vault: Option<Value>,
    /// Why there is nothing newer.
    trouble: Option<String>,
}

pub(super) async fn run(args: &TopArgs, config: &Config) -> eyre::Result<Exit> {
    let client = Client::new(&args.keeper, &config.api)?;
    if args.json {
        let seen = ask(&client).await?;
        output::json(&serde_json::json!({ "overview": seen.overview, "vault": seen.vault }))?;
        return Ok(Exit::Done);
    }
    if args.once {
        output::line(printed(&ask(&client).await?)?);
        return Ok(Exit::Done);
    }
    let every = Duration::from(args.every);
    let mut terminal = ratatui::try_init().wrap_err("there is no terminal; --once prints one frame")?;
    let ended = watch(&client, every, &mut terminal).await;
    ratatui::restore();
    ended.map(|()| Exit::Done)
}

async fn watch(
    client: &Client,
    every: Duration,
    terminal: &mut ratatui::DefaultTerminal,
) -> eyre::Result<()> {
    let mut seen = ask(client).await?;
    loop {
        terminal.draw(|frame| draw::frame(frame, &seen))?;
        let asked = Instant::now();
        while asked.elapsed() < every {
            if block_in_place(is_ended)? {
                return Ok(());
            }
        }
        match ask(client).await {
            Ok(newer) => seen = newer,
            Err(error) => seen.trouble = Some(format!("{error:#}")),
        }
    }
}

/// Waits a little for a key. True for one that ends it.
fn is_ended() -> eyre::Result<bool> {
    if !event::poll(LOOK)? {
        return Ok(false);
    }
    let Event::Key(key) = event::read()? else { return Ok(false) };
    let control_c = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
    let quits = matches!(key.code, KeyCode::Char('q') | KeyCode::Esc) || control_c;
    Ok(key.kind == KeyEventKind::Press && quits)
}

/// One frame as text.
fn printed(seen: &Seen) -> eyre::Result<String> {
    let (width, height) = PRINTED;
    let mut terminal = Terminal::new(TestBackend::new(width, height))?;
    terminal.draw(|frame| draw::frame(frame, seen))?;
    let cells = terminal.backend().buffer().content();
    let lines = cells.chunks(usize::from(width)).map(|line| {
        let line: String = line.iter().map(|cell| cell.symbol()).collect();
        line.trim_end().to_owned()
    });
    Ok(lines.collect::<Vec<_>>().join("\n"))
}

async fn ask(client: &Client) -> eyre::Result<Seen> {
    let (overview, vault) = tokio::join!(client.get("/v1/overview"), client.get("/v1/vault"));
    Ok(Seen { overview: overview?, vault: vault.ok(), trouble: None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_frame_names_stages_what_is_stuck_lanes_endpoints_and_buckets() {
        let bucket = json!({ "capacity": "100", "left": "25.5", "full_at": "2030-01-01T00:00:00Z" });
        let seen = Seen {
            overview: json!({
                "at": "2030-01-01T00:00:00Z", "ready": false, "causes": ["the chain does not answer"],
                "stages": [{ "stage": "held", "withdrawals": 7, "since": "2029-12-31T23:58:00Z" }],
                "stuck": [{ "id": "wd_0123456789abcdef0123456789abcdef", "stage": "held", "amount": "2000000",
                    "asset": { "symbol": "TUSD" }, "reason": { "code": "float_insufficient", "message": "The vault holds less." },
                    "received_at": "2029-12-31T22:30:00Z" }],
                "lanes": [{ "address": "0x70997970C51812dc3A010C7d01b50e0d17dc79C8", "nonce": 12, "in_flight": 2, "gas_needed": "0.5" }],
                "endpoints": [{ "host": "rpc.example", "latency_ms": 42, "errors": 3, "requests": 100, "behind": 6,
                    "set_aside": { "cause": "it lags", "for_ms": 5 } }],
            }),
            vault: Some(json!({
                "block": 4711, "pauses": [{ "scope": "orders", "until": "2030-01-01T00:10:00Z", "by": null }], "usd": null,
                "assets": [{ "asset": { "symbol": "TUSD" }, "float": "1000", "bucket": bucket, "instant": bucket }],
            })),
            trouble: None,
        };
        let text = printed(&seen).unwrap();
        for said in [
            "the chain does not answer",
            "held",
            "2m",
            "wd_0123456789abcdef0123456789abcdef",
            "2000000 TUSD",
            "float_insufficient",
            "1h 30m",
            "needs 0.5 for gas",
            "rpc.example",
            "it lags",
            "25.5 of 100",
            "█████░░░░░░░░░░░░░░░",
            "orders",
            "ends in 10m",
        ] {
            assert!(text.contains(said), "{said} is not in:\n{text}");
        }
        assert!(printed(&Seen::default()).is_ok(), "an answer of another version is no reason to fail");
    }
}
