// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {SwapSplitter} from "contracts/SwapSplitter.sol";
import {IOracleGuard} from "contracts/interfaces/IOracleGuard.sol";
import {ISwapSplitter} from "contracts/interfaces/ISwapSplitter.sol";
import {IVault} from "contracts/interfaces/IVault.sol";
import {IWETH} from "contracts/interfaces/IWETH.sol";
import {Assets} from "contracts/libraries/Assets.sol";
import {HostileAdapter} from "tests/contracts/swap/Hostile.sol";
import {SwapFixture} from "tests/contracts/swap/SwapFixture.sol";

/// @notice The vault's side: who may swap what, when, how much in a time, and against which bound.
contract SwapDoorTest is SwapFixture {
    address private immutable ALICE = makeAddr("alice");

    function setUp() public {
        deploySwaps();
    }

    /// @dev An order that the hostile adapter fills at `rate`, so that what arrives is known.
    function _at(uint256 amount, uint256 rate) private view returns (IVault.SwapOrder memory) {
        return order(
            address(dai), address(usd), plan(leg(amount, bad(address(usd), HostileAdapter.Mood.Honest, rate)))
        );
    }

    function _refused(IVault.SwapOrder memory o, bytes memory reason) private {
        vm.expectRevert(reason);
        swap(o);
    }

    // ------------------------------------------------------------------------------------------------- swapping

    function test_a_split_over_all_four_kinds_fills_the_float() public {
        ISwapSplitter.Leg[] memory legs = new ISwapSplitter.Leg[](4);
        legs[0] = leg(1000e18, v2(address(usd)));
        legs[1] = leg(1000e18, v3(address(usd), 500));
        legs[2] = leg(1000e18, stable(address(usd)));
        legs[3] = leg(1000e18, weighted(address(usd)));
        (uint256 daiBefore, uint256 usdBefore) = (vault.floatOf(address(dai)), vault.floatOf(address(usd)));
        (uint256 spent, uint256 received) = swap(order(address(dai), address(usd), legs));
        assertEq(spent, 4000e18);
        assertEq(vault.floatOf(address(dai)), daiBefore - spent);
        assertEq(vault.floatOf(address(usd)), usdBefore + received);
        // Fees of 0.3, 0.05, 0.02 (half of 0.04 of the output stays in the pool) and 0.1 %, and little impact.
        assertGt(received, 3990e6);
        assertLt(received, 4000e6);
        assertNothingLeft();
    }

    function test_three_hops_over_two_connectors() public {
        // DAI to WETH to DAI to USD: nobody wants that, and it works.
        ISwapSplitter.Leg memory l;
        (l.amount, l.minRate, l.gas, l.hops) = (1000e18, 1, LEG_GAS, new ISwapSplitter.Hop[](3));
        l.hops[0] = v2(weth);
        l.hops[1] = v2(address(dai));
        l.hops[2] = weighted(address(usd));
        (, uint256 received) = swap(address(dai), address(usd), l);
        assertApproxEqRel(received, 1000e6, 0.01e18);
        assertNothingLeft();
    }

    function test_ether_is_wrapped_on_the_way() public {
        (uint256 spent, uint256 received) = swap(ETH, address(usd), leg(1 ether, v3(address(usd), 3000)));
        assertEq(spent, 1 ether);
        assertEq(address(vault).balance, 999 ether);
        assertApproxEqRel(received, 2000e6, 0.01e18);
        assertNothingLeft();
    }

    function test_ether_is_unwrapped_on_the_way() public {
        (, uint256 received) = swap(address(dai), ETH, leg(1000e18, v2(weth)));
        assertEq(address(vault).balance, 1000 ether + received);
        assertApproxEqRel(received, 0.5 ether, 0.01e18);
        assertNothingLeft();
    }

    function test_ether_that_no_leg_sold_comes_back_as_ether() public {
        ISwapSplitter.Leg memory fails = leg(3 ether, bad(address(usd), HostileAdapter.Mood.Reverts, 0));
        (uint256 spent,) = swap(order(ETH, address(usd), plan(leg(1 ether, v3(address(usd), 3000)), fails)));
        assertEq(spent, 1 ether);
        assertEq(address(vault).balance, 999 ether);
        assertEq(IERC20(weth).balanceOf(address(vault)), 0);
    }

    /// @notice What was bought pays a withdrawal at once.
    function test_a_withdrawal_that_lacked_its_asset_is_paid_after() public {
        vm.prank(address(vault));
        usd.transfer(COLD, 100_000e6);
        (, uint64 next, bytes24 head) = vault.laneOf(LANE);
        bytes memory batch = settlement(address(usd), positionAt(next, head), 5000e6, 0, one(ALICE, 5000e6));
        vm.prank(LANE);
        (bool ok,) = address(vault).call(batch);
        assertFalse(ok, "the float is empty");
        swap(
            order(
                address(dai),
                address(usd),
                plan(leg(2600e18, stable(address(usd))), leg(2500e18, v3(address(usd), 500)))
            )
        );
        vm.prank(LANE);
        (ok,) = address(vault).call(batch);
        assertTrue(ok);
        assertEq(usd.balanceOf(ALICE), 5000e6);
    }

    function test_the_event_lets_everybody_recompute() public {
        vm.expectEmit(address(vault));
        // 1,000 DAI at 1 USD, less 1 %.
        emit IVault.Swapped(LANE, address(dai), address(usd), 1000e18, 995e6, 990e6, 1e18, 1e30, SLIPPAGE);
        swap(_at(1000e18, DAI_TO_USD * 995 / 1000));
    }

    // ------------------------------------------------------------------------------------------------ the bound

    function test_the_bound_is_met_or_nothing_happens() public {
        assertEq(vault.swapBound(address(dai), address(usd), 1000e18), 990e6);
        (, uint256 received) = swap(_at(1000e18, DAI_TO_USD * 99 / 100));
        assertEq(received, 990e6);
        // 0.000001 USD less.
        _refused(
            _at(1000e18, DAI_TO_USD * 99 / 100 - 1e15),
            abi.encodeWithSelector(IVault.ReceivedTooLittle.selector, 989_999_999, 990e6)
        );
    }

    /// @notice The ends of the guard's interval that are against the swap, the greater slippage, rounded up.
    function testFuzz_the_bound_is_the_formula(
        uint256 spent,
        uint256 sellLow,
        uint256 buyHigh,
        uint256 slippage
    ) public {
        spent = bound(spent, 1, 1e27);
        sellLow = bound(sellLow, 1, 1e24);
        buyHigh = bound(buyHigh, 1, 1e42);
        slippage = bound(slippage, 1, 1000);
        guard.set(address(dai), sellLow, sellLow + 1e30);
        guard.set(address(usd), 1, buyHigh);
        setRules(address(dai), CAPACITY, uint16(slippage % 2 == 0 ? 1 : slippage));
        setRules(address(usd), CAPACITY, uint16(slippage % 2 == 0 ? slippage : 1));
        uint256 least = vault.swapBound(address(dai), address(usd), spent);
        uint256 worth = spent * sellLow * (10_000 - slippage);
        assertGe(least * buyHigh * 10_000, worth, "enough");
        assertLt((least - 1) * buyHigh * 10_000, worth, "and no unit more");
    }

    function test_the_orders_own_minimum_counts_when_it_is_larger() public {
        IVault.SwapOrder memory o = _at(1000e18, DAI_TO_USD * 995 / 1000);
        o.minReceived = 996e6;
        _refused(o, abi.encodeWithSelector(IVault.ReceivedTooLittle.selector, 995e6, 996e6));
        o.minReceived = 995e6;
        swap(o);
    }

    /// @notice For a part that is spent, a part of it is asked, rounded up.
    function test_the_minimum_of_a_part_is_its_part() public {
        ISwapSplitter.Leg memory sells =
            leg(1000e18 + 1, bad(address(usd), HostileAdapter.Mood.Honest, DAI_TO_USD * 995 / 1000));
        ISwapSplitter.Leg memory fails = leg(2000e18, bad(address(usd), HostileAdapter.Mood.Reverts, 0));
        IVault.SwapOrder memory o = order(address(dai), address(usd), plan(sells, fails));
        o.minReceived = 3 * 995e6;
        // 3,000 + 1 unit for 2,985 USD: 1,000 + 1 unit is more than 995 USD, by less than a unit.
        assertEq(Math.mulDiv(o.minReceived, 1000e18 + 1, o.amount, Math.Rounding.Ceil), 995e6 + 1);
        _refused(o, abi.encodeWithSelector(IVault.ReceivedTooLittle.selector, 995e6, 995e6 + 1));
        o.minReceived = 3 * 995e6 - 3;
        (uint256 spent, uint256 received) = swap(o);
        assertEq(spent, 1000e18 + 1);
        assertEq(received, 995e6);
    }

    function test_without_a_price_that_is_good_enough_nothing_is_swapped_and_payments_go_on() public {
        address[2] memory both = [address(dai), address(usd)];
        for (uint256 i = 0; i < 2; ++i) {
            uint256 state = vm.snapshotState();
            guard.set(both[i], IOracleGuard.Verdict.Insane, 0);
            guard.refuse(both[i], 2);
            _refused(
                _at(1000e18, DAI_TO_USD),
                abi.encodeWithSelector(
                    IOracleGuard.Refused.selector,
                    both[i],
                    IOracleGuard.Action.Swap,
                    IOracleGuard.Verdict.Insane,
                    0
                )
            );
            settleOne(both[i], ALICE, 1e6);
            assertEq(Assets.balanceOf(both[i], ALICE), 1e6);
            vm.revertToState(state);
            // Not even a guard that answers nonsense.
            guard.set(both[i], 0, 0);
            _refused(_at(1000e18, DAI_TO_USD), abi.encodeWithSelector(IVault.NoPrice.selector, both[i]));
            guard.set(both[i], 2e18, 1e18);
            _refused(_at(1000e18, DAI_TO_USD), abi.encodeWithSelector(IVault.NoPrice.selector, both[i]));
            vm.revertToState(state);
        }
        vm.prank(GOVERNANCE);
        vault.setOracle(address(0), 1 days);
        _refused(_at(1000e18, DAI_TO_USD), abi.encodeWithSelector(IVault.NoPrice.selector, dai));
        vm.prank(GOVERNANCE);
        vault.setOracle(makeAddr("no code"), 1 days);
        vm.expectRevert();
        swap(_at(1000e18, DAI_TO_USD));
        settleOne(address(dai), ALICE, 1e18);
    }

    // ------------------------------------------------------------------------------------------------- refusals

    function test_only_an_enabled_lane_swaps() public {
        IVault.SwapOrder memory o = _at(1000e18, DAI_TO_USD);
        address[3] memory others = [ALICE, GUARDIAN, GOVERNANCE];
        for (uint256 i = 0; i < 3; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IVault.NotALane.selector, others[i]));
            vm.prank(others[i]);
            vault.swap(o);
        }
        vm.prank(GUARDIAN);
        vault.disableLane(LANE);
        _refused(o, abi.encodeWithSelector(IVault.NotALane.selector, LANE));
        vm.prank(OTHER_LANE);
        vault.swap(o);
    }

    function test_pauses_stop_swaps_by_their_scope() public {
        IVault.SwapOrder memory o = _at(1000e18, DAI_TO_USD);
        uint48 until = uint48(block.timestamp + 1 hours);
        IVault.Scope[2] memory stops = [IVault.Scope.Everything, IVault.Scope.Swaps];
        for (uint256 i = 0; i < 2; ++i) {
            uint256 state = vm.snapshotState();
            vm.prank(GUARDIAN);
            vault.pause(stops[i], 1 hours);
            _refused(o, abi.encodeWithSelector(IVault.IsPaused.selector, stops[i], until));
            vm.revertToState(state);
        }
        address[2] memory both = [address(dai), address(usd)];
        for (uint256 i = 0; i < 2; ++i) {
            uint256 state = vm.snapshotState();
            vm.prank(GUARDIAN);
            vault.pauseAsset(both[i], 1 hours);
            _refused(o, abi.encodeWithSelector(IVault.AssetIsPaused.selector, both[i], until));
            vm.revertToState(state);
        }
        vm.startPrank(GUARDIAN);
        vault.pause(IVault.Scope.Orders, 1 hours);
        vault.pause(IVault.Scope.Requests, 1 hours);
        vault.pause(IVault.Scope.Deposits, 1 hours);
        vault.pauseAsset(ETH, 1 hours);
        vm.stopPrank();
        swap(o);
        // A stop of swaps stops nothing else.
        vm.prank(GUARDIAN);
        vault.pause(IVault.Scope.Swaps, 1 hours);
        vm.prank(GOVERNANCE);
        vault.unpause(IVault.Scope.Orders);
        settleOne(address(dai), ALICE, 1e18);
    }

    function test_orders_that_make_no_sense_are_named() public {
        IVault.SwapOrder memory o = _at(1000e18, DAI_TO_USD);
        o.deadline = uint64(block.timestamp - 1);
        _refused(o, abi.encodeWithSelector(IVault.DeadlinePassed.selector, o.deadline));
        o = _at(1000e18, DAI_TO_USD);
        o.minReceived = 0;
        _refused(o, abi.encodeWithSelector(IVault.NoMinimum.selector));
        o = _at(1000e18, DAI_TO_USD);
        o.buy = o.sell;
        _refused(o, abi.encodeWithSelector(IVault.SameAsset.selector, dai));
        o = _at(0, DAI_TO_USD);
        _refused(o, abi.encodeWithSelector(IVault.ZeroAmount.selector));
        o = _at(1000e18, DAI_TO_USD);
        o.sell = weth;
        _refused(o, abi.encodeWithSelector(IVault.AssetNotListed.selector, weth));
        o = _at(1000e18, DAI_TO_USD);
        o.buy = weth;
        _refused(o, abi.encodeWithSelector(IVault.AssetNotListed.selector, weth));
        o = _at(1000e18, DAI_TO_USD);
        o.amount += 1;
        _refused(
            o, abi.encodeWithSelector(ISwapSplitter.AmountMismatch.selector, 1000e18, uint256(1000e18 + 1))
        );
        o = order(
            address(dai), address(usd), plan(leg(1e18, bad(address(usd), HostileAdapter.Mood.Reverts, 0)))
        );
        _refused(o, abi.encodeWithSelector(IVault.NothingSwapped.selector));
    }

    /// @notice ETH and WETH would be the same swap there and back.
    function test_ether_is_not_swapped_for_its_wrapping() public {
        vm.startPrank(GOVERNANCE);
        vault.configureAsset(weth, IVault.AssetConfig(true, TOKEN_GAS, 1));
        vault.setSwapRules(weth, IVault.SwapRules(CAPACITY, SWAP_WINDOW, SLIPPAGE));
        vm.stopPrank();
        guard.set(weth, IOracleGuard.Verdict.Healthy, 2000e18);
        IVault.SwapOrder memory o = order(ETH, weth, plan(leg(1 ether, v2(weth))));
        _refused(o, abi.encodeWithSelector(ISwapSplitter.SameToken.selector, weth));
        // Of its own it is an asset as any.
        swap(address(dai), weth, leg(1000e18, v2(weth)));
        assertApproxEqRel(IERC20(weth).balanceOf(address(vault)), 0.5 ether, 0.01e18);
        assertEq(address(vault).balance, 1000 ether);
    }

    function test_the_float_stays_above_its_minimum_and_above_what_is_owed() public {
        depositFor(ALICE, address(dai), 50_000e18);
        vm.prank(GOVERNANCE);
        vault.setMarks(address(dai), 40_000e18, 80_000e18);
        _refused(
            _at(60_000e18 + 1, DAI_TO_USD),
            abi.encodeWithSelector(IVault.NoSurplus.selector, dai, uint256(60_000e18 + 1), 60_000e18)
        );
        swap(_at(60_000e18, DAI_TO_USD));
        assertEq(vault.floatOf(address(dai)), 40_000e18);
        assertEq(vault.liabilitiesOf(address(dai)), 50_000e18);
        _refused(_at(1, DAI_TO_USD), abi.encodeWithSelector(IVault.NoSurplus.selector, dai, 1, 0));
    }

    // ------------------------------------------------------------------------------------------------ the bucket

    function test_what_is_sold_in_a_time_is_bounded() public {
        setRules(address(dai), 10_000e18, SLIPPAGE);
        swap(_at(8000e18, DAI_TO_USD));
        assertEq(vault.swapLimitState(address(dai)).left, 2000e18);
        _refused(
            _at(4000e18, DAI_TO_USD),
            abi.encodeWithSelector(
                IVault.AboveSwapLimit.selector,
                dai,
                4000e18,
                2000e18,
                block.timestamp + uint256(SWAP_WINDOW) / 5
            )
        );
        vm.warp(block.timestamp + uint256(SWAP_WINDOW) / 5);
        swap(_at(4000e18, DAI_TO_USD));
        assertEq(vault.swapLimitState(address(dai)).left, 0);
        assertEq(vault.swapLimitState(address(dai)).fullAt, block.timestamp + SWAP_WINDOW);
        // One asset's is not another's.
        swap(address(usd), address(dai), leg(1000e6, v3(address(dai), 500)));
    }

    /// @notice Legs that failed sold nothing: who makes them fail does not use the bucket up.
    function test_what_was_not_sold_is_not_counted() public {
        setRules(address(dai), 10_000e18, SLIPPAGE);
        ISwapSplitter.Leg memory sells =
            leg(1000e18, bad(address(usd), HostileAdapter.Mood.Honest, DAI_TO_USD));
        ISwapSplitter.Leg memory fails = leg(50_000e18, bad(address(usd), HostileAdapter.Mood.Reverts, 0));
        swap(order(address(dai), address(usd), plan(sells, fails)));
        assertEq(vault.swapLimitState(address(dai)).left, 9000e18);
    }

    /// @notice A keeper gone mad loses at most the slippage of what the bucket lets him sell.
    function test_a_mad_keeper_loses_no_more_than_the_slippage_of_the_bucket() public {
        setRules(address(dai), 10_000e18, SLIPPAGE);
        uint256 worth = vault.floatOf(address(dai)) + vault.floatOf(address(usd)) * 1e12;
        uint256 sold = 0;
        for (uint256 hour = 0; hour <= 48; ++hour) {
            uint256 left = vault.swapLimitState(address(dai)).left;
            if (left != 0) {
                (uint256 spent,) = swap(_at(left, DAI_TO_USD * 99 / 100 + 1e18));
                sold += spent;
            }
            vm.warp(block.timestamp + 1 hours);
        }
        uint256 now_ = vault.floatOf(address(dai)) + vault.floatOf(address(usd)) * 1e12;
        assertLe(sold, 30_000e18);
        assertGt(sold, 29_000e18, "the test sold what it could");
        assertLe(worth - now_, sold / 100);
    }

    // ------------------------------------------------------------------------------------------------ governance

    function test_an_asset_without_rules_is_not_swapped() public {
        uint256 state = vm.snapshotState();
        setRules(address(dai), 0, 0);
        _refused(_at(1e18, DAI_TO_USD), abi.encodeWithSelector(IVault.NotSwapped.selector, dai));
        vm.revertToState(state);
        setRules(address(usd), 0, 0);
        _refused(_at(1e18, DAI_TO_USD), abi.encodeWithSelector(IVault.NotSwapped.selector, usd));
        // Without capacity it is bought and not sold.
        setRules(address(usd), 0, 1);
        swap(_at(1e18, DAI_TO_USD));
        IVault.SwapOrder memory back =
            order(address(usd), address(dai), plan(leg(1e6, v3(address(dai), 500))));
        _refused(back, abi.encodeWithSelector(IVault.AboveSwapLimit.selector, usd, 1e6, 0, type(uint256).max));
    }

    function test_rules_have_bounds_and_guardians_only_lower_them() public {
        vm.startPrank(GOVERNANCE);
        vm.expectRevert(abi.encodeWithSelector(IVault.OutOfRange.selector, 1001, 0, 1000));
        vault.setSwapRules(address(dai), IVault.SwapRules(1, 1 hours, 1001));
        vm.expectRevert(abi.encodeWithSelector(IVault.OutOfRange.selector, 3599, 1 hours, 30 days));
        vault.setSwapRules(address(dai), IVault.SwapRules(1, 1 hours - 1, 1));
        IVault.SwapRules memory rules = IVault.SwapRules(1000e18, 2 days, 50);
        vm.expectEmit(address(vault));
        emit IVault.SwapRulesSet(address(dai), rules, GOVERNANCE);
        vault.setSwapRules(address(dai), rules);
        vm.stopPrank();
        assertEq(abi.encode(vault.swapRules(address(dai))), abi.encode(rules));
        vm.startPrank(GUARDIAN);
        IVault.SwapRules[3] memory higher = [
            IVault.SwapRules(1000e18 + 1, 2 days, 50),
            IVault.SwapRules(1000e18, 2 days - 1, 50),
            IVault.SwapRules(1000e18, 2 days, 51)
        ];
        for (uint256 i = 0; i < 3; ++i) {
            vm.expectRevert(IVault.NotLower.selector);
            vault.lowerSwapRules(address(dai), higher[i]);
        }
        vault.lowerSwapRules(address(dai), IVault.SwapRules(500e18, 3 days, 40));
        vault.lowerSwapRules(address(dai), IVault.SwapRules(0, 3 days, 0));
        vm.stopPrank();
        _refused(_at(1e18, DAI_TO_USD), abi.encodeWithSelector(IVault.NotSwapped.selector, dai));
    }

    function test_what_was_sold_stays_counted_when_rules_change() public {
        setRules(address(dai), 10_000e18, SLIPPAGE);
        swap(_at(10_000e18, DAI_TO_USD));
        setRules(address(dai), 20_000e18, SLIPPAGE);
        assertEq(vault.swapLimitState(address(dai)).left, 0);
    }

    function test_the_splitter_is_governed_and_ours() public {
        assertEq(vault.splitter(), address(splitter));
        SwapSplitter foreign = new SwapSplitter(address(manager), ALICE, weth);
        vm.startPrank(GOVERNANCE);
        vm.expectRevert(abi.encodeWithSelector(IVault.NotOurSplitter.selector, foreign));
        vault.setSplitter(address(foreign));
        vm.expectRevert();
        vault.setSplitter(ALICE);
        vm.expectEmit(address(vault));
        emit IVault.SplitterSet(address(0));
        vault.setSplitter(address(0));
        vm.stopPrank();
        _refused(_at(1e18, DAI_TO_USD), abi.encodeWithSelector(IVault.NoSplitter.selector));
    }
}
