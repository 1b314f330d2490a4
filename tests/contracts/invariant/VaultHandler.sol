// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Lanes} from "./Lanes.sol";
import {People} from "./People.sol";
import {Rulers} from "./Rulers.sol";

/// @notice Calls everything that the vault offers, rightly and wrongly, as everybody, and keeps books of its own. A
/// call that the books say must fail, or must not, is checked here; what must hold between calls is checked by
/// VaultInvariants.
contract VaultHandler is People, Lanes, Rulers {}
