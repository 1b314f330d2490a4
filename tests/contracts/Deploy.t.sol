// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {
    TransparentUpgradeableProxy
} from "@openzeppelin/contracts/proxy/transparent/TransparentUpgradeableProxy.sol";
import {Initializable} from "@openzeppelin/contracts/proxy/utils/Initializable.sol";

import {Vault} from "contracts/Vault.sol";
import {VaultExtension} from "contracts/VaultExtension.sol";
import {VaultTreasury} from "contracts/VaultTreasury.sol";
import {IVault} from "contracts/interfaces/IVault.sol";
import {Assets} from "contracts/libraries/Assets.sol";
import {Roles} from "contracts/libraries/Roles.sol";
import {Deploy} from "script/Deploy.s.sol";
import {Fixture} from "tests/contracts/Fixture.sol";

/// @notice Who may do what after script/Deploy.s.sol, and which parameters it refuses.
contract DeployTest is Fixture {
    address private immutable STRANGER = makeAddr("stranger");

    function setUp() public {
        deployVault();
    }

    function _assertOnly(address[] memory allowed, bytes memory data) private {
        address[4] memory all = [GOVERNANCE, GUARDIAN, LANE, STRANGER];
        for (uint256 i = 0; i < all.length; ++i) {
            bool may;
            for (uint256 k = 0; k < allowed.length; ++k) {
                if (allowed[k] == all[i]) may = true;
            }
            uint256 state = vm.snapshotState();
            vm.prank(all[i]);
            (bool ok, bytes memory reason) = address(vault).call(data);
            vm.revertToState(state);
            if (may) {
                assertTrue(ok, vm.toString(data));
            } else {
                assertEq(
                    reason,
                    abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, all[i]),
                    vm.toString(data)
                );
            }
        }
    }

    function test_governance_alone_adds_and_prolongs() public {
        address[] memory governance = new address[](1);
        governance[0] = GOVERNANCE;
        _assertOnly(governance, abi.encodeCall(IVault.extendPause, (IVault.Scope.Orders, 1)));
        _assertOnly(governance, abi.encodeCall(IVault.extendAssetPause, (Assets.NATIVE, 1)));
        _assertOnly(governance, abi.encodeCall(IVault.unpause, (IVault.Scope.Orders)));
        _assertOnly(governance, abi.encodeCall(IVault.unpauseAsset, (Assets.NATIVE)));
        _assertOnly(governance, abi.encodeCall(IVault.enableLane, (STRANGER)));
        _assertOnly(
            governance,
            abi.encodeCall(IVault.configureAsset, (Assets.NATIVE, IVault.AssetConfig(true, 50_000, 1)))
        );
        _assertOnly(governance, abi.encodeCall(IVault.setSplitter, (address(0))));
        IVault.SwapRules memory rules = IVault.SwapRules(0, 1 hours, 0);
        _assertOnly(governance, abi.encodeCall(IVault.setSwapRules, (Assets.NATIVE, rules)));
    }

    function test_guardians_alone_reduce() public {
        address[] memory guardians = new address[](1);
        guardians[0] = GUARDIAN;
        _assertOnly(guardians, abi.encodeCall(IVault.pause, (IVault.Scope.Orders, 1)));
        _assertOnly(guardians, abi.encodeCall(IVault.pauseAsset, (Assets.NATIVE, 1)));
        _assertOnly(guardians, abi.encodeCall(IVault.disableLane, (LANE)));
        IVault.SwapRules memory rules = IVault.SwapRules(0, 1 hours, 0);
        _assertOnly(guardians, abi.encodeCall(IVault.lowerSwapRules, (Assets.NATIVE, rules)));
    }

    /// @notice A function that is neither open to all nor given to a role would be the admin's by default.
    function test_the_deployer_keeps_nothing() public {
        Deploy script = new Deploy();
        Deploy.Deployed memory d = script.deploy(params(), address(script));
        uint64[3] memory roles = [d.manager.ADMIN_ROLE(), Roles.GOVERNANCE, Roles.GUARDIAN];
        for (uint256 i = 0; i < roles.length; ++i) {
            (bool member,) = d.manager.hasRole(roles[i], address(script));
            assertFalse(member);
        }
    }

    function test_governance_acts_with_its_delay() public {
        Deploy script = new Deploy();
        Deploy.Params memory p = params();
        p.governanceDelay = 2 days;
        Deploy.Deployed memory d = script.deploy(p, address(script));
        bytes memory data = abi.encodeCall(IVault.enableLane, (STRANGER));
        vm.startPrank(GOVERNANCE);
        vm.expectRevert();
        d.vault.enableLane(STRANGER);
        d.manager.schedule(address(d.vault), data, uint48(block.timestamp + 2 days));
        vm.warp(block.timestamp + 2 days);
        d.vault.enableLane(STRANGER);
        vm.stopPrank();
        (bool enabled,,) = d.vault.laneOf(STRANGER);
        assertTrue(enabled);
    }

    function test_nobody_initializes_again() public {
        address[3] memory all = [address(vault), implementation, Vault(payable(implementation)).EXTENSION()];
        for (uint256 i = 0; i < all.length; ++i) {
            vm.expectRevert(Initializable.InvalidInitialization.selector);
            VaultExtension(payable(all[i])).initialize(STRANGER, 1 days, 1 days, 1 days);
        }
    }

    /// @notice The three parts together have every function of IVault, and share none.
    function test_the_vault_is_whole() public view {
        string memory all = vm.readFile("out/IVault.sol/IVault.json");
        string memory first = vm.readFile("out/Vault.sol/Vault.json");
        string memory second = vm.readFile("out/VaultExtension.sol/VaultExtension.json");
        string memory third = vm.readFile("out/VaultTreasury.sol/VaultTreasury.json");
        string[] memory names = vm.parseJsonKeys(all, ".methodIdentifiers");
        assertGt(names.length, 40);
        for (uint256 i = 0; i < names.length; ++i) {
            string memory key = string.concat(".methodIdentifiers['", names[i], "']");
            uint256 found = vm.keyExistsJson(first, key) ? 1 : 0;
            if (vm.keyExistsJson(second, key)) ++found;
            if (vm.keyExistsJson(third, key)) ++found;
            assertEq(found, 1, names[i]);
        }
    }

    function test_times_have_bounds() public {
        Deploy script = new Deploy();
        Deploy.Params memory p = params();
        p.exitDelay = 31 days;
        vm.expectRevert(abi.encodeWithSelector(IVault.OutOfRange.selector, 31 days, 1 hours, 30 days));
        script.deploy(p, address(script));
        p = params();
        p.pauseCooldown = p.maxPause - 1;
        vm.expectRevert(
            abi.encodeWithSelector(IVault.OutOfRange.selector, p.maxPause - 1, p.maxPause, 90 days)
        );
        script.deploy(p, address(script));
    }

    function test_nothing_is_set_up_for_nobody() public {
        Vault bare = new Vault(address(new VaultExtension(address(new VaultTreasury()))));
        bytes memory init = abi.encodeCall(VaultExtension.initialize, (address(0), 1 days, 1 days, 1 days));
        vm.expectRevert(IVault.ZeroAddress.selector);
        new TransparentUpgradeableProxy(address(bare), GOVERNANCE, init);
        vm.expectRevert(abi.encodeWithSelector(Vault.NoCode.selector, STRANGER));
        new Vault(STRANGER);
        vm.expectRevert(abi.encodeWithSelector(VaultExtension.NoCode.selector, STRANGER));
        new VaultExtension(STRANGER);
        address extension = Vault(payable(implementation)).EXTENSION();
        vm.deal(address(this), 1);
        (bool sent,) = extension.call{value: 1}("");
        assertFalse(sent, "ETH would be lost there");
        vm.startPrank(GOVERNANCE);
        vm.expectRevert(IVault.ZeroAddress.selector);
        vault.configureAsset(address(0), IVault.AssetConfig(true, ETH_GAS, 1));
        vm.expectRevert(IVault.ZeroAddress.selector);
        vault.enableLane(address(0));
        vm.expectRevert(abi.encodeWithSelector(IVault.LaneAlreadyEnabled.selector, LANE));
        vault.enableLane(LANE);
        vm.stopPrank();
        vm.startPrank(GUARDIAN);
        vm.expectRevert(abi.encodeWithSelector(IVault.NotALane.selector, STRANGER));
        vault.disableLane(STRANGER);
        vm.stopPrank();
        vm.prank(LANE);
        vm.expectRevert(abi.encodeWithSelector(IVault.NotALane.selector, STRANGER));
        vault.voidNumbers(STRANGER, 0, 0, 1);
    }

    function test_assets_have_code_and_a_sane_gas_allowance() public {
        vm.startPrank(GOVERNANCE);
        vm.expectRevert(abi.encodeWithSelector(IVault.AssetNotListed.selector, STRANGER));
        vault.configureAsset(STRANGER, IVault.AssetConfig(true, TOKEN_GAS, 1));
        vm.expectRevert(abi.encodeWithSelector(IVault.OutOfRange.selector, 24_999, 25_000, 1_000_000));
        vault.configureAsset(address(dai), IVault.AssetConfig(true, 24_999, 1));
        vm.stopPrank();
    }

    function _refuses(Deploy script, Deploy.Params memory p, string memory key, string memory problem)
        private
    {
        vm.expectRevert(abi.encodeWithSelector(Deploy.BadParameter.selector, key, problem));
        script.check(p);
    }

    function test_the_script_refuses_bad_parameters_by_name() public {
        Deploy script = new Deploy();
        Deploy.Params memory p = params();
        p.governance = address(0);
        _refuses(script, p, "governance", "is zero: use a Safe or a timelock");
        p = params();
        p.guardians = new address[](0);
        _refuses(script, p, "guardians", "is empty: nobody could pause");
        _refusesTwoPowers(script);
        p = params();
        p.assets[1].decimals = 6;
        _refuses(script, p, "TDAI", "the token says other decimals");
        p = params();
        p.assets[1].token = STRANGER;
        _refuses(script, p, "TDAI", "no code at its address");
        p = params();
        p.assets[0].decimals = 6;
        _refuses(script, p, "ETH", "ETH has 18 decimals");
    }

    /// @dev Each pair of powers, at the last place of the later list.
    function _refusesTwoPowers(Deploy script) private {
        string memory problem = ": no account may hold two powers";
        string[3] memory keys = ["guardians", "lanes", "approvers"];
        string[3] memory words = ["names governance", "names a guardian", "names a lane"];
        for (uint256 later = 0; later < 3; ++later) {
            for (uint256 earlier = 0; earlier <= later; ++earlier) {
                Deploy.Params memory p = _withApprovers();
                address[][3] memory lists = [p.guardians, p.lanes, p.approvers];
                address[3] memory holders = [GOVERNANCE, p.guardians[1], p.lanes[0]];
                lists[later][1] = holders[earlier];
                _refuses(script, p, keys[later], string.concat(words[earlier], problem));
            }
            Deploy.Params memory twice = _withApprovers();
            address[][3] memory ofTwice = [twice.guardians, twice.lanes, twice.approvers];
            ofTwice[later][1] = ofTwice[later][0];
            _refuses(script, twice, keys[later], "names one twice");
            ofTwice[later][1] = address(0);
            _refuses(script, twice, keys[later], "names the zero address");
        }
        Deploy.Params memory cold = params();
        cold.cold = OTHER_LANE;
        _refuses(script, cold, "cold", "is a lane: a stolen keeper key would hold the reserves");
        script.check(_withApprovers());
    }

    function _withApprovers() private returns (Deploy.Params memory p) {
        p = params();
        p.approvers = new address[](2);
        (p.approvers[0], p.approvers[1]) = (makeAddr("approver"), makeAddr("other approver"));
    }

    /// @notice Every contract that script/Deploy.s.sol deploys has room below the 24,576 bytes of EIP-170. Margin pools are
    /// built with other settings, where `make build-contracts` looks at their size.
    function test_every_contract_has_room_below_the_size_limit() public {
        string[13] memory names = [
            "Vault",
            "VaultExtension",
            "VaultTreasury",
            "VaultGate",
            "VersionRegistry",
            "Approvers",
            "OracleGuard",
            "OracleGuardExtension",
            "SwapSplitter",
            "UniswapV2Adapter",
            "UniswapV3Adapter",
            "StableSwapAdapter",
            "BalancerAdapter"
        ];
        for (uint256 i = 0; i < names.length; ++i) {
            string memory json = vm.readFile(string.concat("out/", names[i], ".sol/", names[i], ".json"));
            // The test of mutants builds without the optimizer.
            vm.skip(!vm.parseJsonBool(json, ".metadata.settings.optimizer.enabled"));
            uint256 size = vm.parseJsonBytes(json, ".deployedBytecode.object").length;
            assertGt(size, 1000, names[i]);
            assertLe(size, 24_576 - 2000, names[i]);
        }
    }

    function test_the_example_parameters_are_read_and_refused_until_filled_in() public {
        Deploy script = new Deploy();
        Deploy.Params memory p = script.read(vm.readFile("script/params/example.json"));
        assertEq(p.assets[0].symbol, "ETH");
        assertEq(p.exitDelay, 1 days);
        _refuses(script, p, "governance", "is zero: use a Safe or a timelock");
    }
}
