// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {Test} from "forge-std/Test.sol";

import {SwapSetup} from "script/SwapSetup.sol";
import {StableSwapPool} from "tests/contracts/mocks/StableSwapPool.sol";

interface IV2Factory {
    function createPair(address a, address b) external returns (address);
}

interface IV2Pair {
    function mint(address to) external returns (uint256);
    function swap(uint256 out0, uint256 out1, address to, bytes calldata data) external;
    function getReserves() external view returns (uint112, uint112, uint32);
}

interface IV2Router {
    function swapExactTokensForTokens(
        uint256 amount,
        uint256 least,
        address[] calldata path,
        address to,
        uint256 deadline
    ) external returns (uint256[] memory);
    function getAmountsOut(uint256 amount, address[] calldata path) external view returns (uint256[] memory);
}

interface IV3Factory {
    function createPool(address a, address b, uint24 fee) external returns (address);
}

interface IV3Pool {
    function initialize(uint160 root) external;
    function mint(address to, int24 low, int24 high, uint128 liquidity, bytes calldata data)
        external
        returns (uint256, uint256);
    function swap(address to, bool zeroForOne, int256 amount, uint160 limit, bytes calldata data)
        external
        returns (int256, int256);
    function tickSpacing() external view returns (int24);
    function slot0() external view returns (uint160, int24, uint16, uint16, uint16, uint8, bool);
}

interface IV3Router {
    struct ExactInputSingle {
        address tokenIn;
        address tokenOut;
        uint24 fee;
        address to;
        uint256 deadline;
        uint256 amount;
        uint256 least;
        uint160 limit;
    }

    function exactInputSingle(ExactInputSingle calldata p) external payable returns (uint256);
}

interface IBalancer {
    struct Join {
        address[] assets;
        uint256[] most;
        bytes userData;
        bool internalBalance;
    }

    struct Single {
        bytes32 poolId;
        uint8 kind;
        address assetIn;
        address assetOut;
        uint256 amount;
        bytes userData;
    }

    struct Funds {
        address sender;
        bool fromInternal;
        address to;
        bool toInternal;
    }

    function joinPool(bytes32 poolId, address sender, address to, Join calldata join) external;
    function swap(Single calldata single, Funds calldata funds, uint256 limit, uint256 deadline)
        external
        returns (uint256);
    function getPoolTokens(bytes32 poolId) external view returns (address[] memory, uint256[] memory, uint256);
}

interface IWeightedFactory {
    function create(
        string calldata name,
        string calldata symbol,
        address[] calldata tokens,
        uint256[] calldata weights,
        address[] calldata rateProviders,
        uint256 fee,
        address owner
    ) external returns (address);
    function getPoolId() external view returns (bytes32);
}

interface IStablePool {
    function exchange(int128 i, int128 j, uint256 amount, uint256 least) external returns (uint256);
}

/// @notice Provides liquidity and swaps, out of what it holds.
contract Provider {
    using SafeERC20 for IERC20;

    function pay(address token, address to, uint256 amount) public {
        IERC20(token).safeTransfer(to, amount);
    }

    function allow(address token, address spender) external {
        IERC20(token).forceApprove(spender, type(uint256).max);
    }

    function act(address target, bytes calldata data) external returns (bytes memory said) {
        bool ok;
        (ok, said) = target.call(data);
        if (ok) return said;
        assembly ("memory-safe") {
            revert(add(said, 0x20), mload(said))
        }
    }

    function provide(address pool, address a, address b, int24 reach, uint128 liquidity) external {
        (a, b) = a < b ? (a, b) : (b, a);
        IV3Pool(pool).mint(address(this), -reach, reach, liquidity, abi.encode(a, b));
    }

    /// @notice Sells `amount` of `sell` in a V3 pool, or as much of it as the pool takes.
    function swapV3(address pool, address sell, address buy, uint256 amount) external {
        bool zeroForOne = sell < buy;
        (address a, address b) = zeroForOne ? (sell, buy) : (buy, sell);
        uint160 limit =
            zeroForOne ? 4_295_128_740 : 1_461_446_703_485_210_103_287_273_052_203_988_822_378_723_970_341;
        IV3Pool(pool).swap(address(this), zeroForOne, int256(amount), limit, abi.encode(a, b));
    }

    function uniswapV3MintCallback(uint256 owed0, uint256 owed1, bytes calldata data) external {
        (address a, address b) = abi.decode(data, (address, address));
        pay(a, msg.sender, owed0);
        pay(b, msg.sender, owed1);
    }

    function uniswapV3SwapCallback(int256 delta0, int256 delta1, bytes calldata data) external {
        (address a, address b) = abi.decode(data, (address, address));
        if (delta0 > 0) pay(a, msg.sender, uint256(delta0));
        else pay(b, msg.sender, uint256(delta1));
    }
}

