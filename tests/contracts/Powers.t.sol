// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";
import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {ProxyAdmin} from "@openzeppelin/contracts/proxy/transparent/ProxyAdmin.sol";
import {
    ITransparentUpgradeableProxy
} from "@openzeppelin/contracts/proxy/transparent/TransparentUpgradeableProxy.sol";
import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {Approvers} from "contracts/Approvers.sol";
import {OracleGuard} from "contracts/OracleGuard.sol";
import {OracleGuardExtension} from "contracts/OracleGuardExtension.sol";
import {SwapSplitter} from "contracts/SwapSplitter.sol";
import {VaultExtension} from "contracts/VaultExtension.sol";
import {VersionRegistry} from "contracts/VersionRegistry.sol";
import {IOracleGuard} from "contracts/interfaces/IOracleGuard.sol";
import {ISwapAdapter} from "contracts/interfaces/ISwapAdapter.sol";
import {ISwapSplitter} from "contracts/interfaces/ISwapSplitter.sol";
import {IUpgradeGate} from "contracts/interfaces/IUpgradeGate.sol";
import {IVault} from "contracts/interfaces/IVault.sol";
import {Assets} from "contracts/libraries/Assets.sol";
import {Roles} from "contracts/libraries/Roles.sol";
import {Setup} from "contracts/oracle/Types.sol";
import {StableSwapAdapter} from "contracts/swap/StableSwapAdapter.sol";
import {UniswapV3Adapter} from "contracts/swap/UniswapV3Adapter.sol";
import {Deploy} from "script/Deploy.s.sol";
import {Fixture} from "tests/contracts/Fixture.sol";
import {FixedGuard} from "tests/contracts/mocks/FixedGuard.sol";
import {HostileAdapter} from "tests/contracts/swap/Hostile.sol";
import {Protocols} from "tests/contracts/swap/Protocols.sol";

/// @notice Hands over all that the vault holds: what an attacker would upgrade to.
contract Thief {
    function take(address asset, address to) external {
        if (asset == Assets.NATIVE) payable(to).transfer(address(this).balance);
    }
}

