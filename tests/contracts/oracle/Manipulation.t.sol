// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IOracleGuard} from "contracts/interfaces/IOracleGuard.sol";
import {IVault} from "contracts/interfaces/IVault.sol";
import {Reasons} from "contracts/oracle/Reasons.sol";
import {Judgement, Setup} from "contracts/oracle/Types.sol";
import {OracleFixture} from "tests/contracts/oracle/OracleFixture.sol";
import {IUniswapV3Pool} from "tests/contracts/oracle/Published.sol";

/// @notice Real swaps in Uniswap's own pool, by somebody with all the money in the world, against the guard.
contract ManipulationTest is OracleFixture {
    /// 1.0001^1824 is 1.2001.
    int24 private constant FIFTH = 1824;

    function setUp() public {
        deployOracle();
        // The pool alone prices ETH here.
        Setup memory s = setup();
        s.config.sources[0] = s.config.sources[2];
        s.targets[0] = s.targets[2];
        (s.config.sources[0].role, s.config.sources[0].toleranceBps) = (0, 0);
        configureAs(first(s, 1, 1));
        (, uint64 reasons) = verdictOf(ETH);
        assertEq(Reasons.ofAsset(reasons), Reasons.SINGLE_SOURCE);
    }

    function _mid() private view returns (uint256) {
        return guard.judge(ETH).mid;
    }

    /// @dev Trades that change nothing, so that the pool writes observations, as a busy one does.
    function _pass(uint256 time) private {
        for (uint256 i = 0; i < time; i += 60) {
            vm.warp(block.timestamp + 60);
            movePool(1);
            movePool(-1);
        }
    }

    /// @notice Within one transaction the mean does not move, and the spot gives the swap away.
    function test_a_flash_swap_moves_no_price_and_is_seen() public {
        uint256 before = _mid();
        vm.warp(block.timestamp + 12);
        movePool(FIFTH);
        Judgement memory j = guard.judge(ETH);
        assertTrue(j.sourceReasons[0] & Reasons.SPOT_OFF_MEAN != 0);
        assertEq(j.verdict, 2, "no other source: no price");
        movePool(-FIFTH);
        assertEq(_mid(), before);
        (, uint64 reasons) = verdictOf(ETH);
        assertEq(reasons, Reasons.SINGLE_SOURCE);
    }

    /// @notice Whoever swaps there and back cannot make an asset sick, nor stop swaps, by having it recorded in between.
    function test_a_flash_swap_is_not_remembered_and_trips_nothing() public {
        movePool(FIFTH);
        Judgement memory j = guard.record(ETH);
        assertEq(j.verdict, 2);
        movePool(-FIFTH);
        assertFalse(control.memoryOf(ETH).recovering);
        assertEq(vault.pausedUntil(IVault.Scope.Swaps), 0);
        (, uint64 reasons) = verdictOf(ETH);
        assertEq(reasons, Reasons.SINGLE_SOURCE);
    }

    /// @notice Held for several blocks, at a cost: the spot is off the mean until the mean has followed, which takes most
    /// of the window. At no moment there is a price that is far off.
    function test_a_price_that_is_held_up_is_no_price_for_most_of_the_window() public {
        movePool(FIFTH);
        uint256 refused;
        for (uint256 t = 0; t < WINDOW; t += 60) {
            _pass(60);
            Judgement memory j = guard.judge(ETH);
            if (j.verdict == 2) refused += 60;
            else assertApproxEqRel(j.mid, 2400e18, 0.0205e18, "spot and mean are within maxTicks");
        }
        assertGe(refused, WINDOW * 8 / 10);
    }

    /// @notice With a feed beside it the pool checks, and what it says while it is manipulated is dropped, not averaged.
    function test_a_manipulated_pool_costs_a_reference_not_the_price() public {
        configureAs(setup());
        movePool(FIFTH);
        (IOracleGuard.Verdict verdict, uint256 hi,, uint64 reasons) = guard.peek(ETH);
        assertEq(uint256(verdict), uint256(IOracleGuard.Verdict.Degraded));
        assertEq(Reasons.ofAsset(reasons), Reasons.REFERENCE_MISSING);
        assertEq(hi, 2010e18, "the price is what the feeds say");
        _pass(WINDOW);
        _refresh(2000e8);
        (, hi,, reasons) = guard.peek(ETH);
        assertTrue(reasons & Reasons.REFERENCE_APART != 0, "the mean has followed: the pool disagrees");
        assertEq(hi, 2010e18);
    }

    /// @notice Inverse, April 2022: a thin pool. Liquidity that leaves is seen over the window, not only now.
    function test_liquidity_that_leaves_is_seen() public {
        trader.withdraw(pool, -887_270, 887_270, LIQUIDITY * 9 / 10);
        (, uint64 reasons) = verdictOf(ETH);
        assertEq(reasons & Reasons.THIN_LIQUIDITY, 0, "a moment is not the window");
        _pass(WINDOW / 2);
        (, reasons) = verdictOf(ETH);
        assertTrue(reasons & Reasons.THIN_LIQUIDITY != 0);
        trader.provide(pool, -887_270, 887_270, LIQUIDITY * 9 / 10);
        (, reasons) = verdictOf(ETH);
        assertTrue(reasons & Reasons.THIN_LIQUIDITY != 0, "bringing it back for a moment mends nothing");
        _pass(WINDOW);
        (, reasons) = verdictOf(ETH);
        assertEq(reasons & Reasons.THIN_LIQUIDITY, 0);
    }

    /// @notice A pool that keeps one observation has no window, however old it is.
    function test_a_pool_without_a_memory_has_no_window() public {
        IUniswapV3Pool small =
            deployPool(address(weth), address(usd), _wethIsToken1() ? TICK : -TICK, LIQUIDITY, 1);
        Setup memory s = setup();
        s.targets[2][0].target = address(small);
        configureAs(s);
        vm.warp(block.timestamp + 1 days);
        _refresh(2000e8);
        assertEq(guard.judge(ETH).sourceReasons[2], 0, "undisturbed, its one observation is old enough");
        trader.push(small, (_wethIsToken1() ? TICK : -TICK) - 1);
        assertEq(
            guard.judge(ETH).sourceReasons[2], Reasons.SHORT_WINDOW | Reasons.THIN_LIQUIDITY, "overwritten"
        );
        small.increaseObservationCardinalityNext(100);
        for (uint256 t = 0; t < WINDOW; t += 60) {
            assertTrue(guard.judge(ETH).sourceReasons[2] & Reasons.SHORT_WINDOW != 0);
            vm.warp(block.timestamp + 60);
            trader.push(small, (_wethIsToken1() ? TICK : -TICK) + (t % 120 == 0 ? int24(1) : int24(-1)));
        }
        assertEq(guard.judge(ETH).sourceReasons[2] & ~uint64(Reasons.LATE), 0);
    }

    /// @notice The mean is rounded toward minus infinity, whichever token is priced.
    function test_the_mean_of_what_was_traded() public {
        movePool(100);
        _pass(WINDOW);
        assertApproxEqRel(_mid(), 2020.1e18, 0.0003e18);
        movePool(-300);
        _pass(WINDOW);
        assertApproxEqRel(_mid(), 1960.4e18, 0.0003e18);
    }
}
