// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {BeaconProxy} from "@openzeppelin/contracts/proxy/beacon/BeaconProxy.sol";
import {Create2} from "@openzeppelin/contracts/utils/Create2.sol";

import {IMarginPool} from "../interfaces/IMarginPool.sol";
import {IVault} from "../interfaces/IVault.sol";
import {MarginPoolExtension} from "./MarginPoolExtension.sol";

/// @title MarginFactory
/// @notice Makes pools, one per underlying and collateral, behind one beacon whose owner is the VersionRegistry. It has no
/// power over what it made.
contract MarginFactory is AccessManaged {
    /// @notice Says what code the pools run.
    address public immutable BEACON;
    /// @notice Must list a pool's collateral: withdrawals go through its queue.
    IVault public immutable VAULT;

    address[] private _pools;

    event PoolCreated(address indexed pool, address indexed underlying, address indexed collateral);

    error CollateralNotListed(address collateral);

    constructor(address authority_, address beacon, IVault vault) AccessManaged(authority_) {
        (BEACON, VAULT) = (beacon, vault);
    }

    /// @notice Governance: makes the pool of two assets. Its functions need their roles in the AccessManager after.
    function create(
        address underlying,
        address collateral,
        address guard,
        uint64 volatility,
        IMarginPool.Rules calldata rules
    ) external restricted returns (address pool) {
        if (!VAULT.assetConfig(collateral).listed) revert CollateralNotListed(collateral);
        pool = address(new BeaconProxy{salt: _salt(underlying, collateral)}(BEACON, ""));
        _pools.push(pool);
        emit PoolCreated(pool, underlying, collateral);
        MarginPoolExtension(pool).initialize(authority(), underlying, collateral, guard, volatility, rules);
    }

    /// @notice Where the pool of two assets is, or will be.
    function addressOf(address underlying, address collateral) external view returns (address) {
        bytes memory code = abi.encodePacked(type(BeaconProxy).creationCode, abi.encode(BEACON, ""));
        return Create2.computeAddress(_salt(underlying, collateral), keccak256(code));
    }

    /// @notice All pools, oldest first.
    function pools() external view returns (address[] memory) {
        return _pools;
    }

    function _salt(address underlying, address collateral) private pure returns (bytes32) {
        return keccak256(abi.encode(underlying, collateral));
    }
}
