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

/// @notice Calls back into `target` when it is paid, and takes the money all the same.
contract Reentrant {
    address private target;
    bytes private data;
    /// Whether a call from inside a payment ever succeeded.
    bool public reentered;

    function setReentry(address target_, bytes calldata data_) external {
        (target, data) = (target_, data_);
    }

    receive() external payable {
        (bool ok,) = target.call(data);
        if (ok) reentered = true;
    }
}
