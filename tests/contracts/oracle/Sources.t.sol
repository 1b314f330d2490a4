// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {MockPyth} from "@pythnetwork/pyth-sdk-solidity/MockPyth.sol";
import {Published, IFeedProxy, IUniswapV3Pool} from "tests/contracts/oracle/Published.sol";
import {PlainToken} from "tests/contracts/mocks/Tokens.sol";

contract SourcesTest is Published {
    function test_smoke() public {
        vm.warp(1_800_000_000);
        IFeedProxy feed = deployFeed(8, "ETH / USD", 2000e8);
        (uint80 r, int256 a,,,) = feed.latestRoundData();
        emit log_uint(r);
        emit log_int(a);
        PlainToken x = new PlainToken("a", "a", 18);
        PlainToken y = new PlainToken("b", "b", 18);
        IUniswapV3Pool pool = deployPool(address(x), address(y), 1000, 1e24, 100);
        vm.warp(block.timestamp + 100);
        trader.push(pool, 2000);
        (, int24 t,, uint16 c,,,) = pool.slot0();
        emit log_int(t);
        emit log_uint(c);
        MockPyth pyth = deployPyth();
        publish(pyth, bytes32(uint256(1)), 5, 1, -8);
    }
}
