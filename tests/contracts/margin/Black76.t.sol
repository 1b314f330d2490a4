// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {Test} from "forge-std/Test.sol";
import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";

import {Black76} from "contracts/margin/Black76.sol";

/// @notice The value of options, against tests/vectors/margin/black76.json, which whole numbers of 90 decimals made.
contract Black76Test is Test {
    struct Columns {
        uint256[] forward;
        uint256[] strike;
        uint256[] volatility;
        uint256[] time;
        bool[] isCall;
        uint256[] value36;
    }

    /// @dev As a pool does it, without rounding against anybody.
    function _v(uint256 volatility, uint256 time) private pure returns (uint256) {
        return volatility * FixedPointMathLib.sqrt(time * 1e36 / 365 days) / 1e18;
    }

    function test_values_are_those_of_the_reference() public {
        string memory json = vm.readFile("tests/vectors/margin/black76.json");
        Columns memory c;
        c.forward = vm.parseJsonUintArray(json, ".forward");
        c.strike = vm.parseJsonUintArray(json, ".strike");
        c.volatility = vm.parseJsonUintArray(json, ".volatility");
        c.time = vm.parseJsonUintArray(json, ".seconds");
        c.isCall = vm.parseJsonBoolArray(json, ".isCall");
        c.value36 = vm.parseJsonUintArray(json, ".value36");
        assertGt(c.forward.length, 1000);
        uint256 worst; // relative, 18 decimals
        uint256 counted;
        for (uint256 i = 0; i < c.forward.length; ++i) {
            (uint256 f, uint256 k, uint256 v) = (c.forward[i], c.strike[i], _v(c.volatility[i], c.time[i]));
            uint256 value = Black76.price(f, k, v, c.isCall[i]);
            uint256 apart = _distance(value * 1e18, c.value36[i]);
            // The square root of time is rounded, too: that moves the value by no more than 1e-16 of it.
            assertLe(apart, (Black76.errorOf(f, k) + f / 1e16) * 1e18, vm.toString(i));
            assertGe(Black76.priceUp(f, k, v + 1, c.isCall[i]) * 1e18, c.value36[i], "up");
            assertLe(Black76.priceDown(f, k, v, c.isCall[i]) * 1e18, c.value36[i], "down");
            // What is less than a billionth of the price is below a thousandth of a cent.
            if (c.value36[i] < f * 1e9 || f < 1e18) continue;
            worst = Math.max(worst, Math.mulDiv(apart, 1e18, c.value36[i]));
            ++counted;
        }
        emit log_named_decimal_uint("black_scholes_rel_err_chain", worst, 18);
        assertLe(worst, 1e12, "1e-6");
        assertGt(counted, 700);
    }

    /// @notice Never above a bound that needs no normal distribution, and never below what exercise would pay.
    function testFuzz_values_are_within_simple_bounds(uint256 f, uint256 k, uint256 v, bool isCall)
        public
        pure
    {
        f = bound(f, 1e9, 1e30);
        k = bound(k, f / 1000 + 1, f * 1000);
        v = bound(v, 1e12, 7e18);
        uint256 value = Black76.price(f, k, v, isCall);
        uint256 intrinsic =
            isCall ? FixedPointMathLib.zeroFloorSub(f, k) : FixedPointMathLib.zeroFloorSub(k, f);
        assertGe(value, intrinsic);
        assertLe(value, isCall ? f : k);
        // Brenner and Subrahmanyam: v * min(F, K) / sqrt(2 pi) at the money, where the time value is greatest.
        uint256 atTheMoney = Math.mulDiv(v, Math.min(f, k), 2.506628274631e18);
        assertLe(value - intrinsic, atTheMoney + Black76.errorOf(f, k));
    }

    function testFuzz_a_call_less_a_put_is_the_forward_less_the_strike(uint256 f, uint256 k, uint256 v)
        public
        pure
    {
        f = bound(f, 1, type(uint112).max);
        k = bound(k, 1, type(uint96).max);
        v = bound(v, 0, 7.9e18);
        uint256 call = Black76.price(f, k, v, true);
        uint256 put = Black76.price(f, k, v, false);
        assertEq(call + k, put + f);
    }

    function testFuzz_more_volatility_is_worth_more(
        uint256 f,
        uint256 k,
        uint256 v,
        uint256 more,
        bool isCall
    ) public pure {
        f = bound(f, 1e9, 1e30);
        k = bound(k, f / 100 + 1, f * 100);
        v = bound(v, 0, 7e18);
        more = bound(more, 0, 0.9e18);
        uint256 least = Black76.priceDown(f, k, v, isCall);
        assertGe(Black76.priceUp(f, k, v + more, isCall), least);
    }

    function _distance(uint256 a, uint256 b) private pure returns (uint256) {
        return a > b ? a - b : b - a;
    }
}
