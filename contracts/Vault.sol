// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Proxy} from "@openzeppelin/contracts/proxy/Proxy.sol";
import {Initializable} from "@openzeppelin/contracts/proxy/utils/Initializable.sol";

import {Orders} from "./vault/Orders.sol";

/// @title Vault
/// @notice {IVault}, in three contracts because of the size limit of EIP-170. This one holds all that moves people's
/// money; what governance, guardians and lanes set, and the views, are in {VaultExtension}, and what keeps the float is in
/// {VaultTreasury}: a call that is not found here runs there, on the same storage. Plain transfers to the vault top up the float.
contract Vault is Orders, Proxy, Initializable {
    /// @notice The second part of the code, part of this contract's code hash.
    address public immutable EXTENSION;

    error NoCode(address extension);

    /// @param extension A {VaultExtension}.
    constructor(address extension) {
        if (extension.code.length == 0) revert NoCode(extension);
        EXTENSION = extension;
        _disableInitializers();
    }

    /// @notice ETH that anyone sends is float.
    receive() external payable {}

    function _implementation() internal view override returns (address) {
        return EXTENSION;
    }
}
