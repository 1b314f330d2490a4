// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

import {ISwapAdapter} from "contracts/interfaces/ISwapAdapter.sol";
import {ISwapSplitter} from "contracts/interfaces/ISwapSplitter.sol";
import {StableSwapAdapter} from "contracts/swap/StableSwapAdapter.sol";
import {IUniswapV2Factory, UniswapV2Adapter} from "contracts/swap/UniswapV2Adapter.sol";
import {UniswapV3Adapter} from "contracts/swap/UniswapV3Adapter.sol";
import {StableSwapPool} from "tests/contracts/mocks/StableSwapPool.sol";
import {SwapFixture} from "tests/contracts/swap/SwapFixture.sol";
import {
    IBalancer,
    IStablePool,
    IV3Factory,
    IV3Router,
    IWeightedFactory
} from "tests/contracts/swap/Protocols.sol";

/// @notice Pays less than all of its input is worth, by taking half of it.
contract HalfPool {
    function exchange(int128, int128, uint256 amount, uint256) external {
        SafeERC20.safeTransferFrom(IERC20(coin), msg.sender, address(this), amount / 2);
    }

    address private immutable coin;

    constructor(address coin_) {
        coin = coin_;
    }
}

/// @notice Each adapter gives what its protocol's own router gives, to the unit, and keeps nothing; pools that are not
/// the protocol's are refused.
contract AdaptersTest is SwapFixture {
    using SafeERC20 for IERC20;

    address private immutable ALICE = makeAddr("alice");

    function setUp() public {
        deploySwaps();
        dai.mint(address(this), MILLION * 1e18);
        usd.mint(address(this), MILLION * 1e6);
    }

    /// @dev Through the adapter, as anyone.
    function _adapted(ISwapSplitter.Hop memory h, address sell, uint256 amount)
        private
        returns (uint256 got)
    {
        uint256 state = vm.snapshotState();
        uint256 before = IERC20(h.buy).balanceOf(address(this));
        uint256 sold = IERC20(sell).balanceOf(address(this));
        IERC20(sell).forceApprove(h.adapter, amount);
        ISwapAdapter(h.adapter).swap(sell, h.buy, amount, h.data);
        got = IERC20(h.buy).balanceOf(address(this)) - before;
        assertEq(sold - IERC20(sell).balanceOf(address(this)), amount);
        assertEq(IERC20(sell).allowance(address(this), h.adapter), 0);
        assertNothingLeft();
        vm.revertToState(state);
    }

    function _side(uint256 amount, bool back)
        private
        view
        returns (address sell, address buy, uint256 units)
    {
        amount = bound(amount, 1e3, 500_000e6);
        return back
            ? (address(usd), address(dai), amount)
            : (address(dai), address(usd), amount * 1e12 + amount % 1e12);
    }

    /// forge-config: default.fuzz.runs = 64
    function testFuzz_v2_gives_what_the_router_gives(uint256 amount, bool back) public {
        (address sell, address buy, uint256 units) = _side(amount, back);
        uint256 got = _adapted(v2(buy), sell, units);
        IERC20(sell).forceApprove(address(routerV2), units);
        uint256[] memory out =
            routerV2.swapExactTokensForTokens(units, 0, _pair(sell, buy), address(this), block.timestamp);
        assertEq(got, out[1]);
    }

    /// forge-config: default.fuzz.runs = 64
    function testFuzz_v3_gives_what_the_router_gives(uint256 amount, bool back) public {
        (address sell, address buy, uint256 units) = _side(amount, back);
        uint256 got = _adapted(v3(buy, 500), sell, units);
        IERC20(sell).forceApprove(address(routerV3), units);
        IV3Router.ExactInputSingle memory p =
            IV3Router.ExactInputSingle(sell, buy, 500, address(this), block.timestamp, units, 0, 0);
        assertEq(got, routerV3.exactInputSingle(p));
    }

    /// forge-config: default.fuzz.runs = 64
    function testFuzz_stable_swap_gives_what_the_pool_gives(uint256 amount, bool back) public {
        (address sell, address buy, uint256 units) = _side(amount, back);
        uint256 got = _adapted(stable(buy), sell, units);
        IERC20(sell).forceApprove(address(stablePool), units);
        (int128 i, int128 j) = back ? (int128(1), int128(0)) : (int128(0), int128(1));
        assertEq(got, IStablePool(address(stablePool)).exchange(i, j, units, 0));
    }

    /// forge-config: default.fuzz.runs = 64
    function testFuzz_balancer_gives_what_its_vault_gives(uint256 amount, bool back) public {
        (address sell, address buy, uint256 units) = _side(amount / 8, back);
        units /= 4; // at most 30 % of a balance
        uint256 got = _adapted(weighted(buy), sell, units);
        IERC20(sell).forceApprove(address(balancer), units);
        IBalancer.Single memory single = IBalancer.Single(weightedDaiUsd, 0, sell, buy, units, "");
        IBalancer.Funds memory funds = IBalancer.Funds(address(this), false, address(this), false);
        assertEq(got, balancer.swap(single, funds, 0, block.timestamp));
    }

    // ------------------------------------------------------------------------------------------------ which pools

    function _refused(ISwapSplitter.Hop memory h, bytes memory reason) private {
        dai.approve(h.adapter, 1e18);
        vm.expectRevert(reason);
        ISwapAdapter(h.adapter).swap(address(dai), h.buy, 1e18, h.data);
    }

    function test_only_pools_of_the_protocol() public {
        bytes memory no = abi.encodeWithSelector(ISwapAdapter.NoPool.selector);
        _refused(v2(address(moody)), no);
        _refused(v3(address(usd), 3000), no);
        // Made by another factory, in the same Vault.
        IWeightedFactory other = IWeightedFactory(deployWeightedFactory());
        bytes32 foreign = weightedPoolOf(other, address(dai), address(usd), 1e24, 1e12);
        _refused(hop(adapterBalancer, address(usd), abi.encode(foreign)), no);
        StableSwapPool unknown = stablePoolOf(address(dai), address(usd), 1e24, 1e12, 6);
        _refused(
            hop(address(stableAdapter), address(usd), abi.encode(address(unknown), int128(0), int128(1))), no
        );
        vm.prank(GOVERNANCE);
        stableAdapter.addPool(address(unknown));
        dai.approve(address(stableAdapter), 1e18);
        stableAdapter.swap(
            address(dai), address(usd), 1e18, abi.encode(address(unknown), int128(0), int128(1))
        );
        vm.prank(GUARDIAN);
        stableAdapter.removePool(address(unknown));
        _refused(
            hop(address(stableAdapter), address(usd), abi.encode(address(unknown), int128(0), int128(1))), no
        );
    }

    function test_pools_of_stable_swap_are_governed() public {
        vm.startPrank(GOVERNANCE);
        vm.expectRevert(abi.encodeWithSelector(StableSwapAdapter.NoCode.selector, ALICE));
        stableAdapter.addPool(ALICE);
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, GOVERNANCE));
        stableAdapter.removePool(address(stablePool));
        vm.stopPrank();
        vm.startPrank(GUARDIAN);
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, GUARDIAN));
        stableAdapter.addPool(address(stablePool));
        vm.expectEmit(address(stableAdapter));
        emit StableSwapAdapter.PoolRemoved(address(stablePool), GUARDIAN);
        stableAdapter.removePool(address(stablePool));
        vm.expectRevert(ISwapAdapter.NoPool.selector);
        stableAdapter.removePool(address(stablePool));
        vm.stopPrank();
    }

    function test_a_pool_asks_for_its_input_and_nobody_else_does() public {
        dai.approve(adapterV3, 1e18);
        bytes memory data = abi.encode(address(dai), address(usd), uint24(500), address(this));
        vm.expectRevert(abi.encodeWithSelector(ISwapAdapter.NotThePool.selector, ALICE));
        vm.prank(ALICE);
        UniswapV3Adapter(adapterV3).uniswapV3SwapCallback(1e18, 0, data);
        // Nor a pool of another pair or fee.
        vm.expectRevert(abi.encodeWithSelector(ISwapAdapter.NotThePool.selector, poolWethUsd));
        vm.prank(poolWethUsd);
        UniswapV3Adapter(adapterV3).uniswapV3SwapCallback(1e18, 0, data);
    }

    function test_a_pool_that_runs_dry_is_refused() public {
        // A range of half a percent to each side, and 1,000 of each in it.
        address pool = factoryV3.createPool(address(dai), address(usd), 10_000);
        (uint160 root,,,,,,) = _slot0(poolDaiUsd);
        (bool ok,) = pool.call(abi.encodeWithSignature("initialize(uint160)", root));
        assertTrue(ok);
        (, int24 tick,,,,,) = _slot0(pool);
        int24 low = tick / 200 * 200 - 400;
        bytes memory pair = address(dai) < address(usd)
            ? abi.encode(address(dai), address(usd))
            : abi.encode(address(usd), address(dai));
        provider.act(
            pool,
            abi.encodeWithSignature(
                "mint(address,int24,int24,uint128,bytes)",
                address(provider),
                low,
                low + 800,
                uint128(5e16),
                pair
            )
        );
        dai.approve(adapterV3, 100_000e18);
        vm.expectPartialRevert(ISwapAdapter.TookLess.selector);
        ISwapAdapter(adapterV3).swap(address(dai), address(usd), 100_000e18, abi.encode(uint24(10_000)));
        ISwapAdapter(adapterV3).swap(address(dai), address(usd), 1e18, abi.encode(uint24(10_000)));
    }

    function _slot0(address pool) private view returns (uint160, int24, uint16, uint16, uint16, uint8, bool) {
        (bool ok, bytes memory said) = pool.staticcall(abi.encodeWithSignature("slot0()"));
        require(ok);
        return abi.decode(said, (uint160, int24, uint16, uint16, uint16, uint8, bool));
    }

    function test_a_pool_that_takes_less_is_refused() public {
        HalfPool half = new HalfPool(address(dai));
        vm.prank(GOVERNANCE);
        stableAdapter.addPool(address(half));
        _refused(
            hop(address(stableAdapter), address(usd), abi.encode(address(half), int128(0), int128(1))),
            abi.encodeWithSelector(ISwapAdapter.TookLess.selector, 0.5e18)
        );
    }

    function test_a_pairs_fee_is_within_sense() public {
        IUniswapV2Factory f = IUniswapV2Factory(address(factoryV2));
        vm.expectRevert(abi.encodeWithSelector(UniswapV2Adapter.BadFee.selector, 0, 1000));
        new UniswapV2Adapter(f, 0, 1000);
        vm.expectRevert(abi.encodeWithSelector(UniswapV2Adapter.BadFee.selector, 1001, 1000));
        new UniswapV2Adapter(f, 1001, 1000);
        vm.expectRevert(abi.encodeWithSelector(UniswapV2Adapter.BadFee.selector, 1, 1e6 + 1));
        new UniswapV2Adapter(f, 1, 1e6 + 1);
        // A fee that is not the pair's: the pair refuses when it is too low.
        UniswapV2Adapter free = new UniswapV2Adapter(f, 1000, 1000);
        dai.approve(address(free), 1e18);
        vm.expectRevert("UniswapV2: K");
        free.swap(address(dai), address(usd), 1e18, "");
    }
}
