// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";

import {IMarginPool} from "../interfaces/IMarginPool.sol";
import {IUpgradeGate} from "../interfaces/IUpgradeGate.sol";
import {Assets} from "../libraries/Assets.sol";
import {MarginFactory} from "./MarginFactory.sol";

/// @title MarginGate
/// @notice What an upgrade of the pools must not change: of each, who governs it, its market, its money, its rules, its
/// volatility and its pause.
contract MarginGate is IUpgradeGate {
    MarginFactory public immutable FACTORY;

    constructor(MarginFactory factory) {
        FACTORY = factory;
    }

    /// @inheritdoc IUpgradeGate
    function state(address) external view returns (bytes memory all) {
        address[] memory pools = FACTORY.pools();
        for (uint256 i = 0; i < pools.length; ++i) {
            all = abi.encode(all, _stateOf(IMarginPool(pools[i])));
        }
    }

    function _stateOf(IMarginPool pool) private view returns (bytes memory) {
        (uint64 volatility, uint40 setAt) = pool.volatility();
        bytes memory market = abi.encode(
            IAccessManaged(address(pool)).authority(),
            pool.underlying(),
            pool.collateral(),
            pool.guard(),
            pool.rules(),
            volatility,
            setAt
        );
        return abi.encode(
            market,
            Assets.balanceOf(pool.collateral(), address(pool)),
            pool.held(),
            pool.insurance(),
            pool.nakedCalls(),
            pool.pausedUntil()
        );
    }
}
