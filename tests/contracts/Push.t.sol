// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Test} from "forge-std/Test.sol";

import {Assets} from "contracts/libraries/Assets.sol";
import {Push} from "contracts/libraries/Push.sol";
import {GasBurner, Reentrant, ReturnBomb, Reverter} from "tests/contracts/mocks/Recipients.sol";
import {PlainToken} from "tests/contracts/mocks/Tokens.sol";

/// @notice All that {Push} does, from outside.
interface IPayer {
    /// @notice A payout that was not sent: it failed, or was above `most`.
    struct Stop {
        uint256 index;
        address recipient;
        uint256 amount;
        bool above;
        bytes32 reason; // of a failure
    }

    function send(address asset, address to, uint256 amount, uint256 allowance)
        external
        returns (bool ok, bytes32 reason);

    /// @dev `stops` is as long as there are payouts: the rest of it is zero.
    function settle(address asset, uint256 allowance, uint256 most, uint256 before, bytes calldata payouts)
        external
        returns (uint256 sent, Stop[] memory stops);

    /// @notice What a packed batch behind the selector says.
    function batch()
        external
        view
        returns (address asset, uint256 total, bytes32 position, bytes memory payouts);
}

/// @notice By {Push}, as the vault uses it.
contract AssemblyPayer is IPayer {
    receive() external payable {}

    function send(address asset, address to, uint256 amount, uint256 allowance)
        external
        returns (bool, bytes32)
    {
        return Push.send(asset, to, amount, allowance);
    }

    function settle(address asset, uint256 allowance, uint256 most, uint256 before, bytes calldata payouts)
        external
        returns (uint256 sent, Stop[] memory stops)
    {
        stops = new Stop[](Push.count(payouts));
        sent = before;
        uint256 n;
        (uint256 at, uint256 end) = Push.bounds(payouts);
        while (true) {
            (at, sent) = Push.sendPacked(asset, allowance, most, at, end, sent);
            if (at == end) break;
            stops[n++] = _stopAt(at, most, payouts);
            at += Push.PAYOUT;
        }
    }

    function _stopAt(uint256 at, uint256 most, bytes calldata payouts)
        private
        pure
        returns (Stop memory stop)
    {
        stop.reason = Push.returned();
        (stop.recipient, stop.amount, stop.index) = Push.payoutAt(at, payouts);
        if (stop.amount > most) (stop.above, stop.reason) = (true, 0);
    }

    function batch()
        external
        pure
        returns (address asset, uint256 total, bytes32 position, bytes memory payouts)
    {
        return Push.batch();
    }
}

/// @notice The same in plain Solidity.
contract PlainPayer is IPayer {
    receive() external payable {}

    function send(address asset, address to, uint256 amount, uint256 allowance)
        public
        returns (bool ok, bytes32 reason)
    {
        bytes memory said;
        if (asset == Assets.NATIVE) {
            (ok, said) = to.call{gas: allowance, value: amount}("");
        } else {
            (ok, said) = asset.call{gas: allowance}(abi.encodeCall(IERC20.transfer, (to, amount)));
            if (said.length != 0) ok = ok && said.length >= 32 && abi.decode(said, (uint256)) == 1;
        }
        reason = bytes32(said);
    }

    function settle(address asset, uint256 allowance, uint256 most, uint256 before, bytes calldata payouts)
        external
        returns (uint256 sent, Stop[] memory stops)
    {
        stops = new Stop[](payouts.length / 40);
        sent = before;
        uint256 n;
        for (uint256 i = 0; i < stops.length; ++i) {
            Stop memory p;
            p.index = i;
            p.recipient = address(bytes20(payouts[40 * i:40 * i + 20]));
            p.amount = uint96(bytes12(payouts[40 * i + 20:40 * i + 32]));
            if (p.amount == 0) continue;
            bool ok;
            if (p.amount > most) p.above = true;
            else (ok, p.reason) = send(asset, p.recipient, p.amount, allowance);
            if (ok) sent += p.amount;
            else stops[n++] = p;
        }
    }

    function batch()
        external
        pure
        returns (address asset, uint256 total, bytes32 position, bytes memory payouts)
    {
        bytes memory padded = bytes.concat(msg.data[4:], new bytes(64));
        uint256 first;
        (first, position) = abi.decode(padded, (uint256, bytes32));
        (asset, total) = (address(uint160(first >> 96)), uint96(first));
        if (msg.data.length > 100) payouts = msg.data[100:];
    }
}

