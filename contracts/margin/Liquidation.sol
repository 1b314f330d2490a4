// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {IMarginPool} from "../interfaces/IMarginPool.sol";
import {IOracleGuard} from "../interfaces/IOracleGuard.sol";
import {Trading} from "./Trading.sol";

/// @notice What happens to a book whose margin is below maintenance. Only ledger entries move: nothing that a collateral,
/// a holder or a bidder does can stop it. What a bidder of the whole book would be paid:
///
///     begin    = min(margin, liability * (1 + premium))
///     offer(t) = begin + (margin - begin) * t / auctionTime             until auctionTime, from the margin
///              = margin + rescue(t)                                     after
///     rescue(t) = min(most - margin, insurance * share) * (t - auctionTime) / rescueTime, if most > margin
///     most     = liability * (1 + incentive)
///
/// A share of the book is paid that share of the offer. So the margin that is left covers no smaller a part of what is
/// required than before, and none is ever negative. At most the share is taken that leads the book to its target, between
/// maintenance and initial margin: target = maintenance + (initial - maintenance) * targetBps,
///
///     share <= (target - margin) / (target - from margin)
///
/// The clock runs only while somebody sees a price: a tick counts at most two minutes.
abstract contract Liquidation is Trading {
    using SafeCast for uint256;

    uint256 private constant LONGEST_TICK = 2 minutes;

    struct Valuation {
        IMarginPool.Market market;
        IMarginPool.Leg[] legs;
        uint256 margin;
        uint256 initial;
        uint256 maintenance;
        uint256 liability;
    }

    struct Bid {
        uint256 share;
        uint256 paid; // from the margin
        uint256 rescued; // from the insurance fund
    }

    /// @notice See {IMarginPool-startLiquidation}.
    function startLiquidation(address account, uint40 expiry) external nonReentrant {
        IMarginPool.Auction storage auction = _pool().expiries[expiry].auctions[account];
        if (auction.open) revert IMarginPool.AlreadyInLiquidation(account, expiry);
        Valuation memory v = _value(account, expiry, IOracleGuard.Action.Liquidation);
        if (v.margin >= v.maintenance) {
            revert IMarginPool.NotLiquidatable(account, expiry, v.margin, v.maintenance);
        }
        (auction.open, auction.elapsed, auction.tickedAt) = (true, 0, uint40(block.timestamp));
        emit IMarginPool.LiquidationStarted(
            account, expiry, v.market, v.margin, v.initial, v.maintenance, v.liability
        );
    }

    /// @notice See {IMarginPool-tick}.
    function tick(address account, uint40 expiry) external nonReentrant {
        _tick(account, expiry);
    }

    /// @notice See {IMarginPool-bid}.
    function bid(address account, uint40 expiry, uint256 share, uint256 least)
        external
        nonReentrant
        returns (uint256 taken, uint256 paid)
    {
        if (account == msg.sender) revert IMarginPool.OwnBook(account);
        (Valuation memory v, bool over) = _tick(account, expiry);
        if (over) revert IMarginPool.NotLiquidatable(account, expiry, v.margin, v.maintenance);
        if (share == 0) revert IMarginPool.ZeroAmount();
        (uint256 fromMargin, uint256 rescue) = _offer(account, expiry, v);
        Bid memory b;
        b.share = Math.min(share, _mostShare(v, fromMargin));
        (b.paid, b.rescued) = (fromMargin * b.share / WAD, rescue * b.share / WAD);
        (taken, paid) = (b.share, b.paid + b.rescued);
        if (paid < least) revert IMarginPool.PaysTooLittle(paid, least);
        emit IMarginPool.Liquidated(
            account,
            expiry,
            msg.sender,
            b.share,
            b.paid,
            b.rescued,
            v.market,
            v.margin,
            v.initial,
            v.maintenance,
            v.liability
        );
        _move(account, expiry, v, b);
    }

    function _move(address account, uint40 expiry, Valuation memory v, Bid memory b) private {
        Side memory side = _open(msg.sender, expiry);
        for (uint256 i = 0; i < v.legs.length; ++i) {
            IMarginPool.Leg memory leg = v.legs[i];
            // Against the bidder: shorts up, longs down.
            int256 part = leg.size < 0
                ? -int256(Math.mulDiv(uint256(-int256(leg.size)), b.share, WAD, Math.Rounding.Ceil))
                : int256(Math.mulDiv(uint256(int256(leg.size)), b.share, WAD));
            if (part == 0) continue;
            _add(account, expiry, leg.strike, leg.isCall, -part);
            _add(msg.sender, expiry, leg.strike, leg.isCall, part);
        }
        _pool().insurance -= b.rescued.toUint128();
        IMarginPool.Book storage book = _book(account, expiry);
        IMarginPool.Book storage to = _book(msg.sender, expiry);
        book.margin -= b.paid.toUint128();
        to.margin = (to.margin + b.paid + b.rescued).toUint128();
        _countNaked(v.legs, book.legs);
        _countNaked(side.before, to.legs);
        if (book.legs.length == 0) {
            _release(account, expiry);
        } else {
            (, uint256 maintenance) = _requirement(book.legs, v.market);
            if (book.margin >= maintenance) _end(account, expiry, book.margin);
        }
        _settle(side, v.market);
    }

    // ---------------------------------------------------------------------------------------------- reckoning

    function _value(address account, uint40 expiry, IOracleGuard.Action action)
        internal
        view
        returns (Valuation memory v)
    {
        _requireBeforeExpiry(expiry);
        v.market = _market(expiry, action);
        (v.legs, v.margin) = (_book(account, expiry).legs, _book(account, expiry).margin);
        (v.initial, v.maintenance) = _requirement(v.legs, v.market);
        v.liability = _liability(v.legs, v.market);
    }

    /// @return v The book now. @return over Whether it is healthy again, and its liquidation ended.
    function _tick(address account, uint40 expiry) private returns (Valuation memory v, bool over) {
        IMarginPool.Auction storage auction = _pool().expiries[expiry].auctions[account];
        if (!auction.open) revert IMarginPool.NotInLiquidation(account, expiry);
        v = _value(account, expiry, IOracleGuard.Action.Liquidation);
        if (v.margin >= v.maintenance) {
            _end(account, expiry, v.margin);
            return (v, true);
        }
        auction.elapsed += uint32(Math.min(block.timestamp - auction.tickedAt, LONGEST_TICK));
        auction.tickedAt = uint40(block.timestamp);
        emit IMarginPool.Ticked(account, expiry, auction.elapsed);
    }

    function _end(address account, uint40 expiry, uint256 margin) private {
        delete _pool().expiries[expiry].auctions[account];
        emit IMarginPool.LiquidationEnded(account, expiry, margin);
    }

    function _offer(address account, uint40 expiry, Valuation memory v)
        internal
        view
        returns (uint256 fromMargin, uint256 rescue)
    {
        Layout storage $ = _pool();
        IMarginPool.Rules storage r = $.rules;
        uint256 elapsed = $.expiries[expiry].auctions[account].elapsed;
        if (elapsed < r.auctionTime) {
            uint256 begin = Math.min(v.margin, v.liability + Math.ceilDiv(v.liability * r.premiumBps, BPS));
            return (begin + (v.margin - begin) * elapsed / r.auctionTime, 0);
        }
        uint256 most = v.liability + v.liability * r.incentiveBps / BPS;
        if (most <= v.margin) return (v.margin, 0);
        rescue = Math.min(most - v.margin, uint256($.insurance) * r.insuranceBps / BPS);
        return (v.margin, rescue * Math.min(elapsed - r.auctionTime, r.rescueTime) / r.rescueTime);
    }

    /// @dev The margin is below maintenance, so below the target.
    function _mostShare(Valuation memory v, uint256 fromMargin) private view returns (uint256) {
        uint256 target = v.maintenance + Math.mulDiv(v.initial - v.maintenance, _pool().rules.targetBps, BPS);
        return Math.min(WAD, Math.mulDiv(target - v.margin, WAD, target - fromMargin, Math.Rounding.Ceil));
    }
}
