// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Test} from "forge-std/Test.sol";

import {Approvers} from "contracts/Approvers.sol";
import {VaultGate} from "contracts/VaultGate.sol";
import {VersionRegistry} from "contracts/VersionRegistry.sol";
import {IVault} from "contracts/interfaces/IVault.sol";
import {Assets} from "contracts/libraries/Assets.sol";
import {Deploy} from "script/Deploy.s.sol";
import {MoodyToken, NoReturnToken, PlainToken} from "tests/contracts/mocks/Tokens.sol";

/// @notice The vault as script/Deploy.s.sol deploys it, with four assets, two lanes and two guardians.
abstract contract Fixture is Test {
    uint32 internal constant EXIT_DELAY = 1 days;
    uint32 internal constant MAX_PAUSE = 3 days;
    uint32 internal constant PAUSE_COOLDOWN = 7 days;
    uint32 internal constant ETH_GAS = 50_000;
    uint32 internal constant TOKEN_GAS = 100_000;

    address internal immutable GOVERNANCE = makeAddr("governance");
    address internal immutable COLD = makeAddr("cold");
    address internal immutable LANE = makeAddr("lane");
    address internal immutable OTHER_LANE = makeAddr("other lane");
    address internal immutable GUARDIAN = makeAddr("guardian");
    address internal immutable OTHER_GUARDIAN = makeAddr("other guardian");

    IVault internal vault;
    AccessManager internal manager;
    VersionRegistry internal registry;
    VaultGate internal gate;
    Approvers internal approvers;
    address internal implementation;
    address internal proxyAdmin;
    Deploy.Deployed internal deployed;
    /// An honest ERC-20.
    PlainToken internal dai;
    /// An ERC-20 that returns nothing, and blocks whom it likes.
    NoReturnToken internal usd;
    /// An ERC-20 whose transfers fail in the way that a test chooses.
    MoodyToken internal moody;

    function deployVault() internal {
        vm.warp(1_800_000_000);
        dai = new PlainToken("Test DAI", "TDAI", 18);
        usd = new NoReturnToken("Test USD", "TUSD", 6);
        moody = new MoodyToken();
        Deploy script = new Deploy();
        Deploy.Params memory p = params();
        script.check(p);
        Deploy.Deployed memory d = script.deploy(p, address(script));
        deployed = d;
        (vault, manager, registry, gate) = (d.vault, d.manager, d.registry, d.gate);
        (approvers, implementation, proxyAdmin) = (d.approvers, d.implementation, address(d.proxyAdmin));
    }

    function params() internal view virtual returns (Deploy.Params memory p) {
        p.governance = GOVERNANCE;
        (p.guardians, p.lanes) = (_two(GUARDIAN, OTHER_GUARDIAN), _two(LANE, OTHER_LANE));
        (p.exitDelay, p.maxPause, p.pauseCooldown) = (EXIT_DELAY, MAX_PAUSE, PAUSE_COOLDOWN);
        (p.announceDelay, p.upgradeDelay, p.probation, p.priceLife) = (1 days, 2 days, 7 days, 1 hours);
        (p.usdCapacity, p.usdWindow, p.hardMultiple) = (1_000_000, 1 days, 2);
        p.cold = COLD;
        p.assets = new Deploy.AssetParams[](4);
        p.assets[0] = _asset("ETH", Assets.NATIVE, 18, ETH_GAS);
        p.assets[1] = _asset("TDAI", address(dai), 18, TOKEN_GAS);
        p.assets[2] = _asset("TUSD", address(usd), 6, TOKEN_GAS);
        p.assets[3] = _asset("MOODY", address(moody), 18, TOKEN_GAS);
    }

    /// @dev Limits that are there and do not bind: tests of the breaker set their own.
    function _asset(string memory symbol, address token, uint8 decimals, uint32 payoutGas)
        internal
        pure
        returns (Deploy.AssetParams memory)
    {
        return Deploy.AssetParams(
            symbol, token, decimals, payoutGas, 1, unbound(), 0, 1e30, IVault.SwapRules(0, 0, 0)
        );
    }

    function unbound() internal pure returns (IVault.AssetLimits memory) {
        return IVault.AssetLimits({
            capacity: 1e36,
            window: 1 days,
            unpricedShare: 100,
            instantPerPayout: 1e36,
            instantPerDay: 1e36,
            approvedPerPayout: 1e36
        });
    }

    function _two(address a, address b) private pure returns (address[] memory list) {
        list = new address[](2);
        (list[0], list[1]) = (a, b);
    }

    /// @dev Adds `amount` of `asset` to what `to` has.
    function give(address asset, address to, uint256 amount) internal {
        if (asset == Assets.NATIVE) vm.deal(to, to.balance + amount);
        else PlainToken(asset).mint(to, amount);
    }

    /// @dev By the caller that is set at the moment, whether the token answers or not.
    function approve(address asset, uint256 amount) internal {
        SafeERC20.forceApprove(IERC20(asset), address(vault), amount);
    }

    function fundAll(uint256 amount) internal {
        give(Assets.NATIVE, address(vault), amount);
        give(address(dai), address(vault), amount);
        give(address(usd), address(vault), amount);
        give(address(moody), address(vault), amount);
    }

    /// @dev The packed form: recipient, then amount.
    function pack(address recipient, uint96 amount) internal pure returns (bytes32) {
        return bytes32((uint256(uint160(recipient)) << 96) | amount);
    }

    function one(address recipient, uint96 amount) internal pure returns (bytes memory) {
        return abi.encodePacked(recipient, amount, bytes8(0));
    }

    /// @dev What {pack} made, with references of zero.
    function packed(bytes32[] memory list) internal pure returns (bytes memory) {
        return packed(list, new bytes(8 * list.length));
    }

    /// @dev A reference after each; what `refs` has beyond them at the end.
    function packed(bytes32[] memory list, bytes memory refs) internal pure returns (bytes memory payouts) {
        uint256 at;
        for (uint256 i = 0; i < list.length || at < refs.length; ++i) {
            if (i < list.length) payouts = bytes.concat(payouts, list[i]);
            for (uint256 k = 0; k < 8 && at < refs.length; ++k) {
                payouts = bytes.concat(payouts, refs[at++]);
            }
        }
    }

    /// @dev A lane's slot.
    function positionAt(uint64 next, bytes24 head) internal pure returns (bytes32) {
        return head | bytes32((uint256(next) << 8) | 1);
    }

    /// @dev The calldata of {IVault-settle}.
    function settlement(
        address asset,
        bytes32 position,
        uint256 total,
        bytes32 auditHead,
        bytes memory payouts
    ) internal pure returns (bytes memory) {
        assertLe(total, type(uint96).max, "a total of the wide form");
        return abi.encodePacked(IVault.settle.selector, asset, uint96(total), position, auditHead, payouts);
    }

    /// @dev By the caller that is set at the moment.
    function settle(address asset, bytes32 position, uint256 total, bytes32 auditHead, bytes memory payouts)
        internal
    {
        (bool ok, bytes memory said) =
            address(vault).call(settlement(asset, position, total, auditHead, payouts));
        if (ok) return;
        assembly ("memory-safe") {
            revert(add(said, 0x20), mload(said))
        }
    }

    /// @dev What {IVault-Settled} says.
    function batchOf(address lane, uint64 first, uint256 count) internal pure returns (bytes32) {
        return bytes32(abi.encodePacked(lane, uint56(first), uint40(count)));
    }

    /// @dev Settles one payout over `LANE`, at its present place.
    function settleOne(address asset, address to, uint96 amount) internal {
        (, uint64 next, bytes24 head) = vault.laneOf(LANE);
        vm.prank(LANE);
        settle(asset, positionAt(next, head), amount, 0, one(to, amount));
    }

    function depositFor(address account, address asset, uint256 amount) internal {
        give(asset, account, amount);
        vm.startPrank(account);
        if (asset == Assets.NATIVE) {
            vault.deposit{value: amount}(asset, amount, account);
        } else {
            approve(asset, amount);
            vault.deposit(asset, amount, account);
        }
        vm.stopPrank();
    }

    function requestFrom(address owner, address asset, uint256 amount, address recipient)
        internal
        returns (IVault.Request memory r)
    {
        vm.prank(owner);
        uint64 id = vault.request(asset, amount, recipient);
        return IVault.Request(id, owner, asset, recipient, amount, uint64(block.timestamp));
    }

    function listOf(IVault.Request memory r) internal pure returns (IVault.Request[] memory requests) {
        requests = new IVault.Request[](1);
        requests[0] = r;
    }
}
