// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {SwapSplitter} from "contracts/SwapSplitter.sol";
import {IVault} from "contracts/interfaces/IVault.sol";
import {StableSwapAdapter} from "contracts/swap/StableSwapAdapter.sol";
import {Deploy} from "script/Deploy.s.sol";
import {Swaps} from "script/govern/Swaps.s.sol";
import {ScriptRunner} from "tests/contracts/ScriptRunner.sol";
import {HostileAdapter} from "tests/contracts/swap/Hostile.sol";
import {SwapFixture} from "tests/contracts/swap/SwapFixture.sol";

/// @notice script/govern/Swaps.s.sol and the swap part of script/Deploy.s.sol: what is produced is sent by the account that
/// it names, and has the effect.
contract GovernSwapsTest is SwapFixture, ScriptRunner {
    function setUp() public {
        deploySwaps();
        useScript(new Swaps(), new Deploy().describe(params(), deployed));
    }

    function test_rules_of_an_asset() public {
        bytes memory set = abi.encodeCall(Swaps.setRules, ("TDAI", 1000e18, 2 days, 50));
        assertNotAllowed(GUARDIAN, set);
        runAs(GOVERNANCE, set);
        assertEq(abi.encode(vault.swapRules(address(dai))), abi.encode(IVault.SwapRules(1000e18, 2 days, 50)));
        assertNames(GOVERNANCE, set, "rules", "are what they are already: there is nothing to do");
        runAs(GUARDIAN, abi.encodeCall(Swaps.lowerRules, ("TDAI", 500e18, 3 days, 40)));
        assertEq(abi.encode(vault.swapRules(address(dai))), abi.encode(IVault.SwapRules(500e18, 3 days, 40)));
        runAs(GUARDIAN, abi.encodeCall(Swaps.stop, ("TDAI")));
        assertEq(abi.encode(vault.swapRules(address(dai))), abi.encode(IVault.SwapRules(0, 3 days, 0)));
        assertNames(GUARDIAN, abi.encodeCall(Swaps.stop, ("TDAI")), "asset", "TDAI is not swapped");
    }

    function test_bad_rules_are_named() public {
        assertNames(
            GOVERNANCE,
            abi.encodeCall(Swaps.setRules, ("TDAI", 1, 3599, 50)),
            "window",
            "is not within 3600 and 2592000 seconds"
        );
        assertNames(
            GOVERNANCE,
            abi.encodeCall(Swaps.setRules, ("TDAI", 1, 1 days, 1001)),
            "slippageBps",
            "is above 1000"
        );
        runAs(GOVERNANCE, abi.encodeCall(Swaps.setRules, ("TDAI", 1000, 2 days, 50)));
        string memory problem = "is above the present 1000: only governance may raise it (setRules)";
        bytes memory call = abi.encodeCall(Swaps.lowerRules, ("TDAI", 1001, 2 days, 50));
        assertNames(GUARDIAN, call, "capacity", problem);
        problem = "is above the present 50: only governance may raise it (setRules)";
        call = abi.encodeCall(Swaps.lowerRules, ("TDAI", 1000, 2 days, 51));
        assertNames(GUARDIAN, call, "slippageBps", problem);
        problem = "is below the present 172800: only governance may shorten it";
        call = abi.encodeCall(Swaps.lowerRules, ("TDAI", 1000, 1 days, 50));
        assertNames(GUARDIAN, call, "window", problem);
    }

    function test_adapters_connectors_and_pools() public {
        address adapter = address(new HostileAdapter());
        runAs(GOVERNANCE, abi.encodeCall(Swaps.addAdapter, (adapter)));
        assertEq(splitter.adapterCodehash(adapter), adapter.codehash);
        assertNames(
            GOVERNANCE,
            abi.encodeCall(Swaps.addAdapter, (adapter)),
            "adapter",
            "is one already: there is nothing to do"
        );
        assertNotAllowed(GOVERNANCE, abi.encodeCall(Swaps.removeAdapter, (adapter)));
        runAs(GUARDIAN, abi.encodeCall(Swaps.removeAdapter, (adapter)));
        assertEq(splitter.adapterCodehash(adapter), 0);
        bytes memory call = abi.encodeCall(Swaps.removeAdapter, (adapter));
        assertNames(GUARDIAN, call, "adapter", "is none of the splitter");

        call = abi.encodeCall(Swaps.addConnector, (address(usd)));
        runAs(GOVERNANCE, call);
        assertTrue(splitter.isConnector(address(usd)));
        assertNames(GOVERNANCE, call, "token", "is a connector already: there is nothing to do");
        call = abi.encodeCall(Swaps.removeConnector, (address(usd)));
        runAs(GUARDIAN, call);
        assertFalse(splitter.isConnector(address(usd)));
        assertNames(GUARDIAN, call, "token", "is no connector");

        call = abi.encodeCall(Swaps.addPool, (stableAdapter, pairDaiUsd));
        runAs(GOVERNANCE, call);
        assertTrue(stableAdapter.isPool(pairDaiUsd));
        assertNames(GOVERNANCE, call, "pool", "is one already: there is nothing to do");
        call = abi.encodeCall(Swaps.removePool, (stableAdapter, pairDaiUsd));
        runAs(GUARDIAN, call);
        assertFalse(stableAdapter.isPool(pairDaiUsd));
        assertNames(GUARDIAN, call, "pool", "is none of the adapter");
    }

    /// @notice A splitter that is found wanting is replaced; between the two nothing is swapped.
    function test_a_new_splitter() public {
        runAs(GOVERNANCE, abi.encodeCall(Swaps.setSplitter, (address(0))));
        assertEq(vault.splitter(), address(0));
        assertNames(
            GOVERNANCE,
            abi.encodeCall(Swaps.addAdapter, (adapterV2)),
            "splitter",
            "the vault has none: see setSplitter()"
        );
        SwapSplitter next = new SwapSplitter(address(manager), address(vault), weth);
        StableSwapAdapter pools = new StableSwapAdapter(address(manager));
        runAs(GOVERNANCE, abi.encodeCall(Swaps.empower, (address(next), address(pools))));
        runAs(GOVERNANCE, abi.encodeCall(Swaps.setSplitter, (address(next))));
        assertNames(
            GOVERNANCE,
            abi.encodeCall(Swaps.setSplitter, (address(next))),
            "splitter",
            "is that already: there is nothing to do"
        );
        runAs(GOVERNANCE, abi.encodeCall(Swaps.addAdapter, (adapterV2)));
        runAs(GOVERNANCE, abi.encodeCall(Swaps.addPool, (pools, address(stablePool))));
        swap(address(dai), address(usd), leg(1e18, v2(address(usd))));
        runAs(GUARDIAN, abi.encodeCall(Swaps.removeAdapter, (adapterV2)));
        runAs(GUARDIAN, abi.encodeCall(Swaps.removePool, (pools, address(stablePool))));
    }

    // ------------------------------------------------------------------------------------------------ deploying

    function test_the_deployment_file_says_where_swaps_go() public view {
        assertEq(vm.parseJsonAddress(deploymentFile, ".swapSplitter"), address(splitter));
        assertEq(vm.parseJsonAddress(deploymentFile, ".weth"), weth);
        string[4] memory kinds = ["uniswapV2", "uniswapV3", "balancerWeighted", "stableSwap"];
        address[4] memory adapters = [adapterV2, adapterV3, adapterBalancer, address(stableAdapter)];
        for (uint256 i = 0; i < 4; ++i) {
            string memory at = string.concat(".swapAdapters[", vm.toString(i), "]");
            assertEq(vm.parseJsonString(deploymentFile, string.concat(at, ".kind")), kinds[i]);
            assertEq(vm.parseJsonAddress(deploymentFile, string.concat(at, ".address")), adapters[i]);
        }
        assertEq(vm.parseJsonAddress(deploymentFile, ".swapAdapters[0].protocol"), address(factoryV2));
        assertEq(vm.parseJsonAddress(deploymentFile, ".swapAdapters[2].protocol"), address(factoryWeighted));
    }

    function test_the_example_is_read_whole() public {
        Deploy script_ = new Deploy();
        Deploy.Params memory p = script_.read(vm.readFile("script/params/example.json"));
        assertEq(p.swaps.uniswapV2[1].keep, 997);
        assertEq(p.swaps.uniswapV2[1].parts, 1000);
        assertEq(p.swaps.uniswapV3.length, 1);
        assertEq(p.swaps.stableSwap.length, 1);
        assertEq(p.swaps.balancer.length, 1);
        assertEq(p.swaps.connectors.length, 2);
        assertEq(p.assets[0].swapRules.slippageBps, 50);
        assertEq(p.assets[0].swapRules.capacity, 500e18);
        // Another chain has none of it.
        Deploy.Params memory here = params();
        here.swaps.weth = p.swaps.weth;
        vm.expectRevert(
            abi.encodeWithSelector(Deploy.BadParameter.selector, "swaps.weth", "has no code on this chain")
        );
        script_.check(here);
    }
}
