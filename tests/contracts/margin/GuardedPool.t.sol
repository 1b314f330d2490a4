// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {MockPyth} from "@pythnetwork/pyth-sdk-solidity/MockPyth.sol";

import {OracleGuard} from "contracts/OracleGuard.sol";
import {OracleGuardExtension} from "contracts/OracleGuardExtension.sol";
import {IMarginPool} from "contracts/interfaces/IMarginPool.sol";
import {IOracleGuard} from "contracts/interfaces/IOracleGuard.sol";
import {Assets} from "contracts/libraries/Assets.sol";
import {Reasons} from "contracts/oracle/Reasons.sol";
import {AssetConfig, Kind, LegConfig, LegTarget, Setup, SourceConfig} from "contracts/oracle/Types.sol";
import {PoolFixture} from "tests/contracts/margin/PoolFixture.sol";
import {IFeedProxy, Published} from "tests/contracts/oracle/Published.sol";

/// @notice A pool behind the real OracleGuard, with Chainlink and Pyth for both assets: what a price that is moved, late,
/// clamped or off its peg can do to it. Alice is short one call 3000, Bob long.
contract GuardedPoolTest is PoolFixture, Published {
    bytes32 private constant ETH_ID = keccak256("ETH/USD");
    bytes32 private constant USD_ID = keccak256("USDC/USD");
    address private constant ETH = Assets.NATIVE;
    /// What the aggregator of ETH clamps to.
    int64 private constant CLAMP = 1000e8;

    OracleGuard private guard;
    IFeedProxy private ethFeed;
    IFeedProxy private usdFeed;
    MockPyth private pyth;

    function setUp() public {
        deployPool();
        guard = deployed.guard;
        pyth = deployPyth();
        ethFeed = deployProxy(deployAggregator(8, "ETH / USD", CLAMP, 1e30));
        usdFeed = deployFeed(8, "USDC / USD", 1e8);
        _say(3000e8);
        _configure(ETH, _setup(ethFeed, "ETH / USD", ETH_ID, 18, 0), 3000e18);
        _configure(address(usd), _setup(usdFeed, "USDC / USD", USD_ID, 6, 1e18), 1e18);
        vm.prank(GOVERNANCE);
        pool.setGuard(address(guard));
        fund(alice, 10_000e6);
        fund(bob, 10_000e6);
        fund(carol, 10_000e6);
        trade(bob, alice, true, 3000e18, 1e18, 200e18);
    }

    function _configure(address asset, Setup memory s, uint128 anchor) private {
        vm.prank(GOVERNANCE);
        OracleGuardExtension(address(guard)).configure(asset, s, anchor, 100);
    }

    function _setup(IFeedProxy feed, string memory description, bytes32 id, uint8 decimals, uint128 peg)
        private
        view
        returns (Setup memory s)
    {
        AssetConfig memory c = s.config;
        (c.quorum, c.toleranceBps, c.skew) = (2, 100, 60);
        (c.jumpBps, c.volBps, c.leapMultiple) = (500, 500, 5);
        (c.recoverCount, c.recoverSpacing) = (3, 60);
        if (peg != 0) {
            (c.peg, c.softBelowBps, c.softAboveBps) = (peg, 100, 100);
            (c.hardBelowBps, c.hardAboveBps) = (500, 500);
        }
        (c.sources, s.targets) = (new SourceConfig[](2), new LegTarget[][](2));
        for (uint256 i = 0; i < 2; ++i) {
            (c.sources[i].legs, s.targets[i]) = (new LegConfig[](1), new LegTarget[](1));
            LegConfig memory leg = c.sources[i].legs[0];
            (leg.decimals, leg.heartbeat, leg.floor, leg.ceiling) = (8, 3600, 0.1e18, 1_000_000e18);
        }
        LegConfig memory chainlink = c.sources[0].legs[0];
        (chainlink.kind, chainlink.widthBps) = (Kind.CHAINLINK, 10);
        if (peg == 0) (chainlink.clampMin, chainlink.clampBps) = (uint64(CLAMP), 100);
        LegConfig memory second = c.sources[1].legs[0];
        (second.kind, second.confBps, second.confMultiple) = (Kind.PYTH, 100, 2);
        s.targets[0][0] = LegTarget(address(feed), 0, 0, keccak256(bytes(description)));
        s.targets[1][0] = LegTarget(address(pyth), 0, id, 0);
        s.tokenDecimals = decimals;
    }

    /// @dev All feeds report, ETH at `price`.
    function _say(int64 price) private {
        report(ethFeed, price);
        publish(pyth, ETH_ID, price, uint64(price) / 10_000, -8);
        _sayUsd(1e8);
    }

    function _sayUsd(int64 price) private {
        report(usdFeed, price);
        publish(pyth, USD_ID, price, 1e4, -8);
    }

    function _at(uint256 part) private {
        vm.warp(expiry - 30 minutes + part * 1 minutes);
    }

    /// @dev Everything reports `price` in this part, and it is observed.
    function _observe(uint256 part, int64 price) private {
        _at(part);
        _say(price);
        pool.observe(expiry);
    }

    function _refused(address asset, IOracleGuard.Action action, uint64 reasons) private view {
        (bool ok, bytes memory said) =
            address(guard).staticcall(abi.encodeCall(IOracleGuard.read, (asset, action)));
        assertFalse(ok, "read");
        bytes memory words = new bytes(said.length - 4);
        for (uint256 i = 0; i < words.length; ++i) {
            words[i] = said[i + 4];
        }
        assertEq(bytes4(said), IOracleGuard.Refused.selector);
        (,,, uint64 all) = abi.decode(words, (address, uint256, uint256, uint64));
        assertEq(all & reasons, reasons, "reasons");
    }

    function _cannotObserve(uint64 reasons) private {
        _refused(ETH, IOracleGuard.Action.Margin, reasons);
        vm.expectPartialRevert(IOracleGuard.Refused.selector);
        pool.observe(expiry);
    }

    function _assertSettledNear(uint256 price) private {
        vm.warp(expiry);
        pool.fixPrice(expiry);
        assertApproxEqRel(pool.settlementOf(expiry).price, price, 0.0001e18);
    }

    // ------------------------------------------------------------------------------------------- settlement

    /// @notice So little that the guard sees nothing wrong, in all sources at once, when the block's part is observed.
    function test_a_price_that_is_moved_for_one_block_is_not_settled_on() public {
        for (uint256 i = 0; i < 30; ++i) {
            _observe(i, i == 17 ? int64(3450e8) : int64(3300e8));
        }
        _assertSettledNear(3300e18);
    }

    /// @notice A minute can touch two parts.
    function test_a_price_that_is_moved_for_a_minute_is_not_settled_on() public {
        for (uint256 i = 0; i < 30; ++i) {
            _observe(i, i == 17 || i == 18 ? int64(3150e8) : int64(3300e8));
        }
        _assertSettledNear(3300e18);
    }

    /// @notice Whoever moves one source further than sources may differ is not even observed.
    function test_one_source_that_is_moved_is_not_observed() public {
        for (uint256 i = 0; i < 30; ++i) {
            if (i != 3 && i != 4) {
                _observe(i, 3300e8);
                continue;
            }
            _at(i);
            _say(3300e8);
            vm.warp(block.timestamp + 1);
            publish(pyth, ETH_ID, 9000e8, 1e8, -8);
            _cannotObserve(Reasons.DISAGREEMENT);
        }
        _assertSettledNear(3300e18);
    }

    function test_a_stale_feed_settles_nothing() public {
        _at(0);
        _say(3300e8);
        vm.warp(expiry - 30 minutes - 3 hours);
        report(ethFeed, 3300e8);
        for (uint256 i = 0; i < 30; ++i) {
            _at(i);
            publish(pyth, ETH_ID, 3300e8, 1e8, -8);
            _sayUsd(1e8);
            _cannotObserve(Reasons.STALE | Reasons.NO_QUORUM);
        }
        vm.warp(expiry);
        vm.expectRevert(abi.encodeWithSelector(IMarginPool.NoSettlementPrice.selector, expiry));
        pool.fixPrice(expiry);
        _settlesLate();
    }

    /// @notice The market is at 700, and one feed cannot say less than 1,000.
    function test_a_clamped_feed_settles_nothing() public {
        for (uint256 i = 0; i < 30; ++i) {
            _at(i);
            _say(CLAMP);
            vm.warp(block.timestamp + 1);
            publish(pyth, ETH_ID, 700e8, 1e7, -8);
            _cannotObserve(Reasons.CLAMPED | Reasons.NO_QUORUM);
        }
        vm.warp(expiry);
        vm.expectRevert(abi.encodeWithSelector(IMarginPool.NoSettlementPrice.selector, expiry));
        pool.fixPrice(expiry);
        _settlesLate();
    }

    /// @dev The feeds are well again half an hour later.
    function _settlesLate() private {
        for (uint256 i = 60; i < 90; ++i) {
            _observe(i, 3300e8);
        }
        vm.warp(expiry + 1 hours);
        pool.fixPrice(expiry);
        IMarginPool.Settlement memory s = pool.settlementOf(expiry);
        assertEq(uint256(s.source), uint256(IMarginPool.Source.LateWindow));
        assertApproxEqRel(s.price, 3300e18, 0.0001e18);
    }

    // ---------------------------------------------------------------------------------------------- actions

    /// @notice A collateral that is a little off its peg opens nothing and lets no margin go; what reduces risk goes on.
    function test_off_the_peg_only_what_reduces_risk_passes() public {
        vm.warp(block.timestamp + 1 days);
        _say(3600e8);
        vm.warp(block.timestamp + 1);
        _sayUsd(0.985e8);
        _refused(address(usd), IOracleGuard.Action.Margin, Reasons.OFF_PEG);
        IMarginPool.Quote memory a = quote(alice, false, true, 3000e18, 1e18, 200e18);
        IMarginPool.Quote memory b = quote(carol, true, true, 3000e18, 1e18, 200e18);
        (bytes memory signedA, bytes memory signedB) = (sign(a), sign(b));
        vm.expectPartialRevert(IOracleGuard.Refused.selector);
        pool.trade(a, signedA, b, signedB, 1e18);
        vm.prank(alice);
        vm.expectPartialRevert(IOracleGuard.Refused.selector);
        pool.unlock(expiry, 1);

        pool.startLiquidation(alice, expiry);
        vm.prank(carol);
        pool.bid(alice, expiry, 0.1e18, 0);
        trade(alice, bob, true, 3000e18, 0.5e18, 650e18);
        assertEq(sizeOf(alice, true, 3000e18), -0.4e18);
    }

    /// @notice Without any price money still comes in, is locked, and leaves.
    function test_without_a_price_deposits_margin_and_withdrawals_go_on() public {
        vm.warp(block.timestamp + 1 days);
        _refused(ETH, IOracleGuard.Action.Liquidation, Reasons.NO_QUORUM);
        vm.expectPartialRevert(IOracleGuard.Refused.selector);
        pool.startLiquidation(alice, expiry);
        fund(alice, 10e6);
        vm.startPrank(alice);
        pool.lock(expiry, 10e6);
        pool.withdraw(1000e6, alice, 1000e6);
        vm.stopPrank();
        assertEq(vault.liabilitiesOf(address(usd)), 1000e6);
    }
}
