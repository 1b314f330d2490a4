// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";
import {stdJson} from "forge-std/StdJson.sol";
import {Vm} from "forge-std/Vm.sol";

import {SwapSplitter} from "contracts/SwapSplitter.sol";
import {Roles} from "contracts/libraries/Roles.sol";
import {BalancerAdapter, IBalancerPoolFactory, IBalancerVault} from "contracts/swap/BalancerAdapter.sol";
import {StableSwapAdapter} from "contracts/swap/StableSwapAdapter.sol";
import {IUniswapV2Factory, UniswapV2Adapter} from "contracts/swap/UniswapV2Adapter.sol";
import {IUniswapV3PoolFactory, UniswapV3Adapter} from "contracts/swap/UniswapV3Adapter.sol";

/// @notice Reads where the vault may swap from JSON, and deploys and wires the splitter and its adapters:
///
///     "swaps": {
///       "weth": ADDRESS,
///       "uniswapV2": [{"factory": ADDRESS, "keep": 997, "of": 1000}],   and forks: the fee leaves `keep` of `of`
///       "uniswapV3": [FACTORY],                                          and forks
///       "stableSwap": [POOL],
///       "balancer": [{"vault": ADDRESS, "factory": ADDRESS}],            a factory of weighted pools
///       "connectors": [TOKEN]
///     }
library SwapSetup {
    using stdJson for string;

    Vm private constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    struct V2 {
        address factory;
        uint256 keep;
        uint256 parts;
    }

    struct Balancer {
        address vault;
        address factory;
    }

    struct Params {
        address weth; // zero: the vault does not swap
        V2[] uniswapV2;
        address[] uniswapV3;
        address[] stableSwap;
        Balancer[] balancer;
        address[] connectors;
    }

    struct Deployed {
        SwapSplitter splitter; // zero: none
        StableSwapAdapter stableSwap;
        address[] adapters; // V2, V3, Balancer, as in the parameters; then StableSwap
    }

    function read(string memory json) internal view returns (Params memory p) {
        if (!json.keyExists(".swaps")) return p;
        p.weth = json.readAddress(".swaps.weth");
        uint256 count = _count(json, ".swaps.uniswapV2");
        p.uniswapV2 = new V2[](count);
        for (uint256 i = 0; i < count; ++i) {
            string memory at = _item(".swaps.uniswapV2", i);
            p.uniswapV2[i] = V2({
                factory: json.readAddress(string.concat(at, ".factory")),
                keep: json.readUint(string.concat(at, ".keep")),
                parts: json.readUint(string.concat(at, ".of"))
            });
        }
        count = _count(json, ".swaps.balancer");
        p.balancer = new Balancer[](count);
        for (uint256 i = 0; i < count; ++i) {
            string memory at = _item(".swaps.balancer", i);
            p.balancer[i] = Balancer({
                vault: json.readAddress(string.concat(at, ".vault")),
                factory: json.readAddress(string.concat(at, ".factory"))
            });
        }
        p.uniswapV3 = json.readAddressArray(".swaps.uniswapV3");
        p.stableSwap = json.readAddressArray(".swaps.stableSwap");
        p.connectors = json.readAddressArray(".swaps.connectors");
    }

    function _item(string memory at, uint256 i) private pure returns (string memory) {
        return string.concat(at, "[", vm.toString(i), "]");
    }

    function _count(string memory json, string memory at) private view returns (uint256 count) {
        while (json.keyExists(_item(at, count))) ++count;
    }

    /// @notice The first address that has no code on this chain, with its key; empty when all have.
    function missing(Params memory p) internal view returns (string memory key) {
        if (p.weth == address(0)) return "";
        if (p.weth.code.length == 0) return "swaps.weth";
        for (uint256 i = 0; i < p.uniswapV2.length; ++i) {
            if (p.uniswapV2[i].factory.code.length == 0) return "swaps.uniswapV2";
        }
        for (uint256 i = 0; i < p.balancer.length; ++i) {
            if (p.balancer[i].vault.code.length == 0 || p.balancer[i].factory.code.length == 0) {
                return "swaps.balancer";
            }
        }
        if (_anyMissing(p.uniswapV3)) return "swaps.uniswapV3";
        if (_anyMissing(p.stableSwap)) return "swaps.stableSwap";
        if (_anyMissing(p.connectors)) return "swaps.connectors";
    }

    function _anyMissing(address[] memory list) private view returns (bool) {
        for (uint256 i = 0; i < list.length; ++i) {
            if (list[i].code.length == 0) return true;
        }
        return false;
    }

    /// @notice Deploys and wires, as governance without delay. The vault must still be told of the splitter.
    function deploy(Params memory p, AccessManager manager, address vault)
        internal
        returns (Deployed memory d)
    {
        if (p.weth == address(0)) return d;
        d.splitter = new SwapSplitter(address(manager), vault, p.weth);
        d.stableSwap = new StableSwapAdapter(address(manager));
        empower(manager, d.splitter, d.stableSwap);
        d.adapters = new address[](_countOf(p));
        uint256 n = 0;
        for (uint256 i = 0; i < p.uniswapV2.length; ++i) {
            V2 memory v2 = p.uniswapV2[i];
            d.adapters[n++] = address(new UniswapV2Adapter(IUniswapV2Factory(v2.factory), v2.keep, v2.parts));
        }
        for (uint256 i = 0; i < p.uniswapV3.length; ++i) {
            d.adapters[n++] = address(new UniswapV3Adapter(IUniswapV3PoolFactory(p.uniswapV3[i])));
        }
        for (uint256 i = 0; i < p.balancer.length; ++i) {
            Balancer memory b = p.balancer[i];
            d.adapters[n++] =
                address(new BalancerAdapter(IBalancerVault(b.vault), IBalancerPoolFactory(b.factory)));
        }
        d.adapters[n] = address(d.stableSwap);
        for (uint256 i = 0; i <= n; ++i) {
            d.splitter.addAdapter(d.adapters[i], d.adapters[i].codehash);
        }
        for (uint256 i = 0; i < p.stableSwap.length; ++i) {
            d.stableSwap.addPool(p.stableSwap[i]);
        }
        for (uint256 i = 0; i < p.connectors.length; ++i) {
            d.splitter.addConnector(p.connectors[i]);
        }
    }

    function _countOf(Params memory p) private pure returns (uint256) {
        return p.uniswapV2.length + p.uniswapV3.length + p.balancer.length + 1;
    }

    /// @notice Gives governance and guardians their functions of the two.
    function empower(AccessManager manager, SwapSplitter splitter, StableSwapAdapter stableSwap) internal {
        (address s, address pools) = (address(splitter), address(stableSwap));
        manager.setTargetFunctionRole(s, splitterGovernance(), Roles.GOVERNANCE);
        manager.setTargetFunctionRole(s, splitterGuardian(), Roles.GUARDIAN);
        manager.setTargetFunctionRole(pools, poolsGovernance(), Roles.GOVERNANCE);
        manager.setTargetFunctionRole(pools, poolsGuardian(), Roles.GUARDIAN);
    }

    /// @notice What governance alone may call on a splitter.
    function splitterGovernance() internal pure returns (bytes4[] memory list) {
        list = new bytes4[](2);
        (list[0], list[1]) = (SwapSplitter.addAdapter.selector, SwapSplitter.addConnector.selector);
    }

    /// @notice What guardians may call on a splitter: all of it reduces.
    function splitterGuardian() internal pure returns (bytes4[] memory list) {
        list = new bytes4[](2);
        (list[0], list[1]) = (SwapSplitter.removeAdapter.selector, SwapSplitter.removeConnector.selector);
    }

    /// @notice What governance alone may call on the adapter for StableSwap.
    function poolsGovernance() internal pure returns (bytes4[] memory list) {
        list = new bytes4[](1);
        list[0] = StableSwapAdapter.addPool.selector;
    }

    /// @notice What guardians may call on it.
    function poolsGuardian() internal pure returns (bytes4[] memory list) {
        list = new bytes4[](1);
        list[0] = StableSwapAdapter.removePool.selector;
    }

    /// @notice What the keeper reads, into the JSON object `o`.
    function describe(Params memory p, Deployed memory d, string memory o) internal {
        vm.serializeAddress(o, "swapSplitter", address(d.splitter));
        vm.serializeAddress(o, "weth", p.weth);
        vm.serializeAddress(o, "swapConnectors", p.connectors);
        string[] memory adapters = new string[](d.adapters.length);
        for (uint256 i = 0; i < adapters.length; ++i) {
            (string memory kind, address protocol) = _kindOf(p, i);
            string memory key = string.concat("swapAdapter", vm.toString(i));
            vm.serializeString(key, "kind", kind);
            vm.serializeAddress(key, "address", d.adapters[i]);
            adapters[i] = vm.serializeAddress(key, "protocol", protocol);
        }
        vm.serializeString(o, "swapAdapters", adapters);
        vm.serializeAddress(o, "stableSwapPools", p.stableSwap);
    }

    /// @dev And the factory that proves its pools: none for StableSwap.
    function _kindOf(Params memory p, uint256 i) private pure returns (string memory, address) {
        if (i < p.uniswapV2.length) return ("uniswapV2", p.uniswapV2[i].factory);
        i -= p.uniswapV2.length;
        if (i < p.uniswapV3.length) return ("uniswapV3", p.uniswapV3[i]);
        i -= p.uniswapV3.length;
        if (i < p.balancer.length) return ("balancerWeighted", p.balancer[i].factory);
        return ("stableSwap", address(0));
    }
}
