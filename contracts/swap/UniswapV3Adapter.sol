// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {ISwapAdapter} from "../interfaces/ISwapAdapter.sol";

/// @notice The factory of Uniswap V3 or a fork of it, as far as it is used here.
interface IUniswapV3PoolFactory {
    function getPool(address a, address b, uint24 fee) external view returns (address);
}

/// @notice A pool of it.
interface IUniswapV3SwapPool {
    function swap(address to, bool zeroForOne, int256 amount, uint160 limit, bytes calldata data)
        external
        returns (int256 delta0, int256 delta1);
}

/// @title UniswapV3Adapter
/// @notice The pools of one factory, without its router. See {ISwapAdapter}; data: `abi.encode(uint24 fee)`.
contract UniswapV3Adapter is ISwapAdapter {
    using SafeERC20 for IERC20;
    using SafeCast for uint256;

    /// @dev One within the ends of the protocol's square roots of prices (Q64.96), which its pools refuse: no limit.
    uint160 private constant LOWEST = 4_295_128_739 + 1;
    uint160 private constant HIGHEST = 1_461_446_703_485_210_103_287_273_052_203_988_822_378_723_970_342 - 1;

    IUniswapV3PoolFactory public immutable FACTORY;

    constructor(IUniswapV3PoolFactory factory) {
        FACTORY = factory;
    }

    /// @inheritdoc ISwapAdapter
    function swap(address sell, address buy, uint256 amount, bytes calldata data) external {
        uint24 fee = abi.decode(data, (uint24));
        address pool = FACTORY.getPool(sell, buy, fee);
        if (pool == address(0)) revert NoPool();
        bool zeroForOne = sell < buy;
        (int256 delta0, int256 delta1) = IUniswapV3SwapPool(pool)
            .swap(
                msg.sender,
                zeroForOne,
                amount.toInt256(),
                zeroForOne ? LOWEST : HIGHEST,
                abi.encode(sell, buy, fee, msg.sender)
            );
        // A pool that runs dry stops early.
        uint256 taken = uint256(zeroForOne ? delta0 : delta1);
        if (taken != amount) revert TookLess(amount - taken);
    }

    /// @notice The pool asks for its input, in the middle of {swap}: a pool asks whoever called it, so what it brings along
    /// is what {swap} gave it.
    function uniswapV3SwapCallback(int256 delta0, int256 delta1, bytes calldata data) external {
        (address sell, address buy, uint24 fee, address payer) =
            abi.decode(data, (address, address, uint24, address));
        if (msg.sender != FACTORY.getPool(sell, buy, fee)) revert NotThePool(msg.sender);
        IERC20(sell).safeTransferFrom(payer, msg.sender, uint256(delta0 > 0 ? delta0 : delta1));
    }
}
