//! Loading the keys of the lanes. No error shows a key or a password.

use super::{Config, LaneConfig};
use alloy::{primitives::Address, signers::local::PrivateKeySigner};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Why a key cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum SignerError {
    #[error(
        "{entry}.private_key_env = \"{name}\": the environment variable is not set; export it before the start"
    )]
    NoVariable { entry: String, name: String },
    #[error(
        "{entry}.private_key_env = \"{name}\": the variable holds no private key; expected 64 hexadecimal digits, with or without 0x"
    )]
    BadKey { entry: String, name: String },
    #[error("{entry}.{key} = \"{}\": {source}", path.display())]
    File { entry: String, key: &'static str, path: PathBuf, source: std::io::Error },
    #[error("{entry}.keystore = \"{}\": {what}; check that password_file belongs to it", path.display())]
    BadKeystore { entry: String, path: PathBuf, what: String },
    #[error("{entry}: account {address} is that of {before} too; each lane needs an account of its own")]
    Twice { entry: String, before: String, address: Address },
    #[error("{entry}: write private_key_env, or keystore and password_file")]
    Incomplete { entry: String },
}

/// Loads all lanes' keys, in the order of the entries.
pub(super) fn load(
    lanes: &[LaneConfig],
    environment: impl Fn(&str) -> Option<String>,
) -> Result<Vec<PrivateKeySigner>, SignerError> {
    let mut signers: Vec<PrivateKeySigner> = Vec::with_capacity(lanes.len());
    for (i, lane) in lanes.iter().enumerate() {
        let signer = one(&lane_name(i), lane, &environment)?;
        is_new(&lane_name(i), &signer, &signers)?;
        signers.push(signer);
    }
    Ok(signers)
}

/// Loads the key of an account that pays no batches, as its entry says.
pub(super) fn load_beside(
    config: &Config,
    name: &str,
    entry: Option<&LaneConfig>,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<Option<PrivateKeySigner>, SignerError> {
    let Some(entry) = entry else { return Ok(None) };
    let signer = one(name, entry, &environment)?;
    is_new(name, &signer, &load(&config.lanes, environment)?)?;
    Ok(Some(signer))
}

/// Loads one key that no configuration names.
pub fn load_one(entry: &str, of: &LaneConfig) -> Result<PrivateKeySigner, SignerError> {
    one(entry, of, |name| std::env::var(name).ok())
}

pub(super) const MARGIN: &str = "margin.signer";
pub(super) const SWAP: &str = "swap.signer";

fn lane_name(i: usize) -> String {
    format!("lanes[{i}]")
}

/// Two of one account would hand out the same nonces.
fn is_new(entry: &str, signer: &PrivateKeySigner, lanes: &[PrivateKeySigner]) -> Result<(), SignerError> {
    let address = signer.address();
    match lanes.iter().position(|lane| lane.address() == address) {
        Some(i) => Err(SignerError::Twice { entry: entry.to_owned(), before: lane_name(i), address }),
        None => Ok(()),
    }
}

fn one(
    entry: &str,
    of: &LaneConfig,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<PrivateKeySigner, SignerError> {
    match (&of.private_key_env, &of.keystore, &of.password_file) {
        (Some(name), None, None) => from_environment(entry, name, environment),
        (None, Some(keystore), Some(password)) => from_keystore(entry, keystore, password),
        _ => Err(SignerError::Incomplete { entry: entry.to_owned() }),
    }
}

fn from_environment(
    entry: &str,
    name: &str,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<PrivateKeySigner, SignerError> {
    let (of, named) = (|| entry.to_owned(), || name.to_owned());
    let key = environment(name).ok_or_else(|| SignerError::NoVariable { entry: of(), name: named() })?;
    key.trim().parse().map_err(|_| SignerError::BadKey { entry: of(), name: named() })
}

fn from_keystore(entry: &str, keystore: &Path, password: &Path) -> Result<PrivateKeySigner, SignerError> {
    let file = |key, path: &Path| {
        let (entry, path) = (entry.to_owned(), path.to_owned());
        move |source| SignerError::File { entry, key, path, source }
    };
    let password_text = fs::read_to_string(password).map_err(file("password_file", password))?;
    let first_line = password_text.lines().next().unwrap_or_default();
    fs::metadata(keystore).map_err(file("keystore", keystore))?;
    PrivateKeySigner::decrypt_keystore(keystore, first_line).map_err(|e| SignerError::BadKeystore {
        entry: entry.to_owned(),
        path: keystore.to_owned(),
        what: e.to_string(),
    })
}
