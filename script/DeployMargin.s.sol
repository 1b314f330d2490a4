// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {UpgradeableBeacon} from "@openzeppelin/contracts/proxy/beacon/UpgradeableBeacon.sol";
import {Script} from "forge-std/Script.sol";
import {stdJson} from "forge-std/StdJson.sol";
import {console2} from "forge-std/console2.sol";

import {IMarginPool} from "contracts/interfaces/IMarginPool.sol";
import {IVault} from "contracts/interfaces/IVault.sol";
import {MarginFactory} from "contracts/margin/MarginFactory.sol";
import {MarginGate} from "contracts/margin/MarginGate.sol";
import {MarginPool} from "contracts/margin/MarginPool.sol";
import {MarginPoolExtension} from "contracts/margin/MarginPoolExtension.sol";

/// @title Deploys what margin pools need beside a vault: their code, a beacon that the VersionRegistry owns, the factory
/// and the gate. Any account may: governance takes it in with script/govern/Margin.s.sol.
/// @notice Reads the deployment file of script/Deploy.s.sol (SPILLWAY_DEPLOYMENT, or deployments/CHAINID.json) and writes
/// the new addresses beside it, to ...-margin.json.
///
///     FOUNDRY_PROFILE=margin forge script script/DeployMargin.s.sol --rpc-url URL --broadcast --private-key KEY
contract DeployMargin is Script {
    using stdJson for string;

    struct Deployed {
        address extension;
        address implementation;
        UpgradeableBeacon beacon;
        MarginFactory factory;
        MarginGate gate;
    }

    function run() external {
        string memory path = vm.envOr(
            "SPILLWAY_DEPLOYMENT", string.concat("deployments/", vm.toString(block.chainid), ".json")
        );
        string memory deployment = vm.readFile(path);
        vm.startBroadcast();
        Deployed memory d = deploy(
            deployment.readAddress(".accessManager"),
            deployment.readAddress(".versionRegistry"),
            IVault(deployment.readAddress(".vault"))
        );
        vm.stopBroadcast();
        string memory to = string.concat(vm.replace(path, ".json", ""), "-margin.json");
        vm.writeJson(describe(d), to);
        console2.log("factory", address(d.factory));
        console2.log("written to", to);
    }

    function deploy(address manager, address registry, IVault vault) public returns (Deployed memory d) {
        d.extension = address(new MarginPoolExtension());
        d.implementation = address(new MarginPool(vault, d.extension));
        d.beacon = new UpgradeableBeacon(d.implementation, registry);
        d.factory = new MarginFactory(manager, address(d.beacon), vault);
        d.gate = new MarginGate(d.factory);
    }

    function describe(Deployed memory d) public returns (string memory) {
        string memory o = "margin";
        vm.serializeUint(o, "chainId", block.chainid);
        vm.serializeAddress(o, "marginExtension", d.extension);
        vm.serializeAddress(o, "marginImplementation", d.implementation);
        vm.serializeAddress(o, "marginBeacon", address(d.beacon));
        vm.serializeAddress(o, "marginFactory", address(d.factory));
        return vm.serializeAddress(o, "marginGate", address(d.gate));
    }

    /// @notice What governance alone may call on a pool.
    function governanceSelectors() public pure returns (bytes4[] memory list) {
        list = new bytes4[](5);
        list[0] = IMarginPool.setRules.selector;
        list[1] = IMarginPool.setGuard.selector;
        list[2] = IMarginPool.extendPause.selector;
        list[3] = IMarginPool.unpause.selector;
        list[4] = IMarginPool.proposePrice.selector;
    }

    /// @notice What guardians may call on a pool: all of it reduces.
    function guardianSelectors() public pure returns (bytes4[] memory list) {
        list = new bytes4[](2);
        list[0] = IMarginPool.pause.selector;
        list[1] = IMarginPool.challengePrice.selector;
    }

    /// @notice What the holder of the role VOLATILITY may call on a pool.
    function volatilitySelectors() public pure returns (bytes4[] memory list) {
        list = new bytes4[](1);
        list[0] = IMarginPool.setVolatility.selector;
    }
}
