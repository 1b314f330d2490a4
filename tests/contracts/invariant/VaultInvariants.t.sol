// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ERC1967Utils} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Utils.sol";
import {Test} from "forge-std/Test.sol";

import {VersionRegistry} from "contracts/VersionRegistry.sol";
import {IVault} from "contracts/interfaces/IVault.sol";
import {Assets} from "contracts/libraries/Assets.sol";
import {Books} from "tests/contracts/invariant/Books.sol";
import {VaultHandler} from "tests/contracts/invariant/VaultHandler.sol";

/// @notice What holds after every call, whatever was called. The handler's own checks fail the run as well
/// (fail_on_revert): a payment while paused, a replay that passes, a recipient who got too much or too little.
/// forge-config: default.invariant.fail_on_revert = true
/// forge-config: long.invariant.fail_on_revert = true
contract VaultInvariants is Test {
    VaultHandler private handler;
    IVault private vault;

    function setUp() public {
        handler = new VaultHandler();
        vault = IVault(handler.vaultAddress());
        targetContract(address(handler));
    }

    /// @notice What the vault holds covers balances, open requests and claims, and it counts them exactly.
    function invariant_solvency() public view {
        (uint256 people, uint256 assets,,) = handler.counts();
        for (uint256 i = 0; i < assets; ++i) {
            address asset = handler.assets(i);
            uint256 owed = handler.owed(asset);
            for (uint256 k = 0; k < people; ++k) {
                owed += vault.claimOf(asset, handler.people(k));
            }
            assertEq(vault.liabilitiesOf(asset), owed, "liabilities");
            assertGe(Assets.balanceOf(asset, address(vault)), owed, "solvency");
        }
    }

    /// @notice What came in is what people hold, what is in cold, and what the vault holds.
    function invariant_sum_in_is_sum_out_and_held() public view {
        (uint256 people, uint256 assets,,) = handler.counts();
        for (uint256 i = 0; i < assets; ++i) {
            address asset = handler.assets(i);
            uint256 out = Assets.balanceOf(asset, handler.coldAddress());
            assertEq(out, handler.swept(asset), "what left for cold is there");
            for (uint256 k = 0; k < people; ++k) {
                out += Assets.balanceOf(asset, handler.people(k));
            }
            assertEq(out + Assets.balanceOf(asset, address(vault)), handler.sumIn(asset));
        }
    }

    /// @notice A lane's number is settled once, and its head is the hash of exactly what was settled.
    function invariant_each_number_is_settled_once() public view {
        for (uint256 i = 0; i < 2; ++i) {
            (address lane, uint64 bookedNext, bytes24 bookedHead) = handler.laneBooks(i);
            (, uint64 next, bytes24 head) = vault.laneOf(lane);
            assertEq(next, bookedNext, "next");
            assertEq(head, bookedHead, "head");
            if (next > 1) assertEq(handler.settledTimes(lane, next - 1), 1, "once");
            assertEq(handler.settledTimes(lane, next), 0, "not yet");
        }
    }

    /// @notice A request is paid once at most, and its commitment stands exactly while it is open. Looks at one in
    /// sixteen after each call, at all of them in the end.
    function invariant_a_request_is_paid_at_most_once() public view {
        (,, uint256 asked,) = handler.counts();
        for (uint256 k = block.timestamp % 16; k < asked; k += 16) {
            _requireOnce(handler.askedAt(k));
        }
    }

    /// @notice In any time no more is paid than a full bucket and what flowed into it meanwhile: of an asset, by the
    /// keeper alone, and in USD.
    function invariant_outflow_is_bounded_by_the_buckets() public view {
        (, uint256 assets,,) = handler.counts();
        for (uint256 i = 0; i < assets; ++i) {
            assertTrue(handler.isBounded(handler.assets(i)));
        }
    }

    /// @notice Nothing that guardians or the breaker stop is stopped for longer than maxPause from now.
    function invariant_no_pause_outlasts_maxPause() public view {
        uint256 latest = block.timestamp + vault.maxPause();
        for (uint256 i = 0; i <= uint256(type(IVault.Scope).max); ++i) {
            assertLe(vault.pausedUntil(IVault.Scope(i)), latest);
        }
        (, uint256 assets,,) = handler.counts();
        for (uint256 i = 0; i < assets; ++i) {
            assertLe(vault.assetPausedUntil(handler.assets(i)), latest);
        }
    }

    /// @notice An announcement that was paid is gone, one that was vetoed stays vetoed. Looks at one in eight after
    /// each call, at all of them in the end.
    function invariant_an_announcement_is_paid_once_and_never_after_a_veto() public view {
        (,,, uint256 announced) = handler.counts();
        for (uint256 k = block.timestamp % 8; k < announced; k += 8) {
            _requireStanding(handler.announcementAt(k));
        }
    }

    /// @notice The books of the cold balance are what was swept less what was refilled.
    function invariant_cold_books() public view {
        (, uint256 assets,,) = handler.counts();
        for (uint256 i = 0; i < assets; ++i) {
            address asset = handler.assets(i);
            assertEq(vault.treasuryOf(asset).coldBalance, handler.coldBalance(asset));
        }
    }

    /// @notice Limits are what governance and guardians last set, through all upgrades and rollbacks.
    function invariant_limits_are_what_was_set() public view {
        (, uint256 assets,,) = handler.counts();
        for (uint256 i = 0; i < assets; ++i) {
            address asset = handler.assets(i);
            assertEq(abi.encode(vault.assetLimits(asset)), abi.encode(handler.limitsOf(asset)));
        }
        (uint32 capacity, uint32 window, uint8 multiple) = vault.usdLimit();
        (uint32 bookedCapacity, uint32 bookedWindow, uint8 bookedMultiple) = handler.usdLimits();
        assertEq(
            abi.encode(capacity, window, multiple), abi.encode(bookedCapacity, bookedWindow, bookedMultiple)
        );
    }

    /// @notice The proxy runs what the registry says.
    function invariant_the_proxy_runs_what_the_registry_says() public view {
        address runs = address(uint160(uint256(vm.load(address(vault), ERC1967Utils.IMPLEMENTATION_SLOT))));
        assertEq(runs, handler.running());
        (VersionRegistry.Version memory v,) =
            VersionRegistry(handler.registryAddress()).current(address(vault));
        assertEq(v.implementation, runs);
        assertEq(v.codehash, runs.codehash);
    }

    /// @notice At the end of a run: what is too long to look at after each call.
    function afterInvariant() public view {
        (uint256 people, uint256 assets, uint256 asked, uint256 announced) = handler.counts();
        uint256[] memory open = new uint256[](assets);
        for (uint256 k = 0; k < asked; ++k) {
            Books.Asked memory a = handler.askedAt(k);
            _requireOnce(a);
            for (uint256 i = 0; i < assets; ++i) {
                if (a.open && handler.assets(i) == a.request.asset) open[i] += a.request.amount;
            }
        }
        for (uint256 i = 0; i < assets; ++i) {
            address asset = handler.assets(i);
            for (uint256 k = 0; k < people; ++k) {
                uint256 balance = vault.balanceOf(asset, handler.people(k));
                assertEq(balance, handler.balances(asset, handler.people(k)), "balance");
                open[i] += balance;
            }
            assertEq(open[i], handler.owed(asset), "owed");
        }
        for (uint256 k = 0; k < announced; ++k) {
            _requireStanding(handler.announcementAt(k));
        }
        for (uint256 i = 0; i < 2; ++i) {
            (address lane, uint64 next,) = handler.laneBooks(i);
            for (uint64 number = 1; number < next; ++number) {
                assertEq(handler.settledTimes(lane, number), 1, "once");
            }
        }
    }

    function _requireOnce(Books.Asked memory a) private view {
        assertLe(a.paid, 1, "paid twice");
        bytes32 kept = vault.commitmentOf(a.request.id);
        assertEq(kept, a.open ? keccak256(abi.encode(a.request)) : bytes32(0), "commitment");
    }

    function _requireStanding(Books.Announced memory a) private view {
        (uint48 at,, bool vetoed) = vault.announcementOf(a.id);
        assertEq(at, a.at, "announced at");
        assertEq(vetoed, a.vetoed, "vetoed");
    }

    /// @notice The handler reaches every verb: invariants over calls that all fail would say nothing.
    function test_random_calls_reach_every_verb() public {
        for (uint256 i = 0; i < 10_000; ++i) {
            _callAtRandom(uint256(keccak256(abi.encode("verbs", i))));
        }
        for (uint256 verb = 0; verb < handler.VERBS(); ++verb) {
            assertGe(handler.done(Books.Verb(verb)), 10, vm.toString(verb));
        }
        invariant_solvency();
        invariant_sum_in_is_sum_out_and_held();
        invariant_each_number_is_settled_once();
        invariant_outflow_is_bounded_by_the_buckets();
        invariant_no_pause_outlasts_maxPause();
        invariant_cold_books();
        invariant_limits_are_what_was_set();
        invariant_the_proxy_runs_what_the_registry_says();
        afterInvariant();
    }

    function _callAtRandom(uint256 r) private {
        uint256 verb = r % 26;
        (uint256 a, uint256 b, uint256 c, uint256 d, uint256 e) =
            (_mix(r, 1), _mix(r, 2), _mix(r, 3), _mix(r, 4), _mix(r, 5));
        if (verb == 0) handler.deposit(a, b, c);
        else if (verb == 1) handler.topUp(a, b);
        else if (verb == 2) handler.request(a, b, c, d);
        else if (verb == 3) handler.cancel(a, b);
        else if (verb == 4) handler.forceExit(a, b);
        else if (verb == 5) handler.claim(a, b, c);
        else if (verb == 6) handler.settle(a, b, c, d, e);
        else if (verb == 7) handler.settleWide(a, b, c, d, e);
        else if (verb == 8) handler.settleRequests(a, b, c, d, e);
        else if (verb == 9) handler.voidNumbers(a, b, uint64(c), d);
        else if (verb == 10) handler.replay(a, b);
        else if (verb == 11) handler.pause(a, b, c);
        else if (verb < 14) handler.govern(a, b);
        else if (verb == 14) handler.changeTokens(a, b, c % 4 == 0);
        else if (verb == 15) handler.settleApproved(a, b, c, d, e);
        else if (verb == 16) handler.announce(a, b, c, d, e);
        else if (verb == 17) handler.settleAnnounced(a, b, c, d);
        else if (verb == 18) handler.veto(a);
        else if (verb == 19) handler.sweep(a, b, c, d);
        else if (verb == 20) handler.refill(a, b);
        else if (verb == 21) handler.poke(a, b, c);
        else if (verb == 22) handler.setLimits(a, b, c);
        else if (verb == 23) handler.lowerLimits(a, b, c);
        else if (verb == 24) handler.upgrade(a);
        else handler.warp(a);
    }

    function _mix(uint256 r, uint256 salt) private pure returns (uint256) {
        return uint256(keccak256(abi.encode(r, salt)));
    }
}
