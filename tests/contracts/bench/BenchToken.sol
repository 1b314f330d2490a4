// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @notice OpenZeppelin's ERC-20 with 18 decimals, compiled for cheap calls: what is measured is the vault.
contract BenchToken is ERC20("Bench", "BENCH") {
    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }
}
