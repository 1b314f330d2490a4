// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";

import {SwapSplitter} from "contracts/SwapSplitter.sol";
import {ISwapSplitter} from "contracts/interfaces/ISwapSplitter.sol";
import {IVault} from "contracts/interfaces/IVault.sol";
import {Roles} from "contracts/libraries/Roles.sol";
import {StableSwapAdapter} from "contracts/swap/StableSwapAdapter.sol";
import {SwapSetup} from "script/SwapSetup.sol";
import {Action} from "script/govern/Action.sol";

/// @title What the vault swaps, how much, over which adapters. Governance sets and adds, guardians lower and remove.
/// @notice Rules are capacity (units that may be sold per window), window (seconds), slippage (bps below the guard's price;
/// 0: not swapped). The splitter is the vault's present one. See {Action} for modes and delays.
///
///     forge script script/govern/Swaps.s.sol --rpc-url URL --sender GOVERNANCE \
///       --sig setRules USDC 5000000000000 86400 30
///     ... --sig addAdapter ADAPTER                # with the code that it has now
///     ... --sig addConnector TOKEN                # that routes may pass through
///     ... --sig addPool STABLE_SWAP_ADAPTER POOL
///     ... --sig empower SPLITTER STABLE_SWAP_ADAPTER   # roles of a new splitter and adapter
///     ... --sig setSplitter SPLITTER              # zero: nothing is swapped
///     forge script script/govern/Swaps.s.sol --rpc-url URL --sender GUARDIAN \
///       --sig stop USDC                           # neither sold nor bought
///     ... --sig lowerRules USDC 1000000000000 86400 10
///     ... --sig removeAdapter ADAPTER
///     ... --sig removeConnector TOKEN
///     ... --sig removePool STABLE_SWAP_ADAPTER POOL
contract Swaps is Action {
    function setRules(string calldata asset, uint128 capacity, uint32 window, uint16 slippageBps)
        external
        ready
    {
        (address a, IVault.SwapRules memory rules) = _checked(asset, capacity, window, slippageBps);
        if (keccak256(abi.encode(rules)) == keccak256(abi.encode(vault.swapRules(a)))) {
            revert BadInput("rules", "are what they are already: there is nothing to do");
        }
        _act(
            "swap-rules",
            address(vault),
            abi.encodeCall(IVault.setSwapRules, (a, rules)),
            _words("set", asset, rules)
        );
    }

    function lowerRules(string memory asset, uint128 capacity, uint32 window, uint16 slippageBps)
        public
        ready
    {
        (address a, IVault.SwapRules memory rules) = _checked(asset, capacity, window, slippageBps);
        IVault.SwapRules memory old = vault.swapRules(a);
        if (capacity > old.capacity) _tooHigh("capacity", old.capacity);
        if (slippageBps > old.slippageBps) _tooHigh("slippageBps", old.slippageBps);
        if (window < old.window) {
            revert BadInput(
                "window",
                string.concat(
                    "is below the present ", _number(old.window), ": only governance may shorten it"
                )
            );
        }
        _act(
            "lower-swap-rules",
            address(vault),
            abi.encodeCall(IVault.lowerSwapRules, (a, rules)),
            _words("lower", asset, rules)
        );
    }

    function stop(string calldata asset) external ready {
        IVault.SwapRules memory old = vault.swapRules(_knownAsset(asset));
        if (old.slippageBps == 0) revert BadInput("asset", string.concat(asset, " is not swapped"));
        lowerRules(asset, 0, old.window, 0);
    }

    function setSplitter(address splitter) external ready {
        if (splitter == vault.splitter()) {
            revert BadInput("splitter", "is that already: there is nothing to do");
        }
        if (splitter != address(0) && splitter.code.length == 0) {
            revert BadInput("splitter", "has no code: deploy it first, or give zero for none");
        }
        _act(
            "splitter",
            address(vault),
            abi.encodeCall(IVault.setSplitter, (splitter)),
            string.concat("execute swaps by ", vm.toString(splitter))
        );
    }

    function empower(address splitter, address stableSwap) external ready {
        if (splitter.code.length == 0) revert BadInput("splitter", "has no code");
        if (stableSwap.code.length == 0) revert BadInput("stableSwap", "has no code");
        Call[] memory calls = new Call[](4);
        calls[0] = _role(splitter, SwapSetup.splitterGovernance(), Roles.GOVERNANCE);
        calls[1] = _role(splitter, SwapSetup.splitterGuardian(), Roles.GUARDIAN);
        calls[2] = _role(stableSwap, SwapSetup.poolsGovernance(), Roles.GOVERNANCE);
        calls[3] = _role(stableSwap, SwapSetup.poolsGuardian(), Roles.GUARDIAN);
        _act("swap-empower", calls);
    }

    function _role(address target, bytes4[] memory selectors, uint64 role)
        private
        view
        returns (Call memory)
    {
        return Call(
            address(manager),
            abi.encodeCall(AccessManager.setTargetFunctionRole, (target, selectors, role)),
            string.concat(
                role == Roles.GOVERNANCE ? "let governance add to " : "let guardians take from ",
                vm.toString(target)
            ),
            false
        );
    }

    function addAdapter(address adapter) external ready {
        if (adapter.code.length == 0) revert BadInput("adapter", "has no code");
        bytes32 codehash = adapter.codehash;
        if (_splitter().adapterCodehash(adapter) == codehash) {
            revert BadInput("adapter", "is one already: there is nothing to do");
        }
        _act(
            "swap-adapter",
            address(_splitter()),
            abi.encodeCall(ISwapSplitter.addAdapter, (adapter, codehash)),
            string.concat(
                "let swaps use the adapter ", vm.toString(adapter), ", codehash ", vm.toString(codehash)
            )
        );
    }

    function removeAdapter(address adapter) external ready {
        if (_splitter().adapterCodehash(adapter) == 0) revert BadInput("adapter", "is none of the splitter");
        _act(
            "swap-no-adapter",
            address(_splitter()),
            abi.encodeCall(ISwapSplitter.removeAdapter, (adapter)),
            string.concat("let no swap use the adapter ", vm.toString(adapter))
        );
    }

    function addConnector(address token) external ready {
        if (token.code.length == 0) revert BadInput("token", "has no code");
        if (_splitter().isConnector(token)) {
            revert BadInput("token", "is a connector already: there is nothing to do");
        }
        _act(
            "swap-connector",
            address(_splitter()),
            abi.encodeCall(ISwapSplitter.addConnector, (token)),
            string.concat("let routes pass through ", vm.toString(token))
        );
    }

    function removeConnector(address token) external ready {
        if (!_splitter().isConnector(token)) revert BadInput("token", "is no connector");
        _act(
            "swap-no-connector",
            address(_splitter()),
            abi.encodeCall(ISwapSplitter.removeConnector, (token)),
            string.concat("let no route pass through ", vm.toString(token))
        );
    }

    function addPool(StableSwapAdapter adapter, address pool) external ready {
        if (pool.code.length == 0) revert BadInput("pool", "has no code");
        if (adapter.isPool(pool)) revert BadInput("pool", "is one already: there is nothing to do");
        _act(
            "swap-pool",
            address(adapter),
            abi.encodeCall(StableSwapAdapter.addPool, (pool)),
            string.concat("let swaps use the pool ", vm.toString(pool))
        );
    }

    function removePool(StableSwapAdapter adapter, address pool) external ready {
        if (!adapter.isPool(pool)) revert BadInput("pool", "is none of the adapter");
        _act(
            "swap-no-pool",
            address(adapter),
            abi.encodeCall(StableSwapAdapter.removePool, (pool)),
            string.concat("let no swap use the pool ", vm.toString(pool))
        );
    }

    function _splitter() private view returns (SwapSplitter splitter) {
        splitter = SwapSplitter(payable(vault.splitter()));
        if (address(splitter) == address(0)) {
            revert BadInput("splitter", "the vault has none: see setSplitter()");
        }
    }

    function _checked(string memory asset, uint128 capacity, uint32 window, uint16 slippageBps)
        private
        view
        returns (address a, IVault.SwapRules memory)
    {
        a = _knownAsset(asset);
        if (window < 1 hours || window > 30 days) {
            revert BadInput("window", "is not within 3600 and 2592000 seconds");
        }
        if (slippageBps > 1000) revert BadInput("slippageBps", "is above 1000");
        return (a, IVault.SwapRules(capacity, window, slippageBps));
    }

    function _tooHigh(string memory input, uint256 most) private pure {
        revert BadInput(
            input,
            string.concat("is above the present ", _number(most), ": only governance may raise it (setRules)")
        );
    }

    function _words(string memory verb, string memory asset, IVault.SwapRules memory r)
        private
        pure
        returns (string memory)
    {
        if (r.slippageBps == 0) return string.concat("neither sell nor buy ", asset);
        string memory s = string.concat(
            verb, " the rules of swaps of ", asset, ": sell at most ", _number(r.capacity), " units per "
        );
        return string.concat(
            s, duration(r.window), ", at most ", _number(r.slippageBps), " bps below the guard's price"
        );
    }
}
