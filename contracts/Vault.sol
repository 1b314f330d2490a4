// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {
    AccessManagedUpgradeable
} from "@openzeppelin/contracts-upgradeable/access/manager/AccessManagedUpgradeable.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {IVault} from "./interfaces/IVault.sol";
import {Assets} from "./libraries/Assets.sol";
import {Push} from "./libraries/Push.sol";

/// @title Vault
/// @notice See {IVault}. Plain transfers to this contract top up the float.
contract Vault is IVault, AccessManagedUpgradeable, ReentrancyGuardTransient {
    // -------------------------------------------------------------------------------------------- storage

    /// @dev One slot, so that a batch writes its lane once. The keeper computes this slot to simulate a batch that
    /// follows one in flight: its layout is pinned by a test.
    struct Lane {
        bool enabled;
        uint56 next;
        bytes24 head; // zero: never enabled
    }

    struct Asset {
        bool listed;
        uint32 payoutGas;
        uint48 pausedUntil;
        uint128 minRequest;
        // next slot
        uint256 liabilities;
    }

    /// @dev Ends of pauses, unix seconds. One slot: a batch reads all that concern it at once.
    struct PauseEnds {
        uint48 everything;
        uint48 deposits;
        uint48 orders;
        uint48 requests;
        uint48 swaps;
    }

    /// @custom:storage-location erc7201:spillway.storage.Vault
    struct VaultStorage {
        mapping(address lane => Lane) lanes;
        mapping(address asset => Asset) assets;
        mapping(address asset => mapping(address account => uint256)) balances;
        mapping(address asset => mapping(address recipient => uint256)) claims;
        mapping(uint64 id => bytes32) commitments;
        mapping(address guardian => uint48) windowEnds;
        PauseEnds pauses;
        uint64 lastRequestId;
        uint32 exitDelay;
        uint32 maxPause;
        uint32 pauseCooldown;
    }

    // keccak256(abi.encode(uint256(keccak256("spillway.storage.Vault")) - 1)) & ~bytes32(uint256(0xff))
    bytes32 private constant STORAGE = 0x95e2cca9ad2449ce3d9a8dcf9e6c5c2f28dd677809853e6aef4668ad09818800;

    function _vault() private pure returns (VaultStorage storage $) {
        assembly {
            $.slot := STORAGE
        }
    }

    /// @dev A void can only refuse, but a lane has only 2^56 numbers: a mad keeper must not burn them all.
    uint64 private constant MAX_VOID = 65_535;

    // ---------------------------------------------------------------------------------------- construction

    /// @custom:oz-upgrades-unsafe-allow constructor
    constructor() {
        _disableInitializers();
    }

    /// @notice Sets the authority and the times, in seconds, for good.
    /// @param exitDelay_ 1 hour to 30 days. @param maxPause_ 1 hour to 14 days, at most half of
    /// `pauseCooldown_` more than it. @param pauseCooldown_ At least `maxPause_`, at most 90 days.
    function initialize(address authority_, uint32 exitDelay_, uint32 maxPause_, uint32 pauseCooldown_)
        external
        initializer
    {
        if (authority_ == address(0)) revert ZeroAddress();
        _requireWithin(exitDelay_, 1 hours, 30 days);
        _requireWithin(maxPause_, 1 hours, 14 days);
        _requireWithin(pauseCooldown_, maxPause_, 90 days);
        __AccessManaged_init(authority_);
        VaultStorage storage $ = _vault();
        ($.exitDelay, $.maxPause, $.pauseCooldown) = (exitDelay_, maxPause_, pauseCooldown_);
    }

    function _requireWithin(uint256 value, uint256 min, uint256 max) private pure {
        if (value < min || value > max) revert OutOfRange(value, min, max);
    }

    /// @notice Tops up the float.
    receive() external payable {}

    // ------------------------------------------------------------------------------------ a depositor's life

    /// @inheritdoc IVault
    function deposit(address asset, uint256 amount, address account)
        external
        payable
        nonReentrant
        returns (uint256 credited)
    {
        Asset storage a = _listed(asset);
        _requireActive(_vault().pauses.deposits, Scope.Deposits, asset, a.pausedUntil);
        if (account == address(0)) revert ZeroAddress();
        if (asset == Assets.NATIVE) {
            if (msg.value != amount) revert WrongValue(msg.value, amount);
            credited = amount;
        } else {
            if (msg.value != 0) revert WrongValue(msg.value, 0);
            // What arrived counts, not what was said: a token may keep a fee.
            uint256 before = IERC20(asset).balanceOf(address(this));
            SafeERC20.safeTransferFrom(IERC20(asset), msg.sender, address(this), amount);
            credited = IERC20(asset).balanceOf(address(this)) - before;
        }
        if (credited == 0) revert ZeroAmount();
        _vault().balances[asset][account] += credited;
        a.liabilities += credited;
        emit Deposited(asset, account, credited, msg.sender);
    }

    /// @inheritdoc IVault
    function request(address asset, uint256 amount, address recipient)
        external
        nonReentrant
        returns (uint64 id)
    {
        VaultStorage storage $ = _vault();
        // An unlisted asset too: what is owed stays payable.
        uint256 minimum = $.assets[asset].minRequest;
        if (amount == 0) revert ZeroAmount();
        if (amount < minimum) revert BelowMinRequest(asset, amount, minimum);
        if (recipient == address(0) || recipient == address(this) || recipient == asset) {
            revert BadRecipient(recipient);
        }
        uint256 balance = $.balances[asset][msg.sender];
        if (balance < amount) revert InsufficientBalance(asset, msg.sender, amount, balance);

        $.balances[asset][msg.sender] = balance - amount;
        id = ++$.lastRequestId;
        uint64 createdAt = uint64(block.timestamp);
        Request memory r = Request(id, msg.sender, asset, recipient, amount, createdAt);
        $.commitments[id] = keccak256(abi.encode(r));
        emit Requested(id, msg.sender, asset, recipient, amount, createdAt);
    }

    /// @inheritdoc IVault
    function cancel(Request calldata r) external nonReentrant {
        if (msg.sender != r.owner) revert NotRequestOwner(r.id, msg.sender);
        if (!_consume(r)) revert UnknownRequest(r.id);
        _vault().balances[r.asset][r.owner] += r.amount;
        emit RequestCancelled(r.id);
    }

    /// @inheritdoc IVault
    function forceExit(Request calldata r) external nonReentrant {
        VaultStorage storage $ = _vault();
        Asset storage a = $.assets[r.asset];
        _requireActive($.pauses.requests, Scope.Requests, r.asset, a.pausedUntil);
        if (msg.sender != r.owner) revert NotRequestOwner(r.id, msg.sender);
        uint256 readyAt = uint256(r.createdAt) + $.exitDelay;
        if (block.timestamp < readyAt) revert ExitNotReached(r.id, readyAt);
        if (!_consume(r)) revert UnknownRequest(r.id);

        a.liabilities -= r.amount;
        Payment memory p = _begin(r.asset, a.payoutGas);
        p.number = r.id;
        _pay(p, r.recipient, r.amount);
        _end(p);
        emit RequestForced(r.id, r.asset, r.amount);
    }

    /// @inheritdoc IVault
    function claim(address asset, address to) external nonReentrant returns (uint256 amount) {
        VaultStorage storage $ = _vault();
        Asset storage a = $.assets[asset];
        _requireActive(0, Scope.Everything, asset, a.pausedUntil);
        amount = $.claims[asset][msg.sender];
        if (amount == 0) revert NothingToClaim(asset, msg.sender);
        if (to == address(0) || to == address(this) || to == asset) revert BadRecipient(to);

        $.claims[asset][msg.sender] = 0;
        a.liabilities -= amount;
        Payment memory p = _begin(asset, 0);
        // The claimant pays for the gas: no allowance bounds it.
        (bool ok, bytes32 reason) = Push.send(asset, to, amount, gasleft());
        if (!ok) revert TransferFailed(asset, to, reason);
        p.paid = amount;
        _end(p);
        emit Claimed(asset, msg.sender, to, amount);
    }

    // ------------------------------------------------------------------------------------------ a lane's life

    /// @inheritdoc IVault
    function settle(
        address asset,
        uint64 first,
        bytes24 head,
        uint256 total,
        bytes32 auditHead,
        bytes32[] calldata payouts,
        bytes calldata refs
    ) external nonReentrant {
        Payment memory p = _open(asset, first, head, total, payouts.length, refs.length);
        uint256 sum;
        unchecked {
            // Neither sum nor number can overflow: 2^56 payouts do not fit a block.
            for (uint256 i = 0; i < payouts.length; ++i) {
                bytes32 payout = payouts[i];
                uint256 amount = uint96(uint256(payout));
                sum += amount;
                if (amount != 0) _pay(p, address(bytes20(payout)), amount);
                ++p.number;
            }
        }
        if (sum != total) revert TotalMismatch(total, sum);
        _end(p);
        _emitSettled(asset, first, payouts.length, total, auditHead);
    }

    /// @inheritdoc IVault
    function settleWide(
        address asset,
        uint64 first,
        bytes24 head,
        uint256 total,
        bytes32 auditHead,
        Payout[] calldata payouts,
        bytes calldata refs
    ) external nonReentrant {
        Payment memory p = _open(asset, first, head, total, payouts.length, refs.length);
        uint256 sum;
        for (uint256 i = 0; i < payouts.length; ++i) {
            uint256 amount = payouts[i].amount;
            sum += amount;
            if (amount != 0) _pay(p, payouts[i].recipient, amount);
            ++p.number;
        }
        if (sum != total) revert TotalMismatch(total, sum);
        _end(p);
        _emitSettled(asset, first, payouts.length, total, auditHead);
    }

    /// @inheritdoc IVault
    function settleRequests(address asset, bytes32 auditHead, Request[] calldata requests)
        external
        nonReentrant
    {
        VaultStorage storage $ = _vault();
        if (!$.lanes[msg.sender].enabled) revert NotALane(msg.sender);
        if (requests.length == 0) revert EmptyBatch();
        Asset storage a = $.assets[asset];
        _requireActive($.pauses.requests, Scope.Requests, asset, a.pausedUntil);

        // First all effects: a recipient that is called sees every request of the batch as paid.
        uint64 count;
        uint256 total;
        bool[] memory owed = new bool[](requests.length);
        for (uint256 i = 0; i < requests.length; ++i) {
            Request calldata r = requests[i];
            if (r.asset != asset) revert WrongAsset(r.id, r.asset);
            if (_consume(r)) {
                owed[i] = true;
                ++count;
                total += r.amount;
            } else {
                emit RequestSkipped(r.id);
            }
        }
        a.liabilities -= total;

        Payment memory p = _begin(asset, a.payoutGas);
        for (uint256 i = 0; i < requests.length; ++i) {
            if (!owed[i]) continue;
            p.number = requests[i].id;
            _pay(p, requests[i].recipient, requests[i].amount);
        }
        _end(p);
        emit RequestsSettled(msg.sender, asset, count, total, auditHead);
    }

    /// @inheritdoc IVault
    function voidNumbers(address lane, uint64 first, bytes24 head, uint64 count) external nonReentrant {
        VaultStorage storage $ = _vault();
        if (!$.lanes[msg.sender].enabled) revert NotALane(msg.sender);
        if (count == 0) revert EmptyBatch();
        if (count > MAX_VOID) revert OutOfRange(count, 1, MAX_VOID);
        Lane storage l = $.lanes[lane];
        if (l.head == 0) revert NotALane(lane);
        if (first != l.next || head != l.head) revert LaneMismatch(l.next, l.head);
        l.next += uint56(count);
        l.head = bytes24(keccak256(msg.data));
        emit Voided(lane, msg.sender, first, count, l.head);
    }

    // ------------------------------------------------------------------------------------ the payment path

    /// @dev What a batch carries from payout to payout.
    struct Payment {
        address asset;
        address lane; // zero for requests
        uint64 number; // of the payout at hand
        uint256 allowance; // gas of one push
        uint256 gasNeeded; // gas that must be left before one
        uint256 balance; // before the first push; tokens only
        uint256 paid;
        uint256 failed;
    }

    /// @dev Checks everything that a batch of orders needs, and moves the lane.
    function _open(
        address asset,
        uint64 first,
        bytes24 head,
        uint256 total,
        uint256 count,
        uint256 refsLength
    ) private returns (Payment memory p) {
        VaultStorage storage $ = _vault();
        Lane memory l = $.lanes[msg.sender];
        if (!l.enabled) revert NotALane(msg.sender);
        if (first != l.next || head != l.head) revert LaneMismatch(l.next, l.head);
        if (count == 0) revert EmptyBatch();
        if (refsLength != 8 * count) revert ReferencesLength(refsLength, 8 * count);
        Asset storage a = _listed(asset);
        _requireActive($.pauses.orders, Scope.Orders, asset, a.pausedUntil);

        p = _begin(asset, a.payoutGas);
        uint256 available = _available(p.balance, a.liabilities);
        if (total > available) revert InsufficientFloat(asset, total, available);
        (p.lane, p.number) = (msg.sender, first);

        // The calldata holds the head before, so the heads are a chain over everything that was settled.
        $.lanes[msg.sender] = Lane(true, l.next + uint56(count), bytes24(keccak256(msg.data)));
    }

    function _begin(address asset, uint256 allowance) private view returns (Payment memory p) {
        // A call to an address without code succeeds and pays nothing.
        if (asset != Assets.NATIVE && asset.code.length == 0) revert AssetNotListed(asset);
        p.asset = asset;
        p.allowance = allowance;
        p.gasNeeded = Push.gasNeeded(allowance);
        p.balance = Assets.balanceOf(asset, address(this));
    }

    /// @dev Pushes `amount` to `recipient`, or keeps it as the recipient's claim.
    function _pay(Payment memory p, address recipient, uint256 amount) private {
        // A keeper that is short of gas must not be able to turn a payment into a claim.
        if (gasleft() < p.gasNeeded) revert InsufficientGas();
        (bool ok, bytes32 reason) = Push.send(p.asset, recipient, amount, p.allowance);
        if (ok) {
            p.paid += amount;
        } else {
            p.failed += amount;
            _vault().claims[p.asset][recipient] += amount;
            emit PayoutFailed(p.asset, recipient, amount, p.lane, p.number, reason);
        }
    }

    /// @dev Books the claims, and checks that a token took no more than was paid.
    function _end(Payment memory p) private {
        if (p.failed != 0) _vault().assets[p.asset].liabilities += p.failed;
        if (p.asset == Assets.NATIVE) return;
        uint256 balance = IERC20(p.asset).balanceOf(address(this));
        if (balance + p.paid < p.balance) revert TokenTookMore(p.asset, p.paid, p.balance - balance);
    }

    function _emitSettled(address asset, uint64 first, uint256 count, uint256 total, bytes32 auditHead)
        private
    {
        bytes24 head = bytes24(keccak256(msg.data));
        emit Settled(msg.sender, asset, first, uint64(count), total, head, auditHead);
    }

    /// @dev Deletes a request's commitment. False when it is not owed.
    function _consume(Request calldata r) private returns (bool) {
        VaultStorage storage $ = _vault();
        if ($.commitments[r.id] != keccak256(abi.encode(r))) return false;
        delete $.commitments[r.id];
        return true;
    }

    function _available(uint256 balance, uint256 liabilities) private pure returns (uint256) {
        return balance > liabilities ? balance - liabilities : 0;
    }

    function _listed(address asset) private view returns (Asset storage a) {
        a = _vault().assets[asset];
        if (!a.listed) revert AssetNotListed(asset);
    }

    // ----------------------------------------------------------------------------------- pauses, guardians

    /// @dev A pause is over in the second of its end.
    function _requireActive(uint48 scopeEnd, Scope scope, address asset, uint48 assetEnd) private view {
        uint48 everything = _vault().pauses.everything;
        if (block.timestamp < everything) revert IsPaused(Scope.Everything, everything);
        if (block.timestamp < scopeEnd) revert IsPaused(scope, scopeEnd);
        if (block.timestamp < assetEnd) revert AssetIsPaused(asset, assetEnd);
    }

    /// @inheritdoc IVault
    function pause(Scope scope, uint32 duration) external restricted {
        uint48 until = _guardianPause(duration);
        if (until > pausedUntil(scope)) _setPause(scope, until);
        emit Paused(scope, pausedUntil(scope), msg.sender);
    }

    /// @inheritdoc IVault
    function pauseAsset(address asset, uint32 duration) external restricted {
        uint48 until = _guardianPause(duration);
        Asset storage a = _vault().assets[asset];
        if (until > a.pausedUntil) a.pausedUntil = until;
        emit AssetPaused(asset, a.pausedUntil, msg.sender);
    }

    /// @dev All pauses of one guardian lie in one window: otherwise he could freeze for good by taking the scopes
    /// in turns.
    function _guardianPause(uint32 duration) private returns (uint48 until) {
        if (duration == 0) revert ZeroAmount();
        VaultStorage storage $ = _vault();
        uint48 windowEnd = $.windowEnds[msg.sender];
        uint48 again = windowEnd == 0 ? 0 : windowEnd + $.pauseCooldown;
        if (block.timestamp >= again) {
            windowEnd = uint48(block.timestamp) + $.maxPause;
            $.windowEnds[msg.sender] = windowEnd;
        } else if (block.timestamp >= windowEnd) {
            revert GuardianCoolingDown(msg.sender, again);
        }
        until = uint48(block.timestamp) + duration;
        if (until > windowEnd) revert PauseTooLong(until, windowEnd);
    }

    function _setPause(Scope scope, uint48 until) private {
        PauseEnds storage p = _vault().pauses;
        if (scope == Scope.Everything) p.everything = until;
        else if (scope == Scope.Deposits) p.deposits = until;
        else if (scope == Scope.Orders) p.orders = until;
        else if (scope == Scope.Requests) p.requests = until;
        else p.swaps = until;
    }

    /// @inheritdoc IVault
    function disableLane(address lane) external restricted {
        Lane storage l = _vault().lanes[lane];
        if (!l.enabled) revert NotALane(lane);
        l.enabled = false;
        emit LaneDisabled(lane, msg.sender);
    }

    // ------------------------------------------------------------------------------------------ governance

    /// @inheritdoc IVault
    function extendPause(Scope scope, uint48 until) external restricted {
        _setPause(scope, until);
        emit Paused(scope, until, msg.sender);
    }

    /// @inheritdoc IVault
    function extendAssetPause(address asset, uint48 until) external restricted {
        _vault().assets[asset].pausedUntil = until;
        emit AssetPaused(asset, until, msg.sender);
    }

    /// @inheritdoc IVault
    function unpause(Scope scope) external restricted {
        _setPause(scope, uint48(block.timestamp));
        emit Unpaused(scope, msg.sender);
    }

    /// @inheritdoc IVault
    function unpauseAsset(address asset) external restricted {
        _vault().assets[asset].pausedUntil = uint48(block.timestamp);
        emit AssetUnpaused(asset, msg.sender);
    }

    /// @inheritdoc IVault
    function enableLane(address lane) external restricted {
        if (lane == address(0)) revert ZeroAddress();
        Lane storage l = _vault().lanes[lane];
        if (l.enabled) revert LaneAlreadyEnabled(lane);
        if (l.head == 0) {
            l.next = 1;
            l.head = bytes24(keccak256(abi.encode(block.chainid, address(this), lane)));
        }
        l.enabled = true;
        emit LaneEnabled(lane, l.next, l.head);
    }

    /// @inheritdoc IVault
    function configureAsset(address asset, AssetConfig calldata config) external restricted {
        if (asset == address(0)) revert ZeroAddress();
        if (config.listed) {
            if (asset != Assets.NATIVE && asset.code.length == 0) revert AssetNotListed(asset);
            // Below, an honest recipient fails; above, a batch holds few payouts.
            _requireWithin(config.payoutGas, 25_000, 1_000_000);
        }
        Asset storage a = _vault().assets[asset];
        (a.listed, a.payoutGas, a.minRequest) = (config.listed, config.payoutGas, config.minRequest);
        emit AssetConfigured(asset, config);
    }

    // ----------------------------------------------------------------------------------------------- views

    /// @inheritdoc IVault
    function balanceOf(address asset, address account) external view returns (uint256) {
        return _vault().balances[asset][account];
    }

    /// @inheritdoc IVault
    function claimOf(address asset, address recipient) external view returns (uint256) {
        return _vault().claims[asset][recipient];
    }

    /// @inheritdoc IVault
    function liabilitiesOf(address asset) external view returns (uint256) {
        return _vault().assets[asset].liabilities;
    }

    /// @inheritdoc IVault
    function floatOf(address asset) external view returns (uint256) {
        return _available(Assets.balanceOf(asset, address(this)), _vault().assets[asset].liabilities);
    }

    /// @inheritdoc IVault
    function commitmentOf(uint64 id) external view returns (bytes32) {
        return _vault().commitments[id];
    }

    /// @inheritdoc IVault
    function lastRequestId() external view returns (uint64) {
        return _vault().lastRequestId;
    }

    /// @inheritdoc IVault
    function laneOf(address lane) external view returns (bool enabled, uint64 next, bytes24 head) {
        Lane memory l = _vault().lanes[lane];
        return (l.enabled, l.next, l.head);
    }

    /// @inheritdoc IVault
    function assetConfig(address asset) external view returns (AssetConfig memory) {
        Asset storage a = _vault().assets[asset];
        return AssetConfig(a.listed, a.payoutGas, a.minRequest);
    }

    /// @inheritdoc IVault
    function pausedUntil(Scope scope) public view returns (uint48) {
        PauseEnds storage p = _vault().pauses;
        if (scope == Scope.Everything) return p.everything;
        if (scope == Scope.Deposits) return p.deposits;
        if (scope == Scope.Orders) return p.orders;
        if (scope == Scope.Requests) return p.requests;
        return p.swaps;
    }

    /// @inheritdoc IVault
    function assetPausedUntil(address asset) external view returns (uint48) {
        return _vault().assets[asset].pausedUntil;
    }

    /// @inheritdoc IVault
    function exitDelay() external view returns (uint32) {
        return _vault().exitDelay;
    }

    /// @inheritdoc IVault
    function maxPause() external view returns (uint32) {
        return _vault().maxPause;
    }

    /// @inheritdoc IVault
    function pauseCooldown() external view returns (uint32) {
        return _vault().pauseCooldown;
    }
}
