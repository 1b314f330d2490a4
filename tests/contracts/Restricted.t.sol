// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ProxyAdmin} from "@openzeppelin/contracts/proxy/transparent/ProxyAdmin.sol";
import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";

import {Approvers} from "contracts/Approvers.sol";
import {VersionRegistry} from "contracts/VersionRegistry.sol";
import {IVault} from "contracts/interfaces/IVault.sol";
import {Fixture} from "tests/contracts/Fixture.sol";

/// @notice What needs a role is refused to who has none, whatever it is called with.
contract RestrictedTest is Fixture {
    address private immutable STRANGER = makeAddr("stranger");

    function setUp() public {
        deployVault();
    }

    function _refused(address target, bytes memory data) private {
        vm.prank(STRANGER);
        (bool ok, bytes memory why) = target.call(data);
        assertFalse(ok);
        assertEq(why, abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, STRANGER));
    }

    function test_lanes_and_treasury() public {
        address v = address(vault);
        _refused(v, abi.encodeCall(IVault.enableLane, (STRANGER)));
        _refused(v, abi.encodeCall(IVault.disableLane, (LANE)));
        _refused(v, abi.encodeCall(IVault.setApprovals, (STRANGER, 1 hours)));
        _refused(v, abi.encodeCall(IVault.veto, (bytes32(0))));
        _refused(v, abi.encodeCall(IVault.setCold, (STRANGER)));
        _refused(v, abi.encodeCall(IVault.setMarks, (address(dai), 0, 1)));
    }

    function test_limits_and_assets() public {
        address v = address(vault);
        IVault.AssetLimits memory limits = vault.assetLimits(address(dai));
        _refused(v, abi.encodeCall(IVault.setLimits, (address(dai), limits)));
        _refused(v, abi.encodeCall(IVault.lowerLimits, (address(dai), limits)));
        _refused(v, abi.encodeCall(IVault.setUsdLimit, (1, 1 days, 2)));
        _refused(v, abi.encodeCall(IVault.lowerUsdLimit, (1, 1 days)));
        _refused(v, abi.encodeCall(IVault.setOracle, (STRANGER, 1 hours)));
        IVault.AssetConfig memory config = vault.assetConfig(address(dai));
        _refused(v, abi.encodeCall(IVault.configureAsset, (address(dai), config)));
    }

    function test_pauses() public {
        address v = address(vault);
        uint48 until = uint48(block.timestamp + 1 hours);
        for (uint256 i = 0; i <= uint256(type(IVault.Scope).max); ++i) {
            _refused(v, abi.encodeCall(IVault.pause, (IVault.Scope(i), 1 hours)));
            _refused(v, abi.encodeCall(IVault.extendPause, (IVault.Scope(i), until)));
            _refused(v, abi.encodeCall(IVault.unpause, (IVault.Scope(i))));
        }
        _refused(v, abi.encodeCall(IVault.pauseSwaps, (1 hours)));
        _refused(v, abi.encodeCall(IVault.pauseAsset, (address(dai), 1 hours)));
        _refused(v, abi.encodeCall(IVault.extendAssetPause, (address(dai), until)));
        _refused(v, abi.encodeCall(IVault.unpauseAsset, (address(dai))));
    }

    function test_swaps() public {
        address v = address(vault);
        IVault.SwapRules memory rules;
        _refused(v, abi.encodeCall(IVault.setSplitter, (STRANGER)));
        _refused(v, abi.encodeCall(IVault.setSwapRules, (address(dai), rules)));
        _refused(v, abi.encodeCall(IVault.lowerSwapRules, (address(dai), rules)));
    }

    function test_approvers_and_versions() public {
        address[] memory one = new address[](1);
        one[0] = STRANGER;
        _refused(address(approvers), abi.encodeCall(Approvers.setApprovers, (one, 1)));
        address r = address(registry);
        (address v, address i) = (address(vault), implementation);
        ProxyAdmin admin = ProxyAdmin(proxyAdmin);
        _refused(r, abi.encodeCall(VersionRegistry.register, (v, admin, 2, i, bytes32(0))));
        _refused(r, abi.encodeCall(VersionRegistry.propose, (v, 2, i, i.codehash, bytes32(0), "", gate)));
        _refused(r, abi.encodeCall(VersionRegistry.cancel, (v)));
        _refused(r, abi.encodeCall(VersionRegistry.activate, (v, "")));
        _refused(r, abi.encodeCall(VersionRegistry.rollback, (v)));
    }
}
