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

import {Approvers} from "contracts/Approvers.sol";
import {OracleGuard} from "contracts/OracleGuard.sol";
import {OracleGuardExtension} from "contracts/OracleGuardExtension.sol";
import {Vault} from "contracts/Vault.sol";
import {VaultExtension} from "contracts/VaultExtension.sol";
import {VaultGate} from "contracts/VaultGate.sol";
import {VaultTreasury} from "contracts/VaultTreasury.sol";
import {VersionRegistry} from "contracts/VersionRegistry.sol";
import {IVault} from "contracts/interfaces/IVault.sol";
import {Assets} from "contracts/libraries/Assets.sol";
import {Roles} from "contracts/libraries/Roles.sol";
import {OracleSetup} from "script/OracleSetup.sol";
import {SwapSetup} from "script/SwapSetup.sol";

/// @title Deploys Spillway: AccessManager, Vault behind its proxy, VersionRegistry, Approvers, OracleGuard, SwapSplitter
/// with its adapters, roles, lanes, assets with their limits and prices.
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
        uint128 minRequest; // amounts in units
        IVault.AssetLimits limits;
        uint128 minFloat;
        uint128 highWater;
        IVault.SwapRules swapRules; // slippage 0: not swapped
    }

    struct Params {
        address governance;
        address[] guardians;
        address[] lanes;
        address[] approvers; // ascending; none: nothing above the instant tier is approved
        uint256 approvals; // M of them must sign
        address cold; // zero: nothing is swept
        uint32 governanceDelay; // seconds, as all times
        uint32 exitDelay;
        uint32 maxPause;
        uint32 pauseCooldown;
        uint32 announceDelay;
        uint32 upgradeDelay;
        uint32 probation;
        uint32 priceLife;
        uint32 usdCapacity; // whole USD
        uint32 usdWindow;
        uint8 hardMultiple;
        AssetParams[] assets;
        OracleSetup.Priced[] prices; // an asset without has none: then unpricedShare of its capacity counts
        SwapSetup.Params swaps;
    }

    struct Deployed {
        AccessManager manager;
        IVault vault;
        address implementation;
        address extension;
        ProxyAdmin proxyAdmin;
        VersionRegistry registry;
        VaultGate gate;
        Approvers approvers;
        OracleGuard guard;
        SwapSetup.Deployed swaps;
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
        string memory path = vm.envOr("SPILLWAY_DEPLOYMENT", fallbackPath);
        vm.writeJson(describe(params, deployed), path);
        console2.log("vault", address(deployed.vault));
        console2.log("written to", path);
    }

    /// @notice Reads parameters; amounts are decimal strings in units.
    function read(string memory json) public view returns (Params memory params) {
        params.governance = json.readAddress(".governance");
        params.guardians = json.readAddressArray(".guardians");
        params.lanes = json.readAddressArray(".lanes");
        params.approvers = json.readAddressArray(".approvers");
        params.approvals = json.readUint(".approvals");
        params.cold = json.readAddress(".cold");
        params.governanceDelay = uint32(json.readUint(".governanceDelay"));
        params.exitDelay = uint32(json.readUint(".exitDelay"));
        params.maxPause = uint32(json.readUint(".maxPause"));
        params.pauseCooldown = uint32(json.readUint(".pauseCooldown"));
        params.announceDelay = uint32(json.readUint(".announceDelay"));
        params.upgradeDelay = uint32(json.readUint(".upgradeDelay"));
        params.probation = uint32(json.readUint(".probation"));
        params.priceLife = uint32(json.readUint(".priceLife"));
        params.usdCapacity = uint32(json.readUint(".usdCapacity"));
        params.usdWindow = uint32(json.readUint(".usdWindow"));
        params.hardMultiple = uint8(json.readUint(".hardMultiple"));
        uint256 count;
        while (json.keyExists(_at(count, ""))) ++count;
        params.assets = new AssetParams[](count);
        for (uint256 i = 0; i < count; ++i) {
            AssetParams memory a = params.assets[i];
            a.symbol = json.readString(_at(i, ".symbol"));
            a.token = json.readAddress(_at(i, ".address"));
            a.decimals = uint8(json.readUint(_at(i, ".decimals")));
            a.payoutGas = uint32(json.readUint(_at(i, ".payoutGas")));
            a.minRequest = uint128(json.readUint(_at(i, ".minRequest")));
            a.limits.capacity = json.readUint(_at(i, ".capacity"));
            a.limits.window = uint32(json.readUint(_at(i, ".window")));
            a.limits.unpricedShare = uint8(json.readUint(_at(i, ".unpricedShare")));
            a.limits.instantPerPayout = json.readUint(_at(i, ".instantPerPayout"));
            a.limits.instantPerDay = json.readUint(_at(i, ".instantPerDay"));
            a.limits.approvedPerPayout = uint128(json.readUint(_at(i, ".approvedPerPayout")));
            a.minFloat = uint128(json.readUint(_at(i, ".minFloat")));
            a.highWater = uint128(json.readUint(_at(i, ".highWater")));
            if (!json.keyExists(_at(i, ".swapSlippageBps"))) continue;
            a.swapRules.capacity = uint128(json.readUint(_at(i, ".swapCapacity")));
            a.swapRules.window = uint32(json.readUint(_at(i, ".swapWindow")));
            a.swapRules.slippageBps = uint16(json.readUint(_at(i, ".swapSlippageBps")));
        }
        params.prices = _readPrices(json, params.assets);
        params.swaps = SwapSetup.read(json);
    }

    function _readPrices(string memory json, AssetParams[] memory assets)
        private
        view
        returns (OracleSetup.Priced[] memory prices)
    {
        uint256 count;
        for (uint256 i = 0; i < assets.length; ++i) {
            if (json.keyExists(_at(i, ".price"))) ++count;
        }
        prices = new OracleSetup.Priced[](count);
        for (uint256 i = assets.length; i != 0; --i) {
            string memory at = _at(i - 1, ".price");
            AssetParams memory a = assets[i - 1];
            if (json.keyExists(at)) prices[--count] = OracleSetup.read(json, at, a.token, a.decimals);
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
        _checkPowers(params);
        if (params.governanceDelay > params.maxPause) {
            revert BadParameter(
                "governanceDelay", "is above maxPause: governance could not act within a pause"
            );
        }
        if (params.approvals > params.approvers.length) {
            revert BadParameter("approvals", "is more than there are approvers");
        }
        string memory missing = SwapSetup.missing(params.swaps);
        if (bytes(missing).length != 0) revert BadParameter(missing, "has no code on this chain");
        for (uint256 i = 0; i < params.assets.length; ++i) {
            AssetParams memory asset = params.assets[i];
            if (asset.limits.capacity == 0) {
                revert BadParameter(asset.symbol, "has no capacity: nothing could be paid");
            }
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

    /// @dev Governance, guardians, lanes and approvers are never in one hand. The oracle guard's power is a contract's own,
    /// and the cold address has none.
    function _checkPowers(Params memory params) private pure {
        address[] memory governance = new address[](1);
        governance[0] = params.governance;
        string[4] memory keys = ["governance", "guardians", "lanes", "approvers"];
        string[4] memory holders = ["governance", "a guardian", "a lane", "an approver"];
        address[][4] memory accounts = [governance, params.guardians, params.lanes, params.approvers];
        for (uint256 i = 1; i < accounts.length; ++i) {
            for (uint256 n = 0; n < accounts[i].length; ++n) {
                address account = accounts[i][n];
                if (account == address(0)) revert BadParameter(keys[i], "names the zero address");
                for (uint256 k = 0; k < i; ++k) {
                    if (_count(accounts[k], account) == 0) continue;
                    revert BadParameter(
                        keys[i], string.concat("names ", holders[k], ": no account may hold two powers")
                    );
                }
                if (_count(accounts[i], account) != 1) revert BadParameter(keys[i], "names one twice");
            }
        }
        if (_count(params.lanes, params.cold) != 0) {
            revert BadParameter("cold", "is a lane: a stolen keeper key would hold the reserves");
        }
    }

    function _count(address[] memory list, address account) private pure returns (uint256 count) {
        for (uint256 i = 0; i < list.length; ++i) {
            if (list[i] == account) ++count;
        }
    }

    /// @notice Deploys and wires. The deployer is admin only within this call: governance is after.
    function deploy(Params memory params, address deployer) public returns (Deployed memory d) {
        d.manager = new AccessManager(deployer);
        d.extension = address(new VaultExtension(address(new VaultTreasury())));
        d.implementation = address(new Vault(d.extension));
        d.registry = new VersionRegistry(address(d.manager), params.upgradeDelay, params.probation);
        d.gate = new VaultGate();
        d.approvers = new Approvers(address(d.manager));
        bytes memory init = abi.encodeCall(
            VaultExtension.initialize,
            (address(d.manager), params.exitDelay, params.maxPause, params.pauseCooldown)
        );
        // The registry owns the proxy's admin: nothing is upgraded but through it.
        d.vault =
            IVault(address(new TransparentUpgradeableProxy(d.implementation, address(d.registry), init)));
        d.proxyAdmin =
            ProxyAdmin(address(uint160(uint256(vm.load(address(d.vault), ERC1967Utils.ADMIN_SLOT)))));

        address second = address(new OracleGuardExtension(address(d.manager)));
        d.guard = new OracleGuard(address(d.manager), d.vault, second);

        _setUp(params, deployer, d);

        d.manager.labelRole(Roles.GOVERNANCE, "GOVERNANCE");
        d.manager.labelRole(Roles.GUARDIAN, "GUARDIAN");
        d.manager.labelRole(Roles.ORACLE_GUARD, "ORACLE_GUARD");
        d.manager.grantRole(Roles.GOVERNANCE, params.governance, params.governanceDelay);
        d.manager.grantRole(d.manager.ADMIN_ROLE(), params.governance, params.governanceDelay);
        if (deployer != params.governance) {
            d.manager.renounceRole(Roles.GOVERNANCE, deployer);
            d.manager.renounceRole(d.manager.ADMIN_ROLE(), deployer);
        }
    }

    /// @dev As governance without delay, before the delay begins.
    function _setUp(Params memory params, address deployer, Deployed memory d) private {
        (address vault, address registry) = (address(d.vault), address(d.registry));
        d.manager.setTargetFunctionRole(vault, governanceSelectors(), Roles.GOVERNANCE);
        d.manager.setTargetFunctionRole(vault, guardianSelectors(), Roles.GUARDIAN);
        d.manager.setTargetFunctionRole(registry, registrySelectors(), Roles.GOVERNANCE);
        d.manager.setTargetFunctionRole(registry, _one(VersionRegistry.cancel.selector), Roles.GUARDIAN);
        d.manager.setTargetFunctionRole(registry, _one(VersionRegistry.rollback.selector), Roles.GUARDIAN);
        d.manager
            .setTargetFunctionRole(
                address(d.approvers), _one(Approvers.setApprovers.selector), Roles.GOVERNANCE
            );
        address guard = address(d.guard);
        d.manager
            .setTargetFunctionRole(guard, _one(OracleGuardExtension.configure.selector), Roles.GOVERNANCE);
        d.manager.setTargetFunctionRole(guard, _one(OracleGuardExtension.tighten.selector), Roles.GUARDIAN);
        d.manager.setTargetFunctionRole(guard, _one(OracleGuardExtension.distrust.selector), Roles.GUARDIAN);
        d.manager.setTargetFunctionRole(vault, _one(IVault.pauseSwaps.selector), Roles.ORACLE_GUARD);
        d.manager.grantRole(Roles.ORACLE_GUARD, guard, 0);
        d.manager.grantRole(Roles.GOVERNANCE, deployer, 0);
        for (uint256 i = 0; i < params.guardians.length; ++i) {
            d.manager.grantRole(Roles.GUARDIAN, params.guardians[i], 0);
        }
        bytes32 layoutHash = keccak256(bytes(vm.readFile("contracts/layout/Vault.txt")));
        d.registry.register(vault, d.proxyAdmin, d.vault.version(), d.implementation, layoutHash);
        if (params.approvals != 0) d.approvers.setApprovers(params.approvers, params.approvals);
        d.vault.setApprovals(address(d.approvers), params.announceDelay);
        d.vault.setUsdLimit(params.usdCapacity, params.usdWindow, params.hardMultiple);
        d.vault.setOracle(guard, params.priceLife);
        d.vault.setCold(params.cold);
        d.swaps = SwapSetup.deploy(params.swaps, d.manager, vault);
        d.vault.setSplitter(address(d.swaps.splitter));
        for (uint256 i = 0; i < params.assets.length; ++i) {
            AssetParams memory a = params.assets[i];
            d.vault.configureAsset(a.token, IVault.AssetConfig(true, a.payoutGas, a.minRequest));
            d.vault.setLimits(a.token, a.limits);
            d.vault.setMarks(a.token, a.minFloat, a.highWater);
            if (a.swapRules.slippageBps != 0) d.vault.setSwapRules(a.token, a.swapRules);
        }
        for (uint256 i = 0; i < params.prices.length; ++i) {
            OracleSetup.Priced memory p = params.prices[i];
            OracleGuardExtension(guard).configure(p.asset, p.setup, p.anchor, p.anchorBps);
            d.vault.poke(p.asset);
        }
        for (uint256 i = 0; i < params.lanes.length; ++i) {
            d.vault.enableLane(params.lanes[i]);
        }
    }

    /// @notice What governance alone may call on the vault.
    function governanceSelectors() public pure returns (bytes4[] memory list) {
        list = new bytes4[](14);
        list[0] = IVault.extendPause.selector;
        list[1] = IVault.extendAssetPause.selector;
        list[2] = IVault.unpause.selector;
        list[3] = IVault.unpauseAsset.selector;
        list[4] = IVault.enableLane.selector;
        list[5] = IVault.configureAsset.selector;
        list[6] = IVault.setLimits.selector;
        list[7] = IVault.setUsdLimit.selector;
        list[8] = IVault.setOracle.selector;
        list[9] = IVault.setApprovals.selector;
        list[10] = IVault.setCold.selector;
        list[11] = IVault.setMarks.selector;
        list[12] = IVault.setSplitter.selector;
        list[13] = IVault.setSwapRules.selector;
    }

    /// @notice What guardians may call on the vault: all of it reduces.
    function guardianSelectors() public pure returns (bytes4[] memory list) {
        list = new bytes4[](7);
        list[0] = IVault.pause.selector;
        list[1] = IVault.pauseAsset.selector;
        list[2] = IVault.disableLane.selector;
        list[3] = IVault.lowerLimits.selector;
        list[4] = IVault.lowerUsdLimit.selector;
        list[5] = IVault.veto.selector;
        list[6] = IVault.lowerSwapRules.selector;
    }

    /// @notice What governance alone may call on the registry.
    function registrySelectors() public pure returns (bytes4[] memory list) {
        list = new bytes4[](3);
        list[0] = VersionRegistry.register.selector;
        list[1] = VersionRegistry.propose.selector;
        list[2] = VersionRegistry.activate.selector;
    }

    function _one(bytes4 selector) private pure returns (bytes4[] memory list) {
        list = new bytes4[](1);
        list[0] = selector;
    }

    /// @notice The deployment file: what the keeper and the scripts of governance read.
    function describe(Params memory params, Deployed memory d) public returns (string memory) {
        string memory o = "deployment";
        vm.serializeUint(o, "chainId", block.chainid);
        vm.serializeUint(o, "block", block.number);
        vm.serializeAddress(o, "accessManager", address(d.manager));
        vm.serializeAddress(o, "vault", address(d.vault));
        vm.serializeAddress(o, "vaultImplementation", d.implementation);
        vm.serializeAddress(o, "vaultExtension", d.extension);
        vm.serializeAddress(o, "proxyAdmin", address(d.proxyAdmin));
        vm.serializeAddress(o, "versionRegistry", address(d.registry));
        vm.serializeAddress(o, "vaultGate", address(d.gate));
        vm.serializeAddress(o, "approvers", address(d.approvers));
        vm.serializeAddress(o, "oracleGuard", address(d.guard));
        SwapSetup.describe(params.swaps, d.swaps, o);
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
        return vm.serializeString(o, "assets", assets);
    }
}
