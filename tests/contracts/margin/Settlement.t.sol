// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";

import {IMarginPool} from "contracts/interfaces/IMarginPool.sol";
import {Assets} from "contracts/libraries/Assets.sol";
import {PoolFixture} from "tests/contracts/margin/PoolFixture.sol";

/// @notice The settlement price, and what is paid at it. Alice is short, Bob long.
contract MarginSettlementTest is PoolFixture {
    function setUp() public {
        deployPool();
        fund(alice, 10_000e6);
        fund(bob, 10_000e6);
        fund(carol, 10_000e6);
        trade(bob, alice, true, 3000e18, 1e18, 200e18);
    }

    function _observe(uint256 part, uint256 price) private {
        vm.warp(expiry - 30 minutes + part * 1 minutes);
        setPrice(price);
        pool.observe(expiry);
    }

    function _refuse() private {
        vm.expectRevert(abi.encodeWithSelector(IMarginPool.NoSettlementPrice.selector, expiry));
        pool.fixPrice(expiry);
    }

    function _priceOf() private view returns (uint256) {
        return pool.settlementOf(expiry).price;
    }

    // ------------------------------------------------------------------------------------------------ price

    function test_the_price_is_the_mean_of_the_window() public {
        for (uint256 i = 0; i < 30; ++i) {
            _observe(i, 3300e18 + i * 1e18);
        }
        vm.warp(expiry);
        vm.expectEmit(address(pool));
        emit IMarginPool.PriceFixed(expiry, IMarginPool.Source.Window, 3314.5e18);
        pool.fixPrice(expiry);
        assertEq(_priceOf(), 3314.5e18);
        vm.expectRevert(abi.encodeWithSelector(IMarginPool.AlreadySettled.selector, expiry));
        pool.fixPrice(expiry);
    }

    function test_as_few_parts_as_suffice_settle() public {
        for (uint256 i = 0; i < 20; ++i) {
            _observe(i, 3300e18 + i * 1e18);
        }
        vm.warp(expiry);
        pool.fixPrice(expiry);
        assertEq(_priceOf(), 3309.5e18);
    }

    function test_only_the_window_counts_and_once_per_part() public {
        vm.warp(expiry - 30 minutes - 1);
        vm.expectRevert(abi.encodeWithSelector(IMarginPool.NotObservable.selector, expiry));
        pool.observe(expiry);
        _observe(0, 3300e18);
        vm.warp(block.timestamp + 59);
        vm.expectRevert(abi.encodeWithSelector(IMarginPool.AlreadyObserved.selector, expiry, 0, 0));
        pool.observe(expiry);
        vm.expectRevert(abi.encodeWithSelector(IMarginPool.NotExpired.selector, expiry));
        pool.fixPrice(expiry);
        vm.expectRevert(abi.encodeWithSelector(IMarginPool.NotObservable.selector, expiry + 7 days));
        pool.observe(expiry + 7 days);
    }

    /// @notice One block, one part of the window: not in the price.
    function test_a_price_that_was_moved_for_one_block_is_not_settled_on() public {
        for (uint256 i = 0; i < 30; ++i) {
            _observe(i, i == 17 ? 9000e18 : 3300e18);
        }
        vm.warp(expiry);
        pool.fixPrice(expiry);
        assertEq(_priceOf(), 3300e18);
    }

    /// @notice A minute can touch two parts; nine parts of thirty move nothing either.
    function test_a_price_that_was_moved_for_minutes_is_not_settled_on() public {
        for (uint256 i = 0; i < 30; ++i) {
            _observe(i, i < 9 ? 1000e18 : 3300e18);
        }
        vm.warp(expiry);
        pool.fixPrice(expiry);
        assertEq(_priceOf(), 3300e18);
    }

    /// @notice When too many disagree there is no price, rather than a wrong one.
    function test_a_window_that_disagrees_settles_nothing() public {
        for (uint256 i = 0; i < 30; ++i) {
            _observe(i, i < 12 ? 3500e18 : 3300e18);
        }
        vm.warp(expiry);
        _refuse();
    }

    /// @notice A stale or clamped feed is one that the guard calls not healthy: nothing is written.
    function test_a_sick_feed_is_not_observed() public {
        vm.warp(expiry - 30 minutes);
        prices.refuse(Assets.NATIVE, 1 << 2);
        vm.expectRevert();
        pool.observe(expiry);
        prices.refuse(Assets.NATIVE, 0);
        prices.refuse(address(usd), 1 << 2);
        vm.expectRevert();
        pool.observe(expiry);
        prices.refuse(address(usd), 0);
        prices.set(Assets.NATIVE, 0, 0);
        vm.expectRevert(abi.encodeWithSelector(IMarginPool.NoPrice.selector, 0, 0));
        pool.observe(expiry);
    }

    function test_too_few_observations_wait_for_the_next_good_window() public {
        for (uint256 i = 0; i < 19; ++i) {
            _observe(i, 3300e18);
        }
        vm.warp(expiry);
        _refuse();
        observeAll(3400e18, 3);
        vm.expectEmit(address(pool));
        emit IMarginPool.PriceFixed(expiry, IMarginPool.Source.LateWindow, 3400e18);
        pool.fixPrice(expiry);
    }

    /// @notice Whoever waits with fixing gets no choice of window.
    function test_the_first_good_window_counts_whenever_it_is_fixed() public {
        observeAll(3400e18, 2);
        observeAll(3900e18, 5);
        pool.fixPrice(expiry);
        assertEq(_priceOf(), 3400e18);
    }

    function test_after_the_patience_governance_proposes_and_a_guardian_challenges() public {
        vm.warp(expiry + 1 days - 1);
        vm.startPrank(GOVERNANCE);
        vm.expectRevert(abi.encodeWithSelector(IMarginPool.TooEarly.selector, expiry + 1 days));
        pool.proposePrice(expiry, 3300e18);
        vm.warp(expiry + 1 days);
        pool.proposePrice(expiry, 9300e18);
        vm.stopPrank();
        vm.expectRevert(abi.encodeWithSelector(IMarginPool.NotObservable.selector, expiry));
        pool.observe(expiry);
        vm.expectEmit(address(pool));
        emit IMarginPool.PriceChallenged(expiry, 9300e18, GUARDIAN);
        vm.prank(GUARDIAN);
        pool.challengePrice(expiry);
        vm.warp(expiry + 3 days);
        _refuse();
        vm.prank(GOVERNANCE);
        pool.proposePrice(expiry, 3300e18);
        vm.warp(expiry + 4 days - 1);
        _refuse();
        vm.warp(expiry + 4 days);
        vm.expectEmit(address(pool));
        emit IMarginPool.PriceFixed(expiry, IMarginPool.Source.Governed, 3300e18);
        pool.fixPrice(expiry);
        vm.prank(GUARDIAN);
        vm.expectRevert(abi.encodeWithSelector(IMarginPool.AlreadySettled.selector, expiry));
        pool.challengePrice(expiry);
    }

    function test_nobody_waits_for_ever() public {
        for (uint256 i = 0; i < 5; ++i) {
            _observe(i, 3300e18);
        }
        vm.warp(expiry + 31 days - 1);
        _refuse();
        vm.warp(expiry + 31 days);
        pool.fixPrice(expiry);
        assertEq(_priceOf(), 3300e18);
        assertEq(uint256(pool.settlementOf(expiry).source), uint256(IMarginPool.Source.LastSeen));
    }

    function test_who_may() public {
        vm.startPrank(alice);
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, alice));
        pool.proposePrice(expiry, 1);
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, alice));
        pool.challengePrice(expiry);
        vm.stopPrank();
        vm.prank(GUARDIAN);
        vm.expectRevert(abi.encodeWithSelector(IMarginPool.NothingProposed.selector, expiry));
        pool.challengePrice(expiry);
    }

    /// @notice An expiry keeps the terms of its first trade.
    function test_new_rules_do_not_touch_an_expiry_that_is_traded() public {
        IMarginPool.Rules memory r = rulesOf();
        (r.terms.window, r.terms.observations) = (1 hours, 30);
        vm.prank(GOVERNANCE);
        pool.setRules(r);
        settleAt(3300e18);
        assertEq(_priceOf(), 3300e18);
    }

    // ------------------------------------------------------------------------------------------------ money

    function test_what_is_in_the_money_is_paid_from_the_writers_margin() public {
        uint256 before = pool.freeOf(alice) + marginOf(alice);
        uint256 bobs = pool.freeOf(bob);
        settleAt(3300e18);
        assertEq(pool.freeOf(alice), before - 300e6);
        assertEq(marginOf(alice), 0);
        pool.redeem(bob, expiry);
        assertEq(pool.freeOf(bob), bobs + 300e6);
        assertEq(pool.nakedCalls(), 0);
        vm.expectRevert(abi.encodeWithSelector(IMarginPool.NothingToRedeem.selector, bob, expiry));
        pool.redeem(bob, expiry);
        vm.expectRevert(abi.encodeWithSelector(IMarginPool.AlreadySettled.selector, expiry));
        pool.collect(expiry, 1);
    }

    function test_what_is_out_of_the_money_costs_nothing() public {
        uint256 before = pool.freeOf(alice) + marginOf(alice);
        settleAt(3000e18);
        assertEq(pool.freeOf(alice), before);
        vm.expectRevert(abi.encodeWithSelector(IMarginPool.NothingToRedeem.selector, bob, expiry));
        pool.redeem(bob, expiry);
    }

    function test_nothing_is_paid_before_all_books_are_in() public {
        observeAll(3300e18, 0);
        vm.expectRevert(abi.encodeWithSelector(IMarginPool.NoSettlementPrice.selector, expiry));
        pool.collect(expiry, 1);
        pool.fixPrice(expiry);
        pool.collect(expiry, 1);
        vm.expectRevert(abi.encodeWithSelector(IMarginPool.NotClosed.selector, expiry));
        pool.redeem(bob, expiry);
        pool.collect(expiry, 1);
        pool.redeem(bob, expiry);
    }

    /// @notice Alice owes 3000 and has what a short of one call locked: the rest is insurance up to its share, and a
    /// haircut on those who are owed in this expiry, each alike.
    function test_a_shortfall_is_insurance_and_then_one_haircut() public {
        trade(carol, alice, true, 3000e18, 2e18, 200e18);
        vm.prank(bob);
        pool.fundInsurance(1000e6);
        uint256 fund_ = pool.insurance();
        uint256 margin = marginOf(alice);
        uint256 free = pool.freeOf(alice);
        (uint256 bobs, uint256 carols) = (pool.freeOf(bob), pool.freeOf(carol));
        settleAt(6000e18);
        assertEq(pool.freeOf(alice), free, "what was not locked is not touched");
        IMarginPool.Settlement memory s = pool.settlementOf(expiry);
        assertEq(s.owed, 9000e6);
        assertEq(s.pot, margin + fund_ / 2);
        assertEq(pool.insurance(), fund_ - fund_ / 2);
        uint256 state = vm.snapshotState();
        pool.redeem(bob, expiry);
        pool.redeem(carol, expiry);
        (uint256 paidBob, uint256 paidCarol) = (pool.freeOf(bob) - bobs, pool.freeOf(carol) - carols);
        assertEq(paidBob, uint256(3000e6) * s.pot / 9000e6);
        assertEq(paidCarol, uint256(6000e6) * s.pot / 9000e6);
        // The other order pays the same.
        vm.revertToState(state);
        pool.redeem(carol, expiry);
        pool.redeem(bob, expiry);
        assertEq(pool.freeOf(bob) - bobs, paidBob);
        assertEq(pool.freeOf(carol) - carols, paidCarol);
    }

    /// @notice The shortfall of one expiry costs nobody in another.
    function test_a_haircut_stays_within_its_expiry() public {
        uint40 first = expiry;
        expiry = first + 7 days;
        trade(carol, bob, true, 3500e18, 1e18, 100e18);
        uint256 margin = marginOf(bob);
        expiry = first;
        settleAt(9000e18);
        assertEq(pool.bookOf(bob, first + 7 days).margin, margin);
        assertLt(pool.settlementOf(first).pot, pool.settlementOf(first).owed);
        uint256 free = pool.freeOf(carol);
        vm.prank(carol);
        pool.withdraw(free, carol, free);
        expiry = first + 7 days;
        setPrice(3600e18);
        settleAt(3600e18);
        pool.redeem(carol, expiry);
        assertEq(pool.freeOf(carol), 100e6);
    }

    function test_a_spread_is_netted_before_anything_is_paid() public {
        trade(alice, carol, true, 3200e18, 1e18, 100e18);
        uint256 before = pool.freeOf(alice) + marginOf(alice);
        settleAt(3500e18);
        assertEq(pool.freeOf(alice), before - 200e6);
    }

    /// @notice Books that were closed are passed over; a book that only holds margin gets it back.
    function test_empty_books_settle_too() public {
        trade(alice, bob, true, 3000e18, 1e18, 200e18);
        vm.prank(alice);
        pool.lock(expiry, 5e6);
        settleAt(3300e18);
        assertEq(marginOf(alice), 0);
        assertTrue(pool.settlementOf(expiry).closed);
    }

    /// @notice Donations do not reach the pot.
    function test_a_donation_does_not_fill_a_shortfall() public {
        usd.mint(address(pool), 1_000_000e6);
        settleAt(9000e18);
        IMarginPool.Settlement memory s = pool.settlementOf(expiry);
        assertLt(s.pot, s.owed);
    }

    /// @notice A holder that splits over accounts gets no more.
    function testFuzz_splitting_a_claim_gains_nothing(uint256 size, uint256 price) public {
        size = bound(size, 1e15, 1e18 - 1e15);
        price = bound(price, 3001e18, 20_000e18);
        trade(carol, bob, true, 3000e18, size, 200e18);
        uint256 before = pool.freeOf(bob) + pool.freeOf(carol);
        settleAt(price);
        redeemIfOwed(bob);
        redeemIfOwed(carol);
        IMarginPool.Settlement memory s = pool.settlementOf(expiry);
        assertLe(pool.freeOf(bob) + pool.freeOf(carol) - before, s.pot);
        assertLe(s.owed, (price - 3000e18) / 1e12);
    }
}
