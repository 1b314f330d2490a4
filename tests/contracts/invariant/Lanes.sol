// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IApprovers} from "contracts/interfaces/IApprovers.sol";
import {IVault} from "contracts/interfaces/IVault.sol";
import {Books} from "./Books.sol";

/// @notice What lanes may call, rightly and wrongly, and what happens when others try.
abstract contract Lanes is Books {
    /// @dev A batch to be, in either form.
    struct Order {
        address caller;
        address asset;
        uint64 first;
        bytes24 head;
        uint256 total;
        uint256 left; // in the float
        bytes refs;
        bool wrong;
        address[] recipients;
        uint256[] amounts;
    }

    uint256 private constant ANNOUNCE_DELAY = 1 days;
    uint256 private constant ANNOUNCEMENT_LIFE = 7 days;

    uint256[] private keys;
    address[] private signers;

    constructor() {
        // Ascending, as approvals must be.
        uint256[3] memory three = [uint256(0x1), 0x2, 0x3];
        for (uint256 i = 0; i < 3; ++i) {
            for (uint256 k = 0; k < 2; ++k) {
                if (vm.addr(three[k]) < vm.addr(three[k + 1])) continue;
                (three[k], three[k + 1]) = (three[k + 1], three[k]);
            }
        }
        for (uint256 i = 0; i < 3; ++i) {
            keys.push(three[i]);
            signers.push(vm.addr(three[i]));
        }
        vm.prank(GOVERNANCE);
        approvers.setApprovers(signers, 2);
    }

    function settle(uint256 by, uint256 which, uint256 count, uint256 seed, uint256 fault) external {
        Order memory o = _order(by, which, count, seed, fault);
        bytes32[] memory payouts = new bytes32[](o.recipients.length);
        for (uint256 i = 0; i < payouts.length; ++i) {
            payouts[i] = pack(o.recipients[i], uint96(o.amounts[i]));
        }
        bytes memory data =
            settlement(o.asset, positionAt(o.first, o.head), o.total, bytes32(seed), packed(payouts, o.refs));
        _above(o, limits[o.asset].instantPerPayout);
        if (_trySettle(o, data, true)) ++done[Verb.Settle];
    }

    function settleWide(uint256 by, uint256 which, uint256 count, uint256 seed, uint256 fault) external {
        Order memory o = _order(by, which, count, seed, fault);
        _above(o, limits[o.asset].instantPerPayout);
        if (_trySettle(o, abi.encodeCall(IVault.settleWide, (_wide(o))), true)) ++done[Verb.SettleWide];
    }

    function settleApproved(uint256 by, uint256 which, uint256 count, uint256 seed, uint256 fault) external {
        Order memory o = _order(by, which, count, seed, fault);
        IVault.Batch memory b = _wide(o);
        uint64 deadline = uint64(block.timestamp) + 1 hours;
        bytes32 digest = approvers.digest(
            IApprovers.Settlement({
                vault: address(vault),
                lane: o.caller,
                asset: b.asset,
                first: b.first,
                head: b.head,
                total: b.total,
                payouts: keccak256(abi.encode(b.payouts)),
                refs: keccak256(b.refs),
                deadline: deadline
            })
        );
        fault %= 20;
        IVault.Approval[] memory signed = new IVault.Approval[](fault == 8 ? 1 : 2);
        for (uint256 i = 0; i < signed.length; ++i) {
            uint256 of_ = fault == 9 ? i % 1 : seed % 2 + i;
            (uint8 v, bytes32 r, bytes32 s) = vm.sign(keys[of_], digest);
            signed[i] = IVault.Approval(signers[of_], abi.encodePacked(r, s, v));
        }
        // Too few, one twice, something else signed.
        if (fault == 10) deadline += 1;
        if (fault == 11) b.auditHead = bytes32(~seed);
        o.wrong = o.wrong || (fault >= 8 && fault <= 10);
        _above(o, limits[o.asset].approvedPerPayout);
        bytes memory data = abi.encodeCall(IVault.settleApproved, (b, deadline, signed));
        if (_trySettle(o, data, false)) ++done[Verb.SettleApproved];
    }

    function announce(uint256 by, uint256 which, uint256 to, uint256 amount, uint256 again) external {
        Announced memory a = Announced({
            id: 0,
            lane: again % 8 == 0 ? _person(by) : _lane(by),
            asset: _asset(which),
            recipient: _person(to),
            amount: _bound(amount, 0, vault.floatOf(_asset(which)) / 4 + 1),
            ref: bytes8(keccak256(abi.encode(again, to))),
            at: block.timestamp,
            vetoed: false
        });
        if (again % 8 == 1 && announced.length != 0) a = announced[amount % announced.length];
        a.id = vault.announcementId(a.lane, a.asset, a.recipient, a.amount, a.ref);
        vm.prank(a.lane);
        bool ok = _call(abi.encodeCall(IVault.announce, (a.asset, a.recipient, a.amount, a.ref)), 0);
        uint256 known = announcedAt[a.id];
        bool open = known == 0 || (!announced[known - 1].vetoed && !_stands(announced[known - 1]));
        assertEq(ok, _isLane(a.lane) && !unlisted[a.asset] && a.amount != 0 && open, "announce");
        if (!ok) return;
        a.at = block.timestamp;
        if (known == 0) {
            announced.push(a);
            announcedAt[a.id] = announced.length;
        } else {
            announced[known - 1] = a;
        }
        ++done[Verb.Announce];
    }

    function settleAnnounced(uint256 by, uint256 seed, uint256 count, uint256 fault) external {
        if (announced.length == 0) return;
        if (fault % 8 != 0) seed = _payableFrom(seed);
        Announced memory some = announced[seed % announced.length];
        Order memory o;
        (o.caller, o.asset) = (fault % 16 == 15 ? _lane(by) : some.lane, some.asset);
        o.left = vault.floatOf(o.asset);
        count = _bound(count, 1, 3);
        (o.recipients, o.amounts) = (new address[](count), new uint256[](count));
        bytes32[] memory ids = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) {
            uint256 at = (seed + i * (fault % 4)) % announced.length;
            Announced memory a = announced[at];
            (o.recipients[i], o.amounts[i]) = (a.recipient, a.amount);
            o.refs = bytes.concat(o.refs, a.ref);
            o.total += a.amount;
            ids[i] = vault.announcementId(o.caller, o.asset, a.recipient, a.amount, a.ref);
            for (uint256 k = 0; k < i; ++k) {
                if (ids[k] == ids[i]) o.wrong = true;
            }
            uint256 known = announcedAt[ids[i]];
            if (known == 0 || !_isPayable(announced[known - 1])) o.wrong = true;
        }
        if (o.total > o.left) o.wrong = true;
        _spoil(o, fault);
        if (!_trySettle(o, abi.encodeCall(IVault.settleAnnounced, (_wide(o))), false)) return;
        for (uint256 i = 0; i < count; ++i) {
            announced[announcedAt[ids[i]] - 1].at = 0;
        }
        ++done[Verb.SettleAnnounced];
    }

    function settleRequests(uint256 by, uint256 which, uint256 count, uint256 seed, uint256 fault) external {
        if (asked.length == 0) return;
        address asset = asked[which % asked.length].request.asset;
        address caller = fault % 8 == 0 ? _person(by) : _lane(by);
        count = _bound(count, 1, 6);
        // Any of them: open, paid, cancelled; the same one twice; now and then of another asset, or altered.
        IVault.Request[] memory requests = new IVault.Request[](count);
        bool wrongAsset;
        for (uint256 i = 0; i < count; ++i) {
            requests[i] = asked[_pickOf(asset, seed, i, fault)].request;
            if (fault % 8 == 1 && i == 0) requests[i].amount += 1;
            if (requests[i].asset != asset) wrongAsset = true;
        }
        (uint256[] memory expected, uint256 total) = _expected(requests);
        uint256[] memory before = _receivedAll(asset);
        bool fits = _fits(asset, total, false);
        bool stopped = !_isLane(caller) || wrongAsset || _paused(IVault.Scope.Requests, asset) || !fits;
        vm.prank(caller);
        bool ok = _call(abi.encodeCall(IVault.settleRequests, (asset, bytes32(seed), requests)), 0);
        bool paid = _outcome(ok, asset, total, IVault.Scope.Requests) == Outcome.Done;
        if (stopped) assertFalse(paid, "settleRequests");
        else if (asset != address(moody)) assertTrue(paid, "settleRequests is refused");
        _assertReceived(asset, before, expected, paid);
        if (!paid) return;
        _left(asset, total, false);
        owed[asset] -= total;
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
        count = uint64(fault % 8 == 1 ? _bound(count, 65_536, type(uint64).max) : _bound(count, 1, 3));
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

    function sweep(uint256 by, uint256 which, uint256 amount, uint256 fault) external {
        (address caller, address asset) = (fault % 8 == 0 ? _person(by) : _lane(by), _asset(which));
        uint256 surplus = vault.treasuryOf(asset).surplus;
        amount = _bound(amount, 0, surplus + surplus / 8 + 1);
        vm.prank(caller);
        bool ok = _call(abi.encodeCall(IVault.sweep, (asset, amount)), 0);
        bool right =
            _isLane(caller) && amount != 0 && amount <= surplus && !_paused(IVault.Scope.Everything, asset);
        if (!right) assertFalse(ok, "swept");
        else if (asset != address(moody)) assertTrue(ok, "a sweep was refused");
        if (!ok) return;
        swept[asset] += amount;
        coldBalance[asset] += amount;
        ++done[Verb.Sweep];
    }

    // ---------------------------------------------------------------------------------------------- helpers

    /// @dev A batch within the float, to anybody, and mostly within the limits; one in three is wrong in one way.
    function _order(uint256 by, uint256 which, uint256 count, uint256 seed, uint256 fault)
        private
        view
        returns (Order memory o)
    {
        (o.caller, o.asset) = (_lane(by), _asset(which));
        o.left = vault.floatOf(o.asset);
        count = fault % 20 == 0 ? 0 : _bound(count, 1, 6);
        uint256 most = o.left / (count + 1);
        if (seed % 4 != 0 && limits[o.asset].capacity / 16 < most) most = limits[o.asset].capacity / 16;
        (o.recipients, o.amounts) = (new address[](count), new uint256[](count));
        for (uint256 i = 0; i < count; ++i) {
            uint256 r = uint256(keccak256(abi.encode(seed, i)));
            o.recipients[i] = _person(r);
            // Amount 0 is a void number.
            o.amounts[i] = r % 7 == 0 ? 0 : (r >> 128) % (most + 1);
            o.total += o.amounts[i];
        }
        o.refs = new bytes(8 * count);
        _spoil(o, fault);
    }

    function _spoil(Order memory o, uint256 fault) private view {
        fault %= 20;
        Numbered storage l = lanes[o.caller];
        (o.first, o.head) = (l.next, l.head);
        if (fault == 1) o.first += 1;
        if (fault == 2) o.head = bytes24(keccak256(abi.encode(o.head)));
        if (fault == 3) o.total += 1;
        if (fault == 4) o.refs = bytes.concat(o.refs, "x");
        if (fault == 5) {
            o.amounts[0] += o.left + 1;
            o.total += o.left + 1;
        }
        if (fault == 6) o.caller = _person(o.total);
        if (fault == 7) o.first = 1;
        // A lane that stands at 1 is told nothing wrong by fault 7.
        o.wrong = o.wrong || o.amounts.length == 0 || (fault > 0 && fault < 7) || (fault == 7 && l.next != 1);
    }

    function _above(Order memory o, uint256 most) private pure {
        for (uint256 i = 0; i < o.amounts.length; ++i) {
            if (o.amounts[i] > most) o.wrong = true;
        }
    }

    function _wide(Order memory o) private pure returns (IVault.Batch memory) {
        IVault.Payout[] memory payouts = new IVault.Payout[](o.recipients.length);
        for (uint256 i = 0; i < payouts.length; ++i) {
            payouts[i] = IVault.Payout(o.recipients[i], o.amounts[i]);
        }
        return IVault.Batch(o.asset, o.first, o.head, o.total, keccak256(o.refs), payouts, o.refs);
    }

    function _trySettle(Order memory o, bytes memory data, bool instant) private returns (bool paid) {
        uint256[] memory expected = new uint256[](people.length);
        for (uint256 i = 0; i < o.recipients.length; ++i) {
            expected[_indexOf(o.recipients[i])] += o.amounts[i];
        }
        uint256[] memory before = _receivedAll(o.asset);
        bool fits = _fits(o.asset, o.total, instant);
        bool stopped = _paused(IVault.Scope.Orders, o.asset) || unlisted[o.asset] || !_isLane(o.caller);
        vm.prank(o.caller);
        bool ok = _call(data, 0);
        paid = _outcome(ok, o.asset, o.total, IVault.Scope.Orders) == Outcome.Done;
        if (o.wrong || stopped || !fits) assertFalse(paid, "a wrong batch was settled");
        else if (o.asset != address(moody)) assertTrue(paid, "a right batch was refused");
        if (!o.wrong && !stopped && !fits && !ok) ++done[Verb.AboveLimit];
        _assertReceived(o.asset, before, expected, paid);
        if (!paid) return false;
        _left(o.asset, o.total, instant);
        _moved(o.caller, uint64(o.recipients.length), data);
    }

    function _stands(Announced memory a) private view returns (bool) {
        return a.at != 0 && a.at >= lanes[a.lane].enabledSince
            && block.timestamp < a.at + ANNOUNCE_DELAY + ANNOUNCEMENT_LIFE;
    }

    function _isPayable(Announced memory a) private view returns (bool) {
        return _stands(a) && !a.vetoed && block.timestamp >= a.at + ANNOUNCE_DELAY;
    }

    /// @dev One that is due, if there is one.
    function _payableFrom(uint256 seed) private view returns (uint256 at) {
        for (uint256 i = 0; i < announced.length; ++i) {
            at = (seed % announced.length + i) % announced.length;
            Announced memory a = announced[at];
            if (_isPayable(a) && a.amount <= vault.floatOf(a.asset) && _isLane(a.lane)) return at;
        }
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

    /// @dev What each person must get of these requests, and all of them; each open one counts once.
    function _expected(IVault.Request[] memory requests)
        private
        view
        returns (uint256[] memory expected, uint256 total)
    {
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
            if (again) continue;
            expected[_indexOf(a.request.recipient)] += a.request.amount;
            total += a.request.amount;
        }
    }
}
