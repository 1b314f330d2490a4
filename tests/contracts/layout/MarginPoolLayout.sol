// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {MarginStorage} from "contracts/margin/MarginStorage.sol";

/// @notice As {VaultLayout}, for margin pools: script/layout.mjs compares with contracts/layout/MarginPool.txt.
contract MarginPoolLayout is MarginStorage {
    Layout internal layout;
}
