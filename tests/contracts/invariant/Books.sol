// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {IVault} from "contracts/interfaces/IVault.sol";
import {Assets} from "contracts/libraries/Assets.sol";
import {Fixture} from "tests/contracts/Fixture.sol";
import {FixedGuard} from "tests/contracts/mocks/FixedGuard.sol";
import {GasBurner, Reentrant, ReturnBomb, Reverter} from "tests/contracts/mocks/Recipients.sol";
import {MoodyToken, PlainToken} from "tests/contracts/mocks/Tokens.sol";

/// @notice The handler's own books, kept from what it sees outside: what people hold, which calls the vault took, what
/// was set by whom.
abstract contract Books is Fixture {
    enum Verb {
        Deposit,
        TopUp,
        Request,
        Cancel,
        ForceExit,
        Claim,
        Settle,
        SettleWide,
        SettleApproved,
        Announce,
        Veto,
        SettleAnnounced,
        SettleRequests,
        Void,
        Replay,
        Sweep,
        Refill,
        Poke,
        Trip,
        AboveLimit,
        Pause,
        LowerLimits,
        SetLimits,
        Govern,
        Propose,
        Activate,
        Rollback,
        Warp
    }

    uint256 public constant VERBS = 28;

    struct Numbered {
        uint64 next;
        bytes24 head;
        bytes last; // calldata of the last call that moved the lane
        uint256 enabledSince;
        bool disabled;
    }

    struct Asked {
        IVault.Request request;
        bool open;
        uint256 paid; // times
    }

    struct Announced {
        bytes32 id;
        address lane;
        address asset;
        address recipient;
        uint256 amount;
        bytes8 ref;
        uint256 at; // 0: paid
        bool vetoed;
    }

    /// @dev What left since `since`, under limits that did not change.
    struct Flow {
        uint256 since;
        uint256 amount;
    }

    enum Outcome {
        Refused,
        Tripped,
        Done
    }

    mapping(Verb => uint256) public done;
    /// What ever came into the vault.
    mapping(address asset => uint256) public sumIn;
    mapping(address asset => mapping(address account => uint256)) public balances;
    /// Balances and open requests together.
    mapping(address asset => uint256) public owed;
    mapping(address asset => uint256) public swept;
    mapping(address asset => uint256) public coldBalance;
    mapping(address lane => Numbered) internal lanes;
    mapping(address lane => mapping(uint64 number => uint256)) public settledTimes;
    mapping(IVault.Scope => uint256) internal pauseEnds;
    mapping(address asset => uint256) internal assetPauseEnds;
    mapping(address asset => bool) internal unlisted;
    mapping(address asset => IVault.AssetLimits) internal limits;
    mapping(address asset => Flow) internal flows;
    mapping(address asset => Flow) internal instantFlows;
    Flow internal usdFlow;
    uint32 internal usdCapacity;
    uint32 internal usdWindow;
    uint8 internal hardMultiple;
    Asked[] internal asked;
    Announced[] internal announced;
    mapping(bytes32 id => uint256 index) internal announcedAt;
    /// What the proxy must run.
    address public running;
    /// Everybody who may hold money outside the vault.
    address[] public people;
    address[] public assets;
    FixedGuard internal guard;

    constructor() {
        deployVault();
        assets = [Assets.NATIVE, address(dai), address(usd), address(moody)];
        people = [
            makeAddr("alice"),
            makeAddr("bob"),
            address(new Reverter()),
            address(new GasBurner()),
            address(new ReturnBomb()),
            address(new Reentrant())
        ];
        Reentrant(payable(people[5]))
            .setReentry(address(vault), abi.encodeCall(IVault.claim, (Assets.NATIVE, people[5])));
        for (uint256 i = 0; i < 2; ++i) {
            Numbered storage l = lanes[_lane(i)];
            (, l.next, l.head) = vault.laneOf(_lane(i));
            l.enabledSince = block.timestamp;
        }
        guard = new FixedGuard();
        vm.prank(GOVERNANCE);
        vault.setOracle(address(guard), 6 hours);
        (usdCapacity, usdWindow, hardMultiple) = vault.usdLimit();
        usdFlow.since = block.timestamp;
        for (uint256 i = 0; i < assets.length; ++i) {
            _tookLimits(assets[i], unbound());
        }
        running = implementation;
    }

    // ------------------------------------------------------------------------------------- what invariants read

    function vaultAddress() external view returns (address payable) {
        return payable(address(vault));
    }

    function registryAddress() external view returns (address) {
        return address(registry);
    }

    function coldAddress() external view returns (address) {
        return COLD;
    }

    function counts()
        external
        view
        returns (uint256 people_, uint256 assets_, uint256 asked_, uint256 announced_)
    {
        return (people.length, assets.length, asked.length, announced.length);
    }

    function askedAt(uint256 i) external view returns (Asked memory) {
        return asked[i];
    }

    function announcementAt(uint256 i) external view returns (Announced memory) {
        return announced[i];
    }

    function laneBooks(uint256 i) external view returns (address lane, uint64 next, bytes24 head) {
        lane = _lane(i);
        return (lane, lanes[lane].next, lanes[lane].head);
    }

    function limitsOf(address asset) external view returns (IVault.AssetLimits memory) {
        return limits[asset];
    }

    function usdLimits() external view returns (uint32, uint32, uint8) {
        return (usdCapacity, usdWindow, hardMultiple);
    }

    /// @notice Whether no more left than a full bucket and what flowed into it since.
    function isBounded(address asset) external view returns (bool) {
        IVault.AssetLimits memory l = limits[asset];
        return _isWithin(flows[asset], l.capacity, l.window)
            && _isWithin(instantFlows[asset], l.instantPerDay, 1 days)
            && _isWithin(usdFlow, uint256(usdCapacity) * 1e18, usdWindow);
    }

    function _isWithin(Flow storage f, uint256 capacity, uint256 window) private view returns (bool) {
        return f.amount * window <= capacity * (window + block.timestamp - f.since);
    }

    // ---------------------------------------------------------------------------------------------- changes

    function _tookLimits(address asset, IVault.AssetLimits memory l) internal {
        limits[asset] = l;
        flows[asset] = Flow(block.timestamp, 0);
        instantFlows[asset] = Flow(block.timestamp, 0);
    }

    function _tookUsdLimit(uint32 capacity, uint32 window, uint8 multiple) internal {
        (usdCapacity, usdWindow, hardMultiple) = (capacity, window, multiple);
        usdFlow = Flow(block.timestamp, 0);
    }

    /// @dev `amount` was settled.
    function _left(address asset, uint256 amount, bool instant) internal {
        flows[asset].amount += amount;
        if (instant) instantFlows[asset].amount += amount;
        usdFlow.amount += _usd(asset, amount);
    }

    /// @dev In USD with 18 decimals, rounded down; 0 without a price.
    function _usd(address asset, uint256 amount) internal view returns (uint256) {
        (uint256 price, uint256 until) = vault.priceOf(asset);
        return block.timestamp < until ? Math.mulDiv(amount, price, 1e18) : 0;
    }

    /// @dev What became of a call that asked for `amount`; takes note of a pause when the breaker tripped.
    function _outcome(bool ok, address asset, uint256 amount, IVault.Scope scope) internal returns (Outcome) {
        if (!ok) return Outcome.Refused;
        (uint256 end, uint256 assetEnd) = (vault.pausedUntil(scope), vault.assetPausedUntil(asset));
        if (end == pauseEnds[scope] && assetEnd == assetPauseEnds[asset]) return Outcome.Done;
        if (assetEnd != assetPauseEnds[asset]) {
            uint256 capacity = vault.limitState(asset, IVault.Limit.Asset).capacity;
            assertGt(amount, capacity * hardMultiple, "tripped for too little");
        } else {
            // The vault rounds up.
            assertGe(
                _usd(asset, amount) + 1, uint256(usdCapacity) * 1e18 * hardMultiple, "tripped for little"
            );
        }
        (pauseEnds[scope], assetPauseEnds[asset]) = (end, assetEnd);
        ++done[Verb.Trip];
        return Outcome.Tripped;
    }

    function _moved(address lane, uint64 count, bytes memory data) internal {
        Numbered storage l = lanes[lane];
        for (uint64 i = 0; i < count; ++i) {
            ++settledTimes[lane][l.next + i];
        }
        l.next += count;
        l.head = bytes24(keccak256(data));
        l.last = data;
    }

    // ---------------------------------------------------------------------------------------------- questions

    function _fits(address asset, uint256 amount, bool instant) internal view returns (bool) {
        return vault.retryAt(asset, amount, instant) <= block.timestamp;
    }

    function _received(address asset, address account) internal view returns (uint256) {
        return Assets.balanceOf(asset, account) + vault.claimOf(asset, account);
    }

    function _receivedAll(address asset) internal view returns (uint256[] memory all) {
        all = new uint256[](people.length);
        for (uint256 i = 0; i < all.length; ++i) {
            all[i] = _received(asset, people[i]);
        }
    }

    /// @dev Each person holds more by what was owed to him, or may claim it; nobody got more, or anything from a
    /// call that paid nothing.
    function _assertReceived(address asset, uint256[] memory before, uint256[] memory expected, bool paid)
        internal
        view
    {
        for (uint256 i = 0; i < people.length; ++i) {
            uint256 got = _received(asset, people[i]) - before[i];
            assertEq(got, paid ? expected[i] : 0, "paid or claimable, once");
        }
    }

    /// @dev A token that takes too much stops its payments: that is its own fault.
    /// @dev Of a vault that holds less than twice as much the token takes nothing: its transfer reverts.
    function _takesTooMuch(address asset, uint256 amount) internal view returns (bool) {
        return asset == address(moody) && moody.mood() == MoodyToken.Mood.TakesDouble
            && moody.balanceOf(address(vault)) >= 2 * amount;
    }

    function _takeBack(address asset, address account, uint256 amount) internal {
        if (asset == Assets.NATIVE) {
            vm.deal(account, account.balance - amount);
            return;
        }
        vm.prank(account);
        if (asset == address(usd)) usd.burn(amount);
        else PlainToken(asset).burn(amount);
    }

    /// @dev With gas for everything, and little enough that one who burns it all costs no time.
    function _call(bytes memory data, uint256 value) internal returns (bool ok) {
        (ok,) = address(vault).call{value: value, gas: 3_000_000}(data);
    }

    function _paused(IVault.Scope scope, address asset) internal view returns (bool) {
        return block.timestamp < pauseEnds[IVault.Scope.Everything] || block.timestamp < pauseEnds[scope]
            || block.timestamp < assetPauseEnds[asset];
    }

    function _isLane(address account) internal view returns (bool) {
        return (account == LANE || account == OTHER_LANE) && !lanes[account].disabled;
    }

    function _lane(uint256 seed) internal view returns (address) {
        return seed % 2 == 0 ? LANE : OTHER_LANE;
    }

    function _person(uint256 seed) internal view returns (address) {
        return people[seed % people.length];
    }

    function _asset(uint256 seed) internal view returns (address) {
        return assets[seed % assets.length];
    }

    function _indexOf(address person) internal view returns (uint256) {
        for (uint256 i = 0; i < people.length; ++i) {
            if (people[i] == person) return i;
        }
        revert("nobody");
    }
}
