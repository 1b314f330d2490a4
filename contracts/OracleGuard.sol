// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {IOracleGuard} from "./interfaces/IOracleGuard.sol";
import {IVault} from "./interfaces/IVault.sol";
import {OracleJudge} from "./oracle/OracleJudge.sol";
import {OracleStore} from "./oracle/OracleStore.sol";
import {Reasons} from "./oracle/Reasons.sol";
import {Sources} from "./oracle/Sources.sol";
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
///
/// In two contracts because of the size limit of EIP-170: a call that is not found here runs in {OracleGuardExtension}, on
/// the same storage.
contract OracleGuard is IOracleGuard, OracleStore {
    using Math for uint256;

    /// @notice How long an insane price stops swaps; each {record} renews it, as far as the vault lets a guardian pause.
    uint32 public constant SWAP_PAUSE = 1 hours;

    IVault public immutable VAULT;

    /// @notice What governance and guardians set, and what they set it to.
    address public immutable EXTENSION;

    /// @notice The memory took a judgement in. `mid`, `lo`, `hi`: USD per whole token, times 1e18.
    event Recorded(
        address indexed asset, Verdict indexed verdict, uint64 reasons, uint256 mid, uint256 lo, uint256 hi
    );
    /// @notice An insane price stopped swaps; or did not, when the vault had stopped them long enough lately.
    event Tripped(address indexed asset, uint64 reasons, bool stopped);

    error NoCode(address extension);

    /// @param vault Whose swaps an insane price stops. @param extension An {OracleGuardExtension}.
    constructor(address authority_, IVault vault, address extension) AccessManaged(authority_) {
        if (extension.code.length == 0) revert NoCode(extension);
        (VAULT, EXTENSION) = (vault, extension);
    }

    fallback(bytes calldata data) external returns (bytes memory) {
        return Address.functionDelegateCall(EXTENSION, data);
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
        // Our own bound at fault comes with a source that is left out: were it not tolerated like that, making the source
        // fail altogether would bring a swap back.
        uint64 spare = Reasons.DROPPED | Reasons.OWN_BOUND;
        if (action == Action.Swap) return spare;
        if (action == Action.Margin) return 0;
        if (action == Action.Liquidation) return spare | Reasons.OFF_PEG;
        return type(uint64).max;
    }

    /// @dev USD per smallest unit, times 1e36.
    function _perUnit(Judgement memory j, uint8 decimals) private pure returns (uint256 lo, uint256 hi) {
        uint256 unit = 10 ** uint256(decimals);
        // Prices are below 2^128.
        return (j.lo * 1e18 / unit, (j.hi * 1e18).ceilDiv(unit));
    }

    function _judge(address asset) private view returns (Judgement memory j, uint8 decimals) {
        address at = _setups[asset];
        if (at == address(0)) {
            (j.verdict, j.reasons) = (uint8(Verdict.Insane), Reasons.NOT_CONFIGURED);
            return (j, 0);
        }
        Setup memory setup = _load(at);
        j = OracleJudge.judge(setup.config, _read(setup), _remembered(at, setup));
        decimals = setup.tokenDecimals;
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
    /// @dev Reverts with `NotConfigured`; `InsufficientGas` when a source could not have its gas.
    function record(address asset) external returns (Judgement memory j) {
        address at = _setupAt(asset);
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

    function _store(address at, AssetConfig memory c, Memory memory m) private {
        State storage state = _states[at];
        (state.last, state.lastAt, state.recovering) = (m.last, uint48(m.lastAt), m.recovering);
        (state.good, state.goodAt) = (m.good, uint48(m.goodAt));
        uint256 place = 0;
        for (uint256 s = 0; s < m.sources.length; ++s) {
            for (uint256 l = 0; l < m.sources[s].length; ++l) {
                if (!OracleJudge.isRemembered(c.sources[s].legs[l])) continue;
                LegMemory memory leg = m.sources[s][l];
                // A time that is kept is not beyond the block's by more than the skew.
                state.seen[place++] = (uint128(leg.round) << 48) | uint48(leg.updatedAt);
            }
        }
    }

    /// @notice What the sources of `asset` say now.
    function inputOf(address asset) external view returns (Input memory i) {
        address at = _setups[asset];
        if (at != address(0)) i = _read(_load(at));
    }
}
