// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {OracleJudge} from "contracts/oracle/OracleJudge.sol";
import {AssetConfig, Input, Judgement, Memory} from "contracts/oracle/Types.sol";

/// @notice The judge alone, as vectors and the differential fuzz ask it.
contract JudgeHarness {
    /// @param data `abi.encode(AssetConfig, Input, Memory)`.
    /// @return `abi.encode(Judgement, Memory)`: the judgement, and the memory after it was recorded.
    function run(bytes calldata data) external pure returns (bytes memory) {
        (AssetConfig memory c, Input memory i, Memory memory m) =
            abi.decode(data, (AssetConfig, Input, Memory));
        Judgement memory j = OracleJudge.judge(c, i, m);
        return abi.encode(j, OracleJudge.remember(c, i, m, j));
    }
}
