// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Vm} from "forge-std/Vm.sol";

import {IOracleGuard} from "contracts/interfaces/IOracleGuard.sol";
import {IVault} from "contracts/interfaces/IVault.sol";
import {Assets} from "contracts/libraries/Assets.sol";
import {Bucket} from "contracts/libraries/Bucket.sol";
import {Fixture} from "tests/contracts/Fixture.sol";
import {FixedGuard} from "tests/contracts/mocks/FixedGuard.sol";

/// @notice What may leave in a time, per asset and over all; what happens beyond.
contract BreakerTest is Fixture {
    uint256 private constant CAPACITY = 1000e18;
    uint256 private constant ONE_DOLLAR = 1e18; // USD per unit of 18 decimals, times 1e36

    address private immutable ALICE = makeAddr("alice");
    FixedGuard private oracle;

    function setUp() public {
        deployVault();
        oracle = new FixedGuard();
        give(address(dai), address(vault), 1_000_000e18);
        give(Assets.NATIVE, address(vault), 1_000_000e18);
        vm.startPrank(GOVERNANCE);
        vault.setLimits(address(dai), _limits());
        vault.setOracle(address(oracle), 1 hours);
        vm.stopPrank();
    }

    function _limits() private pure returns (IVault.AssetLimits memory) {
        return IVault.AssetLimits({
            capacity: CAPACITY,
            window: 10 hours,
            unpricedShare: 100,
            instantPerPayout: 10_000e18,
            instantPerDay: 100_000e18,
            approvedPerPayout: 20_000e18
        });
    }

    function _price(address asset, uint256 price) private {
        oracle.set(asset, IOracleGuard.Verdict.Healthy, price);
        assertTrue(vault.poke(asset));
    }

    function _left() private view returns (uint256) {
        return vault.limitState(address(dai), IVault.Limit.Asset).left;
    }

    function _refused(IVault.Limit limit, uint256 asked, uint256 left, uint256 at) private {
        vm.expectRevert(
            abi.encodeWithSelector(IVault.AboveLimit.selector, limit, address(dai), asked, left, at)
        );
    }

    // ------------------------------------------------------------------------------------------ per asset

    function test_a_batch_takes_from_the_bucket_and_time_fills_it() public {
        settleOne(address(dai), ALICE, 600e18);
        assertEq(_left(), 400e18);
        vm.warp(block.timestamp + 1 hours);
        assertEq(_left(), 500e18, "a tenth of the window, a tenth of the capacity");
        vm.warp(block.timestamp + 100 hours);
        assertEq(_left(), CAPACITY, "never more than full");
    }

    function test_above_the_bucket_is_refused_with_what_is_left_and_when_it_fits() public {
        settleOne(address(dai), ALICE, 600e18);
        uint256 at = block.timestamp + 2 hours;
        assertEq(vault.retryAt(address(dai), 600e18, true), at);
        (, uint64 next, bytes24 head) = vault.laneOf(LANE);
        _refused(IVault.Limit.Asset, 600e18, 400e18, at);
        vm.prank(LANE);
        settle(address(dai), positionAt(next, head), 600e18, 0, one(ALICE, 600e18));
        vm.warp(at - 1);
        _refused(IVault.Limit.Asset, 600e18, _left(), at);
        vm.prank(LANE);
        settle(address(dai), positionAt(next, head), 600e18, 0, one(ALICE, 600e18));
        vm.warp(at);
        settleOne(address(dai), ALICE, 600e18);
        assertEq(dai.balanceOf(ALICE), 1200e18);
    }

    function test_above_the_capacity_never_fits() public view {
        assertEq(vault.retryAt(address(dai), CAPACITY, true), block.timestamp);
        assertEq(vault.retryAt(address(dai), CAPACITY + 1, true), type(uint256).max);
        assertEq(vault.retryAt(address(dai), type(uint256).max, true), type(uint256).max);
    }

    function test_requests_take_from_the_same_bucket() public {
        depositFor(ALICE, address(dai), 600e18);
        IVault.Request memory r = requestFrom(ALICE, address(dai), 600e18, ALICE);
        vm.prank(LANE);
        vault.settleRequests(address(dai), 0, listOf(r));
        assertEq(_left(), 400e18);
        assertEq(vault.limitState(address(dai), IVault.Limit.Instant).left, 100_000e18, "not the instant one");
        depositFor(ALICE, address(dai), 600e18);
        r = requestFrom(ALICE, address(dai), 600e18, ALICE);
        _refused(IVault.Limit.Asset, 600e18, 400e18, block.timestamp + 2 hours);
        vm.prank(LANE);
        vault.settleRequests(address(dai), 0, listOf(r));
    }

    function test_a_forced_exit_counts_and_is_never_refused() public {
        depositFor(ALICE, address(dai), 5000e18);
        IVault.Request memory r = requestFrom(ALICE, address(dai), 5000e18, ALICE);
        vm.warp(block.timestamp + EXIT_DELAY);
        vm.prank(ALICE);
        vault.forceExit(r);
        assertEq(dai.balanceOf(ALICE), 5000e18);
        assertEq(_left(), 0, "what it could not cover is all taken");
        assertEq(vault.limitState(address(dai), IVault.Limit.Asset).fullAt, block.timestamp + 10 hours);
    }

    function test_without_limits_nothing_leaves() public {
        IVault.AssetLimits memory none = _limits();
        (none.capacity, none.instantPerPayout, none.instantPerDay) = (0, 1e18, 1e18);
        vm.prank(GOVERNANCE);
        vault.setLimits(address(dai), none);
        (, uint64 next, bytes24 head) = vault.laneOf(LANE);
        vm.prank(LANE);
        settle(address(dai), positionAt(next, head), 1, 0, one(ALICE, 1));
        assertEq(dai.balanceOf(ALICE), 0, "tripped");
    }

    // ------------------------------------------------------------------------------------------ trips

    function test_far_beyond_trips_the_asset_and_settles_nothing() public {
        (, uint64 next, bytes24 head) = vault.laneOf(LANE);
        uint48 until = uint48(block.timestamp) + MAX_PAUSE;
        vm.expectEmit(address(vault));
        emit IVault.Tripped(
            IVault.Limit.Asset, address(dai), IVault.Scope.Orders, 2001e18, CAPACITY, until, LANE
        );
        vm.prank(LANE);
        settle(address(dai), positionAt(next, head), 2001e18, 0, one(ALICE, 2001e18));

        assertEq(dai.balanceOf(ALICE), 0);
        assertEq(_left(), CAPACITY);
        (, uint64 nextAfter, bytes24 headAfter) = vault.laneOf(LANE);
        assertEq(nextAfter, next);
        assertEq(headAfter, head);
        assertEq(vault.assetPausedUntil(address(dai)), until);
        vm.expectRevert(abi.encodeWithSelector(IVault.AssetIsPaused.selector, address(dai), until));
        vm.prank(LANE);
        settle(address(dai), positionAt(next, head), 1, 0, one(ALICE, 1));
        settleOne(Assets.NATIVE, ALICE, 1);
        vm.warp(until);
        settleOne(address(dai), ALICE, 1);
    }

    function test_at_the_multiple_it_is_only_refused() public {
        (, uint64 next, bytes24 head) = vault.laneOf(LANE);
        _refused(IVault.Limit.Asset, 2000e18, CAPACITY, type(uint256).max);
        vm.prank(LANE);
        settle(address(dai), positionAt(next, head), 2000e18, 0, one(ALICE, 2000e18));
    }

    function test_governance_resets_a_trip() public {
        (, uint64 next, bytes24 head) = vault.laneOf(LANE);
        vm.prank(LANE);
        settle(address(dai), positionAt(next, head), 2001e18, 0, one(ALICE, 2001e18));
        vm.prank(GOVERNANCE);
        vault.unpauseAsset(address(dai));
        settleOne(address(dai), ALICE, 1e18);
    }

    /// @notice Otherwise a keeper could freeze an asset for good by tripping it again and again.
    function test_trips_lie_in_one_window_then_only_refuse() public {
        uint256 start = block.timestamp;
        (, uint64 next, bytes24 head) = vault.laneOf(LANE);
        vm.prank(LANE);
        settle(address(dai), positionAt(next, head), 2001e18, 0, one(ALICE, 2001e18));
        vm.warp(start + MAX_PAUSE);
        _refused(IVault.Limit.Asset, 2001e18, CAPACITY, type(uint256).max);
        vm.prank(LANE);
        settle(address(dai), positionAt(next, head), 2001e18, 0, one(ALICE, 2001e18));
        assertEq(vault.assetPausedUntil(address(dai)), start + MAX_PAUSE);
        vm.warp(start + MAX_PAUSE + PAUSE_COOLDOWN);
        vm.prank(LANE);
        settle(address(dai), positionAt(next, head), 2001e18, 0, one(ALICE, 2001e18));
        assertEq(vault.assetPausedUntil(address(dai)), block.timestamp + MAX_PAUSE);
    }

    function test_a_trip_leaves_requests_owed() public {
        depositFor(ALICE, address(dai), 2001e18);
        IVault.Request memory r = requestFrom(ALICE, address(dai), 2001e18, ALICE);
        IVault.Request memory unknown = r;
        vm.recordLogs();
        vm.prank(LANE);
        vault.settleRequests(address(dai), 0, listOf(unknown));
        Vm.Log[] memory logs = vm.getRecordedLogs();
        assertEq(logs.length, 1);
        assertEq(logs[0].topics[0], IVault.Tripped.selector);
        assertEq(vault.commitmentOf(r.id), keccak256(abi.encode(r)));
        assertEq(vault.liabilitiesOf(address(dai)), 2001e18);
        vm.warp(block.timestamp + MAX_PAUSE);
        vm.prank(ALICE);
        vault.forceExit(r);
        assertEq(dai.balanceOf(ALICE), 2001e18);
    }

    // ------------------------------------------------------------------------------------------ in USD

    function _usd(uint32 capacity) private {
        vm.prank(GOVERNANCE);
        vault.setUsdLimit(capacity, 10 hours, 2);
    }

    function test_the_usd_bucket_counts_all_priced_assets() public {
        _usd(1000);
        _price(address(dai), ONE_DOLLAR);
        _price(Assets.NATIVE, 2000 * ONE_DOLLAR);
        settleOne(address(dai), ALICE, 400e18);
        settleOne(Assets.NATIVE, ALICE, 0.2e18);
        IVault.LimitState memory state = vault.limitState(address(0), IVault.Limit.Usd);
        assertEq(state.capacity, 1000e18);
        assertApproxEqAbs(state.left, 200e18, 1e14);
        (, uint64 next, bytes24 head) = vault.laneOf(LANE);
        uint256 at = vault.retryAt(address(dai), 300e18, true);
        assertEq(at, block.timestamp + 1 hours);
        _refused(IVault.Limit.Usd, 300e18, state.left, at);
        vm.prank(LANE);
        settle(address(dai), positionAt(next, head), 300e18, 0, one(ALICE, 300e18));
        vm.warp(at);
        vm.prank(LANE);
        vault.poke(address(dai));
        settleOne(address(dai), ALICE, 300e18);
    }

    function test_what_is_asked_in_usd_is_rounded_up() public {
        IVault.AssetLimits memory limits = _limits();
        limits.capacity = 10 * CAPACITY;
        vm.prank(GOVERNANCE);
        vault.setLimits(address(dai), limits);
        _usd(1000);
        _price(address(dai), 1_000_000_001e9);
        uint96 amount = 1100e18 + 1;
        (, uint64 next, bytes24 head) = vault.laneOf(LANE);
        uint256 asked = (uint256(amount) * 1_000_000_001 + 1e9 - 1) / 1e9;
        _refused(IVault.Limit.Usd, asked, 1000e18, type(uint256).max);
        vm.prank(LANE);
        settle(address(dai), positionAt(next, head), amount, 0, one(ALICE, amount));
    }

    function test_far_beyond_in_usd_trips_orders_not_the_asset() public {
        _usd(100);
        _price(address(dai), ONE_DOLLAR);
        (, uint64 next, bytes24 head) = vault.laneOf(LANE);
        vm.expectEmit(address(vault));
        emit IVault.Tripped(
            IVault.Limit.Usd,
            address(dai),
            IVault.Scope.Orders,
            201e18,
            100e18,
            uint48(block.timestamp) + MAX_PAUSE,
            LANE
        );
        vm.prank(LANE);
        settle(address(dai), positionAt(next, head), 201e18, 0, one(ALICE, 201e18));
        assertEq(vault.pausedUntil(IVault.Scope.Orders), block.timestamp + MAX_PAUSE);
        assertEq(vault.assetPausedUntil(address(dai)), 0);
        depositFor(ALICE, address(dai), 50e18);
        IVault.Request memory r = requestFrom(ALICE, address(dai), 50e18, ALICE);
        vm.prank(LANE);
        vault.settleRequests(address(dai), 0, listOf(r));
        assertEq(dai.balanceOf(ALICE), 50e18);
    }

    function test_a_sick_oracle_freezes_nothing_and_the_tighter_limit_counts() public {
        IVault.AssetLimits memory limits = _limits();
        limits.unpricedShare = 25;
        vm.prank(GOVERNANCE);
        vault.setLimits(address(dai), limits);
        assertEq(vault.limitState(address(dai), IVault.Limit.Asset).capacity, 250e18);
        _price(address(dai), ONE_DOLLAR);
        assertEq(vault.limitState(address(dai), IVault.Limit.Asset).capacity, CAPACITY);
        settleOne(address(dai), ALICE, 500e18);
        assertEq(_left(), 500e18);

        oracle.set(address(dai), IOracleGuard.Verdict.Insane, ONE_DOLLAR);
        assertFalse(vault.poke(address(dai)));
        assertEq(_left(), 125e18, "half of the tighter one");
        settleOne(address(dai), ALICE, 125e18);
        (, uint64 next, bytes24 head) = vault.laneOf(LANE);
        vm.expectRevert();
        vm.prank(LANE);
        settle(address(dai), positionAt(next, head), 1e18, 0, one(ALICE, 1e18));
    }

    /// @notice An empty bucket is empty under any limit, so this one is full: what does not open at once is bounded alike.
    function test_without_a_price_requests_too_are_bounded_by_the_tighter_limit() public {
        IVault.AssetLimits memory limits = _limits();
        limits.unpricedShare = 25;
        vm.prank(GOVERNANCE);
        vault.setLimits(address(dai), limits);
        assertEq(vault.retryAt(address(dai), 250e18, false), block.timestamp);
        assertEq(vault.retryAt(address(dai), 250e18 + 1, false), type(uint256).max);
        depositFor(ALICE, address(dai), 251e18);
        IVault.Request memory r = requestFrom(ALICE, address(dai), 251e18, ALICE);
        _refused(IVault.Limit.Asset, 251e18, 250e18, type(uint256).max);
        vm.prank(LANE);
        vault.settleRequests(address(dai), 0, listOf(r));
        _price(address(dai), ONE_DOLLAR);
        vm.prank(LANE);
        vault.settleRequests(address(dai), 0, listOf(r));
        assertEq(dai.balanceOf(ALICE), 251e18);
    }

    /// @notice To the second: while a price counts the bucket is whole, then it is as large as without one.
    function test_a_price_ends_at_its_second() public {
        IVault.AssetLimits memory limits = _limits();
        limits.unpricedShare = 50;
        vm.prank(GOVERNANCE);
        vault.setLimits(address(dai), limits);
        _price(address(dai), ONE_DOLLAR);
        (, uint256 until) = vault.priceOf(address(dai));
        vm.warp(until - 1);
        assertEq(vault.limitState(address(dai), IVault.Limit.Asset).capacity, CAPACITY);
        vm.warp(until);
        assertEq(vault.limitState(address(dai), IVault.Limit.Asset).capacity, CAPACITY / 2);
    }

    function test_a_price_that_is_not_poked_again_ends() public {
        _price(address(dai), ONE_DOLLAR);
        (uint256 price, uint256 until) = vault.priceOf(address(dai));
        assertEq(price, ONE_DOLLAR);
        assertEq(until, block.timestamp + 1 hours);
        settleOne(address(dai), ALICE, 1e18);
        uint256 left = vault.limitState(address(0), IVault.Limit.Usd).left;
        assertLt(left, 1_000_000e18);
        vm.warp(until);
        settleOne(address(dai), ALICE, 1e18);
        assertGt(vault.limitState(address(0), IVault.Limit.Usd).left, left, "not counted in USD any more");
    }

    function test_an_exit_in_the_second_in_which_a_price_ends_is_not_counted_by_it() public {
        depositFor(ALICE, address(dai), 2e18);
        IVault.Request memory first = requestFrom(ALICE, address(dai), 1e18, ALICE);
        IVault.Request memory second = requestFrom(ALICE, address(dai), 1e18, ALICE);
        vm.warp(block.timestamp + EXIT_DELAY);
        _price(address(dai), ONE_DOLLAR);
        (, uint256 until) = vault.priceOf(address(dai));
        uint256 full = vault.limitState(address(0), IVault.Limit.Usd).left;
        vm.warp(until - 1);
        uint256 state = vm.snapshotState();
        vm.prank(ALICE);
        vault.forceExit(first);
        assertLt(vault.limitState(address(0), IVault.Limit.Usd).left, full, "the second before");
        vm.revertToState(state);
        vm.warp(until);
        vm.prank(ALICE);
        vault.forceExit(second);
        assertEq(vault.limitState(address(0), IVault.Limit.Usd).left, full);
    }

    /// @notice 32 bits of a price are kept: what just fits keeps all its digits.
    function test_the_largest_price_that_is_kept_whole() public {
        uint256 price = type(uint32).max;
        _price(address(dai), price);
        (uint256 kept,) = vault.priceOf(address(dai));
        assertEq(kept, price);
        _price(address(dai), price + 1);
        (kept,) = vault.priceOf(address(dai));
        assertEq(kept, 4_294_967_300, "rounded up");
    }

    function test_what_is_no_price_is_none() public {
        oracle.set(address(dai), IOracleGuard.Verdict.Healthy, 0);
        assertFalse(vault.poke(address(dai)));
        oracle.set(address(dai), IOracleGuard.Verdict.Healthy, type(uint256).max);
        assertFalse(vault.poke(address(dai)));
        oracle.set(address(dai), IOracleGuard.Verdict.Degraded, ONE_DOLLAR);
        assertTrue(vault.poke(address(dai)), "degraded is enough for a payment in kind");
        oracle.fail(address(dai));
        assertFalse(vault.poke(address(dai)), "down");
        vm.prank(GOVERNANCE);
        vault.setOracle(address(0), 1 hours);
        assertFalse(vault.poke(address(dai)), "no guard");
        vm.prank(GOVERNANCE);
        vault.setOracle(ALICE, 1 hours);
        assertFalse(vault.poke(address(dai)), "no contract");
    }

    /// @notice The vault keeps nine digits of a price, rounded up: against what leaves.
    /// @notice Whatever the guard is and says: no price, and no revert.
    function test_a_guard_that_answers_nonsense_gives_no_price() public {
        bytes[6] memory answers = [
            bytes(""),
            abi.encode(uint256(0)),
            abi.encodePacked(uint256(0), uint128(1)),
            abi.encode(uint256(3), uint256(1e18)),
            abi.encode(type(uint256).max, uint256(1e18)),
            abi.encode(uint256(2), uint256(1e18))
        ];
        for (uint256 i = 0; i < answers.length; ++i) {
            _price(address(dai), ONE_DOLLAR);
            vm.mockCall(address(oracle), abi.encodeCall(IOracleGuard.peek, (address(dai))), answers[i]);
            assertFalse(vault.poke(address(dai)), vm.toString(i));
            (, uint256 until) = vault.priceOf(address(dai));
            assertEq(until, 0);
            vm.clearMockedCalls();
        }
        // More than two words: the first two count.
        vm.mockCall(
            address(oracle),
            abi.encodeCall(IOracleGuard.peek, (address(dai))),
            abi.encode(uint256(1), ONE_DOLLAR, uint256(7))
        );
        assertTrue(vault.poke(address(dai)));
        address[3] memory guards = [address(0), ALICE, address(new BurningGuard())];
        for (uint256 i = 0; i < guards.length; ++i) {
            vm.prank(GOVERNANCE);
            vault.setOracle(guards[i], 1 hours);
            assertFalse(vault.poke(address(dai)));
        }
    }

    /// @notice Whoever pokes with little gas wipes no price: the guard has its gas, or the poke reverts.
    function testFuzz_a_poke_short_of_gas_reverts(uint256 gas) public {
        address slow = address(new SlowGuard());
        vm.prank(GOVERNANCE);
        vault.setOracle(slow, 1 hours);
        assertTrue(vault.poke(address(dai)));
        gas = bound(gas, 50_000, 1_500_000);
        (bool ok, bytes memory said) =
            address(vault).call{gas: gas}(abi.encodeCall(IVault.poke, (address(dai))));
        if (ok) assertTrue(abi.decode(said, (bool)), "the price was wiped");
        (, uint256 until) = vault.priceOf(address(dai));
        assertEq(until, block.timestamp + 1 hours);
    }

    function testFuzz_a_price_is_kept_rounded_up(uint256 price) public {
        price = bound(price, 1, 4e45);
        oracle.set(address(dai), IOracleGuard.Verdict.Healthy, price);
        assertTrue(vault.poke(address(dai)));
        (uint256 kept,) = vault.priceOf(address(dai));
        assertGe(kept, price);
        assertLe(kept, price + price / 4e8 + 1);
    }

    // ------------------------------------------------------------------------------------------ governance

    function test_guardians_only_lower() public {
        IVault.AssetLimits memory limits = _limits();
        limits.capacity = CAPACITY / 2;
        vm.prank(GUARDIAN);
        vault.lowerLimits(address(dai), limits);
        assertEq(vault.assetLimits(address(dai)).capacity, CAPACITY / 2);
        for (uint256 i = 0; i < 6; ++i) {
            IVault.AssetLimits memory more = vault.assetLimits(address(dai));
            if (i == 0) more.capacity += 1e9;
            if (i == 1) more.window -= 60;
            if (i == 2) more.unpricedShare = 101;
            if (i == 3) more.instantPerPayout += 1e9;
            if (i == 4) more.instantPerDay += 1e9;
            if (i == 5) more.approvedPerPayout += 1;
            vm.expectRevert(IVault.NotLower.selector);
            vm.prank(GUARDIAN);
            vault.lowerLimits(address(dai), more);
        }
        vm.prank(GUARDIAN);
        vault.lowerUsdLimit(500_000, 2 days);
        (uint32 capacity, uint32 window, uint8 multiple) = vault.usdLimit();
        assertEq(capacity, 500_000);
        assertEq(window, 2 days);
        assertEq(multiple, 2);
        vm.startPrank(GUARDIAN);
        vm.expectRevert(IVault.NotLower.selector);
        vault.lowerUsdLimit(500_001, 2 days);
        vm.expectRevert(IVault.NotLower.selector);
        vault.lowerUsdLimit(1, 1 days);
        vm.stopPrank();
    }

    function test_what_is_spent_stays_spent_when_limits_change() public {
        settleOne(address(dai), ALICE, 500e18);
        IVault.AssetLimits memory limits = _limits();
        limits.capacity = 2 * CAPACITY;
        vm.prank(GOVERNANCE);
        vault.setLimits(address(dai), limits);
        assertEq(_left(), CAPACITY, "half of the new capacity");
    }

    function test_limits_are_exact_or_refused() public {
        IVault.AssetLimits memory limits = _limits();
        limits.capacity = 1_099_511_627_775e9;
        (limits.instantPerPayout, limits.instantPerDay) = (1e9, 2e9);
        limits.approvedPerPayout = 1e9;
        vm.startPrank(GOVERNANCE);
        vault.setLimits(address(dai), limits);
        assertEq(abi.encode(vault.assetLimits(address(dai))), abi.encode(limits));
        limits.capacity = 1_099_511_627_776e9;
        vm.expectRevert(
            abi.encodeWithSelector(IVault.LimitTooPrecise.selector, address(dai), 1_099_511_627_776)
        );
        vault.setLimits(address(dai), limits);
        limits = _limits();
        limits.window = 10 hours + 1;
        vm.expectRevert(abi.encodeWithSelector(IVault.NotWholeMinutes.selector, 10 hours + 1));
        vault.setLimits(address(dai), limits);
        limits.window = 31 days;
        vm.expectRevert(abi.encodeWithSelector(IVault.OutOfRange.selector, 31 days, 1 hours, 30 days));
        vault.setLimits(address(dai), limits);
        limits = _limits();
        limits.unpricedShare = 0;
        vm.expectRevert(abi.encodeWithSelector(IVault.OutOfRange.selector, 0, 1, 100));
        vault.setLimits(address(dai), limits);
        limits = _limits();
        limits.approvedPerPayout = uint128(limits.instantPerPayout) - 1;
        vm.expectRevert();
        vault.setLimits(address(dai), limits);
        vm.expectRevert(abi.encodeWithSelector(IVault.OutOfRange.selector, 0, 1, 100));
        vault.setUsdLimit(1, 1 days, 0);
        vm.expectRevert(abi.encodeWithSelector(IVault.OutOfRange.selector, 59, 1 minutes, 1 days));
        vault.setOracle(address(0), 59);
        vm.stopPrank();
    }

    function testFuzz_limits_are_kept_exactly(
        uint40 capacity,
        uint40 perPayout,
        uint40 perDay,
        uint8 exponent
    ) public {
        uint256 unit = 10 ** bound(exponent, 0, 25);
        IVault.AssetLimits memory limits = _limits();
        (limits.capacity, limits.instantPerPayout) = (capacity * unit, perPayout * unit);
        (limits.instantPerDay, limits.approvedPerPayout) = (perDay * unit, type(uint128).max);
        vm.assume(limits.instantPerPayout <= type(uint128).max);
        vm.prank(GOVERNANCE);
        vault.setLimits(address(dai), limits);
        assertEq(abi.encode(vault.assetLimits(address(dai))), abi.encode(limits));
    }

    // ------------------------------------------------------------------------------------------ the bucket

    /// @notice Whatever is asked for and when: no more leaves in a time than the capacity and what flowed in.
    function testFuzz_outflow_is_bounded(uint64[24] memory amounts, uint16[24] memory waits) public {
        uint256 start = block.timestamp;
        uint256 paid;
        for (uint256 i = 0; i < amounts.length; ++i) {
            vm.warp(block.timestamp + waits[i]);
            uint96 amount = uint96(bound(amounts[i], 1, CAPACITY / 3));
            if (vault.retryAt(address(dai), amount, true) > block.timestamp) continue;
            settleOne(address(dai), ALICE, amount);
            paid += amount;
            uint256 bound_ = CAPACITY + CAPACITY * (block.timestamp - start) / 10 hours;
            assertLe(paid, bound_);
        }
        assertEq(dai.balanceOf(ALICE), paid);
    }

    /// @notice retryAt tells the truth: not a second earlier, and then it fits.
    function testFuzz_retry_at_is_the_first_second(uint96 first, uint96 second, uint16 wait) public {
        first = uint96(bound(first, 1, CAPACITY));
        second = uint96(bound(second, 1, CAPACITY));
        settleOne(address(dai), ALICE, first);
        vm.warp(block.timestamp + wait);
        uint256 at = vault.retryAt(address(dai), second, true);
        (, uint64 next, bytes24 head) = vault.laneOf(LANE);
        if (at > block.timestamp) {
            vm.warp(at - 1);
            vm.prank(LANE);
            (bool ok,) = address(vault)
                .call(settlement(address(dai), positionAt(next, head), second, 0, one(ALICE, second)));
            assertFalse(ok, "too early");
        }
        vm.warp(at);
        settleOne(address(dai), ALICE, second);
    }

    function test_a_bucket_at_its_edges() public view {
        uint256 current = block.timestamp * Bucket.TICKS;
        assertEq(Bucket.cost(0, 5, 5), 0);
        assertEq(Bucket.cost(0, 0, 5), 0, "also where nothing else fits");
        uint256 emptier = current + 2 * 5 * Bucket.TICKS;
        assertEq(Bucket.take(emptier, 0, 5, 5), emptier, "nothing fits always");
        assertEq(Bucket.left(current, 7, 0), 7, "full now, whatever its window");
        assertEq(Bucket.drain(0, 0, 5, 5), 0, "nothing drains nothing");
        uint256 empty = current + 5 * Bucket.TICKS;
        assertEq(Bucket.drain(empty, 1, 5, 5), empty, "one unit more than there is drains all");
    }

    function testFuzz_bucket_arithmetic(uint128 amount, uint128 capacity, uint32 window, uint48 fullAt)
        public
    {
        window = uint32(bound(window, 1 hours, 45 days));
        vm.warp(bound(fullAt, 1_700_000_000, 4_200_000_000));
        uint256 at = block.timestamp * Bucket.TICKS + fullAt % (window * Bucket.TICKS);
        uint256 ticks = Bucket.cost(amount, capacity, window);
        uint256 next = Bucket.take(at, amount, capacity, window);
        bool fits = next != 0;
        uint256 left = Bucket.left(at, capacity, window);
        if (fits) assertGe(left, amount, "never more than is left");
        if (left > amount + capacity / (window * Bucket.TICKS) + 1) assertTrue(fits, "all but the rounding");
        if (fits) {
            assertLe(Bucket.left(next, capacity, window), left - amount, "what is left sinks by as much");
        }
        assertLe(Bucket.drain(at, amount, capacity, window), (block.timestamp + window) * Bucket.TICKS);
        if (ticks <= window * Bucket.TICKS && ticks != 0) {
            uint256 when = Bucket.fitsAt(at, amount, capacity, window);
            vm.warp(when);
            assertGt(Bucket.take(at, amount, capacity, window), 0);
        }
    }
}

/// @notice Takes half a million of gas for its answer, and says so when it has less.
contract SlowGuard {
    function peek(address) external view returns (IOracleGuard.Verdict, uint256) {
        require(gasleft() > 500_000, "in a hurry");
        return (IOracleGuard.Verdict.Healthy, 1e18);
    }
}

contract BurningGuard {
    function peek(address) external pure returns (IOracleGuard.Verdict, uint256) {
        while (true) {}
        return (IOracleGuard.Verdict.Healthy, 1e18);
    }
}
