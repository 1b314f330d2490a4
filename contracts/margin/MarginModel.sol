// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";

import {IMarginPool} from "../interfaces/IMarginPool.sol";
import {Black76} from "./Black76.sol";

/// @title MarginModel
/// @notice The standard margin that Deribit publishes for options ("Standard Margin", deribit.com/kb), in cash instead
/// of coin, with the offset of Derive's StandardManager (derivexyz/v2-core) for what an account holds in one expiry.
/// Computes only. Per contract, with S the price of the underlying, K the strike, OTM how far the option is out of the
/// money, and mark its value by {Black76} on the forward S at the volatility and its buffer:
///
///     m             = max(maxSpot * S - OTM, minSpot * S)
///     short call    initial m + mark               maintenance  spot * S + mark
///     short put     initial m + mark               maintenance  max(spot * S, putMark * mark) + mark
///     long          nothing: it is paid for, and counts in what follows
///
/// (no initial below its maintenance). What is required for all options of one expiry is the lesser of
/// - the sum of these over the shorts;
/// - the worst loss at settlement, over the prices 0 and every strike, and unpaired * S for every call that is short
///   beyond those that are long.
///
/// So a spread costs its worst loss, and a put that is covered in cash its strike. A call that is covered in the
/// underlying is such a put in the pool with the two assets exchanged: max(1 - K / S, 0) of the underlying is the
/// payoff of K puts, of strike 1 / K, on the cash.
///
/// S is an interval. Each term takes the end of it that requires more, and is rounded up. Prices per contract have 18
/// decimals, sizes too, what is required 36.
///
/// Deployed by itself, and linked: pools have no room for it.
library MarginModel {
    uint256 private constant BPS = 10_000;

    /// @notice What shares of the price and the mark are required.
    struct Shares {
        uint256 maxSpotBps;
        uint256 minSpotBps;
        uint256 maintenanceBps;
        uint256 putMarkBps;
        uint256 unpairedBps;
    }

    /// @return initial What must be there after whatever the account does by itself.
    /// @return maintenance Below it, it may be liquidated. At most `initial`.
    function requirement(
        IMarginPool.Leg[] memory legs,
        IMarginPool.Market memory market,
        Shares memory shares
    ) external pure returns (uint256 initial, uint256 maintenance) {
        unchecked {
            int256 calls;
            for (uint256 i = 0; i < legs.length; ++i) {
                IMarginPool.Leg memory leg = legs[i];
                if (leg.isCall) calls += leg.size;
                if (leg.size >= 0) continue;
                (uint256 one, uint256 other) = _short(leg.strike, leg.isCall, market, shares);
                initial += uint256(-int256(leg.size)) * one;
                maintenance += uint256(-int256(leg.size)) * other;
            }
            if (initial == 0) return (0, 0);
            uint256 worst = worstLoss(legs);
            if (calls < 0) worst += uint256(-calls) * _part(market.hi, shares.unpairedBps);
            return (FixedPointMathLib.min(initial, worst), FixedPointMathLib.min(maintenance, worst));
        }
    }

    /// @dev Of one contract.
    function _short(uint256 strike, bool isCall, IMarginPool.Market memory market, Shares memory shares)
        private
        pure
        returns (uint256 initial, uint256 maintenance)
    {
        unchecked {
            // A call's mark rises with the price, a put's falls.
            uint256 end = isCall ? market.hi : market.lo;
            uint256 otm = isCall
                ? FixedPointMathLib.zeroFloorSub(strike, market.hi)
                : FixedPointMathLib.zeroFloorSub(market.lo, strike);
            uint256 mark = Black76.priceUp(end, strike, market.vMaintenance, isCall);
            maintenance = _part(market.hi, shares.maintenanceBps);
            if (!isCall) maintenance = FixedPointMathLib.max(maintenance, _part(mark, shares.putMarkBps));
            maintenance += mark;
            if (market.vInitial != market.vMaintenance) {
                mark = Black76.priceUp(end, strike, market.vInitial, isCall);
            }
            initial = FixedPointMathLib.max(
                FixedPointMathLib.zeroFloorSub(_part(market.hi, shares.maxSpotBps), otm),
                _part(market.hi, shares.minSpotBps)
            );
            initial = FixedPointMathLib.max(initial + mark, maintenance);
        }
    }

    /// @notice The most that the legs lose at settlement at 0 or any of the strikes. Between these it is no more; above the
    /// highest it grows with each call that is short beyond the longs.
    function worstLoss(IMarginPool.Leg[] memory legs) internal pure returns (uint256 worst) {
        int256 least = valueAt(legs, 0);
        for (uint256 i = 0; i < legs.length; ++i) {
            least = FixedPointMathLib.min(least, valueAt(legs, legs[i].strike));
        }
        return least < 0 ? uint256(-least) : 0;
    }

    /// @notice What the legs pay at a settlement at `price`; negative: owe. Exact.
    function valueAt(IMarginPool.Leg[] memory legs, uint256 price) internal pure returns (int256 value) {
        unchecked {
            for (uint256 i = 0; i < legs.length; ++i) {
                IMarginPool.Leg memory leg = legs[i];
                uint256 strike = leg.strike;
                if (leg.isCall == (price > strike)) {
                    value += int256(leg.size) * int256(leg.isCall ? price - strike : strike - price);
                }
            }
        }
    }

    /// @notice What the legs owe at the mark without buffer, longs against shorts; 0 when they are worth something.
    function liability(IMarginPool.Leg[] memory legs, IMarginPool.Market memory market)
        external
        pure
        returns (uint256)
    {
        unchecked {
            uint256 owed;
            uint256 owned;
            for (uint256 i = 0; i < legs.length; ++i) {
                IMarginPool.Leg memory leg = legs[i];
                bool short = leg.size < 0;
                uint256 end = leg.isCall == short ? market.hi : market.lo;
                if (short) {
                    owed += uint256(-int256(leg.size))
                    * Black76.priceUp(end, leg.strike, market.vMark, leg.isCall);
                } else {
                    owned += uint256(int256(leg.size))
                    * Black76.priceDown(end, leg.strike, market.vMark, leg.isCall);
                }
            }
            return FixedPointMathLib.zeroFloorSub(owed, owned);
        }
    }

    /// @notice Calls that are short beyond those that are long: their loss has no end.
    function nakedCalls(IMarginPool.Leg[] memory legs) internal pure returns (uint256) {
        unchecked {
            int256 calls;
            for (uint256 i = 0; i < legs.length; ++i) {
                if (legs[i].isCall) calls += legs[i].size;
            }
            return calls < 0 ? uint256(-calls) : 0;
        }
    }

    function _part(uint256 amount, uint256 bps) private pure returns (uint256) {
        unchecked {
            return (amount * bps + BPS - 1) / BPS;
        }
    }
}
