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

    /// @notice Not in ascending order, the zero address among them, or no threshold that fits their number.
    error BadApprovers();
    /// @notice It governs or guards as well.
    error HoldsOtherPower(address approver);
    /// @notice `needed` is 0 when no approvers are set.
    error TooFewApprovals(uint256 given, uint256 needed);
    /// @notice No approver, not in ascending order of addresses, or the lane itself.
    error NotAnApprover(address account);
    /// @notice Neither signed by the approver nor accepted by its contract (ERC-1271).
    error BadSignature(address approver);

    /// @notice Governance: replaces the set. `approvers` in ascending order; 1 <= `threshold` <= their number.
    /// @dev Reverts with `BadApprovers`; `HoldsOtherPower`; `AccessManagedUnauthorized` without the role.
    function setApprovers(address[] calldata approvers, uint256 threshold) external;

    /// @notice Reverts unless `threshold` different approvers signed `s`; `approvals` in ascending order of
    /// addresses. More than the threshold are all checked. Anyone may ask; that `s` is used once is the
    /// caller's to see to.
    /// @dev Reverts with `TooFewApprovals`; `NotAnApprover`; `BadSignature`. Does not look at the deadline.
    function check(Settlement calldata s, IVault.Approval[] calldata approvals) external view;

    /// @notice What is signed: the EIP-712 digest of `s`, with the domain "Spillway Approvers", version "1",
    /// of this chain and contract. No errors.
    function digest(Settlement calldata s) external view returns (bytes32);

    /// @notice Who approves, in ascending order of addresses.
    function approvers() external view returns (address[] memory);
    /// @notice How many of them must sign; 0 until they are set: then nothing is approved.
    function threshold() external view returns (uint256);
}
