// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IVault} from "../interfaces/IVault.sol";
import {Announcements} from "./Announcements.sol";
import {LimitControl} from "./LimitControl.sol";
import {Payments} from "./Payments.sol";

/// @notice Who may pay, who approves, and what is announced. See {IVault}.
abstract contract LaneControl is LimitControl, Payments, Announcements {
    /// @notice See {IVault-enableLane}.
    function enableLane(address lane) external restricted {
        if (lane == address(0)) revert IVault.ZeroAddress();
        Layout storage $ = _vault();
        Lane storage l = $.lanes[lane];
        if (l.enabled) revert IVault.LaneAlreadyEnabled(lane);
        if (l.head == 0) {
            l.next = 1;
            l.head = bytes24(keccak256(abi.encode(block.chainid, address(this), lane)));
        }
        l.enabled = true;
        $.enabledSince[lane] = uint48(block.timestamp);
        emit IVault.LaneEnabled(lane, l.next, l.head);
    }

    /// @notice See {IVault-disableLane}.
    function disableLane(address lane) external restricted {
        Lane storage l = _vault().lanes[lane];
        if (!l.enabled) revert IVault.NotALane(lane);
        l.enabled = false;
        emit IVault.LaneDisabled(lane, msg.sender);
    }

    /// @notice See {IVault-laneOf}.
    function laneOf(address lane) external view returns (bool enabled, uint64 next, bytes24 head) {
        Lane memory l = _vault().lanes[lane];
        return (l.enabled, l.next, l.head);
    }

    /// @notice See {IVault-setApprovals}.
    function setApprovals(address approvers_, uint32 announceDelay_) external restricted {
        _requireWithin(announceDelay_, 1 hours, 30 days);
        Layout storage $ = _vault();
        ($.approvers, $.announceDelay) = (approvers_, announceDelay_);
        emit IVault.ApprovalsSet(approvers_, announceDelay_);
    }

    /// @notice See {IVault-approvals}.
    function approvals() external view returns (address approvers_, uint32 announceDelay_) {
        return (_vault().approvers, _vault().announceDelay);
    }

    /// @notice See {IVault-announce}.
    function announce(address asset, address recipient, uint256 amount, bytes8 ref)
        external
        returns (bytes32 id)
    {
        Layout storage $ = _vault();
        if (!$.lanes[msg.sender].enabled) revert IVault.NotALane(msg.sender);
        _requireListed(asset);
        _requireRecipient(asset, recipient);
        if (amount == 0) revert IVault.ZeroAmount();
        id = _announcementId(msg.sender, asset, recipient, amount, ref);
        Announcement storage a = $.announcements[id];
        if (a.vetoed) revert IVault.Vetoed(id);
        if (_standing(a, msg.sender)) revert IVault.AlreadyAnnounced(id);
        uint48 from = uint48(block.timestamp) + $.announceDelay;
        (a.announcedAt, a.payableFrom) = (uint48(block.timestamp), from);
        emit IVault.Announced(id, msg.sender, asset, recipient, amount, ref, from);
    }

    /// @notice See {IVault-veto}.
    function veto(bytes32 id) external restricted {
        Announcement storage a = _vault().announcements[id];
        if (a.announcedAt == 0 || a.vetoed) revert IVault.NotAnnounced(id);
        a.vetoed = true;
        emit IVault.AnnouncementVetoed(id, msg.sender);
    }

    /// @notice See {IVault-announcementId}.
    function announcementId(address lane, address asset, address recipient, uint256 amount, bytes8 ref)
        external
        pure
        returns (bytes32)
    {
        return _announcementId(lane, asset, recipient, amount, ref);
    }

    /// @notice See {IVault-announcementOf}.
    function announcementOf(bytes32 id)
        external
        view
        returns (uint48 announcedAt, uint48 payableFrom, bool vetoed)
    {
        Announcement storage a = _vault().announcements[id];
        return (a.announcedAt, a.payableFrom, a.vetoed);
    }
}
