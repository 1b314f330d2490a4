// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {OracleConfig} from "contracts/oracle/OracleConfig.sol";
import {OracleJudge} from "contracts/oracle/OracleJudge.sol";
import {AssetConfig, Input, Judgement, LegTarget, Memory, Setup} from "contracts/oracle/Types.sol";

/// @notice The judge alone, as vectors and the differential fuzz ask it, and what it refuses to judge by.
contract JudgeHarness {
    /// @param data `abi.encode(AssetConfig, Input, Memory)`.
    /// @return `abi.encode(Judgement, Memory)`: the judgement, and the memory after it was recorded.
    function run(bytes calldata data) external pure returns (bytes memory) {
        (AssetConfig memory c, Input memory i, Memory memory m) =
            abi.decode(data, (AssetConfig, Input, Memory));
        Judgement memory j = OracleJudge.judge(c, i, m);
        return abi.encode(j, OracleJudge.remember(c, i, m, j));
    }

    /// @notice Reverts with what contradicts itself. @param data `abi.encode(AssetConfig, LegTarget[][], uint64)`: the last
    /// is the time.
    function check(bytes calldata data) external pure returns (bytes memory) {
        Setup memory s;
        uint64 time;
        (s.config, s.targets, time) = abi.decode(data, (AssetConfig, LegTarget[][], uint64));
        s.sequencer = s.config.hasSequencer ? address(1) : address(0);
        OracleConfig.check(s, time);
        return "";
    }
}
