// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {VersionRegistry} from "contracts/VersionRegistry.sol";
import {IMarginPool} from "contracts/interfaces/IMarginPool.sol";
import {IOracleGuard} from "contracts/interfaces/IOracleGuard.sol";
import {IUpgradeGate} from "contracts/interfaces/IUpgradeGate.sol";
import {IVault} from "contracts/interfaces/IVault.sol";
import {Assets} from "contracts/libraries/Assets.sol";
import {MarginPool} from "contracts/margin/MarginPool.sol";
import {PoolFixture} from "tests/contracts/margin/PoolFixture.sol";
import {MarginPoolExtensionForgetful, MarginPoolExtensionV2} from "tests/contracts/mocks/MarginPoolV2.sol";
import {MoodyToken} from "tests/contracts/mocks/Tokens.sol";
import {Dead} from "tests/contracts/mocks/VaultV2.sol";

/// @notice A pool that fails, fails alone. Whatever happens to `pool` or `sick`, the vault pays what it owes and the other
/// pool does all that it did.
contract WallTest is PoolFixture {
    address private immutable DEPOSITOR = makeAddr("depositor");
    /// On ETH, in TDAI: never in trouble.
    IMarginPool private well;
    /// On ETH, in MOODY, whose contract turns hostile.
    IMarginPool private sick;
    uint256 private salt;

    function setUp() public {
        deployPool();
        well = newPool(Assets.NATIVE, address(dai));
        sick = newPool(Assets.NATIVE, address(moody));
        prices.set(address(dai), 1e18, 1e18);
        prices.set(address(moody), 1e18, 1e18);
        fundAll(1_000_000e18);
        depositFor(DEPOSITOR, address(usd), 1_000_000e6);
        depositFor(DEPOSITOR, address(dai), 1_000_000e18);
        depositFor(DEPOSITOR, address(moody), 1000e18);
        _fill(sick, address(moody), 50_000e18);
        _fill(well, address(dai), 50_000e18);
        _fill(pool, address(usd), 50_000e6);
        _tradeIn(well);
    }

    function _fill(IMarginPool in_, address token, uint256 amount) private {
        give(token, alice, amount);
        give(token, bob, amount);
        for (uint256 i = 0; i < 2; ++i) {
            address account = i == 0 ? alice : bob;
            vm.startPrank(account);
            (bool ok,) = token.call(abi.encodeWithSignature("approve(address,uint256)", in_, amount));
            require(ok);
            in_.deposit(amount, account);
            vm.stopPrank();
        }
    }

    function _tradeIn(IMarginPool in_) private {
        IMarginPool before = pool;
        pool = in_;
        trade(bob, alice, true, 3000e18, 1e18, 200e18);
        pool = before;
    }

    /// @dev Everything that the vault and the other pool do, and their balances to the unit.
    function _assertOthersRun() private {
        uint256 state = vm.snapshotState();
        address to = makeAddr(string.concat("recipient ", vm.toString(++salt)));
        uint256[2] memory vaultHas = [usd.balanceOf(address(vault)), dai.balanceOf(address(vault))];
        uint256 liabilities = vault.liabilitiesOf(address(usd));

        settleOne(address(usd), to, 5e6);
        IVault.Request memory r = requestFrom(DEPOSITOR, address(usd), 7e6, to);
        vm.prank(LANE);
        vault.settleRequests(address(usd), 0, listOf(r));
        assertEq(usd.balanceOf(to), 12e6);
        assertEq(usd.balanceOf(address(vault)), vaultHas[0] - 12e6);
        assertEq(vault.liabilitiesOf(address(usd)), liabilities - 7e6);
        r = requestFrom(DEPOSITOR, address(dai), 9e18, to);
        vm.warp(block.timestamp + EXIT_DELAY);
        vm.prank(DEPOSITOR);
        vault.forceExit(r);
        assertEq(dai.balanceOf(to), 9e18);
        assertEq(dai.balanceOf(address(vault)), vaultHas[1] - 9e18);
        vm.revertToState(state);

        _assertWellRuns();
        vm.revertToState(state);
    }

    function _assertWellRuns() private {
        (uint256 held, uint256 balance) = (well.held(), dai.balanceOf(address(well)));
        uint256 free = well.freeOf(bob);
        (IMarginPool failing, uint40 passed) = (pool, expiry);
        if (block.timestamp > expiry - 1 hours) expiry += 28 days;
        setPrice(3000e18);
        vm.prank(VOLATILITY);
        well.setVolatility(0.6e18);
        _tradeIn(well);
        vm.prank(bob);
        well.withdraw(100e18, bob, 100e18);
        assertEq(well.held(), held - 100e18);
        assertEq(dai.balanceOf(address(well)), balance - 100e18);
        assertEq(well.freeOf(bob), free - 300e18 - 0.9e18);
        pool = well;
        settleAt(3100e18);
        pool.redeem(bob, expiry);
        IMarginPool.Settlement memory s = pool.settlementOf(expiry);
        assertGt(s.owed, 0);
        assertEq(s.pot, s.owed);
        (pool, expiry) = (failing, passed);
    }

    function test_a_pool_drained_by_its_collateral_is_alone() public {
        assertEq(_drain(), 100e18);
    }

    function _drain() private returns (uint256 received) {
        _tradeIn(sick);
        vm.prank(address(sick));
        moody.burn(90_000e18);
        _assertOthersRun();
        // Those inside share what is left, and their way out is the queue as before.
        uint256 share = Math.mulDiv(1000e18, moody.balanceOf(address(sick)), sick.held());
        vm.prank(bob);
        received = sick.withdraw(1000e18, bob, 0);
        assertEq(received, share);
        _assertOthersRun();
    }

    function test_a_pool_frozen_by_its_collateral_is_alone() public {
        _tradeIn(sick);
        for (uint256 mood = 1; mood <= uint256(type(MoodyToken.Mood).max); ++mood) {
            moody.setMood(MoodyToken.Mood(mood));
            moody.setReentry(address(sick), abi.encodeCall(IMarginPool.withdraw, (1, bob, 0)));
            vm.prank(bob);
            sick.withdraw(1e18, bob, 1e18);
            _assertOthersRun();
        }
        usd.setBlocked(address(pool), true);
        vm.prank(bob);
        pool.withdraw(1e6, bob, 1e6);
        assertEq(pool.strandedOf(bob).amount, 1e6);
        _assertOthersRun();
    }

    function test_a_paused_pool_is_alone() public {
        vm.prank(GUARDIAN);
        pool.pause(1 days);
        _assertOthersRun();
        vm.prank(GOVERNANCE);
        pool.extendPause(type(uint48).max);
        _assertOthersRun();
    }

    /// @notice The price falls by nine tenths between two blocks: more is owed than there is. The holders of this expiry in
    /// this pool share it, and nobody else knows.
    function test_a_pool_bankrupted_by_a_gap_is_alone() public {
        trade(bob, alice, false, 3000e18, 10e18, 200e18);
        uint256 margin = marginOf(alice);
        setPrice(300e18);
        pool.startLiquidation(alice, expiry);
        (,, uint256 liability,) = pool.valuationOf(alice, expiry, IOracleGuard.Action.Liquidation);
        assertGt(liability, 3 * margin);
        setPrice(3000e18);
        _assertOthersRun();
        settleAt(300e18);
        IMarginPool.Settlement memory s = pool.settlementOf(expiry);
        assertEq(s.owed, 27_000e6);
        assertLt(s.pot, s.owed / 3);
        pool.redeem(bob, expiry);
        setPrice(3000e18);
        _assertOthersRun();
        assertEq(usd.balanceOf(address(pool)), pool.held());
        // What is free in the pool leaves it.
        uint256 free = pool.freeOf(bob);
        vm.prank(bob);
        pool.withdraw(free, bob, free);
    }

    /// @notice All pools run one version, so a wrong one reaches all of them, and not the vault; within probation a
    /// guardian takes it back at once, with everything that was inside.
    function test_pools_upgraded_wrongly_leave_the_vault_alone_and_come_back() public {
        _tradeIn(pool);
        bytes memory was = margin.gate.state(address(margin.beacon));
        address dead = address(new Dead());
        _upgrade(dead, IUpgradeGate(address(0)));
        vm.expectRevert(bytes("dead"));
        pool.held();
        uint256 before = usd.balanceOf(DEPOSITOR);
        IVault.Request memory r = requestFrom(DEPOSITOR, address(usd), 7e6, DEPOSITOR);
        vm.prank(LANE);
        vault.settleRequests(address(usd), 0, listOf(r));
        assertEq(usd.balanceOf(DEPOSITOR), before + 7e6);
        vm.prank(GUARDIAN);
        registry.rollback(address(margin.beacon));
        assertEq(margin.gate.state(address(margin.beacon)), was);
        _assertOthersRun();
    }

    /// @notice All of it happens to the same pools, one after another, and the vault and the other pool run on to the unit
    /// after each.
    function test_one_after_another() public {
        test_a_pool_frozen_by_its_collateral_is_alone();
        moody.setMood(MoodyToken.Mood.Honest);
        usd.setBlocked(address(pool), false);
        _drain();
        test_a_pool_bankrupted_by_a_gap_is_alone();
        expiry += 28 days;
        _fill(pool, address(usd), 50_000e6);
        vm.prank(VOLATILITY);
        pool.setVolatility(0.6e18);
        test_pools_upgraded_wrongly_leave_the_vault_alone_and_come_back();
    }

    function test_the_gate_stops_a_version_that_forgets() public {
        address forgetful = address(new MarginPool(vault, address(new MarginPoolExtensionForgetful())));
        _tradeIn(pool);
        vm.startPrank(GOVERNANCE);
        registry.propose(
            address(margin.beacon), 2, forgetful, forgetful.codehash, 0, "", IUpgradeGate(margin.gate)
        );
        vm.warp(block.timestamp + 2 days);
        vm.expectPartialRevert(VersionRegistry.GateClosed.selector);
        registry.activate(address(margin.beacon), "");
        vm.stopPrank();
        assertEq(margin.beacon.implementation(), margin.implementation);
    }

    function test_a_version_moves_all_pools_with_delay_and_code_hash() public {
        address second = address(new MarginPool(vault, address(new MarginPoolExtensionV2())));
        vm.startPrank(GOVERNANCE);
        vm.expectRevert(
            abi.encodeWithSelector(VersionRegistry.BeaconWithData.selector, address(margin.beacon))
        );
        registry.propose(
            address(margin.beacon), 2, second, second.codehash, 0, hex"00", IUpgradeGate(margin.gate)
        );
        registry.propose(address(margin.beacon), 2, second, second.codehash, 0, "", IUpgradeGate(margin.gate));
        vm.expectPartialRevert(VersionRegistry.TooEarly.selector);
        registry.activate(address(margin.beacon), "");
        vm.warp(block.timestamp + 2 days);
        registry.activate(address(margin.beacon), "");
        vm.stopPrank();
        assertTrue(MarginPoolExtensionV2(address(pool)).isV2());
        assertTrue(MarginPoolExtensionV2(address(well)).isV2());
        (VersionRegistry.Version memory v,) = registry.current(address(margin.beacon));
        assertEq(v.implementation, margin.beacon.implementation());
        vm.expectRevert();
        vm.prank(GOVERNANCE);
        margin.beacon.upgradeTo(margin.implementation);
    }

    function _upgrade(address to, IUpgradeGate gate_) private {
        vm.startPrank(GOVERNANCE);
        registry.propose(address(margin.beacon), 2, to, to.codehash, 0, "", gate_);
        vm.warp(block.timestamp + 2 days);
        registry.activate(address(margin.beacon), "");
        vm.stopPrank();
    }

    /// @notice A pool has no role in the vault: it may pay nobody, stop nothing, and request what it has deposited.
    function test_a_pool_may_do_in_the_vault_what_anyone_may() public {
        (bool governs,) = manager.hasRole(1, address(pool));
        (bool guards,) = manager.hasRole(2, address(pool));
        (bool lane,,) = vault.laneOf(address(pool));
        assertFalse(governs || guards || lane);
        vm.startPrank(address(pool));
        vm.expectRevert(abi.encodeWithSelector(IVault.NotALane.selector, address(pool)));
        settle(address(usd), positionAt(1, 0), 1, 0, one(bob, 1));
        vm.expectRevert(
            abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, address(pool))
        );
        vault.pause(IVault.Scope.Everything, 1);
        vm.expectRevert(
            abi.encodeWithSelector(IVault.InsufficientBalance.selector, address(usd), address(pool), 1, 0)
        );
        vault.request(address(usd), 1, bob);
        vm.stopPrank();
    }

    /// @notice What pools could share, they do not: bucket, queue, insurance, pause, role of the volatility's bounds.
    function test_a_pool_uses_nothing_up_that_the_vault_or_another_pool_needs() public {
        uint256 left = vault.limitState(address(dai), IVault.Limit.Asset).left;
        uint256 insured = well.insurance();
        vm.startPrank(bob);
        for (uint256 i = 0; i < 20; ++i) {
            pool.withdraw(1e6, bob, 1e6);
        }
        vm.stopPrank();
        vm.prank(GUARDIAN);
        pool.pause(1 days);
        assertEq(vault.limitState(address(dai), IVault.Limit.Asset).left, left);
        assertEq(well.insurance(), insured);
        assertEq(well.pausedUntil(), 0);
        assertEq(vault.pausedUntil(IVault.Scope.Everything), 0);
        // The vault's pause window of this guardian is untouched, too.
        vm.prank(GUARDIAN);
        vault.pause(IVault.Scope.Orders, MAX_PAUSE);
    }
}
