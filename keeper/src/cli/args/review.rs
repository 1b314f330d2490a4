//! `spillway review`, and what commands that sign or ask a keeper have in common.

use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Which keeper is asked.
#[derive(Debug, Args)]
pub struct KeeperArgs {
    /// The keeper's address; that of api.listen, without
    #[arg(long)]
    pub url: Option<String>,
    /// A key of the API; only from the environment, because others see what is typed
    #[arg(long, env = "SPILLWAY_KEY", hide = true, hide_env_values = true)]
    pub key: Option<String>,
}

/// Whose key signs: one in the environment, or an encrypted file.
#[derive(Debug, Args)]
pub struct SignerArgs {
    /// The NAME of the environment variable that holds the private key
    #[arg(long, value_name = "NAME")]
    pub private_key_env: Option<String>,
    /// An encrypted key file (Web3 Secret Storage)
    #[arg(long, value_name = "FILE", requires = "password_file", conflicts_with = "private_key_env")]
    pub keystore: Option<PathBuf>,
    /// The file that holds the keystore's password, in its first line
    #[arg(long, value_name = "FILE", requires = "keystore")]
    pub password_file: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum ReviewCommand {
    /// List what waits for approvers
    #[command(after_help = "\
Examples:
  spillway review list
  SPILLWAY_KEY=spk_... spillway review list --url https://keeper.example --json")]
    List(ReviewListArgs),
    /// Show one review: what is paid to whom, who signed, and what is to be signed
    #[command(after_help = "\
Examples:
  spillway review show 7
  spillway review show 7 --json | jq .typed_data > settlement.json
  cast wallet sign --data --from-file settlement.json --ledger")]
    Show(ReviewShowArgs),
    /// Approve a review by an approver's signature
    #[command(after_help = "\
Examples:
  spillway review approve 7 --private-key-env APPROVER_KEY
  spillway review approve 7 --keystore approver.json --password-file approver.pass
  spillway review approve 7 --approver 0x15d34AAf54267DB7D7c367839AAf71A00a2C6A65 --signature 0x...

With a key here it first checks that what is signed pays exactly what is shown, then signs. With --signature it hands in what
a hardware wallet or a Safe signed: see `spillway review show`. The chain's threshold decides how many must sign; each
approver counts once; and the API key that handed in a withdrawal of the batch may not approve it.")]
    Approve(ApproveArgs),
    /// Reject withdrawals of a review: they end with the reason, the rest is offered again
    #[command(after_help = "\
Examples:
  spillway review reject 7 --reason 'recipient is not the one of the contract'
  spillway review reject 7 --withdrawal wd_0123456789abcdef0123456789abcdef --reason 'duplicate'")]
    Reject(RejectArgs),
}

impl ReviewCommand {
    pub fn keeper(&self) -> &KeeperArgs {
        match self {
            Self::List(args) => &args.keeper,
            Self::Show(args) => &args.keeper,
            Self::Approve(args) => &args.keeper,
            Self::Reject(args) => &args.keeper,
        }
    }
}

#[derive(Debug, Args)]
pub struct ReviewListArgs {
    #[command(flatten)]
    pub keeper: KeeperArgs,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct ReviewShowArgs {
    /// The number of the review
    pub id: u64,
    #[command(flatten)]
    pub keeper: KeeperArgs,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct ApproveArgs {
    /// The number of the review
    pub id: u64,
    #[command(flatten)]
    pub signer: SignerArgs,
    /// What was signed elsewhere
    #[arg(
        long,
        value_name = "HEX",
        requires = "approver",
        conflicts_with_all = ["private_key_env", "keystore"]
    )]
    pub signature: Option<String>,
    /// Whose signature it is
    #[arg(long, value_name = "ADDRESS", requires = "signature")]
    pub approver: Option<String>,
    #[command(flatten)]
    pub keeper: KeeperArgs,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct RejectArgs {
    /// The number of the review
    pub id: u64,
    /// A withdrawal to reject, by its id; may be repeated. All of the review, without
    #[arg(long = "withdrawal", value_name = "ID")]
    pub withdrawals: Vec<String>,
    /// Why, in words, for whoever handed it in and whoever has the link to its status page
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    #[command(flatten)]
    pub keeper: KeeperArgs,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}
