// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Test} from "forge-std/Test.sol";

import {IVault} from "contracts/interfaces/IVault.sol";
import {Assets} from "contracts/libraries/Assets.sol";
import {VaultHandler} from "tests/contracts/invariant/VaultHandler.sol";

/// @notice What holds after every call, whatever was called. The handler's own checks fail the run as well
/// (fail_on_revert): a payment while paused, a replay that passes, a recipient who got too much or too little.
/// forge-config: default.invariant.fail_on_revert = true
/// forge-config: long.invariant.fail_on_revert = true
contract VaultInvariants is Test {
    VaultHandler private handler;
    IVault private vault;

    function setUp() public {
        handler = new VaultHandler();
        vault = IVault(handler.vaultAddress());
        targetContract(address(handler));
    }

    /// @notice What the vault holds covers balances, open requests and claims, and it counts them exactly.
    function invariant_solvency() public view {
        (uint256 people, uint256 assets, uint256 asked) = handler.counts();
        for (uint256 i = 0; i < assets; ++i) {
            address asset = handler.assets(i);
            uint256 owed;
            for (uint256 k = 0; k < people; ++k) {
                address account = handler.people(k);
                assertEq(vault.balanceOf(asset, account), handler.balances(asset, account), "balance");
                owed += handler.balances(asset, account) + vault.claimOf(asset, account);
            }
            for (uint256 k = 0; k < asked; ++k) {
                VaultHandler.Asked memory a = handler.askedAt(k);
                if (a.open && a.request.asset == asset) owed += a.request.amount;
            }
            assertEq(vault.liabilitiesOf(asset), owed, "liabilities");
            assertGe(Assets.balanceOf(asset, address(vault)), owed, "solvency");
        }
    }

    /// @notice What came in is what people hold and what the vault holds.
    function invariant_sum_in_is_sum_out_and_held() public view {
        (uint256 people, uint256 assets,) = handler.counts();
        for (uint256 i = 0; i < assets; ++i) {
            address asset = handler.assets(i);
            uint256 out;
            for (uint256 k = 0; k < people; ++k) {
                out += Assets.balanceOf(asset, handler.people(k));
            }
            assertEq(out + Assets.balanceOf(asset, address(vault)), handler.sumIn(asset));
        }
    }

    /// @notice A lane's number is settled once, and its head is the hash of exactly what was settled.
    function invariant_each_number_is_settled_once() public view {
        for (uint256 i = 0; i < 2; ++i) {
            (address lane, uint64 bookedNext, bytes24 bookedHead) = handler.laneBooks(i);
            (, uint64 next, bytes24 head) = vault.laneOf(lane);
            assertEq(next, bookedNext, "next");
            assertEq(head, bookedHead, "head");
            for (uint64 number = 1; number < next; ++number) {
                assertEq(handler.settledTimes(lane, number), 1, "once");
            }
            assertEq(handler.settledTimes(lane, next), 0, "not yet");
        }
    }

    /// @notice A request is paid once at most, and its commitment stands exactly while it is open.
    function invariant_a_request_is_paid_at_most_once() public view {
        (,, uint256 asked) = handler.counts();
        for (uint256 k = 0; k < asked; ++k) {
            VaultHandler.Asked memory a = handler.askedAt(k);
            assertLe(a.paid, 1, "paid twice");
            bytes32 kept = vault.commitmentOf(a.request.id);
            assertEq(kept, a.open ? keccak256(abi.encode(a.request)) : bytes32(0), "commitment");
        }
    }

    /// @notice The handler reaches every verb: invariants over calls that all fail would say nothing.
    function test_random_calls_reach_every_verb() public {
        for (uint256 i = 0; i < 3000; ++i) {
            _callAtRandom(uint256(keccak256(abi.encode("verbs", i))));
        }
        for (uint256 verb = 0; verb < handler.VERBS(); ++verb) {
            assertGe(handler.done(VaultHandler.Verb(verb)), 10, vm.toString(verb));
        }
        invariant_solvency();
        invariant_sum_in_is_sum_out_and_held();
        invariant_each_number_is_settled_once();
        invariant_a_request_is_paid_at_most_once();
    }

    function _callAtRandom(uint256 r) private {
        uint256 verb = r % 16;
        (uint256 a, uint256 b, uint256 c, uint256 d, uint256 e) =
            (_mix(r, 1), _mix(r, 2), _mix(r, 3), _mix(r, 4), _mix(r, 5));
        if (verb == 0) handler.deposit(a, b, c);
        else if (verb == 1) handler.topUp(a, b);
        else if (verb == 2) handler.request(a, b, c, d);
        else if (verb == 3) handler.cancel(a, b);
        else if (verb == 4) handler.forceExit(a, b);
        else if (verb == 5) handler.claim(a, b, c);
        else if (verb == 6) handler.settle(a, b, c, d, e);
        else if (verb == 7) handler.settleWide(a, b, c, d, e);
        else if (verb == 8) handler.settleRequests(a, b, c, d, e);
        else if (verb == 9) handler.voidNumbers(a, b, uint64(c), d);
        else if (verb == 10) handler.replay(a, b);
        else if (verb == 11) handler.pause(a, b, c);
        else if (verb < 14) handler.govern(a, b);
        else if (verb == 14) handler.changeTokens(a, b, c % 4 == 0);
        else handler.warp(a);
    }

    function _mix(uint256 r, uint256 salt) private pure returns (uint256) {
        return uint256(keccak256(abi.encode(r, salt)));
    }
}
