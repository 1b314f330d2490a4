//! `spillway margin`.

use super::JsonArg;
use alloy::primitives::Address;
use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub enum MarginCommand {
    /// List all books, the nearest to liquidation first
    #[command(after_help = "\
Examples:
  spillway margin accounts
  spillway margin accounts --json | jq '.pools[].books[] | select(.cover_ppm < 1100000)'

A book is an account's options of one expiry. Its cover is its margin over its maintenance margin: below 1 anyone may
liquidate it. Values are the pool's own, to the unit, at the price that a liquidation would be made with now. Reads the
chain; a keeper need not run.")]
    Accounts(JsonArg),
    /// Show one account: free balance, books, options with mark and delta
    #[command(after_help = "\
Examples:
  spillway margin account 0x70997970C51812dc3A010C7d01b50e0d17dc79C8
  spillway margin account 0x70997970C51812dc3A010C7d01b50e0d17dc79C8 --json

Mark and delta are indicative; margins are the pool's own. Reads the chain; a keeper need not run.")]
    Account(MarginAccountArgs),
    /// Move the price and the volatility: who would fall, what it would cost, whether the fund covers it
    #[command(after_help = "\
Examples:
  spillway margin stress --shock -40% --vol +50%
  spillway margin stress --shock +25%
  spillway margin stress --shock -40% --json

The move happens at once, to all expiries that have a price, and nobody adds margin. What the fund is asked for is what a
bidder must have beyond a book's margin; it gives what the pool's rules let it. Changes nothing; a keeper need not run.")]
    Stress(StressArgs),
}

#[derive(Debug, Args)]
pub struct MarginAccountArgs {
    /// Its address
    pub id: Address,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct StressArgs {
    /// How far the price moves, such as -40%
    #[arg(long, value_name = "PERCENT", allow_hyphen_values = true, value_parser = percent)]
    pub shock: i64,
    /// How far the volatility moves, such as +50%
    #[arg(long, value_name = "PERCENT", allow_hyphen_values = true, default_value = "0%", value_parser = percent)]
    pub vol: i64,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// Reads a percentage with at most two decimals, as ten-thousandths.
fn percent(text: &str) -> Result<i64, String> {
    let wrong = || format!("'{text}' is no percentage from -100 to 1000; write one such as -40% or +12.5%");
    let digits = text.trim().trim_end_matches('%');
    let (sign, digits) = match digits.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, digits.strip_prefix('+').unwrap_or(digits)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let sound = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || whole.len() > 4 || fraction.len() > 2 || !sound(whole) || !sound(fraction) {
        return Err(wrong());
    }
    let bps: i64 = format!("{whole}{fraction:0<2}").parse().map_err(|_| wrong())?;
    if (-10_000..=100_000).contains(&(sign * bps)) { Ok(sign * bps) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::percent;

    #[test]
    fn percentages_are_exact_ten_thousandths() {
        for (text, bps) in [("-40%", -4_000), ("+50%", 5_000), ("12.5", 1_250), ("-0.01%", -1), ("0%", 0)] {
            assert_eq!(percent(text), Ok(bps), "{text}");
        }
        for text in ["", "%", "-", "1.234%", "-101%", "1001%", "1e3", "--4%", "99999%"] {
            assert!(percent(text).is_err(), "{text}");
        }
    }
}
