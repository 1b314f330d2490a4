// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IVault} from "contracts/interfaces/IVault.sol";
import {Action} from "script/govern/Action.sol";

/// @title The float's marks and the cold address. Governance.
/// @notice See {Action} for modes and delays.
///
///     forge script script/govern/Treasury.s.sol --rpc-url URL --sender GOVERNANCE \
///       --sig setMarks USDC 1000000000 9000000000   # minFloat, highWater, units
///     ... --sig setCold COLD                                       # zero: nothing is swept
contract Treasury is Action {
    function setMarks(string calldata asset, uint128 minFloat, uint128 highWater) external ready {
        if (minFloat > highWater) revert BadInput("minFloat", "is above highWater: swap them?");
        _act(
            "marks",
            address(vault),
            abi.encodeCall(IVault.setMarks, (_knownAsset(asset), minFloat, highWater)),
            string.concat(
                "the float of ",
                asset,
                " is refilled below ",
                _number(minFloat),
                " and swept above ",
                _number(highWater)
            )
        );
    }

    function setCold(address cold) external ready {
        if (cold == vault.cold()) revert BadInput("cold", "is that already: there is nothing to do");
        if (cold == address(vault)) revert BadInput("cold", "is the vault itself");
        (bool lane,,) = vault.laneOf(cold);
        if (lane) revert BadInput("cold", "is an enabled lane: a stolen keeper key would hold the reserves");
        _act(
            "cold",
            address(vault),
            abi.encodeCall(IVault.setCold, (cold)),
            string.concat("sweep surplus to ", vm.toString(cold))
        );
    }
}
