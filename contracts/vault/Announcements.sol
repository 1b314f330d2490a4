// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IVault} from "../interfaces/IVault.sol";
import {VaultStorage} from "./VaultStorage.sol";

/// @notice Orders of the delayed tier between their announcement and their payment.
abstract contract Announcements is VaultStorage {
    /// @dev An announced order that nobody paid is forgotten after this.
    uint256 private constant ANNOUNCEMENT_LIFE = 7 days;

    /// @dev Announced by the lane since it was last enabled, and not too long ago.
    function _standing(Announcement storage a, address lane) internal view returns (bool) {
        return a.announcedAt != 0 && a.announcedAt >= _vault().enabledSince[lane]
            && block.timestamp < a.payableFrom + ANNOUNCEMENT_LIFE;
    }

    function _announcementId(address lane, address asset, address recipient, uint256 amount, bytes8 ref)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(lane, asset, recipient, amount, ref));
    }
}
