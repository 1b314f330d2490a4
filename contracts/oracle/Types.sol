// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

// What the judge takes and gives, the same in the crate `oracle-guard`. docs/oracle.md gives units, bounds and meaning.
// Prices are USD per whole token times 1e18; times are unix seconds; bps are ten-thousandths.

/// @notice How one leg is judged. Where it is read is in {LegTarget}.
struct LegConfig {
    uint8 kind; // see {Kind}
    uint8 decimals; // pinned
    uint32 heartbeat;
    uint16 widthBps; // the true price may be so far from the answer
    uint16 confBps; // Pyth: the widest confidence
    uint8 confMultiple; // Pyth: how many confidences the interval spans to each side
    bool carried; // Chainlink: judge answeredInRound
    uint128 floor;
    uint128 ceiling;
    uint192 clampMin; // in the feed's decimals
    uint192 clampMax;
    uint16 clampBps;
    uint32 window; // V3: seconds of the mean
    uint128 minLiquidity; // V3: harmonic mean over the window
    uint16 maxTicks; // V3: from the spot to the mean
    uint8 baseDecimals; // V3: of the token that is priced
    uint8 quoteDecimals;
    bool baseIsToken1;
    uint128 rate; // known at rateAt; 0: growth is not judged
    uint64 rateAt;
    uint32 growthBps; // per year
    uint16 slashBps;
}

/// @notice The product of its legs.
struct SourceConfig {
    uint8 role; // 0: counts for the price, 1: only checks it
    uint16 toleranceBps; // of a reference
    LegConfig[] legs;
}

struct AssetConfig {
    uint8 quorum;
    uint16 toleranceBps;
    uint16 skew;
    uint16 jumpBps;
    uint16 volBps;
    uint8 leapMultiple;
    uint128 peg;
    uint16 softBelowBps;
    uint16 softAboveBps;
    uint16 hardBelowBps;
    uint16 hardAboveBps;
    bool hasSequencer;
    uint32 sequencerGrace;
    uint8 recoverCount;
    uint16 recoverSpacing;
    SourceConfig[] sources;
}

/// @notice What one leg was seen to say.
struct LegInput {
    uint8 outcome; // see {Ask}
    int256 answer; // in the feed's decimals
    uint8 decimals;
    uint80 roundId;
    uint80 answeredInRound;
    uint64 updatedAt;
    uint256 conf;
    int64 tickDelta;
    uint160 liquidityDelta;
    int32 spotTick;
    uint64 oldest;
}

struct Input {
    uint64 now;
    uint8 sequencerOutcome;
    int256 sequencerAnswer;
    uint64 sequencerStartedAt;
    LegInput[][] sources;
}

struct LegMemory {
    uint80 round;
    uint64 updatedAt;
}

/// @notice What is kept between judgements.
struct Memory {
    uint128 last; // the price that was last accepted
    uint64 lastAt;
    bool recovering;
    uint8 good;
    uint64 goodAt;
    LegMemory[][] sources;
}

struct Judgement {
    uint8 verdict; // see {IOracleGuard-Verdict}
    uint64 reasons; // see {Reasons}
    uint256 mid; // all three 0 when there is no price
    uint256 lo;
    uint256 hi;
    uint64[] sourceReasons; // in the order of the sources
}

/// @notice Where a leg is read.
struct LegTarget {
    address target;
    bytes4 selector; // Rate: of the view function that is asked
    bytes32 argument; // Rate: its argument; Pyth: the feed's id
    bytes32 description; // Chainlink: keccak256 of what `description()` must say; 0: not pinned
}

/// @notice All that governance sets for an asset.
struct Setup {
    AssetConfig config;
    LegTarget[][] targets; // of the config's legs
    address sequencer; // the L2 uptime feed, where the config has one
    uint8 tokenDecimals; // of the asset itself
}

library Kind {
    uint8 internal constant CHAINLINK = 0;
    uint8 internal constant PYTH = 1;
    uint8 internal constant UNISWAP_V3_TWAP = 2;
    uint8 internal constant RATE = 3;
}
