// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Test} from "forge-std/Test.sol";

import {Action} from "script/govern/Action.sol";

/// @notice Runs a script of governance against a deployment whose governance acts without a delay, and sends what it
/// produces from the account that it names.
abstract contract ScriptRunner is Test {
    Action internal runner;
    string internal deploymentFile;

    /// @param file What script/Deploy.s.sol wrote.
    function useScript(Action script, string memory file) internal {
        (runner, deploymentFile) = (script, file);
    }

    function runAs(address sender, bytes memory call) internal returns (Action.Transaction[] memory due) {
        runner.use(deploymentFile, Action.Mode.Calldata, sender, "");
        (bool ok, bytes memory reason) = address(runner).call(call);
        if (!ok) {
            assembly ("memory-safe") {
                revert(add(reason, 0x20), mload(reason))
            }
        }
        due = runner.plan().due;
        assertGt(due.length, 0);
        for (uint256 i = 0; i < due.length; ++i) {
            vm.prank(sender);
            (ok,) = due[i].to.call(due[i].data);
            assertTrue(ok, due[i].meaning);
        }
    }

    /// @dev The script itself says what is wrong, before anything is sent.
    function assertNames(address sender, bytes memory call, string memory input, string memory problem)
        internal
    {
        runner.use(deploymentFile, Action.Mode.Calldata, sender, "");
        (bool ok, bytes memory reason) = address(runner).call(call);
        assertFalse(ok, problem);
        assertEq(reason, abi.encodeWithSelector(Action.BadInput.selector, input, problem), problem);
    }

    function assertNotAllowed(address sender, bytes memory call) internal {
        runner.use(deploymentFile, Action.Mode.Calldata, sender, "");
        vm.expectPartialRevert(Action.NotAllowed.selector);
        (bool ok,) = address(runner).call(call);
        ok;
    }
}
