// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {LibSort} from "solady/utils/LibSort.sol";

import {IMarginPool} from "../interfaces/IMarginPool.sol";
import {IOracleGuard} from "../interfaces/IOracleGuard.sol";
import {MarginModel} from "./MarginModel.sol";
import {PoolControl} from "./PoolControl.sol";

/// @notice From expiry to what is paid. See {IMarginPool}.
///
/// **The price.** A window has 30 parts of equal length, each with the first price that was written in it, which the
/// oracle guard called healthy. The price is the mean of the parts that are within the tolerance of their median, if
/// these are enough; more than half of all parts must be. So what was moved for a minute is not in it. If the window
/// before expiry is not good, the first good one of those that follow it counts; if none is within the patience, what
/// governance proposes and no guardian challenges; and if nobody acts for 30 days, the last price that was seen.
///
/// **The money.** Each book is worth the sum of its legs' payoffs. A book that owes pays from its margin, the rest of the
/// margin is free again, and a book that is owed gets a credit. When all books are in, and not before,
///
///     pot = min(owed, collected + min(owed - collected, insurance * share))        paid = credit * pot / owed
///
/// so what is missing falls on those who are owed in this expiry, each in proportion, in whatever order they come.
abstract contract Settlement is PoolControl {
    using SafeCast for uint256;

    uint256 private constant PARTS = 30;
    uint256 private constant GIVE_UP = 30 days;

    // ------------------------------------------------------------------------------------------------ price

    /// @notice See {IMarginPool-observe}.
    function observe(uint40 expiry) external nonReentrant {
        Expiry storage e = _pool().expiries[expiry];
        IMarginPool.Settlement storage s = e.settlement;
        (uint256 window, uint256 patience) = (s.terms.window, s.terms.patience);
        uint256 begin = expiry - window;
        if (
            window == 0 || s.price != 0 || block.timestamp < begin
                || block.timestamp >= expiry + patience / window * window
        ) revert IMarginPool.NotObservable(expiry);
        uint256 round = (block.timestamp - begin) / window;
        uint256 part = (block.timestamp - begin) % window * PARTS / window;
        if (e.parts[round][part] != 0) revert IMarginPool.AlreadyObserved(expiry, round, part);
        (uint256 lo, uint256 hi) = _prices(IOracleGuard.Action.Margin);
        uint128 price = ((lo + hi) / 2).toUint128();
        (e.parts[round][part], s.lastSeen) = (price, price);
        emit IMarginPool.Observed(expiry, round, part, price);
    }

    /// @notice See {IMarginPool-fixPrice}.
    function fixPrice(uint40 expiry) external nonReentrant {
        IMarginPool.Settlement storage s = _pool().expiries[expiry].settlement;
        if (block.timestamp < expiry) revert IMarginPool.NotExpired(expiry);
        if (s.price != 0) revert IMarginPool.AlreadySettled(expiry);
        if (s.terms.window == 0) revert IMarginPool.NoSettlementPrice(expiry);
        (IMarginPool.Source source, uint256 price) = _findPrice(expiry, s);
        if (source == IMarginPool.Source.None) revert IMarginPool.NoSettlementPrice(expiry);
        (s.source, s.price) = (source, price.toUint128());
        emit IMarginPool.PriceFixed(expiry, source, price);
    }

    function _findPrice(uint40 expiry, IMarginPool.Settlement storage s)
        private
        view
        returns (IMarginPool.Source, uint256)
    {
        (uint256 window, uint256 patience) = (s.terms.window, s.terms.patience);
        // Round 0 ended at expiry.
        uint256 rounds = 1 + Math.min(block.timestamp - expiry, patience) / window;
        for (uint256 round = 0; round < rounds; ++round) {
            uint256 price = _meanOf(expiry, round, s.terms);
            if (price != 0) {
                return (round == 0 ? IMarginPool.Source.Window : IMarginPool.Source.LateWindow, price);
            }
        }
        if (s.proposedAt != 0 && block.timestamp >= uint256(s.proposedAt) + s.terms.challenge) {
            return (IMarginPool.Source.Governed, s.proposed);
        }
        if (block.timestamp >= expiry + patience + GIVE_UP) {
            return (IMarginPool.Source.LastSeen, s.lastSeen);
        }
        return (IMarginPool.Source.None, 0);
    }

    /// @dev 0 when the window is not good.
    function _meanOf(uint40 expiry, uint256 round, IMarginPool.Terms storage terms)
        private
        view
        returns (uint256)
    {
        uint128[PARTS] storage parts = _pool().expiries[expiry].parts[round];
        uint256[] memory prices = new uint256[](PARTS);
        uint256 count;
        for (uint256 i = 0; i < PARTS; ++i) {
            if (parts[i] != 0) prices[count++] = parts[i];
        }
        if (count < terms.observations) return 0;
        assembly ("memory-safe") {
            mstore(prices, count)
        }
        LibSort.insertionSort(prices);
        uint256 median = prices[(count - 1) / 2];
        uint256 tolerance = median * terms.toleranceBps / BPS;
        (uint256 sum, uint256 agree) = (0, 0);
        for (uint256 i = 0; i < count; ++i) {
            uint256 price = prices[i];
            if ((price > median ? price - median : median - price) > tolerance) continue;
            (sum, agree) = (sum + price, agree + 1);
        }
        return agree < terms.observations ? 0 : sum / agree;
    }

    /// @notice See {IMarginPool-proposePrice}.
    function proposePrice(uint40 expiry, uint128 price) external restricted {
        IMarginPool.Settlement storage s = _unfixed(expiry);
        uint256 from = uint256(expiry) + s.terms.patience;
        if (block.timestamp < from) revert IMarginPool.TooEarly(from);
        _requireWithin("price", price, 1, type(uint112).max);
        (s.proposed, s.proposedAt) = (price, uint40(block.timestamp));
        emit IMarginPool.PriceProposed(expiry, price, block.timestamp + s.terms.challenge);
    }

    /// @notice See {IMarginPool-challengePrice}.
    function challengePrice(uint40 expiry) external restricted {
        IMarginPool.Settlement storage s = _unfixed(expiry);
        if (s.proposedAt == 0) revert IMarginPool.NothingProposed(expiry);
        emit IMarginPool.PriceChallenged(expiry, s.proposed, msg.sender);
        (s.proposed, s.proposedAt) = (0, 0);
    }

    function _unfixed(uint40 expiry) private view returns (IMarginPool.Settlement storage s) {
        s = _pool().expiries[expiry].settlement;
        if (s.price != 0) revert IMarginPool.AlreadySettled(expiry);
        if (s.terms.window == 0) revert IMarginPool.NoSettlementPrice(expiry);
    }

    // ------------------------------------------------------------------------------------------------ money

    /// @notice See {IMarginPool-collect}.
    function collect(uint40 expiry, uint256 count) external nonReentrant {
        Expiry storage e = _pool().expiries[expiry];
        IMarginPool.Settlement storage s = e.settlement;
        if (s.price == 0) revert IMarginPool.NoSettlementPrice(expiry);
        if (s.closed) revert IMarginPool.AlreadySettled(expiry);
        uint256 at = s.collected;
        uint256 end = Math.min(s.accounts, at + Math.min(count, s.accounts));
        // The pot is what was collected until it is closed.
        (uint256 owed, uint256 pot) = (s.owed, s.pot);
        for (; at < end; ++at) {
            (uint256 credit, uint256 taken) = _collectOne(e.accounts[at], expiry, s.price);
            (owed, pot) = (owed + credit, pot + taken);
        }
        (s.collected, s.owed, s.pot) = (uint32(end), owed, pot.toUint128());
        if (end == s.accounts) _close(expiry, s);
    }

    function _collectOne(address account, uint40 expiry, uint256 price)
        private
        returns (uint256 credit, uint256 taken)
    {
        IMarginPool.Book storage book = _book(account, expiry);
        IMarginPool.Leg[] memory legs = book.legs;
        int256 value = MarginModel.valueAt(legs, price);
        uint256 margin = book.margin;
        if (value < 0) taken = Math.min(margin, _unitsUp(uint256(-value)));
        // A credit that no money could pay must not keep the others from settling.
        else credit = Math.min(_unitsDown(uint256(value)), type(uint112).max);
        if (legs.length != 0) {
            uint256 naked = MarginModel.nakedCalls(legs);
            if (naked != 0) _pool().nakedCalls -= naked.toUint128();
            delete book.legs;
        }
        book.credit = uint112(credit);
        book.margin = (margin - taken).toUint128();
        emit IMarginPool.Collected(account, expiry, value, taken, margin - taken);
        _release(account, expiry);
    }

    function _close(uint40 expiry, IMarginPool.Settlement storage s) private {
        Layout storage $ = _pool();
        (uint256 owed, uint256 collected) = (s.owed, s.pot);
        uint256 insured;
        if (collected < owed) {
            insured = Math.min(owed - collected, Math.mulDiv($.insurance, $.rules.insuranceBps, BPS));
        }
        // What rounding collected beyond what is owed is the fund's.
        uint256 pot = Math.min(owed, collected + insured);
        $.insurance = ($.insurance + collected - pot).toUint128();
        (s.closed, s.pot) = (true, pot.toUint128());
        emit IMarginPool.Closed(expiry, owed, collected, insured, pot);
    }

    /// @notice See {IMarginPool-redeem}.
    function redeem(address account, uint40 expiry) external nonReentrant {
        IMarginPool.Settlement storage s = _pool().expiries[expiry].settlement;
        IMarginPool.Book storage book = _book(account, expiry);
        if (!s.closed) revert IMarginPool.NotClosed(expiry);
        uint256 credit = book.credit;
        if (credit == 0) revert IMarginPool.NothingToRedeem(account, expiry);
        book.credit = 0;
        uint256 paid = Math.mulDiv(credit, s.pot, s.owed);
        _pool().free[account] += paid;
        emit IMarginPool.Redeemed(account, expiry, credit, paid);
    }
}
