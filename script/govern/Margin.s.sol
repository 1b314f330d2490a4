// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";
import {ProxyAdmin} from "@openzeppelin/contracts/proxy/transparent/ProxyAdmin.sol";

import {VersionRegistry} from "contracts/VersionRegistry.sol";
import {IMarginPool} from "contracts/interfaces/IMarginPool.sol";
import {IUpgradeGate} from "contracts/interfaces/IUpgradeGate.sol";
import {Roles} from "contracts/libraries/Roles.sol";
import {MarginFactory} from "contracts/margin/MarginFactory.sol";
import {DeployMargin} from "script/DeployMargin.s.sol";
import {Action} from "script/govern/Action.sol";

/// @title Margin pools. Governance takes in, creates, sets rules and proposes prices; guardians pause and challenge.
/// @notice Pools are named by their address; the factory, beacon and gate are those that script/DeployMargin.s.sol
/// printed. Rules in the order of {IMarginPool-Rules}, volatility with 18 decimals. See {Action} for modes and delays.
///
///     forge script script/govern/Margin.s.sol --rpc-url URL --sender GOVERNANCE \
///       --sig register FACTORY IMPLEMENTATION       # once: beacon into the registry, roles of the factory
///     ... --sig create FACTORY WETH USDC GUARD 600000000000000000 '(1500,1000,...)'
///     ... --sig empower FACTORY WETH USDC SETTER    # the new pool's roles; who sets its volatility
///     ... --sig setRules POOL '(1500,1000,...)'
///     ... --sig setGuard POOL GUARD
///     ... --sig unpause POOL
///     ... --sig extend POOL 1900000000              # unix seconds
///     ... --sig proposePrice POOL 1893484800 3000000000000000000000
///     ... --sig propose FACTORY GATE IMPLEMENTATION 2      # the next version of all pools
///     ... --sig activate FACTORY
///     forge script script/govern/Margin.s.sol --rpc-url URL --sender GUARDIAN --sig pause POOL 86400
///     ... --sig challengePrice POOL 1893484800
///     ... --sig cancel FACTORY
///     ... --sig rollback FACTORY
contract Margin is Action {
    function register(MarginFactory factory, address implementation) external ready {
        address beacon = _beacon(factory);
        if (implementation.code.length == 0) revert BadInput("implementation", "has no code");
        bytes32 layoutHash = keccak256(bytes(vm.readFile("contracts/layout/MarginPool.txt")));
        Call[] memory calls = new Call[](2);
        calls[0] = Call(
            address(registry),
            abi.encodeCall(
                VersionRegistry.register, (beacon, ProxyAdmin(beacon), 1, implementation, layoutHash)
            ),
            string.concat("take the beacon ", vm.toString(beacon), " of margin pools in"),
            false
        );
        bytes4[] memory list = new bytes4[](1);
        list[0] = MarginFactory.create.selector;
        calls[1] = _role(address(factory), list, Roles.GOVERNANCE, "create margin pools");
        _act("margin-register", calls);
    }

    function create(
        MarginFactory factory,
        address underlying,
        address collateral,
        address guard,
        uint64 volatility,
        IMarginPool.Rules calldata rules
    ) external ready {
        _beacon(factory);
        address pool = factory.addressOf(underlying, collateral);
        if (pool.code.length != 0) {
            revert BadInput("underlying", string.concat("has this pool already: ", vm.toString(pool)));
        }
        if (!vault.assetConfig(collateral).listed) {
            revert BadInput("collateral", "is not listed in the vault: see Listing.s.sol");
        }
        _act(
            "margin-create",
            address(factory),
            abi.encodeCall(factory.create, (underlying, collateral, guard, volatility, rules)),
            string.concat("create the margin pool ", vm.toString(pool))
        );
    }

    function empower(MarginFactory factory, address underlying, address collateral, address setter)
        external
        ready
    {
        _beacon(factory);
        address pool = factory.addressOf(underlying, collateral);
        // One account may set the volatility of several pools.
        if (!_isMember(Roles.VOLATILITY, setter)) _requireNoPower("setter", setter);
        DeployMargin selectors = new DeployMargin();
        Call[] memory calls = new Call[](4);
        calls[0] = _role(pool, selectors.governanceSelectors(), Roles.GOVERNANCE, "set what governance sets");
        calls[1] = _role(pool, selectors.guardianSelectors(), Roles.GUARDIAN, "pause and challenge");
        calls[2] = _role(pool, selectors.volatilitySelectors(), Roles.VOLATILITY, "set the volatility");
        calls[3] = Call(
            address(manager),
            abi.encodeCall(AccessManager.grantRole, (Roles.VOLATILITY, setter, 0)),
            string.concat("let ", vm.toString(setter), " set the volatility of pools"),
            false
        );
        _act("margin-empower", calls);
    }

    function setRules(IMarginPool pool, IMarginPool.Rules calldata rules) external ready {
        _requirePool(pool);
        if (keccak256(abi.encode(rules)) == keccak256(abi.encode(pool.rules()))) {
            revert BadInput("rules", "are what they are already: there is nothing to do");
        }
        _onPool("margin-rules", pool, abi.encodeCall(IMarginPool.setRules, (rules)), "set the rules of");
    }

    function setGuard(IMarginPool pool, address guard) external ready {
        _requirePool(pool);
        if (guard.code.length == 0) revert BadInput("guard", "has no code: give a contract");
        _onPool(
            "margin-guard",
            pool,
            abi.encodeCall(IMarginPool.setGuard, (guard)),
            string.concat("take prices from ", vm.toString(guard), " in")
        );
    }

    function pause(IMarginPool pool, uint32 duration_) external ready {
        _requirePool(pool);
        if (duration_ == 0 || duration_ > 1 days) {
            revert BadInput("duration", "is not within 1 and 86400 seconds");
        }
        _onPool(
            "margin-pause",
            pool,
            abi.encodeCall(IMarginPool.pause, (duration_)),
            string.concat("for ", duration(duration_), ", stop trades that open risk in")
        );
    }

    function extend(IMarginPool pool, uint48 until) external ready {
        _requirePool(pool);
        if (until <= block.timestamp) revert BadInput("until", "is past: give unix seconds");
        _onPool(
            "margin-extend-pause",
            pool,
            abi.encodeCall(IMarginPool.extendPause, (until)),
            string.concat("until unix time ", _number(until), ", stop trades that open risk in")
        );
    }

    function unpause(IMarginPool pool) external ready {
        _requirePool(pool);
        if (pool.pausedUntil() <= block.timestamp) {
            revert BadInput("pool", "is not paused: there is nothing to do");
        }
        _onPool("margin-unpause", pool, abi.encodeCall(IMarginPool.unpause, ()), "end the pause of");
    }

    function proposePrice(IMarginPool pool, uint40 expiry, uint128 price) external ready {
        _requirePool(pool);
        if (pool.settlementOf(expiry).price != 0) revert BadInput("expiry", "has its price already");
        _onPool(
            "margin-propose-price",
            pool,
            abi.encodeCall(IMarginPool.proposePrice, (expiry, price)),
            string.concat("propose ", _number(price), " (18 decimals) for ", _number(expiry), " in")
        );
    }

    function challengePrice(IMarginPool pool, uint40 expiry) external ready {
        _requirePool(pool);
        if (pool.settlementOf(expiry).proposedAt == 0) revert BadInput("expiry", "has no proposed price");
        _onPool(
            "margin-challenge-price",
            pool,
            abi.encodeCall(IMarginPool.challengePrice, (expiry)),
            string.concat("take away the price proposed for ", _number(expiry), " in")
        );
    }

    function propose(MarginFactory factory, IUpgradeGate gate_, address implementation, uint64 number)
        external
        ready
    {
        address beacon = _beacon(factory);
        if (implementation.code.length == 0) revert BadInput("implementation", "has no code");
        bytes32 layoutHash = keccak256(bytes(vm.readFile("contracts/layout/MarginPool.txt")));
        bytes32 hash = implementation.codehash;
        _act(
            "margin-propose",
            address(registry),
            abi.encodeCall(
                VersionRegistry.propose, (beacon, number, implementation, hash, layoutHash, "", gate_)
            ),
            string.concat(
                "propose version ", _number(number), " of margin pools, codehash ", vm.toString(hash)
            )
        );
    }

    function activate(MarginFactory factory) external ready {
        _act(
            "margin-activate",
            address(registry),
            abi.encodeCall(VersionRegistry.activate, (_beacon(factory), "")),
            "activate the proposed version of margin pools"
        );
    }

    function cancel(MarginFactory factory) external ready {
        _act(
            "margin-cancel",
            address(registry),
            abi.encodeCall(VersionRegistry.cancel, (_beacon(factory))),
            "cancel the proposed version of margin pools"
        );
    }

    function rollback(MarginFactory factory) external ready {
        _act(
            "margin-rollback",
            address(registry),
            abi.encodeCall(VersionRegistry.rollback, (_beacon(factory))),
            "roll margin pools back to the version before"
        );
    }

    function _onPool(string memory name, IMarginPool pool, bytes memory data, string memory meaning) private {
        _act(name, address(pool), data, string.concat(meaning, " pool ", vm.toString(address(pool))));
    }

    function _role(address target, bytes4[] memory list, uint64 role, string memory what)
        private
        view
        returns (Call memory)
    {
        return Call(
            address(manager),
            abi.encodeCall(AccessManager.setTargetFunctionRole, (target, list, role)),
            string.concat("let role ", _number(role), " ", what, ", at ", vm.toString(target)),
            false
        );
    }

    function _beacon(MarginFactory factory) private view returns (address) {
        if (address(factory).code.length == 0) {
            revert BadInput("factory", "has no code: see DeployMargin.s.sol");
        }
        if (address(factory.VAULT()) != address(vault)) {
            revert BadInput("factory", "is of another vault: compare with SPILLWAY_DEPLOYMENT");
        }
        return factory.BEACON();
    }

    function _requirePool(IMarginPool pool) private view {
        if (address(pool).code.length == 0) revert BadInput("pool", "has no code: give a pool's address");
    }
}
