//! `spillway refill`.

use super::SendArgs;
use clap::Args;

#[derive(Debug, Args)]
pub struct RefillArgs {
    /// Symbol or address; without it, all that cold is asked for
    #[arg(requires = "amount")]
    pub asset: Option<String>,
    /// How much, in whole coins, such as 12.5
    pub amount: Option<String>,
    #[command(flatten)]
    pub send: SendArgs,
}
