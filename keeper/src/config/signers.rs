//! Loading the keys of the lanes. No error shows a key or a password.

use super::LaneConfig;
use alloy::{primitives::Address, signers::local::PrivateKeySigner};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Why a lane's key cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum SignerError {
    #[error(
        "lanes[{entry}].private_key_env = \"{name}\": the environment variable is not set; export it before the start"
    )]
    NoVariable { entry: usize, name: String },
    #[error(
        "lanes[{entry}].private_key_env = \"{name}\": the variable holds no private key; expected 64 hexadecimal digits, with or without 0x"
    )]
    BadKey { entry: usize, name: String },
    #[error("lanes[{entry}].{key} = \"{}\": {source}", path.display())]
    File { entry: usize, key: &'static str, path: PathBuf, source: std::io::Error },
    #[error("lanes[{entry}].keystore = \"{}\": {what}; check that password_file belongs to it", path.display())]
    BadKeystore { entry: usize, path: PathBuf, what: String },
    #[error(
        "lanes[{entry}]: account {address} is that of lanes[{before}] too; each lane needs an account of its own"
    )]
    Twice { entry: usize, before: usize, address: Address },
    #[error("lanes[{entry}]: write private_key_env, or keystore and password_file")]
    Incomplete { entry: usize },
}

/// Loads all lanes' keys, in the order of the entries.
pub(super) fn load(
    lanes: &[LaneConfig],
    environment: impl Fn(&str) -> Option<String>,
) -> Result<Vec<PrivateKeySigner>, SignerError> {
    let mut signers: Vec<PrivateKeySigner> = Vec::with_capacity(lanes.len());
    for (entry, lane) in lanes.iter().enumerate() {
        let signer = match (&lane.private_key_env, &lane.keystore, &lane.password_file) {
            (Some(name), None, None) => from_environment(entry, name, &environment)?,
            (None, Some(keystore), Some(password)) => from_keystore(entry, keystore, password)?,
            _ => return Err(SignerError::Incomplete { entry }),
        };
        let address = signer.address();
        // Two lanes of one account would hand out the same nonces.
        if let Some(before) = signers.iter().position(|s| s.address() == address) {
            return Err(SignerError::Twice { entry, before, address });
        }
        signers.push(signer);
    }
    Ok(signers)
}

fn from_environment(
    entry: usize,
    name: &str,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<PrivateKeySigner, SignerError> {
    let key = environment(name).ok_or_else(|| SignerError::NoVariable { entry, name: name.to_owned() })?;
    key.trim().parse().map_err(|_| SignerError::BadKey { entry, name: name.to_owned() })
}

fn from_keystore(entry: usize, keystore: &Path, password: &Path) -> Result<PrivateKeySigner, SignerError> {
    let file = |key, path: &Path| {
        let path = path.to_owned();
        move |source| SignerError::File { entry, key, path, source }
    };
    let password_text = fs::read_to_string(password).map_err(file("password_file", password))?;
    let first_line = password_text.lines().next().unwrap_or_default();
    fs::metadata(keystore).map_err(file("keystore", keystore))?;
    PrivateKeySigner::decrypt_keystore(keystore, first_line).map_err(|e| SignerError::BadKeystore {
        entry,
        path: keystore.to_owned(),
        what: e.to_string(),
    })
}
