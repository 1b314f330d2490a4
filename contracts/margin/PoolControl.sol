// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {
    AccessManagedUpgradeable
} from "@openzeppelin/contracts-upgradeable/access/manager/AccessManagedUpgradeable.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {IMarginPool} from "../interfaces/IMarginPool.sol";
import {IOracleGuard} from "../interfaces/IOracleGuard.sol";
import {Books} from "./Books.sol";

/// @notice What governance and guardians set, and the volatility. See {IMarginPool}.
abstract contract PoolControl is Books, AccessManagedUpgradeable, ReentrancyGuardTransient {
    /// @dev A guardian stops the opening of risk for a day, then not for a week.
    uint48 private constant MAX_PAUSE = 1 days;
    uint48 private constant PAUSE_COOLDOWN = 7 days;

    /// @notice See {IMarginPool-setRules}.
    function setRules(IMarginPool.Rules calldata r) external restricted {
        _setRules(r);
    }

    function _setRules(IMarginPool.Rules calldata r) internal {
        _requireWithin("maintenanceBps", r.maintenanceBps, 100, 5000);
        _requireWithin("minSpotBps", r.minSpotBps, r.maintenanceBps, 5000);
        _requireWithin("maxSpotBps", r.maxSpotBps, r.minSpotBps, 5000);
        _requireWithin("putMarkBps", r.putMarkBps, 0, BPS);
        // Beyond the highest strike a call that is not covered loses the whole of what the price gains.
        _requireWithin("unpairedBps", r.unpairedBps, BPS, 3 * BPS);
        _requireWithin("bufferBps", r.bufferBps, 0, BPS);
        _requireWithin("volStepBps", r.volStepBps, 1, 5000);
        _requireWithin("volLife", r.volLife, 10 minutes, 7 days);
        _requireWithin("maxVol", r.maxVol, 0.01e18, 5e18);
        _requireWithin("minVol", r.minVol, 0.01e18, r.maxVol);
        _requireWithin("feeBps", r.feeBps, 0, 100);
        _requireWithin("feeCapBps", r.feeCapBps, 0, 5000);
        _requireWithin("targetBps", r.targetBps, 0, BPS);
        _requireWithin("premiumBps", r.premiumBps, 0, 2000);
        _requireWithin("incentiveBps", r.incentiveBps, 0, 2000);
        _requireWithin("insuranceBps", r.insuranceBps, 0, BPS);
        _requireWithin("auctionTime", r.auctionTime, 1 minutes, 1 days);
        _requireWithin("rescueTime", r.rescueTime, 1 minutes, 1 days);
        _requireWithin("strikeStep", r.strikeStep, 1, type(uint96).max);
        _requireWithin("maxTenor", r.maxTenor, 1 days, 730 days);
        _requireWithin("minSize", r.minSize, 1, type(uint96).max);
        _requireWithin("window", r.terms.window, 300, 1 days);
        _requireWithin("window % 30", r.terms.window % 30, 0, 0);
        // More than half: what agrees with the median then has honest prices on both sides.
        _requireWithin("observations", r.terms.observations, 16, 30);
        _requireWithin("toleranceBps", r.terms.toleranceBps, 1, 1000);
        _requireWithin("patience", r.terms.patience, r.terms.window, 7 days);
        _requireWithin("challenge", r.terms.challenge, 1 hours, 14 days);
        _pool().rules = r;
        emit IMarginPool.RulesSet(r);
    }

    /// @notice See {IMarginPool-setGuard}.
    function setGuard(address guard_) external restricted {
        _setGuard(guard_);
    }

    function _setGuard(address guard_) internal {
        if (guard_.code.length == 0) revert IMarginPool.BadAsset(guard_, "guard has no code");
        _pool().guard = IOracleGuard(guard_);
        emit IMarginPool.GuardSet(guard_);
    }

    /// @notice See {IMarginPool-setVolatility}.
    function setVolatility(uint64 value) external restricted {
        Layout storage $ = _pool();
        uint256 sinceHours = (block.timestamp - $.volatilityAt) * WAD / 1 hours;
        uint256 step = Math.mulDiv($.volatility * uint256($.rules.volStepBps), sinceHours, BPS * WAD);
        uint256 min = Math.max($.rules.minVol, $.volatility > step ? $.volatility - step : 0);
        uint256 max = Math.min($.rules.maxVol, $.volatility + step);
        // Governance may have moved the bounds beyond the step.
        if (min > max) (min, max) = ($.rules.minVol, $.rules.maxVol);
        _requireWithin("volatility", value, min, max);
        _setVolatility(value);
    }

    function _setVolatility(uint64 value) internal {
        (_pool().volatility, _pool().volatilityAt) = (value, uint40(block.timestamp));
        emit IMarginPool.VolatilitySet(value, msg.sender);
    }

    /// @notice See {IMarginPool-pause}.
    function pause(uint32 duration) external restricted {
        Layout storage $ = _pool();
        if (duration == 0) revert IMarginPool.ZeroAmount();
        uint48 windowEnd = $.windowEnds[msg.sender];
        if (windowEnd == 0 || block.timestamp >= windowEnd + PAUSE_COOLDOWN) {
            windowEnd = uint48(block.timestamp) + MAX_PAUSE;
            $.windowEnds[msg.sender] = windowEnd;
        }
        if (block.timestamp >= windowEnd) {
            revert IMarginPool.GuardianCoolingDown(msg.sender, windowEnd + PAUSE_COOLDOWN);
        }
        uint48 until = uint48(block.timestamp) + duration;
        if (until > windowEnd) revert IMarginPool.PauseTooLong(until, windowEnd);
        if (until > $.pausedUntil) $.pausedUntil = until;
        emit IMarginPool.Paused($.pausedUntil, msg.sender);
    }

    /// @notice See {IMarginPool-extendPause}.
    function extendPause(uint48 until) external restricted {
        _pool().pausedUntil = until;
        emit IMarginPool.Paused(until, msg.sender);
    }

    /// @notice See {IMarginPool-unpause}.
    function unpause() external restricted {
        _pool().pausedUntil = uint48(block.timestamp);
        emit IMarginPool.Unpaused(msg.sender);
    }

    function _requireWithin(bytes32 what, uint256 value, uint256 min, uint256 max) internal pure {
        if (value < min || value > max) revert IMarginPool.OutOfRange(what, value, min, max);
    }
}
