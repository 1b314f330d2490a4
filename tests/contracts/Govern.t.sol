// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";
import {IAccessManager} from "@openzeppelin/contracts/access/manager/IAccessManager.sol";
import {ERC1967Utils} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Utils.sol";
import {stdJson} from "forge-std/StdJson.sol";

import {Approvers} from "contracts/Approvers.sol";
import {Vault} from "contracts/Vault.sol";
import {VaultExtension} from "contracts/VaultExtension.sol";
import {VaultTreasury} from "contracts/VaultTreasury.sol";
import {VersionRegistry} from "contracts/VersionRegistry.sol";
import {IOracleGuard} from "contracts/interfaces/IOracleGuard.sol";
import {IVault} from "contracts/interfaces/IVault.sol";
import {Assets} from "contracts/libraries/Assets.sol";
import {Roles} from "contracts/libraries/Roles.sol";
import {Deploy} from "script/Deploy.s.sol";
import {Action} from "script/govern/Action.sol";
import {Approvals} from "script/govern/Approvals.s.sol";
import {Keys} from "script/govern/Keys.s.sol";
import {Lanes} from "script/govern/Lanes.s.sol";
import {Limits} from "script/govern/Limits.s.sol";
import {Listing} from "script/govern/Listing.s.sol";
import {Oracle} from "script/govern/Oracle.s.sol";
import {Pause} from "script/govern/Pause.s.sol";
import {Treasury} from "script/govern/Treasury.s.sol";
import {Upgrade} from "script/govern/Upgrade.s.sol";
import {Veto} from "script/govern/Veto.s.sol";
import {Fixture} from "tests/contracts/Fixture.sol";
import {FixedGuard} from "tests/contracts/mocks/FixedGuard.sol";
import {PlainToken} from "tests/contracts/mocks/Tokens.sol";
import {VaultExtensionBroken, VaultExtensionV2, VaultV2} from "tests/contracts/mocks/VaultV2.sol";

/// @notice Takes one contract for what this commit builds as the vault's second part.
contract UpgradeTo is Upgrade {
    address private extension;

    function review(Vault implementation) external {
        extension = implementation.EXTENSION();
    }

    function _extensionWith(address) internal view override returns (address) {
        return extension;
    }
}

