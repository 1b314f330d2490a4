// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Assets} from "contracts/libraries/Assets.sol";
import {Push} from "contracts/libraries/Push.sol";
import {IVault} from "contracts/interfaces/IVault.sol";
import {VersionRegistry} from "contracts/VersionRegistry.sol";
import {Fixture} from "tests/contracts/Fixture.sol";

/// @notice Each bound at both of its sides: the last value that passes, and the first that does not.
contract BoundsTest is Fixture {
    address private immutable ALICE = makeAddr("alice");

    function setUp() public {
        deployVault();
    }

    function _outOfRange(uint256 value, uint256 min, uint256 max) private {
        vm.expectRevert(abi.encodeWithSelector(IVault.OutOfRange.selector, value, min, max));
    }

    // ------------------------------------------------------------------------------------------ parameters

    function test_the_window_of_a_limit() public {
        vm.startPrank(GOVERNANCE);
        vault.setUsdLimit(1, 1 hours, 1);
        vault.setUsdLimit(1, 30 days, 1);
        _outOfRange(1 hours - 60, 1 hours, 30 days);
        vault.setUsdLimit(1, 1 hours - 60, 1);
        _outOfRange(30 days + 60, 1 hours, 30 days);
        vault.setUsdLimit(1, 30 days + 60, 1);
        vm.expectRevert(abi.encodeWithSelector(IVault.NotWholeMinutes.selector, 1 hours + 1));
        vault.setUsdLimit(1, 1 hours + 1, 1);
        IVault.AssetLimits memory limits = unbound();
        (limits.window) = 1 hours;
        vault.setLimits(address(dai), limits);
        limits.window = 1 hours - 60;
        _outOfRange(1 hours - 60, 1 hours, 30 days);
        vault.setLimits(address(dai), limits);
    }

    function test_the_hard_multiple() public {
        vm.startPrank(GOVERNANCE);
        vault.setUsdLimit(5, 2 hours, 100);
        (uint32 capacity, uint32 window, uint8 hardMultiple) = vault.usdLimit();
        assertEq(capacity, 5);
        assertEq(window, 2 hours);
        assertEq(hardMultiple, 100);
        _outOfRange(101, 1, 100);
        vault.setUsdLimit(5, 2 hours, 101);
    }

    function test_the_unpriced_share() public {
        IVault.AssetLimits memory limits = unbound();
        vm.startPrank(GOVERNANCE);
        limits.unpricedShare = 1;
        vault.setLimits(address(dai), limits);
        limits.unpricedShare = 101;
        _outOfRange(101, 1, 100);
        vault.setLimits(address(dai), limits);
    }

    function test_a_capacity_has_128_bits() public {
        IVault.AssetLimits memory limits = unbound();
        limits.capacity = type(uint128).max;
        vm.startPrank(GOVERNANCE);
        // In range, and too precise.
        vm.expectPartialRevert(IVault.LimitTooPrecise.selector);
        vault.setLimits(address(dai), limits);
        limits.capacity = uint256(type(uint128).max) + 1;
        _outOfRange(limits.capacity, 0, type(uint128).max);
        vault.setLimits(address(dai), limits);
    }

    function test_a_limit_has_forty_bits_of_digits() public {
        IVault.AssetLimits memory limits = unbound();
        (limits.capacity, limits.instantPerPayout, limits.instantPerDay) = (type(uint40).max, 1, 1);
        vm.startPrank(GOVERNANCE);
        vault.setLimits(address(dai), limits);
        assertEq(vault.assetLimits(address(dai)).capacity, type(uint40).max);
        limits.capacity = uint256(type(uint40).max) + 1;
        vm.expectRevert(
            abi.encodeWithSelector(IVault.LimitTooPrecise.selector, address(dai), limits.capacity)
        );
        vault.setLimits(address(dai), limits);
    }

    function test_approvers_may_as_much_as_the_keeper_and_no_less() public {
        IVault.AssetLimits memory limits = unbound();
        vm.startPrank(GOVERNANCE);
        limits.approvedPerPayout = uint128(limits.instantPerPayout);
        vault.setLimits(address(dai), limits);
        limits.approvedPerPayout -= 1;
        _outOfRange(limits.approvedPerPayout, limits.instantPerPayout, type(uint128).max);
        vault.setLimits(address(dai), limits);
    }

    function test_the_life_of_a_price() public {
        vm.startPrank(GOVERNANCE);
        vault.setOracle(address(0), 1 minutes);
        vault.setOracle(address(0), 1 days);
        _outOfRange(1 days + 1, 1 minutes, 1 days);
        vault.setOracle(address(0), 1 days + 1);
    }

    function test_the_delay_of_announcements() public {
        vm.startPrank(GOVERNANCE);
        vault.setApprovals(address(approvers), 1 hours);
        vault.setApprovals(address(approvers), 30 days);
        _outOfRange(30 days + 1, 1 hours, 30 days);
        vault.setApprovals(address(approvers), 30 days + 1);
    }

    function test_the_gas_of_a_push() public {
        vm.startPrank(GOVERNANCE);
        vault.configureAsset(address(dai), IVault.AssetConfig(true, 25_000, 1));
        vault.configureAsset(address(dai), IVault.AssetConfig(true, 1_000_000, 1));
        _outOfRange(1_000_001, 25_000, 1_000_000);
        vault.configureAsset(address(dai), IVault.AssetConfig(true, 1_000_001, 1));
    }

    function test_the_marks_may_be_one() public {
        vm.prank(GOVERNANCE);
        vault.setMarks(address(dai), 7, 7);
        assertEq(vault.treasuryOf(address(dai)).minFloat, 7);
    }

    function test_the_delays_of_upgrades() public {
        assertEq(new VersionRegistry(address(manager), 1 hours, 1 days).PROBATION(), 1 days);
        assertEq(new VersionRegistry(address(manager), 30 days, 90 days).DELAY(), 30 days);
    }

    // --------------------------------------------------------------------------------------------- lowering

    function test_a_guardian_may_set_what_is_set() public {
        IVault.AssetLimits memory limits = vault.assetLimits(address(dai));
        (uint32 capacity, uint32 window,) = vault.usdLimit();
        vm.startPrank(GUARDIAN);
        vault.lowerLimits(address(dai), limits);
        vault.lowerUsdLimit(capacity, window);
    }

    /// @notice One thing raised is enough to be refused, whatever else is lowered.
    function test_a_guardian_raises_nothing() public {
        IVault.AssetLimits memory base = IVault.AssetLimits(100, 2 hours, 50, 10, 50, 100);
        vm.prank(GOVERNANCE);
        vault.setLimits(address(dai), base);
        for (uint256 i = 0; i < 6; ++i) {
            IVault.AssetLimits memory limits = IVault.AssetLimits(100, 2 hours, 50, 10, 50, 100);
            if (i == 0) limits.capacity = 101;
            if (i == 1) limits.window -= 60;
            if (i == 2) limits.unpricedShare = 51;
            if (i == 3) limits.instantPerPayout = 11;
            if (i == 4) limits.instantPerDay = 51;
            if (i == 5) limits.approvedPerPayout = 101;
            vm.expectRevert(IVault.NotLower.selector);
            vm.prank(GUARDIAN);
            vault.lowerLimits(address(dai), limits);
        }
        (uint32 capacity, uint32 window,) = vault.usdLimit();
        vm.startPrank(GUARDIAN);
        vm.expectRevert(IVault.NotLower.selector);
        vault.lowerUsdLimit(capacity + 1, window);
        vm.expectRevert(IVault.NotLower.selector);
        vault.lowerUsdLimit(capacity, window - 60);
        vault.lowerUsdLimit(capacity - 1, window + 60);
    }

    // ------------------------------------------------------------------------------------------------- time

    function _announced(uint256 amount) private returns (IVault.Batch memory b, uint48 payableFrom) {
        give(address(dai), address(vault), amount);
        vm.prank(LANE);
        bytes32 id = vault.announce(address(dai), ALICE, amount, bytes8("a ref"));
        (, payableFrom,) = vault.announcementOf(id);
        (, b.first, b.head) = vault.laneOf(LANE);
        (b.asset, b.total) = (address(dai), amount);
        b.payouts = new IVault.Payout[](1);
        b.payouts[0] = IVault.Payout(ALICE, amount);
        b.refs = abi.encodePacked(bytes8("a ref"));
    }

    function test_an_announcement_is_payable_in_seven_days() public {
        (IVault.Batch memory b, uint48 payableFrom) = _announced(5);
        uint256 state = vm.snapshotState();
        vm.warp(payableFrom - 1);
        vm.expectPartialRevert(IVault.NotYetPayable.selector);
        vm.prank(LANE);
        vault.settleAnnounced(b);
        vm.warp(payableFrom);
        vm.prank(LANE);
        vault.settleAnnounced(b);
        vm.revertToState(state);
        vm.warp(payableFrom + 7 days - 1);
        vm.expectPartialRevert(IVault.AlreadyAnnounced.selector);
        vm.prank(LANE);
        vault.announce(address(dai), ALICE, 5, bytes8("a ref"));
        vm.prank(LANE);
        vault.settleAnnounced(b);
        vm.revertToState(state);
        vm.warp(payableFrom + 7 days);
        vm.expectPartialRevert(IVault.NotAnnounced.selector);
        vm.prank(LANE);
        vault.settleAnnounced(b);
        vm.prank(LANE);
        vault.announce(address(dai), ALICE, 5, bytes8("a ref"));
    }

    function test_an_exit_is_due_at_its_second() public {
        depositFor(ALICE, address(dai), 9);
        IVault.Request memory r = requestFrom(ALICE, address(dai), 9, ALICE);
        vm.warp(r.createdAt + EXIT_DELAY - 1);
        vm.expectPartialRevert(IVault.ExitNotReached.selector);
        vm.prank(ALICE);
        vault.forceExit(r);
        vm.warp(r.createdAt + EXIT_DELAY);
        vm.prank(ALICE);
        vault.forceExit(r);
        assertEq(dai.balanceOf(ALICE), 9);
    }

    function test_a_guardians_window_ends_and_begins_at_its_second() public {
        vm.prank(GUARDIAN);
        vault.pause(IVault.Scope.Orders, uint32(MAX_PAUSE));
        uint256 end = block.timestamp + MAX_PAUSE;
        assertEq(vault.pausedUntil(IVault.Scope.Orders), end);
        vm.warp(end - 1);
        give(address(dai), address(vault), 10);
        (, uint64 next, bytes24 head) = vault.laneOf(LANE);
        vm.expectRevert();
        vm.prank(LANE);
        settle(address(dai), positionAt(next, head), 1, 0, one(ALICE, 1));
        vm.warp(end);
        settleOne(address(dai), ALICE, 1);
        vm.expectPartialRevert(IVault.GuardianCoolingDown.selector);
        vm.prank(GUARDIAN);
        vault.pause(IVault.Scope.Orders, 1);
        vm.warp(end + PAUSE_COOLDOWN - 1);
        vm.expectPartialRevert(IVault.GuardianCoolingDown.selector);
        vm.prank(GUARDIAN);
        vault.pause(IVault.Scope.Orders, 1);
        vm.warp(end + PAUSE_COOLDOWN);
        vm.expectPartialRevert(IVault.PauseTooLong.selector);
        vm.prank(GUARDIAN);
        vault.pause(IVault.Scope.Orders, uint32(MAX_PAUSE) + 1);
        vm.prank(GUARDIAN);
        vault.pauseAsset(address(dai), uint32(MAX_PAUSE));
        assertEq(vault.assetPausedUntil(address(dai)), block.timestamp + MAX_PAUSE);
    }

    // ---------------------------------------------------------------------------------------------- amounts

    function test_voids_of_one_and_of_the_most() public {
        (, uint64 next, bytes24 head) = vault.laneOf(LANE);
        vm.startPrank(LANE);
        vault.voidNumbers(LANE, next, head, 1);
        (, next, head) = vault.laneOf(LANE);
        vault.voidNumbers(LANE, next, head, 65_535);
        (, uint64 after_,) = vault.laneOf(LANE);
        assertEq(after_, next + 65_535);
    }

    function test_all_of_the_surplus_is_swept_and_not_a_unit_more() public {
        give(Assets.NATIVE, address(vault), 10);
        vm.prank(GOVERNANCE);
        vault.setMarks(Assets.NATIVE, 0, 4);
        vm.expectRevert(abi.encodeWithSelector(IVault.NoSurplus.selector, Assets.NATIVE, 7, 6));
        vm.prank(LANE);
        vault.sweep(Assets.NATIVE, 7);
        vm.prank(LANE);
        vault.sweep(Assets.NATIVE, 6);
        assertEq(COLD.balance, 6);
        assertEq(vault.treasuryOf(Assets.NATIVE).coldBalance, 6);
    }

    function test_all_of_a_balance_is_requested_and_not_a_unit_more() public {
        depositFor(ALICE, address(dai), 9);
        vm.prank(GOVERNANCE);
        vault.configureAsset(address(dai), IVault.AssetConfig(true, TOKEN_GAS, 9));
        vm.expectRevert(abi.encodeWithSelector(IVault.BelowMinRequest.selector, address(dai), 8, 9));
        vm.prank(ALICE);
        vault.request(address(dai), 8, ALICE);
        vm.expectRevert(
            abi.encodeWithSelector(IVault.InsufficientBalance.selector, address(dai), ALICE, 10, 9)
        );
        vm.prank(ALICE);
        vault.request(address(dai), 10, ALICE);
        requestFrom(ALICE, address(dai), 9, ALICE);
        assertEq(vault.balanceOf(address(dai), ALICE), 0);
    }

    /// @notice If as much is left after a push, then the push had its whole allowance: a call gets at most 63/64.
    function testFuzz_the_gas_that_must_be_left_is_enough_and_no_more(uint32 allowance) public pure {
        uint256 needed = Push.gasNeeded(allowance);
        assertGe(needed - needed / 64, allowance);
        assertLe(needed, uint256(allowance) + allowance / 63 + 1);
    }
}
