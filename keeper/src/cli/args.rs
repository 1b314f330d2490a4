//! The commands, with their help.

mod govern;
mod margin;
mod refill;
mod review;
mod send;
mod swap;

use crate::domain::{access::Scope, day::Day, reason::Language};
use alloy::primitives::{Address, B256};
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

pub use govern::{
    ActivateArgs, GovernArgs, LimitsArgs, LimitsCommand, LowerToArgs, PauseArgs, ProposeArgs, UnpauseArgs,
    UpgradeCommand,
};
pub use margin::{MarginAccountArgs, MarginCommand, StressArgs};
pub use refill::RefillArgs;
pub use review::{ApproveArgs, KeeperArgs, RejectArgs, ReviewCommand, SignerArgs};
pub use send::SendArgs;
pub use swap::{QuoteArgs, SwapCommand};

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed; nothing was changed, or the error says what was
  2  wrong usage, configuration or deployment
  3  part of the input was rejected, the rest was stored
  4  chain and books differ, store or audit are broken, or a price is insane";

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
Killing it at any instant is safe: what is durable is taken up again at the next start.

SIGHUP has it read the configuration again: `kill -HUP PID`. What is faulty is not taken, and the log says why; vault, chain
and store stay until a restart, and so does the environment.")]
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
    /// Say where one withdrawal hangs, why, and what would free it
    #[command(after_help = "\
Examples:
  spillway explain invoice-7
  spillway explain wd_0123456789abcdef0123456789abcdef --language zh
  spillway explain invoice-7 --json

Follows it through request, policy, batch, signature, broadcast, chain and books, and asks store and chain why it is where
it is now. Changes nothing; a keeper need not run.")]
    Explain(ExplainArgs),
    /// Watch a running keeper: stages, what is stuck, limits, lanes, endpoints
    #[command(after_help = "\
Examples:
  spillway top
  SPILLWAY_KEY=spk_... spillway top --url https://keeper.example
  spillway top --once

It asks the keeper's API, with a key of the scope read (SPILLWAY_KEY) where one is needed. q ends it.")]
    Top(TopArgs),
    /// Approve or reject what the vault pays only with approvals
    Review {
        #[command(subcommand)]
        command: ReviewCommand,
    },
    /// Compare intake, ledger and chain at the last final block
    #[command(after_help = "\
Examples:
  spillway reconcile
  spillway reconcile --deep
  spillway reconcile --from 19500000
  spillway reconcile --json || alert
  spillway reconcile --write-off TUSD --reason 'stolen in 0x12..., case 7'

Without --deep it compares the sums, and tells what the running keeper found payout by payout. With --deep every payout
since the vault's first block is held against its record and its postings, and every balance, claim and lane against what
the events lead to; an interrupted one goes on where it was. Where no keeper runs, what the chain decides is booked. Each
difference says whose it is and what to do. Exit code 4 when there is one that is not booked.")]
    Reconcile(ReconcileArgs),
    /// Rebuild the store from the chain alone, when the database is lost and no backup is left
    #[command(after_help = "\
Examples:
  spillway recover --from-chain
  spillway recover --from-chain --compare sqlite://old.db

The configured database must be empty. Payouts of orders come back with lane, number, reference, recipient and amount; a
client that repeats its idempotency key is told that it was paid. What only the database knew is listed as unknown. The next
`spillway run` voids what may be in flight before it pays. With --compare it prints what this store and another have of what
the chain knows. Exit code 4 when they, or the chain, differ.")]
    Recover(RecoverArgs),
    /// Write what is new in the ledger to Parquet files, for analytics
    #[command(after_help = "\
Examples:
  spillway export
  spillway export --dir /srv/ledger
  spillway export --dir /srv/ledger --json

Postings, transitions, withdrawals, payouts and batches, a folder each and in it one per day; docs/analytics.md says what is in
them, keeper/queries/analytics has questions for DuckDB. Each row is there exactly once, however often it is run or killed.
`spillway run` does the same by itself where export.directory is set. A keeper may run. The files name recipients and amounts,
so the export is itself written into the audit.")]
    Export(ExportArgs),
    /// Make the statement of a day as one HTML file
    #[command(after_help = "\
Examples:
  spillway report --day 2026-11-26
  spillway report --day 2026-11-26 --out statement.html
  spillway report --day 2026-11-26 --json

Per asset: opening and closing balances, withdrawals by what became of them, fees, time until final, causes of failure; and the
state of reconciliation and audit. Days are UTC. The file needs no other host, and prints. With --json the figures are printed
instead, and a file is written only where --out names one. A keeper may run.")]
    Report(ReportArgs),
    /// Check or export the audit chain: who changed what, and when
    Audit {
        #[command(subcommand)]
        command: AuditCommand,
    },
    /// Ask the oracle guard
    Oracle {
        #[command(subcommand)]
        command: OracleCommand,
    },
    /// Look at margin pools: who is near liquidation, and what a shock would do
    Margin {
        #[command(subcommand)]
        command: MarginCommand,
    },
    /// Swap between assets: what a split over pools would bring
    Swap {
        #[command(subcommand)]
        command: SwapCommand,
    },
    /// Show what cold is asked for, and prepare or send the refill
    #[command(after_help = "\
