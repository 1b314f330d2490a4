// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {Initializable} from "@openzeppelin/contracts/proxy/utils/Initializable.sol";

import {IMarginPool} from "contracts/interfaces/IMarginPool.sol";
import {IVault} from "contracts/interfaces/IVault.sol";
import {Assets} from "contracts/libraries/Assets.sol";
import {MarginFactory} from "contracts/margin/MarginFactory.sol";
import {MarginPool} from "contracts/margin/MarginPool.sol";
import {MarginPoolExtension} from "contracts/margin/MarginPoolExtension.sol";
import {PoolFixture} from "tests/contracts/margin/PoolFixture.sol";
import {PlainToken} from "tests/contracts/mocks/Tokens.sol";

/// @notice Who sets what in a pool, and within which bounds.
contract PoolControlTest is PoolFixture {
    function setUp() public {
        deployPool();
        fund(alice, 10_000e6);
        fund(bob, 10_000e6);
    }

    function test_who_may() public {
        bytes[8] memory calls = [
            abi.encodeCall(IMarginPool.setRules, (rulesOf())),
            abi.encodeCall(IMarginPool.setGuard, (address(prices))),
            abi.encodeCall(IMarginPool.extendPause, (1)),
            abi.encodeCall(IMarginPool.unpause, ()),
            abi.encodeCall(IMarginPool.proposePrice, (expiry, 1)),
            abi.encodeCall(IMarginPool.pause, (1)),
            abi.encodeCall(IMarginPool.challengePrice, (expiry)),
            abi.encodeCall(IMarginPool.setVolatility, (0.6e18))
        ];
        address[4] memory all = [GOVERNANCE, GUARDIAN, VOLATILITY, alice];
        for (uint256 i = 0; i < calls.length; ++i) {
            uint256 may = i < 5 ? 0 : i < 7 ? 1 : 2;
            for (uint256 k = 0; k < all.length; ++k) {
                uint256 state = vm.snapshotState();
                vm.prank(all[k]);
                (bool ok, bytes memory said) = address(pool).call(calls[i]);
                bool refused = !ok
                    && keccak256(said)
                        == keccak256(
                            abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, all[k])
                        );
                assertEq(refused, k != may, vm.toString(i));
                vm.revertToState(state);
            }
        }
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, alice));
        margin.factory.create(Assets.NATIVE, address(dai), address(prices), 0.6e18, rulesOf());
    }

    function test_a_pool_is_made_once_where_the_factory_said() public {
        assertEq(margin.factory.addressOf(Assets.NATIVE, address(usd)), address(pool));
        assertEq(margin.factory.pools().length, 1);
        vm.startPrank(GOVERNANCE);
        vm.expectRevert();
        margin.factory.create(Assets.NATIVE, address(usd), address(prices), 0.6e18, rulesOf());
        PlainToken stranger = new PlainToken("X", "X", 6);
        vm.expectRevert(abi.encodeWithSelector(MarginFactory.CollateralNotListed.selector, address(stranger)));
        margin.factory.create(Assets.NATIVE, address(stranger), address(prices), 0.6e18, rulesOf());
        vm.expectRevert(
            abi.encodeWithSelector(IMarginPool.BadAsset.selector, Assets.NATIVE, bytes32("not an ERC-20"))
        );
        margin.factory.create(address(dai), Assets.NATIVE, address(prices), 0.6e18, rulesOf());
        vm.expectRevert(
            abi.encodeWithSelector(IMarginPool.BadAsset.selector, address(dai), bytes32("same as collateral"))
        );
        margin.factory.create(address(dai), address(dai), address(prices), 0.6e18, rulesOf());
        vm.expectRevert(abi.encodeWithSelector(IMarginPool.BadAsset.selector, alice, bytes32("no code")));
        margin.factory.create(alice, address(dai), address(prices), 0.6e18, rulesOf());
        vm.expectRevert(
            abi.encodeWithSelector(IMarginPool.BadAsset.selector, alice, bytes32("guard has no code"))
        );
        margin.factory.create(Assets.NATIVE, address(dai), alice, 0.6e18, rulesOf());
        vm.stopPrank();
    }

    function test_nothing_is_initialized_twice() public {
        vm.expectRevert(Initializable.InvalidInitialization.selector);
        MarginPoolExtension(address(pool))
            .initialize(alice, Assets.NATIVE, address(dai), address(prices), 0.6e18, rulesOf());
        vm.expectRevert(Initializable.InvalidInitialization.selector);
        MarginPoolExtension(margin.implementation)
            .initialize(alice, Assets.NATIVE, address(dai), address(prices), 0.6e18, rulesOf());
        vm.expectRevert(Initializable.InvalidInitialization.selector);
        MarginPoolExtension(margin.extension)
            .initialize(alice, Assets.NATIVE, address(dai), address(prices), 0.6e18, rulesOf());
        vm.expectRevert(abi.encodeWithSelector(MarginPool.NoCode.selector, alice));
        new MarginPool(vault, alice);
        address extension = margin.extension;
        vm.expectRevert(abi.encodeWithSelector(MarginPool.NoCode.selector, alice));
        new MarginPool(IVault(alice), extension);
        assertEq(MarginPoolExtension(address(pool)).version(), 1);
    }

    /// @notice Margin is counted in 18 decimals: a collateral of more would be rounded in favour of accounts.
    function test_collateral_has_at_most_18_decimals() public {
        PlainToken fine = new PlainToken("X", "X", 19);
        vm.startPrank(GOVERNANCE);
        vault.configureAsset(address(fine), IVault.AssetConfig(true, TOKEN_GAS, 1));
        vm.expectRevert(
            abi.encodeWithSelector(
                IMarginPool.BadAsset.selector, address(fine), bytes32("more than 18 decimals")
            )
        );
        margin.factory.create(Assets.NATIVE, address(fine), address(prices), 0.6e18, rulesOf());
        vm.stopPrank();
    }

    function test_rules_have_bounds() public {
        for (uint256 i = 0; i < 27; ++i) {
            IMarginPool.Rules memory r = rulesOf();
            if (i == 0) r.maintenanceBps = 99;
            if (i == 1) r.minSpotBps = 749;
            if (i == 2) r.maxSpotBps = 999;
            if (i == 3) r.putMarkBps = 10_001;
            if (i == 4) r.unpairedBps = 9999;
            if (i == 5) r.bufferBps = 10_001;
            if (i == 6) r.volStepBps = 0;
            if (i == 7) r.volLife = 599;
            if (i == 8) r.maxVol = 5e18 + 1;
            if (i == 9) r.minVol = 0.01e18 - 1;
            if (i == 10) r.feeBps = 101;
            if (i == 11) r.feeCapBps = 5001;
            if (i == 12) r.targetBps = 10_001;
            if (i == 13) r.premiumBps = 2001;
            if (i == 14) r.incentiveBps = 2001;
            if (i == 15) r.insuranceBps = 10_001;
            if (i == 16) r.auctionTime = 59;
            if (i == 17) r.rescueTime = 1 days + 1;
            if (i == 18) r.strikeStep = 0;
            if (i == 19) r.maxTenor = 730 days + 1;
            if (i == 20) r.minSize = 0;
            if (i == 21) r.terms.window = 299;
            if (i == 22) r.terms.window = 301;
            if (i == 23) r.terms.observations = 15;
            if (i == 24) r.terms.toleranceBps = 1001;
            if (i == 25) r.terms.patience = 1799;
            if (i == 26) r.terms.challenge = 1 hours - 1;
            vm.prank(GOVERNANCE);
            vm.expectPartialRevert(IMarginPool.OutOfRange.selector);
            pool.setRules(r);
        }
        vm.prank(GOVERNANCE);
        pool.setRules(rulesOf());
        assertEq(abi.encode(pool.rules()), abi.encode(rulesOf()));
    }

    function test_the_volatility_moves_slowly_and_within_bounds() public {
        vm.warp(block.timestamp + 30 minutes);
        vm.startPrank(VOLATILITY);
        // 10 % in an hour: 0.03 in half of one.
        vm.expectRevert(
            abi.encodeWithSelector(
                IMarginPool.OutOfRange.selector, bytes32("volatility"), 0.63e18 + 1, 0.57e18, 0.63e18
            )
        );
        pool.setVolatility(0.63e18 + 1);
        pool.setVolatility(0.63e18);
        vm.expectRevert();
        pool.setVolatility(0.63e18 + 1);
        vm.warp(block.timestamp + 100 days);
        vm.expectRevert();
        pool.setVolatility(3e18 + 1);
        vm.expectRevert();
        pool.setVolatility(0.2e18 - 1);
        pool.setVolatility(0.2e18);
        vm.stopPrank();
        IMarginPool.Rules memory r = rulesOf();
        r.minVol = 1e18;
        vm.prank(GOVERNANCE);
        pool.setRules(r);
        vm.prank(VOLATILITY);
        pool.setVolatility(1e18);
        (uint64 value, uint40 at) = pool.volatility();
        assertEq(value, 1e18);
        assertEq(at, block.timestamp);
    }

    function test_a_guardians_pause_ends_by_itself() public {
        uint256 start = block.timestamp;
        trade(bob, alice, true, 3000e18, 1e18, 200e18);
        vm.startPrank(GUARDIAN);
        vm.expectRevert(IMarginPool.ZeroAmount.selector);
        pool.pause(0);
        vm.expectRevert(
            abi.encodeWithSelector(IMarginPool.PauseTooLong.selector, start + 1 days + 1, start + 1 days)
        );
        pool.pause(1 days + 1);
        pool.pause(1 days);
        vm.stopPrank();
        IMarginPool.Quote memory maker = quote(alice, false, true, 3000e18, 9e18, 200e18);
        IMarginPool.Quote memory taker = quote(bob, true, true, 3000e18, 9e18, 200e18);
        (bytes memory a, bytes memory b) = (sign(maker), sign(taker));
        vm.expectRevert(abi.encodeWithSelector(IMarginPool.IsPaused.selector, start + 1 days));
        pool.trade(maker, a, taker, b, 1e18);
        // Closing, adding and withdrawing go on.
        trade(alice, bob, true, 3000e18, 0.5e18, 200e18);
        vm.startPrank(alice);
        pool.lock(expiry, 1e6);
        pool.unlock(expiry, 1e6);
        pool.withdraw(1e6, alice, 1e6);
        vm.stopPrank();
        vm.warp(start + 1 days);
        trade(bob, alice, true, 3000e18, 1e18, 200e18);
        vm.startPrank(GUARDIAN);
        vm.expectRevert(
            abi.encodeWithSelector(IMarginPool.GuardianCoolingDown.selector, GUARDIAN, start + 8 days)
        );
        pool.pause(1);
        vm.warp(start + 8 days);
        pool.pause(1 days);
        vm.stopPrank();
        assertEq(pool.pausedUntil(), start + 9 days);
        vm.prank(GOVERNANCE);
        pool.unpause();
        assertEq(pool.pausedUntil(), start + 8 days);
        vm.prank(GOVERNANCE);
        pool.extendPause(uint48(start + 20 days));
        assertEq(pool.pausedUntil(), start + 20 days);
    }
}
