// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {ERC1967Utils} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Utils.sol";
import {UpgradeableBeacon} from "@openzeppelin/contracts/proxy/beacon/UpgradeableBeacon.sol";
import {ProxyAdmin} from "@openzeppelin/contracts/proxy/transparent/ProxyAdmin.sol";
import {
    ITransparentUpgradeableProxy
} from "@openzeppelin/contracts/proxy/transparent/TransparentUpgradeableProxy.sol";
import {Initializable} from "@openzeppelin/contracts/proxy/utils/Initializable.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {Vault} from "contracts/Vault.sol";
import {VaultExtension} from "contracts/VaultExtension.sol";
import {VersionRegistry} from "contracts/VersionRegistry.sol";
import {IUpgradeGate} from "contracts/interfaces/IUpgradeGate.sol";
import {IVault} from "contracts/interfaces/IVault.sol";
import {Assets} from "contracts/libraries/Assets.sol";
import {Fixture} from "tests/contracts/Fixture.sol";
import {Reverter} from "tests/contracts/mocks/Recipients.sol";
import {Dead, VaultExtensionBroken, VaultExtensionV2, VaultV2} from "tests/contracts/mocks/VaultV2.sol";

/// @notice From version to version and back, with money inside.
contract UpgradeTest is Fixture {
    address private immutable ALICE = makeAddr("alice");
    address private reverter;
    address private second;
    bytes private migrate = abi.encodeCall(VaultExtensionV2.migrate, ());
    IVault.Request private pending;

    function setUp() public {
        deployVault();
        second = address(new VaultV2());
        reverter = address(new Reverter());
        IVault.AssetLimits memory limits = unbound();
        limits.capacity = 1000e18;
        (limits.instantPerPayout, limits.instantPerDay) = (1000e18, 1000e18);
        vm.startPrank(GOVERNANCE);
        vault.setLimits(address(dai), limits);
        vault.setLimits(Assets.NATIVE, limits);
        vm.stopPrank();
        fundAll(1000e18);
        // A balance, a pending request, a claim, half a bucket, a pause.
        depositFor(ALICE, address(dai), 100e18);
        pending = requestFrom(ALICE, address(dai), 40e18, ALICE);
        settleOne(Assets.NATIVE, reverter, 500e18);
        vm.prank(GUARDIAN);
        vault.pause(IVault.Scope.Deposits, MAX_PAUSE);
    }

    function _propose(address to, bytes memory data, IUpgradeGate gate_) private {
        uint64 number = uint64(registry.history(address(vault)).length + 1);
        vm.prank(GOVERNANCE);
        registry.propose(address(vault), number, to, to.codehash, keccak256("layout"), data, gate_);
    }

    function _activate(bytes memory data) private {
        vm.prank(GOVERNANCE);
        registry.activate(address(vault), data);
    }

    function _upgrade() private {
        _propose(second, migrate, gate);
        vm.warp(block.timestamp + 2 days);
        _activate(migrate);
    }

    function _runs() private view returns (address) {
        return address(uint160(uint256(vm.load(address(vault), ERC1967Utils.IMPLEMENTATION_SLOT))));
    }

    function _v2() private view returns (VaultExtensionV2) {
        return VaultExtensionV2(payable(address(vault)));
    }

    /// @dev Everything that is inside works, under any version. Leaves no trace.
    function _assertAllIsThere() private {
        assertEq(vault.balanceOf(address(dai), ALICE), 60e18);
        assertEq(vault.liabilitiesOf(address(dai)), 100e18);
        assertEq(vault.claimOf(Assets.NATIVE, reverter), 500e18);
        assertEq(vault.commitmentOf(pending.id), keccak256(abi.encode(pending)));
        assertEq(vault.pausedUntil(IVault.Scope.Deposits), 1_800_000_000 + MAX_PAUSE);
        uint256 state = vm.snapshotState();
        vm.prank(LANE);
        vault.settleRequests(address(dai), 0, listOf(pending));
        assertEq(dai.balanceOf(ALICE), 40e18);
        _assertClaimIsPaid();
        settleOne(address(dai), ALICE, 1e18);
        vm.revertToState(state);

        state = vm.snapshotState();
        _assertForcedAt(pending, Math.max(block.timestamp, uint256(pending.createdAt) + EXIT_DELAY));
        vm.revertToState(state);
    }

    function _assertClaimIsPaid() private {
        (uint256 had, uint256 owed) = (ALICE.balance, vault.liabilitiesOf(Assets.NATIVE));
        vm.prank(reverter);
        vault.claim(Assets.NATIVE, ALICE);
        assertEq(ALICE.balance, had + 500e18);
        assertEq(vault.claimOf(Assets.NATIVE, reverter), 0);
        assertEq(vault.liabilitiesOf(Assets.NATIVE), owed - 500e18);
    }

    /// @dev From then on Alice takes her request out herself, and not a second before.
    function _assertForcedAt(IVault.Request memory r, uint256 readyAt) private {
        if (block.timestamp < readyAt) {
            vm.warp(readyAt - 1);
            vm.expectRevert(abi.encodeWithSelector(IVault.ExitNotReached.selector, r.id, readyAt));
            vm.prank(ALICE);
            vault.forceExit(r);
            vm.warp(readyAt);
        }
        (uint256 had, uint256 owed) = (dai.balanceOf(ALICE), vault.liabilitiesOf(address(dai)));
        vm.prank(ALICE);
        vault.forceExit(r);
        assertEq(dai.balanceOf(ALICE), had + r.amount);
        assertEq(vault.liabilitiesOf(address(dai)), owed - r.amount);
        assertEq(vault.commitmentOf(r.id), 0);
    }

    /// @dev All that the gate compares, and what it does not look at: what is whose.
    function _inside() private view returns (bytes memory) {
        (bool enabled, uint64 next, bytes24 head) = vault.laneOf(LANE);
        return abi.encode(
            gate.state(address(vault)),
            vault.balanceOf(address(dai), ALICE),
            vault.claimOf(Assets.NATIVE, reverter),
            vault.commitmentOf(pending.id),
            abi.encode(enabled, next, head)
        );
    }

    function test_up_and_back_with_everything_inside() public {
        _assertAllIsThere();
        uint256 left = vault.limitState(Assets.NATIVE, IVault.Limit.Asset).left;
        assertEq(left, 500e18);
        _propose(second, migrate, gate);
        vm.warp(block.timestamp + 2 days);
        // Half a bucket again, at the moment of the upgrade.
        settleOne(address(dai), LANE, 500e18);
        bytes memory before = _inside();
        _activate(migrate);
        assertEq(_runs(), second);
        assertEq(_inside(), before);
        assertEq(_v2().exitDelayOf(address(dai)), EXIT_DELAY);
        assertEq(vault.limitState(address(dai), IVault.Limit.Asset).left, 500e18);
        _assertAllIsThere();
        vm.expectRevert(Initializable.InvalidInitialization.selector);
        _v2().migrate();

        // Version 2 writes; the first must find it.
        (, uint64 next,) = vault.laneOf(LANE);
        settleOne(address(dai), ALICE, 2e18);
        left = vault.limitState(address(dai), IVault.Limit.Asset).left;
        before = _inside();
        vm.prank(GUARDIAN);
        registry.rollback(address(vault));
        assertEq(_runs(), implementation);
        assertEq(_inside(), before);
        (, uint64 after_,) = vault.laneOf(LANE);
        assertEq(after_, next + 1);
        assertEq(vault.limitState(address(dai), IVault.Limit.Asset).left, left);
        vm.expectRevert();
        _v2().exitDelayOf(address(dai));
        vm.expectRevert(Initializable.InvalidInitialization.selector);
        VaultExtension(payable(address(vault))).initialize(ALICE, 1 days, 1 days, 1 days);
        _assertAllIsUsed();
    }

    /// @dev The claim, the request, the pause, the lane, and the bucket to its last unit.
    function _assertAllIsUsed() private {
        _assertClaimIsPaid();
        uint256 had = dai.balanceOf(ALICE);
        vm.prank(LANE);
        vault.settleRequests(address(dai), 0, listOf(pending));
        assertEq(dai.balanceOf(ALICE), had + 40e18);
        assertEq(vault.liabilitiesOf(address(dai)), 60e18);
        vm.expectPartialRevert(IVault.IsPaused.selector);
        vault.deposit(address(dai), 1, ALICE);

        give(address(dai), address(vault), 1000e18);
        uint96 left = uint96(vault.limitState(address(dai), IVault.Limit.Asset).left);
        assertGt(left, 457e18);
        (, uint64 next, bytes24 head) = vault.laneOf(LANE);
        vm.prank(LANE);
        (bool ok, bytes memory said) = address(vault)
            .call(settlement(address(dai), positionAt(next, head), left + 1, 0, one(ALICE, left + 1)));
        assertFalse(ok);
        assertEq(bytes4(said), IVault.AboveLimit.selector);
        settleOne(address(dai), ALICE, left);
        assertEq(dai.balanceOf(ALICE), had + 40e18 + left);
        assertEq(vault.limitState(address(dai), IVault.Limit.Asset).left, 0);
    }

    /// @notice Under version 2 the delay of the asset counts, as it was migrated and as it was set since; under version 1
    /// the one of all assets, for requests that were made under version 2 too.
    function test_each_version_forces_by_its_own_delay() public {
        _upgrade();
        _assertForcedAt(pending, block.timestamp);
        IVault.Request memory r = requestFrom(ALICE, address(dai), 10e18, ALICE);
        _assertForcedAt(r, block.timestamp + EXIT_DELAY);
        vm.prank(GOVERNANCE);
        _v2().setExitDelay(address(dai), 2 hours);
        r = requestFrom(ALICE, address(dai), 11e18, ALICE);
        _assertForcedAt(r, block.timestamp + 2 hours);

        r = requestFrom(ALICE, address(dai), 12e18, ALICE);
        vm.prank(GUARDIAN);
        registry.rollback(address(vault));
        _assertForcedAt(r, block.timestamp + EXIT_DELAY);
        // And up again: what was set is there, and nothing is migrated twice.
        _propose(second, "", gate);
        vm.warp(block.timestamp + 2 days);
        _activate("");
        assertEq(_v2().exitDelayOf(address(dai)), 2 hours);
        r = requestFrom(ALICE, address(dai), 13e18, ALICE);
        _assertForcedAt(r, block.timestamp + 2 hours);
    }

    function test_history_says_what_ran_when() public {
        (VersionRegistry.Version memory now_, uint256 end) = registry.current(address(vault));
        assertEq(now_.number, 1);
        assertEq(now_.implementation, implementation);
        assertEq(end, 0);
        _upgrade();
        (now_, end) = registry.current(address(vault));
        assertEq(now_.number, 2);
        assertEq(end, block.timestamp + 7 days);
        assertEq(now_.layoutHash, keccak256("layout"));
        VersionRegistry.Version[] memory all = registry.history(address(vault));
        assertEq(all.length, 2);
        assertEq(uint256(all[0].status), uint256(VersionRegistry.Status.Superseded));
        assertEq(uint256(all[1].status), uint256(VersionRegistry.Status.Active));
        assertEq(all[1].since, block.timestamp);
        vm.expectEmit(address(registry));
        emit VersionRegistry.RolledBack(address(vault), 2, 1, GUARDIAN);
        vm.prank(GUARDIAN);
        registry.rollback(address(vault));
        (, uint256 probationEnd) = registry.current(address(vault));
        assertEq(probationEnd, 0);
        all = registry.history(address(vault));
        assertEq(uint256(all[0].status), uint256(VersionRegistry.Status.Active));
        assertEq(uint256(all[1].status), uint256(VersionRegistry.Status.RolledBack));
        vm.expectRevert(abi.encodeWithSelector(VersionRegistry.NotOnProbation.selector, address(vault)));
        vm.prank(GUARDIAN);
        registry.rollback(address(vault));
    }

    /// @notice The way back is no part of what it leads away from.
    function test_a_dead_version_is_rolled_back() public {
        address dead = address(new Dead());
        _propose(dead, "", IUpgradeGate(address(0)));
        vm.warp(block.timestamp + 2 days);
        _activate("");
        vm.expectRevert(bytes("dead"));
        vault.lastRequestId();
        vm.prank(GUARDIAN);
        registry.rollback(address(vault));
        _assertAllIsThere();
    }

    function test_the_gate_stops_what_an_upgrade_must_not_change() public {
        for (uint256 fault = 0; fault < 11; ++fault) {
            uint256 state = vm.snapshotState();
            address broken = address(new Vault(address(new VaultExtensionBroken(fault))));
            _propose(broken, migrate, gate);
            vm.warp(block.timestamp + 2 days);
            vm.expectPartialRevert(VersionRegistry.GateClosed.selector);
            _activate(migrate);
            assertEq(_runs(), implementation);
            vm.revertToState(state);
        }
    }

    function test_probation_ends() public {
        _upgrade();
        vm.warp(block.timestamp + 7 days);
        vm.expectRevert(abi.encodeWithSelector(VersionRegistry.NotOnProbation.selector, address(vault)));
        vm.prank(GUARDIAN);
        registry.rollback(address(vault));
    }

    function test_the_delay_is_waited_for() public {
        _propose(second, migrate, gate);
        uint256 from = block.timestamp + 2 days;
        vm.warp(from - 1);
        vm.expectRevert(abi.encodeWithSelector(VersionRegistry.TooEarly.selector, from));
        _activate(migrate);
        vm.warp(from);
        vm.expectEmit(address(registry));
        emit VersionRegistry.Activated(address(vault), 2, second, from + 7 days);
        _activate(migrate);
    }

    function test_what_was_proposed_is_what_is_activated() public {
        vm.expectRevert(
            abi.encodeWithSelector(VersionRegistry.WrongCode.selector, second, bytes32(0), second.codehash)
        );
        vm.prank(GOVERNANCE);
        registry.propose(address(vault), 2, second, 0, 0, "", gate);
        vm.expectRevert(
            abi.encodeWithSelector(VersionRegistry.WrongCode.selector, ALICE, ALICE.codehash, ALICE.codehash)
        );
        vm.prank(GOVERNANCE);
        registry.propose(address(vault), 2, ALICE, ALICE.codehash, 0, "", gate);
        _propose(second, migrate, gate);
        vm.warp(block.timestamp + 2 days);
        vm.expectRevert(
            abi.encodeWithSelector(VersionRegistry.WrongData.selector, keccak256(migrate), keccak256(""))
        );
        _activate("");
        bytes32 code = second.codehash;
        vm.etch(second, hex"00");
        vm.expectRevert(
            abi.encodeWithSelector(VersionRegistry.WrongCode.selector, second, code, second.codehash)
        );
        _activate(migrate);
    }

    function test_one_at_a_time_and_never_on_probation() public {
        vm.expectRevert(abi.encodeWithSelector(VersionRegistry.NothingProposed.selector, address(vault)));
        _activate(migrate);
        vm.expectRevert(abi.encodeWithSelector(VersionRegistry.NumberNotHigher.selector, 1, 1));
        vm.prank(GOVERNANCE);
        registry.propose(address(vault), 1, second, second.codehash, 0, "", gate);
        _upgrade();
        address third = address(new Vault(address(new VaultExtensionV2())));
        _propose(third, "", gate);
        vm.expectRevert(abi.encodeWithSelector(VersionRegistry.StillProposed.selector, address(vault), 3));
        vm.prank(GOVERNANCE);
        registry.propose(address(vault), 4, third, third.codehash, 0, "", gate);
        uint256 end = block.timestamp + 7 days;
        vm.warp(end - 1);
        vm.expectRevert(abi.encodeWithSelector(VersionRegistry.OnProbation.selector, end));
        _activate("");
        vm.warp(end);
        _activate("");
        assertEq(_runs(), third);
        vm.prank(GUARDIAN);
        registry.rollback(address(vault));
        assertEq(_runs(), second);
    }

    function test_a_guardian_takes_a_proposal_off_the_table() public {
        _propose(second, migrate, gate);
        vm.expectEmit(address(registry));
        emit VersionRegistry.Cancelled(address(vault), 2, GUARDIAN);
        vm.prank(GUARDIAN);
        registry.cancel(address(vault));
        assertEq(
            uint256(registry.history(address(vault))[1].status), uint256(VersionRegistry.Status.Cancelled)
        );
        vm.warp(block.timestamp + 2 days);
        vm.expectRevert(abi.encodeWithSelector(VersionRegistry.NothingProposed.selector, address(vault)));
        _activate(migrate);
        vm.expectRevert(abi.encodeWithSelector(VersionRegistry.NumberNotHigher.selector, 2, 2));
        vm.prank(GOVERNANCE);
        registry.propose(address(vault), 2, second, second.codehash, 0, "", gate);
        _propose(second, migrate, gate);
        vm.warp(block.timestamp + 2 days);
        _activate(migrate);
    }

    function test_who_may() public {
        address[3] memory all = [GOVERNANCE, GUARDIAN, ALICE];
        bytes[5] memory calls = [
            abi.encodeCall(
                VersionRegistry.propose, (address(vault), 2, second, second.codehash, 0, migrate, gate)
            ),
            abi.encodeCall(VersionRegistry.activate, (address(vault), migrate)),
            abi.encodeCall(VersionRegistry.register, (ALICE, ProxyAdmin(proxyAdmin), 1, second, bytes32(0))),
            abi.encodeCall(VersionRegistry.cancel, (address(vault))),
            abi.encodeCall(VersionRegistry.rollback, (address(vault)))
        ];
        for (uint256 i = 0; i < calls.length; ++i) {
            for (uint256 k = 0; k < all.length; ++k) {
                uint256 state = vm.snapshotState();
                vm.prank(all[k]);
                (bool ok, bytes memory said) = address(registry).call(calls[i]);
                assertFalse(ok && said.length != 0);
                bool refused = keccak256(said)
                    == keccak256(
                        abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, all[k])
                    );
                assertEq(refused, k != (i < 3 ? 0 : 1), vm.toString(i));
                vm.revertToState(state);
            }
        }
        vm.expectRevert();
        vm.prank(GOVERNANCE);
        ProxyAdmin(proxyAdmin).upgradeAndCall(ITransparentUpgradeableProxy(address(vault)), second, "");
        bytes memory direct = abi.encodeCall(
            ProxyAdmin.upgradeAndCall, (ITransparentUpgradeableProxy(address(vault)), second, "")
        );
        vm.expectRevert();
        vm.prank(GOVERNANCE);
        manager.execute(proxyAdmin, direct);
    }

    function test_only_what_it_owns_is_registered_once() public {
        vm.startPrank(GOVERNANCE);
        vm.expectRevert(abi.encodeWithSelector(VersionRegistry.AlreadyRegistered.selector, address(vault)));
        registry.register(address(vault), ProxyAdmin(proxyAdmin), 1, implementation, 0);
        ProxyAdmin other = new ProxyAdmin(ALICE);
        vm.expectRevert(abi.encodeWithSelector(VersionRegistry.NotOwnerOfAdmin.selector, address(other)));
        registry.register(ALICE, other, 1, implementation, 0);
        vm.expectRevert(abi.encodeWithSelector(VersionRegistry.UnknownProxy.selector, ALICE));
        registry.propose(ALICE, 2, second, second.codehash, 0, "", gate);
        vm.stopPrank();
        vm.expectRevert(abi.encodeWithSelector(VersionRegistry.UnknownProxy.selector, ALICE));
        registry.current(ALICE);

        ProxyAdmin owned = new ProxyAdmin(address(registry));
        vm.expectEmit(address(registry));
        emit VersionRegistry.Registered(ALICE, 7, implementation);
        vm.prank(GOVERNANCE);
        registry.register(ALICE, owned, 7, implementation, bytes32(uint256(3)));
        (VersionRegistry.Version memory v,) = registry.current(ALICE);
        assertEq(v.number, 7);
        assertEq(v.layoutHash, bytes32(uint256(3)));
        assertEq(v.codehash, implementation.codehash);
        assertEq(address(v.gate), address(0));
    }

    function test_a_proposal_says_from_when_it_may_be_activated() public {
        vm.expectEmit(address(registry));
        emit VersionRegistry.Proposed(
            address(vault), 2, second, keccak256("layout"), block.timestamp + 2 days
        );
        _propose(second, migrate, gate);
    }

    /// @notice A beacon calls nothing when it is upgraded.
    function test_a_beacon_is_upgraded_without_a_call() public {
        UpgradeableBeacon beacon = new UpgradeableBeacon(implementation, address(registry));
        vm.startPrank(GOVERNANCE);
        registry.register(address(beacon), ProxyAdmin(address(beacon)), 1, implementation, 0);
        vm.expectRevert(abi.encodeWithSelector(VersionRegistry.BeaconWithData.selector, address(beacon)));
        registry.propose(address(beacon), 2, second, second.codehash, 0, hex"01", IUpgradeGate(address(0)));
        registry.propose(address(beacon), 2, second, second.codehash, 0, "", IUpgradeGate(address(0)));
        vm.warp(block.timestamp + 2 days);
        registry.activate(address(beacon), "");
        vm.stopPrank();
        assertEq(beacon.implementation(), second);
    }

    /// @notice The gate sees each of the limits, and what is spent of them.
    function test_the_gate_sees_limits_and_what_is_spent() public {
        bytes memory before = gate.state(address(vault));
        uint256 state = vm.snapshotState();
        vm.prank(GOVERNANCE);
        vault.setUsdLimit(999_999, 1 days, 2);
        assertNotEq(gate.state(address(vault)), before, "the limit in USD");
        vm.revertToState(state);
        vm.prank(GOVERNANCE);
        vault.setApprovals(address(approvers), 2 days);
        assertNotEq(gate.state(address(vault)), before, "the delay of announcements");
        vm.revertToState(state);
        vm.warp(block.timestamp + 1);
        assertNotEq(gate.state(address(vault)), before, "what is left of a bucket");
    }

    /// @notice Nothing of an asset changes unseen: each answer of the vault, if it were another, is another state.
    function test_the_gate_reads_all_of_an_asset() public {
        bytes32 before = keccak256(gate.state(address(vault)));
        address asset = vault.assets()[0];
        bytes[9] memory questions = [
            abi.encodeCall(IVault.liabilitiesOf, (asset)),
            abi.encodeCall(IVault.assetPausedUntil, (asset)),
            abi.encodeCall(IVault.assetConfig, (asset)),
            abi.encodeCall(IVault.assetLimits, (asset)),
            abi.encodeCall(IVault.treasuryOf, (asset)),
            abi.encodeCall(IVault.swapRules, (asset)),
            abi.encodeCall(IVault.swapLimitState, (asset)),
            abi.encodeCall(IVault.limitState, (asset, IVault.Limit.Asset)),
            abi.encodeCall(IVault.limitState, (asset, IVault.Limit.Instant))
        ];
        uint256[16] memory other;
        for (uint256 i = 0; i < other.length; ++i) {
            other[i] = 1;
        }
        for (uint256 i = 0; i < questions.length; ++i) {
            vm.mockCall(address(vault), questions[i], abi.encode(other));
            assertNotEq(keccak256(gate.state(address(vault))), before, vm.toString(i));
            vm.clearMockedCalls();
        }
        assertEq(keccak256(gate.state(address(vault))), before);
    }

    function test_the_gate_reads_every_scope() public {
        bytes32 before = keccak256(gate.state(address(vault)));
        for (uint256 i = 0; i <= uint256(type(IVault.Scope).max); ++i) {
            bytes memory question = abi.encodeCall(IVault.pausedUntil, (IVault.Scope(i)));
            vm.mockCall(address(vault), question, abi.encode(block.timestamp + 1));
            assertNotEq(keccak256(gate.state(address(vault))), before, vm.toString(i));
            vm.clearMockedCalls();
        }
        assertEq(keccak256(gate.state(address(vault))), before);
    }

    function test_the_delays_have_bounds() public {
        uint32[2][4] memory bad = [
            [uint32(1 hours) - 1, uint32(1 days)],
            [uint32(30 days) + 1, uint32(1 days)],
            [uint32(1 hours), uint32(1 days) - 1],
            [uint32(1 hours), uint32(90 days) + 1]
        ];
        for (uint256 i = 0; i < bad.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(VersionRegistry.BadDelays.selector, bad[i][0], bad[i][1]));
            new VersionRegistry(address(manager), bad[i][0], bad[i][1]);
        }
        new VersionRegistry(address(manager), 1 hours, 1 days);
        new VersionRegistry(address(manager), 30 days, 90 days);
    }
}
