// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

import {ISwapSplitter} from "contracts/interfaces/ISwapSplitter.sol";
import {IVault} from "contracts/interfaces/IVault.sol";
import {IBalancer, IStablePool, IV2Router, IV3Router} from "tests/contracts/swap/Protocols.sol";
import {SwapFixture} from "tests/contracts/swap/SwapFixture.sol";

/// @notice Gas of a split beside that of the same legs sent one by one to the protocols' own routers by somebody whose
/// allowances are there already. Each call in a transaction of its own (forge test --isolate), so that all storage is cold
/// and the 21,000 and the calldata count. The guard is a double: what a judgement costs is in `make bench-oracle`.
contract SwapGasTest is SwapFixture {
    using SafeERC20 for IERC20;

    struct Sent {
        address to;
        bytes data;
    }

    address private immutable TRADER = makeAddr("trader");
    uint256 private constant SHARE = 1000e18;

    function setUp() public {
        deploySwaps();
        dai.mint(TRADER, 100_000e18);
        usd.mint(TRADER, 1e6);
        vm.startPrank(TRADER);
        address[4] memory spenders =
            [address(routerV2), address(routerV3), address(stablePool), address(balancer)];
        for (uint256 i = 0; i < 4; ++i) {
            IERC20(address(dai)).forceApprove(spenders[i], type(uint256).max);
        }
        vm.stopPrank();
    }

    function _legs(uint256 count) private view returns (ISwapSplitter.Leg[] memory legs) {
        legs = new ISwapSplitter.Leg[](count);
        ISwapSplitter.Leg[5] memory all = [
            leg(SHARE, v2(address(usd))),
            leg(SHARE, v3(address(usd), 500)),
            leg(SHARE, stable(address(usd))),
            leg(SHARE, weighted(address(usd))),
            leg(SHARE, v2(weth), v3(address(usd), 3000))
        ];
        for (uint256 i = 0; i < count; ++i) {
            legs[i] = all[i];
        }
    }

    /// @dev What a trader sends for the same. The fifth goes over two routers.
    function _routed() private view returns (Sent[6] memory sent) {
        (address d, address u) = (address(dai), address(usd));
        sent[0] = _routedV2(_pair(d, u));
        sent[1] = _routedV3(d, u, 500, SHARE);
        sent[2] =
            Sent(address(stablePool), abi.encodeCall(IStablePool.exchange, (int128(0), int128(1), SHARE, 1)));
        IBalancer.Single memory single = IBalancer.Single(weightedDaiUsd, 0, d, u, SHARE, "");
        IBalancer.Funds memory funds = IBalancer.Funds(TRADER, false, TRADER, false);
        sent[3] = Sent(address(balancer), abi.encodeCall(IBalancer.swap, (single, funds, 1, block.timestamp)));
        sent[4] = _routedV2(_pair(d, weth));
    }

    function _routedV2(address[] memory path) private view returns (Sent memory) {
        return Sent(
            address(routerV2),
            abi.encodeCall(IV2Router.swapExactTokensForTokens, (SHARE, 1, path, TRADER, block.timestamp))
        );
    }

    function _routedV3(address sell, address buy, uint24 fee, uint256 amount)
        private
        view
        returns (Sent memory)
    {
        return Sent(
            address(routerV3),
            abi.encodeCall(
                IV3Router.exactInputSingle,
                (IV3Router.ExactInputSingle(sell, buy, fee, TRADER, block.timestamp, amount, 1, 0))
            )
        );
    }

    function _send(address from, Sent memory s) private returns (uint256) {
        vm.prank(from);
        (bool ok,) = s.to.call(s.data);
        assertTrue(ok);
        return vm.lastCallGas().gasTotalUsed;
    }

    function _log(string memory name, uint256 legs, uint256 used) private {
        emit log(string.concat(name, "_", vm.toString(legs), "_legs ", vm.toString(used), " gas"));
    }

    function _split(ISwapSplitter.Leg[] memory legs) private returns (uint256 used) {
        uint256 state = vm.snapshotState();
        IVault.SwapOrder memory o = order(address(dai), address(usd), legs);
        used = _send(LANE, Sent(address(vault), abi.encodeCall(IVault.swap, (o))));
        vm.revertToState(state);
    }

    /// @notice What one leg more costs, by the kind of its pool. The keeper plans with these bounds
    /// (keeper/src/config/swap.rs).
    /// forge-config: default.isolate = true
    function test_gas_of_a_leg_by_kind() public {
        string[4] memory kinds = ["uniswap_v2", "uniswap_v3", "stable_swap", "balancer_weighted"];
        uint24[4] memory bounds = [85_000, 110_000, 160_000, 140_000];
        ISwapSplitter.Leg[] memory all = _legs(4);
        for (uint256 i = 0; i < 4; ++i) {
            ISwapSplitter.Leg[] memory alone = new ISwapSplitter.Leg[](1);
            alone[0] = all[(i + 1) % 4];
            ISwapSplitter.Leg[] memory both = new ISwapSplitter.Leg[](2);
            (both[0], both[1]) = (alone[0], all[i]);
            uint256 more = _split(both) - _split(alone);
            emit log(string.concat("gas_leg_", kinds[i], " ", vm.toString(more), " gas"));
            assertLe(more, bounds[i], kinds[i]);
        }
    }

    function test_gas_of_a_split_beside_routers() public {
        uint8[3] memory counts = [2, 3, 5];
        for (uint256 i = 0; i < 3; ++i) {
            uint256 split = _split(_legs(counts[i]));
            uint256 state = vm.snapshotState();
            uint256 routers;
            Sent[6] memory sent = _routed();
            for (uint256 k = 0; k < counts[i]; ++k) {
                routers += _send(TRADER, sent[k]);
            }
            if (counts[i] == 5) {
                uint256 got = IERC20(weth).balanceOf(TRADER);
                vm.prank(TRADER);
                IERC20(weth).approve(address(routerV3), type(uint256).max);
                routers += _send(TRADER, _routedV3(weth, address(usd), 3000, got));
            }
            vm.revertToState(state);
            _log("gas_split", counts[i], split);
            _log("gas_routers", counts[i], routers);
            assertLt(split, 200_000 + uint256(counts[i]) * 200_000, "a leg's gas");
        }
    }
}
