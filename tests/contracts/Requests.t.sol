// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IVault} from "contracts/interfaces/IVault.sol";
import {Assets} from "contracts/libraries/Assets.sol";
import {Fixture} from "tests/contracts/Fixture.sol";
import {Reverter} from "tests/contracts/mocks/Recipients.sol";
import {FeeToken} from "tests/contracts/mocks/Tokens.sol";

/// @notice Deposits and requests: a depositor's own money, out by a keeper or without one.
contract RequestsTest is Fixture {
    address private immutable ALICE = makeAddr("alice");
    address private immutable BOB = makeAddr("bob");

    function setUp() public {
        deployVault();
        depositFor(ALICE, Assets.NATIVE, 10 ether);
        depositFor(ALICE, address(dai), 10 ether);
    }

    function test_deposit_credits_whom_it_names() public {
        vm.deal(ALICE, 1 ether);
        vm.prank(ALICE);
        assertEq(vault.deposit{value: 1 ether}(Assets.NATIVE, 1 ether, BOB), 1 ether);
        assertEq(vault.balanceOf(Assets.NATIVE, BOB), 1 ether);
        assertEq(vault.floatOf(Assets.NATIVE), 0);
    }

    function test_deposit_refuses_what_is_not_there() public {
        vm.deal(ALICE, 2 ether);
        vm.startPrank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(IVault.WrongValue.selector, 2, 1));
        vault.deposit{value: 2}(Assets.NATIVE, 1, ALICE);
        vm.expectRevert(abi.encodeWithSelector(IVault.WrongValue.selector, 1, 0));
        vault.deposit{value: 1}(address(dai), 1, ALICE);
        vm.expectRevert(IVault.ZeroAmount.selector);
        vault.deposit(Assets.NATIVE, 0, ALICE);
        vm.expectRevert(IVault.ZeroAddress.selector);
        vault.deposit{value: 1}(Assets.NATIVE, 1, address(0));
        vm.expectRevert(abi.encodeWithSelector(IVault.AssetNotListed.selector, BOB));
        vault.deposit(BOB, 1, ALICE);
        vm.stopPrank();
    }

    function test_deposit_credits_what_arrives() public {
        FeeToken fee = new FeeToken();
        vm.prank(GOVERNANCE);
        vault.configureAsset(address(fee), IVault.AssetConfig(true, TOKEN_GAS, 1));
        fee.mint(BOB, 1000);
        vm.startPrank(BOB);
        fee.approve(address(vault), 1000);
        assertEq(vault.deposit(address(fee), 1000, BOB), 990);
        assertEq(vault.balanceOf(address(fee), BOB), 990);
        vm.stopPrank();
    }

    function test_a_request_is_settled_once_and_skipped_after() public {
        IVault.Request memory r = requestFrom(ALICE, address(dai), 3 ether, BOB);
        vm.startPrank(LANE);
        vault.settleRequests(address(dai), 0, listOf(r));
        assertEq(dai.balanceOf(BOB), 3 ether);
        vm.expectEmit(address(vault));
        emit IVault.RequestSkipped(r.id);
        vault.settleRequests(address(dai), 0, listOf(r));
        vm.stopPrank();
        assertEq(dai.balanceOf(BOB), 3 ether);
        assertEq(vault.balanceOf(address(dai), ALICE), 7 ether);
        assertEq(vault.liabilitiesOf(address(dai)), 7 ether);
    }

    function test_the_same_request_twice_in_one_batch_is_paid_once() public {
        IVault.Request memory r = requestFrom(ALICE, Assets.NATIVE, 3 ether, BOB);
        IVault.Request[] memory twice = new IVault.Request[](2);
        (twice[0], twice[1]) = (r, r);
        vm.prank(LANE);
        vault.settleRequests(Assets.NATIVE, 0, twice);
        assertEq(BOB.balance, 3 ether);
    }

    function testFuzz_a_request_that_was_altered_is_not_paid(uint8 field, uint160 by) public {
        IVault.Request memory r = requestFrom(ALICE, address(dai), 3 ether, BOB);
        uint160 delta = uint160(bound(by, 1, 1 << 60));
        field %= 5;
        if (field == 0) r.id += uint64(delta);
        if (field == 1) r.owner = address(uint160(r.owner) ^ delta);
        if (field == 2) r.recipient = address(uint160(r.recipient) ^ delta);
        if (field == 3) r.amount += delta;
        if (field == 4) r.createdAt -= uint64(bound(by, 1, 1_000_000));
        vm.prank(LANE);
        vault.settleRequests(address(dai), 0, listOf(r));
        assertEq(dai.balanceOf(address(vault)), 10 ether);
    }

    function test_a_batch_of_requests_has_one_asset() public {
        IVault.Request memory r = requestFrom(ALICE, address(dai), 3 ether, BOB);
        vm.startPrank(LANE);
        vm.expectRevert(abi.encodeWithSelector(IVault.WrongAsset.selector, r.id, address(dai)));
        vault.settleRequests(Assets.NATIVE, 0, listOf(r));
        vm.expectRevert(IVault.EmptyBatch.selector);
        vault.settleRequests(Assets.NATIVE, 0, new IVault.Request[](0));
        vm.stopPrank();
    }

    function test_a_request_is_bounded_and_its_recipient_sane() public {
        vm.prank(GOVERNANCE);
        vault.configureAsset(address(dai), IVault.AssetConfig(true, TOKEN_GAS, 1 ether));
        vm.startPrank(ALICE);
        vm.expectRevert(IVault.ZeroAmount.selector);
        vault.request(address(dai), 0, BOB);
        vm.expectRevert(
            abi.encodeWithSelector(IVault.BelowMinRequest.selector, address(dai), 1 ether - 1, 1 ether)
        );
        vault.request(address(dai), 1 ether - 1, BOB);
        vm.expectRevert(
            abi.encodeWithSelector(
                IVault.InsufficientBalance.selector, address(dai), ALICE, 11 ether, 10 ether
            )
        );
        vault.request(address(dai), 11 ether, BOB);
        address[3] memory bad = [address(0), address(vault), address(dai)];
        for (uint256 i = 0; i < 3; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IVault.BadRecipient.selector, bad[i]));
            vault.request(address(dai), 1 ether, bad[i]);
        }
        vm.stopPrank();
    }

    function test_cancel_gives_back_once_and_only_to_the_owner() public {
        IVault.Request memory r = requestFrom(ALICE, address(dai), 3 ether, BOB);
        vm.prank(BOB);
        vm.expectRevert(abi.encodeWithSelector(IVault.NotRequestOwner.selector, r.id, BOB));
        vault.cancel(r);
        vm.startPrank(ALICE);
        vault.cancel(r);
        assertEq(vault.balanceOf(address(dai), ALICE), 10 ether);
        vm.expectRevert(abi.encodeWithSelector(IVault.UnknownRequest.selector, r.id));
        vault.cancel(r);
        vm.stopPrank();
    }

    function test_force_exit_after_the_delay_with_no_keeper_at_all() public {
        vm.startPrank(GUARDIAN);
        vault.disableLane(LANE);
        vault.disableLane(OTHER_LANE);
        vm.stopPrank();
        IVault.Request memory r = requestFrom(ALICE, address(dai), 5 ether, ALICE);
        vm.startPrank(ALICE);
        vm.warp(r.createdAt + EXIT_DELAY - 1);
        vm.expectRevert(
            abi.encodeWithSelector(IVault.ExitNotReached.selector, r.id, r.createdAt + EXIT_DELAY)
        );
        vault.forceExit(r);
        vm.warp(r.createdAt + EXIT_DELAY);
        vault.forceExit(r);
        assertEq(dai.balanceOf(ALICE), 5 ether);
        vm.expectRevert(abi.encodeWithSelector(IVault.UnknownRequest.selector, r.id));
        vault.forceExit(r);
        vm.stopPrank();
    }

    function test_force_exit_is_the_owners_alone() public {
        IVault.Request memory r = requestFrom(ALICE, address(dai), 5 ether, BOB);
        vm.warp(r.createdAt + EXIT_DELAY);
        vm.prank(BOB);
        vm.expectRevert(abi.encodeWithSelector(IVault.NotRequestOwner.selector, r.id, BOB));
        vault.forceExit(r);
    }

    function test_a_forced_exit_that_cannot_be_pushed_becomes_a_claim() public {
        address reverter = address(new Reverter());
        IVault.Request memory r = requestFrom(ALICE, Assets.NATIVE, 5 ether, reverter);
        vm.warp(r.createdAt + EXIT_DELAY);
        vm.prank(ALICE);
        vault.forceExit(r);
        assertEq(vault.claimOf(Assets.NATIVE, reverter), 5 ether);
        assertEq(vault.liabilitiesOf(Assets.NATIVE), 10 ether);
    }

    function test_what_is_owed_stays_payable_when_the_asset_is_unlisted() public {
        vm.prank(GOVERNANCE);
        vault.configureAsset(address(dai), IVault.AssetConfig(false, TOKEN_GAS, 1));
        IVault.Request memory r = requestFrom(ALICE, address(dai), 10 ether, BOB);
        vm.prank(LANE);
        vault.settleRequests(address(dai), 0, listOf(r));
        assertEq(dai.balanceOf(BOB), 10 ether);
    }
}
