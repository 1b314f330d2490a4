// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Test} from "forge-std/Test.sol";

import {IVault} from "contracts/interfaces/IVault.sol";
import {Assets} from "contracts/libraries/Assets.sol";
import {Bucket} from "contracts/libraries/Bucket.sol";
import {Opening} from "contracts/vault/Opening.sol";
import {PlainToken} from "tests/contracts/mocks/Tokens.sol";

contract BothOpenings is Opening {
    /// Not in the calldata: its hash becomes the lane's head.
    bool public atOnce;

    function set(bool atOnce_) external {
        atOnce = atOnce_;
    }

    function store(address asset, Lane memory lane, Gates memory gates, Hot memory hot, Limits memory limits)
        external
    {
        _vault().lanes[msg.sender] = lane;
        _vault().gates = gates;
        _vault().hardMultiple = 2;
        (_vault().assets[asset].hot, _vault().assets[asset].limits) = (hot, limits);
    }

    function open(address asset, bytes32 position, uint256 total, uint256 length)
        external
        returns (uint256, uint256, uint256)
    {
        if (atOnce) return _openAtOnce(asset, position, total, length);
        if (length % 40 != 0) revert IVault.PayoutsLength(length);
        return _open(asset, position, total, length / 40, true);
    }

    /// @dev All that opening may change.
    function state(address asset, address lane) external view returns (bytes memory) {
        return abi.encode(_vault().lanes[lane], _vault().gates, _vault().assets[asset].hot);
    }
}

