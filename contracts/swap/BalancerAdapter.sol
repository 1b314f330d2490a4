// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {ISwapAdapter} from "../interfaces/ISwapAdapter.sol";
import {ExactInput} from "./ExactInput.sol";

/// @notice A factory of Balancer V2's pools, as far as it is used here.
interface IBalancerPoolFactory {
    function isPoolFromFactory(address pool) external view returns (bool);
}

/// @notice The Vault of Balancer V2, as far as it is used here.
interface IBalancerVault {
    struct SingleSwap {
        bytes32 poolId;
        uint8 kind; // 0: the amount is what is given in
        address assetIn;
        address assetOut;
        uint256 amount;
        bytes userData;
    }

    struct FundManagement {
        address sender;
        bool fromInternalBalance;
        address recipient;
        bool toInternalBalance;
    }

    function swap(
        SingleSwap calldata singleSwap,
        FundManagement calldata funds,
        uint256 limit,
        uint256 deadline
    ) external payable returns (uint256);
}

/// @title BalancerAdapter
/// @notice The pools that one factory of Balancer V2 made, through their Vault. See {ISwapAdapter}; data:
/// `abi.encode(bytes32 poolId)`.
contract BalancerAdapter is ISwapAdapter {
    IBalancerVault public immutable BALANCER;
    IBalancerPoolFactory public immutable FACTORY;

    constructor(IBalancerVault balancer, IBalancerPoolFactory factory) {
        (BALANCER, FACTORY) = (balancer, factory);
    }

    /// @inheritdoc ISwapAdapter
    function swap(address sell, address buy, uint256 amount, bytes calldata data) external {
        bytes32 poolId = abi.decode(data, (bytes32));
        // The Vault gives a pool an id that begins with the pool's address.
        if (!FACTORY.isPoolFromFactory(address(bytes20(poolId)))) revert NoPool();
        ExactInput.take(IERC20(sell), amount, address(BALANCER));
        BALANCER.swap(
            IBalancerVault.SingleSwap(poolId, 0, sell, buy, amount, ""),
            IBalancerVault.FundManagement(address(this), false, msg.sender, false),
            0,
            block.timestamp
        );
        ExactInput.requireTaken(IERC20(sell), address(BALANCER));
    }
}
