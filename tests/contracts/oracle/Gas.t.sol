// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IOracleGuard} from "contracts/interfaces/IOracleGuard.sol";
import {IChainlinkFeed, IPythFeeds, IV3Observations} from "contracts/oracle/Sources.sol";
import {Setup} from "contracts/oracle/Types.sol";
import {OracleFixture} from "tests/contracts/oracle/OracleFixture.sol";
import {console2} from "forge-std/console2.sol";

/// @notice What {OracleGuard-read} costs beside the bare calls to the same sources, each in a transaction that touched
/// nothing before. Real feeds and a real pool.
contract OracleGasTest is OracleFixture {
    function setUp() public {
        deployOracle();
    }

    function test_one_source() public {
        _measure(1, 1);
    }

    function test_two_sources() public {
        _measure(2, 2);
    }

    function test_three_sources() public {
        _measure(3, 2);
    }

    /// @dev Chainlink; and Pyth; and the pool.
    function _measure(uint256 count, uint8 quorum) private {
        configureAs(first(setup(), count, quorum));
        guard.record(ETH);
        address[] memory touched = new address[](7);
        touched[0] = address(guard);
        touched[1] = _code();
        touched[2] = address(feed);
        touched[3] = feed.aggregator();
        touched[4] = address(pyth);
        touched[5] = address(pool);
        touched[6] = address(this);
        _cool(touched);
        bytes memory call = abi.encodeCall(IOracleGuard.read, (ETH, IOracleGuard.Action.Swap));
        uint256 before = gasleft();
        (bool ok,) = address(guard).staticcall(call);
        uint256 read = before - gasleft();
        assertEq(ok, count != 1, "one source is no price for a swap, and costs what it costs");

        _cool(touched);
        before = gasleft();
        IChainlinkFeed(address(feed)).latestRoundData();
        if (count > 1) IPythFeeds(address(pyth)).getPriceUnsafe(ETH_USD);
        if (count > 2) {
            IV3Observations(address(pool)).slot0();
            uint32[] memory ago = new uint32[](2);
            ago[0] = WINDOW;
            IV3Observations(address(pool)).observe(ago);
        }
        uint256 bare = before - gasleft();
        string memory suffix = string.concat("_", vm.toString(count), " ");
        console2.log(string.concat("oracle_read_gas", suffix, vm.toString(read), " gas"));
        console2.log(string.concat("oracle_bare_gas", suffix, vm.toString(bare), " gas"));
        console2.log(
            string.concat("oracle_read_overhead", suffix, vm.toString((read - bare) * 100 / bare), " percent")
        );
        assertLt(read, 120_000 * count);
    }

    /// @dev Where the guard keeps ETH's setup: the value of its mapping.
    function _code() private view returns (address) {
        return address(uint160(uint256(vm.load(address(guard), keccak256(abi.encode(ETH, uint256(1)))))));
    }

    function _cool(address[] memory list) private {
        for (uint256 i = 0; i < list.length; ++i) {
            ICool(address(vm)).cool(list[i]);
        }
    }
}

/// @dev Of forge's cheatcodes, newer than forge-std.
interface ICool {
    function cool(address target) external;
}
