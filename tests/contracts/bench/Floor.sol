// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Assets} from "contracts/libraries/Assets.sol";

/// @notice The least that paying in batches can cost: the packed loop of the vault with no roles, no books, no claims
/// and no event. A benchmark's yardstick, safe for nobody's money.
contract Floor {
    receive() external payable {}

    function pay(address asset, bytes32[] calldata payouts) external {
        bool native = asset == Assets.NATIVE;
        for (uint256 i = 0; i < payouts.length; ++i) {
            assembly ("memory-safe") {
                let payout := calldataload(add(payouts.offset, shl(5, i)))
                let ok
                switch native
                case 1 {
                    ok := call(gas(), shr(96, payout), and(payout, 0xffffffffffffffffffffffff), 0, 0, 0, 0)
                }
                default {
                    let m := mload(0x40)
                    mstore(m, 0xa9059cbb00000000000000000000000000000000000000000000000000000000)
                    mstore(add(m, 0x04), shr(96, payout))
                    mstore(add(m, 0x24), and(payout, 0xffffffffffffffffffffffff))
                    ok := call(gas(), asset, 0, m, 0x44, 0, 0)
                }
                if iszero(ok) { revert(0, 0) }
            }
        }
    }
}
