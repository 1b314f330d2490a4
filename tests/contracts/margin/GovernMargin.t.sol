// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";

import {IMarginPool} from "contracts/interfaces/IMarginPool.sol";
import {IUpgradeGate} from "contracts/interfaces/IUpgradeGate.sol";
import {Assets} from "contracts/libraries/Assets.sol";
import {MarginFactory} from "contracts/margin/MarginFactory.sol";
import {MarginPool} from "contracts/margin/MarginPool.sol";
import {Deploy} from "script/Deploy.s.sol";
import {DeployMargin} from "script/DeployMargin.s.sol";
import {Keys} from "script/govern/Keys.s.sol";
import {Margin} from "script/govern/Margin.s.sol";
import {ScriptRunner} from "tests/contracts/ScriptRunner.sol";
import {PoolFixture} from "tests/contracts/margin/PoolFixture.sol";
import {MarginPoolExtensionV2} from "tests/contracts/mocks/MarginPoolV2.sol";

/// @notice script/govern/Margin.s.sol: what it produces is sent by the account that it names, and has the effect.
contract GovernMarginTest is PoolFixture, ScriptRunner {
    function setUp() public {
        deployPool();
        useScript(new Margin(), new Deploy().describe(params(), deployed));
    }

    function test_a_new_market_from_nothing() public {
        DeployMargin.Deployed memory d = new DeployMargin().deploy(address(manager), address(registry), vault);
        runAs(GOVERNANCE, abi.encodeCall(Margin.register, (d.factory, d.implementation)));
        bytes memory create = abi.encodeCall(
            Margin.create, (d.factory, Assets.NATIVE, address(dai), address(prices), 0.5e18, rulesOf())
        );
        runAs(GOVERNANCE, create);
        IMarginPool made = IMarginPool(d.factory.addressOf(Assets.NATIVE, address(dai)));
        assertEq(made.collateral(), address(dai));
        assertNames(
            GOVERNANCE,
            create,
            "underlying",
            string.concat("has this pool already: ", vm.toString(address(made)))
        );
        address setter = makeAddr("setter");
        runAs(GOVERNANCE, abi.encodeCall(Margin.empower, (d.factory, Assets.NATIVE, address(dai), setter)));
        vm.prank(setter);
        made.setVolatility(0.5e18);
        // The same account may set that of another pool.
        runAs(GOVERNANCE, abi.encodeCall(Margin.empower, (d.factory, Assets.NATIVE, address(dai), setter)));
        runAs(GUARDIAN, abi.encodeCall(Margin.pause, (made, 1 hours)));
        assertEq(made.pausedUntil(), block.timestamp + 1 hours);
        assertNames(
            GOVERNANCE,
            abi.encodeCall(
                Margin.create,
                (d.factory, address(dai), makeAddr("token"), address(prices), 0.5e18, rulesOf())
            ),
            "collateral",
            "is not listed in the vault: see Listing.s.sol"
        );
        assertNames(
            GOVERNANCE,
            abi.encodeCall(Margin.empower, (d.factory, Assets.NATIVE, address(dai), GUARDIAN)),
            "setter",
            string.concat(vm.toString(GUARDIAN), " is GUARDIAN: no account may hold two powers")
        );
    }

    function test_the_key_of_volatility_is_taken_away() public {
        address setter = makeAddr("setter");
        (address eth, address usdc) = (pool.underlying(), pool.collateral());
        runAs(GOVERNANCE, abi.encodeCall(Margin.empower, (margin.factory, eth, usdc, setter)));
        uint64 now_ = 0.6e18;
        vm.prank(setter);
        pool.setVolatility(now_);
        useScript(new Keys(), deploymentFile);
        runAs(GOVERNANCE, abi.encodeCall(Keys.removeVolatility, (setter)));
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, setter));
        vm.prank(setter);
        pool.setVolatility(now_);
    }

    function test_rules_guard_and_pauses() public {
        IMarginPool.Rules memory r = rulesOf();
        assertNames(
            GOVERNANCE,
            abi.encodeCall(Margin.setRules, (pool, r)),
            "rules",
            "are what they are already: there is nothing to do"
        );
        r.feeBps = 5;
        runAs(GOVERNANCE, abi.encodeCall(Margin.setRules, (pool, r)));
        assertEq(pool.rules().feeBps, 5);
        runAs(GOVERNANCE, abi.encodeCall(Margin.setGuard, (pool, address(vault))));
        assertEq(address(pool.guard()), address(vault));
        runAs(GUARDIAN, abi.encodeCall(Margin.pause, (pool, 1 hours)));
        runAs(GOVERNANCE, abi.encodeCall(Margin.extend, (pool, uint48(block.timestamp + 9 days))));
        assertEq(pool.pausedUntil(), block.timestamp + 9 days);
        runAs(GOVERNANCE, abi.encodeCall(Margin.unpause, (pool)));
        assertNames(
            GOVERNANCE,
            abi.encodeCall(Margin.unpause, (pool)),
            "pool",
            "is not paused: there is nothing to do"
        );
        assertNames(
            GUARDIAN,
            abi.encodeCall(Margin.pause, (pool, 1 days + 1)),
            "duration",
            "is not within 1 and 86400 seconds"
        );
        assertNames(
            GUARDIAN,
            abi.encodeCall(Margin.pause, (IMarginPool(alice), 1)),
            "pool",
            "has no code: give a pool's address"
        );
    }

    function test_a_price_is_proposed_and_challenged() public {
        fund(alice, 5000e6);
        fund(bob, 5000e6);
        trade(bob, alice, true, 3000e18, 1e18, 200e18);
        vm.warp(expiry + 1 days);
        runAs(GOVERNANCE, abi.encodeCall(Margin.proposePrice, (pool, expiry, 3300e18)));
        assertEq(pool.settlementOf(expiry).proposed, 3300e18);
        runAs(GUARDIAN, abi.encodeCall(Margin.challengePrice, (pool, expiry)));
        assertEq(pool.settlementOf(expiry).proposed, 0);
        assertNames(
            GUARDIAN, abi.encodeCall(Margin.challengePrice, (pool, expiry)), "expiry", "has no proposed price"
        );
    }

    function test_versions_of_all_pools() public {
        address second = address(new MarginPool(vault, address(new MarginPoolExtensionV2())));
        bytes memory propose =
            abi.encodeCall(Margin.propose, (margin.factory, IUpgradeGate(margin.gate), second, 2));
        runAs(GOVERNANCE, propose);
        runAs(GUARDIAN, abi.encodeCall(Margin.cancel, (margin.factory)));
        propose = abi.encodeCall(Margin.propose, (margin.factory, IUpgradeGate(margin.gate), second, 3));
        runAs(GOVERNANCE, propose);
        vm.warp(block.timestamp + 2 days);
        runAs(GOVERNANCE, abi.encodeCall(Margin.activate, (margin.factory)));
        assertEq(margin.beacon.implementation(), second);
        runAs(GUARDIAN, abi.encodeCall(Margin.rollback, (margin.factory)));
        assertEq(margin.beacon.implementation(), margin.implementation);
        assertNames(
            GUARDIAN,
            abi.encodeCall(Margin.cancel, (MarginFactory(alice))),
            "factory",
            "has no code: see DeployMargin.s.sol"
        );
    }
}
