// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IApprovers} from "../interfaces/IApprovers.sol";
import {IVault} from "../interfaces/IVault.sol";
import {Assets} from "../libraries/Assets.sol";
import {Push} from "../libraries/Push.sol";
import {Announcements} from "./Announcements.sol";
import {Depositors} from "./Depositors.sol";
import {Opening} from "./Opening.sol";

/// @notice A lane's life: batches of orders in three tiers, requests, voids. See {IVault}.
abstract contract Orders is Depositors, Opening, Announcements {
    /// @dev A void can only refuse, but a lane has only 2^56 numbers: a mad keeper must not burn them all.
    uint64 private constant MAX_VOID = 65_535;

    /// @notice See {IVault-settle}.
    function settle() external nonReentrant {
        (address asset, uint256 total, bytes32 position, bytes calldata payouts) = Push.batch();
        (uint256 balance, uint256 allowance, uint256 most) =
            _openAtOnce(asset, position, total, payouts.length);
        if (allowance == 0) {
            if (payouts.length % Push.PAYOUT != 0) revert IVault.PayoutsLength(payouts.length);
            (balance, allowance, most) = _open(asset, position, total, payouts.length / Push.PAYOUT, true);
            if (allowance == 0) return;
        }
        (uint256 at, uint256 end) = Push.bounds(payouts);
        uint256 sent;
        uint256 failed;
        while (true) {
            (at, sent) = Push.sendPacked(asset, allowance, most, at, end, sent);
            if (at == end) break;
            failed += _keepPacked(asset, allowance, most, at, position, payouts);
            at += Push.PAYOUT;
        }
        // Sums of 96 bits.
        unchecked {
            if (sent + failed != total) revert IVault.TotalMismatch(total, sent + failed);
        }
        // Of ETH that all arrived there is nothing to book or to check.
        if (failed != 0 || asset != Assets.NATIVE) _end(asset, balance, sent, failed);
        _settled(_numberAt(position), Push.count(payouts));
    }

    /// @notice See {IVault-settleWide}.
    function settleWide(IVault.Batch calldata b) external nonReentrant {
        Payment memory p = _openWide(b, true);
        if (p.allowance != 0) _payWide(p, b);
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
        if (p.allowance == 0) return;
        p.most = $.assets[b.asset].approvedPerPayout;
        _payWide(p, b);
    }

    /// @notice See {IVault-settleAnnounced}.
    function settleAnnounced(IVault.Batch calldata b) external nonReentrant {
        Payment memory p = _openWide(b, false);
        if (p.allowance == 0) return;
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

    function _openWide(IVault.Batch calldata b, bool instant) private returns (Payment memory p) {
        uint256 count = b.payouts.length;
        if (b.refs.length != 8 * count) revert IVault.ReferencesLength(b.refs.length, 8 * count);
        (p.balance, p.allowance, p.most) =
            _open(b.asset, _positionOf(b.first, b.head), b.total, count, instant);
        (p.asset, p.lane) = (b.asset, msg.sender);
    }

    /// @dev The payout at which the run stopped is above the tier, or its push failed.
    function _keepPacked(
        address asset,
        uint256 allowance,
        uint256 most,
        uint256 at,
        bytes32 position,
        bytes calldata payouts
    ) private returns (uint256) {
        bytes32 reason = Push.returned();
        (address recipient, uint256 amount, uint256 index) = Push.payoutAt(at, payouts);
        if (amount > most) revert IVault.AboveTier(asset, most);
        _keep(asset, recipient, amount, allowance, msg.sender, _numberAt(position) + uint64(index), reason);
        return amount;
    }

    function _payWide(Payment memory p, IVault.Batch calldata b) private {
        uint256 sum;
        for (uint256 i = 0; i < b.payouts.length; ++i) {
            uint256 amount = b.payouts[i].amount;
            if (amount > p.most) revert IVault.AboveTier(b.asset, p.most);
            sum += amount;
            if (amount != 0) _pay(p, b.payouts[i].recipient, amount, b.first + uint64(i));
        }
        if (sum != b.total) revert IVault.TotalMismatch(b.total, sum);
        _end(p);
        _settled(b.first, b.payouts.length);
    }

    /// @dev A lane reaches no number beyond 56 bits, and no transaction holds 2^40 payouts.
    function _settled(uint256 first, uint256 count) private {
        bytes32 topic = IVault.Settled.selector;
        assembly ("memory-safe") {
            mstore(0x00, or(shl(96, caller()), or(shl(40, first), count)))
            log1(0x00, 0x20, topic)
        }
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
