//! What becomes of transactions that a command prepares.

use super::SignerArgs;
use alloy::primitives::Address;
use clap::Args;
use std::path::PathBuf;

/// Who acts, and what becomes of it.
#[derive(Debug, Args)]
pub struct SendArgs {
    /// The account that acts, such as a Safe; that of the key, with --send
    #[arg(long, value_name = "ADDRESS")]
    pub from: Option<Address>,
    /// Write files for the Safe transaction builder into this folder
    #[arg(long, value_name = "DIR", conflicts_with = "send")]
    pub safe: Option<PathBuf>,
    /// Send what can be sent now, with the key that is named
    #[arg(long)]
    pub send: bool,
    #[command(flatten)]
    pub signer: SignerArgs,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}
