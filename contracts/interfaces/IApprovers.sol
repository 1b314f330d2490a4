// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IVault} from "./IVault.sol";

/// @title IApprovers
/// @notice M of N must sign before a batch above the instant tier is paid.
interface IApprovers {
    /// @notice What an approver signs (EIP-712), over exactly one batch at one place of one lane: it cannot be used
    /// twice, because the lane moves on.
    struct Settlement {
        address vault;
        address lane;
        address asset;
        uint64 first;
        bytes24 head;
        uint256 total; // units of asset
        bytes32 payouts; // keccak256(abi.encode(Payout[]))
        bytes32 refs; // keccak256(refs)
        uint64 deadline; // unix seconds
    }

    event ApproversSet(address[] approvers, uint256 threshold);

    error BadApprovers();
    error HoldsOtherPower(address approver);
    error TooFewApprovals(uint256 given, uint256 needed);
    /// @notice No approver, not in ascending order of addresses, or the lane itself.
    error NotAnApprover(address account);
    error BadSignature(address approver);

    /// @notice Governance: replaces the set. `approvers` in ascending order; 1 <= `threshold` <= their number.
    function setApprovers(address[] calldata approvers, uint256 threshold) external;

    /// @notice Reverts unless `threshold` different approvers signed `s`; `approvals` in ascending order of addresses.
    function check(Settlement calldata s, IVault.Approval[] calldata approvals) external view;

    /// @notice What is signed.
    function digest(Settlement calldata s) external view returns (bytes32);

    /// @notice Who approves, in ascending order of addresses.
    function approvers() external view returns (address[] memory);
    /// @notice How many of them must sign; 0 until they are set: then nothing is approved.
    function threshold() external view returns (uint256);
}
