//! What tests call of each protocol.

use alloy_sol_types::sol;

sol! {
    interface Token {
        function mint(address to, uint256 amount) external;
        function approve(address spender, uint256 amount) external;
        function balanceOf(address account) external view returns (uint256);
    }
    interface V2 {
        function addLiquidity(address a, address b, uint256 wantA, uint256 wantB, uint256 minA, uint256 minB, address to, uint256 deadline) external returns (uint256, uint256, uint256);
        function getPair(address a, address b) external view returns (address);
        function getReserves() external view returns (uint112 reserve0, uint112 reserve1, uint32 timestamp);
        function swapExactTokensForTokens(uint256 amountIn, uint256 min, address[] path, address to, uint256 deadline) external returns (uint256[] amounts);
        function swapTokensForExactTokens(uint256 amountOut, uint256 max, address[] path, address to, uint256 deadline) external returns (uint256[] amounts);
    }
    interface V3 {
        struct Mint { address token0; address token1; uint24 fee; int24 low; int24 high; uint256 want0; uint256 want1; uint256 min0; uint256 min1; address to; uint256 deadline; }
        struct In { address tokenIn; address tokenOut; uint24 fee; address to; uint256 deadline; uint256 amountIn; uint256 min; uint160 limit; }
        struct Out { address tokenIn; address tokenOut; uint24 fee; address to; uint256 deadline; uint256 amountOut; uint256 max; uint160 limit; }
        function createPool(address a, address b, uint24 fee) external returns (address);
        function initialize(uint160 sqrtPrice) external;
        function mint(Mint params) external returns (uint256, uint128, uint256, uint256);
        function fee() external view returns (uint24);
        function slot0() external view returns (uint160 sqrtPrice, int24 tick, uint16, uint16, uint16, uint8, bool);
        function liquidity() external view returns (uint128);
        function ticks(int24 tick) external view returns (uint128 gross, int128 net, uint256, uint256, int56, uint160, uint32, bool);
        function exactInputSingle(In params) external returns (uint256);
        function exactOutputSingle(Out params) external returns (uint256);
    }
    interface Balancer {
        struct Join { address[] assets; uint256[] most; bytes userData; bool internalBalance; }
        struct Single { bytes32 poolId; uint8 kind; address tokenIn; address tokenOut; uint256 amount; bytes userData; }
        struct Funds { address sender; bool fromInternal; address to; bool toInternal; }
        function create(string name, string symbol, address[] tokens, uint256[] weights, address[] rateProviders, uint256 fee, address owner) external returns (address);
        function getPoolId() external view returns (bytes32);
        function joinPool(bytes32 poolId, address sender, address to, Join request) external;
        function getPoolTokens(bytes32 poolId) external view returns (address[] tokens, uint256[] balances, uint256 block);
        function swap(Single single, Funds funds, uint256 limit, uint256 deadline) external returns (uint256);
    }
    interface Stable {
        function donate(uint256[] amounts) external;
        function coins(uint256 k) external view returns (address);
        function balances(uint256 k) external view returns (uint256);
        function admin_fee() external view returns (uint256);
        function exchange(uint256 i, uint256 j, uint256 amount) external returns (uint256);
    }
}
