// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IMarginPool} from "contracts/interfaces/IMarginPool.sol";
import {IUpgradeGate} from "contracts/interfaces/IUpgradeGate.sol";
import {Assets} from "contracts/libraries/Assets.sol";
import {MarginFactory} from "contracts/margin/MarginFactory.sol";
import {MarginPool} from "contracts/margin/MarginPool.sol";
import {Deploy} from "script/Deploy.s.sol";
import {DeployMargin} from "script/DeployMargin.s.sol";
import {Action} from "script/govern/Action.sol";
import {Margin} from "script/govern/Margin.s.sol";
import {PoolFixture} from "tests/contracts/margin/PoolFixture.sol";
import {MarginPoolExtensionV2} from "tests/contracts/mocks/MarginPoolV2.sol";

/// @notice script/govern/Margin.s.sol: what it produces is sent by the account that it names, and has the effect.
contract GovernMarginTest is PoolFixture {
    Margin private script = new Margin();
    string private file;

    function setUp() public {
        deployPool();
        file = new Deploy().describe(params(), deployed);
    }

    function _run(address sender, bytes memory call) private {
        script.use(file, Action.Mode.Calldata, sender, "");
        (bool ok, bytes memory reason) = address(script).call(call);
        if (!ok) {
            assembly ("memory-safe") {
                revert(add(reason, 0x20), mload(reason))
            }
        }
        Action.Transaction[] memory due = script.plan().due;
        assertGt(due.length, 0);
        for (uint256 i = 0; i < due.length; ++i) {
            vm.prank(sender);
            (ok,) = due[i].to.call(due[i].data);
            assertTrue(ok, due[i].meaning);
        }
    }

    function _refuses(address sender, bytes memory call, string memory input, string memory problem) private {
        script.use(file, Action.Mode.Calldata, sender, "");
        (bool ok, bytes memory reason) = address(script).call(call);
        assertFalse(ok, problem);
        assertEq(reason, abi.encodeWithSelector(Action.BadInput.selector, input, problem), problem);
    }

    function test_a_new_market_from_nothing() public {
        DeployMargin.Deployed memory d = new DeployMargin().deploy(address(manager), address(registry), vault);
        _run(GOVERNANCE, abi.encodeCall(Margin.register, (d.factory, d.implementation)));
        bytes memory create = abi.encodeCall(
            Margin.create, (d.factory, Assets.NATIVE, address(dai), address(prices), 0.5e18, rulesOf())
        );
        _run(GOVERNANCE, create);
        IMarginPool made = IMarginPool(d.factory.addressOf(Assets.NATIVE, address(dai)));
        assertEq(made.collateral(), address(dai));
        _refuses(
            GOVERNANCE,
            create,
            "underlying",
            string.concat("has this pool already: ", vm.toString(address(made)))
        );
        address setter = makeAddr("setter");
        _run(GOVERNANCE, abi.encodeCall(Margin.empower, (d.factory, Assets.NATIVE, address(dai), setter)));
        vm.prank(setter);
        made.setVolatility(0.5e18);
        _run(GUARDIAN, abi.encodeCall(Margin.pause, (made, 1 hours)));
        assertEq(made.pausedUntil(), block.timestamp + 1 hours);
        _refuses(
            GOVERNANCE,
            abi.encodeCall(
                Margin.create,
                (d.factory, address(dai), makeAddr("token"), address(prices), 0.5e18, rulesOf())
            ),
            "collateral",
            "is not listed in the vault: see Listing.s.sol"
        );
        _refuses(
            GOVERNANCE,
            abi.encodeCall(Margin.empower, (d.factory, Assets.NATIVE, address(dai), GUARDIAN)),
            "setter",
            string.concat(vm.toString(GUARDIAN), " is GUARDIAN: no account may hold two powers")
        );
    }

    function test_rules_guard_and_pauses() public {
        IMarginPool.Rules memory r = rulesOf();
        _refuses(
            GOVERNANCE,
            abi.encodeCall(Margin.setRules, (pool, r)),
            "rules",
            "are what they are already: there is nothing to do"
        );
        r.feeBps = 5;
        _run(GOVERNANCE, abi.encodeCall(Margin.setRules, (pool, r)));
        assertEq(pool.rules().feeBps, 5);
        _run(GOVERNANCE, abi.encodeCall(Margin.setGuard, (pool, address(vault))));
        assertEq(address(pool.guard()), address(vault));
        _run(GUARDIAN, abi.encodeCall(Margin.pause, (pool, 1 hours)));
        _run(GOVERNANCE, abi.encodeCall(Margin.extend, (pool, uint48(block.timestamp + 9 days))));
        assertEq(pool.pausedUntil(), block.timestamp + 9 days);
        _run(GOVERNANCE, abi.encodeCall(Margin.unpause, (pool)));
        _refuses(
            GOVERNANCE,
            abi.encodeCall(Margin.unpause, (pool)),
            "pool",
            "is not paused: there is nothing to do"
        );
        _refuses(
            GUARDIAN,
            abi.encodeCall(Margin.pause, (pool, 1 days + 1)),
            "duration",
            "is not within 1 and 86400 seconds"
        );
        _refuses(
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
        _run(GOVERNANCE, abi.encodeCall(Margin.proposePrice, (pool, expiry, 3300e18)));
        assertEq(pool.settlementOf(expiry).proposed, 3300e18);
        _run(GUARDIAN, abi.encodeCall(Margin.challengePrice, (pool, expiry)));
        assertEq(pool.settlementOf(expiry).proposed, 0);
        _refuses(
            GUARDIAN, abi.encodeCall(Margin.challengePrice, (pool, expiry)), "expiry", "has no proposed price"
        );
    }

    function test_versions_of_all_pools() public {
        address second = address(new MarginPool(vault, address(new MarginPoolExtensionV2())));
        bytes memory propose =
            abi.encodeCall(Margin.propose, (margin.factory, IUpgradeGate(margin.gate), second, 2));
        _run(GOVERNANCE, propose);
        _run(GUARDIAN, abi.encodeCall(Margin.cancel, (margin.factory)));
        propose = abi.encodeCall(Margin.propose, (margin.factory, IUpgradeGate(margin.gate), second, 3));
        _run(GOVERNANCE, propose);
        vm.warp(block.timestamp + 2 days);
        _run(GOVERNANCE, abi.encodeCall(Margin.activate, (margin.factory)));
        assertEq(margin.beacon.implementation(), second);
        _run(GUARDIAN, abi.encodeCall(Margin.rollback, (margin.factory)));
        assertEq(margin.beacon.implementation(), margin.implementation);
        _refuses(
            GUARDIAN,
            abi.encodeCall(Margin.cancel, (MarginFactory(alice))),
            "factory",
            "has no code: see DeployMargin.s.sol"
        );
    }
}
