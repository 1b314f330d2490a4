// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Swaps} from "./vault/Swaps.sol";

/// @title VaultTreasury
/// @notice The third part of {Vault}: what keeps the float, by sweeps, refills and swaps.
contract VaultTreasury is Swaps {
    constructor() {
        _disableInitializers();
    }
}
