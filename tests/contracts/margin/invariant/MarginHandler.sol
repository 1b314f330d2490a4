// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IMarginPool} from "contracts/interfaces/IMarginPool.sol";
import {IVault} from "contracts/interfaces/IVault.sol";
import {MarginBooks} from "tests/contracts/margin/invariant/MarginBooks.sol";

/// @notice Calls what a pool offers, as four traders who are each other's counterparties and liquidators, through prices
/// that gap, guards that are sick, pauses, a vault that refuses, and expiries. A call that must pass or must fail is
/// checked here; what must hold between calls is checked by MarginInvariants.
contract MarginHandler is MarginBooks {
    // ---------------------------------------------------------------------------------------------- balances

    function deposit(uint256 who, uint256 amount) external {
        _fund(_trader(who), _bound(amount, 1, 5000e6));
        ++done[Verb.Deposit];
    }

    /// @dev What is free leaves in every state of the pool.
    function withdraw(uint256 who, uint256 amount) external {
        address account = _trader(who);
        uint256 free = pool.freeOf(account);
        if (free == 0) return;
        amount = _bound(amount, 1, free);
        uint256 stranded = pool.strandedOf(account).amount;
        vm.prank(account);
        pool.withdraw(amount, account, amount);
        bool refused = pool.strandedOf(account).amount != stranded;
        assertEq(refused, block.timestamp < vault.pausedUntil(IVault.Scope.Deposits), "vault refused");
        if (!refused) sumOut += amount;
        ++done[refused ? Verb.Strand : Verb.Withdraw];
    }

    function retry(uint256 who) external {
        IMarginPool.Stranded memory s = pool.strandedOf(_trader(who));
        if (s.amount == 0) return;
        bool refused = block.timestamp < vault.pausedUntil(IVault.Scope.Deposits);
        uint256 before = usd.balanceOf(address(vault));
        try pool.retry(_trader(who)) {
            assertTrue(!refused || block.timestamp >= s.since + 3 days, "too early");
            // The vault's books count what went there: see invariant.
            if (usd.balanceOf(address(vault)) == before) direct += s.amount;
            sumOut += s.amount;
            ++done[Verb.Retry];
        } catch {
            assertTrue(refused && block.timestamp < s.since + 3 days, "retry");
        }
    }

    /// Paid past the vault.
    uint256 public direct;

    function lock(uint256 who, uint256 when, uint256 amount) external {
        (address account, uint40 at) = (_trader(who), _expiry(when));
        uint256 free = pool.freeOf(account);
        if (free == 0 || !_isOpen(at)) return;
        vm.prank(account);
        pool.lock(at, _bound(amount, 1, free));
        ++done[Verb.Lock];
    }

    function unlock(uint256 who, uint256 when, uint256 amount) external {
        (address account, uint40 at) = (_trader(who), _expiry(when));
        uint256 margin = _margin(account, at);
        if (margin == 0) return;
        amount = _bound(amount, 1, margin);
        bool empty = pool.bookOf(account, at).legs.length == 0;
        uint256 initial;
        if (!empty && _isOpen(at)) (initial,,) = _needs(account, at);
        vm.prank(account);
        try pool.unlock(at, amount) {
            if (empty) return;
            assertTrue(_isOpen(at) && !sick, "unlocked without a price");
            assertGe(margin - amount, initial, "left below initial margin by its own act");
            ++done[Verb.Unlock];
        } catch {
            assertTrue(!empty && (sick || !_isOpen(at) || margin - amount < initial), "unlock");
        }
    }

    // ----------------------------------------------------------------------------------------------- trades

    struct Trade {
        address[2] sides; // buyer, seller
        uint40 at;
        bool isCall;
        uint256 strike;
        uint256 size;
        uint256 premium;
        int256[2] had; // sizes before
        bool[2] reduces;
        uint256[2] needed; // initial margin before
        uint256[2] margin; // before
        bool paused;
    }

    function trade(uint256 who, uint256 with, uint256 what, uint256 size, uint256 premium) external {
        Trade memory t;
        t.sides = [_trader(who), _trader(who % 4 + 1 + with % 3)];
        (t.at, t.isCall, t.strike) =
        (_expiry(what), (what >> 8) % 2 == 0, 2200e18 + ((what >> 16) % 9) * 200e18);
        if (!_isOpen(t.at)) return;
        t.size = _bound(size, 0.01e18, 3e18);
        t.premium = _bound(premium, 1e18, 600e18);
        for (uint256 i = 0; i < 2; ++i) {
            t.had[i] = _sizeOf(t.sides[i], t.at, t.isCall, t.strike);
            (t.needed[i],,) = _needs(t.sides[i], t.at);
            t.margin[i] = _margin(t.sides[i], t.at);
        }
        // One in two closes, as far as it can.
        if ((what >> 32) % 2 == 0 && t.had[0] < 0 && t.had[1] > 0) {
            t.size = _bound(size, 1, uint256(-t.had[0] < t.had[1] ? -t.had[0] : t.had[1]));
        }
        t.reduces = [t.had[0] + int256(t.size) <= 0, t.had[1] - int256(t.size) >= 0];
        t.paused = block.timestamp < pool.pausedUntil();
        _trade(t, _quote(t, 0), _quote(t, 1));
    }

    function _quote(Trade memory t, uint256 side) private returns (IMarginPool.Quote memory q) {
        q = quote(t.sides[side], side == 0, t.isCall, t.strike, t.size, t.premium);
        q.expiry = t.at;
    }

    function _trade(Trade memory t, IMarginPool.Quote memory buy, IMarginPool.Quote memory sell) private {
        (bytes memory a, bytes memory b) = (_sign(buy), _sign(sell));
        try pool.trade(sell, b, buy, a, uint128(t.size)) {
            assertTrue(!sick, "traded without a price");
            bool closes = t.reduces[0] && t.reduces[1];
            assertTrue(!t.paused || closes, "opened while paused");
            for (uint256 i = 0; i < 2; ++i) {
                (uint256 initial,,) = _needs(t.sides[i], t.at);
                uint256 margin = _margin(t.sides[i], t.at);
                if (margin >= initial) continue;
                assertTrue(t.reduces[i], "left below initial margin by its own act");
                assertGe(margin * t.needed[i], t.margin[i] * initial, "worse by its own act");
            }
            ++done[closes ? Verb.Reduce : Verb.Open];
            vm.expectRevert();
            pool.trade(sell, b, buy, a, uint128(t.size));
        } catch {}
    }

    function _sizeOf(address account, uint40 at, bool isCall, uint256 strike) private view returns (int256) {
        IMarginPool.Leg[] memory legs = pool.bookOf(account, at).legs;
        for (uint256 i = 0; i < legs.length; ++i) {
            if (legs[i].isCall == isCall && legs[i].strike == strike) return legs[i].size;
        }
        return 0;
    }

    // ------------------------------------------------------------------------------------------ liquidation

    function startLiquidation(uint256 who, uint256 when) external {
        (address account, uint40 at) = (_trader(who), _expiry(when));
        if (!_isOpen(at) || pool.auctionOf(account, at).open) return;
        (, uint256 maintenance,) = _needs(account, at);
        bool below = _margin(account, at) < maintenance;
        try pool.startLiquidation(account, at) {
            assertTrue(below && !sick, "a healthy book");
            ++done[Verb.Start];
        } catch {
            assertTrue(!below || sick, "start");
        }
    }

    function tick(uint256 who, uint256 when) external {
        (address account, uint40 at) = (_trader(who), _expiry(when));
        if (!_isOpen(at) || !pool.auctionOf(account, at).open || sick) return;
        for (uint256 i = 0; i < 8 && pool.auctionOf(account, at).open; ++i) {
            vm.warp(block.timestamp + 2 minutes);
            if (!_isOpen(at)) return;
            pool.tick(account, at);
        }
        ++done[Verb.Tick];
    }

    struct Bid {
        address account;
        address bidder;
        uint40 at;
        uint256 margin;
        uint256 maintenance;
        uint256 liability;
        uint256 insured;
        uint256 money; // of the two
    }

    function bid(uint256 who, uint256 by, uint256 when, uint256 share) external {
        Bid memory b;
        (b.account, b.bidder, b.at) = (_trader(who), _trader(who % 4 + 1 + by % 3), _expiry(when));
        if (!_isOpen(b.at) || !pool.auctionOf(b.account, b.at).open) return;
        share = _bound(share, 1e15, 1e18);
        (, b.maintenance, b.liability) = _needs(b.account, b.at);
        (b.margin, b.insured, b.money) = (_margin(b.account, b.at), pool.insurance(), _money(b));
        vm.prank(b.bidder);
        try pool.bid(b.account, b.at, share, 0) returns (uint256 taken, uint256) {
            assertTrue(!sick, "bid without a price");
            assertLt(b.margin, b.maintenance, "a healthy book was liquidated");
            assertLe(taken, share);
            _assertBid(b);
        } catch {}
    }

    function _assertBid(Bid memory b) private {
        uint256 rescued = b.insured - pool.insurance();
        assertEq(_money(b), b.money + rescued, "money moved elsewhere");
        uint256 most = b.liability + b.liability / 20;
        assertLe(rescued, most > b.margin ? most - b.margin : 0, "rescue");
        (, uint256 maintenance,) = _needs(b.account, b.at);
        assertGe((_margin(b.account, b.at) + 1) * b.maintenance, b.margin * maintenance, "worse after a bid");
        (uint256 initial,,) = _needs(b.bidder, b.at);
        assertGe(_margin(b.bidder, b.at), initial, "bidder below initial margin");
        ++done[rescued == 0 ? Verb.Bid : Verb.Rescue];
    }

    function _money(Bid memory b) private view returns (uint256) {
        return
            pool.freeOf(b.account) + _margin(b.account, b.at) + pool.freeOf(b.bidder)
                + _margin(b.bidder, b.at);
    }

    // ------------------------------------------------------------------------------------------- settlement

    /// @dev Goes to the next expiry, observes, settles a part, and opens another.
    function settle(uint256 where, uint256 first) external {
        uint40 at = expiries[expiries.length - 2];
        _setSick(false);
        _setPrice(_bound(where, price / 3, price * 2));
        (uint40 kept, bool traded) = (expiry, pool.settlementOf(at).terms.window != 0);
        expiry = at;
        if (traded && block.timestamp < at - 30 minutes) {
            observeAll(price, 0);
            pool.fixPrice(at);
            first = _bound(first, 0, 4);
            if (first != 0) _collect(at, first);
            ++done[Verb.Settle];
        } else if (block.timestamp <= at) {
            vm.warp(at + 1);
        }
        expiry = kept;
        expiries.push(expiries[expiries.length - 1] + 7 days);
    }

    /// @dev An expiry that nobody observed gets a price when nobody acted for 30 days.
    function fixLate(uint256 when) external {
        uint40 at = expiries[when % expiries.length];
        IMarginPool.Settlement memory s = pool.settlementOf(at);
        bool due = s.terms.window != 0 && s.price == 0 && block.timestamp >= at + 31 days;
        try pool.fixPrice(at) {
            assertTrue(due, "fixed without observations");
        } catch {
            assertFalse(due, "fix");
        }
    }

    function collect(uint256 when) external {
        uint40 at = expiries[when % expiries.length];
        IMarginPool.Settlement memory s = pool.settlementOf(at);
        if (s.price == 0 || s.closed) return;
        _collect(at, type(uint256).max);
    }

    /// What writers' books paid, by expiry.
    mapping(uint40 at => uint256) private collected;

    /// @dev What is missing is what insurance pays and what the haircut takes, to the unit.
    function _collect(uint40 at, uint256 count) private {
        (uint256 before, uint256 insured) = (_ownedByTraders(at), pool.insurance());
        pool.collect(at, count);
        collected[at] += before - _ownedByTraders(at);
        IMarginPool.Settlement memory s = pool.settlementOf(at);
        if (!s.closed) return;
        if (s.owed <= collected[at]) {
            assertEq(s.pot, s.owed, "all is paid");
            assertEq(pool.insurance() - insured, collected[at] - s.owed, "the fund gets what rounding left");
            return;
        }
        uint256 rescued = insured - pool.insurance();
        assertEq(
            rescued + (s.owed - s.pot), s.owed - collected[at], "insurance and haircut are the shortfall"
        );
        assertLe(rescued, insured / 2, "the fund's share");
        if (s.pot < s.owed) ++done[Verb.Haircut];
    }

    function _ownedByTraders(uint40 at) private view returns (uint256 sum) {
        for (uint256 i = 0; i < traders.length; ++i) {
            sum += pool.freeOf(traders[i]) + _margin(traders[i], at);
        }
    }

    /// What holders were paid, by expiry.
    mapping(uint40 at => uint256) public redeemed;

    function redeem(uint256 who, uint256 when) external {
        (address account, uint40 at) = (_trader(who), expiries[when % expiries.length]);
        IMarginPool.Settlement memory s = pool.settlementOf(at);
        uint256 credit = pool.bookOf(account, at).credit;
        uint256 free = pool.freeOf(account);
        try pool.redeem(account, at) {
            assertTrue(s.closed && credit != 0, "redeem");
            uint256 paid = pool.freeOf(account) - free;
            assertEq(paid, credit * s.pot / s.owed, "one factor for all");
            redeemed[at] += paid;
            ++done[Verb.Redeem];
        } catch {
            assertTrue(!s.closed || credit == 0, "redeem");
        }
    }

    // ------------------------------------------------------------------------------------------------ world

    function movePrice(uint256 to, uint256 how) external {
        bool gap = how % 4 == 0;
        _setPrice(
            gap ? _bound(to, price / 10, price * 4) : _bound(to, price - price / 20, price + price / 20)
        );
        if (gap) ++done[Verb.Gap];
    }

    function setVolatility(uint256 to) external {
        (uint64 value, uint40 at) = pool.volatility();
        // A tenth each hour, rounded as the pool rounds it.
        uint256 step = uint256(value) * ((block.timestamp - at) * 1e18 / 1 hours) / 1e19;
        uint256 lo = value > step + 0.2e18 ? value - step : 0.2e18;
        uint256 hi = value + step < 3e18 ? value + step : 3e18;
        vm.prank(VOLATILITY);
        pool.setVolatility(uint64(_bound(to, lo, hi)));
        ++done[Verb.Volatility];
    }

    function fallSick(uint256 how) external {
        _setSick(how % 4 == 0);
    }

    function pause(uint256 which, uint256 time) external {
        vm.prank(which % 2 == 0 ? GUARDIAN : OTHER_GUARDIAN);
        if (which % 3 == 0) {
            try vault.pause(IVault.Scope.Deposits, uint32(_bound(time, 1, 3 days))) {} catch {}
        } else {
            try pool.pause(uint32(_bound(time, 1, 1 days))) {
                ++done[Verb.Pause];
            } catch {}
        }
    }

    function donate(uint256 amount) external {
        amount = _bound(amount, 1, 1e12);
        usd.mint(address(pool), amount);
        donated += amount;
        ++done[Verb.Donate];
    }

    function fundInsurance(uint256 who, uint256 amount) external {
        address account = _trader(who);
        uint256 free = pool.freeOf(account);
        if (free == 0) return;
        vm.prank(account);
        pool.fundInsurance(_bound(amount, 1, free / 8 + 1));
    }

    function warp(uint256 by) external {
        vm.warp(block.timestamp + _bound(by, 1, 12 hours));
        if (block.timestamp >= expiries[expiries.length - 2]) {
            expiries.push(expiries[expiries.length - 1] + 7 days);
        }
    }
}
