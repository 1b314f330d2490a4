//! `make bench-gas`: what a payout costs, as total gas of the transaction through the proxy, divided by its payouts.
//!
//! In the same run: the floor (the same packed loop without roles and books) and one transaction per transfer.

#![expect(clippy::float_arithmetic, reason = "figures for people; nothing is paid by them")]

use alloy::{
    network::TransactionBuilder,
    primitives::{Address, B256, Bytes, U256, keccak256},
    providers::Provider,
    rpc::types::TransactionRequest,
    sol,
    sol_types::SolCall,
};
use eyre::{OptionExt, WrapErr, ensure};
use spillway::{chain::abi::IVault, domain::asset::NATIVE};
use spillway_e2e::{
    anvil::Options,
    bench::Figures,
    root,
    world::{DEPLOYER, LANES, TestToken, World, send},
};

sol! {
    interface IFloor {
        function pay(address asset, bytes32[] calldata payouts) external;
    }
}

const SIZES: [usize; 4] = [1, 10, 100, 500];
/// Near 1.23e18: calldata of realistic amounts.
const AMOUNT: u128 = 1_230_000_000_000_000_017;
/// 500 fresh payouts of ETH do not fit the 16,777,216 of EIP-7825: the figure is for comparison.
const MAX_GAS: u64 = 30_000_000;

#[tokio::main]
async fn main() -> eyre::Result<()> {
    let options = Options { block_time: Some(0.2), uncapped: true, ..Options::default() };
    let world = World::start_with(options).await?;
    let mut bench = Bench { floor: deploy_floor(&world).await?, world, seed: 0, figures: Figures::default() };
    for asset in ["erc20", "eth"] {
        bench.run(asset).await?;
    }
    let path = bench.figures.write("gas")?;
    eprintln!("written to {}", path.display());
    Ok(())
}

struct Bench {
    world: World,
    floor: Address,
    /// So that each batch has recipients of its own.
    seed: u64,
    figures: Figures,
}

impl Bench {
    async fn run(&mut self, kind: &str) -> eyre::Result<()> {
        let asset = if kind == "eth" { NATIVE } else { self.world.asset("TDAI").address };
        for n in SIZES {
            let payouts = self.payouts(n);
            let fresh = self.settle(asset, &payouts).await?;
            let warm = self.settle(asset, &payouts).await?;
            let payouts = self.payouts(n);
            let floor_fresh = self.pay_floor(asset, &payouts).await?;
            let floor_warm = self.pay_floor(asset, &payouts).await?;
            for (name, gas) in [
                (format!("gas_payout_{kind}_fresh_{n}"), fresh),
                (format!("gas_payout_{kind}_warm_{n}"), warm),
                (format!("gas_floor_{kind}_fresh_{n}"), floor_fresh),
                (format!("gas_floor_{kind}_warm_{n}"), floor_warm),
            ] {
                self.figures.add(name, gas as f64 / n as f64, "gas");
            }
        }
        // The same recipient twice: the second finds it warm.
        let to = Address::from_slice(&keccak256(format!("single {}", self.seed))[..20]);
        for name in ["fresh", "warm"] {
            let gas = self.transfer(asset, to).await?;
            self.figures.add(format!("gas_single_{kind}_{name}"), gas as f64, "gas");
        }
        Ok(())
    }

    fn payouts(&mut self, n: usize) -> Vec<B256> {
        self.seed += 1;
        let recipient = |i| Address::from_slice(&keccak256(format!("{} {i}", self.seed))[..20]);
        (0..n)
            .map(|i| {
                let amount = U256::from(AMOUNT + i as u128);
                B256::from((U256::from_be_slice(recipient(i).as_slice()) << 96) | amount)
            })
            .collect()
    }

    async fn settle(&self, asset: Address, payouts: &[B256]) -> eyre::Result<u64> {
        let lane = LANES[0].0;
        let vault = IVault::new(self.world.vault(), self.world.provider());
        let position = vault.laneOf(lane).call().await?;
        let refs: Vec<u8> = payouts.iter().flat_map(|p| keccak256(p)[..8].to_vec()).collect();
        let call = IVault::settleCall {
            asset,
            first: position.next,
            head: position.head,
            total: payouts.iter().map(|p| U256::from_be_slice(&p[20..])).sum(),
            auditHead: keccak256("an audit head"),
            payouts: payouts.to_vec(),
            refs: refs.into(),
        };
        self.gas(lane, self.world.vault(), U256::ZERO, call.abi_encode()).await
    }

    async fn pay_floor(&self, asset: Address, payouts: &[B256]) -> eyre::Result<u64> {
        let call = IFloor::payCall { asset, payouts: payouts.to_vec() };
        self.gas(LANES[0].0, self.floor, U256::ZERO, call.abi_encode()).await
    }

    async fn transfer(&self, asset: Address, to: Address) -> eyre::Result<u64> {
        let amount = U256::from(AMOUNT);
        if asset == NATIVE {
            return self.gas(DEPLOYER, to, amount, Vec::new()).await;
        }
        let call = TestToken::transferCall { to, amount };
        self.gas(DEPLOYER, asset, U256::ZERO, call.abi_encode()).await
    }

    async fn gas(&self, from: Address, to: Address, value: U256, input: Vec<u8>) -> eyre::Result<u64> {
        let request = TransactionRequest::default()
            .with_from(from)
            .with_to(to)
            .with_value(value)
            .with_input(input)
            .with_gas_limit(MAX_GAS);
        let receipt = self.world.provider().send_transaction(request).await?.get_receipt().await?;
        ensure!(receipt.status(), "a transaction to {to} reverted");
        if std::env::var("TRACE").is_ok() {
            let v: serde_json::Value = self.world.provider().raw_request("debug_traceTransaction".into(), (receipt.transaction_hash, serde_json::json!({"disableStorage":true,"disableStack":true,"disableMemory":true}))).await?;
            std::fs::write(format!("/tmp/trace-{}.json", self.seed), serde_json::to_string(&v)?)?;
        }
        Ok(receipt.gas_used)
    }
}

/// Puts the floor on the chain, with money, and gives the deployer tokens for single transfers.
async fn deploy_floor(world: &World) -> eyre::Result<Address> {
    let path = root().join("out/Floor.sol/Floor.json");
    let text = std::fs::read_to_string(&path)
        .wrap_err_with(|| format!("{} is missing: run `forge build`", path.display()))?;
    let artifact: serde_json::Value = serde_json::from_str(&text)?;
    let code: Bytes = artifact["bytecode"]["object"].as_str().ok_or_eyre("no bytecode")?.parse()?;
    let request =
        TransactionRequest::default().with_from(DEPLOYER).with_deploy_code(code).with_gas_limit(3_000_000);
    let receipt = world.provider().send_transaction(request).await?.get_receipt().await?;
    let floor = receipt.contract_address.ok_or_eyre("no contract was made")?;
    let dai = world.asset("TDAI").address;
    let funds = U256::from(AMOUNT) * U256::from(100_000);
    for holder in [floor, DEPLOYER] {
        let mint = TestToken::mintCall { to: holder, amount: funds }.abi_encode();
        send(world.provider(), DEPLOYER, dai, U256::ZERO, mint.into()).await?.get_receipt().await?;
    }
    let value = U256::from(AMOUNT) * U256::from(5_000);
    send(world.provider(), DEPLOYER, floor, value, Bytes::new()).await?.get_receipt().await?;
    Ok(floor)
}
