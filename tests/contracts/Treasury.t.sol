// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IVault} from "contracts/interfaces/IVault.sol";
import {Assets} from "contracts/libraries/Assets.sol";
import {Fixture} from "tests/contracts/Fixture.sol";
import {Reverter} from "tests/contracts/mocks/Recipients.sol";
import {MoodyToken, PlainToken} from "tests/contracts/mocks/Tokens.sol";

/// @notice Surplus goes to cold and nowhere else; refills come back.
contract TreasuryTest is Fixture {
    address private immutable ALICE = makeAddr("alice");

    function setUp() public {
        deployVault();
        fundAll(1000e18);
        vm.startPrank(GOVERNANCE);
        vault.setMarks(address(dai), 100e18, 400e18);
        vault.setMarks(Assets.NATIVE, 100e18, 400e18);
        vm.stopPrank();
    }

    function _sweep(address asset, uint256 amount) private {
        vm.prank(LANE);
        vault.sweep(asset, amount);
    }

    function test_surplus_above_the_high_water_mark_goes_to_cold() public {
        assertEq(vault.treasuryOf(address(dai)).surplus, 600e18);
        vm.expectEmit(address(vault));
        emit IVault.Swept(address(dai), COLD, 600e18, LANE);
        _sweep(address(dai), 600e18);
        _sweep(Assets.NATIVE, 1);
        assertEq(dai.balanceOf(COLD), 600e18);
        assertEq(COLD.balance, 1);
        IVault.TreasuryState memory state = vault.treasuryOf(address(dai));
        assertEq(state.coldBalance, 600e18);
        assertEq(state.surplus, 0);
        assertEq(vault.floatOf(address(dai)), 400e18);
        vm.expectRevert(abi.encodeWithSelector(IVault.NoSurplus.selector, address(dai), 1, 0));
        _sweep(address(dai), 1);
    }

    function test_what_depositors_own_is_no_surplus() public {
        depositFor(ALICE, address(dai), 5000e18);
        assertEq(vault.treasuryOf(address(dai)).surplus, 600e18);
        vm.expectRevert(abi.encodeWithSelector(IVault.NoSurplus.selector, address(dai), 600e18 + 1, 600e18));
        _sweep(address(dai), 600e18 + 1);
    }

    function test_only_a_lane_sweeps_and_only_when_there_is_a_cold_address() public {
        vm.expectRevert(abi.encodeWithSelector(IVault.NotALane.selector, ALICE));
        vm.prank(ALICE);
        vault.sweep(address(dai), 1);
        vm.expectRevert(IVault.ZeroAmount.selector);
        _sweep(address(dai), 0);
        vm.prank(GOVERNANCE);
        vault.setCold(address(0));
        assertEq(vault.cold(), address(0));
        vm.expectRevert(IVault.ZeroAddress.selector);
        _sweep(address(dai), 1);
    }

    function test_pauses_stop_sweeps() public {
        vm.prank(GUARDIAN);
        vault.pauseAsset(address(dai), 1 hours);
        vm.expectRevert(
            abi.encodeWithSelector(IVault.AssetIsPaused.selector, address(dai), block.timestamp + 1 hours)
        );
        _sweep(address(dai), 1);
        vm.prank(GUARDIAN);
        vault.pause(IVault.Scope.Everything, 1 hours);
        vm.expectRevert(
            abi.encodeWithSelector(
                IVault.IsPaused.selector, IVault.Scope.Everything, block.timestamp + 1 hours
            )
        );
        _sweep(Assets.NATIVE, 1);
    }

    function test_a_cold_address_that_takes_nothing_moves_nothing() public {
        address reverter = address(new Reverter());
        vm.prank(GOVERNANCE);
        vault.setCold(reverter);
        vm.expectPartialRevert(IVault.TransferFailed.selector);
        _sweep(Assets.NATIVE, 1);
        assertEq(vault.treasuryOf(Assets.NATIVE).coldBalance, 0);
        vm.prank(GOVERNANCE);
        vault.setCold(COLD);
        moody.setMood(MoodyToken.Mood.TakesDouble);
        vm.prank(GOVERNANCE);
        vault.setMarks(address(moody), 0, 0);
        vm.expectPartialRevert(IVault.TokenTookMore.selector);
        _sweep(address(moody), 1e18);
    }

    function test_a_refill_is_booked_and_fills_the_float() public {
        _sweep(address(dai), 600e18);
        settleOne(address(dai), ALICE, 350e18);
        assertEq(vault.treasuryOf(address(dai)).shortfall, 50e18);
        vm.startPrank(COLD);
        approve(address(dai), 600e18);
        vm.expectEmit(address(vault));
        emit IVault.Refilled(address(dai), COLD, 250e18);
        assertEq(vault.refill(address(dai), 250e18), 250e18);
        assertEq(vault.treasuryOf(address(dai)).coldBalance, 350e18);
        assertEq(vault.treasuryOf(address(dai)).shortfall, 0);
        vault.refill(address(dai), 350e18);
        vm.stopPrank();
        assertEq(vault.floatOf(address(dai)), 650e18);
        assertEq(vault.liabilitiesOf(address(dai)), 0);
        give(address(dai), ALICE, 1e18);
        vm.startPrank(ALICE);
        approve(address(dai), 1e18);
        vault.refill(address(dai), 1e18);
        vm.stopPrank();
        assertEq(vault.treasuryOf(address(dai)).coldBalance, 0, "more than was swept is not negative");
    }

    function test_ether_is_refilled_with_its_value() public {
        _sweep(Assets.NATIVE, 600e18);
        vm.prank(COLD);
        vault.refill{value: 2e18}(Assets.NATIVE, 2e18);
        assertEq(vault.treasuryOf(Assets.NATIVE).coldBalance, 598e18);
        vm.expectRevert(abi.encodeWithSelector(IVault.WrongValue.selector, 1e18, 2e18));
        vm.prank(COLD);
        vault.refill{value: 1e18}(Assets.NATIVE, 2e18);
        PlainToken other = new PlainToken("other", "O", 18);
        vm.expectRevert(abi.encodeWithSelector(IVault.AssetNotListed.selector, address(other)));
        vault.refill(address(other), 1);
    }

    function test_the_floor_is_below_the_mark() public {
        vm.expectRevert(abi.encodeWithSelector(IVault.OutOfRange.selector, 2, 0, 1));
        vm.prank(GOVERNANCE);
        vault.setMarks(address(dai), 2, 1);
    }
}
