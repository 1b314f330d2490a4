// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IVault} from "contracts/interfaces/IVault.sol";
import {Assets} from "contracts/libraries/Assets.sol";
import {Fixture} from "tests/contracts/Fixture.sol";
import {GasBurner, Reentrant, ReturnBomb, Reverter} from "tests/contracts/mocks/Recipients.sol";
import {MoodyToken, PlainToken} from "tests/contracts/mocks/Tokens.sol";

/// @notice Calls everything that the vault offers, rightly and wrongly, as everybody, and keeps books of its own from
/// what it sees outside: what people hold, and which calls the vault took. A call that the books say must fail, or
/// must not, is checked here; what must hold between calls is checked by VaultInvariants.
contract VaultHandler is Fixture {
    enum Verb {
        Deposit,
        TopUp,
        Request,
        Cancel,
        ForceExit,
        Claim,
        Settle,
        SettleWide,
        SettleRequests,
        Void,
        Replay,
        Pause,
        Govern,
        Warp
    }

    uint256 public constant VERBS = 14;

    struct Numbered {
        uint64 next;
        bytes24 head;
        bytes last; // calldata of the last call that moved the lane
    }

    struct Asked {
        IVault.Request request;
        bool open;
        uint256 paid; // times
    }

    mapping(Verb => uint256) public done;
    /// What ever came into the vault.
    mapping(address asset => uint256) public sumIn;
    mapping(address asset => mapping(address account => uint256)) public balances;
    mapping(address lane => Numbered) private lanes;
    mapping(address lane => mapping(uint64 number => uint256)) public settledTimes;
    mapping(IVault.Scope => uint256) private pauseEnds;
    mapping(address asset => uint256) private assetPauseEnds;
    mapping(address lane => bool) private disabled;
    mapping(address asset => bool) private unlisted;
    Asked[] private asked;
    /// Everybody who may hold money outside the vault.
    address[] public people;
    address[] public assets;

    constructor() {
        deployVault();
        assets = [Assets.NATIVE, address(dai), address(usd), address(moody)];
        people = [
            makeAddr("alice"),
            makeAddr("bob"),
            address(new Reverter()),
            address(new GasBurner()),
            address(new ReturnBomb()),
            address(new Reentrant())
        ];
        Reentrant(payable(people[5]))
            .setReentry(address(vault), abi.encodeCall(IVault.claim, (Assets.NATIVE, people[5])));
        for (uint256 i = 0; i < 2; ++i) {
            address lane = _lane(i);
            (, lanes[lane].next, lanes[lane].head) = vault.laneOf(lane);
        }
    }

    // ------------------------------------------------------------------------------- what people may call

    function deposit(uint256 who, uint256 which, uint256 amount) external {
        (address account, address asset) = (_person(who), _asset(which));
        amount = bound(amount, 0, 1e24);
        give(asset, account, amount);
        bool paused = _paused(IVault.Scope.Deposits, asset);
        vm.startPrank(account);
        if (asset != Assets.NATIVE) approve(asset, amount);
        bool ok = _call(
            abi.encodeCall(IVault.deposit, (asset, amount, account)), asset == Assets.NATIVE ? amount : 0
        );
        vm.stopPrank();
        bool blocked = asset == address(usd) && (usd.isBlocked(account));
        assertEq(ok, amount != 0 && !paused && !unlisted[asset] && !blocked, "deposit");
        if (!ok) {
            _takeBack(asset, account, amount);
            return;
        }
        balances[asset][account] += amount;
        sumIn[asset] += amount;
        ++done[Verb.Deposit];
    }

    function topUp(uint256 which, uint256 amount) external {
        address asset = _asset(which);
        amount = bound(amount, 0, 1e24);
        give(asset, address(vault), amount);
        sumIn[asset] += amount;
        ++done[Verb.TopUp];
    }

    function request(uint256 who, uint256 which, uint256 amount, uint256 to) external {
        (address owner, address asset, address recipient) = (_person(who), _asset(which), _person(to));
        uint256 balance = balances[asset][owner];
        // One too many, now and then.
        amount = bound(amount, 0, balance + balance / 8 + 1);
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
        // A token that takes too much stops its payments: that is its own fault.
        bool due = a.open && caller == r.owner && block.timestamp >= r.createdAt + EXIT_DELAY
            && !_paused(IVault.Scope.Requests, r.asset) && !_takesTooMuch(r.asset, r.recipient);
        assertEq(ok, due, "forceExit");
        assertEq(_received(r.asset, r.recipient) - before, ok ? r.amount : 0, "paid or claimable");
        if (!ok) return;
        a.open = false;
        ++a.paid;
        ++done[Verb.ForceExit];
    }

    function claim(uint256 who, uint256 which, uint256 to) external {
        (address account, address asset, address recipient) = (_person(who), _asset(which), _person(to));
        uint256 amount = vault.claimOf(asset, account);
        uint256 before = _held(asset, recipient);
        vm.prank(account);
        bool ok = _call(abi.encodeCall(IVault.claim, (asset, recipient)), 0);
        if (amount == 0 || _paused(IVault.Scope.Everything, asset)) assertFalse(ok, "claim");
        assertEq(_held(asset, recipient) - before, ok ? amount : 0, "a claim is paid whole or not at all");
        assertEq(vault.claimOf(asset, account), ok ? 0 : amount, "a claim is paid once");
        if (ok) ++done[Verb.Claim];
    }

    // -------------------------------------------------------------------------------- what lanes may call

    function settle(uint256 by, uint256 which, uint256 count, uint256 seed, uint256 fault) external {
        Order memory o = _order(by, which, count, seed, fault);
        bytes32[] memory payouts = new bytes32[](o.recipients.length);
        for (uint256 i = 0; i < payouts.length; ++i) {
            payouts[i] = pack(o.recipients[i], uint96(o.amounts[i]));
        }
        bytes memory data = abi.encodeCall(
            IVault.settle, (o.asset, o.first, o.head, o.total, bytes32(seed), payouts, new bytes(o.refs))
        );
        if (_trySettle(o, data)) ++done[Verb.Settle];
    }

    function settleWide(uint256 by, uint256 which, uint256 count, uint256 seed, uint256 fault) external {
        Order memory o = _order(by, which, count, seed, fault);
        IVault.Payout[] memory payouts = new IVault.Payout[](o.recipients.length);
        for (uint256 i = 0; i < payouts.length; ++i) {
            payouts[i] = IVault.Payout(o.recipients[i], o.amounts[i]);
        }
        bytes memory data = abi.encodeCall(
            IVault.settleWide,
            (IVault.Batch(o.asset, o.first, o.head, o.total, bytes32(seed), payouts, new bytes(o.refs)))
        );
        if (_trySettle(o, data)) ++done[Verb.SettleWide];
    }

    function settleRequests(uint256 by, uint256 which, uint256 count, uint256 seed, uint256 fault) external {
        if (asked.length == 0) return;
        address asset = asked[which % asked.length].request.asset;
        address caller = fault % 8 == 0 ? _person(by) : _lane(by);
        count = bound(count, 1, 6);
        // Any of them: open, paid, cancelled; the same one twice; now and then of another asset, or altered.
        IVault.Request[] memory requests = new IVault.Request[](count);
        bool wrongAsset;
        for (uint256 i = 0; i < count; ++i) {
            requests[i] = asked[_pickOf(asset, seed, i, fault)].request;
            if (fault % 8 == 1 && i == 0) requests[i].amount += 1;
            if (requests[i].asset != asset) wrongAsset = true;
        }
        uint256[] memory expected = _expected(requests);
        uint256[] memory before = _receivedAll(asset);
        vm.prank(caller);
        bool ok = _call(abi.encodeCall(IVault.settleRequests, (asset, bytes32(seed), requests)), 0);
        bool stopped = _paused(IVault.Scope.Requests, asset);
        if (!_isLane(caller) || wrongAsset || stopped) assertFalse(ok, "settleRequests");
        else if (asset != address(moody)) assertTrue(ok, "settleRequests is refused");
        _assertReceived(asset, before, expected, ok);
        if (!ok) return;
        for (uint256 i = 0; i < count; ++i) {
            Asked storage a = asked[requests[i].id - 1];
            if (!a.open || requests[i].amount != a.request.amount) continue;
            a.open = false;
            ++a.paid;
        }
        ++done[Verb.SettleRequests];
    }

    function voidNumbers(uint256 by, uint256 of_, uint64 count, uint256 fault) external {
        (address caller, address lane) = (fault % 8 == 0 ? _person(by) : _lane(by), _lane(of_));
        Numbered storage l = lanes[lane];
        count = uint64(fault % 8 == 1 ? bound(count, 65_536, type(uint64).max) : bound(count, 1, 3));
        uint64 first = fault % 8 == 2 ? l.next + 1 : l.next;
        bytes memory data = abi.encodeCall(IVault.voidNumbers, (lane, first, l.head, count));
        vm.prank(caller);
        bool ok = _call(data, 0);
        assertEq(ok, fault % 8 > 2 && _isLane(caller), "voidNumbers");
        if (!ok) return;
        _moved(lane, count, data);
        ++done[Verb.Void];
    }

    /// @notice What was settled or voided last, once more: it must never pass.
    function replay(uint256 of_, uint256 by) external {
        bytes memory data = lanes[_lane(of_)].last;
        if (data.length == 0) return;
        vm.prank(_lane(by));
        assertFalse(_call(data, 0), "replayed");
        ++done[Verb.Replay];
    }

    // -------------------------------------------------------------------- guardians, governance, the world

    function pause(uint256 by, uint256 what, uint256 duration) external {
        address guardian = by % 2 == 0 ? GUARDIAN : OTHER_GUARDIAN;
        uint32 d = uint32(bound(duration, 1 minutes, MAX_PAUSE / 4));
        uint256 end = block.timestamp + d;
        if (what % 3 == 0) {
            address asset = _asset(what / 3);
            vm.prank(guardian);
            if (!_call(abi.encodeCall(IVault.pauseAsset, (asset, d)), 0)) return;
            if (end > assetPauseEnds[asset]) assetPauseEnds[asset] = end;
        } else {
            IVault.Scope scope = IVault.Scope((what / 3) % 5);
            vm.prank(guardian);
            if (!_call(abi.encodeCall(IVault.pause, (scope, d)), 0)) return;
            if (end > pauseEnds[scope]) pauseEnds[scope] = end;
        }
        ++done[Verb.Pause];
    }

    /// @notice Mostly to mend: what guardians stopped goes on.
    function govern(uint256 what, uint256 which) external {
        (IVault.Scope scope, address asset, address lane) =
            (IVault.Scope(which % 5), _asset(which), _lane(which));
        uint256 choice = what % 8;
        if (choice < 2) {
            pauseEnds[scope] = block.timestamp;
            _govern(abi.encodeCall(IVault.unpause, (scope)));
        } else if (choice < 4) {
            assetPauseEnds[asset] = block.timestamp;
            _govern(abi.encodeCall(IVault.unpauseAsset, (asset)));
        } else if (choice == 4) {
            if (disabled[lane]) return;
            disabled[lane] = true;
            vm.prank(GUARDIAN);
            assertTrue(_call(abi.encodeCall(IVault.disableLane, (lane)), 0));
        } else if (choice < 7) {
            if (!disabled[lane]) return;
            disabled[lane] = false;
            _govern(abi.encodeCall(IVault.enableLane, (lane)));
        } else {
            unlisted[asset] = !unlisted[asset];
            IVault.AssetConfig memory c = IVault.AssetConfig(!unlisted[asset], TOKEN_GAS, 1);
            _govern(abi.encodeCall(IVault.configureAsset, (asset, c)));
        }
        ++done[Verb.Govern];
    }

    function changeTokens(uint256 mood, uint256 who, bool blocked) external {
        moody.setMood(MoodyToken.Mood(mood % 9));
        moody.setReentry(address(vault), abi.encodeCall(IVault.claim, (address(moody), msg.sender)));
        usd.setBlocked(_person(who), blocked);
    }

    function warp(uint256 by) external {
        vm.warp(block.timestamp + bound(by, 1, 12 hours));
        ++done[Verb.Warp];
    }

    // -------------------------------------------------------------------------------------------- the books

    function vaultAddress() external view returns (address payable) {
        return payable(address(vault));
    }

    function counts() external view returns (uint256 people_, uint256 assets_, uint256 asked_) {
        return (people.length, assets.length, asked.length);
    }

    function askedAt(uint256 i) external view returns (Asked memory) {
        return asked[i];
    }

    function laneBooks(uint256 i) external view returns (address lane, uint64 next, bytes24 head) {
        lane = _lane(i);
        return (lane, lanes[lane].next, lanes[lane].head);
    }

    // ---------------------------------------------------------------------------------------------- helpers

    struct Order {
        address caller;
        address asset;
        uint64 first;
        bytes24 head;
        uint256 total;
        uint256 refs;
        bool wrong;
        address[] recipients;
        uint256[] amounts;
    }

    /// @dev A batch within the float, to anybody; one in three is wrong in one way.
    function _order(uint256 by, uint256 which, uint256 count, uint256 seed, uint256 fault)
        private
        view
        returns (Order memory o)
    {
        fault %= 20;
        (o.caller, o.asset) = (_lane(by), _asset(which));
        Numbered storage l = lanes[o.caller];
        (o.first, o.head) = (l.next, l.head);
        uint256 left = vault.floatOf(o.asset);
        count = fault == 0 ? 0 : bound(count, 1, 6);
        (o.recipients, o.amounts) = (new address[](count), new uint256[](count));
        for (uint256 i = 0; i < count; ++i) {
            uint256 r = uint256(keccak256(abi.encode(seed, i)));
            o.recipients[i] = _person(r);
            // Amount 0 is a void number.
            o.amounts[i] = r % 7 == 0 ? 0 : (r >> 128) % (left / count + 1);
            o.total += o.amounts[i];
        }
        o.refs = 8 * count;
        if (fault == 1) o.first += 1;
        if (fault == 2) o.head = bytes24(keccak256(abi.encode(o.head)));
        if (fault == 3) o.total += 1;
        if (fault == 4) o.refs += 1;
        if (fault == 5) {
            o.amounts[0] += left + 1;
            o.total += left + 1;
        }
        if (fault == 6) o.caller = _person(seed);
        if (fault == 7) o.first = 1;
        // A lane that stands at 1 is told nothing wrong by fault 7.
        o.wrong = fault < 7 || (fault == 7 && l.next != 1);
    }

    function _trySettle(Order memory o, bytes memory data) private returns (bool ok) {
        uint256[] memory expected = new uint256[](people.length);
        for (uint256 i = 0; i < o.recipients.length; ++i) {
            expected[_indexOf(o.recipients[i])] += o.amounts[i];
        }
        uint256[] memory before = _receivedAll(o.asset);
        vm.prank(o.caller);
        ok = _call(data, 0);
        bool stopped = _paused(IVault.Scope.Orders, o.asset) || unlisted[o.asset] || !_isLane(o.caller);
        if (o.wrong || stopped) assertFalse(ok, "a wrong batch was settled");
        else if (o.asset != address(moody)) assertTrue(ok, "a right batch was refused");
        _assertReceived(o.asset, before, expected, ok);
        if (ok) _moved(o.caller, uint64(o.recipients.length), data);
    }

    function _moved(address lane, uint64 count, bytes memory data) private {
        Numbered storage l = lanes[lane];
        for (uint64 i = 0; i < count; ++i) {
            ++settledTimes[lane][l.next + i];
        }
        l.next += count;
        l.head = bytes24(keccak256(data));
        l.last = data;
    }

    function _pickOf(address asset, uint256 seed, uint256 i, uint256 fault)
        private
        view
        returns (uint256 at)
    {
        at = uint256(keccak256(abi.encode(seed, i))) % asked.length;
        if (fault % 8 == 2) return at;
        for (uint256 tries = 0; tries < asked.length; ++tries) {
            if (asked[at].request.asset == asset) return at;
            at = (at + 1) % asked.length;
        }
    }

    /// @dev What each person must get of these requests; each open one counts once.
    function _expected(IVault.Request[] memory requests) private view returns (uint256[] memory expected) {
        expected = new uint256[](people.length);
        for (uint256 i = 0; i < requests.length; ++i) {
            Asked storage a = asked[requests[i].id - 1];
            if (!a.open || requests[i].amount != a.request.amount) continue;
            bool again;
            for (uint256 k = 0; k < i; ++k) {
                if (requests[k].id == requests[i].id && requests[k].amount == requests[i].amount) {
                    again = true;
                }
            }
            if (!again) expected[_indexOf(a.request.recipient)] += a.request.amount;
        }
    }

    /// @dev Each person holds more by what was owed to him, or may claim it; nobody got more, or anything from a
    /// call that failed.
    function _assertReceived(address asset, uint256[] memory before, uint256[] memory expected, bool ok)
        private
        view
    {
        for (uint256 i = 0; i < people.length; ++i) {
            uint256 got = _received(asset, people[i]) - before[i];
            assertEq(got, ok ? expected[i] : 0, "paid or claimable, once");
        }
    }

    function _received(address asset, address account) private view returns (uint256) {
        return _held(asset, account) + vault.claimOf(asset, account);
    }

    function _receivedAll(address asset) private view returns (uint256[] memory all) {
        all = new uint256[](people.length);
        for (uint256 i = 0; i < all.length; ++i) {
            all[i] = _received(asset, people[i]);
        }
    }

    function _held(address asset, address account) private view returns (uint256) {
        return Assets.balanceOf(asset, account);
    }

    function _takesTooMuch(address asset, address recipient) private view returns (bool) {
        return
            asset == address(moody) && moody.mood() == MoodyToken.Mood.TakesDouble && recipient != address(0);
    }

    function _takeBack(address asset, address account, uint256 amount) private {
        if (asset == Assets.NATIVE) {
            vm.deal(account, account.balance - amount);
            return;
        }
        vm.prank(account);
        if (asset == address(usd)) usd.burn(amount);
        else PlainToken(asset).burn(amount);
    }

    function _govern(bytes memory data) private {
        vm.prank(GOVERNANCE);
        assertTrue(_call(data, 0), "governance was refused");
    }

    function _call(bytes memory data, uint256 value) private returns (bool ok) {
        (ok,) = address(vault).call{value: value}(data);
    }

    function _paused(IVault.Scope scope, address asset) private view returns (bool) {
        return block.timestamp < pauseEnds[IVault.Scope.Everything] || block.timestamp < pauseEnds[scope]
            || block.timestamp < assetPauseEnds[asset];
    }

    function _isLane(address account) private view returns (bool) {
        return (account == LANE || account == OTHER_LANE) && !disabled[account];
    }

    function _lane(uint256 seed) private view returns (address) {
        return seed % 2 == 0 ? LANE : OTHER_LANE;
    }

    function _person(uint256 seed) private view returns (address) {
        return people[seed % people.length];
    }

    function _asset(uint256 seed) private view returns (address) {
        return assets[seed % assets.length];
    }

    function _indexOf(address person) private view returns (uint256) {
        for (uint256 i = 0; i < people.length; ++i) {
            if (people[i] == person) return i;
        }
        revert("nobody");
    }
}
