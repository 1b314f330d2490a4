// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @notice Why a price is not what it should be: one bit each, the same in the crate `oracle-guard`. docs/oracle.md says
/// when each is set. Bits 0 to 31 are a source's, from 32 on the asset's.
library Reasons {
    uint64 internal constant DECIMALS_CHANGED = 1 << 4;
    uint64 internal constant INCOMPLETE_ROUND = 1 << 7;
    uint64 internal constant CARRIED_ROUND = 1 << 8;
    uint64 internal constant ROUND_WENT_BACK = 1 << 9;
    uint64 internal constant PHASE_CHANGED = 1 << 10;
    uint64 internal constant FROM_THE_FUTURE = 1 << 11;
    uint64 internal constant LATE = 1 << 12;
    uint64 internal constant STALE = 1 << 13;
    uint64 internal constant NOT_POSITIVE = 1 << 14;
    uint64 internal constant OUT_OF_RANGE = 1 << 15;
    uint64 internal constant CLAMPED = 1 << 16;
    uint64 internal constant WIDE_CONFIDENCE = 1 << 17;
    uint64 internal constant SHORT_WINDOW = 1 << 18;
    uint64 internal constant THIN_LIQUIDITY = 1 << 19;
    uint64 internal constant SPOT_OFF_MEAN = 1 << 20;
    uint64 internal constant RATE_ABOVE_CAP = 1 << 21;
    uint64 internal constant RATE_BELOW_FLOOR = 1 << 22;
    uint64 internal constant JUMP = 1 << 23;
    uint64 internal constant LEAP = 1 << 24;
    uint64 internal constant BROKEN_PEG = 1 << 25;
    uint64 internal constant OUTLIER = 1 << 26;
    uint64 internal constant DROPPED = 1 << 32;
    uint64 internal constant HELD_USED = 1 << 33;
    uint64 internal constant SINGLE_SOURCE = 1 << 34;
    uint64 internal constant NO_QUORUM = 1 << 35;
    uint64 internal constant DISAGREEMENT = 1 << 36;
    uint64 internal constant REFERENCE_MISSING = 1 << 37;
    uint64 internal constant REFERENCE_APART = 1 << 38;
    uint64 internal constant OFF_PEG = 1 << 39;
    uint64 internal constant SEQUENCER_DOWN = 1 << 40;
    uint64 internal constant SEQUENCER_UNKNOWN = 1 << 41;
    uint64 internal constant SEQUENCER_GRACE = 1 << 42;
    uint64 internal constant RECOVERING = 1 << 43;
    uint64 internal constant OWN_BOUND = 1 << 44;
    uint64 internal constant NOT_CONFIGURED = 1 << 46;

    /// @notice A source with no others is held: it counts where sound ones are too few.
    uint64 internal constant HELD = PHASE_CHANGED | LATE | JUMP;
    /// @notice What our own bounds refuse, not the feed.
    uint64 internal constant OWN = OUT_OF_RANGE | RATE_ABOVE_CAP | RATE_BELOW_FLOOR;
    /// @notice A source that has one of these when it is configured would never give a price.
    uint64 internal constant MISCONFIGURED = 0xf | DECIMALS_CHANGED | RATE_ABOVE_CAP | RATE_BELOW_FLOOR;
    /// @notice Any of these makes a judgement Insane.
    uint64 internal constant INSANE =
        NO_QUORUM | DISAGREEMENT | SEQUENCER_DOWN | SEQUENCER_UNKNOWN | NOT_CONFIGURED;

    /// @notice The bit of a call's outcome other than read; see {Ask}.
    function ofOutcome(uint8 outcome) internal pure returns (uint64) {
        return outcome == 0 || outcome > 4 ? uint64(1 << 3) : uint64(1) << (outcome - 1);
    }

    /// @notice The bits that concern the asset.
    function ofAsset(uint64 reasons) internal pure returns (uint64) {
        return reasons & ~uint64(type(uint32).max);
    }
}
