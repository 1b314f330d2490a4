// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title ISwapAdapter
/// @notice Knows one kind of pool. Holds nothing, and has rights over nobody: it takes its input from its caller by the
/// caller's approval, and what it buys goes to its caller. So anyone may call it.
///
/// What `data` is, by the kind of pool:
/// - UniswapV2Adapter: empty. One adapter per factory: the pair is the one that its factory names;
/// - UniswapV3Adapter: `abi.encode(uint24 fee)`. One adapter per factory, as above;
/// - StableSwapAdapter: `abi.encode(address pool, int128 i, int128 j)`: a governed pool, the places of what is sold and
///   bought in it;
/// - BalancerAdapter: `abi.encode(bytes32 poolId)`. One adapter per Vault and factory of pools: the pool is one that this
///   factory made.
interface ISwapAdapter {
    /// @notice Whoever asks for it is not the pool that is swapped with.
    error NotThePool(address caller);
    /// @notice `data` names no pool that the adapter can prove to be the protocol's, or that is governed.
    error NoPool();
    /// @notice The pool left `left` of its input, for it has nothing more to give.
    error TookLess(uint256 left);

    /// @notice Sells exactly `amount` of `sell`, which the caller has approved, for what the pool gives of `buy`. Says
    /// nothing of how much that is: the caller measures. Reverts when the pool takes less.
    /// @param data Which pool, as each adapter says.
    function swap(address sell, address buy, uint256 amount, bytes calldata data) external;
}
