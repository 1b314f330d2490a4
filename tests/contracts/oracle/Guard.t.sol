// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {OracleGuard} from "contracts/OracleGuard.sol";
import {IOracleGuard} from "contracts/interfaces/IOracleGuard.sol";
import {IVault} from "contracts/interfaces/IVault.sol";
import {Ask} from "contracts/oracle/Ask.sol";
import {OracleStore} from "contracts/oracle/OracleStore.sol";
import {Reasons} from "contracts/oracle/Reasons.sol";
import {Input, Judgement, LegTarget, Memory, Setup} from "contracts/oracle/Types.sol";
import {OracleFixture} from "tests/contracts/oracle/OracleFixture.sol";
import {StarvedFeed} from "tests/contracts/oracle/Rogues.sol";

/// @notice What the guard says of real feeds and a real pool, what it remembers, and what it stops.
contract GuardTest is OracleFixture {
    function setUp() public {
        deployOracle();
    }

    // -------------------------------------------------------------------------------------------------- prices

    function test_three_real_sources_agree() public view {
        (IOracleGuard.Verdict verdict, uint256 hi, uint256 lo, uint64 reasons) = guard.peek(ETH);
        assertEq(uint256(verdict), uint256(IOracleGuard.Verdict.Healthy));
        assertEq(reasons, 0);
        // 0.5 % of the feed's deviation threshold to each side, and twice Pyth's confidence of 1 USD, which is less: USD per
        // wei, times 1e36.
        assertEq(hi, 2010e18);
        assertEq(lo, 1990e18);
        Judgement memory j = guard.judge(ETH);
        assertEq(j.mid, 2000e18);
        assertEq(j.sourceReasons.length, 3);
    }

    /// @notice The pool's mean is within the width of a tick and the rounding of its cumulative ticks of what it was set to.
    function test_the_pool_means_what_it_trades_at() public {
        Setup memory s = setup();
        s.config.sources[0] = s.config.sources[2];
        s.targets[0] = s.targets[2];
        (s.config.sources[0].role, s.config.sources[0].toleranceBps) = (0, 0);
        configureAs(first(s, 1, 1));
        assertApproxEqRel(guard.judge(ETH).mid, 2000e18, 0.0002e18);
    }

    function test_what_is_not_configured_is_insane() public {
        (IOracleGuard.Verdict verdict, uint256 hi, uint256 lo, uint64 reasons) = guard.peek(address(dai));
        assertEq(uint256(verdict), uint256(IOracleGuard.Verdict.Insane));
        assertEq(hi + lo, 0);
        assertEq(reasons, Reasons.NOT_CONFIGURED);
        vm.expectRevert(abi.encodeWithSelector(OracleStore.NotConfigured.selector, address(dai)));
        guard.record(address(dai));
        assertEq(guard.inputOf(address(dai)).sources.length, 0);
        assertEq(control.memoryOf(address(dai)).sources.length, 0);
        assertEq(control.setupOf(address(dai)).targets.length, 0);
    }

    function test_tokens_of_other_decimals_are_priced_per_unit() public {
        Setup memory s = setup();
        s.tokenDecimals = 6;
        vm.prank(GOVERNANCE);
        control.configure(address(usd), s, ANCHOR, 100);
        (, uint256 hi, uint256 lo,) = guard.peek(address(usd));
        assertEq(hi, 2010e30);
        assertEq(lo, 1990e30);
    }

    function test_each_action_tolerates_what_it_may() public {
        _read(true, true, true);
        // A source that fails alone costs a swap nothing.
        vm.etch(address(pyth), "");
        _read(false, false, false); // 1 of 2 is no quorum: insane
        (, uint64 reasons) = verdictOf(ETH);
        assertTrue(reasons & Reasons.NO_QUORUM != 0);
        assertTrue(reasons & 1 << 1 != 0, "NO_CODE");
    }

    function test_a_third_feed_makes_up_for_one_that_fails() public {
        Setup memory s = setup();
        s.config.sources[2] = s.config.sources[0];
        s.targets[2] = abi.decode(abi.encode(s.targets[0]), (LegTarget[]));
        s.targets[2][0].target = address(deployFeed(8, "ETH / USD", 2001e8));
        configureAs(s);
        _read(true, true, true);
        vm.etch(address(pyth), "");
        _read(true, false, true);
        (IOracleGuard.Verdict verdict, uint64 reasons) = verdictOf(ETH);
        assertEq(uint256(verdict), uint256(IOracleGuard.Verdict.Degraded));
        assertEq(Reasons.ofAsset(reasons), Reasons.DROPPED);
    }

    /// @notice Otherwise whoever made the source fail altogether would bring the swap back.
    function test_a_source_that_our_own_bound_refuses_counts_like_one_that_failed() public {
        Setup memory s = setup();
        s.config.sources[2] = s.config.sources[0];
        s.targets[2] = abi.decode(abi.encode(s.targets[0]), (LegTarget[]));
        s.targets[2][0].target = address(deployFeed(8, "ETH / USD", 2001e8));
        s.config.sources[1].legs[0].ceiling = 2005e18;
        configureAs(s);
        vm.warp(block.timestamp + 1);
        publish(pyth, ETH_USD, 2006e8, 1e8, -8);
        (, uint64 reasons) = verdictOf(ETH);
        assertEq(Reasons.ofAsset(reasons), Reasons.DROPPED | Reasons.OWN_BOUND);
        _read(true, false, true);
        vm.etch(address(pyth), "");
        _read(true, false, true);
    }

    function test_off_its_peg_only_a_liquidation_goes_on() public {
        Setup memory s = setup();
        (s.config.peg, s.config.softBelowBps, s.config.hardBelowBps) = (2000e18, 100, 5000);
        configureAs(s);
        _refresh(1960e8);
        _read(false, false, true);
        (, uint64 reasons) = verdictOf(ETH);
        assertEq(reasons, Reasons.OFF_PEG);
    }

    /// @dev Payouts and repayments are read in any case.
    function _read(bool swap, bool margin, bool liquidation) private {
        (IOracleGuard.Verdict verdict, uint256 hi, uint256 lo, uint64 reasons) = guard.peek(ETH);
        bool[5] memory may = [true, swap, margin, liquidation, true];
        for (uint256 i = 0; i < 5; ++i) {
            IOracleGuard.Action action = IOracleGuard.Action(i);
            if (!may[i]) {
                vm.expectRevert(
                    abi.encodeWithSelector(IOracleGuard.Refused.selector, ETH, action, verdict, reasons)
                );
            }
            (uint256 readLo, uint256 readHi) = guard.read(ETH, action);
            if (may[i]) assertEq(readLo, lo);
            if (may[i]) assertEq(readHi, hi);
        }
    }

    // ----------------------------------------------------------------------------------------------------- gas

    /// @notice Whoever asks with little gas learns nothing, or the truth: want of gas never looks like a broken source.
    function testFuzz_little_gas_changes_no_verdict(uint256 gas, uint8 kind) public {
        if (kind % 3 == 1) vm.etch(address(feed), hex"5b5f56"); // loops for ever
        if (kind % 3 == 2) vm.etch(address(feed), address(new StarvedFeed()).code);
        (bool all, bytes memory truth) =
            address(guard).staticcall{gas: 3_000_000}(abi.encodeCall(IOracleGuard.peek, (ETH)));
        assertTrue(all);
        gas = bound(gas, 0, 1_000_000);
        (bool ok, bytes memory said) =
            address(guard).staticcall{gas: gas}(abi.encodeCall(IOracleGuard.peek, (ETH)));
        if (ok) assertEq(said, truth);
        else assertTrue(said.length == 0 || bytes4(said) == Ask.InsufficientGas.selector);
    }

    function test_a_million_is_enough_even_for_sources_that_burn_it() public {
        vm.etch(address(feed), hex"5b5f56");
        vm.etch(address(pyth), hex"5b5f56");
        vm.etch(address(pool), hex"5b5f56");
        (bool ok, bytes memory said) =
            address(guard).staticcall{gas: 1_000_000}(abi.encodeCall(IOracleGuard.peek, (ETH)));
        assertTrue(ok);
        (uint8 verdict,,, uint64 reasons) = abi.decode(said, (uint8, uint256, uint256, uint64));
        assertEq(verdict, 2);
        assertTrue(reasons & 1 << 2 != 0, "OUT_OF_GAS");
    }

    // -------------------------------------------------------------------------------------------------- memory

    function test_coming_back_takes_several_good_observations() public {
        _refresh(2000e8);
        report(feed, 2500e8);
        Judgement memory j = guard.record(ETH);
        assertEq(j.verdict, 2);
        assertTrue(control.memoryOf(ETH).recovering);
        _refresh(2000e8);
        for (uint256 good = 1; good <= 3; ++good) {
            (IOracleGuard.Verdict verdict, uint64 reasons) = verdictOf(ETH);
            assertEq(uint256(verdict), uint256(IOracleGuard.Verdict.Degraded));
            assertEq(reasons, Reasons.RECOVERING);
            guard.record(ETH);
            assertEq(control.memoryOf(ETH).good, good - 1, "one at a time counts");
            vm.warp(block.timestamp + 60);
            guard.record(ETH);
            assertEq(control.memoryOf(ETH).good, good == 3 ? 0 : good);
        }
        (, uint64 none) = verdictOf(ETH);
        assertEq(none, 0);
        assertFalse(control.memoryOf(ETH).recovering);
    }

    function test_a_jump_on_which_both_agree_is_confirmed_by_what_follows() public {
        _refresh(2000e8);
        guard.record(ETH);
        vm.warp(block.timestamp + 59);
        _refresh(2150e8); // 7.5 % in a minute
        Judgement memory j = guard.record(ETH);
        assertEq(j.verdict, 1);
        assertTrue(j.reasons & Reasons.JUMP != 0 && j.reasons & Reasons.HELD_USED != 0);
        assertEq(control.memoryOf(ETH).last, 2150e18);
        j = guard.judge(ETH);
        assertEq(j.sourceReasons[0] | j.sourceReasons[1], 0);
        // The pool, whose mean lags, is a jump away now.
        assertEq(j.sourceReasons[2], Reasons.JUMP);
        assertEq(Reasons.ofAsset(j.reasons), Reasons.RECOVERING | Reasons.REFERENCE_APART);
    }

    function test_many_calls_in_a_block_do_not_walk_the_price() public {
        vm.warp(block.timestamp + 60);
        for (int64 price = 2000e8; price < 2800e8; price += 80e8) {
            _refresh(price);
            guard.record(ETH);
        }
        assertLt(control.memoryOf(ETH).last, 2100e18);
    }

    function test_the_memory_is_what_was_seen() public {
        vm.warp(block.timestamp + 60);
        _refresh(2000e8);
        guard.record(ETH);
        Memory memory m = control.memoryOf(ETH);
        Input memory i = guard.inputOf(ETH);
        assertEq(m.last, 2000e18);
        assertEq(m.lastAt, block.timestamp);
        for (uint256 s = 0; s < 2; ++s) {
            assertEq(m.sources[s][0].round, i.sources[s][0].roundId);
            assertEq(m.sources[s][0].updatedAt, block.timestamp);
        }
        assertEq(m.sources[2][0].updatedAt, 0, "a pool has no rounds");
        assertEq(m.sources[0][0].round, (uint80(1) << 64) | 3);
    }

    // --------------------------------------------------------------------------------------------------- trips

    /// @notice Nor is there an amount of gas with which an insane price is remembered and swaps go on.
    function testFuzz_little_gas_trips_or_records_nothing(uint256 gas) public {
        report(feed, 2500e8);
        (bool ok, bytes memory said) =
            address(guard).call{gas: bound(gas, 0, 1_000_000)}(abi.encodeCall(OracleGuard.record, (ETH)));
        if (ok) assertEq(vault.pausedUntil(IVault.Scope.Swaps), block.timestamp + 1 hours);
        else assertTrue(said.length == 0 || bytes4(said) == Ask.InsufficientGas.selector);
    }

    function test_an_insane_price_stops_swaps_for_an_hour() public {
        report(feed, 2500e8);
        uint64 reasons = guard.judge(ETH).reasons;
        vm.expectEmit(address(guard));
        emit OracleGuard.Recorded(ETH, IOracleGuard.Verdict.Insane, reasons, 0, 0, 0);
        vm.expectEmit(address(vault));
        emit IVault.Paused(IVault.Scope.Swaps, uint48(block.timestamp) + 1 hours, address(guard));
        vm.expectEmit(address(guard));
        emit OracleGuard.Tripped(ETH, reasons, true);
        guard.record(ETH);
        assertEq(vault.pausedUntil(IVault.Scope.Swaps), block.timestamp + 1 hours);
        for (uint256 i = 0; i < 4; ++i) {
            assertEq(vault.pausedUntil(IVault.Scope(i)), 0);
        }
    }

    /// @notice As long as a guardian's pauses, and no longer: then swaps are refused by the price alone.
    function test_trips_lie_in_one_window() public {
        report(feed, 2500e8);
        guard.record(ETH);
        uint256 end = block.timestamp + MAX_PAUSE;
        vm.warp(end - 1 minutes);
        vm.expectEmit(false, false, false, false, address(guard));
        emit OracleGuard.Tripped(ETH, 0, false);
        Judgement memory j = guard.record(ETH);
        assertEq(j.verdict, 2);
        assertLt(vault.pausedUntil(IVault.Scope.Swaps), block.timestamp);
        vm.warp(end + PAUSE_COOLDOWN);
        guard.record(ETH);
        assertEq(vault.pausedUntil(IVault.Scope.Swaps), block.timestamp + 1 hours);
    }

    function test_a_healthy_or_degraded_price_stops_nothing() public {
        guard.record(ETH);
        vm.warp(block.timestamp + 1 hours + 1); // late: held
        Judgement memory j = guard.record(ETH);
        assertEq(j.verdict, 1);
        assertEq(vault.pausedUntil(IVault.Scope.Swaps), 0);
    }
}