Examples:
  spillway refill
  spillway refill --safe deployments
  spillway refill TUSD 250000 --send --private-key-env COLD_KEY

The keeper asks cold for what orders or the float's mark lack and no swap brings. The transactions are for the vault's cold
address, or for --from; anybody may refill. Without an asset it prepares all that is asked for.")]
    Refill(RefillArgs),
    /// Look after the keys of the API
    Keys {
        #[command(subcommand)]
        command: KeysCommand,
    },
    /// See what the operator's endpoints were told, and tell again what they would not hear
    Webhooks {
        #[command(subcommand)]
        command: WebhooksCommand,
    },
    /// Pause a scope or an asset for a time (guardian, at once)
    #[command(after_help = "\
Examples:
  spillway pause orders 12h --send --private-key-env GUARDIAN_KEY
  spillway pause USDC 3days --from 0x... --safe deployments
  spillway pause everything 1h --from 0x... --json

Without --send it prints what to call, from whom, and what it means, after it was tried against the chain as it is. A pause
ends by itself; docs/governance.md says what each stops, who may, and how long.")]
    Pause(PauseArgs),
    /// End a pause (governance, with its delay)
    #[command(after_help = "\
Examples:
  spillway unpause orders --send --private-key-env GOVERNANCE_KEY
  spillway unpause USDC --from $SAFE --safe deployments

Where governance acts with a delay, the first run schedules it in the AccessManager, and the same command executes it once it
is ready.")]
    Unpause(UnpauseArgs),
    /// Set or lower what may leave the vault
    Limits {
        #[command(subcommand)]
        command: LimitsCommand,
    },
    /// Propose, activate or cancel a version of the vault's code
    Upgrade {
        #[command(subcommand)]
        command: UpgradeCommand,
    },
    /// Go back to the version before, within probation (guardian, at once)
    #[command(after_help = "\
Example:
  spillway rollback --send --private-key-env GUARDIAN_KEY")]
    Rollback(GovernArgs),
    /// Print the description of the API (OpenAPI 3.1)
    #[command(after_help = "\
Example:
  spillway openapi > openapi.json

Needs no configuration, chain or database. The running keeper serves it at /v1/openapi.json, and as a page at /docs/.")]
    Openapi,
    /// Print completions for a shell
    #[command(after_help = "\
Examples:
  spillway completions bash > /etc/bash_completion.d/spillway
  spillway completions zsh > ~/.zfunc/_spillway
  spillway completions fish > ~/.config/fish/completions/spillway.fish")]
    Completions(CompletionsArgs),
    /// Print the manual page
    #[command(after_help = "\
Example:
  spillway man > /usr/local/share/man/man1/spillway.1")]
    Man,
    /// Look after the database: schema, integrity, backups
    Db {
        #[command(subcommand)]
        command: DbCommand,
    },
    /// Look at the configuration
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
}

