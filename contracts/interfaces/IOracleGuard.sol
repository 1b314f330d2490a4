// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title IOracleGuard
/// @notice Judges prices.
interface IOracleGuard {
    enum Verdict {
        Healthy,
        Degraded, // usable where a payment in kind is bounded, not for swaps or margin
        Insane // not to be used
    }

    /// @notice The price of `asset`, and what to think of it. Never reverts.
    /// @return verdict What it may be used for.
    /// @return price USD per smallest unit, times 1e36; rounded up. Without meaning when `Insane`.
    function peek(address asset) external view returns (Verdict verdict, uint256 price);
}
