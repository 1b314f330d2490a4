// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

import {ISwapAdapter} from "../interfaces/ISwapAdapter.sol";

/// @notice Takes an input from the caller and lets one spender have exactly that, for protocols that pull.
library ExactInput {
    using SafeERC20 for IERC20;

    /// @notice From the caller to this contract, and approved to `spender`.
    function take(IERC20 token, uint256 amount, address spender) internal {
        token.safeTransferFrom(msg.sender, address(this), amount);
        token.forceApprove(spender, amount);
    }

    /// @notice The spender has taken all of it.
    function requireTaken(IERC20 token, address spender) internal view {
        uint256 left = token.allowance(address(this), spender);
        if (left != 0) revert ISwapAdapter.TookLess(left);
    }
}
