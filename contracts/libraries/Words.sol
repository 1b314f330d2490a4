// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @notice The vault's packed slots, read once and taken apart by hand: the compiler would read a slot for each of its
/// fields. The offsets are those of contracts/layout/Vault.txt, times eight; tests compare each with what the compiler
/// reads.
library Words {
    /// @notice `$.gates`.
    type Gates is uint256;
    /// @notice `asset.hot`.
    type Hot is uint256;
    /// @notice `asset.limits`.
    type Limits is uint256;

    // ---------------------------------------------------------------------------------- ends of pauses, USD bucket

    function everything(Gates w) internal pure returns (uint256) {
        return uint32(Gates.unwrap(w));
    }

    function orders(Gates w) internal pure returns (uint256) {
        return uint32(Gates.unwrap(w) >> 64);
    }

    function usdFullAt(Gates w) internal pure returns (uint256) {
        return uint48(Gates.unwrap(w) >> 160);
    }

    function usdCapacity(Gates w) internal pure returns (uint256) {
        return uint32(Gates.unwrap(w) >> 208);
    }

    /// @return Seconds.
    function usdWindow(Gates w) internal pure returns (uint256) {
        unchecked {
            return (Gates.unwrap(w) >> 240) * 60;
        }
    }

    function withUsdFullAt(Gates w, uint256 at) internal pure returns (Gates) {
        return Gates.wrap((Gates.unwrap(w) & ~(uint256(type(uint48).max) << 160)) | (at << 160));
    }

    // ------------------------------------------------------------------------------------- what payments change

    function liabilities(Hot w) internal pure returns (uint256) {
        return uint128(Hot.unwrap(w));
    }

    function fullAt(Hot w) internal pure returns (uint256) {
        return uint48(Hot.unwrap(w) >> 128);
    }

    function instantFullAt(Hot w) internal pure returns (uint256) {
        return uint48(Hot.unwrap(w) >> 176);
    }

    function pausedUntil(Hot w) internal pure returns (uint256) {
        return Hot.unwrap(w) >> 224;
    }

    function withFullAt(Hot w, uint256 at) internal pure returns (Hot) {
        return Hot.wrap((Hot.unwrap(w) & ~(uint256(type(uint48).max) << 128)) | (at << 128));
    }

    function withInstantFullAt(Hot w, uint256 at) internal pure returns (Hot) {
        return Hot.wrap((Hot.unwrap(w) & ~(uint256(type(uint48).max) << 176)) | (at << 176));
    }

    // -------------------------------------------------------------------------------------- what a batch must know

    function listed(Limits w) internal pure returns (bool) {
        return uint8(Limits.unwrap(w)) != 0;
    }

    function payoutGas(Limits w) internal pure returns (uint256) {
        return uint24(Limits.unwrap(w) >> 8);
    }

    /// @return Of the limits' amounts, in units.
    function quantum(Limits w) internal pure returns (uint256) {
        unchecked {
            return 10 ** uint256(uint8(Limits.unwrap(w) >> 32));
        }
    }

    /// @return Seconds.
    function window(Limits w) internal pure returns (uint256) {
        unchecked {
            return uint256(uint16(Limits.unwrap(w) >> 40)) * 60;
        }
    }

    /// @return In units.
    function capacity(Limits w) internal pure returns (uint256) {
        unchecked {
            return uint40(Limits.unwrap(w) >> 56) * quantum(w);
        }
    }

    /// @return In units.
    function instantPerPayout(Limits w) internal pure returns (uint256) {
        unchecked {
            return uint40(Limits.unwrap(w) >> 96) * quantum(w);
        }
    }

    /// @return In units.
    function instantPerDay(Limits w) internal pure returns (uint256) {
        unchecked {
            return uint40(Limits.unwrap(w) >> 136) * quantum(w);
        }
    }

    /// @return Percent.
    function unpricedShare(Limits w) internal pure returns (uint256) {
        return uint8(Limits.unwrap(w) >> 176);
    }

    function price(Limits w) internal pure returns (uint256) {
        return uint32(Limits.unwrap(w) >> 184);
    }

    function priceDecimals(Limits w) internal pure returns (uint256) {
        return uint8(Limits.unwrap(w) >> 216);
    }

    function priceUntil(Limits w) internal pure returns (uint256) {
        return Limits.unwrap(w) >> 224;
    }
}
