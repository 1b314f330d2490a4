// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IOracleGuard} from "contracts/interfaces/IOracleGuard.sol";
import {IVault} from "contracts/interfaces/IVault.sol";
import {Assets} from "contracts/libraries/Assets.sol";
import {MoodyToken} from "tests/contracts/mocks/Tokens.sol";
import {Books} from "./Books.sol";

/// @notice What anybody may call, and the world around.
abstract contract People is Books {
    function deposit(uint256 who, uint256 which, uint256 amount) external {
        (address account, address asset) = (_person(who), _asset(which));
        amount = _bound(amount, 0, 1e24);
        give(asset, account, amount);
        vm.startPrank(account);
        if (asset != Assets.NATIVE) approve(asset, amount);
        bool ok = _call(
            abi.encodeCall(IVault.deposit, (asset, amount, account)), asset == Assets.NATIVE ? amount : 0
        );
        vm.stopPrank();
        bool blocked = asset == address(usd) && (usd.isBlocked(account));
        bool expected = amount != 0 && !_paused(IVault.Scope.Deposits, asset) && !unlisted[asset] && !blocked;
        assertEq(ok, expected, "deposit");
        if (!ok) {
            _takeBack(asset, account, amount);
            return;
        }
        balances[asset][account] += amount;
        owed[asset] += amount;
        sumIn[asset] += amount;
        ++done[Verb.Deposit];
    }

    function topUp(uint256 which, uint256 amount) external {
        address asset = _asset(which);
        amount = _bound(amount, 0, 1e24);
        give(asset, address(vault), amount);
        sumIn[asset] += amount;
        ++done[Verb.TopUp];
    }

    function refill(uint256 which, uint256 amount) external {
        address asset = _asset(which);
        amount = _bound(amount, 0, 1e22);
        address from = makeAddr("treasurer");
        give(asset, from, amount);
        vm.startPrank(from);
        if (asset != Assets.NATIVE) approve(asset, amount);
        bool ok = _call(abi.encodeCall(IVault.refill, (asset, amount)), asset == Assets.NATIVE ? amount : 0);
        vm.stopPrank();
        assertEq(ok, amount != 0 && !unlisted[asset], "refill");
        if (!ok) {
            _takeBack(asset, from, amount);
            return;
        }
        sumIn[asset] += amount;
        coldBalance[asset] = coldBalance[asset] > amount ? coldBalance[asset] - amount : 0;
        ++done[Verb.Refill];
    }

    function request(uint256 who, uint256 which, uint256 amount, uint256 to) external {
        (address owner, address asset, address recipient) = (_person(who), _asset(which), _person(to));
        uint256 balance = balances[asset][owner];
        // One too many, now and then.
        amount = _bound(amount, 0, balance + balance / 8 + 1);
        vm.prank(owner);
        bool ok = _call(abi.encodeCall(IVault.request, (asset, amount, recipient)), 0);
        assertEq(ok, amount != 0 && amount <= balance, "request");
        if (!ok) return;
        balances[asset][owner] -= amount;
        uint64 id = uint64(asked.length + 1);
        assertEq(vault.lastRequestId(), id, "request ids are counted");
        asked.push(
            Asked(IVault.Request(id, owner, asset, recipient, amount, uint64(block.timestamp)), true, 0)
        );
        ++done[Verb.Request];
    }

    function cancel(uint256 which, uint256 by) external {
        if (asked.length == 0) return;
        Asked storage a = asked[which % asked.length];
        address caller = by % 8 == 0 ? _person(by / 8) : a.request.owner;
        vm.prank(caller);
        bool ok = _call(abi.encodeCall(IVault.cancel, (a.request)), 0);
        assertEq(ok, a.open && caller == a.request.owner, "cancel");
        if (!ok) return;
        a.open = false;
        balances[a.request.asset][a.request.owner] += a.request.amount;
        ++done[Verb.Cancel];
    }

    function forceExit(uint256 which, uint256 by) external {
        if (asked.length == 0) return;
        Asked storage a = asked[which % asked.length];
        IVault.Request memory r = a.request;
        address caller = by % 8 == 0 ? _person(by / 8) : r.owner;
        uint256 before = _received(r.asset, r.recipient);
        vm.prank(caller);
        bool ok = _call(abi.encodeCall(IVault.forceExit, (r)), 0);
        // No limit stops it.
        bool due = a.open && caller == r.owner && block.timestamp >= r.createdAt + EXIT_DELAY
            && !_paused(IVault.Scope.Requests, r.asset) && !_takesTooMuch(r.asset, r.amount);
        assertEq(ok, due, "forceExit");
        assertEq(_received(r.asset, r.recipient) - before, ok ? r.amount : 0, "paid or claimable");
        if (!ok) return;
        a.open = false;
        ++a.paid;
        owed[r.asset] -= r.amount;
        ++done[Verb.ForceExit];
    }

    function claim(uint256 who, uint256 which, uint256 to) external {
        (address account, address asset, address recipient) = (_person(who), _asset(which), _person(to));
        uint256 amount = vault.claimOf(asset, account);
        uint256 before = Assets.balanceOf(asset, recipient);
        vm.prank(account);
        bool ok = _call(abi.encodeCall(IVault.claim, (asset, recipient)), 0);
        if (amount == 0 || _paused(IVault.Scope.Everything, asset)) assertFalse(ok, "claim");
        assertEq(Assets.balanceOf(asset, recipient) - before, ok ? amount : 0, "paid whole or not at all");
        assertEq(vault.claimOf(asset, account), ok ? 0 : amount, "a claim is paid once");
        if (ok) ++done[Verb.Claim];
    }

    function poke(uint256 which, uint256 what, uint256 price) external {
        address asset = _asset(which);
        price = _bound(price, 0, 100e18);
        if (what % 8 == 0) {
            guard.fail(asset);
        } else {
            guard.set(
                asset, what % 8 == 1 ? IOracleGuard.Verdict.Insane : IOracleGuard.Verdict.Healthy, price
            );
        }
        bool sane = vault.poke(asset);
        assertEq(sane, what % 8 > 1 && price != 0 && !unlisted[asset], "poke");
        ++done[Verb.Poke];
    }

    function changeTokens(uint256 mood, uint256 who, bool blocked) external {
        moody.setMood(MoodyToken.Mood(mood % 9));
        moody.setReentry(address(vault), abi.encodeCall(IVault.claim, (address(moody), msg.sender)));
        usd.setBlocked(_person(who), blocked);
    }

    function warp(uint256 by) external {
        vm.warp(block.timestamp + _bound(by, 1, 12 hours));
        ++done[Verb.Warp];
    }
}
