//! What the vault can pay.

use super::amount::Amount;
use alloy::primitives::{Address, address};
use serde::{Deserialize, Serialize};

/// ETH, written as the address of [ERC-7528](https://eips.ethereum.org/EIPS/eip-7528).
pub const NATIVE: Address = address!("EeeeeEeeeEeEeeEeEeEeeEEEeeeeEeeeeeeeEEeE");

/// An asset that the vault lists, as the deployment file names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Asset {
    pub symbol: String,
    pub address: Address,
    pub decimals: u8,
    /// Gas that one push of this asset may use.
    pub payout_gas: u64,
}

impl Asset {
    pub fn is_native(&self) -> bool {
        self.address == NATIVE
    }

    /// `12.5 TUSD`
    pub fn show(&self, amount: Amount) -> String {
        format!("{} {}", amount.to_decimal(self.decimals), self.symbol)
    }
}

/// The assets of one deployment, found by symbol (any case) or address.
#[derive(Clone, Debug, Default)]
pub struct Assets(Vec<Asset>);

impl Assets {
    pub fn new(assets: Vec<Asset>) -> Self {
        Self(assets)
    }

    pub fn find(&self, symbol_or_address: &str) -> Option<&Asset> {
        let wanted = symbol_or_address.trim();
        match wanted.parse::<Address>() {
            Ok(address) => self.get(address),
            Err(_) => self.0.iter().find(|a| a.symbol.eq_ignore_ascii_case(wanted)),
        }
    }

    pub fn get(&self, address: Address) -> Option<&Asset> {
        self.0.iter().find(|a| a.address == address)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Asset> {
        self.0.iter()
    }

    /// `ETH, TUSD, TDAI`, for messages.
    pub fn symbols(&self) -> String {
        self.0.iter().map(|a| a.symbol.as_str()).collect::<Vec<_>>().join(", ")
    }

    /// The amount with its symbol, or in units where the asset is not of this deployment.
    pub fn show(&self, asset: Address, amount: Amount) -> String {
        self.get(asset).map_or_else(|| format!("{amount} units of {asset}"), |a| a.show(amount))
    }
}
