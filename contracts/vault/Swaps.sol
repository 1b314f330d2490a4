// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {IOracleGuard} from "../interfaces/IOracleGuard.sol";
import {ISwapSplitter} from "../interfaces/ISwapSplitter.sol";
import {IVault} from "../interfaces/IVault.sol";
import {Assets} from "../libraries/Assets.sol";
import {Bucket} from "../libraries/Bucket.sol";
import {Push} from "../libraries/Push.sol";
import {Treasury} from "./Treasury.sol";

/// @notice Float of one asset into float of another, bounded by what left and what arrived. See {IVault}.
abstract contract Swaps is Treasury {
    uint256 private constant BPS = 10_000;

    /// @dev What a swap is measured against.
    struct Terms {
        uint256 sellLow; // USD per unit times 1e36
        uint256 buyHigh;
        uint16 slippageBps;
    }

    /// @notice See {IVault-swap}.
    function swap(IVault.SwapOrder calldata o)
        external
        nonReentrant
        returns (uint256 spent, uint256 received)
    {
        if (!_vault().lanes[msg.sender].enabled) {
            revert IVault.NotALane(msg.sender);
        }
        _requireAllowed(o);
        // Before the swap, which moves pools that the guard may look at.
        Terms memory terms = _terms(o.sell, o.buy);
        (spent, received) = _execute(o);
        uint256 required =
            Math.max(_bound(terms, spent), Math.mulDiv(o.minReceived, spent, o.amount, Math.Rounding.Ceil));
        if (received < required) revert IVault.ReceivedTooLittle(received, required);
        _count(o.sell, spent);
        emit IVault.Swapped(
            msg.sender,
            o.sell,
            o.buy,
            spent,
            received,
            required,
            terms.sellLow,
            terms.buyHigh,
            terms.slippageBps
        );
    }

    function _requireAllowed(IVault.SwapOrder calldata o) private view {
        if (block.timestamp > o.deadline) revert IVault.DeadlinePassed(o.deadline);
        if (o.sell == o.buy) revert IVault.SameAsset(o.sell);
        if (o.amount == 0) revert IVault.ZeroAmount();
        if (o.minReceived == 0) revert IVault.NoMinimum();
        Asset storage sold = _requireOpen(o.sell);
        _requireOpen(o.buy);
        uint256 surplus = _available(_floatOf(o.sell), sold.minFloat);
        if (o.amount > surplus) revert IVault.NoSurplus(o.sell, o.amount, surplus);
    }

    function _requireOpen(address asset) private view returns (Asset storage a) {
        _requireListed(asset);
        Layout storage $ = _vault();
        a = $.assets[asset];
        _requireActive($.gates.everything, $.gates.swaps, IVault.Scope.Swaps, asset, a.hot.pausedUntil);
    }

    /// @dev What the splitter says counts as far as the vault's own balances bear it out.
    function _execute(IVault.SwapOrder calldata o) private returns (uint256 spent, uint256 received) {
        address to = _vault().splitter;
        if (to == address(0)) revert IVault.NoSplitter();
        (uint256 sellBefore, uint256 buyBefore) = (_balanceBefore(o.sell), _balanceBefore(o.buy));
        uint256 value = 0;
        if (o.sell == Assets.NATIVE) {
            value = o.amount;
        } else {
            uint256 held = Assets.balanceOf(o.sell, to);
            (bool ok, bytes32 reason) = Push.send(o.sell, to, o.amount, gasleft());
            if (!ok) revert IVault.TransferFailed(o.sell, to, reason);
            uint256 arrived = _available(Assets.balanceOf(o.sell, to), held);
            if (arrived != o.amount) revert IVault.SwapMismatch(o.sell, o.amount, arrived);
        }
        (spent, received) = ISwapSplitter(to).swap{value: value}(o.sell, o.buy, o.amount, o.legs);
        uint256 left = _available(sellBefore, Assets.balanceOf(o.sell, address(this)));
        if (left > spent || spent > o.amount) revert IVault.SwapMismatch(o.sell, spent, left);
        uint256 came = _available(Assets.balanceOf(o.buy, address(this)), buyBefore);
        if (came < received) revert IVault.SwapMismatch(o.buy, received, came);
        if (spent == 0) revert IVault.NothingSwapped();
    }

    function _count(address asset, uint256 spent) private {
        Swapping storage s = _vault().swapping[asset];
        uint256 fullAt = Bucket.take(s.fullAt, spent, s.capacity, s.window);
        if (fullAt == 0) {
            revert IVault.AboveSwapLimit(
                asset,
                spent,
                Bucket.left(s.fullAt, s.capacity, s.window),
                Bucket.fitsAt(s.fullAt, spent, s.capacity, s.window)
            );
        }
        s.fullAt = uint48(fullAt);
    }

    // ------------------------------------------------------------------------------------------------ the bound

    function _terms(address sell, address buy) private view returns (Terms memory terms) {
        (uint16 ofSell, uint16 ofBuy) = (_slippage(sell), _slippage(buy));
        terms.slippageBps = ofSell > ofBuy ? ofSell : ofBuy;
        (terms.sellLow,) = _price(sell);
        (, terms.buyHigh) = _price(buy);
    }

    function _slippage(address asset) private view returns (uint16 bps) {
        bps = _vault().swapping[asset].slippageBps;
        if (bps == 0) revert IVault.NotSwapped(asset);
    }

    /// @dev The guard's refusal, and whatever else goes wrong in it, is the swap's: no price, no swap.
    function _price(address asset) private view returns (uint256 lo, uint256 hi) {
        address guard = _vault().oracleGuard;
        if (guard == address(0)) revert IVault.NoPrice(asset);
        (lo, hi) = IOracleGuard(guard).read(asset, IOracleGuard.Action.Swap);
        if (lo == 0 || lo > hi) revert IVault.NoPrice(asset);
    }

    /// @dev Rounded up. Prices have 188 bits at most; one that has more fails here.
    function _bound(Terms memory terms, uint256 spent) private pure returns (uint256) {
        return Math.mulDiv(
            spent, terms.sellLow * (BPS - terms.slippageBps), terms.buyHigh * BPS, Math.Rounding.Ceil
        );
    }

    // ------------------------------------------------------------------------------------------------ governance

    /// @notice See {IVault-setSplitter}.
    function setSplitter(address splitter_) external restricted {
        if (splitter_ != address(0) && ISwapSplitter(splitter_).VAULT() != address(this)) {
            revert IVault.NotOurSplitter(splitter_);
        }
        _vault().splitter = splitter_;
        emit IVault.SplitterSet(splitter_);
    }

    /// @notice See {IVault-setSwapRules}.
    function setSwapRules(address asset, IVault.SwapRules calldata rules) external restricted {
        _setSwapRules(asset, rules);
    }

    /// @notice See {IVault-lowerSwapRules}.
    function lowerSwapRules(address asset, IVault.SwapRules calldata rules) external restricted {
        Swapping storage s = _vault().swapping[asset];
        if (rules.capacity > s.capacity || rules.window < s.window || rules.slippageBps > s.slippageBps) {
            revert IVault.NotLower();
        }
        _setSwapRules(asset, rules);
    }

    function _setSwapRules(address asset, IVault.SwapRules calldata rules) private {
        _requireWithin(rules.window, 1 hours, 30 days);
        _requireWithin(rules.slippageBps, 0, 1000);
        Swapping storage s = _vault().swapping[asset];
        (s.capacity, s.window, s.slippageBps) = (rules.capacity, rules.window, rules.slippageBps);
        emit IVault.SwapRulesSet(asset, rules, msg.sender);
    }

    // ------------------------------------------------------------------------------------------------ views

    /// @notice See {IVault-splitter}.
    function splitter() external view returns (address) {
        return _vault().splitter;
    }

    /// @notice See {IVault-swapRules}.
    function swapRules(address asset) external view returns (IVault.SwapRules memory) {
        Swapping storage s = _vault().swapping[asset];
        return IVault.SwapRules(s.capacity, s.window, s.slippageBps);
    }

    /// @notice See {IVault-swapLimitState}.
    function swapLimitState(address asset) external view returns (IVault.LimitState memory) {
        Swapping storage s = _vault().swapping[asset];
        return IVault.LimitState({
            capacity: s.capacity,
            window: s.window,
            left: Bucket.left(s.fullAt, s.capacity, s.window),
            fullAt: Math.ceilDiv(s.fullAt, Bucket.TICKS)
        });
    }

    /// @notice See {IVault-swapBound}.
    function swapBound(address sell, address buy, uint256 spent) external view returns (uint256) {
        return _bound(_terms(sell, buy), spent);
    }
}
