// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {MarginPoolExtension} from "contracts/margin/MarginPoolExtension.sol";

/// @notice A next version that says so.
contract MarginPoolExtensionV2 is MarginPoolExtension {
    function isV2() external pure returns (bool) {
        return true;
    }
}

/// @notice A wrong version: it forgot what it holds.
contract MarginPoolExtensionForgetful is MarginPoolExtension {
    function insurance() external pure override returns (uint256) {
        return 0;
    }
}
