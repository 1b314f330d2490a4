// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

import {ISwapAdapter} from "../interfaces/ISwapAdapter.sol";

/// @notice The factory of Uniswap V2 or a fork of it, as far as it is used here.
interface IUniswapV2Factory {
    function getPair(address a, address b) external view returns (address);
}

/// @notice A pair of it.
interface IUniswapV2Pair {
    function getReserves() external view returns (uint112 reserve0, uint112 reserve1, uint32 time);
    function swap(uint256 out0, uint256 out1, address to, bytes calldata data) external;
}

/// @title UniswapV2Adapter
/// @notice The pairs of one factory, without its router. See {ISwapAdapter}; no data.
contract UniswapV2Adapter is ISwapAdapter {
    using SafeERC20 for IERC20;

    IUniswapV2Factory public immutable FACTORY;
    /// @notice Of each `OF` parts of an input, `KEEP` remain after the fee: 997 of 1,000 at Uniswap.
    uint256 public immutable KEEP;
    /// @notice See {KEEP}.
    uint256 public immutable OF;

    error BadFee(uint256 keep, uint256 of_);

    constructor(IUniswapV2Factory factory, uint256 keep, uint256 of_) {
        if (keep == 0 || keep > of_ || of_ > 1e6) revert BadFee(keep, of_);
        (FACTORY, KEEP, OF) = (factory, keep, of_);
    }

    /// @inheritdoc ISwapAdapter
    function swap(address sell, address buy, uint256 amount, bytes calldata) external {
        address pair = FACTORY.getPair(sell, buy);
        if (pair == address(0)) revert NoPool();
        (uint256 reserveIn, uint256 reserveOut,) = IUniswapV2Pair(pair).getReserves();
        if (sell > buy) (reserveIn, reserveOut) = (reserveOut, reserveIn);
        IERC20(sell).safeTransferFrom(msg.sender, pair, amount);
        // The most that the pair's x * y allows, rounded down as it wants.
        uint256 kept = amount * KEEP;
        uint256 out = kept * reserveOut / (reserveIn * OF + kept);
        (uint256 out0, uint256 out1) = sell > buy ? (out, uint256(0)) : (uint256(0), out);
        IUniswapV2Pair(pair).swap(out0, out1, msg.sender, "");
    }
}
