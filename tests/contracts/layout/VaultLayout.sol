// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {VaultStorage} from "contracts/vault/VaultStorage.sol";

/// @notice Gives the compiler a variable of the vault's namespaced storage, so that it says where all of it lies.
/// script/layout.mjs compares that with contracts/layout/Vault.txt.
contract VaultLayout is VaultStorage {
    Layout internal layout;
}
