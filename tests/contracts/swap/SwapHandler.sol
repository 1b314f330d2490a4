// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {IOracleGuard} from "contracts/interfaces/IOracleGuard.sol";
import {ISwapSplitter} from "contracts/interfaces/ISwapSplitter.sol";
import {IVault} from "contracts/interfaces/IVault.sol";
import {Assets} from "contracts/libraries/Assets.sol";
import {HostileAdapter} from "tests/contracts/swap/Hostile.sol";
import {SwapFixture} from "tests/contracts/swap/SwapFixture.sol";

/// @notice Swaps with legs of all kinds, good and hostile, while prices and pools move, guardians stop things, people
/// deposit and strangers donate. Keeps books of its own; what must hold after each swap is checked here, what must hold
/// always by SwapInvariants.
contract SwapHandler is SwapFixture {
    enum Verb {
        Swap,
        SwapInPart,
        SwapRefused,
        Move,
        Price,
        Insane,
        Pause,
        Donate,
        Sweep,
        Deposit,
        Settle,
        Rules,
        Adapter
    }

    uint256 public constant VERBS = 13;
    uint256 private constant BPS = 10_000;

    struct Price {
        uint256 lo;
        uint256 hi;
        bool insane;
    }

    /// @dev What was sold since `since`, under rules that did not change.
    struct Flow {
        uint256 since;
        uint256 amount;
    }

    mapping(Verb => uint256) public done;
    /// What the splitter was sent by strangers, and has not handed over.
    mapping(address asset => uint256) public donated;
    mapping(address asset => Price) private prices;
    mapping(address asset => Flow) private flows;
    address[3] public assets;
    address private immutable ALICE = makeAddr("alice");

    constructor() {
        deploySwaps();
        assets = [ETH, address(dai), address(usd)];
        for (uint256 i = 0; i < 3; ++i) {
            flows[assets[i]].since = block.timestamp;
        }
        prices[ETH] = Price(2000e18, 2000e18, false);
        prices[address(dai)] = Price(1e18, 1e18, false);
        prices[address(usd)] = Price(1e30, 1e30, false);
        vm.startPrank(GOVERNANCE);
        vault.setMarks(ETH, 100 ether, 1e30);
        vault.setMarks(address(dai), 10_000e18, 1e30);
        vault.setMarks(address(usd), 10_000e6, 1e30);
        splitter.addConnector(address(usd));
        vm.stopPrank();
        address[2] memory pools = [address(routerV2), address(stablePool)];
        for (uint256 i = 0; i < 2; ++i) {
            provider.allow(address(dai), pools[i]);
            provider.allow(address(usd), pools[i]);
        }
    }

    function contracts() external view returns (address vault_, address splitter_) {
        return (address(vault), address(splitter));
    }

    function adapters() public view returns (address[5] memory) {
        return [adapterV2, adapterV3, address(stableAdapter), adapterBalancer, address(hostile)];
    }

    function tokenOf(address asset) public view returns (address) {
        return asset == ETH ? weth : asset;
    }

    /// @dev Any number within, every size alike.
    function _some(uint256 seed, uint256 most) private pure returns (uint256) {
        return most == 0 ? 0 : seed % (most >> (seed >> 200) % 16 | 1);
    }

    // ------------------------------------------------------------------------------------------------- swapping

    function swapSome(uint256 seed, uint256 pair, uint256 size) external {
        vm.warp(block.timestamp + (seed >> 24) % 30 minutes);
        (address sell, address buy) = (assets[pair % 3], assets[(pair % 3 + 1 + (pair >> 8) % 2) % 3]);
        uint256 amount = 1 + _some(size, vault.floatOf(sell));
        uint256 count = 1 + seed % 4;
        ISwapSplitter.Leg[] memory legs = new ISwapSplitter.Leg[](count);
        for (uint256 i = 0; i < count; ++i) {
            uint256 dice = uint256(keccak256(abi.encode(seed, i)));
            legs[i] = _leg(sell, buy, dice);
            legs[i].amount = amount / count;
            legs[i].passOn = dice >> 64 & 1 == 1;
            // Mostly a leg says itself what is too little, and fails alone.
            if (dice >> 72 & 7 != 0) legs[i].minRate = _par(sell, buy) * 99 / 100 + 1;
        }
        IVault.SwapOrder memory o = order(sell, buy, legs);
        o.minReceived = 1 + _some(seed >> 32, _least(sell, buy, o.amount));
        bool early = seed >> 8 & 31 != 0;
        if (!early) o.deadline -= 1;
        address by = seed >> 16 & 15 == 0 ? ALICE : LANE;
        _swapAndCheck(o, by, !early || by != LANE);
    }

    function _swapAndCheck(IVault.SwapOrder memory o, address by, bool mustFail) private {
        (uint256 sold, uint256 bought) =
            (Assets.balanceOf(o.sell, address(vault)), Assets.balanceOf(o.buy, address(vault)));
        vm.prank(by);
        (bool ok, bytes memory said) = address(vault).call(abi.encodeCall(IVault.swap, (o)));
        if (!ok) {
            assertEq(Assets.balanceOf(o.sell, address(vault)), sold, "refused, and sold");
            assertEq(Assets.balanceOf(o.buy, address(vault)), bought, "refused, and bought");
            ++done[Verb.SwapRefused];
            return;
        }
        assertFalse(mustFail, "a swap that must not pass");
        assertFalse(_stopped(o.sell) || _stopped(o.buy), "swapped while paused");
        assertFalse(prices[o.sell].insane || prices[o.buy].insane, "swapped without a price");
        (uint256 spent, uint256 received) = abi.decode(said, (uint256, uint256));
        // What strangers gave to the splitter came along, and counts for nothing.
        sold += _takeDonations(o.sell);
        assertEq(Assets.balanceOf(o.sell, address(vault)) + spent, sold, "spent");
        bought += _takeDonations(o.buy);
        assertEq(Assets.balanceOf(o.buy, address(vault)), bought + received, "received");
        assertLe(spent, o.amount, "more than ordered");
        assertGe(received, _least(o.sell, o.buy, spent), "below the bound");
        assertGe(received, Math.ceilDiv(o.minReceived * spent, o.amount), "below the order's minimum");
        assertGe(vault.floatOf(o.sell), vault.treasuryOf(o.sell).minFloat, "below the mark");
        flows[o.sell].amount += spent;
        ++done[spent == o.amount ? Verb.Swap : Verb.SwapInPart];
    }

    /// @dev ETH and its wrapping come out as ETH.
    function _takeDonations(address asset) private returns (uint256 amount) {
        address token = tokenOf(asset);
        amount = donated[token];
        donated[token] = 0;
        if (asset == ETH) {
            amount += donated[ETH];
            donated[ETH] = 0;
        }
    }

    function _stopped(address asset) private view returns (bool) {
        return block.timestamp < vault.pausedUntil(IVault.Scope.Everything)
            || block.timestamp < vault.pausedUntil(IVault.Scope.Swaps)
            || block.timestamp < vault.assetPausedUntil(asset);
    }

    /// @dev In the unit of `buy`, rounded up.
    function _least(address sell, address buy, uint256 spent) private view returns (uint256) {
        uint256 slippage = Math.max(vault.swapRules(sell).slippageBps, vault.swapRules(buy).slippageBps);
        return Math.ceilDiv(spent * prices[sell].lo * (BPS - slippage), Math.max(1, prices[buy].hi) * BPS);
    }

    /// @dev Units of `buy` for a unit of `sell`, times 1e36.
    function _par(address sell, address buy) private view returns (uint256) {
        return Math.mulDiv(prices[sell].lo, 1e36, Math.max(1, prices[buy].hi));
    }

    function _leg(address sell, address buy, uint256 dice) private view returns (ISwapSplitter.Leg memory l) {
        (address from, address to) = (tokenOf(sell), tokenOf(buy));
        bool betweenStables = sell != ETH && buy != ETH;
        uint256 kind = dice % 8;
        if (kind < 3) {
            // It cannot mint WETH.
            if (to == weth) return leg(0, v2(to));
            uint256 rate = _par(sell, buy) * (980 + (dice >> 16) % 100) / 1000;
            return leg(0, bad(to, HostileAdapter.Mood(uint8(dice >> 8) % 11), rate));
        }
        if (kind == 3) return leg(0, v2(to));
        if (kind == 4) return leg(0, v3(to, betweenStables ? 500 : 3000));
        if (kind == 5 && betweenStables) return leg(0, stable(to));
        if (kind == 6 && betweenStables) return leg(0, weighted(to));
        // Over the third.
        address by =
            betweenStables ? weth : from == address(dai) || to == address(dai) ? address(usd) : address(dai);
        return leg(0, _direct(from, by), _direct(by, to));
    }

    /// @dev Where WETH is, DAI is in a pair and USD in a V3 pool.
    function _direct(address from, address to) private view returns (ISwapSplitter.Hop memory) {
        if (from != weth && to != weth) return stable(to);
        return from == address(dai) || to == address(dai) ? v2(to) : v3(to, 3000);
    }

    // ---------------------------------------------------------------------------------------- what goes on around it

    function movePool(uint256 which, bool sellsDai, uint256 size) external {
        uint256 amount = 1e12 + size % 2_000_000e18 >> (size >> 200) % 16;
        (address sell, address buy) = sellsDai ? (address(dai), address(usd)) : (address(usd), address(dai));
        if (!sellsDai) amount /= 1e12;
        if (which % 2 == 0) {
            try provider.swapV3(poolDaiUsd, sell, buy, amount) {} catch {}
        } else {
            bytes memory data = abi.encodeWithSignature(
                "swapExactTokensForTokens(uint256,uint256,address[],address,uint256)",
                amount,
                0,
                _pair(sell, buy),
                address(provider),
                block.timestamp
            );
            try provider.act(address(routerV2), data) {} catch {}
        }
        ++done[Verb.Move];
    }

    /// @notice Up to 1.5 % to each side of what it is at first, and an interval up to 0.5 % wide.
    function movePrice(uint256 which, uint256 by, uint256 width) external {
        address asset = assets[which % 3];
        uint256 first = asset == ETH ? 2000e18 : asset == address(usd) ? 1e30 : 1e18;
        Price storage p = prices[asset];
        p.lo = first * (985 + by % 31) / 1000;
        p.hi = p.lo + p.lo * (width % 6) / 1000;
        _say(asset);
        ++done[Verb.Price];
    }

    function breakPrice(uint256 which, uint256 how) external {
        address asset = assets[which % 3];
        prices[asset].insane = how % 4 == 0;
        guard.refuse(asset, prices[asset].insane ? 2 : 0);
        if (prices[asset].insane) ++done[Verb.Insane];
    }

    function _say(address asset) private {
        guard.set(asset, IOracleGuard.Verdict.Healthy, 0);
        guard.set(asset, prices[asset].lo, prices[asset].hi);
        guard.refuse(asset, prices[asset].insane ? 2 : 0);
    }

    function pause(uint256 what, uint32 duration) external {
        duration = 1 + duration % 20 minutes;
        vm.prank(GUARDIAN);
        (bool ok,) = address(vault)
            .call(
                what % 3 == 0
                    ? abi.encodeCall(IVault.pauseAsset, (assets[what % 9 / 3], duration))
                    : abi.encodeCall(
                        IVault.pause, (what % 3 == 1 ? IVault.Scope.Swaps : IVault.Scope.Everything, duration)
                    )
            );
        if (ok) ++done[Verb.Pause];
    }

    function donate(uint256 which, uint256 size) external {
        address asset = assets[which % 3];
        // Little beside what is swapped, and sometimes more than what one swap spends.
        uint256 amount = 1 + size % (asset == address(usd) ? 1e6 : 1e18);
        if (which % 6 < 3) {
            address token = tokenOf(asset);
            provider.pay(token, address(splitter), amount);
            donated[token] += amount;
        } else if (asset == ETH) {
            // Nobody can refuse what a selfdestruct sends.
            vm.deal(address(splitter), address(splitter).balance + amount);
            donated[ETH] += amount;
        }
        ++done[Verb.Donate];
    }

    function sweep(uint256 which) external {
        address asset = which % 4 == 3 ? weth : assets[which % 4];
        assertEq(splitter.sweep(asset), donated[asset], "swept");
        donated[asset] = 0;
        ++done[Verb.Sweep];
    }

    function deposit(uint256 which, uint256 size) external {
        address asset = assets[which % 3];
        if (_paused(IVault.Scope.Deposits, asset)) return;
        depositFor(ALICE, asset, 1 + size % (asset == address(usd) ? 1000e6 : 1000e18));
        ++done[Verb.Deposit];
    }

    /// @notice Whatever swaps do, payments go on.
    function settleSome(uint256 which, uint256 size) external {
        address asset = assets[which % 3];
        uint256 float = vault.floatOf(asset);
        if (_paused(IVault.Scope.Orders, asset) || float < 1000) return;
        settleOne(asset, ALICE, uint96(1 + size % (float / 1000)));
        ++done[Verb.Settle];
    }

    function _paused(IVault.Scope scope, address asset) private view returns (bool) {
        return block.timestamp < vault.pausedUntil(IVault.Scope.Everything)
            || block.timestamp < vault.pausedUntil(scope) || block.timestamp < vault.assetPausedUntil(asset);
    }

    function changeRules(uint256 which, uint256 size, uint256 slippage) external {
        address asset = assets[which % 3];
        uint128 capacity = size % 4 == 0 ? uint128(vault.floatOf(asset) / 4) : CAPACITY;
        if (which % 4 == 0) {
            IVault.SwapRules memory r = vault.swapRules(asset);
            r.capacity = r.capacity / 2 + 1;
            vm.prank(GUARDIAN);
            vault.lowerSwapRules(asset, r);
        } else {
            setRules(asset, capacity, uint16(slippage % 16 == 0 ? 0 : 1 + slippage % 1000));
        }
        flows[asset] = Flow(block.timestamp, 0);
        ++done[Verb.Rules];
    }

    /// @notice A guardian removes one; governance brings all back.
    function switchAdapter(uint256 which) external {
        address[5] memory all = adapters();
        if (which % 4 == 0 && splitter.adapterCodehash(all[which / 4 % 5]) != 0) {
            vm.prank(GUARDIAN);
            splitter.removeAdapter(all[which / 4 % 5]);
            ++done[Verb.Adapter];
            return;
        }
        for (uint256 i = 0; i < 5; ++i) {
            vm.prank(GOVERNANCE);
            splitter.addAdapter(all[i], all[i].codehash);
        }
    }

    function warp(uint256 time) external {
        vm.warp(block.timestamp + time % 6 hours);
    }

    /// @notice No more was sold than a full bucket and what flowed into it.
    function isBounded(address asset) external view returns (bool) {
        IVault.SwapRules memory r = vault.swapRules(asset);
        Flow memory f = flows[asset];
        return f.amount
            <= Math.mulDiv(r.capacity, r.window + block.timestamp - f.since, r.window, Math.Rounding.Ceil);
    }

    function held(address asset) external view returns (uint256) {
        return asset == ETH ? address(splitter).balance : IERC20(asset).balanceOf(address(splitter));
    }

    function wrapping() external view returns (address) {
        return weth;
    }
}
