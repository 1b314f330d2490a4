// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Assets} from "./Assets.sol";

/// @notice Sends value without trusting the other side: its gas is bounded, at most 32 bytes of what it
/// returns are copied, and nothing that it does can revert the caller. All of the project's assembly that
/// pushes money is here; {sendPacked} is held against {send} by a differential fuzz test. README.md says
/// where else there is assembly.
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

    /// @notice Bytes of a packed payout: recipient (20), amount (12), reference (8).
    uint256 internal constant PAYOUT = 40;

    /// @notice The packed batch that follows the selector of this call, see {IVault-settle}. Zeros where there is none.
    function batch()
        internal
        pure
        returns (address asset, uint256 total, bytes32 position, bytes calldata payouts)
    {
        assembly ("memory-safe") {
            total := calldataload(0x04)
            asset := shr(96, total)
            total := and(total, AMOUNT_MASK)
            position := calldataload(0x24)
            payouts.offset := 0x64
            payouts.length := mul(gt(calldatasize(), 0x64), sub(calldatasize(), 0x64))
        }
    }

    /// @notice Where packed payouts begin and end in calldata.
    function bounds(bytes calldata payouts) internal pure returns (uint256 at, uint256 end) {
        assembly ("memory-safe") {
            at := payouts.offset
            end := add(at, payouts.length)
        }
    }

    /// @notice How many `payouts` there are.
    function count(bytes calldata payouts) internal pure returns (uint256 n) {
        assembly ("memory-safe") {
            n := div(payouts.length, PAYOUT)
        }
    }

    /// @notice The packed payout at `at` in calldata, one of `payouts`, and its index.
    function payoutAt(uint256 at, bytes calldata payouts)
        internal
        pure
        returns (address recipient, uint256 amount, uint256 index)
    {
        assembly ("memory-safe") {
            let payout := calldataload(at)
            recipient := shr(96, payout)
            amount := and(payout, AMOUNT_MASK)
            index := div(sub(at, payouts.offset), PAYOUT)
        }
    }

    /// @notice {send} for the packed payouts from `at` to `end` in calldata. Stops at the first that fails, or is above
    /// `most` and was not sent. An amount of zero is passed over: its number is void.
    /// @return next Where it stopped: at `end`, or at such a payout.
    /// @return total `sent`, and the sum of what was sent.
    function sendPacked(address asset, uint256 allowance, uint256 most, uint256 at, uint256 end, uint256 sent)
        internal
        returns (uint256 next, uint256 total)
    {
        return asset == Assets.NATIVE
            ? _sendPackedNative(allowance, most, at, end, sent)
            : _sendPackedToken(asset, allowance, most, at, end, sent);
    }

    function _sendPackedToken(
        address asset,
        uint256 allowance,
        uint256 most,
        uint256 at,
        uint256 end,
        uint256 sent
    ) private returns (uint256, uint256) {
        assembly ("memory-safe") {
            // As in send; scratch space takes what the token returns.
            let m := mload(0x40)
            mstore(m, 0xa9059cbb00000000000000000000000000000000000000000000000000000000)
            for {} 1 { at := add(at, PAYOUT) } {
                let payout := calldataload(at)
                let amount := and(payout, AMOUNT_MASK)
                // One branch for what is rare. Less one, zero is above everything.
                if iszero(and(lt(at, end), lt(sub(amount, 1), most))) {
                    if or(iszero(lt(at, end)), amount) { break }
                    continue
                }
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
        }
        return (at, sent);
    }

    function _sendPackedNative(uint256 allowance, uint256 most, uint256 at, uint256 end, uint256 sent)
        private
        returns (uint256, uint256)
    {
        assembly ("memory-safe") {
            for {} 1 { at := add(at, PAYOUT) } {
                let payout := calldataload(at)
                let amount := and(payout, AMOUNT_MASK)
                if iszero(and(lt(at, end), lt(sub(amount, 1), most))) {
                    if or(iszero(lt(at, end)), amount) { break }
                    continue
                }
                if iszero(call(allowance, shr(96, payout), amount, 0x00, 0x00, 0x00, 0x00)) {
                    break
                }
                sent := add(amount, sent)
            }
        }
        return (at, sent);
    }
}
