// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Assets} from "./Assets.sol";

/// @notice Sends value without trusting the other side: its gas is bounded, at most 32 bytes of what it returns are
/// copied, and nothing that it does can revert the caller. All of the project's assembly that moves money is here;
/// {sendPacked} is held against {send} by a differential fuzz test.
library Push {
    /// @notice Why {sendPacked} stopped.
    enum Stop {
        End, // all are sent
        Failed, // this one was not taken
        Gas // too little gas is left to give this one its allowance
    }

    /// @dev What a call costs its caller beside the gas it passes on: cold account (2,600), value (9,000), new
    /// account (25,000), and the instructions around it.
    uint256 private constant CALL_COST = 40_000;
    uint256 private constant AMOUNT_MASK = 0xffffffffffffffffffffffff;

    /// @notice Gas that must be left before a push, so that the other side really gets `allowance`: a call passes on
    /// at most 63/64 of what is left (EIP-150).
    function gasNeeded(uint256 allowance) internal pure returns (uint256) {
        return allowance + allowance / 63 + CALL_COST;
    }

    /// @notice The first 32 bytes that the last call returned, zero-padded.
    function returned() internal pure returns (bytes32 reason) {
        assembly ("memory-safe") {
            let size := returndatasize()
            if gt(size, 0x20) { size := 0x20 }
            mstore(0x00, 0)
            returndatacopy(0x00, 0x00, size)
            reason := mload(0x00)
        }
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
                ok := call(allowance, to, amount, 0x00, 0x00, 0x00, 0x00)
            }
            reason = returned();
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
                ok := call(allowance, asset, 0, m, 0x44, 0x00, 0x00)
            }
            reason = returned();
            assembly ("memory-safe") {
                if returndatasize() { ok := and(ok, and(gt(returndatasize(), 0x1f), eq(reason, 1))) }
            }
        }
    }

    /// @notice A run over packed payouts, and how far it came.
    struct Run {
        address asset;
        uint256 allowance; // gas of one push
        uint256 at; // where in calldata it stopped
        uint256 end; // of the payouts in calldata
        uint256 sent; // the sum of what was sent
        uint256 largest; // the largest amount up to there
        Stop stop; // why it stopped
    }

    /// @notice A run that begins at the first of `payouts`.
    function runOver(address asset, uint256 allowance, bytes32[] calldata payouts)
        internal
        pure
        returns (Run memory run)
    {
        (run.asset, run.allowance) = (asset, allowance);
        assembly ("memory-safe") {
            mstore(add(run, 0x40), payouts.offset)
            mstore(add(run, 0x60), add(payouts.offset, shl(5, payouts.length)))
        }
    }

    /// @notice The payout at which `run` stopped, and its index.
    function current(Run memory run, bytes32[] calldata payouts)
        internal
        pure
        returns (address recipient, uint256 amount, uint256 index)
    {
        uint256 offset;
        assembly ("memory-safe") {
            offset := payouts.offset
        }
        index = (run.at - offset) / 32;
        (recipient, amount) = (address(bytes20(payouts[index])), uint96(uint256(payouts[index])));
    }

    /// @notice {send} for packed payouts (recipient 160 bits, amount 96 bits), until the end or the first that fails.
    /// An amount of zero is passed over: its number is void.
    function sendPacked(Run memory run) internal {
        if (run.asset == Assets.NATIVE) _sendPackedNative(run);
        else _sendPackedToken(run);
    }

    function _sendPackedToken(Run memory run) private {
        uint256 needed = gasNeeded(run.allowance);
        assembly ("memory-safe") {
            let at := mload(add(run, 0x40))
            let end := mload(add(run, 0x60))
            let sent := mload(add(run, 0x80))
            let largest := mload(add(run, 0xa0))
            let asset := mload(run)
            let allowance := mload(add(run, 0x20))
            let why := 0
            // As in send; scratch space takes what the token returns.
            let m := mload(0x40)
            mstore(m, 0xa9059cbb00000000000000000000000000000000000000000000000000000000)
            for {} lt(at, end) { at := add(at, 0x20) } {
                let payout := calldataload(at)
                let amount := and(payout, AMOUNT_MASK)
                if gt(amount, largest) { largest := amount }
                if iszero(amount) { continue }
                if lt(gas(), needed) {
                    why := 2
                    break
                }
                mstore(add(m, 0x04), shr(96, payout))
                mstore(add(m, 0x24), amount)
                why := iszero(call(allowance, asset, 0, m, 0x44, 0x00, 0x20))
                if returndatasize() {
                    why := or(why, or(lt(returndatasize(), 0x20), iszero(eq(mload(0x00), 1))))
                }
                if why { break }
                sent := add(sent, amount)
            }
            mstore(add(run, 0x40), at)
            mstore(add(run, 0x80), sent)
            mstore(add(run, 0xa0), largest)
            mstore(add(run, 0xc0), why)
        }
    }

    function _sendPackedNative(Run memory run) private {
        uint256 needed = gasNeeded(run.allowance);
        assembly ("memory-safe") {
            let at := mload(add(run, 0x40))
            let end := mload(add(run, 0x60))
            let sent := mload(add(run, 0x80))
            let largest := mload(add(run, 0xa0))
            let allowance := mload(add(run, 0x20))
            let why := 0
            for {} lt(at, end) { at := add(at, 0x20) } {
                let payout := calldataload(at)
                let amount := and(payout, AMOUNT_MASK)
                if gt(amount, largest) { largest := amount }
                if iszero(amount) { continue }
                if lt(gas(), needed) {
                    why := 2
                    break
                }
                if iszero(call(allowance, shr(96, payout), amount, 0x00, 0x00, 0x00, 0x00)) {
                    why := 1
                    break
                }
                sent := add(sent, amount)
            }
            mstore(add(run, 0x40), at)
            mstore(add(run, 0x80), sent)
            mstore(add(run, 0xa0), largest)
            mstore(add(run, 0xc0), why)
        }
    }
}
