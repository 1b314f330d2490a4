// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title IWETH
/// @notice Wrapped ETH, as far as it is used here.
interface IWETH {
    /// @notice Wraps what is sent.
    function deposit() external payable;
    /// @notice Unwraps `amount` of the caller's, in wei.
    function withdraw(uint256 amount) external;
}
