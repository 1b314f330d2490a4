// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IOracleGuard} from "contracts/interfaces/IOracleGuard.sol";
import {ISwapSplitter} from "contracts/interfaces/ISwapSplitter.sol";
import {IVault} from "contracts/interfaces/IVault.sol";
import {Setup} from "contracts/oracle/Types.sol";
import {SwapSetup} from "script/SwapSetup.sol";
import {PlainToken} from "tests/contracts/mocks/Tokens.sol";
import {OracleFixture} from "tests/contracts/oracle/OracleFixture.sol";
import {HostileAdapter} from "tests/contracts/swap/Hostile.sol";

/// @notice The vault's swaps behind the real guard on published feeds. DAI and MOODY have the price of ETH here, so that
/// there is something to swap.
contract GuardedSwapTest is OracleFixture {
    address private immutable ALICE = makeAddr("alice");
    HostileAdapter private adapter;

    function setUp() public {
        deployOracle();
        Setup memory s = setup();
        SwapSetup.Params memory p;
        p.weth = address(weth);
        vm.startPrank(GOVERNANCE);
        SwapSetup.Deployed memory d = SwapSetup.deploy(p, manager, address(vault));
        vault.setSplitter(address(d.splitter));
        adapter = new HostileAdapter();
        d.splitter.addAdapter(address(adapter), address(adapter).codehash);
        PlainToken[2] memory both = [dai, moody];
        for (uint256 i = 0; i < 2; ++i) {
            control.configure(address(both[i]), s, ANCHOR, 100);
            vault.setSwapRules(address(both[i]), IVault.SwapRules(1e24, 1 days, 50));
        }
        vm.stopPrank();
        fundAll(1000e18);
    }

    function _swap(uint256 rate) private returns (bytes memory said) {
        ISwapSplitter.Leg[] memory legs = new ISwapSplitter.Leg[](1);
        (legs[0].amount, legs[0].minRate, legs[0].gas) = (1e18, 1, 500_000);
        legs[0].hops = new ISwapSplitter.Hop[](1);
        legs[0].hops[0] =
            ISwapSplitter.Hop(address(adapter), address(moody), abi.encode(HostileAdapter.Mood.Honest, rate));
        IVault.SwapOrder memory o =
            IVault.SwapOrder(address(dai), address(moody), 1e18, 1, uint64(block.timestamp), legs);
        vm.prank(LANE);
        bool ok;
        (ok, said) = address(vault).call(abi.encodeCall(IVault.swap, (o)));
        assertEq(ok, said.length == 64, "spent and received, or an error");
    }

    function _assertRefused() private {
        assertEq(bytes4(_swap(1e36)), IOracleGuard.Refused.selector);
        settleOne(address(dai), ALICE, 1e18);
        settleOne(address(moody), ALICE, 1e18);
    }

    /// @notice Both ends of the interval are against the swap: at par less the slippage it is not enough.
    function test_the_interval_of_the_guard_is_against_the_swap() public {
        (uint256 lo, uint256 hi) = guard.read(address(dai), IOracleGuard.Action.Swap);
        assertLt(lo, hi, "the sources leave room");
        uint256 least = vault.swapBound(address(dai), address(moody), 1e18);
        assertEq(least, (1e18 * lo * 9950 + hi * 10_000 - 1) / (hi * 10_000));
        assertEq(_swap(least * 1e18).length, 64);
        assertEq(
            _swap((least - 1) * 1e18),
            abi.encodeWithSelector(IVault.ReceivedTooLittle.selector, least - 1, least)
        );
    }

    function test_a_late_price_stops_swaps_and_no_payment() public {
        vm.warp(block.timestamp + 2 hours);
        _assertRefused();
        _refresh(2000e8);
        assertEq(_swap(1e36).length, 64);
    }

    function test_sources_that_disagree_stop_swaps_and_no_payment() public {
        vm.warp(block.timestamp + 1);
        report(feed, 2100e8);
        _assertRefused();
    }

    /// @notice Whoever moves the pool that the guard looks at stops the swap: he does not get a price that suits him.
    function test_a_pool_that_was_moved_for_the_guard_stops_swaps_and_no_payment() public {
        movePool(400);
        _assertRefused();
        movePool(-400);
        assertEq(_swap(1e36).length, 64);
    }

    function test_an_insane_price_that_is_recorded_pauses_swaps_alone() public {
        report(feed, 2500e8);
        guard.record(address(dai));
        assertEq(bytes4(_swap(1e36)), IVault.IsPaused.selector);
        settleOne(address(dai), ALICE, 1e18);
        settleOne(address(moody), ALICE, 1e18);
    }
}
