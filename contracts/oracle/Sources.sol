// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Ask} from "./Ask.sol";
import {Kind, LegConfig, LegInput, LegTarget} from "./Types.sol";

/// @notice Chainlink's feeds and whatever answers like one.
interface IChainlinkFeed {
    function decimals() external view returns (uint8);
    function description() external view returns (string memory);
    function latestRoundData()
        external
        view
        returns (uint80 roundId, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredInRound);
}

/// @notice Pyth's contract.
interface IPythFeeds {
    function getPriceUnsafe(bytes32 id)
        external
        view
        returns (int64 price, uint64 conf, int32 expo, uint256 publishTime);
}

/// @notice What a Uniswap V3 pool remembers of its price.
interface IV3Observations {
    function slot0()
        external
        view
        returns (
            uint160 sqrtPriceX96,
            int24 tick,
            uint16 index,
            uint16 cardinality,
            uint16 cardinalityNext,
            uint8 feeProtocol,
            bool unlocked
        );
    function observations(uint256 index)
        external
        view
        returns (uint32 time, int56 tickCumulative, uint160 secondsPerLiquidity, bool initialized);
    function observe(uint32[] calldata secondsAgos) external view returns (int56[] memory, uint160[] memory);
}

/// @notice Reads what the judge judges: one leg, or the sequencer's feed. Sources may fail, lie, burn gas or return a
/// megabyte: that is an outcome, never a revert.
library Sources {
    /// @notice Gas that one call to a source may use. Chainlink's proxies need about 20,000, Pyth's contract 15,000.
    uint256 internal constant CALL_GAS = 100_000;
    /// @notice {CALL_GAS} for a pool's `observe`: it searches its observations, at most 65,535.
    uint256 internal constant OBSERVE_GAS = 250_000;

    uint256 private constant MOST_DECIMALS = 36;

    /// @notice Reads a leg now.
    function read(LegConfig memory c, LegTarget memory t) internal view returns (LegInput memory) {
        if (c.kind == Kind.CHAINLINK) return _chainlink(t.target);
        if (c.kind == Kind.PYTH) return _pyth(t.target, t.argument);
        if (c.kind == Kind.UNISWAP_V3_TWAP) return _pool(t.target, c.window);
        return _rate(t, c.decimals);
    }

    /// @notice Reads the L2 uptime feed: 0 is up, 1 is down.
    function sequencer(address feed) internal view returns (uint8 outcome, int256 answer, uint64 startedAt) {
        uint256[] memory words;
        (outcome, words) = _latestRound(feed);
        if (outcome == Ask.READ) (answer, startedAt) = (int256(words[1]), _time(words[2]));
    }

    function _latestRound(address feed) private view returns (uint8 outcome, uint256[] memory words) {
        words = new uint256[](5);
        outcome = Ask.words(feed, abi.encodeCall(IChainlinkFeed.latestRoundData, ()), CALL_GAS, words);
        if (outcome == Ask.READ && (words[0] > type(uint80).max || words[4] > type(uint80).max)) {
            outcome = Ask.MALFORMED;
        }
    }

    function _chainlink(address feed) private view returns (LegInput memory i) {
        uint256[] memory words;
        (i.outcome, words) = _latestRound(feed);
        if (i.outcome != Ask.READ) return i;
        uint256 decimals;
        (i.outcome, decimals) = Ask.word(feed, abi.encodeCall(IChainlinkFeed.decimals, ()), CALL_GAS);
        if (i.outcome != Ask.READ) return i;
        if (decimals > type(uint8).max) return _malformed();
        (i.roundId, i.answer, i.updatedAt) = (uint80(words[0]), int256(words[1]), _time(words[3]));
        (i.answeredInRound, i.decimals) = (uint80(words[4]), uint8(decimals));
    }

    function _pyth(address pyth, bytes32 id) private view returns (LegInput memory i) {
        uint256[] memory words = new uint256[](4);
        i.outcome = Ask.words(pyth, abi.encodeCall(IPythFeeds.getPriceUnsafe, (id)), CALL_GAS, words);
        if (i.outcome != Ask.READ) return i;
        (int256 answer, int256 expo) = (int256(words[0]), int256(words[2]));
        if (answer != int64(answer) || words[1] > type(uint64).max || expo != int32(expo)) {
            return _malformed();
        }
        (i.answer, i.conf, i.updatedAt) = (answer, words[1], _time(words[3]));
        i.decimals = expo > 0 || -expo > int256(MOST_DECIMALS) ? type(uint8).max : uint8(uint256(-expo));
    }

    function _pool(address pool, uint32 window) private view returns (LegInput memory i) {
        (i.decimals, i.updatedAt) = (18, uint64(block.timestamp));
        uint256[] memory words = new uint256[](7);
        i.outcome = Ask.words(pool, abi.encodeCall(IV3Observations.slot0, ()), CALL_GAS, words);
        if (i.outcome != Ask.READ) return i;
        int256 tick = int256(words[1]);
        (uint256 index, uint256 cardinality) = (words[2], words[3]);
        if (tick != int24(tick) || index >= cardinality || cardinality > type(uint16).max) {
            return _malformed();
        }
        i.spotTick = int32(tick);
        (i.outcome, i.oldest) = _oldest(pool, index, cardinality);
        if (i.outcome != Ask.READ) return i;
        if (i.oldest < window) {
            // The pool refuses what it does not remember. The spot stands in, for whoever looks: it is no price.
            i.tickDelta = int64(tick * int256(uint256(window)));
            return i;
        }
        return _observe(i, pool, window);
    }

    /// @dev Seconds since the oldest observation: the one after the newest in the ring, or the first while the ring is
    /// not full.
    function _oldest(address pool, uint256 index, uint256 cardinality)
        private
        view
        returns (uint8 outcome, uint64 age)
    {
        uint256[] memory words = new uint256[](4);
        outcome = Ask.words(
            pool, abi.encodeCall(IV3Observations.observations, ((index + 1) % cardinality)), CALL_GAS, words
        );
        if (outcome == Ask.READ && words[3] == 0) {
            outcome = Ask.words(pool, abi.encodeCall(IV3Observations.observations, (0)), CALL_GAS, words);
        }
        if (outcome == Ask.READ && words[0] > type(uint32).max) outcome = Ask.MALFORMED;
        unchecked {
            age = uint32(block.timestamp) - uint32(words[0]); // as the pool counts
        }
    }

    function _observe(LegInput memory i, address pool, uint32 window) private view returns (LegInput memory) {
        uint32[] memory ago = new uint32[](2);
        ago[0] = window;
        uint256[] memory words = new uint256[](8);
        i.outcome = Ask.words(pool, abi.encodeCall(IV3Observations.observe, (ago)), OBSERVE_GAS, words);
        if (i.outcome != Ask.READ) return i;
        (int256 then, int256 now_) = (int256(words[3]), int256(words[4]));
        // Two arrays of two, as every compiler lays them out.
        if (
            words[0] != 0x40 || words[1] != 0xa0 || words[2] != 2 || words[5] != 2 || then != int56(then)
                || now_ != int56(now_) || words[6] > type(uint160).max || words[7] > type(uint160).max
        ) return _malformed();
        unchecked {
            i.tickDelta = int56(now_) - int56(then);
            i.liquidityDelta = uint160(words[7]) - uint160(words[6]);
        }
        return i;
    }

    function _rate(LegTarget memory t, uint8 decimals) private view returns (LegInput memory i) {
        uint256 answer;
        (i.outcome, answer) = Ask.word(t.target, abi.encodePacked(t.selector, t.argument), CALL_GAS);
        i.answer = answer > uint256(type(int256).max) ? type(int256).max : int256(answer);
        (i.decimals, i.updatedAt) = (decimals, uint64(block.timestamp));
    }

    function _malformed() private pure returns (LegInput memory i) {
        i.outcome = Ask.MALFORMED;
    }

    function _time(uint256 value) private pure returns (uint64) {
        return value > type(uint64).max ? type(uint64).max : uint64(value);
    }
}
