//! What governance and guardians do on chain.

use super::SendArgs;
use alloy::primitives::{Address, Bytes};
use clap::{ArgGroup, Args, Subcommand};

/// Somebody must act.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("who").args(["from", "send"]).required(true).multiple(true))]
pub struct GovernArgs {
    #[command(flatten)]
    pub send: SendArgs,
}

#[derive(Debug, Args)]
pub struct PauseArgs {
    /// everything, deposits, orders, requests, swaps, or an asset
    pub what: String,
    /// How long, such as 12h; at most the vault's maxPause
    pub duration: humantime::Duration,
    #[command(flatten)]
    pub govern: GovernArgs,
}

#[derive(Debug, Args)]
pub struct UnpauseArgs {
    /// everything, deposits, orders, requests, swaps, or an asset
    pub what: String,
    #[command(flatten)]
    pub govern: GovernArgs,
}

#[derive(Debug, Subcommand)]
pub enum LimitsCommand {
    /// Set an asset's limits (governance); what is left out stays
    #[command(after_help = "\
Examples:
  spillway limits set USDC --instant-per-payout 20000 --from $SAFE --safe deployments
  spillway limits set USDC --capacity 1000000 --window 1day --send --private-key-env GOVERNANCE_KEY")]
    Set(LimitsArgs),
    /// Lower an asset's limits (guardian); what is left out stays
    #[command(after_help = "\
Example:
  spillway limits lower USDC --approved-per-payout 50000 --send --private-key-env GUARDIAN_KEY")]
    Lower(LimitsArgs),
    /// Lower every amount of an asset's limits to a percentage of what it is (guardian)
    #[command(after_help = "\
Example:
  spillway limits lower-to USDC 10 --send --private-key-env GUARDIAN_KEY")]
    LowerTo(LowerToArgs),
    /// Set the limit over all assets (governance)
    #[command(after_help = "\
Example:
  spillway limits set-usd 5000000 1day 2 --from $SAFE --safe deployments")]
    SetUsd(SetUsdArgs),
    /// Lower the limit over all assets (guardian)
    #[command(after_help = "\
Example:
  spillway limits lower-usd 500000 1day --send --private-key-env GUARDIAN_KEY")]
    LowerUsd(LowerUsdArgs),
}

/// Amounts are decimal, in whole tokens.
#[derive(Debug, Args)]
pub struct LimitsArgs {
    /// Symbol or address
    pub asset: String,
    /// Of the asset's bucket
    #[arg(long, value_name = "AMOUNT")]
    pub capacity: Option<String>,
    /// In which an empty bucket fills: 1h to 30days, whole minutes
    #[arg(long)]
    pub window: Option<humantime::Duration>,
    /// Percent of the capacity that counts without a sane price: 1 to 100
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(1..=100))]
    pub unpriced_share: Option<u8>,
    /// Above it, approvers sign
    #[arg(long, value_name = "AMOUNT")]
    pub instant_per_payout: Option<String>,
    /// Of all that the keeper pays alone
    #[arg(long, value_name = "AMOUNT")]
    pub instant_per_day: Option<String>,
    /// Above it, it is announced
    #[arg(long, value_name = "AMOUNT")]
    pub approved_per_payout: Option<String>,
    #[command(flatten)]
    pub govern: GovernArgs,
}

#[derive(Debug, Args)]
pub struct LowerToArgs {
    /// Symbol or address
    pub asset: String,
    /// Of every amount; the window and the unpriced share stay
    #[arg(value_parser = clap::value_parser!(u8).range(0..100))]
    pub percent: u8,
    #[command(flatten)]
    pub govern: GovernArgs,
}

#[derive(Debug, Args)]
pub struct SetUsdArgs {
    /// In whole USD
    pub capacity: u32,
    /// 1h to 30days, whole minutes
    pub window: humantime::Duration,
    /// A batch beyond this multiple of a limit trips the breaker
    #[arg(value_parser = clap::value_parser!(u8).range(1..=100))]
    pub hard_multiple: u8,
    #[command(flatten)]
    pub govern: GovernArgs,
}

#[derive(Debug, Args)]
pub struct LowerUsdArgs {
    /// In whole USD
    pub capacity: u32,
    /// 1h to 30days, whole minutes
    pub window: humantime::Duration,
    #[command(flatten)]
    pub govern: GovernArgs,
}

#[derive(Debug, Subcommand)]
pub enum UpgradeCommand {
    /// Propose a version of the vault's code (governance)
    #[command(after_help = "\
Example:
  spillway upgrade propose 0x... 2 --from $SAFE --safe deployments

Compare the code hash that it prints with the build that was reviewed. script/govern/Upgrade.s.sol deploys the code (build)
and rehearses the whole activation on a fork.")]
    Propose(ProposeArgs),
    /// Activate the proposed version once its delay is over (governance)
    #[command(after_help = "\
Example:
  spillway upgrade activate --from $SAFE --safe deployments")]
    Activate(ActivateArgs),
    /// Cancel the proposed version (guardian)
    #[command(after_help = "\
Example:
  spillway upgrade cancel --send --private-key-env GUARDIAN_KEY")]
    Cancel(GovernArgs),
    /// Show what runs, what is proposed, and what comes when
    #[command(after_help = "\
Example:
  spillway upgrade status --json")]
    Status(super::JsonArg),
}

#[derive(Debug, Args)]
pub struct ProposeArgs {
    /// The new code's own address
    pub implementation: Address,
    /// Above the last one
    pub number: u64,
    /// The call that migrates the storage
    #[arg(long, value_name = "HEX", default_value = "0x")]
    pub migration: Bytes,
    #[command(flatten)]
    pub govern: GovernArgs,
}

#[derive(Debug, Args)]
pub struct ActivateArgs {
    /// The call that migrates the storage, as it was proposed
    #[arg(long, value_name = "HEX", default_value = "0x")]
    pub migration: Bytes,
    #[command(flatten)]
    pub govern: GovernArgs,
}