/// @notice Notes the gas that it was given, and takes the money.
contract Gauge {
    uint256 public gasSeen;

    receive() external payable {
        gasSeen = gasleft();
    }
}

/// @notice Refuses with `data` as its reason.
contract RefusesWith {
    bytes private data;

    constructor(bytes memory data_) {
        data = data_;
    }

    receive() external payable {
        bytes memory said = data;
        assembly {
            revert(add(said, 0x20), mload(said))
        }
    }
}

/// @notice An ERC-20 whose transfers do and answer what a test chooses.
contract AnsweringToken is PlainToken {
    struct Answer {
        bool moves;
        bool reverts;
        bool burns; // all its gas
        bool reenters;
        bytes data;
    }

    Answer private answer;
    bytes private reentry;
    uint256 public gasSeen;
    uint256 public reentries;

    constructor() PlainToken("Answering", "ANSWER", 18) {}

    function set(Answer calldata answer_) external {
        answer = answer_;
    }

    /// @param reentry_ What it calls at whoever pays.
    function setReentry(bytes calldata reentry_) external {
        reentry = reentry_;
    }

    function transfer(address to, uint256 amount) public override returns (bool) {
        gasSeen = gasleft();
        if (answer.burns) while (true) {}
        if (answer.reenters) {
            (bool ok,) = msg.sender.call(reentry);
            if (ok) ++reentries;
        }
        if (answer.moves) _transfer(msg.sender, to, amount);
        bytes memory said = answer.data;
        bool reverts = answer.reverts;
        assembly {
            if reverts { revert(add(said, 0x20), mload(said)) }
            return(add(said, 0x20), mload(said))
        }
    }
}

