// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

import {ISwapAdapter} from "../interfaces/ISwapAdapter.sol";
import {ExactInput} from "./ExactInput.sol";

/// @notice A pool of Curve's StableSwap with plain tokens. Old ones return nothing.
interface IStableSwap {
    function exchange(int128 i, int128 j, uint256 amount, uint256 least) external;
}

/// @title StableSwapAdapter
/// @notice Pools that governance has named: there were many factories, and none says which pools are sound. See
/// {ISwapAdapter}; data: `abi.encode(address pool, int128 i, int128 j)`.
contract StableSwapAdapter is ISwapAdapter, AccessManaged {
    using SafeERC20 for IERC20;

    /// @notice Whether swaps may use `pool`.
    mapping(address pool => bool) public isPool;

    event PoolAdded(address indexed pool);
    event PoolRemoved(address indexed pool, address by);

    error NoCode(address pool);

    constructor(address authority_) AccessManaged(authority_) {}

    /// @notice Governance: lets swaps use `pool`. Reverts with `NoCode`.
    function addPool(address pool) external restricted {
        if (pool.code.length == 0) revert NoCode(pool);
        isPool[pool] = true;
        emit PoolAdded(pool);
    }

    /// @notice Guardian: no swap uses it any more. Reverts with `NoPool` when none did.
    function removePool(address pool) external restricted {
        if (!isPool[pool]) revert NoPool();
        delete isPool[pool];
        emit PoolRemoved(pool, msg.sender);
    }

    /// @inheritdoc ISwapAdapter
    function swap(address sell, address buy, uint256 amount, bytes calldata data) external {
        (address pool, int128 i, int128 j) = abi.decode(data, (address, int128, int128));
        if (!isPool[pool]) revert NoPool();
        ExactInput.take(IERC20(sell), amount, pool);
        uint256 before = IERC20(buy).balanceOf(address(this));
        IStableSwap(pool).exchange(i, j, amount, 0);
        ExactInput.requireTaken(IERC20(sell), pool);
        IERC20(buy).safeTransfer(msg.sender, IERC20(buy).balanceOf(address(this)) - before);
    }
}
