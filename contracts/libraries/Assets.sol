// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

/// @notice ETH and ERC-20 behind one address.
library Assets {
    /// @notice ETH, by ERC-7528.
    address internal constant NATIVE = 0xEeeeeEeeeEeEeeEeEeEeeEEEeeeeEeeeeeeeEEeE;

    /// @return The balance of `holder` in units of `asset`.
    function balanceOf(address asset, address holder) internal view returns (uint256) {
        return asset == NATIVE ? holder.balance : IERC20(asset).balanceOf(holder);
    }
}
