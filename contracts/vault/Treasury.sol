// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {
    AccessManagedUpgradeable
} from "@openzeppelin/contracts-upgradeable/access/manager/AccessManagedUpgradeable.sol";

import {IVault} from "../interfaces/IVault.sol";
import {Push} from "../libraries/Push.sol";
import {Payments} from "./Payments.sol";

/// @notice What keeps the float between its marks: sweeps to cold, refills from it. See {IVault}.
abstract contract Treasury is Payments, AccessManagedUpgradeable {
    /// @notice See {IVault-sweep}.
    function sweep(address asset, uint256 amount) external nonReentrant {
        Layout storage $ = _vault();
        Asset storage a = $.assets[asset];
        if (!$.lanes[msg.sender].enabled) revert IVault.NotALane(msg.sender);
        _requireActive($.gates.everything, 0, IVault.Scope.Everything, asset, a.hot.pausedUntil);
        address to = $.cold;
        if (to == address(0)) revert IVault.ZeroAddress();
        if (amount == 0) revert IVault.ZeroAmount();
        uint256 surplus = _available(_floatOf(asset), a.highWater);
        if (amount > surplus) revert IVault.NoSurplus(asset, amount, surplus);

        a.coldBalance += amount;
        Payment memory p = _begin(asset, 0);
        (bool ok, bytes32 reason) = Push.send(asset, to, amount, gasleft());
        if (!ok) revert IVault.TransferFailed(asset, to, reason);
        p.paid = amount;
        _end(p);
        emit IVault.Swept(asset, to, amount, msg.sender);
    }

    /// @notice See {IVault-refill}.
    function refill(address asset, uint256 amount) external payable nonReentrant returns (uint256 arrived) {
        _requireListed(asset);
        arrived = _receive(asset, amount);
        Asset storage a = _vault().assets[asset];
        a.coldBalance = _available(a.coldBalance, arrived);
        emit IVault.Refilled(asset, msg.sender, arrived);
    }

    /// @notice See {IVault-setCold}.
    function setCold(address cold_) external restricted {
        _vault().cold = cold_;
        emit IVault.ColdSet(cold_);
    }

    /// @notice See {IVault-setMarks}.
    function setMarks(address asset, uint128 minFloat, uint128 highWater) external restricted {
        _requireWithin(minFloat, 0, highWater);
        Asset storage a = _vault().assets[asset];
        (a.minFloat, a.highWater) = (minFloat, highWater);
        emit IVault.MarksSet(asset, minFloat, highWater);
    }

    /// @notice See {IVault-floatOf}.
    function floatOf(address asset) external view returns (uint256) {
        return _floatOf(asset);
    }

    /// @notice See {IVault-cold}.
    function cold() external view returns (address) {
        return _vault().cold;
    }

    /// @notice See {IVault-treasuryOf}.
    function treasuryOf(address asset) external view returns (IVault.TreasuryState memory) {
        Asset storage a = _vault().assets[asset];
        uint256 held = _floatOf(asset);
        return IVault.TreasuryState({
            minFloat: a.minFloat,
            highWater: a.highWater,
            coldBalance: a.coldBalance,
            surplus: _available(held, a.highWater),
            shortfall: _available(a.minFloat, held)
        });
    }
}
