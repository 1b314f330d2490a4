// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IMarginPool} from "../interfaces/IMarginPool.sol";
import {IOracleGuard} from "../interfaces/IOracleGuard.sol";

/// @notice Where a pool keeps what it knows (ERC-7201). Appended to, never rearranged: contracts/layout/MarginPool.txt is
/// checked against it.
abstract contract MarginStorage {
    /// @dev How much of a nonce is filled, and by which quote.
    struct Fill {
        bytes16 quote; // the first half of its digest
        uint128 size;
    }

    struct Expiry {
        IMarginPool.Settlement settlement;
        address[] accounts;
        mapping(uint256 round => uint128[30]) parts; // prices; 0: not observed
        mapping(address account => IMarginPool.Book) books;
        mapping(address account => IMarginPool.Auction) auctions;
    }

    /// @custom:storage-location erc7201:spillway.storage.MarginPool
    struct Layout {
        address underlying;
        uint8 underlyingDecimals;
        address collateral;
        uint8 collateralDecimals;
        IOracleGuard guard;
        uint48 pausedUntil;
        uint128 held;
        uint128 insurance;
        uint128 nakedCalls;
        uint64 volatility;
        uint40 volatilityAt;
        IMarginPool.Rules rules;
        mapping(address account => uint256) free;
        mapping(address account => IMarginPool.Stranded) stranded;
        mapping(address account => mapping(uint64 nonce => Fill)) fills;
        mapping(address account => uint64) nonceFloor;
        mapping(uint40 expiry => Expiry) expiries;
        mapping(address guardian => uint48) windowEnds;
    }

    // keccak256(abi.encode(uint256(keccak256("spillway.storage.MarginPool")) - 1)) & ~bytes32(uint256(0xff))
    bytes32 private constant STORAGE = 0x6b3fb7f5123457e5f43b6342ba426a7b01069afc358deb08b8356462dfe2b700;

    function _pool() internal pure returns (Layout storage $) {
        assembly {
            $.slot := STORAGE
        }
    }
}
