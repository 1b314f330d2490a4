// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Vm} from "forge-std/Vm.sol";

import {SwapSplitter} from "contracts/SwapSplitter.sol";
import {IOracleGuard} from "contracts/interfaces/IOracleGuard.sol";
import {ISwapSplitter} from "contracts/interfaces/ISwapSplitter.sol";
import {IVault} from "contracts/interfaces/IVault.sol";
import {FeeToken, MoodyToken, PlainToken} from "tests/contracts/mocks/Tokens.sol";
import {HostileAdapter, HostileToken} from "tests/contracts/swap/Hostile.sol";
import {SwapFixture} from "tests/contracts/swap/SwapFixture.sol";

/// @notice The splitter's side: legs that fail alone, what their shares become, what hostile ones can take, what is left.
contract SplitterTest is SwapFixture {
    address private immutable ALICE = makeAddr("alice");

    function setUp() public {
        deploySwaps();
    }

    function _bad(uint256 amount, HostileAdapter.Mood mood) private view returns (ISwapSplitter.Leg memory) {
        return leg(amount, bad(address(usd), mood, DAI_TO_USD));
    }

    function _good(uint256 amount) private view returns (ISwapSplitter.Leg memory) {
        return leg(amount, stable(address(usd)));
    }

    function _swap(ISwapSplitter.Leg[] memory legs) private returns (uint256 spent, uint256 received) {
        return swap(order(address(dai), address(usd), legs));
    }

    function _refused(ISwapSplitter.Leg[] memory legs, bytes memory reason) private {
        IVault.SwapOrder memory o = order(address(dai), address(usd), legs);
        vm.expectRevert(reason);
        swap(o);
    }

    // ------------------------------------------------------------------------------------------- hostile legs

    /// @notice Whatever a leg does, the other sells its share, and the leg got no more than its own.
    function test_a_hostile_leg_is_survived_and_takes_at_most_its_input() public {
        HostileAdapter.Mood[9] memory fail = [
            HostileAdapter.Mood.GivesNothing,
            HostileAdapter.Mood.TakesNothing,
            HostileAdapter.Mood.TakesHalf,
            HostileAdapter.Mood.TakesMore,
            HostileAdapter.Mood.Reverts,
            HostileAdapter.Mood.BurnsGas,
            HostileAdapter.Mood.RevertsWithMegabyte,
            HostileAdapter.Mood.Lies,
            HostileAdapter.Mood.StealsBought
        ];
        for (uint256 first = 0; first < 2; ++first) {
            for (uint256 i = 0; i < fail.length; ++i) {
                uint256 state = vm.snapshotState();
                ISwapSplitter.Leg[] memory legs = first == 0
                    ? plan(_bad(1000e18, fail[i]), _good(2000e18))
                    : plan(_good(2000e18), _bad(1000e18, fail[i]));
                (uint256 spent, uint256 received) = _swap(legs);
                assertEq(spent, 2000e18);
                assertGt(received, 1990e6);
                assertEq(dai.balanceOf(address(hostile)), 0, "a failed leg gets nothing");
                assertEq(dai.balanceOf(address(vault)), 98_000e18);
                assertNothingLeft();
                vm.revertToState(state);
            }
        }
    }

    /// @notice A leg that takes its input and pays too little fails by its own minimum; one whose minimum is low
    /// has taken its input, and the vault's bound refuses the whole.
    function test_a_leg_that_pays_too_little() public {
        ISwapSplitter.Leg memory thin =
            leg(1000e18, bad(address(usd), HostileAdapter.Mood.Honest, DAI_TO_USD / 2));
        thin.minRate = DAI_TO_USD * 99 / 100;
        vm.recordLogs();
        (uint256 spent,) = _swap(plan(thin, _good(2000e18)));
        assertEq(spent, 2000e18);
        assertEq(_failures(), 1);
        thin.minRate = 1;
        _refused(
            plan(thin, _good(2000e18)),
            abi.encodeWithSelector(IVault.ReceivedTooLittle.selector, 500e6 + _quote(2000e18), 2970e6)
        );
    }

    function _quote(uint256 amount) private returns (uint256 out) {
        uint256 state = vm.snapshotState();
        (, out) = _swap(plan(_good(amount)));
        vm.revertToState(state);
    }

    function _failures() private returns (uint256 count) {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].emitter == address(splitter) && logs[i].topics[0] == ISwapSplitter.LegFailed.selector)
            {
                ++count;
            }
        }
    }

    function test_a_megabyte_of_answer_is_not_copied() public {
        ISwapSplitter.Leg memory bomb = _bad(1000e18, HostileAdapter.Mood.ReturnsMegabyte);
        // So that it can buy the memory for it.
        bomb.gas = 4_000_000;
        (uint256 spent,) = _swap(plan(bomb, _good(1000e18)));
        assertEq(spent, 2000e18, "it was honest");
        assertLt(vm.lastCallGas().gasTotalUsed, 5_000_000);
    }

    function test_a_leg_burns_no_more_than_its_gas() public {
        ISwapSplitter.Leg memory burner = _bad(1000e18, HostileAdapter.Mood.BurnsGas);
        burner.gas = 300_000;
        _swap(plan(burner, _good(1000e18)));
        assertLt(vm.lastCallGas().gasTotalUsed, 1_000_000);
    }

    /// @notice Whoever sends too little gas for a leg to have its own does not make it fail: all fails.
    function test_want_of_gas_fails_the_whole() public {
        ISwapSplitter.Leg memory l = _good(1000e18);
        l.gas = 2_000_000;
        IVault.SwapOrder memory o = order(address(dai), address(usd), plan(_good(1e18), l));
        vm.prank(LANE);
        vm.expectRevert(abi.encodeWithSelector(ISwapSplitter.InsufficientGas.selector, 1));
        vault.swap{gas: 2_300_000}(o);
        vm.prank(LANE);
        vault.swap{gas: 3_500_000}(o);
    }

    // -------------------------------------------------------------------------------------------- reentrancy

    function test_no_leg_reenters_the_vault_or_the_splitter() public {
        ISwapSplitter.Leg[] memory inner = plan(_good(1e18));
        bytes[8] memory calls = [
            abi.encodeCall(IVault.swap, (order(address(dai), address(usd), inner))),
            abi.encodeCall(IVault.deposit, (address(usd), 1e6, ALICE)),
            abi.encodeCall(IVault.refill, (address(usd), 1e6)),
            abi.encodeCall(IVault.sweep, (address(usd), 1e6)),
            abi.encodeCall(IVault.claim, (address(usd), ALICE)),
            abi.encodeCall(ISwapSplitter.swap, (address(dai), address(usd), 1e18, inner)),
            abi.encodeCall(ISwapSplitter.sweep, (address(usd))),
            abi.encodeCall(SwapSplitter.runLeg, (address(dai), 1e18, inner[0]))
        ];
        // It may try as what it likes to be.
        vm.startPrank(GOVERNANCE);
        vault.enableLane(address(hostile));
        vault.setMarks(address(usd), 0, 0);
        vm.stopPrank();
        usd.mint(address(hostile), 1000e6);
        vm.startPrank(address(hostile));
        usd.approve(address(vault), 1000e6);
        vm.stopPrank();
        for (uint256 i = 0; i < calls.length; ++i) {
            hostile.setReentry(i < 5 ? address(vault) : address(splitter), calls[i]);
            _swap(plan(_good(1000e18), _bad(1000e18, HostileAdapter.Mood.Reenters)));
            assertEq(hostile.reentries(), i + 1, "it tried");
            assertEq(hostile.reentered(), 0, "it reentered");
        }
        assertNothingLeft();
    }

    function test_only_the_vault_swaps_and_only_the_splitter_runs_legs() public {
        ISwapSplitter.Leg[] memory legs = plan(_good(1e18));
        dai.mint(address(splitter), 1e18);
        address[4] memory others = [ALICE, LANE, GOVERNANCE, GUARDIAN];
        for (uint256 i = 0; i < others.length; ++i) {
            vm.startPrank(others[i]);
            vm.expectRevert(abi.encodeWithSelector(ISwapSplitter.NotTheVault.selector, others[i]));
            splitter.swap(address(dai), address(usd), 1e18, legs);
            vm.expectRevert(abi.encodeWithSelector(ISwapSplitter.NotSelf.selector, others[i]));
            splitter.runLeg(address(dai), 1e18, legs[0]);
            vm.stopPrank();
        }
        vm.deal(ALICE, 1);
        vm.prank(ALICE);
        (bool ok,) = address(splitter).call{value: 1}("");
        assertFalse(ok, "ETH comes from WETH alone");
    }

    // -------------------------------------------------------------------------------------------- passing on

    function test_a_failed_share_goes_to_the_next_leg_if_the_plan_says_so() public {
        ISwapSplitter.Leg memory fails = _bad(1000e18, HostileAdapter.Mood.Reverts);
        fails.passOn = true;
        vm.expectEmit(address(splitter));
        // Of Error(string) in HopFailed(bytes32).
        bytes8 reason = bytes8(abi.encodePacked(ISwapSplitter.HopFailed.selector, bytes4(0x08c379a0)));
        emit ISwapSplitter.LegFailed(0, 1000e18, reason);
        vm.expectEmit(true, false, false, false, address(splitter));
        emit ISwapSplitter.LegDone(1, 0, 0);
        (uint256 spent, uint256 received) = _swap(plan(fails, _good(2000e18)));
        assertEq(spent, 3000e18);
        assertGt(received, 2990e6);
        fails.passOn = false;
        (spent,) = _swap(plan(fails, _good(2000e18)));
        assertEq(spent, 2000e18, "otherwise it is not sold");
        assertNothingLeft();
    }

    function test_the_last_legs_share_goes_nowhere_unless_a_fallback_follows() public {
        ISwapSplitter.Leg memory fails = _bad(1000e18, HostileAdapter.Mood.Reverts);
        fails.passOn = true;
        (uint256 spent,) = _swap(plan(_good(2000e18), fails));
        assertEq(spent, 2000e18);
        (spent,) = _swap(plan(_good(2000e18), fails, _good(0)));
        assertEq(spent, 3000e18, "a leg of nothing sells what is passed on");
        (spent,) = _swap(plan(_good(2000e18), _good(0)));
        assertEq(spent, 2000e18, "and else does not run");
    }

    /// @notice The minimum grows with the amount; a leg that cannot sell all sells its own, and the rest goes on.
    function test_what_a_leg_cannot_sell_goes_past_it() public {
        ISwapSplitter.Leg memory fails = _bad(1000e18, HostileAdapter.Mood.Reverts);
        fails.passOn = true;
        ISwapSplitter.Leg memory narrow = leg(100_000e18 - 2000e18, v2(address(usd)));
        // What the pair gives for its own amount, and no more than a thousandth worse.
        address[] memory path = new address[](2);
        (path[0], path[1]) = (address(dai), address(usd));
        uint256 out = routerV2.getAmountsOut(narrow.amount, path)[1];
        narrow.minRate = out * 1e36 / narrow.amount * 9995 / 10_000;
        setRules(address(dai), CAPACITY, 1000);
        (uint256 spent, uint256 received) = _swap(plan(fails, narrow, _good(1000e18)));
        assertEq(spent, 100_000e18);
        assertGt(received, out);
        assertNothingLeft();
        (uint112 a, uint112 b,) = _reserves();
        assertEq(address(dai) < address(usd) ? a : b, MILLION * 1e18 + narrow.amount, "its own amount alone");
    }

    function _reserves() private view returns (uint112, uint112, uint32) {
        (bool ok, bytes memory said) = pairDaiUsd.staticcall(abi.encodeWithSignature("getReserves()"));
        require(ok);
        return abi.decode(said, (uint112, uint112, uint32));
    }

    // ------------------------------------------------------------------------------------------- malformed plans

    function test_plans_that_make_no_sense_are_named() public {
        _refused(new ISwapSplitter.Leg[](0), abi.encodeWithSelector(IVault.ZeroAmount.selector));
        ISwapSplitter.Leg[] memory many = new ISwapSplitter.Leg[](17);
        for (uint256 i = 0; i < 17; ++i) {
            many[i] = _good(1e18);
        }
        _refused(many, abi.encodeWithSelector(ISwapSplitter.LegCount.selector, 17));
        ISwapSplitter.Leg memory l = _good(1e18);
        l.minRate = 0;
        _refused(plan(_good(1e18), l), abi.encodeWithSelector(ISwapSplitter.NoMinimum.selector, 1));
        l = _good(1e18);
        l.hops = new ISwapSplitter.Hop[](0);
        _refused(plan(l), abi.encodeWithSelector(ISwapSplitter.HopCount.selector, 0, 0));
        l.hops = new ISwapSplitter.Hop[](4);
        _refused(plan(l), abi.encodeWithSelector(ISwapSplitter.HopCount.selector, 0, 4));
        _refused(plan(leg(1e18, v2(weth))), abi.encodeWithSelector(ISwapSplitter.WrongPath.selector, 0, weth));
        _refused(
            plan(leg(1e18, hop(ALICE, address(usd), ""))),
            abi.encodeWithSelector(ISwapSplitter.NotAnAdapter.selector, ALICE)
        );
        _refused(
            plan(leg(1e18, v2(address(moody)), v2(address(usd)))),
            abi.encodeWithSelector(ISwapSplitter.NotAConnector.selector, moody)
        );
    }

    // ------------------------------------------------------------------------------------------------ governance

    function test_adapters_and_connectors_are_governed() public {
        PlainToken token = new PlainToken("T", "T", 18);
        address adapter = address(new HostileAdapter());
        vm.startPrank(GOVERNANCE);
        vm.expectRevert(abi.encodeWithSelector(ISwapSplitter.NoCode.selector, ALICE));
        splitter.addAdapter(ALICE, ALICE.codehash);
        vm.expectRevert(
            abi.encodeWithSelector(ISwapSplitter.WrongCode.selector, adapter, adapter.codehash, bytes32(0))
        );
        splitter.addAdapter(adapter, 0);
        vm.expectEmit(address(splitter));
        emit ISwapSplitter.AdapterAdded(adapter, adapter.codehash);
        splitter.addAdapter(adapter, adapter.codehash);
        vm.expectRevert(abi.encodeWithSelector(ISwapSplitter.NoCode.selector, ALICE));
        splitter.addConnector(ALICE);
        vm.expectEmit(address(splitter));
        emit ISwapSplitter.ConnectorAdded(address(token));
        splitter.addConnector(address(token));
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, GOVERNANCE));
        splitter.removeAdapter(adapter);
        vm.stopPrank();
        vm.startPrank(GUARDIAN);
        vm.expectEmit(address(splitter));
        emit ISwapSplitter.AdapterRemoved(adapterV2, GUARDIAN);
        splitter.removeAdapter(adapterV2);
        vm.expectRevert(abi.encodeWithSelector(ISwapSplitter.NotAnAdapter.selector, adapterV2));
        splitter.removeAdapter(adapterV2);
        vm.expectEmit(address(splitter));
        emit ISwapSplitter.ConnectorRemoved(weth, GUARDIAN);
        splitter.removeConnector(weth);
        vm.expectRevert(abi.encodeWithSelector(ISwapSplitter.NotAConnector.selector, weth));
        splitter.removeConnector(weth);
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, GUARDIAN));
        splitter.addConnector(weth);
        vm.stopPrank();
        _refused(
            plan(leg(1e18, v2(address(usd)))),
            abi.encodeWithSelector(ISwapSplitter.NotAnAdapter.selector, adapterV2)
        );
        _refused(
            plan(leg(1e18, v3(weth, 500), v3(address(usd), 3000))),
            abi.encodeWithSelector(ISwapSplitter.NotAConnector.selector, weth)
        );
        // What a swap buys needs not be one.
        swap(address(usd), ETH, leg(1000e6, v3(weth, 3000)));
    }

    function test_an_adapter_whose_code_changed_is_none() public {
        bytes32 was = adapterV3.codehash;
        vm.etch(adapterV3, address(hostile).code);
        _refused(
            plan(leg(1e18, v3(address(usd), 500))),
            abi.encodeWithSelector(
                ISwapSplitter.WrongCode.selector, adapterV3, address(hostile).codehash, was
            )
        );
    }

    function test_a_splitter_has_a_vault_and_a_wrapping() public {
        vm.expectRevert(ISwapSplitter.ZeroAddress.selector);
        new SwapSplitter(address(manager), address(0), weth);
        vm.expectRevert(abi.encodeWithSelector(ISwapSplitter.NoCode.selector, ALICE));
        new SwapSplitter(address(manager), address(vault), ALICE);
    }

    // ------------------------------------------------------------------------------------------------- donations

    /// @notice What somebody sent there reaches the vault, and helps no swap to its bound.
    function test_donations_reach_the_vault_and_count_for_nothing() public {
        dai.mint(address(splitter), 7e18);
        usd.mint(address(splitter), 500e6);
        ISwapSplitter.Leg memory thin =
            leg(1000e18, bad(address(usd), HostileAdapter.Mood.Honest, DAI_TO_USD * 98 / 100));
        _refused(plan(thin), abi.encodeWithSelector(IVault.ReceivedTooLittle.selector, 980e6, 990e6));
        ISwapSplitter.Leg memory fails = _bad(10e18, HostileAdapter.Mood.Reverts);
        (uint256 spent, uint256 received) = _swap(plan(_good(1000e18), fails));
        assertEq(spent, 1000e18);
        assertEq(dai.balanceOf(address(vault)), 100_000e18 - 1000e18 + 7e18);
        assertEq(usd.balanceOf(address(vault)), 100_000e6 + received + 500e6);
        assertNothingLeft();
    }

    function test_anybody_sweeps_to_the_vault() public {
        moody.mint(address(splitter), 5e18);
        vm.deal(address(splitter), 1 ether); // nobody can refuse what a selfdestruct sends
        (uint256 daiBefore, uint256 ethBefore) = (moody.balanceOf(address(vault)), address(vault).balance);
        vm.prank(ALICE);
        assertEq(splitter.sweep(address(moody)), 5e18);
        vm.prank(ALICE);
        assertEq(splitter.sweep(ETH), 1 ether);
        assertEq(splitter.sweep(ETH), 0);
        assertEq(moody.balanceOf(address(vault)), daiBefore + 5e18);
        assertEq(address(vault).balance, ethBefore + 1 ether);
        moody.mint(address(splitter), 5e18);
        moody.setMood(MoodyToken.Mood.ReturnsFalse);
        vm.expectPartialRevert(ISwapSplitter.TransferFailed.selector);
        splitter.sweep(address(moody));
    }

    // -------------------------------------------------------------------------------------------- hostile tokens

    function _list(address token) private {
        vm.startPrank(GOVERNANCE);
        vault.configureAsset(token, IVault.AssetConfig(true, TOKEN_GAS, 1));
        vault.setSwapRules(token, IVault.SwapRules(CAPACITY, SWAP_WINDOW, SLIPPAGE));
        splitter.addConnector(token);
        vm.stopPrank();
        guard.set(token, IOracleGuard.Verdict.Healthy, 1e18);
        PlainToken(token).mint(address(vault), 1000e18);
    }

    function test_a_token_with_a_fee_is_refused() public {
        FeeToken fee = new FeeToken();
        _list(address(fee));
        IVault.SwapOrder memory o = order(
            address(fee),
            address(usd),
            plan(leg(100e18, bad(address(usd), HostileAdapter.Mood.Honest, DAI_TO_USD)))
        );
        vm.expectRevert(abi.encodeWithSelector(IVault.SwapMismatch.selector, fee, 100e18, 99e18));
        swap(o);
        // Bought, it does not arrive as the splitter had it.
        uint256 rate = 1e36;
        o = order(
            address(dai), address(fee), plan(leg(100e18, bad(address(fee), HostileAdapter.Mood.Honest, rate)))
        );
        vm.expectRevert(abi.encodeWithSelector(IVault.SwapMismatch.selector, fee, 100e18, 99e18));
        swap(o);
    }

    /// @notice Where a token that is passed through takes more, keeps approvals or reenters, its leg fails alone.
    function test_a_hostile_connector_harms_its_leg_alone() public {
        HostileToken host = new HostileToken();
        _list(address(host));
        ISwapSplitter.Leg memory through = leg(
            1000e18,
            bad(address(host), HostileAdapter.Mood.Honest, 1e36),
            bad(address(usd), HostileAdapter.Mood.Honest, DAI_TO_USD)
        );
        HostileToken.Mood[4] memory moods = [
            HostileToken.Mood.TakesDouble,
            HostileToken.Mood.KeepsApproval,
            HostileToken.Mood.Megabyte,
            HostileToken.Mood.TakesFee
        ];
        for (uint256 i = 0; i < moods.length; ++i) {
            uint256 state = vm.snapshotState();
            host.setMood(moods[i]);
            (uint256 spent, uint256 received) = _swap(plan(through, _good(1000e18)));
            // A fee that the adapter bears is the adapter's: the splitter had what it measured.
            uint256 expected = moods[i] == HostileToken.Mood.TakesFee ? 2000e18 : 1000e18;
            assertEq(spent, expected);
            assertGe(received * 1e12, spent * 99 / 100);
            assertEq(dai.balanceOf(address(vault)), 100_000e18 - spent);
            assertEq(host.allowance(address(splitter), address(hostile)), 0, "approval left");
            assertNothingLeft();
            vm.revertToState(state);
        }
        host.setMood(HostileToken.Mood.Reenters);
        host.setReentry(address(splitter), abi.encodeCall(ISwapSplitter.sweep, (address(dai))));
        _swap(plan(through, _good(1000e18)));
        assertGt(host.reentries(), 0);
        assertEq(host.reentered(), 0);
    }

    /// @notice A token that the vault lists and that turns hostile in the middle of its own sale.
    function test_a_hostile_token_that_is_sold_takes_nothing_of_others() public {
        HostileToken host = new HostileToken();
        _list(address(host));
        ISwapSplitter.Leg memory l = leg(100e18, bad(address(usd), HostileAdapter.Mood.Honest, DAI_TO_USD));
        IVault.SwapOrder memory o = order(address(host), address(usd), plan(l));
        host.setMood(HostileToken.Mood.TakesDouble);
        vm.expectRevert();
        swap(o);
        host.setMood(HostileToken.Mood.TakesFee);
        vm.expectRevert(abi.encodeWithSelector(IVault.SwapMismatch.selector, host, 100e18, 99e18));
        swap(o);
        host.setMood(HostileToken.Mood.KeepsApproval);
        vm.expectRevert(IVault.NothingSwapped.selector);
        swap(o);
        host.setMood(HostileToken.Mood.Megabyte);
        vm.expectRevert(IVault.NothingSwapped.selector);
        swap(o);
        host.setMood(HostileToken.Mood.Reenters);
        host.setReentry(address(vault), abi.encodeCall(IVault.swap, (o)));
        swap(o);
        assertGt(host.reentries(), 0);
        assertEq(host.reentered(), 0);
        assertEq(dai.balanceOf(address(vault)), 100_000e18);
    }
}
