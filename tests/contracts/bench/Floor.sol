// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Assets} from "contracts/libraries/Assets.sol";

/// @notice The least that paying in batches can cost: the packed loop of the vault with no roles, no books, no claims
/// and no event. A benchmark's yardstick, safe for nobody's money.
contract Floor {
    receive() external payable {}

    function pay(address asset, bytes32[] calldata payouts) external {
        if (asset == Assets.NATIVE) {
            assembly ("memory-safe") {
                let end := add(payouts.offset, shl(5, payouts.length))
                for { let at := payouts.offset } lt(at, end) { at := add(at, 0x20) } {
                    let payout := calldataload(at)
                    let amount := and(payout, 0xffffffffffffffffffffffff)
                    if iszero(call(gas(), shr(96, payout), amount, 0, 0, 0, 0)) { revert(0, 0) }
                }
            }
        } else {
            assembly ("memory-safe") {
                let m := mload(0x40)
                mstore(m, 0xa9059cbb00000000000000000000000000000000000000000000000000000000)
                let end := add(payouts.offset, shl(5, payouts.length))
                for { let at := payouts.offset } lt(at, end) { at := add(at, 0x20) } {
                    let payout := calldataload(at)
                    mstore(add(m, 0x04), shr(96, payout))
                    mstore(add(m, 0x24), and(payout, 0xffffffffffffffffffffffff))
                    if iszero(call(gas(), asset, 0, m, 0x44, 0, 0)) { revert(0, 0) }
                }
            }
        }
    }
}
