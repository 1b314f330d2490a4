// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";

import {OracleJudge} from "./OracleJudge.sol";
import {LegMemory, Memory, Setup} from "./Types.sol";

/// @notice What the two halves of the oracle guard keep.
abstract contract OracleStore is AccessManaged {
    /// @dev {Memory} in one slot, and its legs' in half a slot each.
    struct State {
        uint128 last;
        uint48 lastAt;
        uint48 goodAt;
        uint8 good;
        bool recovering;
        uint128[15] seen; // of Chainlink and Pyth: roundId, then 48 bits of updatedAt
    }

    /// @dev Each setup is code: a judgement needs nearly all of it, which costs one account instead of some thirty slots.
    mapping(address asset => address) internal _setups;
    mapping(address setup => State) internal _states;

    error NotConfigured(address asset);

    function _setupAt(address asset) internal view returns (address at) {
        at = _setups[asset];
        if (at == address(0)) revert NotConfigured(asset);
    }

    function _load(address at) internal view returns (Setup memory) {
        return abi.decode(Clones.fetchCloneArgs(at), (Setup));
    }

    /// @dev In the shape of `setup`.
    function _remembered(address at, Setup memory setup) internal view returns (Memory memory m) {
        State storage state = _states[at];
        (m.last, m.lastAt, m.recovering) = (state.last, state.lastAt, state.recovering);
        (m.good, m.goodAt) = (state.good, state.goodAt);
        m.sources = new LegMemory[][](setup.targets.length);
        uint256 place = 0;
        for (uint256 s = 0; s < m.sources.length; ++s) {
            m.sources[s] = new LegMemory[](setup.targets[s].length);
            for (uint256 l = 0; l < m.sources[s].length; ++l) {
                if (!OracleJudge.isRemembered(setup.config.sources[s].legs[l])) continue;
                uint256 seen = state.seen[place++];
                m.sources[s][l] = LegMemory(uint80(seen >> 48), uint48(seen));
            }
        }
    }
}
