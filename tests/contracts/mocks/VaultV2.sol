// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Proxy} from "@openzeppelin/contracts/proxy/Proxy.sol";

import {IVault} from "contracts/interfaces/IVault.sol";
import {Vault} from "contracts/Vault.sol";
import {VaultExtension} from "contracts/VaultExtension.sol";
import {VaultTreasury} from "contracts/VaultTreasury.sol";
import {Payments} from "contracts/vault/Payments.sol";

/// @notice What the second version stores beside the first: an exit delay for each asset, in a namespace of its own. The one
/// delay of the first version stays where it was, so that the first can come back.
abstract contract ExitDelays {
    /// @custom:storage-location erc7201:spillway.storage.ExitDelays
    struct Delays {
        mapping(address asset => uint32) delays; // seconds
        uint256 migrated;
    }

    // keccak256(abi.encode(uint256(keccak256("spillway.storage.ExitDelays")) - 1)) & ~bytes32(uint256(0xff))
    function _exitDelays() internal pure returns (Delays storage $) {
        bytes32 slot = keccak256(abi.encode(uint256(keccak256("spillway.storage.ExitDelays")) - 1))
            & ~bytes32(uint256(0xff));
        assembly {
            $.slot := slot
        }
    }
}

/// @notice The second part of the second version: it migrates, and governance sets the delays.
contract VaultExtensionV2 is VaultExtension, ExitDelays {
    constructor() VaultExtension(address(new VaultTreasury())) {}

    /// @notice Called with the upgrade.
    function migrate() external reinitializer(2) {
        address[] storage assets = _vault().listed;
        Delays storage $ = _exitDelays();
        for (uint256 i = 0; i < assets.length; ++i) {
            $.delays[assets[i]] = _vault().exitDelay;
        }
        $.migrated = assets.length;
    }

    function setExitDelay(address asset, uint32 delay) external restricted {
        _exitDelays().delays[asset] = delay;
    }

    function exitDelayOf(address asset) external view returns (uint32) {
        return _exitDelays().delays[asset];
    }
}

/// @notice The second version: who forces his exit waits for the delay of the asset. All else runs in the code of the first,
/// with a {VaultExtensionV2} as its second part.
contract VaultV2 is Payments, ExitDelays, Proxy {
    address private immutable REST = address(new Vault(address(new VaultExtensionV2())));

    receive() external payable {}

    function _implementation() internal view override returns (address) {
        return REST;
    }

    /// @notice See {IVault-forceExit}.
    function forceExit(IVault.Request calldata r) external nonReentrant {
        Layout storage $ = _vault();
        Asset storage a = $.assets[r.asset];
        _requireActive(
            $.gates.everything, $.gates.requests, IVault.Scope.Requests, r.asset, a.hot.pausedUntil
        );
        if (msg.sender != r.owner) revert IVault.NotRequestOwner(r.id, msg.sender);
        uint256 readyAt = uint256(r.createdAt) + _exitDelays().delays[r.asset];
        if (block.timestamp < readyAt) revert IVault.ExitNotReached(r.id, readyAt);
        if ($.commitments[r.id] != keccak256(abi.encode(r))) revert IVault.UnknownRequest(r.id);
        delete $.commitments[r.id];
        _subLiabilities(r.asset, r.amount);
        _drain(r.asset, r.amount);
        Payment memory p = _begin(r.asset, a.limits.payoutGas);
        _pay(p, r.recipient, r.amount, r.id);
        _end(p);
        emit IVault.RequestForced(r.id, r.asset, r.amount);
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
