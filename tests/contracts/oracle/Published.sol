// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {MockPyth} from "@pythnetwork/pyth-sdk-solidity/MockPyth.sol";
import {TickMath} from "@uniswap/v4-core/src/libraries/TickMath.sol";
import {Test} from "forge-std/Test.sol";

import {PlainToken} from "tests/contracts/mocks/Tokens.sol";

/// @notice Chainlink's FluxAggregator, as far as tests need it.
interface IFluxAggregator {
    function changeOracles(
        address[] calldata removed,
        address[] calldata added,
        address[] calldata admins,
        uint32 minSubmissions,
        uint32 maxSubmissions,
        uint32 restartDelay
    ) external;
    function submit(uint256 round, int256 submission) external;
    function latestRound() external view returns (uint256);
}

/// @notice Chainlink's EACAggregatorProxy, as far as tests need it.
interface IFeedProxy {
    function proposeAggregator(address aggregator) external;
    function confirmAggregator(address aggregator) external;
    function aggregator() external view returns (address);
    function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80);
}

interface IUniswapV3Factory {
    function createPool(address tokenA, address tokenB, uint24 fee) external returns (address);
}

/// @notice Uniswap's V3 pool, as far as tests need it.
interface IUniswapV3Pool {
    function initialize(uint160 sqrtPriceX96) external;
    function increaseObservationCardinalityNext(uint16 next) external;
    function mint(address recipient, int24 lower, int24 upper, uint128 amount, bytes calldata data)
        external
        returns (uint256, uint256);
    function burn(int24 lower, int24 upper, uint128 amount) external returns (uint256, uint256);
    function swap(address recipient, bool zeroForOne, int256 amount, uint160 limit, bytes calldata data)
        external
        returns (int256, int256);
    function slot0() external view returns (uint160, int24, uint16, uint16, uint16, uint8, bool);
    function token0() external view returns (address);
}

/// @notice Provides liquidity and swaps, and pays the pool with tokens that it mints for the purpose.
contract Trader {
    function provide(IUniswapV3Pool pool, int24 lower, int24 upper, uint128 liquidity) external {
        pool.mint(address(this), lower, upper, liquidity, abi.encode(pool));
    }

    function withdraw(IUniswapV3Pool pool, int24 lower, int24 upper, uint128 liquidity) external {
        pool.burn(lower, upper, liquidity);
    }

    /// @notice Swaps until the pool stands at `tick`.
    function push(IUniswapV3Pool pool, int24 tick) public {
        (, int24 current,,,,,) = pool.slot0();
        uint160 limit = TickMath.getSqrtPriceAtTick(tick);
        pool.swap(address(this), tick < current, type(int128).max, limit, abi.encode(pool));
    }

    function uniswapV3MintCallback(uint256 owed0, uint256 owed1, bytes calldata data) external {
        _pay(data, int256(owed0), int256(owed1));
    }

    function uniswapV3SwapCallback(int256 delta0, int256 delta1, bytes calldata data) external {
        _pay(data, delta0, delta1);
    }

    function _pay(bytes calldata data, int256 owed0, int256 owed1) private {
        address pool = abi.decode(data, (address));
        PlainToken token0 = PlainToken(IUniswapV3Pool(pool).token0());
        PlainToken token1 = PlainToken(IToken1(pool).token1());
        if (owed0 > 0) token0.mint(pool, uint256(owed0));
        if (owed1 > 0) token1.mint(pool, uint256(owed1));
    }
}

interface IToken1 {
    function token1() external view returns (address);
}

/// @notice Feeds and pools from what their makers published: Chainlink's aggregator and proxy and Uniswap's V3 factory and
/// pool from the bytecode in their packages, Pyth's own double of its contract from its source.
abstract contract Published is Test {
    string private constant CHAINLINK = "node_modules/@chainlink/contracts/abi/v0.6/";
    string private constant UNISWAP =
        "node_modules/@uniswap/v3-core/artifacts/contracts/UniswapV3Factory.sol/UniswapV3Factory.json";

    address internal immutable REPORTER = makeAddr("reporter");
    Trader internal trader = new Trader();

    function _create(bytes memory code) private returns (address at) {
        assembly ("memory-safe") {
            at := create(0, add(code, 0x20), mload(code))
        }
        require(at != address(0), "published code does not deploy");
    }

    function _chainlink(string memory name) private view returns (bytes memory) {
        string memory json = vm.readFile(string.concat(CHAINLINK, name, ".json"));
        return vm.parseJsonBytes(json, ".compilerOutput.evm.bytecode.object");
    }

    /// @dev An aggregator with one reporter that clamps to `min` and `max`: it refuses what is beyond.
    function deployAggregator(uint8 decimals, string memory description, int256 min, int256 max)
        internal
        returns (IFluxAggregator aggregator)
    {
        PlainToken link = new PlainToken("Link", "LINK", 18);
        aggregator = IFluxAggregator(
            _create(
                bytes.concat(
                    _chainlink("FluxAggregator"),
                    abi.encode(address(link), 0, 300, address(0), min, max, decimals, description)
                )
            )
        );
        address[] memory reporters = new address[](1);
        reporters[0] = REPORTER;
        aggregator.changeOracles(new address[](0), reporters, reporters, 1, 1, 0);
    }

    function deployProxy(IFluxAggregator aggregator) internal returns (IFeedProxy) {
        return IFeedProxy(
            _create(
                bytes.concat(_chainlink("EACAggregatorProxy"), abi.encode(address(aggregator), address(0)))
            )
        );
    }

    /// @dev A feed as a consumer sees it, with a first answer.
    function deployFeed(uint8 decimals, string memory description, int256 first)
        internal
        returns (IFeedProxy feed)
    {
        feed = deployProxy(deployAggregator(decimals, description, 1, 1e30));
        report(feed, first);
    }

    /// @dev The next round, now.
    function report(IFeedProxy feed, int256 answer) internal {
        IFluxAggregator aggregator = IFluxAggregator(feed.aggregator());
        uint256 round = aggregator.latestRound() + 1;
        vm.prank(REPORTER);
        aggregator.submit(round, answer);
    }

    /// @dev A pool at `tick` with `liquidity` over the whole range and room for `observations`.
    function deployPool(address tokenA, address tokenB, int24 tick, uint128 liquidity, uint16 observations)
        internal
        returns (IUniswapV3Pool pool)
    {
        IUniswapV3Factory factory =
            IUniswapV3Factory(_create(vm.parseJsonBytes(vm.readFile(UNISWAP), ".bytecode")));
        pool = IUniswapV3Pool(factory.createPool(tokenA, tokenB, 500));
        pool.initialize(TickMath.getSqrtPriceAtTick(tick));
        if (observations > 1) pool.increaseObservationCardinalityNext(observations);
        trader.provide(pool, -887_270, 887_270, liquidity);
    }

    function deployPyth() internal returns (MockPyth) {
        return new MockPyth(60, 0);
    }

    function publish(MockPyth pyth, bytes32 id, int64 price, uint64 conf, int32 expo) internal {
        // The compiler may reuse a time that it read before a warp.
        uint64 time = uint64(vm.getBlockTimestamp());
        bytes[] memory updates = new bytes[](1);
        updates[0] = pyth.createPriceFeedUpdateData(id, price, conf, expo, price, conf, time, time - 1);
        pyth.updatePriceFeeds(updates);
    }
}
