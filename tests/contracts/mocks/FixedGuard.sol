// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IOracleGuard} from "contracts/interfaces/IOracleGuard.sol";

/// @notice A double of the OracleGuard that says what a test tells it to.
contract FixedGuard is IOracleGuard {
    struct Said {
        Verdict verdict;
        uint256 price;
        bool reverts;
    }

    mapping(address asset => Said) private said;

    function set(address asset, Verdict verdict, uint256 price) external {
        said[asset] = Said(verdict, price, false);
    }

    function fail(address asset) external {
        said[asset].reverts = true;
    }

    function peek(address asset) external view returns (Verdict, uint256, uint256, uint64) {
        require(!said[asset].reverts, "down");
        return (said[asset].verdict, said[asset].price, said[asset].price, 0);
    }

    function read(address asset, Action) external view returns (uint256, uint256) {
        return (said[asset].price, said[asset].price);
    }
}
