// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ERC1967Utils} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Utils.sol";
import {ProxyAdmin} from "@openzeppelin/contracts/proxy/transparent/ProxyAdmin.sol";
import {
    ITransparentUpgradeableProxy
} from "@openzeppelin/contracts/proxy/transparent/TransparentUpgradeableProxy.sol";
import {console2} from "forge-std/console2.sol";

import {Vault} from "contracts/Vault.sol";
import {VaultExtension} from "contracts/VaultExtension.sol";
import {VaultTreasury} from "contracts/VaultTreasury.sol";
import {VersionRegistry} from "contracts/VersionRegistry.sol";
import {Action} from "script/govern/Action.sol";

/// @title Versions of the vault's code. Governance proposes and activates, guardians cancel and roll back.
/// @notice The storage layout's hash is that of contracts/layout/Vault.txt, the gate that of the deployment. Run
/// `propose` from the commit that was reviewed, both times: it refuses code that this commit does not build. See {Action}
/// for modes and delays.
///
///     SPILLWAY_MODE=send forge script script/govern/Upgrade.s.sol --rpc-url URL --private-key KEY --broadcast \
///       --sig build                                          # any account: deploys this commit's code
///     forge script script/govern/Upgrade.s.sol --rpc-url URL --sender GOVERNANCE \
///       --sig propose IMPLEMENTATION 2 0x  # number; the call that migrates, or 0x
///     ... --sig activate 0x                             # the same call
///     forge script script/govern/Upgrade.s.sol --rpc-url URL --sender GUARDIAN --sig cancel
///     ... --sig rollback
///     ... --sig status
contract Upgrade is Action {
    /// @notice Deploys the vault's code as it is in this commit. It does nothing until it is activated.
    function build() external ready returns (address implementation) {
        vm.startBroadcast(_sender_());
        implementation = address(new Vault(address(new VaultExtension(address(new VaultTreasury())))));
        vm.stopBroadcast();
        address extension = Vault(payable(implementation)).EXTENSION();
        _tellParts(implementation, extension, VaultExtension(payable(extension)).TREASURY());
    }

    function propose(address implementation, uint64 number, bytes calldata data) external ready {
        if (implementation.code.length == 0) {
            revert BadInput("implementation", "has no code: deploy it first, see build()");
        }
        if (implementation == address(vault)) {
            revert BadInput(
                "implementation", "is the vault's proxy: give the new code's own address, see build()"
            );
        }
        VersionRegistry.Version[] memory all = registry.history(address(vault));
        VersionRegistry.Version memory newest = all[all.length - 1];
        if (newest.status == VersionRegistry.Status.Proposed) {
            revert BadInput(
                "number",
                string.concat(
                    "version ", _number(newest.number), " is proposed: a guardian must cancel it first"
                )
            );
        }
        if (number <= newest.number) {
            revert BadInput(
                "number", string.concat("is not above ", _number(newest.number), ", the last one")
            );
        }
        _requireReviewed(implementation);
        _rehearseActivation(implementation, data);
        bytes32 layoutHash = keccak256(bytes(vm.readFile("contracts/layout/Vault.txt")));
        bytes memory call = abi.encodeCall(
            VersionRegistry.propose,
            (address(vault), number, implementation, implementation.codehash, layoutHash, data, gate)
        );
        string memory meaning = string.concat(
            "propose version ", _number(number), ", ", vm.toString(implementation), ", codehash "
        );
        meaning = string.concat(
            meaning, vm.toString(implementation.codehash), ", layout ", vm.toString(layoutHash)
        );
        _act("propose", address(registry), call, string.concat(meaning, ", migration ", vm.toString(data)));
    }

    function activate(bytes calldata data) external ready {
        VersionRegistry.Version memory newest = _proposed();
        if (keccak256(data) != newest.dataHash) {
            revert BadInput("data", "is not the migration that was proposed");
        }
        _act(
            "activate",
            address(registry),
            abi.encodeCall(VersionRegistry.activate, (address(vault), data)),
            string.concat("activate version ", _number(newest.number))
        );
    }

    function cancel() external ready {
        _act(
            "cancel-proposal",
            address(registry),
            abi.encodeCall(VersionRegistry.cancel, (address(vault))),
            string.concat("cancel the proposal of version ", _number(_proposed().number))
        );
    }

    function rollback() external ready {
        (VersionRegistry.Version memory now_, uint256 probationEnd) = registry.current(address(vault));
        if (block.timestamp >= probationEnd) {
            revert BadInput(
                "rollback",
                "the version is final: governance must propose the one before again, under a higher number"
            );
        }
        _act(
            "rollback",
            address(registry),
            abi.encodeCall(VersionRegistry.rollback, (address(vault))),
            string.concat("roll version ", _number(now_.number), " back")
        );
    }

    /// @notice Prints what runs, what is proposed, and what comes when.
    function status() external ready {
        (VersionRegistry.Version memory now_, uint256 probationEnd) = registry.current(address(vault));
        console2.log("runs version", now_.number, now_.implementation);
        if (block.timestamp < probationEnd) {
            console2.log("  on probation for another", duration(probationEnd - block.timestamp));
        }
        VersionRegistry.Version[] memory all = registry.history(address(vault));
        VersionRegistry.Version memory newest = all[all.length - 1];
        if (newest.status != VersionRegistry.Status.Proposed) return;
        console2.log("proposed is version", newest.number, newest.implementation);
        console2.log("  codehash", vm.toString(newest.codehash));
        console2.log("  may be activated from unix time", uint256(newest.since) + registry.DELAY());
    }

    /// @dev The hash that the registry keeps covers the address of the second part, not its code. So each part is built here
    /// around the address of the next that it names: what is not equal to the last byte is other code.
    function _requireReviewed(address implementation) private {
        uint256 state = vm.snapshotState();
        address extension = _named(implementation, "EXTENSION()");
        if (extension.code.length == 0 || implementation.codehash != _vaultWith(extension).codehash) {
            _otherCode("is not the Vault", implementation);
        }
        address treasury = _named(extension, "TREASURY()");
        if (treasury.code.length == 0 || extension.codehash != _extensionWith(treasury).codehash) {
            _otherCode("has another extension than the VaultExtension", extension);
        }
        if (treasury.codehash != address(new VaultTreasury()).codehash) {
            _otherCode("has another treasury than the VaultTreasury", treasury);
        }
        vm.revertToState(state);
        _tellParts(implementation, extension, treasury);
    }

    /// @dev Tests propose code of their own.
    function _vaultWith(address extension) internal virtual returns (address) {
        return address(new Vault(extension));
    }

    function _extensionWith(address treasury) internal virtual returns (address) {
        return address(new VaultExtension(treasury));
    }

    /// @dev Zero when `part` names none.
    function _named(address part, string memory getter) private view returns (address next) {
        (bool ok, bytes memory said) = part.staticcall(abi.encodeWithSignature(getter));
        if (ok && said.length == 32) next = address(uint160(uint256(bytes32(said))));
    }

    function _otherCode(string memory what, address at) private pure {
        revert BadInput(
            "implementation",
            string.concat(what, " of this commit, at ", vm.toString(at), ": check out what was reviewed")
        );
    }

    function _tellParts(address implementation, address extension, address treasury) private view {
        address[3] memory parts = [implementation, extension, treasury];
        string[3] memory names = ["implementation", "extension     ", "treasury      "];
        for (uint256 i = 0; i < parts.length; ++i) {
            console2.log(names[i], parts[i]);
            console2.log("      codehash", vm.toString(parts[i].codehash));
        }
    }

    /// @dev As {VersionRegistry-activate} would do it: a version that cannot be activated is not worth the delays.
    function _rehearseActivation(address implementation, bytes memory data) private {
        uint256 state = vm.snapshotState();
        bytes memory was = gate.state(address(vault));
        ProxyAdmin admin =
            ProxyAdmin(address(uint160(uint256(vm.load(address(vault), ERC1967Utils.ADMIN_SLOT)))));
        vm.prank(address(registry));
        admin.upgradeAndCall(ITransparentUpgradeableProxy(address(vault)), implementation, data);
        if (keccak256(gate.state(address(vault))) != keccak256(was)) {
            revert BadInput(
                "implementation", "changes what the gate guards (see VaultGate): it could not be activated"
            );
        }
        vm.revertToState(state);
    }

    function _proposed() private view returns (VersionRegistry.Version memory newest) {
        VersionRegistry.Version[] memory all = registry.history(address(vault));
        newest = all[all.length - 1];
        if (newest.status != VersionRegistry.Status.Proposed) {
            revert BadInput("version", "none is proposed: see propose()");
        }
    }
}
