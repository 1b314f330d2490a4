// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Test} from "forge-std/Test.sol";

import {IMarginPool} from "contracts/interfaces/IMarginPool.sol";
import {MarginModel} from "contracts/margin/MarginModel.sol";
import {MarginBooks} from "tests/contracts/margin/invariant/MarginBooks.sol";
import {MarginHandler} from "tests/contracts/margin/invariant/MarginHandler.sol";

/// @notice What holds in a pool after every call, whatever was called. The handler's own checks fail the run as well
/// (fail_on_revert). Fewer runs than the vault's: a settlement is 30 observations. The long ones are many and not longer,
/// because every expiry that a run has seen is looked at after each call.
/// forge-config: default.invariant.runs = 24
/// forge-config: default.invariant.fail_on_revert = true
/// forge-config: long.invariant.runs = 4000
/// forge-config: long.invariant.depth = 128
/// forge-config: long.invariant.fail_on_revert = true
contract MarginInvariants is Test {
    MarginHandler private handler;
    IMarginPool private pool;

    function setUp() public {
        handler = new MarginHandler();
        pool = handler.poolAddress();
        targetContract(address(handler));
    }

    /// @notice What came in is what went out and what the pool holds; and each unit of that has one owner: a free balance,
    /// a book's margin, a stranded withdrawal, a pot that is not yet redeemed, or the insurance fund.
    function invariant_collateral_in_is_out_and_held() public view {
        assertEq(pool.held(), handler.sumIn() - handler.sumOut(), "held");
        assertEq(handler.poolHolds(), pool.held() + handler.donated(), "covers what it owes");
        (uint256 traders, uint256 expiries) = handler.counts();
        uint256 sum = pool.insurance();
        for (uint256 i = 0; i < traders; ++i) {
            address account = handler.traders(i);
            sum += pool.freeOf(account) + pool.strandedOf(account).amount;
            for (uint256 k = 0; k < expiries; ++k) {
                sum += pool.bookOf(account, handler.expiries(k)).margin;
            }
        }
        for (uint256 k = 0; k < expiries; ++k) {
            uint40 at = handler.expiries(k);
            sum += pool.settlementOf(at).pot - handler.redeemed(at);
        }
        assertEq(sum, pool.held(), "every unit has one owner");
    }

    /// @notice In each series the longs are the shorts; and the naked calls are counted.
    function invariant_longs_are_shorts() public view {
        (uint256 traders, uint256 expiries) = handler.counts();
        uint256 naked;
        for (uint256 k = 0; k < expiries; ++k) {
            int256[18] memory sums;
            for (uint256 i = 0; i < traders; ++i) {
                IMarginPool.Leg[] memory legs = pool.bookOf(handler.traders(i), handler.expiries(k)).legs;
                naked += MarginModel.nakedCalls(legs);
                for (uint256 j = 0; j < legs.length; ++j) {
                    sums[(legs[j].strike - 2200e18) / 200e18 * 2 + (legs[j].isCall ? 1 : 0)] += legs[j].size;
                }
            }
            // While books are collected one by one, those that are in are empty.
            if (pool.settlementOf(handler.expiries(k)).collected != 0) continue;
            for (uint256 j = 0; j < 18; ++j) {
                assertEq(sums[j], 0, "longs and shorts");
            }
        }
        assertEq(pool.nakedCalls(), naked, "naked calls");
    }

    /// @notice A settled expiry pays no more than its pot, and when it is closed no book in it holds anything.
    function invariant_a_settled_expiry_pays_its_pot_once() public view {
        (uint256 traders, uint256 expiries) = handler.counts();
        for (uint256 k = 0; k < expiries; ++k) {
            uint40 at = handler.expiries(k);
            IMarginPool.Settlement memory s = pool.settlementOf(at);
            assertLe(handler.redeemed(at), s.pot, "pot");
            if (!s.closed) continue;
            assertLe(s.pot, s.owed, "never more than is owed");
            uint256 left;
            for (uint256 i = 0; i < traders; ++i) {
                IMarginPool.Book memory book = pool.bookOf(handler.traders(i), at);
                assertEq(book.legs.length, 0, "settled");
                left += book.credit;
            }
            if (left == 0) assertLe(s.pot - handler.redeemed(at), traders, "dust");
        }
    }

    /// @notice The vault got what left the pool through it, and owes exactly that.
    function invariant_the_vault_knows_the_pool_as_a_depositor() public view {
        (uint256 balance, uint256 liabilities) = handler.vaultHolds();
        assertEq(balance, handler.sumOut() - handler.direct());
        assertEq(liabilities, balance);
    }

    /// @notice The handler reaches every verb: invariants over calls that all fail would say nothing.
    function test_random_calls_reach_every_verb() public {
        for (uint256 i = 0; i < 10_000; ++i) {
            _callAtRandom(uint256(keccak256(abi.encode("margin", i))));
            if (i % 500 == 0) _all();
        }
        _all();
        for (uint256 verb = 0; verb < handler.VERBS(); ++verb) {
            assertGe(handler.done(MarginBooks.Verb(verb)), 3, vm.toString(verb));
        }
    }

    function _all() private view {
        invariant_collateral_in_is_out_and_held();
        invariant_longs_are_shorts();
        invariant_a_settled_expiry_pays_its_pot_once();
        invariant_the_vault_knows_the_pool_as_a_depositor();
    }

    function _callAtRandom(uint256 r) private {
        uint256 verb = r % 41;
        (uint256 a, uint256 b, uint256 c, uint256 d, uint256 e) =
            (_mix(r, 1), _mix(r, 2), _mix(r, 3), _mix(r, 4), _mix(r, 5));
        if (verb < 10) handler.trade(a, b, c, d, e);
        else if (verb < 13) handler.movePrice(a, b);
        else if (verb < 17) handler.startLiquidation(a, b);
        else if (verb < 20) handler.tick(a, b);
        else if (verb < 25) handler.bid(a, b, c, d);
        else if (verb == 25) handler.settle(a, b);
        else if (verb == 26) handler.collect(a);
        else if (verb < 29) handler.redeem(a, b);
        else if (verb == 29) handler.deposit(a, b);
        else if (verb == 30) handler.withdraw(a, b);
        else if (verb == 31) handler.retry(a);
        else if (verb == 32) handler.lock(a, b, c);
        else if (verb == 33) handler.unlock(a, b, c);
        else if (verb == 34) handler.setVolatility(a);
        else if (verb == 35) handler.fallSick(a);
        else if (verb == 36) handler.pause(a, b);
        else if (verb == 37) handler.donate(a);
        else if (verb == 38) handler.fundInsurance(a, b);
        else if (verb == 39) handler.fixLate(a);
        else handler.warp(a);
    }

    function _mix(uint256 r, uint256 salt) private pure returns (uint256) {
        return uint256(keccak256(abi.encode(r, salt)));
    }
}
