// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {ISwapSplitter} from "contracts/interfaces/ISwapSplitter.sol";
import {IVault} from "contracts/interfaces/IVault.sol";
import {IBalancer, IStablePool, IV2Router} from "tests/contracts/swap/Protocols.sol";
import {SwapFixture} from "tests/contracts/swap/SwapFixture.sol";

/// @notice Somebody with any amount of money moves the pools before the swap, and back after it. The vault gets its bound
/// or keeps what it has.
contract SandwichTest is SwapFixture {
    uint256 private constant ATTACKER = 90 * MILLION;

    function setUp() public {
        deploySwaps();
        address[4] memory spenders =
            [address(routerV2), address(stablePool), address(balancer), address(routerV3)];
        for (uint256 i = 0; i < 4; ++i) {
            provider.allow(address(dai), spenders[i]);
            provider.allow(address(usd), spenders[i]);
        }
    }

    /// @dev The attacker is the provider, who has 96 million of each. A pool may refuse.
    function _move(uint256 pool, bool sellsDai, uint256 amount) private {
        (address sell, address buy) = sellsDai ? (address(dai), address(usd)) : (address(usd), address(dai));
        if (!sellsDai) amount /= 1e12;
        if (amount == 0) return;
        bytes memory data;
        address target;
        if (pool == 0) {
            target = address(routerV2);
            data = abi.encodeCall(
                IV2Router.swapExactTokensForTokens,
                (amount, 0, _pair(sell, buy), address(provider), block.timestamp)
            );
        } else if (pool == 1) {
            try provider.swapV3(poolDaiUsd, sell, buy, amount) {} catch {}
            return;
        } else if (pool == 2) {
            target = address(stablePool);
            (int128 i, int128 j) = sellsDai ? (int128(0), int128(1)) : (int128(1), int128(0));
            data = abi.encodeCall(IStablePool.exchange, (i, j, amount, 0));
        } else {
            target = address(balancer);
            data = abi.encodeCall(
                IBalancer.swap,
                (
                    IBalancer.Single(weightedDaiUsd, 0, sell, buy, amount, ""),
                    IBalancer.Funds(address(provider), false, address(provider), false),
                    0,
                    block.timestamp
                )
            );
        }
        try provider.act(target, data) {} catch {}
    }

    function _legs(uint256[4] memory shares) private view returns (ISwapSplitter.Leg[] memory legs) {
        legs = new ISwapSplitter.Leg[](4);
        legs[0] = leg(shares[0], v2(address(usd)));
        legs[1] = leg(shares[1], v3(address(usd), 500));
        legs[2] = leg(shares[2], stable(address(usd)));
        legs[3] = leg(shares[3], weighted(address(usd)));
    }

    /// @param passOn A bit per leg. @param minima Whether legs have minima of their own, half a percent below par.
    /// forge-config: default.fuzz.runs = 128
    function testFuzz_no_movement_of_pools_brings_the_vault_below_its_bound(
        uint256[4] memory moves,
        uint256[4] memory shares,
        uint8 directions,
        uint8 passOn,
        bool minima
    ) public {
        for (uint256 i = 0; i < 4; ++i) {
            // From dust to ninety times what is in the pool.
            uint256 most = 10 ** bound(moves[i] >> 128, 1, 26);
            _move(
                i,
                directions >> i & 1 == 1,
                bound(moves[i], 0, most < ATTACKER * 1e18 ? most : ATTACKER * 1e18)
            );
            shares[i] = bound(shares[i], 1e13, 20_000e18);
        }
        ISwapSplitter.Leg[] memory legs = _legs(shares);
        for (uint256 i = 0; i < 4; ++i) {
            legs[i].passOn = passOn >> i & 1 == 1;
            if (minima) legs[i].minRate = DAI_TO_USD * 995 / 1000;
        }
        (uint256 daiBefore, uint256 usdBefore) =
            (dai.balanceOf(address(vault)), usd.balanceOf(address(vault)));
        vm.prank(LANE);
        (bool ok,) =
            address(vault).call(abi.encodeCall(IVault.swap, (order(address(dai), address(usd), legs))));
        (uint256 spent, uint256 received) =
            (daiBefore - dai.balanceOf(address(vault)), usd.balanceOf(address(vault)) - usdBefore);
        if (ok) assertGt(spent, 0);
        else assertEq(spent + received, 0, "nothing moved");
        // 99 % of the value at the guard's price.
        assertGe(received * 1e12 * 100, spent * 99);
        assertNothingLeft();
    }

    /// @notice With minima of their own, only the legs whose pools were moved fail.
    function test_the_legs_whose_pools_were_moved_fail_alone() public {
        uint256[4] memory shares = [uint256(1000e18), 1000e18, 1000e18, 1000e18];
        for (uint256 moved = 0; moved < 4; ++moved) {
            uint256 state = vm.snapshotState();
            _move(moved, true, 250_000e18);
            ISwapSplitter.Leg[] memory legs = _legs(shares);
            for (uint256 i = 0; i < 4; ++i) {
                legs[i].minRate = DAI_TO_USD * 994 / 1000;
            }
            (uint256 spent, uint256 received) = swap(order(address(dai), address(usd), legs));
            assertEq(spent, 3000e18, vm.toString(moved));
            assertGe(received, 2982e6);
            vm.revertToState(state);
        }
    }

    /// @notice The attack as it is made: buy what the vault will buy, let it swap, sell it again. Without minima of the
    /// legs the attacker may win what the slippage allows, and not more.
    function testFuzz_a_sandwich_wins_at_most_the_slippage(uint256 front, uint256 amount) public {
        front = bound(front, 1e18, 1_000_000e18);
        amount = bound(amount, 1e18, 50_000e18);
        uint256 before = _worth(address(provider));
        uint256 vaultBefore = _worth(address(vault));
        uint256 held = usd.balanceOf(address(provider));
        _move(0, true, front);
        vm.prank(LANE);
        (bool ok,) = address(vault)
            .call(
                abi.encodeCall(
                    IVault.swap, (order(address(dai), address(usd), plan(leg(amount, v2(address(usd))))))
                )
            );
        _move(0, false, (usd.balanceOf(address(provider)) - held) * 1e12);
        if (ok) assertLe(vaultBefore - _worth(address(vault)), amount / 100);
        else assertEq(_worth(address(vault)), vaultBefore);
        uint256 now_ = _worth(address(provider));
        if (now_ > before) assertLe(now_ - before, amount / 100);
    }

    /// @dev In units of DAI, at a dollar each.
    function _worth(address who) private view returns (uint256) {
        return IERC20(address(dai)).balanceOf(who) + usd.balanceOf(who) * 1e12;
    }
}
