//! `spillway swap`.

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub enum SwapCommand {
    /// Split a swap over the configured pools, and show each route
    #[command(after_help = "\
Examples:
  spillway swap quote TUSD ETH 250000
  spillway swap quote TUSD ETH 80 --exact-out
  spillway swap quote TUSD TDAI 1000000 --json | jq '.split.routes[] | {share_bps, hops}'

Each amount is what the chain pays on the state of the block that is named, to the unit. Gas counts where the oracle has
prices ([oracle.*]). Beside the split stand the best route alone, what no split over these pools exceeds, and the least
that the vault's guard lets a swap bring. Changes nothing; a keeper need not run. Exit code 4 when the quote is below
what the vault demands.")]
    Quote(QuoteArgs),
    /// Ask the vault what it would do with such a swap now
    #[command(after_help = "\
Examples:
  spillway swap simulate TUSD ETH 250000
  spillway swap simulate TUSD TDAI 100000 --exact-out --json

Quotes over the pools that have an adapter, and lets the vault execute that on the pending state of the chain, as the account
of swap.signer. On a fork too: point chain.rpc_urls to it. Changes nothing. Exit code 4 when the vault refuses it, or brings
less than was quoted.")]
    Simulate(QuoteArgs),
}

#[derive(Debug, Args)]
pub struct QuoteArgs {
    /// The asset that is sold: its symbol or address
    pub sell: String,
    /// The asset that is bought
    pub buy: String,
    /// How much is sold, in whole coins, such as 12.5
    pub amount: String,
    /// The amount is what is bought, for the least that it takes
    #[arg(long)]
    pub exact_out: bool,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}
