// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Test} from "forge-std/Test.sol";

import {JudgeHarness} from "tests/contracts/oracle/JudgeHarness.sol";

/// @notice The named cases of oracle-guard/vectors: the contract's judge says the same as the crate, to the bit.
contract VectorsTest is Test {
    function test_every_vector_agrees() public {
        string memory json = vm.readFile("oracle-guard/vectors/evm.json");
        string[] memory names = vm.parseJsonStringArray(json, ".names");
        bytes[] memory inputs = vm.parseJsonBytesArray(json, ".inputs");
        bytes[] memory outputs = vm.parseJsonBytesArray(json, ".outputs");
        assertGt(names.length, 50);
        assertEq(inputs.length, names.length);
        assertEq(outputs.length, names.length);
        JudgeHarness harness = new JudgeHarness();
        for (uint256 i = 0; i < names.length; ++i) {
            assertEq(harness.run(inputs[i]), outputs[i], names[i]);
        }
    }
}
