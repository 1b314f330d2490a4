// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IMarginPool} from "contracts/interfaces/IMarginPool.sol";
import {PoolFixture} from "tests/contracts/margin/PoolFixture.sol";

/// @notice What each verb costs with 1, 5 and 20 positions in the book. `make bench-margin` runs it with each call as a
/// transaction of its own (forge test --isolate), so that all storage is cold and the 21,000 and the calldata count.
/// Without that the figures are lower; the bounds hold in both. The prices' double costs nearly nothing: what the oracle
/// guard needs for two reads comes on top.
contract MarginGasTest is PoolFixture {
    uint256[3] private COUNTS = [uint256(1), 5, 20];

    function setUp() public {
        deployPool();
        fund(alice, 200_000e6);
        fund(bob, 200_000e6);
        fund(carol, 200_000e6);
    }

    function _log(string memory verb, uint256 count, uint256 most) private {
        uint256 used = vm.lastCallGas().gasTotalUsed;
        string memory name = string.concat("margin_gas_", verb, "_", vm.toString(count), "_positions");
        emit log(string.concat(name, " ", vm.toString(used), " gas"));
        assertLt(used, most, name);
    }

    /// @dev Calls and puts over 20 strikes around the money, alternately.
    function _write(uint256 count) private {
        for (uint256 i = 0; i < count; ++i) {
            trade(bob, alice, i % 2 == 0, 2800e18 + i * 20e18, 1e18, 200e18);
        }
    }

    function test_gas_of_every_verb() public {
        for (uint256 i = 0; i < COUNTS.length; ++i) {
            uint256 state = vm.snapshotState();
            _measure(COUNTS[i]);
            vm.revertToState(state);
        }
    }

    function _measure(uint256 count) private {
        _write(count);
        IMarginPool.Quote memory maker = quote(alice, false, true, 2800e18, 1e18, 200e18);
        IMarginPool.Quote memory taker = quote(bob, true, true, 2800e18, 1e18, 200e18);
        (bytes memory a, bytes memory b) = (sign(maker), sign(taker));
        pool.trade(maker, a, taker, b, 1e18);
        _log("trade", count, 3_000_000);

        usd.mint(alice, 1e6);
        vm.startPrank(alice);
        usd.approve(address(pool), 1e6);
        pool.deposit(1e6, alice);
        _log("deposit", count, 150_000);
        pool.lock(expiry, 10e6);
        pool.unlock(expiry, 10e6);
        _log("unlock_with_margin_check", count, 1_000_000);
        pool.withdraw(10e6, alice, 10e6);
        _log("withdraw_through_the_vault", count, 300_000);
        uint256 free = pool.freeOf(alice);
        pool.withdraw(free, alice, free);
        vm.stopPrank();

        uint256 state = vm.snapshotState();
        setPrice(3600e18);
        pool.startLiquidation(alice, expiry);
        _log("liquidation_start", count, 2_000_000);
        vm.prank(carol);
        pool.bid(alice, expiry, 0.1e18, 0);
        _log("liquidation_bid", count, 5_000_000);
        vm.revertToState(state);

        observeAll(3100e18, 0);
        _log("observe", count, 200_000);
        pool.fixPrice(expiry);
        _log("fix_price", count, 200_000);
        pool.collect(expiry, 1);
        _log("settle_one_holder", count, 300_000);
        pool.collect(expiry, 1);
        _log("settle_one_writer", count, 300_000);
        pool.redeem(bob, expiry);
        _log("redeem", count, 100_000);
    }
}
