// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";

import {IMarginPool} from "../interfaces/IMarginPool.sol";
import {IOracleGuard} from "../interfaces/IOracleGuard.sol";
import {Assets} from "../libraries/Assets.sol";
import {Settlement} from "./Settlement.sol";

/// @title MarginPoolExtension
/// @notice The second half of {MarginPool}.
contract MarginPoolExtension is Settlement {
    constructor() {
        _disableInitializers();
    }

    /// @notice Sets the market for good, and what governance may change later.
    /// @param underlying_ A token with `decimals()`, or ERC-7528 for ETH.
    /// @param collateral_ A token of at most 18 decimals that moves exactly what it is told to.
    function initialize(
        address authority_,
        address underlying_,
        address collateral_,
        address guard_,
        uint64 volatility_,
        IMarginPool.Rules calldata rules_
    ) external initializer {
        if (authority_ == address(0)) revert IMarginPool.ZeroAddress();
        if (underlying_ == collateral_) revert IMarginPool.BadAsset(underlying_, "same as collateral");
        if (collateral_ == Assets.NATIVE) revert IMarginPool.BadAsset(collateral_, "not an ERC-20");
        __AccessManaged_init(authority_);
        Layout storage $ = _pool();
        ($.underlying, $.underlyingDecimals) = (underlying_, _decimalsOf(underlying_));
        ($.collateral, $.collateralDecimals) = (collateral_, _decimalsOf(collateral_));
        _setGuard(guard_);
        _setRules(rules_);
        _requireWithin("volatility", volatility_, rules_.minVol, rules_.maxVol);
        _setVolatility(volatility_);
    }

    function _decimalsOf(address asset) private view returns (uint8 decimals) {
        if (asset == Assets.NATIVE) return 18;
        if (asset.code.length == 0) revert IMarginPool.BadAsset(asset, "no code");
        decimals = IERC20Metadata(asset).decimals();
        if (decimals > 18) revert IMarginPool.BadAsset(asset, "more than 18 decimals");
    }

    // ---------------------------------------------------------------------------------------------- views

    /// @notice See {IMarginPool-underlying}.
    function underlying() external view returns (address) {
        return _pool().underlying;
    }

    /// @notice See {IMarginPool-collateral}.
    function collateral() external view returns (address) {
        return _pool().collateral;
    }

    /// @notice See {IMarginPool-guard}.
    function guard() external view returns (IOracleGuard) {
        return _pool().guard;
    }

    /// @notice See {IMarginPool-freeOf}.
    function freeOf(address account) external view returns (uint256) {
        return _pool().free[account];
    }

    /// @notice See {IMarginPool-strandedOf}.
    function strandedOf(address account) external view returns (IMarginPool.Stranded memory) {
        return _pool().stranded[account];
    }

    /// @notice See {IMarginPool-held}.
    function held() external view returns (uint256) {
        return _pool().held;
    }

    /// @notice See {IMarginPool-insurance}.
    function insurance() external view virtual returns (uint256) {
        return _pool().insurance;
    }

    /// @notice See {IMarginPool-nakedCalls}.
    function nakedCalls() external view returns (uint256) {
        return _pool().nakedCalls;
    }

    /// @notice See {IMarginPool-volatility}.
    function volatility() external view returns (uint64 value, uint40 setAt) {
        return (_pool().volatility, _pool().volatilityAt);
    }

    /// @notice See {IMarginPool-pausedUntil}.
    function pausedUntil() external view returns (uint48) {
        return _pool().pausedUntil;
    }

    /// @notice See {IMarginPool-rules}.
    function rules() external view returns (IMarginPool.Rules memory) {
        return _pool().rules;
    }

    /// @notice See {IMarginPool-bookOf}.
    function bookOf(address account, uint40 expiry) external view returns (IMarginPool.Book memory) {
        return _book(account, expiry);
    }

    /// @notice See {IMarginPool-auctionOf}.
    function auctionOf(address account, uint40 expiry) external view returns (IMarginPool.Auction memory) {
        return _pool().expiries[expiry].auctions[account];
    }

    /// @notice See {IMarginPool-settlementOf}.
    function settlementOf(uint40 expiry) external view returns (IMarginPool.Settlement memory) {
        return _pool().expiries[expiry].settlement;
    }

    /// @notice See {IMarginPool-accountsOf}.
    function accountsOf(uint40 expiry, uint256 from, uint256 count)
        external
        view
        returns (address[] memory list)
    {
        address[] storage all = _pool().expiries[expiry].accounts;
        uint256 left = from < all.length ? all.length - from : 0;
        list = new address[](count < left ? count : left);
        for (uint256 i = 0; i < list.length; ++i) {
            list[i] = all[from + i];
        }
    }

    /// @notice See {IMarginPool-filledOf}.
    function filledOf(address account, uint64 nonce) external view returns (uint256) {
        bool below = nonce < _pool().nonceFloor[account];
        return below ? type(uint128).max : _pool().fills[account][nonce].size;
    }

    /// @notice See {IMarginPool-version}.
    function version() external pure returns (uint64) {
        return 1;
    }
}