/// @notice The protocols that the vault swaps on, from the bytecode that their makers published on npm, and the test pool
/// with StableSwap's arithmetic.
abstract contract Protocols is Test {
    string private constant UNISWAP = "node_modules/@uniswap/";
    string private constant BALANCER = "node_modules/@balancer-labs/v2-deployments/dist/tasks/";

    Provider internal provider;
    address internal weth;
    IV2Factory internal factoryV2;
    IV2Router internal routerV2;
    IV3Factory internal factoryV3;
    IV3Router internal routerV3;
    IBalancer internal balancer;
    IWeightedFactory internal factoryWeighted;

    function _code(string memory path, string memory key) private view returns (bytes memory) {
        string memory code = vm.parseJsonString(vm.readFile(path), key);
        return vm.parseBytes(vm.indexOf(code, "0x") == 0 ? code : string.concat("0x", code));
    }

    function _create(bytes memory code, bytes memory arguments) private returns (address at) {
        code = bytes.concat(code, arguments);
        assembly ("memory-safe") {
            at := create(0, add(code, 0x20), mload(code))
        }
        require(at != address(0), "published code does not deploy");
    }

    function deployProtocols() internal {
        provider = new Provider();
        string memory v2 = string.concat(UNISWAP, "v2-periphery/build/");
        weth = _create(_code(string.concat(v2, "WETH9.json"), ".bytecode"), "");
        factoryV2 = IV2Factory(
            _create(
                _code(string.concat(UNISWAP, "v2-core/build/UniswapV2Factory.json"), ".bytecode"),
                abi.encode(address(this))
            )
        );
        routerV2 = IV2Router(
            _create(
                _code(string.concat(v2, "UniswapV2Router02.json"), ".bytecode"), abi.encode(factoryV2, weth)
            )
        );
        string memory core = "v3-core/artifacts/contracts/UniswapV3Factory.sol/UniswapV3Factory.json";
        factoryV3 = IV3Factory(_create(_code(string.concat(UNISWAP, core), ".bytecode"), ""));
        string memory periphery = "v3-periphery/artifacts/contracts/SwapRouter.sol/SwapRouter.json";
        routerV3 = IV3Router(
            _create(_code(string.concat(UNISWAP, periphery), ".bytecode"), abi.encode(factoryV3, weth))
        );
        address authorizer = _create(
            _code(string.concat(BALANCER, "20210418-authorizer/artifact/Authorizer.json"), ".bytecode"),
            abi.encode(address(this))
        );
        balancer = IBalancer(
            _create(
                _code(string.concat(BALANCER, "20210418-vault/artifact/Vault.json"), ".bytecode"),
                abi.encode(authorizer, weth, 0, 0)
            )
        );
        factoryWeighted = IWeightedFactory(deployWeightedFactory());
    }

    /// @dev An adapter for each; no pool yet, and no connector.
    function swapParams() internal view returns (SwapSetup.Params memory p) {
        p.weth = weth;
        p.uniswapV2 = new SwapSetup.V2[](1);
        p.uniswapV2[0] = SwapSetup.V2(address(factoryV2), 997, 1000);
        p.uniswapV3 = new address[](1);
        p.uniswapV3[0] = address(factoryV3);
        p.balancer = new SwapSetup.Balancer[](1);
        p.balancer[0] = SwapSetup.Balancer(address(balancer), address(factoryWeighted));
    }

    /// @dev Another one makes pools that the first does not know.
    function deployWeightedFactory() internal returns (address) {
        string memory fees =
            "20220725-protocol-fee-percentages-provider/artifact/ProtocolFeePercentagesProvider.json";
        address provider_ =
            _create(_code(string.concat(BALANCER, fees), ".bytecode"), abi.encode(balancer, 1e17, 1e17));
        return _create(
            _code(
                string.concat(BALANCER, "20220908-weighted-pool-v2/bytecode/WeightedPoolFactory.json"),
                ".creationCode"
            ),
            abi.encode(balancer, provider_)
        );
    }

    /// @dev In every token's own unit; the provider holds enough of both.
    function pairOf(address a, address b, uint256 amountA, uint256 amountB) internal returns (address pair) {
        pair = factoryV2.createPair(a, b);
        provider.pay(a, pair, amountA);
        provider.pay(b, pair, amountB);
        IV2Pair(pair).mint(address(this));
    }

    /// @dev Over the whole range: like a pair with these amounts.
    function poolV3Of(address a, address b, uint24 fee, uint256 amountA, uint256 amountB)
        internal
        returns (address pool)
    {
        pool = factoryV3.createPool(a, b, fee);
        (uint256 x, uint256 y) = a < b ? (amountA, amountB) : (amountB, amountA);
        IV3Pool(pool).initialize(uint160(Math.sqrt(Math.mulDiv(y, 1 << 192, x))));
        int24 spacing = IV3Pool(pool).tickSpacing();
        int24 reach = 887_272 / spacing * spacing;
        provider.provide(pool, a, b, reach, uint128(Math.sqrt(x * y)));
    }

    function stablePoolOf(address a, address b, uint256 amountA, uint256 amountB, uint256 decimalsB)
        internal
        returns (StableSwapPool pool)
    {
        address[] memory coins = _pair(a, b);
        uint256[] memory rates = new uint256[](2);
        (rates[0], rates[1]) = (1e18, 10 ** (36 - decimalsB));
        pool = new StableSwapPool(coins, rates, 100, 1, 4e6);
        provider.allow(a, address(pool));
        provider.allow(b, address(pool));
        uint256[] memory amounts = new uint256[](2);
        (amounts[0], amounts[1]) = (amountA, amountB);
        provider.act(address(pool), abi.encodeCall(StableSwapPool.donate, (amounts)));
    }

    /// @dev Half and half, with a fee of 0.1 %.
    function weightedPoolOf(IWeightedFactory factory, address a, address b, uint256 amountA, uint256 amountB)
        internal
        returns (bytes32 id)
    {
        IBalancer.Join memory join;
        join.assets = a < b ? _pair(a, b) : _pair(b, a);
        join.most = new uint256[](2);
        (join.most[0], join.most[1]) = a < b ? (amountA, amountB) : (amountB, amountA);
        join.userData = abi.encode(0, join.most);
        uint256[] memory weights = new uint256[](2);
        (weights[0], weights[1]) = (0.5e18, 0.5e18);
        address[] memory none = new address[](2);
        address pool = factory.create("Pool", "P", join.assets, weights, none, 1e15, address(this));
        id = IWeightedFactory(pool).getPoolId();
        provider.allow(a, address(balancer));
        provider.allow(b, address(balancer));
        provider.act(
            address(balancer),
            abi.encodeCall(IBalancer.joinPool, (id, address(provider), address(provider), join))
        );
    }

    function _pair(address a, address b) internal pure returns (address[] memory list) {
        list = new address[](2);
        (list[0], list[1]) = (a, b);
    }
}
