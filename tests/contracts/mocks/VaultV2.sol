// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IVault} from "contracts/interfaces/IVault.sol";
import {Vault} from "contracts/Vault.sol";
import {VaultExtension} from "contracts/VaultExtension.sol";
import {VaultTreasury} from "contracts/VaultTreasury.sol";

/// @notice A second version with a storage migration: exit delays become an asset's own, in a namespace of their own,
/// filled from the one delay of the first version, which stays where it was. So the first version can come back.
contract VaultExtensionV2 is VaultExtension {
    /// @custom:storage-location erc7201:spillway.storage.ExitDelays
    struct ExitDelays {
        mapping(address asset => uint32) delays;
        uint256 migrated;
    }

    constructor() VaultExtension(address(new VaultTreasury())) {}

    // keccak256(abi.encode(uint256(keccak256("spillway.storage.ExitDelays")) - 1)) & ~bytes32(uint256(0xff))
    function _exitDelays() private pure returns (ExitDelays storage $) {
        bytes32 slot = keccak256(abi.encode(uint256(keccak256("spillway.storage.ExitDelays")) - 1))
            & ~bytes32(uint256(0xff));
        assembly {
            $.slot := slot
        }
    }

    /// @notice Called with the upgrade.
    function migrate() external reinitializer(2) {
        address[] storage assets = _vault().listed;
        ExitDelays storage $ = _exitDelays();
        for (uint256 i = 0; i < assets.length; ++i) {
            $.delays[assets[i]] = _vault().exitDelay;
        }
        $.migrated = assets.length;
    }

    function exitDelayOf(address asset) external view returns (uint32) {
        return _exitDelays().delays[asset];
    }
}

/// @notice A version whose upgrade breaks something, as its number says.
contract VaultExtensionBroken is VaultExtension {
    uint256 private immutable FAULT;

    constructor(uint256 fault) VaultExtension(address(new VaultTreasury())) {
        FAULT = fault;
    }

    function migrate() external reinitializer(2) {
        if (FAULT == 0) _vault().gates.usdCapacity = 0;
        if (FAULT == 1) _vault().maxPause = 0;
        if (FAULT == 2) _vault().assets[_vault().listed[0]].limits.capacity = type(uint40).max;
        if (FAULT == 3) _vault().assets[_vault().listed[1]].hot.liabilities = 0;
        if (FAULT == 4) _vault().listed.pop();
        if (FAULT == 5) payable(address(0xdead)).transfer(1);
        if (FAULT == 6) _vault().gates.orders = type(uint32).max;
        if (FAULT == 7) _vault().cold = address(1);
        if (FAULT == 8) _vault().splitter = address(1);
        if (FAULT == 9) _vault().swapping[_vault().listed[0]].slippageBps = 1000;
        if (FAULT == 10) _vault().swapping[_vault().listed[0]].fullAt = type(uint48).max;
    }
}

/// @notice A version that answers nothing at all.
contract Dead {
    fallback() external payable {
        revert("dead");
    }
}
