// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Vm} from "forge-std/Vm.sol";

import {IVault} from "contracts/interfaces/IVault.sol";
import {Assets} from "contracts/libraries/Assets.sol";
import {Fixture} from "tests/contracts/Fixture.sol";
import {GasBurner, Reentrant, ReturnBomb, Reverter} from "tests/contracts/mocks/Recipients.sol";
import {MoodyToken} from "tests/contracts/mocks/Tokens.sol";

/// @notice Orders: the lane ledger, the packed form against the wide one, claims for pushes that fail.
contract SettleTest is Fixture {
    address private immutable ALICE = makeAddr("alice");
    address private immutable BOB = makeAddr("bob");
    uint256 private constant FUNDS = 1e27;

    function setUp() public {
        deployVault();
        fundAll(FUNDS);
    }

    // ------------------------------------------------------------------------------------------ the ledger

    function test_pays_and_moves_the_lane() public {
        settleOne(Assets.NATIVE, ALICE, 1 ether);
        assertEq(ALICE.balance, 1 ether);
        (, uint64 next,) = vault.laneOf(LANE);
        assertEq(next, 2);
    }

    function test_a_lane_begins_at_one_with_a_head_of_its_own() public view {
        (bool enabled, uint64 next, bytes24 head) = vault.laneOf(LANE);
        (,, bytes24 other) = vault.laneOf(OTHER_LANE);
        assertTrue(enabled);
        assertEq(next, 1);
        assertEq(head, bytes24(keccak256(abi.encode(block.chainid, address(vault), LANE))));
        assertTrue(head != other);
    }

    function test_refuses_a_number_twice() public {
        (, uint64 first, bytes24 head) = vault.laneOf(LANE);
        settleOne(Assets.NATIVE, ALICE, 1 ether);
        (, uint64 next, bytes24 now_) = vault.laneOf(LANE);
        vm.prank(LANE);
        vm.expectRevert(abi.encodeWithSelector(IVault.LaneMismatch.selector, next, now_));
        settle(Assets.NATIVE, positionAt(first, head), 1, 0, one(ALICE, 1));
    }

    function test_refuses_a_head_that_is_not_the_chains() public {
        (, uint64 next, bytes24 head) = vault.laneOf(LANE);
        vm.prank(LANE);
        vm.expectRevert(abi.encodeWithSelector(IVault.LaneMismatch.selector, next, head));
        settle(Assets.NATIVE, positionAt(next, bytes24(uint192(1))), 1, 0, one(ALICE, 1));
    }

    function test_refuses_another_lanes_batch() public {
        (, uint64 next, bytes24 head) = vault.laneOf(LANE);
        (,, bytes24 other) = vault.laneOf(OTHER_LANE);
        vm.prank(OTHER_LANE);
        vm.expectRevert(abi.encodeWithSelector(IVault.LaneMismatch.selector, 1, other));
        settle(Assets.NATIVE, positionAt(next, head), 1, 0, one(ALICE, 1));
    }

    function test_only_a_lane_settles() public {
        (, uint64 next, bytes24 head) = vault.laneOf(LANE);
        vm.startPrank(GOVERNANCE);
        vm.expectRevert(abi.encodeWithSelector(IVault.NotALane.selector, GOVERNANCE));
        settle(Assets.NATIVE, positionAt(next, head), 1, 0, one(ALICE, 1));
        vm.expectRevert(abi.encodeWithSelector(IVault.NotALane.selector, GOVERNANCE));
        vault.settleWide(IVault.Batch(Assets.NATIVE, next, head, 1, 0, new IVault.Payout[](1), new bytes(8)));
        vm.expectRevert(abi.encodeWithSelector(IVault.NotALane.selector, GOVERNANCE));
        vault.settleRequests(Assets.NATIVE, 0, new IVault.Request[](1));
        vm.expectRevert(abi.encodeWithSelector(IVault.NotALane.selector, GOVERNANCE));
        vault.voidNumbers(LANE, next, head, 1);
        vm.stopPrank();
    }

    function test_refuses_what_does_not_fit_together() public {
        (, uint64 next, bytes24 head) = vault.laneOf(LANE);
        vm.startPrank(LANE);
        vm.expectRevert(IVault.EmptyBatch.selector);
        settle(Assets.NATIVE, positionAt(next, head), 0, 0, "");
        vm.expectRevert(abi.encodeWithSelector(IVault.PayoutsLength.selector, 39));
        settle(Assets.NATIVE, positionAt(next, head), 1, 0, new bytes(39));
        vm.expectRevert(abi.encodeWithSelector(IVault.PayoutsLength.selector, 81));
        settle(Assets.NATIVE, positionAt(next, head), 1, 0, new bytes(81));
        IVault.Batch memory b =
            IVault.Batch(Assets.NATIVE, next, head, 1, 0, new IVault.Payout[](1), new bytes(7));
        vm.expectRevert(abi.encodeWithSelector(IVault.ReferencesLength.selector, 7, 8));
        vault.settleWide(b);
        b.payouts = new IVault.Payout[](3);
        vm.expectRevert(abi.encodeWithSelector(IVault.ReferencesLength.selector, 7, 24));
        vault.settleWide(b);
        vm.expectRevert(abi.encodeWithSelector(IVault.TotalMismatch.selector, 2, 1));
        settle(Assets.NATIVE, positionAt(next, head), 2, 0, one(ALICE, 1));
        vm.expectRevert(abi.encodeWithSelector(IVault.AssetNotListed.selector, BOB));
        settle(BOB, positionAt(next, head), 1, 0, one(ALICE, 1));
        vm.stopPrank();
    }

    /// @notice What is missing at the end of calldata reads as zeros: that must name no lane, or no payout.
    function test_a_batch_that_is_cut_off_pays_nothing() public {
        (, uint64 next, bytes24 head) = vault.laneOf(LANE);
        bytes memory whole = settlement(Assets.NATIVE, positionAt(next, head), 1, "audit", one(ALICE, 1));
        for (uint256 length = 4; length < whole.length; ++length) {
            bytes memory data = new bytes(length);
            for (uint256 i = 0; i < length; ++i) {
                data[i] = whole[i];
            }
            bytes memory why = abi.encodeWithSelector(IVault.LaneMismatch.selector, next, head);
            if (length >= 68) why = abi.encodeWithSelector(IVault.EmptyBatch.selector);
            if (length > 100) why = abi.encodeWithSelector(IVault.PayoutsLength.selector, length - 100);
            vm.prank(LANE);
            (bool ok, bytes memory said) = address(vault).call(data);
            assertFalse(ok);
            assertEq(said, why);
        }
        assertEq(ALICE.balance, 0);
    }

    function testFuzz_refuses_more_than_the_float(uint96 amount, uint96 owned) public {
        owned = uint96(bound(owned, 1, FUNDS));
        depositFor(BOB, Assets.NATIVE, owned); // raises the balance, not the float
        amount = uint96(bound(amount, FUNDS + 1, type(uint96).max));
        (, uint64 next, bytes24 head) = vault.laneOf(LANE);
        vm.prank(LANE);
        vm.expectRevert(
            abi.encodeWithSelector(IVault.InsufficientFloat.selector, Assets.NATIVE, amount, FUNDS)
        );
        settle(Assets.NATIVE, positionAt(next, head), amount, 0, one(ALICE, amount));
    }

    /// @notice One packed batch and its wide twin pay the same, and each head is the hash of its calldata.
    function testFuzz_packed_and_wide_pay_the_same(
        uint160[12] memory to,
        uint96[12] memory raw,
        uint256 count
    ) public {
        count = bound(count, 1, 12);
        bytes32[] memory narrow = new bytes32[](count);
        IVault.Payout[] memory wide = new IVault.Payout[](count);
        uint256 total;
        for (uint256 i = 0; i < count; ++i) {
            // High addresses: neither precompiles nor contracts of the fixture.
            address recipient = address(uint160(bound(to[i], 1 << 150, type(uint160).max)));
            vm.assume(recipient.code.length == 0);
            uint96 amount = uint96(bound(raw[i], 0, FUNDS / 64));
            (narrow[i], wide[i]) = (pack(recipient, amount), IVault.Payout(recipient, amount));
            total += amount;
        }
        uint256[] memory once =
            _pay(settlement(address(dai), positionAt(1, _head()), total, 0, packed(narrow)), wide);
        (, uint64 next,) = vault.laneOf(LANE);
        uint256[] memory again = _pay(
            abi.encodeCall(
                IVault.settleWide,
                (IVault.Batch(address(dai), next, _head(), total, 0, wide, new bytes(8 * count)))
            ),
            wide
        );
        for (uint256 i = 0; i < count; ++i) {
            assertEq(again[i], 2 * once[i]);
            assertGe(once[i], wide[i].amount);
        }
        assertEq(dai.balanceOf(address(vault)), FUNDS - 2 * total);
        (, next,) = vault.laneOf(LANE);
        assertEq(next, 1 + 2 * count);
    }

    function _head() private view returns (bytes24 head) {
        (,, head) = vault.laneOf(LANE);
    }

    function _pay(bytes memory data, IVault.Payout[] memory payouts) private returns (uint256[] memory held) {
        vm.prank(LANE);
        (bool ok,) = address(vault).call(data);
        assertTrue(ok);
        assertEq(_head(), bytes24(keccak256(data)));
        held = new uint256[](payouts.length);
        for (uint256 i = 0; i < held.length; ++i) {
            held[i] = dai.balanceOf(payouts[i].recipient);
        }
    }

    function test_wide_amounts_exceed_96_bits() public {
        uint256 amount = uint256(type(uint96).max) + 1;
        give(address(dai), address(vault), amount);
        IVault.Payout[] memory payouts = new IVault.Payout[](1);
        payouts[0] = IVault.Payout(ALICE, amount);
        bytes24 head = _head();
        vm.prank(LANE);
        vault.settleWide(IVault.Batch(address(dai), 1, head, amount, 0, payouts, new bytes(8)));
        assertEq(dai.balanceOf(ALICE), amount);
    }

    function test_wide_sums_do_not_wrap() public {
        IVault.Payout[] memory payouts = new IVault.Payout[](2);
        (payouts[0], payouts[1]) = (IVault.Payout(ALICE, type(uint256).max), IVault.Payout(BOB, 2));
        bytes24 head = _head();
        vm.prank(LANE);
        vm.expectRevert();
        vault.settleWide(IVault.Batch(address(dai), 1, head, 1, 0, payouts, new bytes(16)));
        assertEq(dai.balanceOf(BOB), 0);
    }

    function test_a_claim_of_one_unit_is_owed() public {
        address reverter = address(new Reverter());
        uint256 owed = vault.liabilitiesOf(Assets.NATIVE);
        settleOne(Assets.NATIVE, reverter, 1);
        assertEq(vault.claimOf(Assets.NATIVE, reverter), 1);
        assertEq(vault.liabilitiesOf(Assets.NATIVE), owed + 1);
    }

    /// @notice What was kept as a claim counts too.
    function test_the_total_is_what_was_sent_and_what_was_kept() public {
        bytes32[] memory payouts = new bytes32[](2);
        (payouts[0], payouts[1]) = (pack(ALICE, 3), pack(address(new Reverter()), 4));
        bytes24 head = _head();
        vm.expectRevert(abi.encodeWithSelector(IVault.TotalMismatch.selector, 9, 7));
        vm.prank(LANE);
        settle(Assets.NATIVE, positionAt(1, head), 9, 0, packed(payouts));
    }

    /// @notice The wide form adds its payouts up: neither more nor less than its total is paid.
    function test_a_wide_batch_pays_its_total() public {
        IVault.Payout[] memory payouts = new IVault.Payout[](2);
        (payouts[0], payouts[1]) = (IVault.Payout(ALICE, 3), IVault.Payout(BOB, 4));
        bytes24 head = _head();
        vm.startPrank(LANE);
        for (uint256 total = 6; total < 9; total += 2) {
            vm.expectRevert(abi.encodeWithSelector(IVault.TotalMismatch.selector, total, 7));
            vault.settleWide(IVault.Batch(address(dai), 1, head, total, 0, payouts, new bytes(16)));
        }
        vm.expectEmit(address(vault));
        emit IVault.Settled(batchOf(LANE, 1, 2));
        vault.settleWide(IVault.Batch(address(dai), 1, head, 7, 0, payouts, new bytes(16)));
        vm.stopPrank();
        assertEq(dai.balanceOf(ALICE), 3);
        assertEq(dai.balanceOf(BOB), 4);
    }

    function test_one_event_per_batch() public {
        bytes32[] memory payouts = new bytes32[](3);
        for (uint256 i = 0; i < 3; ++i) {
            payouts[i] = pack(address(uint160(0xA11CE000 + i)), 1);
        }
        bytes24 head = _head();
        vm.recordLogs();
        vm.prank(LANE);
        settle(Assets.NATIVE, positionAt(1, head), 3, bytes32("audit"), packed(payouts));
        Vm.Log[] memory logs = vm.getRecordedLogs();
        assertEq(logs.length, 1);
        assertEq(logs[0].topics[0], IVault.Settled.selector);
        assertEq(logs[0].data, abi.encode(batchOf(LANE, 1, 3)));
    }

    /// @dev The keeper simulates a batch by overriding this slot.
    function test_lane_slot_is_where_the_keeper_looks() public view {
        bytes32 base = 0x95e2cca9ad2449ce3d9a8dcf9e6c5c2f28dd677809853e6aef4668ad09818800;
        (bool enabled, uint64 next, bytes24 head) = vault.laneOf(LANE);
        uint256 word = uint256(uint192(head)) << 64 | uint256(next) << 8 | (enabled ? 1 : 0);
        assertEq(uint256(vm.load(address(vault), keccak256(abi.encode(LANE, base)))), word);
    }

    // ------------------------------------------------------------------------------------------ void numbers

    function test_a_zero_amount_voids_its_number() public {
        settleOne(Assets.NATIVE, ALICE, 0);
        (, uint64 next,) = vault.laneOf(LANE);
        assertEq(next, 2);
        assertEq(ALICE.balance, 0);
    }

    /// @notice A void among payouts is passed over, by coin and by token: it fails nothing, and says nothing.
    function test_a_zero_amount_among_others_is_passed_over() public {
        address[2] memory assets = [Assets.NATIVE, address(dai)];
        for (uint256 i = 0; i < assets.length; ++i) {
            bytes32[] memory payouts = new bytes32[](3);
            (payouts[0], payouts[1], payouts[2]) = (pack(ALICE, 5), pack(BOB, 0), pack(BOB, 6));
            (, uint64 next, bytes24 head) = vault.laneOf(LANE);
            vm.recordLogs();
            vm.prank(LANE);
            settle(assets[i], positionAt(next, head), 11, 0, packed(payouts));
            Vm.Log[] memory logs = vm.getRecordedLogs();
            for (uint256 k = 0; k < logs.length; ++k) {
                assertTrue(logs[k].topics[0] != IVault.PayoutFailed.selector);
            }
            assertEq(Assets.balanceOf(assets[i], ALICE), 5);
            assertEq(Assets.balanceOf(assets[i], BOB), 6);
        }
    }

    function test_any_lane_voids_for_any_other_even_a_disabled_one() public {
        vm.prank(GUARDIAN);
        vault.disableLane(LANE);
        bytes24 head = _head();
        vm.prank(OTHER_LANE);
        vault.voidNumbers(LANE, 1, head, 5);
        (bool enabled, uint64 next,) = vault.laneOf(LANE);
        assertEq(next, 6);
        assertFalse(enabled);
        assertEq(_head(), bytes24(keccak256(abi.encodeCall(IVault.voidNumbers, (LANE, 1, head, 5)))));
    }

    function test_what_was_signed_before_a_void_cannot_pass_after() public {
        bytes24 head = _head();
        vm.prank(OTHER_LANE);
        vault.voidNumbers(LANE, 1, head, 1);
        bytes24 after_ = _head();
        vm.prank(LANE);
        vm.expectRevert(abi.encodeWithSelector(IVault.LaneMismatch.selector, 2, after_));
        settle(Assets.NATIVE, positionAt(1, head), 1, 0, one(ALICE, 1));
    }

    function test_voids_are_bounded_and_only_of_lanes() public {
        bytes24 head = _head();
        vm.startPrank(LANE);
        vm.expectRevert(abi.encodeWithSelector(IVault.OutOfRange.selector, 65_536, 1, 65_535));
        vault.voidNumbers(LANE, 1, head, 65_536);
        vm.expectRevert(IVault.EmptyBatch.selector);
        vault.voidNumbers(LANE, 1, head, 0);
        vm.expectRevert(abi.encodeWithSelector(IVault.NotALane.selector, ALICE));
        vault.voidNumbers(ALICE, 0, 0, 1);
        vm.stopPrank();
    }

    // ------------------------------------------------------------------------------------------------ claims

    function test_hostile_recipients_get_a_claim_and_block_nobody() public {
        address[3] memory hostile =
            [address(new Reverter()), address(new GasBurner()), address(new ReturnBomb())];
        bytes32[] memory payouts = new bytes32[](4);
        for (uint256 i = 0; i < 3; ++i) {
            payouts[i] = pack(hostile[i], 1 ether);
        }
        payouts[3] = pack(ALICE, 1 ether);
        bytes24 head = _head();
        vm.expectEmit(address(vault));
        emit IVault.PayoutFailed(
            Assets.NATIVE, hostile[0], 1 ether, LANE, 1, bytes32(abi.encodeWithSignature("Error(string)", ""))
        );
        vm.prank(LANE);
        settle(Assets.NATIVE, positionAt(1, head), 4 ether, 0, packed(payouts));
        assertEq(ALICE.balance, 1 ether);
        for (uint256 i = 0; i < 3; ++i) {
            assertEq(vault.claimOf(Assets.NATIVE, hostile[i]), 1 ether);
        }
        assertEq(vault.liabilitiesOf(Assets.NATIVE), 3 ether);
        assertEq(vault.floatOf(Assets.NATIVE), FUNDS - 4 ether);
    }

    /// @notice What an event gives as a reason is what came back and nothing of what was there before.
    function test_a_reason_is_padded_with_zeros() public {
        address mute = makeAddr("reverts with nothing");
        address terse = makeAddr("reverts with one byte");
        // PUSH0 PUSH0 REVERT; and MSTORE8 of 0xff, then one byte of it.
        vm.etch(mute, hex"5f5ffd");
        vm.etch(terse, hex"60ff5f5360015ffd");
        address[2] memory to = [mute, terse];
        for (uint256 i = 0; i < 2; ++i) {
            bytes32 reason = i == 0 ? bytes32(0) : bytes32(bytes1(0xff));
            (, uint64 next,) = vault.laneOf(LANE);
            vm.expectEmit(address(vault));
            emit IVault.PayoutFailed(Assets.NATIVE, to[i], 1 ether, LANE, next, reason);
            settleOne(Assets.NATIVE, to[i], 1 ether);
            IVault.Request memory r;
            depositFor(ALICE, Assets.NATIVE, 1 ether);
            r = requestFrom(ALICE, Assets.NATIVE, 1 ether, to[i]);
            vm.expectEmit(address(vault));
            emit IVault.PayoutFailed(Assets.NATIVE, to[i], 1 ether, address(0), r.id, reason);
            vm.prank(LANE);
            vault.settleRequests(Assets.NATIVE, 0, listOf(r));
        }
    }

    function test_a_claim_is_pulled_once_to_wherever_its_owner_says() public {
        address reverter = address(new Reverter());
        settleOne(Assets.NATIVE, reverter, 1 ether);
        vm.startPrank(reverter);
        vm.expectPartialRevert(IVault.TransferFailed.selector);
        vault.claim(Assets.NATIVE, reverter);
        vm.expectRevert(abi.encodeWithSelector(IVault.BadRecipient.selector, address(vault)));
        vault.claim(Assets.NATIVE, address(vault));
        assertEq(vault.claim(Assets.NATIVE, ALICE), 1 ether);
        assertEq(ALICE.balance, 1 ether);
        vm.expectRevert(abi.encodeWithSelector(IVault.NothingToClaim.selector, Assets.NATIVE, reverter));
        vault.claim(Assets.NATIVE, ALICE);
        vm.stopPrank();
        assertEq(vault.liabilitiesOf(Assets.NATIVE), 0);
    }

    function test_a_blocked_recipient_gets_a_claim() public {
        usd.setBlocked(ALICE, true);
        settleOne(address(usd), ALICE, 5e6);
        assertEq(vault.claimOf(address(usd), ALICE), 5e6);
        vm.prank(ALICE);
        vault.claim(address(usd), BOB);
        assertEq(usd.balanceOf(BOB), 5e6);
    }

    /// @notice A token that fails in whatever way: a claim, and not a unit moved.
    function test_every_way_in_which_a_token_can_fail_becomes_a_claim() public {
        MoodyToken.Mood[6] memory moods = [
            MoodyToken.Mood.ReturnsFalse,
            MoodyToken.Mood.Reverts,
            MoodyToken.Mood.BurnsGas,
            MoodyToken.Mood.ReturnsMegabyte,
            MoodyToken.Mood.ReturnsTwo,
            MoodyToken.Mood.MovesAndReverts
        ];
        for (uint96 i = 0; i < 6; ++i) {
            moody.setMood(moods[i]);
            settleOne(address(moody), ALICE, 7);
            assertEq(moody.balanceOf(ALICE), 0);
            assertEq(vault.claimOf(address(moody), ALICE), 7 * (i + 1));
        }
        moody.setMood(MoodyToken.Mood.Honest);
        vm.prank(ALICE);
        vault.claim(address(moody), ALICE);
        assertEq(moody.balanceOf(ALICE), 42);
    }

    function test_a_token_that_takes_more_than_was_paid_is_not_paid_with() public {
        moody.setMood(MoodyToken.Mood.TakesDouble);
        bytes24 head = _head();
        vm.prank(LANE);
        vm.expectRevert(abi.encodeWithSelector(IVault.TokenTookMore.selector, address(moody), 5, 10));
        settle(address(moody), positionAt(1, head), 5, 0, one(ALICE, 5));
    }

    function test_nobody_reenters() public {
        Reentrant recipient = new Reentrant();
        settleOne(Assets.NATIVE, address(new Reverter()), 1 ether);
        bytes24 head = _head();
        bytes[4] memory calls = [
            abi.encodeCall(IVault.claim, (Assets.NATIVE, address(recipient))),
            abi.encodeCall(IVault.deposit, (Assets.NATIVE, 0, address(recipient))),
            abi.encodeCall(IVault.request, (Assets.NATIVE, 1, address(recipient))),
            abi.encodeCall(IVault.voidNumbers, (LANE, 2, head, 1))
        ];
        for (uint256 i = 0; i < calls.length; ++i) {
            recipient.setReentry(address(vault), calls[i]);
            settleOne(Assets.NATIVE, address(recipient), 1 ether);
            moody.setMood(MoodyToken.Mood.Reenters);
            moody.setReentry(address(vault), calls[i]);
            settleOne(address(moody), ALICE, 1);
        }
        assertFalse(recipient.reentered());
        assertEq(address(recipient).balance, 4 ether);
        assertEq(moody.balanceOf(ALICE), 4);
    }

    /// @notice The same for a recipient that looks at its gas, and gives up at once when it is little.
    function testFuzz_short_of_gas_pays_or_reverts_whoever_gives_up_early(uint256 gas) public {
        gas = bound(gas, 60_000, 250_000);
        bytes24 head = _head();
        address payable recipient = payable(address(new Cautious()));
        vm.prank(LANE);
        (bool ok, bytes memory said) = address(vault).call{gas: gas}(
            settlement(Assets.NATIVE, positionAt(1, head), 1 ether, 0, one(recipient, 1 ether))
        );
        assertEq(recipient.balance, ok ? 1 ether : 0);
        assertEq(vault.claimOf(Assets.NATIVE, recipient), 0);
        if (gas > 120_000 && !ok) assertEq(bytes4(said), IVault.InsufficientGas.selector);
    }

    /// @notice A lane that is short of gas cannot turn a payment into a claim: it pays, or it reverts.
    function testFuzz_short_of_gas_pays_or_reverts(uint256 gas) public {
        gas = bound(gas, 30_000, 400_000);
        bytes24 head = _head();
        // Needs most of its allowance.
        address payable recipient = payable(address(new Spender()));
        vm.prank(LANE);
        (bool ok,) = address(vault).call{gas: gas}(
            settlement(Assets.NATIVE, positionAt(1, head), 1 ether, 0, one(recipient, 1 ether))
        );
        assertEq(recipient.balance, ok ? 1 ether : 0);
        assertEq(vault.claimOf(Assets.NATIVE, recipient), 0);
    }
}

/// @notice Takes money if it has gas to think about it.
contract Cautious {
    receive() external payable {
        require(gasleft() > 40_000, "in a hurry");
    }
}

/// @notice Uses nearly all of what an ETH push may use: a fresh slot and some.
contract Spender {
    uint256 private count;

    receive() external payable {
        ++count;
        uint256 until = 28_000;
        while (gasleft() > until) {}
    }
}
