// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";

import {OracleGuard} from "./OracleGuard.sol";
import {IOracleGuard} from "./interfaces/IOracleGuard.sol";
import {Assets} from "./libraries/Assets.sol";
import {Ask} from "./oracle/Ask.sol";
import {OracleConfig} from "./oracle/OracleConfig.sol";
import {OracleJudge} from "./oracle/OracleJudge.sol";
import {OracleStore} from "./oracle/OracleStore.sol";
import {Reasons} from "./oracle/Reasons.sol";
import {IChainlinkFeed, Sources} from "./oracle/Sources.sol";
import {AssetConfig, Judgement, LegTarget, Memory, Setup} from "./oracle/Types.sol";

/// @title OracleGuardExtension
/// @notice The second half of {OracleGuard}: what governance and guardians set.
contract OracleGuardExtension is OracleStore {
    event Configured(address indexed asset, Setup setup, uint128 anchor, uint16 anchorBps);
    event Tightened(address indexed asset, AssetConfig config, address by);
    event Distrusted(address indexed asset, address by);

    /// @notice A source that shall be configured says this already: what is set in `reasons` would never be a price.
    error BadSource(uint256 source, uint64 reasons);
    /// @notice `description()` is another.
    error BadDescription(uint256 source, uint256 leg, string description);
    /// @notice The sources together give no price, for these reasons.
    error NoPrice(uint64 reasons);
    /// @notice The sources agree on another price than the one stated: wrong decimals, wrong pair, a rate left out?
    error AnchorApart(uint256 mid, uint256 anchor);
    error TokenDecimals(address asset, uint256 decimals);

    constructor(address authority_) AccessManaged(authority_) {}

    /// @notice Governance: what `asset`'s price is read from, and how it is judged. Refused when it contradicts itself, when
    /// a source does not answer as it says, or when the sources do not agree on about `anchor`. Forgets what was
    /// remembered; the anchor is the price from which a jump is measured first.
    /// @dev Reverts with `BadConfig`; `TokenDecimals`; `BadSource`; `BadDescription`; `NoPrice`;
    /// `AnchorApart`.
    /// @param anchor The price now, known from elsewhere: USD per whole token, times 1e18.
    /// @param anchorBps How far from it the sources may be: 1 to 2000.
    function configure(address asset, Setup memory setup, uint128 anchor, uint16 anchorBps)
        external
        restricted
    {
        OracleConfig.check(setup, block.timestamp);
        OracleConfig.checkAnchor(anchor, anchorBps);
        _requireDecimals(asset, setup.tokenDecimals);
        address at = _keep(asset, setup);
        // The first half judges what is kept now.
        Judgement memory j = OracleGuard(address(this)).judge(asset);
        for (uint256 s = 0; s < j.sourceReasons.length; ++s) {
            uint64 bits = j.sourceReasons[s] & Reasons.MISCONFIGURED;
            if (bits != 0) revert BadSource(s, bits);
            _requireDescriptions(s, setup);
        }
        if (j.verdict == uint8(IOracleGuard.Verdict.Insane)) revert NoPrice(j.reasons);
        if (OracleJudge.apart(j.mid, anchor, anchorBps)) revert AnchorApart(j.mid, anchor);
        (_states[at].last, _states[at].lastAt) = (anchor, uint48(block.timestamp));
        emit Configured(asset, setup, anchor, anchorBps);
    }

    /// @notice Guardian: bounds of which none is looser than it was, over the same sources. What is remembered stays.
    /// @dev Reverts with `NotConfigured`; `Looser`; `BadConfig`.
    function tighten(address asset, AssetConfig memory config) external restricted {
        address old = _setupAt(asset);
        Setup memory setup = _load(old);
        OracleConfig.requireTighter(config, setup.config);
        setup.config = config;
        OracleConfig.check(setup, block.timestamp);
        _states[_keep(asset, setup)] = _states[old];
        emit Tightened(asset, config, msg.sender);
    }

    /// @notice Guardian: `asset` has no price until governance configures it again. No errors but for the
    /// role.
    function distrust(address asset) external restricted {
        delete _setups[asset];
        emit Distrusted(asset, msg.sender);
    }

    function _requireDecimals(address asset, uint256 decimals) private view {
        if (asset == Assets.NATIVE) {
            if (decimals != 18) revert TokenDecimals(asset, 18);
            return;
        }
        (uint8 outcome, uint256 said) =
            Ask.word(asset, abi.encodeCall(IERC20Metadata.decimals, ()), Sources.CALL_GAS);
        if (outcome != Ask.READ || said != decimals) revert TokenDecimals(asset, said);
    }

    function _requireDescriptions(uint256 s, Setup memory setup) private view {
        for (uint256 l = 0; l < setup.targets[s].length; ++l) {
            LegTarget memory t = setup.targets[s][l];
            if (t.description == 0) continue;
            string memory said = IChainlinkFeed(t.target).description();
            if (keccak256(bytes(said)) != t.description) revert BadDescription(s, l, said);
        }
    }

    /// @dev The code of a contract that does nothing.
    function _keep(address asset, Setup memory setup) private returns (address at) {
        at = Clones.cloneWithImmutableArgs(address(0), abi.encode(setup));
        _setups[asset] = at;
    }

    /// @notice What governance or a guardian last set. Empty when `asset` has no price.
    function setupOf(address asset) external view returns (Setup memory setup) {
        address at = _setups[asset];
        if (at != address(0)) setup = _load(at);
    }

    /// @notice What is remembered of `asset`.
    function memoryOf(address asset) external view returns (Memory memory m) {
        address at = _setups[asset];
        if (at != address(0)) m = _remembered(at, _load(at));
    }
}
