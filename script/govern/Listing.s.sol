// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IVault} from "contracts/interfaces/IVault.sol";
import {Assets} from "contracts/libraries/Assets.sol";
import {Action} from "script/govern/Action.sol";

/// @title Lists an asset, unlists it, sets its parameters. Governance.
/// @notice A new asset pays nothing until it has limits: see Limits.s.sol. See {Action} for modes and delays.
///
///     forge script script/govern/Listing.s.sol --rpc-url URL --sender GOVERNANCE \
///       --sig configure USDC true 100000 1000000  # gas of a payout; units
contract Listing is Action {
    function configure(string calldata asset, bool listed, uint32 payoutGas, uint128 minRequest)
        external
        ready
    {
        address a = _asset(asset);
        if (listed && a != Assets.NATIVE && a.code.length == 0) {
            revert BadInput("asset", string.concat(asset, " has no code on this chain"));
        }
        if (listed && (payoutGas < 25_000 || payoutGas > 1_000_000)) {
            revert BadInput("payoutGas", "is not within 25000 and 1000000");
        }
        IVault.AssetConfig memory config = IVault.AssetConfig(listed, payoutGas, minRequest);
        if (keccak256(abi.encode(config)) == keccak256(abi.encode(vault.assetConfig(a)))) {
            revert BadInput("asset", "is configured like that already: there is nothing to do");
        }
        _act(
            "configure-asset",
            address(vault),
            abi.encodeCall(IVault.configureAsset, (a, config)),
            string.concat(
                listed ? "list " : "unlist ",
                asset,
                ", gas of a payout ",
                _number(payoutGas),
                ", smallest request ",
                _number(minRequest)
            )
        );
    }
}
