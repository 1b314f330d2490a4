// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IOracleGuard} from "contracts/interfaces/IOracleGuard.sol";

/// @notice A double of the OracleGuard: says what a test tells it to, and refuses the actions that it is told to refuse.
contract FixedGuard is IOracleGuard {
    struct Said {
        Verdict verdict;
        bool reverts;
        uint8 refused; // a bit per action
        uint256 lo;
        uint256 hi;
    }

    mapping(address asset => Said) private said;

    function set(address asset, Verdict verdict, uint256 price) external {
        said[asset] = Said(verdict, false, 0, price, price);
    }

    /// @dev What is refused stays so.
    function set(address asset, uint256 lo, uint256 hi) external {
        (said[asset].lo, said[asset].hi) = (lo, hi);
    }

    function fail(address asset) external {
        said[asset].reverts = true;
    }

    /// @param refused A bit per action: 12 for margin and liquidation.
    function refuse(address asset, uint8 refused) external {
        said[asset].refused = refused;
    }

    function peek(address asset) external view returns (Verdict, uint256, uint256, uint64) {
        Said memory s = said[asset];
        require(!s.reverts, "down");
        return (s.verdict, s.hi, s.lo, 0);
    }

    function read(address asset, Action action) external view returns (uint256, uint256) {
        Said memory s = said[asset];
        if ((s.refused >> uint256(action)) & 1 == 1) revert Refused(asset, action, s.verdict, 0);
        return (s.lo, s.hi);
    }
}
