// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Test} from "forge-std/Test.sol";

import {Vault} from "contracts/Vault.sol";
import {IVault} from "contracts/interfaces/IVault.sol";
import {Assets} from "contracts/libraries/Assets.sol";
import {Deploy} from "script/Deploy.s.sol";
import {Reverter} from "tests/contracts/mocks/Recipients.sol";
import {PlainToken} from "tests/contracts/mocks/Tokens.sol";

/// @notice The vault as script/Deploy.s.sol deploys it.
contract VaultTest is Test {
    Vault private vault;
    PlainToken private token;
    address private immutable LANE = makeAddr("lane");
    address private immutable GUARDIAN = makeAddr("guardian");
    address private immutable ALICE = makeAddr("alice");

    function setUp() public {
        token = new PlainToken("Test", "TST", 18);
        Deploy script = new Deploy();
        Deploy.Params memory p;
        p.governance = address(script);
        p.guardians = new address[](1);
        p.guardians[0] = GUARDIAN;
        p.lanes = new address[](1);
        p.lanes[0] = LANE;
        (p.exitDelay, p.maxPause, p.pauseCooldown) = (1 days, 3 days, 7 days);
        p.assets = new Deploy.AssetParams[](2);
        p.assets[0] = Deploy.AssetParams("ETH", Assets.NATIVE, 18, 50_000, 1);
        p.assets[1] = Deploy.AssetParams("TST", address(token), 18, 100_000, 1);
        vault = script.deploy(p, address(script)).vault;
        vm.deal(address(vault), 100 ether);
        token.mint(address(vault), 100 ether);
    }

    function _settle(address to, uint96 amount) private {
        (, uint64 next, bytes24 head) = vault.laneOf(LANE);
        bytes32[] memory payouts = new bytes32[](1);
        payouts[0] = bytes32((uint256(uint160(to)) << 96) | amount);
        vm.prank(LANE);
        vault.settle(Assets.NATIVE, next, head, amount, 0, payouts, new bytes(8));
    }

    function test_settle_pays_and_moves_the_lane() public {
        _settle(ALICE, 1 ether);
        assertEq(ALICE.balance, 1 ether);
        (, uint64 next,) = vault.laneOf(LANE);
        assertEq(next, 2);
    }

    function test_settle_refuses_a_number_twice() public {
        (, uint64 first, bytes24 head) = vault.laneOf(LANE);
        _settle(ALICE, 1 ether);
        (, uint64 next, bytes24 now_) = vault.laneOf(LANE);
        bytes32[] memory payouts = new bytes32[](1);
        payouts[0] = bytes32((uint256(uint160(ALICE)) << 96) | 1);
        vm.prank(LANE);
        vm.expectRevert(abi.encodeWithSelector(IVault.LaneMismatch.selector, next, now_));
        vault.settle(Assets.NATIVE, first, head, 1, 0, payouts, new bytes(8));
    }

    function test_failed_push_becomes_a_claim() public {
        address reverter = address(new Reverter());
        _settle(reverter, 1 ether);
        assertEq(vault.claimOf(Assets.NATIVE, reverter), 1 ether);
        assertEq(vault.liabilitiesOf(Assets.NATIVE), 1 ether);
        vm.prank(reverter);
        vault.claim(Assets.NATIVE, ALICE);
        assertEq(ALICE.balance, 1 ether);
        assertEq(vault.liabilitiesOf(Assets.NATIVE), 0);
    }

    function testFuzz_settle_refuses_more_than_the_float(uint96 amount) public {
        amount = uint96(bound(amount, 100 ether + 1, type(uint96).max));
        (, uint64 next, bytes24 head) = vault.laneOf(LANE);
        bytes32[] memory payouts = new bytes32[](1);
        payouts[0] = bytes32((uint256(uint160(ALICE)) << 96) | amount);
        vm.prank(LANE);
        vm.expectRevert(
            abi.encodeWithSelector(IVault.InsufficientFloat.selector, Assets.NATIVE, amount, 100 ether)
        );
        vault.settle(Assets.NATIVE, next, head, amount, 0, payouts, new bytes(8));
    }

    function test_request_is_forced_after_the_exit_delay() public {
        token.mint(ALICE, 5 ether);
        vm.startPrank(ALICE);
        token.approve(address(vault), 5 ether);
        vault.deposit(address(token), 5 ether, ALICE);
        uint64 id = vault.request(address(token), 5 ether, ALICE);
        IVault.Request memory r =
            IVault.Request(id, ALICE, address(token), ALICE, 5 ether, uint64(block.timestamp));
        vm.expectRevert(abi.encodeWithSelector(IVault.ExitNotReached.selector, id, block.timestamp + 1 days));
        vault.forceExit(r);
        vm.warp(block.timestamp + 1 days);
        vault.forceExit(r);
        assertEq(token.balanceOf(ALICE), 5 ether);
        vm.expectRevert(abi.encodeWithSelector(IVault.UnknownRequest.selector, id));
        vault.forceExit(r);
        vm.stopPrank();
    }

    function test_pause_stops_orders_and_ends_by_itself() public {
        vm.prank(GUARDIAN);
        vault.pause(IVault.Scope.Orders, 1 days);
        uint48 until = uint48(block.timestamp + 1 days);
        (, uint64 next, bytes24 head) = vault.laneOf(LANE);
        bytes32[] memory payouts = new bytes32[](1);
        payouts[0] = bytes32((uint256(uint160(ALICE)) << 96) | 1);
        vm.prank(LANE);
        vm.expectRevert(abi.encodeWithSelector(IVault.IsPaused.selector, IVault.Scope.Orders, until));
        vault.settle(Assets.NATIVE, next, head, 1, 0, payouts, new bytes(8));
        vm.warp(until);
        _settle(ALICE, 1);
        assertEq(ALICE.balance, 1);
    }

    function test_one_guardian_cannot_freeze_in_turns() public {
        vm.startPrank(GUARDIAN);
        vault.pause(IVault.Scope.Everything, 3 days);
        vm.warp(block.timestamp + 3 days);
        vm.expectPartialRevert(IVault.GuardianCoolingDown.selector);
        vault.pause(IVault.Scope.Orders, 1 hours);
        vm.stopPrank();
    }

    /// @dev The keeper simulates a batch by overriding this slot.
    function test_lane_slot_is_where_the_keeper_looks() public view {
        bytes32 base = 0x95e2cca9ad2449ce3d9a8dcf9e6c5c2f28dd677809853e6aef4668ad09818800;
        (bool enabled, uint64 next, bytes24 head) = vault.laneOf(LANE);
        uint256 word = uint256(uint192(head)) << 64 | uint256(next) << 8 | (enabled ? 1 : 0);
        assertEq(uint256(vm.load(address(vault), keccak256(abi.encode(LANE, base)))), word);
    }
}
