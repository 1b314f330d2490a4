// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";

import {OracleGuard} from "contracts/OracleGuard.sol";
import {OracleGuardExtension} from "contracts/OracleGuardExtension.sol";
import {IOracleGuard} from "contracts/interfaces/IOracleGuard.sol";
import {IVault} from "contracts/interfaces/IVault.sol";
import {OracleConfig} from "contracts/oracle/OracleConfig.sol";
import {OracleStore} from "contracts/oracle/OracleStore.sol";
import {Reasons} from "contracts/oracle/Reasons.sol";
import {
    AssetConfig,
    Kind,
    LegConfig,
    LegTarget,
    Memory,
    Setup,
    SourceConfig
} from "contracts/oracle/Types.sol";
import {OracleFixture} from "tests/contracts/oracle/OracleFixture.sol";
import {PlainToken} from "tests/contracts/mocks/Tokens.sol";
import {RateToken} from "tests/contracts/oracle/Rogues.sol";

/// @notice What governance may set, what guardians may make tighter, and what nobody may.
contract ConfigureTest is OracleFixture {
    uint256 private constant NONE = type(uint256).max;
    address private immutable STRANGER = makeAddr("stranger");

    function setUp() public {
        deployOracle();
    }

    // --------------------------------------------------------------------------------------------------- bounds

    function _refused(Setup memory s, uint256 source, uint256 leg, string memory key) private {
        vm.prank(GOVERNANCE);
        vm.expectRevert(abi.encodeWithSelector(OracleConfig.BadConfig.selector, source, leg, key));
        control.configure(ETH, s, ANCHOR, 100);
    }

    function test_the_assets_bounds() public {
        Setup memory s = setup();
        s.config.quorum = 3;
        _refused(s, NONE, NONE, "quorum");
        s = setup();
        s.config.quorum = 1; // two halves could both reach it
        _refused(s, NONE, NONE, "quorum");
        s = setup();
        (s.config.sources[0].role, s.config.sources[1].role, s.config.quorum) = (1, 1, 0);
        (s.config.sources[0].toleranceBps, s.config.sources[1].toleranceBps) = (1, 1);
        _refused(s, NONE, NONE, "quorum");
        uint16[2] memory tolerances = [0, 2001];
        for (uint256 i = 0; i < 2; ++i) {
            s = setup();
            s.config.toleranceBps = tolerances[i];
            _refused(s, NONE, NONE, "toleranceBps");
        }
        s = setup();
        s.config.skew = 301;
        _refused(s, NONE, NONE, "skew");
        s = setup();
        s.config.jumpBps = 9;
        _refused(s, NONE, NONE, "jumpBps");
        s = setup();
        s.config.volBps = 10_001;
        _refused(s, NONE, NONE, "volBps");
        s = setup();
        s.config.leapMultiple = 1;
        _refused(s, NONE, NONE, "leapMultiple");
        s = setup();
        s.config.sequencerGrace = 60;
        _refused(s, NONE, NONE, "sequencerGrace");
        s = setup();
        (s.config.sequencerGrace, s.config.hasSequencer) = (60, true);
        _refused(s, NONE, NONE, "sequencer");
        s = setup();
        s.config.recoverCount = 0;
        _refused(s, NONE, NONE, "recoverCount");
        s = setup();
        s.config.recoverSpacing = 3601;
        _refused(s, NONE, NONE, "recoverSpacing");
        s = setup();
        s.tokenDecimals = 37;
        _refused(s, NONE, NONE, "tokenDecimals");
        s = setup();
        (s.config.sources, s.targets) = (new SourceConfig[](0), new LegTarget[][](0));
        _refused(s, NONE, NONE, "sources");
        s = setup();
        s.targets = new LegTarget[][](2);
        _refused(s, NONE, NONE, "sources");
        s = setup();
        (s.config.sources, s.targets) = (new SourceConfig[](6), new LegTarget[][](6));
        _refused(s, NONE, NONE, "sources");
    }

    function test_the_pegs_bounds() public {
        Setup memory s = setup();
        s.config.peg = 2000e18;
        _refused(s, NONE, NONE, "peg");
        s = setup();
        s.config.softAboveBps = 1;
        _refused(s, NONE, NONE, "peg");
        s = setup();
        (s.config.peg, s.config.softBelowBps, s.config.hardBelowBps) = (2000e18, 100, 100);
        _refused(s, NONE, NONE, "hardBelowBps");
        s = setup();
        (s.config.peg, s.config.softAboveBps, s.config.hardAboveBps) = (2000e18, 100, 10_001);
        _refused(s, NONE, NONE, "hardAboveBps");
    }

    function test_a_sources_bounds() public {
        Setup memory s = setup();
        s.config.sources[1].role = 2;
        _refused(s, 1, NONE, "role");
        s = setup();
        s.config.sources[0].toleranceBps = 1;
        _refused(s, 0, NONE, "toleranceBps");
        s = setup();
        s.config.sources[2].toleranceBps = 0;
        _refused(s, 2, NONE, "toleranceBps");
        s = setup();
        s.config.sources[2].legs = new LegConfig[](4);
        _refused(s, 2, NONE, "legs");
        s = setup();
        s.targets[1] = new LegTarget[](2);
        _refused(s, 1, NONE, "legs");
        s = setup();
        (s.config.sources[1], s.targets[1]) = (s.config.sources[0], s.targets[0]);
        _refused(s, 1, NONE, "target");
        s = setup();
        // What a feed does not look at makes no second feed of it.
        s.config.sources[1] = s.config.sources[0];
        s.targets[1][0] = LegTarget(s.targets[0][0].target, 0x12345678, bytes32(uint256(1)), 0);
        _refused(s, 1, NONE, "target");
        s = setup();
        s.targets[1][0].target = address(0);
        _refused(s, 1, 0, "target");
    }

    function test_a_legs_bounds() public {
        Setup memory s = setup();
        s.config.sources[0].legs[0].kind = 4;
        _refused(s, 0, 0, "kind");
        s = setup();
        s.config.sources[0].legs[0].decimals = 37;
        _refused(s, 0, 0, "decimals");
        s = setup();
        s.config.sources[2].legs[0].decimals = 8;
        _refused(s, 2, 0, "decimals");
        s = setup();
        s.config.sources[0].legs[0].heartbeat = 0;
        _refused(s, 0, 0, "heartbeat");
        s = setup();
        s.config.sources[2].legs[0].heartbeat = 1;
        _refused(s, 2, 0, "heartbeat");
        s = setup();
        s.config.sources[0].legs[0].widthBps = 1001;
        _refused(s, 0, 0, "widthBps");
        s = setup();
        s.config.sources[0].legs[0].confBps = 1;
        _refused(s, 0, 0, "confBps");
        s = setup();
        s.config.sources[1].legs[0].confMultiple = 11;
        _refused(s, 1, 0, "confMultiple");
        s = setup();
        s.config.sources[1].legs[0].carried = true;
        _refused(s, 1, 0, "carried");
        s = setup();
        s.config.sources[0].legs[0].floor = 0;
        _refused(s, 0, 0, "floor");
        s = setup();
        s.config.sources[0].legs[0].ceiling = 1e18;
        _refused(s, 0, 0, "floor");
        s = setup();
        (s.config.sources[0].legs[0].clampMin, s.config.sources[0].legs[0].clampMax) = (5, 5);
        _refused(s, 0, 0, "clampMin");
        s = setup();
        s.config.sources[0].legs[0].clampBps = 5001;
        _refused(s, 0, 0, "clampBps");
        s = setup();
        s.config.sources[2].legs[0].clampMin = 1;
        _refused(s, 2, 0, "clampMax");
        s = setup();
        s.config.sources[2].legs[0].window = 299;
        _refused(s, 2, 0, "window");
        s = setup();
        s.config.sources[2].legs[0].minLiquidity = 0;
        _refused(s, 2, 0, "minLiquidity");
        s = setup();
        s.config.sources[2].legs[0].maxTicks = 10_001;
        _refused(s, 2, 0, "maxTicks");
        s = setup();
        s.config.sources[2].legs[0].baseDecimals = 19;
        _refused(s, 2, 0, "baseDecimals");
        s = setup();
        s.config.sources[0].legs[0].quoteDecimals = 1;
        _refused(s, 0, 0, "quoteDecimals");
        s = setup();
        s.config.sources[0].legs[0].baseIsToken1 = true;
        _refused(s, 0, 0, "baseIsToken1");
        s = setup();
        s.config.sources[2].legs[0].rate = 1;
        _refused(s, 2, 0, "rate");
        s = setup();
        (s.config.sources[0].legs[0].rate, s.config.sources[0].legs[0].rateAt) =
        (2000e18, uint64(block.timestamp) + 1);
        _refused(s, 0, 0, "rateAt");
        s = setup();
        s.config.sources[0].legs[0].rate = 1_000_001e18; // above the ceiling
        _refused(s, 0, 0, "rate");
        (s.config.sources[0].legs[0].rate, s.config.sources[0].legs[0].growthBps) = (0.5e18, 9999);
        _refused(s, 0, 0, "rate"); // does not reach the floor within a year
        s.config.sources[0].legs[0].floor = 1;
        s.config.sources[0].legs[0].rate = 1e12 - 1; // of a smallest unit
        _refused(s, 0, 0, "rate");
        s = setup();
        s.config.sources[0].legs[0].growthBps = 1;
        _refused(s, 0, 0, "growthBps");
        s = setup();
        s.config.sources[0].legs[0].slashBps = 1;
        _refused(s, 0, 0, "slashBps");
    }

    /// @notice A bound that every unclamped answer breaks would take the price away for ever.
    function test_some_answer_must_pass_clamps_and_range() public {
        Setup memory s = setup();
        LegConfig memory leg = s.config.sources[0].legs[0];
        (leg.clampMin, leg.floor, leg.ceiling) = (3000e8, 1e18, 2500e18);
        _refused(s, 0, 0, "ceiling");
        (leg.clampMin, leg.clampMax, leg.floor, leg.ceiling) = (1e8, 1000e8, 1500e18, 2500e18);
        _refused(s, 0, 0, "floor");
        (leg.clampMin, leg.clampMax, leg.clampBps, leg.floor) = (1000e8, 1500e8, 5000, 1e18);
        _refused(s, 0, 0, "floor");
    }

    function test_the_anchor() public {
        vm.startPrank(GOVERNANCE);
        vm.expectRevert(abi.encodeWithSelector(OracleConfig.BadConfig.selector, NONE, NONE, "anchor"));
        control.configure(ETH, setup(), 0, 100);
        vm.expectRevert(abi.encodeWithSelector(OracleConfig.BadConfig.selector, NONE, NONE, "anchorBps"));
        control.configure(ETH, setup(), ANCHOR, 2001);
        vm.expectRevert(abi.encodeWithSelector(OracleGuardExtension.AnchorApart.selector, 2000e18, 2030e18));
        control.configure(ETH, setup(), 2030e18, 100);
        // Wrong decimals of a pool, which has none to compare with: a factor of 10.
        Setup memory s = setup();
        s.config.sources[0] = s.config.sources[2];
        s.targets[0] = s.targets[2];
        (s.config.sources[0].role, s.config.sources[0].toleranceBps) = (0, 0);
        s.config.sources[0].legs[0].quoteDecimals = 7;
        s = first(s, 1, 1);
        vm.expectPartialRevert(OracleGuardExtension.AnchorApart.selector);
        control.configure(ETH, s, ANCHOR, 2000);
        vm.stopPrank();
    }

    // ---------------------------------------------------------------------------------------- what sources say

    function _expect(Setup memory s, bytes memory reason) private {
        vm.prank(GOVERNANCE);
        vm.expectRevert(reason);
        control.configure(ETH, s, ANCHOR, 100);
    }

    function test_sources_must_answer_as_they_are_described() public {
        bytes4 bad = OracleGuardExtension.BadSource.selector;
        Setup memory s = setup();
        s.config.sources[0].legs[0].decimals = 18;
        _expect(s, abi.encodeWithSelector(bad, 0, Reasons.DECIMALS_CHANGED));
        s = setup();
        s.targets[1][0].argument = keccak256("no feed");
        _expect(s, abi.encodeWithSelector(bad, 1, uint64(1)));
        s = setup();
        s.targets[2][0].target = STRANGER;
        _expect(s, abi.encodeWithSelector(bad, 2, uint64(2)));
        s = setup();
        s.targets[0][0].description = keccak256("BTC / USD");
        _expect(s, abi.encodeWithSelector(OracleGuardExtension.BadDescription.selector, 0, 0, "ETH / USD"));
        report(feed, 2500e8);
        _expect(
            setup(),
            abi.encodeWithSelector(OracleGuardExtension.NoPrice.selector, uint64(Reasons.DISAGREEMENT))
        );
    }

    /// @notice Aave's capped adapter, March 2026: the guard's own bound was stale.
    function test_a_cap_below_the_rate_of_today_is_refused() public {
        RateToken shares = new RateToken();
        shares.set(1.23e18);
        Setup memory s = setup();
        LegConfig memory leg = s.config.sources[0].legs[0];
        s.config.sources[0].legs = new LegConfig[](2);
        s.config.sources[0].legs[0] = leg;
        LegConfig memory rate;
        (rate.kind, rate.decimals, rate.floor, rate.ceiling) = (Kind.RATE, 18, 1e17, 1e20);
        (rate.rate, rate.rateAt, rate.growthBps) = (1.19e18, uint64(block.timestamp), 300);
        s.config.sources[0].legs[1] = rate;
        LegTarget memory target = s.targets[0][0];
        s.targets[0] = new LegTarget[](2);
        s.targets[0][0] = target;
        s.targets[0][1] =
            LegTarget(address(shares), RateToken.convertToAssets.selector, bytes32(uint256(1e18)), 0);
        _expect(s, abi.encodeWithSelector(OracleGuardExtension.BadSource.selector, 0, Reasons.RATE_ABOVE_CAP));
    }

    function test_the_tokens_own_decimals_count() public {
        bytes4 selector = OracleGuardExtension.TokenDecimals.selector;
        Setup memory s = setup();
        s.tokenDecimals = 6;
        _expect(s, abi.encodeWithSelector(selector, ETH, 18));
        vm.startPrank(GOVERNANCE);
        vm.expectRevert(abi.encodeWithSelector(selector, address(dai), 18));
        control.configure(address(dai), s, ANCHOR, 100);
        vm.expectRevert(abi.encodeWithSelector(selector, STRANGER, 0));
        control.configure(STRANGER, s, ANCHOR, 100);
        vm.stopPrank();
    }

    function test_configuring_forgets_and_starts_from_the_anchor() public {
        report(feed, 2500e8);
        guard.record(ETH);
        assertTrue(control.memoryOf(ETH).recovering);
        _refresh(2000e8);
        Setup memory s = setup();
        vm.prank(GOVERNANCE);
        vm.expectEmit(address(guard));
        emit OracleGuardExtension.Configured(ETH, s, 2010e18, 100);
        control.configure(ETH, s, 2010e18, 100);
        Memory memory m = control.memoryOf(ETH);
        assertFalse(m.recovering);
        assertEq(m.last, 2010e18);
        assertEq(m.lastAt, block.timestamp);
        assertEq(m.sources[0][0].round, 0);
        assertEq(abi.encode(control.setupOf(ETH)), abi.encode(s));
    }

    // ----------------------------------------------------------------------------------------------- guardians

    function test_guardians_tighten_and_the_memory_stays() public {
        _refresh(2000e8);
        guard.record(ETH);
        AssetConfig memory c = _tightest();
        vm.prank(GUARDIAN);
        vm.expectEmit(address(guard));
        emit OracleGuardExtension.Tightened(ETH, c, GUARDIAN);
        control.tighten(ETH, c);
        Setup memory s = control.setupOf(ETH);
        assertEq(abi.encode(s.config), abi.encode(c));
        assertEq(abi.encode(s.targets), abi.encode(setup().targets));
        assertEq(control.memoryOf(ETH).sources[0][0].updatedAt, block.timestamp);
        assertEq(control.memoryOf(ETH).last, 2000e18);
        (, uint64 reasons) = verdictOf(ETH);
        assertEq(reasons, 0);
        vm.warp(block.timestamp + 1801);
        (, reasons) = verdictOf(ETH);
        assertTrue(reasons & Reasons.LATE != 0, "the shorter heartbeat counts");
    }

    function _tightest() private view returns (AssetConfig memory c) {
        c = setup().config;
        (c.toleranceBps, c.skew, c.jumpBps, c.volBps, c.leapMultiple) = (50, 0, 100, 0, 2);
        (c.recoverCount, c.recoverSpacing) = (10, 600);
        c.sources[2].toleranceBps = 100;
        LegConfig memory leg = c.sources[0].legs[0];
        (leg.heartbeat, leg.widthBps, leg.floor, leg.ceiling, leg.carried) =
        (1800, 100, 100e18, 10_000e18, true);
        leg = c.sources[1].legs[0];
        (leg.confBps, leg.confMultiple) = (50, 3);
        leg = c.sources[2].legs[0];
        (leg.minLiquidity, leg.maxTicks) = (LIQUIDITY - 1e9, 100);
    }

    function _looser(AssetConfig memory c, uint256 source, uint256 leg, string memory key) private {
        vm.prank(GUARDIAN);
        vm.expectRevert(abi.encodeWithSelector(OracleConfig.Looser.selector, source, leg, key));
        control.tighten(ETH, c);
    }

    function test_guardians_loosen_nothing_of_the_asset() public {
        AssetConfig memory c = setup().config;
        c.quorum = 1;
        _looser(c, NONE, NONE, "quorum");
        c = setup().config;
        ++c.toleranceBps;
        _looser(c, NONE, NONE, "toleranceBps");
        c = setup().config;
        ++c.skew;
        _looser(c, NONE, NONE, "skew");
        c = setup().config;
        ++c.jumpBps;
        _looser(c, NONE, NONE, "jumpBps");
        c = setup().config;
        ++c.volBps;
        _looser(c, NONE, NONE, "volBps");
        c = setup().config;
        ++c.leapMultiple;
        _looser(c, NONE, NONE, "leapMultiple");
        c = setup().config;
        c.peg = 1;
        _looser(c, NONE, NONE, "peg");
        c = setup().config;
        --c.recoverCount;
        _looser(c, NONE, NONE, "recoverCount");
        c = setup().config;
        --c.recoverSpacing;
        _looser(c, NONE, NONE, "recoverSpacing");
        c = setup().config;
        c.hasSequencer = true;
        _looser(c, NONE, NONE, "hasSequencer");
        c = setup().config;
        c.sources = new SourceConfig[](2);
        _looser(c, NONE, NONE, "sources");
        c = setup().config;
        c.sources[2].role = 0;
        _looser(c, 2, NONE, "role");
        c = setup().config;
        ++c.sources[2].toleranceBps;
        _looser(c, 2, NONE, "toleranceBps");
        c = setup().config;
        c.sources[2].legs = new LegConfig[](2);
        _looser(c, 2, NONE, "legs");
    }

    function test_guardians_loosen_no_band() public {
        Setup memory s = setup();
        (s.config.peg, s.config.softBelowBps, s.config.hardBelowBps) = (2000e18, 100, 500);
        (s.config.softAboveBps, s.config.hardAboveBps) = (100, 500);
        configureAs(s);
        AssetConfig memory c = abi.decode(abi.encode(s.config), (AssetConfig));
        c.softBelowBps = 0; // not judged at all
        _looser(c, NONE, NONE, "softBelowBps");
        c.softBelowBps = 100;
        c.softAboveBps = 101;
        _looser(c, NONE, NONE, "softAboveBps");
        c.softAboveBps = 100;
        c.hardBelowBps = 501;
        _looser(c, NONE, NONE, "hardBelowBps");
        c.hardBelowBps = 500;
        c.hardAboveBps = 0;
        _looser(c, NONE, NONE, "hardAboveBps");
        (c.softBelowBps, c.hardBelowBps, c.softAboveBps, c.hardAboveBps) = (50, 400, 50, 400);
        vm.prank(GUARDIAN);
        control.tighten(ETH, c);
    }

    function test_guardians_loosen_no_leg() public {
        AssetConfig memory c = setup().config;
        ++c.sources[0].legs[0].heartbeat;
        _looser(c, 0, 0, "heartbeat");
        c = setup().config;
        --c.sources[0].legs[0].widthBps;
        _looser(c, 0, 0, "widthBps");
        c = setup().config;
        ++c.sources[1].legs[0].confBps;
        _looser(c, 1, 0, "confBps");
        c = setup().config;
        --c.sources[1].legs[0].confMultiple;
        _looser(c, 1, 0, "confMultiple");
        c = setup().config;
        --c.sources[0].legs[0].floor;
        _looser(c, 0, 0, "floor");
        c = setup().config;
        ++c.sources[0].legs[0].ceiling;
        _looser(c, 0, 0, "ceiling");
        c = setup().config;
        --c.sources[2].legs[0].minLiquidity;
        _looser(c, 2, 0, "minLiquidity");
        c = setup().config;
        ++c.sources[2].legs[0].maxTicks;
        _looser(c, 2, 0, "maxTicks");
        // Neither tight nor loose: what is read, and how.
        c = setup().config;
        c.sources[0].legs[0].kind = Kind.RATE;
        _looser(c, 0, 0, "kind");
        c = setup().config;
        c.sources[2].legs[0].window = 3600;
        _looser(c, 2, 0, "kind");
        c = setup().config;
        c.sources[0].legs[0].decimals = 9;
        _looser(c, 0, 0, "kind");
    }

    function test_tighter_is_still_within_bounds() public {
        AssetConfig memory c = setup().config;
        c.toleranceBps = 0;
        vm.prank(GUARDIAN);
        vm.expectRevert(abi.encodeWithSelector(OracleConfig.BadConfig.selector, NONE, NONE, "toleranceBps"));
        control.tighten(ETH, c);
    }

    function test_guardians_take_a_price_away_and_governance_brings_it_back() public {
        vm.prank(GUARDIAN);
        vm.expectEmit(address(guard));
        emit OracleGuardExtension.Distrusted(ETH, GUARDIAN);
        control.distrust(ETH);
        (IOracleGuard.Verdict verdict, uint64 reasons) = verdictOf(ETH);
        assertEq(uint256(verdict), uint256(IOracleGuard.Verdict.Insane));
        assertEq(reasons, Reasons.NOT_CONFIGURED);
        AssetConfig memory c = setup().config;
        vm.prank(GUARDIAN);
        vm.expectRevert(abi.encodeWithSelector(OracleStore.NotConfigured.selector, ETH));
        control.tighten(ETH, c);
        configureAs(setup());
        (, reasons) = verdictOf(ETH);
        assertEq(reasons, 0);
    }

    // -------------------------------------------------------------------------------------------------- powers

    function test_each_power_has_one_holder() public {
        address[5] memory all = [GOVERNANCE, GUARDIAN, LANE, STRANGER, address(guard)];
        Setup memory s = setup();
        _only(all, GOVERNANCE, address(guard), abi.encodeCall(control.configure, (ETH, s, ANCHOR, 100)));
        _only(all, GUARDIAN, address(guard), abi.encodeCall(control.tighten, (ETH, s.config)));
        _only(all, GUARDIAN, address(guard), abi.encodeCall(control.distrust, (ETH)));
        _only(all, address(guard), address(vault), abi.encodeCall(IVault.pauseSwaps, (1)));
    }

    function _only(address[5] memory all, address holder, address target, bytes memory call) private {
        for (uint256 i = 0; i < all.length; ++i) {
            uint256 state = vm.snapshotState();
            vm.prank(all[i]);
            (bool ok, bytes memory reason) = target.call(call);
            vm.revertToState(state);
            assertEq(ok, all[i] == holder, vm.toString(call));
            if (!ok) assertEq(bytes4(reason), IAccessManaged.AccessManagedUnauthorized.selector);
        }
    }

    /// @notice The guard holds a power over the vault that stops swaps, and no other.
    function test_the_guard_can_do_nothing_else_to_the_vault() public {
        vm.startPrank(address(guard));
        bytes memory no =
            abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, address(guard));
        vm.expectRevert(no);
        vault.pause(IVault.Scope.Swaps, 1);
        vm.expectRevert(no);
        vault.pauseAsset(ETH, 1);
        vm.expectRevert(no);
        vault.unpause(IVault.Scope.Swaps);
        vm.expectRevert(no);
        vault.disableLane(LANE);
        vm.stopPrank();
    }

    function test_the_halves_are_what_they_say() public {
        vm.expectRevert(abi.encodeWithSelector(OracleGuard.NoCode.selector, STRANGER));
        new OracleGuard(address(manager), vault, STRANGER);
        // By itself the second half knows nothing.
        OracleGuardExtension second = OracleGuardExtension(guard.EXTENSION());
        assertEq(second.setupOf(ETH).targets.length, 0);
        (bool ok,) = address(guard).call(hex"12345678");
        assertFalse(ok, "neither half knows it");
        assertEq(guard.authority(), address(manager));
    }
}
