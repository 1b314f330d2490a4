//! The file that `script/Deploy.s.sol` wrote: which vault, on which chain, with which assets.

use crate::domain::{
    amount::Amount,
    asset::{Asset, Assets},
};
use alloy::primitives::{Address, U256};
use serde::{Deserialize, Deserializer, de};
use std::{
    collections::{HashMap, HashSet},
    path::Path,
    time::Duration,
};

/// A deployed vault.
#[derive(Clone, Debug)]
pub struct Deployment {
    pub chain_id: u64,
    /// The block that the deployment is in, or one before it: no event of the vault is older.
    pub block: u64,
    pub access_manager: Address,
    pub vault: Address,
    pub vault_implementation: Address,
    pub proxy_admin: Address,
    /// None in files of before it was written there.
    pub version_registry: Option<Address>,
    pub vault_gate: Option<Address>,
    /// After so long a requester can pay himself.
    pub exit_delay: Duration,
    pub assets: Assets,
    /// The smallest request on chain, by asset.
    pub min_requests: HashMap<Address, Amount>,
    /// The accounts that were given a lane.
    pub lanes: Vec<Address>,
}

/// Why the deployment cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DeploymentError {
    #[error(
        "no deployment at {path}; deploy first: forge script script/Deploy.s.sol --broadcast, or set `deployment` to the file that it wrote"
    )]
    Missing { path: String },
    #[error("{path}: {source}")]
    Read { path: String, source: std::io::Error },
    #[error("{path} is no deployment: {source}; deploy again with script/Deploy.s.sol")]
    Parse { path: String, source: serde_json::Error },
    #[error("{path}: {what}")]
    Content { path: String, what: String },
}

impl Deployment {
    /// Reads and checks the file.
    pub fn load(path: &Path) -> Result<Self, DeploymentError> {
        let shown = || path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => DeploymentError::Missing { path: shown() },
            _ => DeploymentError::Read { path: shown(), source },
        })?;
        let file: DeploymentFile =
            serde_json::from_str(&text).map_err(|source| DeploymentError::Parse { path: shown(), source })?;
        file.check().map_err(|what| DeploymentError::Content { path: shown(), what })?;
        Ok(file.into())
    }
}

/// The file as it is written. Later versions of the script may add to it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DeploymentFile {
    chain_id: u64,
    block: u64,
    access_manager: Address,
    vault: Address,
    vault_implementation: Address,
    proxy_admin: Address,
    version_registry: Option<Address>,
    vault_gate: Option<Address>,
    exit_delay: u64,
    assets: Vec<ListedAsset>,
    lanes: Vec<Address>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListedAsset {
    #[serde(flatten)]
    asset: Asset,
    #[serde(deserialize_with = "units")]
    min_request: Amount,
}

impl DeploymentFile {
    fn check(&self) -> Result<(), String> {
        if self.vault.is_zero() {
            return Err("vault is the zero address; deploy again".to_owned());
        }
        if self.assets.is_empty() {
            return Err("assets is empty; list at least one asset in the deployment's parameters".to_owned());
        }
        let (mut symbols, mut addresses) = (HashSet::new(), HashSet::new());
        for ListedAsset { asset, .. } in &self.assets {
            if !symbols.insert(asset.symbol.to_ascii_lowercase()) || !addresses.insert(asset.address) {
                return Err(format!("assets names {} ({}) twice", asset.symbol, asset.address));
            }
            // Ten to the power of 78 is beyond 256 bits.
            if asset.decimals > 77 {
                return Err(format!("{} has {} decimals; at most 77 can be", asset.symbol, asset.decimals));
            }
        }
        Ok(())
    }
}

impl From<DeploymentFile> for Deployment {
    fn from(file: DeploymentFile) -> Self {
        Self {
            chain_id: file.chain_id,
            block: file.block,
            access_manager: file.access_manager,
            vault: file.vault,
            vault_implementation: file.vault_implementation,
            proxy_admin: file.proxy_admin,
            version_registry: file.version_registry,
            vault_gate: file.vault_gate,
            exit_delay: Duration::from_secs(file.exit_delay),
            min_requests: file.assets.iter().map(|a| (a.asset.address, a.min_request)).collect(),
            assets: Assets::new(file.assets.into_iter().map(|a| a.asset).collect()),
            lanes: file.lanes,
        }
    }
}

/// Units as a decimal string: JSON numbers are exact only to 2^53 in many readers.
fn units<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Amount, D::Error> {
    let text = String::deserialize(deserializer)?;
    U256::from_str_radix(&text, 10)
        .map(Amount)
        .map_err(|_| de::Error::custom(format!("'{text}' is no number of units")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn load(text: &str) -> Result<Deployment, DeploymentError> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        Deployment::load(file.path())
    }

    const VALID: &str = r#"{
        "chainId": 31337, "block": 7, "exitDelay": 86400,
        "accessManager": "0x5FbDB2315678afecb367f032d93F642f64180aa3",
        "vault": "0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512",
        "vaultImplementation": "0x9fE46736679d2D9a65F0992F2272dE9f3c7fa6e0",
        "proxyAdmin": "0xCf7Ed3AccA5a467e9e704C703E8D87F634fB0Fc9",
        "assets": [{"symbol": "TUSD", "address": "0xDc64a140Aa3E981100a9becA4E685f962f0cF6C9", "decimals": 6,
                    "payoutGas": 60000, "minRequest": "1000000"}],
        "lanes": ["0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"]
    }"#;

    #[test]
    fn reads_what_the_script_wrote() {
        let deployment = load(VALID).unwrap();
        let asset = deployment.assets.find("tusd").unwrap();
        assert_eq!((deployment.chain_id, deployment.block), (31337, 7));
        assert_eq!((asset.decimals, asset.payout_gas), (6, 60_000));
        assert_eq!(deployment.min_requests[&asset.address], Amount::from(1_000_000));
        assert_eq!(deployment.lanes.len(), 1);
    }

    #[test]
    fn says_what_is_wrong_and_what_to_do() {
        let error = Deployment::load(Path::new("nowhere/1.json")).unwrap_err().to_string();
        assert!(error.contains("nowhere/1.json") && error.contains("deploy first"), "{error}");
        let error = load("{}").unwrap_err().to_string();
        assert!(error.contains("missing field `chainId`"), "{error}");
        let error = load(&VALID.replace("\"1000000\"", "\"a lot\"")).unwrap_err().to_string();
        assert!(error.contains("'a lot' is no number of units"), "{error}");
        let error = load(&VALID.replace("\"decimals\": 6", "\"decimals\": 78")).unwrap_err().to_string();
        assert!(error.contains("at most 77"), "{error}");
    }
}
