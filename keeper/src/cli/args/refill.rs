//! `spillway refill`.

use super::SignerArgs;
use alloy::primitives::Address;
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct RefillArgs {
    /// Symbol or address; without it, all that cold is asked for
    #[arg(requires = "amount")]
    pub asset: Option<String>,
    /// How much, in whole coins, such as 12.5
    pub amount: Option<String>,
    /// The account that sends it; the vault's cold address when left out, that of the key with --send
    #[arg(long, value_name = "ADDRESS")]
    pub from: Option<Address>,
    /// Write a file for the Safe transaction builder into this folder
    #[arg(long, value_name = "DIR", conflicts_with = "send")]
    pub safe: Option<PathBuf>,
    /// Send it, with the key that is named
    #[arg(long)]
    pub send: bool,
    #[command(flatten)]
    pub signer: SignerArgs,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}