#[derive(Debug, Args)]
pub struct RecoverArgs {
    /// From the vault's events and the calldata of its settlements
    #[arg(long, required = true)]
    pub from_chain: bool,
    /// Another store of this vault, to compare with; it is only read
    #[arg(long, value_name = "URL")]
    pub compare: Option<String>,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The folder of the files; export.directory, without
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct ReportArgs {
    /// The day (UTC), such as 2026-11-26
    #[arg(long, value_name = "DAY")]
    pub day: Day,
    /// The file to write; statement-DAY.html, without
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct ReconcileArgs {
    /// Every payout, balance, claim and lane, from the vault's first block on
    #[arg(long, conflicts_with = "from")]
    pub deep: bool,
    /// Every payout from this block on
    #[arg(long, value_name = "BLOCK")]
    pub from: Option<u64>,
    /// Book what is missing of an asset as lost, and settle it again
    #[arg(long, value_name = "ASSET", requires = "reason", conflicts_with_all = ["deep", "from"])]
    pub write_off: Option<String>,
    /// Why it is written off, for the audit
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Prove that nothing was changed, inserted or removed
    #[command(after_help = "\
Examples:
  spillway audit verify
  spillway audit verify --export audit.jsonl --rpc https://rpc.example
  spillway audit verify --export audit.jsonl --rpc https://rpc.example --vault 0x... --restored 0x...
  spillway audit verify --json || alert

Computes every hash again, and holds the chain against the heads that the settlements carry on chain. With --export and
--rpc it needs neither configuration nor store: anyone can check. Exit code 4 at the first link that does not hold: it is
named.

A restored or rebuilt store does not know the settlements made since, and lists their heads as it meets them on chain.
Somebody who wrote the books anew would do the same, so each change that lists some is a link that does not hold, until
whoever checks knows of the restore and names the change's hash with --restored. It says too at which time and block the books
end, and how many settlements in later blocks they do not cover.")]
    Verify(AuditVerifyArgs),
    /// Write the audit chain to a file that anyone can verify
    #[command(after_help = "\
Examples:
  spillway audit export audit.jsonl
  spillway audit export audit.jsonl --json && zstd audit.jsonl

A keeper may run. One JSON value per line: every change with its transitions, its postings and the terms of the
withdrawals that it accepted. It names recipients and amounts, so the export is itself written into the audit.")]
    Export(AuditExportArgs),
}

#[derive(Debug, Args)]
pub struct AuditVerifyArgs {
    /// An endpoint of the vault's chain; those of the configuration, without
    #[arg(long, value_name = "URL")]
    pub rpc: Option<reqwest::Url>,
    /// A file of `spillway audit export`; the store, without
    #[arg(long, value_name = "FILE")]
    pub export: Option<PathBuf>,
    /// The vault that the file must be of; that of the configuration, without, where there is one
    #[arg(long, value_name = "ADDRESS", requires = "export")]
    pub vault: Option<Address>,
    /// The hash of a change that says that a past is lost, where you know of the restore; several with commas, or again
    #[arg(long, value_name = "HASH", value_delimiter = ',')]
    pub restored: Vec<B256>,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct AuditExportArgs {
    /// The file to write; it may not exist yet
    pub file: PathBuf,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
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

#[derive(Debug, Subcommand)]
pub enum WebhooksCommand {
    /// Count the messages to each endpoint, and list those that were given up
    #[command(after_help = "\
Examples:
  spillway webhooks list
  spillway webhooks list --json | jq '.dead[].withdrawal'

Shows the newest hundred that were given up, with what the endpoint answered last. docs/api.md says how a receiver checks a
message.")]
    List(JsonArg),
    /// Send again what was given up
    #[command(after_help = "\
Examples:
  spillway webhooks replay --all
  spillway webhooks replay --endpoint shop
  spillway webhooks replay --id 17

Each is sent again under the same message id, by the running keeper or the next one.")]
    Replay(ReplayArgs),
}

#[derive(Debug, Args)]
pub struct ReplayArgs {
    #[command(flatten)]
    pub which: Replayed,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct Replayed {
    /// One, by the id that `spillway webhooks list` shows
    #[arg(long, value_parser = clap::value_parser!(i64).range(1..))]
    pub id: Option<i64>,
    /// All of an endpoint, by its name
    #[arg(long, value_name = "NAME")]
    pub endpoint: Option<String>,
    /// All
    #[arg(long)]
    pub all: bool,
}

#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// Make a key, and show it this once
    #[command(after_help = "\
Examples:
  spillway keys create shop --scope submit --scope read
  spillway keys create prometheus --scope operate --per-minute 60 --expires 365days

What each scope is for: submit hands in and takes back, read sees withdrawals and the vault, review approves and rejects,
operate sees figures. Only the key's hash is stored. A running keeper knows the key after a second.")]
    Create(CreateKeyArgs),
    /// List the keys, without their secrets
    #[command(after_help = "\
Examples:
  spillway keys list
  spillway keys list --json")]
    List(JsonArg),
    /// Make a key in the place of another; both count until the overlap ends
    #[command(after_help = "\
Example:
  spillway keys rotate 0123456789abcdef --overlap 1day

The new key has the name, scopes and rate of the old one. Give it to its holder before the overlap ends.")]
    Rotate(RotateKeyArgs),
    /// End a key now
    #[command(after_help = "\
Example:
  spillway keys revoke 0123456789abcdef

A running keeper refuses it after a second. A backup from before knows nothing of it: revoke again after a restore.")]
    Revoke(RevokeKeyArgs),
}

#[derive(Debug, Args)]
pub struct CreateKeyArgs {
    /// Whose it is
    pub name: String,
    /// What it is for; several times for several
    #[arg(long, required = true)]
    pub scope: Vec<Scope>,
    /// Requests that it may make in a minute; no limit, without
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    pub per_minute: u32,
    /// How long it counts, such as 90days; for ever, without
    #[arg(long)]
    pub expires: Option<humantime::Duration>,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct RotateKeyArgs {
    /// The key's id: the part between the underscores
    pub id: String,
    /// How long the old one still counts
    #[arg(long, default_value = "1day")]
    pub overlap: humantime::Duration,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct RevokeKeyArgs {
    /// The key's id: the part between the underscores
    pub id: String,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Copy, Debug, Args)]
pub struct CompletionsArgs {
    pub shell: clap_complete::Shell,
}

#[derive(Debug, Subcommand)]
pub enum OracleCommand {
    /// Read the sources of prices now, and judge them
    #[command(after_help = "\
Examples:
  spillway oracle check
  spillway oracle check ETH
  spillway oracle check ETH --anchor 2310.5
  spillway oracle check --json || alert

Shows the sources side by side, what is thought of each and why, and what the price may be used for. Reads more than the
running keeper does: each feed's description, and where its aggregator clamps. Changes nothing. With --anchor, a price from
elsewhere, it tells wrong decimals, the wrong pair or a forgotten rate. Exit code 4 when a price is insane, or too far from
its anchor.")]
    Check(OracleCheckArgs),
    /// Judge a recorded incident step by step
    #[command(after_help = "\
Examples:
  spillway oracle replay oracle-guard/incidents/2022-05-luna.json
  spillway oracle replay mine.json --json

Needs no configuration and no chain. docs/oracle.md describes the file. Exit code 4 when a step that the file calls wrong
would have passed.")]
    Replay(OracleReplayArgs),
}

#[derive(Debug, Args)]
pub struct OracleCheckArgs {
    /// A symbol or an address; all that are configured, without
    pub asset: Option<String>,
    /// What the asset is worth, in USD, from elsewhere; needs ASSET
    #[arg(long, value_name = "PRICE", requires = "asset")]
    pub anchor: Option<oracle_guard::Price>,
    /// How far the price may be from the anchor, in ten-thousandths
    #[arg(long, value_name = "BPS", default_value_t = 500, value_parser = clap::value_parser!(u16).range(1..=2000))]
    pub anchor_bps: u16,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct OracleReplayArgs {
    /// The incident
    pub file: PathBuf,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub enum DbCommand {
    /// Bring the schema up to date
    #[command(after_help = "\
Examples:
  spillway db migrate
  spillway db migrate --json

`spillway run` does the same at its start. Several keepers may do it at once. There is no way back but a backup.")]
    Migrate(JsonArg),
    /// Check the store from its first change to its last
    #[command(after_help = "\
Examples:
  spillway db check
  spillway db check --json || alert

The engine's own check, every hash of the audit chain computed again, and whether states, transitions and postings
tell the same story. Changes nothing; a keeper may run. Exit code 4 when something is broken: it is named.")]
    Check(JsonArg),
    /// Write everything to a file, as it is at one moment
    #[command(after_help = "\
Examples:
  spillway db backup spillway-monday.jsonl
  spillway db backup monday.jsonl --json && zstd --rm monday.jsonl

A keeper may run. The file is text, one JSON value per line, and either engine can restore it.")]
    Backup(BackupArgs),
    /// Put a backup into an empty store
    #[command(after_help = "\
Examples:
  spillway db restore spillway-monday.jsonl
  SPILLWAY_STORE__URL=postgres://spillway@db/spillway spillway db restore spillway-monday.jsonl
  spillway db restore spillway-monday.jsonl --force

No keeper may run. A file that is cut off or damaged is refused before anything is changed. The generation file is left
as it is: the next start notices the restore, and voids what may be in flight before it pays. The second example moves a
store from SQLite to PostgreSQL.")]
    Restore(RestoreArgs),
    /// Give a keeper's database role what it needs, and no more (PostgreSQL)
    #[command(after_help = "\
Examples:
  SPILLWAY_STORE__URL=postgres://owner@db/spillway spillway db migrate
  SPILLWAY_STORE__URL=postgres://owner@db/spillway spillway db grant keeper

As the owner of the tables. The role can then append to audit, transitions and postings, and move withdrawals from state to
state, but change no history, no terms, and no trigger. Again after each migration; the role itself is yours to create.")]
    Grant(GrantArgs),
}

#[derive(Debug, Args)]
pub struct GrantArgs {
    /// The role that the keeper's store.url names
    pub role: String,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct BackupArgs {
    /// The file to write; it may not exist yet
    pub file: PathBuf,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// The file that `spillway db backup` wrote
    pub file: PathBuf,
    /// Replace what the store holds
    #[arg(long)]
    pub force: bool,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
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
pub struct ExplainArgs {
    /// A withdrawal's id, or its idempotency key
    pub id: String,
    /// The language of the sentence
    #[arg(long, value_enum, default_value_t)]
    pub language: Language,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct TopArgs {
    #[command(flatten)]
    pub keeper: KeeperArgs,
    /// How often it asks, such as 5s
    #[arg(long, default_value = "1s")]
    pub every: humantime::Duration,
    /// Print one frame as text
    #[arg(long)]
    pub once: bool,
    /// Print what was heard as one JSON document
    #[arg(long, conflicts_with = "once")]
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
