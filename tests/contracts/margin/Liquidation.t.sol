// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IMarginPool} from "contracts/interfaces/IMarginPool.sol";
import {IOracleGuard} from "contracts/interfaces/IOracleGuard.sol";
import {Assets} from "contracts/libraries/Assets.sol";
import {PoolFixture} from "tests/contracts/margin/PoolFixture.sol";

/// @notice What happens to a book below maintenance. Alice is short, Bob long, Carol bids.
contract MarginLiquidationTest is PoolFixture {
    function setUp() public {
        deployPool();
        fund(alice, 2000e6);
        fund(bob, 10_000e6);
        fund(carol, 50_000e6);
        trade(bob, alice, true, 3000e18, 2e18, 200e18);
        // Just what is needed, and no more.
        uint256 free = pool.freeOf(alice);
        vm.prank(alice);
        pool.withdraw(free, alice, free);
    }

    function _start(uint256 price) private {
        setPrice(price);
        pool.startLiquidation(alice, expiry);
    }

    /// @dev The auction's clock, by ticks.
    function _run(uint256 time) private {
        for (uint256 end = block.timestamp + time; block.timestamp < end;) {
            vm.warp(block.timestamp + 2 minutes < end ? block.timestamp + 2 minutes : end);
            pool.tick(alice, expiry);
        }
    }

    function _bid(uint256 share) private returns (uint256 taken, uint256 paid) {
        vm.prank(carol);
        return pool.bid(alice, expiry, share, 0);
    }

    function _liability() private view returns (uint256 liability) {
        (,, liability,) = pool.valuationOf(alice, expiry, IOracleGuard.Action.Liquidation);
    }

    function test_a_healthy_book_is_not_liquidated() public {
        (uint256 margin, uint256 maintenance) = (marginOf(alice), maintenanceOf(alice));
        assertGe(margin, maintenance);
        vm.expectRevert(
            abi.encodeWithSelector(IMarginPool.NotLiquidatable.selector, alice, expiry, margin, maintenance)
        );
        pool.startLiquidation(alice, expiry);
        vm.expectRevert(abi.encodeWithSelector(IMarginPool.NotInLiquidation.selector, alice, expiry));
        _bid(1e18);
    }

    function test_the_first_bid_is_just_above_the_mark() public {
        _start(3350e18);
        uint256 liability = _liability();
        (uint256 fromMargin, uint256 rescue) = pool.offerOf(alice, expiry);
        assertEq(fromMargin, liability + (liability * 100 + 9999) / 10_000);
        assertEq(rescue, 0);
        assertLt(fromMargin, marginOf(alice));
    }

    function test_the_offer_rises_to_all_of_the_margin() public {
        _start(3350e18);
        uint256 last;
        for (uint256 i = 0; i < 15; ++i) {
            (uint256 offer,) = pool.offerOf(alice, expiry);
            assertGt(offer, last);
            last = offer;
            _run(1 minutes);
        }
        (uint256 all,) = pool.offerOf(alice, expiry);
        assertEq(all, marginOf(alice));
    }

    /// @notice Partial first: no more is taken than leads to the target, and what is left is better covered.
    function test_a_bid_takes_what_leads_to_the_target() public {
        _start(3350e18);
        (uint256 margin, uint256 initial) = (marginOf(alice), initialOf(alice));
        uint256 maintenance = maintenanceOf(alice);
        (uint256 offer,) = pool.offerOf(alice, expiry);
        (uint256 taken, uint256 paid) = _bid(1e18);
        assertLt(taken, 1e18);
        assertEq(paid, offer * taken / 1e18);
        assertEq(marginOf(alice), margin - paid);
        assertGt(marginOf(alice) * maintenance, margin * maintenanceOf(alice));
        uint256 target = maintenanceOf(alice) + (initialOf(alice) - maintenanceOf(alice)) / 2;
        assertApproxEqAbs(marginOf(alice), target, 2);
        assertEq(sizeOf(alice, true, 3000e18) + sizeOf(carol, true, 3000e18), -2e18);
        assertGe(marginOf(carol), initialOf(carol));
        assertFalse(pool.auctionOf(alice, expiry).open, "it is over");
        assertLt(initialOf(alice), initial);
    }

    function test_a_bidder_may_take_less_and_others_the_rest() public {
        _start(3350e18);
        (uint256 taken,) = _bid(0.01e18);
        assertEq(taken, 0.01e18);
        assertTrue(pool.auctionOf(alice, expiry).open);
        vm.prank(bob);
        pool.bid(alice, expiry, 1e18, 0);
        assertFalse(pool.auctionOf(alice, expiry).open);
        assertGt(marginOf(alice), maintenanceOf(alice));
    }

    function test_bad_bids_are_named() public {
        _start(3350e18);
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(IMarginPool.OwnBook.selector, alice));
        pool.bid(alice, expiry, 1e18, 0);
        vm.expectRevert(IMarginPool.ZeroAmount.selector);
        _bid(0);
        (uint256 offer,) = pool.offerOf(alice, expiry);
        vm.prank(carol);
        vm.expectPartialRevert(IMarginPool.PaysTooLittle.selector);
        pool.bid(alice, expiry, 1e18, offer);
        address poor = makeAddr("poor");
        vm.prank(poor);
        vm.expectPartialRevert(IMarginPool.BelowInitialMargin.selector);
        pool.bid(alice, expiry, 1e18, 0);
        vm.expectRevert(abi.encodeWithSelector(IMarginPool.AlreadyInLiquidation.selector, alice, expiry));
        pool.startLiquidation(alice, expiry);
    }

    function test_margin_that_is_added_ends_it() public {
        _start(3350e18);
        fund(alice, 1000e6);
        vm.prank(alice);
        pool.lock(expiry, 1000e6);
        vm.expectPartialRevert(IMarginPool.NotLiquidatable.selector);
        _bid(1e18);
        vm.expectEmit(address(pool));
        emit IMarginPool.LiquidationEnded(alice, expiry, marginOf(alice));
        pool.tick(alice, expiry);
        assertFalse(pool.auctionOf(alice, expiry).open);
    }

    /// @notice An auction does not go on while nobody can know the price.
    function test_the_clock_stands_still_without_a_price() public {
        _start(3350e18);
        _run(4 minutes);
        assertEq(pool.auctionOf(alice, expiry).elapsed, 4 minutes);
        prices.refuse(Assets.NATIVE, 1 << 3);
        vm.warp(block.timestamp + 10 hours);
        vm.expectRevert();
        pool.tick(alice, expiry);
        vm.expectRevert();
        _bid(1e18);
        prices.refuse(Assets.NATIVE, 0);
        pool.tick(alice, expiry);
        assertEq(pool.auctionOf(alice, expiry).elapsed, 6 minutes);
    }

    function test_an_underwater_book_is_taken_with_insurance() public {
        vm.prank(carol);
        pool.fundInsurance(5000e6);
        uint256 fund_ = pool.insurance();
        _start(4000e18);
        uint256 margin = marginOf(alice);
        uint256 liability = _liability();
        assertGt(liability, margin, "underwater");
        (uint256 offer, uint256 rescue) = pool.offerOf(alice, expiry);
        assertEq(offer, margin);
        assertEq(rescue, 0);
        _run(15 minutes + 30 minutes);
        liability = _liability();
        (offer, rescue) = pool.offerOf(alice, expiry);
        assertEq(offer, margin);
        assertEq(rescue, liability + liability * 500 / 10_000 - margin);
        uint256 before = pool.freeOf(carol) + marginOf(carol);
        (uint256 taken, uint256 paid) = _bid(1e18);
        assertEq(taken, 1e18, "all of it");
        assertEq(paid, margin + rescue);
        assertEq(pool.freeOf(carol) + marginOf(carol), before + paid);
        assertEq(pool.insurance(), fund_ - rescue);
        assertEq(pool.bookOf(alice, expiry).legs.length, 0);
        assertEq(marginOf(alice) + pool.freeOf(alice), 0);
        assertFalse(pool.auctionOf(alice, expiry).open);
    }

    function test_insurance_gives_no_more_than_its_share() public {
        vm.prank(carol);
        pool.fundInsurance(100e6);
        uint256 fund_ = pool.insurance();
        _start(4000e18);
        _run(2 hours);
        (, uint256 rescue) = pool.offerOf(alice, expiry);
        assertEq(rescue, fund_ / 2);
    }

    /// @notice A second account of the owner gains nothing: what it is paid is the first one's margin, and what insurance
    /// adds is no more than what the position owes and the incentive.
    function test_two_accounts_of_one_owner_gain_nothing_by_liquidation() public {
        _start(3350e18);
        uint256 worth = _worth(alice) + _worth(carol);
        _bid(1e18);
        assertLe(_worth(alice) + _worth(carol), worth);
    }

    /// @dev At the mark.
    function _worth(address account) private view returns (uint256) {
        (,, uint256 liability,) = pool.valuationOf(account, expiry, IOracleGuard.Action.Liquidation);
        return pool.freeOf(account) + marginOf(account) - liability;
    }

    /// @notice Nothing that the account does keeps a bid from passing: it has no say in it.
    function test_the_account_cannot_stop_it() public {
        _start(3350e18);
        vm.startPrank(alice);
        pool.cancelQuotesBelow(type(uint64).max);
        vm.expectRevert();
        pool.unlock(expiry, 1);
        vm.stopPrank();
        usd.setBlocked(alice, true);
        usd.setBlocked(address(pool), true);
        _bid(1e18);
        assertFalse(pool.auctionOf(alice, expiry).open);
    }

    function test_a_pause_stops_no_liquidation() public {
        vm.prank(GUARDIAN);
        pool.pause(1 days);
        _start(3350e18);
        _bid(1e18);
        fund(alice, 10e6);
        vm.prank(alice);
        pool.lock(expiry, 10e6);
    }

    function test_a_book_of_24_legs_is_liquidated_in_one_transaction() public {
        fund(alice, 40_000e6);
        for (uint256 i = 1; i < 24; ++i) {
            trade(bob, alice, i % 2 == 0, 3000e18 + i * 10e18, 0.1e18, 150e18);
        }
        vm.prank(alice);
        pool.withdraw(30_000e6, alice, 30_000e6);
        uint256 free = pool.freeOf(alice);
        vm.prank(alice);
        pool.withdraw(free, alice, free);
        _start(3900e18);
        uint256 gas_ = gasleft();
        _bid(1e18);
        assertLt(gas_ - gasleft(), 8_000_000, "half of what one transaction may use");
    }

    /// @notice Whatever the price, the time and the share: the account is no worse covered, has no less than nothing, and
    /// the bidder has what it needs.
    function testFuzz_a_bid_leaves_the_book_no_worse(uint256 price, uint256 time, uint256 share) public {
        price = bound(price, 3100e18, 9000e18);
        setPrice(price);
        if (marginOf(alice) >= maintenanceOf(alice)) return;
        pool.startLiquidation(alice, expiry);
        _run(bound(time, 0, 1 hours));
        share = bound(share, 1, 1e18);
        (uint256 margin, uint256 maintenance) = (marginOf(alice), maintenanceOf(alice));
        uint256 total = pool.insurance() + margin + marginOf(carol) + pool.freeOf(carol) + pool.freeOf(alice);
        _bid(share);
        // One unit of rounding in what is required.
        assertGe((marginOf(alice) + 1) * maintenance, margin * maintenanceOf(alice));
        assertGe(marginOf(carol), initialOf(carol));
        assertEq(
            pool.insurance() + marginOf(alice) + marginOf(carol) + pool.freeOf(carol) + pool.freeOf(alice),
            total
        );
        assertEq(sizeOf(alice, true, 3000e18) + sizeOf(carol, true, 3000e18) + sizeOf(bob, true, 3000e18), 0);
    }
}
