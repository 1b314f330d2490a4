// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {IAccessManager} from "@openzeppelin/contracts/access/manager/IAccessManager.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";

import {IApprovers} from "./interfaces/IApprovers.sol";
import {IVault} from "./interfaces/IVault.sol";
import {Roles} from "./libraries/Roles.sol";

/// @title Approvers
/// @notice See {IApprovers}.
contract Approvers is IApprovers, AccessManaged, EIP712 {
    bytes32 private constant SETTLEMENT_TYPE = keccak256(
        "Settlement(address vault,address lane,address asset,uint64 first,bytes24 head,uint256 total,bytes32 payouts,bytes32 refs,uint64 deadline)"
    );

    address[] private _approvers;
    mapping(address account => bool) private _isApprover;
    /// @inheritdoc IApprovers
    uint256 public threshold;

    /// @param authority_ The AccessManager that says who governs and who guards.
    constructor(address authority_) AccessManaged(authority_) EIP712("Spillway Approvers", "1") {}

    /// @inheritdoc IApprovers
    function setApprovers(address[] calldata approvers_, uint256 threshold_) external restricted {
        if (threshold_ == 0 || threshold_ > approvers_.length) revert BadApprovers();
        for (uint256 i = 0; i < _approvers.length; ++i) {
            _isApprover[_approvers[i]] = false;
        }
        address last;
        for (uint256 i = 0; i < approvers_.length; ++i) {
            address approver = approvers_[i];
            if (approver <= last) revert BadApprovers();
            _requireNoOtherPower(approver);
            _isApprover[approver] = true;
            last = approver;
        }
        (_approvers, threshold) = (approvers_, threshold_);
        emit ApproversSet(approvers_, threshold_);
    }

    function _requireNoOtherPower(address account) private view {
        IAccessManager manager = IAccessManager(authority());
        (bool governs,) = manager.hasRole(Roles.GOVERNANCE, account);
        (bool guards,) = manager.hasRole(Roles.GUARDIAN, account);
        if (governs || guards) revert HoldsOtherPower(account);
    }

    /// @inheritdoc IApprovers
    function check(Settlement calldata s, IVault.Approval[] calldata approvals) external view {
        if (threshold == 0 || approvals.length < threshold) {
            revert TooFewApprovals(approvals.length, threshold);
        }
        bytes32 hash = digest(s);
        address last;
        for (uint256 i = 0; i < approvals.length; ++i) {
            address approver = approvals[i].approver;
            if (!_isApprover[approver] || approver <= last || approver == s.lane) {
                revert NotAnApprover(approver);
            }
            if (!SignatureChecker.isValidSignatureNowCalldata(approver, hash, approvals[i].signature)) {
                revert BadSignature(approver);
            }
            last = approver;
        }
    }

    /// @inheritdoc IApprovers
    function digest(Settlement calldata s) public view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(SETTLEMENT_TYPE, s)));
    }

    /// @inheritdoc IApprovers
    function approvers() external view returns (address[] memory) {
        return _approvers;
    }
}
