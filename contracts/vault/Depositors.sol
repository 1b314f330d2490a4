// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IVault} from "../interfaces/IVault.sol";
import {Push} from "../libraries/Push.sol";
import {Payments} from "./Payments.sol";

/// @notice A depositor's life: deposit, request, cancel, force-exit; and claims. See {IVault}.
abstract contract Depositors is Payments {
    /// @notice See {IVault-deposit}.
    function deposit(address asset, uint256 amount, address account)
        external
        payable
        nonReentrant
        returns (uint256 credited)
    {
        Layout storage $ = _vault();
        _requireListed(asset);
        _requireActive(
            $.gates.everything,
            $.gates.deposits,
            IVault.Scope.Deposits,
            asset,
            $.assets[asset].hot.pausedUntil
        );
        if (account == address(0)) revert IVault.ZeroAddress();
        credited = _receive(asset, amount);
        $.balances[asset][account] += credited;
        _addLiabilities(asset, credited);
        emit IVault.Deposited(asset, account, credited, msg.sender);
    }

    /// @notice See {IVault-request}.
    function request(address asset, uint256 amount, address recipient)
        external
        nonReentrant
        returns (uint64 id)
    {
        Layout storage $ = _vault();
        // An unlisted asset too: what is owed stays payable.
        uint256 minimum = $.assets[asset].minRequest;
        if (amount == 0) revert IVault.ZeroAmount();
        if (amount < minimum) revert IVault.BelowMinRequest(asset, amount, minimum);
        _requireRecipient(asset, recipient);
        uint256 balance = $.balances[asset][msg.sender];
        if (balance < amount) revert IVault.InsufficientBalance(asset, msg.sender, amount, balance);

        $.balances[asset][msg.sender] = balance - amount;
        id = ++$.lastRequestId;
        uint64 createdAt = uint64(block.timestamp);
        IVault.Request memory r = IVault.Request(id, msg.sender, asset, recipient, amount, createdAt);
        $.commitments[id] = keccak256(abi.encode(r));
        emit IVault.Requested(id, msg.sender, asset, recipient, amount, createdAt);
    }

    /// @notice See {IVault-cancel}.
    function cancel(IVault.Request calldata r) external nonReentrant {
        if (msg.sender != r.owner) revert IVault.NotRequestOwner(r.id, msg.sender);
        if (!_consume(r)) revert IVault.UnknownRequest(r.id);
        _vault().balances[r.asset][r.owner] += r.amount;
        emit IVault.RequestCancelled(r.id);
    }

    /// @notice See {IVault-forceExit}.
    function forceExit(IVault.Request calldata r) external nonReentrant {
        Layout storage $ = _vault();
        _requirePayable(r.asset);
        if (msg.sender != r.owner) revert IVault.NotRequestOwner(r.id, msg.sender);
        uint256 readyAt = uint256(r.createdAt) + $.exitDelay;
        if (block.timestamp < readyAt) revert IVault.ExitNotReached(r.id, readyAt);
        if (!_consume(r)) revert IVault.UnknownRequest(r.id);

        _subLiabilities(r.asset, r.amount);
        _drain(r.asset, r.amount);
        Payment memory p = _begin(r.asset, $.assets[r.asset].limits.payoutGas);
        _pay(p, r.recipient, r.amount, r.id);
        _end(p);
        emit IVault.RequestForced(r.id, r.asset, r.amount);
    }

    /// @notice See {IVault-claim}.
    function claim(address asset, address to) external nonReentrant returns (uint256 amount) {
        Layout storage $ = _vault();
        _requireActive($.gates.everything, 0, IVault.Scope.Everything, asset, $.assets[asset].hot.pausedUntil);
        amount = $.claims[asset][msg.sender];
        if (amount == 0) revert IVault.NothingToClaim(asset, msg.sender);
        _requireRecipient(asset, to);

        $.claims[asset][msg.sender] = 0;
        _subLiabilities(asset, amount);
        Payment memory p = _begin(asset, 0);
        // The claimant pays for the gas: no allowance bounds it.
        (bool ok, bytes32 reason) = Push.send(asset, to, amount, gasleft());
        if (!ok) revert IVault.TransferFailed(asset, to, reason);
        p.paid = amount;
        _end(p);
        emit IVault.Claimed(asset, msg.sender, to, amount);
    }

    /// @dev Pays requests of one asset: what a lane may do, see {IVault-settleRequests}.
    function _settleRequests(address asset, bytes32 auditHead, IVault.Request[] calldata requests) internal {
        if (requests.length == 0) revert IVault.EmptyBatch();
        _requirePayable(asset);

        // First all effects: a recipient that is called sees every request of the batch as paid.
        uint64 count;
        uint256 total;
        bool[] memory owed = new bool[](requests.length);
        for (uint256 i = 0; i < requests.length; ++i) {
            IVault.Request calldata r = requests[i];
            if (r.asset != asset) revert IVault.WrongAsset(r.id, r.asset);
            owed[i] = _consume(r);
            if (!owed[i]) continue;
            ++count;
            total += r.amount;
        }
        if (!_take(asset, total, false, IVault.Scope.Requests)) {
            _restore(requests, owed);
            return;
        }
        _subLiabilities(asset, total);

        Payment memory p = _begin(asset, _vault().assets[asset].limits.payoutGas);
        for (uint256 i = 0; i < requests.length; ++i) {
            IVault.Request calldata r = requests[i];
            if (owed[i]) _pay(p, r.recipient, r.amount, r.id);
            else emit IVault.RequestSkipped(r.id);
        }
        _end(p);
        emit IVault.RequestsSettled(msg.sender, asset, count, total, auditHead);
    }

    function _requirePayable(address asset) private view {
        Layout storage $ = _vault();
        _requireActive(
            $.gates.everything,
            $.gates.requests,
            IVault.Scope.Requests,
            asset,
            $.assets[asset].hot.pausedUntil
        );
    }

    /// @dev Deletes a request's commitment. False when it is not owed.
    function _consume(IVault.Request calldata r) private returns (bool) {
        Layout storage $ = _vault();
        if ($.commitments[r.id] != keccak256(abi.encode(r))) return false;
        delete $.commitments[r.id];
        return true;
    }

    /// @dev The breaker tripped: they are owed as before.
    function _restore(IVault.Request[] calldata requests, bool[] memory owed) private {
        Layout storage $ = _vault();
        for (uint256 i = 0; i < requests.length; ++i) {
            if (owed[i]) $.commitments[requests[i].id] = keccak256(abi.encode(requests[i]));
        }
    }
}
