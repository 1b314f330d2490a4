// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IApprovers} from "contracts/interfaces/IApprovers.sol";
import {IVault} from "contracts/interfaces/IVault.sol";
import {Action} from "script/govern/Action.sol";

/// @title Who approves, and how long announced orders wait. Governance.
/// @notice See {Action} for modes and delays.
///
///     forge script script/govern/Approvals.s.sol --rpc-url URL --sender GOVERNANCE \
///       --sig setApprovers '[0xA...,0xB...,0xC...]' 2     # any order; 2 of them must sign
///     ... --sig setApprovals APPROVERS 86400   # the contract that checks; seconds
contract Approvals is Action {
    function setApprovers(address[] memory list, uint256 threshold) external ready {
        if (threshold == 0 || threshold > list.length) {
            revert BadInput("threshold", "is not within 1 and the number of approvers");
        }
        _sort(list);
        string memory names;
        for (uint256 i = 0; i < list.length; ++i) {
            if (i != 0 && list[i] == list[i - 1]) revert BadInput("approvers", "names one twice");
            // Who is an approver already may stay one.
            if (!_isApprover(list[i])) _requireNoPower("approvers", list[i]);
            names = string.concat(names, i == 0 ? "" : ", ", vm.toString(list[i]));
        }
        _act(
            "approvers",
            address(approvers),
            abi.encodeCall(IApprovers.setApprovers, (list, threshold)),
            string.concat("approvers are ", names, "; ", _number(threshold), " must sign")
        );
    }

    function setApprovals(address approvers_, uint32 announceDelay) external ready {
        if (approvers_ != address(0) && approvers_.code.length == 0) {
            revert BadInput("approvers", "has no code: give the Approvers contract, or zero for none");
        }
        if (announceDelay < 1 hours || announceDelay > 30 days) {
            revert BadInput("announceDelay", "is not within 3600 and 2592000 seconds");
        }
        _act(
            "approvals",
            address(vault),
            abi.encodeCall(IVault.setApprovals, (approvers_, announceDelay)),
            string.concat(
                "approvals are checked by ",
                vm.toString(approvers_),
                "; announced orders wait ",
                duration(announceDelay)
            )
        );
    }

    function _sort(address[] memory list) private pure {
        for (uint256 i = 1; i < list.length; ++i) {
            for (uint256 k = i; k > 0 && list[k] < list[k - 1]; --k) {
                (list[k], list[k - 1]) = (list[k - 1], list[k]);
            }
        }
    }
}
