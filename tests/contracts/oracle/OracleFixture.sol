// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {MockPyth} from "@pythnetwork/pyth-sdk-solidity/MockPyth.sol";

import {OracleGuard} from "contracts/OracleGuard.sol";
import {OracleGuardExtension} from "contracts/OracleGuardExtension.sol";
import {IOracleGuard} from "contracts/interfaces/IOracleGuard.sol";
import {Assets} from "contracts/libraries/Assets.sol";
import {
    AssetConfig,
    Judgement,
    Kind,
    LegConfig,
    LegTarget,
    Setup,
    SourceConfig
} from "contracts/oracle/Types.sol";
import {Fixture} from "tests/contracts/Fixture.sol";
import {PlainToken} from "tests/contracts/mocks/Tokens.sol";
import {IFeedProxy, IUniswapV3Pool, Published} from "tests/contracts/oracle/Published.sol";

/// @notice The deployment of {Fixture} whose guard prices ETH: 2 of Chainlink and Pyth, with a Uniswap V3 pool as
/// reference. All at 2,000 USD.
abstract contract OracleFixture is Fixture, Published {
    bytes32 internal constant ETH_USD = 0xff61491a931112ddf1bd8147cd1b641375f79f5825126d665480874634fd0ace;
    uint128 internal constant ANCHOR = 2000e18;
    uint32 internal constant WINDOW = 1800;
    /// Depth of the pool: moving it by 1 % takes some 50 ETH.
    uint128 internal constant LIQUIDITY = 450e15;
    /// Of 2,000e6 units for 1e18 units, as the pool's token0 is the cheaper one.
    int24 internal constant TICK = 200_311;
    address internal constant ETH = Assets.NATIVE;

    OracleGuard internal guard;
    OracleGuardExtension internal control;
    IFeedProxy internal feed;
    MockPyth internal pyth;
    IUniswapV3Pool internal pool;
    PlainToken internal weth;

    function deployOracle() internal {
        deployVault();
        guard = deployed.guard;
        control = OracleGuardExtension(address(guard));
        weth = new PlainToken("Wrapped Ether", "WETH", 18);
        (feed, pyth) = (deployFeed(8, "ETH / USD", 2000e8), deployPyth());
        publish(pyth, ETH_USD, 2000e8, 1e8, -8);
        pool = deployPool(address(weth), address(usd), _wethIsToken1() ? TICK : -TICK, LIQUIDITY, 100);
        vm.warp(block.timestamp + 2 hours);
        _refresh(2000e8);
        vm.prank(GOVERNANCE);
        control.configure(ETH, setup(), ANCHOR, 100);
    }

    function _wethIsToken1() internal view returns (bool) {
        return address(weth) > address(usd);
    }

    /// @dev Both feeds say `price` a second later: Pyth takes one in a second.
    function _refresh(int64 price) internal {
        vm.warp(block.timestamp + 1);
        report(feed, price);
        publish(pyth, ETH_USD, price, 1e8, -8);
    }

    function setup() internal view returns (Setup memory s) {
        s.config = config();
        s.config.sources = new SourceConfig[](3);
        s.targets = new LegTarget[][](3);
        _source(s, 0, chainlinkLeg(8), LegTarget(address(feed), 0, 0, keccak256("ETH / USD")));
        _source(s, 1, pythLeg(), LegTarget(address(pyth), 0, ETH_USD, 0));
        _source(s, 2, poolLeg(), LegTarget(address(pool), 0, 0, 0));
        (s.config.sources[2].role, s.config.sources[2].toleranceBps) = (1, 300);
        s.tokenDecimals = 18;
    }

    /// @dev The first `count` sources of `s`, `quorum` of which agree.
    function first(Setup memory s, uint256 count, uint8 quorum) internal pure returns (Setup memory) {
        (SourceConfig[] memory sources, LegTarget[][] memory targets) = (s.config.sources, s.targets);
        assembly ("memory-safe") {
            mstore(sources, count)
            mstore(targets, count)
        }
        s.config.quorum = quorum;
        return s;
    }

    function _source(Setup memory s, uint256 i, LegConfig memory leg, LegTarget memory target) internal pure {
        s.config.sources[i].legs = new LegConfig[](1);
        s.targets[i] = new LegTarget[](1);
        (s.config.sources[i].legs[0], s.targets[i][0]) = (leg, target);
    }

    function config() internal pure returns (AssetConfig memory c) {
        (c.quorum, c.toleranceBps, c.skew) = (2, 100, 60);
        (c.jumpBps, c.volBps, c.leapMultiple) = (500, 500, 5);
        (c.recoverCount, c.recoverSpacing) = (3, 60);
    }

    function chainlinkLeg(uint8 decimals) internal pure returns (LegConfig memory c) {
        (c.kind, c.decimals, c.heartbeat, c.widthBps) = (Kind.CHAINLINK, decimals, 3600, 50);
        (c.floor, c.ceiling) = (1e18, 1_000_000e18);
    }

    function pythLeg() internal pure returns (LegConfig memory c) {
        (c.kind, c.decimals, c.heartbeat) = (Kind.PYTH, 8, 3600);
        (c.confBps, c.confMultiple) = (100, 2);
        (c.floor, c.ceiling) = (1e18, 1_000_000e18);
    }

    function poolLeg() internal view returns (LegConfig memory c) {
        (c.kind, c.decimals) = (Kind.UNISWAP_V3_TWAP, 18);
        (c.floor, c.ceiling) = (1e18, 1_000_000e18);
        (c.window, c.minLiquidity, c.maxTicks) = (WINDOW, LIQUIDITY / 2, 200);
        (c.baseDecimals, c.quoteDecimals, c.baseIsToken1) = (18, 6, _wethIsToken1());
    }

    function verdictOf(address asset) internal view returns (IOracleGuard.Verdict verdict, uint64 reasons) {
        (verdict,,, reasons) = guard.peek(asset);
    }

    /// @dev Moves the pool so that ETH costs `bps` more or less there.
    function movePool(int24 ticks) internal {
        (, int24 tick,,,,,) = pool.slot0();
        trader.push(pool, _wethIsToken1() ? tick - ticks : tick + ticks);
    }

    function configureAs(Setup memory s) internal {
        vm.prank(GOVERNANCE);
        control.configure(ETH, s, ANCHOR, 100);
    }
}
