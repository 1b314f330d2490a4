// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @notice The roles of the AccessManager. No role holds the powers of another.
library Roles {
    /// @notice Acts with a delay: parameters, lanes, upgrades, the end of a pause.
    uint64 internal constant GOVERNANCE = 1;
    /// @notice Acts at once, and can only reduce: pause a scope, disable a lane.
    uint64 internal constant GUARDIAN = 2;
    /// @notice The oracle guard's: stops swaps, and nothing else.
    uint64 internal constant ORACLE_GUARD = 3;
    /// @notice Sets the volatility of margin pools, within bounds and a rate that governance sets.
    uint64 internal constant VOLATILITY = 4;
}
