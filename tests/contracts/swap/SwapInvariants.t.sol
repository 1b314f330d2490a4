// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Test} from "forge-std/Test.sol";

import {IVault} from "contracts/interfaces/IVault.sol";
import {Assets} from "contracts/libraries/Assets.sol";
import {SwapHandler} from "tests/contracts/swap/SwapHandler.sol";

/// @notice What holds after every call, whatever was called. The handler's own checks fail the run as well
/// (fail_on_revert): a swap below its bound, below the mark, while paused, or without a price.
/// forge-config: default.invariant.fail_on_revert = true
/// forge-config: default.invariant.runs = 40
/// forge-config: default.invariant.depth = 128
/// forge-config: long.invariant.fail_on_revert = true
/// forge-config: long.invariant.runs = 256
/// forge-config: long.invariant.depth = 500
contract SwapInvariants is Test {
    SwapHandler private handler;
    IVault private vault;
    address private splitter;

    function setUp() public {
        handler = new SwapHandler();
        address vault_;
        (vault_, splitter) = handler.contracts();
        vault = IVault(vault_);
        targetContract(address(handler));
    }

    function _tokens() private view returns (address[4] memory) {
        return [handler.assets(0), handler.assets(1), handler.assets(2), handler.wrapping()];
    }

    /// @notice All that must hold, in one: each invariant would be a run of its own.
    function invariant_swaps() public view {
        address[4] memory tokens = _tokens();
        address[5] memory adapters = handler.adapters();
        for (uint256 i = 0; i < 4; ++i) {
            assertEq(handler.held(tokens[i]), handler.donated(tokens[i]), "the splitter keeps nothing");
            if (tokens[i] == Assets.NATIVE) continue;
            for (uint256 k = 0; k < 5; ++k) {
                assertEq(IERC20(tokens[i]).allowance(splitter, adapters[k]), 0, "approval of the splitter");
                if (k == 4) continue; // the hostile one has what it took
                assertEq(IERC20(tokens[i]).balanceOf(adapters[k]), 0, "an adapter keeps nothing");
            }
            assertEq(IERC20(tokens[i]).allowance(address(vault), splitter), 0, "approval of the vault");
        }
        for (uint256 i = 0; i < 3; ++i) {
            assertGe(Assets.balanceOf(tokens[i], address(vault)), vault.liabilitiesOf(tokens[i]), "solvency");
            assertTrue(handler.isBounded(tokens[i]), "sold more than the bucket lets out");
        }
    }

    /// @notice The handler reaches everything: otherwise the invariants hold of nothing.
    function test_the_handler_does_everything() public {
        for (uint256 i = 0; i < 500; ++i) {
            uint256 dice = uint256(keccak256(abi.encode(i)));
            (uint256 a, uint256 b) = (uint256(keccak256(abi.encode(dice))), dice >> 8);
            uint256 verb = dice % 16;
            if (verb < 5) handler.swapSome(a, b, dice);
            else if (verb == 5) handler.movePool(a, b % 2 == 0, dice);
            else if (verb == 6) handler.movePrice(a, b, dice >> 16);
            else if (verb == 7) handler.breakPrice(a, b);
            else if (verb == 8) handler.pause(a, uint32(b));
            else if (verb == 9) handler.donate(a, b);
            else if (verb == 10) handler.sweep(a);
            else if (verb == 11) handler.deposit(a, b);
            else if (verb == 12) handler.settleSome(a, b);
            else if (verb == 13) handler.changeRules(a, b, dice >> 16);
            else if (verb == 14) handler.switchAdapter(a);
            else handler.warp(a);
        }
        assertGt(handler.done(SwapHandler.Verb.Swap), 10, "whole");
        assertGt(handler.done(SwapHandler.Verb.SwapInPart), 10, "in part");
        for (uint256 i = 0; i < handler.VERBS(); ++i) {
            assertGt(handler.done(SwapHandler.Verb(i)), 0, vm.toString(i));
        }
    }
}
