// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";

/// @title Black76
/// @notice European options on a forward without interest: F. Black, "The pricing of commodity contracts", 1976. All
/// numbers have 18 decimals.
///
/// With lo and hi the lesser and greater of forward and strike, m = ln(hi / lo), v = sigma * sqrt(T),
/// a = m / v - v / 2 and b = m / v + v / 2, a call and a put of one strike are each worth their intrinsic value and
///
///     lo * N(-a) - hi * N(-b)  =  lo * exp(-a^2 / 2) * (r(a) - r(b)),     r(x) = N(-x) * exp(x^2 / 2)
///
/// The right side has no difference of large numbers, so what is far out of the money keeps its digits. r is Hart's
/// rational approximation as G. West gives it ("Better approximations to cumulative normal functions", Wilmott 2005).
library Black76 {
    uint256 private constant WAD = 1e18;
    /// @dev From here on the value is below 1e-17 of the lesser of forward and strike.
    int256 private constant FAR = 8.5e18;
    int256 private constant RATIONAL = 7.07106781186547e18;

    /// @notice The value of one option. Its error is below {errorOf}.
    /// @param forward 1 to 2^112 - 1.
    /// @param strike 1 to 2^112 - 1.
    /// @param v Volatility times the square root of the years left, below 8e18.
    function price(uint256 forward, uint256 strike, uint256 v, bool isCall) internal pure returns (uint256) {
        (uint256 lo, uint256 hi) = forward < strike ? (forward, strike) : (strike, forward);
        uint256 intrinsic = isCall == (forward > strike) ? hi - lo : 0;
        return v == 0 ? intrinsic : intrinsic + _timeValue(lo, hi, int256(v));
    }

    /// @notice {price}, not below the true value.
    function priceUp(uint256 forward, uint256 strike, uint256 v, bool isCall)
        internal
        pure
        returns (uint256)
    {
        return price(forward, strike, v, isCall) + errorOf(forward, strike);
    }

    /// @notice {price}, not above the true value.
    function priceDown(uint256 forward, uint256 strike, uint256 v, bool isCall)
        internal
        pure
        returns (uint256)
    {
        return FixedPointMathLib.zeroFloorSub(price(forward, strike, v, isCall), errorOf(forward, strike));
    }

    /// @notice No {price} is further from the true value than this: 1e-14 of the lesser of forward and strike.
    function errorOf(uint256 forward, uint256 strike) internal pure returns (uint256) {
        return FixedPointMathLib.min(forward, strike) / 1e14 + 2;
    }

    function _timeValue(uint256 lo, uint256 hi, int256 v) private pure returns (uint256) {
        unchecked {
            int256 middle = FixedPointMathLib.lnWad(int256(hi * WAD / lo)) * 1e18 / v;
            int256 a = middle - v / 2;
            if (a >= FAR) return 0;
            int256 b = middle + v / 2;
            uint256 density = uint256(FixedPointMathLib.expWad(-(a * a) / 2e18));
            // Below 0, r(a) is exp(a^2 / 2) - r(-a).
            if (a < 0) {
                uint256 out = density * (_r(-a) + _r(b)) / WAD;
                return out < WAD ? lo * (WAD - out) / WAD : 0;
            }
            return lo * density / WAD * (_r(a) - _r(b)) / WAD;
        }
    }

    /// @dev N(-x) * exp(x^2 / 2), for x from 0 on.
    function _r(int256 x) private pure returns (uint256) {
        unchecked {
            if (x >= RATIONAL) {
                int256 k = x + 0.65e18;
                k = x + 4e36 / k;
                k = x + 3e36 / k;
                k = x + 2e36 / k;
                k = x + 1e36 / k;
                return uint256(1e54 / (k * 2.506628274631000502e18 / 1e18)) / WAD;
            }
            int256 p = 0.0352624965998911e18;
            p = p * x / 1e18 + 0.700383064443688e18;
            p = p * x / 1e18 + 6.37396220353165e18;
            p = p * x / 1e18 + 33.912866078383e18;
            p = p * x / 1e18 + 112.079291497871e18;
            p = p * x / 1e18 + 221.213596169931e18;
            p = p * x / 1e18 + 220.206867912376e18;
            int256 q = 0.0883883476483184e18;
            q = q * x / 1e18 + 1.75566716318264e18;
            q = q * x / 1e18 + 16.064177579207e18;
            q = q * x / 1e18 + 86.7807322029461e18;
            q = q * x / 1e18 + 296.564248779674e18;
            q = q * x / 1e18 + 637.333633378831e18;
            q = q * x / 1e18 + 793.826512519948e18;
            q = q * x / 1e18 + 440.413735824752e18;
            return uint256(p * 1e18 / q);
        }
    }
}
