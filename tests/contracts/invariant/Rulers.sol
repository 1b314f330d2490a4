// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {VersionRegistry} from "contracts/VersionRegistry.sol";
import {IUpgradeGate} from "contracts/interfaces/IUpgradeGate.sol";
import {IVault} from "contracts/interfaces/IVault.sol";
import {VaultExtensionV2, VaultV2} from "tests/contracts/mocks/VaultV2.sol";
import {Books} from "./Books.sol";

/// @notice What guardians and governance may call.
abstract contract Rulers is Books {
    struct Proposal {
        address implementation; // zero: none
        bytes data;
        uint256 at;
    }

    uint256 private constant UPGRADE_DELAY = 2 days;
    uint256 private constant PROBATION = 7 days;

    address private immutable SECOND = address(new VaultV2());
    Proposal private proposal;
    address private before;
    uint256 private probationEnd;
    uint64 private lastVersion = 1;
    bool private migrated;

    function pause(uint256 by, uint256 what, uint256 duration) external {
        address guardian = by % 2 == 0 ? GUARDIAN : OTHER_GUARDIAN;
        uint32 d = uint32(_bound(duration, 1 minutes, duration % 8 == 0 ? MAX_PAUSE / 2 : 3 hours));
        uint256 end = block.timestamp + d;
        if (what % 3 == 0) {
            address asset = _asset(what / 3);
            vm.prank(guardian);
            if (!_call(abi.encodeCall(IVault.pauseAsset, (asset, d)), 0)) return;
            if (end > assetPauseEnds[asset]) assetPauseEnds[asset] = end;
        } else {
            IVault.Scope scope = IVault.Scope((what / 3) % 5);
            vm.prank(guardian);
            if (!_call(abi.encodeCall(IVault.pause, (scope, d)), 0)) return;
            if (end > pauseEnds[scope]) pauseEnds[scope] = end;
        }
        ++done[Verb.Pause];
    }

    function veto(uint256 which) external {
        if (announced.length == 0 || which % 4 != 0) return;
        Announced storage a = announced[which % announced.length];
        vm.prank(GUARDIAN);
        bool ok = _call(abi.encodeCall(IVault.veto, (a.id)), 0);
        assertEq(ok, a.at != 0 && !a.vetoed, "veto");
        if (!ok) return;
        a.vetoed = true;
        ++done[Verb.Veto];
    }

    /// @notice A guardian lowers, or tries to raise.
    function lowerLimits(uint256 which, uint256 what, uint256 by) external {
        address asset = _asset(which);
        if (what % 4 == 0) {
            uint32 capacity = usdCapacity - uint32(_bound(by, 0, usdCapacity / 2));
            if (what % 8 == 0) capacity = usdCapacity + 1;
            vm.prank(GUARDIAN);
            bool taken = _call(abi.encodeCall(IVault.lowerUsdLimit, (capacity, usdWindow)), 0);
            assertEq(taken, capacity <= usdCapacity, "lowerUsdLimit");
            if (taken) _tookUsdLimit(capacity, usdWindow, hardMultiple);
            return;
        }
        IVault.AssetLimits memory l = limits[asset];
        if (what % 4 == 1) (l.capacity, l.window) = (l.capacity / 2, l.window * 2);
        else if (what % 4 == 2) l.instantPerDay /= 2;
        else l.capacity += l.capacity / 10 + 1;
        vm.prank(GUARDIAN);
        bool ok = _call(abi.encodeCall(IVault.lowerLimits, (asset, l)), 0);
        if (what % 4 == 3) assertFalse(ok, "a guardian raised a limit");
        if (!ok) return;
        _tookLimits(asset, l);
        ++done[Verb.LowerLimits];
    }

    function setLimits(uint256 which, uint256 what, uint256 size) external {
        address asset = _asset(which);
        if (what % 4 == 0) {
            uint32 capacity = uint32(_bound(size, 1000, 100_000_000));
            (uint32 window, uint8 multiple) = (uint32(1 + what % 48) * 1 hours, uint8(1 + what % 3));
            _govern(abi.encodeCall(IVault.setUsdLimit, (capacity, window, multiple)));
            _tookUsdLimit(capacity, window, multiple);
        } else {
            IVault.AssetLimits memory l = unbound();
            if (what % 4 != 1) {
                l.capacity = _bound(size, 1, 5000) * 1e21;
                (l.window, l.unpricedShare) = (uint32(1 + what % 48) * 1 hours, uint8(1 + what % 100));
                (l.instantPerPayout, l.instantPerDay) = (l.capacity / 4, l.capacity / 2);
                l.approvedPerPayout = uint128(l.capacity / 2);
            }
            _govern(abi.encodeCall(IVault.setLimits, (asset, l)));
            _tookLimits(asset, l);
        }
        ++done[Verb.SetLimits];
    }

    /// @notice Mostly to mend: what guardians stopped goes on.
    function govern(uint256 what, uint256 which) external {
        (IVault.Scope scope, address asset, address lane) =
            (IVault.Scope(which % 5), _asset(which), _lane(which));
        uint256 choice = what % 10;
        if (choice < 3) {
            // The one that stops most, if it is there.
            if (block.timestamp < pauseEnds[IVault.Scope.Everything]) scope = IVault.Scope.Everything;
            pauseEnds[scope] = block.timestamp;
            _govern(abi.encodeCall(IVault.unpause, (scope)));
        } else if (choice < 5) {
            for (uint256 i = 0; i < assets.length && !_paused(scope, asset); ++i) {
                asset = assets[i];
            }
            assetPauseEnds[asset] = block.timestamp;
            _govern(abi.encodeCall(IVault.unpauseAsset, (asset)));
        } else if (choice == 5) {
            if (lanes[lane].disabled) return;
            lanes[lane].disabled = true;
            vm.prank(GUARDIAN);
            assertTrue(_call(abi.encodeCall(IVault.disableLane, (lane)), 0));
        } else if (choice < 8) {
            if (!lanes[lane].disabled) return;
            (lanes[lane].disabled, lanes[lane].enabledSince) = (false, block.timestamp);
            _govern(abi.encodeCall(IVault.enableLane, (lane)));
        } else if (choice == 8) {
            uint128 low = uint128(_bound(which, 0, 1e24));
            _govern(abi.encodeCall(IVault.setMarks, (asset, low, 2 * low)));
        } else {
            unlisted[asset] = !unlisted[asset] && which % 3 == 0;
            IVault.AssetConfig memory c = IVault.AssetConfig(!unlisted[asset], TOKEN_GAS, 1);
            _govern(abi.encodeCall(IVault.configureAsset, (asset, c)));
        }
        ++done[Verb.Govern];
    }

    /// @notice From version to version and back, in the middle of everything.
    function upgrade(uint256 what) external {
        if (proposal.implementation != address(0)) {
            if (what % 8 == 0) _cancelProposal();
            else _activate();
        } else if (block.timestamp < probationEnd && what % 2 == 0) {
            _rollback();
        } else {
            _propose(what);
        }
    }

    function _propose(uint256 what) private {
        address to = running == SECOND ? implementation : SECOND;
        bytes memory data =
            to == SECOND && !migrated ? abi.encodeCall(VaultExtensionV2.migrate, ()) : bytes("");
        IUpgradeGate judge = what % 3 == 0 ? IUpgradeGate(address(0)) : gate;
        vm.prank(GOVERNANCE);
        registry.propose(address(vault), ++lastVersion, to, to.codehash, "layout", data, judge);
        proposal = Proposal(to, data, block.timestamp);
        ++done[Verb.Propose];
    }

    function _cancelProposal() private {
        vm.prank(GUARDIAN);
        registry.cancel(address(vault));
        delete proposal;
    }

    function _activate() private {
        bool due = block.timestamp >= proposal.at + UPGRADE_DELAY && block.timestamp >= probationEnd;
        vm.prank(GOVERNANCE);
        (bool ok,) =
            address(registry).call(abi.encodeCall(VersionRegistry.activate, (address(vault), proposal.data)));
        assertEq(ok, due, "activate");
        if (!ok) return;
        if (proposal.data.length != 0) migrated = true;
        (before, running, probationEnd) = (running, proposal.implementation, block.timestamp + PROBATION);
        delete proposal;
        ++done[Verb.Activate];
    }

    function _rollback() private {
        vm.prank(GUARDIAN);
        registry.rollback(address(vault));
        (running, probationEnd) = (before, 0);
        ++done[Verb.Rollback];
    }

    function _govern(bytes memory data) private {
        vm.prank(GOVERNANCE);
        assertTrue(_call(data, 0), "governance was refused");
    }
}
