// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Test} from "forge-std/Test.sol";
import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";

import {IMarginPool} from "contracts/interfaces/IMarginPool.sol";
import {MarginModel} from "contracts/margin/MarginModel.sol";

/// @notice What books need: against tests/vectors/margin/margin.json, and against numbers worked out by hand.
contract MarginModelTest is Test {
    MarginModel.Shares private shares = MarginModel.Shares(1500, 1000, 750, 750, 12_000);

    function _leg(uint256 strike, bool isCall, int256 size) private pure returns (IMarginPool.Leg memory) {
        return IMarginPool.Leg(uint96(strike), isCall, int112(size));
    }

    function _legs(IMarginPool.Leg memory a) private pure returns (IMarginPool.Leg[] memory legs) {
        legs = new IMarginPool.Leg[](1);
        legs[0] = a;
    }

    function _legs(IMarginPool.Leg memory a, IMarginPool.Leg memory b)
        private
        pure
        returns (IMarginPool.Leg[] memory legs)
    {
        legs = new IMarginPool.Leg[](2);
        (legs[0], legs[1]) = (a, b);
    }

    /// @dev Without volatility marks are what exercise pays, so that all can be worked out by hand.
    function _still(uint256 price) private pure returns (IMarginPool.Market memory) {
        return IMarginPool.Market(price, price, 0, 0, 0);
    }

    function _assertNeeds(IMarginPool.Leg[] memory legs, uint256 price, uint256 initial, uint256 maintenance)
        private
        view
    {
        (uint256 i, uint256 m) = MarginModel.requirement(legs, _still(price), shares);
        // The error bound of each mark, a hundredth of a millionth of a millionth.
        assertApproxEqAbs(i / 1e18, initial, 1e9, "initial");
        assertApproxEqAbs(m / 1e18, maintenance, 1e9, "maintenance");
    }

    function test_a_short_call_by_hand() public view {
        // At the money: 15 % of 3000; 7.5 % of 3000.
        _assertNeeds(_legs(_leg(3000e18, true, -1e18)), 3000e18, 450e18, 225e18);
        // 100 out of the money: 450 - 100.
        _assertNeeds(_legs(_leg(3100e18, true, -1e18)), 3000e18, 350e18, 225e18);
        // 200 out of the money: 450 - 200 is below 10 %.
        _assertNeeds(_legs(_leg(3200e18, true, -1e18)), 3000e18, 300e18, 225e18);
        // 500 in the money: the mark of 500 comes on top.
        _assertNeeds(_legs(_leg(2500e18, true, -2e18)), 3000e18, 1900e18, 1450e18);
    }

    function test_a_short_put_by_hand() public view {
        _assertNeeds(_legs(_leg(3000e18, false, -1e18)), 3000e18, 450e18, 225e18);
        _assertNeeds(_legs(_leg(2800e18, false, -1e18)), 3000e18, 300e18, 225e18);
        // Deep in the money: 7.5 % of the mark of 3500 is more than of the price of 2000.
        _assertNeeds(_legs(_leg(5500e18, false, -1e18)), 2000e18, 3800e18, 3762.5e18);
        // A put never costs more than its strike: 10 % of 3000 is more than that.
        _assertNeeds(_legs(_leg(200e18, false, -1e18)), 3000e18, 200e18, 200e18);
    }

    function test_spreads_need_their_worst_loss() public view {
        _assertNeeds(_legs(_leg(3000e18, true, -1e18), _leg(3100e18, true, 1e18)), 3000e18, 100e18, 100e18);
        _assertNeeds(_legs(_leg(3000e18, true, 1e18), _leg(3100e18, true, -1e18)), 3000e18, 0, 0);
        _assertNeeds(_legs(_leg(3000e18, false, -1e18), _leg(2900e18, false, 1e18)), 3000e18, 100e18, 100e18);
        // Far from the money each alone needs less than the spread can lose.
        _assertNeeds(_legs(_leg(4000e18, true, -1e18), _leg(5000e18, true, 1e18)), 3000e18, 300e18, 225e18);
    }

    function test_a_call_beyond_those_that_are_long_needs_its_own() public view {
        // At 3100 the ten shorts lose 100 each less nine times 100; one call remains: 1.2 * 3000.
        _assertNeeds(
            _legs(_leg(3000e18, true, -10e18), _leg(3000e18 + 1, true, 9e18)), 3000e18, 3600e18, 2250e18
        );
    }

    function test_needs_are_those_of_the_reference() public view {
        string memory json = vm.readFile("tests/vectors/margin/margin.json");
        uint256 count;
        for (;; ++count) {
            string memory at = string.concat(".cases[", vm.toString(count), "]");
            if (!vm.keyExistsJson(json, string.concat(at, ".name"))) break;
            _assertCase(json, at);
        }
        assertGe(count, 80);
    }

    function _assertCase(string memory json, string memory at) private view {
        IMarginPool.Leg[] memory legs = _readLegs(json, at);
        IMarginPool.Market memory market;
        (market.lo, market.hi) = (_read(json, at, ".lo"), _read(json, at, ".hi"));
        uint256 root = FixedPointMathLib.sqrt(_read(json, at, ".seconds") * 1e36 / 365 days);
        market.vInitial = _read(json, at, ".initialVolatility") * root / 1e18 + 1;
        market.vMaintenance = _read(json, at, ".maintenanceVolatility") * root / 1e18 + 1;
        (uint256 initial, uint256 maintenance) = MarginModel.requirement(legs, market, shares);
        // Never below, and above by no more than the marks' error bounds.
        uint256 slack = 1e6;
        for (uint256 i = 0; i < legs.length; ++i) {
            slack += uint256(int256(legs[i].size < 0 ? -legs[i].size : legs[i].size)) * market.hi / 1e30;
        }
        _assertJustAbove(initial, _read(json, at, ".initial"), slack, at);
        _assertJustAbove(maintenance, _read(json, at, ".maintenance"), slack, at);
    }

    function _read(string memory json, string memory at, string memory key) private pure returns (uint256) {
        return vm.parseJsonUint(json, string.concat(at, key));
    }

    function _readLegs(string memory json, string memory at)
        private
        pure
        returns (IMarginPool.Leg[] memory legs)
    {
        uint256[] memory strikes = vm.parseJsonUintArray(json, string.concat(at, ".strikes"));
        bool[] memory calls = vm.parseJsonBoolArray(json, string.concat(at, ".calls"));
        int256[] memory sizes = vm.parseJsonIntArray(json, string.concat(at, ".sizes"));
        legs = new IMarginPool.Leg[](strikes.length);
        for (uint256 i = 0; i < legs.length; ++i) {
            legs[i] = _leg(strikes[i], calls[i], sizes[i]);
        }
    }

    function _assertJustAbove(uint256 value36, uint256 expected, uint256 slack, string memory name)
        private
        pure
    {
        assertGe((value36 + 1e18 - 1) / 1e18, expected, name);
        assertLe(value36 / 1e18, expected + slack, name);
    }

    /// @notice Half a book needs half as much: a share of a liquidation leaves the rest no worse.
    function testFuzz_needs_grow_in_proportion(uint256 seed) public view {
        IMarginPool.Leg[] memory legs = _random(seed);
        IMarginPool.Market memory market = _randomMarket(seed);
        (uint256 initial, uint256 maintenance) = MarginModel.requirement(legs, market, shares);
        for (uint256 i = 0; i < legs.length; ++i) {
            legs[i].size *= 3;
        }
        (uint256 initial3, uint256 maintenance3) = MarginModel.requirement(legs, market, shares);
        assertEq(initial3, 3 * initial);
        assertEq(maintenance3, 3 * maintenance);
        assertLe(maintenance, initial);
    }

    /// @notice What is required covers the loss at any settlement that is no further than maintenance allows, and never
    /// exceeds the worst loss.
    function testFuzz_a_covered_book_never_needs_more_than_it_can_lose(uint256 seed, uint256 price)
        public
        view
    {
        IMarginPool.Leg[] memory legs = _random(seed);
        uint256 worst = MarginModel.worstLoss(legs);
        (uint256 initial,) = MarginModel.requirement(legs, _randomMarket(seed), shares);
        uint256 naked = MarginModel.nakedCalls(legs);
        if (naked == 0) assertLe(initial, worst);
        // No settlement below the highest strike, and with no naked call none at all, loses more than the worst.
        price = bound(price, 0, naked == 0 ? 1e24 : 4000e18);
        int256 value = MarginModel.valueAt(legs, price);
        uint256 top;
        for (uint256 i = 0; i < legs.length; ++i) {
            if (legs[i].strike > top) top = legs[i].strike;
        }
        if (naked == 0 || price <= top) assertGe(value, -int256(worst));
    }

    /// @notice At the present price, what is required is at least what exercise would cost.
    function testFuzz_needs_cover_what_exercise_would_cost_now(uint256 seed) public view {
        IMarginPool.Leg[] memory legs = _random(seed);
        IMarginPool.Market memory market = _randomMarket(seed);
        (, uint256 maintenance) = MarginModel.requirement(legs, market, shares);
        assertGe(int256(maintenance), -MarginModel.valueAt(legs, market.lo));
        assertGe(int256(maintenance), -MarginModel.valueAt(legs, market.hi));
    }

    function _random(uint256 seed) private pure returns (IMarginPool.Leg[] memory legs) {
        legs = new IMarginPool.Leg[](1 + seed % 6);
        for (uint256 i = 0; i < legs.length; ++i) {
            uint256 r = uint256(keccak256(abi.encode(seed, i)));
            legs[i] =
                _leg(1500e18 + (r % 26) * 100e18, (r >> 16) % 2 == 0, int256((r >> 32) % 20e18) - 10e18 - 1);
        }
    }

    function _randomMarket(uint256 seed) private pure returns (IMarginPool.Market memory m) {
        uint256 r = uint256(keccak256(abi.encode(seed, "market")));
        m.lo = 500e18 + r % 8000e18;
        m.hi = m.lo + m.lo * ((r >> 64) % 100) / 10_000;
        m.vMark = (r >> 128) % 2e18;
        m.vMaintenance = m.vMark + m.vMark / 10;
        m.vInitial = (r >> 96) % 2 == 0 ? m.vMaintenance : m.vMaintenance + 0.5e18;
    }
}
