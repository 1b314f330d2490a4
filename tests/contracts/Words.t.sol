// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Test} from "forge-std/Test.sol";

import {Words} from "contracts/libraries/Words.sol";
import {VaultStorage} from "contracts/vault/VaultStorage.sol";

/// @notice The packed slots taken apart by hand say what the compiler says.
contract WordsTest is Test, VaultStorage {
    using Words for Words.Gates;
    using Words for Words.Hot;
    using Words for Words.Limits;

    Asset private asset;

    function testFuzz_gates(Gates memory g, uint48 fullAt) public {
        _vault().gates = g;
        (Words.Gates w,,) = _slots(asset);
        assertEq(w.everything(), g.everything);
        assertEq(w.orders(), g.orders);
        assertEq(w.usdFullAt(), g.usdFullAt);
        assertEq(w.usdCapacity(), g.usdCapacity);
        assertEq(w.usdWindow(), uint256(g.usdWindow) * 1 minutes);
        _storeGates(w.withUsdFullAt(fullAt));
        g.usdFullAt = fullAt;
        assertEq(abi.encode(_vault().gates), abi.encode(g), "nothing else");
    }

    function testFuzz_hot(Hot memory h, uint48 fullAt, uint48 instantFullAt) public {
        asset.hot = h;
        (, Words.Hot w,) = _slots(asset);
        assertEq(w.liabilities(), h.liabilities);
        assertEq(w.fullAt(), h.fullAt);
        assertEq(w.instantFullAt(), h.instantFullAt);
        assertEq(w.pausedUntil(), h.pausedUntil);
        _storeHot(asset, w.withFullAt(fullAt));
        h.fullAt = fullAt;
        assertEq(abi.encode(asset.hot), abi.encode(h), "nothing else");
        (, w,) = _slots(asset);
        _storeHot(asset, w.withInstantFullAt(instantFullAt));
        h.instantFullAt = instantFullAt;
        assertEq(abi.encode(asset.hot), abi.encode(h), "nothing else");
    }

    function testFuzz_limits(Limits memory l) public {
        l.exponent = uint8(bound(l.exponent, 0, 38));
        asset.limits = l;
        (,, Words.Limits w) = _slots(asset);
        assertEq(w.listed(), l.listed);
        assertEq(w.payoutGas(), l.payoutGas);
        uint256 unit = 10 ** uint256(l.exponent);
        assertEq(w.quantum(), unit);
        assertEq(w.window(), uint256(l.window) * 1 minutes);
        assertEq(w.capacity(), l.capacity * unit);
        assertEq(w.instantPerPayout(), l.instantPerPayout * unit);
        assertEq(w.instantPerDay(), l.instantPerDay * unit);
        assertEq(w.unpricedShare(), l.unpricedShare);
        assertEq(w.price(), l.price);
        assertEq(w.priceDecimals(), l.priceDecimals);
        assertEq(w.priceUntil(), l.priceUntil);
    }
}
