// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Assets} from "./Assets.sol";

/// @notice Sends value without trusting the other side: its gas is bounded, at most 32 bytes of what it returns are
/// copied, and nothing that it does can revert the caller.
library Push {
    /// @dev What a call costs its caller beside the gas it passes on: cold account (2,600), value (9,000), new
    /// account (25,000), and the instructions around it.
    uint256 private constant CALL_COST = 40_000;

    /// @notice Gas that must be left before a push, so that the other side really gets `allowance`: a call passes on
    /// at most 63/64 of what is left (EIP-150).
    function gasNeeded(uint256 allowance) internal pure returns (uint256) {
        return allowance + allowance / 63 + CALL_COST;
    }

    /// @notice Sends `amount` of `asset` to `to` with at most `allowance` gas. A token must have code: the caller
    /// has made sure of it.
    /// @return ok The money is there: the call succeeded, and a token returned nothing or true.
    /// @return reason The first 32 bytes that came back, zero-padded.
    function send(address asset, address to, uint256 amount, uint256 allowance)
        internal
        returns (bool ok, bytes32 reason)
    {
        if (asset == Assets.NATIVE) {
            assembly ("memory-safe") {
                mstore(0x00, 0)
                ok := call(allowance, to, amount, 0x00, 0x00, 0x00, 0x20)
                reason := mload(0x00)
            }
        } else {
            assembly ("memory-safe") {
                // Past the free memory pointer, which stays where it is:
                //   m + 0x00  selector of transfer(address,uint256), 4 bytes
                //   m + 0x04  to
                //   m + 0x24  amount
                let m := mload(0x40)
                mstore(m, 0xa9059cbb00000000000000000000000000000000000000000000000000000000)
                mstore(add(m, 0x04), to)
                mstore(add(m, 0x24), amount)
                mstore(0x00, 0)
                ok := call(allowance, asset, 0, m, 0x44, 0x00, 0x20)
                reason := mload(0x00)
                if returndatasize() {
                    ok := and(ok, and(gt(returndatasize(), 0x1f), eq(reason, 1)))
                }
            }
        }
    }
}
