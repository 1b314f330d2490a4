// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {IOracleGuard} from "./interfaces/IOracleGuard.sol";
import {IVault} from "./interfaces/IVault.sol";
import {Assets} from "./libraries/Assets.sol";
import {Ask} from "./oracle/Ask.sol";
import {OracleConfig} from "./oracle/OracleConfig.sol";
import {OracleJudge} from "./oracle/OracleJudge.sol";
import {Reasons} from "./oracle/Reasons.sol";
import {IChainlinkFeed, Sources} from "./oracle/Sources.sol";
import {
    AssetConfig,
    Input,
    Judgement,
    LegInput,
    LegMemory,
    LegTarget,
    Memory,
    Setup
} from "./oracle/Types.sol";

/// @title OracleGuard
/// @notice Reads the sources of an asset's price, judges them by docs/oracle.md, and remembers what it must. Governance
/// says which sources and which bounds; guardians make bounds tighter or take an asset's price away. What is insane
/// stops the vault's swaps, never its payments.
contract OracleGuard is IOracleGuard, AccessManaged {
    using Math for uint256;

    /// @dev {Memory} in one slot, and its legs' in half a slot each.
    struct State {
        uint128 last;
        uint48 lastAt;
        uint48 goodAt;
        uint8 good;
        bool recovering;
        uint128[15] seen; // of Chainlink and Pyth: roundId, then 48 bits of updatedAt
    }

    /// @notice How long an insane price stops swaps; each {record} renews it, as far as the vault lets a guardian pause.
    uint32 public constant SWAP_PAUSE = 1 hours;

    IVault public immutable VAULT;

    /// @dev Each setup is code: a judgement needs nearly all of it, which costs one account instead of some thirty slots.
    mapping(address asset => address) private _setups;
    mapping(address setup => State) private _states;

    event Configured(address indexed asset, Setup setup, uint128 anchor, uint16 anchorBps);
    event Tightened(address indexed asset, AssetConfig config, address by);
    event Distrusted(address indexed asset, address by);
    /// @notice The memory took a judgement in. `mid`, `lo`, `hi`: USD per whole token, times 1e18.
    event Recorded(
        address indexed asset, Verdict indexed verdict, uint64 reasons, uint256 mid, uint256 lo, uint256 hi
    );
    /// @notice An insane price stopped swaps; or did not, when the vault had stopped them long enough lately.
    event Tripped(address indexed asset, uint64 reasons, bool stopped);

    error NotConfigured(address asset);
    /// @notice A source that shall be configured says this already: what is set in `reasons` would never be a price.
    error BadSource(uint256 source, uint64 reasons);
    /// @notice `description()` is another.
    error BadDescription(uint256 source, uint256 leg, string description);
    /// @notice The sources together give no price, for these reasons.
    error NoPrice(uint64 reasons);
    /// @notice The sources agree on another price than the one stated: wrong decimals, wrong pair, a rate left out?
    error AnchorApart(uint256 mid, uint256 anchor);
    error TokenDecimals(address asset, uint256 decimals);

    /// @param vault Whose swaps an insane price stops.
    constructor(address authority_, IVault vault) AccessManaged(authority_) {
        VAULT = vault;
    }

    // -------------------------------------------------------------------------------------------------- prices

    /// @inheritdoc IOracleGuard
    function peek(address asset)
        external
        view
        returns (Verdict verdict, uint256 hi, uint256 lo, uint64 reasons)
    {
        (Judgement memory j, uint8 decimals) = _judge(asset);
        (lo, hi) = _perUnit(j, decimals);
        return (Verdict(j.verdict), hi, lo, j.reasons);
    }

    /// @inheritdoc IOracleGuard
    function read(address asset, Action action) external view returns (uint256 lo, uint256 hi) {
        (Judgement memory j, uint8 decimals) = _judge(asset);
        if (Reasons.ofAsset(j.reasons) & ~_tolerated(action) != 0) {
            revert Refused(asset, action, Verdict(j.verdict), j.reasons);
        }
        return _perUnit(j, decimals);
    }

    /// @notice What {peek} says, with the reasons of each source. USD per whole token, times 1e18.
    function judge(address asset) external view returns (Judgement memory j) {
        (j,) = _judge(asset);
    }

    function _tolerated(Action action) private pure returns (uint64) {
        if (action == Action.Swap) return Reasons.DROPPED;
        if (action == Action.Margin) return 0;
        if (action == Action.Liquidation) return Reasons.DROPPED | Reasons.OFF_PEG;
        return type(uint64).max;
    }

    /// @dev USD per smallest unit, times 1e36.
    function _perUnit(Judgement memory j, uint8 decimals) private pure returns (uint256 lo, uint256 hi) {
        uint256 unit = 10 ** uint256(decimals);
        // Prices are below 2^128.
        return (j.lo * 1e18 / unit, (j.hi * 1e18).ceilDiv(unit));
    }

    function _judge(address asset) private view returns (Judgement memory, uint8) {
        address at = _setups[asset];
        Setup memory setup;
        Memory memory m;
        if (at != address(0)) {
            setup = _load(at);
            m = _remembered(at, setup);
        }
        return (OracleJudge.judge(setup.config, _read(setup), m), setup.tokenDecimals);
    }

    function _read(Setup memory setup) private view returns (Input memory i) {
        i.now = uint64(block.timestamp);
        if (setup.config.hasSequencer) {
            (i.sequencerOutcome, i.sequencerAnswer, i.sequencerStartedAt) = Sources.sequencer(setup.sequencer);
        }
        i.sources = new LegInput[][](setup.targets.length);
        for (uint256 s = 0; s < setup.targets.length; ++s) {
            LegTarget[] memory targets = setup.targets[s];
            i.sources[s] = new LegInput[](targets.length);
            for (uint256 l = 0; l < targets.length; ++l) {
                i.sources[s][l] = Sources.read(setup.config.sources[s].legs[l], targets[l]);
            }
        }
    }

    // -------------------------------------------------------------------------------------------------- memory

    /// @notice Judges, and remembers: an insane price is believed again only after several good observations. Anyone. An
    /// insane price also stops the vault's swaps for {SWAP_PAUSE}.
    function record(address asset) external returns (Judgement memory j) {
        address at = _setups[asset];
        if (at == address(0)) revert NotConfigured(asset);
        Setup memory setup = _load(at);
        Memory memory m = _remembered(at, setup);
        Input memory i = _read(setup);
        j = OracleJudge.judge(setup.config, i, m);
        _store(at, setup.config, OracleJudge.remember(setup.config, i, m, j));
        emit Recorded(asset, Verdict(j.verdict), j.reasons, j.mid, j.lo, j.hi);
        // What a swap there and back brings about counts for nothing here either.
        if (j.verdict != uint8(Verdict.Insane) || j.reasons & Reasons.SPOT_OFF_MEAN != 0) return j;
        bool stopped = true;
        try VAULT.pauseSwaps(SWAP_PAUSE) {}
        catch {
            stopped = false;
        }
        emit Tripped(asset, j.reasons, stopped);
    }

    /// @dev In the shape of `setup`.
    function _remembered(address at, Setup memory setup) private view returns (Memory memory m) {
        State storage state = _states[at];
        (m.last, m.lastAt, m.recovering) = (state.last, state.lastAt, state.recovering);
        (m.good, m.goodAt) = (state.good, state.goodAt);
        m.sources = new LegMemory[][](setup.targets.length);
        uint256 at_;
        for (uint256 s = 0; s < m.sources.length; ++s) {
            m.sources[s] = new LegMemory[](setup.targets[s].length);
            for (uint256 l = 0; l < m.sources[s].length; ++l) {
                if (!OracleJudge.isRemembered(setup.config.sources[s].legs[l])) continue;
                uint256 seen = state.seen[at_++];
                m.sources[s][l] = LegMemory(uint80(seen >> 48), uint48(seen));
            }
        }
    }

    function _store(address at, AssetConfig memory c, Memory memory m) private {
        State storage state = _states[at];
        (state.last, state.lastAt, state.recovering) = (m.last, uint48(m.lastAt), m.recovering);
        (state.good, state.goodAt) = (m.good, uint48(m.goodAt));
        uint256 at_;
        for (uint256 s = 0; s < m.sources.length; ++s) {
            for (uint256 l = 0; l < m.sources[s].length; ++l) {
                if (!OracleJudge.isRemembered(c.sources[s].legs[l])) continue;
                LegMemory memory leg = m.sources[s][l];
                // A time that is kept is not beyond the block's by more than the skew.
                state.seen[at_++] = (uint128(leg.round) << 48) | uint48(leg.updatedAt);
            }
        }
    }

    // -------------------------------------------------------------------------------- governance and guardians

    /// @notice Governance: what `asset`'s price is read from, and how it is judged. Refused when it contradicts itself, when
    /// a source does not answer as it says, or when the sources do not agree on about `anchor`. Forgets what was
    /// remembered; the anchor is the price from which a jump is measured first.
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
        Judgement memory j = OracleJudge.judge(setup.config, _read(setup), _remembered(at, setup));
        for (uint256 s = 0; s < j.sourceReasons.length; ++s) {
            uint64 bits = j.sourceReasons[s] & Reasons.MISCONFIGURED;
            if (bits != 0) revert BadSource(s, bits);
            _requireDescriptions(s, setup);
        }
        if (j.verdict == uint8(Verdict.Insane)) revert NoPrice(j.reasons);
        if (OracleJudge.apart(j.mid, anchor, anchorBps)) revert AnchorApart(j.mid, anchor);
        (_states[at].last, _states[at].lastAt) = (anchor, uint48(block.timestamp));
        emit Configured(asset, setup, anchor, anchorBps);
    }

    /// @notice Guardian: bounds of which none is looser than it was, over the same sources. What is remembered stays.
    function tighten(address asset, AssetConfig memory config) external restricted {
        address old = _setups[asset];
        if (old == address(0)) revert NotConfigured(asset);
        Setup memory setup = _load(old);
        OracleConfig.requireTighter(config, setup.config);
        setup.config = config;
        OracleConfig.check(setup, block.timestamp);
        _states[_keep(asset, setup)] = _states[old];
        emit Tightened(asset, config, msg.sender);
    }

    /// @notice Guardian: `asset` has no price until governance configures it again.
    function distrust(address asset) external restricted {
        delete _setups[asset];
        emit Distrusted(asset, msg.sender);
    }

    /// @dev The code of a contract that does nothing.
    function _keep(address asset, Setup memory setup) private returns (address at) {
        at = Clones.cloneWithImmutableArgs(address(0), abi.encode(setup));
        _setups[asset] = at;
    }

    function _load(address at) private view returns (Setup memory) {
        return abi.decode(Clones.fetchCloneArgs(at), (Setup));
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

    // ------------------------------------------------------------------------------------------------- views

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

    /// @notice What the sources of `asset` say now.
    function inputOf(address asset) external view returns (Input memory i) {
        address at = _setups[asset];
        if (at != address(0)) i = _read(_load(at));
    }
}