/// @notice {Push} against the same in plain Solidity, at one address and from one state: the same money moves, the same
/// payouts fail for the same reasons, and the other side sees the same gas.
contract PushTest is Test {
    address private constant PAYER = address(0x9a7e4);
    uint256 private constant FUNDS = 20e18;
    /// Enough for everything that recipients and tokens do here, whichever of the two pays.
    uint256 private constant AMPLE = 400_000;
    /// What a bomb says: more than the payer may copy, and little enough to be bought with `AMPLE`.
    uint256 private constant BOMB = 40_000;

    address private immutable SINK = makeAddr("sink");
    address private immutable NO_TOKEN = makeAddr("a token without code");
    AnsweringToken private token;
    Gauge private gauge;
    Reentrant private reentrant;
    address[] private recipients;
    bool[] private takesEth;

    function setUp() public {
        token = new AnsweringToken();
        gauge = new Gauge();
        reentrant = new Reentrant();
        bytes memory reentry = abi.encodeCall(IPayer.send, (Assets.NATIVE, SINK, 3, 30_000));
        reentrant.setReentry(PAYER, reentry);
        token.setReentry(reentry);
        vm.deal(PAYER, FUNDS);
        token.mint(PAYER, FUNDS);
        address rich = makeAddr("rich");
        vm.deal(rich, 1);
        token.mint(rich, 1);
        _add(makeAddr("fresh"), true);
        _add(rich, true);
        _add(address(gauge), true);
        _add(PAYER, true);
        _add(address(0), true);
        _add(address(reentrant), true);
        _add(address(new Reverter()), false);
        _add(address(new GasBurner()), false);
        _add(address(new ReturnBomb()), false);
        _add(address(token), false);
        _add(address(new RefusesWith("")), false);
        _add(address(new RefusesWith("short")), false);
        _add(address(new RefusesWith(abi.encode(1))), false);
        _add(address(new RefusesWith(new bytes(BOMB))), false);
    }

    function _add(address recipient, bool takes) private {
        recipients.push(recipient);
        takesEth.push(takes);
    }

    // --------------------------------------------------------------------------------------------------- helpers

    /// @dev Everybody's money, and what recipients and tokens noted.
    function _world() private view returns (uint256[] memory seen) {
        uint256 n = recipients.length;
        seen = new uint256[](2 * n + 6);
        for (uint256 i = 0; i < n; ++i) {
            (seen[2 * i], seen[2 * i + 1]) = (recipients[i].balance, token.balanceOf(recipients[i]));
        }
        (seen[2 * n], seen[2 * n + 1]) = (SINK.balance, token.balanceOf(SINK));
        (seen[2 * n + 2], seen[2 * n + 3]) = (gauge.gasSeen(), token.gasSeen());
        (seen[2 * n + 4], seen[2 * n + 5]) = (token.reentries(), reentrant.reentered() ? 1 : 0);
    }

    function _run(bytes memory code, bytes memory call)
        private
        returns (bytes memory said, uint256[] memory seen)
    {
        uint256 state = vm.snapshotState();
        vm.etch(PAYER, code);
        bool ok;
        (ok, said) = PAYER.call(call);
        assertTrue(ok, "nothing that the other side does reverts the payer");
        seen = _world();
        vm.revertToState(state);
    }

    /// @return said What both returned.
    /// @return seen {_world} after either.
    function _compare(bytes memory call) private returns (bytes memory said, uint256[] memory seen) {
        bytes memory plainSaid;
        uint256[] memory plainSeen;
        (said, seen) = _run(type(AssemblyPayer).runtimeCode, call);
        (plainSaid, plainSeen) = _run(type(PlainPayer).runtimeCode, call);
        assertEq(said, plainSaid, "what was sent, what failed, and why");
        assertEq(seen, plainSeen, "balances, gas that was passed on, reentries");
    }

    uint256 private constant ANSWERS = 15;

    /// @dev What a token does, and whether that pays.
    function _answer(uint256 i) private pure returns (AnsweringToken.Answer memory a, bool pays) {
        a.moves = true;
        if (i == 0) return (a, true); // no value
        (a.data, pays) = (abi.encode(true), true);
        if (i == 1) return (a, pays);
        if (i == 2) a.reenters = true;
        if (i == 3) a.data = abi.encode(1, 2); // long
        if (i == 4) a.data = bytes.concat(abi.encode(1), new bytes(BOMB));
        if (i < 5) return (a, pays);
        pays = false;
        if (i == 5) a.data = abi.encode(false); // though it moved
        if (i == 6) (a.moves, a.data) = (false, abi.encode(false));
        if (i == 7) a.data = new bytes(31); // short
        if (i == 8) a.data = hex"01";
        if (i == 9) a.data = abi.encode(2);
        if (i == 10) a.data = new bytes(BOMB);
        if (i == 11) (a.reverts, a.data) = (true, "");
        if (i == 12) a.reverts = true; // and says 1
        if (i == 13) (a.reverts, a.data) = (true, new bytes(BOMB));
        if (i == 14) a.burns = true;
    }

    // ----------------------------------------------------------------------------------------------------- cases

    function _assertSent(address asset, address to, uint256 amount, bool ok)
        private
        returns (uint256[] memory)
    {
        (bytes memory said, uint256[] memory seen) =
            _compare(abi.encodeCall(IPayer.send, (asset, to, amount, AMPLE)));
        (bool sent,) = abi.decode(said, (bool, bytes32));
        assertEq(sent, ok);
        bytes memory payouts = abi.encodePacked(to, uint96(amount), bytes8(0));
        (said,) = _compare(abi.encodeCall(IPayer.settle, (asset, AMPLE, amount, 7, payouts)));
        (uint256 total, IPayer.Stop[] memory stops) = abi.decode(said, (uint256, IPayer.Stop[]));
        assertEq(total, ok ? 7 + amount : 7);
        assertEq(stops[0].recipient, ok ? address(0) : to);
        return seen;
    }

    function test_every_recipient_of_eth() public {
        for (uint256 i = 0; i < recipients.length; ++i) {
            uint256[] memory seen = _assertSent(Assets.NATIVE, recipients[i], 1e18, takesEth[i]);
            uint256 is_ = recipients[i] == PAYER ? FUNDS : recipients[i].balance + (takesEth[i] ? 1e18 : 0);
            assertEq(seen[2 * i], is_, vm.toString(i));
        }
        _assertSent(Assets.NATIVE, recipients[0], FUNDS + 1, false);
    }

    function test_every_answer_of_a_token() public {
        for (uint256 i = 0; i < ANSWERS; ++i) {
            (AnsweringToken.Answer memory answer, bool pays) = _answer(i);
            token.set(answer);
            _assertSent(address(token), recipients[0], 1e18, pays);
        }
        (AnsweringToken.Answer memory honest,) = _answer(1);
        token.set(honest);
        _assertSent(address(token), recipients[0], FUNDS + 1, false);
        // A call to nothing succeeds: who calls makes sure that a token has code.
        _assertSent(NO_TOKEN, recipients[0], 1e18, true);
    }

    function test_recipients_and_tokens_do_reenter() public {
        uint256[] memory seen = _assertSent(Assets.NATIVE, address(reentrant), 1e18, true);
        assertEq(seen[seen.length - 1], 1);
        (AnsweringToken.Answer memory answer,) = _answer(2);
        token.set(answer);
        seen = _assertSent(address(token), recipients[0], 1e18, true);
        assertEq(seen[seen.length - 2], 1);
        assertEq(seen[seen.length - 6], 3, "what the reentry took");
    }

    function test_the_allowance_is_passed_on_and_no_more() public {
        uint256[] memory seen = _assertSent(Assets.NATIVE, address(gauge), 1e18, true);
        uint256 seenGas = seen[seen.length - 4];
        // The stipend of a call with value comes on top.
        assertLe(seenGas, AMPLE + 2300);
        assertGt(seenGas, AMPLE + 2300 - 200);
    }

    // ------------------------------------------------------------------------------------------------------ fuzz

    uint256 private entropy;

    function _next(uint256 below) private returns (uint256) {
        entropy = uint256(keccak256(abi.encode(entropy)));
        return entropy % below;
    }

    /// @dev Either enough for all, or so little that the other side may run dry anywhere: then nobody reenters, because
    /// what is left inside for a second payment is not the same in both.
    function _allowance() private returns (uint256 allowance, bool ample) {
        ample = _next(3) != 0;
        allowance = ample ? AMPLE + _next(100_000) : _next(60_000);
    }

    function _asset(bool ample) private returns (address) {
        uint256 pick = _next(8);
        if (pick == 0) return NO_TOKEN;
        if (pick < 4) return Assets.NATIVE;
        uint256 i = _next(ANSWERS);
        if (i == 2 && !ample) i = 1;
        (AnsweringToken.Answer memory answer,) = _answer(i);
        token.set(answer);
        return address(token);
    }

    function _recipient(bool ample) private returns (address to) {
        to = recipients[_next(recipients.length)];
        if (to == address(reentrant) && !ample) to = address(gauge);
    }

    /// forge-config: long.fuzz.runs = 2000
    function testFuzz_send_is_its_plain_twin(uint256 seed) public {
        entropy = seed;
        (uint256 allowance, bool ample) = _allowance();
        address asset = _asset(ample);
        address to = _recipient(ample);
        uint256 amount = _next(4) == 0 ? seed : _next(2 * FUNDS);
        _compare(abi.encodeCall(IPayer.send, (asset, to, amount, allowance)));
    }

    /// forge-config: long.fuzz.runs = 2000
    function testFuzz_sendPacked_is_its_plain_twin(uint256 seed) public {
        entropy = seed;
        (uint256 allowance, bool ample) = _allowance();
        address asset = _asset(ample);
        uint256[4] memory bounds = [type(uint256).max, 0, 1 + _next(FUNDS), type(uint96).max];
        uint256 most = bounds[_next(4)];
        uint256 before = _next(FUNDS);
        bytes memory payouts;
        uint256 n = _next(13);
        for (uint256 i = 0; i < n; ++i) {
            uint256 pick = _next(8);
            uint256 amount = _next(FUNDS / 4);
            if (pick == 0) amount = 0;
            if (pick == 1) amount = 1;
            if (pick == 2) amount = type(uint96).max;
            // Around the bound.
            if (pick == 3 && most < type(uint96).max) amount = most;
            if (pick == 4 && most < type(uint96).max) amount = most + 1;
            address to = _recipient(ample);
            payouts = abi.encodePacked(payouts, to, uint96(amount), bytes8(uint64(_next(1 << 64))));
        }
        _compare(abi.encodeCall(IPayer.settle, (asset, allowance, most, before, payouts)));
    }

    function testFuzz_batch_is_its_plain_twin(bytes calldata tail) public {
        _compare(abi.encodePacked(IPayer.batch.selector, tail));
    }

    /// @notice Calldata that ends anywhere in the head reads as if zeros followed.
    function test_a_batch_that_is_cut_off() public {
        bytes memory whole = abi.encodePacked(
            IPayer.batch.selector,
            PAYER,
            uint96(5),
            bytes32(uint256(9)),
            bytes32(0),
            PAYER,
            uint96(5),
            bytes8(0)
        );
        while (whole.length > 4) {
            _compare(whole);
            bytes memory shorter = new bytes(whole.length - 1);
            for (uint256 i = 0; i < shorter.length; ++i) {
                shorter[i] = whole[i];
            }
            whole = shorter;
        }
        (bytes memory said,) = _compare(whole);
        (address asset, uint256 total, bytes32 position, bytes memory payouts) =
            abi.decode(said, (address, uint256, bytes32, bytes));
        assertEq(asset, address(0));
        assertEq(total, 0);
        assertEq(position, 0);
        assertEq(payouts.length, 0);
    }
}
