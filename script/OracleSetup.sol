// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {stdJson} from "forge-std/StdJson.sol";
import {Vm} from "forge-std/Vm.sol";

import {AssetConfig, Kind, LegConfig, LegTarget, Setup, SourceConfig} from "contracts/oracle/Types.sol";

/// @notice Reads how an asset is priced from JSON: the keys of docs/oracle.md, what is left out is 0. Amounts and prices are
/// decimal strings. A leg names its `kind` by a word, and where it is read:
///
///     chainlink  `target`, and `description` as the feed must say it
///     pyth       `target` (Pyth's contract), `id`
///     v3         `target` (the pool)
///     rate       `target`, `call` ("stEthPerToken()"), `argument` if it takes one
library OracleSetup {
    using stdJson for string;

    Vm private constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    string private constant ASSET_KEYS =
        " anchor anchorBps quorum toleranceBps skew jumpBps volBps leapMultiple peg softBelowBps softAboveBps hardBelowBps hardAboveBps sequencer sequencerGrace recoverCount recoverSpacing sources ";
    string private constant SOURCE_KEYS = " role toleranceBps legs ";
    string private constant LEG_KEYS =
        " kind target description id call argument decimals heartbeat widthBps confBps confMultiple carried floor ceiling clampMin clampMax clampBps window minLiquidity maxTicks baseDecimals quoteDecimals baseIsToken1 rate rateAt growthBps slashBps ";

    error BadKey(string key, string problem);

    /// @notice How an asset is priced, and what it costs now.
    struct Priced {
        address asset;
        Setup setup;
        uint128 anchor; // USD per whole token, times 1e18, from elsewhere
        uint16 anchorBps;
    }

    /// @param at The JSON path of the object.
    function read(string memory json, string memory at, address asset, uint8 tokenDecimals)
        internal
        view
        returns (Priced memory p)
    {
        _requireKnown(json, at, ASSET_KEYS);
        p.asset = asset;
        (p.anchor, p.anchorBps) =
        (
            uint128(_number(json, at, "anchor", type(uint128).max)),
            uint16(_number(json, at, "anchorBps", type(uint16).max))
        );
        p.setup.tokenDecimals = tokenDecimals;
        p.setup.sequencer = json.readAddressOr(string.concat(at, ".sequencer"), address(0));
        AssetConfig memory c = p.setup.config;
        (c.quorum, c.toleranceBps) =
        (
            uint8(_number(json, at, "quorum", type(uint8).max)),
            uint16(_number(json, at, "toleranceBps", type(uint16).max))
        );
        (c.skew, c.jumpBps) =
        (
            uint16(_number(json, at, "skew", type(uint16).max)),
            uint16(_number(json, at, "jumpBps", type(uint16).max))
        );
        (c.volBps, c.leapMultiple) =
        (
            uint16(_number(json, at, "volBps", type(uint16).max)),
            uint8(_number(json, at, "leapMultiple", type(uint8).max))
        );
        c.peg = uint128(_number(json, at, "peg", type(uint128).max));
        c.softBelowBps = uint16(_number(json, at, "softBelowBps", type(uint16).max));
        c.softAboveBps = uint16(_number(json, at, "softAboveBps", type(uint16).max));
        c.hardBelowBps = uint16(_number(json, at, "hardBelowBps", type(uint16).max));
        c.hardAboveBps = uint16(_number(json, at, "hardAboveBps", type(uint16).max));
        c.hasSequencer = p.setup.sequencer != address(0);
        c.sequencerGrace = uint32(_number(json, at, "sequencerGrace", type(uint32).max));
        c.recoverCount = uint8(_number(json, at, "recoverCount", type(uint8).max));
        c.recoverSpacing = uint16(_number(json, at, "recoverSpacing", type(uint16).max));
        uint256 count = _count(json, string.concat(at, ".sources"));
        (c.sources, p.setup.targets) = (new SourceConfig[](count), new LegTarget[][](count));
        for (uint256 s = 0; s < count; ++s) {
            string memory source = _item(string.concat(at, ".sources"), s);
            _requireKnown(json, source, SOURCE_KEYS);
            c.sources[s].role = uint8(_number(json, source, "role", type(uint8).max));
            c.sources[s].toleranceBps = uint16(_number(json, source, "toleranceBps", type(uint16).max));
            uint256 legs = _count(json, string.concat(source, ".legs"));
            (c.sources[s].legs, p.setup.targets[s]) = (new LegConfig[](legs), new LegTarget[](legs));
            for (uint256 l = 0; l < legs; ++l) {
                string memory leg = _item(string.concat(source, ".legs"), l);
                c.sources[s].legs[l] = _leg(json, leg);
                p.setup.targets[s][l] = _target(json, leg);
            }
        }
    }

    function _leg(string memory json, string memory at) private view returns (LegConfig memory c) {
        _requireKnown(json, at, LEG_KEYS);
        c.kind = _kind(json, at);
        (c.decimals, c.heartbeat) =
        (
            uint8(_number(json, at, "decimals", type(uint8).max)),
            uint32(_number(json, at, "heartbeat", type(uint32).max))
        );
        (c.widthBps, c.confBps) =
        (
            uint16(_number(json, at, "widthBps", type(uint16).max)),
            uint16(_number(json, at, "confBps", type(uint16).max))
        );
        c.confMultiple = uint8(_number(json, at, "confMultiple", type(uint8).max));
        c.carried = json.readBoolOr(string.concat(at, ".carried"), false);
        (c.floor, c.ceiling) =
        (
            uint128(_number(json, at, "floor", type(uint128).max)),
            uint128(_number(json, at, "ceiling", type(uint128).max))
        );
        c.clampMin = uint192(_number(json, at, "clampMin", type(uint192).max));
        c.clampMax = uint192(_number(json, at, "clampMax", type(uint192).max));
        c.clampBps = uint16(_number(json, at, "clampBps", type(uint16).max));
        c.window = uint32(_number(json, at, "window", type(uint32).max));
        c.minLiquidity = uint128(_number(json, at, "minLiquidity", type(uint128).max));
        c.maxTicks = uint16(_number(json, at, "maxTicks", type(uint16).max));
        c.baseDecimals = uint8(_number(json, at, "baseDecimals", type(uint8).max));
        c.quoteDecimals = uint8(_number(json, at, "quoteDecimals", type(uint8).max));
        c.baseIsToken1 = json.readBoolOr(string.concat(at, ".baseIsToken1"), false);
        (c.rate, c.rateAt) =
        (
            uint128(_number(json, at, "rate", type(uint128).max)),
            uint64(_number(json, at, "rateAt", type(uint64).max))
        );
        (c.growthBps, c.slashBps) =
        (
            uint32(_number(json, at, "growthBps", type(uint32).max)),
            uint16(_number(json, at, "slashBps", type(uint16).max))
        );
    }

    function _target(string memory json, string memory at) private view returns (LegTarget memory t) {
        t.target = json.readAddress(string.concat(at, ".target"));
        string memory description = json.readStringOr(string.concat(at, ".description"), "");
        if (bytes(description).length != 0) t.description = keccak256(bytes(description));
        uint8 kind = _kind(json, at);
        if (kind == Kind.PYTH) t.argument = json.readBytes32(string.concat(at, ".id"));
        if (kind != Kind.RATE) return t;
        t.selector = bytes4(keccak256(bytes(json.readString(string.concat(at, ".call")))));
        t.argument = bytes32(_number(json, at, "argument", type(uint256).max));
    }

    function _kind(string memory json, string memory at) private pure returns (uint8) {
        string memory key = string.concat(at, ".kind");
        string memory word = json.readString(key);
        bytes32 hash = keccak256(bytes(word));
        if (hash == keccak256("chainlink")) return Kind.CHAINLINK;
        if (hash == keccak256("pyth")) return Kind.PYTH;
        if (hash == keccak256("v3")) return Kind.UNISWAP_V3_TWAP;
        if (hash == keccak256("rate")) return Kind.RATE;
        revert BadKey(key, string.concat(word, " is none of chainlink, pyth, v3, rate"));
    }

    function _number(string memory json, string memory at, string memory key, uint256 most)
        private
        view
        returns (uint256 value)
    {
        key = string.concat(at, ".", key);
        value = json.readUintOr(key, 0);
        if (value > most) revert BadKey(key, string.concat("is above ", vm.toString(most)));
    }

    /// @dev A misspelt key would silently be 0.
    function _requireKnown(string memory json, string memory at, string memory known) private pure {
        string[] memory keys = vm.parseJsonKeys(json, at);
        for (uint256 i = 0; i < keys.length; ++i) {
            if (vm.indexOf(known, string.concat(" ", keys[i], " ")) != type(uint256).max) continue;
            revert BadKey(string.concat(at, ".", keys[i]), string.concat("is none of", known));
        }
    }

    function _item(string memory at, uint256 i) private pure returns (string memory) {
        return string.concat(at, "[", vm.toString(i), "]");
    }

    function _count(string memory json, string memory at) private view returns (uint256 count) {
        while (json.keyExists(_item(at, count))) ++count;
    }
}
