// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ProxyAdmin} from "@openzeppelin/contracts/proxy/transparent/ProxyAdmin.sol";

import {IMarginPool} from "contracts/interfaces/IMarginPool.sol";
import {IOracleGuard} from "contracts/interfaces/IOracleGuard.sol";
import {Assets} from "contracts/libraries/Assets.sol";
import {Roles} from "contracts/libraries/Roles.sol";
import {DeployMargin} from "script/DeployMargin.s.sol";
import {Fixture} from "tests/contracts/Fixture.sol";
import {FixedGuard} from "tests/contracts/mocks/FixedGuard.sol";

/// @notice The vault, and beside it a pool for options on ETH in a dollar of 6 decimals, with three traders.
abstract contract PoolFixture is Fixture {
    address internal immutable VOLATILITY = makeAddr("volatility");

    uint256 internal aliceKey;
    uint256 internal bobKey;
    uint256 internal carolKey;
    address internal alice;
    address internal bob;
    address internal carol;

    DeployMargin.Deployed internal margin;
    FixedGuard internal prices;
    IMarginPool internal pool;
    /// The first Friday 08:00 UTC that is more than 30 days away.
    uint40 internal expiry;
    uint64 private nonce;

    function deployPool() internal {
        deployVault();
        (alice, aliceKey) = makeAddrAndKey("alice");
        (bob, bobKey) = makeAddrAndKey("bob");
        (carol, carolKey) = makeAddrAndKey("carol");
        prices = new FixedGuard();
        DeployMargin script = new DeployMargin();
        margin = script.deploy(address(manager), address(registry), vault);
        vm.startPrank(GOVERNANCE);
        registry.register(
            address(margin.beacon), ProxyAdmin(address(margin.beacon)), 1, margin.implementation, bytes32(0)
        );
        bytes4[] memory create = new bytes4[](1);
        create[0] = margin.factory.create.selector;
        manager.setTargetFunctionRole(address(margin.factory), create, Roles.GOVERNANCE);
        manager.grantRole(Roles.VOLATILITY, VOLATILITY, 0);
        vm.stopPrank();
        pool = newPool(Assets.NATIVE, address(usd));
        expiry = uint40(((block.timestamp + 31 days) / 7 days + 1) * 7 days + 1 days + 8 hours);
        setPrice(3000e18);
    }

    function newPool(address underlying, address collateral) internal returns (IMarginPool made) {
        DeployMargin script = new DeployMargin();
        vm.startPrank(GOVERNANCE);
        made = IMarginPool(margin.factory.create(underlying, collateral, address(prices), 0.6e18, rulesOf()));
        manager.setTargetFunctionRole(address(made), script.governanceSelectors(), Roles.GOVERNANCE);
        manager.setTargetFunctionRole(address(made), script.guardianSelectors(), Roles.GUARDIAN);
        manager.setTargetFunctionRole(address(made), script.volatilitySelectors(), Roles.VOLATILITY);
        vm.stopPrank();
    }

    /// @dev As docs/margin.md proposes them for ETH.
    function rulesOf() internal pure returns (IMarginPool.Rules memory r) {
        (r.maxSpotBps, r.minSpotBps, r.maintenanceBps) = (1500, 1000, 750);
        (r.putMarkBps, r.unpairedBps, r.bufferBps) = (750, 12_000, 1000);
        (r.volStepBps, r.volLife, r.minVol, r.maxVol) = (1000, 6 hours, 0.2e18, 3e18);
        (r.feeBps, r.feeCapBps) = (3, 1250);
        (r.targetBps, r.premiumBps, r.incentiveBps, r.insuranceBps) = (5000, 100, 500, 5000);
        (r.auctionTime, r.rescueTime) = (15 minutes, 30 minutes);
        (r.strikeStep, r.maxTenor, r.minSize, r.maxNakedCalls) = (1e18, 400 days, 1e15, 100_000e18);
        r.terms = IMarginPool.Terms({
            window: 30 minutes, observations: 20, toleranceBps: 300, patience: 1 days, challenge: 1 days
        });
    }

    /// @dev Of one ETH, in dollars with 18 decimals.
    function setPrice(uint256 price) internal {
        setPrice(price, price);
    }

    function setPrice(uint256 lo, uint256 hi) internal {
        prices.set(Assets.NATIVE, lo, hi);
        prices.set(address(usd), 1e30, 1e30);
    }

    function fund(address account, uint256 amount) internal {
        fundIn(pool, account, amount);
    }

    function fundIn(IMarginPool in_, address account, uint256 amount) internal {
        usd.mint(account, amount);
        vm.startPrank(account);
        usd.approve(address(in_), amount);
        in_.deposit(amount, account);
        vm.stopPrank();
    }

    // ------------------------------------------------------------------------------------------------ trading

    function keyOf(address account) internal view returns (uint256) {
        return account == alice ? aliceKey : account == bob ? bobKey : carolKey;
    }

    function quote(address account, bool isBuy, bool isCall, uint256 strike, uint256 size, uint256 price)
        internal
        returns (IMarginPool.Quote memory)
    {
        return IMarginPool.Quote({
            account: account,
            expiry: expiry,
            strike: uint96(strike),
            isCall: isCall,
            isBuy: isBuy,
            size: uint128(size),
            price: uint128(price),
            nonce: ++nonce,
            deadline: uint40(block.timestamp + 1 hours)
        });
    }

    function sign(IMarginPool.Quote memory q) internal view returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(keyOf(q.account), pool.digestOf(q));
        return abi.encodePacked(r, s, v);
    }

    function matchQuotes(IMarginPool.Quote memory maker, IMarginPool.Quote memory taker, uint256 size)
        internal
    {
        (bytes memory a, bytes memory b) = (sign(maker), sign(taker));
        pool.trade(maker, a, taker, b, uint128(size));
    }

    /// @dev The seller is the maker.
    function trade(address buyer, address seller, bool isCall, uint256 strike, uint256 size, uint256 price)
        internal
    {
        matchQuotes(
            quote(seller, false, isCall, strike, size, price),
            quote(buyer, true, isCall, strike, size, price),
            size
        );
    }

    // --------------------------------------------------------------------------------------------- questions

    function marginOf(address account) internal view returns (uint256) {
        return pool.bookOf(account, expiry).margin;
    }

    function initialOf(address account) internal view returns (uint256 initial) {
        (initial,,,) = pool.valuationOf(account, expiry, IOracleGuard.Action.Liquidation);
    }

    function maintenanceOf(address account) internal view returns (uint256 maintenance) {
        (, maintenance,,) = pool.valuationOf(account, expiry, IOracleGuard.Action.Liquidation);
    }

    function sizeOf(address account, bool isCall, uint256 strike) internal view returns (int256) {
        IMarginPool.Leg[] memory legs = pool.bookOf(account, expiry).legs;
        for (uint256 i = 0; i < legs.length; ++i) {
            if (legs[i].isCall == isCall && legs[i].strike == strike) return legs[i].size;
        }
        return 0;
    }

    // --------------------------------------------------------------------------------------------- settlement

    /// @dev Writes the price into all parts of the window that ends `late` windows after expiry, and goes to its end.
    function observeAll(uint256 price, uint256 late) internal {
        setPrice(price);
        uint256 begin = expiry + late * 30 minutes - 30 minutes;
        for (uint256 i = 0; i < 30; ++i) {
            vm.warp(begin + i * 1 minutes);
            pool.observe(expiry);
        }
        vm.warp(begin + 30 minutes);
    }

    function settleAt(uint256 price) internal {
        observeAll(price, 0);
        pool.fixPrice(expiry);
        pool.collect(expiry, type(uint256).max);
    }

    function redeemIfOwed(address account) internal {
        if (pool.bookOf(account, expiry).credit != 0) pool.redeem(account, expiry);
    }
}