/// @notice What opens at once opens in plain words too, with the same effects; what plain words refuse does not.
contract OpeningTest is Test, BothOpenings {
    struct Case {
        Lane lane;
        Gates gates;
        Hot hot;
        Limits limits;
        uint256 total;
        uint256 held;
        uint256 length;
        uint64 seed;
    }

    BothOpenings private both;
    PlainToken private token;

    function setUp() public {
        both = new BothOpenings();
        token = new PlainToken("Test", "TEST", 18);
        vm.warp(1_800_000_000);
    }

    /// @dev Mostly a batch that passes: each part of the seed may break one thing, or set it on an edge.
    function _shape(Case memory c) private view {
        uint256 s = c.seed;
        uint256 current = block.timestamp * Bucket.TICKS;
        c.lane.enabled = s % 16 != 0;
        c.length = (s >> 4) % 16 == 0 ? c.length % 200 : 40 * (1 + c.length % 600);
        (c.gates.everything, c.gates.orders, c.hot.pausedUntil) =
        (_end(c.gates.everything, s >> 8), _end(c.gates.orders, s >> 12), _end(c.hot.pausedUntil, s >> 16));
        c.limits.listed = (s >> 20) % 16 != 0;
        c.limits.payoutGas = uint24(bound(c.limits.payoutGas, 25_000, 1_000_000));
        c.limits.exponent = uint8(bound(c.limits.exponent, 0, 26));
        c.limits.window = uint16(bound(c.limits.window, 60, 43_200));
        c.limits.unpricedShare = uint8(bound(c.limits.unpricedShare, 1, 100));
        // A sane price is not zero.
        c.limits.price = uint32(bound(c.limits.price, 1, type(uint32).max));
        c.limits.priceDecimals = uint8(bound(c.limits.priceDecimals, 0, 36));
        c.gates.usdWindow = uint16(bound(c.gates.usdWindow, 60, 43_200));
        if ((s >> 24) % 2 == 0) c.limits.priceUntil = uint32(block.timestamp + s % 3);
        if ((s >> 25) % 8 == 0) c.limits.capacity = 0;
        if ((s >> 28) % 16 == 0) c.gates.usdCapacity = 0;
        c.hot.fullAt = uint48(bound(c.hot.fullAt, current - 2, current + uint256(c.limits.window) * 60 << 16));
        c.hot.instantFullAt = uint48(bound(c.hot.instantFullAt, current - 2, current + (1 days << 16)));
        c.gates.usdFullAt =
            uint48(bound(c.gates.usdFullAt, current - 2, current + uint256(c.gates.usdWindow) * 60 << 16));
        if ((s >> 32) % 4 != 0) _fit(c, (s >> 34) % 4);
        c.held = uint256(c.hot.liabilities) + c.total % (1 << 161);
        if ((s >> 36) % 8 == 0) c.held = c.held == 0 ? 0 : c.held - 1;
    }

    /// @dev An end of a pause: none, on the edge, or any.
    function _end(uint32 raw, uint256 s) private view returns (uint32) {
        if (s % 16 > 2) return 0;
        return s % 16 == 0 ? raw : uint32(block.timestamp + s % 16 - 1);
    }

    /// @dev A total near what one of the buckets holds, and no other bucket in its way.
    function _fit(Case memory c, uint256 which) private view {
        uint256 unit = 10 ** uint256(c.limits.exponent);
        uint256 capacity = c.limits.capacity * unit;
        if (block.timestamp >= c.limits.priceUntil) capacity = capacity * c.limits.unpricedShare / 100;
        uint256 left = Bucket.left(c.hot.fullAt, capacity, uint256(c.limits.window) * 60);
        if (which == 1) {
            left = Bucket.left(c.hot.instantFullAt, c.limits.instantPerDay * unit, 1 days);
            (c.limits.capacity, c.hot.fullAt) = (type(uint40).max, 0);
        } else {
            (c.limits.instantPerDay, c.hot.instantFullAt) = (type(uint40).max, 0);
        }
        if (which == 2) {
            uint256 usd = c.gates.usdCapacity * 10 ** uint256(c.limits.priceDecimals);
            left = Bucket.left(c.gates.usdFullAt, usd, uint256(c.gates.usdWindow) * 60) / c.limits.price;
            (c.limits.capacity, c.hot.fullAt) = (type(uint40).max, 0);
        } else if (which != 3) {
            (c.limits.price, c.limits.priceDecimals) = (1, 36);
            (c.gates.usdCapacity, c.gates.usdFullAt) = (type(uint32).max, 0);
        }
        c.total = left + c.total % 3 == 0 ? 1 : left + c.total % 3 - 1;
    }

    function testFuzz_both_open_the_same(Case memory c, bool native) public {
        _shape(c);
        address asset = native ? Assets.NATIVE : address(token);
        if (native) vm.deal(address(both), c.held);
        else token.mint(address(both), c.held);
        both.store(asset, c.lane, c.gates, c.hot, c.limits);
        bytes32 position = bytes32(c.lane.head) | bytes32((uint256(c.lane.next) << 8) | 1);
        if (c.seed >> 60 == 0) position ^= bytes32(uint256(1) << (c.seed % 256));
        _compare(asset, abi.encodeCall(both.open, (asset, position, c.total, c.length)), c.total);
    }

    function _compare(address asset, bytes memory data, uint256 total) private {
        bytes memory before = both.state(asset, address(this));
        uint256 snapshot = vm.snapshotState();
        (bool ok, bytes memory said) = address(both).call(data);
        bool opens = ok && _allowance(said) != 0;
        bytes memory state = both.state(asset, address(this));
        vm.revertToState(snapshot);
        both.set(true);
        (bool done, bytes memory quickly) = address(both).call(data);
        assertTrue(done, "never reverts");
        // A batch of nothing but voids is left to plain words.
        assertEq(_allowance(quickly) != 0, opens && total != 0, "opens");
        if (_allowance(quickly) != 0) {
            assertEq(quickly, said, "what it returns");
            assertEq(both.state(asset, address(this)), state, "effects");
        } else {
            assertEq(both.state(asset, address(this)), before, "nothing happened");
        }
    }

    /// @notice The smallest buckets there are hold no batch of voids at once: less one, zero must not wrap around.
    function test_a_batch_of_voids_is_left_to_plain_words() public {
        Case memory c;
        (c.lane.enabled, c.limits.listed, c.limits.payoutGas) = (true, true, 25_000);
        (c.limits.window, c.limits.capacity, c.limits.instantPerDay) = (60, 1, 1);
        (c.limits.unpricedShare, c.limits.instantPerPayout) = (100, 1);
        both.store(Assets.NATIVE, c.lane, c.gates, c.hot, c.limits);
        for (uint256 total = 0; total < 2; ++total) {
            vm.deal(address(both), total);
            both.set(false);
            _compare(
                Assets.NATIVE,
                abi.encodeCall(both.open, (Assets.NATIVE, bytes32(uint256(1)), total, 40)),
                total
            );
        }
    }

    /// @notice What is ordinary opens at once, and does not only come out the same in plain words.
    function test_more_than_one_unit_opens_at_once_and_more_than_128_bits_do_not() public {
        Case memory c;
        (c.lane.enabled, c.limits.listed, c.limits.payoutGas) = (true, true, 25_000);
        (c.limits.window, c.limits.capacity, c.limits.instantPerDay) = (60, 1000, 1000);
        c.limits.unpricedShare = 100;
        both.store(Assets.NATIVE, c.lane, c.gates, c.hot, c.limits);
        vm.deal(address(both), type(uint160).max);
        both.set(true);
        (, uint256 allowance,) = both.open(Assets.NATIVE, bytes32(uint256(1)), (1 << 128) + 1, 40);
        assertEq(allowance, 0);
        (, allowance,) = both.open(Assets.NATIVE, bytes32(uint256(1)), 2, 40);
        assertEq(allowance, 25_000);
    }

    function _allowance(bytes memory said) private pure returns (uint256 allowance) {
        (, allowance,) = abi.decode(said, (uint256, uint256, uint256));
    }

    /// @notice A token that lies about itself in any way is left to plain words, which revert.
    function test_a_token_that_does_not_answer_opens_nothing() public {
        Case memory c;
        (c.lane.enabled, c.limits.listed, c.limits.payoutGas) = (true, true, 25_000);
        (c.limits.window, c.limits.capacity, c.limits.instantPerDay) = (60, 1000, 1000);
        c.limits.unpricedShare = 100;
        address[3] memory assets_ = [address(token), address(this), makeAddr("no code")];
        for (uint256 i = 0; i < 3; ++i) {
            both.store(assets_[i], c.lane, c.gates, c.hot, c.limits);
            token.mint(address(both), 1);
            both.set(true);
            (, uint256 allowance,) = both.open(assets_[i], bytes32(uint256(1)), 1, 40);
            assertEq(allowance, i == 0 ? 25_000 : 0);
            both.set(false);
            if (i != 0) vm.expectRevert();
            if (i != 0) both.open(assets_[i], bytes32(uint256(1)), 1, 40);
        }
    }
}
