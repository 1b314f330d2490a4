// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IMarginPool} from "contracts/interfaces/IMarginPool.sol";
import {Assets} from "contracts/libraries/Assets.sol";
import {PoolFixture} from "tests/contracts/margin/PoolFixture.sol";
import {ERC1271WalletMock} from "tests/contracts/mocks/Wallets.sol";

/// @notice Trades by signed quotes, and the margin that they need.
contract MarginTradingTest is PoolFixture {
    function setUp() public {
        deployPool();
        fund(alice, 10_000e6);
        fund(bob, 10_000e6);
        fund(carol, 10_000e6);
    }

    function _expectRevert(IMarginPool.Quote memory maker, IMarginPool.Quote memory taker, bytes memory error)
        private
    {
        (bytes memory a, bytes memory b) = (sign(maker), sign(taker));
        vm.expectRevert(error);
        pool.trade(maker, a, taker, b, 1e18);
    }

    function _pair() private returns (IMarginPool.Quote memory maker, IMarginPool.Quote memory taker) {
        return
            (quote(alice, false, true, 3000e18, 1e18, 200e18), quote(bob, true, true, 3000e18, 1e18, 210e18));
    }

    function test_a_trade_moves_the_premium_and_locks_the_margin() public {
        (IMarginPool.Quote memory maker, IMarginPool.Quote memory taker) = _pair();
        matchQuotes(maker, taker, 1e18);
        // At the maker's price; the fee is 3 bps of 3000 from each side.
        assertEq(pool.freeOf(bob), 10_000e6 - 200e6 - 0.9e6);
        assertEq(pool.freeOf(alice) + marginOf(alice), 10_000e6 + 200e6 - 0.9e6);
        assertEq(pool.insurance(), 1.8e6);
        assertEq(marginOf(alice), initialOf(alice));
        assertEq(marginOf(bob), 0);
        assertEq(sizeOf(bob, true, 3000e18), 1e18);
        assertEq(sizeOf(alice, true, 3000e18), -1e18);
        assertEq(pool.nakedCalls(), 1e18);
        assertEq(pool.accountsOf(expiry, 0, 10).length, 2);
    }

    function test_the_fee_is_capped_by_the_premium() public {
        trade(bob, alice, true, 6000e18, 1e18, 1e18);
        assertEq(pool.insurance(), 2 * 0.125e6);
    }

    function test_quotes_that_do_not_match_are_refused() public {
        (IMarginPool.Quote memory maker, IMarginPool.Quote memory taker) = _pair();
        bytes memory no = abi.encodeWithSelector(IMarginPool.QuotesDoNotMatch.selector);
        taker.price = 200e18 - 1;
        _expectRevert(maker, taker, no);
        (, taker) = _pair();
        taker.strike += 1e18;
        _expectRevert(maker, taker, no);
        (, taker) = _pair();
        taker.isCall = false;
        _expectRevert(maker, taker, no);
        (, taker) = _pair();
        taker.expiry += 7 days;
        _expectRevert(maker, taker, no);
        (, taker) = _pair();
        taker.isBuy = false;
        _expectRevert(maker, taker, no);
        (, taker) = _pair();
        taker.account = alice;
        _expectRevert(maker, taker, no);
    }

    /// @notice A size beyond the largest leg, and a price that no pool can count in, are named.
    function test_sizes_and_prices_out_of_range_are_refused() public {
        IMarginPool.Quote memory maker = quote(alice, false, true, 3000e18, type(uint128).max, 200e18);
        IMarginPool.Quote memory taker = quote(bob, true, true, 3000e18, type(uint128).max, 200e18);
        (bytes memory a, bytes memory b) = (sign(maker), sign(taker));
        vm.expectPartialRevert(IMarginPool.OutOfRange.selector);
        pool.trade(maker, a, taker, b, type(uint128).max);
        setPrice(1, uint256(type(uint112).max) + 1);
        vm.expectRevert(
            abi.encodeWithSelector(IMarginPool.NoPrice.selector, 1, uint256(type(uint112).max) + 1)
        );
        pool.trade(maker, a, taker, b, 1e18);
        assertEq(pool.nakedCalls(), 0);
    }

    /// @notice Who closes a position may pay with its margin, and with no more than that.
    function test_a_closing_trade_takes_no_more_than_the_margin() public {
        trade(bob, alice, true, 3000e18, 1e18, 200e18);
        uint256 free = pool.freeOf(alice);
        vm.prank(alice);
        pool.withdraw(free, alice, free);
        uint256 locked = marginOf(alice);
        IMarginPool.Quote memory maker = quote(bob, false, true, 3000e18, 1e18, 3000e18);
        IMarginPool.Quote memory taker = quote(alice, true, true, 3000e18, 1e18, 3000e18);
        (bytes memory a, bytes memory b) = (sign(maker), sign(taker));
        vm.expectRevert(
            abi.encodeWithSelector(IMarginPool.InsufficientBalance.selector, alice, 3000.9e6, locked)
        );
        pool.trade(maker, a, taker, b, 1e18);
        assertEq(marginOf(alice), locked);
    }

    function test_a_quote_fills_its_size_once() public {
        IMarginPool.Quote memory maker = quote(alice, false, true, 3000e18, 1e18, 200e18);
        matchQuotes(maker, quote(bob, true, true, 3000e18, 5e18, 200e18), 0.4e18);
        assertEq(pool.filledOf(alice, maker.nonce), 0.4e18);
        IMarginPool.Quote memory taker = quote(bob, true, true, 3000e18, 5e18, 200e18);
        _expectRevert(
            maker, taker, abi.encodeWithSelector(IMarginPool.QuoteFilled.selector, alice, maker.nonce, 0.6e18)
        );
        matchQuotes(maker, taker, 0.6e18);
        // Another quote of the same nonce is another quote.
        IMarginPool.Quote memory again = quote(alice, false, true, 3000e18, 9e18, 200e18);
        again.nonce = maker.nonce;
        _expectRevert(
            again, taker, abi.encodeWithSelector(IMarginPool.NonceUsed.selector, alice, maker.nonce)
        );
    }

    function test_cancelled_quotes_fill_no_more() public {
        (IMarginPool.Quote memory maker, IMarginPool.Quote memory taker) = _pair();
        vm.prank(alice);
        pool.cancelQuote(maker.nonce);
        assertEq(pool.filledOf(alice, maker.nonce), type(uint128).max);
        _expectRevert(
            maker, taker, abi.encodeWithSelector(IMarginPool.NonceUsed.selector, alice, maker.nonce)
        );
        (maker, taker) = _pair();
        vm.prank(bob);
        pool.cancelQuotesBelow(taker.nonce + 1);
        _expectRevert(maker, taker, abi.encodeWithSelector(IMarginPool.NonceUsed.selector, bob, taker.nonce));
        // Never lower again.
        vm.prank(bob);
        pool.cancelQuotesBelow(0);
        assertEq(pool.filledOf(bob, taker.nonce), type(uint128).max);
    }

    function test_a_quote_ends_after_its_last_second() public {
        (IMarginPool.Quote memory maker, IMarginPool.Quote memory taker) = _pair();
        vm.warp(maker.deadline + 1);
        _expectRevert(
            maker, taker, abi.encodeWithSelector(IMarginPool.QuoteExpired.selector, alice, maker.nonce)
        );
        vm.warp(maker.deadline);
        matchQuotes(maker, taker, 1e18);
    }

    function test_only_the_account_signs_for_this_pool_and_chain() public {
        (IMarginPool.Quote memory maker, IMarginPool.Quote memory taker) = _pair();
        (bytes memory a, bytes memory b) = (sign(maker), sign(taker));
        bytes memory no = abi.encodeWithSelector(IMarginPool.BadSignature.selector, bob);
        vm.expectRevert(no);
        pool.trade(maker, a, taker, a, 1e18);
        uint256 chain = block.chainid;
        vm.chainId(chain + 1);
        vm.expectRevert(abi.encodeWithSelector(IMarginPool.BadSignature.selector, alice));
        pool.trade(maker, a, taker, b, 1e18);
        vm.chainId(chain);
        IMarginPool other = newPool(Assets.NATIVE, address(dai));
        vm.expectRevert(abi.encodeWithSelector(IMarginPool.BadSignature.selector, alice));
        other.trade(maker, a, taker, b, 1e18);
        taker.price += 1;
        vm.expectRevert(no);
        pool.trade(maker, a, taker, b, 1e18);
    }

    function test_bad_options_are_refused() public {
        (IMarginPool.Quote memory maker, IMarginPool.Quote memory taker) = _pair();
        (maker.expiry, taker.expiry) = (expiry + 1, expiry + 1);
        _expectRevert(maker, taker, abi.encodeWithSelector(IMarginPool.BadExpiry.selector, expiry + 1));
        (maker, taker) = _pair();
        uint40 far = expiry + 399 days;
        (maker.expiry, taker.expiry) = (far, far);
        _expectRevert(maker, taker, abi.encodeWithSelector(IMarginPool.BadExpiry.selector, far));
        uint96[3] memory strikes = [uint96(3000e18 + 1), 299e18, 30_001e18];
        for (uint256 i = 0; i < 3; ++i) {
            (maker, taker) = _pair();
            (maker.strike, taker.strike) = (strikes[i], strikes[i]);
            _expectRevert(maker, taker, abi.encodeWithSelector(IMarginPool.BadStrike.selector, strikes[i]));
        }
        (maker, taker) = _pair();
        (bytes memory a, bytes memory b) = (sign(maker), sign(taker));
        vm.expectRevert(abi.encodeWithSelector(IMarginPool.TooSmall.selector, 1e15 - 1, 1e15));
        pool.trade(maker, a, taker, b, 1e15 - 1);
        vm.expectRevert(IMarginPool.ZeroAmount.selector);
        pool.trade(maker, a, taker, b, 0);
        (maker, taker) = _pair();
        (maker.deadline, taker.deadline) = (expiry, expiry);
        vm.warp(expiry);
        _expectRevert(maker, taker, abi.encodeWithSelector(IMarginPool.Expired.selector, expiry));
    }

    function test_a_short_without_the_money_is_refused() public {
        vm.prank(alice);
        pool.withdraw(9800e6, alice, 9800e6);
        (IMarginPool.Quote memory maker, IMarginPool.Quote memory taker) = _pair();
        (bytes memory a, bytes memory b) = (sign(maker), sign(taker));
        vm.expectPartialRevert(IMarginPool.BelowInitialMargin.selector);
        pool.trade(maker, a, taker, b, 1e18);
    }

    function test_a_buyer_without_the_money_is_refused() public {
        IMarginPool.Quote memory maker = quote(alice, false, true, 3000e18, 1e18, 10_001e18);
        IMarginPool.Quote memory taker = quote(bob, true, true, 3000e18, 1e18, 10_001e18);
        (bytes memory a, bytes memory b) = (sign(maker), sign(taker));
        vm.expectPartialRevert(IMarginPool.InsufficientBalance.selector);
        pool.trade(maker, a, taker, b, 1e18);
    }

    function test_what_is_bought_back_is_gone_and_the_margin_free() public {
        trade(bob, alice, true, 3000e18, 2e18, 200e18);
        trade(alice, bob, true, 3000e18, 0.5e18, 150e18);
        assertEq(sizeOf(alice, true, 3000e18), -1.5e18);
        trade(alice, carol, true, 3000e18, 1.5e18, 150e18);
        assertEq(pool.bookOf(alice, expiry).legs.length, 0);
        assertEq(marginOf(alice), 0);
        assertEq(sizeOf(carol, true, 3000e18), -1.5e18);
        assertEq(pool.nakedCalls(), 1.5e18);
    }

    function test_a_spread_needs_its_worst_loss() public {
        trade(bob, alice, true, 3000e18, 1e18, 200e18);
        uint256 naked = initialOf(alice);
        trade(alice, bob, true, 3200e18, 1e18, 120e18);
        assertEq(initialOf(alice), 200e6);
        assertLt(200e6, naked);
        vm.prank(alice);
        pool.unlock(expiry, naked - 200e6);
        assertEq(pool.nakedCalls(), 0, "both are covered");
    }

    /// @notice Below initial margin an account may close, not open; and not close what makes the rest worse.
    function test_below_initial_margin_only_what_helps_passes() public {
        trade(bob, alice, true, 3000e18, 2e18, 200e18);
        _empty(alice);
        setPrice(3200e18);
        assertLt(marginOf(alice), initialOf(alice));
        IMarginPool.Quote memory maker = quote(bob, true, true, 3000e18, 9e18, 300e18);
        IMarginPool.Quote memory taker = quote(alice, false, true, 3000e18, 1e18, 300e18);
        (bytes memory a, bytes memory b) = (sign(maker), sign(taker));
        vm.expectPartialRevert(IMarginPool.BelowInitialMargin.selector);
        pool.trade(maker, a, taker, b, 0.1e18);
        // Closing a short at a price that hands its margin to a friend.
        maker = quote(bob, false, true, 3000e18, 9e18, 1000e18);
        taker = quote(alice, true, true, 3000e18, 1e18, 1000e18);
        (a, b) = (sign(maker), sign(taker));
        vm.expectPartialRevert(IMarginPool.BelowInitialMargin.selector);
        pool.trade(maker, a, taker, b, 0.5e18);
        // At a fair one, from its margin.
        uint256 margin = marginOf(alice);
        trade(alice, bob, true, 3000e18, 0.5e18, 300e18);
        assertLt(marginOf(alice), margin);
        assertEq(sizeOf(alice, true, 3000e18), -1.5e18);
    }

    function test_what_covers_the_rest_is_not_closed_alone() public {
        trade(bob, alice, true, 3000e18, 2e18, 200e18);
        trade(alice, carol, true, 3100e18, 2e18, 180e18);
        uint256 locked = marginOf(alice);
        vm.prank(alice);
        pool.unlock(expiry, locked - 200e6);
        _empty(alice);
        IMarginPool.Quote memory maker = quote(bob, true, true, 3100e18, 9e18, 1e18);
        IMarginPool.Quote memory taker = quote(alice, false, true, 3100e18, 1e18, 1e18);
        (bytes memory a, bytes memory b) = (sign(maker), sign(taker));
        vm.expectPartialRevert(IMarginPool.BelowInitialMargin.selector);
        pool.trade(maker, a, taker, b, 1e18);
    }

    function _empty(address account) private {
        uint256 free = pool.freeOf(account);
        vm.prank(account);
        pool.withdraw(free, account, free);
    }

    function test_the_cap_on_naked_calls_binds_what_opens() public {
        IMarginPool.Rules memory r = rulesOf();
        r.maxNakedCalls = 1e18;
        vm.prank(GOVERNANCE);
        pool.setRules(r);
        trade(bob, alice, true, 3000e18, 1e18, 200e18);
        IMarginPool.Quote memory maker = quote(carol, false, true, 3000e18, 1e18, 200e18);
        IMarginPool.Quote memory taker = quote(bob, true, true, 3000e18, 1e18, 200e18);
        (bytes memory a, bytes memory b) = (sign(maker), sign(taker));
        vm.expectRevert(abi.encodeWithSelector(IMarginPool.TooManyNakedCalls.selector, 1.1e18, 1e18));
        pool.trade(maker, a, taker, b, 0.1e18);
        // Covered ones pass, and closing makes room.
        trade(carol, bob, true, 3000e18, 0.5e18, 200e18);
        trade(bob, carol, true, 3200e18, 0.5e18, 100e18);
        trade(alice, bob, true, 3000e18, 0.5e18, 200e18);
        assertEq(pool.nakedCalls(), 0.5e18);
    }

    function test_a_book_has_at_most_24_legs() public {
        fund(alice, 100_000e6);
        for (uint256 i = 0; i < 24; ++i) {
            trade(bob, alice, true, 3000e18 + i * 1e18, 1e16, 100e18);
        }
        IMarginPool.Quote memory maker = quote(alice, false, true, 2000e18, 1e18, 1000e18);
        IMarginPool.Quote memory taker = quote(bob, true, true, 2000e18, 1e18, 1000e18);
        (bytes memory a, bytes memory b) = (sign(maker), sign(taker));
        vm.expectRevert(abi.encodeWithSelector(IMarginPool.TooManyLegs.selector, bob, expiry));
        pool.trade(maker, a, taker, b, 1e16);
    }

    function test_without_a_healthy_price_only_closing_passes() public {
        trade(bob, alice, true, 3000e18, 1e18, 200e18);
        prices.refuse(Assets.NATIVE, 1 << 2);
        (IMarginPool.Quote memory maker, IMarginPool.Quote memory taker) = _pair();
        (bytes memory a, bytes memory b) = (sign(maker), sign(taker));
        vm.expectRevert();
        pool.trade(maker, a, taker, b, 1e18);
        trade(alice, bob, true, 3000e18, 1e18, 200e18);
        assertEq(pool.nakedCalls(), 0);
    }

    function test_old_volatility_asks_more_of_who_opens_and_liquidates_nobody() public {
        trade(bob, alice, true, 3300e18, 1e18, 200e18);
        (uint256 initial, uint256 maintenance) = (initialOf(alice), maintenanceOf(alice));
        vm.warp(block.timestamp + 6 hours + 1);
        assertGt(initialOf(alice), initial * 2);
        assertLe(maintenanceOf(alice), maintenance);
        vm.prank(VOLATILITY);
        pool.setVolatility(0.6e18);
        assertLe(initialOf(alice), initial);
    }

    function test_a_wider_price_needs_more() public {
        trade(bob, alice, true, 3000e18, 1e18, 200e18);
        trade(carol, bob, false, 3000e18, 1e18, 200e18);
        (uint256 call, uint256 put) = (initialOf(alice), initialOf(bob));
        setPrice(2970e18, 3030e18);
        assertGt(initialOf(alice), call);
        assertGt(initialOf(bob), put);
    }

    function test_a_contract_trades_by_erc1271() public {
        ERC1271WalletMock wallet = new ERC1271WalletMock(carol);
        fund(address(wallet), 1000e6);
        IMarginPool.Quote memory maker = quote(address(wallet), true, true, 3000e18, 1e18, 200e18);
        IMarginPool.Quote memory taker = quote(alice, false, true, 3000e18, 1e18, 200e18);
        bytes memory b = sign(taker);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(carolKey, pool.digestOf(maker));
        pool.trade(maker, abi.encodePacked(r, s, v), taker, b, 1e18);
        assertEq(sizeOf(address(wallet), true, 3000e18), 1e18);
    }
}
