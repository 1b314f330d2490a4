// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Words} from "../libraries/Words.sol";

/// @notice Where the vault keeps what it knows (ERC-7201). Appended to, never rearranged: contracts/layout/Vault.txt is
/// checked against it.
///
/// A batch of orders pays for each slot that it touches, so what it needs shares slots: it writes a lane, the asset's
/// {Hot} and the vault's {Gates}, and reads the asset's {Limits}.
abstract contract VaultStorage {
    /// @dev The keeper computes this slot to simulate a batch that follows one in flight.
    struct Lane {
        bool enabled;
        uint56 next;
        bytes24 head; // zero: never enabled
    }

    /// @dev Ends of pauses, in unix seconds, and the bucket in USD over all assets.
    struct Gates {
        uint32 everything;
        uint32 deposits;
        uint32 orders;
        uint32 requests;
        uint32 swaps;
        uint48 usdFullAt; // ticks, see Bucket
        uint32 usdCapacity; // whole USD
        uint16 usdWindow; // minutes
    }

    /// @dev What changes with payments.
    struct Hot {
        uint128 liabilities; // units
        uint48 fullAt; // of the asset's bucket, ticks
        uint48 instantFullAt; // of the bucket of the instant tier, ticks
        uint32 pausedUntil; // unix seconds
    }

    /// @dev What a batch must know. Amounts are multiples of 10^exponent units.
    struct Limits {
        bool listed;
        uint24 payoutGas;
        uint8 exponent;
        uint16 window; // minutes
        uint40 capacity;
        uint40 instantPerPayout;
        uint40 instantPerDay;
        uint8 unpricedShare; // percent of the capacity that counts without a sane price
        uint32 price; // USD per unit, times 10^priceDecimals, rounded up
        uint8 priceDecimals;
        uint32 priceUntil; // unix seconds
    }

    struct Asset {
        Hot hot;
        Limits limits;
        uint128 minRequest; // units
        uint128 approvedPerPayout; // units
        uint128 minFloat; // units
        uint128 highWater; // units
        uint256 coldBalance; // units
    }

    /// @dev What bounds swaps of an asset.
    struct Swapping {
        uint128 capacity; // units
        uint48 fullAt; // of the bucket of what is sold, ticks
        uint32 window; // seconds
        uint16 slippageBps; // 0: not swapped
    }

    struct Announcement {
        uint48 announcedAt;
        uint48 payableFrom;
        bool vetoed;
    }

    /// @custom:storage-location erc7201:spillway.storage.Vault
    struct Layout {
        mapping(address lane => Lane) lanes;
        mapping(address asset => Asset) assets;
        mapping(address asset => mapping(address account => uint256)) balances;
        mapping(address asset => mapping(address recipient => uint256)) claims;
        mapping(uint64 id => bytes32) commitments;
        mapping(address guardian => uint48) windowEnds;
        Gates gates;
        uint64 lastRequestId;
        uint32 exitDelay;
        uint32 maxPause;
        uint32 pauseCooldown;
        uint32 announceDelay;
        uint32 priceLife;
        uint8 hardMultiple;
        address oracleGuard;
        address approvers;
        address cold;
        mapping(address lane => uint48) enabledSince;
        mapping(bytes32 id => Announcement) announcements;
        address[] listed; // every asset that ever was
        address splitter;
        mapping(address asset => Swapping) swapping;
    }

    // keccak256(abi.encode(uint256(keccak256("spillway.storage.Vault")) - 1)) & ~bytes32(uint256(0xff))
    bytes32 internal constant STORAGE = 0x95e2cca9ad2449ce3d9a8dcf9e6c5c2f28dd677809853e6aef4668ad09818800;

    function _vault() internal pure returns (Layout storage $) {
        assembly {
            $.slot := STORAGE
        }
    }

    /// @dev The slots that bound an outflow of an asset, whole, for {Words}.
    function _slots(Asset storage a)
        internal
        view
        returns (Words.Gates gates, Words.Hot hot, Words.Limits limits)
    {
        Gates storage g = _vault().gates;
        assembly {
            gates := sload(g.slot)
            hot := sload(a.slot)
            limits := sload(add(a.slot, 1))
        }
    }

    function _storeGates(Words.Gates w) internal {
        Gates storage gates = _vault().gates;
        assembly {
            sstore(gates.slot, w)
        }
    }

    function _storeHot(Asset storage a, Words.Hot w) internal {
        assembly {
            sstore(a.slot, w)
        }
    }
}
