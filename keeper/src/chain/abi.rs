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
        function allowance(address owner, address spender) external view returns (uint256);
        function approve(address spender, uint256 amount) external returns (bool);
    }
}

sol! {
    /// What M of N sign: see contracts/interfaces/IApprovers.sol.
    #[derive(Debug, PartialEq, Eq)]
    struct Settlement {
        address vault;
        address lane;
        address asset;
        uint64 first;
        bytes24 head;
        uint256 total;
        bytes32 payouts;
        bytes32 refs;
        uint64 deadline;
    }

    /// What the keeper needs of contracts/interfaces/IApprovers.sol.
    #[sol(rpc)]
    #[derive(Debug)]
    interface IApprovers {
        error TooFewApprovals(uint256 given, uint256 needed);
        error NotAnApprover(address account);
        error BadSignature(address approver);
        function digest(Settlement calldata s) external view returns (bytes32);
        function approvers() external view returns (address[] memory);
        function threshold() external view returns (uint256);
    }

    /// An account that checks signatures by itself, such as a Safe.
    #[sol(rpc)]
    interface IERC1271 {
        function isValidSignature(bytes32 hash, bytes calldata signature) external view returns (bytes4);
    }
}
