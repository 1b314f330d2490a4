// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";
import {Script} from "forge-std/Script.sol";
import {stdJson} from "forge-std/StdJson.sol";
import {VmSafe} from "forge-std/Vm.sol";
import {console2} from "forge-std/console2.sol";

import {Approvers} from "contracts/Approvers.sol";
import {OracleGuardExtension} from "contracts/OracleGuardExtension.sol";
import {VaultGate} from "contracts/VaultGate.sol";
import {VersionRegistry} from "contracts/VersionRegistry.sol";
import {IVault} from "contracts/interfaces/IVault.sol";
import {Roles} from "contracts/libraries/Roles.sol";

/// @title What the scripts of governance and guardians share.
/// @notice Every action is rehearsed against the chain's present state first. Then, as SPILLWAY_MODE says:
///
///     calldata (default)  prints what to call, from whom, and what it means
///     safe                writes files for the Safe transaction builder to deployments/
///     send                sends it, with --broadcast and a key
///
/// The acting account is forge's sender: --sender ADDRESS, or the account of the key. If it acts with a delay, the
/// first run schedules the call in the AccessManager; the same command executes it when it is ready, and says how long
/// is left before. Addresses come from the file that SPILLWAY_DEPLOYMENT names (deployments/CHAINID.json unless set).
abstract contract Action is Script {
    using stdJson for string;

    enum Mode {
        Calldata,
        Safe,
        Send
    }

    /// @notice What an action wants done, delay or not.
    struct Call {
        address target;
        bytes data;
        string meaning;
        bool open; // the target checks the caller by itself, and knows no delay
    }

    struct Transaction {
        address to;
        bytes data;
        string meaning;
    }

    /// @notice What it takes: what can be sent now, and what follows at `readyAt`.
    struct Plan {
        Transaction[] due;
        Transaction[] later;
        uint256 readyAt; // unix seconds
        string role; // that the sender needs
    }

    IVault internal vault;
    AccessManager internal manager;
    VersionRegistry internal registry;
    VaultGate internal gate;
    Approvers internal approvers;
    OracleGuardExtension internal guard;

    mapping(string symbol => address) private _assets;
    string private _symbols;
    Mode private _mode;
    address private _sender;
    string private _output;
    Plan private _plan;
    string[] private _files;

    error BadInput(string input, string problem);
    error NotAllowed(address account, string role, string next);

    /// @dev Not in setUp, whose errors forge does not show.
    modifier ready() {
        if (address(vault) == address(0)) _load();
        _;
    }

    function _load() private {
        string memory path = vm.envOr(
            "SPILLWAY_DEPLOYMENT", string.concat("deployments/", vm.toString(block.chainid), ".json")
        );
        if (!vm.isFile(path)) {
            revert BadInput(
                "SPILLWAY_DEPLOYMENT",
                string.concat(
                    path, " does not exist: script/Deploy.s.sol writes it, or --rpc-url is another chain"
                )
            );
        }
        string memory output = string.concat("deployments/safe-", vm.toString(block.chainid), "-");
        use(vm.readFile(path), modeOf(vm.envOr("SPILLWAY_MODE", string("calldata"))), address(0), output);
    }

    /// @param deployment What script/Deploy.s.sol wrote.
    /// @param sender Zero: whoever calls the script.
    /// @param output How the names of Safe files begin.
    function use(string memory deployment, Mode mode, address sender, string memory output) public {
        if (deployment.readUint(".chainId") != block.chainid) {
            revert BadInput(
                "SPILLWAY_DEPLOYMENT", "is of another chain: give its own file, or another --rpc-url"
            );
        }
        vault = IVault(deployment.readAddress(".vault"));
        if (address(vault).code.length == 0) {
            revert BadInput("SPILLWAY_DEPLOYMENT", "names a vault that this chain does not have");
        }
        manager = AccessManager(deployment.readAddress(".accessManager"));
        registry = VersionRegistry(deployment.readAddress(".versionRegistry"));
        gate = VaultGate(deployment.readAddress(".vaultGate"));
        approvers = Approvers(deployment.readAddress(".approvers"));
        guard = OracleGuardExtension(deployment.readAddress(".oracleGuard"));
        (_mode, _sender, _output, _symbols) = (mode, sender, output, "");
        for (uint256 i = 0;; ++i) {
            string memory at = string.concat(".assets[", vm.toString(i), "]");
            if (!deployment.keyExists(at)) break;
            string memory symbol = deployment.readString(string.concat(at, ".symbol"));
            _assets[symbol] = deployment.readAddress(string.concat(at, ".address"));
            _symbols = string.concat(_symbols, i == 0 ? "" : ", ", symbol);
        }
    }

    function modeOf(string memory word) public pure returns (Mode) {
        bytes32 hash = keccak256(bytes(word));
        if (hash == keccak256("calldata")) return Mode.Calldata;
        if (hash == keccak256("safe")) return Mode.Safe;
        if (hash == keccak256("send")) return Mode.Send;
        revert BadInput("SPILLWAY_MODE", string.concat(word, " is none of calldata, safe, send"));
    }

    /// @notice What the last action came to.
    function plan() external view returns (Plan memory) {
        return _plan;
    }

    /// @notice The Safe files that were written.
    function files() external view returns (string[] memory) {
        return _files;
    }

    // ------------------------------------------------------------------------------------------- for the scripts

    function _sender_() internal view returns (address) {
        return _sender == address(0) ? msg.sender : _sender;
    }

    /// @dev A symbol of the deployment file, or an address.
    function _asset(string memory word) internal view returns (address asset) {
        asset = _assets[word];
        if (asset != address(0)) return asset;
        if (bytes(word).length == 42 && vm.indexOf(word, "0x") == 0) return vm.parseAddress(word);
        revert BadInput(
            "asset", string.concat(word, " is no address, and no symbol of the deployment: ", _symbols)
        );
    }

    /// @dev An asset that the vault pays, or once paid.
    function _knownAsset(string memory word) internal view returns (address asset) {
        asset = _asset(word);
        if (vault.assetConfig(asset).payoutGas == 0) {
            revert BadInput("asset", string.concat(word, " was never listed: see Listing.s.sol"));
        }
    }

    function _number(uint256 value) internal pure returns (string memory) {
        return vm.toString(value);
    }

    function _isMember(uint64 role, address account) internal view returns (bool member) {
        (member,) = manager.hasRole(role, account);
    }

    /// @dev The powers of {Roles}, and of lanes and approvers, are never in one hand.
    function _requireNoPower(string memory input, address account) internal view {
        if (account == address(0)) revert BadInput(input, "is zero");
        string memory power;
        (bool lane,,) = vault.laneOf(account);
        if (_isMember(Roles.GOVERNANCE, account)) power = "GOVERNANCE";
        else if (_isMember(Roles.GUARDIAN, account)) power = "GUARDIAN";
        else if (_isMember(Roles.VOLATILITY, account)) power = "VOLATILITY";
        else if (lane) power = "an enabled lane";
        else if (_isApprover(account)) power = "an approver";
        else return;
        revert BadInput(
            input, string.concat(vm.toString(account), " is ", power, ": no account may hold two powers")
        );
    }

    function _isApprover(address account) internal view returns (bool) {
        address[] memory all = approvers.approvers();
        for (uint256 i = 0; i < all.length; ++i) {
            if (all[i] == account) return true;
        }
        return false;
    }

    function _act(string memory name, address target, bytes memory data, string memory meaning) internal {
        _act(name, _one(Call(target, data, meaning, false)));
    }

    function _one(Call memory call) internal pure returns (Call[] memory calls) {
        calls = new Call[](1);
        calls[0] = call;
    }

    function _act(string memory name, Call[] memory calls) internal {
        address sender = _sender_();
        delete _plan;
        for (uint256 i = 0; i < calls.length; ++i) {
            _add(calls[i], sender);
        }
        Plan memory p = _plan;
        _rehearse(p, sender);
        _tell(p, sender);
        if (_mode == Mode.Safe) _writeSafe(name, p, sender);
        if (_mode == Mode.Send) _send(p, sender);
    }

    // -------------------------------------------------------------------------------------------------- planning

    function _add(Call memory call, address sender) private {
        Transaction memory plain = Transaction(call.target, call.data, call.meaning);
        (bool immediate, uint32 delay) =
            call.open ? (true, 0) : manager.canCall(sender, call.target, bytes4(call.data));
        _plan.role = call.open ? "none" : _roleOf(call);
        if (immediate) return _plan.due.push(plain);
        if (delay == 0) {
            revert NotAllowed(sender, _plan.role, "pass --sender with an account that holds it, or its key");
        }
        bytes32 operation = manager.hashOperation(sender, call.target, call.data);
        uint256 at = manager.getSchedule(operation); // 0 when it has expired, too
        string memory of_ = string.concat(call.meaning, " (operation ", vm.toString(operation), ")");
        if (at == 0) {
            _plan.due
                .push(
                    Transaction(
                        address(manager),
                        abi.encodeCall(AccessManager.schedule, (call.target, call.data, 0)),
                        string.concat("schedule: ", of_)
                    )
                );
            at = block.timestamp + delay;
        }
        Transaction memory run = Transaction(
            address(manager),
            abi.encodeCall(AccessManager.execute, (call.target, call.data)),
            string.concat("execute: ", of_)
        );
        if (at <= block.timestamp) return _plan.due.push(run);
        _plan.later.push(run);
        if (at > _plan.readyAt) _plan.readyAt = at;
    }

    function _roleOf(Call memory call) private view returns (string memory) {
        uint64 role = manager.getTargetFunctionRole(call.target, bytes4(call.data));
        if (role == Roles.GOVERNANCE) return "GOVERNANCE";
        if (role == Roles.GUARDIAN) return "GUARDIAN";
        return "ADMIN";
    }

    /// @dev All of it, as far as it is known today; then the chain's state is as before.
    function _rehearse(Plan memory p, address sender) private {
        uint256 state = vm.snapshotState();
        _call(p.due, sender);
        if (p.later.length != 0) vm.warp(p.readyAt);
        _call(p.later, sender);
        vm.revertToState(state);
    }

    function _call(Transaction[] memory list, address sender) private {
        for (uint256 i = 0; i < list.length; ++i) {
            vm.prank(sender);
            (bool ok, bytes memory reason) = list[i].to.call(list[i].data);
            if (ok) continue;
            console2.log("It would fail, for the reason below:", list[i].meaning);
            assembly ("memory-safe") {
                revert(add(reason, 0x20), mload(reason))
            }
        }
    }

    // --------------------------------------------------------------------------------------------------- results

    function _send(Plan memory p, address sender) private {
        vm.startBroadcast(sender);
        for (uint256 i = 0; i < p.due.length; ++i) {
            (bool ok,) = p.due[i].to.call(p.due[i].data);
            require(ok, "the rehearsal was right");
        }
        vm.stopBroadcast();
        if (vm.isContext(VmSafe.ForgeContext.ScriptDryRun)) {
            console2.log("Not sent: --broadcast is missing.");
        }
    }

    function _tell(Plan memory p, address sender) private view {
        console2.log(string.concat("From ", vm.toString(sender), ", role ", p.role));
        console2.log(p.due.length == 0 ? "Now: nothing, it is scheduled already." : "Now:");
        _print(p.due);
        if (p.later.length == 0) return;
        console2.log(
            string.concat(
                "From unix time ",
                _number(p.readyAt),
                " on (in ",
                duration(p.readyAt - block.timestamp),
                "), for ",
                duration(manager.expiration()),
                ", by the same command:"
            )
        );
        _print(p.later);
    }

    function _print(Transaction[] memory list) private pure {
        for (uint256 i = 0; i < list.length; ++i) {
            console2.log("  -", list[i].meaning);
            console2.log("    to      ", list[i].to);
            console2.log("    value    0");
            console2.log("    calldata", vm.toString(list[i].data));
        }
    }

    /// @notice Days, hours, minutes and seconds in words, rounded up to minutes from an hour on.
    function duration(uint256 seconds_) public pure returns (string memory) {
        if (seconds_ < 1 hours) return string.concat(_number(seconds_), " s");
        uint256 minutes_ = (seconds_ + 59) / 60;
        return string.concat(
            minutes_ >= 1440 ? string.concat(_number(minutes_ / 1440), " d ") : "",
            _number((minutes_ % 1440) / 60),
            " h ",
            _number(minutes_ % 60),
            " min"
        );
    }

    /// @dev One file for what can be signed now, one for what follows.
    function _writeSafe(string memory name, Plan memory p, address sender) private {
        bytes memory all;
        for (uint256 i = 0; i < p.due.length; ++i) {
            all = abi.encode(all, p.due[i]);
        }
        for (uint256 i = 0; i < p.later.length; ++i) {
            all = abi.encode(all, p.later[i]);
        }
        // Two pauses are two files.
        string memory path =
            string.concat(_output, name, "-", vm.toString(abi.encodePacked(bytes4(keccak256(all)))));
        if (p.due.length != 0) {
            _writeSafe(
                string.concat(path, p.later.length == 0 ? ".json" : "-schedule.json"), p.due, sender, ""
            );
        }
        if (p.later.length != 0) {
            string memory when = string.concat("Not before unix time ", _number(p.readyAt), ". ");
            _writeSafe(string.concat(path, "-execute.json"), p.later, sender, when);
        }
    }

    function _writeSafe(string memory path, Transaction[] memory list, address sender, string memory when)
        private
    {
        string memory description = when;
        string memory transactions;
        for (uint256 i = 0; i < list.length; ++i) {
            string memory comma = i == 0 ? "" : ",";
            description = string.concat(description, i == 0 ? "" : "; ", list[i].meaning);
            transactions = string.concat(transactions, comma, _safeTransaction(list[i]));
        }
        // Written by hand: the cheatcodes know no null, and would make numbers of strings.
        string memory json = string.concat(
            '{"version":"1.0","chainId":"',
            _number(block.chainid),
            '","createdAt":',
            _number(vm.unixTime()),
            ',"meta":{"name":"Spillway","description":"',
            description
        );
        json = string.concat(
            json,
            '","txBuilderVersion":"1.16.5","createdFromSafeAddress":"',
            vm.toString(sender),
            '"},"transactions":[',
            transactions,
            "]}\n"
        );
        vm.writeFile(path, json);
        _files.push(path);
        console2.log("For the Safe transaction builder:", path);
    }

    function _safeTransaction(Transaction memory t) private pure returns (string memory) {
        return string.concat(
            '{"to":"',
            vm.toString(t.to),
            '","value":"0","data":"',
            vm.toString(t.data),
            '","contractMethod":null,"contractInputsValues":null}'
        );
    }
}