/// @notice The scripts under script/govern, against a deployment whose governance acts with a delay: what they produce
/// is sent by the account that they name, and has the effect.
contract GovernTest is Fixture {
    using stdJson for string;

    uint32 private constant DELAY = 2 days;
    address private immutable STRANGER = makeAddr("stranger");
    string private file;

    Pause private pause = new Pause();
    Limits private limits = new Limits();
    Oracle private oracle = new Oracle();
    Approvals private approvals = new Approvals();
    Lanes private lanes = new Lanes();
    Listing private listing = new Listing();
    Treasury private treasury = new Treasury();
    Veto private veto = new Veto();
    Upgrade private upgrade = new Upgrade();
    UpgradeTo private upgradeTo = new UpgradeTo();
    Keys private keys = new Keys();

    function setUp() public {
        deployVault();
        file = new Deploy().describe(params(), deployed);
    }

    function params() internal view override returns (Deploy.Params memory p) {
        p = super.params();
        p.governanceDelay = DELAY;
    }

    // --------------------------------------------------------------------------------------------- helpers

    function _run(Action script, address sender, bytes memory call) private returns (Action.Plan memory) {
        return _run(script, sender, call, Action.Mode.Calldata, "");
    }

    function _run(Action script, address sender, bytes memory call, Action.Mode mode, string memory output)
        private
        returns (Action.Plan memory)
    {
        script.use(file, mode, sender, output);
        (bool ok, bytes memory reason) = address(script).call(call);
        _bubble(ok, reason);
        return script.plan();
    }

    function _bubble(bool ok, bytes memory reason) private pure {
        if (ok) return;
        assembly ("memory-safe") {
            revert(add(reason, 0x20), mload(reason))
        }
    }

    function _send(address sender, Action.Transaction[] memory list) private {
        for (uint256 i = 0; i < list.length; ++i) {
            vm.prank(sender);
            (bool ok, bytes memory reason) = list[i].to.call(list[i].data);
            _bubble(ok, reason);
        }
    }

    /// @dev An action at once; nobody else may.
    function _guard(Action script, bytes memory call) private {
        Action.Plan memory plan = _run(script, GUARDIAN, call);
        assertEq(plan.due.length, 1);
        assertEq(plan.later.length, 0);
        _refusesStranger(script, call, "GUARDIAN");
        _send(GUARDIAN, plan.due);
    }

    /// @dev An action with the delay: scheduled, too early, ready, executed, each by the same command.
    function _govern(address by, Action script, bytes memory call) private {
        Action.Plan memory first = _run(script, by, call);
        assertEq(first.due.length, first.later.length);
        assertGt(first.due.length, 0);
        assertEq(first.readyAt, block.timestamp + DELAY);
        _send(by, first.due);

        Action.Plan memory again = _run(script, by, call);
        assertEq(again.due.length, 0);
        assertEq(again.readyAt, first.readyAt);
        assertEq(keccak256(abi.encode(again.later)), keccak256(abi.encode(first.later)));

        vm.warp(first.readyAt - 1);
        assertEq(_run(script, by, call).due.length, 0);
        for (uint256 i = 0; i < first.later.length; ++i) {
            vm.prank(by);
            (bool ok, bytes memory reason) = first.later[i].to.call(first.later[i].data);
            assertFalse(ok);
            assertEq(bytes4(reason), IAccessManager.AccessManagerNotReady.selector);
        }

        vm.warp(first.readyAt);
        Action.Plan memory ready = _run(script, by, call);
        assertEq(ready.later.length, 0);
        assertEq(keccak256(abi.encode(ready.due)), keccak256(abi.encode(first.later)));
        _send(by, ready.due);
    }

    function _govern(Action script, bytes memory call) private {
        _refusesStranger(script, call, script == Action(keys) ? "ADMIN" : "GOVERNANCE");
        _govern(GOVERNANCE, script, call);
    }

    function _refusesStranger(Action script, bytes memory call, string memory role) private {
        script.use(file, Action.Mode.Calldata, STRANGER, "");
        string memory next = "pass --sender with an account that holds it, or its key";
        vm.expectRevert(abi.encodeWithSelector(Action.NotAllowed.selector, STRANGER, role, next));
        (bool ok,) = address(script).call(call);
        ok;
    }

    function _refuses(
        Action script,
        address sender,
        bytes memory call,
        string memory input,
        string memory problem
    ) private {
        script.use(file, Action.Mode.Calldata, sender, "");
        (bool ok, bytes memory reason) = address(script).call(call);
        assertFalse(ok, problem);
        assertEq(reason, abi.encodeWithSelector(Action.BadInput.selector, input, problem), problem);
    }

    // --------------------------------------------------------------------------------------------- pauses

    function test_pause_and_unpause_a_scope() public {
        _guard(pause, abi.encodeCall(Pause.pause, ("orders", 3 days)));
        assertEq(vault.pausedUntil(IVault.Scope.Orders), block.timestamp + 3 days);
        _govern(pause, abi.encodeCall(Pause.unpause, ("orders")));
        assertEq(vault.pausedUntil(IVault.Scope.Orders), block.timestamp);
    }

    function test_pause_and_unpause_an_asset_by_symbol_or_address() public {
        _guard(pause, abi.encodeCall(Pause.pauseAsset, ("TDAI", 3 days)));
        assertEq(vault.assetPausedUntil(address(dai)), block.timestamp + 3 days);
        _govern(pause, abi.encodeCall(Pause.unpauseAsset, (vm.toString(address(dai)))));
        assertEq(vault.assetPausedUntil(address(dai)), block.timestamp);
    }

    function test_prolong_a_pause() public {
        uint48 until = uint48(block.timestamp) + 30 days;
        _govern(pause, abi.encodeCall(Pause.extend, ("everything", until)));
        assertEq(vault.pausedUntil(IVault.Scope.Everything), until);
        _govern(pause, abi.encodeCall(Pause.extendAsset, ("ETH", until)));
        assertEq(vault.assetPausedUntil(Assets.NATIVE), until);
    }

    function test_every_scope_has_its_word() public {
        string[5] memory words = ["everything", "deposits", "orders", "requests", "swaps"];
        for (uint256 i = 0; i < 5; ++i) {
            _guard(pause, abi.encodeCall(Pause.pause, (words[i], 1 days)));
            assertEq(vault.pausedUntil(IVault.Scope(i)), block.timestamp + 1 days);
        }
    }

    function test_bad_pauses_are_named() public {
        _refuses(
            pause,
            GUARDIAN,
            abi.encodeCall(Pause.pause, ("all", 1 days)),
            "scope",
            "all is none of everything, deposits, orders, requests, swaps"
        );
        _refuses(
            pause,
            GUARDIAN,
            abi.encodeCall(Pause.pauseAsset, ("DOGE", 1 days)),
            "asset",
            "DOGE is no address, and no symbol of the deployment: ETH, TDAI, TUSD, MOODY"
        );
        string memory stranger = vm.toString(STRANGER);
        _refuses(
            pause,
            GUARDIAN,
            abi.encodeCall(Pause.pauseAsset, (stranger, 1 days)),
            "asset",
            string.concat(stranger, " was never listed: see Listing.s.sol")
        );
        bytes memory call = abi.encodeCall(Pause.pause, ("orders", 0));
        _refuses(pause, GUARDIAN, call, "duration", "is zero: give seconds");
        _refuses(
            pause,
            GUARDIAN,
            abi.encodeCall(Pause.pause, ("orders", 3 days + 1)),
            "duration",
            "is above what a guardian may pause: 259200 s"
        );
        _refuses(
            pause,
            GOVERNANCE,
            abi.encodeCall(Pause.unpause, ("orders")),
            "orders",
            "is not paused: there is nothing to do"
        );
        call = abi.encodeCall(Pause.extend, ("orders", 1));
        _refuses(pause, GOVERNANCE, call, "until", "is past: give unix seconds");
        call = abi.encodeCall(Pause.extend, ("orders", uint48(1) << 40));
        _refuses(pause, GOVERNANCE, call, "until", "is beyond 2106: give unix seconds");
        _guard(pause, abi.encodeCall(Pause.pause, ("orders", 2 days)));
        _refuses(
            pause,
            GUARDIAN,
            abi.encodeCall(Pause.pause, ("orders", 1 days)),
            "duration",
            "ends before the present pause, at 1800172800"
        );
    }

    /// @notice What only the vault knows is said by the vault, before anything is sent.
    function test_the_rehearsal_says_what_the_vault_would() public {
        uint256 from = block.timestamp;
        _guard(pause, abi.encodeCall(Pause.pause, ("orders", 3 days)));
        vm.warp(from + 4 days);
        pause.use(file, Action.Mode.Send, GUARDIAN, "");
        vm.expectRevert(
            abi.encodeWithSelector(IVault.GuardianCoolingDown.selector, GUARDIAN, from + 3 days + 7 days)
        );
        pause.pause("orders", 1 days);
    }

    // --------------------------------------------------------------------------------------------- limits

    function _limits() private pure returns (IVault.AssetLimits memory) {
        return IVault.AssetLimits(1000e18, 1 days, 25, 10e18, 300e18, 100e18);
    }

    function test_set_and_lower_limits() public {
        _govern(limits, abi.encodeCall(Limits.set, ("TDAI", _limits())));
        assertEq(keccak256(abi.encode(vault.assetLimits(address(dai)))), keccak256(abi.encode(_limits())));
        IVault.AssetLimits memory less = _limits();
        (less.capacity, less.window) = (500e18, 2 days);
        _guard(limits, abi.encodeCall(Limits.lower, ("TDAI", less)));
        assertEq(keccak256(abi.encode(vault.assetLimits(address(dai)))), keccak256(abi.encode(less)));
        _guard(limits, abi.encodeCall(Limits.lowerTo, ("TDAI", 10)));
        assertEq(
            keccak256(abi.encode(vault.assetLimits(address(dai)))),
            keccak256(abi.encode(IVault.AssetLimits(50e18, 2 days, 25, 1e18, 30e18, 10e18)))
        );
        _guard(limits, abi.encodeCall(Limits.lowerTo, ("TDAI", 0)));
        assertEq(vault.assetLimits(address(dai)).capacity, 0);
    }

    function test_set_and_lower_the_usd_limit() public {
        _govern(limits, abi.encodeCall(Limits.setUsd, (2_000_000, 2 days, 3)));
        (uint32 capacity, uint32 window, uint8 hardMultiple) = vault.usdLimit();
        assertEq(capacity, 2_000_000);
        assertEq(window, 2 days);
        assertEq(hardMultiple, 3);
        _guard(limits, abi.encodeCall(Limits.lowerUsd, (100, 3 days)));
        (capacity, window, hardMultiple) = vault.usdLimit();
        assertEq(capacity, 100);
        assertEq(window, 3 days);
        assertEq(hardMultiple, 3);
    }

    function test_bad_limits_are_named() public {
        IVault.AssetLimits memory bad = _limits();
        bad.window = 1 hours - 60;
        string memory problem = "is not within 3600 and 2592000 seconds in whole minutes";
        _refuses(limits, GOVERNANCE, abi.encodeCall(Limits.set, ("TDAI", bad)), "window", problem);
        bytes memory call = abi.encodeCall(Limits.setUsd, (1, 1 hours + 1, 1));
        _refuses(limits, GOVERNANCE, call, "window", problem);
        call = abi.encodeCall(Limits.setUsd, (1, 1 days, 0));
        _refuses(limits, GOVERNANCE, call, "hardMultiple", "is not within 1 and 100");
        bad = _limits();
        bad.unpricedShare = 101;
        call = abi.encodeCall(Limits.set, ("TDAI", bad));
        _refuses(limits, GOVERNANCE, call, "unpricedShare", "is not within 1 and 100 percent");
        bad = _limits();
        bad.approvedPerPayout = 1;
        problem = "is below instantPerPayout: make it at least that";
        call = abi.encodeCall(Limits.set, ("TDAI", bad));
        _refuses(limits, GOVERNANCE, call, "approvedPerPayout", problem);
        bad = _limits();
        (bad.capacity, bad.instantPerPayout) = (1e36, 1);
        problem =
            "is too high beside the smallest of capacity, instantPerPayout, instantPerDay, or has too many digits: they share 12 significant digits, so round them";
        _refuses(limits, GOVERNANCE, abi.encodeCall(Limits.set, ("TDAI", bad)), "capacity", problem);
        problem = "are what they are already: there is nothing to do";
        call = abi.encodeCall(Limits.set, ("TDAI", unbound()));
        _refuses(limits, GOVERNANCE, call, "limits", problem);
        bad = unbound();
        bad.capacity = 2e36;
        problem = string.concat("is above the present ", vm.toString(uint256(1e36)));
        problem = string.concat(problem, ": only governance may raise it (set)");
        _refuses(limits, GUARDIAN, abi.encodeCall(Limits.lower, ("TDAI", bad)), "capacity", problem);
        bad = unbound();
        bad.window = 1 hours;
        problem = "is below the present 86400: only governance may shorten it (set)";
        _refuses(limits, GUARDIAN, abi.encodeCall(Limits.lower, ("TDAI", bad)), "window", problem);
        call = abi.encodeCall(Limits.lowerUsd, (1, 1 hours));
        _refuses(limits, GUARDIAN, call, "window", problem);
        call = abi.encodeCall(Limits.lowerTo, ("TDAI", 100));
        _refuses(limits, GUARDIAN, call, "percent", "is not below 100");
    }

    /// @notice What the script takes for too precise is what the vault does.
    function testFuzz_the_script_knows_the_vaults_precision(
        uint256 capacity,
        uint256 perPayout,
        uint256 perDay,
        uint8 zeros
    ) public {
        uint256 unit = 10 ** bound(zeros, 0, 30);
        IVault.AssetLimits memory l = _limits();
        l.capacity = bound(capacity, 0, 1 << 42) * unit;
        l.instantPerPayout = bound(perPayout, 0, 1 << 42) * unit;
        l.instantPerDay = bound(perDay, 0, 1 << 42) * unit;
        vm.assume(l.instantPerPayout < type(uint128).max);
        l.approvedPerPayout = type(uint128).max;
        limits.use(file, Action.Mode.Calldata, GOVERNANCE, "");
        (bool ok,) = address(limits).call(abi.encodeCall(Limits.set, ("TDAI", l)));
        vm.mockCall(
            address(manager), abi.encodeWithSelector(IAccessManager.canCall.selector), abi.encode(true, 0)
        );
        (bool vaultOk,) = address(vault).call(abi.encodeCall(IVault.setLimits, (address(dai), l)));
        assertEq(ok, vaultOk);
    }

    // --------------------------------------------------------------------------------------------- oracle

    function test_set_the_oracle_and_poke() public {
        FixedGuard guard = new FixedGuard();
        _govern(oracle, abi.encodeCall(Oracle.set, (address(guard), 2 hours)));
        guard.set(Assets.NATIVE, IOracleGuard.Verdict.Healthy, 3000e18);
        // Anyone may poke.
        _send(STRANGER, _run(oracle, STRANGER, abi.encodeCall(Oracle.poke, ("ETH"))).due);
        (uint256 price, uint256 until) = vault.priceOf(Assets.NATIVE);
        assertEq(price, 3000e18);
        assertEq(until, block.timestamp + 2 hours);
        _refuses(
            oracle,
            GOVERNANCE,
            abi.encodeCall(Oracle.set, (STRANGER, 1 hours)),
            "guard",
            "has no code: give a contract, or zero for no prices"
        );
        _refuses(
            oracle,
            GOVERNANCE,
            abi.encodeCall(Oracle.set, (address(0), 59)),
            "priceLife",
            "is not within 60 and 86400 seconds"
        );
    }

    // --------------------------------------------------------------------------------------------- approvals

    function _three() private pure returns (address[] memory list) {
        list = new address[](3);
        (list[0], list[1], list[2]) = (address(0xc0c), address(0xa0a), address(0xb0b));
    }

    function test_set_approvers_in_any_order() public {
        _govern(approvals, abi.encodeCall(Approvals.setApprovers, (_three(), 2)));
        assertEq(approvers.threshold(), 2);
        assertEq(approvers.approvers()[0], address(0xa0a));
        assertEq(approvers.approvers()[2], address(0xc0c));
        // One of them goes, the others stay.
        address[] memory two = new address[](2);
        (two[0], two[1]) = (address(0xc0c), address(0xb0b));
        _govern(approvals, abi.encodeCall(Approvals.setApprovers, (two, 2)));
        assertEq(approvers.approvers().length, 2);
    }

    function test_set_approvals() public {
        address other = address(new Approvers(address(manager)));
        _govern(approvals, abi.encodeCall(Approvals.setApprovals, (other, 3 days)));
        (address now_, uint32 announceDelay) = vault.approvals();
        assertEq(now_, other);
        assertEq(announceDelay, 3 days);
    }

    function test_bad_approvals_are_named() public {
        address[] memory list = _three();
        bytes memory call = abi.encodeCall(Approvals.setApprovers, (list, 4));
        _refuses(approvals, GOVERNANCE, call, "threshold", "is not within 1 and the number of approvers");
        list[1] = list[0];
        call = abi.encodeCall(Approvals.setApprovers, (list, 2));
        _refuses(approvals, GOVERNANCE, call, "approvers", "names one twice");
        list = _three();
        address[3] memory others = [GUARDIAN, GOVERNANCE, LANE];
        string[3] memory powers = ["GUARDIAN", "GOVERNANCE", "an enabled lane"];
        for (uint256 i = 0; i < 3; ++i) {
            list[0] = others[i];
            string memory problem = string.concat(vm.toString(others[i]), " is ", powers[i]);
            problem = string.concat(problem, ": no account may hold two powers");
            call = abi.encodeCall(Approvals.setApprovers, (list, 2));
            _refuses(approvals, GOVERNANCE, call, "approvers", problem);
        }
        call = abi.encodeCall(Approvals.setApprovals, (STRANGER, 1 days));
        _refuses(
            approvals,
            GOVERNANCE,
            call,
            "approvers",
            "has no code: give the Approvers contract, or zero for none"
        );
        call = abi.encodeCall(Approvals.setApprovals, (address(approvers), 1));
        _refuses(approvals, GOVERNANCE, call, "announceDelay", "is not within 3600 and 2592000 seconds");
    }

    // --------------------------------------------------------------------------------------------- lanes, assets

    function test_disable_and_enable_a_lane() public {
        _guard(lanes, abi.encodeCall(Lanes.disable, (LANE)));
        (bool enabled,,) = vault.laneOf(LANE);
        assertFalse(enabled);
        _refuses(
            lanes,
            GUARDIAN,
            abi.encodeCall(Lanes.disable, (LANE)),
            "lane",
            "is not enabled: there is nothing to do"
        );
        _govern(lanes, abi.encodeCall(Lanes.enable, (LANE)));
        (enabled,,) = vault.laneOf(LANE);
        assertTrue(enabled);
        _refuses(
            lanes,
            GOVERNANCE,
            abi.encodeCall(Lanes.enable, (LANE)),
            "lane",
            "is enabled already: there is nothing to do"
        );
        _refuses(
            lanes,
            GOVERNANCE,
            abi.encodeCall(Lanes.enable, (GUARDIAN)),
            "lane",
            string.concat(vm.toString(GUARDIAN), " is GUARDIAN: no account may hold two powers")
        );
        _refuses(lanes, GOVERNANCE, abi.encodeCall(Lanes.enable, (address(0))), "lane", "is zero");
        string memory problem = "is the cold address: a stolen keeper key would hold the reserves";
        _refuses(lanes, GOVERNANCE, abi.encodeCall(Lanes.enable, (COLD)), "lane", problem);
    }

    function test_list_and_unlist_an_asset() public {
        string memory fresh = vm.toString(address(new PlainToken("New", "NEW", 18)));
        _govern(listing, abi.encodeCall(Listing.configure, (fresh, true, 60_000, 5)));
        IVault.AssetConfig memory config = vault.assetConfig(vm.parseAddress(fresh));
        assertTrue(config.listed);
        assertEq(config.payoutGas, 60_000);
        assertEq(config.minRequest, 5);
        _govern(listing, abi.encodeCall(Listing.configure, ("TUSD", false, 0, 1)));
        assertFalse(vault.assetConfig(address(usd)).listed);

        string memory none = vm.toString(STRANGER);
        bytes memory call = abi.encodeCall(Listing.configure, (none, true, 60_000, 5));
        _refuses(listing, GOVERNANCE, call, "asset", string.concat(none, " has no code on this chain"));
        call = abi.encodeCall(Listing.configure, ("TDAI", true, 1, 5));
        _refuses(listing, GOVERNANCE, call, "payoutGas", "is not within 25000 and 1000000");
        call = abi.encodeCall(Listing.configure, ("TDAI", true, TOKEN_GAS, 1));
        string memory problem = "is configured like that already: there is nothing to do";
        _refuses(listing, GOVERNANCE, call, "asset", problem);
    }

    function test_set_marks_and_cold() public {
        _govern(treasury, abi.encodeCall(Treasury.setMarks, ("TDAI", 10e18, 20e18)));
        assertEq(vault.treasuryOf(address(dai)).minFloat, 10e18);
        assertEq(vault.treasuryOf(address(dai)).highWater, 20e18);
        _govern(treasury, abi.encodeCall(Treasury.setCold, (STRANGER)));
        assertEq(vault.cold(), STRANGER);

        bytes memory call = abi.encodeCall(Treasury.setMarks, ("TDAI", 2, 1));
        _refuses(treasury, GOVERNANCE, call, "minFloat", "is above highWater: swap them?");
        call = abi.encodeCall(Treasury.setCold, (STRANGER));
        _refuses(treasury, GOVERNANCE, call, "cold", "is that already: there is nothing to do");
        call = abi.encodeCall(Treasury.setCold, (address(vault)));
        _refuses(treasury, GOVERNANCE, call, "cold", "is the vault itself");
        call = abi.encodeCall(Treasury.setCold, (LANE));
        string memory problem = "is an enabled lane: a stolen keeper key would hold the reserves";
        _refuses(treasury, GOVERNANCE, call, "cold", problem);
    }

    function test_veto_an_announced_order() public {
        vm.prank(LANE);
        bytes32 id = vault.announce(address(dai), STRANGER, 1e18, "a ref");
        _guard(veto, abi.encodeCall(Veto.veto, (id)));
        (,, bool vetoed) = vault.announcementOf(id);
        assertTrue(vetoed);
        bytes memory call = abi.encodeCall(Veto.veto, (id));
        _refuses(veto, GUARDIAN, call, "id", "is vetoed already: there is nothing to do");
        call = abi.encodeCall(Veto.veto, (bytes32(0)));
        string memory problem = "is not announced, or was paid: take it from the event Announced";
        _refuses(veto, GUARDIAN, call, "id", problem);
    }

    // --------------------------------------------------------------------------------------------- versions

    function _runs() private view returns (address) {
        return address(uint160(uint256(vm.load(address(vault), ERC1967Utils.IMPLEMENTATION_SLOT))));
    }

    function _reviewed(address extension) private returns (address) {
        Vault v = new Vault(extension);
        upgradeTo.review(v);
        return address(v);
    }

    function test_upgrade_and_roll_back() public {
        address second = _reviewed(address(new VaultExtensionV2()));
        bytes memory migrate = abi.encodeCall(VaultExtensionV2.migrate, ());
        _govern(upgradeTo, abi.encodeCall(Upgrade.propose, (second, 2, migrate)));
        VersionRegistry.Version memory proposed = registry.history(address(vault))[1];
        assertEq(proposed.codehash, second.codehash);
        assertEq(proposed.layoutHash, keccak256(bytes(vm.readFile("contracts/layout/Vault.txt"))));
        assertEq(address(proposed.gate), address(gate));
        // The delays of governance and of the registry run side by side.
        _govern(upgrade, abi.encodeCall(Upgrade.activate, (migrate)));
        assertEq(_runs(), second);
        _guard(upgrade, abi.encodeCall(Upgrade.rollback, ()));
        assertEq(_runs(), implementation);
        _refuses(
            upgrade,
            GUARDIAN,
            abi.encodeCall(Upgrade.rollback, ()),
            "rollback",
            "the version is final: governance must propose the one before again, under a higher number"
        );
        // After probation the way back is a proposal of the code that ran before.
        _govern(upgradeTo, abi.encodeCall(Upgrade.propose, (second, 3, "")));
        _guard(upgrade, abi.encodeCall(Upgrade.cancel, ()));
        upgrade.use(file, Action.Mode.Calldata, GOVERNANCE, "");
        upgrade.status();
    }

    function test_build_deploys_the_vaults_code() public {
        upgrade.use(file, Action.Mode.Send, STRANGER, "");
        address built = upgrade.build();
        // The address of the second half is an immutable, so the code hash is another.
        assertEq(built.code.length, implementation.code.length);
        _govern(upgrade, abi.encodeCall(Upgrade.propose, (built, 2, "")));
        _govern(upgrade, abi.encodeCall(Upgrade.activate, ("")));
        assertEq(_runs(), built);
    }

    function test_bad_upgrades_are_named() public {
        string memory none = "none is proposed: see propose()";
        _refuses(upgrade, GUARDIAN, abi.encodeCall(Upgrade.cancel, ()), "version", none);
        _refuses(upgrade, GOVERNANCE, abi.encodeCall(Upgrade.activate, ("")), "version", none);
        bytes memory call = abi.encodeCall(Upgrade.propose, (STRANGER, 2, ""));
        _refuses(upgrade, GOVERNANCE, call, "implementation", "has no code: deploy it first, see build()");
        call = abi.encodeCall(Upgrade.propose, (address(vault), 2, ""));
        _refuses(
            upgrade,
            GOVERNANCE,
            call,
            "implementation",
            "is the vault's proxy: give the new code's own address, see build()"
        );
        address broken = _reviewed(address(new VaultExtensionBroken(0)));
        call = abi.encodeCall(Upgrade.propose, (broken, 2, abi.encodeCall(VaultExtensionBroken.migrate, ())));
        _refuses(
            upgradeTo,
            GOVERNANCE,
            call,
            "implementation",
            "changes what the gate guards (see VaultGate): it could not be activated"
        );
        address second = _reviewed(address(new VaultExtensionV2()));
        call = abi.encodeCall(Upgrade.propose, (second, 1, ""));
        _refuses(upgrade, GOVERNANCE, call, "number", "is not above 1, the last one");
        _govern(upgradeTo, abi.encodeCall(Upgrade.propose, (second, 2, "")));
        call = abi.encodeCall(Upgrade.propose, (second, 3, ""));
        string memory problem = "version 2 is proposed: a guardian must cancel it first";
        _refuses(upgrade, GOVERNANCE, call, "number", problem);
        call = abi.encodeCall(Upgrade.activate, ("else"));
        _refuses(upgrade, GOVERNANCE, call, "data", "is not the migration that was proposed");
    }

    function _refusesCode(address implementation_, string memory what, address at) private {
        string memory problem = string.concat(what, " of this commit, at ", vm.toString(at));
        _refuses(
            upgrade,
            GOVERNANCE,
            abi.encodeCall(Upgrade.propose, (implementation_, 2, "")),
            "implementation",
            string.concat(problem, ": check out what was reviewed")
        );
    }

    /// @notice The registry hashes the first part alone, which holds the address of the second, and that of the third: so the
    /// script looks at all three.
    function test_code_that_this_commit_does_not_build_is_not_proposed() public {
        address guard = address(new FixedGuard());
        _refusesCode(guard, "is not the Vault", guard);
        address other = address(new VaultV2());
        _refusesCode(other, "is not the Vault", other);
        address extension = address(new VaultExtensionV2());
        other = address(new Vault(extension));
        assertEq(other.code.length, implementation.code.length, "the first part is ours");
        _refusesCode(other, "has another extension than the VaultExtension", extension);
        other = address(new Vault(guard));
        _refusesCode(other, "has another extension than the VaultExtension", guard);
        other = address(new Vault(address(new VaultExtension(guard))));
        _refusesCode(other, "has another treasury than the VaultTreasury", guard);
        // One byte of the third part.
        address third = address(new VaultTreasury());
        other = address(new Vault(address(new VaultExtension(third))));
        bytes memory code = third.code;
        code[code.length / 2] ^= 0x01;
        vm.etch(third, code);
        _refusesCode(other, "has another treasury than the VaultTreasury", third);
        code[code.length / 2] ^= 0x01;
        vm.etch(third, code);
        _run(upgrade, GOVERNANCE, abi.encodeCall(Upgrade.propose, (other, 2, "")));
    }

    // --------------------------------------------------------------------------------------------- roles

    function test_add_and_remove_a_guardian() public {
        _govern(keys, abi.encodeCall(Keys.addGuardian, (STRANGER)));
        (bool member, uint32 delay) = manager.hasRole(Roles.GUARDIAN, STRANGER);
        assertTrue(member);
        assertEq(delay, 0);
        vm.prank(STRANGER);
        vault.pause(IVault.Scope.Orders, 1);
        bytes memory call = abi.encodeCall(Keys.removeGuardian, (STRANGER));
        _govern(GOVERNANCE, keys, call);
        (member,) = manager.hasRole(Roles.GUARDIAN, STRANGER);
        assertFalse(member);
        _refuses(keys, GOVERNANCE, call, "account", "is no guardian: there is nothing to do");
        string memory problem = string.concat(vm.toString(LANE), " is an enabled lane");
        problem = string.concat(problem, ": no account may hold two powers");
        _refuses(keys, GOVERNANCE, abi.encodeCall(Keys.addGuardian, (LANE)), "account", problem);
    }

    function test_the_key_of_volatility_is_taken_away() public {
        address setter = makeAddr("setter");
        bytes memory call = abi.encodeCall(AccessManager.grantRole, (Roles.VOLATILITY, setter, 0));
        vm.startPrank(GOVERNANCE);
        manager.schedule(address(manager), call, 0);
        vm.warp(block.timestamp + DELAY);
        manager.execute(address(manager), call);
        vm.stopPrank();
        (bool member,) = manager.hasRole(Roles.VOLATILITY, setter);
        assertTrue(member);
        string memory problem = string.concat(vm.toString(setter), " is VOLATILITY");
        problem = string.concat(problem, ": no account may hold two powers");
        _refuses(keys, GOVERNANCE, abi.encodeCall(Keys.addGuardian, (setter)), "account", problem);

        call = abi.encodeCall(Keys.removeVolatility, (setter));
        _govern(keys, call);
        (member,) = manager.hasRole(Roles.VOLATILITY, setter);
        assertFalse(member);
        _refuses(keys, GOVERNANCE, call, "account", "sets no volatility: there is nothing to do");
    }

    function test_governance_moves_to_a_successor_with_the_same_delay() public {
        _govern(keys, abi.encodeCall(Keys.addGovernance, (STRANGER)));
        uint64[2] memory roles = [Roles.GOVERNANCE, manager.ADMIN_ROLE()];
        for (uint256 i = 0; i < 2; ++i) {
            (bool member, uint32 delay) = manager.hasRole(roles[i], STRANGER);
            assertTrue(member);
            assertEq(delay, DELAY);
        }
        bytes memory call = abi.encodeCall(Keys.addGovernance, (STRANGER));
        _refuses(keys, GOVERNANCE, call, "account", "is governance already: there is nothing to do");
        call = abi.encodeCall(Keys.removeGovernance, (GOVERNANCE));
        string memory problem = "is the sender: let the successor do it, which proves that it can act";
        _refuses(keys, GOVERNANCE, call, "account", problem);
        _govern(STRANGER, keys, call);
        for (uint256 i = 0; i < 2; ++i) {
            (bool member,) = manager.hasRole(roles[i], GOVERNANCE);
            assertFalse(member);
        }
        _refuses(keys, STRANGER, call, "account", "is not governance: there is nothing to do");
    }

    /// @notice What one member of governance has scheduled, another takes back at once.
    function test_cancel_what_is_scheduled() public {
        _govern(keys, abi.encodeCall(Keys.addGovernance, (STRANGER)));
        bytes memory fraud = abi.encodeCall(IVault.setCold, (STRANGER));
        _send(STRANGER, _run(treasury, STRANGER, abi.encodeCall(Treasury.setCold, (STRANGER))).due);
        bytes32 operation = manager.hashOperation(STRANGER, address(vault), fraud);
        assertGt(manager.getSchedule(operation), 0);
        bytes memory call = abi.encodeCall(Keys.cancelScheduled, (STRANGER, address(vault), fraud));
        _send(GOVERNANCE, _run(keys, GOVERNANCE, call).due);
        assertEq(manager.getSchedule(operation), 0);
        string memory problem = "is not scheduled: take caller, target and data from OperationScheduled";
        _refuses(keys, GOVERNANCE, call, "operation", problem);
    }

    // --------------------------------------------------------------------------------------------- modes

    function test_an_operation_that_was_left_too_long_is_scheduled_again() public {
        bytes memory call = abi.encodeCall(Treasury.setCold, (STRANGER));
        Action.Plan memory plan = _run(treasury, GOVERNANCE, call);
        _send(GOVERNANCE, plan.due);
        vm.warp(plan.readyAt + manager.expiration() - 1);
        assertEq(_run(treasury, GOVERNANCE, call).later.length, 0);
        vm.warp(plan.readyAt + manager.expiration());
        _govern(treasury, call);
        assertEq(vault.cold(), STRANGER);
    }

    function test_without_a_delay_governance_acts_at_once() public {
        vm.startPrank(GOVERNANCE);
        bytes memory call = abi.encodeCall(AccessManager.grantRole, (Roles.GOVERNANCE, GOVERNANCE, 0));
        manager.schedule(address(manager), call, 0);
        vm.warp(block.timestamp + DELAY);
        manager.execute(address(manager), call);
        vm.stopPrank();
        // A shorter delay counts only after the difference.
        vm.warp(block.timestamp + DELAY);
        Action.Plan memory plan = _run(treasury, GOVERNANCE, abi.encodeCall(Treasury.setCold, (STRANGER)));
        assertEq(plan.later.length, 0);
        assertEq(plan.due[0].to, address(vault));
        _send(GOVERNANCE, plan.due);
        assertEq(vault.cold(), STRANGER);
    }

    function test_the_rehearsal_leaves_nothing() public {
        uint256 at = block.timestamp;
        _run(treasury, GOVERNANCE, abi.encodeCall(Treasury.setCold, (STRANGER)));
        assertEq(block.timestamp, at);
        assertEq(vault.cold(), COLD);
        bytes memory data = abi.encodeCall(IVault.setCold, (STRANGER));
        assertEq(manager.getSchedule(manager.hashOperation(GOVERNANCE, address(vault), data)), 0);
    }

    function test_send_sends() public {
        bytes memory call = abi.encodeCall(Pause.pause, ("orders", 1 days));
        _run(pause, GUARDIAN, call, Action.Mode.Send, "");
        assertEq(vault.pausedUntil(IVault.Scope.Orders), block.timestamp + 1 days);
        call = abi.encodeCall(Treasury.setCold, (STRANGER));
        _run(treasury, GOVERNANCE, call, Action.Mode.Send, "");
        _run(treasury, GOVERNANCE, call, Action.Mode.Send, "");
        assertEq(vault.cold(), COLD);
        vm.warp(block.timestamp + DELAY);
        _run(treasury, GOVERNANCE, call, Action.Mode.Send, "");
        assertEq(vault.cold(), STRANGER);
    }

    /// @dev As the transaction builder reads it.
    function _replay(string memory path, address safe) private {
        string memory json = vm.readFile(path);
        assertEq(json.readString(".version"), "1.0");
        assertEq(json.readString(".chainId"), vm.toString(block.chainid));
        assertGt(json.readUint(".createdAt"), 1_600_000_000_000);
        assertGt(bytes(json.readString(".meta.name")).length, 0);
        assertGt(bytes(json.readString(".meta.description")).length, 0);
        assertGt(bytes(json.readString(".meta.txBuilderVersion")).length, 0);
        assertEq(json.readAddress(".meta.createdFromSafeAddress"), safe);
        for (uint256 i = 0;; ++i) {
            string memory at = string.concat(".transactions[", vm.toString(i), "]");
            if (!json.keyExists(at)) break;
            assertEq(json.readString(string.concat(at, ".value")), "0");
            assertTrue(json.keyExists(string.concat(at, ".contractMethod")));
            assertTrue(json.keyExists(string.concat(at, ".contractInputsValues")));
            address to = json.readAddress(string.concat(at, ".to"));
            bytes memory data = json.readBytes(string.concat(at, ".data"));
            vm.prank(safe);
            (bool ok, bytes memory reason) = to.call(data);
            _bubble(ok, reason);
        }
        vm.removeFile(path);
    }

    function test_safe_files_replayed_have_the_effect() public {
        string memory output = "deployments/test-govern-";
        bytes memory call = abi.encodeCall(Pause.pause, ("requests", 1 days));
        _run(pause, GUARDIAN, call, Action.Mode.Safe, output);
        assertEq(pause.files().length, 1);
        _replay(pause.files()[0], GUARDIAN);
        assertEq(vault.pausedUntil(IVault.Scope.Requests), block.timestamp + 1 days);

        // Two transactions in each file: one to sign now, one later.
        _run(keys, GOVERNANCE, abi.encodeCall(Keys.addGovernance, (STRANGER)), Action.Mode.Safe, output);
        string[] memory files = keys.files();
        assertEq(files.length, 2);
        _replay(files[0], GOVERNANCE);
        vm.warp(block.timestamp + DELAY);
        _replay(files[1], GOVERNANCE);
        (bool member,) = manager.hasRole(manager.ADMIN_ROLE(), STRANGER);
        assertTrue(member);
    }

    function test_bad_settings_are_named() public {
        vm.expectRevert(
            abi.encodeWithSelector(
                Action.BadInput.selector, "SPILLWAY_MODE", "sned is none of calldata, safe, send"
            )
        );
        pause.modeOf("sned");
        assertEq(uint256(pause.modeOf("send")), uint256(Action.Mode.Send));
        vm.chainId(1);
        vm.expectRevert(
            abi.encodeWithSelector(
                Action.BadInput.selector,
                "SPILLWAY_DEPLOYMENT",
                "is of another chain: give its own file, or another --rpc-url"
            )
        );
        pause.use(file, Action.Mode.Send, GUARDIAN, "");
        // No file of a chain that nobody has.
        vm.chainId(999_999_999);
        Pause fresh = new Pause();
        vm.expectRevert(
            abi.encodeWithSelector(
                Action.BadInput.selector,
                "SPILLWAY_DEPLOYMENT",
                "deployments/999999999.json does not exist: script/Deploy.s.sol writes it, or --rpc-url is another chain"
            )
        );
        fresh.pause("orders", 1 days);
    }

    function test_durations_in_words() public view {
        assertEq(pause.duration(59), "59 s");
        assertEq(pause.duration(3 hours + 1), "3 h 1 min");
        assertEq(pause.duration(2 days + 4 hours + 5 minutes), "2 d 4 h 5 min");
    }
}
