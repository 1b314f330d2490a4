//! The contracts' interfaces, read from their Solidity source, so that the two cannot drift apart.

use alloy::sol;

/// Written by `build.rs`.
#[allow(clippy::too_many_arguments)]
mod vault {
    include!(concat!(env!("OUT_DIR"), "/vault.rs"));
}

pub use vault::{ISwapSplitter, IVault};

sol! {
    /// What the keeper needs of a token.
    #[sol(rpc)]
    interface IERC20 {
        event Transfer(address indexed from, address indexed to, uint256 amount);
        function balanceOf(address account) external view returns (uint256);
    }
}
