//! The contracts' interfaces, read from their Solidity source, so that the two cannot drift apart.

#![expect(clippy::too_many_arguments, reason = "the generated bindings have the arguments of the contracts")]

use alloy::sol;

sol! {
    #[sol(rpc, all_derives)]
    "../contracts/interfaces/IVault.sol"
}

sol! {
    /// What the keeper needs of a token.
    #[sol(rpc)]
    interface IERC20 {
        function balanceOf(address account) external view returns (uint256);
    }
}
