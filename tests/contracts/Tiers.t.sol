// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ERC1271WalletMock} from "tests/contracts/mocks/Wallets.sol";

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";

import {IApprovers} from "contracts/interfaces/IApprovers.sol";
import {IVault} from "contracts/interfaces/IVault.sol";
import {Assets} from "contracts/libraries/Assets.sol";
import {Fixture} from "tests/contracts/Fixture.sol";

/// @notice Instant, approved, delayed: the chain decides by the amount which of them an order needs.
contract TiersTest is Fixture {
    uint256 private constant INSTANT = 100e18;
    uint256 private constant PER_DAY = 250e18;
    uint256 private constant APPROVED = 10_000e18;

    address private immutable ALICE = makeAddr("alice");
    uint256[] private keys;
    address[] private signers;
    ERC1271WalletMock private safe;

    function setUp() public {
        deployVault();
        give(address(dai), address(vault), 1_000_000e18);
        IVault.AssetLimits memory limits = unbound();
        limits.capacity = 10_000_000e18;
        limits.instantPerPayout = INSTANT;
        limits.instantPerDay = PER_DAY;
        limits.approvedPerPayout = uint128(APPROVED);
        vm.prank(GOVERNANCE);
        vault.setLimits(address(dai), limits);
        // Two keys and a contract, in ascending order of addresses.
        (, uint256 ownerKey) = makeAddrAndKey("owner of the safe");
        safe = new ERC1271WalletMock(vm.addr(ownerKey));
        keys = [uint256(keccak256("a")), uint256(keccak256("b")), ownerKey];
        signers = [vm.addr(keys[0]), vm.addr(keys[1]), address(safe)];
        for (uint256 i = 0; i < 3; ++i) {
            for (uint256 k = 0; k < 2; ++k) {
                if (signers[k] < signers[k + 1]) continue;
                (signers[k], signers[k + 1]) = (signers[k + 1], signers[k]);
                (keys[k], keys[k + 1]) = (keys[k + 1], keys[k]);
            }
        }
        vm.prank(GOVERNANCE);
        approvers.setApprovers(signers, 2);
    }

    // --------------------------------------------------------------------------------------------- helpers

    function _batch(address to, uint256 amount) private view returns (IVault.Batch memory b) {
        (, b.first, b.head) = vault.laneOf(LANE);
        (b.asset, b.total) = (address(dai), amount);
        b.payouts = new IVault.Payout[](1);
        b.payouts[0] = IVault.Payout(to, amount);
        b.refs = abi.encodePacked(bytes8("a ref"));
    }

    function _settlement(IVault.Batch memory b, uint64 deadline)
        private
        view
        returns (IApprovers.Settlement memory)
    {
        return IApprovers.Settlement({
            vault: address(vault),
            lane: LANE,
            asset: b.asset,
            first: b.first,
            head: b.head,
            total: b.total,
            payouts: keccak256(abi.encode(b.payouts)),
            refs: keccak256(b.refs),
            deadline: deadline
        });
    }

    function _sign(IVault.Batch memory b, uint256 from, uint256 to)
        private
        view
        returns (IVault.Approval[] memory signed)
    {
        bytes32 digest = approvers.digest(_settlement(b, type(uint64).max));
        signed = new IVault.Approval[](to - from);
        for (uint256 i = from; i < to; ++i) {
            (uint8 v, bytes32 r, bytes32 s) = vm.sign(keys[i], digest);
            signed[i - from] = IVault.Approval(signers[i], abi.encodePacked(r, s, v));
        }
    }

    function _approved(IVault.Batch memory b, IVault.Approval[] memory signed) private {
        vm.prank(LANE);
        vault.settleApproved(b, type(uint64).max, signed);
    }

    // --------------------------------------------------------------------------------------------- approvers

    /// @notice Who is not in a new set does not count any more, whichever place it had in the old one.
    function test_a_new_set_replaces_all_of_the_old() public {
        address[] memory next = new address[](1);
        next[0] = makeAddr("the only one");
        vm.prank(GOVERNANCE);
        approvers.setApprovers(next, 1);
        IVault.Batch memory b = _batch(ALICE, INSTANT + 1);
        for (uint256 i = 0; i < signers.length; ++i) {
            IVault.Approval[] memory signed = _sign(b, i, i + 1);
            vm.expectRevert(abi.encodeWithSelector(IApprovers.NotAnApprover.selector, signers[i]));
            _approved(b, signed);
        }
    }

    // --------------------------------------------------------------------------------------------- instant

    function test_the_keeper_alone_pays_up_to_the_instant_limit() public {
        settleOne(address(dai), ALICE, uint96(INSTANT));
        (, uint64 next, bytes24 head) = vault.laneOf(LANE);
        bytes memory payouts = one(ALICE, uint96(INSTANT) + 1);
        vm.expectRevert(abi.encodeWithSelector(IVault.AboveTier.selector, address(dai), INSTANT));
        vm.prank(LANE);
        settle(address(dai), positionAt(next, head), INSTANT + 1, 0, payouts);
        IVault.Batch memory wide = _batch(ALICE, INSTANT + 1);
        vm.expectRevert(abi.encodeWithSelector(IVault.AboveTier.selector, address(dai), INSTANT));
        vm.prank(LANE);
        vault.settleWide(wide);
    }

    /// @notice A push that fails is kept up to the same limit, to the unit.
    function test_the_most_that_one_may_be_can_be_a_claim() public {
        // A token sends nothing to the zero address.
        settleOne(address(dai), address(0), uint96(INSTANT));
        assertEq(vault.claimOf(address(dai), address(0)), INSTANT);
    }

    /// @notice One too large anywhere in a batch, also after a push that failed, fails the batch.
    function testFuzz_no_payout_hides_among_others(uint256 at, uint256 failing) public {
        (at, failing) = (bound(at, 0, 4), bound(failing, 0, 4));
        bytes32[] memory payouts = new bytes32[](5);
        address blocked = makeAddr("blocked");
        for (uint256 i = 0; i < 5; ++i) {
            payouts[i] = pack(i == failing ? address(vault) : blocked, i == at ? uint96(INSTANT) + 1 : 1);
        }
        (, uint64 next, bytes24 head) = vault.laneOf(LANE);
        vm.expectRevert(abi.encodeWithSelector(IVault.AboveTier.selector, address(dai), INSTANT));
        vm.prank(LANE);
        settle(address(dai), positionAt(next, head), INSTANT + 5, 0, packed(payouts));
    }

    /// @notice ETH has a loop of its own: the limit holds in it too, wherever the one stands that is too large.
    function testFuzz_the_instant_limit_bounds_ether_too(uint256 at, uint256 failing) public {
        (at, failing) = (bound(at, 0, 4), bound(failing, 0, 4));
        give(Assets.NATIVE, address(vault), 1000e18);
        IVault.AssetLimits memory limits = vault.assetLimits(address(dai));
        vm.prank(GOVERNANCE);
        vault.setLimits(Assets.NATIVE, limits);
        settleOne(Assets.NATIVE, ALICE, uint96(INSTANT));
        assertEq(ALICE.balance, INSTANT);
        bytes32[] memory payouts = new bytes32[](5);
        for (uint256 i = 0; i < 5; ++i) {
            // The token takes no ETH.
            payouts[i] = pack(i == failing ? address(dai) : ALICE, i == at ? uint96(INSTANT) + 1 : 1);
        }
        (, uint64 next, bytes24 head) = vault.laneOf(LANE);
        vm.expectRevert(abi.encodeWithSelector(IVault.AboveTier.selector, Assets.NATIVE, INSTANT));
        vm.prank(LANE);
        settle(Assets.NATIVE, positionAt(next, head), INSTANT + 5, 0, packed(payouts));
    }

    /// @notice Approved or announced: far beyond the limits it trips, and nothing is settled.
    function test_every_tier_trips_the_breaker() public {
        vm.prank(LANE);
        vault.announce(address(dai), ALICE, APPROVED, bytes8("a ref"));
        vm.warp(block.timestamp + 1 days);
        IVault.AssetLimits memory limits = vault.assetLimits(address(dai));
        limits.capacity = APPROVED / 4;
        vm.prank(GOVERNANCE);
        vault.setLimits(address(dai), limits);
        IVault.Batch memory b = _batch(ALICE, APPROVED);
        uint256 state = vm.snapshotState();
        IVault.Approval[] memory signed = _sign(b, 0, 2);
        vm.expectEmit(true, true, false, false, address(vault));
        emit IVault.Tripped(IVault.Limit.Asset, address(dai), IVault.Scope.Orders, 0, 0, 0, LANE);
        _approved(b, signed);
        assertEq(dai.balanceOf(ALICE), 0);
        assertEq(vault.assetPausedUntil(address(dai)), block.timestamp + MAX_PAUSE);
        vm.revertToState(state);
        vm.prank(LANE);
        vault.settleAnnounced(b);
        assertEq(dai.balanceOf(ALICE), 0);
        assertEq(vault.assetPausedUntil(address(dai)), block.timestamp + MAX_PAUSE);
        (, uint64 next,) = vault.laneOf(LANE);
        assertEq(next, b.first, "nothing was settled");
    }

    /// @notice The wide form too: the trip persists, because the call does not revert.
    function test_a_wide_batch_trips_and_does_not_revert() public {
        IVault.AssetLimits memory limits = vault.assetLimits(address(dai));
        limits.capacity = 10e18;
        vm.prank(GOVERNANCE);
        vault.setLimits(address(dai), limits);
        IVault.Batch memory b = _batch(ALICE, INSTANT);
        vm.prank(LANE);
        vault.settleWide(b);
        assertEq(dai.balanceOf(ALICE), 0);
        assertEq(vault.assetPausedUntil(address(dai)), block.timestamp + MAX_PAUSE);
    }

    function test_the_keeper_alone_pays_so_much_a_day() public {
        settleOne(address(dai), ALICE, uint96(INSTANT));
        settleOne(address(dai), ALICE, uint96(INSTANT));
        (, uint64 next, bytes24 head) = vault.laneOf(LANE);
        uint256 at = vault.retryAt(address(dai), INSTANT, true);
        assertEq(at, block.timestamp + 1 days / 5);
        assertEq(vault.retryAt(address(dai), INSTANT, false), block.timestamp, "approvers can");
        vm.expectRevert(
            abi.encodeWithSelector(
                IVault.AboveLimit.selector, IVault.Limit.Instant, address(dai), INSTANT, 50e18, at
            )
        );
        vm.prank(LANE);
        settle(address(dai), positionAt(next, head), INSTANT, 0, one(ALICE, uint96(INSTANT)));
        IVault.Batch memory b = _batch(ALICE, INSTANT);
        _approved(b, _sign(b, 0, 2));
        assertEq(dai.balanceOf(ALICE), 3 * INSTANT);
        vm.warp(at);
        settleOne(address(dai), ALICE, uint96(INSTANT));
    }

    // --------------------------------------------------------------------------------------------- approved

    function test_any_m_of_n_approve_with_keys_or_contracts() public {
        for (uint256 from = 0; from < 2; ++from) {
            IVault.Batch memory b = _batch(ALICE, APPROVED);
            _approved(b, _sign(b, from, from + 2));
        }
        IVault.Batch memory last = _batch(ALICE, APPROVED);
        _approved(last, _sign(last, 0, 3));
        assertEq(dai.balanceOf(ALICE), 3 * APPROVED);
    }

    function test_fewer_or_others_do_not() public {
        IVault.Batch memory b = _batch(ALICE, APPROVED);
        IVault.Approval[] memory signed = _sign(b, 0, 1);
        vm.expectRevert(abi.encodeWithSelector(IApprovers.TooFewApprovals.selector, 1, 2));
        _approved(b, signed);
        signed = _sign(b, 0, 2);
        signed[1] = signed[0];
        vm.expectRevert(abi.encodeWithSelector(IApprovers.NotAnApprover.selector, signers[0]));
        _approved(b, signed);
        signed = _sign(b, 0, 2);
        (signed[0], signed[1]) = (signed[1], signed[0]);
        vm.expectRevert(abi.encodeWithSelector(IApprovers.NotAnApprover.selector, signers[0]));
        _approved(b, signed);
        signed = _sign(b, 0, 2);
        signed[0].approver = address(1);
        vm.expectRevert(abi.encodeWithSelector(IApprovers.NotAnApprover.selector, address(1)));
        _approved(b, signed);
        signed = _sign(b, 0, 2);
        signed[0].signature = signed[1].signature;
        vm.expectRevert(abi.encodeWithSelector(IApprovers.BadSignature.selector, signers[0]));
        _approved(b, signed);
        signed = _sign(b, 0, 2);
        vm.mockCallRevert(address(safe), "", "down");
        if (signed[0].approver != address(safe) && signed[1].approver != address(safe)) {
            signed = _sign(b, 1, 3);
        }
        vm.expectRevert(abi.encodeWithSelector(IApprovers.BadSignature.selector, address(safe)));
        _approved(b, signed);
    }

    /// @notice Each thing that is signed is bound: another value, another digest.
    function test_what_was_signed_is_what_is_paid() public {
        IVault.Batch memory b = _batch(ALICE, APPROVED);
        IVault.Approval[] memory signed = _sign(b, 0, 2);
        for (uint256 i = 0; i < 4; ++i) {
            IVault.Batch memory other = _batch(ALICE, APPROVED);
            if (i == 0) other.payouts[0].recipient = LANE;
            if (i == 1) (other.payouts[0].amount, other.total) = (APPROVED - 1, APPROVED - 1);
            if (i == 2) other.refs = abi.encodePacked(bytes8("other"));
            if (i == 3) other.asset = address(moody);
            vm.expectRevert(abi.encodeWithSelector(IApprovers.BadSignature.selector, signers[0]));
            _approved(other, signed);
        }
        vm.expectRevert(abi.encodeWithSelector(IApprovers.BadSignature.selector, signers[0]));
        vm.prank(OTHER_LANE);
        vault.settleApproved(b, type(uint64).max, signed);
        vm.expectRevert(abi.encodeWithSelector(IApprovers.BadSignature.selector, signers[0]));
        vm.prank(LANE);
        vault.settleApproved(b, type(uint64).max - 1, signed);
        _approved(b, signed);
        vm.expectRevert();
        _approved(b, signed);
    }

    function test_approvals_end() public {
        IVault.Batch memory b = _batch(ALICE, APPROVED);
        vm.expectRevert(abi.encodeWithSelector(IVault.ApprovalExpired.selector, block.timestamp - 1));
        vm.prank(LANE);
        vault.settleApproved(b, uint64(block.timestamp - 1), new IVault.Approval[](0));
    }

    /// @notice In the second of their deadline they count still: what is missing then are signatures.
    function test_approvals_count_in_their_last_second() public {
        IVault.Batch memory b = _batch(ALICE, APPROVED);
        vm.expectRevert(abi.encodeWithSelector(IApprovers.TooFewApprovals.selector, 0, 2));
        vm.prank(LANE);
        vault.settleApproved(b, uint64(block.timestamp), new IVault.Approval[](0));
    }

    function test_above_what_approvers_may_it_must_be_announced() public {
        IVault.Batch memory b = _batch(ALICE, APPROVED + 1);
        IVault.Approval[] memory signed = _sign(b, 0, 3);
        vm.expectRevert(abi.encodeWithSelector(IVault.AboveTier.selector, address(dai), APPROVED));
        _approved(b, signed);
    }

    function test_the_digest_is_eip_712() public view {
        IVault.Batch memory b = _batch(ALICE, APPROVED);
        bytes32 typeHash = keccak256(
            "Settlement(address vault,address lane,address asset,uint64 first,bytes24 head,uint256 total,bytes32 payouts,bytes32 refs,uint64 deadline)"
        );
        bytes32 domain = keccak256(
            abi.encode(
                keccak256(
                    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
                ),
                keccak256("Spillway Approvers"),
                keccak256("1"),
                block.chainid,
                address(approvers)
            )
        );
        IApprovers.Settlement memory s = _settlement(b, 7);
        bytes32 inner = keccak256(abi.encode(typeHash, s));
        assertEq(approvers.digest(s), keccak256(abi.encodePacked("\x19\x01", domain, inner)));
    }

    function test_governance_alone_changes_the_set_and_no_power_is_held_twice() public {
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, GUARDIAN));
        vm.prank(GUARDIAN);
        approvers.setApprovers(signers, 1);
        vm.startPrank(GOVERNANCE);
        vm.expectRevert(IApprovers.BadApprovers.selector);
        approvers.setApprovers(signers, 0);
        vm.expectRevert(IApprovers.BadApprovers.selector);
        approvers.setApprovers(signers, 4);
        address[] memory list = new address[](2);
        (list[0], list[1]) = (signers[1], signers[0]);
        vm.expectRevert(IApprovers.BadApprovers.selector);
        approvers.setApprovers(list, 1);
        (list[0], list[1]) = (signers[0], signers[0]);
        vm.expectRevert(IApprovers.BadApprovers.selector);
        approvers.setApprovers(list, 1);
        address[2] memory others = [GOVERNANCE, GUARDIAN];
        for (uint256 i = 0; i < 2; ++i) {
            list = new address[](1);
            list[0] = others[i];
            vm.expectRevert(abi.encodeWithSelector(IApprovers.HoldsOtherPower.selector, others[i]));
            approvers.setApprovers(list, 1);
        }
        list[0] = LANE;
        approvers.setApprovers(list, 1);
        vm.stopPrank();
        assertEq(approvers.approvers(), list);
        IVault.Batch memory b = _batch(ALICE, APPROVED);
        IVault.Approval[] memory signed = new IVault.Approval[](1);
        signed[0].approver = LANE;
        vm.expectRevert(abi.encodeWithSelector(IApprovers.NotAnApprover.selector, LANE));
        _approved(b, signed);
        // Who was in the set before is no approver any more.
        list = new address[](1);
        list[0] = signers[0];
        vm.prank(GOVERNANCE);
        approvers.setApprovers(list, 1);
        signed = _sign(b, 1, 2);
        vm.expectRevert(abi.encodeWithSelector(IApprovers.NotAnApprover.selector, signers[1]));
        _approved(b, signed);
    }

    // --------------------------------------------------------------------------------------------- delayed

    function _announce(uint256 amount) private returns (bytes32 id) {
        vm.prank(LANE);
        return vault.announce(address(dai), ALICE, amount, "a ref");
    }

    function _announced(IVault.Batch memory b) private {
        vm.prank(LANE);
        vault.settleAnnounced(b);
    }

    function test_an_announced_order_is_paid_after_its_delay_once() public {
        uint256 amount = 500_000e18;
        uint48 from = uint48(block.timestamp) + 1 days;
        bytes32 id = vault.announcementId(LANE, address(dai), ALICE, amount, "a ref");
        vm.expectEmit(address(vault));
        emit IVault.Announced(id, LANE, address(dai), ALICE, amount, "a ref", from);
        assertEq(_announce(amount), id);
        (uint48 at, uint48 payable_, bool vetoed) = vault.announcementOf(id);
        assertEq(at, block.timestamp);
        assertEq(payable_, from);
        assertFalse(vetoed);
        vm.warp(from - 1);
        IVault.Batch memory b = _batch(ALICE, amount);
        vm.expectRevert(abi.encodeWithSelector(IVault.NotYetPayable.selector, id, from));
        _announced(b);
        vm.warp(from);
        _announced(b);
        assertEq(dai.balanceOf(ALICE), amount);
        b = _batch(ALICE, amount);
        vm.expectRevert(abi.encodeWithSelector(IVault.NotAnnounced.selector, id));
        _announced(b);
    }

    function test_twice_in_one_batch_is_not_paid_twice() public {
        bytes32 id = _announce(1e18);
        vm.warp(block.timestamp + 1 days);
        IVault.Batch memory b = _batch(ALICE, 1e18);
        IVault.Payout memory p = b.payouts[0];
        b.payouts = new IVault.Payout[](2);
        (b.payouts[0], b.payouts[1]) = (p, p);
        (b.total, b.refs) = (2e18, abi.encodePacked(bytes8("a ref"), bytes8("a ref")));
        vm.expectRevert(abi.encodeWithSelector(IVault.NotAnnounced.selector, id));
        _announced(b);
    }

    function test_a_void_number_needs_no_announcement() public {
        _announce(1e18);
        vm.warp(block.timestamp + 1 days);
        IVault.Batch memory b = _batch(ALICE, 1e18);
        IVault.Payout memory p = b.payouts[0];
        b.payouts = new IVault.Payout[](2);
        b.payouts[1] = p;
        b.refs = abi.encodePacked(bytes8(0), bytes8("a ref"));
        _announced(b);
        assertEq(dai.balanceOf(ALICE), 1e18);
    }

    function test_a_guardian_vetoes_for_good() public {
        bytes32 id = _announce(1e18);
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, LANE));
        vm.prank(LANE);
        vault.veto(id);
        vm.prank(GUARDIAN);
        vault.veto(id);
        vm.expectRevert(abi.encodeWithSelector(IVault.NotAnnounced.selector, id));
        vm.prank(GUARDIAN);
        vault.veto(id);
        vm.warp(block.timestamp + 30 days);
        IVault.Batch memory b = _batch(ALICE, 1e18);
        vm.expectRevert(abi.encodeWithSelector(IVault.Vetoed.selector, id));
        _announced(b);
        vm.expectRevert(abi.encodeWithSelector(IVault.Vetoed.selector, id));
        _announce(1e18);
        vm.expectRevert(abi.encodeWithSelector(IVault.NotAnnounced.selector, bytes32(0)));
        vm.prank(GUARDIAN);
        vault.veto(0);
    }

    /// @notice A pause and its end do not bring back what a stolen key announced, when its lane was disabled.
    function test_what_a_lane_announced_before_it_was_disabled_stays_unpayable() public {
        bytes32 id = _announce(1e18);
        vm.prank(GUARDIAN);
        vault.disableLane(LANE);
        vm.expectRevert(abi.encodeWithSelector(IVault.NotALane.selector, LANE));
        _announce(2e18);
        vm.warp(block.timestamp + 1 days);
        vm.prank(GOVERNANCE);
        vault.enableLane(LANE);
        IVault.Batch memory b = _batch(ALICE, 1e18);
        vm.expectRevert(abi.encodeWithSelector(IVault.NotAnnounced.selector, id));
        _announced(b);
        _announce(1e18);
        vm.warp(block.timestamp + 1 days);
        _announced(b);
        assertEq(dai.balanceOf(ALICE), 1e18);
    }

    function test_an_announcement_is_the_lanes_own_and_ends() public {
        bytes32 id = _announce(1e18);
        vm.expectRevert(abi.encodeWithSelector(IVault.AlreadyAnnounced.selector, id));
        _announce(1e18);
        vm.warp(block.timestamp + 8 days);
        IVault.Batch memory b = _batch(ALICE, 1e18);
        vm.expectRevert(abi.encodeWithSelector(IVault.NotAnnounced.selector, id));
        _announced(b);
        _announce(1e18);
        vm.warp(block.timestamp + 8 days - 1);
        (, b.first, b.head) = vault.laneOf(OTHER_LANE);
        bytes32 other = vault.announcementId(OTHER_LANE, address(dai), ALICE, 1e18, "a ref");
        vm.expectRevert(abi.encodeWithSelector(IVault.NotAnnounced.selector, other));
        vm.prank(OTHER_LANE);
        vault.settleAnnounced(b);
        _announced(_batch(ALICE, 1e18));
    }

    function test_only_what_can_be_paid_is_announced() public {
        vm.startPrank(LANE);
        vm.expectRevert(IVault.ZeroAmount.selector);
        vault.announce(address(dai), ALICE, 0, "a ref");
        vm.expectRevert(abi.encodeWithSelector(IVault.BadRecipient.selector, address(0)));
        vault.announce(address(dai), address(0), 1, "a ref");
        vm.expectRevert(abi.encodeWithSelector(IVault.AssetNotListed.selector, ALICE));
        vault.announce(ALICE, ALICE, 1, "a ref");
        vm.stopPrank();
        vm.startPrank(GOVERNANCE);
        vm.expectRevert(abi.encodeWithSelector(IVault.OutOfRange.selector, 59 minutes, 1 hours, 30 days));
        vault.setApprovals(address(approvers), 59 minutes);
        vault.setApprovals(address(approvers), 2 hours);
        vm.stopPrank();
        (address set, uint32 delay) = vault.approvals();
        assertEq(set, address(approvers));
        assertEq(delay, 2 hours);
    }

    function test_an_announced_order_beyond_the_bucket_waits_or_trips_like_any() public {
        IVault.AssetLimits memory limits = vault.assetLimits(address(dai));
        limits.capacity = 1000e18;
        vm.prank(GOVERNANCE);
        vault.setLimits(address(dai), limits);
        _announce(5000e18);
        vm.warp(block.timestamp + 1 days);
        IVault.Batch memory b = _batch(ALICE, 5000e18);
        _announced(b);
        assertEq(dai.balanceOf(ALICE), 0);
        assertEq(vault.assetPausedUntil(address(dai)), block.timestamp + MAX_PAUSE);
        (uint48 at,,) =
            vault.announcementOf(vault.announcementId(LANE, address(dai), ALICE, 5000e18, "a ref"));
        assertGt(at, 0, "still announced");
    }
}
