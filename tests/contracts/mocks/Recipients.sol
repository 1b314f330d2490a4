// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @notice Takes no ETH.
contract Reverter {
    receive() external payable {
        revert("no, thanks");
    }
}

/// @notice Burns all the gas that it gets.
contract GasBurner {
    receive() external payable {
        while (true) {}
    }
}

/// @notice Reverts with as much data as its gas can buy, up to a megabyte.
contract ReturnBomb {
    receive() external payable {
        assembly {
            revert(0, 1000000)
        }
    }
}
