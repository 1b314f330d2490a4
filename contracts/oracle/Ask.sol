// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Push} from "../libraries/Push.sol";

/// @notice Asks a contract that is not trusted: its gas is bounded, no more than the words wanted are copied, and nothing
/// that it does reverts the caller.
library Ask {
    uint8 internal constant READ = 0;
    uint8 internal constant REVERTED = 1;
    uint8 internal constant NO_CODE = 2;
    /// @notice It used up its whole allowance.
    uint8 internal constant OUT_OF_GAS = 3;
    /// @notice It returned less than was wanted, or a value beyond its type.
    uint8 internal constant MALFORMED = 4;

    /// @notice The caller gave too little gas for the source to have its allowance: want of gas must not look like a broken
    /// source, nor make one that catches its own failures answer otherwise, because anybody could bring that about.
    error InsufficientGas();

    /// @dev More than what is spent between looking at the gas and making the call.
    uint256 private constant SPARE = 2000;

    /// @notice Calls `target` with exactly `allowance` gas.
    /// @param answer Takes the first words that come back: as many as it is long. More is not copied.
    /// @return outcome READ, or what went wrong.
    function words(address target, bytes memory question, uint256 allowance, uint256[] memory answer)
        internal
        view
        returns (uint8 outcome)
    {
        if (target.code.length == 0) return NO_CODE;
        uint256 left = gasleft();
        if (left < Push.gasNeeded(allowance) + SPARE) revert InsufficientGas();
        bool ok;
        bool enough;
        assembly ("memory-safe") {
            let size := shl(5, mload(answer))
            ok := staticcall(allowance, target, add(question, 0x20), mload(question), add(answer, 0x20), size)
            enough := iszero(lt(returndatasize(), size))
        }
        if (ok) return enough ? READ : MALFORMED;
        return left - gasleft() >= allowance ? OUT_OF_GAS : REVERTED;
    }

    /// @notice {words} for a single one.
    function word(address target, bytes memory question, uint256 allowance)
        internal
        view
        returns (uint8 outcome, uint256 answer)
    {
        uint256[] memory one = new uint256[](1);
        outcome = words(target, question, allowance, one);
        answer = one[0];
    }
}
