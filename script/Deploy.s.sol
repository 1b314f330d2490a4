// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";
import {ERC1967Utils} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Utils.sol";
import {ProxyAdmin} from "@openzeppelin/contracts/proxy/transparent/ProxyAdmin.sol";
import {
    TransparentUpgradeableProxy
} from "@openzeppelin/contracts/proxy/transparent/TransparentUpgradeableProxy.sol";
import {Script} from "forge-std/Script.sol";
import {stdJson} from "forge-std/StdJson.sol";
import {console2} from "forge-std/console2.sol";

import {Vault} from "contracts/Vault.sol";
import {IVault} from "contracts/interfaces/IVault.sol";
import {Assets} from "contracts/libraries/Assets.sol";
import {Roles} from "contracts/libraries/Roles.sol";

/// @title Deploys Spillway: AccessManager, Vault behind its proxy, roles, lanes, assets.
/// @notice The same script for a local chain, a fork and mainnet. Parameters come from the JSON file that
/// SPILLWAY_PARAMS names; addresses go to the JSON file that SPILLWAY_DEPLOYMENT names (deployments/CHAINID.json
/// unless set), which the keeper reads.
///
///     SPILLWAY_PARAMS=script/params/example.json \
///     forge script script/Deploy.s.sol --rpc-url URL --broadcast --private-key KEY
contract Deploy is Script {
    using stdJson for string;

    struct AssetParams {
        string symbol;
        address token;
        uint8 decimals;
        uint32 payoutGas;
        uint128 minRequest;
    }

    struct Params {
        address governance;
        address[] guardians;
        address[] lanes;
        uint32 governanceDelay; // seconds
        uint32 exitDelay; // seconds
        uint32 maxPause; // seconds
        uint32 pauseCooldown; // seconds
        AssetParams[] assets;
    }

    struct Deployed {
        AccessManager manager;
        Vault vault;
        address implementation;
        address proxyAdmin;
    }

    error BadParameter(string key, string problem);

    function run() external {
        Params memory params =
            read(vm.readFile(vm.envOr("SPILLWAY_PARAMS", string("script/params/example.json"))));
        check(params);
        vm.startBroadcast();
        (, address deployer,) = vm.readCallers();
        Deployed memory deployed = deploy(params, deployer);
        vm.stopBroadcast();
        string memory fallbackPath = string.concat("deployments/", vm.toString(block.chainid), ".json");
        write(vm.envOr("SPILLWAY_DEPLOYMENT", fallbackPath), params, deployed);
    }

    /// @notice Reads parameters; amounts are decimal strings in units.
    function read(string memory json) public view returns (Params memory params) {
        params.governance = json.readAddress(".governance");
        params.guardians = json.readAddressArray(".guardians");
        params.lanes = json.readAddressArray(".lanes");
        params.governanceDelay = uint32(json.readUint(".governanceDelay"));
        params.exitDelay = uint32(json.readUint(".exitDelay"));
        params.maxPause = uint32(json.readUint(".maxPause"));
        params.pauseCooldown = uint32(json.readUint(".pauseCooldown"));
        uint256 count;
        while (json.keyExists(_at(count, ""))) ++count;
        params.assets = new AssetParams[](count);
        for (uint256 i = 0; i < count; ++i) {
            params.assets[i] = AssetParams({
                symbol: json.readString(_at(i, ".symbol")),
                token: json.readAddress(_at(i, ".address")),
                decimals: uint8(json.readUint(_at(i, ".decimals"))),
                payoutGas: uint32(json.readUint(_at(i, ".payoutGas"))),
                minRequest: uint128(json.readUint(_at(i, ".minRequest")))
            });
        }
    }

    function _at(uint256 i, string memory key) private pure returns (string memory) {
        return string.concat(".assets[", vm.toString(i), "]", key);
    }

    /// @notice Refuses what could not be mended later, with the key and the problem.
    function check(Params memory params) public view {
        if (params.governance == address(0)) {
            revert BadParameter("governance", "is zero: use a Safe or a timelock");
        }
        if (params.guardians.length == 0) revert BadParameter("guardians", "is empty: nobody could pause");
        if (params.lanes.length == 0) revert BadParameter("lanes", "is empty: no keeper could pay");
        if (params.assets.length == 0) revert BadParameter("assets", "is empty: nothing could be paid");
        for (uint256 i = 0; i < params.guardians.length; ++i) {
            if (params.guardians[i] == params.governance) {
                revert BadParameter("guardians", "names governance: no account may hold two powers");
            }
        }
        for (uint256 i = 0; i < params.assets.length; ++i) {
            AssetParams memory asset = params.assets[i];
            if (asset.token == Assets.NATIVE) {
                if (asset.decimals != 18) revert BadParameter(asset.symbol, "ETH has 18 decimals");
                continue;
            }
            if (asset.token.code.length == 0) revert BadParameter(asset.symbol, "no code at its address");
            (bool ok, bytes memory said) = asset.token.staticcall(abi.encodeWithSignature("decimals()"));
            if (ok && said.length == 32 && abi.decode(said, (uint256)) != asset.decimals) {
                revert BadParameter(asset.symbol, "the token says other decimals");
            }
        }
    }

    /// @notice Deploys and wires. The deployer is admin only within this call: governance is after.
    function deploy(Params memory params, address deployer) public returns (Deployed memory d) {
        d.manager = new AccessManager(deployer);
        d.implementation = address(new Vault());
        bytes memory init = abi.encodeCall(
            Vault.initialize, (address(d.manager), params.exitDelay, params.maxPause, params.pauseCooldown)
        );
        // The manager owns the proxy's admin, so that an upgrade is a scheduled operation of governance.
        d.vault = Vault(
            payable(address(new TransparentUpgradeableProxy(d.implementation, address(d.manager), init)))
        );
        d.proxyAdmin = address(uint160(uint256(vm.load(address(d.vault), ERC1967Utils.ADMIN_SLOT))));

        // Set up as governance without delay, before the delay begins.
        d.manager.setTargetFunctionRole(address(d.vault), governanceSelectors(), Roles.GOVERNANCE);
        d.manager.setTargetFunctionRole(address(d.vault), guardianSelectors(), Roles.GUARDIAN);
        d.manager
            .setTargetFunctionRole(d.proxyAdmin, _one(ProxyAdmin.upgradeAndCall.selector), Roles.GOVERNANCE);
        d.manager.grantRole(Roles.GOVERNANCE, deployer, 0);
        for (uint256 i = 0; i < params.assets.length; ++i) {
            AssetParams memory a = params.assets[i];
            d.vault.configureAsset(a.token, IVault.AssetConfig(true, a.payoutGas, a.minRequest));
        }
        for (uint256 i = 0; i < params.lanes.length; ++i) {
            d.vault.enableLane(params.lanes[i]);
        }
        for (uint256 i = 0; i < params.guardians.length; ++i) {
            d.manager.grantRole(Roles.GUARDIAN, params.guardians[i], 0);
        }

        d.manager.labelRole(Roles.GOVERNANCE, "GOVERNANCE");
        d.manager.labelRole(Roles.GUARDIAN, "GUARDIAN");
        d.manager.grantRole(Roles.GOVERNANCE, params.governance, params.governanceDelay);
        d.manager.grantRole(d.manager.ADMIN_ROLE(), params.governance, params.governanceDelay);
        if (deployer != params.governance) {
            d.manager.renounceRole(Roles.GOVERNANCE, deployer);
            d.manager.renounceRole(d.manager.ADMIN_ROLE(), deployer);
        }
    }

    /// @notice What governance alone may call on the vault.
    function governanceSelectors() public pure returns (bytes4[] memory list) {
        list = new bytes4[](6);
        list[0] = IVault.extendPause.selector;
        list[1] = IVault.extendAssetPause.selector;
        list[2] = IVault.unpause.selector;
        list[3] = IVault.unpauseAsset.selector;
        list[4] = IVault.enableLane.selector;
        list[5] = IVault.configureAsset.selector;
    }

    /// @notice What guardians may call on the vault: all of it reduces.
    function guardianSelectors() public pure returns (bytes4[] memory list) {
        list = new bytes4[](3);
        list[0] = IVault.pause.selector;
        list[1] = IVault.pauseAsset.selector;
        list[2] = IVault.disableLane.selector;
    }

    function _one(bytes4 selector) private pure returns (bytes4[] memory list) {
        list = new bytes4[](1);
        list[0] = selector;
    }

    function write(string memory path, Params memory params, Deployed memory d) private {
        string memory o = "deployment";
        vm.serializeUint(o, "chainId", block.chainid);
        vm.serializeUint(o, "block", block.number);
        vm.serializeAddress(o, "accessManager", address(d.manager));
        vm.serializeAddress(o, "vault", address(d.vault));
        vm.serializeAddress(o, "vaultImplementation", d.implementation);
        vm.serializeAddress(o, "proxyAdmin", d.proxyAdmin);
        vm.serializeUint(o, "exitDelay", params.exitDelay);
        string[] memory assets = new string[](params.assets.length);
        for (uint256 i = 0; i < params.assets.length; ++i) {
            AssetParams memory a = params.assets[i];
            string memory key = string.concat("asset", vm.toString(i));
            vm.serializeString(key, "symbol", a.symbol);
            vm.serializeAddress(key, "address", a.token);
            vm.serializeUint(key, "decimals", a.decimals);
            vm.serializeUint(key, "payoutGas", a.payoutGas);
            assets[i] = vm.serializeString(key, "minRequest", vm.toString(a.minRequest));
        }
        vm.serializeAddress(o, "lanes", params.lanes);
        vm.writeJson(vm.serializeString(o, "assets", assets), path);
        console2.log("vault", address(d.vault));
        console2.log("written to", path);
    }
}
