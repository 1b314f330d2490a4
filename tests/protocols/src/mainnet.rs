//! Where things are on Ethereum's mainnet.

use alloy_primitives::{Address, address};

pub const WETH: Address = address!("C02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2");
pub const USDC: Address = address!("A0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48");
pub const USDT: Address = address!("dAC17F958D2ee523a2206206994597C13D831ec7");
pub const DAI: Address = address!("6B175474E89094C44Da98b954EedeAC495271d0F");

pub const V2_FACTORY: Address = address!("5C69bEe701ef814a2B6a3EDD4B1652CB9cc5aA6f");
pub const V2_ROUTER: Address = address!("7a250d5630B4cF539739dF2C5dAcb4c659F2488D");
/// A fork of Uniswap V2.
pub const SUSHI_FACTORY: Address = address!("C0AEe478e3658e2610c5F7A4A2E1777cE9e4f2Ac");
pub const SUSHI_ROUTER: Address = address!("d9e1cE17f2641f24aE83637ab66a2cca9C378B9F");

pub const V3_FACTORY: Address = address!("1F98431c8aD98523631AE4a59f267346ea31F984");
pub const V3_ROUTER: Address = address!("E592427A0AEce92De3Edee1F18E0157C05861564");
pub const V3_POSITIONS: Address = address!("C36442b4a4522E871399CD717aBDD847Ab11FE88");

/// DAI, USDC and USDT.
pub const THREE_POOL: Address = address!("bEbc44782C7dB0a1A60Cb6fe97d0b483032FF1C7");

pub const BALANCER_AUTHORIZER: Address = address!("A331D84eC860Bf466b4CdCcFb4aC09a1B43F3aE6");
pub const BALANCER_VAULT: Address = address!("BA12222222228d8Ba445958a75a0704d566BF2C8");
pub const BALANCER_FEES: Address = address!("97207B095e4D5C9a6e4cfbfcd2C3358E03B90c4A");
pub const BALANCER_WEIGHTED: Address = address!("cC508a455F5b0073973107Db6a878DdBDab957bC");

/// Pairs and pools, whose addresses follow from factory, tokens and code.
pub const V2_USDC_WETH: Address = address!("B4e16d0168e52d35CaCD2c6185b44281Ec28C9Dc");
pub const V2_DAI_WETH: Address = address!("A478c2975Ab1Ea89e8196811F51A7B7Ade33eB11");
pub const V2_WETH_USDT: Address = address!("0d4a11d5EEaaC28EC3F61d100daF4d40471f1852");
pub const V3_USDC_WETH: Address = address!("88e6A0c2dDD26FEEb64F039a2c41296FcB3f5640");
pub const V3_USDC_WETH_3000: Address = address!("8ad599c3A0ff1De082011EFDDc58f1908eb6e6D8");
pub const V3_DAI_USDC: Address = address!("5777d92f208679DB4b9778590Fa3CAB3aC9e2168");
pub const V3_DAI_WETH: Address = address!("C2e9F25Be6257c210d7Adf0D4Cd6E3E881ba25f8");
