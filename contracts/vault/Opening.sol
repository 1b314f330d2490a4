// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IVault} from "../interfaces/IVault.sol";
import {Assets} from "../libraries/Assets.sol";
import {Push} from "../libraries/Push.sol";
import {Words} from "../libraries/Words.sol";
import {Payments} from "./Payments.sol";

/// @notice What a batch of orders must pass before it pays, twice: in plain words, with an error for each thing that is
/// wrong; and at once, for the packed batch in which nothing is. A differential fuzz test holds the two together.
abstract contract Opening is Payments {
    using Words for Words.Gates;
    using Words for Words.Hot;
    using Words for Words.Limits;

    /// @dev Checks everything that a batch of orders needs, takes it from the buckets and moves the lane.
    /// @return balance Before the first push.
    /// @return allowance Gas of one push; 0 when it tripped the breaker: then nothing happened.
    /// @return most That one payout may be, in units.
    function _open(address asset, bytes32 position, uint256 total, uint256 count, bool instant)
        internal
        returns (uint256 balance, uint256 allowance, uint256 most)
    {
        _requireAt(position);
        if (count == 0) revert IVault.EmptyBatch();
        (Words.Gates gates, Words.Hot hot, Words.Limits limits) = _slots(_vault().assets[asset]);
        _requireActive(gates.everything(), gates.orders(), IVault.Scope.Orders, asset, hot.pausedUntil());
        if (!limits.listed()) revert IVault.AssetNotListed(asset);
        balance = _balanceBefore(asset);
        uint256 available = _available(balance, hot.liabilities());
        if (total > available) revert IVault.InsufficientFloat(asset, total, available);
        if (!_take(asset, total, instant, IVault.Scope.Orders)) return (0, 0, 0);
        _move(position, count);
        (allowance, most) = (limits.payoutGas(), instant ? limits.instantPerPayout() : type(uint256).max);
    }

    /// @dev The caller's lane must be enabled and stand where its books expect it.
    function _requireAt(bytes32 position) private view {
        Lane storage l = _vault().lanes[msg.sender];
        if (!l.enabled) revert IVault.NotALane(msg.sender);
        if (position != _positionOf(l.next, l.head)) revert IVault.LaneMismatch(l.next, l.head);
    }

    /// @dev The calldata holds the head before, so the heads are a chain over everything that was settled.
    function _move(bytes32 position, uint256 count) private {
        Lane storage l = _vault().lanes[msg.sender];
        (l.next, l.head) = (uint56(_numberAt(position) + count), bytes24(keccak256(msg.data)));
    }

    /// @dev The next number of a lane at `position`.
    function _numberAt(bytes32 position) internal pure returns (uint64) {
        return uint56(uint256(position) >> 8);
    }

    /// @dev The slot of an enabled lane. Of no lane, for a number that no lane reaches.
    function _positionOf(uint64 next, bytes24 head) internal pure returns (bytes32) {
        return next >> 56 == 0 ? head | bytes32((uint256(next) << 8) | 1) : bytes32(0);
    }

    /// @dev {_open} of an instant batch of `length` bytes of packed payouts, if nothing at all stands against it;
    /// otherwise it does nothing and returns an allowance of 0, and {_open} says why. What stands against it is
    /// gathered, not branched on: `bad` decides once, before the first effect. The offsets are those of {Words}.
    function _openAtOnce(address asset, bytes32 position, uint256 total, uint256 length)
        internal
        returns (uint256 held, uint256 allowance, uint256 most)
    {
        assembly ("memory-safe") {
            // When a bucket is full after it gave `units`, and whether it does not hold them. `span` is its window in
            // ticks. There must be units.
            function fill(fullAt, units, capacity, span) -> next, over {
                next := shl(16, timestamp())
                // What is missing already, and the cost rounded up.
                let missing := mul(sub(fullAt, next), gt(fullAt, next))
                missing := add(add(div(sub(mul(units, span), 1), capacity), 1), missing)
                over := or(gt(missing, span), iszero(capacity))
                next := add(missing, next)
            }
            let bad
            held := selfbalance()
            if xor(asset, 0xEeeeeEeeeEeEeeEeEeEeeEEEeeeeEeeeeeeeEEeE) {
                // balanceOf(address). An address without code returns nothing; a token that takes more gas than any
                // honest one, and would take it twice, is asked in plain words alone.
                mstore(0x00, shl(224, 0x70a08231))
                mstore(0x04, address())
                bad := iszero(staticcall(100000, asset, 0x00, 0x24, 0x00, 0x20))
                bad := or(bad, lt(returndatasize(), 0x20))
                held := mload(0x00)
            }
            mstore(0x00, caller())
            mstore(0x20, STORAGE)
            // Until the end, for the stack is short: `allowance` is the slot of the lane, `asset` that of its {Hot}, `most`
            // the quantum; scratch space holds {Gates} and {Limits}, and free memory the slot of {Gates}. A constant of 32
            // bytes costs more than to read it again.
            allowance := keccak256(0x00, 0x40)
            mstore(0x00, asset)
            mstore(0x20, add(mload(0x20), 1))
            asset := keccak256(0x00, 0x40)
            bad := or(bad, xor(sload(allowance), position))
            // No bucket holds more than 128 bits, and up to there no sum or product below overflows. A batch of nothing
            // but voids takes nothing: less one, its total is above everything.
            bad := or(bad, or(shr(128, sub(total, 1)), or(iszero(length), mod(length, 40))))
            let hot := sload(asset)
            mstore(mload(0x40), add(mload(0x20), 5))
            mstore(0x00, sload(mload(mload(0x40))))
            mstore(0x20, sload(add(asset, 1)))
            // The lowest bit of a position is that the lane is enabled, that of {Limits} that the asset is listed.
            bad := or(bad, iszero(and(1, and(position, mload(0x20)))))
            // Neither everything, orders nor the asset is paused; the float is enough.
            bad := or(
                bad,
                or(
                    lt(timestamp(), shr(224, hot)),
                    or(
                        lt(timestamp(), and(mload(0x00), 0xffffffff)),
                        lt(timestamp(), and(shr(64, mload(0x00)), 0xffffffff))
                    )
                )
            )
            bad := or(bad, gt(add(total, shr(128, shl(128, hot))), held))
            // Limits are 40 bits times at most 10^38. 0x3c0000 ticks are a minute, 0x151800000 a day.
            most := exp(10, and(shr(32, mload(0x20)), 0xff))
            // A field is replaced by the difference between what it was and what it becomes.
            {
                let fullAt := and(shr(176, hot), 0xffffffffffff)
                let next, over :=
                    fill(fullAt, total, mul(and(shr(136, mload(0x20)), 0xffffffffff), most), 0x151800000)
                bad := or(bad, over)
                hot := xor(hot, shl(176, xor(fullAt, next)))
            }
            {
                let capacity := mul(and(shr(56, mload(0x20)), 0xffffffffff), most)
                switch lt(timestamp(), shr(224, mload(0x20)))
                case 0 { capacity := div(mul(capacity, and(shr(176, mload(0x20)), 0xff)), 100) }
                default {
                    // In USD times 10^priceDecimals, which are at most 36.
                    let fullAt := and(shr(160, mload(0x00)), 0xffffffffffff)
                    let next, over :=
                        fill(
                            fullAt,
                            mul(total, and(shr(184, mload(0x20)), 0xffffffff)),
                            mul(
                                and(shr(208, mload(0x00)), 0xffffffff),
                                exp(10, and(shr(216, mload(0x20)), 0xff))
                            ),
                            mul(shr(240, mload(0x00)), 0x3c0000)
                        )
                    bad := or(bad, over)
                    mstore(0x00, xor(mload(0x00), shl(160, xor(fullAt, next))))
                }
                let fullAt := and(shr(128, hot), 0xffffffffffff)
                let next, over :=
                    fill(fullAt, total, capacity, mul(and(shr(40, mload(0x20)), 0xffff), 0x3c0000))
                bad := or(bad, over)
                hot := xor(hot, shl(128, xor(fullAt, next)))
            }
            if iszero(bad) {
                sstore(asset, hot)
                let m := mload(0x40)
                sstore(mload(m), mload(0x00))
                calldatacopy(m, 0, calldatasize())
                sstore(
                    allowance,
                    or(
                        shl(64, shr(64, keccak256(m, calldatasize()))),
                        add(and(position, 0xffffffffffffffff), shl(8, div(length, 40)))
                    )
                )
                most := mul(and(shr(96, mload(0x20)), 0xffffffffff), most)
            }
            allowance := mul(iszero(bad), and(shr(8, mload(0x20)), 0xffffff))
        }
    }
}
