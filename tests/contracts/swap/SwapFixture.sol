// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

import {SwapSplitter} from "contracts/SwapSplitter.sol";
import {IOracleGuard} from "contracts/interfaces/IOracleGuard.sol";
import {ISwapSplitter} from "contracts/interfaces/ISwapSplitter.sol";
import {IVault} from "contracts/interfaces/IVault.sol";
import {IWETH} from "contracts/interfaces/IWETH.sol";
import {Assets} from "contracts/libraries/Assets.sol";
import {StableSwapAdapter} from "contracts/swap/StableSwapAdapter.sol";
import {Deploy} from "script/Deploy.s.sol";
import {SwapSetup} from "script/SwapSetup.sol";
import {Fixture} from "tests/contracts/Fixture.sol";
import {FixedGuard} from "tests/contracts/mocks/FixedGuard.sol";
import {StableSwapPool} from "tests/contracts/mocks/StableSwapPool.sol";
import {HostileAdapter} from "tests/contracts/swap/Hostile.sol";
import {IWeightedFactory, Protocols} from "tests/contracts/swap/Protocols.sol";

/// @notice The vault that swaps, on pools of all four kinds: a million DAI against a million USD in each, 2,000 USD for
/// an ETH. Slippage 1 %, except where a test says otherwise.
abstract contract SwapFixture is Fixture, Protocols {
    uint128 internal constant CAPACITY = 10_000_000e18;
    uint32 internal constant SWAP_WINDOW = 1 days;
    uint16 internal constant SLIPPAGE = 100;
    /// Units of USD for units of DAI and back, times 1e36.
    uint256 internal constant DAI_TO_USD = 1e24;
    uint256 internal constant USD_TO_DAI = 1e48;
    uint256 internal constant MILLION = 1_000_000;
    uint32 internal constant LEG_GAS = 1_000_000;
    address internal constant ETH = Assets.NATIVE;

    SwapSplitter internal splitter;
    StableSwapAdapter internal stableAdapter;
    address internal adapterV2;
    address internal adapterV3;
    address internal adapterBalancer;
    HostileAdapter internal hostile;
    FixedGuard internal guard;

    address internal pairDaiUsd;
    address internal pairDaiWeth;
    address internal poolDaiUsd;
    address internal poolWethUsd;
    StableSwapPool internal stablePool;
    bytes32 internal weightedDaiUsd;

    function deploySwaps() internal {
        deployProtocols();
        deployVault();
        _fillPools();
        guard = new FixedGuard();
        vm.startPrank(GOVERNANCE);
        vault.setOracle(address(guard), 1 days);
        stableAdapter.addPool(address(stablePool));
        hostile = new HostileAdapter();
        splitter.addAdapter(address(hostile), address(hostile).codehash);
        splitter.addConnector(weth);
        splitter.addConnector(address(dai));
        vm.stopPrank();
        setPrices();
        vm.deal(address(vault), 1000 ether);
        dai.mint(address(vault), 100_000e18);
        usd.mint(address(vault), 100_000e6);
        moody.mint(address(vault), 100_000e18);
    }

    function setPrices() internal {
        guard.set(address(dai), IOracleGuard.Verdict.Healthy, 1e18);
        guard.set(address(usd), IOracleGuard.Verdict.Healthy, 1e30);
        guard.set(address(moody), IOracleGuard.Verdict.Healthy, 1e18);
        guard.set(ETH, IOracleGuard.Verdict.Healthy, 2000e18);
    }

    function _fillPools() private {
        SwapSetup.Deployed memory d = deployed.swaps;
        (splitter, stableAdapter) = (d.splitter, d.stableSwap);
        adapterV2 = d.adapters[0];
        adapterV3 = d.adapters[1];
        adapterBalancer = d.adapters[2];
        dai.mint(address(provider), 100 * MILLION * 1e18);
        usd.mint(address(provider), 100 * MILLION * 1e6);
        vm.deal(address(this), 100_000 ether);
        IWETH(weth).deposit{value: 100_000 ether}();
        SafeERC20.safeTransfer(IERC20(weth), address(provider), 100_000 ether);
        address d_ = address(dai);
        address u = address(usd);
        pairDaiUsd = pairOf(d_, u, MILLION * 1e18, MILLION * 1e6);
        pairDaiWeth = pairOf(d_, weth, MILLION * 1e18, 500e18);
        poolDaiUsd = poolV3Of(d_, u, 500, MILLION * 1e18, MILLION * 1e6);
        poolWethUsd = poolV3Of(weth, u, 3000, 500e18, MILLION * 1e6);
        stablePool = stablePoolOf(d_, u, MILLION * 1e18, MILLION * 1e6, 6);
        weightedDaiUsd = weightedPoolOf(factoryWeighted, d_, u, MILLION * 1e18, MILLION * 1e6);
    }

    function params() internal view virtual override returns (Deploy.Params memory p) {
        p = super.params();
        p.swaps = swapParams();
        for (uint256 i = 0; i < p.assets.length; ++i) {
            p.assets[i].swapRules = IVault.SwapRules(CAPACITY, SWAP_WINDOW, SLIPPAGE);
        }
    }

    // ------------------------------------------------------------------------------------------------ plans

    function hop(address adapter, address buy, bytes memory data)
        internal
        pure
        returns (ISwapSplitter.Hop memory)
    {
        return ISwapSplitter.Hop(adapter, buy, data);
    }

    function v2(address buy) internal view returns (ISwapSplitter.Hop memory) {
        return hop(adapterV2, buy, "");
    }

    function v3(address buy, uint24 fee) internal view returns (ISwapSplitter.Hop memory) {
        return hop(adapterV3, buy, abi.encode(fee));
    }

    /// @dev Between DAI, which is coin 0, and USD.
    function stable(address buy) internal view returns (ISwapSplitter.Hop memory) {
        (int128 i, int128 j) = buy == address(usd) ? (int128(0), int128(1)) : (int128(1), int128(0));
        return hop(address(stableAdapter), buy, abi.encode(address(stablePool), i, j));
    }

    function weighted(address buy) internal view returns (ISwapSplitter.Hop memory) {
        return hop(adapterBalancer, buy, abi.encode(weightedDaiUsd));
    }

    /// @param rate Units bought per unit sold, times 1e36, that a hostile adapter pays where it pays.
    function bad(address buy, HostileAdapter.Mood mood, uint256 rate)
        internal
        view
        returns (ISwapSplitter.Hop memory)
    {
        return hop(address(hostile), buy, abi.encode(mood, rate));
    }

    function leg(uint256 amount, ISwapSplitter.Hop memory only)
        internal
        pure
        returns (ISwapSplitter.Leg memory l)
    {
        (l.amount, l.minRate, l.gas) = (amount, 1, LEG_GAS);
        l.hops = new ISwapSplitter.Hop[](1);
        l.hops[0] = only;
    }

    function leg(uint256 amount, ISwapSplitter.Hop memory first, ISwapSplitter.Hop memory second)
        internal
        pure
        returns (ISwapSplitter.Leg memory l)
    {
        (l.amount, l.minRate, l.gas) = (amount, 1, LEG_GAS);
        l.hops = new ISwapSplitter.Hop[](2);
        (l.hops[0], l.hops[1]) = (first, second);
    }

    function plan(ISwapSplitter.Leg memory a) internal pure returns (ISwapSplitter.Leg[] memory legs) {
        legs = new ISwapSplitter.Leg[](1);
        legs[0] = a;
    }

    function plan(ISwapSplitter.Leg memory a, ISwapSplitter.Leg memory b)
        internal
        pure
        returns (ISwapSplitter.Leg[] memory legs)
    {
        legs = new ISwapSplitter.Leg[](2);
        (legs[0], legs[1]) = (a, b);
    }

    function plan(ISwapSplitter.Leg memory a, ISwapSplitter.Leg memory b, ISwapSplitter.Leg memory c)
        internal
        pure
        returns (ISwapSplitter.Leg[] memory legs)
    {
        legs = new ISwapSplitter.Leg[](3);
        (legs[0], legs[1], legs[2]) = (a, b, c);
    }

    /// @dev For the sum of the legs, now, with a minimum that does not bind.
    function order(address sell, address buy, ISwapSplitter.Leg[] memory legs)
        internal
        view
        returns (IVault.SwapOrder memory o)
    {
        uint256 amount = 0;
        for (uint256 i = 0; i < legs.length; ++i) {
            amount += legs[i].amount;
        }
        return IVault.SwapOrder(sell, buy, amount, 1, uint64(block.timestamp), legs);
    }

    function swap(IVault.SwapOrder memory o) internal returns (uint256 spent, uint256 received) {
        vm.prank(LANE);
        return vault.swap(o);
    }

    function swap(address sell, address buy, ISwapSplitter.Leg memory only)
        internal
        returns (uint256, uint256)
    {
        return swap(order(sell, buy, plan(only)));
    }

    function setRules(address asset, uint128 capacity, uint16 slippageBps) internal {
        vm.prank(GOVERNANCE);
        vault.setSwapRules(asset, IVault.SwapRules(capacity, SWAP_WINDOW, slippageBps));
    }

    /// @dev Nothing, and no right, stays where a swap went through.
    function assertNothingLeft() internal view {
        address[3] memory tokens = [address(dai), address(usd), weth];
        address[5] memory adapters =
            [adapterV2, adapterV3, address(stableAdapter), adapterBalancer, address(hostile)];
        for (uint256 i = 0; i < tokens.length; ++i) {
            IERC20 token = IERC20(tokens[i]);
            assertEq(token.balanceOf(address(splitter)), 0, "left in the splitter");
            for (uint256 k = 0; k < adapters.length; ++k) {
                assertEq(token.allowance(address(splitter), adapters[k]), 0, "approval left");
                if (k != 4) assertEq(token.balanceOf(adapters[k]), 0, "left in an adapter");
            }
            assertEq(token.allowance(address(stableAdapter), address(stablePool)), 0, "approval left");
            assertEq(token.allowance(adapterBalancer, address(balancer)), 0, "approval left");
        }
        assertEq(address(splitter).balance, 0, "left in the splitter");
    }
}
