// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title IUpgradeGate
/// @notice Says what an upgrade must leave as it is.
interface IUpgradeGate {
    /// @notice The state of `proxy` that must be the same before and after, in any encoding.
    function state(address proxy) external view returns (bytes memory);
}
