// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IOracleGuard} from "contracts/interfaces/IOracleGuard.sol";
import {Reasons} from "contracts/oracle/Reasons.sol";
import {
    Judgement,
    Kind,
    LegConfig,
    LegInput,
    LegTarget,
    Setup,
    SourceConfig
} from "contracts/oracle/Types.sol";
import {OracleFixture} from "tests/contracts/oracle/OracleFixture.sol";
import {IFeedProxy, IFluxAggregator} from "tests/contracts/oracle/Published.sol";
import {RateToken, Rogue, ScriptedFeed, ScriptedPool} from "tests/contracts/oracle/Rogues.sol";

/// @notice Whatever a source does has a name, and never reverts {OracleGuard-peek}.
contract MisbehaviourTest is OracleFixture {
    uint64 private constant REVERTED = 1 << 0;
    uint64 private constant NO_CODE = 1 << 1;
    uint64 private constant OUT_OF_GAS = 1 << 2;
    uint64 private constant MALFORMED = 1 << 3;

    ScriptedFeed private scripted = new ScriptedFeed();
    RateToken private shares = new RateToken();

    function setUp() public {
        deployOracle();
        scripted.setDecimals(8);
    }

    /// @dev What the guard says of source `s` alone.
    function _of(uint256 s) private view returns (uint64) {
        (bool ok, bytes memory said) = address(guard).staticcall(abi.encodeCall(IOracleGuard.peek, (ETH)));
        assertTrue(ok, "peek never reverts");
        assertEq(said.length, 128);
        return guard.judge(ETH).sourceReasons[s];
    }

    /// @dev Chainlink, Pyth, the pool and a rate, each with a quorum of one: the first alone.
    function _withRate() private {
        shares.set(1e18);
        Setup memory s = setup();
        s.config.sources[2].legs = new LegConfig[](2);
        s.config.sources[2].legs[0] = rateLeg();
        s.config.sources[2].legs[1] = poolLeg();
        LegTarget memory target = s.targets[2][0];
        s.targets[2] = new LegTarget[](2);
        s.targets[2][0] =
            LegTarget(address(shares), RateToken.convertToAssets.selector, bytes32(uint256(1e18)), 0);
        s.targets[2][1] = target;
        configureAs(s);
    }

    function rateLeg() private view returns (LegConfig memory c) {
        (c.kind, c.decimals, c.floor, c.ceiling) = (Kind.RATE, 18, 1e17, 1e20);
        (c.rate, c.rateAt, c.growthBps, c.slashBps) = (1e18, uint64(block.timestamp), 1000, 500);
    }

    // ------------------------------------------------------------------------------------- whatever it is asked

    function test_every_source_that_misbehaves_is_named() public {
        _withRate();
        address[4] memory targets = [address(feed), address(pyth), address(shares), address(pool)];
        uint8[4] memory source = [0, 1, 2, 2];
        uint64[8] memory named =
            [REVERTED, OUT_OF_GAS, MALFORMED, MALFORMED, MALFORMED, OUT_OF_GAS, REVERTED, REVERTED];
        for (uint256 t = 0; t < 4; ++t) {
            for (uint256 m = 0; m < 8; ++m) {
                bytes memory before = targets[t].code;
                vm.etch(targets[t], address(new Rogue(Rogue.Mode(m), address(guard))).code);
                uint64 said = _of(source[t]);
                // A rate of all ones is a number, and no sane one.
                uint64 expected = t == 2 && m == 4 ? Reasons.OUT_OF_RANGE : named[m];
                // A megabyte of zeros: what is asked for is there, and nothing more is copied.
                if (m == 5 && said & OUT_OF_GAS == 0) expected = _zeros(t);
                assertEq(said, expected, string.concat(vm.toString(t), " ", vm.toString(m)));
                vm.etch(targets[t], before);
                assertEq(_of(source[t]), 0);
            }
            bytes memory code = targets[t].code;
            vm.etch(targets[t], "");
            assertEq(_of(source[t]), NO_CODE);
            vm.etch(targets[t], code);
        }
    }

    function _zeros(uint256 t) private pure returns (uint64) {
        if (t == 0) return Reasons.DECIMALS_CHANGED | Reasons.INCOMPLETE_ROUND | Reasons.NOT_POSITIVE;
        if (t == 1) return Reasons.DECIMALS_CHANGED | Reasons.INCOMPLETE_ROUND | Reasons.NOT_POSITIVE;
        return t == 2 ? Reasons.NOT_POSITIVE : MALFORMED;
    }

    /// @notice What is returned beyond the words that are wanted costs the guard nothing.
    function test_a_megabyte_is_not_copied() public {
        address rogue = address(new Rogue(Rogue.Mode.Megabyte, address(guard)));
        vm.etch(address(feed), rogue.code);
        uint256 before = gasleft();
        guard.peek(ETH);
        assertLt(before - gasleft(), 400_000);
    }

    // ---------------------------------------------------------------------------------------------- Chainlink

    /// @dev Only the scripted feed, judged by itself.
    function _scripted() private {
        _say(5, 2000e8, block.timestamp, 5);
        Setup memory s = setup();
        s.targets[0][0].target = address(scripted);
        s.config.sources[0].legs[0].carried = true;
        configureAs(s);
        guard.record(ETH);
        assertEq(_of(0), 0);
    }

    function _say(uint256 round, int256 answer, uint256 updatedAt, uint256 answeredIn) private {
        scripted.set(round, answer, updatedAt, updatedAt, answeredIn);
    }

    function test_rounds_that_no_honest_feed_has() public {
        _scripted();
        uint256 now_ = block.timestamp;
        _say(0, 2000e8, now_, 0);
        assertEq(_of(0), Reasons.INCOMPLETE_ROUND | Reasons.ROUND_WENT_BACK, "round 0");
        _say(6, 2000e8, 0, 6);
        assertEq(_of(0), Reasons.INCOMPLETE_ROUND, "no time");
        _say(6, 2000e8, now_, 5);
        assertEq(_of(0), Reasons.CARRIED_ROUND, "carried");
        _say(4, 2000e8, now_, 4);
        assertEq(_of(0), Reasons.ROUND_WENT_BACK, "round went back");
        _say(6, 2000e8, now_ - 1, 6);
        assertEq(_of(0), Reasons.ROUND_WENT_BACK, "time went back");
        _say((1 << 64) | 6, 2000e8, now_, (1 << 64) | 6);
        assertEq(_of(0), Reasons.PHASE_CHANGED, "phase");
        _say(uint256(1) << 80, 2000e8, now_, 6);
        assertEq(_of(0), MALFORMED, "round beyond its type");
        _say(6, 2000e8, now_, uint256(1) << 80);
        assertEq(_of(0), MALFORMED, "answered round beyond its type");
        _say(6, 2000e8, now_ + 60, 6);
        assertEq(_of(0), 0, "clocks differ");
        _say(6, 2000e8, now_ + 61, 6);
        assertEq(_of(0), Reasons.FROM_THE_FUTURE, "future");
        _say(6, 2000e8, type(uint256).max, 6);
        assertEq(_of(0), Reasons.FROM_THE_FUTURE, "end of time");
        _say(6, 0, now_, 6);
        assertEq(_of(0), Reasons.NOT_POSITIVE, "zero");
        _say(6, type(int256).min, now_, 6);
        assertEq(_of(0), Reasons.NOT_POSITIVE, "negative");
        _say(6, type(int256).max, now_, 6);
        assertEq(_of(0), Reasons.OUT_OF_RANGE, "huge");
        _say(6, 0.5e8, now_, 6);
        assertEq(_of(0) & ~Reasons.LEAP, Reasons.OUT_OF_RANGE, "below the floor");
        scripted.setDecimals(18);
        _say(6, 2000e18, now_, 6);
        assertEq(_of(0) & Reasons.DECIMALS_CHANGED, Reasons.DECIMALS_CHANGED);
        scripted.setDecimals(256);
        assertEq(_of(0), MALFORMED, "decimals beyond their type");
    }

    /// @notice Chainlink's own proxy and aggregators: the proxy is pointed to another one.
    function test_a_new_aggregator_is_held_and_one_of_other_decimals_refused() public {
        guard.record(ETH);
        _point(deployAggregator(8, "ETH / USD", 1, 1e30), 2000e8);
        assertEq(_of(0), Reasons.PHASE_CHANGED);
        guard.record(ETH);
        assertEq(_of(0), 0, "one round on, it is the feed");
        _point(deployAggregator(18, "ETH / USD", 1, 1e30), 2000e18);
        assertEq(_of(0) & Reasons.DECIMALS_CHANGED, Reasons.DECIMALS_CHANGED);
        (IOracleGuard.Verdict verdict,) = verdictOf(ETH);
        assertEq(uint256(verdict), uint256(IOracleGuard.Verdict.Insane));
    }

    function _point(IFluxAggregator aggregator, int256 answer) private {
        feed.proposeAggregator(address(aggregator));
        feed.confirmAggregator(address(aggregator));
        report(feed, answer);
    }

    function test_a_proxy_without_data_is_named() public {
        IFluxAggregator aggregator = deployAggregator(8, "ETH / USD", 1, 1e30);
        feed.proposeAggregator(address(aggregator));
        feed.confirmAggregator(address(aggregator));
        assertEq(_of(0), REVERTED, "No data present");
    }

    /// @notice LUNA, May 2022: the aggregator refuses what is below its minimum, so the feed stays there.
    function test_an_aggregator_at_its_minimum_is_clamped() public {
        IFluxAggregator aggregator = deployAggregator(8, "LUNA / USD", 0.1e8, 1000e8);
        feed = deployProxy(aggregator);
        report(feed, 0.11e8);
        Setup memory s = setup();
        s.targets[0][0] = LegTarget(address(feed), 0, 0, keccak256("LUNA / USD"));
        LegConfig memory leg = s.config.sources[0].legs[0];
        (leg.floor, leg.ceiling, leg.clampMin, leg.clampMax, leg.clampBps) = (1e15, 1e20, 0.1e8, 1000e8, 100);
        s.config.jumpBps = 10_000;
        vm.prank(GOVERNANCE);
        control.configure(address(dai), first(s, 1, 1), 0.11e18, 100);
        assertEq(guard.judge(address(dai)).sourceReasons[0], 0);
        vm.warp(block.timestamp + 1);
        vm.expectRevert("value below minSubmissionValue");
        this.reportAs(0.05e8);
        report(feed, 0.1e8);
        Judgement memory j = guard.judge(address(dai));
        assertEq(j.sourceReasons[0], Reasons.CLAMPED);
        assertEq(j.verdict, 2);
    }

    function reportAs(int256 answer) external {
        report(feed, answer);
    }

    function test_late_is_held_and_stale_is_not() public {
        uint256 from = block.timestamp;
        vm.warp(from + 3600);
        assertEq(_of(0), 0);
        vm.warp(from + 3601);
        assertEq(_of(0) | _of(1), Reasons.LATE);
        (IOracleGuard.Verdict verdict, uint64 reasons) = verdictOf(ETH);
        assertEq(uint256(verdict), uint256(IOracleGuard.Verdict.Degraded));
        assertTrue(reasons & Reasons.HELD_USED != 0);
        vm.warp(from + 7201);
        assertEq(_of(0) | _of(1), Reasons.STALE);
        (verdict,) = verdictOf(ETH);
        assertEq(uint256(verdict), uint256(IOracleGuard.Verdict.Insane));
    }

    // --------------------------------------------------------------------------------------------------- Pyth

    function test_pyths_confidence_exponent_and_clock() public {
        _publish(2000e8, 20e8, -8);
        assertEq(_of(1), 0, "1 % is allowed");
        _publish(2000e8, 20e8 + 1, -8);
        assertEq(_of(1), Reasons.WIDE_CONFIDENCE);
        _publish(2000e5, 1e5, -5);
        assertEq(_of(1) & ~Reasons.LEAP, Reasons.DECIMALS_CHANGED);
        _publish(2000, 1, 1);
        assertEq(_of(1) & Reasons.DECIMALS_CHANGED, Reasons.DECIMALS_CHANGED);
        _publish(-1, 1, -8);
        assertEq(_of(1), Reasons.NOT_POSITIVE);
        _publish(2000e8, 1e8, -8);
        bytes[] memory updates = new bytes[](1);
        uint64 time = uint64(block.timestamp) + 61;
        updates[0] = pyth.createPriceFeedUpdateData(ETH_USD, 2000e8, 1e8, -8, 2000e8, 1e8, time, time - 1);
        pyth.updatePriceFeeds(updates);
        assertEq(_of(1), Reasons.FROM_THE_FUTURE);
    }

    function _publish(int64 price, uint64 conf, int32 expo) private {
        vm.warp(block.timestamp + 1);
        publish(pyth, ETH_USD, price, conf, expo);
    }

    function test_pyths_words_stay_in_their_types() public {
        _mockPyth(int256(type(int64).max) + 1, 1, -8);
        _mockPyth(2000e8, uint256(type(uint64).max) + 1, -8);
        _mockPyth(2000e8, 1, int256(type(int32).max) + 1);
    }

    function _mockPyth(int256 price, uint256 conf, int256 expo) private {
        bytes memory question = abi.encodeWithSignature("getPriceUnsafe(bytes32)", ETH_USD);
        vm.mockCall(address(pyth), question, abi.encode(price, conf, expo, block.timestamp));
        assertEq(_of(1), MALFORMED);
    }

    function test_an_unknown_pyth_feed_is_named() public {
        Setup memory s = setup();
        s.targets[1][0].argument = keccak256("none");
        vm.prank(GOVERNANCE);
        vm.expectRevert();
        control.configure(ETH, s, ANCHOR, 100);
    }

    // --------------------------------------------------------------------------------------------------- pools

    function test_a_pool_that_says_nonsense_is_named() public {
        ScriptedPool fake = new ScriptedPool();
        vm.etch(address(pool), address(fake).code);
        fake = ScriptedPool(address(pool));
        uint256[7] memory slot = [uint256(1), 0, 0, 1, 1, 0, 1];
        uint256[4] memory seen = [block.timestamp - 2 hours, 0, 0, 1];
        uint256[8] memory observed = [uint256(0x40), 0xa0, 2, 0, 0, 2, 0, 1];
        fake.setSlot(slot);
        fake.setSeen(seen);
        fake.setObserved(observed);
        assertEq(_of(2) & MALFORMED, 0, "as an honest one lays it out");

        for (uint256 i = 0; i < 8; ++i) {
            uint256[8] memory words = observed;
            words[i] = type(uint256).max / 2;
            fake.setObserved(words);
            assertEq(_of(2), MALFORMED, vm.toString(i));
        }
        fake.setObserved(observed);
        slot[1] = uint256(1) << 23;
        fake.setSlot(slot);
        assertEq(_of(2), MALFORMED, "tick beyond its type");
        slot[1] = 887_273;
        fake.setSlot(slot);
        assertEq(_of(2), MALFORMED, "tick beyond the pool's range");
        (slot[1], slot[2]) = (0, 1);
        fake.setSlot(slot);
        assertEq(_of(2), MALFORMED, "index beyond the cardinality");
        (slot[2], slot[3]) = (0, 0);
        fake.setSlot(slot);
        assertEq(_of(2), MALFORMED, "no observation");
        (slot[2], slot[3]) = (0, 1);
        fake.setSlot(slot);
        seen[0] = uint256(1) << 32;
        fake.setSeen(seen);
        assertEq(_of(2), MALFORMED, "time beyond its type");
        seen[0] = block.timestamp - WINDOW + 1;
        fake.setSeen(seen);
        assertEq(_of(2) & Reasons.SHORT_WINDOW, Reasons.SHORT_WINDOW);
    }

    // --------------------------------------------------------------------------------------- rates, sequencer

    function test_a_rate_is_bounded_by_its_growth() public {
        _withRate();
        uint256 from = block.timestamp;
        shares.set(1.1e18 + 1);
        assertEq(_of(2) & Reasons.RATE_ABOVE_CAP, Reasons.RATE_ABOVE_CAP);
        shares.set(0.95e18 - 1);
        assertEq(_of(2) & Reasons.RATE_BELOW_FLOOR, Reasons.RATE_BELOW_FLOOR);
        shares.set(0.95e18);
        assertEq(_of(2) & Reasons.RATE_BELOW_FLOOR, 0);
        vm.warp(from + 365 days);
        shares.set(1.1e18);
        assertEq(_of(2) & Reasons.RATE_ABOVE_CAP, 0);
        shares.set(type(uint256).max / 1e18);
        assertEq(_of(2) & Reasons.OUT_OF_RANGE, Reasons.OUT_OF_RANGE);
    }

    function test_the_sequencer() public {
        uint256 now_ = block.timestamp;
        scripted.set(1, 0, now_ - 1 hours - 1, now_, 1);
        Setup memory s = setup();
        (s.sequencer, s.config.hasSequencer, s.config.sequencerGrace) = (address(scripted), true, 1 hours);
        configureAs(s);
        _assertAsset(0, "up");
        scripted.set(1, 0, now_ - 1 hours, now_, 1);
        _assertAsset(Reasons.SEQUENCER_GRACE, "grace");
        scripted.set(1, 1, now_ - 2 hours, now_, 1);
        _assertAsset(Reasons.SEQUENCER_DOWN, "down");
        scripted.set(1, 2, now_ - 2 hours, now_, 1);
        _assertAsset(Reasons.SEQUENCER_UNKNOWN, "neither");
        scripted.set(1, -1, now_ - 2 hours, now_, 1);
        _assertAsset(Reasons.SEQUENCER_UNKNOWN, "negative");
        scripted.set(1, 0, 0, now_, 1);
        _assertAsset(Reasons.SEQUENCER_UNKNOWN, "never started");
        scripted.set(1, 0, now_ + 61, now_, 1);
        _assertAsset(Reasons.SEQUENCER_UNKNOWN, "starts in the future");
        vm.etch(address(scripted), "");
        _assertAsset(Reasons.SEQUENCER_UNKNOWN, "gone");
    }

    function _assertAsset(uint64 expected, string memory what) private view {
        (, uint64 reasons) = verdictOf(ETH);
        assertEq(Reasons.ofAsset(reasons), expected, what);
    }
}
