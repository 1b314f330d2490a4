// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {stdError} from "forge-std/StdError.sol";

import {IApprovers} from "contracts/interfaces/IApprovers.sol";
import {IOracleGuard} from "contracts/interfaces/IOracleGuard.sol";
import {IVault} from "contracts/interfaces/IVault.sol";
import {Assets} from "contracts/libraries/Assets.sol";
import {Fixture} from "tests/contracts/Fixture.sol";
import {FixedGuard} from "tests/contracts/mocks/FixedGuard.sol";
import {
    AllToken,
    FirstFace,
    HookHolder,
    HookToken,
    OddToken,
    SecondFace,
    ShareToken
} from "tests/contracts/mocks/OddTokens.sol";
import {FeeToken, PlainToken} from "tests/contracts/mocks/Tokens.sol";

/// @notice Tokens as they are. Each test is a row of the table in docs/tokens.md: what the vault guarantees for a kind of
/// token, and what it does not. While a token misbehaves, ETH and an honest token are paid as ever.
contract TokensTest is Fixture {
    uint256 private constant OTHERS_FLOAT = 1000e18;
    uint256 private constant OTHERS_OWED = 500e18;
    /// Calls that move money out, see {_call}.
    uint256 private constant VERBS = 8;

    address private immutable ALICE = makeAddr("alice");
    address private immutable BOB = makeAddr("bob");
    address private immutable CAROL = makeAddr("carol");
    address private immutable DAVE = makeAddr("dave");

    OddToken private odd;
    IVault.Request private toSettle;
    IVault.Request private toForce;
    address private signer;
    uint256 private signerKey;
    /// How often {_othersAreFine} has paid the others.
    uint256 private rounds;

    function setUp() public {
        deployVault();
        (signer, signerKey) = makeAddrAndKey("signer");
        address[] memory signers = new address[](1);
        signers[0] = signer;
        vm.prank(GOVERNANCE);
        approvers.setApprovers(signers, 1);
        address[2] memory others = [Assets.NATIVE, address(dai)];
        for (uint256 i = 0; i < 2; ++i) {
            depositFor(ALICE, others[i], OTHERS_OWED);
            give(others[i], address(vault), OTHERS_FLOAT);
        }
    }

    // --------------------------------------------------------------------------------------------- helpers

    /// @dev The other assets hold and owe what they should, to the unit, and orders and requests are paid.
    function _othersAreFine() private {
        address[2] memory others = [Assets.NATIVE, address(dai)];
        address to = makeAddr(string.concat("round ", vm.toString(++rounds)));
        for (uint256 i = 0; i < 2; ++i) {
            settleOne(others[i], to, 1e18);
            IVault.Request memory r = requestFrom(ALICE, others[i], 2e18, to);
            vm.prank(LANE);
            vault.settleRequests(others[i], 0, listOf(r));
            assertEq(Assets.balanceOf(others[i], to), 3e18, "another asset was not paid");
            _books(others[i], OTHERS_OWED - 2e18 * rounds, OTHERS_FLOAT - 1e18 * rounds);
        }
    }

    /// @dev What is owed, what is float, and that the vault holds both, to the unit.
    function _books(address asset, uint256 owed, uint256 float) private view {
        assertEq(vault.liabilitiesOf(asset), owed, "owed");
        assertEq(vault.floatOf(asset), float, "float");
        assertEq(Assets.balanceOf(asset, address(vault)), owed + float, "held");
    }

    function _list(address token, uint32 payoutGas, IVault.AssetLimits memory limits) private {
        vm.startPrank(GOVERNANCE);
        vault.configureAsset(token, IVault.AssetConfig(true, payoutGas, 1));
        vault.setLimits(token, limits);
        vault.setMarks(token, 0, 0);
        vm.stopPrank();
    }

    function _list(address token) private {
        _list(token, TOKEN_GAS, unbound());
    }

    function _batch(address token, address to, uint256 amount) private view returns (IVault.Batch memory b) {
        (, b.first, b.head) = vault.laneOf(LANE);
        (b.asset, b.total) = (token, amount);
        b.payouts = new IVault.Payout[](1);
        b.payouts[0] = IVault.Payout(to, amount);
        b.refs = new bytes(8);
    }

    function _signed(IVault.Batch memory b) private view returns (bytes memory) {
        bytes32 digest = approvers.digest(
            IApprovers.Settlement({
                vault: address(vault),
                lane: LANE,
                asset: b.asset,
                first: b.first,
                head: b.head,
                total: b.total,
                payouts: keccak256(abi.encode(b.payouts)),
                refs: keccak256(b.refs),
                deadline: type(uint64).max
            })
        );
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(signerKey, digest);
        IVault.Approval[] memory signed = new IVault.Approval[](1);
        signed[0] = IVault.Approval(signer, abi.encodePacked(r, s, v));
        return abi.encodeCall(IVault.settleApproved, (b, type(uint64).max, signed));
    }

    function _announce(address token, address to, uint256 amount) private {
        vm.prank(LANE);
        vault.announce(token, to, amount, 0);
    }

    function _as(address who, bytes memory data) private {
        vm.prank(who);
        (bool ok, bytes memory said) = address(vault).call(data);
        assertTrue(ok, vm.toString(said));
    }

    /// @dev Claims `amount` and no other: to `to`, by its owner.
    function _claim(address token, address by, address to, uint256 amount) private {
        uint256 before = Assets.balanceOf(token, to);
        vm.prank(by);
        assertEq(vault.claim(token, to), amount);
        assertEq(Assets.balanceOf(token, to) - before, amount);
        assertEq(vault.claimOf(token, by), 0);
    }

    /// @dev Everything that can happen to a token of `u` units each, of which a transfer keeps `fee` percent, from its
    /// listing on; in exact amounts.
    function _life(address token, uint256 u, uint256 fee) private {
        uint256 keeps = 100 - fee;
        _list(
            token,
            TOKEN_GAS,
            IVault.AssetLimits({
                capacity: 1_000_000 * u,
                window: 1 days,
                unpricedShare: 100,
                instantPerPayout: 1000 * u,
                instantPerDay: 100_000 * u,
                approvedPerPayout: uint128(10_000 * u)
            })
        );
        // In: a refill, a deposit.
        give(token, DAVE, 10_000 * u);
        vm.startPrank(DAVE);
        approve(token, 10_000 * u);
        assertEq(vault.refill(token, 10_000 * u), 100 * u * keeps);
        vm.stopPrank();
        depositFor(ALICE, token, 5000 * u);
        assertEq(vault.balanceOf(token, ALICE), 50 * u * keeps);
        uint256 owed = 50 * u * keeps;
        uint256 float = 100 * u * keeps;
        _books(token, owed, float);

        // Requests: cancelled, settled, forced.
        IVault.Request memory r = requestFrom(ALICE, token, 1000 * u, BOB);
        vm.prank(ALICE);
        vault.cancel(r);
        assertEq(vault.balanceOf(token, ALICE), owed);
        r = requestFrom(ALICE, token, 1000 * u, BOB);
        vm.prank(LANE);
        vault.settleRequests(token, 0, listOf(r));
        r = requestFrom(ALICE, token, 500 * u, BOB);
        _announce(token, BOB, 400 * u);
        vm.warp(block.timestamp + EXIT_DELAY);
        vm.prank(ALICE);
        vault.forceExit(r);
        owed -= 1500 * u;
        _books(token, owed, float);

        // Orders: packed, wide, approved, announced.
        uint256 packed = 100 * u > 1e28 ? 1e28 : 100 * u;
        settleOne(token, BOB, uint96(packed));
        _as(LANE, abi.encodeCall(IVault.settleWide, (_batch(token, BOB, 200 * u))));
        _as(LANE, _signed(_batch(token, BOB, 300 * u)));
        _as(LANE, abi.encodeCall(IVault.settleAnnounced, (_batch(token, BOB, 400 * u))));
        float -= 900 * u + packed;
        _books(token, owed, float);
        assertEq(Assets.balanceOf(token, BOB), 24 * u * keeps + packed * keeps / 100);
        assertEq(vault.claimOf(token, BOB), 0);

        // To cold and back.
        vm.prank(LANE);
        vault.sweep(token, 500 * u);
        assertEq(Assets.balanceOf(token, COLD), 5 * u * keeps);
        assertEq(vault.treasuryOf(token).coldBalance, 500 * u);
        vm.startPrank(COLD);
        approve(token, 5 * u * keeps);
        uint256 back = 5 * u * keeps * keeps / 100;
        assertEq(vault.refill(token, 5 * u * keeps), back);
        vm.stopPrank();
        assertEq(vault.treasuryOf(token).coldBalance, 500 * u - back);
        _books(token, owed, float - 500 * u + back);
        _othersAreFine();
    }

    /// @dev A listed odd token, honest so far: 2000 held, of which 850 are Alice's, 150 in her two requests to Bob, and 7
    /// are Carol's claim; an announced order of 40 to Bob. All that is in {_call} can be called.
    function _begin() private {
        odd = new OddToken(18);
        _list(address(odd));
        odd.mint(address(vault), 1000);
        depositFor(ALICE, address(odd), 1000);
        OddToken.Oddity memory o;
        o.paused = true;
        odd.set(o);
        settleOne(address(odd), CAROL, 7);
        odd.reform();
        toSettle = requestFrom(ALICE, address(odd), 100, BOB);
        toForce = requestFrom(ALICE, address(odd), 50, BOB);
        _announce(address(odd), BOB, 40);
        vm.warp(block.timestamp + EXIT_DELAY);
        _books(address(odd), 1007, 993);
    }

    /// @dev What moves money out: four kinds of orders to Bob, both ways of paying requests, a claim, a sweep.
    function _call(uint256 verb) private view returns (address by, bytes memory data, uint256 amount) {
        by = LANE;
        address token = address(odd);
        amount = [uint256(10), 20, 30, 40, 100, 50, 7, 5][verb];
        IVault.Batch memory b = _batch(token, BOB, amount);
        if (verb == 0) {
            data = settlement(token, positionAt(b.first, b.head), amount, 0, one(BOB, uint96(amount)));
        }
        if (verb == 1) data = abi.encodeCall(IVault.settleWide, (b));
        if (verb == 2) data = _signed(b);
        if (verb == 3) data = abi.encodeCall(IVault.settleAnnounced, (b));
        if (verb == 4) data = abi.encodeCall(IVault.settleRequests, (token, 0, listOf(toSettle)));
        if (verb == 5) (by, data) = (ALICE, abi.encodeCall(IVault.forceExit, (toForce)));
        if (verb == 6) (by, data) = (CAROL, abi.encodeCall(IVault.claim, (token, CAROL)));
        if (verb == 7) data = abi.encodeCall(IVault.sweep, (token, amount));
    }

    function _passes(uint256 verb) private {
        (address by, bytes memory data,) = _call(verb);
        _as(by, data);
    }

    /// @dev Enough gas for anything but what burns all of it.
    function _fails(uint256 verb) private returns (bytes memory said) {
        (address by, bytes memory data,) = _call(verb);
        bool ok;
        vm.prank(by);
        (ok, said) = address(vault).call{gas: 5_000_000}(data);
        assertFalse(ok, string.concat("verb ", vm.toString(verb)));
    }

    function _fails(uint256 verb, bytes memory why) private {
        assertEq(_fails(verb), why, string.concat("verb ", vm.toString(verb)));
    }

    function _failsWith(uint256 verb, bytes4 why) private {
        assertEq(bytes4(_fails(verb)), why, string.concat("verb ", vm.toString(verb)));
    }

    /// @dev The token is honest: all calls pass, and in the end everybody has what was owed to him.
    function _allIsPaid() private {
        for (uint256 verb = 0; verb < VERBS; ++verb) {
            _passes(verb);
        }
        assertEq(odd.balanceOf(BOB), 250);
        assertEq(odd.balanceOf(CAROL), 7);
        assertEq(odd.balanceOf(COLD), 5);
        _books(address(odd), 850, 888);
        _othersAreFine();
    }

    /// @dev Nothing can be pushed: each payment is a claim, none blocks another, and not a unit moves.
    function _claimsOnly(OddToken.Oddity memory o) private {
        _begin();
        odd.set(o);
        for (uint256 verb = 0; verb < 6; ++verb) {
            _passes(verb);
        }
        assertEq(vault.claimOf(address(odd), BOB), 250);
        assertEq(odd.balanceOf(BOB), 0);
        _books(address(odd), 1107, 893);
        _othersAreFine();
    }

    /// @dev As {_claimsOnly}; claims and sweeps revert meanwhile, and are paid when the token is honest again.
    function _claimsUntilHonest(OddToken.Oddity memory o) private {
        _claimsOnly(o);
        _failsWith(6, IVault.TransferFailed.selector);
        _failsWith(7, IVault.TransferFailed.selector);
        assertEq(vault.claimOf(address(odd), CAROL), 7);
        odd.reform();
        _claim(address(odd), BOB, BOB, 250);
        _claim(address(odd), CAROL, CAROL, 7);
        _passes(7);
        _books(address(odd), 850, 888);
    }

    /// @dev The token is not paid with: every call reverts, nothing moves, everything is payable when it is honest again.
    function _takesMore(OddToken.Oddity memory o, uint256 paidPercent, uint256 takenPercent) private {
        _begin();
        odd.set(o);
        for (uint256 verb = 0; verb < VERBS; ++verb) {
            (,, uint256 amount) = _call(verb);
            // A claim or a sweep that is not pushed says so at once.
            if (paidPercent == 0 && verb > 5) {
                _failsWith(verb, IVault.TransferFailed.selector);
                continue;
            }
            uint256 taken = takenPercent == 0 ? 2000 : amount * takenPercent / 100;
            _fails(
                verb,
                abi.encodeWithSelector(
                    IVault.TokenTookMore.selector, address(odd), amount * paidPercent / 100, taken
                )
            );
        }
        _othersAreFine();
        odd.reform();
        _books(address(odd), 1007, 993);
        _allIsPaid();
    }

    // ------------------------------------------------------------------------------- what a transfer returns

    function test_a_token_that_returns_nothing_is_paid_in_every_way() public {
        _life(address(usd), 1e6, 0);
    }

    function test_a_token_that_returns_true_and_more_is_paid_in_every_way() public {
        odd = new OddToken(18);
        OddToken.Oddity memory o;
        (o.answers, o.answer) = (true, abi.encode(true, "and more"));
        odd.set(o);
        _life(address(odd), 1e18, 0);
    }

    function test_a_token_that_returns_false_is_claimed_when_it_pays_again() public {
        OddToken.Oddity memory o;
        (o.still, o.answers, o.answer) = (true, true, abi.encode(false));
        _claimsUntilHonest(o);
    }

    function test_a_token_that_returns_no_boolean_is_claimed_when_it_pays_again() public {
        bytes[5] memory answers = [
            abi.encodePacked(uint8(1)),
            abi.encodePacked(uint248(1)),
            abi.encode(uint256(2)),
            abi.encode(type(uint256).max),
            abi.encode(false, true)
        ];
        uint256 start = vm.snapshotState();
        for (uint256 i = 0; i < answers.length; ++i) {
            OddToken.Oddity memory o;
            (o.still, o.answers, o.answer) = (true, true, answers[i]);
            _claimsUntilHonest(o);
            assertTrue(vm.revertToState(start));
        }
    }

    /// @notice Otherwise the recipient would have the money and a claim to it.
    function test_a_token_that_moves_and_says_it_did_not_is_not_paid_with() public {
        bytes[3] memory answers =
            [abi.encode(false), abi.encodePacked(uint8(1)), abi.encodePacked(uint248(1))];
        uint256 start = vm.snapshotState();
        for (uint256 i = 0; i < answers.length; ++i) {
            OddToken.Oddity memory o;
            (o.answers, o.answer) = (true, answers[i]);
            _takesMore(o, 0, 100);
            assertTrue(vm.revertToState(start));
        }
    }

    /// @notice Nobody can tell from the sender's side: what it says is believed, and what stays behind is float.
    function test_a_token_that_says_true_and_moves_nothing_counts_as_paid() public {
        _begin();
        OddToken.Oddity memory o;
        o.still = true;
        odd.set(o);
        for (uint256 verb = 0; verb < VERBS; ++verb) {
            _passes(verb);
        }
        assertEq(odd.balanceOf(BOB), 0);
        assertEq(vault.claimOf(address(odd), BOB), 0);
        _books(address(odd), 850, 1150);
        vm.expectRevert(IVault.ZeroAmount.selector);
        vm.prank(ALICE);
        vault.deposit(address(odd), 0, ALICE);
        odd.mint(DAVE, 10);
        vm.startPrank(DAVE);
        odd.approve(address(vault), 10);
        vm.expectRevert(IVault.ZeroAmount.selector);
        vault.deposit(address(odd), 10, DAVE);
        vm.stopPrank();
        _othersAreFine();
    }

    /// @notice Two thirds of a megabyte for each push: the vault copies 32 bytes of it.
    function test_a_return_data_bomb_costs_its_allowance_and_no_more() public {
        _begin();
        _list(address(odd), 1_000_000, unbound());
        bytes32[] memory payouts = new bytes32[](10);
        for (uint256 i = 0; i < 10; ++i) {
            payouts[i] = pack(BOB, 1);
        }
        OddToken.Oddity memory o;
        (o.bomb, o.still) = (650_000, true);
        odd.set(o);
        (, uint64 next, bytes24 head) = vault.laneOf(LANE);
        bytes memory data = settlement(address(odd), positionAt(next, head), 10, 0, packed(payouts));
        uint256 before = gasleft();
        _as(LANE, data);
        uint256 used = before - gasleft();
        assertEq(vault.claimOf(address(odd), BOB), 10);
        // One that begins with true, and pays.
        o.still = false;
        odd.set(o);
        settleOne(address(odd), BOB, 5);
        assertEq(odd.balanceOf(BOB), 5);
        assertGt(used, 8_500_000, "the token had its megabytes");
        assertLt(used, 9_100_000, "and the vault did not pay for a copy");
        _othersAreFine();
    }

    // -------------------------------------------------------------------------------------------- gas

    function test_a_token_that_needs_more_gas_than_its_allowance_is_claimed_with_the_claimants_gas() public {
        OddToken.Oddity memory o;
        o.extraGas = TOKEN_GAS;
        _claimsOnly(o);
        _claim(address(odd), BOB, BOB, 250);
        _claim(address(odd), CAROL, CAROL, 7);
        _passes(7);
        _books(address(odd), 850, 888);
        _list(address(odd), 2 * TOKEN_GAS, unbound());
        settleOne(address(odd), DAVE, 3);
        assertEq(odd.balanceOf(DAVE), 3, "governance can raise the allowance");
    }

    function test_a_token_that_burns_all_gas_costs_its_allowance_and_is_claimed_when_it_pays_again() public {
        OddToken.Oddity memory o;
        o.extraGas = type(uint256).max;
        _claimsOnly(o);
        (address by, bytes memory data,) = _call(6);
        vm.prank(by);
        (bool ok,) = address(vault).call{gas: 1_000_000}(data);
        assertFalse(ok);
        assertEq(vault.claimOf(address(odd), CAROL), 7);
        odd.reform();
        _claim(address(odd), BOB, BOB, 250);
        _claim(address(odd), CAROL, CAROL, 7);
    }

    // -------------------------------------------------------------------------------------------- fees

    function test_a_token_that_takes_a_fee_from_what_arrives_credits_what_arrived() public {
        _life(address(new FeeToken()), 1e18, 1);
    }

    function test_a_token_that_begins_to_charge_its_sender_is_not_paid_with() public {
        OddToken.Oddity memory o;
        o.senderFee = 100;
        _takesMore(o, 100, 200);
    }

    // ---------------------------------------------------------------------------------------- rebasing

    function test_a_rebase_up_goes_to_the_float_and_not_to_depositors() public {
        ShareToken token = new ShareToken(false);
        _life(address(token), 1e18, 0);
        uint256 owed = vault.liabilitiesOf(address(token));
        uint256 float = vault.floatOf(address(token));
        token.rebase(2, 1);
        assertEq(vault.balanceOf(address(token), ALICE), owed);
        _books(address(token), owed, float + (owed + float));
        IVault.Request memory r = requestFrom(ALICE, address(token), owed, DAVE);
        vm.warp(block.timestamp + EXIT_DELAY);
        vm.prank(ALICE);
        vault.forceExit(r);
        assertEq(token.balanceOf(DAVE), owed);
        _othersAreFine();
    }

    /// @notice First come, first served, each payment whole or not at all; what comes in later pays who is first then.
    function test_after_a_rebase_down_who_comes_first_is_paid_whole_and_the_last_wait() public {
        ShareToken token = new ShareToken(false);
        _list(address(token));
        depositFor(ALICE, address(token), 60e18);
        depositFor(DAVE, address(token), 40e18);
        token.rebase(4, 5);
        assertEq(token.balanceOf(address(vault)), 80e18);
        assertEq(vault.liabilitiesOf(address(token)), 100e18, "what is owed does not shrink");

        // No order is paid from what is missing, nothing is surplus.
        IVault.Batch memory b = _batch(address(token), BOB, 1);
        vm.startPrank(LANE);
        vm.expectRevert(
            abi.encodeWithSelector(IVault.InsufficientFloat.selector, address(token), uint256(1), uint256(0))
        );
        vault.settleWide(b);
        vm.expectRevert(
            abi.encodeWithSelector(IVault.NoSurplus.selector, address(token), uint256(1), uint256(0))
        );
        vault.sweep(address(token), 1);
        vm.stopPrank();

        // Alice was first: she loses nothing. Dave gets a claim that cannot be paid, not even in part.
        IVault.Request[] memory both = new IVault.Request[](2);
        both[0] = requestFrom(ALICE, address(token), 60e18, BOB);
        both[1] = requestFrom(DAVE, address(token), 40e18, DAVE);
        vm.prank(LANE);
        vault.settleRequests(address(token), 0, both);
        assertEq(token.balanceOf(BOB), 60e18);
        assertEq(token.balanceOf(DAVE), 0);
        assertEq(vault.claimOf(address(token), DAVE), 40e18);
        assertEq(token.balanceOf(address(vault)), 20e18);
        assertEq(vault.liabilitiesOf(address(token)), 40e18);
        vm.expectPartialRevert(IVault.TransferFailed.selector);
        vm.prank(DAVE);
        vault.claim(address(token), DAVE);

        // What Carol deposits pays Dave; then she is the last.
        depositFor(CAROL, address(token), 32e18);
        _claim(address(token), DAVE, DAVE, 40e18);
        assertEq(token.balanceOf(address(vault)), 12e18);
        assertEq(vault.liabilitiesOf(address(token)), 32e18);

        // Whoever brings what is missing makes all whole.
        give(address(token), COLD, 20e18);
        vm.startPrank(COLD);
        approve(address(token), 20e18);
        vault.refill(address(token), 20e18);
        vm.stopPrank();
        _books(address(token), 32e18, 0);
        IVault.Request memory r = requestFrom(CAROL, address(token), 32e18, CAROL);
        vm.prank(LANE);
        vault.settleRequests(address(token), 0, listOf(r));
        assertEq(token.balanceOf(CAROL), 32e18);
        _othersAreFine();
    }

    function test_shares_rounded_down_cost_the_depositor_and_the_recipient_a_unit_and_never_the_vault()
        public
    {
        ShareToken token = new ShareToken(false);
        _list(address(token));
        token.mint(ALICE, 100);
        token.rebase(11, 10);
        vm.startPrank(ALICE);
        token.approve(address(vault), 10);
        assertEq(vault.deposit(address(token), 10, ALICE), 9);
        vm.stopPrank();
        IVault.Request memory r = requestFrom(ALICE, address(token), 9, BOB);
        vm.prank(LANE);
        vault.settleRequests(address(token), 0, listOf(r));
        assertEq(token.balanceOf(BOB), 8);
        _books(address(token), 0, 1);
        _othersAreFine();
    }

    function test_shares_rounded_against_the_sender_are_not_paid_until_the_index_fits() public {
        ShareToken token = new ShareToken(true);
        _list(address(token));
        token.mint(ALICE, 100);
        token.rebase(11, 10);
        vm.startPrank(ALICE);
        token.approve(address(vault), 50);
        assertEq(vault.deposit(address(token), 50, ALICE), 50);
        vm.stopPrank();
        IVault.Request memory r = requestFrom(ALICE, address(token), 10, BOB);
        vm.prank(LANE);
        vm.expectRevert(
            abi.encodeWithSelector(IVault.TokenTookMore.selector, address(token), uint256(10), uint256(11))
        );
        vault.settleRequests(address(token), 0, listOf(r));
        token.rebase(20, 11);
        vm.prank(LANE);
        vault.settleRequests(address(token), 0, listOf(r));
        assertEq(token.balanceOf(BOB), 10);
        _othersAreFine();
    }

    // ------------------------------------------------------------------------------------ blocked, paused

    function test_a_blocked_recipient_claims_to_another_address_and_blocks_nobody() public {
        give(address(usd), address(vault), 100e6);
        depositFor(ALICE, address(usd), 100e6);
        usd.setBlocked(BOB, true);
        bytes32[] memory payouts = new bytes32[](3);
        (payouts[0], payouts[1], payouts[2]) = (pack(DAVE, 1e6), pack(BOB, 2e6), pack(CAROL, 3e6));
        (, uint64 next, bytes24 head) = vault.laneOf(LANE);
        vm.prank(LANE);
        settle(address(usd), positionAt(next, head), 6e6, 0, packed(payouts));
        assertEq(usd.balanceOf(DAVE), 1e6);
        assertEq(usd.balanceOf(CAROL), 3e6);
        assertEq(vault.claimOf(address(usd), BOB), 2e6);
        _books(address(usd), 102e6, 94e6);
        vm.expectPartialRevert(IVault.TransferFailed.selector);
        vm.prank(BOB);
        vault.claim(address(usd), BOB);
        address other = makeAddr("bob's other address");
        _claim(address(usd), BOB, other, 2e6);
        // A blocked depositor cannot deposit, and can still have his balance sent elsewhere.
        usd.setBlocked(ALICE, true);
        IVault.Request memory r = requestFrom(ALICE, address(usd), 100e6, other);
        vm.prank(LANE);
        vault.settleRequests(address(usd), 0, listOf(r));
        assertEq(usd.balanceOf(other), 102e6);
        give(address(usd), ALICE, 1);
        vm.startPrank(ALICE);
        approve(address(usd), 1);
        vm.expectRevert("blocked");
        vault.deposit(address(usd), 1, ALICE);
        vm.stopPrank();
        _books(address(usd), 0, 94e6);
        _othersAreFine();
    }

    function test_when_the_vault_is_blocked_all_payments_are_claims_until_it_is_not() public {
        give(address(usd), address(vault), 100e6);
        depositFor(ALICE, address(usd), 100e6);
        IVault.Request memory r = requestFrom(ALICE, address(usd), 40e6, BOB);
        usd.setBlocked(address(vault), true);
        settleOne(address(usd), CAROL, 1e6);
        vm.prank(LANE);
        vault.settleRequests(address(usd), 0, listOf(r));
        _books(address(usd), 101e6, 99e6);
        vm.expectPartialRevert(IVault.TransferFailed.selector);
        vm.prank(BOB);
        vault.claim(address(usd), BOB);
        _othersAreFine();
        usd.setBlocked(address(vault), false);
        _claim(address(usd), BOB, BOB, 40e6);
        _claim(address(usd), CAROL, CAROL, 1e6);
        _books(address(usd), 60e6, 99e6);
    }

    function test_a_paused_token_is_claimed_when_it_is_unpaused() public {
        OddToken.Oddity memory o;
        o.paused = true;
        _claimsUntilHonest(o);
        odd.set(o);
        odd.mint(DAVE, 5);
        vm.startPrank(DAVE);
        odd.approve(address(vault), 5);
        vm.expectRevert("paused");
        vault.deposit(address(odd), 5, DAVE);
        vm.stopPrank();
    }

    // ------------------------------------------------------------------------------------ amounts refused

    function test_a_token_that_refuses_zero_and_itself_is_paid_in_every_way() public {
        odd = new OddToken(18);
        OddToken.Oddity memory o;
        o.strict = true;
        odd.set(o);
        _life(address(odd), 1e18, 0);
        // A number without an amount is void: the token is not called.
        vm.expectCall(address(odd), abi.encodeCall(odd.transfer, (BOB, 0)), 0);
        settleOne(address(odd), BOB, 0);
        address[3] memory bad = [address(0), address(vault), address(odd)];
        for (uint256 i = 0; i < 3; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IVault.BadRecipient.selector, bad[i]));
            vm.prank(ALICE);
            vault.request(address(odd), 1, bad[i]);
            vm.expectRevert(abi.encodeWithSelector(IVault.BadRecipient.selector, bad[i]));
            vm.prank(LANE);
            vault.announce(address(odd), bad[i], 1, 0);
        }
    }

    /// @notice Recipients of orders are the keeper's to check: nobody can claim for the vault or for the token.
    function test_an_order_to_the_vault_or_the_token_is_a_claim_that_nobody_can_make() public {
        _begin();
        OddToken.Oddity memory o;
        o.strict = true;
        odd.set(o);
        settleOne(address(odd), address(vault), 3);
        settleOne(address(odd), address(odd), 4);
        settleOne(address(odd), address(0), 5);
        assertEq(vault.claimOf(address(odd), address(vault)), 3);
        assertEq(vault.claimOf(address(odd), address(odd)), 4);
        assertEq(vault.claimOf(address(odd), address(0)), 5);
        _books(address(odd), 1019, 981);
        _allOthersArePaid();
    }

    /// @dev As {_allIsPaid}, beside 12 that nobody can claim.
    function _allOthersArePaid() private {
        for (uint256 verb = 0; verb < VERBS; ++verb) {
            _passes(verb);
        }
        _books(address(odd), 862, 876);
        _othersAreFine();
    }

    /// @notice A claim is paid whole: one that grew above what the token moves at once waits for the token.
    function test_a_token_with_a_largest_transfer_pays_up_to_it_and_keeps_claims_above_it() public {
        _begin();
        OddToken.Oddity memory o;
        o.most = 30;
        odd.set(o);
        for (uint256 verb = 0; verb < 6; ++verb) {
            _passes(verb);
        }
        assertEq(odd.balanceOf(BOB), 60, "orders of 10, 20 and 30");
        assertEq(vault.claimOf(address(odd), BOB), 190, "one of 40, requests of 100 and 50");
        _claim(address(odd), CAROL, CAROL, 7);
        vm.expectPartialRevert(IVault.TransferFailed.selector);
        vm.prank(BOB);
        vault.claim(address(odd), BOB);
        _othersAreFine();
        odd.reform();
        _claim(address(odd), BOB, BOB, 190);
        _books(address(odd), 850, 893);
    }

    function test_the_largest_number_as_all_credits_what_came() public {
        AllToken token = new AllToken();
        _list(address(token));
        token.mint(ALICE, 1234);
        vm.startPrank(ALICE);
        token.approve(address(vault), type(uint256).max);
        assertEq(vault.deposit(address(token), type(uint256).max, ALICE), 1234);
        vm.stopPrank();
        // No payment is as large: the float bounds orders, what is owed bounds requests.
        IVault.Batch memory b = _batch(address(token), BOB, type(uint256).max);
        vm.expectRevert(
            abi.encodeWithSelector(
                IVault.InsufficientFloat.selector, address(token), type(uint256).max, uint256(0)
            )
        );
        vm.prank(LANE);
        vault.settleWide(b);
        vm.expectRevert(
            abi.encodeWithSelector(
                IVault.InsufficientBalance.selector, address(token), ALICE, type(uint256).max, uint256(1234)
            )
        );
        vm.prank(ALICE);
        vault.request(address(token), type(uint256).max, BOB);
        _books(address(token), 1234, 0);
        _othersAreFine();
    }

    // ------------------------------------------------------------------------------------ hooks

    function _hookHolder(HookToken token) private returns (HookHolder holder) {
        holder = new HookHolder();
        token.setHooked(address(holder));
        token.mint(address(holder), 100);
        holder.act(address(token), abi.encodeCall(token.approve, (address(vault), 100)));
    }

    /// @dev All that anybody may call and that moves or books money.
    function _reentries(HookToken token, HookHolder holder, IVault.Request memory r)
        private
        view
        returns (HookHolder.Act[] memory acts)
    {
        (, uint64 next, bytes24 head) = vault.laneOf(LANE);
        bytes[13] memory calls = [
            abi.encodeCall(IVault.deposit, (address(token), 1, address(holder))),
            abi.encodeCall(IVault.refill, (address(token), 1)),
            abi.encodeCall(IVault.request, (address(token), 1, address(holder))),
            abi.encodeCall(IVault.cancel, (r)),
            abi.encodeCall(IVault.forceExit, (r)),
            abi.encodeCall(IVault.claim, (Assets.NATIVE, BOB)),
            abi.encodeCall(IVault.settleRequests, (address(token), 0, listOf(r))),
            settlement(address(token), positionAt(next, head), 1, 0, one(BOB, 1)),
            abi.encodeCall(IVault.settleWide, (_batch(address(token), BOB, 1))),
            abi.encodeCall(
                IVault.settleApproved,
                (_batch(address(token), BOB, 1), type(uint64).max, new IVault.Approval[](0))
            ),
            abi.encodeCall(IVault.settleAnnounced, (_batch(address(token), BOB, 1))),
            abi.encodeCall(IVault.voidNumbers, (LANE, next, head, 1)),
            abi.encodeCall(IVault.sweep, (address(token), 1))
        ];
        acts = new HookHolder.Act[](calls.length);
        for (uint256 i = 0; i < calls.length; ++i) {
            acts[i] = HookHolder.Act(address(vault), calls[i]);
        }
    }

    /// @dev It reentered with `calls` calls, and each was refused for that.
    function _refused(HookHolder holder, uint256 calls) private view {
        assertEq(holder.calls(), calls);
        assertEq(holder.succeeded(), 0);
        assertEq(holder.refusals(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector), calls);
    }

    function test_hooks_of_a_recipient_reenter_nothing_and_may_refuse() public {
        HookToken token = new HookToken();
        _list(address(token), 1_000_000, unbound());
        token.mint(address(vault), 1000);
        HookHolder holder = _hookHolder(token);
        // A lane, a depositor and a claimant: it may call all of it when it does not reenter.
        vm.prank(GOVERNANCE);
        vault.enableLane(address(holder));
        settleOne(Assets.NATIVE, address(holder), 1e18);
        assertEq(vault.claimOf(Assets.NATIVE, address(holder)), 1e18);
        holder.act(address(vault), abi.encodeCall(IVault.deposit, (address(token), 100, address(holder))));
        IVault.Request memory r = requestFrom(address(holder), address(token), 40, address(holder));
        IVault.Request memory paid = requestFrom(address(holder), address(token), 50, address(holder));
        vm.warp(block.timestamp + EXIT_DELAY);
        HookHolder.Act[] memory acts = _reentries(token, holder, r);
        holder.setOnReceive(acts);

        settleOne(address(token), address(holder), 10);
        _refused(holder, 13);
        vm.prank(LANE);
        vault.settleRequests(address(token), 0, listOf(paid));
        _refused(holder, 26);
        assertEq(token.balanceOf(address(holder)), 60);
        assertEq(vault.claimOf(Assets.NATIVE, address(holder)), 1e18);
        _books(address(token), 50, 990);

        holder.setRefuses(true);
        settleOne(address(token), address(holder), 7);
        assertEq(vault.claimOf(address(token), address(holder)), 7);
        holder.act(address(vault), abi.encodeCall(IVault.claim, (address(token), BOB)));
        assertEq(token.balanceOf(BOB), 7);
        holder.act(address(vault), abi.encodeCall(IVault.claim, (Assets.NATIVE, BOB)));
        assertEq(BOB.balance, 1e18);
        _books(address(token), 50, 983);
    }

    /// @notice What arrives while a deposit is under way is the depositor's, whoever sent it.
    function test_hooks_of_a_sender_reenter_nothing_and_credit_only_what_arrives() public {
        HookToken token = new HookToken();
        _list(address(token));
        token.mint(address(vault), 1000);
        HookHolder holder = _hookHolder(token);
        HookHolder donor = new HookHolder();
        token.mint(address(donor), 5);
        depositFor(ALICE, address(token), 300);
        IVault.Request memory r = requestFrom(ALICE, address(token), 40, address(holder));
        holder.setOnSend(_reentries(token, holder, r));
        bytes memory deposit = abi.encodeCall(IVault.deposit, (address(token), 60, address(holder)));
        holder.act(address(vault), deposit);
        _refused(holder, 13);
        assertEq(vault.balanceOf(address(token), address(holder)), 60);
        _books(address(token), 360, 1000);

        HookHolder.Act[] memory gift = new HookHolder.Act[](1);
        gift[0] = HookHolder.Act(
            address(donor),
            abi.encodeCall(donor.act, (address(token), abi.encodeCall(token.transfer, (address(vault), 5))))
        );
        holder.setOnSend(gift);
        holder.act(address(vault), abi.encodeCall(IVault.deposit, (address(token), 40, address(holder))));
        assertEq(vault.balanceOf(address(token), address(holder)), 105);
        _books(address(token), 405, 1000);
        _othersAreFine();
    }

    // ------------------------------------------------------------------------------------ lies about balances

    /// @notice A float that is not there is paid from the same token's depositors: nothing else says what the vault has.
    function test_a_token_that_overstates_what_the_vault_has_endangers_its_own_depositors_alone() public {
        _begin();
        OddToken.Oddity memory o;
        (o.says, o.plus) = (OddToken.Says.Plus, 1_000_000);
        odd.set(o);
        settleOne(address(odd), BOB, 1500);
        assertEq(odd.balanceOf(BOB), 1_001_500);
        odd.reform();
        assertEq(odd.balanceOf(address(vault)), 500);
        assertEq(vault.liabilitiesOf(address(odd)), 1007);
        _othersAreFine();
    }

    function test_a_token_that_says_the_largest_number_is_not_paid_with() public {
        _begin();
        OddToken.Oddity memory o;
        o.says = OddToken.Says.Everything;
        odd.set(o);
        for (uint256 verb = 0; verb < VERBS; ++verb) {
            _fails(verb, stdError.arithmeticError);
        }
        _othersAreFine();
        odd.reform();
        _allIsPaid();
    }

    /// @notice With a megabyte of zeros too: of an answer one word is read.
    function test_a_token_that_hides_what_the_vault_has_pays_what_is_owed_and_no_order() public {
        OddToken.Says[2] memory says = [OddToken.Says.Nothing, OddToken.Says.Megabyte];
        uint256 start = vm.snapshotState();
        for (uint256 i = 0; i < 2; ++i) {
            _begin();
            OddToken.Oddity memory o;
            o.says = says[i];
            odd.set(o);
            for (uint256 verb = 0; verb < 4; ++verb) {
                (,, uint256 amount) = _call(verb);
                _fails(
                    verb,
                    abi.encodeWithSelector(
                        IVault.InsufficientFloat.selector, address(odd), amount, uint256(0)
                    )
                );
            }
            _failsWith(7, IVault.NoSurplus.selector);
            _passes(4);
            _passes(5);
            _passes(6);
            odd.mint(DAVE, 10);
            vm.startPrank(DAVE);
            odd.approve(address(vault), 10);
            vm.expectRevert(IVault.ZeroAmount.selector);
            vault.deposit(address(odd), 10, DAVE);
            vm.stopPrank();
            _othersAreFine();
            odd.reform();
            assertEq(odd.balanceOf(BOB), 150);
            assertEq(odd.balanceOf(CAROL), 7);
            _books(address(odd), 850, 993);
            for (uint256 verb = 0; verb < 4; ++verb) {
                _passes(verb);
            }
            _books(address(odd), 850, 893);
            assertTrue(vm.revertToState(start));
        }
    }

    function test_a_token_whose_balance_vanishes_with_a_transfer_is_not_paid_with() public {
        OddToken.Oddity memory o;
        o.says = OddToken.Says.LessAfterTransfer;
        _takesMore(o, 100, 0);
    }

    /// @notice That reverts, or burns all gas: requests can still be made and cancelled.
    function test_a_token_that_says_no_balance_is_not_paid_with_and_owed_as_before() public {
        OddToken.Says[2] memory says = [OddToken.Says.Refuses, OddToken.Says.Endless];
        uint256 start = vm.snapshotState();
        for (uint256 i = 0; i < 2; ++i) {
            _begin();
            odd.mint(DAVE, 10);
            vm.prank(DAVE);
            odd.approve(address(vault), 10);
            OddToken.Oddity memory o;
            o.says = says[i];
            odd.set(o);
            for (uint256 verb = 0; verb < VERBS; ++verb) {
                _fails(verb);
            }
            vm.prank(DAVE);
            (bool ok,) =
                address(vault).call{gas: 5_000_000}(abi.encodeCall(IVault.deposit, (address(odd), 10, DAVE)));
            assertFalse(ok);
            IVault.Request memory r = requestFrom(ALICE, address(odd), 850, BOB);
            vm.prank(ALICE);
            vault.cancel(r);
            assertEq(vault.balanceOf(address(odd), ALICE), 850);
            _othersAreFine();
            odd.reform();
            _books(address(odd), 1007, 993);
            _allIsPaid();
            assertTrue(vm.revertToState(start));
        }
    }

    // ------------------------------------------------------------------------------------ code

    /// @notice A call to no code succeeds and pays nothing: it must not count as a payment.
    function test_a_token_whose_code_is_gone_is_not_paid_with_and_owed_as_before() public {
        _begin();
        bytes memory code = address(odd).code;
        vm.etch(address(odd), "");
        for (uint256 verb = 0; verb < 7; ++verb) {
            _fails(verb, abi.encodeWithSelector(IVault.AssetNotListed.selector, address(odd)));
        }
        _fails(7, "");
        vm.expectRevert(bytes(""));
        vm.prank(DAVE);
        vault.deposit(address(odd), 1, DAVE);
        IVault.Request memory r = requestFrom(ALICE, address(odd), 850, BOB);
        vm.prank(ALICE);
        vault.cancel(r);
        assertEq(vault.liabilitiesOf(address(odd)), 1007);
        _othersAreFine();
        vm.etch(address(odd), code);
        _books(address(odd), 1007, 993);
        _allIsPaid();
    }

    function test_an_address_without_code_is_not_listed() public {
        vm.expectRevert(abi.encodeWithSelector(IVault.AssetNotListed.selector, BOB));
        vm.prank(GOVERNANCE);
        vault.configureAsset(BOB, IVault.AssetConfig(true, TOKEN_GAS, 1));
    }

    /// @notice Both addresses count the same money: list one of them.
    function test_a_token_behind_two_addresses_that_are_both_listed_is_counted_twice() public {
        FirstFace token = new FirstFace();
        SecondFace face = new SecondFace(token);
        _list(address(token));
        depositFor(ALICE, address(token), 100);
        assertEq(vault.floatOf(address(token)), 0);
        _list(address(face));
        assertEq(vault.floatOf(address(face)), 100, "Alice's money");
        settleOne(address(face), BOB, 60);
        assertEq(token.balanceOf(BOB), 60);
        assertEq(vault.liabilitiesOf(address(token)), 100);
        assertEq(token.balanceOf(address(vault)), 40);
        _othersAreFine();
    }

    // ------------------------------------------------------------------------------------ turning hostile

    function test_what_is_owed_in_an_unlisted_token_stays_payable_and_no_more_comes_in() public {
        _begin();
        vm.prank(GOVERNANCE);
        vault.configureAsset(address(odd), IVault.AssetConfig(false, 0, 1));
        bytes memory why = abi.encodeWithSelector(IVault.AssetNotListed.selector, address(odd));
        for (uint256 verb = 0; verb < 4; ++verb) {
            _fails(verb, why);
        }
        vm.expectRevert(why);
        vault.deposit(address(odd), 1, ALICE);
        vm.expectRevert(why);
        vault.refill(address(odd), 1);
        vm.expectRevert(why);
        vm.prank(LANE);
        vault.announce(address(odd), BOB, 1, 0);
        for (uint256 verb = 4; verb < VERBS; ++verb) {
            _passes(verb);
        }
        IVault.Request memory r = requestFrom(ALICE, address(odd), 850, BOB);
        vm.prank(LANE);
        vault.settleRequests(address(odd), 0, listOf(r));
        assertEq(odd.balanceOf(BOB), 1000);
        assertEq(odd.balanceOf(CAROL), 7);
        _books(address(odd), 0, 988);
        vm.prank(LANE);
        vault.sweep(address(odd), 988);
        _books(address(odd), 0, 0);
        _othersAreFine();
    }

    function test_a_guardian_pauses_one_token_and_no_other() public {
        _begin();
        uint48 until = uint48(block.timestamp) + MAX_PAUSE;
        vm.prank(GUARDIAN);
        vault.pauseAsset(address(odd), MAX_PAUSE);
        for (uint256 verb = 0; verb < VERBS; ++verb) {
            _fails(verb, abi.encodeWithSelector(IVault.AssetIsPaused.selector, address(odd), until));
        }
        vm.expectRevert(abi.encodeWithSelector(IVault.AssetIsPaused.selector, address(odd), until));
        vault.deposit(address(odd), 1, ALICE);
        IVault.Request memory r = requestFrom(ALICE, address(odd), 850, BOB);
        vm.prank(ALICE);
        vault.cancel(r);
        // A refill moves nothing out.
        odd.mint(COLD, 5);
        vm.startPrank(COLD);
        odd.approve(address(vault), 5);
        vault.refill(address(odd), 5);
        vm.stopPrank();
        _books(address(odd), 1007, 998);
        _othersAreFine();
        vm.warp(until);
        for (uint256 verb = 0; verb < 3; ++verb) {
            _passes(verb);
        }
        assertEq(odd.balanceOf(BOB), 60);
    }

    /// @notice A token is honest when it is listed, then takes every turn in a row. What it owes is paid in the end.
    function test_a_token_that_turns_hostile_after_listing_harms_no_other_and_owes_what_it_owed() public {
        odd = new OddToken(18);
        _life(address(odd), 1e18, 0);
        uint256 owed = vault.liabilitiesOf(address(odd));
        uint256 float = vault.floatOf(address(odd));
        OddToken.Oddity[6] memory turns;
        turns[0].paused = true;
        (turns[1].still, turns[1].bomb) = (true, 100_000);
        turns[2].extraGas = type(uint256).max;
        turns[3].senderFee = 1;
        turns[4].says = OddToken.Says.Refuses;
        turns[5].says = OddToken.Says.Everything;
        IVault.Request memory r = requestFrom(ALICE, address(odd), owed, DAVE);
        for (uint256 i = 0; i < turns.length; ++i) {
            odd.set(turns[i]);
            (, uint64 next, bytes24 head) = vault.laneOf(LANE);
            vm.prank(LANE);
            (bool ok,) = address(vault).call{gas: 5_000_000}(
                settlement(address(odd), positionAt(next, head), 1e18, 0, one(DAVE, 1e18))
            );
            assertEq(ok, i < 3, "a claim, or a revert");
            _othersAreFine();
        }
        assertEq(vault.claimOf(address(odd), DAVE), 3e18);
        odd.reform();
        _books(address(odd), owed + 3e18, float - 3e18);
        vm.prank(LANE);
        vault.settleRequests(address(odd), 0, listOf(r));
        _claim(address(odd), DAVE, DAVE, 3e18);
        assertEq(odd.balanceOf(DAVE), owed + 3e18);
        _books(address(odd), 0, float - 3e18);
    }

    /// @notice The USD bucket is the one thing that assets share: unlisting takes a token out of it at once.
    function test_a_hostile_token_drains_the_shared_usd_bucket_until_it_is_unlisted() public {
        FixedGuard oracle = _oracle();
        odd = new OddToken(18);
        _list(address(odd));
        depositFor(ALICE, address(odd), 10_000_000e18);
        IVault.Request[3] memory r;
        for (uint256 i = 0; i < 3; ++i) {
            r[i] = requestFrom(ALICE, address(odd), 1_000_000e18, ALICE);
        }
        OddToken.Oddity memory o;
        o.paused = true;
        odd.set(o);
        vm.warp(block.timestamp + EXIT_DELAY);
        _price(oracle, address(odd), 1e18);
        _price(oracle, address(dai), 1e18);

        // Listed, and nothing moves: it counts all the same.
        vm.prank(ALICE);
        vault.forceExit(r[0]);
        assertEq(vault.limitState(address(odd), IVault.Limit.Usd).left, 0);
        (, uint64 next, bytes24 head) = vault.laneOf(LANE);
        vm.prank(LANE);
        vm.expectPartialRevert(IVault.AboveLimit.selector);
        settle(address(dai), positionAt(next, head), 1e18, 0, one(BOB, 1e18));
        // ETH has no price here: the USD bucket is not asked.
        settleOne(Assets.NATIVE, BOB, 1e18);

        vm.warp(block.timestamp + 1 days);
        _price(oracle, address(odd), 1e18);
        _price(oracle, address(dai), 1e18);
        vm.prank(GOVERNANCE);
        vault.configureAsset(address(odd), IVault.AssetConfig(false, 0, 1));
        (, uint256 until) = vault.priceOf(address(odd));
        assertEq(until, 0, "no price from now on");
        assertFalse(vault.poke(address(odd)), "nor later, whatever the guard says");
        for (uint256 i = 1; i < 3; ++i) {
            vm.prank(ALICE);
            vault.forceExit(r[i]);
            assertEq(vault.limitState(address(odd), IVault.Limit.Usd).left, 1_000_000e18);
        }
        settleOne(address(dai), BOB, 1e18);
        assertEq(dai.balanceOf(BOB), 1e18);
    }

    // ------------------------------------------------------------------------------------ decimals, amounts

    function _oracle() private returns (FixedGuard oracle) {
        oracle = new FixedGuard();
        vm.prank(GOVERNANCE);
        vault.setOracle(address(oracle), 1 hours);
    }

    function _price(FixedGuard oracle, address asset, uint256 price) private {
        oracle.set(asset, IOracleGuard.Verdict.Healthy, price);
        assertTrue(vault.poke(asset));
    }

    function _decimals() private pure returns (uint8[7] memory) {
        return [0, 2, 6, 8, 18, 27, 30];
    }

    function test_tokens_of_0_to_30_decimals_are_paid_in_every_way() public {
        uint8[7] memory decimals = _decimals();
        for (uint256 i = 0; i < decimals.length; ++i) {
            uint256 start = vm.snapshotState();
            _life(address(new PlainToken("D", "D", decimals[i])), 10 ** decimals[i], 0);
            assertTrue(vm.revertToState(start));
        }
    }

    /// @notice A sixty-fourth of each bucket is exact in ticks; a single unit costs at least a tick, whatever it is worth.
    function test_limits_and_usd_are_exact_for_0_to_30_decimals_and_round_against_the_payer() public {
        FixedGuard oracle = _oracle();
        uint8[7] memory decimals = _decimals();
        for (uint256 i = 0; i < decimals.length; ++i) {
            uint256 start = vm.snapshotState();
            uint256 u = 10 ** decimals[i];
            address token = address(new PlainToken("D", "D", decimals[i]));
            IVault.AssetLimits memory limits = IVault.AssetLimits({
                capacity: 1_000_000 * u,
                window: 1 days,
                unpricedShare: 50,
                instantPerPayout: 20_000 * u,
                instantPerDay: 2_000_000 * u,
                approvedPerPayout: uint128(30_000 * u)
            });
            _list(token, TOKEN_GAS, limits);
            assertEq(abi.encode(vault.assetLimits(token)), abi.encode(limits));
            give(token, address(vault), 1_000_000 * u);
            assertEq(
                vault.limitState(token, IVault.Limit.Asset).left, 500_000 * u, "without a price, its share"
            );

            _price(oracle, token, 1e36 / u);
            (uint256 price,) = vault.priceOf(token);
            assertEq(price, 1e36 / u);
            IVault.Batch memory b = _batch(token, BOB, 15_625 * u);
            _as(LANE, abi.encodeCall(IVault.settleWide, (b)));
            assertEq(vault.limitState(token, IVault.Limit.Asset).left, 984_375 * u);
            assertEq(vault.limitState(token, IVault.Limit.Usd).left, 984_375e18);
            assertEq(vault.limitState(token, IVault.Limit.Instant).left, 1_984_375 * u);

            b = _batch(token, BOB, 20_000 * u + 1);
            vm.expectRevert(abi.encodeWithSelector(IVault.AboveTier.selector, token, 20_000 * u));
            vm.prank(LANE);
            vault.settleWide(b);

            settleOne(token, CAROL, 1);
            assertEq(PlainToken(token).balanceOf(CAROL), 1);
            assertLt(vault.limitState(token, IVault.Limit.Asset).left, 984_375 * u);
            assertLt(vault.limitState(token, IVault.Limit.Usd).left, 984_375e18);
            assertLt(vault.limitState(token, IVault.Limit.Instant).left, 1_984_375 * u);
            assertTrue(vm.revertToState(start));
        }
    }

    function test_a_price_too_small_to_say_counts_as_the_smallest_and_one_too_large_as_none() public {
        FixedGuard oracle = _oracle();
        address small = address(new PlainToken("S", "S", 30));
        _list(small);
        give(small, address(vault), 1e36);
        // A guard rounds up: a ten-millionth of a dollar for 10^30 units is a millionth.
        _price(oracle, small, 1);
        IVault.Batch memory b = _batch(small, BOB, 1e36);
        _as(LANE, abi.encodeCall(IVault.settleWide, (b)));
        uint256 left = vault.limitState(small, IVault.Limit.Usd).left;
        assertLe(left, 999_999e18);
        assertApproxEqAbs(left, 999_999e18, 1e15, "a dollar");

        address large = address(new PlainToken("L", "L", 0));
        _list(large);
        _price(oracle, large, uint256(type(uint32).max) * 1e36);
        (uint256 price,) = vault.priceOf(large);
        assertEq(price, uint256(type(uint32).max) * 1e36);
        oracle.set(large, IOracleGuard.Verdict.Healthy, uint256(type(uint32).max) * 1e36 + 1);
        assertFalse(vault.poke(large));
    }

    function test_limits_of_single_units_and_of_thirty_decimals_are_kept_or_refused() public {
        address token = address(new PlainToken("D", "D", 0));
        IVault.AssetLimits memory limits = unbound();
        (limits.capacity, limits.instantPerPayout, limits.instantPerDay, limits.approvedPerPayout) =
        (7, 2, 5, 3);
        _list(token, TOKEN_GAS, limits);
        assertEq(abi.encode(vault.assetLimits(token)), abi.encode(limits));
        give(token, address(vault), 100);
        settleOne(token, BOB, 2);
        settleOne(token, BOB, 2);
        assertEq(vault.limitState(token, IVault.Limit.Instant).left, 1);
        // Sevenths are not exact in ticks: three are left after the next second.
        assertEq(vault.limitState(token, IVault.Limit.Asset).left, 2);
        assertEq(vault.retryAt(token, 2, false), block.timestamp);
        assertEq(vault.retryAt(token, 3, false), block.timestamp + 1);

        limits = unbound();
        (limits.capacity, limits.instantPerPayout) = (1e36, 1e24);
        vm.startPrank(GOVERNANCE);
        vault.setLimits(token, limits);
        assertEq(abi.encode(vault.assetLimits(token)), abi.encode(limits));
        limits.instantPerPayout = 1e23;
        vm.expectRevert(abi.encodeWithSelector(IVault.LimitTooPrecise.selector, token, 1e13));
        vault.setLimits(token, limits);
        vm.stopPrank();
    }

    function test_amounts_above_96_bits_are_paid_by_wide_orders_and_by_requests() public {
        PlainToken token = new PlainToken("W", "W", 30);
        _list(address(token));
        uint256 amount = (1 << 96) + 1;
        give(address(token), address(vault), 10 * amount);
        settleOne(address(token), BOB, type(uint96).max);
        _announce(address(token), BOB, amount);
        depositFor(ALICE, address(token), 2 * amount);
        IVault.Request[2] memory r = [
            requestFrom(ALICE, address(token), amount, BOB), requestFrom(ALICE, address(token), amount, BOB)
        ];
        vm.warp(block.timestamp + EXIT_DELAY);
        _as(LANE, abi.encodeCall(IVault.settleWide, (_batch(address(token), BOB, amount))));
        _as(LANE, _signed(_batch(address(token), BOB, amount)));
        _as(LANE, abi.encodeCall(IVault.settleAnnounced, (_batch(address(token), BOB, amount))));
        vm.prank(LANE);
        vault.settleRequests(address(token), 0, listOf(r[0]));
        vm.prank(ALICE);
        vault.forceExit(r[1]);
        assertEq(token.balanceOf(BOB), 5 * amount + type(uint96).max);
        _books(address(token), 0, 7 * amount - type(uint96).max);
        _othersAreFine();
    }

    function test_what_is_owed_is_bounded_by_128_bits_and_payable_up_to_them() public {
        odd = new OddToken(18);
        IVault.AssetLimits memory limits = unbound();
        limits.capacity = 3.4e38;
        _list(address(odd), TOKEN_GAS, limits);
        uint256 most = type(uint128).max;
        depositFor(ALICE, address(odd), most);
        bytes memory beyond = abi.encodeWithSelector(IVault.OutOfRange.selector, most + 1, uint256(0), most);
        odd.mint(DAVE, 1);
        vm.startPrank(DAVE);
        odd.approve(address(vault), 1);
        vm.expectRevert(beyond);
        vault.deposit(address(odd), 1, DAVE);
        vm.stopPrank();

        // An order that can be pushed is paid; one that cannot would be owed too.
        odd.mint(address(vault), 10);
        settleOne(address(odd), BOB, 1);
        OddToken.Oddity memory o;
        o.paused = true;
        odd.set(o);
        (, uint64 next, bytes24 head) = vault.laneOf(LANE);
        vm.expectRevert(beyond);
        vm.prank(LANE);
        settle(address(odd), positionAt(next, head), 1, 0, one(BOB, 1));
        odd.reform();
        _books(address(odd), most, 9);

        uint256 half = most / 2;
        IVault.Request memory r = requestFrom(ALICE, address(odd), half, CAROL);
        vm.prank(LANE);
        vault.settleRequests(address(odd), 0, listOf(r));
        assertEq(odd.balanceOf(CAROL), half);
        r = requestFrom(ALICE, address(odd), most - half, CAROL);
        vm.warp(block.timestamp + EXIT_DELAY);
        vm.prank(ALICE);
        vault.forceExit(r);
        assertEq(odd.balanceOf(CAROL), most);
        _books(address(odd), 0, 9);
        _othersAreFine();
    }

    /// @notice The float is not bounded, but no bucket is wider than 128 bits: more at once goes nowhere.
    function test_announced_orders_above_128_bits_are_refused() public {
        PlainToken token = new PlainToken("W", "W", 30);
        IVault.AssetLimits memory limits = unbound();
        limits.capacity = 3.5e38;
        vm.startPrank(GOVERNANCE);
        vault.configureAsset(address(token), IVault.AssetConfig(true, TOKEN_GAS, 1));
        vm.expectRevert(
            abi.encodeWithSelector(
                IVault.OutOfRange.selector, uint256(3.5e38), uint256(0), uint256(type(uint128).max)
            )
        );
        vault.setLimits(address(token), limits);
        limits.capacity = 3.4e38;
        vault.setLimits(address(token), limits);
        vm.stopPrank();
        uint256 amount = (1 << 128) + 1;
        give(address(token), address(vault), amount);
        FixedGuard oracle = _oracle();
        _announce(address(token), BOB, amount);
        vm.warp(block.timestamp + 1 days);
        // A dollar a token: without the bound, its USD would count modulo 2^128.
        _price(oracle, address(token), 1e6);
        assertEq(vault.retryAt(address(token), amount, false), type(uint256).max);
        IVault.Batch memory b = _batch(address(token), BOB, amount);
        vm.prank(LANE);
        vm.expectPartialRevert(IVault.AboveLimit.selector);
        vault.settleAnnounced(b);
        _books(address(token), 0, amount);
        _othersAreFine();
    }
}