/// @notice What one key alone can do to the money of others: nothing beyond the limits, and no freeze beyond maxPause.
/// Each test tries every function of every contract, in the way that harms most.
contract PowersTest is Fixture, Protocols {
    struct Attempt {
        address target;
        bytes data;
    }

    uint256 private constant FLOAT = 1_000_000e18;
    uint256 private constant CAPACITY = 10_000e18;
    uint256 private constant INSTANT_PER_DAY = 1000e18;
    uint256 private constant INSTANT_PER_PAYOUT = 100e18;
    uint32 private constant USD_CAPACITY = 15_000;
    uint16 private constant SLIPPAGE = 100;

    address private immutable ALICE = makeAddr("alice");
    address private thief;
    FixedGuard private oracle;
    /// An adapter that governance took, and that pays what the attacker likes.
    HostileAdapter private crooked;
    /// Alice's, made before anything went wrong: one per asset.
    mapping(address asset => IVault.Request) private pending;
    address[2] private assets;

    function setUp() public {
        deployProtocols();
        deployVault();
        thief = address(new Thief());
        oracle = new FixedGuard();
        assets = [Assets.NATIVE, address(dai)];
        IVault.AssetLimits memory limits = unbound();
        limits.capacity = CAPACITY;
        limits.window = 2 days;
        (limits.instantPerPayout, limits.instantPerDay) = (INSTANT_PER_PAYOUT, INSTANT_PER_DAY);
        vm.startPrank(GOVERNANCE);
        vault.setOracle(address(oracle), 1 days);
        vault.setUsdLimit(USD_CAPACITY, 1 days, 2);
        for (uint256 i = 0; i < 2; ++i) {
            vault.setLimits(assets[i], limits);
            vault.setSwapRules(assets[i], IVault.SwapRules(uint128(CAPACITY), 2 days, SLIPPAGE));
        }
        vault.setSwapRules(address(moody), IVault.SwapRules(uint128(CAPACITY), 2 days, SLIPPAGE));
        oracle.set(address(moody), IOracleGuard.Verdict.Healthy, 1e18);
        crooked = new HostileAdapter();
        deployed.swaps.splitter.addAdapter(address(crooked), address(crooked).codehash);
        vm.stopPrank();
        fundAll(FLOAT);
        for (uint256 i = 0; i < 2; ++i) {
            depositFor(ALICE, assets[i], 500_000e18);
            pending[assets[i]] = requestFrom(ALICE, assets[i], 200_000e18, ALICE);
            oracle.set(assets[i], IOracleGuard.Verdict.Healthy, 1e18);
            vault.poke(assets[i]);
        }
    }

    function params() internal view override returns (Deploy.Params memory p) {
        p = super.params();
        p.swaps = swapParams();
    }

    // ------------------------------------------------------------------------------------------------- attempts

    /// @dev Everything that can be called, by `attacker`, in his favour.
    function _attempts(address attacker) private returns (Attempt[] memory) {
        delete all;
        _attemptsOnMoney(attacker, assets[0]);
        _attemptsOnMoney(attacker, assets[1]);
        _attemptsOnSwaps(attacker);
        _attemptsOnRules(attacker);
        _attemptsOnUpgrades(attacker);
        _attemptsOnRoles(attacker);
        return all;
    }

    Attempt[] private all;

    function _try(address target, bytes memory data) private {
        all.push(Attempt(target, data));
    }

    function _onVault(bytes memory data) private {
        _try(address(vault), data);
    }

    function _attemptsOnMoney(address attacker, address asset) private {
        (, uint64 next, bytes24 head) = vault.laneOf(attacker);
        uint256 amount = Math.min(vault.limitState(asset, IVault.Limit.Instant).left, INSTANT_PER_PAYOUT);
        bytes memory payouts = one(attacker, uint96(amount));
        _onVault(settlement(asset, positionAt(next, head), amount, 0, payouts));
        payouts = one(attacker, uint96(FLOAT));
        _onVault(settlement(asset, positionAt(next, head), FLOAT, 0, payouts));
        uint256[3] memory sums = [amount, vault.limitState(asset, IVault.Limit.Asset).left, FLOAT];
        for (uint256 i = 0; i < 3; ++i) {
            IVault.Batch memory b;
            (b.asset, b.first, b.head, b.total, b.refs) = (asset, next, head, sums[i], new bytes(8));
            b.payouts = new IVault.Payout[](1);
            b.payouts[0] = IVault.Payout(attacker, sums[i]);
            _onVault(abi.encodeCall(IVault.settleWide, (b)));
            IVault.Approval[] memory none = new IVault.Approval[](0);
            _onVault(abi.encodeCall(IVault.settleApproved, (b, type(uint64).max, none)));
            _onVault(abi.encodeCall(IVault.settleAnnounced, (b)));
            _onVault(abi.encodeCall(IVault.announce, (asset, attacker, sums[i], 0)));
        }
        IVault.Request memory r = pending[asset];
        _onVault(abi.encodeCall(IVault.forceExit, (r)));
        _onVault(abi.encodeCall(IVault.cancel, (r)));
        // In his own name, and to himself.
        (IVault.Request memory mine, IVault.Request memory moved) = (pending[asset], pending[asset]);
        (mine.owner, mine.recipient, moved.recipient) = (attacker, attacker, attacker);
        _onVault(abi.encodeCall(IVault.forceExit, (mine)));
        _onVault(abi.encodeCall(IVault.cancel, (mine)));
        _onVault(abi.encodeCall(IVault.settleRequests, (asset, 0, listOf(mine))));
        _onVault(abi.encodeCall(IVault.settleRequests, (asset, 0, listOf(moved))));
        // Far above every limit: it trips the breaker.
        _onVault(abi.encodeCall(IVault.settleRequests, (asset, 0, listOf(r))));
        _onVault(abi.encodeCall(IVault.voidNumbers, (attacker, next, head, 65_535)));
        (, next, head) = vault.laneOf(OTHER_LANE);
        _onVault(abi.encodeCall(IVault.voidNumbers, (OTHER_LANE, next, head, 65_535)));
        _onVault(abi.encodeCall(IVault.sweep, (asset, vault.floatOf(asset))));
        _onVault(abi.encodeCall(IVault.claim, (asset, attacker)));
        _onVault(abi.encodeCall(IVault.request, (asset, 1, attacker)));
        _onVault(abi.encodeCall(IVault.deposit, (asset, 1e18, attacker)));
        _onVault(abi.encodeCall(IVault.refill, (asset, 1e18)));
    }

    /// @dev Through the crooked adapter, which keeps what it gets: for nothing, for all that the slippage leaves, and so
    /// that legs fail; to the attacker; around the vault.
    function _attemptsOnSwaps(address attacker) private {
        SwapSplitter splitter = deployed.swaps.splitter;
        address stableSwap = address(deployed.swaps.stableSwap);
        uint256 left = vault.swapLimitState(address(dai)).left;
        uint256[3] memory rates = [uint256(1), 1e24, 1e36];
        for (uint256 i = 0; i < 3; ++i) {
            ISwapSplitter.Leg[] memory legs = new ISwapSplitter.Leg[](1);
            (legs[0].amount, legs[0].minRate, legs[0].gas) = (left, 1, 500_000);
            legs[0].hops = new ISwapSplitter.Hop[](1);
            // At the guard's price of 1 USD for a unit of each.
            uint256 rate = rates[i] * (10_000 - SLIPPAGE) / 10_000 + 1;
            legs[0].hops[0] = ISwapSplitter.Hop(
                address(crooked), address(moody), abi.encode(HostileAdapter.Mood.Honest, rate)
            );
            IVault.SwapOrder memory o =
                IVault.SwapOrder(address(dai), address(moody), left, 1, type(uint64).max, legs);
            _onVault(abi.encodeCall(IVault.swap, (o)));
            _try(
                address(splitter),
                abi.encodeCall(ISwapSplitter.swap, (address(dai), address(moody), left, legs))
            );
            bytes memory run = abi.encodeCall(SwapSplitter.runLeg, (address(dai), left, legs[0]));
            _try(address(splitter), run);
        }
        IVault.SwapRules memory rules = IVault.SwapRules(type(uint128).max, 1 hours, 1000);
        _onVault(abi.encodeCall(IVault.setSwapRules, (address(dai), rules)));
        _onVault(abi.encodeCall(IVault.lowerSwapRules, (address(dai), rules)));
        rules = IVault.SwapRules(0, 30 days, 0);
        _onVault(abi.encodeCall(IVault.lowerSwapRules, (assets[0], rules)));
        _onVault(abi.encodeCall(IVault.setSplitter, (address(0))));
        address s = address(splitter);
        _try(s, abi.encodeCall(ISwapSplitter.addAdapter, (thief, thief.codehash)));
        _try(s, abi.encodeCall(ISwapSplitter.removeAdapter, (deployed.swaps.adapters[0])));
        _try(s, abi.encodeCall(ISwapSplitter.addConnector, (thief)));
        _try(s, abi.encodeCall(ISwapSplitter.removeConnector, (weth)));
        _try(s, abi.encodeCall(ISwapSplitter.sweep, (address(dai))));
        _try(stableSwap, abi.encodeCall(StableSwapAdapter.addPool, (thief)));
        _try(stableSwap, abi.encodeCall(StableSwapAdapter.removePool, (thief)));
        for (uint256 i = 0; i < deployed.swaps.adapters.length; ++i) {
            bytes memory data = abi.encodeCall(ISwapAdapter.swap, (address(dai), attacker, 1e18, ""));
            _try(deployed.swaps.adapters[i], data);
        }
        bytes memory owed = abi.encode(address(dai), address(usd), uint24(500), address(vault));
        _try(
            deployed.swaps.adapters[1],
            abi.encodeCall(UniswapV3Adapter.uniswapV3SwapCallback, (1e18, 0, owed))
        );
    }

    function _attemptsOnRules(address attacker) private {
        IVault.AssetLimits memory none = vault.assetLimits(address(dai));
        (none.capacity, none.instantPerPayout, none.instantPerDay, none.window) = (0, 0, 0, 30 days);
        for (uint256 i = 0; i < 2; ++i) {
            address asset = assets[i];
            _onVault(abi.encodeCall(IVault.setLimits, (asset, unbound())));
            _onVault(abi.encodeCall(IVault.lowerLimits, (asset, unbound())));
            _onVault(abi.encodeCall(IVault.lowerLimits, (asset, none)));
            _onVault(abi.encodeCall(IVault.pauseAsset, (asset, MAX_PAUSE)));
            _onVault(abi.encodeCall(IVault.pauseAsset, (asset, 1 hours)));
            _onVault(abi.encodeCall(IVault.extendAssetPause, (asset, type(uint32).max)));
            _onVault(abi.encodeCall(IVault.unpauseAsset, (asset)));
            _onVault(abi.encodeCall(IVault.setMarks, (asset, 0, 0)));
            _onVault(abi.encodeCall(IVault.poke, (asset)));
            IVault.AssetConfig memory off = IVault.AssetConfig(false, 0, type(uint128).max);
            _onVault(abi.encodeCall(IVault.configureAsset, (asset, off)));
        }
        for (uint256 i = 0; i <= uint256(type(IVault.Scope).max); ++i) {
            IVault.Scope scope = IVault.Scope(i);
            _onVault(abi.encodeCall(IVault.pause, (scope, MAX_PAUSE)));
            _onVault(abi.encodeCall(IVault.pause, (scope, 1 hours)));
            _onVault(abi.encodeCall(IVault.extendPause, (scope, type(uint32).max)));
            _onVault(abi.encodeCall(IVault.unpause, (scope)));
        }
        _onVault(abi.encodeCall(IVault.pauseSwaps, (MAX_PAUSE)));
        _onVault(abi.encodeCall(IVault.setUsdLimit, (type(uint32).max, 1 hours, 100)));
        _onVault(abi.encodeCall(IVault.lowerUsdLimit, (type(uint32).max, 1 hours)));
        _onVault(abi.encodeCall(IVault.lowerUsdLimit, (0, 30 days)));
        _onVault(abi.encodeCall(IVault.setOracle, (attacker, 1 days)));
        _onVault(abi.encodeCall(IVault.setApprovals, (attacker, 1 hours)));
        _onVault(abi.encodeCall(IVault.setCold, (attacker)));
        _onVault(abi.encodeCall(IVault.enableLane, (attacker)));
        _onVault(abi.encodeCall(IVault.disableLane, (LANE)));
        _onVault(abi.encodeCall(IVault.disableLane, (OTHER_LANE)));
        bytes32 id = vault.announcementId(LANE, address(dai), ALICE, 1e18, 0);
        _onVault(abi.encodeCall(IVault.veto, (id)));
        address guard = address(deployed.guard);
        Setup memory nothing;
        for (uint256 i = 0; i < 2; ++i) {
            _try(guard, abi.encodeCall(OracleGuard.record, (assets[i])));
            _try(guard, abi.encodeCall(OracleGuardExtension.distrust, (assets[i])));
            bytes memory configure =
                abi.encodeCall(OracleGuardExtension.configure, (assets[i], nothing, 1, 1));
            _try(guard, configure);
            _try(guard, abi.encodeCall(OracleGuardExtension.tighten, (assets[i], nothing.config)));
        }
        address[] memory him = new address[](1);
        him[0] = attacker;
        _try(address(approvers), abi.encodeCall(Approvers.setApprovers, (him, 1)));
    }

    function _attemptsOnUpgrades(address attacker) private {
        address v = address(vault);
        _onVault(abi.encodeCall(VaultExtension.initialize, (attacker, EXIT_DELAY, MAX_PAUSE, PAUSE_COOLDOWN)));
        bytes memory take = abi.encodeCall(Thief.take, (Assets.NATIVE, attacker));
        IUpgradeGate none = IUpgradeGate(address(0));
        _try(
            address(registry),
            abi.encodeCall(VersionRegistry.propose, (v, 9, thief, thief.codehash, 0, take, none))
        );
        _try(address(registry), abi.encodeCall(VersionRegistry.activate, (v, take)));
        _try(address(registry), abi.encodeCall(VersionRegistry.cancel, (v)));
        _try(address(registry), abi.encodeCall(VersionRegistry.rollback, (v)));
        ProxyAdmin admin = ProxyAdmin(proxyAdmin);
        _try(
            address(registry),
            abi.encodeCall(VersionRegistry.register, (attacker, admin, 1, thief, bytes32(0)))
        );
        ITransparentUpgradeableProxy proxy = ITransparentUpgradeableProxy(v);
        bytes memory upgrade = abi.encodeCall(ProxyAdmin.upgradeAndCall, (proxy, thief, take));
        _try(proxyAdmin, upgrade);
        _try(v, abi.encodeCall(proxy.upgradeToAndCall, (thief, take)));
        _try(proxyAdmin, abi.encodeCall(Ownable.transferOwnership, (attacker)));
        _try(proxyAdmin, abi.encodeCall(Ownable.renounceOwnership, ()));
    }

    function _attemptsOnRoles(address attacker) private {
        address m = address(manager);
        address[6] memory managed = [
            address(vault),
            address(registry),
            address(approvers),
            address(deployed.guard),
            address(deployed.swaps.splitter),
            address(deployed.swaps.stableSwap)
        ];
        bytes memory cold = abi.encodeCall(IVault.setCold, (attacker));
        for (uint256 i = 0; i < managed.length; ++i) {
            bytes memory own = abi.encodeCall(IAccessManaged.setAuthority, (attacker));
            _try(managed[i], own);
            _try(m, abi.encodeCall(AccessManager.updateAuthority, (managed[i], attacker)));
            _try(m, abi.encodeCall(AccessManager.setTargetClosed, (managed[i], true)));
        }
        bytes4[] memory selectors = new bytes4[](1);
        selectors[0] = IVault.setCold.selector;
        _try(
            m,
            abi.encodeCall(AccessManager.setTargetFunctionRole, (address(vault), selectors, Roles.GUARDIAN))
        );
        _try(m, abi.encodeCall(AccessManager.setTargetAdminDelay, (address(vault), 0)));
        uint64[4] memory roles = [uint64(0), Roles.GOVERNANCE, Roles.GUARDIAN, Roles.ORACLE_GUARD];
        for (uint256 i = 0; i < 4; ++i) {
            _try(m, abi.encodeCall(AccessManager.grantRole, (roles[i], attacker, 0)));
            _try(m, abi.encodeCall(AccessManager.revokeRole, (roles[i], GOVERNANCE)));
            _try(m, abi.encodeCall(AccessManager.renounceRole, (roles[i], GOVERNANCE)));
            _try(m, abi.encodeCall(AccessManager.setRoleAdmin, (roles[i], Roles.GUARDIAN)));
            _try(m, abi.encodeCall(AccessManager.setRoleGuardian, (roles[i], Roles.GUARDIAN)));
            _try(m, abi.encodeCall(AccessManager.setGrantDelay, (roles[i], 30 days)));
            _try(m, abi.encodeCall(AccessManager.labelRole, (roles[i], "mine")));
        }
        _try(m, abi.encodeCall(AccessManager.schedule, (address(vault), cold, 0)));
        _try(m, abi.encodeCall(AccessManager.execute, (address(vault), cold)));
        _try(m, abi.encodeCall(AccessManager.cancel, (GOVERNANCE, address(vault), cold)));
        _try(m, abi.encodeCall(AccessManager.consumeScheduledOp, (GOVERNANCE, cold)));
        bytes[] memory many = new bytes[](1);
        many[0] = abi.encodeCall(AccessManager.grantRole, (0, attacker, 0));
        _try(m, abi.encodeWithSignature("multicall(bytes[])", many));
    }

    struct Tried {
        string name;
        address at;
    }

    /// @notice What the other tests try is everything: no function of any contract is forgotten, by its selector, at the
    /// address of that contract.
    function test_every_function_of_every_contract_is_tried() public {
        Attempt[] memory tried = _attempts(ALICE);
        address[] memory adapters = deployed.swaps.adapters;
        address guard = address(deployed.guard);
        Tried[14] memory contracts = [
            Tried("Vault", address(vault)),
            Tried("VaultExtension", address(vault)),
            Tried("VaultTreasury", address(vault)),
            Tried("SwapSplitter", address(deployed.swaps.splitter)),
            Tried("UniswapV2Adapter", adapters[0]),
            Tried("UniswapV3Adapter", adapters[1]),
            Tried("BalancerAdapter", adapters[2]),
            Tried("StableSwapAdapter", adapters[3]),
            Tried("VersionRegistry", address(registry)),
            Tried("Approvers", address(approvers)),
            Tried("OracleGuard", guard),
            Tried("OracleGuardExtension", guard),
            Tried("AccessManager", address(manager)),
            Tried("ProxyAdmin", proxyAdmin)
        ];
        uint256 found;
        for (uint256 i = 0; i < contracts.length; ++i) {
            string memory name = contracts[i].name;
            string memory json = vm.readFile(string.concat("out/", name, ".sol/", name, ".json"));
            string memory changing = _changing(json);
            string[] memory functions = vm.parseJsonKeys(json, ".methodIdentifiers");
            for (uint256 f = 0; f < functions.length; ++f) {
                // Overloads count together: if one changes something, all are tried.
                string memory named = string.concat(",", vm.split(functions[f], "(")[0], ",");
                if (vm.indexOf(changing, named) == type(uint256).max) continue;
                bytes4 selector = bytes4(keccak256(bytes(functions[f])));
                bool isTried;
                for (uint256 t = 0; t < tried.length && !isTried; ++t) {
                    isTried = tried[t].target == contracts[i].at && bytes4(tried[t].data) == selector;
                }
                assertTrue(isTried, string.concat(name, ".", functions[f]));
                ++found;
            }
        }
        assertGt(found, 80, "functions that change something");
    }

    /// @dev The names of the functions that change something, each between commas.
    function _changing(string memory json) private view returns (string memory names) {
        names = ",";
        for (uint256 f = 0; vm.keyExistsJson(json, _abi(f, "")); ++f) {
            if (!_same(vm.parseJsonString(json, _abi(f, ".type")), "function")) continue;
            string memory kind = vm.parseJsonString(json, _abi(f, ".stateMutability"));
            if (!_same(kind, "nonpayable") && !_same(kind, "payable")) continue;
            names = string.concat(names, vm.parseJsonString(json, _abi(f, ".name")), ",");
        }
    }

    function _abi(uint256 i, string memory key) private pure returns (string memory) {
        return string.concat(".abi[", vm.toString(i), "]", key);
    }

    function _same(string memory a, string memory b) private pure returns (bool) {
        return keccak256(bytes(a)) == keccak256(bytes(b));
    }

    // -------------------------------------------------------------------------------------------------- campaigns

    /// @dev Tries everything, every six hours. Alice asks at each step whether she could leave now; returns the
    /// longest time for which she could not.
    function _attack(address attacker, uint256 duration) private returns (uint256 longest) {
        uint256 end = block.timestamp + duration;
        uint256 lastOpen = block.timestamp;
        while (block.timestamp < end) {
            Attempt[] memory tries = _attempts(attacker);
            for (uint256 i = 0; i < tries.length; ++i) {
                vm.prank(attacker);
                (bool ok,) = tries[i].target.call(tries[i].data);
                ok;
            }
            vm.warp(block.timestamp + 6 hours);
            // What can be refreshed by anybody is.
            for (uint256 i = 0; i < 2; ++i) {
                vault.poke(assets[i]);
            }
            if (_canLeave()) lastOpen = block.timestamp;
            longest = Math.max(longest, block.timestamp - lastOpen);
        }
    }

    /// @dev Alice's request, and what she has not asked for yet, reach her in every asset.
    function _canLeave() private returns (bool can) {
        uint256 state = vm.snapshotState();
        can = true;
        for (uint256 i = 0; i < 2 && can; ++i) {
            IVault.Request memory r = pending[assets[i]];
            if (block.timestamp < r.createdAt + EXIT_DELAY) continue;
            uint256 before = Assets.balanceOf(assets[i], ALICE);
            vm.prank(ALICE);
            (can,) = address(vault).call(abi.encodeCall(IVault.forceExit, (r)));
            if (can) assertEq(Assets.balanceOf(assets[i], ALICE), before + r.amount);
        }
        if (can) _leaveWithTheRest();
        vm.revertToState(state);
    }

    /// @dev All that is Alice's, later than any pause.
    function _leaveWithTheRest() private {
        for (uint256 i = 0; i < 2; ++i) {
            uint256 rest = vault.balanceOf(assets[i], ALICE);
            assertEq(rest, 300_000e18, "a balance is its owner's");
            requestFrom(ALICE, assets[i], rest, ALICE);
        }
    }

    function _taken(address attacker) private view returns (uint256 sum) {
        for (uint256 i = 0; i < 2; ++i) {
            sum += Assets.balanceOf(assets[i], attacker) + vault.claimOf(assets[i], attacker);
        }
    }

    function test_a_guardian_alone_takes_nothing_and_freezes_no_longer_than_maxPause() public {
        uint256 longest = _attack(GUARDIAN, 30 days);
        assertEq(_taken(GUARDIAN), 0);
        assertEq(_taken(COLD), 0);
        // Six hours are the step in which the test looks.
        assertLe(longest, MAX_PAUSE + 6 hours);
        assertGe(longest, MAX_PAUSE - 6 hours, "he did what he could");
        // What he stopped beyond that, payments from the float, governance starts again: no guardian holds it.
        assertFalse(_isLane(LANE));
        vm.startPrank(GOVERNANCE);
        vault.enableLane(LANE);
        vault.setLimits(address(dai), unbound());
        vault.setUsdLimit(USD_CAPACITY, 1 days, 2);
        vault.unpause(IVault.Scope.Everything);
        vault.unpause(IVault.Scope.Orders);
        vault.unpauseAsset(address(dai));
        vm.stopPrank();
        settleOne(address(dai), ALICE, 1e18);
        assertEq(dai.balanceOf(ALICE), 1e18);
    }

    function test_two_guardians_cannot_freeze_for_good() public {
        // The worst of two: one after the other.
        uint256 longest;
        uint256 lastOpen = block.timestamp;
        for (uint256 i = 0; i < 60 * 4; ++i) {
            address guardian = i < 12 ? GUARDIAN : OTHER_GUARDIAN;
            vm.prank(guardian);
            (bool ok,) =
                address(vault).call(abi.encodeCall(IVault.pause, (IVault.Scope.Everything, MAX_PAUSE)));
            ok;
            vm.warp(block.timestamp + 6 hours);
            if (_canLeave()) lastOpen = block.timestamp;
            longest = Math.max(longest, block.timestamp - lastOpen);
        }
        assertLe(longest, 2 * MAX_PAUSE + 6 hours);
    }

    function test_a_keeper_alone_takes_no_more_than_the_limits_and_freezes_no_longer_than_maxPause() public {
        uint256 owed = vault.liabilitiesOf(assets[0]) + vault.liabilitiesOf(assets[1]);
        uint256 longest = _attack(LANE, 30 days);
        assertLe(longest, MAX_PAUSE + 6 hours);
        assertGe(longest, MAX_PAUSE - 6 hours, "he tripped the breaker");
        // Depositors' money is not in his reach: what is owed is owed, and there.
        assertEq(vault.liabilitiesOf(assets[0]) + vault.liabilitiesOf(assets[1]), owed);
        for (uint256 i = 0; i < 2; ++i) {
            assertGe(Assets.balanceOf(assets[i], address(vault)), vault.liabilitiesOf(assets[i]));
            assertLe(Assets.balanceOf(assets[i], LANE), _flow(CAPACITY, 2 days, 30 days));
        }
        assertLe(_taken(LANE), _flow(uint256(USD_CAPACITY) * 1e18, 1 days, 30 days));
        // By swaps he loses what the slippage leaves of what the bucket lets him sell.
        uint256 sold = dai.balanceOf(address(crooked));
        assertGt(sold, CAPACITY / 2, "he did what he could");
        assertLe(sold, _flow(CAPACITY, 2 days, 30 days));
        assertGe(moody.balanceOf(address(vault)) - FLOAT, sold - sold * SLIPPAGE / 10_000);
    }

    function test_a_stranger_and_an_approver_can_do_nothing() public {
        uint256 before = vault.floatOf(assets[0]) + vault.floatOf(assets[1]);
        assertEq(_attack(makeAddr("stranger"), 3 days), 0);
        assertEq(_taken(makeAddr("stranger")), 0);
        address approver = makeAddr("approver");
        address[] memory set = new address[](1);
        set[0] = approver;
        vm.prank(GOVERNANCE);
        approvers.setApprovers(set, 1);
        assertEq(_attack(approver, 3 days), 0);
        assertEq(_taken(approver), 0);
        assertEq(vault.floatOf(assets[0]) + vault.floatOf(assets[1]), before);
    }

    function _isLane(address lane) private view returns (bool enabled) {
        (enabled,,) = vault.laneOf(lane);
    }

    // -------------------------------------------------------------------------------------------- a stolen lane

    /// @dev What a bucket lets out in a time: what was in it, and what flowed in.
    function _flow(uint256 capacity, uint256 window, uint256 time) private pure returns (uint256) {
        return Math.mulDiv(capacity, window + time, window);
    }

    /// @dev Everything that fits, every ten minutes: instant payouts, and what was announced long enough ago.
    function _steal(uint256 time, bool announces) private {
        uint256 end = block.timestamp + time;
        vm.startPrank(LANE);
        uint256 count;
        while (block.timestamp <= end) {
            for (uint256 i = 0; i < 2; ++i) {
                vault.poke(assets[i]);
                // Small change, so that what fits can be taken exactly.
                if (announces && count < 5000) {
                    for (uint256 k = 0; k < 4; ++k) {
                        vault.announce(assets[i], LANE, 100e18, bytes8(uint64(++count)));
                    }
                }
                _takeInstant(assets[i]);
            }
            vm.warp(block.timestamp + 10 minutes);
        }
        vm.stopPrank();
    }

    function _takeInstant(address asset) private {
        uint256 left = Math.min(
            vault.limitState(asset, IVault.Limit.Instant).left,
            vault.limitState(asset, IVault.Limit.Asset).left
        );
        left = Math.min(left, vault.limitState(asset, IVault.Limit.Usd).left);
        while (left != 0) {
            uint256 amount = Math.min(left, INSTANT_PER_PAYOUT);
            (, uint64 next, bytes24 head) = vault.laneOf(LANE);
            (bool ok,) = address(vault)
                .call(settlement(asset, positionAt(next, head), amount, 0, one(LANE, uint96(amount))));
            if (!ok) return;
            left -= amount;
        }
    }

    /// @notice The key of a lane is stolen; guardians notice after `hours_` and disable the lane. Announced orders were
    /// vetoed or not yet due: what is lost is the instant tier's day, and what flowed in.
    /// forge-config: default.fuzz.runs = 16
    /// forge-config: long.fuzz.runs = 512
    function testFuzz_the_loss_to_a_stolen_lane_is_bounded_by_the_instant_tier(uint256 hours_) public {
        hours_ = bound(hours_, 1, 23);
        _steal(hours_ * 1 hours, true);
        vm.prank(GUARDIAN);
        vault.disableLane(LANE);
        for (uint256 i = 0; i < 2; ++i) {
            uint256 lost = Assets.balanceOf(assets[i], LANE);
            uint256 most = _flow(INSTANT_PER_DAY, 1 days, hours_ * 1 hours);
            assertLe(lost, most);
            assertGe(lost, most - INSTANT_PER_DAY / 100, "the attack takes what there is");
        }
        // What he announced is void: his lane is gone, and comes back without it.
        vm.warp(block.timestamp + 1 days);
        vm.prank(GOVERNANCE);
        vault.enableLane(LANE);
        _settleAnnouncedOf(address(dai), 1, false);
    }

    /// @notice Nobody notices: then the buckets of the assets bound it, and the one in USD over all.
    function test_the_loss_to_a_lane_that_nobody_stops_is_bounded_by_the_buckets() public {
        uint256 time = 2 days;
        uint256 start = block.timestamp;
        _announceMany();
        vm.warp(block.timestamp + 1 days);
        uint256 begun = block.timestamp;
        while (block.timestamp <= begun + time) {
            for (uint256 i = 0; i < 2; ++i) {
                vault.poke(assets[i]);
                while (vault.retryAt(assets[i], 100e18, false) <= block.timestamp) {
                    _settleAnnouncedOf(assets[i], ++taken[assets[i]], true);
                }
            }
            vm.warp(block.timestamp + 10 minutes);
        }
        uint256 elapsed = block.timestamp - start;
        uint256 usdMost = _flow(uint256(USD_CAPACITY) * 1e18, 1 days, elapsed);
        for (uint256 i = 0; i < 2; ++i) {
            assertLe(Assets.balanceOf(assets[i], LANE), _flow(CAPACITY, 2 days, elapsed));
        }
        assertLe(_taken(LANE), usdMost);
        // He takes all that the buckets let out since he could.
        uint256 sum =
            Math.min(2 * _flow(CAPACITY, 2 days, time), _flow(uint256(USD_CAPACITY) * 1e18, 1 days, time));
        assertGe(_taken(LANE), sum - sum / 50, "the attack takes what there is");
        for (uint256 i = 0; i < 2; ++i) {
            assertGe(Assets.balanceOf(assets[i], address(vault)), vault.liabilitiesOf(assets[i]));
        }
    }

    mapping(address asset => uint64) private taken;

    function _announceMany() private {
        vm.startPrank(LANE);
        for (uint256 i = 0; i < 2; ++i) {
            for (uint64 k = 1; k <= 500; ++k) {
                vault.announce(assets[i], LANE, 100e18, bytes8(k));
            }
        }
        vm.stopPrank();
    }

    function _settleAnnouncedOf(address asset, uint64 ref, bool expected) private {
        IVault.Batch memory b;
        (, b.first, b.head) = vault.laneOf(LANE);
        (b.asset, b.total, b.refs) = (asset, 100e18, abi.encodePacked(bytes8(ref)));
        b.payouts = new IVault.Payout[](1);
        b.payouts[0] = IVault.Payout(LANE, 100e18);
        vm.prank(LANE);
        (bool ok,) = address(vault).call(abi.encodeCall(IVault.settleAnnounced, (b)));
        assertEq(ok, expected);
    }

    // ------------------------------------------------------------------------------------------- every key lost

    /// @notice At the worst moment: everything paused, the breaker tripped, no limit left, no price, the assets
    /// unlisted, the lanes disabled. From then on nobody but Alice has a key.
    function test_depositors_leave_with_every_key_lost() public {
        vm.startPrank(GUARDIAN);
        vault.pause(IVault.Scope.Everything, MAX_PAUSE);
        vault.pause(IVault.Scope.Requests, MAX_PAUSE);
        for (uint256 i = 0; i < 2; ++i) {
            vault.pauseAsset(assets[i], MAX_PAUSE);
            IVault.AssetLimits memory none = vault.assetLimits(assets[i]);
            (none.capacity, none.instantPerPayout, none.instantPerDay) = (0, 0, 0);
            vault.lowerLimits(assets[i], none);
        }
        vault.lowerUsdLimit(0, 30 days);
        vault.disableLane(LANE);
        vault.disableLane(OTHER_LANE);
        vm.stopPrank();
        vm.startPrank(GOVERNANCE);
        vault.setOracle(address(0), 1 hours);
        for (uint256 i = 0; i < 2; ++i) {
            vault.configureAsset(assets[i], IVault.AssetConfig(false, 0, 0));
        }
        vm.stopPrank();

        // Requests are made while everything stands still, and count from now on.
        IVault.Request[] memory rest = new IVault.Request[](2);
        for (uint256 i = 0; i < 2; ++i) {
            rest[i] = requestFrom(ALICE, assets[i], 300_000e18, ALICE);
        }
        vm.warp(block.timestamp + Math.max(MAX_PAUSE, EXIT_DELAY));
        vm.startPrank(ALICE);
        for (uint256 i = 0; i < 2; ++i) {
            vault.forceExit(pending[assets[i]]);
            vault.forceExit(rest[i]);
            assertEq(Assets.balanceOf(assets[i], ALICE), 500_000e18);
            assertEq(vault.liabilitiesOf(assets[i]), 0);
        }
        vm.stopPrank();
    }
}
