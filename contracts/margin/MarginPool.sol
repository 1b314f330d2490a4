// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Initializable} from "@openzeppelin/contracts/proxy/utils/Initializable.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";

import {IMarginPool} from "../interfaces/IMarginPool.sol";
import {IOracleGuard} from "../interfaces/IOracleGuard.sol";
import {IVault} from "../interfaces/IVault.sol";
import {Liquidation} from "./Liquidation.sol";

/// @title MarginPool
/// @notice {IMarginPool}, in two contracts because of the size limit of EIP-170. This one holds what moves balances and
/// positions until expiry; settlement, control and most views are in {MarginPoolExtension}: a call that is not found here
/// runs there, on the same storage.
contract MarginPool is Liquidation, Initializable {
    /// @notice The second half of the code, part of this contract's code hash.
    address public immutable EXTENSION;

    error NoCode(address contract_);

    /// @param vault Takes the withdrawals. @param extension A {MarginPoolExtension}.
    constructor(IVault vault, address extension) {
        if (address(vault).code.length == 0) revert NoCode(address(vault));
        if (extension.code.length == 0) revert NoCode(extension);
        (VAULT, EXTENSION) = (vault, extension);
        _disableInitializers();
    }

    /// @notice See {IMarginPool-valuationOf}.
    function valuationOf(address account, uint40 expiry, IOracleGuard.Action action)
        external
        view
        returns (uint256, uint256, uint256, IMarginPool.Market memory)
    {
        Valuation memory v = _value(account, expiry, action);
        return (v.initial, v.maintenance, v.liability, v.market);
    }

    /// @notice See {IMarginPool-offerOf}.
    function offerOf(address account, uint40 expiry) external view returns (uint256, uint256) {
        return _offer(account, expiry, _value(account, expiry, IOracleGuard.Action.Liquidation));
    }

    fallback(bytes calldata data) external returns (bytes memory) {
        return Address.functionDelegateCall(EXTENSION, data);
    }
}
