// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IVault} from "contracts/interfaces/IVault.sol";
import {Assets} from "contracts/libraries/Assets.sol";
import {Roles} from "contracts/libraries/Roles.sol";
import {Fixture} from "tests/contracts/Fixture.sol";
import {Reverter} from "tests/contracts/mocks/Recipients.sol";

/// @notice What each pause stops, what it leaves, and that nobody can freeze for ever.
contract PausesTest is Fixture {
    address private immutable ALICE = makeAddr("alice");
    address private claimant;

    function setUp() public {
        deployVault();
        fundAll(100 ether);
        depositFor(ALICE, Assets.NATIVE, 10 ether);
        claimant = address(new Reverter());
        settleOne(Assets.NATIVE, claimant, 1 ether);
    }

    /// @dev Each payment path: whether it passes now, and the vault is as before after.
    function _paths() private returns (bool deposits, bool orders, bool requests, bool exits, bool claims) {
        uint256 state = vm.snapshotState();
        vm.deal(ALICE, 1);
        IVault.Request memory r = requestFrom(ALICE, Assets.NATIVE, 1 ether, ALICE);
        (, uint64 next, bytes24 head) = vault.laneOf(LANE);
        deposits = _try(ALICE, 1, abi.encodeCall(IVault.deposit, (Assets.NATIVE, 1, ALICE)));
        orders = _try(LANE, 0, settlement(Assets.NATIVE, positionAt(next, head), 1, 0, one(ALICE, 1)));
        claims = _try(claimant, 0, abi.encodeCall(IVault.claim, (Assets.NATIVE, ALICE)));
        uint256 open = vm.snapshotState();
        requests = _try(LANE, 0, abi.encodeCall(IVault.settleRequests, (Assets.NATIVE, 0, listOf(r))));
        vm.revertToState(open);
        // The delay has passed, the pause has not: the request is as old as the pause allows.
        uint64 made = r.createdAt;
        vm.warp(made + EXIT_DELAY);
        exits = _try(ALICE, 0, abi.encodeCall(IVault.forceExit, (r)));
        vm.revertToState(state);
        vm.warp(made);
    }

    function _try(address from, uint256 value, bytes memory data) private returns (bool ok) {
        vm.prank(from);
        (ok,) = address(vault).call{value: value}(data);
    }

    function _assertPaths(bool deposits, bool orders, bool requests, bool claims) private {
        (bool d, bool o, bool r, bool e, bool c) = _paths();
        assertEq(d, deposits, "deposit");
        assertEq(o, orders, "settle");
        assertEq(r, requests, "settleRequests");
        assertEq(e, requests, "forceExit");
        assertEq(c, claims, "claim");
    }

    function test_each_scope_stops_its_own_paths() public {
        _assertPaths(true, true, true, true);
        bool[4][5] memory left = [
            [false, false, false, false], // Everything
            [false, true, true, true], // Deposits
            [true, false, true, true], // Orders
            [true, true, false, true], // Requests
            [true, true, true, true] // Swaps
        ];
        for (uint256 i = 0; i < 5; ++i) {
            uint256 state = vm.snapshotState();
            vm.prank(GUARDIAN);
            vault.pause(IVault.Scope(i), 2 days);
            _assertPaths(left[i][0], left[i][1], left[i][2], left[i][3]);
            vm.revertToState(state);
        }
        vm.prank(GUARDIAN);
        vault.pauseAsset(Assets.NATIVE, 2 days);
        _assertPaths(false, false, false, false);
        settleOne(address(dai), ALICE, 1);
        assertEq(dai.balanceOf(ALICE), 1, "another asset goes on");
    }

    /// @notice The oracle guard's own door: swaps, and nothing else.
    function test_the_guard_of_prices_pauses_swaps() public {
        vm.prank(GOVERNANCE);
        manager.grantRole(Roles.ORACLE_GUARD, ALICE, 0);
        vm.expectEmit(address(vault));
        emit IVault.Paused(IVault.Scope.Swaps, uint48(block.timestamp + 1 hours), ALICE);
        vm.prank(ALICE);
        vault.pauseSwaps(1 hours);
        assertEq(vault.pausedUntil(IVault.Scope.Swaps), block.timestamp + 1 hours);
        assertEq(vault.pausedUntil(IVault.Scope.Orders), 0);
        _assertPaths(true, true, true, true);
    }

    function test_a_pause_ends_by_itself() public {
        vm.prank(GUARDIAN);
        vault.pause(IVault.Scope.Orders, 1 days);
        uint48 until = uint48(block.timestamp + 1 days);
        (, uint64 next, bytes24 head) = vault.laneOf(LANE);
        vm.warp(until - 1);
        vm.prank(LANE);
        vm.expectRevert(abi.encodeWithSelector(IVault.IsPaused.selector, IVault.Scope.Orders, until));
        settle(Assets.NATIVE, positionAt(next, head), 1, 0, one(ALICE, 1));
        vm.warp(until);
        settleOne(Assets.NATIVE, ALICE, 1);
    }

    function test_requests_can_be_made_and_cancelled_while_all_is_paused() public {
        vm.prank(GUARDIAN);
        vault.pause(IVault.Scope.Everything, MAX_PAUSE);
        IVault.Request memory r = requestFrom(ALICE, Assets.NATIVE, 1 ether, ALICE);
        vm.prank(ALICE);
        vault.cancel(r);
        (,, bytes24 head) = vault.laneOf(OTHER_LANE);
        vm.prank(LANE);
        vault.voidNumbers(OTHER_LANE, 1, head, 1);
    }

    function test_one_guardian_cannot_freeze_in_turns() public {
        uint48 start = uint48(block.timestamp);
        vm.startPrank(GUARDIAN);
        vault.pause(IVault.Scope.Everything, MAX_PAUSE);
        // Another scope, in the same window: no later than its end.
        vm.warp(start + 1 days);
        vm.expectRevert(
            abi.encodeWithSelector(
                IVault.PauseTooLong.selector, start + 1 days + MAX_PAUSE, start + MAX_PAUSE
            )
        );
        vault.pause(IVault.Scope.Orders, MAX_PAUSE);
        vm.warp(start + MAX_PAUSE);
        uint48 again = start + MAX_PAUSE + PAUSE_COOLDOWN;
        vm.expectRevert(abi.encodeWithSelector(IVault.GuardianCoolingDown.selector, GUARDIAN, again));
        vault.pauseAsset(Assets.NATIVE, 1);
        vm.warp(again);
        vault.pause(IVault.Scope.Everything, 1);
        vm.stopPrank();
    }

    function test_a_second_guardian_has_a_window_of_his_own() public {
        vm.prank(GUARDIAN);
        vault.pause(IVault.Scope.Everything, MAX_PAUSE);
        vm.warp(block.timestamp + MAX_PAUSE);
        vm.prank(OTHER_GUARDIAN);
        vault.pause(IVault.Scope.Everything, 1 hours);
        assertEq(vault.pausedUntil(IVault.Scope.Everything), block.timestamp + 1 hours);
    }

    function test_a_guardian_cannot_shorten_a_pause() public {
        vm.prank(GOVERNANCE);
        vault.extendPause(IVault.Scope.Orders, uint48(block.timestamp + 30 days));
        vm.prank(GUARDIAN);
        vault.pause(IVault.Scope.Orders, 1 hours);
        assertEq(vault.pausedUntil(IVault.Scope.Orders), block.timestamp + 30 days);
    }

    function test_governance_ends_and_extends_pauses() public {
        vm.prank(GUARDIAN);
        vault.pause(IVault.Scope.Everything, 1 days);
        vm.startPrank(GOVERNANCE);
        vault.unpause(IVault.Scope.Everything);
        _assertPathsAsGovernance(true);
        vault.extendAssetPause(Assets.NATIVE, uint48(block.timestamp + 30 days));
        _assertPathsAsGovernance(false);
        vault.unpauseAsset(Assets.NATIVE);
        _assertPathsAsGovernance(true);
        vm.stopPrank();
    }

    function test_a_pause_has_a_length_and_an_end_that_fits() public {
        vm.startPrank(GUARDIAN);
        vm.expectRevert(IVault.ZeroAmount.selector);
        vault.pause(IVault.Scope.Orders, 0);
        vm.expectRevert(IVault.ZeroAmount.selector);
        vault.pauseAsset(address(dai), 0);
        vm.stopPrank();
        uint48 most = type(uint32).max;
        vm.startPrank(GOVERNANCE);
        bytes memory beyond = abi.encodeWithSelector(IVault.OutOfRange.selector, most + 1, 0, most);
        vm.expectRevert(beyond);
        vault.extendPause(IVault.Scope.Orders, most + 1);
        vm.expectRevert(beyond);
        vault.extendAssetPause(address(dai), most + 1);
        vault.extendAssetPause(address(dai), most);
        vm.stopPrank();
        assertEq(vault.assetPausedUntil(address(dai)), most);
    }

    function _assertPathsAsGovernance(bool active) private {
        vm.stopPrank();
        _assertPaths(active, active, active, active);
        vm.startPrank(GOVERNANCE);
    }
}
