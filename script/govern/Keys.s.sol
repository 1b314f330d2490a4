// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";

import {Roles} from "contracts/libraries/Roles.sol";
import {Action} from "script/govern/Action.sol";

/// @title Who holds which role, and what is scheduled. Governance.
/// @notice Governance moves in two steps: it adds its successor, and the successor removes it. See {Action} for modes
/// and delays.
///
///     forge script script/govern/Keys.s.sol --rpc-url URL --sender GOVERNANCE --sig addGuardian ACCOUNT
///     ... --sig removeGuardian ACCOUNT
///     ... --sig removeVolatility ACCOUNT
///     ... --sig addGovernance SUCCESSOR
///     forge script script/govern/Keys.s.sol --rpc-url URL --sender SUCCESSOR --sig removeGovernance OLD
///     ... --sig cancelScheduled CALLER TARGET CALLDATA  # from the event OperationScheduled
contract Keys is Action {
    Call[] private _calls;

    function addGuardian(address account) external ready {
        _requireNoPower("account", account);
        _act("add-guardian", _one(_grant(Roles.GUARDIAN, account, 0, "add the guardian ")));
    }

    function removeGuardian(address account) external ready {
        if (!_isMember(Roles.GUARDIAN, account)) {
            revert BadInput("account", "is no guardian: there is nothing to do");
        }
        _act("remove-guardian", _one(_revoke(Roles.GUARDIAN, account, "remove the guardian ")));
    }

    /// @notice Who sets the volatility of margin pools: {Margin-empower} appoints another.
    function removeVolatility(address account) external ready {
        if (!_isMember(Roles.VOLATILITY, account)) {
            revert BadInput("account", "sets no volatility: there is nothing to do");
        }
        string memory verb = "take the volatility of margin pools from ";
        _act("remove-volatility", _one(_revoke(Roles.VOLATILITY, account, verb)));
    }

    /// @notice With the delay that the sender has.
    function addGovernance(address account) external ready {
        uint64 admin = manager.ADMIN_ROLE();
        (bool governs, bool administers) = (_isMember(Roles.GOVERNANCE, account), _isMember(admin, account));
        if (governs && administers) {
            revert BadInput("account", "is governance already: there is nothing to do");
        }
        if (!governs) _requireNoPower("account", account);
        (, uint32 delay) = manager.hasRole(Roles.GOVERNANCE, _sender_());
        delete _calls;
        // A run that was interrupted between the two is finished by the next.
        _push(!governs, _grant(Roles.GOVERNANCE, account, delay, "give GOVERNANCE to "));
        _push(!administers, _grant(admin, account, delay, "give ADMIN to "));
        _act("add-governance", _calls);
    }

    function removeGovernance(address account) external ready {
        uint64 admin = manager.ADMIN_ROLE();
        (bool governs, bool administers) = (_isMember(Roles.GOVERNANCE, account), _isMember(admin, account));
        if (!governs && !administers) {
            revert BadInput("account", "is not governance: there is nothing to do");
        }
        if (account == _sender_()) {
            revert BadInput("account", "is the sender: let the successor do it, which proves that it can act");
        }
        delete _calls;
        _push(governs, _revoke(Roles.GOVERNANCE, account, "take GOVERNANCE from "));
        _push(administers, _revoke(admin, account, "take ADMIN from "));
        _act("remove-governance", _calls);
    }

    /// @notice Takes a scheduled operation back, at once. Its scheduler or any account of governance.
    function cancelScheduled(address caller, address target, bytes calldata data) external ready {
        bytes32 operation = manager.hashOperation(caller, target, data);
        if (manager.getSchedule(operation) == 0) {
            revert BadInput(
                "operation", "is not scheduled: take caller, target and data from OperationScheduled"
            );
        }
        _act(
            "cancel-scheduled",
            _one(
                Call({
                    target: address(manager),
                    data: abi.encodeCall(AccessManager.cancel, (caller, target, data)),
                    meaning: string.concat("cancel the scheduled operation ", vm.toString(operation)),
                    open: true
                })
            )
        );
    }

    function _push(bool needed, Call memory call) private {
        if (needed) _calls.push(call);
    }

    function _grant(uint64 role, address account, uint32 delay, string memory verb)
        private
        view
        returns (Call memory)
    {
        bytes memory data = abi.encodeCall(AccessManager.grantRole, (role, account, delay));
        return Call(address(manager), data, string.concat(verb, vm.toString(account)), false);
    }

    function _revoke(uint64 role, address account, string memory verb) private view returns (Call memory) {
        bytes memory data = abi.encodeCall(AccessManager.revokeRole, (role, account));
        return Call(address(manager), data, string.concat(verb, vm.toString(account)), false);
    }
}
