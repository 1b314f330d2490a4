// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IMarginPool} from "contracts/interfaces/IMarginPool.sol";
import {IVault} from "contracts/interfaces/IVault.sol";
import {Assets} from "contracts/libraries/Assets.sol";
import {Accounts} from "contracts/margin/Accounts.sol";
import {FeeToken} from "tests/contracts/mocks/Tokens.sol";
import {PoolFixture} from "tests/contracts/margin/PoolFixture.sol";

/// @notice Money in and out of a pool.
contract MarginAccountsTest is PoolFixture {
    address private immutable RECIPIENT = makeAddr("recipient");

    function setUp() public {
        deployPool();
        fund(alice, 10_000e6);
    }

    function _withdraw(address account, uint256 amount) private {
        vm.prank(account);
        pool.withdraw(amount, RECIPIENT, amount);
    }

    function _requestOf(uint64 id, uint256 amount, uint256 at) private view returns (IVault.Request memory) {
        return IVault.Request(id, address(pool), address(usd), RECIPIENT, amount, uint64(at));
    }

    function test_a_deposit_is_free_balance() public {
        usd.mint(bob, 5);
        vm.startPrank(bob);
        usd.approve(address(pool), 5);
        vm.expectEmit(address(pool));
        emit IMarginPool.Deposited(carol, 5, bob);
        pool.deposit(5, carol);
        vm.stopPrank();
        assertEq(pool.freeOf(carol), 5);
        assertEq(pool.freeOf(bob), 0);
        assertEq(pool.held(), 10_000e6 + 5);
    }

    function test_bad_deposits_are_named() public {
        vm.startPrank(bob);
        vm.expectRevert(IMarginPool.ZeroAmount.selector);
        pool.deposit(0, bob);
        vm.expectRevert(IMarginPool.ZeroAddress.selector);
        pool.deposit(1, address(0));
        vm.expectRevert();
        pool.deposit(1, bob);
        vm.stopPrank();
        assertEq(pool.held(), 10_000e6);
    }

    /// @notice A collateral that charges its transfers would make the ledger owe what never came.
    function test_a_collateral_that_charges_is_refused() public {
        FeeToken fee = new FeeToken();
        vm.prank(GOVERNANCE);
        vault.configureAsset(address(fee), IVault.AssetConfig(true, TOKEN_GAS, 1));
        IMarginPool other = newPool(Assets.NATIVE, address(fee));
        fee.mint(bob, 100e18);
        vm.startPrank(bob);
        fee.approve(address(other), 100e18);
        vm.expectRevert(abi.encodeWithSelector(IMarginPool.NotExact.selector, 100e18, 99e18));
        other.deposit(100e18, bob);
        vm.stopPrank();
    }

    function test_a_withdrawal_is_a_request_in_the_vaults_queue() public {
        vm.expectEmit(address(pool));
        emit IMarginPool.Withdrawn(alice, RECIPIENT, 4000e6, 4000e6, 1);
        _withdraw(alice, 4000e6);
        assertEq(pool.freeOf(alice), 6000e6);
        assertEq(pool.held(), 6000e6);
        assertEq(usd.balanceOf(RECIPIENT), 0);
        IVault.Request memory r = _requestOf(1, 4000e6, block.timestamp);
        assertEq(vault.commitmentOf(1), keccak256(abi.encode(r)));
        vm.prank(LANE);
        vault.settleRequests(address(usd), 0, listOf(r));
        assertEq(usd.balanceOf(RECIPIENT), 4000e6);
        assertEq(usd.allowance(address(pool), address(vault)), 0);
    }

    function test_a_request_that_nobody_pays_is_forced_by_anyone_to_its_recipient() public {
        _withdraw(alice, 4000e6);
        IVault.Request memory r = _requestOf(1, 4000e6, block.timestamp);
        vm.expectRevert();
        pool.forceExit(r);
        vm.warp(block.timestamp + EXIT_DELAY);
        vm.prank(carol);
        pool.forceExit(r);
        assertEq(usd.balanceOf(RECIPIENT), 4000e6);
        IVault.Request memory other = requestFromAlice();
        vm.expectRevert(abi.encodeWithSelector(IMarginPool.NotOurRequest.selector, other.id));
        pool.forceExit(other);
    }

    function requestFromAlice() private returns (IVault.Request memory) {
        depositFor(alice, address(dai), 1);
        return requestFrom(alice, address(dai), 1, alice);
    }

    function test_bad_withdrawals_are_named() public {
        vm.startPrank(alice);
        vm.expectRevert(
            abi.encodeWithSelector(IMarginPool.InsufficientBalance.selector, alice, 10_000e6 + 1, 10_000e6)
        );
        pool.withdraw(10_000e6 + 1, RECIPIENT, 0);
        vm.expectRevert(IMarginPool.ZeroAmount.selector);
        pool.withdraw(0, RECIPIENT, 0);
        vm.expectRevert(IMarginPool.ZeroAddress.selector);
        pool.withdraw(1, address(0), 0);
        vm.expectRevert(IMarginPool.OnlySelf.selector);
        Accounts(address(pool)).sendToVault(1, alice);
        vm.stopPrank();
    }

    function test_bad_locks_are_named() public {
        vm.startPrank(alice);
        vm.expectRevert(IMarginPool.ZeroAmount.selector);
        pool.lock(expiry, 0);
        pool.lock(expiry, 7);
        vm.expectRevert(IMarginPool.ZeroAmount.selector);
        pool.unlock(expiry, 0);
        vm.expectRevert(abi.encodeWithSelector(IMarginPool.InsufficientBalance.selector, alice, 8, 7));
        pool.unlock(expiry, 8);
        pool.unlock(expiry, 7);
        vm.stopPrank();
        assertEq(pool.freeOf(alice), 10_000e6);
    }

    /// @notice A recipient whom the collateral refuses gets nothing, and the account's money stays its own.
    function test_a_direct_payment_that_fails_is_tried_again() public {
        vm.prank(GUARDIAN);
        vault.pause(IVault.Scope.Deposits, 3 days);
        _withdraw(alice, 4000e6);
        usd.setBlocked(RECIPIENT, true);
        vm.warp(block.timestamp + 3 days);
        vm.prank(OTHER_GUARDIAN);
        vault.pause(IVault.Scope.Deposits, 3 days);
        vm.expectPartialRevert(IMarginPool.TransferFailed.selector);
        pool.retry(alice);
        assertEq(pool.strandedOf(alice).amount, 4000e6);
        usd.setBlocked(RECIPIENT, false);
        pool.retry(alice);
        assertEq(usd.balanceOf(RECIPIENT), 4000e6);
    }

    /// @notice The wall works in both directions: a vault that refuses for three days cannot keep what is in a pool.
    function test_a_vault_that_refuses_for_three_days_is_passed_by() public {
        vm.prank(GUARDIAN);
        vault.pause(IVault.Scope.Deposits, 3 days);
        _withdraw(alice, 4000e6);
        IMarginPool.Stranded memory s = pool.strandedOf(alice);
        assertEq(s.amount, 4000e6);
        assertEq(s.recipient, RECIPIENT);
        assertEq(pool.freeOf(alice), 6000e6);
        assertEq(pool.held(), 10_000e6);
        uint256 from = block.timestamp + 3 days;

        vm.warp(from - 1);
        vm.expectPartialRevert(IMarginPool.DirectNotReached.selector);
        pool.retry(alice);
        vm.prank(OTHER_GUARDIAN);
        vault.pause(IVault.Scope.Deposits, 3 days);
        vm.warp(from);
        vm.expectEmit(address(pool));
        emit IMarginPool.PaidDirectly(alice, RECIPIENT, 4000e6, 4000e6);
        pool.retry(alice);
        assertEq(usd.balanceOf(RECIPIENT), 4000e6);
        assertEq(pool.held(), 6000e6);
        vm.expectRevert(abi.encodeWithSelector(IMarginPool.NothingStranded.selector, alice));
        pool.retry(alice);
    }

    function test_a_vault_that_takes_again_gets_what_is_stranded() public {
        vm.prank(GUARDIAN);
        vault.pause(IVault.Scope.Deposits, 1 days);
        _withdraw(alice, 4000e6);
        _withdraw(alice, 1000e6);
        assertEq(pool.strandedOf(alice).amount, 5000e6);
        vm.warp(block.timestamp + 5 days);
        vm.prank(carol);
        pool.retry(alice);
        assertEq(usd.balanceOf(RECIPIENT), 0);
        assertEq(vault.commitmentOf(1), keccak256(abi.encode(_requestOf(1, 5000e6, block.timestamp))));
    }

    /// @notice Little gas does not make the vault seem to refuse.
    function test_want_of_gas_strands_nothing() public {
        bool stranded;
        for (uint256 gas_ = 60_000; gas_ < 1_400_000; gas_ += 20_000) {
            uint256 state = vm.snapshotState();
            vm.prank(alice);
            (bool ok,) =
                address(pool).call{gas: gas_}(abi.encodeCall(IMarginPool.withdraw, (1e6, RECIPIENT, 1e6)));
            if (ok && pool.strandedOf(alice).amount != 0) stranded = true;
            vm.revertToState(state);
        }
        assertFalse(stranded);
    }

    /// @notice What the collateral's contract takes from a pool is shared by those who leave, in whatever order.
    function test_a_pool_that_is_short_pays_each_the_same_share() public {
        fund(bob, 30_000e6);
        vm.prank(address(pool));
        usd.burn(10_000e6);
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(IMarginPool.PoolShort.selector, 7500e6, 10_000e6));
        pool.withdraw(10_000e6, RECIPIENT, 10_000e6);
        vm.prank(alice);
        assertEq(pool.withdraw(10_000e6, RECIPIENT, 7500e6), 7500e6);
        vm.prank(bob);
        assertEq(pool.withdraw(30_000e6, RECIPIENT, 0), 22_500e6);
        assertEq(usd.balanceOf(address(pool)), 0);
        assertEq(pool.held(), 0);
    }

    /// @notice A gift is nobody's: there are no shares to inflate, for the first depositor as for the last.
    function test_a_donation_changes_nothing() public {
        IMarginPool fresh = newPool(Assets.NATIVE, address(moody));
        usd.mint(address(pool), 1_000_000e6);
        assertEq(pool.held(), 10_000e6);
        fund(bob, 1);
        assertEq(pool.freeOf(bob), 1);
        moody.mint(address(fresh), 1e30);
        moody.mint(bob, 1);
        vm.startPrank(bob);
        moody.approve(address(fresh), 1);
        fresh.deposit(1, bob);
        assertEq(fresh.freeOf(bob), 1);
        fresh.withdraw(1, RECIPIENT, 1);
        vm.stopPrank();
        assertEq(moody.balanceOf(address(fresh)), 1e30);
    }

    function test_margin_is_locked_and_unlocked() public {
        vm.startPrank(alice);
        pool.lock(expiry, 700e6);
        assertEq(marginOf(alice), 700e6);
        assertEq(pool.freeOf(alice), 9300e6);
        pool.unlock(expiry, 700e6);
        assertEq(pool.freeOf(alice), 10_000e6);
        vm.expectRevert(abi.encodeWithSelector(IMarginPool.InsufficientBalance.selector, alice, 1, 0));
        pool.unlock(expiry, 1);
        vm.stopPrank();
    }

    function test_margin_that_is_needed_stays() public {
        fund(bob, 1000e6);
        trade(bob, alice, true, 3000e18, 1e18, 200e18);
        uint256 needed = initialOf(alice);
        assertEq(marginOf(alice), needed);
        vm.startPrank(alice);
        vm.expectRevert(
            abi.encodeWithSelector(IMarginPool.BelowInitialMargin.selector, alice, expiry, needed - 1, needed)
        );
        pool.unlock(expiry, 1);
        pool.lock(expiry, 50e6);
        pool.unlock(expiry, 50e6);
        // Not without a healthy price, however much there is.
        pool.lock(expiry, 50e6);
        prices.refuse(Assets.NATIVE, 1 << 2);
        vm.expectRevert();
        pool.unlock(expiry, 1);
        // What is free leaves all the same.
        uint256 free = pool.freeOf(alice);
        pool.withdraw(free, RECIPIENT, free);
        vm.stopPrank();
    }

    function test_insurance_is_given_for_good() public {
        vm.prank(alice);
        pool.fundInsurance(400e6);
        assertEq(pool.insurance(), 400e6);
        assertEq(pool.freeOf(alice), 9600e6);
        assertEq(pool.held(), 10_000e6);
    }

    /// @notice Dust: what cannot be divided is never given out twice.
    function testFuzz_dust_stays_in_the_pool(uint256 size, uint256 price) public {
        size = bound(size, 1e15, 3e18);
        price = bound(price, 1, 500e18);
        fund(bob, 2000e6);
        uint256 before = pool.freeOf(alice) + pool.freeOf(bob);
        trade(bob, alice, true, 3000e18, size, price);
        trade(alice, bob, true, 3000e18, size, price);
        uint256 after_ = pool.freeOf(alice) + pool.freeOf(bob);
        assertEq(after_ + pool.insurance(), before);
        assertEq(marginOf(alice) + marginOf(bob), 0);
    }
}
