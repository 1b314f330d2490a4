// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IVault} from "contracts/interfaces/IVault.sol";
import {Action} from "script/govern/Action.sol";

/// @title The keeper's signing accounts. Governance enables, guardians disable.
/// @notice See {Action} for modes and delays.
///
///     forge script script/govern/Lanes.s.sol --rpc-url URL --sender GUARDIAN --sig disable LANE
///     forge script script/govern/Lanes.s.sol --rpc-url URL --sender GOVERNANCE --sig enable LANE
contract Lanes is Action {
    function enable(address lane) external ready {
        (bool enabled,,) = vault.laneOf(lane);
        if (enabled) revert BadInput("lane", "is enabled already: there is nothing to do");
        _requireNoPower("lane", lane);
        if (lane == vault.cold()) {
            revert BadInput("lane", "is the cold address: a stolen keeper key would hold the reserves");
        }
        _act(
            "enable-lane",
            address(vault),
            abi.encodeCall(IVault.enableLane, (lane)),
            string.concat("enable the lane ", vm.toString(lane))
        );
    }

    function disable(address lane) external ready {
        (bool enabled,,) = vault.laneOf(lane);
        if (!enabled) revert BadInput("lane", "is not enabled: there is nothing to do");
        _act(
            "disable-lane",
            address(vault),
            abi.encodeCall(IVault.disableLane, (lane)),
            string.concat("disable the lane ", vm.toString(lane))
        );
    }
}
