//! The commands, with their help.

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed; nothing was changed, or the error says what was
  2  wrong usage, configuration or deployment
  3  part of the input was rejected, the rest was stored
  4  chain and books differ";

/// The keeper of a withdrawal vault: pays every withdrawal exactly once, in batches, and can prove it.
#[derive(Debug, Parser)]
#[command(name = "spillway", version, after_help = EXIT_CODES)]
pub struct Cli {
    /// The configuration; variables such as SPILLWAY_CHAIN__RPC_URLS override its keys
    #[arg(
        long,
        global = true,
        default_value = "spillway.toml",
        value_name = "FILE",
        env = "SPILLWAY_CONFIG"
    )]
    pub config: PathBuf,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the keeper until SIGINT or SIGTERM
    #[command(after_help = "\
Examples:
  spillway run
  SPILLWAY_LANE_KEY=0x... spillway --config mainnet.toml run

It waits for a chain that does not answer, and refuses one that is not the deployment's (exit code 2).
Killing it at any instant is safe: what is durable is taken up again at the next start.")]
    Run,
    /// Store the orders of a CSV file
    #[command(after_help = "\
Examples:
  spillway submit payouts.csv
  spillway submit payouts.csv --skip-invalid --json

The file begins with the header idempotency_key,asset,recipient,amount (in any order):
  invoice-7,TUSD,0x70997970C51812dc3A010C7d01b50e0d17dc79C8,12.5

Without --skip-invalid one bad row means that nothing is stored (exit code 1). With it the good rows are stored, the
bad ones are listed (exit code 3). Submitting a file again repeats it: nothing is paid twice. A keeper need not run.")]
    Submit(SubmitArgs),
    /// Show where all withdrawals stand, or how one came to where it is
    #[command(after_help = "\
Examples:
  spillway status
  spillway status wd_0123456789abcdef0123456789abcdef
  spillway status invoice-7 --json")]
    Status(StatusArgs),
    /// Compare chain and books at the last final block
    #[command(after_help = "\
Examples:
  spillway reconcile
  spillway reconcile --json || alert

Beside a running keeper it tells what that keeper found last. Exit code 4 when they differ.")]
    Reconcile(JsonArg),
    /// Look at the configuration
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
}

#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Check configuration, deployment file and the keys of the lanes; change nothing, ask no chain
    #[command(after_help = "\
Examples:
  spillway config check
  spillway --config mainnet.toml config check --json

Exit code 2 when something is wrong: the error names the key, the value and what would be right.")]
    Check(JsonArg),
}

#[derive(Debug, Args)]
pub struct SubmitArgs {
    /// The CSV file
    pub file: PathBuf,
    /// Store the good rows although others are bad
    #[arg(long)]
    pub skip_invalid: bool,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct StatusArgs {
    /// A withdrawal's id, or its idempotency key
    pub id: Option<String>,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Copy, Debug, Args)]
pub struct JsonArg {
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_commands_are_well_formed_and_each_shows_examples() {
        fn check(command: &clap::Command) {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let group = command.get_subcommands().next().is_some();
            assert!(group || help.contains("Example"), "{} shows no example", command.get_name());
            command.get_subcommands().filter(|c| c.get_name() != "help").for_each(check);
        }
        Cli::command().debug_assert();
        check(&Cli::command());
    }
}
