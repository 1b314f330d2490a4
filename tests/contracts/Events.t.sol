// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IApprovers} from "contracts/interfaces/IApprovers.sol";
import {IVault} from "contracts/interfaces/IVault.sol";
import {Fixture} from "tests/contracts/Fixture.sol";

/// @notice The keeper's books and everybody who watches follow the events alone: each says what happened.
contract EventsTest is Fixture {
    address private immutable ALICE = makeAddr("alice");
    address private asset;

    function setUp() public {
        deployVault();
        asset = address(dai);
        give(asset, address(vault), 100);
    }

    function _next() private {
        vm.expectEmit(address(vault));
    }

    function test_a_depositors_life() public {
        give(asset, ALICE, 50);
        vm.startPrank(ALICE);
        approve(asset, 50);
        _next();
        emit IVault.Deposited(asset, ALICE, 50, ALICE);
        vault.deposit(asset, 50, ALICE);
        uint64 now_ = uint64(block.timestamp);
        _next();
        emit IVault.Requested(1, ALICE, asset, ALICE, 20, now_);
        vault.request(asset, 20, ALICE);
        IVault.Request memory r = IVault.Request(1, ALICE, asset, ALICE, 20, now_);
        _next();
        emit IVault.RequestCancelled(1);
        vault.cancel(r);
        vm.stopPrank();
        r = requestFrom(ALICE, asset, 10, ALICE);
        vm.warp(block.timestamp + EXIT_DELAY);
        _next();
        emit IVault.RequestForced(2, asset, 10);
        vm.prank(ALICE);
        vault.forceExit(r);
        r = requestFrom(ALICE, asset, 5, ALICE);
        _next();
        emit IVault.RequestsSettled(LANE, asset, 1, 5, "audit");
        vm.prank(LANE);
        vault.settleRequests(asset, "audit", listOf(r));
        usd.setBlocked(ALICE, true);
        give(address(usd), address(vault), 3);
        settleOne(address(usd), ALICE, 3);
        _next();
        emit IVault.Claimed(address(usd), ALICE, COLD, 3);
        vm.prank(ALICE);
        vault.claim(address(usd), COLD);
    }

    function test_a_lanes_life() public {
        address lane = makeAddr("a new lane");
        bytes24 head = bytes24(keccak256(abi.encode(block.chainid, address(vault), lane)));
        _next();
        emit IVault.LaneEnabled(lane, 1, head);
        vm.prank(GOVERNANCE);
        vault.enableLane(lane);
        bytes memory data = settlement(asset, positionAt(1, head), 2, "audit", one(ALICE, 2));
        bytes24 then = bytes24(keccak256(data));
        _next();
        emit IVault.Settled(batchOf(lane, 1, 1));
        vm.prank(lane);
        settle(asset, positionAt(1, head), 2, "audit", one(ALICE, 2));
        data = abi.encodeCall(IVault.voidNumbers, (lane, 2, then, 3));
        _next();
        emit IVault.Voided(lane, LANE, 2, 3, bytes24(keccak256(data)));
        vm.prank(LANE);
        vault.voidNumbers(lane, 2, then, 3);
        _next();
        emit IVault.LaneDisabled(lane, GUARDIAN);
        vm.prank(GUARDIAN);
        vault.disableLane(lane);
        bytes32 id = vault.announcementId(LANE, asset, ALICE, 1, "ref");
        vm.prank(LANE);
        vault.announce(asset, ALICE, 1, "ref");
        _next();
        emit IVault.AnnouncementVetoed(id, GUARDIAN);
        vm.prank(GUARDIAN);
        vault.veto(id);
    }

    function test_pauses() public {
        uint48 end = uint48(block.timestamp) + 1 hours;
        vm.startPrank(GUARDIAN);
        _next();
        emit IVault.Paused(IVault.Scope.Orders, end, GUARDIAN);
        vault.pause(IVault.Scope.Orders, 1 hours);
        _next();
        emit IVault.AssetPaused(asset, end, GUARDIAN);
        vault.pauseAsset(asset, 1 hours);
        vm.stopPrank();
        vm.startPrank(GOVERNANCE);
        _next();
        emit IVault.Paused(IVault.Scope.Orders, end + 5, GOVERNANCE);
        vault.extendPause(IVault.Scope.Orders, end + 5);
        _next();
        emit IVault.AssetPaused(asset, end + 6, GOVERNANCE);
        vault.extendAssetPause(asset, end + 6);
        _next();
        emit IVault.Unpaused(IVault.Scope.Orders, GOVERNANCE);
        vault.unpause(IVault.Scope.Orders);
        _next();
        emit IVault.AssetUnpaused(asset, GOVERNANCE);
        vault.unpauseAsset(asset);
    }

    function test_what_governance_sets() public {
        vm.startPrank(GOVERNANCE);
        _next();
        emit IVault.AssetConfigured(asset, IVault.AssetConfig(true, 50_000, 2));
        vault.configureAsset(asset, IVault.AssetConfig(true, 50_000, 2));
        _next();
        emit IVault.LimitsSet(asset, unbound(), GOVERNANCE);
        vault.setLimits(asset, unbound());
        _next();
        emit IVault.UsdLimitSet(5, 2 hours, 3, GOVERNANCE);
        vault.setUsdLimit(5, 2 hours, 3);
        _next();
        emit IVault.OracleSet(ALICE, 2 hours);
        vault.setOracle(ALICE, 2 hours);
        _next();
        emit IVault.ApprovalsSet(address(approvers), 2 hours);
        vault.setApprovals(address(approvers), 2 hours);
        _next();
        emit IVault.ColdSet(ALICE);
        vault.setCold(ALICE);
        _next();
        emit IVault.MarksSet(asset, 1, 2);
        vault.setMarks(asset, 1, 2);
        // ALICE has no code: no price.
        _next();
        emit IVault.Poked(asset, false, 0, 36, 0);
        vault.poke(asset);
        address[] memory set = new address[](1);
        set[0] = ALICE;
        vm.expectEmit(address(approvers));
        emit IApprovers.ApproversSet(set, 1);
        approvers.setApprovers(set, 1);
    }
}
