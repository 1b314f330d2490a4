// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";

import {OracleGuard} from "contracts/OracleGuard.sol";
import {OracleGuardExtension} from "contracts/OracleGuardExtension.sol";
import {IVault} from "contracts/interfaces/IVault.sol";
import {Assets} from "contracts/libraries/Assets.sol";
import {AssetConfig, Setup} from "contracts/oracle/Types.sol";
import {OracleSetup} from "script/OracleSetup.sol";
import {Action} from "script/govern/Action.sol";

/// @title Where prices come from, and how they are judged. Governance sets, guardians tighten, anyone pokes and records.
/// @notice A FILE is JSON as {OracleSetup} reads it, under script/params. See {Action} for modes and delays.
///
///     forge script script/govern/Oracle.s.sol --rpc-url URL --sender GOVERNANCE \
///       --sig set GUARD 3600       # zero: no prices; seconds for which a price counts
///     ... --sig configure USDC FILE        # sources and bounds; the file's anchor is the price now
///     forge script script/govern/Oracle.s.sol --rpc-url URL --sender GUARDIAN \
///       --sig tighten USDC FILE            # the same sources, no bound looser
///     ... --sig distrust USDC              # no price until it is configured again
///     forge script script/govern/Oracle.s.sol --rpc-url URL --sender ANYONE \
///       --sig poke USDC                    # takes the guard's price, or forgets an insane one
///     ... --sig record USDC                # the guard judges and remembers; swaps stop if it is insane
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

    function configure(string calldata asset, string calldata file) external ready {
        OracleSetup.Priced memory p = _file(asset, file);
        _act(
            "oracle-configure",
            address(guard),
            abi.encodeCall(OracleGuardExtension.configure, (p.asset, p.setup, p.anchor, p.anchorBps)),
            string.concat(
                "price ", asset, _words(p.setup), "; it is about ", _number(p.anchor), "e-18 USD now"
            )
        );
    }

    function tighten(string calldata asset, string calldata file) external ready {
        OracleSetup.Priced memory p = _file(asset, file);
        _requirePriced(asset);
        _act(
            "oracle-tighten",
            address(guard),
            abi.encodeCall(OracleGuardExtension.tighten, (p.asset, p.setup.config)),
            string.concat("price ", asset, " within tighter bounds", _words(p.setup))
        );
    }

    function distrust(string calldata asset) external ready {
        _requirePriced(asset);
        _act(
            "oracle-distrust",
            address(guard),
            abi.encodeCall(OracleGuardExtension.distrust, (_knownAsset(asset))),
            string.concat("take the price of ", asset, " away until it is configured again")
        );
    }

    function record(string calldata asset) external ready {
        _requirePriced(asset);
        Call memory call = Call({
            target: address(guard),
            data: abi.encodeCall(OracleGuard.record, (_knownAsset(asset))),
            meaning: string.concat(
                "judge the price of ", asset, " and remember it; stop swaps if it is insane"
            ),
            open: true
        });
        _act("record", _one(call));
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

    function _file(string memory asset, string memory file) private returns (OracleSetup.Priced memory) {
        if (!vm.isFile(file)) revert BadInput("file", string.concat(file, " does not exist"));
        address a = _knownAsset(asset);
        uint8 decimals = a == Assets.NATIVE ? 18 : IERC20Metadata(a).decimals();
        return OracleSetup.read(vm.readFile(file), "$", a, decimals);
    }

    function _requirePriced(string memory asset) private view {
        if (guard.setupOf(_knownAsset(asset)).targets.length == 0) {
            revert BadInput("asset", string.concat(asset, " has no price: see configure"));
        }
    }

    function _words(Setup memory setup) private pure returns (string memory words) {
        AssetConfig memory c = setup.config;
        words = string.concat(", ", _number(c.quorum), " of these within ", _number(c.toleranceBps), " bps:");
        for (uint256 s = 0; s < c.sources.length; ++s) {
            words = string.concat(words, s == 0 ? " " : ", ");
            for (uint256 l = 0; l < c.sources[s].legs.length; ++l) {
                words = string.concat(words, l == 0 ? "" : " times ", vm.toString(setup.targets[s][l].target));
            }
            if (c.sources[s].role != 0) words = string.concat(words, " as a reference");
        }
    }
}
