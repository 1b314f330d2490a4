// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IApprovers} from "../interfaces/IApprovers.sol";
import {IVault} from "../interfaces/IVault.sol";
import {Words} from "../libraries/Words.sol";
import {Announcements} from "./Announcements.sol";
import {Depositors} from "./Depositors.sol";

/// @notice A lane's life: batches of orders in three tiers, requests, voids. See {IVault}.
abstract contract Orders is Depositors, Announcements {
    using Words for Words.Gates;
    using Words for Words.Hot;
    using Words for Words.Limits;

    /// @dev A void can only refuse, but a lane has only 2^56 numbers: a mad keeper must not burn them all.
    uint64 private constant MAX_VOID = 65_535;

    /// @notice See {IVault-settle}.
    function settle(
        address asset,
        uint64 first,
        bytes24 head,
        uint256 total,
        bytes32 auditHead,
        bytes32[] calldata payouts,
        bytes calldata refs
    ) external nonReentrant {
        Payment memory p = _open(Opening(asset, first, head, total, payouts.length, refs.length, true));
        if (p.asset == address(0)) return;
        uint256 sum = _payPacked(p, payouts);
        _close(p, sum, total, payouts.length, auditHead);
    }

    /// @notice See {IVault-settleWide}.
    function settleWide(IVault.Batch calldata b) external nonReentrant {
        Payment memory p = _openWide(b, true);
        if (p.asset != address(0)) _payWide(p, b);
    }

    /// @notice See {IVault-settleApproved}.
    function settleApproved(IVault.Batch calldata b, uint64 deadline, IVault.Approval[] calldata signed)
        external
        nonReentrant
    {
        Layout storage $ = _vault();
        if (block.timestamp > deadline) revert IVault.ApprovalExpired(deadline);
        IApprovers.Settlement memory s = IApprovers.Settlement({
            vault: address(this),
            lane: msg.sender,
            asset: b.asset,
            first: b.first,
            head: b.head,
            total: b.total,
            payouts: keccak256(abi.encode(b.payouts)),
            refs: keccak256(b.refs),
            deadline: deadline
        });
        IApprovers($.approvers).check(s, signed);
        Payment memory p = _openWide(b, false);
        if (p.asset == address(0)) return;
        p.most = $.assets[b.asset].approvedPerPayout;
        _payWide(p, b);
    }

    /// @notice See {IVault-settleAnnounced}.
    function settleAnnounced(IVault.Batch calldata b) external nonReentrant {
        Payment memory p = _openWide(b, false);
        if (p.asset == address(0)) return;
        Layout storage $ = _vault();
        for (uint256 i = 0; i < b.payouts.length; ++i) {
            // A void number was never announced.
            if (b.payouts[i].amount == 0) continue;
            bytes8 ref = bytes8(b.refs[8 * i:8 * i + 8]);
            bytes32 id =
                _announcementId(msg.sender, b.asset, b.payouts[i].recipient, b.payouts[i].amount, ref);
            Announcement storage a = $.announcements[id];
            if (a.vetoed) revert IVault.Vetoed(id);
            if (!_standing(a, msg.sender)) revert IVault.NotAnnounced(id);
            if (block.timestamp < a.payableFrom) revert IVault.NotYetPayable(id, a.payableFrom);
            delete $.announcements[id];
        }
        _payWide(p, b);
    }

    struct Opening {
        address asset;
        uint64 first;
        bytes24 head;
        uint256 total;
        uint256 count;
        uint256 refsLength;
        bool instant;
    }

    /// @dev Checks everything that a batch of orders needs, takes it from the buckets and moves the lane. A payment of
    /// asset zero when it tripped the breaker: then nothing happened.
    function _open(Opening memory o) private returns (Payment memory p) {
        Lane storage l = _vault().lanes[msg.sender];
        uint256 next = _requireAt(l, o.first, o.head);
        if (o.count == 0) revert IVault.EmptyBatch();
        if (o.refsLength != 8 * o.count) revert IVault.ReferencesLength(o.refsLength, 8 * o.count);
        Slots memory s = _slots(_vault().assets[o.asset]);
        _requireActive(
            s.gates.everything(), s.gates.orders(), IVault.Scope.Orders, o.asset, s.hot.pausedUntil()
        );
        if (!s.limits.listed()) revert IVault.AssetNotListed(o.asset);

        Payment memory begun = _begin(o.asset, s.limits.payoutGas());
        uint256 available = _available(begun.balance, s.hot.liabilities());
        if (o.total > available) revert IVault.InsufficientFloat(o.asset, o.total, available);
        if (!_take(o.asset, s, o.total, o.instant, IVault.Scope.Orders)) return p;
        (begun.lane, begun.number) = (msg.sender, o.first);
        // The calldata holds the head before, so the heads are a chain over everything that was settled.
        begun.head = bytes24(keccak256(msg.data));
        begun.most = o.instant ? s.limits.instantPerPayout() * s.limits.quantum() : type(uint256).max;
        _storeLane(l, next + o.count, begun.head);
        return begun;
    }

    /// @dev The caller's lane must be enabled, and stand where its books expect it.
    function _requireAt(Lane storage l, uint256 first, bytes24 head) private view returns (uint256 next) {
        uint256 word;
        assembly {
            word := sload(l.slot)
        }
        if (uint8(word) == 0) revert IVault.NotALane(msg.sender);
        next = uint56(word >> 8);
        if (first != next || head != bytes24(bytes32(word))) {
            revert IVault.LaneMismatch(uint64(next), bytes24(bytes32(word)));
        }
    }

    /// @dev An enabled lane moves: the whole slot at once.
    function _storeLane(Lane storage l, uint256 next, bytes24 head) private {
        uint256 word = uint256(bytes32(head)) | (uint256(uint56(next)) << 8) | 1;
        assembly {
            sstore(l.slot, word)
        }
    }

    function _openWide(IVault.Batch calldata b, bool instant) private returns (Payment memory) {
        return _open(Opening(b.asset, b.first, b.head, b.total, b.payouts.length, b.refs.length, instant));
    }

    function _payWide(Payment memory p, IVault.Batch calldata b) private {
        uint256 sum;
        for (uint256 i = 0; i < b.payouts.length; ++i) {
            uint256 amount = b.payouts[i].amount;
            if (amount > p.most) revert IVault.AboveTier(b.asset, p.most);
            sum += amount;
            if (amount != 0) _pay(p, b.payouts[i].recipient, amount, p.number + uint64(i));
        }
        _close(p, sum, b.total, b.payouts.length, b.auditHead);
    }

    function _close(Payment memory p, uint256 sum, uint256 total, uint256 count, bytes32 auditHead) private {
        if (sum != total) revert IVault.TotalMismatch(total, sum);
        _end(p);
        emit IVault.Settled(p.lane, p.asset, p.number, uint64(count), total, p.head, auditHead);
    }

    /// @notice See {IVault-settleRequests}.
    function settleRequests(address asset, bytes32 auditHead, IVault.Request[] calldata requests)
        external
        nonReentrant
    {
        if (!_vault().lanes[msg.sender].enabled) revert IVault.NotALane(msg.sender);
        _settleRequests(asset, auditHead, requests);
    }

    /// @notice See {IVault-voidNumbers}.
    function voidNumbers(address lane, uint64 first, bytes24 head, uint64 count) external nonReentrant {
        Layout storage $ = _vault();
        if (!$.lanes[msg.sender].enabled) revert IVault.NotALane(msg.sender);
        if (count == 0) revert IVault.EmptyBatch();
        _requireWithin(count, 1, MAX_VOID);
        Lane storage l = $.lanes[lane];
        if (l.head == 0) revert IVault.NotALane(lane);
        if (first != l.next || head != l.head) revert IVault.LaneMismatch(l.next, l.head);
        l.next += uint56(count);
        l.head = bytes24(keccak256(msg.data));
        emit IVault.Voided(lane, msg.sender, first, count, l.head);
    }
}
