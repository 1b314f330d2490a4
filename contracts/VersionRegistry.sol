// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {ProxyAdmin} from "@openzeppelin/contracts/proxy/transparent/ProxyAdmin.sol";
import {
    ITransparentUpgradeableProxy
} from "@openzeppelin/contracts/proxy/transparent/TransparentUpgradeableProxy.sol";
import {UpgradeableBeacon} from "@openzeppelin/contracts/proxy/beacon/UpgradeableBeacon.sol";

import {IUpgradeGate} from "./interfaces/IUpgradeGate.sol";

/// @title VersionRegistry
/// @notice Which code each proxy runs, ran, and will run. It owns the proxies' admins, so that nothing is upgraded
/// but through it, and the way back does not depend on the code that it leads away from:
///
///     propose -> delay -> activate -> probation -> final
///                  └> cancel             └> rollback
///
/// Governance proposes and activates; a guardian cancels what is proposed, and rolls back within probation,
/// at once. Who lacks the role gets `AccessManagedUnauthorized`. The vault's pauses stop none of it. Times
/// are unix seconds.
///
/// A beacon is taken in as a proxy that is its own admin: all proxies behind it change together, and nothing is called on
/// them, so its versions bring no migration.
contract VersionRegistry is AccessManaged {
    enum Status {
        Proposed,
        Cancelled,
        Active, // on probation until `probationEnd`, final after
        Superseded,
        RolledBack
    }

    struct Version {
        uint64 number;
        Status status;
        uint48 since; // when its status began, unix seconds
        address implementation;
        bytes32 codehash; // of the implementation: checked when proposed and when activated
        bytes32 layoutHash; // keccak256 of its storage layout file: for people, who compare it with the sources
        bytes32 dataHash; // keccak256 of the call that migrates
        IUpgradeGate gate; // says what must not change; zero for none
    }

    struct Line {
        ProxyAdmin admin;
        Version[] history;
        uint256 active; // index in history
        uint256 before; // index of what a rollback leads to
        uint48 probationEnd; // unix seconds
        bool pending; // the newest of history is proposed
    }

    /// @notice Seconds between proposal and activation.
    uint32 public immutable DELAY;
    /// @notice Seconds after activation in which a guardian may roll back.
    uint32 public immutable PROBATION;

    mapping(address proxy => Line) private _lines;

    event Registered(address indexed proxy, uint64 number, address implementation);
    event Proposed(
        address indexed proxy, uint64 number, address implementation, bytes32 layoutHash, uint256 activeFrom
    );
    event Cancelled(address indexed proxy, uint64 number, address by);
    event Activated(address indexed proxy, uint64 number, address implementation, uint256 probationEnd);
    event RolledBack(address indexed proxy, uint64 from, uint64 to, address by);

    error BadDelays(uint32 delay, uint32 probation);
    /// @notice It was never registered.
    error UnknownProxy(address proxy);
    error AlreadyRegistered(address proxy);
    /// @notice This registry must own it before the proxy is registered.
    error NotOwnerOfAdmin(address admin);
    /// @notice Nothing is called on what is behind a beacon.
    error BeaconWithData(address beacon);
    error NumberNotHigher(uint64 number, uint64 last);
    /// @notice The implementation's code has another hash, or there is none.
    error WrongCode(address implementation, bytes32 expected, bytes32 actual);
    /// @notice Hashes of the call that migrates.
    error WrongData(bytes32 expected, bytes32 actual);
    error NothingProposed(address proxy);
    error StillProposed(address proxy, uint64 number);
    error TooEarly(uint256 activeFrom);
    error OnProbation(uint256 until);
    /// @notice What runs is final, or was rolled back to.
    error NotOnProbation(address proxy);
    /// @notice The gate's state differs before and after.
    error GateClosed(address proxy, bytes32 was, bytes32 would);

    /// @param delay 1 hour to 30 days.
    /// @param probation 1 day to 90 days.
    constructor(address authority_, uint32 delay, uint32 probation) AccessManaged(authority_) {
        bool sane = delay >= 1 hours && delay <= 30 days && probation >= 1 days && probation <= 90 days;
        if (!sane) revert BadDelays(delay, probation);
        (DELAY, PROBATION) = (delay, probation);
    }

    /// @notice Governance: takes a proxy in, with the code that it runs now, which is final.
    /// @dev Reverts with `AlreadyRegistered`; `NotOwnerOfAdmin`. That `implementation` is what the proxy runs
    /// is governance's to see to.
    /// @param admin The proxy's admin, owned by this registry already; of a beacon, the beacon.
    /// @param number Of the version. Those that are proposed must be higher.
    /// @param layoutHash As in {propose}.
    function register(
        address proxy,
        ProxyAdmin admin,
        uint64 number,
        address implementation,
        bytes32 layoutHash
    ) external restricted {
        Line storage line = _lines[proxy];
        if (line.history.length != 0) revert AlreadyRegistered(proxy);
        if (admin.owner() != address(this)) revert NotOwnerOfAdmin(address(admin));
        line.admin = admin;
        line.history
            .push(
                Version({
                    number: number,
                    status: Status.Active,
                    since: uint48(block.timestamp),
                    implementation: implementation,
                    codehash: implementation.codehash,
                    layoutHash: layoutHash,
                    dataHash: keccak256(""),
                    gate: IUpgradeGate(address(0))
                })
            );
        emit Registered(proxy, number, implementation);
    }

    /// @notice Governance: says what the proxy will run. {activate} may follow after `DELAY`. Also during a
    /// probation.
    /// @dev Reverts with `UnknownProxy`; `StillProposed`, one at a time; `NumberNotHigher`; `WrongCode`;
    /// `BeaconWithData`.
    /// @param number Higher than any before.
    /// @param codehash What governance has reviewed: the implementation must have it.
    /// @param layoutHash keccak256 of the storage layout file in the sources.
    /// @param data The call that migrates, made in the same transaction as the upgrade; empty for none.
    /// @param gate Says what must not change; zero for none.
    function propose(
        address proxy,
        uint64 number,
        address implementation,
        bytes32 codehash,
        bytes32 layoutHash,
        bytes calldata data,
        IUpgradeGate gate
    ) external restricted {
        Line storage line = _line(proxy);
        Version storage newest = line.history[line.history.length - 1];
        if (line.pending) revert StillProposed(proxy, newest.number);
        if (number <= newest.number) revert NumberNotHigher(number, newest.number);
        _requireCode(implementation, codehash);
        if (address(line.admin) == proxy && data.length != 0) revert BeaconWithData(proxy);
        line.pending = true;
        line.history
            .push(
                Version({
                    number: number,
                    status: Status.Proposed,
                    since: uint48(block.timestamp),
                    implementation: implementation,
                    codehash: codehash,
                    layoutHash: layoutHash,
                    dataHash: keccak256(data),
                    gate: gate
                })
            );
        emit Proposed(proxy, number, implementation, layoutHash, block.timestamp + DELAY);
    }

    /// @notice Guardian: takes a proposal off the table, whenever it is not activated yet.
    /// @dev Reverts with `UnknownProxy`; `NothingProposed`.
    function cancel(address proxy) external restricted {
        Line storage line = _line(proxy);
        Version storage version = _pending(proxy, line);
        line.pending = false;
        _become(version, Status.Cancelled);
        emit Cancelled(proxy, version.number, msg.sender);
    }

    /// @notice Governance: upgrades to what was proposed at least `DELAY` ago, unless the version before is
    /// still on probation. Reverts when the gate sees a difference. A probation of `PROBATION` seconds
    /// begins.
    /// @dev Reverts with `UnknownProxy`; `NothingProposed`; `TooEarly`; `OnProbation`; `WrongCode` when the
    /// code changed since; `WrongData`; `GateClosed`; and with what the migration or the gate reverts with.
    /// @param data The call whose hash was proposed.
    function activate(address proxy, bytes calldata data) external restricted {
        Line storage line = _line(proxy);
        Version storage version = _pending(proxy, line);
        uint256 activeFrom = uint256(version.since) + DELAY;
        if (block.timestamp < activeFrom) revert TooEarly(activeFrom);
        if (block.timestamp < line.probationEnd) revert OnProbation(line.probationEnd);
        _requireCode(version.implementation, version.codehash);
        if (keccak256(data) != version.dataHash) revert WrongData(version.dataHash, keccak256(data));

        _become(line.history[line.active], Status.Superseded);
        _become(version, Status.Active);
        (line.before, line.active) = (line.active, line.history.length - 1);
        (line.pending, line.probationEnd) = (false, uint48(block.timestamp) + PROBATION);
        emit Activated(proxy, version.number, version.implementation, line.probationEnd);

        bytes32 was = _gateState(version.gate, proxy);
        _install(line, proxy, version.implementation, data);
        bytes32 would = _gateState(version.gate, proxy);
        if (was != would) revert GateClosed(proxy, was, would);
    }

    /// @notice Guardian: back to the version before, at once, within probation. No gate is asked and no
    /// call reaches the version that is left, so that none can refuse. What is proposed stays proposed.
    /// @dev Reverts with `UnknownProxy`; `NotOnProbation`.
    function rollback(address proxy) external restricted {
        Line storage line = _line(proxy);
        if (block.timestamp >= line.probationEnd) revert NotOnProbation(proxy);
        Version storage from = line.history[line.active];
        Version storage to = line.history[line.before];
        _become(from, Status.RolledBack);
        _become(to, Status.Active);
        (line.active, line.probationEnd) = (line.before, 0);
        emit RolledBack(proxy, from.number, to.number, msg.sender);
        _install(line, proxy, to.implementation, "");
    }

    /// @notice Everything that was ever registered or proposed for `proxy`, oldest first; empty when it is
    /// unknown.
    function history(address proxy) external view returns (Version[] memory) {
        return _lines[proxy].history;
    }

    /// @notice What runs now, and until when a guardian may roll back (0 or past: it is final).
    /// @dev Reverts with `UnknownProxy`.
    function current(address proxy) external view returns (Version memory version, uint256 probationEnd) {
        Line storage line = _line(proxy);
        return (line.history[line.active], line.probationEnd);
    }

    function _line(address proxy) private view returns (Line storage line) {
        line = _lines[proxy];
        if (line.history.length == 0) revert UnknownProxy(proxy);
    }

    function _pending(address proxy, Line storage line) private view returns (Version storage) {
        if (!line.pending) revert NothingProposed(proxy);
        return line.history[line.history.length - 1];
    }

    function _become(Version storage version, Status status) private {
        (version.status, version.since) = (status, uint48(block.timestamp));
    }

    function _requireCode(address implementation, bytes32 codehash) private view {
        bytes32 actual = implementation.codehash;
        if (implementation.code.length == 0 || actual != codehash) {
            revert WrongCode(implementation, codehash, actual);
        }
    }

    function _gateState(IUpgradeGate gate, address proxy) private view returns (bytes32) {
        return address(gate) == address(0) ? bytes32(0) : keccak256(gate.state(proxy));
    }

    function _install(Line storage line, address proxy, address implementation, bytes memory data) private {
        if (address(line.admin) == proxy) UpgradeableBeacon(proxy).upgradeTo(implementation);
        else line.admin.upgradeAndCall(ITransparentUpgradeableProxy(proxy), implementation, data);
    }
}
