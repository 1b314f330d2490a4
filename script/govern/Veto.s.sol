// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IVault} from "contracts/interfaces/IVault.sol";
import {Action} from "script/govern/Action.sol";

/// @title Vetoes an announced order, for good. Guardian.
/// @notice The id is the first topic of {IVault-Announced}. See {Action} for modes.
///
///     forge script script/govern/Veto.s.sol --rpc-url URL --sender GUARDIAN --sig veto ID
contract Veto is Action {
    function veto(bytes32 id) external ready {
        (uint48 announcedAt,, bool vetoed) = vault.announcementOf(id);
        if (vetoed) revert BadInput("id", "is vetoed already: there is nothing to do");
        if (announcedAt == 0) {
            revert BadInput("id", "is not announced, or was paid: take it from the event Announced");
        }
        _act(
            "veto",
            address(vault),
            abi.encodeCall(IVault.veto, (id)),
            string.concat("veto the announced order ", vm.toString(id))
        );
    }
}
