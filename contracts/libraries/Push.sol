// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Assets} from "./Assets.sol";

/// @notice Sends value without trusting the other side: its gas is bounded, at most 32 bytes of what it returns are
/// copied, and nothing that it does can revert the caller. All of the project's assembly that moves money is here;
/// {sendPacked} is held against {send} by a differential fuzz test.
library Push {
    uint256 private constant AMOUNT_MASK = 0xffffffffffffffffffffffff;

    /// @notice Gas that must be left after a push that failed, so that it surely had its `allowance`: a call passes on at
    /// most 63/64 of what is left (EIP-150), and there was no less before it. Less means: it may have failed for want
    /// of gas.
    function gasNeeded(uint256 allowance) internal pure returns (uint256) {
        return allowance + allowance / 63 + 1;
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
        uint256 at; // where in calldata it stopped: at the end, or at a payout that failed
        uint256 end; // of the payouts in calldata
        uint256 sent; // the sum of what was sent
        uint256 most; // that one payout may be
        bool above; // one was above it
    }

    /// @notice A run that begins at the first of `payouts`.
    function runOver(address asset, uint256 allowance, uint256 most, bytes32[] calldata payouts)
        internal
        pure
        returns (Run memory run)
    {
        (run.asset, run.allowance, run.most) = (asset, allowance, most);
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
        assembly ("memory-safe") {
            let asset := mload(run)
            let allowance := mload(add(run, 0x20))
            let at := mload(add(run, 0x40))
            let end := mload(add(run, 0x60))
            let sent := mload(add(run, 0x80))
            let most := mload(add(run, 0xa0))
            let above := 0
            let mask := AMOUNT_MASK
            // As in send; scratch space takes what the token returns.
            let m := mload(0x40)
            mstore(m, 0xa9059cbb00000000000000000000000000000000000000000000000000000000)
            for {} lt(at, end) { at := add(at, 0x20) } {
                let payout := calldataload(at)
                let amount := and(payout, mask)
                if iszero(amount) { continue }
                above := or(above, gt(amount, most))
                mstore(add(m, 0x04), shr(96, payout))
                mstore(add(m, 0x24), amount)
                // Arguments are evaluated from the last to the first: the call, then what it returned.
                if iszero(
                    and(
                        or(iszero(returndatasize()), and(gt(returndatasize(), 0x1f), eq(mload(0x00), 1))),
                        call(allowance, asset, 0, m, 0x44, 0x00, 0x20)
                    )
                ) { break }
                sent := add(amount, sent)
            }
            mstore(add(run, 0x40), at)
            mstore(add(run, 0x80), sent)
            mstore(add(run, 0xc0), above)
        }
    }

    function _sendPackedNative(Run memory run) private {
        assembly ("memory-safe") {
            let allowance := mload(add(run, 0x20))
            let at := mload(add(run, 0x40))
            let end := mload(add(run, 0x60))
            let sent := mload(add(run, 0x80))
            let most := mload(add(run, 0xa0))
            let above := 0
            let mask := AMOUNT_MASK
            for {} lt(at, end) { at := add(at, 0x20) } {
                let payout := calldataload(at)
                let amount := and(payout, mask)
                if iszero(amount) { continue }
                above := or(above, gt(amount, most))
                if iszero(call(allowance, shr(96, payout), amount, 0x00, 0x00, 0x00, 0x00)) {
                    break
                }
                sent := add(amount, sent)
            }
            mstore(add(run, 0x40), at)
            mstore(add(run, 0x80), sent)
            mstore(add(run, 0xc0), above)
        }
    }
}
