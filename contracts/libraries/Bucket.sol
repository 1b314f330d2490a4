// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @notice A token bucket kept as one moment: when it will be full again. Spending moves the moment away, time comes
/// closer by itself. This is the virtual-scheduling form of the generic cell rate algorithm (ITU-T I.371, annex A).
///
/// A bucket that is empty now is full after its window. Moments and costs are in ticks of 1/65,536 second, so that
/// unix time fits 48 bits until 2106. A cost is rounded up: against whoever spends.
library Bucket {
    /// @notice Ticks per second.
    uint256 internal constant TICKS = 1 << 16;

    /// @notice What `amount` costs a bucket of `capacity` that fills in `window` seconds, in ticks: more than any bucket
    /// holds when there is no capacity, or `amount` is beyond 160 bits.
    /// @dev `window` below 2^32, so that nothing overflows.
    function cost(uint256 amount, uint256 capacity, uint256 window) internal pure returns (uint256) {
        unchecked {
            if (amount == 0) return 0;
            if (capacity == 0 || amount >> 160 != 0) return type(uint128).max;
            return (amount * window * TICKS + capacity - 1) / capacity;
        }
    }

    /// @notice Takes `amount` from the bucket that is full at `fullAt`.
    /// @dev `fullAt` and `window` as stored: nothing overflows.
    /// @return next When it is full after that; 0 when it does not hold as much.
    function take(uint256 fullAt, uint256 amount, uint256 capacity, uint256 window)
        internal
        view
        returns (uint256 next)
    {
        // Nothing fits always, also a bucket that is emptier than empty: its window was made shorter.
        if (amount == 0) return fullAt;
        unchecked {
            uint256 current = block.timestamp * TICKS;
            next = (fullAt > current ? fullAt : current) + cost(amount, capacity, window);
            if (next > current + window * TICKS) next = 0;
        }
    }

    /// @notice {take}, or all that is left.
    function drain(uint256 fullAt, uint256 amount, uint256 capacity, uint256 window)
        internal
        view
        returns (uint256 next)
    {
        next = take(fullAt, amount, capacity, window);
        if (next == 0 && amount != 0) next = (block.timestamp + window) * TICKS;
    }

    /// @notice What is in the bucket now, rounded down.
    function left(uint256 fullAt, uint256 capacity, uint256 window) internal view returns (uint256) {
        uint256 current = block.timestamp * TICKS;
        if (fullAt <= current) return capacity;
        uint256 missing = fullAt - current;
        uint256 whole = window * TICKS;
        return missing >= whole ? 0 : Math.mulDiv(capacity, whole - missing, whole);
    }

    /// @notice The first second in which `amount` fits if nothing else is taken; the largest number if it never does.
    function fitsAt(uint256 fullAt, uint256 amount, uint256 capacity, uint256 window)
        internal
        view
        returns (uint256)
    {
        uint256 ticks = cost(amount, capacity, window);
        if (ticks > window * TICKS) return type(uint256).max;
        if (amount == 0 || take(fullAt, amount, capacity, window) != 0) return block.timestamp;
        return Math.ceilDiv(fullAt + ticks - window * TICKS, TICKS);
    }
}
