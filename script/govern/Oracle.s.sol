// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IVault} from "contracts/interfaces/IVault.sol";
import {Action} from "script/govern/Action.sol";

/// @title Where prices come from. Governance sets, anyone pokes.
/// @notice See {Action} for modes and delays.
///
///     forge script script/govern/Oracle.s.sol --rpc-url URL --sender GOVERNANCE \
///       --sig set GUARD 3600       # zero: no prices; seconds for which a price counts
///     ... --sig poke USDC                  # takes the guard's price, or forgets an insane one
contract Oracle is Action {
    function set(address guard, uint32 priceLife) external ready {
        if (guard != address(0) && guard.code.length == 0) {
            revert BadInput("guard", "has no code: give a contract, or zero for no prices");
        }
        if (priceLife < 1 minutes || priceLife > 1 days) {
            revert BadInput("priceLife", "is not within 60 and 86400 seconds");
        }
        _act(
            "oracle",
            address(vault),
            abi.encodeCall(IVault.setOracle, (guard, priceLife)),
            string.concat("take prices from ", vm.toString(guard), ", each for ", duration(priceLife))
        );
    }

    function poke(string calldata asset) external ready {
        Call memory call = Call({
            target: address(vault),
            data: abi.encodeCall(IVault.poke, (_knownAsset(asset))),
            meaning: string.concat("take the price of ", asset, " that the guard has now, or forget it"),
            open: true
        });
        _act("poke", _one(call));
    }
}
